"""Freeze elements of a Keras variable during optimizer steps, with a constraint on top of the user's own."""

from __future__ import annotations

import gc
import inspect
import itertools
import traceback
import weakref
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from weight_explorer.catalog.builder import read_values

# The optimizer's `apply` and the constraint that it calls are only a few Keras stack frames apart.
_MAX_FRAMES_TO_OPTIMIZER = 8


class FreezeConstraint(keras.constraints.Constraint):
    """Restores the frozen elements after each step, and applies the user's own constraint to the others.

    Mask and values are variables that belong to no model: they are not saved, counted, or included in `get_weights()`. A
    function that was traced with them uses later changes, except on the JAX backend.

    Args:
        variable: The variable whose elements are to be frozen.
    """

    def __init__(self, variable: Any) -> None:
        self.user_constraint: Any = None
        self.mask = np.zeros(tuple(variable.shape), bool)
        self._mask = keras.Variable(self.mask, dtype="bool", trainable=False, autocast=False, name="frozen")
        self._values = keras.Variable(
            np.array(read_values(variable)), dtype=variable.dtype, trainable=False, autocast=False, name="frozen_values"
        )

    def __call__(self, weight: Any) -> Any:
        """Return the weight with the frozen elements unchanged, bit for bit."""
        held = self._with_frozen_elements(weight)
        if self.user_constraint is not None:
            held = self._with_frozen_elements(self.user_constraint(held))
        for average in _moving_averages(weight):
            average.assign(self._with_frozen_elements(average))
        return held

    def _with_frozen_elements(self, weight: Any) -> Any:
        # Converted to tensors because newer versions of JAX do not accept variables.
        mask, values, others = (keras.ops.convert_to_tensor(each) for each in (self._mask, self._values, weight))
        return keras.ops.where(mask, values, others)

    def set_mask(self, variable: Any, mask: np.ndarray) -> None:
        """Freeze exactly these elements, at their current values."""
        self.mask = mask
        self._values.assign(np.array(read_values(variable)))
        self._mask.assign(mask)

    def add_mask(self, variable: Any, mask: np.ndarray) -> None:
        """Freeze these elements too, at their current values; elements that are already frozen keep their frozen values."""
        values = np.array(read_values(variable))
        values[self.mask] = np.asarray(read_values(self._values))[self.mask]
        self._values.assign(values)
        self.mask = self.mask | mask
        self._mask.assign(self.mask)

    def remove_mask(self, mask: np.ndarray) -> None:
        """Unfreeze these elements."""
        self.mask = self.mask & ~mask
        self._mask.assign(self.mask)


def _moving_averages(weight: Any) -> Iterator[Any]:
    """Yield the moving average of a weight, if the calling optimizer keeps one (`use_ema`).

    Keras updates the average before it calls the constraint. At the end it replaces the weights with their averages without
    calling the constraint.
    """
    for frame, _ in itertools.islice(traceback.walk_stack(inspect.currentframe()), _MAX_FRAMES_TO_OPTIMIZER):
        asks = frame.f_locals.get("self")
        if isinstance(asks, keras.optimizers.Optimizer):
            if asks.use_ema:
                known = zip(asks._trainable_variables, asks._model_variables_moving_average, strict=False)  # noqa: SLF001
                yield from (average for variable, average in known if variable is weight and average is not None)
            return


# Kept as long as the variable: a user's function that was traced with a constraint continues to call it. Keyed by `id`, since
# comparing variables compares arrays.
_CONSTRAINTS: dict[int, FreezeConstraint] = {}


def freeze_constraint_of(variable: Any) -> FreezeConstraint | None:
    """Return the freeze constraint of a variable, or None if none of its elements is frozen."""
    hold = _CONSTRAINTS.get(id(variable))
    return hold if hold is not None and variable.constraint is hold else None


def frozen_mask(variable: Any) -> np.ndarray:
    """Return the mask of the frozen elements."""
    hold = freeze_constraint_of(variable)
    return hold.mask if hold else np.zeros(tuple(variable.shape), bool)


def freeze_elements(variable: Any, mask: np.ndarray) -> bool:
    """Freeze elements at their current values. Return whether the variable had no freeze constraint before.

    Functions that train the variable have to be traced again. This is done for models; it cannot be done for the user's own
    functions.
    """
    found = freeze_constraint_of(variable)
    is_new = found is None
    if found is None:
        found = _freeze_constraint_for(variable)
        found.user_constraint = variable.constraint
        found.set_mask(variable, mask)
        variable.constraint = found
    else:
        found.add_mask(variable, mask)
    _rebuild_train_functions(variable, constraint_changed=is_new)
    return is_new


def _freeze_constraint_for(variable: Any) -> FreezeConstraint:
    if id(variable) not in _CONSTRAINTS:
        _CONSTRAINTS[id(variable)] = FreezeConstraint(variable)
        weakref.finalize(variable, _CONSTRAINTS.pop, id(variable), None)
    return _CONSTRAINTS[id(variable)]


def unfreeze_elements(variable: Any, mask: np.ndarray) -> None:
    """Unfreeze elements; when none is left, restore the user's own constraint."""
    found = freeze_constraint_of(variable)
    if found is None:
        return
    found.remove_mask(mask)
    is_gone = not found.mask.any()
    if is_gone:
        variable.constraint = found.user_constraint
    _rebuild_train_functions(variable, constraint_changed=is_gone)


def update_frozen_values(variable: Any) -> None:
    """Freeze the frozen elements at their current values, after an intended change."""
    found = freeze_constraint_of(variable)
    if found is not None:
        found.set_mask(variable, found.mask)
        _rebuild_train_functions(variable, constraint_changed=False)


def _rebuild_train_functions(variable: Any, *, constraint_changed: bool) -> None:
    """Rebuild the train function of every model with the variable, if its constraint changed or the backend is JAX."""
    if not constraint_changed and keras.backend.backend() != "jax":
        return  # the function reads mask and values at every step
    # Keras keeps no list of the models that share a layer. `type` does not load lazy objects, unlike `isinstance`.
    models = [each for each in gc.get_objects() if issubclass(type(each), keras.Model)]
    for model in models:
        if getattr(model, "train_function", None) is not None and any(each is variable for each in model.variables):
            model.make_train_function(force=True)
