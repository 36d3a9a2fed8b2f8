"""Statistics of a weight and of its change, in one pass over blocks that fit the processor's cache.

Everything is summed in float64. Moments are taken around a shift near the mean, since E[x^2] - E[x]^2 loses every digit on
weights such as a batch normalization's gamma of 1 +- 1e-4.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

FIELDS = ("minimum", "maximum", "mean", "std", "norm", "zeros", "nans", "infs", "moved")
INDEX = {name: index for index, name in enumerate(FIELDS)}
UNKNOWN = np.full(len(FIELDS), np.nan)

# The change of one element that did not change; times the size, that of a whole weight.
NO_CHANGE = np.array([float(name == "zeros") for name in FIELDS])

# 2**16 float64 numbers are 512 KB: with the difference beside them they stay in a core's second-level cache.
BLOCK = 1 << 16


def summarize(values: np.ndarray, reference: np.ndarray | None = None) -> np.ndarray:
    """Summarize an array, or its difference to a reference of equal shape, as one row of `FIELDS`.

    Minimum, maximum, mean, std (population) and norm (L2) are those of the finite elements, NaN where there are none; `zeros`,
    `nans` and `infs` count elements; `moved` counts the elements that differ from zero, which of a difference are those that
    changed at all. All are float64.

    >>> import numpy as np
    >>> row = summarize(np.array([1.0, 2.0, np.nan]))
    >>> float(row[INDEX["mean"]]), int(row[INDEX["nans"]])
    (1.5, 1)
    """
    minimum, maximum = math.inf, -math.inf
    shift = None
    count = total = squares = norm = 0.0
    zeros = nans = infs = 0
    for block in _blocks(values, reference):
        finite, num_nans, num_infs = _finite(block)
        nans += num_nans
        infs += num_infs
        zeros += finite.size - int(np.count_nonzero(finite))
        if not finite.size:
            continue
        if shift is None:
            shift = float(finite.mean())
        minimum = min(minimum, float(finite.min()))
        maximum = max(maximum, float(finite.max()))
        norm += float(np.dot(finite, finite))
        finite = finite - shift
        count += finite.size
        total += float(finite.sum())
        squares += float(np.dot(finite, finite))
    moved = values.size - zeros
    if shift is None:
        return np.array([np.nan] * 5 + [zeros, nans, infs, moved], dtype=np.float64)
    mean = total / count
    std = math.sqrt(max(squares / count - mean * mean, 0.0))
    return np.array([minimum, maximum, shift + mean, std, math.sqrt(norm), zeros, nans, infs, moved])


def _blocks(values: np.ndarray, reference: np.ndarray | None) -> Iterator[np.ndarray]:
    flat = values.reshape(-1)
    against = None if reference is None else reference.reshape(-1)
    for start in range(0, flat.size, BLOCK):
        block = flat[start : start + BLOCK].astype(np.float64)
        if against is not None:
            with np.errstate(invalid="ignore"):
                block -= against[start : start + BLOCK].astype(np.float64)
        yield block


def _finite(block: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Return the finite elements and how many were NaN and infinite."""
    # A finite sum of magnitudes proves that every element is finite, at a third of the price of asking each.
    with np.errstate(over="ignore", invalid="ignore"):
        if math.isfinite(float(np.dot(block, block))):
            return block, 0, 0
    finite = block[np.isfinite(block)]
    nans = int(np.isnan(block).sum())
    return finite, nans, block.size - finite.size - nans
