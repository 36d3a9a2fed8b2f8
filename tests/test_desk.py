"""The row of deeds, without a browser: orders are done to what was on screen and answered in words, or refused whole."""

import json
import threading
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from tests.backends import needs_live_weights
from weight_explorer import WeightExplorer
from weight_explorer.views.brush import read_brush
from weight_explorer.views.meant import DEEDS, Answer, Desk, Possible

KERNEL = "m/hidden/kernel"
LSTM = "m/reader/lstm_cell/kernel"


@pytest.fixture
def model():
    keras.utils.set_random_seed(4)
    model = keras.Sequential(
        [keras.Input((5, 6)), layers.LSTM(7, name="reader"), layers.Dense(3, name="hidden"), layers.Dense(2, name="out")],
        name="m",
    )
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    return model


@pytest.fixture
def explorer(model):
    explorer = WeightExplorer(model)
    explorer.select("hidden", role="kernel")
    return explorer


DATA = np.random.default_rng(0).random((64, 5, 6)), np.random.default_rng(1).random((64, 2))


def order(explorer, deed, value="", **other):
    """Order a deed as the browser does: by a message, which the screen then answers."""
    desk = explorer._panel.desk
    desk._take(None, {"id": f"{id(other)}-{deed}", "deed": deed, "target": desk.target, "value": value, **other}, None)
    explorer._screen.answer()
    return desk.said, desk.is_refused


def bits(explorer, key=KERNEL):
    return np.array(explorer.catalog.variables[key].numpy()).view(np.uint32)


def test_it_is_closed_until_it_is_opened_and_says_what_is_meant(explorer):
    desk = explorer._panel.desk
    assert (desk.is_open, desk.meant, desk.refusal, desk.undo) == (False, "all 21 elements of kernel", "", "")
    explorer.select("reader", role="kernel", block="forget gate")
    assert desk.meant == "forget gate of kernel: 42 elements"


def test_a_gate_is_frozen_bit_by_bit_and_the_rest_trains(explorer, model):
    explorer.select("reader", role="kernel", block="forget gate")
    words, is_refused = order(explorer, "freeze")
    assert words.startswith("42 of 168 elements are frozen. It holds from the next step on.")
    assert not is_refused
    before = bits(explorer, LSTM)
    model.fit(*DATA, epochs=2, verbose=0, callbacks=[explorer.callback])
    same = bits(explorer, LSTM) == before
    assert same[:, 7:14].all()
    assert not np.delete(same, np.s_[7:14], axis=1).any()
    assert order(explorer, "unfreeze") == ("Nothing of it is frozen any more. It holds from the next step on.", False)
    assert order(explorer, "unfreeze")[1]


def test_values_are_set_and_undone_bit_by_bit_and_stand_on_the_time_axis(explorer):
    before, desk = bits(explorer), explorer._panel.desk
    words, is_refused = order(explorer, "set", " -2.5e-1 ")
    assert (words, is_refused) == ("Set to -0.25: all 21 elements of kernel. It is record 1 on the time axis.", False)
    assert (explorer.catalog.variables[KERNEL].numpy() == -0.25).all()
    assert desk.undo == f"assigned -0.25 to all of {KERNEL}"
    assert explorer.history.records[-1].kind == "edited"
    assert explorer._panel.time.shown == 1  # the picture shows the new record
    assert order(explorer, "undo")[0].startswith("Undone: assigned -0.25")
    np.testing.assert_array_equal(bits(explorer), before)
    assert desk.undo == ""
    assert order(explorer, "undo") == (
        "There is no edit to undo: explorer.assign and explorer.reinitialize make them.",
        True,
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("abc", "'abc' is no number: write it as 0.5, -1e-3, nan or inf."),
        ("0,5", "'0,5' is no number: write it with a point, 0.5."),
        ("", "Which number? Write it in the field."),
        ("1e99", f"1e+99 cannot be held by '{KERNEL}', whose type is float32."),
        ("9" * 50, f"1e+50 cannot be held by '{KERNEL}', whose type is float32."),
        ("1 2", "'1 2' is no number: write it as 0.5, -1e-3, nan or inf."),
    ],
)
def test_what_is_no_number_is_refused_with_a_reason_and_nothing_changes(explorer, value, words):
    before = bits(explorer)
    assert order(explorer, "set", value) == (words, True)
    np.testing.assert_array_equal(bits(explorer), before)
    assert explorer.history.num_recorded == 1


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "0", "-0.0", "7"])
def test_every_number_that_the_weight_can_hold_is_taken(explorer, value):
    assert not order(explorer, "set", value)[1]
    np.testing.assert_array_equal(explorer.catalog.variables[KERNEL].numpy(), np.full((7, 3), float(value), np.float32))


def test_what_was_on_screen_when_it_was_ordered_is_meant_or_nothing(explorer):
    desk, before = explorer._panel.desk, bits(explorer)
    target = desk.target
    explorer.select("out", role="kernel")
    words, is_refused = order(explorer, "set", "1", target=target)
    assert is_refused
    assert "another selection" in words
    np.testing.assert_array_equal(bits(explorer), before)
    assert explorer.history.num_recorded == 1


def test_what_is_brushed_is_meant_before_gate_and_weight(explorer):
    asked = {"weight": KERNEL, "base": [0, 0], "axes": [[0], [1]], "sizes": [[7], [3]], "spans": [[[1, 3]], [[0, 2]]]}
    brush = read_brush(explorer.catalog.weights, json.dumps(asked))
    explorer._screen.choose(lambda choice: replace(choice, brush=brush))
    explorer._screen.answer()
    before = explorer.catalog.variables[KERNEL].numpy()
    assert explorer._panel.desk.meant == "input_dim 1 to 2 by units 0 to 1 of kernel: 4 elements"
    assert not order(explorer, "set", "9")[1]
    before[1:3, 0:2] = 9
    np.testing.assert_array_equal(explorer.catalog.variables[KERNEL].numpy(), before)
    assert order(explorer, "freeze")[0].startswith("4 of 21 elements are frozen.")
    explorer.select(view="initializer", initializer="Zeros")
    assert not order(explorer, "initialize")[1]
    before[1:3, 0:2] = 0
    np.testing.assert_array_equal(explorer.catalog.variables[KERNEL].numpy(), before)


def test_two_orders_in_a_row_are_both_done(explorer):
    desk = explorer._panel.desk
    for number in ("1", "2"):
        desk._take(None, {"id": number, "deed": "set", "target": desk.target, "value": number}, None)
    explorer._screen.answer()
    assert [step.name[:10] for step in explorer.history.records[1:]] == ["assigned 1", "assigned 2"]
    assert desk.answered == "2"


@pytest.mark.parametrize("message", [None, "set", [], {"deed": "explode"}, {"deed": ["set"]}, {"deed": "set"}, {}])
def test_messages_of_another_kind_do_nothing(explorer, message):
    before = bits(explorer)
    explorer._panel.desk._take(None, message, None)
    explorer._screen.answer()
    np.testing.assert_array_equal(bits(explorer), before)


def test_what_the_optimizer_does_not_move_is_not_frozen_and_says_why(model):
    model.get_layer("hidden").trainable = False
    explorer = WeightExplorer(model)
    explorer.select("hidden", role="kernel")
    words, is_refused = order(explorer, "freeze")
    assert is_refused
    assert "moved by no optimizer" in words


@needs_live_weights
def test_during_a_fit_edits_are_refused_and_a_freeze_says_when_it_holds(explorer, model):
    """As in the page: another thread takes the click while the main one trains."""
    answers, frozen_at = {}, []
    at_work, answered = threading.Event(), threading.Event()

    def click():
        at_work.wait(60)
        for deed in DEEDS:
            answers[deed] = order(explorer, deed, "0.5")
        answered.set()

    class Meet(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 2:
                at_work.set()
                assert answered.wait(60)
                frozen_at.append(bits(explorer))

    clicks = threading.Thread(target=click)
    clicks.start()
    model.fit(*DATA, batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=[explorer.callback, Meet()])
    clicks.join()
    assert answers["set"] == ("A training is running, and would go on from other weights. Assign when it has ended.", True)
    assert answers["undo"][1]
    assert answers["initialize"][1]
    assert answers["freeze"][0].startswith(
        "All 21 elements are frozen. It holds from the end of the batch that is being trained."
    )
    assert "edited" not in {step.kind for step in explorer.history.records}
    assert explorer._session.status.problem == ""


class Pressing(keras.callbacks.Callback):
    """Somebody who presses every button that is to be refused, as long as the fit runs."""

    def __init__(self, explorer):
        super().__init__()
        self.explorer, self.stop, self.answers = explorer, threading.Event(), []
        self.thread = threading.Thread(target=self.press)

    def press(self):
        while not self.stop.is_set():
            self.answers += [order(self.explorer, deed, "0.5") for deed in ("set", "initialize", "undo")]

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0:  # once every callback knows of the training
            self.thread.start()

    def on_train_end(self, logs=None):
        self.stop.set()
        self.thread.join()


@pytest.mark.parametrize("view", ["matrix", "initializer"])
def test_a_fit_in_which_edits_are_refused_is_bit_identical(model, view):
    start, values = model.get_weights(), []
    for with_orders in (False, True):
        keras.utils.set_random_seed(11)
        model.set_weights(start)
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
        explorer = WeightExplorer(model)
        explorer.select("hidden", role="kernel", view=view)
        pressing = [Pressing(explorer)] if with_orders else []
        model.fit(*DATA, batch_size=8, epochs=6, verbose=0, callbacks=[*pressing, explorer.callback])
        values.append([value.tobytes() for value in model.get_weights()])
    assert values[0] == values[1]
    assert len(pressing[0].answers) > 3
    assert {is_refused for _, is_refused in pressing[0].answers} == {True}


def test_there_are_no_deeds_on_a_training_that_is_over(explorer, model, tmp_path):
    model.fit(*DATA, verbose=0, callbacks=[explorer.callback])
    explorer.history.save(tmp_path / "run.h5")
    loaded = WeightExplorer.load(tmp_path / "run.h5", model)
    before = bits(explorer)
    assert loaded._panel.desk.refusal == "There is no live model here to change."
    for deed in DEEDS:
        assert order(loaded, deed, "1") == ("There is no live model here to change.", True)
    np.testing.assert_array_equal(bits(explorer), before)
    with pytest.raises(ValueError, match="training that is over"):
        loaded.initializers = {"mine": np.zeros}


def test_an_edit_of_a_layer_that_is_called_twice_shows_at_both_places():
    inputs = [keras.Input((4,), name="left"), keras.Input((4,), name="right")]
    shared = layers.Dense(3, name="shared")
    model = keras.Model(inputs, layers.Concatenate()([shared(each) for each in inputs]), name="twice")
    explorer = WeightExplorer(model)
    explorer.select("shared", role="kernel")
    order(explorer, "set", "0.5")
    left, right = model.predict([np.eye(4), np.eye(4)], verbose=0).reshape(4, 2, 3).swapaxes(0, 1)
    assert (left == 0.5).all()
    assert (right == 0.5).all()


def test_an_edit_of_tied_embeddings_shows_at_every_place():
    class Tied(layers.Layer):
        def __init__(self, embedding, **kwargs):
            super().__init__(**kwargs)
            self.embedding = embedding

        def call(self, x):
            return keras.ops.matmul(x, keras.ops.transpose(self.embedding.embeddings))

    embedding = layers.Embedding(6, 4, name="words")
    tokens = keras.Input((3,), dtype="int32")
    model = keras.Model(tokens, Tied(embedding, name="scores")(embedding(tokens)), name="tied")
    explorer = WeightExplorer(model)
    places = []
    for place in ("words", "scores"):
        explorer.select(place)
        order(explorer, "set", "0.25" if place == "words" else "2")
        places.append(explorer._panel.desk.target)
        assert (embedding.embeddings.numpy() == (0.25 if place == "words" else 2)).all()
    assert places[0] == places[1]
    order(explorer, "undo")
    assert (embedding.embeddings.numpy() == 0.25).all()


def test_what_was_said_goes_with_what_it_was_said_of(explorer):
    order(explorer, "set", "1")
    explorer.select("out", role="kernel")
    assert explorer._panel.desk.said == ""


def test_a_desk_without_a_weight_says_so():
    assert (Desk(None, Possible()).words, Desk(None, Possible()).refusal) == ("This layer shows no weight.",) * 2
    assert Answer("done").is_refused is False
