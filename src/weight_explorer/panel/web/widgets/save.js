// Saves what is drawn. The kernel makes the file; the browser downloads it. Code is shown in place, to be copied.

const FORMATS = [
  ["png", "PNG", "picture as PNG"],
  ["svg", "SVG", "picture as SVG"],
  ["csv", "CSV", "numbers as CSV"],
  ["code", "Code", "as code"],
];
const STEPS = { ArrowDown: 1, ArrowUp: -1 };

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function download({ name, mime }, buffer) {
  const url = URL.createObjectURL(new Blob([buffer], { type: mime }));
  const link = element("a", { href: url, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  // The download has taken the bytes by the time that the page is idle again.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

async function copy(button, pre) {
  try {
    await navigator.clipboard.writeText(pre.textContent);
    button.textContent = "copied";
  } catch {
    // Pages that are not served securely have no clipboard: leave the lines selected for the user's own copy.
    getSelection().selectAllChildren(pre);
    button.textContent = "selected";
  }
}

function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-save");
  el.dataset.lmSuppressShortcuts = "true";
  const button = element("button", { type: "button", textContent: "Save ▾" });
  button.setAttribute("aria-haspopup", "dialog");
  button.setAttribute("aria-expanded", "false");
  button.setAttribute("aria-label", "Save the picture");
  const formats = element("div", { className: "we-save-formats" }, ...FORMATS.map(([format, , words]) => {
    const choice = element("button", { type: "button", textContent: words });
    choice.dataset.format = format;
    return choice;
  }));
  const words = element("div", { className: "we-save-words" });
  words.setAttribute("role", "status");
  const pre = element("pre", { tabIndex: 0 });
  pre.setAttribute("role", "region");
  pre.setAttribute("aria-label", "code of this picture");
  const copies = element("button", { type: "button", textContent: "copy" });
  const saves = element("button", { type: "button", textContent: "save as .py" });
  const closes = element("button", { type: "button", textContent: "close" });
  const code = element("div", { className: "we-save-code", hidden: true },
    pre, element("div", { className: "we-save-buttons" }, copies, saves, closes));
  const popover = element("div", { className: "we-save-popover", popover: "auto" }, formats, words, code);
  popover.setAttribute("role", "dialog");
  popover.setAttribute("aria-label", "save the picture");
  button.popoverTargetElement = popover;
  el.replaceChildren(button, popover);

  let order = "";
  let file = null;

  const say = (text, isProblem = false) => {
    words.textContent = text;
    words.toggleAttribute("data-problem", isProblem);
  };

  /** Right below the button and within the page. */
  function place() {
    const { right, bottom, top } = button.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = popover;
    const below = bottom + 4 + height <= innerHeight ? bottom + 4 : Math.max(8, top - 4 - height);
    popover.style.left = `${Math.max(8, Math.min(right, innerWidth - 8) - width)}px`;
    popover.style.top = `${below}px`;
  }

  // Before, not after: "toggle" comes a task later, when the focus has long moved.
  popover.addEventListener("beforetoggle", (event) => {
    button.setAttribute("aria-expanded", String(event.newState === "open"));
  }, { signal });

  popover.addEventListener("toggle", (event) => {
    if (event.newState !== "open") return;
    [formats.hidden, code.hidden] = [false, true];
    say("");
    place();
    formats.firstChild.focus();
  }, { signal });

  formats.addEventListener("click", (event) => {
    const { format } = event.target.dataset;
    if (!format) return;
    order = `${Math.random()}`;
    say("…");
    model.send({ order, format });
    el.dispatchEvent(new CustomEvent("we-asked", { bubbles: true }));
  }, { signal });

  formats.addEventListener("keydown", (event) => {
    if (!(event.key in STEPS)) return;
    event.preventDefault();
    const all = [...formats.children];
    all[(all.indexOf(document.activeElement) + STEPS[event.key] + all.length) % all.length].focus();
  }, { signal });

  copies.addEventListener("click", () => copy(copies, pre), { signal });
  copies.addEventListener("blur", () => { copies.textContent = "copy"; }, { signal });
  saves.addEventListener("click", () => download(...file), { signal });
  closes.addEventListener("click", () => popover.hidePopover(), { signal });
  el.addEventListener("keydown", (event) => event.stopPropagation(), { signal });

  function showCode(buffer) {
    pre.textContent = new TextDecoder().decode(buffer);
    [formats.hidden, code.hidden] = [true, false];
    say("");
    place();
    copies.focus();
  }

  // The order tells what another display of the same explorer asked for.
  function delivered(message, buffers) {
    if (message.order !== order) return;
    order = "";
    if (message.problem) {
      say(message.problem, true);
      place();
      return;
    }
    file = [message, buffers[0]];
    if (message.format === "code" && popover.matches(":popover-open")) showCode(buffers[0]);
    else if (message.format !== "code") {
      download(...file);
      if (popover.matches(":popover-open")) popover.hidePopover();
    }
  }

  model.on("msg:custom", delivered);
  return () => {
    controller.abort();
    model.off("msg:custom", delivered);
  };
}

export default { render };
