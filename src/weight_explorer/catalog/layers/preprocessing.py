"""Preprocessing layers, what they keep besides variables, and the state of random number generators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weight_explorer.catalog.layers.specs import (
    FEATURES,
    SEED_ATTRIBUTE,
    AxisSpec,
    NonWeightState,
    NotTrainableSpec,
    WeightSpec,
    WeightSpecs,
    input_axes,
)
from weight_explorer.catalog.schema import SEED_STATE

SET_BY_ADAPT = NotTrainableSpec(
    "adapted", "No gradient moves it: adapt() sets it from the data, and training leaves it as it is."
)
SEED_GENERATOR_STATE = NotTrainableSpec(SEED_STATE, "No gradient moves it: every draw of random numbers does.")
FRAME = AxisSpec("frame_length", "sample", "along the window of sound", "in")
SINGLE_CHANNEL = AxisSpec("in_channels", "channel", "the channel that comes in")
FREQUENCIES = AxisSpec("frequencies", "frequency bin", "the frequencies, from 0 to half the sampling rate", "out")


def _adapted_axes(layer: Any, shape: tuple[int, ...]) -> tuple[AxisSpec, ...]:
    # A scalar mean normalizes all numbers alike (axis=None).
    return input_axes(layer.axis, single=FEATURES) if shape else ()


def _is_inverted(layer: Any) -> bool:
    return bool(layer.invert)


def _spectrogram_spec(part: str) -> WeightSpec:
    return WeightSpec(
        f"Each column is one frequency: the {part} wave that the sound is compared with, under the layer's window.",
        (FRAME, SINGLE_CHANNEL, FREQUENCIES),
        training_effect="It holds the Fourier transform; while the layer is trainable, training may move it away from that.",
    )


WEIGHT_SPECS: WeightSpecs = {
    ("Normalization", "adapt_mean"): (
        WeightSpec(
            "The mean that is added back, last (invert=True).",
            _adapted_axes,
            "mean",
            not_trainable=SET_BY_ADAPT,
            applies_to=_is_inverted,
        ),
        WeightSpec("The mean that is subtracted.", _adapted_axes, "mean", not_trainable=SET_BY_ADAPT),
    ),
    ("Normalization", "adapt_variance"): (
        WeightSpec(
            "The variance by whose root it multiplies (invert=True).",
            _adapted_axes,
            "variance",
            not_trainable=SET_BY_ADAPT,
            applies_to=_is_inverted,
        ),
        WeightSpec(
            "The variance by whose root the centered input is divided.", _adapted_axes, "variance", not_trainable=SET_BY_ADAPT
        ),
    ),
    ("Normalization", "count"): WeightSpec(
        "Kept for models saved by older versions; nothing is computed from it.",
        (),
        not_trainable=NotTrainableSpec("unused", "Nothing moves it."),
    ),
    ("STFTSpectrogram", "real_kernel"): _spectrogram_spec("cosine"),
    ("STFTSpectrogram", "imag_kernel"): _spectrogram_spec("sine"),
    ("Layer", SEED_ATTRIBUTE): WeightSpec(
        "Two whole numbers that the next random numbers are made from. They are no weights: get_weights() leaves them out, and "
        "nothing is to be learned from them.",
        (AxisSpec("state", "whole number", "seed and counter"),),
        SEED_STATE,
        not_trainable=SEED_GENERATOR_STATE,
    ),
}


def _count_function(attribute: str) -> Callable[[Any], int | None]:
    def count(layer: Any) -> int | None:
        kept = getattr(layer, attribute, None)
        kept = kept() if callable(kept) else kept
        return kept if isinstance(kept, int) or kept is None else len(kept)

    return count


_VOCABULARY = NonWeightState(
    _count_function("vocabulary_size"),
    ".get_vocabulary()",
    "It keeps a vocabulary (entries: {count}), given or learned by adapt(). It is no weight: training leaves it alone.",
)
NON_WEIGHT_STATES: dict[str, NonWeightState] = {
    "StringLookup": _VOCABULARY,
    "IntegerLookup": _VOCABULARY,
    "TextVectorization": _VOCABULARY,
    "Discretization": NonWeightState(
        _count_function("bin_boundaries"),
        ".bin_boundaries",
        "It keeps bin boundaries ({count} of them), given or learned by adapt(). They are no weights; training keeps them.",
    ),
}
