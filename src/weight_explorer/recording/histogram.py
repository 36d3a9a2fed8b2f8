"""Histograms over time, as one reads them: over common edges, with quantiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from weight_explorer.recording.lattice import BINS, UNSET, Lattice, lattice_for
from weight_explorer.recording.statistics import INDEX, NOT_FINITE

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
        return quantiles_of(self.edges, self.counts, tuple(shares))

    @classmethod
    def of(
        cls, numbers: np.ndarray, exponents: np.ndarray, firsts: np.ndarray, counts: np.ndarray, rows: np.ndarray
    ) -> Histograms:
        """Bring counts to the bins of the widest lattice, which grew out of all others.

        `rows` are the statistics: of equal elements, which need no bins of their own, they say where those lie.
        """
        common = _common(exponents, firsts, rows)
        result = np.zeros((len(counts), BINS), np.int64)
        low, high = rows[:, INDEX["minimum"]], rows[:, INDEX["maximum"]]
        for place in np.flatnonzero(low == high):
            result[place, common.bin_of(float(low[place])) - common.first] = _num_finite(rows[place])
        is_spread = np.isfinite(low) & (low != high)
        for exponent, first in set(zip(exponents[is_spread].tolist(), firsts[is_spread].tolist(), strict=True)):
            places = np.flatnonzero(is_spread & (exponents == exponent) & (firsts == first))
            result[places] = _moved(Lattice(exponent, first), common, counts[places])
        return cls(numbers, common.edges, result)


def quantiles_of(edges: np.ndarray, counts: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Estimate quantiles of histograms, one in each row of `counts`, as `Histograms.quantiles` does.

    >>> quantiles_of(np.array([0.0, 1.0, 2.0]), np.array([[3, 1], [0, 0]]), (0.25, 0.5)).round(3).tolist()
    [[0.333, 0.667], [nan, nan]]
    """
    totals = counts.sum(axis=1)
    is_filled = counts > 0
    ends = is_filled.argmax(axis=1), counts.shape[1] - 1 - is_filled[:, ::-1].argmax(axis=1)
    reached = np.cumsum(counts, axis=1) / np.maximum(totals, 1)[:, None]
    result = np.empty((len(counts), len(shares)))
    rows = np.arange(len(counts))
    for column, share in enumerate(shares):
        # The bin in which the share is reached; sums that are rounded must not lead beyond the filled ones.
        bins = np.clip((reached < share).sum(axis=1), *ends)
        height = counts[rows, bins] / np.maximum(totals, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = (share - (reached[rows, bins] - height)) / height
        result[:, column] = edges[bins] + np.clip(inside, 0, 1) * (edges[bins + 1] - edges[bins])
    result[totals == 0] = np.nan
    return result


def _moved(lattice: Lattice, wider: Lattice, counts: np.ndarray) -> np.ndarray:
    """Return counts over the bins of a lattice, one record in each row, as counts over a wider one that grew out of it."""
    halvings = wider.exponent - lattice.exponent
    bins = np.clip(((lattice.first + np.arange(BINS)) >> halvings) - wider.first, 0, BINS - 1)  # beyond it all are empty
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    result = np.zeros((len(counts), BINS), np.int64)
    result[:, bins[starts]] = np.add.reduceat(counts.astype(np.int64), starts, axis=1)
    return result


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
    return int(row[INDEX["count"]] - row[NOT_FINITE].sum())
