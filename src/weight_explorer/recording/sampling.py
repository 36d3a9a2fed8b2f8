"""A fixed random sample of the elements of a weight that is too large to keep whole."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import IndexTuple
from weight_explorer.recording.statistics.summary import COUNT_FIELDS, FIELD_INDEX

MAX_SAMPLE_SIZE = 1 << 16


# Used instead of a `Sample` if all elements are kept.
ALL_ELEMENTS = "whole"


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The elements of a weight that are kept: their ascending flat `indexes` in an array of `shape`."""

    indexes: np.ndarray
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements of the whole weight."""
        return math.prod(self.shape)

    @property
    def description(self) -> str:
        """The number of sampled and of all elements, such as `65 536 of 23 440 896`."""
        return " of ".join(f"{count:,}".replace(",", "\u202f") for count in (len(self.indexes), self.size))

    def take(self, values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return the sampled elements of the whole weight, or write them to `out`."""
        # Indexes are always in bounds. With mode "raise", NumPy would fill a temporary array first.
        return values.reshape(-1).take(self.indexes, out=out, mode="clip")

    def estimate(self, sample_row: np.ndarray) -> np.ndarray:
        """Scale statistics of the sample to an estimate for the whole weight; `count` remains the size of the sample.

        Sums are scaled by the number of elements. Extremes are those of the sample.
        """
        scaled, factor = sample_row.copy(), self.size / max(len(self.indexes), 1)
        counts = [FIELD_INDEX[name] for name in COUNT_FIELDS if name != "count"]
        scaled[counts] = np.rint(scaled[counts] * factor)
        scaled[FIELD_INDEX["norm"]] *= math.sqrt(factor)
        if not np.isnan(sample_row[FIELD_INDEX["place"]]):
            scaled[FIELD_INDEX["place"]] = self.indexes[int(sample_row[FIELD_INDEX["place"]])]
        return scaled

    def part(self, index: IndexTuple) -> tuple[np.ndarray, Sample]:
        """Return a mask of the sampled elements that lie in a part of the weight, and the sample of that part."""
        places = list(np.unravel_index(self.indexes, self.shape))
        inside, shape = np.ones(len(self.indexes), bool), list(self.shape)
        for axis, item in enumerate(index):
            start, stop = (item, item + 1) if isinstance(item, int) else item.indices(self.shape[axis])[:2]
            inside &= (places[axis] >= start) & (places[axis] < stop)
            places[axis] = places[axis] - start
            shape[axis] = stop - start
        # An axis of length one that indexing removes does not change the flat indexes.
        flat = np.ravel_multi_index([place[inside] for place in places], shape) if shape else np.zeros(0, np.int64)
        taken = {axis for axis, item in enumerate(index) if isinstance(item, int)}
        return inside, Sample(flat, tuple(size for axis, size in enumerate(shape) if axis not in taken))


def is_equal_sample(first: Sample | str | None, second: Sample | str | None) -> bool:
    """Return whether two samples keep the same elements. `ALL_ELEMENTS` keeps all elements, and None keeps none."""
    if isinstance(first, Sample) and isinstance(second, Sample):
        return first.shape == second.shape and np.array_equal(first.indexes, second.indexes)
    return first == second


def choose_sample(key: str, shape: tuple[int, ...], count: int) -> Sample:
    """Choose `count` elements of a weight: a random one from each of `count` equal intervals of its flat array.

    The same key and shape always give the same sample. The intervals cover every region. The random position within each
    keeps the sample from falling on a single column, which can happen with equal steps.
    """
    random = np.random.default_rng(zlib.crc32(key.encode()))
    ends = np.arange(count + 1) * math.prod(shape) // max(count, 1)
    return Sample(ends[:-1] + (random.random(count) * np.diff(ends)).astype(np.int64), shape)
