// Heat tables: matrices whose rows are weights and whose columns are records, with a color scale of their own.

import { clipped, offscreenContext } from "../shared/canvas.js";
import { labelAt } from "./axes.js";
import { drawColorBar } from "./drawing.js";
import { GUTTER, SCALE, inside } from "./frame.js";
import { TICK_ROOM, ticks } from "./labels.js";

/** @import { Side } from "./axes.js" */
/** @import { Cell } from "./cells.js" */
/** @import { Frame, Style } from "./frame.js" */
/** @import { HeatTable, Scale, Severity, State } from "./state.js" */

/** @typedef {CanvasRenderingContext2D} Context */
/** @typedef {(context: Context, x: number, y: number) => void} DrawSymbol */

/** The variable of the style that colors the markers of each severity. @type {Record<Severity, string>} */
const SEVERITY_COLORS = { error: "--we-warn", warning: "--we-trouble", note: "--we-quiet" };
const SEVERITIES = /** @type {Severity[]} */ (Object.keys(SEVERITY_COLORS));
const HATCH_PERIOD = 6; // px
const HINT = "Point at a cell to read it; click, or walk by arrow keys and press Enter, to go to its weight."
  + " Ctrl + wheel zooms, drag moves.";

/** The number of a cell in words.
 * @param {number} cell @param {number} row @param {boolean} isSeveral Whether the cell stands for several weights.
 * @param {HeatTable} heat */
function valueWords(cell, row, isSeveral, { scale, tops }) {
  if (Number.isNaN(cell)) return "NaN among its elements";
  if (cell === Infinity) return "Inf among its elements";
  if (cell === -Infinity) return `0${scale.unit}: ${scale.zero}`;
  if (cell === 0) return "no value";
  const value = scale.isLog ? 10 ** (cell + scale.offset) : cell;
  if (tops.length && isSeveral) return `${Number((100 * value).toPrecision(3))} % of its largest`;
  if (!tops.length) return `${Number(value.toPrecision(3))}${scale.unit}`;
  return `${Number((value * tops[row]).toPrecision(3))}${scale.unit}, ${Number((100 * value).toPrecision(3))} % of its largest`;
}

/** The findings of a row, those of some of its columns first.
 * @param {HeatTable} heat @param {number} row @param {number} first @param {number} count */
function findingsOf({ markers }, row, first, count) {
  const found = markers.marks.filter(([at]) => at === row);
  /** @param {HeatTable["markers"]["marks"][number]} mark */
  const isHere = ([, column]) => column >= first && column < first + count;
  const sorted = [...found.filter(isHere), ...found.filter((mark) => !isHere(mark))];
  return sorted.map(([, , , sentence]) => markers.sentences[sentence]);
}

/** Such as `dense / kernel, record 3 (epoch 1, batch 3):  update ratio 0.0012`, and below it the findings of that weight.
 * @param {State} state @param {HeatTable} heat @param {Cell} found */
export function heatWords({ rows, columns }, heat, found) {
  const [height, width] = found.steps;
  /** @param {Side} side @param {number} first @param {number} count */
  const labels = (side, first, count) => {
    const [axis] = side.axes;
    const begin = labelAt(axis, first, count);
    const end = count > 1 ? axis.last[(first - axis.first) / count] : "";
    return end && end !== begin ? `${begin} to ${end}` : begin;
  };
  const several = height * width > 1 ? ` (${heat.scale.loudest})` : "";
  const edit = heat.edits.find(([column]) => column >= found.column && column < found.column + width);
  const place = `${labels(rows, found.row, height)}, ${labels(columns, found.column, width)}`;
  const value = valueWords(found.value, found.row, height > 1, heat);
  const lines = [`${place}${edit ? `, ${edit[1]}` : ""}:  ${heat.scale.label} ${value}${several}`];
  const sentences = height === 1 ? findingsOf(heat, found.row, found.column, width) : [];
  if (sentences.length) lines.push(`${sentences[0]}${sentences.length > 1 ? ` (and ${sentences.length - 1} more)` : ""}`);
  return lines.join("\n");
}

/** @param {HeatTable} heat @param {boolean} isMerged */
export function heatHint({ scale }, isMerged) {
  return isMerged ? `More cells than pixels: a pixel shows ${scale.loudest}. ${HINT}` : HINT;
}

/** Cut a text in its middle to a width: both of its ends tell weights apart.
 * @param {Context} context @param {string} text @param {number} width */
function clippedMiddle(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  for (let length = text.length - 1; length > 0; length -= 1) {
    const head = Math.floor(length / 2);
    const clippedText = `${text.slice(0, head)}…${text.slice(text.length - (length - head))}`;
    if (context.measureText(clippedText).width <= width) return clippedText;
  }
  return "";
}

/** Draw slanted lines below the cells: they are seen where a cell has no value, and so no color.
 * @param {Context} context @param {{left: number, top: number, right: number, bottom: number}} rectangle
 * @param {Style} style @param {number} ratio */
export function drawEmptyCells(context, { left, top, right, bottom }, style, ratio) {
  const tile = new OffscreenCanvas(HATCH_PERIOD * ratio, HATCH_PERIOD * ratio);
  const pen = offscreenContext(tile);
  pen.strokeStyle = style("--we-line");
  pen.lineWidth = ratio;
  pen.beginPath();
  for (const shift of [-1, 0, 1]) {
    pen.moveTo((shift * HATCH_PERIOD - 1) * ratio, (HATCH_PERIOD + 1) * ratio);
    pen.lineTo((shift * HATCH_PERIOD + HATCH_PERIOD + 1) * ratio, -ratio);
  }
  pen.stroke();
  const pattern = context.createPattern(tile, "repeat");
  if (!pattern) return;
  context.save();
  context.fillStyle = pattern;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillRect(left * ratio, top * ratio, (right - left) * ratio, (bottom - top) * ratio);
  context.restore();
}

/** The labels of columns that fit: at round numbers or, where columns are too uneven for that, as many as possible.
 * @param {Context} context @param {[number, string][]} labeled @param {number} scaleX */
function fittingTicks(context, labeled, scaleX) {
  /** @param {[number, string]} tick @param {[number, string] | undefined} before */
  const fits = ([column, text], before) => !before || (column - before[0]) * scaleX >= context.measureText(text).width + 10;
  /** @type {[number, string][]} */
  const fitting = [];
  for (const tick of labeled) if (fits(tick, fitting.at(-1))) fitting.push(tick);
  for (let power = 1; power < 1e9; power *= 10) for (const base of [1, 2, 5]) {
    const found = labeled.filter(([, text]) => Number(text) % (base * power) === 0);
    if (found.every((tick, i) => fits(tick, found[i - 1]))) return 2 * found.length >= fitting.length ? found : fitting;
  }
  return fitting;
}

/** @param {Context} context @param {Frame} frame @param {State} state @param {HeatTable} heat @param {Style} style */
export function drawHeatTicks(context, frame, state, heat, style) {
  const { view, scaleX, scaleY, left, top } = frame;
  const visible = heat.ticks.filter(([column]) => column + 0.5 >= view.left && column + 0.5 <= view.right);
  context.fillStyle = style("--we-quiet");
  context.textBaseline = "middle";
  context.textAlign = "center";
  for (const [column, text] of fittingTicks(context, visible, scaleX)) context.fillText(text, frame.x(column + 0.5), top - 9);
  context.textAlign = "right";
  for (const [middle, text] of ticks(state.rows, view.top, view.bottom, scaleY, TICK_ROOM.y, scaleY < 12 ? TICK_ROOM.y : 12))
    context.fillText(clippedMiddle(context, text, frame.labelWidth), left - GUTTER - 4, frame.y(middle));
}

/** @param {Context} context @param {[number, number][]} points @param {boolean} isFilled */
function drawPolygon(context, points, isFilled) {
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
  if (isFilled) context.fill();
  context.lineWidth = 1.5;
  context.stroke();
}

/** Draw the symbol of a severity, or of an edit.
 * @param {Context} context @param {Severity | "edit"} kind @param {number} x @param {number} y @param {number} size
 * @param {string} color */
function drawSymbol(context, kind, x, y, size, color) {
  context.strokeStyle = context.fillStyle = color;
  if (kind === "error" || kind === "warning") {
    drawPolygon(context, [[x, y - size], [x + size, y + size], [x - size, y + size]], kind === "error");
  } else {
    const width = kind === "note" ? size / 2 : size;
    drawPolygon(context, [[x - width, y], [x, y - width], [x + width, y], [x, y + width]], true);
  }
}

/** Markers of findings: the most severe one beside each row and, where rows are high enough, one on each cell.
 * @param {Context} context @param {Frame} frame @param {HeatTable} heat @param {Style} style */
export function drawMarkers(context, frame, { markers }, style) {
  const { left, view, scaleX, scaleY } = frame;
  /** @type {Map<number, Severity>} */
  const worst = new Map();
  for (const [row, , severity] of markers.marks) if (!worst.has(row)) worst.set(row, severity);
  for (const [row, severity] of worst) {
    if (row + 0.5 < view.top || row + 0.5 > view.bottom) continue;
    drawSymbol(context, severity, left - GUTTER / 2, frame.y(row + 0.5), 3.5, style(SEVERITY_COLORS[severity]));
  }
  if (scaleY < 10) return;
  inside(context, frame, () => {
    for (const [row, column, severity] of markers.marks) {
      const [x, y] = [frame.x(column + 0.5), frame.y(row + 0.5)];
      const size = Math.max(2.5, Math.min(4, scaleX / 2));
      context.fillStyle = style("--we-ground");
      context.fillRect(x - size - 2, y - size - 2, 2 * size + 4, 2 * size + 4);
      drawSymbol(context, severity, x, y, size, style(SEVERITY_COLORS[severity]));
    }
  });
}

/** Where fits begin, edits of the weights, and the record that is shown.
 * @param {Context} context @param {Frame} frame @param {HeatTable} heat @param {Style} style */
export function drawEvents(context, frame, heat, style) {
  const { top, bottom, view } = frame;
  /** @param {number} column */
  const isVisible = (column) => column >= view.left && column < view.right;
  context.save();
  context.strokeStyle = style("--we-separator");
  context.setLineDash([4, 3]);
  context.lineWidth = 1.5;
  for (const column of heat.fitBoundaries.filter(isVisible)) drawLine(context, frame.x(column), top, bottom);
  context.restore();
  for (const [column] of heat.edits) {
    if (isVisible(column)) drawSymbol(context, "edit", frame.x(column + 0.5), top - 1, 3, style("--we-text"));
  }
  if (!isVisible(heat.chosen)) return;
  context.strokeStyle = style("--we-accent");
  context.lineWidth = 2;
  for (const column of [heat.chosen, heat.chosen + 1]) drawLine(context, frame.x(column), top, bottom);
}

/** @param {Context} context @param {number} x @param {number} top @param {number} bottom */
function drawLine(context, x, top, bottom) {
  context.beginPath();
  context.moveTo(x, top);
  context.lineTo(x, bottom);
  context.stroke();
}

/** What the marks beside the scale mean: those of every table, and others where there are any.
 * @param {State} state @param {HeatTable} heat @param {Style} style
 * @returns {[string, DrawSymbol][]} */
function legendOf({ special, counts }, heat, style) {
  /** @param {string} color @returns {DrawSymbol} */
  const swatch = (color) => (context, x, y) => {
    context.fillStyle = color;
    context.fillRect(x, y - 5, SCALE.bar, 10);
  };
  /** @param {Severity | "edit"} kind @param {string} color @returns {DrawSymbol} */
  const symbol = (kind, color) => (context, x, y) => drawSymbol(context, kind, x + SCALE.bar / 2, y, 3.5, color);
  /** @type {DrawSymbol} */
  const hatched = (context, x, y) => {
    const rectangle = { left: x, top: y - 5, right: x + SCALE.bar, bottom: y + 5 };
    drawEmptyCells(context, rectangle, style, window.devicePixelRatio || 1);
    context.strokeStyle = style("--we-line");
    context.strokeRect(x, y - 5, SCALE.bar, 10);
  };
  /** @type {DrawSymbol} */
  const dashed = (context, x, y) => {
    context.save();
    context.strokeStyle = style("--we-text");
    context.setLineDash([4, 3]);
    drawLine(context, x + SCALE.bar / 2, y - 6, y + 6);
    context.restore();
  };
  const present = new Set(heat.markers.marks.map(([, , severity]) => severity));
  const [nan, infinite, zero] = special;
  /** @type {[boolean, string, DrawSymbol][]} */
  const entries = [
    [true, heat.scale.zero, swatch(zero)],
    [true, "no value", hatched],
    [counts[0] > 0, "NaN", swatch(nan)],
    [counts[1] > 0, "Inf", swatch(infinite)],
    ...SEVERITIES.map((name) => /** @type {[boolean, string, DrawSymbol]} */ (
      [present.has(name), name, symbol(name, style(SEVERITY_COLORS[name]))])),
    [heat.edits.length > 0, "set by hand", symbol("edit", style("--we-text"))],
    [heat.fitBoundaries.length > 0, "another fit", dashed],
  ];
  return entries.filter(([isPresent]) => isPresent).map(([, name, draw]) => [name, draw]);
}

/** The labels of the scale that fit, with their y: what is usual first, then the ends, then what fits between them.
 * @param {Scale} scale @param {number} top @param {number} length */
function scaleTicks({ ticks: all, low, high }, top, length) {
  const placed = all.map(([cell, text], i) => {
    const y = top + length * (1 - (cell - low) / (high - low));
    const rank = text.includes("usual") ? 0 : i % (all.length - 1) ? 2 : 1;
    return { text, rank, y: Math.min(Math.max(y, top + 5), top + length - 5) };
  });
  /** @type {[string, number][]} */
  const found = [];
  for (const tick of placed.sort((a, b) => a.rank - b.rank)) {
    if (found.every(([, y]) => Math.abs(y - tick.y) >= 12)) found.push([tick.text, tick.y]);
  }
  return found;
}

/** @param {Context} context @param {Frame} frame @param {State} state @param {HeatTable} heat @param {number} height
 * @param {Style} style */
export function drawHeatScale(context, frame, state, heat, height, style) {
  if (!frame.hasScale) return;
  const { scale } = heat;
  const [left, top] = [frame.right + SCALE.gap, frame.top];
  const legend = legendOf(state, heat, style);
  const length = Math.max(40, Math.min(120, height - top - 12 - 16 * legend.length));
  context.lineWidth = 1;
  drawColorBar(context, left, top, length, state.palette, style("--we-line"));
  context.textAlign = "left";
  context.textBaseline = "middle";
  /** @param {string} text @param {number} y */
  const label = (text, y) => context.fillText(clipped(context, text, SCALE.width - SCALE.bar - 8), left + SCALE.bar + 6, y);
  context.fillStyle = style("--we-text");
  context.fillText(clipped(context, scale.label, SCALE.width), left, top - 10);
  context.fillStyle = style("--we-quiet");
  for (const [text, y] of scaleTicks(scale, top, length)) label(text, y);
  legend.forEach(([name, draw], i) => {
    const y = top + length + 16 + 16 * i;
    draw(context, left, y);
    context.fillStyle = style("--we-quiet");
    label(name, y);
  });
}
