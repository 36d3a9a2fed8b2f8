"""What a deed of the user is about: the elements that are meant by what is on screen, as an order, with its answer."""

from __future__ import annotations

import json
from dataclasses import dataclass

from weight_explorer.catalog.elements import Elements
from weight_explorer.catalog.nodes import Catalog
from weight_explorer.recording.past import Past
from weight_explorer.views import lab
from weight_explorer.views.brush import brushed
from weight_explorer.views.choice import Choice, resolve
from weight_explorer.views.lab import Wanted
from weight_explorer.views.numbers import counted
from weight_explorer.views.registry import view_of

FREEZE, UNFREEZE, SET, INITIALIZE, UNDO = "freeze", "unfreeze", "set", "initialize", "undo"
DEEDS = (FREEZE, UNFREEZE, SET, INITIALIZE, UNDO)

NO_WEIGHT = "This layer shows no weight."


@dataclass(frozen=True, slots=True, eq=False)
class Meant:
    """The elements that a deed is about.

    Attributes:
        key: The weight.
        where: What was brushed, or the names of blocks; None for all elements.
        words: How many of what, such as "all 8 000 elements of kernel".
        wanted: What is to be drawn, where the view of initializers is on screen.
    """

    key: str
    where: Elements | tuple[str, ...] | None
    words: str
    wanted: Wanted | None = None

    @property
    def identity(self) -> str:
        """What tells it from everything else that can be meant."""
        wanted = (self.wanted.name, *self.wanted.parameters, self.wanted.seed) if self.wanted else ()
        return json.dumps([self.key, self.words, wanted])


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """One deed, as it is asked for: one of `DEEDS`, what it is about, and the text of the field "set to"."""

    deed: str
    meant: Meant
    value: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was done and from when on it holds, or why nothing was done."""

    words: str
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class Possible:
    """Which deeds there are: why none, or "", and what would be undone, or ""."""

    refusal: str = ""
    undo: str = ""


NOTHING_POSSIBLE = Possible("There is no live model here to change.")


@dataclass(frozen=True, slots=True, eq=False)
class Desk:
    """What the row of deeds shows: what is meant, None where there is nothing, and which deeds are possible."""

    meant: Meant | None = None
    possible: Possible = NOTHING_POSSIBLE

    @property
    def words(self) -> str:
        """What is meant."""
        return self.meant.words if self.meant else NO_WEIGHT

    @property
    def refusal(self) -> str:
        """Why there are no deeds, or ""."""
        return self.possible.refusal or ("" if self.meant else NO_WEIGHT)


def meant_of(catalog: Catalog, history: Past, choice: Choice) -> Meant | None:
    """Find which elements a choice means: what was brushed, else a block, or several that meet, else the whole weight."""
    selection = resolve(catalog, choice)
    weight = selection.weight
    if weight is None:
        return None
    wanted = lab.wanted_of(weight, history, choice) if view_of(weight, choice).name == lab.VIEW else None
    names = tuple(offer.chosen for offer in selection.blocks if not offer.is_all)
    elements = brushed(weight, choice.brush)
    if elements is not None:
        words = f"{elements.words} of {weight.name}: {counted(elements.count, 'element')}"
    elif names:
        words = f"{', '.join(names)} of {weight.name}: {counted(weight.size, 'element')}"
    else:
        words = (
            f"all {counted(weight.size, 'element')} of {weight.name}"
            if weight.size > 1
            else f"the one element of {weight.name}"
        )
    return Meant(weight.whole, elements or names or None, words, wanted)
