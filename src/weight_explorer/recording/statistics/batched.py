"""Statistics of many small weights in one batch, because a NumPy call costs as much as a thousand elements.

All elements are concatenated in one flat float32 array, in which each weight is a segment.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from weight_explorer.recording.statistics import native
from weight_explorer.recording.statistics.bin_grid import NUM_BINS, UNSET_EXPONENT
from weight_explorer.recording.statistics.native import SegmentStatistics
from weight_explorer.recording.statistics.summary import (
    CANCELLATION_RATIO,
    FIELD_INDEX,
    FIELDS,
    TINY_NORM,
    Reference,
    compute_statistics,
)


class StatisticsTask(Protocol):
    """A computation of statistics that may not have finished yet."""

    @property
    def seconds(self) -> float:
        """Seconds that a background thread took, once finished."""
        ...

    def wait(self) -> int:
        """Wait for the task and return how many segments are missed: `count_bins` must count them over an extended grid."""
        ...

    def result(self) -> SegmentStatistics:
        """Wait for the task and return its results."""
        ...


class _FinishedTask(NamedTuple):
    """A task that was computed without a thread and is already finished."""

    statistics: SegmentStatistics
    seconds: float = 0.0

    def wait(self) -> int:
        return len(self.statistics.missed)

    def result(self) -> SegmentStatistics:
        return self.statistics


@functools.cache
def _result_dtype(num_segments: int, num_references: int) -> np.dtype:
    rows = (num_segments, 1 + num_references, len(FIELDS))
    return np.dtype(
        [("rows", np.float64, rows), ("counts", np.uint32, (num_segments, NUM_BINS)), ("missed", np.bool_, num_segments)]
    )


class FlatArrays(Mapping[str, np.ndarray]):
    """A mapping of arrays stored consecutively in one flat array. Views are created lazily: most records are thinned first.

    Repeated access returns the same view, because other caches are tied to the identity of the array.

    Args:
        flat: The elements of all arrays, which are not written to any more.
        parts: The slice of each array in `flat`, and its shape.

    >>> values = FlatArrays(np.arange(6.0), {"kernel": (slice(0, 4), (2, 2)), "bias": (slice(4, 6), (2,))})
    >>> values["bias"]
    array([4., 5.])
    """

    __slots__ = ("_flat", "_parts", "_views")

    def __init__(self, flat: np.ndarray, parts: Mapping[str, tuple[slice, tuple[int, ...]]]) -> None:
        self._flat, self._parts = flat, parts
        self._views: dict[str, np.ndarray] = {}

    def __getitem__(self, key: str) -> np.ndarray:
        if key not in self._views:
            part, shape = self._parts[key]
            self._views.setdefault(key, self._flat[part].reshape(shape))  # another thread may have set it first
        return self._views[key]

    def __contains__(self, key: object) -> bool:
        return key in self._parts

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return self._flat.nbytes


@dataclass(frozen=True, eq=False)
class SegmentLayout:
    """The start and the size of each weight's segment. The segments fill the flat array, and none is empty."""

    starts: np.ndarray
    sizes: np.ndarray

    @classmethod
    def from_sizes(cls, sizes: list[int]) -> SegmentLayout:
        """Create a layout of consecutive segments of these sizes."""
        return cls(np.cumsum([0, *sizes])[:-1], np.asarray(sizes, np.int64))

    def __len__(self) -> int:
        return len(self.sizes)

    @functools.cached_property
    def num_elements(self) -> int:
        """The total number of elements."""
        return int(self.sizes.sum())

    @functools.cached_property
    def segment_indices(self) -> np.ndarray:
        """The index of the segment that each element belongs to."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def expand(self, numbers: np.ndarray) -> np.ndarray:
        """Repeat the number of each segment for all its elements, along the last axis."""
        return numbers.take(self.segment_indices, axis=-1)

    def segment_slice(self, segment: int) -> slice:
        """Return the slice of a segment in the flat array."""
        start = int(self.starts[segment])
        return slice(start, start + int(self.sizes[segment]))

    def segment_values(self, flat: np.ndarray, segment: int) -> np.ndarray:
        """Return the elements of one segment."""
        return flat[self.segment_slice(segment)]

    def begin_statistics(
        self,
        values: Sequence[np.ndarray],
        references: Sequence[np.ndarray],
        exponents: np.ndarray,
        first_bins: np.ndarray,
        out: np.ndarray,
    ) -> StatisticsTask:
        """Concatenate the segments, and start computing their statistics, changes from references and bin counts.

        Args:
            values: The elements of each segment, of any shape. They are copied immediately and may be overwritten afterwards.
            references: Flat arrays to compare the segments with.
            exponents: The exponents of the bin grids, `UNSET_EXPONENT` for grids that are not set.
            first_bins: The first bins of the bin grids.
            out: The flat array to fill with the concatenated segments.

        Returns:
            A task that waits for the statistics, which a thread computes if possible.
        """
        np.concatenate([part.reshape(-1) for part in values], out=out, casting="equiv")
        if native.library and native.library.accepts(out, *references):
            laid = exponents.astype(np.int16, copy=False), first_bins.astype(np.int64, copy=False)
            return native.library.begin_statistics(
                out, self.sizes, references, *laid, _result_dtype(len(self), len(references))
            )
        rows, counts = self._compute_with_numpy(out, references), np.zeros((len(self), NUM_BINS), np.uint32)
        return _FinishedTask(SegmentStatistics(rows, counts, list(range(len(self)))))

    def _compute_with_numpy(self, flat: np.ndarray, references: Sequence[np.ndarray]) -> np.ndarray:
        wide = np.empty((1 + len(references), flat.size))
        wide[0] = flat
        with np.errstate(invalid="ignore", over="ignore"):
            for change, reference in zip(wide[1:], references, strict=True):
                np.subtract(wide[0], reference, out=change)
            squares = np.add.reduceat(wide * wide, self.starts, axis=1)
        others = np.flatnonzero(~np.isfinite(squares).all(axis=0)).tolist()
        for number in others:
            wide[:, self.segment_slice(number)] = squares[:, number] = 0
        rows = self._compute_rows(wide, squares).transpose(1, 0, 2)
        for number in others:
            before = [Reference(self.segment_values(reference, number)) for reference in references]
            rows[number] = compute_statistics(self.segment_values(flat, number), before)
        return rows

    def _compute_rows(self, wide: np.ndarray, squares: np.ndarray) -> np.ndarray:
        low, high = (pick.reduceat(wide, self.starts, axis=1) for pick in (np.minimum, np.maximum))
        is_constant = low == high
        mean = np.where(is_constant, low, np.add.reduceat(wide, self.starts, axis=1) / self.sizes)
        moved = np.add.reduceat(wide != 0, self.starts, axis=1, dtype=np.int64)
        largest = np.where(-low > high, low, high)
        place = self._first_true(wide == self.expand(largest))
        std = self._std(wide, mean, squares / self.sizes, is_constant)
        rows = np.zeros((*squares.shape, len(FIELDS)))
        columns = {
            "count": self.sizes,
            "minimum": low,
            "maximum": high,
            "mean": mean,
            "std": std,
            "norm": np.sqrt(squares),
            "zeros": self.sizes - moved,
            "moved": moved,
            "largest": largest,
            "place": place,
        }
        for name, column in columns.items():
            rows[..., FIELD_INDEX[name]] = column
        return rows

    def _std(self, wide: np.ndarray, mean: np.ndarray, mean_square: np.ndarray, is_constant: np.ndarray) -> np.ndarray:
        """Return standard deviations from mean squares, or from a second pass if those would lose displayed digits."""
        variance = mean_square - mean * mean
        if not ((variance > np.maximum(CANCELLATION_RATIO * mean_square, TINY_NORM**2)) | is_constant).all():
            wide -= self.expand(mean)
            variance = np.add.reduceat(wide * wide, self.starts, axis=1) / self.sizes
        return np.sqrt(np.where(is_constant, 0, variance))

    def _first_true(self, mask: np.ndarray) -> np.ndarray:
        """Return the index of the first True element in each segment of each row. Every segment must have one."""
        places = np.flatnonzero(mask)
        starts = self.starts + mask.shape[1] * np.arange(len(mask))[:, None]
        return places[np.searchsorted(places, starts)] - starts

    def count_bins(self, flat: np.ndarray, exponents: np.ndarray, first_bins: np.ndarray) -> np.ndarray:
        """Count the finite elements of each segment over its bin grid. The counts have the shape (segments, `NUM_BINS`).

        Each bin grid must contain all finite elements. Segments without a bin grid are not counted.
        """
        if native.library and native.library.accepts(flat):
            counts = np.zeros((len(self), NUM_BINS), np.uint32)
            laid = exponents.astype(np.int16, copy=False), first_bins.astype(np.int64, copy=False)
            native.library.count_bins(flat, self.sizes, *laid, counts)
            return counts
        return self._count_bins_with_numpy(flat, exponents, first_bins)

    def _count_bins_with_numpy(self, flat: np.ndarray, exponents: np.ndarray, first_bins: np.ndarray) -> np.ndarray:
        is_laid = exponents != UNSET_EXPONENT
        scales = np.ldexp(1.0, np.where(is_laid, -exponents.astype(np.int64), 0))
        shift = first_bins - NUM_BINS * np.arange(len(self))
        counted = np.isfinite(flat) & self.expand(is_laid)
        if not counted.all():
            flat = np.where(counted, flat, 0)
        bins = np.floor(flat * self.expand(scales)) - self.expand(shift)
        if not counted.all():
            bins = bins[counted]
        return np.bincount(bins.astype(np.intp), minlength=NUM_BINS * len(self)).reshape(-1, NUM_BINS)
