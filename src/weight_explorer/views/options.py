"""What a view can be told beside which weight and record it is of, such as the order of its rows: a table for each view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from weight_explorer.catalog.schema import Weight
from weight_explorer.recording.history import History
from weight_explorer.views.choice import Choice, MenuItem

# What may be chosen: some offers, of which the first is taken where nothing was chosen, or as many numbers, counted from 0.
ItemCount = int
ItemsFunction = Callable[[Weight, History, Choice], tuple[MenuItem, ...] | ItemCount]

OFF, ON = "off", "on"
# What a switch offers that is off, or on, until it is touched.
OFF_OR_ON = (MenuItem(OFF, OFF), MenuItem(ON, ON))
ON_OR_OFF = OFF_OR_ON[::-1]


@dataclass(frozen=True, slots=True)
class ViewOption:
    """One of a view's options. What is chosen is kept for each role, so that all kernels are looked at alike.

    Attributes:
        view: The view's name in the registry.
        name: Its name in Python: `explorer.select(view="filters", sort="norm")`.
        label: Its name on screen, or how a weight calls it.
        items: What may be chosen for a weight. An option with nothing to choose from is not shown.
        kind: "menu", "switch" (of `OFF` and `ON`), "slider" (of a range), or "picked" in the picture itself (of a range),
            or a "button", which asks for the same once more.
    """

    view: str
    name: str
    label: str | Callable[[Weight], str]
    items: ItemsFunction
    kind: str = "menu"

    def chosen(self, weight: Weight, history: History, choice: Choice) -> str:
        """Return what was chosen, or the first on offer; "" where nothing is, whatever was chosen for another weight."""
        asked = choice.options.get((weight.role, self.view, self.name), "")
        offered = self.items(weight, history, choice)
        if isinstance(offered, int):
            return asked if asked.isdecimal() and int(asked) < offered else "0"
        keys = [offer.key for offer in offered]
        return asked if asked in keys else next(iter(keys), "")

    def is_on(self, weight: Weight, history: History, choice: Choice) -> bool:
        """Whether a switch is on."""
        return self.chosen(weight, history, choice) == ON


@dataclass(frozen=True, slots=True)
class OptionState:
    """An option as it is on screen: its offers, or how many numbers there are, and what is chosen."""

    name: str
    label: str
    kind: str
    items: tuple[MenuItem, ...]
    count: int
    chosen: str


def fixed_items(*offers: tuple[str, str]) -> ItemsFunction:
    """Offer the same for every weight, given as (key, label)."""
    made = tuple(MenuItem(key, label) for key, label in offers)
    return lambda _weight, _history, _choice: made


def switch_option(view: str, name: str, label: str) -> ViewOption:
    """Make an option that is off until it is switched on."""
    return ViewOption(view, name, label, lambda _weight, _history, _choice: OFF_OR_ON, "switch")


def option_states(options: tuple[ViewOption, ...], weight: Weight, history: History, choice: Choice) -> tuple[OptionState, ...]:
    """Return those options that leave something to choose beside the picture."""
    result = []
    for option in options:
        if option.kind == "picked":
            continue
        found = option.items(weight, history, choice)
        count = found if isinstance(found, int) else 0
        offers = () if isinstance(found, int) else found
        if max(count, len(offers)) > 1 or (offers and option.kind == "button"):
            chosen = option.chosen(weight, history, choice)
            label = option.label if isinstance(option.label, str) else option.label(weight)
            result.append(OptionState(option.name, label, option.kind, offers, count, chosen))
    return tuple(result)
