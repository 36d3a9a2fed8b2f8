"""Many small pictures in a grid on one canvas, with the number under the pointer."""

from __future__ import annotations

import anywidget
import traitlets

from weight_explorer.panels import colors
from weight_explorer.panels.assets import asset
from weight_explorer.views.pictures import TilesPicture
from weight_explorer.views.words import words_of

# Of each tile.
SENT = ("number", "label", "note", "fixed")


class TilesPanel(anywidget.AnyWidget):
    """Draws tiles in the browser from one float32 buffer, so the pointer needs no kernel.

    `cells` is little-endian and of `shape` (tiles, rows, columns, parts), and behind it stands the limit of each tile's colors.
    `axes` has the name, size and labels of each axis of the array; `rows` and `columns` say which run along a tile's sides.
    """

    _esm = asset("tiles.js")
    _css = asset("tiles.css")

    cells = traitlets.Bytes().tag(sync=True)
    shape = traitlets.List(traitlets.Int(), [0, 0, 0, 1]).tag(sync=True)
    tiles = traitlets.List(traitlets.Dict()).tag(sync=True)
    axes = traitlets.List(traitlets.Dict()).tag(sync=True)
    rows = traitlets.List(traitlets.Int()).tag(sync=True)
    columns = traitlets.List(traitlets.Int()).tag(sync=True)
    is_common = traitlets.Bool(default_value=True).tag(sync=True)
    combined = traitlets.Unicode().tag(sync=True)
    measure = traitlets.Unicode().tag(sync=True)
    heading = traitlets.List(traitlets.Unicode()).tag(sync=True)
    alternative = traitlets.Unicode().tag(sync=True)
    palette = traitlets.Bytes(read_only=True).tag(sync=True)
    special = traitlets.List(traitlets.Unicode(), [colors.NOT_A_NUMBER, colors.INFINITE], read_only=True).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self.set_trait("palette", colors.palette())

    def show(self, picture: TilesPicture, name: str) -> None:
        """Draw a picture, in one message; `name` says of what, for those who cannot see it."""
        inner = {*picture.rows, *picture.columns}
        with self.hold_sync():
            self.shape = list(picture.cells.shape)
            self.cells = picture.cells.astype("<f4").tobytes() + picture.limits.astype("<f4").tobytes()
            self.tiles = [{name: getattr(tile, name) for name in SENT} for tile in picture.tiles]
            self.axes = [
                {"name": axis.name, "size": axis.size, "labels": list(axis.labels) if i in inner else []}
                for i, axis in enumerate(picture.axes)
            ]
            self.rows, self.columns = list(picture.rows), list(picture.columns)
            self.is_common = picture.is_common
            self.combined, self.measure = picture.combined, picture.measure
            self.heading = list(picture.heading)
            self.alternative = words_of(picture, name)
