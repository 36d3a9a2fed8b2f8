// Matrices that are heat tables: rows are weights, columns are records, and cells stand for numbers by a scale of their own. `heat` is
// what the kernel sent of that, null for any other matrix.

const HEAT_LABEL_ROOM = 184; // px, at most
const GUTTER = 12; // px between the labels of the rows and the cells, for marks of what was found
const TROUBLES = { error: "--we-warn", warning: "--we-trouble", note: "--we-quiet" };
const SHADING = 6; // px

/** A number that a cell stands for, in words. */
function heatValue(cell, row, isSeveral, { shades, tops }) {
  if (Number.isNaN(cell)) return "NaN among its elements";
  if (cell === Infinity) return "Inf among its elements";
  if (cell === -Infinity) return `0${shades.unit}: ${shades.zero}`;
  if (cell === 0) return "no value";
  const value = shades.isLog ? 10 ** (cell + shades.offset) : cell;
  if (tops.length && isSeveral) return `${Number((100 * value).toPrecision(3))} % of its largest`;
  if (!tops.length) return `${Number(value.toPrecision(3))}${shades.unit}`;
  return `${Number((value * tops[row]).toPrecision(3))}${shades.unit}, ${Number((100 * value).toPrecision(3))} % of its largest`;
}

/** What was found of a row, what is said of a column first. */
function troublesOf({ troubles }, row, first, count) {
  const found = troubles.marks.filter(([at]) => at === row);
  const isHere = ([, column]) => column >= first && column < first + count;
  return [...found.filter(isHere), ...found.filter((mark) => !isHere(mark))].map(([, , , sentence]) => troubles.sentences[sentence]);
}

/** Such as `dense / kernel, record 3 (epoch 1, batch 3):  update ratio 0.0012`, and below it what was found of that weight. */
function heatWords({ rows, columns, heat }, found) {
  const [height, width] = found.steps;
  const labels = (side, first, count) => {
    const [axis] = side.axes;
    const begin = labelAt(axis, first, count);
    const end = count > 1 ? axis.last[(first - axis.first) / count] : "";
    return end && end !== begin ? `${begin} to ${end}` : begin;
  };
  const several = height * width > 1 ? ` (${heat.shades.loudest})` : "";
  const edit = heat.edits.find(([column]) => column >= found.column && column < found.column + width);
  const place = `${labels(rows, found.row, height)}, ${labels(columns, found.column, width)}`;
  const lines = [`${place}${edit ? `, ${edit[1]}` : ""}:  ${heat.shades.label} ${heatValue(found.value, found.row, height > 1, heat)}${several}`];
  const sentences = height === 1 ? troublesOf(heat, found.row, found.column, width) : [];
  if (sentences.length) lines.push(`${sentences[0]}${sentences.length > 1 ? ` (and ${sentences.length - 1} more)` : ""}`);
  return lines.join("\n");
}

const HEAT_HINT = "Point at a cell to read it; click, or walk by arrow keys and press Enter, to go to its weight. Ctrl + wheel zooms, drag moves.";

function heatHint({ heat }, merged) {
  return merged ? `More cells than pixels: a pixel shows ${heat.shades.loudest}. ${HEAT_HINT}` : HEAT_HINT;
}

/** The text, cut in its middle to the room there is: both ends tell weights apart. */
function clippedMiddle(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  for (let length = text.length - 1; length > 0; length -= 1) {
    const head = Math.floor(length / 2);
    const clipped = `${text.slice(0, head)}…${text.slice(text.length - (length - head))}`;
    if (context.measureText(clipped).width <= room) return clipped;
  }
  return "";
}

function heatLabelRoom(context, { labels }, width) {
  return Math.ceil(Math.min(widest(context, labels), HEAT_LABEL_ROOM, width * 0.32));
}

/** Cells without a value are left out: below them are slanted lines, which are no color of any scale. */
function drawHatch(context, { left, top, right, bottom }, style, ratio) {
  const tile = new OffscreenCanvas(SHADING * ratio, SHADING * ratio);
  const pen = tile.getContext("2d");
  pen.strokeStyle = style("--we-line");
  pen.lineWidth = ratio;
  pen.beginPath();
  for (const shift of [-1, 0, 1]) {
    pen.moveTo((shift * SHADING - 1) * ratio, (SHADING + 1) * ratio);
    pen.lineTo((shift * SHADING + SHADING + 1) * ratio, -ratio);
  }
  pen.stroke();
  context.save();
  context.fillStyle = context.createPattern(tile, "repeat");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillRect(left * ratio, top * ratio, (right - left) * ratio, (bottom - top) * ratio);
  context.restore();
}

/** Those of the labeled columns that fit: at round numbers or, where columns are too uneven for that, as many as there is room for. */
function fittingTicks(context, labeled, scaleX) {
  const fits = ([column, text], before) => !before || (column - before[0]) * scaleX >= context.measureText(text).width + 10;
  const fitting = labeled.reduce((found, tick) => (fits(tick, found.at(-1)) ? [...found, tick] : found), []);
  for (let power = 1; power < 1e9; power *= 10) for (const base of [1, 2, 5]) {
    const found = labeled.filter(([, text]) => Number(text) % (base * power) === 0);
    if (found.every((tick, i) => fits(tick, found[i - 1]))) return 2 * found.length >= fitting.length ? found : fitting;
  }
  return fitting;
}

function drawHeatTicks(context, frame, state) {
  const { view, scaleX, scaleY, left, top } = frame;
  const seen = state.heat.ticks.filter(([column]) => column + 0.5 >= view.left && column + 0.5 <= view.right);
  context.textAlign = "center";
  for (const [column, text] of fittingTicks(context, seen, scaleX)) context.fillText(text, frame.x(column + 0.5), top - 9);
  context.textAlign = "right";
  for (const [middle, text] of ticks(state.rows, view.top, view.bottom, scaleY, TICK_ROOM.y, scaleY < 12 ? TICK_ROOM.y : 12))
    context.fillText(clippedMiddle(context, text, frame.labelRoom), left - GUTTER - 4, frame.y(middle));
}

const SHAPES = {
  error: (context, x, y, size) => polygon(context, [[x, y - size], [x + size, y + size], [x - size, y + size]], true),
  warning: (context, x, y, size) => polygon(context, [[x, y - size], [x + size, y + size], [x - size, y + size]], false),
  note: (context, x, y, size) => polygon(context, [[x - size / 2, y], [x, y - size / 2], [x + size / 2, y], [x, y + size / 2]], true),
  edit: (context, x, y, size) => polygon(context, [[x - size, y], [x, y - size], [x + size, y], [x, y + size]], true),
};

function polygon(context, points, isFilled) {
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
  if (isFilled) context.fill();
  context.lineWidth = 1.5;
  context.stroke();
}

function drawShape(context, kind, x, y, size, color) {
  context.strokeStyle = context.fillStyle = color;
  SHAPES[kind](context, x, y, size);
}

/** Marks of what was found: one beside each row, the gravest, and where rows are high enough one on each cell. */
function drawTroubles(context, frame, { heat }, style) {
  const { left, view, scaleX, scaleY } = frame;
  const grave = new Map();
  for (const [row, , severity] of heat.troubles.marks) if (!grave.has(row)) grave.set(row, severity);
  for (const [row, severity] of grave) {
    if (row + 0.5 < view.top || row + 0.5 > view.bottom) continue;
    drawShape(context, severity, left - GUTTER / 2, frame.y(row + 0.5), 3.5, style(TROUBLES[severity]));
  }
  if (scaleY < 10) return;
  inside(context, frame, () => {
    for (const [row, column, severity] of heat.troubles.marks) {
      const [x, y] = [frame.x(column + 0.5), frame.y(row + 0.5)];
      const size = Math.max(2.5, Math.min(4, scaleX / 2));
      context.fillStyle = style("--we-ground");
      context.fillRect(x - size - 2, y - size - 2, 2 * size + 4, 2 * size + 4);
      drawShape(context, severity, x, y, size, style(TROUBLES[severity]));
    }
  });
}

/** Where fits begin, what somebody did to the weights, and which record was chosen. */
function drawMoments(context, frame, { heat }, style) {
  const { top, bottom, view } = frame;
  const isSeen = (column) => column >= view.left && column < view.right;
  context.save();
  context.strokeStyle = style("--we-separator");
  context.setLineDash([4, 3]);
  context.lineWidth = 1.5;
  for (const column of heat.seams.filter(isSeen)) line(context, frame.x(column), top, bottom);
  context.restore();
  for (const [column] of heat.edits) if (isSeen(column)) drawShape(context, "edit", frame.x(column + 0.5), top - 1, 3, style("--we-text"));
  if (!isSeen(heat.chosen)) return;
  context.strokeStyle = style("--we-accent");
  context.lineWidth = 2;
  for (const column of [heat.chosen, heat.chosen + 1]) line(context, frame.x(column), top, bottom);
}

function line(context, x, top, bottom) {
  context.beginPath();
  context.moveTo(x, top);
  context.lineTo(x, bottom);
  context.stroke();
}

/** What the marks beside the scale mean: those that every table has, and others where there are any. */
function heatLegend({ heat, special, counts }, style) {
  const swatch = (color) => (context, x, y) => {
    context.fillStyle = color;
    context.fillRect(x, y - 5, BAR.width, 10);
  };
  const shape = (kind, color) => (context, x, y) => drawShape(context, kind, x + BAR.width / 2, y, 3.5, color);
  const hatched = (context, x, y) => {
    drawHatch(context, { left: x, top: y - 5, right: x + BAR.width, bottom: y + 5 }, style, window.devicePixelRatio || 1);
    context.strokeStyle = style("--we-line");
    context.strokeRect(x, y - 5, BAR.width, 10);
  };
  const dashed = (context, x, y) => {
    context.save();
    context.strokeStyle = style("--we-text");
    context.setLineDash([4, 3]);
    line(context, x + BAR.width / 2, y - 6, y + 6);
    context.restore();
  };
  const severities = new Set(heat.troubles.marks.map(([, , severity]) => severity));
  const [nan, infinite, zero] = special;
  return [
    [heat.shades.zero, swatch(zero)],
    ["no value", hatched],
    ...(counts[0] ? [["NaN", swatch(nan)]] : []),
    ...(counts[1] ? [["Inf", swatch(infinite)]] : []),
    ...Object.entries(TROUBLES).filter(([name]) => severities.has(name)).map(([name, color]) => [name, shape(name, style(color))]),
    ...(heat.edits.length ? [["set by hand", shape("edit", style("--we-text"))]] : []),
    ...(heat.seams.length ? [["another fit", dashed]] : []),
  ];
}

/** The labels of the scale that fit, with where they stand: what is usual first, then the ends, then what has room between them. */
function barTicks({ ticks, low, high }, top, length) {
  const placed = ticks.map(([cell, text], i) => {
    const y = top + length * (1 - (cell - low) / (high - low));
    const rank = text.includes("usual") ? 0 : i % (ticks.length - 1) ? 2 : 1;
    return { text, rank, y: Math.min(Math.max(y, top + 5), top + length - 5) };
  });
  const found = [];
  for (const tick of placed.sort((a, b) => a.rank - b.rank)) {
    if (found.every(([, y]) => Math.abs(y - tick.y) >= 12)) found.push([tick.text, tick.y]);
  }
  return found;
}

function drawHeatBar(context, frame, state, height, style) {
  if (!frame.hasScale) return;
  const { palette, heat: { shades } } = state;
  const [left, top] = [frame.right + BAR.gap, frame.top];
  const legend = heatLegend(state, style);
  const length = Math.max(40, Math.min(120, height - top - 12 - 16 * legend.length));
  const gradient = context.createLinearGradient(0, top, 0, top + length);
  for (let i = 0; i < 256; i += 15) gradient.addColorStop(1 - i / 255, `rgb(${palette.slice(3 * i, 3 * i + 3).join()})`);
  context.fillStyle = gradient;
  context.fillRect(left, top, BAR.width, length);
  context.lineWidth = 1;
  context.strokeStyle = style("--we-line");
  context.strokeRect(left - 0.5, top - 0.5, BAR.width + 1, length + 1);
  context.textAlign = "left";
  context.textBaseline = "middle";
  const label = (text, y) => context.fillText(clipped(context, text, BAR.room - BAR.width - 8), left + BAR.width + 6, y);
  context.fillStyle = style("--we-text");
  context.fillText(clipped(context, shades.label, BAR.room), left, top - 10);
  context.fillStyle = style("--we-quiet");
  for (const [text, y] of barTicks(shades, top, length)) label(text, y);
  legend.forEach(([name, draw], i) => {
    const y = top + length + 16 + 16 * i;
    draw(context, left, y);
    context.fillStyle = style("--we-quiet");
    label(name, y);
  });
}
