"""The interface to recorded weights, whether recorded live, read from checkpoints, or loaded from a file."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from weight_explorer.catalog.lookup import find_key
from weight_explorer.catalog.schema import Catalog, IndexTuple, LayerNode
from weight_explorer.recording.data_frame import build_frame
from weight_explorer.recording.part_statistics import PartStatisticsCache
from weight_explorer.recording.records import Record, Timeline
from weight_explorer.recording.sampling import Sample
from weight_explorer.recording.statistics.histograms import Histograms
from weight_explorer.recording.statistics.summary import (
    FIELD_INDEX,
    FIELDS,
    QUANTITIES,
    UNKNOWN_ROW,
    summarize,
    unchanged_row,
)
from weight_explorer.storage.run_writer import save_run

if TYPE_CHECKING:
    import pandas as pd

    from weight_explorer.recording.freeze_checks import FrozenPart


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StatisticsSeries:
    """Statistics of one weight over time.

    `record_numbers` and `positions` describe the records, and `rows` has one row of `FIELDS` per record. `is_estimated` is True
    if the statistics were computed from a sample.
    """

    record_numbers: np.ndarray
    positions: np.ndarray
    rows: np.ndarray
    is_estimated: bool = False

    def __getitem__(self, name: str) -> np.ndarray:
        return self.rows[:, FIELD_INDEX[name]]

    def __len__(self) -> int:
        return len(self.record_numbers)

    def __repr__(self) -> str:
        ends = f", {self.record_numbers[0]} to {self.record_numbers[-1]}" if len(self) else ""
        return f"<Series of {len(self)} records{ends}: .numbers, .positions, and [name] for each of {', '.join(FIELDS)}>"


@dataclass(frozen=True, slots=True, eq=False)
class LastChange:
    """Statistics of the newest record that shows a change.

    Attributes:
        record_number: The number of the record, or None if the history is empty.
        keys: The weights that have statistics at this record and are already loaded.
        rows: Their statistics, of shape (weights, `QUANTITIES`, `FIELDS`).
        estimated_keys: Keys of the weights whose change is estimated from a sample.
    """

    record_number: int | None
    keys: tuple[str, ...]
    rows: np.ndarray
    estimated_keys: frozenset[str] = frozenset()

    @classmethod
    def from_weight_histories(cls, number: int | None, weight_histories: Iterable[WeightHistory]) -> LastChange:
        """Collect the rows of this record from the weight histories that contain it."""
        found, rows = [], [np.empty((0, len(QUANTITIES), len(FIELDS)))]
        for column in weight_histories:
            place = int(np.searchsorted(column.record_numbers, -1 if number is None else number))
            if place < len(column.record_numbers) and column.record_numbers[place] == number:
                found.append(column)
                rows.append(column.rows(slice(place, place + 1)))
        estimated = frozenset(column.key for column in found if column.sample is not None)
        return cls(number, tuple(column.key for column in found), np.concatenate(rows), estimated)


@dataclass(frozen=True, slots=True, eq=False)
class StatisticsChunk:
    """Statistics of the same weights at several records.

    `record_numbers` lists the records in ascending order. `rows` has the shape (records, weights, `QUANTITIES`, `FIELDS`).
    `slots` maps each key to its index on the weight axis.
    """

    record_numbers: np.ndarray
    slots: Mapping[str, int]
    rows: np.ndarray


class WeightHistory(ABC):
    """The history of one weight: statistics for every record, and values or a sample of them for some records."""

    key: str
    sample: Sample | None = None
    # The record that the change since the start is measured from, see `History.start_record`.
    start_record: int = 0

    def start_record_for(self, number: int) -> int:
        """Return the record with kept values that a record's change since the start is measured from.

        Records made before training began, such as after loading weights, are measured from the very first record.
        """
        return find_start_record(self.records_with_values, self.start_record, number)

    @property
    @abstractmethod
    def record_numbers(self) -> np.ndarray:
        """Numbers of the records with statistics, ascending."""

    @property
    @abstractmethod
    def records_with_values(self) -> tuple[int, ...]:
        """Numbers of the records with values, or with a sample if `sample` is not None, ascending."""

    @abstractmethod
    def rows(self, indices: slice | np.ndarray) -> np.ndarray:
        """Statistics of the records at these indices of `record_numbers`, of shape (records, `QUANTITIES`, `FIELDS`)."""

    @abstractmethod
    def bins(self, indices: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Exponents and first bins of these records' bin grids, and the counts, of shape (records, `NUM_BINS`)."""

    @abstractmethod
    def values_at(self, number: int) -> np.ndarray | None:
        """Values at a record, read-only: the whole array or the sampled elements; None if they are not kept.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> explorer.history.values_at("tiny/dense/bias", 0).tolist()
        [0.0, 0.0]
        """

    @abstractmethod
    def part_statistics(self, number: int) -> PartStatisticsCache:
        """The cache of statistics of parts of the weight at this record."""


class History(ABC):
    """Read access to a series of records. Record numbers always refer to `Record.number`.

    A weight is identified by its key or by any unique suffix of it, such as `dense/kernel`.
    """

    memory: int = 0
    num_recorded: int = 0
    # The number of the record that "the change since the start" is measured from: the start of the first training.
    start_record: int = 0
    # The recorded layers and weights, as plain data.
    catalog: Catalog = Catalog(LayerNode("", "", ""), MappingProxyType({}))
    # Keys of the weights that the model currently has, including those without a record.
    expected_keys: Collection[str] = ()
    # Parts that are or were frozen: see `freeze_checks.check_frozen_parts`.
    frozen_parts: tuple[FrozenPart, ...] = ()
    # Problems found while reading the file, shown to the user.
    read_warnings: tuple[str, ...] = ()
    # How many times a weight's statistics were dropped because another variable replaced it.
    num_dropped_weights: int = 0

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} of {len(self.keys)} weights: "
            f"{len(self.timeline)} of {self.num_recorded} records are kept; "
            f".records, .records_with_values(key), .values(key), .statistics(key), .to_frame()>"
        )

    @property
    @abstractmethod
    def timeline(self) -> Timeline:
        """All kept records."""

    @property
    @abstractmethod
    def keys(self) -> tuple[str, ...]:
        """Keys of all recorded weights."""

    @abstractmethod
    def weight_history(self, key: str) -> WeightHistory | None:
        """Return the history of a weight, or None if it is not recorded."""

    def snapshot(self) -> History:
        """Return a fixed view of the current records for consistent reads; the history itself if its records do not change."""
        return self

    @property
    def base_history(self) -> History:
        """The history behind a snapshot. It stays the same object while records are added, so it can serve as a cache key."""
        return self

    @property
    def loaded_weight_histories(self) -> Iterable[WeightHistory]:
        """The weight histories that are available without reading a file."""
        return [column for key in self.keys if (column := self.weight_history(key)) is not None]

    def last_change(self) -> LastChange:
        """Return the already loaded statistics of the newest record that shows a change."""
        return LastChange.from_weight_histories(self._last_changed_record(), self.loaded_weight_histories)

    def _last_changed_record(self) -> int | None:
        """Return the newest record's number; the previous one if the newest is an epoch end whose last batch was recorded."""
        steps = self.timeline.records()[-2:]
        is_repeated = len(steps) == 2 and steps[1].kind == "epoch" and steps[0].position == steps[1].position
        return steps[-1 - is_repeated].number if steps else None

    @property
    def records(self) -> tuple[Record, ...]:
        """All kept records, oldest first, with their positions on the time axis.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> history = model.fit(np.ones((8, 3)), np.ones((8, 2)), epochs=2, callbacks=[explorer.callback], verbose=0)
        >>> [(step.number, step.epoch, step.kind) for step in explorer.history.records]
        [(0, 0, 'start'), (1, 1, 'epoch'), (2, 2, 'epoch')]
        """
        return self.timeline.records()

    def get_record(self, number: int) -> Record | None:
        """Return the record with this number, or None if thinning has removed it.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> explorer.history.get_record(0).number, explorer.history.get_record(7)
        (0, None)
        """
        return self.timeline.get_record(number)

    # -- values ----------------------------------------------------------------------------------------------------

    def records_with_values(self, key: str) -> tuple[int, ...]:
        """Numbers of the records that keep values of this weight, or a sample of them, oldest first.

        Raises:
            KeyError: No weight has this key; the message names the nearest key.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> history = model.fit(np.ones((8, 3)), np.ones((8, 2)), epochs=2, callbacks=[explorer.callback], verbose=0)
        >>> explorer.history.records_with_values("tiny/dense/kernel")
        (0, 1, 2)
        """
        column = self._find_weight_history(key)
        return column.records_with_values if column else ()

    def values(self, key: str, index: IndexTuple = ()) -> np.ndarray:
        """All kept values of a weight, of shape (records, *weight shape), in the order of `records_with_values(key)`.

        With the `index` of a part (see `Weight.part`), returns the values of that part.

        Raises:
            KeyError: No values are kept; the message names the nearest key.
            ValueError: Only a sample of the values is kept; the message says how to read it.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> history = model.fit(np.ones((8, 3)), np.ones((8, 2)), epochs=2, callbacks=[explorer.callback], verbose=0)
        >>> values = explorer.history.values("tiny/dense/kernel")
        >>> values.shape, bool((values[-1] == model.get_layer("dense").kernel.numpy()).all())
        ((3, 3, 2), True)
        """
        column = self._weight_history_with_values(key)
        if column.sample is not None:
            raise ValueError(
                f"Of {key!r} {column.sample.description} elements are kept: too large for the history's memory. "
                f"history.samples(key) has them, and which they are."
            )
        return np.stack(
            [values[index] for number in column.records_with_values if (values := column.values_at(number)) is not None]
        )

    def samples(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the sampled elements of a weight that is too large to keep whole: their flat indexes and their values.

        The values have the shape (records, elements), in the order of `records_with_values(key)`. Use
        `np.unravel_index(indexes, weight.shape)` to get their positions in the weight.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> indexes, values = explorer.history.samples("tiny/dense/kernel")  # of a small weight, all
        >>> indexes.tolist(), values.shape
        ([0, 1, 2, 3, 4, 5], (1, 6))
        """
        column = self._weight_history_with_values(key)
        values = [value.reshape(-1) for number in column.records_with_values if (value := column.values_at(number)) is not None]
        indexes = np.arange(values[0].size) if column.sample is None else column.sample.indexes
        return indexes, np.stack(values)

    def values_at(self, key: str, record: int) -> np.ndarray | None:
        """Values of a weight at one record, read-only, or None if they are not kept or only a sample is."""
        column = self._find_weight_history(key)
        return None if column is None or column.sample is not None else column.values_at(record)

    def _weight_history_with_values(self, key: str) -> WeightHistory:
        column = self._find_weight_history(key)
        if column is None or not column.records_with_values:
            raise KeyError(f"No values of {key!r} are kept.")
        return column

    def _find_weight_history(self, key: str) -> WeightHistory | None:
        """Return the history of a weight given by its key or a suffix of it, or None if it is not recorded yet.

        The key of a weight that is not recorded yet is never treated as a suffix of another key.

        Raises:
            KeyError: No weight, or more than one, matches.
        """
        if isinstance(key, str) and (column := self.weight_history(key)) is not None:
            return column
        try:
            return self.weight_history(find_key((*self.keys, *self.catalog.weights, *self.expected_keys), key))
        except ValueError as error:
            raise KeyError(str(error)) from None

    # -- statistics ------------------------------------------------------------------------------------------------

    def record_numbers(self, key: str, query: StatisticsQuery | None = None) -> np.ndarray:
        """Numbers of the records with statistics of this weight; with kept values if the query is computed from values.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> history = model.fit(np.ones((8, 3)), np.ones((8, 2)), epochs=2, callbacks=[explorer.callback], verbose=0)
        >>> explorer.history.record_numbers("tiny/dense/kernel").tolist()
        [0, 1, 2]
        """
        column = self._find_weight_history(key)
        if column is None:
            return np.empty(0, np.int64)
        return np.array(column.records_with_values, np.int64) if query and query.is_computed else column.record_numbers

    def statistics_at(
        self, key: str, record: int, quantity: str = "value", index: IndexTuple = (), against: int | None = None
    ) -> np.ndarray:
        """Statistics of a weight or a part of it at one of the records in `record_numbers`, in the order of `FIELDS`.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> history = model.fit(np.ones((8, 3)), np.ones((8, 2)), epochs=2, callbacks=[explorer.callback], verbose=0)
        >>> from weight_explorer.recording.statistics.summary import FIELDS
        >>> row = dict(zip(FIELDS, explorer.history.statistics_at("tiny/dense/bias", 2, "since_start"), strict=True))
        >>> row["count"], row["moved"]  # both elements moved
        (np.float64(2.0), np.float64(2.0))
        """
        compared = StatisticsQuery(quantity, index, against)
        column, numbers = self._find_weight_history(key), self.record_numbers(key, compared)
        place = int(np.searchsorted(numbers, record))
        if column is None or place == len(numbers) or numbers[place] != record:
            raise KeyError(f"There is no record {record} of {key!r}. See recorded(key).")
        if compared.is_computed:
            return compared.row_at(column, record)
        return column.rows(slice(place, place + 1))[0, QUANTITIES.index(quantity)]

    def statistics(
        self,
        key: str,
        quantity: str = "value",
        index: IndexTuple = (),
        against: int | None = None,
        max_records: int | None = None,
    ) -> StatisticsSeries:
        """Statistics of a weight over all records.

        Args:
            key: The weight.
            quantity: One of `QUANTITIES`, or "since_record": the change since the record `against`.
            index: The index of a part. Its statistics are computed on first use, from the records that keep values.
            against: The number of a record that keeps values.
            max_records: The maximum number of records to return: the first, the last, and others spread evenly.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> history = model.fit(np.ones((8, 3)), np.ones((8, 2)), epochs=2, callbacks=[explorer.callback], verbose=0)
        >>> series = explorer.history.statistics("tiny/dense/kernel", "since_start")
        >>> series.record_numbers.tolist(), series["moved"].tolist()
        ([0, 1, 2], [0.0, 6.0, 6.0])
        """
        compared = StatisticsQuery(quantity, index, against)
        column, numbers = self._find_weight_history(key), self.record_numbers(key, compared)
        if column is None or not len(numbers):
            return StatisticsSeries(numbers, np.empty(0), np.empty((0, len(FIELDS))))
        places = evenly_spaced_indices(len(numbers), max_records)
        shown = numbers[places]
        if compared.is_computed:
            rows = np.stack([compared.row_at(column, int(number)) for number in shown])
        else:
            rows = column.rows(places)[:, QUANTITIES.index(quantity)]
        estimated = column.sample is not None and (quantity != "value" or compared.is_computed)
        return StatisticsSeries(shown, self.timeline.positions_of(shown), rows, estimated)

    def statistics_chunks(self, after: int = -1) -> Iterator[StatisticsChunk]:
        """Yield the statistics of all weights at the records after the given number, in record order for each weight.

        Use this to read one statistic of all weights: no data is copied from a live history.
        """
        for key in self.keys:
            column = self.weight_history(key)
            if column is not None:
                first = int(np.searchsorted(column.record_numbers, after, side="right"))
                yield StatisticsChunk(column.record_numbers[first:], {key: 0}, column.rows(slice(first, None))[:, None])

    def histograms(self, key: str, max_records: int | None = None) -> Histograms:
        """Histograms of a weight over common edges, at all records or at up to `max_records` evenly spaced ones.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> histograms = explorer.history.histograms("tiny/dense/kernel")
        >>> histograms.edges.shape, histograms.counts.shape, int(histograms.counts.sum())
        ((257,), (1, 256), 6)
        """
        column = self._find_weight_history(key)
        if column is None:
            raise KeyError(f"{key!r} is not recorded yet.")
        places = evenly_spaced_indices(len(column.record_numbers), max_records)
        return Histograms.from_grids(column.record_numbers[places], *column.bins(places), column.rows(places)[:, 0])

    def to_frame(self) -> pd.DataFrame:
        """Return all statistics as a tidy pandas DataFrame with one row per record, weight and quantity.

        The columns are `step` (the record number), `epoch` (finished epochs, counted over all fits), `batch`, `position`,
        `kind`, `fit` (counted from 0), `keras_epoch` (as Keras printed it), `key`, `layer`, `role`, `learning_rate` (of the
        optimizer that owned the weight; NaN if unknown), `trained` (whether the training step updated the weight; None if
        unknown), `quantity`, the statistics, `infs`, `update_ratio` (the norm of the change divided by the norm of the weight),
        `estimated` (whether the row was computed from a sample), and for values the quantiles `q01` to `q99`, which are
        accurate to within one histogram bin.

        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model, record_every="epoch")
        >>> history = model.fit(np.ones((8, 3)), np.ones((8, 2)), epochs=2, callbacks=[explorer.callback], verbose=0)
        >>> frame = explorer.history.to_frame()
        >>> rows = frame[(frame.role == "bias") & (frame.quantity == "since_start")]
        >>> rows.moved.tolist()  # how many elements, at each record
        [0.0, 2.0, 2.0]
        """
        return build_frame(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the history to an HDF5 file that `WeightExplorer.load(path)` can open.

        An existing file is replaced only after the new file is complete.

        Raises:
            OSError: The file cannot be written; an existing file is left unchanged.

        >>> import keras
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
        >>> explorer = WeightExplorer(model)
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     explorer.history.save(f"{folder}/run.h5")
        ...     WeightExplorer.load(f"{folder}/run.h5").history.keys
        ('tiny/dense/kernel', 'tiny/dense/bias')
        """
        save_run(self, path)


def find_start_record(record_numbers: Sequence[int], start_record: int, number: int) -> int:
    """Return which of these ascending record numbers a record's change since the start is measured from.

    >>> find_start_record((0, 1, 2, 3), 2, 3), find_start_record((0, 1, 2, 3), 2, 1)
    (2, 0)
    """
    place = bisect_left(record_numbers, start_record) if number >= start_record else 0
    return record_numbers[place if place < len(record_numbers) else 0]


def evenly_spaced_indices(count: int, max_count: int | None) -> slice | np.ndarray:
    """Return the indices of `max_count` out of `count` items, evenly spaced and including the first and the last."""
    if max_count is None or count <= max_count:
        return slice(None)
    return np.unique(np.linspace(0, count - 1, max_count).round().astype(np.int64))


@dataclass(frozen=True, slots=True)
class StatisticsQuery:
    """A quantity of a weight or a part of it, and the reference record if the quantity does not imply one."""

    quantity: str
    index: IndexTuple = ()
    against: int | None = None

    @property
    def is_computed(self) -> bool:
        """Whether the statistics were not recorded and must be computed from values."""
        return bool(self.index) or self.quantity not in QUANTITIES

    def row_at(self, weight_history: WeightHistory, number: int) -> np.ndarray:
        """Compute the statistics at a record that keeps values."""
        now, against = weight_history.values_at(number), self._against(weight_history, number)
        before = None if against is None else weight_history.values_at(against)
        if now is None or (against is not None and (before is None or before.shape != now.shape)):
            return UNKNOWN_ROW

        def compute() -> np.ndarray:
            taken, estimate = self._select_part(weight_history.sample)
            if weight_history.sample is not None and not now[taken].size:
                return UNKNOWN_ROW
            if against == number:
                return estimate(unchanged_row(now[taken].size))
            return estimate(summarize(now[taken], None if before is None else before[taken]))

        return weight_history.part_statistics(number).get_or_compute(weight_history.key, self.index, against, compute)

    def _against(self, weight_history: WeightHistory, number: int) -> int | None:
        if self.quantity == "since_last":
            return number - 1
        return {"value": None, "since_start": weight_history.start_record_for(number)}.get(self.quantity, self.against)

    def _select_part(self, sample: Sample | None) -> tuple[Any, Callable[[np.ndarray], np.ndarray]]:
        """Return the index into the kept values, and a function that converts their statistics to those of the part."""
        if sample is None:
            return self.index, lambda row: row
        inside, part = sample.part(self.index)
        return inside, part.estimate
