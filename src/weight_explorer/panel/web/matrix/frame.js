// Where the cells of a matrix are on the canvas, with room for labels around them.

import { widest } from "../shared/canvas.js";
import { blocksAreEntries, sizeOf } from "./axes.js";

/** @import { Axis } from "./axes.js" */
/** @import { Rectangle } from "./cells.js" */
/** @import { State } from "./state.js" */

/** Where the view of a matrix is on the canvas, in pixels. `x` and `y` are those of a column and a row.
 * @typedef {{left: number, top: number, right: number, bottom: number, isTurned: boolean, tickHeight: number,
 *   labelWidth: number, isSquare: boolean, hasScale: boolean, scaleX: number, scaleY: number, size: number[], view: Rectangle,
 *   x: (column: number) => number, y: (row: number) => number}} Frame */

/** Reads a variable of the style, such as `--we-text`. @typedef {(name: string) => string} Style */

const LARGEST_CELL = 32; // px, where everything is shown
const SINGLE_ROW = 64; // px, for a weight that is a single row, such as a bias
const LABEL_TOP = 84; // px, at most, for labels of the columns
const HEAT_LABEL_WIDTH = 184; // px, at most, in a heat table
const NARROW = 360; // px; narrower pictures are several in a row, and have no scale: their caption names the limits
/** Pixels at most for labels of the rows. */
export const LABEL_LEFT = 120;
/** Pixels of the color scale: its bar, the gap on its left, and the bar with its labels. */
export const SCALE = { bar: 12, gap: 16, width: 112 };
/** Pixels between the labels of the rows and the cells of a heat table, for markers of findings. */
export const GUTTER = 12;

/** Room for the labels of the rows; the largest, where only those of a part are known.
 * @param {CanvasRenderingContext2D} context @param {Axis} outer @param {number} size */
function leftRoom(context, outer, size) {
  const words = outer.blocks.length ? outer.blocks.map(([name]) => name) : outer.labels;
  if (!outer.blocks.length && words.length && words.length < outer.size) return LABEL_LEFT + 28;
  const numbers = context.measureText(String(size - 1)).width;
  return Math.ceil(Math.min(Math.max(numbers, widest(context, words)), LABEL_LEFT)) + 28;
}

/** @param {CanvasRenderingContext2D} context @param {Axis} axis @param {number} width */
function heatLabelWidth(context, { labels }, width) {
  return Math.ceil(Math.min(widest(context, labels), HEAT_LABEL_WIDTH, width * 0.32));
}

/** Find where everything is; the same for every view of the same matrix.
 * @param {CanvasRenderingContext2D} context @param {State} state @param {Rectangle} view @param {number} width
 * @param {number} height @returns {Frame} */
export function layOut(context, state, view, width, height) {
  const [rows, columns] = state.size;
  const [down, across] = [state.rows.axes, state.columns.axes];
  const labelWidth = state.heat ? heatLabelWidth(context, down[0], width) : LABEL_LEFT;
  const left = state.heat ? labelWidth + 24 + GUTTER : leftRoom(context, down[0], rows);
  const scaleWidth = width < NARROW ? 4 : SCALE.gap + SCALE.width;
  let cellWidth = Math.min((width - left - scaleWidth) / columns, state.heat ? Infinity : LARGEST_CELL);
  const labels = state.heat ? [] : across[0].labels;
  const topRoom = Math.min(LABEL_TOP, height * 0.3);
  const columnLabelWidth = labels.length < across[0].size ? (labels.length ? topRoom : 0) : widest(context, labels);
  const isTurned = columnLabelWidth > cellWidth * sizeOf(across.slice(1)) - 6;
  const tickHeight = labels.length && isTurned ? Math.ceil(Math.min(columnLabelWidth, topRoom)) : 12;
  const top = 24 + tickHeight + (across[0].blocks.length && !blocksAreEntries(across) ? 16 : 0);
  let cellHeight = Math.min((height - top - 4) / rows, rows === 1 ? SINGLE_ROW : LARGEST_CELL);
  const isSquare = down.length > 1 && across.length > 1;
  if (isSquare) cellWidth = cellHeight = Math.min(cellWidth, cellHeight);
  const [right, bottom] = [left + cellWidth * columns, top + cellHeight * rows];
  const [scaleX, scaleY] = [(right - left) / (view.right - view.left), (bottom - top) / (view.bottom - view.top)];
  return {
    left,
    top,
    right,
    bottom,
    isTurned,
    tickHeight,
    labelWidth,
    isSquare,
    hasScale: width >= NARROW,
    scaleX,
    scaleY,
    size: state.size,
    view,
    x: (column) => left + (column - view.left) * scaleX,
    y: (row) => top + (row - view.top) * scaleY,
  };
}

/** Draw with everything outside the cells' place cut away.
 * @param {CanvasRenderingContext2D} context @param {Frame} frame @param {() => void} draw */
export function inside(context, { left, top, right, bottom }, draw) {
  context.save();
  context.beginPath();
  context.rect(left, top, right - left, bottom - top);
  context.clip();
  draw();
  context.restore();
}
