// The cells of tiles as pixels, reduced and colored.

import { canvasOf } from "../shared/canvas.js";
import { packColor } from "../shared/colors.js";
import { clamp } from "../shared/numbers.js";

/** One tile in an array of cells, from `start` on.
 * @typedef {{cells: Float32Array, start: number, rows: number, columns: number, parts: number}} Cells */
/** Packed colors: those of the palette, of NaN and of Inf.
 * @typedef {{table: Uint32Array, nan: number, infinite: number}} Colors */

const NEUTRAL = 127.5;

/** @param {number} value */
const toByte = (value) => clamp(Math.round(value), 0, 255);

/** How important a cell is, of several that share a pixel: NaN before all, then the number farthest from zero.
 * @param {Float32Array} cells @param {number} at @param {number} parts */
function importance(cells, at, parts) {
  let most = 0;
  for (let part = 0; part < parts; part += 1) {
    const value = Math.abs(cells[at + part]);
    most = Number.isNaN(value) ? Infinity : Math.max(most, value === Infinity ? Number.MAX_VALUE : value);
  }
  return most;
}

/** The color of one cell, whose numbers begin at `at`.
 * @param {Float32Array} cells @param {number} at @param {number} parts @param {number} scale @param {Colors} colors */
function colorOf(cells, at, parts, scale, { table, nan, infinite }) {
  let sum = 0; // NaN where one is, otherwise infinite where one is
  for (let part = 0; part < parts; part += 1) sum += Math.abs(cells[at + part]);
  if (Number.isNaN(sum)) return nan;
  if (sum === Infinity) return infinite;
  const first = toByte(NEUTRAL + cells[at] * scale);
  if (parts === 1) return table[first];
  return packColor(first, toByte(NEUTRAL + cells[at + 1] * scale), toByte(NEUTRAL + cells[at + 2] * scale));
}

/** All tiles as one picture, below each other, with at most `width` x `height` pixels for each.
 * @param {Float32Array} cells @param {Float32Array} limits @param {{rows: number, columns: number, parts: number}} shape
 * @param {[number, number]} size @param {Colors} colors */
export function paintTiles(cells, limits, { rows, columns, parts }, [width, height], colors) {
  const length = rows * columns * parts;
  const tiles = Array.from(limits, (_, i) => reduced({ cells, start: i * length, rows, columns, parts }, width, height));
  const size = { rows: tiles[0].rows, columns: tiles[0].columns };
  const image = new ImageData(size.columns, size.rows * tiles.length);
  const words = new Uint32Array(image.data.buffer);
  const count = size.rows * size.columns;
  tiles.forEach((tile, i) => {
    const scale = limits[i] > 0 ? NEUTRAL / limits[i] : 0;
    for (let j = 0; j < count; j += 1) words[i * count + j] = colorOf(tile.cells, tile.start + j * parts, parts, scale, colors);
  });
  return { source: canvasOf(image), ...size };
}

/** A tile reduced to at most `width` x `height` pixels, each with the most important of its cells.
 * @param {Cells} tile @param {number} width @param {number} height @returns {Cells} */
function reduced(tile, width, height) {
  const { cells, start, rows, columns, parts } = tile;
  const [down, across] = [Math.max(1, Math.min(rows, height)), Math.max(1, Math.min(columns, width))];
  if (down === rows && across === columns) return tile;
  const from = new Int32Array(down * across).fill(-1);
  for (let i = 0; i < rows; i += 1) for (let j = 0; j < columns; j += 1) {
    const to = Math.floor((i * down) / rows) * across + Math.floor((j * across) / columns);
    const at = start + (i * columns + j) * parts;
    if (from[to] < 0 || importance(cells, at, parts) > importance(cells, from[to], parts)) from[to] = at;
  }
  const pixels = new Float32Array(down * across * parts);
  from.forEach((at, i) => pixels.set(cells.subarray(at, at + parts), i * parts));
  return { cells: pixels, start: 0, rows: down, columns: across, parts };
}
