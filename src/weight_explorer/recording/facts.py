"""What held when a record was made: what was trained, which optimizer moved it, and at which learning rate.

Facts belong to records. The model of today says nothing about yesterday's records: layers are frozen and unfrozen, optimizers
replaced, learning rates changed. All that is not known is `None`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from weight_explorer.catalog.schema import NotTrainableReason


class TrainingKind(StrEnum):
    """What kind of training a record was made in."""

    NONE = "none"  # the model was at rest
    FIT = "fit"
    LOOP = "loop"  # a loop of the user's own, with `explorer.record`
    TRAIN_ON_BATCH = "train_on_batch"  # such a loop, in which the compiled optimizer made one step for each `record`


class LazyLearningRate:
    """A learning rate that is computed when it is asked for: evaluating a schedule costs more than a small record.

    Args:
        compute: Evaluates one of Keras' own schedules at a fixed step.
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
        """The learning rate, None where it is not known."""
        compute = self._compute  # another thread may be done with it meanwhile
        if compute is not None:
            self._value = compute()
            self._compute = None
        return self._value


@dataclass(frozen=True, slots=True)
class OptimizerFacts:
    """An optimizer and the weights it owns.

    Attributes:
        name: The class of the optimizer, such as "Adam".
        owned_keys: Keys of the weights it updates, None before it is built.
        scales_loss: Whether it is wrapped in a `LossScaleOptimizer`, which skips steps whose gradients are not finite.
    """

    name: str
    owned_keys: frozenset[str] | None = None
    scales_loss: bool = False


@dataclass(frozen=True, slots=True)
class TrainingConditions:
    """What stays the same over many records of one training.

    Attributes:
        training_kind: The kind of training.
        trained_keys: Keys of the weights that the training step updates; None where that is not known.
        not_trainable: By key, why a weight was not trainable by its flags.
        frozen_layers: Paths of the layers with `trainable = False`, by a flag of their own or of a layer above.
        optimizers: The optimizers that are known.
        optimizers_are_complete: Whether `optimizers` are all that `fit`, or the loop by what it says, can have used.
        layers_reaching_loss: Paths of the layers from which a path leads to a loss; None where that is not known.
    """

    training_kind: TrainingKind = TrainingKind.NONE
    trained_keys: frozenset[str] | None = None
    not_trainable: Mapping[str, NotTrainableReason] = field(default_factory=lambda: MappingProxyType({}))
    frozen_layers: frozenset[str] = frozenset()
    optimizers: tuple[OptimizerFacts, ...] = ()
    optimizers_are_complete: bool = False
    layers_reaching_loss: frozenset[str] | None = None

    def optimizer_index_of(self, key: str) -> int | None:
        """Return the place in `optimizers` of the one that owns a weight, None where none is known to.

        >>> conditions = TrainingConditions(optimizers=(OptimizerFacts("Adam", frozenset({"dense/kernel"})),))
        >>> conditions.optimizer_index_of("dense/kernel"), conditions.optimizer_index_of("dense/bias")
        (0, None)
        """
        return next((place for place, each in enumerate(self.optimizers) if each.owned_keys and key in each.owned_keys), None)


@dataclass(frozen=True, slots=True)
class PrecedingChange:
    """A change made outside of training before a record: by an edit, a load, or something unknown.

    Attributes:
        record_number: The number of the record that shows it.
        kind: The kind of that record.
        name: What was done, where that is known.
    """

    record_number: int
    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """What held when one record was made.

    Attributes:
        conditions: What it shares with its neighbors.
        lazy_learning_rates: The learning rate of each optimizer in the last batch, a number or `LazyLearningRate`; None where
            it is not known.
        iterations: How many steps each optimizer had made.
        preceding_change: The last change made outside of training since the record of training before, None where there was
            none.
    """

    conditions: TrainingConditions = field(default_factory=TrainingConditions)
    lazy_learning_rates: tuple[float | LazyLearningRate | None, ...] = ()
    iterations: tuple[int | None, ...] = ()
    preceding_change: PrecedingChange | None = None

    @property
    def learning_rates(self) -> tuple[float | None, ...]:
        """The learning rate of each optimizer, None where it is not known."""
        return tuple(rate.value if isinstance(rate, LazyLearningRate) else rate for rate in self.lazy_learning_rates)

    def learning_rate_of(self, key: str) -> float | None:
        """Return the learning rate of the optimizer that owns a weight, None where it is not known.

        >>> adam = OptimizerFacts("Adam", frozenset({"dense/kernel"}))
        >>> RecordFacts(TrainingConditions(optimizers=(adam,)), lazy_learning_rates=(0.001,)).learning_rate_of("dense/kernel")
        0.001
        """
        owner = self.conditions.optimizer_index_of(key)
        return None if owner is None else self.learning_rates[owner]

    def is_trained(self, key: str) -> bool | None:
        """Whether the training step updated a weight, None where that is not known or nothing was trained."""
        trained = self.conditions.trained_keys
        return None if trained is None else key in trained


UNKNOWN_FACTS = RecordFacts()
