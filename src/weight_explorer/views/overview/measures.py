"""The measures that the table of all weights can show, one row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weight_explorer.recording.statistics.summary import FIELD_INDEX, NON_FINITE_FIELDS, QUANTITIES

# The usual update ratio per batch, when training goes well: Karpathy,
# https://cs231n.github.io/neural-networks-3/#ratio
TYPICAL_RATIO = 1e-3

# The offset of logarithmic cells, below the exponent of the smallest float32. All cells are above 0, so that the largest of
# several cells is the farthest from 0.
LOWEST_EXPONENT = -46.0

# Replaces a cell that would be exactly 0, because 0 stands for a missing value.
_TINY = np.float32(1e-30)

_VALUE, _SINCE_START, _SINCE_LAST = range(len(QUANTITIES))

# Takes statistics of shape (records, weights, `QUANTITIES`, `FIELDS`), and the norms of the weights at their start.
ComputeMeasure = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class OverviewMeasure:
    """A number that each weight has at each record. It is never negative.

    Attributes:
        label: A short name.
        text: A description, for use in a sentence.
        compute: A function that computes it; NaN where it is not known.
        quantity: The index in `QUANTITIES` of the quantity that it is a statistic of.
        is_log: Whether it is shown on a logarithmic scale.
        is_ratio: Whether it has a usual value, `TYPICAL_RATIO`, at the center of the color scale.
        per_batch: Whether it is divided by the number of batches since the previous record.
        cached_as: The measure that has the same cells before that division.
        has_row_scale: Whether weights differ so much that each may have its own color scale.
        counts_not_finite: Whether it counts NaN and Inf.
        unit: The unit, written after the number.
        zero_text: The meaning of a value of exactly 0.
    """

    label: str
    text: str
    compute: ComputeMeasure
    quantity: int = _VALUE
    is_log: bool = True
    is_ratio: bool = False
    per_batch: bool = False
    cached_as: str = ""
    has_row_scale: bool = False
    counts_not_finite: bool = False
    unit: str = ""
    zero_text: str = "exactly 0"

    @property
    def offset(self) -> float:
        """The number that is subtracted from the logarithm."""
        return float(np.log10(TYPICAL_RATIO)) if self.is_ratio else LOWEST_EXPONENT

    def cells(self, rows: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Return cells in the format that `HeatmapScale` describes."""
        with np.errstate(all="ignore"):
            values = np.asarray(self.compute(rows, starts), np.float64)
            cells = (np.log10(values) - self.offset if self.is_log else values).astype(np.float32)
        cells[cells == 0] = _TINY
        cells[values == 0] = -np.inf
        cells[~np.isfinite(values)] = 0
        if not self.counts_not_finite:
            quantities = sorted({_VALUE, self.quantity})
            infs = rows[:, :, quantities][..., [FIELD_INDEX["positive_infs"], FIELD_INDEX["negative_infs"]]] > 0
            cells[infs.any(axis=(2, 3))] = np.inf
            cells[(rows[:, :, quantities, FIELD_INDEX["nans"]] > 0).any(axis=2)] = np.nan
        return cells


def _field(name: str, quantity: int = _VALUE) -> ComputeMeasure:
    return lambda rows, _: np.abs(rows[:, :, quantity, FIELD_INDEX[name]])


def _share(name: str, quantity: int = _VALUE) -> ComputeMeasure:
    return lambda rows, _: 100 * rows[:, :, quantity, FIELD_INDEX[name]] / rows[:, :, quantity, FIELD_INDEX["count"]]


def _update_ratio(rows: np.ndarray, _: np.ndarray) -> np.ndarray:
    change, norm = rows[:, :, _SINCE_LAST, FIELD_INDEX["norm"]], rows[:, :, _VALUE, FIELD_INDEX["norm"]]
    return np.where(change == 0, 0, change / norm)


def _since_start(rows: np.ndarray, starts: np.ndarray) -> np.ndarray:
    change = rows[:, :, _SINCE_START, FIELD_INDEX["norm"]]
    return np.where(change == 0, 0, change / starts)


def _num_not_finite(rows: np.ndarray, _: np.ndarray) -> np.ndarray:
    return rows[:, :, _VALUE, NON_FINITE_FIELDS].sum(axis=-1)


NOTHING_CHANGED = "nothing moved"

MEASURES: dict[str, OverviewMeasure] = {
    "update_ratio": OverviewMeasure(
        "update ratio",
        "the size of the change since the record before over the size of the weight",
        _update_ratio, _SINCE_LAST, is_ratio=True, zero_text=NOTHING_CHANGED,
    ),
    "batch_ratio": OverviewMeasure(
        "update ratio per batch",
        "the size of the change since the record before, for each batch between, as a share of the size of the weight: each "
        "update was at least as large on average",
        _update_ratio, _SINCE_LAST, is_ratio=True, per_batch=True, cached_as="update_ratio", zero_text=NOTHING_CHANGED,
    ),
    "since_start": OverviewMeasure(
        "change since start",
        "the size of the change since the start, as a share of the size at the start; a weight that starts at 0 has none",
        _since_start, _SINCE_START, has_row_scale=True, zero_text="as at the start",
    ),
    "moved": OverviewMeasure(
        "elements that moved", "the share of elements that changed at all since the record before",
        _share("moved", _SINCE_LAST), _SINCE_LAST, is_log=False, unit=" %", zero_text=NOTHING_CHANGED,
    ),
    "norm": OverviewMeasure(
        "norm (L2)", "the size of the weight: the root of the sum of its squares",
        _field("norm"), has_row_scale=True, zero_text="all zero",
    ),
    "std": OverviewMeasure(
        "std. deviation", "how far the elements lie from their mean",
        _field("std"), has_row_scale=True, zero_text="constant",
    ),
    "largest_change": OverviewMeasure(
        "largest change", "how far that element went which changed the most since the record before",
        _field("largest", _SINCE_LAST), _SINCE_LAST, has_row_scale=True, zero_text=NOTHING_CHANGED,
    ),
    "zeros": OverviewMeasure(
        "elements that are 0", "the share of elements that are exactly 0",
        _share("zeros"), is_log=False, unit=" %", zero_text="none",
    ),
    "broken": OverviewMeasure(
        "NaN and Inf", "how many elements are NaN or infinite",
        _num_not_finite, counts_not_finite=True, zero_text="none",
    ),
}  # fmt: skip
