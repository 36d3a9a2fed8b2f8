// The options of a view in a row: menus, switches, sliders and buttons, all of them the browser's own. They are changed in
// place, so that a menu stays open, and a slider stays under the pointer, while the training draws.

import "./options.css";
import { element } from "../shared/dom.js";
import { announceRequest, save } from "../shared/model.js";

/** @import { Render } from "@anywidget/types" */

/** @typedef {"menu" | "switch" | "slider" | "button"} Kind */
/** `offers` are pairs of a value and a label; `count` is how many places a slider has.
 * @typedef {{name: string, label: string, kind: Kind, offers: [string, string][], count: number, chosen: string}} ViewOption */
/** @typedef {{view: string, options: ViewOption[], requested: string}} Traits */
/** The elements of one option. A control that shows its own name needs no label.
 * @typedef {{parts: HTMLElement[], update: (option: ViewOption) => void, isNamed?: boolean}} Control */

/** @type {Record<Kind, (option: ViewOption, request: (value: string) => void) => Control>} */
const MAKERS = {
  menu(_, request) {
    const select = element("select");
    let drawn = "";
    select.addEventListener("change", () => request(select.value));
    return {
      parts: [select],
      update({ offers, chosen }) {
        if (JSON.stringify(offers) !== drawn) select.replaceChildren(...offers.map(([value, text]) => new Option(text, value)));
        drawn = JSON.stringify(offers);
        select.value = chosen;
      },
    };
  },

  switch(_, request) {
    const box = element("input", { type: "checkbox" });
    box.addEventListener("change", () => request(box.checked ? "on" : "off"));
    return { parts: [box], update({ chosen }) { box.checked = chosen === "on"; } };
  },

  slider(_, request) {
    const range = element("input", { type: "range", min: "0", step: "1" });
    const words = element("output");
    let isDragged = false; // meanwhile the kernel still answers places that the slider has left
    range.addEventListener("change", () => { isDragged = false; });
    range.addEventListener("input", () => {
      isDragged = true;
      words.textContent = range.value;
      request(range.value);
    });
    return {
      parts: [range, words],
      update({ count, chosen }) {
        range.max = String(count - 1);
        words.style.minWidth = `${String(count - 1).length}ch`;
        if (isDragged) return;
        range.value = chosen;
        words.textContent = chosen;
      },
    };
  },

  button(option, request) {
    const button = element("button", { type: "button", textContent: option.label });
    button.addEventListener("click", () => request("now"));
    return { parts: [button], update() {}, isNamed: true };
  },
};

/** @type {Render<Traits>} */
function render({ model, el }) {
  const controller = new AbortController();
  el.classList.add("we-options");
  el.dataset.lmSuppressShortcuts = "true";
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "options of the view");
  /** @type {Map<string, {label: HTMLElement, words: HTMLElement, update: (option: ViewOption) => void}>} */
  const made = new Map(); // by view, name and kind

  /** @param {ViewOption} option */
  function make(option) {
    const { parts, update, isNamed } = MAKERS[option.kind](option, (value) => {
      save(model, { asked: `${model.get("view")}.${option.name}=${value}` });
      announceRequest(el);
    });
    const words = element("span", { hidden: Boolean(isNamed) });
    const label = element(isNamed ? "div" : "label", { className: `we-option we-option-${option.kind}` }, words, ...parts);
    return { label, words, update };
  }

  /** @param {ViewOption} option */
  function labelOf(option) {
    const key = `${model.get("view")}.${option.name}.${option.kind}`;
    const known = made.get(key) ?? make(option);
    made.set(key, known);
    known.words.textContent = option.label;
    known.update(option);
    return known.label;
  }

  function draw() {
    const labels = model.get("options").map(labelOf);
    const isSame = labels.length === el.children.length && labels.every((label, i) => label === el.children[i]);
    if (!isSame) el.replaceChildren(...labels);
  }

  el.addEventListener("keydown", (event) => event.stopPropagation(), { signal: controller.signal });
  model.on("change:options change:view", draw);
  draw();
  return () => {
    controller.abort();
    model.off("change:options change:view", draw);
  };
}

export default { render };
