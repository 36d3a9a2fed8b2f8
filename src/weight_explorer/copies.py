"""Copies of an explorer's callback, as Keras Tuner, scikit-learn and joblib make them of all callbacks they are given.

A copy made in the same process records the model that it is given, in an explorer of its own. One that was pickled keeps the
settings and records nothing.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from weight_explorer.catalog.labels import Labels, with_labels
from weight_explorer.catalog.walk import read_catalog
from weight_explorer.recording.callback import TrainingCallback
from weight_explorer.recording.session import Session
from weight_explorer.recording.status import Status

logger = logging.getLogger("weight_explorer")

WAS_PICKLED = (
    "This callback of a WeightExplorer was pickled, as joblib and scikit-learn do for their worker processes. It records "
    "nothing; the training goes on. To record, make the explorer where the model trains: WeightExplorer(model), and pass its "
    "callback to fit."
)
CANNOT_BE_COPIED = (
    "A WeightExplorer cannot be copied or pickled: it belongs to one model and one panel. For another model: "
    "WeightExplorer(other_model). explorer.callback can be copied; the copy makes an explorer of the model that it trains. "
    "To keep what was recorded: explorer.history.save(path), and later WeightExplorer.load(path)."
)


@dataclass(frozen=True, slots=True)
class Settings:
    """How an explorer was made, but for its model; see `WeightExplorer`."""

    record_every: str | int
    max_overhead: float
    memory: int | str
    labels: tuple[Labels, ...]

    def arguments(self, labels: tuple[Labels, ...]) -> dict[str, Any]:
        """Return the keyword arguments of an explorer with these settings and some of the labels."""
        given = {each.place if each.axis is None else (each.place, each.axis): each.names for each in labels}
        return {
            "record_every": self.record_every,
            "max_overhead": self.max_overhead,
            "memory": self.memory,
            "labels": given,
        }


class WarningLog:
    """Logs each warning once, for a callback and all copies of it together."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def warn(self, text: str, error: Exception | None = None) -> None:
        """Log a warning, and the error that it is about, unless it was logged before."""
        if text not in self._logged:
            self._logged.add(text)
            logger.warning(text, exc_info=error)


@dataclass(frozen=True, slots=True)
class CopyRecipe:
    """What a copy of a callback is made from.

    Args:
        explorer_class: `WeightExplorer`, or the user's subclass of it.
        settings: Those of the explorer whose callback is copied.
        log: Shared by all copies.
    """

    explorer_class: Callable[..., Any]
    settings: Settings
    log: WarningLog

    def copied(self) -> CopiedCallback:
        """Return a copy."""
        return CopiedCallback(self)

    def pickled(self) -> tuple[Any, ...]:
        """Return what `__reduce__` has to: the pickled callback keeps the settings only."""
        return UnpickledCallback, (self.settings,)

    def explorer_of(self, model: keras.Model) -> Any:
        """Make an explorer of a model, without those labels that do not fit it."""
        return self.explorer_class(model, **self.settings.arguments(self._fitting_labels(model)))

    def _fitting_labels(self, model: keras.Model) -> tuple[Labels, ...]:
        catalog = read_catalog(model) if self.settings.labels else None
        return tuple(
            labels for labels in self.settings.labels if catalog and self._fit(labels, with_labels(catalog, [labels])[1])
        )

    def _fit(self, labels: Labels, errors: list[ValueError]) -> bool:
        for error in errors:
            self.log.warn(f"A copy of this explorer's callback leaves out {labels.words}, which do not fit its model: {error}")
        return not errors


class _MadeByRecipe:
    """Is copied and pickled as its recipe says."""

    _recipe: CopyRecipe

    def __copy__(self) -> CopiedCallback:
        return self._recipe.copied()

    def __deepcopy__(self, memo: dict[int, Any]) -> CopiedCallback:
        return self._recipe.copied()

    def __reduce__(self) -> tuple[Any, ...]:
        return self._recipe.pickled()


class ExplorerCallback(_MadeByRecipe, TrainingCallback):
    """The callback of an explorer: it can be copied and pickled.

    Args:
        session: As for `TrainingCallback`.
        explorer: The `WeightExplorer` whose callback this is. It lives as long as its callback.
        recipe: Makes copies.
    """

    def __init__(self, session: Session, *, explorer: Any, recipe: CopyRecipe) -> None:
        super().__init__(session)
        self.explorer = explorer
        self._recipe = recipe


def _forwards_hooks(copied: type[CopiedCallback]) -> type[CopiedCallback]:
    """Give a class every hook of `TrainingCallback`, each of which calls that of the explorer's callback."""
    for name in dir(TrainingCallback):
        if name.startswith("on_") and getattr(TrainingCallback, name) is not getattr(keras.callbacks.Callback, name):
            setattr(copied, name, _forwarded(name))
    return copied


def _forwarded(name: str) -> Callable[..., None]:
    @functools.wraps(getattr(TrainingCallback, name))
    def forward(self: CopiedCallback, *args: Any, **options: Any) -> None:
        if self.original is not None:
            getattr(self.original, name)(*args, **options)

    return forward


@_forwards_hooks
class CopiedCallback(_MadeByRecipe, keras.callbacks.Callback):
    """A copy of an explorer's callback: records the model that Keras gives it, in an explorer of its own.

    Where no explorer can be made of that model, the log says so once, and the training goes on without.

    Attributes:
        explorer: The `WeightExplorer` of the model that it was given last; None before `fit`.
        original: The callback of that explorer, which does the work; None before `fit`.
    """

    def __init__(self, recipe: CopyRecipe) -> None:
        super().__init__()
        self._recipe = recipe
        self._explored: Any = None  # the model
        self.explorer: Any = None
        self.original: TrainingCallback | None = None

    @property
    def status(self) -> Status:
        """Where the training stands."""
        return Status() if self.original is None else self.original.status

    def set_model(self, model: Any) -> None:
        """Take the model that is to be trained, and make an explorer of it unless there is one; never raises."""
        super().set_model(model)
        try:
            self._explore(self.model)
        except Exception as error:  # noqa: BLE001 - whatever it is, the training goes on
            self.explorer = self.original = None
            text = "A copy of a WeightExplorer's callback cannot record this model; the training goes on."
            self._recipe.log.warn(f"{text} {type(error).__name__}: {error}"[:500], error)

    def set_params(self, params: Any) -> None:
        """Take what Keras says of the training."""
        super().set_params(params)
        if self.original is not None:
            self.original.set_params(params)

    def _explore(self, model: Any) -> None:
        if model is not self._explored:
            self._explored = model
            self.explorer = self.original = None
            self.explorer = self._recipe.explorer_of(model)
            callback: TrainingCallback = self.explorer.callback
            callback.set_params(self.params)
            self.original = callback
        if self.original is not None:
            self.original.set_model(model)


class UnpickledCallback(keras.callbacks.Callback):
    """What pickling makes of an explorer's callback: it records nothing, and says so once in the log.

    Args:
        settings: Those of the explorer.
        log: Shared with its copies.
    """

    explorer = None

    def __init__(self, settings: Settings, log: WarningLog | None = None) -> None:
        super().__init__()
        self.settings = settings
        self._log = log or WarningLog()

    def set_model(self, model: Any) -> None:
        """Take the model, and say that nothing is recorded."""
        super().set_model(model)
        self._log.warn(WAS_PICKLED)

    def __copy__(self) -> UnpickledCallback:
        return UnpickledCallback(self.settings, self._log)

    def __deepcopy__(self, memo: dict[int, Any]) -> UnpickledCallback:
        return UnpickledCallback(self.settings, self._log)

    def __reduce__(self) -> tuple[Any, ...]:
        return UnpickledCallback, (self.settings,)
