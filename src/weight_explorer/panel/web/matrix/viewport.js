// What is in view of a matrix, in entries, when the user zooms and moves.

import { clamp } from "../shared/numbers.js";

/** @import { Cell, Rectangle } from "./cells.js" */
/** @import { Frame } from "./frame.js" */

const LARGEST_ZOOMED_CELL = 64; // px

/** @param {number[]} size @returns {Rectangle} */
export const whole = ([rows, columns]) => ({ top: 0, bottom: rows, left: 0, right: columns });

/** The view after zooming by a factor about an entry, within the matrix, and to cells of `LARGEST_ZOOMED_CELL` at most.
 * @param {Rectangle} view @param {number[]} size @param {Frame} frame @param {number} factor @param {number} row
 * @param {number} column @returns {Rectangle} */
export function zoomed(view, [rows, columns], frame, factor, row, column) {
  const [height, width] = [view.bottom - view.top, view.right - view.left];
  const fewestRows = Math.min(rows, (frame.bottom - frame.top) / LARGEST_ZOOMED_CELL);
  const fewestColumns = Math.min(columns, (frame.right - frame.left) / LARGEST_ZOOMED_CELL);
  const down = clamp(height / factor, fewestRows, rows);
  const across = frame.isSquare ? (down / rows) * columns : clamp(width / factor, fewestColumns, columns);
  const top = clamp(row - ((row - view.top) * down) / height, 0, rows - down);
  const left = clamp(column - ((column - view.left) * across) / width, 0, columns - across);
  return { top, bottom: top + down, left, right: left + across };
}

/** The view moved by some entries, within the matrix.
 * @param {Rectangle} view @param {number[]} size @param {number} down @param {number} across @returns {Rectangle} */
export function moved({ top, bottom, left, right }, [rows, columns], down, across) {
  const [y, x] = [clamp(down, -top, rows - bottom), clamp(across, -left, columns - right)];
  return { top: top + y, bottom: bottom + y, left: left + x, right: right + x };
}

/** The view moved just as far as needed to have a cell in it.
 * @param {Rectangle} view @param {number[]} size @param {Cell} cell */
export function showing(view, size, cell) {
  /** @param {number} first @param {number} last @param {number} from @param {number} to */
  const distance = (first, last, from, to) => (first < from ? first - from : last > to ? last - to : 0);
  const down = distance(cell.row, cell.row + cell.steps[0], view.top, view.bottom);
  const across = distance(cell.column, cell.column + cell.steps[1], view.left, view.right);
  return moved(view, size, down, across);
}
