"""The Keras callback: tells the session where the training stands, and lets no error of ours reach the training."""

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
    """Keep every error of a hook from the training: it is shown in the panel and logged, and the training goes on."""

    @functools.wraps(hook)
    def safe(self: TrainingCallback, *args: Any, **kwargs: Any) -> None:
        with self._session.reporting_errors():
            hook(self, *args, **kwargs)

    return safe


def may_be_training(thread: threading.Thread) -> bool:
    """Say whether a `fit` that began on this thread may be running: one that broke off, inside a `try`, never says so.

    Of a thread that runs meanwhile nobody can tell.
    """
    return is_called_by_fit() if thread is threading.current_thread() else thread.is_alive()


def is_called_by_fit() -> bool:
    """Say whether this is called by a `fit` of Keras, which then waits: by a callback."""
    caller = inspect.currentframe()
    while caller is not None:
        if caller.f_code.co_name == "fit" and caller.f_globals.get("__name__", "").startswith("keras."):
            return True
        caller = caller.f_back
    return False


class FitNotRecordedError(RuntimeError):
    """A `fit` was given the callback of an explorer that cannot follow it."""


class TrainingCallback(keras.callbacks.Callback):
    """Keeps a `WeightExplorer` live during `fit`; the same object serves fit after fit.

    Args:
        session: Follows the training.

    Attributes:
        began: Published when a training begins, with the model that `fit` trains or None, and what kind of training it is. If a
            handler raises `FitNotRecordedError`, nothing of that `fit` is recorded.
        stepped: Published at each step of a loop of the user's own, with the optimizers that made it, None if they do not say.
    """

    def __init__(self, session: TrainingSession) -> None:
        super().__init__()
        self.began = Event()
        self.stepped = Event()
        self._session = session
        session.reading.subscribe(self._bring_values)
        self._recorded_model: Any = None  # the model that the last fit that is followed trains
        self._rejected_thread: threading.Thread | None = (
            None  # where a fit runs that is not followed; beside it another one may be
        )

    def __call__(self) -> None:
        """Refuse to be called, which Python would otherwise do with an error that helps nobody."""
        raise TypeError("explorer.callback is the callback itself. Pass it without parentheses: callbacks=[explorer.callback].")

    @property
    def status(self) -> TrainingStatus:
        """Where the training stands."""
        return self._session.status

    def _bring_values(self) -> None:
        """On the JAX backend, have Keras write the trained values to the variables, as it does for any callback that asks."""
        _ = self.model

    @property
    def _is_rejected(self) -> bool:
        """Whether the fit that calls this is not followed."""
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
        except Exception as error:  # noqa: BLE001 - shown once the status of this training is set
            failure = error
        if self._is_rejected:  # another fit on this thread was, and broke off
            self._rejected_thread = None
        self._recorded_model = self.model
        self._session.begin(params.get("epochs"), params.get("steps"))
        if failure is not None:
            raise failure

    def _reject(self) -> None:
        """Leave alone the fit that begins, and keep to the model of one that is followed meanwhile."""
        self._rejected_thread = threading.current_thread()
        if self._recorded_model is not None:
            self.set_model(self._recorded_model)
        self._session.reject_fit()

    @never_raises
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Note where the training stands."""
        if not self._is_rejected:
            self._session.begin_epoch(epoch + 1, (self.params or {}).get("steps"))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Record if the pace allows it, and wait or end if the user wants it so."""
        try:  # what costs nothing in a batch that has nothing to do, unlike a context
            if not self._is_rejected and not self._session.try_skip_batch(batch + 1):
                self._end_batch(batch + 1, logs)
        except Exception as error:  # noqa: BLE001 - whatever it is, the training goes on
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
        """Do what the user asks of the training, also where recording failed."""
        if self._session.wait_while_paused() and self.model is not None:
            self.model.stop_training = True  # here, since `fit` forgets what was set before it began

    @never_raises
    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Show the last state."""
        if self._is_rejected:
            self._rejected_thread = None
        else:
            self._session.finish("finished")

    def loop_step(self, epoch: int | None, logs: Mapping[str, Any] | None, optimizers: Any = None) -> None:
        """Note one step of a training loop of the user's own, as `Session.step` does."""
        self._session.end_loop_if_restarted(epoch)
        if not self._session.is_training:
            self.began.publish(None, TrainingKind.LOOP)
        self.stepped.publish(optimizers)
        self._session.loop_step(epoch, logs)

    @contextlib.contextmanager
    def loop(self, epochs: int | None, batches: int | None) -> Iterator[None]:
        """Mark where a training loop of the user's own begins and ends; no error of ours reaches the loop."""
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
