"""Many small images in a grid on one canvas, with the value under the pointer."""

from __future__ import annotations

import anywidget
import traitlets

from weight_explorer.pictures import colors
from weight_explorer.pictures.assets import read_asset
from weight_explorer.pictures.data import TilesPicture
from weight_explorer.pictures.text import describe_picture

# The fields of each tile to send to the browser.
TILE_FIELDS = ("number", "label", "note", "fixed")


class TilesWidget(anywidget.AnyWidget):
    """Draws tiles in the browser from one float32 buffer, so the value under the pointer is available without the kernel.

    `cells` is little-endian and of `shape` (tiles, rows, columns, parts), followed by the color limit of each tile. `axes` has
    the name, size and labels of each array axis. `rows` and `columns` list the axes that run along the sides of a tile.
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
        """Draw a picture, in one message to the browser. `name` says what it shows and is part of the alternative text."""
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
