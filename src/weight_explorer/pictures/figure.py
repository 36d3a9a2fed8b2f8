"""Draws pictures as matplotlib figures, for export and for use without a kernel. Avoids pyplot because of its global state."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from matplotlib.figure import Figure, FigureBase

from weight_explorer.pictures.chart.figure import draw_charts
from weight_explorer.pictures.data import (
    ChartPicture,
    EmptyPicture,
    GridPicture,
    HeatmapPicture,
    MatrixPicture,
    Picture,
    RankingPicture,
    TilesPicture,
)
from weight_explorer.pictures.fonts import MISSING_CHARACTERS_NOTE, set_fallback_fonts
from weight_explorer.pictures.grid.figure import draw_grid
from weight_explorer.pictures.heatmap.figure import draw_heatmap
from weight_explorer.pictures.matrix.figure import draw_matrix
from weight_explorer.pictures.names import shorten_middle
from weight_explorer.pictures.ranking.figure import draw_rankings
from weight_explorer.pictures.tiles.figure import draw_tiles

# Maximum number of characters in a title. Names can have any length.
MAX_TITLE_LENGTH = 110
MAX_CAPTION_LINES = 10


class PictureFigure(Figure):
    """A figure that displays itself in a notebook, even if pyplot was not imported."""

    def _repr_png_(self) -> bytes:
        return figure_png(self, dpi=100)


def make_figure(picture: Picture, title: str) -> Figure:
    """Draw a picture as a new figure of 8 x 4.5 inches, with its caption below."""
    figure = PictureFigure(figsize=(8, 4.5))
    _draw(figure, picture, title)
    if set_fallback_fonts(figure):
        figure.clear()
        _draw(figure, replace(picture, caption=f"{picture.caption} {MISSING_CHARACTERS_NOTE}"), title)
        set_fallback_fonts(figure)
    return figure


def _draw(figure: Figure, picture: Picture, title: str) -> None:
    # Use fixed margins. The layout engines of matplotlib draw everything twice, which doubles the time to display.
    lines = [] if isinstance(picture, EmptyPicture) else _wrapped(picture.caption, 120)
    figure.subplots_adjust(left=0.1, right=0.97, top=0.86, bottom=max(0.2, 0.15 + 0.033 * len(lines)), hspace=0.45)
    figure.suptitle(shorten_middle(title, MAX_TITLE_LENGTH), fontsize=11, parse_math=False)
    _DRAW[type(picture)](figure, picture)
    if lines:
        figure.text(0.5, 0.02, "\n".join(lines), ha="center", va="bottom", fontsize=8, color="0.35", parse_math=False)


def _wrapped(caption: str, width: int) -> list[str]:
    return textwrap.wrap(caption, width, max_lines=MAX_CAPTION_LINES, placeholder=" …")


def figure_png(figure: Figure, dpi: int = 80) -> bytes:
    """Return a figure as a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def _draw_empty(figure: FigureBase, picture: EmptyPicture) -> None:
    figure.text(0.5, 0.5, "\n".join(_wrapped(picture.caption, 90)), ha="center", va="center", parse_math=False)


# The drawing function for each kind of picture.
_DRAW: dict[type, Callable[[FigureBase, Any], None]] = {
    MatrixPicture: draw_matrix,
    HeatmapPicture: draw_heatmap,
    ChartPicture: draw_charts,
    TilesPicture: draw_tiles,
    RankingPicture: draw_rankings,
    GridPicture: draw_grid,
    EmptyPicture: _draw_empty,
}
