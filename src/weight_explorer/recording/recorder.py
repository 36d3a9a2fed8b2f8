"""Copies the weights of a model into the history, with their statistics and those of their changes."""

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

from weight_explorer.catalog.nodes import SEED_STATE, Catalog
from weight_explorer.recording.compiled import Bins
from weight_explorer.recording.history import History
from weight_explorer.recording.lattice import UNSET, Lattices
from weight_explorer.recording.plan import Plan, plan_for
from weight_explorer.recording.sampling import WHOLE, Sample, is_same_sample
from weight_explorer.recording.segments import Flat, Scanning
from weight_explorer.recording.sheets import Coming, Sheet
from weight_explorer.recording.statistics import INDEX, NOT_FINITE, UNKNOWN, Reference, Workspace, no_change, scan
from weight_explorer.recording.tally import TallyRoom, tally
from weight_explorer.recording.time import Step

_NOTHING: Mapping[str, object] = MappingProxyType({})
_NO_VALUES: Mapping[str, np.ndarray] = MappingProxyType({})

# Gives the values of each of some variables.
Read = Callable[[Sequence[Any]], Sequence[np.ndarray]]

MEAN, MINIMUM, MAXIMUM = INDEX["mean"], INDEX["minimum"], INDEX["maximum"]


class Recorder:
    """Makes records. Holds the values of the start and of the last record, against which changes are measured.

    Args:
        history: Where records go.
        read: Gives values. They are used at once and may be overwritten afterwards.
    """

    def __init__(self, history: History, read: Read) -> None:
        self.history = history
        self._read = read
        self._lock = threading.Lock()
        self._workspace = Workspace()
        self._tally_room = TallyRoom()
        self._variables: dict[str, weakref.ref[object]] = {}
        self._start: dict[str, Reference] = {}
        self._last: Mapping[str, Reference] = {}
        self._started: Plan | None = None  # of its weights the start has all
        self._planned: tuple[Catalog, Plan] | None = None
        self._together: tuple[Any, ...] = ()  # the variables of the small weights, the same object each time
        self._coming: tuple[Coming, _Small] | None = None
        self._seconds_beside = 0.0
        self._lattices = Lattices(0)
        self._lattices_of_old: dict[str, tuple[Lattices, int]] = {}
        # Small weights behind each other, and the plan that says in which order.
        self._flats: dict[str, tuple[Plan | None, np.ndarray]] = {}

    def moved_any(self, catalog: Catalog) -> bool:
        """Say whether any weight differs from the last record; the states of random numbers are no weights."""
        plan, last = self._prepare(catalog), self._last
        weights = [key for key in plan.alone if catalog.weights[key].role != SEED_STATE]
        if not all(key in last for key in plan.together):
            return any(self.differs(catalog, key) for key in (*plan.together, *weights))
        small = zip(plan.together, self._read(self._together), strict=True)
        return any(_differ(now, last[key].values) for key, now in small) or any(self.differs(catalog, key) for key in weights)

    def differs(self, catalog: Catalog, key: str) -> bool:
        """Say whether the model's weight differs from the last record in any bit; of a sampled one, in any that is kept."""
        plan = self._prepare(catalog)
        last = self._last.get(key)
        if key not in plan.places:
            return False
        if last is None:
            return not self.history.num_recorded or plan.keeps(key)
        (now,) = self._read([catalog.variables[key]])
        sample = plan.samples.get(key)
        return _differ(now if sample is None else sample.take(now), last.values)

    def record(self, catalog: Catalog, step: Step, *, restarts: bool = False) -> Step:
        """Read every weight once and add a record.

        Args:
            catalog: What the model holds.
            step: When the record is made.
            restarts: Whether changes since the start are measured from this record on.
        """
        with self._lock:
            self._finish()
            plan = self._prepare(catalog)
            self.history.make_room(plan.nbytes)
            small, values = self._record_together(plan, restarts=restarts) if plan.together else (None, _NO_VALUES)
            sheet: Sheet | Coming = plan.blank.copy() if plan.alone else plan.blank
            if plan.alone:
                values = dict(values) | self._record_large(catalog, plan, sheet)
            if restarts:
                _set_no_change(sheet, plan, plan.alone)
            means = {key: float(sheet.rows[plan.places[key], 0, MEAN]) for key in plan.alone}
            if small:
                sheet = Coming(sheet, functools.partial(_complete, plan, sheet, small))
                self._coming = sheet, small
            step = self.history.append(sheet, values, step)
            # Only now: changes are measured against what is in the history.
            self._last = _References(values, means)
            if restarts:
                self._start, self._started = {}, None
                self._flats.pop("start", None)
                self.history.restart()
            if self._started is not plan:
                self._start = dict(self._last) | self._start
                self._started = plan
            self._flats["last"] = self._flats.pop("now", (None, np.empty(0)))
            return step

    def seconds_beside(self) -> float:
        """Return what threads took for records, but for the last one, since this was asked last."""
        seconds, self._seconds_beside = self._seconds_beside, 0.0
        return seconds

    def _finish(self) -> None:
        """Wait for the thread that looks at the last record. The lattices that it misses are laid for the next one, too.

        All else that is to be done for that record has time until somebody looks at it.
        """
        coming, self._coming = self._coming, None
        if coming:
            sheet, small = coming
            if small.scanning.end():
                sheet.whole()
            self._seconds_beside += small.scanning.seconds

    # -- one by one ------------------------------------------------------------------------------------------------

    def _record_large(self, catalog: Catalog, plan: Plan, sheet: Sheet) -> dict[str, np.ndarray]:
        """Fill in what all weights have to say that are not small, and return what is kept of their values."""
        kept = {key: self._record_alone(catalog, key, plan, sheet) for key in plan.alone}
        return {key: values for key, values in kept.items() if values is not None}

    def _record_alone(self, catalog: Catalog, key: str, plan: Plan, sheet: Sheet) -> np.ndarray | None:
        """Fill in what one weight has to say, and return what is kept of its values."""
        (now,), place = self._read([catalog.variables[key]]), plan.places[key]
        references = [store[key] for store in (self._start, self._last) if key in store]
        if key in plan.samples:
            sheet.rows[place, 0] = self._scan(now, [], sheet, place, None)[0]
            return self._record_sample(now, plan.samples[key], references, sheet.rows[place])
        kept = self.history.room_for(now.shape, now.dtype)
        rows = self._scan(now, references, sheet, place, kept)
        sheet.rows[place, : len(rows)] = rows
        if not references:
            sheet.rows[place, 1] = no_change(now.size)
        kept.setflags(write=False)
        return kept

    def _record_sample(
        self, now: np.ndarray, sample: Sample | None, references: list[Reference], rows: np.ndarray
    ) -> np.ndarray | None:
        """Fill in the changes of a sample, and return its values."""
        if sample is None:
            return None
        kept = sample.take(now, self.history.room_for(sample.indexes.shape, now.dtype))
        changes = scan(kept, references, self._workspace)[1:] if references else [no_change(kept.size)]
        for number, row in enumerate(changes):
            rows[1 + number] = sample.estimate(row)
        kept.setflags(write=False)
        return kept

    def _scan(
        self, now: np.ndarray, references: list[Reference], sheet: Sheet, place: int, kept: np.ndarray | None
    ) -> np.ndarray:
        """Summarize and count; the lattice of a weight is laid once its elements differ."""
        own = slice(place, place + 1)
        bins = Bins(self._lattices.exponents[own], self._lattices.firsts[own], sheet.counts[own], np.zeros(1, bool))
        rows = scan(now, references, self._workspace, copy=None if kept is None else kept.reshape(-1), bins=bins)
        if bins.missed[0]:
            self._lattices.cover_one(place, float(rows[0, MINIMUM]), float(rows[0, MAXIMUM]))
            if lattice := self._lattices[place]:
                finite = not rows[0, NOT_FINITE].any()
                sheet.counts[place] = tally(now, lattice, finite=finite, room=self._tally_room)
        sheet.exponents[place], sheet.firsts[place] = self._lattices.exponents[place], self._lattices.firsts[place]
        return rows

    # -- many at once ----------------------------------------------------------------------------------------------

    def _record_together(self, plan: Plan, *, restarts: bool) -> tuple[_Small, Flat]:
        """Copy the small weights, have their statistics found, and return their values."""
        now, own = self.history.room_for((plan.segments.num_elements,), np.dtype(np.float32)), plan.together_places
        found = self._read(self._together)
        start, _ = self._flat_of("start", self._start, plan, found)
        last, missing = self._flat_of("last", self._last, plan, found)
        laid = self._lattices.exponents[own], self._lattices.firsts[own]
        scanning = plan.segments.scan(found, [start, last], *laid, out=now)
        del found  # while TensorFlow's own memory is held, its next step copies it
        self._flats["now"] = plan, now
        whole = now.view()
        whole.setflags(write=False)
        return _Small(now, missing, self._lattices, laid, scanning, restarts), Flat(whole, plan.parts)

    def _flat_of(
        self, name: str, store: Mapping[str, Reference], plan: Plan, now: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, list[int]]:
        """Return the values before in the layout of the plan, and which are missing, for which those of now stand in."""
        planned, flat = self._flats.get(name, (None, None))
        if planned is plan and flat is not None:
            return flat, []
        missing = [i for i, key in enumerate(plan.together) if key not in store]
        parts = [store[key].values if key in store else values for key, values in zip(plan.together, now, strict=True)]
        flat = np.concatenate([part.reshape(-1) for part in parts])
        if not missing:
            self._flats[name] = plan, flat
        return flat, missing

    # -- what there is to record -----------------------------------------------------------------------------------

    def _prepare(self, catalog: Catalog) -> Plan:
        """Return how to record this catalog; where it is another one than last time, see what has changed."""
        if self._planned is not None and self._planned[0] is catalog:
            return self._planned[1]
        self._finish()
        plan, last = plan_for(catalog, self.history.memory), dict(self._last)
        self._carry_lattices(plan)
        self._forget_replaced(catalog, plan, last)
        self._hold_samples(plan, last)
        self._last = last
        self.history.catalog = replace(catalog, variables=_NOTHING, layers=_NOTHING)
        self._planned = (catalog, plan)
        self._together = tuple(catalog.variables[key] for key in plan.together)
        return plan

    def _carry_lattices(self, plan: Plan) -> None:
        """Keep the lattice of every weight that was ever recorded: it may leave the model and come back."""
        if self._planned:
            self._lattices_of_old |= {key: (self._lattices, place) for key, place in self._planned[1].places.items()}
        lattices = Lattices(len(plan.places))
        for key, place in plan.places.items():
            if key in self._lattices_of_old:
                lattices.copy_from(place, *self._lattices_of_old[key])
        self._lattices = lattices

    def _hold_samples(self, plan: Plan, last: dict[str, Reference]) -> None:
        """Bring what is held of weights that are kept as a sample, or no longer are, to what is kept from now on."""
        before = self._planned[1].samples if self._planned else {}
        for key in {*before, *plan.samples}:
            old, new = before.get(key, WHOLE), plan.samples.get(key, WHOLE)
            if is_same_sample(old, new):
                continue
            for store in (self._start, last):
                held = store.pop(key, None)
                if held is not None and old is WHOLE and isinstance(new, Sample):
                    store[key] = Reference(new.take(held.values))
            self.history.set_sample(key, new if isinstance(new, Sample) else None)

    def _forget_replaced(self, catalog: Catalog, plan: Plan, last: dict[str, Reference]) -> None:
        """Start anew with weights whose variable is another one, or of another shape or type, than when last recorded."""
        before = self._planned[0].weights if self._planned else {}
        for key, weight in catalog.weights.items():
            old, known = before.get(key), self._variables.get(key)
            changed = old is not None and (old.shape, old.dtype) != (weight.shape, weight.dtype)
            if changed or (known is not None and known() is not catalog.variables[key]):
                self._start.pop(key, None)
                last.pop(key, None)
                self._lattices_of_old.pop(key, None)
                self.history.forget(key)
                if key in plan.places:
                    self._lattices.clear(plan.places[key])
        self._variables |= {key: weakref.ref(variable) for key, variable in catalog.variables.items()}


def _differ(now: np.ndarray, before: np.ndarray) -> bool:
    """Whether two arrays differ in any bit: as bits NaN equals NaN, and -0.0 is not 0.0."""
    bits = np.dtype(f"u{now.itemsize}")
    return not np.array_equal(now.reshape(-1).view(bits), before.reshape(-1).view(bits))


class _References(Mapping[str, Reference]):
    """The values of a record, and the means that are known of them, for the next one. Of small weights nobody asks."""

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


class _Small(NamedTuple):
    """The small weights of one record, of which a thread finds the statistics.

    Attributes:
        now: Their elements.
        missing: Those of which the record before has none.
        lattices: Those of the recorder.
        laid: Their exponents and first bins, over which the elements are counted.
        scanning: Waits for the thread.
        restarts: Whether changes since the start are measured from this record on.
    """

    now: np.ndarray
    missing: list[int]
    lattices: Lattices
    laid: tuple[np.ndarray, np.ndarray]
    scanning: Scanning
    restarts: bool


def _complete(plan: Plan, sheet: Sheet, small: _Small) -> Sheet:
    """Return the sheet of a record; of large weights, where there are any, the one that is given says all already."""
    rows, counts, missed = small.scanning.scanned()
    if small.missing:
        rows[small.missing, 2] = UNKNOWN
    if missed:
        _count_missed(plan, small, rows, counts, missed)
    exponents, firsts = small.laid
    found = rows, exponents, firsts.astype(np.int32), counts
    if not plan.alone:
        sheet = Sheet(sheet.keys, *found)
    else:
        for whole, part in zip(sheet.arrays, found, strict=True):
            whole[plan.together_places] = part
    if small.restarts:
        _set_no_change(sheet, plan, plan.together)
    return sheet


def _set_no_change(sheet: Sheet, plan: Plan, keys: Iterable[str]) -> None:
    """Say of some weights that nothing has changed since the start, as of those of the very first record."""
    for key in keys:
        row, sample = sheet.rows[plan.places[key]], plan.samples.get(key)
        if sample is not None:
            row[1] = sample.estimate(no_change(sample.indexes.size))
        elif plan.keeps(key):
            row[1] = no_change(int(row[0, INDEX["count"]]))


def _count_missed(plan: Plan, small: _Small, rows: np.ndarray, counts: np.ndarray, missed: list[int]) -> None:
    """Lay lattices that hold those segments, and count them."""
    places, lattices, (exponents, firsts) = plan.together_places[missed], small.lattices, small.laid
    lattices.cover(places, rows[missed, 0, MINIMUM], rows[missed, 0, MAXIMUM])
    exponents[missed], firsts[missed] = lattices.exponents[places], lattices.firsts[places]
    only_missed = np.full(len(exponents), UNSET, np.int16)
    only_missed[missed] = exponents[missed]
    counts[missed] = plan.segments.tally(small.now, only_missed, firsts)[missed]
