"""Loops of one's own: where they begin and end, whatever trains, with one model or two."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.backends import needs_tape
from weight_explorer import WeightExplorer

KERNEL = "dense_model/hidden/kernel"


def places(explorer):
    return [(step.epoch, step.batch, step.kind) for step in explorer.history.records]


def batches(data, size=32):
    for start in range(0, len(data[0]), size):
        yield [part[start : start + size] for part in data]


def test_a_loop_that_is_marked_has_the_state_before_and_the_state_it_left(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every=1)
    hidden = dense_model.get_layer("hidden")
    hidden.kernel.assign(hidden.kernel * 2)  # since the explorer was made
    before = hidden.kernel.numpy()
    with explorer.training(epochs=2, batches=3):
        status = explorer.callback.status
        assert (status.phase, status.epochs, status.batches) == ("training", 2, 3)
        for epoch in range(2):
            for x, y in batches(training_data):
                explorer.record({"loss": dense_model.train_on_batch(x, y)}, epoch=epoch)
            assert explorer.callback.status.epoch == epoch + 1
    assert explorer.callback.status.phase == "finished"
    assert places(explorer) == [
        (0, 0, "before"), (0, 0, "start"),
        (0, 1, "batch"), (0, 2, "batch"), (1, 0, "epoch"),
        (1, 1, "batch"), (1, 2, "batch"), (2, 0, "epoch"),
    ]  # fmt: skip
    np.testing.assert_array_equal(explorer.history.values_at(KERNEL, 1), before)
    np.testing.assert_array_equal(explorer.history.values(KERNEL)[-1], hidden.kernel.numpy())


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_loop_that_breaks_off_is_interrupted_and_the_error_goes_on(dense_model, training_data, error):
    explorer = WeightExplorer(dense_model, record_every=1)

    def breaking_off():
        with explorer.training():
            for x, y in batches(training_data):
                dense_model.train_on_batch(x, y)
                explorer.record()
                raise error

    with pytest.raises(error):
        breaking_off()
    assert explorer.callback.status.phase == "interrupted"
    explorer.assign(KERNEL, None, 0)  # nothing runs any more
    with explorer.training():
        explorer.record()
    assert explorer.callback.status.phase == "finished"
    assert explorer.history.records[-1].fit == 1


def test_a_loop_of_no_steps_and_one_that_goes_on_later_leave_the_axis_right(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every="epoch")
    with explorer.training():
        pass
    assert explorer.callback.status.phase == "finished"
    assert places(explorer) == [(0, 0, "start")]
    with explorer.training():
        for epoch in (5, 6):  # resumed where another session stopped
            explorer.record({"loss": dense_model.train_on_batch(*training_data)}, epoch=epoch)
    assert places(explorer) == [(0, 0, "start"), (7, 0, "epoch")]


@pytest.mark.parametrize("marked", [False, True])
def test_an_epoch_that_comes_again_is_another_loop_with_a_seam(dense_model, training_data, marked):
    explorer = WeightExplorer(dense_model, record_every="epoch")

    def train(epochs):
        for epoch in range(epochs):
            for x, y in batches(training_data):
                dense_model.train_on_batch(x, y)
                explorer.record(epoch=epoch)

    with explorer.training(epochs=3) if marked else contextlib.nullcontext():
        train(3)
        train(2)
        assert explorer.callback.status.epoch == 2
        assert explorer.callback.status.epochs_before == 3
        assert explorer.callback.status.is_training
    print(explorer)
    records = explorer.history.records
    fits = [(step.epoch, step.fit) for step in records if step.kind != "start"]
    assert fits[:4] == [(1, 0), (2, 0), (3, 0), (4, 1)]
    assert {step.fit for step in records[-2:]} == {1}


def test_one_loop_at_a_time(dense_model, training_data):
    explorer = WeightExplorer(dense_model)
    with explorer.training(), pytest.raises(RuntimeError, match="running already"), explorer.training():
        pass
    refused = []

    class Within(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            with pytest.raises(RuntimeError, match="running already"), explorer.training():
                pass
            refused.append(batch)

    dense_model.fit(*training_data, verbose=0, callbacks=[explorer.callback, Within()])
    assert refused == [0, 1, 2]
    assert explorer.callback.status.phase == "finished"


def test_a_fit_inside_ends_as_a_fit_does(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every="epoch")
    with explorer.training():
        dense_model.fit(*training_data, epochs=2, verbose=0, callbacks=[explorer.callback])
    assert explorer.callback.status.phase == "finished"
    assert [step.kind for step in explorer.history.records] == ["start", "epoch", "epoch"]


def test_an_error_of_ours_reaches_no_loop(dense_model, training_data, monkeypatch, caplog):
    explorer = WeightExplorer(dense_model, record_every=1)
    monkeypatch.setattr(explorer._source.recorder, "record", lambda *args: 1 / 0)
    monkeypatch.setattr(explorer._source.recorder, "has_any_changed", lambda *args: 1 / 0)
    trained = 0
    with explorer.training():
        for x, y in batches(training_data):
            dense_model.train_on_batch(x, y)
            explorer.record()
            trained += 1
    assert trained == 3
    assert "ZeroDivisionError" in explorer.callback.status.problem


def test_a_marked_loop_trains_bit_by_bit_as_without_us(training_data):
    def trained(explore):
        keras.utils.set_random_seed(4)
        model = keras.Sequential([keras.Input((6,)), layers.Dense(5, "relu"), layers.Dropout(0.5), layers.Dense(3)])
        model.compile("adam", "mse")
        if not explore:
            for x, y in batches(training_data, 8):
                model.train_on_batch(x, y)
            return model.get_weights()
        explorer = WeightExplorer(model, record_every=1)
        with explorer.training():
            for x, y in batches(training_data, 8):
                model.train_on_batch(x, y)
                explorer.record()
        return model.get_weights()

    for ours, theirs in zip(trained(True), trained(False), strict=True):
        assert ours.tobytes() == theirs.tobytes()


@needs_tape
def test_a_tape_loop_gives_what_fit_gives(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every=2)
    x, y = (tf.constant(array, tf.float32) for array in training_data)
    seen = {0: dense_model.get_layer("hidden").kernel.numpy()}
    with explorer.training():
        for step in range(1, 7):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((dense_model(x) - y) ** 2)
            variables = dense_model.trainable_variables
            dense_model.optimizer.apply(tape.gradient(loss, variables), variables)
            explorer.record({"loss": loss})
            explorer.select("hidden", role="kernel", view="matrix")  # in the loop's own cell
            seen[step] = dense_model.get_layer("hidden").kernel.numpy()
    _, *records = explorer.history.records
    assert [(step.kind, step.batch) for step in records] == [("batch", 2), ("batch", 4), ("epoch", 0)]
    for batch, step in zip((2, 4, 6), records, strict=True):
        np.testing.assert_array_equal(explorer.history.values_at(KERNEL, step.number), seen[batch])
        assert step.logs["loss"] > 0
    assert not explorer.callback.status.problem


class TwiceAStep(keras.Model):
    """A `train_step` of one's own: two updates a batch, on a loss that it computes itself."""

    def __init__(self):
        super().__init__(name="own")
        self.dense = layers.Dense(3, name="dense")

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        x, y = data
        for _ in range(2):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self(x, training=True) - y) ** 2)
            self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        return {"loss": loss}


@needs_tape
def test_a_train_step_of_ones_own_is_recorded_and_frozen_like_any(training_data):
    keras.utils.set_random_seed(1)
    model = TwiceAStep()
    model(np.zeros((1, 6)))
    model.compile("adam")
    explorer = WeightExplorer(model, record_every=1)
    (key,) = [key for key in explorer.catalog.weights if key.endswith("kernel")]
    start = model.dense.kernel.numpy()
    explorer.freeze(key, "0:3")
    model.fit(*training_data, epochs=2, verbose=0, callbacks=[explorer.callback])
    assert model.optimizer.iterations == 12
    assert len(explorer.history.records) == 1 + 2 * 4
    np.testing.assert_array_equal(model.dense.kernel.numpy()[:3], start[:3])
    assert (model.dense.kernel.numpy()[3:] != start[3:]).all()
    assert all(proof.num_changed == 0 for step in explorer.history.records for proof in explorer.check_frozen(step.number))


def adversaries():
    keras.utils.set_random_seed(8)
    made = [layers.Dense(4, "relu", name="a"), layers.Dense(3, name="b")]
    judged = [layers.Dense(4, "relu", name="c"), layers.Dense(1, name="d")]
    generator = keras.Sequential([keras.Input((2,)), *made], name="generator")
    critic = keras.Sequential([keras.Input((3,)), *judged], name="critic")
    return generator, critic


def play(generator, critic, optimizers, real):
    """Train both once, the critic first, as in any GAN's loop; return both losses."""
    noise = tf.random.stateless_normal((16, 2), seed=(1, 2))
    loss_of = keras.losses.BinaryCrossentropy(from_logits=True)
    losses = []
    for model, optimizer in zip((critic, generator), optimizers, strict=True):
        with tf.GradientTape() as tape:
            made = critic(generator(noise))
            if model is critic:
                loss = loss_of(tf.ones_like(made), critic(real)) + loss_of(tf.zeros_like(made), made)
            else:
                loss = loss_of(tf.ones_like(made), made)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        losses.append(loss)
    return losses


@needs_tape
def test_a_gan_in_a_loop_of_ones_own_has_an_explorer_for_each_side():
    generator, critic = adversaries()
    explorers = [WeightExplorer(model, record_every=1) for model in (generator, critic)]
    frozen = generator.get_layer("a").kernel.numpy()
    explorers[0].freeze("generator/a/kernel", 0)
    optimizers = keras.optimizers.Adam(0.05), keras.optimizers.Adam(0.05)
    real = tf.constant(np.random.default_rng(1).random((16, 3)), tf.float32)
    with explorers[0].training(), explorers[1].training():
        for epoch in range(2):
            for _ in range(3):
                critic_loss, generator_loss = play(generator, critic, optimizers, real)
                explorers[0].record({"loss": generator_loss}, epoch=epoch)
                explorers[1].record({"loss": critic_loss}, epoch=epoch)
    for explorer, model, name in zip(explorers, (generator, critic), ("generator/a", "critic/c"), strict=True):
        assert explorer.callback.status.phase == "finished"
        assert len(places(explorer)) == 1 + 3 + 3
        layer = model.get_layer(name[-1])
        np.testing.assert_array_equal(explorer.history.values(f"{name}/kernel")[-1], layer.kernel.numpy())
        assert (explorer.history.values(f"{name}/bias")[-1] != explorer.history.values(f"{name}/bias")[0]).any()
    assert explorers[0].history.records[1].logs != explorers[1].history.records[1].logs
    np.testing.assert_array_equal(generator.get_layer("a").kernel.numpy()[0], frozen[0])


class Gan(keras.Model):
    def __init__(self, generator, critic):
        super().__init__(name="gan")
        self.generator, self.critic = generator, critic
        self.optimizers = keras.optimizers.Adam(0.05), keras.optimizers.Adam(0.05)
        for optimizer, model in zip(self.optimizers, (critic, generator), strict=True):
            optimizer.build(model.trainable_variables)

    def train_step(self, real):
        critic_loss, generator_loss = play(self.generator, self.critic, self.optimizers, real)
        return {"critic_loss": critic_loss, "generator_loss": generator_loss}


@needs_tape
def test_a_gan_that_is_fitted_has_an_explorer_for_each_side():
    generator, critic = adversaries()
    gan = Gan(generator, critic)
    gan.compile()
    explorers = [WeightExplorer(model, record_every="epoch") for model in (generator, critic)]
    real = np.random.default_rng(1).random((16, 3)).astype("float32")
    callbacks = [explorer.callback for explorer in explorers]
    gan.fit(real, batch_size=16, epochs=2, verbose=0, callbacks=callbacks)
    frozen = critic.get_layer("c").kernel.numpy()
    explorers[1].freeze("critic/c/kernel", "1:")  # between fits of a model that only shares the layers
    gan.fit(real, batch_size=16, epochs=2, verbose=0, callbacks=callbacks)
    np.testing.assert_array_equal(critic.get_layer("c").kernel.numpy()[1:], frozen[1:])
    assert (critic.get_layer("c").kernel.numpy()[0] != frozen[0]).all()
    for explorer in explorers:
        assert not explorer.callback.status.problem
        assert places(explorer)[-1] == (4, 0, "epoch")
        assert set(explorer.history.records[-1].logs) == {"critic_loss", "generator_loss"}


def test_the_end_of_an_epoch_is_what_its_last_batch_left(dense_model, training_data):
    """Another epoch is noticed one step late, so that its end is a record only where the last batch was one."""
    for options, ends in (({"record_every": 1}, 3), ({"record_every": "epoch"}, 2)):
        explorer, left = WeightExplorer(dense_model, **options), {}
        for epoch in range(3):
            for number, (x, y) in enumerate(batches(training_data), 1):
                dense_model.train_on_batch(x, y)
                explorer.record(epoch=epoch)
                left[epoch, number] = keras.ops.convert_to_numpy(dense_model.get_layer("hidden").kernel)
        explorer._cell_ended(True)
        found = [step for step in explorer.history.records if step.kind == "epoch"]
        assert len(found) == ends
        for step in found:
            np.testing.assert_array_equal(explorer.history.values_at(KERNEL, step.number), left[step.keras_epoch - 1, 3])
        for step in explorer.history.records:
            if step.kind == "batch":
                np.testing.assert_array_equal(explorer.history.values_at(KERNEL, step.number), left[step.epoch, step.batch])


def test_the_ends_of_all_epochs_are_known_where_the_loop_says_how_long_they_are(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every="epoch")
    with explorer.training(epochs=2, batches=3):
        for epoch in range(2):
            for x, y in batches(training_data):
                dense_model.train_on_batch(x, y)
                explorer.record(epoch=epoch)
    assert [step.kind for step in explorer.history.records if step.kind != "batch"] == ["start", "epoch", "epoch"]


def test_what_a_loop_does_to_the_weights_after_its_last_step_is_told_apart(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every=1)
    with explorer.training():
        for epoch in range(2):
            explorer.record({"loss": dense_model.train_on_batch(*training_data)}, epoch=epoch)
            if epoch == 0:
                best = dense_model.get_weights()
        dense_model.set_weights(best)
    with explorer.training():
        explorer.record({"loss": dense_model.train_on_batch(*training_data)}, epoch=0)
        dense_model.set_weights([2 * array for array in best])
    told = [(step.kind, step.name) for step in explorer.history.records]
    put_back = ("ended", "weights of record 1 put back at the end of the training")
    assert told == [("start", ""), ("epoch", ""), ("epoch", ""), put_back, ("epoch", ""), ("ended", "")]
    assert "changed when the training ended" in str(explorer)


def test_the_end_of_each_epoch_of_a_loop_is_logged_once(dense_model, training_data, caplog):
    explorer = WeightExplorer(dense_model, record_every="epoch")
    with caplog.at_level("INFO", logger="weight_explorer"), explorer.training(epochs=3):
        for epoch in range(3):
            for x, y in batches(training_data):
                explorer.record({"loss": dense_model.train_on_batch(x, y)}, epoch=epoch)
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == [f"epoch {n} of 3" for n in (1, 2, 3)]
