"""Memory for the values of records, taken again once nobody holds what was there: fresh memory costs more than filling it."""

from __future__ import annotations

import _thread
import contextlib
import math
import weakref
from collections import defaultdict, deque

import numpy as np

from weight_explorer.recording import compiled

# Smaller arrays are left to the allocator, which does well with them.
SMALLEST = 1 << 16

# Arrays of up to a quarter of this are cut from slabs, for which NumPy asks the system for huge pages: those come in a quarter
# of the time of small ones, and a thread waits for them. A bound on memory of less than so many slabs has none.
SLAB = 1 << 22
FEWEST_SLABS = 16

# Only whole pages can be given back to the system. Arrays of fewer pages than this are not cut from slabs, since too much of
# their memory would stay; with pages of 64 KiB those are arrays of less than 1 MiB.
FEWEST_PAGES = 16

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
        # None are cut where `passes` cannot give memory back, or where a slab would be a large part of the bound.
        passes = compiled.passes if memory >= FEWEST_SLABS * SLAB else None
        self._smallest_cut = FEWEST_PAGES * passes.page_size if passes else math.inf
        # The rest of the slab that is being cut; the next one, which gets its memory meanwhile; and what was left of the last.
        self._slab = self._next_slab = self._rest = memoryview(b"")
        # By their size: places with memory, and such whose memory was given back to the system.
        self._spare: defaultdict[int, list[memoryview]] = defaultdict(list)
        self._bare: defaultdict[int, list[memoryview]] = defaultdict(list)
        self._spare_nbytes, self._most_spare = 0, memory
        # What somebody holds, and what nobody holds any more: whoever was the last adds it here.
        self._held: dict[int, _Holding] = {}
        self._returned: deque[memoryview] = deque()

    @property
    def spare_nbytes(self) -> int:
        """Bytes that are kept for arrays to come and were arrays before."""
        self._collect()
        return self._spare_nbytes

    @property
    def ahead_nbytes(self) -> int:
        """Bytes of slabs that were not given out yet."""
        return len(self._slab) + len(self._next_slab)

    def take(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return an array to be filled. Its place is taken again once it and all views of it are gone."""
        nbytes = math.prod(shape) * dtype.itemsize
        if nbytes < SMALLEST:
            return np.empty(shape, dtype)
        place = self._place(nbytes)
        # Of an array made otherwise a view would hold not it but what it was made of.
        array = np.frombuffer(place, dtype)
        holding = _Holding(array, self._let_go_of)
        holding.place = place
        self._held[id(holding)] = holding
        return array.reshape(shape)

    def _let_go_of(self, holding: _Holding) -> None:
        self._returned.append(self._held.pop(id(holding)).place)

    def let_go(self, most: int) -> None:
        """Keep no more than so many bytes spare from now on, none where that is negative, and give the others to the system."""
        self._most_spare = max(most, 0)
        self._collect()
        while self._spare_nbytes > self._most_spare:
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
        if self._bare[nbytes]:
            return _populated(self._bare[nbytes].pop())
        return self._cut(nbytes) if self._is_cut(nbytes) else _populated(np.empty(nbytes, np.uint8).data)

    def _is_cut(self, nbytes: int) -> bool:
        return self._smallest_cut <= nbytes <= SLAB // 4

    def _cut(self, nbytes: int) -> memoryview:
        if len(self._slab) < nbytes:
            self._rest, self._slab, self._next_slab = self._slab, self._next_slab or _slab(), memoryview(b"")
        place, self._slab = self._slab[:nbytes], self._slab[-(-nbytes // _LINE) * _LINE :]
        if not self._next_slab and len(self._slab) < SLAB // 2:
            self._next_slab = _slab()
            # Who is early has the rest of the memory as it is written to. `threading` would wait until the thread runs.
            with contextlib.suppress(RuntimeError):  # there may be none to be had
                _thread.start_new_thread(_turn, (self._next_slab, self._rest))
        return place


class _Holding(weakref.ref[np.ndarray]):
    """Tells when nobody holds an array any more, and where that was."""

    __slots__ = ("place",)
    place: memoryview


def _slab() -> memoryview:
    slab = np.empty(SLAB + _HUGE_PAGE, np.uint8)
    start = -slab.ctypes.data % _HUGE_PAGE
    return slab[start : start + SLAB].data


def _turn(next_slab: memoryview, rest: memoryview) -> None:
    _populated(next_slab)
    _release(rest)


def _populated(place: memoryview) -> memoryview:
    if compiled.passes:
        compiled.passes.populate(np.asarray(place))
    return place


def _release(place: memoryview) -> None:
    """Give the memory of a slab, or of a part, back to the system."""
    if compiled.passes:
        compiled.passes.release(np.asarray(place))
