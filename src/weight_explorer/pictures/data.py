"""Immutable descriptions of what to draw, in data coordinates. The browser and matplotlib renderers both read them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from weight_explorer.catalog.schema import Axis


@dataclass(frozen=True, slots=True)
class IndexMapping:
    """Maps a position in a picture to an index of the full weight, for example to handle a click.

    `offset` is the index of the first element. `axes` gives, for each axis of the picture, the matching axis of the full
    weight. The first `num_row_axes` of them run along the rows.
    """

    weight: str = ""
    offset: tuple[int, ...] = ()
    axes: tuple[int, ...] = ()
    num_row_axes: int = 0


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of entries in display order: rows `top` to `bottom` and columns `left` to `right`, with exclusive ends."""

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
    """The number of values that have no color on the scale, and a short text for the limit of the scale."""

    color_limit_text: str = ""
    above: int = 0
    below: int = 0
    nans: int = 0
    positive_infs: int = 0
    negative_infs: int = 0

    @classmethod
    def count_in(cls, values: np.ndarray, color_limit_text: str = "") -> SpecialCounts:
        """Count the values that are not finite, for a scale that covers all other values.

        >>> SpecialCounts.count_in(np.array([1.0, np.nan, -np.inf]))
        SpecialCounts(color_limit_text='', above=0, below=0, nans=1, positive_infs=0, negative_infs=1)
        """
        found = (np.isnan(values), values == np.inf, values == -np.inf)
        return cls(color_limit_text, 0, 0, *(int(np.count_nonzero(each)) for each in found))


@dataclass(frozen=True, slots=True)
class Pin:
    """A pinned element in a picture: its number among all pins, and its row and column in display order."""

    number: int
    row: int
    column: int


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """Marks the cells of a matrix that contain elements of one kind, such as frozen elements.

    Attributes:
        cells: For each cell, 0 if none of its elements are marked, 1 for some, 2 for all. None if the entire weight is marked.
        overview: The same for the cells of `MatrixPicture.overview`.
        count: The number of marked elements in the picture.
        text: A description of the marked elements.
    """

    cells: np.ndarray | None
    overview: np.ndarray | None
    count: int
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class MatrixPicture:
    """A weight drawn as a matrix of cells. Row 0 is at the top and column 0 is at the left, as in NumPy output.

    Attributes:
        cells: The values to draw: all entries or, if they do not fit on the screen, the entries around `viewport`.
        rows: The axes of the weight that run along the rows, outermost first. A (3, 3, 8, 16) kernel with (in_channels,
            height) as rows and (filters, width) as columns is a grid of 8 by 16 windows.
        columns: The axes that run along the columns.
        axis_order: The array axis of each entry in `rows` and `columns`.
        row_step: The number of entries per cell along the rows, if there are more entries than cells.
        column_step: The number of entries per cell along the columns.
        color_limit: The color scale runs from `-color_limit` to `color_limit`.
        caption: The caption.
        cell_value: How a cell combines its entries: "extreme" for the entry farthest from zero, or "mean".
        key: Identifies the contents and the layout. Requests for a viewport or a pin are valid for one key only.
        index_mapping: Maps positions in the picture to indices of the full weight.
        fixed_text: Describes the axes that are not displayed, such as `kernel_height = 1`.
        fixed_indexes: The array axes that are not displayed, each with its fixed index.
        row_order: The display order of the entries of the outermost row axis. None for the original order.
        column_order: The display order of the entries of the outermost column axis. None for the original order.
        viewport: The visible region. None shows everything.
        top_left: The first row and column of `cells`.
        overview: A coarse version of the full matrix, if `cells` covers only a part of it.
        overview_steps: The number of rows and columns per overview cell.
        special_counts: The number of values that have no color on the scale.
        pins: The pinned elements among the entries.
        frozen: The cells with frozen elements. None if there are none.
        selected: The cells with elements that the user selected. None if nothing is selected.
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
        """The number of rows and columns of entries."""
        return math.prod(axis.size for axis in self.rows), math.prod(axis.size for axis in self.columns)

    @property
    def visible(self) -> Region:
        """The visible region."""
        return self.viewport or Region(0, self.size[0], 0, self.size[1])

    @property
    def visible_cells(self) -> Region:
        """The rows and columns of `cells` that overlap the visible region."""
        (top, left), seen, (rows, columns) = self.top_left, self.visible, self.cells.shape
        return Region(
            max(0, (seen.top - top) // self.row_step),
            min(rows, -((top - seen.bottom) // self.row_step)),
            max(0, (seen.left - left) // self.column_step),
            min(columns, -((left - seen.right) // self.column_step)),
        )


@dataclass(frozen=True, slots=True)
class HeatmapScale:
    """The color scale of a heat map, and the values that its cells represent.

    A cell holds `value` or, if `is_log` is True, `log10(value) - offset`. A cell is NaN or inf if the weight contains such an
    element, -inf if the value is exactly 0, and 0 if the value is missing. When several cells are combined, the cell farthest
    from 0 is therefore always the most important one to show.

    Attributes:
        label: A short name for the quantity.
        low: The cell value of the first color. Smaller values use the same color.
        high: The cell value of the last color. Larger values use the same color.
        is_log: See above.
        offset: See above.
        is_diverging: Whether the colors diverge from the middle, which is the cell value 0.
        unit: The unit that follows a value.
        zero_text: What a value of exactly 0 means.
        aggregate_text: Which of several combined cells is shown.
        ticks: Cell values with tick labels, each with its label.
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
        """Return the values that cells represent, with NaN for missing values.

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
    """Marks a finding in a heat map: its row and column, its severity, and its message."""

    row: int
    column: int
    severity: str
    sentence: str


@dataclass(frozen=True, slots=True, eq=False)
class HeatmapPicture(MatrixPicture):
    """A heat map of one quantity, with one row per weight and one column per record.

    Attributes:
        weight_keys: The weight that a click on each row selects.
        scale: The color scale, which defines what the cell values mean.
        row_maxima: The value by which the cells of each row were divided, if each row has its own scale.
        ticks: The columns with labels, each with its label. The column axis defines the unit of the labels.
        fit_boundaries: The columns at which another call to `fit` starts.
        edits: The columns of records at which weights were edited, each with a description of the edit.
        finding_markers: The positions of the findings.
        findings: The severity and message of each finding, regardless of how many weights it affects.
        chosen_column: The column of the selected record. None if the view follows the newest record.
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
        """Return the values that `cells` represents, with NaN for missing values."""
        values = self.scale.values(self.cells)
        if self.row_maxima is None:
            return values
        rows = np.arange(len(values)) * self.row_step
        return values * np.fmax.reduceat(self.row_maxima[self.top_left[0] :], rows)[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """One plotted item of a chart.

    Attributes:
        kind: One of "line"; "steps", a histogram with the bin edges in `x`; "band", the area between `y` and `upper`; "rules",
            vertical lines at each `x`, for which `y` is empty; "dots" at each (`x`, `y`); or "ridges", one ridge for each row
            of `y`, oldest first, filled down to its baseline and drawn in front of earlier ridges.
        name: The name in the legend. An empty name leaves the item out of the legend.
        color: A color name from `MARK_COLORS`, such as "now" or "series 3".
    """

    kind: str
    name: str
    color: str
    x: np.ndarray
    y: np.ndarray
    upper: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """A set of marks in one pair of axes.

    `is_log` applies to the y axis. Values that a logarithmic axis cannot show are NaN and leave a gap. `y_ticks` holds
    (position, label) pairs for a y axis without numbers. The browser reuses the widget of a mark if the next chart has a mark
    of the same kind and color at the same position, so consecutive charts keep their marks in the same order.
    """

    title: str
    x_label: str
    y_label: str
    marks: tuple[Mark, ...]
    is_log: bool = False
    y_ticks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ChartPicture:
    """One or more charts, arranged row by row in a grid with `columns` columns.

    `shared_axes` names the axes that the charts share: "", "x" or "xy".
    """

    charts: tuple[Chart, ...]
    caption: str
    columns: int = 1
    shared_axes: str = "x"


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The first items of a ranking, each with a bar that starts at zero.

    Attributes:
        title: What is ranked, and by which quantity.
        headers: The column headers for the names, the numbers and `rank_changes`. "" if a column needs no header.
        ranks: The ranks, starting at 1.
        names: The names of the items.
        values: The values of the items. Values that are not finite have no bar.
        numbers: The values as text.
        rank_changes: The previous rank of each item, with an arrow that shows the direction of the change.
        pick_values: The option value to set when the user picks an item. Empty if items cannot be picked.
        picked_row: The index of the picked row, or -1 for none.
        num_more: The number of items that are not listed.
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
    """One ranking, optionally with a second one for the parts of the picked item. A pick sets the option `pick_option`."""

    rankings: tuple[Ranking, ...]
    pick_option: str
    caption: str


@dataclass(frozen=True, slots=True, eq=False)
class GridPicture:
    """Several pictures, each with a title, arranged row by row in a grid with `columns` columns."""

    pictures: tuple[tuple[str, MatrixPicture | ChartPicture], ...]
    columns: int
    caption: str


@dataclass(frozen=True, slots=True)
class Tile:
    """The description of one tile: its number, the user's label or "", a number to rank it by, and its fixed indices.

    For each array axis, `fixed` holds the name and index that all elements of the tile share, or "" if the axis runs within
    the tile. `indexes` holds the index alone, or None.
    """

    number: int
    label: str
    note: str
    fixed: tuple[str, ...]
    indexes: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TilesPicture:
    """Many small images in a grid, such as the filters of a convolution. Row 0 is at the top and column 0 is at the left.

    `cells` has the shape (tiles, rows, columns, parts). One part is a value to map to a color; three parts are red, green and
    blue, with zero as mid-gray. `axes` describes the axes of the array. `rows` and `columns` list the axes that run along each
    side of a tile, outermost first. `color_limits` holds, for each tile, the value at the ends of its color scale.
    `has_common_scale` is True if all tiles share one scale. `combined_text` explains the values if they are not elements of
    the array. `heading` describes the layout in short pieces of text.
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
    """A placeholder for when there is nothing to draw yet. The caption says what to do."""

    caption: str


Picture = MatrixPicture | HeatmapPicture | ChartPicture | TilesPicture | EmptyPicture | RankingPicture | GridPicture
