"""What held when a record was made: what was trained, which optimizer moved it, and at which learning rate.

Facts belong to records. The model of today says nothing about yesterday's records: layers are frozen and unfrozen, optimizers
replaced, learning rates changed. All that is not known is `None`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from weight_explorer.catalog.nodes import NotTrainable


class Activity(StrEnum):
    """What kind of training a record was made in."""

    NONE = "none"  # the model was at rest
    FIT = "fit"
    LOOP = "loop"  # a loop of the user's own, with `explorer.record`
    TRAIN_ON_BATCH = "train_on_batch"  # such a loop, in which the compiled optimizer made one step for each `record`


class Rate:
    """A learning rate that is computed when it is asked for: evaluating a schedule costs more than a small record.

    Args:
        compute: Evaluates one of Keras' own schedules at a fixed step.
    """

    __slots__ = ("_compute", "_value")

    def __init__(self, compute: Callable[[], float | None]) -> None:
        self._compute: Callable[[], float | None] | None = compute
        self._value: float | None = None

    def __eq__(self, other: object) -> bool:
        return self.value == (other.value if isinstance(other, Rate) else other)

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
        owned: Keys of the weights it updates, None before it is built.
        scales_loss: Whether it is wrapped in a `LossScaleOptimizer`, which skips steps whose gradients are not finite.
    """

    name: str
    owned: frozenset[str] | None = None
    scales_loss: bool = False


@dataclass(frozen=True, slots=True)
class Conditions:
    """What stays the same over many records of one training.

    Attributes:
        activity: The kind of training.
        trained: Keys of the weights that the training step updates; None where that is not known.
        not_trainable: By key, why a weight was not trainable by its flags.
        frozen_layers: Paths of the layers with `trainable = False`, by a flag of their own or of a layer above.
        optimizers: The optimizers that are known.
        owners_known: Whether `optimizers` are all that `fit`, or the loop by what it says, can have used.
        reached: Paths of the layers from which a path leads to a loss; None where that is not known.
    """

    activity: Activity = Activity.NONE
    trained: frozenset[str] | None = None
    not_trainable: Mapping[str, NotTrainable] = field(default_factory=lambda: MappingProxyType({}))
    frozen_layers: frozenset[str] = frozenset()
    optimizers: tuple[OptimizerFacts, ...] = ()
    owners_known: bool = False
    reached: frozenset[str] | None = None

    def owner_of(self, key: str) -> int | None:
        """Return the place in `optimizers` of the one that owns a weight, None where none is known to.

        >>> conditions = Conditions(optimizers=(OptimizerFacts("Adam", frozenset({"dense/kernel"})),))
        >>> conditions.owner_of("dense/kernel"), conditions.owner_of("dense/bias")
        (0, None)
        """
        return next((place for place, each in enumerate(self.optimizers) if each.owned and key in each.owned), None)


@dataclass(frozen=True, slots=True)
class Preceding:
    """A change made outside of training before a record: by an edit, a load, or something unknown.

    Attributes:
        number: The number of the record that shows it.
        kind: The kind of that record.
        name: What was done, where that is known.
    """

    number: int
    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """What held when one record was made.

    Attributes:
        conditions: What it shares with its neighbors.
        rates: The learning rate of each optimizer in the last batch, a number or `Rate`; None where it is not known.
        steps: How many steps each optimizer had made.
        after: The last change made outside of training since the record of training before, None where there was none.
    """

    conditions: Conditions = field(default_factory=Conditions)
    rates: tuple[float | Rate | None, ...] = ()
    steps: tuple[int | None, ...] = ()
    after: Preceding | None = None

    @property
    def learning_rates(self) -> tuple[float | None, ...]:
        """The learning rate of each optimizer, None where it is not known."""
        return tuple(rate.value if isinstance(rate, Rate) else rate for rate in self.rates)

    def rate_of(self, key: str) -> float | None:
        """Return the learning rate of the optimizer that owns a weight, None where it is not known.

        >>> adam = OptimizerFacts("Adam", frozenset({"dense/kernel"}))
        >>> RecordFacts(Conditions(optimizers=(adam,)), rates=(0.001,)).rate_of("dense/kernel")
        0.001
        """
        owner = self.conditions.owner_of(key)
        return None if owner is None else self.learning_rates[owner]

    def is_trained(self, key: str) -> bool | None:
        """Whether the training step updated a weight, None where that is not known or nothing was trained."""
        trained = self.conditions.trained
        return None if trained is None else key in trained


UNKNOWN_FACTS = RecordFacts()
