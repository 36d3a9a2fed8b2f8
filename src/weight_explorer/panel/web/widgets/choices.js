// One of several options: as tabs (https://www.w3.org/WAI/ARIA/apg/patterns/tabs/), as segments (a radio group, or a menu where
// they do not all fit) or as a menu (a native select). The options and the selection are traits of the model.

import "./choices.css";
import { closest, element, uniqueId } from "../shared/dom.js";
import { announceRequest, save } from "../shared/model.js";

/** @import { AnyModel, Render } from "@anywidget/types" */

/** Options are pairs of a value and a label. `controls` is the class of the part of the panel that tabs change.
 * @typedef {{kind: "tabs" | "segments" | "menu", label: string, controls: string, options: [string, string][],
 *   selected: string}} Traits */

/** @typedef {{drawOptions: () => void, drawSelection: () => void}} Control */

const ROLES = /** @type {const} */ ({
  tabs: { list: "tablist", item: "tab", selected: "aria-selected" },
  segments: { list: "radiogroup", item: "radio", selected: "aria-checked" },
});
/** @type {Record<string, number>} */
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** @param {AnyModel<Traits>} model @param {HTMLElement} el @param {string | undefined} value */
function choose(model, el, value) {
  if (value === undefined || value === model.get("selected")) return;
  save(model, { selected: value });
  announceRequest(el, { option: value });
}

/** Tabs or segments: buttons in a row.
 * @param {AnyModel<Traits>} model
 * @param {HTMLElement} el
 * @param {AbortSignal} signal
 * @param {keyof typeof ROLES} kind */
function makeButtons(model, el, signal, kind) {
  const roles = ROLES[kind];
  const list = element("div", { className: `we-choices-${kind}`, role: roles.list });
  el.replaceChildren(list);
  /** @type {HTMLButtonElement[]} */
  let items = [];

  function findControlled() {
    const name = model.get("controls");
    return name ? el.closest(".weight-explorer")?.querySelector(`.${name}`) : null;
  }

  // Tabs name the part that they change. It is elsewhere in the panel, and is there when the tabs have their size.
  const observer = new ResizeObserver(() => {
    const panel = findControlled();
    if (!panel) return;
    panel.id ||= uniqueId("we");
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-label", "picture");
    drawSelection();
  });
  observer.observe(el);
  signal.addEventListener("abort", () => observer.disconnect());

  function drawOptions() {
    const hadFocus = list.contains(document.activeElement);
    list.setAttribute("aria-label", model.get("label"));
    items = model.get("options").map(([value, label]) =>
      element("button", { type: "button", className: "we-choice", role: roles.item, "data-value": value, textContent: label }));
    list.replaceChildren(...items);
    drawSelection();
    if (hadFocus) items.find((item) => item.tabIndex === 0)?.focus({ preventScroll: true });
  }

  function drawSelection() {
    const anySelected = items.some((item) => item.dataset.value === model.get("selected"));
    const panel = findControlled()?.id;
    for (const item of items) {
      if (panel) item.setAttribute("aria-controls", panel);
      const isSelected = anySelected ? item.dataset.value === model.get("selected") : item === items[0];
      item.setAttribute(roles.selected, String(isSelected));
      item.tabIndex = isSelected ? 0 : -1;
      if (isSelected) list.scrollLeft = Math.max(0, item.offsetLeft + item.offsetWidth - list.clientWidth);
    }
  }

  list.addEventListener("click", (event) => choose(model, el, closest(event, ".we-choice")?.dataset.value), { signal });
  list.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const index = Math.max(0, items.findIndex((item) => item.dataset.value === model.get("selected")));
    /** @type {Record<string, number>} */
    const ends = { Home: 0, End: items.length - 1 };
    const next = event.key in STEPS ? (index + STEPS[event.key] + items.length) % items.length : ends[event.key];
    if (next === undefined) return;
    event.preventDefault();
    choose(model, el, items[next].dataset.value);
    items[next].focus({ preventScroll: true });
  }, { signal });
  return { list, drawOptions, drawSelection };
}

/** @param {AnyModel<Traits>} model @param {HTMLElement} el @param {AbortSignal} signal @returns {Control} */
function makeMenu(model, el, signal) {
  const words = element("span");
  const select = element("select");
  const label = element("label", { className: "we-choices-menu" }, words, select);
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

/** Segments where all of them fit, else a menu. The hidden one keeps its size, so that the next change can be measured.
 * @param {AnyModel<Traits>} model @param {HTMLElement} el @param {AbortSignal} signal @returns {Control} */
function makeSegments(model, el, signal) {
  const row = element("div");
  const box = element("div");
  el.classList.add("we-choices-fitting");
  el.replaceChildren(row, box);
  const segments = makeButtons(model, row, signal, "segments");
  const menu = makeMenu(model, box, signal);

  function fit() {
    const fits = segments.list.scrollWidth <= segments.list.clientWidth;
    row.classList.toggle("we-choices-unseen", !fits);
    box.classList.toggle("we-choices-unseen", fits);
  }
  const observer = new ResizeObserver(fit);
  observer.observe(el);
  signal.addEventListener("abort", () => observer.disconnect());
  return {
    drawOptions() {
      segments.drawOptions();
      menu.drawOptions();
      fit();
    },
    drawSelection() {
      segments.drawSelection();
      menu.drawSelection();
    },
  };
}

/** @type {Record<Traits["kind"], (model: AnyModel<Traits>, el: HTMLElement, signal: AbortSignal) => Control>} */
const MAKERS = {
  tabs: (model, el, signal) => makeButtons(model, el, signal, "tabs"),
  segments: makeSegments,
  menu: makeMenu,
};

/** @type {Render<Traits>} */
function render({ model, el }) {
  const controller = new AbortController();
  el.classList.add("we-choices");
  el.dataset.lmSuppressShortcuts = "true";
  const { drawOptions, drawSelection } = MAKERS[model.get("kind")](model, el, controller.signal);
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
