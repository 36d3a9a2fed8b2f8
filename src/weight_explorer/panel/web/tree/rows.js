// The rows of the layer tree: which of them are on screen, and where they are among their siblings.

/** @typedef {"frozen" | "shared" | "not built"} Mark */
/** A layer; `parent` says whether it has children.
 * @typedef {{path: string, name: string, kind: string, count: string, level: number, parent: boolean, marks: Mark[],
 *   label: string}} Row */

/** Paths of the rows that match a filter, with everything above them; null without a filter.
 * @param {Row[]} rows @param {string} filter */
function matching(rows, filter) {
  const text = filter.trim().toLowerCase();
  if (!text) return null;
  /** @type {Set<string>} */
  const found = new Set();
  /** @type {string[]} */
  const above = [];
  for (const row of rows) {
    above.length = row.level - 1;
    above.push(row.path);
    if (`${row.name} ${row.kind}`.toLowerCase().includes(text)) above.forEach((path) => found.add(path));
  }
  return found;
}

/** Rows on screen: those that match the filter, or else those that no folded row hides.
 * @param {Row[]} rows @param {Set<string>} folded @param {string} filter */
export function visibleRows(rows, folded, filter) {
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

/** The position of each row among its siblings, from 1, and these siblings.
 * @param {Row[]} rows */
export function siblingsOf(rows) {
  /** @type {string[][]} */
  const groups = [];
  /** @type {Map<string, {position: number, group: string[]}>} */
  const siblings = new Map();
  for (const row of rows) {
    groups.length = row.level;
    const group = (groups[row.level - 1] ??= []);
    siblings.set(row.path, { position: group.push(row.path), group });
  }
  return siblings;
}
