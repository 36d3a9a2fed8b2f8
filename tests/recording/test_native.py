"""The passes in C read what they are given, wherever it lies in memory, and nothing else; NumPy takes what they do not."""

import contextlib
import mmap
import os
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weight_explorer.recording.statistics import native
from weight_explorer.recording.statistics.batched import SegmentLayout
from weight_explorer.recording.statistics.bin_counts import count_bins
from weight_explorer.recording.statistics.bin_grid import NUM_BINS, BinGrid
from weight_explorer.recording.statistics.summary import FIELD_INDEX, Reference, compute_statistics, summarize

pytestmark = pytest.mark.skipif(native.library is None, reason="the package was built without a compiler")

GUARD = 64


def by_numpy(function, *args, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "passes", None)
        return function(*args, **options)


def surrounded(values, filling):
    """Return the values between others that must not be read, or written."""
    room = np.full(values.size + 2 * GUARD, filling, values.dtype)
    room[GUARD : GUARD + values.size] = values
    return room, room[GUARD : GUARD + values.size]


@given(st.integers(0, 5000), st.integers(0, 2**32 - 1), st.booleans())
def test_they_say_what_numpy_says_of_any_bits(size, seed, any_bits):
    random = np.random.default_rng(seed)
    values, before = (random.normal(scale=1e-3, size=size).astype(np.float32) for _ in range(2))
    if any_bits and size:
        for array in (values, before):
            some = random.integers(0, size, 3)
            array[some] = random.integers(0, 2**32, 3, np.uint32).view(np.float32)
    (_, values), (_, before), (room, copy) = (surrounded(array, np.nan) for array in (values, before, np.zeros_like(values)))
    rows = compute_statistics(values, [Reference(before)], copy=copy)
    scale = np.abs(rows[0, FIELD_INDEX["largest"]]) + np.abs(rows[1, FIELD_INDEX["largest"]])
    np.testing.assert_allclose(
        rows, by_numpy(compute_statistics, values, [Reference(before)]), rtol=1e-6, atol=1e-6 * np.nan_to_num(scale)
    )
    np.testing.assert_array_equal(copy.view(np.uint32), values.view(np.uint32))
    assert np.isnan(room[:GUARD]).all()
    assert np.isnan(room[-GUARD:]).all()
    inside = np.clip(values, -1, 1, where=np.isfinite(values), out=values)
    lattice = BinGrid(-6, -NUM_BINS // 2)
    np.testing.assert_array_equal(
        count_bins(inside, lattice, all_finite=False), by_numpy(count_bins, inside, lattice, finite=False)
    )


@pytest.mark.parametrize(
    "values",
    [np.arange(20.0), np.arange(20, dtype=np.float32)[::2], np.zeros(41, np.uint8)[1:].view(np.float32)],
    ids=["float64", "with gaps", "between the words of memory"],
)
def test_what_they_do_not_take_is_taken_by_numpy(values):
    assert not native.library.accepts(values)
    assert summarize(values)[FIELD_INDEX["maximum"]] == values.max()


def test_what_is_compared_must_be_of_one_size():
    with pytest.raises(ValueError, match="broadcast"):
        compute_statistics(np.zeros(7, np.float32), [Reference(np.zeros(8, np.float32))])


def begun_scan(size):
    """A scan of two segments on its thread."""
    values = np.append(np.linspace(-1, 1, size, dtype=np.float32), np.full(7, 2, np.float32))
    return SegmentLayout.from_sizes([size, 7]).begin_statistics(
        [values[:size], values[size:]],
        [],
        np.array([-6, -9], np.int16),
        np.full(2, -NUM_BINS // 2, np.int64),
        out=np.empty_like(values),
    )


def assert_is_scanned(size, scanned):
    assert scanned.rows[:, 0, FIELD_INDEX["count"]].tolist() == [size, 7]
    assert scanned.rows[:, 0, FIELD_INDEX["maximum"]].tolist() == [1, 2]
    assert scanned.counts.sum(axis=1).tolist() == [size, 0]
    assert scanned.missed == [1]


def test_a_scan_on_a_thread_may_be_waited_for_again():
    scan = begun_scan(1_000_000)
    assert [scan.wait(), scan.wait()] == [1, 1]
    assert scan.seconds > 0
    assert_is_scanned(1_000_000, scan.result())


def test_a_scan_that_nobody_waits_for_ends_before_its_memory_goes():
    scan = begun_scan(10_000_000)
    counts = scan._buffer.view(scan._dtype)["counts"][0]
    del scan
    assert counts.sum(axis=1).tolist() == [10_000_000, 0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_where_no_thread_runs_scans_anew():
    scan = begun_scan(10_000_000)
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            assert_is_scanned(10_000_000, scan.result())
            os._exit(0)
        os._exit(1)
    scan.wait()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("size", [0, 1, 1_000, 5_000, 1_000_003])
def test_memory_that_is_had_at_once_holds_what_it_held(size):
    values = np.arange(size, dtype=np.float32)
    native.library.populate(values)
    np.testing.assert_array_equal(values, np.arange(size, dtype=np.float32))
    native.library.populate(values[7:])  # a page is not begun, nor ended
    np.testing.assert_array_equal(values, np.arange(size, dtype=np.float32))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is given back on Linux only")
@pytest.mark.parametrize("page_size", [mmap.PAGESIZE, 1 << 14, 1 << 16], ids=lambda size: f"{size >> 10} KiB")
def test_release_zeroes_whole_pages_and_nothing_beyond(page_size):
    passes = native.NativeLibrary(native.library._cdll, page_size)
    memory = np.ones(8 << 16, np.uint8)
    start = -memory.ctypes.data % (1 << 16) + 100
    passes.release(memory[start : start + (3 << 16)])
    zeros = np.flatnonzero(memory == 0)
    first, end = start - 100 + page_size, start - 100 + (3 << 16)
    assert (zeros[0], zeros[-1] + 1, len(zeros)) == (first, end, end - first)
