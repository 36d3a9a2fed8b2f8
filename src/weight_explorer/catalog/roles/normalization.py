"""Normalizations, and activations that learn."""

from __future__ import annotations

from typing import Any

from weight_explorer.catalog.nodes import NotTrainable
from weight_explorer.catalog.roles.terms import CHANNELS, FEATURES, AxisRow, Row, Rows, State, input_axes

MOVING = State(
    "moving statistic",
    "No gradient moves it: every training batch does, and the layer predicts with it.",
    NotTrainable.MOVING_STATISTIC,
)
KEPT = State(
    "moving statistic of a frozen layer",
    "No gradient moves it, and since its layer is frozen (trainable = False) it is not updated either but used as it is.",
    NotTrainable.MOVING_STATISTIC,
)


def _is_frozen(layer: Any) -> bool:
    return not layer.trainable


def _moving(sentence: str) -> tuple[Row, ...]:
    frozen = Row(sentence, (CHANNELS,), state=KEPT, when=_is_frozen)
    return (frozen, Row(sentence, (CHANNELS,), state=MOVING))


def _normalized_axes(layer: Any, shape: tuple[int, ...]) -> tuple[AxisRow, ...]:  # noqa: ARG001 - one signature for all
    return input_axes(layer.axis, single=FEATURES)


def _alpha_axes(layer: Any, shape: tuple[int, ...]) -> tuple[AxisRow, ...]:
    if len(shape) == 1:
        return (FEATURES,)
    shared = layer.shared_axes or ()
    return tuple(
        AxisRow(f"input_axis_{i}", "entry", "shared along it" if i in shared else f"axis {i} of the input")
        for i in range(1, len(shape) + 1)
    )


def _spectral_axes(layer: Any, shape: tuple[int, ...]) -> tuple[AxisRow, ...]:  # noqa: ARG001 - one signature for all
    return (AxisRow("rows", "row", "a single row"), AxisRow("columns", "column", "the columns of the kernel", "out"))


ROWS: Rows = {
    ("BatchNormalization", "gamma"): Row(
        "After each channel is brought to mean 0 and variance 1, it is multiplied by its gamma. It usually starts at 1.",
        (CHANNELS,),
    ),
    ("BatchNormalization", "beta"): Row(
        "The last step: its beta is added to each channel. It usually starts at 0.", (CHANNELS,)
    ),
    ("BatchNormalization", "moving_mean"): _moving("The running average of each channel's mean over the training batches."),
    ("BatchNormalization", "moving_variance"): _moving(
        "The running average of each channel's variance over the training batches."
    ),
    ("BatchNormalization", "moving_stddev"): _moving("The running average of each channel's standard deviation."),
    ("BatchNormalization", "renorm_mean"): _moving(
        "The running mean that batch renormalization corrects each batch by, so that training sees what prediction will."
    ),
    ("BatchNormalization", "renorm_stddev"): _moving(
        "The running standard deviation that batch renormalization corrects each batch by."
    ),
    ("LayerNormalization", "gamma"): Row(
        "After each sample by itself is brought to mean 0 and variance 1, each feature is multiplied by its gamma. It usually "
        "starts at 1.",
        _normalized_axes,
    ),
    ("LayerNormalization", "beta"): Row(
        "The last step: its beta is added to each feature. It usually starts at 0.", _normalized_axes
    ),
    ("GroupNormalization", "gamma"): Row(
        "After each group of channels is brought to mean 0 and variance 1, each channel is multiplied by its gamma. It usually "
        "starts at 1.",
        (CHANNELS,),
    ),
    ("GroupNormalization", "beta"): Row(
        "The last step: its beta is added to each channel. It usually starts at 0.", (CHANNELS,)
    ),
    ("RMSNormalization", "scale"): Row(
        "After each sample is divided by the root of its mean square, each feature is multiplied by its scale. It usually "
        "starts at 1.",
        _normalized_axes,
    ),
    ("SpectralNormalization", "vector_u"): Row(
        "An estimate of the direction in which the kernel stretches most; by it the kernel is divided by its largest singular "
        "value at every training step.",
        _spectral_axes,
        state=State("power iteration", "No gradient moves it: the power iteration does, in every training batch."),
    ),
    # Part of keras.applications' ConvNeXt.
    ("LayerScale", "gamma"): Row(
        "What the block adds to its input is multiplied by it, channel by channel; it starts small, so that a deep model "
        "begins nearly as if its blocks were not there.",
        (CHANNELS,),
    ),
    ("PReLU", "alpha"): Row(
        "The slope for inputs below zero: 0 would make it a ReLU, 1 would leave the input as it is.",
        _alpha_axes,
        trains="Training moves it by inputs below zero only.",
    ),
}
