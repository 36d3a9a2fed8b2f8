"""All that is on screen, composed by one pure function from catalog, history, choice and status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from weight_explorer.catalog.nodes import Catalog, Weight
from weight_explorer.diagnosis.findings import NOT_EXAMINED, NOTHING_FOUND, Examined, Findings
from weight_explorer.recording.moments import place_words
from weight_explorer.recording.past import Past
from weight_explorer.recording.status import Status
from weight_explorer.recording.time import Step
from weight_explorer.views import facts, overview
from weight_explorer.views.activity import NO_ACTIVITY, Activity, activity_of
from weight_explorer.views.choice import QUANTITY_LABELS, Choice, Offer, Selection, quantity_label, resolve
from weight_explorer.views.found import NO_FINDINGS, FoundList, ShownFinding, examined_words, found_list, shown_findings
from weight_explorer.views.lab import Trial
from weight_explorer.views.meant import NOTHING_POSSIBLE, Desk, Possible, meant_of
from weight_explorer.views.names import file_name
from weight_explorer.views.options import OptionOffer, offered
from weight_explorer.views.pictures import EmptyPicture, Picture
from weight_explorer.views.proof import ProofLine, proof_line
from weight_explorer.views.reading import chosen_step
from weight_explorer.views.registry import VIEWS, View, view_of, views_for
from weight_explorer.views.stops import Stops, stops_of, stops_of_all


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What every part of the panel shows.

    `findings` are all there are, and `found_list` is how they are listed; `found` are those of the selected weight, the gravest
    first; `examined_at` says which record they are of, where that is not the newest. `needs_callback` says that the user still
    has to pass the callback to `fit`, and `may_grow` that more records may come.
    """

    title: str
    phase: str
    status: str
    problem: str
    selection: Selection
    view: str
    quantity: str
    quantities: tuple[tuple[str, str], ...]
    stops: Stops
    picture: Picture
    views: tuple[Offer, ...] = ()
    options: tuple[OptionOffer, ...] = ()
    facts: tuple[str, ...] = ()
    proof: ProofLine | None = None
    statistics: facts.StatisticsTable | None = None
    by_block: facts.StatisticsTable | None = None
    explanation: str = ""
    expression: str = ""
    findings: Findings = NOTHING_FOUND
    found: tuple[ShownFinding, ...] = ()
    examined_at: str = ""
    activity: Activity = NO_ACTIVITY
    found_list: FoundList = NO_FINDINGS
    desk: Desk = field(default_factory=Desk)
    orders: tuple[str, ...] = ()
    needs_callback: bool = False
    may_grow: bool = True

    @property
    def is_training(self) -> bool:
        """Whether a training runs, or rests."""
        return self.phase in ("training", "paused")

    @property
    def name(self) -> str:
        """Name what the picture shows, such as `encoder / kernel`."""
        if self.selection.is_overview:
            return f"{self.selection.node.path} / every weight"
        weight = self.selection.weight
        blocks = [offer.chosen for offer in self.selection.blocks if not offer.is_all]
        return " / ".join([self.selection.home.path, *([weight.name] if weight else []), *blocks])

    @property
    def file_name(self) -> str:
        """Name a file of the picture, without its suffix, such as `autoencoder_encoder_kernel_matrix_epoch_3`."""
        step = next((step for step in self.stops.steps if step.number == self.stops.shown), None)
        return file_name(self.name, self.view, place_words(step) if step else "")


ON_REQUEST = "This takes long to compute, so it is done when you ask and not while training waits: it will be here in a moment."


@dataclass(frozen=True, slots=True, eq=False)
class Circumstances:
    """What a scene depends on beside the model, its past and the choice.

    Attributes:
        clicks_wait: Whether the kernel cannot answer while a cell runs.
        is_asked: Whether somebody asked for the scene. What is drawn on request is drawn only then.
        standing: The picture to show else, which was drawn of this very choice when it was asked for.
        examined: The latest findings there are of the whole model, and of which record.
        trial: A sample that was drawn of an initializer.
        possible: Which deeds there are.
    """

    clicks_wait: bool = False
    is_asked: bool = True
    standing: Picture | None = None
    examined: Examined = NOT_EXAMINED
    trial: Trial | None = None
    possible: Possible = NOTHING_POSSIBLE


USUAL = Circumstances()


def compose(
    catalog: Catalog,
    history: Past,
    choice: Choice,
    status: Status,
    circumstances: Circumstances = USUAL,
) -> Scene:
    """Compose the scene."""
    selection = resolve(catalog, choice)
    weight = selection.weight
    head = _head(catalog, choice, status, selection, clicks_wait=circumstances.clicks_wait)
    head |= {"stops": stops_of(weight, history, choice)} | _examined(catalog, history, status, circumstances.examined)
    head["desk"] = Desk(meant_of(catalog, history, choice), circumstances.possible)
    if selection.is_overview:
        return Scene(**head | _overview(catalog, history, choice, circumstances.examined.findings))
    if weight is None:
        node = selection.node
        return Scene(**head, picture=EmptyPicture(facts.empty_words(node)), expression=node.expression if node.note else "")
    view = view_of(weight, choice)
    return Scene(
        **head | {"view": view.name, "views": _offers(views_for(weight))},
        options=offered(view.options, weight, history, choice),
        picture=_picture(view, weight, history, choice, circumstances),
        facts=facts.facts(weight, _step_on_screen(weight, history, choice)),
        proof=proof_line(weight, history, choice, may_take_long=circumstances.is_asked or not status.is_training),
        statistics=facts.statistics_table(weight, history, choice),
        by_block=facts.block_table(weight, history, choice),
        explanation=facts.explanation(weight, selection.home.path),
        expression=weight.expression,
        found=shown_findings(catalog, circumstances.examined.findings, weight),
    )


def _step_on_screen(weight: Weight, history: Past, choice: Choice) -> Step | None:
    number = chosen_step(weight, history, choice)
    return None if number is None else history.step(number)


def _examined(catalog: Catalog, history: Past, status: Status, examined: Examined) -> dict[str, Any]:
    numbers = history.timeline.numbers
    when = examined_words(examined, int(numbers[-1]) if len(numbers) else None, is_training=status.is_training)
    return {
        "findings": examined.findings,
        "examined_at": when,
        "found_list": found_list(catalog, examined, when),
        "activity": activity_of(catalog, history.last_change(), examined.findings),
    }


def _overview(catalog: Catalog, history: Past, choice: Choice, findings: Findings) -> dict[str, Any]:
    """Compose what is shown of all weights together."""
    return {
        "view": overview.VIEW,
        "views": (Offer(overview.VIEW, overview.LABEL),),
        "quantities": (),
        "stops": stops_of_all(history, choice),
        "options": offered(overview.OPTIONS, overview.ALL_WEIGHTS, history, choice),
        "picture": overview.draw(catalog, history, choice, findings),
        "facts": overview.facts(catalog),
        "explanation": overview.explanation(history, choice),
        "expression": "explorer.history.to_frame()",
    }


_NOT_YET = EmptyPicture(ON_REQUEST)


def _picture(view: View, weight: Weight, history: Past, choice: Choice, circumstances: Circumstances) -> Picture:
    if not circumstances.is_asked and view.is_on_request(weight):
        return circumstances.standing or _NOT_YET
    if view.tries:
        return view.tries(weight, history, choice, circumstances.trial)
    return view.draw(weight, history, choice)


def compose_problem(catalog: Catalog, choice: Choice, status: Status, error: Exception, *, clicks_wait: bool = False) -> Scene:
    """Compose what is on screen where the scene itself could not be: everything but the picture and its numbers."""
    head = _head(catalog, choice, status, resolve(catalog, choice), clicks_wait=clicks_wait)
    return Scene(**head, picture=EmptyPicture(f"This cannot be shown. {error}"))


def _head(catalog: Catalog, choice: Choice, status: Status, selection: Selection, *, clicks_wait: bool) -> dict[str, Any]:
    return {
        "title": facts.title(catalog),
        "phase": status.phase,
        "status": facts.status_words(status, clicks_wait=clicks_wait) + (" · pass to fit:" if status.needs_callback else ""),
        "needs_callback": status.needs_callback,
        "problem": status.problem,
        "orders": facts.orders(status, clicks_wait=clicks_wait),
        "selection": selection,
        "view": choice.view_of(selection.role),
        "views": _offers(VIEWS),
        "quantity": choice.quantity,
        "quantities": quantities_for(choice),
        "stops": Stops(),
        "may_grow": not status.is_over,
    }


def _offers(views: Mapping[str, View]) -> tuple[Offer, ...]:
    return tuple(Offer(view.name, view.label) for view in views.values())


def quantities_for(choice: Choice) -> tuple[tuple[str, str], ...]:
    """Return the quantities on offer, with their labels: a change since a certain record only where one was chosen."""
    offered = (name for name in QUANTITY_LABELS if name != "since_record" or choice.against is not None)
    return tuple((name, quantity_label(choice, name)) for name in offered)
