// A matrix on a canvas. Row 0 is the top one, column 0 the left one. The numbers are in the browser already, so the pointer and
// the arrow keys read them without the kernel.

const LARGEST_CELL = 32; // px
const LONE_ROW = 64; // px, for a weight that is a single row, such as a bias
const TICK_ROOM = { x: 36, y: 16, turned: 14 }; // px between labels, at least
const LABEL_ROOM = { left: 120, top: 84 }; // px, at most
const BAR = { width: 12, gap: 16, room: 96 };
const NEUTRAL = 127.5;

/** A block is its name, its first entry, the entry after its last, and a short name.
 * @typedef {{name: string, size: number, blocks: [string, number, number, string][], split: boolean, labels: string[], last: string[]}} Axis */

/** The shortest decimal that is this float32 and no other. */
function shortest(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "Inf" : "-Inf";
  for (let digits = 6; digits < 9; digits += 1) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return String(Number(text));
  }
  return String(Number(value.toPrecision(9)));
}

/** Indexes along each axis of one side. @param {number} index @param {Axis[]} axes */
function unravel(index, axes) {
  const indexes = [];
  for (const axis of [...axes].reverse()) {
    indexes.unshift(index % axis.size);
    index = Math.floor(index / axis.size);
  }
  return indexes;
}

/** Such as `units = 25 (forget gate 5)` or `input_dim = 3 "the"`. */
function axisWords(axis, index) {
  const block = axis.blocks.find(([, start, stop]) => index >= start && index < stop);
  const within = block && block[2] - block[1] > 1 ? ` (${block[0]} ${index - block[1]})` : block ? ` (${block[0]})` : "";
  return `${axis.name} = ${index}${within}${axis.labels.length ? ` "${axis.labels[index]}"` : ""}`;
}

const sizeOf = (axes) => axes.reduce((product, axis) => product * axis.size, 1);

/** Blocks of a side's outermost axis, counted in entries of the whole side. */
function blocksOf(axes) {
  const inner = sizeOf(axes.slice(1));
  return axes[0].blocks.map(([name, start, stop, short]) => [name, start * inner, stop * inner, short]);
}

/** Whether a side's blocks are its entries, as with heads, so that their names stand in for numbers. */
const blocksAreEntries = (axes) => axes[0].blocks.length > 0 && !axes[0].split;

/** The text, cut to the room there is. */
function clipped(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let length = text.length;
  while (length && context.measureText(`${text.slice(0, length)}…`).width > room) length -= 1;
  return `${text.slice(0, length)}…`;
}

const widest = (context, texts) => texts.reduce((width, text) => Math.max(width, context.measureText(text).width), 0);

/** The side's entries from `first` on, of which one cell shows `step`. */
function sideWords(axes, cell, step) {
  const first = cell * step;
  const last = Math.min(first + step, sizeOf(axes)) - 1;
  if (!axes[0].name) return [];
  if (step === 1) return unravel(first, axes).map((index, i) => axisWords(axes[i], index));
  const labels = axes[0].labels.length ? ` ("${axes[0].labels[cell]}" to "${axes[0].last[cell]}")` : "";
  return [`${axes.map((axis) => axis.name).join(" x ")} ${first} to ${last}${labels}`];
}

/** Of two numbers the one that must not be missed: NaN before all, then the one farther from zero. */
function louder(a, b) {
  if (Number.isNaN(a)) return a;
  return Number.isNaN(b) || Math.abs(b) > Math.abs(a) ? b : a;
}

/** Cells as pixels, at most `width` x `height` of them; where there are more cells, each pixel keeps the loudest. */
function raster(cells, rows, columns, width, height) {
  if (columns <= width && rows <= height) return { pixels: cells, rows, columns };
  const [down, across] = [Math.min(rows, height), Math.min(columns, width)];
  const pixels = new Float32Array(down * across);
  const to = Int32Array.from({ length: columns }, (_, j) => Math.floor((j * across) / columns));
  for (let i = 0; i < rows; i += 1) {
    const line = Math.floor((i * down) / rows) * across;
    for (let j = 0; j < columns; j += 1) pixels[line + to[j]] = louder(pixels[line + to[j]], cells[i * columns + j]);
  }
  return { pixels, rows: down, columns: across };
}

function hexBytes(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

function colorize({ pixels, rows, columns }, limit, palette, [nan, infinite]) {
  const image = new ImageData(columns, rows);
  const scale = limit > 0 ? NEUTRAL / limit : 0;
  const words = new Uint32Array(image.data.buffer);
  const pack = (red, green, blue) => (255 << 24) | (blue << 16) | (green << 8) | red;
  const table = Uint32Array.from({ length: 256 }, (_, i) => pack(...palette.slice(3 * i, 3 * i + 3)));
  const [nanColor, infiniteColor] = [pack(...hexBytes(nan)), pack(...hexBytes(infinite))];
  for (let i = 0; i < pixels.length; i += 1) {
    const value = pixels[i];
    if (Number.isFinite(value)) words[i] = table[Math.round(NEUTRAL + value * scale)];
    else words[i] = Number.isNaN(value) ? nanColor : infiniteColor;
  }
  return image;
}

/** Every how many labels one is drawn, so that they do not overlap. */
function labelStep(pixelsEach, room) {
  return Math.max(1, Math.ceil(room / pixelsEach));
}

/** Round steps, so that labels stand at 0, 5, 10 and not at 0, 7, 14. */
function tickStep(pixelsEach, room) {
  const least = room / pixelsEach;
  for (let power = 1; ; power *= 10) for (const base of [1, 2, 5]) if (base * power >= least) return base * power;
}

function bytes(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function floats(view) {
  if (!view.byteLength) return new Float32Array();
  // A buffer from the wire need not start at a multiple of four.
  return new Float32Array(bytes(view).slice().buffer);
}

function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-matrix");
  el.dataset.lmSuppressShortcuts = "true";
  const canvas = document.createElement("canvas");
  // Not an image: it takes arrow keys, and says the number under them.
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-roledescription", "matrix, walked by the arrow keys");
  canvas.tabIndex = 0;
  const readout = document.createElement("div");
  readout.className = "we-matrix-readout";
  el.replaceChildren(canvas, readout);

  let cells = floats(model.get("cells"));
  let merged = false; // whether there are more cells than pixels, so that a pixel shows one of several
  let frame = null; // where the cells lie on the canvas
  let pointed = null; // the cell under the pointer or the arrow keys

  function layOut(context, width, height) {
    const [rows, columns] = model.get("shape");
    const [down, across] = [model.get("rows"), model.get("columns")];
    const [rowBlocks, columnBlocks] = [blocksOf(down), blocksOf(across)];
    const words = rowBlocks.length ? rowBlocks.map(([name]) => name) : down[0].labels;
    const numbers = context.measureText(String(sizeOf(down) - 1)).width;
    const left = Math.ceil(Math.min(Math.max(numbers, widest(context, words)), LABEL_ROOM.left)) + 28;
    let cellWidth = Math.min((width - left - BAR.gap - BAR.room) / columns, LARGEST_CELL);
    const labelWidth = widest(context, across[0].labels);
    const turned = labelWidth > cellWidth * sizeOf(across.slice(1)) - 6;
    const tickHeight = across[0].labels.length && turned ? Math.ceil(Math.min(labelWidth, LABEL_ROOM.top)) : 12;
    const top = 24 + tickHeight + (columnBlocks.length && !blocksAreEntries(across) ? 16 : 0);
    let cellHeight = Math.min((height - top - 4) / rows, rows === 1 ? LONE_ROW : LARGEST_CELL);
    if (down.length > 1 && across.length > 1) cellWidth = cellHeight = Math.min(cellWidth, cellHeight);
    return { left, top, cellWidth, cellHeight, rows, columns, down, across, rowBlocks, columnBlocks, turned, tickHeight,
      right: left + cellWidth * columns, bottom: top + cellHeight * rows };
  }

  function drawCells(context, ratio) {
    const { left, top, right, bottom, rows, columns } = frame;
    const [width, height] = [right - left, bottom - top];
    const picture = raster(cells, rows, columns, Math.floor(width * ratio), Math.floor(height * ratio));
    merged = picture.pixels !== cells;
    const image = colorize(picture, model.get("limit"), bytes(model.get("palette")), model.get("special"));
    const source = new OffscreenCanvas(picture.columns, picture.rows);
    source.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(source, left, top, width, height);
    context.strokeStyle = style("--we-line");
    context.lineWidth = 1;
    context.strokeRect(left - 0.5, top - 0.5, width + 1, height + 1);
  }

  const style = (name) => getComputedStyle(el).getPropertyValue(name).trim() || "gray";

  /** Lines between blocks, and between the windows of a convolution. */
  function drawSeparators(context) {
    const { left, top, right, bottom, cellWidth, cellHeight } = frame;
    const [rowStep, columnStep] = model.get("steps");
    const borders = (axes, blocks) => {
      if (blocks.length) return blocks.slice(1).map(([, start]) => start);
      if (axes.length < 2) return [];
      const inner = sizeOf(axes.slice(1));
      return Array.from({ length: axes[0].size - 1 }, (_, i) => (i + 1) * inner);
    };
    context.strokeStyle = style("--we-separator");
    context.beginPath();
    const apart = (list, pixels) => list.length < 2 || (list[1] - list[0]) * pixels > 4;
    const columnBorders = borders(frame.across, frame.columnBlocks);
    const rowBorders = borders(frame.down, frame.rowBlocks);
    if (apart(columnBorders, cellWidth / columnStep)) for (const border of columnBorders) {
      const x = Math.round(left + (border / columnStep) * cellWidth) + 0.5;
      context.moveTo(x, top);
      context.lineTo(x, bottom);
    }
    if (apart(rowBorders, cellHeight / rowStep)) for (const border of rowBorders) {
      const y = Math.round(top + (border / rowStep) * cellHeight) + 0.5;
      context.moveTo(left, y);
      context.lineTo(right, y);
    }
    context.stroke();
  }

  /** Names or numbers of the outermost axis, beside what they count. */
  function drawTicks(context) {
    const { across, down } = frame;
    context.fillStyle = style("--we-quiet");
    context.textBaseline = "middle";
    if (across[0].name && !blocksAreEntries(across)) drawColumnTicks(context);
    if (down[0].name && !frame.rowBlocks.length) drawRowTicks(context);
  }

  function drawColumnTicks(context) {
    const { left, top, cellWidth, across, turned, tickHeight } = frame;
    const columnStep = model.get("steps")[1];
    const pixels = (cellWidth * sizeOf(across.slice(1))) / columnStep;
    const labels = across[0].labels;
    const isTurned = labels.length > 0 && turned;
    const step = labels.length ? labelStep(pixels * columnStep, isTurned ? TICK_ROOM.turned : 0) : tickStep(pixels, TICK_ROOM.x);
    const count = labels.length || across[0].size;
    for (let i = 0; i < count; i += step) {
      const x = left + (i + 0.5) * (labels.length ? pixels * columnStep : pixels);
      context.save();
      context.translate(x, top - (isTurned ? 4 : 9));
      if (isTurned) context.rotate(-Math.PI / 2);
      context.textAlign = isTurned ? "left" : "center";
      context.fillText(labels.length ? clipped(context, labels[i], isTurned ? tickHeight : pixels * columnStep) : String(i), 0, 0);
      context.restore();
    }
  }

  function drawRowTicks(context) {
    const { left, top, cellHeight, down } = frame;
    const rowStep = model.get("steps")[0];
    const pixels = (cellHeight * sizeOf(down.slice(1))) / rowStep;
    const labels = down[0].labels;
    const each = labels.length ? pixels * rowStep : pixels;
    const step = labels.length ? labelStep(each, TICK_ROOM.turned) : tickStep(pixels, TICK_ROOM.y);
    context.textAlign = "right";
    for (let i = 0; i < (labels.length || down[0].size); i += step)
      context.fillText(labels.length ? clipped(context, labels[i], LABEL_ROOM.left) : String(i), left - 6, top + (i + 0.5) * each);
  }

  function drawBlockNames(context) {
    const { left, top, cellWidth, cellHeight, across, columnBlocks, rowBlocks, tickHeight } = frame;
    const [rowStep, columnStep] = model.get("steps");
    context.fillStyle = style("--we-text");
    context.textAlign = "center";
    context.textBaseline = "middle";
    const firstWords = new Set(columnBlocks.map(([name]) => name.split(" ")[0]));
    const height = blocksAreEntries(across) ? 9 : tickHeight + 13;
    for (const [name, start, stop, short] of columnBlocks) {
      const room = ((stop - start) / columnStep) * cellWidth - 6;
      const words = firstWords.size === columnBlocks.length ? [name, name.split(" ")[0], short] : [name, short];
      const fitting = words.find((text) => context.measureText(text).width <= room);
      if (fitting) context.fillText(fitting, left + ((start + stop) / 2 / columnStep) * cellWidth, top - height);
    }
    context.textAlign = "right";
    for (const [name, start, stop, short] of rowBlocks) {
      if (((stop - start) / rowStep) * cellHeight < 12) continue;
      const words = context.measureText(name).width <= LABEL_ROOM.left ? name : short;
      context.fillText(words, left - 6, top + ((start + stop) / 2 / rowStep) * cellHeight);
    }
  }

  function drawAxisNames(context) {
    const { left, top, bottom, right, across, down } = frame;
    const words = (axes) => axes.map((axis) => axis.name).join(" x ");
    context.fillStyle = style("--we-quiet");
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    if (across[0].name) context.fillText(`${words(across)} →`, left, 12);
    context.save();
    context.translate(10, top);
    context.rotate(-Math.PI / 2);
    context.textAlign = "right";
    if (down[0].name) context.fillText(`← ${words(down)}`, 0, 0);
    context.restore();
  }

  function drawBar(context, height) {
    const limit = model.get("limit");
    const palette = bytes(model.get("palette"));
    const [left, top, length] = [frame.right + BAR.gap, frame.top, Math.min(120, height - frame.top - 44)];
    const gradient = context.createLinearGradient(0, top, 0, top + length);
    for (let i = 0; i < 256; i += 15) gradient.addColorStop(1 - i / 255, `rgb(${palette.slice(3 * i, 3 * i + 3).join()})`);
    context.fillStyle = gradient;
    context.fillRect(left, top, BAR.width, length);
    context.strokeStyle = style("--we-line");
    context.strokeRect(left - 0.5, top - 0.5, BAR.width + 1, length + 1);
    context.fillStyle = style("--we-quiet");
    context.textAlign = "left";
    context.textBaseline = "middle";
    const label = (text, y) => context.fillText(text, left + BAR.width + 6, y);
    label(limit ? `+${limit.toPrecision(3)}` : "", top + 5);
    label("0", top + length / 2);
    label(limit ? `-${limit.toPrecision(3)}` : "", top + length - 5);
    const [nan, infinite] = model.get("special");
    const marks = [
      ["NaN", nan, cells.some(Number.isNaN)],
      ["Inf", infinite, cells.some((value) => Math.abs(value) === Infinity)],
    ].filter(([, , present]) => present);
    marks.forEach(([name, color], i) => {
      const y = top + length + 14 + 18 * i;
      context.fillStyle = color;
      context.fillRect(left, y - 6, BAR.width, 12);
      context.fillStyle = style("--we-text");
      label(name, y);
    });
  }

  function drawPointed(context) {
    if (!pointed) return;
    const { left, top, cellWidth, cellHeight } = frame;
    const [x, y] = [left + pointed.column * cellWidth, top + pointed.row * cellHeight];
    context.strokeStyle = style("--we-text");
    context.lineWidth = 2;
    context.strokeRect(x, y, Math.max(cellWidth, 3), Math.max(cellHeight, 3));
  }

  function drawReadout() {
    const [rows, columns] = model.get("shape");
    if (!pointed || pointed.row >= rows || pointed.column >= columns) {
      pointed = null;
      readout.textContent = "Point at a cell, or walk with the arrow keys, to read its number."
        + (merged ? " More cells than pixels: a pixel shows the cell farthest from zero." : "");
      return;
    }
    const [rowStep, columnStep] = model.get("steps");
    const value = cells[pointed.row * columns + pointed.column];
    const sides = [
      ...sideWords(model.get("rows"), pointed.row, rowStep),
      ...sideWords(model.get("columns"), pointed.column, columnStep),
    ];
    const order = model.get("order");
    // In the order of the array's axes, so that they read as its index.
    const words = order.length === sides.length ? order.map((_, axis) => sides[order.indexOf(axis)]) : sides;
    readout.textContent = `${words.join(", ")}:  ${shortest(value)}${rowStep * columnStep > 1 ? " (farthest from zero)" : ""}`;
  }

  function draw() {
    const [width, height] = [el.clientWidth, el.clientHeight - 24];
    const [rows, columns] = model.get("shape");
    canvas.setAttribute("aria-label", model.get("alternative"));
    if (width < 160 || height < 80 || !rows || !columns) return;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.font = `12px ${getComputedStyle(el).fontFamily}`;
    frame = layOut(context, width, height);
    if (frame.cellWidth <= 0 || frame.cellHeight <= 0) return;
    drawCells(context, ratio);
    drawSeparators(context);
    drawTicks(context);
    drawBlockNames(context);
    drawAxisNames(context);
    drawBar(context, height);
    drawReadout();
    drawPointed(context);
  }

  let due = 0;
  const drawSoon = () => {
    cancelAnimationFrame(due);
    due = requestAnimationFrame(draw);
  };
  const takeCells = () => {
    cells = floats(model.get("cells"));
    drawSoon();
  };

  function pointAt(row, column) {
    const [rows, columns] = model.get("shape");
    pointed = { row: Math.min(Math.max(row, 0), rows - 1), column: Math.min(Math.max(column, 0), columns - 1) };
    drawSoon();
  }

  canvas.addEventListener("pointermove", (event) => {
    readout.setAttribute("aria-live", "off");
    if (!frame) return;
    const column = Math.floor((event.offsetX - frame.left) / frame.cellWidth);
    const row = Math.floor((event.offsetY - frame.top) / frame.cellHeight);
    if (row < 0 || column < 0 || row >= frame.rows || column >= frame.columns) {
      pointed = null;
      drawSoon();
    } else pointAt(row, column);
  }, { signal });
  canvas.addEventListener("pointerleave", () => {
    pointed = null;
    drawSoon();
  }, { signal });

  const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  canvas.addEventListener("keydown", (event) => {
    event.stopPropagation();
    const step = STEPS[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    readout.setAttribute("aria-live", "polite"); // read out where the user walks by keys, not where a mouse passes
    if (pointed) pointAt(pointed.row + step[0], pointed.column + step[1]);
    else pointAt(0, 0);
  }, { signal });

  const resized = new ResizeObserver(drawSoon);
  resized.observe(el);
  // JupyterLab changes its theme by attributes and variables of the body.
  const themed = new MutationObserver(drawSoon);
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name", "data-jp-theme-light", "class"] });
  model.on("change:cells", takeCells);
  model.on("change:shape change:rows change:columns change:limit change:alternative change:steps", drawSoon);
  drawReadout();
  drawSoon();
  return () => {
    controller.abort();
    resized.disconnect();
    themed.disconnect();
    cancelAnimationFrame(due);
    model.off("change:cells", takeCells);
    model.off("change:shape change:rows change:columns change:limit change:alternative change:steps", drawSoon);
  };
}

export default { render };
