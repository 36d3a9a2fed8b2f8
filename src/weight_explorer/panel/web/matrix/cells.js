// Cells as pixels: layers of cells are cut to what is looked at, reduced to the screen's pixels, and colored.

const NEUTRAL = 127.5;

/** Cells of a rectangle of entries: row-major numbers, how many rows and columns, the entry they begin at, how many one stands for.
 * `frozen` and `selected` say of each cell whether none (0), some (1) or all (2) of its elements are; empty where none are.
 * @typedef {{cells: Float32Array, shape: number[], origin: number[], steps: number[], frozen: Uint8Array, selected: Uint8Array}} Layer */
/** What is looked at, in entries. @typedef {{top: number, bottom: number, left: number, right: number}} View */

/** Which cells of one side of a layer are in view, and on which pixel each of them falls; null where none is.
 * `from` and `to` are where the pixels begin and end, in entries. */
function bins(origin, step, count, first, last, pixels) {
  const [from, to] = [Math.max(first, origin), Math.min(last, origin + count * step)];
  if (from >= to) return null;
  const begin = Math.floor((from - origin) / step);
  const end = Math.min(Math.ceil((to - origin) / step), count);
  const room = Math.max(1, Math.floor((pixels * (to - from)) / (last - first)));
  if (end - begin <= room) {
    return { begin, end, size: end - begin, at: (cell) => cell - begin, from: origin + begin * step, to: origin + end * step };
  }
  const scale = room / (to - from);
  const at = (cell) => Math.min(Math.max(Math.floor((origin + cell * step - from) * scale), 0), room - 1);
  return { begin, end, size: room, at, from, to };
}

/** Of the numbers of each pixel keep the one that must not be missed: NaN before all, then the one farthest from zero. */
function keepLoudest(pixels, numbers, first, places, line) {
  for (let j = 0; j < places.length; j += 1) {
    const [at, value] = [line + places[j], numbers[first + j]];
    const before = pixels[at];
    if (!Number.isNaN(before) && !(Math.abs(value) <= Math.abs(before))) pixels[at] = value;
  }
}

function add(pixels, numbers, first, places, line, counts) {
  for (let j = 0; j < places.length; j += 1) {
    pixels[line + places[j]] += numbers[first + j];
    counts[line + places[j]] += 1;
  }
}

/** What is in view of a layer as pixels, at most `width` x `height`; where there are more cells, a pixel keeps the loudest of
 * them, or their mean. @param {Layer} layer @param {View} view */
function raster({ cells, shape, origin, steps }, view, width, height, shows) {
  const down = bins(origin[0], steps[0], shape[0], view.top, view.bottom, height);
  const across = bins(origin[1], steps[1], shape[1], view.left, view.right, width);
  if (!down || !across) return null;
  const columns = Int32Array.from({ length: across.end - across.begin }, (_, i) => across.at(across.begin + i));
  const pixels = new Float32Array(down.size * across.size);
  const counts = shows === "mean" ? new Uint32Array(pixels.length) : null;
  const [take, isMean] = shows === "mean" ? [add, true] : [keepLoudest, false];
  for (let i = down.begin; i < down.end; i += 1) {
    take(pixels, cells, i * shape[1] + across.begin, columns, down.at(i) * across.size, counts);
  }
  if (isMean) for (let i = 0; i < pixels.length; i += 1) pixels[i] /= counts[i];
  const merged = pixels.length < (down.end - down.begin) * columns.length;
  return { pixels, rows: down.size, columns: across.size, down, across, merged };
}

function hexBytes(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

const pack = (red, green, blue) => (255 << 24) | (blue << 16) | (green << 8) | red;

/** Numbers as colors, of which the first is that of `low`, the last that of `high`. `special` are those of NaN, +Inf, -Inf, and of
 * what is above and below; where the span is `open`, that has the last and the first color, and 0 has none. */
function colorize({ pixels, rows, columns }, { low, high, open }, palette, special) {
  const image = new ImageData(columns, rows);
  const [middle, limit] = [(low + high) / 2, (high - low) / 2];
  const scale = limit > 0 ? NEUTRAL / limit : 0;
  const words = new Uint32Array(image.data.buffer);
  const table = Int32Array.from({ length: 256 }, (_, i) => pack(...palette.slice(3 * i, 3 * i + 3)));
  const [nan, infinite, negative, above, below] = special.map((hex) => pack(...hexBytes(hex)));
  // float64 to float32 may have rounded a number up to just beyond the limit.
  const end = open ? Number.MAX_VALUE : limit * (1 + 1e-6);
  for (let i = 0; i < pixels.length; i += 1) {
    const value = pixels[i] - middle;
    if (open && pixels[i] === 0) continue;
    if (value >= -end && value <= end) words[i] = table[Math.min(Math.max(Math.round(NEUTRAL + value * scale), 0), 255)];
    else if (Number.isNaN(value)) words[i] = nan;
    else if (!Number.isFinite(value)) words[i] = value > 0 ? infinite : negative;
    else words[i] = value > 0 ? above : below;
  }
  return image;
}

/** The cell of the first layer that has an entry: its number, how much of it is frozen, its first row and column, and how many it
 * stands for. */
function cellAt(layers, row, column) {
  for (const { cells, shape, origin, steps, frozen } of layers) {
    const [i, j] = [Math.floor((row - origin[0]) / steps[0]), Math.floor((column - origin[1]) / steps[1])];
    if (i >= 0 && j >= 0 && i < shape[0] && j < shape[1]) {
      const at = i * shape[1] + j;
      return { value: cells[at], frozen: frozen?.[at] ?? 0, row: origin[0] + i * steps[0], column: origin[1] + j * steps[1], steps };
    }
  }
  return null;
}

// A buffer from the wire need not start at a multiple of four.
function typed(Type, view) {
  return view?.byteLength ? new Type(new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice().buffer) : new Type();
}
