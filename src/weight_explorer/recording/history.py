"""What was recorded: statistics of every record, values as far as memory allows. Read and written from two threads."""

from __future__ import annotations

import bisect
import difflib
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from weight_explorer.catalog.nodes import Index
from weight_explorer.recording.slices import ROOM, SliceRows, change
from weight_explorer.recording.statistics import FIELDS, INDEX, UNKNOWN, summarize

if TYPE_CHECKING:
    import pandas as pd

QUANTITIES = ("value", "since_start", "since_last")


UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


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


@dataclass(frozen=True, slots=True)
class Step:
    """One record: its number, and where it stands in the training.

    `epoch` counts finished epochs over all fits, `batch` the batches trained since then; `position` is both as one number for
    an axis, such as 2.5 in the middle of the third epoch. `kind` is "start", "batch", "epoch" or "outside" (of training).
    """

    number: int
    epoch: int
    batch: int
    position: float
    kind: str


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity of one weight over time: `steps` and, for each field of the statistics, an array as long."""

    steps: tuple[Step, ...]
    rows: np.ndarray

    def __getitem__(self, name: str) -> np.ndarray:
        return self.rows[:, INDEX[name]]


@dataclass(frozen=True, slots=True, eq=False)
class _Record:
    step: Step
    keys: Mapping[str, int]
    table: np.ndarray
    values: Mapping[str, np.ndarray]
    values_nbytes: int
    slices: SliceRows = field(default_factory=SliceRows)

    def without_values(self) -> _Record:
        return replace(self, values=_NO_VALUES, values_nbytes=0, slices=SliceRows())

    @property
    def nbytes(self) -> int:
        return self.table.nbytes + self.values_nbytes + (ROOM if self.values else 0)


class Past:
    """Records that do not change while one looks at them; `History.snapshot` makes one."""

    def __init__(
        self,
        records: tuple[_Record, ...],
        lengths: Mapping[int, int],
        *,
        memory: int,
        num_recorded: int,
    ) -> None:
        self._records = records
        self._lengths = lengths
        self.memory = memory
        self.num_recorded = num_recorded

    @property
    def records(self) -> tuple[Step, ...]:
        """All records that are kept, oldest first, with their positions on the time axis."""
        return tuple(self._placed(record.step) for record in self._records)

    def steps(self, key: str) -> tuple[int, ...]:
        """Numbers of the records that keep values of this weight, oldest first."""
        return tuple(record.step.number for record in self._records if key in record.values)

    def values(self, key: str, index: Index = ()) -> np.ndarray:
        """All kept values of a weight, of shape (records, *weight shape), in the order of `steps(key)`.

        With the `index` of a part (see `Weight.part`), those of the part.
        """
        records = self._records
        kept = [record.values[key][index] for record in records if key in record.values]
        if not kept:
            near = difflib.get_close_matches(key, records[-1].keys if records else (), n=1, cutoff=0.3)
            raise KeyError(f"No values of {key!r} are kept." + (f" Did you mean {near[0]!r}?" if near else ""))
        return np.stack(kept)

    def value(self, key: str, number: int) -> np.ndarray | None:
        """Values of a weight at one record, read-only, or None where they are not kept."""
        record = self._record(number)
        return record.values.get(key) if record else None

    def step(self, number: int) -> Step | None:
        """Return the record of this number, or None where it was thinned away."""
        record = self._record(number)
        return self._placed(record.step) if record else None

    def recorded(self, key: str, index: Index = ()) -> tuple[int, ...]:
        """Numbers of the records with statistics of this weight; of a part, of those that keep its values."""
        return self.steps(key) if index else tuple(record.step.number for record in self._records if key in record.keys)

    def row(self, key: str, number: int, quantity: str = "value", index: Index = ()) -> np.ndarray:
        """Statistics of a weight, or of a part, at one of the records of `recorded`, in the order of `FIELDS`."""
        record = self._record(number)
        if record is None or key not in (record.values if index else record.keys):
            raise KeyError(f"There is no record {number} of {key!r}. See recorded(key).")
        if not index:
            return record.table[record.keys[key], QUANTITIES.index(quantity)]
        against = {"value": None, "since_start": self.steps(key)[0], "since_last": number - 1}[quantity]
        return self._row_of_slice(record, key, index, against)

    def series(self, key: str, quantity: str = "value", index: Index = ()) -> Series:
        """Statistics of a weight over all records; `quantity` is one of `QUANTITIES`.

        With an `index`, those of a part: over the records that keep values, from which they are computed when first asked for.
        """
        if index:
            return self._series_of_slice(key, quantity, index)
        column = QUANTITIES.index(quantity)
        found = [record for record in self._records if key in record.keys]
        rows = [record.table[record.keys[key], column] for record in found]
        steps = tuple(self._placed(record.step) for record in found)
        return Series(steps, np.array(rows, dtype=np.float64).reshape(-1, len(FIELDS)))

    def _series_of_slice(self, key: str, quantity: str, index: Index) -> Series:
        kept = [record for record in self._records if key in record.values]
        first = kept[0].step.number if kept else None
        rows = []
        for record in kept:
            against = {"value": None, "since_start": first, "since_last": record.step.number - 1}[quantity]
            rows.append(self._row_of_slice(record, key, index, against))
        steps = tuple(self._placed(record.step) for record in kept)
        return Series(steps, np.array(rows, dtype=np.float64).reshape(-1, len(FIELDS)))

    def _row_of_slice(self, record: _Record, key: str, index: Index, against: int | None) -> np.ndarray:
        now = record.values[key]
        if against is None:
            return record.slices.row(key, index, None, lambda: summarize(now[index]))
        before = self.value(key, against)
        if before is None or before.shape != now.shape:
            return UNKNOWN
        return record.slices.row(key, index, against, lambda: change(now[index], before[index], is_same=before is now))

    def _record(self, number: int) -> _Record | None:
        place = bisect.bisect_left(self._records, number, key=lambda record: record.step.number)
        found = self._records[place] if place < len(self._records) else None
        return found if found and found.step.number == number else None

    def to_frame(self) -> pd.DataFrame:
        """Return all statistics as a tidy pandas frame: one row for each record, weight and quantity."""
        import pandas as pd  # noqa: PLC0415 - takes 0.4 s, and only this method needs it

        rows = [
            (step.number, step.epoch, step.batch, step.position, key, quantity, *record.table[row, column])
            for record in self._records
            for step in [self._placed(record.step)]
            for key, row in record.keys.items()
            for column, quantity in enumerate(QUANTITIES)
        ]
        return pd.DataFrame(rows, columns=["step", "epoch", "batch", "position", "key", "quantity", *FIELDS])

    def _placed(self, step: Step) -> Step:
        """Give a step its position on the time axis."""
        return replace(step, position=step.epoch + step.batch / max(self._lengths.get(step.epoch, 0), step.batch, 1))


class History(Past):
    """Records of a model's weights, bounded by `memory` bytes.

    When it is full it thins the past: of the records between the first and the last two it keeps the values of every second,
    fourth, eighth ..., and where the statistics alone fill half of the memory it drops whole records in the same way, so that
    what stays is spread evenly. The first record and the last two always stay.

    Read and written from two threads: the records are a tuple that is only ever replaced as a whole, under a lock.

    >>> import numpy as np
    >>> history = History(memory=1_000_000)
    >>> step = history.append({"kernel": np.zeros((1, 3, 9))}, {"kernel": np.ones((2, 2))}, epoch=0, batch=0, kind="start")
    >>> history.steps("kernel"), history.values("kernel").shape
    ((0,), (1, 2, 2))
    """

    def __init__(self, memory: int) -> None:
        super().__init__((), {}, memory=memory, num_recorded=0)
        self._lengths: dict[int, int] = {}
        self._lock = threading.Lock()
        self._known: set[int] = set()
        self._nbytes = 0
        self._values_stride = self._records_stride = 1

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that are kept, at most `memory` once there are more than three records."""
        return self._nbytes

    def snapshot(self) -> Past:
        """Return the records as they are now, for a reader that asks more than once."""
        with self._lock:
            return Past(self._records, dict(self._lengths), memory=self.memory, num_recorded=self.num_recorded)

    def append(
        self,
        tables: Mapping[str, np.ndarray],
        values: Mapping[str, np.ndarray],
        *,
        epoch: int,
        batch: int,
        kind: str,
    ) -> Step:
        """Add a record: for each key its statistics (one row for each of `QUANTITIES`) and, where kept, its values."""
        table = np.concatenate([np.reshape(rows, (1, len(QUANTITIES), len(FIELDS))) for rows in tables.values()] or [_NONE])
        with self._lock:
            step = Step(self.num_recorded, epoch, batch, float(epoch), kind)
            nbytes = sum(array.nbytes for array in values.values())
            record = _Record(step, self._shared_keys(tables), table, MappingProxyType(dict(values)), nbytes)
            self.num_recorded += 1
            if epoch not in self._known:
                # Nobody may know the length of an epoch that is not over: then it is one batch more than there were.
                self._lengths[epoch] = max(self._lengths.get(epoch, 0), batch + 1)
            self._add(record)
            return step

    def set_epoch_length(self, epoch: int, num_batches: int) -> None:
        """Say how many batches the epoch has, so that records within it find their position."""
        with self._lock:
            self._lengths[epoch] = num_batches
            self._known.add(epoch)

    def forget(self, key: str) -> None:
        """Drop all that is kept of a weight, because another variable has taken its place."""
        with self._lock:
            self._records = tuple(_without(record, key) for record in self._records)
            self._nbytes = sum(record.nbytes for record in self._records)

    def _shared_keys(self, tables: Mapping[str, np.ndarray]) -> Mapping[str, int]:
        """Return from key to row of the table; one mapping serves all records of the same weights."""
        last = self._records[-1].keys if self._records else None
        if last is not None and list(last) == list(tables):
            return last
        return MappingProxyType({key: row for row, key in enumerate(tables)})

    def _add(self, record: _Record) -> None:
        """Add a record; that before the last two is now past, and the memory may have no room for it."""
        records = (*self._records, record)
        self._nbytes += record.nbytes
        if len(records) > 3:
            kept = self._thinned(records[-3:-2])
            self._nbytes += sum(each.nbytes for each in kept) - records[-3].nbytes
            records = (*records[:-3], *kept, *records[-2:])
        while self._nbytes > self.memory and len(records) > 3:
            past = records[1:-2]
            tables = sum(each.table.nbytes for each in records)
            if tables <= self.memory / 2 and any(each.values for each in past):
                self._values_stride *= 2
            else:
                self._records_stride *= 2
            records = (records[0], *self._thinned(past), *records[-2:])
            self._nbytes = sum(each.nbytes for each in records)
        self._records = records

    def _thinned(self, past: Iterable[_Record]) -> tuple[_Record, ...]:
        kept = (record for record in past if record.step.number % self._records_stride == 0)
        return tuple(record.without_values() if record.step.number % self._values_stride else record for record in kept)


_NONE = np.empty((0, len(QUANTITIES), len(FIELDS)))
_NO_VALUES: Mapping[str, np.ndarray] = MappingProxyType({})


def _without(record: _Record, key: str) -> _Record:
    values = {other: array for other, array in record.values.items() if other != key}
    nbytes = sum(array.nbytes for array in values.values())
    keys = MappingProxyType({other: row for other, row in record.keys.items() if other != key})
    return replace(record, keys=keys, values=MappingProxyType(values), values_nbytes=nbytes, slices=SliceRows())
