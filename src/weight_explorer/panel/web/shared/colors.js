// Colors as the pixels of an image are stored: one 32-bit number for each, red in the lowest byte.

/** @param {number} red @param {number} green @param {number} blue */
export const packColor = (red, green, blue) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

/** @param {string} hex Such as `#ff8800`. */
export const packHex = (hex) => {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return packColor(red, green, blue);
};

/** The 256 colors of a palette, packed.
 * @param {Uint8Array} palette Red, green and blue of each. */
export function packPalette(palette) {
  return Uint32Array.from({ length: 256 }, (_, i) => packColor(palette[3 * i], palette[3 * i + 1], palette[3 * i + 2]));
}

/** A color of a palette as CSS has it.
 * @param {Uint8Array} palette
 * @param {number} i */
export const cssColor = (palette, i) => `rgb(${palette.slice(3 * i, 3 * i + 3).join()})`;
