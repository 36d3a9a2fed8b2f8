"""Convolutions. A kernel's axes are always (window, channels in, filters), whatever the layer's `data_format`."""

from __future__ import annotations

from typing import Any

from weight_explorer.catalog.layers.specs import AxisSpec, WeightSpec, WeightSpecs

IN_CHANNELS = AxisSpec("in_channels", "channel", "the channels that come in", "in")
GROUP_CHANNELS = AxisSpec("group_channels", "channel", "the channels of one group that come in", "in")
FILTERS = AxisSpec(
    "filters", "filter", "the filters of the layer, one for each channel that goes out", "out", is_configured=True
)
MULTIPLIER = AxisSpec("depth_multiplier", "filter", "the filters for each channel that comes in", "out", is_configured=True)
DEPTHWISE = AxisSpec("depthwise_channels", "channel", "the channels after the depthwise part", "in")
OUT_CHANNELS = AxisSpec("out_channels", "channel", "the channels that go out", "out")
HEIGHT = AxisSpec("kernel_height", "row", "from top to bottom of the window", "window")
WIDTH = AxisSpec("kernel_width", "column", "from left to right of the window", "window")
DEPTH = AxisSpec("kernel_depth", "layer", "through the depth of the window", "window")
LENGTH = AxisSpec("kernel_length", "step", "along the window", "window")

WINDOWS = {"1D": (LENGTH,), "2D": (HEIGHT, WIDTH), "3D": (DEPTH, HEIGHT, WIDTH)}

_SUM_OVER_POSITIONS = "Training adds up what all places of the input ask for."


def _is_grouped(layer: Any) -> bool:
    return layer.groups > 1


def _convolution_specs(rank: str, window: tuple[AxisSpec, ...]) -> WeightSpecs:
    bias = WeightSpec("One number for each of the {filters} filters, added to all that it puts out.", (FILTERS,))
    depthwise = WeightSpec(
        "Each channel that comes in has its own {depth_multiplier} of the small filters, and channels are not mixed: filter m "
        "of channel c makes outgoing channel c x {depth_multiplier} + m.",
        (*window, IN_CHANNELS, MULTIPLIER),
        training_effect=_SUM_OVER_POSITIONS,
    )
    return {
        (f"Conv{rank}", "kernel"): (
            WeightSpec(
                "Each of the {filters} filters looks at a small window, in the channels of its own group only "
                "({group_channels} of them): filters and channels are split evenly among the groups, in order.",
                (*window, GROUP_CHANNELS, FILTERS),
                applies_to=_is_grouped,
                training_effect=_SUM_OVER_POSITIONS,
            ),
            WeightSpec(
                "Each of the {filters} filters looks at a small window, in every channel that comes in, and makes one channel "
                "that goes out: it answers strongly where the window holds what its weights describe.",
                (*window, IN_CHANNELS, FILTERS),
                training_effect=_SUM_OVER_POSITIONS,
            ),
        ),
        (f"Conv{rank}", "bias"): bias,
        (f"Conv{rank}Transpose", "kernel"): WeightSpec(
            "Each number that comes in paints a small window of every channel that goes out, in the pattern of these weights. "
            "In this array the outgoing channels stand before the incoming ones.",
            (*window, FILTERS, IN_CHANNELS),
            training_effect=_SUM_OVER_POSITIONS,
        ),
        (f"Conv{rank}Transpose", "bias"): bias,
        (f"DepthwiseConv{rank}", "kernel"): depthwise,
        (f"DepthwiseConv{rank}", "bias"): WeightSpec(
            "One number for each channel that goes out, added to it.", (OUT_CHANNELS,)
        ),
        (f"SeparableConv{rank}", "depthwise_kernel"): depthwise,
        (f"SeparableConv{rank}", "pointwise_kernel"): WeightSpec(
            "After the depthwise part it mixes the channels at each place by itself: each column is one filter, each row one "
            "channel.",
            (*window, DEPTHWISE, FILTERS),
            training_effect=_SUM_OVER_POSITIONS,
        ),
        (f"SeparableConv{rank}", "bias"): bias,
    }


WEIGHT_SPECS: WeightSpecs = {
    key: row for rank, window in WINDOWS.items() for key, row in _convolution_specs(rank, window).items()
}
