"""The statistics equal a plain float64 reference, whatever the array holds, one by one and many at once."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from weight_explorer.recording.statistics import summary
from weight_explorer.recording.statistics.batched import SegmentLayout
from weight_explorer.recording.statistics.bin_grid import UNSET_EXPONENT
from weight_explorer.recording.statistics.summary import (
    COUNT_FIELDS,
    FIELD_INDEX,
    FIELDS,
    Reference,
    compute_statistics,
    summarize,
    unchanged_row,
)

pytestmark = pytest.mark.usefixtures("each_kind_of_pass")

SPECIAL = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0])
FLOATS = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False) | SPECIAL,
)
# Not so small that, made 1e-280 times as large, they lose digits.
NOT_TINY = st.floats(-1e300, 1e300).filter(lambda number: not 0 < abs(number) < 1e-20)
DOUBLES = arrays.arrays(np.float64, st.integers(0, 30), elements=NOT_TINY | SPECIAL)
DTYPES = [
    np.float16,
    ml_dtypes.bfloat16,
    ml_dtypes.float8_e4m3fn,
    ml_dtypes.float8_e5m2,
    np.int8,
    np.uint8,
    np.uint32,
    np.int64,
    np.float32,
    np.float64,
    bool,
]


def together(parts, references=()):
    """The rows of several arrays that are summarized at once, and copied on the way, but counted later."""
    segments = SegmentLayout.from_sizes([part.size for part in parts])
    unlaid, firsts = np.full(len(parts), UNSET_EXPONENT), np.zeros(len(parts), np.int64)
    copy = np.empty(segments.num_elements, np.float32)
    rows, counts, missed = segments.begin_statistics(parts, references, unlaid, firsts, copy).result()
    np.testing.assert_array_equal(copy, np.concatenate([part.ravel() for part in parts]))
    assert missed == list(range(len(parts)))
    assert not counts.any()
    return rows


def reference(values, moved=None):
    """The row by name, as anybody would compute it, in longdouble where float64 overflows."""
    values = np.asarray(values, np.float64).ravel()
    places = np.flatnonzero(np.isfinite(values))
    finite = values[places]
    row = {
        "count": values.size,
        "zeros": (values == 0).sum(),
        "nans": np.isnan(values).sum(),
        "positive_infs": np.isposinf(values).sum(),
        "negative_infs": np.isneginf(values).sum(),
        "moved": (values != 0).sum() if moved is None else moved,
    }
    if not finite.size:
        return row | dict.fromkeys(("minimum", "maximum", "mean", "std", "norm", "largest", "place"), np.nan)
    wide = finite.astype(np.longdouble)
    largest = np.abs(finite).argmax()
    return row | {
        "minimum": finite.min(),
        "maximum": finite.max(),
        "mean": wide.mean(),
        "std": wide.std(),
        "norm": np.sqrt((wide**2).sum()),
        "largest": finite[largest],
        "place": places[largest],
    }


def assert_same(row, values, moved=None, scale=None):
    """Compare; `scale` is the size of the numbers that a change is the difference of."""
    expected = reference(values, moved)
    found = dict(zip(FIELDS, row, strict=True))
    assert {name: found[name] for name in COUNT_FIELDS} == {name: expected[name] for name in COUNT_FIELDS}
    if np.isnan(expected["norm"]):
        assert all(np.isnan(found[name]) for name in FIELDS if name not in COUNT_FIELDS)
        return
    top = np.abs(expected["largest"])
    assert found["minimum"] == pytest.approx(expected["minimum"], rel=1e-7)
    assert found["maximum"] == pytest.approx(expected["maximum"], rel=1e-7)
    assert abs(found["largest"]) == pytest.approx(top, rel=1e-7)
    assert np.asarray(values, np.float64).ravel()[int(found["place"])] == pytest.approx(found["largest"], rel=1e-7)
    tolerance = 1e-7 if scale else 1e-9
    assert found["norm"] == pytest.approx(expected["norm"], rel=tolerance)
    assert found["mean"] == pytest.approx(expected["mean"], rel=tolerance, abs=tolerance * top + 1e-15 * (scale or 0))
    assert found["std"] == pytest.approx(expected["std"], rel=1e-5, abs=tolerance * top)


@given(FLOATS)
def test_a_summary_equals_the_reference(values):
    assert_same(summarize(values), values)


@given(DOUBLES)
def test_a_summary_of_doubles_equals_the_reference_even_where_squares_overflow_or_vanish(values):
    assert_same(summarize(values), values)
    assert_same(summarize(values * 1e-280), values * 1e-280)


def changed(values, before):
    """The change in float64, and how many elements changed at all."""
    with np.errstate(invalid="ignore"):
        difference = values.astype(np.float64) - before.astype(np.float64)
    return difference, int(((values != before) & ~(np.isnan(values) & np.isnan(before))).sum())


@given(FLOATS, st.floats(-1e3, 1e3, width=32))
def test_a_summary_of_a_change_is_that_of_the_difference(values, shift):
    before = np.where(np.arange(values.size).reshape(values.shape) % 2, values, np.float32(shift)).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isinf(values - before).any() and not np.isinf(values).any():
            return  # larger than float32 counts
    difference, moved = changed(values, before)
    top = np.abs(values[np.isfinite(values)]).max(initial=0.0)
    assert_same(summarize(values, before), difference, moved, scale=max(top, 1.0))


def test_a_single_number_is_summarized_like_an_array_of_one():
    now, before = np.arange(1, 7, dtype=np.float32).reshape(2, 3), np.full((2, 3), 0.5, np.float32)
    for index in np.ndindex(now.shape):
        assert summarize(now[index], before[index])[FIELD_INDEX["mean"]] == now[index] - 0.5
        assert summarize(now[index])[FIELD_INDEX["norm"]] == now[index]


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 250, 5000])
def test_blocks_leave_nothing_out(size, monkeypatch):
    monkeypatch.setattr(summary, "BLOCK", 100)
    random = np.random.default_rng(size)
    values, before = (random.normal(3, 2, size).astype(np.float32) for _ in range(2))
    copy = np.zeros_like(values)
    rows = compute_statistics(values, [Reference(before)], copy=copy)
    assert_same(rows[0], values)
    assert_same(rows[1], *changed(values, before), scale=10.0)
    np.testing.assert_array_equal(copy, values)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_number_type_is_widened_before_it_is_summed(dtype):
    random = np.random.default_rng(1)
    values, before = ((random.random(5000) * 60).astype(dtype) for _ in range(2))
    assert_same(summarize(values), values.astype(np.float64))
    assert_same(summarize(values, before), *changed(values.astype(np.float64), before.astype(np.float64)), scale=60.0)


def test_the_deviation_of_a_gamma_near_one_is_right():
    """E[x^2] - E[x]^2 in float32 is four times off here."""
    values = (1 + 1e-4 * np.random.default_rng(1).normal(size=4096)).astype(np.float32)
    assert summarize(values)[FIELD_INDEX["std"]] == pytest.approx(values.astype(np.float64).std(), rel=1e-6)
    assert together([values])[0, 0, FIELD_INDEX["std"]] == pytest.approx(values.astype(np.float64).std(), rel=1e-6)


@pytest.mark.parametrize("value", [0.1, 1.0, -3e-8, 1e20], ids=str)
def test_the_deviation_of_a_constant_is_exactly_zero(value):
    for row in (
        summarize(np.full(12_345, value, np.float32)),
        together([np.full(50, value, np.float32)])[0, 0],
    ):
        assert row[FIELD_INDEX["std"]] == 0
        assert row[FIELD_INDEX["mean"]] == np.float32(value)


def test_an_outlier_in_front_spoils_nothing():
    values = np.random.default_rng(1).normal(size=100_000).astype(np.float32)
    values[0] = 1e4
    assert_same(summarize(values), values)


def test_a_change_below_what_print_shows_is_a_change():
    before = np.full(1000, 0.01, np.float32)
    after = before.copy()
    after[7] = np.nextafter(np.float32(0.01), np.float32(1))
    row = summarize(after, before)
    assert row[FIELD_INDEX["moved"]] == 1
    assert row[FIELD_INDEX["place"]] == 7
    assert 0 < row[FIELD_INDEX["maximum"]] < 1e-9
    mean = compute_statistics(after, [Reference(before, float(before[0]))])[1, FIELD_INDEX["mean"]]
    assert mean == pytest.approx((after[7] - before[7]) / 1000, rel=1e-6)


def test_the_mean_of_a_change_of_one_element_in_a_million_is_right():
    before = np.random.default_rng(5).normal(1, 0.5, 1_000_000).astype(np.float32)
    after = before.copy()
    after[77] = np.nextafter(after[77], np.float32(9))
    mean = compute_statistics(after, [Reference(before, float(before.astype(np.float64).mean()))])[1, FIELD_INDEX["mean"]]
    assert mean == pytest.approx((float(after[77]) - float(before[77])) / 1_000_000, rel=1e-9)


def test_the_norm_of_a_change_too_small_to_be_squared_in_float32_is_right():
    row = summarize(np.full(1024, 3e-23, np.float32), np.zeros(1024, np.float32))
    assert row[FIELD_INDEX["norm"]] == pytest.approx(3e-23 * 32, rel=1e-6)


def test_the_deviation_of_what_is_far_from_zero_and_close_together_is_right():
    values = (np.float32(3.7) + np.random.default_rng(1).integers(0, 4, 9_999) * np.float32(2**-22)).astype(np.float32)
    exact = (values.astype(np.float64) - 3.7).std()
    assert summarize(values)[FIELD_INDEX["std"]] == pytest.approx(exact, rel=1e-6)


def test_the_deviation_of_neighbors_in_float32_is_right():
    values = np.where(np.arange(10_000) % 2, np.float32(1), np.nextafter(np.float32(1), np.float32(2)))
    assert summarize(values)[FIELD_INDEX["std"]] == pytest.approx(2.0**-24, rel=1e-9)


def test_the_mean_of_a_change_is_right_where_that_before_is_known():
    random = np.random.default_rng(4)
    before = random.normal(size=200_000).astype(np.float32)
    after = before + np.float32(1e-4) * random.random(200_000).astype(np.float32)
    row = compute_statistics(after, [Reference(before, float(before.astype(np.float64).mean()))])[1]
    assert row[FIELD_INDEX["mean"]] == pytest.approx((after.astype(np.float64) - before).mean(), rel=1e-9)


def test_a_nan_or_inf_that_stays_as_it_was_did_not_move():
    before = np.array([np.nan, np.inf, -np.inf, 1, 2, np.nan])
    after = np.array([np.nan, np.inf, np.inf, 1, 3, 0])
    assert summarize(after, before)[FIELD_INDEX["moved"]] == 3
    assert together([after.astype(np.float32)], [before.astype(np.float32)])[0, 1, FIELD_INDEX["moved"]] == 3


@pytest.mark.parametrize("size", [0, 7])
def test_the_row_of_no_change_is_that_of_an_array_of_zeros(size):
    np.testing.assert_array_equal(unchanged_row(size), summarize(np.zeros(size)))


@given(st.lists(FLOATS.filter(lambda values: values.size > 0), min_size=1, max_size=5), st.booleans())
def test_many_at_once_are_as_one_by_one(parts, compare):
    parts = [part.ravel() for part in parts]
    flat = np.concatenate(parts)
    before = flat[::-1].copy() if compare else None
    segments = SegmentLayout.from_sizes([part.size for part in parts])
    rows = together(parts, [before] if compare else [])
    for number, part in enumerate(parts):
        alone = summarize(part, None if before is None else segments.segment_values(before, number))
        top = float(np.abs(part[np.isfinite(part)]).max(initial=0.0))
        top += 0 if before is None else float(np.abs(before[np.isfinite(before)]).max(initial=0.0))
        np.testing.assert_allclose(rows[number, -1], alone, rtol=1e-6, atol=1e-9 + 1e-7 * top)
