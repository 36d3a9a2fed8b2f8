"""The widget without a screen: what arrives from the browser changes what is shown, as real comm messages."""

import threading

import ipywidgets
import keras
import numpy as np
import pytest
from keras import layers

from weight_explorer import WeightExplorer
from weight_explorer.pictures.chart import widget
from weight_explorer.pictures.data import Chart, ChartPicture, Mark
from weight_explorer.views.registry import VIEWS


def send(widget, **state):
    """Deliver a message as the browser's would arrive."""
    message = {"content": {"data": {"method": "update", "state": state, "buffer_paths": []}}, "buffers": []}
    widget.comm.handle_msg(message)


@pytest.fixture
def explorer(reader_model):
    explorer = WeightExplorer(reader_model)
    yield explorer
    explorer.close()


def cells(explorer):
    matrix = explorer._panel.picture_area.matrix
    return np.frombuffer(matrix.cells, "<f4").reshape(matrix.shape)


def labels(choices):
    return [label for _, label in choices.options]


def test_it_shows_the_first_weight_at_once(explorer, reader_model):
    assert labels(explorer._panel.roles) == ["Kernel", "Recurrent", "Bias", "Seed state"]
    kernel = reader_model.get_layer("encoder_lstm").forward_layer.cell.kernel.numpy()
    np.testing.assert_array_equal(cells(explorer), kernel)


def test_a_click_on_the_tree_a_tab_and_a_view_is_answered(explorer, reader_model):
    panel = explorer._panel
    send(panel.tree, selected="reader/out")
    assert labels(panel.roles) == ["Kernel", "Bias"]
    np.testing.assert_array_equal(cells(explorer), reader_model.get_layer("out").kernel.numpy())
    send(panel.roles, selected="bias")
    assert panel.picture_area.matrix.shape == [1, 4]
    send(panel.views, selected="distribution")
    assert panel.picture_area.widget_for("distribution", ChartPicture).layout.visibility == "visible"
    assert panel.picture_area.matrix.layout.visibility == "hidden"


def test_the_second_selector_chooses_the_direction(explorer, reader_model):
    panel = explorer._panel
    send(panel.tree, selected="reader/encoder_lstm")
    assert panel.weights.label == "direction"
    assert labels(panel.weights) == ["forward", "backward"]
    send(panel.weights, selected=panel.weights.options[1][0])
    backward = reader_model.get_layer("encoder_lstm").backward_layer.cell.kernel.numpy()
    np.testing.assert_array_equal(cells(explorer), backward)
    send(panel.tree, selected="reader/out")
    assert labels(panel.weights) == ["kernel"]


def test_the_expression_on_screen_is_the_catalogs(explorer, reader_model):
    codes = [section["code"] for section in explorer._panel.explanation.sections if section["kind"] == "code"]
    (weight,) = [weight for weight in explorer.catalog.weights.values() if weight.expression == codes[0]]
    assert eval(weight.expression, {"model": reader_model}) is explorer.catalog.variables[weight.key]


def test_it_tells_how_to_make_it_move_before_training_and_no_longer_after(dense_model, training_data):
    explorer = WeightExplorer(dense_model)
    assert explorer._panel.callback_code.sections[0]["code"] == "callbacks=[explorer.callback]"
    dense_model.fit(*training_data, verbose=0, callbacks=[explorer.callback])
    assert explorer._panel.callback_code.sections == []
    assert explorer._panel.status.text.startswith("finished · epoch 1 of 1")


def test_folds_and_filter_stay_through_training_and_rebuilds(dense_model, training_data):
    explorer = WeightExplorer(dense_model)
    tree = explorer._panel.tree
    send(tree, folded=["dense_model"], filter="hid")
    dense_model.get_layer("hidden").trainable = False
    dense_model.compile("sgd", "mse")
    dense_model.fit(*training_data, verbose=0, callbacks=[explorer.callback])
    assert tree.folded == ["dense_model"]
    assert tree.filter == "hid"
    assert [row["name"] for row in tree.rows if "frozen" in row["marks"]] == ["hidden"]


def test_a_choice_after_set_weights_reads_the_model_anew(explorer, reader_model):
    out = reader_model.get_layer("out")
    out.kernel.assign(np.full(out.kernel.shape, 7.0))
    send(explorer._panel.tree, selected="reader/out")
    assert (cells(explorer) == 7).all()
    assert explorer.history.records[-1].kind == "outside"


class Late(keras.Model):
    def __init__(self):
        super().__init__(name="late")
        self.dense = layers.Dense(3, name="dense")

    def call(self, inputs):
        return self.dense(inputs)


@pytest.mark.parametrize(
    "make", [Late, lambda: keras.Sequential([layers.Dense(3, name="dense")], name="late")], ids=["subclassed", "sequential"]
)
@pytest.mark.parametrize("eagerly", [False, True], ids=["graph", "eager"])
def test_an_unbuilt_model_says_so_and_fills_in_by_itself(make, eagerly, training_data):
    model = make()
    explorer = WeightExplorer(model)
    panel = explorer._panel
    assert "Not built yet" in panel.picture_area.message.sections[0]["text"]
    assert panel.picture_area.message.layout.visibility == "visible"
    assert all("not built" in row["marks"] for row in panel.tree.rows)
    model.compile("sgd", "mse", run_eagerly=eagerly)
    model.fit(*training_data, verbose=0, callbacks=[explorer.callback])
    assert labels(panel.roles) == ["Kernel", "Bias"]
    np.testing.assert_array_equal(cells(explorer), model.get_layer("dense").kernel.numpy())
    assert not any("not built" in row["marks"] for row in panel.tree.rows)


def test_a_model_built_by_hand_fills_in_at_the_next_click():
    model = Late()
    explorer = WeightExplorer(model)
    model(np.zeros((1, 4)))
    send(explorer._panel.tree, selected="late/dense")
    np.testing.assert_array_equal(cells(explorer), model.dense.kernel.numpy())


def test_a_model_without_weights_says_so(training_data):
    model = keras.Sequential([keras.Input((6,)), layers.Flatten(name="flat")], name="bare")
    explorer = WeightExplorer(model)
    assert "holds no weights" in explorer._panel.picture_area.message.sections[0]["text"]
    assert explorer._panel.roles.options == []


@pytest.mark.parametrize(
    ("argument", "words"),
    [(3, "got int: 3"), (keras.Model, "the class Model"), ("model", "got str: model"), (layers.Dense(2), "got Dense")],
    ids=["number", "class", "text", "layer"],
)
def test_what_is_no_model_is_refused_with_what_came_and_how_to_fix_it(argument, words):
    with pytest.raises(TypeError, match=words) as error:
        WeightExplorer(argument)
    assert "WeightExplorer(model)" in str(error.value)


def test_a_misspelt_keyword_is_answered_with_the_nearest(dense_model):
    with pytest.raises(TypeError, match=r"'recordevery'.*Did you mean 'record_every'"):
        WeightExplorer(dense_model, recordevery=3)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"layer": "hiden"}, "Did you mean 'hidden'"),
        ({"layer": "hidden", "role": "kernle"}, "Did you mean 'kernel'"),
        ({"view": "matrx"}, "Did you mean 'matrix'"),
        ({"quantity": "since start"}, "Did you mean 'since_start'"),
        ({"weight": "nothing"}, "no weight 'nothing'"),
        ({"step": 99}, "Record 99"),
    ],
    ids=lambda value: "",
)
def test_a_selection_that_does_not_exist_is_refused_and_changes_nothing(dense_model, choice, words):
    explorer = WeightExplorer(dense_model)
    explorer.select("out", role="bias")
    before = explorer._screen.choice
    with pytest.raises(ValueError, match=words):
        explorer.select(**choice)
    assert explorer._screen.choice == before
    assert explorer._panel.tree.selected == "dense_model/out"


def test_select_takes_the_layer_itself(dense_model):
    explorer = WeightExplorer(dense_model)
    explorer.select(dense_model.get_layer("out"), role="bias", view="over_time", quantity="since_start")
    panel = explorer._panel
    assert (panel.tree.selected, panel.roles.selected, panel.views.selected) == ("dense_model/out", "bias", "over_time")
    assert panel.quantities.selected == "since_start"


def test_text_and_fallbacks_say_what_there_is(dense_model, training_data):
    explorer = WeightExplorer(dense_model)
    dense_model.fit(*training_data, verbose=0, callbacks=[explorer.callback])
    assert "dense_model/hidden/kernel  (6, 5) = (input_dim, units)" in str(explorer)
    assert "finished" in repr(explorer)
    bundle = explorer._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert len(bundle["image/png"]) < 100_000
    assert "\n" not in bundle["text/html"]


def test_names_with_markup_reach_no_html():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, name="a")], name="<script>alert(1)")
    bundle = WeightExplorer(model)._repr_mimebundle_()
    assert "<script>" not in bundle["text/html"]


@pytest.fixture
def messages(monkeypatch):
    """All that any widget sends, the opening of new ones included."""
    sent = []
    open_widget = ipywidgets.Widget.open
    monkeypatch.setattr(ipywidgets.Widget, "_send", lambda self, message, buffers=None: sent.append(message["method"]))
    monkeypatch.setattr(ipywidgets.Widget, "open", lambda self: (sent.append("comm_open"), open_widget(self)))
    return sent


def test_an_update_of_the_screen_takes_at_most_thirty_messages(explorer, messages):
    views = [view for view in VIEWS if view != "filters"]  # there is no convolution
    for view in (*views, *views):
        for quantity in ("value", "since_start"):
            explorer.select(view=view, quantity=quantity)
    for layer in ("out", "encoder_lstm"):
        for view in views:
            messages.clear()
            explorer.select(layer, view=view)
            assert 0 < len(messages) <= 30, view


def test_going_back_and_forth_makes_no_new_widgets(explorer, messages):
    def tour():
        for view in ("matrix", "distribution", "over_time", "units", "compare"):
            for quantity in ("value", "since_start", "since_last"):
                explorer.select(view=view, quantity=quantity)

    explorer._source.model.get_layer("out").bias.assign(np.ones(4))
    explorer.select("out", role="bias")
    tour()
    messages.clear()
    tour()
    tour()
    assert "comm_open" not in messages


def test_once_the_page_shows_the_panel_no_view_of_the_weight_makes_widgets_any_more(explorer, messages):
    choice, picture = explorer._screen.choice, explorer._screen.state().picture.caption
    send(explorer._panel.status, seen=True)
    assert messages.count("comm_open") > 20
    assert explorer._screen.choice is choice
    assert explorer._screen.state().picture.caption == picture
    assert [panel.layout.visibility for panel in explorer._panel.picture_area.children].count("visible") == 1
    messages.clear()
    for view in ("distribution", "over_time", "units", "compare", "spectrum", "matrix"):
        send(explorer._panel.views, selected=view)
    assert messages
    assert "comm_open" not in messages


def test_only_the_answer_to_a_click_counts_as_one(explorer):
    answered = explorer._panel.status.answered
    explorer._screen.draw()
    assert explorer._panel.status.answered == answered
    send(explorer._panel.tree, selected="reader/out")
    assert explorer._panel.status.answered > answered


def test_weights_that_changed_without_the_callback_are_said_to_have(explorer, reader_model):
    reader_model.get_layer("out").kernel.assign(np.zeros((20, 4)))
    send(explorer._panel.tree, selected="reader/out")
    assert explorer._panel.status.words.startswith("changed, but not by fit with this callback")
    assert explorer._panel.callback_code.sections


def test_an_lstm_says_how_its_bias_starts(explorer):
    bias = explorer.catalog.weights["reader/encoder_lstm/forward_lstm/lstm_cell/bias"]
    assert bias.initializer == "Zeros, forget gate at 1"
    recurrent = explorer.catalog.weights["reader/encoder_lstm/forward_lstm/lstm_cell/recurrent_kernel"]
    assert recurrent.initializer == "Orthogonal"


def test_nothing_is_sent_where_nothing_changed(explorer, monkeypatch):
    sent = []
    status = explorer._panel.status
    for each in explorer._panel._known_widgets.values():
        if each is not status:
            monkeypatch.setattr(each, "_send", lambda *args, w=each, **kw: sent.append(w))
    explorer._screen.draw()
    assert sent == []


def test_clicks_from_another_thread_are_never_lost(dense_model, training_data):
    """The choice made last is the one on screen, however drawing and clicking interleave."""
    explorer = WeightExplorer(dense_model, record_every=1)
    explorer.select("out", role="bias")
    panel = explorer._panel
    done = threading.Event()
    rounds = []

    def click():
        while not done.is_set():
            for path in ("dense_model/hidden", "dense_model/out"):
                for role in ("kernel", "bias"):
                    send(panel.tree, selected=path)
                    send(panel.roles, selected=role)
                    rounds.append((path, role))
                    assert (explorer._screen.choice.layer, explorer._screen.choice.role) == (path, role)

    thread = threading.Thread(target=click)
    thread.start()
    try:
        dense_model.fit(*training_data, epochs=10, verbose=0, callbacks=[explorer.callback])
    finally:
        done.set()
        thread.join()
    assert len(rounds) > 8
    assert not explorer.callback.status.problem
    assert (panel.tree.selected, panel.roles.selected) == rounds[-1]
    shown = dense_model.get_layer("out").bias.numpy()
    np.testing.assert_array_equal(cells(explorer)[0], shown)


def test_closing_takes_the_widgets_away_and_leaves_the_history(dense_model):
    explorer = WeightExplorer(dense_model)
    widgets = list(explorer._panel._known_widgets.values())
    explorer.close()
    assert all(widget.comm is None for widget in widgets)
    assert explorer.history.values("dense_model/out/bias").shape == (1, 3)
    explorer.close()


def test_charts_of_many_shapes_keep_a_bounded_number_of_widgets_and_those_that_are_shown():
    panel, x = widget.ChartsWidget(), np.arange(3.0)
    for number in range(1, 30):
        marks = tuple(Mark("line", "", "now", x, x) for _ in range(number))
        picture = ChartPicture((Chart("", "", "", marks), Chart("", "", "", marks[:1], is_log=True)), "")
        panel.show(picture, "weight")
        assert len(panel.children) == 3
        assert all(child.comm is not None for child in panel.children)
        assert sum(len(chart.parts) for chart in panel._charts.values()) <= widget.MAX_WIDGETS
    assert len(panel._charts) > 2
