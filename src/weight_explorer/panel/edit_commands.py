"""What a deed of the user is about: the elements that are meant by what is on screen, as an order, with its answer."""

from __future__ import annotations

import json
from dataclasses import dataclass

from weight_explorer.catalog.schema import Catalog
from weight_explorer.catalog.selection import ElementSelection
from weight_explorer.pictures.numbers import count_noun
from weight_explorer.recording.history import History
from weight_explorer.views import initializer
from weight_explorer.views.choice import Choice, resolve
from weight_explorer.views.initializer import InitializerRequest
from weight_explorer.views.registry import view_for
from weight_explorer.views.selection import selected_elements

FREEZE, UNFREEZE, SET, INITIALIZE, UNDO = "freeze", "unfreeze", "set", "initialize", "undo"
EDITS = (FREEZE, UNFREEZE, SET, INITIALIZE, UNDO)

NO_WEIGHT = "This layer shows no weight."


@dataclass(frozen=True, slots=True, eq=False)
class EditTarget:
    """The elements that a deed is about.

    Attributes:
        key: The weight.
        elements: What was brushed, or the names of blocks; None for all elements.
        text: How many of what, such as "all 8 000 elements of kernel".
        initializer_request: What is to be drawn, where the view of initializers is on screen.
    """

    key: str
    elements: ElementSelection | tuple[str, ...] | None
    text: str
    initializer_request: InitializerRequest | None = None

    @property
    def identity(self) -> str:
        """What tells it from everything else that can be meant."""
        wanted = (
            (self.initializer_request.name, *self.initializer_request.parameters, self.initializer_request.seed)
            if self.initializer_request
            else ()
        )
        return json.dumps([self.key, self.text, wanted])


@dataclass(frozen=True, slots=True, eq=False)
class EditCommand:
    """One deed, as it is asked for: one of `EDITS`, what it is about, and the text of the field "set to"."""

    edit: str
    target: EditTarget
    value: str = ""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What was done and from when on it holds, or why nothing was done."""

    text: str
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class EditAvailability:
    """Which deeds there are: why none, or "", and what would be undone, or ""."""

    refusal: str = ""
    undo: str = ""


NO_EDITS = EditAvailability("There is no live model here to change.")


@dataclass(frozen=True, slots=True, eq=False)
class EditToolbar:
    """What the row of deeds shows: what is meant, None where there is nothing, and which deeds are possible."""

    target: EditTarget | None = None
    availability: EditAvailability = NO_EDITS

    @property
    def text(self) -> str:
        """What is meant."""
        return self.target.text if self.target else NO_WEIGHT

    @property
    def refusal(self) -> str:
        """Why there are no deeds, or ""."""
        return self.availability.refusal or ("" if self.target else NO_WEIGHT)


def edit_target(catalog: Catalog, history: History, choice: Choice) -> EditTarget | None:
    """Find which elements a choice means: what was brushed, else a block, or several that meet, else the whole weight."""
    selection = resolve(catalog, choice)
    weight = selection.weight
    if weight is None:
        return None
    wanted = (
        initializer.initializer_request(weight, history, choice) if view_for(weight, choice).name == initializer.VIEW else None
    )
    names = tuple(offer.chosen for offer in selection.block_menus if not offer.is_all)
    elements = selected_elements(weight, choice.selection)
    if elements is not None:
        words = f"{elements.description} of {weight.name}: {count_noun(elements.count, 'element')}"
    elif names:
        words = f"{', '.join(names)} of {weight.name}: {count_noun(weight.size, 'element')}"
    else:
        words = (
            f"all {count_noun(weight.size, 'element')} of {weight.name}"
            if weight.size > 1
            else f"the one element of {weight.name}"
        )
    return EditTarget(weight.variable_key, elements or names or None, words, wanted)
