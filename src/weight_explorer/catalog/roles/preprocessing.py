"""Preprocessing layers, what they keep that is no variable, and the state of random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weight_explorer.catalog.nodes import SEED_STATE
from weight_explorer.catalog.roles.terms import FEATURES, SEED_ATTRIBUTE, AxisRow, Kept, Row, Rows, State, input_axes

ADAPTED = State("adapted", "No gradient moves it: adapt() sets it from the data, and training leaves it as it is.")
SEED = State(SEED_STATE, "No gradient moves it: every draw of random numbers does.")
FRAME = AxisRow("frame_length", "sample", "along the window of sound", "in")
LONE_CHANNEL = AxisRow("in_channels", "channel", "the channel that comes in")
FREQUENCIES = AxisRow("frequencies", "frequency bin", "the frequencies, from 0 to half the sampling rate", "out")


def _adapted_axes(layer: Any, shape: tuple[int, ...]) -> tuple[AxisRow, ...]:
    # A scalar mean normalizes all numbers alike (axis=None).
    return input_axes(layer.axis, single=FEATURES) if shape else ()


def _is_inverted(layer: Any) -> bool:
    return bool(layer.invert)


def _spectrogram(part: str) -> Row:
    return Row(
        f"Each column is one frequency: the {part} wave that the sound is compared with, under the layer's window.",
        (FRAME, LONE_CHANNEL, FREQUENCIES),
        trains="It holds the Fourier transform; while the layer is trainable, training may move it away from that.",
    )


ROWS: Rows = {
    ("Normalization", "adapt_mean"): (
        Row("The mean that is added back, last (invert=True).", _adapted_axes, "mean", state=ADAPTED, when=_is_inverted),
        Row("The mean that is subtracted.", _adapted_axes, "mean", state=ADAPTED),
    ),
    ("Normalization", "adapt_variance"): (
        Row(
            "The variance by whose root it multiplies (invert=True).",
            _adapted_axes,
            "variance",
            state=ADAPTED,
            when=_is_inverted,
        ),
        Row("The variance by whose root the centered input is divided.", _adapted_axes, "variance", state=ADAPTED),
    ),
    ("Normalization", "count"): Row(
        "Kept for models saved by older versions; nothing is computed from it.", (), state=State("unused", "Nothing moves it.")
    ),
    ("STFTSpectrogram", "real_kernel"): _spectrogram("cosine"),
    ("STFTSpectrogram", "imag_kernel"): _spectrogram("sine"),
    ("Layer", SEED_ATTRIBUTE): Row(
        "Two whole numbers that the next random numbers are made from. They are no weights: get_weights() leaves them out, and "
        "nothing is to be learned from them.",
        (AxisRow("state", "whole number", "seed and counter"),),
        SEED_STATE,
        state=SEED,
    ),
}


def _count(attribute: str) -> Callable[[Any], int | None]:
    def count(layer: Any) -> int | None:
        kept = getattr(layer, attribute, None)
        kept = kept() if callable(kept) else kept
        return kept if isinstance(kept, int) or kept is None else len(kept)

    return count


_VOCABULARY = Kept(
    _count("vocabulary_size"),
    ".get_vocabulary()",
    "It keeps a vocabulary (entries: {count}), given or learned by adapt(). It is no weight: training leaves it alone.",
)
KEPT: dict[str, Kept] = {
    "StringLookup": _VOCABULARY,
    "IntegerLookup": _VOCABULARY,
    "TextVectorization": _VOCABULARY,
    "Discretization": Kept(
        _count("bin_boundaries"),
        ".bin_boundaries",
        "It keeps bin boundaries ({count} of them), given or learned by adapt(). They are no weights; training keeps them.",
    ),
}
