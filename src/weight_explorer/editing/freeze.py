"""Elements of a Keras variable that no optimizer step changes, by a constraint on top of the user's own."""

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

# Between the optimizer's `apply` and the constraint that it calls stand a few frames of Keras at most.
_MAX_FRAMES_TO_OPTIMIZER = 8


class FreezeConstraint(keras.constraints.Constraint):
    """Puts the held elements back after each step, and leaves the others to the user's own constraint.

    Mask and values are variables that no model knows: they are not saved, counted, or among `get_weights()`, and a function
    that was traced with them sees later changes, but for the JAX backend.

    Args:
        variable: Of which elements are to be held.
    """

    def __init__(self, variable: Any) -> None:
        self.user_constraint: Any = None
        self.mask = np.zeros(tuple(variable.shape), bool)
        self._mask = keras.Variable(self.mask, dtype="bool", trainable=False, autocast=False, name="frozen")
        self._values = keras.Variable(
            np.array(read_values(variable)), dtype=variable.dtype, trainable=False, autocast=False, name="frozen_values"
        )

    def __call__(self, weight: Any) -> Any:
        """Return the weight with the held elements as they were, bit by bit."""
        held = self._with_frozen_elements(weight)
        if self.user_constraint is not None:
            held = self._with_frozen_elements(self.user_constraint(held))
        for average in _moving_averages(weight):
            average.assign(self._with_frozen_elements(average))
        return held

    def _with_frozen_elements(self, weight: Any) -> Any:
        # As tensors: the newer versions of JAX take no variables.
        mask, values, others = (keras.ops.convert_to_tensor(each) for each in (self._mask, self._values, weight))
        return keras.ops.where(mask, values, others)

    def set_mask(self, variable: Any, mask: np.ndarray) -> None:
        """Hold these elements, and no others, at the values they have now."""
        self.mask = mask
        self._values.assign(np.array(read_values(variable)))
        self._mask.assign(mask)

    def add_mask(self, variable: Any, mask: np.ndarray) -> None:
        """Hold these elements too, at the values they have now; those that are held already keep theirs."""
        values = np.array(read_values(variable))
        values[self.mask] = np.asarray(read_values(self._values))[self.mask]
        self._values.assign(values)
        self.mask = self.mask | mask
        self._mask.assign(self.mask)

    def remove_mask(self, mask: np.ndarray) -> None:
        """Hold these elements no more."""
        self.mask = self.mask & ~mask
        self._mask.assign(self.mask)


def _moving_averages(weight: Any) -> Iterator[Any]:
    """Yield the moving average of a weight, where the optimizer that asks keeps one (`use_ema`).

    Keras averages before it asks the constraint, and in the end replaces the weights by their averages without asking.
    """
    for frame, _ in itertools.islice(traceback.walk_stack(inspect.currentframe()), _MAX_FRAMES_TO_OPTIMIZER):
        asks = frame.f_locals.get("self")
        if isinstance(asks, keras.optimizers.Optimizer):
            if asks.use_ema:
                known = zip(asks._trainable_variables, asks._model_variables_moving_average, strict=False)  # noqa: SLF001
                yield from (average for variable, average in known if variable is weight and average is not None)
            return


# Kept as long as the variable: a function of the user's that was traced with a hold goes on asking it. By `id`, since a
# variable compares as an array does.
_CONSTRAINTS: dict[int, FreezeConstraint] = {}


def freeze_constraint_of(variable: Any) -> FreezeConstraint | None:
    """Return the hold on a variable, or None where none of its elements is held."""
    hold = _CONSTRAINTS.get(id(variable))
    return hold if hold is not None and variable.constraint is hold else None


def frozen_mask(variable: Any) -> np.ndarray:
    """Return the mask of the elements that are held."""
    hold = freeze_constraint_of(variable)
    return hold.mask if hold else np.zeros(tuple(variable.shape), bool)


def freeze_elements(variable: Any, mask: np.ndarray) -> bool:
    """Hold elements at the values they have now; say whether the variable had no hold before.

    Then functions that train it have to be traced anew, which is done for the models: for functions of the user's own it
    cannot be.
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
    """Let elements go; when none is left, the user's own constraint is back."""
    found = freeze_constraint_of(variable)
    if found is None:
        return
    found.remove_mask(mask)
    is_gone = not found.mask.any()
    if is_gone:
        variable.constraint = found.user_constraint
    _rebuild_train_functions(variable, constraint_changed=is_gone)


def update_frozen_values(variable: Any) -> None:
    """Hold the elements that are held at the values they have now: somebody meant to change them."""
    found = freeze_constraint_of(variable)
    if found is not None:
        found.set_mask(variable, found.mask)
        _rebuild_train_functions(variable, constraint_changed=False)


def _rebuild_train_functions(variable: Any, *, constraint_changed: bool) -> None:
    """Have every model that trains a variable make its train function again: where its constraint is another one now."""
    if not constraint_changed and keras.backend.backend() != "jax":
        return  # it reads mask and values at every step
    # Nobody keeps a list of the models that share a layer. `type` does not wake up lazy objects, as `isinstance` does.
    models = [each for each in gc.get_objects() if issubclass(type(each), keras.Model)]
    for model in models:
        if getattr(model, "train_function", None) is not None and any(each is variable for each in model.variables):
            model.make_train_function(force=True)
