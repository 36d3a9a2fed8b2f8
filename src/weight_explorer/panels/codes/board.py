"""Several pictures in one figure, as Python."""

from __future__ import annotations

import math

from weight_explorer.panels.codes.charts import chart_on_axes
from weight_explorer.panels.codes.matrix import cells_from_origins, matrix_on_axes
from weight_explorer.panels.codes.python import MOST_NUMBERS, calls, csv_lines, literal
from weight_explorer.views.origins import Origins
from weight_explorer.views.pictures import BoardPicture, ChartPicture, MatrixPicture


def write_board(picture: BoardPicture, name: str, origins: Origins, csv_name: str) -> list[str]:
    """Write the lines that draw the parts row by row, each below its title."""
    num_rows = math.ceil(len(picture.tiles) / picture.columns)
    lines = [
        "",
        f'figure, panels = plt.subplots({num_rows}, {picture.columns}, figsize=(8, 4.5), squeeze=False, layout="constrained")',
        *calls("figure", suptitle=name),
    ]
    for place, (title, part) in enumerate(picture.tiles):
        lines += ["", f"axes = panels[{place // picture.columns}, {place % picture.columns}]"]
        lines += _part(part, title, origins, csv_name)
        lines += calls("axes", set_title=title)
    return lines


def _part(part: MatrixPicture | ChartPicture, title: str, origins: Origins, csv_name: str) -> list[str]:
    if isinstance(part, ChartPicture):
        return chart_on_axes(part.charts[0], origins)
    cells = cells_from_origins(part, origins) or _cells_as_drawn(part, title, csv_name)
    return [*cells, *matrix_on_axes(part)]


def _cells_as_drawn(part: MatrixPicture, title: str, csv_name: str) -> list[str]:
    if part.cells.size <= MOST_NUMBERS:
        return [f"cells = {literal(part.cells)}"]
    numbers = f"[line[3] for line in lines if line[0] == {title!r}]"
    return [*csv_lines(csv_name), f"cells = np.array({numbers}, np.float32).reshape{part.cells.shape}"]
