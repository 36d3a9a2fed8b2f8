"""Reusable buffers for recorded values: allocating fresh memory costs more than filling it."""

from __future__ import annotations

import _thread
import contextlib
import math
import weakref
from collections import defaultdict, deque

import numpy as np

from weight_explorer.recording.statistics import native

# Smaller arrays are left to NumPy's allocator, which handles them well.
MIN_POOLED_BYTES = 1 << 16

# Arrays of up to a quarter of this size are cut from slabs. NumPy requests huge pages for slabs. Huge pages take a quarter of
# the time of small pages to allocate, and a thread waits for them. Slabs are not used if the memory limit is below `MIN_SLABS`
# slabs.
SLAB_BYTES = 1 << 22
MIN_SLABS = 16

# Only whole pages can be released to the system. Arrays with fewer pages than this are not cut from slabs, because too much of
# their memory could not be released. With 64 KiB pages, this applies to arrays of less than 1 MiB.
MIN_PAGES = 16

# Alignment of slabs to huge pages, and of arrays within a slab to the processor's cache lines.
_HUGE_PAGE_BYTES = 1 << 21
_CACHE_LINE_BYTES = 64


class BufferPool:
    """Allocates arrays from reusable buffers. Allocate from one thread only; any thread may drop the arrays.

    >>> rooms = BufferPool(memory=1_000_000)
    >>> values = rooms.allocate((300, 100), np.dtype(np.float32))
    >>> del values
    >>> rooms.free_nbytes  # for the next that is as large
    120000
    """

    def __init__(self, memory: int) -> None:
        # Slabs are not used if the native library is missing and memory cannot be released, or if the limit is too small.
        passes = native.library if memory >= MIN_SLABS * SLAB_BYTES else None
        self._min_bytes_from_slab = MIN_PAGES * passes.page_size if passes else math.inf
        # The rest of the current slab, the next slab, which is populated in the background, and the remainder of the last slab.
        self._slab = self._next_slab = self._slab_remainder = memoryview(b"")
        # Free buffers by size: those with memory, and those whose memory was released to the system.
        self._free_buffers: defaultdict[int, list[memoryview]] = defaultdict(list)
        self._released_buffers: defaultdict[int, list[memoryview]] = defaultdict(list)
        self._free_nbytes, self._max_free_nbytes = 0, memory
        # Buffers of live arrays, and buffers of deleted arrays, which are added from the thread that deletes them.
        self._buffers_in_use: dict[int, _BufferReference] = {}
        self._returned_buffers: deque[memoryview] = deque()

    @property
    def free_nbytes(self) -> int:
        """Bytes of free buffers, which are kept for reuse."""
        self._collect_returned()
        return self._free_nbytes

    @property
    def reserved_nbytes(self) -> int:
        """Bytes of slabs that are not allocated yet."""
        return len(self._slab) + len(self._next_slab)

    def allocate(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return an uninitialized array. Its buffer is reused once the array and all its views are deleted."""
        nbytes = math.prod(shape) * dtype.itemsize
        if nbytes < MIN_POOLED_BYTES:
            return np.empty(shape, dtype)
        place = self._take_buffer(nbytes)
        # With other constructors, views of the array would keep its base alive instead of the array itself.
        array = np.frombuffer(place, dtype)
        holding = _BufferReference(array, self._return_buffer)
        holding.buffer = place
        self._buffers_in_use[id(holding)] = holding
        return array.reshape(shape)

    def _return_buffer(self, reference: _BufferReference) -> None:
        self._returned_buffers.append(self._buffers_in_use.pop(id(reference)).buffer)

    def limit_free(self, max_nbytes: int) -> None:
        """Limit free buffers to `max_nbytes` (0 if negative) from now on, and release the excess memory to the system."""
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
            # If a slab is used before it is populated, its remaining pages are allocated on write. `threading` would wait until
            # the thread has started.
            with contextlib.suppress(RuntimeError):  # starting a thread may fail
                _thread.start_new_thread(_prepare_next_slab, (self._next_slab, self._slab_remainder))
        return place


class _BufferReference(weakref.ref[np.ndarray]):
    """A weak reference to an array that also stores its buffer, so that the buffer can be reused."""

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
    """Release the memory of a slab, or of a part of it, to the system."""
    if native.library:
        native.library.release(np.asarray(buffer))
