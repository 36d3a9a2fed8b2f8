"""Bins of histograms, on a lattice of powers of two: counts stay exact when the range grows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

BINS = 256

# Bins for the range of the first values; the rest is room to grow.
_FIRST_BINS = 128

# The exponent of a lattice that is not laid yet: all elements so far were the same.
UNSET = np.iinfo(np.int16).min


@dataclass(frozen=True, slots=True)
class Lattice:
    """Bins of width `2**exponent`: bin `i` holds what is in `[(first + i) * width, (first + i + 1) * width)`.

    Edges are multiples of a power of two, so scaling an element to find its bin loses nothing, and two bins become one of
    twice the width by adding their counts.
    """

    exponent: int
    first: int

    @property
    def edges(self) -> np.ndarray:
        """The `BINS + 1` edges."""
        return np.ldexp(np.arange(self.first, self.first + BINS + 1, dtype=np.float64), self.exponent)

    def holds(self, low: float, high: float) -> bool:
        """Say whether both ends lie in one of the bins."""
        return self.first <= self.bin_of(low) and self.bin_of(high) < self.first + BINS

    def bin_of(self, value: float) -> int:
        """Return the number of the bin of a value, counted from zero at the value zero."""
        return math.floor(math.ldexp(value, -self.exponent))

    def grown(self, low: float, high: float) -> Lattice:
        """Return the finest lattice of doubled widths whose bins hold all of this one's, and both ends."""
        exponent, first, last = self.exponent, self.first, self.first + BINS - 1
        while True:
            exponent, first, last = exponent + 1, first // 2, last // 2
            wider = Lattice(exponent, first)
            ends = min(first, wider.bin_of(low)), max(last, wider.bin_of(high))
            if ends[1] - ends[0] < BINS:
                return Lattice(exponent, _centered(*ends))


def lattice_for(low: float, high: float) -> Lattice | None:
    """Return a lattice for values of this range with room to grow, or None where they are all the same."""
    if not low < high:
        return None
    # No finer than float32 counts: the number of a bin is one as well.
    finest = math.frexp(max(abs(low), abs(high)))[1] - 23
    exponent = max(math.frexp(high - low if math.isfinite(high - low) else high)[1] - int(math.log2(_FIRST_BINS)), finest)
    while True:
        lattice = Lattice(exponent, 0)
        ends = lattice.bin_of(low), lattice.bin_of(high)
        if ends[1] - ends[0] < _FIRST_BINS:
            return Lattice(exponent, _centered(*ends))
        exponent += 1


def _centered(low: int, high: int) -> int:
    """Return the first of `BINS` bins around a range: as many on both sides of zero where that holds it."""
    half = BINS // 2
    if -half <= low and high < half:
        return -half
    return low - (BINS - 1 - (high - low)) // 2


class Lattices:
    """The lattices of several weights, as arrays. `UNSET` where all elements so far were the same, or there was none."""

    def __init__(self, count: int) -> None:
        self.exponents = np.full(count, UNSET, np.int16)
        self.firsts = np.zeros(count, np.int64)
        # The range of what there was before the lattice was laid, and of what it was widened for.
        self._lows = np.full(count, np.inf)
        self._highs = np.full(count, -np.inf)
        # Where the lattice begins and ends.
        self._begins, self._ends = self._lows.copy(), self._highs.copy()

    def __getitem__(self, place: int) -> Lattice | None:
        exponent = int(self.exponents[place])
        return None if exponent == UNSET else Lattice(exponent, int(self.firsts[place]))

    def __setitem__(self, place: int, lattice: Lattice | None) -> None:
        if lattice is not None:
            self.exponents[place], self.firsts[place] = lattice.exponent, lattice.first
            with np.errstate(over="ignore"):
                ends = np.ldexp([float(lattice.first), float(lattice.first + BINS)], lattice.exponent)  # exact, or infinite
            self._begins[place], self._ends[place] = ends

    def copy_from(self, place: int, other: Lattices, there: int) -> None:
        """Take over the lattice and the range at a place of another one."""
        for name in vars(self):
            getattr(self, name)[place] = getattr(other, name)[there]

    def clear(self, place: int) -> None:
        """Begin anew at a place."""
        self.copy_from(place, Lattices(1), 0)

    def cover(self, places: np.ndarray, lows: np.ndarray, highs: np.ndarray) -> None:
        """Lay or widen the lattices at these places so that they hold the ranges; NaN stands for none."""
        is_inside = (lows >= self._begins[places]) & (highs < self._ends[places])
        if is_inside.all():
            return
        outside = places[~is_inside]
        self._lows[outside] = np.fmin(self._lows[outside], lows[~is_inside])
        self._highs[outside] = np.fmax(self._highs[outside], highs[~is_inside])
        for place in outside.tolist():
            self._widen(place)

    def cover_one(self, place: int, low: float, high: float) -> None:
        """Do the same for one lattice, in a tenth of the time."""
        if low < self._lows[place] or high > self._highs[place]:
            self._lows[place] = min(low, self._lows[place])
            self._highs[place] = max(high, self._highs[place])
            self._widen(place)

    def _widen(self, place: int) -> None:
        low, high = float(self._lows[place]), float(self._highs[place])
        lattice = self[place]
        if lattice is None:
            self[place] = lattice_for(low, high)
        elif not lattice.holds(low, high):
            self[place] = lattice.grown(low, high)
