"""The records that one may stop at on the time axis, and which one is on screen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.nodes import Weight
from weight_explorer.recording.moments import CHANGES, place_words
from weight_explorer.recording.past import Past
from weight_explorer.recording.time import Step
from weight_explorer.views.choice import Choice
from weight_explorer.views.reading import chosen_step, kept_steps


@dataclass(frozen=True, slots=True, eq=False)
class Stops:
    """Records that keep values of the weight that is shown, oldest first.

    `shown` is the number of the one on screen, None where there is none; `is_live` says that the newest is followed, and
    `against` is the number of the record that others are compared with.
    """

    steps: tuple[Step, ...] = ()
    shown: int | None = None
    is_live: bool = True
    against: int | None = None

    @property
    def begins_fit(self) -> np.ndarray:
        """Whether each is the first of its fit, but for the very first."""
        fits = np.array([step.fit for step in self.steps], np.int64)
        return np.diff(fits, prepend=fits[:1]) > 0

    @property
    def names(self) -> tuple[str, ...]:
        """What tells each from those that training steps made: a file's name, or what was done; empty where none has one."""
        names = tuple(_name(step) for step in self.steps)
        return names if any(names) else ()


def _name(step: Step) -> str:
    return place_words(step) if step.kind == "before" or step.kind in CHANGES else step.name


def stops_of(weight: Weight | None, history: Past, choice: Choice) -> Stops:
    """Find the stops of a weight, and which of them the choice means."""
    if weight is None:
        return Stops()
    kept = set(kept_steps(weight, history))
    steps = tuple(step for step in history.records if step.number in kept)
    return Stops(steps, chosen_step(weight, history, choice), choice.step is None, choice.against)


def stops_of_all(history: Past, choice: Choice) -> Stops:
    """Find the stops of all weights together: every record, of which the chosen one, or the last before it, is marked."""
    steps = history.records
    numbers = history.timeline.numbers
    if not steps:
        return Stops()
    at = len(steps) if choice.step is None else int(np.searchsorted(numbers, choice.step, side="right"))
    return Stops(steps, int(numbers[max(at, 1) - 1]), choice.step is None, choice.against)
