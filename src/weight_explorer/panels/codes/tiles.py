"""Tiles as Python."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.colors import to_rgb

from weight_explorer.panels import colors
from weight_explorer.panels.codes.python import MOST_NUMBERS, calls, csv_lines, is_given, literal
from weight_explorer.views.origins import Origins
from weight_explorer.views.pictures import TilesPicture

# Tiles across of a figure that is about twice as wide as high.
ASPECT = 2.0


def write_tiles(picture: TilesPicture, name: str, origins: Origins, csv_name: str) -> list[str]:
    """Write the lines that draw tiles in a grid."""
    count = len(picture.tiles)
    across = min(count, math.ceil(math.sqrt(count * ASPECT)))
    words = [f"{tile.number} {tile.label or tile.note}" for tile in picture.tiles]
    return [
        *(_from_values(picture, origins) or _as_drawn(picture, csv_name)),
        f"limits = {_limits(picture)}  # of the colors of each",
        f"words = {words}",
        "",
        f"figure, panels = plt.subplots({math.ceil(count / across)}, {across}, figsize=(8, 4.5), squeeze=False)",
        *calls("figure", suptitle=name),
        f"figure.text(0.5, 0.02, {' · '.join(picture.heading)!r}, ha='center', fontsize=7, parse_math=False)",
        *_loop(picture),
        "for axes in panels.flat:",
        "    axes.set_axis_off()",
    ]


def _limits(picture: TilesPicture) -> str:
    limits = [float(limit) or 1.0 for limit in picture.limits]
    return f"[{limits[0]}] * {len(limits)}" if picture.is_common else str(limits)


def _from_values(picture: TilesPicture, origins: Origins) -> list[str] | None:
    """Write which part of the values each tile is, or None where it is made of them in another way."""
    values, axes = origins.value("values"), picture.axes
    if not isinstance(values, np.ndarray) or values.ndim != len(axes):
        return None
    fixed = [axis for axis in range(len(axes)) if picture.tiles[0].at[axis] is not None]
    running = [axis for axis in range(len(axes)) if axis not in fixed]
    order = [*picture.rows, *picture.columns, *(axis for axis in running if axis not in (*picture.rows, *picture.columns))]
    index = ", ".join(f"i{axis}" if axis in fixed else ":" for axis in range(len(axes)))
    turn = tuple(running.index(axis) for axis in order)
    turned = f".transpose{turn}" if turn != tuple(range(len(turn))) else ""
    shape = picture.cells.shape[1:]
    places = [tuple(tile.at[axis] for axis in fixed) for tile in picture.tiles]
    lines = [
        f"places = {places}  # {', '.join(axes[axis].name for axis in fixed)}",
        f"tiles = np.array([values[{index}]{turned}.reshape{shape} for {_names(fixed)} in places])",
    ]
    num_running = math.prod(values.shape[axis] for axis in running)
    return lines if num_running == math.prod(shape) and is_given(lines, "tiles", picture.cells, values) else None


def _names(fixed: list[int]) -> str:
    return f"({', '.join(f'i{axis}' for axis in fixed)},)"


def _as_drawn(picture: TilesPicture, csv_name: str) -> list[str]:
    if picture.cells.size <= MOST_NUMBERS:
        return [f"tiles = {literal(picture.cells)}"]
    return [*csv_lines(csv_name), f"tiles = np.array([line[-1] for line in lines], np.float32).reshape{picture.cells.shape}"]


def _loop(picture: TilesPicture) -> list[str]:
    return [
        *([] if picture.cells.shape[-1] > 1 else [_colormap()]),
        "for axes, cells, limit, text in zip(panels.flat, tiles, limits, words):",
        *(_rgb(picture) if picture.cells.shape[-1] > 1 else [_image()]),
        "    axes.set_title(text, fontsize=6, parse_math=False)",
    ]


def _colormap() -> str:
    special = f'bad="{colors.NOT_A_NUMBER}", over="{colors.INFINITE}", under="{colors.INFINITE}"'
    return f'colormap = plt.get_cmap("{colors.DIVERGING}").with_extremes({special})'


def _image() -> str:
    return "    axes.imshow(cells[..., 0], cmap=colormap, vmin=-limit, vmax=limit)"


def _rgb(picture: TilesPicture) -> list[str]:
    """Write how three numbers become a color, with zero mid-gray."""
    special = (("isinf", colors.INFINITE), ("isnan", colors.NOT_A_NUMBER)) if not np.isfinite(picture.cells).all() else ()
    return [
        "    colors = np.clip(0.5 + 0.5 * cells / limit, 0, 1)",
        *(f"    colors[np.{test}(cells).any(axis=-1)] = {to_rgb(color)}" for test, color in special),
        "    axes.imshow(colors)",
    ]
