"""The Matrix view: a weight as a picture in which every number is a colored cell."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import Weight
from weight_explorer.pictures.data import EmptyPicture, IndexMapping, MatrixPicture, Overlay, Picture, Pin, Region
from weight_explorer.pictures.numbers import format_count
from weight_explorer.recording.history import History
from weight_explorer.recording.sampling import Sample
from weight_explorer.recording.statistics.summary import summarize
from weight_explorer.views import color_range
from weight_explorer.views import layout as layouts
from weight_explorer.views.array_cache import ArrayCache
from weight_explorer.views.choice import Choice, MenuItem
from weight_explorer.views.layout import Layout, chosen_layout, keeps_sample_only
from weight_explorer.views.lazy_matrix import (
    EXTREME,
    MEAN,
    LazyMatrix,
    cell_steps,
    overview_cells,
    padded_region,
    viewport_for,
)
from weight_explorer.views.matrix import sort as orders
from weight_explorer.views.matrix.overlays import CellGrid, frozen_overlay, selection_overlay
from weight_explorer.views.matrix.sort import CHANGE, SIMILARITY, MatrixSide, describe_sort, expand_order, sort_order
from weight_explorer.views.options import ViewOption
from weight_explorer.views.reading import (
    ReadingInputs,
    describe_reading,
    describe_record,
    find_inputs,
    start_record,
    statistics_row,
)
from weight_explorer.views.sample_cells import sample_cells

# With at most this many entries per side, each entry covers at least one pixel, even on a small screen.
MAX_UNREDUCED_ENTRIES = 128


def _cell_items(weight: Weight, history: History, choice: Choice) -> tuple[MenuItem, ...]:
    sides = chosen_layout(weight, history, choice).sides(weight.axes)
    # With a sample, a mean of the few elements in a cell would say little.
    if (
        keeps_sample_only(weight, history)
        or max(math.prod(axis.size for axis in side) for side in sides) <= MAX_UNREDUCED_ENTRIES
    ):
        return ()
    return (MenuItem(EXTREME, "extreme"), MenuItem(MEAN, "mean"))


CELL = ViewOption(layouts.VIEW, "cell", "cells show", _cell_items)
OPTIONS = (color_range.COLORS, *orders.OPTIONS, CELL, *layouts.OPTIONS)

_cells_cache: ArrayCache[tuple[np.ndarray, int, int]] = ArrayCache(8)
_order_cache: ArrayCache[np.ndarray] = ArrayCache(16)
_counts_cache: ArrayCache[np.ndarray] = ArrayCache(16)
# While the newest record is followed, the order by similarity stays that of the record at which it was first requested.
# Clustering at every record would delay training, and rows would jump.
_similarity_cache: ArrayCache[tuple[np.ndarray, str]] = ArrayCache(64)


def draw(weight: Weight, history: History, choice: Choice) -> Picture:
    """Lay the weight out as rows and columns, reduced to at most 512 × 512 cells."""
    found = find_inputs(weight, history, choice)
    if isinstance(found, EmptyPicture):
        return found
    subject = _MatrixInput(weight, history, choice, found, chosen_layout(weight, history, choice))
    return _draw_whole(subject) if found.sample is None else _draw_sample(subject, found.sample)


def reduced_cells(
    weight: Weight, history: History, choice: Choice, max_cells: int
) -> tuple[np.ndarray, int, int] | EmptyPicture:
    """Reduce the chosen quantity to at most `max_cells` × `max_cells` cells, like `draw` does, in the default layout.

    Returns the cells and the numbers of rows and columns per cell, or a message that says why there are none.
    """
    found = find_inputs(weight, history, choice)
    if isinstance(found, EmptyPicture):
        return found
    layout = Layout(*layouts.default_layout(weight.axes))
    if found.sample is not None:
        return sample_cells(found.reading.values, found.sample, layout.rows, layout.columns, max_cells)
    plane = _lazy_matrix(_MatrixInput(weight, history, choice, found, layout))
    return plane.cells(plane.full_region, max_cells)


@dataclass(frozen=True, slots=True, eq=False)
class _MatrixInput:
    """The quantity to draw, and its layout."""

    weight: Weight
    history: History
    choice: Choice
    inputs: ReadingInputs
    layout: Layout

    @property
    def key(self) -> str:
        """The key of the picture for viewports. It is the same at every record and in every slice."""
        return f"{self.weight.key} {self.layout.rows} by {self.layout.columns}"

    @property
    def sides(self) -> tuple[MatrixSide, MatrixSide]:
        """The rows and the columns."""
        rows, columns = self.layout.sides(self.weight.axes)
        return MatrixSide(rows, 0), MatrixSide(columns, 1)

    @property
    def cache_key(self) -> tuple[Hashable, ...]:
        """A key that distinguishes this from other results computed from the same arrays."""
        # Includes record numbers: the array of a dropped record is reused, and the same array object then holds other values.
        numbers = tuple(step.number for step in (self.inputs.record, self.inputs.against) if step)
        return (self.weight.key, self.weight.shape, self.layout, self.choice.quantity, numbers)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """The recorded arrays that it is drawn from. Caches identify them by object identity."""
        steps = [step.number for step in (self.inputs.record, self.inputs.against) if step]
        return self.values_at(*steps)

    def values_at(self, *numbers: int) -> tuple[np.ndarray, ...]:
        """Return the kept values of some records."""
        column = self.history.weight_history(self.weight.variable_key)
        values = [column.values_at(number) for number in numbers] if column else []
        return tuple(value for value in values if value is not None)

    def chosen_option(self, option: ViewOption) -> str:
        """Return the chosen value of an option."""
        return option.chosen(self.weight, self.history, self.choice)


def _draw_whole(subject: _MatrixInput) -> MatrixPicture:
    """Draw a weight that is kept whole, or a region of it."""
    plain = _lazy_matrix(subject)
    (row_order, row_words), (column_order, column_words) = (_sort_side(subject, side, plain) for side in subject.sides)
    orders = _expanded_order(row_order, subject, 0), _expanded_order(column_order, subject, 1)
    plane = LazyMatrix(plain.now, plain.before, plain.compute, *orders)
    shows, order_key = subject.chosen_option(CELL) or EXTREME, (_order_key(row_order), _order_key(column_order))
    whole = _cells_cache.get_or_compute(
        subject.arrays, (*subject.cache_key, *order_key, shows), lambda: plane.cells(plane.full_region, cell_value=shows)
    )
    seen = viewport_for(subject.choice, subject.key, plane.full_region)
    area = padded_region(seen, plane.full_region) if seen else plane.full_region
    is_part = cell_steps(area) != whole[1:]
    cells, row_step, column_step = plane.cells(area, cell_value=shows) if is_part else whole
    overview, overview_steps = overview_cells(whole, shows) if is_part else (None, (1, 1))
    scale = _color_scale(subject, plain, whole[0])
    grid = CellGrid(
        subject.weight, subject.layout, orders, order_key, area, (row_step, column_step), overview_steps if is_part else None
    )
    frozen = frozen_overlay(subject.history, subject.inputs.record.number, grid)
    rows, columns = (side.axes for side in subject.sides)
    return MatrixPicture(
        cells=cells,
        rows=rows,
        columns=columns,
        axis_order=(*subject.layout.rows, *subject.layout.columns),
        row_step=row_step,
        column_step=column_step,
        color_limit=scale.limit,
        caption=_caption(subject, shows, (row_step, column_step), scale.text, (row_words, column_words), frozen),
        cell_value=shows,
        key=subject.key,
        index_mapping=_index_mapping(subject),
        fixed_text=subject.layout.describe_fixed(subject.weight.axes),
        fixed_indexes=subject.layout.fixed,
        row_order=row_order,
        column_order=column_order,
        viewport=seen,
        top_left=(area.top, area.left) if is_part else (0, 0),
        overview=overview,
        overview_steps=overview_steps,
        special_counts=scale.special_counts,
        pins=_pins(subject, row_order, column_order),
        frozen=frozen,
        selected=selection_overlay(subject.choice.selection, grid),
    )


def _draw_sample(subject: _MatrixInput, sample: Sample) -> MatrixPicture:
    """Draw the kept sample of a weight that is too large to keep whole. It is not sorted, and cannot be zoomed."""
    found, layout = subject.inputs, subject.layout
    values = found.reading.values
    rows, columns = (side.axes for side in subject.sides)
    cells, row_step, column_step = sample_cells(values, sample, layout.rows, layout.columns)
    cells = np.ascontiguousarray(cells, dtype=np.float32)
    row = statistics_row(subject.weight, subject.history, subject.choice, found.record.number)
    scale = color_range.color_scale(
        *_color_scale_args(subject, cells, row), lambda limit: _estimated_beyond(values, sample, limit)
    )
    height, width = (math.prod(axis.size for axis in side) for side in (rows, columns))
    grid = CellGrid(subject.weight, layout, (None, None), (0, 0), Region(0, height, 0, width), (row_step, column_step))
    frozen = frozen_overlay(subject.history, found.record.number, grid)
    return MatrixPicture(
        cells=cells,
        rows=rows,
        columns=columns,
        axis_order=(*layout.rows, *layout.columns),
        row_step=row_step,
        column_step=column_step,
        color_limit=scale.limit,
        caption=_caption(subject, EXTREME, (row_step, column_step), scale.text, (), frozen),
        key=subject.key,
        index_mapping=_index_mapping(subject),
        viewport=viewport_for(subject.choice, subject.key, grid.region),
        special_counts=scale.special_counts,
        pins=_pins(subject, None, None),
        frozen=frozen,
        selected=selection_overlay(subject.choice.selection, grid),
    )


def _estimated_beyond(values: np.ndarray, sample: Sample, limit: float) -> tuple[int, int]:
    above, below = color_range.count_beyond(values, limit) * sample.size / max(values.size, 1)
    return round(above), round(below)


def _lazy_matrix(subject: _MatrixInput) -> LazyMatrix:
    found, layout = subject.inputs, subject.layout
    return LazyMatrix(layout.flatten(found.now), None if found.before is None else layout.flatten(found.before), found.compute)


# -- order ---------------------------------------------------------------------------------------------------------------


def _sort_side(subject: _MatrixInput, side: MatrixSide, matrix: LazyMatrix) -> tuple[np.ndarray | None, str]:
    """Return the order of one side, None for the original order, and its description."""
    kind = subject.chosen_option(orders.OPTIONS[side.direction])
    if kind not in orders.SORT_TEXT:
        return None, ""
    key = (*subject.cache_key, kind, side.direction)
    if kind == SIMILARITY and subject.choice.record is None:
        start = subject.values_at(start_record(subject.weight, subject.history, subject.inputs.record.number))
        order, record = _similarity_cache.get_or_compute(
            start,
            (
                subject.key,
                subject.weight.shape,
                subject.layout,
                subject.choice.quantity,
                subject.choice.against,
                side.direction,
            ),
            lambda: (sort_order(kind, side, matrix), describe_record(subject.inputs.record)),
        )
        return order, _order_sentence(side, describe_sort(kind, side, record))
    if kind == CHANGE:
        first = subject.values_at(start_record(subject.weight, subject.history, subject.inputs.record.number))
        matrix = _change_since_start(subject, first[0])
        order = _order_cache.get_or_compute(
            (*subject.values_at(subject.inputs.record.number), *first), key, lambda: sort_order(kind, side, matrix)
        )
    else:
        order = _order_cache.get_or_compute(subject.arrays, key, lambda: sort_order(kind, side, matrix))
    return order, _order_sentence(side, describe_sort(kind, side))


def _order_sentence(side: MatrixSide, text: str) -> str:
    return f" {'Columns' if side.direction else 'Rows'} {text}."


def _change_since_start(subject: _MatrixInput, start: np.ndarray) -> LazyMatrix:
    """Return the change since the start as a lazy matrix. It is zero if the weight had another shape then."""
    found, index = subject.inputs, subject.weight.index
    before = start[index] if start.ndim >= len(index) else start
    before = before if before.shape == found.now.shape else found.now
    compute = ReadingInputs(found.now, before, found.record, found.record, None).compute
    return LazyMatrix(subject.layout.flatten(found.now), subject.layout.flatten(before), compute)


def _expanded_order(order: np.ndarray | None, subject: _MatrixInput, direction: int) -> np.ndarray | None:
    return None if order is None else expand_order(order, subject.sides[direction].inner_size)


def _order_key(order: np.ndarray | None) -> int:
    return 0 if order is None else hash(order.tobytes())


# -- color range ---------------------------------------------------------------------------------------------------------


def _color_scale(subject: _MatrixInput, matrix: LazyMatrix, cells: np.ndarray) -> color_range.ColorScale:
    def beyond(limit: float) -> tuple[int, int]:
        def count() -> np.ndarray:
            blocks = (color_range.count_beyond(block, limit) for _, block in matrix.blocks(matrix.full_region))
            return np.sum([np.zeros(2, np.int64), *blocks], axis=0)

        above, below = _counts_cache.get_or_compute(subject.arrays, (*subject.cache_key, limit), count)
        return int(above), int(below)

    return color_range.color_scale(*_color_scale_args(subject, cells, _statistics_row(subject, matrix)), beyond)


def _color_scale_args(subject: _MatrixInput, cells: np.ndarray, row: np.ndarray) -> tuple[str, np.ndarray, np.ndarray, float]:
    """Return the first arguments of `color_range.color_scale`."""
    asked = (subject.weight, subject.history, subject.choice)
    return color_range.color_range_kind(*asked), cells, row, color_range.given_limit(*asked)


def _statistics_row(subject: _MatrixInput, matrix: LazyMatrix) -> np.ndarray:
    """Return the statistics of what is laid out: recorded ones, or for a single slice computed ones."""
    if not subject.layout.fixed:
        return statistics_row(subject.weight, subject.history, subject.choice, subject.inputs.record.number)
    return _counts_cache.get_or_compute(
        subject.arrays, (*subject.cache_key, "row"), lambda: summarize(matrix.values_in(matrix.full_region))
    )


# -- positions -----------------------------------------------------------------------------------------------------------


def _index_mapping(subject: _MatrixInput) -> IndexMapping:
    """Return the mapping from cells to element indexes in the whole weight, of which this may be a slice."""
    items = list(subject.weight.index)
    num_axes = len(subject.weight.axes) + sum(isinstance(item, int) for item in items)
    items += [slice(None)] * (num_axes - len(items))
    base = [item if isinstance(item, int) else item.start or 0 for item in items]
    axes = [axis for axis, item in enumerate(items) if isinstance(item, slice)]
    for axis, index in subject.layout.fixed:
        base[axes[axis]] += index
    laid_out = (*subject.layout.rows, *subject.layout.columns)
    return IndexMapping(
        subject.weight.variable_key, tuple(base), tuple(axes[axis] for axis in laid_out), len(subject.layout.rows)
    )


def _pins(subject: _MatrixInput, row_order: np.ndarray | None, column_order: np.ndarray | None) -> tuple[Pin, ...]:
    place, (rows, columns) = _index_mapping(subject), subject.sides
    found = []
    for number, (key, index) in enumerate(subject.choice.pins, 1):
        indexes = _indexes_in_picture(place, index, subject) if key == place.weight else None
        if indexes is not None:
            split = len(subject.layout.rows)
            row, column = (
                _drawn_position(indexes[:split], rows, row_order),
                _drawn_position(indexes[split:], columns, column_order),
            )
            found.append(Pin(number, row, column))
    return tuple(found)


def _indexes_in_picture(mapping: IndexMapping, index: tuple[int, ...], subject: _MatrixInput) -> list[int] | None:
    """Return an element's indexes along the laid-out axes; None if the element is not drawn."""
    if len(index) != len(mapping.offset):
        return None
    offsets = [item - base for item, base in zip(index, mapping.offset, strict=True)]
    laid_out = [subject.weight.axes[axis].size for axis in (*subject.layout.rows, *subject.layout.columns)]
    inside = all(0 <= offsets[axis] < size for axis, size in zip(mapping.axes, laid_out, strict=True))
    still = all(offset == 0 for axis, offset in enumerate(offsets) if axis not in mapping.axes)
    return [offsets[axis] for axis in mapping.axes] if inside and still else None


def _drawn_position(indexes: list[int], side: MatrixSide, order: np.ndarray | None) -> int:
    """Return the row or column at which an element is drawn."""
    if not indexes:
        return 0
    outer = indexes[0] if order is None else int(np.flatnonzero(order == indexes[0])[0])
    place = outer
    for index, axis in zip(indexes[1:], side.axes[1:], strict=True):
        place = place * axis.size + index
    return place


# -- text ----------------------------------------------------------------------------------------------------------------


def _caption(
    subject: _MatrixInput, cell_value: str, steps: tuple[int, int], scale: str, order: tuple[str, ...], overlay: Overlay | None
) -> str:
    found = subject.inputs
    slice_words = subject.layout.describe_fixed(subject.weight.axes)
    return "".join((
        describe_reading(found.record, found.against, found.sample),
        f" One slice: {slice_words}." if slice_words else "",
        f" {overlay.text}" if overlay else "",
        *order,
        scale,
        _describe_cells(steps, cell_value, is_sample=found.sample is not None),
    ))  # fmt: skip


def _describe_cells(steps: tuple[int, int], cell_value: str, *, is_sample: bool) -> str:
    if steps == (1, 1):
        return ""
    cell = f"{format_count(steps[0])} x {format_count(steps[1])}"
    if is_sample:
        return f" Each cell stands for {cell} elements and shows, of those that are kept, the one farthest from zero."
    shown = "their mean" if cell_value == MEAN else "the one farthest from zero"
    return f" There are more numbers than fit the screen: each cell stands for {cell} of them and shows {shown}."
