"""The state of the training when a record was made: which weights were trained, by which optimizer, at which learning rate.

Facts belong to records. The current model does not describe earlier records: layers are frozen and unfrozen, optimizers are
replaced, and learning rates change. Unknown facts are `None`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from weight_explorer.catalog.schema import NotTrainableReason


class TrainingKind(StrEnum):
    """The kind of training in which a record was made."""

    NONE = "none"  # the model was not training
    FIT = "fit"
    LOOP = "loop"  # a custom training loop that calls `explorer.record`
    TRAIN_ON_BATCH = "train_on_batch"  # a custom loop in which the compiled optimizer makes one step per `record`


class LazyLearningRate:
    """A learning rate that is computed on first use, because evaluating a schedule costs more than a small record.

    Args:
        compute: Evaluates one of Keras' built-in schedules at a fixed step.
    """

    __slots__ = ("_compute", "_value")

    def __init__(self, compute: Callable[[], float | None]) -> None:
        self._compute: Callable[[], float | None] | None = compute
        self._value: float | None = None

    def __eq__(self, other: object) -> bool:
        return self.value == (other.value if isinstance(other, LazyLearningRate) else other)

    def __hash__(self) -> int:
        return hash(self.value)

    @property
    def value(self) -> float | None:
        """The learning rate, or None if unknown."""
        compute = self._compute  # another thread may set it to None in the meantime
        if compute is not None:
            self._value = compute()
            self._compute = None
        return self._value


@dataclass(frozen=True, slots=True)
class OptimizerFacts:
    """An optimizer and the weights it owns.

    Attributes:
        name: The class of the optimizer, such as "Adam".
        owned_keys: Keys of the weights it updates, or None before it is built.
        scales_loss: Whether it is wrapped in a `LossScaleOptimizer`, which skips steps whose gradients are not finite.
    """

    name: str
    owned_keys: frozenset[str] | None = None
    scales_loss: bool = False


@dataclass(frozen=True, slots=True)
class TrainingConditions:
    """Facts that stay the same over many records of one training.

    Attributes:
        training_kind: The kind of training.
        trained_keys: Keys of the weights that the training step updates, or None if unknown.
        not_trainable: Maps the key of each weight whose flags made it not trainable to the reason.
        frozen_layers: Paths of the layers with `trainable = False`, set on the layer itself or on a parent layer.
        optimizers: The known optimizers.
        optimizers_are_complete: Whether `optimizers` includes every optimizer that `fit`, or the custom loop according to
            its declaration, can have used.
        layers_reaching_loss: Paths of the layers that are connected to a loss, or None if unknown.
    """

    training_kind: TrainingKind = TrainingKind.NONE
    trained_keys: frozenset[str] | None = None
    not_trainable: Mapping[str, NotTrainableReason] = field(default_factory=lambda: MappingProxyType({}))
    frozen_layers: frozenset[str] = frozenset()
    optimizers: tuple[OptimizerFacts, ...] = ()
    optimizers_are_complete: bool = False
    layers_reaching_loss: frozenset[str] | None = None

    def optimizer_index_of(self, key: str) -> int | None:
        """Return the index in `optimizers` of the optimizer that owns a weight, or None if no known optimizer does.

        >>> conditions = TrainingConditions(optimizers=(OptimizerFacts("Adam", frozenset({"dense/kernel"})),))
        >>> conditions.optimizer_index_of("dense/kernel"), conditions.optimizer_index_of("dense/bias")
        (0, None)
        """
        return next((place for place, each in enumerate(self.optimizers) if each.owned_keys and key in each.owned_keys), None)


@dataclass(frozen=True, slots=True)
class PrecedingChange:
    """A change made outside of training before a record: by an edit, by loading weights, or by something unknown.

    Attributes:
        record_number: The number of the record that shows the change.
        kind: The kind of that record.
        name: A description of the change, if known.
    """

    record_number: int
    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """The state of the training when one record was made.

    Attributes:
        conditions: Facts shared with neighboring records.
        lazy_learning_rates: The learning rate of each optimizer in the last batch, as a number or `LazyLearningRate`; None if
            unknown.
        iterations: The number of steps that each optimizer had made.
        preceding_change: The last change made outside of training since the previous training record, or None if there was
            none.
    """

    conditions: TrainingConditions = field(default_factory=TrainingConditions)
    lazy_learning_rates: tuple[float | LazyLearningRate | None, ...] = ()
    iterations: tuple[int | None, ...] = ()
    preceding_change: PrecedingChange | None = None

    @property
    def learning_rates(self) -> tuple[float | None, ...]:
        """The learning rate of each optimizer, or None if unknown."""
        return tuple(rate.value if isinstance(rate, LazyLearningRate) else rate for rate in self.lazy_learning_rates)

    def learning_rate_of(self, key: str) -> float | None:
        """Return the learning rate of the optimizer that owns a weight, or None if unknown.

        >>> adam = OptimizerFacts("Adam", frozenset({"dense/kernel"}))
        >>> RecordFacts(TrainingConditions(optimizers=(adam,)), lazy_learning_rates=(0.001,)).learning_rate_of("dense/kernel")
        0.001
        """
        owner = self.conditions.optimizer_index_of(key)
        return None if owner is None else self.learning_rates[owner]

    def is_trained(self, key: str) -> bool | None:
        """Whether the training step updated a weight, or None if that is unknown or nothing was trained."""
        trained = self.conditions.trained_keys
        return None if trained is None else key in trained


UNKNOWN_FACTS = RecordFacts()
