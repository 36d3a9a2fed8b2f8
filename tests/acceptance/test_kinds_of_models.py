"""Question 4: Sequential, subclassed and lazily built models, with custom initializers and layers used in two places."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.acceptance.asked import run_code
from weight_explorer import WeightExplorer

RANDOM = np.random.default_rng(6)
X, Y = RANDOM.random((32, 6)).astype("float32"), RANDOM.random((32, 2)).astype("float32")


@keras.saving.register_keras_serializable("acceptance")
class Ramp(keras.initializers.Initializer):
    """Goes from 0 to a number in even steps."""

    def __init__(self, top):
        self.top = top

    def __call__(self, shape, dtype=None):
        return ops.cast(ops.reshape(ops.linspace(0.0, self.top, int(np.prod(shape))), shape), dtype or "float32")

    def get_config(self):
        return {"top": self.top}


def quarters(shape, dtype=None):
    """A plain function is an initializer too."""
    return ops.full(shape, 0.25, dtype)


def stack():
    return (
        layers.Dense(6, kernel_initializer=Ramp(0.5), name="ramp"),
        layers.Dense(6, "tanh", kernel_initializer="he_normal", name="drawn"),
        layers.Dense(2, kernel_initializer=quarters, name="out"),
    )


class Subclassed(keras.Model):
    """Uses its first layer twice, once under another name."""

    def __init__(self):
        super().__init__(name="net")
        self.ramp, self.drawn, self.out = stack()
        self.again = self.ramp

    def call(self, x):
        return self.out(self.drawn(self.again(self.ramp(x))))


def sequential():
    return keras.Sequential([keras.Input((6,)), *stack()], name="net")


def lazy():
    return keras.Sequential(list(stack()), name="net")


def functional():
    """The first layer is used twice."""
    x = keras.Input((6,))
    ramp, drawn, out = stack()
    return keras.Model(x, out(drawn(ramp(ramp(x)))), name="net")


KINDS = {"Sequential": sequential, "lazy Sequential": lazy, "functional": functional, "subclassed": Subclassed}
KEYS = [f"{name}/{role}" for name in ("ramp", "drawn", "out") for role in ("kernel", "bias")]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind)
def trained(request):
    """A kind of model that was trained with an explorer from before it was built, where it is built late."""
    keras.utils.set_random_seed(4)
    model = KINDS[request.param]()
    explorer, was_built = WeightExplorer(model, record_every=1), model.built
    if not was_built:
        assert list(explorer.catalog.weights) == []
        assert "Not built yet" in str(explorer)
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    model.fit(X, Y, epochs=3, batch_size=8, verbose=0, callbacks=[explorer.callback])
    yield model, explorer, was_built
    explorer.close()


def test_every_variable_is_there_once_with_the_expression_that_reads_it(trained):
    model, explorer, _ = trained
    weights = explorer.catalog.weights
    assert [key.removeprefix("net/") for key in weights] == KEYS
    read = [eval(weight.expression, {"model": model}) for weight in weights.values()]
    assert [id(variable) for variable in read] == [id(variable) for variable in model.weights]
    assert [weight.get_weights_index for weight in weights.values()] == [0, 1] * 3
    for key, variable in zip(KEYS, model.weights, strict=True):
        np.testing.assert_array_equal(explorer.history.values(key)[-1], variable)
    assert all(key in str(explorer) for key in KEYS)
    assert explorer.catalog.root.num_params == model.count_params() == 98


def test_initializers_are_named_as_they_were_given(trained):
    _, explorer, _ = trained
    names = [explorer.catalog.weights[key].initializer for key in KEYS]
    assert names == ["Ramp", "Zeros", "HeNormal", "Zeros", "quarters", "Zeros"]


def test_the_start_is_what_the_initializers_made_and_training_moved_it(trained):
    _, explorer, was_built = trained
    ramp = explorer.history.values("ramp/kernel")
    first = explorer.history.records[0]
    assert (first.kind, first.batch) == (("start", 0) if was_built else ("batch", 1))
    if was_built:
        np.testing.assert_array_equal(ramp[0], np.linspace(0, 0.5, 36, dtype="float32").reshape(6, 6))
        assert (explorer.history.values("out/kernel")[0] == 0.25).all()
    assert (ramp[-1] != ramp[0]).all()
    assert not [finding for finding in explorer.findings if finding.severity != "note"]


def test_a_custom_initializer_can_be_looked_at_and_used(trained):
    model, explorer, _ = trained
    explorer.initializers = {"quarters": quarters}
    explorer.select("drawn", role="kernel", view="initializer", initializer="quarters", seed=3)
    assert explorer.figure().axes
    before = model.get_layer("drawn").kernel.numpy()
    explorer.reinitialize("drawn/kernel", "quarters")
    assert (model.get_layer("drawn").kernel.numpy() == 0.25).all()
    explorer.undo()
    np.testing.assert_array_equal(model.get_layer("drawn").kernel, before)


def test_code_of_every_kind_of_model_reads_the_weight_that_is_shown(trained):
    model, explorer, _ = trained
    explorer.select("ramp", role="kernel", view="matrix", quantity="value")
    np.testing.assert_array_equal(run_code(explorer, model)["values"], model.get_layer("ramp").kernel)


class Tied(layers.Layer):
    """Reads out with the matrix of an embedding, turned: one variable in two layers."""

    def __init__(self, embedding, name):
        super().__init__(name=name)
        self.embedding = embedding

    def build(self, shape):
        self.table = self.embedding.embeddings

    def call(self, vectors):
        return ops.matmul(vectors, ops.transpose(self.table))


@pytest.fixture(scope="module")
def tied():
    """A language model whose output layer shares the matrix of its embedding, in training."""
    keras.utils.set_random_seed(1)
    tokens = keras.Input((5,), dtype="int32")
    embedding = layers.Embedding(11, 4, name="tokens")
    vectors = layers.Dense(4, name="mix")(layers.GlobalAveragePooling1D(name="pool")(embedding(tokens)))
    model = keras.Model(tokens, Tied(embedding, name="readout")(vectors), name="tied")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, jit_compile=False)
    explorer = WeightExplorer(model, record_every=1)
    data = RANDOM.integers(0, 11, (64, 5))
    model.fit(data, data[:, 0], epochs=2, batch_size=16, verbose=0, callbacks=[explorer.callback])
    yield model, explorer
    explorer.close()


def test_one_variable_in_two_places_is_one_weight_that_both_layers_hold(tied):
    model, explorer = tied
    shared = [weight for weight in explorer.catalog.weights.values() if len(weight.shared_by) > 1]
    (table,) = shared
    assert table.shape == (11, 4)
    assert table.shared_by == ("tied/tokens", "tied/readout/tokens")
    assert explorer.catalog.root.num_params == 11 * 4 + 4 * 4 + 4
    assert eval(table.expression, {"model": model}) is model.get_layer("tokens").embeddings
    holders = [node for _, node in explorer.catalog.root.walk() if table.key in node.weights]
    assert [(node.path, node.shared_axes) for node in holders] == [(path, True) for path in table.shared_by]
    for path in table.shared_by:
        explorer.select(path, view="matrix", quantity="value")
        np.testing.assert_array_equal(run_code(explorer, model)["values"], model.get_layer("tokens").embeddings)
