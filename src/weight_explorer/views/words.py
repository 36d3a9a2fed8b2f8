"""A picture in words, with its main numbers, for who cannot see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weight_explorer.views.numbers import capitalized, counted, grouped, rough
from weight_explorer.views.pictures import (
    BoardPicture,
    Chart,
    ChartPicture,
    EmptyPicture,
    HeatPicture,
    Mark,
    Marks,
    MatrixPicture,
    Picture,
    Ranking,
    RankingPicture,
    TilesPicture,
)
from weight_explorer.views.table import seen_words

# As many of a ranking are told.
NUM_FIRST = 3


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
    seen, (rows, columns) = picture.seen_cells, picture.size
    shown = picture.cells[seen.top : seen.bottom, seen.left : seen.right]
    size = f"{counted(rows, 'row')} by {counted(columns, 'column')}"
    pins = f"{counted(len(picture.pins), 'pinned element')}." if picture.pins else ""
    selected = f"Selected: {picture.selected.words}." if picture.selected else ""
    return " ".join(filter(None, (f"{size}, {_span(shown)}{_lost(picture.marks)}.", seen_words(picture), pins, selected)))


def _heat(picture: HeatPicture) -> str:
    rows, columns = picture.size
    severities = [severity for severity, _ in picture.notes]
    found = [counted(severities.count(name), name) for name in dict.fromkeys(severities)]
    marked = counted(len({trouble.row for trouble in picture.troubles}), "weight")
    size = f"{counted(rows, 'weight')} by {counted(columns, 'record')}"
    shown = f"{picture.shades.label} {_span(_ends(picture))}"
    findings = f"Findings: {', '.join(found)}, marked at {marked}." if found else ""
    return " ".join(filter(None, (f"{size}, {shown}{_lost(picture.marks)}.", seen_words(picture), findings)))


def _ends(picture: HeatPicture) -> np.ndarray:
    """Return the smallest and the largest value above 0; powers of all cells would take longer than all else that is told."""
    if picture.tops is not None:
        return picture.values()
    known = picture.cells[np.isfinite(picture.cells) & (picture.cells != 0)]
    return picture.shades.values(np.array([known.min(), known.max()]) if known.size else known)


def _span(numbers: np.ndarray) -> str:
    finite = numbers[np.isfinite(numbers)]
    return f"from {rough(finite.min())} to {rough(finite.max())}" if finite.size else "with no finite number"


def _lost(marks: Marks) -> str:
    counts = (("NaN", marks.nans), ("Inf", marks.positive_infs + marks.negative_infs))
    return "".join(f", {grouped(count)} {word}" for word, count in counts if count)


def _tiles(picture: TilesPicture) -> str:
    count, rows, columns, parts = picture.cells.shape
    size = f"{counted(count, 'tile')} of {counted(rows, 'row')} by {counted(columns, 'column')}"
    colors = " of red, green and blue" if parts > 1 else ""
    return f"{size}{colors}, {_span(picture.cells)}{_lost(Marks.of(picture.cells))}. {'; '.join(picture.heading)}."


def _rankings(picture: RankingPicture) -> str:
    return " ".join(_ranking(ranking) for ranking in picture.rankings)


def _ranking(ranking: Ranking) -> str:
    first = list(zip(ranking.places, ranking.names, ranking.numbers, strict=True))[:NUM_FIRST]
    told = ", ".join(f"{place}. {name} {number}" for place, name, number in first)
    more = len(ranking.places) - len(first) + ranking.num_left
    return f"{ranking.title}: {told}{f', and {grouped(more)} more' if more else ''}."


def _board(picture: BoardPicture) -> str:
    return " ".join(f"{title}: {_WORDS[type(part)](part)}" for title, part in picture.tiles)


def _charts(picture: ChartPicture) -> str:
    return " ".join(_chart(chart) for chart in picture.charts)


def _chart(chart: Chart) -> str:
    over = f" by {chart.x_label}" if chart.x_label else ""
    title = f"{chart.title}: " if chart.title else ""
    named = (mark for mark in chart.marks if mark.name)
    return " ".join(f"{capitalized(words)}." for words in (f"{title}{chart.y_label}{over}", *map(_mark, named)))


def _mark(mark: Mark) -> str:
    if mark.kind == "rules":
        return f"{mark.name}: at {', '.join(map(rough, mark.x))}"
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
    """Say where most are, and which bins hold any: the edges are those of all histograms in the chart."""
    counts = np.where(known, mark.y, 0)
    filled = np.flatnonzero(counts > 0).tolist()
    if not filled:
        return "none"
    i, (first, last) = int(np.argmax(counts)), mark.x[[filled[0], filled[-1] + 1]]
    between = f"from {rough(mark.x[i])} to {rough(mark.x[i + 1])}"
    return f"most, {grouped(mark.y[i])}, {between}; in all from {rough(float(first))} to {rough(float(last))}"


def _band(mark: Mark, known: np.ndarray) -> str:
    i = int(np.flatnonzero(known)[-1])
    upper = mark.y if mark.upper is None else mark.upper
    return f"from {rough(mark.y[i])} up to {rough(upper[i])} at {rough(mark.x[i])}"


def _dots(mark: Mark, known: np.ndarray) -> str:
    x, y = mark.x[known], mark.y[known]
    return f"{grouped(len(y))} dots from {rough(x.min())} to {rough(x.max())}, {rough(y.min())} to {rough(y.max())} high"


def _ridges(mark: Mark, _: np.ndarray) -> str:
    """Say where the oldest and the newest ridge are highest."""
    tops = [f"{rough(mark.x[int(np.argmax(row))])}" for row in (mark.y[0], mark.y[-1])]
    return f"{counted(len(mark.y), 'ridge')}, the oldest highest at {tops[0]}, the newest at {tops[1]}"


def _nothing_more(_: EmptyPicture) -> str:
    return ""


_SHAPES: dict[str, Callable[[Mark, np.ndarray], str]] = {
    "line": _line,
    "steps": _steps,
    "band": _band,
    "dots": _dots,
    "ridges": _ridges,
}

# For each kind of picture, its main numbers in words.
_WORDS: dict[type, Callable[[Any], str]] = {
    MatrixPicture: _matrix,
    HeatPicture: _heat,
    ChartPicture: _charts,
    TilesPicture: _tiles,
    RankingPicture: _rankings,
    BoardPicture: _board,
}
