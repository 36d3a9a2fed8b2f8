"""The numbers that a table of all weights can show: a row for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weight_explorer.recording.statistics import INDEX, NOT_FINITE, QUANTITIES

# About this share of itself a weight changes in a batch where a training goes well: Karpathy,
# https://cs231n.github.io/neural-networks-3/#ratio
USUAL_RATIO = 1e-3

# A logarithmic scale whose cells are all above 0, so that of several the largest is farthest from it: below float32's smallest.
LOWEST_EXPONENT = -46.0

# Stands for a cell that would be exactly 0, which says that there is no value.
_NEXT_TO_NOTHING = np.float32(1e-30)

_VALUE, _SINCE_START, _SINCE_LAST = range(len(QUANTITIES))

# Makes values of statistics of shape (records, weights, `QUANTITIES`, `FIELDS`) and the norms that the weights started with.
Of = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that each weight has at each record; none is below zero.

    Attributes:
        label: Its name, in few words.
        words: What it is, for a sentence.
        of: Computes it; NaN where it is not known.
        quantity: The place in `QUANTITIES` of what it is a statistic of.
        is_log: Whether its size is what matters.
        is_ratio: Whether it has a usual value, `USUAL_RATIO`, from which colors go out.
        per_batch: Whether it is to be divided by the batches since the record before.
        kept_as: The measure whose cells are the same before that.
        has_rows: Whether weights differ so much in it that each may have a scale of its own.
        counts_broken: Whether NaN and Inf are what it counts.
        unit: What is written behind it.
        zero: What it means where it is exactly 0.
    """

    label: str
    words: str
    of: Of
    quantity: int = _VALUE
    is_log: bool = True
    is_ratio: bool = False
    per_batch: bool = False
    kept_as: str = ""
    has_rows: bool = False
    counts_broken: bool = False
    unit: str = ""
    zero: str = "exactly 0"

    @property
    def offset(self) -> float:
        """What is subtracted from the logarithm."""
        return float(np.log10(USUAL_RATIO)) if self.is_ratio else LOWEST_EXPONENT

    def cells(self, rows: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Return cells as `Shades` describes them."""
        with np.errstate(all="ignore"):
            values = np.asarray(self.of(rows, starts), np.float64)
            cells = (np.log10(values) - self.offset if self.is_log else values).astype(np.float32)
        cells[cells == 0] = _NEXT_TO_NOTHING
        cells[values == 0] = -np.inf
        cells[~np.isfinite(values)] = 0
        if not self.counts_broken:
            quantities = sorted({_VALUE, self.quantity})
            infs = rows[:, :, quantities][..., [INDEX["positive_infs"], INDEX["negative_infs"]]] > 0
            cells[infs.any(axis=(2, 3))] = np.inf
            cells[(rows[:, :, quantities, INDEX["nans"]] > 0).any(axis=2)] = np.nan
        return cells


def _field(name: str, quantity: int = _VALUE) -> Of:
    return lambda rows, _: np.abs(rows[:, :, quantity, INDEX[name]])


def _share(name: str, quantity: int = _VALUE) -> Of:
    return lambda rows, _: 100 * rows[:, :, quantity, INDEX[name]] / rows[:, :, quantity, INDEX["count"]]


def _update_ratio(rows: np.ndarray, _: np.ndarray) -> np.ndarray:
    change, norm = rows[:, :, _SINCE_LAST, INDEX["norm"]], rows[:, :, _VALUE, INDEX["norm"]]
    return np.where(change == 0, 0, change / norm)


def _since_start(rows: np.ndarray, starts: np.ndarray) -> np.ndarray:
    change = rows[:, :, _SINCE_START, INDEX["norm"]]
    return np.where(change == 0, 0, change / starts)


def _broken(rows: np.ndarray, _: np.ndarray) -> np.ndarray:
    return rows[:, :, _VALUE, NOT_FINITE].sum(axis=-1)


STILL = "nothing moved"

MEASURES: dict[str, Measure] = {
    "update_ratio": Measure(
        "update ratio",
        "the size of the change since the record before over the size of the weight",
        _update_ratio, _SINCE_LAST, is_ratio=True, zero=STILL,
    ),
    "batch_ratio": Measure(
        "update ratio per batch",
        "the size of the change since the record before, for each batch between, as a share of the size of the weight: each "
        "update was at least as large on average",
        _update_ratio, _SINCE_LAST, is_ratio=True, per_batch=True, kept_as="update_ratio", zero=STILL,
    ),
    "since_start": Measure(
        "change since start",
        "the size of the change since the start, as a share of the size at the start; a weight that starts at 0 has none",
        _since_start, _SINCE_START, has_rows=True, zero="as at the start",
    ),
    "moved": Measure(
        "elements that moved", "the share of elements that changed at all since the record before",
        _share("moved", _SINCE_LAST), _SINCE_LAST, is_log=False, unit=" %", zero=STILL,
    ),
    "norm": Measure(
        "norm (L2)", "the size of the weight: the root of the sum of its squares",
        _field("norm"), has_rows=True, zero="all zero",
    ),
    "std": Measure(
        "std. deviation", "how far the elements lie from their mean",
        _field("std"), has_rows=True, zero="constant",
    ),
    "largest_change": Measure(
        "largest change", "how far that element went which changed the most since the record before",
        _field("largest", _SINCE_LAST), _SINCE_LAST, has_rows=True, zero=STILL,
    ),
    "zeros": Measure(
        "elements that are 0", "the share of elements that are exactly 0",
        _share("zeros"), is_log=False, unit=" %", zero="none",
    ),
    "broken": Measure(
        "NaN and Inf", "how many elements are NaN or infinite",
        _broken, counts_broken=True, zero="none",
    ),
}  # fmt: skip
