"""The filters of a convolution as small pictures in a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.nodes import Axis, Weight, plural
from weight_explorer.recording.past import Past
from weight_explorer.views.choice import Choice, Offer
from weight_explorer.views.filter_order import SORTS, Ranking, Subject, percent, sort_offers
from weight_explorer.views.limits import film_words, reach_of
from weight_explorer.views.numbers import grouped
from weight_explorer.views.options import Option, fixed
from weight_explorer.views.pictures import EmptyPicture, Picture, Tile, TilesPicture
from weight_explorer.views.reading import MORE_MEMORY, Reading, read
from weight_explorer.views.windows import WAYS, Asked, Drawn, KernelAxes, kernel_axes, squares, stacked

VIEW = "filters"

# As many as can be told apart on the usual stage of 850 x 280 pixels, at 4 pixels a cell of 9.
TILES_OF_A_PAGE = 64

# More rows than this in a tile are thinner than a pixel.
MOST_ROWS = 64

# A filter that moved by more than this share of its norm has clearly learned something.
CLEARLY = 0.1


def applies(weight: Weight) -> bool:
    """Whether a weight is a kernel that is moved along its input."""
    return kernel_axes(weight.axes) is not None


def _kernel(weight: Weight) -> KernelAxes:
    kernel = kernel_axes(weight.axes)
    if kernel is None:
        raise ValueError(f"{weight.key!r} has no window and no filters.")
    return kernel


def _channel_offers(weight: Weight, _: Past, __: Choice) -> tuple[Offer, ...]:
    kernel = _kernel(weight)
    count, rank = kernel.num_channels, len(kernel.window)
    possible = {
        Offer("rgb", "as red, green, blue"): count == 3 and rank == 2,
        Offer("rows", "all, a row each"): 1 < count <= MOST_ROWS and rank == 1,
        Offer("strongest", "strongest of each"): count > 1,
        Offer("one", "one, by number"): count > 1,
        Offer("norm", "norm over all"): count > 1,
        Offer("mean", "mean over all"): count > 1,
        Offer("filter", "one filter in each"): count > 1,
    }
    return tuple(offer for offer, is_possible in possible.items() if is_possible)


def _way(weight: Weight, history: Past, choice: Choice) -> str:
    asked = CHANNELS.chosen(weight, history, choice)
    return asked if _kernel(weight).num_channels > 1 else "one"


def _channel_range(weight: Weight, history: Past, choice: Choice) -> int:
    return _kernel(weight).num_channels if _way(weight, history, choice) == "one" else 0


def _filter_range(weight: Weight, history: Past, choice: Choice) -> int:
    return _kernel(weight).num_filters if _way(weight, history, choice) == "filter" else 0


def _num_tiles(weight: Weight, history: Past, choice: Choice) -> int:
    kernel = _kernel(weight)
    return kernel.num_channels if _way(weight, history, choice) == "filter" else kernel.num_filters


def _sort_offers(weight: Weight, history: Past, choice: Choice) -> tuple[Offer, ...]:
    of_filters = _way(weight, history, choice) != "filter"
    return sort_offers(weight, history, _num_tiles(weight, history, choice), of_filters=of_filters)


def _page_range(weight: Weight, history: Past, choice: Choice) -> int:
    return math.ceil(_num_tiles(weight, history, choice) / TILES_OF_A_PAGE)


CHANNELS = Option(VIEW, "channels", "channels", _channel_offers)
CHANNEL = Option(VIEW, "channel", "channel", _channel_range, "slider")
FILTER = Option(VIEW, "filter", "filter", _filter_range, "slider")
SORT = Option(VIEW, "sort", "sorted by", _sort_offers)
COLORS = Option(VIEW, "colors", "colors", fixed(("common", "one scale for all"), ("own", "a scale for each")))
PAGE = Option(VIEW, "page", "page", _page_range, "slider")
OPTIONS = (CHANNELS, CHANNEL, FILTER, PAGE, SORT, COLORS)


@dataclass(frozen=True, slots=True)
class _Asked(Asked):
    """All that was chosen for this view."""

    way: str = "one"
    sort: str = "number"
    page: int = 0
    is_common: bool = True

    @property
    def is_of_channels(self) -> bool:
        """Whether each tile is a channel of one filter, and not a filter."""
        return self.way == "filter"


def _asked(weight: Weight, history: Past, choice: Choice) -> _Asked:
    return _Asked(
        channel=int(CHANNEL.chosen(weight, history, choice)),
        filter=int(FILTER.chosen(weight, history, choice)),
        way=_way(weight, history, choice),
        sort=SORT.chosen(weight, history, choice) if _num_tiles(weight, history, choice) > 1 else "number",
        page=int(PAGE.chosen(weight, history, choice)),
        is_common=COLORS.chosen(weight, history, choice) == "common",
    )


def draw(weight: Weight, history: Past, choice: Choice) -> Picture:
    """Draw each filter as a tile, at most 64 of them on a page, in the chosen order."""
    reading = read(weight, history, choice)
    if isinstance(reading, EmptyPicture):
        return reading
    if reading.sample is not None:
        return EmptyPicture(
            f"Of this weight only {reading.sample.words} elements are kept, so that no filter is whole and none can be drawn. "
            f"{MORE_MEMORY}"
        )
    kernel, asked = _kernel(weight), _asked(weight, history, choice)
    stack = stacked(reading.values, kernel)
    sums = squares(stack)
    sizes = sums[asked.filter] if asked.is_of_channels else sums.sum(axis=1)
    subject = Subject(weight, history, choice, kernel, sizes, (asked.filter,) if asked.is_of_channels else ())
    ranking = SORTS[asked.sort](subject)
    shown = ranking.order[asked.page * TILES_OF_A_PAGE : (asked.page + 1) * TILES_OF_A_PAGE]
    drawn = WAYS[asked.way](stack, kernel, asked)
    scale = film_words(choice.color_limit, reach_of(drawn.cells)) if asked.is_common else ""
    with np.errstate(over="ignore"):  # a norm over channels may be more than float32 holds
        cells = np.ascontiguousarray(drawn.cells[shown], np.float32)
    return TilesPicture(
        cells=cells,
        tiles=tuple(_tile(kernel, drawn, ranking, int(i), of_channels=asked.is_of_channels) for i in shown),
        axes=weight.axes,
        rows=drawn.rows,
        columns=drawn.columns,
        limits=_limits(drawn, cells, choice, is_common=asked.is_common),
        is_common=asked.is_common,
        combined=_COMBINED.get(asked.way, ""),
        measure=ranking.measure,
        heading=_heading(kernel, drawn, asked),
        caption=_caption(reading, subject, ranking, len(shown), asked.way) + _odd_words(reading.values, sums) + scale,
    )


_COMBINED = {"norm": "norm over all channels", "mean": "mean over all channels"}


def _limits(drawn: Drawn, cells: np.ndarray, choice: Choice, *, is_common: bool) -> np.ndarray:
    """Return the end of each tile's color scale; a common one is that of all pages, or of all frames of a film."""
    if is_common:
        limit = reach_of(drawn.cells) if choice.color_limit is None else choice.color_limit
        return np.full(len(cells), limit, np.float32)
    return np.array([reach_of(tile) for tile in cells], np.float32)


def _tile(kernel: KernelAxes, drawn: Drawn, ranking: Ranking, i: int, *, of_channels: bool) -> Tile:
    number = int(drawn.filters[i])
    places = np.unravel_index(number, [kernel.axes[axis].size for axis in kernel.filters])
    fixed = dict(zip(kernel.filters, map(int, places), strict=True))
    if kernel.channel is not None and drawn.channels is not None:
        fixed[kernel.channel] = int(drawn.channels[i])
    named = kernel.channel if of_channels else kernel.filters[-1]
    label = _label(kernel.axes[named], fixed[named]) if named is not None else ""
    if not label and not of_channels:
        label = _label(kernel.axes[kernel.filters[0]], fixed[kernel.filters[0]])
    words = (_index_words(axis, fixed[at]) if at in fixed else "" for at, axis in enumerate(kernel.axes))
    at = tuple(fixed.get(axis) for axis in range(len(kernel.axes)))
    return Tile(i, label, ranking.write(float(ranking.numbers[i])), tuple(words), at)


def _label(axis: Axis, index: int) -> str:
    return axis.labels[index] if axis.labels else ""


def _index_words(axis: Axis, index: int) -> str:
    """Name an entry as the other views do, such as `filters = 9 (forget gate 1) "cat"`."""
    block = next((block for block in axis.blocks if block.start <= index < block.stop), None)
    within = f" ({block.name} {index - block.start})" if block and axis.is_split else ""
    label = _label(axis, index)
    return f"{axis.name} = {index}{within}" + (f' "{label}"' if label else "")


def _heading(kernel: KernelAxes, drawn: Drawn, asked: _Asked) -> tuple[str, ...]:
    """Say which axis is what, in short pieces."""
    names = [axis.name.removeprefix("kernel_") for axis in kernel.axes]
    down, across = " x ".join(names[i] for i in drawn.rows), [names[i] for i in drawn.columns]
    filters = " x ".join(names[i] for i in kernel.filters)
    tiles = f"{filters}: {asked.filter}" if asked.is_of_channels else f"{filters}: a tile each"
    channels = _CHANNEL_WORDS[asked.way].format(asked.channel)
    pieces = (
        f"{down} ↓" if down else "",
        f"{across[-1]} →",
        f"{across[0]}: side by side" if len(across) > 1 else "",
        tiles,
        f"{names[kernel.channel]}: {channels}" if kernel.channel is not None else "",
    )
    return tuple(piece for piece in pieces if piece)


_CHANNEL_WORDS = {
    "rgb": "0 red, 1 green, 2 blue",
    "rows": "a row each",
    "strongest": "the strongest of each",
    "one": "{}",
    "norm": "norm over all",
    "mean": "mean over all",
    "filter": "a tile each",
}


def _caption(reading: Reading, subject: Subject, ranking: Ranking, num_shown: int, way: str) -> str:
    kernel = subject.kernel
    entry = "channel" if way == "filter" else kernel.entry
    count = len(ranking.order)
    pieces = [
        reading.words,
        _what_words(kernel, way),
        f"{num_shown} of {grouped(count)} {plural(entry)} are shown." if num_shown < count else "",
        _ranking_words(ranking, entry),
        _change_words(subject, entry),
    ]
    return " ".join(piece for piece in pieces if piece)


def _what_words(kernel: KernelAxes, way: str) -> str:
    channels = f" over {kernel.num_channels} input {plural('channel')}" if kernel.num_channels > 1 else " over one channel"
    what = f"{grouped(kernel.num_filters)} {plural(kernel.entry)} of {kernel.words}{channels}{_SHOWN_WORDS.get(way, '')}."
    if all(kernel.axes[i].size == 1 for i in kernel.window):
        what += " The window is a single place, so there is nothing spatial to see: the matrix shows all of it."
    return what


_SHOWN_WORDS = {
    "rgb": ", drawn as colors: mid-gray is zero",
    "strongest": ", each drawn in its strongest",
    "norm": ", drawn as the norm over all",
    "mean": ", drawn as the mean over all",
    "filter": ", one of them drawn in each",
}


def _ranking_words(ranking: Ranking, entry: str) -> str:
    known = np.flatnonzero(~np.isnan(ranking.numbers))
    if len(known) < 2:
        return ""
    ends = (known[ranking.numbers[known].argmax()], known[ranking.numbers[known].argmin()])
    largest, smallest = (f"{entry} {i} ({ranking.write(float(ranking.numbers[i]))})" for i in ends)
    return f"{ranking.words}: largest {largest}, smallest {smallest}."


def _change_words(subject: Subject, entry: str) -> str:
    shares = subject.changes
    if shares is None:
        return ""
    of = f"of {grouped(len(shares))} {plural(entry)}"
    known = shares[np.isfinite(shares)]  # not of NaN or Inf, nor of a norm that was zero
    broken = f"{len(shares) - len(known)} {of} cannot be compared with the start." if len(known) < len(shares) else ""
    if not known.size:
        return broken
    moved, bound = int((known > CLEARLY).sum()), percent(CLEARLY)
    far = f"{moved} {of} changed by more than {bound} of their norm since the start, at most {percent(float(known.max()))}."
    return f"{far} {broken}".rstrip()


def _odd_words(values: np.ndarray, sums: np.ndarray) -> str:
    if np.isfinite(sums).all():
        return ""
    odd = values.size - int(np.isfinite(values).sum())
    return f" {grouped(odd)} of all its numbers are NaN or infinite." if odd else ""
