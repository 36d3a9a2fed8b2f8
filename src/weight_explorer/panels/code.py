"""Pictures as lines of Python that draw them with NumPy and matplotlib alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from weight_explorer.panels import colors
from weight_explorer.views.origins import Origins
from weight_explorer.views.pictures import Chart, ChartPicture, Mark, MatrixPicture, Picture
from weight_explorer.views.table import arrays_of

# Numbers of unknown origin that are written out; more of them are read from the file that "CSV" saves.
MOST_NUMBERS = 4096


def code_of(picture: Picture, name: str, origins: Origins, csv_name: str) -> str:
    """Write the Python that draws a picture, with `model` and `explorer` in scope.

    Args:
        picture: The picture. Of a kind that has no writer here the numbers are written out.
        name: What it shows; the title.
        origins: Where its numbers come from. Those of unknown origin stand in the code as they are.
        csv_name: The file that "CSV" saves it as.
    """
    lines = _WRITERS.get(type(picture), _numbers)(picture, name, origins, csv_name)
    imports = ["import csv\n"] if any("csv.reader" in line for line in lines) else []
    imports += ["import matplotlib.pyplot as plt"] if any("plt." in line for line in lines) else []
    note = f"# {' '.join(picture.caption.split())}"
    return "\n".join([*imports, "import numpy as np", "", note, *origins.lines("\n".join(lines)), *lines]) + "\n"


def _text(call: str, words: str) -> str:
    """Write the call that sets some text, which is no formula even with dollars in it."""
    return f"axes.{call}({words!r}{', parse_math=False' if '$' in words else ''})"


# -- a matrix ----------------------------------------------------------------------------------------------------------


def _matrix(picture: MatrixPicture, name: str, origins: Origins, csv_name: str) -> list[str]:
    square = len(picture.rows) > 1 and len(picture.columns) > 1
    rows, columns = picture.cells.shape
    extent = (-0.5, columns * picture.column_step - 0.5, rows * picture.row_step - 0.5, -0.5)
    limit = picture.limit or 1.0
    sides = (("set_xlabel", picture.columns), ("set_ylabel", picture.rows))
    return [
        *(_cells_from_values(picture, origins) or _cells_as_drawn(picture, csv_name)),
        "",
        'figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")',
        f'colormap = plt.get_cmap("{colors.DIVERGING}").with_extremes(bad="{colors.NOT_A_NUMBER}")',
        f"image = axes.imshow(cells, cmap=colormap, vmin={-limit!r}, vmax={limit!r}, extent={extent},",
        f'                    interpolation="nearest", aspect="{"equal" if square else "auto"}")',
        *_separators(picture),
        _text("set_title", name),
        *(_text(call, " x ".join(axis.name for axis in side)) for call, side in sides if any(axis.name for axis in side)),
        "figure.colorbar(image)",
    ]


def _separators(picture: MatrixPicture) -> list[str]:
    """Write the lines between named blocks, such as gates."""
    lines = []
    for call, side in (("axvline", picture.columns), ("axhline", picture.rows)):
        inner = math.prod(axis.size for axis in side[1:])
        borders = tuple(block.start * inner - 0.5 for block in side[0].blocks[1:])
        if borders:
            lines.append(f'for border in {borders}:\n    axes.{call}(border, color="0.3", linewidth=0.8)')
    return lines


def _cells_from_values(picture: MatrixPicture, origins: Origins) -> list[str] | None:
    """Write how the cells are made of the values, or None where it is not in this way that they were made."""
    values = origins.value("values")
    shape = [math.prod(axis.size for axis in side) for side in (picture.rows, picture.columns)]
    if not isinstance(values, np.ndarray) or values.size != math.prod(shape) or values.ndim != len(picture.axis_order):
        return None
    steps = (picture.row_step, picture.column_step)
    cells = values.transpose(picture.axis_order).reshape(shape)
    low, high = (_extremes(pick, cells, steps) for pick in (np.minimum, np.maximum))
    if not np.array_equal(np.where(high >= -low, high, low).astype(np.float32), picture.cells, equal_nan=True):
        return None
    moved = picture.axis_order != tuple(range(values.ndim))
    turned = f".transpose{picture.axis_order}" if moved else ""
    shaped = f".reshape({shape[0]}, {shape[1]})" if values.ndim != 2 else ""
    lines = [f"cells = values{turned}{shaped}"]
    return lines if math.prod(steps) == 1 else [*lines, *_reduced(steps)]


def _extremes(pick: np.ufunc, cells: np.ndarray, steps: tuple[int, int]) -> np.ndarray:
    for axis, step in enumerate(steps):
        cells = pick.reduceat(cells, range(0, cells.shape[axis], step), axis=axis) if step > 1 else cells
    return cells


def _reduced(steps: tuple[int, int]) -> list[str]:
    return [
        f"# Each cell stands for {steps[0]} x {steps[1]} elements and shows the one farthest from zero.",
        "low, high = cells, cells",
        f"for axis, step in enumerate({steps}):",
        "    starts = range(0, low.shape[axis], step)",
        "    low, high = np.minimum.reduceat(low, starts, axis=axis), np.maximum.reduceat(high, starts, axis=axis)",
        "cells = np.where(high >= -low, high, low)",
    ]


def _cells_as_drawn(picture: MatrixPicture, csv_name: str) -> list[str]:
    if picture.cells.size <= MOST_NUMBERS:
        return [f"cells = {_literal(picture.cells)}"]
    return [
        f"with open({csv_name!r}, encoding='utf-8') as file:  # as saved by the panel, or by explorer.to_csv({csv_name!r})",
        "    lines = list(csv.reader(line for line in file if not line.startswith('#')))",
        "cells = np.array([line[1:] for line in lines[1:]], np.float32)",
    ]


# -- charts ------------------------------------------------------------------------------------------------------------


def _charts(picture: ChartPicture, name: str, origins: Origins, _: str) -> list[str]:
    count = len(picture.charts)
    title = f"figure.suptitle({name!r}{', parse_math=False' if '$' in name else ''})"
    lines = [
        "",
        f'figure, panels = plt.subplots({count}, figsize=(8, 4.5), sharex=True, squeeze=False, layout="constrained")',
        title,
    ]
    for i, chart in enumerate(picture.charts):
        lines += ["", f"axes = panels[{i}, 0]", *_chart(chart, origins)]
    return lines


def _chart(chart: Chart, origins: Origins) -> list[str]:
    texts = {"set_title": chart.title, "set_xlabel": chart.x_label, "set_ylabel": chart.y_label}
    return [
        *(_mark(mark, origins) for mark in chart.marks),
        *(['axes.set_yscale("log")'] if chart.log and any(np.any(mark.y > 0) for mark in chart.marks) else []),
        *(_text(call, words) for call, words in texts.items() if words),
        "axes.legend()",
    ]


def _mark(mark: Mark, origins: Origins) -> str:
    x, y = (origins.find(array) or _literal(array) for array in (mark.x, mark.y))
    color = colors.MARKS.get(mark.color, mark.color)
    looks = f"color={color!r}, label={mark.name!r}"
    if mark.kind == "steps":
        return f"axes.stairs({y}, {x}, {looks}{', fill=True, alpha=0.5' if mark.color == 'now' else ''})"
    if mark.upper is not None:
        upper = origins.find(mark.upper) or _literal(mark.upper)
        return f"axes.fill_between({x}, {y}, {upper}, {looks}, alpha=0.2, linewidth=0)"
    return f"axes.plot({x}, {y}, {looks})"


# -- other kinds -------------------------------------------------------------------------------------------------------


def _numbers(picture: object, name: str, _: Origins, csv_name: str) -> list[str]:
    """Write out the numbers of a picture that has no writer here, by the way that leads to each array in it."""
    arrays = dict(arrays_of(picture))
    if sum(array.size for array in arrays.values()) > MOST_NUMBERS:
        return [f"# {name}: these are more numbers than fit a page; they are in {csv_name!r}, as explorer.to_csv() saves it."]
    lines = [f"    {key!r}: {_literal(array)}," for key, array in arrays.items()]
    return [f"# {name}: the numbers that are drawn.", "arrays = {", *lines, "}"]


def _literal(array: np.ndarray) -> str:
    """Write an array's numbers out, each as short as gives the very same number back."""
    text = np.array2string(array, separator=", ", threshold=array.size + 1, max_line_width=110, floatmode="unique")
    text = text.replace("nan", "np.nan").replace("inf", "np.inf")
    dtype = "" if array.dtype in (np.float64, np.int64, np.bool_) else f", np.{array.dtype}"
    return f"np.array({text}{dtype})"


# For each kind of picture, who writes its code.
_WRITERS: dict[type, Callable[[Any, str, Origins, str], list[str]]] = {MatrixPicture: _matrix, ChartPicture: _charts}
