// The findings of a weight: the most severe one where there is room for it, and a button that opens all of them in full over
// the picture above.

import { closest, element, setPartCount, setText, uniqueId } from "../shared/dom.js";

/** A finding; `elsewhere` says in words where else it was found, `places` are the names and keys of those weights.
 * @typedef {{severity: string, words: string, elsewhere: string, places: [string, string][], more: string}} Finding */
/** `when` says which record the findings are of.
 * @typedef {{kind: "findings", found: Finding[], when: string}} FindingsSection */

const LINE_HEIGHT = 20; // px

/** Write one finding: the mark and the word of its severity, and what was found.
 * @param {HTMLElement} node @param {{severity: string, words: string}} finding @param {string} when */
function writeFinding(node, { severity, words }, when) {
  node.replaceChildren(
    element("span", { className: "we-severity", "data-severity": severity, "aria-hidden": "true" }),
    element("b", { textContent: severity[0].toUpperCase() + severity.slice(1) }),
    element("span", { className: "we-quiet", textContent: when ? `, ${when}` : "" }),
    `: ${words}`,
  );
}

/** How many findings there are of each severity, for screen readers: it changes when something else is found, not with each
 * number.
 * @param {Finding[]} found */
function countWords(found) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { severity } of found) counts.set(severity, (counts.get(severity) ?? 0) + 1);
  return [...counts].map(([severity, count]) => `${count} ${severity}${count > 1 ? "s" : ""}`).join(", ");
}

function makePlace() {
  const button = element("button", { className: "we-place", type: "button" });
  return { root: element("li", {}, button), button };
}

/** A finding in full, and below it, folded, the other places where the same was found. */
function makeItem() {
  const text = element("div");
  const summary = element("summary");
  const list = element("ul", { className: "we-places" });
  const more = element("div", { className: "we-quiet" });
  const elsewhere = element("details", { className: "we-elsewhere" }, summary, list, more);
  /** @type {ReturnType<typeof makePlace>[]} */
  const places = [];
  return { root: element("li", { className: "we-finding" }, text, elsewhere), text, elsewhere, summary, list, more, places };
}

/** @param {ReturnType<typeof makeItem>} item @param {Finding} finding @param {string} when */
function showFinding({ text, elsewhere, summary, list, more, places }, finding, when) {
  writeFinding(text, finding, when);
  elsewhere.hidden = !finding.elsewhere;
  summary.textContent = finding.elsewhere;
  more.textContent = finding.more;
  setPartCount(list, places, finding.places.length, makePlace);
  // Places are changed and not made again, so that one of them keeps the focus.
  finding.places.forEach(([name, key], i) => {
    const { button } = places[i];
    if (button.dataset.key === key && button.textContent === name) return;
    button.dataset.key = key;
    button.title = `Go to ${key}`;
    button.textContent = name;
  });
}

/** @param {FindingsSection} section */
export function makeFindings(section) {
  const first = element("div", { className: "we-finding we-finding-first" });
  const all = element("ul", { className: "we-findings-all", id: uniqueId("we-findings"), hidden: true });
  const more = element("button", {
    className: "we-copy we-findings-more",
    type: "button",
    "aria-expanded": "false",
    "aria-controls": all.id,
  });
  const spoken = element("span", { className: "we-unheard", role: "status" });
  const root = element("div", { className: "we-findings" }, first, more, all, spoken);
  /** @type {ReturnType<typeof makeItem>[]} */
  const items = [];

  /** @param {boolean} isOpen */
  function open(isOpen) {
    all.hidden = !isOpen;
    if (isOpen && items.length === 1) items[0].elsewhere.open = true;
    more.setAttribute("aria-expanded", String(isOpen));
    nameButton();
  }

  function nameButton() {
    const others = items.length - 1;
    const isElsewhere = others === 0 && !items[0].elsewhere.hidden;
    more.textContent = all.hidden ? (others > 0 ? `${others} more` : isElsewhere ? "where else" : "in full") : "close";
    more.hidden = others < 1 && all.hidden && !isElsewhere && first.scrollHeight <= first.clientHeight;
  }

  /** Show as many lines of the first finding as there is room for; the button leads to the rest. */
  function fit() {
    const lines = Math.max(1, Math.floor(root.clientHeight / LINE_HEIGHT));
    first.style.webkitLineClamp = String(lines);
    nameButton();
  }

  /** @param {FindingsSection} changed */
  function update({ found, when }) {
    if (found.length) writeFinding(first, { ...found[0], words: `${found[0].words} ${found[0].elsewhere}`.trim() }, when);
    else first.replaceChildren();
    setPartCount(all, items, found.length, makeItem);
    found.forEach((finding, i) => showFinding(items[i], finding, when));
    if (!found.length) open(false);
    setText(spoken, countWords(found));
    fit();
    return true;
  }

  more.addEventListener("click", () => open(Boolean(all.hidden)));
  all.addEventListener("click", (event) => {
    if (!closest(event, "[data-key]")) return;
    open(false); // so that the picture of the other weight can be seen
    more.focus({ preventScroll: true });
  });
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || all.hidden) return;
    event.stopPropagation();
    open(false);
    more.focus();
  });
  new ResizeObserver(fit).observe(root);
  update(section);
  return { root, update };
}
