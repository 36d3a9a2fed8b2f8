"""Exports the data of a picture as a table, in a format that any program can read."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from weight_explorer.catalog.schema import Axis
from weight_explorer.pictures.data import (
    Chart,
    ChartPicture,
    EmptyPicture,
    GridPicture,
    HeatmapPicture,
    Mark,
    MatrixPicture,
    Picture,
    RankingPicture,
    Tile,
    TilesPicture,
)
from weight_explorer.pictures.numbers import capitalize_first, format_count

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table with named `columns`. `notes` describe the rows and are written above the table as lines starting with `#`."""

    columns: tuple[str, ...]
    rows: Iterable[Row]
    notes: tuple[str, ...] = ()


def picture_table(picture: Picture) -> Table:
    """Return the values of a picture as a table.

    A matrix keeps its layout, with named rows and columns. If the user zoomed in, the table holds the visible region only. All
    other pictures become tidy tables, with one row for each value of a tile, item of a ranking or point of a chart. For kinds
    of pictures without a writer, the table lists every array element by element.

    Raises:
        ValueError: The picture is empty.
    """
    writer = _WRITERS.get(type(picture), _array_table)
    return writer(picture)


def picture_csv(picture: Picture, name: str) -> str:
    r"""Return the values of a picture as CSV with quoted text.

    `name` says what the picture shows. To read the result, use `pandas.read_csv(..., comment="#")`.

    >>> cells = np.array([[0.5, -1.0]], np.float32)
    >>> picture = MatrixPicture(cells, (Axis("input_dim", 1),), (Axis("units", 2),), (0, 1), 1, 1, 1.0, "The value.")
    >>> print(picture_csv(picture, "dense / kernel"))
    # dense / kernel
    # The value.
    # One number for each element.
    "","units 0","units 1"
    "input_dim 0",0.5,-1.0
    <BLANKLINE>
    """
    table = picture_table(picture)
    text = io.StringIO()
    for note in (name, picture.caption, *table.notes):
        text.write(f"# {' '.join(note.split())}\n")
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(table.rows)
    return text.getvalue()


# -- matrices ----------------------------------------------------------------------------------------------------------


def _matrix_table(picture: MatrixPicture) -> Table:
    rows, columns, cells = _named_cells(picture)
    lines = ((name, *line) for name, line in zip(rows, cells, strict=True))
    return Table(
        ("", *columns),
        lines,
        tuple(filter(None, (_describe_cells(picture), describe_visible_region(picture), _describe_pins(picture)))),
    )


def _named_cells(picture: MatrixPicture) -> tuple[list[str], list[str], np.ndarray]:
    """Return the names of the visible rows and columns, and the visible cells."""
    seen, (top, left) = picture.visible_cells, picture.top_left
    rows = _entry_names(picture.rows, picture.row_order, picture.row_step, range(seen.top, seen.bottom), top)
    columns = _entry_names(picture.columns, picture.column_order, picture.column_step, range(seen.left, seen.right), left)
    return list(rows), list(columns), picture.cells[seen.top : seen.bottom, seen.left : seen.right]


def _describe_cells(picture: MatrixPicture) -> str:
    if picture.row_step * picture.column_step == 1:
        return "One number for each element."
    cell = f"{format_count(picture.row_step)} x {format_count(picture.column_step)} elements"
    shown = "their mean" if picture.cell_value == "mean" else "of those that are kept the one farthest from zero"
    kept = "explorer.history.values_at(key, number) has all that is kept."
    return f"The cells as drawn: each stands for {cell} and is {shown}. {kept}"


def describe_visible_region(picture: MatrixPicture) -> str:
    """Describe the visible region in display order, or return an empty string if everything is visible."""
    seen, (height, width) = picture.visible, picture.size
    if seen.height == height and seen.width == width:
        return ""
    rows, columns = (
        f"{side} {format_count(first)} to {format_count(end - 1)} of {format_count(count)}"
        for side, first, end, count in (("rows", seen.top, seen.bottom, height), ("columns", seen.left, seen.right, width))
    )
    return f"Only what is looked at: {rows} and {columns}, counted from 0 as they are drawn."


def _describe_pins(picture: MatrixPicture) -> str:
    seen = picture.visible
    found = [
        f"{pin.number} at {' '.join(filter(None, _names_of_pin(picture, pin.row, pin.column)))}"
        for pin in picture.pins
        if seen.top <= pin.row < seen.bottom and seen.left <= pin.column < seen.right
    ]
    return f"Pinned: {', '.join(found)}." if found else ""


def _heatmap_table(picture: HeatmapPicture) -> Table:
    """List the values of the visible cells. Cells without a value stay empty."""
    seen, (top, left) = picture.visible_cells, picture.top_left
    records, weights, last = picture.columns[0].labels, picture.rows[0].labels, picture.size[1] - 1
    firsts = [left + column * picture.column_step for column in range(seen.left, seen.right)]
    ends = [min(first + picture.column_step - 1, last) for first in firsts]
    columns = [" to ".join(dict.fromkeys((records[first], records[end]))) for first, end in zip(firsts, ends, strict=True)]
    values = picture.values().astype(object)
    values[picture.cells == 0] = None
    rows = (
        (weights[top + row * picture.row_step], *values[row, seen.left : seen.right]) for row in range(seen.top, seen.bottom)
    )
    found = (f"{severity}: {sentence}" for severity, sentence in picture.findings)
    what = f"{capitalize_first(picture.scale.label)} of each weight at each record."
    return Table(("weight", *columns), rows, tuple(filter(None, (what, describe_visible_region(picture), *found))))


def _names_of_pin(picture: MatrixPicture, row: int, column: int) -> tuple[str, str]:
    return _entry_name(picture.rows, picture.row_order, row), _entry_name(picture.columns, picture.column_order, column)


def _entry_names(axes: tuple[Axis, ...], order: np.ndarray | None, step: int, cells: range, offset: int) -> Iterator[str]:
    """Yield the names of rows or columns, including the user's labels.

    Examples are `units 3`, `in_channels 0 kernel_height 2` and `units 4 to units 7`. With a custom order, the entries of a
    cell are not consecutive. The name then lists all of them.
    """
    last = int(np.prod([axis.size for axis in axes], dtype=np.int64)) - 1
    for cell in cells:
        first = offset + cell * step
        end = min(first + step - 1, last)
        if order is None:
            yield " to ".join(_entry_name(axes, None, place) for place in dict.fromkeys((first, end)))
        else:
            yield ", ".join(_entry_name(axes, order, place) for place in range(first, end + 1))


def _entry_name(axes: tuple[Axis, ...], order: np.ndarray | None, position: int) -> str:
    outer, *inner = map(int, np.unravel_index(position, [axis.size for axis in axes]))
    indexes = (outer if order is None else int(order[outer]), *inner)
    return " ".join(map(_axis_entry_name, axes, indexes)).strip()


def _axis_entry_name(axis: Axis, index: int) -> str:
    label = f" {axis.labels[index]}" if axis.labels else ""
    return f"{axis.name} {index}{label}" if axis.name else ""


# -- tiles -------------------------------------------------------------------------------------------------------------


def _tiles_table(picture: TilesPicture) -> Table:
    """List the values of all tiles, with the row and column within the tile and the fixed indices of the tile."""
    notes = (
        f"The note of each is its {picture.measure}.",
        f"A number is the {picture.combined_text}." if picture.combined_text else "",
    )
    return Table(("tile", "label", "note", "at", "row", "column", "value"), _tile_rows(picture), tuple(filter(None, notes)))


def _tile_rows(picture: TilesPicture) -> Iterator[Row]:
    _, num_rows, num_columns, num_parts = picture.cells.shape
    rows, columns = (
        [_entry_name(tuple(picture.axes[axis] for axis in side), None, place) if side else "" for place in range(count)]
        for side, count in ((picture.rows, num_rows), (picture.columns, num_columns))
    )
    for tile, cells in zip(picture.tiles, picture.cells, strict=True):
        at = [_fixed_axes_text(picture, tile, part) for part in range(num_parts)]
        for (row, column, part), value in np.ndenumerate(cells):
            yield tile.number, tile.label, tile.note, at[part], rows[row], columns[column], value


def _fixed_axes_text(picture: TilesPicture, tile: Tile, part: int) -> str:
    """Describe the indices of the axes that do not run within a tile. Each color part is a separate channel."""
    free = [axis for axis, words in enumerate(tile.fixed) if not words and axis not in (*picture.rows, *picture.columns)]
    colors = {axis: f"{picture.axes[axis].name} = {part}" for axis in free if picture.cells.shape[-1] > 1}
    return ", ".join(filter(None, (words or colors.get(axis, "") for axis, words in enumerate(tile.fixed))))


# -- rankings ----------------------------------------------------------------------------------------------------------


def _ranking_table(picture: RankingPicture) -> Table:
    """List the items of all rankings in order. `was` is the rank at the start."""
    rows = (
        (ranking.title, place, name, value, move.rpartition(" ")[2])
        for ranking in picture.rankings
        for place, name, value, move in zip(ranking.ranks, ranking.names, ranking.values, ranking.rank_changes, strict=True)
    )
    left = (
        f"{ranking.title}: {format_count(ranking.num_more)} more follow." for ranking in picture.rankings if ranking.num_more
    )
    return Table(("ranking", "place", "name", "value", "was"), rows, tuple(left))


# -- charts ------------------------------------------------------------------------------------------------------------


POINT_COLUMNS = ("x", "x_end", "y", "upper")


def _chart_table(picture: ChartPicture) -> Table:
    """List the points of all marks. Histogram bins run from `x` to `x_end`, and bands from `y` to `upper`."""
    return Table(("chart", "mark", *POINT_COLUMNS), _chart_rows(picture))


def _chart_rows(picture: ChartPicture) -> Iterator[Row]:
    for chart in picture.charts:
        for mark in chart.marks:
            for name, point in _MARK_ROWS.get(mark.kind, _point_rows)(mark, chart):
                yield chart.title or chart.y_label, name, *point


def _point_rows(mark: Mark, _: Chart) -> Iterator[tuple[str, Row]]:
    count = len(mark.y)
    is_steps = len(mark.x) == count + 1
    ends = mark.x[1:] if is_steps else [""] * count
    upper = [""] * count if mark.upper is None else mark.upper
    return ((mark.name, point) for point in zip(mark.x[:count], ends, mark.y, upper, strict=True))


def _rule_rows(mark: Mark, _: Chart) -> Iterator[tuple[str, Row]]:
    return ((mark.name or mark.color, (x, "", "", "")) for x in mark.x)


def _ridge_rows(mark: Mark, chart: Chart) -> Iterator[tuple[str, Row]]:
    """Yield the points of all ridges, each filled down to its baseline. The label of the baseline, if any, is in the name."""
    words = dict(chart.y_ticks)
    for number, row in enumerate(mark.y):
        name = f"ridge {number} {words.get(float(row[0]), '')}".strip()
        yield from ((name, (x, "", row[0], y)) for x, y in zip(mark.x, row, strict=True))


_MARK_ROWS: dict[str, Callable[[Mark, Chart], Iterator[tuple[str, Row]]]] = {"rules": _rule_rows, "ridges": _ridge_rows}


# -- grids -------------------------------------------------------------------------------------------------------------


def _grid_table(picture: GridPicture) -> Table:
    """List the cells of all matrices and the points of all charts, each with the title of its picture."""
    rows = ((title, *row) for title, part in picture.pictures for row in _PART_ROWS[type(part)](part))
    return Table(("part", "row", "column", "value", "mark", *POINT_COLUMNS), rows)


def _matrix_rows(picture: MatrixPicture) -> Iterator[Row]:
    rows, columns, cells = _named_cells(picture)
    for (row, column), value in np.ndenumerate(cells):
        yield rows[row], columns[column], value, *[""] * (1 + len(POINT_COLUMNS))


def _chart_part_rows(picture: ChartPicture) -> Iterator[Row]:
    return (("", "", "", *row[1:]) for row in _chart_rows(picture))


_PART_ROWS: dict[type, Callable[[Any], Iterator[Row]]] = {MatrixPicture: _matrix_rows, ChartPicture: _chart_part_rows}


# -- other kinds -------------------------------------------------------------------------------------------------------


def _array_table(picture: object) -> Table:
    """List every element of every array in a picture: the name of its field, its index, and its value."""
    rows = (
        (name, " ".join(map(str, index)), value)
        for name, array in _arrays_of(picture)
        for index, value in np.ndenumerate(array)
    )
    return Table(("array", "index", "value"), rows)


def _arrays_of(part: Any, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Yield all arrays in a picture and its nested parts, each with its path, such as `charts.0.marks.1.x`."""
    if isinstance(part, np.ndarray):
        yield name, part
    elif is_dataclass(part):
        for field in fields(part):
            yield from _arrays_of(getattr(part, field.name), f"{name}.{field.name}".lstrip("."))
    elif isinstance(part, tuple | list):
        for i, item in enumerate(part):
            yield from _arrays_of(item, f"{name}.{i}".lstrip("."))


def _refuse_empty(picture: EmptyPicture) -> Table:
    raise ValueError(f"There is no picture to save. {picture.caption}")


# The table writer for each kind of picture.
_WRITERS: dict[type, Callable[[Any], Table]] = {
    MatrixPicture: _matrix_table,
    HeatmapPicture: _heatmap_table,
    ChartPicture: _chart_table,
    TilesPicture: _tiles_table,
    RankingPicture: _ranking_table,
    GridPicture: _grid_table,
    EmptyPicture: _refuse_empty,
}
