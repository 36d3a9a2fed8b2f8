"""Statistics of a weight and of its changes, in one pass over blocks that fit the processor's cache.

Sums are taken in float64, but for squares of differences of float32, whose short rows are added in float32: they have no more
digits. What NumPy is slow at is done another way, each measured: sums by `einsum`, squares as dot products of rows, counts by
way of a mask.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from weight_explorer.recording.statistics import native

FIELDS = (
    "count",
    "minimum",
    "maximum",
    "mean",
    "std",
    "norm",
    "zeros",
    "nans",
    "positive_infs",
    "negative_infs",
    "moved",
    "largest",
    "place",
)
FIELD_INDEX = {name: index for index, name in enumerate(FIELDS)}
# How many elements are NaN, +Inf and -Inf.
NON_FINITE_FIELDS = slice(FIELD_INDEX["nans"], FIELD_INDEX["negative_infs"] + 1)
QUANTITIES = ("value", "since_start", "since_last")
COUNT_FIELDS = ("count", "zeros", "nans", "positive_infs", "negative_infs", "moved")
UNKNOWN_ROW = np.full(len(FIELDS), np.nan)

# A block and its difference fit a core's second-level cache together; half of it pays twice for the calls.
BLOCK_SIZE = 1 << 17

# Squares are added in rows, and the rows in float64. BLAS hands dot products of more than 10 000 elements to several threads,
# and waits for them while the training has the cores.
_ROW_LENGTH = 4096

# Squares of float32 are added in float32 in rows this short, which leaves seven digits, as the elements have.
_FLOAT32_ROW_LENGTH = 512

# Where they are smaller than this on average, some are too small for float32.
_FLOAT32_TINY = 1e-30

# Where the variance is this much smaller than the squared mean, their difference has lost the digits that are shown.
CANCELLATION_RATIO = 1e-6

# A norm below this is one of squares too small for float64.
TINY_NORM = 1e-150

ReadBlocks = Callable[[], Iterator[np.ndarray]]


class Workspace:
    """Buffers for one block, kept from record to record: allocating them anew costs as much as a pass. For one thread."""

    def __init__(self) -> None:
        self.float64_block = np.empty(BLOCK_SIZE)
        self.float32_block = np.empty(BLOCK_SIZE, np.float32)
        self.mask_block = np.empty(BLOCK_SIZE, bool)

    def to_float64(self, block: np.ndarray) -> np.ndarray:
        """Return a block in float64."""
        if block.dtype == np.float64:
            return block
        wide = self.float64_block[: block.size]
        np.copyto(wide, block)
        return wide


@dataclass(slots=True)
class _Sums:
    """What is added up over the blocks. `low` and `high` are the finite extremes; where `largest` is, says `largest_index`."""

    total: float = 0.0
    squares: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    largest: float = 0.0
    largest_index: int = 0
    zeros: int = 0
    nans: int = 0
    positive_infs: int = 0
    negative_infs: int = 0
    changed: int = 0

    def add_finite(self, start: int, block: np.ndarray, *, zeros: int, squares: float, total: float = 0.0) -> None:
        """Add a block of finite elements that begins at element `start`."""
        self.zeros += zeros
        self.squares += squares
        self.total += total
        self._update_extremes(block, range(start, start + block.size))

    def add_any(self, block: np.ndarray, start: int) -> None:
        """Add a block of float64 that may hold NaN and infinities."""
        places = np.flatnonzero(np.isfinite(block))
        finite = block[places]
        nans, positive = int(np.isnan(block).sum()), int(np.isposinf(block).sum())
        self.nans += nans
        self.positive_infs += positive
        self.negative_infs += block.size - finite.size - nans - positive
        self.zeros += finite.size - int(np.count_nonzero(finite))
        if finite.size:
            self.squares += float(np.einsum("i,i->", finite, finite))
            self.total += float(finite.sum())
            self._update_extremes(finite, start + places)

    def _update_extremes(self, block: np.ndarray, indices: Sequence[int] | np.ndarray) -> None:
        """Note the extremes of a block, and where the larger is: to look for that costs a pass, so only if it is a new one."""
        low, high = float(np.minimum.reduce(block)), float(np.maximum.reduce(block))
        at_low, far = -low > high, abs(self.largest)
        # Of two that are as far from zero the positive one counts.
        if self.low > self.high or (-low > far if at_low else high > far or high == far > self.largest):
            self.largest = low if at_low else high
            self.largest_index = int(indices[int(block.argmin() if at_low else block.argmax())])
        self.low, self.high = min(low, self.low), max(high, self.high)

    def num_finite(self, size: int) -> int:
        """Return the number of finite elements."""
        return size - self.nans - self.positive_infs - self.negative_infs

    def to_row(self, size: int, read_again: ReadBlocks, compute_mean: Callable[[], float]) -> list[float]:
        """Return the row of `FIELDS`.

        Args:
            size: The number of elements.
            read_again: Reads the finite elements once more, where the sums have lost their digits or have overflowed.
            compute_mean: Finds their mean.
        """
        finite = self.num_finite(size)
        counts = (self.zeros, self.nans, self.positive_infs, self.negative_infs, self.changed)
        if not finite:
            return [size, *[math.nan] * 5, *counts, math.nan, math.nan]
        mean = self.low if self.low == self.high else compute_mean()
        std, norm = self._std(finite, mean, read_again), math.sqrt(self.squares)
        if self.largest and not TINY_NORM < norm < math.inf:
            norm = _norm_around(read_again(), 0.0, abs(self.largest))
        return [size, self.low, self.high, mean, std, norm, *counts, self.largest, self.largest_index]

    def _std(self, num_finite: int, mean: float, read_again: ReadBlocks) -> float:
        if self.low == self.high:
            return 0.0
        variance = self.squares / num_finite - mean * mean
        if math.isfinite(variance) and variance > max(CANCELLATION_RATIO * mean * mean, TINY_NORM**2):
            return math.sqrt(variance)
        return _norm_around(read_again(), mean, max(-self.low, self.high)) / math.sqrt(num_finite)


def summarize(values: np.ndarray, reference: np.ndarray | None = None) -> np.ndarray:
    """Summarize an array, or its difference to a reference of equal shape, as one row of `FIELDS`.

    Minimum, maximum, mean, std (population) and norm (L2) are those of the finite elements, NaN where there are none; `count`
    is the number of all; `zeros`, `nans`, `positive_infs` and `negative_infs` count elements; `moved` counts those that differ
    from zero, which of a difference are those that changed at all (a NaN that stayed NaN did not). `largest` is the finite
    element farthest from zero, with its sign, and `place` where it stands in the flattened array. All are float64.

    >>> import numpy as np
    >>> row = summarize(np.array([1.0, -2.0, np.nan]))
    >>> (
    ...     float(row[FIELD_INDEX["mean"]]),
    ...     int(row[FIELD_INDEX["nans"]]),
    ...     float(row[FIELD_INDEX["largest"]]),
    ...     int(row[FIELD_INDEX["place"]]),
    ... )
    (-0.5, 1, -2.0, 1)
    """
    # A NumPy scalar, which indexing every axis gives, has no memory that outlives the reading of its address.
    return compute_statistics(np.asarray(values), [] if reference is None else [Reference(np.asarray(reference))])[-1]


def unchanged_row(size: int) -> np.ndarray:
    """Return the row of a weight none of whose elements changed: that of so many zeros."""
    row = np.zeros(len(FIELDS)) if size else np.where([name in COUNT_FIELDS for name in FIELDS], 0.0, np.nan)
    row[[FIELD_INDEX["count"], FIELD_INDEX["zeros"]]] = size
    return row


class Reference(NamedTuple):
    """What an array is compared with, and its mean where that is known and all its elements are finite."""

    values: np.ndarray
    mean: float = math.nan


def compute_statistics(
    values: np.ndarray,
    references: Sequence[Reference],
    workspace: Workspace | None = None,
    *,
    copy: np.ndarray | None = None,
    bins: native.SegmentBins | None = None,
) -> np.ndarray:
    """Summarize an array and its differences to references of equal shape, reading each once.

    Args:
        values: Any shape and number type. Low precision is widened: statistics taken in float16 or int8 are nonsense.
        references: Arrays of equal shape. Each gives a row of its own, behind that of the values. The difference of two
            float32 is taken in float32: exact where they are near each other, else rounded as they are.
        workspace: Buffers to use again.
        copy: A flat array of the same type to fill with the values on the way.
        bins: Of one segment, where to count the values on the way; they are missed where NumPy makes the passes.

    Returns:
        Rows of `FIELDS`, of shape (1 + number of references, number of fields).
    """
    befores = [other.values for other in references]
    if native.library and native.library.accepts(values, *befores, *([] if copy is None else [copy])):
        rows = np.empty((1 + len(references), len(FIELDS)))
        native.library.compute_statistics(values, np.array([values.size]), befores, copy, rows, bins)
        return rows
    if bins:
        bins.missed[:] = True
    return _compute_with_numpy(values, references, workspace or Workspace(), copy)


def _compute_with_numpy(
    values: np.ndarray, references: Sequence[Reference], workspace: Workspace, copy: np.ndarray | None
) -> np.ndarray:
    flat, others = values.reshape(-1), [Reference(other.values.reshape(-1), other.mean) for other in references]
    sums = [_Sums() for _ in range(1 + len(others))]
    # NaN and infinities are counted, and so are sums that overflow: no reason to warn of them.
    with np.errstate(invalid="ignore", over="ignore"):
        _add_blocks(flat, others, sums, workspace, copy)
    value = sums[0].to_row(flat.size, lambda: _finite_blocks(flat, None), lambda: sums[0].total / sums[0].num_finite(flat.size))
    rows = [value]
    for each, other in zip(sums[1:], others, strict=True):
        again = functools.partial(_finite_blocks, flat, other.values)
        mean = functools.partial(_mean_change, each, value, other.mean, again)
        rows.append(each.to_row(flat.size, again, mean))
    return np.array(rows, np.float64)


def _mean_change(sums: _Sums, value: Sequence[float], before: float, read_again: ReadBlocks) -> float:
    """Return the mean of a change: the change of the mean, but for where few elements moved, and next to nothing is left."""
    size = int(value[FIELD_INDEX["count"]])
    if sums.num_finite(size) == size and sums.changed * 64 > size and math.isfinite(before):
        return value[FIELD_INDEX["mean"]] - before
    return sum(float(block.sum()) for block in read_again()) / sums.num_finite(size)


def _add_blocks(
    flat: np.ndarray,
    others: Sequence[Reference],
    sums: Sequence[_Sums],
    workspace: Workspace,
    copy: np.ndarray | None,
) -> None:
    for start in range(0, flat.size, BLOCK_SIZE):
        part = slice(start, start + BLOCK_SIZE)
        if copy is not None:
            np.copyto(copy[part], flat[part])
        # Of an array that is read-only, as a variable's is, `argmin` makes a copy: rather read our own.
        block = to_float(flat[part] if copy is None else copy[part])
        _add_values(sums[0], start, block, workspace)
        for each, other in zip(sums[1:], others, strict=True):
            _add_change(each, start, block, to_float(other.values[part]), workspace)


def to_float(values: np.ndarray) -> np.ndarray:
    """Return numbers in float32 or float64, whichever holds them without loss and NumPy computes in."""
    if values.dtype in (np.float32, np.float64):
        return values
    return values.astype(np.float32 if values.dtype.itemsize <= 2 else np.float64)


def _add_values(sums: _Sums, start: int, block: np.ndarray, workspace: Workspace) -> None:
    wide = workspace.to_float64(block)
    squares = _sum_of_squares(wide, _ROW_LENGTH)
    if math.isfinite(squares):
        zeros = int(np.count_nonzero(np.equal(block, 0, out=workspace.mask_block[: block.size])))
        sums.changed += block.size - zeros
        sums.add_finite(start, block, zeros=zeros, squares=squares, total=float(np.einsum("i->", wide)))
    else:
        sums.changed += int(np.count_nonzero(block))
        sums.add_any(block.astype(np.float64), start)


def _add_change(sums: _Sums, start: int, block: np.ndarray, before: np.ndarray, workspace: Workspace) -> None:
    # In float32 the difference of two near float32 is exact, and zero only where they are equal.
    difference = np.subtract(block, before, out=workspace.float32_block[: block.size] if block.dtype == np.float32 else None)
    squares = _sum_of_squared_changes(difference, workspace)
    if math.isfinite(squares):
        moved = int(np.count_nonzero(np.not_equal(difference, 0, out=workspace.mask_block[: block.size])))
        sums.add_finite(start, difference, zeros=block.size - moved, squares=squares)
    else:
        moved = int(np.count_nonzero((block != before) & ~(np.isnan(block) & np.isnan(before))))
        sums.add_any(np.subtract(block, before, dtype=np.float64), start)
    sums.changed += moved


def _sum_of_squared_changes(difference: np.ndarray, workspace: Workspace) -> float:
    if difference.dtype == np.float32:
        squares = _sum_of_squares(difference, _FLOAT32_ROW_LENGTH)
        if squares > difference.size * _FLOAT32_TINY:
            return squares
    return _sum_of_squares(workspace.to_float64(difference), _ROW_LENGTH)


def _sum_of_squares(block: np.ndarray, row_length: int) -> float:
    """Return the sum of the squares of a block, which is not finite where an element is not."""
    rows = block[: block.size // row_length * row_length].reshape(-1, row_length)
    total = float(np.add.reduce(np.vecdot(rows, rows), dtype=np.float64))
    if rows.size < block.size:
        rest = block[rows.size :].astype(np.float64)
        total += float(np.dot(rest, rest))
    return total


def _finite_blocks(flat: np.ndarray, other: np.ndarray | None) -> Iterator[np.ndarray]:
    """Yield the finite elements, or differences, in float64."""
    for start in range(0, flat.size, BLOCK_SIZE):
        with np.errstate(invalid="ignore", over="ignore"):
            part = flat[start : start + BLOCK_SIZE].astype(np.float64)
            if other is not None:
                part -= other[start : start + BLOCK_SIZE].astype(np.float64)
        yield part[np.isfinite(part)]


def _norm_around(blocks: Iterator[np.ndarray], mean: float, scale: float) -> float:
    """Return the L2 norm of elements minus their mean, summed in units of `scale` so that no square overflows."""
    total = 0.0
    for block in blocks:
        scaled = (block - mean) / scale
        total += float(np.einsum("i,i->", scaled, scaled))
    return scale * math.sqrt(total)
