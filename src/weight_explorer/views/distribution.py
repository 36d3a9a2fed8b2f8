"""The distribution: how many elements have which value, now, at the start and at any record, or from record to record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from weight_explorer.catalog.nodes import Axis, Weight, cut, plural
from weight_explorer.recording.histogram import Histograms
from weight_explorer.recording.moments import axis_words, moment_words
from weight_explorer.recording.past import Column, Past, start_among
from weight_explorer.recording.statistics import INDEX, NOT_FINITE, widened
from weight_explorer.recording.time import Step
from weight_explorer.views.choice import Choice, Offer, quantity_label
from weight_explorer.views.entries import block_axis
from weight_explorer.views.initializers import start_of
from weight_explorer.views.numbers import counted, exact, grouped, rough
from weight_explorer.views.options import OFF_OR_ON, ON_OR_OFF, Option
from weight_explorer.views.pictures import Chart, ChartPicture, EmptyPicture, Mark, Picture
from weight_explorer.views.reading import Reading, chosen_step, kept_steps, read, step_words, value_of

VIEW = "distribution"

# The name of what is on screen, which need not be the newest.
SHOWN = "this record"
AT_START = "at the start"

FEWEST_BINS, MOST_BINS = 8, 64
MOST_BLOCKS = 8
MOST_RIDGES = 14
MOST_RIDGE_LABELS = 7
MOST_BANDED = 200
# From this size on the histograms that were recorded are as good: their bins are as fine as those that would be drawn.
LARGE = 4096
# How far a ridge reaches over the one behind it.
REACH = 2.2
# Over a range between these nothing overflows while float32 is counted.
SAFE_WIDTHS = (1e-35, 1e38)
SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)

TOGETHER, OVERLAID, BESIDE = "together", "overlaid", "beside"


# -- options -------------------------------------------------------------------------------------------------------------


def _forms(weight: Weight, history: Past, choice: Choice) -> tuple[Offer, ...]:
    """Offer what is drawn from recorded histograms, which there are of whole weights and not of changes."""
    histogram = Offer("histogram", "histogram")
    if weight.source or choice.quantity != "value" or not len(history.recorded(weight.whole)):
        return (histogram,)
    return histogram, Offer("ridges", "ridges over time"), Offer("percentiles", "percentiles over time")


def _block_offers(weight: Weight, history: Past, choice: Choice) -> tuple[Offer, ...]:
    axis = block_axis(weight, MOST_BLOCKS)
    if axis is None or FORM.chosen(weight, history, choice) != "histogram":
        return ()
    blocks = plural(axis.group)
    words = ((TOGETHER, f"all {blocks} together"), (OVERLAID, f"{blocks} overlaid"), (BESIDE, f"{blocks} side by side"))
    return tuple(Offer(key, label) for key, label in words)


def _initializer_offers(weight: Weight, history: Past, choice: Choice) -> tuple[Offer, ...]:
    is_known = choice.quantity == "value" and FORM.chosen(weight, history, choice) == "histogram" and start_of(weight)
    return ON_OR_OFF if is_known else ()


def _log_offers(weight: Weight, history: Past, choice: Choice) -> tuple[Offer, ...]:
    counts = FORM.chosen(weight, history, choice) != "percentiles"
    return OFF_OR_ON if counts else ()


FORM = Option(VIEW, "form", "as", _forms)
BLOCKS = Option(VIEW, "blocks", "of", _block_offers)
INITIALIZER = Option(VIEW, "initializer", "initializer", _initializer_offers, "switch")
LOG = Option(VIEW, "log", "log count", _log_offers, "switch")
OPTIONS = (FORM, BLOCKS, INITIALIZER, LOG)


# -- the view ------------------------------------------------------------------------------------------------------------


def draw(weight: Weight, history: Past, choice: Choice) -> Picture:
    """Draw the histogram of all finite elements, with others to compare, or how it went over time."""
    is_log = LOG.is_on(weight, history, choice)
    form = FORM.chosen(weight, history, choice)
    if form != "histogram":
        return _draw_ridges(weight, history, is_log=is_log) if form == "ridges" else _draw_percentiles(weight, history)
    how = BLOCKS.chosen(weight, history, choice)
    if how in (OVERLAID, BESIDE):
        return _draw_blocks(weight, history, choice)
    counted = _recorded(weight, history, choice) or _counted(weight, history, choice)
    if isinstance(counted, EmptyPicture):
        return counted
    marks, words = list(counted.marks()), ""
    start = start_of(weight) if INITIALIZER.is_on(weight, history, choice) else None
    if start is not None:
        marks.append(expected_line(start.expected(counted.edges, counted.count), counted.edges))
        words = f" {start.words}."
    chart = Chart("", _label(choice), _count_label(is_log), tuple(_shown(mark, is_log) for mark in marks), log=is_log)
    return ChartPicture((chart,), counted.words() + words)


def _label(choice: Choice) -> str:
    return "weight" if choice.quantity == "value" else f"change {quantity_label(choice).lower()}"


def _count_label(is_log: bool) -> str:
    return "elements (log)" if is_log else "elements"


def _shown(mark: Mark, is_log: bool) -> Mark:
    """Leave out what a log axis cannot show, and of expected numbers those far below one element."""
    if not is_log:
        return mark
    return Mark(mark.kind, mark.name, mark.color, mark.x, np.where(mark.y > 0.3, mark.y, np.nan))


def expected_line(counts: np.ndarray, edges: np.ndarray) -> Mark:
    """Draw how many elements each bin is expected to hold."""
    return Mark("line", "expected of the initializer", "initializer", (edges[1:] + edges[:-1]) / 2, counts)


@dataclass(frozen=True, slots=True, eq=False)
class _Counted:
    """Histograms over common bins: of what is shown first, then of others by name; and of it what the caption says.

    `halves` has between which numbers the middle half of each lies: bins that hold all of them are too wide to tell.
    """

    edges: np.ndarray
    counts: dict[str, np.ndarray]
    halves: dict[str, tuple[float, float]]
    what: str
    count: int
    num_left_out: int
    value: float | None

    def marks(self) -> tuple[Mark, ...]:
        colors = {SHOWN: "now", AT_START: "start"}
        return tuple(
            Mark("steps", name, colors.get(name, "against"), self.edges, counts.astype(np.float64))
            for name, counts in self.counts.items()
        )

    def words(self) -> str:
        bins = np.flatnonzero(self.counts[SHOWN])
        words = f"{self.what} {counted(self.count, 'element')} in {counted(len(self.edges) - 1, 'bin')}."
        if self.num_left_out:
            words += f" {grouped(self.num_left_out)} are not finite and are left out."
        if self.value is not None:
            return f"{words} All are {exact(self.value)}."
        if len(bins) > 2:
            words += f" The middle half lies {'; '.join(_half_words(name, *ends) for name, ends in self.halves.items())}."
        return words


def _half_words(name: str, low: float, high: float) -> str:
    """Say between which numbers the middle half of the elements lies.

    >>> _half_words("at the start", 0.0, 0.0)
    'at the start at 0'
    """
    where = f"between {rough(low)} and {rough(high)}" if low < high else f"at {rough(low)}"
    return where if name == SHOWN else f"{name} {where}"


def _half_of(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, (0.25, 0.75)).tolist() if values.size else (math.nan, math.nan)
    return low, high


def _compared(numbers: Sequence[int], start: int, number: int, choice: Choice) -> dict[str, int]:
    """Return the records that are drawn beside one: the start, and the one chosen to compare with."""
    first = start_among(numbers, start, number)
    found = {} if number == first else {AT_START: first}
    if choice.against is not None and choice.against in numbers and choice.against not in (number, first):
        found[f"record {choice.against}"] = choice.against
    return found


# -- from what was recorded, or from values -----------------------------------------------------------------------------


def _recorded(weight: Weight, history: Past, choice: Choice) -> _Counted | None:
    """Take the recorded histograms of a large weight: exact, of all elements, and there also where values are not kept."""
    column = history.column(weight.whole)
    if choice.quantity != "value" or weight.source or weight.size < LARGE or column is None or not len(column.numbers):
        return None
    number = _number(weight, history, choice, column)
    step = history.step(number)
    if step is None:
        return None
    shown = {SHOWN: number} | _compared(column.numbers.tolist(), history.start, number, choice)
    places = np.searchsorted(column.numbers, list(shown.values()))
    rows = column.rows(places)[:, 0]
    finite = int(rows[0, INDEX["count"]] - rows[0, NOT_FINITE].sum())
    low, high = rows[0, INDEX["minimum"]], rows[0, INDEX["maximum"]]
    if not finite or rows[0, INDEX["count"]] != weight.size or not low < high:
        return None  # of these the words are those of their values
    edges, counts = coarsened(Histograms.of(column.numbers[places], *column.bins(places), rows), MOST_BINS)
    what = f"The value, at {step_words(step)}."
    halves = {name: _recorded_half(column, int(place)) for name, place in zip(shown, places, strict=True)}
    return _Counted(edges, dict(zip(shown, counts, strict=True)), halves, what, finite, weight.size - finite, None)


def _recorded_half(column: Column, place: int) -> tuple[float, float]:
    """Return between which numbers the middle half lies at one record, by the bins of that record alone."""
    own = slice(place, place + 1)
    row = column.rows(own)[:, 0]
    if row[0, INDEX["minimum"]] == row[0, INDEX["maximum"]]:
        return float(row[0, INDEX["minimum"]]), float(row[0, INDEX["maximum"]])
    low, high = Histograms.of(column.numbers[own], *column.bins(own), row).quantiles((0.25, 0.75))[0].tolist()
    return low, high


def _number(weight: Weight, history: Past, choice: Choice, column: Column) -> int:
    kept = chosen_step(weight, history, choice)
    if kept is not None:
        return kept
    earlier = column.numbers[column.numbers <= choice.step] if choice.step is not None else column.numbers
    return int(earlier[-1] if len(earlier) else column.numbers[0])


def coarsened(histograms: Histograms, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return edges and counts of the bins that are filled, two or more of them taken together until there are few enough."""
    edges, counts = histograms.edges, histograms.counts
    filled = np.flatnonzero(counts.any(axis=0))
    first, last = (int(filled[0]), int(filled[-1])) if filled.size else (0, 0)
    step = 1
    while last // step - first // step >= most:
        step *= 2
    first, stop = first // step * step, (last // step + 1) * step
    padded = np.pad(counts, ((0, 0), (0, max(0, stop - counts.shape[1]))))[:, first:stop]
    width = edges[1] - edges[0]
    return edges[0] + width * np.arange(first, stop + 1, step), padded.reshape(len(counts), -1, step).sum(axis=2)


def _counted(weight: Weight, history: Past, choice: Choice) -> _Counted | EmptyPicture:
    """Count values, or changes."""
    reading = read(weight, history, choice)
    if isinstance(reading, EmptyPicture):
        return reading
    shown = values_beside(weight, history, choice, reading)
    finite = {name: values[np.isfinite(values)] for name, values in shown.items()}
    mine = finite[SHOWN]
    if not mine.size:
        return EmptyPicture("No element is finite, so there is no distribution to show.")
    edges = bin_edges(*finite.values())
    counts = {name: count_in(edges, values) for name, values in finite.items()}
    value = float(mine[0]) if mine.min() == mine.max() else None
    halves = {name: _half_of(values) for name, values in finite.items()}
    return _Counted(edges, counts, halves, reading.words, mine.size, reading.values.size - mine.size, value)


def values_beside(weight: Weight, history: Past, choice: Choice, reading: Reading) -> dict[str, np.ndarray]:
    """Return the values of what is shown, and of the records that it is compared with."""
    shown = {SHOWN: reading.values.reshape(-1)}
    if choice.quantity == "value":
        for name, number in _compared(kept_steps(weight, history), history.start, reading.step.number, choice).items():
            other = value_of(weight, history, number)
            if other is not None and other[0].shape == reading.values.shape:
                shown[name] = widened(other[0]).reshape(-1)
    return shown


def bin_edges(*samples: np.ndarray) -> np.ndarray:
    """Return edges of equal bins over all samples together, of a single value with room to each side.

    There are as many as the square root of the elements, the usual rule, between 8 and 64.
    """
    present = [sample for sample in samples if sample.size]
    low = min(float(sample.min()) for sample in present)
    high = max(float(sample.max()) for sample in present)
    if not high - low > 4 * float(np.finfo(np.float32).eps) * max(abs(low), abs(high)):
        margin = max(abs(low), abs(high)) * 0.1 or 1.0
        low, high = low - margin, high + margin
    num_bins = math.isqrt(max(sample.size for sample in present))
    return np.linspace(low, high, min(max(num_bins, FEWEST_BINS), MOST_BINS) + 1)


def count_in(edges: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Count finite values in equal bins, as `numpy.histogram` does but for rounding at the edges, in half the time.

    >>> count_in(np.array([0.0, 1.0, 2.0]), np.array([0.0, 0.5, 1.0, 2.0])).tolist()
    [2, 2]
    """
    num_bins, width = len(edges) - 1, edges[-1] - edges[0]
    if not SAFE_WIDTHS[0] < width < SAFE_WIDTHS[1]:
        values = values.astype(np.float64)
    bins = ((values - values.dtype.type(edges[0])) * values.dtype.type(num_bins / width)).astype(np.int16)
    np.clip(bins, 0, num_bins - 1, out=bins)
    return np.bincount(bins, minlength=num_bins)


# -- block by block ------------------------------------------------------------------------------------------------------


def _draw_blocks(weight: Weight, history: Past, choice: Choice) -> Picture:
    """Draw the histograms of blocks over common bins, in one chart or each in its own."""
    reading = read(weight, history, choice)
    axis = block_axis(weight, MOST_BLOCKS)
    if isinstance(reading, EmptyPicture) or axis is None:
        return reading if isinstance(reading, EmptyPicture) else EmptyPicture("It is not made of a few blocks.")
    is_beside = BLOCKS.chosen(weight, history, choice) == BESIDE
    shown = _block_values(weight, history, choice, axis, reading)
    finite = {key: part[np.isfinite(part)] for key, part in shown.items() if is_beside or key[1] == SHOWN}
    if not any(part.size for part in finite.values()):
        return EmptyPicture("No element is finite, so there is no distribution to show.")
    edges = bin_edges(*finite.values())
    counts = {key: count_in(edges, part).astype(np.float64) for key, part in finite.items()}
    charts = (_charts_beside if is_beside else _chart_of_all)(weight, history, choice, edges, counts)
    num_left_out = sum(part.size for key, part in shown.items() if key[1] == SHOWN) - int(
        sum(count.sum() for key, count in counts.items() if key[1] == SHOWN)
    )
    left_out = f" {grouped(num_left_out)} are not finite and are left out." if num_left_out else ""
    words = f"{reading.words} {len(axis.blocks)} {plural(axis.group)}.{left_out} {_widths_words(finite)}"
    return ChartPicture(charts, words, columns=_num_columns(len(charts)), shared="xy")


_Key = tuple[str, str]  # the words of a block, and the name of a record


def _block_values(weight: Weight, history: Past, choice: Choice, axis: Axis, reading: Reading) -> dict[_Key, np.ndarray]:
    """Return the values of every block, at the record that is shown and at those it is compared with."""
    before = (slice(None),) * weight.axes.index(axis)
    others = values_beside(weight, history, choice, reading)
    found = {}
    for block in axis.blocks:
        index = (*before, slice(block.start, block.stop))
        for name, flat in others.items():
            part = flat[reading.sample.part(index)[0]] if reading.sample else flat.reshape(reading.values.shape)[index]
            found[axis.block_words(block), name] = part.reshape(-1)
    return found


def _chart_of_all(
    weight: Weight, history: Past, choice: Choice, edges: np.ndarray, counts: dict[_Key, np.ndarray]
) -> tuple[Chart, ...]:
    is_log = LOG.is_on(weight, history, choice)
    marks = [Mark("steps", block, f"series {i + 1}", edges, row) for i, ((block, _), row) in enumerate(counts.items())]
    return (Chart("", _label(choice), _count_label(is_log), tuple(_shown(mark, is_log) for mark in marks), log=is_log),)


def _charts_beside(
    weight: Weight, history: Past, choice: Choice, edges: np.ndarray, counts: dict[_Key, np.ndarray]
) -> tuple[Chart, ...]:
    is_log, wants_start = LOG.is_on(weight, history, choice), INITIALIZER.is_on(weight, history, choice)
    names = list(dict.fromkeys(block for block, _ in counts))
    axis, charts = block_axis(weight, MOST_BLOCKS), []
    for place, words in enumerate(names):
        rows = {name: row for (block, name), row in counts.items() if block == words}
        marks = list(_Counted(edges, rows, {}, "", 0, 0, None).marks())
        part = weight if weight.source or axis is None else cut(weight, axis.blocks[place].name)
        start = start_of(part) if wants_start else None
        if start is not None:
            marks.append(expected_line(start.expected(edges, int(rows[SHOWN].sum())), edges))
        # One legend for all, spread over them: the colors are the same.
        named = (mark if i % len(names) == place else replace(mark, name="") for i, mark in enumerate(marks))
        x_label = _label(choice) if place >= len(names) - _num_columns(len(names)) else ""
        y_label = _count_label(is_log) if place % _num_columns(len(names)) == 0 else ""
        charts.append(Chart(words, x_label, y_label, tuple(_shown(mark, is_log) for mark in named), log=is_log))
    return tuple(charts)


def _num_columns(num_charts: int) -> int:
    return 1 if num_charts == 1 else 2 if num_charts <= 4 else 4


def _widths_words(finite: dict[_Key, np.ndarray]) -> str:
    """Say which block is the widest, and which the narrowest."""
    widths = {block: float(part.std(dtype=np.float64)) for (block, name), part in finite.items() if name == SHOWN and part.size}
    widest, narrowest = max(widths, key=lambda block: widths[block]), min(widths, key=lambda block: widths[block])
    if widths[widest] == widths[narrowest]:
        return f"All have the standard deviation {rough(widths[widest])}."
    return f"Standard deviations from {rough(widths[narrowest])} ({narrowest}) to {rough(widths[widest])} ({widest})."


# -- over time -----------------------------------------------------------------------------------------------------------


def _draw_ridges(weight: Weight, history: Past, *, is_log: bool) -> Picture:
    """Draw the histograms of several records behind each other, the newest in front."""
    histograms = history.histograms(weight.whole, MOST_RIDGES)
    edges, counts = coarsened(histograms, min(max(math.isqrt(weight.size), 2 * FEWEST_BINS), 2 * MOST_BINS))
    if not counts.any():
        return EmptyPicture("No element is finite at any record, so there is no distribution to show.")
    steps = [history.step(int(number)) for number in histograms.numbers]
    heights = np.log1p(counts) if is_log else counts.astype(np.float64)
    heights = np.pad(heights * (REACH / heights.max()), ((0, 0), (1, 1)))
    offsets = np.arange(len(counts))[::-1, None]
    width = edges[1] - edges[0]
    x = np.r_[edges[0] - width / 2, (edges[1:] + edges[:-1]) / 2, edges[-1] + width / 2]
    ticks = tuple((float(offset), _place_words(step)) for offset, step in zip(offsets[:, 0], steps, strict=True))
    name = f"elements at each record{', log' if is_log else ''}: the newest in front"
    ridges = Mark("ridges", name, "now", x, offsets + heights)
    chart = Chart("", "weight", axis_words(history.timeline), (ridges,), y_ticks=ticks[:: -(-len(ticks) // MOST_RIDGE_LABELS)])
    count = len(history.recorded(weight.whole))
    of = f"{len(counts)} of {grouped(count)} records, evenly spread" if count > len(counts) else f"All {count} records"
    return ChartPicture(
        (chart,), f"{of}, each exactly counted. {_drift_words(weight, history)}{_left_out_words(histograms, weight)}"
    )


def _place_words(step: Step | None) -> str:
    """Say in a few characters where on the axis of epochs a record stands."""
    if step is None:
        return ""
    if step.kind == "checkpoint":
        return step.name
    return moment_words(step) if step.is_start or step.kind == "before" else f"{round(step.position, 2):g}"


def _draw_percentiles(weight: Weight, history: Past) -> Picture:
    """Draw between which values the inner half, the inner nine tenths and nearly all of the elements lie."""
    histograms = history.histograms(weight.whole, MOST_BANDED)
    found = histograms.quantiles(SHARES).T
    if not np.isfinite(found).any():
        return EmptyPicture("No element is finite at any record, so there is no distribution to show.")
    positions = history.timeline.positions_of(histograms.numbers)
    names = ("1 % to 99 %", "5 % to 95 %", "25 % to 75 %: the middle half")
    colors = ("start", "minimum", "now")
    bands = tuple(Mark("band", names[i], colors[i], positions, found[i], found[-1 - i]) for i in range(3))
    median = Mark("line", "median", "now", positions, found[3])
    chart = Chart("", axis_words(history.timeline), "weight", (*bands, median))
    count = len(history.recorded(weight.whole))
    of = f"{MOST_BANDED} of {grouped(count)} records" if count > MOST_BANDED else f"{count} record{'s' if count > 1 else ''}"
    return ChartPicture((chart,), f"{of}. {_drift_words(weight, history)}{_left_out_words(histograms, weight)}")


def _drift_words(weight: Weight, history: Past) -> str:
    """Say between which values the middle half lies, first and last."""
    column = history.column(weight.whole)
    if column is None:
        return ""
    first, last = (_recorded_half(column, place) for place in (0, len(column.numbers) - 1))
    if np.isnan(last).any():
        return "At the newest record no element is finite."
    then = f"; {_half_words('at the first one', *first)}" if np.isfinite(first).all() else ""
    return f"The middle half of the newest lies {_half_words(SHOWN, *last)}{then}."


def _left_out_words(histograms: Histograms, weight: Weight) -> str:
    missing = weight.size - int(histograms.counts[-1].sum())
    return f" {grouped(missing)} elements of the newest are not finite and are left out." if missing else ""
