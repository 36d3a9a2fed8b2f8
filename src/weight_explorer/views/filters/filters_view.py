"""The Filters view: the filters of a convolution as small tiles in a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import Axis, Weight, pluralize
from weight_explorer.pictures.data import EmptyPicture, Picture, Tile, TilesPicture
from weight_explorer.pictures.numbers import format_count
from weight_explorer.recording.history import History
from weight_explorer.views.choice import Choice, MenuItem
from weight_explorer.views.color_range import describe_animation_range, largest_magnitude
from weight_explorer.views.filters.kernel_axes import (
    DRAW_MODES,
    ChannelOptions,
    FilterTiles,
    KernelAxes,
    kernel_axes,
    stack_filters,
    sums_of_squares,
)
from weight_explorer.views.filters.sort import SORTS, SortInput, TileOrder, format_percent, sort_items
from weight_explorer.views.options import ViewOption, fixed_items
from weight_explorer.views.reading import MEMORY_HINT, Reading, read_quantity

VIEW = "filters"

# The most tiles that can be told apart in the usual picture area of 850 × 280 pixels, with 3 × 3 cells of 4 pixels each.
TILES_PER_PAGE = 64

# With more rows than this in a tile, each is thinner than a pixel.
MAX_ROWS = 64

# A filter that has changed by more than this share of its norm has clearly learned something.
CLEAR_CHANGE = 0.1


def applies(weight: Weight) -> bool:
    """Whether the weight is a kernel that is moved along its input."""
    return kernel_axes(weight.axes) is not None


def _kernel(weight: Weight) -> KernelAxes:
    kernel = kernel_axes(weight.axes)
    if kernel is None:
        raise ValueError(f"{weight.key!r} has no window and no filters.")
    return kernel


def _channel_items(weight: Weight, _: History, __: Choice) -> tuple[MenuItem, ...]:
    kernel = _kernel(weight)
    count, rank = kernel.num_channels, len(kernel.window)
    possible = {
        MenuItem("rgb", "as red, green, blue"): count == 3 and rank == 2,
        MenuItem("rows", "all, a row each"): 1 < count <= MAX_ROWS and rank == 1,
        MenuItem("strongest", "strongest of each"): count > 1,
        MenuItem("one", "one, by number"): count > 1,
        MenuItem("norm", "norm over all"): count > 1,
        MenuItem("mean", "mean over all"): count > 1,
        MenuItem("filter", "one filter in each"): count > 1,
    }
    return tuple(offer for offer, is_possible in possible.items() if is_possible)


def _channel_mode(weight: Weight, history: History, choice: Choice) -> str:
    asked = CHANNELS.chosen(weight, history, choice)
    return asked if _kernel(weight).num_channels > 1 else "one"


def _channel_range(weight: Weight, history: History, choice: Choice) -> int:
    return _kernel(weight).num_channels if _channel_mode(weight, history, choice) == "one" else 0


def _filter_range(weight: Weight, history: History, choice: Choice) -> int:
    return _kernel(weight).num_filters if _channel_mode(weight, history, choice) == "filter" else 0


def _num_tiles(weight: Weight, history: History, choice: Choice) -> int:
    kernel = _kernel(weight)
    return kernel.num_channels if _channel_mode(weight, history, choice) == "filter" else kernel.num_filters


def _sort_items(weight: Weight, history: History, choice: Choice) -> tuple[MenuItem, ...]:
    of_filters = _channel_mode(weight, history, choice) != "filter"
    return sort_items(weight, history, _num_tiles(weight, history, choice), of_filters=of_filters)


def _page_range(weight: Weight, history: History, choice: Choice) -> int:
    return math.ceil(_num_tiles(weight, history, choice) / TILES_PER_PAGE)


CHANNELS = ViewOption(VIEW, "channels", "channels", _channel_items)
CHANNEL = ViewOption(VIEW, "channel", "channel", _channel_range, "slider")
FILTER = ViewOption(VIEW, "filter", "filter", _filter_range, "slider")
SORT = ViewOption(VIEW, "sort", "sorted by", _sort_items)
COLORS = ViewOption(VIEW, "colors", "colors", fixed_items(("common", "one scale for all"), ("own", "a scale for each")))
PAGE = ViewOption(VIEW, "page", "page", _page_range, "slider")
OPTIONS = (CHANNELS, CHANNEL, FILTER, PAGE, SORT, COLORS)


@dataclass(frozen=True, slots=True)
class _FilterOptions(ChannelOptions):
    """All options chosen for this view."""

    mode: str = "one"
    sort: str = "number"
    page: int = 0
    has_common_scale: bool = True

    @property
    def shows_channels(self) -> bool:
        """Whether each tile shows a channel of one filter, not a filter."""
        return self.mode == "filter"


def _filter_options(weight: Weight, history: History, choice: Choice) -> _FilterOptions:
    return _FilterOptions(
        channel=int(CHANNEL.chosen(weight, history, choice)),
        filter=int(FILTER.chosen(weight, history, choice)),
        mode=_channel_mode(weight, history, choice),
        sort=SORT.chosen(weight, history, choice) if _num_tiles(weight, history, choice) > 1 else "number",
        page=int(PAGE.chosen(weight, history, choice)),
        has_common_scale=COLORS.chosen(weight, history, choice) == "common",
    )


def draw(weight: Weight, history: History, choice: Choice) -> Picture:
    """Draw each filter as a tile, at most 64 per page, in the chosen order."""
    reading = read_quantity(weight, history, choice)
    if isinstance(reading, EmptyPicture):
        return reading
    if reading.sample is not None:
        return EmptyPicture(
            f"Of this weight only {reading.sample.description} elements are kept, so that no filter is whole and none can be "
            "drawn. "
            f"{MEMORY_HINT}"
        )
    kernel, asked = _kernel(weight), _filter_options(weight, history, choice)
    stack = stack_filters(reading.values, kernel)
    sums = sums_of_squares(stack)
    sizes = sums[asked.filter] if asked.shows_channels else sums.sum(axis=1)
    subject = SortInput(weight, history, choice, kernel, sizes, (asked.filter,) if asked.shows_channels else ())
    ranking = SORTS[asked.sort](subject)
    shown = ranking.order[asked.page * TILES_PER_PAGE : (asked.page + 1) * TILES_PER_PAGE]
    drawn = DRAW_MODES[asked.mode](stack, kernel, asked)
    scale = describe_animation_range(choice.color_limit, largest_magnitude(drawn.cells)) if asked.has_common_scale else ""
    with np.errstate(over="ignore"):  # a norm over channels may exceed the range of float32
        cells = np.ascontiguousarray(drawn.cells[shown], np.float32)
    return TilesPicture(
        cells=cells,
        tiles=tuple(_tile(kernel, drawn, ranking, int(i), of_channels=asked.shows_channels) for i in shown),
        axes=weight.axes,
        rows=drawn.rows,
        columns=drawn.columns,
        color_limits=_limits(drawn, cells, choice, has_common_scale=asked.has_common_scale),
        has_common_scale=asked.has_common_scale,
        combined_text=_COMBINED_TEXT.get(asked.mode, ""),
        measure=ranking.measure,
        heading=_heading(kernel, drawn, asked),
        caption=_caption(reading, subject, ranking, len(shown), asked.mode)
        + _describe_not_finite(reading.values, sums)
        + scale,
    )


_COMBINED_TEXT = {"norm": "norm over all channels", "mean": "mean over all channels"}


def _limits(tiles: FilterTiles, cells: np.ndarray, choice: Choice, *, has_common_scale: bool) -> np.ndarray:
    """Return the limit of each tile's color scale. A common limit covers all pages, or all frames of an animation."""
    if has_common_scale:
        limit = largest_magnitude(tiles.cells) if choice.color_limit is None else choice.color_limit
        return np.full(len(cells), limit, np.float32)
    return np.array([largest_magnitude(tile) for tile in cells], np.float32)


def _tile(kernel: KernelAxes, tiles: FilterTiles, order: TileOrder, i: int, *, of_channels: bool) -> Tile:
    number = int(tiles.filters[i])
    places = np.unravel_index(number, [kernel.axes[axis].size for axis in kernel.filters])
    fixed = dict(zip(kernel.filters, map(int, places), strict=True))
    if kernel.channel is not None and tiles.channels is not None:
        fixed[kernel.channel] = int(tiles.channels[i])
    named = kernel.channel if of_channels else kernel.filters[-1]
    label = _label(kernel.axes[named], fixed[named]) if named is not None else ""
    if not label and not of_channels:
        label = _label(kernel.axes[kernel.filters[0]], fixed[kernel.filters[0]])
    words = (_describe_index(axis, fixed[at]) if at in fixed else "" for at, axis in enumerate(kernel.axes))
    at = tuple(fixed.get(axis) for axis in range(len(kernel.axes)))
    return Tile(i, label, order.format_number(float(order.numbers[i])), tuple(words), at)


def _label(axis: Axis, index: int) -> str:
    return axis.labels[index] if axis.labels else ""


def _describe_index(axis: Axis, index: int) -> str:
    """Name an entry in the same way as the other views, such as `filters = 9 (forget gate 1) "cat"`."""
    block = next((block for block in axis.blocks if block.start <= index < block.stop), None)
    within = f" ({block.name} {index - block.start})" if block and axis.is_split else ""
    label = _label(axis, index)
    return f"{axis.name} = {index}{within}" + (f' "{label}"' if label else "")


def _heading(kernel: KernelAxes, drawn: FilterTiles, options: _FilterOptions) -> tuple[str, ...]:
    """Return short texts that say what each axis shows."""
    names = [axis.name.removeprefix("kernel_") for axis in kernel.axes]
    down, across = " x ".join(names[i] for i in drawn.rows), [names[i] for i in drawn.columns]
    filters = " x ".join(names[i] for i in kernel.filters)
    tiles = f"{filters}: {options.filter}" if options.shows_channels else f"{filters}: a tile each"
    channels = _CHANNEL_TEXT[options.mode].format(options.channel)
    pieces = (
        f"{down} ↓" if down else "",
        f"{across[-1]} →",
        f"{across[0]}: side by side" if len(across) > 1 else "",
        tiles,
        f"{names[kernel.channel]}: {channels}" if kernel.channel is not None else "",
    )
    return tuple(piece for piece in pieces if piece)


_CHANNEL_TEXT = {
    "rgb": "0 red, 1 green, 2 blue",
    "rows": "a row each",
    "strongest": "the strongest of each",
    "one": "{}",
    "norm": "norm over all",
    "mean": "mean over all",
    "filter": "a tile each",
}


def _caption(reading: Reading, subject: SortInput, order: TileOrder, num_drawn: int, mode: str) -> str:
    kernel = subject.kernel
    entry = "channel" if mode == "filter" else kernel.noun
    count = len(order.order)
    pieces = [
        reading.text,
        _describe_filters(kernel, mode),
        f"{num_drawn} of {format_count(count)} {pluralize(entry)} are shown." if num_drawn < count else "",
        _describe_order(order, entry),
        _describe_change(subject, entry),
    ]
    return " ".join(piece for piece in pieces if piece)


def _describe_filters(kernel: KernelAxes, mode: str) -> str:
    channels = f" over {kernel.num_channels} input {pluralize('channel')}" if kernel.num_channels > 1 else " over one channel"
    what = (
        f"{format_count(kernel.num_filters)} {pluralize(kernel.noun)} of "
        f"{kernel.window_text}{channels}{_MODE_TEXT.get(mode, '')}."
    )
    if all(kernel.axes[i].size == 1 for i in kernel.window):
        what += " The window is a single place, so there is nothing spatial to see: the matrix shows all of it."
    return what


_MODE_TEXT = {
    "rgb": ", drawn as colors: mid-gray is zero",
    "strongest": ", each drawn in its strongest",
    "norm": ", drawn as the norm over all",
    "mean": ", drawn as the mean over all",
    "filter": ", one of them drawn in each",
}


def _describe_order(order: TileOrder, entry: str) -> str:
    known = np.flatnonzero(~np.isnan(order.numbers))
    if len(known) < 2:
        return ""
    ends = (known[order.numbers[known].argmax()], known[order.numbers[known].argmin()])
    largest, smallest = (f"{entry} {i} ({order.format_number(float(order.numbers[i]))})" for i in ends)
    return f"{order.text}: largest {largest}, smallest {smallest}."


def _describe_change(subject: SortInput, entry: str) -> str:
    shares = subject.relative_changes
    if shares is None:
        return ""
    of = f"of {format_count(len(shares))} {pluralize(entry)}"
    known = shares[np.isfinite(shares)]  # excludes NaN and Inf, and norms that were zero
    broken = f"{len(shares) - len(known)} {of} cannot be compared with the start." if len(known) < len(shares) else ""
    if not known.size:
        return broken
    moved, bound = int((known > CLEAR_CHANGE).sum()), format_percent(CLEAR_CHANGE)
    far = (
        f"{moved} {of} changed by more than {bound} of their norm since the start, at most "
        f"{format_percent(float(known.max()))}."
    )
    return f"{far} {broken}".rstrip()


def _describe_not_finite(values: np.ndarray, sums: np.ndarray) -> str:
    if np.isfinite(sums).all():
        return ""
    odd = values.size - int(np.isfinite(values).sum())
    return f" {format_count(odd)} of all its numbers are NaN or infinite." if odd else ""
