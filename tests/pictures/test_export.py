"""What is saved is what is drawn: files, tables and words."""

import csv
import io
import itertools
import json
import re
from dataclasses import dataclass, replace
from xml.etree import ElementTree

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers
from matplotlib.image import imread

from tests.views.test_matrix import SORTS, chosen, draw, labeled
from tests.views.test_views import CONV_NAMES
from weight_explorer import WeightExplorer
from weight_explorer.catalog.schema import Axis
from weight_explorer.panel.export import FORMATS
from weight_explorer.pictures.data import (
    Chart,
    ChartPicture,
    EmptyPicture,
    Mark,
    MatrixPicture,
    SpecialCounts,
    TilesPicture,
)
from weight_explorer.pictures.names import file_name
from weight_explorer.pictures.table import picture_csv, picture_table
from weight_explorer.pictures.text import describe_picture


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


def seen_of(picture):
    seen = picture.visible_cells
    return picture.cells[seen.top : seen.bottom, seen.left : seen.right]


def views_on(explorer):
    """Go through all views of the weight that is chosen in which something is drawn."""
    for view in [offer.key for offer in explorer._screen.state().views]:
        explorer.select(view=view)
        if not isinstance(picture_of(explorer), EmptyPicture):
            yield view


def picture_of(explorer):
    return explorer._screen.state().picture


def option_choices(explorer):
    """Yield every option of the view on screen with everything it offers; of sliders the last place."""
    for option in explorer._screen.state().options:
        if option.kind != "button":
            for key in [offer.key for offer in option.items] or [str(option.count - 1)]:
                yield option.name, key


@pytest.mark.parametrize(("layer", "role"), [("words", "embeddings"), ("lstm", "kernel"), ("conv", "kernel")], ids=str)
def test_under_every_option_of_every_view_table_and_words_are_those_of_the_picture(layer, role, zoo):
    zoo.select(layer, role=role, quantity="value", step="live", block="all")
    for view in views_on(zoo):
        for name, key in list(option_choices(zoo)):
            before = dict(zoo._screen._choice.options)
            zoo.select(view=view, **{name: key})
            if not isinstance(picture_of(zoo), EmptyPicture):
                assert list(picture_table(picture_of(zoo)).rows), (view, name, key)
                assert describe_picture(picture_of(zoo), "w").endswith(picture_of(zoo).caption)
            zoo._screen._choice = replace(zoo._screen._choice, options=before)


def look_at(explorer, top, bottom, left, right):
    """What the browser asks for when it is zoomed."""
    panel = explorer._panel.picture_area.matrix
    panel.window = json.dumps([picture_of(explorer).key, [top, bottom, left, right]])
    explorer._screen.answer()


@pytest.mark.parametrize("sort", ["as_is", "norm"])
def test_what_is_looked_at_closely_is_what_is_saved(sort, large):
    large.select("wide", role="kernel", view="matrix", quantity="value", step="live", cell="extreme", rows=sort)
    look_at(large, 10, 40, 1000, 1100)
    picture = picture_of(large)
    assert seen_of(picture).shape == (30, 100)
    text = large.to_csv()
    assert "# Only what is looked at: rows 10 to 39 of 700 and columns 1 000 to 1 099 of 1 100" in text
    frame = pd.read_csv(io.StringIO(text), comment="#", index_col=0)
    kernel = large._source.model.get_layer("wide").kernel.numpy()
    rows, columns = ([int(name.split()[1]) for name in names] for names in (frame.index, frame.columns))
    np.testing.assert_array_equal(frame.to_numpy(np.float32), kernel[np.ix_(rows, columns)])
    look_at(large, 0, 400, 0, 700)
    assert seen_of(picture_of(large)).size < 400 * 700
    look_at(large, 0, 700, 0, 1100)
    large.select(rows="as_is")


@dataclass(frozen=True)
class OtherPicture:
    tiles: np.ndarray
    charts: tuple
    caption: str = "A picture of another kind."


OTHER = OtherPicture(
    np.arange(6.0).reshape(2, 3), (Chart("", "x", "y", (Mark("line", "m", "now", np.arange(2.0), np.ones(2)),)),)
)


def test_a_kind_of_picture_without_a_writer_is_listed_number_by_number():
    rows = list(picture_table(OTHER).rows)
    assert ("tiles", "1 2", 5.0) in rows
    assert len(rows) == 10
    assert describe_picture(OTHER, "dense") == "dense. A picture of another kind."


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
    text = picture_csv(picture, "a\nb")
    assert text.splitlines()[:2] == ["# a b", "# Two lines."]
    lines = list(csv.reader(io.StringIO(text.partition("element.\n")[2])))
    assert lines[0][1:] == [f"units {i} {label}" for i, label in enumerate(labels)]
    assert lines[1][1:] == ["0.0", "1.0", "2.0", "3.0", "4.0"]


def test_a_reduced_matrix_says_that_its_cells_are_no_elements(large):
    large.select("wide", role="kernel", view="matrix", quantity="value", step="live")
    text = large.to_csv()
    assert "# The cells as drawn: each stands for 2 x 3 elements and is of those" in text
    frame = pd.read_csv(io.StringIO(text), comment="#", index_col=0)
    assert frame.index[0] == "input_dim 0 to input_dim 1"
    np.testing.assert_array_equal(frame.to_numpy(np.float32), picture_of(large).cells)


@pytest.mark.parametrize("view", ["distribution", "over_time"])
def test_the_table_of_charts_has_every_point(view, dense):
    dense.select("hidden", role="kernel", view=view, quantity="value", step="live")
    picture = picture_of(dense)
    frame = pd.read_csv(io.StringIO(dense.to_csv()), comment="#")
    assert list(frame.columns) == ["chart", "mark", "x", "x_end", "y", "upper"]
    measured = [mark for chart in picture.charts for mark in chart.marks if mark.kind != "rules"]
    ruled = sum(len(mark.x) for chart in picture.charts for mark in chart.marks if mark.kind == "rules")
    assert len(frame) == sum(len(mark.y) for mark in measured) + ruled
    drawn = np.concatenate([mark.y for mark in measured])  # NaN where fit told nothing, such as of an epoch that goes on
    np.testing.assert_array_equal(frame["y"].dropna(), drawn[~np.isnan(drawn)])


def test_the_table_of_ridges_has_where_each_begins(dense):
    dense.select("hidden", role="kernel", view="distribution", quantity="value", step="live", form="ridges")
    (mark,) = picture_of(dense).charts[0].marks
    frame = pd.read_csv(io.StringIO(dense.to_csv()), comment="#")
    np.testing.assert_array_equal(frame["upper"], mark.y.reshape(-1))
    np.testing.assert_array_equal(frame["y"], np.repeat(mark.y[:, 0], mark.y.shape[1]))
    dense.select(form="histogram")


def indexes(text, names):
    """Which element of each axis some names are of."""
    return {name: int(place) for name, place in re.findall(rf"\b({'|'.join(names)}) = (\d+)|$", text) if name} | {
        name: int(place) for name, place in re.findall(rf"\b({'|'.join(names)}) (\d+)", text)
    }


@pytest.mark.parametrize("channels", ["strongest", "one", "filter", "rgb"])
def test_every_row_of_the_table_of_tiles_leads_to_its_element(channels, zoo):
    zoo.select("conv", role="kernel", view="filters", quantity="value", step="live", channels=channels, sort="norm")
    kernel = zoo._source.model.get_layer("conv").kernel.numpy()
    frame = pd.read_csv(io.StringIO(zoo.to_csv()), comment="#", keep_default_na=False)
    names = [axis.name for axis in picture_of(zoo).axes]
    for row in frame.itertuples():
        found = indexes(f"{row.at}, {row.row}, {row.column}", names)
        assert row.value == pytest.approx(kernel[tuple(found[name] for name in names)], rel=1e-6)
    assert len(frame) == picture_of(zoo).cells.size
    zoo.select(channels="rgb", sort="number")


def test_the_table_of_rankings_has_all_that_is_ranked(zoo):
    zoo.select("lstm", role="kernel", view="units", quantity="value", step="live", block="all")
    frame = pd.read_csv(io.StringIO(zoo.to_csv()), comment="#")
    rankings = picture_of(zoo).rankings
    assert list(frame.columns) == ["ranking", "place", "name", "value", "was"]
    np.testing.assert_array_equal(frame["value"], np.concatenate([ranking.values for ranking in rankings]))
    assert list(frame["ranking"].unique()) == [ranking.title for ranking in rankings]
    assert frame["was"].notna().any()


def test_the_table_of_a_board_has_its_matrices_and_its_dots(dense):
    dense.select("out", role="kernel", view="compare", quantity="value", step="live")
    frame = pd.read_csv(io.StringIO(dense.to_csv()), comment="#")
    kernel = dense._source.model.get_layer("out").kernel.numpy()
    first = picture_of(dense).tiles[0][0]
    np.testing.assert_array_equal(frame[frame["part"] == first]["value"].to_numpy(np.float32), kernel.reshape(-1))
    dots = frame[frame["mark"] == "elements"]
    np.testing.assert_array_equal(dots["y"].to_numpy(np.float32), kernel.reshape(-1))


SHAPES = [
    ((5,), None),
    ((4, 5), None),
    ((2, 3, 4), ("kernel_length", "in_channels", "filters")),
    ((3, 2, 4, 5), CONV_NAMES),
    ((2, 3, 2, 2, 2), None),
]


def layouts_of(rank):
    """All that the options of the matrix view make of a weight of so many axes."""
    yield {}
    if rank > 2:
        for down, across in itertools.permutations(range(rank), 2):
            others = {f"axis_{axis}": "1" for axis in range(rank) if axis not in (down, across)}
            yield {"layout": "slice", "down": str(down), "across": str(across), **others}


@pytest.mark.parametrize(("shape", "names"), SHAPES, ids=str)
def test_the_names_in_the_table_of_a_matrix_lead_to_the_element_in_every_order_and_layout(shape, names):
    random = np.random.default_rng(1)
    before, values = random.normal(size=(2, *shape)).astype(np.float32)
    weight = labeled(shape, names)
    axes = [axis.name for axis in weight.axes]
    for layout, rows, columns in itertools.product(layouts_of(len(shape)), SORTS, ("as_is", "norm", "label")):
        picture = draw(values, chosen(rows=rows, columns=columns, **layout), weight, before)
        lines = list(csv.reader(line for line in picture_csv(picture, "w").splitlines() if not line.startswith("#")))
        assert (len(lines) - 1, len(lines[0]) - 1) == picture.cells.shape
        for line in lines[1:]:
            for name, number in zip(lines[0][1:], line[1:], strict=True):
                found = indexes(f"{picture.fixed_text}, {line[0]}, {name}", axes)
                assert np.float32(number) == values[tuple(found[axis] for axis in axes)]


def test_a_cell_of_many_sorted_rows_is_named_after_all_of_them():
    values = np.random.default_rng(1).normal(size=(1100, 600)).astype(np.float32)
    for shows, made in (("extreme", lambda part: part.flat[np.abs(part).argmax()]), ("mean", np.mean)):
        picture = draw(values, chosen(rows="norm", columns="mean", cell=shows))
        names = [axis.name for axis in (*picture.rows, *picture.columns)]
        table = picture_table(picture)
        for line in itertools.islice(table.rows, 0, None, 97):
            for number, name in list(zip(line[1:], table.columns[1:], strict=True))[::59]:
                rows = [int(i) for i in re.findall(rf"\b{names[0]} (\d+)", line[0])]
                columns = [int(i) for i in re.findall(rf"\b{names[1]} (\d+)", name)]
                assert number == pytest.approx(made(values[np.ix_(rows, columns)]), rel=1e-5)


def test_what_is_not_finite_is_in_the_table(dense_model):
    cells = np.array([[np.nan, np.inf], [-np.inf, 1]], np.float32)
    picture = MatrixPicture(cells, (Axis("a", 2),), (Axis("b", 2),), (0, 1), 1, 1, 1.0, "")
    frame = pd.read_csv(io.StringIO(picture_csv(picture, "x")), comment="#", index_col=0)
    np.testing.assert_array_equal(frame.to_numpy(np.float32), cells)


# -- files -------------------------------------------------------------------------------------------------------------


def test_names_of_files_hold_nothing_that_a_system_refuses():
    assert file_name("zoo/conv / kernel", "matrix", "epoch 4, batch 2") == "zoo_conv_kernel_matrix_epoch_4_batch_2"
    assert file_name("") == "weights"
    assert len(file_name("x" * 900)) < 200
    assert not set(file_name("../..", 'a:b\\c|d?e*f\0g"h<i>j')) & set('/\\:*?"<>|\0')


def test_every_view_is_saved_in_every_format(zoo):
    zoo.select("conv", role="kernel", quantity="value", step="live")
    views = list(views_on(zoo))
    assert {"matrix", "filters", "distribution", "over_time", "units", "compare"} <= set(views)
    for view in views:
        zoo.select(view=view)
        files = {name: zoo._screen.export(name) for name in FORMATS}
        assert {file.name for file in files.values()} == {
            f"zoo_conv_kernel_{view}_epoch_3.{suffix}" for suffix in ("png", "svg", "csv", "py")
        }
        assert imread(io.BytesIO(files["png"].content)).shape[:2] == (900, 1600)
        assert ElementTree.fromstring(files["svg"].content).tag.endswith("svg")
        assert files["csv"].content.decode() == zoo.to_csv()
        assert files["code"].content.decode() == zoo.code()


def test_where_nothing_is_drawn_nothing_is_saved():
    explorer = WeightExplorer(keras.Sequential([layers.Dense(3)]))
    for ask in (explorer.to_csv, explorer.code, *(lambda name=name: explorer._screen.export(name) for name in FORMATS)):
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


# -- words -------------------------------------------------------------------------------------------------------------


def test_every_picture_has_words_with_numbers(zoo):
    zoo.select("conv", role="kernel", quantity="value", step="live")
    for _ in views_on(zoo):
        picture = picture_of(zoo)
        words = describe_picture(picture, "conv / kernel")
        assert words.startswith("conv / kernel.")
        assert words.endswith(picture.caption)
        assert any(letter.isdigit() for letter in words.removesuffix(picture.caption))


def test_words_of_tiles_and_rankings_say_the_main_numbers(zoo):
    zoo.select("conv", role="kernel", view="filters", quantity="value", step="live")
    assert describe_picture(picture_of(zoo), "w").startswith("w. 6 tiles of 3 rows by 3 columns of red, green and blue, from -")
    assert "6 filters of 3 x 3" in zoo._panel.picture_area.widget_for("filters", TilesPicture).alternative
    zoo.select("lstm", view="units")
    (units, _) = picture_of(zoo).rankings
    told = ", ".join(f"{i + 1}. {units.names[i]} {units.numbers[i]}" for i in range(3))
    more = len(units.places) - 3 + units.num_left
    assert f"{units.title}: {told}, and {more} more." in describe_picture(picture_of(zoo), "w")


def test_words_of_a_matrix_count_what_is_not_finite():
    cells = np.array([[np.nan, 2], [-np.inf, -1]], np.float32)
    marks = SpecialCounts(nans=1, negative_infs=1)
    picture = MatrixPicture(cells, (Axis("a", 2),), (Axis("b", 2),), (0, 1), 1, 1, 2.0, "The value.", special_counts=marks)
    assert describe_picture(picture, "w") == "w. 2 rows by 2 columns, from -1 to 2, 1 NaN, 1 Inf. The value."
    nothing = replace(picture, cells=np.full((2, 2), np.nan, np.float32), marks=SpecialCounts(nans=4))
    assert describe_picture(nothing, "w") == "w. 2 rows by 2 columns, with no finite number, 4 NaN. The value."


def test_words_of_charts_say_ends_and_extremes_and_pass_over_gaps():
    x = np.arange(4.0)
    marks = (
        Mark("line", "mean", "now", x, np.array([np.nan, 3.0, 1.0, 2.0])),
        Mark("band", "spread", "now", x, np.zeros(4), np.full(4, 5.0)),
        Mark("line", "norm", "now", x, np.full(4, np.nan)),
    )
    words = describe_picture(ChartPicture((Chart("Norms", "epochs trained", "weight", marks),), "Four."), "w")
    assert words == (
        "w. Norms: weight by epochs trained. Mean: from 3 at 1 to 2 at 3, lowest 1, highest 3. "
        "Spread: from 0 up to 5 at 3. Norm: no number that can be drawn. Four."
    )


def test_the_words_on_screen_are_those_of_the_picture(dense):
    dense.select("hidden", role="kernel", view="distribution", quantity="value", step="live")
    scene = dense._screen.state()
    (section,) = dense._panel.picture_area.widget_for("distribution", ChartPicture)._words.sections
    assert section["text"] == describe_picture(scene.picture, scene.name)
    dense.select(view="matrix")
    scene = dense._screen.state()
    assert dense._panel.picture_area.matrix.alternative == describe_picture(scene.picture, scene.name)


def test_empty_pictures_speak_for_themselves():
    assert describe_picture(EmptyPicture("Nothing yet."), "w") == "w. Nothing yet."
