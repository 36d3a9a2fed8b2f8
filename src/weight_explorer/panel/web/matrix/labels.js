// Ticks and names around the cells of a matrix.

import { clipped } from "../shared/canvas.js";
import { blocksAreEntries, blocksOf, labelAt, sizeOf } from "./axes.js";
import { LABEL_LEFT } from "./frame.js";

/** @import { Axis, Block, Side } from "./axes.js" */
/** @import { Frame, Style } from "./frame.js" */
/** @import { State } from "./state.js" */

/** Pixels between labels, at least. */
export const TICK_ROOM = { x: 36, y: 16, turned: 14 };

/** Every how many labels one is drawn, so that they do not overlap.
 * @param {number} pixelsEach @param {number} room */
function labelStep(pixelsEach, room) {
  return Math.max(1, Math.ceil(room / pixelsEach));
}

/** Round steps, so that numbers are 0, 5, 10 and not 0, 7, 14.
 * @param {number} pixelsEach @param {number} room */
function tickStep(pixelsEach, room) {
  const least = room / pixelsEach;
  for (let power = 1; ; power *= 10) for (const base of [1, 2, 5]) if (base * power >= least) return base * power;
}

/** Ticks of the outermost axis of a side that are in view: their middles, in entries, and their labels or numbers.
 * @param {Side} side @param {number} first @param {number} last @param {number} scale Pixels of an entry.
 * @param {number} room Pixels between numbers. @param {number} labelRoom Pixels between labels. */
export function ticks(side, first, last, scale, room, labelRoom) {
  const [outer] = side.axes;
  const inner = sizeOf(side.axes.slice(1));
  const isLabeled = outer.labels.length > 0;
  const among = isLabeled ? side.step : 1; // places that have a label
  const pixels = scale * inner * among;
  const step = among * (isLabeled ? labelStep(pixels, labelRoom) : tickStep(pixels, room));
  const begin = Math.ceil(Math.max(0, first / inner - 0.5 * step) / step) * step;
  /** @type {[number, string][]} */
  const found = [];
  for (let place = begin; place * inner < last && place < outer.size; place += step) {
    const middle = (place + (isLabeled ? among : 1) / 2) * inner;
    const text = labelAt(outer, place, side.step) || (isLabeled ? "" : String(side.order ? side.order[place] : place));
    if (middle >= first && middle <= last && text) found.push([middle, text]);
  }
  return found;
}

/** Names or numbers of the outermost axes, beside what they count.
 * @param {CanvasRenderingContext2D} context @param {Frame} frame @param {State} state @param {Style} style */
export function drawTicks(context, frame, { rows, columns }, style) {
  context.fillStyle = style("--we-quiet");
  context.textBaseline = "middle";
  if (columns.axes[0].name && !blocksAreEntries(columns.axes)) drawColumnTicks(context, frame, columns);
  if (rows.axes[0].name && !rows.axes[0].blocks.length) drawRowTicks(context, frame, rows);
}

/** @param {CanvasRenderingContext2D} context @param {Frame} frame @param {Side} columns */
function drawColumnTicks(context, { view, scaleX, isTurned: isTooWide, tickHeight, top, x }, columns) {
  const isLabeled = columns.axes[0].labels.length > 0;
  const isTurned = isLabeled && isTooWide;
  const width = isTurned ? tickHeight : scaleX * sizeOf(columns.axes.slice(1)) * columns.step;
  for (const [middle, text] of ticks(columns, view.left, view.right, scaleX, TICK_ROOM.x, isTurned ? TICK_ROOM.turned : 0)) {
    context.save();
    context.translate(x(middle), top - (isTurned ? 4 : 9));
    if (isTurned) context.rotate(-Math.PI / 2);
    context.textAlign = isTurned ? "left" : "center";
    context.fillText(isLabeled ? clipped(context, text, width) : text, 0, 0);
    context.restore();
  }
}

/** @param {CanvasRenderingContext2D} context @param {Frame} frame @param {Side} rows */
function drawRowTicks(context, { view, scaleY, left, y }, rows) {
  context.textAlign = "right";
  for (const [middle, text] of ticks(rows, view.top, view.bottom, scaleY, TICK_ROOM.y, TICK_ROOM.turned))
    context.fillText(clipped(context, text, LABEL_LEFT), left - 6, y(middle));
}

/** The parts of blocks that are in view.
 * @param {Axis[]} axes @param {number} first @param {number} last */
function blocksInView(axes, first, last) {
  return blocksOf(axes)
    .map(([name, start, stop, short]) => ({ name, short, from: Math.max(start, first), to: Math.min(stop, last) }))
    .filter(({ from, to }) => from < to);
}

/** Ways to name blocks, the longest first: in full, and by the first word where that tells them apart.
 * @param {Block[]} blocks */
function namings(blocks) {
  /** @param {{name: string}} block */
  const full = ({ name }) => name;
  /** @param {{name: string}} block */
  const first = ({ name }) => name.split(" ")[0];
  return new Set(blocks.map(([name]) => first({ name }))).size === blocks.length ? [full, first] : [full];
}

/** Name all blocks alike: where one of the names does not fit, all are short.
 * @param {CanvasRenderingContext2D} context @param {Frame} frame @param {State} state @param {Style} style */
export function drawBlockNames(context, frame, state, style) {
  const { left, top, view, scaleX, scaleY, tickHeight } = frame;
  const across = state.columns.axes;
  context.fillStyle = style("--we-text");
  context.textAlign = "center";
  context.textBaseline = "middle";
  const height = blocksAreEntries(across) ? 9 : tickHeight + 13;
  const blocks = blocksInView(across, view.left, view.right);
  /** @param {string} text @param {{from: number, to: number}} block */
  const fits = (text, { from, to }) => context.measureText(text).width <= (to - from) * scaleX - 6;
  /** @param {{short: string}} block */
  const short = (block) => block.short;
  const nameOf = namings(across[0].blocks).find((naming) => blocks.every((block) => fits(naming(block), block))) ?? short;
  for (const block of blocks) {
    if (fits(nameOf(block), block)) context.fillText(nameOf(block), frame.x((block.from + block.to) / 2), top - height);
  }
  context.textAlign = "right";
  for (const block of blocksInView(state.rows.axes, view.top, view.bottom)) {
    if ((block.to - block.from) * scaleY < 12) continue;
    const name = context.measureText(block.name).width <= LABEL_LEFT ? block.name : block.short;
    context.fillText(name, left - 6, frame.y((block.from + block.to) / 2));
  }
}

/** @param {CanvasRenderingContext2D} context @param {Frame} frame @param {State} state @param {Style} style */
export function drawAxisNames(context, { left, top, bottom }, { rows, columns, fixed }, style) {
  /** @param {Side} side */
  const words = ({ axes, order }) => axes.map((axis) => axis.name).join(" x ") + (order ? " (sorted)" : "");
  context.fillStyle = style("--we-quiet");
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  const at = fixed ? `   at ${fixed}` : "";
  if (columns.axes[0].name || at) context.fillText(`${words(columns)} →${at}`, left, 12);
  context.save();
  context.translate(10, top);
  context.rotate(-Math.PI / 2);
  context.textAlign = "right";
  if (rows.axes[0].name) context.fillText(clipped(context, `← ${words(rows)}`, Math.max(bottom - top, 64)), 0, 0);
  context.restore();
}
