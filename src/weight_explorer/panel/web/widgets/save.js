// Saves what is drawn. The kernel makes the file, and the browser downloads it. Code is shown in place, to be copied.

import "./save.css";
import { closest, copyText, element } from "../shared/dom.js";
import { announceRequest } from "../shared/model.js";

/** @import { Render } from "@anywidget/types" */

/** What the kernel sends for a request, whose id `order` is: a file, or why there is none.
 * @typedef {{order: string, format: string, name: string, mime: string, problem?: string}} Message */
/** A file, and its bytes. @typedef {{message: Message, bytes: DataView<ArrayBuffer>}} SavedFile */

const FORMATS = [
  ["png", "picture as PNG"],
  ["svg", "picture as SVG"],
  ["csv", "numbers as CSV"],
  ["code", "as code"],
];
/** @type {Record<string, number>} */
const STEPS = { ArrowDown: 1, ArrowUp: -1 };

/** @param {SavedFile} file */
function download({ message: { name, mime }, bytes }) {
  const url = URL.createObjectURL(new Blob([bytes], { type: mime }));
  const link = element("a", { href: url, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  // The download has taken the bytes by the time that the page is idle again.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** @param {HTMLElement} el */
function build(el) {
  const opener = element("button", {
    type: "button",
    textContent: "Save ▾",
    "aria-haspopup": "dialog",
    "aria-expanded": "false",
    "aria-label": "Save the picture",
  });
  const choices = FORMATS.map(([format, words]) =>
    element("button", { type: "button", textContent: words, "data-format": format }));
  const formats = element("div", { className: "we-save-formats" }, ...choices);
  const status = element("div", { className: "we-save-words", role: "status" });
  const source = element("pre", { tabIndex: 0, role: "region", "aria-label": "code of this picture" });
  const copy = element("button", { type: "button", textContent: "copy" });
  const save = element("button", { type: "button", textContent: "save as .py" });
  const close = element("button", { type: "button", textContent: "close" });
  const buttons = element("div", { className: "we-save-buttons" }, copy, save, close);
  const code = element("div", { className: "we-save-code", hidden: true }, source, buttons);
  const popover = element(
    "div",
    { className: "we-save-popover", popover: "auto", role: "dialog", "aria-label": "save the picture" },
    formats,
    status,
    code,
  );
  opener.popoverTargetElement = popover;
  el.replaceChildren(opener, popover);
  return { opener, choices, formats, status, source, copy, save, close, code, popover };
}

/** @type {Render} */
function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-save");
  el.dataset.lmSuppressShortcuts = "true";
  const { opener, choices, formats, status, source, copy, save, close, code, popover } = build(el);

  let pending = ""; // the id of the request that is not answered yet
  /** @type {SavedFile | null} */
  let file = null;

  /** @param {string} text */
  function say(text, isProblem = false) {
    status.textContent = text;
    status.toggleAttribute("data-problem", isProblem);
  }

  /** Put the popover right below the button and within the page. */
  function place() {
    const { right, bottom, top } = opener.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = popover;
    const below = bottom + 4 + height <= innerHeight ? bottom + 4 : Math.max(8, top - 4 - height);
    popover.style.left = `${Math.max(8, Math.min(right, innerWidth - 8) - width)}px`;
    popover.style.top = `${below}px`;
  }

  // Before, not after: "toggle" comes a task later, when the focus has already moved.
  popover.addEventListener("beforetoggle", (event) => {
    opener.setAttribute("aria-expanded", String(event.newState === "open"));
  }, { signal });

  popover.addEventListener("toggle", (event) => {
    if (event.newState !== "open") return;
    [formats.hidden, code.hidden] = [false, true];
    say("");
    place();
    choices[0].focus();
  }, { signal });

  formats.addEventListener("click", (event) => {
    const format = closest(event, "[data-format]")?.dataset.format;
    if (!format) return;
    pending = `${Math.random()}`;
    say("…");
    model.send({ order: pending, format });
    announceRequest(el);
  }, { signal });

  formats.addEventListener("keydown", (event) => {
    if (!(event.key in STEPS)) return;
    event.preventDefault();
    const at = choices.findIndex((choice) => choice === document.activeElement);
    choices[(at + STEPS[event.key] + choices.length) % choices.length].focus();
  }, { signal });

  copy.addEventListener("click", () => copyText(copy, source), { signal });
  copy.addEventListener("blur", () => { copy.textContent = "copy"; }, { signal });
  save.addEventListener("click", () => { if (file) download(file); }, { signal });
  close.addEventListener("click", () => popover.hidePopover(), { signal });
  el.addEventListener("keydown", (event) => event.stopPropagation(), { signal });

  /** @param {DataView<ArrayBuffer>} bytes */
  function showCode(bytes) {
    source.textContent = new TextDecoder().decode(bytes);
    [formats.hidden, code.hidden] = [true, false];
    say("");
    place();
    copy.focus();
  }

  /** Take a file. Other displays of the same explorer get it too, and ignore it by its id.
   * @param {Message} message
   * @param {DataView<ArrayBuffer>[]} buffers */
  function takeFile(message, buffers) {
    if (message.order !== pending) return;
    pending = "";
    if (message.problem) {
      say(message.problem, true);
      place();
      return;
    }
    file = { message, bytes: buffers[0] };
    const isOpen = popover.matches(":popover-open");
    if (message.format === "code") {
      if (isOpen) showCode(buffers[0]);
      return;
    }
    download(file);
    if (isOpen) popover.hidePopover();
  }

  model.on("msg:custom", takeFile);
  return () => {
    controller.abort();
    model.off("msg:custom", takeFile);
  };
}

export default { render };
