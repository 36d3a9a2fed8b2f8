"""A flattened weight that is read and reduced block by block, without intermediate arrays of the size of the weight."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from weight_explorer.pictures.data import Region
from weight_explorer.recording.statistics.summary import BLOCK_SIZE
from weight_explorer.views.choice import Choice

MAX_CELLS = 512
# For the overview of the whole matrix beside a zoomed-in part.
MAX_OVERVIEW_CELLS = 128
EXTREME, MEAN = "extreme", "mean"

# With fewer entries per cell along a row than this, strided passes over all rows are faster than one reduction per row.
_MIN_CONTIGUOUS = 16

Compute = Callable[[np.ndarray, np.ndarray | None], np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class LazyMatrix:
    """The matrix to draw, with rows and columns in drawing order.

    `now` and `before` are flattened recorded arrays. `compute` turns parts of them into the numbers to draw. `row_order` and
    `column_order` map each drawn row or column to its index in the flattened array; None keeps the original order.
    """

    now: np.ndarray
    before: np.ndarray | None
    compute: Compute
    row_order: np.ndarray | None = None
    column_order: np.ndarray | None = None

    @property
    def full_region(self) -> Region:
        """The region that covers the whole matrix."""
        return Region(0, self.now.shape[0], 0, self.now.shape[1])

    def values_in(self, region: Region) -> np.ndarray:
        """Return the numbers in a region."""
        rows, columns = slice(region.top, region.bottom), slice(region.left, region.right)
        row_order, column_order = self.row_order, self.column_order

        def take(flat: np.ndarray) -> np.ndarray:
            taken = flat[rows] if row_order is None else flat.take(row_order[rows], axis=0)
            return taken[:, columns] if column_order is None else taken.take(column_order[columns], axis=1)

        return self.compute(take(self.now), None if self.before is None else take(self.before))

    def blocks(self, region: Region, row_step: int = 1) -> Iterator[tuple[int, np.ndarray]]:
        """Yield blocks that fit the processor's cache and span whole cells, each with the index of its first row of cells."""
        height = row_step * max(1, BLOCK_SIZE // max(1, row_step * region.width))
        for top in range(region.top, region.bottom, height):
            block = Region(top, min(top + height, region.bottom), region.left, region.right)
            yield (top - region.top) // row_step, self.values_in(block)

    def cells(self, region: Region, max_cells: int = MAX_CELLS, cell_value: str = EXTREME) -> tuple[np.ndarray, int, int]:
        """Reduce a region to at most `max_cells` × `max_cells` cells; return them and the rows and columns per cell."""
        row_step, column_step = cell_steps(region, max_cells)
        if row_step == column_step == 1:
            return self.values_in(region).astype(np.float32, copy=False), 1, 1
        shape = (math.ceil(region.height / row_step), math.ceil(region.width / column_step))
        cells = np.empty(shape, np.float32)
        reduce = _REDUCERS[cell_value]
        with np.errstate(invalid="ignore", over="ignore"):  # NaN and infinities should pass through
            for first, block in self.blocks(region, row_step):
                reduced = reduce(block, row_step, column_step)
                cells[first : first + len(reduced)] = reduced
        return cells, row_step, column_step


def viewport_for(choice: Choice, key: str, full_region: Region) -> Region | None:
    """Return the region chosen for the picture with this key; None if all of it is shown."""
    asked, bounds = choice.viewport
    if asked != key or len(bounds) != 4:
        return None
    top, bottom, left, right = bounds
    window = Region(max(0, top), min(bottom, full_region.bottom), max(0, left), min(right, full_region.right))
    return window if window.height > 0 and window.width > 0 and window != full_region else None


def padded_region(region: Region, full_region: Region) -> Region:
    """Return the region to draw for a viewport: a quarter more on every side, so that small pans need no redraw."""
    down, across = math.ceil(region.height / 4), math.ceil(region.width / 4)
    top, bottom = max(0, region.top - down), min(full_region.bottom, region.bottom + down)
    return Region(top, bottom, max(0, region.left - across), min(full_region.right, region.right + across))


def overview_cells(whole: tuple[np.ndarray, int, int], cell_value: str = EXTREME) -> tuple[np.ndarray, tuple[int, int]]:
    """Return a coarser overview of all cells, and the rows and columns per overview cell."""
    plane = LazyMatrix(whole[0], None, lambda now, _: now)
    cells, down, across = plane.cells(plane.full_region, MAX_OVERVIEW_CELLS, cell_value)
    return cells, (down * whole[1], across * whole[2])


def cell_steps(region: Region, max_cells: int = MAX_CELLS) -> tuple[int, int]:
    """Return the rows and columns per cell that give at most `max_cells` × `max_cells` cells."""
    return max(1, math.ceil(region.height / max_cells)), max(1, math.ceil(region.width / max_cells))


def reduce_to_cells(flat: np.ndarray, max_cells: int = MAX_CELLS) -> tuple[np.ndarray, int, int]:
    """Reduce to at most `max_cells` × `max_cells` cells. Each keeps the entry farthest from zero; NaN takes precedence.

    Returns the cells and the numbers of rows and columns per cell.
    """
    plane = LazyMatrix(flat, None, lambda now, _: now)
    return plane.cells(plane.full_region, max_cells)


def farthest_from_zero(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the minimum or the maximum, whichever is farther from zero; NaN if either is NaN."""
    return np.where(high >= -low, high, low)


def _farthest_from_zero(block: np.ndarray, row_step: int, column_step: int) -> np.ndarray:
    return farthest_from_zero(*(reduce_block(pick, block, row_step, column_step) for pick in (np.minimum, np.maximum)))


def reduce_block(ufunc: np.ufunc, block: np.ndarray, row_step: int, column_step: int) -> np.ndarray:
    """Reduce a block to cells, each of which is the result of `ufunc` over its entries."""
    return _reduce_columns(ufunc, _reduce_rows(ufunc, block, row_step), column_step)


def _means(block: np.ndarray, row_step: int, column_step: int) -> np.ndarray:
    wide = block.astype(np.float64)
    sums = reduce_block(np.add, wide, row_step, column_step)
    heights, widths = (
        np.minimum(np.arange(0, size, step) + step, size) - np.arange(0, size, step)
        for size, step in zip(block.shape, (row_step, column_step), strict=True)
    )
    return sums / (heights[:, None] * widths)


_REDUCERS = {EXTREME: _farthest_from_zero, MEAN: _means}


def _reduce_rows(ufunc: np.ufunc, values: np.ndarray, step: int) -> np.ndarray:
    if step == 1:
        return values
    whole = len(values) // step * step
    parts = [ufunc.reduce(values[:whole].reshape(-1, step, values.shape[1]), axis=1)]
    if whole < len(values):
        parts.append(ufunc.reduce(values[whole:], axis=0, keepdims=True))
    return np.concatenate(parts)


def _reduce_columns(ufunc: np.ufunc, values: np.ndarray, step: int) -> np.ndarray:
    if step == 1:
        return values
    if step < _MIN_CONTIGUOUS:
        return _reduce_strided(ufunc, values, step)
    whole = values.shape[1] // step * step
    parts = [ufunc.reduce(values[:, :whole].reshape(len(values), -1, step), axis=2)]
    if whole < values.shape[1]:
        parts.append(ufunc.reduce(values[:, whole:], axis=1, keepdims=True))
    return np.concatenate(parts, axis=1)


def _reduce_strided(ufunc: np.ufunc, values: np.ndarray, step: int) -> np.ndarray:
    out = values[:, ::step].copy()
    for offset in range(1, step):
        part = values[:, offset::step]
        ufunc(out[:, : part.shape[1]], part, out=out[:, : part.shape[1]])
    return out
