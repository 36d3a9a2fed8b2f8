// What the kernel sent of a matrix or a heat table, in the types that drawing needs.

import { numbersOf } from "../shared/buffers.js";

/** @import { Bytes, Model } from "../shared/model.js" */
/** @import { Axis, Side } from "./axes.js" */
/** @import { ColorRange, Layer } from "./cells.js" */

/** @typedef {"error" | "warning" | "note"} Severity */

/** The scale of a heat table. Its cells are logarithms, `offset` apart from those of the numbers, or the numbers themselves.
 * `zero` says what 0 means, and `loudest` which of several cells a pixel shows.
 * @typedef {{label: string, low: number, high: number, isLog: boolean, offset: number, unit: string, zero: string,
 *   loudest: string, ticks: [number, string][]}} Scale */

/** Findings on a heat table: row, column, severity, and the index of the sentence.
 * @typedef {{marks: [number, number, Severity, number][], sentences: string[]}} Markers */

/** The traits of a heat table, besides those of every matrix.
 * @typedef {{scale: Scale, ticks: [number, string][], fit_boundaries: number[], edits: [number, string][],
 *   finding_markers: Markers, chosen_column: number, weight_keys: string[], row_maxima: Bytes,
 *   requested: string}} HeatTraits */

/** Where the elements of a matrix are in the whole weight.
 * @typedef {{weight: string, base: number[], axes: number[], down: number}} Place */

/** The traits of a matrix. `pins` are number, row and column. `viewport`, `pin` and `selection` carry what the user asks for.
 * @typedef {{cells: Bytes, shape: number[], size: number[], top_left: number[], steps: number[], overview: Bytes,
 *   overview_shape: number[], overview_steps: number[], rows: Axis[], columns: Axis[], order: number[], row_order: Bytes,
 *   column_order: Bytes, color_limit: number, color_limit_text: string, special_counts: number[], cell_value: string,
 *   fixed_text: string, key: string,
 *   index_mapping: Place, visible: number[], pins: [number, number, number][], frozen: Bytes, overview_frozen: Bytes,
 *   frozen_text: string, selected: Bytes, overview_selected: Bytes, selected_text: string, alt_text: string,
 *   viewport: string, pin: string, selection: string, palette: Bytes, special: string[], rounding?: number}} MatrixTraits */

/** @typedef {MatrixTraits & Partial<HeatTraits>} Traits */

/** What a heat table has besides its cells. Columns are records; `fitBoundaries` are those that begin a fit.
 * @typedef {{scale: Scale, ticks: [number, string][], fitBoundaries: number[], edits: [number, string][], markers: Markers,
 *   chosen: number, weights: string[], tops: Float32Array}} HeatTable */

/** A matrix, ready to be drawn. `rounding` is by how much its numbers may be wrong, 0 for not at all.
 * @typedef {{heat: HeatTable | null, range: ColorRange, layers: Layer[], size: number[], rows: Side, columns: Side,
 *   order: number[], limit: number, limitWords: string, counts: number[], palette: Uint8Array, special: string[],
 *   shows: string, fixed: string, pins: [number, number, number][], frozenWords: string, selectedWords: string,
 *   rounding: number}} State */

/** Return a function that reads the state; arrays that did not change are not made again.
 * @param {Model<Traits>} model
 * @returns {() => State} */
export function stateReader(model) {
  /** @type {Map<string, {view: Bytes, array: any}>} */
  const made = new Map();

  /** @template {Uint8Array | Int32Array | Float32Array} Numbers
   * @param {new (buffer: ArrayBuffer) => Numbers} Type
   * @param {keyof Traits} name
   * @returns {Numbers} */
  function array(Type, name) {
    const view = /** @type {Bytes} */ (model.get(name));
    const before = made.get(name);
    if (before && before.view === view) return before.array;
    const numbers = numbersOf(Type, view);
    made.set(name, { view, array: numbers });
    return numbers;
  }

  /** @param {"row_order" | "column_order"} name */
  function order(name) {
    const entries = array(Int32Array, name);
    return entries.length ? entries : null;
  }

  /** @param {Scale} scale @returns {HeatTable} */
  function heat(scale) {
    return {
      scale,
      ticks: model.get("ticks") ?? [],
      fitBoundaries: model.get("fit_boundaries") ?? [],
      edits: model.get("edits") ?? [],
      markers: model.get("finding_markers") ?? { marks: [], sentences: [] },
      chosen: model.get("chosen_column") ?? -1,
      weights: model.get("weight_keys") ?? [],
      tops: array(Float32Array, "row_maxima"),
    };
  }

  return () => {
    const [down, across] = model.get("steps");
    const cells = {
      cells: array(Float32Array, "cells"),
      shape: model.get("shape"),
      origin: model.get("top_left"),
      steps: [down, across],
      frozen: array(Uint8Array, "frozen"),
      selected: array(Uint8Array, "selected"),
    };
    const overview = {
      cells: array(Float32Array, "overview"),
      shape: model.get("overview_shape"),
      origin: [0, 0],
      steps: model.get("overview_steps"),
      frozen: array(Uint8Array, "overview_frozen"),
      selected: array(Uint8Array, "overview_selected"),
    };
    const [scale, limit] = [model.get("scale"), model.get("color_limit")];
    return {
      heat: scale ? heat(scale) : null,
      range: scale ? { low: scale.low, high: scale.high, isOpen: true } : { low: -limit, high: limit, isOpen: false },
      layers: overview.cells.length ? [cells, overview] : [cells],
      size: model.get("size"),
      rows: { axes: model.get("rows"), order: order("row_order"), step: down },
      columns: { axes: model.get("columns"), order: order("column_order"), step: across },
      order: model.get("order"),
      limit,
      limitWords: model.get("color_limit_text"),
      counts: model.get("special_counts"),
      palette: array(Uint8Array, "palette"),
      special: model.get("special"),
      shows: model.get("cell_value"),
      fixed: model.get("fixed_text"),
      pins: model.get("pins"),
      frozenWords: model.get("frozen_text"),
      selectedWords: model.get("selected_text"),
      rounding: model.get("rounding") ?? 0,
    };
  };
}
