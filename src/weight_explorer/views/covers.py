"""Which cells of a matrix are of frozen or of brushed elements: masks of the weight, laid out and reduced as its values are."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.nodes import Weight
from weight_explorer.recording.past import Past
from weight_explorer.views.brush import Brush, brushed
from weight_explorer.views.layout import Layout
from weight_explorer.views.numbers import grouped
from weight_explorer.views.pictures import Cover, Window
from weight_explorer.views.plane import Plane, reduced_by
from weight_explorer.views.proof import frozen_parts
from weight_explorer.views.remembered import Remembered

# What a cell has of such elements.
NONE, SOME, ALL = 0, 1, 2

Masks = tuple[np.ndarray, ...]

_cells: Remembered[np.ndarray] = Remembered(16)
_counts: Remembered[int] = Remembered(16)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The cells of a matrix: what of which weight they are laid out over, in which order, and how many each stands for.

    Attributes:
        weight: The weight, or a slice.
        layout: How it is laid out.
        orders: Which row and which column of the layout stands at each; None for as they are.
        names: What tells the orders from others.
        area: The rows and columns that there are cells of.
        steps: How many rows and columns one stands for.
        overview_steps: The same of a few cells of everything; None where there are none.
    """

    weight: Weight
    layout: Layout
    orders: tuple[np.ndarray | None, np.ndarray | None]
    names: tuple[int, int]
    area: Window
    steps: tuple[int, int]
    overview_steps: tuple[int, int] | None = None

    @property
    def whole(self) -> Window:
        """All rows and columns."""
        sizes = [axis.size for axis in self.weight.axes]
        height, width = (int(np.prod([sizes[i] for i in side])) for side in (self.layout.rows, self.layout.columns))
        return Window(0, height, 0, width)

    @property
    def identity(self) -> tuple[Hashable, ...]:
        """What tells it from everything else that the same masks are laid out as."""
        return (self.weight.key, self.weight.shape, self.layout, self.names)


def frozen_cover(history: Past, number: int, grid: Grid) -> Cover | None:
    """Say which cells are of elements that were frozen at a record; None where none were."""
    parts = frozen_parts(grid.weight, history, number)
    whole = next((part for part in parts if part.mask is None), None)
    if whole is not None:
        size = grid.whole.height * grid.whole.width
        return Cover(None, None, size, f"All {grouped(size)} elements are frozen: {whole.words}.")
    cover = _cover(tuple(part.mask for part in parts if part.mask is not None), grid)
    if cover is None:
        return None
    are = "is" if cover.count == 1 else "are"
    size = grouped(grid.whole.height * grid.whole.width)
    some = ", broken where only some of a cell are" if cover.cells is not None and (cover.cells == SOME).any() else ""
    words = f"{grouped(cover.count)} of {size} elements {are} frozen (hatched{some})."
    return Cover(cover.cells, cover.overview, cover.count, words)


def brushed_cover(brush: Brush | None, grid: Grid) -> Cover | None:
    """Say which cells are of elements that are brushed; None where none are."""
    chosen = brushed(grid.weight, brush)
    cover = _cover((chosen.mask,), grid) if chosen else None
    if chosen is None or brush is None:
        return None
    words = f"{chosen.words}: {grouped(brush.count)} element{'s' * (brush.count != 1)}"
    if cover is None:
        return Cover(np.zeros(_shape(grid.area, grid.steps), np.uint8), None, 0, f"{words}, none of them in this picture")
    return Cover(cover.cells, cover.overview, cover.count, words)


def _cover(masks: Masks, grid: Grid) -> Cover | None:
    masks = tuple(mask for mask in masks if mask.shape == grid.weight.whole_shape)
    count = _counts.of(masks, grid.identity, lambda: sum(map(np.count_nonzero, _flat(masks, grid)))) if masks else 0
    if not count:
        return None
    cells = _reduced(masks, grid, grid.area, grid.steps)
    overview = _reduced(masks, grid, grid.whole, grid.overview_steps) if grid.overview_steps else None
    return Cover(cells, overview, int(count), "")


def _reduced(masks: Masks, grid: Grid, area: Window, steps: tuple[int, int]) -> np.ndarray:
    return _cells.of(masks, (*grid.identity, area, steps), lambda: _reduce(masks, grid, area, steps))


def _flat(masks: Masks, grid: Grid) -> list[np.ndarray]:
    """Lay masks out; without a copy where that can be."""
    return [grid.layout.flatten(mask[grid.weight.index]).view(np.uint8) for mask in masks]


def _reduce(masks: Masks, grid: Grid, area: Window, steps: tuple[int, int]) -> np.ndarray:
    """Say of every cell whether none, some or all of its elements are under one of the masks."""
    planes = [Plane(flat, None, lambda now, _: now, *grid.orders) for flat in _flat(masks, grid)]
    cells = np.empty(_shape(area, steps), np.uint8)
    for (first, block), *others in zip(*(plane.blocks(area, steps[0]) for plane in planes), strict=True):
        united = np.maximum.reduce([block, *(other for _, other in others)]) if others else block
        low, high = (reduced_by(pick, united, *steps) for pick in (np.minimum, np.maximum))
        cells[first : first + len(low)] = low + high
    cells.flags.writeable = False
    return cells


def _shape(area: Window, steps: tuple[int, int]) -> tuple[int, int]:
    return -(-area.height // steps[0]), -(-area.width // steps[1])
