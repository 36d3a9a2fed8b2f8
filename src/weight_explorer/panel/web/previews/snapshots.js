// The small pictures of all weights that the kernel has sent, of the last few records.

/** @import { Axis } from "../matrix/axes.js" */
/** @import { Bytes, Model } from "../shared/model.js" */

/** @typedef {{key: string, role: string, name: string, facts: string, rows: Axis[], columns: Axis[], order: number[]}} Weight
 *   */
/** A small picture of one weight, without its cells, and its statistics.
 * @typedef {{shape: [number, number], steps: [number, number], limit: number, counts: number[], heads: string[],
 *   numbers: string[][], words: string, sampled: boolean}} Preview */
/** The previews of one record; `names` are those of the statistics, and `codes` the cells of each weight.
 * @typedef {{number: number, words: string, names: string[], sketches: Preview[], codes: Uint8Array[]}} Snapshot */
/** `weights_by_layer` are the keys and labels of the weights of each role of each layer. `current` are the layer and the weight
 * on screen.
 * @typedef {{packed: Bytes, weights: Weight[],
 *   weights_by_layer: Record<string, Record<string, [string, string][]>>, current: [string, string], requested: string,
 *   palette: Bytes, special: string[]}} Traits */

const MOST_SNAPSHOTS = 8;

/** @param {Bytes} packed @returns {Snapshot} */
function unpack({ buffer, byteOffset, byteLength }) {
  const length = new DataView(buffer, byteOffset).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, byteOffset + 4, length)));
  const all = new Uint8Array(buffer, byteOffset + 4 + length, byteLength - 4 - length).slice();
  let at = 0;
  /** @param {Preview} preview */
  const take = ({ shape: [rows, columns] }) => all.subarray(at, (at += rows * columns));
  return { ...header, codes: header.sketches.map(take) };
}

/** By model: the snapshots that came, oldest first, and the weights that they are of.
 * @type {WeakMap<Model<Traits>, {weights: Weight[], packed: Bytes | undefined, snapshots: Snapshot[]}>} */
const memories = new WeakMap();

/** Take what the kernel has sent. Snapshots of other weights than there are now are dropped.
 * @param {Model<Traits>} model */
export function snapshotsOf(model) {
  const [weights, packed] = [model.get("weights"), model.get("packed")];
  const before = memories.get(model);
  const memory = before?.weights === weights ? before : { weights, packed: before?.packed, snapshots: [] };
  memories.set(model, memory);
  if (packed?.byteLength && memory.packed !== packed) {
    memory.packed = packed;
    const newest = unpack(packed);
    memory.snapshots = [...memory.snapshots.filter(({ number }) => number !== newest.number), newest].slice(-MOST_SNAPSHOTS);
  }
  return memory.snapshots;
}
