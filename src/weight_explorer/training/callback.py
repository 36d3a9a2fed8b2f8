"""The Keras callback: reports progress to the session, and keeps the explorer's errors away from the training."""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras

from weight_explorer.recording.events import Event
from weight_explorer.recording.facts import TrainingKind
from weight_explorer.recording.status import TrainingStatus
from weight_explorer.training.session import TrainingSession


def never_raises(hook: Callable[..., None]) -> Callable[..., None]:
    """Wrap a hook so that it never raises: errors are shown in the panel and logged, and the training continues."""

    @functools.wraps(hook)
    def safe(self: TrainingCallback, *args: Any, **kwargs: Any) -> None:
        with self._session.reporting_errors():
            hook(self, *args, **kwargs)

    return safe


def may_be_training(thread: threading.Thread) -> bool:
    """Return whether a `fit` that began on this thread may still be running.

    A `fit` that was interrupted inside a `try` never reports its end. On the current thread, the call stack shows whether it is
    running. For another thread, it is only known whether the thread is alive.
    """
    return is_called_by_fit() if thread is threading.current_thread() else thread.is_alive()


def is_called_by_fit() -> bool:
    """Return whether a Keras `fit` is on the call stack, which is the case inside a callback."""
    caller = inspect.currentframe()
    while caller is not None:
        if caller.f_code.co_name == "fit" and caller.f_globals.get("__name__", "").startswith("keras."):
            return True
        caller = caller.f_back
    return False


class FitNotRecordedError(RuntimeError):
    """Raised when `fit` receives the callback of an explorer that cannot follow it."""


class TrainingCallback(keras.callbacks.Callback):
    """Keeps a `WeightExplorer` up to date during `fit`. The same callback can be used for several fits.

    Args:
        session: Follows the training.

    Attributes:
        began: Published when a training begins, with the model that `fit` trains or None, and the kind of training. If a
            handler raises `FitNotRecordedError`, nothing of that `fit` is recorded.
        stepped: Published at each step of a custom training loop, with the optimizers of the step, or None if not given.
    """

    def __init__(self, session: TrainingSession) -> None:
        super().__init__()
        self.began = Event()
        self.stepped = Event()
        self._session = session
        session.reading.subscribe(self._bring_values)
        self._recorded_model: Any = None  # the model of the last recorded fit
        # The thread of a fit that is not recorded. A recorded fit may run on another thread at the same time.
        self._rejected_thread: threading.Thread | None = None

    def __call__(self) -> None:
        """Raise an error that explains how to pass the callback. Python's own error would not help."""
        raise TypeError("explorer.callback is the callback itself. Pass it without parentheses: callbacks=[explorer.callback].")

    @property
    def status(self) -> TrainingStatus:
        """The status of the training."""
        return self._session.status

    def _bring_values(self) -> None:
        """Make Keras write the trained values to the variables on the JAX backend, by accessing `model`."""
        _ = self.model

    @property
    def _is_rejected(self) -> bool:
        """Whether the fit on the current thread is not recorded."""
        return self._rejected_thread is not None and self._rejected_thread is threading.current_thread()

    @never_raises
    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 - Keras' signature
        """Record the state before training."""
        params = self.params or {}
        failure = None
        try:
            self.began.publish(self.model, TrainingKind.FIT)
        except FitNotRecordedError:
            self._reject()
            raise
        except Exception as error:  # noqa: BLE001 - raised below, once the status of this training is set
            failure = error
        if self._is_rejected:  # an earlier fit on this thread was rejected and then interrupted
            self._rejected_thread = None
        self._recorded_model = self.model
        self._session.begin(params.get("epochs"), params.get("steps"))
        if failure is not None:
            raise failure

    def _reject(self) -> None:
        """Do not record the fit that begins, and keep the model of a recorded fit that may be running at the same time."""
        self._rejected_thread = threading.current_thread()
        if self._recorded_model is not None:
            self.set_model(self._recorded_model)
        self._session.reject_fit()

    @never_raises
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Note the start of an epoch."""
        if not self._is_rejected:
            self._session.begin_epoch(epoch + 1, (self.params or {}).get("steps"))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Record if a record is due, and pause or stop if the user requested it."""
        try:  # unlike a context manager, this costs nothing in a batch with nothing to do
            if not self._is_rejected and not self._session.try_skip_batch(batch + 1):
                self._end_batch(batch + 1, logs)
        except Exception as error:  # noqa: BLE001 - the training continues after any error
            self._session.report_error(error)

    @never_raises
    def _end_batch(self, batch: int, logs: Any) -> None:
        try:
            self._session.end_batch(batch, logs)
        finally:
            self._apply_request()

    @never_raises
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Record the end of the epoch, always."""
        if self._is_rejected:
            return
        try:
            self._session.end_epoch(logs)
        finally:
            self._apply_request()

    def _apply_request(self) -> None:
        """Pause or stop the training if the user requested it, even if recording failed."""
        if self._session.wait_while_paused() and self.model is not None:
            self.model.stop_training = True  # set here, since `fit` resets it when it begins

    @never_raises
    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Record and show the final state."""
        if self._is_rejected:
            self._rejected_thread = None
        else:
            self._session.finish("finished")

    def loop_step(self, epoch: int | None, logs: Mapping[str, Any] | None, optimizers: Any = None) -> None:
        """Note one step of a custom training loop. See `TrainingSession.loop_step`."""
        self._session.end_loop_if_restarted(epoch)
        if not self._session.is_training:
            self.began.publish(None, TrainingKind.LOOP)
        self.stepped.publish(optimizers)
        self._session.loop_step(epoch, logs)

    @contextlib.contextmanager
    def loop(self, epochs: int | None, batches: int | None) -> Iterator[None]:
        """Mark the start and end of a custom training loop, as a context manager. Explorer errors never reach the loop."""
        session = self._session
        with session.reporting_errors():
            self.began.publish(None, TrainingKind.LOOP)
            session.begin_loop(epochs, batches)
        try:
            yield
        except BaseException:
            session.leave_loop(succeeded=False)
            raise
        session.leave_loop(succeeded=True)
