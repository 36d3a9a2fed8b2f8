"""Edits change what was asked for and nothing else, stand on the time axis, and can be undone bit by bit."""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from weight_explorer import WeightExplorer
from weight_explorer.catalog.schema import SEED_STATE
from weight_explorer.editing.undo import Edit, UndoStack

KERNEL, BIAS = "dense_model/hidden/kernel", "dense_model/hidden/bias"


@pytest.fixture
def explorer(dense_model):
    return WeightExplorer(dense_model)


def kernel_of(explorer, key=KERNEL):
    return explorer.catalog.variables[key].numpy()


def bits(values):
    return np.array(values).view(np.uint32)


@pytest.mark.parametrize(
    ("where", "value", "index"),
    [
        (None, 0.25, np.s_[:]),
        ("0:2, :", -1, np.s_[0:2, :]),
        (np.s_[..., -1], [1, 2, 3, 4, 5, 6], np.s_[:, 4]),
        (np.s_[[3, 1], :], np.arange(10.0).reshape(2, 5), np.s_[[3, 1], :]),
        (3, np.nan, 3),
        ("1, 2", tf.constant(2.5), (1, 2)),
        (np.eye(6, 5, dtype=bool), 7, np.eye(6, 5, dtype=bool)),
        (np.eye(6, 5, dtype=bool), np.arange(5), np.eye(6, 5, dtype=bool)),
    ],
)
def test_an_assignment_changes_its_elements_alone(explorer, where, value, index):
    expected = kernel_of(explorer)
    expected[index] = np.asarray(value)
    explorer.assign(KERNEL, where, value)
    np.testing.assert_array_equal(bits(kernel_of(explorer)), bits(expected))
    np.testing.assert_array_equal(explorer.history.values(KERNEL)[-1], expected)


def test_with_a_mask_the_value_may_have_the_weights_shape(explorer):
    before, mask = kernel_of(explorer), np.eye(6, 5, dtype=bool)
    explorer.assign(KERNEL, mask, -before)
    np.testing.assert_array_equal(kernel_of(explorer), np.where(mask, -before, before))


def test_a_permutation_by_index_is_what_numpy_makes_of_it(explorer):
    keras_values = np.arange(30.0).reshape(6, 5)
    explorer.assign(KERNEL, [5, 4, 3, 2, 1, 0], keras_values)
    np.testing.assert_array_equal(kernel_of(explorer), keras_values[::-1])


@pytest.mark.parametrize(
    ("key", "where", "value", "error", "words"),
    [
        (KERNEL, "0:2, :", [1, 2, 3], ValueError, r"shape \(3,\) does not fit 0:2, : .* the shape \(2, 5\)"),
        (KERNEL, None, 1e300, ValueError, "cannot be held"),
        (KERNEL, None, "many", TypeError, "real numbers"),
        (KERNEL, None, 1j, TypeError, "real numbers"),
        (KERNEL, None, None, TypeError, "real numbers"),
        (KERNEL, None, [[1], [1, 2]], TypeError, "no array"),
        (KERNEL, "7:", 0, ValueError, "chooses no element"),
        ("dense_model/hidden/kernle", None, 0, ValueError, "Did you mean"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(explorer, key, where, value, error, words):
    before, records = kernel_of(explorer), explorer.history.num_recorded
    with pytest.raises(error, match=words):
        explorer.assign(key, where, value)
    np.testing.assert_array_equal(kernel_of(explorer), before)
    assert explorer.history.num_recorded == records
    with pytest.raises(ValueError, match="no edit to undo"):
        explorer.undo()


def test_fractions_are_refused_among_whole_numbers():
    class Counting(layers.Layer):
        def build(self, shape):
            self.counter = self.add_weight(shape=(), dtype="int32", trainable=False, initializer="zeros", name="counter")

        def call(self, x):
            return x

    model = keras.Sequential([keras.Input((2,)), Counting(name="counting")], name="m")
    explorer, counter = WeightExplorer(model), model.get_layer("counting").counter
    (key,) = explorer.catalog.weights
    with pytest.raises(ValueError, match=r"0\.5 cannot be held"):
        explorer.assign(key, None, 0.5)
    explorer.assign(key, None, 3)
    assert int(counter.numpy()) == 3


def test_edits_and_undos_are_records_of_their_own(explorer, dense_model, training_data):
    dense_model.fit(*training_data, verbose=0, callbacks=[explorer.callback])
    kernel = dense_model.get_layer("hidden").kernel
    kernel.assign(kernel + 1)  # by the user, before the edit: not to be taken for a part of it
    outside = kernel.numpy()
    explorer.assign(BIAS, "0:2", 0.5)
    explorer.reinitialize("dense_model/out/kernel", "ones")
    explorer.undo()
    kinds = [(step.kind, step.name) for step in explorer.history.records[-4:]]
    assert kinds == [
        ("outside", ""),
        ("edited", f"assigned 0.5 to 2 elements (0:2) of {BIAS}"),
        ("edited", "initialized dense_model/out/kernel anew by Ones"),
        ("edited", "undone: initialized dense_model/out/kernel anew by Ones"),
    ]
    records = explorer.history.records
    np.testing.assert_array_equal(explorer.history.values_at(KERNEL, records[-4].number), outside)
    frame = explorer.history.to_frame()
    edits = frame[(frame.step == records[-3].number) & (frame.quantity == "since_last")].set_index("key")
    assert (edits.moved[BIAS], edits.moved[KERNEL]) == (2, 0)
    assert [(step.epoch, step.batch) for step in records[-4:]] == [(1, 0)] * 4


def test_edits_are_undone_one_after_the_other_bit_by_bit(explorer):
    strange = kernel_of(explorer)
    strange[0, :3] = np.array([0x80000000, 0x7FC0BEEF, 0x00000001], np.uint32).view(np.float32)
    explorer.catalog.variables[KERNEL].assign(strange)
    states = [kernel_of(explorer)]
    for deed in (
        lambda: explorer.assign(KERNEL, "0, 0:2", 1),
        lambda: explorer.reinitialize(KERNEL),
        lambda: explorer.assign(KERNEL, None, 0),
        lambda: explorer.reinitialize(KERNEL, "orthogonal", seed=3),
    ):
        deed()
        states.append(kernel_of(explorer))
    for before in states[-2::-1]:
        explorer.undo()
        np.testing.assert_array_equal(bits(kernel_of(explorer)), bits(before))
    with pytest.raises(ValueError, match="no edit to undo"):
        explorer.undo()


def test_undo_after_a_training_gives_back_the_edited_elements_alone(explorer, dense_model, training_data):
    before = kernel_of(explorer)
    explorer.assign(KERNEL, 2, 9.0)
    dense_model.fit(*training_data, verbose=0)
    trained = kernel_of(explorer)
    assert explorer.undo() == f"assigned 9 to 5 elements (2) of {KERNEL}"
    np.testing.assert_array_equal(kernel_of(explorer)[2], before[2])
    others = [0, 1, 3, 4, 5]
    np.testing.assert_array_equal(kernel_of(explorer)[others], trained[others])


def test_what_is_kept_for_undoing_is_bounded_and_the_latest_always_stays():
    variable, edits = keras.Variable(np.zeros((100,), "float32")), UndoStack(1000)
    for number in range(10):
        edits.push(Edit.create(str(number), "w", variable, np.zeros(100, np.float32), np.ones(100, bool)))
        assert edits.nbytes <= 1000
    assert [edits.pop().description for _ in range(len(edits))] == ["9", "8"]
    edits.push(Edit.create("large", "w", variable, np.zeros(10_000, np.float32), np.ones(10_000, bool)))
    assert edits.pop().description == "large"


def test_an_edit_of_a_weight_that_is_gone_cannot_be_undone(explorer, dense_model):
    explorer.assign("dense_model/out/kernel", None, 1)
    dense_model.pop()
    with pytest.raises(ValueError, match="has the weight no more"):
        explorer.undo()


def test_all_edits_are_refused_in_a_running_fit_with_the_reason(explorer, dense_model, training_data):
    explorer.assign(KERNEL, 0, 1)
    deeds = {
        "Assign": lambda: explorer.assign(KERNEL, None, 0),
        "Reinitialize": lambda: explorer.reinitialize(KERNEL),
        "Undo": explorer.undo,
    }
    refusals = []

    def attempt():
        for what, deed in deeds.items():
            with pytest.raises(RuntimeError, match=f"A training is running.*{what} when it has ended"):
                deed()
            refusals.append(what)

    def from_here_and_there(batch, logs):
        if batch == 1:
            attempt()
            thread = threading.Thread(target=attempt)
            thread.start()
            thread.join()

    callback = keras.callbacks.LambdaCallback(on_train_batch_end=from_here_and_there)
    dense_model.fit(*training_data, verbose=0, callbacks=[explorer.callback, callback])
    assert refusals == list(deeds) * 2
    assert [step.kind for step in explorer.history.records].count("edited") == 1
    explorer.undo()


def test_a_function_of_the_users_called_fit_is_no_training(explorer):
    def fit():
        explorer.assign(KERNEL, None, 0.5)

    fit()
    assert (kernel_of(explorer) == 0.5).all()


# -- initializers ----------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_values_and_none_new_ones(explorer):
    explorer.reinitialize(KERNEL, seed=5)
    first = kernel_of(explorer)
    np.testing.assert_array_equal(first, keras.initializers.GlorotUniform(seed=5)((6, 5)))
    explorer.reinitialize(KERNEL)
    second = kernel_of(explorer)
    explorer.reinitialize(KERNEL)
    assert (second != first).all()
    assert (kernel_of(explorer) != second).all()
    explorer.reinitialize(KERNEL, seed=5)
    np.testing.assert_array_equal(kernel_of(explorer), first)


@pytest.mark.parametrize("seed", [None, 4])
@pytest.mark.parametrize(
    "initializer",
    [
        "he_normal",
        "RandomNormal",
        keras.initializers.HeNormal(),
        keras.initializers.HeNormal,
        keras.initializers.Orthogonal(2.0),
    ],
)
def test_names_classes_and_objects_are_drawn_anew_each_time(explorer, initializer, seed):
    drawn = []
    for _ in range(2):
        explorer.reinitialize(KERNEL, initializer, seed=seed)
        drawn.append(kernel_of(explorer))
    assert np.array_equal(*drawn) == (seed is not None)
    assert drawn[0].std() > 0


def test_an_initializer_that_is_given_with_a_seed_keeps_it(explorer):
    seeded = keras.initializers.HeNormal(seed=8)
    for _ in range(2):
        explorer.reinitialize(KERNEL, seeded)
        np.testing.assert_array_equal(kernel_of(explorer), seeded((6, 5)))
    explorer.reinitialize(KERNEL, seeded, seed=9)
    np.testing.assert_array_equal(kernel_of(explorer), keras.initializers.HeNormal(seed=9)((6, 5)))


def test_a_layers_initializer_with_a_fixed_seed_is_drawn_anew():
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, kernel_initializer=keras.initializers.HeNormal(seed=1))], name="m"
    )
    explorer = WeightExplorer(model)
    key = next(key for key in explorer.catalog.weights if key.endswith("kernel"))
    start = kernel_of(explorer, key)
    explorer.reinitialize(key)
    assert (kernel_of(explorer, key) != start).all()
    explorer.reinitialize(key, seed=1)
    np.testing.assert_array_equal(kernel_of(explorer, key), start)


def test_any_callable_of_shape_and_type_will_do(explorer):
    seen = []

    def ramp(shape, dtype):
        seen.append((shape, dtype))
        return np.arange(np.prod(shape)).reshape(shape) / 10

    explorer.reinitialize(KERNEL, ramp)
    assert seen == [((6, 5), "float32")]
    np.testing.assert_array_equal(kernel_of(explorer), (np.arange(30).reshape(6, 5) / 10).astype("float32"))
    assert explorer.history.records[-1].name.endswith("anew by ramp")


def of_shape_alone(shape):
    return np.full(shape, 0.5)


def of_keywords(shape, *, dtype):
    return np.full(shape, 0.5, dtype)


@pytest.mark.parametrize("initializer", [of_shape_alone, of_keywords, lambda shape: np.full(shape, 0.5), "halves"])
def test_a_function_may_take_the_shape_alone_or_be_called_by_its_name(explorer, initializer):
    explorer.initializers = {"halves": lambda shape: np.full(shape, 0.5)}
    explorer.reinitialize("hidden/kernel", initializer)
    np.testing.assert_array_equal(kernel_of(explorer), np.full((6, 5), 0.5, "float32"))
    if initializer == "halves":
        assert explorer.history.records[-1].name == f"initialized {KERNEL} anew by halves"


@pytest.mark.parametrize(
    ("initializer", "seed", "error", "words"),
    [
        ("he_norml", None, ValueError, r"no initializer 'he_norml'\. Did you mean 'he_normal'\?"),
        ("HeNorml", None, ValueError, r"Did you mean 'HeNormal'\?"),
        ("rmap", None, ValueError, r"Did you mean 'ramp'\? There are: 'ramp', "),
        (
            lambda: 0,
            None,
            TypeError,
            r"<lambda>\(\) cannot be called with a shape and a type. Give a function \(shape, dtype\)",
        ),
        (lambda shape, dtype, more: 0, None, TypeError, r"\(shape, dtype, more\) cannot be called"),
        (lambda shape, dtype: np.zeros(3), None, ValueError, r"gave the shape \(3,\)"),
        (lambda shape, dtype: "none", None, TypeError, "real numbers"),
        (lambda shape, dtype: np.zeros(shape), 3, ValueError, "takes no seed"),
        (lambda shape, dtype: 1 / 0, None, ZeroDivisionError, "division"),
        (17, None, TypeError, "initializer=17 is no Keras initializer"),
    ],
)
def test_an_initializer_that_does_not_fit_changes_nothing(explorer, initializer, seed, error, words):
    explorer.initializers = {"ramp": np.zeros}
    before, records = kernel_of(explorer), explorer.history.num_recorded
    with pytest.raises(error, match=words):
        explorer.reinitialize(KERNEL, initializer, seed=seed)
    np.testing.assert_array_equal(kernel_of(explorer), before)
    assert explorer.history.num_recorded == records


def test_drawing_anew_leaves_the_users_random_numbers_to_keras_alone(explorer):
    keras.utils.set_random_seed(1)
    explorer.reinitialize(KERNEL)
    first = kernel_of(explorer)
    keras.utils.set_random_seed(1)
    explorer.reinitialize(KERNEL)
    np.testing.assert_array_equal(kernel_of(explorer), first)


def rebuilt(reader_model, explorer):
    keys = [key for key, weight in explorer.catalog.weights.items() if weight.role != SEED_STATE]
    for key in keys:
        explorer.assign(key, None, 0.125)
        explorer.reinitialize(key, seed=6)
    return {key: explorer.catalog.variables[key].numpy() for key in keys}


def test_each_weight_of_both_directions_starts_as_keras_starts_it(reader_model):
    explorer = WeightExplorer(reader_model)
    values = rebuilt(reader_model, explorer)
    biases = [value for key, value in values.items() if "lstm" in key and key.endswith("bias")]
    assert len(biases) == 2
    for bias in biases:  # unit_forget_bias
        assert (bias[20:40] == 1).all()
        assert (bias[:20] == 0).all()
        assert (bias[40:] == 0).all()
    for key, value in values.items():
        if key.endswith("recurrent_kernel"):
            np.testing.assert_allclose(value @ value.T, np.eye(20), atol=1e-5)
        elif "lstm" in key and key.endswith("/kernel"):
            limit = np.sqrt(6 / (100 + 80))
            assert 0.95 * limit < np.abs(value).max() <= limit


def test_what_the_layer_does_beyond_its_initializer_is_done_for_layers_of_ones_own():
    @keras.saving.register_keras_serializable("tests")
    class Scaled(layers.Layer):
        def __init__(self, scale=2.0, **options):
            super().__init__(**options)
            self.scale_of_start = scale

        def build(self, shape):
            draw = keras.initializers.Constant(self.scale_of_start)
            self.scale = self.add_weight(shape=(shape[-1],), initializer=draw, name="scale")

        def call(self, x):
            return x * self.scale

        def get_config(self):
            return {**super().get_config(), "scale": self.scale_of_start}

    model = keras.Sequential([keras.Input((4,)), Scaled(3.0, name="scaled")], name="m")
    explorer = WeightExplorer(model)
    explorer.assign("m/scaled/scale", None, 0)
    explorer.reinitialize("m/scaled/scale")
    assert kernel_of(explorer, "m/scaled/scale").tolist() == [3, 3, 3, 3]


class Unspeakable(layers.Layer):
    """Keras cannot make it again: its argument is no plain data, and it has no `get_config`."""

    def __init__(self, start, **options):
        super().__init__(**options)
        self.start = start
        if hasattr(start, "initializer"):
            self.w_initializer = start.initializer

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 2), initializer="ones", name="w")

    def call(self, x):
        return x @ self.w


class Start:
    def __init__(self, **options):
        vars(self).update(options)


def test_of_a_layer_that_cannot_be_made_again_its_initializer_is_asked_and_else_one_is_asked_for():
    known = Unspeakable(Start(initializer=keras.initializers.HeNormal(seed=2)), name="known")
    model = keras.Sequential([keras.Input((3,)), known, Unspeakable(Start(), name="unknown")], name="m")
    explorer = WeightExplorer(model)
    explorer.reinitialize("m/known/w", seed=2)
    np.testing.assert_array_equal(known.w.numpy(), keras.initializers.HeNormal(seed=2)((3, 2)))
    with pytest.raises(ValueError, match=r"is not known: Unspeakable .* Give one"):
        explorer.reinitialize("m/unknown/w")
    explorer.reinitialize("m/unknown/w", "zeros")
    assert (model.get_layer("unknown").w.numpy() == 0).all()


@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16", "float16"])
def test_weights_of_low_precision_are_edited_in_their_own_type(policy):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="dense", dtype=policy)], name="m")
    explorer = WeightExplorer(model)
    variable = model.get_layer("dense").kernel
    for deed in (lambda: explorer.assign("m/dense/kernel", 0, 0.1), lambda: explorer.reinitialize("m/dense/kernel", seed=1)):
        deed()
        assert str(explorer.history.values("m/dense/kernel")[-1].dtype) == variable.dtype
    expected = keras.initializers.GlorotUniform(seed=1)((4, 3), dtype=variable.dtype)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable.value), keras.ops.convert_to_numpy(expected))


# -- sharing ---------------------------------------------------------------------------------------------------------


def test_a_layer_that_is_called_twice_is_edited_once():
    shared = layers.Dense(3, name="shared", use_bias=False)
    a, b = keras.Input((4,)), keras.Input((4,))
    model = keras.Model([a, b], [shared(a), shared(b)], name="twins")
    explorer = WeightExplorer(model)
    explorer.assign("twins/shared/kernel" if "twins/shared/kernel" in explorer.catalog.weights else "shared/kernel", None, 2)
    x, y = np.ones((1, 4)), np.full((1, 4), 2.0)
    first, second = model.predict([x, y], verbose=0)
    assert (first == 8).all()
    assert (second == 16).all()
    explorer.undo()
    assert (model.predict([x, y], verbose=0)[0] != 8).all()


class Tied(keras.Model):
    """A language model whose last layer reads the embedding's own table."""

    def __init__(self):
        super().__init__(name="tied")
        self.embed = layers.Embedding(7, 4, name="embed")
        self.head = Head(self.embed, name="head")

    def call(self, x):
        return self.head(self.embed(x))


class Head(layers.Layer):
    def __init__(self, embed, **options):
        super().__init__(**options)
        self.embed = embed

    def call(self, x):
        return keras.ops.matmul(x, keras.ops.transpose(self.embed.embeddings))


def test_tied_embeddings_are_one_weight_in_both_places():
    model = Tied()
    tokens = np.array([[0, 3]])
    model(tokens)
    explorer = WeightExplorer(model)
    (key,) = [key for key in explorer.catalog.weights if key.endswith("embeddings")]
    table = np.eye(7, 4, dtype="float32")
    explorer.assign(key, None, table)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(tokens))[0], table[[0, 3]] @ table.T)
    explorer.freeze(key, 3)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(tokens, tokens, verbose=0, callbacks=[explorer.callback])
    np.testing.assert_array_equal(model.embed.embeddings.numpy()[3], table[3])
    assert (model.embed.embeddings.numpy()[0] != table[0]).any()
    assert explorer.check_frozen()[0].num_changed == 0


def test_question_4_initializers_of_ones_own_for_a_model_that_is_not_built_yet(training_data):
    """Choose how weights start, also of a model without shapes, and see that it is so in every place they serve."""
    keras.utils.set_random_seed(3)
    shared = layers.Dense(6, name="shared")
    model = keras.Sequential([shared, layers.Dense(3, name="out")], name="later")
    model.compile("adam", "mse")
    explorer = WeightExplorer(model)
    with pytest.raises(ValueError, match="not built"):
        explorer.reinitialize("later/shared/kernel", "zeros")
    model.build((None, 6))
    keys = {key.rpartition("later/")[2]: key for key in explorer.catalog.weights}
    kernel = keys["shared/kernel"]
    explorer.reinitialize(kernel, "identity")
    other = keras.Sequential([keras.Input((6,)), shared], name="other")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(other(np.eye(6))), np.eye(6), atol=1e-6)
    explorer.reinitialize(keys["out/kernel"], lambda shape, dtype: np.full(shape, 0.5))
    explorer.assign(keys["out/bias"], "0:2", [1, 2])
    model.fit(*training_data, verbose=0, callbacks=[explorer.callback])
    kinds = [step.kind for step in explorer.history.records]
    assert kinds[:5] == ["before", "edited", "edited", "edited", "start"]
    np.testing.assert_array_equal(explorer.history.values_at(kernel, 1), np.eye(6))
    explorer.restore(3)
    assert (model.get_layer("out").kernel.numpy() == 0.5).all()
    for _ in range(3):
        explorer.undo()
    np.testing.assert_array_equal(shared.kernel.numpy(), explorer.history.values_at(kernel, 0))
