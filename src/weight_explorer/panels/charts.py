"""Charts with axes, by bqplot. What stands is changed in place: a new picture moves the data, never the layout."""

from __future__ import annotations

from typing import Any

import ipywidgets
import numpy as np
from bqplot import Axis, Figure, LinearScale, Lines, LogScale
from matplotlib.ticker import LogLocator, MaxNLocator

from weight_explorer.panels import colors, details
from weight_explorer.views.pictures import Chart, ChartPicture, Mark
from weight_explorer.views.words import words_of

MARGINS = {"top": 8, "right": 16, "left": 72}
FEW_POINTS = 30


class ChartsPanel(ipywidgets.VBox):
    """Draws one chart or several above each other, with a legend over each.

    Charts are kept by their structure (which marks, which scales): going back and forth makes no new widgets.
    """

    def __init__(self) -> None:
        super().__init__()
        self.add_class("we-charts")
        self._charts: dict[_Structure, _ChartPanel] = {}
        self._words = details.DetailsPanel(label="the picture in words")

    def show(self, picture: ChartPicture, name: str) -> None:
        """Draw a picture; charts of the same structure only take the new numbers."""
        self._words.show(details.text(words_of(picture, name), tone="unseen"))
        shown: list[ipywidgets.Widget] = [self._words]
        for chart in picture.charts:
            structure = _structure(chart)
            if structure not in self._charts:
                self._charts[structure] = _ChartPanel(chart)
            panel = self._charts[structure]
            panel.show(chart)
            shown += [panel.legend, panel.figure]
        if list(self.children) != shown:
            self.children = shown

    @property
    def parts(self) -> list[ipywidgets.Widget]:
        """All widgets with a page side of their own."""
        return [self, self._words, *(widget for chart in self._charts.values() for widget in chart.parts)]


class _ChartPanel:
    """One chart: a bqplot figure whose marks are looked up by their place."""

    def __init__(self, chart: Chart) -> None:
        # bqplot draws what it is given at once, so it must be given real numbers from the start.
        self._x = LinearScale(**_x_range(chart))
        self._y = (LogScale if chart.log else LinearScale)(**_y_range(chart))
        self._lines = [Lines(scales={"x": self._x, "y": self._y}, **_looks(mark), **_numbers(mark)) for mark in chart.marks]
        self._x_axis = Axis(scale=self._x, grid_lines="none", tick_format=".4~g", label_offset="28px")
        self._y_axis = Axis(scale=self._y, side="left", tick_format=".0e" if chart.log else ".4~g", label_offset="56px")
        self.legend = details.DetailsPanel()
        self.legend.show(details.legend((mark.name, colors.MARKS[mark.color], _swatch(mark)) for mark in chart.marks))
        self.figure = Figure(
            marks=self._lines,
            axes=[self._x_axis, self._y_axis],
            fig_margin=MARGINS | {"bottom": 40 if chart.x_label else 24},
            animation_duration=0,
            padding_x=0,
            padding_y=0,
            min_aspect_ratio=0.01,
            max_aspect_ratio=100,
        )
        self.figure.layout = ipywidgets.Layout(width="100%", height="auto", min_height="0", min_width="0", flex="1 1 0")

    @property
    def parts(self) -> list[ipywidgets.Widget]:
        return [self.legend, self.figure, self._x, self._y, self._x_axis, self._y_axis, *self._lines]

    def show(self, chart: Chart) -> None:
        _set(self._x, _x_range(chart))
        _set(self._y, _y_range(chart))
        _set(self._x_axis, {"label": chart.x_label, "tick_values": _ticks(self._x, log=False)})
        counts = any(mark.kind == "steps" for mark in chart.marks)
        _set(self._y_axis, {"label": chart.y_label, "tick_values": _ticks(self._y, log=chart.log, integer=counts)})
        for lines, mark in zip(self._lines, chart.marks, strict=True):
            _set(lines, _numbers(mark))


_Structure = tuple[bool, str, tuple[tuple[str, str, str], ...]]


def _structure(chart: Chart) -> _Structure:
    return (chart.log, chart.x_label, tuple((mark.kind, mark.name, mark.color) for mark in chart.marks))


def _swatch(mark: Mark) -> str:
    return "line" if mark.kind == "steps" and mark.color != "now" else mark.kind


def _set(widget: ipywidgets.Widget, traits: dict[str, Any]) -> None:
    """Set several traits in one message."""
    with widget.hold_sync():
        for name, value in traits.items():
            setattr(widget, name, value)


def _looks(mark: Mark) -> dict[str, Any]:
    color = colors.MARKS[mark.color]
    kinds: dict[str, dict[str, Any]] = {
        "line": {"stroke_width": 2},
        "band": {"fill": "between", "fill_colors": [color], "fill_opacities": [0.2], "opacities": [0.0, 0.0]},
        "steps": {
            "interpolation": "step-after",
            "stroke_width": 1.5,
            "fill": "bottom" if mark.color == "now" else "none",
            "fill_colors": [color],
            "fill_opacities": [0.35],
        },
    }
    return {"colors": [color, color], **kinds[mark.kind]}


def _numbers(mark: Mark) -> dict[str, Any]:
    if mark.kind == "steps":
        # bqplot draws a step after each point; the last edge closes the last bin.
        return {"x": mark.x, "y": np.append(mark.y, mark.y[-1])}
    if mark.kind == "band":
        return {"x": mark.x, "y": np.stack([mark.y, mark.y if mark.upper is None else mark.upper])}
    # A NaN in between is a gap in a line, but a dot at an impossible place; those at the ends are not needed.
    known = np.flatnonzero(np.isfinite(mark.y))
    ends = slice(known[0], known[-1] + 1) if known.size else slice(0, 1)
    x, y = mark.x[ends], mark.y[ends]
    marker = "circle" if len(x) <= FEW_POINTS and known.size == len(x) else None
    return {"x": x, "y": y, "marker": marker, "marker_size": 20}


def _x_range(chart: Chart) -> dict[str, float]:
    low, high = _extent(np.concatenate([mark.x for mark in chart.marks]))
    return {"min": low, "max": high if high > low else low + 1.0}


def _y_range(chart: Chart) -> dict[str, float]:
    """Return a range for all finite numbers with a margin, never an empty one: one Inf would flatten the whole chart."""
    parts = [part for mark in chart.marks for part in (mark.y, mark.upper) if part is not None]
    low, high = _extent(np.concatenate(parts), log=chart.log)
    if chart.log:
        # More than a decade in any case, so that there is a power of ten to label.
        margin = 1.5 if high > 10 * low else 3.4
        return {"min": low / margin, "max": high * margin}
    if any(mark.kind == "steps" for mark in chart.marks):
        return {"min": 0.0, "max": high * 1.05 or 1.0}
    margin = (high - low) * 0.05 or abs(low) * 0.1 or 1.0
    return {"min": low - margin, "max": high + margin}


def _extent(numbers: np.ndarray, *, log: bool = False) -> tuple[float, float]:
    finite = numbers[np.isfinite(numbers)]
    finite = finite[finite > 0] if log else finite
    return (float(finite.min()), float(finite.max())) if finite.size else (1.0, 1.0) if log else (0.0, 0.0)


def _ticks(scale: LinearScale | LogScale, *, log: bool, integer: bool = False) -> np.ndarray:
    """Return round numbers within the range: bqplot's own ticks divide it evenly, into -1.02, -0.332 and the like."""
    low, high = float(scale.min or 0.0), float(scale.max or 0.0)
    locator = LogLocator(numticks=5) if log else MaxNLocator(5, integer=integer)
    ticks = np.asarray(locator.tick_values(low, high))
    return ticks[(ticks >= low) & (ticks <= high)]
