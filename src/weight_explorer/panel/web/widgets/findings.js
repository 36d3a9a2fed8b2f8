// All findings of the model. In the overview they are a list with its own place; elsewhere a button opens the list over the
// picture. The list is changed in place, so that a button keeps the focus, and the list its position, during the training.

import "./findings.css";
import { closest, element, setPartCount, setText, uniqueId } from "../shared/dom.js";
import { announceRequest, save } from "../shared/model.js";

/** @import { Render } from "@anywidget/types" */

/** One finding; `places` are the names and keys of the other weights with the same finding.
 * @typedef {{severity: string, where: string, sentence: string, key: string, places: [string, string][],
 *   num_more: number}} Entry */
/** @typedef {{heading: string, counts: string, is_list: boolean, entries: Entry[], num_more: number, more: string,
 *   requested: string}} Traits */

const NUM_FIRST = 3; // other places of a finding that are shown before the user asks for all

function makePlace() {
  const button = element("button", { className: "we-place", type: "button" });
  return { root: element("li", {}, button), button };
}

/** The elements of one finding. `isOpen` says whether all of its other places are shown. */
function makeItem() {
  const mark = element("span", { className: "we-severity", "aria-hidden": "true" });
  const severity = element("span", { className: "we-listed-one-severity" });
  const layer = element("span", { className: "we-listed-one-layer" });
  const words = element("span", { className: "we-listed-one-words" });
  const head = element("span", { className: "we-listed-one-head" }, mark, severity, layer);
  const main = element("button", { className: "we-listed-one", type: "button" }, head, words);
  const list = element("ul", { className: "we-places" });
  const toggle = element("button", { className: "we-place we-listed-toggle", type: "button" });
  const left = element("span", { className: "we-listed-left" });
  const others = element("div", { className: "we-listed-others" }, list, toggle, left);
  const root = element("li", {}, main, others);
  /** @type {ReturnType<typeof makePlace>[]} */
  const places = [];
  return { root, mark, severity, layer, words, main, list, toggle, left, others, places, isOpen: false };
}

/** @typedef {ReturnType<typeof makeItem>} Item */

/** @param {Item} item @param {Entry} entry */
function showEntry(item, entry) {
  if (item.main.dataset.key !== entry.key) item.isOpen = false;
  item.main.dataset.severity = item.mark.dataset.severity = entry.severity;
  item.main.dataset.key = entry.key;
  item.main.title = `Go to ${entry.key}`;
  setText(item.severity, entry.severity);
  setText(item.layer, entry.where);
  setText(item.words, entry.sentence);
  item.others.hidden = !entry.places.length;
  showPlaces(item, entry);
}

/** Show the first few other places of a finding, or all of them.
 * @param {Item} item @param {Entry} entry */
function showPlaces({ list, toggle, left, places: parts, isOpen }, { places, num_more: numMore }) {
  const shown = isOpen ? places : places.slice(0, NUM_FIRST);
  setPartCount(list, parts, shown.length, makePlace);
  shown.forEach(([name, key], i) => {
    const { button } = parts[i];
    button.dataset.key = key;
    button.title = `Go to ${key}`;
    setText(button, name);
  });
  toggle.hidden = places.length <= NUM_FIRST;
  toggle.setAttribute("aria-expanded", String(isOpen));
  setText(toggle, isOpen ? "show fewer" : `show all ${places.length + numMore + 1}`);
  left.hidden = !isOpen || !numMore;
  setText(left, `and ${numMore} more: explorer.findings`);
}

/** @param {HTMLElement} el */
function build(el) {
  const mark = element("span", { className: "we-severity", "aria-hidden": "true" });
  const counts = element("span", { className: "we-listed-counts" });
  const label = element("span", { className: "we-listed-all-words", textContent: "All findings:" });
  const heading = element("p", { className: "we-listed-heading" });
  const list = element("ul", { className: "we-listed-list" });
  const more = element("p", { className: "we-listed-more" });
  const box = element(
    "div",
    { className: "we-listed-box", id: uniqueId("we-listed"), tabIndex: -1, role: "region", "aria-label": "all findings" },
    heading,
    list,
    more,
  );
  const opener = element(
    "button",
    { className: "we-copy we-listed-all", type: "button", "aria-controls": box.id },
    mark,
    label,
    counts,
  );
  el.replaceChildren(opener, box);
  return { mark, counts, heading, list, more, box, opener };
}

/** @type {Render<Traits>} */
function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-listed");
  el.dataset.lmSuppressShortcuts = "true";
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "findings");
  const { mark, counts, heading, list, more, box, opener } = build(el);
  /** @type {Item[]} */
  const items = [];
  let isOpen = false;

  function show() {
    const [isList, words] = [model.get("is_list"), model.get("counts")];
    if (isList || !words) isOpen = false;
    opener.hidden = isList || !words;
    box.hidden = isList ? !model.get("heading") : !isOpen;
    box.classList.toggle("we-listed-over", !isList);
    opener.setAttribute("aria-expanded", String(isOpen));
  }

  /** Open the list or close it; closed, it leaves the focus to the button.
   * @param {boolean} isToOpen */
  function open(isToOpen) {
    const holdsFocus = box.contains(el.ownerDocument.activeElement);
    isOpen = isToOpen;
    show();
    if (!isOpen && holdsFocus) opener.focus({ preventScroll: true });
  }

  function draw() {
    const [entries, numMore] = [model.get("entries"), model.get("num_more")];
    setText(heading, model.get("heading"));
    setText(counts, model.get("counts"));
    mark.dataset.severity = entries[0]?.severity ?? "";
    el.dataset.severities = String(new Set(entries.map(({ severity }) => severity)).size);
    opener.title = `All findings: ${model.get("counts")}`;
    opener.setAttribute("aria-label", opener.title);
    setPartCount(list, items, entries.length, makeItem);
    entries.forEach((entry, i) => showEntry(items[i], entry));
    more.hidden = !numMore;
    setText(more, `and ${numMore} more: ${model.get("more")}`);
    show();
  }

  /** @param {string} key */
  function goTo(key) {
    open(false);
    save(model, { asked: key });
    announceRequest(el, { weight: key });
  }

  opener.addEventListener("click", () => open(!isOpen), { signal });
  list.addEventListener("click", (event) => {
    const button = closest(event, "button");
    if (!button) return;
    if (button.dataset.key) {
      goTo(button.dataset.key);
      return;
    }
    const at = items.findIndex(({ root }) => root.contains(button));
    items[at].isOpen = !items[at].isOpen;
    showEntry(items[at], model.get("entries")[at]);
  }, { signal });
  el.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key !== "Escape" || !isOpen) return;
    open(false);
    opener.focus({ preventScroll: true });
  }, { signal });
  const events = "change:entries change:heading change:counts change:num_more change:is_list";
  model.on(events, draw);
  draw();
  return () => {
    controller.abort();
    model.off(events, draw);
  };
}

export default { render };
