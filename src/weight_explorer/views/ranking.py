"""Things in order: which are the first, at what place each stands, and where it stood at the start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weight_explorer.pictures.data import Ranking
from weight_explorer.views.axis_labels import AxisLabels

MAX_ROWS = 20


@dataclass(frozen=True, slots=True)
class RankingMeasure:
    """What things are ranked by.

    Attributes:
        label: Its name on screen.
        unit_name: What a unit's number is called.
        input_names: What the number of one of its inputs is called, and of several that are taken together.
        combine: Makes one number of many, along the last axis.
        strength: What a number is ranked by, the largest first.
    """

    label: str
    unit_name: str
    input_names: tuple[str, str]
    combine: Callable[[np.ndarray], np.ndarray]
    strength: Callable[[np.ndarray], np.ndarray]


def norm(values: np.ndarray) -> np.ndarray:
    """Return the L2 norm along the last axis, summed in float64 so that no float32 overflows.

    >>> norm(np.array([[3e30, 4e30]], np.float32)).round(-24).tolist()
    [5e+30]
    """
    return np.sqrt(np.einsum("...i,...i->...", values, values, dtype=np.float64))


def _mean(values: np.ndarray) -> np.ndarray:
    return values.mean(axis=-1, dtype=np.float64)


def _unchanged(values: np.ndarray) -> np.ndarray:
    return values


MEASURES = {
    "magnitude": RankingMeasure("magnitude", "norm", ("weight", "norm"), norm, np.abs),
    "value": RankingMeasure("value, largest first", "mean", ("weight", "mean"), _mean, _unchanged),
    "change": RankingMeasure("change since the start", "norm of change", ("change", "norm of change"), norm, np.abs),
}


@dataclass(frozen=True, slots=True, eq=False)
class RankedEntries:
    """Numbers of things, now and at the start, to be told by rank."""

    labels: AxisLabels
    label: str
    measure: RankingMeasure
    now: np.ndarray
    start: np.ndarray | None

    def strength(self, numbers: np.ndarray) -> np.ndarray:
        """Return what they are ranked by; NaN comes first, where nobody can miss it."""
        strength = self.measure.strength(numbers)
        return np.where(np.isnan(strength), np.inf, strength)

    def top(self, max_count: int) -> np.ndarray:
        """Return the places of the first few, the strongest first; of equal ones the one with the lower number."""
        strength = self.strength(self.now)
        max_count = min(max_count, len(strength))
        bound = np.partition(strength, -max_count)[-max_count]
        found = np.flatnonzero(strength >= bound)
        return found[np.argsort(-strength[found], kind="stable")][:max_count]

    def rank(self, i: int) -> int:
        """Return the place of one in the ranking, counted from 1."""
        strength = self.strength(self.now)
        return 1 + int(np.count_nonzero(strength > strength[i]) + np.count_nonzero(strength[:i] == strength[i]))

    def tied_ranks(self, i: int) -> range:
        """Return the places that one shares with all that are level with it: which of them it has means nothing."""
        strength = self.strength(self.now)
        stronger = int(np.count_nonzero(strength > strength[i]))
        return range(stronger + 1, stronger + 1 + int(np.count_nonzero(strength == strength[i])))

    def start_rank(self, i: int) -> int | None:
        """Return the place of one at the start, counted from 1; None where that is not known, 0 where it was not alone."""
        if self.start is None or not np.isfinite(self.now[i]):
            return None
        strength = self.strength(self.start)
        is_alone = np.count_nonzero(strength == strength[i]) == 1
        return 1 + int(np.count_nonzero(strength > strength[i])) if is_alone else 0

    def format_number(self, i: int) -> str:
        """Write the number of one, a norm without a sign."""
        return number_text(float(self.now[i])).removeprefix("+" if self.label.startswith("norm") else "")

    def ranking(self, title: str, picked: int | None = None) -> Ranking:
        """Make the table of the first few, and of the picked one below where it is not among them."""
        shown = self.top(MAX_ROWS).tolist()
        places = list(range(1, len(shown) + 1))
        if picked is not None and picked not in shown:
            shown, places = [*shown[:-1], picked], [*places[:-1], self.rank(picked)]
        return Ranking(
            title=title,
            headers=(self.labels.noun, self.label, "was" if self.start is not None else ""),
            ranks=tuple(places),
            names=tuple(self.labels.name(i) for i in shown),
            values=self.now[shown],
            numbers=tuple(self.format_number(i) for i in shown),
            rank_changes=tuple(_rank_change_text(self.tied_ranks(i), self.start_rank(i)) for i in shown),
            pick_values=() if picked is None else tuple(str(i) for i in shown),
            picked_row=-1 if picked is None else shown.index(picked),
            num_more=self.labels.size - len(shown),
        )


def number_text(number: float) -> str:
    """Write a number of a ranking, with a sign where it may have one.

    >>> number_text(0.25), number_text(-1.5e-9), number_text(float("nan"))
    ('+0.25', '-1.5e-09', 'NaN')
    """
    return "NaN" if np.isnan(number) else f"{number:+.4g}" if number else "0"


def _rank_change_text(ranks: range, start_rank: int | None) -> str:
    """Say where one stood and which way it went: `▲ 7` went up from place 7; `level` was equal to others."""
    if start_rank is None:
        return ""
    if not start_rank:
        return "level"
    return f"{'=' if start_rank in ranks else '▲' if start_rank > ranks[0] else '▼'} {start_rank}"
