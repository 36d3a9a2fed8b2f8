"""What the user brushed in a matrix: elements of the whole weight, in whatever order, slice or layout it was on screen."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from weight_explorer.catalog.elements import Elements
from weight_explorer.catalog.nodes import Axis, Weight
from weight_explorer.views.numbers import grouped
from weight_explorer.views.remembered import Remembered

# Of entries that are not side by side, as many are named.
MOST_NAMED = 6


@dataclass(frozen=True, slots=True, eq=False)
class Brush:
    """Some rows by some columns of a weight as it was laid out on screen.

    Attributes:
        weight: Key of the whole weight.
        base: Index of the first element that was laid out, in the whole weight.
        axes: Which axes of the whole weight ran down, and which across, the outer ones first.
        sizes: How many entries of each were laid out.
        rows: Which rows, counted as they are without any order.
        columns: Which columns.
        words: The elements in words.
    """

    weight: str
    base: tuple[int, ...]
    axes: tuple[tuple[int, ...], tuple[int, ...]]
    sizes: tuple[tuple[int, ...], tuple[int, ...]]
    rows: np.ndarray
    columns: np.ndarray
    words: str = ""

    @property
    def count(self) -> int:
        """Number of elements."""
        return len(self.rows) * len(self.columns)

    @property
    def sides(self) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
        """Of rows and of columns, for each axis of the whole weight its index at each of them."""
        down, across = (
            {
                axis: self.base[axis] + indexes
                for axis, indexes in zip(axes, np.unravel_index(places, sizes) if axes else (), strict=True)
            }
            for axes, sizes, places in zip(self.axes, self.sizes, (self.rows, self.columns), strict=True)
        )
        return down, across


def read_brush(weights: Mapping[str, Weight], text: str) -> Brush | None:
    """Read what a matrix was brushed with, given as JSON; None for nothing, or where there is no such weight.

    `spans` has for rows and columns ranges [first, end) of them, as they are without any order.
    """
    asked: dict[str, Any] | None = json.loads(text)
    weight = weights.get(asked["weight"]) if asked else None
    if not asked or weight is None:
        return None
    rows, columns = (_places(spans) for spans in asked["spans"])
    (down, across), (heights, widths) = ([tuple(side) for side in asked[name]] for name in ("axes", "sizes"))
    brush = Brush(weight.key, tuple(asked["base"]), (down, across), (heights, widths), rows, columns)
    return _named(brush, weight) if brush.count and _fits(brush, weight.shape) else None


def brushed(weight: Weight, brush: Brush | None) -> Elements | None:
    """Return the elements of a weight that are brushed, None where none are.

    Args:
        weight: A weight, or a slice of one such as one gate: the mask is of the whole weight all the same.
        brush: `Choice.brush`.

    >>> weight = Weight("w", "kernel", "kernel", "dense", (2, 3), "float32", (Axis("input_dim", 2), Axis("units", 3)))
    >>> spans = '"axes": [[0], [1]], "sizes": [[2], [3]], "spans": [[[1, 2]], [[0, 2]]]'
    >>> chosen = brushed(weight, read_brush({"w": weight}, f'{{"weight": "w", "base": [0, 0], {spans}}}'))
    >>> chosen.mask.astype(int).tolist(), chosen.words
    ([[0, 0, 0], [1, 1, 0]], 'input_dim 1 by units 0 to 1')
    """
    if brush is None or brush.weight != weight.whole or not _fits(brush, weight.whole_shape):
        return None
    # By the arrays, of which every brush has its own.
    return _elements.of((brush.rows, brush.columns), weight.whole_shape, lambda: _make(brush, weight.whole_shape))


_elements: Remembered[Elements] = Remembered(2)


def _make(brush: Brush, shape: tuple[int, ...]) -> Elements:
    index: list[Any] = list(brush.base)
    for turned, side in zip(((-1, 1), (1, -1)), brush.sides, strict=True):
        index = [side[axis].reshape(turned) if axis in side else item for axis, item in enumerate(index)]
    mask = np.zeros(shape, bool)
    mask[tuple(index)] = True
    mask.flags.writeable = False
    return Elements(brush.weight, mask, brush.words)


def _places(spans: list[list[int]]) -> np.ndarray:
    ranges = [np.arange(first, end, dtype=np.int64) for first, end in spans]
    places = np.unique(np.concatenate(ranges)) if ranges else np.empty(0, np.int64)
    places.flags.writeable = False
    return places


def _fits(brush: Brush, shape: tuple[int, ...]) -> bool:
    """Whether a weight of this shape has all its elements."""
    axes = (*brush.axes[0], *brush.axes[1])
    if len(brush.base) != len(shape) or not all(0 <= axis < len(shape) for axis in axes):
        return False
    end = [base + 1 for base in brush.base]
    for axis, size in zip(axes, (*brush.sizes[0], *brush.sizes[1]), strict=True):
        end[axis] += size - 1
    sides = zip((brush.rows, brush.columns), brush.sizes, strict=True)
    inside = all(places[0] >= 0 and places[-1] < math.prod(sizes) for places, sizes in sides)
    return inside and all(base >= 0 for base in brush.base) and all(stop <= size for stop, size in zip(end, shape, strict=True))


# -- words -----------------------------------------------------------------------------------------------------------


def _named(brush: Brush, weight: Weight) -> Brush:
    sides = [_side_words(weight.axes, side) for side in brush.sides]
    laid_out = {*brush.axes[0], *brush.axes[1]}
    still = [f"{axis.name} {brush.base[i]}" for i, axis in enumerate(weight.axes) if i not in laid_out]
    words = " by ".join(filter(None, sides)) + "".join(f", {each}" for each in still)
    return Brush(brush.weight, brush.base, brush.axes, brush.sizes, brush.rows, brush.columns, words or "the only element")


def _side_words(axes: tuple[Axis, ...], side: dict[int, np.ndarray]) -> str:
    """Say which entries of the axes of one side: of each axis, where they are all pairs of such."""
    entries = {axis: np.unique(indexes) for axis, indexes in side.items()}
    count = len(next(iter(side.values()), ()))
    if math.prod(len(each) for each in entries.values()) == count:
        return " by ".join(entries_words(axes[axis], each) for axis, each in entries.items())
    first, last = (tuple(int(indexes[at]) for indexes in side.values()) for at in (0, -1))
    return f"{grouped(count)} of {' x '.join(axes[axis].name for axis in side)}, from {first} to {last}"


def entries_words(axis: Axis, entries: np.ndarray) -> str:
    """Say which entries of an axis, given in ascending order, with the names of blocks and the user's labels.

    >>> entries_words(Axis("units", 9), np.arange(3, 7)), entries_words(Axis("units", 9), np.array([1, 5]))
    ('units 3 to 6', 'units 1, 5')
    """
    first, last = int(entries[0]), int(entries[-1])
    if last - first + 1 > len(entries):
        named = ", ".join(map(str, entries[:MOST_NAMED])) + (", …" if len(entries) > MOST_NAMED else "")
        return f"{axis.name} {named}" if len(entries) <= MOST_NAMED else f"{grouped(len(entries))} of {axis.name}: {named}"
    notes = "; ".join(filter(None, (_blocks_words(axis, first, last), _labels_words(axis, first, last))))
    return f"{axis.name} {_span(str(first), str(last))}{f' ({notes})' if notes else ''}"


def _blocks_words(axis: Axis, first: int, last: int) -> str:
    begin, end = (next((block for block in axis.blocks if block.start <= at < block.stop), None) for at in (first, last))
    if begin is None or end is None:
        return ""
    if (first, last + 1) == (begin.start, end.stop):
        return _span(begin.name, end.name)
    if begin is end:
        return f"{begin.name} {_span(str(first - begin.start), str(last - begin.start))}"
    return f"{begin.name} {first - begin.start} to {end.name} {last - end.start}"


def _labels_words(axis: Axis, first: int, last: int) -> str:
    return _span(f'"{axis.labels[first]}"', f'"{axis.labels[last]}"') if axis.labels else ""


def _span(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"
