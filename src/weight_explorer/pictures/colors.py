"""The colors of pictures, for the browser and for matplotlib alike; all readable on light and on dark ground."""

from __future__ import annotations

import functools

import matplotlib
import numpy as np
from matplotlib.colors import to_hex, to_rgb

# Blue below zero, white at zero, red above: told apart with every common kind of color blindness.
DIVERGING = "RdBu_r"
NOT_A_NUMBER = "#00b300"
INFINITE = "#ffd400"
NEGATIVE_INFINITE = "#a54cff"
# Beyond the ends of the map, which are dark red and dark blue.
ABOVE = "#ff5fc4"
BELOW = "#00d2f2"
SPECIAL_COLORS = (NOT_A_NUMBER, INFINITE, NEGATIVE_INFINITE, ABOVE, BELOW)

# Of heat tables: pale to dark, and a gray for what is exactly 0. Of matplotlib's maps it is the one from which the gray, the
# green of NaN and the yellow of infinities differ most, with protanopia, deuteranopia and tritanopia too: by 15 in CIELAB.
SEQUENTIAL = "Blues"
EXACT_ZERO = "#808080"
SEVERITY_COLORS = {"error": "#d32f2f", "warning": "#e65100", "note": "#757575"}

# The outline of what is selected; in the browser it is the theme's accent.
SELECTION_COLOR = "#1f83d2"

# Of bars: below zero, above it, and where there is no sign.
SIGNED_BAR_COLORS = ("#4393c3", "#d6604d")
UNSIGNED_BAR_COLOR = "#8a8a8a"

# Several things side by side. Searched for: of six colors with a contrast of at least 3 to white and to JupyterLab's dark
# ground those that are farthest apart (25 in CIELAB) also with protanopia, deuteranopia and tritanopia, after Machado et al.
# (2009).
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
# When all colors are taken, the same ones come again in dashes.
DASHED_MARKS = {"restored", "outside", "ended"} | {f"series {i + 1}" for i in range(len(SERIES_COLORS), MAX_SERIES)}
FAINT_MARKS = {"epoch"}


@functools.cache
def colormap_bytes(name: str = DIVERGING) -> bytes:
    """Return a color map as 256 x 3 bytes of red, green and blue."""
    colors = matplotlib.colormaps[name](range(256), bytes=True)
    return colors[:, :3].tobytes()


def colorize(cells: np.ndarray, limit: float) -> np.ndarray:
    """Return colors of cells of shape (rows, columns, parts), as bytes of red, green and blue.

    One part is colored from -`limit` to `limit`; three are red, green and blue, with zero mid-gray. A number that is not
    finite has a color of its own, also where it is only one of the three.
    """
    # In float64: a limit may be so small that its inverse overflows.
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
    """Return evenly spread colors from one mark's to another's.

    >>> ramp("start", "now", 3)
    ('#8a8a8a', '#5486ae', '#1f83d2')
    """
    low, high = np.array([to_rgb(MARK_COLORS[first]), to_rgb(MARK_COLORS[last])])
    shares = np.arange(count) / (count - 1) if count > 1 else np.ones(1)
    return tuple(to_hex(tuple(low + (high - low) * share)) for share in shares)
