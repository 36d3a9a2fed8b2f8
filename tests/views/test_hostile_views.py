"""What the views say holds where memory is short, numbers are extreme, and nothing tells the ranks apart."""

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from tests.records import Variable, history_of, record
from tests.views.test_views import weight_of
from weight_explorer.catalog.schema import Axis, Block, Catalog, LayerNode, Weight, slice_blocks
from weight_explorer.panel.weight_details import statistics_table
from weight_explorer.pictures import colors
from weight_explorer.pictures.data import EmptyPicture
from weight_explorer.recording.history import evenly_spaced_indices
from weight_explorer.recording.live_history import LiveHistory
from weight_explorer.recording.recorder import Recorder
from weight_explorer.recording.statistics.summary import FIELD_INDEX
from weight_explorer.views import units
from weight_explorer.views.choice import Choice
from weight_explorer.views.distribution import bin_edges, count_values
from weight_explorer.views.filters import filters_view
from weight_explorer.views.matrix import matrix_view
from weight_explorer.views.over_time import over_time_view
from weight_explorer.views.over_time.curves import MAX_POINTS
from weight_explorer.views.registry import VIEWS

LARGEST = float(np.finfo(np.float32).max)


def chosen(view, **options):
    return MappingProxyType({("kernel", view, name): value for name, value in options.items()})


def unit_weight(size):
    return replace(weight_of((size,)), axes=(Axis("units", size, side="out", entry_name="unit"),))


def recording(weights, variables, memory=10**8):
    history = LiveHistory(memory)
    catalog = Catalog(LayerNode("m", "m", "Sequential", weights=tuple(weights)), weights, variables)
    return history, Recorder(history, lambda variables: [each.values for each in variables]), catalog


# -- memory --------------------------------------------------------------------------------------------------------------


def test_a_difference_is_never_that_to_a_record_whose_array_is_used_again():
    size = 48
    weight, variable = weight_of((size, size)), Variable(np.zeros((size, size), np.float32))
    history, recorder, catalog = recording({"w": weight}, {"w": variable}, memory=4 * size * size * 4 + 20_000)
    for epoch in range(40):
        variable.values = np.full((size, size), epoch**2, np.float32)
        record(recorder, catalog, epoch=epoch, kind="epoch" if epoch else "start")
        kept = history.records_with_values("w")
        for shown, against in ((shown, against) for shown in kept for against in kept if shown != against):
            picture = matrix_view.draw(
                weight, history.snapshot(), Choice(quantity="since_record", record=shown, against=against)
            )
            np.testing.assert_array_equal(picture.cells, history.values_at("w", shown) - history.values_at("w", against))
    assert len(history.records_with_values("w")) < 40


def test_the_change_since_the_last_record_is_the_recorded_one_or_none_where_records_were_dropped():
    values = np.random.default_rng(0).normal(size=(300, 4, 3)).cumsum(axis=0).astype(np.float32)
    history, weight = history_of(*values, memory=150_000), weight_of((4, 3))
    kept = history.records_with_values("w")
    assert max(np.diff(kept)) > 1
    for number in kept[1:]:
        picture = matrix_view.draw(weight, history, Choice(quantity="since_last", record=number))
        assert isinstance(picture, EmptyPicture) == (number - 1 not in kept)
        if not isinstance(picture, EmptyPicture):
            norm = history.statistics_at("w", number, "since_last")[FIELD_INDEX["norm"]]
            np.testing.assert_allclose(np.linalg.norm(picture.cells), norm, rtol=1e-5)


def test_a_move_between_records_that_are_not_drawn_is_not_denied():
    count = 3 * MAX_POINTS // 2
    moved_at = min(set(range(1, count)) - set(evenly_spaced_indices(count, MAX_POINTS).tolist()))
    records = [np.full((2,), float(i >= moved_at), np.float32) for i in range(count)]
    assert "not one element" not in over_time_view.draw(weight_of((2,)), history_of(*records), Choice()).caption
    assert (
        "not one element"
        in over_time_view.draw(weight_of((2,)), history_of(*records[moved_at : moved_at + 3]), Choice()).caption
    )


def test_all_elements_of_a_sample_that_moved_are_all_elements():
    values = np.random.default_rng(0).normal(size=(4000, 64)).astype(np.float32)
    weight = weight_of(values.shape)
    history = history_of(values, values * 2, memory=100_000)
    assert history.weight_history("w").sample is not None
    rows = {label: words for label, *words in statistics_table(weight, history, Choice()).rows}
    assert rows["moved"] == ["≈ 256\u202f000", "100 %"]


def test_a_part_of_which_nothing_is_kept_is_said_to_be_unknown():
    blocks = tuple(Block(f"head {i}", i, i + 1) for i in range(100_000))
    axes = (
        Axis("heads", 100_000, side="out", blocks=blocks, entry_name="head", block_kind="head"),
        Axis("units", 2, side="in"),
    )
    weight = Weight("w", "kernel", "kernel", "m", (100_000, 2), "float32", axes)
    values = np.ones(weight.shape, np.float32)
    history = history_of(values, values * 2, memory=100_000)
    heads = history.weight_history("w").sample.indexes // 2
    part = slice_blocks(weight, f"head {min(set(range(100_000)) - set(heads.tolist()))}")
    for view in VIEWS.values():
        if view.applies(part):
            assert "not one element has moved" not in view.draw(part, history, Choice()).caption.lower()
    assert "Not one of the elements" in matrix_view.draw(part, history, Choice()).caption
    rows = {label: words for label, *words in statistics_table(part, history, Choice()).rows}
    assert rows["moved"] == ["unknown", ""]


# -- numbers -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-44, 1e-40, 1e-36, 1.0, 1e30, LARGEST])
def test_histograms_are_those_of_numpy_however_small_or_large_the_numbers_are(scale):
    values = (np.linspace(-1, 1, 101) ** 3 * scale).astype(np.float32)
    edges = bin_edges(values)
    middles = (np.digitize(values.astype(np.float64), edges) - 1).clip(0, len(edges) - 2)
    np.testing.assert_allclose(count_values(edges, values), np.bincount(middles, minlength=len(edges) - 1), atol=1)


@pytest.mark.parametrize("colors_to", ["drawn", "sigma", "time"])
@pytest.mark.parametrize("quantity", ["value", "since_start"])
def test_the_largest_float32_are_drawn_with_a_scale(colors_to, quantity):
    values = np.array([[LARGEST, -LARGEST, 0]], np.float32)
    choice = Choice(quantity=quantity, options=chosen("matrix", colors=colors_to))
    picture = matrix_view.draw(weight_of((1, 3)), history_of(values, values / 2), choice)
    assert 0 < picture.color_limit < np.inf
    assert picture.special_counts.above == picture.special_counts.below == 0


def test_a_norm_beyond_float32_is_drawn_without_a_warning():
    names = ("kernel_height", "kernel_width", "in_channels", "filters")
    values = np.full((1, 2, 4, 2), LARGEST, np.float32)
    weight = weight_of(values.shape, names)
    assert filters_view.draw(weight, history_of(values), Choice(options=chosen("filters", channels="norm"))).caption


@pytest.mark.parametrize("limit", [1e-45, 1e-40, 1.0, LARGEST])
def test_tiles_have_the_same_colors_at_every_scale(limit):
    shares = np.array([-1.0, 0.0, 1.0])
    cells = (shares * limit).astype(np.float32)[None, :, None]
    expected = colors.colorize(shares.astype(np.float32)[None, :, None], 1.0)
    np.testing.assert_array_equal(colors.colorize(cells, float(np.abs(cells).max())), expected)


# -- words ---------------------------------------------------------------------------------------------------------------


def test_who_is_level_with_others_has_neither_risen_nor_fallen_among_them():
    history = history_of(np.array([1.0, 2.0, 3.0], np.float32), np.array([5.0, 2.0, 5.0], np.float32))
    picture = units.draw(unit_weight(3), history, Choice())
    assert picture.rankings[0].rank_changes == ("▲ 3", "= 1", "▼ 2")
    assert "place 1 of 3, level with 1 other" in picture.caption


def test_lines_that_end_at_different_records_are_not_said_to_end_at_the_last():
    weights = {key: replace(weight_of((2,)), key=key, layer=f"m/{key}") for key in "ab"}
    variables = {key: Variable(np.ones(2, np.float32)) for key in "ab"}
    history, recorder, both = recording(weights, variables)
    record(recorder, both, kind="start")
    choice = Choice(options=chosen("over_time", lines="role", statistic="norm"))
    assert over_time_view.draw(weights["a"], history, choice).caption.startswith("Norm (L2) at the last record: ")
    record(recorder, replace(both, weights={"a": weights["a"]}, variables={"a": variables["a"]}), epoch=1, kind="epoch")
    history.catalog = replace(both, variables=MappingProxyType({}))
    assert over_time_view.draw(weights["a"], history, choice).caption.startswith("Norm (L2) at the last record of each: ")


def test_filters_with_an_infinite_number_are_not_said_to_have_changed_by_a_share():
    names = ("kernel_height", "kernel_width", "in_channels", "filters")
    sides = ("window", "window", "in", "out")
    axes = tuple(Axis(name, size, side=side) for name, size, side in zip(names, (3, 3, 2, 4), sides, strict=True))
    weight = Weight("w", "kernel", "kernel", "layer", (3, 3, 2, 4), "float32", axes)
    start = np.ones(weight.shape, np.float32)
    now = start * 2
    now[0, 0, 0, 1], now[0, 0, 0, 2] = np.inf, np.nan
    caption = filters_view.draw(weight, history_of(start, now), Choice()).caption
    assert "2 of 4" in caption
    assert "at most 100 %" in caption
    assert "inf %" not in caption
    assert "∞" not in caption
