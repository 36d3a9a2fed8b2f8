// A matrix on a canvas. Row 0 is the top one, column 0 the left one. The numbers are in the browser already, so the pointer, the
// arrow keys and zooming need no kernel; where there are more numbers than cells, the kernel is asked for those that are looked at.

const NEAREST = 64; // px, as large as a cell can be made
const ZOOM = 1.5;
const DRAG = 4; // px a pointer may tremble in a click
const FOOT = 24; // px
const HEAT_FOOT = 40; // px, for two lines
const END = 2 ** 31 - 1;
const FROZEN = ["", " · some frozen", " · frozen"];

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const whole = ([rows, columns]) => ({ top: 0, bottom: rows, left: 0, right: columns });

/** What the kernel sent, in the types that drawing needs; what did not change is not made again. */
function reader(model) {
  const made = new Map();
  const array = (Type, name) => {
    const view = model.get(name);
    if (made.get(name)?.view !== view) made.set(name, { view, array: typed(Type, view) });
    return made.get(name).array;
  };
  const order = (name) => (array(Int32Array, name).length ? array(Int32Array, name) : null);
  const heat = () => ({
    shades: model.get("shades"), ticks: model.get("ticks"), seams: model.get("seams"), edits: model.get("edits"),
    troubles: model.get("troubles"), chosen: model.get("chosen"), weights: model.get("weights"), tops: array(Float32Array, "tops"),
  });
  return () => {
    const [down, across] = model.get("steps");
    const cells = {
      cells: array(Float32Array, "cells"), shape: model.get("shape"), origin: model.get("origin"), steps: [down, across],
      frozen: array(Uint8Array, "frozen"), selected: array(Uint8Array, "selected"),
    };
    const overview = {
      cells: array(Float32Array, "overview"), shape: model.get("overview_shape"), origin: [0, 0], steps: model.get("overview_steps"),
      frozen: array(Uint8Array, "overview_frozen"), selected: array(Uint8Array, "overview_selected"),
    };
    const [shades, limit] = [model.get("shades"), model.get("limit")];
    return {
      heat: shades ? heat() : null,
      span: shades ? { low: shades.low, high: shades.high, open: true } : { low: -limit, high: limit, open: false },
      layers: overview.cells.length ? [cells, overview] : [cells],
      size: model.get("size"),
      rows: { axes: model.get("rows"), order: order("row_order"), step: down },
      columns: { axes: model.get("columns"), order: order("column_order"), step: across },
      order: model.get("order"),
      limit,
      limitWords: model.get("limit_words"),
      counts: model.get("counts"),
      palette: array(Uint8Array, "palette"),
      special: model.get("special"),
      shows: model.get("shows"),
      fixed: model.get("fixed"),
      pins: model.get("pins"),
      frozenWords: model.get("frozen_words"),
      selectedWords: model.get("selected_words"),
      rounding: model.get("rounding"),
    };
  };
}

/** The view after zooming by a factor about an entry, within what there is and not beyond cells of `NEAREST` pixels. */
function zoomed(view, [rows, columns], frame, factor, row, column) {
  const [height, width] = [view.bottom - view.top, view.right - view.left];
  const [least, narrowest] = [(frame.bottom - frame.top) / NEAREST, (frame.right - frame.left) / NEAREST];
  let [down, across] = [clamp(height / factor, Math.min(rows, least), rows), clamp(width / factor, Math.min(columns, narrowest), columns)];
  if (frame.square) across = (down / rows) * columns;
  const top = clamp(row - ((row - view.top) * down) / height, 0, rows - down);
  const left = clamp(column - ((column - view.left) * across) / width, 0, columns - across);
  return { top, bottom: top + down, left, right: left + across };
}

function moved({ top, bottom, left, right }, [rows, columns], down, across) {
  const [y, x] = [clamp(down, -top, rows - bottom), clamp(across, -left, columns - right)];
  return { top: top + y, bottom: bottom + y, left: left + x, right: right + x };
}

/** The view moved just so far that a cell is in it. */
function showing(view, size, cell) {
  const off = (first, last, from, to) => (first < from ? first - from : last > to ? last - to : 0);
  const down = off(cell.row, cell.row + cell.steps[0], view.top, view.bottom);
  return moved(view, size, down, off(cell.column, cell.column + cell.steps[1], view.left, view.right));
}

function parts(el) {
  const made = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const canvas = made("canvas", { tabIndex: 0 });
  // Not an image: it takes keys, and says the number under them.
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-roledescription", "matrix, walked by the arrow keys");
  const button = (text, title) => {
    const one = made("button", { type: "button", textContent: text, title });
    one.setAttribute("aria-label", title);
    return one;
  };
  const buttons = {
    nearer: button("+", "zoom in (+)"),
    farther: button("−", "zoom out (-)"),
    all: button("all", "show all (0)"),
    select: button("select", "select cells by dragging (s); Shift + drag and Shift + arrows do too, Esc clears"),
  };
  const readout = made("div", { className: "we-matrix-readout" });
  el.replaceChildren(canvas, made("div", { className: "we-matrix-foot" }, readout, ...Object.values(buttons)));
  return { canvas, readout, buttons };
}

function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-matrix");
  el.dataset.lmSuppressShortcuts = "true";
  const { canvas, readout, buttons } = parts(el);
  const read = reader(model);
  const style = (name) => getComputedStyle(el).getPropertyValue(name).trim() || "gray";

  let state = read();
  let shown = ""; // the matrix that is looked at, to tell when it is another
  let view = null; // what of it
  let frame = null; // where that lies on the canvas
  let pointed = null; // the entry under the pointer or the arrow keys
  let merged = false; // whether there are more cells than pixels, so that a pixel shows one of several
  let notice = ""; // what is to be said of a click until the user goes on
  let unasked = false; // whether the user has looked elsewhere since the kernel was last asked
  let selects = false; // whether dragging selects
  let brush = null; // the rectangle that is being drawn, or that the kernel has not answered yet
  let unsent; // what the kernel is to be told of it, null for nothing selected
  let anchor = null; // the cell that the arrow keys began to select at

  function ask(name, value, { waits }) {
    model.set(name, name === "asked" ? value : JSON.stringify(value));
    model.save_changes();
    const detail = name === "asked" ? { weight: value } : null;
    if (waits) el.dispatchEvent(new CustomEvent("we-asked", { bubbles: true, detail }));
  }

  /** Tell the kernel what is looked at, once it has answered the last time: it has the finer numbers, and draws the figure. */
  function askForWindow() {
    if (!unasked || model.get("window") || !model.get("key")) return;
    unasked = false;
    // To the end of a table that grows, wherever that will be.
    const right = state.heat && Math.ceil(view.right) >= state.size[1] ? END : Math.ceil(view.right);
    const window = [Math.floor(view.top), Math.ceil(view.bottom), Math.floor(view.left), right];
    const fine = state.layers.length === 1 && state.rows.step * state.columns.step === 1;
    if (window.join() !== model.get("seen").join()) ask("window", [model.get("key"), window], { waits: !fine });
  }

  /** Tell the kernel what is selected, once it has answered the last time. */
  function askForBrush() {
    if (unsent === undefined || model.get("brush")) return;
    const message = unsent;
    unsent = undefined;
    ask("brush", message, { waits: true });
  }

  function select(rectangle) {
    brush = rectangle;
    if (brush) unsent = brushMessage(state, model.get("place"), brush);
    askForBrush();
    drawSoon();
  }

  function look(next) {
    notice = "";
    view = next;
    unasked = true;
    drawSoon();
  }

  const cell = () => pointed && cellAt(state.layers, pointed.row, pointed.column);

  function drawReadout(found) {
    if (notice) {
      readout.textContent = notice;
      return;
    }
    if (!found && selectionWords()) {
      readout.textContent = `Selected: ${selectionWords()}. Esc clears.`;
      return;
    }
    if (!found) {
      readout.textContent = state.heat
        ? heatHint(state, merged)
        : hintThatFits(canvas.getContext("2d"), readout.clientWidth, state, merged, Boolean(model.get("place").weight));
      return;
    }
    if (state.heat) {
      readout.textContent = heatWords(state, found);
      return;
    }
    const sides = [
      ...sideWords(state.rows, found.row, found.steps[0]),
      ...sideWords(state.columns, found.column, found.steps[1]),
    ];
    const { order } = state;
    // In the order of the array's axes, so that they read as its index.
    const words = order.length === sides.length && !state.fixed ? order.map((_, axis) => sides[order.indexOf(axis)]) : sides;
    const several = found.steps[0] * found.steps[1] > 1;
    const which = several ? ` (${state.shows === "mean" ? "mean" : "farthest from zero"})` : "";
    const frozen = FROZEN[state.frozenWords && !state.layers[0].frozen?.length ? 2 : found.frozen];
    const selected = selectionWords() ? ` · selected: ${selectionWords()}` : "";
    const place = [...words, ...(state.fixed ? [state.fixed] : [])].join(", ");
    readout.textContent = (brush || anchor) && selected ? selected.slice(3) : `${place}:  ${numberWords(found.value, state.rounding)}${which}${frozen}${selected}`;
  }

  const selectionWords = () => (brush ? rectangleWords(brush) : state.selectedWords);

  /** A table that has grown is the same one: what was looked at stays, and goes on to its end where it reached that. */
  function grow() {
    const [before, [rows, columns]] = [frame?.size ?? state.size, state.size];
    if (rows !== before[0] || columns < before[1]) return false;
    const [isWhole, reachesEnd] = [view.left === 0, Math.ceil(view.right) >= before[1]];
    if (reachesEnd) view = { ...view, right: columns, left: isWhole ? 0 : view.left + columns - before[1] };
    return true;
  }

  /** Start over with another matrix; where the kernel remembers what was looked at, with that. */
  function meet() {
    const name = state.heat ? model.get("key") : `${model.get("key")} ${state.size.join()}`;
    if (name === shown && view && (!state.heat || grow())) return;
    shown = name;
    pointed = brush = anchor = grip = null;
    unsent = undefined;
    unasked = false;
    const [top, bottom, left, right] = model.get("seen");
    view = bottom > top && right > left ? { top, bottom, left, right } : whole(state.size);
  }

  function prepare(width, height) {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.font = `12px ${getComputedStyle(el).fontFamily}`;
    return [context, ratio];
  }

  function showControls() {
    const [rows, columns] = state.size;
    const isWhole = view.bottom - view.top >= rows && view.right - view.left >= columns;
    buttons.farther.disabled = buttons.all.disabled = isWhole;
    canvas.classList.toggle("we-matrix-part", !isWhole);
    canvas.classList.toggle("we-matrix-selects", selects);
    buttons.select.hidden = !model.get("place").weight;
    buttons.select.setAttribute("aria-pressed", selects);
  }

  function draw() {
    state = read();
    const [width, height] = [el.clientWidth, el.clientHeight - (state.heat ? HEAT_FOOT : FOOT)];
    el.classList.toggle("we-matrix-heat", Boolean(state.heat));
    canvas.setAttribute("aria-label", model.get("alternative"));
    if (width < 160 || height < 80 || !state.size[0] || !state.size[1]) return;
    meet();
    if (brush && unsent === undefined && !model.get("brush") && !grip?.spot) brush = null; // the kernel has it now
    const [context, ratio] = prepare(width, height);
    frame = { ...layOut(context, state, view, width, height), size: state.size };
    if (frame.right <= frame.left || frame.bottom <= frame.top) return;
    merged = drawCells(context, frame, state, ratio, style);
    drawFrozen(context, frame, state, ratio);
    drawSeparators(context, frame, state, style);
    drawTicks(context, frame, state, style);
    drawBlockNames(context, frame, state, style);
    drawAxisNames(context, frame, state, style);
    drawBar(context, frame, state, height, ratio, style);
    if (brush) drawBrush(context, frame, brush, style);
    else drawSelected(context, frame, state, ratio, style);
    drawPins(context, frame, state, style);
    if (state.heat) {
      drawMoments(context, frame, state, style);
      drawTroubles(context, frame, state, style);
    }
    const found = cell();
    if (found) drawPointed(context, frame, found, style);
    showControls(); // which leave the readout its room
    drawReadout(found);
    askForWindow();
    askForBrush();
  }

  let due = 0;
  const drawSoon = () => {
    cancelAnimationFrame(due);
    due = requestAnimationFrame(draw);
  };

  /** The entry at a place on the canvas, null outside the cells. */
  function entryAt(x, y) {
    if (!frame || x < frame.left || y < frame.top || x >= frame.right || y >= frame.bottom) return null;
    return { row: Math.floor(view.top + (y - frame.top) / frame.scaleY), column: Math.floor(view.left + (x - frame.left) / frame.scaleX) };
  }

  function zoom(factor, entry = pointed) {
    if (!frame) return;
    const at = entry ?? { row: (view.top + view.bottom) / 2, column: (view.left + view.right) / 2 };
    look(zoomed(view, state.size, frame, factor, at.row + (entry ? 0.5 : 0), at.column + (entry ? 0.5 : 0)));
  }

  /** Go to the weight of a row. */
  function go(found) {
    if (found.steps[0] === 1) return ask("asked", state.heat.weights[found.row], { waits: true });
    notice = "This cell stands for several weights: zoom in until it is one.";
    return drawSoon();
  }

  function togglePin() {
    const found = cell();
    if (!found) return;
    if (state.heat) {
      go(found);
      return;
    }
    const { weight, base, axes } = model.get("place");
    if (!weight) return;
    if (found.steps[0] * found.steps[1] > 1) {
      notice = "This cell stands for several elements: zoom in until it is one, then pin that.";
      return drawSoon();
    }
    const sides = [[state.rows, found.row], [state.columns, found.column]];
    const indexes = sides.flatMap(([side, place]) => (side.axes[0].name ? indexesAt(side, place) : []));
    const index = [...base];
    axes.forEach((axis, i) => { index[axis] += indexes[i]; });
    ask("pin", [weight, index], { waits: true });
  }

  let grip = null; // where the pointer went down, what was looked at then, and where it selects, the entries there
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || !entryAt(event.offsetX, event.offsetY)) return;
    const spot = (selects || event.shiftKey) && model.get("place").weight ? spotAt(frame, event.offsetX, event.offsetY) : null;
    grip = { x: event.offsetX, y: event.offsetY, view, drags: false, spot };
    canvas.setPointerCapture(event.pointerId);
  }, { signal });
  canvas.addEventListener("pointermove", (event) => {
    readout.setAttribute("aria-live", "off");
    if (grip) {
      const [x, y] = [event.offsetX - grip.x, event.offsetY - grip.y];
      grip.drags ||= Math.hypot(x, y) > DRAG;
      if (grip.spot) brush = drawn(event);
      else if (grip.drags) return look(moved(grip.view, state.size, -y / frame.scaleY, -x / frame.scaleX));
    }
    if (rest && Math.hypot(event.offsetX - rest.x, event.offsetY - rest.y) <= DRAG) return;
    rest = null;
    notice = "";
    pointed = entryAt(event.offsetX, event.offsetY);
    drawSoon();
  }, { signal });
  let rest = null; // where the pointer stood when it had selected
  /** The rectangle from where the pointer went down to where it is. */
  const drawn = (event) => rectangleOf(state.layers, state.size, grip.spot, spotAt(frame, event.offsetX, event.offsetY));
  canvas.addEventListener("pointerup", (event) => {
    const isClick = grip && !grip.drags && !grip.spot;
    const rectangle = grip?.spot ? drawn(event) : null;
    grip = anchor = null;
    if (rectangle) {
      pointed = null; // so that one reads what is selected, until the pointer goes on
      rest = { x: event.offsetX, y: event.offsetY };
      select(rectangle);
    }
    if (!isClick) return;
    pointed = entryAt(event.offsetX, event.offsetY);
    togglePin();
  }, { signal });
  canvas.addEventListener("pointercancel", () => {
    grip = brush = null;
    drawSoon();
  }, { signal });
  canvas.addEventListener("pointerleave", () => {
    pointed = null;
    drawSoon();
  }, { signal });
  canvas.addEventListener("dblclick", () => { if (!selects) look(whole(state.size)); }, { signal });
  // Without Ctrl or Cmd the wheel scrolls the page, also where a matrix lies in the way.
  canvas.addEventListener("wheel", (event) => {
    const entry = entryAt(event.offsetX, event.offsetY);
    if (!entry || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    zoom(Math.exp(clamp(-event.deltaY, -100, 100) / 250), entry);
  }, { signal, passive: false });

  function walk(down, across) {
    notice = "";
    const found = cell();
    const [rows, columns] = state.size;
    if (!found) pointed = { row: Math.floor(view.top), column: Math.floor(view.left) };
    else {
      const [height, width] = found.steps;
      pointed = {
        row: clamp(found.row + down * height, 0, rows - 1),
        column: clamp(found.column + across * width, 0, columns - 1),
      };
    }
    const next = showing(view, state.size, cell());
    if (next.top !== view.top || next.left !== view.left) look(next);
    else drawSoon();
  }

  /** Walk, and with Shift select all from where that began. */
  function step(down, across, isSelecting) {
    if (!isSelecting || !model.get("place").weight) {
      anchor = null;
      return walk(down, across);
    }
    const spot = ({ row, column, steps }) => ({ top: row, bottom: row + steps[0], left: column, right: column + steps[1] });
    if (!cell()) walk(0, 0);
    anchor ??= spot(cell());
    walk(down, across);
    select(rectangleOf(state.layers, state.size, anchor, spot(cell())));
  }

  function toggleSelecting() {
    selects = !selects;
    drawSoon();
  }

  /** Select nothing, or else stop to select. */
  function clear() {
    anchor = null;
    if (selectionWords()) {
      brush = null;
      unsent = null;
    } else selects = false;
    drawSoon();
  }

  const KEYS = {
    ArrowLeft: ({ shiftKey }) => step(0, -1, shiftKey),
    ArrowRight: ({ shiftKey }) => step(0, 1, shiftKey),
    ArrowUp: ({ shiftKey }) => step(-1, 0, shiftKey),
    ArrowDown: ({ shiftKey }) => step(1, 0, shiftKey),
    Enter: togglePin,
    Escape: clear,
    s: toggleSelecting,
    "+": () => zoom(ZOOM),
    "=": () => zoom(ZOOM),
    "-": () => zoom(1 / ZOOM),
    0: () => look(whole(state.size)),
  };
  el.addEventListener("keydown", (event) => event.stopPropagation(), { signal });
  canvas.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || !frame) return;
    event.preventDefault();
    readout.setAttribute("aria-live", "polite"); // read out where the user walks by keys, not where a mouse passes
    act(event);
  }, { signal });
  buttons.nearer.addEventListener("click", () => zoom(ZOOM, null), { signal });
  buttons.farther.addEventListener("click", () => zoom(1 / ZOOM, null), { signal });
  buttons.all.addEventListener("click", () => look(whole(state.size)), { signal });
  buttons.select.addEventListener("click", toggleSelecting, { signal });

  const resized = new ResizeObserver(drawSoon);
  resized.observe(el);
  // JupyterLab changes its theme by attributes and variables of the body.
  const themed = new MutationObserver(drawSoon);
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name", "data-jp-theme-light", "class"] });
  const CHANGES = ["cells", "shape", "size", "origin", "steps", "overview", "rows", "columns", "row_order", "column_order", "limit",
    "limit_words", "counts", "shows", "fixed", "key", "pins", "alternative", "window", "palette", "shades", "ticks", "seams", "edits",
    "troubles", "chosen", "tops", "frozen", "overview_frozen", "frozen_words", "selected", "overview_selected", "selected_words",
    "brush"].map((name) => `change:${name}`).join(" ");
  model.on(CHANGES, drawSoon);
  drawReadout(null);
  drawSoon();
  return () => {
    controller.abort();
    resized.disconnect();
    themed.disconnect();
    cancelAnimationFrame(due);
    model.off(CHANGES, drawSoon);
  };
}
