// The layer tree: https://www.w3.org/WAI/ARIA/apg/patterns/treeview/ with roving focus. State lives in the model
// (`rows`, `selected`, `folded`, `filter`); the page only draws it, so folding and filtering need no kernel.

const MARKS = { frozen: "❄", shared: "⇄", "not built": "◌" };
const SEVERITIES = ["error", "warning", "note"];
const DECADES = 6; // a full bar is an update ratio of 1, an empty one of 1e-6
const ROW = 24; // px, the height of a row, as in tree.css
const MARGIN = 40; // rows that are drawn above and below those in sight
const TYPE_AHEAD_PAUSE = 700; // ms without a key after which typing starts anew

/** @typedef {{path: string, name: string, kind: string, count: string, level: number, parent: boolean,
 *             marks: string[], label: string}} Row */

/** Rows that a filter leaves, with everything above them; null where there is no filter.
 * @param {Row[]} rows @param {string} filter */
function matching(rows, filter) {
  const wanted = filter.trim().toLowerCase();
  if (!wanted) return null;
  const found = new Set();
  const above = [];
  for (const row of rows) {
    above.length = row.level - 1;
    above.push(row.path);
    if (`${row.name} ${row.kind}`.toLowerCase().includes(wanted)) above.forEach((path) => found.add(path));
  }
  return found;
}

/** Rows on screen: what the filter leaves, or else what no folded row hides.
 * @param {Row[]} rows @param {Set<string>} folded @param {string} filter */
function visible(rows, folded, filter) {
  const found = matching(rows, filter);
  if (found) return rows.filter((row) => found.has(row.path));
  const shown = [];
  let hiddenBelow = Infinity;
  for (const row of rows) {
    if (row.level > hiddenBelow) continue;
    hiddenBelow = row.parent && folded.has(row.path) ? row.level : Infinity;
    shown.push(row);
  }
  return shown;
}

/** Each row's place among its siblings. @param {Row[]} rows @returns {Map<string, [number, number]>} */
function places(rows) {
  const groups = [];
  const siblings = new Map();
  for (const row of rows) {
    groups.length = row.level;
    const group = (groups[row.level - 1] ??= []);
    siblings.set(row.path, { position: group.push(row.path), group });
  }
  return new Map(rows.map(({ path }) => [path, [siblings.get(path).position, siblings.get(path).group.length]]));
}

function element(tag, className, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

function drawRow(row) {
  const item = element("div", "we-tree-row");
  item.setAttribute("role", "treeitem");
  item.dataset.path = row.path;
  item.tabIndex = -1;
  item.setAttribute("aria-selected", "false");
  const fold = element("span", "we-tree-fold");
  fold.setAttribute("aria-hidden", "true");
  const marks = element("span", "we-tree-marks", row.marks.map((mark) => MARKS[mark]).join(" "));
  marks.title = row.marks.join(", ");
  const trouble = element("span", "we-tree-trouble we-severity");
  const bar = element("span", "we-tree-bar");
  bar.append(element("span", "we-tree-fill"));
  item.append(
    fold,
    element("span", "we-tree-name", row.name),
    element("span", "we-tree-kind", row.kind),
    marks,
    element("span", "we-tree-count", row.count),
    trouble,
    bar,
  );
  item.setAttribute("aria-label", row.label);
  item.setAttribute("aria-level", row.level);
  item.style.setProperty("--level", row.level - 1);
  item.title = `${row.name} (${row.kind})`;
  return item;
}

/** How long a bar is, from 0 to 1, on a logarithmic scale; null where no change is known. */
function lengthOf(ratio) {
  if (Number.isNaN(ratio)) return null;
  return ratio > 0 ? Math.min(Math.max(1 + Math.log10(ratio) / DECADES, 0.04), 1) : 0;
}

/** Say how far the weights of a row moved last. */
function wordsOf(ratio, weight, isEstimated, since) {
  if (Number.isNaN(ratio)) return "";
  if (ratio === 0) return `nothing moved since record ${since}`;
  const about = isEstimated ? "≈ " : "";
  return `update ratio ${about}${ratio.toPrecision(3)} since record ${since}: ${weight}`;
}

/** What is told of each row, in the order of the rows. */
function activityOf(model) {
  const view = (name, type) => {
    const { buffer, byteOffset, byteLength } = model.get(name);
    return new type(buffer.slice(byteOffset, byteOffset + byteLength));
  };
  return {
    ratios: view("ratios", Float32Array),
    largest: view("largest", Int32Array),
    estimated: view("estimated", Uint8Array),
    troubles: view("troubles", Int8Array),
  };
}

function initialize() {
  // What a new view of the same model takes over from the one it replaces.
  return { scroll: 0, hadFocus: false };
}

const carried = new WeakMap();

function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  const memory = carried.get(model) ?? carried.set(model, initialize()).get(model);

  el.classList.add("we-tree");
  el.dataset.lmSuppressShortcuts = "true";
  const search = element("input", "we-tree-search");
  search.type = "search";
  search.placeholder = "filter layers";
  search.setAttribute("aria-label", "filter layers");
  search.value = model.get("filter");
  const list = element("div", "we-tree-list");
  list.setAttribute("role", "tree");
  list.setAttribute("aria-label", "layers");
  const space = element("div", "we-tree-space");
  const rowsDrawn = element("div", "we-tree-rows");
  const undrawn = [element("div", "we-tree-undrawn"), element("div", "we-tree-undrawn")]; // above and below those rows
  for (const part of [space, rowsDrawn, ...undrawn]) part.setAttribute("role", "none");
  space.append(rowsDrawn, ...undrawn);
  list.append(space);
  const none = element("div", "we-tree-none", "no layer matches");
  el.replaceChildren(search, list, none);

  /** @type {Row[]} */
  let shown = [];
  let focused = model.get("selected");
  let typed = "";
  let typedAt = 0;
  const items = new Map();
  let place = new Map();
  let drawn = ""; // which rows are, as text
  let scrolled = memory.scroll;

  const folded = () => new Set(model.get("folded"));
  const isOpen = (row) => Boolean(model.get("filter").trim()) || !folded().has(row.path);
  const indexOf = (path) => shown.findIndex((row) => row.path === path);

  function save(changes) {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  }

  /** Find out which rows there are, and draw those in sight. */
  function drawRows() {
    const rows = model.get("rows");
    place = places(rows);
    shown = visible(rows, folded(), model.get("filter"));
    space.style.height = `${shown.length * ROW}px`;
    none.hidden = shown.length > 0;
    if (indexOf(focused) < 0) focused = indexOf(model.get("selected")) >= 0 ? model.get("selected") : shown[0]?.path;
    drawn = "";
    drawInSight();
  }

  /** The rows in sight and some above and below: the place of the first, and that after the last. */
  function inSight() {
    const first = Math.floor(list.scrollTop / ROW / MARGIN) - 1; // in steps, so that few scrolls draw rows
    const last = Math.ceil((list.scrollTop + list.clientHeight) / ROW / MARGIN) + 1;
    return [Math.max(first * MARGIN, 0), Math.min(last * MARGIN, shown.length)];
  }

  /** The places of the rows to draw: a range, and the rows that have the focus or may get it. */
  function wanted(first, last) {
    const range = Array.from({ length: Math.max(last - first, 0) }, (_, i) => first + i);
    const others = [indexOf(focused), indexOf(model.get("selected"))].filter((i) => i >= 0 && (i < first || i >= last));
    return [...new Set([...range, ...others])].sort((a, b) => a - b);
  }

  function itemAt(index) {
    const row = shown[index];
    let item = items.get(row.path);
    if (!item || item.we !== JSON.stringify(row)) {
      item = drawRow(row);
      item.we = JSON.stringify(row);
      items.set(row.path, item);
    }
    const [position, size] = place.get(row.path);
    item.style.top = `${index * ROW}px`;
    item.setAttribute("aria-posinset", position);
    item.setAttribute("aria-setsize", size);
    if (row.parent) item.setAttribute("aria-expanded", String(isOpen(row)));
    return item;
  }

  /** Draw the rows in sight, keeping those that stay as they are. */
  function drawInSight() {
    const [first, last] = inSight();
    const indexes = wanted(first, last);
    if (indexes.join() === drawn) return;
    drawn = indexes.join();
    const rows = indexes.map(itemAt);
    const hadFocus = list.contains(document.activeElement);
    const kept = new Set(rows);
    const { children } = rowsDrawn;
    for (const item of [...children]) if (!kept.has(item)) item.remove();
    rows.forEach((item, i) => { if (children[i] !== item) rowsDrawn.insertBefore(item, children[i] ?? null); });
    undrawn[0].style.height = `${first * ROW}px`;
    undrawn[1].style.top = `${last * ROW}px`;
    undrawn[1].style.height = `${(shown.length - last) * ROW}px`;
    drawActivity();
    drawSelection();
    if (hadFocus && !list.contains(document.activeElement)) items.get(focused)?.focus({ preventScroll: true });
  }

  /** Bring bars and marks up to date: rows stay as they are, and only what changed is written. */
  function drawActivity() {
    const { ratios, troubles } = activityOf(model);
    model.get("rows").forEach(({ path, label }, i) => {
      const item = items.get(path);
      if (item?.parentNode !== rowsDrawn) return;
      const length = lengthOf(ratios[i] ?? NaN);
      const severity = SEVERITIES[troubles[i]] ?? "";
      const [bar, trouble] = [item.querySelector(".we-tree-bar"), item.querySelector(".we-tree-trouble")];
      const drawn = length === null ? "" : length.toFixed(3);
      if (bar.dataset.length !== drawn) {
        bar.dataset.length = drawn;
        bar.firstChild.style.transform = `scaleX(${drawn || 0})`;
      }
      if ((trouble.dataset.severity ?? "") === severity) return;
      trouble.dataset.severity = severity;
      trouble.title = severity && `${severity}, here or below`;
      item.setAttribute("aria-label", severity ? `${label}, has ${severity === "error" ? "an" : "a"} ${severity}` : label);
    });
  }

  /** The words of a bar are made when somebody wants them. */
  function tellBar(item) {
    const place = model.get("rows").findIndex((row) => row.path === item.dataset.path);
    const { ratios, largest, estimated } = activityOf(model);
    const weight = model.get("weights")[largest[place]];
    const words = wordsOf(ratios[place] ?? NaN, weight, estimated[place] > 0, model.get("since"));
    item.querySelector(".we-tree-bar").title = words;
    if (words) item.setAttribute("aria-description", words);
    else item.removeAttribute("aria-description");
  }

  function drawSelection() {
    for (const item of list.querySelectorAll('[aria-selected="true"]')) item.setAttribute("aria-selected", "false");
    for (const item of list.querySelectorAll('[tabindex="0"]')) item.tabIndex = -1;
    items.get(model.get("selected"))?.setAttribute("aria-selected", "true");
    const item = items.get(focused);
    if (item) item.tabIndex = 0;
  }

  /** Scroll within the list only: `scrollIntoView` would move the notebook too. */
  function reveal(path) {
    const index = indexOf(path);
    if (index < 0) return;
    const top = index * ROW;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
    drawInSight();
  }

  function focus(path) {
    if (path === undefined) return;
    focused = path;
    reveal(path);
    drawSelection();
    items.get(path)?.focus({ preventScroll: true });
  }

  function select(path) {
    if (path === undefined || path === model.get("selected")) return;
    save({ selected: path });
    el.dispatchEvent(new CustomEvent("we-asked", { bubbles: true, detail: { layer: path } }));
  }

  function fold(row, open) {
    if (!row.parent || isOpen(row) === open || model.get("filter").trim()) return;
    const paths = folded();
    if (open) paths.delete(row.path);
    else paths.add(row.path);
    save({ folded: [...paths] });
  }

  function parentOf(index) {
    for (let i = index - 1; i >= 0; i--) if (shown[i].level < shown[index].level) return shown[i].path;
    return undefined;
  }

  function typeAhead(key, time) {
    typed = time - typedAt > TYPE_AHEAD_PAUSE ? key : typed + key;
    typedAt = time;
    const from = indexOf(focused) + (typed.length === 1 ? 1 : 0);
    const order = [...shown.slice(from), ...shown.slice(0, from)];
    return order.find((row) => row.name.toLowerCase().startsWith(typed.toLowerCase()))?.path;
  }

  // Walking selects, so that going down the tree is a slide show; each key returns the row to go to.
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
      if (shown[i].parent && isOpen(shown[i]) && !model.get("filter").trim()) {
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
    const printable = event.key.length === 1 && (event.key !== " " || (typed && event.timeStamp - typedAt < TYPE_AHEAD_PAUSE));
    const path = printable ? typeAhead(event.key, event.timeStamp) : KEYS[event.key]?.(index);
    if (!printable && !KEYS[event.key]) return;
    event.preventDefault();
    focus(path);
    select(path);
  }, { signal });

  list.addEventListener("click", (event) => {
    const item = event.target.closest(".we-tree-row");
    if (!item) return;
    const row = shown[indexOf(item.dataset.path)];
    if (event.target.closest(".we-tree-fold") && row.parent) {
      fold(row, !isOpen(row));
      focus(row.path);
      return;
    }
    focus(row.path);
    select(row.path);
  }, { signal });

  list.addEventListener("dblclick", (event) => {
    const item = event.target.closest(".we-tree-row");
    if (!item || event.target.closest(".we-tree-fold")) return;
    const row = shown[indexOf(item.dataset.path)];
    fold(row, !isOpen(row));
  }, { signal });

  list.addEventListener("scroll", () => {
    memory.scroll = scrolled = list.scrollTop;
    drawInSight();
  }, { signal });
  list.addEventListener("focusin", (event) => {
    memory.hadFocus = true;
    const item = event.target.closest(".we-tree-row");
    if (!item) return;
    tellBar(item);
    if (item.dataset.path === focused) return;
    focused = item.dataset.path;
    drawSelection();
  }, { signal });
  list.addEventListener("pointerover", (event) => {
    const item = event.target.closest(".we-tree-row");
    if (item) tellBar(item);
  }, { signal });
  list.addEventListener("focusout", (event) => { memory.hadFocus = !event.relatedTarget && !el.isConnected; }, { signal });

  search.addEventListener("input", () => { save({ filter: search.value }); }, { signal });
  search.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "ArrowDown" && shown.length) {
      event.preventDefault();
      focus(focused);
    } else if (event.key === "Escape" && search.value) {
      search.value = "";
      save({ filter: "" });
    }
  }, { signal });

  const onSelected = () => {
    if (indexOf(model.get("selected")) >= 0 && !list.contains(document.activeElement)) focused = model.get("selected");
    drawInSight();
    drawSelection();
    if (!list.contains(document.activeElement)) reveal(model.get("selected"));
  };
  const onFilter = () => {
    if (search.value !== model.get("filter")) search.value = model.get("filter");
    drawRows();
  };
  model.on("change:rows change:folded", drawRows);
  model.on("change:ratios change:troubles", drawActivity);
  model.on("change:selected", onSelected);
  model.on("change:filter", onFilter);
  drawRows();
  // What is not drawn comes into sight without a scroll where the list grows, and where JupyterLab takes the panel out of the page
  // and puts it back: then the list is at its top.
  const observer = new IntersectionObserver(() => {
    if (list.scrollTop !== scrolled) list.scrollTop = scrolled;
    drawInSight();
  }, { root: list });
  for (const part of undrawn) observer.observe(part);
  requestAnimationFrame(() => {
    list.scrollTop = memory.scroll;
    drawInSight();
    if (memory.hadFocus) items.get(focused)?.focus({ preventScroll: true });
  });

  return () => {
    controller.abort();
    observer.disconnect();
    model.off("change:rows change:folded", drawRows);
    model.off("change:ratios change:troubles", drawActivity);
    model.off("change:selected", onSelected);
    model.off("change:filter", onFilter);
  };
}

export default { render };
