"""Histogram bins whose width is a power of two, so that counts stay exact when the range grows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

NUM_BINS = 256

# The number of bins for the range of the first values; the remaining bins leave room for growth.
_INITIAL_BINS = 128

# The exponent of a bin grid that is not set yet, because all elements so far were equal.
UNSET_EXPONENT = np.iinfo(np.int16).min


@dataclass(frozen=True, slots=True)
class BinGrid:
    """Bins of width `2**exponent`: bin `i` covers `[(first_bin + i) * width, (first_bin + i + 1) * width)`.

    Edges are multiples of a power of two. Scaling an element to find its bin is therefore lossless, and two bins can be merged
    into one of twice the width by adding their counts.
    """

    exponent: int
    first_bin: int

    @property
    def edges(self) -> np.ndarray:
        """The `NUM_BINS + 1` edges."""
        return np.ldexp(np.arange(self.first_bin, self.first_bin + NUM_BINS + 1, dtype=np.float64), self.exponent)

    def contains(self, low: float, high: float) -> bool:
        """Return whether both ends of a range lie within the bins."""
        return self.first_bin <= self.bin_of(low) and self.bin_of(high) < self.first_bin + NUM_BINS

    def bin_of(self, value: float) -> int:
        """Return the bin number of a value; bin 0 starts at the value zero."""
        return math.floor(math.ldexp(value, -self.exponent))

    def widened_to(self, low: float, high: float) -> BinGrid:
        """Return the finest grid, with widths doubled as needed, that covers this grid and both ends of a range."""
        exponent, first, last = self.exponent, self.first_bin, self.first_bin + NUM_BINS - 1
        while True:
            exponent, first, last = exponent + 1, first // 2, last // 2
            wider = BinGrid(exponent, first)
            ends = min(first, wider.bin_of(low)), max(last, wider.bin_of(high))
            if ends[1] - ends[0] < NUM_BINS:
                return BinGrid(exponent, _centered_first_bin(*ends))


def grid_for_range(low: float, high: float) -> BinGrid | None:
    """Return a bin grid for values of this range with room for growth, or None if all values are equal."""
    if not low < high:
        return None
    # Not finer than the resolution of float32, because bin numbers are computed in float32 as well.
    finest = math.frexp(max(abs(low), abs(high)))[1] - 23
    exponent = max(math.frexp(high - low if math.isfinite(high - low) else high)[1] - int(math.log2(_INITIAL_BINS)), finest)
    while True:
        lattice = BinGrid(exponent, 0)
        ends = lattice.bin_of(low), lattice.bin_of(high)
        if ends[1] - ends[0] < _INITIAL_BINS:
            return BinGrid(exponent, _centered_first_bin(*ends))
        exponent += 1


def _centered_first_bin(low: int, high: int) -> int:
    """Return the first of `NUM_BINS` bins around a range; the bins are symmetric about zero if that covers the range."""
    half = NUM_BINS // 2
    if -half <= low and high < half:
        return -half
    return low - (NUM_BINS - 1 - (high - low)) // 2


class BinGrids:
    """The bin grids of several weights, stored as arrays.

    The exponent is `UNSET_EXPONENT` if all elements so far were equal, or if there were none.
    """

    def __init__(self, count: int) -> None:
        self.exponents = np.full(count, UNSET_EXPONENT, np.int16)
        self.first_bins = np.zeros(count, np.int64)
        # The range of all elements before a grid was set, and of the elements that it was widened for.
        self._lows = np.full(count, np.inf)
        self._highs = np.full(count, -np.inf)
        # The lower and upper ends of each grid.
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
        """Copy the bin grid and the range from a slot of another `BinGrids`."""
        for name in vars(self):
            getattr(self, name)[slot] = getattr(other, name)[other_slot]

    def clear(self, slot: int) -> None:
        """Reset the bin grid in a slot."""
        self.copy_from(slot, BinGrids(1), 0)

    def extend(self, slots: np.ndarray, lows: np.ndarray, highs: np.ndarray) -> None:
        """Set or widen the bin grids in these slots to cover the given ranges; NaN means an empty range."""
        is_inside = (lows >= self._starts[slots]) & (highs < self._ends[slots])
        if is_inside.all():
            return
        outside = slots[~is_inside]
        self._lows[outside] = np.fmin(self._lows[outside], lows[~is_inside])
        self._highs[outside] = np.fmax(self._highs[outside], highs[~is_inside])
        for place in outside.tolist():
            self._widen(place)

    def extend_one(self, slot: int, low: float, high: float) -> None:
        """Set or widen a single bin grid, in a tenth of the time of `extend`."""
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
