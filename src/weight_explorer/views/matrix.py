"""The weight as a picture: every number a colored cell."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.nodes import Weight
from weight_explorer.recording.past import Past
from weight_explorer.recording.sampling import Sample
from weight_explorer.recording.statistics import summarize
from weight_explorer.views import layout as layouts
from weight_explorer.views import limits
from weight_explorer.views import order as orders
from weight_explorer.views.choice import Choice, Offer
from weight_explorer.views.covers import Grid, brushed_cover, frozen_cover
from weight_explorer.views.layout import Layout, chosen_layout, is_sampled
from weight_explorer.views.numbers import grouped
from weight_explorer.views.options import Option
from weight_explorer.views.order import CHANGE, SIMILARITY, Side, along, order_of, order_words
from weight_explorer.views.pictures import Cover, EmptyPicture, MatrixPicture, Picture, Pin, Place, Window
from weight_explorer.views.plane import EXTREME, MEAN, Plane, area_around, few_of, steps_of, window_of
from weight_explorer.views.reading import Found, find, reading_words, row_of, start_step, step_words
from weight_explorer.views.remembered import Remembered
from weight_explorer.views.sampled import cells_of_sample

# Of no more than these along a side each has pixels of its own, on a small screen too.
FEW_ENTRIES = 128


def _shown(weight: Weight, history: Past, choice: Choice) -> tuple[Offer, ...]:
    sides = chosen_layout(weight, history, choice).sides(weight.axes)
    # Of a sample a mean of the few elements in a cell would say little.
    if is_sampled(weight, history) or max(math.prod(axis.size for axis in side) for side in sides) <= FEW_ENTRIES:
        return ()
    return (Offer(EXTREME, "extreme"), Offer(MEAN, "mean"))


SHOWS = Option(layouts.VIEW, "cell", "cells show", _shown)
OPTIONS = (limits.COLORS, *orders.OPTIONS, SHOWS, *layouts.OPTIONS)

_cells: Remembered[tuple[np.ndarray, int, int]] = Remembered(8)
_orders: Remembered[np.ndarray] = Remembered(16)
_counts: Remembered[np.ndarray] = Remembered(16)
# Where the newest record is followed, the order by similarity stays that of the record at which it was first asked for:
# clustering at every record would hold up the training, and rows would jump.
_similar: Remembered[tuple[np.ndarray, str]] = Remembered(64)


def draw(weight: Weight, history: Past, choice: Choice) -> Picture:
    """Lay the weight out as rows and columns, reduced to at most 512 x 512 cells."""
    found = find(weight, history, choice)
    if isinstance(found, EmptyPicture):
        return found
    subject = _Subject(weight, history, choice, found, chosen_layout(weight, history, choice))
    return _draw_all(subject) if found.sample is None else _draw_sample(subject, found.sample)


def cells_within(weight: Weight, history: Past, choice: Choice, most: int) -> tuple[np.ndarray, int, int] | EmptyPicture:
    """Reduce what a choice asks for to at most `most` x `most` cells, as `draw` does to 512 x 512, in the usual layout.

    Returns the cells and how many rows and columns one stands for, or why there are none.
    """
    found = find(weight, history, choice)
    if isinstance(found, EmptyPicture):
        return found
    layout = Layout(*layouts.lay_out(weight.axes))
    if found.sample is not None:
        return cells_of_sample(found.reading.values, found.sample, layout.rows, layout.columns, most)
    plane = _plane(_Subject(weight, history, choice, found, layout))
    return plane.cells(plane.whole, most)


@dataclass(frozen=True, slots=True, eq=False)
class _Subject:
    """What is to be drawn, and how it is laid out."""

    weight: Weight
    history: Past
    choice: Choice
    found: Found
    layout: Layout

    @property
    def key(self) -> str:
        """What a window is asked of; the same at every record and in every slice."""
        return f"{self.weight.key} {self.layout.rows} by {self.layout.columns}"

    @property
    def sides(self) -> tuple[Side, Side]:
        """Rows and columns."""
        rows, columns = self.layout.sides(self.weight.axes)
        return Side(rows, 0), Side(columns, 1)

    @property
    def identity(self) -> tuple[Hashable, ...]:
        """What tells it from everything else that is drawn from the same arrays."""
        # The records by number too: the array of one that is dropped is filled anew, and then the same one holds other values.
        numbers = tuple(step.number for step in (self.found.step, self.found.against) if step)
        return (self.weight.key, self.weight.shape, self.layout, self.choice.quantity, numbers)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """The recorded arrays that it is drawn from: the very objects, by which what was computed of them is remembered."""
        steps = [step.number for step in (self.found.step, self.found.against) if step]
        return self.recorded(*steps)

    def recorded(self, *numbers: int) -> tuple[np.ndarray, ...]:
        """Return the values of records."""
        column = self.history.column(self.weight.whole)
        values = [column.value(number) for number in numbers] if column else []
        return tuple(value for value in values if value is not None)

    def chosen(self, option: Option) -> str:
        """Return what was chosen of an option."""
        return option.chosen(self.weight, self.history, self.choice)


def _draw_all(subject: _Subject) -> MatrixPicture:
    """Draw a weight that is kept whole, or a window of it."""
    plain = _plane(subject)
    (row_order, row_words), (column_order, column_words) = (_order(subject, side, plain) for side in subject.sides)
    orders = _along(row_order, subject, 0), _along(column_order, subject, 1)
    plane = Plane(plain.now, plain.before, plain.compute, *orders)
    shows, order_key = subject.chosen(SHOWS) or EXTREME, (_hash(row_order), _hash(column_order))
    whole = _cells.of(subject.arrays, (*subject.identity, *order_key, shows), lambda: plane.cells(plane.whole, shows=shows))
    seen = window_of(subject.choice, subject.key, plane.whole)
    area = area_around(seen, plane.whole) if seen else plane.whole
    is_part = steps_of(area) != whole[1:]
    cells, row_step, column_step = plane.cells(area, shows=shows) if is_part else whole
    overview, overview_steps = few_of(whole, shows) if is_part else (None, (1, 1))
    scale = _scale(subject, plain, whole[0])
    grid = Grid(
        subject.weight, subject.layout, orders, order_key, area, (row_step, column_step), overview_steps if is_part else None
    )
    frozen = frozen_cover(subject.history, subject.found.step.number, grid)
    rows, columns = (side.axes for side in subject.sides)
    return MatrixPicture(
        cells=cells,
        rows=rows,
        columns=columns,
        axis_order=(*subject.layout.rows, *subject.layout.columns),
        row_step=row_step,
        column_step=column_step,
        limit=scale.limit,
        caption=_caption(subject, shows, (row_step, column_step), scale.words, (row_words, column_words), frozen),
        shows=shows,
        key=subject.key,
        place=_place(subject),
        fixed=subject.layout.fixed_words(subject.weight.axes),
        fixed_at=subject.layout.fixed,
        row_order=row_order,
        column_order=column_order,
        window=seen,
        origin=(area.top, area.left) if is_part else (0, 0),
        overview=overview,
        overview_steps=overview_steps,
        marks=scale.marks,
        pins=_pins(subject, row_order, column_order),
        frozen=frozen,
        selected=brushed_cover(subject.choice.brush, grid),
    )


def _draw_sample(subject: _Subject, sample: Sample) -> MatrixPicture:
    """Draw what is kept of a weight too large for the memory: it is not sorted, and there is nothing finer to look at."""
    found, layout = subject.found, subject.layout
    values = found.reading.values
    rows, columns = (side.axes for side in subject.sides)
    cells, row_step, column_step = cells_of_sample(values, sample, layout.rows, layout.columns)
    cells = np.ascontiguousarray(cells, dtype=np.float32)
    row = row_of(subject.weight, subject.history, subject.choice, found.step.number)
    scale = limits.scale_of(*_limit_of(subject, cells, row), lambda limit: _estimated_beyond(values, sample, limit))
    height, width = (math.prod(axis.size for axis in side) for side in (rows, columns))
    grid = Grid(subject.weight, layout, (None, None), (0, 0), Window(0, height, 0, width), (row_step, column_step))
    frozen = frozen_cover(subject.history, found.step.number, grid)
    return MatrixPicture(
        cells=cells,
        rows=rows,
        columns=columns,
        axis_order=(*layout.rows, *layout.columns),
        row_step=row_step,
        column_step=column_step,
        limit=scale.limit,
        caption=_caption(subject, EXTREME, (row_step, column_step), scale.words, (), frozen),
        key=subject.key,
        place=_place(subject),
        window=window_of(subject.choice, subject.key, grid.area),
        marks=scale.marks,
        pins=_pins(subject, None, None),
        frozen=frozen,
        selected=brushed_cover(subject.choice.brush, grid),
    )


def _estimated_beyond(values: np.ndarray, sample: Sample, limit: float) -> tuple[int, int]:
    above, below = limits.count_beyond(values, limit) * sample.size / max(values.size, 1)
    return round(above), round(below)


def _plane(subject: _Subject) -> Plane:
    found, layout = subject.found, subject.layout
    return Plane(layout.flatten(found.now), None if found.before is None else layout.flatten(found.before), found.compute)


# -- order ---------------------------------------------------------------------------------------------------------------


def _order(subject: _Subject, side: Side, plane: Plane) -> tuple[np.ndarray | None, str]:
    """Return the order of one side, None for as it is, and the words for it."""
    kind = subject.chosen(orders.OPTIONS[side.direction])
    if kind not in orders.WORDS:
        return None, ""
    key = (*subject.identity, kind, side.direction)
    if kind == SIMILARITY and subject.choice.step is None:
        start = subject.recorded(start_step(subject.weight, subject.history, subject.found.step.number))
        order, record = _similar.of(
            start,
            (
                subject.key,
                subject.weight.shape,
                subject.layout,
                subject.choice.quantity,
                subject.choice.against,
                side.direction,
            ),
            lambda: (order_of(kind, side, plane), step_words(subject.found.step)),
        )
        return order, _order_sentence(side, order_words(kind, side, record))
    if kind == CHANGE:
        first = subject.recorded(start_step(subject.weight, subject.history, subject.found.step.number))
        plane = _since(subject, first[0])
        order = _orders.of((*subject.recorded(subject.found.step.number), *first), key, lambda: order_of(kind, side, plane))
    else:
        order = _orders.of(subject.arrays, key, lambda: order_of(kind, side, plane))
    return order, _order_sentence(side, order_words(kind, side))


def _order_sentence(side: Side, words: str) -> str:
    return f" {'Columns' if side.direction else 'Rows'} {words}."


def _since(subject: _Subject, start: np.ndarray) -> Plane:
    """Return the change since the start as a plane; no change where the weight had another shape then."""
    found, index = subject.found, subject.weight.index
    before = start[index] if start.ndim >= len(index) else start
    before = before if before.shape == found.now.shape else found.now
    compute = Found(found.now, before, found.step, found.step, None).compute
    return Plane(subject.layout.flatten(found.now), subject.layout.flatten(before), compute)


def _along(order: np.ndarray | None, subject: _Subject, direction: int) -> np.ndarray | None:
    return None if order is None else along(order, subject.sides[direction].inner)


def _hash(order: np.ndarray | None) -> int:
    return 0 if order is None else hash(order.tobytes())


# -- limits --------------------------------------------------------------------------------------------------------------


def _scale(subject: _Subject, plane: Plane, cells: np.ndarray) -> limits.Scale:
    def beyond(limit: float) -> tuple[int, int]:
        def count() -> np.ndarray:
            blocks = (limits.count_beyond(block, limit) for _, block in plane.blocks(plane.whole))
            return np.sum([np.zeros(2, np.int64), *blocks], axis=0)

        above, below = _counts.of(subject.arrays, (*subject.identity, limit), count)
        return int(above), int(below)

    return limits.scale_of(*_limit_of(subject, cells, _row(subject, plane)), beyond)


def _limit_of(subject: _Subject, cells: np.ndarray, row: np.ndarray) -> tuple[str, np.ndarray, np.ndarray, float]:
    """Return the first arguments of `limits.scale_of`."""
    asked = (subject.weight, subject.history, subject.choice)
    return limits.kind_of(*asked), cells, row, limits.given_limit(*asked)


def _row(subject: _Subject, plane: Plane) -> np.ndarray:
    """Return the statistics of what is laid out: recorded, or of one slice computed."""
    if not subject.layout.fixed:
        return row_of(subject.weight, subject.history, subject.choice, subject.found.step.number)
    return _counts.of(subject.arrays, (*subject.identity, "row"), lambda: summarize(plane.part(plane.whole)))


# -- places --------------------------------------------------------------------------------------------------------------


def _place(subject: _Subject) -> Place:
    """Say where the elements stand in the whole weight, of which this may be a slice."""
    items = list(subject.weight.index)
    num_axes = len(subject.weight.axes) + sum(isinstance(item, int) for item in items)
    items += [slice(None)] * (num_axes - len(items))
    base = [item if isinstance(item, int) else item.start or 0 for item in items]
    axes = [axis for axis, item in enumerate(items) if isinstance(item, slice)]
    for axis, index in subject.layout.fixed:
        base[axes[axis]] += index
    laid_out = (*subject.layout.rows, *subject.layout.columns)
    return Place(subject.weight.whole, tuple(base), tuple(axes[axis] for axis in laid_out), len(subject.layout.rows))


def _pins(subject: _Subject, row_order: np.ndarray | None, column_order: np.ndarray | None) -> tuple[Pin, ...]:
    place, (rows, columns) = _place(subject), subject.sides
    found = []
    for number, (key, index) in enumerate(subject.choice.pins, 1):
        indexes = _inside(place, index, subject) if key == place.weight else None
        if indexes is not None:
            split = len(subject.layout.rows)
            row, column = _drawn_at(indexes[:split], rows, row_order), _drawn_at(indexes[split:], columns, column_order)
            found.append(Pin(number, row, column))
    return tuple(found)


def _inside(place: Place, index: tuple[int, ...], subject: _Subject) -> list[int] | None:
    """Return an element's indexes along the axes that are laid out; None where it is not among what is drawn."""
    if len(index) != len(place.base):
        return None
    offsets = [item - base for item, base in zip(index, place.base, strict=True)]
    laid_out = [subject.weight.axes[axis].size for axis in (*subject.layout.rows, *subject.layout.columns)]
    inside = all(0 <= offsets[axis] < size for axis, size in zip(place.axes, laid_out, strict=True))
    still = all(offset == 0 for axis, offset in enumerate(offsets) if axis not in place.axes)
    return [offsets[axis] for axis in place.axes] if inside and still else None


def _drawn_at(indexes: list[int], side: Side, order: np.ndarray | None) -> int:
    """Return the row or column at which an element is drawn."""
    if not indexes:
        return 0
    outer = indexes[0] if order is None else int(np.flatnonzero(order == indexes[0])[0])
    place = outer
    for index, axis in zip(indexes[1:], side.axes[1:], strict=True):
        place = place * axis.size + index
    return place


# -- words ---------------------------------------------------------------------------------------------------------------


def _caption(
    subject: _Subject, shows: str, steps: tuple[int, int], scale: str, order: tuple[str, ...], frozen: Cover | None
) -> str:
    found = subject.found
    slice_words = subject.layout.fixed_words(subject.weight.axes)
    return "".join((
        reading_words(found.step, found.against, found.sample),
        f" One slice: {slice_words}." if slice_words else "",
        f" {frozen.words}" if frozen else "",
        *order,
        scale,
        _cell_words(steps, shows, sampled=found.sample is not None),
    ))  # fmt: skip


def _cell_words(steps: tuple[int, int], shows: str, *, sampled: bool) -> str:
    if steps == (1, 1):
        return ""
    cell = f"{grouped(steps[0])} x {grouped(steps[1])}"
    if sampled:
        return f" Each cell stands for {cell} elements and shows, of those that are kept, the one farthest from zero."
    shown = "their mean" if shows == MEAN else "the one farthest from zero"
    return f" There are more numbers than fit the screen: each cell stands for {cell} of them and shows {shown}."
