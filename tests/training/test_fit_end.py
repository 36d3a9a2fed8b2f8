"""What the end of a training does to the weights belongs to that training, and asking for findings changes nothing."""

import keras
import numpy as np
import pytest
from keras import layers

from tests.backends import BACKEND, needs_tape
from weight_explorer import WeightExplorer

if BACKEND == "tensorflow":
    import tensorflow as tf

RANDOM = np.random.default_rng(0)
X = (RANDOM.random((64, 9)) * ([0, 0] + [1] * 7)).astype("float32")
Y = RANDOM.random((64, 1)).astype("float32")
KERNEL = "net/hidden/kernel"


def net(optimizer="adam"):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((9,)), layers.Dense(9, name="hidden"), layers.Dense(1, name="out")], name="net")
    model.compile(optimizer, "mse", jit_compile=False)
    return model


def kinds(explorer):
    return [step.kind for step in explorer.history.records]


def rules(explorer):
    return [(finding.rule, finding.message) for finding in explorer.findings]


# -- loops --------------------------------------------------------------------------------------------------------------


@needs_tape
@pytest.mark.parametrize("record_every", [1, "auto", "epoch"])
def test_findings_asked_in_the_cell_of_a_loop_are_the_same_as_later(record_every):
    model, optimizer = net(), keras.optimizers.Adam()
    explorer = WeightExplorer(model, record_every=record_every)
    for epoch in range(3):
        for start in range(0, 64, 16):
            x, y = X[start : start + 16], Y[start : start + 16]
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            explorer.record({"loss": float(loss)}, epoch=epoch)
    first = rules(explorer)
    assert [rule for rule, _ in first] == ["rows not moving"]
    assert rules(explorer) == first
    explorer._cell_ended(True)  # as IPython tells when the cell of the loop has run
    assert rules(explorer) == first
    assert set(kinds(explorer)) == {"start", "batch", "epoch"}
    assert explorer.callback.status.phase == "finished"


def test_asking_in_the_middle_of_a_loop_takes_nothing_for_a_change_from_outside():
    model = net()
    explorer = WeightExplorer(model, record_every="epoch")
    for epoch in range(2):
        for _ in range(4):
            explorer.record({"loss": model.train_on_batch(X, Y)}, epoch=epoch)
            _ = explorer.findings, str(explorer)
    assert set(kinds(explorer)) <= {"start", "batch", "epoch"}


# -- callbacks and optimizers that change the weights at the end ----------------------------------------------------------


def stopped_early(explorer_first):
    model = net(keras.optimizers.SGD(0.05))
    explorer = WeightExplorer(model)
    stop = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=9, restore_best_weights=True)
    callbacks = [explorer.callback, stop] if explorer_first else [stop, explorer.callback]
    model.fit(X, Y, epochs=4, batch_size=16, verbose=0, callbacks=callbacks)
    return model, explorer


@pytest.mark.parametrize("explorer_first", [True, False])
def test_restored_best_weights_are_told_as_those_of_their_record(explorer_first):
    model, explorer = stopped_early(explorer_first)
    best = next(step.number for step in explorer.history.records if step.kind == "epoch" and step.keras_epoch == 1)
    text = str(explorer)
    last = explorer.history.records[-1]
    by = "" if explorer_first else " by a callback at the end of fit"
    assert (last.kind, last.name) == ("reverted" if explorer_first else "ended", f"weights of record {best} put back{by}")
    assert f"weights of record {best} put back" in text
    np.testing.assert_array_equal(explorer.history.values_at(KERNEL, best), keras.ops.convert_to_numpy(model.layers[0].kernel))
    assert [rule for rule, _ in rules(explorer)] == ["rows not moving"]
    assert explorer.callback.status.phase == "finished"


def test_restored_best_weights_are_known_in_a_model_with_dropout():
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((9,)), layers.Dense(9), layers.Dropout(0.5), layers.Dense(1)])
    model.compile("sgd", "mse")
    explorer = WeightExplorer(model)
    stop = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=9, restore_best_weights=True)
    model.fit(X, Y, epochs=4, batch_size=16, verbose=0, callbacks=[stop, explorer.callback])
    best = next(step.number for step in explorer.history.records if step.kind == "epoch" and step.keras_epoch == 1)
    assert explorer.history.records[-1].name == f"weights of record {best} put back by a callback at the end of fit"


@pytest.mark.parametrize("swaps", [False, True], ids=["use_ema", "SwapEMAWeights"])
def test_moving_averages_are_told_as_such(swaps):
    model = net(keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9))
    explorer = WeightExplorer(model)
    callbacks = [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if swaps else []
    model.fit(X, Y, epochs=3, batch_size=16, verbose=0, callbacks=[explorer.callback, *callbacks])
    last = explorer.history.records[-1]
    assert (last.kind, last.name) == ("ended", "moving average of the weights (use_ema)")
    assert "outside" not in kinds(explorer)
    assert [rule for rule, _ in rules(explorer)] == ["rows not moving"]
    assert "moving average of the weights (use_ema)" in str(explorer)


def test_another_callback_that_changes_the_weights_at_the_end_is_told_as_one():
    class Zero(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            self.model.layers[0].kernel.assign(np.zeros((9, 9)))

    model = net()
    explorer = WeightExplorer(model)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[Zero(), explorer.callback])
    last = explorer.history.records[-1]
    assert (last.kind, last.name) == ("ended", "changed by another callback after the last epoch")


def test_a_fit_that_ends_with_its_last_epoch_has_no_record_of_an_end():
    model = net()
    explorer = WeightExplorer(model)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[explorer.callback])
    assert "ended" not in kinds(explorer)


@pytest.mark.parametrize("explorer_first", [True, False])
def test_a_backup_that_is_restored_is_the_start_and_no_training(tmp_path, explorer_first):
    class Crash(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    backup = str(tmp_path / "backup")
    model = net(keras.optimizers.SGD(0.05))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=4, verbose=0, callbacks=[keras.callbacks.BackupAndRestore(backup), Crash()])
    kept = keras.ops.convert_to_numpy(model.layers[0].kernel)
    model = net(keras.optimizers.SGD(0.05))
    model.layers[0].kernel.assign(kept + 5)
    explorer = WeightExplorer(model)
    ours = [explorer.callback, keras.callbacks.BackupAndRestore(backup)]
    model.fit(X, Y, epochs=4, verbose=0, callbacks=ours if explorer_first else ours[::-1])
    start = explorer.history.get_record(explorer.history.start_record)
    assert start.kind == "start"
    np.testing.assert_array_equal(explorer.history.values_at(KERNEL, start.number), kept)
    assert [step.keras_epoch for step in explorer.history.records if step.kind == "epoch"] == [3, 4]
    assert [finding for finding in explorer.findings if finding.severity != "note"] == []
    assert explorer.history.statistics(KERNEL, "since_start")["norm"][-1] < 1


def test_what_is_loaded_after_a_fit_is_a_change_from_outside():
    model = net()
    explorer = WeightExplorer(model)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[explorer.callback])
    found = rules(explorer)
    model.layers[0].kernel.assign(np.ones((9, 9)))
    assert rules(explorer) == found
    assert kinds(explorer)[-1] == "outside"
