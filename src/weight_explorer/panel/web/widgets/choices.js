// One of several, as tabs (https://www.w3.org/WAI/ARIA/apg/patterns/tabs/), as segments (a radio group; a menu where there is
// no room for all of them) or as a menu (a native select). The options and the selection live in the model.

const ROLES = {
  tabs: { list: "tablist", item: "tab", chosen: "aria-selected" },
  segments: { list: "radiogroup", item: "radio", chosen: "aria-checked" },
};
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

function choose(model, el, value) {
  if (value === undefined || value === model.get("selected")) return;
  model.set("selected", value);
  model.save_changes();
  el.dispatchEvent(new CustomEvent("we-asked", { bubbles: true, detail: { option: value } }));
}

function buttons(model, el, signal) {
  const roles = ROLES[model.get("kind")];
  const list = document.createElement("div");
  list.className = `we-choices-${model.get("kind")}`;
  list.setAttribute("role", roles.list);
  el.replaceChildren(list);

  const controlled = () => model.get("controls") && el.closest(".weight-explorer")?.querySelector(`.${model.get("controls")}`);

  // Tabs say what they change. That stands elsewhere in the panel, and is there once this has its size.
  const panels = new ResizeObserver(() => {
    const panel = controlled();
    if (!panel) return;
    panel.id ||= `we-${Math.random().toString(36).slice(2)}`;
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-label", "picture");
    drawSelection();
  });
  panels.observe(el);
  signal.addEventListener("abort", () => panels.disconnect());

  function drawOptions() {
    const hadFocus = list.contains(document.activeElement);
    list.setAttribute("aria-label", model.get("label"));
    list.replaceChildren(...model.get("options").map(([value, label]) => {
      const item = document.createElement("button");
      item.type = "button";
      item.className = "we-choice";
      item.setAttribute("role", roles.item);
      item.dataset.value = value;
      item.textContent = label;
      return item;
    }));
    drawSelection();
    if (hadFocus) list.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
  }

  function drawSelection() {
    const anyChosen = [...list.children].some((item) => item.dataset.value === model.get("selected"));
    const panel = controlled()?.id;
    for (const item of list.children) {
      if (panel) item.setAttribute("aria-controls", panel);
      const chosen = anyChosen ? item.dataset.value === model.get("selected") : item === list.firstChild;
      item.setAttribute(roles.chosen, String(chosen));
      item.tabIndex = chosen ? 0 : -1;
      if (chosen) list.scrollLeft = Math.max(0, item.offsetLeft + item.offsetWidth - list.clientWidth);
    }
  }

  list.addEventListener("click", (event) => choose(model, el, event.target.closest(".we-choice")?.dataset.value), { signal });
  list.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const items = [...list.children];
    const index = Math.max(0, items.findIndex((item) => item.dataset.value === model.get("selected")));
    const to = { Home: 0, End: items.length - 1 }[event.key]
      ?? (event.key in STEPS ? (index + STEPS[event.key] + items.length) % items.length : undefined);
    if (to === undefined) return;
    event.preventDefault();
    choose(model, el, items[to].dataset.value);
    items[to].focus({ preventScroll: true });
  }, { signal });
  return { drawOptions, drawSelection };
}

function menu(model, el, signal) {
  const label = document.createElement("label");
  label.className = "we-choices-menu";
  const words = document.createElement("span");
  const select = document.createElement("select");
  label.append(words, select);
  el.replaceChildren(label);

  function drawOptions() {
    words.textContent = model.get("label");
    select.replaceChildren(...model.get("options").map(([value, text]) => new Option(text, value)));
    label.hidden = model.get("options").length < 2;
    drawSelection();
  }
  const drawSelection = () => { select.value = model.get("selected"); };

  select.addEventListener("change", () => choose(model, el, select.value), { signal });
  select.addEventListener("keydown", (event) => event.stopPropagation(), { signal });
  return { drawOptions, drawSelection };
}

/** Segments where all of them fit, else a menu. The hidden one keeps its size, so that the next change can be measured. */
function segments(model, el, signal) {
  const [row, box] = [document.createElement("div"), document.createElement("div")];
  el.classList.add("we-choices-fitting");
  el.replaceChildren(row, box);
  const parts = [buttons(model, row, signal), menu(model, box, signal)];
  const list = row.firstChild;

  function fit() {
    const fits = list.scrollWidth <= list.clientWidth;
    row.classList.toggle("we-choices-unseen", !fits);
    box.classList.toggle("we-choices-unseen", fits);
  }
  const observer = new ResizeObserver(fit);
  observer.observe(el);
  signal.addEventListener("abort", () => observer.disconnect());
  return {
    drawOptions: () => {
      parts.forEach((part) => part.drawOptions());
      fit();
    },
    drawSelection: () => parts.forEach((part) => part.drawSelection()),
  };
}

const MAKE = { tabs: buttons, segments, menu };

function render({ model, el }) {
  const controller = new AbortController();
  el.classList.add("we-choices");
  el.dataset.lmSuppressShortcuts = "true";
  const { drawOptions, drawSelection } = MAKE[model.get("kind")](model, el, controller.signal);
  model.on("change:options change:label", drawOptions);
  model.on("change:selected", drawSelection);
  drawOptions();
  return () => {
    controller.abort();
    model.off("change:options change:label", drawOptions);
    model.off("change:selected", drawSelection);
  };
}

export default { render };
