"""Passes over float32 arrays in C, if the package was built with a compiler. Otherwise, NumPy is used, which is slower.

`statistics.c` only uses plain arrays, so it works with every version of Python and NumPy. Other threads keep running during a
call.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_ADDRESS, _INTEGER, _BYTE = ctypes.c_void_p, ctypes.c_int64, ctypes.c_char

_FLOAT32 = np.dtype(np.float32)

# The maximum number of arrays that values are compared with.
MAX_REFERENCES = 2

_ARGUMENT_TYPES = {
    "we_scan": (_ADDRESS,),
    "we_begin_scan": (_ADDRESS,),
    "we_end_scan": (_ADDRESS,),
    "we_populate": (_ADDRESS, _INTEGER, _INTEGER),
    "we_release": (_ADDRESS, _INTEGER, _INTEGER),
    "we_tally": (_ADDRESS, _ADDRESS, _INTEGER, _ADDRESS, _ADDRESS, _ADDRESS),
}


class SegmentBins(NamedTuple):
    """The bin grids of several segments, and the counts over them.

    Attributes:
        exponents: The exponents of the bin grids, int16; `bin_grid.UNSET_EXPONENT` if there is none.
        first_bins: The numbers of the first bins, int64.
        counts: Uint32, of shape (segments, bins).
        missed: Bool, initially all False. Set to True for segments that are not counted, because they have no bin grid or it
            does not contain all finite elements.
    """

    exponents: np.ndarray
    first_bins: np.ndarray
    counts: np.ndarray
    missed: np.ndarray


class _StatisticsArguments(ctypes.Structure):
    _fields_ = (
        ("values", _ADDRESS),
        ("sizes", _ADDRESS),
        ("num_segments", _INTEGER),
        ("before", _ADDRESS * MAX_REFERENCES),
        ("num_before", _INTEGER),
        ("copy", _ADDRESS),
        ("rows", _ADDRESS),
        ("exponents", _ADDRESS),
        ("firsts", _ADDRESS),
        ("counts", _ADDRESS),
        ("missed", _ADDRESS),
        ("num_missed", _INTEGER),
        ("process", _INTEGER),
        ("seconds", ctypes.c_double),
    )


class SegmentStatistics(NamedTuple):
    """Statistics and bin counts of several segments.

    Attributes:
        rows: Rows of `summary.FIELDS`, of shape (segments, 1 + number of references, number of fields).
        counts: Bin counts, of shape (segments, bins).
        missed: Indices of the segments that are not counted.
    """

    rows: np.ndarray
    counts: np.ndarray
    missed: list[int]


class NativeTask:
    """A computation that runs in a thread. Keeps references to the arrays that the thread reads until it has finished."""

    def __init__(
        self, cdll: ctypes.CDLL, arguments: _StatisticsArguments, buffer: np.ndarray, dtype: np.dtype, arrays: object
    ) -> None:
        self._cdll, self._arguments, self._buffer, self._dtype = cdll, arguments, buffer, dtype
        self._arrays: object = arrays
        cdll.we_begin_scan(ctypes.byref(arguments))

    def wait(self) -> int:
        """Wait until all results are written and return the number of missed segments. May be called repeatedly."""
        self._cdll.we_end_scan(ctypes.byref(self._arguments))
        self._arrays = None  # allow this memory to be reused
        return self._arguments.num_missed

    @property
    def seconds(self) -> float:
        """Seconds the thread took, once finished; 0 if the thread was busy and the calling thread did the work."""
        return self._arguments.seconds

    def result(self) -> SegmentStatistics:
        """Wait for the task and return its results."""
        num_missed, (found,) = self.wait(), self._buffer.view(self._dtype)
        return SegmentStatistics(found["rows"], found["counts"], np.flatnonzero(found["missed"]).tolist() if num_missed else [])

    def __del__(self) -> None:
        self.wait()


class NativeLibrary:
    """The functions of the native library, for consecutive segments of an array. The caller allocates all outputs.

    Args:
        cdll: The library compiled from `statistics.c`.
        page_size: Bytes of a memory page on this machine, as reported by `sysconf`: 4, 16 or 64 KiB.
    """

    def __init__(self, cdll: ctypes.CDLL, page_size: int = mmap.PAGESIZE) -> None:
        for name, types in _ARGUMENT_TYPES.items():
            function = getattr(cdll, name)  # cached by the library, unlike `library[name]`
            function.argtypes, function.restype = types, None
        self._cdll, self.page_size = cdll, page_size

    @staticmethod
    def accepts(*arrays: np.ndarray) -> bool:
        """Return whether C can read these arrays side by side: float32, contiguous, aligned, and of equal size."""
        size = arrays[0].size
        for array in arrays:
            flags = array.flags
            if not (array.size == size and array.dtype == _FLOAT32 and flags.c_contiguous and flags.aligned):
                return False
        return True

    def compute_statistics(
        self,
        values: np.ndarray,
        sizes: np.ndarray,
        references: Sequence[np.ndarray],
        copy: np.ndarray | None,
        rows: np.ndarray,
        bins: SegmentBins | None = None,
    ) -> None:
        """Fill rows of `summary.FIELDS`, of shape (segments, 1 + references, fields), a copy of the values, and bin counts.

        Args:
            values: The concatenated segments, as an array accepted by `accepts`.
            sizes: The number of elements of each segment, int64.
            references: Arrays to compare the values with, accepted by `accepts`; at most `MAX_REFERENCES`.
            copy: An array accepted by `accepts` that the values are copied to.
            rows: Float64.
            bins: The bins to count the values over.
        """
        counted = (None,) * 4 if bins is None else tuple(map(_address, bins))
        copied = None if copy is None else _address(copy)
        arguments = _StatisticsArguments(*_segment_arguments(values, sizes, references), copied, _address(rows), *counted)
        self._cdll.we_scan(ctypes.byref(arguments))

    def begin_statistics(
        self,
        values: np.ndarray,
        sizes: np.ndarray,
        references: Sequence[np.ndarray],
        exponents: np.ndarray,
        first_bins: np.ndarray,
        dtype: np.dtype,
    ) -> NativeTask:
        """Run `compute_statistics` in a thread. The arrays must not be written to until the task has finished.

        Args:
            values: As in `compute_statistics`.
            sizes: As in `compute_statistics`.
            references: As in `compute_statistics`.
            exponents: As in `SegmentBins`.
            first_bins: As in `SegmentBins`.
            dtype: A structured dtype with the fields "rows", "counts" and "missed". A single element is allocated and filled:
                allocating several arrays and looking up their addresses would take as long as copying the values.
        """
        room, places = np.empty(dtype.itemsize, np.uint8), dtype.fields or {}
        start, laid = _address(room), (_address(exponents), _address(first_bins))
        rows, counts, missed = start + places["rows"][1], start + places["counts"][1], start + places["missed"][1]
        arguments = _StatisticsArguments(*_segment_arguments(values, sizes, references), None, rows, *laid, counts, missed)
        return NativeTask(self._cdll, arguments, room, dtype, (values, sizes, references, exponents, first_bins))

    def count_bins(
        self, values: np.ndarray, sizes: np.ndarray, exponents: np.ndarray, first_bins: np.ndarray, counts: np.ndarray
    ) -> None:
        """Add the finite elements of each segment to its counts over bins that contain them.

        Args:
            values: An array accepted by `accepts`.
            sizes: The number of elements of each segment, int64.
            exponents: The exponent of each segment's bin grid, int16; `bin_grid.UNSET_EXPONENT` for segments not to count.
            first_bins: The number of the first bin, int64.
            counts: Uint32, of shape (segments, bins).
        """
        self._cdll.we_tally(
            _address(values), _address(sizes), len(sizes), _address(exponents), _address(first_bins), _address(counts)
        )

    def populate(self, array: np.ndarray) -> None:
        """Allocate the pages of a newly created, unfilled array at once instead of on first write."""
        self._cdll.we_populate(_address(array), array.nbytes, self.page_size)

    def release(self, array: np.ndarray) -> None:
        """Release the whole pages within an array to the system until they are written to again. Their contents are lost."""
        self._cdll.we_release(_address(array), array.nbytes, self.page_size)


def _segment_arguments(values: np.ndarray, sizes: np.ndarray, references: Sequence[np.ndarray]) -> tuple[Any, ...]:
    """Return the first fields of `_StatisticsArguments`."""
    return _address(values), _address(sizes), len(sizes), tuple(map(_address, references)), len(references)


def _address(array: Any) -> int:
    try:
        return ctypes.addressof(_BYTE.from_buffer(array))  # twice as fast, but fails for read-only or empty arrays
    except (TypeError, ValueError):
        return array.__array_interface__["data"][0]


def _load(path: Path) -> NativeLibrary | None:
    try:
        return NativeLibrary(ctypes.CDLL(str(path)))
    except OSError:  # not built, or built for another kind of machine
        return None


library = _load(Path(__file__).with_name("statistics.so"))
