// The cells of a matrix, lines between them, pins, and the color scale.

import { canvasOf, clipped } from "../shared/canvas.js";
import { cssColor } from "../shared/colors.js";
import { grouped } from "../shared/numbers.js";
import { bordersOf } from "./axes.js";
import { colorize, raster } from "./cells.js";
import { SCALE, inside } from "./frame.js";
import { drawHatchSwatch, strokeTwice } from "./overlays.js";

/** @import { Axis } from "./axes.js" */
/** @import { Cell, Layer, Raster, Rectangle } from "./cells.js" */
/** @import { Frame, Style } from "./frame.js" */
/** @import { State } from "./state.js" */

/** Cells as they were painted last.
 * @typedef {{name: string, palette: Uint8Array, picture: Raster, source: OffscreenCanvas}} Painted */

const SPECIAL_NAMES = ["NaN", "+Inf", "-Inf", "above", "below"];

/** The last picture made of cells: a pointer that moves changes none. @type {WeakMap<Layer["cells"], Painted>} */
const painted = new WeakMap();

/** A layer's pixels, and a canvas with them in color; null where nothing of it is in view.
 * @param {Layer} layer @param {Rectangle} view @param {number} width @param {number} height @param {State} state */
function paint(layer, view, width, height, { range, palette, special, shows }) {
  const name = JSON.stringify([view, width, height, range, shows, layer.origin, layer.steps, special]);
  const before = painted.get(layer.cells);
  if (before?.name === name && before.palette === palette) return before;
  const picture = raster(layer, view, width, height, shows);
  if (!picture) return null;
  const source = canvasOf(colorize(picture, range, palette, special));
  const now = { name, palette, picture, source };
  painted.set(layer.cells, now);
  return now;
}

/** Draw the layers, the coarse one first; say whether one pixel stands for several cells.
 * @param {CanvasRenderingContext2D} context @param {Frame} frame @param {State} state @param {number} ratio
 * @param {Style} style */
export function drawCells(context, frame, state, ratio, style) {
  const { left, top, right, bottom, view } = frame;
  const [width, height] = [Math.floor((right - left) * ratio), Math.floor((bottom - top) * ratio)];
  let isMerged = false;
  inside(context, frame, () => {
    context.imageSmoothingEnabled = false;
    for (const layer of [...state.layers].reverse()) {
      const now = paint(layer, view, width, height, state);
      if (!now) continue;
      const { picture, source } = now;
      isMerged = picture.isMerged;
      const [x, y] = [frame.x(picture.across.from), frame.y(picture.down.from)];
      context.drawImage(source, x, y, frame.x(picture.across.to) - x, frame.y(picture.down.to) - y);
    }
  });
  context.strokeStyle = style("--we-line");
  context.lineWidth = 1;
  context.strokeRect(left - 0.5, top - 0.5, right - left + 1, bottom - top + 1);
  return isMerged;
}

/** Lines between blocks, and between the windows of a convolution.
 * @param {CanvasRenderingContext2D} context @param {Frame} frame @param {State} state @param {Style} style */
export function drawSeparators(context, frame, state, style) {
  const { left, top, right, bottom, view, scaleX, scaleY } = frame;
  /** @param {Axis[]} axes @param {number} first @param {number} last @param {number} scale */
  const visible = (axes, first, last, scale) => {
    const borders = bordersOf(axes);
    const gap = (borders[borders.length - 1] - borders[0]) / (borders.length - 1);
    return borders.length > 1 && gap * scale <= 4 ? [] : borders.filter((border) => border > first && border < last);
  };
  context.strokeStyle = style("--we-separator");
  context.lineWidth = 1;
  context.beginPath();
  for (const border of visible(state.columns.axes, view.left, view.right, scaleX)) {
    const x = Math.round(frame.x(border)) + 0.5;
    context.moveTo(x, top);
    context.lineTo(x, bottom);
  }
  for (const border of visible(state.rows.axes, view.top, view.bottom, scaleY)) {
    const y = Math.round(frame.y(border)) + 0.5;
    context.moveTo(left, y);
    context.lineTo(right, y);
  }
  context.stroke();
}

/** The bar of a color scale, with its outline.
 * @param {CanvasRenderingContext2D} context @param {number} left @param {number} top @param {number} length
 * @param {Uint8Array} palette @param {string} outline */
export function drawColorBar(context, left, top, length, palette, outline) {
  const gradient = context.createLinearGradient(0, top, 0, top + length);
  for (let i = 0; i < 256; i += 15) gradient.addColorStop(1 - i / 255, cssColor(palette, i));
  context.fillStyle = gradient;
  context.fillRect(left, top, SCALE.bar, length);
  context.strokeStyle = outline;
  context.strokeRect(left - 0.5, top - 0.5, SCALE.bar + 1, length + 1);
}

/** The scale with its limits, and with their colors the counts of the numbers that are not on it.
 * @param {CanvasRenderingContext2D} context @param {Frame} frame @param {State} state @param {number} height
 * @param {number} ratio @param {Style} style */
export function drawScale(context, frame, state, height, ratio, style) {
  if (!frame.hasScale) return;
  const { limit, limitWords, palette, special, counts } = state;
  const [left, top] = [frame.right + SCALE.gap, frame.top];
  const length = Math.min(120, height - top - 44);
  drawColorBar(context, left, top, length, palette, style("--we-line"));
  context.fillStyle = style("--we-quiet");
  context.textAlign = "left";
  context.textBaseline = "middle";
  /** @param {string} text @param {number} y */
  const label = (text, y) => context.fillText(clipped(context, text, SCALE.width - SCALE.bar - 8), left + SCALE.bar + 6, y);
  context.fillText(clipped(context, limitWords, SCALE.width), left, top - 10);
  label(limit ? `+${limit.toPrecision(3)}` : "", top + 5);
  label("0", top + length / 2);
  label(limit ? `-${limit.toPrecision(3)}` : "", top + length - 5);
  const present = SPECIAL_NAMES.map((name, i) => ({ name, color: special[i], count: counts[i] })).filter(({ count }) => count);
  present.forEach(({ name, color, count }, i) => {
    const y = top + length + 14 + 18 * i;
    context.fillStyle = color;
    context.fillRect(left, y - 6, SCALE.bar, 12);
    context.fillStyle = style("--we-text");
    label(`${grouped(count)} ${name}`, y);
  });
  if (!state.frozenWords) return;
  const y = top + length + 14 + 18 * present.length;
  if (state.layers[0].frozen.length) drawHatchSwatch(context, left, y - 6, SCALE.bar, 12, ratio, style("--we-line"));
  context.fillStyle = style("--we-text");
  label(state.frozenWords, y);
}

/** Outlines of pinned elements, with their numbers.
 * @param {CanvasRenderingContext2D} context @param {Frame} frame @param {State} state @param {Style} style */
export function drawPins(context, frame, { pins }, style) {
  inside(context, frame, () => {
    for (const [number, row, column] of pins) {
      const [width, height] = [Math.max(frame.scaleX, 6), Math.max(frame.scaleY, 6)];
      const [x, y] = [frame.x(column + 0.5) - width / 2, frame.y(row + 0.5) - height / 2];
      strokeTwice(context, x, y, width, height, style("--we-ground"), style("--we-pin"));
      drawBadge(context, String(number), x + width, y, frame, style);
    }
  });
}

/** @param {CanvasRenderingContext2D} context @param {string} text @param {number} x @param {number} y @param {Frame} frame
 * @param {Style} style */
function drawBadge(context, text, x, y, frame, style) {
  const width = context.measureText(text).width + 6;
  const left = Math.min(x, frame.right - width);
  const top = Math.max(y - 7, frame.top);
  context.fillStyle = style("--we-pin");
  context.fillRect(left, top, width, 14);
  context.fillStyle = style("--we-ground");
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(text, left + 3, top + 7.5);
}

/** Outline the cell under the pointer.
 * @param {CanvasRenderingContext2D} context @param {Frame} frame @param {Cell} cell @param {Style} style */
export function drawPointed(context, frame, cell, style) {
  const [width, height] = [Math.max(cell.steps[1] * frame.scaleX, 3), Math.max(cell.steps[0] * frame.scaleY, 3)];
  context.strokeStyle = style("--we-text");
  context.lineWidth = 2;
  inside(context, frame, () => context.strokeRect(frame.x(cell.column), frame.y(cell.row), width, height));
}
