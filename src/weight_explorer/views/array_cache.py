"""A cache of results computed from recorded arrays, valid while the arrays exist, so that redrawing a picture is cheap."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np

Result = TypeVar("Result")


class ArrayCache(Generic[Result]):
    """A cache of the most recent results, keyed by the arrays they were computed from and a key.

    An array does not change while its record is kept. The array of a dropped record may be reused for another record, so the
    key must identify the records.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._results: OrderedDict[Hashable, tuple[list[weakref.ref[np.ndarray]], Result]] = OrderedDict()
        self._lock = threading.Lock()

    def get_or_compute(self, arrays: tuple[np.ndarray, ...], key: Hashable, compute: Callable[[], Result]) -> Result:
        """Return the cached result for these exact arrays and this key, or compute it."""
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
        """Return the cached result for these exact arrays and this key, or None."""
        found = self._find(arrays, key)
        return found[0] if found else None

    def _find(self, arrays: tuple[np.ndarray, ...], key: Hashable) -> tuple[Result] | None:
        full_key = _full_key(arrays, key)
        with self._lock:
            references, result = self._results.get(full_key, ([], None))
            # A new array may have the same id as one that was deleted.
            if not references or not all(reference() is array for reference, array in zip(references, arrays, strict=True)):
                return None
            self._results.move_to_end(full_key)
            return (result,)  # pyright: ignore[reportReturnType]


def _full_key(arrays: tuple[np.ndarray, ...], key: Hashable) -> Hashable:
    return tuple(id(array) for array in arrays), key
