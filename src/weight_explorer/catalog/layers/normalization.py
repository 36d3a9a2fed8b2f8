"""Normalization layers, and activation layers with weights."""

from __future__ import annotations

from typing import Any

from weight_explorer.catalog.layers.specs import (
    CHANNELS,
    FEATURES,
    AxisSpec,
    NotTrainableSpec,
    WeightSpec,
    WeightSpecs,
    input_axes,
)
from weight_explorer.catalog.schema import NotTrainableReason

MOVING_STATISTIC = NotTrainableSpec(
    "moving statistic",
    "No gradient moves it: every training batch does, and the layer predicts with it.",
    NotTrainableReason.MOVING_STATISTIC,
)
FROZEN_MOVING_STATISTIC = NotTrainableSpec(
    "moving statistic of a frozen layer",
    "No gradient moves it, and since its layer is frozen (trainable = False) it is not updated either but used as it is.",
    NotTrainableReason.MOVING_STATISTIC,
)


def _is_frozen(layer: Any) -> bool:
    return not layer.trainable


def _moving_statistic_specs(meaning: str) -> tuple[WeightSpec, ...]:
    frozen = WeightSpec(meaning, (CHANNELS,), not_trainable=FROZEN_MOVING_STATISTIC, applies_to=_is_frozen)
    return (frozen, WeightSpec(meaning, (CHANNELS,), not_trainable=MOVING_STATISTIC))


def _normalized_axes(layer: Any, shape: tuple[int, ...]) -> tuple[AxisSpec, ...]:  # noqa: ARG001 - all share one signature
    return input_axes(layer.axis, single=FEATURES)


def _alpha_axes(layer: Any, shape: tuple[int, ...]) -> tuple[AxisSpec, ...]:
    if len(shape) == 1:
        return (FEATURES,)
    shared = layer.shared_axes or ()
    return tuple(
        AxisSpec(f"input_axis_{i}", "entry", "shared along it" if i in shared else f"axis {i} of the input")
        for i in range(1, len(shape) + 1)
    )


def _spectral_axes(layer: Any, shape: tuple[int, ...]) -> tuple[AxisSpec, ...]:  # noqa: ARG001 - all share one signature
    return (AxisSpec("rows", "row", "a single row"), AxisSpec("columns", "column", "the columns of the kernel", "out"))


WEIGHT_SPECS: WeightSpecs = {
    ("BatchNormalization", "gamma"): WeightSpec(
        "After each channel is brought to mean 0 and variance 1, it is multiplied by its gamma. It usually starts at 1.",
        (CHANNELS,),
    ),
    ("BatchNormalization", "beta"): WeightSpec(
        "The last step: its beta is added to each channel. It usually starts at 0.", (CHANNELS,)
    ),
    ("BatchNormalization", "moving_mean"): _moving_statistic_specs(
        "The running average of each channel's mean over the training batches."
    ),
    ("BatchNormalization", "moving_variance"): _moving_statistic_specs(
        "The running average of each channel's variance over the training batches."
    ),
    ("BatchNormalization", "moving_stddev"): _moving_statistic_specs(
        "The running average of each channel's standard deviation."
    ),
    ("BatchNormalization", "renorm_mean"): _moving_statistic_specs(
        "The running mean that batch renormalization corrects each batch by, so that training sees what prediction will."
    ),
    ("BatchNormalization", "renorm_stddev"): _moving_statistic_specs(
        "The running standard deviation that batch renormalization corrects each batch by."
    ),
    ("LayerNormalization", "gamma"): WeightSpec(
        "After each sample by itself is brought to mean 0 and variance 1, each feature is multiplied by its gamma. It usually "
        "starts at 1.",
        _normalized_axes,
    ),
    ("LayerNormalization", "beta"): WeightSpec(
        "The last step: its beta is added to each feature. It usually starts at 0.", _normalized_axes
    ),
    ("GroupNormalization", "gamma"): WeightSpec(
        "After each group of channels is brought to mean 0 and variance 1, each channel is multiplied by its gamma. It usually "
        "starts at 1.",
        (CHANNELS,),
    ),
    ("GroupNormalization", "beta"): WeightSpec(
        "The last step: its beta is added to each channel. It usually starts at 0.", (CHANNELS,)
    ),
    ("RMSNormalization", "scale"): WeightSpec(
        "After each sample is divided by the root of its mean square, each feature is multiplied by its scale. It usually "
        "starts at 1.",
        _normalized_axes,
    ),
    ("SpectralNormalization", "vector_u"): WeightSpec(
        "An estimate of the direction in which the kernel stretches most; by it the kernel is divided by its largest singular "
        "value at every training step.",
        _spectral_axes,
        not_trainable=NotTrainableSpec(
            "power iteration", "No gradient moves it: the power iteration does, in every training batch."
        ),
    ),
    # Used by ConvNeXt in keras.applications.
    ("LayerScale", "gamma"): WeightSpec(
        "What the block adds to its input is multiplied by it, channel by channel; it starts small, so that a deep model "
        "begins nearly as if its blocks were not there.",
        (CHANNELS,),
    ),
    ("PReLU", "alpha"): WeightSpec(
        "The slope for inputs below zero: 0 would make it a ReLU, 1 would leave the input as it is.",
        _alpha_axes,
        training_effect="Training moves it by inputs below zero only.",
    ),
}
