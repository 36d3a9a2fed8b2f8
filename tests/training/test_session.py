"""Custom loops are recorded like `fit`, several trainings share one axis, and logs stay with their records."""

import contextlib
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from IPython.core.interactiveshell import InteractiveShell

from tests.backends import needs_many_steps, needs_tape
from weight_explorer import WeightExplorer

KERNEL = "dense_model/hidden/kernel"


class BreakOff(keras.callbacks.Callback):
    """Ends a training with its first batch, as Ctrl-C does."""

    def on_train_batch_end(self, batch, logs=None):
        raise KeyboardInterrupt


class AtBatch(keras.callbacks.Callback):
    """Does something after one batch, and knows how many there were."""

    def __init__(self, batch, deed):
        super().__init__()
        self.batch, self.deed, self.last = batch, deed, None

    def on_train_batch_end(self, batch, logs=None):
        self.last = batch
        if batch == self.batch:
            self.deed()


def loop(explorer, model, data, epochs=3, **options):
    for epoch in range(epochs):
        for start in range(0, 96, 32):
            part = slice(start, start + 32)
            loss = model.train_on_batch(data[0][part], data[1][part])
            explorer.record({"loss": loss}, **({"epoch": epoch} if options.get("told", True) else {}))


def test_a_loop_with_train_on_batch_gives_epochs_and_batches(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every=1)
    loop(explorer, dense_model, training_data)
    places = [(step.epoch, step.batch, step.kind) for step in explorer.history.records]
    assert places == [
        (0, 0, "start"),
        (0, 1, "batch"), (0, 2, "batch"), (1, 0, "epoch"),
        (1, 1, "batch"), (1, 2, "batch"), (2, 0, "epoch"),
        (2, 1, "batch"), (2, 2, "batch"), (2, 3, "batch"),
    ]  # fmt: skip


@needs_tape
def test_a_gradient_tape_loop_is_recorded_with_its_logs(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every=2)
    x, y = (tf.constant(array, tf.float32) for array in training_data)
    seen = {}
    for step in range(6):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((dense_model(x) - y) ** 2)
        gradients = tape.gradient(loss, dense_model.trainable_variables)
        dense_model.optimizer.apply(gradients, dense_model.trainable_variables)
        explorer.record({"loss": loss, "note": "no number"})
        seen[step + 1] = (float(loss), dense_model.get_layer("hidden").kernel.numpy())
    records = [step for step in explorer.history.records if step.kind == "batch"]
    assert [step.batch for step in records] == [2, 4, 6]
    for step in records:
        assert dict(step.logs) == {"loss": seen[step.batch][0]}
        np.testing.assert_array_equal(explorer.history.values_at(KERNEL, step.number), seen[step.batch][1])


def test_a_loop_in_a_script_can_be_looked_at_while_it_runs(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every="epoch")
    loop(explorer, dense_model, training_data, epochs=1)
    explorer.select("hidden", role="kernel")
    np.testing.assert_array_equal(explorer.history.values(KERNEL)[-1], dense_model.get_layer("hidden").kernel.numpy())


CELLS = """
import keras, numpy as np
from weight_explorer import WeightExplorer
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="m")
model.compile("sgd", "mse")
explorer = WeightExplorer(model, record_every="epoch")
"""
LOOP = """
for batch in range(5):
    model.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))
    explorer.record()
"""


def test_a_loop_has_ended_when_its_cell_has_and_its_last_state_is_a_record(monkeypatch):
    shell = InteractiveShell()
    monkeypatch.setattr("weight_explorer.jupyter.kernel._shell", lambda: shell)
    try:
        shell.run_cell(CELLS)
        shell.run_cell(LOOP)
        explorer, model = shell.user_ns["explorer"], shell.user_ns["model"]
        assert explorer.callback.status.phase == "finished"
        assert explorer.history.records[-1].kind == "epoch"
        np.testing.assert_array_equal(explorer.history.values("m/dense/kernel")[-1], model.layers[0].kernel.numpy())
        shell.run_cell(LOOP + "    1 / 0 if batch == 2 else None")
        assert explorer.callback.status.phase == "interrupted"
        shell.run_cell(LOOP)
        assert [step.fit for step in explorer.history.records][-1] == 2
        assert explorer.callback.status.phase == "finished"
    finally:
        shell.history_manager.end_session()
        InteractiveShell.clear_instance()


BREAK_OFF = """
class BreakOff(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise KeyboardInterrupt
x, y = np.ones((4, 3)), np.ones((4, 2))
"""


def test_a_fit_that_breaks_off_is_noticed_when_its_cell_has_ended_also_after_one_in_the_background(monkeypatch):
    shell = InteractiveShell()
    monkeypatch.setattr("weight_explorer.live._shell", lambda: shell)
    try:
        shell.run_cell(CELLS + BREAK_OFF)
        explorer = shell.user_ns["explorer"]
        for before in ("", "_ = explorer.fit(x, y).wait(60)"):
            shell.run_cell(before)
            shell.run_cell("_ = model.fit(x, y, verbose=0, callbacks=[explorer.callback])")
            assert explorer.callback.status.phase == "finished"
            shell.run_cell("model.fit(x, y, verbose=0, callbacks=[explorer.callback, BreakOff()])")
            assert explorer.callback.status.phase == "interrupted"
    finally:
        shell.history_manager.end_session()
        InteractiveShell.clear_instance()


def test_fits_and_loops_are_on_one_axis_with_their_seams(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every="epoch")
    for _ in range(2):
        dense_model.fit(*training_data, epochs=2, verbose=0, callbacks=[explorer.callback])
    records = explorer.history.records
    assert [step.position for step in records] == [0, 1, 2, 3, 4]
    assert [step.fit for step in records] == [0, 0, 0, 1, 1]
    explorer.select("hidden")
    marks = np.frombuffer(explorer._panel.record_slider.flags, np.uint8)
    assert [bool(mark & 2) for mark in marks] == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("every", "options", "recorded"),
    [
        (10, {}, [10, 20]),
        ("epoch", {}, []),
        pytest.param(4, {"steps_per_execution": 3}, [6, 12, 18, 24], marks=needs_many_steps),
    ],
    ids=str,
)
def test_batches_without_a_record_are_counted_and_told_as_those_with_one(dense_model, training_data, every, options, recorded):
    dense_model.compile("sgd", "mse", **options)
    explorer = WeightExplorer(dense_model, record_every=every)
    told = []
    tell = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: told.append((explorer.callback.status.batch, batch + 1))
    )
    dense_model.fit(*training_data, epochs=2, batch_size=4, verbose=0, callbacks=[explorer.callback, tell])
    places = [(step.epoch, step.batch) for step in explorer.history.records if step.kind == "batch"]
    assert places == [(epoch, batch) for epoch in (0, 1) for batch in recorded]
    assert len(told) == 48 // options.get("steps_per_execution", 1)
    assert all(ours == theirs for ours, theirs in told)


def test_only_records_that_were_made_are_counted(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every=1)
    for _ in range(2):
        before = explorer.history.num_recorded
        dense_model.fit(*training_data, verbose=0, callbacks=[explorer.callback])
        assert explorer._session._scheduler.num_records == explorer.history.num_recorded - before > 0


def test_losses_of_fit_stay_with_the_records(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every="epoch")
    told = dense_model.fit(*training_data, epochs=3, verbose=0, callbacks=[explorer.callback]).history["loss"]
    assert [step.logs["loss"] for step in explorer.history.records[1:]] == pytest.approx(told)


def test_two_explorers_of_one_model_and_of_its_part_each_tell_their_own(dense_model, training_data):
    part = keras.Sequential([dense_model.get_layer("hidden")], name="part")
    part.compile("sgd", "mse")
    first, second = WeightExplorer(dense_model, record_every=1), WeightExplorer(dense_model, record_every="epoch")
    dense_model.fit(*training_data, epochs=2, verbose=0, callbacks=[first.callback, second.callback])
    assert (first.history.num_recorded, second.history.num_recorded) == (1 + 3 * 2 + 2, 3)
    of_part = WeightExplorer(part, record_every="epoch")
    part.fit(training_data[0], np.zeros((96, 5)), verbose=0, callbacks=[of_part.callback, second.callback])
    assert second.history.num_recorded == 4
    np.testing.assert_array_equal(of_part.history.values(KERNEL)[-1], second.history.values(KERNEL)[-1])


def test_an_error_of_ours_in_a_loop_is_shown_and_not_raised(dense_model, training_data, monkeypatch, caplog):
    explorer = WeightExplorer(dense_model, record_every=1)
    monkeypatch.setattr(explorer._source.recorder, "record", lambda *args: 1 / 0)
    loop(explorer, dense_model, training_data, epochs=1)
    assert "ZeroDivisionError" in explorer._panel.status.problem


def test_a_fit_whose_thread_broke_off_is_noticed_when_one_looks(dense_model, training_data):
    explorer = WeightExplorer(dense_model)

    def train():
        with contextlib.suppress(KeyboardInterrupt):
            dense_model.fit(*training_data, verbose=0, callbacks=[explorer.callback, BreakOff()])

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert explorer.callback.status.phase == "training"
    explorer.select("out")
    assert explorer.callback.status.phase == "interrupted"


def test_a_fit_that_breaks_off_inside_a_try_is_noticed_when_one_looks(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every=1)
    with pytest.raises(KeyboardInterrupt):
        dense_model.fit(*training_data, verbose=0, callbacks=[explorer.callback, BreakOff()])
    assert explorer.callback.status.phase == "training"
    explorer.restore(0)
    assert explorer.callback.status.phase == "interrupted"
    np.testing.assert_array_equal(dense_model.get_layer("hidden").kernel.numpy(), explorer.history.values_at(KERNEL, 0))


def test_restoring_after_a_loop_of_ones_own_is_possible_at_once(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every=1)
    loop(explorer, dense_model, training_data, epochs=1)
    explorer.restore(0)
    np.testing.assert_array_equal(dense_model.get_layer("hidden").kernel.numpy(), explorer.history.values_at(KERNEL, 0))


def test_record_within_fit_is_refused_and_the_axis_stays_right(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every=1)
    twice = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: explorer.record())
    dense_model.fit(*training_data, epochs=2, verbose=0, callbacks=[explorer.callback, twice])
    assert "record() is for loops of your own" in explorer.callback.status.problem
    assert [(step.epoch, step.batch) for step in explorer.history.records] == [
        (0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3), (2, 0)
    ]  # fmt: skip


def test_what_is_asked_of_a_training_is_done_with_the_batch_also_where_none_is_recorded(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every="epoch")
    done = []
    deeds = AtBatch(1, lambda: explorer._session.run_between_batches(lambda: done.append(deeds.last)))
    stops = AtBatch(4, lambda: explorer._session.request_if_training("stop"))
    dense_model.fit(*training_data, batch_size=8, verbose=0, callbacks=[deeds, stops, explorer.callback])
    assert done == [1]
    assert deeds.last == 4
    assert explorer.callback.status.phase == "stopped"
