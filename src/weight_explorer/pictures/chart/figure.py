"""Draws charts with matplotlib."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from weight_explorer.pictures import colors
from weight_explorer.pictures.data import Chart, ChartPicture, Mark
from weight_explorer.pictures.ticks import FullFormatter

MAX_MARKED_POINTS = 30
# Width in inches of a digit of a tick label, and of the remaining space next to the axis.
DIGIT_INCHES, LABEL_INCHES = 0.09, 0.42
# Legends with more names than this are placed beside the chart, in one column.
MAX_LEGEND_ABOVE = 4


def draw_charts(figure: FigureBase, picture: ChartPicture) -> None:
    """Draw the charts in a grid, with their shared axes."""
    num_rows = math.ceil(len(picture.charts) / picture.columns)
    grid = figure.subplots(
        num_rows,
        picture.columns,
        sharex="x" in picture.shared_axes,
        sharey="y" in picture.shared_axes,
        squeeze=False,
        gridspec_kw={"right": 0.97 if max(map(_num_named, picture.charts)) <= MAX_LEGEND_ABOVE else 0.72},
    )
    for axes, chart in zip(grid.flat, picture.charts, strict=False):
        _draw_chart(axes, chart)
    for axes in list(grid.flat)[len(picture.charts) :]:
        axes.set_axis_off()
    _widen_left_margin(
        figure, [axes for axes, chart in zip(grid.flat, picture.charts, strict=False) if not (chart.is_log or chart.y_ticks)]
    )


def _widen_left_margin(figure: Any, all_axes: list[Axes]) -> None:
    """Widen the left margin if tick labels are long. Axis labels are placed farther left."""
    # Typed as `Any` because a figure and a subfigure both have margins and a size, but `FigureBase` does not declare them.
    labels = [label for axes in all_axes for label in axes.yaxis.get_major_formatter().format_ticks(list(axes.get_yticks()))]
    inches = LABEL_INCHES + DIGIT_INCHES * max(map(len, labels), default=0)
    figure.subplots_adjust(left=max(figure.subplotpars.left, inches / (figure.bbox.width / figure.dpi)))


def _draw_chart(axes: Axes, chart: Chart) -> None:
    for mark in chart.marks:
        _DRAW_MARK[mark.kind](axes, mark)
    axes.set(xlabel=chart.x_label, ylabel=chart.y_label)
    axes.set_title(chart.title, loc="right", fontsize=9, parse_math=False)
    if chart.y_ticks:
        axes.set_yticks(*zip(*chart.y_ticks, strict=True))
    else:
        axes.yaxis.set_major_formatter(FullFormatter())
    if chart.is_log and any(np.any(mark.y > 0) for mark in chart.marks):
        axes.set_yscale("log")
    _draw_legend(axes, chart)


def _num_named(chart: Chart) -> int:
    return sum(bool(mark.name) for mark in chart.marks)


def _draw_legend(axes: Axes, chart: Chart) -> None:
    """Draw the legend outside the axes: above the chart, or beside it."""
    count = _num_named(chart)
    if not count:
        return
    if count <= MAX_LEGEND_ABOVE:
        place = {"loc": "lower left", "bbox_to_anchor": (0, 0.98), "ncol": count}
    else:
        place = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.05)}
    for words in axes.legend(fontsize=8, frameon=False, **place).get_texts():
        words.set_parse_math(False)
        words.set_text(textwrap.shorten(words.get_text(), 40, placeholder="…"))


def _label(mark: Mark) -> str:
    # matplotlib hides legend entries that start with an underscore, and layer names may start with one.
    return f"\u200b{mark.name}" if mark.name else "_nothing"


def _draw_line(axes: Axes, mark: Mark) -> None:
    marker = "o" if len(mark.x) <= MAX_MARKED_POINTS else None
    style = "--" if mark.color in colors.DASHED_MARKS else "-"
    axes.plot(mark.x, mark.y, style, label=_label(mark), color=colors.MARK_COLORS[mark.color], marker=marker, markersize=3)


def _draw_band(axes: Axes, mark: Mark) -> None:
    upper = mark.y if mark.upper is None else mark.upper
    axes.fill_between(mark.x, mark.y, upper, label=_label(mark), color=colors.MARK_COLORS[mark.color], alpha=0.2, linewidth=0)


def _draw_steps(axes: Axes, mark: Mark) -> None:
    color = colors.MARK_COLORS[mark.color]
    filled = mark.color == "now"
    heights = np.nan_to_num(mark.y)  # becomes a gap on an axis that cannot show zero
    axes.stairs(heights, mark.x, label=_label(mark), color=color, fill=filled, alpha=0.5 if filled else 1)


def _draw_rules(axes: Axes, mark: Mark) -> None:
    width, alpha = (0.6, 0.35) if mark.color in colors.FAINT_MARKS else (1.4, 0.9)
    for place, x in enumerate(mark.x):
        label = "_nothing" if place else _label(mark)
        style = "--" if mark.color in colors.DASHED_MARKS else "-"
        axes.axvline(
            x, color=colors.MARK_COLORS[mark.color], linestyle=style, linewidth=width, alpha=alpha, label=label, zorder=0.5
        )


def _draw_ridges(axes: Axes, mark: Mark) -> None:
    tones = colors.ramp("start", mark.color, len(mark.y))
    for place, (row, color) in enumerate(zip(mark.y, tones, strict=True)):
        label = _label(mark) if place == len(mark.y) - 1 else "_nothing"
        axes.fill_between(mark.x, row[0], row, facecolor="white", linewidth=0, alpha=0.6, zorder=2 + place * 0.01)
        axes.fill_between(
            mark.x, row[0], row, facecolor=color, edgecolor=color, alpha=0.6, label=label, zorder=2 + place * 0.01
        )


def _draw_dots(axes: Axes, mark: Mark) -> None:
    color = colors.MARK_COLORS[mark.color]
    axes.plot(mark.x, mark.y, ".", label=_label(mark), color=color, alpha=0.5, markersize=3, markeredgewidth=0)


_DRAW_MARK: dict[str, Callable[[Axes, Mark], None]] = {
    "line": _draw_line,
    "band": _draw_band,
    "steps": _draw_steps,
    "rules": _draw_rules,
    "dots": _draw_dots,
    "ridges": _draw_ridges,
}
