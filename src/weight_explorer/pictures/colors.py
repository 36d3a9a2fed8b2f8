"""The colors of pictures, shared by the browser and matplotlib. All are readable on light and dark backgrounds."""

from __future__ import annotations

import functools

import matplotlib
import numpy as np
from matplotlib.colors import to_hex, to_rgb

# Blue below zero, white at zero, red above. Distinguishable with all common types of color blindness.
DIVERGING = "RdBu_r"
NOT_A_NUMBER = "#00b300"
INFINITE = "#ffd400"
NEGATIVE_INFINITE = "#a54cff"
# Values beyond the ends of the colormap, which are dark red and dark blue.
ABOVE = "#ff5fc4"
BELOW = "#00d2f2"
SPECIAL_COLORS = (NOT_A_NUMBER, INFINITE, NEGATIVE_INFINITE, ABOVE, BELOW)

# For heat maps: light to dark, with gray for values of exactly 0. Of all matplotlib colormaps, this one has the largest
# distance to the gray, the green of NaN and the yellow of infinities: 15 in CIELAB, also with protanopia, deuteranopia and
# tritanopia.
SEQUENTIAL = "Blues"
EXACT_ZERO = "#808080"
SEVERITY_COLORS = {"error": "#d32f2f", "warning": "#e65100", "note": "#757575"}

# The outline of the selection. The browser uses the accent color of the theme instead.
SELECTION_COLOR = "#1f83d2"

# Bar colors: below zero, above zero, and for quantities without a sign.
SIGNED_BAR_COLORS = ("#4393c3", "#d6604d")
UNSIGNED_BAR_COLOR = "#8a8a8a"

# Colors for several series. They were found by a search over sets of six colors with a contrast of at least 3 to white and to
# JupyterLab's dark background. This set has the largest minimum distance (25 in CIELAB), also with protanopia, deuteranopia
# and tritanopia, after Machado et al. (2009).
SERIES_COLORS = ("#1d85d3", "#e86b06", "#802bfc", "#7f5e55", "#9089ae", "#a9582e")
MAX_SERIES = 2 * len(SERIES_COLORS)

MARK_COLORS = {
    "now": "#1f83d2",
    "start": "#8a8a8a",
    "against": "#d9731a",
    "initializer": "#c2408f",
    "minimum": "#7a5cc4",
    "maximum": "#d9731a",
    "change": "#c2408f",
    "epoch": "#8a8a8a",
    "fit": "#8a8a8a",
    "edited": "#2e8b57",
    "restored": "#2e8b57",
    "outside": "#8a8a8a",
    "ended": "#8a8a8a",
    **{f"series {i + 1}": SERIES_COLORS[i % len(SERIES_COLORS)] for i in range(MAX_SERIES)},
}
# When all colors are used, they repeat with dashed lines.
DASHED_MARKS = {"restored", "outside", "ended"} | {f"series {i + 1}" for i in range(len(SERIES_COLORS), MAX_SERIES)}
FAINT_MARKS = {"epoch"}


@functools.cache
def colormap_bytes(name: str = DIVERGING) -> bytes:
    """Return a colormap as 256 x 3 bytes of red, green and blue."""
    colors = matplotlib.colormaps[name](range(256), bytes=True)
    return colors[:, :3].tobytes()


def colorize(cells: np.ndarray, limit: float) -> np.ndarray:
    """Return the colors of cells of shape (rows, columns, parts) as bytes of red, green and blue.

    One part is colored from -`limit` to `limit`. Three parts are red, green and blue, with zero as mid-gray. Values that are
    not finite have their own color, even if only one of the three parts is not finite.
    """
    # Use float64 because the inverse of a very small limit can overflow.
    scaled = 127.5 + np.where(np.isfinite(cells), cells, 0).astype(np.float64) * (127.5 / limit if limit > 0 else 0)
    places = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    image = np.frombuffer(colormap_bytes(), np.uint8).reshape(256, 3)[places[..., 0]] if cells.shape[-1] == 1 else places
    image = image.copy()
    image[np.isinf(cells).any(axis=-1)] = _rgb(INFINITE)
    image[np.isnan(cells).any(axis=-1)] = _rgb(NOT_A_NUMBER)
    return image


def _rgb(color: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(color[1:]))


@functools.cache
def ramp(first: str, last: str, count: int) -> tuple[str, ...]:
    """Return evenly spaced colors between the colors of two marks.

    >>> ramp("start", "now", 3)
    ('#8a8a8a', '#5486ae', '#1f83d2')
    """
    low, high = np.array([to_rgb(MARK_COLORS[first]), to_rgb(MARK_COLORS[last])])
    shares = np.arange(count) / (count - 1) if count > 1 else np.ones(1)
    return tuple(to_hex(tuple(low + (high - low) * share)) for share in shares)
