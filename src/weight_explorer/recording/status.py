"""Where a training stands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Status:
    """Where the training stands: `phase` is "before", "training", "finished" or "interrupted".

    `epoch` and `batch` count from 1 as Keras prints them, 0 before the first; `epochs` and `batches` are None where nobody
    knows. `cost` is the share of the training time that recording took, None before anything was trained. `problem` is the
    last error of ours.
    """

    phase: str = "before"
    epoch: int = 0
    epochs: int | None = None
    batch: int = 0
    batches: int | None = None
    cost: float | None = None
    problem: str = ""
