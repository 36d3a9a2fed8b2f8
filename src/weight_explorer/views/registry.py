"""The table of views. A view is a module with a `draw` function and a row in this table."""

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
    """A view of a weight: its name, label, pure drawing function, and options, and the weights it applies to.

    `is_on_request` says for which weights drawing takes long. Such a view is drawn on request and never while training waits.
    `draw_with_sample` draws with a sample of an initializer, if the view shows samples.
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
    """Return the options of a view, or None if the view does not exist. The overview of all weights counts as a view."""
    if name == overview_view.VIEW:
        return overview_view.OPTIONS
    return VIEWS[name].options if name in VIEWS else None


def options_weight(resolved: ResolvedChoice) -> Weight | None:
    """Return the weight that options are chosen for: the one on screen, or the placeholder for all weights."""
    return overview_view.ALL_WEIGHTS if resolved.is_overview else resolved.weight


def views_for(weight: Weight) -> dict[str, View]:
    """Return the views that apply to a weight."""
    return {view.name: view for view in VIEWS.values() if view.applies(weight)}


def view_for(weight: Weight, choice: Choice) -> View:
    """Return the view chosen for weights of this role, or the first view if the chosen one does not apply to this weight."""
    offered = views_for(weight)
    return offered.get(choice.view_for(weight.role)) or next(iter(offered.values()))
