// Where tiles are on the canvas, and which cell is at a point of it.

import { widest } from "../shared/canvas.js";

/** @import { AnyModel } from "@anywidget/types" */
/** @import { Bytes } from "../shared/model.js" */

/** @typedef {{number: string, label: string, note: string, fixed: string[]}} Tile */
/** @typedef {{name: string, size: number, labels: string[]}} Axis */
/** `shape` is how many tiles, rows, columns and parts there are: 1 part, or 3 for colors. Behind the `cells` are the limits of
 * the tiles' colors. `rows` and `columns` are the axes along a tile's sides.
 * @typedef {{cells: Bytes, shape: [number, number, number, number], tiles: Tile[], axes: Axis[], rows: number[],
 *   columns: number[], has_common_scale: boolean, combined_text: string, measure: string, heading: string[], alt_text: string,
 *   palette: Bytes, special: [string, string]}} Traits */

/** @typedef {{font: string, text: string, quiet: string, line: string, accent: string}} Look */
/** A grid with this many tiles in a row, `pitch` pixels apart, and cells of this size. `cell` is the shorter side of a cell.
 * @typedef {{across: number, pitch: number, cell: number, cellWidth: number, cellHeight: number}} Grid */
/** A row and a column of a tile. @typedef {{tile: number, row: number, column: number}} Place */

/** Pixels between tiles, and between slices of one. */
export const GAP = { x: 8, y: 5, slice: 2 };
/** Pixels of one line of text above a tile. */
export const LINE = 14;
/** Pixels of the color scale. */
export const BAR = { width: 12, gap: 16, room: 76 };
/** Pixels between a tile's number and the one that it is ranked by. */
export const WORD_GAP = 6;
const LEFT = 1; // px, so that the border of the first tiles is visible
const LARGEST_CELL = 36; // px
const SINGLE_ROW = 44; // px, the height of a single row of cells, at most
const READABLE = 0.7; // of the largest cells that are possible, to have room for words above them
const LARGEST_TILE = 200; // px

/** The grids in which `count` tiles of `rows` x `columns` cells fit, with the largest cells that are possible in each.
 * @param {{width: number, height: number}} room
 * @param {{count: number, rows: number, columns: number, slices: number, head: number}} tiles
 * @returns {Grid[]} */
function possibleGrids(room, { count, rows, columns, slices, head }) {
  const isSingleRow = rows === 1 && columns > 1;
  return Array.from({ length: count }, (_, i) => {
    const [across, down] = [i + 1, Math.ceil(count / (i + 1))];
    const pitch = room.width / across;
    const wide = Math.min(pitch - GAP.x, LARGEST_TILE) - GAP.slice * (slices - 1);
    const high = Math.min(room.height / down - GAP.y - head, LARGEST_TILE);
    const cellWidth = Math.min(wide / columns, LARGEST_CELL);
    const cellHeight = isSingleRow ? Math.min(high, SINGLE_ROW) : Math.min(high / rows, LARGEST_CELL);
    const cell = Math.min(cellWidth, cellHeight);
    return { across, pitch, cell, ...(isSingleRow ? { cellWidth, cellHeight } : { cellWidth: cell, cellHeight: cell }) };
  });
}

/** The grid with the largest cells, null where none has room; one where the words above a tile fit, unless its cells are much
 * smaller.
 * @param {{width: number, height: number}} room
 * @param {{count: number, rows: number, columns: number, slices: number, head: number}} tiles
 * @param {number} wordsWidth */
function bestGrid(room, tiles, wordsWidth) {
  /** @type {Grid | null} */
  let best = null;
  /** @type {Grid | null} */
  let readable = null;
  for (const grid of possibleGrids(room, tiles).filter(({ cell }) => cell > 0)) {
    if (!best || grid.cell >= best.cell) best = grid;
    if (grid.pitch - GAP.x >= wordsWidth && (!readable || grid.cell >= readable.cell)) readable = grid;
  }
  return readable && best && readable.cell >= READABLE * best.cell ? readable : best;
}

/** Words in as few lines as they fit in.
 * @param {CanvasRenderingContext2D} context @param {string[]} pieces @param {number} width */
function linesOf(context, pieces, width) {
  /** @type {string[]} */
  const lines = [];
  for (const piece of pieces) {
    const longer = lines.length ? `${lines[lines.length - 1]}   ·   ${piece}` : piece;
    if (lines.length && context.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(piece);
  }
  return lines;
}

/** Where the tiles are on the canvas.
 * @typedef {Grid & {count: number, rows: number, columns: number, parts: number, slices: number, head: number,
 *   heading: string[], top: number, right: number, hasNotes: boolean, tileHeight: number, pitchX: number, pitchY: number,
 *   look: Look}} Frame */

/** Find where the tiles are; null where there is no room for them.
 * @param {CanvasRenderingContext2D} context @param {AnyModel<Traits>} model @param {number} width @param {number} height
 * @param {Look} look @returns {Frame | null} */
export function layOut(context, model, width, height, look) {
  const [count, rows, columns, parts] = model.get("shape");
  const tiles = model.get("tiles");
  const head = LINE * (tiles.some(({ label }) => label) ? 2 : 1);
  const slices = model.get("columns").length > 1 ? model.get("axes")[model.get("columns")[0]].size : 1;
  const right = width - BAR.room;
  const pieces = [...model.get("heading"), `small: ${model.get("measure")}`];
  const top = linesOf(context, pieces, right - 8).length * 16 + 2;
  const numberWidth = widest(context, tiles.map(({ number }) => number));
  context.font = `10px ${look.font}`;
  const wordsWidth = numberWidth + WORD_GAP + widest(context, tiles.map(({ note }) => note));
  context.font = `12px ${look.font}`;
  const room = { width: right - BAR.gap - LEFT, height: height - top };
  const grid = bestGrid(room, { count, rows, columns, slices, head }, wordsWidth);
  if (!grid) return null;
  const tileWidth = grid.cellWidth * columns + GAP.slice * (slices - 1);
  const tileHeight = grid.cellHeight * rows;
  const hasNotes = grid.pitch - GAP.x >= wordsWidth;
  const heading = linesOf(context, hasNotes ? pieces : pieces.slice(0, -1), right - 8);
  const pitchX = Math.min(grid.pitch, Math.max(tileWidth, hasNotes ? wordsWidth : numberWidth) + GAP.x);
  const pitchY = tileHeight + head + GAP.y;
  const shape = { count, rows, columns, parts, slices };
  return { ...grid, ...shape, head, heading, top, right, hasNotes, tileHeight, pitchX, pitchY, look };
}

/** The upper left corner of a tile's cells.
 * @param {Frame} frame @param {number} tile */
export function cornerOf(frame, tile) {
  return {
    x: LEFT + (tile % frame.across) * frame.pitchX,
    y: frame.top + Math.floor(tile / frame.across) * frame.pitchY + frame.head,
  };
}

/** Where a column starts within its tile, with the gaps between slices.
 * @param {Frame} frame @param {number} column */
export function columnX({ cellWidth, columns, slices }, column) {
  return column * cellWidth + Math.floor(column / (columns / slices)) * GAP.slice;
}

/** The place at a point of the canvas, null where no cell is there.
 * @param {Frame} frame @param {number} x @param {number} y @returns {Place | null} */
export function placeAt(frame, x, y) {
  const across = Math.floor((x - LEFT) / frame.pitchX);
  const down = Math.floor((y - frame.top) / frame.pitchY);
  const tile = down * frame.across + across;
  if (across >= frame.across || down < 0 || tile >= frame.count || across < 0) return null;
  const from = cornerOf(frame, tile);
  const row = Math.floor((y - from.y) / frame.cellHeight);
  const each = frame.columns / frame.slices;
  const sliceWidth = each * frame.cellWidth + GAP.slice;
  const slice = Math.floor((x - from.x) / sliceWidth);
  const within = Math.floor((x - from.x - slice * sliceWidth) / frame.cellWidth);
  const isInside = row >= 0 && row < frame.rows && slice < frame.slices && within < each;
  return isInside ? { tile, row, column: slice * each + within } : null;
}

/** One step on: over a tile's edge it leads to the next tile that way, where there is one.
 * @param {Frame} frame @param {Place} place @param {number} down @param {number} across @returns {Place} */
export function stepFrom({ rows, columns, count, across: inRow }, { tile, row, column }, down, across) {
  const [toRow, toColumn] = [row + down, column + across];
  if (toRow >= 0 && toRow < rows && toColumn >= 0 && toColumn < columns) return { tile, row: toRow, column: toColumn };
  const next = tile + across + down * inRow;
  if (next < 0 || next >= count) return { tile, row, column };
  return { tile: next, row: (toRow + rows) % rows, column: (toColumn + columns) % columns };
}
