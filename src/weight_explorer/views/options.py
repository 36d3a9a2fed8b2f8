"""Options of a view besides weight and record, such as the order of its rows, and their state on screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from weight_explorer.catalog.schema import Weight
from weight_explorer.recording.history import History
from weight_explorer.views.choice import Choice, MenuItem

# The possible choices: menu items, of which the first is the default, or a count of numbers that start at 0.
ItemCount = int
ItemsFunction = Callable[[Weight, History, Choice], tuple[MenuItem, ...] | ItemCount]

OFF, ON = "off", "on"
# The items of a switch whose default is off, or on.
OFF_OR_ON = (MenuItem(OFF, OFF), MenuItem(ON, ON))
ON_OR_OFF = OFF_OR_ON[::-1]


@dataclass(frozen=True, slots=True)
class ViewOption:
    """One option of a view. The chosen value is kept per role, so that all kernels are shown alike.

    Attributes:
        view: The name of the view in the registry.
        name: The name of the option in Python: `explorer.select(view="filters", sort="norm")`.
        label: The label on screen, or a function that returns it for a weight.
        items: A function that returns the possible choices for a weight. An option without choices is not shown.
        kind: "menu", "switch" (with the items `OFF` and `ON`), "slider" (of a range), "picked" (of a range, in the picture
            itself), or "button", which repeats the same request.
    """

    view: str
    name: str
    label: str | Callable[[Weight], str]
    items: ItemsFunction
    kind: str = "menu"

    def chosen(self, weight: Weight, history: History, choice: Choice) -> str:
        """Return the chosen item, or the first one if the choice is not available for this weight; "" if there are none."""
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
    """An option as shown on screen: its items, or how many numbers there are, and what is chosen."""

    name: str
    label: str
    kind: str
    items: tuple[MenuItem, ...]
    count: int
    chosen: str


def fixed_items(*offers: tuple[str, str]) -> ItemsFunction:
    """Return a function that offers the same items, given as (key, label), for every weight."""
    made = tuple(MenuItem(key, label) for key, label in offers)
    return lambda _weight, _history, _choice: made


def switch_option(view: str, name: str, label: str) -> ViewOption:
    """Return a switch that is off by default."""
    return ViewOption(view, name, label, lambda _weight, _history, _choice: OFF_OR_ON, "switch")


def option_states(options: tuple[ViewOption, ...], weight: Weight, history: History, choice: Choice) -> tuple[OptionState, ...]:
    """Return the states of the options that offer a choice outside the picture."""
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
