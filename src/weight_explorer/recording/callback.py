"""The Keras callback: tells the recorder when to copy, and lets no error of ours reach the training."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from time import perf_counter
from typing import Any

import keras

from weight_explorer.recording.history import History
from weight_explorer.recording.pace import Pace
from weight_explorer.recording.status import Status

logger = logging.getLogger("weight_explorer")


def shielded(hook: Callable[..., None]) -> Callable[..., None]:
    """Keep every error of a hook from the training: it is shown in the panel and logged, and the training goes on."""

    @functools.wraps(hook)
    def safe(self: TrainingCallback, *args: Any, **kwargs: Any) -> None:
        try:
            hook(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - a training of hours must not end by an error in a picture
            self.report(error)

    return safe


class TrainingCallback(keras.callbacks.Callback):
    """Keeps a `WeightExplorer` live during `fit`; the same object serves fit after fit.

    Args:
        history: Learns how many batches each epoch has.
        pace: Decides when records are due.
        record: Called with `kind`, `epoch` and `batch` when the weights are to be copied; returns
            whether there is nothing to wait for, which is False of a model that is not built yet.
        draw: Called when the panel is to be brought up to date. It must not wait for another thread.
        began: Called with the model that is trained when a training begins; may refuse it.
    """

    def __init__(
        self,
        history: History,
        pace: Pace,
        *,
        record: Callable[[str, int, int], bool],
        draw: Callable[[], None],
        began: Callable[[Any], None],
    ) -> None:
        super().__init__()
        self.status = Status()
        self._history = history
        self._pace = pace
        self._record = record
        self._draw = draw
        self._began = began
        self._found_nothing = False
        self._reported: set[str] = set()
        self._changing = threading.Lock()  # an error in a click is reported from another thread
        self._epochs_done = 0
        self._epoch_drawn = 0.0

    # -- Keras' hooks ----------------------------------------------------------------------------------------------

    @shielded
    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Record the state before training."""
        self._pace.begin()
        if self.status.batch:
            self._epochs_done += 1  # the fit before this one ended in mid-epoch
        params = self.params or {}
        fresh = Status("training", epochs=params.get("epochs"), batches=params.get("steps"), epochs_before=self._epochs_done)
        self._set_status(**asdict(fresh))
        self._update("start", force_draw=True)
        self._began(self.model)

    @shielded
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Note where the training stands."""
        batches = (self.params or {}).get("steps") or self.status.batches
        if batches:
            self._history.set_epoch_length(self._epochs_done, batches)
        self._set_status(phase="training", epoch=epoch + 1, batch=0, batches=batches)

    @shielded
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Record if the pace allows it."""
        num_new = batch + 1 - self.status.batch
        self._set_status(batch=batch + 1)
        if self._pace.is_due(num_new) or self._found_nothing:
            self._update("batch")

    @shielded
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Record the end of the epoch, always."""
        num_batches = self.status.batch
        if num_batches:
            self._history.set_epoch_length(self._epochs_done, num_batches)
        self._epochs_done += 1
        self._set_status(batch=0, batches=num_batches or self.status.batches)
        now = perf_counter()
        self._update("epoch", force_draw=now - self._epoch_drawn > 0.1)
        self._epoch_drawn = now

    @shielded
    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Show the last state."""
        self.finish("finished")

    # -- for the explorer ------------------------------------------------------------------------------------------

    @property
    def is_training(self) -> bool:
        """Whether a fit is running, as far as Keras told."""
        return self.status.phase == "training"

    @property
    def place(self) -> tuple[int, int]:
        """Epochs finished over all fits, and batches trained since."""
        return self._epochs_done, self.status.batch

    def finish(self, phase: str) -> None:
        """Note that the training ended and draw."""
        self._set_status(phase=phase, cost=self._pace.share)
        self._draw()

    def noticed(self, kind: str) -> None:
        """Note that the weights were found changed though no training of ours was running."""
        if kind == "outside" and self.status.phase == "before":
            self._set_status(phase="unseen")

    def report(self, error: Exception) -> None:
        """Show an error of ours in the panel; never raises."""
        try:
            problem = f"{type(error).__name__}: {error}"[:300]
        except Exception:  # noqa: BLE001 - an error that cannot even be written
            problem = type(error).__name__
        if problem not in self._reported:  # said once: an error in every batch would fill the user's output
            self._reported.add(problem)
            logger.warning("Weight Explorer met a problem; a running training goes on.", exc_info=error)
        self._set_status(problem=problem)
        try:
            if self._pace.may_draw():
                self._pace.drawn()
                self._draw()
        except Exception:  # the drawing may be what failed
            logger.debug("The problem could not be drawn.", exc_info=True)

    def _set_status(self, **fields: Any) -> None:
        with self._changing:
            self.status = replace(self.status, **fields)

    def _update(self, kind: str, *, force_draw: bool = False) -> None:
        began = perf_counter()
        try:
            _ = self.model  # on the JAX backend this brings the trained values into the model's variables
            self._found_nothing = not self._record(kind, *self.place)
            if force_draw or self._pace.may_draw():
                self._set_status(cost=self._pace.share)
                self._pace.drawn()
                self._draw()
        finally:
            self._pace.spent(perf_counter() - began)
