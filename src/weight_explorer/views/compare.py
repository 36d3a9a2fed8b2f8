"""The Compare view: two records of a weight, or two weights of equal shape, side by side, with difference and scatter plot."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from weight_explorer.catalog.schema import SEED_STATE, Weight
from weight_explorer.pictures.data import (
    Chart,
    ChartPicture,
    EmptyPicture,
    GridPicture,
    Mark,
    MatrixPicture,
    Picture,
    SpecialCounts,
)
from weight_explorer.pictures.numbers import format_count, format_rounded, format_share, format_signed
from weight_explorer.recording.history import History, evenly_spaced_indices, find_start_record
from weight_explorer.recording.records import Record
from weight_explorer.recording.sampling import Sample, is_equal_sample
from weight_explorer.recording.statistics.summary import to_float
from weight_explorer.views.axis_labels import AxisLabels, axis_parts
from weight_explorer.views.choice import Choice, MenuItem
from weight_explorer.views.color_range import describe_animation_range, largest_magnitude, special_counts
from weight_explorer.views.layout import Layout, default_layout
from weight_explorer.views.lazy_matrix import reduce_to_cells
from weight_explorer.views.options import ViewOption, fixed_items
from weight_explorer.views.reading import Reading, describe_record, kept_records, read_quantity, record_name, values_at_record
from weight_explorer.views.sample_cells import sample_cells

VIEW = "compare"

MAX_CELLS = 160
MAX_DOTS = 3000
MAX_KEY_LENGTH = 20
# Drawing more elements than this takes more than a few milliseconds.
MAX_IMMEDIATE_SIZE = 50_000
NOW = (MenuItem("now", "now"),)
MAX_OTHER_WEIGHTS = 40


@dataclass(frozen=True, slots=True, eq=False)
class ComparedPair:
    """Two arrays of equal shape, or two of the same sample, with their names."""

    first: np.ndarray
    second: np.ndarray
    names: tuple[str, str]
    labels: tuple[str, str]  # of the axes, where there is less space
    sample: Sample | None = None

    @property
    def difference(self) -> np.ndarray:
        """The first array minus the second."""
        with np.errstate(invalid="ignore", over="ignore"):
            return self.first - self.second

    @property
    def are_finite(self) -> np.ndarray:
        """Where both arrays are finite."""
        return np.isfinite(self.first) & np.isfinite(self.second)

    @property
    def correlation(self) -> float:
        """Pearson correlation of the elements that are finite in both arrays; NaN if either is constant.

        >>> ComparedPair(np.array([1.0, 2.0]), np.array([3.0, 1.0]), ("", ""), ("", "")).correlation
        -1.0
        """
        both = [values[self.are_finite].astype(np.float64) for values in (self.first, self.second)]
        if both[0].size < 2 or not all(np.ptp(values) for values in both):
            return math.nan
        one, other = (values - values.mean() for values in both)
        # Divide by each norm separately: for tiny numbers the product of the squares would underflow to zero.
        sizes = [float(np.linalg.norm(values)) for values in (one, other)]
        return round(float((one / sizes[0]) @ (other / sizes[1])), 12) if all(sizes) else math.nan


def _with_items(weight: Weight, history: History, choice: Choice) -> tuple[MenuItem, ...]:
    """Return items for records first, then for every weight of the same shape."""
    records = [MenuItem("start", "the start"), MenuItem("before", "the record before")]
    if choice.against is not None:
        records.insert(0, MenuItem("record", f"record {choice.against}"))
    return (*records, *(MenuItem(f"weight {key}", key) for key in _other_weight_keys(weight, history)))


def _other_weight_keys(weight: Weight, history: History) -> list[str]:
    weights = history.catalog.weights
    whole = weights.get(weight.variable_key)
    shape = weight.shape if whole is None else whole.shape
    return [key for key, other in weights.items() if other.shape == shape and key != weight.variable_key][:MAX_OTHER_WEIGHTS]


WITH = ViewOption(VIEW, "against", "with", _with_items)
SHOW = ViewOption(VIEW, "show", "show", fixed_items(("all", "side by side"), ("dots", "one against the other")))
COMPUTE = ViewOption(VIEW, "compute", "compute now", lambda weight, *_: NOW if is_large(weight) else (), "button")
OPTIONS = (COMPUTE, WITH, SHOW)


def is_large(weight: Weight) -> bool:
    """Whether drawing takes longer than training should wait."""
    return weight.size > MAX_IMMEDIATE_SIZE


def applies(weight: Weight) -> bool:
    """Whether the weight has numbers to compare."""
    return weight.size > 1 and weight.role != SEED_STATE


def draw(weight: Weight, history: History, choice: Choice) -> Picture:
    """Draw both arrays, their difference, and a scatter plot. Values are compared regardless of the chosen quantity."""
    reading = read_quantity(weight, history, replace(choice, quantity="value"))
    if isinstance(reading, EmptyPicture):
        return reading
    pair = _pair(weight, history, choice, reading)
    if isinstance(pair, EmptyPicture):
        return pair
    difference = pair.difference
    matrices = _matrices(weight, pair, difference, choice.color_limit)
    caption = _caption(weight, pair, difference, matrices[0], choice.color_limit)
    if SHOW.chosen(weight, history, choice) == "dots":
        return ChartPicture((_scatter(pair),), caption)
    scatter = ("one against the other", ChartPicture((_scatter(pair),), ""))
    # Two columns: a third of the picture area is too narrow for a matrix with its labels and color scale.
    return GridPicture((*zip((*pair.names, "difference"), matrices, strict=True), scatter), 2, caption)


# -- compared arrays -----------------------------------------------------------------------------------------------------


def compared_weight(weight: Weight, history: History, choice: Choice, record: Record) -> tuple[Weight, int | None]:
    """Return the weight to compare with, and the number of its record; None if none is kept."""
    kind, _, key = WITH.chosen(weight, history, choice).partition(" ")
    other = replace(weight, key=key, source=key) if kind == "weight" else weight
    return other, _RECORD_FINDERS[kind](other, history, record, choice)


def _pair(weight: Weight, history: History, choice: Choice, reading: Reading) -> ComparedPair | EmptyPicture:
    kind = WITH.chosen(weight, history, choice).partition(" ")[0]
    other, number = compared_weight(weight, history, choice, reading.record)
    step = history.get_record(number) if number is not None else None
    found = values_at_record(other, history, number) if number is not None else None
    if step is None or found is None:
        return EmptyPicture(_MISSING_TEXT[kind])
    if not is_equal_sample(found[1], reading.sample) or found[0].shape != reading.values.shape:
        return EmptyPicture("Of one of the two other elements are kept, or another number of them, so they cannot be compared.")
    if kind == "weight":
        names = (f"{weight.key}, {describe_record(reading.record)}", f"{other.key}, {describe_record(step)}")
        labels = (_short_key(weight.key), _short_key(other.key))
    else:
        names = (describe_record(reading.record), describe_record(step))
        labels = (record_name(reading.record), record_name(step))
    return ComparedPair(reading.values, to_float(found[0]), names, labels, reading.sample)


def _short_key(key: str) -> str:
    """Shorten a key, keeping its end, which is the most informative part."""
    return key if len(key) <= MAX_KEY_LENGTH else f"…{key[-MAX_KEY_LENGTH:]}"


def _start_record(weight: Weight, history: History, record: Record, _: Choice) -> int | None:
    kept = kept_records(weight, history)
    first = find_start_record(kept, history.start_record, record.number) if kept else record.number
    return first if first != record.number else None


def _record_before(weight: Weight, history: History, record: Record, _: Choice) -> int | None:
    return max((number for number in kept_records(weight, history) if number < record.number), default=None)


def _chosen_record(weight: Weight, history: History, _: Record, choice: Choice) -> int | None:
    return choice.against if choice.against in kept_records(weight, history) else None


def _record_at_same_time(weight: Weight, history: History, record: Record, _: Choice) -> int | None:
    return max((number for number in kept_records(weight, history) if number <= record.number), default=None)


_RECORD_FINDERS: dict[str, Callable[[Weight, History, Record, Choice], int | None]] = {
    "start": _start_record,
    "before": _record_before,
    "record": _chosen_record,
    "weight": _record_at_same_time,
}
_NO_EARLIER_RECORD = (
    "This is the first record, and there is none before it to compare with: train, or choose another weight to compare with."
)
_MISSING_TEXT = {
    "start": _NO_EARLIER_RECORD,
    "before": _NO_EARLIER_RECORD,
    "record": "The record to compare with is not kept any more. Choose another one and press Compare.",
    "weight": "Of the other weight no values are kept at this record.",
}


# -- pictures -------------------------------------------------------------------------------------------------------------


def _matrices(weight: Weight, pair: ComparedPair, difference: np.ndarray, limit: float | None) -> list[MatrixPicture]:
    """Draw both arrays and the difference with the same layout and color scale, up to the largest number or a given limit."""
    layout = Layout(*default_layout(weight.axes))
    arrays = (pair.first, pair.second, difference)
    found = [_cells(values, pair.sample, layout) for values in arrays]
    is_given = limit is not None
    limit = limit if is_given else max(largest_magnitude(cells) for cells, _, _ in found)
    rows, columns = layout.sides(weight.axes)
    return [
        MatrixPicture(
            cells=np.ascontiguousarray(cells, dtype=np.float32),
            rows=rows,
            columns=columns,
            axis_order=(*layout.rows, *layout.columns),
            row_step=row_step,
            column_step=column_step,
            color_limit=limit,
            caption="",
            special_counts=special_counts(values, limit) if is_given else SpecialCounts.count_in(values, "largest of all"),
        )
        for values, (cells, row_step, column_step) in zip(arrays, found, strict=True)
    ]


def _cells(values: np.ndarray, sample: Sample | None, layout: Layout) -> tuple[np.ndarray, int, int]:
    if sample is None:
        return reduce_to_cells(layout.flatten(values), MAX_CELLS)
    return sample_cells(values, sample, layout.rows, layout.columns, MAX_CELLS)


def _scatter(pair: ComparedPair) -> Chart:
    finite = pair.are_finite.reshape(-1)
    places = np.flatnonzero(finite)
    places = places[evenly_spaced_indices(len(places), MAX_DOTS)]
    x, y = (values.reshape(-1)[places].astype(np.float64) for values in (pair.second, pair.first))
    ends = np.array([min(x.min(), y.min()), max(x.max(), y.max())]) if len(x) else np.zeros(2)
    marks = (Mark("dots", "elements", "now", x, y), Mark("line", "equal", "start", ends, ends))
    return Chart("", pair.labels[1], pair.labels[0], marks)


def _caption(weight: Weight, pair: ComparedPair, difference: np.ndarray, matrix: MatrixPicture, limit: float | None) -> str:
    reach = max(largest_magnitude(values) for values in (pair.first, pair.second, difference))
    moved = int(np.count_nonzero(~((pair.first == pair.second) | (np.isnan(pair.first) & np.isnan(pair.second)))))
    count, left_out = difference.size, int(difference.size - np.count_nonzero(pair.are_finite))
    words = [
        f"Between {pair.names[0]} and {pair.names[1]} {format_share(moved, count) or '0 %'} of {format_count(count)} "
        "elements differ",
        f", the correlation is {format_rounded(pair.correlation)}. {_describe_largest_difference(weight, pair, difference)}",
        describe_animation_range(limit, reach)
        or f" The three matrices have one color scale, to {format_rounded(matrix.color_limit)}.",
        f" {format_count(MAX_DOTS)} dots, evenly spread." if count - left_out > MAX_DOTS else "",
        f" {format_count(left_out)} are not finite in one of them." if left_out else "",
        f" Estimated from {pair.sample.description} elements." if pair.sample else "",
    ]
    if matrix.row_step * matrix.column_step > 1:
        cell = f"{format_count(matrix.row_step)} x {format_count(matrix.column_step)}"
        words.append(f" A cell stands for {cell} elements and shows the one farthest from zero.")
    return "".join(words)


def _describe_largest_difference(weight: Weight, pair: ComparedPair, difference: np.ndarray) -> str:
    sizes = np.where(pair.are_finite, np.abs(difference), -1.0).reshape(-1)
    place = int(np.argmax(sizes))
    if sizes[place] <= 0:
        return "There is no difference." if sizes[place] == 0 else "No element is finite in both."
    flat = place if pair.sample is None else int(pair.sample.indexes[place])
    where = AxisLabels(axis_parts(weight.axes)).describe(flat)
    return f"The largest difference is {format_signed(float(difference.reshape(-1)[place]))}, at {where}."
