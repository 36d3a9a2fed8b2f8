"""Files as records: what is known of the past from checkpoints, each weight read when someone looks at it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from weight_explorer.catalog.nodes import Catalog
from weight_explorer.recording.lattice import BINS, UNSET, lattice_for
from weight_explorer.recording.past import Column, Past
from weight_explorer.recording.slices import SliceRows
from weight_explorer.recording.statistics import FIELDS, INDEX, QUANTITIES, Reference, no_change, scan
from weight_explorer.recording.tally import tally
from weight_explorer.recording.time import Step, Timeline

Read = Callable[[int, str], np.ndarray]


class _Cache:
    """Arrays that were read last, as many as fit the memory. For two threads."""

    def __init__(self, read: Read, memory: int) -> None:
        self._read = read
        self._memory = memory
        self._lock = threading.Lock()
        self._arrays: OrderedDict[tuple[int, str], np.ndarray] = OrderedDict()

    def value(self, number: int, key: str) -> np.ndarray:
        with self._lock:
            found = self._arrays.get((number, key))
            if found is None:
                found = self._read(number, key)
                found.setflags(write=False)
            self._arrays[number, key] = found
            self._arrays.move_to_end((number, key))
            while sum(array.nbytes for array in self._arrays.values()) > self._memory and len(self._arrays) > 1:
                self._arrays.popitem(last=False)
            return found


class FilePast(Past):
    """Records that lie in files.

    Args:
        steps: One for each file, in order; numbered from 0.
        held: From key to the numbers of the records that have this weight.
        read: Reads the values of a weight at a record.
        memory: Bound on what is held of values that were read, in bytes; one array is held in any case.
        catalog: What the model holds.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        held: Mapping[str, Sequence[int]],
        read: Read,
        memory: int,
        catalog: Catalog,
    ) -> None:
        self.memory = memory
        self.num_recorded = len(steps)
        self.catalog = catalog
        self._timeline = Timeline(tuple(steps), {})
        self._cache = _Cache(read, memory)
        self._columns = {key: FileColumn(key, np.array(numbers, np.int64), self._cache.value) for key, numbers in held.items()}

    @property
    def timeline(self) -> Timeline:
        """One record for each file."""
        return self._timeline

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the weights that any file has."""
        return tuple(self._columns)

    @property
    def at_hand(self) -> Iterable[Column]:
        """The weights whose newest statistics were computed."""
        return [column for column in self._columns.values() if column.is_at_hand]

    def column(self, key: str) -> Column | None:
        """Return what the files have of a weight, or None."""
        return self._columns.get(key)


class FileColumn(Column):
    """One weight in many files. Statistics are computed when they are asked for, and remembered."""

    def __init__(self, key: str, numbers: np.ndarray, read: Read) -> None:
        self.key = key
        self._numbers = numbers
        self._read = read
        self._rows = np.full((len(numbers), len(QUANTITIES), len(FIELDS)), np.nan)
        self._is_known = np.zeros(len(numbers), bool)
        self._slices: dict[int, SliceRows] = {}

    @property
    def numbers(self) -> np.ndarray:
        """Numbers of the records that have this weight."""
        return self._numbers

    @property
    def is_at_hand(self) -> bool:
        """Whether the newest statistics were computed."""
        return bool(self._is_known[-1:].any())

    @property
    def kept(self) -> tuple[int, ...]:
        """The same: every file has the values."""
        return tuple(self._numbers.tolist())

    def value(self, number: int) -> np.ndarray | None:
        """Read the values at a record."""
        return self._read(number, self.key) if number in self.kept else None

    def slices(self, number: int) -> SliceRows:
        """Where the statistics of parts of this record are remembered."""
        return self._slices.setdefault(number, SliceRows())

    def rows(self, places: slice | np.ndarray) -> np.ndarray:
        """Statistics at these places of `numbers`, in the order of the files, so that each is read once."""
        for place in np.arange(len(self._numbers))[places].tolist():
            if not self._is_known[place]:
                self._rows[place] = self._summaries(place)
                self._is_known[place] = True
        return self._rows[places]

    def _summaries(self, place: int) -> np.ndarray:
        now = self._read(int(self._numbers[place]), self.key)
        if not place:
            return np.stack([scan(now, [])[0], no_change(now.size), np.full(len(FIELDS), np.nan)])
        before = self._read(int(self._numbers[place - 1]), self.key)
        start = self._read(int(self._numbers[0]), self.key)
        return scan(now, [Reference(start), Reference(before)])

    def bins(self, places: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Count over bins that hold the values of all these records."""
        rows, numbers = self.rows(places)[:, 0], self._numbers[places]
        ends = rows[:, INDEX["minimum"]], rows[:, INDEX["maximum"]]
        finite = np.isfinite(ends[0])
        lattice = lattice_for(float(ends[0][finite].min()), float(ends[1][finite].max())) if finite.any() else None
        counts = np.zeros((len(numbers), BINS), np.int64)
        if lattice is None:
            return np.full(len(numbers), UNSET), np.zeros(len(numbers), np.int64), counts
        for place, number in enumerate(numbers.tolist()):
            counts[place] = tally(self._read(number, self.key), lattice, finite=False)
        return np.full(len(numbers), lattice.exponent), np.full(len(numbers), lattice.first), counts
