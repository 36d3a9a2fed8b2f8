"""Get a quantity of a weight out of the history: its value, its change since the start, its change since the last record."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from weight_explorer.catalog.nodes import Weight
from weight_explorer.recording.moments import place_words
from weight_explorer.recording.past import Past, Series, start_among
from weight_explorer.recording.sampling import Sample
from weight_explorer.recording.statistics import widened
from weight_explorer.recording.time import Step
from weight_explorer.views.choice import Choice
from weight_explorer.views.numbers import grouped
from weight_explorer.views.pictures import EmptyPicture

# What to do where too little is kept.
MORE_MEMORY = 'WeightExplorer(model, memory="...") sets the bound on what is kept.'


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Values of a quantity at one record, and the record they are compared with (None for the value itself).

    Of a weight that is too large to keep, `values` are those of `sample`, and else of the weight's own shape.
    """

    values: np.ndarray
    step: Step
    against: Step | None
    sample: Sample | None = None

    @property
    def words(self) -> str:
        """What is shown, of which record, for a caption, and whether it is estimated."""
        return reading_words(self.step, self.against, self.sample)


def reading_words(step: Step, against: Step | None, sample: Sample | None) -> str:
    """Say what is shown, of which record, and whether it is estimated."""
    shown = "The value" if against is None else f"The change since {step_words(against)}"
    estimated = f" Estimated from {sample.words} elements." if sample else ""
    return f"{shown}, at {step_words(step)}.{estimated}"


def record_words(step: Step) -> str:
    """Say in few words which record this is."""
    return "the start" if step.is_start else f"record {step.number}"


def step_words(step: Step) -> str:
    """Say in words when a record was made."""
    which = record_words(step)
    return which if which == "the start" else f"{which} ({place_words(step)})"


def kept_steps(weight: Weight, history: Past) -> tuple[int, ...]:
    """Return the numbers of the records that keep values of a weight or of a slice, or a sample of them."""
    return history.steps(weight.whole)


def start_step(weight: Weight, history: Past, number: int) -> int:
    """Return the number of the record that keeps the values which a record's change since the start is measured from."""
    return start_among(kept_steps(weight, history), history.start, number)


def series_of(weight: Weight, history: Past, choice: Choice, quantity: str = "", most: int | None = None) -> Series:
    """Return the statistics of a weight or of a slice over time, of the chosen quantity or another."""
    return history.series(weight.whole, quantity or choice.quantity, weight.index, choice.against, most)


def row_of(weight: Weight, history: Past, choice: Choice, number: int, quantity: str = "") -> np.ndarray:
    """Return the statistics of a weight or of a slice at one record, of the chosen quantity or another."""
    return history.row(weight.whole, number, quantity or choice.quantity, weight.index, choice.against)


def value_of(weight: Weight, history: Past, number: int) -> tuple[np.ndarray, Sample | None] | None:
    """Return the values of a weight or of a slice at one record, whole or sampled; None where they are not kept so."""
    column = history.column(weight.whole)
    values = column.value(number) if column else None
    if column is None or values is None:
        return None
    if column.sample is not None:
        inside, sample = column.sample.part(weight.index)
        return values[inside], sample
    fits = values.ndim >= len(weight.index)
    part = values[weight.index] if fits else None
    return (part, None) if part is not None and part.shape == weight.shape else None


def chosen_step(weight: Weight, history: Past, choice: Choice) -> int | None:
    """Return the number of the record to show: of those that keep values the chosen one, the one before it, or the newest."""
    kept = kept_steps(weight, history)
    if not kept:
        return None
    return kept[-1] if choice.step is None else max((number for number in kept if number <= choice.step), default=kept[0])


def compared_step(kept: tuple[int, ...], begin: int, choice: Choice, number: int) -> int | None:
    """Return the number of the record that one is compared with, None where there is none; `begin` is that of the start."""
    earlier = [other for other in kept if other < number]
    start = [start_among(kept, begin, number)] if kept and number in kept else []
    wanted = {"since_start": [each for each in start if each != number], "since_last": earlier[-1:]}.get(choice.quantity)
    if wanted is None:
        wanted = [other for other in kept if other == choice.against]
    return wanted[0] if wanted else None


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a quantity is computed from: the values of a record as they were recorded, and of the one that is compared with."""

    now: np.ndarray
    before: np.ndarray | None
    step: Step
    against: Step | None
    sample: Sample | None

    def compute(self, now: np.ndarray, before: np.ndarray | None) -> np.ndarray:
        """Return the quantity of the same part of both records."""
        if before is None:
            return widened(now)
        with np.errstate(invalid="ignore", over="ignore"):
            return widened(now) - widened(before)

    @property
    def reading(self) -> Reading:
        """The whole quantity."""
        return Reading(self.compute(self.now, self.before), self.step, self.against, self.sample)


def read(weight: Weight, history: Past, choice: Choice) -> Reading | EmptyPicture:
    """Read what the choice asks for, or say why it is not there."""
    found = find(weight, history, choice)
    return found if isinstance(found, EmptyPicture) else found.reading


def find(weight: Weight, history: Past, choice: Choice) -> Found | EmptyPicture:
    """Find what the choice asks for without computing it yet, or say why it is not there."""
    number = chosen_step(weight, history, choice)
    step = history.step(number) if number is not None else None
    now = value_of(weight, history, number) if number is not None else None
    if number is None or step is None or now is None:
        return missing(weight, history)
    if now[1] is not None and not now[0].size:
        return EmptyPicture("Not one of the elements that are kept of this weight lies in this part of it.")
    found = Found(now[0], None, step, None, now[1])
    return found if choice.quantity == "value" else _find_change(weight, history, choice, found)


def _find_change(weight: Weight, history: Past, choice: Choice, found: Found) -> Found | EmptyPicture:
    """Find what the value is compared with, or say why it is not there."""
    number = found.step.number
    kept = kept_steps(weight, history)
    against = compared_step(kept, history.start, choice, number)
    if against is None:
        return EmptyPicture(_NOTHING_TO_COMPARE.get(choice.quantity, _NO_EARLIER))
    if choice.quantity == "since_last" and not _is_record_before(weight, history, against, number):
        return EmptyPicture("The values of the record before this one are not kept any more, so their change cannot be shown.")
    before, against_step = value_of(weight, history, against), history.step(against)
    if before is None or against_step is None or before[0].shape != found.now.shape:
        return EmptyPicture("The weight had another shape then, so there is no change to show.")
    return replace(found, before=before[0], against=against_step)


_NO_EARLIER = "There is no record before this one. A change needs two: train, or choose a later record."
_NOTHING_TO_COMPARE = {"since_record": "The record to compare with is not kept any more. Choose another one and press Compare."}


def _is_record_before(weight: Weight, history: Past, before: int, number: int) -> bool:
    """Whether nothing was recorded of a weight in between: neither what is still known, nor a record that was thinned away."""
    recorded = history.recorded(weight.whole)
    return before == recorded[recorded < number][-1] and all(history.step(between) for between in range(before + 1, number))


def missing(weight: Weight, history: Past) -> EmptyPicture:
    """Say why there are no values to show."""
    if not history.num_recorded:
        return EmptyPicture("Nothing is recorded yet. The first batch of training will fill this in.")
    if weight.dtype.startswith("complex"):
        return EmptyPicture("Complex numbers are not recorded: they have no minimum, no sign and no histogram.")
    what = "The whole of this" if weight.source else "This"
    return EmptyPicture(
        f"{what} weight has too many elements to keep even a sample within the history's bound of "
        f"{grouped(history.memory // 1_000_000)} MB, so only its statistics over time are kept. "
        f"{MORE_MEMORY}"
    )
