"""Where the colors of a matrix end, and how many numbers lie beyond."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from weight_explorer.catalog.nodes import Weight
from weight_explorer.recording.past import Past
from weight_explorer.recording.statistics import INDEX, NOT_FINITE
from weight_explorer.views.choice import Choice, Offer
from weight_explorer.views.layout import VIEW
from weight_explorer.views.numbers import grouped, rough
from weight_explorer.views.options import Option
from weight_explorer.views.pictures import Marks

DRAWN, SIGMA, TIME = "drawn", "sigma", "time"
FILM = "film"


def _offers(_: Weight, __: Past, choice: Choice) -> tuple[Offer, ...]:
    offers = (Offer(DRAWN, "largest shown"), Offer(SIGMA, "3 std. dev."))
    # Statistics of changes since a chosen record are not recorded: they would have to be computed of every one.
    recorded = choice.quantity != "since_record"
    return (*offers, Offer(TIME, "all records")) if recorded else offers


COLORS = Option(VIEW, "colors", "colors to", _offers)

# How far the colors reach, beside the scale and in the caption.
_SHORT = {DRAWN: "largest shown", SIGMA: "3 std. dev.", TIME: "all records", FILM: "every frame"}
_LONG = {
    DRAWN: "the largest magnitude shown",
    SIGMA: "three standard deviations beyond the mean",
    TIME: "the largest magnitude of the weight in all records",
    FILM: "the same in every frame",
}


@dataclass(frozen=True, slots=True)
class Scale:
    """How far the colors reach, what they leave out, and that in words."""

    limit: float
    marks: Marks
    words: str


def scale_of(kind: str, cells: np.ndarray, row: np.ndarray, given: float, beyond: Callable[[float], tuple[int, int]]) -> Scale:
    """Return the scale of a picture.

    Args:
        kind: One of the offers of `COLORS`, or `FILM`.
        cells: What is drawn of everything.
        row: Statistics of everything, in the order of `FIELDS`.
        given: The largest magnitude of all records, or the limit of all frames of a film.
        beyond: Counts the numbers above a limit, and below minus that limit.
    """
    limit = _known({DRAWN: reach_of(cells), SIGMA: _sigma(row)}.get(kind, given))
    above, below = beyond(limit) if kind in (SIGMA, FILM) else (0, 0)
    counts = [int(_known(count)) for count in row[NOT_FINITE]]
    marks = Marks(_SHORT[kind], above, below, *counts)
    reach = f"Colors reach ±{rough(limit)}, {_LONG[kind]}." if limit else "No number but zero has a color."
    return Scale(limit, marks, f" {reach}{_words(marks)}")


def kind_of(weight: Weight, history: Past, choice: Choice) -> str:
    """Return what sets the limit: in a film the film, else what was chosen."""
    return COLORS.chosen(weight, history, choice) if choice.color_limit is None else FILM


def given_limit(weight: Weight, history: Past, choice: Choice) -> float:
    """Return the limit that does not depend on the picture, 0 where what was chosen has none."""
    if choice.color_limit is not None:
        return choice.color_limit
    return largest_of_all(weight, history, choice) if kind_of(weight, history, choice) == TIME else 0.0


def marks_of(values: np.ndarray, limit: float) -> Marks:
    """Count what the colors of a frame of a film leave out."""
    above, below = map(int, count_beyond(values, limit))
    return replace(Marks.of(values, _SHORT[FILM]), above=above, below=below)


def film_words(limit: float | None, reach: float) -> str:
    """Say, of a picture whose numbers reach so far, how far colors do in every frame of a film; "" where it is no frame.

    >>> film_words(0.5, 0.3), film_words(0.5, 70.0)
    (' Colors reach ±0.5, the same in every frame.', ' Colors reach ±0.5, the same in every frame; numbers here reach ±70.')
    """
    if limit is None:
        return ""
    beyond = f"; numbers here reach ±{rough(reach)}" if reach > limit else ""
    return f" Colors reach ±{rough(limit)}, {_LONG[FILM]}{beyond}."


def largest_of_all(weight: Weight, history: Past, choice: Choice) -> float:
    """Return the largest magnitude that was recorded of the chosen quantity of a weight; of a slice, that of the whole."""
    found = np.abs(history.series(weight.whole, choice.quantity)["largest"])
    # As the cells have it, so that the largest of them is not beyond it.
    return float(np.float32(min(found[np.isfinite(found)].max(initial=0), np.finfo(np.float32).max)))


def reach_of(values: np.ndarray) -> float:
    """Return how far the finite numbers reach from zero, 0 where there is none, as far as float32 does, which colors are in.

    >>> reach_of(np.array([1.0, -2.0, np.nan])), reach_of(np.array([]))
    (2.0, 0.0)
    """
    low, high = values.min(initial=0), values.max(initial=0)
    if not math.isfinite(low) or not math.isfinite(high):
        finite = values[np.isfinite(values)]
        low, high = finite.min(initial=0), finite.max(initial=0)
    return min(float(max(high, -low)), float(np.finfo(np.float32).max))  # in this order, for zero without a sign


def count_beyond(values: np.ndarray, limit: float) -> np.ndarray:
    """Count the finite numbers above a limit, and those below minus that limit."""
    bound = np.float64(limit)  # not rounded to the type of the values, beyond which it may lie
    above = np.count_nonzero(values > bound) - np.count_nonzero(values == np.inf)
    below = np.count_nonzero(values < -bound) - np.count_nonzero(values == -np.inf)
    return np.array([above, below])


def _sigma(row: np.ndarray) -> float:
    return abs(row[INDEX["mean"]]) + 3 * row[INDEX["std"]]


def _known(number: float) -> float:
    return float(number) if np.isfinite(number) else 0.0


def _words(marks: Marks) -> str:
    counts = {"above": marks.above, "below": marks.below, "NaN": marks.nans}
    counts |= {"+Inf": marks.positive_infs, "-Inf": marks.negative_infs}
    present = [f"{grouped(count)} {name}" for name, count in counts.items() if count]
    return f" Marked: {', '.join(present)}." if present else ""
