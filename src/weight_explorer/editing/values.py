"""Convert the values that a user assigns to elements of a weight to its data type, or reject them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from weight_explorer.editing.selection import ResolvedSelection

# Kinds of NumPy types that are not numbers, or are complex.
_UNSUPPORTED_KINDS = "OSUMmc"


def cast_values(value: Any, dtype: np.dtype, name: str) -> np.ndarray:
    """Convert values to the data type of a weight. NaN and infinities are allowed.

    Raises:
        TypeError: The values are not real numbers.
        ValueError: The type cannot hold a value: it is too large, or a fraction for an integer type.

    >>> cast_values([1, 0.5], np.dtype("float32"), "the bias")
    array([1. , 0.5], dtype=float32)
    """
    try:
        array = np.asarray(keras.ops.convert_to_numpy(value) if keras.ops.is_tensor(value) else value)
    except ValueError:
        raise TypeError(f"The value for {name} is no array: its rows differ in length.") from None
    if array.dtype.kind in _UNSUPPORTED_KINDS:
        raise TypeError(f"The value for {name} must be real numbers, and is {type(value).__name__}: {value!r:.80}.")
    with np.errstate(over="ignore", invalid="ignore"):
        cast, wide = array.astype(dtype), array.astype(np.float64)
        back = cast.astype(np.float64)
    is_whole = dtype.kind in "biu"
    lost = (back != wide) if is_whole else (np.isfinite(wide) & ~np.isfinite(back))
    if lost.any():
        raise ValueError(f"{wide[lost].flat[0]:g} cannot be held by {name}, whose type is {dtype}.")
    return cast


def with_assigned(before: np.ndarray, selection: ResolvedSelection, value: Any, key: str) -> np.ndarray:
    """Return a copy of an array with another value assigned to the selected elements. The value is broadcast to them.

    Raises:
        TypeError: The value is not a real number.
        ValueError: Its shape does not fit the elements, or the type cannot hold it.
    """
    after = np.array(before)
    given = cast_values(value, after.dtype, repr(key))
    if selection.is_mask and given.shape == after.shape:
        given = given[selection.mask]
    try:
        after[selection.index] = given
    except ValueError:
        expected = after[selection.index].shape
        raise ValueError(
            f"A value of shape {given.shape} does not fit {selection.description} of {key!r}: give one number, or the shape "
            f"{expected}."
        ) from None
    return after
