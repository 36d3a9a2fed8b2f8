"""The statistics equal a plain float64 reference, whatever the array holds."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from weight_explorer.recording import statistics
from weight_explorer.recording.statistics import FIELDS, INDEX, summarize

FLOATS = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6),
    elements=st.floats(-(2.0**100), 2.0**100, width=32) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0]),
)


def reference(values):
    values = np.asarray(values, np.float64).ravel()
    finite = values[np.isfinite(values)]
    zeros = int((values == 0).sum())
    counts = [zeros, int(np.isnan(values).sum()), int(np.isinf(values).sum()), values.size - zeros]
    if not finite.size:
        return [np.nan] * 5 + counts
    return [finite.min(), finite.max(), finite.mean(), finite.std(), np.sqrt((finite**2).sum()), *counts]


def assert_same(row, values):
    expected = np.array(reference(values))
    scale = np.nanmax(np.abs(expected[:5]), initial=0.0)
    np.testing.assert_allclose(row[:5], expected[:5], rtol=1e-9, atol=1e-9 * scale)
    np.testing.assert_array_equal(row[5:], expected[5:])


@given(FLOATS)
def test_a_summary_equals_the_reference(values):
    assert_same(summarize(values), values)


@given(FLOATS, st.floats(-1e3, 1e3, width=32))
def test_a_summary_of_a_change_is_that_of_the_difference(values, shift):
    before = np.where(np.arange(values.size).reshape(values.shape) % 2, values, np.float32(shift)).astype(np.float32)
    with np.errstate(invalid="ignore"):
        row, difference = summarize(values, before), values.astype(np.float64) - before.astype(np.float64)
        row[INDEX["moved"]] = difference.size - row[INDEX["zeros"]]  # which of NaN has a test of its own
        assert_same(row, difference)


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 250])
def test_blocks_leave_nothing_out(size, monkeypatch):
    monkeypatch.setattr(statistics, "BLOCK", 100)
    values = np.random.default_rng(size).normal(3, 2, size).astype(np.float32)
    assert_same(summarize(values), values)


@pytest.mark.parametrize(
    "dtype", [np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, np.int8, np.uint32, np.float64], ids=str
)
def test_low_precision_is_widened_before_it_is_summed(dtype):
    values = (np.random.default_rng(1).random(5000) * 60).astype(dtype)
    assert_same(summarize(values), values.astype(np.float64))


def test_the_deviation_of_a_gamma_near_one_is_right():
    """E[x^2] - E[x]^2 in float32 is four times off here."""
    values = (1 + 1e-4 * np.random.default_rng(1).normal(size=4096)).astype(np.float32)
    assert summarize(values)[INDEX["std"]] == pytest.approx(values.astype(np.float64).std(), rel=1e-6)


@pytest.mark.parametrize("value", [0.1, 1.0, -3e-8, 1e20], ids=str)
def test_the_deviation_of_a_constant_is_exactly_zero(value):
    row = summarize(np.full(12_345, value, np.float32))
    assert row[INDEX["std"]] == 0
    assert row[INDEX["mean"]] == np.float32(value)


def test_an_outlier_in_front_spoils_nothing():
    values = np.random.default_rng(1).normal(size=100_000).astype(np.float32)
    values[0] = 1e4
    assert_same(summarize(values), values)


def test_a_change_below_what_print_shows_is_a_change():
    before = np.full(1000, 0.01, np.float32)
    after = before.copy()
    after[7] = np.nextafter(np.float32(0.01), np.float32(1))
    row = summarize(after, before)
    assert row[INDEX["moved"]] == 1
    assert 0 < row[INDEX["maximum"]] < 1e-9


def test_a_nan_or_inf_that_stays_as_it_was_did_not_move():
    before = np.array([np.nan, np.inf, -np.inf, 1, 2, np.nan])
    after = np.array([np.nan, np.inf, np.inf, 1, 3, 0])
    assert summarize(after, before)[INDEX["moved"]] == 3


def test_the_row_of_no_change_is_that_of_an_array_of_zeros():
    np.testing.assert_array_equal(statistics.NO_CHANGE * 7, summarize(np.zeros(7)))
    assert len(FIELDS) == len(statistics.NO_CHANGE)
