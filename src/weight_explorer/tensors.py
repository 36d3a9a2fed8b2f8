"""Reads weights while a model trains. The only home of TensorFlow, whose variables cost more to ask than to copy."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from weight_explorer.catalog import walk


def read_values(variables: Sequence[Any]) -> list[np.ndarray]:
    """Return the values of each variable as `walk.read_values` does: on TensorFlow by one operation for all of them.

    Raises:
        WeightsLostError: Of one there are none to read.
    """
    if keras.backend.backend() == "tensorflow":  # under another one it is not loaded, which takes seconds
        found = _read_together()([variable.value for variable in variables])
        if found is not None:
            return found
    return [walk.read_values(variable) for variable in variables]


@functools.cache
def _read_together() -> Callable[[list[Any]], list[np.ndarray] | None]:
    """Return what reads variables of TensorFlow by its operation for several, which has no public name; None if it does not.

    An operation for each takes three times as long.
    """
    import tensorflow as tf  # noqa: PLC0415

    try:
        from tensorflow.python.eager import context, execute  # noqa: PLC0415
    except ImportError:
        return lambda values: None  # noqa: ARG005
    ours, refusals = context.context(), (tf.errors.OpError, TypeError, AttributeError)

    @functools.cache
    def is_plain(kind: type) -> bool:
        return issubclass(kind, tf.Variable) and not issubclass(kind, tf.distribute.DistributedValues)

    def read(values: list[Any]) -> list[np.ndarray] | None:
        if not tf.executing_eagerly() or not all(is_plain(type(value)) for value in values):
            return None
        handles = [value.handle for value in values]
        types = tuple(value.dtype.as_datatype_enum for value in values)
        try:
            found = execute.execute(b"_ReadVariablesOp", len(handles), handles, ("N", len(handles), "dtypes", types), ours)
        except refusals:
            return None
        return [walk.array_of(each) for each in found]

    return read
