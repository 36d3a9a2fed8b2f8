"""All records from left to right: where epochs end, where fits begin, and how far records are apart."""

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
    """The records from left to right: their numbers, and for each the batches trained since the record before it.

    `all_records` are all records that there are, and `is_ahead` says whether their epochs are counted over several fits. What
    is recorded at the end of an epoch when its last batch was recorded already is the same once more, and no column of its own:
    it
    would say that nothing moved.
    """

    records: tuple[Record, ...]
    numbers: np.ndarray
    gaps: np.ndarray
    all_records: tuple[Record, ...]
    is_ahead: bool

    @classmethod
    def of(cls, history: History) -> RecordColumns:
        """Return all records; where some between were thinned away, batches are taken to be spread evenly over them."""
        numbers = history.timeline.record_numbers
        gaps = np.full(len(numbers), np.nan)
        gaps[1:] = np.diff(history.timeline.total_batches) / np.diff(numbers)
        every = history.records
        is_twice = np.array([step.kind == "epoch" for step in every]) & (gaps == 0)
        steps = tuple(itertools.compress(every, ~is_twice)) if is_twice.any() else every
        return cls(steps, numbers[~is_twice], gaps[~is_twice], every, history.timeline.is_ahead_of_keras)

    def column_of(self, number: int) -> int:
        """Return the column of a record, or of the last one before it that is kept."""
        return max(0, int(np.searchsorted(self.numbers, number, side="right")) - 1)

    @property
    def median_gap(self) -> float | None:
        """Batches between two records, the middle one of all; None where that is not known of any, as of checkpoints."""
        known = self.gaps[np.isfinite(self.gaps)]
        return float(np.median(known)) if known.size else None

    @property
    def num_unknown(self) -> int:
        """Records for which the number of batches since the record before is unknown."""
        return int(np.isnan(self.gaps[1:]).sum())

    def typical_ratio(self, measure: OverviewMeasure) -> float | None:
        """Return about how much a weight changes between two records where training goes well, to one digit.

        Changes that point anywhere add up like the steps of a random walk: of `n` batches to the square root of `n` times one.
        Where the number of batches is not known, nothing is usual.
        """
        gap = 1.0 if measure.per_batch or len(self.numbers) < 2 else self.median_gap
        if gap is None:
            return None
        batches = max(gap, 1.0)
        return float(f"{TYPICAL_RATIO * math.sqrt(batches):.0e}")

    def count_labels(self) -> tuple[str, dict[int, int]]:
        """Return what is counted along the side, and by column its number: epochs that ended, or records where none has yet."""
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
    """Label as many columns of those that are looked at as there is room for, at round numbers."""
    inside = {column: number for column, number in sorted(labels.items()) if visible.left <= column < visible.right}
    for step in (base * 10**power for power in range(10) for base in (1, 2, 5)):
        found = tuple((column, str(number)) for column, number in inside.items() if number % step == 0)
        if len(found) <= MAX_TICKS:
            return found
    return ()


def fit_boundaries(records: tuple[Record, ...]) -> tuple[int, ...]:
    """Return the columns at which another fit begins."""
    fits = np.array([step.fit for step in records])
    return tuple((np.flatnonzero(np.diff(fits)) + 1).tolist())


def edit_columns(records: tuple[Record, ...]) -> tuple[tuple[int, str], ...]:
    """Return the columns of records that show what no training step did to the weights, and what that was."""
    return tuple((column, describe_change(step)) for column, step in enumerate(records) if step.kind in CHANGE_DESCRIPTIONS)
