"""The matrix: every element has one place under every layout, order and window, and nothing loud is lost."""

import itertools
import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.records import history_of
from tests.views.test_views import CONV_NAMES, weight_of
from weight_explorer import WeightExplorer
from weight_explorer.catalog.schema import Axis, Block, Catalog, LayerNode, slice_blocks
from weight_explorer.pictures.data import Region
from weight_explorer.pictures.figure import figure_png, make_figure
from weight_explorer.views.array_cache import ArrayCache
from weight_explorer.views.choice import Choice, with_input, with_options
from weight_explorer.views.layout import keeps_sample_only
from weight_explorer.views.lazy_matrix import MAX_OVERVIEW_CELLS, LazyMatrix
from weight_explorer.views.matrix import matrix_view
from weight_explorer.views.matrix.matrix_view import OPTIONS
from weight_explorer.views.options import option_states
from weight_explorer.views.similarity import similar_order

SORTS = ("as_is", "norm", "change", "mean", "similarity", "label")


def chosen(choice=None, **options):
    return with_options(choice or Choice(), "kernel", "matrix", options)


def draw(values, choice=None, weight=None, before=None):
    """The picture of a weight that had the values `before` and has `values` now."""
    weight = weight or weight_of(values.shape)
    records = [values] if before is None else [before, values]
    return matrix_view.draw(weight, history_of(*records), choice or Choice())


def index_at(picture, row, column):
    """The index in the whole weight of what is drawn in a row and a column of entries, as the page computes it."""
    indexes = []
    for axes, order, place in (
        (picture.rows, picture.row_order, row),
        (picture.columns, picture.column_order, column),
    ):
        found = [int(i) for i in np.unravel_index(place, [axis.size for axis in axes])]
        if order is not None:
            found[0] = int(order[found[0]])
        indexes += found if axes[0].name else []
    index = list(picture.index_mapping.offset)
    for axis, i in zip(picture.index_mapping.axes, indexes, strict=True):
        index[axis] += i
    return tuple(index)


def labeled(shape, names=None):
    weight = weight_of(shape, names)
    axes = tuple(replace(axis, labels=tuple(f"{(7 * i) % axis.size:03}" for i in range(axis.size))) for axis in weight.axes)
    return replace(weight, axes=axes)


@pytest.mark.parametrize(("rows", "columns"), [*zip(SORTS, SORTS[::-1], strict=True), ("norm", "norm")], ids=str)
@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ((1,), None),
        ((6,), None),
        ((4, 5), None),
        ((2, 3, 4), ("kernel_length", "in_channels", "filters")),
        ((3, 2, 4, 5), CONV_NAMES),
        ((2, 3, 2, 4, 2), None),
    ],
    ids=["one", "bias", "dense", "conv1d", "conv2d", "rank 5"],
)
def test_every_cell_holds_the_element_of_its_index_in_every_order(shape, names, rows, columns):
    random = np.random.default_rng(1)
    before, values = random.normal(size=(2, *shape)).astype(np.float32)
    picture = draw(values, chosen(rows=rows, columns=columns), labeled(shape, names), before)
    seen = set()
    for row, column in np.ndindex(*picture.cells.shape):
        index = index_at(picture, row, column)
        assert picture.cells[row, column] == values[index]
        seen.add(index)
    assert len(seen) == values.size


@pytest.mark.parametrize(("down", "across"), list(itertools.permutations(range(4), 2)))
def test_any_two_axes_can_be_on_screen_and_the_others_stand_where_they_are_told(down, across):
    shape = (3, 2, 4, 5)
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    others = [axis for axis in range(4) if axis not in (down, across)]
    sliders = {f"axis_{axis}": str(shape[axis] - 1) for axis in others}
    choice = chosen(layout="slice", down=str(down), across=str(across), rows="norm", **sliders)
    picture = draw(values, choice, weight_of(shape, CONV_NAMES))
    assert picture.cells.shape == (shape[down], shape[across])
    for row, column in np.ndindex(*picture.cells.shape):
        assert picture.cells[row, column] == values[index_at(picture, row, column)]
    assert picture.fixed_text == ", ".join(f"{CONV_NAMES[axis]} = {shape[axis] - 1}" for axis in others)
    assert f"One slice: {picture.fixed_text}." in picture.caption


def test_a_slice_begins_with_inputs_by_outputs_and_offers_a_slider_for_every_other_axis():
    weight, history = weight_of((3, 2, 4, 5), CONV_NAMES), history_of(np.zeros((3, 2, 4, 5), np.float32))
    found = {each.name: each for each in option_states(OPTIONS, weight, history, chosen(layout="slice"))}
    assert [found[name].chosen for name in ("down", "across")] == ["2", "3"]
    assert [(found[f"axis_{i}"].label, found[f"axis_{i}"].count) for i in (0, 1)] == [("kernel_height", 3), ("kernel_width", 2)]
    grid = {each.name for each in option_states(OPTIONS, weight, history, Choice())}
    assert grid == {"colors", "rows", "columns", "layout"}
    assert "layout" not in {each.name for each in option_states(OPTIONS, weight_of((4, 5)), history, Choice())}


# -- orders --------------------------------------------------------------------------------------------------------------


def test_orders_are_those_of_numpy():
    random = np.random.default_rng(1)
    before, values = random.normal(size=(2, 7, 9))
    expected = {
        "norm": -np.linalg.norm(values, axis=1),
        "change": -np.linalg.norm(values - before, axis=1),
        "mean": -values.mean(axis=1),
    }
    for kind, keys in expected.items():
        assert draw(values, chosen(rows=kind), before=before).row_order.tolist() == np.argsort(keys).tolist()
        assert draw(values.T, chosen(columns=kind), before=before.T).column_order.tolist() == np.argsort(keys).tolist()


def test_labels_are_sorted_as_in_a_dictionary():
    weight = weight_of((3, 1))
    weight = replace(weight, axes=(replace(weight.axes[0], labels=("beta", "Alpha", "gamma")), weight.axes[1]))
    assert draw(np.zeros((3, 1)), chosen(rows="label"), weight).row_order.tolist() == [1, 0, 2]


def test_a_row_with_nan_comes_first_for_it_must_be_seen():
    values = np.arange(12.0).reshape(4, 3)
    values[1, 2] = np.nan
    assert draw(values, chosen(rows="norm")).row_order.tolist() == [1, 3, 2, 0]


def test_alike_rows_come_to_stand_side_by_side():
    random = np.random.default_rng(1)
    centers = random.normal(size=(3, 20))
    groups = random.permutation(np.repeat(np.arange(3), 6))
    vectors = centers[groups] * random.uniform(1, 9, (18, 1)) + random.normal(size=(18, 20)) * 0.05
    found = groups[similar_order(vectors)]
    assert (np.diff(found) != 0).sum() == 2


def test_gates_stay_gates_and_their_units_stand_in_the_same_order_in_each():
    gates = tuple(Block(f"gate {i}", 5 * i, 5 * i + 5) for i in range(4))
    axes = (Axis("input_dim", 3), Axis("units", 20, blocks=gates, entry_name="unit", block_kind="gate"))
    values = np.random.default_rng(1).normal(size=(3, 20))
    for kind in SORTS[1:-1]:
        picture = draw(values, chosen(columns=kind), replace(weight_of((3, 20)), axes=axes))
        order = picture.column_order.reshape(4, 5)
        np.testing.assert_array_equal(order - order[0], np.repeat(np.arange(4) * 5, 5).reshape(4, 5))
        assert "in the same order in every gate" in picture.caption
    norms = np.linalg.norm(values.reshape(3, 4, 5), axis=(0, 1))
    by_norm = draw(values, chosen(columns="norm"), replace(weight_of((3, 20)), axes=axes)).column_order
    np.testing.assert_array_equal(by_norm[:5], np.argsort(-norms))


def test_an_order_by_similarity_stays_while_the_newest_record_is_followed_and_says_so():
    random = np.random.default_rng(1)
    records = [random.normal(size=(9, 4)).astype(np.float32) for _ in range(3)]
    history, weight = history_of(*records[:1]), weight_of((9, 4))
    first = matrix_view.draw(weight, history, chosen(rows="similarity"))
    assert "Rows by similarity, as at the start." in first.caption
    history = history_of(*records)
    now = matrix_view.draw(weight, history, chosen(rows="similarity"))
    assert "as at record 2 (epoch 2)" in now.caption
    back = matrix_view.draw(weight, history, chosen(Choice(record=1), rows="similarity"))
    np.testing.assert_array_equal(back.row_order, similar_order(records[1]))


def test_what_is_remembered_is_that_of_the_very_array():
    remembered = ArrayCache(2)
    one, two = np.zeros(1), np.zeros(1)
    assert remembered.get_or_compute((one,), "a", lambda: 1) == 1
    assert remembered.get_or_compute((one,), "a", lambda: 2) == 1
    assert remembered.get_or_compute((two,), "a", lambda: 3) == 3
    assert remembered.get_or_compute((one,), "b", lambda: 4) == 4
    assert remembered.get_or_compute((one,), "a", lambda: 5) == 5  # only the newest two are kept


def test_of_a_sample_nothing_is_sorted_or_sliced():
    history = history_of(np.zeros((60, 70, 100), np.float32), memory=500_000)
    weight = weight_of((60, 70, 100))
    picture = matrix_view.draw(weight, history, chosen(layout="slice", rows="norm", cell="mean"))
    assert (picture.fixed_text, picture.row_order, picture.cell_value) == ("", None, "extreme")
    assert keeps_sample_only(weight, history)
    assert {each.name for each in option_states(OPTIONS, weight, history, Choice())} == {"colors"}


# -- limits and marks ----------------------------------------------------------------------------------------------------


def test_limits_are_the_largest_shown_three_deviations_or_the_largest_of_all_records():
    random = np.random.default_rng(1)
    before, values = 9 * random.normal(size=(30, 40)), random.normal(size=(30, 40)) + 0.5
    for kind, limit in (
        ("drawn", np.abs(values).max()),
        ("sigma", abs(values.mean()) + 3 * values.std()),
        ("time", np.abs(before).max()),
    ):
        picture = draw(values, chosen(colors=kind), before=before)
        assert picture.color_limit == pytest.approx(limit, rel=1e-6)
        assert picture.special_counts.color_limit_text
        assert (picture.special_counts.above, picture.special_counts.below) == ((values > limit).sum(), (values < -limit).sum())


def test_every_number_without_a_color_is_counted():
    values = np.random.default_rng(1).normal(size=(600, 700)).astype(np.float32)
    values[0, :3], values[1, :2], values[2, 0], values[3, :5], values[4, :7] = np.nan, np.inf, -np.inf, 99, -99
    marks = draw(values, chosen(colors="sigma")).special_counts
    assert (marks.nans, marks.positive_infs, marks.negative_infs) == (3, 2, 1)
    assert marks.above >= 5
    assert marks.below >= 7
    assert "3 NaN, 2 +Inf, 1 -Inf" in draw(values).caption


def test_the_largest_of_all_records_is_the_same_at_each():
    records = [np.full((2, 2), number) for number in (1.0, -7.0, 3.0)]
    history, weight = history_of(*records), weight_of((2, 2))
    assert {matrix_view.draw(weight, history, chosen(Choice(record=step), colors="time")).color_limit for step in range(3)} == {
        7.0
    }


@pytest.mark.parametrize("kind", ["drawn", "sigma", "time"])
def test_a_constant_and_a_weight_of_nan_only_have_limits(kind):
    assert draw(np.full((3, 3), 2.0), chosen(colors=kind)).color_limit == 2
    assert draw(np.full((3, 3), np.nan), chosen(colors=kind)).color_limit == 0
    figure_png(make_figure(draw(np.full((3, 3), np.nan), chosen(colors=kind)), "nan"))


# -- reduction and windows -----------------------------------------------------------------------------------------------

FLAT = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    elements=st.one_of(st.floats(-100, 100, width=32), st.sampled_from([np.nan, np.inf, -np.inf])),
)


@given(FLAT, st.integers(1, 9), st.data())
def test_of_any_window_no_extreme_is_lost_and_nan_wins(values, most, data):
    top, left = (data.draw(st.integers(0, size - 1)) for size in values.shape)
    bottom, right = (data.draw(st.integers(first + 1, size)) for first, size in zip((top, left), values.shape, strict=True))
    row_order, column_order = (np.array(data.draw(st.permutations(range(size)))) for size in values.shape)
    plane = LazyMatrix(values, None, lambda now, _: now, row_order, column_order)
    cells, row_step, column_step = plane.cells(Region(top, bottom, left, right), most)
    window = values[row_order][:, column_order][top:bottom, left:right]
    assert max(cells.shape) <= most
    for i, j in np.ndindex(*cells.shape):
        part = window[i * row_step : (i + 1) * row_step, j * column_step : (j + 1) * column_step]
        if np.isnan(part).any():
            assert np.isnan(cells[i, j])
        else:
            assert abs(cells[i, j]) == np.abs(part).max()
            assert cells[i, j] in part


@given(FLAT, st.integers(1, 9))
def test_means_are_those_of_all_entries_of_a_cell(values, most):
    plane = LazyMatrix(values, None, lambda now, _: now)
    cells, row_step, column_step = plane.cells(plane.full_region, most, "mean")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i, j in np.ndindex(*cells.shape):
            part = values[i * row_step : (i + 1) * row_step, j * column_step : (j + 1) * column_step]
            np.testing.assert_allclose(cells[i, j], part.mean(dtype=np.float64), rtol=1e-5, atol=1e-5)


def test_long_rows_and_blocks_larger_than_the_cache_are_reduced_alike():
    values = np.random.default_rng(1).normal(size=(3, 200_000)).astype(np.float32)
    plane = LazyMatrix(values, None, lambda now, _: now)
    cells, _, step = plane.cells(plane.full_region)
    expected = [[max(row[i : i + step], key=abs) for i in range(0, 200_000, step)] for row in values]
    np.testing.assert_array_equal(cells, expected)
    turned = LazyMatrix(values.T, None, lambda now, _: now)
    np.testing.assert_array_equal(turned.cells(turned.full_region)[0], cells.T)


def looking(choice, picture, *window):
    catalog = Catalog(LayerNode("m", "m", "Sequential"), {})
    return with_input(catalog, choice, "window", json.dumps([picture.key, window]))


@pytest.mark.parametrize("sort", ["as_is", "norm"])
def test_a_window_of_a_large_matrix_brings_its_single_elements(sort):
    values = np.random.default_rng(1).normal(size=(3000, 900)).astype(np.float32)
    history, weight, choice = history_of(values), weight_of(values.shape), chosen(rows=sort)
    whole = matrix_view.draw(weight, history, choice)
    assert (whole.row_step, whole.column_step, whole.overview) == (6, 2, None)
    part = matrix_view.draw(weight, history, looking(choice, whole, 2990, 3000, 100, 140))
    assert (part.row_step, part.column_step) == (1, 1)
    assert part.viewport == Region(2990, 3000, 100, 140)
    for row, column in ((2990, 100), (2999, 139)):
        cell = part.cells[row - part.top_left[0], column - part.top_left[1]]
        assert cell == values[index_at(part, row, column)]
    assert part.color_limit == whole.color_limit
    assert np.abs(part.overview).max() == np.abs(values).max()
    assert max(part.overview.shape) <= MAX_OVERVIEW_CELLS
    axes = make_figure(part, "w").axes[0]
    assert (axes.get_xlim(), axes.get_ylim()) == ((99.5, 139.5), (2999.5, 2989.5))
    assert axes.images[0].get_extent()[0] == part.top_left[1] - 0.5


def test_a_window_that_was_asked_for_another_weight_is_not_applied():
    values = np.zeros((3000, 900), np.float32)
    other = matrix_view.draw(replace(weight_of(values.shape), key="other"), history_of(values, key="other"), Choice())
    assert draw(values, looking(Choice(), other, 0, 10, 0, 10)).viewport is None


@pytest.mark.parametrize(
    "bounds", [(5, 5, 0, 10), (-9, 99999, -5, 99999), (10, 2, 0, 5), (1, 2, 3), (4000, 5000, 0, 9)], ids=str
)
def test_a_window_without_meaning_is_everything(bounds):
    values = np.zeros((3000, 900), np.float32)
    assert draw(values, looking(Choice(), draw(values), *bounds)).viewport is None


# -- pins ----------------------------------------------------------------------------------------------------------------


def pin(choice, key, index):
    return with_input(Catalog(LayerNode("m", "m", "Sequential"), {}), choice, "pin", json.dumps([key, index]))


def test_a_pin_is_taken_and_taken_away():
    choice = pin(pin(Choice(), "w", [1, 2]), "w", [0, 0])
    assert choice.pins == (("w", (1, 2)), ("w", (0, 0)))
    assert pin(choice, "w", [1, 2]).pins == (("w", (0, 0)),)


@pytest.mark.parametrize(
    "options", [{}, {"rows": "norm", "columns": "mean"}, {"layout": "slice", "axis_0": "1", "axis_1": "1"}], ids=str
)
def test_pins_are_drawn_where_their_elements_are(options):
    values = np.random.default_rng(1).normal(size=(3, 2, 4, 5)).astype(np.float32)
    choice = pin(pin(pin(chosen(**options), "w", [1, 1, 3, 4]), "another", [0, 0]), "w", [1, 1, 0, 2])
    picture = draw(values, choice, weight_of(values.shape, CONV_NAMES))
    assert [each.number for each in picture.pins] == [1, 3]
    assert [index_at(picture, each.row, each.column) for each in picture.pins] == [(1, 1, 3, 4), (1, 1, 0, 2)]
    axes = make_figure(picture, "w").axes[0]
    assert [text.get_text() for text in axes.texts] == ["1", "3"]
    assert axes.patches[1].get_xy() == (picture.pins[0].column - 0.5, picture.pins[0].row - 0.5)


def test_pins_outside_a_slice_or_a_gate_are_not_drawn_and_those_inside_are_at_their_whole_index():
    values = np.random.default_rng(1).normal(size=(3, 8)).astype(np.float32)
    gates = (Block("input gate", 0, 4), Block("forget gate", 4, 8))
    axes = (Axis("input_dim", 3), Axis("units", 8, blocks=gates, entry_name="unit", block_kind="gate"))
    forget = slice_blocks(replace(weight_of((3, 8)), axes=axes), "forget gate")
    picture = draw(values, pin(pin(Choice(), "w", [2, 1]), "w", [2, 6]), forget)
    assert picture.index_mapping.offset == (0, 4)
    assert [(each.number, each.row, each.column) for each in picture.pins] == [(2, 2, 2)]


def test_in_python_an_element_is_pinned_by_its_weight_and_index(dense_model):
    explorer = WeightExplorer(dense_model)
    explorer.pin("dense_model/hidden/kernel", (5, 0))
    assert explorer._panel.picture_area.matrix.pins == [[1, 5, 0]]
    with pytest.raises(ValueError, match=r"of shape \(6, 5\) has no element \(6, 0\)"):
        explorer.pin("dense_model/hidden/kernel", (6, 0))
    explorer.pin("dense_model/hidden/kernel", (5, 0))
    assert explorer._panel.picture_area.matrix.pins == []
    explorer.close()


def test_a_click_in_the_page_pins_and_looks_closely(dense_model):
    explorer = WeightExplorer(dense_model)
    panel = explorer._panel.picture_area.matrix
    panel.set_state({"pin": json.dumps(["dense_model/hidden/kernel", [2, 3]])})
    explorer._screen.answer()
    assert (panel.pins, panel.pin) == ([[1, 2, 3]], "")
    panel.set_state({"window": json.dumps([panel.key, [1, 4, 2, 5]])})
    explorer._screen.answer()
    assert (panel.seen, panel.window, panel.shape) == ([1, 4, 2, 5], "", [6, 5])
    assert explorer.figure().axes[0].get_xlim() == (1.5, 4.5)
    explorer.close()


# -- the figure ----------------------------------------------------------------------------------------------------------


def test_the_figure_has_the_limit_the_marks_and_the_order():
    values = np.random.default_rng(1).normal(size=(20, 30)).astype(np.float32)
    values[0, 0], values[1, 1], values[2, 2], values[3, 3] = np.nan, np.inf, -np.inf, 50
    picture = draw(values, chosen(colors="sigma", rows="norm"))
    figure = make_figure(picture, "w")
    axes, bar = figure.axes
    np.testing.assert_array_equal(axes.images[0].get_array()[~np.isinf(picture.cells)], picture.cells[~np.isinf(picture.cells)])
    assert axes.images[0].get_clim() == (-picture.color_limit, picture.color_limit)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["1 NaN", "1 +Inf", "1 -Inf", "1 above"]
    assert bar.get_ylabel() == "3 std. dev."
    assert [int(text.get_text()) for text in axes.get_yticklabels()] == picture.row_order[::2].tolist()
    assert axes.get_ylabel() == "axis 0 (sorted)"
    assert figure_png(figure).startswith(b"\x89PNG")


@pytest.mark.parametrize("dtype", [bool, np.int8, np.float16, np.float64, "bfloat16"], ids=str)
def test_every_number_type_is_drawn(dtype):
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    before, values = np.zeros((4, 6)).astype(dtype), np.eye(4, 6).astype(dtype)
    for quantity in ("value", "since_start"):
        picture = draw(values, chosen(Choice(quantity=quantity), rows="change", colors="sigma"), before=before)
        assert picture.cells.sum() == 4
