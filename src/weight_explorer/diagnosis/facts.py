"""What only the live model knows about a training, as plain data that any rule may ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

# What feeds a layer where nothing with weights stands before it: the model's own input.
DATA = "data"


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What is known of the model besides its weights; None, or no entry, where nobody knows.

    Attributes:
        has_model: Whether there was a model to ask.
        optimizer: The class of the optimizer, "" where none is known.
        owned: Keys of the weights that the optimizer moves.
        learning_rate: The learning rate as it stands.
        reached: Paths of the layers from which a way leads to a loss.
        activations: From path to the name of what a layer's sum goes through before the next layer.
        momentums: From path to how much of a moving statistic stays at each batch.
        feeds: From path to the layers with weights whose output comes in; `DATA` where the model's own input does.
        outputs: Paths of the layers whose output is the model's.
        masks: From key to a boolean array of the weight's shape that is True where the weight is held still.
    """

    has_model: bool = False
    optimizer: str = ""
    owned: frozenset[str] | None = None
    learning_rate: float | None = None
    reached: frozenset[str] | None = None
    activations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    momentums: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    feeds: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    outputs: frozenset[str] = frozenset()
    masks: Mapping[str, np.ndarray] = field(default_factory=lambda: MappingProxyType({}))


NO_FACTS = Facts()
