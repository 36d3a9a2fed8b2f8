"""The whole panel: lays the parts out and shows a scene on them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import ipywidgets
import numpy as np

from weight_explorer.catalog.nodes import Catalog
from weight_explorer.panels import details, time
from weight_explorer.panels.choices import ChoicesPanel
from weight_explorer.panels.desk import DeskPanel
from weight_explorer.panels.details import DetailsPanel
from weight_explorer.panels.family import close_family
from weight_explorer.panels.findings import FindingsPanel
from weight_explorer.panels.options import OptionsPanel
from weight_explorer.panels.save import SavePanel
from weight_explorer.panels.sketches import SketchesPanel
from weight_explorer.panels.stage import Stage
from weight_explorer.panels.status import StatusPanel
from weight_explorer.panels.time import TimePanel
from weight_explorer.panels.tree import TreePanel
from weight_explorer.views import lab
from weight_explorer.views.choice import BLOCK_FIELDS, Selection
from weight_explorer.views.pictures import EmptyPicture
from weight_explorer.views.scene import Scene
from weight_explorer.views.sketches import Places, Sketches
from weight_explorer.views.stops import Stops


@dataclass(frozen=True, slots=True)
class Control:
    """A widget that the user chooses with: the field of `Choice` that it sets, and the trait in which the choice arrives.

    `may_be_empty` says that an empty text is a choice as well.
    """

    field: str
    widget: ipywidgets.Widget
    trait: str = "selected"
    may_be_empty: bool = False


HOOK = "callbacks=[explorer.callback]"


class Panel:
    """All widgets of the panel. `controls` are those that the user chooses with.

    Args:
        adopt: Called with every widget once it is made, charts that are made later included.
    """

    def __init__(self, adopt: Callable[[ipywidgets.Widget], None]) -> None:
        self._adopt = adopt
        self._adopted: dict[str, ipywidgets.Widget] = {}
        self._catalog: Catalog | None = None
        self.status = StatusPanel()
        self.hook = DetailsPanel(label="to copy")
        self.tree = TreePanel()
        self.roles = ChoicesPanel(kind="tabs", label="roles", controls="we-stage")
        self.weights = ChoicesPanel(kind="menu", label="weight")
        self.blocks = {field: ChoicesPanel(kind="menu", label="part") for field in BLOCK_FIELDS}
        self.views = ChoicesPanel(kind="tabs", label="views", controls="we-stage")
        self.quantities = ChoicesPanel(kind="segments", label="quantity")
        self.facts = DetailsPanel(label="what it is")
        self.proof = DetailsPanel(label="frozen elements")
        self.numbers = DetailsPanel(label="statistics")
        self.findings = FindingsPanel()
        self.words = DetailsPanel(label="explanation")
        self.options = OptionsPanel()
        self.save = SavePanel()
        self.desk = DeskPanel()
        self.stage = Stage()
        self.time = TimePanel()
        self.sketches = SketchesPanel()
        self.controls = (
            Control("layer", self.tree),
            Control("role", self.roles),
            Control("weight", self.weights),
            *(Control(field, menu) for field, menu in self.blocks.items()),
            Control("view", self.views),
            Control("view", self.desk, "view"),
            Control("quantity", self.quantities),
            Control("option", self.options, "asked"),
            Control("option", self.stage.ranking, "asked"),
            Control("pin", self.stage.matrix, "pin"),
            Control("window", self.stage.matrix, "window"),
            Control("place", self.stage.heat, "asked"),
            Control("window", self.stage.heat, "window"),
            Control("place", self.findings, "asked"),
            Control("place", self.words, "asked"),
            Control("place", self.sketches, "asked"),
            Control("brush", self.stage.matrix, "brush"),
            Control("step", self.time, may_be_empty=True),
            Control("against", self.time, "against", may_be_empty=True),
        )
        self.box = self._lay_out()
        self._adopt_new()

    def show(self, catalog: Catalog, scene: Scene) -> None:
        """Show a scene; every widget gets its whole new state in one message, or none where nothing changed."""
        if catalog is not self._catalog:
            self.tree.show(catalog)
            self._catalog = catalog
        self.tree.show_activity(scene.activity)
        head = {"title": scene.title, "phase": scene.phase, "words": scene.status, "problem": scene.problem}
        self.status.show(**head, orders=scene.orders)
        self.hook.show(details.code(HOOK) if scene.needs_callback else None)
        self._show_selection(scene.selection)
        self.views.show([(view.key, view.label) for view in scene.views], scene.view)
        self.options.show(scene.view, scene.options)
        self.desk.show(scene.desk, _lab_state(scene))
        self.quantities.show(scene.quantities, scene.quantity)
        self.facts.show(details.pieces(scene.facts) if scene.facts else None)
        self.proof.show(details.check(scene.proof.words, scene.proof.state) if scene.proof else None)
        self._show_numbers(scene)
        self.findings.show(scene.found_list, is_list=scene.selection.is_overview)
        self.words.show(
            details.text(scene.explanation) if scene.explanation else None,
            details.text("" if isinstance(scene.picture, EmptyPicture) else scene.picture.caption, tone="quiet"),
            details.findings(scene.found, scene.examined_at),
            details.code(scene.expression) if scene.expression else None,
        )
        self.stage.show(scene.view, scene.picture, scene.name)
        self._show_time(scene.stops, may_grow=scene.may_grow)
        self.sketches.follow(*_place_of(scene.selection), is_over=not scene.is_training)
        self._adopt_new()

    def show_sketches(self, sketches: Sketches, places: Places, selection: Selection) -> None:
        """Have the page know all weights in small, and what is on screen."""
        self.sketches.show(sketches, places)
        self.sketches.follow(*_place_of(selection), is_over=False)

    def prepare(self, scene: Scene) -> None:
        """Make, out of sight, the widgets that show a scene."""
        self.stage.prepare(scene.view, scene.picture, scene.name)
        self._adopt_new()

    def close(self) -> None:
        """Close all widgets."""
        close_family(self.box, *self._adopted.values())
        self._adopted.clear()

    # -- parts -----------------------------------------------------------------------------------------------------

    def _show_selection(self, selection: Selection) -> None:
        self.tree.selected = selection.node.path
        self.roles.show([(role, role.capitalize()) for role in selection.roles], selection.role or "")
        offers = [(offer.key, offer.label) for offer in selection.offers]
        self.weights.show(offers, selection.weight.whole if selection.weight else "", selection.offer_kind)
        for menu, blocks in itertools.zip_longest(self.blocks.values(), selection.blocks[: len(self.blocks)]):
            options = [(offer.key, offer.label) for offer in blocks.offers] if blocks else []
            menu.show(options, blocks.chosen if blocks else "", blocks.kind if blocks else "part")

    def _show_numbers(self, scene: Scene) -> None:
        tables = (scene.statistics, scene.by_block)
        self.numbers.show(*(details.table(table.heads, table.rows) if table and table.rows else None for table in tables))

    def _show_time(self, stops: Stops, *, may_grow: bool) -> None:
        marks = np.array([time.START * step.is_start + time.BY_HAND.get(step.kind, 0) for step in stops.steps], np.int64)
        self.time.show(
            numbers=[step.number for step in stops.steps],
            epochs=[step.epoch for step in stops.steps],
            batches=[step.batch for step in stops.steps],
            keras_epochs=[step.keras_epoch for step in stops.steps],
            fits=[step.fit for step in stops.steps],
            marks=time.KEPT | np.where(stops.begins_fit, time.SEAM, 0) | marks,
            names=stops.names,
            shown=-1 if stops.shown is None else stops.shown,
            selected="" if stops.is_live or stops.shown is None else str(stops.shown),
            against="" if stops.against is None else str(stops.against),
            may_grow=may_grow,
        )

    def _lay_out(self) -> ipywidgets.Box:
        head = _box("we-head", self.status, self.hook)
        roles = _box("we-roles", self.roles, self.weights, *self.blocks.values())
        views = _box("we-views", self.views, self.quantities)
        parts = {
            "we-numbers": self.numbers,
            "we-words": self.words,
            "we-axis": self.time,
        }
        for name, part in parts.items():
            part.add_class(name)
        facts = _box("we-facts", self.facts, self.proof)
        choose = _box("we-choose", self.options, self.desk, self.save)
        main = _box(
            "we-main",
            roles,
            facts,
            self.findings,
            views,
            choose,
            self.stage,
            self.numbers,
            self.words,
            self.time,
            self.sketches,
        )
        side = _box("we-side", self.tree)
        return _box("we-all", head, _box("we-body", side, main))

    def _adopt_new(self) -> None:
        texts = [self.status, self.hook, self.facts, self.proof, self.numbers, self.words]
        others = [*texts, self.save, *(control.widget for control in self.controls)]
        self._adopted = {name: widget for name, widget in self._adopted.items() if widget.comm is not None}  # open ones
        for widget in (*others, *self.stage.parts):
            # One without a comm is closed, as `Widget.close_all()` of the user's does.
            if widget.comm is not None and widget.model_id not in self._adopted:
                self._adopted[widget.model_id] = widget
                self._adopt(widget)


def _place_of(selection: Selection) -> tuple[str, str]:
    """Return the path of the layer and the key of the weight that are selected, "" for none."""
    return selection.node.path, selection.weight.whole if selection.weight else ""


def _lab_state(scene: Scene) -> str:
    """Say where the view of initializers is: "" where the weight has none."""
    if all(view.key != lab.VIEW for view in scene.views):
        return ""
    return "shown" if scene.view == lab.VIEW else "away"


def _box(name: str, *children: ipywidgets.Widget) -> ipywidgets.Box:
    box = ipywidgets.Box(children)
    box.add_class(name)
    return box
