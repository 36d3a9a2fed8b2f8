"""The elements selected in a matrix, as elements of the whole weight, independent of order, slice, and layout on screen."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from weight_explorer.catalog.schema import Axis, Weight
from weight_explorer.catalog.selection import ElementSelection
from weight_explorer.pictures.numbers import format_count
from weight_explorer.views.array_cache import ArrayCache

# The maximum number of entries that are listed if they are not contiguous.
MAX_NAMED = 6


@dataclass(frozen=True, slots=True, eq=False)
class CellSelection:
    """Selected rows and columns of a weight as it was laid out on screen.

    Attributes:
        weight: Key of the whole weight.
        offset: Index of the first laid-out element in the whole weight.
        axes: The axes of the whole weight that formed rows, and those that formed columns, outermost first.
        sizes: The number of laid-out entries along each of these axes.
        rows: The selected rows, numbered in the original order.
        columns: The selected columns, numbered in the original order.
        text: A description of the elements.
    """

    weight: str
    offset: tuple[int, ...]
    axes: tuple[tuple[int, ...], tuple[int, ...]]
    sizes: tuple[tuple[int, ...], tuple[int, ...]]
    rows: np.ndarray
    columns: np.ndarray
    text: str = ""

    @property
    def count(self) -> int:
        """Number of elements."""
        return len(self.rows) * len(self.columns)

    @property
    def axis_indexes(self) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
        """For rows and for columns: the index along each axis of the whole weight, at each selected row or column."""
        down, across = (
            {
                axis: self.offset[axis] + indexes
                for axis, indexes in zip(axes, np.unravel_index(places, sizes) if axes else (), strict=True)
            }
            for axes, sizes, places in zip(self.axes, self.sizes, (self.rows, self.columns), strict=True)
        )
        return down, across


def selection_from_json(weights: Mapping[str, Weight], text: str) -> CellSelection | None:
    """Parse a selection from JSON; return None if it is empty, or if the weight does not exist.

    `spans` holds ranges [first, end) of rows and of columns, numbered in the original order.
    """
    asked: dict[str, Any] | None = json.loads(text)
    weight = weights.get(asked["weight"]) if asked else None
    if not asked or weight is None:
        return None
    rows, columns = (_expand_spans(spans) for spans in asked["spans"])
    (down, across), (heights, widths) = ([tuple(side) for side in asked[name]] for name in ("axes", "sizes"))
    brush = CellSelection(weight.key, tuple(asked["base"]), (down, across), (heights, widths), rows, columns)
    return _with_text(brush, weight) if brush.count and _is_within(brush, weight.shape) else None


def selected_elements(weight: Weight, selection: CellSelection | None) -> ElementSelection | None:
    """Return the selected elements of a weight; None if there are none.

    Args:
        weight: A weight, or a slice of one, such as one gate. The mask covers the whole weight in either case.
        selection: The selection, as in `Choice.selection`.

    >>> weight = Weight("w", "kernel", "kernel", "dense", (2, 3), "float32", (Axis("input_dim", 2), Axis("units", 3)))
    >>> spans = '"axes": [[0], [1]], "sizes": [[2], [3]], "spans": [[[1, 2]], [[0, 2]]]'
    >>> chosen = selected_elements(weight, selection_from_json({"w": weight}, f'{{"weight": "w", "base": [0, 0], {spans}}}'))
    >>> chosen.mask.astype(int).tolist(), chosen.description
    ([[0, 0, 0], [1, 1, 0]], 'input_dim 1 by units 0 to 1')
    """
    if selection is None or selection.weight != weight.variable_key or not _is_within(selection, weight.variable_shape):
        return None
    # The cache is keyed by the arrays, because each selection has its own.
    return _elements_cache.get_or_compute(
        (selection.rows, selection.columns), weight.variable_shape, lambda: _build_elements(selection, weight.variable_shape)
    )


_elements_cache: ArrayCache[ElementSelection] = ArrayCache(2)


def _build_elements(selection: CellSelection, shape: tuple[int, ...]) -> ElementSelection:
    index: list[Any] = list(selection.offset)
    for turned, side in zip(((-1, 1), (1, -1)), selection.axis_indexes, strict=True):
        index = [side[axis].reshape(turned) if axis in side else item for axis, item in enumerate(index)]
    mask = np.zeros(shape, bool)
    mask[tuple(index)] = True
    mask.flags.writeable = False
    return ElementSelection(selection.weight, mask, selection.text)


def _expand_spans(spans: list[list[int]]) -> np.ndarray:
    ranges = [np.arange(first, end, dtype=np.int64) for first, end in spans]
    places = np.unique(np.concatenate(ranges)) if ranges else np.empty(0, np.int64)
    places.flags.writeable = False
    return places


def _is_within(selection: CellSelection, shape: tuple[int, ...]) -> bool:
    """Whether all elements of the selection lie within a weight of this shape."""
    axes = (*selection.axes[0], *selection.axes[1])
    if len(selection.offset) != len(shape) or not all(0 <= axis < len(shape) for axis in axes):
        return False
    end = [base + 1 for base in selection.offset]
    for axis, size in zip(axes, (*selection.sizes[0], *selection.sizes[1]), strict=True):
        end[axis] += size - 1
    sides = zip((selection.rows, selection.columns), selection.sizes, strict=True)
    inside = all(places[0] >= 0 and places[-1] < math.prod(sizes) for places, sizes in sides)
    return (
        inside
        and all(base >= 0 for base in selection.offset)
        and all(stop <= size for stop, size in zip(end, shape, strict=True))
    )


# -- text ------------------------------------------------------------------------------------------------------------


def _with_text(selection: CellSelection, weight: Weight) -> CellSelection:
    sides = [_describe_side(weight.axes, side) for side in selection.axis_indexes]
    laid_out = {*selection.axes[0], *selection.axes[1]}
    still = [f"{axis.name} {selection.offset[i]}" for i, axis in enumerate(weight.axes) if i not in laid_out]
    words = " by ".join(filter(None, sides)) + "".join(f", {each}" for each in still)
    return CellSelection(
        selection.weight,
        selection.offset,
        selection.axes,
        selection.sizes,
        selection.rows,
        selection.columns,
        words or "the only element",
    )


def _describe_side(axes: tuple[Axis, ...], side: dict[int, np.ndarray]) -> str:
    """Describe the entries along the axes of one side: per axis if they are all combinations, else the first and last."""
    entries = {axis: np.unique(indexes) for axis, indexes in side.items()}
    count = len(next(iter(side.values()), ()))
    if math.prod(len(each) for each in entries.values()) == count:
        return " by ".join(describe_entries(axes[axis], each) for axis, each in entries.items())
    first, last = (tuple(int(indexes[at]) for indexes in side.values()) for at in (0, -1))
    return f"{format_count(count)} of {' x '.join(axes[axis].name for axis in side)}, from {first} to {last}"


def describe_entries(axis: Axis, entries: np.ndarray) -> str:
    """Describe some entries of an axis, given in ascending order, with block names and user labels.

    >>> describe_entries(Axis("units", 9), np.arange(3, 7)), describe_entries(Axis("units", 9), np.array([1, 5]))
    ('units 3 to 6', 'units 1, 5')
    """
    first, last = int(entries[0]), int(entries[-1])
    if last - first + 1 > len(entries):
        named = ", ".join(map(str, entries[:MAX_NAMED])) + (", …" if len(entries) > MAX_NAMED else "")
        return f"{axis.name} {named}" if len(entries) <= MAX_NAMED else f"{format_count(len(entries))} of {axis.name}: {named}"
    notes = "; ".join(filter(None, (_describe_blocks(axis, first, last), _describe_labels(axis, first, last))))
    return f"{axis.name} {_range_text(str(first), str(last))}{f' ({notes})' if notes else ''}"


def _describe_blocks(axis: Axis, first: int, last: int) -> str:
    begin, end = (next((block for block in axis.blocks if block.start <= at < block.stop), None) for at in (first, last))
    if begin is None or end is None:
        return ""
    if (first, last + 1) == (begin.start, end.stop):
        return _range_text(begin.name, end.name)
    if begin is end:
        return f"{begin.name} {_range_text(str(first - begin.start), str(last - begin.start))}"
    return f"{begin.name} {first - begin.start} to {end.name} {last - end.start}"


def _describe_labels(axis: Axis, first: int, last: int) -> str:
    return _range_text(f'"{axis.labels[first]}"', f'"{axis.labels[last]}"') if axis.labels else ""


def _range_text(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"
