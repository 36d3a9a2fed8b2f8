"""The first promise: the explorer never hurts the training, and shows what went wrong instead."""

import functools
import inspect
import signal
import subprocess
import sys
import textwrap
from time import perf_counter

import keras
import numpy as np
import pytest
from keras import layers

from tests.backends import BACKEND, needs_many_steps, not_on
from weight_explorer import WeightExplorer
from weight_explorer.jupyter import kernel
from weight_explorer.training.callback import never_raises


def train(data, *, explore, clicker=None, **options):
    keras.utils.set_random_seed(11)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(3),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse", **options)
    explorer = WeightExplorer(model, record_every=1) if explore else None
    callbacks = [explorer.callback] if explorer else []
    if clicker:
        callbacks.append(clicker(explorer))
    model.fit(*data, epochs=4, batch_size=8, verbose=0, callbacks=callbacks, validation_split=0.2)
    return model, explorer


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param(
            {"jit_compile": True}, marks=not_on("torch", why="torch.compile warns of itself, and warnings are errors here")
        ),
        {"jit_compile": False},
        pytest.param({"steps_per_execution": 3}, marks=needs_many_steps),
        {"run_eagerly": True},
    ],
    ids=["default", "jit", "no jit", "steps_per_execution", "eager"],
)
def test_training_is_bit_identical_with_the_explorer(training_data, options):
    plain, _ = train(training_data, explore=False, **options)
    explored, explorer = train(training_data, explore=True, **options)
    assert explorer.callback.status.phase == "finished"
    assert not explorer.callback.status.problem
    assert explorer.history.num_recorded > 4
    for a, b in zip(plain.get_weights(), explored.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


class Clicker(keras.callbacks.Callback):
    """Goes through all views and quantities while the model trains."""

    def __init__(self, explorer):
        super().__init__()
        self.explorer = explorer

    def on_train_batch_end(self, batch, logs=None):
        view = ("matrix", "distribution", "over_time")[batch % 3]
        self.explorer.select(view=view, quantity=("value", "since_start", "since_last")[batch // 3 % 3])


def test_training_is_bit_identical_while_views_are_changed(training_data):
    plain, _ = train(training_data, explore=False)
    explored, explorer = train(training_data, explore=True, clicker=Clicker)
    assert not explorer.callback.status.problem
    for a, b in zip(plain.get_weights(), explored.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


HOOKS = ["on_train_begin", "on_epoch_begin", "on_train_batch_end", "on_epoch_end", "on_train_end"]


def break_hook(hook, callback, monkeypatch):
    """Have this hook of ours do its work and then raise."""
    work = inspect.unwrap(getattr(type(callback), hook))

    def broken(self, *args, **options):
        work(self, *args, **options)
        raise RuntimeError(f"broken in {hook}")

    monkeypatch.setattr(type(callback), hook, never_raises(broken))


@pytest.mark.parametrize("hook", HOOKS)
def test_an_error_in_a_hook_is_shown_and_the_training_goes_on(hook, dense_model, training_data, monkeypatch, caplog):
    explorer = WeightExplorer(dense_model, record_every=1)
    break_hook(hook, explorer.callback, monkeypatch)
    history = dense_model.fit(*training_data, epochs=2, verbose=0, callbacks=[explorer.callback])
    assert len(history.history["loss"]) == 2
    assert f"broken in {hook}" in explorer.callback.status.problem
    explorer.select("hidden")
    assert f"broken in {hook}" in explorer._panel.status.problem
    assert sum(f"broken in {hook}" in str(record.exc_info) for record in caplog.records) == 1
    explorer.select("out", view="over_time")
    assert explorer._panel.tree.selected == "dense_model/out"


@pytest.mark.parametrize(
    "part", ["_source.recorder.record", "history.append", "_panel.show", "_screen.draw", "_source.refresh_catalog"]
)
def test_an_error_in_any_part_never_reaches_fit(part, dense_model, training_data, monkeypatch):
    explorer = WeightExplorer(dense_model, record_every=1)
    *way, name = part.split(".")
    owner = functools.reduce(getattr, way, explorer)

    def broken(*args, **options):
        raise RuntimeError("broken part")

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, broken)
        dense_model.fit(*training_data, epochs=2, verbose=0, callbacks=[explorer.callback])
    assert "broken part" in explorer.callback.status.problem
    dense_model.fit(*training_data, epochs=1, verbose=0, callbacks=[explorer.callback])
    assert explorer.callback.status.phase == "finished"
    assert not explorer.callback.status.problem


SCRIPT = """
import os, signal, threading
import keras, numpy as np
from keras import layers
from IPython.core.interactiveshell import InteractiveShell

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
shell = InteractiveShell.instance()
shell.run_cell('''
import keras, numpy as np, os, signal
from keras import layers
from weight_explorer import WeightExplorer
model = keras.Sequential([keras.Input((6,)), layers.Dense(5, name="a")])
model.compile("sgd", "mse")
explorer = WeightExplorer(model, record_every=1)

class Interrupt(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 5:
            os.kill(os.getpid(), signal.SIGINT)

class Fail(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 5:
            raise ValueError("of the user's own")
''')
shell.run_cell('''
{cell}
''')
explorer = shell.user_ns["explorer"]
print("PHASE", explorer.callback.status.phase, explorer._panel.status.phase)
explorer.select("a", role="bias")
now = shell.user_ns["model"].layers[-1].bias.numpy()
key = explorer._panel.weights.selected
print("EQUAL", np.array_equal(explorer.history.values(key)[-1], now))
explorer.callback.set_model(shell.user_ns["model"])
shell.run_cell('model.fit(np.ones((64, 6)), np.ones((64, 5)), verbose=0, callbacks=[explorer.callback])')
print("PHASE", explorer.callback.status.phase, [round(step.position, 3) for step in explorer.history.records][-1])
"""


@pytest.mark.parametrize(
    "cell",
    [
        "model.fit(np.ones((640, 6)), np.ones((640, 5)), epochs=3, verbose=0, callbacks=[explorer.callback, Interrupt()])",
        "model.fit(np.ones((640, 6)), np.ones((640, 5)), epochs=3, verbose=0, callbacks=[explorer.callback, Fail()])",
    ],
    ids=["ctrl-c", "error in fit"],
)
def test_a_training_that_breaks_off_leaves_a_panel_that_says_interrupted_and_works(cell):
    script = SCRIPT.replace("{cell}", textwrap.dedent(cell))
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    lines = result.stdout.splitlines()
    phases = [line for line in lines if line.startswith("PHASE")]
    assert result.returncode != -signal.SIGINT, result.stderr
    assert phases[0] == "PHASE interrupted interrupted", result.stdout + result.stderr
    assert "EQUAL True" in lines
    # The epoch that broke off in its middle counts as one, and the axis goes on behind it.
    assert phases[1] == "PHASE finished 2.0"


def test_a_script_without_a_kernel_records_all_the_same(dense_model, training_data):
    explorer = WeightExplorer(dense_model)
    dense_model.fit(*training_data, epochs=3, verbose=0, callbacks=[explorer.callback])
    values = explorer.history.values("dense_model/hidden/kernel")
    assert not explorer.history.values_at("dense_model/hidden/kernel", 0).flags.writeable
    assert np.array_equal(values[-1], dense_model.get_layer("hidden").kernel.numpy())
    assert not np.array_equal(values[0], values[-1])
    assert explorer.figure().axes


@pytest.mark.parametrize("is_displayed", [False, True])
def test_what_nobody_can_see_is_not_drawn_in_the_middle_of_a_training(is_displayed, dense_model, training_data, monkeypatch):
    monkeypatch.setattr(kernel, "may_have_page", kernel.is_in_kernel)
    explorer = WeightExplorer(dense_model, record_every=1)
    if is_displayed:  # in a host that shows widgets and has no kernel that is known
        explorer._ipython_display_()
    drawn = []
    show = explorer._panel.show
    monkeypatch.setattr(explorer._panel, "show", lambda *args, **options: (drawn.append(1), show(*args, **options)))
    dense_model.fit(*training_data, epochs=3, verbose=0, callbacks=[explorer.callback])
    assert (len(drawn) > 1) == is_displayed
    assert explorer._panel.status.phase == "finished"


def test_the_same_callback_serves_fit_after_fit_on_one_axis(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every="epoch")
    for _ in range(3):
        dense_model.fit(*training_data, epochs=2, verbose=0, callbacks=[explorer.callback])
    assert [step.position for step in explorer.history.records] == [0, 1, 2, 3, 4, 5, 6]


def test_a_fit_of_another_model_is_told_so(dense_model, training_data):
    explorer = WeightExplorer(dense_model)
    other = keras.Sequential([keras.Input((6,)), layers.Dense(3)], name="other")
    other.compile("sgd", "mse")
    other.fit(*training_data, verbose=0, callbacks=[explorer.callback])
    assert "belongs to the explorer of 'dense_model', but fit trains another model, 'other'" in explorer._panel.status.problem


def test_a_part_of_the_model_may_be_trained_in_its_turn(dense_model, training_data):
    part = keras.Sequential([dense_model.get_layer("hidden")], name="part")
    part.compile("sgd", "mse")
    explorer = WeightExplorer(dense_model)
    part.fit(training_data[0], np.zeros((96, 5)), verbose=0, callbacks=[explorer.callback])
    assert not explorer.callback.status.problem
    assert explorer.history.statistics("dense_model/hidden/kernel", "since_start")["moved"][-1] > 0


def test_the_explorer_in_place_of_its_callback_is_answered_with_what_to_pass(dense_model, training_data):
    with pytest.raises(TypeError, match=r"callbacks=\[explorer.callback\]"):
        dense_model.fit(*training_data, verbose=0, callbacks=[WeightExplorer(dense_model)])


def test_a_callback_that_is_called_says_how_to_pass_it(dense_model):
    with pytest.raises(TypeError, match="without parentheses"):
        WeightExplorer(dense_model).callback()


def test_a_closed_explorer_goes_on_recording_and_draws_nothing(dense_model, training_data, caplog):
    explorer = WeightExplorer(dense_model, record_every="epoch")
    explorer.close()
    dense_model.fit(*training_data, verbose=0, callbacks=[explorer.callback])
    assert explorer.history.num_recorded == 2
    assert not explorer.callback.status.problem
    assert not caplog.records


def test_layers_that_are_built_by_the_first_batch_are_recorded_from_then_on(training_data):
    class Late(keras.Model):
        """Holds a weight already, and a layer that is not built yet."""

        def __init__(self):
            super().__init__(name="late")
            self.scale = self.add_weight(shape=(6,), initializer="ones", name="scale")
            self.head = layers.Dense(3, name="head")

        def call(self, inputs):
            return self.head(inputs * self.scale)

    model = Late()
    model.compile("sgd", "mse")
    explorer = WeightExplorer(model)
    model.fit(*training_data, batch_size=8, verbose=0, callbacks=[explorer.callback])
    key = next(key for key, weight in explorer.catalog.weights.items() if weight.layer == "late/head")
    first = explorer.history.records[explorer.history.records_with_values(key)[0]]
    # Keras on TensorFlow builds them in the first step, on the others before the training begins.
    assert (first.epoch, first.batch) == ((0, 1) if BACKEND == "tensorflow" else (0, 0))


def test_pictures_are_sent_at_most_twenty_times_a_second(dense_model, training_data, monkeypatch):
    """Ten while it trains, and one more at the end of each epoch, of which there may be hundreds in a second."""
    explorer = WeightExplorer(dense_model, record_every=1)
    drawn = []
    show = explorer._panel.show
    monkeypatch.setattr(explorer._panel, "show", lambda *scene: (drawn.append(perf_counter()), show(*scene)))
    dense_model.fit(*training_data, epochs=100, verbose=0, callbacks=[explorer.callback])
    seconds = drawn[-1] - drawn[0]
    assert explorer.history.num_recorded > 300
    assert len(drawn) <= 20 * seconds + 4


def test_an_error_in_every_batch_is_drawn_no_more_often_than_a_picture(dense_model, training_data, monkeypatch):
    explorer = WeightExplorer(dense_model, record_every=1)
    monkeypatch.setattr(explorer._source.recorder, "record", lambda *args, **options: 1 / 0)
    drawn = []
    show = explorer._panel.show
    monkeypatch.setattr(explorer._panel, "show", lambda *scene: (drawn.append(perf_counter()), show(*scene)))
    dense_model.fit(*training_data, epochs=100, verbose=0, callbacks=[explorer.callback])
    assert "ZeroDivisionError" in explorer._panel.status.problem
    assert len(drawn) <= 20 * (drawn[-1] - drawn[0]) + 4
