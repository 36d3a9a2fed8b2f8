"""Overlays that mark the matrix cells of frozen or selected elements: masks laid out and reduced like the values."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import Weight
from weight_explorer.pictures.data import Overlay, Region
from weight_explorer.pictures.numbers import format_count
from weight_explorer.recording.history import History
from weight_explorer.views.array_cache import ArrayCache
from weight_explorer.views.frozen_check import frozen_parts
from weight_explorer.views.layout import Layout
from weight_explorer.views.lazy_matrix import LazyMatrix, reduce_block
from weight_explorer.views.selection import CellSelection, selected_elements

# Whether none, some, or all elements of a cell are masked.
NONE, SOME, ALL = 0, 1, 2

Masks = tuple[np.ndarray, ...]

_cells_cache: ArrayCache[np.ndarray] = ArrayCache(16)
_counts_cache: ArrayCache[int] = ArrayCache(16)


@dataclass(frozen=True, slots=True, eq=False)
class CellGrid:
    """The cells of a matrix: the weight, its layout and order, and the rows and columns per cell.

    Attributes:
        weight: The weight, or a slice of it.
        layout: How it is laid out.
        orders: For rows and for columns, the layout index at each drawn position; None for the original order.
        order_keys: Keys that distinguish these orders from others.
        region: The rows and columns covered by the cells.
        steps: The numbers of rows and columns per cell.
        overview_steps: The same for the overview of the whole matrix; None without an overview.
    """

    weight: Weight
    layout: Layout
    orders: tuple[np.ndarray | None, np.ndarray | None]
    order_keys: tuple[int, int]
    region: Region
    steps: tuple[int, int]
    overview_steps: tuple[int, int] | None = None

    @property
    def full_region(self) -> Region:
        """The region of all rows and columns."""
        sizes = [axis.size for axis in self.weight.axes]
        height, width = (int(np.prod([sizes[i] for i in side])) for side in (self.layout.rows, self.layout.columns))
        return Region(0, height, 0, width)

    @property
    def cache_key(self) -> tuple[Hashable, ...]:
        """A key that distinguishes this grid from others that the same masks are reduced to."""
        return (self.weight.key, self.weight.shape, self.layout, self.order_keys)


def frozen_overlay(history: History, number: int, grid: CellGrid) -> Overlay | None:
    """Return an overlay of the elements that are frozen at a record; None if none are."""
    parts = frozen_parts(grid.weight, history, number)
    whole = next((part for part in parts if part.mask is None), None)
    if whole is not None:
        size = grid.full_region.height * grid.full_region.width
        return Overlay(None, None, size, f"All {format_count(size)} elements are frozen: {whole.description}.")
    cover = _overlay(tuple(part.mask for part in parts if part.mask is not None), grid)
    if cover is None:
        return None
    are = "is" if cover.count == 1 else "are"
    size = format_count(grid.full_region.height * grid.full_region.width)
    some = ", broken where only some of a cell are" if cover.cells is not None and (cover.cells == SOME).any() else ""
    words = f"{format_count(cover.count)} of {size} elements {are} frozen (hatched{some})."
    return Overlay(cover.cells, cover.overview, cover.count, words)


def selection_overlay(selection: CellSelection | None, grid: CellGrid) -> Overlay | None:
    """Return an overlay of the selected elements; None if none are selected."""
    chosen = selected_elements(grid.weight, selection)
    cover = _overlay((chosen.mask,), grid) if chosen else None
    if chosen is None or selection is None:
        return None
    words = f"{chosen.description}: {format_count(selection.count)} element{'s' * (selection.count != 1)}"
    if cover is None:
        return Overlay(
            np.zeros(_cells_shape(grid.region, grid.steps), np.uint8), None, 0, f"{words}, none of them in this picture"
        )
    return Overlay(cover.cells, cover.overview, cover.count, words)


def _overlay(masks: Masks, grid: CellGrid) -> Overlay | None:
    masks = tuple(mask for mask in masks if mask.shape == grid.weight.variable_shape)
    count = (
        _counts_cache.get_or_compute(masks, grid.cache_key, lambda: sum(map(np.count_nonzero, _flat_masks(masks, grid))))
        if masks
        else 0
    )
    if not count:
        return None
    cells = _reduced_masks(masks, grid, grid.region, grid.steps)
    overview = _reduced_masks(masks, grid, grid.full_region, grid.overview_steps) if grid.overview_steps else None
    return Overlay(cells, overview, int(count), "")


def _reduced_masks(masks: Masks, grid: CellGrid, region: Region, steps: tuple[int, int]) -> np.ndarray:
    return _cells_cache.get_or_compute(
        masks, (*grid.cache_key, region, steps), lambda: _reduce_masks(masks, grid, region, steps)
    )


def _flat_masks(masks: Masks, grid: CellGrid) -> list[np.ndarray]:
    """Lay masks out as matrices, without a copy where possible."""
    return [grid.layout.flatten(mask[grid.weight.index]).view(np.uint8) for mask in masks]


def _reduce_masks(masks: Masks, grid: CellGrid, region: Region, steps: tuple[int, int]) -> np.ndarray:
    """Return for each cell whether none, some, or all of its elements are in one of the masks."""
    planes = [LazyMatrix(flat, None, lambda now, _: now, *grid.orders) for flat in _flat_masks(masks, grid)]
    cells = np.empty(_cells_shape(region, steps), np.uint8)
    for (first, block), *others in zip(*(plane.blocks(region, steps[0]) for plane in planes), strict=True):
        united = np.maximum.reduce([block, *(other for _, other in others)]) if others else block
        low, high = (reduce_block(pick, united, *steps) for pick in (np.minimum, np.maximum))
        cells[first : first + len(low)] = low + high
    cells.flags.writeable = False
    return cells


def _cells_shape(region: Region, steps: tuple[int, int]) -> tuple[int, int]:
    return -(-region.height // steps[0]), -(-region.width // steps[1])
