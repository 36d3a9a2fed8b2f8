"""Statistics of a weight and of its changes, in one pass over blocks that fit the processor's cache.

Sums are computed in float64, except for squares of float32 differences: their short rows are added in float32, because they
have no more digits. Slow NumPy operations are replaced by alternatives that were measured to be faster: `einsum` for sums, dot
products of rows for squares, and masks for counts.
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
# The fields that count NaN, +Inf and -Inf elements.
NON_FINITE_FIELDS = slice(FIELD_INDEX["nans"], FIELD_INDEX["negative_infs"] + 1)
QUANTITIES = ("value", "since_start", "since_last")
COUNT_FIELDS = ("count", "zeros", "nans", "positive_infs", "negative_infs", "moved")
UNKNOWN_ROW = np.full(len(FIELDS), np.nan)

# A block and its difference together fit a core's L2 cache. Blocks of half this size double the call overhead.
BLOCK_SIZE = 1 << 17

# Squares are added within rows, and the rows are added in float64. BLAS distributes dot products of more than 10 000 elements
# over several threads, and waits for them while training occupies the cores.
_ROW_LENGTH = 4096

# Squares of float32 are added in float32 in rows this short, which keeps seven digits, as many as the elements have.
_FLOAT32_ROW_LENGTH = 512

# If squares are smaller than this on average, some of them are too small for float32.
_FLOAT32_TINY = 1e-30

# If the variance is smaller than the squared mean by this factor, cancellation has removed the digits that are displayed.
CANCELLATION_RATIO = 1e-6

# Below this norm, squares are too small for float64.
TINY_NORM = 1e-150

ReadBlocks = Callable[[], Iterator[np.ndarray]]


class Workspace:
    """Buffers for one block, reused for every record, because allocation costs as much as a pass. For one thread only."""

    def __init__(self) -> None:
        self.float64_block = np.empty(BLOCK_SIZE)
        self.float32_block = np.empty(BLOCK_SIZE, np.float32)
        self.mask_block = np.empty(BLOCK_SIZE, bool)

    def to_float64(self, block: np.ndarray) -> np.ndarray:
        """Return a block converted to float64."""
        if block.dtype == np.float64:
            return block
        wide = self.float64_block[: block.size]
        np.copyto(wide, block)
        return wide


@dataclass(slots=True)
class _Sums:
    """Sums over the blocks. `low` and `high` are the finite extremes, and `largest_index` is the index of `largest`."""

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
        """Update the extremes. The index of the larger one is searched only if it is new, because that costs a pass."""
        low, high = float(np.minimum.reduce(block)), float(np.maximum.reduce(block))
        at_low, far = -low > high, abs(self.largest)
        # If two elements are equally far from zero, use the positive one.
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
            read_again: Reads the finite elements again if the sums have lost digits or overflowed.
            compute_mean: Computes the mean of the finite elements.
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
    """Summarize an array, or its difference from a reference of equal shape, as one row of `FIELDS`.

    Minimum, maximum, mean, std (population) and norm (L2) use the finite elements only, and are NaN if there are none. `count`
    is the number of all elements. `zeros`, `nans`, `positive_infs` and `negative_infs` count elements. `moved` counts nonzero
    elements; for a difference these are the changed elements (a NaN that stays NaN is unchanged). `largest` is the finite
    element farthest from zero, with its sign, and `place` is its index in the flattened array. All are float64.

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
    # Indexing every axis returns a NumPy scalar, whose memory does not outlive reading its address: convert it to an array.
    return compute_statistics(np.asarray(values), [] if reference is None else [Reference(np.asarray(reference))])[-1]


def unchanged_row(size: int) -> np.ndarray:
    """Return the row of an unchanged weight, which is the row of `size` zeros."""
    row = np.zeros(len(FIELDS)) if size else np.where([name in COUNT_FIELDS for name in FIELDS], 0.0, np.nan)
    row[[FIELD_INDEX["count"], FIELD_INDEX["zeros"]]] = size
    return row


class Reference(NamedTuple):
    """An array to compare with, and its mean if that is known and all its elements are finite."""

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
    """Summarize an array and its differences from references of equal shape, reading each array once.

    Args:
        values: Any shape and dtype. Low precision is widened, because statistics computed in float16 or int8 are meaningless.
        references: Arrays of equal shape. Each adds one row after the row of the values. The difference of two float32 arrays
            is computed in float32: exact if the elements are close, else rounded as the elements are.
        workspace: Buffers to reuse.
        copy: A flat array of the same dtype that the values are copied to in the same pass.
        bins: The bins of one segment, to count the values in the same pass; marked as missed if NumPy is used.

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
    # NaN and infinities are counted, and overflowing sums are handled, so warnings are not needed.
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
    """Return the mean of a change: the change of the mean, or a direct sum if few elements changed and digits would be lost."""
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
        # `argmin` copies read-only arrays, such as those of variables, so read our own copy if there is one.
        block = to_float(flat[part] if copy is None else copy[part])
        _add_values(sums[0], start, block, workspace)
        for each, other in zip(sums[1:], others, strict=True):
            _add_change(each, start, block, to_float(other.values[part]), workspace)


def to_float(values: np.ndarray) -> np.ndarray:
    """Return the values as float32 or float64, the smaller type that represents them without loss."""
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
    # The float32 difference of two close float32 values is exact, and it is zero only if they are equal.
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
    """Return the sum of the squares of a block, which is not finite if any element is not."""
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
    """Return the L2 norm of elements minus their mean, in units of `scale` during summation so that squares do not overflow."""
    total = 0.0
    for block in blocks:
        scaled = (block - mean) / scale
        total += float(np.einsum("i,i->", scaled, scaled))
    return scale * math.sqrt(total)
