"""All that is on screen, composed by one pure function from catalog, history, choice and status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from weight_explorer.catalog.schema import Catalog, Weight
from weight_explorer.diagnosis.findings import EMPTY_FINDINGS, NO_DIAGNOSIS, DiagnosisResult, Findings
from weight_explorer.panel import weight_details as facts
from weight_explorer.panel.edit_commands import NO_EDITS, EditAvailability, EditToolbar, edit_target
from weight_explorer.panel.finding_list import (
    NO_FINDINGS,
    FindingList,
    WeightFinding,
    describe_examined_record,
    finding_list,
    weight_findings,
)
from weight_explorer.panel.layer_activity import NO_ACTIVITY, LayerActivity, layer_activity
from weight_explorer.panel.record_slider import RecordSlider, overview_record_slider, record_slider
from weight_explorer.pictures.data import EmptyPicture, Picture
from weight_explorer.pictures.names import file_name
from weight_explorer.recording.descriptions import describe_event
from weight_explorer.recording.history import History
from weight_explorer.recording.records import Record
from weight_explorer.recording.status import TrainingStatus
from weight_explorer.views.choice import QUANTITY_LABELS, Choice, MenuItem, ResolvedChoice, quantity_label, resolve
from weight_explorer.views.frozen_check import FreezeCheckLine, freeze_check_line
from weight_explorer.views.initializer import InitializerSample
from weight_explorer.views.options import OptionState, option_states
from weight_explorer.views.overview import overview_view
from weight_explorer.views.reading import chosen_record
from weight_explorer.views.registry import VIEWS, View, view_for, views_for


@dataclass(frozen=True, slots=True, eq=False)
class PanelState:
    """What every part of the panel shows.

    `findings` are all there are, and `finding_list` is how they are listed; `weight_findings` are those of the selected weight,
    the gravest first; `examined_at` says which record they are of, where that is not the newest. `needs_callback` says that the
    user still has to pass the callback to `fit`, and `can_grow` that more records may come.
    """

    title: str
    phase: str
    status: str
    problem: str
    resolved: ResolvedChoice
    view: str
    quantity: str
    quantities: tuple[tuple[str, str], ...]
    record_slider: RecordSlider
    picture: Picture
    views: tuple[MenuItem, ...] = ()
    options: tuple[OptionState, ...] = ()
    facts: tuple[str, ...] = ()
    freeze_check: FreezeCheckLine | None = None
    statistics: facts.StatisticsTable | None = None
    block_statistics: facts.StatisticsTable | None = None
    explanation: str = ""
    expression: str = ""
    findings: Findings = EMPTY_FINDINGS
    weight_findings: tuple[WeightFinding, ...] = ()
    examined_at: str = ""
    activity: LayerActivity = NO_ACTIVITY
    finding_list: FindingList = NO_FINDINGS
    edit_toolbar: EditToolbar = field(default_factory=EditToolbar)
    training_commands: tuple[str, ...] = ()
    needs_callback: bool = False
    can_grow: bool = True

    @property
    def is_training(self) -> bool:
        """Whether a training runs, or rests."""
        return self.phase in ("training", "paused")

    @property
    def name(self) -> str:
        """Name what the picture shows, such as `encoder / kernel`."""
        if self.resolved.is_overview:
            return f"{self.resolved.node.path} / every weight"
        weight = self.resolved.weight
        blocks = [offer.chosen for offer in self.resolved.block_menus if not offer.is_all]
        return " / ".join([self.resolved.owner.path, *([weight.name] if weight else []), *blocks])

    @property
    def file_name(self) -> str:
        """Name a file of the picture, without its suffix, such as `autoencoder_encoder_kernel_matrix_epoch_3`."""
        step = next((step for step in self.record_slider.records if step.number == self.record_slider.current), None)
        return file_name(self.name, self.view, describe_event(step) if step else "")


ON_REQUEST_TEXT = (
    "This takes long to compute, so it is done when you ask and not while training waits: it will be here in a moment."
)


@dataclass(frozen=True, slots=True, eq=False)
class PanelContext:
    """What a scene depends on beside the model, its past and the choice.

    Attributes:
        clicks_wait: Whether the kernel cannot answer while a cell runs.
        is_requested: Whether somebody asked for the scene. What is drawn on request is drawn only then.
        last_picture: The picture to show else, which was drawn of this very choice when it was asked for.
        examined: The latest findings there are of the whole model, and of which record.
        initializer_sample: A sample that was drawn of an initializer.
        edit_availability: Which deeds there are.
    """

    clicks_wait: bool = False
    is_requested: bool = True
    last_picture: Picture | None = None
    examined: DiagnosisResult = NO_DIAGNOSIS
    initializer_sample: InitializerSample | None = None
    edit_availability: EditAvailability = NO_EDITS


DEFAULT_CONTEXT = PanelContext()


def compose_panel_state(
    catalog: Catalog,
    history: History,
    choice: Choice,
    status: TrainingStatus,
    context: PanelContext = DEFAULT_CONTEXT,
) -> PanelState:
    """Compose the scene."""
    selection = resolve(catalog, choice)
    weight = selection.weight
    head = _common_fields(catalog, choice, status, selection, clicks_wait=context.clicks_wait)
    head |= {"record_slider": record_slider(weight, history, choice)} | _finding_fields(
        catalog, history, status, context.examined
    )
    head["edit_toolbar"] = EditToolbar(edit_target(catalog, history, choice), context.edit_availability)
    if selection.is_overview:
        return PanelState(**head | _overview_fields(catalog, history, choice, context.examined.findings))
    if weight is None:
        node = selection.node
        return PanelState(
            **head,
            picture=EmptyPicture(facts.describe_empty_layer(node)),
            expression=node.expression if node.state_note else "",
        )
    view = view_for(weight, choice)
    return PanelState(
        **head | {"view": view.name, "views": _view_items(views_for(weight))},
        options=option_states(view.options, weight, history, choice),
        picture=_draw_picture(view, weight, history, choice, context),
        facts=facts.weight_facts(weight, _current_record(weight, history, choice)),
        freeze_check=freeze_check_line(weight, history, choice, may_take_long=context.is_requested or not status.is_training),
        statistics=facts.statistics_table(weight, history, choice),
        block_statistics=facts.block_statistics_table(weight, history, choice),
        explanation=facts.explain(weight, selection.owner.path),
        expression=weight.expression,
        weight_findings=weight_findings(catalog, context.examined.findings, weight),
    )


def _current_record(weight: Weight, history: History, choice: Choice) -> Record | None:
    number = chosen_record(weight, history, choice)
    return None if number is None else history.get_record(number)


def _finding_fields(catalog: Catalog, history: History, status: TrainingStatus, examined: DiagnosisResult) -> dict[str, Any]:
    numbers = history.timeline.record_numbers
    when = describe_examined_record(examined, int(numbers[-1]) if len(numbers) else None, is_training=status.is_training)
    return {
        "findings": examined.findings,
        "examined_at": when,
        "finding_list": finding_list(catalog, examined, when),
        "activity": layer_activity(catalog, history.last_change(), examined.findings),
    }


def _overview_fields(catalog: Catalog, history: History, choice: Choice, findings: Findings) -> dict[str, Any]:
    """Compose what is shown of all weights together."""
    return {
        "view": overview_view.VIEW,
        "views": (MenuItem(overview_view.VIEW, overview_view.LABEL),),
        "quantities": (),
        "record_slider": overview_record_slider(history, choice),
        "options": option_states(overview_view.OPTIONS, overview_view.ALL_WEIGHTS, history, choice),
        "picture": overview_view.draw(catalog, history, choice, findings),
        "facts": overview_view.model_facts(catalog),
        "explanation": overview_view.explain(history, choice),
        "expression": "explorer.history.to_frame()",
    }


_PENDING_PICTURE = EmptyPicture(ON_REQUEST_TEXT)


def _draw_picture(view: View, weight: Weight, history: History, choice: Choice, context: PanelContext) -> Picture:
    if not context.is_requested and view.is_on_request(weight):
        return context.last_picture or _PENDING_PICTURE
    if view.draw_with_sample:
        return view.draw_with_sample(weight, history, choice, context.initializer_sample)
    return view.draw(weight, history, choice)


def compose_error_state(
    catalog: Catalog, choice: Choice, status: TrainingStatus, error: Exception, *, clicks_wait: bool = False
) -> PanelState:
    """Compose what is on screen where the scene itself could not be: everything but the picture and its numbers."""
    head = _common_fields(catalog, choice, status, resolve(catalog, choice), clicks_wait=clicks_wait)
    return PanelState(**head, picture=EmptyPicture(f"This cannot be shown. {error}"))


def _common_fields(
    catalog: Catalog, choice: Choice, status: TrainingStatus, resolved: ResolvedChoice, *, clicks_wait: bool
) -> dict[str, Any]:
    return {
        "title": facts.panel_title(catalog),
        "phase": status.phase,
        "status": facts.describe_status(status, clicks_wait=clicks_wait) + (" · pass to fit:" if status.needs_callback else ""),
        "needs_callback": status.needs_callback,
        "problem": status.problem,
        "training_commands": facts.training_commands(status, clicks_wait=clicks_wait),
        "resolved": resolved,
        "view": choice.view_for(resolved.role),
        "views": _view_items(VIEWS),
        "quantity": choice.quantity,
        "quantities": quantities_for(choice),
        "record_slider": RecordSlider(),
        "can_grow": not status.is_over,
    }


def _view_items(views: Mapping[str, View]) -> tuple[MenuItem, ...]:
    return tuple(MenuItem(view.name, view.label) for view in views.values())


def quantities_for(choice: Choice) -> tuple[tuple[str, str], ...]:
    """Return the quantities on offer, with their labels: a change since a certain record only where one was chosen."""
    offered = (name for name in QUANTITY_LABELS if name != "since_record" or choice.against is not None)
    return tuple((name, quantity_label(choice, name)) for name in offered)
