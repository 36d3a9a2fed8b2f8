"""Get a quantity of a weight out of the history: its value, its change since the start, its change since the last record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.nodes import Weight
from weight_explorer.recording.history import History, Step
from weight_explorer.views.choice import Choice
from weight_explorer.views.numbers import grouped
from weight_explorer.views.pictures import EmptyPicture


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Values of a quantity at one record, and the record they are compared with (None for the value itself)."""

    values: np.ndarray
    step: Step
    against: Step | None

    @property
    def words(self) -> str:
        """What is shown, of which record, for a caption."""
        shown = "The value" if self.against is None else f"The change since {step_words(self.against)}"
        return f"{shown}, at {step_words(self.step)}."


def step_words(step: Step) -> str:
    """Say in words when a record was made."""
    if step.kind == "start" and step.epoch == 0:
        return "the start"
    place = f"epoch {step.epoch}" if not step.batch else f"epoch {step.epoch + 1}, batch {step.batch}"
    return f"record {step.number} ({place})"


def read(weight: Weight, history: History, choice: Choice) -> Reading | EmptyPicture:
    """Read what the choice asks for, or say why it is not there."""
    kept = history.steps(weight.key)
    if not kept:
        return _missing(weight, history)
    number = kept[-1] if choice.step is None or choice.step not in kept else choice.step
    step, values = history.step(number), history.value(weight.key, number)
    if step is None or values is None:
        return _missing(weight, history)
    if choice.quantity == "value":
        return Reading(_numbers(values), step, None)
    earlier = [other for other in kept if other < number]
    if not earlier:
        return EmptyPicture("There is one record so far. A change needs two: train, and it will be shown here.")
    against = earlier[0] if choice.quantity == "since_start" else earlier[-1]
    before, against_step = history.value(weight.key, against), history.step(against)
    if before is None or against_step is None or before.shape != values.shape:
        return EmptyPicture("The weight had another shape then, so there is no change to show.")
    with np.errstate(invalid="ignore"):
        return Reading(_numbers(values) - _numbers(before), step, against_step)


def _numbers(values: np.ndarray) -> np.ndarray:
    """Widen low precision floats and integers: NumPy computes nonsense in float16 and int8."""
    return values if values.dtype == np.float64 else values.astype(np.float32, copy=False)


def _missing(weight: Weight, history: History) -> EmptyPicture:
    if not history.num_recorded:
        return EmptyPicture("Nothing is recorded yet. The first batch of training will fill this in.")
    return EmptyPicture(
        f"This weight has {grouped(weight.size)} elements: too many to keep within the history's bound of "
        f"{grouped(history.memory // 1_000_000)} MB, so only its statistics over time are kept. "
        f'WeightExplorer(model, memory="...") sets the bound.'
    )
