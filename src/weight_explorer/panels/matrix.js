// A matrix on a canvas. Row 0 is the top one, column 0 the left one. The numbers are in the browser already, so the pointer and
// the arrow keys read them without the kernel.

const LARGEST_CELL = 32; // px
const LONE_ROW = 64; // px, for a weight that is a single row, such as a bias
const TICK_ROOM = { x: 36, y: 16 }; // px between labels, at least
const BAR = { width: 12, gap: 16, room: 96 };
const NEUTRAL = 127.5;

/** @typedef {{name: string, size: number, blocks: [string, number, number][]}} Axis */

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

/** Such as `units = 25 (forget gate 5)`. */
function axisWords(axis, index) {
  const block = axis.blocks.find(([, start, stop]) => index >= start && index < stop);
  return `${axis.name} = ${index}${block ? ` (${block[0]} ${index - block[1]})` : ""}`;
}

/** The side's entries from `first` on, of which one cell shows `step`. */
function sideWords(axes, cell, step) {
  const size = axes.reduce((product, axis) => product * axis.size, 1);
  const first = cell * step;
  const last = Math.min(first + step, size) - 1;
  if (!axes[0].name) return [];
  if (first === last) return unravel(first, axes).map((index, i) => axisWords(axes[i], index));
  return [`${axes.map((axis) => axis.name).join(" x ")} ${first} to ${last}`];
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
  canvas.setAttribute("role", "img");
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
    const size = (axes) => axes.reduce((product, axis) => product * axis.size, 1);
    const rowBlocks = down.length === 1 ? down[0].blocks : [];
    const columnBlocks = across.length === 1 ? across[0].blocks : [];
    const widest = Math.max(
      context.measureText(String(size(down) - 1)).width,
      ...rowBlocks.map(([name]) => context.measureText(name).width),
    );
    const left = Math.ceil(widest) + 28;
    const top = columnBlocks.length ? 52 : 36;
    let cellWidth = Math.min((width - left - BAR.gap - BAR.room) / columns, LARGEST_CELL);
    let cellHeight = Math.min((height - top - 4) / rows, rows === 1 ? LONE_ROW : LARGEST_CELL);
    if (down.length > 1 && across.length > 1) cellWidth = cellHeight = Math.min(cellWidth, cellHeight);
    return { left, top, cellWidth, cellHeight, rows, columns, down, across, rowBlocks, columnBlocks,
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
      const inner = axes.slice(1).reduce((product, axis) => product * axis.size, 1);
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

  /** Indexes of the outermost axis, beside what they count. */
  function drawTicks(context) {
    const { left, top, cellWidth, cellHeight, across, down } = frame;
    const [rowStep, columnStep] = model.get("steps");
    const inner = (axes) => axes.slice(1).reduce((product, axis) => product * axis.size, 1);
    context.fillStyle = style("--we-quiet");
    context.textBaseline = "alphabetic";
    context.textAlign = "center";
    const columnPixels = (cellWidth * inner(across)) / columnStep;
    if (!across[0].name) return;
    const stepX = tickStep(columnPixels, TICK_ROOM.x);
    for (let i = 0; i < across[0].size; i += stepX) context.fillText(String(i), left + (i + 0.5) * columnPixels, top - 5);
    context.textAlign = "right";
    context.textBaseline = "middle";
    if (frame.rowBlocks.length || !down[0].name) return;
    const rowPixels = (cellHeight * inner(down)) / rowStep;
    const stepY = tickStep(rowPixels, TICK_ROOM.y);
    for (let i = 0; i < down[0].size; i += stepY) context.fillText(String(i), left - 6, top + (i + 0.5) * rowPixels);
  }

  function drawBlockNames(context) {
    const { left, top, cellWidth, cellHeight, columnBlocks, rowBlocks } = frame;
    const [rowStep, columnStep] = model.get("steps");
    context.fillStyle = style("--we-text");
    context.textAlign = "center";
    context.textBaseline = "alphabetic";
    for (const [name, start, stop] of columnBlocks) {
      const room = ((stop - start) / columnStep) * cellWidth - 6;
      const short = [name, name.split(" ")[0], name[0]].find((words) => context.measureText(words).width <= room);
      if (short) context.fillText(short, left + ((start + stop) / 2 / columnStep) * cellWidth, top - 21);
    }
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const [name, start, stop] of rowBlocks)
      context.fillText(name, left - 6, top + ((start + stop) / 2 / rowStep) * cellHeight);
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
