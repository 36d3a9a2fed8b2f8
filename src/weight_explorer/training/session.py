"""The status of a training, and the actions at each of its events: record, draw, report. Independent of Keras."""

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

# The requests that a user can send to a training, and the `TrainingControl` method for each.
REQUESTS: Mapping[str, Callable[[TrainingControl], None]] = {
    "pause": TrainingControl.pause,
    "resume": TrainingControl.resume,
    "stop": TrainingControl.stop,
}


class _ErrorReporting:
    """Passes an error to a function instead of raising it. A generator would take three times as long at every record."""

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
    """Keeps the status of a training, and shows errors in the panel. Can be used by two threads.

    Args:
        status: The initial status.

    Attributes:
        changed: Published when the panel must be updated, because there is a new record or the status changed. Handlers must
            not wait for another thread.
    """

    def __init__(self, status: TrainingStatus) -> None:
        self.changed = Event()
        self._status = status
        self._reported_errors: set[str] = set()
        self._status_lock = threading.RLock()  # errors in click handlers are reported from another thread

    @property
    def status(self) -> TrainingStatus:
        """The status of the training."""
        return self._status

    @property
    def is_training(self) -> bool:
        """Whether a training is running, as far as it was reported."""
        return self._status.is_training

    def reporting_errors(self) -> _ErrorReporting:
        """Return a context that shows an error in the panel, where raising it would disrupt the training or go unseen."""
        return _ErrorReporting(self.report_error)

    def noted(self) -> _ErrorReporting:
        """Return a context that shows an error with the next picture instead of raising it."""
        return _ErrorReporting(self.note_error)

    def report_error(self, error: Exception) -> None:
        """Show an error of the explorer in the panel. Never raises."""
        self.note_error(error)
        try:
            self._draw_error()
        except Exception:  # drawing may have caused the error
            logger.debug("The problem could not be drawn.", exc_info=True)

    def note_error(self, error: Exception) -> None:
        """Show an error of the explorer with the next picture. Never raises."""
        try:
            problem = f"{type(error).__name__}: {error}"[:300]
        except Exception:  # noqa: BLE001 - the error has no printable message
            problem = type(error).__name__
        if problem not in self._reported_errors:  # logged once: an error in every batch would flood the output
            self._reported_errors.add(problem)
            logger.warning("Weight Explorer met a problem; a running training goes on.", exc_info=error)
        self._update_status(problem=problem)

    def clear_error(self, error_type: type[Exception]) -> None:
        """Stop showing a problem with this error type."""
        if self._status.problem.startswith(f"{error_type.__name__}: "):
            self._update_status(problem="")

    def note_click_answered(self) -> None:
        """Note that a click was answered. Called from another thread."""

    def add_background_time(self, seconds: float) -> None:
        """Note the time that another thread took during training."""

    def request_if_training(self, request: str) -> None:
        """Ignore a request, one of `REQUESTS`, because no training is running."""

    def _draw_error(self) -> None:
        self.changed.publish()

    def _update_status(self, **fields: Any) -> None:
        with self._status_lock:
            self._status = replace(self._status, **fields)


class TrainingSession(StatusReporter):
    """Follows the training of a model, over several fits.

    Args:
        history: Receives the number of batches of each epoch, and where each fit begins.
        scheduler: Decides when records are due.
        record: Called with a `Record` to copy the weights. Returns False if the model is not built yet, True otherwise.
        between_batches: Called after every batch, and repeatedly while the training is paused. None calls nothing.

    Attributes:
        reading: Published just before the model is read.
        epoch_ending: Published after the last batch of an epoch of known length, before any callback is told of the epoch end.
        sketch: Called when a training begins and at the ends of epochs, if the scheduler allows it, to send previews of all
            weights to the page. Returns whether the page needs them.
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
        self._next_loop_epochs: int | None = None  # the number of epochs of a loop that starts over
        self._last_batch: float = math.inf  # the last batch of the epoch, if its length is known
        self._batch = 0  # not part of the status: a new status per batch would take half of the time budget of a batch
        # The last batch that the scheduler counted, and the next batch that needs more than counting.
        self._scheduled_batch = 0
        self._next_busy_batch: float = 0
        self._was_interrupted = False
        self._pending_log_line = ""
        # Functions to call between two steps. Other threads add them, and then set `_has_request`.
        self._queued_calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._has_request = False
        self.control = TrainingControl()
        # The thread of the training that began last.
        self.thread = threading.main_thread()

    @property
    def status(self) -> TrainingStatus:
        """The status of the training."""
        return replace(self._status, batch=self._batch)

    @property
    def is_custom_loop(self) -> bool:
        """Whether the training is a custom loop. Its end is unknown unless the user reports it."""
        return self._status.is_custom_loop

    @property
    def progress(self) -> TrainingProgress:
        """The progress of the training."""
        finished = self._finished_epochs - self._status.epochs_before if self._status.epoch else 0
        return TrainingProgress(self._finished_epochs, self._batch, finished + (self._batch > 0))

    def begin(self, epochs: int | None = None, batches: int | None = None, *, is_custom_loop: bool = False) -> None:
        """Begin a training and record the state before it. `epochs` and `batches` per epoch are None if unknown.

        A custom loop is only detected after its first step. The state before it is then gone, so it is not recorded here.
        """
        self._scheduler.begin()
        if self.is_training:
            self.control.reset()  # requests to an interrupted training
        if self._batch:  # the previous fit ended in the middle of an epoch
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
        """Note that a fit began that is not recorded. The status of a background training does not change."""
        if not (self.is_training and self._status.is_background):
            self._update_status(phase="refused")

    def begin_loop(self, epochs: int | None, batches: int | None) -> None:
        """Begin a custom loop that reports its start, and record the state before it."""
        self.begin(epochs, batches, is_custom_loop=True)
        self._record_and_draw("start", {}, force_draw=True)

    def run_between_batches(self, function: Callable[[], None]) -> None:
        """Call a function on the training thread between two steps."""
        self._queued_calls.put(function)
        self._signal_request()
        self.control.notify()

    def request_if_training(self, request: str) -> None:
        """Send a request to the running training. Called from another thread.

        The request has no effect if it is already in effect, or if the training is over by then.
        """
        with self._status_lock:  # so that the request does not reach the next training
            if self.is_training and not self.is_custom_loop:
                self.send_request(request)

    def send_request(self, request: str) -> None:
        """Send a request to the running training, or to the one that is about to begin."""
        with self._status_lock:
            REQUESTS[request](self.control)
            self._signal_request()
            self._update_status(request=self.control.request)

    def _signal_request(self) -> None:
        self._has_request = True  # set first, because the training checks it last
        self._next_busy_batch = 0

    def wait_while_paused(self) -> bool:
        """Wait while the training is paused, and return whether it should stop. Called on the training thread."""
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
        """Note the start of an epoch. `epoch` is counted from 1, as Keras prints it."""
        self._log_epoch()
        is_first = not self._status.epoch
        epochs_before = self._advance_to_epoch(epoch - 1)
        batches = batches or self._status.batches
        if batches:
            self._history.set_epoch_length(self._finished_epochs, batches)
        self._batch = self._scheduled_batch = self._next_busy_batch = 0
        self._last_batch = batches or math.inf
        if is_first and not self.is_custom_loop:
            # Another callback, such as BackupAndRestore, may have loaded weights since the fit began.
            self._record_and_draw("start", {})
        self._update_status(phase="training", epoch=epoch, batches=batches, epochs_before=epochs_before)

    def _advance_to_epoch(self, finished: int) -> int:
        """Move the time axis forward to an epoch, never backward, and return how many epochs it is ahead.

        A fit may begin at an `initial_epoch`, and a custom loop may skip epochs.
        """
        if finished > self._finished_epochs:
            self._history.skip_epochs(finished, self._finished_epochs)
            self._finished_epochs = finished
        return self._finished_epochs - finished

    def try_skip_batch(self, batch: int) -> bool:
        """Note a trained batch and return True if nothing else has to be done after it. Never raises.

        This is the case for most batches, and takes a hundredth of the time of `end_batch` and `wait_while_paused`.
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
        except Exception:  # noqa: BLE001 - it occurs again in `end_batch`, where it is reported
            return False
        return True

    def _is_due(self, batch: int) -> bool:
        num_new, self._batch, self._scheduled_batch = batch - self._scheduled_batch, batch, batch
        return self._scheduler.is_due(num_new)

    def end_batch(self, batch: int, logs: Mapping[str, Any] | None = None, *, force_record: bool = False) -> None:
        """Record if a record is due or `force_record` is True. `batch` is the number of trained batches of this epoch."""
        self._has_request = False  # first, since the calls below may set it again
        self._run_queued_calls()
        if self._is_due(batch) or self._is_model_unbuilt or force_record:
            self._record_and_draw("batch", logs)
        if self._between_batches:
            self._between_batches()

    def end_epoch(self, logs: Mapping[str, Any] | None = None) -> None:
        """Always record the end of the epoch."""
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
        """Log the epoch that ended. This happens after Keras has finished its own output line for the epoch."""
        said, self._pending_log_line = self._pending_log_line, ""
        if said:
            logger.info(said)

    def finish(self, phase: str) -> None:
        """Note that the training ended, and draw.

        Args:
            phase: "finished" or "interrupted". "finished" becomes "stopped" if a stop was requested.
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
        """Note that an error ended the training, in cases where only the panel shows it."""
        self._update_status(problem=problem)
        if self.is_training:
            self.finish("interrupted")

    def add_background_time(self, seconds: float) -> None:
        """Note the time that another thread took during training."""
        if self.is_training:
            self._scheduler.add_background_time(seconds)

    def note_click_answered(self) -> None:
        """Pause drawing briefly after a click, so that the page is responsive. Called from another thread."""
        self._scheduler.note_click_answered()

    def take_interruption(self) -> bool:
        """Return True once for each interrupted training: its last changes are not recorded yet."""
        broke_off, self._was_interrupted = self._was_interrupted, False
        return broke_off

    def note_change(self, kind: str) -> None:
        """Note a change of the weights that was detected while no recorded training was running."""
        if kind == "outside" and self._status.phase == "before":
            self._update_status(phase="unseen")

    def loop_step(self, epoch: int | None, logs: Mapping[str, Any] | None) -> None:
        """Note one step of a custom training loop. `epoch` is counted from 0, or None if not given.

        A new epoch is only detected after its first step, when the previous epoch has already ended. The state at that end is
        known if the last batch of the epoch was recorded. From the second epoch on it always is, because the length of the
        previous epoch tells which batch is the last.
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
        """End the loop if its epochs start over: an earlier epoch number can only come from a new loop."""
        if self.is_training and epoch is not None and epoch + 1 < self._status.epoch:
            self._end_loop_epoch()
            self._next_loop_epochs = self._status.epochs
            # Do not draw: drawing would record the first step of the next loop as a change from outside.
            self._close("finished")

    def _end_loop_epoch(self) -> bool:
        """Note the end of an epoch of a custom loop, one step late, and return whether there is a record of that end."""
        num_batches, self._batch = self._batch, 0
        self._history.set_epoch_length(self._finished_epochs, num_batches)
        has_end = self._history.mark_epoch_end(self._finished_epochs, num_batches)
        self._finished_epochs += 1
        self._update_status(batches=num_batches)
        self._prepare_log_line(None)
        return has_end

    def leave_loop(self, *, succeeded: bool) -> None:
        """Note that a custom loop ended, normally or with an error, unless that is already known. Never raises."""
        with self.reporting_errors():
            if self.is_training and self.is_custom_loop:
                self._end(succeeded=succeeded)

    def leave_cell(self, *, succeeded: bool) -> None:
        """Note that the cell of the training ended. This ends a custom loop; a `fit` that is still running was interrupted."""
        if self.is_training and not self._status.is_background:
            self._end(succeeded=succeeded and self.is_custom_loop)

    def _end(self, *, succeeded: bool) -> None:
        """End the training. The final state of a custom loop is recorded, unless the record of its last batch is identical."""
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
    """Return a one-line summary of the end of an epoch.

    >>> _format_epoch_line(TrainingStatus(epoch=3, epochs=10), 12, {"loss": 0.5})
    'epoch 3 of 10, loss: 0.5, records: 12'
    """
    told = (f"{name}: {value:.4g}" for name, value in metrics.items())
    return ", ".join([describe_progress(status), *told, f"records: {num_records}"])


def _numeric_logs(logs: Mapping[str, Any] | None) -> Mapping[str, float]:
    """Return the log values that are numbers. Logs can contain values of any type."""
    found = {}
    for name, value in (logs or {}).items():
        try:
            found[str(name)] = float(value)
        except (TypeError, ValueError):
            continue
    return MappingProxyType(found)
