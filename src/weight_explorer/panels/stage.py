"""The place where pictures are shown: one panel for each kind of picture and view, made when first needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from weight_explorer.panels import details
from weight_explorer.panels.board import BoardPanel
from weight_explorer.panels.charts import ChartsPanel
from weight_explorer.panels.details import DetailsPanel
from weight_explorer.panels.heat import HeatPanel
from weight_explorer.panels.matrix import MatrixPanel
from weight_explorer.panels.ranking import RankingPanel
from weight_explorer.panels.tiles import TilesPanel
from weight_explorer.views.pictures import (
    BoardPicture,
    ChartPicture,
    EmptyPicture,
    HeatPicture,
    MatrixPicture,
    Picture,
    RankingPicture,
    TilesPicture,
)


def _show_message(panel: DetailsPanel, picture: EmptyPicture, _: str) -> None:
    panel.show(details.text(picture.caption, tone="large"))


# For each kind of picture the widget that shows it, and how that is told to: with the picture and a name of what it shows.
_PANELS: dict[type, tuple[Callable[[], ipywidgets.DOMWidget], Callable[[Any, Any, str], None]]] = {
    MatrixPicture: (MatrixPanel, MatrixPanel.show),
    HeatPicture: (HeatPanel, HeatPanel.show),
    ChartPicture: (ChartsPanel, ChartsPanel.show),
    TilesPicture: (TilesPanel, TilesPanel.show),
    RankingPicture: (RankingPanel, RankingPanel.show),
    BoardPicture: (BoardPanel, BoardPanel.show),
    EmptyPicture: (DetailsPanel, _show_message),
}


class Stage(ipywidgets.Box):
    """Shows one picture at a time.

    What is not shown is hidden, not removed: shown again it has its size already, and nothing jumps.
    """

    def __init__(self) -> None:
        super().__init__()
        self.add_class("we-stage")
        self._panels: dict[tuple[str, type], ipywidgets.DOMWidget] = {}
        # They are there from the start, since the user chooses with them.
        self.message = self.panel("", EmptyPicture)
        self.matrix = self.panel("matrix", MatrixPicture)
        self.ranking = self.panel("units", RankingPicture)
        self.heat = self.panel("overview", HeatPicture)

    def panel(self, view: str, kind: type) -> Any:
        """Return the panel that shows a kind of picture for a view."""
        key = ("" if kind is EmptyPicture else view, kind)
        if key not in self._panels:
            self._panels[key] = _PANELS[kind][0]()
            self.children = tuple(self._panels.values())
        return self._panels[key]

    def prepare(self, view: str, picture: Picture, name: str) -> ipywidgets.DOMWidget:
        """Make what shows a picture of a view, and fill it, so that it is there when it is asked for."""
        panel = self.panel(view, type(picture))
        if panel.layout.visibility is None:
            panel.layout.visibility = "hidden"
        _PANELS[type(picture)][1](panel, picture, name)
        return panel

    def show(self, view: str, picture: Picture, name: str) -> None:
        """Show a picture of a view; `name` says of what."""
        panel = self.prepare(view, picture, name)
        for other in self._panels.values():
            other.layout.visibility = "visible" if other is panel else "hidden"

    @property
    def parts(self) -> list[ipywidgets.Widget]:
        """All widgets with a page side of their own."""
        return [self, *(widget for panel in self._panels.values() for widget in getattr(panel, "parts", [panel]))]
