"""Convolutions. A kernel's axes are always (window, channels in, filters), whatever the layer's `data_format`."""

from __future__ import annotations

from typing import Any

from weight_explorer.catalog.roles.terms import AxisRow, Row, Rows

IN_CHANNELS = AxisRow("in_channels", "channel", "the channels that come in", "in")
GROUP_CHANNELS = AxisRow("group_channels", "channel", "the channels of one group that come in", "in")
FILTERS = AxisRow(
    "filters", "filter", "the filters of the layer, one for each channel that goes out", "out", is_configured=True
)
MULTIPLIER = AxisRow("depth_multiplier", "filter", "the filters for each channel that comes in", "out", is_configured=True)
DEPTHWISE = AxisRow("depthwise_channels", "channel", "the channels after the depthwise part", "in")
OUT_CHANNELS = AxisRow("out_channels", "channel", "the channels that go out", "out")
HEIGHT = AxisRow("kernel_height", "row", "from top to bottom of the window", "window")
WIDTH = AxisRow("kernel_width", "column", "from left to right of the window", "window")
DEPTH = AxisRow("kernel_depth", "layer", "through the depth of the window", "window")
LENGTH = AxisRow("kernel_length", "step", "along the window", "window")

WINDOWS = {"1D": (LENGTH,), "2D": (HEIGHT, WIDTH), "3D": (DEPTH, HEIGHT, WIDTH)}

_PULLS = "Training adds up what all places of the input ask for."


def _is_grouped(layer: Any) -> bool:
    return layer.groups > 1


def _rows(rank: str, window: tuple[AxisRow, ...]) -> Rows:
    bias = Row("One number for each of the {filters} filters, added to all that it puts out.", (FILTERS,))
    depthwise = Row(
        "Each channel that comes in has its own {depth_multiplier} of the small filters, and channels are not mixed: filter m "
        "of channel c makes outgoing channel c x {depth_multiplier} + m.",
        (*window, IN_CHANNELS, MULTIPLIER),
        trains=_PULLS,
    )
    return {
        (f"Conv{rank}", "kernel"): (
            Row(
                "Each of the {filters} filters looks at a small window, in the channels of its own group only "
                "({group_channels} of them): filters and channels are split evenly among the groups, in order.",
                (*window, GROUP_CHANNELS, FILTERS),
                when=_is_grouped,
                trains=_PULLS,
            ),
            Row(
                "Each of the {filters} filters looks at a small window, in every channel that comes in, and makes one channel "
                "that goes out: it answers strongly where the window holds what its weights describe.",
                (*window, IN_CHANNELS, FILTERS),
                trains=_PULLS,
            ),
        ),
        (f"Conv{rank}", "bias"): bias,
        (f"Conv{rank}Transpose", "kernel"): Row(
            "Each number that comes in paints a small window of every channel that goes out, in the pattern of these weights. "
            "In this array the outgoing channels stand before the incoming ones.",
            (*window, FILTERS, IN_CHANNELS),
            trains=_PULLS,
        ),
        (f"Conv{rank}Transpose", "bias"): bias,
        (f"DepthwiseConv{rank}", "kernel"): depthwise,
        (f"DepthwiseConv{rank}", "bias"): Row("One number for each channel that goes out, added to it.", (OUT_CHANNELS,)),
        (f"SeparableConv{rank}", "depthwise_kernel"): depthwise,
        (f"SeparableConv{rank}", "pointwise_kernel"): Row(
            "After the depthwise part it mixes the channels at each place by itself: each column is one filter, each row one "
            "channel.",
            (*window, DEPTHWISE, FILTERS),
            trains=_PULLS,
        ),
        (f"SeparableConv{rank}", "bias"): bias,
    }


ROWS: Rows = {key: row for rank, window in WINDOWS.items() for key, row in _rows(rank, window).items()}
