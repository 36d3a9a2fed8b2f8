"""Pictures as matplotlib figures: for saving, and for where no kernel runs. Never pyplot, whose state is global."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from weight_explorer.catalog.nodes import Axis
from weight_explorer.panels import colors
from weight_explorer.views.pictures import Chart, ChartPicture, EmptyPicture, Mark, MatrixPicture, Picture


def figure_of(picture: Picture, title: str) -> Figure:
    """Draw a picture as a new figure of 8 x 4.5 inches, with its caption below."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    figure.suptitle(title, fontsize=11)
    _DRAW[type(picture)](figure, picture)
    if not isinstance(picture, EmptyPicture):
        figure.supxlabel(picture.caption, fontsize=8, color="0.35", wrap=True)
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
    axes.set_xlabel(_names(picture.columns))
    axes.set_ylabel(_names(picture.rows))
    _draw_blocks(axes, picture)
    figure.colorbar(image, ax=axes)


def _draw_blocks(axes: Axes, picture: MatrixPicture) -> None:
    if len(picture.columns) == 1:
        for block in picture.columns[0].blocks:
            center = (block.start + block.stop) / 2 - 0.5
            axes.annotate(block.name, (center, 1.01), xycoords=("data", "axes fraction"), ha="center", fontsize=8)
            if block.start:
                axes.axvline(block.start - 0.5, color="0.3", linewidth=0.8)
    if len(picture.rows) == 1:
        for block in picture.rows[0].blocks[1:]:
            axes.axhline(block.start - 0.5, color="0.3", linewidth=0.8)


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
    axes.legend(fontsize=8)


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
    figure.text(0.5, 0.5, picture.caption, ha="center", va="center", wrap=True)


_MARKS: dict[str, Callable[[Axes, Mark], None]] = {"line": _draw_line, "band": _draw_band, "steps": _draw_steps}
_DRAW: dict[type, Callable[[Figure, Any], None]] = {
    MatrixPicture: _draw_matrix,
    ChartPicture: _draw_charts,
    EmptyPicture: _draw_empty,
}
