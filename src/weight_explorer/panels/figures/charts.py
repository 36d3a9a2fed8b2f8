"""Charts in matplotlib."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from weight_explorer.panels import colors
from weight_explorer.views.pictures import Chart, ChartPicture, Mark


def draw_charts(figure: FigureBase, picture: ChartPicture) -> None:
    """Draw the charts above each other, over a common x axis."""
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


_MARKS: dict[str, Callable[[Axes, Mark], None]] = {"line": _draw_line, "band": _draw_band, "steps": _draw_steps}
