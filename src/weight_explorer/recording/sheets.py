"""Statistics of all weights at one record, and tables of many such: arrays that are filled once and then only read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from weight_explorer.recording.lattice import BINS, UNSET
from weight_explorer.recording.statistics import FIELDS, QUANTITIES


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """What one record says of every weight.

    Attributes:
        keys: The weights, in the order of all arrays.
        rows: Statistics, of shape (weights, `QUANTITIES`, `FIELDS`).
        exponents: Of the lattice of each histogram, `UNSET` where there is none.
        firsts: The first bin of each.
        counts: Counts, of shape (weights, `BINS`).
    """

    keys: tuple[str, ...]
    rows: np.ndarray
    exponents: np.ndarray
    firsts: np.ndarray
    counts: np.ndarray

    @classmethod
    def empty(cls, keys: tuple[str, ...]) -> Sheet:
        """Make a sheet that says nothing yet."""
        return cls(
            keys,
            np.full((len(keys), len(QUANTITIES), len(FIELDS)), np.nan),
            np.full(len(keys), UNSET, np.int16),
            np.zeros(len(keys), np.int32),
            np.zeros((len(keys), BINS), np.uint32),
        )

    def whole(self) -> Sheet:
        """Return the sheet itself: it is there."""
        return self

    def copy(self) -> Sheet:
        """Return one that can be filled without changing this."""
        return Sheet(self.keys, *[array.copy() for array in self.arrays])

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All arrays."""
        return self.rows, self.exponents, self.firsts, self.counts

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(array.nbytes for array in self.arrays)

    def without(self, key: str) -> Sheet:
        """Leave one weight out."""
        stays = np.array([other != key for other in self.keys], bool)
        return Sheet(tuple(other for other in self.keys if other != key), *(array[stays] for array in self.arrays))


class Coming:
    """A sheet that is still being made. Whoever asks for it, on any thread, waits for that.

    Args:
        blank: Has the same weights.
        make: Makes it, and can do that again, should somebody break off what waits for it.
    """

    def __init__(self, blank: Sheet, make: Callable[[], Sheet]) -> None:
        self.keys, self.nbytes = blank.keys, blank.nbytes
        self._lock = threading.Lock()
        self._make: Callable[[], Sheet] | None = make
        self._sheet = blank

    def whole(self) -> Sheet:
        """Return the sheet."""
        with self._lock:
            if self._make:
                self._sheet, self._make = self._make(), None
            return self._sheet


# Numbers of records, and of each the statistics and the histogram of one weight.
Piece = tuple[np.ndarray, ...]

# Records of a table take about this much, so that there are few tables, and none is large.
TABLE_BYTES = 1 << 18


class Table:
    """Sheets of the same weights behind each other. What was appended is never written again, so readers need no lock."""

    def __init__(self, keys: tuple[str, ...], capacity: int) -> None:
        self.slots: Mapping[str, int] = MappingProxyType({key: slot for slot, key in enumerate(keys)})
        self.keys = keys
        self.count = 0
        self.numbers = np.zeros(capacity, np.int64)
        rooms = (np.zeros((capacity, *array.shape), array.dtype) for array in Sheet.empty(keys).arrays)
        self.rows, self.exponents, self.firsts, self.counts = self._arrays = tuple(rooms)

    @classmethod
    def for_sheet(cls, sheet: Sheet, memory: int) -> Table:
        """Make a table of a fitting size; `memory` is the bound of the whole history."""
        capacity = min(TABLE_BYTES, memory // 32) // max(sheet.nbytes, 1)
        return cls(sheet.keys, max(1, min(capacity, 256)))

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another sheet."""
        return self.count == len(self.numbers)

    @property
    def nbytes(self) -> int:
        """Bytes that are taken, room that is not filled yet included."""
        return self.numbers.nbytes + sum(array.nbytes for array in self._arrays)

    def append(self, number: int, sheet: Sheet) -> None:
        """Add the sheet of a record."""
        for room, array in zip(self._arrays, sheet.arrays, strict=True):
            room[self.count] = array
        self.numbers[self.count] = number
        self.count += 1

    def sheet(self, place: int) -> Sheet:
        """Return the sheet at a place, as views, without the weights that are found no more."""
        sheet = Sheet(self.keys, *(array[place] for array in self._arrays))
        for key in self.keys:
            sheet = sheet if key in self.slots else sheet.without(key)
        return sheet

    def piece(self, slot: int, last: int) -> Piece:
        """Return the numbers of the records up to `last`, and of each the arrays of one weight."""
        count = int(np.searchsorted(self.numbers[: self.count], last, side="right"))
        return self.numbers[:count], *(array[:count, slot] for array in self._arrays)

    def between(self, after: int, last: int) -> tuple[np.ndarray, Mapping[str, int], np.ndarray]:
        """Return the numbers of the records after one and up to another, where each weight stands, and the statistics."""
        first, end = np.searchsorted(self.numbers[: self.count], (after, last), side="right").tolist()
        return self.numbers[first:end], self.slots, self.rows[first:end]

    def without(self, key: str) -> None:
        """Let a weight be found no more."""
        self.slots = MappingProxyType({other: slot for other, slot in self.slots.items() if other != key})
