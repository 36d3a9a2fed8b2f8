"""The table of views. A view is one module with a `draw`, and one row here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from weight_explorer.catalog.nodes import Weight
from weight_explorer.recording.past import Past
from weight_explorer.views import distribution, matrix, over_time
from weight_explorer.views.choice import Choice
from weight_explorer.views.pictures import Picture


@dataclass(frozen=True, slots=True)
class View:
    """A way to look at a weight: its name, its label on screen and its pure function."""

    name: str
    label: str
    draw: Callable[[Weight, Past, Choice], Picture]


VIEWS: dict[str, View] = {
    view.name: view
    for view in (
        View("matrix", "Matrix", matrix.draw),
        View("distribution", "Distribution", distribution.draw),
        View("over_time", "Over time", over_time.draw),
    )
}
