"""A matrix in matplotlib."""

from __future__ import annotations

import math
import textwrap

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from weight_explorer.catalog.nodes import Axis
from weight_explorer.panels import colors
from weight_explorer.views.pictures import MatrixPicture

# More windows than this along a side are not told apart by lines: there would be more line than picture.
MOST_WINDOWS = 64


def draw_matrix(figure: FigureBase, picture: MatrixPicture) -> None:
    """Draw it with its color bar, blocks and labels."""
    axes = figure.subplots()
    colormap = matplotlib.colormaps[colors.DIVERGING].with_extremes(bad=colors.NOT_A_NUMBER)
    limit = picture.limit or 1.0
    rows, columns = picture.cells.shape
    square = len(picture.rows) > 1 and len(picture.columns) > 1
    cells = np.where(np.isinf(picture.cells), np.nan, picture.cells)
    image = axes.imshow(
        cells, cmap=colormap, vmin=-limit, vmax=limit, interpolation="nearest", aspect="equal" if square else "auto",
        extent=(-0.5, columns * picture.column_step - 0.5, rows * picture.row_step - 0.5, -0.5),
    )  # fmt: skip
    infinite = np.argwhere(np.isinf(picture.cells))
    if len(infinite):
        axes.plot(infinite[:, 1] * picture.column_step, infinite[:, 0] * picture.row_step, "s", color=colors.INFINITE, ms=4)
    axes.locator_params(integer=True)
    axes.set(xlabel=_names(picture.columns), ylabel=_names(picture.rows))
    _draw_blocks(axes, picture)
    figure.colorbar(image, ax=axes)


def _draw_blocks(axes: Axes, picture: MatrixPicture) -> None:
    """Draw lines between named blocks, or between the windows of a convolution, and say what they are."""
    for border in _borders(picture.columns):
        axes.axvline(border - 0.5, color="0.3", linewidth=0.8)
    for border in _borders(picture.rows):
        axes.axhline(border - 0.5, color="0.3", linewidth=0.8)
    for side, axis in ((picture.columns, axes.xaxis), (picture.rows, axes.yaxis)):
        if side[0].labels or len(side) > 1:
            axis.set_ticks(*_ticks(side))
    if picture.columns[0].labels:
        axes.tick_params(axis="x", rotation=90, labelsize=7)
    if picture.rows[0].labels:
        axes.tick_params(axis="y", labelsize=7)
    inner = math.prod(axis.size for axis in picture.columns[1:])
    for block in picture.columns[0].blocks if picture.columns[0].is_split else ():
        center = (block.start + block.stop) * inner / 2 - 0.5
        axes.annotate(block.name, (center, 1.01), xycoords=("data", "axes fraction"), ha="center", fontsize=8)


def _borders(side: tuple[Axis, ...]) -> list[int]:
    inner = math.prod(axis.size for axis in side[1:])
    if side[0].blocks:
        return [block.start * inner for block in side[0].blocks[1:]]
    return list(range(inner, side[0].size * inner, inner)) if len(side) > 1 and side[0].size <= MOST_WINDOWS else []


def _ticks(side: tuple[Axis, ...]) -> tuple[list[float], list[str]]:
    """Return the middles of the outermost axis' entries and their labels or indexes, as many as there is room for."""
    outer = side[0]
    inner = math.prod(axis.size for axis in side[1:])
    indexes = range(0, outer.size, -(-outer.size // (32 if outer.labels else 16)))
    names = [textwrap.shorten(outer.labels[i], 16, placeholder="…") if outer.labels else str(i) for i in indexes]
    return [(index + 0.5) * inner - 0.5 for index in indexes], names


def _names(axes: tuple[Axis, ...]) -> str:
    return " x ".join(axis.name for axis in axes)
