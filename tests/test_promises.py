"""The first promise: the explorer never hurts the training, and shows what went wrong instead."""

import signal
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from keras import layers

from weight_explorer import WeightExplorer
from weight_explorer.recording.callback import shielded


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
    [{}, {"jit_compile": True}, {"jit_compile": False}, {"steps_per_execution": 3}, {"run_eagerly": True}],
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
    work = type(callback).__dict__[hook].__wrapped__

    def broken(self, *args, **options):
        work(self, *args, **options)
        raise RuntimeError(f"broken in {hook}")

    monkeypatch.setattr(type(callback), hook, shielded(broken))


@pytest.mark.parametrize("hook", HOOKS)
def test_an_error_in_a_hook_is_shown_and_the_training_goes_on(hook, dense_model, training_data, monkeypatch, caplog):
    explorer = WeightExplorer(dense_model, record_every=1)
    break_hook(hook, explorer.callback, monkeypatch)
    history = dense_model.fit(*training_data, epochs=2, verbose=0, callbacks=[explorer.callback])
    assert len(history.history["loss"]) == 2
    assert f"broken in {hook}" in explorer.callback.status.problem
    assert f"broken in {hook}" in explorer._panel.status.problem
    assert sum(f"broken in {hook}" in str(record.exc_info) for record in caplog.records) == 1
    explorer.select("out", view="over_time")
    assert explorer._panel.tree.selected == "dense_model/out"


@pytest.mark.parametrize("part", ["_recorder.record", "_history.append", "_panel.show", "_draw", "_refresh_catalog"])
def test_an_error_in_any_part_never_reaches_fit(part, dense_model, training_data, monkeypatch):
    explorer = WeightExplorer(dense_model, record_every=1)
    *way, name = part.split(".")
    owner = getattr(explorer, way[0]) if way else explorer

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
        "model.fit(np.ones((640, 6)), np.ones((640, 9)), epochs=3, verbose=0, callbacks=[explorer.callback])",
    ],
    ids=["ctrl-c", "error in fit"],
)
def test_a_training_that_breaks_off_leaves_a_panel_that_says_interrupted_and_works(cell):
    script = SCRIPT.replace("{cell}", textwrap.dedent(cell))
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    lines = result.stdout.splitlines()
    phases = [line for line in lines if line.startswith("PHASE")]
    assert result.returncode != -signal.SIGINT, result.stderr
    assert phases[:1] in (["PHASE interrupted interrupted"], ["PHASE before before"]), result.stdout + result.stderr
    if "Interrupt()" in cell:
        assert phases[0] == "PHASE interrupted interrupted"
    assert "EQUAL True" in lines
    assert phases[1].startswith("PHASE finished")


def test_a_script_without_a_kernel_records_all_the_same(dense_model, training_data):
    explorer = WeightExplorer(dense_model)
    dense_model.fit(*training_data, epochs=3, verbose=0, callbacks=[explorer.callback])
    values = explorer.history.values("dense_model/hidden/kernel")
    assert np.array_equal(values[-1], dense_model.get_layer("hidden").kernel.numpy())
    assert not np.array_equal(values[0], values[-1])
    assert explorer.figure().axes


def test_the_same_callback_serves_fit_after_fit_on_one_axis(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every="epoch")
    for _ in range(3):
        dense_model.fit(*training_data, epochs=2, verbose=0, callbacks=[explorer.callback])
    assert [step.position for step in explorer.history.records] == [0, 1, 2, 3, 4, 5, 6]
