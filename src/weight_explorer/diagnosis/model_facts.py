"""How the layers of a live model are connected and configured, as plain data that any rule may ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

# What feeds a layer where nothing with weights stands before it: the model's own input.
MODEL_INPUT = "data"


@dataclass(frozen=True, slots=True, eq=False)
class ModelFacts:
    """What is known of the model besides its weights; None, or no entry, where that is unknown.

    Attributes:
        has_model: Whether there was a model to ask.
        activations: From path to the name of what a layer's sum goes through before the next layer.
        momentums: From path to how much of a moving statistic stays at each batch.
        input_layers: From path to the layers with weights whose output comes in; `MODEL_INPUT` where the model's own input
            does.
        output_layers: Paths of the layers whose output is the model's.
        mask_zero_layers: Paths of the embeddings that mark token 0 as padding (`mask_zero=True`).
    """

    has_model: bool = False
    activations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    momentums: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    input_layers: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    output_layers: frozenset[str] = frozenset()
    mask_zero_layers: frozenset[str] = frozenset()


NO_MODEL_FACTS = ModelFacts()
