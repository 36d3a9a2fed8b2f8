"""What is saved is what is drawn: files, tables, words, and code that really runs."""

import csv
import io
from dataclasses import dataclass, replace
from xml.etree import ElementTree

import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from keras import layers
from matplotlib.image import imread

from weight_explorer import WeightExplorer
from weight_explorer.catalog.nodes import Axis
from weight_explorer.panels.code import code_of
from weight_explorer.panels.export import FORMATS
from weight_explorer.views.names import file_name
from weight_explorer.views.origins import Origins
from weight_explorer.views.pictures import Chart, ChartPicture, EmptyPicture, Mark, MatrixPicture
from weight_explorer.views.registry import VIEWS
from weight_explorer.views.table import csv_of, table_of
from weight_explorer.views.words import words_of

QUANTITIES = ("value", "since_start", "since_last")


def fitted(model, x, y, **keywords):
    model.compile("adam", "mse")
    explorer = WeightExplorer(model, record_every=1, **keywords)
    model.fit(x, y, epochs=3, batch_size=16, verbose=0, callbacks=[explorer.callback])
    return explorer


@pytest.fixture(scope="module")
def dense():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(5, name="hidden"), layers.Dense(3, name="out")], name="small")
    random = np.random.default_rng(1)
    return fitted(model, random.random((48, 6)), random.random((48, 3)))


@pytest.fixture(scope="module")
def zoo():
    keras.utils.set_random_seed(1)
    text = keras.Input((5,), dtype="int32")
    image = keras.Input((8, 8, 3))
    x = layers.LSTM(4, name="lstm")(layers.Embedding(40, 8, name="words")(text))
    y = layers.BatchNormalization(name="norm")(layers.Conv2D(6, 3, name="conv")(image))
    model = keras.Model([text, image], layers.Dense(2, name="out")(layers.concatenate([x, layers.Flatten()(y)])), name="zoo")
    random = np.random.default_rng(1)
    return fitted(model, [random.integers(0, 40, (48, 5)), random.random((48, 8, 8, 3))], random.random((48, 2)))


@pytest.fixture(scope="module")
def large():
    """A kernel that has more elements than the screen has cells, and one that is sampled."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((700,)), layers.Dense(1100, name="wide"), layers.Dense(2, name="out")], name="large")
    random = np.random.default_rng(1)
    return fitted(model, random.random((48, 700)), random.random((48, 2)), memory="20 MB")


@pytest.fixture(scope="module")
def sampled():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((700,)), layers.Dense(1100, name="wide"), layers.Dense(2, name="out")], name="large")
    random = np.random.default_rng(1)
    return fitted(model, random.random((48, 700)), random.random((48, 2)), memory="4 MB")


def run(code, explorer, folder=None, monkeypatch=None):
    """Run the code in a namespace that has what its user has, and return the figure it made and its names."""
    plt.close("all")
    names = {"model": explorer._source.model, "explorer": explorer}
    exec(compile(code, "as code", "exec"), names)
    figure = plt.figure(plt.get_fignums()[0]) if plt.get_fignums() else None
    return figure, names


def assert_drawn(figure, picture):
    """What matplotlib was given is what the picture holds: to the last bit for a matrix, and for charts mark by mark."""
    if isinstance(picture, MatrixPicture):
        (image,) = figure.axes[0].images
        cells = np.ma.filled(np.ma.masked_invalid(np.asarray(image.get_array(), np.float32)), np.nan)
        np.testing.assert_array_equal(cells, np.where(np.isfinite(picture.cells), picture.cells, np.nan))
        assert image.get_clim() == pytest.approx((-(picture.limit or 1), picture.limit or 1))
        return
    for axes, chart in zip(figure.axes, picture.charts, strict=True):
        lines = iter(axes.lines)
        fills = iter(axes.collections)
        stairs = iter([patch for patch in axes.patches if hasattr(patch, "get_data")])
        for mark in chart.marks:
            if mark.kind == "steps":
                values, edges, _ = next(stairs).get_data()
                np.testing.assert_array_equal(values, mark.y)
                np.testing.assert_array_equal(edges, mark.x)
            elif mark.upper is not None:
                (path,) = next(fills).get_paths()
                drawn = np.concatenate([mark.y, mark.upper])
                assert np.isin(drawn[np.isfinite(drawn)].round(9), path.vertices[:, 1].round(9)).all()
            else:
                line = next(lines)
                np.testing.assert_array_equal(line.get_xdata(), mark.x)
                np.testing.assert_array_equal(line.get_ydata(), mark.y)
        assert axes.get_xlabel() == chart.x_label
        assert axes.get_ylabel() == chart.y_label
        assert (axes.get_yscale() == "log") == chart.log


def picture_of(explorer):
    return explorer._screen.scene().picture


# -- code --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("view", VIEWS)
def test_the_code_of_every_view_draws_what_is_drawn(view, quantity, dense):
    for role in ("kernel", "bias"):
        dense.select("out", role=role, view=view, quantity=quantity, step="live")
        figure, _ = run(dense.code(), dense)
        assert_drawn(figure, picture_of(dense))


@pytest.mark.parametrize("view", VIEWS)
def test_the_code_of_an_earlier_record_reads_the_past(view, dense):
    number = dense.history.steps("small/hidden/kernel")[2]
    dense.select("hidden", role="kernel", view=view, quantity="value", step=number)
    code = dense.code()
    figure, _ = run(code, dense)
    assert_drawn(figure, picture_of(dense))
    assert "model." not in code


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    ("layer", "role", "block"),
    [
        ("words", "embeddings", None),
        ("lstm", "kernel", None),
        ("lstm", "kernel", "forget gate"),
        ("lstm", "recurrent", "output gate"),
        ("lstm", "bias", None),
        ("conv", "kernel", None),
        ("norm", "gamma", None),
        ("norm", "moving mean", None),
    ],
    ids=str,
)
def test_the_code_of_every_kind_of_weight_draws_what_is_drawn(layer, role, block, view, zoo):
    for quantity in QUANTITIES:
        zoo.select(layer, role=role, view=view, quantity=quantity, block=block or "all", step="live")
        figure, _ = run(zoo.code(), zoo)
        assert_drawn(figure, picture_of(zoo))


def test_the_code_of_values_is_computed_and_not_copied(dense):
    """Of the views that there are the code says how its numbers come about, instead of writing them out."""
    for view in ("matrix", "distribution", "over_time"):
        dense.select("hidden", role="kernel", view=view, quantity="value", step="live")
        assert "np.array(" not in dense.code(), view


@pytest.mark.parametrize("view", VIEWS)
def test_the_code_of_a_reduced_matrix_draws_the_same_cells(view, large):
    large.select("wide", role="kernel", view=view, quantity="value", step="live")
    figure, _ = run(large.code(), large)
    assert_drawn(figure, picture_of(large))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("quantity", ["value", "since_start"])
def test_the_code_of_a_sampled_weight_draws_the_same(view, quantity, sampled, tmp_path, monkeypatch):
    sampled.select("wide", role="kernel", view=view, quantity=quantity, step="live")
    assert sampled.history.column("large/wide/kernel").sample is not None
    monkeypatch.chdir(tmp_path)
    sampled.to_csv(sampled._screen.exported("csv").name)
    figure, _ = run(sampled.code(), sampled)
    assert_drawn(figure, picture_of(sampled))


def test_code_of_what_is_not_finite(dense_model):
    explorer = WeightExplorer(dense_model)
    values = dense_model.get_layer("hidden").kernel.numpy()
    values[0, :3] = np.nan, np.inf, -np.inf
    dense_model.get_layer("hidden").kernel.assign(values)
    for view in VIEWS:
        explorer.select("hidden", role="kernel", view=view)
        figure, _ = run(explorer.code(), explorer)
        assert_drawn(figure, picture_of(explorer))


def test_code_of_weights_that_are_not_float32():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(5, name="half", dtype="bfloat16"), layers.Dense(4, name="int")])
    model.get_layer("int").quantize("int8")
    explorer = WeightExplorer(model)
    for layer in ("half", "int"):
        for view in VIEWS:
            explorer.select(layer, role="kernel", view=view)
            figure, _ = run(explorer.code(), explorer)
            assert_drawn(figure, picture_of(explorer))


@dataclass(frozen=True)
class OtherPicture:
    tiles: np.ndarray
    charts: tuple
    caption: str = "A picture of another kind."


OTHER = OtherPicture(
    np.arange(6.0).reshape(2, 3), (Chart("", "x", "y", (Mark("line", "m", "now", np.arange(2.0), np.ones(2)),)),)
)


def test_a_kind_of_picture_without_a_writer_is_listed_number_by_number():
    names = {}
    exec(code_of(OTHER, "other", Origins(), "other.csv"), names)
    np.testing.assert_array_equal(names["arrays"]["tiles"], OTHER.tiles)
    np.testing.assert_array_equal(names["arrays"]["charts.0.marks.0.y"], [1, 1])
    rows = list(table_of(OTHER).rows)
    assert ("tiles", "1 2", 5.0) in rows
    assert len(rows) == 10
    assert words_of(OTHER, "dense") == "dense. A picture of another kind."


# -- tables ------------------------------------------------------------------------------------------------------------


def test_the_table_of_a_matrix_is_what_pandas_and_numpy_know(zoo):
    zoo.select("conv", role="kernel", view="matrix", quantity="value", step="live")
    frame = pd.read_csv(io.StringIO(zoo.to_csv()), comment="#", index_col=0)
    kernel = zoo._source.model.get_layer("conv").kernel.numpy()
    assert frame.loc["in_channels 1 kernel_height 2", "filters 4 kernel_width 0"] == pytest.approx(kernel[2, 0, 1, 4], rel=1e-7)
    np.testing.assert_array_equal(frame.to_numpy(np.float32), picture_of(zoo).cells)


def test_labels_of_users_stand_in_the_table_whatever_they_are():
    labels = ("a,b", '"quoted"', "#hash", "line\nbreak", "=1+1")
    picture = MatrixPicture(
        np.arange(5, dtype=np.float32)[None], (Axis("", 1),), (Axis("units", 5, labels=labels),), (0,), 1, 1, 4.0, "Two\nlines."
    )
    text = csv_of(picture, "a\nb")
    assert text.splitlines()[:2] == ["# a b", "# Two lines."]
    lines = list(csv.reader(io.StringIO(text.partition("element.\n")[2])))
    assert lines[0][1:] == [f"units {i} {label}" for i, label in enumerate(labels)]
    assert lines[1][1:] == ["0.0", "1.0", "2.0", "3.0", "4.0"]


def test_a_reduced_matrix_says_that_its_cells_are_no_elements(large):
    large.select("wide", role="kernel", view="matrix", quantity="value", step="live")
    text = large.to_csv()
    assert "# The cells as drawn: each is the element farthest from zero of 2 x 3." in text
    frame = pd.read_csv(io.StringIO(text), comment="#", index_col=0)
    assert frame.index[0] == "input_dim 0 to input_dim 1"
    np.testing.assert_array_equal(frame.to_numpy(np.float32), picture_of(large).cells)


@pytest.mark.parametrize("view", [view for view in VIEWS if view != "matrix"])
def test_the_table_of_charts_has_every_point(view, dense):
    dense.select("hidden", role="kernel", view=view, quantity="value", step="live")
    picture = picture_of(dense)
    if not isinstance(picture, ChartPicture):
        pytest.skip("no charts")
    frame = pd.read_csv(io.StringIO(dense.to_csv()), comment="#")
    assert list(frame.columns) == ["chart", "mark", "x", "x_end", "y", "upper"]
    marks = [mark for chart in picture.charts for mark in chart.marks]
    assert len(frame) == sum(len(mark.y) for mark in marks)
    np.testing.assert_array_equal(frame["y"], np.concatenate([mark.y for mark in marks]))


def test_what_is_not_finite_is_in_the_table(dense_model):
    cells = np.array([[np.nan, np.inf], [-np.inf, 1]], np.float32)
    picture = MatrixPicture(cells, (Axis("a", 2),), (Axis("b", 2),), (0, 1), 1, 1, 1.0, "")
    frame = pd.read_csv(io.StringIO(csv_of(picture, "x")), comment="#", index_col=0)
    np.testing.assert_array_equal(frame.to_numpy(np.float32), cells)


# -- files -------------------------------------------------------------------------------------------------------------


def test_names_of_files_hold_nothing_that_a_system_refuses():
    assert file_name("zoo/conv / kernel", "matrix", "epoch 4, batch 2") == "zoo_conv_kernel_matrix_epoch_4_batch_2"
    assert file_name("") == "weights"
    assert len(file_name("x" * 900)) < 200
    assert not set(file_name("../..", 'a:b\\c|d?e*f\0g"h<i>j')) & set('/\\:*?"<>|\0')


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_saved_in_every_format(view, dense):
    dense.select("hidden", role="kernel", view=view, quantity="value", step="live")
    files = {name: dense._screen.exported(name) for name in FORMATS}
    assert {file.name for file in files.values()} == {
        f"small_hidden_kernel_{view}_epoch_3.{suffix}" for suffix in ("png", "svg", "csv", "py")
    }
    assert imread(io.BytesIO(files["png"].content)).shape[:2] == (900, 1600)
    assert ElementTree.fromstring(files["svg"].content).tag.endswith("svg")
    assert files["csv"].content.decode() == dense.to_csv()
    assert files["code"].content.decode() == dense.code()


def test_where_nothing_is_drawn_nothing_is_saved():
    explorer = WeightExplorer(keras.Sequential([layers.Dense(3)]))
    for ask in (explorer.to_csv, explorer.code, *(lambda name=name: explorer._screen.exported(name) for name in FORMATS)):
        with pytest.raises(ValueError, match=r"There is no picture to save. Not built yet"):
            ask()


def order(explorer, name, mark="1"):
    """What the browser sends, and all that comes back."""
    panel, sent = explorer._panel.save, []
    panel.send = lambda content, buffers=None: sent.append((content, buffers))
    panel._handle_custom_msg({"order": mark, "format": name}, [])
    explorer._screen.answer()
    del panel.send
    return sent


def test_an_order_is_answered_with_one_message_and_a_buffer(dense):
    dense.select("hidden", role="kernel", view="matrix", quantity="value", step="live")
    before = dense._panel.status.answered
    ((content, (buffer,)),) = order(dense, "csv", "7")
    assert content == {
        "order": "7", "format": "csv", "name": "small_hidden_kernel_matrix_epoch_3.csv", "mime": "text/csv;charset=utf-8",
    }  # fmt: skip
    assert buffer.decode() == dense.to_csv()
    assert dense._panel.status.answered > before  # which takes "kernel busy" off the screen


def test_an_order_that_cannot_be_met_says_why():
    explorer = WeightExplorer(keras.Sequential([layers.Dense(3)]))
    ((content, buffers),) = order(explorer, "png")
    assert content["problem"].startswith("There is no picture to save. Not built yet")
    assert buffers is None


@pytest.mark.parametrize("message", ["png", {"format": "exe"}, {}, None, {"format": ["png"]}], ids=str)
def test_a_message_that_is_no_order_does_nothing(message, dense):
    panel, sent = dense._panel.save, []
    panel.send = lambda content, buffers=None: sent.append(content)
    panel._handle_custom_msg(message, [])
    dense._screen.answer()
    del panel.send
    assert sent == []


def test_while_a_training_runs_code_reads_the_past(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every=1)
    codes = []

    class During(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            codes.append(explorer.code())

    dense_model.fit(*training_data, verbose=0, callbacks=[explorer.callback, During()])
    assert "explorer.history.value('dense_model/hidden/kernel'" in codes[-1]
    assert "model.get_layer" not in codes[-1]
    assert "model.get_layer" in explorer.code()


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS)
def test_every_picture_has_words_with_numbers(view, dense):
    dense.select("hidden", role="kernel", view=view, quantity="value", step="live")
    picture = picture_of(dense)
    words = words_of(picture, "hidden / kernel")
    assert words.startswith("hidden / kernel.")
    assert words.endswith(picture.caption)
    assert any(letter.isdigit() for letter in words.removesuffix(picture.caption))


def test_words_of_a_matrix_count_what_is_not_finite():
    cells = np.array([[np.nan, 2], [-np.inf, -1]], np.float32)
    picture = MatrixPicture(cells, (Axis("a", 2),), (Axis("b", 2),), (0, 1), 1, 1, 2.0, "The value.")
    assert words_of(picture, "w") == "w. 2 rows by 2 columns, from -1 to 2, 1 NaN, 1 Inf. The value."
    nothing = replace(picture, cells=np.full((1, 1), np.nan, np.float32))
    assert words_of(nothing, "w") == "w. 1 row by 1 column, with no finite number, 1 NaN. The value."


def test_words_of_charts_say_ends_and_extremes_and_pass_over_gaps():
    x = np.arange(4.0)
    marks = (
        Mark("line", "mean", "now", x, np.array([np.nan, 3.0, 1.0, 2.0])),
        Mark("band", "spread", "now", x, np.zeros(4), np.full(4, 5.0)),
        Mark("line", "norm", "now", x, np.full(4, np.nan)),
    )
    words = words_of(ChartPicture((Chart("Norms", "epochs trained", "weight", marks),), "Four."), "w")
    assert words == (
        "w. Norms: weight by epochs trained. Mean: from 3 at 1 to 2 at 3, lowest 1, highest 3. "
        "Spread: from 0 up to 5 at 3. Norm: no number that can be drawn. Four."
    )


def test_the_words_on_screen_are_those_of_the_picture(dense):
    dense.select("hidden", role="kernel", view="distribution", quantity="value", step="live")
    scene = dense._screen.scene()
    (section,) = dense._panel.stage.panel("distribution", ChartPicture)._words.sections
    assert section["text"] == words_of(scene.picture, scene.name)
    dense.select(view="matrix")
    scene = dense._screen.scene()
    assert dense._panel.stage.matrix.alternative == words_of(scene.picture, scene.name)


def test_empty_pictures_speak_for_themselves():
    assert words_of(EmptyPicture("Nothing yet."), "w") == "w. Nothing yet."
