"""Draws matrices with matplotlib."""

from __future__ import annotations

import math
import textwrap

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch, Rectangle
from matplotlib.path import Path

from weight_explorer.catalog.schema import Axis
from weight_explorer.pictures import colors
from weight_explorer.pictures.data import MatrixPicture
from weight_explorer.pictures.numbers import format_count
from weight_explorer.pictures.ticks import FullFormatter

# With more windows than this along a side, no separating lines are drawn, because they would cover the picture.
MAX_WINDOWS = 64

# The hatching of frozen elements, for the legend and in pixels.
HATCH = "////"
HATCH_IMAGE_SIZE, HATCH_PERIOD = (600, 1200), 16

# Above this number of rectangles, frozen elements have no outline.
MAX_RECTANGLES = 64

# Values that have no color on the colormap: the field in `SpecialCounts`, the name and the color.
SPECIAL_VALUES = (
    ("nans", "NaN", colors.NOT_A_NUMBER),
    ("positive_infs", "+Inf", colors.INFINITE),
    ("negative_infs", "-Inf", colors.NEGATIVE_INFINITE),
    ("above", "above", colors.ABOVE),
    ("below", "below", colors.BELOW),
)


def draw_matrix(figure: FigureBase, picture: MatrixPicture) -> None:
    """Draw a matrix with its color bar, blocks, labels, marks and pins."""
    axes = figure.subplots()
    image = _draw_cells(axes, picture)
    seen = picture.visible
    axes.locator_params(integer=True)
    _draw_frozen(axes, picture)
    _draw_blocks(axes, picture)
    _draw_selected(axes, picture)
    _draw_pins(axes, picture)
    axes.set(xlabel=axis_names(picture.columns, picture.column_order), ylabel=axis_names(picture.rows, picture.row_order))
    axes.set(xlim=(seen.left - 0.5, seen.right - 0.5), ylim=(seen.bottom - 0.5, seen.top - 0.5))
    if not axes.get_ylabel():  # a single row, which has no entry to label
        axes.set_yticks([])
    if picture.fixed_text:
        axes.set_title(f"at {picture.fixed_text}", fontsize=8, parse_math=False)
    _draw_color_bar(figure, axes, image, picture)


def _draw_cells(axes: Axes, picture: MatrixPicture) -> AxesImage:
    colormap = matplotlib.colormaps[colors.DIVERGING].with_extremes(
        bad=colors.NOT_A_NUMBER, over=colors.ABOVE, under=colors.BELOW
    )
    limit = picture.color_limit or 1.0
    (top, left), (rows, columns) = picture.top_left, picture.cells.shape
    bottom, right = top + rows * picture.row_step, left + columns * picture.column_step
    square = len(picture.rows) > 1 and len(picture.columns) > 1
    cells = np.where(np.isinf(picture.cells), np.nan, picture.cells)
    image = axes.imshow(
        cells, cmap=colormap, vmin=-limit, vmax=limit, interpolation="nearest",
        aspect="equal" if square else "auto", extent=(left - 0.5, right - 0.5, bottom - 0.5, top - 0.5),
    )  # fmt: skip
    for sign, color in ((1, colors.INFINITE), (-1, colors.NEGATIVE_INFINITE)):
        down, across = np.nonzero(picture.cells == sign * np.inf)
        if len(down):
            middles = (np.array([across, down]).T + 0.5) * (picture.column_step, picture.row_step) + (left - 0.5, top - 0.5)
            axes.plot(*middles.T, "s", color=color, ms=4)
    return image


def _draw_color_bar(figure: FigureBase, axes: Axes, image: AxesImage, picture: MatrixPicture) -> None:
    """Draw the color bar with its limit and the counts of values that have no color on the scale."""
    marks = picture.special_counts
    ends = {(True, True): "both", (True, False): "max", (False, True): "min"}
    bar = figure.colorbar(
        image, ax=axes, extend=ends.get((marks.above > 0, marks.below > 0), "neither"), format=FullFormatter()
    )
    bar.set_label(marks.color_limit_text, fontsize=8)
    counts = [(getattr(marks, field), name, color) for field, name, color in SPECIAL_VALUES]
    handles: list[Artist] = [
        Line2D([], [], marker="s", linestyle="", color=color, label=f"{format_count(count)} {name}")
        for count, name, color in counts
        if count
    ]
    if picture.frozen:
        is_drawn, words = picture.frozen.cells is not None, f"{format_count(picture.frozen.count)} frozen"
        hatch, linewidth = (HATCH, None) if is_drawn else (None, 0)
        handles.append(Patch(facecolor="none", edgecolor="0.2", label=words, hatch=hatch, linewidth=linewidth))
    if handles:
        place = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "ncols": len(handles), "frameon": False, "fontsize": 7}
        axes.legend(handles=handles, handletextpad=0.2, columnspacing=0.8, **place)


def _draw_frozen(axes: Axes, picture: MatrixPicture) -> None:
    """Hatch the cells with frozen elements and outline large areas. Dark and light lines are visible on every color."""
    if picture.frozen is None or picture.frozen.cells is None:
        return
    (top, left), (rows, columns) = picture.top_left, picture.cells.shape
    extent = (left - 0.5, left + columns * picture.column_step - 0.5, top + rows * picture.row_step - 0.5, top - 0.5)
    axes.imshow(hatch_image(picture.frozen.cells), interpolation="nearest", aspect=axes.get_aspect(), extent=extent)
    rectangles = overlay_rectangles(picture.frozen.cells, picture)
    if len(rectangles) <= MAX_RECTANGLES:
        axes.add_patch(PathPatch(_outline(rectangles), facecolor="none", edgecolor="0.1", linewidth=0.8))


def hatch_image(overlay: np.ndarray) -> np.ndarray:
    """Return an RGBA image with diagonal lines over the nonzero cells. The lines are broken where a cell is 1.

    The image size does not depend on the pattern of cells. The hatching of matplotlib takes seconds for scattered cells.
    """
    height, width = HATCH_IMAGE_SIZE
    rows, columns = (np.arange(size) * count // size for size, count in zip(HATCH_IMAGE_SIZE, overlay.shape, strict=True))
    kinds = overlay[rows[:, None], columns]
    down, across = np.ogrid[:height, :width]
    line, along = (down + across) % HATCH_PERIOD, (down - across) % (2 * HATCH_PERIOD)
    is_drawn = (kinds == 2) | ((kinds == 1) & (along < HATCH_PERIOD))
    image = np.zeros((height, width, 4), np.uint8)
    image[is_drawn & (line < 2)] = (0, 0, 0, 190)
    image[is_drawn & (line >= 2) & (line < 4)] = (255, 255, 255, 190)
    return image


def _draw_selected(axes: Axes, picture: MatrixPicture) -> None:
    """Outline the cells that the user selected."""
    if picture.selected is None or picture.selected.cells is None:
        return
    path = _outline(overlay_rectangles(picture.selected.cells, picture))
    for color, width in (("white", 3.0), (colors.SELECTION_COLOR, 1.5)):
        axes.add_patch(PathPatch(path, facecolor="none", edgecolor=color, linewidth=width))


def overlay_rectangles(overlay: np.ndarray, picture: MatrixPicture) -> list[tuple[float, float, float, float]]:
    """Return rectangles (left, top, width, height) that cover the nonzero cells, in axes coordinates.

    Consecutive rows with the same coverage are merged.
    """
    covered = overlay > 0
    starts = np.flatnonzero(np.append(True, (covered[1:] != covered[:-1]).any(axis=1)))
    found = []
    for first, end in zip(starts, np.append(starts[1:], len(covered)), strict=True):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], covered[first].view(np.int8), [0]))))
        found += [(int(left), int(first), int(right - left), int(end - first)) for left, right in edges.reshape(-1, 2)]
    (top, left), (down, across) = picture.top_left, (picture.row_step, picture.column_step)
    height, width = picture.size

    def placed(x: int, y: int, wide: int, high: int) -> tuple[float, float, float, float]:
        x, y, right, bottom = left + x * across, top + y * down, left + (x + wide) * across, top + (y + high) * down
        return x - 0.5, y - 0.5, min(right, width) - x, min(bottom, height) - y

    return [placed(*rectangle) for rectangle in found]


def _outline(rectangles: list[tuple[float, float, float, float]]) -> Path:
    corners = [[(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)] for x, y, width, height in rectangles]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(rectangles)
    return Path(np.array(corners, float).reshape(-1, 2), codes)


def _draw_pins(axes: Axes, picture: MatrixPicture) -> None:
    for pin in picture.pins:
        for color, width in (("white", 3.0), ("black", 1.5)):
            axes.add_patch(Rectangle((pin.column - 0.5, pin.row - 0.5), 1, 1, fill=False, edgecolor=color, linewidth=width))
        axes.annotate(
            str(pin.number), (pin.column + 0.5, pin.row - 0.5), fontsize=7, color="white", va="center",
            bbox={"facecolor": "black", "edgecolor": "none", "pad": 1.5}, annotation_clip=True,
        )  # fmt: skip


def _draw_blocks(axes: Axes, picture: MatrixPicture) -> None:
    """Draw lines between named blocks, or between the windows of a convolution, and label them."""
    for border in block_borders(picture.columns):
        axes.axvline(border - 0.5, color="0.3", linewidth=0.8)
    for border in block_borders(picture.rows):
        axes.axhline(border - 0.5, color="0.3", linewidth=0.8)
    seen = picture.visible
    sides = (
        (picture.columns, picture.column_order, axes.xaxis, (seen.left, seen.right)),
        (picture.rows, picture.row_order, axes.yaxis, (seen.top, seen.bottom)),
    )
    for side, order, axis, ends in sides:
        if has_ticks(side, order):
            axis.set_ticks(*entry_ticks(side, order, *ends), parse_math=False)
    if picture.columns[0].labels:
        axes.tick_params(axis="x", rotation=90, labelsize=7)
    if picture.rows[0].labels:
        axes.tick_params(axis="y", labelsize=7)
    inner = _inner_size(picture.columns)
    for block in picture.columns[0].blocks if picture.columns[0].is_split else ():
        start, stop = max(block.start * inner, seen.left), min(block.stop * inner, seen.right)
        if start < stop:
            place = ((start + stop) / 2 - 0.5, 1.01)
            axes.annotate(block.name, place, xycoords=("data", "axes fraction"), ha="center", fontsize=8)


def _inner_size(side: tuple[Axis, ...]) -> int:
    return math.prod(axis.size for axis in side[1:])


def block_borders(side: tuple[Axis, ...]) -> list[int]:
    """Return the rows or columns at which a new block, or a new window of a convolution, starts."""
    inner = _inner_size(side)
    if side[0].blocks:
        return [block.start * inner for block in side[0].blocks[1:]]
    return list(range(inner, side[0].size * inner, inner)) if len(side) > 1 and side[0].size <= MAX_WINDOWS else []


def has_ticks(side: tuple[Axis, ...], order: np.ndarray | None) -> bool:
    """Return whether a side has tick labels other than row or column numbers."""
    return bool(side[0].labels) or len(side) > 1 or order is not None


def entry_ticks(side: tuple[Axis, ...], order: np.ndarray | None, first: int, end: int) -> tuple[list[float], list[str]]:
    """Return the tick positions and labels for the entries of the outermost axis, as many as fit."""
    outer, inner = side[0], _inner_size(side)
    start, stop = first // inner, -(-end // inner)
    places = range(start, stop, -(-(stop - start) // (32 if outer.labels else 16)))
    entries = [place if order is None else int(order[place]) for place in places]
    names = [textwrap.shorten(outer.labels[i], 16, placeholder="…") if outer.labels else str(i) for i in entries]
    return [(place + 0.5) * inner - 0.5 for place in places], names


def axis_names(axes: tuple[Axis, ...], order: np.ndarray | None) -> str:
    """Return the label of a side: the names of its axes."""
    return " x ".join(axis.name for axis in axes) + ("" if order is None else " (sorted)")
