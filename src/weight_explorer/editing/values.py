"""Values that someone gives for elements of a weight: brought to its type, or refused."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from weight_explorer.editing.choosing import Chosen

# Kinds of NumPy types that are no numbers, or complex ones.
_NO_NUMBERS = "OSUMmc"


def fitted(value: Any, dtype: np.dtype, what: str) -> np.ndarray:
    """Bring values to the type of a weight. NaN and infinities are values like others.

    Raises:
        TypeError: They are no real numbers.
        ValueError: One of them cannot be held by the type: too large, or a fraction among whole numbers.

    >>> fitted([1, 0.5], np.dtype("float32"), "the bias")
    array([1. , 0.5], dtype=float32)
    """
    try:
        array = np.asarray(keras.ops.convert_to_numpy(value) if keras.ops.is_tensor(value) else value)
    except ValueError:
        raise TypeError(f"The value for {what} is no array: its rows differ in length.") from None
    if array.dtype.kind in _NO_NUMBERS:
        raise TypeError(f"The value for {what} must be real numbers, and is {type(value).__name__}: {value!r:.80}.")
    with np.errstate(over="ignore", invalid="ignore"):
        cast, wide = array.astype(dtype), array.astype(np.float64)
        back = cast.astype(np.float64)
    is_whole = dtype.kind in "biu"
    lost = (back != wide) if is_whole else (np.isfinite(wide) & ~np.isfinite(back))
    if lost.any():
        raise ValueError(f"{wide[lost].flat[0]:g} cannot be held by {what}, whose type is {dtype}.")
    return cast


def changed(before: np.ndarray, chosen: Chosen, value: Any, key: str) -> np.ndarray:
    """Return a copy of an array in which the chosen elements have another value, which is broadcast to them.

    Raises:
        TypeError: The value is no real number.
        ValueError: Its shape does not fit the elements, or the type cannot hold it.
    """
    after = np.array(before)
    given = fitted(value, after.dtype, repr(key))
    if chosen.is_mask and given.shape == after.shape:
        given = given[chosen.mask]
    try:
        after[chosen.index] = given
    except ValueError:
        expected = after[chosen.index].shape
        raise ValueError(
            f"A value of shape {given.shape} does not fit {chosen.words} of {key!r}: give one number, or the shape {expected}."
        ) from None
    return after
