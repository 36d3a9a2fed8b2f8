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

from weight_explorer.recording import compiled

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
INDEX = {name: index for index, name in enumerate(FIELDS)}
# How many elements are NaN, +Inf and -Inf.
NOT_FINITE = slice(INDEX["nans"], INDEX["negative_infs"] + 1)
QUANTITIES = ("value", "since_start", "since_last")
COUNTS = ("count", "zeros", "nans", "positive_infs", "negative_infs", "moved")
UNKNOWN = np.full(len(FIELDS), np.nan)

# A block and its difference fit a core's second-level cache together; half of it pays twice for the calls.
BLOCK = 1 << 17

# Squares are added in rows, and the rows in float64. BLAS hands dot products of more than 10 000 elements to several threads,
# and waits for them while the training has the cores.
_ROW = 4096

# Squares of float32 are added in float32 in rows this short, which leaves seven digits, as the elements have.
_NARROW_ROW = 512

# Where they are smaller than this on average, some are too small for float32.
_NARROW_TINY = 1e-30

# Where the variance is this much smaller than the squared mean, their difference has lost the digits that are shown.
CANCELED = 1e-6

# A norm below this is one of squares too small for float64.
TINY = 1e-150

Again = Callable[[], Iterator[np.ndarray]]


class Workspace:
    """Buffers for one block, kept from record to record: allocating them anew costs as much as a pass. For one thread."""

    def __init__(self) -> None:
        self.wide = np.empty(BLOCK)
        self.narrow = np.empty(BLOCK, np.float32)
        self.mask = np.empty(BLOCK, bool)

    def widen(self, block: np.ndarray) -> np.ndarray:
        """Return a block in float64."""
        if block.dtype == np.float64:
            return block
        wide = self.wide[: block.size]
        np.copyto(wide, block)
        return wide


@dataclass(slots=True)
class _Sums:
    """What is added up over the blocks. `low` and `high` are the finite extremes; where `largest` is, says `place`."""

    total: float = 0.0
    squares: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    largest: float = 0.0
    place: int = 0
    zeros: int = 0
    nans: int = 0
    positive_infs: int = 0
    negative_infs: int = 0
    moved: int = 0

    def add(self, start: int, block: np.ndarray, *, zeros: int, squares: float, total: float = 0.0) -> None:
        """Add a block of finite elements that begins at element `start`."""
        self.zeros += zeros
        self.squares += squares
        self.total += total
        self._extend(block, range(start, start + block.size))

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
            self._extend(finite, start + places)

    def _extend(self, block: np.ndarray, places: Sequence[int] | np.ndarray) -> None:
        """Note the extremes of a block, and where the larger is: to look for that costs a pass, so only if it is a new one."""
        low, high = float(np.minimum.reduce(block)), float(np.maximum.reduce(block))
        at_low, far = -low > high, abs(self.largest)
        # Of two that are as far from zero the positive one counts.
        if self.low > self.high or (-low > far if at_low else high > far or high == far > self.largest):
            self.largest = low if at_low else high
            self.place = int(places[int(block.argmin() if at_low else block.argmax())])
        self.low, self.high = min(low, self.low), max(high, self.high)

    def finite(self, size: int) -> int:
        """Return the number of finite elements."""
        return size - self.nans - self.positive_infs - self.negative_infs

    def row(self, size: int, again: Again, mean_of: Callable[[], float]) -> list[float]:
        """Return the row of `FIELDS`.

        Args:
            size: The number of elements.
            again: Reads the finite elements once more, where the sums have lost their digits or have overflowed.
            mean_of: Finds their mean.
        """
        finite = self.finite(size)
        counts = (self.zeros, self.nans, self.positive_infs, self.negative_infs, self.moved)
        if not finite:
            return [size, *[math.nan] * 5, *counts, math.nan, math.nan]
        mean = self.low if self.low == self.high else mean_of()
        std, norm = self._std(finite, mean, again), math.sqrt(self.squares)
        if self.largest and not TINY < norm < math.inf:
            norm = _distance(again(), 0.0, abs(self.largest))
        return [size, self.low, self.high, mean, std, norm, *counts, self.largest, self.place]

    def _std(self, finite: int, mean: float, again: Again) -> float:
        if self.low == self.high:
            return 0.0
        variance = self.squares / finite - mean * mean
        if math.isfinite(variance) and variance > max(CANCELED * mean * mean, TINY**2):
            return math.sqrt(variance)
        return _distance(again(), mean, max(-self.low, self.high)) / math.sqrt(finite)


def summarize(values: np.ndarray, reference: np.ndarray | None = None) -> np.ndarray:
    """Summarize an array, or its difference to a reference of equal shape, as one row of `FIELDS`.

    Minimum, maximum, mean, std (population) and norm (L2) are those of the finite elements, NaN where there are none; `count`
    is the number of all; `zeros`, `nans`, `positive_infs` and `negative_infs` count elements; `moved` counts those that differ
    from zero, which of a difference are those that changed at all (a NaN that stayed NaN did not). `largest` is the finite
    element farthest from zero, with its sign, and `place` where it stands in the flattened array. All are float64.

    >>> import numpy as np
    >>> row = summarize(np.array([1.0, -2.0, np.nan]))
    >>> float(row[INDEX["mean"]]), int(row[INDEX["nans"]]), float(row[INDEX["largest"]]), int(row[INDEX["place"]])
    (-0.5, 1, -2.0, 1)
    """
    # A NumPy scalar, which indexing every axis gives, has no memory that outlives the reading of its address.
    return scan(np.asarray(values), [] if reference is None else [Reference(np.asarray(reference))])[-1]


def no_change(size: int) -> np.ndarray:
    """Return the row of a weight none of whose elements changed: that of so many zeros."""
    row = np.zeros(len(FIELDS)) if size else np.where([name in COUNTS for name in FIELDS], 0.0, np.nan)
    row[[INDEX["count"], INDEX["zeros"]]] = size
    return row


class Reference(NamedTuple):
    """What an array is compared with, and its mean where that is known and all its elements are finite."""

    values: np.ndarray
    mean: float = math.nan


def scan(
    values: np.ndarray,
    references: Sequence[Reference],
    workspace: Workspace | None = None,
    *,
    copy: np.ndarray | None = None,
    bins: compiled.Bins | None = None,
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
    if compiled.passes and compiled.passes.takes(values, *befores, *([] if copy is None else [copy])):
        rows = np.empty((1 + len(references), len(FIELDS)))
        compiled.passes.scan(values, np.array([values.size]), befores, copy, rows, bins)
        return rows
    if bins:
        bins.missed[:] = True
    return _scan_by_numpy(values, references, workspace or Workspace(), copy)


def _scan_by_numpy(values: np.ndarray, references: Sequence[Reference], work: Workspace, copy: np.ndarray | None) -> np.ndarray:
    flat, others = values.reshape(-1), [Reference(other.values.reshape(-1), other.mean) for other in references]
    sums = [_Sums() for _ in range(1 + len(others))]
    # NaN and infinities are counted, and so are sums that overflow: no reason to warn of them.
    with np.errstate(invalid="ignore", over="ignore"):
        _scan_blocks(flat, others, sums, work, copy)
    value = sums[0].row(flat.size, lambda: _finite_blocks(flat, None), lambda: sums[0].total / sums[0].finite(flat.size))
    rows = [value]
    for each, other in zip(sums[1:], others, strict=True):
        again = functools.partial(_finite_blocks, flat, other.values)
        mean = functools.partial(_mean_change, each, value, other.mean, again)
        rows.append(each.row(flat.size, again, mean))
    return np.array(rows, np.float64)


def _mean_change(sums: _Sums, value: Sequence[float], before: float, again: Again) -> float:
    """Return the mean of a change: the change of the mean, but for where few elements moved, and next to nothing is left."""
    size = int(value[INDEX["count"]])
    if sums.finite(size) == size and sums.moved * 64 > size and math.isfinite(before):
        return value[INDEX["mean"]] - before
    return sum(float(block.sum()) for block in again()) / sums.finite(size)


def _scan_blocks(
    flat: np.ndarray,
    others: Sequence[Reference],
    sums: Sequence[_Sums],
    work: Workspace,
    copy: np.ndarray | None,
) -> None:
    for start in range(0, flat.size, BLOCK):
        part = slice(start, start + BLOCK)
        if copy is not None:
            np.copyto(copy[part], flat[part])
        # Of an array that is read-only, as a variable's is, `argmin` makes a copy: rather read our own.
        block = widened(flat[part] if copy is None else copy[part])
        _add_values(sums[0], start, block, work)
        for each, other in zip(sums[1:], others, strict=True):
            _add_change(each, start, block, widened(other.values[part]), work)


def widened(values: np.ndarray) -> np.ndarray:
    """Return numbers in float32 or float64, whichever holds them without loss and NumPy computes in."""
    if values.dtype in (np.float32, np.float64):
        return values
    return values.astype(np.float32 if values.dtype.itemsize <= 2 else np.float64)


def _add_values(sums: _Sums, start: int, block: np.ndarray, work: Workspace) -> None:
    wide = work.widen(block)
    squares = _squares(wide, _ROW)
    if math.isfinite(squares):
        zeros = int(np.count_nonzero(np.equal(block, 0, out=work.mask[: block.size])))
        sums.moved += block.size - zeros
        sums.add(start, block, zeros=zeros, squares=squares, total=float(np.einsum("i->", wide)))
    else:
        sums.moved += int(np.count_nonzero(block))
        sums.add_any(block.astype(np.float64), start)


def _add_change(sums: _Sums, start: int, block: np.ndarray, before: np.ndarray, work: Workspace) -> None:
    # In float32 the difference of two near float32 is exact, and zero only where they are equal.
    difference = np.subtract(block, before, out=work.narrow[: block.size] if block.dtype == np.float32 else None)
    squares = _squares_of_change(difference, work)
    if math.isfinite(squares):
        moved = int(np.count_nonzero(np.not_equal(difference, 0, out=work.mask[: block.size])))
        sums.add(start, difference, zeros=block.size - moved, squares=squares)
    else:
        moved = int(np.count_nonzero((block != before) & ~(np.isnan(block) & np.isnan(before))))
        sums.add_any(np.subtract(block, before, dtype=np.float64), start)
    sums.moved += moved


def _squares_of_change(difference: np.ndarray, work: Workspace) -> float:
    if difference.dtype == np.float32:
        squares = _squares(difference, _NARROW_ROW)
        if squares > difference.size * _NARROW_TINY:
            return squares
    return _squares(work.widen(difference), _ROW)


def _squares(block: np.ndarray, row: int) -> float:
    """Return the sum of the squares of a block, which is not finite where an element is not."""
    rows = block[: block.size // row * row].reshape(-1, row)
    total = float(np.add.reduce(np.vecdot(rows, rows), dtype=np.float64))
    if rows.size < block.size:
        rest = block[rows.size :].astype(np.float64)
        total += float(np.dot(rest, rest))
    return total


def _finite_blocks(flat: np.ndarray, other: np.ndarray | None) -> Iterator[np.ndarray]:
    """Yield the finite elements, or differences, in float64."""
    for start in range(0, flat.size, BLOCK):
        with np.errstate(invalid="ignore", over="ignore"):
            part = flat[start : start + BLOCK].astype(np.float64)
            if other is not None:
                part -= other[start : start + BLOCK].astype(np.float64)
        yield part[np.isfinite(part)]


def _distance(blocks: Iterator[np.ndarray], mean: float, scale: float) -> float:
    """Return the L2 norm of elements minus their mean, summed in units of `scale` so that no square overflows."""
    total = 0.0
    for block in blocks:
        scaled = (block - mean) / scale
        total += float(np.einsum("i,i->", scaled, scaled))
    return scale * math.sqrt(total)
