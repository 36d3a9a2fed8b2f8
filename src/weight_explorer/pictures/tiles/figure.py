"""Draws tiles with matplotlib."""

from __future__ import annotations

import math
import textwrap

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import FigureBase

from weight_explorer.pictures import colors
from weight_explorer.pictures.data import TilesPicture

# A share of the whole figure, which is about twice as wide as high.
AXES_AREA = (0.03, 0.2, 0.82, 0.6)
ASPECT = 2.4

# The space above each tile for its number, and the space between tiles, as a share of the tile width.
HEAD_SHARE, GAP_SHARE = 0.34, 0.14


def draw_tiles(figure: FigureBase, picture: TilesPicture) -> None:
    """Draw the tiles in a grid with their numbers, and one color bar for all."""
    axes = figure.add_axes(AXES_AREA)
    axes.set_axis_off()
    count, num_rows, num_columns = picture.cells.shape[:3]
    # A window along a single axis is drawn as a flat strip, not as a square.
    height = num_rows / num_columns if num_rows > 1 and len(picture.axes) > 3 else 0.5
    across = max(1, min(count, math.ceil(math.sqrt(count * ASPECT * (height + HEAD_SHARE)))))
    pitch = 1 + GAP_SHARE, height + HEAD_SHARE + GAP_SHARE
    for i, (tile, cells) in enumerate(zip(picture.tiles, picture.cells, strict=True)):
        left, top = (i % across) * pitch[0], (i // across) * pitch[1] + HEAD_SHARE
        image = colors.colorize(cells, float(picture.color_limits[i]))
        axes.imshow(image, extent=(left, left + 1, top + height, top), interpolation="nearest", zorder=1)
        axes.plot(
            [left, left + 1, left + 1, left, left], [top, top, top + height, top + height, top], color="0.7", linewidth=0.5
        )
        _draw_slices(axes, picture, (left, top, height))
        small = min(7.0, 90 / across)
        axes.text(left, top - 0.04, str(tile.number), fontsize=small, va="bottom", parse_math=False)
        words = textwrap.shorten(tile.label, 10, placeholder="…") if tile.label else tile.note
        axes.text(left + 1, top - 0.04, words, fontsize=small * 0.8, color="0.45", va="bottom", ha="right", parse_math=False)
    axes.set_xlim(0, max(across * pitch[0] - GAP_SHARE, 1))
    axes.set_ylim(math.ceil(count / across) * pitch[1], 0)
    axes.set_aspect("equal")
    heading = " · ".join((*picture.heading, f"small: {picture.measure}"))
    figure.text(0.03, 0.88, heading, fontsize=7, color="0.35", va="top", wrap=True, parse_math=False)
    _draw_color_bar(figure, picture)


def _draw_slices(axes: Axes, picture: TilesPicture, position: tuple[float, float, float]) -> None:
    """Draw lines between the slices of a window that has a depth."""
    if len(picture.columns) < 2:
        return
    left, top, height = position
    count = picture.axes[picture.columns[0]].size
    for i in range(1, count):
        axes.plot([left + i / count] * 2, [top, top + height], color="0.2", linewidth=0.8, zorder=2)


def _draw_color_bar(figure: FigureBase, picture: TilesPicture) -> None:
    is_rgb = picture.cells.shape[-1] == 3
    colormap = LinearSegmentedColormap.from_list("gray", ["black", "gray", "white"]) if is_rgb else colors.DIVERGING
    limit = float(picture.color_limits.max(initial=0)) or 1.0 if picture.has_common_scale else 1.0
    bar = figure.colorbar(ScalarMappable(Normalize(-limit, limit), colormap), cax=figure.add_axes((0.88, 0.3, 0.015, 0.4)))
    ticks = (-limit, 0, limit)
    ends = [f"{tick:.3g}" for tick in ticks] if picture.has_common_scale else ["−largest", "0", "largest\nof each"]
    bar.set_ticks(ticks, labels=ends)
    bar.ax.tick_params(labelsize=7)
