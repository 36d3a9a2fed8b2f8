"""Question 5: a custom layer with a bias that does not train, in a GradientTape loop. Does a frozen part stay frozen?"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.acceptance.asked import run_code
from tests.backends import needs_tape
from weight_explorer import WeightExplorer

pytestmark = needs_tape
KERNEL = "loop/shift/kernel"
RANDOM = np.random.default_rng(0)
X = RANDOM.random((32, 8)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


class Shift(layers.Layer):
    """Adds a bias that was chosen, and is not learned."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 3), initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight(shape=(3,), initializer="ones", trainable=False, name="bias")

    def call(self, x):
        return tf.matmul(x, self.kernel) + self.bias


def new_model():
    keras.utils.set_random_seed(8)
    return keras.Sequential([keras.Input((8,)), Shift(name="shift"), layers.Dense(1, name="out")], name="loop")


def train(model, explorer=None, epochs=3):
    optimizer = keras.optimizers.Adam(0.01)
    for epoch in range(epochs):
        for start in range(0, 32, 8):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((model(X[start : start + 8]) - Y[start : start + 8]) ** 2)
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            if explorer:
                explorer.record({"loss": float(loss)}, epoch=epoch)


@pytest.fixture(scope="module")
def trained():
    """The model, its explorer, what `freeze` said, and the kernel before training."""
    model = new_model()
    explorer = WeightExplorer(model, record_every=1)
    start = model.get_layer("shift").kernel.numpy()
    said = explorer.freeze(KERNEL, "2:5")
    with explorer.training(epochs=3, batches=4):
        train(model, explorer)
    yield model, explorer, said, start
    explorer.close()


def test_the_bias_that_does_not_train_is_told_apart(trained):
    _, explorer, _, _ = trained
    weights = explorer.catalog.weights
    assert list(weights) == [KERNEL, "loop/shift/bias", "loop/out/kernel", "loop/out/bias"]
    assert [weight.trainable for weight in weights.values()] == [True, False, True, True]
    bias = weights["loop/shift/bias"]
    assert bias.reason == "the variable itself"
    assert "It does not train: the variable itself has trainable = False." in bias.explanation
    assert (explorer.history.values(bias.key) == 1).all()
    (finding,) = explorer.findings
    assert (finding.rule, finding.severity, finding.keys) == ("not moving", "note", ("loop/shift/bias",))


def test_the_loop_is_on_the_time_axis_batch_by_batch(trained):
    _, explorer, _, _ = trained
    start, *steps = explorer.history.records
    assert start.kind == "start"
    # The record of the fourth and last batch of an epoch is that of its end.
    epoch = [("batch", 1), ("batch", 2), ("batch", 3), ("epoch", 0)]
    assert [(step.kind, step.batch) for step in steps] == epoch * 3
    assert [step.keras_epoch for step in steps] == [1] * 4 + [2] * 4 + [3] * 4
    losses = [step.logs["loss"] for step in steps]
    assert losses[-1] < losses[0]
    assert "finished · epoch 3 of 3" in str(explorer)


def test_the_part_stayed_frozen_at_every_record_and_the_rest_moved(trained):
    model, explorer, said, start = trained
    assert "9 of 24 elements of 'loop/shift/kernel' are frozen" in repr(said)
    now = model.get_layer("shift").kernel.numpy()
    assert now[2:5].tobytes() == start[2:5].tobytes()
    assert (np.delete(now, slice(2, 5), axis=0) != np.delete(start, slice(2, 5), axis=0)).all()
    for record in explorer.history.records:
        assert explorer.history.values_at(KERNEL, record.number)[2:5].tobytes() == start[2:5].tobytes()
    (proof,) = explorer.check_frozen()
    assert (proof.key, proof.num_changed, proof.num_frozen, proof.num_compared, proof.frozen_at) == (KERNEL, 0, 9, 9, 0)
    last = explorer.history.records[-1].number
    assert str(proof) == f"{KERNEL}: 0 of 9 frozen elements moved from record 0 to record {last} (2:5)"
    assert explorer.history.statistics(KERNEL, "since_start")["moved"][-1] == 15
    line = next(line for line in str(explorer).splitlines() if line.startswith(KERNEL))
    assert line.endswith("62.5 %")


def test_the_picture_and_its_code_mark_the_frozen_part(trained):
    model, explorer, _, start = trained
    explorer.select("shift", role="kernel", view="matrix", quantity="since_start")
    names = run_code(explorer, model)
    np.testing.assert_array_equal(names["values"], model.get_layer("shift").kernel.numpy() - start)
    assert not names["values"][2:5].any()
    assert "9 of 24 elements are frozen" in explorer.to_csv()
    assert "# The panel also marks some of the elements" in explorer.code()
    assert explorer.figure().axes


def test_a_proof_fails_where_something_moved(trained):
    model, explorer, _, _ = trained
    kernel = model.get_layer("shift").kernel
    before = kernel.numpy()
    kernel.assign(before + np.eye(8, 3, k=-3, dtype="float32"))  # rows 3, 4 and 5; the last is free
    (proof,) = explorer.check_frozen()
    assert (proof.num_changed, proof.num_frozen) == (2, 9)
    kernel.assign(before)
    assert explorer.check_frozen()[0].moved == 0


def test_what_is_let_go_moves_and_an_explorer_without_a_freeze_changes_no_bit(trained):
    plain, watched = new_model(), new_model()
    train(plain)
    explorer = WeightExplorer(watched, record_every=1)
    explorer.freeze(KERNEL, "2:5")
    explorer.unfreeze(KERNEL)
    with explorer.training():
        train(watched, explorer)
    assert [w.tobytes() for w in watched.get_weights()] == [w.tobytes() for w in plain.get_weights()]
    assert explorer.check_frozen() == ()
    explorer.close()
