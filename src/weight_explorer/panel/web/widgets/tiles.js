// Many small pictures in a grid on one canvas. In each, row 0 is the top one and column 0 the left one. The numbers are in the
// browser already, so the pointer and the arrow keys read them without the kernel.

import "./tiles.css";
import { numbersOf } from "../shared/buffers.js";
import { clipped, prepareCanvas, scheduleDrawing } from "../shared/canvas.js";
import { cssColor, packHex, packPalette } from "../shared/colors.js";
import { element } from "../shared/dom.js";
import { clamp, shortest } from "../shared/numbers.js";
import { BAR, GAP, LINE, WORD_GAP, columnX, cornerOf, layOut, placeAt, stepFrom } from "../tiles/layout.js";
import { paintTiles } from "../tiles/pixels.js";

/** @import { Render } from "@anywidget/types" */
/** @import { Frame, Look, Place, Traits } from "../tiles/layout.js" */

const FOOT = 24; // px
const PARTS = ["red", "green", "blue"];
const EVENTS = [
  "shape", "tiles", "axes", "rows", "columns", "has_common_scale", "combined_text", "measure", "heading", "alt_text",
]
  .map((name) => `change:${name}`).join(" ");

/** @param {Frame} frame @param {Place} at @param {number} tile @returns {Place} */
const inTile = ({ count }, at, tile) => ({ ...at, tile: clamp(tile, 0, count - 1) });

/** Each key returns the place to go to. @type {Record<string, (frame: Frame, at: Place) => Place>} */
const KEYS = {
  ArrowLeft: (frame, at) => stepFrom(frame, at, 0, -1),
  ArrowRight: (frame, at) => stepFrom(frame, at, 0, 1),
  ArrowUp: (frame, at) => stepFrom(frame, at, -1, 0),
  ArrowDown: (frame, at) => stepFrom(frame, at, 1, 0),
  PageUp: (frame, at) => inTile(frame, at, at.tile - 1),
  PageDown: (frame, at) => inTile(frame, at, at.tile + 1),
  Home: (frame, at) => inTile(frame, at, 0),
  End: (frame, at) => inTile(frame, at, frame.count - 1),
};

/** @type {Render<Traits>} */
function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-tiles");
  el.dataset.lmSuppressShortcuts = "true";
  const canvas = element("canvas", { role: "img", tabIndex: 0 });
  const readout = element("div", { className: "we-tiles-readout" });
  el.replaceChildren(canvas, readout);

  let cells = numbersOf(Float32Array, model.get("cells"));
  /** @type {Frame | null} */
  let frame = null;
  /** The place under the pointer or the arrow keys. @type {Place | null} */
  let pointed = null;
  let isMerged = false; // whether there are more cells than pixels, so that a pixel shows one of several

  const { drawSoon, stop: stopDrawing } = scheduleDrawing(el, draw);

  /** @returns {Look} */
  function readLook() {
    const found = getComputedStyle(el);
    /** @param {string} name */
    const color = (name) => found.getPropertyValue(`--we-${name}`).trim() || "gray";
    return { font: found.fontFamily, text: color("text"), quiet: color("quiet"), line: color("line"), accent: color("accent") };
  }

  /** @param {CanvasRenderingContext2D} context @param {Frame} at @param {number} ratio */
  function drawTiles(context, at, ratio) {
    const { count, rows, columns, slices, cellWidth, tileHeight, look } = at;
    const table = packPalette(numbersOf(Uint8Array, model.get("palette")));
    const [nan, infinite] = model.get("special").map(packHex);
    const each = columns / slices;
    /** @type {[number, number]} */
    const size = [Math.max(1, Math.floor(cellWidth * each * ratio)) * slices, Math.floor(tileHeight * ratio)];
    const painted = paintTiles(cells, cells.subarray(cells.length - count), at, size, { table, nan, infinite });
    isMerged = painted.rows < rows || painted.columns < columns;
    const part = painted.columns / slices;
    context.imageSmoothingEnabled = false;
    context.strokeStyle = look.line;
    context.lineWidth = 1;
    for (let i = 0; i < count * slices; i += 1) {
      const [tile, slice] = [Math.floor(i / slices), i % slices];
      const { x, y } = cornerOf(at, tile);
      const left = x + columnX(at, slice * each);
      const [from, width] = [tile * painted.rows, cellWidth * each];
      context.drawImage(painted.source, slice * part, from, part, painted.rows, left, y, width, tileHeight);
      context.strokeRect(left - 0.5, y - 0.5, width + 1, tileHeight + 1);
    }
  }

  /** Above each tile its number and the user's label; beside the number, smaller, the one that it is ranked by.
   * @param {CanvasRenderingContext2D} context @param {Frame} at */
  function drawWords(context, at) {
    const { pitchX, head, hasNotes, look } = at;
    const tiles = model.get("tiles");
    const places = tiles.map((_, i) => ({ x: cornerOf(at, i).x, y: cornerOf(at, i).y - head + LINE / 2 }));
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.fillStyle = look.text;
    const ends = tiles.map(({ number }, i) => {
      context.fillText(number, places[i].x, places[i].y);
      return places[i].x + context.measureText(number).width + WORD_GAP;
    });
    context.fillStyle = look.quiet;
    tiles.forEach(({ label }, i) => {
      if (label) context.fillText(clipped(context, label, pitchX - GAP.x), places[i].x, places[i].y + LINE - 1);
    });
    if (!hasNotes) return;
    context.font = `10px ${look.font}`;
    tiles.forEach(({ note }, i) => context.fillText(note, ends[i], places[i].y));
    context.font = `12px ${look.font}`;
  }

  /** @param {CanvasRenderingContext2D} context @param {Frame} frame */
  function drawHeading(context, { heading, right, look }) {
    context.fillStyle = look.quiet;
    context.textAlign = "left";
    context.textBaseline = "middle";
    heading.forEach((line, i) => context.fillText(clipped(context, line, right - 8), 0, 8 + 16 * i));
  }

  /** @param {number} parts */
  function barColors(parts) {
    if (parts === 3) return ["#000", "#808080", "#fff"];
    const palette = numbersOf(Uint8Array, model.get("palette"));
    return Array.from({ length: 18 }, (_, i) => cssColor(palette, 15 * i));
  }

  /** @param {CanvasRenderingContext2D} context @param {Frame} frame @param {number} height */
  function drawBar(context, { right: left, top: frameTop, parts, count, look }, height) {
    const [top, length] = [frameTop + LINE, Math.min(120, height - frameTop - 3 * LINE - 30)];
    const gradient = context.createLinearGradient(0, top + length, 0, top);
    barColors(parts).forEach((color, i, all) => gradient.addColorStop(i / (all.length - 1), color));
    context.fillStyle = gradient;
    context.fillRect(left, top, BAR.width, length);
    context.strokeStyle = look.line;
    context.strokeRect(left - 0.5, top - 0.5, BAR.width + 1, length + 1);
    context.fillStyle = look.quiet;
    context.textAlign = "left";
    context.textBaseline = "middle";
    /** @param {string} text @param {number} y */
    const label = (text, y) => context.fillText(text, left + BAR.width + 6, y);
    const limit = cells[cells.length - count];
    const end = model.get("has_common_scale") ? (limit ? limit.toPrecision(3) : "") : "largest";
    label(end && `+${end}`, top + 5);
    label("0", top + length / 2);
    label(end && `−${end}`, top + length - 5);
    context.fillText(model.get("has_common_scale") ? "for all" : "of each", left, top - LINE / 2 - 2);
    specialValues(count).forEach(({ name, color }, i) => {
      const y = top + length + 14 + 18 * i;
      context.fillStyle = color;
      context.fillRect(left, y - 6, BAR.width, 12);
      context.fillStyle = look.text;
      label(name, y);
    });
  }

  /** Which values are there that are not on the scale.
   * @param {number} count */
  function specialValues(count) {
    const [nan, infinite] = model.get("special");
    const numbers = cells.subarray(0, cells.length - count);
    return [
      { name: "NaN", color: nan, isPresent: numbers.some(Number.isNaN) },
      { name: "Inf", color: infinite, isPresent: numbers.some((value) => Math.abs(value) === Infinity) },
    ].filter(({ isPresent }) => isPresent);
  }

  /** @param {CanvasRenderingContext2D} context @param {Frame} at @param {Place} place */
  function drawPointed(context, at, { tile, row, column }) {
    const { x, y } = cornerOf(at, tile);
    const { cellWidth, cellHeight } = at;
    context.strokeStyle = at.look.accent;
    context.lineWidth = 2;
    context.strokeRect(x + columnX(at, column), y + row * cellHeight, Math.max(cellWidth, 3), Math.max(cellHeight, 3));
  }

  /** Such as `kernel_height = 1, kernel_width = 2, in_channels = 3, filters = 12`, in the order of the array's axes.
   * @param {Place} place */
  function placeWords({ tile, row, column }) {
    const axes = model.get("axes");
    /** @type {Map<number, number>} */
    const indexes = new Map();
    for (const { side, at } of [{ side: model.get("rows"), at: row }, { side: model.get("columns"), at: column }]) {
      let rest = at;
      for (const axis of [...side].reverse()) {
        indexes.set(axis, rest % axes[axis].size);
        rest = Math.floor(rest / axes[axis].size);
      }
    }
    const { fixed } = model.get("tiles")[tile];
    const words = axes.map(({ name, labels }, i) => {
      const index = indexes.get(i);
      if (index === undefined) return fixed[i];
      return `${name} = ${index}${labels.length ? ` "${labels[index]}"` : ""}`;
    });
    return words.filter(Boolean).join(", ");
  }

  /** @param {Place} place */
  function numberWords({ tile, row, column }) {
    const [, rows, columns, parts] = model.get("shape");
    const start = ((tile * rows + row) * columns + column) * parts;
    const values = Array.from(cells.subarray(start, start + parts), shortest);
    return parts === 1 ? values[0] : values.map((value, i) => `${PARTS[i]} ${value}`).join(", ");
  }

  function readoutWords() {
    if (!pointed) {
      const merged = isMerged ? " More cells than pixels: a pixel shows the cell farthest from zero." : "";
      return `Point at a cell, or walk with the arrow keys, to read its number.${merged}`;
    }
    const { number, note } = model.get("tiles")[pointed.tile];
    const combined = model.get("combined_text");
    const value = `${combined ? `${combined} ` : ""}${numberWords(pointed)}`;
    return `${placeWords(pointed)}:  ${value}   (${model.get("measure")} of ${number}: ${note})`;
  }

  function draw() {
    const [width, height] = [el.clientWidth, el.clientHeight - FOOT];
    const [count, rows, columns, parts] = model.get("shape");
    canvas.setAttribute("aria-label", model.get("alt_text"));
    if (width < 160 || height < 80 || cells.length !== count * (rows * columns * parts + 1) || !count) return;
    const look = readLook();
    const [context, ratio] = prepareCanvas(canvas, width, height, look.font);
    const at = layOut(context, model, width, height, look);
    frame = at;
    if (!at) return;
    if (pointed && (pointed.tile >= count || pointed.row >= rows || pointed.column >= columns)) pointed = null;
    drawHeading(context, at);
    drawTiles(context, at, ratio);
    drawWords(context, at);
    drawBar(context, at, height);
    readout.textContent = readoutWords();
    if (pointed) drawPointed(context, at, pointed);
  }

  function takeCells() {
    cells = numbersOf(Float32Array, model.get("cells"));
    drawSoon();
  }

  canvas.addEventListener("pointermove", (event) => {
    readout.setAttribute("aria-live", "off");
    if (!frame) return;
    pointed = placeAt(frame, event.offsetX, event.offsetY);
    drawSoon();
  }, { signal });
  canvas.addEventListener("pointerleave", () => {
    pointed = null;
    drawSoon();
  }, { signal });
  canvas.addEventListener("keydown", (event) => {
    event.stopPropagation();
    const move = KEYS[event.key];
    if (!frame || !move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    readout.setAttribute("aria-live", "polite"); // screen readers follow the keys, and not a mouse that passes
    pointed = pointed ? move(frame, pointed) : { tile: 0, row: 0, column: 0 };
    drawSoon();
  }, { signal });

  model.on("change:cells", takeCells);
  model.on(EVENTS, drawSoon);
  readout.textContent = readoutWords();
  drawSoon();
  return () => {
    controller.abort();
    stopDrawing();
    model.off("change:cells", takeCells);
    model.off(EVENTS, drawSoon);
  };
}

export default { render };
