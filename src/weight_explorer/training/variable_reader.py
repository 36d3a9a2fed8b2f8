"""Reads weights while a model trains. The only home of TensorFlow, whose variables cost more to ask than to copy."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from operator import attrgetter, is_
from typing import Any, NamedTuple

import keras
import numpy as np

from weight_explorer.catalog import builder


class VariableReader:
    """Reads the values of variables as `builder.read_values` does: on TensorFlow by one operation for all of them.

    Of a sequence that it is given again it remembers what TensorFlow is asked for: to find that out takes as long as to ask.

    Raises:
        WeightsLostError: Of one there are none to read.
    """

    def __init__(self) -> None:
        self._last_variables: Sequence[Any] = ()
        self._operation: _ReadOperation | None = None

    def __call__(self, variables: Sequence[Any]) -> list[np.ndarray]:
        """Return the values of each."""
        if keras.backend.backend() == "tensorflow":  # under another one it is not loaded, which takes seconds
            if self._last_variables is not variables or self._operation is None or not self._operation.is_current():
                self._last_variables, self._operation = variables, _prepare_read(variables)
            found = self._operation.read() if self._operation else None
            if found is not None:
                return found
        return [builder.read_values(variable) for variable in variables]


class _ReadOperation(NamedTuple):
    """What TensorFlow is asked for when several variables of Keras are read.

    Attributes:
        variables: Those of Keras.
        backend_variables: Those of TensorFlow in them.
        execute: Gives their values, and is None where TensorFlow does not.
    """

    variables: Sequence[Any]
    backend_variables: list[Any]
    execute: Callable[[], list[Any] | None]

    def is_current(self) -> bool:
        """Say whether the variables of Keras still have those of TensorFlow in them."""
        try:
            return all(map(is_, map(_BACKEND_VALUE, self.variables), self.backend_variables))
        except AttributeError:
            return False

    def read(self) -> list[np.ndarray] | None:
        found = self.execute()
        return None if found is None else [builder.tensor_to_array(each) for each in found]


# The public `value` looks for scopes, which there are none of between two steps, and takes ten times as long.
_BACKEND_VALUE = attrgetter("_value")


def _prepare_read(variables: Sequence[Any]) -> _ReadOperation | None:
    execute_of, values = _tensorflow_read(), [variable.value for variable in variables]
    return _ReadOperation(variables, values, execute_of(values)) if execute_of else None


@functools.cache
def _tensorflow_read() -> Callable[[list[Any]], Callable[[], list[Any] | None]] | None:
    """Return what prepares TensorFlow's operation that reads several variables, which has no public name; None if it has none.

    An operation for each takes three times as long.
    """
    import tensorflow as tf  # noqa: PLC0415

    try:
        from tensorflow.python.eager import context, execute  # noqa: PLC0415
    except ImportError:
        return None
    ours: Any = context.context()
    refusals = (tf.errors.OpError, TypeError, AttributeError)

    def is_plain(value: object) -> bool:
        return isinstance(value, tf.Variable) and not isinstance(value, tf.distribute.DistributedValues)

    def execute_of(values: list[Any]) -> Callable[[], list[Any] | None]:
        if not all(map(is_plain, values)):
            return lambda: None
        handles = [value.handle for value in values]
        types = tuple(value.dtype.as_datatype_enum for value in values)
        attributes = ("N", len(handles), "dtypes", types)

        def read() -> list[Any] | None:
            try:
                return execute.execute(b"_ReadVariablesOp", len(handles), handles, attributes, ours) if is_eager() else None
            except refusals:
                return None

        return read

    is_eager = ours.executing_eagerly
    return execute_of
