"""What was recorded: statistics of every record, values as far as memory allows. Read and written from two threads."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from weight_explorer.recording.statistics import FIELDS, INDEX

if TYPE_CHECKING:
    import pandas as pd

QUANTITIES = ("value", "since_start", "since_last")


UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_memory(memory: int | str) -> int:
    """Read a bound on memory, in bytes or as text.

    Raises:
        ValueError: It is no positive number of bytes.

    >>> parse_memory("256 MB"), parse_memory("1.5GB"), parse_memory(1000)
    (256000000, 1500000000, 1000)
    """
    match = re.fullmatch(r"\s*(\d+\.?\d*)\s*([a-zA-Z]*)\s*", str(memory))
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


@dataclass(slots=True)
class _Record:
    step: Step
    keys: Mapping[str, int]
    table: np.ndarray
    values: Mapping[str, np.ndarray]
    values_nbytes: int


class History:
    """Records of a model's weights, bounded by `memory` bytes.

    When it is full it thins the past: it drops the values of records in between, and whole records where their statistics
    fill half of the memory; always where the gap that is left is the smallest, so that what stays is spread evenly. The first
    record and the last two always stay.

    >>> import numpy as np
    >>> history = History(memory=1_000_000)
    >>> step = history.append({"kernel": np.zeros((1, 3, 9))}, {"kernel": np.ones((2, 2))}, epoch=0, batch=0, kind="start")
    >>> history.steps("kernel"), history.values("kernel").shape
    ((0,), (1, 2, 2))
    """

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self._lock = threading.RLock()
        self._records: list[_Record] = []
        self._num_recorded = 0
        self._nbytes = 0
        self._lengths: dict[int, int] = {}

    # -- writing ---------------------------------------------------------------------------------------------------

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
        values_nbytes = sum(array.nbytes for array in values.values())
        with self._lock:
            step = Step(self._num_recorded, epoch, batch, float(epoch), kind)
            self._num_recorded += 1
            self._nbytes += table.nbytes + values_nbytes
            self._records.append(_Record(step, self._shared_keys(tables), table, MappingProxyType(dict(values)), values_nbytes))
            self._make_room()
            return step

    def set_epoch_length(self, epoch: int, num_batches: int) -> None:
        """Say how many batches the epoch has, so that records within it find their position."""
        with self._lock:
            self._lengths[epoch] = num_batches

    def _shared_keys(self, tables: Mapping[str, np.ndarray]) -> Mapping[str, int]:
        """Return from key to row of the table; one mapping serves all records of the same weights."""
        last = self._records[-1].keys if self._records else None
        if last is not None and list(last) == list(tables):
            return last
        return MappingProxyType({key: row for row, key in enumerate(tables)})

    def _make_room(self) -> None:
        while self._nbytes > self.memory:
            with_values = [record for record in self._records if record.values]
            tables = self._nbytes - sum(record.values_nbytes for record in with_values)
            if len(with_values) > 3 and tables <= self.memory / 2:
                record = _least_missed(with_values)
                self._nbytes -= record.values_nbytes
                record.values, record.values_nbytes = MappingProxyType({}), 0
            elif len(self._records) > 3:
                without = [record for record in self._records if not record.values]
                record = _least_missed(without if len(without) > 3 else self._records)
                self._nbytes -= record.table.nbytes + record.values_nbytes
                self._records.remove(record)
            else:
                return

    # -- reading ---------------------------------------------------------------------------------------------------

    @property
    def records(self) -> tuple[Step, ...]:
        """All records that are kept, oldest first, with their positions on the time axis."""
        with self._lock:
            return self._placed(record.step for record in self._records)

    @property
    def num_recorded(self) -> int:
        """How many records were made, those thinned away included."""
        return self._num_recorded

    @property
    def nbytes(self) -> int:
        """Bytes that the records hold, never above `memory` once there are more than three."""
        return self._nbytes

    def steps(self, key: str) -> tuple[int, ...]:
        """Numbers of the records that keep values of this weight, oldest first."""
        with self._lock:
            return tuple(record.step.number for record in self._records if key in record.values)

    def values(self, key: str) -> np.ndarray:
        """All kept values of a weight, of shape (records, *weight shape), in the order of `steps(key)`."""
        with self._lock:
            kept = [record.values[key] for record in self._records if key in record.values]
        if not kept:
            raise KeyError(f"No values of {key!r} are kept.")
        return np.stack(kept)

    def value(self, key: str, number: int) -> np.ndarray | None:
        """Values of a weight at one record, read-only, or None where they are not kept."""
        with self._lock:
            return next((record.values.get(key) for record in self._records if record.step.number == number), None)

    def step(self, number: int) -> Step | None:
        """Return the record of this number, or None where it was thinned away."""
        with self._lock:
            return next(iter(self._placed(record.step for record in self._records if record.step.number == number)), None)

    def series(self, key: str, quantity: str = "value") -> Series:
        """Statistics of a weight over all records; `quantity` is one of `QUANTITIES`."""
        column = QUANTITIES.index(quantity)
        with self._lock:
            found = [record for record in self._records if key in record.keys]
            rows = [record.table[record.keys[key], column] for record in found]
            steps = self._placed(record.step for record in found)
        return Series(steps, np.array(rows, dtype=np.float64).reshape(-1, len(FIELDS)))

    def to_frame(self) -> pd.DataFrame:
        """Return all statistics as a tidy pandas frame: one row for each record, weight and quantity."""
        import pandas as pd  # noqa: PLC0415 - takes 0.4 s, and only this method needs it

        with self._lock:
            steps = self._placed(record.step for record in self._records)
            records = list(zip(steps, self._records, strict=True))
        rows = [
            (step.number, step.epoch, step.batch, step.position, key, quantity, *record.table[row, column])
            for step, record in records
            for key, row in record.keys.items()
            for column, quantity in enumerate(QUANTITIES)
        ]
        return pd.DataFrame(rows, columns=["step", "epoch", "batch", "position", "key", "quantity", *FIELDS])

    def _placed(self, steps: Iterable[Step]) -> tuple[Step, ...]:
        """Give the steps their positions on the time axis."""
        lengths = self._epoch_lengths()
        return tuple(replace(step, position=step.epoch + step.batch / lengths[step.epoch]) for step in steps)

    def _epoch_lengths(self) -> dict[int, int]:
        """Return how many batches each epoch has; of one that nobody knows the length of, one more than were seen."""
        seen: dict[int, int] = {}
        for record in self._records:
            seen[record.step.epoch] = max(seen.get(record.step.epoch, 0), record.step.batch + 1)
        return {epoch: max(self._lengths.get(epoch, least), least - 1, 1) for epoch, least in seen.items()}


_NONE = np.empty((0, len(QUANTITIES), len(FIELDS)))


def _least_missed(records: Sequence[_Record]) -> _Record:
    """Return the record, neither the first nor one of the last two, whose neighbours are nearest to each other."""
    gaps = [records[i + 1].step.number - records[i - 1].step.number for i in range(1, len(records) - 2)]
    return records[1 + int(np.argmin(gaps))]
