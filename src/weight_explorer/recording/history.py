"""What was recorded live: statistics of every record, values as far as memory allows. Read and written from two threads."""

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

from weight_explorer.catalog.nodes import SEED_STATE, Index
from weight_explorer.recording.interrupts import HeldBack
from weight_explorer.recording.past import Column, LastChange, Past, Series, Stretch
from weight_explorer.recording.rooms import Rooms
from weight_explorer.recording.sampling import Sample
from weight_explorer.recording.segments import Flat
from weight_explorer.recording.sheets import Coming, Piece, Sheet, Table
from weight_explorer.recording.slices import ROOM, SliceRows
from weight_explorer.recording.time import Step, Timeline, placed, position_of

if TYPE_CHECKING:
    import pandas as pd

UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}

# What Python's own objects take beside the arrays: a record's step, and each array that is kept with its key.
RECORD_BYTES = 800
ARRAY_BYTES = 250

# The last records of which nothing is decided yet: two when somebody looks, more while nobody does, since to decide of several
# at once takes far less time.
UNDECIDED = 2
MOST_UNDECIDED = 10


def parse_memory(memory: int | str) -> int:
    """Read a bound on memory, in bytes or as text.

    Raises:
        ValueError: It is no positive number of bytes.

    >>> parse_memory("256 MB"), parse_memory("1.5GB"), parse_memory(1000)
    (256000000, 1500000000, 1000)
    """
    text = f"{memory} B" if isinstance(memory, int) else str(memory)
    match = re.fullmatch(r"\s*(\d+\.?\d*)\s*([a-zA-Z]*)\s*", text)
    unit = UNITS.get(match[2].upper(), 0) if match else 0
    num_bytes = int(float(match[1]) * unit) if match else 0
    if num_bytes <= 0 or isinstance(memory, bool):
        raise ValueError(f'memory={memory!r} is no amount of memory. Give bytes or text such as "256 MB" or "2 GB".')
    return num_bytes


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """Values of one record, whole or sampled, and what is remembered of their parts."""

    values: Mapping[str, np.ndarray]
    slices: SliceRows = field(default_factory=SliceRows)

    @property
    def nbytes(self) -> int:
        return kept_nbytes(self.values)


def kept_nbytes(values: Mapping[str, np.ndarray]) -> int:
    """Bytes that values take once they are kept."""
    nbytes = values.nbytes if isinstance(values, Flat) else sum(array.nbytes for array in values.values())
    return nbytes + ARRAY_BYTES * len(values) + (ROOM if values else 0)


def _is_part(array: np.ndarray) -> bool:
    return array.base is not None and array.base.nbytes > array.nbytes


@dataclass(frozen=True, slots=True, eq=False)
class _Newest:
    """One of the last records, which may or may not be kept."""

    number: int
    given: Sheet | Coming
    nbytes: int

    @property
    def sheet(self) -> Sheet:
        return self.given.whole()

    def piece(self, key: str) -> Piece:
        slot = self.sheet.keys.index(key)
        return np.array([self.number]), *(array[slot : slot + 1] for array in self.sheet.arrays)

    @property
    def stretch(self) -> Stretch:
        slots = {key: slot for slot, key in enumerate(self.sheet.keys)}
        return Stretch(np.array([self.number]), slots, self.sheet.rows[None])


class History(Past):
    """Records of a model's weights, bounded by `memory` bytes.

    When it is full it thins the past: of the records between the first and the newest it keeps the values of every second,
    fourth, eighth ..., and where the statistics alone fill half of the memory it drops whole records in the same way, so that
    what stays is spread evenly. The first record and the newest always stay; so do their values, the first being those of the
    record that the training started from. The values of the one before the newest stay as long as there is room.

    Read and written from two threads: what readers get are arrays that are never written again.

    >>> import numpy as np
    >>> history = History(memory=1_000_000)
    >>> step = history.append(Sheet.empty(("kernel",)), {"kernel": np.ones((2, 2))}, Step(0, 0, 0, 0.0, "start"))
    >>> history.steps("kernel"), history.values("kernel").shape
    ((0,), (1, 2, 2))
    """

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.num_recorded = 0
        self.num_fits = 0
        self._lock = threading.RLock()
        self._lengths: dict[int, int] = {}
        self._measured: set[int] = set()
        self._cut_short: dict[int, int] = {}
        self._steps: dict[int, Step] = {}
        self._tables: list[Table] = []
        self._newest: list[_Newest] = []
        self._kept: dict[int, _Kept] = {}
        self._samples: dict[str, Sample] = {}
        # Memory of values that were dropped, for records to come. With what is kept it stays within the bound.
        self._rooms = Rooms(memory)
        self._record_nbytes = 0
        self._first_of: dict[str, int] = {}
        self._values_stride = self._records_stride = 1
        self._values_nbytes = self._newest_nbytes = self._tables_nbytes = self._samples_nbytes = 0

    # -- reading ---------------------------------------------------------------------------------------------------

    @property
    def nbytes(self) -> int:
        """Bytes that are kept, at most `memory` once there are more than three records."""
        return self._statistics_nbytes + self._values_nbytes + self._rooms.ahead_nbytes

    @property
    def _statistics_nbytes(self) -> int:
        return self._tables_nbytes + self._newest_nbytes + self._samples_nbytes + RECORD_BYTES * len(self._steps)

    @property
    def timeline(self) -> Timeline:
        """All records that are kept."""
        with self._decided():
            return Timeline(tuple(self._steps.values()), dict(self._lengths), dict(self._cut_short))

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the weights of which anything is known."""
        with self._decided():
            sources = [*(table.slots for table in self._tables), *(record.sheet.keys for record in self._newest)]
            return tuple(dict.fromkeys(key for source in sources for key in source))

    def column(self, key: str, until: int | None = None) -> Column | None:
        """Return what is known of a weight now, or None; with `until`, of records up to that number."""
        with self._decided():
            last = self.num_recorded if until is None else until
            pieces = [table.piece(slot, last) for table in self._tables if (slot := table.slots.get(key)) is not None]
            newest = [record for record in self._newest if key in record.sheet.keys and record.number <= last]
            pieces += [record.piece(key) for record in newest]
            if not pieces:
                return None
            kept = {
                number: (each.values[key], each.slices)
                for number, each in self._kept.items()
                if key in each.values and number <= last
            }
            return LiveColumn(key, pieces, kept, self._samples.get(key), self.start)

    def last_change(self) -> LastChange:
        """Return the statistics of the newest record that a change led to."""
        return self.snapshot().last_change()

    def change_at(self, number: int) -> LastChange | None:
        """Return the statistics of one of the last two records, which lie together, or None of another."""
        with self._decided():
            sheet = next((record.sheet for record in self._newest if record.number == number), None)
            return LastChange(number, sheet.keys, sheet.rows, frozenset(self._samples)) if sheet else None

    def series(
        self, key: str, quantity: str = "value", index: Index = (), against: int | None = None, most: int | None = None
    ) -> Series:
        """Statistics of a weight over all records; see `Past.series`."""
        return self.snapshot().series(key, quantity, index, against, most)

    def stretches(self, after: int = -1, until: int | None = None) -> Iterator[Stretch]:
        """Yield the statistics of all weights at the records after one, and up to another; see `Past.stretches`."""
        with self._decided():
            last = self.num_recorded if until is None else until
            newest = [record for record in self._newest if after < record.number <= last]
            found = [record.stretch for record in reversed(newest)]
            for table in reversed(self._tables):
                if table.numbers[table.count - 1] <= after:
                    break
                found.append(Stretch(*table.between(after, last)))
        yield from reversed(found)

    def to_frame(self) -> pd.DataFrame:
        """Return all statistics as a tidy pandas frame; see `Past.to_frame`."""
        return self.snapshot().to_frame()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything that is known to an HDF5 file; see `Past.save`."""
        self.snapshot().save(path)

    def snapshot(self) -> Past:
        """Return the records as they are now, for a reader that asks more than once."""
        return Snapshot(self)

    # -- writing ---------------------------------------------------------------------------------------------------

    def make_room(self, nbytes: int) -> None:
        """Thin the past until so many more bytes fit, so that the memory is never exceeded, not even while a record is made."""
        with self._lock:
            free = self._thin_until_free(nbytes)
            # The record takes its arrays from the spare ones, but for one of other weights than the last.
            self._rooms.let_go(free if nbytes == self._record_nbytes else 0)
            self._record_nbytes = nbytes

    def room_for(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return an array to be filled."""
        with self._lock:
            return self._rooms.take(shape, dtype)

    def append(self, sheet: Sheet | Coming, values: Mapping[str, np.ndarray], step: Step) -> Step:
        """Add a record: the statistics of every weight, and of those that are kept the values. Numbers it."""
        with self._lock:
            number, fit = self.num_recorded, max(self.num_fits - 1, 0)
            self.num_recorded += 1
            if step.epoch not in self._measured:
                # Nobody may know the length of an epoch that is not over: then it is one batch more than there were.
                self._lengths[step.epoch] = max(self._lengths.get(step.epoch, 0), step.batch + 1)
            position = position_of(step, self._lengths)
            # Faster than `replace`.
            step = Step(
                number, step.epoch, step.batch, position, step.kind, fit, step.name, step.logs, step.keras_epoch, step.facts
            )
            self._steps[number] = step
            self._newest.append(_Newest(number, sheet, sheet.nbytes))
            self._newest_nbytes += sheet.nbytes
            self._keep(number, values)
            for key in sheet.keys:
                self._first_of.setdefault(key, number)
            if len(self._newest) > MOST_UNDECIDED:
                self._decide()
            self._stay_within_memory()
            return step

    def set_epoch_length(self, epoch: int, num_batches: int) -> None:
        """Say how many batches the epoch has, so that records within it find their position."""
        with HeldBack(), self._lock:  # also where Ctrl-C comes before the lock is free again
            is_new = self._lengths.get(epoch) != num_batches
            self._lengths[epoch] = num_batches
            self._measured.add(epoch)
            if is_new:
                self._steps = {number: placed(step, self._lengths) for number, step in self._steps.items()}

    def same_as(self, number: int) -> int | None:
        """Return the number of the latest earlier record, but for the one before, that has the same weights; None for none.

        Statistics of all weights must agree in every digit, and so must the values where both records keep them. The states of
        random numbers are no weights: Keras does not put them back.
        """
        past = self.snapshot()
        own = next(past.stretches(number - 1))
        keys = [key for key in own.slots if (weight := past.catalog.weights.get(key)) is None or weight.role != SEED_STATE]
        rows = own.rows[0, [own.slots[key] for key in keys], 0]
        found = [each for stretch in past.stretches() for each in _alike(stretch, keys, rows) if each < number - 1]
        alike = (each for each in reversed(found) if all(_have_same_values(past, key, number, each) for key in keys))
        return next(alike, None)

    def describe(self, number: int, kind: str, name: str) -> None:
        """Say of one of the last two records what kind it is, and what was done."""
        with HeldBack(), self._lock:
            self._steps[number] = replace(self._steps[number], kind=kind, name=name)

    def end_epoch(self, epoch: int, num_batches: int) -> bool:
        """Note that an epoch ended with this batch; say whether the newest record is of that batch, and so of the end."""
        with HeldBack(), self._lock:
            step = self._steps.get(self.num_recorded - 1)
            if step is None or (step.epoch, step.batch, step.kind) != (epoch, num_batches, "batch"):
                return False
            self._steps[step.number] = placed(replace(step, epoch=epoch + 1, batch=0, kind="epoch"), self._lengths)
            return True

    def restart(self) -> None:
        """Take the newest record for the start: what was recorded before it, such as the loading of weights, is no training."""
        with HeldBack(), self._lock:
            self.start = self.num_recorded - 1
            self._first_of = dict.fromkeys(self._first_of, self.start)
            for number, step in self._steps.items():
                if number < self.start and step.kind == "start":
                    self._steps[number] = replace(step, kind="before")

    def cut_short(self, epoch: int, num_batches: int) -> None:
        """Note that a training broke off in this epoch, after so many batches."""
        with HeldBack(), self._lock:
            self._cut_short[epoch] = num_batches

    def skip_epochs(self, finished: int, count: int) -> None:
        """Note that the epoch that begins now comes after `finished` epochs, of which the history has only `count`.

        The time axis skips those between, in which nothing was recorded. Where it is the first of its fit, the fit's start
        moves along.
        """
        with HeldBack(), self._lock:
            skipped = range(count, finished)
            self._lengths |= dict.fromkeys(skipped, 0)
            self._measured |= {*skipped}
            self._move_start(count, finished)

    def _move_start(self, count: int, epoch: int) -> None:
        """Move what was recorded in the newest fit before its first epoch, at `count` finished ones, to another epoch."""
        fit = max(self.num_fits - 1, 0)
        for number, step in self._steps.items():
            if step.fit == fit and step.epoch == count and not step.keras_epoch:
                self._steps[number] = placed(replace(step, epoch=epoch), self._lengths)

    def begin_fit(self) -> None:
        """Note that the records from now on belong to another fit."""
        with HeldBack(), self._lock:
            self.num_fits += 1

    def set_sample(self, key: str, sample: Sample | None) -> None:
        """Say which elements are kept of a weight from now on, None for all or not one; values that are there are dropped."""
        with self._lock:
            self._samples.pop(key, None)
            if sample is not None:
                self._samples[key] = sample
            self._samples_nbytes = sum(each.indexes.nbytes for each in self._samples.values())
            self._drop_values(key)

    def forget(self, key: str) -> None:
        """Drop all that is kept of a weight, because another variable has taken its place."""
        with self._decided():
            self.num_forgotten += 1
            self.frozen = tuple(part for part in self.frozen if part.key != key)
            for table in self._tables:
                table.without(key)
            for place, record in enumerate(self._newest):
                sheet = record.sheet.without(key)
                self._newest[place] = replace(record, given=sheet, nbytes=sheet.nbytes)
                self._newest_nbytes += sheet.nbytes - record.nbytes
            self._samples.pop(key, None)
            self._first_of.pop(key, None)
            self._samples_nbytes = sum(each.indexes.nbytes for each in self._samples.values())
            self._drop_values(key)

    def _drop_values(self, key: str) -> None:
        for number, kept in list(self._kept.items()):
            if key in kept.values:
                self._keep(number, {other: array for other, array in kept.values.items() if other != key})

    def _keep(self, number: int, values: Mapping[str, np.ndarray]) -> None:
        before = self._kept.get(number)
        self._values_nbytes += kept_nbytes(values) - (before.nbytes if before else 0)
        if values:
            self._kept[number] = _Kept(values if isinstance(values, Flat) else MappingProxyType(dict(values)))
        elif before:
            del self._kept[number]

    @contextlib.contextmanager
    def _decided(self) -> Iterator[None]:
        """Let nobody change anything, and be undecided of the last two records only."""
        with self._lock:
            self._decide()
            yield

    def _decide(self) -> bool:
        """Settle all records but the last two; say whether there were any."""
        if len(self._newest) <= UNDECIDED:
            return False
        with HeldBack():
            while len(self._newest) > UNDECIDED:
                record = self._newest.pop(0)
                self._newest_nbytes -= record.nbytes
                self._settle(record)
            self._stay_within_memory()  # for what stays a table may have been begun, with room for more
        return True

    def _settle(self, record: _Newest) -> None:
        """Decide about a record that is not one of the last two any more."""
        number = record.number
        if not self._stays(number):
            del self._steps[number]
            self._keep(number, {})
            return
        self._add_to_table(record.number, record.sheet)
        self._thin_values(number)

    def _stays(self, number: int) -> bool:
        return number % self._records_stride == 0 or number in self._first_of.values()

    def _thin_values(self, number: int) -> None:
        """Drop the values of a record that is not on the stride, but those of weights whose first record it is.

        Once any are dropped, those from before the start of the training are not on the stride either.
        """
        is_early = number < self.start and self._values_stride > 1
        if (number % self._values_stride or is_early) and number in self._kept:
            self._keep_first(number)

    def _keep_first(self, number: int) -> None:
        values = self._kept[number].values
        first = {key: array for key, array in values.items() if self._first_of.get(key) == number}
        if len(first) < len(values):  # a part of common memory would hold on to the whole of it
            first = {key: array.copy() if _is_part(array) else array for key, array in first.items()}
        self._keep(number, first)

    def _add_to_table(self, number: int, sheet: Sheet) -> None:
        last = self._tables[-1] if self._tables else None
        if last is None or last.is_full or last.keys != sheet.keys or len(last.slots) < len(last.keys):
            last = Table.for_sheet(sheet, self.memory)
            self._tables.append(last)
            self._tables_nbytes += last.nbytes
        last.append(number, sheet)

    def _stay_within_memory(self) -> None:
        self._rooms.let_go(self._thin_until_free(0))

    def _thin_until_free(self, nbytes: int) -> int:
        """Thin the past until so many more bytes fit, as far as that can be; return how many do."""
        while (free := self.memory - self.nbytes) < nbytes and (self._decide() or self._thin()):
            pass
        return free

    def _thin(self) -> bool:
        """Drop part of the past; say whether there was anything to drop.

        Values go first, those of the record before the newest last of all; then, or where statistics take more than half of
        the memory, whole records.
        """
        newest = {record.number for record in self._newest}
        past = [number for number in self._kept if number not in newest and self._may_go(number)]
        last_but_one = min(newest, default=0)
        before = [last_but_one] if len(newest) > 1 and self._may_go(last_but_one) else []
        is_long = any(number not in newest and self._may_drop(number) for number in self._steps)
        too_many = is_long and self._statistics_nbytes > self.memory / 2
        if past and not too_many:
            self._values_stride *= 2
            for number in past:
                self._thin_values(number)
        elif before and not too_many:
            self._keep_first(before[0])
        elif is_long:
            self._records_stride *= 2
            self._thin_records(newest)
        else:
            return False
        return True

    def _may_drop(self, number: int) -> bool:
        """Whether a record may be dropped as a whole, if only the stride grows."""
        return number > 0 and number not in self._first_of.values()

    def _may_go(self, number: int) -> bool:
        """Whether a record keeps values that are not the first of their weights."""
        return number in self._kept and any(self._first_of.get(key) != number for key in self._kept[number].values)

    def _thin_records(self, newest: set[int]) -> None:
        tables, self._tables, self._tables_nbytes = self._tables, [], 0
        for table in tables:
            for place in range(table.count):
                number = int(table.numbers[place])
                if self._stays(number):
                    self._add_to_table(number, table.sheet(place))
        for number in list(self._steps):
            if not self._stays(number) and number not in newest:
                del self._steps[number]
                self._keep(number, {})


def _alike(stretch: Stretch, keys: Sequence[str], rows: np.ndarray) -> list[int]:
    """Return the numbers of the records at which these weights have these statistics of their values."""
    slots = [stretch.slots[key] for key in keys if key in stretch.slots]
    if not keys or len(slots) < len(keys):
        return []
    found = stretch.rows[:, slots, 0]
    is_same = ((found == rows) | (np.isnan(found) & np.isnan(rows))).all(axis=(1, 2))
    return stretch.numbers[is_same].tolist()


def _have_same_values(past: Past, key: str, number: int, other: int) -> bool:
    """Whether the values of a weight are the same at two records; also where one of them does not keep any."""
    column = past.column(key)
    one, two = (None, None) if column is None else (column.value(number), column.value(other))
    return one is None or two is None or np.array_equal(one, two, equal_nan=True)


class LiveColumn(Column):
    """What a history knows of one weight."""

    def __init__(
        self,
        key: str,
        pieces: list[Piece],
        kept: Mapping[int, tuple[np.ndarray, SliceRows]],
        sample: Sample | None,
        start: int,
    ) -> None:
        self.key = key
        self.sample = sample
        self.start = start
        self._pieces = pieces
        self._kept = kept
        self._kept_numbers = tuple(kept)
        self._numbers = np.concatenate([piece[0] for piece in pieces])

    @property
    def numbers(self) -> np.ndarray:
        """Numbers of the records with statistics, ascending."""
        return self._numbers

    @property
    def kept(self) -> tuple[int, ...]:
        """Numbers of the records with values, ascending."""
        return self._kept_numbers

    def rows(self, places: slice | np.ndarray) -> np.ndarray:
        """Statistics at these places of `numbers`."""
        return self._rows[places]

    @cached_property
    def _rows(self) -> np.ndarray:
        return np.concatenate([piece[1] for piece in self._pieces])

    def bins(self, places: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lattices and counts at these places of `numbers`."""
        exponents, firsts, counts = (np.concatenate([piece[i] for piece in self._pieces])[places] for i in (2, 3, 4))
        return exponents, firsts, counts

    def value(self, number: int) -> np.ndarray | None:
        """Values at a record, or None where they are not kept."""
        return self._kept[number][0] if number in self._kept else None

    def slices(self, number: int) -> SliceRows:
        """Where the statistics of parts of this record are remembered."""
        return self._kept[number][1]


class Snapshot(Past):
    """A history as it was when it was first asked: what a picture is drawn from must not change in between."""

    def __init__(self, history: History) -> None:
        self.memory, self.num_recorded, self.start = history.memory, history.num_recorded, history.start
        self.catalog, self.expected = history.catalog, history.expected
        self.frozen = history.frozen
        self.num_forgotten = history.num_forgotten
        self._history = history
        self._timeline = history.timeline
        self._columns: dict[str, Column | None] = {}

    @property
    def timeline(self) -> Timeline:
        """All records that were kept."""
        return self._timeline

    @property
    def origin(self) -> Past:
        """The history."""
        return self._history

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the weights of which anything is known."""
        return self._history.keys

    def last_change(self) -> LastChange:
        """Return the statistics of the newest record that a change led to."""
        number = self._number_of_change()
        return (self._history.change_at(number) if number is not None else None) or super().last_change()

    def column(self, key: str) -> Column | None:
        """Return what was known of a weight when it was first asked for."""
        if key not in self._columns:
            self._columns[key] = self._history.column(key, self._last)
        return self._columns[key]

    def stretches(self, after: int = -1) -> Iterator[Stretch]:
        """Yield the statistics of all weights at the records after one; see `Past.stretches`."""
        return self._history.stretches(after, self._last)

    @property
    def _last(self) -> int:
        numbers = self._timeline.numbers
        return int(numbers[-1]) if len(numbers) else -1
