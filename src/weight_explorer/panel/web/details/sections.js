// Sections of words and numbers: lines, tables, code to copy, legends.

import "./details.css";
import { copyText, element } from "../shared/dom.js";
import { makeFindings } from "./findings_section.js";

/** @import { FindingsSection } from "./findings_section.js" */

/** @typedef {{kind: "pieces", pieces: string[]}} PiecesSection */
/** @typedef {{kind: "text", text: string, tone: "plain" | "quiet" | "large" | "unseen"}} TextSection */
/** @typedef {{kind: "check", text: string, state: "held" | "moved" | "unknown"}} CheckSection */
/** The first cell of a row is its name. @typedef {{kind: "table", heads: string[], rows: string[][]}} TableSection */
/** @typedef {{kind: "code", code: string}} CodeSection */
/** Entries are the name, the color and the kind of mark.
 * @typedef {{kind: "legend", entries: [string, string, string][]}} LegendSection */
/** @typedef {PiecesSection | TextSection | CheckSection | TableSection | CodeSection | LegendSection} PlainSection */
/** @typedef {PlainSection | FindingsSection} Section */

/** A section in the page. `update` takes another section of the same kind, and returns whether it could show that in place.
 * @typedef {{root: HTMLElement, update?: (section: any) => boolean}} Part */

const CHECK_MARKS = { held: "✓", moved: "⚠", unknown: "?" };
const MANY_ENTRIES = 4; // of a legend; more than these are set closer

/** @param {PiecesSection} section @returns {Part} */
function makePieces({ pieces }) {
  const words = pieces.join(" · ");
  return { root: element("div", { className: "we-pieces", textContent: words, title: words }) };
}

/** @param {TextSection} section @returns {Part} */
function makeText({ text, tone }) {
  const title = tone === "large" || tone === "unseen" ? "" : text; // where the text does not fit
  return { root: element("div", { className: `we-text we-${tone}`, textContent: text, title }) };
}

/** @param {CheckSection} section @returns {Part} */
function makeCheck({ text, state }) {
  const line = { className: `we-check we-check-${state}`, textContent: `${CHECK_MARKS[state]} ${text}`, title: text };
  return { root: element("div", line) };
}

/** @param {Pick<TableSection, "heads" | "rows">} section */
export function makeTable({ heads, rows }) {
  // A column without a name has no header: one that is empty would be read out.
  const headCells = heads.map((words) => element(words ? "th" : "td", { textContent: words }));
  const lines = rows.map(([name, ...cells]) => [
    element("th", { textContent: name, scope: "row" }),
    ...cells.map((words) => element("td", { textContent: words })),
  ]);
  const head = element("thead", {}, element("tr", {}, ...headCells));
  const body = element("tbody", {}, ...lines.map((cells) => element("tr", {}, ...cells)));
  const allCells = [headCells, ...lines];

  /** Change only the cells whose words changed: a selection, or the pointer, stays in the table.
   * @param {TableSection} changed */
  function update(changed) {
    if (heads.length !== changed.heads.length || lines.length !== changed.rows.length) return false;
    if (heads.some((words, i) => Boolean(words) !== Boolean(changed.heads[i]))) return false;
    const texts = [changed.heads, ...changed.rows];
    allCells.forEach((cells, i) => cells.forEach((cell, j) => {
      if (cell.textContent !== texts[i][j]) cell.textContent = texts[i][j];
    }));
    return true;
  }

  return { root: element("table", { className: "we-table" }, head, body), update };
}

/** @param {CodeSection} section @returns {Part} */
function makeCode({ code }) {
  const words = element("code", { textContent: code, title: code });
  const button = element("button", { className: "we-copy", type: "button", textContent: "copy", "aria-label": `copy ${code}` });
  button.addEventListener("click", () => copyText(button, words));
  button.addEventListener("blur", () => { button.textContent = "copy"; });

  /** Change the words, so that the button keeps the focus.
   * @param {CodeSection} changed */
  function update(changed) {
    words.textContent = words.title = changed.code;
    button.setAttribute("aria-label", `copy ${changed.code}`);
    return true;
  }

  return { root: element("div", { className: "we-code" }, words, button), update };
}

/** @param {LegendSection} section @returns {Part} */
function makeLegend({ entries }) {
  const root = element("div", { className: entries.length > MANY_ENTRIES ? "we-legend we-legend-many" : "we-legend" });
  root.append(...entries.map(([name, color, kind]) => {
    const swatch = element("span", { className: `we-swatch we-swatch-${kind}` });
    swatch.style.setProperty("--swatch", color);
    return element("span", { className: "we-legend-entry" }, swatch, element("span", { textContent: name, title: name }));
  }));
  return { root };
}

/** @param {Section} section @returns {Part} */
export function makeSection(section) {
  switch (section.kind) {
    case "pieces": return makePieces(section);
    case "text": return makeText(section);
    case "check": return makeCheck(section);
    case "table": return makeTable(section);
    case "code": return makeCode(section);
    case "legend": return makeLegend(section);
    case "findings": return makeFindings(section);
  }
}
