"""The pictures: frozen descriptions of what to draw, in data coordinates. Panels draw them in the browser and in matplotlib."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from weight_explorer.catalog.schema import Axis


@dataclass(frozen=True, slots=True)
class IndexMapping:
    """Where a picture's elements stand in the whole weight: how a click on one becomes its index.

    `offset` is the index of the first element, and `axes` says for each axis that is laid out which of the whole weight it is;
    the first `num_row_axes` of them run down.
    """

    weight: str = ""
    offset: tuple[int, ...] = ()
    axes: tuple[int, ...] = ()
    num_row_axes: int = 0


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of entries: rows from `top` to before `bottom`, columns from `left` to before `right`, as they are drawn."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.right - self.left


@dataclass(frozen=True, slots=True)
class SpecialCounts:
    """How many numbers no color of the scale stands for, and what its limit is, in few words for beside the scale."""

    color_limit_text: str = ""
    above: int = 0
    below: int = 0
    nans: int = 0
    positive_infs: int = 0
    negative_infs: int = 0

    @classmethod
    def count_in(cls, values: np.ndarray, color_limit_text: str = "") -> SpecialCounts:
        """Count the numbers that are not finite, for a scale that reaches all others.

        >>> SpecialCounts.count_in(np.array([1.0, np.nan, -np.inf]))
        SpecialCounts(limit='', above=0, below=0, nans=1, positive_infs=0, negative_infs=1)
        """
        found = (np.isnan(values), values == np.inf, values == -np.inf)
        return cls(color_limit_text, 0, 0, *(int(np.count_nonzero(each)) for each in found))


@dataclass(frozen=True, slots=True)
class Pin:
    """A pinned element in a picture: its number among all pins, and its row and column, as they are drawn."""

    number: int
    row: int
    column: int


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """Which cells of a matrix are of a certain kind of elements.

    Attributes:
        cells: For each cell 0 where none of its elements are, 1 for some, 2 for all; None where all of the weight are.
        overview: The same of the cells of `MatrixPicture.overview`.
        count: How many such elements there are among all that are laid out.
        text: What is said of them.
    """

    cells: np.ndarray | None
    overview: np.ndarray | None
    count: int
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class MatrixPicture:
    """A weight as a rectangle of cells. Row 0 is the top one and column 0 the left one, as NumPy prints it.

    Attributes:
        cells: The numbers that are drawn, of all entries or, of more than fit the screen, of those around `viewport`.
        rows: The weight's axes laid down, the outer ones first: a (3, 3, 8, 16) kernel laid out as (in_channels, height) by
            (filters, width) is a grid of 8 by 16 windows.
        columns: Those laid across.
        axis_order: Which axis of the array each of `rows` and `columns` is.
        row_step: How many entries one cell stands for, where there are more entries than cells.
        column_step: The same along the columns.
        color_limit: Colors run from minus this to this.
        caption: What is to be said of it.
        cell_value: Which of its entries a cell shows: the "extreme", the one farthest from zero, or their "mean".
        key: What is drawn and how it is laid out; a window or pin that is asked for belongs to one key.
        index_mapping: Where the elements stand in the whole weight.
        fixed_text: Words for the axes that are not laid out, such as `kernel_height = 1`.
        fixed_indexes: Those axes of the array, each with the index that it stands at.
        row_order: The outermost row axis' entries in the order they are drawn in; None for as they are.
        column_order: The same of the columns.
        viewport: What is looked at; None for everything.
        top_left: The first row and column of `cells`.
        overview: Of everything a few cells, where `cells` are not of everything.
        overview_steps: How many rows and columns one cell of it stands for.
        special_counts: What no color stands for.
        pins: The pinned elements among the entries.
        frozen: Which cells are of frozen elements; None where none are.
        selected: Which cells are of elements that the user selected; None where nothing is selected.
    """

    cells: np.ndarray
    rows: tuple[Axis, ...]
    columns: tuple[Axis, ...]
    axis_order: tuple[int, ...]
    row_step: int
    column_step: int
    color_limit: float
    caption: str
    cell_value: str = "extreme"
    key: str = ""
    index_mapping: IndexMapping = field(default_factory=IndexMapping)
    fixed_text: str = ""
    fixed_indexes: tuple[tuple[int, int], ...] = ()
    row_order: np.ndarray | None = None
    column_order: np.ndarray | None = None
    viewport: Region | None = None
    top_left: tuple[int, int] = (0, 0)
    overview: np.ndarray | None = None
    overview_steps: tuple[int, int] = (1, 1)
    special_counts: SpecialCounts = field(default_factory=SpecialCounts)
    pins: tuple[Pin, ...] = ()
    frozen: Overlay | None = None
    selected: Overlay | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Number of entries down and across."""
        return math.prod(axis.size for axis in self.rows), math.prod(axis.size for axis in self.columns)

    @property
    def visible(self) -> Region:
        """What is looked at."""
        return self.viewport or Region(0, self.size[0], 0, self.size[1])

    @property
    def visible_cells(self) -> Region:
        """Those rows and columns of `cells` in which there is anything of what is looked at."""
        (top, left), seen, (rows, columns) = self.top_left, self.visible, self.cells.shape
        return Region(
            max(0, (seen.top - top) // self.row_step),
            min(rows, -((top - seen.bottom) // self.row_step)),
            max(0, (seen.left - left) // self.column_step),
            min(columns, -((left - seen.right) // self.column_step)),
        )


@dataclass(frozen=True, slots=True)
class HeatmapScale:
    """How the cells of a heat table are colored, and which numbers they stand for.

    A cell holds `value` or, where `is_log`, `log10(value) - offset`. It is NaN or inf where the weight holds such an element,
    -inf where the value is exactly 0, and 0 where there is no value: so of several cells the one farthest from 0 is the one
    that must not be missed.

    Attributes:
        label: What is shown, in few words.
        low: The cell that has the first color; smaller ones have it too.
        high: The cell that has the last color; larger ones have it too.
        is_log: See above.
        offset: See above.
        is_diverging: Whether colors go out from the middle, which is the cell 0.
        unit: What is written behind a value.
        zero_text: What it means that a value is exactly 0.
        aggregate_text: Which cell is shown of several.
        ticks: Cells at which the scale is labeled, each with its words.
    """

    label: str
    low: float
    high: float
    is_log: bool = False
    offset: float = 0.0
    is_diverging: bool = False
    unit: str = ""
    zero_text: str = ""
    aggregate_text: str = "the largest"
    ticks: tuple[tuple[float, str], ...] = ()

    def values(self, cells: np.ndarray) -> np.ndarray:
        """Return the values that cells stand for, NaN where there is none.

        >>> cells = np.array([0.5, -3.0, -np.inf, 0.0])
        >>> HeatmapScale("ratio", -3, 3, is_log=True, offset=-3.0).values(cells).round(9).tolist()
        [0.003162278, 1e-06, 0.0, nan]
        """
        wide = cells.astype(np.float64)
        with np.errstate(over="ignore"):
            known = 10.0 ** (wide + self.offset) if self.is_log else wide
        return np.where(cells == -np.inf, 0.0, np.where(cells == 0, np.nan, known))


@dataclass(frozen=True, slots=True)
class FindingMarker:
    """A finding in a heat table: its row and column, how grave it is, and what was found."""

    row: int
    column: int
    severity: str
    sentence: str


@dataclass(frozen=True, slots=True, eq=False)
class HeatmapPicture(MatrixPicture):
    """One number of many weights, a row for each, at many records, a column for each.

    Attributes:
        weight_keys: What a click on each row goes to.
        scale: What the cells mean.
        row_maxima: Of each row the value that its cells are shares of, where each has a scale of its own.
        ticks: Columns that are labeled, and with what; the columns' axis says what that counts.
        fit_boundaries: Columns at which another fit begins.
        edits: Columns of records at which somebody set weights, with what was done.
        finding_markers: Where something was found.
        findings: Severity and sentence of each finding, however many weights it is about.
        chosen_column: The column of the record that was chosen; None where the newest is followed.
    """

    weight_keys: tuple[str, ...] = ()
    scale: HeatmapScale = field(default_factory=lambda: HeatmapScale("", 0.0, 1.0))
    row_maxima: np.ndarray | None = None
    ticks: tuple[tuple[int, str], ...] = ()
    fit_boundaries: tuple[int, ...] = ()
    edits: tuple[tuple[int, str], ...] = ()
    finding_markers: tuple[FindingMarker, ...] = ()
    findings: tuple[tuple[str, str], ...] = ()
    chosen_column: int | None = None

    def values(self) -> np.ndarray:
        """Return the values that `cells` stand for, NaN where there is none."""
        values = self.scale.values(self.cells)
        if self.row_maxima is None:
            return values
        rows = np.arange(len(values)) * self.row_step
        return values * np.fmax.reduceat(self.row_maxima[self.top_left[0] :], rows)[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """One thing in a chart.

    Attributes:
        kind: A "line"; a histogram's "steps", of which `x` are the edges; a "band" between `y` and `upper`; "rules", vertical
            lines at every `x`, for which `y` is empty; "dots" at every (`x`, `y`); or "ridges", of which every row of `y` is
            one, oldest first, filled down to where it begins and in front of those before it.
        name: What the legend says; without one it is not in the legend.
        color: What it is drawn in: a name that the panels know, such as "now" or "series 3".
    """

    kind: str
    name: str
    color: str
    x: np.ndarray
    y: np.ndarray
    upper: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """Marks over two axes. `is_log` is about the y axis; values that it cannot show are NaN, which is a gap.

    `y_ticks` are (place, words), for a y axis that no numbers stand at. Marks of a kind and color at the same place among
    the others keep their widgets in the browser, so charts that follow each other have them in the same order.
    """

    title: str
    x_label: str
    y_label: str
    marks: tuple[Mark, ...]
    is_log: bool = False
    y_ticks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ChartPicture:
    """One chart or several, row by row in so many columns.

    `shared_axes` names the axes they have in common: "", "x" or "xy".
    """

    charts: tuple[Chart, ...]
    caption: str
    columns: int = 1
    shared_axes: str = "x"


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The first few of many things in order, each with a bar from zero to its value.

    Attributes:
        title: What is ranked, and by what.
        headers: What a thing is, what its number is, and what `rank_changes` tell; "" where they tell nothing.
        ranks: Counted from 1.
        names: Of the things.
        values: Of the things; not finite where there is no bar.
        numbers: The same as text.
        rank_changes: At what place it stood before, with an arrow in the direction that it went.
        pick_values: What is asked for when a thing is picked; empty where nothing can be.
        picked_row: Which row is picked, -1 for none.
        num_more: How many more things there are.
    """

    title: str
    headers: tuple[str, str, str]
    ranks: tuple[int, ...]
    names: tuple[str, ...]
    values: np.ndarray
    numbers: tuple[str, ...]
    rank_changes: tuple[str, ...]
    pick_values: tuple[str, ...] = ()
    picked_row: int = -1
    num_more: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class RankingPicture:
    """One ranking, or one and beside it what the picked thing is made of. `pick_option` is the option that picking sets."""

    rankings: tuple[Ranking, ...]
    pick_option: str
    caption: str


@dataclass(frozen=True, slots=True, eq=False)
class GridPicture:
    """Several pictures, each with a title, row by row in so many columns."""

    pictures: tuple[tuple[str, MatrixPicture | ChartPicture], ...]
    columns: int
    caption: str


@dataclass(frozen=True, slots=True)
class Tile:
    """One of many small pictures: its number, the user's label or "", a number to rank it by, and what stands still in it.

    `fixed` has for each axis of the array the name and index that is the same in all of the tile, "" where the axis runs
    within it, and `indexes` has that index, or None.
    """

    number: int
    label: str
    note: str
    fixed: tuple[str, ...]
    indexes: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TilesPicture:
    """Many small pictures in a grid, such as the filters of a convolution. In each row 0 is the top one, column 0 the left one.

    `cells` has the shape (tiles, rows, columns, parts): one part is a number to color, three are red, green and blue, with
    zero mid-gray. `axes` are those of the array, `rows` and `columns` say which of them run along each side of a tile, the
    outer ones first. `color_limits` has for each tile the number at the ends of its color scale; `has_common_scale` says that
    it is one for all. `combined_text` says what a number is where it is no element of the array. `heading` says what is what,
    in short
    pieces.
    """

    cells: np.ndarray
    tiles: tuple[Tile, ...]
    axes: tuple[Axis, ...]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    color_limits: np.ndarray
    has_common_scale: bool
    combined_text: str
    measure: str
    heading: tuple[str, ...]
    caption: str


@dataclass(frozen=True, slots=True)
class EmptyPicture:
    """Nothing to draw yet, and what to do about it."""

    caption: str


Picture = MatrixPicture | HeatmapPicture | ChartPicture | TilesPicture | EmptyPicture | RankingPicture | GridPicture
