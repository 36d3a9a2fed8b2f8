"""A small picture of every weight with its statistics, for a page that has to answer clicks without the kernel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import Catalog, Weight
from weight_explorer.panel.weight_details import StatisticsTable, statistics_table
from weight_explorer.pictures.data import EmptyPicture, Region
from weight_explorer.pictures.numbers import format_count
from weight_explorer.recording.descriptions import describe_event
from weight_explorer.recording.history import History
from weight_explorer.recording.records import Record
from weight_explorer.recording.statistics.summary import NON_FINITE_FIELDS
from weight_explorer.views.choice import OVERVIEW, Choice, MenuItem, resolve
from weight_explorer.views.color_range import largest_magnitude
from weight_explorer.views.layout import default_layout, keeps_sample_only
from weight_explorer.views.lazy_matrix import cell_steps
from weight_explorer.views.matrix.matrix_view import reduced_cells
from weight_explorer.views.reading import statistics_row

# Cells along a side, at most: the first that fit are taken.
SIDE_LENGTHS = (64, 48, 32, 24, 16, 12, 8)
# Bytes of all together, and of those what one weight takes beside its cells: its statistics as text, and the frame around them.
MAX_BYTES = 1_500_000
OVERHEAD_BYTES = 500
# More weights than this have no sketch: with fewer bytes for each of them there would be nothing to see.
MAX_WEIGHTS = 2000

# A cell is a byte: `ZERO` is 0, and so many beyond it on either side is the limit. What is not finite has codes of its own.
ZERO, LIMIT_CODE = 125, 125
NAN, POSITIVE_INF, NEGATIVE_INF = 251, 252, 253

_NEWEST = Choice()

# From each layer's path to its roles, and from those to the weights on offer.
WeightsByLayer = Mapping[str, Mapping[str, tuple[MenuItem, ...]]]


@dataclass(frozen=True, slots=True, eq=False)
class WeightPreview:
    """One weight, small: of what is not there, `text` say why.

    Attributes:
        weight: The weight.
        codes: Bytes of shape (rows, columns), read-only, of which `decode_cells` makes numbers.
        steps: How many rows and columns one cell stands for.
        limit: The magnitude of the codes that are farthest from `ZERO`.
        num_not_finite: How many elements are NaN, infinite, and negative infinite.
        statistics: What the table beside the matrix has.
        text: Why there are no cells, "" where there are.
        is_sample: Whether the cells are of those elements alone that are kept.
    """

    weight: Weight
    codes: np.ndarray
    steps: tuple[int, int]
    limit: float
    num_not_finite: tuple[int, int, int]
    statistics: StatisticsTable
    text: str = ""
    is_sample: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Previews:
    """Sketches of the weights at the newest record. `side` is how many cells they have along a side, at most."""

    record: Record
    side: int
    previews: tuple[WeightPreview, ...]
    num_omitted: int = 0

    @property
    def text(self) -> str:
        """Say of which moment they are, and how large."""
        left = f" {format_count(self.num_omitted)} more weights have none." if self.num_omitted else ""
        few = f" No larger, as there are {format_count(len(self.previews))} weights." if self.side < SIDE_LENGTHS[0] else ""
        moment = f"{describe_event(self.record)} (record {self.record.number})"
        return f"{moment}, {self.side} x {self.side} cells of 8 bits at most.{few}{left}"


def make_previews(catalog: Catalog, history: History) -> Previews | None:
    """Sketch every weight of which something is recorded, at the newest record; None where nothing is."""
    numbers = history.timeline.record_numbers
    step = history.get_record(int(numbers[-1])) if len(numbers) else None
    known = [weight for weight in catalog.weights.values() if len(history.record_numbers(weight.variable_key))]
    if step is None or not known:
        return None
    weights = known[:MAX_WEIGHTS]
    side = _choose_side(weights)
    return Previews(step, side, tuple(_make_preview(weight, history, side) for weight in weights), len(known) - len(weights))


def weights_by_layer(catalog: Catalog) -> WeightsByLayer:
    """Return from each layer's path to its roles, as its tabs have them, and from those to the weights on offer."""
    found = {}
    for path in catalog.nodes:
        roles = [role for role in resolve(catalog, Choice(layer=path)).roles if role != OVERVIEW]
        found[path] = {role: resolve(catalog, Choice(layer=path, role=role)).weight_items for role in roles}
    return found


def decode_cells(codes: np.ndarray, limit: float) -> np.ndarray:
    """Return the numbers that codes stand for: right to within `limit` / (2 `LIMIT_CODE`)."""
    numbers = (codes.astype(np.float64) - ZERO) * (limit / LIMIT_CODE)
    for code, number in ((NAN, np.nan), (POSITIVE_INF, np.inf), (NEGATIVE_INF, -np.inf)):
        numbers[codes == code] = number
    return numbers


def encode_cells(cells: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a byte for each cell, read-only, and the magnitude of those farthest from zero.

    >>> encode_cells(np.array([[0.5, -1.0, np.nan, 0.0]], np.float32))
    (array([[188,   0, 251, 125]], dtype=uint8), 1.0)
    """
    limit = largest_magnitude(cells)
    finite = np.where(np.isfinite(cells), cells, 0).astype(np.float64)
    codes = np.rint(finite / limit * LIMIT_CODE + ZERO) if limit else np.full(cells.shape, ZERO)
    codes = codes.astype(np.uint8)
    for code, found in ((NAN, np.isnan(cells)), (POSITIVE_INF, cells == np.inf), (NEGATIVE_INF, cells == -np.inf)):
        codes[found] = code
    codes.setflags(write=False)
    return codes, limit


def _choose_side(weights: list[Weight]) -> int:
    room = MAX_BYTES - OVERHEAD_BYTES * len(weights)
    return next(
        (side for side in SIDE_LENGTHS if sum(_num_cells(weight, side) for weight in weights) <= room), SIDE_LENGTHS[-1]
    )


def _num_cells(weight: Weight, side: int) -> int:
    rows, columns = default_layout(weight.axes)
    height, width = (math.prod(weight.axes[axis].size for axis in axes) for axes in (rows, columns))
    down, across = cell_steps(Region(0, height, 0, width), side)
    return math.ceil(height / down) * math.ceil(width / across)


def _make_preview(weight: Weight, history: History, side: int) -> WeightPreview:
    table = statistics_table(weight, history, _NEWEST)
    row = statistics_row(weight, history, _NEWEST, int(history.record_numbers(weight.variable_key)[-1]))
    nans, positive, negative = (int(count) if np.isfinite(count) else 0 for count in row[NON_FINITE_FIELDS])
    counts = (nans, positive, negative)
    made = reduced_cells(weight, history, _NEWEST, side)
    if isinstance(made, EmptyPicture):
        return WeightPreview(weight, np.zeros((0, 0), np.uint8), (1, 1), 0.0, counts, table, made.caption)
    cells, down, across = made
    codes, limit = encode_cells(cells)
    return WeightPreview(weight, codes, (down, across), limit, counts, table, is_sample=keeps_sample_only(weight, history))
