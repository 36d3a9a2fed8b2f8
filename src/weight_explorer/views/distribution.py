"""The Distribution view: histograms now, at the start, or at any record, and how they change over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from weight_explorer.catalog.schema import Axis, Weight, pluralize, slice_blocks
from weight_explorer.pictures.data import Chart, ChartPicture, EmptyPicture, Mark, Picture
from weight_explorer.pictures.numbers import count_noun, format_count, format_exact, format_rounded
from weight_explorer.recording.descriptions import describe_axis, describe_time
from weight_explorer.recording.history import History, WeightHistory, find_start_record
from weight_explorer.recording.records import Record
from weight_explorer.recording.statistics.histograms import Histograms
from weight_explorer.recording.statistics.summary import FIELD_INDEX, NON_FINITE_FIELDS, to_float
from weight_explorer.views.axis_labels import block_axis
from weight_explorer.views.choice import Choice, MenuItem, quantity_label
from weight_explorer.views.initializer_distributions import initial_distribution
from weight_explorer.views.options import OFF_OR_ON, ON_OR_OFF, ViewOption
from weight_explorer.views.reading import Reading, chosen_record, describe_record, kept_records, read_quantity, values_at_record

VIEW = "distribution"

# The name of the record on screen, which is not always the newest.
CURRENT = "this record"
AT_START = "at the start"

MIN_BINS, MAX_BINS = 8, 64
MAX_BLOCKS = 8
MAX_RIDGES = 14
MAX_RIDGE_LABELS = 7
MAX_PERCENTILE_RECORDS = 200
# From this size on, the recorded histograms are as good as computed ones: their bins are as fine as those drawn.
MIN_RECORDED_SIZE = 4096
# How far each ridge overlaps the one behind it.
RIDGE_OVERLAP = 2.2
# Counting float32 values over a range whose width is between these limits does not overflow.
SAFE_WIDTHS = (1e-35, 1e38)
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)

TOGETHER, OVERLAID, SIDE_BY_SIDE = "together", "overlaid", "beside"


# -- options -------------------------------------------------------------------------------------------------------------


def _form_items(weight: Weight, history: History, choice: Choice) -> tuple[MenuItem, ...]:
    """Offer the forms drawn from recorded histograms, which exist for whole weights and for values, not changes."""
    histogram = MenuItem("histogram", "histogram")
    if weight.source_key or choice.quantity != "value" or not len(history.record_numbers(weight.variable_key)):
        return (histogram,)
    return histogram, MenuItem("ridges", "ridges over time"), MenuItem("percentiles", "percentiles over time")


def _block_items(weight: Weight, history: History, choice: Choice) -> tuple[MenuItem, ...]:
    axis = block_axis(weight, MAX_BLOCKS)
    if axis is None or FORM.chosen(weight, history, choice) != "histogram":
        return ()
    blocks = pluralize(axis.block_kind)
    words = ((TOGETHER, f"all {blocks} together"), (OVERLAID, f"{blocks} overlaid"), (SIDE_BY_SIDE, f"{blocks} side by side"))
    return tuple(MenuItem(key, label) for key, label in words)


def _initializer_items(weight: Weight, history: History, choice: Choice) -> tuple[MenuItem, ...]:
    is_known = (
        choice.quantity == "value" and FORM.chosen(weight, history, choice) == "histogram" and initial_distribution(weight)
    )
    return ON_OR_OFF if is_known else ()


def _log_items(weight: Weight, history: History, choice: Choice) -> tuple[MenuItem, ...]:
    counts = FORM.chosen(weight, history, choice) != "percentiles"
    return OFF_OR_ON if counts else ()


FORM = ViewOption(VIEW, "form", "as", _form_items)
BLOCKS = ViewOption(VIEW, "blocks", "of", _block_items)
INITIALIZER = ViewOption(VIEW, "initializer", "initializer", _initializer_items, "switch")
LOG = ViewOption(VIEW, "log", "log count", _log_items, "switch")
OPTIONS = (FORM, BLOCKS, INITIALIZER, LOG)


# -- the view ------------------------------------------------------------------------------------------------------------


def draw(weight: Weight, history: History, choice: Choice) -> Picture:
    """Draw the histogram of all finite elements with others for comparison, or the distribution over time."""
    is_log = LOG.is_on(weight, history, choice)
    form = FORM.chosen(weight, history, choice)
    if form != "histogram":
        return _draw_ridges(weight, history, is_log=is_log) if form == "ridges" else _draw_percentiles(weight, history)
    how = BLOCKS.chosen(weight, history, choice)
    if how in (OVERLAID, SIDE_BY_SIDE):
        return _draw_blocks(weight, history, choice)
    counted = _from_recorded_histograms(weight, history, choice) or _from_values(weight, history, choice)
    if isinstance(counted, EmptyPicture):
        return counted
    marks, words = list(counted.marks()), ""
    start = initial_distribution(weight) if INITIALIZER.is_on(weight, history, choice) else None
    if start is not None:
        marks.append(expected_mark(start.expected_counts(counted.edges, counted.num_finite), counted.edges))
        words = f" {start.text}."
    chart = Chart(
        "", _quantity_label(choice), _count_label(is_log), tuple(_drawable(mark, is_log) for mark in marks), is_log=is_log
    )
    return ChartPicture((chart,), counted.describe() + words)


def _quantity_label(choice: Choice) -> str:
    return "weight" if choice.quantity == "value" else f"change {quantity_label(choice).lower()}"


def _count_label(is_log: bool) -> str:
    return "elements (log)" if is_log else "elements"


def _drawable(mark: Mark, is_log: bool) -> Mark:
    """Drop what a log axis cannot show, and expected counts far below one element."""
    if not is_log:
        return mark
    return Mark(mark.kind, mark.name, mark.color, mark.x, np.where(mark.y > 0.3, mark.y, np.nan))


def expected_mark(counts: np.ndarray, edges: np.ndarray) -> Mark:
    """Return a mark for the expected number of elements in each bin."""
    return Mark("line", "expected of the initializer", "initializer", (edges[1:] + edges[:-1]) / 2, counts)


@dataclass(frozen=True, slots=True, eq=False)
class _HistogramData:
    """Histograms over common bins, the one on screen first, with the facts for the caption.

    `middle_halves` maps each name to the interval that contains the middle half of its elements. The common bins may be
    too wide to tell.
    """

    edges: np.ndarray
    counts: dict[str, np.ndarray]
    middle_halves: dict[str, tuple[float, float]]
    description: str
    num_finite: int
    num_not_finite: int
    constant_value: float | None

    def marks(self) -> tuple[Mark, ...]:
        colors = {CURRENT: "now", AT_START: "start"}
        return tuple(
            Mark("steps", name, colors.get(name, "against"), self.edges, counts.astype(np.float64))
            for name, counts in self.counts.items()
        )

    def describe(self) -> str:
        bins = np.flatnonzero(self.counts[CURRENT])
        words = f"{self.description} {count_noun(self.num_finite, 'element')} in {count_noun(len(self.edges) - 1, 'bin')}."
        if self.num_not_finite:
            words += f" {format_count(self.num_not_finite)} are not finite and are left out."
        if self.constant_value is not None:
            return f"{words} All are {format_exact(self.constant_value)}."
        if len(bins) > 2:
            words += (
                " The middle half lies "
                f"{'; '.join(_describe_middle_half(name, *ends) for name, ends in self.middle_halves.items())}."
            )
        return words


def _describe_middle_half(name: str, low: float, high: float) -> str:
    """Describe the interval that contains the middle half of the elements.

    >>> _describe_middle_half("at the start", 0.0, 0.0)
    'at the start at 0'
    """
    where = f"between {format_rounded(low)} and {format_rounded(high)}" if low < high else f"at {format_rounded(low)}"
    return where if name == CURRENT else f"{name} {where}"


def _middle_half(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, (0.25, 0.75)).tolist() if values.size else (math.nan, math.nan)
    return low, high


def _compared_records(numbers: Sequence[int], start: int, number: int, choice: Choice) -> dict[str, int]:
    """Return the records drawn for comparison: the start, and the record chosen to compare with."""
    first = find_start_record(numbers, start, number)
    found = {} if number == first else {AT_START: first}
    if choice.against is not None and choice.against in numbers and choice.against not in (number, first):
        found[f"record {choice.against}"] = choice.against
    return found


# -- from recorded histograms or from values ---------------------------------------------------------------------------


def _from_recorded_histograms(weight: Weight, history: History, choice: Choice) -> _HistogramData | None:
    """Return the recorded histograms of a large weight. They cover all elements, even at records that keep no values."""
    column = history.weight_history(weight.variable_key)
    if (
        choice.quantity != "value"
        or weight.source_key
        or weight.size < MIN_RECORDED_SIZE
        or column is None
        or not len(column.record_numbers)
    ):
        return None
    number = shown_number(weight, history, choice)
    step = history.get_record(number)
    if step is None:
        return None
    shown = {CURRENT: number} | _compared_records(column.record_numbers.tolist(), history.start_record, number, choice)
    places = np.searchsorted(column.record_numbers, list(shown.values()))
    rows = column.rows(places)[:, 0]
    finite = int(rows[0, FIELD_INDEX["count"]] - rows[0, NON_FINITE_FIELDS].sum())
    low, high = rows[0, FIELD_INDEX["minimum"]], rows[0, FIELD_INDEX["maximum"]]
    if not finite or rows[0, FIELD_INDEX["count"]] != weight.size or not low < high:
        return None  # the caption for these is based on their values
    edges, counts = merge_bins(Histograms.from_grids(column.record_numbers[places], *column.bins(places), rows), MAX_BINS)
    what = f"The value, at {describe_record(step)}."
    halves = {name: _recorded_middle_half(column, int(place)) for name, place in zip(shown, places, strict=True)}
    return _HistogramData(edges, dict(zip(shown, counts, strict=True)), halves, what, finite, weight.size - finite, None)


def _recorded_middle_half(weight_history: WeightHistory, index: int) -> tuple[float, float]:
    """Return the interval that contains the middle half at one record, from the bins of that record only."""
    own = slice(index, index + 1)
    row = weight_history.rows(own)[:, 0]
    if row[0, FIELD_INDEX["minimum"]] == row[0, FIELD_INDEX["maximum"]]:
        return float(row[0, FIELD_INDEX["minimum"]]), float(row[0, FIELD_INDEX["maximum"]])
    low, high = (
        Histograms.from_grids(weight_history.record_numbers[own], *weight_history.bins(own), row)
        .quantiles((0.25, 0.75))[0]
        .tolist()
    )
    return low, high


def shown_number(weight: Weight, history: History, choice: Choice) -> int:
    """Return the number of the record on screen, even if no record keeps values."""
    kept = chosen_record(weight, history, choice)
    if kept is not None:
        return kept
    numbers = history.record_numbers(weight.variable_key)
    earlier = numbers[numbers <= choice.record] if choice.record is not None else numbers
    return int(earlier[-1] if len(earlier) else numbers[0])


def merge_bins(histograms: Histograms, max_bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return edges and counts of the non-empty range of bins, merging bins until there are at most `max_bins`."""
    edges, counts = histograms.edges, histograms.counts
    filled = np.flatnonzero(counts.any(axis=0))
    first, last = (int(filled[0]), int(filled[-1])) if filled.size else (0, 0)
    step = 1
    while last // step - first // step >= max_bins:
        step *= 2
    first, stop = first // step * step, (last // step + 1) * step
    padded = np.pad(counts, ((0, 0), (0, max(0, stop - counts.shape[1]))))[:, first:stop]
    width = edges[1] - edges[0]
    return edges[0] + width * np.arange(first, stop + 1, step), padded.reshape(len(counts), -1, step).sum(axis=2)


def _from_values(weight: Weight, history: History, choice: Choice) -> _HistogramData | EmptyPicture:
    """Compute histograms of values or changes."""
    reading = read_quantity(weight, history, choice)
    if isinstance(reading, EmptyPicture):
        return reading
    shown = values_to_compare(weight, history, choice, reading)
    finite = {name: values[np.isfinite(values)] for name, values in shown.items()}
    mine = finite[CURRENT]
    if not mine.size:
        return EmptyPicture("No element is finite, so there is no distribution to show.")
    edges = bin_edges(*finite.values())
    counts = {name: count_values(edges, values) for name, values in finite.items()}
    value = float(mine[0]) if mine.min() == mine.max() else None
    halves = {name: _middle_half(values) for name, values in finite.items()}
    return _HistogramData(edges, counts, halves, reading.text, mine.size, reading.values.size - mine.size, value)


def values_to_compare(weight: Weight, history: History, choice: Choice, reading: Reading) -> dict[str, np.ndarray]:
    """Return the values at the record on screen, and at the records it is compared with."""
    shown = {CURRENT: reading.values.reshape(-1)}
    if choice.quantity == "value":
        for name, number in _compared_records(
            kept_records(weight, history), history.start_record, reading.record.number, choice
        ).items():
            other = values_at_record(weight, history, number)
            if other is not None and other[0].shape == reading.values.shape:
                shown[name] = to_float(other[0]).reshape(-1)
    return shown


def bin_edges(*samples: np.ndarray) -> np.ndarray:
    """Return edges of equal bins over the range of all samples. A single value gets a margin on each side.

    The number of bins is the square root of the number of elements, the usual rule, limited to between 8 and 64.
    """
    present = [sample for sample in samples if sample.size]
    low = min(float(sample.min()) for sample in present)
    high = max(float(sample.max()) for sample in present)
    if not high - low > 4 * float(np.finfo(np.float32).eps) * max(abs(low), abs(high)):
        margin = max(abs(low), abs(high)) * 0.1 or 1.0
        low, high = low - margin, high + margin
    num_bins = math.isqrt(max(sample.size for sample in present))
    return np.linspace(low, high, min(max(num_bins, MIN_BINS), MAX_BINS) + 1)


def count_values(edges: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Count finite values in equal bins, like `numpy.histogram` except for rounding at the edges, in half the time.

    >>> count_values(np.array([0.0, 1.0, 2.0]), np.array([0.0, 0.5, 1.0, 2.0])).tolist()
    [2, 2]
    """
    num_bins, width = len(edges) - 1, edges[-1] - edges[0]
    if not SAFE_WIDTHS[0] < width < SAFE_WIDTHS[1]:
        values = values.astype(np.float64)
    bins = ((values - values.dtype.type(edges[0])) * values.dtype.type(num_bins / width)).astype(np.int16)
    np.clip(bins, 0, num_bins - 1, out=bins)
    return np.bincount(bins, minlength=num_bins)


# -- block by block ------------------------------------------------------------------------------------------------------


def _draw_blocks(weight: Weight, history: History, choice: Choice) -> Picture:
    """Draw the histograms of blocks over common bins, in one chart or one chart each."""
    reading = read_quantity(weight, history, choice)
    axis = block_axis(weight, MAX_BLOCKS)
    if isinstance(reading, EmptyPicture) or axis is None:
        return reading if isinstance(reading, EmptyPicture) else EmptyPicture("It is not made of a few blocks.")
    is_beside = BLOCKS.chosen(weight, history, choice) == SIDE_BY_SIDE
    shown = _block_values(weight, history, choice, axis, reading)
    finite = {key: part[np.isfinite(part)] for key, part in shown.items() if is_beside or key[1] == CURRENT}
    if not any(part.size for part in finite.values()):
        return EmptyPicture("No element is finite, so there is no distribution to show.")
    edges = bin_edges(*finite.values())
    counts = {key: count_values(edges, part).astype(np.float64) for key, part in finite.items()}
    charts = (_side_by_side_charts if is_beside else _overlaid_chart)(weight, history, choice, edges, counts)
    num_left_out = sum(part.size for key, part in shown.items() if key[1] == CURRENT) - int(
        sum(count.sum() for key, count in counts.items() if key[1] == CURRENT)
    )
    left_out = f" {format_count(num_left_out)} are not finite and are left out." if num_left_out else ""
    words = f"{reading.text} {len(axis.blocks)} {pluralize(axis.block_kind)}.{left_out} {_describe_widths(finite)}"
    return ChartPicture(charts, words, columns=_num_columns(len(charts)), shared_axes="xy")


_BlockKey = tuple[str, str]  # the label of a block, and the name of a record


def _block_values(
    weight: Weight, history: History, choice: Choice, axis: Axis, reading: Reading
) -> dict[_BlockKey, np.ndarray]:
    """Return the values of every block at the record on screen and at the records it is compared with."""
    before = (slice(None),) * weight.axes.index(axis)
    others = values_to_compare(weight, history, choice, reading)
    found = {}
    for block in axis.blocks:
        index = (*before, slice(block.start, block.stop))
        for name, flat in others.items():
            part = flat[reading.sample.part(index)[0]] if reading.sample else flat.reshape(reading.values.shape)[index]
            found[axis.block_label(block), name] = part.reshape(-1)
    return found


def _overlaid_chart(
    weight: Weight, history: History, choice: Choice, edges: np.ndarray, counts: dict[_BlockKey, np.ndarray]
) -> tuple[Chart, ...]:
    is_log = LOG.is_on(weight, history, choice)
    marks = [Mark("steps", block, f"series {i + 1}", edges, row) for i, ((block, _), row) in enumerate(counts.items())]
    return (
        Chart(
            "", _quantity_label(choice), _count_label(is_log), tuple(_drawable(mark, is_log) for mark in marks), is_log=is_log
        ),
    )


def _side_by_side_charts(
    weight: Weight, history: History, choice: Choice, edges: np.ndarray, counts: dict[_BlockKey, np.ndarray]
) -> tuple[Chart, ...]:
    is_log, wants_start = LOG.is_on(weight, history, choice), INITIALIZER.is_on(weight, history, choice)
    names = list(dict.fromkeys(block for block, _ in counts))
    axis, charts = block_axis(weight, MAX_BLOCKS), []
    for place, words in enumerate(names):
        rows = {name: row for (block, name), row in counts.items() if block == words}
        marks = list(_HistogramData(edges, rows, {}, "", 0, 0, None).marks())
        part = weight if weight.source_key or axis is None else slice_blocks(weight, axis.blocks[place].name)
        start = initial_distribution(part) if wants_start else None
        if start is not None:
            marks.append(expected_mark(start.expected_counts(edges, int(rows[CURRENT].sum())), edges))
        # All charts share one legend, which is spread over them: the colors are the same.
        named = (mark if i % len(names) == place else replace(mark, name="") for i, mark in enumerate(marks))
        x_label = _quantity_label(choice) if place >= len(names) - _num_columns(len(names)) else ""
        y_label = _count_label(is_log) if place % _num_columns(len(names)) == 0 else ""
        charts.append(Chart(words, x_label, y_label, tuple(_drawable(mark, is_log) for mark in named), is_log=is_log))
    return tuple(charts)


def _num_columns(num_charts: int) -> int:
    return 1 if num_charts == 1 else 2 if num_charts <= 4 else 4


def _describe_widths(finite: dict[_BlockKey, np.ndarray]) -> str:
    """Describe which block has the largest standard deviation, and which the smallest."""
    widths = {
        block: float(part.std(dtype=np.float64)) for (block, name), part in finite.items() if name == CURRENT and part.size
    }
    widest, narrowest = max(widths, key=lambda block: widths[block]), min(widths, key=lambda block: widths[block])
    if widths[widest] == widths[narrowest]:
        return f"All have the standard deviation {format_rounded(widths[widest])}."
    return (
        f"Standard deviations from {format_rounded(widths[narrowest])} ({narrowest}) to {format_rounded(widths[widest])} "
        f"({widest})."
    )


# -- over time -----------------------------------------------------------------------------------------------------------


def _draw_ridges(weight: Weight, history: History, *, is_log: bool) -> Picture:
    """Draw the histograms of several records behind each other, with the newest in front."""
    histograms = history.histograms(weight.variable_key, MAX_RIDGES)
    edges, counts = merge_bins(histograms, min(max(math.isqrt(weight.size), 2 * MIN_BINS), 2 * MAX_BINS))
    if not counts.any():
        return EmptyPicture("No element is finite at any record, so there is no distribution to show.")
    steps = [history.get_record(int(number)) for number in histograms.record_numbers]
    heights = np.log1p(counts) if is_log else counts.astype(np.float64)
    heights = np.pad(heights * (RIDGE_OVERLAP / heights.max()), ((0, 0), (1, 1)))
    offsets = np.arange(len(counts))[::-1, None]
    width = edges[1] - edges[0]
    x = np.r_[edges[0] - width / 2, (edges[1:] + edges[:-1]) / 2, edges[-1] + width / 2]
    ticks = tuple((float(offset), _tick_label(step)) for offset, step in zip(offsets[:, 0], steps, strict=True))
    name = f"elements at each record{', log' if is_log else ''}: the newest in front"
    ridges = Mark("ridges", name, "now", x, offsets + heights)
    chart = Chart(
        "", "weight", describe_axis(history.timeline), (ridges,), y_ticks=ticks[:: -(-len(ticks) // MAX_RIDGE_LABELS)]
    )
    count = len(history.record_numbers(weight.variable_key))
    of = f"{len(counts)} of {format_count(count)} records, evenly spread" if count > len(counts) else f"All {count} records"
    return ChartPicture(
        (chart,),
        f"{of}, each exactly counted. {_describe_middle_half_change(weight, history)}{_describe_left_out(histograms, weight)}",
    )


def _tick_label(record: Record | None) -> str:
    """Return a short label for the position of a record on the epoch axis."""
    if record is None:
        return ""
    if record.kind == "checkpoint":
        return record.name
    return describe_time(record) if record.is_initial or record.kind == "before" else f"{round(record.position, 2):g}"


def _draw_percentiles(weight: Weight, history: History) -> Picture:
    """Draw the ranges that contain 50%, 90%, and 98% of the elements."""
    histograms = history.histograms(weight.variable_key, MAX_PERCENTILE_RECORDS)
    found = histograms.quantiles(QUANTILES).T
    if not np.isfinite(found).any():
        return EmptyPicture("No element is finite at any record, so there is no distribution to show.")
    positions = history.timeline.positions_of(histograms.record_numbers)
    names = ("1 % to 99 %", "5 % to 95 %", "25 % to 75 %: the middle half")
    colors = ("start", "minimum", "now")
    bands = tuple(Mark("band", names[i], colors[i], positions, found[i], found[-1 - i]) for i in range(3))
    median = Mark("line", "median", "now", positions, found[3])
    chart = Chart("", describe_axis(history.timeline), "weight", (*bands, median))
    count = len(history.record_numbers(weight.variable_key))
    of = (
        f"{MAX_PERCENTILE_RECORDS} of {format_count(count)} records"
        if count > MAX_PERCENTILE_RECORDS
        else f"{count} record{'s' if count > 1 else ''}"
    )
    return ChartPicture(
        (chart,), f"{of}. {_describe_middle_half_change(weight, history)}{_describe_left_out(histograms, weight)}"
    )


def _describe_middle_half_change(weight: Weight, history: History) -> str:
    """Describe the interval that contains the middle half, at the first record and at the newest."""
    column = history.weight_history(weight.variable_key)
    if column is None:
        return ""
    first, last = (_recorded_middle_half(column, place) for place in (0, len(column.record_numbers) - 1))
    if np.isnan(last).any():
        return "At the newest record no element is finite."
    then = f"; {_describe_middle_half('at the first one', *first)}" if np.isfinite(first).all() else ""
    return f"The middle half of the newest lies {_describe_middle_half(CURRENT, *last)}{then}."


def _describe_left_out(histograms: Histograms, weight: Weight) -> str:
    missing = weight.size - int(histograms.counts[-1].sum())
    return f" {format_count(missing)} elements of the newest are not finite and are left out." if missing else ""
