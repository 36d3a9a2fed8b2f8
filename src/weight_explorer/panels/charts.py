"""Charts with axes, by bqplot. What stands is changed in place: a new picture moves the data, never the layout."""

from __future__ import annotations

import ipywidgets
import numpy as np
from bqplot import Axis, Figure, LinearScale, Lines, LogScale

from weight_explorer.panels import colors, details
from weight_explorer.views.pictures import Chart, ChartPicture, Mark

MARGINS = {"top": 8, "right": 16, "left": 72, "bottom": 36}
FEW_POINTS = 30


class ChartsPanel(ipywidgets.VBox):
    """Draws one chart or several above each other, with a legend over each."""

    def __init__(self) -> None:
        super().__init__()
        self.add_class("we-charts")
        self._charts: list[_ChartPanel] = []

    def show(self, picture: ChartPicture) -> None:
        """Draw a picture; charts of the same structure only take the new numbers."""
        structure = [_structure(chart) for chart in picture.charts]
        if structure != [chart.structure for chart in self._charts]:
            self._charts = [_ChartPanel(chart) for chart in picture.charts]
            self.children = [widget for chart in self._charts for widget in (chart.legend, chart.figure)]
        for panel, chart in zip(self._charts, picture.charts, strict=True):
            panel.show(chart)

    @property
    def widgets(self) -> list[ipywidgets.Widget]:
        """All widgets with a page side of their own."""
        return [self, *(widget for chart in self._charts for widget in chart.widgets)]


class _ChartPanel:
    """One chart: a bqplot figure whose marks are looked up by their place."""

    def __init__(self, chart: Chart) -> None:
        self.structure = _structure(chart)
        self._x = LinearScale()
        self._y = LogScale() if chart.log else LinearScale()
        self._lines = [_lines(mark, self._x, self._y) for mark in chart.marks]
        self._x_axis = Axis(scale=self._x, grid_lines="none", num_ticks=6)
        self._y_axis = Axis(
            scale=self._y, orientation="vertical", label_offset="56px", num_ticks=5, tick_format=".1e" if chart.log else ".3g"
        )
        self.legend = details.DetailsPanel()
        self.figure = Figure(
            marks=self._lines,
            axes=[self._x_axis, self._y_axis],
            fig_margin=MARGINS,
            animation_duration=0,
            min_aspect_ratio=0.01,
            max_aspect_ratio=100,
        )
        self.figure.layout = ipywidgets.Layout(width="100%", height="auto", min_height="0", min_width="0", flex="1 1 0")
        self._legend_entries = [(mark.name, colors.MARKS[mark.color], mark.kind) for mark in chart.marks]

    @property
    def widgets(self) -> list[ipywidgets.Widget]:
        return [self.legend, self.figure, self._x, self._y, self._x_axis, self._y_axis, *self._lines]

    def show(self, chart: Chart) -> None:
        self._x_axis.label, self._y_axis.label = chart.x_label, chart.y_label
        self.legend.show(details.legend(self._legend_entries))
        _set_range(self._x, _span(np.concatenate([mark.x for mark in chart.marks]), log=False, margin=0.0))
        heights = np.concatenate([np.ravel(part) for mark in chart.marks for part in (mark.y, mark.upper) if part is not None])
        floor = [0.0] if any(mark.kind == "steps" for mark in chart.marks) else []
        _set_range(self._y, _span(np.concatenate([heights, floor]), log=chart.log, margin=0.05, floor=bool(floor)))
        for lines, mark in zip(self._lines, chart.marks, strict=True):
            _set_mark(lines, mark)


def _structure(chart: Chart) -> tuple[object, ...]:
    return (chart.log, tuple((mark.kind, mark.name, mark.color) for mark in chart.marks))


def _lines(mark: Mark, x: LinearScale, y: LinearScale | LogScale) -> Lines:
    color = colors.MARKS[mark.color]
    looks = {
        "line": {"stroke_width": 2},
        "band": {"fill": "between", "fill_colors": [color], "fill_opacities": [0.2], "opacities": [0.0, 0.0]},
        "steps": {
            "interpolation": "step-after",
            "stroke_width": 1.5,
            "fill": "bottom" if mark.color == "now" else "none",
            "fill_colors": [color],
            "fill_opacities": [0.35],
        },
    }[mark.kind]
    return Lines(x=np.zeros(1), y=np.zeros(1), scales={"x": x, "y": y}, colors=[color, color], **looks)


def _set_mark(lines: Lines, mark: Mark) -> None:
    x, y = mark.x, mark.y
    if mark.kind == "steps":
        # bqplot draws a step after each point; the last edge closes the last bin.
        y = np.append(y, y[-1])
    if mark.kind == "band" and mark.upper is not None:
        y = np.stack([mark.y, mark.upper])
    with lines.hold_sync():
        lines.x, lines.y = x, y
        if mark.kind == "line":
            lines.marker = "circle" if len(x) <= FEW_POINTS else None
            lines.marker_size = 20


def _span(numbers: np.ndarray, *, log: bool, margin: float, floor: bool = False) -> tuple[float, float]:
    """Return a range for finite numbers with a margin, never an empty one: one Inf would flatten the whole chart."""
    finite = numbers[np.isfinite(numbers)]
    if log:
        finite = finite[finite > 0]
    if not finite.size:
        return (1e-3, 1.0) if log else (0.0, 1.0)
    low, high = float(finite.min()), float(finite.max())
    if log:
        return low / 2, high * 2
    if low == high:
        half = abs(low) * 0.1 or 1.0
        return (0.0 if floor or margin == 0 else low - half), high + half
    pad = (high - low) * margin
    return (low if floor else low - pad), high + pad


def _set_range(scale: LinearScale | LogScale, span: tuple[float, float]) -> None:
    with scale.hold_sync():
        scale.min, scale.max = span
