"""A picture in words, with its main numbers, for who cannot see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weight_explorer.views.numbers import grouped, rough
from weight_explorer.views.pictures import Chart, ChartPicture, EmptyPicture, Mark, MatrixPicture, Picture


def words_of(picture: Picture, name: str) -> str:
    """Say in words what a picture shows; `name` says of what.

    Of a kind of picture that has no words here, its caption says what there is to see.

    >>> counts = Mark("steps", "now", "now", np.array([0.0, 1.0, 2.0]), np.array([3.0, 5.0]))
    >>> words_of(ChartPicture((Chart("", "weight", "elements", (counts,)),), "The value, at the start."), "dense / kernel")
    'dense / kernel. Elements by weight. Now: most, 5, from 1 to 2; in all from 0 to 2. The value, at the start.'
    """
    words = _WORDS.get(type(picture), _nothing_more)(picture)
    return " ".join(filter(None, (f"{name}.", words, picture.caption)))


def _matrix(picture: MatrixPicture) -> str:
    cells = picture.cells
    finite = cells[np.isfinite(cells)]
    span = f"from {rough(finite.min())} to {rough(finite.max())}" if finite.size else "with no finite number"
    infinite = picture.marks.positive_infs + picture.marks.negative_infs
    lost = [f"{grouped(count)} {word}" for word, count in (("NaN", picture.marks.nans), ("Inf", infinite)) if count]
    rows, columns = picture.size
    return ", ".join([f"{_count(rows, 'row')} by {_count(columns, 'column')}", span, *lost]) + "."


def _count(number: int, noun: str) -> str:
    return f"{grouped(number)} {noun}{'' if number == 1 else 's'}"


def _charts(picture: ChartPicture) -> str:
    return " ".join(_chart(chart) for chart in picture.charts)


def _chart(chart: Chart) -> str:
    over = f" by {chart.x_label}" if chart.x_label else ""
    title = f"{chart.title}: " if chart.title else ""
    return " ".join(_sentence(words) for words in (f"{title}{chart.y_label}{over}", *map(_mark, chart.marks)))


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _mark(mark: Mark) -> str:
    known = np.isfinite(mark.y)
    if not known.any():
        return f"{mark.name}: no number that can be drawn"
    return f"{mark.name}: {_SHAPES.get(mark.kind, _line)(mark, known)}"


def _line(mark: Mark, known: np.ndarray) -> str:
    x, y = mark.x[: len(mark.y)][known], mark.y[known]
    if len(y) == 1:
        return f"{rough(y[0])} at {rough(x[0])}"
    ends = f"from {rough(y[0])} at {rough(x[0])} to {rough(y[-1])} at {rough(x[-1])}"
    return f"{ends}, lowest {rough(y.min())}, highest {rough(y.max())}"


def _steps(mark: Mark, known: np.ndarray) -> str:
    i = int(np.argmax(np.where(known, mark.y, -np.inf)))
    between = f"from {rough(mark.x[i])} to {rough(mark.x[i + 1])}"
    return f"most, {grouped(mark.y[i])}, {between}; in all from {rough(mark.x[0])} to {rough(mark.x[-1])}"


def _band(mark: Mark, known: np.ndarray) -> str:
    i = int(np.flatnonzero(known)[-1])
    upper = mark.y if mark.upper is None else mark.upper
    return f"from {rough(mark.y[i])} up to {rough(upper[i])} at {rough(mark.x[i])}"


def _nothing_more(_: EmptyPicture) -> str:
    return ""


_SHAPES: dict[str, Callable[[Mark, np.ndarray], str]] = {"line": _line, "steps": _steps, "band": _band}

# For each kind of picture, its main numbers in words.
_WORDS: dict[type, Callable[[Any], str]] = {MatrixPicture: _matrix, ChartPicture: _charts}
