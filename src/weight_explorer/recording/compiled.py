"""The passes over float32 arrays in C, where the package was built with a compiler. Elsewhere NumPy makes them, in more time.

`scan.c` knows of arrays only, so that it goes with every version of Python and NumPy. Other threads run meanwhile.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

_ADDRESS, _INTEGER = ctypes.c_void_p, ctypes.c_int64

_FLOAT32 = np.dtype(np.float32)

_ARGUMENTS = {
    "we_scan": (_ADDRESS, _ADDRESS, _INTEGER, _ADDRESS, _INTEGER, *[_ADDRESS] * 6),
    "we_populate": (_ADDRESS, _INTEGER),
    "we_release": (_ADDRESS, _INTEGER),
    "we_tally": (_ADDRESS, _ADDRESS, _INTEGER, _ADDRESS, _ADDRESS, _ADDRESS),
}


class Bins(NamedTuple):
    """Lattices of several segments, and what is counted over them.

    Attributes:
        exponents: Of the lattices, int16; `lattice.UNSET` where there is none.
        firsts: The numbers of the first bins, int64.
        counts: Uint32, of shape (segments, bins).
        missed: Bool, all false; becomes true where nothing is counted: a lattice does not hold all finite elements, or is none.
    """

    exponents: np.ndarray
    firsts: np.ndarray
    counts: np.ndarray
    missed: np.ndarray


class Passes:
    """The functions of the library, over segments that tile an array. What comes out was allocated by who calls.

    Args:
        library: Was compiled from `scan.c`.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        for name, types in _ARGUMENTS.items():
            function = getattr(library, name)  # the library keeps it; what `library[name]` gives it does not
            function.argtypes, function.restype = types, None
        library.we_scan.restype = _INTEGER
        self._library = library

    @staticmethod
    def takes(*arrays: np.ndarray) -> bool:
        """Say whether these can be read side by side from C: float32, without gaps, and equally many elements."""
        size = arrays[0].size
        for array in arrays:
            flags = array.flags
            if not (array.size == size and array.dtype == _FLOAT32 and flags.c_contiguous and flags.aligned):
                return False
        return True

    def scan(
        self,
        values: Sequence[np.ndarray],
        sizes: np.ndarray,
        references: Sequence[np.ndarray],
        copy: np.ndarray | None,
        rows: np.ndarray,
        bins: Bins | None = None,
    ) -> int:
        """Fill rows of `statistics.FIELDS`, of shape (segments, 1 + references, fields), a copy of the values, and counts.

        Returns how many segments are missed, of which nothing is counted.

        Args:
            values: Each segment, an array that `takes` accepts.
            sizes: The number of elements of each segment, int64.
            references: Arrays that the values are compared with, the segments behind each other, as `takes` accepts them.
            copy: Such an array, where to copy the values.
            rows: Float64.
            bins: Where to count them.
        """
        places = (_ADDRESS * len(values))(*(_address(each) for each in values))
        befores = (_ADDRESS * len(references))(*(_address(reference) for reference in references))
        counted = (None,) * 4 if bins is None else tuple(_address(array) for array in bins)
        return self._library.we_scan(
            *(places, _address(sizes), len(sizes), befores, len(references)),
            *(None if copy is None else _address(copy), _address(rows), *counted),
        )

    def tally(
        self, values: np.ndarray, sizes: np.ndarray, exponents: np.ndarray, firsts: np.ndarray, counts: np.ndarray
    ) -> None:
        """Add the finite elements of each segment to its counts over bins that hold them.

        Args:
            values: What `takes` accepts.
            sizes: The number of elements of each segment, int64.
            exponents: Of the lattice of each segment, int16; where that is `lattice.UNSET`, nothing is counted.
            firsts: The number of the first bin, int64.
            counts: Uint32, of shape (segments, bins).
        """
        self._library.we_tally(
            _address(values), _address(sizes), len(sizes), _address(exponents), _address(firsts), _address(counts)
        )

    def populate(self, array: np.ndarray) -> None:
        """Have the memory of an array at once that was just allocated and not filled yet."""
        self._library.we_populate(_address(array), array.nbytes)

    def release(self, array: np.ndarray) -> None:
        """Give the memory of an array back to the system, until it is written to again; what it holds is lost."""
        self._library.we_release(_address(array), array.nbytes)


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _load(path: Path) -> Passes | None:
    try:
        return Passes(ctypes.CDLL(str(path)))
    except OSError:  # not built here, or for another kind of machine
        return None


passes = _load(Path(__file__).with_name("scan.so"))
