"""A training on a thread of its own: the cell that starts it returns at once, and stop, pause and errors come from outside."""

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

# Seconds that a training may take to end with its batch where something is closed: the explorer, or Python itself.
END_TIMEOUT = 10.0


class BackgroundTraining:
    """A training that runs beside the cells, as `explorer.fit` starts it.

    Stop and pause come into effect when the batch ends that is being trained; both are in the panel as well.

    Args:
        fit: Trains, and returns what `wait` is to return.
        session: Follows the training.
        on_end: Called on the training's own thread when it is over, with what `fit` raised, or None.

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
        # A daemon, since Python waits for any other thread before it asks anybody to stop; `_stop_at_exit` ends it cleanly.
        arguments = (fit, on_end, _read_keras_settings())
        self._thread = threading.Thread(target=self._run, args=arguments, name="weight-explorer-training", daemon=True)

    def start(self) -> None:
        """Begin to train; `explorer.fit` has done so."""
        _running_trainings.add(self)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it is not over yet; one that is paused is not."""
        return not self._finished.is_set()

    @property
    def is_current_thread(self) -> bool:
        """Whether this is called by the training itself."""
        return threading.current_thread() is self._thread

    @property
    def error(self) -> BaseException | None:
        """The error that ended it, or None."""
        return self._error

    def stop(self) -> None:
        """End it when the batch has ended; the weights are those that the batch left. Also while it is paused."""
        self._send_request("stop")

    def pause(self) -> None:
        """Have it wait when the batch has ended."""
        self._send_request("pause")

    def resume(self) -> None:
        """Have it go on after `pause`."""
        self._send_request("resume")

    def wait(self, timeout: float | None = None) -> keras.callbacks.History:
        """Wait until it is over, and return what `fit` returns: Keras' History. Ctrl-C ends the waiting, not the training.

        Args:
            timeout: Seconds to wait; None for as long as it takes.

        Raises:
            TimeoutError: It is not over by then, and goes on.
            RuntimeError: It is asked by the training itself, which would wait for its own end.
            BaseException: Whatever the training raised.
        """
        if self.is_current_thread:
            raise RuntimeError("A training cannot wait for its own end: wait() is for other threads.")
        if not self._finished.wait(timeout):
            raise TimeoutError(f"The training is not over after {timeout:g} s. It goes on: stop() ends it.")
        if self._error is not None:
            raise self._error
        return self._history

    def stop_and_wait(self, timeout: float = END_TIMEOUT) -> None:
        """Stop it, and wait for its end, though not longer than `timeout` seconds."""
        self.stop()
        if not self.is_current_thread:
            self._finished.wait(timeout)

    def __repr__(self) -> str:
        where = self._session.status.phase if self.is_running else self._phase
        return f"<Training: {where if where in _RUNNING_PHASES or not self.is_running else 'beginning'}>"

    def _send_request(self, request: str) -> None:
        with self._lock:  # so that it is not asked of the next
            if self.is_running:
                self._session.send_request(request)

    def _run(self, fit: Callable[[], Any], on_end: Callable[[BaseException | None], None], settings: dict[str, Any]) -> None:
        try:
            _apply_keras_settings(settings)
            self._history = fit()
        except BaseException as error:  # noqa: BLE001 - `wait` raises it, whatever it is
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
    """End what still trains, so that Python can: a thread that is inside TensorFlow then would crash it."""
    trainings = list(_running_trainings)
    for training in trainings:
        training.stop()
    for training in trainings:
        training.stop_and_wait()


class BackgroundRunner:
    """The one training of an explorer that may run beside the cells.

    Args:
        session: Follows the training.

    Attributes:
        ended: Published on the training's own thread when it is over and the session knows.
    """

    def __init__(self, session: TrainingSession) -> None:
        self.ended = Event()
        self._session = session
        self._training: BackgroundTraining | None = None

    @property
    def is_unreported(self) -> bool:
        """Whether its thread runs while the session knows of no training: before Keras tells of it, and right after."""
        return self._training is not None and not self._session.is_training

    def fit(
        self, model: keras.Model, callback: TrainingCallback, args: tuple[Any, ...], options: dict[str, Any]
    ) -> BackgroundTraining:
        """Begin to train on a thread of its own, with the callback and, where nothing else is said, without output."""
        fit = bind_fit(model.fit, args, options, callback)
        self._training = training = BackgroundTraining(fit, self._session, self._handle_end)
        training.start()
        return training

    def check_not_training(self) -> None:
        """Refuse that another `fit` reports to the same session.

        Raises:
            FitNotRecordedError: The training of `explorer.fit` runs, on another thread than this.
        """
        if (training := self._training) is not None and not training.is_current_thread:
            raise FitNotRecordedError(
                "explorer.fit still trains in the background: its stop() ends it. Two at once mix up what is shown"
            )

    def close(self) -> None:
        """End what runs."""
        if (training := self._training) is not None:
            training.stop_and_wait()

    def _handle_end(self, error: BaseException | None) -> None:
        self._training = None
        if error is not None:
            logger.error("The training that explorer.fit began met an error.", exc_info=error)
            self._session.fail(f"{type(error).__name__}: {error}"[:300] + " (the training's wait() raises it)")
        self.ended.publish()


def bind_fit(fit: Callable[..., Any], args: tuple[Any, ...], options: Mapping[str, Any], callback: Any) -> Callable[[], Any]:
    """Return a call of `fit` with the callback among its callbacks, and silent unless something else is asked for.

    Raises:
        TypeError: `fit` takes no such arguments.

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
    """Return Keras' callbacks and this one, once."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        if not any(each is callback for each in callbacks.callbacks):
            raise TypeError("To a CallbackList that was made before, add explorer.callback; or give the callbacks as a list.")
        return callbacks
    given = keras.tree.flatten(callbacks) if callbacks else []
    return given if any(each is callback for each in given) else [*given, callback]


# -- Keras' settings -------------------------------------------------------------------------------------------------


# Of what Keras keeps for each thread apart, that which somebody chose. The rest is of what runs just now, such as open scopes,
# and the variables that wait for the end of one: on two threads they would be initialized twice.
_KERAS_SETTINGS = (
    *("dtype_policy", "global_random_seed", "global_seed_generator", "distribution", "torch_device", "flash_attention"),
    *("nnx_enabled", "custom_objects_scope_dict", "object_name_uids", "interactive_logging", "traceback_filtering"),
)


def _read_keras_settings() -> dict[str, Any]:
    """Return Keras' settings on this thread, as far as anything was set."""
    keeper = _keras_global_state()
    found = {name: keeper.get_global_attribute(name) for name in _KERAS_SETTINGS} if keeper else {}
    return {name: value for name, value in found.items() if value is not None}


def _apply_keras_settings(settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        _keras_global_state().set_global_attribute(name, value)


def _keras_global_state() -> Any:
    """Return what keeps them: Keras has no public way to it, so a Keras that has another trains with its defaults."""
    with contextlib.suppress(ImportError):
        from keras.src.backend.common import global_state  # noqa: PLC0415

        return global_state
    return None
