"""Charts as Python."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from weight_explorer.panels import colors
from weight_explorer.panels.codes.python import calls, literal, plain
from weight_explorer.views.origins import Origins
from weight_explorer.views.pictures import Chart, ChartPicture, Mark


def write_charts(picture: ChartPicture, name: str, origins: Origins, _: str) -> list[str]:
    """Write the lines that draw charts in rows and columns."""
    count = len(picture.charts)
    num_rows = math.ceil(count / picture.columns)
    shared = "".join(f", share{axis}=True" for axis in "xy" if axis in picture.shared)
    sizes = f"{num_rows}, {picture.columns}" if picture.columns > 1 else f"{num_rows}"
    lines = [
        "",
        f'figure, panels = plt.subplots({sizes}, figsize=(8, 4.5){shared}, squeeze=False, layout="constrained")',
        *calls("figure", suptitle=name),
    ]
    for place, chart in enumerate(picture.charts):
        lines += ["", f"axes = panels[{place // picture.columns}, {place % picture.columns}]", *chart_on_axes(chart, origins)]
    lines += [f"panels[-1, {i % picture.columns}].remove()" for i in range(count, num_rows * picture.columns)]
    return lines


def chart_on_axes(chart: Chart, origins: Origins) -> list[str]:
    """Write the lines that draw a chart on `axes`."""
    names = [mark.name for mark in chart.marks if mark.name]
    is_log = chart.log and any(np.any(mark.y > 0) for mark in chart.marks)
    return [
        *(line for mark in chart.marks for line in _MARKS[mark.kind](mark, origins)),
        *(['axes.set_yscale("log")'] if is_log else []),
        *([f"axes.set_yticks({_places(chart)})"] if chart.y_ticks else []),
        *calls("axes", set_title=chart.title, set_xlabel=chart.x_label, set_ylabel=chart.y_label),
        *(["axes.legend()"] if names and not plain(*names) else []),
        *(["for words in axes.legend().get_texts():", "    words.set_parse_math(False)"] if plain(*names) else []),
    ]


def _places(chart: Chart) -> str:
    places, words = zip(*chart.y_ticks, strict=True)
    return f"{list(places)}, {list(words)}{plain(*words)}"


def _python(array: np.ndarray, origins: Origins) -> str:
    return origins.find(array) or literal(array)


def _looks(mark: Mark) -> str:
    # matplotlib leaves out of a legend what begins with an underscore, as a layer's name may.
    label = "\u200b" * mark.name.startswith("_") + mark.name
    return f"color={colors.MARKS.get(mark.color, mark.color)!r}" + (f", label={label!r}" if mark.name else "")


def _line(mark: Mark, origins: Origins) -> list[str]:
    dashed = ', linestyle="--"' if mark.color in colors.DASHED else ""
    return [f"axes.plot({_python(mark.x, origins)}, {_python(mark.y, origins)}, {_looks(mark)}{dashed})"]


def _band(mark: Mark, origins: Origins) -> list[str]:
    x, y, upper = (_python(array, origins) for array in (mark.x, mark.y, mark.y if mark.upper is None else mark.upper))
    return [f"axes.fill_between({x}, {y}, {upper}, {_looks(mark)}, alpha=0.2, linewidth=0)"]


def _steps(mark: Mark, origins: Origins) -> list[str]:
    filled = ", fill=True, alpha=0.5" if mark.color == "now" else ""
    return [f"axes.stairs({_python(mark.y, origins)}, {_python(mark.x, origins)}, {_looks(mark)}{filled})"]


def _rules(mark: Mark, origins: Origins) -> list[str]:
    if not len(mark.x):
        return []
    faint = "linewidth=0.6, alpha=0.35" if mark.color in colors.FAINT else "linewidth=1.4, alpha=0.9"
    faint += ', linestyle="--"' if mark.color in colors.DASHED else ""
    height = "transform=axes.get_xaxis_transform()"
    return [f"axes.vlines({_python(mark.x, origins)}, 0, 1, {height}, {_looks(mark)}, {faint})"]


def _dots(mark: Mark, origins: Origins) -> list[str]:
    x, y = _python(mark.x, origins), _python(mark.y, origins)
    return [f'axes.plot({x}, {y}, ".", {_looks(mark)}, alpha=0.5, markersize=3)']


def _ridges(mark: Mark, origins: Origins) -> list[str]:
    tones = colors.ramp("start", mark.color, len(mark.y))
    return [
        f"x = {_python(mark.x, origins)}",
        f"ridges = {_python(mark.y, origins)}  # each begins where it is filled down to",
        f"for ridge, color in zip(ridges, {tones}):",
        "    axes.fill_between(x, ridge[0], ridge, facecolor=color, edgecolor=color, alpha=0.6)",
        *([f"axes.collections[-1].set_label({mark.name!r})"] if mark.name else []),
    ]


_MARKS: dict[str, Callable[[Mark, Origins], list[str]]] = {
    "line": _line,
    "band": _band,
    "steps": _steps,
    "rules": _rules,
    "dots": _dots,
    "ridges": _ridges,
}
