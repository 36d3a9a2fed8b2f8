"""Facts about the layers of a live model, as plain data for the diagnosis rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

# Stands for the input of the model, where no layer with weights comes before a layer.
MODEL_INPUT = "data"


@dataclass(frozen=True, slots=True, eq=False)
class ModelFacts:
    """Facts about the model besides its weights. None or a missing entry means unknown.

    Attributes:
        has_model: Whether a live model was available.
        activations: Maps a layer path to the name of the activation applied to its output.
        momentums: Maps a layer path to the momentum of its moving statistics: the share kept at each batch.
        input_layers: Maps a layer path to the layers with weights that feed it. `MODEL_INPUT` stands for the input of the
            model.
        output_layers: Paths of the layers that produce the outputs of the model.
        mask_zero_layers: Paths of the embeddings that treat token 0 as padding (`mask_zero=True`).
    """

    has_model: bool = False
    activations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    momentums: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    input_layers: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    output_layers: frozenset[str] = frozenset()
    mask_zero_layers: frozenset[str] = frozenset()


NO_MODEL_FACTS = ModelFacts()
