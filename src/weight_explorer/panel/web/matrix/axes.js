// Rows and columns of a matrix in words: which entry of which axis stands where, with its label and its block.

/** A block is its name, its first place, the place after its last, and a short name. `labels` begin at the place `first`.
 * @typedef {{name: string, size: number, blocks: [string, number, number, string][], split: boolean, labels: string[],
 *   last: string[], first: number}} Axis */
/** One side of the matrix: its axes, the outer ones first, the outermost's entries in the order they are drawn in (null for as
 * they are), and how many rows or columns one cell stands for. @typedef {{axes: Axis[], order: Int32Array | null, step: number}} Side */

const sizeOf = (axes) => axes.reduce((product, axis) => product * axis.size, 1);

/** Indexes along each axis of a side of what is drawn at a place. @param {Side} side */
function indexesAt({ axes, order }, place) {
  const indexes = [];
  for (const axis of [...axes].reverse()) {
    indexes.unshift(place % axis.size);
    place = Math.floor(place / axis.size);
  }
  if (order) indexes[0] = order[indexes[0]];
  return indexes;
}

/** The label of the entry that is drawn at a place of an axis, "" where there is none. */
function labelAt(axis, place, step) {
  return axis.labels[(place - axis.first) / step] ?? "";
}

/** Such as `units = 25 (forget gate 5)` or `input_dim = 3 "the"`. */
function axisWords(axis, index, place) {
  const block = axis.blocks.find(([, start, stop]) => place >= start && place < stop);
  const within = block && block[2] - block[1] > 1 ? ` (${block[0]} ${index - block[1]})` : block ? ` (${block[0]})` : "";
  const label = labelAt(axis, place, 1);
  return `${axis.name} = ${index}${within}${label ? ` "${label}"` : ""}`;
}

/** The entries from `first` on that one cell of `count` of them shows. @param {Side} side */
function sideWords(side, first, count) {
  const { axes, order } = side;
  if (!axes[0].name) return [];
  const outer = Math.floor(first / sizeOf(axes.slice(1)));
  if (count === 1) return indexesAt(side, first).map((index, i) => axisWords(axes[i], index, i ? index : outer));
  const last = Math.min(first + count, sizeOf(axes)) - 1;
  const cell = (first - axes[0].first) / count;
  const labels = axes[0].last[cell] ? ` ("${axes[0].labels[cell]}" to "${axes[0].last[cell]}")` : "";
  return [`${axes.map((axis) => axis.name).join(" x ")} ${order ? "sorted, places " : ""}${first} to ${last}${labels}`];
}

/** Blocks of a side's outermost axis, counted in entries of the whole side. */
function blocksOf(axes) {
  const inner = sizeOf(axes.slice(1));
  return axes[0].blocks.map(([name, start, stop, short]) => [name, start * inner, stop * inner, short]);
}

/** Whether a side's blocks are its entries, as with heads, so that their names stand in for numbers. */
const blocksAreEntries = (axes) => axes[0].blocks.length > 0 && !axes[0].split;

/** Where lines stand: between blocks, or between the windows of a convolution. */
function bordersOf(axes) {
  const blocks = blocksOf(axes);
  if (blocks.length) return blocks.slice(1).map(([, start]) => start);
  if (axes.length < 2) return [];
  const inner = sizeOf(axes.slice(1));
  return Array.from({ length: axes[0].size - 1 }, (_, i) => (i + 1) * inner);
}

/** The shortest decimal that is this float32 and no other. */
function shortest(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "Inf" : "-Inf";
  for (let digits = 6; digits < 9; digits += 1) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return String(Number(text));
  }
  return String(Number(value.toPrecision(9)));
}

/** A number in full; or one that was rounded by at most so much, with how far it may be from the true one. */
function numberWords(value, rounding) {
  if (!rounding || !Number.isFinite(value)) return shortest(value);
  const off = rounding + Math.abs(value) * 5e-4; // four digits are said
  const unit = 10 ** Math.floor(Math.log10(off));
  return `about ${Number(value.toPrecision(4))} ± ${Number((Math.ceil(off / unit) * unit).toPrecision(1))}`;
}

const grouped = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");
