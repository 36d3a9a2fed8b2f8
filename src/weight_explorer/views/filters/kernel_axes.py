"""The axes of convolution kernels: filters, channels, and the window that moves along the input."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import Axis

# In a depthwise kernel, each pair of a channel and an entry of this axis is a separate filter.
DEPTHWISE = "depth_multiplier"


@dataclass(frozen=True, slots=True)
class KernelAxes:
    """The axes of a kernel by role: its window, its input channels, and the axes that count filters."""

    axes: tuple[Axis, ...]
    window: tuple[int, ...]
    channel: int | None
    filters: tuple[int, ...]

    @property
    def num_channels(self) -> int:
        """The number of channels that each filter reads; a depthwise filter reads only its own."""
        return 1 if self.channel is None else self.axes[self.channel].size

    @property
    def num_filters(self) -> int:
        """The number of filters."""
        return math.prod(self.axes[i].size for i in self.filters)

    @property
    def noun(self) -> str:
        """The noun for one filter."""
        return self.axes[self.filters[-1]].entry_name or "filter"

    @property
    def window_text(self) -> str:
        """The size of the window, such as `3 x 3`."""
        return " x ".join(str(self.axes[i].size) for i in self.window) + (" steps" if len(self.window) == 1 else "")


def kernel_axes(axes: tuple[Axis, ...]) -> KernelAxes | None:
    """Identify a kernel's axes by their sides, in any order; None if it has no window or no filters.

    >>> names = (("kernel_length", "window"), ("filters", "out"), ("in_channels", "in"))
    >>> kernel_axes(tuple(Axis(name, 2, side=side) for name, side in names)).channel
    2
    """
    window, channels, filters = (
        tuple(i for i, axis in enumerate(axes) if axis.side == side) for side in ("window", "in", "out")
    )
    if not 1 <= len(window) <= 3 or len(channels) > 1 or not filters or len(window + channels + filters) < len(axes):
        return None
    if axes[filters[-1]].name == DEPTHWISE:
        return KernelAxes(axes, window, None, channels + filters)
    return KernelAxes(axes, window, channels[0] if channels else None, filters)


def stack_filters(values: np.ndarray, kernel: KernelAxes) -> np.ndarray:
    """Rearrange a kernel to (filters, channels, *window), as a view if NumPy allows it."""
    channel = () if kernel.channel is None else (kernel.channel,)
    window = tuple(values.shape[i] for i in kernel.window)
    return values.transpose((*kernel.filters, *channel, *kernel.window)).reshape(-1, kernel.num_channels, *window)


# Sums of squares in this range are accurate to float32 precision. Summing in float32 is five times as fast.
SAFE_RANGE = (1e-30, 1e37)


def sums_of_squares(stack: np.ndarray) -> np.ndarray:
    """Return the sum of squares of each window, of shape (filters, channels), accurate to 5 digits at any magnitude."""
    axes = list(range(stack.ndim))
    with np.errstate(all="ignore"):
        sums = np.einsum(stack, axes, stack, axes, axes[:2])
        if np.all((sums > SAFE_RANGE[0]) & (sums < SAFE_RANGE[1])):
            return sums.astype(np.float64)
        return np.einsum(stack, axes, stack, axes, axes[:2], dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class FilterTiles:
    """The contents of all tiles, before they are sorted and split into pages.

    `cells` has the shape (tiles, rows, columns, parts), with one part, or red, green, and blue. `rows` and `columns` are the
    axes along each side of a tile, outermost first. `filters` and `channels` give the filter and the channel of each tile;
    `channels` is None if each tile combines all channels.
    """

    cells: np.ndarray
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    filters: np.ndarray
    channels: np.ndarray | None


@dataclass(frozen=True, slots=True)
class ChannelOptions:
    """The chosen channel, and the chosen filter. Only some drawing modes use them."""

    channel: int = 0
    filter: int = 0


def _all_filters(kernel: KernelAxes) -> np.ndarray:
    return np.arange(kernel.num_filters)


def _fold_windows(kernel: KernelAxes, windows: np.ndarray, filters: np.ndarray, channels: np.ndarray | None) -> FilterTiles:
    """Fold windows of shape (tiles, *window) to rows and columns. Depth slices are placed side by side."""
    window = kernel.window
    if len(window) == 1:
        return FilterTiles(windows[:, None, :, None], (), window, filters, channels)
    if len(window) == 2:
        return FilterTiles(windows[..., None], window[:1], window[1:], filters, channels)
    depth, height, width = windows.shape[1:]
    beside = windows.transpose(0, 2, 1, 3).reshape(-1, height, depth * width)
    return FilterTiles(beside[..., None], window[1:2], (window[0], window[2]), filters, channels)


def draw_one(stack: np.ndarray, kernel: KernelAxes, options: ChannelOptions) -> FilterTiles:
    """Draw every filter in one channel."""
    channels = None if kernel.channel is None else np.full(kernel.num_filters, options.channel)
    return _fold_windows(kernel, stack[:, options.channel if kernel.channel is not None else 0], _all_filters(kernel), channels)


def draw_strongest(stack: np.ndarray, kernel: KernelAxes, _: ChannelOptions) -> FilterTiles:
    """Draw each filter in the channel with the largest norm. A channel with NaN takes precedence, so that it is not missed."""
    channels = sums_of_squares(stack).argmax(axis=1)
    return _fold_windows(kernel, stack[_all_filters(kernel), channels], _all_filters(kernel), channels)


def draw_norm(stack: np.ndarray, kernel: KernelAxes, _: ChannelOptions) -> FilterTiles:
    """Draw the L2 norm over all channels at each window position: where a filter looks, regardless of what it detects."""
    axes = list(range(stack.ndim))
    with np.errstate(all="ignore"):
        norms = np.sqrt(np.einsum(stack, axes, stack, axes, [0, *axes[2:]], dtype=np.float64))
    return _fold_windows(kernel, norms, _all_filters(kernel), None)


def draw_mean(stack: np.ndarray, kernel: KernelAxes, _: ChannelOptions) -> FilterTiles:
    """Draw the mean over all channels at each window position: the effect of a filter if all channels are equal."""
    with np.errstate(all="ignore"):
        return _fold_windows(kernel, stack.mean(axis=1, dtype=np.float64), _all_filters(kernel), None)


def draw_rgb(stack: np.ndarray, kernel: KernelAxes, _: ChannelOptions) -> FilterTiles:
    """Draw three channels as red, green, and blue."""
    return FilterTiles(np.moveaxis(stack, 1, -1), kernel.window[:1], kernel.window[1:], _all_filters(kernel), None)


def draw_rows(stack: np.ndarray, kernel: KernelAxes, _: ChannelOptions) -> FilterTiles:
    """Draw a one-dimensional window in all channels, one row per channel."""
    rows = () if kernel.channel is None else (kernel.channel,)
    return FilterTiles(stack[..., None], rows, kernel.window, _all_filters(kernel), None)


def draw_filter(stack: np.ndarray, kernel: KernelAxes, options: ChannelOptions) -> FilterTiles:
    """Draw one filter in every channel, one tile per channel."""
    return _fold_windows(
        kernel, stack[options.filter], np.full(kernel.num_channels, options.filter), np.arange(kernel.num_channels)
    )


DRAW_MODES: dict[str, Callable[[np.ndarray, KernelAxes, ChannelOptions], FilterTiles]] = {
    "rgb": draw_rgb,
    "rows": draw_rows,
    "strongest": draw_strongest,
    "one": draw_one,
    "norm": draw_norm,
    "mean": draw_mean,
    "filter": draw_filter,
}
