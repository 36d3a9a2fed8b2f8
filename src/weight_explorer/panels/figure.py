"""Pictures as matplotlib figures: for saving, and for where no kernel runs. Never pyplot, whose state is global."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weight_explorer.catalog.nodes import Axis
from weight_explorer.panels import colors
from weight_explorer.views.pictures import Chart, ChartPicture, EmptyPicture, Mark, MatrixPicture, Picture

# More windows than this along a side are not told apart by lines: there would be more line than picture.
MOST_WINDOWS = 64


class PictureFigure(Figure):
    """A figure that shows itself in a notebook, also where nobody has imported pyplot."""

    def _repr_png_(self) -> bytes:
        return png_of(self, dpi=100)


def figure_of(picture: Picture, title: str) -> Figure:
    """Draw a picture as a new figure of 8 x 4.5 inches, with its caption below."""
    figure = PictureFigure(figsize=(8, 4.5))
    # Fixed margins: matplotlib's layout engines draw everything twice, which doubles the time to display.
    figure.subplots_adjust(left=0.1, right=0.97, top=0.86, bottom=0.2, hspace=0.45)
    figure.suptitle(title, fontsize=11, parse_math=False)
    _DRAW[type(picture)](figure, picture)
    if not isinstance(picture, EmptyPicture):
        caption = "\n".join(textwrap.wrap(picture.caption, 120))
        figure.text(0.5, 0.02, caption, ha="center", va="bottom", fontsize=8, color="0.35", parse_math=False)
    return figure


def png_of(figure: Figure, dpi: int = 80) -> bytes:
    """Return a figure as a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def _draw_matrix(figure: Figure, picture: MatrixPicture) -> None:
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


def _draw_charts(figure: Figure, picture: ChartPicture) -> None:
    panels = np.atleast_1d(figure.subplots(len(picture.charts), sharex=True))
    for axes, chart in zip(panels, picture.charts, strict=True):
        _draw_chart(axes, chart)


def _draw_chart(axes: Axes, chart: Chart) -> None:
    for mark in chart.marks:
        _MARKS[mark.kind](axes, mark)
    axes.set(xlabel=chart.x_label, ylabel=chart.y_label, title=chart.title)
    if chart.log and any(np.any(mark.y > 0) for mark in chart.marks):
        axes.set_yscale("log")
    # Above the chart, where it covers nothing.
    axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 0.98), ncol=len(chart.marks), frameon=False)


def _draw_line(axes: Axes, mark: Mark) -> None:
    marker = "o" if len(mark.x) <= 30 else None
    axes.plot(mark.x, mark.y, label=mark.name, color=colors.MARKS[mark.color], marker=marker, markersize=3)


def _draw_band(axes: Axes, mark: Mark) -> None:
    upper = mark.y if mark.upper is None else mark.upper
    axes.fill_between(mark.x, mark.y, upper, label=mark.name, color=colors.MARKS[mark.color], alpha=0.2, linewidth=0)


def _draw_steps(axes: Axes, mark: Mark) -> None:
    color = colors.MARKS[mark.color]
    filled = mark.color == "now"
    axes.stairs(mark.y, mark.x, label=mark.name, color=color, fill=filled, alpha=0.5 if filled else 1)


def _draw_empty(figure: Figure, picture: EmptyPicture) -> None:
    figure.text(0.5, 0.5, "\n".join(textwrap.wrap(picture.caption, 90)), ha="center", va="center", parse_math=False)


_MARKS: dict[str, Callable[[Axes, Mark], None]] = {"line": _draw_line, "band": _draw_band, "steps": _draw_steps}
_DRAW: dict[type, Callable[[Figure, Any], None]] = {
    MatrixPicture: _draw_matrix,
    ChartPicture: _draw_charts,
    EmptyPicture: _draw_empty,
}
