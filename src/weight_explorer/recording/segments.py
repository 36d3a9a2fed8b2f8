"""Statistics of many small weights at once: a call of NumPy costs as much as a thousand elements.

All elements stand behind each other in one flat array of float32, of which each weight is a segment.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from weight_explorer.recording import compiled
from weight_explorer.recording.compiled import Scanned
from weight_explorer.recording.lattice import BINS, UNSET
from weight_explorer.recording.statistics import CANCELED, FIELDS, INDEX, TINY, Reference, scan


class Scanning(Protocol):
    """A scan that may not have ended yet."""

    @property
    def seconds(self) -> float:
        """What a thread took for it, beside who asked, once it has ended."""
        ...

    def end(self) -> int:
        """Wait for that and return how many segments `tally` has still to count, once a lattice holds them."""
        ...

    def scanned(self) -> Scanned:
        """Wait for that and return what was found."""
        ...


class _Ended(NamedTuple):
    """A scan for which there was no thread."""

    found: Scanned
    seconds: float = 0.0

    def end(self) -> int:
        return len(self.found.missed)

    def scanned(self) -> Scanned:
        return self.found


@functools.cache
def _kind_of_scan(num_segments: int, num_references: int) -> np.dtype:
    rows = (num_segments, 1 + num_references, len(FIELDS))
    return np.dtype(
        [("rows", np.float64, rows), ("counts", np.uint32, (num_segments, BINS)), ("missed", np.bool_, num_segments)]
    )


class Flat(Mapping[str, np.ndarray]):
    """Arrays that lie behind each other in a flat one. A view is made when somebody asks for it: most are thinned before.

    Who asks again is given the same one, since much is remembered of the arrays that it was found of.

    Args:
        flat: Holds the elements; nobody writes to it any more.
        parts: The slice of each array in it, and its shape.

    >>> values = Flat(np.arange(6.0), {"kernel": (slice(0, 4), (2, 2)), "bias": (slice(4, 6), (2,))})
    >>> values["bias"]
    array([4., 5.])
    """

    __slots__ = ("_flat", "_made", "_parts")

    def __init__(self, flat: np.ndarray, parts: Mapping[str, tuple[slice, tuple[int, ...]]]) -> None:
        self._flat, self._parts = flat, parts
        self._made: dict[str, np.ndarray] = {}

    def __getitem__(self, key: str) -> np.ndarray:
        if key not in self._made:
            part, shape = self._parts[key]
            self._made.setdefault(key, self._flat[part].reshape(shape))  # another thread may have come first
        return self._made[key]

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
class Segments:
    """Where each weight begins and how many elements it has: they tile the flat array. No segment is empty."""

    starts: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, sizes: list[int]) -> Segments:
        """Lay segments of these sizes behind each other."""
        return cls(np.cumsum([0, *sizes])[:-1], np.asarray(sizes, np.int64))

    def __len__(self) -> int:
        return len(self.sizes)

    @functools.cached_property
    def num_elements(self) -> int:
        """The number of all elements."""
        return int(self.sizes.sum())

    @functools.cached_property
    def owners(self) -> np.ndarray:
        """To which segment each element belongs."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def spread(self, numbers: np.ndarray) -> np.ndarray:
        """Give every element the number of its segment; of several rows of numbers, in several rows."""
        return numbers.take(self.owners, axis=-1)

    def part(self, number: int) -> slice:
        """Return where in the flat array a segment lies."""
        start = int(self.starts[number])
        return slice(start, start + int(self.sizes[number]))

    def cut(self, flat: np.ndarray, number: int) -> np.ndarray:
        """Return the elements of one segment."""
        return flat[self.part(number)]

    def scan(
        self,
        values: Sequence[np.ndarray],
        references: Sequence[np.ndarray],
        exponents: np.ndarray,
        firsts: np.ndarray,
        out: np.ndarray,
    ) -> Scanning:
        """Copy the segments behind each other, summarize each and its differences to references, and count it over its lattice.

        Args:
            values: The elements of each segment, of any shape. They are copied at once and may be overwritten afterwards.
            references: Flat arrays.
            exponents: Of the lattices, `UNSET` where none is laid.
            firsts: Their first bins.
            out: The flat array to be filled.

        Returns:
            What waits for the rest, of which a thread does what it can meanwhile.
        """
        np.concatenate([part.reshape(-1) for part in values], out=out, casting="equiv")
        if compiled.passes and compiled.passes.takes(out, *references):
            laid = exponents.astype(np.int16, copy=False), firsts.astype(np.int64, copy=False)
            return compiled.passes.begin_scan(out, self.sizes, references, *laid, _kind_of_scan(len(self), len(references)))
        rows, counts = self._summarize_by_numpy(out, references), np.zeros((len(self), BINS), np.uint32)
        return _Ended(Scanned(rows, counts, list(range(len(self)))))

    def _summarize_by_numpy(self, flat: np.ndarray, references: Sequence[np.ndarray]) -> np.ndarray:
        wide = np.empty((1 + len(references), flat.size))
        wide[0] = flat
        with np.errstate(invalid="ignore", over="ignore"):
            for change, reference in zip(wide[1:], references, strict=True):
                np.subtract(wide[0], reference, out=change)
            squares = np.add.reduceat(wide * wide, self.starts, axis=1)
        others = np.flatnonzero(~np.isfinite(squares).all(axis=0)).tolist()
        for number in others:
            wide[:, self.part(number)] = squares[:, number] = 0
        rows = self._rows(wide, squares).transpose(1, 0, 2)
        for number in others:
            before = [Reference(self.cut(reference, number)) for reference in references]
            rows[number] = scan(self.cut(flat, number), before)
        return rows

    def _rows(self, wide: np.ndarray, squares: np.ndarray) -> np.ndarray:
        low, high = (pick.reduceat(wide, self.starts, axis=1) for pick in (np.minimum, np.maximum))
        is_constant = low == high
        mean = np.where(is_constant, low, np.add.reduceat(wide, self.starts, axis=1) / self.sizes)
        moved = np.add.reduceat(wide != 0, self.starts, axis=1, dtype=np.int64)
        largest = np.where(-low > high, low, high)
        place = self._first(wide == self.spread(largest))
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
            rows[..., INDEX[name]] = column
        return rows

    def _std(self, wide: np.ndarray, mean: np.ndarray, square: np.ndarray, is_constant: np.ndarray) -> np.ndarray:
        """Return the standard deviations, of the mean squares, or by a second pass where those would lose the digits shown."""
        variance = square - mean * mean
        if not ((variance > np.maximum(CANCELED * square, TINY**2)) | is_constant).all():
            wide -= self.spread(mean)
            variance = np.add.reduceat(wide * wide, self.starts, axis=1) / self.sizes
        return np.sqrt(np.where(is_constant, 0, variance))

    def _first(self, found: np.ndarray) -> np.ndarray:
        """Return where in each segment of each row the first of the marked elements stands; each has one."""
        places = np.flatnonzero(found)
        starts = self.starts + found.shape[1] * np.arange(len(found))[:, None]
        return places[np.searchsorted(places, starts)] - starts

    def tally(self, flat: np.ndarray, exponents: np.ndarray, firsts: np.ndarray) -> np.ndarray:
        """Count the finite elements of each segment over its lattice, which holds them: counts of shape (segments, `BINS`).

        Where no lattice is laid, nothing is counted.
        """
        if compiled.passes and compiled.passes.takes(flat):
            counts = np.zeros((len(self), BINS), np.uint32)
            laid = exponents.astype(np.int16, copy=False), firsts.astype(np.int64, copy=False)
            compiled.passes.tally(flat, self.sizes, *laid, counts)
            return counts
        return self._tally_by_numpy(flat, exponents, firsts)

    def _tally_by_numpy(self, flat: np.ndarray, exponents: np.ndarray, firsts: np.ndarray) -> np.ndarray:
        is_laid = exponents != UNSET
        scales = np.ldexp(1.0, np.where(is_laid, -exponents.astype(np.int64), 0))
        shift = firsts - BINS * np.arange(len(self))
        counted = np.isfinite(flat) & self.spread(is_laid)
        if not counted.all():
            flat = np.where(counted, flat, 0)
        bins = np.floor(flat * self.spread(scales)) - self.spread(shift)
        if not counted.all():
            bins = bins[counted]
        return np.bincount(bins.astype(np.intp), minlength=BINS * len(self)).reshape(-1, BINS)
