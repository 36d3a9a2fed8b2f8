"""What was computed from recorded arrays, remembered as long as they live: a picture drawn again costs nothing again."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np

Result = TypeVar("Result")


class ArrayCache(Generic[Result]):
    """The newest few results, by the arrays they were computed from, and a key.

    An array never changes while its record is kept, but one of a record that is dropped may be filled anew: the key tells
    which records they are of.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._results: OrderedDict[Hashable, tuple[list[weakref.ref[np.ndarray]], Result]] = OrderedDict()
        self._lock = threading.Lock()

    def get_or_compute(self, arrays: tuple[np.ndarray, ...], key: Hashable, compute: Callable[[], Result]) -> Result:
        """Return what was computed from these very arrays under this key, or compute it now."""
        found = self._find(arrays, key)
        if found:
            return found[0]
        made, full_key = compute(), _full_key(arrays, key)
        with self._lock:
            self._results[full_key] = ([weakref.ref(array) for array in arrays], made)
            self._results.move_to_end(full_key)
            while len(self._results) > self._max_size:
                self._results.popitem(last=False)
        return made

    def get(self, arrays: tuple[np.ndarray, ...], key: Hashable) -> Result | None:
        """Return what was computed from these very arrays under this key, None where nothing was."""
        found = self._find(arrays, key)
        return found[0] if found else None

    def _find(self, arrays: tuple[np.ndarray, ...], key: Hashable) -> tuple[Result] | None:
        full_key = _full_key(arrays, key)
        with self._lock:
            references, result = self._results.get(full_key, ([], None))
            # Another array may have come to live where a dead one was.
            if not references or not all(reference() is array for reference, array in zip(references, arrays, strict=True)):
                return None
            self._results.move_to_end(full_key)
            return (result,)  # pyright: ignore[reportReturnType]


def _full_key(arrays: tuple[np.ndarray, ...], key: Hashable) -> Hashable:
    return tuple(id(array) for array in arrays), key
