"""The columns of the overview: all records, the ends of epochs, the starts of fits, and the batches between records."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from weight_explorer.pictures.data import Region
from weight_explorer.recording.descriptions import CHANGE_DESCRIPTIONS, describe_change
from weight_explorer.recording.history import History
from weight_explorer.recording.records import Record
from weight_explorer.views.overview.measures import TYPICAL_RATIO, OverviewMeasure

# More labels than this do not fit along a side.
MAX_TICKS = 24


@dataclass(frozen=True, slots=True, eq=False)
class RecordColumns:
    """The records in order, with their numbers, and the number of batches trained since the previous record.

    `all_records` holds all kept records. `is_ahead` says whether their epochs are counted over several fits. A record at the
    end of an epoch has no column if the last batch of the epoch was recorded too: both are the same, and the column would
    say that nothing changed.
    """

    records: tuple[Record, ...]
    numbers: np.ndarray
    gaps: np.ndarray
    all_records: tuple[Record, ...]
    is_ahead: bool

    @classmethod
    def of(cls, history: History) -> RecordColumns:
        """Return the columns of all records. Where records were thinned out, batches are assumed to be spread evenly."""
        numbers = history.timeline.record_numbers
        gaps = np.full(len(numbers), np.nan)
        gaps[1:] = np.diff(history.timeline.total_batches) / np.diff(numbers)
        every = history.records
        is_twice = np.array([step.kind == "epoch" for step in every]) & (gaps == 0)
        steps = tuple(itertools.compress(every, ~is_twice)) if is_twice.any() else every
        return cls(steps, numbers[~is_twice], gaps[~is_twice], every, history.timeline.is_ahead_of_keras)

    def column_of(self, number: int) -> int:
        """Return the column of a record, or of the last kept record before it."""
        return max(0, int(np.searchsorted(self.numbers, number, side="right")) - 1)

    @property
    def median_gap(self) -> float | None:
        """The median number of batches between two records; None if it is never known, as with checkpoints."""
        known = self.gaps[np.isfinite(self.gaps)]
        return float(np.median(known)) if known.size else None

    @property
    def num_unknown(self) -> int:
        """The number of records for which the number of batches since the previous record is unknown."""
        return int(np.isnan(self.gaps[1:]).sum())

    def typical_ratio(self, measure: OverviewMeasure) -> float | None:
        """Return the usual relative change of a weight between two records, when training goes well, to one digit.

        Changes in random directions add up like the steps of a random walk: over `n` batches, to the square root
        of `n` times one change. If the number of batches is unknown, the result is None.
        """
        gap = 1.0 if measure.per_batch or len(self.numbers) < 2 else self.median_gap
        if gap is None:
            return None
        batches = max(gap, 1.0)
        return float(f"{TYPICAL_RATIO * math.sqrt(batches):.0e}")

    def count_labels(self) -> tuple[str, dict[int, int]]:
        """Return the axis label, and a number for some columns: completed epochs, or records if no epoch has ended yet."""
        ends = [
            (step.epoch, step.number) for step in self.all_records if not step.batch and step.epoch and step.kind != "start"
        ]
        if ends:
            first = dict(reversed(ends))
            return "epoch, all fits" if self.is_ahead else "epoch", {
                self.column_of(number): epoch for epoch, number in first.items()
            }
        return "record", dict(enumerate(self.numbers.tolist()))


def column_ticks(labels: dict[int, int], visible: Region) -> tuple[tuple[int, str], ...]:
    """Return labels at round numbers for the visible columns, as many as fit."""
    inside = {column: number for column, number in sorted(labels.items()) if visible.left <= column < visible.right}
    for step in (base * 10**power for power in range(10) for base in (1, 2, 5)):
        found = tuple((column, str(number)) for column, number in inside.items() if number % step == 0)
        if len(found) <= MAX_TICKS:
            return found
    return ()


def fit_boundaries(records: tuple[Record, ...]) -> tuple[int, ...]:
    """Return the columns at which a new fit begins."""
    fits = np.array([step.fit for step in records])
    return tuple((np.flatnonzero(np.diff(fits)) + 1).tolist())


def edit_columns(records: tuple[Record, ...]) -> tuple[tuple[int, str], ...]:
    """Return the columns of changes outside training steps, with a description of each."""
    return tuple((column, describe_change(step)) for column, step in enumerate(records) if step.kind in CHANGE_DESCRIPTIONS)
