"""What rules are asked about: the weights over the records, and which of the changes training made."""

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
# Kinds of records that leave what was found before them as it was, as long as nothing is trained after them.
_KEEPS_EARLIER_FINDINGS = (*DETECTED_KINDS, "reverted")


@dataclass(frozen=True, slots=True)
class WeightConditions:
    """What held for one weight at a record of training.

    Attributes:
        activity: What kind of training it was.
        in_train_step: Whether the training step updates the weight, None where that is not known.
        not_trainable: Why it was not trainable by its flags, None where it was.
        has_optimizer: Whether an optimizer that is known owns it.
        owners_known: Whether all optimizers are known that can have updated it.
        reaches_loss: Whether a path leads from its layer to a loss, None where that is not known.
        learning_rate_is_zero: Whether the learning rate of its optimizer was 0, None where that is not known.
        optimizer_stepped: Whether its optimizer made a step since the record before, None where that is not known.
        optimizer: The class of its optimizer, "" where that is not known.
        scales_loss: Whether a loss scale is around its optimizer, which skips steps that are not finite.
        unbuilt_optimizer: The class of an optimizer that a loop was said to use, and that made no step so far; "" for none.
        optimizers_known: Whether any optimizer is known, and of each which weights it owns.
        frozen_by: Path of the outermost layer, its own or one above, that had `trainable = False`; "" for none.
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
        """Whether it is the same as another, but for what is known of one of them only."""
        is_open = self.optimizer_stepped is None or other.optimizer_stepped is None
        return self == (replace(other, optimizer_stepped=self.optimizer_stepped) if is_open else other)

    @property
    def is_frozen(self) -> bool:
        """Whether `trainable = False` of its layer, or of one above, says that it is not to move."""
        is_statistic = self.not_trainable is NotTrainableReason.MOVING_STATISTIC and bool(self.frozen_by)
        return is_statistic or (self.not_trainable is not None and self.not_trainable.is_frozen)

    @property
    def cannot_change(self) -> bool:
        """Whether this training could not move the weight, for a reason that was recorded."""
        is_left_out = self.in_train_step is False or (self.in_train_step is None and self.not_trainable is not None)
        return is_left_out or self.learning_rate_is_zero is True or self.optimizer_stepped is False


class WeightTrace:
    """One weight over the records.

    Attributes:
        weight: The weight.
        record_numbers: Numbers of the records with statistics.
        statistics: Their statistics, of shape (records, `QUANTITIES`, `FIELDS`).
        training_indices: Places in `record_numbers` of the records that training led to, since somebody set the weights last.
        conditions: What held for the weight, one entry for each set of records with the same facts.
        condition_index: For each place of `training_indices`, which of these it was.
        changeable_indices: Those of them at which training could move the weight, as far as is known.
        batches_since_recorded: Of these, how many batches were trained since the record made before, NaN where that is not
            known. In a past that was thinned it is an average: each change is that since a record that is not kept any more.
        batches_since_kept: Of these, how many batches were trained since the record before that is kept, NaN where that is not
            known.
        value_records: Numbers of the records with values, from the state that this training of the weight began with.
        has_initial_values: Whether the first of these is that very state.
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
        # What moved was trained, whatever is said of it.
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
        """The weight's key."""
        return self.weight.key

    def change_statistic(self, name: str, quantity: str = "since_last") -> np.ndarray:
        """One statistic at the records that training led to."""
        return self.statistics[self.changeable_indices, QUANTITIES.index(quantity), FIELD_INDEX[name]]

    def value_statistic(self, name: str) -> np.ndarray:
        """One statistic of the values at all records."""
        return self.statistics[:, 0, FIELD_INDEX[name]]

    @property
    def unit_axis(self) -> tuple[int, Axis]:
        """The number of the axis along which its units are, and that axis."""
        return next((number, axis) for number, axis in enumerate(self.weight.axes) if axis.side == "out")

    @property
    def num_batches(self) -> float:
        """How many batches were trained over all records at which training could move it, NaN where that is unknown."""
        return float(self.batches_since_kept.sum())

    @cached_property
    def is_unchanged(self) -> bool:
        """Whether training has moved no element, of those that are known; False where nothing was trained."""
        return len(self.training_indices) > 0 and self.unchanged_from == 0

    @cached_property
    def unchanged_from(self) -> int:
        """The place in `training_indices` from which on no element moved; its length where the last record moved some."""
        places = np.flatnonzero(self.num_changed)
        first = int(places[-1]) + 1 if len(places) else 0
        # Of records between that were thinned away the distance to the start tells.
        around = np.union1d(self.training_indices[first:], self.training_indices[first:] - 1)
        distances = self.statistics[around, _SINCE_START][
            :, [FIELD_INDEX["moved"], FIELD_INDEX["norm"], FIELD_INDEX["largest"]]
        ]
        differs = np.flatnonzero(~np.all((distances == distances[-1:]) | np.isnan(distances), axis=1)) if len(around) else []
        last = int(around[differs[-1]]) if len(differs) else -1
        return max(first, int(np.searchsorted(self.training_indices, last, side="right")))

    @property
    def num_changed(self) -> np.ndarray:
        """How many elements moved at each record that training led to."""
        return self.statistics[self.training_indices, _SINCE_LAST, FIELD_INDEX["moved"]]

    @property
    def has_stopped_changing(self) -> bool:
        """Whether it did not move at the newest record that training led to."""
        return self.unchanged_from < len(self.training_indices)

    def conditions_by_record(self) -> list[WeightConditions]:
        """Return what held at each record that training led to."""
        return [self.conditions[place] for place in self.condition_index.tolist()]

    @property
    def num_epochs(self) -> float:
        """Over how many epochs training could move it."""
        return float(self._timeline.epochs_before(self.record_numbers[self.changeable_indices]).sum())

    @property
    def has_changed(self) -> bool:
        """Whether training has moved any element."""
        return bool(self.change_statistic("moved").any())

    @property
    def is_trainable(self) -> bool:
        """Whether training could move it at the newest record, as far as is known."""
        return bool(len(self.changeable_indices)) and not self.conditions[int(self.condition_index[-1])].cannot_change

    def update_ratios(self) -> np.ndarray:
        """The norm of each change of training over the norm of the weight; NaN where nothing moved.

        Of a weight of which few elements moved, such as an embedding whose tokens are rare, it is that of those elements.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = self.change_statistic("norm") / np.sqrt(self.change_statistic("moved"))
            sizes = self.change_statistic("norm", "value") / np.sqrt(self.change_statistic("count", "value"))
            return np.where(self.change_statistic("moved") > 0, moved / sizes, np.nan)

    def make_finding(
        self, rule: str, severity: str, message: str, evidence: Mapping[str, float], record: Record | None = None, **fields: Any
    ) -> Finding:
        """Make a finding of this weight, at the last record that training led to or another; see `Finding`."""
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
        """The root mean square change of an element that moved, in one batch: the middle one of the records."""
        moved, norms = self.change_statistic("moved"), self.change_statistic("norm")
        some = (moved > 0) & np.isfinite(self.batches_since_recorded)
        return (
            float(np.median(norms[some] / np.sqrt(moved[some]) / self.batches_since_recorded[some])) if some.any() else np.nan
        )

    def values_at(self, record_number: int) -> np.ndarray | None:
        """Values at a record, as floats of the weight's own shape; None where they are not kept whole."""
        found = None if self.sample is not None else self._weight_history.values_at(record_number)
        return None if found is None or found.shape != self.weight.shape else to_float(found)

    def first_and_last_values(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Values before the first and after the last batch of this training, or None where they are not kept, or not whole."""
        if len(self.value_records) < 2 or self.sample is not None or not self.has_initial_values:
            return None
        first, last = self.values_at(self.value_records[0]), self.values_at(self.value_records[-1])
        return None if first is None or last is None else (first, last)


def _first_training_index(records: Sequence[Record], num_changed: np.ndarray, gaps: np.ndarray) -> int:
    """Return the place of the record with which the training that is to be examined began.

    That is the last one that shows other values than a training led to. Where records were thinned away, the first record of
    training after such a change tells of it.
    """
    # At a record of training before which no batch was trained, something else gave it these values, as a callback does.
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
    """Whether training is examined from a record on, of which `num_changed` elements differ from the record before."""
    if record.kind == "start":
        return num_changed > 0
    after = record.facts.preceding_change
    if after is not None and after.record_number not in kept_numbers:
        return True
    return record.kind not in (*TRAINED_KINDS, "before") and bool(record.kind != "ended" or num_changed)


@dataclass(frozen=True, slots=True)
class RecordConditions:
    """What held at several records: their conditions and, of each optimizer, whether its rate was 0 and it made a step."""

    conditions: TrainingConditions
    learning_rates_are_zero: tuple[bool | None, ...] = ()
    optimizers_stepped: tuple[bool | None, ...] = ()

    def for_weight(self, weight: Weight) -> WeightConditions:
        """Return what held for one weight."""
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
    """When the records were made, and what held then.

    Attributes:
        records: The records, by number.
        conditions: What held, one entry for each set of records with the same facts.
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
        """Batches that were trained between two records, NaN where that is unknown."""
        return self._batches[last] - self._batches[first]

    def batches_since(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how many batches were trained since the record made before each of these, and since the one kept before.

        Where records between were thinned away, the batches are taken to be spread evenly over them.
        """
        places = np.searchsorted(self._numbers, numbers)
        return self._batches_since_recorded[places], self._batches_since_kept[places]

    def record_before(self, number: int) -> Record:
        """Return the record before one, or the first itself."""
        place = int(np.searchsorted(self._numbers, number))
        return self.records[int(self._numbers[max(place - 1, 0)])]

    def epochs_before(self, numbers: np.ndarray) -> np.ndarray:
        """Return how many epochs lie between each of these records and the one before it; 0 of the first."""
        places = np.searchsorted(self._numbers, numbers)
        return self._positions[places] - self._positions[np.maximum(places - 1, 0)]

    def condition_index_at(self, numbers: np.ndarray) -> np.ndarray:
        """Return which of `conditions` held at each of these records."""
        return self._condition_index[np.searchsorted(self._numbers, numbers)]


def _group_conditions(records: Sequence[Record]) -> tuple[tuple[RecordConditions, ...], np.ndarray]:
    """Return the situations, and which of them held at each record."""
    found: dict[tuple[object, ...], int] = {}
    situations: list[RecordConditions] = []
    places = []
    previous = UNKNOWN_FACTS
    for step in records:
        facts = step.facts
        zeros = tuple(None if rate is None else rate == 0 for rate in facts.learning_rates)
        made = _optimizers_stepped(facts, previous)
        if step.kind == "epoch":  # it may follow right on the record of its last batch, between which nothing steps
            made = tuple(each or None for each in made)
        identity = (id(facts.conditions), zeros, made)
        if identity not in found:
            found[identity] = len(situations)
            situations.append(RecordConditions(facts.conditions, zeros, made))
        places.append(found[identity])
        previous = facts
    return tuple(situations), np.array(places, np.int64)


def _optimizers_stepped(facts: RecordFacts, previous: RecordFacts) -> tuple[bool | None, ...]:
    """Whether each optimizer made a step between two records, None where that is not known."""
    if _optimizer_names(facts) != _optimizer_names(previous):
        return (None,) * len(facts.iterations)
    pairs = zip(facts.iterations, previous.iterations, strict=True)
    return tuple(None if now is None or before is None else now != before for now, before in pairs)


def _optimizer_names(facts: RecordFacts) -> list[str]:
    return [each.name for each in facts.conditions.optimizers]


class DiagnosisContext:
    """A training that is to be examined.

    Attributes:
        catalog: What the model holds.
        facts: How the layers of the model are connected and configured.
        parameters: The value of every threshold.
        timeline: When the records were made.
        frozen_masks: From key to a boolean array that is True where a weight is frozen element by element, at the newest
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
        """Every weight of which something is recorded, in the order of the tree; seeds of random numbers are none."""
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
        """Return the record before one, or the first itself."""
        return self.timeline.record_before(number)

    def changed_at(self, trajectory: WeightTrace, record_numbers: np.ndarray) -> bool:
        """Whether training moved a weight at any of these records."""
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
        """Yield the weights that training moves and that have columns: one for each unit, over inputs."""
        for trace in self.trajectories.values():
            sides = [axis.side for axis in trace.weight.axes]
            if len(trace.changeable_indices) and is_trained_by_gradients(trace) and sides.count("out") == 1 and "in" in sides:
                yield trace

    @cached_property
    def has_changes(self) -> bool:
        """Whether training moved any trainable weight."""
        return any(trace.has_changed for trace in self.trajectories.values() if is_trained_by_gradients(trace))

    @cached_property
    def records_with_changes(self) -> np.ndarray:
        """Numbers of the records at which training moved any weight that gradients move, ascending."""
        found = [
            trace.record_numbers[trace.training_indices][trace.num_changed > 0]
            for trace in self.trajectories.values()
            if is_trained_by_gradients(trace)
        ]
        return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)

    @cached_property
    def median_update(self) -> float:
        """The root mean square change of an element in one batch: the middle one of the weights that move; NaN of none."""
        steps = [
            step
            for trace in self.trajectories.values()
            if is_trained_by_gradients(trace) and np.isfinite(step := trace.median_update)
        ]
        return float(np.median(steps)) if steps else np.nan


def is_trained_by_gradients(trajectory: WeightTrace) -> bool:
    """Whether gradients move a weight of this kind: no moving statistic, and no state that a layer keeps."""
    return trajectory.weight.not_trainable not in (
        NotTrainableReason.MOVING_STATISTIC,
        NotTrainableReason.LAYER_STATE,
        NotTrainableReason.INTEGER_DTYPE,
    )
