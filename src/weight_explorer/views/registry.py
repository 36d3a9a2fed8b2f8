"""The table of views. A view is one module with a `draw`, and one row here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from weight_explorer.catalog.schema import Weight
from weight_explorer.pictures.data import Picture
from weight_explorer.recording.history import History
from weight_explorer.views import compare, distribution, initializer, layout, spectrum, units
from weight_explorer.views.choice import Choice, ResolvedChoice
from weight_explorer.views.filters import filters_view
from weight_explorer.views.matrix import matrix_view
from weight_explorer.views.options import ViewOption
from weight_explorer.views.over_time import over_time_view
from weight_explorer.views.overview import overview_view


def _always(_: Weight) -> bool:
    return True


def _never(_: Weight) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class View:
    """A way to look at a weight: its name, its label on screen, its pure function, its options, and for which weights it is.

    `is_on_request` says of which weights drawing takes long, so that it is done when asked for and never while training waits.
    `draw_with_sample` draws with a sample of an initializer, where the view is of those.
    """

    name: str
    label: str
    draw: Callable[[Weight, History, Choice], Picture]
    options: tuple[ViewOption, ...] = ()
    applies: Callable[[Weight], bool] = _always
    is_on_request: Callable[[Weight], bool] = _never
    draw_with_sample: Callable[[Weight, History, Choice, initializer.InitializerSample | None], Picture] | None = None


VIEWS: dict[str, View] = {
    view.name: view
    for view in (
        View(layout.VIEW, "Matrix", matrix_view.draw, matrix_view.OPTIONS),
        View(filters_view.VIEW, "Filters", filters_view.draw, filters_view.OPTIONS, filters_view.applies),
        View(distribution.VIEW, "Distribution", distribution.draw, distribution.OPTIONS),
        View(over_time_view.VIEW, "Over time", over_time_view.draw, over_time_view.OPTIONS),
        View(units.VIEW, "Units", units.draw, units.OPTIONS, units.applies),
        View(compare.VIEW, "Compare", compare.draw, compare.OPTIONS, compare.applies, compare.is_large),
        View(spectrum.VIEW, "Spectrum", spectrum.draw, spectrum.OPTIONS, spectrum.applies, is_on_request=_always),
        View(
            initializer.VIEW,
            "Initializer",
            initializer.draw,
            initializer.OPTIONS,
            initializer.applies,
            initializer.is_large,
            initializer.draw,
        ),
    )
}


def options_of(name: str) -> tuple[ViewOption, ...] | None:
    """Return what a view can be told, or None where there is none of that name; the overview is one, of all weights."""
    if name == overview_view.VIEW:
        return overview_view.OPTIONS
    return VIEWS[name].options if name in VIEWS else None


def options_weight(resolved: ResolvedChoice) -> Weight | None:
    """Return what options are chosen for: the weight that is shown, or what stands for all of them."""
    return overview_view.ALL_WEIGHTS if resolved.is_overview else resolved.weight


def views_for(weight: Weight) -> dict[str, View]:
    """Return the views that there are of a weight."""
    return {view.name: view for view in VIEWS.values() if view.applies(weight)}


def view_for(weight: Weight, choice: Choice) -> View:
    """Return the view that was chosen for weights of this role, or the first one where this weight has no such view."""
    offered = views_for(weight)
    return offered.get(choice.view_for(weight.role)) or next(iter(offered.values()))
