"""Curves over all records: statistics of a weight or of several weights, and values of single elements."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import SEED_STATE, Weight, slice_blocks
from weight_explorer.recording.history import (
    History,
    StatisticsQuery,
    StatisticsSeries,
    WeightHistory,
    evenly_spaced_indices,
)
from weight_explorer.recording.part_statistics import PartStatisticsCache
from weight_explorer.recording.statistics.summary import FIELD_INDEX, FIELDS
from weight_explorer.views.axis_labels import block_axis
from weight_explorer.views.choice import Choice
from weight_explorer.views.reading import recorded_series

MAX_POINTS = 1000
# Statistics of slices are computed from values. If there are more records than this, that many evenly spaced ones are used.
MAX_COMPUTED_RECORDS = 64
# Quantiles are computed from histograms.
MAX_HISTOGRAMS = 200
MAX_LINES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One curve: a number for each of some records, at their positions."""

    name: str
    x: np.ndarray
    y: np.ndarray
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Statistic:
    """A statistic that a weight has at each record.

    Attributes:
        label: The label in the menu.
        unit: The unit, for the axis.
        compute: A function that computes it, row by row, from the statistics of the quantity, of the change since the previous
            record, and of the value.
        is_signed: Whether it may be negative. If so, a log axis shows its magnitude.
        quantile: The quantile, if it is computed from histograms.
    """

    label: str
    unit: str
    compute: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None = None
    is_signed: bool = False
    quantile: float | None = None


def _field(name: str) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    return lambda rows, _changes, _values: rows[:, FIELD_INDEX[name]]


def _share(name: str) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    return lambda rows, _changes, _values: 100 * rows[:, FIELD_INDEX[name]] / np.maximum(rows[:, FIELD_INDEX["count"]], 1)


def _update_ratio(_: np.ndarray, changes: np.ndarray, values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return changes[:, FIELD_INDEX["norm"]] / values[:, FIELD_INDEX["norm"]]


def _changed_share(_: np.ndarray, changes: np.ndarray, __: np.ndarray) -> np.ndarray:
    return 100 * changes[:, FIELD_INDEX["moved"]] / np.maximum(changes[:, FIELD_INDEX["count"]], 1)


def _infs(rows: np.ndarray, *_: np.ndarray) -> np.ndarray:
    return rows[:, FIELD_INDEX["positive_infs"]] + rows[:, FIELD_INDEX["negative_infs"]]


STATISTICS: dict[str, Statistic] = {
    "mean": Statistic("mean", "", _field("mean"), is_signed=True),
    "std": Statistic("std. deviation", "", _field("std")),
    "minimum": Statistic("minimum", "", _field("minimum"), is_signed=True),
    "maximum": Statistic("maximum", "", _field("maximum"), is_signed=True),
    "median": Statistic("median", "", is_signed=True, quantile=0.5),
    "q01": Statistic("1 % quantile", "", is_signed=True, quantile=0.01),
    "q99": Statistic("99 % quantile", "", is_signed=True, quantile=0.99),
    "norm": Statistic("norm (L2)", "L2 norm", _field("norm")),
    "change": Statistic("last change", "L2 norm", lambda _, changes, __: changes[:, FIELD_INDEX["norm"]]),
    "update_ratio": Statistic("update ratio", "change / weight", _update_ratio),
    "moved": Statistic("moved", "% of elements", _changed_share),
    "zeros": Statistic("zeros", "% of elements", _share("zeros")),
    "nans": Statistic("NaN", "elements", _field("nans")),
    "infs": Statistic("Inf", "elements", _infs),
}


def statistic_curve(name: str, weight: Weight, history: History, choice: Choice, statistic: Statistic) -> Curve:
    """Return a statistic of a weight or of a slice over all records, or as many as can be drawn or computed in time."""
    if statistic.quantile is not None:
        found = history.histograms(weight.variable_key, MAX_HISTOGRAMS)
        return Curve(name, history.timeline.positions_of(found.record_numbers), found.quantiles((statistic.quantile,))[:, 0])
    series, changes, values = (
        series_for(weight, history, choice, quantity) for quantity in (choice.quantity, "since_last", "value")
    )
    if not len(series) or statistic.compute is None:
        return Curve(name, np.empty(0), np.empty(0))
    numbers = np.intersect1d(np.intersect1d(series.record_numbers, changes.record_numbers), values.record_numbers)
    rows = [each.rows[np.searchsorted(each.record_numbers, numbers)] for each in (series, changes, values)]
    x = series.positions[np.searchsorted(series.record_numbers, numbers)]
    return Curve(name, x, statistic.compute(*rows), series.is_estimated or changes.is_estimated)


# -- statistics of slices ------------------------------------------------------------------------------------------------

# Rows of slices, by the values they were computed from: a record itself keeps only the two slices used last.
_ROWS_CACHE: weakref.WeakKeyDictionary[PartStatisticsCache, dict[tuple[str, int | None], np.ndarray]] = (
    weakref.WeakKeyDictionary()
)
MAX_CACHED_ROWS = 64


def series_for(weight: Weight, history: History, choice: Choice, quantity: str = "") -> StatisticsSeries:
    """Return the statistics of a weight over time. For a slice, the number of records is limited by computing time."""
    compared = StatisticsQuery(quantity or choice.quantity, weight.index, choice.against)
    column = history.weight_history(weight.variable_key)
    if column is None or not compared.is_computed:
        return recorded_series(weight, history, choice, quantity, max_records=MAX_POINTS)
    numbers = history.record_numbers(weight.variable_key, compared)
    numbers = numbers[evenly_spaced_indices(len(numbers), MAX_COMPUTED_RECORDS)]
    if not len(numbers):
        return StatisticsSeries(numbers, np.empty(0), np.empty((0, len(FIELDS))))
    rows = []
    for number in numbers.tolist():
        known = _ROWS_CACHE.setdefault(column.part_statistics(number), {})
        name = (f"{weight.key} {compared.quantity}", compared.against if compared.quantity == "since_record" else None)
        row = known.get(name)  # another thread may clear them at any time
        if row is None:
            if len(known) >= MAX_CACHED_ROWS:
                known.clear()
            row = known[name] = compared.row_at(column, number)
        rows.append(row)
    return StatisticsSeries(numbers, history.timeline.positions_of(numbers), np.stack(rows), column.sample is not None)


# -- weights to compare -------------------------------------------------------------------------------------------------


def weight_blocks(weight: Weight, _: History) -> dict[str, Weight]:
    """Return the blocks of a weight, such as its gates, along the last axis with blocks."""
    axis = block_axis(weight)
    if axis is None or weight.source_key:
        return {}
    return {axis.block_label(block): slice_blocks(weight, block.name) for block in axis.blocks}


def weights_of_layer(weight: Weight, history: History) -> dict[str, Weight]:
    """Return all weights that the layer itself holds."""
    found = [each for each in history.catalog.weights.values() if each.layer == weight.layer and each.role != SEED_STATE]
    return _by_short_name({each.key: each.name for each in found}, history.catalog.weights)


def weights_of_role(weight: Weight, history: History) -> dict[str, Weight]:
    """Return the weights of the same role in all layers."""
    found = [each for each in history.catalog.weights.values() if each.role == weight.role]
    names = {each.key: each.layer.rpartition("/")[2] for each in found}
    return _by_short_name(names, history.catalog.weights)


def _by_short_name(names: Mapping[str, str], weights: Mapping[str, Weight]) -> dict[str, Weight]:
    """Return weights by a short name, or by their whole key if two have the same short name."""
    taken = list(names.values())
    return {name if taken.count(name) == 1 else key: weights[key] for key, name in names.items()}


def largest(weights: Mapping[str, Weight], current: Weight, max_count: int = MAX_LINES) -> dict[str, Weight]:
    """Return the largest weights in their original order, always including the one on screen."""
    order = sorted(weights, key=lambda name: (weights[name].variable_key != current.variable_key, -weights[name].size))[
        :max_count
    ]
    return {name: weight for name, weight in weights.items() if name in order}


# -- single elements -----------------------------------------------------------------------------------------------------


def pins_of(weight: Weight, choice: Choice) -> tuple[tuple[int, ...], ...]:
    """Return the pinned elements of a whole weight."""
    return tuple(index for key, index in choice.pins if key == weight.variable_key)


def pin_name(weight: Weight, index: tuple[int, ...]) -> str:
    """Return the name of an element in Python syntax.

    >>> pin_name(Weight("w", "kernel", "kernel", "l", (4, 6), "float32", ()), (3, 5))
    'kernel[3, 5]'
    """
    return f"{weight.name}[{', '.join(map(str, index))}]"


def pin_curve(weight: Weight, index: tuple[int, ...], history: History, choice: Choice) -> Curve | None:
    """Return the values or changes of one element at the records that keep it; None if it is not kept."""
    column = history.weight_history(weight.variable_key)
    if column is None or not column.records_with_values:
        return None
    kept = np.array(column.records_with_values, np.int64)
    numbers = kept[evenly_spaced_indices(len(kept), MAX_HISTOGRAMS)]
    place: tuple[int, ...] | None = index
    if column.sample is not None:
        inside = np.flatnonzero(column.sample.indexes == np.ravel_multi_index(index, column.sample.shape))
        place = (int(inside[0]),) if inside.size else None
    if place is None:
        return None

    def at(number: int) -> float:
        value = column.values_at(number)
        return float(value[place]) if value is not None and value.ndim == len(place) else np.nan

    found = np.array([at(number) for number in numbers.tolist()])
    return Curve(
        pin_name(weight, index), history.timeline.positions_of(numbers), _as_quantity(found, numbers, column, choice, at)
    )


def _as_quantity(
    values: np.ndarray, numbers: np.ndarray, weight_history: WeightHistory, choice: Choice, at: Callable[[int], float]
) -> np.ndarray:
    """Convert values to the chosen quantity."""
    kept = np.array(weight_history.records_with_values, np.int64)
    if choice.quantity == "value":
        return values
    if choice.quantity == "since_last":
        before = np.r_[np.nan, [at(int(number)) for number in kept[np.searchsorted(kept, numbers[1:]) - 1]]]
        gaps = np.r_[True, kept[np.searchsorted(kept, numbers[1:]) - 1] != numbers[1:] - 1]
        return np.where(gaps, np.nan, values - before)
    if choice.quantity == "since_start":
        return values - [at(weight_history.start_record_for(number)) for number in numbers.tolist()]
    against = choice.against
    return values - at(against) if against is not None and against in kept else np.full(len(values), np.nan)
