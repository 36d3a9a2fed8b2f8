"""Where a training stands, and what is to be done at each of its turns: record, draw, report. Knows nothing of Keras."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from queue import SimpleQueue
from time import perf_counter
from types import MappingProxyType
from typing import Any

from weight_explorer.recording.history import History
from weight_explorer.recording.pace import Pace
from weight_explorer.recording.status import Status
from weight_explorer.recording.time import Step

logger = logging.getLogger("weight_explorer")


class Reporter:
    """Knows where a training stands, and shows in the panel what goes wrong. For two threads.

    Args:
        draw: Called when the panel is to be brought up to date. It must not wait for another thread.
        status: Where it stands at first.
    """

    def __init__(self, draw: Callable[[], None], status: Status) -> None:
        self.status = status
        self._draw = draw
        self._reported: set[str] = set()
        self._changing = threading.Lock()  # an error in a click is reported from another thread

    @property
    def is_training(self) -> bool:
        """Whether a training is running, as far as anybody told."""
        return self.status.phase == "training"

    @contextlib.contextmanager
    def reported(self) -> Iterator[None]:
        """Show an error in the panel instead of raising it, where raising would hurt a training or be seen by nobody."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, the user is to see it
            self.report(error)

    def report(self, error: Exception) -> None:
        """Show an error of ours in the panel; never raises."""
        self.note(error)
        try:
            self._draw_problem()
        except Exception:  # the drawing may be what failed
            logger.debug("The problem could not be drawn.", exc_info=True)

    def note(self, error: Exception) -> None:
        """Have an error of ours shown with the next picture; never raises."""
        try:
            problem = f"{type(error).__name__}: {error}"[:300]
        except Exception:  # noqa: BLE001 - an error that cannot even be written
            problem = type(error).__name__
        if problem not in self._reported:  # said once: an error in every batch would fill the user's output
            self._reported.add(problem)
            logger.warning("Weight Explorer met a problem; a running training goes on.", exc_info=error)
        self._set(problem=problem)

    def answered(self) -> None:
        """Note that a click was answered; called from another thread."""

    def _draw_problem(self) -> None:
        self._draw()

    def _set(self, **fields: Any) -> None:
        with self._changing:
            self.status = replace(self.status, **fields)


class Session(Reporter):
    """Follows a training, fit after fit.

    Args:
        history: Learns how many batches each epoch has, and where a fit begins.
        pace: Decides when records are due.
        record: Called with a `Step` when the weights are to be copied; returns whether there is nothing to wait for, which is
            False of a model that is not built yet.
        draw: Called when the panel is to be brought up to date. It must not wait for another thread.
    """

    def __init__(self, history: History, pace: Pace, *, record: Callable[[Step], bool], draw: Callable[[], None]) -> None:
        super().__init__(draw, Status())
        self._history = history
        self._pace = pace
        self._record = record
        self._found_nothing = False
        self._epochs_done = 0
        # Whether it is a loop of the user's own: unless they say so, nobody tells where that ends.
        self.is_loop = False
        self._broke_off = False
        # What is to be done between two steps; asked for by other threads.
        self._soon: SimpleQueue[Callable[[], None]] = SimpleQueue()

    @property
    def place(self) -> tuple[int, int]:
        """Epochs finished over all fits, and batches trained since."""
        return self._epochs_done, self.status.batch

    def begin(self, epochs: int | None = None, batches: int | None = None, *, is_loop: bool = False) -> None:
        """Record the state before training; `epochs` and `batches` of each are None where nobody knows.

        A loop of the user's own is noticed when its first step is done: then the state before it is past.
        """
        self._pace.begin()
        if self.status.batch:
            self._epochs_done += 1  # the fit before this one ended in mid-epoch
        self._history.begin_fit()
        self.is_loop = is_loop
        fresh = Status("training", epochs=epochs, batches=batches, epochs_before=self._epochs_done)
        self._set(**asdict(fresh))
        if not is_loop:
            self._update("start", {}, force_draw=True)

    def begin_loop(self, epochs: int | None, batches: int | None) -> None:
        """Record the state before a loop of the user's own that says where it begins."""
        self.begin(epochs, batches, is_loop=True)
        self._update("start", {}, force_draw=True)

    def soon(self, deed: Callable[[], None]) -> None:
        """Have something done by the training's own thread, between two steps."""
        self._soon.put(deed)

    def _do_what_waits(self) -> None:
        while not self._soon.empty():
            with self.reported():
                self._soon.get()()

    def epoch_began(self, epoch: int, batches: int | None) -> None:
        """Note where the training stands; `epoch` is counted from 1 in this fit."""
        batches = batches or self.status.batches
        if batches:
            self._history.set_epoch_length(self._epochs_done, batches)
        self._set(phase="training", epoch=epoch, batch=0, batches=batches)

    def batch_ended(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Record if the pace allows it; `batch` says how many of this epoch are trained."""
        self._do_what_waits()
        num_new = batch - self.status.batch
        self._set(batch=batch)
        if self._pace.is_due(num_new) or self._found_nothing:
            self._update("batch", logs)

    def epoch_ended(self, logs: Mapping[str, Any] | None = None) -> None:
        """Record the end of the epoch, always."""
        num_batches = self.status.batch
        if num_batches:
            self._history.set_epoch_length(self._epochs_done, num_batches)
        self._epochs_done += 1
        self._set(batch=0, batches=num_batches or self.status.batches)
        self._update("epoch", logs)

    def finish(self, phase: str) -> None:
        """Note that the training ended, in the phase "finished" or "interrupted", and draw."""
        self._do_what_waits()
        self._broke_off = phase == "interrupted"
        self._set(phase=phase, cost=self._pace.share, rate=self._pace.rate)
        self._draw()

    def examined(self, seconds: float) -> None:
        """Note what examining cost while training; called from another thread."""
        if self.is_training:
            self._pace.examined(seconds)

    def answered(self) -> None:
        """Leave the page to who clicked, for a moment; called from another thread."""
        self._pace.answered()

    def broke_off(self) -> bool:
        """Say once of each training that broke off that it did: what it did last is no record yet."""
        broke_off, self._broke_off = self._broke_off, False
        return broke_off

    def noticed(self, kind: str) -> None:
        """Note that the weights were found changed though no training of ours was running."""
        if kind == "outside" and self.status.phase == "before":
            self._set(phase="unseen")

    def step(self, epoch: int | None, logs: Mapping[str, Any] | None) -> None:
        """Note one step of a training loop of the user's own; `epoch`, counted from 0, where they tell."""
        if not self.is_training:
            self.begin(is_loop=True)
        if not self.status.epoch:
            self.epoch_began(1 if epoch is None else epoch + 1, None)
        elif epoch is not None and epoch + 1 != self.status.epoch:
            self.epoch_ended()
            self.epoch_began(epoch + 1, None)
        self.batch_ended(self.status.batch + 1, logs)

    def loop_ended(self) -> None:
        """Note that a loop of the user's own ended: what it left is a record."""
        if self.status.batch:
            self.epoch_ended()
        self.finish("finished")

    def _draw_problem(self) -> None:
        if self._pace.may_draw():
            self._draw_now()

    def _update(self, kind: str, logs: Mapping[str, Any] | None, *, force_draw: bool = False) -> None:
        began = perf_counter()
        try:
            epoch, batch = self.place
            step = Step(0, epoch, batch, float(epoch), kind, logs=_numbers_of(logs))
            self._found_nothing = not self._record(step)
        finally:
            self._pace.recorded(perf_counter() - began)
        if force_draw or self._pace.may_draw():
            self._draw_now()

    def _draw_now(self) -> None:
        began = perf_counter()
        try:
            self._set(cost=self._pace.share, rate=self._pace.rate)
            self._draw()
        finally:
            self._pace.drawn(perf_counter() - began)


def _numbers_of(logs: Mapping[str, Any] | None) -> Mapping[str, float]:
    """Return the numbers among what the training tells: others may be anything."""
    found = {}
    for name, value in (logs or {}).items():
        try:
            found[str(name)] = float(value)
        except (TypeError, ValueError):
            continue
    return MappingProxyType(found)
