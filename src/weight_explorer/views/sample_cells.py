"""Cells for a weight of which only a sample is kept."""

from __future__ import annotations

import math

import numpy as np

from weight_explorer.recording.sampling import Sample
from weight_explorer.views.lazy_matrix import MAX_CELLS, farthest_from_zero


def sample_cells(
    values: np.ndarray, sample: Sample, rows: tuple[int, ...], columns: tuple[int, ...], max_cells: int = MAX_CELLS
) -> tuple[np.ndarray, int, int]:
    """Reduce sampled elements to cells, like `reduce_to_cells`. Cells are as small as possible, but none is empty."""
    places = np.unravel_index(sample.indexes, sample.shape)
    shape = [math.prod(sample.shape[i] for i in side) for side in (rows, columns)]
    flat = [_flat_indexes([places[i] for i in side], [sample.shape[i] for i in side]) for side in (rows, columns)]
    steps = [max(1, math.ceil(size / max_cells)) for size in shape]
    while True:
        grid = [math.ceil(size / step) for size, step in zip(shape, steps, strict=True)]
        cell = (flat[0] // steps[0]) * grid[1] + flat[1] // steps[1]
        filled = np.bincount(cell, minlength=grid[0] * grid[1])
        if filled.all():
            break
        # Enlarge along the longer side first, so that the cells stay nearly square.
        longer = int(grid[1] > grid[0])
        steps[longer] = math.ceil(steps[longer] * 1.25)
    order = np.argsort(cell, kind="stable")
    starts = np.searchsorted(cell[order], np.arange(grid[0] * grid[1]))
    low, high = (pick.reduceat(values[order], starts) for pick in (np.minimum, np.maximum))
    return farthest_from_zero(low, high).reshape(grid), steps[0], steps[1]


def _flat_indexes(indexes: list[np.ndarray], sizes: list[int]) -> np.ndarray:
    """Combine indexes along several axes, outermost first, to flat indexes."""
    result = np.zeros(1, np.int64)
    for place, size in zip(indexes, sizes, strict=True):
        result = result * size + place
    return result
