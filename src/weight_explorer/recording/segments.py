"""Statistics of many small weights at once: a call of NumPy costs as much as a thousand elements.

All elements stand behind each other in one flat array of float32, of which each weight is a segment.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from weight_explorer.recording import compiled
from weight_explorer.recording.lattice import BINS, UNSET
from weight_explorer.recording.statistics import CANCELED, FIELDS, INDEX, TINY, Reference, scan


class Scanned(NamedTuple):
    """What was found in several segments.

    Attributes:
        rows: Of `FIELDS` as `statistics.scan` gives them, of shape (segments, 1 + number of references, number of fields).
        counts: Of shape (segments, `BINS`).
        missed: The segments that `tally` has still to count, once a lattice holds them.
        seconds: What a thread took for it, beside who asked.
    """

    rows: np.ndarray
    counts: np.ndarray
    missed: list[int]
    seconds: float = 0.0


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
    ) -> Callable[[], Scanned]:
        """Copy the segments behind each other, summarize each and its differences to references, and count it over its lattice.

        Args:
            values: The elements of each segment, of any shape. They are copied at once and may be overwritten afterwards.
            references: Flat arrays.
            exponents: Of the lattices, `UNSET` where none is laid.
            firsts: Their first bins.
            out: The flat array to be filled.

        Returns:
            What waits for the rest, of which a thread does what it can meanwhile, and returns it.
        """
        np.concatenate([part.reshape(-1) for part in values], out=out, casting="equiv")
        rows = np.empty((len(self), 1 + len(references), len(FIELDS)))
        counts, missed = np.zeros((len(self), BINS), np.uint32), np.zeros(len(self), bool)
        if compiled.passes and compiled.passes.takes(out, *references):
            bins = compiled.Bins(exponents.astype(np.int16, copy=False), firsts.astype(np.int64, copy=False), counts, missed)
            found = compiled.passes.begin_scan(out, self.sizes, references, rows, bins)
            return lambda: Scanned(rows, counts, np.flatnonzero(missed).tolist() if found.end() else [], found.seconds)
        scanned = Scanned(self._summarize_by_numpy(out, references), counts, list(range(len(self))))
        return lambda: scanned

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
