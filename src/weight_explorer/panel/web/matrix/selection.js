// Selecting with the pointer or by keys: a rectangle of whole cells, and which elements of the weight they are, in whatever
// order they are drawn.

import { grouped } from "../shared/numbers.js";
import { sizeOf } from "./axes.js";
import { cellAt } from "./cells.js";

/** @import { Side } from "./axes.js" */
/** @import { Cell, Layer, Rectangle } from "./cells.js" */
/** @import { Frame } from "./frame.js" */
/** @import { Place, State } from "./state.js" */

/** The entries under one pixel of a side: several, where there are more of them than pixels.
 * @param {number} pixel @param {number} from @param {number} to @param {number} first @param {number} last
 * @returns {[number, number]} */
function entriesUnder(pixel, from, to, first, last) {
  const scale = (to - from) / (last - first);
  const at = Math.min(Math.max(pixel, from), to - 1e-6);
  const begin = Math.floor(first + (at - from) / scale);
  const end = scale < 1 ? Math.ceil(first + (at + 1 - from) / scale) : begin + 1;
  return [begin, Math.max(begin + 1, Math.min(end, Math.ceil(last)))];
}

/** The entries under a point of the canvas, or under the nearest one that is on a cell.
 * @param {Frame} frame @param {number} x @param {number} y @returns {Rectangle} */
export function entriesAt({ left, top, right, bottom, view }, x, y) {
  const [firstRow, endRow] = entriesUnder(y, top, bottom, view.top, view.bottom);
  const [firstColumn, endColumn] = entriesUnder(x, left, right, view.left, view.right);
  return { top: firstRow, bottom: endRow, left: firstColumn, right: endColumn };
}

/** The entries of a cell.
 * @param {Cell} cell @returns {Rectangle} */
export function entriesOf({ row, column, steps }) {
  return { top: row, bottom: row + steps[0], left: column, right: column + steps[1] };
}

/** The smallest rectangle of whole cells that holds two others; null where there are no cells.
 * @param {Layer[]} layers @param {number[]} size @param {Rectangle} one @param {Rectangle} other @returns {Rectangle | null} */
export function rectangleOf(layers, [rows, columns], one, other) {
  const first = cellAt(layers, Math.min(one.top, other.top), Math.min(one.left, other.left));
  const bottom = Math.min(Math.max(one.bottom, other.bottom), rows);
  const right = Math.min(Math.max(one.right, other.right), columns);
  const last = cellAt(layers, bottom - 1, right - 1);
  if (!first || !last) return null;
  return {
    top: first.row,
    bottom: Math.min(last.row + last.steps[0], rows),
    left: first.column,
    right: Math.min(last.column + last.steps[1], columns),
  };
}

/** Rows or columns from `first` to before `end`, as ranges of the entries that they are without sorting.
 * @param {Side} side @param {number} first @param {number} end */
function spansOf({ axes, order }, first, end) {
  if (!order) return [[first, end]];
  const inner = sizeOf(axes.slice(1));
  /** @type {[number, number][]} */
  const spans = [];
  for (let place = first; place < end; place += 1) {
    const at = order[Math.floor(place / inner)] * inner + (place % inner);
    const span = spans.at(-1);
    if (span && span[1] === at) span[1] = at + 1;
    else spans.push([at, at + 1]);
  }
  return spans;
}

/** What the kernel is told of a rectangle: which elements of the whole weight it is.
 * @param {State} state @param {Place} place @param {Rectangle} rectangle */
export function selectionMessage({ rows, columns }, { weight, base, axes, down }, { top, bottom, left, right }) {
  /** @param {Side} side @param {boolean} isThere */
  const sizes = (side, isThere) => (isThere ? side.axes.map((axis) => axis.size) : []);
  return {
    weight,
    base,
    axes: [axes.slice(0, down), axes.slice(down)],
    sizes: [sizes(rows, down > 0), sizes(columns, down < axes.length)],
    spans: [spansOf(rows, top, bottom), spansOf(columns, left, right)],
  };
}

/** Such as `rows 3 to 7 by columns 0 to 12: 65 elements`, until the kernel names the elements.
 * @param {Rectangle} rectangle */
export function rectangleWords({ top, bottom, left, right }) {
  /** @param {string} name @param {number} first @param {number} end */
  const span = (name, first, end) => (end - first === 1 ? `${name} ${first}` : `${name}s ${first} to ${end - 1}`);
  const count = (bottom - top) * (right - left);
  return `${span("row", top, bottom)} by ${span("column", left, right)}: ${grouped(count)} element${count === 1 ? "" : "s"}`;
}
