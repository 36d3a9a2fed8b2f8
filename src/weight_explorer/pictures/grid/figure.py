"""Draws several pictures in one matplotlib figure, each in its own subfigure."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from typing import Any

from matplotlib.figure import FigureBase

from weight_explorer.pictures.chart.figure import draw_charts
from weight_explorer.pictures.data import ChartPicture, GridPicture, MatrixPicture
from weight_explorer.pictures.matrix.figure import draw_matrix

_DRAW: dict[type, Callable[[FigureBase, Any], None]] = {MatrixPicture: draw_matrix, ChartPicture: draw_charts}


def draw_grid(figure: FigureBase, picture: GridPicture) -> None:
    """Draw the pictures row by row, above the caption."""
    num_rows = math.ceil(len(picture.pictures) / picture.columns)
    grid = figure.add_gridspec(num_rows, picture.columns, left=0, right=1, top=0.93, bottom=0.14, hspace=0)
    for place, (title, part) in enumerate(picture.pictures):
        tile = figure.add_subfigure(grid[divmod(place, picture.columns)])
        tile.subplots_adjust(left=0.2, right=0.92, top=0.84, bottom=0.24)
        _DRAW[type(part)](tile, part)
        tile.suptitle(textwrap.shorten(title, 50, placeholder="…"), fontsize=8, parse_math=False)
        for axes in tile.axes:
            axes.tick_params(labelsize=6)
            axes.xaxis.label.set(fontsize=7, parse_math=False)
            axes.yaxis.label.set(fontsize=7, parse_math=False)
