// Everything around the cells: where they lie, lines, ticks, names, the scale, pins. Drawn from `state`, what the kernel sent, in
// `frame`, the place on the canvas of what is looked at.

const LARGEST_CELL = 32; // px, where everything is shown
const LONE_ROW = 64; // px, for a weight that is a single row, such as a bias
const TICK_ROOM = { x: 36, y: 16, turned: 14 }; // px between labels, at least
const LABEL_ROOM = { left: 120, top: 84 }; // px, at most
const BAR = { width: 12, gap: 16, room: 112 };
const NARROW = 360; // px; a picture that is one of several has no room for a scale of its own: its caption says how far colors reach
const MARK_NAMES = ["NaN", "+Inf", "-Inf", "above", "below"];

const widest = (context, texts) => texts.reduce((width, text) => Math.max(width, context.measureText(text).width), 0);

/** The text, cut to the room there is. */
function clipped(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let length = text.length;
  while (length && context.measureText(`${text.slice(0, length)}…`).width > room) length -= 1;
  return `${text.slice(0, length)}…`;
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

/** Room for the labels of the rows; as many as there may be, where only those of a part are known. */
function leftRoom(context, { rows }, size) {
  const [outer] = rows.axes;
  const words = outer.blocks.length ? outer.blocks.map(([name]) => name) : outer.labels;
  if (!outer.blocks.length && words.length && words.length < outer.size) return LABEL_ROOM.left + 28;
  const numbers = context.measureText(String(size - 1)).width;
  return Math.ceil(Math.min(Math.max(numbers, widest(context, words)), LABEL_ROOM.left)) + 28;
}

/** Where everything lies; the same for every view of the same matrix. */
function layOut(context, state, view, width, height) {
  const [rows, columns] = state.size;
  const [down, across] = [state.rows.axes, state.columns.axes];
  const labelRoom = state.heat ? heatLabelRoom(context, down[0], width) : LABEL_ROOM.left;
  const left = state.heat ? labelRoom + 24 + GUTTER : leftRoom(context, state, rows);
  const scaleRoom = width < NARROW ? 4 : BAR.gap + BAR.room;
  let cellWidth = Math.min((width - left - scaleRoom) / columns, state.heat ? Infinity : LARGEST_CELL);
  const labels = state.heat ? [] : across[0].labels;
  const topRoom = Math.min(LABEL_ROOM.top, height * 0.3);
  const labelWidth = labels.length < across[0].size ? (labels.length ? topRoom : 0) : widest(context, labels);
  const turned = labelWidth > cellWidth * sizeOf(across.slice(1)) - 6;
  const tickHeight = labels.length && turned ? Math.ceil(Math.min(labelWidth, topRoom)) : 12;
  const top = 24 + tickHeight + (across[0].blocks.length && !blocksAreEntries(across) ? 16 : 0);
  let cellHeight = Math.min((height - top - 4) / rows, rows === 1 ? LONE_ROW : LARGEST_CELL);
  const square = down.length > 1 && across.length > 1;
  if (square) cellWidth = cellHeight = Math.min(cellWidth, cellHeight);
  const [right, bottom] = [left + cellWidth * columns, top + cellHeight * rows];
  const [scaleX, scaleY] = [(right - left) / (view.right - view.left), (bottom - top) / (view.bottom - view.top)];
  return { left, top, right, bottom, turned, tickHeight, labelRoom, square, hasScale: width >= NARROW, scaleX, scaleY, view,
    x: (column) => left + (column - view.left) * scaleX, y: (row) => top + (row - view.top) * scaleY };
}

/** Call `draw` with everything outside the cells' place cut away. */
function inside(context, { left, top, right, bottom }, draw) {
  context.save();
  context.beginPath();
  context.rect(left, top, right - left, bottom - top);
  context.clip();
  draw();
  context.restore();
}

const painted = new WeakMap(); // by cells, the last picture made of them: a pointer that moves changes none

/** A layer's pixels, and a canvas with them in color; null where nothing of it is in view. */
function paint(layer, view, width, height, { span, palette, special, shows }) {
  const made = JSON.stringify([view, width, height, span, shows, layer.origin, layer.steps, special]);
  const before = painted.get(layer.cells);
  if (before?.made === made && before.palette === palette) return before;
  const picture = raster(layer, view, width, height, shows);
  if (!picture) return null;
  const source = new OffscreenCanvas(picture.columns, picture.rows);
  source.getContext("2d").putImageData(colorize(picture, span, palette, special), 0, 0);
  painted.set(layer.cells, { made, palette, picture, source });
  return painted.get(layer.cells);
}

/** Draw the layers, the coarse one first; say whether one pixel stands for several cells. */
function drawCells(context, frame, state, ratio, style) {
  const { left, top, right, bottom, view } = frame;
  const [width, height] = [Math.floor((right - left) * ratio), Math.floor((bottom - top) * ratio)];
  let merged = false;
  if (state.heat) drawHatch(context, frame, style, ratio);
  inside(context, frame, () => {
    context.imageSmoothingEnabled = false;
    for (const layer of [...state.layers].reverse()) {
      const { picture, source } = paint(layer, view, width, height, state) ?? {};
      if (!picture) continue;
      merged = picture.merged;
      const [x, y] = [frame.x(picture.across.from), frame.y(picture.down.from)];
      context.drawImage(source, x, y, frame.x(picture.across.to) - x, frame.y(picture.down.to) - y);
    }
  });
  context.strokeStyle = style("--we-line");
  context.lineWidth = 1;
  context.strokeRect(left - 0.5, top - 0.5, right - left + 1, bottom - top + 1);
  return merged;
}

/** Lines between blocks, and between the windows of a convolution. */
function drawSeparators(context, frame, state, style) {
  const { left, top, right, bottom, view, scaleX, scaleY } = frame;
  const seen = (axes, first, last, pixels) => {
    const borders = bordersOf(axes);
    if (borders.length > 1 && ((borders.at(-1) - borders[0]) / (borders.length - 1)) * pixels <= 4) return [];
    return borders.filter((border) => border > first && border < last);
  };
  context.strokeStyle = style("--we-separator");
  context.lineWidth = 1;
  context.beginPath();
  for (const border of seen(state.columns.axes, view.left, view.right, scaleX)) {
    const x = Math.round(frame.x(border)) + 0.5;
    context.moveTo(x, top);
    context.lineTo(x, bottom);
  }
  for (const border of seen(state.rows.axes, view.top, view.bottom, scaleY)) {
    const y = Math.round(frame.y(border)) + 0.5;
    context.moveTo(left, y);
    context.lineTo(right, y);
  }
  context.stroke();
}

/** Ticks of the outermost axis of a side that are in view: their middles, in entries, and their labels or numbers. */
function ticks(side, first, last, scale, room, labelRoom) {
  const [outer] = side.axes;
  const inner = sizeOf(side.axes.slice(1));
  const labeled = outer.labels.length > 0;
  const among = labeled ? side.step : 1; // places that have a label
  const pixels = scale * inner * among;
  const step = among * (labeled ? labelStep(pixels, labelRoom) : tickStep(pixels, room));
  const found = [];
  for (let place = Math.ceil(Math.max(0, first / inner - 0.5 * step) / step) * step; place * inner < last && place < outer.size; place += step) {
    const middle = (place + (labeled ? among : 1) / 2) * inner;
    const text = labelAt(outer, place, side.step) || (labeled ? "" : String(side.order ? side.order[place] : place));
    if (middle >= first && middle <= last && text) found.push([middle, text]);
  }
  return found;
}

/** Names or numbers of the outermost axes, beside what they count. */
function drawTicks(context, frame, state, style) {
  context.fillStyle = style("--we-quiet");
  context.textBaseline = "middle";
  const { rows, columns } = state;
  if (state.heat) return drawHeatTicks(context, frame, state);
  if (columns.axes[0].name && !blocksAreEntries(columns.axes)) drawColumnTicks(context, frame, columns);
  if (rows.axes[0].name && !rows.axes[0].blocks.length) drawRowTicks(context, frame, rows);
}

function drawColumnTicks(context, { view, scaleX, turned, tickHeight, top, x }, columns) {
  const isTurned = columns.axes[0].labels.length > 0 && turned;
  const each = scaleX * sizeOf(columns.axes.slice(1)) * columns.step;
  for (const [middle, text] of ticks(columns, view.left, view.right, scaleX, TICK_ROOM.x, isTurned ? TICK_ROOM.turned : 0)) {
    context.save();
    context.translate(x(middle), top - (isTurned ? 4 : 9));
    if (isTurned) context.rotate(-Math.PI / 2);
    context.textAlign = isTurned ? "left" : "center";
    const room = isTurned ? tickHeight : each;
    context.fillText(columns.axes[0].labels.length ? clipped(context, text, room) : text, 0, 0);
    context.restore();
  }
}

function drawRowTicks(context, { view, scaleY, left, y }, rows) {
  context.textAlign = "right";
  for (const [middle, text] of ticks(rows, view.top, view.bottom, scaleY, TICK_ROOM.y, TICK_ROOM.turned))
    context.fillText(clipped(context, text, LABEL_ROOM.left), left - 6, y(middle));
}

/** The parts of blocks that are in view, with their middles. */
function blocksIn(axes, first, last) {
  return blocksOf(axes)
    .map(([name, start, stop, short]) => ({ name, short, from: Math.max(start, first), to: Math.min(stop, last) }))
    .filter(({ from, to }) => from < to);
}

/** Ways to name blocks, the longest first: in full, and by the first word where that tells them apart. */
function namings(blocks) {
  const full = ({ name }) => name;
  const first = ({ name }) => name.split(" ")[0];
  return new Set(blocks.map(([name]) => first({ name }))).size === blocks.length ? [full, first] : [full];
}

/** Name all blocks alike: where one of them has no room for its name, all are named in short. */
function drawBlockNames(context, frame, state, style) {
  if (state.heat) return;
  const { left, top, view, scaleX, scaleY, tickHeight } = frame;
  const across = state.columns.axes;
  context.fillStyle = style("--we-text");
  context.textAlign = "center";
  context.textBaseline = "middle";
  const height = blocksAreEntries(across) ? 9 : tickHeight + 13;
  const blocks = blocksIn(across, view.left, view.right);
  const room = (from, to) => (to - from) * scaleX - 6;
  const fits = (text) => blocks.every((block) => context.measureText(text(block)).width <= room(block.from, block.to));
  const words = namings(across[0].blocks).find(fits) ?? (({ short }) => short);
  for (const block of blocks) {
    const fitting = context.measureText(words(block)).width <= room(block.from, block.to);
    if (fitting) context.fillText(words(block), frame.x((block.from + block.to) / 2), top - height);
  }
  context.textAlign = "right";
  for (const { name, short, from, to } of blocksIn(state.rows.axes, view.top, view.bottom)) {
    if ((to - from) * scaleY < 12) continue;
    context.fillText(context.measureText(name).width <= LABEL_ROOM.left ? name : short, left - 6, frame.y((from + to) / 2));
  }
}

function drawAxisNames(context, { left, top, bottom }, state, style) {
  const words = ({ axes, order }) => axes.map((axis) => axis.name).join(" x ") + (order ? " (sorted)" : "");
  context.fillStyle = style("--we-quiet");
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  const still = state.fixed ? `   at ${state.fixed}` : "";
  if (state.columns.axes[0].name || still) context.fillText(`${words(state.columns)} →${still}`, left, 12);
  context.save();
  context.translate(10, top);
  context.rotate(-Math.PI / 2);
  context.textAlign = "right";
  if (state.rows.axes[0].name) context.fillText(clipped(context, `← ${words(state.rows)}`, Math.max(bottom - top, 64)), 0, 0);
  context.restore();
}

/** The scale: which limit it has, and with their colors the counts of what it has no color for. */
function drawBar(context, frame, state, height, ratio, style) {
  if (!frame.hasScale) return;
  if (state.heat) return drawHeatBar(context, frame, state, height, style);
  const { limit, limitWords, palette, special, counts } = state;
  const [left, top] = [frame.right + BAR.gap, frame.top];
  const length = Math.min(120, height - top - 44);
  const gradient = context.createLinearGradient(0, top, 0, top + length);
  for (let i = 0; i < 256; i += 15) gradient.addColorStop(1 - i / 255, `rgb(${palette.slice(3 * i, 3 * i + 3).join()})`);
  context.fillStyle = gradient;
  context.fillRect(left, top, BAR.width, length);
  context.strokeStyle = style("--we-line");
  context.strokeRect(left - 0.5, top - 0.5, BAR.width + 1, length + 1);
  context.fillStyle = style("--we-quiet");
  context.textAlign = "left";
  context.textBaseline = "middle";
  const label = (text, y) => context.fillText(clipped(context, text, BAR.room - BAR.width - 8), left + BAR.width + 6, y);
  context.fillText(clipped(context, limitWords, BAR.room), left, top - 10);
  label(limit ? `+${limit.toPrecision(3)}` : "", top + 5);
  label("0", top + length / 2);
  label(limit ? `-${limit.toPrecision(3)}` : "", top + length - 5);
  const marks = MARK_NAMES.map((name, i) => [name, special[i], counts[i]]).filter(([, , count]) => count);
  marks.forEach(([name, color, count], i) => {
    const y = top + length + 14 + 18 * i;
    context.fillStyle = color;
    context.fillRect(left, y - 6, BAR.width, 12);
    context.fillStyle = style("--we-text");
    label(`${grouped(count)} ${name}`, y);
  });
  if (!state.frozenWords) return;
  const y = top + length + 14 + 18 * marks.length;
  if (state.layers[0].frozen?.length) drawSwatch(context, left, y - 6, BAR.width, 12, ratio, style("--we-line"));
  context.fillStyle = style("--we-text");
  label(state.frozenWords, y);
}

/** Outlines of pinned elements, with their numbers. */
function drawPins(context, frame, { pins }, style) {
  inside(context, frame, () => {
    for (const [number, row, column] of pins) {
      const [width, height] = [Math.max(frame.scaleX, 6), Math.max(frame.scaleY, 6)];
      const [x, y] = [frame.x(column + 0.5) - width / 2, frame.y(row + 0.5) - height / 2];
      for (const [color, line] of [[style("--we-ground"), 4], [style("--we-pin"), 2]]) {
        context.strokeStyle = color;
        context.lineWidth = line;
        context.strokeRect(x, y, width, height);
      }
      drawBadge(context, String(number), x + width, y, frame, style);
    }
  });
}

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

function drawPointed(context, frame, cell, style) {
  const [width, height] = [Math.max(cell.steps[1] * frame.scaleX, 3), Math.max(cell.steps[0] * frame.scaleY, 3)];
  context.strokeStyle = style("--we-text");
  context.lineWidth = 2;
  inside(context, frame, () => context.strokeRect(frame.x(cell.column), frame.y(cell.row), width, height));
}
