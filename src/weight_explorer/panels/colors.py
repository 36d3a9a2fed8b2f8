"""The colors of pictures, for the browser and for matplotlib alike; all readable on light and on dark ground."""

from __future__ import annotations

import functools

import matplotlib

# Blue below zero, white at zero, red above: told apart with every common kind of color blindness.
DIVERGING = "RdBu_r"
NOT_A_NUMBER = "#00b300"
INFINITE = "#ffd400"
NEGATIVE_INFINITE = "#a54cff"
# Beyond the ends of the map, which are dark red and dark blue.
ABOVE = "#ff5fc4"
BELOW = "#00d2f2"

MARKS = {
    "now": "#1f83d2",
    "start": "#8a8a8a",
    "minimum": "#7a5cc4",
    "maximum": "#d9731a",
    "change": "#c2408f",
}


@functools.cache
def palette() -> bytes:
    """Return the diverging color map as 256 x 3 bytes of red, green and blue."""
    colors = matplotlib.colormaps[DIVERGING](range(256), bytes=True)
    return colors[:, :3].tobytes()
