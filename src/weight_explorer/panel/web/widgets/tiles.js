// Many small pictures in a grid on one canvas. In each row 0 is the top one and column 0 the left one. The numbers are in the
// browser already, so the pointer and the arrow keys read them without the kernel.

const GAP = { x: 8, y: 5, slice: 2 }; // px between tiles, and between slices of one
const LINE = 14; // px, one line of text above a tile
const LEFT = 1; // px, so that the first tiles' border is seen
const BAR = { width: 12, gap: 16, room: 76 };
const LARGEST_CELL = 36; // px
const STRIP = 44; // px, the height of a single row of cells, at most
const READABLE = 0.7; // of the largest cells there could be, to have room for words above them
const WORD_GAP = 6; // px, between a tile's number and the one it is ranked by
const LARGEST_TILE = 200; // px
const NEUTRAL = 127.5;
const PARTS = ["red", "green", "blue"];

/** The shortest decimal that is this float32 and no other. */
function shortest(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "Inf" : "-Inf";
  for (let digits = 6; digits < 9; digits += 1) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return String(Number(text));
  }
  return String(Number(value.toPrecision(9)));
}

/** The text, cut to the room there is. */
function clipped(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let length = text.length;
  while (length && context.measureText(`${text.slice(0, length)}…`).width > room) length -= 1;
  return length ? `${text.slice(0, length)}…` : "";
}

function bytes(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function floats(view) {
  // A buffer from the wire need not start at a multiple of four.
  return view.byteLength ? new Float32Array(bytes(view).slice().buffer) : new Float32Array();
}

const pack = (red, green, blue) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
const packHex = (hex) => pack(...[1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
const byte = (number) => Math.min(255, Math.max(0, Math.round(number)));

/** Of two cells, given by where they start, the one that must not be missed: NaN before all, then the farther from zero. */
function loudness(cells, at, parts) {
  let most = 0;
  for (let part = 0; part < parts; part += 1) {
    const value = Math.abs(cells[at + part]);
    most = Number.isNaN(value) ? Infinity : Math.max(most, value === Infinity ? Number.MAX_VALUE : value);
  }
  return most;
}

/** The color of one cell, of numbers from `at` on. */
function colorOf(cells, at, parts, scale, { table, nan, infinite }) {
  let sum = 0; // NaN where one is, and else infinite where one is
  for (let part = 0; part < parts; part += 1) sum += Math.abs(cells[at + part]);
  if (Number.isNaN(sum)) return nan;
  if (sum === Infinity) return infinite;
  if (parts === 1) return table[byte(NEUTRAL + cells[at] * scale)];
  return pack(byte(NEUTRAL + cells[at] * scale), byte(NEUTRAL + cells[at + 1] * scale), byte(NEUTRAL + cells[at + 2] * scale));
}

/** All tiles as one picture, below each other, with at most `width` x `height` pixels for each. */
function atlas(cells, limits, { rows, columns, parts }, [width, height], colors) {
  const tiles = Array.from(limits, (_, i) => reduced(cells, { start: i * rows * columns * parts, rows, columns, parts }, width, height));
  const size = { rows: tiles[0].rows, columns: tiles[0].columns };
  const image = new ImageData(size.columns, size.rows * tiles.length);
  const words = new Uint32Array(image.data.buffer);
  tiles.forEach((tile, i) => {
    const scale = limits[i] > 0 ? NEUTRAL / limits[i] : 0;
    const count = size.rows * size.columns;
    for (let j = 0; j < count; j += 1) words[i * count + j] = colorOf(tile.cells, tile.start + j * parts, parts, scale, colors);
  });
  const source = new OffscreenCanvas(image.width, image.height);
  source.getContext("2d").putImageData(image, 0, 0);
  return { source, ...size };
}

/** A tile reduced to at most `width` x `height` pixels, each the loudest of its cells. */
function reduced(cells, tile, width, height) {
  const { start, rows, columns, parts } = tile;
  const [down, across] = [Math.max(1, Math.min(rows, height)), Math.max(1, Math.min(columns, width))];
  if (down === rows && across === columns) return { cells, ...tile };
  const from = new Int32Array(down * across).fill(-1);
  for (let i = 0; i < rows; i += 1) for (let j = 0; j < columns; j += 1) {
    const to = Math.floor((i * down) / rows) * across + Math.floor((j * across) / columns);
    const at = start + (i * columns + j) * parts;
    if (from[to] < 0 || loudness(cells, at, parts) > loudness(cells, from[to], parts)) from[to] = at;
  }
  const pixels = new Float32Array(down * across * parts);
  from.forEach((at, i) => pixels.set(cells.subarray(at, at + parts), i * parts));
  return { cells: pixels, start: 0, rows: down, columns: across, parts };
}

/** The grids in which `count` tiles of `rows` x `columns` cells fit, with as large cells as they can have in each. */
function grids(room, { count, rows, columns, slices, head }) {
  const isStrip = rows === 1 && columns > 1;
  return Array.from({ length: count }, (_, i) => {
    const [across, down] = [i + 1, Math.ceil(count / (i + 1))];
    const pitch = room.width / across;
    const wide = Math.min(pitch - GAP.x, LARGEST_TILE) - GAP.slice * (slices - 1);
    const high = Math.min(room.height / down - GAP.y - head, LARGEST_TILE);
    const cellWidth = Math.min(wide / columns, LARGEST_CELL);
    const cellHeight = isStrip ? Math.min(high, STRIP) : Math.min(high / rows, LARGEST_CELL);
    const cell = Math.min(cellWidth, cellHeight);
    return { across, pitch, cell, ...(isStrip ? { cellWidth, cellHeight } : { cellWidth: cell, cellHeight: cell }) };
  });
}

/** The grid of the largest cells; one where the words above a tile have room, unless that makes the cells much smaller. */
function bestGrid(room, tiles, wordsWidth) {
  const all = grids(room, tiles);
  const largest = (list) => list.reduce((best, grid) => (grid.cell >= best.cell ? grid : best), { cell: 0 });
  const readable = largest(all.filter(({ pitch }) => pitch - GAP.x >= wordsWidth));
  const best = largest(all);
  return readable.cell >= READABLE * best.cell ? readable : best;
}

/** Pieces in as few lines as they fit in. */
function linesOf(context, pieces, width) {
  const lines = [];
  for (const piece of pieces) {
    const longer = lines.length ? `${lines.at(-1)}   ·   ${piece}` : piece;
    if (lines.length && context.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(piece);
  }
  return lines;
}

function render({ model, el }) {
  const controller = new AbortController();
  const { signal } = controller;
  el.classList.add("we-tiles");
  el.dataset.lmSuppressShortcuts = "true";
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.tabIndex = 0;
  const readout = document.createElement("div");
  readout.className = "we-tiles-readout";
  el.replaceChildren(canvas, readout);

  let cells = floats(model.get("cells"));
  let frame = null; // where the tiles lie on the canvas
  let pointed = null; // the tile, row and column under the pointer or the arrow keys
  let merged = false; // whether there are more cells than pixels, so that a pixel shows one of several

  function style() {
    const found = getComputedStyle(el);
    const names = ["text", "quiet", "line", "accent"];
    const inks = names.map((name) => [name, found.getPropertyValue(`--we-${name}`).trim() || "gray"]);
    return { font: found.fontFamily, ...Object.fromEntries(inks) };
  }

  function layOut(context, width, height, looks) {
    const [count, rows, columns, parts] = model.get("shape");
    const tiles = model.get("tiles");
    const head = LINE * (tiles.some(({ label }) => label) ? 2 : 1);
    const slices = model.get("columns").length > 1 ? model.get("axes")[model.get("columns")[0]].size : 1;
    const right = width - BAR.room;
    const pieces = [...model.get("heading"), `small: ${model.get("measure")}`];
    const top = linesOf(context, pieces, right - 8).length * 16 + 2;
    const numberWidth = Math.max(...tiles.map(({ number }) => context.measureText(number).width));
    context.font = `10px ${looks.font}`;
    const wordsWidth = numberWidth + WORD_GAP + Math.max(...tiles.map(({ note }) => context.measureText(note).width));
    context.font = `12px ${looks.font}`;
    const room = { width: right - BAR.gap - LEFT, height: height - top };
    const found = bestGrid(room, { count, rows, columns, slices, head }, wordsWidth);
    const tileWidth = found.cellWidth * columns + GAP.slice * (slices - 1);
    const hasNotes = found.pitch - GAP.x >= wordsWidth;
    const heading = linesOf(context, hasNotes ? pieces : pieces.slice(0, -1), right - 8);
    return { ...found, count, rows, columns, parts, slices, head, heading, top, right, looks, hasNotes, tileWidth,
      tileHeight: found.cellHeight * rows,
      pitchX: Math.min(found.pitch, Math.max(tileWidth, hasNotes ? wordsWidth : numberWidth) + GAP.x),
      pitchY: found.cellHeight * rows + head + GAP.y };
  }

  const corner = (i) => ({
    x: LEFT + (i % frame.across) * frame.pitchX,
    y: frame.top + Math.floor(i / frame.across) * frame.pitchY + frame.head,
  });

  /** Where a column starts within its tile, with the gaps between slices. */
  const columnX = (column) => column * frame.cellWidth + Math.floor(column / (frame.columns / frame.slices)) * GAP.slice;

  function drawTiles(context, ratio) {
    const { count, rows, columns, slices, cellWidth, tileHeight, looks } = frame;
    const palette = bytes(model.get("palette"));
    const table = Uint32Array.from({ length: 256 }, (_, i) => pack(...palette.slice(3 * i, 3 * i + 3)));
    const [nan, infinite] = model.get("special").map(packHex);
    const each = columns / slices;
    const pixels = [Math.max(1, Math.floor(cellWidth * each * ratio)) * slices, Math.floor(tileHeight * ratio)];
    const shown = atlas(cells, cells.subarray(cells.length - count), frame, pixels, { table, nan, infinite });
    merged = shown.rows < rows || shown.columns < columns;
    const part = shown.columns / slices;
    context.imageSmoothingEnabled = false;
    context.strokeStyle = looks.line;
    context.lineWidth = 1;
    for (let i = 0; i < count * slices; i += 1) {
      const [tile, slice] = [Math.floor(i / slices), i % slices];
      const { x, y } = corner(tile);
      const left = x + columnX(slice * each);
      context.drawImage(shown.source, slice * part, tile * shown.rows, part, shown.rows, left, y, cellWidth * each, tileHeight);
      context.strokeRect(left - 0.5, y - 0.5, cellWidth * each + 1, tileHeight + 1);
    }
  }

  /** Above each tile its number and the user's label; beside the number, smaller, the one that it is ranked by. */
  function drawWords(context) {
    const { pitchX, head, hasNotes, looks } = frame;
    const tiles = model.get("tiles");
    const at = (i) => ({ x: corner(i).x, y: corner(i).y - head + LINE / 2 });
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.fillStyle = looks.text;
    const ends = tiles.map(({ number }, i) => {
      context.fillText(number, at(i).x, at(i).y);
      return at(i).x + context.measureText(number).width + WORD_GAP;
    });
    context.fillStyle = looks.quiet;
    tiles.forEach(({ label }, i) => {
      if (label) context.fillText(clipped(context, label, pitchX - GAP.x), at(i).x, at(i).y + LINE - 1);
    });
    if (!hasNotes) return;
    context.font = `10px ${looks.font}`;
    tiles.forEach(({ note }, i) => context.fillText(note, ends[i], at(i).y));
    context.font = `12px ${looks.font}`;
  }

  function drawHeading(context) {
    context.fillStyle = frame.looks.quiet;
    context.textAlign = "left";
    context.textBaseline = "middle";
    frame.heading.forEach((line, i) => context.fillText(clipped(context, line, frame.right - 8), 0, 8 + 16 * i));
  }

  function barColors() {
    if (frame.parts === 3) return ["#000", "#808080", "#fff"];
    const palette = bytes(model.get("palette"));
    return Array.from({ length: 18 }, (_, i) => `rgb(${palette.slice(45 * i, 45 * i + 3).join()})`);
  }

  function drawBar(context, height) {
    const { looks } = frame;
    const [left, top, length] = [frame.right, frame.top + LINE, Math.min(120, height - frame.top - 3 * LINE - 30)];
    const gradient = context.createLinearGradient(0, top + length, 0, top);
    barColors().forEach((color, i, all) => gradient.addColorStop(i / (all.length - 1), color));
    context.fillStyle = gradient;
    context.fillRect(left, top, BAR.width, length);
    context.strokeStyle = looks.line;
    context.strokeRect(left - 0.5, top - 0.5, BAR.width + 1, length + 1);
    context.fillStyle = looks.quiet;
    context.textAlign = "left";
    context.textBaseline = "middle";
    const label = (text, y) => context.fillText(text, left + BAR.width + 6, y);
    const limit = cells[cells.length - frame.count];
    const end = model.get("is_common") ? (limit ? limit.toPrecision(3) : "") : "largest";
    label(end && `+${end}`, top + 5);
    label("0", top + length / 2);
    label(end && `−${end}`, top + length - 5);
    context.fillText(model.get("is_common") ? "for all" : "of each", left, top - LINE / 2 - 2);
    drawMarks(context, left, top + length + 14, label);
  }

  function drawMarks(context, left, top, label) {
    const [nan, infinite] = model.get("special");
    const numbers = cells.subarray(0, cells.length - frame.count);
    const marks = [
      ["NaN", nan, numbers.some(Number.isNaN)],
      ["Inf", infinite, numbers.some((value) => Math.abs(value) === Infinity)],
    ].filter(([, , present]) => present);
    marks.forEach(([name, color], i) => {
      context.fillStyle = color;
      context.fillRect(left, top + 18 * i - 6, BAR.width, 12);
      context.fillStyle = frame.looks.text;
      label(name, top + 18 * i);
    });
  }

  function drawPointed(context) {
    if (!pointed) return;
    const { x, y } = corner(pointed.tile);
    const { cellWidth, cellHeight } = frame;
    context.strokeStyle = frame.looks.accent;
    context.lineWidth = 2;
    context.strokeRect(x + columnX(pointed.column), y + pointed.row * cellHeight, Math.max(cellWidth, 3), Math.max(cellHeight, 3));
  }

  /** Such as `kernel_height = 1, kernel_width = 2, in_channels = 3, filters = 12`, in the order of the array's axes. */
  function placeWords({ tile, row, column }) {
    const axes = model.get("axes");
    const inner = new Map();
    for (const [side, index] of [[model.get("rows"), row], [model.get("columns"), column]]) {
      let rest = index;
      for (const axis of [...side].reverse()) {
        inner.set(axis, rest % axes[axis].size);
        rest = Math.floor(rest / axes[axis].size);
      }
    }
    const name = ({ name: text, labels }, index) => `${text} = ${index}${labels.length ? ` "${labels[index]}"` : ""}`;
    const { fixed } = model.get("tiles")[tile];
    return axes.map((axis, i) => (inner.has(i) ? name(axis, inner.get(i)) : fixed[i])).filter(Boolean).join(", ");
  }

  function numberWords({ tile, row, column }) {
    const { rows, columns, parts } = frame;
    const start = ((tile * rows + row) * columns + column) * parts;
    const values = Array.from(cells.subarray(start, start + parts), shortest);
    return parts === 1 ? values[0] : values.map((value, i) => `${PARTS[i]} ${value}`).join(", ");
  }

  function drawReadout() {
    if (!pointed) {
      readout.textContent = "Point at a cell, or walk with the arrow keys, to read its number."
        + (merged ? " More cells than pixels: a pixel shows the cell farthest from zero." : "");
      return;
    }
    const { number, note } = model.get("tiles")[pointed.tile];
    const combined = model.get("combined");
    readout.textContent = `${placeWords(pointed)}:  ${combined ? `${combined} ` : ""}${numberWords(pointed)}`
      + `   (${model.get("measure")} of ${number}: ${note})`;
  }

  function draw() {
    const [width, height] = [el.clientWidth, el.clientHeight - 24];
    const [count, rows, columns, parts] = model.get("shape");
    canvas.setAttribute("aria-label", model.get("alternative"));
    if (width < 160 || height < 80 || cells.length !== count * (rows * columns * parts + 1) || !count) return;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const looks = style();
    context.font = `12px ${looks.font}`;
    frame = layOut(context, width, height, looks);
    if (!frame.across) frame = null; // no room for them
    if (!frame) return;
    if (pointed && (pointed.tile >= count || pointed.row >= rows || pointed.column >= columns)) pointed = null;
    drawHeading(context);
    drawTiles(context, ratio);
    drawWords(context);
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

  function cellAt(x, y) {
    const across = Math.floor((x - LEFT) / frame.pitchX);
    const down = Math.floor((y - frame.top) / frame.pitchY);
    const tile = down * frame.across + across;
    if (across >= frame.across || down < 0 || tile >= frame.count || across < 0) return null;
    const from = corner(tile);
    const row = Math.floor((y - from.y) / frame.cellHeight);
    const each = frame.columns / frame.slices;
    const sliceWidth = each * frame.cellWidth + GAP.slice;
    const slice = Math.floor((x - from.x) / sliceWidth);
    const within = Math.floor((x - from.x - slice * sliceWidth) / frame.cellWidth);
    const isInside = row >= 0 && row < frame.rows && slice < frame.slices && within < each;
    return isInside ? { tile, row, column: slice * each + within } : null;
  }

  canvas.addEventListener("pointermove", (event) => {
    readout.setAttribute("aria-live", "off");
    if (!frame) return;
    pointed = cellAt(event.offsetX, event.offsetY);
    drawSoon();
  }, { signal });
  canvas.addEventListener("pointerleave", () => {
    pointed = null;
    drawSoon();
  }, { signal });

  /** One step on: over a tile's edge it leads to the next tile that way, where there is one. */
  function stepped({ tile, row, column }, down, across) {
    const { rows, columns, count } = frame;
    const [toRow, toColumn] = [row + down, column + across];
    if (toRow >= 0 && toRow < rows && toColumn >= 0 && toColumn < columns) return { tile, row: toRow, column: toColumn };
    const next = tile + across + down * frame.across;
    if (next < 0 || next >= count) return { tile, row, column };
    return { tile: next, row: (toRow + rows) % rows, column: (toColumn + columns) % columns };
  }

  const limited = (tile) => Math.min(Math.max(tile, 0), frame.count - 1);
  const KEYS = {
    ArrowLeft: (at) => stepped(at, 0, -1),
    ArrowRight: (at) => stepped(at, 0, 1),
    ArrowUp: (at) => stepped(at, -1, 0),
    ArrowDown: (at) => stepped(at, 1, 0),
    PageUp: (at) => ({ ...at, tile: limited(at.tile - 1) }),
    PageDown: (at) => ({ ...at, tile: limited(at.tile + 1) }),
    Home: (at) => ({ ...at, tile: 0 }),
    End: (at) => ({ ...at, tile: frame.count - 1 }),
  };
  canvas.addEventListener("keydown", (event) => {
    event.stopPropagation();
    const key = KEYS[event.key];
    if (!frame || !key || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    readout.setAttribute("aria-live", "polite"); // read out where the user walks by keys, not where a mouse passes
    pointed = pointed ? key(pointed) : { tile: 0, row: 0, column: 0 };
    drawSoon();
  }, { signal });

  const WORDS = "change:shape change:tiles change:axes change:rows change:columns change:is_common change:combined"
    + " change:measure change:heading change:alternative";
  const resized = new ResizeObserver(drawSoon);
  resized.observe(el);
  // JupyterLab changes its theme by attributes and variables of the body.
  const themed = new MutationObserver(drawSoon);
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name", "data-jp-theme-light", "class"] });
  model.on("change:cells", takeCells);
  model.on(WORDS, drawSoon);
  drawReadout();
  drawSoon();
  return () => {
    controller.abort();
    resized.disconnect();
    themed.disconnect();
    cancelAnimationFrame(due);
    model.off("change:cells", takeCells);
    model.off(WORDS, drawSoon);
  };
}

export default { render };
