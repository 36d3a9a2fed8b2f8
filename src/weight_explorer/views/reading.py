"""Read a quantity of a weight from the history: its value, its change since the start, or its change since the last record."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from weight_explorer.catalog.schema import Weight
from weight_explorer.pictures.data import EmptyPicture
from weight_explorer.pictures.numbers import format_count
from weight_explorer.recording.descriptions import describe_event
from weight_explorer.recording.history import History, StatisticsSeries, find_start_record
from weight_explorer.recording.records import Record
from weight_explorer.recording.sampling import Sample
from weight_explorer.recording.statistics.summary import to_float
from weight_explorer.views.choice import Choice

# A hint for when too little is kept.
MEMORY_HINT = 'WeightExplorer(model, memory="...") sets the bound on what is kept.'


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """The values of a quantity at one record, and the record they are compared with (None for the value itself).

    `values` has the shape of the weight. If only a sample of the elements is kept, it holds the values of `sample` instead.
    """

    values: np.ndarray
    record: Record
    against: Record | None
    sample: Sample | None = None

    @property
    def text(self) -> str:
        """A caption: what is shown, of which record, and whether it is estimated."""
        return describe_reading(self.record, self.against, self.sample)


def describe_reading(record: Record, against: Record | None, sample: Sample | None) -> str:
    """Describe what is shown, of which record, and whether it is estimated."""
    shown = "The value" if against is None else f"The change since {describe_record(against)}"
    estimated = f" Estimated from {sample.description} elements." if sample else ""
    return f"{shown}, at {describe_record(record)}.{estimated}"


def record_name(record: Record) -> str:
    """Return a short name of a record."""
    return "the start" if record.is_initial else f"record {record.number}"


def describe_record(record: Record) -> str:
    """Describe when a record was made."""
    which = record_name(record)
    return which if which == "the start" else f"{which} ({describe_event(record)})"


def kept_records(weight: Weight, history: History) -> tuple[int, ...]:
    """Return the numbers of the records that keep values of a weight or of a slice, or a sample of them."""
    return history.records_with_values(weight.variable_key)


def start_record(weight: Weight, history: History, number: int) -> int:
    """Return the number of the record from which a record's change since the start is measured."""
    return find_start_record(kept_records(weight, history), history.start_record, number)


def recorded_series(
    weight: Weight, history: History, choice: Choice, quantity: str = "", max_records: int | None = None
) -> StatisticsSeries:
    """Return the recorded statistics of a weight or of a slice over time, for the chosen quantity or another one."""
    return history.statistics(weight.variable_key, quantity or choice.quantity, weight.index, choice.against, max_records)


def statistics_row(weight: Weight, history: History, choice: Choice, number: int, quantity: str = "") -> np.ndarray:
    """Return the statistics of a weight or of a slice at one record, for the chosen quantity or another one."""
    return history.statistics_at(weight.variable_key, number, quantity or choice.quantity, weight.index, choice.against)


def values_at_record(weight: Weight, history: History, number: int) -> tuple[np.ndarray, Sample | None] | None:
    """Return the values of a weight or of a slice at one record, whole or sampled; None if they are not kept."""
    column = history.weight_history(weight.variable_key)
    values = column.values_at(number) if column else None
    if column is None or values is None:
        return None
    if column.sample is not None:
        inside, sample = column.sample.part(weight.index)
        return values[inside], sample
    fits = values.ndim >= len(weight.index)
    part = values[weight.index] if fits else None
    return (part, None) if part is not None and part.shape == weight.shape else None


def chosen_record(weight: Weight, history: History, choice: Choice) -> int | None:
    """Return the number of the record to show: the chosen one, the last one before it that keeps values, or the newest."""
    kept = kept_records(weight, history)
    if not kept:
        return None
    return kept[-1] if choice.record is None else max((number for number in kept if number <= choice.record), default=kept[0])


def compared_record(kept: tuple[int, ...], start: int, choice: Choice, number: int) -> int | None:
    """Return the number of the record to compare with, or None if there is none; `start` is the number of the start record."""
    earlier = [other for other in kept if other < number]
    first = [find_start_record(kept, start, number)] if kept and number in kept else []
    wanted = {"since_start": [each for each in first if each != number], "since_last": earlier[-1:]}.get(choice.quantity)
    if wanted is None:
        wanted = [other for other in kept if other == choice.against]
    return wanted[0] if wanted else None


@dataclass(frozen=True, slots=True, eq=False)
class ReadingInputs:
    """The inputs of a quantity: the recorded values at one record, and at the record it is compared with."""

    now: np.ndarray
    before: np.ndarray | None
    record: Record
    against: Record | None
    sample: Sample | None

    def compute(self, now: np.ndarray, before: np.ndarray | None) -> np.ndarray:
        """Return the quantity, computed from the same part of both records."""
        if before is None:
            return to_float(now)
        with np.errstate(invalid="ignore", over="ignore"):
            return to_float(now) - to_float(before)

    @property
    def reading(self) -> Reading:
        """The quantity of the whole weight."""
        return Reading(self.compute(self.now, self.before), self.record, self.against, self.sample)


def read_quantity(weight: Weight, history: History, choice: Choice) -> Reading | EmptyPicture:
    """Read the chosen quantity, or return a message that says why it is not available."""
    found = find_inputs(weight, history, choice)
    return found if isinstance(found, EmptyPicture) else found.reading


def find_inputs(weight: Weight, history: History, choice: Choice) -> ReadingInputs | EmptyPicture:
    """Find the inputs of the chosen quantity without computing it, or return a message that says why they are missing."""
    number = chosen_record(weight, history, choice)
    step = history.get_record(number) if number is not None else None
    now = values_at_record(weight, history, number) if number is not None else None
    if number is None or step is None or now is None:
        return explain_missing(weight, history)
    if now[1] is not None and not now[0].size:
        return EmptyPicture("Not one of the elements that are kept of this weight lies in this part of it.")
    found = ReadingInputs(now[0], None, step, None, now[1])
    return found if choice.quantity == "value" else _add_reference(weight, history, choice, found)


def _add_reference(weight: Weight, history: History, choice: Choice, inputs: ReadingInputs) -> ReadingInputs | EmptyPicture:
    """Find the values to compare with, or return a message that says why they are missing."""
    number = inputs.record.number
    kept = kept_records(weight, history)
    against = compared_record(kept, history.start_record, choice, number)
    if against is None:
        return EmptyPicture(_MISSING_REFERENCE_TEXT.get(choice.quantity, _NO_EARLIER_TEXT))
    if choice.quantity == "since_last" and not _is_previous_record(weight, history, against, number):
        return EmptyPicture("The values of the record before this one are not kept any more, so their change cannot be shown.")
    before, against_step = values_at_record(weight, history, against), history.get_record(against)
    if before is None or against_step is None or before[0].shape != inputs.now.shape:
        return EmptyPicture("The weight had another shape then, so there is no change to show.")
    return replace(inputs, before=before[0], against=against_step)


_NO_EARLIER_TEXT = "There is no record before this one. A change needs two: train, or choose a later record."
_MISSING_REFERENCE_TEXT = {
    "since_record": "The record to compare with is not kept any more. Choose another one and press Compare."
}


def _is_previous_record(weight: Weight, history: History, before: int, number: int) -> bool:
    """Whether no record of a weight was made between two others, neither a kept one nor one that was thinned out."""
    recorded = history.record_numbers(weight.variable_key)
    return before == recorded[recorded < number][-1] and all(
        history.get_record(between) for between in range(before + 1, number)
    )


def explain_missing(weight: Weight, history: History) -> EmptyPicture:
    """Return a message that says why values are missing."""
    if not history.num_recorded:
        return EmptyPicture("Nothing is recorded yet. The first batch of training will fill this in.")
    if weight.dtype.startswith("complex"):
        return EmptyPicture("Complex numbers are not recorded: they have no minimum, no sign and no histogram.")
    what = "The whole of this" if weight.source_key else "This"
    return EmptyPicture(
        f"{what} weight has too many elements to keep even a sample within the history's bound of "
        f"{format_count(history.memory // 1_000_000)} MB, so only its statistics over time are kept. "
        f"{MEMORY_HINT}"
    )
