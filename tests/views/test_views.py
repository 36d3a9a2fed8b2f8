"""Views are pure: pictures are oriented, complete and honest about what they leave out. No Keras, no widgets."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.records import history_of
from weight_explorer.catalog.schema import Axis, Block, Weight, slice_blocks
from weight_explorer.panel import weight_details
from weight_explorer.pictures.data import ChartPicture, EmptyPicture, MatrixPicture
from weight_explorer.recording.statistics.summary import FIELDS, QUANTITIES
from weight_explorer.recording.status import RecordRate, TrainingStatus
from weight_explorer.views import distribution
from weight_explorer.views.choice import Choice
from weight_explorer.views.layout import Layout, default_layout
from weight_explorer.views.lazy_matrix import reduce_to_cells
from weight_explorer.views.matrix import matrix_view
from weight_explorer.views.over_time import over_time_view
from weight_explorer.views.registry import VIEWS

CONV_NAMES = ("kernel_height", "kernel_width", "in_channels", "filters")
SIDES = dict(zip((*CONV_NAMES, "kernel_length", "heads"), ("window", "window", "in", "out", "window", "out"), strict=True))


BLOCKS = (Block("first", 0, 100), Block("second", 100, 200), Block("rest", 200, 700))


def weight_of(shape, names=None):
    names = names or [f"axis {i}" for i in range(len(shape))]
    axes = tuple(Axis(name, size, side=SIDES.get(name, "")) for name, size in zip(names, shape, strict=True))
    return Weight("w", "kernel", "kernel", "layer", tuple(shape), "float32", axes)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("shape", [(), (7,), (4, 3), (3, 3, 2, 5), (2, 3, 4, 2, 2)], ids=str)
def test_every_view_draws_every_rank_and_quantity(view, quantity, shape):
    random = np.random.default_rng(1)
    records = [np.asarray(random.normal(size=shape), np.float32) for _ in range(3)]
    weight = weight_of(shape)
    if not VIEWS[view].applies(weight):
        return  # nobody is offered it
    picture = VIEWS[view].draw(weight, history_of(*records), Choice(quantity=quantity))
    assert not isinstance(picture, EmptyPicture)
    assert picture.caption


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ((4, 5), None),
        ((6,), None),
        ((2, 3, 4), ("kernel_length", "in_channels", "filters")),
        ((3, 2, 4, 5), CONV_NAMES),
        ((3, 2, 4, 5), ("kernel_height", "kernel_width", "filters", "in_channels")),
        ((2, 3, 4), ("in_channels", "heads", "filters")),
        ((2, 3, 4), None),
    ],
    ids=["dense", "bias", "conv1d", "conv2d", "transposed", "attention", "plain rank 3"],
)
def test_one_hot_cell_lands_where_numpy_says(shape, names):
    weight = weight_of(shape, names)
    for index in np.ndindex(*shape):
        values = np.zeros(shape, np.float32)
        values[index] = 1
        picture = matrix_view.draw(weight, history_of(values), Choice())
        (row, column) = np.argwhere(picture.cells)[0]
        row_index = np.unravel_index(row, [axis.size for axis in picture.rows])
        column_index = np.unravel_index(column, [axis.size for axis in picture.columns])
        sides = [*(row_index if len(shape) > 1 else ()), *column_index]
        found = [sides[picture.axis_order.index(axis)] for axis in range(len(shape))]
        assert tuple(found) == index


def test_a_convolution_is_a_grid_of_windows():
    rows, columns = default_layout(weight_of((3, 3, 2, 4), CONV_NAMES).axes)
    flat = Layout(rows, columns).flatten(np.arange(72).reshape(3, 3, 2, 4))
    np.testing.assert_array_equal(flat[3:6, 6:9], np.arange(72).reshape(3, 3, 2, 4)[:, :, 1, 2])


@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.floats(-100, 100, width=32)))
def test_reduction_loses_no_extreme(values):
    cells, row_step, column_step = reduce_to_cells(values, max_cells=7)
    assert max(cells.shape) <= 7
    for i, j in np.ndindex(*cells.shape):
        part = values[i * row_step : (i + 1) * row_step, j * column_step : (j + 1) * column_step]
        assert abs(cells[i, j]) == np.abs(part).max()
        assert cells[i, j] in part


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf], ids=str)
def test_one_special_number_among_a_million_is_still_seen(special):
    values = np.zeros((1000, 1000), np.float32)
    values[617, 331] = special
    picture = matrix_view.draw(weight_of(values.shape), history_of(values), Choice())
    assert (~np.isfinite(picture.cells)).sum() == 1
    assert np.isfinite(picture.color_limit)
    assert "farthest from zero" in picture.caption


def test_the_change_is_the_difference_of_the_records():
    a, b, c = (np.full((2, 2), number, np.float32) for number in (1, 3, 7))
    history = history_of(a, b, c)
    weight = weight_of((2, 2))
    assert matrix_view.draw(weight, history, Choice(quantity="since_start")).cells[0, 0] == 6
    assert matrix_view.draw(weight, history, Choice(quantity="since_last")).cells[0, 0] == 4
    assert matrix_view.draw(weight, history, Choice(quantity="since_last", record=1)).cells[0, 0] == 2


@pytest.mark.parametrize("quantity", ["since_start", "since_last"])
def test_a_change_of_the_only_record_says_what_to_do(quantity):
    picture = matrix_view.draw(weight_of((2,)), history_of(np.zeros(2)), Choice(quantity=quantity))
    assert isinstance(picture, EmptyPicture)
    assert "train" in picture.caption


def test_a_histogram_counts_every_finite_element_now_and_at_the_start():
    random = np.random.default_rng(1)
    start, now = random.normal(size=(2, 500)).astype(np.float32)
    now[:3] = [np.nan, np.inf, -np.inf]
    picture = distribution.draw(weight_of((500,)), history_of(start, now), Choice())
    counts = {mark.name: mark.y.sum() for mark in picture.charts[0].marks}
    assert counts == {"this record": 497, "at the start": 500}
    assert "3 are not finite" in picture.caption


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5, 1e-30, 1e30], ids=str)
def test_a_constant_weight_has_a_histogram(value):
    picture = distribution.draw(weight_of((9,)), history_of(np.full(9, value, np.float32)), Choice())
    assert picture.charts[0].marks[0].y.sum() == 9


def test_a_weight_without_a_finite_number_says_so():
    picture = distribution.draw(weight_of((2,)), history_of(np.full(2, np.nan)), Choice())
    assert isinstance(picture, EmptyPicture)


def test_lines_over_time_are_the_statistics():
    records = [np.array([i, 2.0 * i, 4.0 * i]) for i in range(5)]
    picture = over_time_view.draw(weight_of((3,)), history_of(*records), Choice())
    assert isinstance(picture, ChartPicture)
    lines = {mark.name: mark for mark in picture.charts[0].marks}
    np.testing.assert_allclose(lines["maximum"].y, [4 * i for i in range(5)])
    np.testing.assert_allclose(lines["mean"].y, [7 * i / 3 for i in range(5)])
    np.testing.assert_allclose(lines["mean"].x, range(5))
    change = picture.charts[1].marks[-1]
    np.testing.assert_allclose(change.y[1:], np.sqrt(21))


def test_records_that_moved_nothing_are_said_to_have_moved_nothing():
    picture = over_time_view.draw(weight_of((3,)), history_of(*[np.ones(3)] * 4), Choice())
    assert "not one element has moved" in picture.caption


def test_a_change_to_nan_is_not_told_as_a_change_of_size_0():
    caption = over_time_view.draw(weight_of((3,)), history_of(np.ones(3), np.array([1, np.nan, np.inf])), Choice()).caption
    assert "The last change has the size 0, not counting 2 elements where it is NaN or infinite." in caption


def test_a_change_without_a_finite_element_has_no_size():
    caption = over_time_view.draw(weight_of((3,)), history_of(np.ones(3), np.full(3, np.nan)), Choice()).caption
    assert "The last change has no size: it is NaN or infinite in every element." in caption
    assert "unknown" not in caption


def test_a_change_that_is_not_known_is_not_called_none():
    history = history_of(*[np.full(5000, float(i), np.float32) for i in range(3)], memory=7000)
    caption = over_time_view.draw(weight_of((5000,)), history, Choice()).caption
    assert "not one element has moved" not in caption
    assert "not known" in caption
    assert "nan" not in caption


def test_statistics_show_a_change_of_1e_9_as_a_change():
    start = np.full(4, 0.25)
    table = weight_details.statistics_table(weight_of((4,)), history_of(start, start + 1e-9), Choice())
    rows = {name: cells for name, *cells in table.rows}
    assert rows["mean"] == ["0.2500000010", "+1e-09"]
    assert rows["moved"] == ["4", "100 %"]


def test_statistics_follow_the_chosen_record():
    history = history_of(*[np.full(2, float(i)) for i in range(4)])
    rows = dict(row[:2] for row in weight_details.statistics_table(weight_of((2,)), history, Choice(record=2)).rows)
    assert float(rows["mean"]) == 2


def test_counts_of_special_numbers_are_shown():
    values = np.array([0.0, np.nan, np.inf, -np.inf, 1.0])
    rows = dict(row[:2] for row in weight_details.statistics_table(weight_of((5,)), history_of(values), Choice()).rows)
    assert (rows["zero"], rows["NaN"], rows["Inf"]) == ("1", "1", "2")


def test_a_weight_beyond_the_memory_says_so_and_how_to_change_it():
    history = history_of(np.zeros(10**6, np.float32), memory=5000)
    picture = matrix_view.draw(weight_of((10**6,)), history, Choice())
    assert isinstance(picture, EmptyPicture)
    assert "memory=" in picture.caption
    table = weight_details.statistics_table(weight_of((10**6,)), history, Choice())
    assert ("moved", "unknown", "") in table.rows


@pytest.mark.parametrize("view", [name for name in VIEWS if name != "filters"])
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_everything_drawn_from_a_sample_says_so(view, quantity):
    random = np.random.default_rng(1)
    records = [random.normal(size=(600, 700)).astype(np.float32) for _ in range(3)]
    history = history_of(*records, memory=500_000)
    words = history.weight_history("w").sample.description
    picture = VIEWS[view].draw(weight_of((600, 700)), history, Choice(quantity=quantity))
    assert words.endswith(" of 420\N{NARROW NO-BREAK SPACE}000")
    is_recorded = (view, quantity) == ("distribution", "value")  # histograms are made of all elements
    said = words if isinstance(picture, EmptyPicture) else f"stimated from {words} elements"
    assert (said in picture.caption) != is_recorded
    rows = {name: cells for name, *cells in weight_details.statistics_table(weight_of((600, 700)), history, Choice()).rows}
    assert rows["elements"] == ["420\N{NARROW NO-BREAK SPACE}000", ""]  # the value is read whole at every record
    assert rows["moved"][0].startswith("≈ ")


def test_a_matrix_of_a_sample_has_no_empty_cell_and_each_shows_what_lies_in_it():
    values = np.add.outer(np.arange(600.0), np.zeros(700)).astype(np.float32)
    picture = matrix_view.draw(weight_of((600, 700)), history_of(values, memory=500_000), Choice())
    assert np.isfinite(picture.cells).all()
    assert picture.cells.size > 300
    row = np.arange(picture.cells.shape[0])[:, None] * picture.row_step
    assert (picture.cells >= row).all()
    assert (picture.cells < row + picture.row_step).all()


def test_a_part_of_a_sample_is_drawn_from_those_that_lie_in_it():
    values = np.zeros((600, 700), np.float32)
    values[:, 100:200] = 3
    history = history_of(values, values + 1, memory=500_000)
    part = slice_blocks(replace(weight_of((600, 700)), axes=(Axis("rows", 600), Axis("units", 700, blocks=BLOCKS))), "second")
    assert part.shape == (600, 100)
    picture = matrix_view.draw(part, history, Choice(record=0))
    assert (picture.cells == 3).all()
    series = history.statistics("w", "since_start", part.index)
    assert series.is_estimated
    assert series["moved"].tolist() == pytest.approx([0, 60_000])
    assert series["norm"][1] == pytest.approx(np.sqrt(60_000))


def test_any_two_records_can_be_compared():
    history = history_of(*[np.array([1.0, i]) for i in (0.0, 1.0, 4.0, 9.0)])
    choice = Choice(quantity="since_record", record=3, against=1)
    picture = matrix_view.draw(weight_of((2,)), history, choice)
    assert picture.cells.tolist() == [[0, 8]]
    assert "The change since record 1 (epoch 1), at record 3 (epoch 3)" in picture.caption
    backwards = matrix_view.draw(weight_of((2,)), history, Choice(quantity="since_record", record=1, against=3))
    assert backwards.cells.tolist() == [[0, -8]]
    table = {name: cells for name, *cells in weight_details.statistics_table(weight_of((2,)), history, choice).rows}
    assert table["moved"] == ["1", "50 %"]
    assert float(table["maximum"][0]) == 8
    lines = {mark.name: mark for mark in over_time_view.draw(weight_of((2,)), history, choice).charts[0].marks}
    assert lines["minimum"].y.tolist() == [-1, 0, 0, 0]
    lost = matrix_view.draw(weight_of((2,)), history, Choice(quantity="since_record", record=3, against=17))
    assert "not kept any more" in lost.caption


def test_shapes_are_spelled_out():
    blocks = tuple(Block(f"gate {i}", 20 * i, 20 * i + 20) for i in range(4))
    gates = Axis("units", 80, blocks=blocks, entry_name="unit", block_kind="gate")
    weight = Weight("w", "kernel", "kernel", "l", (100, 80), "float32", (Axis("input_dim", 100), gates))
    assert weight.shape_text == "(100, 80) = (input_dim, 4 gates x 20 units)"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (TrainingStatus(), "not trained yet"),
        (TrainingStatus("checkpoints", num_records=1), "one checkpoint"),
        (TrainingStatus("checkpoints", num_records=12), "12 checkpoints"),
        (
            TrainingStatus("training", 3, 10, overhead=0.008, record_rate=RecordRate(37, 9.2)),
            "live · epoch 3 of 10 · recording costs 0.8 %, 37 records in 9 s",
        ),
        (TrainingStatus("training", 3, 10, 120, 500, 0.008), "live · epoch 3 of 10, batch 120 of 500 · recording costs 0.8 %"),
        (TrainingStatus("interrupted", 2, 5, 7, None, 0.01), "interrupted · epoch 2 of 5, batch 7 · recording costs 1.0 %"),
        (TrainingStatus("finished", 5, 5, 0, 30, 0.001), "finished · epoch 5 of 5 · recording costs 0.1 %"),
    ],
    ids=lambda value: getattr(value, "phase", ""),
)
def test_the_status_line_says_where_the_training_stands(status, words):
    assert weight_details.describe_status(status).startswith(words)


def test_a_kernel_that_lets_clicks_wait_is_said_to():
    assert "when the cell ends" in weight_details.describe_status(TrainingStatus("training", 1), clicks_wait=True)


def test_matrix_pictures_stay_at_screen_resolution():
    values = np.random.default_rng(1).normal(size=(3000, 5)).astype(np.float32)
    picture = matrix_view.draw(weight_of(values.shape), history_of(values), Choice())
    assert isinstance(picture, MatrixPicture)
    assert picture.cells.dtype == np.float32
    assert picture.cells.shape == (500, 5)


def test_the_table_has_a_row_for_every_field_that_is_recorded():
    shown = {field for _, field in weight_details.MOMENT_ROWS} | {
        field for _, fields in weight_details.COUNT_ROWS for field in fields
    }
    assert shown | {"count", "moved", "largest", "place"} == set(FIELDS)
