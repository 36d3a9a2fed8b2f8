"""Reads weights during training. The only module that uses TensorFlow, where a read request costs more than the copy."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from operator import attrgetter, is_
from typing import Any, NamedTuple

import keras
import numpy as np

from weight_explorer.catalog import builder


class VariableReader:
    """Reads the values of variables like `builder.read_values`; on TensorFlow, with one operation for all of them.

    The operation is cached for the last sequence of variables, since preparing it takes as long as executing it.

    Raises:
        WeightsLostError: If a variable has no values to read.
    """

    def __init__(self) -> None:
        self._last_variables: Sequence[Any] = ()
        self._operation: _ReadOperation | None = None

    def __call__(self, variables: Sequence[Any]) -> list[np.ndarray]:
        """Return the values of each variable."""
        if keras.backend.backend() == "tensorflow":  # other backends do not load TensorFlow, which takes seconds
            if self._last_variables is not variables or self._operation is None or not self._operation.is_current():
                self._last_variables, self._operation = variables, _prepare_read(variables)
            found = self._operation.read() if self._operation else None
            if found is not None:
                return found
        return [builder.read_values(variable) for variable in variables]


class _ReadOperation(NamedTuple):
    """A TensorFlow operation that reads several Keras variables.

    Attributes:
        variables: The Keras variables.
        backend_variables: The TensorFlow variables inside them.
        execute: A function that returns their values, or None if TensorFlow cannot read them.
    """

    variables: Sequence[Any]
    backend_variables: list[Any]
    execute: Callable[[], list[Any] | None]

    def is_current(self) -> bool:
        """Return whether the Keras variables still hold the same TensorFlow variables."""
        try:
            return all(map(is_, map(_BACKEND_VALUE, self.variables), self.backend_variables))
        except AttributeError:
            return False

    def read(self) -> list[np.ndarray] | None:
        found = self.execute()
        return None if found is None else [builder.tensor_to_array(each) for each in found]


# The public `value` checks for scopes, although none are open between two steps, and takes ten times as long.
_BACKEND_VALUE = attrgetter("_value")


def _prepare_read(variables: Sequence[Any]) -> _ReadOperation | None:
    execute_of, values = _tensorflow_read(), [variable.value for variable in variables]
    return _ReadOperation(variables, values, execute_of(values)) if execute_of else None


@functools.cache
def _tensorflow_read() -> Callable[[list[Any]], Callable[[], list[Any] | None]] | None:
    """Return a function that prepares the TensorFlow operation to read several variables, or None if it is unavailable.

    The operation has no public name. One operation per variable takes three times as long.
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
