"""The whole panel: lays the parts out and shows a scene on them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import ipywidgets
import numpy as np

from weight_explorer.catalog.schema import Catalog
from weight_explorer.panel.previews import Previews, WeightsByLayer
from weight_explorer.panel.record_slider import RecordSlider
from weight_explorer.panel.state import PanelState
from weight_explorer.panel.widgets import record_slider
from weight_explorer.panel.widgets.edit_toolbar import EditToolbarWidget
from weight_explorer.panel.widgets.findings import FindingsWidget, findings_section
from weight_explorer.panel.widgets.options import OptionsWidget
from weight_explorer.panel.widgets.picture_area import PictureArea
from weight_explorer.panel.widgets.previews import PreviewsWidget
from weight_explorer.panel.widgets.record_slider import RecordSliderWidget
from weight_explorer.panel.widgets.save import SaveWidget
from weight_explorer.panel.widgets.selector import SelectorWidget
from weight_explorer.panel.widgets.status import StatusWidget
from weight_explorer.panel.widgets.tree import TreeWidget
from weight_explorer.pictures import sections
from weight_explorer.pictures.data import EmptyPicture
from weight_explorer.pictures.sections import SectionsWidget
from weight_explorer.pictures.widget_tree import close_with_children
from weight_explorer.views import initializer
from weight_explorer.views.choice import BLOCK_FIELDS, ResolvedChoice


@dataclass(frozen=True, slots=True)
class Control:
    """A widget that the user chooses with: the field of `Choice` that it sets, and the trait in which the choice arrives.

    `allows_empty` says that an empty text is a choice as well.
    """

    field: str
    widget: ipywidgets.Widget
    trait: str = "selected"
    allows_empty: bool = False


CALLBACK_CODE = "callbacks=[explorer.callback]"


class Panel:
    """All widgets of the panel. `controls` are those that the user chooses with.

    Args:
        on_widget_made: Called with every widget once it is made, charts that are made later included.
    """

    def __init__(self, on_widget_made: Callable[[ipywidgets.Widget], None]) -> None:
        self._on_widget_made = on_widget_made
        self._known_widgets: dict[str, ipywidgets.Widget] = {}
        self._catalog: Catalog | None = None
        self.status = StatusWidget()
        self.callback_code = SectionsWidget(label="to copy")
        self.tree = TreeWidget()
        self.roles = SelectorWidget(kind="tabs", label="roles", controls="we-stage")
        self.weights = SelectorWidget(kind="menu", label="weight")
        self.blocks = {field: SelectorWidget(kind="menu", label="part") for field in BLOCK_FIELDS}
        self.views = SelectorWidget(kind="tabs", label="views", controls="we-stage")
        self.quantities = SelectorWidget(kind="segments", label="quantity")
        self.facts = SectionsWidget(label="what it is")
        self.freeze_check = SectionsWidget(label="frozen elements")
        self.statistics = SectionsWidget(label="statistics")
        self.findings = FindingsWidget()
        self.explanation = SectionsWidget(label="explanation")
        self.options = OptionsWidget()
        self.save = SaveWidget()
        self.edit_toolbar = EditToolbarWidget()
        self.picture_area = PictureArea()
        self.record_slider = RecordSliderWidget()
        self.previews = PreviewsWidget()
        self.controls = (
            Control("layer", self.tree),
            Control("role", self.roles),
            Control("weight", self.weights),
            *(Control(field, menu) for field, menu in self.blocks.items()),
            Control("view", self.views),
            Control("view", self.edit_toolbar, "view"),
            Control("quantity", self.quantities),
            Control("option", self.options, "requested"),
            Control("option", self.picture_area.ranking, "requested"),
            Control("pin", self.picture_area.matrix, "pin"),
            Control("viewport", self.picture_area.matrix, "viewport"),
            Control("weight_key", self.picture_area.heatmap, "requested"),
            Control("viewport", self.picture_area.heatmap, "viewport"),
            Control("weight_key", self.findings, "requested"),
            Control("weight_key", self.explanation, "requested"),
            Control("weight_key", self.previews, "requested"),
            Control("selection", self.picture_area.matrix, "selection"),
            Control("record", self.record_slider, allows_empty=True),
            Control("against", self.record_slider, "against", allows_empty=True),
        )
        self.box = self._lay_out()
        self._report_new_widgets()

    def show(self, catalog: Catalog, state: PanelState) -> None:
        """Show a scene; every widget gets its whole new state in one message, or none where nothing changed."""
        if catalog is not self._catalog:
            self.tree.show(catalog)
            self._catalog = catalog
        self.tree.show_activity(state.activity)
        head = {"title": state.title, "phase": state.phase, "text": state.status, "problem": state.problem}
        self.status.show(**head, commands=state.training_commands)
        self.callback_code.show(sections.code_line(CALLBACK_CODE) if state.needs_callback else None)
        self._show_resolved(state.resolved)
        self.views.show([(view.key, view.label) for view in state.views], state.view)
        self.options.show(state.view, state.options)
        self.edit_toolbar.show(state.edit_toolbar, _initializer_view(state))
        self.quantities.show(state.quantities, state.quantity)
        self.facts.show(sections.text_line(state.facts) if state.facts else None)
        self.freeze_check.show(
            sections.check_line(state.freeze_check.text, state.freeze_check.state) if state.freeze_check else None
        )
        self._show_statistics(state)
        self.findings.show(state.finding_list, is_list=state.resolved.is_overview)
        self.explanation.show(
            sections.paragraph(state.explanation) if state.explanation else None,
            sections.paragraph("" if isinstance(state.picture, EmptyPicture) else state.picture.caption, tone="quiet"),
            findings_section(state.weight_findings, state.examined_at),
            sections.code_line(state.expression) if state.expression else None,
        )
        self.picture_area.show(state.view, state.picture, state.name)
        self._show_record_slider(state.record_slider, may_grow=state.can_grow)
        self.previews.follow(*_selected_path_and_key(state.resolved), is_over=not state.is_training)
        self._report_new_widgets()

    def show_previews(self, previews: Previews, weights_by_layer: WeightsByLayer, resolved: ResolvedChoice) -> None:
        """Have the page know all weights in small, and what is on screen."""
        self.previews.show(previews, weights_by_layer)
        self.previews.follow(*_selected_path_and_key(resolved), is_over=False)

    def prepare(self, state: PanelState) -> None:
        """Make, out of sight, the widgets that show a scene."""
        self.picture_area.prepare(state.view, state.picture, state.name)
        self._report_new_widgets()

    def close(self) -> None:
        """Close all widgets."""
        close_with_children(self.box, *self._known_widgets.values())
        self._known_widgets.clear()

    # -- parts -----------------------------------------------------------------------------------------------------

    def _show_resolved(self, resolved: ResolvedChoice) -> None:
        self.tree.selected = resolved.node.path
        self.roles.show([(role, role.capitalize()) for role in resolved.roles], resolved.role or "")
        offers = [(offer.key, offer.label) for offer in resolved.weight_items]
        self.weights.show(offers, resolved.weight.variable_key if resolved.weight else "", resolved.weight_menu_label)
        for menu, blocks in itertools.zip_longest(self.blocks.values(), resolved.block_menus[: len(self.blocks)]):
            options = [(offer.key, offer.label) for offer in blocks.items] if blocks else []
            menu.show(options, blocks.chosen if blocks else "", blocks.label if blocks else "part")

    def _show_statistics(self, state: PanelState) -> None:
        tables = (state.statistics, state.block_statistics)
        self.statistics.show(
            *(sections.table_section(table.headers, table.rows) if table and table.rows else None for table in tables)
        )

    def _show_record_slider(self, slider: RecordSlider, *, may_grow: bool) -> None:
        marks = np.array(
            [record_slider.START * step.is_initial + record_slider.EDIT_FLAGS.get(step.kind, 0) for step in slider.records],
            np.int64,
        )
        self.record_slider.show(
            numbers=[step.number for step in slider.records],
            epochs=[step.epoch for step in slider.records],
            batches=[step.batch for step in slider.records],
            keras_epochs=[step.keras_epoch for step in slider.records],
            fits=[step.fit for step in slider.records],
            flags=record_slider.KEPT | np.where(slider.begins_fit, record_slider.FIT_BOUNDARY, 0) | marks,
            names=slider.names,
            current=-1 if slider.current is None else slider.current,
            selected="" if slider.follows_newest or slider.current is None else str(slider.current),
            against="" if slider.against is None else str(slider.against),
            can_grow=may_grow,
        )

    def _lay_out(self) -> ipywidgets.Box:
        head = _box("we-head", self.status, self.callback_code)
        roles = _box("we-roles", self.roles, self.weights, *self.blocks.values())
        views = _box("we-views", self.views, self.quantities)
        parts = {
            "we-numbers": self.statistics,
            "we-words": self.explanation,
            "we-axis": self.record_slider,
        }
        for name, part in parts.items():
            part.add_class(name)
        facts = _box("we-facts", self.facts, self.freeze_check)
        choose = _box("we-choose", self.options, self.edit_toolbar, self.save)
        main = _box(
            "we-main",
            roles,
            facts,
            self.findings,
            views,
            choose,
            self.picture_area,
            self.statistics,
            self.explanation,
            self.record_slider,
            self.previews,
        )
        side = _box("we-side", self.tree)
        return _box("we-all", head, _box("we-body", side, main))

    def _report_new_widgets(self) -> None:
        texts = [self.status, self.callback_code, self.facts, self.freeze_check, self.statistics, self.explanation]
        others = [*texts, self.save, *(control.widget for control in self.controls)]
        self._known_widgets = {
            name: widget for name, widget in self._known_widgets.items() if widget.comm is not None
        }  # open ones
        for widget in (*others, *self.picture_area.parts):
            # One without a comm is closed, as `Widget.close_all()` of the user's does.
            if widget.comm is not None and widget.model_id not in self._known_widgets:
                self._known_widgets[widget.model_id] = widget
                self._on_widget_made(widget)


def _selected_path_and_key(resolved: ResolvedChoice) -> tuple[str, str]:
    """Return the path of the layer and the key of the weight that are selected, "" for none."""
    return resolved.node.path, resolved.weight.variable_key if resolved.weight else ""


def _initializer_view(state: PanelState) -> str:
    """Say where the view of initializers is: "" where the weight has none."""
    if all(view.key != initializer.VIEW for view in state.views):
        return ""
    return "shown" if state.view == initializer.VIEW else "away"


def _box(name: str, *children: ipywidgets.Widget) -> ipywidgets.Box:
    box = ipywidgets.Box(children)
    box.add_class(name)
    return box
