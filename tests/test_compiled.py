"""The passes in C read what they are given, wherever it lies in memory, and nothing else; NumPy takes what they do not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weight_explorer.recording import compiled
from weight_explorer.recording.lattice import BINS, Lattice
from weight_explorer.recording.statistics import INDEX, Reference, scan, summarize
from weight_explorer.recording.tally import tally

pytestmark = pytest.mark.skipif(compiled.passes is None, reason="the package was built without a compiler")

GUARD = 64


def by_numpy(function, *args, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "passes", None)
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
    rows = scan(values, [Reference(before)], copy=copy)
    scale = np.abs(rows[0, INDEX["largest"]]) + np.abs(rows[1, INDEX["largest"]])
    np.testing.assert_allclose(rows, by_numpy(scan, values, [Reference(before)]), rtol=1e-6, atol=1e-6 * np.nan_to_num(scale))
    np.testing.assert_array_equal(copy.view(np.uint32), values.view(np.uint32))
    assert np.isnan(room[:GUARD]).all()
    assert np.isnan(room[-GUARD:]).all()
    inside = np.clip(values, -1, 1, where=np.isfinite(values), out=values)
    lattice = Lattice(-6, -BINS // 2)
    np.testing.assert_array_equal(tally(inside, lattice, finite=False), by_numpy(tally, inside, lattice, finite=False))


@pytest.mark.parametrize(
    "values",
    [np.arange(20.0), np.arange(20, dtype=np.float32)[::2], np.zeros(41, np.uint8)[1:].view(np.float32)],
    ids=["float64", "with gaps", "between the words of memory"],
)
def test_what_they_do_not_take_is_taken_by_numpy(values):
    assert not compiled.passes.takes(values)
    assert summarize(values)[INDEX["maximum"]] == values.max()


def test_what_is_compared_must_be_of_one_size():
    with pytest.raises(ValueError, match="broadcast"):
        scan(np.zeros(7, np.float32), [Reference(np.zeros(8, np.float32))])


@pytest.mark.parametrize("size", [0, 1, 1_000, 5_000, 1_000_003])
def test_memory_that_is_had_at_once_holds_what_it_held(size):
    values = np.arange(size, dtype=np.float32)
    compiled.passes.populate(values)
    np.testing.assert_array_equal(values, np.arange(size, dtype=np.float32))
    compiled.passes.populate(values[7:])  # a page is not begun, nor ended
    np.testing.assert_array_equal(values, np.arange(size, dtype=np.float32))
