"""Every count of a histogram is exact, also after its range has grown, and over many weights at once."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from weight_explorer.recording.statistics import native
from weight_explorer.recording.statistics.batched import SegmentLayout
from weight_explorer.recording.statistics.bin_counts import count_bins
from weight_explorer.recording.statistics.bin_grid import NUM_BINS, UNSET_EXPONENT, BinGrid, grid_for_range
from weight_explorer.recording.statistics.histograms import Histograms
from weight_explorer.recording.statistics.summary import BLOCK_SIZE, summarize

pytestmark = pytest.mark.usefixtures("each_kind_of_pass")

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
FLOATS = arrays.arrays(np.float32, st.integers(1, 40), elements=FINITE | st.floats(-1, 1, width=32) | st.just(-0.0))
DOUBLES = arrays.arrays(
    np.float64, st.integers(1, 40), elements=st.floats(-1e30, 1e30).filter(lambda x: not 0 < abs(x) < 1e-200)
)


def by_hand(values, lattice):
    """Count with exact arithmetic: each element is a whole number of widths above an edge, rounded down."""
    counts = np.zeros(NUM_BINS, int)
    for value in values.astype(np.float64):
        mantissa, exponent = math.frexp(value)
        whole, shift = int(mantissa * 2**53), exponent - 53 - lattice.exponent
        number = whole << shift if shift >= 0 else whole >> -shift
        counts[number - lattice.first_bin] += 1
    return counts


def lattice_of(values):
    low, high = float(values.min()), float(values.max())
    margin = 0.0 if low < high else abs(low) / 8 or 1.0
    return grid_for_range(low - margin, high + margin)


@pytest.mark.parametrize("elements", [FLOATS, DOUBLES], ids=["float32", "float64"])
def test_every_element_is_counted_in_its_bin(elements):
    @given(elements, st.integers(0, 40))
    def holds(values, halvings):
        lattice = lattice_of(values)
        wide = BinGrid(lattice.exponent + halvings, lattice.first_bin >> halvings)
        for each in (lattice, wide):
            np.testing.assert_array_equal(count_bins(values, each, all_finite=True), by_hand(values, each))

    holds()


@given(FLOATS, st.lists(st.sampled_from([np.nan, np.inf, -np.inf]), max_size=3))
def test_what_is_not_finite_is_in_no_bin(values, others):
    both = np.random.default_rng(1).permutation(np.array([*values, *others], np.float32))
    lattice = lattice_of(values)
    np.testing.assert_array_equal(count_bins(both, lattice, all_finite=False), by_hand(values, lattice))


@pytest.mark.parametrize("size", [0, 1, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 2**20 + 3 * BLOCK_SIZE + 7])
def test_blocks_leave_nothing_out(size):
    values = np.random.default_rng(size).normal(size=size).astype(np.float32)
    lattice = BinGrid(-3, -NUM_BINS // 2)
    expected = np.bincount(np.floor(values * 8).astype(int) + NUM_BINS // 2, minlength=NUM_BINS)
    np.testing.assert_array_equal(count_bins(values, lattice, all_finite=True), expected)


@given(FLOATS)
def test_edges_are_where_numpy_counts_the_same(values):
    lattice = lattice_of(values)
    expected = np.histogram(values.astype(np.float64), [*lattice.edges[:-1], np.inf])[0]
    np.testing.assert_array_equal(count_bins(values, lattice, all_finite=True), expected)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_the_first_range_is_met_with_at_least_a_sixteenth_of_the_bins_and_leaves_room(low, width):
    high = low + width
    lattice = grid_for_range(low, high)
    filled = lattice.bin_of(high) - lattice.bin_of(low) + 1
    assert lattice.contains(low, high)
    assert filled <= NUM_BINS // 2
    assert filled >= NUM_BINS // 16 or lattice.exponent <= math.frexp(max(abs(low), abs(high)))[1] - 23


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.integers(-20, 3), st.integers(-300, 300))
def test_a_grown_lattice_holds_all_bins_of_the_old_one(a, b, exponent, first):
    old = BinGrid(exponent, first)
    low, high = min(a, b), max(a, b)
    grown = old.widened_to(low, high)
    assert grown.exponent > old.exponent
    assert grown.contains(low, high)
    assert grown.edges[0] <= old.edges[0]
    assert grown.edges[-1] >= old.edges[-1]


def test_merging_old_counts_is_counting_over_the_new_bins():
    values = np.random.default_rng(1).normal(size=10_000).astype(np.float32)
    wider = np.append(values, np.float32(1000.0))
    fine = lattice_of(values)
    coarse = fine.widened_to(float(wider.min()), float(wider.max()))
    kinds = [(values, fine), (wider, coarse)]
    exponents, firsts = (np.array([getattr(lattice, name) for _, lattice in kinds]) for name in ("exponent", "first"))
    counts = np.stack([count_bins(part, lattice, all_finite=True) for part, lattice in kinds])
    rows = np.stack([summarize(part) for part, _ in kinds])
    merged = Histograms.from_grids(np.arange(2), exponents, firsts, counts, rows)
    np.testing.assert_array_equal(merged.edges, coarse.edges)
    np.testing.assert_array_equal(merged.counts, [by_hand(part, coarse) for part, _ in kinds])


def test_equal_elements_need_no_bins():
    assert grid_for_range(0.5, 0.5) is None


@given(st.lists(FLOATS, min_size=1, max_size=5))
def test_many_at_once_are_counted_as_one_by_one(parts):
    lattices = [lattice_of(part) for part in parts]
    arrays = (np.array([getattr(lattice, name) for lattice in lattices]) for name in ("exponent", "first"))
    counts = SegmentLayout.from_sizes([part.size for part in parts]).count_bins(np.concatenate(parts), *arrays)
    for part, lattice, found in zip(parts, lattices, counts, strict=True):
        np.testing.assert_array_equal(found, by_hand(part, lattice))


PARTS = st.tuples(FLOATS, st.sampled_from([1, 100]), st.sampled_from([0.0, np.nan, -np.inf]), st.integers(0, 2))


@given(st.lists(PARTS, min_size=1, max_size=4))
def test_what_is_copied_is_counted_on_the_way_where_the_bins_hold_it_and_else_left(given_parts):
    """Of three lattices the first holds the part, the second may not, and the third is not laid."""
    lattices = [(lattice_of(part), BinGrid(-3, 0), None)[kind] for part, _, _, kind in given_parts]
    parts = [np.append(np.tile(part, times), np.float32(last)) for part, times, last, _ in given_parts]
    exponents = np.array([lattice.exponent if lattice else UNSET_EXPONENT for lattice in lattices])
    firsts = np.array([lattice.first_bin if lattice else 0 for lattice in lattices])
    segments = SegmentLayout.from_sizes([part.size for part in parts])
    copy = np.empty(segments.num_elements, np.float32)
    _, counts, missed = segments.begin_statistics(parts, [], exponents, firsts, copy).result()
    np.testing.assert_array_equal(copy, np.concatenate(parts))
    for number, (part, lattice, found) in enumerate(zip(parts, lattices, counts, strict=True)):
        finite = part[np.isfinite(part)]
        held = lattice is not None and lattice.contains(float(finite.min()), float(finite.max()))
        assert (number in missed) == (not held or native.library is None)
        np.testing.assert_array_equal(found, 0 if number in missed else by_hand(finite, lattice))
