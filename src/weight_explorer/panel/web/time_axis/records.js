// The records that the time axis offers, and their names.

import { numbersOf } from "../shared/buffers.js";

/** @import { Bytes, Model } from "../shared/model.js" */

/** `selected` and `against` are numbers of records as text; "" follows the newest record, or compares with none.
 * @typedef {{numbers: Bytes, epochs: Bytes, batches: Bytes, keras_epochs: Bytes, fits: Bytes, flags: Bytes, names: string[],
 *   current: number, selected: string, against: string, can_grow: boolean, speed: number}} Traits */

/** One entry for each record that can be shown.
 * @typedef {{numbers: Int32Array, epochs: Int32Array, batches: Int32Array, kerasEpochs: Int32Array, fits: Int32Array,
 *   marks: Uint8Array}} Records */

const INTEGERS = /** @type {const} */ (["numbers", "epochs", "batches", "keras_epochs", "fits"]);
/** The traits that hold the records. */
export const BUFFERS = /** @type {const} */ ([...INTEGERS, "flags"]);
const START = 4; // the mark of the state before the first training
/** What separates the moment of a record from its number. */
export const SEPARATOR = " · ";

/** Return a function that decodes the records, again only when they changed.
 * @param {Model<Traits>} model
 * @returns {() => Records} */
export function recordsReader(model) {
  /** @type {Bytes[]} */
  let read = [];
  /** @type {Records} */
  let records;
  return () => {
    const buffers = BUFFERS.map((name) => model.get(name));
    if (buffers.some((buffer, i) => buffer !== read[i])) {
      const [numbers, epochs, batches, kerasEpochs, fits] = INTEGERS.map((name) => numbersOf(Int32Array, model.get(name)));
      records = { numbers, epochs, batches, kerasEpochs, fits, marks: numbersOf(Uint8Array, model.get("flags")) };
      read = buffers;
    }
    return records;
  };
}

/** The index of the record with this number, else of the last one before it; -1 where there is none to point at.
 * @param {Records} records @param {number} number */
export function indexOf({ numbers }, number) {
  if (number < 0) return numbers.length === 1 ? 0 : -1;
  return numbers.length ? Math.max(0, numbers.findLastIndex((other) => other <= number)) : -1;
}

/** When a record was made, in the words of `moment_words` in Python: epochs as Keras prints them, and the fit where Keras
 * started to count again.
 * @param {Records} records @param {string[]} names @param {number} at */
export function momentWords({ epochs, batches, kerasEpochs, fits, marks }, names, at) {
  if (names[at]) return names[at];
  if (marks[at] & START) return "start";
  const [batch, epoch, fit] = [batches[at], kerasEpochs[at], fits[at] + 1];
  if (!epoch) return fit > 1 ? `start of fit ${fit}` : "before the training";
  const isAhead = epochs[at] + (batch > 0 ? 1 : 0) !== epoch;
  return `${isAhead ? `fit ${fit}, ` : ""}epoch ${epoch}${batch ? `, batch ${batch}` : ""}`;
}

/** @param {Records} records @param {string[]} names @param {number} number */
export function recordWords(records, names, number) {
  const at = indexOf(records, number);
  if (at < 0) return records.numbers.length ? "no record shown" : "no records yet";
  if (number >= 0 && records.numbers[at] !== number) return `record ${number}`;
  const words = momentWords(records, names, at);
  return words === "start" ? words : `${words}${SEPARATOR}record ${records.numbers[at]}`;
}
