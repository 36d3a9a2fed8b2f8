// Rows and columns of a matrix in words: which entry of which axis is where, with its label and its block.

/** A name, the first place, the place after the last, and a short name. @typedef {[string, number, number, string]} Block */
/** An axis of the array. `labels` begin at the place `first`, and `last` has the label of each cell's last entry.
 * @typedef {{name: string, size: number, blocks: Block[], split: boolean, labels: string[], last: string[],
 *   first: number}} Axis */
/** One side of the matrix: its axes, the outer ones first, the outermost's entries in the order in which they are drawn (null
 * where they are not sorted), and how many rows or columns one cell stands for.
 * @typedef {{axes: Axis[], order: Int32Array | null, step: number}} Side */

/** How many entries axes have together.
 * @param {Axis[]} axes */
export const sizeOf = (axes) => axes.reduce((product, axis) => product * axis.size, 1);

/** The indexes along each axis of a side of what is drawn at a place.
 * @param {Side} side @param {number} place */
export function indexesAt({ axes, order }, place) {
  const indexes = [];
  let rest = place;
  for (const axis of [...axes].reverse()) {
    indexes.unshift(rest % axis.size);
    rest = Math.floor(rest / axis.size);
  }
  if (order) indexes[0] = order[indexes[0]];
  return indexes;
}

/** The label of the entry that is drawn at a place of an axis, "" where there is none.
 * @param {Axis} axis @param {number} place @param {number} step */
export function labelAt(axis, place, step) {
  return axis.labels[(place - axis.first) / step] ?? "";
}

/** Such as `units = 25 (forget gate 5)` or `input_dim = 3 "the"`.
 * @param {Axis} axis @param {number} index @param {number} place */
function axisWords(axis, index, place) {
  const block = axis.blocks.find(([, start, stop]) => place >= start && place < stop);
  const within = block && block[2] - block[1] > 1 ? ` (${block[0]} ${index - block[1]})` : block ? ` (${block[0]})` : "";
  const label = labelAt(axis, place, 1);
  return `${axis.name} = ${index}${within}${label ? ` "${label}"` : ""}`;
}

/** The entries from `first` on that one cell of `count` of them shows.
 * @param {Side} side @param {number} first @param {number} count */
export function sideWords(side, first, count) {
  const { axes, order } = side;
  if (!axes[0].name) return [];
  const outer = Math.floor(first / sizeOf(axes.slice(1)));
  if (count === 1) return indexesAt(side, first).map((index, i) => axisWords(axes[i], index, i ? index : outer));
  const last = Math.min(first + count, sizeOf(axes)) - 1;
  const cell = (first - axes[0].first) / count;
  const labels = axes[0].last[cell] ? ` ("${axes[0].labels[cell]}" to "${axes[0].last[cell]}")` : "";
  return [`${axes.map((axis) => axis.name).join(" x ")} ${order ? "sorted, places " : ""}${first} to ${last}${labels}`];
}

/** The blocks of a side's outermost axis, counted in entries of the whole side.
 * @param {Axis[]} axes @returns {Block[]} */
export function blocksOf(axes) {
  const inner = sizeOf(axes.slice(1));
  return axes[0].blocks.map(([name, start, stop, short]) => [name, start * inner, stop * inner, short]);
}

/** Whether the blocks of a side are its entries, as with heads, so that their names replace numbers.
 * @param {Axis[]} axes */
export const blocksAreEntries = (axes) => axes[0].blocks.length > 0 && !axes[0].split;

/** Where lines are: between blocks, or between the windows of a convolution.
 * @param {Axis[]} axes */
export function bordersOf(axes) {
  const blocks = blocksOf(axes);
  if (blocks.length) return blocks.slice(1).map(([, start]) => start);
  if (axes.length < 2) return [];
  const inner = sizeOf(axes.slice(1));
  return Array.from({ length: axes[0].size - 1 }, (_, i) => (i + 1) * inner);
}
