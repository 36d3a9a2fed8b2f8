"""Rankings: the first entries by a measure, the rank of each, and its rank at the start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weight_explorer.pictures.data import Ranking
from weight_explorer.views.axis_labels import AxisLabels

MAX_ROWS = 20


@dataclass(frozen=True, slots=True)
class RankingMeasure:
    """The measure that entries are ranked by.

    Attributes:
        label: The label on screen.
        unit_name: The name of a unit's number.
        input_names: The name of the number of one of its inputs, and of several inputs combined.
        combine: A function that reduces numbers along the last axis to one.
        strength: A function that returns the sort keys of numbers. The largest is ranked first.
    """

    label: str
    unit_name: str
    input_names: tuple[str, str]
    combine: Callable[[np.ndarray], np.ndarray]
    strength: Callable[[np.ndarray], np.ndarray]


def norm(values: np.ndarray) -> np.ndarray:
    """Return the L2 norm along the last axis, summed in float64 to avoid float32 overflow.

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
    """The numbers of some entries, now and at the start, to be ranked."""

    labels: AxisLabels
    label: str
    measure: RankingMeasure
    now: np.ndarray
    start: np.ndarray | None

    def strength(self, numbers: np.ndarray) -> np.ndarray:
        """Return the sort keys of numbers. NaN comes first, so that it is not missed."""
        strength = self.measure.strength(numbers)
        return np.where(np.isnan(strength), np.inf, strength)

    def top(self, max_count: int) -> np.ndarray:
        """Return the indexes of the first `max_count` entries, strongest first. Ties are ordered by index."""
        strength = self.strength(self.now)
        max_count = min(max_count, len(strength))
        bound = np.partition(strength, -max_count)[-max_count]
        found = np.flatnonzero(strength >= bound)
        return found[np.argsort(-strength[found], kind="stable")][:max_count]

    def rank(self, i: int) -> int:
        """Return the rank of an entry, counted from 1."""
        strength = self.strength(self.now)
        return 1 + int(np.count_nonzero(strength > strength[i]) + np.count_nonzero(strength[:i] == strength[i]))

    def tied_ranks(self, i: int) -> range:
        """Return the ranks shared by all entries tied with this one. Their order within the range has no meaning."""
        strength = self.strength(self.now)
        stronger = int(np.count_nonzero(strength > strength[i]))
        return range(stronger + 1, stronger + 1 + int(np.count_nonzero(strength == strength[i])))

    def start_rank(self, i: int) -> int | None:
        """Return the rank of an entry at the start, counted from 1; None if it is not known, 0 if it was tied."""
        if self.start is None or not np.isfinite(self.now[i]):
            return None
        strength = self.strength(self.start)
        is_alone = np.count_nonzero(strength == strength[i]) == 1
        return 1 + int(np.count_nonzero(strength > strength[i])) if is_alone else 0

    def format_number(self, i: int) -> str:
        """Format the number of an entry, without a sign for a norm."""
        return number_text(float(self.now[i])).removeprefix("+" if self.label.startswith("norm") else "")

    def ranking(self, title: str, picked: int | None = None) -> Ranking:
        """Return the table of the first entries, with the picked one at the end if it is not among them."""
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
    """Format a number of a ranking, with a sign if it can be negative.

    >>> number_text(0.25), number_text(-1.5e-9), number_text(float("nan"))
    ('+0.25', '-1.5e-09', 'NaN')
    """
    return "NaN" if np.isnan(number) else f"{number:+.4g}" if number else "0"


def _rank_change_text(ranks: range, start_rank: int | None) -> str:
    """Describe the rank at the start and the change: `▲ 7` moved up from rank 7; `level` was tied."""
    if start_rank is None:
        return ""
    if not start_rank:
        return "level"
    return f"{'=' if start_rank in ranks else '▲' if start_rank > ranks[0] else '▼'} {start_rank}"
