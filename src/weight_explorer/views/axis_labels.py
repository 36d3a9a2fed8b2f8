"""Names for the entries along a weight's axes, and functions that reorder an array by groups of axes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import Axis, Weight, pluralize


@dataclass(frozen=True, slots=True)
class AxisPart:
    """Entries of one kind: a whole axis, the blocks of a split axis, or the entries within each block.

    `is_named` is True if a label is enough to identify an entry, such as "forget gate".
    """

    noun: str
    size: int
    side: str = ""
    labels: tuple[str, ...] = ()
    is_named: bool = False

    def name(self, i: int) -> str:
        """Return the name of an entry where its kind is already known: `3 the`, `3`, `forget gate`."""
        if not self.labels:
            return str(i)
        return self.labels[i] if self.is_named else f"{i} {self.labels[i]}"

    def short_name(self, i: int) -> str:
        """Return the first word of an entry's label if it is unique, else its name."""
        first = [label.split(" ")[0] for label in self.labels] if self.is_named else []
        return first[i] if first and len(set(first)) == len(first) else self.name(i)

    def describe(self, i: int) -> str:
        """Return the name of an entry for use in a sentence: `input 3 ("the")`, `forget gate`."""
        if self.is_named:
            return self.labels[i]
        return f"{self.noun} {i}" + (f' ("{self.labels[i]}")' if self.labels else "")


@dataclass(frozen=True, slots=True)
class AxisLabels:
    """All combinations of the entries of several parts, outermost part first. Without parts, there is one entry: the number.

    >>> gates = AxisPart("gate", 2, labels=("forget gate", "output gate"), is_named=True)
    >>> units = AxisLabels((gates, AxisPart("unit", 3)))
    >>> units.size, units.noun, units.name(4), units.describe(4)
    (6, 'gate · unit', 'output · 1', 'output gate, unit 1')
    """

    parts: tuple[AxisPart, ...]

    @property
    def size(self) -> int:
        """The number of entries."""
        return math.prod(part.size for part in self.parts)

    @property
    def noun(self) -> str:
        """The noun for one entry."""
        return " · ".join(part.noun for part in self.parts) or "number"

    @property
    def plural_noun(self) -> str:
        """The noun for all entries."""
        return " × ".join(pluralize(part.noun) for part in self.parts) or "number"

    def name(self, i: int) -> str:
        """Return the name of an entry. Entries of several parts use short names: `output · 13`, not `output gate · 13`."""
        return " · ".join(part.short_name(j) if len(self.parts) > 1 else part.name(j) for part, j in self._split(i))

    def describe(self, i: int) -> str:
        """Return the name of an entry for use in a sentence."""
        return ", ".join(part.describe(j) for part, j in self._split(i)) or "the number"

    def find(self, text: str) -> int | None:
        """Return the index of the entry with this number, name, or label; None if there is none."""
        if text.isdecimal():
            return int(text) if int(text) < self.size else None
        if len(self.parts) == 1:
            labels = self.parts[0].labels
            return labels.index(text) if text in labels else None
        return next((i for i in range(self.size) if self.name(i) == text), None) if self.size <= MAX_SEARCHED_NAMES else None

    def _split(self, i: int) -> list[tuple[AxisPart, int]]:
        places = np.unravel_index(i, [part.size for part in self.parts])
        return [(part, int(place)) for part, place in zip(self.parts, places, strict=True)]


# With more entries than this, names are not searched.
MAX_SEARCHED_NAMES = 100_000


@dataclass(frozen=True, slots=True)
class Grouping:
    """The parts that form the entries of interest (`own`), and those these consist of (`other`). All other parts are merged."""

    own: tuple[int, ...]
    other: tuple[int, ...] = ()


def axis_parts(axes: tuple[Axis, ...]) -> tuple[AxisPart, ...]:
    """Return the parts of some axes, in axis order. A split axis, such as one of gates, has two: the gates and their units."""
    return tuple(part for axis in axes for part in _parts_of_one_axis(axis))


def _parts_of_one_axis(axis: Axis) -> tuple[AxisPart, ...]:
    entry, size = axis.entry_name or axis.name or "entry", axis.block_size
    is_even = axis.is_split and all(block.stop - block.start == size for block in axis.blocks)
    if not is_even:
        return (AxisPart(entry, axis.size, axis.side, axis.labels),)
    names = tuple(block.name for block in axis.blocks)
    return (
        AxisPart(axis.block_kind or "block", len(names), axis.side, names, is_named=True),
        AxisPart(entry, size, axis.side, axis.labels[:size]),
    )


def groupings(weight: Weight) -> dict[str, Grouping]:
    """Return the ways to group a weight, by name: units with inputs, inputs with units, heads, or single numbers.

    The first grouping is the default: the units, or the tokens of an embedding. Without inputs, it is every number.
    """
    parts = axis_parts(weight.axes)
    out, window = _of_side(parts, "out"), _of_side(parts, "window")
    into = tuple(i for i in range(len(parts)) if i not in (*out, *window))
    if not out or not into or all(parts[i].side == "" for i in into):
        every = tuple(range(len(parts)))
        found = {} if len(parts) < 2 else {_grouping_name(parts, (i,)): Grouping((i,), _without(every, i)) for i in every}
        return {_grouping_name(parts, every): Grouping(every), **found}
    looks_up = any(parts[i].noun == "token" for i in into)
    sides = ((into, out), (out, into)) if looks_up else ((out, into), (into, out))
    named: dict[str, Grouping] = {}
    for own, other in sides:
        for places in (own, *((i,) for i in own if len(own) > 1)):
            name = _grouping_name(parts, places)
            named[f"incoming {name}" if name in named else name] = Grouping(places, other)
    return named


def block_axis(weight: Weight, max_blocks: float = math.inf) -> Axis | None:
    """Return the last axis that has several blocks, such as gates or heads, but no more than `max_blocks`."""
    return next((axis for axis in reversed(weight.axes) if 1 < len(axis.blocks) <= max_blocks), None)


def with_window(weight: Weight, grouping: Grouping) -> Grouping:
    """Return a grouping that treats each position of a window as a separate entry of `other`, instead of merging them."""
    return Grouping(grouping.own, (*grouping.other, *_of_side(axis_parts(weight.axes), "window")))


def labels_of_parts(weight: Weight, part_indexes: tuple[int, ...]) -> AxisLabels:
    """Return the labels of the entries of some of a weight's parts."""
    parts = axis_parts(weight.axes)
    return AxisLabels(tuple(parts[i] for i in part_indexes))


def arrange(values: np.ndarray, weight: Weight, grouping: Grouping) -> np.ndarray:
    """Reshape an array to (own entries, other entries, all remaining entries).

    >>> axes = (Axis("kernel_length", 3, side="window"), Axis("in", 2, side="in"), Axis("out", 4, side="out"))
    >>> conv = Weight("k", "kernel", "kernel", "conv", (3, 2, 4), "float32", axes)
    >>> arrange(np.zeros((3, 2, 4)), conv, groupings(conv)["outs"]).shape
    (4, 2, 3)
    """
    sizes = [part.size for part in axis_parts(weight.axes)]
    rest = tuple(i for i in range(len(sizes)) if i not in (*grouping.own, *grouping.other))
    shape = [math.prod(sizes[i] for i in places) for places in (grouping.own, grouping.other, rest)]
    return values.reshape(sizes).transpose((*grouping.own, *grouping.other, *rest)).reshape(shape)


def _of_side(parts: tuple[AxisPart, ...], side: str) -> tuple[int, ...]:
    return tuple(i for i, part in enumerate(parts) if part.side == side)


def _without(indexes: tuple[int, ...], index: int) -> tuple[int, ...]:
    return tuple(i for i in indexes if i != index)


def _grouping_name(parts: tuple[AxisPart, ...], part_indexes: tuple[int, ...]) -> str:
    return AxisLabels(tuple(parts[i] for i in part_indexes)).plural_noun
