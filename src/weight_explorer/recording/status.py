"""The status of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class RecordRate(NamedTuple):
    """The number of records a training has made and the seconds they took, as of the last count."""

    num_records: int
    seconds: float


@dataclass(frozen=True, slots=True)
class TrainingStatus:
    """The current status of a training.

    Attributes:
        phase: "before", "refused" (the last fit trained another model and was not recorded), "unseen" (the weights changed,
            but not in a fit with the callback), "training", "paused", "finished", "stopped" (at the user's request),
            "interrupted", or, if all records come from files, "checkpoints" or "run".
        epoch: The current epoch, counted from 1 as Keras prints it; 0 before the first.
        epochs: The number of epochs of this fit, or None if unknown.
        batch: Batches trained in this epoch.
        batches: Batches per epoch, or None if unknown.
        overhead: The share of the training time spent on records, pictures and findings; None before the first record.
        record_rate: The number of records this training has made so far and their time, or None if it is too early to tell.
        problem: The last error in Weight Explorer itself.
        fit: The number of this fit, counted from 1; 0 before the first.
        epochs_before: How many epochs the time axis, which continues over all fits, is ahead of Keras' epoch count.
        num_records: The number of records if all records come from files, else 0.
        request: The pending user request, "pause" or "stop", or "" if there is none. It takes effect at the end of the batch.
        is_custom_loop: Whether this is a custom training loop, which only the user's own code can pause or stop.
        is_background: Whether training runs outside the main thread, so that notebook cells return while it runs.
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
        """Whether a training is in progress, including while it is paused."""
        return self.phase in ("training", "paused")

    @property
    def is_over(self) -> bool:
        """Whether all records come from files, so that no more will be added."""
        return self.phase in ("checkpoints", "run")

    @property
    def needs_callback(self) -> bool:
        """Whether the user still has to pass the callback to `fit`."""
        return self.phase in ("before", "unseen")
