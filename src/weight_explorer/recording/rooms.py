"""Memory for the values of records, taken again once nobody holds what was there: fresh memory costs more than filling it."""

from __future__ import annotations

import math
import weakref
from collections import defaultdict, deque

import numpy as np

from weight_explorer.recording import compiled

# Smaller arrays are left to the allocator, which does well with them.
SMALLEST = 1 << 16

# Arrays of up to a quarter of this are cut from slabs, for which NumPy asks the system for huge pages: those come in a quarter
# of the time of small ones. A bound on memory of less than so many slabs has none.
SLAB = 1 << 22
FEWEST_SLABS = 16

# Where huge pages begin, and where arrays do within a slab: at the beginning of a line of the processor's cache.
_HUGE_PAGE = 1 << 21
_LINE = 64


class Rooms:
    """Gives out arrays. Not for two threads, but what was given out may be let go of by any.

    >>> rooms = Rooms(memory=1_000_000)
    >>> values = rooms.take((300, 100), np.dtype(np.float32))
    >>> del values
    >>> rooms.spare_nbytes  # for the next that is as large
    120000
    """

    def __init__(self, memory: int) -> None:
        self._has_slabs = compiled.passes is not None and memory >= FEWEST_SLABS * SLAB
        self._slab = memoryview(b"")
        # By their size: places with memory, and such whose memory was given back to the system.
        self._spare: defaultdict[int, list[memoryview]] = defaultdict(list)
        self._bare: defaultdict[int, list[memoryview]] = defaultdict(list)
        self._spare_nbytes, self._most_spare = 0, memory
        # What nobody holds any more; whoever was the last to hold it adds it here.
        self._returned: deque[memoryview] = deque()

    @property
    def spare_nbytes(self) -> int:
        """Bytes that are kept for arrays to come and were arrays before."""
        self._collect()
        return self._spare_nbytes

    @property
    def ahead_nbytes(self) -> int:
        """Bytes of a slab that were not given out yet."""
        return len(self._slab)

    def take(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return an array to be filled. Its place is taken again once it and all views of it are gone."""
        nbytes = math.prod(shape) * dtype.itemsize
        if nbytes < SMALLEST:
            return np.empty(shape, dtype)
        place = self._place(nbytes)
        # Of an array made otherwise a view would hold not it but what it was made of.
        array = np.frombuffer(place, dtype)
        weakref.finalize(array, self._returned.append, place).atexit = False
        return array.reshape(shape)

    def let_go(self, most: int) -> None:
        """Keep no more than so many bytes spare from now on, and give the others back to the system."""
        self._most_spare = most
        self._collect()
        while self._spare_nbytes > most:
            nbytes = next(size for size, places in self._spare.items() if places)
            self._spare_nbytes -= nbytes
            self._dismiss(self._spare[nbytes].pop())

    def _collect(self) -> None:
        while self._returned:
            place = self._returned.popleft()
            if self._spare_nbytes + len(place) > self._most_spare:
                self._dismiss(place)
            else:
                self._spare[len(place)].append(place)
                self._spare_nbytes += len(place)

    def _dismiss(self, place: memoryview) -> None:
        if self._is_cut(len(place)):
            _release(place)
            self._bare[len(place)].append(place)

    def _place(self, nbytes: int) -> memoryview:
        self._collect()
        if self._spare[nbytes]:
            self._spare_nbytes -= nbytes
            return self._spare[nbytes].pop()
        place = self._bare[nbytes].pop() if self._bare[nbytes] else self._fresh(nbytes)
        if compiled.passes:
            compiled.passes.populate(np.asarray(place))
        return place

    def _is_cut(self, nbytes: int) -> bool:
        return self._has_slabs and nbytes <= SLAB // 4

    def _fresh(self, nbytes: int) -> memoryview:
        if not self._is_cut(nbytes):
            return np.empty(nbytes, np.uint8).data
        if len(self._slab) < nbytes:
            _release(self._slab)
            slab = np.empty(SLAB + _HUGE_PAGE, np.uint8)
            start = -slab.ctypes.data % _HUGE_PAGE
            self._slab = slab[start : start + SLAB].data
        place = self._slab[:nbytes]
        self._slab = self._slab[-(-nbytes // _LINE) * _LINE :]
        return place


def _release(place: memoryview) -> None:
    """Give the memory of a slab, or of a part, back to the system."""
    if compiled.passes:
        compiled.passes.release(np.asarray(place))
