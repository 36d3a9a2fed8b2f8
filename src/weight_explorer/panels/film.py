"""Figures as a film: a GIF in which every frame has the same scales, so that nothing moves but the numbers."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from weight_explorer.panels import colors
from weight_explorer.panels.figure import png_of

# Browsers slow down what asks for more.
MOST_FRAMES_PER_SECOND = 50

# The label by which matplotlib marks a color bar's axes.
COLOR_BAR = "<colorbar>"

_Limits = dict[int, tuple[tuple[float, float], ...]]


def check_film(path: str | os.PathLike[str], frames_per_second: float, num_frames: int) -> None:
    """Refuse what no film can be made of.

    Raises:
        ValueError: The message says what came and what was expected.
    """
    if Path(path).suffix.lower() != ".gif":
        raise ValueError(
            f"A film is a GIF, and {str(path)!r} does not end in .gif. For one picture: explorer.figure().savefig(path)."
        )
    if not 0 < frames_per_second <= MOST_FRAMES_PER_SECOND:
        raise ValueError(f"frames_per_second={frames_per_second!r} must be above 0 and at most {MOST_FRAMES_PER_SECOND}.")
    if num_frames < 1:
        raise ValueError("There is no record with values to show. Train with callbacks=[explorer.callback], then film.")


def save_film(
    path: str | os.PathLike[str],
    figures: Callable[[], Iterable[Figure]],
    frames_per_second: float,
    on_frame: Callable[[], object],
) -> None:
    """Write a film.

    Args:
        path: The file.
        figures: Makes the figures, one for each frame; called twice, since their common scales must be known first.
        frames_per_second: How fast it plays.
        on_frame: Called whenever a figure is done: twice for each frame.
    """
    limits: _Limits = {}
    for figure in figures():
        _widen(limits, figure)
        on_frame()
    frames = _frames(figures(), limits, on_frame)
    first = next(frames)
    first.save(Path(path).expanduser(), save_all=True, append_images=frames, duration=round(1000 / frames_per_second), loop=0)


def _frames(figures: Iterable[Figure], limits: _Limits, on_frame: Callable[[], object]) -> Iterator[Image.Image]:
    palette = _palette()
    for figure in figures:
        for place, axes in _scaled_axes(figure):
            _set_limits(axes, limits[place])
        with Image.open(io.BytesIO(png_of(figure))) as frame:
            yield frame.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
        on_frame()


def _palette() -> Image.Image:
    """Return the colors of all frames: those of the map, grays for what is written, and the marks with their paler shades.

    A palette chosen for each frame would have its own idea of a pale red.
    """
    grays = np.repeat(np.linspace(0, 255, 48).round().astype(np.uint8), 3).reshape(-1, 3)
    flat = dict.fromkeys((*colors.MARKS.values(), *colors.SIGNED, *colors.SPECIAL))
    marks = np.array([to_rgb(color) for color in flat])
    shades = np.concatenate([255 - (1 - marks) * 255 * strength for strength in (1, 0.75, 0.5, 0.2)]).round().astype(np.uint8)
    left = np.linspace(0, 255, 256 - len(grays) - len(shades)).round().astype(int)
    of_map = np.frombuffer(colors.palette(), np.uint8).reshape(-1, 3)[left]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([of_map, grays, shades]).tobytes())
    return palette


def _scaled_axes(figure: Figure) -> Iterator[tuple[int, Axes]]:
    """Yield the axes that have scales of their own; a color bar follows its picture."""
    return ((place, axes) for place, axes in enumerate(figure.axes) if axes.get_label() != COLOR_BAR)


def _limits_of(axes: Axes) -> tuple[tuple[float, float], ...]:
    # A picture's axes count rows and columns, and stay; a chart's follow the numbers. A picture of zeros has no scale.
    if axes.images:
        return tuple(image.get_clim() if np.any(image.get_array()) else (0.0, 0.0) for image in axes.images)
    return axes.get_xlim(), axes.get_ylim()


def _set_limits(axes: Axes, limits: tuple[tuple[float, float], ...]) -> None:
    if axes.images:
        for image, limit in zip(axes.images, limits, strict=True):
            image.set_clim(*limit if limit[1] > limit[0] else (-1, 1))
    else:
        axes.set_xlim(limits[0])
        axes.set_ylim(limits[1])


def _widen(limits: _Limits, figure: Figure) -> None:
    for place, axes in _scaled_axes(figure):
        found = _limits_of(axes)
        known = limits.get(place, found)
        limits[place] = tuple((min(a[0], b[0]), max(a[1], b[1])) for a, b in zip(known, found, strict=True))
