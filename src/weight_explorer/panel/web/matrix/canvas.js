// A matrix on a canvas. Row 0 is the top one, column 0 the left one. The numbers are in the browser already, so the pointer,
// the arrow keys and zooming need no kernel; where there are more numbers than cells, the kernel is asked for those that are in
// view.

import "./matrix.css";
import { contextOf, prepareCanvas, scheduleDrawing } from "../shared/canvas.js";
import { element } from "../shared/dom.js";
import { announceRequest } from "../shared/model.js";
import { clamp, shortest } from "../shared/numbers.js";
import { indexesAt, sideWords } from "./axes.js";
import { cellAt } from "./cells.js";
import { drawCells, drawPins, drawPointed, drawScale, drawSeparators } from "./drawing.js";
import { layOut } from "./frame.js";
import { drawEmptyCells, drawEvents, drawHeatScale, drawHeatTicks, drawMarkers, heatHint, heatWords } from "./heat_table.js";
import { hintThatFits } from "./hints.js";
import { drawAxisNames, drawBlockNames, drawTicks } from "./labels.js";
import { drawFrozen, drawSelected, drawSelecting } from "./overlays.js";
import { entriesAt, entriesOf, rectangleOf, rectangleWords, selectionMessage } from "./selection.js";
import { stateReader } from "./state.js";
import { moved, showing, whole, zoomed } from "./viewport.js";

/** @import { Model } from "../shared/model.js" */
/** @import { Cell, Rectangle } from "./cells.js" */
/** @import { Frame, Style } from "./frame.js" */
/** @import { State, Traits } from "./state.js" */

/** The pointer while its button is pressed: where that happened, the view at that time, whether the pointer has moved since,
 * and the entries where a selection begins.
 * @typedef {{x: number, y: number, view: Rectangle, isDragging: boolean, start: Rectangle | null}} Press */

const ZOOM = 1.5;
const DRAG = 4; // px that a pointer may move in a click
const FOOT = 24; // px
const HEAT_FOOT = 40; // px, for two lines
const END = 2 ** 31 - 1;
const FROZEN = ["", " · some frozen", " · frozen"];
const TRAITS = [
  "cells", "shape", "size", "top_left", "steps", "overview", "rows", "columns", "row_order", "column_order",
  "color_limit", "color_limit_text", "special_counts", "cell_value", "fixed_text", "key", "pins", "alt_text", "viewport",
  "palette", "selection",
  "frozen", "overview_frozen", "frozen_text", "selected", "overview_selected", "selected_text",
  "scale", "ticks", "fit_boundaries", "edits", "finding_markers", "chosen_column", "row_maxima",
];
const EVENTS = TRAITS.map((name) => `change:${name}`).join(" ");

/** A number in full; or one that was rounded by at most so much, with how far it may be from the true one.
 * @param {number} value @param {number} rounding */
function numberWords(value, rounding) {
  if (!rounding || !Number.isFinite(value)) return shortest(value);
  const error = rounding + Math.abs(value) * 5e-4; // four digits are written
  const unit = 10 ** Math.floor(Math.log10(error));
  return `about ${Number(value.toPrecision(4))} ± ${Number((Math.ceil(error / unit) * unit).toPrecision(1))}`;
}

/** Such as `units = 25 (forget gate 5), input_dim = 3:  0.25`, with what is said of the cell besides.
 * @param {State} state @param {Cell} cell */
function cellWords(state, cell) {
  const { rows, columns, order, fixed, frozenWords } = state;
  const [height, width] = cell.steps;
  const sides = [...sideWords(rows, cell.row, height), ...sideWords(columns, cell.column, width)];
  // In the order of the array's axes, so that they read as its index.
  const words = order.length === sides.length && !fixed ? order.map((_, axis) => sides[order.indexOf(axis)]) : sides;
  const which = height * width > 1 ? ` (${state.shows === "mean" ? "mean" : "farthest from zero"})` : "";
  const isAllFrozen = frozenWords && !state.layers[0].frozen.length;
  const place = [...words, ...(fixed ? [fixed] : [])].join(", ");
  return `${place}:  ${numberWords(cell.value, state.rounding)}${which}${FROZEN[isAllFrozen ? 2 : cell.frozen]}`;
}

/** @param {string} text @param {string} title */
const makeButton = (text, title) => element("button", { type: "button", textContent: text, title, "aria-label": title });

/** @param {HTMLElement} el */
function build(el) {
  // Not an image: it takes keys, and says the number under them.
  const canvas = element("canvas", {
    tabIndex: 0,
    role: "application",
    "aria-roledescription": "matrix, walked by the arrow keys",
  });
  const readout = element("div", { className: "we-matrix-readout" });
  const buttons = {
    zoomIn: makeButton("+", "zoom in (+)"),
    zoomOut: makeButton("−", "zoom out (-)"),
    all: makeButton("all", "show all (0)"),
    select: makeButton("select", "select cells by dragging (s); Shift + drag and Shift + arrows do too, Esc clears"),
  };
  const foot = element("div", { className: "we-matrix-foot" }, readout, ...Object.values(buttons));
  el.replaceChildren(canvas, foot);
  return { canvas, readout, buttons };
}

/** Draw a matrix in an element.
 * @param {{model: Model<Traits>, el: HTMLElement}} props
 * @returns {() => void} What takes it away. */
export function renderMatrix({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-matrix");
  el.dataset.lmSuppressShortcuts = "true";
  const { canvas, readout, buttons } = build(el);
  const read = stateReader(model);
  /** @type {Style} */
  const style = (name) => getComputedStyle(el).getPropertyValue(name).trim() || "gray";

  let state = read();
  /** Which matrix is shown, null for none yet. @type {string | null} */
  let shown = null;
  let view = whole([0, 0]);
  /** @type {Frame | null} */
  let frame = null;
  /** The entry under the pointer or the arrow keys. @type {{row: number, column: number} | null} */
  let pointed = null;
  let isMerged = false; // whether there are more cells than pixels, so that a pixel shows one of several
  let notice = ""; // the answer to a click, until the user does something else
  let isViewUnsent = false; // whether the user has changed the view since the kernel was last asked
  let isSelecting = false; // whether dragging selects
  /** The rectangle that is being selected, or that the kernel has not answered yet. @type {Rectangle | null} */
  let selecting = null;
  /** What the kernel is to be told of a selection, null for nothing selected, undefined where it knows.
   * @type {ReturnType<typeof selectionMessage> | null | undefined} */
  let unsent;
  /** The cell where a selection by the arrow keys began. @type {Rectangle | null} */
  let anchor = null;
  /** @type {Press | null} */
  let press = null;
  /** Where the pointer was when it had selected. @type {{x: number, y: number} | null} */
  let rest = null;

  const { drawSoon, stop: stopDrawing } = scheduleDrawing(el, draw);

  /** @param {"viewport" | "pin" | "selection"} name @param {unknown} value */
  function send(name, value) {
    model.set(name, JSON.stringify(value));
    model.save_changes();
  }

  /** Tell the kernel what is in view, once it has answered the last time: it has the finer numbers, and draws the figure. */
  function sendView() {
    if (!isViewUnsent || model.get("viewport") || !model.get("key")) return;
    isViewUnsent = false;
    // To the end of a table that grows, wherever that will be.
    const right = state.heat && Math.ceil(view.right) >= state.size[1] ? END : Math.ceil(view.right);
    const entries = [Math.floor(view.top), Math.ceil(view.bottom), Math.floor(view.left), right];
    if (entries.join() === model.get("visible").join()) return;
    send("viewport", [model.get("key"), entries]);
    const isFine = state.layers.length === 1 && state.rows.step * state.columns.step === 1;
    if (!isFine) announceRequest(el);
  }

  /** Tell the kernel what is selected, once it has answered the last time. */
  function sendSelection() {
    if (unsent === undefined || model.get("selection")) return;
    const message = unsent;
    unsent = undefined;
    send("selection", message);
    announceRequest(el);
  }

  /** @param {Rectangle | null} rectangle */
  function select(rectangle) {
    selecting = rectangle;
    if (selecting) unsent = selectionMessage(state, model.get("index_mapping"), selecting);
    sendSelection();
    drawSoon();
  }

  /** @param {Rectangle} next */
  function show(next) {
    notice = "";
    view = next;
    isViewUnsent = true;
    drawSoon();
  }

  /** @param {string} text */
  function say(text) {
    notice = text;
    drawSoon();
  }

  const pointedCell = () => pointed && cellAt(state.layers, pointed.row, pointed.column);
  const selectionWords = () => (selecting ? rectangleWords(selecting) : state.selectedWords);
  const hasWeight = () => Boolean(model.get("index_mapping").weight);

  /** @param {Cell | null} cell */
  function readoutWords(cell) {
    if (notice) return notice;
    const selected = selectionWords();
    if (!cell) {
      if (selected) return `Selected: ${selected}. Esc clears.`;
      if (state.heat) return heatHint(state.heat, isMerged);
      return hintThatFits(contextOf(canvas), readout.clientWidth, state.shows, isMerged, hasWeight());
    }
    if (state.heat) return heatWords(state, state.heat, cell);
    if (!selected) return cellWords(state, cell);
    return selecting || anchor ? `selected: ${selected}` : `${cellWords(state, cell)} · selected: ${selected}`;
  }

  /** A table that has grown is the same one: the view stays, and is moved to its end where it reached that.
   * @returns {boolean} Whether it is the same one. */
  function follow() {
    const [before, [rows, columns]] = [frame?.size ?? state.size, state.size];
    if (rows !== before[0] || columns < before[1]) return false;
    const [isWhole, reachesEnd] = [view.left === 0, Math.ceil(view.right) >= before[1]];
    if (reachesEnd) view = { ...view, right: columns, left: isWhole ? 0 : view.left + columns - before[1] };
    return true;
  }

  /** Start over with another matrix; with the view that the kernel remembers, where there is one. */
  function startOver() {
    const name = state.heat ? model.get("key") : `${model.get("key")} ${state.size.join()}`;
    if (name === shown && (!state.heat || follow())) return;
    shown = name;
    pointed = selecting = anchor = press = null;
    unsent = undefined;
    isViewUnsent = false;
    const [top, bottom, left, right] = model.get("visible");
    view = bottom > top && right > left ? { top, bottom, left, right } : whole(state.size);
  }

  function drawControls() {
    const [rows, columns] = state.size;
    const isWhole = view.bottom - view.top >= rows && view.right - view.left >= columns;
    buttons.zoomOut.disabled = buttons.all.disabled = isWhole;
    canvas.classList.toggle("we-matrix-part", !isWhole);
    canvas.classList.toggle("we-matrix-selects", isSelecting);
    buttons.select.hidden = !hasWeight();
    buttons.select.setAttribute("aria-pressed", String(isSelecting));
  }

  /** @param {CanvasRenderingContext2D} context @param {Frame} at @param {number} height @param {number} ratio */
  function drawAround(context, at, height, ratio) {
    if (state.heat) drawHeatTicks(context, at, state, state.heat, style);
    else {
      drawTicks(context, at, state, style);
      drawBlockNames(context, at, state, style);
    }
    drawAxisNames(context, at, state, style);
    if (state.heat) drawHeatScale(context, at, state, state.heat, height, style);
    else drawScale(context, at, state, height, ratio, style);
  }

  function draw() {
    state = read();
    const [width, height] = [el.clientWidth, el.clientHeight - (state.heat ? HEAT_FOOT : FOOT)];
    el.classList.toggle("we-matrix-heat", Boolean(state.heat));
    canvas.setAttribute("aria-label", model.get("alt_text"));
    if (width < 160 || height < 80 || !state.size[0] || !state.size[1]) return;
    startOver();

    if (selecting && unsent === undefined && !model.get("selection") && !press?.start) selecting = null; // the kernel knows
    const [context, ratio] = prepareCanvas(canvas, width, height, getComputedStyle(el).fontFamily);
    const at = layOut(context, state, view, width, height);
    frame = at;
    if (at.right <= at.left || at.bottom <= at.top) return;
    if (state.heat) drawEmptyCells(context, at, style, ratio);
    isMerged = drawCells(context, at, state, ratio, style);
    drawFrozen(context, at, state, ratio);
    drawSeparators(context, at, state, style);
    drawAround(context, at, height, ratio);
    if (selecting) drawSelecting(context, at, selecting, style);
    else drawSelected(context, at, state, ratio, style);
    drawPins(context, at, state, style);
    if (state.heat) {
      drawEvents(context, at, state.heat, style);
      drawMarkers(context, at, state.heat, style);
    }
    const cell = pointedCell();
    if (cell) drawPointed(context, at, cell, style);
    drawControls(); // the readout has the room that they leave
    readout.textContent = readoutWords(cell);
    sendView();
    sendSelection();
  }

  /** The entry at a point of the canvas, null outside the cells.
   * @param {number} x @param {number} y */
  function entryAt(x, y) {
    if (!frame || x < frame.left || y < frame.top || x >= frame.right || y >= frame.bottom) return null;
    const [down, across] = [(y - frame.top) / frame.scaleY, (x - frame.left) / frame.scaleX];
    return { row: Math.floor(view.top + down), column: Math.floor(view.left + across) };
  }

  /** @param {number} factor */
  function zoom(factor, entry = pointed) {
    if (!frame) return;
    const middle = { row: (view.top + view.bottom) / 2, column: (view.left + view.right) / 2 };
    const { row, column } = entry ? { row: entry.row + 0.5, column: entry.column + 0.5 } : middle;
    show(zoomed(view, state.size, frame, factor, row, column));
  }

  /** Go to the weight of a row of a heat table.
   * @param {Cell} cell @param {string[]} weights */
  function goToWeight(cell, weights) {
    if (cell.steps[0] > 1) {
      say("This cell stands for several weights: zoom in until it is one.");
      return;
    }
    model.set("requested", weights[cell.row]);
    model.save_changes();
    announceRequest(el, { weight: weights[cell.row] });
  }

  /** Pin the element that is pointed at, or take its pin away; in a heat table go to its weight. */
  function act() {
    const cell = pointedCell();
    if (!cell) return;
    if (state.heat) {
      goToWeight(cell, state.heat.weights);
      return;
    }
    const { weight, base, axes } = model.get("index_mapping");
    if (!weight) return;
    if (cell.steps[0] * cell.steps[1] > 1) {
      say("This cell stands for several elements: zoom in until it is one, then pin that.");
      return;
    }
    const indexes = [
      ...(state.rows.axes[0].name ? indexesAt(state.rows, cell.row) : []),
      ...(state.columns.axes[0].name ? indexesAt(state.columns, cell.column) : []),
    ];
    const index = [...base];
    axes.forEach((axis, i) => { index[axis] += indexes[i]; });
    send("pin", [weight, index]);
    announceRequest(el);
  }

  /** The rectangle from where the pointer was pressed to where it is.
   * @param {PointerEvent} event @param {Rectangle} start */
  function rectangleTo({ offsetX, offsetY }, start) {
    return frame && rectangleOf(state.layers, state.size, start, entriesAt(frame, offsetX, offsetY));
  }

  canvas.addEventListener("pointerdown", (event) => {
    const { offsetX: x, offsetY: y } = event;
    if (event.button || !frame || !entryAt(x, y)) return;
    const start = (isSelecting || event.shiftKey) && hasWeight() ? entriesAt(frame, x, y) : null;
    press = { x, y, view, isDragging: false, start };
    canvas.setPointerCapture(event.pointerId);
  }, { signal });

  canvas.addEventListener("pointermove", (event) => {
    readout.setAttribute("aria-live", "off");
    if (press && frame) {
      const [x, y] = [event.offsetX - press.x, event.offsetY - press.y];
      press.isDragging ||= Math.hypot(x, y) > DRAG;
      if (press.start) selecting = rectangleTo(event, press.start);
      else if (press.isDragging) {
        show(moved(press.view, state.size, -y / frame.scaleY, -x / frame.scaleX));
        return;
      }
    }
    if (rest && Math.hypot(event.offsetX - rest.x, event.offsetY - rest.y) <= DRAG) return;
    rest = null;
    notice = "";
    pointed = entryAt(event.offsetX, event.offsetY);
    drawSoon();
  }, { signal });

  canvas.addEventListener("pointerup", (event) => {
    const isClick = press && !press.isDragging && !press.start;
    const rectangle = press?.start ? rectangleTo(event, press.start) : null;
    press = anchor = null;
    if (rectangle) {
      pointed = null; // so that the selection is read, until the pointer moves
      rest = { x: event.offsetX, y: event.offsetY };
      select(rectangle);
    }
    if (!isClick) return;
    pointed = entryAt(event.offsetX, event.offsetY);
    act();
  }, { signal });

  canvas.addEventListener("pointercancel", () => {
    press = selecting = null;
    drawSoon();
  }, { signal });
  canvas.addEventListener("pointerleave", () => {
    pointed = null;
    drawSoon();
  }, { signal });
  canvas.addEventListener("dblclick", () => { if (!isSelecting) show(whole(state.size)); }, { signal });
  // Without Ctrl or Cmd the wheel scrolls the page, also where a matrix is under the pointer.
  canvas.addEventListener("wheel", (event) => {
    const entry = entryAt(event.offsetX, event.offsetY);
    if (!entry || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    zoom(Math.exp(clamp(-event.deltaY, -100, 100) / 250), entry);
  }, { signal, passive: false });

  /** Move from cell to cell.
   * @param {number} down @param {number} across */
  function walk(down, across) {
    notice = "";
    const cell = pointedCell();
    const [rows, columns] = state.size;
    if (!cell) pointed = { row: Math.floor(view.top), column: Math.floor(view.left) };
    else {
      pointed = {
        row: clamp(cell.row + down * cell.steps[0], 0, rows - 1),
        column: clamp(cell.column + across * cell.steps[1], 0, columns - 1),
      };
    }
    const reached = pointedCell();
    const next = reached ? showing(view, state.size, reached) : view;
    if (next.top !== view.top || next.left !== view.left) show(next);
    else drawSoon();
  }

  /** Move, and with Shift select everything from where that began.
   * @param {number} down @param {number} across @param {boolean} hasShift */
  function step(down, across, hasShift) {
    if (!hasShift || !hasWeight()) {
      anchor = null;
      walk(down, across);
      return;
    }
    if (!pointedCell()) walk(0, 0);
    const from = pointedCell();
    if (!from) return;
    anchor ??= entriesOf(from);
    walk(down, across);
    select(rectangleOf(state.layers, state.size, anchor, entriesOf(pointedCell() ?? from)));
  }

  function toggleSelecting() {
    isSelecting = !isSelecting;
    drawSoon();
  }

  /** Select nothing; where nothing is selected, stop selecting. */
  function clear() {
    anchor = null;
    if (selectionWords()) {
      selecting = null;
      unsent = null;
    } else isSelecting = false;
    drawSoon();
  }

  /** @type {Record<string, (event: KeyboardEvent) => void>} */
  const KEYS = {
    ArrowLeft: ({ shiftKey }) => step(0, -1, shiftKey),
    ArrowRight: ({ shiftKey }) => step(0, 1, shiftKey),
    ArrowUp: ({ shiftKey }) => step(-1, 0, shiftKey),
    ArrowDown: ({ shiftKey }) => step(1, 0, shiftKey),
    Enter: act,
    Escape: clear,
    s: toggleSelecting,
    "+": () => zoom(ZOOM),
    "=": () => zoom(ZOOM),
    "-": () => zoom(1 / ZOOM),
    0: () => show(whole(state.size)),
  };
  el.addEventListener("keydown", (event) => event.stopPropagation(), { signal });
  canvas.addEventListener("keydown", (event) => {
    const run = KEYS[event.key];
    if (!run || event.ctrlKey || event.metaKey || event.altKey || !frame) return;
    event.preventDefault();
    readout.setAttribute("aria-live", "polite"); // screen readers follow the keys, and not a mouse that passes
    run(event);
  }, { signal });
  buttons.zoomIn.addEventListener("click", () => zoom(ZOOM, null), { signal });
  buttons.zoomOut.addEventListener("click", () => zoom(1 / ZOOM, null), { signal });
  buttons.all.addEventListener("click", () => show(whole(state.size)), { signal });
  buttons.select.addEventListener("click", toggleSelecting, { signal });

  model.on(EVENTS, drawSoon);
  readout.textContent = readoutWords(null);
  drawSoon();
  return () => {
    controller.abort();
    stopDrawing();
    model.off(EVENTS, drawSoon);
  };
}
