"""What can be followed from record to record: statistics of a weight as curves, and which weights are put side by side."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.nodes import SEED_STATE, Weight, cut
from weight_explorer.recording.past import Column, Comparison, Past, Series, spread_places
from weight_explorer.recording.slices import SliceRows
from weight_explorer.recording.statistics import FIELDS, INDEX
from weight_explorer.views.choice import Choice
from weight_explorer.views.entries import block_axis
from weight_explorer.views.reading import series_of

MOST_POINTS = 1000
# Parts are computed from values: of more records than this, of as many as that.
MOST_COMPUTED = 64
# Quantiles are taken from histograms.
MOST_HISTOGRAMS = 200
MOST_LINES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One line: a number for each of some records, over their positions."""

    name: str
    x: np.ndarray
    y: np.ndarray
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Statistic:
    """Something of a weight that has a number at each record.

    Attributes:
        label: Its name in the menu.
        unit: What it is measured in, for the axis.
        of: Makes it of the statistics of the quantity, and of the change since the record before, row by row.
        is_signed: Whether it may be negative, so that a log axis shows how large it is.
        quantile: Where it is taken from histograms, the share.
    """

    label: str
    unit: str
    of: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None = None
    is_signed: bool = False
    quantile: float | None = None


def _field(name: str) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    return lambda rows, _changes, _values: rows[:, INDEX[name]]


def _share(name: str) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    return lambda rows, _changes, _values: 100 * rows[:, INDEX[name]] / np.maximum(rows[:, INDEX["count"]], 1)


def _update_ratio(_: np.ndarray, changes: np.ndarray, values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return changes[:, INDEX["norm"]] / values[:, INDEX["norm"]]


def _moved_share(_: np.ndarray, changes: np.ndarray, __: np.ndarray) -> np.ndarray:
    return 100 * changes[:, INDEX["moved"]] / np.maximum(changes[:, INDEX["count"]], 1)


def _infs(rows: np.ndarray, *_: np.ndarray) -> np.ndarray:
    return rows[:, INDEX["positive_infs"]] + rows[:, INDEX["negative_infs"]]


STATISTICS: dict[str, Statistic] = {
    "mean": Statistic("mean", "", _field("mean"), is_signed=True),
    "std": Statistic("std. deviation", "", _field("std")),
    "minimum": Statistic("minimum", "", _field("minimum"), is_signed=True),
    "maximum": Statistic("maximum", "", _field("maximum"), is_signed=True),
    "median": Statistic("median", "", is_signed=True, quantile=0.5),
    "q01": Statistic("1 % quantile", "", is_signed=True, quantile=0.01),
    "q99": Statistic("99 % quantile", "", is_signed=True, quantile=0.99),
    "norm": Statistic("norm (L2)", "L2 norm", _field("norm")),
    "change": Statistic("last change", "L2 norm", lambda _, changes, __: changes[:, INDEX["norm"]]),
    "update_ratio": Statistic("update ratio", "change / weight", _update_ratio),
    "moved": Statistic("moved", "% of elements", _moved_share),
    "zeros": Statistic("zeros", "% of elements", _share("zeros")),
    "nans": Statistic("NaN", "elements", _field("nans")),
    "infs": Statistic("Inf", "elements", _infs),
}


def curve_of(name: str, weight: Weight, history: Past, choice: Choice, statistic: Statistic) -> Curve:
    """Return a statistic of a weight or of a slice at all records, or at as many as can be drawn or computed in time."""
    if statistic.quantile is not None:
        found = history.histograms(weight.whole, MOST_HISTOGRAMS)
        return Curve(name, history.timeline.positions_of(found.numbers), found.quantiles((statistic.quantile,))[:, 0])
    series, changes, values = (
        rows_of(weight, history, choice, quantity) for quantity in (choice.quantity, "since_last", "value")
    )
    if not len(series) or statistic.of is None:
        return Curve(name, np.empty(0), np.empty(0))
    numbers = np.intersect1d(np.intersect1d(series.numbers, changes.numbers), values.numbers)
    rows = [each.rows[np.searchsorted(each.numbers, numbers)] for each in (series, changes, values)]
    x = series.positions[np.searchsorted(series.numbers, numbers)]
    return Curve(name, x, statistic.of(*rows), series.estimated or changes.estimated)


# -- statistics of parts -------------------------------------------------------------------------------------------------

# Rows of parts, with the values that they were computed from: a record remembers only the two parts looked at last.
_ROWS: weakref.WeakKeyDictionary[SliceRows, dict[tuple[str, int | None], np.ndarray]] = weakref.WeakKeyDictionary()
MOST_REMEMBERED = 64


def rows_of(weight: Weight, history: Past, choice: Choice, quantity: str = "") -> Series:
    """Return the statistics of a weight over time; those of a part at no more records than can be computed in time."""
    compared = Comparison(quantity or choice.quantity, weight.index, choice.against)
    column = history.column(weight.whole)
    if column is None or not compared.is_computed:
        return series_of(weight, history, choice, quantity, most=MOST_POINTS)
    numbers = history.recorded(weight.whole, compared)
    numbers = numbers[spread_places(len(numbers), MOST_COMPUTED)]
    if not len(numbers):
        return Series(numbers, np.empty(0), np.empty((0, len(FIELDS))))
    rows = []
    for number in numbers.tolist():
        known = _ROWS.setdefault(column.slices(number), {})
        name = (f"{weight.key} {compared.quantity}", compared.against if compared.quantity == "since_record" else None)
        row = known.get(name)  # another thread may clear them at any time
        if row is None:
            if len(known) >= MOST_REMEMBERED:
                known.clear()
            row = known[name] = compared.row(column, number)
        rows.append(row)
    return Series(numbers, history.timeline.positions_of(numbers), np.stack(rows), column.sample is not None)


# -- which weights -------------------------------------------------------------------------------------------------------


def blocks_of(weight: Weight, _: Past) -> dict[str, Weight]:
    """Return the blocks of a weight, such as its gates, along the last axis that has any."""
    axis = block_axis(weight)
    if axis is None or weight.source:
        return {}
    return {axis.block_words(block): cut(weight, block.name) for block in axis.blocks}


def weights_of_layer(weight: Weight, history: Past) -> dict[str, Weight]:
    """Return all weights that the layer holds itself."""
    found = [each for each in history.catalog.weights.values() if each.layer == weight.layer and each.role != SEED_STATE]
    return _named({each.key: each.name for each in found}, history.catalog.weights)


def same_role(weight: Weight, history: Past) -> dict[str, Weight]:
    """Return the weights of the same role in all layers."""
    found = [each for each in history.catalog.weights.values() if each.role == weight.role]
    names = {each.key: each.layer.rpartition("/")[2] for each in found}
    return _named(names, history.catalog.weights)


def _named(names: Mapping[str, str], weights: Mapping[str, Weight]) -> dict[str, Weight]:
    """Return weights by a short name; by their whole key where two have the same one."""
    taken = list(names.values())
    return {name if taken.count(name) == 1 else key: weights[key] for key, name in names.items()}


def largest(found: Mapping[str, Weight], shown: Weight, most: int = MOST_LINES) -> dict[str, Weight]:
    """Return the largest weights, in their order, the one that is shown among them."""
    order = sorted(found, key=lambda name: (found[name].whole != shown.whole, -found[name].size))[:most]
    return {name: weight for name, weight in found.items() if name in order}


# -- single elements -----------------------------------------------------------------------------------------------------


def pins_of(weight: Weight, choice: Choice) -> tuple[tuple[int, ...], ...]:
    """Return the pinned elements of a whole weight."""
    return tuple(index for key, index in choice.pins if key == weight.whole)


def pin_name(weight: Weight, index: tuple[int, ...]) -> str:
    """Name an element as in Python.

    >>> pin_name(Weight("w", "kernel", "kernel", "l", (4, 6), "float32", ()), (3, 5))
    'kernel[3, 5]'
    """
    return f"{weight.name}[{', '.join(map(str, index))}]"


def curve_of_pin(weight: Weight, index: tuple[int, ...], history: Past, choice: Choice) -> Curve | None:
    """Return the values of one element at the records that keep it, or its changes; None where it is not kept."""
    column = history.column(weight.whole)
    if column is None or not column.kept:
        return None
    kept = np.array(column.kept, np.int64)
    numbers = kept[spread_places(len(kept), MOST_HISTOGRAMS)]
    place: tuple[int, ...] | None = index
    if column.sample is not None:
        inside = np.flatnonzero(column.sample.indexes == np.ravel_multi_index(index, column.sample.shape))
        place = (int(inside[0]),) if inside.size else None
    if place is None:
        return None

    def at(number: int) -> float:
        value = column.value(number)
        return float(value[place]) if value is not None and value.ndim == len(place) else np.nan

    found = np.array([at(number) for number in numbers.tolist()])
    return Curve(pin_name(weight, index), history.timeline.positions_of(numbers), _changed(found, numbers, column, choice, at))


def _changed(found: np.ndarray, numbers: np.ndarray, column: Column, choice: Choice, at: Callable[[int], float]) -> np.ndarray:
    """Return the values as the chosen quantity has them."""
    kept = np.array(column.kept, np.int64)
    if choice.quantity == "value":
        return found
    if choice.quantity == "since_last":
        before = np.r_[np.nan, [at(int(number)) for number in kept[np.searchsorted(kept, numbers[1:]) - 1]]]
        gaps = np.r_[True, kept[np.searchsorted(kept, numbers[1:]) - 1] != numbers[1:] - 1]
        return np.where(gaps, np.nan, found - before)
    if choice.quantity == "since_start":
        return found - [at(column.start_for(number)) for number in numbers.tolist()]
    against = choice.against
    return found - at(against) if against is not None and against in kept else np.full(len(found), np.nan)
