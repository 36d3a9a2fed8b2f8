"""Where a training stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class RecordRate(NamedTuple):
    """How many records a training has made in how many seconds, when that was last counted."""

    num_records: int
    seconds: float


@dataclass(frozen=True, slots=True)
class TrainingStatus:
    """Where the training stands.

    Attributes:
        phase: "before", "refused" (the last fit trained another model, and was not recorded), "unseen" (the weights changed,
            but in no fit with the callback), "training", "paused", "finished", "stopped" (because the user asked for it),
            "interrupted", or of a training that is over "checkpoints" or "run".
        epoch: Counted from 1 as Keras prints it, 0 before the first.
        epochs: How many this fit was asked for, None where that is unknown.
        batch: Batches trained in this epoch.
        batches: Batches of an epoch, None where that is unknown.
        overhead: The share of the training time that records, their pictures and findings took, None before the first.
        record_rate: How many records this training has made so far, None while that is too early to say.
        problem: The last error of ours.
        fit: Which fit this is, counted from 1; 0 before the first.
        epochs_before: How many epochs the time axis, which runs on over all fits, is ahead of Keras' own count.
        num_records: How many records a training that is over has, 0 of one that is not.
        request: What the user asks of the training, "pause" or "stop", or "": it happens at the end of the batch.
        is_custom_loop: Whether it is a loop of the user's own, which nobody can hold or end but they.
        is_background: Whether it trains beside the main thread, so that cells end while it runs.
    """

    phase: str = "before"
    epoch: int = 0
    epochs: int | None = None
    batch: int = 0
    batches: int | None = None
    overhead: float | None = None
    record_rate: RecordRate | None = None
    problem: str = ""
    fit: int = 0
    epochs_before: int = 0
    num_records: int = 0
    request: str = ""
    is_custom_loop: bool = False
    is_background: bool = False

    @property
    def is_training(self) -> bool:
        """Whether a training runs, be it that it waits."""
        return self.phase in ("training", "paused")

    @property
    def is_over(self) -> bool:
        """Whether all records come from files, so that there will be no more."""
        return self.phase in ("checkpoints", "run")

    @property
    def needs_callback(self) -> bool:
        """Whether the user has still to pass the callback to `fit`."""
        return self.phase in ("before", "unseen")
