"""The table of views. A view is one module with a `draw`, and one row here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from weight_explorer.catalog.nodes import Weight
from weight_explorer.recording.past import Past
from weight_explorer.views import compare, distribution, filters, lab, layout, matrix, over_time, overview, spectrum, units
from weight_explorer.views.choice import Choice, Selection
from weight_explorer.views.options import Option
from weight_explorer.views.pictures import Picture


def _every(_: Weight) -> bool:
    return True


def _never(_: Weight) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class View:
    """A way to look at a weight: its name, its label on screen, its pure function, its options, and for which weights it is.

    `is_on_request` says of which weights drawing takes long, so that it is done when asked for and never while training waits.
    `tries` draws with a sample of an initializer, where the view is of those.
    """

    name: str
    label: str
    draw: Callable[[Weight, Past, Choice], Picture]
    options: tuple[Option, ...] = ()
    applies: Callable[[Weight], bool] = _every
    is_on_request: Callable[[Weight], bool] = _never
    tries: Callable[[Weight, Past, Choice, lab.Trial | None], Picture] | None = None


VIEWS: dict[str, View] = {
    view.name: view
    for view in (
        View(layout.VIEW, "Matrix", matrix.draw, matrix.OPTIONS),
        View(filters.VIEW, "Filters", filters.draw, filters.OPTIONS, filters.applies),
        View(distribution.VIEW, "Distribution", distribution.draw, distribution.OPTIONS),
        View(over_time.VIEW, "Over time", over_time.draw, over_time.OPTIONS),
        View(units.VIEW, "Units", units.draw, units.OPTIONS, units.applies),
        View(compare.VIEW, "Compare", compare.draw, compare.OPTIONS, compare.applies, compare.is_large),
        View(spectrum.VIEW, "Spectrum", spectrum.draw, spectrum.OPTIONS, spectrum.applies, is_on_request=_every),
        View(lab.VIEW, "Initializer", lab.draw, lab.OPTIONS, lab.applies, lab.is_large, lab.draw),
    )
}


def options_of(name: str) -> tuple[Option, ...] | None:
    """Return what a view can be told, or None where there is none of that name; the overview is one, of all weights."""
    if name == overview.VIEW:
        return overview.OPTIONS
    return VIEWS[name].options if name in VIEWS else None


def subject_of(selection: Selection) -> Weight | None:
    """Return what options are chosen for: the weight that is shown, or what stands for all of them."""
    return overview.ALL_WEIGHTS if selection.is_overview else selection.weight


def views_for(weight: Weight) -> dict[str, View]:
    """Return the views that there are of a weight."""
    return {view.name: view for view in VIEWS.values() if view.applies(weight)}


def view_of(weight: Weight, choice: Choice) -> View:
    """Return the view that was chosen for weights of this role, or the first one where this weight has no such view."""
    offered = views_for(weight)
    return offered.get(choice.view_of(weight.role)) or next(iter(offered.values()))
