// The layer tree: https://www.w3.org/WAI/ARIA/apg/patterns/treeview/ with roving focus. Its state is in the traits of the model
// (`rows`, `selected`, `folded`, `filter`); the page only draws it, so folding and filtering need no kernel.

import "./tree.css";
import { numbersOf } from "../shared/buffers.js";
import { closest, element } from "../shared/dom.js";
import { announceRequest, save } from "../shared/model.js";
import { siblingsOf, visibleRows } from "../tree/rows.js";

/** @import { Render } from "@anywidget/types" */
/** @import { Bytes, Model } from "../shared/model.js" */
/** @import { Mark, Row } from "../tree/rows.js" */

/** `ratios` (float32), `largest` (int32), `estimated` (uint8) and `troubles` (int8) have one number for each row.
 * @typedef {{rows: Row[], selected: string, folded: string[], filter: string, weights: string[],
 *   since_record: number, ratios: Bytes,
 *   largest_weights: Bytes, estimated: Bytes, severities: Bytes}} Traits */

/** @type {Record<Mark, string>} */
const MARKS = { frozen: "❄", shared: "⇄", "not built": "◌" };
const SEVERITIES = ["error", "warning", "note"];
const DECADES = 6; // a full bar is an update ratio of 1, an empty one of 1e-6
const ROW = 24; // px, the height of a row, as in tree.css
const MARGIN = 40; // rows that are drawn above and below the visible ones
const TYPE_AHEAD_PAUSE = 700; // ms without a key after which typing starts over

/** @param {Row} row */
function makeItem(row) {
  const marks = row.marks.map((mark) => MARKS[mark]).join(" ");
  const marker = element("span", { className: "we-tree-trouble we-severity" });
  const fill = element("span", { className: "we-tree-fill" });
  const bar = element("span", { className: "we-tree-bar" }, fill);
  const root = element(
    "div",
    {
      className: "we-tree-row",
      role: "treeitem",
      tabIndex: -1,
      title: `${row.name} (${row.kind})`,
      "data-path": row.path,
      "aria-selected": "false",
      "aria-label": row.label,
      "aria-level": String(row.level),
    },
    element("span", { className: "we-tree-fold", "aria-hidden": "true" }),
    element("span", { className: "we-tree-name", textContent: row.name }),
    element("span", { className: "we-tree-kind", textContent: row.kind }),
    element("span", { className: "we-tree-marks", textContent: marks, title: row.marks.join(", ") }),
    element("span", { className: "we-tree-count", textContent: row.count }),
    marker,
    bar,
  );
  root.style.setProperty("--level", String(row.level - 1));
  return { root, marker, bar, fill, drawn: JSON.stringify(row) };
}

/** @typedef {ReturnType<typeof makeItem>} Item */

/** How long a bar is, from 0 to 1, on a logarithmic scale; null where no change is known.
 * @param {number} ratio */
function lengthOf(ratio) {
  if (Number.isNaN(ratio)) return null;
  return ratio > 0 ? Math.min(Math.max(1 + Math.log10(ratio) / DECADES, 0.04), 1) : 0;
}

/** How much the weights of a row changed last, in words.
 * @param {number} ratio @param {string} weight @param {boolean} isEstimated @param {number} since */
function changeWords(ratio, weight, isEstimated, since) {
  if (Number.isNaN(ratio)) return "";
  if (ratio === 0) return `nothing moved since record ${since}`;
  const about = isEstimated ? "≈ " : "";
  return `update ratio ${about}${ratio.toPrecision(3)} since record ${since}: ${weight}`;
}

/** What a new view of a model takes over from the one that it replaces.
 * @type {WeakMap<Model<Traits>, {scroll: number, hadFocus: boolean}>} */
const memories = new WeakMap();

/** @param {Model<Traits>} model */
function memoryOf(model) {
  const memory = memories.get(model) ?? { scroll: 0, hadFocus: false };
  memories.set(model, memory);
  return memory;
}

/** @param {HTMLElement} el */
function build(el) {
  const search = element("input", {
    className: "we-tree-search",
    type: "search",
    placeholder: "filter layers",
    "aria-label": "filter layers",
  });
  const rows = element("div", { className: "we-tree-rows", role: "none" });
  const above = element("div", { className: "we-tree-undrawn", role: "none" });
  const below = element("div", { className: "we-tree-undrawn", role: "none" });
  const space = element("div", { className: "we-tree-space", role: "none" }, rows, above, below);
  const list = element("div", { className: "we-tree-list", role: "tree", "aria-label": "layers" }, space);
  const none = element("div", { className: "we-tree-none", textContent: "no layer matches" });
  el.replaceChildren(search, list, none);
  return { search, rows, above, below, space, list, none };
}

/** @type {Render<Traits>} */
function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  const memory = memoryOf(model);

  el.classList.add("we-tree");
  el.dataset.lmSuppressShortcuts = "true";
  const { search, rows: drawnRows, above, below, space, list, none } = build(el);
  search.value = model.get("filter");

  /** @type {Row[]} */
  let shown = [];
  /** @type {string | undefined} */
  let focused = model.get("selected");
  let typed = "";
  let typedAt = 0;
  /** @type {Map<string, Item>} */
  const items = new Map();
  let siblings = siblingsOf([]);
  let drawn = ""; // which rows are drawn, as text
  let scrolled = memory.scroll;

  const isFiltered = () => Boolean(model.get("filter").trim());
  const folded = () => new Set(model.get("folded"));
  /** @param {Row} row */
  const isOpen = (row) => isFiltered() || !folded().has(row.path);
  /** @param {string | undefined} path */
  const indexOf = (path) => shown.findIndex((row) => row.path === path);
  const focusedItem = () => (focused === undefined ? undefined : items.get(focused)?.root);

  /** Find out which rows there are, and draw the visible ones. */
  function drawRows() {
    const rows = model.get("rows");
    siblings = siblingsOf(rows);
    shown = visibleRows(rows, folded(), model.get("filter"));
    space.style.height = `${shown.length * ROW}px`;
    none.hidden = shown.length > 0;
    if (indexOf(focused) < 0) focused = indexOf(model.get("selected")) >= 0 ? model.get("selected") : shown[0]?.path;
    drawn = "";
    drawVisible();
  }

  /** The visible rows and some above and below: the index of the first, and that after the last. */
  function visibleRange() {
    const first = Math.floor(list.scrollTop / ROW / MARGIN) - 1; // in steps, so that few scrolls draw rows
    const last = Math.ceil((list.scrollTop + list.clientHeight) / ROW / MARGIN) + 1;
    return [Math.max(first * MARGIN, 0), Math.min(last * MARGIN, shown.length)];
  }

  /** The indexes of the rows to draw: a range, and the rows that have the focus or may get it.
   * @param {number} first @param {number} last */
  function indexesToDraw(first, last) {
    const range = Array.from({ length: Math.max(last - first, 0) }, (_, i) => first + i);
    const others = [indexOf(focused), indexOf(model.get("selected"))].filter((i) => i >= 0 && (i < first || i >= last));
    return [...new Set([...range, ...others])].sort((a, b) => a - b);
  }

  /** @param {number} index */
  function itemAt(index) {
    const row = shown[index];
    let item = items.get(row.path);
    if (item?.drawn !== JSON.stringify(row)) {
      item = makeItem(row);
      items.set(row.path, item);
    }
    const { position, group } = siblings.get(row.path) ?? { position: 0, group: [] };
    item.root.style.top = `${index * ROW}px`;
    item.root.setAttribute("aria-posinset", String(position));
    item.root.setAttribute("aria-setsize", String(group.length));
    if (row.parent) item.root.setAttribute("aria-expanded", String(isOpen(row)));
    return item.root;
  }

  /** Draw the visible rows; those that were drawn before are not made again. */
  function drawVisible() {
    const [first, last] = visibleRange();
    const indexes = indexesToDraw(first, last);
    if (indexes.join() === drawn) return;
    drawn = indexes.join();
    const rows = indexes.map(itemAt);
    const hadFocus = list.contains(document.activeElement);
    /** @type {Set<Element>} */
    const kept = new Set(rows);
    const { children } = drawnRows;
    for (const row of [...children]) if (!kept.has(row)) row.remove();
    rows.forEach((row, i) => { if (children[i] !== row) drawnRows.insertBefore(row, children[i] ?? null); });
    above.style.height = `${first * ROW}px`;
    below.style.top = `${last * ROW}px`;
    below.style.height = `${(shown.length - last) * ROW}px`;
    drawActivity();
    drawSelection();
    if (hadFocus && !list.contains(document.activeElement)) focusedItem()?.focus({ preventScroll: true });
  }

  /** Update bars and marks: rows stay, and only what changed is written. */
  function drawActivity() {
    const ratios = numbersOf(Float32Array, model.get("ratios"));
    const severities = numbersOf(Int8Array, model.get("severities"));
    model.get("rows").forEach(({ path, label }, i) => {
      const item = items.get(path);
      if (item?.root.parentNode !== drawnRows) return;
      const { root, marker, bar, fill } = item;
      const length = lengthOf(ratios[i] ?? NaN)?.toFixed(3) ?? "";
      if (bar.dataset.length !== length) {
        bar.dataset.length = length;
        fill.style.transform = `scaleX(${length || 0})`;
      }
      const severity = SEVERITIES[severities[i]] ?? "";
      if ((marker.dataset.severity ?? "") === severity) return;
      marker.dataset.severity = severity;
      marker.title = severity && `${severity}, here or below`;
      root.setAttribute("aria-label", severity ? `${label}, has ${severity === "error" ? "an" : "a"} ${severity}` : label);
    });
  }

  /** Write the words of a row's bar when the user asks for them.
   * @param {HTMLElement} root */
  function describeBar(root) {
    const path = root.dataset.path ?? "";
    const at = model.get("rows").findIndex((row) => row.path === path);
    const ratio = numbersOf(Float32Array, model.get("ratios"))[at] ?? NaN;
    const weight = model.get("weights")[numbersOf(Int32Array, model.get("largest_weights"))[at]];
    const isEstimated = numbersOf(Uint8Array, model.get("estimated"))[at] > 0;
    const words = changeWords(ratio, weight, isEstimated, model.get("since_record"));
    const bar = items.get(path)?.bar;
    if (bar) bar.title = words;
    if (words) root.setAttribute("aria-description", words);
    else root.removeAttribute("aria-description");
  }

  function drawSelection() {
    for (const row of list.querySelectorAll('[aria-selected="true"]')) row.setAttribute("aria-selected", "false");
    for (const row of list.querySelectorAll('[tabindex="0"]')) row.setAttribute("tabindex", "-1");
    items.get(model.get("selected"))?.root.setAttribute("aria-selected", "true");
    focusedItem()?.setAttribute("tabindex", "0");
  }

  /** Scroll within the list only: `scrollIntoView` would move the notebook too.
   * @param {string} path */
  function reveal(path) {
    const index = indexOf(path);
    if (index < 0) return;
    const top = index * ROW;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
    drawVisible();
  }

  /** @param {string | undefined} path */
  function focus(path) {
    if (path === undefined) return;
    focused = path;
    reveal(path);
    drawSelection();
    focusedItem()?.focus({ preventScroll: true });
  }

  /** @param {string | undefined} path */
  function select(path) {
    if (path === undefined || path === model.get("selected")) return;
    save(model, { selected: path });
    announceRequest(el, { layer: path });
  }

  /** Fold a row or unfold it. While a filter is set, all rows are open.
   * @param {Row} row @param {boolean} open */
  function fold(row, open) {
    if (!row.parent || isOpen(row) === open || isFiltered()) return;
    const paths = folded();
    if (open) paths.delete(row.path);
    else paths.add(row.path);
    save(model, { folded: [...paths] });
  }

  /** @param {number} index */
  function parentOf(index) {
    for (let i = index - 1; i >= 0; i--) if (shown[i].level < shown[index].level) return shown[i].path;
    return undefined;
  }

  /** @param {string} key @param {number} time */
  function typeAhead(key, time) {
    typed = time - typedAt > TYPE_AHEAD_PAUSE ? key : typed + key;
    typedAt = time;
    const from = indexOf(focused) + (typed.length === 1 ? 1 : 0);
    const order = [...shown.slice(from), ...shown.slice(0, from)];
    return order.find((row) => row.name.toLowerCase().startsWith(typed.toLowerCase()))?.path;
  }

  /** Each key returns the path of the row to go to. Moving selects, so that going down the tree is a slide show.
   * @type {Record<string, (i: number) => string | undefined>} */
  const KEYS = {
    ArrowDown: (i) => shown[i + 1]?.path,
    ArrowUp: (i) => shown[i - 1]?.path,
    Home: () => shown[0]?.path,
    End: () => shown.at(-1)?.path,
    PageDown: (i) => shown[Math.min(i + 10, shown.length - 1)]?.path,
    PageUp: (i) => shown[Math.max(i - 10, 0)]?.path,
    Enter: (i) => shown[i]?.path,
    " ": (i) => shown[i]?.path,
    ArrowRight: (i) => {
      if (!shown[i].parent) return undefined;
      if (isOpen(shown[i])) return shown[i + 1]?.path;
      fold(shown[i], true);
      return undefined;
    },
    ArrowLeft: (i) => {
      if (shown[i].parent && isOpen(shown[i]) && !isFiltered()) {
        fold(shown[i], false);
        return undefined;
      }
      return parentOf(i);
    },
  };

  list.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const index = indexOf(focused);
    if (index < 0) return;
    const isTyping = typed && event.timeStamp - typedAt < TYPE_AHEAD_PAUSE;
    const isPrintable = event.key.length === 1 && (event.key !== " " || isTyping);
    const path = isPrintable ? typeAhead(event.key, event.timeStamp) : KEYS[event.key]?.(index);
    if (!isPrintable && !KEYS[event.key]) return;
    event.preventDefault();
    focus(path);
    select(path);
  }, { signal });

  list.addEventListener("click", (event) => {
    const row = shown[indexOf(closest(event, ".we-tree-row")?.dataset.path)];
    if (!row) return;
    if (closest(event, ".we-tree-fold") && row.parent) {
      fold(row, !isOpen(row));
      focus(row.path);
      return;
    }
    focus(row.path);
    select(row.path);
  }, { signal });

  list.addEventListener("dblclick", (event) => {
    const row = shown[indexOf(closest(event, ".we-tree-row")?.dataset.path)];
    if (row && !closest(event, ".we-tree-fold")) fold(row, !isOpen(row));
  }, { signal });

  list.addEventListener("scroll", () => {
    memory.scroll = scrolled = list.scrollTop;
    drawVisible();
  }, { signal });
  list.addEventListener("focusin", (event) => {
    memory.hadFocus = true;
    const item = closest(event, ".we-tree-row");
    if (!item) return;
    describeBar(item);
    if (item.dataset.path === focused) return;
    focused = item.dataset.path;
    drawSelection();
  }, { signal });
  list.addEventListener("pointerover", (event) => {
    const item = closest(event, ".we-tree-row");
    if (item) describeBar(item);
  }, { signal });
  list.addEventListener("focusout", (event) => { memory.hadFocus = !event.relatedTarget && !el.isConnected; }, { signal });

  search.addEventListener("input", () => save(model, { filter: search.value }), { signal });
  search.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "ArrowDown" && shown.length) {
      event.preventDefault();
      focus(focused);
    } else if (event.key === "Escape" && search.value) {
      search.value = "";
      save(model, { filter: "" });
    }
  }, { signal });

  function takeSelected() {
    if (indexOf(model.get("selected")) >= 0 && !list.contains(document.activeElement)) focused = model.get("selected");
    drawVisible();
    drawSelection();
    if (!list.contains(document.activeElement)) reveal(model.get("selected"));
  }
  function takeFilter() {
    if (search.value !== model.get("filter")) search.value = model.get("filter");
    drawRows();
  }
  model.on("change:rows change:folded", drawRows);
  model.on("change:ratios change:troubles", drawActivity);
  model.on("change:selected", takeSelected);
  model.on("change:filter", takeFilter);
  drawRows();
  // Rows come into view without a scroll where the list grows, and where JupyterLab takes the panel out of the page and puts it
  // back: then the list is at its top.
  const observer = new IntersectionObserver(() => {
    if (list.scrollTop !== scrolled) list.scrollTop = scrolled;
    drawVisible();
  }, { root: list });
  for (const part of [above, below]) observer.observe(part);
  requestAnimationFrame(() => {
    list.scrollTop = memory.scroll;
    drawVisible();
    if (memory.hadFocus) focusedItem()?.focus({ preventScroll: true });
  });

  return () => {
    controller.abort();
    observer.disconnect();
    model.off("change:rows change:folded", drawRows);
    model.off("change:ratios change:troubles", drawActivity);
    model.off("change:selected", takeSelected);
    model.off("change:filter", takeFilter);
  };
}

export default { render };
