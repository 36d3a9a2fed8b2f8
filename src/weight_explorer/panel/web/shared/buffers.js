// Bytes that the kernel sent.

/** @import { Bytes } from "./model.js" */

/** Read bytes as numbers. They are copied, since those that arrive need not start at a multiple of four.
 * @template {Uint8Array | Int8Array | Int32Array | Float32Array} Numbers
 * @param {new (buffer: ArrayBuffer) => Numbers} Type
 * @param {Bytes | undefined} view */
export function numbersOf(Type, view) {
  return new Type(view ? view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) : new ArrayBuffer(0));
}
