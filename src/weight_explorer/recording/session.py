"""Where a training stands, and what is to be done at each of its turns: record, draw, report. Knows nothing of Keras."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from queue import SimpleQueue
from time import perf_counter
from types import MappingProxyType, TracebackType
from typing import Any

from weight_explorer.recording.brake import Brake
from weight_explorer.recording.events import Event
from weight_explorer.recording.history import History
from weight_explorer.recording.interrupts import HeldBack
from weight_explorer.recording.moments import progress_words
from weight_explorer.recording.pace import Pace
from weight_explorer.recording.status import Status
from weight_explorer.recording.time import Moment, Step

logger = logging.getLogger("weight_explorer")

# What the user can ask of a training, and what the brake does then.
ORDERS: Mapping[str, Callable[[Brake], None]] = {"pause": Brake.pause, "resume": Brake.resume, "stop": Brake.stop}


class _Reported:
    """Hands an error on instead of raising it. A generator would take three times as long, which every record pays."""

    __slots__ = ("_report",)

    def __init__(self, report: Callable[[Exception], None]) -> None:
        self._report = report

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False
        self._report(error)
        return True


class Reporter:
    """Knows where a training stands, and shows in the panel what goes wrong. For two threads.

    Args:
        status: Where it stands at first.

    Attributes:
        changed: Published when the panel is to be brought up to date: there is a record, or the status changed. No handler may
            wait for another thread.
    """

    def __init__(self, status: Status) -> None:
        self.changed = Event()
        self._status = status
        self._reported: set[str] = set()
        self._changing = threading.RLock()  # an error in a click is reported from another thread

    @property
    def status(self) -> Status:
        """Where the training stands."""
        return self._status

    @property
    def is_training(self) -> bool:
        """Whether a training is running, as far as anybody told."""
        return self._status.is_training

    def reported(self) -> _Reported:
        """Show an error in the panel instead of raising it, where raising would hurt a training or be seen by nobody."""
        return _Reported(self.report)

    def noted(self) -> _Reported:
        """Show an error with the next picture instead of raising it."""
        return _Reported(self.note)

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

    def overcome(self, kind: type[Exception]) -> None:
        """Show a problem of this kind no longer."""
        if self._status.problem.startswith(f"{kind.__name__}: "):
            self._set(problem="")

    def answered(self) -> None:
        """Note that a click was answered; called from another thread."""

    def spent_beside(self, seconds: float) -> None:
        """Note what another thread took while training."""

    def order(self, order: str) -> None:
        """Take what the user asks of a training, one of `ORDERS`: there is none."""

    def _draw_problem(self) -> None:
        self.changed.publish()

    def _set(self, **fields: Any) -> None:
        with self._changing:
            self._status = replace(self._status, **fields)


class Session(Reporter):
    """Follows a training, fit after fit.

    Args:
        history: Learns how many batches each epoch has, and where a fit begins.
        pace: Decides when records are due.
        record: Called with a `Step` when the weights are to be copied; returns whether there is nothing to wait for, which is
            False of a model that is not built yet.
        between: Called after every batch, and again and again while the training is held between two; None for nothing.

    Attributes:
        reading: Published when the model is about to be read.
        epoch_ending: Published after the last batch of an epoch whose length is known, before any callback hears of its end.
        sketch: Called when a training begins and at the ends of epochs, as the pace allows, to have the page know all
            weights in small; returns whether it needs to.
    """

    def __init__(
        self,
        history: History,
        pace: Pace,
        *,
        record: Callable[[Step], bool],
        between: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(Status())
        self.reading = Event()
        self.epoch_ending = Event()
        self.sketch: Callable[[], bool] = lambda: False
        self._history = history
        self._pace = pace
        self._record = record
        self._between = between
        self._found_nothing = False
        self._epochs_done = 0
        self._epochs_again: int | None = None  # of a loop that begins again, how many there will be
        self._last_batch: float = math.inf  # of the epoch, where its length is known
        self._batch = 0  # counted on its own: a new status for each batch would cost half of what a batch may
        # The batch that the pace knows of, and the one before which nothing is to be done but to count them.
        self._paced = 0
        self._quiet_until: float = 0
        self._broke_off = False
        self._unsaid = ""
        # What is to be done between two steps; asked for by other threads, which say then that there is something to look for.
        self._soon: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._is_called = False
        self.brake = Brake()
        # Where the training runs that began last.
        self.thread = threading.main_thread()

    @property
    def status(self) -> Status:
        """Where the training stands."""
        return replace(self._status, batch=self._batch)

    @property
    def is_loop(self) -> bool:
        """Whether it is a loop of the user's own: unless they say so, nobody tells where that ends."""
        return self._status.is_loop

    @property
    def place(self) -> Moment:
        """Where the training stands."""
        finished = self._epochs_done - self._status.epochs_before if self._status.epoch else 0
        return Moment(self._epochs_done, self._batch, finished + (self._batch > 0))

    def begin(self, epochs: int | None = None, batches: int | None = None, *, is_loop: bool = False) -> None:
        """Record the state before training; `epochs` and `batches` of each are None where that is unknown.

        A loop of the user's own is noticed when its first step is done: then the state before it is past.
        """
        self._pace.begin()
        if self.is_training:
            self.brake.release()  # one that broke off without a word left it
        if self._batch:  # the fit before this one ended in mid-epoch
            self._history.cut_short(self._epochs_done, self._batch)
            self._epochs_done += 1
        self._history.begin_fit()
        fresh = Status("training", epochs=epochs, batches=batches, fit=self._history.num_fits, is_loop=is_loop)
        self.thread = threading.current_thread()
        is_beside = self.thread is not threading.main_thread()
        self._batch = 0
        self._set(**asdict(fresh) | {"is_beside": is_beside, "asked": self.brake.asked})
        if not is_loop:
            self._update("start", {}, force_draw=True)

    def refuse(self) -> None:
        """Note that a fit began that is not followed; of a training that runs beside it the status stays."""
        if not (self.is_training and self._status.is_beside):
            self._set(phase="refused")

    def begin_loop(self, epochs: int | None, batches: int | None) -> None:
        """Record the state before a loop of the user's own that says where it begins."""
        self.begin(epochs, batches, is_loop=True)
        self._update("start", {}, force_draw=True)

    def soon(self, deed: Callable[[], None]) -> None:
        """Have something done by the training's own thread, between two steps."""
        self._soon.put(deed)
        self._call()
        self.brake.wake()

    def order(self, order: str) -> None:
        """Ask something of the training that runs; called from another thread.

        Who asks for what it does already, or for a training that is over by then, changes nothing.
        """
        with self._changing:  # so that it is not asked of the next
            if self.is_training and not self.is_loop:
                self.ask(order)

    def ask(self, order: str) -> None:
        """Ask something of the training that runs, or of the one that is about to begin."""
        with self._changing:
            ORDERS[order](self.brake)
            self._call()
            self._set(asked=self.brake.asked)

    def _call(self) -> None:
        self._is_called = True  # first: the training looks at it last
        self._quiet_until = 0

    def hold(self) -> bool:
        """Wait for as long as the user wants the training to; say whether it is to end. On the training's own thread."""
        if self.brake.is_holding:
            self._tell_phase("paused")
            self._pace.rest()
            try:
                while self.brake.is_holding:
                    self.brake.wait()
                    self._do_what_waits()
                    if self._between:
                        self._between()
            finally:
                self._pace.go_on()
            self._tell_phase("training")
        return self.brake.is_stopping

    def _tell_phase(self, phase: str) -> None:
        self._set(phase=phase)
        with self.reported():
            self._draw_now()

    def _do_what_waits(self) -> None:
        while not self._soon.empty():
            with self.reported():
                self._soon.get()()

    def epoch_began(self, epoch: int, batches: int | None) -> None:
        """Note where the training stands; `epoch` is counted from 1, as Keras prints it."""
        self._say()
        is_first = not self._status.epoch
        epochs_before = self._count_from(epoch - 1)
        batches = batches or self._status.batches
        if batches:
            self._history.set_epoch_length(self._epochs_done, batches)
        self._batch = self._paced = self._quiet_until = 0
        self._last_batch = batches or math.inf
        if is_first and not self.is_loop:
            self._update("start", {})  # another callback, such as BackupAndRestore, may have loaded weights since the fit began
        self._set(phase="training", epoch=epoch, batches=batches, epochs_before=epochs_before)

    def _count_from(self, finished: int) -> int:
        """Have the time axis go on where the training does, never back to where it has been; return how far it is ahead.

        A fit may begin at an `initial_epoch`, and a loop may leave epochs out.
        """
        if finished > self._epochs_done:
            self._history.skip_epochs(finished, self._epochs_done)
            self._epochs_done = finished
        return self._epochs_done - finished

    def passes(self, batch: int) -> bool:
        """Note a batch that was trained if nothing else is to be done after it, and say so; never raises.

        Most batches are such: then this takes a hundredth of what `batch_ended` and `hold` take.
        """
        if batch < self._quiet_until:
            self._batch = batch
            return True
        try:
            is_due = self._is_due(batch)
            self._quiet_until = 0 if self._between else min(batch + self._pace.batches_left, self._last_batch)
            if batch >= self._last_batch:
                self.reading.publish()
                self.epoch_ending.publish()
            if self._is_called or self._found_nothing or is_due:
                self._quiet_until = 0
                return False
            if self._between:
                self._between()
        except Exception:  # noqa: BLE001 - `batch_ended` meets it again, where it is reported
            return False
        return True

    def _is_due(self, batch: int) -> bool:
        num_new, self._batch, self._paced = batch - self._paced, batch, batch
        return self._pace.is_due(num_new)

    def batch_ended(self, batch: int, logs: Mapping[str, Any] | None = None, *, always: bool = False) -> None:
        """Record if the pace allows it, or `always`; `batch` says how many of this epoch are trained."""
        self._is_called = False  # before all that may call again
        self._do_what_waits()
        if self._is_due(batch) or self._found_nothing or always:
            self._update("batch", logs)
        if self._between:
            self._between()

    def epoch_ended(self, logs: Mapping[str, Any] | None = None) -> None:
        """Record the end of the epoch, always."""
        num_batches, self._batch = self._batch, 0
        if num_batches:
            self._history.set_epoch_length(self._epochs_done, num_batches)
        self._epochs_done += 1
        self._set(batches=num_batches or self._status.batches)
        self._update("epoch", logs)
        self._note_line(logs)

    def _note_line(self, logs: Mapping[str, Any] | None) -> None:
        if logger.isEnabledFor(logging.INFO):
            self._unsaid = _line_of(self._status, self._history.num_recorded, _numbers_of(logs))

    def _say(self) -> None:
        """Log the epoch that ended: now, when Keras' own line of it has ended as well."""
        said, self._unsaid = self._unsaid, ""
        if said:
            logger.info(said)

    def finish(self, phase: str) -> None:
        """Note that the training ended, and draw.

        Args:
            phase: "finished", which is "stopped" where that was asked for, or "interrupted".
        """
        self._do_what_waits()
        self._say()
        if phase == "finished" and not self.is_loop:
            with self.reported():
                self._update("ended", {})
        self._close(phase)
        self.changed.publish()

    def _close(self, phase: str) -> None:
        self._broke_off = phase == "interrupted"
        with self._changing:
            if phase == "finished" and self.brake.is_stopping:
                phase = "stopped"
            self.brake.release()
            self._set(phase=phase, cost=self._pace.share, rate=self._pace.rate, asked="")

    def broke(self, problem: str) -> None:
        """Note that an error of the training's own ended it, where nobody but the panel says so."""
        self._set(problem=problem)
        if self.is_training:
            self.finish("interrupted")

    def spent_beside(self, seconds: float) -> None:
        """Note what another thread took while training."""
        if self.is_training:
            self._pace.spent_beside(seconds)

    def answered(self) -> None:
        """Leave the page to who clicked, for a moment; called from another thread."""
        self._pace.answered()

    def broke_off(self) -> bool:
        """Say once of each training that broke off that it did: what it did last is no record yet."""
        broke_off, self._broke_off = self._broke_off, False
        return broke_off

    def noticed(self, kind: str) -> None:
        """Note that the weights were found changed though no training of ours was running."""
        if kind == "outside" and self._status.phase == "before":
            self._set(phase="unseen")

    def step(self, epoch: int | None, logs: Mapping[str, Any] | None) -> None:
        """Note one step of a training loop of the user's own; `epoch`, counted from 0, where they tell.

        Another epoch is noticed when its first step is done:
        then the end of the one before is past. It is known where its last batch was recorded, as it always is from the second
        epoch on, by the length of the one before.
        """
        is_other = self.is_training and epoch is not None and bool(self._status.epoch) and epoch + 1 != self._status.epoch
        has_end = not is_other or self._leave_epoch()
        if not self.is_training:
            self.begin(self._epochs_again, is_loop=True)
            self._epochs_again = None
        if is_other or not self._status.epoch:
            self.epoch_began(1 if epoch is None else epoch + 1, None)
        self.batch_ended(self._batch + 1, logs, always=not has_end or self._batch + 1 == self._last_batch)

    def end_before(self, epoch: int | None) -> None:
        """End the loop where its epochs begin again: an epoch that was left behind comes again in another loop only."""
        if self.is_training and epoch is not None and epoch + 1 < self._status.epoch:
            self._leave_epoch()
            self._epochs_again = self._status.epochs
            # Without drawing: a drawing would take the first step of the next loop for a change from outside.
            self._close("finished")

    def _leave_epoch(self) -> bool:
        """Note that the epoch of a loop is over, one step after its last; say whether there is a record of its end."""
        num_batches, self._batch = self._batch, 0
        self._history.set_epoch_length(self._epochs_done, num_batches)
        has_end = self._history.end_epoch(self._epochs_done, num_batches)
        self._epochs_done += 1
        self._set(batches=num_batches)
        self._note_line(None)
        return has_end

    def leave_loop(self, *, succeeded: bool) -> None:
        """Note that a loop of the user's own ended, or that an error ended it, unless that is known; never raises."""
        with self.reported():
            if self.is_training and self.is_loop:
                self._end(succeeded=succeeded)

    def leave_cell(self, *, succeeded: bool) -> None:
        """Note that the cell ended in which the training ran: a loop ends with it, and a `fit` broke off without a word."""
        if self.is_training and not self._status.is_beside:
            self._end(succeeded=succeeded and self.is_loop)

    def _end(self, *, succeeded: bool) -> None:
        """End the training; what a loop left is a record, if that of its last batch is not the same."""
        if succeeded and self._batch:
            self._update("ended" if self._leave_epoch() else "epoch", {})
        self.finish("finished" if succeeded else "interrupted")

    def _draw_problem(self) -> None:
        if self._pace.may_draw():
            self._draw_now()

    def _update(self, kind: str, logs: Mapping[str, Any] | None, *, force_draw: bool = False) -> None:
        with HeldBack():
            began, num_before = perf_counter(), self._history.num_recorded
            try:
                self.reading.publish()
                self._found_nothing = not self._record(self.place.step(kind, logs=_numbers_of(logs)))
            finally:
                self._pace.recorded(perf_counter() - began, num_records=self._history.num_recorded - num_before)
            if force_draw or self._pace.may_draw():
                self._draw_now()
            if (kind != "batch" or self.is_loop) and self._pace.may_sketch():
                self._sketch_now()

    def _sketch_now(self) -> None:
        began = perf_counter()
        if self.sketch():
            self._pace.sketched(perf_counter() - began)

    def _draw_now(self) -> None:
        began = perf_counter()
        try:
            self._set(cost=self._pace.share, rate=self._pace.rate)
            self.changed.publish()
        finally:
            self._pace.drawn(perf_counter() - began)


def _line_of(status: Status, num_records: int, numbers: Mapping[str, float]) -> str:
    """Say how an epoch ended, in one line of text.

    >>> _line_of(Status(epoch=3, epochs=10), 12, {"loss": 0.5})
    'epoch 3 of 10, loss: 0.5, records: 12'
    """
    told = (f"{name}: {value:.4g}" for name, value in numbers.items())
    return ", ".join([progress_words(status), *told, f"records: {num_records}"])


def _numbers_of(logs: Mapping[str, Any] | None) -> Mapping[str, float]:
    """Return the numbers among what the training tells: others may be anything."""
    found = {}
    for name, value in (logs or {}).items():
        try:
            found[str(name)] = float(value)
        except (TypeError, ValueError):
            continue
    return MappingProxyType(found)
