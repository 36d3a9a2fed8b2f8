"""The history of a live model: statistics of every record, and values as far as memory allows. Safe for two threads."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from weight_explorer.catalog.schema import SEED_STATE, IndexTuple
from weight_explorer.recording.buffer_pool import BufferPool
from weight_explorer.recording.history import History, LastChange, StatisticsChunk, StatisticsSeries, WeightHistory
from weight_explorer.recording.interrupts import DeferInterrupts
from weight_explorer.recording.part_statistics import RESERVED_BYTES, PartStatisticsCache
from weight_explorer.recording.record_statistics import (
    PendingStatistics,
    RecordStatistics,
    StatisticsTable,
    WeightStatistics,
)
from weight_explorer.recording.records import Record, Timeline, axis_position, with_position
from weight_explorer.recording.sampling import Sample
from weight_explorer.recording.statistics.batched import FlatArrays

if TYPE_CHECKING:
    import pandas as pd

MEMORY_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}

# Overhead of Python objects beside the arrays: per `Record`, and per kept array with its key.
RECORD_OVERHEAD_BYTES = 800
ARRAY_OVERHEAD_BYTES = 250

# The number of recent records that are not settled yet: two after a read, more between reads, because settling several
# records at once takes far less time.
MIN_RECENT_RECORDS = 2
MAX_RECENT_RECORDS = 10


def parse_memory(memory: int | str) -> int:
    """Parse a memory limit given in bytes or as text.

    Raises:
        ValueError: The limit is not a positive number of bytes.

    >>> parse_memory("256 MB"), parse_memory("1.5GB"), parse_memory(1000)
    (256000000, 1500000000, 1000)
    """
    text = f"{memory} B" if isinstance(memory, int) else str(memory)
    match = re.fullmatch(r"\s*(\d+\.?\d*)\s*([a-zA-Z]*)\s*", text)
    unit = MEMORY_UNITS.get(match[2].upper(), 0) if match else 0
    num_bytes = int(float(match[1]) * unit) if match else 0
    if num_bytes <= 0 or isinstance(memory, bool):
        raise ValueError(f'memory={memory!r} is no amount of memory. Give bytes or text such as "256 MB" or "2 GB".')
    return num_bytes


@dataclass(frozen=True, slots=True, eq=False)
class _KeptValues:
    """Values of one record, whole or sampled, and the cached statistics of their parts."""

    values: Mapping[str, np.ndarray]
    part_statistics: PartStatisticsCache = field(default_factory=PartStatisticsCache)

    @property
    def nbytes(self) -> int:
        return nbytes_of_kept_values(self.values)


def nbytes_of_kept_values(values: Mapping[str, np.ndarray]) -> int:
    """Bytes that values occupy once they are kept."""
    nbytes = values.nbytes if isinstance(values, FlatArrays) else sum(array.nbytes for array in values.values())
    return nbytes + ARRAY_OVERHEAD_BYTES * len(values) + (RESERVED_BYTES if values else 0)


def _is_view(array: np.ndarray) -> bool:
    return array.base is not None and array.base.nbytes > array.nbytes


@dataclass(frozen=True, slots=True, eq=False)
class _RecentRecord:
    """One of the most recent records, before it is decided whether to keep it."""

    number: int
    statistics_or_pending: RecordStatistics | PendingStatistics
    nbytes: int

    @property
    def statistics(self) -> RecordStatistics:
        return self.statistics_or_pending.resolve()

    def weight_statistics(self, key: str) -> WeightStatistics:
        slot = self.statistics.keys.index(key)
        return np.array([self.number]), *(array[slot : slot + 1] for array in self.statistics.arrays)

    @property
    def chunk(self) -> StatisticsChunk:
        slots = {key: slot for slot, key in enumerate(self.statistics.keys)}
        return StatisticsChunk(np.array([self.number]), slots, self.statistics.rows[None])


class LiveHistory(History):
    """Records of a model's weights, bounded by `memory` bytes.

    When memory is full, older records are thinned. Between the first and the newest record, values are kept only for every
    second, fourth, eighth ... record. If the statistics alone fill half of the memory, whole records are dropped in the same
    way, so that the remaining records are spaced evenly. The first and the newest record and their values are always kept;
    the first values are those of the record that training started from. The values of the second newest record are kept as
    long as memory allows.

    Two threads may read and write: readers receive arrays that are never written to again.

    >>> import numpy as np
    >>> history = LiveHistory(memory=1_000_000)
    >>> step = history.append(RecordStatistics.empty(("kernel",)), {"kernel": np.ones((2, 2))}, Record(0, 0, 0, 0.0, "start"))
    >>> history.records_with_values("kernel"), history.values("kernel").shape
    ((0,), (1, 2, 2))
    """

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.num_recorded = 0
        self.num_fits = 0
        self._lock = threading.RLock()
        self._epoch_lengths: dict[int, int] = {}
        self._measured_epochs: set[int] = set()
        self._partial_epochs: dict[int, int] = {}
        self._records: dict[int, Record] = {}
        self._tables: list[StatisticsTable] = []
        self._recent: list[_RecentRecord] = []
        self._kept_values: dict[int, _KeptValues] = {}
        self._samples: dict[str, Sample] = {}
        # Reuses the memory of dropped values for new records. Together with the kept values it stays within the limit.
        self._buffer_pool = BufferPool(memory)
        self._record_nbytes = 0
        self._first_record_of: dict[str, int] = {}
        self._values_stride = self._records_stride = 1
        self._values_nbytes = self._recent_nbytes = self._tables_nbytes = self._samples_nbytes = 0

    # -- reading ---------------------------------------------------------------------------------------------------

    @property
    def nbytes(self) -> int:
        """Bytes in use; at most `memory` once there are more than three records."""
        return self._statistics_nbytes + self._values_nbytes + self._buffer_pool.reserved_nbytes

    @property
    def _statistics_nbytes(self) -> int:
        return self._tables_nbytes + self._recent_nbytes + self._samples_nbytes + RECORD_OVERHEAD_BYTES * len(self._records)

    @property
    def timeline(self) -> Timeline:
        """All kept records."""
        with self._locked_and_settled():
            return Timeline(tuple(self._records.values()), dict(self._epoch_lengths), dict(self._partial_epochs))

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of all recorded weights."""
        with self._locked_and_settled():
            sources = [*(table.slots for table in self._tables), *(record.statistics.keys for record in self._recent)]
            return tuple(dict.fromkeys(key for source in sources for key in source))

    def weight_history(self, key: str, last_number: int | None = None) -> WeightHistory | None:
        """Return the current history of a weight, or None; with `last_number`, only records up to that number."""
        with self._locked_and_settled():
            last = self.num_recorded if last_number is None else last_number
            pieces = [
                table.weight_statistics(slot, last) for table in self._tables if (slot := table.slots.get(key)) is not None
            ]
            newest = [record for record in self._recent if key in record.statistics.keys and record.number <= last]
            pieces += [record.weight_statistics(key) for record in newest]
            if not pieces:
                return None
            kept = {
                number: (each.values[key], each.part_statistics)
                for number, each in self._kept_values.items()
                if key in each.values and number <= last
            }
            return LiveWeightHistory(key, pieces, kept, self._samples.get(key), self.start_record)

    def last_change(self) -> LastChange:
        """Return the statistics of the newest record that shows a change."""
        return self.snapshot().last_change()

    def change_at(self, number: int) -> LastChange | None:
        """Return the statistics of one of the last two records, which are stored together, or None for other records."""
        with self._locked_and_settled():
            sheet = next((record.statistics for record in self._recent if record.number == number), None)
            return LastChange(number, sheet.keys, sheet.rows, frozenset(self._samples)) if sheet else None

    def statistics(
        self,
        key: str,
        quantity: str = "value",
        index: IndexTuple = (),
        against: int | None = None,
        max_records: int | None = None,
    ) -> StatisticsSeries:
        """Statistics of a weight over all records; see `History.statistics`."""
        return self.snapshot().statistics(key, quantity, index, against, max_records)

    def statistics_chunks(self, after: int = -1, last_number: int | None = None) -> Iterator[StatisticsChunk]:
        """Yield the statistics of all weights after one record and up to another; see `History.statistics_chunks`."""
        with self._locked_and_settled():
            last = self.num_recorded if last_number is None else last_number
            newest = [record for record in self._recent if after < record.number <= last]
            found = [record.chunk for record in reversed(newest)]
            for table in reversed(self._tables):
                if table.record_numbers[table.num_records - 1] <= after:
                    break
                found.append(StatisticsChunk(*table.between(after, last)))
        yield from reversed(found)

    def to_frame(self) -> pd.DataFrame:
        """Return all statistics as a tidy pandas DataFrame; see `History.to_frame`."""
        return self.snapshot().to_frame()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the history to an HDF5 file; see `History.save`."""
        self.snapshot().save(path)

    def snapshot(self) -> History:
        """Return a fixed view of the current records, for consistent reads."""
        return HistorySnapshot(self)

    # -- writing ---------------------------------------------------------------------------------------------------

    def reserve(self, nbytes: int) -> None:
        """Thin older records until `nbytes` more bytes fit, so that the limit is never exceeded, even during recording."""
        with self._lock:
            free = self._thin_until_free(nbytes)
            # The next record reuses the free buffers, unless its weights differ from those of the last record.
            self._buffer_pool.limit_free(free if nbytes == self._record_nbytes else 0)
            self._record_nbytes = nbytes

    def allocate(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return an uninitialized array."""
        with self._lock:
            return self._buffer_pool.allocate(shape, dtype)

    def append(
        self, statistics: RecordStatistics | PendingStatistics, values: Mapping[str, np.ndarray], record: Record
    ) -> Record:
        """Add a record with the statistics of every weight and the values to keep, and return it with its number."""
        with self._lock:
            number, fit = self.num_recorded, max(self.num_fits - 1, 0)
            self.num_recorded += 1
            if record.epoch not in self._measured_epochs:
                # The length of an unfinished epoch may be unknown: assume one batch more than seen so far.
                self._epoch_lengths[record.epoch] = max(self._epoch_lengths.get(record.epoch, 0), record.batch + 1)
            position = axis_position(record, self._epoch_lengths)
            # Faster than `replace`.
            record = Record(
                number,
                record.epoch,
                record.batch,
                position,
                record.kind,
                fit,
                record.name,
                record.logs,
                record.keras_epoch,
                record.facts,
            )
            self._records[number] = record
            self._recent.append(_RecentRecord(number, statistics, statistics.nbytes))
            self._recent_nbytes += statistics.nbytes
            self._set_values(number, values)
            for key in statistics.keys:
                self._first_record_of.setdefault(key, number)
            if len(self._recent) > MAX_RECENT_RECORDS:
                self._settle_older()
            self._enforce_memory_limit()
            return record

    def set_epoch_length(self, epoch: int, num_batches: int) -> None:
        """Set the number of batches of an epoch, which determines the positions of the records within it."""
        with DeferInterrupts(), self._lock:  # also defers Ctrl-C that arrives before the lock is released
            is_new = self._epoch_lengths.get(epoch) != num_batches
            self._epoch_lengths[epoch] = num_batches
            self._measured_epochs.add(epoch)
            if is_new:
                self._records = {number: with_position(step, self._epoch_lengths) for number, step in self._records.items()}

    def find_identical_record(self, number: int) -> int | None:
        """Return the latest earlier record with the same weights, ignoring the directly preceding one; None if not found.

        The statistics of all weights must match exactly, and so must the values if both records keep them. States of random
        number generators are ignored, because Keras does not restore them.
        """
        past = self.snapshot()
        own = next(past.statistics_chunks(number - 1))
        keys = [key for key in own.slots if (weight := past.catalog.weights.get(key)) is None or weight.role != SEED_STATE]
        rows = own.rows[0, [own.slots[key] for key in keys], 0]
        found = [
            each
            for stretch in past.statistics_chunks()
            for each in _records_with_statistics(stretch, keys, rows)
            if each < number - 1
        ]
        alike = (each for each in reversed(found) if all(_have_same_values(past, key, number, each) for key in keys))
        return next(alike, None)

    def relabel_record(self, number: int, kind: str, name: str) -> None:
        """Set the kind and the name of one of the last two records."""
        with DeferInterrupts(), self._lock:
            self._records[number] = replace(self._records[number], kind=kind, name=name)

    def mark_epoch_end(self, epoch: int, num_batches: int) -> bool:
        """Turn the newest record into an epoch end if it was made at this batch; return whether it was."""
        with DeferInterrupts(), self._lock:
            step = self._records.get(self.num_recorded - 1)
            if step is None or (step.epoch, step.batch, step.kind) != (epoch, num_batches, "batch"):
                return False
            self._records[step.number] = with_position(
                replace(step, epoch=epoch + 1, batch=0, kind="epoch"), self._epoch_lengths
            )
            return True

    def reset_start(self) -> None:
        """Make the newest record the start. Earlier records, such as those of loaded weights, do not count as training."""
        with DeferInterrupts(), self._lock:
            self.start_record = self.num_recorded - 1
            self._first_record_of = dict.fromkeys(self._first_record_of, self.start_record)
            for number, step in self._records.items():
                if number < self.start_record and step.kind == "start":
                    self._records[number] = replace(step, kind="before")

    def mark_epoch_interrupted(self, epoch: int, num_batches: int) -> None:
        """Record that training was interrupted in this epoch after `num_batches` batches."""
        with DeferInterrupts(), self._lock:
            self._partial_epochs[epoch] = num_batches

    def skip_epochs(self, finished: int, num_epochs: int) -> None:
        """Mark epochs as skipped: the next epoch follows `finished` epochs, but the history has only `num_epochs` of them.

        The time axis skips the epochs in between, in which nothing was recorded. If the next epoch is the first of its fit,
        the start of the fit moves with it.
        """
        with DeferInterrupts(), self._lock:
            skipped = range(num_epochs, finished)
            self._epoch_lengths |= dict.fromkeys(skipped, 0)
            self._measured_epochs |= {*skipped}
            self._move_fit_start(num_epochs, finished)

    def _move_fit_start(self, num_epochs: int, epoch: int) -> None:
        """Move the newest fit's records from before its first epoch, at `num_epochs` finished epochs, to another epoch."""
        fit = max(self.num_fits - 1, 0)
        for number, step in self._records.items():
            if step.fit == fit and step.epoch == num_epochs and not step.keras_epoch:
                self._records[number] = with_position(replace(step, epoch=epoch), self._epoch_lengths)

    def begin_fit(self) -> None:
        """Start a new fit: all records added from now on belong to it."""
        with DeferInterrupts(), self._lock:
            self.num_fits += 1

    def set_sample(self, key: str, sample: Sample | None) -> None:
        """Set which elements of a weight to keep from now on (None for all or none), and drop its kept values."""
        with self._lock:
            self._samples.pop(key, None)
            if sample is not None:
                self._samples[key] = sample
            self._samples_nbytes = sum(each.indexes.nbytes for each in self._samples.values())
            self._drop_values(key)

    def drop_weight(self, key: str) -> None:
        """Drop everything kept for a weight, because another variable has replaced it."""
        with self._locked_and_settled():
            self.num_dropped_weights += 1
            self.frozen_parts = tuple(part for part in self.frozen_parts if part.key != key)
            for table in self._tables:
                table.remove_weight(key)
            for place, record in enumerate(self._recent):
                sheet = record.statistics.without(key)
                self._recent[place] = replace(record, statistics_or_pending=sheet, nbytes=sheet.nbytes)
                self._recent_nbytes += sheet.nbytes - record.nbytes
            self._samples.pop(key, None)
            self._first_record_of.pop(key, None)
            self._samples_nbytes = sum(each.indexes.nbytes for each in self._samples.values())
            self._drop_values(key)

    def _drop_values(self, key: str) -> None:
        for number, kept in list(self._kept_values.items()):
            if key in kept.values:
                self._set_values(number, {other: array for other, array in kept.values.items() if other != key})

    def _set_values(self, number: int, values: Mapping[str, np.ndarray]) -> None:
        before = self._kept_values.get(number)
        self._values_nbytes += nbytes_of_kept_values(values) - (before.nbytes if before else 0)
        if values:
            self._kept_values[number] = _KeptValues(
                values if isinstance(values, FlatArrays) else MappingProxyType(dict(values))
            )
        elif before:
            del self._kept_values[number]

    @contextlib.contextmanager
    def _locked_and_settled(self) -> Iterator[None]:
        """Hold the lock and settle all records but the last two."""
        with self._lock:
            self._settle_older()
            yield

    def _settle_older(self) -> bool:
        """Settle all records but the last two; return whether there were any."""
        if len(self._recent) <= MIN_RECENT_RECORDS:
            return False
        with DeferInterrupts():
            while len(self._recent) > MIN_RECENT_RECORDS:
                record = self._recent.pop(0)
                self._recent_nbytes -= record.nbytes
                self._settle(record)
            self._enforce_memory_limit()  # settling may have allocated a new table with spare capacity
        return True

    def _settle(self, record: _RecentRecord) -> None:
        """Decide whether to keep a record, once two newer records exist."""
        number = record.number
        if not self._is_on_stride(number):
            del self._records[number]
            self._set_values(number, {})
            return
        self._add_to_table(record.number, record.statistics)
        self._thin_values(number)

    def _is_on_stride(self, number: int) -> bool:
        return number % self._records_stride == 0 or number in self._first_record_of.values()

    def _thin_values(self, number: int) -> None:
        """Drop the values of a record that is not on the stride, except for weights whose first record it is.

        Once any values have been dropped, records from before the start of training do not count as on the stride either.
        """
        is_early = number < self.start_record and self._values_stride > 1
        if (number % self._values_stride or is_early) and number in self._kept_values:
            self._keep_first_values(number)

    def _keep_first_values(self, number: int) -> None:
        values = self._kept_values[number].values
        first = {key: array for key, array in values.items() if self._first_record_of.get(key) == number}
        if len(first) < len(values):  # a view would keep the whole shared buffer alive
            first = {key: array.copy() if _is_view(array) else array for key, array in first.items()}
        self._set_values(number, first)

    def _add_to_table(self, number: int, statistics: RecordStatistics) -> None:
        last = self._tables[-1] if self._tables else None
        if last is None or last.is_full or last.keys != statistics.keys or len(last.slots) < len(last.keys):
            last = StatisticsTable.for_statistics(statistics, self.memory)
            self._tables.append(last)
            self._tables_nbytes += last.nbytes
        last.append(number, statistics)

    def _enforce_memory_limit(self) -> None:
        self._buffer_pool.limit_free(self._thin_until_free(0))

    def _thin_until_free(self, nbytes: int) -> int:
        """Thin older records until `nbytes` more bytes fit, if possible; return the number of free bytes."""
        while (free := self.memory - self.nbytes) < nbytes and (self._settle_older() or self._thin()):
            pass
        return free

    def _thin(self) -> bool:
        """Drop some older values or records; return whether there was anything to drop.

        Values are dropped first, and those of the second newest record last. Whole records are dropped after that, or if
        statistics take more than half of the memory.
        """
        newest = {record.number for record in self._recent}
        past = [number for number in self._kept_values if number not in newest and self._may_drop_values(number)]
        last_but_one = min(newest, default=0)
        before = [last_but_one] if len(newest) > 1 and self._may_drop_values(last_but_one) else []
        is_long = any(number not in newest and self._may_drop_record(number) for number in self._records)
        too_many = is_long and self._statistics_nbytes > self.memory / 2
        if past and not too_many:
            self._values_stride *= 2
            for number in past:
                self._thin_values(number)
        elif before and not too_many:
            self._keep_first_values(before[0])
        elif is_long:
            self._records_stride *= 2
            self._thin_records(newest)
        else:
            return False
        return True

    def _may_drop_record(self, number: int) -> bool:
        """Whether a record may be dropped entirely when the stride grows."""
        return number > 0 and number not in self._first_record_of.values()

    def _may_drop_values(self, number: int) -> bool:
        """Whether a record keeps values that are not the first values of their weights."""
        return number in self._kept_values and any(
            self._first_record_of.get(key) != number for key in self._kept_values[number].values
        )

    def _thin_records(self, recent: set[int]) -> None:
        tables, self._tables, self._tables_nbytes = self._tables, [], 0
        for table in tables:
            for place in range(table.num_records):
                number = int(table.record_numbers[place])
                if self._is_on_stride(number):
                    self._add_to_table(number, table.record_statistics(place))
        for number in list(self._records):
            if not self._is_on_stride(number) and number not in recent:
                del self._records[number]
                self._set_values(number, {})


def _records_with_statistics(chunk: StatisticsChunk, keys: Sequence[str], rows: np.ndarray) -> list[int]:
    """Return the numbers of the records at which the values of these weights have these statistics."""
    slots = [chunk.slots[key] for key in keys if key in chunk.slots]
    if not keys or len(slots) < len(keys):
        return []
    found = chunk.rows[:, slots, 0]
    is_same = ((found == rows) | (np.isnan(found) & np.isnan(rows))).all(axis=(1, 2))
    return chunk.record_numbers[is_same].tolist()


def _have_same_values(history: History, key: str, number: int, other: int) -> bool:
    """Whether the values of a weight are the same at two records; True if one of them does not keep values."""
    column = history.weight_history(key)
    one, two = (None, None) if column is None else (column.values_at(number), column.values_at(other))
    return one is None or two is None or np.array_equal(one, two, equal_nan=True)


class LiveWeightHistory(WeightHistory):
    """The history of one weight in a `LiveHistory`."""

    def __init__(
        self,
        key: str,
        statistics: list[WeightStatistics],
        kept_values: Mapping[int, tuple[np.ndarray, PartStatisticsCache]],
        sample: Sample | None,
        start_record: int,
    ) -> None:
        self.key = key
        self.sample = sample
        self.start_record = start_record
        self._statistics = statistics
        self._kept_values = kept_values
        self._records_with_values = tuple(kept_values)
        self._record_numbers = np.concatenate([piece[0] for piece in statistics])

    @property
    def record_numbers(self) -> np.ndarray:
        """Numbers of the records with statistics, ascending."""
        return self._record_numbers

    @property
    def records_with_values(self) -> tuple[int, ...]:
        """Numbers of the records with values, ascending."""
        return self._records_with_values

    def rows(self, indices: slice | np.ndarray) -> np.ndarray:
        """Statistics at these indices of `record_numbers`."""
        return self._rows[indices]

    @cached_property
    def _rows(self) -> np.ndarray:
        return np.concatenate([piece[1] for piece in self._statistics])

    def bins(self, indices: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Exponents, first bins and counts at these indices of `record_numbers`."""
        exponents, firsts, counts = (np.concatenate([piece[i] for piece in self._statistics])[indices] for i in (2, 3, 4))
        return exponents, firsts, counts

    def values_at(self, number: int) -> np.ndarray | None:
        """Values at a record, or None if they are not kept."""
        return self._kept_values[number][0] if number in self._kept_values else None

    def part_statistics(self, number: int) -> PartStatisticsCache:
        """The cache of statistics of parts of the weight at this record."""
        return self._kept_values[number][1]


class HistorySnapshot(History):
    """A read-only view of a history at one point in time, so that the data does not change while a picture is drawn."""

    def __init__(self, history: LiveHistory) -> None:
        self.memory, self.num_recorded, self.start_record = history.memory, history.num_recorded, history.start_record
        self.catalog, self.expected_keys = history.catalog, history.expected_keys
        self.frozen_parts = history.frozen_parts
        self.num_dropped_weights = history.num_dropped_weights
        self._history = history
        self._timeline = history.timeline
        self._weight_histories: dict[str, WeightHistory | None] = {}

    @property
    def timeline(self) -> Timeline:
        """All records that were kept when the snapshot was taken."""
        return self._timeline

    @property
    def base_history(self) -> History:
        """The history that the snapshot was taken from."""
        return self._history

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of all recorded weights."""
        return self._history.keys

    def last_change(self) -> LastChange:
        """Return the statistics of the newest record that shows a change."""
        number = self._last_changed_record()
        return (self._history.change_at(number) if number is not None else None) or super().last_change()

    def weight_history(self, key: str) -> WeightHistory | None:
        """Return the history of a weight, cached at the first call."""
        if key not in self._weight_histories:
            self._weight_histories[key] = self._history.weight_history(key, self._last_number)
        return self._weight_histories[key]

    def statistics_chunks(self, after: int = -1) -> Iterator[StatisticsChunk]:
        """Yield the statistics of all weights at the records after one; see `History.statistics_chunks`."""
        return self._history.statistics_chunks(after, self._last_number)

    @property
    def _last_number(self) -> int:
        numbers = self._timeline.record_numbers
        return int(numbers[-1]) if len(numbers) else -1
