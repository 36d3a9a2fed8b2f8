"""Animated GIFs of pictures. All frames share the same scales, so only the data changes between frames."""

from __future__ import annotations

import io
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from weight_explorer.pictures import colors
from weight_explorer.pictures.data import (
    ChartPicture,
    GridPicture,
    MatrixPicture,
    Picture,
    RankingPicture,
    TilesPicture,
)
from weight_explorer.pictures.figure import figure_png, make_figure

# Browsers slow down animations with a higher frame rate.
MAX_FRAMES_PER_SECOND = 50

# The label that matplotlib gives to the axes of a color bar.
COLOR_BAR = "<colorbar>"

# Frames whose values exceed the typical range by this factor do not affect the scale. Otherwise all other frames would look
# blank.
OUTLIER_FACTOR = 10.0
BEYOND_TEXT = "The numbers of this record reach beyond the axes, which are the same in every frame."

_Interval = tuple[float, float]
_Limits = tuple[_Interval, _Interval]


def check_animation(path: str | os.PathLike[str], frames_per_second: float, num_frames: int) -> None:
    """Check the arguments of an animation.

    Raises:
        ValueError: An argument is invalid. The message says what was passed and what was expected.
    """
    if Path(path).suffix.lower() != ".gif":
        raise ValueError(
            f"A film is a GIF, and {str(path)!r} does not end in .gif. For one picture: explorer.figure().savefig(path)."
        )
    if not 0 < frames_per_second <= MAX_FRAMES_PER_SECOND:
        raise ValueError(f"frames_per_second={frames_per_second!r} must be above 0 and at most {MAX_FRAMES_PER_SECOND}.")
    if num_frames < 1:
        raise ValueError("There is no record with values to show. Train with callbacks=[explorer.callback], then film.")


def save_animation(
    path: str | os.PathLike[str],
    pictures: Callable[[float | None], Iterable[tuple[Picture, str]]],
    frames_per_second: float,
    on_frame: Callable[[], object],
) -> None:
    """Save an animation as a GIF.

    Args:
        path: The path of the file.
        pictures: A function that takes the common color limit and returns the pictures with their titles, one per frame. It is
            called twice, first with None, because the common scales must be known before the first frame is drawn.
        frames_per_second: The playback speed, in frames per second.
        on_frame: A callback that is called twice for each frame: whenever a picture is done.
    """
    reaches: list[float] = []
    limits: defaultdict[int, list[_Limits]] = defaultdict(list)
    for picture, title in pictures(None):
        reaches.append(_color_limit(picture))
        for place, found in _chart_limits(picture, title).items():
            limits[place].append(found)
        on_frame()
    scales = {place: _common_limits(found) for place, found in limits.items()}
    frames = _frames(pictures(common_color_limit(reaches)), scales, on_frame)
    first = next(frames)
    first.save(Path(path).expanduser(), save_all=True, append_images=frames, duration=round(1000 / frames_per_second), loop=0)


def common_color_limit(limits: Sequence[float]) -> float | None:
    """Return the color limit for all frames: the largest limit, ignoring outliers that would make the other frames look blank.

    >>> common_color_limit([0.0, 0.5, 0.8, 0.6, 1e9]), common_color_limit([0.0])
    (0.8, None)
    """
    found = np.array([reach for reach in limits if reach > 0])
    return float(found[_are_not_outliers(found)].max()) if len(found) else None


def _are_not_outliers(sizes: np.ndarray) -> np.ndarray:
    """Return a mask of the sizes that are not much larger than the median."""
    return sizes <= OUTLIER_FACTOR * np.median(sizes)


def _common_limits(limits: Sequence[_Limits]) -> _Limits:
    """Return the limits of both axes that cover all frames, ignoring frames that are much wider than usual."""
    ends = np.array(limits)  # shape (frames, axes, ends)
    near = ends[np.all([_are_not_outliers(widths) for widths in np.abs(np.diff(ends)).squeeze(-1).T], axis=0)]
    return _union(near[:, 0]), _union(near[:, 1])


def _union(ends: np.ndarray) -> _Interval:
    """Return the smallest interval that contains all given intervals. Intervals may be reversed."""
    first, last = (np.min, np.max) if ends[0, 0] <= ends[0, 1] else (np.max, np.min)
    return float(first(ends[:, 0])), float(last(ends[:, 1]))


def _frames(
    pictures: Iterable[tuple[Picture, str]], scales: dict[int, _Limits], on_frame: Callable[[], object]
) -> Iterator[Image.Image]:
    palette = _palette()
    for picture, title in pictures:
        with Image.open(io.BytesIO(figure_png(_frame(picture, title, scales)))) as frame:
            yield frame.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
        on_frame()


def _frame(picture: Picture, title: str, scales: dict[int, _Limits]) -> Figure:
    """Draw a frame with the common chart limits. The caption says if values lie beyond these limits."""
    figure = make_figure(picture, title)
    if _set_scales(figure, scales):
        figure = make_figure(replace(picture, caption=f"{picture.caption} {BEYOND_TEXT}"), title)
        _set_scales(figure, scales)
    return figure


def _set_scales(figure: Figure, scales: dict[int, _Limits]) -> bool:
    """Set the axis limits of the charts. Return whether any chart extended beyond them."""
    is_beyond = False
    for place, axes in _charts_on(figure):
        if place in scales:
            for own, common in zip((axes.get_xlim(), axes.get_ylim()), scales[place], strict=True):
                is_beyond |= min(own) < min(common) or max(own) > max(common)
            axes.set(xlim=scales[place][0], ylim=scales[place][1])
    return is_beyond


def _palette() -> Image.Image:
    """Return the palette for all frames: the colormap, grays for text, and the mark colors with lighter shades.

    A separate palette for each frame would make the same color look different from frame to frame.
    """
    grays = np.repeat(np.linspace(0, 255, 48).round().astype(np.uint8), 3).reshape(-1, 3)
    flat = dict.fromkeys((*colors.MARK_COLORS.values(), *colors.SIGNED_BAR_COLORS, *colors.SPECIAL_COLORS))
    marks = np.array([to_rgb(color) for color in flat])
    shades = np.concatenate([255 - (1 - marks) * 255 * strength for strength in (1, 0.75, 0.5, 0.2)]).round().astype(np.uint8)
    left = np.linspace(0, 255, 256 - len(grays) - len(shades)).round().astype(int)
    of_map = np.frombuffer(colors.colormap_bytes(), np.uint8).reshape(-1, 3)[left]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([of_map, grays, shades]).tobytes())
    return palette


def _chart_limits(picture: Picture, title: str) -> dict[int, _Limits]:
    if not isinstance(picture, ChartPicture | RankingPicture | GridPicture):
        return {}
    return {place: (axes.get_xlim(), axes.get_ylim()) for place, axes in _charts_on(make_figure(picture, title))}


def _charts_on(figure: Figure) -> Iterator[tuple[int, Axes]]:
    """Yield the axes whose scales depend on the data. Matrix axes are skipped because they count rows and columns."""
    return ((place, axes) for place, axes in enumerate(figure.axes) if not axes.images and axes.get_label() != COLOR_BAR)


def _color_limit(picture: Picture) -> float:
    """Return the color limit of a picture, or 0 if it has no scale that other pictures could share."""
    return _COLOR_LIMITS.get(type(picture), lambda _: 0.0)(picture)


def _color_limit_of_tiles(picture: TilesPicture) -> float:
    return float(picture.color_limits.max(initial=0)) if picture.has_common_scale else 0.0


def _color_limit_of_grid(picture: GridPicture) -> float:
    return max(map(_color_limit, (part for _, part in picture.pictures)), default=0.0)


_COLOR_LIMITS: dict[type, Callable[[Any], float]] = {
    MatrixPicture: lambda picture: picture.limit,
    TilesPicture: _color_limit_of_tiles,
    GridPicture: _color_limit_of_grid,
}
