"""Records and timelines: the number of each record and its position in the training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from weight_explorer.recording.facts import UNKNOWN_FACTS, RecordFacts

# Kinds of records whose weights were changed by training since the previous record. Before records of other kinds, weights
# were set from outside or did not change.
TRAINED_KINDS = ("batch", "epoch", "checkpoint")
# Kinds of records that show a change detected afterwards: at the end of a fit, or while the model was not training.
DETECTED_KINDS = ("ended", "outside")
# Kinds of records that begin or end a training, and so do not separate it from what was detected in it.
BOUNDARY_KINDS = ("start", "before", "ended")


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its number and its position in the training.

    Attributes:
        number: Counted from 0 over all records, including dropped ones.
        epoch: Finished epochs on the time axis, which continues over all fits.
        batch: Batches trained since the last finished epoch.
        position: Epoch and batch as one number for an axis, such as 2.5 in the middle of the third epoch.
        kind: "start" (of a fit), "batch", "epoch", "ended" (changes made when training ended, such as restoring the best
            weights), "outside" (of training), "reverted" (detected to equal an earlier record), "restored", "edited",
            "checkpoint", or "before" (the model when the explorer was created, if its weights were changed before the first
            training began).
        fit: The number of the fit it belongs to, counted from 0.
        name: The file name of a checkpoint, or the description of an edit.
        logs: Loss and metrics, as reported by the training.
        keras_epoch: The epoch, as Keras prints it, in which or at whose end the record was made; 0 before the first.
        facts: The state of the training when the record was made.
    """

    number: int
    epoch: int
    batch: int
    position: float
    kind: str
    fit: int = 0
    name: str = ""
    logs: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    keras_epoch: int = 0
    facts: RecordFacts = field(default=UNKNOWN_FACTS, hash=False, repr=False)

    @property
    def is_initial(self) -> bool:
        """Whether the record shows the state before the first training."""
        return self.kind == "start" and self.fit == 0

    @property
    def is_ahead_of_keras(self) -> bool:
        """Whether the time axis is ahead of Keras' epoch count here, because Keras restarted its count after an earlier fit."""
        return bool(self.keras_epoch) and self.epoch + (self.batch > 0) != self.keras_epoch


class TrainingProgress(NamedTuple):
    """The current position in a training.

    Attributes:
        epoch: Finished epochs on the time axis.
        batch: Batches trained since the last finished epoch.
        keras_epoch: The current or last finished epoch, as Keras prints it; 0 before the first epoch of a fit.
    """

    epoch: int
    batch: int
    keras_epoch: int

    def make_record(self, kind: str, **fields: Any) -> Record:
        """Create a record at this position; the history sets its number and position. `fields` are other fields of `Record`.

        >>> TrainingProgress(2, 5, 3).make_record("batch").batch
        5
        """
        return Record(0, self.epoch, self.batch, float(self.epoch), kind, keras_epoch=self.keras_epoch, **fields)


def fit_start_position(first_record: Record) -> float:
    """Return the position on the time axis where a fit began, given its first record. Fits begin at epoch boundaries.

    The initial state of a fit is recorded only if it differs from the previous record.

    >>> fit_start_position(Record(9, 4, 3, 4.5, "batch", fit=1)), fit_start_position(Record(9, 5, 0, 5.0, "epoch", fit=1))
    (4.0, 4.0)
    """
    return float(first_record.epoch - (first_record.kind == "epoch"))


def axis_position(record: Record, epoch_lengths: Mapping[int, int]) -> float:
    """Return the position of a record on an axis of epochs whose lengths are given by `epoch_lengths`."""
    return record.epoch + record.batch / max(epoch_lengths.get(record.epoch, 0), record.batch, 1)


def with_position(record: Record, epoch_lengths: Mapping[int, int]) -> Record:
    """Return the record with its position set; the same object if it is already set, because a copy takes 5 µs."""
    position = axis_position(record, epoch_lengths)
    return record if record.position == position else replace(record, position=position)


class Timeline:
    """The kept records, oldest first, as a sequence of `Record` and as arrays.

    Args:
        records: The records; their `position` is recomputed from `epoch_lengths`.
        epoch_lengths: Maps each epoch to its number of batches, if known.
        partial_epochs: Maps each interrupted epoch to the number of batches trained in it.

    >>> timeline = Timeline([Record(0, 0, 0, 0.0, "start"), Record(3, 0, 5, 0.0, "batch")], {0: 10})
    >>> timeline.positions.tolist(), timeline.get_record(3).position, timeline.total_batches.tolist()
    ([0.0, 0.5], 0.5, [0.0, 5.0])
    """

    def __init__(
        self,
        records: list[Record] | tuple[Record, ...],
        epoch_lengths: Mapping[int, int],
        partial_epochs: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        self._records = tuple(records)
        self._epoch_lengths = epoch_lengths
        self._batches_per_epoch = {**epoch_lengths, **partial_epochs}

    def __len__(self) -> int:
        return len(self._records)

    @cached_property
    def record_numbers(self) -> np.ndarray:
        """The number of each record."""
        return np.array([step.number for step in self._records], np.int64)

    @cached_property
    def positions(self) -> np.ndarray:
        """The position of each record, in epochs."""
        return np.array([step.position for step in self.records()])

    @cached_property
    def total_batches(self) -> np.ndarray:
        """Batches trained up to each record, over all epochs; NaN if the length of an earlier epoch is unknown."""
        last = max((step.epoch for step in self._records), default=0)
        ends = np.cumsum([0.0, *(self._batches_per_epoch.get(epoch, np.nan) for epoch in range(last))])
        return np.array([ends[step.epoch] + step.batch for step in self._records])

    @cached_property
    def is_ahead_of_keras(self) -> bool:
        """Whether epochs on this axis are counted over several fits, because Keras restarted its count."""
        return any(step.is_ahead_of_keras for step in self._records)

    @property
    def batches_per_epoch(self) -> Mapping[int, int]:
        """Maps each epoch to the number of batches trained in it, if known."""
        return self._batches_per_epoch

    def get_record(self, number: int) -> Record | None:
        """Return the record with this number, or None if it is not kept."""
        place = int(np.searchsorted(self.record_numbers, number))
        found = place < len(self._records) and self._records[place].number == number
        return self.records()[place] if found else None

    def records(self) -> tuple[Record, ...]:
        """Return all records, with their positions."""
        return self._records_with_positions

    def positions_of(self, record_numbers: np.ndarray) -> np.ndarray:
        """Return the positions of these records, which must all be kept."""
        return self.positions[np.searchsorted(self.record_numbers, record_numbers)]

    @cached_property
    def _records_with_positions(self) -> tuple[Record, ...]:
        return tuple(with_position(step, self._epoch_lengths) for step in self._records)
