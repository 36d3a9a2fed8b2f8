"""Filters are drawn the right way up, in the order that is asked for, and said to be what they are; in figures too."""

import io
from types import MappingProxyType

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from matplotlib.image import imread

from tests.records import history_of
from weight_explorer import WeightExplorer
from weight_explorer.catalog.builder import read_catalog
from weight_explorer.catalog.graph import preceding_layer
from weight_explorer.catalog.schema import Axis, Block, Weight, slice_blocks
from weight_explorer.catalog.serialization import catalog_from_json, catalog_to_json
from weight_explorer.pictures import colors
from weight_explorer.pictures.data import EmptyPicture, TilesPicture
from weight_explorer.pictures.figure import figure_png, make_figure
from weight_explorer.views.choice import Choice
from weight_explorer.views.filters import filters_view
from weight_explorer.views.filters.kernel_axes import DRAW_MODES
from weight_explorer.views.filters.sort import SORTS, normalization_after
from weight_explorer.views.options import option_states
from weight_explorer.views.registry import views_for

SIDES = {"kernel_depth": "window", "kernel_height": "window", "kernel_width": "window", "kernel_length": "window",
         "in_channels": "in", "filters": "out", "depth_multiplier": "out"}  # fmt: skip
CONV = ("kernel_height", "kernel_width", "in_channels", "filters")
KERNELS = {
    "1-D": ((4, 3, 5), ("kernel_length", "in_channels", "filters")),
    "2-D": ((3, 2, 4, 5), CONV),
    "2-D, 3 channels": ((2, 3, 3, 5), CONV),
    "2-D, one channel": ((3, 2, 1, 5), CONV),
    "3-D": ((2, 3, 4, 2, 5), ("kernel_depth", *CONV)),
    "transposed": ((3, 2, 4, 5), ("kernel_height", "kernel_width", "filters", "in_channels")),
    "depthwise": ((3, 2, 4, 2), ("kernel_height", "kernel_width", "in_channels", "depth_multiplier")),
    "a single place": ((1, 1, 4, 5), CONV),
    "a single number": ((1, 1, 1, 1), CONV),
}


def kernel_of(shape, names=CONV, labels=None):
    labels = labels or {}
    axes = (
        Axis(
            name,
            size,
            side=SIDES[name],
            labels=labels.get(name, ()),
            entry_name="filter" if SIDES[name] == "out" else "channel",
        )
        for name, size in zip(names, shape, strict=True)
    )
    return Weight("w", "kernel", "kernel", "m", tuple(shape), "float32", tuple(axes))


def chosen(**options):
    return Choice(options=MappingProxyType({("kernel", "filters", name): value for name, value in options.items()}))


def drawn(weight, *records, quantity="value", **options):
    choice = Choice(quantity=quantity, options=chosen(**options).options)
    return filters_view.draw(weight, history_of(*records), choice)


def index_of(picture, tile, row, column, part=0):
    """The index in the array that a cell of the picture stands for, as its readers are told."""
    index = {}
    for side, place in ((picture.rows, row), (picture.columns, column)):
        sizes = [picture.axes[axis].size for axis in side]
        index |= dict(zip(side, map(int, np.unravel_index(place, sizes)) if side else (), strict=True))
    for axis, words in enumerate(picture.tiles[tile].fixed):
        if words:
            assert words.startswith(f"{picture.axes[axis].name} = ")
            index[axis] = int(words.split(" = ")[1].split()[0])
    if picture.cells.shape[-1] == 3:
        index[next(i for i, axis in enumerate(picture.axes) if axis.name == "in_channels")] = part
    return tuple(index[axis] for axis in range(len(picture.axes)))


EXACT = ("rgb", "rows", "strongest", "one", "filter")


def offered_keys(option, weight, history, choice):
    return [offer.key for offer in option.items(weight, history, choice)]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("way", DRAW_MODES)
def test_one_hot_cell_lands_where_numpy_says_in_every_way_and_order(kernel, way, sort):
    shape, names = KERNELS[kernel]
    weight = kernel_of(shape, names)
    ways = offered_keys(filters_view.CHANNELS, weight, history_of(np.zeros(shape)), Choice())
    if way not in (ways or ["one"]):
        return
    channel = next((i for i, name in enumerate(names) if name == "in_channels"), None)
    count = next(i for i, name in enumerate(names) if name in ("filters", "depth_multiplier"))
    for index in np.ndindex(*shape):
        values = np.zeros(shape, np.float32)
        values[index] = 0.25
        asked = {"channel": index[channel], "filter": index[count]}
        picture = drawn(weight, values, channels=way, sort=sort, **{name: str(number) for name, number in asked.items()})
        assert picture.cells.sum() == pytest.approx(0.25 / (shape[channel] if way == "mean" else 1))
        (tile, row, column, part) = np.argwhere(picture.cells)[0]
        if way in EXACT:
            assert index_of(picture, tile, row, column, part) == index
        else:
            assert f"filters = {index[count]}" in picture.tiles[tile].fixed


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("way", EXACT)
@pytest.mark.parametrize("sort", ["number", "norm", "change", "similarity"])
def test_every_number_on_screen_is_the_one_at_the_index_that_is_told(kernel, way, sort):
    shape, names = KERNELS[kernel]
    start, now = np.random.default_rng(1).normal(size=(2, *shape)).astype(np.float32)
    picture = drawn(kernel_of(shape, names), start, now, channels=way, sort=sort, channel="1", filter="2")
    assert {tile.number for tile in picture.tiles} == set(range(len(picture.tiles)))
    for place in np.ndindex(*picture.cells.shape):
        assert picture.cells[place] == now[index_of(picture, *place)]


@pytest.mark.parametrize("way", ["norm", "mean"])
def test_channels_are_taken_together_as_is_said(way):
    values = np.random.default_rng(1).normal(size=(3, 2, 4, 5)).astype(np.float32)
    picture = drawn(kernel_of(values.shape), values, channels=way)
    expected = np.linalg.norm(values, axis=2) if way == "norm" else values.mean(axis=2)
    np.testing.assert_allclose(picture.cells[..., 0], np.moveaxis(expected, -1, 0), rtol=1e-5)
    assert picture.combined_text == f"{way} over all channels"
    assert picture.tiles[0].fixed[2] == ""


@pytest.mark.parametrize("sort", ["norm", "change"])
def test_tiles_are_sorted_and_say_by_what(sort):
    start, now = np.random.default_rng(1).normal(size=(2, 3, 3, 4, 20)).astype(np.float32)
    picture = drawn(kernel_of(now.shape), start, now, sort=sort)
    norms = {"norm": np.linalg.norm(now.reshape(-1, 20), axis=0)}
    norms["change"] = np.linalg.norm((now - start).reshape(-1, 20), axis=0) / np.linalg.norm(start.reshape(-1, 20), axis=0)
    expected = np.argsort(-norms[sort])
    assert [tile.number for tile in picture.tiles] == expected.tolist()
    first = norms[sort][expected[0]]
    assert picture.tiles[0].note == (f"{first:#.3g}" if sort == "norm" else f"{100 * first:.3g} %")
    assert f"largest filter {expected[0]} ({picture.tiles[0].note}), smallest filter {expected[-1]}" in picture.caption


def test_alike_filters_stand_side_by_side():
    random = np.random.default_rng(1)
    kinds = random.normal(size=(3, 3, 2, 4)).astype(np.float32)
    which = random.permutation(np.repeat(np.arange(4), 5))
    values = kinds[..., which] * random.uniform(0.5, 3, 20) + random.normal(size=(3, 3, 2, 20)) * 0.01
    picture = drawn(kernel_of(values.shape), values.astype(np.float32), sort="similarity")
    found = [which[tile.number] for tile in picture.tiles]
    assert sorted(tile.number for tile in picture.tiles) == list(range(20))
    assert np.count_nonzero(np.diff(found)) == 3


def test_the_order_of_similarity_holds_still_while_an_epoch_is_on():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(12, 3, name="conv"), layers.Flatten(), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    explorer = WeightExplorer(model, record_every=1)
    explorer.select("conv", view="filters", sort="similarity")
    key = next(iter(explorer.catalog.weights))
    random = np.random.default_rng(1)
    model.fit(random.random((40, 6, 6, 1)), random.random((40, 1)), batch_size=10, verbose=0, callbacks=[explorer.callback])
    steps = {step.number: step for step in explorer.history.records}
    history, weight = explorer.history, explorer.catalog.weights[key]
    kept = history.records_with_values(key)
    pictures = {
        n: filters_view.draw(weight, history, Choice(record=n, options=chosen(sort="similarity").options)) for n in kept
    }
    during = [number for number in kept if steps[number].kind == "batch"]
    assert len(during) > 1
    for number in during:
        assert [tile.number for tile in pictures[number].tiles] == [tile.number for tile in pictures[kept[0]].tiles]
        assert "as at record 0" in pictures[number].caption
        assert not np.array_equal(pictures[number].cells, pictures[kept[0]].cells)
    explorer.close()


def test_zero_and_broken_filters_are_sorted_without_harm():
    start = np.zeros((3, 3, 1, 4), np.float32)
    now = start.copy()
    now[..., 1] = 1
    now[0, 0, 0, 2] = np.nan
    now[0, 0, 0, 3] = np.inf
    for sort in SORTS:
        picture = drawn(kernel_of(now.shape), start, now, sort=sort)
        assert sorted(tile.number for tile in picture.tiles) == [0, 1, 2, 3]
        assert np.isfinite(picture.color_limits).all()
        assert "2 of all its numbers are NaN or infinite" in picture.caption
    notes = {tile.number: tile.note for tile in drawn(kernel_of(now.shape), start, now, sort="change").tiles}
    assert notes[0] == "0 %"
    assert notes[1] == "∞ %"
    assert notes[2] == "NaN"


def test_a_nan_in_any_channel_is_on_screen_in_the_strongest():
    values = np.ones((3, 3, 8, 4), np.float32)
    values[1, 1, 5, 2] = np.nan
    picture = drawn(kernel_of(values.shape), values, channels="strongest")
    assert picture.tiles[2].fixed[2] == "in_channels = 5"
    assert np.isnan(picture.cells[2, 1, 1, 0])


@given(st.floats(2.0**-100, 2.0**100, width=32), st.integers(0, 3))
@settings(max_examples=20)
def test_norms_are_right_at_every_scale(scale, which):
    values = np.zeros((3, 3, 2, 4), np.float32)
    values[..., which] = scale
    picture = drawn(kernel_of(values.shape), values, sort="norm")
    assert picture.tiles[0].number == which
    assert float(picture.tiles[0].note) == pytest.approx(scale * np.sqrt(18), rel=0.01)


def test_a_common_scale_is_that_of_all_pages_and_an_own_one_of_each_tile():
    values = np.ones((3, 3, 2, 100), np.float32)
    values[..., 99] = 7
    weight = kernel_of(values.shape)
    assert set(drawn(weight, values).color_limits) == {7}
    own = drawn(weight, values, colors="own", page="1")
    assert own.color_limits[0] == 1
    assert own.color_limits[-1] == 7
    assert not own.has_common_scale


def test_pages_show_every_filter_once_and_say_how_many_they_show():
    values = np.random.default_rng(1).normal(size=(3, 3, 2, 150)).astype(np.float32)
    weight = kernel_of(values.shape)
    pages = [drawn(weight, values, sort="norm", page=str(i)) for i in range(3)]
    assert sorted(tile.number for page in pages for tile in page.tiles) == list(range(150))
    assert "64 of 150 filters are shown" in pages[0].caption
    assert "22 of 150 filters are shown" in pages[2].caption


def test_the_caption_counts_what_changed():
    start = np.ones((3, 3, 2, 32), np.float32)
    now = start.copy()
    now[..., :24] *= 1.2
    assert (
        "24 of 32 filters changed by more than 10 % of their norm since the start, at most 20 %"
        in drawn(kernel_of(now.shape), start, now).caption
    )
    assert "changed" not in drawn(kernel_of(now.shape), start).caption


def test_changes_are_drawn_as_changes():
    start, now = np.random.default_rng(1).normal(size=(2, 3, 3, 2, 4)).astype(np.float32)
    picture = drawn(kernel_of(now.shape), start, now, quantity="since_start", channels="one", channel="1")
    np.testing.assert_array_equal(picture.cells[..., 0], np.moveaxis(now - start, -1, 0)[..., 1])
    assert isinstance(drawn(kernel_of(now.shape), start, quantity="since_last"), EmptyPicture)


def test_labels_and_blocks_are_told():
    weight = kernel_of((3, 3, 2, 4), labels={"filters": ("a", "b", "<b>c</b>", "d"), "in_channels": ("red", "nir")})
    picture = drawn(weight, np.ones(weight.shape), channels="one", channel="1")
    assert [tile.label for tile in picture.tiles] == ["a", "b", "<b>c</b>", "d"]
    assert picture.tiles[2].fixed == ("", "", 'in_channels = 1 "nir"', 'filters = 2 "<b>c</b>"')
    of_one = drawn(weight, np.ones(weight.shape), channels="filter", filter="3")
    assert [tile.label for tile in of_one.tiles] == ["red", "nir"]
    blocks = (Block("input gate", 0, 2), Block("forget gate", 2, 4))
    axes = (*weight.axes[:3], Axis("filters", 4, blocks=blocks, entry_name="filter", block_kind="gate", side="out"))
    gated = Weight("w", "kernel", "kernel", "m", weight.shape, "float32", axes)
    assert drawn(gated, np.ones(weight.shape)).tiles[3].fixed[3] == "filters = 3 (forget gate 1)"
    values = np.arange(72, dtype=np.float32).reshape(weight.shape)
    part = drawn(slice_blocks(gated, "forget gate"), values, channels="one")
    np.testing.assert_array_equal(part.cells[1, ..., 0], values[:, :, 0, 3])


def test_labels_of_a_depthwise_kernel_are_those_of_its_channels():
    shape, names = KERNELS["depthwise"]
    picture = drawn(kernel_of(shape, names, {"in_channels": ("a", "b", "c", "d")}), np.ones(shape))
    assert [tile.label for tile in picture.tiles] == ["a", "a", "b", "b", "c", "c", "d", "d"]


def test_a_sampled_kernel_says_why_it_cannot_be_drawn():
    values = np.ones((3, 3, 200, 200), np.float32)
    picture = filters_view.draw(kernel_of(values.shape), history_of(values, memory=900_000), Choice())
    assert isinstance(picture, EmptyPicture)
    assert "no filter is whole" in picture.caption


def test_a_single_place_says_that_there_is_nothing_spatial():
    shape, names = KERNELS["a single place"]
    assert "nothing spatial" in drawn(kernel_of(shape, names), np.ones(shape)).caption


@pytest.mark.parametrize("layer", [
    layers.Conv1D(4, 3), layers.Conv2D(4, 3), layers.Conv3D(4, 3), layers.Conv1DTranspose(4, 3), layers.Conv2DTranspose(4, 3),
    layers.Conv3DTranspose(4, 3), layers.DepthwiseConv1D(3), layers.DepthwiseConv2D(3), layers.SeparableConv1D(4, 3),
    layers.SeparableConv2D(4, 3), layers.Conv2D(4, 3, groups=2), layers.ConvLSTM2D(4, 3),
], ids=lambda layer: layer.name)  # fmt: skip
def test_the_view_is_of_convolution_kernels_and_of_nothing_else(layer):
    rank = int(next(letter for letter in type(layer).__name__ if letter.isdigit())) + isinstance(layer, layers.ConvLSTM2D)
    model = keras.Sequential([keras.Input((*[6] * rank, 2)), layer])
    explorer = WeightExplorer(model)
    for key, weight in explorer.catalog.weights.items():
        is_kernel = weight.role not in ("bias", "seed state")
        assert ("filters" in views_for(weight)) == is_kernel
        if not is_kernel:
            continue
        picture = filters_view.draw(weight, explorer.history, Choice())
        values = explorer.history.values(key)[-1]
        assert isinstance(picture, TilesPicture)
        if picture.cells.shape[-1] == 1:
            for place in np.ndindex(*picture.cells.shape):
                assert picture.cells[place] == values[index_of(picture, *place)]
    explorer.close()


def test_options_are_offered_only_where_they_mean_something():
    def names(shape, **options):
        weight, history = kernel_of(shape), history_of(np.ones(shape))
        return {
            offer.name: [o.key for o in offer.items]
            for offer in option_states(filters_view.OPTIONS, weight, history, chosen(**options))
        }

    assert set(names((3, 3, 1, 4))) == {"sort", "colors"}
    assert names((3, 3, 3, 4))["channels"][0] == "rgb"
    assert names((3, 3, 8, 4))["channels"][0] == "strongest"
    assert "channel" not in names((3, 3, 8, 4))
    assert "channel" in names((3, 3, 8, 4), channels="one")
    assert "filter" in names((3, 3, 8, 4), channels="filter")
    assert "page" in names((3, 3, 8, 65))
    assert names((3, 3, 8, 4))["sort"] == ["number", "norm", "similarity"]
    assert "similarity" not in names((3, 3, 1, 500))["sort"]


# -- the batch normalization that follows ------------------------------------------------------------------------------


def branching():
    """Two branches whose layers Keras lists side by side, as in a ResNet: first both convolutions, then what follows."""
    inputs = keras.Input((8, 8, 2))
    left, right = layers.Conv2D(4, 1, name="left")(inputs), layers.Conv2D(4, 1, name="right")(inputs)
    right = layers.ReLU()(right)
    normed = layers.BatchNormalization(name="left_norm")(left), layers.BatchNormalization(name="right_norm")(right)
    return keras.Model(inputs, layers.Conv2D(4, 1, name="last")(layers.Add()(normed)), name="m")


@pytest.mark.parametrize(("conv", "norm"), [("left", "left_norm"), ("right", "right_norm"), ("last", None)])
def test_the_normalization_that_follows_is_found_by_the_graph(conv, norm):
    catalog = read_catalog(branching())
    catalog = catalog_from_json(catalog_to_json(catalog))
    weight = next(weight for weight in catalog.weights.values() if weight.layer == f"m/{conv}")
    gamma = normalization_after(catalog, weight)
    assert (gamma.layer if gamma else None) == (f"m/{norm}" if norm else None)


class Written(keras.Model):
    """A model that is written as a class, and so has no graph."""

    def __init__(self):
        super().__init__(name="m")
        self.conv, self.norm, self.out = layers.Conv2D(4, 1), layers.BatchNormalization(name="n"), layers.Dense(4, name="out")

    def call(self, inputs):
        return self.out(self.norm(self.conv(inputs)))


def test_without_a_graph_the_next_in_the_tree_is_taken():
    model = Written()
    model(np.zeros((1, 4, 4, 2)))
    assert preceding_layer(model.norm) is None
    catalog = read_catalog(model)
    kernel = next(weight for weight in catalog.weights.values() if weight.role == "kernel")
    assert normalization_after(catalog, kernel).layer == "m/n"


def test_filters_are_sorted_by_the_size_of_gamma_at_the_record_on_screen():
    model = branching()
    explorer = WeightExplorer(model, record_every=1)
    model.get_layer("right_norm").gamma.assign([0.5, -3.0, 1.0, 2.0])
    model.get_layer("left_norm").gamma.assign([9.0, 8.0, 7.0, 6.0])
    explorer.record()
    weight = next(weight for weight in explorer.catalog.weights.values() if weight.layer == "m/right")
    options = chosen(sort="gamma").options
    newest, first = (filters_view.draw(weight, explorer.history, Choice(options=options, record=step)) for step in (None, 0))
    assert [tile.number for tile in newest.tiles] == [1, 3, 2, 0]
    assert newest.tiles[0].note == "3.00"
    assert "|gamma| of right_norm" in newest.caption
    assert [tile.number for tile in first.tiles] == [0, 1, 2, 3]
    explorer.close()


# -- figures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("sort", ["number", "norm", "similarity"])
def test_a_figure_has_each_tile_the_right_way_up_under_its_number(kernel, sort):
    shape, names = KERNELS[kernel]
    random = np.random.default_rng(1)
    values = random.normal(size=shape).astype(np.float32) * 0.1
    values[tuple(size - 1 for size in shape)] = 1
    picture = drawn(
        kernel_of(shape, names), values, sort=sort, channels="one", channel=str(shape[names.index("in_channels")] - 1)
    )
    axes = make_figure(picture, "title").axes[0]
    assert len(axes.images) == len(picture.tiles)
    for image, tile, cells in zip(axes.images, picture.tiles, picture.cells, strict=True):
        left, _, bottom, top = image.get_extent()
        assert image.origin == "upper"
        assert bottom > top
        np.testing.assert_array_equal(image.get_array(), colors.colorize(cells, picture.color_limits[0]))
        assert any(text.get_text() == str(tile.number) and text.get_position()[0] == left for text in axes.texts)
    assert axes.yaxis_inverted()


def test_zero_is_mid_gray_in_rgb_and_special_numbers_have_their_colors():
    cells = np.zeros((1, 4, 3), np.float32)
    cells[0, 1] = 1, -1, 0
    cells[0, 2, 1] = np.nan
    cells[0, 3, 2] = -np.inf
    image = colors.colorize(cells, 1.0)
    assert image[0].tolist() == [[128] * 3, [255, 0, 128], [0, 179, 0], [255, 212, 0]]


def test_a_special_number_is_seen_in_the_figure():
    values = np.ones((3, 3, 2, 60), np.float32)
    values[1, 2, 0, 33] = np.nan
    picture = imread(io.BytesIO(figure_png(make_figure(drawn(kernel_of(values.shape), values), "title"))))
    pixels = (picture[..., :3] * 255).round().astype(int).reshape(-1, 3)
    assert (pixels == (0, 179, 0)).all(axis=1).sum() > 10
