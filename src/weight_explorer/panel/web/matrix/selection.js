// The brush: a rectangle of whole cells, and which elements of the weight they are, whatever the order they are drawn in.

/** The entries under one pixel of a side: where there are more of them than pixels, several. */
function entriesUnder(pixel, from, to, first, last) {
  const scale = (to - from) / (last - first);
  const at = Math.min(Math.max(pixel, from), to - 1e-6);
  const begin = Math.floor(first + (at - from) / scale);
  const end = scale < 1 ? Math.ceil(first + (at + 1 - from) / scale) : begin + 1;
  return [begin, Math.max(begin + 1, Math.min(end, Math.ceil(last)))];
}

/** The entries under a place on the canvas, or under the nearest one where that is outside the cells. */
function spotAt({ left, top, right, bottom, view }, x, y) {
  const [firstRow, endRow] = entriesUnder(y, top, bottom, view.top, view.bottom);
  const [firstColumn, endColumn] = entriesUnder(x, left, right, view.left, view.right);
  return { top: firstRow, bottom: endRow, left: firstColumn, right: endColumn };
}

/** The smallest rectangle of whole cells that holds two others; null where there are no cells. */
function rectangleOf(layers, [rows, columns], one, other) {
  const first = cellAt(layers, Math.min(one.top, other.top), Math.min(one.left, other.left));
  const [bottom, right] = [Math.min(Math.max(one.bottom, other.bottom), rows), Math.min(Math.max(one.right, other.right), columns)];
  const last = cellAt(layers, bottom - 1, right - 1);
  if (!first || !last) return null;
  return {
    top: first.row,
    bottom: Math.min(last.row + last.steps[0], rows),
    left: first.column,
    right: Math.min(last.column + last.steps[1], columns),
  };
}

/** Rows or columns from `first` to before `end` as ranges of what they are without any order. @param {Side} side */
function spansOf({ axes, order }, first, end) {
  if (!order) return [[first, end]];
  const inner = sizeOf(axes.slice(1));
  const spans = [];
  for (let place = first; place < end; place += 1) {
    const at = order[Math.floor(place / inner)] * inner + (place % inner);
    if (spans.at(-1)?.[1] === at) spans.at(-1)[1] = at + 1;
    else spans.push([at, at + 1]);
  }
  return spans;
}

/** What the kernel is told of a rectangle: which elements of the whole weight it is. */
function brushMessage({ rows, columns }, { weight, base, axes, down }, { top, bottom, left, right }) {
  const sizes = (side, isThere) => (isThere ? side.axes.map((axis) => axis.size) : []);
  return {
    weight,
    base,
    axes: [axes.slice(0, down), axes.slice(down)],
    sizes: [sizes(rows, down > 0), sizes(columns, down < axes.length)],
    spans: [spansOf(rows, top, bottom), spansOf(columns, left, right)],
  };
}

/** Such as `rows 3 to 7 by columns 0 to 12: 65 elements`, until the kernel says which they are by their names. */
function rectangleWords({ top, bottom, left, right }) {
  const span = (first, end) => (end - first === 1 ? first : `${first} to ${end - 1}`);
  const count = (bottom - top) * (right - left);
  const several = (first, end) => (end - first === 1 ? "" : "s");
  const sides = `row${several(top, bottom)} ${span(top, bottom)} by column${several(left, right)} ${span(left, right)}`;
  return `${sides}: ${grouped(count)} element${count === 1 ? "" : "s"}`;
}
