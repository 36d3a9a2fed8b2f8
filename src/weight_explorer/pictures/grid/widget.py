"""Several pictures side by side, each with a title."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from weight_explorer.pictures import sections
from weight_explorer.pictures.chart.widget import ChartsWidget
from weight_explorer.pictures.data import ChartPicture, GridPicture, MatrixPicture
from weight_explorer.pictures.matrix.widget import MatrixWidget
from weight_explorer.pictures.sections import SectionsWidget

# For each kind of picture that a grid can contain: the widget class and the method that shows the picture.
_PART_WIDGETS: dict[type, tuple[Callable[[], ipywidgets.DOMWidget], Callable[[Any, Any, str], None]]] = {
    MatrixPicture: (MatrixWidget, MatrixWidget.show),
    ChartPicture: (ChartsWidget, ChartsWidget.show),
}


class GridWidget(ipywidgets.GridBox):
    """Displays pictures row by row. Widgets are reused by position and kind, so new data creates no new widgets."""

    def __init__(self) -> None:
        super().__init__()
        self.add_class("we-board")
        self._titled_pictures: dict[tuple[int, type], _TitledPicture] = {}

    def show(self, picture: GridPicture, name: str) -> None:
        """Show the pictures. `name` says what they show."""
        shown = []
        for place, (title, part) in enumerate(picture.pictures):
            key = place, type(part)
            if key not in self._titled_pictures:
                self._titled_pictures[key] = _TitledPicture(part)
            tile = self._titled_pictures[key]
            tile.show(title, part, f"{name}, {title}")
            shown.append(tile.box)
        columns = f"repeat({picture.columns}, minmax(0, 1fr))"
        if self.layout.grid_template_columns != columns:
            self.layout.grid_template_columns = columns
        if list(self.children) != shown:
            self.children = shown

    @property
    def parts(self) -> list[ipywidgets.Widget]:
        """All widgets that have a model in the browser."""
        return [self, *(widget for tile in self._titled_pictures.values() for widget in tile.parts)]


class _TitledPicture:
    """A picture with a title above it."""

    def __init__(self, picture: MatrixPicture | ChartPicture) -> None:
        make, self._show_picture = _PART_WIDGETS[type(picture)]
        self._title = SectionsWidget()
        self._widget = make()
        self.box = ipywidgets.VBox([self._title, self._widget])
        self.box.add_class("we-tile")

    def show(self, title: str, picture: MatrixPicture | ChartPicture, name: str) -> None:
        self._title.show(sections.text_line([title]))
        self._show_picture(self._widget, picture, name)

    @property
    def parts(self) -> list[ipywidgets.Widget]:
        return [self.box, self._title, *getattr(self._widget, "parts", [self._widget])]
