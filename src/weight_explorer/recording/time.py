"""When records were made: their numbers, and where each stands in the training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from weight_explorer.recording.facts import UNKNOWN_FACTS, RecordFacts

# Kinds of records whose weights training has moved since the record before; others were set by somebody, or nothing moved.
TRAINED = ("batch", "epoch", "checkpoint")
# Kinds of records that show a change found after the fact: at the end of a fit, or with the model at rest.
FOUND_CHANGED = ("ended", "outside")
# Kinds of records that begin or end a training, and so do not come between it and what was found in it.
BELONGS_TO_TRAINING = ("start", "before", "ended")


@dataclass(frozen=True, slots=True)
class Step:
    """One record: its number, and where it stands in the training.

    Attributes:
        number: Counted from 0 over all records, those that are not kept any more included.
        epoch: Finished epochs on the time axis, which runs on over all fits.
        batch: Batches trained since then.
        position: Both as one number for an axis, such as 2.5 in the middle of the third epoch.
        kind: "start" (of a fit), "batch", "epoch", "ended" (what a training did to the weights when it ended, such as restoring
            the best), "outside" (of training), "reverted" (found to be what an earlier record has), "restored", "edited",
            "checkpoint", or "before" (the model when the explorer was made, where its weights were changed before the first
            training began).
        fit: The number of the fit it belongs to, counted from 0.
        name: Of a checkpoint, the name of its file; of an edit, what was done.
        logs: Loss and metrics, as the training told them.
        keras_epoch: The epoch, as Keras printed it, that the record lies in or at whose end it was made; 0 before the first.
        facts: What held in the training when it was made.
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
    def is_start(self) -> bool:
        """Whether it is the state before the first training."""
        return self.kind == "start" and self.fit == 0

    @property
    def is_ahead(self) -> bool:
        """Whether the time axis is ahead of Keras' own count here, which began again after an earlier fit."""
        return bool(self.keras_epoch) and self.epoch + (self.batch > 0) != self.keras_epoch


class Moment(NamedTuple):
    """Where a training stands.

    Attributes:
        epoch: Finished epochs on the time axis.
        batch: Batches trained since.
        keras_epoch: The epoch, as Keras prints it, that lies there or ended last; 0 before the first of a fit.
    """

    epoch: int
    batch: int
    keras_epoch: int

    def step(self, kind: str, **more: Any) -> Step:
        """Make the record of this moment, which the history numbers and places; `more` are other fields of `Step`.

        >>> Moment(2, 5, 3).step("batch").batch
        5
        """
        return Step(0, self.epoch, self.batch, float(self.epoch), kind, keras_epoch=self.keras_epoch, **more)


def fit_position(first: Step) -> float:
    """Return where on the time axis a fit began, of which the first record is given; fits begin where epochs do.

    The state that a fit begins with is a record only where it is not the last one before.

    >>> fit_position(Step(9, 4, 3, 4.5, "batch", fit=1)), fit_position(Step(9, 5, 0, 5.0, "epoch", fit=1))
    (4.0, 4.0)
    """
    return float(first.epoch - (first.kind == "epoch"))


def position_of(step: Step, lengths: Mapping[int, int]) -> float:
    """Return where a record stands on an axis of epochs, which `lengths` gives."""
    return step.epoch + step.batch / max(lengths.get(step.epoch, 0), step.batch, 1)


def placed(step: Step, lengths: Mapping[int, int]) -> Step:
    """Return the record with its position; where it has that already, itself: a copy takes 5 µs."""
    position = position_of(step, lengths)
    return step if step.position == position else replace(step, position=position)


class Timeline:
    """The records that are kept, oldest first: a sequence of `Step` that can also be had as arrays.

    Args:
        steps: The records; their `position` is found anew from `lengths`.
        lengths: From epoch to its number of batches, as far as anybody knows.
        cut_short: From epoch to the number of batches trained in it, where a training broke off.

    >>> timeline = Timeline([Step(0, 0, 0, 0.0, "start"), Step(3, 0, 5, 0.0, "batch")], {0: 10})
    >>> timeline.positions.tolist(), timeline.step(3).position, timeline.batches.tolist()
    ([0.0, 0.5], 0.5, [0.0, 5.0])
    """

    def __init__(
        self,
        steps: list[Step] | tuple[Step, ...],
        lengths: Mapping[int, int],
        cut_short: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        self._steps = tuple(steps)
        self._lengths = lengths
        self._trained = {**lengths, **cut_short}

    def __len__(self) -> int:
        return len(self._steps)

    @cached_property
    def numbers(self) -> np.ndarray:
        """The number of each record."""
        return np.array([step.number for step in self._steps], np.int64)

    @cached_property
    def positions(self) -> np.ndarray:
        """The position of each record, in epochs."""
        return np.array([step.position for step in self.steps()])

    @cached_property
    def batches(self) -> np.ndarray:
        """Batches trained until each record, over all epochs; NaN where it is unknown how many an epoch before it had."""
        last = max((step.epoch for step in self._steps), default=0)
        ends = np.cumsum([0.0, *(self._trained.get(epoch, np.nan) for epoch in range(last))])
        return np.array([ends[step.epoch] + step.batch for step in self._steps])

    @cached_property
    def is_ahead(self) -> bool:
        """Whether epochs on this axis are counted over several fits, because Keras' own count began again."""
        return any(step.is_ahead for step in self._steps)

    @property
    def lengths(self) -> Mapping[int, int]:
        """From epoch to the number of batches trained in it, as far as it is known."""
        return self._trained

    def step(self, number: int) -> Step | None:
        """Return the record of this number, or None where it is not kept."""
        place = int(np.searchsorted(self.numbers, number))
        found = place < len(self._steps) and self._steps[place].number == number
        return self.steps()[place] if found else None

    def steps(self) -> tuple[Step, ...]:
        """Return all records, with their positions."""
        return self._placed_steps

    def positions_of(self, numbers: np.ndarray) -> np.ndarray:
        """Return the positions of these records, all of which are kept."""
        return self.positions[np.searchsorted(self.numbers, numbers)]

    @cached_property
    def _placed_steps(self) -> tuple[Step, ...]:
        return tuple(placed(step, self._lengths) for step in self._steps)
