"""Reads the facts that each record keeps from the live model and its optimizers.

The reader runs on the training thread, where records are made, and never calls user code: a learning rate that is a function
or a custom schedule class is unknown.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from weight_explorer.catalog.builder import read_values
from weight_explorer.catalog.schema import Catalog, enclosing_paths
from weight_explorer.diagnosis.model_reader import layers_reaching_loss, try_read
from weight_explorer.recording.facts import (
    LazyLearningRate,
    OptimizerFacts,
    PrecedingChange,
    RecordFacts,
    TrainingConditions,
    TrainingKind,
)


@dataclass(frozen=True, slots=True)
class _TrackedOptimizer:
    """An optimizer that updates weights, and whether a loss scale optimizer wraps it."""

    optimizer: Any
    scales_loss: bool = False

    def iterations(self) -> int | None:
        # With gradient accumulation, the public `iterations` is not a variable. Schedules are evaluated with this private one.
        counter = getattr(self.optimizer, "_iterations", None)
        return try_read(lambda: int(read_values(self.optimizer.iterations if counter is None else counter)))

    def owned_keys(self, catalog: Catalog) -> frozenset[str] | None:
        if not self.optimizer.built:
            return None
        # Keras has no public list of the trained variables: `optimizer.variables` holds the optimizer's own state.
        ids = {id(variable) for variable in self.optimizer._trainable_variables}  # noqa: SLF001
        return frozenset(key for key, variable in catalog.variables.items() if id(variable) in ids)


class FactsReader:
    """Reads the facts of each record of one model.

    Args:
        model: The explored model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._trainer: Any = model
        self._training_kind = TrainingKind.NONE
        self._declared_optimizers: tuple[_TrackedOptimizer, ...] | None = None
        self._optimizers: tuple[_TrackedOptimizer, ...] = ()
        self._conditions = TrainingConditions()
        # Conditions that differ only in the training kind. Records share these objects when the kind alternates.
        self._conditions_by_kind: dict[TrainingKind, TrainingConditions] = {}
        self._last_identity: tuple[Any, ...] = ()
        self._traced_variables = _TracedVariables()
        self._steps_since_record = 0
        # Keyed by the optimizer itself, since a new one may have the id of a deleted one.
        self._last_iterations: weakref.WeakKeyDictionary[Any, int | None] = weakref.WeakKeyDictionary()
        self._noted_rates: tuple[tuple[int | None, ...], tuple[float | LazyLearningRate | None, ...]] = (), ()

    def begin(self, training_kind: TrainingKind, trainer: Any = None) -> None:
        """Note that a training begins. `trainer` is the model that is trained, if it is another one that shares layers."""
        self._trainer = trainer if trainer is not None else self._model
        self._training_kind, self._declared_optimizers, self._last_identity = training_kind, None, ()
        self._steps_since_record = 0
        if training_kind is TrainingKind.FIT:
            try_read(self._note_train_function)

    def note_step(self, optimizers: Any) -> None:
        """Note a step of a custom training loop. `optimizers` are the optimizers of the step, or None if they are not given."""
        self._steps_since_record += 1
        if optimizers is not None and not self._is_declared(optimizers):
            self._declared_optimizers = tuple(each for optimizer in _as_sequence(optimizers) for each in _unwrap(optimizer))
            self._last_identity = ()

    def note_learning_rates(self) -> None:
        """Note the learning rates of the last batch of an epoch. A callback may change them before its end is recorded."""
        steps = tuple(each.iterations() for each in self._optimizers)
        self._noted_rates = steps, self._learning_rates(steps)

    def _learning_rates(self, iterations: tuple[int | None, ...]) -> tuple[float | LazyLearningRate | None, ...]:
        return tuple(_learning_rate_of(each.optimizer, count) for each, count in zip(self._optimizers, iterations, strict=True))

    def _learning_rates_of_last_batch(self, iterations: tuple[int | None, ...]) -> tuple[float | LazyLearningRate | None, ...]:
        """Return the learning rates noted after the last batch of an epoch, or only those of schedules if none were noted."""
        noted_steps, rates = self._noted_rates
        return (
            rates
            if noted_steps == iterations
            else tuple(rate if isinstance(rate, LazyLearningRate) else None for rate in self._learning_rates(iterations))
        )

    def trainable_flags(self, catalog: Catalog) -> tuple[bool, ...]:
        """Return the `trainable` flag of each layer, to detect changes."""
        return tuple(
            try_read(lambda layer=layer: bool(getattr(layer, "trainable", True))) is not False
            for layer in catalog.layers.values()
        )

    def num_unrecorded_steps(self) -> int:
        """Return the number of steps of the compiled optimizer since facts were last read, or 0 if unknown."""
        pairs = [(each.iterations(), self._last_iterations.get(each.optimizer)) for each in self._compiled_optimizers()]
        return max((now - before for now, before in pairs if now is not None and before is not None), default=0)

    def read(
        self, catalog: Catalog, preceding_change: PrecedingChange | None = None, *, ends_epoch: bool = False
    ) -> RecordFacts:
        """Read the current facts of the running training. `ends_epoch` is True if an epoch has just ended."""
        seen = self._identity(catalog)
        if len(seen) != len(self._last_identity) or any(
            now is not before for now, before in zip(seen, self._last_identity, strict=True)
        ):
            self._conditions, self._last_identity = self._read_conditions(catalog), self._identity(catalog)
            self._conditions_by_kind = {self._conditions.training_kind: self._conditions}
        steps = tuple(each.iterations() for each in self._optimizers)
        conditions = self._with_training_kind(steps)
        rates = self._learning_rates_of_last_batch(steps) if ends_epoch else self._learning_rates(steps)
        self._noted_rates = steps, rates
        self._last_iterations.update((each.optimizer, count) for each, count in zip(self._optimizers, steps, strict=True))
        self._steps_since_record = 0
        return RecordFacts(conditions, rates, steps, preceding_change)

    def weights_are_averages(self) -> bool:
        """Return whether each weight exactly equals the moving average that its optimizer keeps (`use_ema=True`)."""
        pairs = [pair for each in self._optimizers if each.optimizer.use_ema for pair in _averages_of(each.optimizer)]
        return bool(pairs) and bool(try_read(lambda: all(_is_equal(variable, average) for variable, average in pairs)))

    def read_at_rest(self, catalog: Catalog) -> RecordFacts:
        """Read the facts while no training is running: which weights are not trainable, and why."""
        self._last_iterations.update((each.optimizer, each.iterations()) for each in self._compiled_optimizers())
        return RecordFacts(_conditions_of_flags(catalog))

    def _compiled_optimizers(self) -> Iterator[_TrackedOptimizer]:
        """Yield the optimizers that the model was compiled with."""
        optimizer = getattr(self._model, "optimizer", None)
        return iter(()) if optimizer is None else _unwrap(optimizer)

    def _note_train_function(self) -> None:
        """Note the train function if no step has compiled it yet. The model may not have any weights at this point."""
        self._optimizers = try_read(lambda: self._find_optimizers(None, only_own=True)) or ()
        if self._is_untraced():
            self._traced_variables.expect(self._trainer.train_function)

    def _is_declared(self, optimizers: Any) -> bool:
        given = [each.optimizer for each in self._declared_optimizers or ()]
        wanted = [each.optimizer for optimizer in _as_sequence(optimizers) for each in _unwrap(optimizer)]
        return len(given) == len(wanted) and all(one is other for one, other in zip(given, wanted, strict=True))

    def _identity(self, catalog: Catalog) -> tuple[Any, ...]:
        """Return objects to compare by identity: if any differs, conditions must be read again. Cheap to collect."""
        optimizer = getattr(self._trainer, "optimizer", None)
        function = getattr(self._trainer, "train_function", None)
        built = tuple(bool(each.optimizer.built) for each in self._optimizers)
        return catalog, optimizer, function, *built

    def _read_conditions(self, catalog: Catalog) -> TrainingConditions:
        flags, is_plain = _conditions_of_flags(catalog), _uses_keras_step(self._trainer)
        is_fit = self._training_kind is TrainingKind.FIT
        self._optimizers = try_read(lambda: self._find_optimizers(catalog, only_own=is_fit and is_plain)) or ()
        owned = tuple(try_read(lambda each=each: each.owned_keys(catalog)) for each in self._optimizers)
        names = [type(each.optimizer).__name__ for each in self._optimizers]
        facts = zip(names, owned, (each.scales_loss for each in self._optimizers), strict=True)
        return replace(
            flags,
            training_kind=self._training_kind,
            trained_keys=try_read(lambda: self._trained_keys(catalog)) if is_fit and is_plain else None,
            optimizers=tuple(OptimizerFacts(*each) for each in facts),
            optimizers_are_complete=bool(self._optimizers) and (is_plain if is_fit else self._declared_optimizers is not None),
            layers_reaching_loss=try_read(lambda: layers_reaching_loss(self._trainer, catalog)) if is_fit else None,
        )

    def _find_optimizers(self, catalog: Catalog | None, *, only_own: bool) -> tuple[_TrackedOptimizer, ...]:
        if self._declared_optimizers is not None:
            return self._declared_optimizers
        found = {}
        for holder in [self._trainer] if only_own or catalog is None else [self._trainer, *catalog.layers.values()]:
            for optimizer in _optimizers_of(holder, only_own=only_own):
                found |= {id(each.optimizer): each for each in _unwrap(optimizer)}
        return tuple(found.values())

    def _trained_keys(self, catalog: Catalog) -> frozenset[str] | None:
        """Return the keys of the weights that the compiled Keras train step updates, or None if unknown."""
        trainer = self._trainer
        flagged = frozenset(id(variable) for variable in trainer.trainable_variables)
        if keras.backend.backend() == "torch" or trainer.run_eagerly:
            ids: frozenset[int] | None = flagged  # the flags are read at every step
        else:
            ids = self._traced_variables.ids(trainer.train_function, flagged)
        return None if ids is None else frozenset(key for key, each in catalog.variables.items() if id(each) in ids)

    def _is_untraced(self) -> bool:
        """Return whether a new train function cannot have been traced yet, because no unrecorded steps were made."""
        for each in self._optimizers:
            steps = each.iterations()
            if steps is None or (steps and self._last_iterations.get(each.optimizer, 0) != steps):
                return False
        return True

    def _with_training_kind(self, iterations: tuple[int | None, ...]) -> TrainingConditions:
        """Detect `train_on_batch`: the compiled optimizer makes exactly one step for each noted step."""
        is_loop = self._training_kind is TrainingKind.LOOP and getattr(self._trainer, "train_function", None) is not None
        if not (is_loop and self._steps_since_record and self._optimizers):
            return self._conditions
        before = self._last_iterations.get(self._optimizers[0].optimizer) or 0
        is_compiled = iterations[0] is not None and iterations[0] - before == self._steps_since_record
        activity = TrainingKind.TRAIN_ON_BATCH if is_compiled else TrainingKind.LOOP
        if activity not in self._conditions_by_kind:
            self._conditions_by_kind[activity] = replace(self._conditions, training_kind=activity)
        self._conditions = self._conditions_by_kind[activity]
        return self._conditions


class _TracedVariables:
    """The variables that a compiled train function updates: those that were trainable when it was traced."""

    def __init__(self) -> None:
        self._function: Any = None
        self._expected: Any = None
        self._ids: frozenset[int] | None = None

    def expect(self, function: Any) -> None:
        """Note a function that the next step will trace, unless it was already traced."""
        if function is not self._function:
            self._expected = function

    def ids(self, function: Any, trainable_ids: frozenset[int]) -> frozenset[int] | None:
        """Return the ids of the variables, or None if the function may have been traced before it was seen.

        A function created in the middle of a training is traced by the next step.
        """
        if function is not self._function:
            is_new = function is self._expected or (self._function is not None and self._expected is self._function)
            self._function, self._expected, self._ids = function, function, trainable_ids if is_new else None
        return self._ids


def _averages_of(optimizer: Any) -> Iterator[tuple[Any, Any]]:
    averages = getattr(optimizer, "_model_variables_moving_average", ())
    return zip(optimizer._trainable_variables, averages, strict=False)  # noqa: SLF001 - neither has a public name


def _is_equal(variable: Any, average: Any) -> bool:
    return np.array_equal(read_values(variable), read_values(average), equal_nan=True)


def _conditions_of_flags(catalog: Catalog) -> TrainingConditions:
    reasons = {key: weight.not_trainable for key, weight in catalog.weights.items() if weight.not_trainable is not None}
    frozen = frozenset(path for path, layer in catalog.layers.items() if not getattr(layer, "trainable", True))
    within = frozenset(path for path in catalog.layers if any(each in frozen for each in enclosing_paths(path)))
    return TrainingConditions(not_trainable=MappingProxyType(reasons), frozen_layers=within)


def _uses_keras_step(model: Any) -> bool:
    """Return whether `fit` uses the standard train step of Keras for this model."""
    return all(getattr(type(model), name, None) is getattr(keras.Model, name) for name in ("train_step", "make_train_function"))


# Types of model attributes that may hold several optimizers.
_CONTAINER_TYPES = (Mapping, list, tuple)


def _optimizers_of(owner: Any, *, only_own: bool) -> Iterator[Any]:
    """Yield the optimizers of a model: the compiled one and, unless `only_own`, those in its attributes."""
    compiled = getattr(owner, "optimizer", None)
    attributes = () if only_own or not isinstance(owner, keras.Model) else tuple(vars(owner).values())
    groups = (each.values() if isinstance(each, Mapping) else each for each in attributes if isinstance(each, _CONTAINER_TYPES))
    for each in (compiled, *attributes, *(member for group in groups for member in group)):
        if isinstance(each, keras.optimizers.Optimizer):
            yield each


def _as_sequence(optimizers: Any) -> Sequence[Any]:
    return optimizers if isinstance(optimizers, (list, tuple)) else (optimizers,)


def _unwrap(optimizer: Any, *, scales_loss: bool = False) -> Iterator[_TrackedOptimizer]:
    """Yield the optimizers that update weights. Wrapper optimizers are replaced with the optimizers they wrap."""
    inner = getattr(optimizer, "inner_optimizer", None)
    parts = getattr(optimizer, "optimizers", None)
    if inner is not None:
        yield from _unwrap(inner, scales_loss=True)
    elif isinstance(parts, (list, tuple)) and parts:
        for part in parts:
            yield from _unwrap(part, scales_loss=scales_loss)
    else:
        yield _TrackedOptimizer(optimizer, scales_loss)


def _learning_rate_of(optimizer: Any, iterations: int | None) -> float | LazyLearningRate | None:
    """Return the learning rate of the last step."""
    # The public `learning_rate` would call the user's function.
    rate = getattr(optimizer, "_learning_rate", None)
    if isinstance(rate, keras.Variable):
        return try_read(lambda: float(read_values(rate)))
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        is_ours = type(rate).__module__.partition(".")[0] == "keras"
        return LazyLearningRate(_schedule_evaluator(rate, iterations)) if is_ours and iterations is not None else None
    return None if rate is None or callable(rate) else try_read(lambda: float(rate))


def _schedule_evaluator(schedule: Any, iterations: int | None) -> Callable[[], float | None]:
    step = max((iterations or 0) - 1, 0)
    return lambda: try_read(lambda: float(np.asarray(keras.ops.convert_to_numpy(schedule(step)))))
