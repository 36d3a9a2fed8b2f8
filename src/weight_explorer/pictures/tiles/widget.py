"""Many small pictures in a grid on one canvas, with the number under the pointer."""

from __future__ import annotations

import anywidget
import traitlets

from weight_explorer.pictures import colors
from weight_explorer.pictures.assets import read_asset
from weight_explorer.pictures.data import TilesPicture
from weight_explorer.pictures.text import describe_picture

# Of each tile.
TILE_FIELDS = ("number", "label", "note", "fixed")


class TilesWidget(anywidget.AnyWidget):
    """Draws tiles in the browser from one float32 buffer, so the pointer needs no kernel.

    `cells` is little-endian and of `shape` (tiles, rows, columns, parts), and behind it stands the limit of each tile's colors.
    `axes` has the name, size and labels of each axis of the array; `rows` and `columns` say which run along a tile's sides.
    """

    _esm = read_asset("tiles.js")
    _css = read_asset("tiles.css")

    cells = traitlets.Bytes().tag(sync=True)
    shape = traitlets.List(traitlets.Int(), [0, 0, 0, 1]).tag(sync=True)
    tiles = traitlets.List(traitlets.Dict()).tag(sync=True)
    axes = traitlets.List(traitlets.Dict()).tag(sync=True)
    rows = traitlets.List(traitlets.Int()).tag(sync=True)
    columns = traitlets.List(traitlets.Int()).tag(sync=True)
    has_common_scale = traitlets.Bool(default_value=True).tag(sync=True)
    combined_text = traitlets.Unicode().tag(sync=True)
    measure = traitlets.Unicode().tag(sync=True)
    heading = traitlets.List(traitlets.Unicode()).tag(sync=True)
    alt_text = traitlets.Unicode().tag(sync=True)
    palette = traitlets.Bytes(read_only=True).tag(sync=True)
    special = traitlets.List(traitlets.Unicode(), [colors.NOT_A_NUMBER, colors.INFINITE], read_only=True).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self.set_trait("palette", colors.colormap_bytes())

    def show(self, picture: TilesPicture, name: str) -> None:
        """Draw a picture, in one message; `name` says of what, for those who cannot see it."""
        inner = {*picture.rows, *picture.columns}
        with self.hold_sync():
            self.shape = list(picture.cells.shape)
            self.cells = picture.cells.astype("<f4").tobytes() + picture.color_limits.astype("<f4").tobytes()
            self.tiles = [{name: getattr(tile, name) for name in TILE_FIELDS} for tile in picture.tiles]
            self.axes = [
                {"name": axis.name, "size": axis.size, "labels": list(axis.labels) if i in inner else []}
                for i, axis in enumerate(picture.axes)
            ]
            self.rows, self.columns = list(picture.rows), list(picture.columns)
            self.has_common_scale = picture.has_common_scale
            self.combined_text, self.measure = picture.combined_text, picture.measure
            self.heading = list(picture.heading)
            self.alt_text = describe_picture(picture, name)
