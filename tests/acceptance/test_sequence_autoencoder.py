"""Question 2: an autoencoder of 45 steps x 100 features, with a checkpoint of every epoch. What are its six arrays?"""

import keras
import numpy as np
import pytest
from keras import layers

from tests.acceptance.asked import run_code
from weight_explorer import WeightExplorer

SHAPES = [(100, 80), (20, 80), (80,)]
GATES = ["input gate", "forget gate", "cell candidate", "output gate"]


class Note(keras.callbacks.Callback):
    """Keeps what `get_weights()` returns at the end of every epoch."""

    def on_train_begin(self, logs=None):
        self.kept = []

    def on_epoch_end(self, epoch, logs=None):
        self.kept.append(self.model.get_layer("encoder").get_weights())


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """The model, an explorer of its checkpoints, and the encoder's arrays at every epoch."""
    keras.utils.set_random_seed(5)
    sequence = keras.Input((45, 100))
    code = layers.Bidirectional(layers.LSTM(20), name="encoder")(sequence)
    repeated = layers.RepeatVector(45, name="repeat")(code)
    decoded = layers.Bidirectional(layers.LSTM(20, return_sequences=True), name="decoder")(repeated)
    features = layers.TimeDistributed(layers.Dense(100), name="features")(decoded)
    model = keras.Model(sequence, features, name="autoencoder")
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    pattern, note = tmp_path_factory.mktemp("checkpoint") / "{epoch:02d}.keras", Note()
    data = np.random.default_rng(1).random((16, 45, 100)).astype("float32")
    save = keras.callbacks.ModelCheckpoint(str(pattern))
    model.fit(data, data, epochs=3, batch_size=8, verbose=0, callbacks=[save, note])
    explorer = WeightExplorer.from_checkpoints(model, pattern)
    yield model, explorer, note.kept
    explorer.close()


def encoder(explorer):
    """The weights of the encoder, in the order of its `get_weights()`."""
    return [w for w in explorer.catalog.weights.values() if "/encoder/" in f"/{w.key}" and w.number is not None]


def test_six_arrays_are_two_directions_of_kernel_recurrent_kernel_and_bias(checkpoints):
    model, explorer, _ = checkpoints
    assert [array.shape for array in model.get_layer("encoder").get_weights()] == SHAPES * 2
    weights = encoder(explorer)
    assert [weight.shape for weight in weights] == SHAPES * 2
    assert [weight.role for weight in weights] == ["kernel", "recurrent", "bias"] * 2
    assert [weight.shape_text for weight in weights[:3]] == [
        "(100, 80) = (input_dim, 4 gates x 20 units)",
        "(20, 80) = (recurrent_units, 4 gates x 20 units)",
        "(80,) = (4 gates x 20 units,)",
    ]
    for number, weight in enumerate(weights):
        assert ("forward" if number < 3 else "backward") in weight.key
        way = "first step to its last" if number < 3 else "last step to its first"
        assert f"reads the sequence from its {way}" in weight.explanation
        variable = eval(weight.expression, {"model": model})
        np.testing.assert_array_equal(variable.numpy(), model.get_layer("encoder").get_weights()[number])


def test_the_four_gates_are_columns_of_twenty_in_the_order_of_keras(checkpoints):
    model, explorer, kept = checkpoints
    kernel, recurrent, bias = encoder(explorer)[:3]
    assert [(block.name, block.start, block.stop) for block in kernel.axes[1].blocks] == [
        (name, 20 * number, 20 * number + 20) for number, name in enumerate(GATES)
    ]
    for weight, number in ((kernel, 0), (recurrent, 1), (bias, 2)):
        part = weight.select_blocks("forget gate")
        assert part.shape == (*weight.shape[:-1], 20)
        now = explorer.history.values(part.whole, part.index)
        np.testing.assert_array_equal(now, [arrays[number][..., 20:40] for arrays in kept])
        np.testing.assert_array_equal(eval(part.expression, {"model": model}), now[-1])
    assert explorer.history.values(bias.key, bias.part("forget gate").index).mean() == pytest.approx(1, abs=0.1)
    assert explorer.history.values(bias.key, bias.part("output gate").index).mean() == pytest.approx(0, abs=0.1)
    assert "The forget gate starts at 1" in bias.explanation


def test_checkpoints_are_the_time_axis(checkpoints):
    _, explorer, kept = checkpoints
    records = explorer.history.records
    assert [(record.epoch, record.kind, record.name) for record in records] == [
        (epoch, "checkpoint", f"{epoch:02d}.keras") for epoch in (1, 2, 3)
    ]
    for number, weight in enumerate(encoder(explorer)):
        values = explorer.history.values(weight.key)
        np.testing.assert_array_equal(values, [arrays[number] for arrays in kept])
        norms = explorer.history.statistics(weight.key, "since_start")["norm"]
        np.testing.assert_allclose(norms[1:], [np.linalg.norm(each - values[0]) for each in values[1:]], rtol=1e-5)
    text = str(explorer)
    assert "3 checkpoints" in text
    assert all(weight.key in text and weight.shape_text in text for weight in encoder(explorer))
    assert not [finding for finding in explorer.findings if finding.severity != "note"]


def test_a_gate_of_any_checkpoint_is_drawn_and_its_code_reads_the_same_numbers(checkpoints):
    model, explorer, kept = checkpoints
    explorer.select("encoder", weight=encoder(explorer)[0].key, block="forget gate", view="matrix", step=1)
    np.testing.assert_array_equal(run_code(explorer, model)["values"], kept[1][0][:, 20:40])
    explorer.select(view="over_time")
    lines = {line.get_label().strip("\u200b"): line.get_ydata() for line in explorer.figure().axes[0].lines}
    gate = np.stack([arrays[0][:, 20:40] for arrays in kept])
    np.testing.assert_allclose(lines["mean"], gate.mean(axis=(1, 2)), rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(lines["maximum"], gate.max(axis=(1, 2)), rtol=1e-6)
