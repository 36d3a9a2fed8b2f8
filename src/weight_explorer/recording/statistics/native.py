"""The passes over float32 arrays in C, where the package was built with a compiler. Elsewhere NumPy makes them, in more time.

`statistics.c` knows of arrays only, so that it goes with every version of Python and NumPy. Other threads run meanwhile.
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

# Arrays that values are compared with.
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
    """Lattices of several segments, and what is counted over them.

    Attributes:
        exponents: Of the lattices, int16; `lattice.UNSET_EXPONENT` where there is none.
        first_bins: The numbers of the first bins, int64.
        counts: Uint32, of shape (segments, bins).
        missed: Bool, all false; becomes true where nothing is counted: a lattice does not hold all finite elements, or is none.
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
    """What was found in several segments.

    Attributes:
        rows: Of `statistics.FIELDS`, of shape (segments, 1 + number of references, number of fields).
        counts: Of shape (segments, bins).
        missed: Those segments that are not counted.
    """

    rows: np.ndarray
    counts: np.ndarray
    missed: list[int]


class NativeTask:
    """A scan that a thread makes; holds what that reads until it has ended."""

    def __init__(
        self, cdll: ctypes.CDLL, arguments: _StatisticsArguments, buffer: np.ndarray, dtype: np.dtype, arrays: object
    ) -> None:
        self._cdll, self._arguments, self._buffer, self._dtype = cdll, arguments, buffer, dtype
        self._arrays: object = arrays
        cdll.we_begin_scan(ctypes.byref(arguments))

    def wait(self) -> int:
        """Wait until all is written and return how many segments are missed; as often as one likes."""
        self._cdll.we_end_scan(ctypes.byref(self._arguments))
        self._arrays = None  # others may be waiting for that memory
        return self._arguments.num_missed

    @property
    def seconds(self) -> float:
        """What the thread took, once it has ended; 0 where it had something else to do, so that who began it made the scan."""
        return self._arguments.seconds

    def result(self) -> SegmentStatistics:
        """Wait, and return what was found."""
        num_missed, (found,) = self.wait(), self._buffer.view(self._dtype)
        return SegmentStatistics(found["rows"], found["counts"], np.flatnonzero(found["missed"]).tolist() if num_missed else [])

    def __del__(self) -> None:
        self.wait()


class NativeLibrary:
    """The functions of the library, over segments that tile an array. What comes out was allocated by who calls.

    Args:
        cdll: Was compiled from `statistics.c`.
        page_size: Bytes of a page of memory on this machine, as `sysconf` gives it: 4, 16 or 64 KiB.
    """

    def __init__(self, cdll: ctypes.CDLL, page_size: int = mmap.PAGESIZE) -> None:
        for name, types in _ARGUMENT_TYPES.items():
            function = getattr(cdll, name)  # the library keeps it; what `library[name]` gives it does not
            function.argtypes, function.restype = types, None
        self._cdll, self.page_size = cdll, page_size

    @staticmethod
    def accepts(*arrays: np.ndarray) -> bool:
        """Say whether these can be read side by side from C: float32, without gaps, and equally many elements."""
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
        """Fill rows of `statistics.FIELDS`, of shape (segments, 1 + references, fields), a copy of the values, and counts.

        Args:
            values: The segments behind each other, an array that `accepts` accepts.
            sizes: The number of elements of each segment, int64.
            references: Such arrays that the values are compared with, at most `MAX_REFERENCES`.
            copy: Such an array, where to copy the values.
            rows: Float64.
            bins: Where to count them.
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
        """Have a `compute_statistics` done by a thread; until that has ended, nothing of all this may be written to.

        Args:
            values: As `compute_statistics` takes them.
            sizes: The same.
            references: The same.
            exponents: Those of `SegmentBins`.
            first_bins: The same.
            dtype: A structure with the fields "rows", "counts" and "missed", of which one is made and filled: to make several
                arrays and find out where each lies takes as long as to copy the values.
        """
        room, places = np.empty(dtype.itemsize, np.uint8), dtype.fields or {}
        start, laid = _address(room), (_address(exponents), _address(first_bins))
        rows, counts, missed = start + places["rows"][1], start + places["counts"][1], start + places["missed"][1]
        arguments = _StatisticsArguments(*_segment_arguments(values, sizes, references), None, rows, *laid, counts, missed)
        return NativeTask(self._cdll, arguments, room, dtype, (values, sizes, references, exponents, first_bins))

    def count_bins(
        self, values: np.ndarray, sizes: np.ndarray, exponents: np.ndarray, first_bins: np.ndarray, counts: np.ndarray
    ) -> None:
        """Add the finite elements of each segment to its counts over bins that hold them.

        Args:
            values: What `accepts` accepts.
            sizes: The number of elements of each segment, int64.
            exponents: Of the lattice of each segment, int16; where that is `lattice.UNSET_EXPONENT`, nothing is counted.
            first_bins: The number of the first bin, int64.
            counts: Uint32, of shape (segments, bins).
        """
        self._cdll.we_tally(
            _address(values), _address(sizes), len(sizes), _address(exponents), _address(first_bins), _address(counts)
        )

    def populate(self, array: np.ndarray) -> None:
        """Have the memory of an array at once that was just allocated and not filled yet."""
        self._cdll.we_populate(_address(array), array.nbytes, self.page_size)

    def release(self, array: np.ndarray) -> None:
        """Give the whole pages within an array back to the system, until they are written to again; what they hold is lost."""
        self._cdll.we_release(_address(array), array.nbytes, self.page_size)


def _segment_arguments(values: np.ndarray, sizes: np.ndarray, references: Sequence[np.ndarray]) -> tuple[Any, ...]:
    """Return the first of `_StatisticsArguments`."""
    return _address(values), _address(sizes), len(sizes), tuple(map(_address, references)), len(references)


def _address(array: Any) -> int:
    try:
        return ctypes.addressof(_BYTE.from_buffer(array))  # in half the time, but of none that is read-only or empty
    except (TypeError, ValueError):
        return array.__array_interface__["data"][0]


def _load(path: Path) -> NativeLibrary | None:
    try:
        return NativeLibrary(ctypes.CDLL(str(path)))
    except OSError:  # not built here, or for another kind of machine
        return None


library = _load(Path(__file__).with_name("statistics.so"))
