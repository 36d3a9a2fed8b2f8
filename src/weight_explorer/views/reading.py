"""Get a quantity of a weight out of the history: its value, its change since the start, its change since the last record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.nodes import Weight
from weight_explorer.recording.history import Past, Series, Step
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


def kept_steps(weight: Weight, history: Past) -> tuple[int, ...]:
    """Return the numbers of the records that keep values of a weight or of a slice."""
    return history.steps(weight.whole)


def series_of(weight: Weight, history: Past, quantity: str) -> Series:
    """Return the statistics of a weight or of a slice over time."""
    return history.series(weight.whole, quantity, weight.index)


def row_of(weight: Weight, history: Past, number: int, quantity: str) -> np.ndarray:
    """Return the statistics of a weight or of a slice at one record."""
    return history.row(weight.whole, number, quantity, weight.index)


def value_of(weight: Weight, history: Past, number: int) -> np.ndarray | None:
    """Return the values of a weight or of a slice at one record, or None where they are not kept in this shape."""
    values = history.value(weight.whole, number)
    if values is None or not weight.index:
        return values
    fits = values.ndim >= len(weight.index)
    part = values[weight.index] if fits else None
    return part if part is not None and part.shape == weight.shape else None


def chosen_step(weight: Weight, history: Past, choice: Choice) -> int | None:
    """Return the number of the record to show: of those that keep values the chosen one, else the newest."""
    kept = kept_steps(weight, history)
    return choice.step if choice.step in kept else (kept[-1] if kept else None)


def read(weight: Weight, history: Past, choice: Choice) -> Reading | EmptyPicture:
    """Read what the choice asks for, or say why it is not there."""
    kept = kept_steps(weight, history)
    number = chosen_step(weight, history, choice)
    step = history.step(number) if number is not None else None
    values = value_of(weight, history, number) if number is not None else None
    if number is None or step is None or values is None:
        return missing(weight, history)
    if choice.quantity == "value":
        return Reading(_numbers(values), step, None)
    earlier = [other for other in kept if other < number]
    if not earlier:
        return EmptyPicture("There is one record so far. A change needs two: train, and it will be shown here.")
    against = earlier[0] if choice.quantity == "since_start" else earlier[-1]
    recorded = [other for other in history.recorded(weight.whole) if other < number]
    if choice.quantity == "since_last" and against != recorded[-1]:
        return EmptyPicture("The values of the record before this one are not kept any more, so their change cannot be shown.")
    before, against_step = value_of(weight, history, against), history.step(against)
    if before is None or against_step is None or before.shape != values.shape:
        return EmptyPicture("The weight had another shape then, so there is no change to show.")
    with np.errstate(invalid="ignore"):
        return Reading(_numbers(values) - _numbers(before), step, against_step)


def _numbers(values: np.ndarray) -> np.ndarray:
    """Widen low precision floats and integers: NumPy computes nonsense in float16 and int8."""
    return values if values.dtype == np.float64 else values.astype(np.float32, copy=False)


def missing(weight: Weight, history: Past) -> EmptyPicture:
    """Say why there are no values to show."""
    if not history.num_recorded:
        return EmptyPicture("Nothing is recorded yet. The first batch of training will fill this in.")
    what = "The whole of this" if weight.source else "This"
    return EmptyPicture(
        f"{what} weight has too many elements to keep within the history's bound of "
        f"{grouped(history.memory // 1_000_000)} MB, so only its statistics over time are kept. "
        f'WeightExplorer(model, memory="...") sets the bound.'
    )
