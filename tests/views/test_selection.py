"""The brush: what is selected on screen are the elements that NumPy has there, and edits take them; frozen ones are marked."""

import json

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tests.records import history_of
from tests.views.test_matrix import chosen, index_at, looking
from tests.views.test_views import CONV_NAMES, weight_of
from weight_explorer import WeightExplorer
from weight_explorer.catalog.schema import Axis, Block, Catalog, LayerNode, Weight, slice_blocks
from weight_explorer.catalog.selection import ElementSelection
from weight_explorer.editing.selection import resolve_selection as choose_elements
from weight_explorer.pictures.figure import make_figure
from weight_explorer.pictures.matrix.figure import hatch_image, overlay_rectangles
from weight_explorer.pictures.numbers import format_count
from weight_explorer.recording.freeze_checks import FrozenPart, check_frozen_part
from weight_explorer.views import frozen_check
from weight_explorer.views.choice import Choice, with_input
from weight_explorer.views.frozen_check import CHANGED, UNCHANGED, UNKNOWN, freeze_check_line
from weight_explorer.views.matrix import matrix_view
from weight_explorer.views.matrix.overlays import ALL, NONE, SOME
from weight_explorer.views.selection import describe_entries, selected_elements, selection_from_json

SORTS = ("as_is", "norm", "mean", "similarity")


def spans(axes, order, first, end):
    """Rows or columns of a picture as they are without any order, as the page sends them."""
    inner = int(np.prod([axis.size for axis in axes[1:]], dtype=int))
    places = [place if order is None else int(order[place // inner]) * inner + place % inner for place in range(first, end)]
    return [[place, place + 1] for place in places]


def message(picture, top, bottom, left, right):
    """What the page sends of a rectangle of entries."""
    place, down = picture.index_mapping, picture.index_mapping.num_row_axes
    sides = (picture.rows, down > 0), (picture.columns, down < len(place.axes))
    return json.dumps({
        "weight": place.weight,
        "base": place.offset,
        "axes": [place.axes[:down], place.axes[down:]],
        "sizes": [[axis.size for axis in axes] if isthere else [] for axes, isthere in sides],
        "spans": [
            spans(picture.rows, picture.row_order, top, bottom),
            spans(picture.columns, picture.column_order, left, right),
        ],
    })  # fmt: skip


def catalog_of(*weights):
    return Catalog(LayerNode("m", "m", "Sequential"), {weight.key: weight for weight in weights})


def brushing(weight, text):
    return selection_from_json({weight.key: weight}, text)


def expected(picture, shape, top, bottom, left, right):
    mask = np.zeros(shape, bool)
    for row in range(top, bottom):
        for column in range(left, right):
            mask[index_at(picture, row, column)] = True
    return mask


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_brush_has_the_elements_that_were_inside_it_in_every_rank_order_and_layout(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 5), min_size=0, max_size=5)))
    values = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=shape).astype(np.float32)
    options = {"rows": data.draw(st.sampled_from(SORTS)), "columns": data.draw(st.sampled_from(SORTS))}
    if len(shape) > 2:
        down, across = data.draw(st.permutations(range(len(shape))))[:2]
        options |= {"layout": data.draw(st.sampled_from(["grid", "slice"])), "down": str(down), "across": str(across)}
        options |= {f"axis_{i}": str(size - 1) for i, size in enumerate(shape)}
    weight, history = weight_of(shape), history_of(values)
    picture = matrix_view.draw(weight, history, chosen(**options))
    height, width = picture.size
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom, right = data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width))
    brush = brushing(weight, message(picture, top, bottom, left, right))
    mask = expected(picture, shape, top, bottom, left, right)
    np.testing.assert_array_equal(selected_elements(weight, brush).mask, mask)
    assert brush.count == mask.sum()


def test_a_brush_in_one_gate_is_of_the_whole_weight():
    gates = (Block("input gate", 0, 4), Block("forget gate", 4, 8))
    axes = Axis("input_dim", 3), Axis("units", 8, blocks=gates, entry_name="unit", block_kind="gate")
    whole = Weight("w", "kernel", "kernel", "m", (3, 8), "float32", axes)
    forget = slice_blocks(whole, "forget gate")
    picture = matrix_view.draw(forget, history_of(np.ones((3, 8), np.float32)), chosen(columns="norm"))
    found = selected_elements(forget, brushing(whole, message(picture, 1, 3, 0, 4)))
    assert np.argwhere(found.mask).tolist() == [[row, column] for row in (1, 2) for column in range(4, 8)]
    assert found.description == "input_dim 1 to 2 by units 4 to 7 (forget gate)"


@pytest.mark.parametrize(
    ("axis", "entries", "words"),
    [
        (Axis("units", 9), [4], "units 4"),
        (Axis("units", 9), [1, 5, 6], "units 1, 5, 6"),
        (Axis("units", 99), [*range(0, 40, 2)], "20 of units: 0, 2, 4, 6, 8, 10, …"),
        (Axis("input_dim", 3, labels=("the", "cat", "sat")), [1, 2], 'input_dim 1 to 2 ("cat" to "sat")'),
        (Axis("units", 4, blocks=(Block("a gate", 0, 2), Block("b gate", 2, 4)), entry_name="unit", block_kind="gate"), [1, 2],
         "units 1 to 2 (a gate 1 to b gate 0)"),
        (Axis("heads", 2, blocks=(Block("head 0", 0, 1), Block("head 1", 1, 2)), entry_name="head", block_kind="head"), [0, 1],
         "heads 0 to 1 (head 0 to head 1)"),
    ],
    ids=str,
)  # fmt: skip
def test_entries_are_named_by_indexes_blocks_and_labels(axis, entries, words):
    assert describe_entries(axis, np.array(entries)) == words


def test_rows_of_a_grid_of_windows_are_named_by_both_axes():
    weight = weight_of((3, 2, 4, 5), CONV_NAMES)
    picture = matrix_view.draw(weight, history_of(np.ones((3, 2, 4, 5), np.float32)), Choice())
    words = [brushing(weight, message(picture, *rectangle)).text for rectangle in ((0, 6, 0, 2), (1, 5, 3, 4))]
    assert words == [
        "in_channels 0 to 1 by kernel_height 0 to 2 by filters 0 by kernel_width 0 to 1",
        "4 of in_channels x kernel_height, from (0, 1) to (1, 1) by filters 1 by kernel_width 1",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"base": [0]},
        {"base": [0, 3]},
        {"axes": [[0], [7]]},
        {"spans": [[], [[0, 1]]]},
        {"spans": [[[0, 9]], [[0, 1]]]},
        {"weight": "gone"},
    ],
    ids=str,
)
def test_a_brush_that_does_not_fit_the_weight_is_none(change):
    weight = weight_of((2, 3))
    asked = {"weight": weight.key, "base": [0, 0], "axes": [[0], [1]], "sizes": [[2], [3]], "spans": [[[0, 1]], [[0, 1]]]}
    assert selection_from_json({weight.key: weight}, json.dumps(asked))
    assert selection_from_json({weight.key: weight}, json.dumps(asked | change)) is None


def test_nothing_is_brushed_once_another_weight_is_chosen():
    one, other = (Weight(key, "kernel", "kernel", "m", (2,), "float32", (Axis("units", 2),)) for key in ("one", "other"))
    root = LayerNode("m", "m", "Sequential", weights=("one", "other"))
    catalog = Catalog(root, {"one": one, "other": other})
    asked = {"weight": "one", "base": [0], "axes": [[], [0]], "sizes": [[], [2]], "spans": [[[0, 1]], [[0, 1]]]}
    choice = with_input(catalog, Choice(), "brush", json.dumps(asked))
    assert with_input(catalog, choice, "quantity", "since_start").selection is choice.selection is not None
    assert with_input(catalog, choice, "brush", "null").selection is None
    gone = with_input(catalog, choice, "weight", "other")
    assert with_input(catalog, gone, "weight", "one").selection is None


# -- covers ----------------------------------------------------------------------------------------------------------


def with_frozen(history, mask, values=None, number=0):
    history.frozen_parts = (FrozenPart("w", "a mask", number, mask, mask if values is None else values, first_record=number),)
    return history


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_hatched_cells_are_those_of_the_mask_in_every_order_and_layout(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=5)))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    values, mask = random.normal(size=shape).astype(np.float32), random.random(shape) < 0.5
    options = {"rows": data.draw(st.sampled_from(SORTS)), "columns": data.draw(st.sampled_from(SORTS))}
    if len(shape) > 2:
        down, across = data.draw(st.permutations(range(len(shape))))[:2]
        options |= {"layout": data.draw(st.sampled_from(["grid", "slice"])), "down": str(down), "across": str(across)}
    picture = matrix_view.draw(weight_of(shape), with_frozen(history_of(values), mask), chosen(**options))
    laid_out = {place: mask[index_at(picture, *place)] for place in np.ndindex(*picture.cells.shape)}
    if not any(laid_out.values()):
        assert picture.frozen is None
        return
    assert {place: bool(picture.frozen.cells[place]) for place in laid_out} == laid_out
    assert picture.frozen.count == sum(laid_out.values())
    assert f"{format_count(picture.frozen.count)} of {format_count(len(laid_out))} element" in picture.caption


def test_a_cell_of_many_elements_says_whether_none_some_or_all_are_frozen_also_closely_and_afar():
    shape = (1500, 1100)
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    mask = np.zeros(shape, bool)
    mask[:600] = True
    mask[1499, 1099] = True
    weight, history = weight_of(shape), with_frozen(history_of(values), mask)
    whole = matrix_view.draw(weight, history, Choice())
    assert (whole.frozen.cells[:200] == ALL).all()
    assert (whole.frozen.cells[200:-1] == NONE).all()
    assert whole.frozen.cells[-1, -1] == SOME
    near = matrix_view.draw(weight, history, looking(Choice(), whole, 590, 610, 0, 20))
    top, left = near.top_left
    np.testing.assert_array_equal(
        near.frozen.cells == ALL, mask[top : top + len(near.cells), left : left + near.cells.shape[1]]
    )
    assert near.frozen.overview.shape == near.overview.shape
    assert set(np.unique(near.frozen.overview)) == {NONE, SOME, ALL}


def test_parts_frozen_one_after_the_other_are_hatched_together_and_not_before_they_were_frozen():
    values = np.ones((4, 3), np.float32)
    history = history_of(values, values * 2, values * 3)
    masks = np.zeros((2, 4, 3), bool)
    masks[0, 0], masks[1, 1] = True, True
    parts = (FrozenPart("w", "row", i + 1, mask, values[mask] * (i + 2), first_record=i + 1) for i, mask in enumerate(masks))
    history.frozen_parts = tuple(parts)
    covers = [matrix_view.draw(weight_of((4, 3)), history, Choice(record=number)).frozen for number in range(3)]
    assert covers[0] is None
    assert [cover.cells.any(axis=1).tolist() for cover in covers[1:]] == [
        [True, False, False, False],
        [True, True, False, False],
    ]
    line = freeze_check_line(weight_of((4, 3)), history, Choice())
    assert (line.text, line.state) == (
        "Problem: 3 of 6 frozen elements moved since they were frozen, at records 1 and 2",
        CHANGED,
    )


def test_a_layer_that_does_not_train_is_told_in_words_and_not_hatched():
    history = history_of(np.ones((4, 3), np.float32))
    history.frozen_parts = (FrozenPart("w", "hidden is frozen", 0),)
    picture = matrix_view.draw(weight_of((4, 3)), history, Choice())
    assert picture.frozen.cells is None
    assert "All 12 elements are frozen: hidden is frozen." in picture.caption
    assert freeze_check_line(weight_of((4, 3)), history, Choice()).text == "0 of 12 frozen elements moved since the start"


def test_a_mask_of_25_million_is_reduced_once_and_not_at_every_record():
    shape = (5000, 5000)
    mask = np.zeros(shape, bool)
    mask[:, :100] = True
    values = np.zeros(shape, np.float32)
    history = with_frozen(history_of(values, values, memory=10**9), mask, values[mask])
    covers = [matrix_view.draw(weight_of(shape), history, Choice(record=number)).frozen for number in (0, 1)]
    assert covers[0].cells is covers[1].cells


@settings(deadline=None, max_examples=60)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.integers(0, 2)))
def test_rectangles_tile_the_covered_cells_and_hatching_stays_within_them(cover):
    picture = matrix_view.draw(weight_of(cover.shape), history_of(np.ones(cover.shape, np.float32)), Choice())
    tiled = np.zeros(cover.shape, int)
    for x, y, width, height in overlay_rectangles(cover, picture):
        tiled[round(y + 0.5) : round(y + 0.5) + height, round(x + 0.5) : round(x + 0.5) + width] += 1
    np.testing.assert_array_equal(tiled, cover > 0)
    drawn = hatch_image(cover)[..., 3] > 0
    rows, columns = (np.arange(size) * count // size for size, count in zip(drawn.shape, cover.shape, strict=True))
    kinds = cover[rows[:, None], columns]
    assert not drawn[kinds == NONE].any()
    assert not (kinds == ALL).any() or 0.15 < drawn[kinds == ALL].mean() < 0.35


def test_the_figure_hatches_and_counts_what_is_frozen_and_outlines_what_is_selected():
    values, mask = np.full((6, 8), 0.25, np.float32), np.zeros((6, 8), bool)
    mask[2:4] = True
    weight, history = weight_of((6, 8)), history_of(values)
    plain = matrix_view.draw(weight, history, Choice())
    brush = brushing(weight, message(plain, 0, 2, 0, 3))
    picture = matrix_view.draw(weight, with_frozen(history, mask), Choice(selection=brush))
    axes = make_figure(picture, "w").axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["16 frozen"]
    outlines = [patch.get_path().vertices for patch in axes.patches]
    assert [outline.min(axis=0).tolist() for outline in outlines] == [[-0.5, 1.5], [-0.5, -0.5], [-0.5, -0.5]]
    before, after = (np.frombuffer(_pixels(each), np.uint8) for each in (plain, picture))
    assert (before != after).mean() > 0.01


def _pixels(picture):
    canvas = FigureCanvasAgg(make_figure(picture, "w"))
    canvas.draw()
    return bytes(canvas.buffer_rgba())


# -- proof -----------------------------------------------------------------------------------------------------------


def test_the_proof_is_computed_once_for_each_record(monkeypatch):
    asked = []

    def counted(history, part, number):
        asked.append(number)
        return check_frozen_part(history, part, number)

    monkeypatch.setattr(frozen_check, "check_frozen_part", counted)
    values = np.zeros((70, 60), np.float32)
    mask = np.ones(values.shape, bool)
    history = with_frozen(history_of(values, values, values + 1), mask, values[mask])
    lines = [freeze_check_line(weight_of(values.shape), history, Choice(record=number)) for number in (1, 2, 1, 2, 1)]
    assert asked == [1, 2]
    assert [line.state for line in lines] == [UNCHANGED, CHANGED, UNCHANGED, CHANGED, UNCHANGED]
    assert lines[1].text.replace("\u202f", " ") == "Problem: 4 200 of 4 200 frozen elements moved since the start"


def test_a_large_weight_is_not_compared_while_training_waits_but_its_statistics_are_asked():
    values = np.zeros((1500, 1500), np.float32)
    mask = np.zeros(values.shape, bool)
    mask[0] = True
    other = values.copy()
    other[1:] = 1
    weight, history = weight_of(values.shape), with_frozen(history_of(values, other), mask, values[mask])
    line = freeze_check_line(weight, history, Choice(), may_take_long=False)
    assert (line.text, line.state) == ("1\u202f500 frozen elements: not checked at this record yet", UNKNOWN)
    assert freeze_check_line(weight, history, Choice()).text == "0 of 1\u202f500 frozen elements moved since the start"
    assert freeze_check_line(weight, history, Choice(), may_take_long=False).state == UNCHANGED  # remembered
    still = with_frozen(history_of(values, values), mask, values[mask])
    assert freeze_check_line(weight, still, Choice(), may_take_long=False).state == UNCHANGED  # nothing of the weight moved


def test_where_a_sample_is_kept_the_proof_is_an_estimate():
    values = np.zeros((1000, 1000), np.float32)
    mask = np.zeros(values.shape, bool)
    mask[:500] = True
    history = with_frozen(history_of(values, values, memory=10**6), mask, values[mask])
    line = freeze_check_line(weight_of(values.shape), history, Choice())
    assert line.text.startswith("≈ 0 of 500\u202f000 frozen elements moved since the start (estimated from ")


# -- in Python -------------------------------------------------------------------------------------------------------


@pytest.fixture
def explorer():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="tiny")
    model.compile("sgd", "mse")
    found = WeightExplorer(model, record_every="epoch")
    yield found
    found.close()


def brush_rows(explorer, spans):
    asked = {"weight": "tiny/dense/kernel", "base": [0, 0], "axes": [[0], [1]], "sizes": [[3], [2]], "spans": [spans, [[0, 1]]]}
    matrix_panel = explorer._panel.picture_area.matrix
    matrix_panel.selection = json.dumps(asked)
    explorer._screen.answer()


def test_what_is_selected_can_be_frozen_and_the_panel_proves_it(explorer):
    assert explorer.selection is None
    brush_rows(explorer, [[0, 2]])
    selection = explorer.selection
    assert (selection.key, selection.words) == ("tiny/dense/kernel", "input_dim 0 to 1 by units 0")
    assert repr(selection) == "<2 of 6 elements of 'tiny/dense/kernel': input_dim 0 to 1 by units 0>"
    assert explorer.freeze(selection.key, selection).part == selection.words
    assert explorer.freeze(selection.key, selection.mask).count == 2
    explorer._source.model.fit(np.ones((8, 3)), np.zeros((8, 2)), epochs=2, callbacks=[explorer.callback], verbose=0)
    scene = explorer._screen.state()
    assert (scene.freeze_check.description, scene.freeze_check.state) == (
        "0 of 2 frozen elements moved since the start",
        UNCHANGED,
    )
    np.testing.assert_array_equal(scene.picture.frozen.cells, [[2, 0], [2, 0], [0, 0]])
    panel = explorer._panel
    assert panel.freeze_check.sections == [{"kind": "check", "text": scene.freeze_check.description, "state": "held"}]
    assert panel.picture_area.matrix.frozen == bytes([2, 0, 2, 0, 0, 0]) == panel.picture_area.matrix.selected
    explorer.select(role="bias")
    assert panel.freeze_check.sections == []
    assert explorer.selection is None


def test_a_selection_of_another_weight_is_refused_with_both_names(explorer):
    weight = explorer.catalog.weights["tiny/dense/bias"]
    other = ElementSelection("tiny/dense/kernel", np.ones((3, 2), bool), "all")
    with pytest.raises(ValueError, match="is of 'tiny/dense/kernel', and 'tiny/dense/bias' was asked for"):
        choose_elements(weight, other)
    with pytest.raises(ValueError, match="Select in that weight's matrix"):
        explorer.freeze("tiny/dense/bias", other)


def test_frozen_elements_that_moved_are_a_problem_in_words(explorer):
    explorer.freeze("tiny/dense/kernel", "0:2, :")
    explorer._source.model.get_layer("dense").kernel.assign(np.ones((3, 2)))
    explorer.select("dense", role="kernel")
    (section,) = explorer._panel.freeze_check.sections
    assert section == {"kind": "check", "state": "moved", "text": "Problem: 4 of 4 frozen elements moved since the start"}


def test_a_brush_stays_while_training_draws(explorer):
    brush_rows(explorer, [[2, 3]])
    explorer._source.model.fit(np.ones((8, 3)), np.zeros((8, 2)), epochs=3, callbacks=[explorer.callback], verbose=0)
    assert np.argwhere(explorer.selection.mask).tolist() == [[2, 0]]
    assert explorer._panel.picture_area.matrix.selected_text == "input_dim 2 by units 0: 1 element"
