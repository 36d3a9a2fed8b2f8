"""A cache of one statistic of every weight at every record. Only new records are computed."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from weight_explorer.recording.descriptions import describe_event
from weight_explorer.recording.history import History, StatisticsChunk
from weight_explorer.recording.records import Record
from weight_explorer.recording.statistics.summary import FIELD_INDEX, QUANTITIES

# Returns cells for statistics of shape (records, weights, `QUANTITIES`, `FIELDS`). The second argument is the norm of each
# weight at its first record. A cell of 0 stands for a missing value.
ToCells = Callable[[np.ndarray, np.ndarray], np.ndarray]

# The number of chunks whose statistics are copied at a time.
MAX_JOINED_CHUNKS = 32

_NORM, _COUNT = FIELD_INDEX["norm"], FIELD_INDEX["count"]
_SINCE_START = QUANTITIES.index("since_start")


@dataclass(frozen=True, slots=True, eq=False)
class CachedSeries:
    """Cells of shape (records, weights), the names of the records, and which weights have changes estimated from a sample."""

    cells: np.ndarray
    names: tuple[str, ...]
    is_estimated: np.ndarray


class SeriesCache:
    """Cells of some weights at all records of one history. It is thread-safe.

    Returned arrays are never modified later.
    """

    def __init__(self, to_cells: ToCells) -> None:
        self._to_cells = to_cells
        self._lock = threading.Lock()
        self._reset((), 0)

    def _reset(self, keys: tuple[str, ...], num_forgotten: int) -> None:
        self._names: tuple[str, ...] = ()
        self._keys, self._num_forgotten = keys, num_forgotten
        self._numbers = np.empty(0, np.int64)
        self._cells = np.empty((0, len(keys)), np.float32)
        self._starts = np.full(len(keys), np.nan)
        self._is_estimated = np.zeros(len(keys), bool)

    def update(self, history: History, keys: tuple[str, ...], numbers: np.ndarray) -> CachedSeries:
        """Return the cells of these weights at the given records.

        `numbers` are record numbers in ascending order. Compared with the last call, records may be missing or new.
        """
        with self._lock:
            if (keys, history.num_dropped_weights) != (self._keys, self._num_forgotten):
                self._reset(keys, history.num_dropped_weights)
            self._drop(numbers)
            self._add(history, numbers[len(self._numbers) :])
            return CachedSeries(self._cells[: len(numbers)], self._names, self._is_estimated.copy())

    def _drop(self, numbers: np.ndarray) -> None:
        """Drop the records that the history has dropped."""
        stay = np.isin(self._numbers, numbers)
        if not stay.all():
            self._cells = self._cells[: len(stay)][stay]
            self._numbers = self._numbers[stay]
            self._names = tuple(itertools.compress(self._names, stay))
        if not np.array_equal(self._numbers, numbers[: len(self._numbers)]):  # an older history than in the last call
            self._reset(self._keys, self._num_forgotten)

    def _add(self, history: History, numbers: np.ndarray) -> None:
        if not len(numbers):
            return
        count, last = len(self._numbers), int(self._numbers[-1]) if len(self._numbers) else -1
        self._ensure_capacity(count + len(numbers))
        added = self._cells[count : count + len(numbers)]
        added[:] = 0
        for stretch in _join_small_chunks(history.statistics_chunks(last)):
            self._fill(added, numbers, stretch)
        self._numbers = np.concatenate([self._numbers, numbers])
        self._names += tuple(
            _record_name(step) for number in numbers.tolist() if (step := history.get_record(number)) is not None
        )

    def _ensure_capacity(self, count: int) -> None:
        if count > len(self._cells):
            grown = np.empty((max(count, 2 * len(self._cells)), len(self._keys)), np.float32)
            grown[: len(self._cells)] = self._cells
            self._cells = grown

    def _fill(self, added: np.ndarray, numbers: np.ndarray, chunk: StatisticsChunk) -> None:
        places = np.searchsorted(numbers, chunk.record_numbers)
        known = places < len(numbers)
        known[known] = numbers[places[known]] == chunk.record_numbers[known]
        found = [(place, slot) for place, key in enumerate(self._keys) if (slot := chunk.slots.get(key)) is not None]
        if not found or not known.any():
            return
        columns, slots = np.array(found).T
        is_first = np.isnan(self._starts[columns])
        norms = chunk.rows[0, slots, 0, _NORM]
        self._starts[columns] = np.where(is_first, np.where(np.isnan(norms), 0, norms), self._starts[columns])
        rows = chunk.rows[:, slots]
        # With a sample, `count` is the number of elements that changes were computed from. Values are always read whole.
        self._is_estimated[columns] = rows[-1, :, _SINCE_START, _COUNT] < rows[-1, :, 0, _COUNT]
        if is_first.any():
            rows[0, is_first, _SINCE_START:] = np.nan  # nothing has changed yet at the first record
        added[np.ix_(places[known], columns)] = self._to_cells(rows[known], self._starts[columns])


def _record_name(record: Record) -> str:
    return f"record {record.number} ({describe_event(record)})"


def _join_small_chunks(chunks: Iterator[StatisticsChunk]) -> Iterator[StatisticsChunk]:
    """Join chunks of the same weights that hold few records: a NumPy call costs about as much for one record as for many."""
    several: list[StatisticsChunk] = []
    for stretch in chunks:
        if several and (len(several) == MAX_JOINED_CHUNKS or not _has_same_weights(stretch, several[0])):
            yield _join_chunks(several)
            several = []
        several.append(stretch)
    if several:
        yield _join_chunks(several)


def _has_same_weights(one: StatisticsChunk, other: StatisticsChunk) -> bool:
    return one.rows.shape[1] == other.rows.shape[1] and dict(one.slots) == dict(other.slots)


def _join_chunks(chunks: list[StatisticsChunk]) -> StatisticsChunk:
    if len(chunks) == 1:
        return chunks[0]
    numbers, rows = (np.concatenate([getattr(each, name) for each in chunks]) for name in ("numbers", "rows"))
    return StatisticsChunk(numbers, chunks[0].slots, rows)


_caches: weakref.WeakKeyDictionary[History, dict[str, SeriesCache]] = weakref.WeakKeyDictionary()
_caches_lock = threading.Lock()


def get_series_cache(history: History, name: str, to_cells: ToCells) -> SeriesCache:
    """Return the cache of a history under a name."""
    with _caches_lock:
        return _caches.setdefault(history.base_history, {}).setdefault(name, SeriesCache(to_cells))
