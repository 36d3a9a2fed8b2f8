"""Copies of an explorer's callback, as made by Keras Tuner, scikit-learn and joblib.

A copy made in the same process records the model it receives, in its own explorer. A pickled copy keeps only the settings and
records nothing.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from weight_explorer.catalog.builder import read_catalog
from weight_explorer.catalog.labels import AxisLabels, apply_labels
from weight_explorer.recording.status import TrainingStatus
from weight_explorer.training.callback import TrainingCallback
from weight_explorer.training.session import TrainingSession

logger = logging.getLogger("weight_explorer")

PICKLED_MESSAGE = (
    "This callback of a WeightExplorer was pickled, as joblib and scikit-learn do for their worker processes. It records "
    "nothing; the training goes on. To record, make the explorer where the model trains: WeightExplorer(model), and pass its "
    "callback to fit."
)
NOT_COPYABLE_MESSAGE = (
    "A WeightExplorer cannot be copied or pickled: it belongs to one model and one panel. For another model: "
    "WeightExplorer(other_model). explorer.callback can be copied; the copy makes an explorer of the model that it trains. "
    "To keep what was recorded: explorer.history.save(path), and later WeightExplorer.load(path)."
)


@dataclass(frozen=True, slots=True)
class ExplorerSettings:
    """The arguments of an explorer except its model. See `WeightExplorer`."""

    record_every: str | int
    max_overhead: float
    memory: int | str
    labels: tuple[AxisLabels, ...]

    def to_arguments(self, labels: tuple[AxisLabels, ...]) -> dict[str, Any]:
        """Return keyword arguments for `WeightExplorer` with these settings and the given labels."""
        given = {each.target if each.axis is None else (each.target, each.axis): each.names for each in labels}
        return {
            "record_every": self.record_every,
            "max_overhead": self.max_overhead,
            "memory": self.memory,
            "labels": given,
        }


class OneTimeWarnings:
    """Logs each warning once, across a callback and all its copies."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def warn(self, text: str, error: Exception | None = None) -> None:
        """Log a warning, with its error if any, unless it was already logged."""
        if text not in self._logged:
            self._logged.add(text)
            logger.warning(text, exc_info=error)


@dataclass(frozen=True, slots=True)
class CallbackCopier:
    """Makes copies of an explorer's callback.

    Args:
        explorer_class: `WeightExplorer`, or the user's subclass of it.
        settings: The settings of the explorer whose callback is copied.
        log: The warning log that all copies share.
    """

    explorer_class: Callable[..., Any]
    settings: ExplorerSettings
    log: OneTimeWarnings

    def copy(self) -> CopiedCallback:
        """Return a copy of the callback."""
        return CopiedCallback(self)

    def reduce(self) -> tuple[Any, ...]:
        """Return the value for `__reduce__`. A pickled callback keeps only the settings."""
        return UnpickledCallback, (self.settings,)

    def make_explorer(self, model: keras.Model) -> Any:
        """Create an explorer for a model, without labels that do not fit it."""
        return self.explorer_class(model, **self.settings.to_arguments(self._fitting_labels(model)))

    def _fitting_labels(self, model: keras.Model) -> tuple[AxisLabels, ...]:
        catalog = read_catalog(model) if self.settings.labels else None
        return tuple(
            labels for labels in self.settings.labels if catalog and self._check_fit(labels, apply_labels(catalog, [labels])[1])
        )

    def _check_fit(self, labels: AxisLabels, errors: list[ValueError]) -> bool:
        for error in errors:
            self.log.warn(
                f"A copy of this explorer's callback leaves out {labels.description}, which do not fit its model: {error}"
            )
        return not errors


class _CopyableCallback:
    """Mixin whose copying and pickling are done by a `CallbackCopier`."""

    _copier: CallbackCopier

    def __copy__(self) -> CopiedCallback:
        return self._copier.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> CopiedCallback:
        return self._copier.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return self._copier.reduce()


class ExplorerCallback(_CopyableCallback, TrainingCallback):
    """The callback of an explorer. It can be copied and pickled.

    Args:
        session: Follows the training. See `TrainingCallback`.
        explorer: The `WeightExplorer` of this callback. The callback keeps it alive.
        copier: Makes copies.
    """

    def __init__(self, session: TrainingSession, *, explorer: Any, copier: CallbackCopier) -> None:
        super().__init__(session)
        self.explorer = explorer
        self._copier = copier


def _forward_hooks(callback_class: type[CopiedCallback]) -> type[CopiedCallback]:
    """Add every hook of `TrainingCallback` to a class. Each hook calls the same hook of the explorer's callback."""
    for name in dir(TrainingCallback):
        if name.startswith("on_") and getattr(TrainingCallback, name) is not getattr(keras.callbacks.Callback, name):
            setattr(callback_class, name, _forwarding_hook(name))
    return callback_class


def _forwarding_hook(name: str) -> Callable[..., None]:
    @functools.wraps(getattr(TrainingCallback, name))
    def forward(self: CopiedCallback, *args: Any, **options: Any) -> None:
        if self.explorer_callback is not None:
            getattr(self.explorer_callback, name)(*args, **options)

    return forward


@_forward_hooks
class CopiedCallback(_CopyableCallback, keras.callbacks.Callback):
    """A copy of an explorer's callback. It records the model that Keras sets, in its own explorer.

    If no explorer can be created for that model, a warning is logged once and the training continues without recording.

    Attributes:
        explorer: The `WeightExplorer` of the model that was set last. None before `fit`.
        explorer_callback: The callback of that explorer, which does the work. None before `fit`.
    """

    def __init__(self, copier: CallbackCopier) -> None:
        super().__init__()
        self._copier = copier
        self._explored_model: Any = None  # the model of `explorer`
        self.explorer: Any = None
        self.explorer_callback: TrainingCallback | None = None

    @property
    def status(self) -> TrainingStatus:
        """The status of the training."""
        return TrainingStatus() if self.explorer_callback is None else self.explorer_callback.status

    def set_model(self, model: Any) -> None:
        """Set the model to train, and create an explorer for it unless there is one. Never raises."""
        super().set_model(model)
        try:
            self._create_explorer(self.model)
        except Exception as error:  # noqa: BLE001 - the training continues after any error
            self.explorer = self.explorer_callback = None
            text = "A copy of a WeightExplorer's callback cannot record this model; the training goes on."
            self._copier.log.warn(f"{text} {type(error).__name__}: {error}"[:500], error)

    def set_params(self, params: Any) -> None:
        """Set the parameters of the training from Keras."""
        super().set_params(params)
        if self.explorer_callback is not None:
            self.explorer_callback.set_params(params)

    def _create_explorer(self, model: Any) -> None:
        if model is not self._explored_model:
            self._explored_model = model
            self.explorer = self.explorer_callback = None
            self.explorer = self._copier.make_explorer(model)
            callback: TrainingCallback = self.explorer.callback
            callback.set_params(self.params)
            self.explorer_callback = callback
        if self.explorer_callback is not None:
            self.explorer_callback.set_model(model)


class UnpickledCallback(keras.callbacks.Callback):
    """An explorer's callback after pickling. It records nothing, and logs that once.

    Args:
        settings: The settings of the explorer.
        log: The warning log shared with copies of this callback. A new one if None.
    """

    explorer = None

    def __init__(self, settings: ExplorerSettings, log: OneTimeWarnings | None = None) -> None:
        super().__init__()
        self.settings = settings
        self._log = log or OneTimeWarnings()

    def set_model(self, model: Any) -> None:
        """Set the model, and warn that nothing is recorded."""
        super().set_model(model)
        self._log.warn(PICKLED_MESSAGE)

    def __copy__(self) -> UnpickledCallback:
        return UnpickledCallback(self.settings, self._log)

    def __deepcopy__(self, memo: dict[int, Any]) -> UnpickledCallback:
        return UnpickledCallback(self.settings, self._log)

    def __reduce__(self) -> tuple[Any, ...]:
        return UnpickledCallback, (self.settings,)
