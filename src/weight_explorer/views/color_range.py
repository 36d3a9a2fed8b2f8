"""The color range of a matrix, and counts of the numbers outside it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from weight_explorer.catalog.schema import Weight
from weight_explorer.pictures.data import SpecialCounts
from weight_explorer.pictures.numbers import format_count, format_rounded
from weight_explorer.recording.history import History
from weight_explorer.recording.statistics.summary import FIELD_INDEX, NON_FINITE_FIELDS
from weight_explorer.views.choice import Choice, MenuItem
from weight_explorer.views.layout import VIEW
from weight_explorer.views.options import ViewOption

LARGEST_DRAWN, SIGMA, ALL_RECORDS = "drawn", "sigma", "time"
ANIMATION = "film"


def _color_items(_: Weight, __: History, choice: Choice) -> tuple[MenuItem, ...]:
    offers = (MenuItem(LARGEST_DRAWN, "largest shown"), MenuItem(SIGMA, "3 std. dev."))
    # Statistics of changes since a chosen record are not recorded. They would have to be computed at every record.
    recorded = choice.quantity != "since_record"
    return (*offers, MenuItem(ALL_RECORDS, "all records")) if recorded else offers


COLORS = ViewOption(VIEW, "colors", "colors to", _color_items)

# Descriptions of the color range: short ones beside the color scale, long ones in the caption.
_SHORT_TEXT = {LARGEST_DRAWN: "largest shown", SIGMA: "3 std. dev.", ALL_RECORDS: "all records", ANIMATION: "every frame"}
_LONG_TEXT = {
    LARGEST_DRAWN: "the largest magnitude shown",
    SIGMA: "three standard deviations beyond the mean",
    ALL_RECORDS: "the largest magnitude of the weight in all records",
    ANIMATION: "the same in every frame",
}


@dataclass(frozen=True, slots=True)
class ColorScale:
    """The limit of the color range, counts of the numbers outside it, and a description of both."""

    limit: float
    special_counts: SpecialCounts
    text: str


def color_scale(
    kind: str, cells: np.ndarray, row: np.ndarray, given: float, beyond: Callable[[float], tuple[int, int]]
) -> ColorScale:
    """Return the color scale of a picture.

    Args:
        kind: The key of an item of `COLORS`, or `ANIMATION`.
        cells: The drawn cells of the whole array.
        row: Statistics of the whole array, in the order of `FIELDS`.
        given: The largest magnitude of all records, or the limit for all frames of an animation.
        beyond: A function that counts the numbers above a limit, and those below minus that limit.
    """
    limit = _finite_or_zero({LARGEST_DRAWN: largest_magnitude(cells), SIGMA: _sigma(row)}.get(kind, given))
    above, below = beyond(limit) if kind in (SIGMA, ANIMATION) else (0, 0)
    counts = [int(_finite_or_zero(count)) for count in row[NON_FINITE_FIELDS]]
    marks = SpecialCounts(_SHORT_TEXT[kind], above, below, *counts)
    reach = f"Colors reach ±{format_rounded(limit)}, {_LONG_TEXT[kind]}." if limit else "No number but zero has a color."
    return ColorScale(limit, marks, f" {reach}{_describe_special(marks)}")


def color_range_kind(weight: Weight, history: History, choice: Choice) -> str:
    """Return what sets the limit: `ANIMATION` while an animation is drawn, else the chosen item."""
    return COLORS.chosen(weight, history, choice) if choice.color_limit is None else ANIMATION


def given_limit(weight: Weight, history: History, choice: Choice) -> float:
    """Return the limit that does not depend on the picture, or 0 if the chosen color range has none."""
    if choice.color_limit is not None:
        return choice.color_limit
    return largest_recorded(weight, history, choice) if color_range_kind(weight, history, choice) == ALL_RECORDS else 0.0


def special_counts(values: np.ndarray, limit: float) -> SpecialCounts:
    """Count the numbers that lie outside the color range of an animation frame."""
    above, below = map(int, count_beyond(values, limit))
    return replace(SpecialCounts.count_in(values, _SHORT_TEXT[ANIMATION]), above=above, below=below)


def describe_animation_range(limit: float | None, largest: float) -> str:
    """Describe the color range of an animation frame whose largest magnitude is `largest`; "" outside an animation.

    >>> describe_animation_range(0.5, 0.3), describe_animation_range(0.5, 70.0)
    (' Colors reach ±0.5, the same in every frame.', ' Colors reach ±0.5, the same in every frame; numbers here reach ±70.')
    """
    if limit is None:
        return ""
    beyond = f"; numbers here reach ±{format_rounded(largest)}" if largest > limit else ""
    return f" Colors reach ±{format_rounded(limit)}, {_LONG_TEXT[ANIMATION]}{beyond}."


def largest_recorded(weight: Weight, history: History, choice: Choice) -> float:
    """Return the largest recorded magnitude of the chosen quantity. For a slice, it is that of the whole weight."""
    found = np.abs(history.statistics(weight.variable_key, choice.quantity)["largest"])
    # Cells are float32. Rounding to it keeps the largest cell within the limit.
    return float(np.float32(min(found[np.isfinite(found)].max(initial=0), np.finfo(np.float32).max)))


def largest_magnitude(values: np.ndarray) -> float:
    """Return the largest magnitude of the finite numbers, limited to the float32 range of the colors; 0 if there are none.

    >>> largest_magnitude(np.array([1.0, -2.0, np.nan])), largest_magnitude(np.array([]))
    (2.0, 0.0)
    """
    low, high = values.min(initial=0), values.max(initial=0)
    if not math.isfinite(low) or not math.isfinite(high):
        finite = values[np.isfinite(values)]
        low, high = finite.min(initial=0), finite.max(initial=0)
    return min(float(max(high, -low)), float(np.finfo(np.float32).max))  # in this order, to avoid a negative zero


def count_beyond(values: np.ndarray, limit: float) -> np.ndarray:
    """Count the finite numbers above a limit, and those below minus that limit."""
    bound = np.float64(limit)  # not rounded to the type of the values, whose range the limit may exceed
    above = np.count_nonzero(values > bound) - np.count_nonzero(values == np.inf)
    below = np.count_nonzero(values < -bound) - np.count_nonzero(values == -np.inf)
    return np.array([above, below])


def _sigma(row: np.ndarray) -> float:
    return abs(row[FIELD_INDEX["mean"]]) + 3 * row[FIELD_INDEX["std"]]


def _finite_or_zero(number: float) -> float:
    return float(number) if np.isfinite(number) else 0.0


def _describe_special(special: SpecialCounts) -> str:
    counts = {"above": special.above, "below": special.below, "NaN": special.nans}
    counts |= {"+Inf": special.positive_infs, "-Inf": special.negative_infs}
    present = [f"{format_count(count)} {name}" for name, count in counts.items() if count]
    return f" Marked: {', '.join(present)}." if present else ""
