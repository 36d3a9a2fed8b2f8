"""Memory for the values of records, taken again once nobody holds what was there: fresh memory costs more than filling it."""

from __future__ import annotations

import _thread
import contextlib
import math
import weakref
from collections import defaultdict, deque

import numpy as np

from weight_explorer.recording.statistics import native

# Smaller arrays are left to the allocator, which does well with them.
MIN_POOLED_BYTES = 1 << 16

# Arrays of up to a quarter of this are cut from slabs, for which NumPy asks the system for huge pages: those come in a quarter
# of the time of small ones, and a thread waits for them. A bound on memory of less than so many slabs has none.
SLAB_BYTES = 1 << 22
MIN_SLABS = 16

# Only whole pages can be given back to the system. Arrays of fewer pages than this are not cut from slabs, since too much of
# their memory would stay; with pages of 64 KiB those are arrays of less than 1 MiB.
MIN_PAGES = 16

# Where huge pages begin, and where arrays do within a slab: at the beginning of a line of the processor's cache.
_HUGE_PAGE_BYTES = 1 << 21
_CACHE_LINE_BYTES = 64


class BufferPool:
    """Gives out arrays. Not for two threads, but what was given out may be let go of by any.

    >>> rooms = BufferPool(memory=1_000_000)
    >>> values = rooms.allocate((300, 100), np.dtype(np.float32))
    >>> del values
    >>> rooms.free_nbytes  # for the next that is as large
    120000
    """

    def __init__(self, memory: int) -> None:
        # None are cut where `passes` cannot give memory back, or where a slab would be a large part of the bound.
        passes = native.library if memory >= MIN_SLABS * SLAB_BYTES else None
        self._min_bytes_from_slab = MIN_PAGES * passes.page_size if passes else math.inf
        # The rest of the slab that is being cut; the next one, which gets its memory meanwhile; and what was left of the last.
        self._slab = self._next_slab = self._slab_remainder = memoryview(b"")
        # By their size: places with memory, and such whose memory was given back to the system.
        self._free_buffers: defaultdict[int, list[memoryview]] = defaultdict(list)
        self._released_buffers: defaultdict[int, list[memoryview]] = defaultdict(list)
        self._free_nbytes, self._max_free_nbytes = 0, memory
        # What somebody holds, and what nobody holds any more: whoever was the last adds it here.
        self._buffers_in_use: dict[int, _BufferReference] = {}
        self._returned_buffers: deque[memoryview] = deque()

    @property
    def free_nbytes(self) -> int:
        """Bytes that are kept for arrays to come and were arrays before."""
        self._collect_returned()
        return self._free_nbytes

    @property
    def reserved_nbytes(self) -> int:
        """Bytes of slabs that were not given out yet."""
        return len(self._slab) + len(self._next_slab)

    def allocate(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return an array to be filled. Its place is taken again once it and all views of it are gone."""
        nbytes = math.prod(shape) * dtype.itemsize
        if nbytes < MIN_POOLED_BYTES:
            return np.empty(shape, dtype)
        place = self._take_buffer(nbytes)
        # Of an array made otherwise a view would hold not it but what it was made of.
        array = np.frombuffer(place, dtype)
        holding = _BufferReference(array, self._return_buffer)
        holding.buffer = place
        self._buffers_in_use[id(holding)] = holding
        return array.reshape(shape)

    def _return_buffer(self, reference: _BufferReference) -> None:
        self._returned_buffers.append(self._buffers_in_use.pop(id(reference)).buffer)

    def limit_free(self, max_nbytes: int) -> None:
        """Keep no more than so many bytes spare from now on, none where that is negative, and give the others to the system."""
        self._max_free_nbytes = max(max_nbytes, 0)
        self._collect_returned()
        while self._free_nbytes > self._max_free_nbytes:
            nbytes = next(size for size, places in self._free_buffers.items() if places)
            self._free_nbytes -= nbytes
            self._release_buffer(self._free_buffers[nbytes].pop())

    def _collect_returned(self) -> None:
        while self._returned_buffers:
            place = self._returned_buffers.popleft()
            if self._free_nbytes + len(place) > self._max_free_nbytes:
                self._release_buffer(place)
            else:
                self._free_buffers[len(place)].append(place)
                self._free_nbytes += len(place)

    def _release_buffer(self, buffer: memoryview) -> None:
        if self._comes_from_slab(len(buffer)):
            _release(buffer)
            self._released_buffers[len(buffer)].append(buffer)

    def _take_buffer(self, nbytes: int) -> memoryview:
        self._collect_returned()
        if self._free_buffers[nbytes]:
            self._free_nbytes -= nbytes
            return self._free_buffers[nbytes].pop()
        if self._released_buffers[nbytes]:
            return _populate(self._released_buffers[nbytes].pop())
        return self._cut_from_slab(nbytes) if self._comes_from_slab(nbytes) else _populate(np.empty(nbytes, np.uint8).data)

    def _comes_from_slab(self, nbytes: int) -> bool:
        return self._min_bytes_from_slab <= nbytes <= SLAB_BYTES // 4

    def _cut_from_slab(self, nbytes: int) -> memoryview:
        if len(self._slab) < nbytes:
            self._slab_remainder, self._slab, self._next_slab = self._slab, self._next_slab or _allocate_slab(), memoryview(b"")
        place, self._slab = self._slab[:nbytes], self._slab[-(-nbytes // _CACHE_LINE_BYTES) * _CACHE_LINE_BYTES :]
        if not self._next_slab and len(self._slab) < SLAB_BYTES // 2:
            self._next_slab = _allocate_slab()
            # Who is early has the rest of the memory as it is written to. `threading` would wait until the thread runs.
            with contextlib.suppress(RuntimeError):  # there may be none to be had
                _thread.start_new_thread(_prepare_next_slab, (self._next_slab, self._slab_remainder))
        return place


class _BufferReference(weakref.ref[np.ndarray]):
    """Tells when nobody holds an array any more, and where that was."""

    __slots__ = ("buffer",)
    buffer: memoryview


def _allocate_slab() -> memoryview:
    slab = np.empty(SLAB_BYTES + _HUGE_PAGE_BYTES, np.uint8)
    start = -slab.ctypes.data % _HUGE_PAGE_BYTES
    return slab[start : start + SLAB_BYTES].data


def _prepare_next_slab(next_slab: memoryview, remainder: memoryview) -> None:
    _populate(next_slab)
    _release(remainder)


def _populate(buffer: memoryview) -> memoryview:
    if native.library:
        native.library.populate(np.asarray(buffer))
    return buffer


def _release(buffer: memoryview) -> None:
    """Give the memory of a slab, or of a part, back to the system."""
    if native.library:
        native.library.release(np.asarray(buffer))
