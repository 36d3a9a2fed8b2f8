"""Draws heat maps with matplotlib."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import FigureBase
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from weight_explorer.pictures import colors
from weight_explorer.pictures.data import HeatmapPicture
from weight_explorer.pictures.names import shorten_middle

# Maximum number of row labels, and of characters in a label. Long labels keep both ends.
MAX_ROWS = 32
MAX_LABEL_LENGTH = 26

# The markers for findings: the shape, and whether it is filled.
SEVERITY_MARKERS = {"error": ("^", True), "warning": ("^", False), "note": ("d", True)}


def draw_heatmap(figure: FigureBase, picture: HeatmapPicture) -> None:
    """Draw the heat map with its color bar, its markers and a legend."""
    figure.subplots_adjust(left=0.2)
    axes = figure.subplots()
    axes.set_facecolor("none")
    axes.patch.set_hatch("////")
    axes.patch.set_edgecolor("0.8")
    (top, left), (rows, columns) = picture.top_left, picture.cells.shape
    extent = (left - 0.5, left + columns * picture.column_step - 0.5, top + rows * picture.row_step - 0.5, top - 0.5)
    shades = picture.scale
    name = colors.DIVERGING if shades.is_diverging else colors.SEQUENTIAL
    known = np.ma.masked_where(~np.isfinite(picture.cells) | (picture.cells == 0), picture.cells)
    looks = {"interpolation": "nearest", "aspect": "auto", "extent": extent}
    image = axes.imshow(known, cmap=name, vmin=shades.low, vmax=shades.high, **looks)
    _draw_special(axes, picture, extent)
    _draw_labels(axes, picture)
    _draw_marks(axes, picture)
    bar = figure.colorbar(image, ax=axes)
    bar.set_ticks([cell for cell, _ in shades.ticks], labels=[words for _, words in shades.ticks])
    bar.ax.tick_params(labelsize=7)
    bar.set_label(shades.label, fontsize=8)


def special_cells(picture: HeatmapPicture) -> tuple[tuple[np.ndarray, str, str], ...]:
    """Return the cells that have no color on the scale: their mask, their meaning and their color."""
    cells = picture.cells
    return (
        (cells == -np.inf, picture.scale.zero_text, colors.EXACT_ZERO),
        (np.isnan(cells), "NaN", colors.NOT_A_NUMBER),
        (cells == np.inf, "Inf", colors.INFINITE),
    )


def _draw_special(axes: Axes, picture: HeatmapPicture, extent: tuple[float, float, float, float]) -> None:
    handles: list[Patch | Line2D] = []
    for where, words, color in special_cells(picture):
        if where.any():
            mask = np.ma.masked_where(~where, np.zeros(where.shape))
            axes.imshow(mask, cmap=ListedColormap([color]), interpolation="nearest", aspect="auto", extent=extent)
            handles.append(Patch(color=color, label=words))
    if (picture.cells == 0).any():
        handles.append(Patch(facecolor="none", edgecolor="0.8", hatch="////", label="no value"))
    severities = dict.fromkeys(trouble.severity for trouble in picture.finding_markers)
    handles += [Line2D([], [], linestyle="", label=severity, **_marker_style(severity)) for severity in severities]
    if handles:
        place = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "ncols": len(handles), "frameon": False, "fontsize": 7}
        axes.legend(handles=handles, handletextpad=0.4, columnspacing=1.0, **place)


def _marker_style(severity: str) -> dict[str, Any]:
    shape, is_filled = SEVERITY_MARKERS[severity]
    color = colors.SEVERITY_COLORS[severity]
    return {"marker": shape, "markersize": 5, "markeredgecolor": color, "markerfacecolor": color if is_filled else "white"}


def _draw_labels(axes: Axes, picture: HeatmapPicture) -> None:
    axis, seen = picture.rows[0], picture.visible
    for block in axis.blocks[1:] if len(axis.blocks) <= MAX_ROWS else ():
        axes.axhline(block.start - 0.5, color="0.6", linewidth=0.6)
    places, names = row_labels(picture)
    axes.set_yticks(places, names, fontsize=6, parse_math=False)
    axes.set_xticks([column for column, _ in picture.ticks], [words for _, words in picture.ticks], fontsize=7)
    axes.set_xlabel(picture.columns[0].name, fontsize=8)
    axes.set(xlim=(seen.left - 0.5, seen.right - 0.5), ylim=(seen.bottom - 0.5, seen.top - 0.5))


def row_labels(picture: HeatmapPicture) -> tuple[list[int], list[str]]:
    """Return the rows to label, as many as fit, and their names. Long names are shortened in the middle."""
    seen, labels = picture.visible, picture.rows[0].labels
    places = list(range(seen.top, seen.bottom, -(-seen.height // MAX_ROWS)))
    return places, [shorten_middle(labels[place], MAX_LABEL_LENGTH) for place in places]


def _draw_marks(axes: Axes, picture: HeatmapPicture) -> None:
    for column in picture.fit_boundaries:
        axes.axvline(column - 0.5, color="0.3", linewidth=0.9, linestyle="--")
    for column, _ in picture.edits:
        axes.plot(column, picture.visible.top - 0.5, "D", color="0.2", markersize=4, clip_on=False)
    if picture.chosen_column is not None:
        axes.axvspan(
            picture.chosen_column - 0.5,
            picture.chosen_column + 0.5,
            fill=False,
            edgecolor=colors.MARK_COLORS["now"],
            linewidth=1.5,
        )
    for severity in dict.fromkeys(trouble.severity for trouble in picture.finding_markers):
        places = [(trouble.column, trouble.row) for trouble in picture.finding_markers if trouble.severity == severity]
        axes.plot(*np.array(places).T, linestyle="", **_marker_style(severity))
