"""The pictures: frozen descriptions of what to draw, in data coordinates. Panels draw them in the browser and in matplotlib."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from weight_explorer.catalog.nodes import Axis


@dataclass(frozen=True, slots=True)
class Place:
    """Where a picture's elements stand in the whole weight: how a click on one becomes its index.

    `base` is the index of the first element, and `axes` says for each axis that is laid out which of the whole weight it is.
    """

    weight: str = ""
    base: tuple[int, ...] = ()
    axes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
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
class Marks:
    """How many numbers no color of the scale stands for, and what its limit is, in few words for beside the scale."""

    limit: str = ""
    above: int = 0
    below: int = 0
    nans: int = 0
    positive_infs: int = 0
    negative_infs: int = 0


@dataclass(frozen=True, slots=True)
class Pin:
    """A pinned element in a picture: its number among all pins, and its row and column, as they are drawn."""

    number: int
    row: int
    column: int


@dataclass(frozen=True, slots=True, eq=False)
class MatrixPicture:
    """A weight as a rectangle of cells. Row 0 is the top one and column 0 the left one, as NumPy prints it.

    Attributes:
        cells: The numbers that are drawn, of all entries or, of more than fit the screen, of those around `window`.
        rows: The weight's axes laid down, the outer ones first: a (3, 3, 8, 16) kernel laid out as (in_channels, height) by
            (filters, width) is a grid of 8 by 16 windows.
        columns: Those laid across.
        axis_order: Which axis of the array each of `rows` and `columns` is.
        row_step: How many entries one cell stands for, where there are more entries than cells.
        column_step: The same along the columns.
        limit: Colors run from minus this to this.
        caption: What is to be said of it.
        shows: Which of its entries a cell shows: the "extreme", the one farthest from zero, or their "mean".
        key: What is drawn and how it is laid out; a window or pin that is asked for belongs to one key.
        place: Where the elements stand in the whole weight.
        fixed: Words for the axes that are not laid out, such as `kernel_height = 1`.
        row_order: The outermost row axis' entries in the order they are drawn in; None for as they are.
        column_order: The same of the columns.
        window: What is looked at; None for everything.
        origin: The first row and column of `cells`.
        overview: Of everything a few cells, where `cells` are not of everything.
        overview_steps: How many rows and columns one cell of it stands for.
        marks: What no color stands for.
        pins: The pinned elements among the entries.
    """

    cells: np.ndarray
    rows: tuple[Axis, ...]
    columns: tuple[Axis, ...]
    axis_order: tuple[int, ...]
    row_step: int
    column_step: int
    limit: float
    caption: str
    shows: str = "extreme"
    key: str = ""
    place: Place = field(default_factory=Place)
    fixed: str = ""
    row_order: np.ndarray | None = None
    column_order: np.ndarray | None = None
    window: Window | None = None
    origin: tuple[int, int] = (0, 0)
    overview: np.ndarray | None = None
    overview_steps: tuple[int, int] = (1, 1)
    marks: Marks = field(default_factory=Marks)
    pins: tuple[Pin, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Number of entries down and across."""
        return math.prod(axis.size for axis in self.rows), math.prod(axis.size for axis in self.columns)

    @property
    def seen(self) -> Window:
        """What is looked at."""
        return self.window or Window(0, self.size[0], 0, self.size[1])


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """One thing in a chart: a "line", a histogram's "steps", or a "band" between `y` and `upper`."""

    kind: str
    name: str
    color: str
    x: np.ndarray
    y: np.ndarray
    upper: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """Marks over two axes. `log` is about the y axis; values that it cannot show are NaN, which is a gap."""

    title: str
    x_label: str
    y_label: str
    marks: tuple[Mark, ...]
    log: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ChartPicture:
    """One chart or several above each other."""

    charts: tuple[Chart, ...]
    caption: str


@dataclass(frozen=True, slots=True)
class EmptyPicture:
    """Nothing to draw yet, and what to do about it."""

    caption: str


Picture = MatrixPicture | ChartPicture | EmptyPicture
