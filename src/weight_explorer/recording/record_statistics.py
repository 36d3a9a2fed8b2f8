"""Statistics of all weights at one record, and tables of many records. Arrays are filled once and then only read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from weight_explorer.recording.statistics.bin_grid import NUM_BINS, UNSET_EXPONENT
from weight_explorer.recording.statistics.summary import FIELDS, QUANTITIES


@dataclass(frozen=True, slots=True, eq=False)
class RecordStatistics:
    """Statistics and histograms of every weight at one record.

    Attributes:
        keys: The weights, in the order of all arrays.
        rows: Statistics, of shape (weights, `QUANTITIES`, `FIELDS`).
        exponents: The exponent of each histogram's bin grid, `UNSET_EXPONENT` if there is none.
        first_bins: The first bin of each bin grid.
        counts: Bin counts, of shape (weights, `NUM_BINS`).
    """

    keys: tuple[str, ...]
    rows: np.ndarray
    exponents: np.ndarray
    first_bins: np.ndarray
    counts: np.ndarray

    @classmethod
    def empty(cls, keys: tuple[str, ...]) -> RecordStatistics:
        """Create statistics with no data yet: NaN, no bin grids, and zero counts."""
        return cls(
            keys,
            np.full((len(keys), len(QUANTITIES), len(FIELDS)), np.nan),
            np.full(len(keys), UNSET_EXPONENT, np.int16),
            np.zeros(len(keys), np.int32),
            np.zeros((len(keys), NUM_BINS), np.uint32),
        )

    def resolve(self) -> RecordStatistics:
        """Return the statistics themselves, which are already computed."""
        return self

    def copy(self) -> RecordStatistics:
        """Return a copy that can be filled without changing the original."""
        return RecordStatistics(self.keys, *[array.copy() for array in self.arrays])

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All arrays."""
        return self.rows, self.exponents, self.first_bins, self.counts

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(array.nbytes for array in self.arrays)

    def without(self, key: str) -> RecordStatistics:
        """Return the statistics of all weights except one."""
        stays = np.array([other != key for other in self.keys], bool)
        return RecordStatistics(tuple(other for other in self.keys if other != key), *(array[stays] for array in self.arrays))


class PendingStatistics:
    """Record statistics that are still being computed. `resolve` waits for them and may be called from any thread.

    Args:
        template: Statistics of the same weights.
        compute: Computes the statistics. It can be called again if waiting for it is interrupted.
    """

    def __init__(self, template: RecordStatistics, compute: Callable[[], RecordStatistics]) -> None:
        self.keys, self.nbytes = template.keys, template.nbytes
        self._lock = threading.Lock()
        self._compute: Callable[[], RecordStatistics] | None = compute
        self._statistics = template

    def resolve(self) -> RecordStatistics:
        """Return the statistics, waiting for them if necessary."""
        with self._lock:
            if self._compute:
                self._statistics, self._compute = self._compute(), None
            return self._statistics


# Record numbers, and for each record the statistics and the histogram of one weight.
WeightStatistics = tuple[np.ndarray, ...]

# The approximate size of a table, so that there are few tables and none is large.
TABLE_BYTES = 1 << 18


class StatisticsTable:
    """Consecutive record statistics of the same weights. Appended rows are never written again, so readers need no lock."""

    def __init__(self, keys: tuple[str, ...], capacity: int) -> None:
        self.slots: Mapping[str, int] = MappingProxyType({key: slot for slot, key in enumerate(keys)})
        self.keys = keys
        self.num_records = 0
        self.record_numbers = np.zeros(capacity, np.int64)
        rooms = (np.zeros((capacity, *array.shape), array.dtype) for array in RecordStatistics.empty(keys).arrays)
        self.rows, self.exponents, self.first_bins, self.counts = self._arrays = tuple(rooms)

    @classmethod
    def for_statistics(cls, statistics: RecordStatistics, memory: int) -> StatisticsTable:
        """Create a table of suitable size; `memory` is the limit of the whole history."""
        capacity = min(TABLE_BYTES, memory // 32) // max(statistics.nbytes, 1)
        return cls(statistics.keys, max(1, min(capacity, 256)))

    @property
    def is_full(self) -> bool:
        """Whether the table cannot hold another record."""
        return self.num_records == len(self.record_numbers)

    @property
    def nbytes(self) -> int:
        """Bytes of the table, including space that is not filled yet."""
        return self.record_numbers.nbytes + sum(array.nbytes for array in self._arrays)

    def append(self, number: int, statistics: RecordStatistics) -> None:
        """Add the statistics of a record."""
        for room, array in zip(self._arrays, statistics.arrays, strict=True):
            room[self.num_records] = array
        self.record_numbers[self.num_records] = number
        self.num_records += 1

    def record_statistics(self, index: int) -> RecordStatistics:
        """Return the statistics at an index as views, without removed weights."""
        sheet = RecordStatistics(self.keys, *(array[index] for array in self._arrays))
        for key in self.keys:
            sheet = sheet if key in self.slots else sheet.without(key)
        return sheet

    def weight_statistics(self, slot: int, last: int) -> WeightStatistics:
        """Return the numbers of the records up to `last`, and the arrays of one weight at these records."""
        count = int(np.searchsorted(self.record_numbers[: self.num_records], last, side="right"))
        return self.record_numbers[:count], *(array[:count, slot] for array in self._arrays)

    def between(self, after: int, last: int) -> tuple[np.ndarray, Mapping[str, int], np.ndarray]:
        """Return the numbers of the records after `after` and up to `last`, the slot of each weight, and the statistics."""
        first, end = np.searchsorted(self.record_numbers[: self.num_records], (after, last), side="right").tolist()
        return self.record_numbers[first:end], self.slots, self.rows[first:end]

    def remove_weight(self, key: str) -> None:
        """Remove a weight from `slots`, so that readers skip it."""
        self.slots = MappingProxyType({other: slot for other, slot in self.slots.items() if other != key})
