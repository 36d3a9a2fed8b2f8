// What a matrix needs to draw a preview: a model that no kernel fills.

import { sizeOf } from "../matrix/axes.js";

/** @import { MatrixTraits } from "../matrix/state.js" */
/** @import { Model } from "../shared/model.js" */
/** @import { Preview, Traits, Weight } from "./snapshots.js" */

const [ZERO_CODE, LIMIT_CODE] = [125, 125];
const NOT_FINITE_CODES = new Map([[251, NaN], [252, Infinity], [253, -Infinity]]);

/** The numbers that codes stand for.
 * @param {Uint8Array} codes @param {number} limit */
function decode(codes, limit) {
  return Float32Array.from(codes, (code) => NOT_FINITE_CODES.get(code) ?? ((code - ZERO_CODE) * limit) / LIMIT_CODE);
}

/** Make the model of a matrix that no kernel fills.
 * @param {Model<Traits>} model */
export function makeMatrixModel(model) {
  const none = new DataView(new ArrayBuffer(0));
  /** @type {MatrixTraits} */
  const state = {
    cells: none, shape: [0, 0], size: [0, 0], top_left: [0, 0], steps: [1, 1],
    overview: none, overview_shape: [0, 0], overview_steps: [1, 1],
    rows: [], columns: [], order: [], row_order: none, column_order: none,
    color_limit: 0, color_limit_text: "largest shown", special_counts: [0, 0, 0, 0, 0], cell_value: "extreme", fixed_text: "",
    alt_text: "",
    key: "", index_mapping: { weight: "", base: [], axes: [], down: 0 }, visible: [0, 0, 0, 0], pins: [], pin: "",
    selection: "",
    frozen: none, overview_frozen: none, frozen_text: "", selected: none, overview_selected: none, selected_text: "",
    viewport: "none", // as if the kernel had not answered yet: it is not asked for finer numbers
    palette: model.get("palette"), special: model.get("special"),
  };
  /** @type {Set<() => void>} */
  const listeners = new Set();
  /** @type {Model<MatrixTraits>} */
  const matrix = {
    get: (name) => state[name],
    set: (name, value) => { state[name] = value; },
    save_changes: () => {},
    on: (/** @type {string} */ _, /** @type {(...args: any[]) => void} */ listener) => { listeners.add(listener); },
    off: (_, listener) => { if (listener) listeners.delete(listener); },
  };
  /** @param {Partial<MatrixTraits>} changes */
  function show(changes) {
    Object.assign(state, changes);
    listeners.forEach((listener) => listener());
  }
  return { matrix, show };
}

/** What the matrix is to show of a weight.
 * @param {Weight} weight @param {Preview} preview @param {Uint8Array} codes @returns {Partial<MatrixTraits>} */
export function matrixState(weight, { shape, steps, limit, counts }, codes) {
  return {
    cells: new DataView(decode(codes, limit).buffer),
    shape,
    steps,
    color_limit: limit,
    rows: weight.rows,
    columns: weight.columns,
    order: weight.order,
    size: [sizeOf(weight.rows), sizeOf(weight.columns)],
    special_counts: [...counts, 0, 0],
    key: weight.key,
    rounding: limit / (2 * LIMIT_CODE),
    alt_text: `${weight.name}, a small picture`,
  };
}
