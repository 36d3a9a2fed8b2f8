"""A small picture of every weight with its statistics, for a page that has to answer clicks without the kernel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.nodes import Catalog, Weight
from weight_explorer.recording.moments import place_words
from weight_explorer.recording.past import Past
from weight_explorer.recording.statistics import NOT_FINITE
from weight_explorer.recording.time import Step
from weight_explorer.views.choice import OVERVIEW, Choice, Offer, resolve
from weight_explorer.views.facts import StatisticsTable, statistics_table
from weight_explorer.views.layout import is_sampled, lay_out
from weight_explorer.views.limits import reach_of
from weight_explorer.views.matrix import cells_within
from weight_explorer.views.numbers import grouped
from weight_explorer.views.pictures import EmptyPicture, Window
from weight_explorer.views.plane import steps_of
from weight_explorer.views.reading import row_of

# Cells along a side, at most: the first that fit are taken.
SIDES = (64, 48, 32, 24, 16, 12, 8)
# Bytes of all together, and of those what one weight takes beside its cells: its statistics as text, and the frame around them.
MOST_BYTES = 1_500_000
BYTES_BESIDE = 500
# More weights than this have no sketch: with fewer bytes for each of them there would be nothing to see.
MOST_WEIGHTS = 2000

# A cell is a byte: `ZERO` is 0, and so many beyond it on either side is the limit. What is not finite has codes of its own.
ZERO, REACH = 125, 125
NAN, POSITIVE_INF, NEGATIVE_INF = 251, 252, 253

_NEWEST = Choice()

# From each layer's path to its roles, and from those to the weights on offer.
Places = Mapping[str, Mapping[str, tuple[Offer, ...]]]


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """One weight, small: of what is not there, `words` say why.

    Attributes:
        weight: The weight.
        codes: Bytes of shape (rows, columns), read-only, of which `decoded` makes numbers.
        steps: How many rows and columns one cell stands for.
        limit: The magnitude of the codes that are farthest from `ZERO`.
        num_not_finite: How many elements are NaN, infinite, and negative infinite.
        statistics: What the table beside the matrix has.
        words: Why there are no cells, "" where there are.
        is_sampled: Whether the cells are of those elements alone that are kept.
    """

    weight: Weight
    codes: np.ndarray
    steps: tuple[int, int]
    limit: float
    num_not_finite: tuple[int, int, int]
    statistics: StatisticsTable
    words: str = ""
    is_sampled: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Sketches:
    """Sketches of the weights at the newest record. `side` is how many cells they have along a side, at most."""

    step: Step
    side: int
    all: tuple[Sketch, ...]
    num_left: int = 0

    @property
    def words(self) -> str:
        """Say of which moment they are, and how large."""
        left = f" {grouped(self.num_left)} more weights have none." if self.num_left else ""
        few = f" No larger, as there are {grouped(len(self.all))} weights." if self.side < SIDES[0] else ""
        moment = f"{place_words(self.step)} (record {self.step.number})"
        return f"{moment}, {self.side} x {self.side} cells of 8 bits at most.{few}{left}"


def sketches_of(catalog: Catalog, history: Past) -> Sketches | None:
    """Sketch every weight of which something is recorded, at the newest record; None where nothing is."""
    numbers = history.timeline.numbers
    step = history.step(int(numbers[-1])) if len(numbers) else None
    known = [weight for weight in catalog.weights.values() if len(history.recorded(weight.whole))]
    if step is None or not known:
        return None
    weights = known[:MOST_WEIGHTS]
    side = _side_of(weights)
    return Sketches(step, side, tuple(_sketch(weight, history, side) for weight in weights), len(known) - len(weights))


def places_of(catalog: Catalog) -> Places:
    """Return from each layer's path to its roles, as its tabs have them, and from those to the weights on offer."""
    found = {}
    for path in catalog.nodes:
        roles = [role for role in resolve(catalog, Choice(layer=path)).roles if role != OVERVIEW]
        found[path] = {role: resolve(catalog, Choice(layer=path, role=role)).offers for role in roles}
    return found


def decoded(codes: np.ndarray, limit: float) -> np.ndarray:
    """Return the numbers that codes stand for: right to within `limit` / (2 `REACH`)."""
    numbers = (codes.astype(np.float64) - ZERO) * (limit / REACH)
    for code, number in ((NAN, np.nan), (POSITIVE_INF, np.inf), (NEGATIVE_INF, -np.inf)):
        numbers[codes == code] = number
    return numbers


def encoded(cells: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a byte for each cell, read-only, and the magnitude of those farthest from zero.

    >>> encoded(np.array([[0.5, -1.0, np.nan, 0.0]], np.float32))
    (array([[188,   0, 251, 125]], dtype=uint8), 1.0)
    """
    limit = reach_of(cells)
    finite = np.where(np.isfinite(cells), cells, 0).astype(np.float64)
    codes = np.rint(finite / limit * REACH + ZERO) if limit else np.full(cells.shape, ZERO)
    codes = codes.astype(np.uint8)
    for code, found in ((NAN, np.isnan(cells)), (POSITIVE_INF, cells == np.inf), (NEGATIVE_INF, cells == -np.inf)):
        codes[found] = code
    codes.setflags(write=False)
    return codes, limit


def _side_of(weights: list[Weight]) -> int:
    room = MOST_BYTES - BYTES_BESIDE * len(weights)
    return next((side for side in SIDES if sum(_num_cells(weight, side) for weight in weights) <= room), SIDES[-1])


def _num_cells(weight: Weight, side: int) -> int:
    rows, columns = lay_out(weight.axes)
    height, width = (math.prod(weight.axes[axis].size for axis in axes) for axes in (rows, columns))
    down, across = steps_of(Window(0, height, 0, width), side)
    return math.ceil(height / down) * math.ceil(width / across)


def _sketch(weight: Weight, history: Past, side: int) -> Sketch:
    table = statistics_table(weight, history, _NEWEST)
    row = row_of(weight, history, _NEWEST, int(history.recorded(weight.whole)[-1]))
    nans, positive, negative = (int(count) if np.isfinite(count) else 0 for count in row[NOT_FINITE])
    counts = (nans, positive, negative)
    made = cells_within(weight, history, _NEWEST, side)
    if isinstance(made, EmptyPicture):
        return Sketch(weight, np.zeros((0, 0), np.uint8), (1, 1), 0.0, counts, table, made.caption)
    cells, down, across = made
    codes, limit = encoded(cells)
    return Sketch(weight, codes, (down, across), limit, counts, table, is_sampled=is_sampled(weight, history))
