"""Convolution kernels by what their axes are: filters, channels and the window that moves along the input."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import Axis

# Of a depthwise kernel each pair of a channel and one of these is a filter of its own.
DEPTHWISE = "depth_multiplier"


@dataclass(frozen=True, slots=True)
class KernelAxes:
    """Which axes of a kernel are which: its window, the channels that come in, and those that count the filters."""

    axes: tuple[Axis, ...]
    window: tuple[int, ...]
    channel: int | None
    filters: tuple[int, ...]

    @property
    def num_channels(self) -> int:
        """How many channels each filter looks at; a depthwise one at its own only."""
        return 1 if self.channel is None else self.axes[self.channel].size

    @property
    def num_filters(self) -> int:
        """How many filters there are."""
        return math.prod(self.axes[i].size for i in self.filters)

    @property
    def noun(self) -> str:
        """What one filter is called."""
        return self.axes[self.filters[-1]].entry_name or "filter"

    @property
    def window_text(self) -> str:
        """The window's size, such as `3 x 3`."""
        return " x ".join(str(self.axes[i].size) for i in self.window) + (" steps" if len(self.window) == 1 else "")


def kernel_axes(axes: tuple[Axis, ...]) -> KernelAxes | None:
    """Tell a kernel's axes apart by their sides, in whatever order they stand; None where it has no window, or no filters.

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
    """Bring a kernel to (filters, channels, *window); a view of it wherever NumPy can make one."""
    channel = () if kernel.channel is None else (kernel.channel,)
    window = tuple(values.shape[i] for i in kernel.window)
    return values.transpose((*kernel.filters, *channel, *kernel.window)).reshape(-1, kernel.num_channels, *window)


# Sums of squares between these have lost no digit that counts in float32, which adds five times as fast.
SAFE_RANGE = (1e-30, 1e37)


def sums_of_squares(stack: np.ndarray) -> np.ndarray:
    """Return the sum of squares of each window, of shape (filters, channels): right to 5 digits, of whatever size."""
    axes = list(range(stack.ndim))
    with np.errstate(all="ignore"):
        sums = np.einsum(stack, axes, stack, axes, axes[:2])
        if np.all((sums > SAFE_RANGE[0]) & (sums < SAFE_RANGE[1])):
            return sums.astype(np.float64)
        return np.einsum(stack, axes, stack, axes, axes[:2], dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class FilterTiles:
    """What is drawn of every tile, before they are sorted and turned to pages.

    `cells` has the shape (tiles, rows, columns, parts): one part, or red, green and blue. `rows` and `columns` are the axes
    along each side of a tile, the outer ones first; `filters` and `channels` say of which filter and channel each tile is,
    None where it is of all channels.
    """

    cells: np.ndarray
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    filters: np.ndarray
    channels: np.ndarray | None


@dataclass(frozen=True, slots=True)
class ChannelOptions:
    """Which channel, and of one filter which: only some ways to draw ask for them."""

    channel: int = 0
    filter: int = 0


def _all_filters(kernel: KernelAxes) -> np.ndarray:
    return np.arange(kernel.num_filters)


def _fold_windows(kernel: KernelAxes, windows: np.ndarray, filters: np.ndarray, channels: np.ndarray | None) -> FilterTiles:
    """Fold windows of shape (tiles, *window) to rows and columns: depth runs across, slice beside slice."""
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
    """Draw each filter in the channel where its norm is largest; one with a NaN in that, since it must not be missed."""
    channels = sums_of_squares(stack).argmax(axis=1)
    return _fold_windows(kernel, stack[_all_filters(kernel), channels], _all_filters(kernel), channels)


def draw_norm(stack: np.ndarray, kernel: KernelAxes, _: ChannelOptions) -> FilterTiles:
    """Draw at each place of the window the L2 norm over all channels: where a filter looks, whatever it looks for."""
    axes = list(range(stack.ndim))
    with np.errstate(all="ignore"):
        norms = np.sqrt(np.einsum(stack, axes, stack, axes, [0, *axes[2:]], dtype=np.float64))
    return _fold_windows(kernel, norms, _all_filters(kernel), None)


def draw_mean(stack: np.ndarray, kernel: KernelAxes, _: ChannelOptions) -> FilterTiles:
    """Draw at each place of the window the mean over all channels: what a filter does where all channels are alike."""
    with np.errstate(all="ignore"):
        return _fold_windows(kernel, stack.mean(axis=1, dtype=np.float64), _all_filters(kernel), None)


def draw_rgb(stack: np.ndarray, kernel: KernelAxes, _: ChannelOptions) -> FilterTiles:
    """Draw three channels as red, green and blue."""
    return FilterTiles(np.moveaxis(stack, 1, -1), kernel.window[:1], kernel.window[1:], _all_filters(kernel), None)


def draw_rows(stack: np.ndarray, kernel: KernelAxes, _: ChannelOptions) -> FilterTiles:
    """Draw a window along one axis in all channels, one row for each."""
    rows = () if kernel.channel is None else (kernel.channel,)
    return FilterTiles(stack[..., None], rows, kernel.window, _all_filters(kernel), None)


def draw_filter(stack: np.ndarray, kernel: KernelAxes, options: ChannelOptions) -> FilterTiles:
    """Draw one filter in every channel, a tile for each."""
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
