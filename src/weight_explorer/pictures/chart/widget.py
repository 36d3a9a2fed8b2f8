"""Charts with axes, drawn by bqplot. A new picture updates the data of existing widgets and never changes their layout."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ipywidgets
import numpy as np
from bqplot import Axis, Figure, LinearScale, Lines, LogScale
from bqplot import Mark as MarkWidget
from matplotlib.ticker import LogLocator, MaxNLocator

from weight_explorer.pictures import colors, sections
from weight_explorer.pictures.data import Chart, ChartPicture, Mark
from weight_explorer.pictures.text import describe_picture
from weight_explorer.pictures.widget_tree import close_with_children

# The margins are the same with and without an x-axis label. Changing them while a chart is being created causes an error in
# the browser.
MARGINS = {"top": 8, "right": 16, "bottom": 40, "left": 72}
MAX_MARKED_POINTS = 30
# Charts are cached for reuse until the total number of widgets exceeds this limit. Each chart has about a dozen widgets, plus
# one per mark. Visible charts are always kept.
MAX_WIDGETS = 250

_Range = tuple[float, float]


class ChartsWidget(ipywidgets.GridBox):
    """Displays charts in a grid, with a legend above each.

    Charts are cached by their structure (the marks and scales), so going back and forth between pictures creates no new
    widgets.
    """

    def __init__(self) -> None:
        super().__init__()
        self.add_class("we-charts")
        self._charts: dict[tuple[_Structure, int], _ChartWidgets] = {}
        self._alt_text = sections.SectionsWidget(label="the picture in words")

    def show(self, picture: ChartPicture, name: str) -> None:
        """Draw a picture. Charts with the same structure only get new data."""
        self._alt_text.show(sections.paragraph(describe_picture(picture, name), tone="unseen"))
        x_ranges, y_ranges = axis_ranges(picture)
        shown: list[ipywidgets.Widget] = [self._alt_text]
        seen = Counter[_Structure]()
        for chart, x_range, y_range in zip(picture.charts, x_ranges, y_ranges, strict=True):
            structure = _structure(chart)
            panel = self._chart_widgets(structure, seen[structure], chart, x_range, y_range)
            seen[structure] += 1
            panel.show(chart, x_range, y_range)
            shown.append(panel.box)
        columns = f"repeat({picture.columns}, minmax(0, 1fr))"
        if self.layout.grid_template_columns != columns:
            self.layout.grid_template_columns = columns
        if list(self.children) != shown:
            self.children = shown
        self._close_unused(len(picture.charts))

    @property
    def parts(self) -> list[ipywidgets.Widget]:
        """All widgets that have a model in the browser."""
        return [self, self._alt_text, *(widget for chart in self._charts.values() for widget in chart.parts)]

    def _chart_widgets(
        self, structure: _Structure, number: int, chart: Chart, x_range: _Range, y_range: _Range
    ) -> _ChartWidgets:
        """Return the chart with this structure, new or from the cache. `number` distinguishes charts of the same structure."""
        key = structure, number
        panel = self._charts.pop(key, None) or _ChartWidgets(chart, x_range, y_range)
        self._charts[key] = panel
        return panel

    def _close_unused(self, num_visible: int) -> None:
        """Close the least recently used charts, except for those of the last picture."""
        num_widgets = sum(len(chart.parts) for chart in self._charts.values())
        for key in list(self._charts)[: len(self._charts) - num_visible]:
            if num_widgets <= MAX_WIDGETS:
                return
            parts = self._charts.pop(key).parts
            num_widgets -= len(parts)
            close_with_children(*parts)


class _ChartWidgets:
    """One chart: a bqplot figure. Its marks are identified by position."""

    def __init__(self, chart: Chart, x_range: _Range, y_range: _Range) -> None:
        # bqplot draws its data immediately, so the scales need finite limits from the start.
        self._x = LinearScale(**_scale_limits(x_range))
        self._y = (LogScale if chart.is_log else LinearScale)(**_scale_limits(y_range))
        self._unit_scale = LinearScale(min=0.0, max=1.0)
        self._marks = [self._mark(mark, y_range) for mark in chart.marks]
        self._x_axis = Axis(scale=self._x, grid_lines="none", tick_format=".4~g", label_offset="28px")
        self._y_axis = Axis(scale=self._y, side="left", tick_format=".0e" if chart.is_log else ".4~g", label_offset="56px")
        self._legend = sections.SectionsWidget()
        self._figure = Figure(
            marks=self._marks,
            axes=[self._x_axis, self._y_axis],
            fig_margin=MARGINS,
            animation_duration=0,
            padding_x=0,
            padding_y=0,
            min_aspect_ratio=0.01,
            max_aspect_ratio=100,
            layout=ipywidgets.Layout(width="100%", height="auto", min_height="0", min_width="0", flex="1 1 0"),
        )
        self.box = ipywidgets.VBox([self._legend, self._figure])
        self.box.add_class("we-chart")

    def _mark(self, mark: Mark, y_range: _Range) -> MarkWidget:
        kind = _MARK_KINDS[mark.kind]
        scales = {"x": self._x, "y": self._y if kind.uses_y_scale else self._unit_scale}
        return kind.widget(scales=scales, **kind.style(mark), **kind.data(mark, y_range[0]))

    @property
    def parts(self) -> list[ipywidgets.Widget]:
        scales = [self._x, self._y, self._unit_scale]
        return [self.box, self._legend, self._figure, *scales, self._x_axis, self._y_axis, *self._marks]

    def show(self, chart: Chart, x_range: _Range, y_range: _Range) -> None:
        named = sorted((mark for mark in chart.marks if mark.name), key=lambda mark: mark.kind == "rules")
        entries = [(mark.name, colors.MARK_COLORS[mark.color], _swatch(mark)) for mark in named]
        self._legend.show(sections.legend_line(([(chart.title, "transparent", "none")] if chart.title else []) + entries))
        _set_traits(self._x, _scale_limits(x_range))
        _set_traits(self._y, _scale_limits(y_range))
        _set_traits(self._x_axis, {"label": chart.x_label, "tick_values": _ticks(x_range)})
        _set_traits(self._y_axis, {"label": chart.y_label} | _y_ticks(chart, y_range))
        for widget, mark in zip(self._marks, chart.marks, strict=True):
            _set_traits(widget, _MARK_KINDS[mark.kind].data(mark, y_range[0]))


_Structure = tuple[bool, tuple[tuple[str, str], ...]]


def _structure(chart: Chart) -> _Structure:
    return (chart.is_log, tuple((mark.kind, mark.color) for mark in chart.marks))


def _swatch(mark: Mark) -> str:
    if mark.color in colors.DASHED_MARKS:
        return "rules-dashed" if mark.kind == "rules" else "dashed"
    return "line" if mark.kind == "steps" and mark.color != "now" else mark.kind


def _set_traits(widget: ipywidgets.Widget, traits: dict[str, Any]) -> None:
    """Set several traits in one message."""
    with widget.hold_sync():
        for name, value in traits.items():
            setattr(widget, name, value)


# -- marks ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _MarkKind:
    """A kind of mark: its widget class, its style, and its data, which depends on the mark and the lower end of the y axis.

    Marks that do not use the y scale have a scale from 0 to 1 instead.
    """

    style: Callable[[Mark], dict[str, Any]]
    data: Callable[[Mark, float], dict[str, Any]]
    widget: Callable[..., MarkWidget] = Lines
    uses_y_scale: bool = True


def _line_style(mark: Mark) -> dict[str, Any]:
    style = "dashed" if mark.color in colors.DASHED_MARKS else "solid"
    return {"colors": [colors.MARK_COLORS[mark.color]], "stroke_width": 2, "line_style": style}


def _line_data(mark: Mark, floor: float) -> dict[str, Any]:
    # bqplot draws a NaN inside a line as a gap, but places a dot at an invalid position. NaNs at the ends can be dropped.
    known = np.flatnonzero(np.isfinite(mark.y))
    ends = slice(known[0], known[-1] + 1) if known.size else slice(0, 1)
    x, y = mark.x[ends], np.where(np.isinf(mark.y[ends]), np.nan, mark.y[ends])
    if known.size < len(x) or not known.size:
        x, y = _split_at_gaps(x, y) if known.size else (np.zeros(1), np.full(1, floor))  # hidden, but valid on a log axis
    marker = "circle" if len(x) <= MAX_MARKED_POINTS and known.size == len(x) else None
    return {"x": x, "y": y, "marker": marker, "marker_size": 20, "visible": bool(known.size)}


def _split_at_gaps(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split a line at its gaps into rows of equal length, padded by repeating the last point of each.

    bqplot also draws a gap for a NaN, but then tries to draw a dot there, which logs an error in the browser.
    """
    is_known = np.isfinite(y)
    starts = np.flatnonzero(is_known & ~np.r_[False, is_known[:-1]])
    stops = np.flatnonzero(is_known & ~np.r_[is_known[1:], False])
    places = np.minimum(starts[:, None] + np.arange((stops - starts).max() + 1), stops[:, None])
    return x[places], y[places]


def _band_style(mark: Mark) -> dict[str, Any]:
    color = colors.MARK_COLORS[mark.color]
    filled = {"fill": "between", "fill_colors": [color], "fill_opacities": [0.2]}
    return {"colors": [color, color], "opacities": [0.0, 0.0], **filled}


def _band_data(mark: Mark, _: float) -> dict[str, Any]:
    ends = np.stack([mark.y, mark.y if mark.upper is None else mark.upper])
    return {"x": mark.x, "y": np.where(np.isinf(ends), np.nan, ends)}


def _steps_style(mark: Mark) -> dict[str, Any]:
    filled = {"fill": "bottom" if mark.color == "now" else "none", "fill_opacities": [0.35]}
    color = colors.MARK_COLORS[mark.color]
    style = "dashed" if mark.color in colors.DASHED_MARKS else "solid"
    looks = {"colors": [color], "fill_colors": [color], "stroke_width": 1.5, "line_style": style}
    return {"interpolation": "step-after", **looks, **filled}


def _steps_data(mark: Mark, floor: float) -> dict[str, Any]:
    # bqplot draws a step after each point, so the last edge closes the last bin.
    heights = np.append(mark.y, mark.y[-1])
    return {"x": mark.x, "y": np.where(np.isnan(heights), floor, heights)}


def _rules_style(mark: Mark) -> dict[str, Any]:
    width, opacity = (1, 0.25) if mark.color in colors.FAINT_MARKS else (2, 0.9)
    style = "dashed" if mark.color in colors.DASHED_MARKS else "solid"
    return {"colors": [colors.MARK_COLORS[mark.color]], "stroke_width": width, "opacities": [opacity], "line_style": style}


def _rules_data(mark: Mark, _: float) -> dict[str, Any]:
    # bqplot does not accept empty arrays.
    x = mark.x if len(mark.x) else np.zeros(1)
    return {"x": np.stack([x, x], axis=1), "y": np.tile([0.0, 1.0], (len(x), 1)), "visible": bool(len(mark.x))}


def _ridges_style(mark: Mark) -> dict[str, Any]:
    tones = list(colors.ramp("start", mark.color, len(mark.y)))
    opacities = [0.5] * len(mark.y)
    filled = {"close_path": True, "fill": "inside", "fill_colors": tones, "fill_opacities": opacities}
    return {"colors": tones, "stroke_width": 1.2, **filled}


def _ridges_data(mark: Mark, _: float) -> dict[str, Any]:
    # The style is set again because the number of ridges can change. float32 is precise enough for the screen.
    return {"x": mark.x.astype(np.float32), "y": mark.y.astype(np.float32), **_ridges_style(mark)}


def _dots_style(mark: Mark) -> dict[str, Any]:
    return {"colors": [colors.MARK_COLORS[mark.color]], "stroke_width": 4, "opacities": [0.6]}


def _dots_data(mark: Mark, _: float) -> dict[str, Any]:
    # Draw the dots as short strokes in one path. bqplot creates an element for each dot, and thousands of them take longer
    # than a frame.
    if not len(mark.x):
        return {"x": np.zeros(1), "y": np.full(1, np.nan)}
    half = (float(np.ptp(mark.x)) or 1.0) * 0.003
    x = np.stack([mark.x - half, mark.x + half, mark.x + half], axis=1)
    y = np.stack([mark.y, mark.y, np.full(len(mark.y), np.nan)], axis=1)
    # Drop the last gap. bqplot places the name of a curve at its last point, even if the name is hidden.
    return {"x": x.reshape(-1)[:-1].astype(np.float32), "y": y.reshape(-1)[:-1].astype(np.float32)}


_MARK_KINDS: dict[str, _MarkKind] = {
    "dots": _MarkKind(_dots_style, _dots_data),
    "line": _MarkKind(_line_style, _line_data),
    "band": _MarkKind(_band_style, _band_data),
    "steps": _MarkKind(_steps_style, _steps_data),
    "rules": _MarkKind(_rules_style, _rules_data, uses_y_scale=False),
    "ridges": _MarkKind(lambda _: {}, _ridges_data),
}


# -- ranges and ticks ----------------------------------------------------------------------------------------------------


def axis_ranges(picture: ChartPicture) -> tuple[list[_Range], list[_Range]]:
    """Return the ranges of the x axis and y axis of each chart. Shared axes have the same range."""
    found = {"x": [_x_range(chart) for chart in picture.charts], "y": [_y_range(chart) for chart in picture.charts]}
    for name in picture.shared_axes:
        ends = np.array(found[name])
        found[name] = [(float(ends[:, 0].min()), float(ends[:, 1].max()))] * len(ends)
    return found["x"], found["y"]


def _scale_limits(numbers: _Range) -> dict[str, float]:
    return {"min": numbers[0], "max": numbers[1]}


def _x_range(chart: Chart) -> _Range:
    low, high = _extent([mark.x for mark in chart.marks])
    return (low, high if high > low else low + 1.0)


def _y_range(chart: Chart) -> _Range:
    """Return a nonempty range for all finite values, with a margin. Including a single Inf would flatten the whole chart."""
    low, high = _extent([part for mark in chart.marks for part in (mark.y, mark.upper) if part is not None], log=chart.is_log)
    if chart.is_log:
        # Cover more than one decade so that at least one power of ten has a label.
        margin = 1.5 if high > 10 * low else 3.4
        return low / margin, high * margin
    if any(mark.kind == "steps" for mark in chart.marks):
        return 0.0, high * 1.05 or 1.0
    margin = (high - low) * 0.05 or abs(low) * 0.1 or 1.0
    return low - margin, high + margin


def _extent(arrays: list[np.ndarray], *, log: bool = False) -> _Range:
    numbers = np.concatenate([array.reshape(-1) for array in arrays]) if arrays else np.empty(0)
    finite = numbers[np.isfinite(numbers)]
    finite = finite[finite > 0] if log else finite
    return (float(finite.min()), float(finite.max())) if finite.size else (1.0, 1.0) if log else (0.0, 0.0)


def _y_ticks(chart: Chart, y_range: _Range) -> dict[str, Any]:
    if chart.y_ticks:
        places = np.array([place for place, _ in chart.y_ticks], np.float64)
        # bqplot looks up tick labels by the number as JavaScript formats it.
        return {"tick_values": places, "tick_labels": {f"{place:g}": words for place, words in chart.y_ticks}}
    counts = any(mark.kind == "steps" for mark in chart.marks)
    return {"tick_values": _ticks(y_range, log=chart.is_log, integer=counts), "tick_labels": None}


@functools.lru_cache(maxsize=64)
def _ticks(numbers: _Range, *, log: bool = False, integer: bool = False) -> np.ndarray:
    """Return round tick values within a range. bqplot's own ticks divide it evenly, for example at -1.02 and -0.332."""
    low, high = numbers
    if log and math.log10(high / low) > 1:
        ticks = 10.0 ** np.arange(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
        return _read_only(ticks[:: max(1, -(-len(ticks) // 5))])
    locator = LogLocator(numticks=5) if log else MaxNLocator(5, integer=integer)
    ticks = np.asarray(locator.tick_values(low, high))
    return _read_only(ticks[(ticks >= low) & (ticks <= high)])


def _read_only(ticks: np.ndarray) -> np.ndarray:
    """Return the array as read-only, so that it can be shared."""
    ticks.setflags(write=False)
    return ticks
