"""The records that one may stop at on the time axis, and which one is on screen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import Weight
from weight_explorer.recording.descriptions import CHANGE_DESCRIPTIONS, describe_event
from weight_explorer.recording.history import History
from weight_explorer.recording.records import Record
from weight_explorer.views.choice import Choice
from weight_explorer.views.reading import chosen_record, kept_records


@dataclass(frozen=True, slots=True, eq=False)
class RecordSlider:
    """Records that keep values of the weight that is shown, oldest first.

    `current` is the number of the one on screen, None where there is none; `follows_newest` says that the newest is followed,
    and `against` is the number of the record that others are compared with.
    """

    records: tuple[Record, ...] = ()
    current: int | None = None
    follows_newest: bool = True
    against: int | None = None

    @property
    def begins_fit(self) -> np.ndarray:
        """Whether each is the first of its fit, but for the very first."""
        fits = np.array([step.fit for step in self.records], np.int64)
        return np.diff(fits, prepend=fits[:1]) > 0

    @property
    def names(self) -> tuple[str, ...]:
        """What tells each from those that training steps made: a file's name, or what was done; empty where none has one."""
        names = tuple(_record_label(step) for step in self.records)
        return names if any(names) else ()


def _record_label(record: Record) -> str:
    return describe_event(record) if record.kind == "before" or record.kind in CHANGE_DESCRIPTIONS else record.name


def record_slider(weight: Weight | None, history: History, choice: Choice) -> RecordSlider:
    """Find the stops of a weight, and which of them the choice means."""
    if weight is None:
        return RecordSlider()
    kept = set(kept_records(weight, history))
    steps = tuple(step for step in history.records if step.number in kept)
    return RecordSlider(steps, chosen_record(weight, history, choice), choice.record is None, choice.against)


def overview_record_slider(history: History, choice: Choice) -> RecordSlider:
    """Find the stops of all weights together: every record, of which the chosen one, or the last before it, is marked."""
    steps = history.records
    numbers = history.timeline.record_numbers
    if not steps:
        return RecordSlider()
    at = len(steps) if choice.record is None else int(np.searchsorted(numbers, choice.record, side="right"))
    return RecordSlider(steps, int(numbers[max(at, 1) - 1]), choice.record is None, choice.against)
