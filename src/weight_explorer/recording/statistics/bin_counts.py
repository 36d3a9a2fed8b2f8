"""Counts the elements of an array over the bins of a bin grid.

Pillow counts bytes twice as fast as `np.bincount`, and five times as fast as `np.histogram` counts numbers.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from weight_explorer.recording.statistics import native
from weight_explorer.recording.statistics.bin_grid import NUM_BINS, BinGrid
from weight_explorer.recording.statistics.summary import BLOCK_SIZE, to_float

# The number of elements to count per call: a call costs as much as about ten thousand elements.
_MAX_PENDING = 1 << 20

# Exponents of bin widths by which every float32 can be scaled without loss. For other widths, float64 is used.
_FLOAT32_EXPONENTS = range(-100, 1)


class CountBuffers:
    """Reusable buffers: a block scaled to bin units, and bin numbers collected until a call is worthwhile."""

    def __init__(self) -> None:
        self.scaled = np.empty(BLOCK_SIZE, np.float32)
        self.pending = np.empty(_MAX_PENDING, np.int8)


def count_bins(values: np.ndarray, grid: BinGrid, *, all_finite: bool, buffers: CountBuffers | None = None) -> np.ndarray:
    """Count the finite elements of an array over a bin grid that contains all of them.

    Exact for every float32, and for float64 except below 1e-200, where scaling may round to zero.

    Args:
        values: Any shape and dtype.
        grid: The bin grid.
        all_finite: Whether all elements are known to be finite.
        buffers: Buffers to reuse.

    Returns:
        The number of elements in each bin, of shape (`NUM_BINS`,).
    """
    if native.library and native.library.accepts(values):
        counts = np.zeros(NUM_BINS, np.uint32)
        exponents, firsts = np.array([grid.exponent], np.int16), np.array([grid.first_bin])
        native.library.count_bins(values, np.array([values.size]), exponents, firsts, counts)
        return counts
    return _count_bins_with_numpy(values.reshape(-1), grid, all_finite, buffers or CountBuffers())


def _count_bins_with_numpy(flat: np.ndarray, grid: BinGrid, all_finite: bool, buffers: CountBuffers) -> np.ndarray:
    counts = np.zeros(NUM_BINS, np.int64)
    for most in range(0, flat.size, _MAX_PENDING):
        end = 0
        for start in range(most, min(most + _MAX_PENDING, flat.size), BLOCK_SIZE):
            block = to_float(flat[start : start + BLOCK_SIZE])
            block = block if all_finite else block[np.isfinite(block)]
            buffers.pending[end : end + block.size] = _bin_numbers(block, grid, buffers)
            end += block.size
        counts += _count_bytes(buffers.pending[:end])
    return counts


def _bin_numbers(block: np.ndarray, grid: BinGrid, buffers: CountBuffers) -> np.ndarray:
    """Return the bin number of each element, counted from the middle bin."""
    if block.dtype == np.float32 and grid.exponent in _FLOAT32_EXPONENTS:
        scaled = np.multiply(block, np.float32(2.0**-grid.exponent), out=buffers.scaled[: block.size])
    else:
        scaled = np.ldexp(block.astype(np.float64), -grid.exponent)
    np.floor(scaled, out=scaled)
    return np.subtract(scaled, grid.first_bin + NUM_BINS // 2, out=scaled)


def _count_bytes(signed: np.ndarray) -> np.ndarray:
    """Return the counts of signed bytes, lowest first."""
    if not signed.size:
        return np.zeros(NUM_BINS, np.int64)
    image = Image.frombuffer("L", (signed.size, 1), signed, "raw", "L", 0, 1)
    # Pillow orders bytes as unsigned, 0, 1 ... to -1: move the negative ones to the front.
    return np.roll(image.histogram(), NUM_BINS // 2)
