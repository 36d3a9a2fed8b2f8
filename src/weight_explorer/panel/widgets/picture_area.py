"""The place where pictures are shown: one panel for each kind of picture and view, made when first needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from weight_explorer.pictures import sections
from weight_explorer.pictures.chart.widget import ChartsWidget
from weight_explorer.pictures.data import (
    ChartPicture,
    EmptyPicture,
    GridPicture,
    HeatmapPicture,
    MatrixPicture,
    Picture,
    RankingPicture,
    TilesPicture,
)
from weight_explorer.pictures.grid.widget import GridWidget
from weight_explorer.pictures.heatmap.widget import HeatmapWidget
from weight_explorer.pictures.matrix.widget import MatrixWidget
from weight_explorer.pictures.ranking.widget import RankingWidget
from weight_explorer.pictures.sections import SectionsWidget
from weight_explorer.pictures.tiles.widget import TilesWidget


def _show_message(panel: SectionsWidget, picture: EmptyPicture, _: str) -> None:
    panel.show(sections.paragraph(picture.caption, tone="large"))


# For each kind of picture the widget that shows it, and how that is told to: with the picture and a name of what it shows.
_PICTURE_WIDGETS: dict[type, tuple[Callable[[], ipywidgets.DOMWidget], Callable[[Any, Any, str], None]]] = {
    MatrixPicture: (MatrixWidget, MatrixWidget.show),
    HeatmapPicture: (HeatmapWidget, HeatmapWidget.show),
    ChartPicture: (ChartsWidget, ChartsWidget.show),
    TilesPicture: (TilesWidget, TilesWidget.show),
    RankingPicture: (RankingWidget, RankingWidget.show),
    GridPicture: (GridWidget, GridWidget.show),
    EmptyPicture: (SectionsWidget, _show_message),
}


class PictureArea(ipywidgets.Box):
    """Shows one picture at a time.

    What is not shown is hidden, not removed: shown again it has its size already, and nothing jumps.
    """

    def __init__(self) -> None:
        super().__init__()
        self.add_class("we-stage")
        self._picture_widgets: dict[tuple[str, type], ipywidgets.DOMWidget] = {}
        # They are there from the start, since the user chooses with them.
        self.message = self.widget_for("", EmptyPicture)
        self.matrix = self.widget_for("matrix", MatrixPicture)
        self.ranking = self.widget_for("units", RankingPicture)
        self.heatmap = self.widget_for("overview", HeatmapPicture)

    def widget_for(self, view: str, kind: type) -> Any:
        """Return the panel that shows a kind of picture for a view."""
        key = ("" if kind is EmptyPicture else view, kind)
        if key not in self._picture_widgets:
            self._picture_widgets[key] = _PICTURE_WIDGETS[kind][0]()
            self.children = tuple(self._picture_widgets.values())
        return self._picture_widgets[key]

    def prepare(self, view: str, picture: Picture, name: str) -> ipywidgets.DOMWidget:
        """Make what shows a picture of a view, and fill it, so that it is there when it is asked for."""
        panel = self.widget_for(view, type(picture))
        if panel.layout.visibility is None:
            panel.layout.visibility = "hidden"
        _PICTURE_WIDGETS[type(picture)][1](panel, picture, name)
        return panel

    def show(self, view: str, picture: Picture, name: str) -> None:
        """Show a picture of a view; `name` says of what."""
        panel = self.prepare(view, picture, name)
        for other in self._picture_widgets.values():
            other.layout.visibility = "visible" if other is panel else "hidden"

    @property
    def parts(self) -> list[ipywidgets.Widget]:
        """All widgets with a page side of their own."""
        return [self, *(widget for panel in self._picture_widgets.values() for widget in getattr(panel, "parts", [panel]))]
