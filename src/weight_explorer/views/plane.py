"""A weight laid out flat, read and reduced block by block: nothing the size of the weight is made on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from weight_explorer.recording.statistics import BLOCK
from weight_explorer.views.choice import Choice
from weight_explorer.views.pictures import Window

MOST_CELLS = 512
# Of everything, beside a part that is looked at closely.
MOST_OVERVIEW = 128
EXTREME, MEAN = "extreme", "mean"

# Of fewer entries than this along a row, strided passes over all rows are faster than one reduction along each.
_SHORT = 16

Compute = Callable[[np.ndarray, np.ndarray | None], np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """What is drawn, as rows and columns in the order they are drawn in.

    `now` and `before` are flat, as they were recorded, and `compute` makes of parts of them what is drawn. The orders say for
    every row and column that is drawn which of the flat array it is; None stands for as they are.
    """

    now: np.ndarray
    before: np.ndarray | None
    compute: Compute
    row_order: np.ndarray | None = None
    column_order: np.ndarray | None = None

    @property
    def whole(self) -> Window:
        """All of it."""
        return Window(0, self.now.shape[0], 0, self.now.shape[1])

    def part(self, window: Window) -> np.ndarray:
        """Return the numbers of a window."""
        rows, columns = slice(window.top, window.bottom), slice(window.left, window.right)
        row_order, column_order = self.row_order, self.column_order

        def take(flat: np.ndarray) -> np.ndarray:
            taken = flat[rows] if row_order is None else flat.take(row_order[rows], axis=0)
            return taken[:, columns] if column_order is None else taken.take(column_order[columns], axis=1)

        return self.compute(take(self.now), None if self.before is None else take(self.before))

    def blocks(self, window: Window, row_step: int = 1) -> Iterator[tuple[int, np.ndarray]]:
        """Yield parts of whole cells' height that fit the processor's cache, each with its first row's cell."""
        height = row_step * max(1, BLOCK // max(1, row_step * window.width))
        for top in range(window.top, window.bottom, height):
            block = Window(top, min(top + height, window.bottom), window.left, window.right)
            yield (top - window.top) // row_step, self.part(block)

    def cells(self, window: Window, most: int = MOST_CELLS, shows: str = EXTREME) -> tuple[np.ndarray, int, int]:
        """Reduce a window to at most `most` x `most` cells; return them and how many rows and columns each stands for."""
        row_step, column_step = steps_of(window, most)
        if row_step == column_step == 1:
            return self.part(window).astype(np.float32, copy=False), 1, 1
        shape = (math.ceil(window.height / row_step), math.ceil(window.width / column_step))
        cells = np.empty(shape, np.float32)
        reduce = _REDUCE[shows]
        with np.errstate(invalid="ignore", over="ignore"):  # NaN and infinities are meant to come through
            for first, block in self.blocks(window, row_step):
                reduced = reduce(block, row_step, column_step)
                cells[first : first + len(reduced)] = reduced
        return cells, row_step, column_step


def window_of(choice: Choice, key: str, whole: Window) -> Window | None:
    """Return the window that was asked for of the picture of this key; None for all of it."""
    asked, bounds = choice.window
    if asked != key or len(bounds) != 4:
        return None
    top, bottom, left, right = bounds
    window = Window(max(0, top), min(bottom, whole.bottom), max(0, left), min(right, whole.right))
    return window if window.height > 0 and window.width > 0 and window != whole else None


def area_around(window: Window, whole: Window) -> Window:
    """Return what is drawn for a window: a quarter more on every side, so that moving a little shows what is there already."""
    down, across = math.ceil(window.height / 4), math.ceil(window.width / 4)
    top, bottom = max(0, window.top - down), min(whole.bottom, window.bottom + down)
    return Window(top, bottom, max(0, window.left - across), min(whole.right, window.right + across))


def few_of(whole: tuple[np.ndarray, int, int], shows: str = EXTREME) -> tuple[np.ndarray, tuple[int, int]]:
    """Return fewer cells of everything, and how many rows and columns each stands for."""
    plane = Plane(whole[0], None, lambda now, _: now)
    cells, down, across = plane.cells(plane.whole, MOST_OVERVIEW, shows)
    return cells, (down * whole[1], across * whole[2])


def steps_of(window: Window, most: int = MOST_CELLS) -> tuple[int, int]:
    """Return how many rows and columns one of at most `most` x `most` cells stands for."""
    return max(1, math.ceil(window.height / most)), max(1, math.ceil(window.width / most))


def reduce_to_cells(flat: np.ndarray, most: int = MOST_CELLS) -> tuple[np.ndarray, int, int]:
    """Reduce to at most `most` x `most` cells, of each keeping the entry farthest from zero; NaN wins over all.

    Returns the cells and how many rows and columns one cell stands for.
    """
    plane = Plane(flat, None, lambda now, _: now)
    return plane.cells(plane.whole, most)


def extreme_of(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return of minimum and maximum the one that is farther from zero; NaN where one is."""
    return np.where(high >= -low, high, low)


def _extremes(block: np.ndarray, row_step: int, column_step: int) -> np.ndarray:
    return extreme_of(*(reduced_by(pick, block, row_step, column_step) for pick in (np.minimum, np.maximum)))


def reduced_by(pick: np.ufunc, block: np.ndarray, row_step: int, column_step: int) -> np.ndarray:
    """Reduce a block to cells, of which each is what `pick` makes of its entries."""
    return _along_columns(pick, _along_rows(pick, block, row_step), column_step)


def _means(block: np.ndarray, row_step: int, column_step: int) -> np.ndarray:
    wide = block.astype(np.float64)
    sums = reduced_by(np.add, wide, row_step, column_step)
    heights, widths = (
        np.minimum(np.arange(0, size, step) + step, size) - np.arange(0, size, step)
        for size, step in zip(block.shape, (row_step, column_step), strict=True)
    )
    return sums / (heights[:, None] * widths)


_REDUCE = {EXTREME: _extremes, MEAN: _means}


def _along_rows(pick: np.ufunc, values: np.ndarray, step: int) -> np.ndarray:
    if step == 1:
        return values
    whole = len(values) // step * step
    parts = [pick.reduce(values[:whole].reshape(-1, step, values.shape[1]), axis=1)]
    if whole < len(values):
        parts.append(pick.reduce(values[whole:], axis=0, keepdims=True))
    return np.concatenate(parts)


def _along_columns(pick: np.ufunc, values: np.ndarray, step: int) -> np.ndarray:
    if step == 1:
        return values
    if step < _SHORT:
        return _strided(pick, values, step)
    whole = values.shape[1] // step * step
    parts = [pick.reduce(values[:, :whole].reshape(len(values), -1, step), axis=2)]
    if whole < values.shape[1]:
        parts.append(pick.reduce(values[:, whole:], axis=1, keepdims=True))
    return np.concatenate(parts, axis=1)


def _strided(pick: np.ufunc, values: np.ndarray, step: int) -> np.ndarray:
    out = values[:, ::step].copy()
    for offset in range(1, step):
        part = values[:, offset::step]
        pick(out[:, : part.shape[1]], part, out=out[:, : part.shape[1]])
    return out
