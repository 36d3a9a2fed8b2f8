"""A picture as a table of numbers: what is drawn, for a file that any program reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from weight_explorer.catalog.nodes import Axis
from weight_explorer.views.pictures import ChartPicture, EmptyPicture, Mark, MatrixPicture, Picture


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows under `columns`. `notes` say what they are; they stand above the table as lines that begin with `#`."""

    columns: tuple[str, ...]
    rows: Iterable[tuple[Any, ...]]
    notes: tuple[str, ...] = ()


def table_of(picture: Picture) -> Table:
    """Return the numbers that a picture draws.

    A matrix is as it is drawn, its rows and columns named; charts are tidy, a row for each point. Of a kind of picture that
    has no writer here every array is listed, element by element.

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
    rows = _entries(picture.rows, picture.row_step, picture.cells.shape[0])
    columns = _entries(picture.columns, picture.column_step, picture.cells.shape[1])
    lines = ((name, *line) for name, line in zip(rows, picture.cells, strict=True))
    return Table(("", *columns), lines, (_cell_words(picture),))


def _cell_words(picture: MatrixPicture) -> str:
    if picture.row_step * picture.column_step == 1:
        return "One number for each element."
    return (
        f"The cells as drawn: each is the element farthest from zero of {picture.row_step} x {picture.column_step}. "
        f"explorer.history.value(key, number) has them all."
    )


def _entries(axes: tuple[Axis, ...], step: int, count: int) -> Iterator[str]:
    """Name the rows or the columns: `units 3`, `in_channels 0 kernel_height 2`, with the user's labels; or `units 4 to 7`."""
    sizes = [axis.size for axis in axes]
    last = int(np.prod(sizes)) - 1
    for i in range(count):
        first, end = i * step, min(i * step + step - 1, last)
        ends = [" ".join(map(_entry, axes, np.unravel_index(place, sizes))).strip() for place in dict.fromkeys((first, end))]
        yield " to ".join(ends)


def _entry(axis: Axis, index: np.intp) -> str:
    label = f" {axis.labels[int(index)]}" if axis.labels else ""
    return f"{axis.name} {index}{label}" if axis.name else ""


# -- charts ------------------------------------------------------------------------------------------------------------


def _charts(picture: ChartPicture) -> Table:
    """List the points of all marks; a histogram's steps stand from `x` to `x_end`, and a band from `y` to `upper`."""
    marks = [(chart.title or chart.y_label, mark) for chart in picture.charts for mark in chart.marks]
    rows = ((chart, mark.name, *point) for chart, mark in marks for point in _points(mark))
    return Table(("chart", "mark", "x", "x_end", "y", "upper"), rows)


def _points(mark: Mark) -> Iterator[tuple[Any, ...]]:
    count = len(mark.y)
    is_steps = len(mark.x) == count + 1
    ends = mark.x[1:] if is_steps else [""] * count
    upper = [""] * count if mark.upper is None else mark.upper
    return zip(mark.x[:count], ends, mark.y, upper, strict=True)


# -- other kinds -------------------------------------------------------------------------------------------------------


def _every_array(picture: object) -> Table:
    """List every number of every array of a picture: the name of its field, its index there, and the number."""
    rows = (
        (name, " ".join(map(str, index)), value) for name, array in arrays_of(picture) for index, value in np.ndenumerate(array)
    )
    return Table(("array", "index", "value"), rows)


def arrays_of(part: Any, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Yield all arrays in a picture and what it is made of, each with the way that leads to it: `charts.0.marks.1.x`."""
    if isinstance(part, np.ndarray):
        yield name, part
    elif is_dataclass(part):
        for field in fields(part):
            yield from arrays_of(getattr(part, field.name), f"{name}.{field.name}".lstrip("."))
    elif isinstance(part, tuple | list):
        for i, item in enumerate(part):
            yield from arrays_of(item, f"{name}.{i}".lstrip("."))


def _nothing(picture: EmptyPicture) -> Table:
    raise ValueError(f"There is no picture to save. {picture.caption}")


# For each kind of picture, how it becomes a table.
_WRITERS: dict[type, Callable[[Any], Table]] = {
    MatrixPicture: _matrix,
    ChartPicture: _charts,
    EmptyPicture: _nothing,
}
