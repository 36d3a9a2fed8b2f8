// Many small pictures in a grid on one canvas. In each, row 0 is the top one and column 0 the left one. The numbers are in the
// browser already, so the pointer and the arrow keys read them without the kernel.

import "./tiles.css";
import { numbersOf } from "../shared/buffers.js";
import { canvasOf, clipped, prepareCanvas, scheduleDrawing, widest } from "../shared/canvas.js";
import { cssColor, packColor, packHex, packPalette } from "../shared/colors.js";
import { element } from "../shared/dom.js";
import { clamp, shortest } from "../shared/numbers.js";

/** @import { AnyModel, Render } from "@anywidget/types" */
/** @import { Bytes } from "../shared/model.js" */

/** @typedef {{number: string, label: string, note: string, fixed: string[]}} Tile */
/** @typedef {{name: string, size: number, labels: string[]}} Axis */
/** `shape` is how many tiles, rows, columns and parts there are: 1 part, or 3 for colors. Behind the `cells` are the limits of the
 * tiles' colors. `rows` and `columns` are the axes along a tile's sides.
 * @typedef {{cells: Bytes, shape: [number, number, number, number], tiles: Tile[], axes: Axis[], rows: number[],
 *   columns: number[], is_common: boolean, combined: string, measure: string, heading: string[], alternative: string,
 *   palette: Bytes, special: [string, string]}} Traits */

/** One tile in an array of cells, from `start` on.
 * @typedef {{cells: Float32Array, start: number, rows: number, columns: number, parts: number}} Cells */
/** Packed colors: those of the palette, of NaN and of Inf. @typedef {{table: Uint32Array, nan: number, infinite: number}} Colors */
/** @typedef {{font: string, text: string, quiet: string, line: string, accent: string}} Look */
/** A grid with this many tiles in a row, `pitch` pixels apart, and cells of this size. `cell` is the shorter side of a cell.
 * @typedef {{across: number, pitch: number, cell: number, cellWidth: number, cellHeight: number}} Grid */
/** A row and a column of a tile. @typedef {{tile: number, row: number, column: number}} Place */

const GAP = { x: 8, y: 5, slice: 2 }; // px between tiles, and between slices of one
const LINE = 14; // px, one line of text above a tile
const LEFT = 1; // px, so that the border of the first tiles is visible
const BAR = { width: 12, gap: 16, room: 76 };
const LARGEST_CELL = 36; // px
const SINGLE_ROW = 44; // px, the height of a single row of cells, at most
const READABLE = 0.7; // of the largest cells that are possible, to have room for words above them
const WORD_GAP = 6; // px, between a tile's number and the one that it is ranked by
const LARGEST_TILE = 200; // px
const FOOT = 24; // px
const NEUTRAL = 127.5;
const PARTS = ["red", "green", "blue"];
const EVENTS = ["shape", "tiles", "axes", "rows", "columns", "is_common", "combined", "measure", "heading", "alternative"]
  .map((name) => `change:${name}`).join(" ");

/** @param {number} value */
const toByte = (value) => clamp(Math.round(value), 0, 255);

/** How important a cell is, of several that share a pixel: NaN before all, then the number farthest from zero.
 * @param {Float32Array} cells @param {number} at @param {number} parts */
function importance(cells, at, parts) {
  let most = 0;
  for (let part = 0; part < parts; part += 1) {
    const value = Math.abs(cells[at + part]);
    most = Number.isNaN(value) ? Infinity : Math.max(most, value === Infinity ? Number.MAX_VALUE : value);
  }
  return most;
}

/** The color of one cell, whose numbers begin at `at`.
 * @param {Float32Array} cells @param {number} at @param {number} parts @param {number} scale @param {Colors} colors */
function colorOf(cells, at, parts, scale, { table, nan, infinite }) {
  let sum = 0; // NaN where one is, otherwise infinite where one is
  for (let part = 0; part < parts; part += 1) sum += Math.abs(cells[at + part]);
  if (Number.isNaN(sum)) return nan;
  if (sum === Infinity) return infinite;
  const first = toByte(NEUTRAL + cells[at] * scale);
  if (parts === 1) return table[first];
  return packColor(first, toByte(NEUTRAL + cells[at + 1] * scale), toByte(NEUTRAL + cells[at + 2] * scale));
}

/** All tiles as one picture, below each other, with at most `width` x `height` pixels for each.
 * @param {Float32Array} cells @param {Float32Array} limits @param {{rows: number, columns: number, parts: number}} shape
 * @param {[number, number]} size @param {Colors} colors */
function paintTiles(cells, limits, { rows, columns, parts }, [width, height], colors) {
  const tiles = Array.from(limits, (_, i) => reduced({ cells, start: i * rows * columns * parts, rows, columns, parts }, width, height));
  const size = { rows: tiles[0].rows, columns: tiles[0].columns };
  const image = new ImageData(size.columns, size.rows * tiles.length);
  const words = new Uint32Array(image.data.buffer);
  const count = size.rows * size.columns;
  tiles.forEach((tile, i) => {
    const scale = limits[i] > 0 ? NEUTRAL / limits[i] : 0;
    for (let j = 0; j < count; j += 1) words[i * count + j] = colorOf(tile.cells, tile.start + j * parts, parts, scale, colors);
  });
  return { source: canvasOf(image), ...size };
}

/** A tile reduced to at most `width` x `height` pixels, each with the most important of its cells.
 * @param {Cells} tile @param {number} width @param {number} height @returns {Cells} */
function reduced(tile, width, height) {
  const { cells, start, rows, columns, parts } = tile;
  const [down, across] = [Math.max(1, Math.min(rows, height)), Math.max(1, Math.min(columns, width))];
  if (down === rows && across === columns) return tile;
  const from = new Int32Array(down * across).fill(-1);
  for (let i = 0; i < rows; i += 1) for (let j = 0; j < columns; j += 1) {
    const to = Math.floor((i * down) / rows) * across + Math.floor((j * across) / columns);
    const at = start + (i * columns + j) * parts;
    if (from[to] < 0 || importance(cells, at, parts) > importance(cells, from[to], parts)) from[to] = at;
  }
  const pixels = new Float32Array(down * across * parts);
  from.forEach((at, i) => pixels.set(cells.subarray(at, at + parts), i * parts));
  return { cells: pixels, start: 0, rows: down, columns: across, parts };
}

/** The grids in which `count` tiles of `rows` x `columns` cells fit, with the largest cells that are possible in each.
 * @param {{width: number, height: number}} room
 * @param {{count: number, rows: number, columns: number, slices: number, head: number}} tiles
 * @returns {Grid[]} */
function possibleGrids(room, { count, rows, columns, slices, head }) {
  const isSingleRow = rows === 1 && columns > 1;
  return Array.from({ length: count }, (_, i) => {
    const [across, down] = [i + 1, Math.ceil(count / (i + 1))];
    const pitch = room.width / across;
    const wide = Math.min(pitch - GAP.x, LARGEST_TILE) - GAP.slice * (slices - 1);
    const high = Math.min(room.height / down - GAP.y - head, LARGEST_TILE);
    const cellWidth = Math.min(wide / columns, LARGEST_CELL);
    const cellHeight = isSingleRow ? Math.min(high, SINGLE_ROW) : Math.min(high / rows, LARGEST_CELL);
    const cell = Math.min(cellWidth, cellHeight);
    return { across, pitch, cell, ...(isSingleRow ? { cellWidth, cellHeight } : { cellWidth: cell, cellHeight: cell }) };
  });
}

/** The grid with the largest cells, null where none has room; one where the words above a tile fit, unless its cells are much smaller.
 * @param {{width: number, height: number}} room
 * @param {{count: number, rows: number, columns: number, slices: number, head: number}} tiles
 * @param {number} wordsWidth */
function bestGrid(room, tiles, wordsWidth) {
  /** @type {Grid | null} */
  let best = null;
  /** @type {Grid | null} */
  let readable = null;
  for (const grid of possibleGrids(room, tiles).filter(({ cell }) => cell > 0)) {
    if (!best || grid.cell >= best.cell) best = grid;
    if (grid.pitch - GAP.x >= wordsWidth && (!readable || grid.cell >= readable.cell)) readable = grid;
  }
  return readable && best && readable.cell >= READABLE * best.cell ? readable : best;
}

/** Words in as few lines as they fit in.
 * @param {CanvasRenderingContext2D} context @param {string[]} pieces @param {number} width */
function linesOf(context, pieces, width) {
  /** @type {string[]} */
  const lines = [];
  for (const piece of pieces) {
    const longer = lines.length ? `${lines[lines.length - 1]}   ·   ${piece}` : piece;
    if (lines.length && context.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(piece);
  }
  return lines;
}

/** Where the tiles are on the canvas.
 * @typedef {Grid & {count: number, rows: number, columns: number, parts: number, slices: number, head: number,
 *   heading: string[], top: number, right: number, hasNotes: boolean, tileHeight: number, pitchX: number, pitchY: number,
 *   look: Look}} Frame */

/** Find where the tiles are; null where there is no room for them.
 * @param {CanvasRenderingContext2D} context @param {AnyModel<Traits>} model @param {number} width @param {number} height
 * @param {Look} look @returns {Frame | null} */
function layOut(context, model, width, height, look) {
  const [count, rows, columns, parts] = model.get("shape");
  const tiles = model.get("tiles");
  const head = LINE * (tiles.some(({ label }) => label) ? 2 : 1);
  const slices = model.get("columns").length > 1 ? model.get("axes")[model.get("columns")[0]].size : 1;
  const right = width - BAR.room;
  const pieces = [...model.get("heading"), `small: ${model.get("measure")}`];
  const top = linesOf(context, pieces, right - 8).length * 16 + 2;
  const numberWidth = widest(context, tiles.map(({ number }) => number));
  context.font = `10px ${look.font}`;
  const wordsWidth = numberWidth + WORD_GAP + widest(context, tiles.map(({ note }) => note));
  context.font = `12px ${look.font}`;
  const room = { width: right - BAR.gap - LEFT, height: height - top };
  const grid = bestGrid(room, { count, rows, columns, slices, head }, wordsWidth);
  if (!grid) return null;
  const tileWidth = grid.cellWidth * columns + GAP.slice * (slices - 1);
  const tileHeight = grid.cellHeight * rows;
  const hasNotes = grid.pitch - GAP.x >= wordsWidth;
  const heading = linesOf(context, hasNotes ? pieces : pieces.slice(0, -1), right - 8);
  const pitchX = Math.min(grid.pitch, Math.max(tileWidth, hasNotes ? wordsWidth : numberWidth) + GAP.x);
  const pitchY = tileHeight + head + GAP.y;
  return { ...grid, count, rows, columns, parts, slices, head, heading, top, right, hasNotes, tileHeight, pitchX, pitchY, look };
}

/** The upper left corner of a tile's cells.
 * @param {Frame} frame @param {number} tile */
function cornerOf(frame, tile) {
  return {
    x: LEFT + (tile % frame.across) * frame.pitchX,
    y: frame.top + Math.floor(tile / frame.across) * frame.pitchY + frame.head,
  };
}

/** Where a column starts within its tile, with the gaps between slices.
 * @param {Frame} frame @param {number} column */
function columnX({ cellWidth, columns, slices }, column) {
  return column * cellWidth + Math.floor(column / (columns / slices)) * GAP.slice;
}

/** The place at a point of the canvas, null where no cell is there.
 * @param {Frame} frame @param {number} x @param {number} y @returns {Place | null} */
function placeAt(frame, x, y) {
  const across = Math.floor((x - LEFT) / frame.pitchX);
  const down = Math.floor((y - frame.top) / frame.pitchY);
  const tile = down * frame.across + across;
  if (across >= frame.across || down < 0 || tile >= frame.count || across < 0) return null;
  const from = cornerOf(frame, tile);
  const row = Math.floor((y - from.y) / frame.cellHeight);
  const each = frame.columns / frame.slices;
  const sliceWidth = each * frame.cellWidth + GAP.slice;
  const slice = Math.floor((x - from.x) / sliceWidth);
  const within = Math.floor((x - from.x - slice * sliceWidth) / frame.cellWidth);
  const isInside = row >= 0 && row < frame.rows && slice < frame.slices && within < each;
  return isInside ? { tile, row, column: slice * each + within } : null;
}

/** One step on: over a tile's edge it leads to the next tile that way, where there is one.
 * @param {Frame} frame @param {Place} place @param {number} down @param {number} across @returns {Place} */
function stepFrom({ rows, columns, count, across: inRow }, { tile, row, column }, down, across) {
  const [toRow, toColumn] = [row + down, column + across];
  if (toRow >= 0 && toRow < rows && toColumn >= 0 && toColumn < columns) return { tile, row: toRow, column: toColumn };
  const next = tile + across + down * inRow;
  if (next < 0 || next >= count) return { tile, row, column };
  return { tile: next, row: (toRow + rows) % rows, column: (toColumn + columns) % columns };
}

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
      context.drawImage(painted.source, slice * part, tile * painted.rows, part, painted.rows, left, y, cellWidth * each, tileHeight);
      context.strokeRect(left - 0.5, y - 0.5, cellWidth * each + 1, tileHeight + 1);
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
    const end = model.get("is_common") ? (limit ? limit.toPrecision(3) : "") : "largest";
    label(end && `+${end}`, top + 5);
    label("0", top + length / 2);
    label(end && `−${end}`, top + length - 5);
    context.fillText(model.get("is_common") ? "for all" : "of each", left, top - LINE / 2 - 2);
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
    const combined = model.get("combined");
    const value = `${combined ? `${combined} ` : ""}${numberWords(pointed)}`;
    return `${placeWords(pointed)}:  ${value}   (${model.get("measure")} of ${number}: ${note})`;
  }

  function draw() {
    const [width, height] = [el.clientWidth, el.clientHeight - FOOT];
    const [count, rows, columns, parts] = model.get("shape");
    canvas.setAttribute("aria-label", model.get("alternative"));
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
