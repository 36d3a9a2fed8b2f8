"""The order of rows and columns: by norm, change, mean, similarity, or label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import Axis, Weight
from weight_explorer.recording.history import History
from weight_explorer.views.choice import Choice, MenuItem
from weight_explorer.views.layout import VIEW, chosen_layout, keeps_sample_only
from weight_explorer.views.lazy_matrix import LazyMatrix
from weight_explorer.views.options import ViewOption
from weight_explorer.views.similarity import similar_order

AS_IS, NORM, CHANGE, MEAN, SIMILARITY, LABEL = "as_is", "norm", "change", "mean", "similarity", "label"

# Clustering takes 0.2 s for 1,024 rows of 768 numbers, and four times that for twice as many. It runs while a click waits.
MAX_CLUSTERED = 1024

SORT_TEXT = {
    NORM: "by norm, largest first",
    CHANGE: "by change since the start, largest first",
    MEAN: "by mean, largest first",
    SIMILARITY: "by similarity",
    LABEL: "by label",
}


@dataclass(frozen=True, slots=True)
class MatrixSide:
    """One side of a matrix: its axes, outermost first, and whether it is the rows (0) or the columns (1)."""

    axes: tuple[Axis, ...]
    direction: int

    @property
    def outer_axis(self) -> Axis:
        """The axis whose entries are sorted. Everything within an entry moves with it."""
        return self.axes[0]

    @property
    def inner_size(self) -> int:
        """The number of rows or columns per entry."""
        return int(np.prod([axis.size for axis in self.axes[1:]], dtype=np.int64))

    @property
    def has_equal_blocks(self) -> bool:
        """Whether the blocks hold the same kinds of entries, so that all blocks are sorted alike."""
        blocks = self.outer_axis.blocks
        return self.outer_axis.is_split and len({block.stop - block.start for block in blocks}) == 1

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The ranges that are sorted separately: the whole axis, or each block if blocks differ in size."""
        if self.outer_axis.is_split and not self.has_equal_blocks:
            return [(block.start, block.stop) for block in self.outer_axis.blocks]
        return [(0, self.outer_axis.size)]


def _sort_items(direction: int) -> Callable[[Weight, History, Choice], tuple[MenuItem, ...]]:
    def offers(weight: Weight, history: History, choice: Choice) -> tuple[MenuItem, ...]:
        side = MatrixSide(chosen_layout(weight, history, choice).sides(weight.axes)[direction], direction)
        if side.outer_axis.size < 2 or keeps_sample_only(weight, history):
            return ()
        names = [(AS_IS, "index"), (NORM, "norm"), (CHANGE, "change"), (MEAN, "mean")]
        names += [(SIMILARITY, "similarity")] if _clustered_size(side) <= MAX_CLUSTERED else []
        names += [(LABEL, "label")] if side.outer_axis.labels else []
        return tuple(MenuItem(*name) for name in names)

    return offers


def _clustered_size(side: MatrixSide) -> int:
    return side.outer_axis.block_size if side.has_equal_blocks else side.outer_axis.size


ROWS = ViewOption(VIEW, "rows", "rows by", _sort_items(0))
COLUMNS = ViewOption(VIEW, "columns", "columns by", _sort_items(1))
OPTIONS = (ROWS, COLUMNS)


def sort_order(kind: str, side: MatrixSide, matrix: LazyMatrix) -> np.ndarray:
    """Return the entries of a side's outermost axis in drawing order.

    Gates stay together: units are sorted by their numbers in all gates, and have the same order in each gate.
    """
    if kind == SIMILARITY:
        return (
            _repeat_in_blocks(similar_order(_vectors(side, matrix)), side)
            if side.has_equal_blocks
            else _by_similarity(side, matrix)
        )
    if kind == LABEL:
        return _sort_entries(side, _label_ranks(side))
    return _sort_entries(side, -_nan_first(_SCORES[kind](side, matrix)))


def expand_order(order: np.ndarray, inner_size: int) -> np.ndarray:
    """Expand an order of entries to an order of rows, with `inner_size` rows per entry.

    >>> expand_order(np.array([1, 0]), 3).tolist()
    [3, 4, 5, 0, 1, 2]
    """
    return (order[:, None] * inner_size + np.arange(inner_size)).reshape(-1)


def describe_sort(kind: str, side: MatrixSide, record: str = "") -> str:
    """Describe the order."""
    within = f", in the same order in every {side.outer_axis.block_kind}" if side.has_equal_blocks else ""
    within = within or (f" within each {side.outer_axis.block_kind}" if len(side.ranges) > 1 else "")
    return f"{SORT_TEXT[kind]}{within}{f', as at {record}' if record else ''}"


def _by_similarity(side: MatrixSide, matrix: LazyMatrix) -> np.ndarray:
    vectors = _vectors(side, matrix)
    return np.concatenate([start + similar_order(vectors[start:stop]) for start, stop in side.ranges])


def _vectors(side: MatrixSide, matrix: LazyMatrix) -> np.ndarray:
    """Return all numbers of each entry as a row. For gates, a row holds the numbers of one unit in all gates."""
    values = matrix.values_in(matrix.full_region)
    values = values if side.direction == 0 else values.T
    rows = values.reshape(side.outer_axis.size, -1)
    if not side.has_equal_blocks:
        return rows
    gates = rows.reshape(len(side.outer_axis.blocks), side.outer_axis.block_size, -1)
    return gates.transpose(1, 0, 2).reshape(side.outer_axis.block_size, -1)


def _repeat_in_blocks(order: np.ndarray, side: MatrixSide) -> np.ndarray:
    return np.concatenate([block.start + order for block in side.outer_axis.blocks])


def _sort_entries(side: MatrixSide, keys: np.ndarray) -> np.ndarray:
    """Return the order of an axis by sort keys, one per entry. Ties keep their original order."""
    if side.has_equal_blocks:
        return _repeat_in_blocks(np.argsort(keys.reshape(len(side.outer_axis.blocks), -1).sum(axis=0), kind="stable"), side)
    return np.concatenate([start + np.argsort(keys[start:stop], kind="stable") for start, stop in side.ranges])


def _label_ranks(side: MatrixSide) -> np.ndarray:
    """Return the alphabetical rank of each entry's label. The units of all gates use the labels of the first gate."""
    labels = (
        side.outer_axis.labels[: side.outer_axis.block_size] * len(side.outer_axis.blocks)
        if side.has_equal_blocks
        else side.outer_axis.labels
    )
    places = {name: i for i, name in enumerate(sorted({label.casefold() for label in labels}))}
    return np.array([places[label.casefold()] for label in labels])


def _nan_first(scores: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(scores), np.inf, scores)


def _sums(side: MatrixSide, matrix: LazyMatrix, *, squared: bool) -> np.ndarray:
    """Return the sum of each entry's numbers, or of their squares, in one pass."""
    sums = np.zeros(matrix.now.shape[side.direction])
    with np.errstate(invalid="ignore", over="ignore"):
        for first, block in matrix.blocks(matrix.full_region):
            wide = block.astype(np.float64)
            wide = np.square(wide, out=wide) if squared else wide
            if side.direction == 0:
                sums[first : first + len(block)] = wide.sum(axis=1)
            else:
                sums += wide.sum(axis=0)
        return sums.reshape(side.outer_axis.size, -1).sum(axis=1)


def _norms(side: MatrixSide, matrix: LazyMatrix) -> np.ndarray:
    return _sums(side, matrix, squared=True)


_SCORES: dict[str, Callable[[MatrixSide, LazyMatrix], np.ndarray]] = {
    NORM: _norms,
    CHANGE: _norms,
    MEAN: lambda side, plane: _sums(side, plane, squared=False),
}
