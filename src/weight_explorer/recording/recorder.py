"""Copies a model's weights into the history, with statistics of the weights and of their changes."""

from __future__ import annotations

import functools
import math
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from weight_explorer.catalog.schema import SEED_STATE, Catalog
from weight_explorer.recording.live_history import LiveHistory
from weight_explorer.recording.plan import RecordingPlan, make_plan
from weight_explorer.recording.record_statistics import PendingStatistics, RecordStatistics
from weight_explorer.recording.records import Record
from weight_explorer.recording.sampling import ALL_ELEMENTS, Sample, is_equal_sample
from weight_explorer.recording.statistics.batched import FlatArrays, StatisticsTask
from weight_explorer.recording.statistics.bin_counts import CountBuffers, count_bins
from weight_explorer.recording.statistics.bin_grid import UNSET_EXPONENT, BinGrids
from weight_explorer.recording.statistics.native import SegmentBins
from weight_explorer.recording.statistics.summary import (
    FIELD_INDEX,
    NON_FINITE_FIELDS,
    UNKNOWN_ROW,
    Reference,
    Workspace,
    compute_statistics,
    unchanged_row,
)

_EMPTY: Mapping[str, object] = MappingProxyType({})
_NO_VALUES: Mapping[str, np.ndarray] = MappingProxyType({})

# Returns the values of the given variables.
ReadVariables = Callable[[Sequence[Any]], Sequence[np.ndarray]]

MEAN, MINIMUM, MAXIMUM = FIELD_INDEX["mean"], FIELD_INDEX["minimum"], FIELD_INDEX["maximum"]


class Recorder:
    """Makes records, and keeps the values of the start and of the last record to measure changes against.

    Args:
        history: The history that records are added to.
        read: Returns the values of variables. They are used immediately and may be overwritten afterwards.
    """

    def __init__(self, history: LiveHistory, read: ReadVariables) -> None:
        self.history = history
        self._read = read
        self._lock = threading.Lock()
        self._workspace = Workspace()
        self._count_buffers = CountBuffers()
        self._variables: dict[str, weakref.ref[object]] = {}
        self._start_values: dict[str, Reference] = {}
        self._last_values: Mapping[str, Reference] = {}
        self._start_plan: RecordingPlan | None = None  # the plan whose weights all have start values
        self._catalog_and_plan: tuple[Catalog, RecordingPlan] | None = None
        self._batched_variables: tuple[Any, ...] = ()  # the variables of the batched weights, the same tuple each time
        self._pending: tuple[PendingStatistics, _BatchedRecord] | None = None
        self._background_seconds = 0.0
        self._grids = BinGrids(0)
        self._earlier_grids: dict[str, tuple[BinGrids, int]] = {}
        # Concatenated values of the batched weights, and the plan that defines their order.
        self._flat_arrays: dict[str, tuple[RecordingPlan | None, np.ndarray]] = {}

    def has_any_changed(self, catalog: Catalog) -> bool:
        """Return whether any weight differs from the last record, ignoring states of random number generators."""
        plan, last = self._plan_for(catalog), self._last_values
        weights = [key for key in plan.individual if catalog.weights[key].role != SEED_STATE]
        if not all(key in last for key in plan.batched):
            return any(self.has_changed(catalog, key) for key in (*plan.batched, *weights))
        small = zip(plan.batched, self._read(self._batched_variables), strict=True)
        return any(_bits_differ(now, last[key].values) for key, now in small) or any(
            self.has_changed(catalog, key) for key in weights
        )

    def has_changed(self, catalog: Catalog, key: str) -> bool:
        """Return whether a weight differs from the last record in any bit; for a sampled weight, in any sampled element."""
        plan = self._plan_for(catalog)
        last = self._last_values.get(key)
        if key not in plan.slots:
            return False
        if last is None:
            return not self.history.num_recorded or plan.keeps_values(key)
        (now,) = self._read([catalog.variables[key]])
        sample = plan.samples.get(key)
        return _bits_differ(now if sample is None else sample.take(now), last.values)

    def record(self, catalog: Catalog, record: Record, *, resets_start: bool = False) -> Record:
        """Read every weight once and add a record.

        Args:
            catalog: The layers and weights of the model.
            record: The kind of the record and its position in the training.
            resets_start: Whether changes since the start are measured from this record on.
        """
        with self._lock:
            self._wait_for_pending()
            plan = self._plan_for(catalog)
            self.history.reserve(plan.nbytes)
            small, values = self._record_batched(plan, resets_start=resets_start) if plan.batched else (None, _NO_VALUES)
            sheet: RecordStatistics | PendingStatistics = plan.template.copy() if plan.individual else plan.template
            if plan.individual:
                values = dict(values) | self._record_individual(catalog, plan, sheet)
            if resets_start:
                _set_unchanged(sheet, plan, plan.individual)
            means = {key: float(sheet.rows[plan.slots[key], 0, MEAN]) for key in plan.individual}
            if small:
                sheet = PendingStatistics(sheet, functools.partial(_finish_statistics, plan, sheet, small))
                self._pending = sheet, small
            record = self.history.append(sheet, values, record)
            # Update last: changes are measured against values that are in the history.
            self._last_values = _ReferenceValues(values, means)
            if resets_start:
                self._start_values, self._start_plan = {}, None
                self._flat_arrays.pop("start", None)
                self.history.reset_start()
            if self._start_plan is not plan:
                self._start_values = dict(self._last_values) | self._start_values
                self._start_plan = plan
            self._flat_arrays["last"] = self._flat_arrays.pop("now", (None, np.empty(0)))
            return record

    def take_background_seconds(self) -> float:
        """Return the seconds that threads spent on records, except the last one, since the previous call."""
        seconds, self._background_seconds = self._background_seconds, 0.0
        return seconds

    def _wait_for_pending(self) -> None:
        """Wait for the thread that processes the last record. Bin grids it had to extend are used for the next record, too.

        All other work for that record is deferred until it is read.
        """
        coming, self._pending = self._pending, None
        if coming:
            sheet, small = coming
            if small.task.wait():
                sheet.resolve()
            self._background_seconds += small.task.seconds

    # -- one by one ------------------------------------------------------------------------------------------------

    def _record_individual(self, catalog: Catalog, plan: RecordingPlan, statistics: RecordStatistics) -> dict[str, np.ndarray]:
        """Fill in the statistics of all individually recorded weights, and return the values to keep."""
        kept = {key: self._record_one(catalog, key, plan, statistics) for key in plan.individual}
        return {key: values for key, values in kept.items() if values is not None}

    def _record_one(self, catalog: Catalog, key: str, plan: RecordingPlan, statistics: RecordStatistics) -> np.ndarray | None:
        """Fill in the statistics of one weight, and return the values to keep."""
        (now,), place = self._read([catalog.variables[key]]), plan.slots[key]
        references = [store[key] for store in (self._start_values, self._last_values) if key in store]
        if key in plan.samples:
            statistics.rows[place, 0] = self._compute_and_count(now, [], statistics, place, None)[0]
            return self._record_sample(now, plan.samples[key], references, statistics.rows[place])
        kept = self.history.allocate(now.shape, now.dtype)
        rows = self._compute_and_count(now, references, statistics, place, kept)
        statistics.rows[place, : len(rows)] = rows
        if not references:
            statistics.rows[place, 1] = unchanged_row(now.size)
        kept.setflags(write=False)
        return kept

    def _record_sample(
        self, now: np.ndarray, sample: Sample | None, references: list[Reference], rows: np.ndarray
    ) -> np.ndarray | None:
        """Fill in the statistics of a sample's changes, and return its values."""
        if sample is None:
            return None
        kept = sample.take(now, self.history.allocate(sample.indexes.shape, now.dtype))
        changes = compute_statistics(kept, references, self._workspace)[1:] if references else [unchanged_row(kept.size)]
        for number, row in enumerate(changes):
            rows[1 + number] = sample.estimate(row)
        kept.setflags(write=False)
        return kept

    def _compute_and_count(
        self, now: np.ndarray, references: list[Reference], statistics: RecordStatistics, slot: int, kept: np.ndarray | None
    ) -> np.ndarray:
        """Compute statistics and bin counts. The bin grid of a weight is created once its elements differ."""
        own = slice(slot, slot + 1)
        bins = SegmentBins(self._grids.exponents[own], self._grids.first_bins[own], statistics.counts[own], np.zeros(1, bool))
        rows = compute_statistics(now, references, self._workspace, copy=None if kept is None else kept.reshape(-1), bins=bins)
        if bins.missed[0]:
            self._grids.extend_one(slot, float(rows[0, MINIMUM]), float(rows[0, MAXIMUM]))
            if lattice := self._grids[slot]:
                finite = not rows[0, NON_FINITE_FIELDS].any()
                statistics.counts[slot] = count_bins(now, lattice, all_finite=finite, buffers=self._count_buffers)
        statistics.exponents[slot], statistics.first_bins[slot] = self._grids.exponents[slot], self._grids.first_bins[slot]
        return rows

    # -- many at once ----------------------------------------------------------------------------------------------

    def _record_batched(self, plan: RecordingPlan, *, resets_start: bool) -> tuple[_BatchedRecord, FlatArrays]:
        """Copy the batched weights, start computing their statistics, and return their values."""
        now, own = self.history.allocate((plan.layout.num_elements,), np.dtype(np.float32)), plan.batched_slots
        found = self._read(self._batched_variables)
        start, _ = self._flat_reference("start", self._start_values, plan, found)
        last, missing = self._flat_reference("last", self._last_values, plan, found)
        laid = self._grids.exponents[own], self._grids.first_bins[own]
        scanning = plan.layout.begin_statistics(found, [start, last], *laid, out=now)
        del found  # while these share TensorFlow's memory, its next step has to copy it
        self._flat_arrays["now"] = plan, now
        whole = now.view()
        whole.setflags(write=False)
        return _BatchedRecord(now, missing, self._grids, laid, scanning, resets_start), FlatArrays(whole, plan.batched_parts)

    def _flat_reference(
        self, name: str, store: Mapping[str, Reference], plan: RecordingPlan, now: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, list[int]]:
        """Return reference values in the plan's layout, and the indices of missing ones, replaced by the current values."""
        planned, flat = self._flat_arrays.get(name, (None, None))
        if planned is plan and flat is not None:
            return flat, []
        missing = [i for i, key in enumerate(plan.batched) if key not in store]
        parts = [store[key].values if key in store else values for key, values in zip(plan.batched, now, strict=True)]
        flat = np.concatenate([part.reshape(-1) for part in parts])
        if not missing:
            self._flat_arrays[name] = plan, flat
        return flat, missing

    # -- what there is to record -----------------------------------------------------------------------------------

    def _plan_for(self, catalog: Catalog) -> RecordingPlan:
        """Return the recording plan for this catalog. If the catalog has changed, update the state that depends on it."""
        if self._catalog_and_plan is not None and self._catalog_and_plan[0] is catalog:
            return self._catalog_and_plan[1]
        self._wait_for_pending()
        plan, last = make_plan(catalog, self.history.memory), dict(self._last_values)
        self._carry_over_grids(plan)
        self._drop_replaced_weights(catalog, plan, last)
        self._update_samples(plan, last)
        self._last_values = last
        self.history.catalog = replace(catalog, variables=_EMPTY, layers=_EMPTY)
        self._catalog_and_plan = (catalog, plan)
        self._batched_variables = tuple(catalog.variables[key] for key in plan.batched)
        return plan

    def _carry_over_grids(self, plan: RecordingPlan) -> None:
        """Keep the bin grids of all weights ever recorded, because a weight may leave the model and return."""
        if self._catalog_and_plan:
            self._earlier_grids |= {key: (self._grids, place) for key, place in self._catalog_and_plan[1].slots.items()}
        lattices = BinGrids(len(plan.slots))
        for key, place in plan.slots.items():
            if key in self._earlier_grids:
                lattices.copy_from(place, *self._earlier_grids[key])
        self._grids = lattices

    def _update_samples(self, plan: RecordingPlan, last: dict[str, Reference]) -> None:
        """Adapt the reference values and the history to weights whose sample has changed."""
        before = self._catalog_and_plan[1].samples if self._catalog_and_plan else {}
        for key in {*before, *plan.samples}:
            old, new = before.get(key, ALL_ELEMENTS), plan.samples.get(key, ALL_ELEMENTS)
            if is_equal_sample(old, new):
                continue
            for store in (self._start_values, last):
                held = store.pop(key, None)
                if held is not None and old is ALL_ELEMENTS and isinstance(new, Sample):
                    store[key] = Reference(new.take(held.values))
            self.history.set_sample(key, new if isinstance(new, Sample) else None)

    def _drop_replaced_weights(self, catalog: Catalog, plan: RecordingPlan, last: dict[str, Reference]) -> None:
        """Drop the data of weights whose variable was replaced, or changed its shape or dtype, since the last record."""
        before = self._catalog_and_plan[0].weights if self._catalog_and_plan else {}
        for key, weight in catalog.weights.items():
            old, known = before.get(key), self._variables.get(key)
            changed = old is not None and (old.shape, old.dtype) != (weight.shape, weight.dtype)
            if changed or (known is not None and known() is not catalog.variables[key]):
                self._start_values.pop(key, None)
                last.pop(key, None)
                self._earlier_grids.pop(key, None)
                self.history.drop_weight(key)
                if key in plan.slots:
                    self._grids.clear(plan.slots[key])
        self._variables |= {key: weakref.ref(variable) for key, variable in catalog.variables.items()}


def _bits_differ(now: np.ndarray, before: np.ndarray) -> bool:
    """Whether two arrays differ in any bit. Bitwise, NaN equals NaN, and -0.0 differs from 0.0."""
    bits = np.dtype(f"u{now.itemsize}")
    return not np.array_equal(now.reshape(-1).view(bits), before.reshape(-1).view(bits))


class _ReferenceValues(Mapping[str, Reference]):
    """Values of a record and their known means, as references for the next record. Batched weights need no means."""

    def __init__(self, values: Mapping[str, np.ndarray], means: Mapping[str, float]) -> None:
        self._values, self._means = values, means

    def __getitem__(self, key: str) -> Reference:
        return Reference(self._values[key], self._means.get(key, math.nan))

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class _BatchedRecord(NamedTuple):
    """The batched weights of one record, whose statistics are computed by a thread.

    Attributes:
        values: The elements of the weights.
        missing: Indices of the weights that the previous record has no values for.
        grids: The bin grids of the recorder.
        grid_arrays: Exponents and first bins of the grids that the elements are counted over.
        task: The task that the thread runs.
        resets_start: Whether changes since the start are measured from this record on.
    """

    values: np.ndarray
    missing: list[int]
    grids: BinGrids
    grid_arrays: tuple[np.ndarray, np.ndarray]
    task: StatisticsTask
    resets_start: bool


def _finish_statistics(plan: RecordingPlan, statistics: RecordStatistics, batched: _BatchedRecord) -> RecordStatistics:
    """Return the complete statistics of a record. Those of individually recorded weights must already be filled in."""
    rows, counts, missed = batched.task.result()
    if batched.missing:
        rows[batched.missing, 2] = UNKNOWN_ROW
    if missed:
        _count_missed(plan, batched, rows, counts, missed)
    exponents, firsts = batched.grid_arrays
    found = rows, exponents, firsts.astype(np.int32), counts
    if not plan.individual:
        statistics = RecordStatistics(statistics.keys, *found)
    else:
        for whole, part in zip(statistics.arrays, found, strict=True):
            whole[plan.batched_slots] = part
    if batched.resets_start:
        _set_unchanged(statistics, plan, plan.batched)
    return statistics


def _set_unchanged(statistics: RecordStatistics, plan: RecordingPlan, keys: Iterable[str]) -> None:
    """Set the change since the start to zero for some weights, as in the very first record."""
    for key in keys:
        row, sample = statistics.rows[plan.slots[key]], plan.samples.get(key)
        if sample is not None:
            row[1] = sample.estimate(unchanged_row(sample.indexes.size))
        elif plan.keeps_values(key):
            row[1] = unchanged_row(int(row[0, FIELD_INDEX["count"]]))


def _count_missed(
    plan: RecordingPlan, batched: _BatchedRecord, rows: np.ndarray, counts: np.ndarray, missed: list[int]
) -> None:
    """Extend the bin grids to hold the missed segments, and count them."""
    places, lattices, (exponents, firsts) = plan.batched_slots[missed], batched.grids, batched.grid_arrays
    lattices.extend(places, rows[missed, 0, MINIMUM], rows[missed, 0, MAXIMUM])
    exponents[missed], firsts[missed] = lattices.exponents[places], lattices.first_bins[places]
    only_missed = np.full(len(exponents), UNSET_EXPONENT, np.int16)
    only_missed[missed] = exponents[missed]
    counts[missed] = plan.layout.count_bins(batched.values, only_missed, firsts)[missed]
