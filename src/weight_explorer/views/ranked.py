"""Things in order: which are the first, at what place each stands, and where it stood at the start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weight_explorer.views.entries import Entries
from weight_explorer.views.pictures import Ranking

MOST_ROWS = 20


@dataclass(frozen=True, slots=True)
class Measure:
    """What things are ranked by.

    Attributes:
        label: Its name on screen.
        unit: What a unit's number is called.
        entry: What the number of one of its inputs is called, and of several that are taken together.
        together: Makes one number of many, along the last axis.
        strength: What a number is ranked by, the largest first.
    """

    label: str
    unit: str
    entry: tuple[str, str]
    together: Callable[[np.ndarray], np.ndarray]
    strength: Callable[[np.ndarray], np.ndarray]


def norm(values: np.ndarray) -> np.ndarray:
    """Return the L2 norm along the last axis, summed in float64 so that no float32 overflows.

    >>> norm(np.array([[3e30, 4e30]], np.float32)).round(-24).tolist()
    [5e+30]
    """
    return np.sqrt(np.einsum("...i,...i->...", values, values, dtype=np.float64))


def _mean(values: np.ndarray) -> np.ndarray:
    return values.mean(axis=-1, dtype=np.float64)


def _itself(values: np.ndarray) -> np.ndarray:
    return values


MEASURES = {
    "magnitude": Measure("magnitude", "norm", ("weight", "norm"), norm, np.abs),
    "value": Measure("value, largest first", "mean", ("weight", "mean"), _mean, _itself),
    "change": Measure("change since the start", "norm of change", ("change", "norm of change"), norm, np.abs),
}


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Numbers of things, now and at the start, to be told by rank."""

    entries: Entries
    label: str
    measure: Measure
    now: np.ndarray
    start: np.ndarray | None

    def strength(self, numbers: np.ndarray) -> np.ndarray:
        """Return what they are ranked by; NaN comes first, where nobody can miss it."""
        strength = self.measure.strength(numbers)
        return np.where(np.isnan(strength), np.inf, strength)

    def first(self, most: int) -> np.ndarray:
        """Return the places of the first few, the strongest first; of equal ones the one with the lower number."""
        strength = self.strength(self.now)
        most = min(most, len(strength))
        bound = np.partition(strength, -most)[-most]
        found = np.flatnonzero(strength >= bound)
        return found[np.argsort(-strength[found], kind="stable")][:most]

    def place(self, i: int) -> int:
        """Return the place of one in the ranking, counted from 1."""
        strength = self.strength(self.now)
        return 1 + int(np.count_nonzero(strength > strength[i]) + np.count_nonzero(strength[:i] == strength[i]))

    def places_now(self, i: int) -> range:
        """Return the places that one shares with all that are level with it: which of them it has means nothing."""
        strength = self.strength(self.now)
        stronger = int(np.count_nonzero(strength > strength[i]))
        return range(stronger + 1, stronger + 1 + int(np.count_nonzero(strength == strength[i])))

    def place_then(self, i: int) -> int | None:
        """Return the place of one at the start, counted from 1; None where that is not known, 0 where it was not alone."""
        if self.start is None or not np.isfinite(self.now[i]):
            return None
        strength = self.strength(self.start)
        is_alone = np.count_nonzero(strength == strength[i]) == 1
        return 1 + int(np.count_nonzero(strength > strength[i])) if is_alone else 0

    def number(self, i: int) -> str:
        """Write the number of one, a norm without a sign."""
        return number_text(float(self.now[i])).removeprefix("+" if self.label.startswith("norm") else "")

    def ranking(self, title: str, picked: int | None = None) -> Ranking:
        """Make the table of the first few, and of the picked one below where it is not among them."""
        shown = self.first(MOST_ROWS).tolist()
        places = list(range(1, len(shown) + 1))
        if picked is not None and picked not in shown:
            shown, places = [*shown[:-1], picked], [*places[:-1], self.place(picked)]
        return Ranking(
            title=title,
            heads=(self.entries.noun, self.label, "was" if self.start is not None else ""),
            places=tuple(places),
            names=tuple(self.entries.name(i) for i in shown),
            values=self.now[shown],
            numbers=tuple(self.number(i) for i in shown),
            moves=tuple(_move(self.places_now(i), self.place_then(i)) for i in shown),
            picks=() if picked is None else tuple(str(i) for i in shown),
            picked=-1 if picked is None else shown.index(picked),
            num_left=self.entries.size - len(shown),
        )


def number_text(number: float) -> str:
    """Write a number of a ranking, with a sign where it may have one.

    >>> number_text(0.25), number_text(-1.5e-9), number_text(float("nan"))
    ('+0.25', '-1.5e-09', 'NaN')
    """
    return "NaN" if np.isnan(number) else f"{number:+.4g}" if number else "0"


def _move(places: range, then: int | None) -> str:
    """Say where one stood and which way it went: `▲ 7` went up from place 7; `level` was equal to others."""
    if then is None:
        return ""
    if not then:
        return "level"
    return f"{'=' if then in places else '▲' if then > places[0] else '▼'} {then}"
