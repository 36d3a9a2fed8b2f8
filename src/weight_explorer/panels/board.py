"""Several pictures side by side, each with a title."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from weight_explorer.panels import details
from weight_explorer.panels.charts import ChartsPanel
from weight_explorer.panels.details import DetailsPanel
from weight_explorer.panels.matrix import MatrixPanel
from weight_explorer.views.pictures import BoardPicture, ChartPicture, MatrixPicture

# For each kind of picture that may be a tile, the widget that shows it, and how that is told to.
_TILES: dict[type, tuple[Callable[[], ipywidgets.DOMWidget], Callable[[Any, Any, str], None]]] = {
    MatrixPicture: (MatrixPanel, MatrixPanel.show),
    ChartPicture: (ChartsPanel, ChartsPanel.show),
}


class BoardPanel(ipywidgets.GridBox):
    """Shows tiles row by row. A tile is kept by its place and kind, so that other numbers make no new widgets."""

    def __init__(self) -> None:
        super().__init__()
        self.add_class("we-board")
        self._tiles: dict[tuple[int, type], _Tile] = {}

    def show(self, picture: BoardPicture, name: str) -> None:
        """Show the tiles; `name` says of what they are."""
        shown = []
        for place, (title, part) in enumerate(picture.tiles):
            key = place, type(part)
            if key not in self._tiles:
                self._tiles[key] = _Tile(part)
            tile = self._tiles[key]
            tile.show(title, part, f"{name}, {title}")
            shown.append(tile.box)
        columns = f"repeat({picture.columns}, minmax(0, 1fr))"
        if self.layout.grid_template_columns != columns:
            self.layout.grid_template_columns = columns
        if list(self.children) != shown:
            self.children = shown

    @property
    def parts(self) -> list[ipywidgets.Widget]:
        """All widgets with a page side of their own."""
        return [self, *(widget for tile in self._tiles.values() for widget in tile.parts)]


class _Tile:
    """One picture below its title."""

    def __init__(self, picture: MatrixPicture | ChartPicture) -> None:
        make, self._show = _TILES[type(picture)]
        self._title = DetailsPanel()
        self._panel = make()
        self.box = ipywidgets.VBox([self._title, self._panel])
        self.box.add_class("we-tile")

    def show(self, title: str, picture: MatrixPicture | ChartPicture, name: str) -> None:
        self._title.show(details.pieces([title]))
        self._show(self._panel, picture, name)

    @property
    def parts(self) -> list[ipywidgets.Widget]:
        return [self.box, self._title, *getattr(self._panel, "parts", [self._panel])]
