// Marks over the cells: hatching over frozen ones, an outline around selected ones. Both are made pixel by pixel, so that any
// pattern of cells is drawn in the same time.

import { canvasOf } from "../shared/canvas.js";
import { raster } from "./cells.js";
import { inside } from "./frame.js";

/** @import { Layer, PixelBins, Raster, Rectangle } from "./cells.js" */
/** @import { Frame, Style } from "./frame.js" */
/** @import { State } from "./state.js" */

/** @typedef {"frozen" | "selected"} Kind */
/** Says of every pixel of an image how much of its cell is of a kind: 0 nothing, 1 some, 2 all of its elements.
 * @typedef {{map: Uint8Array, rows: number, columns: number}} PixelMap */

const PERIOD = 8; // px from line to line of the hatching
const THICK = 4; // px; what is as thick is outlined too
const DARK = [0, 0, 0, 190];
const LIGHT = [255, 255, 255, 190];
const SIDES = [[0, 1], [0, -1], [1, 0], [-1, 0]];

/** Map the view, and a margin around it.
 * @param {Layer[]} layers @param {Kind} kind @param {Rectangle} view @param {number} width @param {number} height
 * @param {number} margin @returns {PixelMap} */
function pixelMap(layers, kind, view, width, height, margin) {
  const [down, across] = [(margin * (view.bottom - view.top)) / height, (margin * (view.right - view.left)) / width];
  const [rows, columns] = [height + 2 * margin, width + 2 * margin];
  const wide = { top: view.top - down, bottom: view.bottom + down, left: view.left - across, right: view.right + across };
  const map = new Uint8Array(rows * columns);
  for (const layer of [...layers].reverse()) {
    const picture = layer[kind].length ? raster({ ...layer, cells: layer[kind] }, wide, columns, rows, "extreme") : null;
    if (picture) stretch(map, picture, wide, rows, columns);
  }
  return { map, rows, columns };
}

/** Which line of a picture falls on each of `count` pixels, -1 for none.
 * @param {PixelBins} bins @param {number} size @param {number} first @param {number} last @param {number} count */
function linesOf({ from, to }, size, first, last, count) {
  const scale = count / (last - first);
  const [begin, end] = [(from - first) * scale, (to - first) * scale];
  return Int32Array.from({ length: count }, (_, pixel) => {
    const line = Math.floor(((pixel + 0.5 - begin) / (end - begin)) * size);
    return line >= 0 && line < size ? line : -1;
  });
}

/** @param {Uint8Array} map @param {Raster} picture @param {Rectangle} view @param {number} rows @param {number} columns */
function stretch(map, picture, view, rows, columns) {
  const down = linesOf(picture.down, picture.rows, view.top, view.bottom, rows);
  const across = linesOf(picture.across, picture.columns, view.left, view.right, columns);
  for (let y = 0; y < rows; y += 1) {
    if (down[y] < 0) continue;
    if (y && down[y] === down[y - 1]) {
      map.copyWithin(y * columns, (y - 1) * columns, y * columns);
      continue;
    }
    const line = down[y] * picture.columns;
    for (let x = 0; x < columns; x += 1) if (across[x] >= 0) map[y * columns + x] = picture.pixels[line + across[x]];
  }
}

/** Diagonal lines, dark beside light so that they are seen on every color; broken ones where only some elements are meant.
 * What is thick enough has an outline.
 * @param {PixelMap} pixelMap @param {number} ratio Pixels of the screen for one of the page. */
function hatched({ map, rows, columns }, ratio) {
  const image = new ImageData(columns, rows);
  const [period, line, thick] = [Math.round(PERIOD * ratio), Math.max(1, Math.round(ratio)), Math.round(THICK * ratio)];
  /** @param {number} y @param {number} x */
  const at = (y, x) => (y < 0 || x < 0 || y >= rows || x >= columns ? 2 : map[y * columns + x]);
  /** @param {number} y @param {number} x @param {number} down @param {number} across */
  const isThick = (y, x, down, across) => {
    for (let i = 1; i <= thick; i += 1) if (!at(y + i * down, x + i * across)) return false;
    return true;
  };
  /** @param {number} y @param {number} x */
  const isEdge = (y, x) => SIDES.some(([down, across]) => !at(y - down, x - across) && isThick(y, x, down, across));
  for (let y = 0; y < rows; y += 1) {
    for (let x = 0; x < columns; x += 1) {
      const kind = map[y * columns + x];
      if (!kind) continue;
      const place = (x + y) % period;
      const isBroken = kind === 1 && (x + period * rows - y) % period >= period / 2;
      const color = isEdge(y, x) || (place < line && !isBroken) ? DARK : place < 2 * line && !isBroken ? LIGHT : null;
      if (color) image.data.set(color, 4 * (y * columns + x));
    }
  }
  return image;
}

/** An outline of `width` pixels around what is marked, or within it.
 * @param {PixelMap} pixelMap @param {number} width @param {boolean} isOuter */
function outlined({ map, rows, columns }, width, isOuter) {
  const image = new ImageData(columns, rows);
  /** @param {number} y @param {number} x */
  const at = (y, x) => y >= 0 && x >= 0 && y < rows && x < columns && map[y * columns + x] > 0;
  for (let y = 0; y < rows; y += 1) {
    for (let x = 0; x < columns; x += 1) {
      if (at(y, x) === isOuter) continue;
      let isNear = false;
      for (let d = 1; d <= width && !isNear; d += 1) {
        isNear = [at(y, x - d), at(y, x + d), at(y - d, x), at(y + d, x), at(y - d, x - d), at(y + d, x + d), at(y - d, x + d),
          at(y + d, x - d)].includes(isOuter);
      }
      if (isNear) image.data[4 * (y * columns + x) + 3] = 255;
    }
  }
  return image;
}

/** The last canvases made of an overlay, by the cells of its first layer.
 * @type {WeakMap<Uint8Array, {name: string, others: Uint8Array[], canvases: OffscreenCanvas[]}>} */
const made = new WeakMap();

/** Canvases that `draw` makes of an overlay in view; those of the last time where nothing changed.
 * @param {State} state @param {Kind} kind @param {Frame} frame @param {number} ratio @param {number} margin
 * @param {string[]} colors @param {(map: PixelMap) => OffscreenCanvas[]} draw */
function overlayOf(state, kind, frame, ratio, margin, colors, draw) {
  const { left, top, right, bottom, view } = frame;
  const [width, height] = [Math.floor((right - left) * ratio), Math.floor((bottom - top) * ratio)];
  const name = JSON.stringify([view, width, height, colors, state.layers.map(({ origin, steps }) => [origin, steps])]);
  const [first, ...others] = state.layers.map((layer) => layer[kind]);
  const before = made.get(first);
  if (before?.name === name && before.others.every((other, i) => other === others[i])) return before.canvases;
  const canvases = draw(pixelMap(state.layers, kind, view, width, height, margin));
  made.set(first, { name, others, canvases });
  return canvases;
}

/** Hatch what is frozen.
 * @param {CanvasRenderingContext2D} context @param {Frame} frame @param {State} state @param {number} ratio */
export function drawFrozen(context, frame, state, ratio) {
  if (!state.layers[0].frozen.length) return;
  const [canvas] = overlayOf(state, "frozen", frame, ratio, 0, [], (map) => [canvasOf(hatched(map, ratio))]);
  context.drawImage(canvas, frame.left, frame.top, frame.right - frame.left, frame.bottom - frame.top);
}

/** Outline what is selected: around it in the accent's color, within in that of the ground.
 * @param {CanvasRenderingContext2D} context @param {Frame} frame @param {State} state @param {number} ratio
 * @param {Style} style */
export function drawSelected(context, frame, state, ratio, style) {
  if (!state.layers[0].selected.length) return;
  const [line, colors] = [Math.max(1, Math.round(ratio)), [style("--we-accent"), style("--we-ground")]];
  const canvases = overlayOf(state, "selected", frame, ratio, 2 * line, colors, (map) => [
    canvasOf(outlined(map, 2 * line, true), colors[0]),
    canvasOf(outlined(map, line, false), colors[1]),
  ]);
  const margin = (2 * line) / ratio;
  const [width, height] = [frame.right - frame.left + 2 * margin, frame.bottom - frame.top + 2 * margin];
  for (const canvas of canvases) context.drawImage(canvas, frame.left - margin, frame.top - margin, width, height);
}

/** Outline the rectangle that is being selected, or that the kernel has not answered yet.
 * @param {CanvasRenderingContext2D} context @param {Frame} frame @param {Rectangle} rectangle @param {Style} style */
export function drawSelecting(context, frame, { top, bottom, left, right }, style) {
  const [x, y, width, height] = [frame.x(left), frame.y(top), (right - left) * frame.scaleX, (bottom - top) * frame.scaleY];
  inside(context, frame, () => strokeTwice(context, x, y, width, height, style("--we-ground"), style("--we-accent")));
}

/** Outline a rectangle in one color on a wider line of another, so that it is seen on every ground.
 * @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} width @param {number} height
 * @param {string} ground @param {string} color */
export function strokeTwice(context, x, y, width, height, ground, color) {
  for (const [stroke, line] of /** @type {[string, number][]} */ ([[ground, 4], [color, 2]])) {
    context.strokeStyle = stroke;
    context.lineWidth = line;
    context.strokeRect(x, y, width, height);
  }
}

/** A small piece of hatching, for the legend.
 * @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} width @param {number} height
 * @param {number} ratio @param {string} color */
export function drawHatchSwatch(context, x, y, width, height, ratio, color) {
  const [columns, rows] = [Math.round(width * ratio), Math.round(height * ratio)];
  const image = hatched({ map: new Uint8Array(rows * columns).fill(2), rows, columns }, ratio);
  context.drawImage(canvasOf(image), x, y, width, height);
  context.strokeStyle = color;
  context.lineWidth = 1;
  context.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
}
