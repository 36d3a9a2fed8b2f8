"""A picture as a table of numbers: what is drawn, for a file that any program reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from weight_explorer.catalog.nodes import Axis
from weight_explorer.views.numbers import capitalized, grouped
from weight_explorer.views.pictures import (
    BoardPicture,
    Chart,
    ChartPicture,
    EmptyPicture,
    HeatPicture,
    Mark,
    MatrixPicture,
    Picture,
    RankingPicture,
    Tile,
    TilesPicture,
)

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows under `columns`. `notes` say what they are; they stand above the table as lines that begin with `#`."""

    columns: tuple[str, ...]
    rows: Iterable[Row]
    notes: tuple[str, ...] = ()


def table_of(picture: Picture) -> Table:
    """Return the numbers that a picture draws.

    A matrix is as it is drawn, its rows and columns named; of one that is looked at closely it is what is looked at. All others
    are tidy: a row for each number of a tile, each thing in a ranking, each point of a chart. Of a kind of picture that has no
    writer here every array is listed, element by element.

    Raises:
        ValueError: Nothing is drawn.
    """
    writer = _WRITERS.get(type(picture), _every_array)
    return writer(picture)


def csv_of(picture: Picture, name: str) -> str:
    r"""Write a picture's numbers as CSV, all text in quotes; `name` says of what. `pandas.read_csv(..., comment="#")` reads it.

    >>> cells = np.array([[0.5, -1.0]], np.float32)
    >>> picture = MatrixPicture(cells, (Axis("input_dim", 1),), (Axis("units", 2),), (0, 1), 1, 1, 1.0, "The value.")
    >>> print(csv_of(picture, "dense / kernel"))
    # dense / kernel
    # The value.
    # One number for each element.
    "","units 0","units 1"
    "input_dim 0",0.5,-1.0
    <BLANKLINE>
    """
    table = table_of(picture)
    text = io.StringIO()
    for note in (name, picture.caption, *table.notes):
        text.write(f"# {' '.join(note.split())}\n")
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(table.rows)
    return text.getvalue()


# -- a matrix ----------------------------------------------------------------------------------------------------------


def _matrix(picture: MatrixPicture) -> Table:
    rows, columns, cells = _named_cells(picture)
    lines = ((name, *line) for name, line in zip(rows, cells, strict=True))
    return Table(("", *columns), lines, tuple(filter(None, (_cell_words(picture), seen_words(picture), _pin_words(picture)))))


def _named_cells(picture: MatrixPicture) -> tuple[list[str], list[str], np.ndarray]:
    """Return the names of the rows and of the columns that are looked at, and their cells."""
    seen, (top, left) = picture.seen_cells, picture.origin
    rows = _entries(picture.rows, picture.row_order, picture.row_step, range(seen.top, seen.bottom), top)
    columns = _entries(picture.columns, picture.column_order, picture.column_step, range(seen.left, seen.right), left)
    return list(rows), list(columns), picture.cells[seen.top : seen.bottom, seen.left : seen.right]


def _cell_words(picture: MatrixPicture) -> str:
    if picture.row_step * picture.column_step == 1:
        return "One number for each element."
    cell = f"{grouped(picture.row_step)} x {grouped(picture.column_step)} elements"
    shown = "their mean" if picture.shows == "mean" else "of those that are kept the one farthest from zero"
    return (
        f"The cells as drawn: each stands for {cell} and is {shown}. explorer.history.value(key, number) has all that is kept."
    )


def seen_words(picture: MatrixPicture) -> str:
    """Say what is looked at where that is not all, counted as drawn; or nothing."""
    seen, (height, width) = picture.seen, picture.size
    if seen.height == height and seen.width == width:
        return ""
    rows, columns = (
        f"{side} {grouped(first)} to {grouped(end - 1)} of {grouped(count)}"
        for side, first, end, count in (("rows", seen.top, seen.bottom, height), ("columns", seen.left, seen.right, width))
    )
    return f"Only what is looked at: {rows} and {columns}, counted from 0 as they are drawn."


def _pin_words(picture: MatrixPicture) -> str:
    seen = picture.seen
    found = [
        f"{pin.number} at {' '.join(filter(None, _names_of_pin(picture, pin.row, pin.column)))}"
        for pin in picture.pins
        if seen.top <= pin.row < seen.bottom and seen.left <= pin.column < seen.right
    ]
    return f"Pinned: {', '.join(found)}." if found else ""


def _heat(picture: HeatPicture) -> Table:
    """List the values of the cells that are looked at; where there is none, nothing."""
    seen, (top, left) = picture.seen_cells, picture.origin
    records, weights, last = picture.columns[0].labels, picture.rows[0].labels, picture.size[1] - 1
    firsts = [left + column * picture.column_step for column in range(seen.left, seen.right)]
    ends = [min(first + picture.column_step - 1, last) for first in firsts]
    columns = [" to ".join(dict.fromkeys((records[first], records[end]))) for first, end in zip(firsts, ends, strict=True)]
    values = picture.values().astype(object)
    values[picture.cells == 0] = None
    rows = (
        (weights[top + row * picture.row_step], *values[row, seen.left : seen.right]) for row in range(seen.top, seen.bottom)
    )
    found = (f"{severity}: {sentence}" for severity, sentence in picture.notes)
    what = f"{capitalized(picture.shades.label)} of each weight at each record."
    return Table(("weight", *columns), rows, tuple(filter(None, (what, seen_words(picture), *found))))


def _names_of_pin(picture: MatrixPicture, row: int, column: int) -> tuple[str, str]:
    return _name(picture.rows, picture.row_order, row), _name(picture.columns, picture.column_order, column)


def _entries(axes: tuple[Axis, ...], order: np.ndarray | None, step: int, cells: range, origin: int) -> Iterator[str]:
    """Name rows or columns: `units 3`, `in_channels 0 kernel_height 2`, with the user's labels; or `units 4 to units 7`.

    In an order of its own a cell holds entries from anywhere, and so it is named after all of them.
    """
    last = int(np.prod([axis.size for axis in axes], dtype=np.int64)) - 1
    for cell in cells:
        first = origin + cell * step
        end = min(first + step - 1, last)
        if order is None:
            yield " to ".join(_name(axes, None, place) for place in dict.fromkeys((first, end)))
        else:
            yield ", ".join(_name(axes, order, place) for place in range(first, end + 1))


def _name(axes: tuple[Axis, ...], order: np.ndarray | None, place: int) -> str:
    outer, *inner = map(int, np.unravel_index(place, [axis.size for axis in axes]))
    indexes = (outer if order is None else int(order[outer]), *inner)
    return " ".join(map(_entry, axes, indexes)).strip()


def _entry(axis: Axis, index: int) -> str:
    label = f" {axis.labels[index]}" if axis.labels else ""
    return f"{axis.name} {index}{label}" if axis.name else ""


# -- tiles -------------------------------------------------------------------------------------------------------------


def _tiles(picture: TilesPicture) -> Table:
    """List the numbers of all tiles: each with its row and its column in the tile, and with what stands still in all of it."""
    notes = (f"The note of each is its {picture.measure}.", f"A number is the {picture.combined}." if picture.combined else "")
    return Table(("tile", "label", "note", "at", "row", "column", "value"), _tile_rows(picture), tuple(filter(None, notes)))


def _tile_rows(picture: TilesPicture) -> Iterator[Row]:
    _, num_rows, num_columns, num_parts = picture.cells.shape
    rows, columns = (
        [_name(tuple(picture.axes[axis] for axis in side), None, place) if side else "" for place in range(count)]
        for side, count in ((picture.rows, num_rows), (picture.columns, num_columns))
    )
    for tile, cells in zip(picture.tiles, picture.cells, strict=True):
        at = [_at(picture, tile, part) for part in range(num_parts)]
        for (row, column, part), value in np.ndenumerate(cells):
            yield tile.number, tile.label, tile.note, at[part], rows[row], columns[column], value


def _at(picture: TilesPicture, tile: Tile, part: int) -> str:
    """Say where the axes stand that do not run within a tile; of colors each is a channel of its own."""
    free = [axis for axis, words in enumerate(tile.fixed) if not words and axis not in (*picture.rows, *picture.columns)]
    colors = {axis: f"{picture.axes[axis].name} = {part}" for axis in free if picture.cells.shape[-1] > 1}
    return ", ".join(filter(None, (words or colors.get(axis, "") for axis, words in enumerate(tile.fixed))))


# -- rankings ----------------------------------------------------------------------------------------------------------


def _rankings(picture: RankingPicture) -> Table:
    """List all things of all rankings in their order; `was` is the place at the start."""
    rows = (
        (ranking.title, place, name, value, move.rpartition(" ")[2])
        for ranking in picture.rankings
        for place, name, value, move in zip(ranking.places, ranking.names, ranking.values, ranking.moves, strict=True)
    )
    left = (f"{ranking.title}: {grouped(ranking.num_left)} more follow." for ranking in picture.rankings if ranking.num_left)
    return Table(("ranking", "place", "name", "value", "was"), rows, tuple(left))


# -- charts ------------------------------------------------------------------------------------------------------------


POINT = ("x", "x_end", "y", "upper")


def _charts(picture: ChartPicture) -> Table:
    """List the points of all marks; a histogram's steps stand from `x` to `x_end`, and a band from `y` to `upper`."""
    return Table(("chart", "mark", *POINT), _chart_rows(picture))


def _chart_rows(picture: ChartPicture) -> Iterator[Row]:
    for chart in picture.charts:
        for mark in chart.marks:
            for name, point in _POINTS.get(mark.kind, _points)(mark, chart):
                yield chart.title or chart.y_label, name, *point


def _points(mark: Mark, _: Chart) -> Iterator[tuple[str, Row]]:
    count = len(mark.y)
    is_steps = len(mark.x) == count + 1
    ends = mark.x[1:] if is_steps else [""] * count
    upper = [""] * count if mark.upper is None else mark.upper
    return ((mark.name, point) for point in zip(mark.x[:count], ends, mark.y, upper, strict=True))


def _rules(mark: Mark, _: Chart) -> Iterator[tuple[str, Row]]:
    return ((mark.name or mark.color, (x, "", "", "")) for x in mark.x)


def _ridges(mark: Mark, chart: Chart) -> Iterator[tuple[str, Row]]:
    """Yield all ridges as they are drawn, filled down to where each begins, after which it is named where that is known."""
    words = dict(chart.y_ticks)
    for number, row in enumerate(mark.y):
        name = f"ridge {number} {words.get(float(row[0]), '')}".strip()
        yield from ((name, (x, "", row[0], y)) for x, y in zip(mark.x, row, strict=True))


_POINTS: dict[str, Callable[[Mark, Chart], Iterator[tuple[str, Row]]]] = {"rules": _rules, "ridges": _ridges}


# -- boards ------------------------------------------------------------------------------------------------------------


def _board(picture: BoardPicture) -> Table:
    """List the cells of the matrices and the points of the charts, each with the title that it stands under."""
    rows = ((title, *row) for title, part in picture.tiles for row in _PARTS[type(part)](part))
    return Table(("part", "row", "column", "value", "mark", *POINT), rows)


def _matrix_part(picture: MatrixPicture) -> Iterator[Row]:
    rows, columns, cells = _named_cells(picture)
    for (row, column), value in np.ndenumerate(cells):
        yield rows[row], columns[column], value, *[""] * (1 + len(POINT))


def _chart_part(picture: ChartPicture) -> Iterator[Row]:
    return (("", "", "", *row[1:]) for row in _chart_rows(picture))


_PARTS: dict[type, Callable[[Any], Iterator[Row]]] = {MatrixPicture: _matrix_part, ChartPicture: _chart_part}


# -- other kinds -------------------------------------------------------------------------------------------------------


def _every_array(picture: object) -> Table:
    """List every number of every array of a picture: the name of its field, its index there, and the number."""
    rows = (
        (name, " ".join(map(str, index)), value)
        for name, array in _arrays_of(picture)
        for index, value in np.ndenumerate(array)
    )
    return Table(("array", "index", "value"), rows)


def _arrays_of(part: Any, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Yield all arrays in a picture and what it is made of, each with the way that leads to it: `charts.0.marks.1.x`."""
    if isinstance(part, np.ndarray):
        yield name, part
    elif is_dataclass(part):
        for field in fields(part):
            yield from _arrays_of(getattr(part, field.name), f"{name}.{field.name}".lstrip("."))
    elif isinstance(part, tuple | list):
        for i, item in enumerate(part):
            yield from _arrays_of(item, f"{name}.{i}".lstrip("."))


def _nothing(picture: EmptyPicture) -> Table:
    raise ValueError(f"There is no picture to save. {picture.caption}")


# For each kind of picture, how it becomes a table.
_WRITERS: dict[type, Callable[[Any], Table]] = {
    MatrixPicture: _matrix,
    HeatPicture: _heat,
    ChartPicture: _charts,
    TilesPicture: _tiles,
    RankingPicture: _rankings,
    BoardPicture: _board,
    EmptyPicture: _nothing,
}
