"""Describes pictures in text with their main numbers, for screen reader users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weight_explorer.pictures.data import (
    Chart,
    ChartPicture,
    EmptyPicture,
    GridPicture,
    HeatmapPicture,
    Mark,
    MatrixPicture,
    Picture,
    Ranking,
    RankingPicture,
    SpecialCounts,
    TilesPicture,
)
from weight_explorer.pictures.numbers import capitalize_first, count_noun, format_count, format_rounded
from weight_explorer.pictures.table import describe_visible_region

# Number of ranked items to mention.
NUM_NAMED = 3


def describe_picture(picture: Picture, name: str) -> str:
    """Describe what a picture shows. `name` says what it shows the data of.

    For kinds of pictures without a describer, the description is the caption.

    >>> counts = Mark("steps", "now", "now", np.array([0.0, 1.0, 2.0]), np.array([3.0, 5.0]))
    >>> describe_picture(
    ...     ChartPicture((Chart("", "weight", "elements", (counts,)),), "The value, at the start."),
    ...     "dense / kernel",
    ... )
    'dense / kernel. Elements by weight. Now: most, 5, from 1 to 2; in all from 0 to 2. The value, at the start.'
    """
    words = _PICTURE_DESCRIBERS.get(type(picture), _describe_empty)(picture)
    return " ".join(filter(None, (f"{name}.", words, picture.caption)))


def _describe_matrix(picture: MatrixPicture) -> str:
    seen, (rows, columns) = picture.visible_cells, picture.size
    shown = picture.cells[seen.top : seen.bottom, seen.left : seen.right]
    size = f"{count_noun(rows, 'row')} by {count_noun(columns, 'column')}"
    pins = f"{count_noun(len(picture.pins), 'pinned element')}." if picture.pins else ""
    selected = f"Selected: {picture.selected.text}." if picture.selected else ""
    return " ".join(
        filter(
            None,
            (
                f"{size}, {_describe_range(shown)}{_describe_special(picture.special_counts)}.",
                describe_visible_region(picture),
                pins,
                selected,
            ),
        )
    )


def _describe_heatmap(picture: HeatmapPicture) -> str:
    rows, columns = picture.size
    severities = [severity for severity, _ in picture.findings]
    found = [count_noun(severities.count(name), name) for name in dict.fromkeys(severities)]
    marked = count_noun(len({trouble.row for trouble in picture.finding_markers}), "weight")
    size = f"{count_noun(rows, 'weight')} by {count_noun(columns, 'record')}"
    shown = f"{picture.scale.label} {_describe_range(_smallest_and_largest(picture))}"
    findings = f"Findings: {', '.join(found)}, marked at {marked}." if found else ""
    return " ".join(
        filter(
            None, (f"{size}, {shown}{_describe_special(picture.special_counts)}.", describe_visible_region(picture), findings)
        )
    )


def _smallest_and_largest(picture: HeatmapPicture) -> np.ndarray:
    """Return the smallest and the largest value above 0. Converts only these, since the powers of all cells would be slow."""
    if picture.row_maxima is not None:
        return picture.values()
    known = picture.cells[np.isfinite(picture.cells) & (picture.cells != 0)]
    return picture.scale.values(np.array([known.min(), known.max()]) if known.size else known)


def _describe_range(numbers: np.ndarray) -> str:
    finite = numbers[np.isfinite(numbers)]
    return f"from {format_rounded(finite.min())} to {format_rounded(finite.max())}" if finite.size else "with no finite number"


def _describe_special(special: SpecialCounts) -> str:
    counts = (("NaN", special.nans), ("Inf", special.positive_infs + special.negative_infs))
    return "".join(f", {format_count(count)} {word}" for word, count in counts if count)


def _describe_tiles(picture: TilesPicture) -> str:
    count, rows, columns, parts = picture.cells.shape
    size = f"{count_noun(count, 'tile')} of {count_noun(rows, 'row')} by {count_noun(columns, 'column')}"
    colors = " of red, green and blue" if parts > 1 else ""
    return (
        f"{size}{colors}, {_describe_range(picture.cells)}{_describe_special(SpecialCounts.count_in(picture.cells))}. "
        f"{'; '.join(picture.heading)}."
    )


def _describe_rankings(picture: RankingPicture) -> str:
    return " ".join(_describe_ranking(ranking) for ranking in picture.rankings)


def _describe_ranking(ranking: Ranking) -> str:
    first = list(zip(ranking.ranks, ranking.names, ranking.numbers, strict=True))[:NUM_NAMED]
    told = ", ".join(f"{place}. {name} {number}" for place, name, number in first)
    more = len(ranking.ranks) - len(first) + ranking.num_more
    return f"{ranking.title}: {told}{f', and {format_count(more)} more' if more else ''}."


def _describe_grid(picture: GridPicture) -> str:
    return " ".join(f"{title}: {_PICTURE_DESCRIBERS[type(part)](part)}" for title, part in picture.pictures)


def _describe_charts(picture: ChartPicture) -> str:
    return " ".join(_describe_chart(chart) for chart in picture.charts)


def _describe_chart(chart: Chart) -> str:
    over = f" by {chart.x_label}" if chart.x_label else ""
    title = f"{chart.title}: " if chart.title else ""
    named = (mark for mark in chart.marks if mark.name)
    return " ".join(f"{capitalize_first(words)}." for words in (f"{title}{chart.y_label}{over}", *map(_describe_mark, named)))


def _describe_mark(mark: Mark) -> str:
    if mark.kind == "rules":
        return f"{mark.name}: at {', '.join(map(format_rounded, mark.x))}"
    known = np.isfinite(mark.y)
    if not known.any():
        return f"{mark.name}: no number that can be drawn"
    return f"{mark.name}: {_MARK_DESCRIBERS.get(mark.kind, _describe_line)(mark, known)}"


def _describe_line(mark: Mark, known: np.ndarray) -> str:
    x, y = mark.x[: len(mark.y)][known], mark.y[known]
    if len(y) == 1:
        return f"{format_rounded(y[0])} at {format_rounded(x[0])}"
    ends = f"from {format_rounded(y[0])} at {format_rounded(x[0])} to {format_rounded(y[-1])} at {format_rounded(x[-1])}"
    return f"{ends}, lowest {format_rounded(y.min())}, highest {format_rounded(y.max())}"


def _describe_steps(mark: Mark, known: np.ndarray) -> str:
    """Describe the tallest bin and the range of nonempty bins. All histograms in the chart share their bin edges."""
    counts = np.where(known, mark.y, 0)
    filled = np.flatnonzero(counts > 0).tolist()
    if not filled:
        return "none"
    i, (first, last) = int(np.argmax(counts)), mark.x[[filled[0], filled[-1] + 1]]
    between = f"from {format_rounded(mark.x[i])} to {format_rounded(mark.x[i + 1])}"
    return (
        f"most, {format_count(mark.y[i])}, {between}; in all from {format_rounded(float(first))} to "
        f"{format_rounded(float(last))}"
    )


def _describe_band(mark: Mark, known: np.ndarray) -> str:
    i = int(np.flatnonzero(known)[-1])
    upper = mark.y if mark.upper is None else mark.upper
    return f"from {format_rounded(mark.y[i])} up to {format_rounded(upper[i])} at {format_rounded(mark.x[i])}"


def _describe_dots(mark: Mark, known: np.ndarray) -> str:
    x, y = mark.x[known], mark.y[known]
    return (
        f"{format_count(len(y))} dots from {format_rounded(x.min())} to {format_rounded(x.max())}, {format_rounded(y.min())} "
        f"to {format_rounded(y.max())} high"
    )


def _describe_ridges(mark: Mark, _: np.ndarray) -> str:
    """Describe where the oldest and the newest ridge are highest."""
    tops = [f"{format_rounded(mark.x[int(np.argmax(row))])}" for row in (mark.y[0], mark.y[-1])]
    return f"{count_noun(len(mark.y), 'ridge')}, the oldest highest at {tops[0]}, the newest at {tops[1]}"


def _describe_empty(_: EmptyPicture) -> str:
    return ""


_MARK_DESCRIBERS: dict[str, Callable[[Mark, np.ndarray], str]] = {
    "line": _describe_line,
    "steps": _describe_steps,
    "band": _describe_band,
    "dots": _describe_dots,
    "ridges": _describe_ridges,
}

# The function that describes the main numbers of each kind of picture.
_PICTURE_DESCRIBERS: dict[type, Callable[[Any], str]] = {
    MatrixPicture: _describe_matrix,
    HeatmapPicture: _describe_heatmap,
    ChartPicture: _describe_charts,
    TilesPicture: _describe_tiles,
    RankingPicture: _describe_rankings,
    GridPicture: _describe_grid,
}
