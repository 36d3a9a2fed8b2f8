"""Background training: `fit` runs on its own thread, the cell returns at once, and other threads can pause or stop it."""

from __future__ import annotations

import atexit
import contextlib
import inspect
import logging
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import keras

from weight_explorer.recording.events import Event
from weight_explorer.training.callback import FitNotRecordedError, TrainingCallback
from weight_explorer.training.session import TrainingSession

logger = logging.getLogger("weight_explorer")

# Seconds to wait for a training to finish its current batch when the explorer closes or Python exits.
END_TIMEOUT = 10.0


class BackgroundTraining:
    """A training that runs in the background, started by `explorer.fit`.

    Stop and pause take effect at the end of the current batch. The panel has buttons for both.

    Args:
        fit: Runs the training. `wait` returns its result.
        session: Follows the training.
        on_end: Called on the training thread when the training is over, with the exception that `fit` raised, or None.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from weight_explorer import WeightExplorer
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> model.compile("sgd", "mse")
        >>> explorer = WeightExplorer(model)
        >>> training = explorer.fit(np.ones((8, 3)), np.zeros((8, 2)), epochs=1_000_000)
        >>> training.stop()
        >>> history = training.wait()
        >>> training
        <Training: stopped>
    """

    def __init__(
        self, fit: Callable[[], Any], session: TrainingSession, on_end: Callable[[BaseException | None], None]
    ) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._finished = threading.Event()
        self._error: BaseException | None = None
        self._history: Any = None
        self._phase = ""
        # A daemon thread: Python would wait for any other thread before it runs exit handlers. `_stop_at_exit` ends it cleanly.
        arguments = (fit, on_end, _read_keras_settings())
        self._thread = threading.Thread(target=self._run, args=arguments, name="weight-explorer-training", daemon=True)

    def start(self) -> None:
        """Start the training. `explorer.fit` has already called this."""
        _running_trainings.add(self)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the training is not over yet. A paused training is running."""
        return not self._finished.is_set()

    @property
    def is_current_thread(self) -> bool:
        """Whether the caller runs on the training thread."""
        return threading.current_thread() is self._thread

    @property
    def error(self) -> BaseException | None:
        """The exception that ended the training, or None."""
        return self._error

    def stop(self) -> None:
        """Stop the training after the current batch, also while it is paused. The weights keep the values after that batch."""
        self._send_request("stop")

    def pause(self) -> None:
        """Pause the training after the current batch."""
        self._send_request("pause")

    def resume(self) -> None:
        """Resume the training after `pause`."""
        self._send_request("resume")

    def wait(self, timeout: float | None = None) -> keras.callbacks.History:
        """Wait until the training is over, and return the Keras History from `fit`. Ctrl-C ends the wait, not the training.

        Args:
            timeout: Seconds to wait. None waits for as long as it takes.

        Raises:
            TimeoutError: If the training is not over by then. It continues.
            RuntimeError: If the training thread calls this, since it would wait for its own end.
            BaseException: Any exception that the training raised.
        """
        if self.is_current_thread:
            raise RuntimeError("A training cannot wait for its own end: wait() is for other threads.")
        if not self._finished.wait(timeout):
            raise TimeoutError(f"The training is not over after {timeout:g} s. It goes on: stop() ends it.")
        if self._error is not None:
            raise self._error
        return self._history

    def stop_and_wait(self, timeout: float = END_TIMEOUT) -> None:
        """Stop the training and wait at most `timeout` seconds for its end."""
        self.stop()
        if not self.is_current_thread:
            self._finished.wait(timeout)

    def __repr__(self) -> str:
        where = self._session.status.phase if self.is_running else self._phase
        return f"<Training: {where if where in _RUNNING_PHASES or not self.is_running else 'beginning'}>"

    def _send_request(self, request: str) -> None:
        with self._lock:  # so that the request does not reach the next training
            if self.is_running:
                self._session.send_request(request)

    def _run(self, fit: Callable[[], Any], on_end: Callable[[BaseException | None], None], settings: dict[str, Any]) -> None:
        try:
            _apply_keras_settings(settings)
            self._history = fit()
        except BaseException as error:  # noqa: BLE001 - `wait` raises it
            self._error = error
        with self._session.reporting_errors():
            on_end(self._error)
        with self._lock:
            self._phase = self._session.status.phase if self._error is None else "failed"
            self._session.control.reset()
            self._finished.set()
        _running_trainings.discard(self)


_RUNNING_PHASES = ("training", "paused")
_running_trainings: weakref.WeakSet[BackgroundTraining] = weakref.WeakSet()


@atexit.register
def _stop_at_exit() -> None:
    """Stop running trainings before Python exits: a thread that is still inside TensorFlow would crash Python."""
    trainings = list(_running_trainings)
    for training in trainings:
        training.stop()
    for training in trainings:
        training.stop_and_wait()


class BackgroundRunner:
    """Runs the background training of an explorer, at most one at a time.

    Args:
        session: Follows the training.

    Attributes:
        ended: Published on the training thread when the training is over and the session has been updated.
    """

    def __init__(self, session: TrainingSession) -> None:
        self.ended = Event()
        self._session = session
        self._training: BackgroundTraining | None = None

    @property
    def is_unreported(self) -> bool:
        """Whether the thread runs but the session has no training: before Keras reports the start, and right after the end."""
        return self._training is not None and not self._session.is_training

    def fit(
        self, model: keras.Model, callback: TrainingCallback, args: tuple[Any, ...], options: dict[str, Any]
    ) -> BackgroundTraining:
        """Start training on its own thread, with the callback and, unless `options` say otherwise, without output."""
        fit = bind_fit(model.fit, args, options, callback)
        self._training = training = BackgroundTraining(fit, self._session, self._handle_end)
        training.start()
        return training

    def check_not_training(self) -> None:
        """Check that no other `fit` reports to the same session.

        Raises:
            FitNotRecordedError: If a training started by `explorer.fit` is running on another thread.
        """
        if (training := self._training) is not None and not training.is_current_thread:
            raise FitNotRecordedError(
                "explorer.fit still trains in the background: its stop() ends it. Two at once mix up what is shown"
            )

    def close(self) -> None:
        """Stop the running training, if any, and wait for its end."""
        if (training := self._training) is not None:
            training.stop_and_wait()

    def _handle_end(self, error: BaseException | None) -> None:
        self._training = None
        if error is not None:
            logger.error("The training that explorer.fit began met an error.", exc_info=error)
            self._session.fail(f"{type(error).__name__}: {error}"[:300] + " (the training's wait() raises it)")
        self.ended.publish()


def bind_fit(fit: Callable[..., Any], args: tuple[Any, ...], options: Mapping[str, Any], callback: Any) -> Callable[[], Any]:
    """Return a function that calls `fit` with the callback added, and with `verbose=0` unless `verbose` is given.

    Raises:
        TypeError: If `fit` does not accept the arguments.

    >>> bind_fit(lambda x, epochs=1, **options: (x, epochs, options), (5, 2), {"callbacks": ["other"]}, "ours")()
    (5, 2, {'callbacks': ['other', 'ours'], 'verbose': 0})
    """
    signature = inspect.signature(fit)
    bound = signature.bind(*args, **options)
    rest = next((name for name, each in signature.parameters.items() if each.kind is each.VAR_KEYWORD), None)

    def taken_in(name: str) -> dict[str, Any]:
        return bound.arguments if name in signature.parameters or rest is None else bound.arguments.setdefault(rest, {})

    taken_in("verbose").setdefault("verbose", 0)
    taken_in("callbacks")["callbacks"] = _add_callback(taken_in("callbacks").get("callbacks"), callback)
    return lambda: fit(*bound.args, **bound.kwargs)


def _add_callback(callbacks: Any, callback: Any) -> Any:
    """Return the callbacks with this one added, unless it is already among them."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        if not any(each is callback for each in callbacks.callbacks):
            raise TypeError("To a CallbackList that was made before, add explorer.callback; or give the callbacks as a list.")
        return callbacks
    given = keras.tree.flatten(callbacks) if callbacks else []
    return given if any(each is callback for each in given) else [*given, callback]


# -- Keras' settings -------------------------------------------------------------------------------------------------


# The thread-local state of Keras that holds user settings. The rest of that state belongs to running code, such as open scopes
# and the variables that wait for a scope to end: if copied to another thread, those variables would be initialized twice.
_KERAS_SETTINGS = (
    *("dtype_policy", "global_random_seed", "global_seed_generator", "distribution", "torch_device", "flash_attention"),
    *("nnx_enabled", "custom_objects_scope_dict", "object_name_uids", "interactive_logging", "traceback_filtering"),
)


def _read_keras_settings() -> dict[str, Any]:
    """Return the Keras settings that were set on this thread."""
    keeper = _keras_global_state()
    found = {name: keeper.get_global_attribute(name) for name in _KERAS_SETTINGS} if keeper else {}
    return {name: value for name, value in found.items() if value is not None}


def _apply_keras_settings(settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        _keras_global_state().set_global_attribute(name, value)


def _keras_global_state() -> Any:
    """Return the Keras module with the thread-local settings, which is private. None if absent: training then uses defaults."""
    with contextlib.suppress(ImportError):
        from keras.src.backend.common import global_state  # noqa: PLC0415

        return global_state
    return None
