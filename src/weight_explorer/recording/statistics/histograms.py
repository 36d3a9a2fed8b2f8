"""Histograms over time, with common edges and quantiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from weight_explorer.recording.statistics.bin_grid import NUM_BINS, UNSET_EXPONENT, BinGrid, grid_for_range
from weight_explorer.recording.statistics.summary import FIELD_INDEX, NON_FINITE_FIELDS

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True, slots=True, eq=False)
class Histograms:
    """Histograms of a weight at each record: `counts[record, bin]` over `edges`, with exact counts.

    A bin includes its lower edge and excludes its upper edge. Elements that are not finite are not counted.
    """

    record_numbers: np.ndarray
    edges: np.ndarray
    counts: np.ndarray

    def quantiles(self, levels: Iterable[float] = QUANTILES) -> np.ndarray:
        """Estimate quantiles at each record, accurate to within one bin, as an array of shape (records, levels).

        Elements are assumed to be spread evenly over their bin. Quantiles are NaN if no element is finite.
        """
        return estimate_quantiles(self.edges, self.counts, tuple(levels))

    @classmethod
    def from_grids(
        cls, record_numbers: np.ndarray, exponents: np.ndarray, first_bins: np.ndarray, counts: np.ndarray, rows: np.ndarray
    ) -> Histograms:
        """Convert counts to the bins of the widest grid, which all other grids were widened to.

        `rows` are the statistics. They locate the elements at records where all elements are equal, which have no bin grid.
        """
        common = _common_grid(exponents, first_bins, rows)
        result = np.zeros((len(counts), NUM_BINS), np.int64)
        low, high = rows[:, FIELD_INDEX["minimum"]], rows[:, FIELD_INDEX["maximum"]]
        for place in np.flatnonzero(low == high):
            result[place, common.bin_of(float(low[place])) - common.first_bin] = _num_finite(rows[place])
        is_spread = np.isfinite(low) & (low != high)
        for exponent, first in set(zip(exponents[is_spread].tolist(), first_bins[is_spread].tolist(), strict=True)):
            places = np.flatnonzero(is_spread & (exponents == exponent) & (first_bins == first))
            result[places] = _rebinned(BinGrid(exponent, first), common, counts[places])
        return cls(record_numbers, common.edges, result)


def estimate_quantiles(edges: np.ndarray, counts: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Estimate quantiles of histograms, one in each row of `counts`, as `Histograms.quantiles` does.

    >>> estimate_quantiles(np.array([0.0, 1.0, 2.0]), np.array([[3, 1], [0, 0]]), (0.25, 0.5)).round(3).tolist()
    [[0.333, 0.667], [nan, nan]]
    """
    totals = counts.sum(axis=1)
    is_filled = counts > 0
    ends = is_filled.argmax(axis=1), counts.shape[1] - 1 - is_filled[:, ::-1].argmax(axis=1)
    reached = np.cumsum(counts, axis=1) / np.maximum(totals, 1)[:, None]
    result = np.empty((len(counts), len(levels)))
    rows = np.arange(len(counts))
    for column, share in enumerate(levels):
        # The bin in which the level is reached, clipped to the filled bins because sums are rounded.
        bins = np.clip((reached < share).sum(axis=1), *ends)
        height = counts[rows, bins] / np.maximum(totals, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = (share - (reached[rows, bins] - height)) / height
        result[:, column] = edges[bins] + np.clip(inside, 0, 1) * (edges[bins + 1] - edges[bins])
    result[totals == 0] = np.nan
    return result


def _rebinned(grid: BinGrid, wider: BinGrid, counts: np.ndarray) -> np.ndarray:
    """Convert counts over a grid, with one record per row, to counts over a wider grid that it was widened to."""
    halvings = wider.exponent - grid.exponent
    bins = np.clip(
        ((grid.first_bin + np.arange(NUM_BINS)) >> halvings) - wider.first_bin, 0, NUM_BINS - 1
    )  # bins beyond the wider grid are empty
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    result = np.zeros((len(counts), NUM_BINS), np.int64)
    result[:, bins[starts]] = np.add.reduceat(counts.astype(np.int64), starts, axis=1)
    return result


def _common_grid(exponents: np.ndarray, first_bins: np.ndarray, rows: np.ndarray) -> BinGrid:
    widest = int(exponents.argmax()) if len(exponents) else 0
    if len(exponents) and exponents[widest] != UNSET_EXPONENT:
        return BinGrid(int(exponents[widest]), int(first_bins[widest]))
    # All finite elements of all records have the same value: use bins with a margin on both sides of it.
    values = rows[:, FIELD_INDEX["minimum"]]
    value = float(values[np.isfinite(values)][0]) if np.isfinite(values).any() else 0.0
    margin = abs(value) / 8 or 1.0
    return grid_for_range(value - margin, value + margin) or BinGrid(0, -NUM_BINS // 2)


def _num_finite(row: np.ndarray) -> int:
    return int(row[FIELD_INDEX["count"]] - row[NON_FINITE_FIELDS].sum())
