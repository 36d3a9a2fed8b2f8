"""A history whose records are checkpoint files. The values of a weight are read from the file on demand."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from weight_explorer.catalog.schema import Catalog
from weight_explorer.recording.history import History, WeightHistory
from weight_explorer.recording.part_statistics import PartStatisticsCache
from weight_explorer.recording.records import Record, Timeline
from weight_explorer.recording.statistics.bin_counts import count_bins
from weight_explorer.recording.statistics.bin_grid import NUM_BINS, UNSET_EXPONENT, grid_for_range
from weight_explorer.recording.statistics.summary import (
    FIELD_INDEX,
    FIELDS,
    QUANTITIES,
    Reference,
    compute_statistics,
    unchanged_row,
)

ReadValues = Callable[[int, str], np.ndarray]


class _ArrayCache:
    """A thread-safe cache of the arrays that were read most recently, within a memory limit."""

    def __init__(self, read: ReadValues, memory: int) -> None:
        self._read = read
        self._memory = memory
        self._lock = threading.Lock()
        self._arrays: OrderedDict[tuple[int, str], np.ndarray] = OrderedDict()

    def values_at(self, number: int, key: str) -> np.ndarray:
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


class CheckpointHistory(History):
    """A history whose records are files.

    Args:
        records: One for each file, in order; numbered from 0.
        records_by_key: Maps each key to the numbers of the records that contain the weight.
        read: Reads the values of a weight at a record.
        memory: Limit for cached values, in bytes; one array is always kept.
        catalog: The contents of the model.
    """

    def __init__(
        self,
        records: Sequence[Record],
        records_by_key: Mapping[str, Sequence[int]],
        read: ReadValues,
        memory: int,
        catalog: Catalog,
    ) -> None:
        self.memory = memory
        self.num_recorded = len(records)
        self.catalog = catalog
        self._timeline = Timeline(tuple(records), {})
        self._cache = _ArrayCache(read, memory)
        self._weight_histories = {
            key: CheckpointWeightHistory(key, np.array(numbers, np.int64), self._cache.values_at)
            for key, numbers in records_by_key.items()
        }

    @property
    def timeline(self) -> Timeline:
        """One record for each file."""
        return self._timeline

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the weights that are in at least one file."""
        return tuple(self._weight_histories)

    @property
    def loaded_weight_histories(self) -> Iterable[WeightHistory]:
        """The weights whose latest statistics have been computed."""
        return [column for column in self._weight_histories.values() if column.is_loaded]

    def weight_history(self, key: str) -> WeightHistory | None:
        """Return the history of a weight, or None if no file contains it."""
        return self._weight_histories.get(key)


class CheckpointWeightHistory(WeightHistory):
    """The history of one weight across files. Statistics are computed on demand and cached."""

    def __init__(self, key: str, record_numbers: np.ndarray, read: ReadValues) -> None:
        self.key = key
        self._record_numbers = record_numbers
        self._read = read
        self._rows = np.full((len(record_numbers), len(QUANTITIES), len(FIELDS)), np.nan)
        self._is_computed = np.zeros(len(record_numbers), bool)
        self._part_statistics: dict[int, PartStatisticsCache] = {}

    @property
    def record_numbers(self) -> np.ndarray:
        """Numbers of the records that contain this weight."""
        return self._record_numbers

    @property
    def is_loaded(self) -> bool:
        """Whether the latest statistics have been computed."""
        return bool(self._is_computed[-1:].any())

    @property
    def records_with_values(self) -> tuple[int, ...]:
        """The same as `record_numbers`: every file contains the values."""
        return tuple(self._record_numbers.tolist())

    def values_at(self, number: int) -> np.ndarray | None:
        """Read the values at a record, or return None if the record does not contain the weight."""
        return self._read(number, self.key) if number in self.records_with_values else None

    def part_statistics(self, number: int) -> PartStatisticsCache:
        """Return the cache for the statistics of parts at this record."""
        return self._part_statistics.setdefault(number, PartStatisticsCache())

    def rows(self, indices: slice | np.ndarray) -> np.ndarray:
        """Return the statistics at these indices of `record_numbers`, in file order, so that each file is read once."""
        for place in np.arange(len(self._record_numbers))[indices].tolist():
            if not self._is_computed[place]:
                self._rows[place] = self._compute_rows(place)
                self._is_computed[place] = True
        return self._rows[indices]

    def _compute_rows(self, index: int) -> np.ndarray:
        now = self._read(int(self._record_numbers[index]), self.key)
        if not index:
            return np.stack([compute_statistics(now, [])[0], unchanged_row(now.size), np.full(len(FIELDS), np.nan)])
        before = self._read(int(self._record_numbers[index - 1]), self.key)
        start = self._read(int(self._record_numbers[0]), self.key)
        return compute_statistics(now, [Reference(start), Reference(before)])

    def bins(self, indices: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Count values in bins that cover the values of all these records."""
        rows, numbers = self.rows(indices)[:, 0], self._record_numbers[indices]
        ends = rows[:, FIELD_INDEX["minimum"]], rows[:, FIELD_INDEX["maximum"]]
        finite = np.isfinite(ends[0])
        lattice = grid_for_range(float(ends[0][finite].min()), float(ends[1][finite].max())) if finite.any() else None
        counts = np.zeros((len(numbers), NUM_BINS), np.int64)
        if lattice is None:
            return np.full(len(numbers), UNSET_EXPONENT), np.zeros(len(numbers), np.int64), counts
        for place, number in enumerate(numbers.tolist()):
            counts[place] = count_bins(self._read(number, self.key), lattice, all_finite=False)
        return np.full(len(numbers), lattice.exponent), np.full(len(numbers), lattice.first_bin), counts
