"""One statistic of every weight at every record, kept from picture to picture: only what is new is computed."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from weight_explorer.recording.moments import place_words
from weight_explorer.recording.past import Past, Stretch
from weight_explorer.recording.statistics import INDEX, QUANTITIES
from weight_explorer.recording.time import Step

# Makes cells of statistics of shape (records, weights, `QUANTITIES`, `FIELDS`); its second argument is the norm of each weight
# at its first record. A cell of 0 says that there is no value.
ToCells = Callable[[np.ndarray, np.ndarray], np.ndarray]

# Statistics of so many are copied at a time.
MOST_JOINED = 32

_NORM, _COUNT = INDEX["norm"], INDEX["count"]
_SINCE_START = QUANTITIES.index("since_start")


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Cells of shape (records, weights), the names of the records, and of which weights changes are estimated from a sample."""

    cells: np.ndarray
    names: tuple[str, ...]
    is_estimated: np.ndarray


class Gathered:
    """Cells of some weights at all records of one past. For several threads.

    What it gives is never written again.
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

    def update(self, past: Past, keys: tuple[str, ...], wanted: np.ndarray) -> Known:
        """Return what is known of these weights at the wanted records.

        `wanted` are numbers of records, ascending: the same as last time, fewer and new ones.
        """
        with self._lock:
            if (keys, past.num_forgotten) != (self._keys, self._num_forgotten):
                self._reset(keys, past.num_forgotten)
            self._drop(wanted)
            self._add(past, wanted[len(self._numbers) :])
            return Known(self._cells[: len(wanted)], self._names, self._is_estimated.copy())

    def _drop(self, wanted: np.ndarray) -> None:
        """Drop the records that are not kept any more."""
        stay = np.isin(self._numbers, wanted)
        if not stay.all():
            self._cells = self._cells[: len(stay)][stay]
            self._numbers = self._numbers[stay]
            self._names = tuple(itertools.compress(self._names, stay))
        if not np.array_equal(self._numbers, wanted[: len(self._numbers)]):  # an older past than last time
            self._reset(self._keys, self._num_forgotten)

    def _add(self, past: Past, numbers: np.ndarray) -> None:
        if not len(numbers):
            return
        count, last = len(self._numbers), int(self._numbers[-1]) if len(self._numbers) else -1
        self._make_room(count + len(numbers))
        added = self._cells[count : count + len(numbers)]
        added[:] = 0
        for stretch in _joined(past.stretches(last)):
            self._fill(added, numbers, stretch)
        self._numbers = np.concatenate([self._numbers, numbers])
        self._names += tuple(_name(step) for number in numbers.tolist() if (step := past.step(number)) is not None)

    def _make_room(self, count: int) -> None:
        if count > len(self._cells):
            grown = np.empty((max(count, 2 * len(self._cells)), len(self._keys)), np.float32)
            grown[: len(self._cells)] = self._cells
            self._cells = grown

    def _fill(self, added: np.ndarray, numbers: np.ndarray, stretch: Stretch) -> None:
        places = np.searchsorted(numbers, stretch.numbers)
        known = places < len(numbers)
        known[known] = numbers[places[known]] == stretch.numbers[known]
        found = [(place, slot) for place, key in enumerate(self._keys) if (slot := stretch.slots.get(key)) is not None]
        if not found or not known.any():
            return
        columns, slots = np.array(found).T
        is_first = np.isnan(self._starts[columns])
        norms = stretch.rows[0, slots, 0, _NORM]
        self._starts[columns] = np.where(is_first, np.where(np.isnan(norms), 0, norms), self._starts[columns])
        rows = stretch.rows[:, slots]
        # Of a sample `count` is how many elements changes were computed from; values are always read whole.
        self._is_estimated[columns] = rows[-1, :, _SINCE_START, _COUNT] < rows[-1, :, 0, _COUNT]
        if is_first.any():
            rows[0, is_first, _SINCE_START:] = np.nan  # at its first record nothing has changed yet
        added[np.ix_(places[known], columns)] = self._to_cells(rows[known], self._starts[columns])


def _name(step: Step) -> str:
    return f"record {step.number} ({place_words(step)})"


def _joined(stretches: Iterator[Stretch]) -> Iterator[Stretch]:
    """Join stretches of the same weights, each of few records: a call of NumPy costs as much for one record as for many."""
    several: list[Stretch] = []
    for stretch in stretches:
        if several and (len(several) == MOST_JOINED or not _is_alike(stretch, several[0])):
            yield _join(several)
            several = []
        several.append(stretch)
    if several:
        yield _join(several)


def _is_alike(one: Stretch, other: Stretch) -> bool:
    return one.rows.shape[1] == other.rows.shape[1] and dict(one.slots) == dict(other.slots)


def _join(several: list[Stretch]) -> Stretch:
    if len(several) == 1:
        return several[0]
    numbers, rows = (np.concatenate([getattr(each, name) for each in several]) for name in ("numbers", "rows"))
    return Stretch(numbers, several[0].slots, rows)


_found: weakref.WeakKeyDictionary[Past, dict[str, Gathered]] = weakref.WeakKeyDictionary()
_finding = threading.Lock()


def gathered(past: Past, name: str, to_cells: ToCells) -> Gathered:
    """Return what is kept of a past under a name."""
    with _finding:
        return _found.setdefault(past.origin, {}).setdefault(name, Gathered(to_cells))
