"""Reads what holds in a training from the live model and its optimizers, for the facts that each record keeps.

It runs on the training's own thread, where a record is made, and never calls code of the user's: a learning rate that is a
function or a schedule class of their own is unknown.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from weight_explorer.catalog.nodes import Catalog, enclosing
from weight_explorer.catalog.walk import read_values
from weight_explorer.diagnosis.model import known, reached_layers
from weight_explorer.recording.facts import Activity, Conditions, OptimizerFacts, Preceding, Rate, RecordFacts


@dataclass(frozen=True, slots=True)
class _Optimizer:
    """An optimizer that updates weights, and whether a loss scale is around it."""

    optimizer: Any
    scales_loss: bool = False

    def steps(self) -> int | None:
        # The public `iterations` is no variable where gradients are accumulated; schedules are asked with this one.
        counter = getattr(self.optimizer, "_iterations", None)
        return known(lambda: int(read_values(self.optimizer.iterations if counter is None else counter)))

    def owned(self, catalog: Catalog) -> frozenset[str] | None:
        if not self.optimizer.built:
            return None
        # Keras has no public list of them: `optimizer.variables` are its own.
        ids = {id(variable) for variable in self.optimizer._trainable_variables}  # noqa: SLF001
        return frozenset(key for key, variable in catalog.variables.items() if id(variable) in ids)


class FactsReader:
    """Reads the facts of each record of one model.

    Args:
        model: The model that is explored.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._trainer: Any = model
        self._activity = Activity.NONE
        self._given: tuple[_Optimizer, ...] | None = None
        self._optimizers: tuple[_Optimizer, ...] = ()
        self._conditions = Conditions()
        # What differs in the activity alone, so that records share it where that goes back and forth.
        self._by_activity: dict[Activity, Conditions] = {}
        self._seen: tuple[Any, ...] = ()
        self._trace = _Trace()
        self._steps_noted = 0
        # By the optimizer itself: a new one may have the id of one that is gone.
        self._last_steps: weakref.WeakKeyDictionary[Any, int | None] = weakref.WeakKeyDictionary()
        self._noted: tuple[tuple[int | None, ...], tuple[float | Rate | None, ...]] = (), ()

    def begin(self, activity: Activity, trainer: Any = None) -> None:
        """Note that a training begins: of the model itself, or of one that shares layers with it."""
        self._trainer = trainer if trainer is not None else self._model
        self._activity, self._given, self._seen = activity, None, ()
        self._steps_noted = 0
        if activity is Activity.FIT:
            known(self._note_function)

    def note_step(self, optimizers: Any) -> None:
        """Note a step of a loop of the user's own; `optimizers` are those that made it, None where they do not say."""
        self._steps_noted += 1
        if optimizers is not None and not self._is_given(optimizers):
            self._given = tuple(each for optimizer in _listed(optimizers) for each in _unwrapped(optimizer))
            self._seen = ()

    def note_rates(self) -> None:
        """Note the learning rates of the last batch of an epoch: a callback may set others before its end is recorded."""
        steps = tuple(each.steps() for each in self._optimizers)
        self._noted = steps, self._rates(steps)

    def _rates(self, steps: tuple[int | None, ...]) -> tuple[float | Rate | None, ...]:
        return tuple(_rate_of(each.optimizer, count) for each, count in zip(self._optimizers, steps, strict=True))

    def _rates_of_last_batch(self, steps: tuple[int | None, ...]) -> tuple[float | Rate | None, ...]:
        """Return the learning rates at the end of an epoch: those noted after its last batch, else only those of schedules."""
        noted_steps, rates = self._noted
        return rates if noted_steps == steps else tuple(rate if isinstance(rate, Rate) else None for rate in self._rates(steps))

    def flags(self, catalog: Catalog) -> tuple[bool, ...]:
        """Return which layers are trainable by their own flags, to see that one was changed."""
        return tuple(
            known(lambda layer=layer: bool(getattr(layer, "trainable", True))) is not False for layer in catalog.layers.values()
        )

    def steps_unseen(self) -> int:
        """Return how many steps the compiled optimizer has made since facts were read last; 0 where that is not known."""
        pairs = [(each.steps(), self._last_steps.get(each.optimizer)) for each in self._compiled()]
        return max((now - before for now, before in pairs if now is not None and before is not None), default=0)

    def read(self, catalog: Catalog, after: Preceding | None = None, *, ends_epoch: bool = False) -> RecordFacts:
        """Read what holds now, in the training that runs; `ends_epoch` says that an epoch has just ended."""
        seen = self._state(catalog)
        if len(seen) != len(self._seen) or any(now is not before for now, before in zip(seen, self._seen, strict=True)):
            self._conditions, self._seen = self._read_conditions(catalog), self._state(catalog)
            self._by_activity = {self._conditions.activity: self._conditions}
        steps = tuple(each.steps() for each in self._optimizers)
        conditions = self._with_activity(steps)
        rates = self._rates_of_last_batch(steps) if ends_epoch else self._rates(steps)
        self._noted = steps, rates
        self._last_steps.update((each.optimizer, count) for each, count in zip(self._optimizers, steps, strict=True))
        self._steps_noted = 0
        return RecordFacts(conditions, rates, steps, after)

    def holds_averages(self) -> bool:
        """Whether each weight is, bit by bit, the moving average that its optimizer keeps of it (`use_ema=True`)."""
        pairs = [pair for each in self._optimizers if each.optimizer.use_ema for pair in _averages_of(each.optimizer)]
        return bool(pairs) and bool(known(lambda: all(_is_equal(variable, average) for variable, average in pairs)))

    def read_at_rest(self, catalog: Catalog) -> RecordFacts:
        """Read what holds while nothing is trained: which weights are not trainable, and why."""
        self._last_steps.update((each.optimizer, each.steps()) for each in self._compiled())
        return RecordFacts(_flags_of(catalog))

    def _compiled(self) -> Iterator[_Optimizer]:
        """Yield the optimizers that the model was compiled with."""
        optimizer = getattr(self._model, "optimizer", None)
        return iter(()) if optimizer is None else _unwrapped(optimizer)

    def _note_function(self) -> None:
        """Note whether the train function is one that no step has compiled yet: a model may have no weights at all so far."""
        self._optimizers = known(lambda: self._find_optimizers(None, only_own=True)) or ()
        if self._is_untraced():
            self._trace.expect(self._trainer.train_function)

    def _is_given(self, optimizers: Any) -> bool:
        given = [each.optimizer for each in self._given or ()]
        wanted = [each.optimizer for optimizer in _listed(optimizers) for each in _unwrapped(optimizer)]
        return len(given) == len(wanted) and all(one is other for one, other in zip(given, wanted, strict=True))

    def _state(self, catalog: Catalog) -> tuple[Any, ...]:
        """Return what decides whether conditions must be read again, as objects to compare by identity; cheap to collect."""
        optimizer = getattr(self._trainer, "optimizer", None)
        function = getattr(self._trainer, "train_function", None)
        built = tuple(bool(each.optimizer.built) for each in self._optimizers)
        return catalog, optimizer, function, *built

    def _read_conditions(self, catalog: Catalog) -> Conditions:
        flags, is_plain = _flags_of(catalog), _has_plain_step(self._trainer)
        is_fit = self._activity is Activity.FIT
        self._optimizers = known(lambda: self._find_optimizers(catalog, only_own=is_fit and is_plain)) or ()
        owned = tuple(known(lambda each=each: each.owned(catalog)) for each in self._optimizers)
        names = [type(each.optimizer).__name__ for each in self._optimizers]
        facts = zip(names, owned, (each.scales_loss for each in self._optimizers), strict=True)
        return replace(
            flags,
            activity=self._activity,
            trained=known(lambda: self._trained(catalog)) if is_fit and is_plain else None,
            optimizers=tuple(OptimizerFacts(*each) for each in facts),
            owners_known=bool(self._optimizers) and (is_plain if is_fit else self._given is not None),
            reached=known(lambda: reached_layers(self._trainer, catalog)) if is_fit else None,
        )

    def _find_optimizers(self, catalog: Catalog | None, *, only_own: bool) -> tuple[_Optimizer, ...]:
        if self._given is not None:
            return self._given
        found = {}
        for holder in [self._trainer] if only_own or catalog is None else [self._trainer, *catalog.layers.values()]:
            for optimizer in _held_by(holder, only_own=only_own):
                found |= {id(each.optimizer): each for each in _unwrapped(optimizer)}
        return tuple(found.values())

    def _trained(self, catalog: Catalog) -> frozenset[str] | None:
        """Return the keys of the weights that the compiled step of Keras updates, None where that is not known."""
        trainer = self._trainer
        flagged = frozenset(id(variable) for variable in trainer.trainable_variables)
        if keras.backend.backend() == "torch" or trainer.run_eagerly:
            ids: frozenset[int] | None = flagged  # it asks the flags at every step
        else:
            ids = self._trace.ids(trainer.train_function, flagged)
        return None if ids is None else frozenset(key for key, each in catalog.variables.items() if id(each) in ids)

    def _is_untraced(self) -> bool:
        """Whether no step can have been compiled yet by a function that was not seen before."""
        for each in self._optimizers:
            steps = each.steps()
            if steps is None or (steps and self._last_steps.get(each.optimizer, 0) != steps):
                return False
        return True

    def _with_activity(self, steps: tuple[int | None, ...]) -> Conditions:
        """Tell `train_on_batch`: the compiled optimizer makes one step for each that is noted."""
        is_loop = self._activity is Activity.LOOP and getattr(self._trainer, "train_function", None) is not None
        if not (is_loop and self._steps_noted and self._optimizers):
            return self._conditions
        before = self._last_steps.get(self._optimizers[0].optimizer) or 0
        is_compiled = steps[0] is not None and steps[0] - before == self._steps_noted
        activity = Activity.TRAIN_ON_BATCH if is_compiled else Activity.LOOP
        if activity not in self._by_activity:
            self._by_activity[activity] = replace(self._conditions, activity=activity)
        self._conditions = self._by_activity[activity]
        return self._conditions


class _Trace:
    """Which variables a compiled train function updates: those that were trainable when it was traced."""

    def __init__(self) -> None:
        self._function: Any = None
        self._expected: Any = None
        self._ids: frozenset[int] | None = None

    def expect(self, function: Any) -> None:
        """Note a function that will be traced by the next step, unless it is the one that was traced before."""
        if function is not self._function:
            self._expected = function

    def ids(self, function: Any, flagged: frozenset[int]) -> frozenset[int] | None:
        """Return the ids of the variables, None where the function may have been traced before anyone looked.

        One that is made in the middle of a training is traced by its next step.
        """
        if function is not self._function:
            is_new = function is self._expected or (self._function is not None and self._expected is self._function)
            self._function, self._expected, self._ids = function, function, flagged if is_new else None
        return self._ids


def _averages_of(optimizer: Any) -> Iterator[tuple[Any, Any]]:
    averages = getattr(optimizer, "_model_variables_moving_average", ())
    return zip(optimizer._trainable_variables, averages, strict=False)  # noqa: SLF001 - there is no public name for either


def _is_equal(variable: Any, average: Any) -> bool:
    return np.array_equal(read_values(variable), read_values(average), equal_nan=True)


def _flags_of(catalog: Catalog) -> Conditions:
    reasons = {key: weight.not_trainable for key, weight in catalog.weights.items() if weight.not_trainable is not None}
    frozen = frozenset(path for path, layer in catalog.layers.items() if not getattr(layer, "trainable", True))
    within = frozenset(path for path in catalog.layers if any(each in frozen for each in enclosing(path)))
    return Conditions(not_trainable=MappingProxyType(reasons), frozen_layers=within)


def _has_plain_step(model: Any) -> bool:
    """Whether `fit` trains the model by the step that Keras brings."""
    return all(getattr(type(model), name, None) is getattr(keras.Model, name) for name in ("train_step", "make_train_function"))


# Attributes of a model that may hold several optimizers.
_GROUPS = (Mapping, list, tuple)


def _held_by(holder: Any, *, only_own: bool) -> Iterator[Any]:
    """Yield the optimizers that a model holds: the compiled one and, unless `only_own`, those among its attributes."""
    compiled = getattr(holder, "optimizer", None)
    attributes = () if only_own or not isinstance(holder, keras.Model) else tuple(vars(holder).values())
    groups = (each.values() if isinstance(each, Mapping) else each for each in attributes if isinstance(each, _GROUPS))
    for each in (compiled, *attributes, *(member for group in groups for member in group)):
        if isinstance(each, keras.optimizers.Optimizer):
            yield each


def _listed(optimizers: Any) -> Sequence[Any]:
    return optimizers if isinstance(optimizers, (list, tuple)) else (optimizers,)


def _unwrapped(optimizer: Any, *, scales_loss: bool = False) -> Iterator[_Optimizer]:
    """Yield the optimizers that update weights: of one that wraps others, those."""
    inner = getattr(optimizer, "inner_optimizer", None)
    parts = getattr(optimizer, "optimizers", None)
    if inner is not None:
        yield from _unwrapped(inner, scales_loss=True)
    elif isinstance(parts, (list, tuple)) and parts:
        for part in parts:
            yield from _unwrapped(part, scales_loss=scales_loss)
    else:
        yield _Optimizer(optimizer, scales_loss)


def _rate_of(optimizer: Any, steps: int | None) -> float | Rate | None:
    """Return the learning rate of the last step."""
    # The public `learning_rate` would call a function of the user's.
    rate = getattr(optimizer, "_learning_rate", None)
    if isinstance(rate, keras.Variable):
        return known(lambda: float(read_values(rate)))
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        is_ours = type(rate).__module__.partition(".")[0] == "keras"
        return Rate(_evaluation(rate, steps)) if is_ours and steps is not None else None
    return None if rate is None or callable(rate) else known(lambda: float(rate))


def _evaluation(schedule: Any, steps: int | None) -> Callable[[], float | None]:
    step = max((steps or 0) - 1, 0)
    return lambda: known(lambda: float(np.asarray(keras.ops.convert_to_numpy(schedule(step)))))
