"""Statistics of a weight and of its change, in one pass over blocks that fit the processor's cache.

Everything is summed in float64, around the first element: E[x^2] - E[x]^2 loses every digit where all weights are nearly the
same, and of a constant weight the deviation must be exactly zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

FIELDS = ("minimum", "maximum", "mean", "std", "norm", "zeros", "nans", "infs", "moved")
INDEX = {name: index for index, name in enumerate(FIELDS)}
UNKNOWN = np.full(len(FIELDS), np.nan)

# The change of one element that did not change; times the size, that of a whole weight.
NO_CHANGE = np.array([float(name == "zeros") for name in FIELDS])

# 2**16 elements: the block, its float64 copy and the mask fit a core's second-level cache together.
BLOCK = 1 << 16


@dataclass(slots=True)
class _Sums:
    """What is added up over the blocks; sums are of the elements minus `shift`."""

    shift: float | None = None
    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf
    zeros: int = 0
    nans: int = 0
    infs: int = 0

    def add(self, block: np.ndarray, shifted: np.ndarray) -> None:
        """Add a block of finite elements, using `shifted` as room for its float64 copy."""
        if not block.size:
            return
        if self.shift is None:
            self.shift = float(block[0])
        np.subtract(block, self.shift, out=shifted, dtype=np.float64)
        self.count += block.size
        self.total += float(shifted.sum())
        self.squares += float(np.dot(shifted, shifted))
        self.minimum = min(self.minimum, float(block.min()))
        self.maximum = max(self.maximum, float(block.max()))

    def row(self, size: int) -> np.ndarray:
        """Return the row of `FIELDS`."""
        counts = [self.zeros, self.nans, self.infs, size - self.zeros]
        if self.shift is None:
            return np.array([np.nan] * 5 + counts, dtype=np.float64)
        mean = self.total / self.count
        std = math.sqrt(max(self.squares / self.count - mean * mean, 0.0))
        norm = math.sqrt(max(self.squares + self.shift * (2 * self.total + self.count * self.shift), 0.0))
        return np.array([self.minimum, self.maximum, self.shift + mean, std, norm, *counts])


def summarize(values: np.ndarray, reference: np.ndarray | None = None) -> np.ndarray:
    """Summarize an array, or its difference to a reference of equal shape, as one row of `FIELDS`.

    Minimum, maximum, mean, std (population) and norm (L2) are those of the finite elements, NaN where there are none; `zeros`,
    `nans` and `infs` count elements; `moved` counts the elements that differ from zero, which of a difference are those that
    changed at all (a NaN that stayed NaN did not). All are float64.

    >>> import numpy as np
    >>> row = summarize(np.array([1.0, 2.0, np.nan]))
    >>> float(row[INDEX["mean"]]), int(row[INDEX["nans"]])
    (1.5, 1)
    """
    sums = _Sums()
    room = np.empty(min(values.size, BLOCK))
    mask = np.empty(room.size, dtype=bool)
    for block in _blocks(values, reference):
        # Comparing first: of floats np.count_nonzero is several times slower than of booleans.
        sums.zeros += int(np.count_nonzero(np.equal(block, 0, out=mask[: block.size])))
        if np.isfinite(block, out=mask[: block.size]).all():
            sums.add(block, room[: block.size])
        else:
            finite = block[mask[: block.size]]
            nans = int(np.isnan(block).sum())
            sums.nans += nans
            sums.infs += block.size - finite.size - nans
            sums.add(finite, room[: finite.size])
    row = sums.row(values.size)
    if sums.nans and reference is not None:
        row[INDEX["moved"]] = np.count_nonzero((values != reference) & ~(np.isnan(values) & np.isnan(reference)))
    return row


def _blocks(values: np.ndarray, reference: np.ndarray | None) -> Iterator[np.ndarray]:
    """Yield the elements, or their differences, block by block in a precision that NumPy computes in."""
    flat = _wide(values.reshape(-1))
    against = None if reference is None else _wide(reference.reshape(-1))
    difference = np.empty(min(flat.size, BLOCK))
    for start in range(0, flat.size, BLOCK):
        block = flat[start : start + BLOCK]
        if against is None:
            yield block
        else:
            with np.errstate(invalid="ignore"):
                yield np.subtract(block, against[start : start + BLOCK], out=difference[: block.size], dtype=np.float64)


def _wide(flat: np.ndarray) -> np.ndarray:
    """Widen low precision floats and integers: statistics taken in float16 or int8 are nonsense."""
    return flat if flat.dtype in (np.float32, np.float64) else flat.astype(np.float64)
