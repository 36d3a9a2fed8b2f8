"""The distribution: every element is counted once, in the right bin, beside what it is compared with; and over time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.records import history_of
from weight_explorer.catalog.schema import Axis, Block, Weight, slice_blocks
from weight_explorer.pictures.data import ChartPicture, EmptyPicture
from weight_explorer.recording.statistics.histograms import Histograms, estimate_quantiles
from weight_explorer.views import distribution
from weight_explorer.views.choice import Choice, with_options
from weight_explorer.views.distribution import count_values, merge_bins

GATES = ("input gate", "forget gate", "cell candidate", "output gate")
GLOROT = {"class_name": "GlorotUniform", "config": {}}


def weight_of(shape, gates=0, initializer=None):
    axes = [Axis(f"axis {i}", size, entry_name="unit") for i, size in enumerate(shape)]
    if gates:
        step = shape[-1] // gates
        names = GATES if gates == 4 else tuple(f"head {i}" for i in range(gates))
        blocks = tuple(Block(name, i * step, (i + 1) * step) for i, name in enumerate(names))
        axes[-1] = replace(axes[-1], blocks=blocks, block_kind="gate")
    return Weight("w", "kernel", "kernel", "l", shape, "float32", tuple(axes), initializer_config=initializer or {})


def drawn(weight, history, choice=None, **options):
    choice = with_options(choice or Choice(), "kernel", distribution.VIEW, options)
    picture = distribution.draw(weight, history, choice)
    assert isinstance(picture, ChartPicture), picture.caption
    return picture


def marks(picture, place=0):
    return {mark.name: mark for mark in picture.charts[place].marks}


def records(shape, count=3, seed=1):
    random = np.random.default_rng(seed)
    return [(random.normal(size=shape) * (1 + 0.2 * i)).astype(np.float32) for i in range(count)]


@pytest.mark.parametrize("size", [40, 300_000], ids=["from values", "from recorded histograms"])
def test_the_middle_half_of_the_start_is_its_own_however_wide_the_common_bins(size):
    random = np.random.default_rng(0)
    start = np.zeros(size, np.float32)
    now = random.normal(size=size).astype("float32") * 1e3
    words = drawn(weight_of((size,)), history_of(start, now)).caption
    assert "at the start at 0." in words
    near = random.uniform(-1, 1, size).astype("float32")
    words = drawn(weight_of((size,)), history_of(near, now * 1e5)).caption
    half = words.partition("at the start between ")[2].split(". ")[0].rstrip(".")
    low, high = map(float, half.split(" and "))
    assert -0.7 < low < -0.3
    assert 0.3 < high < 0.7


@pytest.mark.parametrize("shape", [(20, 30), (200, 300)], ids=["counted", "recorded"])
def test_now_the_start_and_the_chosen_record_stand_side_by_side_over_the_same_bins(shape):
    values = records(shape, 5)
    choice = Choice(against=2)
    found = marks(drawn(weight_of(shape), history_of(*values), choice))
    assert list(found) == ["this record", "at the start", "record 2"]
    for name, place in (("this record", 4), ("at the start", 0), ("record 2", 2)):
        expected = np.histogram(values[place], found[name].x)[0]
        np.testing.assert_array_equal(found[name].x, found["this record"].x)
        assert found[name].y.sum() == values[place].size
        assert np.abs(found[name].y - expected).sum() <= 4  # elements that lie on an edge


@pytest.mark.parametrize("shape", [(20, 30), (200, 300)], ids=["counted", "recorded"])
def test_the_record_that_is_shown_is_drawn_once(shape):
    history = history_of(*records(shape))
    assert list(marks(drawn(weight_of(shape), history, Choice(record=0, against=0)))) == ["this record"]
    assert list(marks(drawn(weight_of(shape), history, Choice(record=2, against=2)))) == ["this record", "at the start"]


def test_recorded_histograms_give_what_counting_the_values_would(monkeypatch):
    values = records((100, 100))
    history, weight = history_of(*values), weight_of((100, 100))
    recorded = marks(drawn(weight, history))["this record"]
    np.testing.assert_array_equal(recorded.y, np.histogram(values[-1], recorded.x)[0])
    assert distribution.MIN_BINS <= len(recorded.y) <= distribution.MAX_BINS


def test_a_weight_of_which_no_values_are_kept_still_has_a_distribution():
    values = records((1000, 1000), 1)
    history = history_of(*values, memory=5000)
    assert not history.records_with_values("w")
    picture = drawn(weight_of((1000, 1000)), history)
    assert marks(picture)["this record"].y.sum() == 10**6


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf], ids=str)
@pytest.mark.parametrize(
    "options", [{}, {"blocks": "overlaid"}, {"blocks": "beside"}, {"form": "ridges"}, {"form": "percentiles"}]
)
def test_elements_that_are_not_finite_are_left_out_and_counted_in_words(special, options):
    values = records((70, 80))
    values[-1][3, :5] = special
    picture = drawn(weight_of((70, 80), 4), history_of(*values), **options)
    assert "5" in picture.caption.partition("not finite")[0].rpartition(".")[2]
    for chart in picture.charts:
        assert all(np.isfinite(mark.y).any() for mark in chart.marks)


@pytest.mark.parametrize("options", [{}, {"form": "ridges"}, {"form": "percentiles"}])
def test_a_weight_without_a_finite_element_says_so(options):
    choice = with_options(Choice(), "kernel", distribution.VIEW, options)
    picture = distribution.draw(weight_of((70, 80)), history_of(np.full((70, 80), np.nan, np.float32)), choice)
    assert isinstance(picture, EmptyPicture)
    assert "finite" in picture.caption


@pytest.mark.parametrize("shape", [(), (1,), (5,), (70, 80), (3, 3, 2, 4, 5)], ids=str)
@pytest.mark.parametrize("form", ["histogram", "ridges", "percentiles"])
@pytest.mark.parametrize("value", [0.0, -2.5, 1e-30])
def test_every_rank_and_constants_are_drawn_in_every_form(shape, form, value):
    history = history_of(np.full(shape, value, np.float32), np.full(shape, value, np.float32))
    picture = drawn(weight_of(shape), history, form=form, log="on")
    assert picture.caption


@pytest.mark.parametrize("dtype", [bool, np.int8, np.float16, np.float64])
@pytest.mark.parametrize("form", ["histogram", "ridges", "percentiles"])
def test_every_number_type_is_drawn(dtype, form):
    values = np.arange(6000).reshape(60, 100) % 7 % 3
    assert drawn(weight_of((60, 100)), history_of(values.astype(dtype), (values + 1).astype(dtype)), form=form).caption


def test_gates_are_counted_each_by_itself():
    values = np.zeros((10, 40), np.float32)
    for gate in range(4):
        values[:, 10 * gate : 10 * gate + 10] = gate
    history, weight = history_of(values, values), weight_of((10, 40), 4)
    overlaid = drawn(weight, history, blocks="overlaid")
    assert list(marks(overlaid)) == list(GATES)
    beside = drawn(weight, history, blocks="beside")
    assert [chart.title for chart in beside.charts] == list(GATES)
    assert (beside.columns, beside.shared_axes) == (2, "xy")
    for gate, chart in enumerate(beside.charts):
        for mark in (chart.marks[0], overlaid.charts[0].marks[gate]):
            (full,) = np.flatnonzero(mark.y)
            assert mark.x[full] <= gate <= mark.x[full + 1]
            assert mark.y[full] == 100


def test_every_name_of_the_side_by_side_legend_is_said_once():
    values = records((10, 40), 4)
    picture = drawn(weight_of((10, 40), 4, GLOROT), history_of(*values), Choice(against=1), blocks="beside")
    names = [mark.name for chart in picture.charts for mark in chart.marks if mark.name]
    assert sorted(names) == sorted(["this record", "at the start", "record 1", "expected of the initializer"])


def test_gates_of_a_sample_are_drawn_from_those_that_lie_in_them_and_say_so():
    values = np.zeros((600, 800), np.float32)
    values[:, 200:400] = 3
    history = history_of(values, values + 0.5, memory=500_000)
    picture = drawn(weight_of((600, 800), 4), history, blocks="overlaid")
    forget, others = marks(picture)["forget gate"], marks(picture)["input gate"]
    assert forget.x[np.flatnonzero(forget.y)[0]] > others.x[np.flatnonzero(others.y)[-1]]
    assert "stimated from" in picture.caption


def test_a_slice_is_counted_like_a_weight():
    values = records((10, 40))
    weight = weight_of((10, 40), 4, GLOROT)
    picture = drawn(slice_blocks(weight, "forget gate"), history_of(*values))
    assert marks(picture)["this record"].y.sum() == 100
    # The whole kernel's fans, and the slice's number of elements.
    assert "fan_in 10, fan_out 40" in picture.caption
    assert marks(picture)["expected of the initializer"].y.sum() <= 100


def test_the_initializer_is_a_line_through_what_each_bin_should_hold_and_can_be_left_out():
    random = np.random.default_rng(3)
    limit = np.sqrt(6 / 500)
    values = random.uniform(-limit, limit, (200, 300)).astype(np.float32)
    weight, history = weight_of((200, 300), initializer=GLOROT), history_of(values)
    picture = drawn(weight, history)
    found = marks(picture)
    line, steps = found["expected of the initializer"], found["this record"]
    assert (np.abs(line.y - steps.y) < 5 * np.sqrt(line.y + 1)).all()
    assert "± sqrt(6 / (200 + 300)) = ± 0.11 " in picture.caption
    assert list(marks(drawn(weight, history, initializer="off"))) == ["this record"]
    assert len(marks(drawn(weight, history_of(values, values + 1), Choice(quantity="since_start")))) == 1


def test_a_log_axis_shows_no_zero_and_no_expected_number_far_below_one():
    values = np.r_[np.zeros(5000), 1].astype(np.float32)
    picture = drawn(weight_of((5001,)), history_of(values), log="on")
    (chart,) = picture.charts
    assert chart.is_log
    assert np.nansum(chart.marks[0].y) == 5001
    assert np.isnan(chart.marks[0].y).any()
    assert chart.y_label == "elements (log)"


def test_ridges_are_rows_of_all_records_the_newest_lowest_and_in_front():
    values = [np.full((60, 70), float(i), np.float32) + np.linspace(0, 0.5, 70, dtype=np.float32) for i in range(5)]
    picture = drawn(weight_of((60, 70)), history_of(*values), form="ridges")
    (ridges,) = picture.charts[0].marks
    assert ridges.y.shape[0] == 5
    np.testing.assert_array_equal(ridges.y[:, 0], [4, 3, 2, 1, 0])
    tops = ridges.x[(ridges.y - ridges.y[:, :1]).argmax(axis=1)]
    assert (np.diff(tops) > 0.5).all()
    assert picture.charts[0].y_ticks[0] == (4.0, "start")
    assert "All 5 records" in picture.caption


def test_of_many_records_few_ridges_are_drawn_and_said_to_be():
    values = records((60, 70), 40)
    picture = drawn(weight_of((60, 70)), history_of(*values), form="ridges")
    assert picture.charts[0].marks[0].y.shape[0] == distribution.MAX_RIDGES
    assert f"{distribution.MAX_RIDGES} of 40 records" in picture.caption
    assert len(picture.charts[0].y_ticks) <= distribution.MAX_RIDGE_LABELS


def test_percentiles_are_those_of_the_elements():
    values = records((100, 100), 4)
    picture = drawn(weight_of((100, 100)), history_of(*values), form="percentiles")
    found = marks(picture)
    wanted = np.quantile(np.stack(values).reshape(4, -1), [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99], axis=1)
    band = found["5 % to 95 %"]
    np.testing.assert_allclose(band.y, wanted[1], atol=0.08)
    np.testing.assert_allclose(band.upper, wanted[5], atol=0.08)
    np.testing.assert_allclose(found["median"].y, wanted[3], atol=0.08)


def test_forms_and_blocks_are_offered_only_where_there_are_any():
    history = history_of(*records((10, 40)))
    keys = {option.name: option.items for option in distribution.OPTIONS}
    assert len(keys["form"](weight_of((10, 40)), history, Choice())) == 3
    assert len(keys["form"](weight_of((10, 40)), history, Choice(quantity="since_start"))) == 1
    assert len(keys["form"](slice_blocks(weight_of((10, 40), 4), "forget gate"), history, Choice())) == 1
    assert keys["blocks"](weight_of((10, 40)), history, Choice()) == ()
    assert keys["blocks"](weight_of((10, 40), 10), history, Choice()) == ()  # too many to tell apart
    assert keys["initializer"](weight_of((10, 40)), history, Choice()) == ()
    assert len(keys["initializer"](weight_of((10, 40), initializer=GLOROT), history, Choice())) == 2


@given(arrays.arrays(np.float32, st.integers(1, 300), elements=st.floats(-100, 100, width=32)))
@example(np.array([1.1754944e-38], np.float32))
def test_counting_loses_no_element_and_moves_none_but_at_an_edge(values):
    edges = distribution.bin_edges(values)
    found = count_values(edges, values)
    assert found.sum() == values.size
    on_edge = np.isclose(values[:, None], edges[None], rtol=1e-5, atol=1e-5 * np.abs(edges).max()).any(axis=1).sum()
    assert np.abs(found - np.histogram(values, edges)[0]).sum() <= 2 * on_edge


@given(arrays.arrays(np.int64, (3, 256), elements=st.integers(0, 5)), st.integers(8, 64))
def test_taking_bins_together_loses_no_element(counts, most):
    edges = np.linspace(-1.0, 1.0, 257)
    wide, few = merge_bins(Histograms(np.arange(3), edges, counts), most)
    assert few.shape[1] == len(wide) - 1 <= most
    np.testing.assert_array_equal(few.sum(axis=1), counts.sum(axis=1))
    assert np.isin(wide[:-1].round(9), edges.round(9)).all()


@given(arrays.arrays(np.int64, (2, 9), elements=st.integers(0, 4)), st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_quantiles_lie_in_filled_bins_and_grow(counts, shares):
    edges, shares = np.arange(10.0), sorted(shares)
    for row, found in zip(counts, estimate_quantiles(edges, counts, shares), strict=True):
        if not row.any():
            assert np.isnan(found).all()
            continue
        assert (np.diff(found) >= -1e-9).all()
        filled = np.flatnonzero(row)
        assert filled[0] - 1e-9 <= found[0]
        assert found[-1] <= filled[-1] + 1 + 1e-9
        elements = np.repeat(np.arange(9), row)
        for share, value in zip(shares, found, strict=True):
            assert (elements + 1 <= value - 1e-9).mean() <= share + 1e-9
