"""Histograms over time, as one reads them: over common edges, with quantiles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from weight_explorer.recording.lattice import BINS, UNSET, Lattice, lattice_for
from weight_explorer.recording.statistics import INDEX

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True, slots=True, eq=False)
class Histograms:
    """How many elements of a weight lie in which bin, at each record: `counts[record, bin]` over `edges`, all exact.

    A bin holds what is at or above its lower edge and below its upper one. Elements that are not finite are in none.
    """

    numbers: np.ndarray
    edges: np.ndarray
    counts: np.ndarray

    def quantiles(self, shares: Iterable[float] = QUANTILES) -> np.ndarray:
        """Estimate quantiles of each record, right to within one bin: an array of shape (records, shares).

        Elements are taken as spread evenly over their bin. NaN where no element is finite.
        """
        totals = self.counts.sum(axis=1, keepdims=True)
        reached = np.cumsum(self.counts, axis=1) / np.maximum(totals, 1)
        result = np.full((len(self.counts), len(shares := tuple(shares))), np.nan)
        for row in np.flatnonzero(totals[:, 0]):
            filled = np.flatnonzero(self.counts[row])
            ends = np.r_[0.0, reached[row, filled]]
            bins = np.searchsorted(ends[1:-1], shares)
            inside = (np.asarray(shares) - ends[bins]) / (ends[bins + 1] - ends[bins])
            low, high = self.edges[filled[bins]], self.edges[filled[bins] + 1]
            result[row] = low + inside * (high - low)
        return result

    @classmethod
    def of(
        cls, numbers: np.ndarray, exponents: np.ndarray, firsts: np.ndarray, counts: np.ndarray, rows: np.ndarray
    ) -> Histograms:
        """Bring counts to the bins of the widest lattice, which grew out of all others.

        `rows` are the statistics: of equal elements, which need no bins of their own, they say where those lie.
        """
        common = _common(exponents, firsts, rows)
        result = np.zeros((len(counts), BINS), np.int64)
        for place, row in enumerate(rows):
            low, high = row[INDEX["minimum"]], row[INDEX["maximum"]]
            if low == high:
                result[place, common.bin_of(float(low)) - common.first] = _num_finite(row)
            elif np.isfinite(low):
                lattice = Lattice(int(exponents[place]), int(firsts[place]))
                result[place] = lattice.moved_to(common, counts[place].astype(np.int64))
        return cls(numbers, common.edges, result)


def _common(exponents: np.ndarray, firsts: np.ndarray, rows: np.ndarray) -> Lattice:
    widest = int(exponents.argmax()) if len(exponents) else 0
    if len(exponents) and exponents[widest] != UNSET:
        return Lattice(int(exponents[widest]), int(firsts[widest]))
    # All elements of all records are one value, if any is finite: bins with room to each side of it.
    values = rows[:, INDEX["minimum"]]
    value = float(values[np.isfinite(values)][0]) if np.isfinite(values).any() else 0.0
    margin = abs(value) / 8 or 1.0
    return lattice_for(value - margin, value + margin) or Lattice(0, -BINS // 2)


def _num_finite(row: np.ndarray) -> int:
    return int(row[INDEX["count"]] - row[INDEX["nans"]] - row[INDEX["positive_infs"]] - row[INDEX["negative_infs"]])
