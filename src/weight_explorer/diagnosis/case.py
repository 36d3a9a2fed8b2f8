"""What rules are asked about: the weights over the records, and which of the changes training made."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from weight_explorer.catalog.nodes import SEED_STATE, Axis, Catalog, NotTrainable, Weight, enclosing
from weight_explorer.diagnosis.facts import Facts
from weight_explorer.diagnosis.findings import Finding
from weight_explorer.recording.facts import UNKNOWN_FACTS, Activity, Conditions, RecordFacts
from weight_explorer.recording.frozen import masks_of
from weight_explorer.recording.past import Column, Past
from weight_explorer.recording.statistics import INDEX, QUANTITIES, widened
from weight_explorer.recording.time import FOUND_CHANGED, TRAINED, Step

_SINCE_START, _SINCE_LAST = QUANTITIES.index("since_start"), QUANTITIES.index("since_last")
# Kinds of records that leave what was found before them as it was, as long as nothing is trained after them.
_FOUND = (*FOUND_CHANGED, "reverted")


@dataclass(frozen=True, slots=True)
class Regime:
    """What held for one weight at a record of training.

    Attributes:
        activity: What kind of training it was.
        trains: Whether the training step updates the weight, None where that is not known.
        not_trainable: Why it was not trainable by its flags, None where it was.
        has_owner: Whether an optimizer that is known owns it.
        owners_known: Whether all optimizers are known that can have updated it.
        is_reached: Whether a path leads from its layer to a loss, None where that is not known.
        rate_is_zero: Whether the learning rate of its optimizer was 0, None where that is not known.
        made_steps: Whether its optimizer made a step since the record before, None where that is not known.
        optimizer: The class of its optimizer, "" where that is not known.
        scales_loss: Whether a loss scale is around its optimizer, which skips steps that are not finite.
        unbuilt: The class of an optimizer that a loop was said to use, and that made no step so far; "" for none.
        optimizers_known: Whether any optimizer is known, and of each which weights it owns.
        frozen_by: Path of the outermost layer, its own or one above, that had `trainable = False`; "" for none.
    """

    activity: Activity = Activity.NONE
    trains: bool | None = None
    not_trainable: NotTrainable | None = None
    has_owner: bool = False
    owners_known: bool = False
    is_reached: bool | None = None
    rate_is_zero: bool | None = None
    made_steps: bool | None = None
    optimizer: str = ""
    scales_loss: bool = False
    unbuilt: str = ""
    optimizers_known: bool = False
    frozen_by: str = ""

    def is_like(self, other: Regime) -> bool:
        """Whether it is the same as another, but for what is known of one of them only."""
        is_open = self.made_steps is None or other.made_steps is None
        return self == (replace(other, made_steps=self.made_steps) if is_open else other)

    @property
    def is_frozen(self) -> bool:
        """Whether `trainable = False` of its layer, or of one above, says that it is not to move."""
        is_statistic = self.not_trainable is NotTrainable.MOVING_STATISTIC and bool(self.frozen_by)
        return is_statistic or (self.not_trainable is not None and self.not_trainable.is_frozen)

    @property
    def is_idle(self) -> bool:
        """Whether this training could not move the weight, for a reason that was recorded."""
        is_left_out = self.trains is False or (self.trains is None and self.not_trainable is not None)
        return is_left_out or self.rate_is_zero is True or self.made_steps is False


class Trace:
    """One weight over the records.

    Attributes:
        weight: The weight.
        numbers: Numbers of the records with statistics.
        rows: Their statistics, of shape (records, `QUANTITIES`, `FIELDS`).
        observed: Places in `numbers` of the records that training led to, since somebody set the weights last.
        regimes: What held for the weight, one entry for each set of records with the same facts.
        regime_of: For each place of `observed`, which of these it was.
        trained: Those of them at which training could move the weight, as far as is known.
        gaps: Of these, how many batches were trained since the record made before, NaN where that is not known. In a past that
            was thinned it is an average: each change is that since a record that is not kept any more.
        spans: Of these, how many batches were trained since the record before that is kept, NaN where that is not known.
        kept: Numbers of the records with values, from the state that this training of the weight began with.
        is_kept_from_begin: Whether the first of these is that very state.
    """

    def __init__(self, weight: Weight, column: Column, times: Times) -> None:
        self.weight = weight
        self.numbers = column.numbers
        self.rows = column.rows(slice(None))
        self.sample = column.sample
        self._column = column
        self._times = times
        gaps, spans = times.gaps_at(self.numbers)
        begin = _begin([times.steps[int(number)] for number in self.numbers], self.rows[:, _SINCE_LAST, INDEX["moved"]], gaps)
        is_trained = np.array([times.steps[int(number)].kind in TRAINED for number in self.numbers], bool) & (gaps != 0)
        is_trained[: begin + 1] = False
        self.observed = np.flatnonzero(is_trained & ~np.isnan(self.rows[:, _SINCE_LAST, INDEX["moved"]]))
        self.observed_spans = spans[self.observed]
        self.regimes = tuple(each.regime(weight) for each in times.situations)
        self.regime_of = times.situation_at(self.numbers[self.observed])
        could_move = ~np.array([regime.is_idle for regime in self.regimes], bool)[self.regime_of]
        # What moved was trained, whatever is said of it.
        could_move |= self.moved > 0
        self.trained = self.observed[could_move]
        self.gaps, self.spans = gaps[self.trained], spans[self.trained]
        last = int(self.numbers[self.observed[-1]]) if len(self.observed) else int(self.numbers[-1])
        self.last = times.steps[last]
        first = int(self.numbers[max(int(self.trained[0]) - 1, begin)]) if len(self.trained) else int(self.numbers[begin])
        self.kept = tuple(number for number in column.kept if first <= number <= last)
        self.is_kept_from_begin = self.kept[:1] == (first,)

    @property
    def key(self) -> str:
        """The weight's key."""
        return self.weight.key

    def field(self, name: str, quantity: str = "since_last") -> np.ndarray:
        """One statistic at the records that training led to."""
        return self.rows[self.trained, QUANTITIES.index(quantity), INDEX[name]]

    def value_field(self, name: str) -> np.ndarray:
        """One statistic of the values at all records."""
        return self.rows[:, 0, INDEX[name]]

    @property
    def units(self) -> tuple[int, Axis]:
        """The number of the axis along which its units are, and that axis."""
        return next((number, axis) for number, axis in enumerate(self.weight.axes) if axis.side == "out")

    @property
    def batches(self) -> float:
        """How many batches were trained over all records at which training could move it, NaN where that is unknown."""
        return float(self.spans.sum())

    @cached_property
    def is_still(self) -> bool:
        """Whether training has moved no element, of those that are known; False where nothing was trained."""
        return len(self.observed) > 0 and self.still_from == 0

    @cached_property
    def still_from(self) -> int:
        """The place in `observed` from which on no element moved; its length where the last record moved some."""
        places = np.flatnonzero(self.moved)
        first = int(places[-1]) + 1 if len(places) else 0
        # Of records between that were thinned away the distance to the start tells.
        around = np.union1d(self.observed[first:], self.observed[first:] - 1)
        distances = self.rows[around, _SINCE_START][:, [INDEX["moved"], INDEX["norm"], INDEX["largest"]]]
        differs = np.flatnonzero(~np.all((distances == distances[-1:]) | np.isnan(distances), axis=1)) if len(around) else []
        last = int(around[differs[-1]]) if len(differs) else -1
        return max(first, int(np.searchsorted(self.observed, last, side="right")))

    @property
    def moved(self) -> np.ndarray:
        """How many elements moved at each record that training led to."""
        return self.rows[self.observed, _SINCE_LAST, INDEX["moved"]]

    @property
    def stands_still(self) -> bool:
        """Whether it did not move at the newest record that training led to."""
        return self.still_from < len(self.observed)

    def regimes_observed(self) -> list[Regime]:
        """Return what held at each record that training led to."""
        return [self.regimes[place] for place in self.regime_of.tolist()]

    @property
    def epochs(self) -> float:
        """Over how many epochs training could move it."""
        return float(self._times.epochs_before(self.numbers[self.trained]).sum())

    @property
    def moves(self) -> bool:
        """Whether training has moved any element."""
        return bool(self.field("moved").any())

    @property
    def is_trainable(self) -> bool:
        """Whether training could move it at the newest record, as far as is known."""
        return bool(len(self.trained)) and not self.regimes[int(self.regime_of[-1])].is_idle

    def ratios(self) -> np.ndarray:
        """The norm of each change of training over the norm of the weight; NaN where nothing moved.

        Of a weight of which few elements moved, such as an embedding whose tokens are rare, it is that of those elements.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = self.field("norm") / np.sqrt(self.field("moved"))
            sizes = self.field("norm", "value") / np.sqrt(self.field("count", "value"))
            return np.where(self.field("moved") > 0, moved / sizes, np.nan)

    def finding(
        self, rule: str, severity: str, sentence: str, evidence: Mapping[str, float], step: Step | None = None, **more: Any
    ) -> Finding:
        """Make a finding of this weight, at the last record that training led to or another; see `Finding`."""
        at = step or self.last
        where = {"key": self.key, "layer": self.weight.layer, "step": at.number, "epoch": at.keras_epoch, "keys": (self.key,)}
        return Finding(
            rule=rule, severity=severity, sentence=sentence, evidence=MappingProxyType(dict(evidence)), **where | more
        )

    @property
    def usual_step(self) -> float:
        """The root mean square change of an element that moved, in one batch: the middle one of the records."""
        moved, norms = self.field("moved"), self.field("norm")
        some = (moved > 0) & np.isfinite(self.gaps)
        return float(np.median(norms[some] / np.sqrt(moved[some]) / self.gaps[some])) if some.any() else np.nan

    def value(self, number: int) -> np.ndarray | None:
        """Values at a record, as floats of the weight's own shape; None where they are not kept whole."""
        found = None if self.sample is not None else self._column.value(number)
        return None if found is None or found.shape != self.weight.shape else widened(found)

    def ends(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Values before the first and after the last batch of this training, or None where they are not kept, or not whole."""
        if len(self.kept) < 2 or self.sample is not None or not self.is_kept_from_begin:
            return None
        first, last = self.value(self.kept[0]), self.value(self.kept[-1])
        return None if first is None or last is None else (first, last)


def _begin(steps: Sequence[Step], moved: np.ndarray, gaps: np.ndarray) -> int:
    """Return the place of the record with which the training that is to be examined began.

    That is the last one that shows other values than a training led to. Where records were thinned away, the first record of
    training after such a change tells of it.
    """
    # At a record of training before which no batch was trained, something else gave it these values, as a callback does.
    was_set = (moved > 0) & (gaps == 0) & np.array([step.kind in TRAINED for step in steps], bool)
    pairs = zip(reversed(steps), was_set[::-1].tolist(), strict=True)
    found = next((after for after, (step, other) in enumerate(pairs) if step.kind not in _FOUND and not other), 0)
    count, numbers = len(steps) - found, {step.number for step in steps}
    begins = (place for place in range(count) if was_set[place] or _begins(steps[place], float(moved[place]), numbers))
    return max(begins, default=0)


def _begins(step: Step, moved: float, kept: Collection[int]) -> bool:
    """Whether training is examined from a record on, of which `moved` elements differ from the record before."""
    if step.kind == "start":
        return moved > 0
    after = step.facts.after
    if after is not None and after.number not in kept:
        return True
    return step.kind not in (*TRAINED, "before") and bool(step.kind != "ended" or moved)


@dataclass(frozen=True, slots=True)
class Situation:
    """What held at several records: their conditions and, of each optimizer, whether its rate was 0 and it made a step."""

    conditions: Conditions
    rates_are_zero: tuple[bool | None, ...] = ()
    made_steps: tuple[bool | None, ...] = ()

    def regime(self, weight: Weight) -> Regime:
        """Return what held for one weight."""
        conditions, owner = self.conditions, self.conditions.owner_of(weight.key)
        optimizer = None if owner is None else conditions.optimizers[owner]
        return Regime(
            activity=conditions.activity,
            trains=None if conditions.trained is None else weight.key in conditions.trained,
            not_trainable=conditions.not_trainable.get(weight.key),
            has_owner=optimizer is not None,
            owners_known=conditions.owners_known and all(each.owned is not None for each in conditions.optimizers),
            is_reached=None if conditions.reached is None else weight.layer in conditions.reached,
            rate_is_zero=None if owner is None else self.rates_are_zero[owner],
            made_steps=None if owner is None else self.made_steps[owner],
            optimizer=optimizer.name if optimizer else "",
            scales_loss=bool(optimizer and optimizer.scales_loss),
            unbuilt=_unbuilt(conditions),
            optimizers_known=bool(conditions.optimizers) and all(each.owned is not None for each in conditions.optimizers),
            frozen_by=next((each for each in enclosing(weight.layer) if each in conditions.frozen_layers), ""),
        )


def _unbuilt(conditions: Conditions) -> str:
    is_loop = conditions.owners_known and conditions.activity is not Activity.FIT
    return next((each.name for each in conditions.optimizers if is_loop and each.owned is None), "")


class Times:
    """When the records were made, and what held then.

    Attributes:
        steps: The records, by number.
        situations: What held, one entry for each set of records with the same facts.
    """

    def __init__(self, past: Past) -> None:
        steps = past.records
        self.steps: Mapping[int, Step] = {step.number: step for step in steps}
        numbers = [step.number for step in steps]
        self._spans = np.diff(past.timeline.batches, prepend=np.nan)
        self._gaps = self._spans / np.maximum(np.diff(numbers, prepend=0), 1)
        self._batches = dict(zip(numbers, past.timeline.batches.tolist(), strict=True))
        self._numbers = np.array(numbers, np.int64)
        self._positions = past.timeline.positions
        self.situations, self._situation_of = _situations(steps)

    def between(self, first: int, last: int) -> float:
        """Batches that were trained between two records, NaN where that is unknown."""
        return self._batches[last] - self._batches[first]

    def gaps_at(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how many batches were trained since the record made before each of these, and since the one kept before.

        Where records between were thinned away, the batches are taken to be spread evenly over them.
        """
        places = np.searchsorted(self._numbers, numbers)
        return self._gaps[places], self._spans[places]

    def before(self, number: int) -> Step:
        """Return the record before one, or the first itself."""
        place = int(np.searchsorted(self._numbers, number))
        return self.steps[int(self._numbers[max(place - 1, 0)])]

    def epochs_before(self, numbers: np.ndarray) -> np.ndarray:
        """Return how many epochs lie between each of these records and the one before it; 0 of the first."""
        places = np.searchsorted(self._numbers, numbers)
        return self._positions[places] - self._positions[np.maximum(places - 1, 0)]

    def situation_at(self, numbers: np.ndarray) -> np.ndarray:
        """Return which of `situations` held at each of these records."""
        return self._situation_of[np.searchsorted(self._numbers, numbers)]


def _situations(steps: Sequence[Step]) -> tuple[tuple[Situation, ...], np.ndarray]:
    """Return the situations, and which of them held at each record."""
    found: dict[tuple[object, ...], int] = {}
    situations: list[Situation] = []
    places = []
    previous = UNKNOWN_FACTS
    for step in steps:
        facts = step.facts
        zeros = tuple(None if rate is None else rate == 0 for rate in facts.learning_rates)
        made = _made_steps(facts, previous)
        if step.kind == "epoch":  # it may follow right on the record of its last batch, between which nothing steps
            made = tuple(each or None for each in made)
        identity = (id(facts.conditions), zeros, made)
        if identity not in found:
            found[identity] = len(situations)
            situations.append(Situation(facts.conditions, zeros, made))
        places.append(found[identity])
        previous = facts
    return tuple(situations), np.array(places, np.int64)


def _made_steps(facts: RecordFacts, previous: RecordFacts) -> tuple[bool | None, ...]:
    """Whether each optimizer made a step between two records, None where that is not known."""
    if _names(facts) != _names(previous):
        return (None,) * len(facts.steps)
    pairs = zip(facts.steps, previous.steps, strict=True)
    return tuple(None if now is None or before is None else now != before for now, before in pairs)


def _names(facts: RecordFacts) -> list[str]:
    return [each.name for each in facts.conditions.optimizers]


class Case:
    """A training that is to be examined.

    Attributes:
        catalog: What the model holds.
        facts: How the layers of the model are connected and configured.
        parameters: The value of every threshold.
        times: When the records were made.
        masks: From key to a boolean array that is True where a weight is frozen element by element, at the newest record.
    """

    def __init__(self, catalog: Catalog, past: Past, facts: Facts, parameters: Mapping[str, float]) -> None:
        self.times = Times(past)
        self.masks = masks_of(past.frozen)
        self.catalog = catalog
        self.facts = facts
        self.parameters = parameters
        self.past = past

    @cached_property
    def traces(self) -> Mapping[str, Trace]:
        """Every weight of which something is recorded, in the order of the tree; seeds of random numbers are none."""
        found = {}
        for key, weight in self.catalog.weights.items():
            column = None if weight.role == SEED_STATE or not weight.size else self.past.column(key)
            if column is not None and len(column.numbers):
                found[key] = Trace(weight, column, self.times)
        return found

    @property
    def steps(self) -> Mapping[int, Step]:
        """All records, by number."""
        return self.times.steps

    def steps_before(self, number: int) -> Step:
        """Return the record before one, or the first itself."""
        return self.times.before(number)

    def moved_among(self, trace: Trace, numbers: np.ndarray) -> bool:
        """Whether training moved a weight at any of these records."""
        return bool(trace.moved[np.isin(trace.numbers[trace.observed], numbers)].any())

    @cached_property
    def layers(self) -> Mapping[str, list[Trace]]:
        """The weights of each layer that has any."""
        found: dict[str, list[Trace]] = {}
        for trace in self.traces.values():
            found.setdefault(trace.weight.layer, []).append(trace)
        return found

    def kernels(self) -> Iterator[Trace]:
        """Yield the weights that training moves and that have columns: one for each unit, over inputs."""
        for trace in self.traces.values():
            sides = [axis.side for axis in trace.weight.axes]
            if len(trace.trained) and is_weight(trace) and sides.count("out") == 1 and "in" in sides:
                yield trace

    @cached_property
    def moves(self) -> bool:
        """Whether training moved any trainable weight."""
        return any(trace.moves for trace in self.traces.values() if is_weight(trace))

    @cached_property
    def numbers_of_moves(self) -> np.ndarray:
        """Numbers of the records at which training moved any weight that gradients move, ascending."""
        found = [trace.numbers[trace.observed][trace.moved > 0] for trace in self.traces.values() if is_weight(trace)]
        return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)

    @cached_property
    def usual_step(self) -> float:
        """The root mean square change of an element in one batch: the middle one of the weights that move; NaN of none."""
        steps = [step for trace in self.traces.values() if is_weight(trace) and np.isfinite(step := trace.usual_step)]
        return float(np.median(steps)) if steps else np.nan


def is_weight(trace: Trace) -> bool:
    """Whether gradients move a weight of this kind: no moving statistic, and no state that a layer keeps."""
    return trace.weight.not_trainable not in (NotTrainable.MOVING_STATISTIC, NotTrainable.STATE, NotTrainable.WHOLE_NUMBERS)
