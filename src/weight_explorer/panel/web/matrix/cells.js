// Cells as pixels: layers of cells are cut to the view, reduced to the pixels of the screen, and colored.

import { packHex, packPalette } from "../shared/colors.js";

/** A rectangle of entries: rows from `top` to before `bottom`, columns from `left` to before `right`.
 * @typedef {{top: number, bottom: number, left: number, right: number}} Rectangle */

/** Cells of a rectangle of entries: row-major numbers, how many rows and columns, the entry they begin at, and how many entries
 * one cell stands for.
 * @typedef {{cells: Float32Array | Uint8Array, shape: number[], origin: number[], steps: number[]}} Cells */
/** `frozen` and `selected` say for each cell whether none (0), some (1) or all (2) of its elements are; empty where none are.
 * @typedef {Cells & {frozen: Uint8Array, selected: Uint8Array}} Layer */

/** A cell: its number, how much of it is frozen, its first row and column, and how many of both it stands for.
 * @typedef {{value: number, frozen: number, row: number, column: number, steps: number[]}} Cell */

/** The cells of one side from `begin` to before `end`, on `size` pixels; `at` is the pixel of a cell. The pixels reach over the
 * entries `from` to `to`.
 * @typedef {{begin: number, end: number, size: number, at: (cell: number) => number, from: number, to: number}} PixelBins */

/** Cells as pixels. `isMerged` says that there are more cells than pixels.
 * @typedef {{pixels: Float32Array, rows: number, columns: number, down: PixelBins, across: PixelBins,
 *   isMerged: boolean}} Raster */

/** The numbers of the first and the last color of a scale. An open scale has no limits, and no color for 0.
 * @typedef {{low: number, high: number, isOpen: boolean}} ColorRange */

const NEUTRAL = 127.5;

/** Find which cells of one side of a layer are in view, and on which pixel each of them falls; null where none is.
 * @param {number} origin @param {number} step @param {number} count The cells of the layer.
 * @param {number} first @param {number} last The view. @param {number} pixels Those of the view.
 * @returns {PixelBins | null} */
function pixelBins(origin, step, count, first, last, pixels) {
  const [from, to] = [Math.max(first, origin), Math.min(last, origin + count * step)];
  if (from >= to) return null;
  const begin = Math.floor((from - origin) / step);
  const end = Math.min(Math.ceil((to - origin) / step), count);
  const size = Math.max(1, Math.floor((pixels * (to - from)) / (last - first)));
  if (end - begin <= size) {
    return { begin, end, size: end - begin, at: (cell) => cell - begin, from: origin + begin * step, to: origin + end * step };
  }
  const scale = size / (to - from);
  /** @param {number} cell */
  const at = (cell) => Math.min(Math.max(Math.floor((origin + cell * step - from) * scale), 0), size - 1);
  return { begin, end, size, at, from, to };
}

/** Of the numbers of each pixel keep the one that must not be missed: NaN before all, then the one farthest from zero.
 * @param {Float32Array} pixels @param {ArrayLike<number>} numbers @param {number} first @param {Int32Array} places
 * @param {number} line */
function keepExtremes(pixels, numbers, first, places, line) {
  for (let j = 0; j < places.length; j += 1) {
    const [at, value] = [line + places[j], numbers[first + j]];
    const before = pixels[at];
    if (!Number.isNaN(before) && !(Math.abs(value) <= Math.abs(before))) pixels[at] = value;
  }
}

/** @param {Float32Array} pixels @param {ArrayLike<number>} numbers @param {number} first @param {Int32Array} places
 * @param {number} line @param {Uint32Array} counts */
function add(pixels, numbers, first, places, line, counts) {
  for (let j = 0; j < places.length; j += 1) {
    pixels[line + places[j]] += numbers[first + j];
    counts[line + places[j]] += 1;
  }
}

/** What is in view of a layer as pixels, at most `width` x `height`; where there are more cells, a pixel has the number
 * farthest from zero, or the mean. Null where nothing is in view.
 * @param {Cells} layer @param {Rectangle} view @param {number} width @param {number} height @param {string} shows
 * @returns {Raster | null} */
export function raster({ cells, shape, origin, steps }, view, width, height, shows) {
  const down = pixelBins(origin[0], steps[0], shape[0], view.top, view.bottom, height);
  const across = pixelBins(origin[1], steps[1], shape[1], view.left, view.right, width);
  if (!down || !across) return null;
  const places = Int32Array.from({ length: across.end - across.begin }, (_, i) => across.at(across.begin + i));
  const pixels = new Float32Array(down.size * across.size);
  const counts = shows === "mean" ? new Uint32Array(pixels.length) : null;
  for (let i = down.begin; i < down.end; i += 1) {
    const [first, line] = [i * shape[1] + across.begin, down.at(i) * across.size];
    if (counts) add(pixels, cells, first, places, line, counts);
    else keepExtremes(pixels, cells, first, places, line);
  }
  if (counts) for (let i = 0; i < pixels.length; i += 1) pixels[i] /= counts[i];
  const isMerged = pixels.length < (down.end - down.begin) * places.length;
  return { pixels, rows: down.size, columns: across.size, down, across, isMerged };
}

/** Numbers as colors.
 * @param {Raster} raster @param {ColorRange} range @param {Uint8Array} palette
 * @param {string[]} special The colors of NaN, +Inf, -Inf, and of what is above and below the range. */
export function colorize({ pixels, rows, columns }, { low, high, isOpen }, palette, special) {
  const image = new ImageData(columns, rows);
  const [middle, limit] = [(low + high) / 2, (high - low) / 2];
  const scale = limit > 0 ? NEUTRAL / limit : 0;
  const words = new Uint32Array(image.data.buffer);
  const table = packPalette(palette);
  const [nan, infinite, negative, above, below] = special.map(packHex);
  // float64 to float32 may have rounded a number up to just beyond the limit.
  const end = isOpen ? Number.MAX_VALUE : limit * (1 + 1e-6);
  for (let i = 0; i < pixels.length; i += 1) {
    const value = pixels[i] - middle;
    if (isOpen && pixels[i] === 0) continue;
    if (value >= -end && value <= end) words[i] = table[Math.min(Math.max(Math.round(NEUTRAL + value * scale), 0), 255)];
    else if (Number.isNaN(value)) words[i] = nan;
    else if (!Number.isFinite(value)) words[i] = value > 0 ? infinite : negative;
    else words[i] = value > 0 ? above : below;
  }
  return image;
}

/** The cell of the first layer that has an entry; null where none has it.
 * @param {Layer[]} layers @param {number} row @param {number} column
 * @returns {Cell | null} */
export function cellAt(layers, row, column) {
  for (const { cells, shape, origin, steps, frozen } of layers) {
    const [i, j] = [Math.floor((row - origin[0]) / steps[0]), Math.floor((column - origin[1]) / steps[1])];
    if (i >= 0 && j >= 0 && i < shape[0] && j < shape[1]) {
      const at = i * shape[1] + j;
      const [first, left] = [origin[0] + i * steps[0], origin[1] + j * steps[1]];
      return { value: cells[at], frozen: frozen[at] ?? 0, row: first, column: left, steps };
    }
  }
  return null;
}
