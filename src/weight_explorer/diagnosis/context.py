"""The data that diagnosis rules examine: the weights over the records, and the changes that training made."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from weight_explorer.catalog.schema import SEED_STATE, Axis, Catalog, NotTrainableReason, Weight, enclosing_paths
from weight_explorer.diagnosis.findings import Finding
from weight_explorer.diagnosis.model_facts import ModelFacts
from weight_explorer.recording.facts import UNKNOWN_FACTS, RecordFacts, TrainingConditions, TrainingKind
from weight_explorer.recording.freeze_checks import frozen_masks
from weight_explorer.recording.history import History, WeightHistory
from weight_explorer.recording.records import DETECTED_KINDS, TRAINED_KINDS, Record
from weight_explorer.recording.statistics.summary import FIELD_INDEX, QUANTITIES, to_float

_SINCE_START, _SINCE_LAST = QUANTITIES.index("since_start"), QUANTITIES.index("since_last")
# Kinds of records that keep earlier findings valid, unless training continues after them.
_KEEPS_EARLIER_FINDINGS = (*DETECTED_KINDS, "reverted")


@dataclass(frozen=True, slots=True)
class WeightConditions:
    """The training conditions of one weight at a record.

    Attributes:
        activity: The kind of training.
        in_train_step: Whether the training step updates the weight. None if unknown.
        not_trainable: Why the flags make the weight not trainable. None if it is trainable.
        has_optimizer: Whether a known optimizer owns the weight.
        owners_known: Whether all optimizers that can have updated the weight are known.
        reaches_loss: Whether a path leads from the layer to a loss. None if unknown.
        learning_rate_is_zero: Whether the learning rate of the optimizer was 0. None if unknown.
        optimizer_stepped: Whether the optimizer made a step since the previous record. None if unknown.
        optimizer: The class name of the optimizer. "" if unknown.
        scales_loss: Whether the optimizer is wrapped with loss scaling, which skips steps that are not finite.
        unbuilt_optimizer: The class name of an optimizer that was registered for a training loop but made no step so far. ""
            for none.
        optimizers_known: Whether any optimizer is known, and the weights that each one owns.
        frozen_by: The path of the outermost layer with `trainable = False`: the layer of the weight or one that contains it.
            "" for none.
    """

    activity: TrainingKind = TrainingKind.NONE
    in_train_step: bool | None = None
    not_trainable: NotTrainableReason | None = None
    has_optimizer: bool = False
    owners_known: bool = False
    reaches_loss: bool | None = None
    learning_rate_is_zero: bool | None = None
    optimizer_stepped: bool | None = None
    optimizer: str = ""
    scales_loss: bool = False
    unbuilt_optimizer: str = ""
    optimizers_known: bool = False
    frozen_by: str = ""

    def is_compatible(self, other: WeightConditions) -> bool:
        """Return whether both conditions are the same, ignoring facts that are unknown for one of them."""
        is_open = self.optimizer_stepped is None or other.optimizer_stepped is None
        return self == (replace(other, optimizer_stepped=self.optimizer_stepped) if is_open else other)

    @property
    def is_frozen(self) -> bool:
        """Whether `trainable = False`, on the layer or on one that contains it, freezes the weight."""
        is_statistic = self.not_trainable is NotTrainableReason.MOVING_STATISTIC and bool(self.frozen_by)
        return is_statistic or (self.not_trainable is not None and self.not_trainable.is_frozen)

    @property
    def cannot_change(self) -> bool:
        """Whether this training could not change the weight, for a recorded reason."""
        is_left_out = self.in_train_step is False or (self.in_train_step is None and self.not_trainable is not None)
        return is_left_out or self.learning_rate_is_zero is True or self.optimizer_stepped is False


class WeightTrace:
    """The history of one weight over the records.

    Attributes:
        weight: The weight.
        record_numbers: The numbers of the records with statistics.
        statistics: The statistics of these records, of shape (records, `QUANTITIES`, `FIELDS`).
        training_indices: The indices in `record_numbers` of the records made by training, since the weights were last set by
            other means.
        conditions: The training conditions of the weight, one entry per set of records with the same facts.
        condition_index: The index in `conditions` for each entry of `training_indices`.
        changeable_indices: The entries of `training_indices` at which training could change the weight, as far as is known.
        batches_since_recorded: For each entry of `changeable_indices`, the number of batches since the previous recorded
            record. NaN if unknown. In a thinned history this is an average, because the change is relative to a record that is
            no longer kept.
        batches_since_kept: For each entry of `changeable_indices`, the number of batches since the previous kept record. NaN
            if unknown.
        value_records: The numbers of the records with values, starting with the initial state of this training of the weight.
        has_initial_values: Whether the first entry of `value_records` is this initial state.
    """

    def __init__(self, weight: Weight, weight_history: WeightHistory, timeline: RecordTimeline) -> None:
        self.weight = weight
        self.record_numbers = weight_history.record_numbers
        self.statistics = weight_history.rows(slice(None))
        self.sample = weight_history.sample
        self._weight_history = weight_history
        self._timeline = timeline
        gaps, spans = timeline.batches_since(self.record_numbers)
        begin = _first_training_index(
            [timeline.records[int(number)] for number in self.record_numbers],
            self.statistics[:, _SINCE_LAST, FIELD_INDEX["moved"]],
            gaps,
        )
        is_trained = np.array([timeline.records[int(number)].kind in TRAINED_KINDS for number in self.record_numbers], bool) & (
            gaps != 0
        )
        is_trained[: begin + 1] = False
        self.training_indices = np.flatnonzero(is_trained & ~np.isnan(self.statistics[:, _SINCE_LAST, FIELD_INDEX["moved"]]))
        self.training_batches = spans[self.training_indices]
        self.conditions = tuple(each.for_weight(weight) for each in timeline.conditions)
        self.condition_index = timeline.condition_index_at(self.record_numbers[self.training_indices])
        could_move = ~np.array([regime.cannot_change for regime in self.conditions], bool)[self.condition_index]
        # A weight that changed was trained, even if the recorded conditions rule it out.
        could_move |= self.num_changed > 0
        self.changeable_indices = self.training_indices[could_move]
        self.batches_since_recorded, self.batches_since_kept = gaps[self.changeable_indices], spans[self.changeable_indices]
        last = (
            int(self.record_numbers[self.training_indices[-1]]) if len(self.training_indices) else int(self.record_numbers[-1])
        )
        self.last_record = timeline.records[last]
        first = (
            int(self.record_numbers[max(int(self.changeable_indices[0]) - 1, begin)])
            if len(self.changeable_indices)
            else int(self.record_numbers[begin])
        )
        self.value_records = tuple(number for number in weight_history.records_with_values if first <= number <= last)
        self.has_initial_values = self.value_records[:1] == (first,)

    @property
    def key(self) -> str:
        """The key of the weight."""
        return self.weight.key

    def change_statistic(self, name: str, quantity: str = "since_last") -> np.ndarray:
        """Return one statistic at the records of `changeable_indices`."""
        return self.statistics[self.changeable_indices, QUANTITIES.index(quantity), FIELD_INDEX[name]]

    def value_statistic(self, name: str) -> np.ndarray:
        """Return one statistic of the values at all records."""
        return self.statistics[:, 0, FIELD_INDEX[name]]

    @property
    def unit_axis(self) -> tuple[int, Axis]:
        """The index of the unit axis, and the axis itself."""
        return next((number, axis) for number, axis in enumerate(self.weight.axes) if axis.side == "out")

    @property
    def num_batches(self) -> float:
        """The number of batches over all records at which training could change the weight. NaN if unknown."""
        return float(self.batches_since_kept.sum())

    @cached_property
    def is_unchanged(self) -> bool:
        """Whether training changed no known element. False if nothing was trained."""
        return len(self.training_indices) > 0 and self.unchanged_from == 0

    @cached_property
    def unchanged_from(self) -> int:
        """The index in `training_indices` from which no element changed. Its length if the last record has changes."""
        places = np.flatnonzero(self.num_changed)
        first = int(places[-1]) + 1 if len(places) else 0
        # For records that were thinned away, the distance from the start shows whether the weight changed.
        around = np.union1d(self.training_indices[first:], self.training_indices[first:] - 1)
        distances = self.statistics[around, _SINCE_START][
            :, [FIELD_INDEX["moved"], FIELD_INDEX["norm"], FIELD_INDEX["largest"]]
        ]
        differs = np.flatnonzero(~np.all((distances == distances[-1:]) | np.isnan(distances), axis=1)) if len(around) else []
        last = int(around[differs[-1]]) if len(differs) else -1
        return max(first, int(np.searchsorted(self.training_indices, last, side="right")))

    @property
    def num_changed(self) -> np.ndarray:
        """The number of elements that changed at each entry of `training_indices`."""
        return self.statistics[self.training_indices, _SINCE_LAST, FIELD_INDEX["moved"]]

    @property
    def has_stopped_changing(self) -> bool:
        """Whether the weight did not change at the newest training record."""
        return self.unchanged_from < len(self.training_indices)

    def conditions_by_record(self) -> list[WeightConditions]:
        """Return the conditions at each entry of `training_indices`."""
        return [self.conditions[place] for place in self.condition_index.tolist()]

    @property
    def num_epochs(self) -> float:
        """The number of epochs over which training could change the weight."""
        return float(self._timeline.epochs_before(self.record_numbers[self.changeable_indices]).sum())

    @property
    def has_changed(self) -> bool:
        """Whether training changed any element."""
        return bool(self.change_statistic("moved").any())

    @property
    def is_trainable(self) -> bool:
        """Whether training could change the weight at the newest record, as far as is known."""
        return bool(len(self.changeable_indices)) and not self.conditions[int(self.condition_index[-1])].cannot_change

    def update_ratios(self) -> np.ndarray:
        """Return the norm of each change by training divided by the norm of the weight. NaN where nothing changed.

        Both norms are root mean squares per element. For weights with few changed elements, such as an embedding with rare
        tokens, the ratio describes the changed elements.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = self.change_statistic("norm") / np.sqrt(self.change_statistic("moved"))
            sizes = self.change_statistic("norm", "value") / np.sqrt(self.change_statistic("count", "value"))
            return np.where(self.change_statistic("moved") > 0, moved / sizes, np.nan)

    def make_finding(
        self, rule: str, severity: str, message: str, evidence: Mapping[str, float], record: Record | None = None, **fields: Any
    ) -> Finding:
        """Create a finding about this weight, by default at the last training record. See `Finding`."""
        at = record or self.last_record
        where = {
            "key": self.key,
            "layer": self.weight.layer,
            "record_number": at.number,
            "epoch": at.keras_epoch,
            "keys": (self.key,),
        }
        return Finding(
            rule=rule, severity=severity, message=message, evidence=MappingProxyType(dict(evidence)), **where | fields
        )

    @property
    def median_update(self) -> float:
        """The root mean square change per batch of the elements that changed, as the median over the records."""
        moved, norms = self.change_statistic("moved"), self.change_statistic("norm")
        some = (moved > 0) & np.isfinite(self.batches_since_recorded)
        return (
            float(np.median(norms[some] / np.sqrt(moved[some]) / self.batches_since_recorded[some])) if some.any() else np.nan
        )

    def values_at(self, record_number: int) -> np.ndarray | None:
        """Return the values at a record, as floats with the shape of the weight. None if they are not fully kept."""
        found = None if self.sample is not None else self._weight_history.values_at(record_number)
        return None if found is None or found.shape != self.weight.shape else to_float(found)

    def first_and_last_values(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the values before the first and after the last batch of this training. None if they are not fully kept."""
        if len(self.value_records) < 2 or self.sample is not None or not self.has_initial_values:
            return None
        first, last = self.values_at(self.value_records[0]), self.values_at(self.value_records[-1])
        return None if first is None or last is None else (first, last)


def _first_training_index(records: Sequence[Record], num_changed: np.ndarray, gaps: np.ndarray) -> int:
    """Return the index of the record that starts the training to examine.

    This is the last record whose values were not produced by training. If records were thinned away, the first training record
    after such a change marks the start.
    """
    # If a training record follows no batches, something else set its values, such as a callback.
    was_set = (num_changed > 0) & (gaps == 0) & np.array([step.kind in TRAINED_KINDS for step in records], bool)
    pairs = zip(reversed(records), was_set[::-1].tolist(), strict=True)
    found = next(
        (after for after, (step, other) in enumerate(pairs) if step.kind not in _KEEPS_EARLIER_FINDINGS and not other), 0
    )
    count, numbers = len(records) - found, {step.number for step in records}
    begins = (
        place
        for place in range(count)
        if was_set[place] or _starts_training(records[place], float(num_changed[place]), numbers)
    )
    return max(begins, default=0)


def _starts_training(record: Record, num_changed: float, kept_numbers: Collection[int]) -> bool:
    """Return whether the training to examine starts at a record where `num_changed` elements differ from the previous one."""
    if record.kind == "start":
        return num_changed > 0
    after = record.facts.preceding_change
    if after is not None and after.record_number not in kept_numbers:
        return True
    return record.kind not in (*TRAINED_KINDS, "before") and bool(record.kind != "ended" or num_changed)


@dataclass(frozen=True, slots=True)
class RecordConditions:
    """The conditions of several records and, for each optimizer, whether its learning rate was 0 and whether it made a step."""

    conditions: TrainingConditions
    learning_rates_are_zero: tuple[bool | None, ...] = ()
    optimizers_stepped: tuple[bool | None, ...] = ()

    def for_weight(self, weight: Weight) -> WeightConditions:
        """Return the conditions for one weight."""
        conditions, owner = self.conditions, self.conditions.optimizer_index_of(weight.key)
        optimizer = None if owner is None else conditions.optimizers[owner]
        return WeightConditions(
            activity=conditions.training_kind,
            in_train_step=None if conditions.trained_keys is None else weight.key in conditions.trained_keys,
            not_trainable=conditions.not_trainable.get(weight.key),
            has_optimizer=optimizer is not None,
            owners_known=conditions.optimizers_are_complete
            and all(each.owned_keys is not None for each in conditions.optimizers),
            reaches_loss=None if conditions.layers_reaching_loss is None else weight.layer in conditions.layers_reaching_loss,
            learning_rate_is_zero=None if owner is None else self.learning_rates_are_zero[owner],
            optimizer_stepped=None if owner is None else self.optimizers_stepped[owner],
            optimizer=optimizer.name if optimizer else "",
            scales_loss=bool(optimizer and optimizer.scales_loss),
            unbuilt_optimizer=_unbuilt_optimizer(conditions),
            optimizers_known=bool(conditions.optimizers) and all(each.owned_keys is not None for each in conditions.optimizers),
            frozen_by=next((each for each in enclosing_paths(weight.layer) if each in conditions.frozen_layers), ""),
        )


def _unbuilt_optimizer(conditions: TrainingConditions) -> str:
    is_loop = conditions.optimizers_are_complete and conditions.training_kind is not TrainingKind.FIT
    return next((each.name for each in conditions.optimizers if is_loop and each.owned_keys is None), "")


class RecordTimeline:
    """The times of the records and the conditions at each of them.

    Attributes:
        records: The records, by number.
        conditions: The conditions, one entry per set of records with the same facts.
    """

    def __init__(self, history: History) -> None:
        steps = history.records
        self.records: Mapping[int, Record] = {step.number: step for step in steps}
        numbers = [step.number for step in steps]
        self._batches_since_kept = np.diff(history.timeline.total_batches, prepend=np.nan)
        self._batches_since_recorded = self._batches_since_kept / np.maximum(np.diff(numbers, prepend=0), 1)
        self._batches = dict(zip(numbers, history.timeline.total_batches.tolist(), strict=True))
        self._numbers = np.array(numbers, np.int64)
        self._positions = history.timeline.positions
        self.conditions, self._condition_index = _group_conditions(steps)

    def batches_between(self, first: int, last: int) -> float:
        """Return the number of batches between two records. NaN if unknown."""
        return self._batches[last] - self._batches[first]

    def batches_since(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the number of batches since the previous recorded record and since the previous kept record, for each record.

        If records in between were thinned away, their batches are assumed to be evenly spread.
        """
        places = np.searchsorted(self._numbers, numbers)
        return self._batches_since_recorded[places], self._batches_since_kept[places]

    def record_before(self, number: int) -> Record:
        """Return the previous record, or the first record itself."""
        place = int(np.searchsorted(self._numbers, number))
        return self.records[int(self._numbers[max(place - 1, 0)])]

    def epochs_before(self, numbers: np.ndarray) -> np.ndarray:
        """Return the number of epochs between each of these records and the previous record. 0 for the first record."""
        places = np.searchsorted(self._numbers, numbers)
        return self._positions[places] - self._positions[np.maximum(places - 1, 0)]

    def condition_index_at(self, numbers: np.ndarray) -> np.ndarray:
        """Return the index in `conditions` for each of these records."""
        return self._condition_index[np.searchsorted(self._numbers, numbers)]


def _group_conditions(records: Sequence[Record]) -> tuple[tuple[RecordConditions, ...], np.ndarray]:
    """Return the distinct conditions, and their index for each record."""
    found: dict[tuple[object, ...], int] = {}
    situations: list[RecordConditions] = []
    places = []
    previous = UNKNOWN_FACTS
    for step in records:
        facts = step.facts
        zeros = tuple(None if rate is None else rate == 0 for rate in facts.learning_rates)
        made = _optimizers_stepped(facts, previous)
        if step.kind == "epoch":  # it may directly follow the record of its last batch, without a step in between
            made = tuple(each or None for each in made)
        identity = (id(facts.conditions), zeros, made)
        if identity not in found:
            found[identity] = len(situations)
            situations.append(RecordConditions(facts.conditions, zeros, made))
        places.append(found[identity])
        previous = facts
    return tuple(situations), np.array(places, np.int64)


def _optimizers_stepped(facts: RecordFacts, previous: RecordFacts) -> tuple[bool | None, ...]:
    """Return whether each optimizer made a step between two records. None if unknown."""
    if _optimizer_names(facts) != _optimizer_names(previous):
        return (None,) * len(facts.iterations)
    pairs = zip(facts.iterations, previous.iterations, strict=True)
    return tuple(None if now is None or before is None else now != before for now, before in pairs)


def _optimizer_names(facts: RecordFacts) -> list[str]:
    return [each.name for each in facts.conditions.optimizers]


class DiagnosisContext:
    """The recorded training to diagnose.

    Attributes:
        catalog: The layers and weights of the model.
        facts: How the layers of the model are connected and configured.
        parameters: The value of every threshold.
        timeline: The times and conditions of the records.
        frozen_masks: Maps keys to boolean arrays that are True where a weight is frozen element by element, at the newest
            record.
    """

    def __init__(self, catalog: Catalog, history: History, facts: ModelFacts, parameters: Mapping[str, float]) -> None:
        self.timeline = RecordTimeline(history)
        self.frozen_masks = frozen_masks(history.frozen_parts)
        self.catalog = catalog
        self.facts = facts
        self.parameters = parameters
        self.history = history

    @cached_property
    def trajectories(self) -> Mapping[str, WeightTrace]:
        """Every recorded weight, in the order of the tree. Seeds of random number generators are not included."""
        found = {}
        for key, weight in self.catalog.weights.items():
            column = None if weight.role == SEED_STATE or not weight.size else self.history.weight_history(key)
            if column is not None and len(column.record_numbers):
                found[key] = WeightTrace(weight, column, self.timeline)
        return found

    @property
    def records(self) -> Mapping[int, Record]:
        """All records, by number."""
        return self.timeline.records

    def record_before(self, number: int) -> Record:
        """Return the previous record, or the first record itself."""
        return self.timeline.record_before(number)

    def changed_at(self, trajectory: WeightTrace, record_numbers: np.ndarray) -> bool:
        """Return whether training changed a weight at any of these records."""
        return bool(
            trajectory.num_changed[np.isin(trajectory.record_numbers[trajectory.training_indices], record_numbers)].any()
        )

    @cached_property
    def layers(self) -> Mapping[str, list[WeightTrace]]:
        """The weights of each layer that has any."""
        found: dict[str, list[WeightTrace]] = {}
        for trace in self.trajectories.values():
            found.setdefault(trace.weight.layer, []).append(trace)
        return found

    def kernels(self) -> Iterator[WeightTrace]:
        """Yield the trained weights that have columns: one column per unit, over the inputs."""
        for trace in self.trajectories.values():
            sides = [axis.side for axis in trace.weight.axes]
            if len(trace.changeable_indices) and is_trained_by_gradients(trace) and sides.count("out") == 1 and "in" in sides:
                yield trace

    @cached_property
    def has_changes(self) -> bool:
        """Whether training changed any trainable weight."""
        return any(trace.has_changed for trace in self.trajectories.values() if is_trained_by_gradients(trace))

    @cached_property
    def records_with_changes(self) -> np.ndarray:
        """The numbers of the records at which training changed any weight trained by gradients, in ascending order."""
        found = [
            trace.record_numbers[trace.training_indices][trace.num_changed > 0]
            for trace in self.trajectories.values()
            if is_trained_by_gradients(trace)
        ]
        return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)

    @cached_property
    def median_update(self) -> float:
        """The median over the changed weights of the root mean square change of an element per batch. NaN if there are none."""
        steps = [
            step
            for trace in self.trajectories.values()
            if is_trained_by_gradients(trace) and np.isfinite(step := trace.median_update)
        ]
        return float(np.median(steps)) if steps else np.nan


def is_trained_by_gradients(trajectory: WeightTrace) -> bool:
    """Return whether gradients update this kind of weight. Moving statistics and layer states are excluded."""
    return trajectory.weight.not_trainable not in (
        NotTrainableReason.MOVING_STATISTIC,
        NotTrainableReason.LAYER_STATE,
        NotTrainableReason.INTEGER_DTYPE,
    )
