"""The script of what is on screen runs as it stands, and reads the very numbers that the panel shows."""

from dataclasses import replace

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from keras import layers

from weight_explorer import WeightExplorer
from weight_explorer.pictures.data import (
    ChartPicture,
    EmptyPicture,
    GridPicture,
    HeatmapPicture,
    MatrixPicture,
    RankingPicture,
    TilesPicture,
)
from weight_explorer.views.choice import resolve
from weight_explorer.views.overview.measures import MEASURES

QUANTITIES = ("value", "since_start", "since_last")


class Scale(layers.Layer):
    """Multiplies by one number."""

    def build(self, _):
        self.factor = self.add_weight(shape=(), initializer="ones", name="factor")

    def call(self, x):
        return x * self.factor


def build():
    keras.utils.set_random_seed(1)
    text, image = keras.Input((5,), dtype="int32"), keras.Input((6, 6, 3))
    words = layers.Embedding(20, 4, name="words")(text)
    seen = layers.MultiHeadAttention(2, 3, name="attention")(words, words)
    read = layers.LSTM(3, name="lstm")(seen)
    looked = layers.Flatten()(layers.Conv2D(4, 3, name="conv")(image))
    out = layers.Dense(2, name="out")(layers.concatenate([read, looked]))
    model = keras.Model([text, image], Scale(name="scale")(out), name="zoo")
    model.compile("adam", "mse", run_eagerly=True)
    return model


def data():
    random = np.random.default_rng(1)
    return [random.integers(0, 20, (32, 5)), random.random((32, 6, 6, 3))], random.random((32, 2))


def without_panel(explorer):
    """Close the panel, which nothing here looks at: drawing it takes longer than writing a script."""
    explorer._screen.close()
    return explorer


@pytest.fixture(scope="module")
def at_rest():
    return without_panel(WeightExplorer(build()))


@pytest.fixture(scope="module")
def trained():
    model = build()
    explorer = WeightExplorer(model, record_every=1)
    model.fit(*data(), epochs=2, batch_size=16, verbose=0, callbacks=[explorer.callback])
    return without_panel(explorer)


@pytest.fixture(scope="module")
def sampled():
    """A kernel of which a sample is kept."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((700,)), layers.Dense(1100, name="wide")], name="large")
    model.compile("adam", "mse")
    explorer = WeightExplorer(model, record_every=1, memory="4 MB")
    model.fit(np.ones((32, 700)), np.zeros((32, 1100)), epochs=2, batch_size=16, verbose=0, callbacks=[explorer.callback])
    return explorer


# -- what a script reads and draws ---------------------------------------------------------------------------------------


def scene_of(explorer):
    return explorer._screen.state()


def picture_of(explorer):
    return scene_of(explorer).picture


def views_on(explorer):
    """Go through all views of the weight that is chosen in which something is drawn."""
    for view in [offer.key for offer in scene_of(explorer).views]:
        explorer.select(view=view)
        if not isinstance(picture_of(explorer), EmptyPicture):
            yield view


def run(explorer, code):
    """Run it where `explorer` is defined, and `model` where there is one; return its names."""
    plt.close("all")
    model = explorer._source.model
    names = {"explorer": explorer} | ({"model": model} if model is not None else {})
    with np.errstate(all="ignore"):
        exec(compile(code, "script", "exec"), names)
    return names


def values_of(explorer):
    """Read what is on screen without the script: the selected weight in float32 or float64, or its change."""
    scene, choice, history = scene_of(explorer), explorer._screen.choice, explorer.history
    weight = resolve(explorer.catalog, choice).weight
    kept = history.records_with_values(weight.variable_key)
    place = kept.index(scene.record_slider.current)
    against = {"since_start": 0, "since_last": place - 1}.get(choice.quantity)
    arrays = history.values(weight.variable_key, weight.index).astype(np.float32)
    is_value = against is None or scene.view in ("compare", "initializer")
    return arrays[place] if is_value else arrays[place] - arrays[against]


def images():
    return [np.ma.filled(axes.images[0].get_array(), np.nan) for axes in plt.gcf().axes if axes.images]


def assert_matrix(names, picture):
    cells = names["cells"]
    if picture.row_step * picture.column_step == 1 and not picture.viewport:
        cells = cells if picture.row_order is None else whole_rows(cells, picture.rows, picture.row_order)
        cells = cells if picture.column_order is None else whole_rows(cells.T, picture.columns, picture.column_order).T
        np.testing.assert_array_equal(cells, picture.cells)
    assert cells.shape == picture.size
    limit = picture.limit or 1.0
    assert plt.gcf().axes[0].images[0].get_clim() == pytest.approx((-limit, limit), rel=1e-3)


def whole_rows(cells, axes, order):
    return cells.reshape(axes[0].size, -1, cells.shape[1])[order].reshape(cells.shape)


def assert_tiles(names, picture):
    is_rgb, limit = picture.cells.shape[-1] == 3, picture.color_limits.max() or 1
    expected = np.clip(0.5 + picture.cells / (2 * limit), 0, 1) if is_rgb else picture.cells[..., 0]
    np.testing.assert_allclose(images(), expected, rtol=1e-5, atol=1e-3 if is_rgb else 0)
    assert len(names["places"]) == len(picture.tiles)


def assert_board(names, picture):
    np.testing.assert_array_equal(images(), [part.cells for _, part in picture.pictures[:3]])
    assert_charts(names, picture.pictures[3][1])


def assert_charts(names, picture):
    """Every line and every histogram that is drawn is one of the panel's."""
    marks = [mark for chart in picture.charts for mark in chart.marks]
    lines = [line.get_ydata() for line in plt.gcf().axes[-1].lines]
    ends = [end for mark in marks if mark.kind in ("line", "dots", "band") for end in (mark.y, mark.upper)]
    shown = [end for end in ends if end is not None]
    if any(mark.kind == "ridges" for mark in marks):
        lines = []
        assert (names["histograms"].counts.sum(axis=1) > 0).all()
    for line in lines:
        assert any(line.shape == other.shape and is_same(line, other) for other in shown)
    of_blocks = len(picture.charts) > 1 or any(mark.color.startswith("series") for mark in marks)
    for name in [] if of_blocks or "bins" not in names else [name for name in names if name == "values" or "record_" in name]:
        counts = np.histogram(names[name][np.isfinite(names[name])], names["bins"])[0]
        steps = [mark.y for mark in marks if mark.kind == "steps"]  # a number on an edge may be rounded into the next bin
        assert any(np.abs(np.cumsum(counts - each)).max() <= 1 and counts.sum() == each.sum() for each in steps)
    assert lines or "bins" in names or "histograms" in names


def is_same(line, other):
    """Whether a line is that of the panel, where a logarithmic axis may show how large its numbers are."""
    is_shown = np.isfinite(other)
    return any(np.allclose(each[is_shown], other[is_shown], 1e-4, 1e-6) for each in (line, np.abs(line)))


def assert_rankings(names, picture):
    assert list(names["rankings"]) == [ranking.title for ranking in picture.rankings]
    for axes, ranking in zip(plt.gcf().axes, picture.rankings, strict=True):
        widths = [bar.get_width() for bar in axes.patches]
        count = len(widths) if ranking.ranks[-1] == len(widths) else len(widths) - 1  # the last one is picked
        np.testing.assert_allclose(widths[:count], ranking.values[:count], rtol=1e-4)


def assert_table(names, picture):
    found, expected = names["table"].loc[list(picture.weight_keys)].to_numpy(), picture.values()
    assert found.shape == expected.shape
    is_known = np.isfinite(expected) & (expected != 0)
    np.testing.assert_allclose(found[is_known], expected[is_known], rtol=1e-4)


ASSERT = {
    MatrixPicture: assert_matrix,
    TilesPicture: assert_tiles,
    GridPicture: assert_board,
    ChartPicture: assert_charts,
    RankingPicture: assert_rankings,
    HeatmapPicture: assert_table,
}


def assert_script(explorer):
    """The script of what is on screen runs, is short, and reads its numbers; return it."""
    code, picture = explorer.code(), picture_of(explorer)
    assert len([line for line in code.splitlines() if line and not line.startswith("#")]) <= 24
    names = run(explorer, code)
    if "values" in names and "by" not in {option.name for option in scene_of(explorer).options}:
        np.testing.assert_array_equal(names["values"], values_of(explorer))
    ASSERT[type(picture)](names, picture)
    return code


# -- every view, weight and quantity -------------------------------------------------------------------------------------

WEIGHTS = [
    ("words/embeddings", "all"),
    ("attention/query/kernel", "all"),
    ("lstm_cell/kernel", "all"),
    ("lstm_cell/kernel", "forget gate"),
    ("lstm_cell/bias", "output gate"),
    ("conv/kernel", "all"),
    ("out/kernel", "all"),
    ("out/bias", "all"),
    ("scale/factor", "all"),
]


@pytest.mark.parametrize("state", ["at_rest", "trained"])
@pytest.mark.parametrize(("key", "block"), WEIGHTS, ids=str)
def test_every_view_of_every_quantity_has_a_script_that_reads_its_numbers(key, block, state, request):
    explorer = request.getfixturevalue(state)
    explorer.select(weight=key, block=block, step="live")
    for quantity in QUANTITIES:
        explorer.select(quantity=quantity)
        seen = [assert_script(explorer) for _ in views_on(explorer)]
        assert seen


def option_choices(explorer):
    """Yield every option of the view on screen with everything it offers; of sliders the last place."""
    for option in scene_of(explorer).options:
        if option.kind != "button":
            for key in [offer.key for offer in option.items] or [str(option.count - 1)]:
                yield option.name, key


@pytest.mark.parametrize("key", ["lstm_cell/kernel", "conv/kernel"])
def test_every_option_of_every_view_has_one(key, trained):
    trained.select(weight=key, quantity="value", step="live", block="all")
    for view in views_on(trained):
        for name, chosen in list(option_choices(trained)):
            before = dict(trained._screen._choice.options)
            trained.select(view=view, **{name: chosen})
            if not isinstance(picture_of(trained), EmptyPicture):
                assert_script(trained)
            trained._screen._choice = replace(trained._screen._choice, options=before)


KERNELS = {
    "1-D": ((9, 3), layers.Conv1D(4, 5)),
    "1-D of one channel": ((9, 1), layers.Conv1D(4, 5)),
    "3-D": ((4, 4, 4, 2), layers.Conv3D(3, 2)),
    "depthwise": ((5, 5, 3), layers.DepthwiseConv2D(3, depth_multiplier=2)),
    "transposed": ((4, 4, 2), layers.Conv2DTranspose(3, 2)),
}


@pytest.mark.parametrize("kind", KERNELS)
def test_the_filters_of_every_convolution_have_one(kind):
    shape, layer = KERNELS[kind]
    keras.utils.set_random_seed(1)
    explorer = without_panel(WeightExplorer(keras.Sequential([keras.Input(shape), layer])))
    explorer.select(layer, role="kernel", view="filters")
    choices = list(option_choices(explorer)) or [("colors", "common")]
    for name, chosen in choices:
        before = dict(explorer._screen._choice.options)
        explorer.select(**{name: chosen})
        assert_script(explorer)
        explorer._screen._choice = replace(explorer._screen._choice, options=before)


def test_a_page_of_filters_has_one():
    layer = layers.Conv2D(70, 3)
    explorer = without_panel(WeightExplorer(keras.Sequential([keras.Input((5, 5, 2)), layer])))
    explorer.select(layer, role="kernel", view="filters", channels="strongest", page="1")
    assert len(picture_of(explorer).tiles) == 6
    assert_script(explorer)


@pytest.mark.parametrize("statistic", MEASURES)
def test_the_table_of_all_weights_has_one(statistic, trained):
    trained.select(trained.catalog.root.path, view="overview", statistic=statistic)
    assert isinstance(picture_of(trained), HeatmapPicture)
    assert_script(trained)


# -- where the numbers are read ------------------------------------------------------------------------------------------


def test_values_at_rest_are_read_from_the_model_and_those_of_a_record_from_the_history(trained):
    trained.select(weight="out/kernel", view="matrix", quantity="value", step="live", block="all")
    assert 'values = model.get_layer("out").kernel.numpy()' in trained.code()
    number = trained.history.records_with_values("out/kernel")[2]
    trained.select(step=number)
    assert f"values = explorer.history.values_at('out/kernel', {number})" in assert_script(trained)
    assert ["model." in assert_script(trained) for _ in views_on(trained)].count(True) == 0
    trained.select(view="matrix", quantity="since_last", step="live")
    assert "values = now - before" in trained.code()


def test_two_records_are_compared_as_chosen(trained):
    trained.select(weight="out/kernel", view="matrix", step="live", block="all")
    trained.compare(2)
    names = run(trained, trained.code())
    arrays = trained.history.values("out/kernel")
    np.testing.assert_array_equal(
        names["values"], arrays[-1] - arrays[trained.history.records_with_values("out/kernel").index(2)]
    )
    trained.select(view="over_time")
    assert "against=2" in trained.code()
    assert_charts(run(trained, trained.code()), picture_of(trained))
    trained.select(view="compare", against="record")
    assert_board(run(trained, trained.code()), picture_of(trained))
    trained.compare(None)


def test_another_weight_is_compared_by_its_own_values(trained):
    keys = [key for key in trained.catalog.weights if key.endswith(("query/kernel", "key/kernel"))]
    trained.select(weight=keys[0], view="compare", quantity="value", step="live", block="all", against=f"weight {keys[1]}")
    names = run(trained, trained.code())
    np.testing.assert_array_equal(names["other"], trained.history.values(keys[1])[-1])


def test_pinned_elements_are_followed(trained):
    trained.select(weight="out/kernel", view="over_time", quantity="since_start", step="live", block="all")
    trained.pin("out/kernel", (3, 1))
    trained.select(lines="pins")
    assert "'kernel[3, 1]', 'out/kernel', np.s_[3, 1]" in assert_script(trained)
    trained.select(view="matrix")
    assert "# The panel also marks some of the elements" in trained.code()
    trained.pin("out/kernel", (3, 1))


def test_while_a_training_runs_the_past_is_read(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every=1)
    codes = []

    class During(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            codes.append(explorer.code())

    dense_model.fit(*training_data, verbose=0, callbacks=[explorer.callback, During()])
    assert "explorer.history.values_at('dense_model/hidden/kernel'" in codes[-1]
    assert "model.get_layer" not in codes[-1]
    assert "model.get_layer" in explorer.code()


def test_a_saved_run_needs_no_model(trained, tmp_path):
    trained.history.save(tmp_path / "run.h5")
    loaded = WeightExplorer.load(tmp_path / "run.h5")
    for key in ("conv/kernel", "lstm_cell/recurrent_kernel"):
        loaded.select(weight=key, quantity="value")
        assert [assert_script(loaded) for _ in views_on(loaded)]
    loaded.close()


def test_of_a_sample_what_is_not_kept_is_nan(sampled):
    key = "large/wide/kernel"
    indexes, samples = sampled.history.samples(key)
    for quantity in ("value", "since_start"):
        sampled.select(weight=key, quantity=quantity, step="live")
        expected = samples[-1] - (samples[0] if quantity == "since_start" else 0)
        for view in views_on(sampled):
            if view in ("compare", "initializer"):
                continue  # of values
            names = run(sampled, sampled.code())
            if "values" in names:
                np.testing.assert_array_equal(names["values"].flat[indexes], expected)
                assert np.isfinite(names["values"]).sum() == len(indexes), view


def test_where_no_values_are_kept_recorded_histograms_are_read():
    model = keras.Sequential([keras.Input((400,)), layers.Dense(400, use_bias=False, name="wide")], name="large")
    explorer = WeightExplorer(model, memory=5_000)
    assert explorer.history.records_with_values("large/wide/kernel") == ()
    explorer.select(weight="large/wide/kernel", view="distribution")
    names = run(explorer, explorer.code())
    assert plt.gca().patches
    assert names["histograms"].counts.sum() == 400 * 400


def test_numbers_that_are_not_float32_or_not_finite():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(5, name="half", dtype="bfloat16"), layers.Dense(4, name="int")])
    model.get_layer("int").quantize("int8")
    broken = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="half")])
    broken.get_layer("half").kernel.assign([[np.nan, 1], [np.inf, -1], [-np.inf, 0]])
    for each, layer in ((model, "half"), (model, "int"), (broken, "half")):
        explorer = WeightExplorer(each)
        explorer.select(layer, role="kernel")
        assert {"matrix", "distribution", "units"} <= set(views_on(explorer))
        for _ in views_on(explorer):
            values = run(explorer, explorer.code()).get("values", values_of(explorer))
            np.testing.assert_array_equal(values, values_of(explorer))
            assert values.dtype == np.float32


def test_what_the_panel_does_beyond_is_said(trained):
    trained.select(weight="conv/kernel", view="matrix", quantity="value", step="live", rows="norm", block="all")
    code = trained.code()
    assert "The panel says: The value, at record" in code
    assert "# Here rows and columns are in the array's own order." in code
    trained.select(rows="as_is")
    assert "own order" not in trained.code()


def test_where_nothing_is_drawn_there_is_no_script():
    explorer = WeightExplorer(keras.Sequential([layers.Dense(3)]))
    with pytest.raises(ValueError, match=r"There is no picture to save. Not built yet"):
        explorer.code()
