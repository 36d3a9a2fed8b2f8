"""Bins of histograms, on a lattice of powers of two: counts stay exact when the range grows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

NUM_BINS = 256

# Bins for the range of the first values; the rest is room to grow.
_INITIAL_BINS = 128

# The exponent of a lattice that is not laid yet: all elements so far were the same.
UNSET_EXPONENT = np.iinfo(np.int16).min


@dataclass(frozen=True, slots=True)
class BinGrid:
    """Bins of width `2**exponent`: bin `i` holds what is in `[(first + i) * width, (first + i + 1) * width)`.

    Edges are multiples of a power of two, so scaling an element to find its bin loses nothing, and two bins become one of
    twice the width by adding their counts.
    """

    exponent: int
    first_bin: int

    @property
    def edges(self) -> np.ndarray:
        """The `NUM_BINS + 1` edges."""
        return np.ldexp(np.arange(self.first_bin, self.first_bin + NUM_BINS + 1, dtype=np.float64), self.exponent)

    def contains(self, low: float, high: float) -> bool:
        """Say whether both ends lie in one of the bins."""
        return self.first_bin <= self.bin_of(low) and self.bin_of(high) < self.first_bin + NUM_BINS

    def bin_of(self, value: float) -> int:
        """Return the number of the bin of a value, counted from zero at the value zero."""
        return math.floor(math.ldexp(value, -self.exponent))

    def widened_to(self, low: float, high: float) -> BinGrid:
        """Return the finest lattice of doubled widths whose bins hold all of this one's, and both ends."""
        exponent, first, last = self.exponent, self.first_bin, self.first_bin + NUM_BINS - 1
        while True:
            exponent, first, last = exponent + 1, first // 2, last // 2
            wider = BinGrid(exponent, first)
            ends = min(first, wider.bin_of(low)), max(last, wider.bin_of(high))
            if ends[1] - ends[0] < NUM_BINS:
                return BinGrid(exponent, _centered_first_bin(*ends))


def grid_for_range(low: float, high: float) -> BinGrid | None:
    """Return a lattice for values of this range with room to grow, or None where they are all the same."""
    if not low < high:
        return None
    # No finer than float32 counts: the number of a bin is one as well.
    finest = math.frexp(max(abs(low), abs(high)))[1] - 23
    exponent = max(math.frexp(high - low if math.isfinite(high - low) else high)[1] - int(math.log2(_INITIAL_BINS)), finest)
    while True:
        lattice = BinGrid(exponent, 0)
        ends = lattice.bin_of(low), lattice.bin_of(high)
        if ends[1] - ends[0] < _INITIAL_BINS:
            return BinGrid(exponent, _centered_first_bin(*ends))
        exponent += 1


def _centered_first_bin(low: int, high: int) -> int:
    """Return the first of `NUM_BINS` bins around a range: as many on both sides of zero where that holds it."""
    half = NUM_BINS // 2
    if -half <= low and high < half:
        return -half
    return low - (NUM_BINS - 1 - (high - low)) // 2


class BinGrids:
    """The lattices of several weights, as arrays.

    `UNSET_EXPONENT` where all elements so far were the same, or there was none.
    """

    def __init__(self, count: int) -> None:
        self.exponents = np.full(count, UNSET_EXPONENT, np.int16)
        self.first_bins = np.zeros(count, np.int64)
        # The range of what there was before the lattice was laid, and of what it was widened for.
        self._lows = np.full(count, np.inf)
        self._highs = np.full(count, -np.inf)
        # Where the lattice begins and ends.
        self._starts, self._ends = self._lows.copy(), self._highs.copy()

    def __getitem__(self, slot: int) -> BinGrid | None:
        exponent = int(self.exponents[slot])
        return None if exponent == UNSET_EXPONENT else BinGrid(exponent, int(self.first_bins[slot]))

    def __setitem__(self, slot: int, grid: BinGrid | None) -> None:
        if grid is not None:
            self.exponents[slot], self.first_bins[slot] = grid.exponent, grid.first_bin
            with np.errstate(over="ignore"):
                ends = np.ldexp([float(grid.first_bin), float(grid.first_bin + NUM_BINS)], grid.exponent)  # exact, or infinite
            self._starts[slot], self._ends[slot] = ends

    def copy_from(self, slot: int, other: BinGrids, other_slot: int) -> None:
        """Take over the lattice and the range at a place of another one."""
        for name in vars(self):
            getattr(self, name)[slot] = getattr(other, name)[other_slot]

    def clear(self, slot: int) -> None:
        """Begin anew at a place."""
        self.copy_from(slot, BinGrids(1), 0)

    def extend(self, slots: np.ndarray, lows: np.ndarray, highs: np.ndarray) -> None:
        """Lay or widen the lattices at these places so that they hold the ranges; NaN stands for none."""
        is_inside = (lows >= self._starts[slots]) & (highs < self._ends[slots])
        if is_inside.all():
            return
        outside = slots[~is_inside]
        self._lows[outside] = np.fmin(self._lows[outside], lows[~is_inside])
        self._highs[outside] = np.fmax(self._highs[outside], highs[~is_inside])
        for place in outside.tolist():
            self._widen(place)

    def extend_one(self, slot: int, low: float, high: float) -> None:
        """Do the same for one lattice, in a tenth of the time."""
        if low < self._lows[slot] or high > self._highs[slot]:
            self._lows[slot] = min(low, self._lows[slot])
            self._highs[slot] = max(high, self._highs[slot])
            self._widen(slot)

    def _widen(self, slot: int) -> None:
        low, high = float(self._lows[slot]), float(self._highs[slot])
        lattice = self[slot]
        if lattice is None:
            self[slot] = grid_for_range(low, high)
        elif not lattice.contains(low, high):
            self[slot] = lattice.widened_to(low, high)
