"""The pictures: frozen descriptions of what to draw, in data coordinates. Panels draw them in the browser and in matplotlib."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.nodes import Axis


@dataclass(frozen=True, slots=True, eq=False)
class MatrixPicture:
    """A weight as a rectangle of cells. Row 0 is the top one and column 0 the left one, as NumPy prints it.

    `rows` and `columns` are the weight's axes laid along each side, the outer ones first: a (3, 3, 8, 16) kernel laid out as
    (in_channels, height) by (filters, width) is a grid of 8 by 16 windows. `axis_order` says which axis of the array each is.
    Where there are more entries than cells, one cell stands for `row_step` by `column_step` entries and shows the one
    that is the farthest from zero. Colors run from -`limit` to `limit`.
    """

    cells: np.ndarray
    rows: tuple[Axis, ...]
    columns: tuple[Axis, ...]
    axis_order: tuple[int, ...]
    row_step: int
    column_step: int
    limit: float
    caption: str


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
    """Marks over two axes. `log` is about the y axis; values that it cannot show are NaN, which is a gap.

    `y_ticks` are (place, words), for a y axis that no numbers stand at. Marks of a kind and color at the same place among
    the others keep their widgets in the browser, so charts that follow each other have them in the same order.
    """

    title: str
    x_label: str
    y_label: str
    marks: tuple[Mark, ...]
    log: bool = False
    y_ticks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ChartPicture:
    """One chart or several, row by row in so many columns. `shared` names the axes they have in common: "", "x" or "xy"."""

    charts: tuple[Chart, ...]
    caption: str
    columns: int = 1
    shared: str = "x"


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The first few of many things in order, each with a bar from zero to its value.

    Attributes:
        title: What is ranked, and by what.
        heads: What a thing is, what its number is, and what `moves` tell; "" where they tell nothing.
        places: Counted from 1.
        names: Of the things.
        values: Of the things; not finite where there is no bar.
        numbers: The same as text.
        moves: At what place it stood before, with an arrow in the direction that it went.
        picks: What is asked for when a thing is picked; empty where nothing can be.
        picked: Which row is picked, -1 for none.
        num_left: How many more things there are.
    """

    title: str
    heads: tuple[str, str, str]
    places: tuple[int, ...]
    names: tuple[str, ...]
    values: np.ndarray
    numbers: tuple[str, ...]
    moves: tuple[str, ...]
    picks: tuple[str, ...] = ()
    picked: int = -1
    num_left: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class RankingPicture:
    """One ranking, or one and beside it what the picked thing is made of. `asks` is the option that picking sets."""

    rankings: tuple[Ranking, ...]
    asks: str
    caption: str


@dataclass(frozen=True, slots=True, eq=False)
class BoardPicture:
    """Several pictures, each with a title, row by row in so many columns."""

    tiles: tuple[tuple[str, MatrixPicture | ChartPicture], ...]
    columns: int
    caption: str


@dataclass(frozen=True, slots=True)
class EmptyPicture:
    """Nothing to draw yet, and what to do about it."""

    caption: str


Picture = MatrixPicture | ChartPicture | RankingPicture | BoardPicture | EmptyPicture
