"""How the layers of a live model are connected and configured, as plain data that any rule may ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

# What feeds a layer where nothing with weights stands before it: the model's own input.
DATA = "data"


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What is known of the model besides its weights; None, or no entry, where that is unknown.

    Attributes:
        has_model: Whether there was a model to ask.
        activations: From path to the name of what a layer's sum goes through before the next layer.
        momentums: From path to how much of a moving statistic stays at each batch.
        feeds: From path to the layers with weights whose output comes in; `DATA` where the model's own input does.
        outputs: Paths of the layers whose output is the model's.
        masked: Paths of the embeddings that mark token 0 as padding (`mask_zero=True`).
    """

    has_model: bool = False
    activations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    momentums: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    feeds: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    outputs: frozenset[str] = frozenset()
    masked: frozenset[str] = frozenset()


NO_FACTS = Facts()
