"""In which order rows and columns are drawn: by norm, change, mean, similarity or label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.nodes import Axis, Weight
from weight_explorer.recording.past import Past
from weight_explorer.views.choice import Choice, Offer
from weight_explorer.views.layout import VIEW, chosen_layout, is_sampled
from weight_explorer.views.options import Option
from weight_explorer.views.plane import Plane
from weight_explorer.views.similarity import similar_order

AS_IS, NORM, CHANGE, MEAN, SIMILARITY, LABEL = "as_is", "norm", "change", "mean", "similarity", "label"

# Clustering takes 0.2 s of 1 024 rows of 768 and four times that of twice as many; it is done where a click waits for it.
MOST_SIMILAR = 1024

WORDS = {
    NORM: "by norm, largest first",
    CHANGE: "by change since the start, largest first",
    MEAN: "by mean, largest first",
    SIMILARITY: "by similarity",
    LABEL: "by label",
}


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a plane: its axes, the outer ones first, and whether they run down (0) or across (1)."""

    axes: tuple[Axis, ...]
    direction: int

    @property
    def outer(self) -> Axis:
        """The axis whose entries are sorted; all that lies within an entry moves with it."""
        return self.axes[0]

    @property
    def inner(self) -> int:
        """Number of rows or columns of one entry."""
        return int(np.prod([axis.size for axis in self.axes[1:]], dtype=np.int64))

    @property
    def is_gated(self) -> bool:
        """Whether blocks hold the same entries again and again, so that all are sorted alike."""
        blocks = self.outer.blocks
        return self.outer.is_split and len({block.stop - block.start for block in blocks}) == 1

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """What is sorted within itself: everything, or each block where blocks differ in size."""
        if self.outer.is_split and not self.is_gated:
            return [(block.start, block.stop) for block in self.outer.blocks]
        return [(0, self.outer.size)]


def _offers(direction: int) -> Callable[[Weight, Past, Choice], tuple[Offer, ...]]:
    def offers(weight: Weight, history: Past, choice: Choice) -> tuple[Offer, ...]:
        side = Side(chosen_layout(weight, history, choice).sides(weight.axes)[direction], direction)
        if side.outer.size < 2 or is_sampled(weight, history):
            return ()
        names = [(AS_IS, "index"), (NORM, "norm"), (CHANGE, "change"), (MEAN, "mean")]
        names += [(SIMILARITY, "similarity")] if _similar_size(side) <= MOST_SIMILAR else []
        names += [(LABEL, "label")] if side.outer.labels else []
        return tuple(Offer(*name) for name in names)

    return offers


def _similar_size(side: Side) -> int:
    return side.outer.block_size if side.is_gated else side.outer.size


ROWS = Option(VIEW, "rows", "rows by", _offers(0))
COLUMNS = Option(VIEW, "columns", "columns by", _offers(1))
OPTIONS = (ROWS, COLUMNS)


def order_of(kind: str, side: Side, plane: Plane) -> np.ndarray:
    """Return the entries of a side's outermost axis in the order they are to be drawn in.

    Gates stay gates: the units are sorted over all of them and stand in the same order in each.
    """
    if kind == SIMILARITY:
        return _tiled(similar_order(_vectors(side, plane)), side) if side.is_gated else _by_similarity(side, plane)
    if kind == LABEL:
        return _sorted(side, _ranks(side))
    return _sorted(side, -_first_if_unknown(_SCORES[kind](side, plane)))


def along(order: np.ndarray, inner: int) -> np.ndarray:
    """Return an order of entries as one of rows, of which each entry has `inner`.

    >>> along(np.array([1, 0]), 3).tolist()
    [3, 4, 5, 0, 1, 2]
    """
    return (order[:, None] * inner + np.arange(inner)).reshape(-1)


def order_words(kind: str, side: Side, record: str = "") -> str:
    """Say in words what the order is."""
    within = f", in the same order in every {side.outer.group}" if side.is_gated else ""
    within = within or (f" within each {side.outer.group}" if len(side.ranges) > 1 else "")
    return f"{WORDS[kind]}{within}{f', as at {record}' if record else ''}"


def _by_similarity(side: Side, plane: Plane) -> np.ndarray:
    vectors = _vectors(side, plane)
    return np.concatenate([start + similar_order(vectors[start:stop]) for start, stop in side.ranges])


def _vectors(side: Side, plane: Plane) -> np.ndarray:
    """Return all numbers of each entry as a row; of gates, those of a unit in all gates."""
    values = plane.part(plane.whole)
    values = values if side.direction == 0 else values.T
    rows = values.reshape(side.outer.size, -1)
    if not side.is_gated:
        return rows
    gates = rows.reshape(len(side.outer.blocks), side.outer.block_size, -1)
    return gates.transpose(1, 0, 2).reshape(side.outer.block_size, -1)


def _tiled(order: np.ndarray, side: Side) -> np.ndarray:
    return np.concatenate([block.start + order for block in side.outer.blocks])


def _sorted(side: Side, keys: np.ndarray) -> np.ndarray:
    """Sort an axis by keys, one for each entry, with equal ones as they are."""
    if side.is_gated:
        return _tiled(np.argsort(keys.reshape(len(side.outer.blocks), -1).sum(axis=0), kind="stable"), side)
    return np.concatenate([start + np.argsort(keys[start:stop], kind="stable") for start, stop in side.ranges])


def _ranks(side: Side) -> np.ndarray:
    """Return the place of each entry's label in the alphabet; the units of all gates have the names of the first."""
    labels = side.outer.labels[: side.outer.block_size] * len(side.outer.blocks) if side.is_gated else side.outer.labels
    places = {name: i for i, name in enumerate(sorted({label.casefold() for label in labels}))}
    return np.array([places[label.casefold()] for label in labels])


def _first_if_unknown(scores: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(scores), np.inf, scores)


def _sums(side: Side, plane: Plane, *, squared: bool) -> np.ndarray:
    """Return the sum of each entry's numbers, or of their squares, in one pass."""
    sums = np.zeros(plane.now.shape[side.direction])
    with np.errstate(invalid="ignore", over="ignore"):
        for first, block in plane.blocks(plane.whole):
            wide = block.astype(np.float64)
            wide = np.square(wide, out=wide) if squared else wide
            if side.direction == 0:
                sums[first : first + len(block)] = wide.sum(axis=1)
            else:
                sums += wide.sum(axis=0)
        return sums.reshape(side.outer.size, -1).sum(axis=1)


def _norms(side: Side, plane: Plane) -> np.ndarray:
    return _sums(side, plane, squared=True)


_SCORES: dict[str, Callable[[Side, Plane], np.ndarray]] = {
    NORM: _norms,
    CHANGE: _norms,
    MEAN: lambda side, plane: _sums(side, plane, squared=False),
}
