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

from weight_explorer.recording.descriptions import describe_progress
from weight_explorer.recording.events import Event
from weight_explorer.recording.interrupts import DeferInterrupts
from weight_explorer.recording.live_history import LiveHistory
from weight_explorer.recording.records import Record, TrainingProgress
from weight_explorer.recording.status import TrainingStatus
from weight_explorer.training.control import TrainingControl
from weight_explorer.training.scheduler import RecordScheduler

logger = logging.getLogger("weight_explorer")

# What the user can ask of a training, and what the brake does then.
REQUESTS: Mapping[str, Callable[[TrainingControl], None]] = {
    "pause": TrainingControl.pause,
    "resume": TrainingControl.resume,
    "stop": TrainingControl.stop,
}


class _ErrorReporting:
    """Hands an error on instead of raising it. A generator would take three times as long, which every record pays."""

    __slots__ = ("_report",)

    def __init__(self, report: Callable[[Exception], None]) -> None:
        self._report = report

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self._report(error)
        return True


class StatusReporter:
    """Knows where a training stands, and shows in the panel what goes wrong. For two threads.

    Args:
        status: Where it stands at first.

    Attributes:
        changed: Published when the panel is to be brought up to date: there is a record, or the status changed. No handler may
            wait for another thread.
    """

    def __init__(self, status: TrainingStatus) -> None:
        self.changed = Event()
        self._status = status
        self._reported_errors: set[str] = set()
        self._status_lock = threading.RLock()  # an error in a click is reported from another thread

    @property
    def status(self) -> TrainingStatus:
        """Where the training stands."""
        return self._status

    @property
    def is_training(self) -> bool:
        """Whether a training is running, as far as anybody told."""
        return self._status.is_training

    def reporting_errors(self) -> _ErrorReporting:
        """Show an error in the panel instead of raising it, where raising would hurt a training or be seen by nobody."""
        return _ErrorReporting(self.report_error)

    def noted(self) -> _ErrorReporting:
        """Show an error with the next picture instead of raising it."""
        return _ErrorReporting(self.note_error)

    def report_error(self, error: Exception) -> None:
        """Show an error of ours in the panel; never raises."""
        self.note_error(error)
        try:
            self._draw_error()
        except Exception:  # the drawing may be what failed
            logger.debug("The problem could not be drawn.", exc_info=True)

    def note_error(self, error: Exception) -> None:
        """Have an error of ours shown with the next picture; never raises."""
        try:
            problem = f"{type(error).__name__}: {error}"[:300]
        except Exception:  # noqa: BLE001 - an error that cannot even be written
            problem = type(error).__name__
        if problem not in self._reported_errors:  # said once: an error in every batch would fill the user's output
            self._reported_errors.add(problem)
            logger.warning("Weight Explorer met a problem; a running training goes on.", exc_info=error)
        self._update_status(problem=problem)

    def clear_error(self, error_type: type[Exception]) -> None:
        """Show a problem of this kind no longer."""
        if self._status.problem.startswith(f"{error_type.__name__}: "):
            self._update_status(problem="")

    def note_click_answered(self) -> None:
        """Note that a click was answered; called from another thread."""

    def add_background_time(self, seconds: float) -> None:
        """Note what another thread took while training."""

    def request_if_training(self, request: str) -> None:
        """Take what the user asks of a training, one of `REQUESTS`: there is none."""

    def _draw_error(self) -> None:
        self.changed.publish()

    def _update_status(self, **fields: Any) -> None:
        with self._status_lock:
            self._status = replace(self._status, **fields)


class TrainingSession(StatusReporter):
    """Follows a training, fit after fit.

    Args:
        history: Learns how many batches each epoch has, and where a fit begins.
        scheduler: Decides when records are due.
        record: Called with a `Record` when the weights are to be copied; returns whether there is nothing to wait for, which is
            False of a model that is not built yet.
        between_batches: Called after every batch, and again and again while the training is held between two; None for nothing.

    Attributes:
        reading: Published when the model is about to be read.
        epoch_ending: Published after the last batch of an epoch whose length is known, before any callback hears of its end.
        sketch: Called when a training begins and at the ends of epochs, as the pace allows, to have the page know all
            weights in small; returns whether it needs to.
    """

    def __init__(
        self,
        history: LiveHistory,
        scheduler: RecordScheduler,
        *,
        record: Callable[[Record], bool],
        between_batches: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(TrainingStatus())
        self.reading = Event()
        self.epoch_ending = Event()
        self.sketch: Callable[[], bool] = lambda: False
        self._history = history
        self._scheduler = scheduler
        self._record = record
        self._between_batches = between_batches
        self._is_model_unbuilt = False
        self._finished_epochs = 0
        self._next_loop_epochs: int | None = None  # of a loop that begins again, how many there will be
        self._last_batch: float = math.inf  # of the epoch, where its length is known
        self._batch = 0  # counted on its own: a new status for each batch would cost half of what a batch may
        # The batch that the pace knows of, and the one before which nothing is to be done but to count them.
        self._scheduled_batch = 0
        self._next_busy_batch: float = 0
        self._was_interrupted = False
        self._pending_log_line = ""
        # What is to be done between two steps; asked for by other threads, which say then that there is something to look for.
        self._queued_calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._has_request = False
        self.control = TrainingControl()
        # Where the training runs that began last.
        self.thread = threading.main_thread()

    @property
    def status(self) -> TrainingStatus:
        """Where the training stands."""
        return replace(self._status, batch=self._batch)

    @property
    def is_custom_loop(self) -> bool:
        """Whether it is a loop of the user's own: unless they say so, nobody tells where that ends."""
        return self._status.is_custom_loop

    @property
    def progress(self) -> TrainingProgress:
        """Where the training stands."""
        finished = self._finished_epochs - self._status.epochs_before if self._status.epoch else 0
        return TrainingProgress(self._finished_epochs, self._batch, finished + (self._batch > 0))

    def begin(self, epochs: int | None = None, batches: int | None = None, *, is_custom_loop: bool = False) -> None:
        """Record the state before training; `epochs` and `batches` of each are None where that is unknown.

        A loop of the user's own is noticed when its first step is done: then the state before it is past.
        """
        self._scheduler.begin()
        if self.is_training:
            self.control.reset()  # one that broke off without a word left it
        if self._batch:  # the fit before this one ended in mid-epoch
            self._history.mark_epoch_interrupted(self._finished_epochs, self._batch)
            self._finished_epochs += 1
        self._history.begin_fit()
        fresh = TrainingStatus(
            "training", epochs=epochs, batches=batches, fit=self._history.num_fits, is_custom_loop=is_custom_loop
        )
        self.thread = threading.current_thread()
        is_beside = self.thread is not threading.main_thread()
        self._batch = 0
        self._update_status(**asdict(fresh) | {"is_background": is_beside, "request": self.control.request})
        if not is_custom_loop:
            self._record_and_draw("start", {}, force_draw=True)

    def reject_fit(self) -> None:
        """Note that a fit began that is not followed; of a training that runs beside it the status stays."""
        if not (self.is_training and self._status.is_background):
            self._update_status(phase="refused")

    def begin_loop(self, epochs: int | None, batches: int | None) -> None:
        """Record the state before a loop of the user's own that says where it begins."""
        self.begin(epochs, batches, is_custom_loop=True)
        self._record_and_draw("start", {}, force_draw=True)

    def run_between_batches(self, function: Callable[[], None]) -> None:
        """Have something done by the training's own thread, between two steps."""
        self._queued_calls.put(function)
        self._signal_request()
        self.control.notify()

    def request_if_training(self, request: str) -> None:
        """Ask something of the training that runs; called from another thread.

        Who asks for what it does already, or for a training that is over by then, changes nothing.
        """
        with self._status_lock:  # so that it is not asked of the next
            if self.is_training and not self.is_custom_loop:
                self.send_request(request)

    def send_request(self, request: str) -> None:
        """Ask something of the training that runs, or of the one that is about to begin."""
        with self._status_lock:
            REQUESTS[request](self.control)
            self._signal_request()
            self._update_status(request=self.control.request)

    def _signal_request(self) -> None:
        self._has_request = True  # first: the training looks at it last
        self._next_busy_batch = 0

    def wait_while_paused(self) -> bool:
        """Wait for as long as the user wants the training to; say whether it is to end. On the training's own thread."""
        if self.control.should_wait:
            self._show_phase("paused")
            self._scheduler.pause_clock()
            try:
                while self.control.should_wait:
                    self.control.wait()
                    self._run_queued_calls()
                    if self._between_batches:
                        self._between_batches()
            finally:
                self._scheduler.resume_clock()
            self._show_phase("training")
        return self.control.is_stopping

    def _show_phase(self, phase: str) -> None:
        self._update_status(phase=phase)
        with self.reporting_errors():
            self._draw_now()

    def _run_queued_calls(self) -> None:
        while not self._queued_calls.empty():
            with self.reporting_errors():
                self._queued_calls.get()()

    def begin_epoch(self, epoch: int, batches: int | None) -> None:
        """Note where the training stands; `epoch` is counted from 1, as Keras prints it."""
        self._log_epoch()
        is_first = not self._status.epoch
        epochs_before = self._advance_to_epoch(epoch - 1)
        batches = batches or self._status.batches
        if batches:
            self._history.set_epoch_length(self._finished_epochs, batches)
        self._batch = self._scheduled_batch = self._next_busy_batch = 0
        self._last_batch = batches or math.inf
        if is_first and not self.is_custom_loop:
            self._record_and_draw(
                "start", {}
            )  # another callback, such as BackupAndRestore, may have loaded weights since the fit began
        self._update_status(phase="training", epoch=epoch, batches=batches, epochs_before=epochs_before)

    def _advance_to_epoch(self, finished: int) -> int:
        """Have the time axis go on where the training does, never back to where it has been; return how far it is ahead.

        A fit may begin at an `initial_epoch`, and a loop may leave epochs out.
        """
        if finished > self._finished_epochs:
            self._history.skip_epochs(finished, self._finished_epochs)
            self._finished_epochs = finished
        return self._finished_epochs - finished

    def try_skip_batch(self, batch: int) -> bool:
        """Note a batch that was trained if nothing else is to be done after it, and say so; never raises.

        Most batches are such: then this takes a hundredth of what `end_batch` and `wait_while_paused` take.
        """
        if batch < self._next_busy_batch:
            self._batch = batch
            return True
        try:
            is_due = self._is_due(batch)
            self._next_busy_batch = (
                0 if self._between_batches else min(batch + self._scheduler.batches_until_record, self._last_batch)
            )
            if batch >= self._last_batch:
                self.reading.publish()
                self.epoch_ending.publish()
            if self._has_request or self._is_model_unbuilt or is_due:
                self._next_busy_batch = 0
                return False
            if self._between_batches:
                self._between_batches()
        except Exception:  # noqa: BLE001 - `end_batch` meets it again, where it is reported
            return False
        return True

    def _is_due(self, batch: int) -> bool:
        num_new, self._batch, self._scheduled_batch = batch - self._scheduled_batch, batch, batch
        return self._scheduler.is_due(num_new)

    def end_batch(self, batch: int, logs: Mapping[str, Any] | None = None, *, force_record: bool = False) -> None:
        """Record if the pace allows it, or `force_record`; `batch` says how many of this epoch are trained."""
        self._has_request = False  # before all that may call again
        self._run_queued_calls()
        if self._is_due(batch) or self._is_model_unbuilt or force_record:
            self._record_and_draw("batch", logs)
        if self._between_batches:
            self._between_batches()

    def end_epoch(self, logs: Mapping[str, Any] | None = None) -> None:
        """Record the end of the epoch, always."""
        num_batches, self._batch = self._batch, 0
        if num_batches:
            self._history.set_epoch_length(self._finished_epochs, num_batches)
        self._finished_epochs += 1
        self._update_status(batches=num_batches or self._status.batches)
        self._record_and_draw("epoch", logs)
        self._prepare_log_line(logs)

    def _prepare_log_line(self, logs: Mapping[str, Any] | None) -> None:
        if logger.isEnabledFor(logging.INFO):
            self._pending_log_line = _format_epoch_line(self._status, self._history.num_recorded, _numeric_logs(logs))

    def _log_epoch(self) -> None:
        """Log the epoch that ended: now, when Keras' own line of it has ended as well."""
        said, self._pending_log_line = self._pending_log_line, ""
        if said:
            logger.info(said)

    def finish(self, phase: str) -> None:
        """Note that the training ended, and draw.

        Args:
            phase: "finished", which is "stopped" where that was asked for, or "interrupted".
        """
        self._run_queued_calls()
        self._log_epoch()
        if phase == "finished" and not self.is_custom_loop:
            with self.reporting_errors():
                self._record_and_draw("ended", {})
        self._close(phase)
        self.changed.publish()

    def _close(self, phase: str) -> None:
        self._was_interrupted = phase == "interrupted"
        with self._status_lock:
            if phase == "finished" and self.control.is_stopping:
                phase = "stopped"
            self.control.reset()
            self._update_status(
                phase=phase, overhead=self._scheduler.overhead, record_rate=self._scheduler.record_rate, request=""
            )

    def fail(self, problem: str) -> None:
        """Note that an error of the training's own ended it, where nobody but the panel says so."""
        self._update_status(problem=problem)
        if self.is_training:
            self.finish("interrupted")

    def add_background_time(self, seconds: float) -> None:
        """Note what another thread took while training."""
        if self.is_training:
            self._scheduler.add_background_time(seconds)

    def note_click_answered(self) -> None:
        """Leave the page to who clicked, for a moment; called from another thread."""
        self._scheduler.note_click_answered()

    def take_interruption(self) -> bool:
        """Say once of each training that broke off that it did: what it did last is no record yet."""
        broke_off, self._was_interrupted = self._was_interrupted, False
        return broke_off

    def note_change(self, kind: str) -> None:
        """Note that the weights were found changed though no training of ours was running."""
        if kind == "outside" and self._status.phase == "before":
            self._update_status(phase="unseen")

    def loop_step(self, epoch: int | None, logs: Mapping[str, Any] | None) -> None:
        """Note one step of a training loop of the user's own; `epoch`, counted from 0, where they tell.

        Another epoch is noticed when its first step is done:
        then the end of the one before is past. It is known where its last batch was recorded, as it always is from the second
        epoch on, by the length of the one before.
        """
        is_other = self.is_training and epoch is not None and bool(self._status.epoch) and epoch + 1 != self._status.epoch
        has_end = not is_other or self._end_loop_epoch()
        if not self.is_training:
            self.begin(self._next_loop_epochs, is_custom_loop=True)
            self._next_loop_epochs = None
        if is_other or not self._status.epoch:
            self.begin_epoch(1 if epoch is None else epoch + 1, None)
        self.end_batch(self._batch + 1, logs, force_record=not has_end or self._batch + 1 == self._last_batch)

    def end_loop_if_restarted(self, epoch: int | None) -> None:
        """End the loop where its epochs begin again: an epoch that was left behind comes again in another loop only."""
        if self.is_training and epoch is not None and epoch + 1 < self._status.epoch:
            self._end_loop_epoch()
            self._next_loop_epochs = self._status.epochs
            # Without drawing: a drawing would take the first step of the next loop for a change from outside.
            self._close("finished")

    def _end_loop_epoch(self) -> bool:
        """Note that the epoch of a loop is over, one step after its last; say whether there is a record of its end."""
        num_batches, self._batch = self._batch, 0
        self._history.set_epoch_length(self._finished_epochs, num_batches)
        has_end = self._history.mark_epoch_end(self._finished_epochs, num_batches)
        self._finished_epochs += 1
        self._update_status(batches=num_batches)
        self._prepare_log_line(None)
        return has_end

    def leave_loop(self, *, succeeded: bool) -> None:
        """Note that a loop of the user's own ended, or that an error ended it, unless that is known; never raises."""
        with self.reporting_errors():
            if self.is_training and self.is_custom_loop:
                self._end(succeeded=succeeded)

    def leave_cell(self, *, succeeded: bool) -> None:
        """Note that the cell ended in which the training ran: a loop ends with it, and a `fit` broke off without a word."""
        if self.is_training and not self._status.is_background:
            self._end(succeeded=succeeded and self.is_custom_loop)

    def _end(self, *, succeeded: bool) -> None:
        """End the training; what a loop left is a record, if that of its last batch is not the same."""
        if succeeded and self._batch:
            self._record_and_draw("ended" if self._end_loop_epoch() else "epoch", {})
        self.finish("finished" if succeeded else "interrupted")

    def _draw_error(self) -> None:
        if self._scheduler.may_draw():
            self._draw_now()

    def _record_and_draw(self, kind: str, logs: Mapping[str, Any] | None, *, force_draw: bool = False) -> None:
        with DeferInterrupts():
            began, num_before = perf_counter(), self._history.num_recorded
            try:
                self.reading.publish()
                self._is_model_unbuilt = not self._record(self.progress.make_record(kind, logs=_numeric_logs(logs)))
            finally:
                self._scheduler.note_record(perf_counter() - began, num_records=self._history.num_recorded - num_before)
            if force_draw or self._scheduler.may_draw():
                self._draw_now()
            if (kind != "batch" or self.is_custom_loop) and self._scheduler.may_send_previews():
                self._send_previews_now()

    def _send_previews_now(self) -> None:
        began = perf_counter()
        if self.sketch():
            self._scheduler.note_previews(perf_counter() - began)

    def _draw_now(self) -> None:
        began = perf_counter()
        try:
            self._update_status(overhead=self._scheduler.overhead, record_rate=self._scheduler.record_rate)
            self.changed.publish()
        finally:
            self._scheduler.note_drawing(perf_counter() - began)


def _format_epoch_line(status: TrainingStatus, num_records: int, metrics: Mapping[str, float]) -> str:
    """Say how an epoch ended, in one line of text.

    >>> _format_epoch_line(TrainingStatus(epoch=3, epochs=10), 12, {"loss": 0.5})
    'epoch 3 of 10, loss: 0.5, records: 12'
    """
    told = (f"{name}: {value:.4g}" for name, value in metrics.items())
    return ", ".join([describe_progress(status), *told, f"records: {num_records}"])


def _numeric_logs(logs: Mapping[str, Any] | None) -> Mapping[str, float]:
    """Return the numbers among what the training tells: others may be anything."""
    found = {}
    for name, value in (logs or {}).items():
        try:
            found[str(name)] = float(value)
        except (TypeError, ValueError):
            continue
    return MappingProxyType(found)
