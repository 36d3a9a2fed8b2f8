"""A matrix as Python: where its cells come from, in which order, and all that is drawn on them."""

from __future__ import annotations

import math

import numpy as np

from weight_explorer.catalog.nodes import Axis
from weight_explorer.panels import colors
from weight_explorer.panels.codes.python import MOST_NUMBERS, calls, csv_lines, is_given, literal, plain
from weight_explorer.panels.figures.matrix import (
    HATCH,
    MOST_RECTANGLES,
    borders_of,
    has_ticks,
    names_of,
    rectangles_of,
    ticks_of,
)
from weight_explorer.views.numbers import grouped
from weight_explorer.views.origins import Origins
from weight_explorer.views.pictures import MatrixPicture


def write_matrix(picture: MatrixPicture, name: str, origins: Origins, csv_name: str) -> list[str]:
    """Write the lines that draw a matrix, or that part of it which is looked at."""
    return [
        *(cells_from_origins(picture, origins) or cells_as_drawn(picture, csv_name)),
        "",
        'figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")',
        *calls("axes", set_title=f"{name}\nat {picture.fixed}" if picture.fixed else name),
        *matrix_on_axes(picture),
    ]


# -- cells -------------------------------------------------------------------------------------------------------------


def cells_from_origins(picture: MatrixPicture, origins: Origins) -> list[str] | None:
    """Write how the cells are made of what is recorded, or None where it is not in this way that they were made."""
    num_orders = sum(order.size for order in (picture.row_order, picture.column_order) if order is not None)
    if num_orders > MOST_NUMBERS:
        return None
    for origin in sorted(origins.known, key=lambda origin: origin.name != "values"):
        values = origin.value
        if isinstance(values, np.ndarray) and _could_be(values, picture):
            lines = _lines(picture, values.shape)
            if is_given(lines, "cells", _seen(picture), values):
                return [lines[0].replace("values", origin.expression, 1), *lines[1:]]
    return None


def _could_be(values: np.ndarray, picture: MatrixPicture) -> bool:
    laid_out = [values.shape[axis] for axis in picture.axis_order if axis < values.ndim]
    num_axes = len(picture.axis_order) + len(picture.fixed_at)
    return values.ndim == num_axes and math.prod(laid_out) == math.prod(picture.size)


def _seen(picture: MatrixPicture) -> np.ndarray:
    seen = picture.seen_cells
    return picture.cells[seen.top : seen.bottom, seen.left : seen.right]


def _lines(picture: MatrixPicture, shape: tuple[int, ...]) -> list[str]:
    """Write the slice, the layout, the order, the part and the reduction, of which a plain matrix needs none."""
    fixed = dict(picture.fixed_at)
    index = ", ".join(str(fixed.get(axis, ":")) for axis in range(len(shape)))
    left = sorted(picture.axis_order)
    turn = tuple(left.index(axis) for axis in picture.axis_order)
    height, width = picture.size
    sliced = f"[{index}]" if fixed else ""
    turned = f".transpose{turn}" if turn != tuple(range(len(turn))) else ""
    shaped = f".reshape({height}, {width})" if len(left) != 2 else ""
    return [f"cells = values{sliced}{turned}{shaped}", *_ordered(picture), *_part(picture), *_reduced(picture)]


def _ordered(picture: MatrixPicture) -> list[str]:
    height, width = picture.size
    rows, columns = picture.rows[0].size, picture.columns[0].size
    sides = (
        (picture.row_order, "row_order", picture.rows, "[row_order]", f"({rows}, -1, {width})"),
        (picture.column_order, "column_order", picture.columns, "[:, column_order]", f"({height}, {columns}, -1)"),
    )
    lines = []
    for order, name, axes, taken, shape in sides:
        if order is not None:
            moved = taken if len(axes) == 1 else f".reshape{shape}{taken}.reshape({height}, {width})"
            lines += [f"{name} = {literal(order.astype(np.int64))}", f"cells = cells{moved}"]
    return lines


def _part(picture: MatrixPicture) -> list[str]:
    """Write what is cut out: whole cells, of all that is looked at."""
    (top, left), seen, (height, width) = picture.origin, picture.seen_cells, picture.size
    rows = (top + seen.top * picture.row_step, min(top + seen.bottom * picture.row_step, height))
    columns = (left + seen.left * picture.column_step, min(left + seen.right * picture.column_step, width))
    if (rows, columns) == ((0, height), (0, width)):
        return []
    return [f"cells = cells[{rows[0]}:{rows[1]}, {columns[0]}:{columns[1]}]  # what is looked at"]


def _reduced(picture: MatrixPicture) -> list[str]:
    steps = (picture.row_step, picture.column_step)
    return [] if steps == (1, 1) else _REDUCED[picture.shows](steps)


def _extremes(steps: tuple[int, int]) -> list[str]:
    return [
        f"# Each cell stands for {steps[0]} x {steps[1]} elements and shows the one farthest from zero.",
        "low, high = cells, cells",
        f"for axis, step in enumerate({steps}):",
        "    starts = range(0, low.shape[axis], step)",
        "    low, high = np.minimum.reduceat(low, starts, axis=axis), np.maximum.reduceat(high, starts, axis=axis)",
        "cells = np.where(high >= -low, high, low)",
    ]


def _means(steps: tuple[int, int]) -> list[str]:
    return [
        f"# Each cell stands for {steps[0]} x {steps[1]} elements and shows their mean.",
        "sums, counts = cells.astype(np.float64), np.ones(cells.shape)",
        f"for axis, step in enumerate({steps}):",
        "    starts = range(0, sums.shape[axis], step)",
        "    sums, counts = np.add.reduceat(sums, starts, axis=axis), np.add.reduceat(counts, starts, axis=axis)",
        "cells = sums / counts",
    ]


_REDUCED = {"extreme": _extremes, "mean": _means}


def cells_as_drawn(picture: MatrixPicture, csv_name: str) -> list[str]:
    """Write the cells out, or how they are read from the saved table."""
    cells = _seen(picture)
    if cells.size <= MOST_NUMBERS:
        return [f"cells = {literal(cells)}"]
    return [*csv_lines(csv_name), "cells = np.array([line[1:] for line in lines], np.float32)"]


# -- what is drawn -----------------------------------------------------------------------------------------------------


def matrix_on_axes(picture: MatrixPicture) -> list[str]:
    """Write the lines that draw `cells` on `axes` of `figure`."""
    limit, extent = picture.limit or 1.0, extent_of(picture)
    square = len(picture.rows) > 1 and len(picture.columns) > 1
    is_infinite = bool(np.isinf(_seen(picture)).any())
    drawn = "np.where(np.isinf(cells), np.nan, cells)" if is_infinite else "cells"
    special = f'bad="{colors.NOT_A_NUMBER}", over="{colors.ABOVE}", under="{colors.BELOW}"'
    return [
        f'colormap = plt.get_cmap("{colors.DIVERGING}").with_extremes({special})',
        f"image = axes.imshow({drawn}, cmap=colormap, vmin={-limit!r}, vmax={limit!r}, extent={extent},",
        f'                    interpolation="nearest", aspect="{"equal" if square else "auto"}")',
        *(_infinite(picture) if is_infinite else []),
        *_frozen(picture),
        *_separators(picture),
        *_ticks(picture),
        *_pins(picture),
        *_limits(picture),
        *calls("axes", set_xlabel=names_of(picture.columns, picture.column_order)),
        *calls("axes", set_ylabel=names_of(picture.rows, picture.row_order)),
        f"bar = figure.colorbar(image, ax=axes{_beyond(picture)})",
        *calls("bar", set_label=picture.marks.limit),
    ]


def extent_of(picture: MatrixPicture) -> tuple[float, float, float, float]:
    """Return where the cells that are looked at lie: left, right, bottom and top, in entries of the whole."""
    (top, left), seen = picture.origin, picture.seen_cells
    return (
        left + seen.left * picture.column_step - 0.5,
        left + seen.right * picture.column_step - 0.5,
        top + seen.bottom * picture.row_step - 0.5,
        top + seen.top * picture.row_step - 0.5,
    )


def _infinite(picture: MatrixPicture) -> list[str]:
    left, _, _, top = extent_of(picture)
    return [
        f"for sign, color in ((1, {colors.INFINITE!r}), (-1, {colors.NEGATIVE_INFINITE!r})):",
        "    down, across = np.nonzero(cells == sign * np.inf)",
        f"    x, y = (across + 0.5) * {picture.column_step} + {left}, (down + 0.5) * {picture.row_step} + {top}",
        '    axes.plot(x, y, "s", color=color, markersize=4)',
    ]


def _frozen(picture: MatrixPicture) -> list[str]:
    """Write the hatching of what is frozen, where that is no more than a few rectangles."""
    cover = picture.frozen
    if cover is None or cover.cells is None:
        return [f"# {cover.words}"] if cover else []
    seen = picture.seen_cells
    inside = np.zeros_like(cover.cells)
    inside[seen.top : seen.bottom, seen.left : seen.right] = cover.cells[seen.top : seen.bottom, seen.left : seen.right]
    rectangles = rectangles_of(inside, picture)
    if len(rectangles) > MOST_RECTANGLES:
        return [f"# {cover.words.replace('hatched', 'hatched in the panel')}"]
    if not rectangles:
        return []
    return [
        f"for x, y, width, height in {rectangles}:  # {grouped(cover.count)} frozen",
        f'    axes.add_patch(plt.Rectangle((x, y), width, height, fill=False, hatch="{HATCH}", linewidth=0))',
    ]


def _separators(picture: MatrixPicture) -> list[str]:
    """Write the lines between named blocks, such as gates, or between the windows of a convolution."""
    lines = []
    for call, side in (("axvline", picture.columns), ("axhline", picture.rows)):
        borders = tuple(border - 0.5 for border in borders_of(side))
        if borders:
            lines.append(f'for border in {borders}:\n    axes.{call}(border, color="0.3", linewidth=0.8)')
    return lines


def _ticks(picture: MatrixPicture) -> list[str]:
    seen = picture.seen
    sides = (
        ("set_xticks", picture.columns, picture.column_order, (seen.left, seen.right)),
        ("set_yticks", picture.rows, picture.row_order, (seen.top, seen.bottom)),
    )
    lines = []
    for call, side, order, ends in sides:
        if has_ticks(side, order):
            places, words = ticks_of(side, order, *ends)
            lines.append(f"axes.{call}({places}, {words}{_looks(call, side[0])}{plain(*words)})")
    return lines


def _looks(call: str, axis: Axis) -> str:
    turned = ", rotation=90" if call == "set_xticks" else ""
    return f"{turned}, fontsize=7" if axis.labels else ""


def _pins(picture: MatrixPicture) -> list[str]:
    if not picture.pins:
        return []
    places = [(pin.number, pin.column, pin.row) for pin in picture.pins]
    return [
        f"for number, x, y in {places}:  # pinned",
        '    axes.add_patch(plt.Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=1.5))',
        '    axes.annotate(str(number), (x + 0.5, y - 0.5), fontsize=7, annotation_clip=True, backgroundcolor="white")',
    ]


def _limits(picture: MatrixPicture) -> list[str]:
    if picture.window is None:
        return []
    seen = picture.seen
    return [f"axes.set(xlim=({seen.left - 0.5}, {seen.right - 0.5}), ylim=({seen.bottom - 0.5}, {seen.top - 0.5}))"]


def _beyond(picture: MatrixPicture) -> str:
    marks = picture.marks
    ends = {(True, True): "both", (True, False): "max", (False, True): "min"}
    end = ends.get((marks.above > 0, marks.below > 0))
    return f', extend="{end}"' if end else ""
