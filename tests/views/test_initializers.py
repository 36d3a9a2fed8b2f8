"""What an initializer is said to give is what Keras' own gives: samples of many elements, and the layers of real models."""

import json
import math

import keras
import numpy as np
import pytest
from keras import initializers, layers

from weight_explorer import WeightExplorer
from weight_explorer.catalog.builder import read_catalog
from weight_explorer.catalog.schema import Axis, Weight, slice_blocks
from weight_explorer.catalog.serialization import catalog_from_json, catalog_to_json
from weight_explorer.views.initializer_distributions import fans, initial_distribution

CASES = {
    "GlorotUniform": (initializers.GlorotUniform, {}, (300, 500)),
    "GlorotNormal": (initializers.GlorotNormal, {}, (300, 500)),
    "LecunUniform": (initializers.LecunUniform, {}, (300, 500)),
    "LecunNormal": (initializers.LecunNormal, {}, (300, 500)),
    "HeUniform": (initializers.HeUniform, {}, (3, 3, 100, 200)),
    "HeNormal": (initializers.HeNormal, {}, (3, 3, 100, 200)),
    "RandomUniform": (initializers.RandomUniform, {"minval": -0.2, "maxval": 0.7}, (400, 400)),
    "RandomNormal": (initializers.RandomNormal, {"mean": 1.0, "stddev": 0.3}, (400, 400)),
    "TruncatedNormal": (initializers.TruncatedNormal, {"mean": -1.0, "stddev": 0.3}, (400, 400)),
    "fan_out, uniform": (
        initializers.VarianceScaling,
        {"scale": 3.0, "mode": "fan_out", "distribution": "uniform"},
        (300, 500),
    ),
    "fan_avg, normal": (initializers.VarianceScaling, {"mode": "fan_avg", "distribution": "untruncated_normal"}, (300, 500)),
    "fan_in, cut": (initializers.VarianceScaling, {"scale": 0.5, "distribution": "normal"}, (5, 100, 300)),
    "chosen axes": (initializers.GlorotUniform, {"input_axes": [0, 1], "output_axes": [2]}, (8, 40, 500)),
    "a vector": (initializers.HeNormal, {}, (160_000,)),
    "Orthogonal, tall": (initializers.Orthogonal, {}, (500, 300)),
    "Orthogonal, wide": (initializers.Orthogonal, {"gain": 2.0}, (3, 3, 20, 400)),
}


def weight_for(initializer, shape):
    config = {name: value for name, value in (vars(initializer) | initializer.get_config()).items() if value is not None}
    made = {"class_name": type(initializer).__name__, "config": config}
    axes = tuple(Axis(f"axis {i}", size) for i, size in enumerate(shape))
    return Weight("w", "kernel", "kernel", "l", shape, "float32", axes, initializer_config=made)


def distance(start, values):
    """The Kolmogorov-Smirnov statistic: the largest difference of the shares below any number."""
    values = np.sort(values.reshape(-1).astype(np.float64))
    below = sum(share * part(values) for share, part in start.parts)
    ranks = np.arange(len(values) + 1) / len(values)
    return max(np.abs(below - ranks[1:]).max(), np.abs(below - ranks[:-1]).max())


@pytest.mark.parametrize("case", CASES)
def test_samples_of_keras_follow_the_curve(case):
    make, config, shape = CASES[case]
    initializer = make(**config, seed=11)
    values = np.asarray(initializer(shape))
    assert values.size > 50_000
    # Farther than this apart are fewer than one of a million samples of that distribution (Kolmogorov, 1933).
    assert distance(initial_distribution(weight_for(initializer, shape)), values) < math.sqrt(math.log(2e6) / 2 / values.size)


@pytest.mark.parametrize("case", CASES)
def test_curves_that_are_a_little_off_do_not_pass(case):
    make, config, shape = CASES[case]
    values = np.asarray(make(**config, seed=11)(shape))
    assert distance(initial_distribution(weight_for(make(**config), shape)), values * 1.06) > math.sqrt(
        math.log(2e6) / 2 / values.size
    )


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_small_orthogonal_matrices_follow_the_curve(size):
    values = np.concatenate([np.asarray(initializers.Orthogonal(seed=seed)((size, size))).ravel() for seed in range(1, 1500)])
    start = initial_distribution(weight_for(initializers.Orthogonal(), (size, size)))
    edges = np.linspace(-1.05, 1.05, 22)
    found, expected = np.histogram(values, edges)[0], start.expected_counts(edges, values.size)
    assert expected.sum() == pytest.approx(values.size)
    # Elements of one matrix hang together, so this is wider than for as many that do not.
    assert (np.abs(found - expected) <= 8 * np.sqrt(expected + 1)).all()


@pytest.mark.parametrize(
    ("initializer", "counts"),
    [
        (initializers.Zeros(), [0, 20, 0, 0]),
        (initializers.Ones(), [0, 0, 20, 0]),
        (initializers.Constant(2.0), [0, 0, 0, 20]),
        (initializers.Identity(gain=2.0), [0, 16, 0, 4]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_constants_lie_in_the_bin_that_holds_them(initializer, counts):
    start, edges = initial_distribution(weight_for(initializer, (4, 5))), np.array([-1.0, 0.0, 0.5, 1.5, 2.0])
    np.testing.assert_allclose(start.expected_counts(edges, 20), counts)
    np.testing.assert_allclose(np.histogram(np.asarray(initializer((4, 5))), edges)[0], counts)


@pytest.mark.parametrize("value", [0.1, -0.3, 1e-30])
def test_a_constant_that_float32_rounds_is_still_in_its_bin(value):
    values = np.full(9, value, np.float32)
    for edges in (np.linspace(float(values[0]), 5, 9), np.linspace(-5, float(values[0]), 9)):
        start = initial_distribution(weight_for(initializers.Constant(value), (9,)))
        np.testing.assert_allclose(start.expected_counts(edges, 9), np.histogram(values, edges)[0])


@pytest.mark.parametrize(
    ("make", "config", "words"),
    [
        ("GlorotUniform", {}, "uniform within ± sqrt(6 / (100 + 80)) = ± 0.183 for fan_in 100, fan_out 80"),
        ("HeNormal", {}, "of standard deviation sqrt(2 / 100) = 0.141 for fan_in 100, fan_out 80"),
        ("LecunUniform", {}, "uniform within ± sqrt(3 / 100) = ± 0.173"),
        ("RandomUniform", {"minval": -0.05, "maxval": 0.05}, "RandomUniform: uniform between -0.05 and 0.05"),
        ("Zeros", {}, "Zeros: every element is 0"),
        ("Orthogonal", {}, "whose columns are unit vectors of 100 elements, each of about ± 1 / sqrt(100) = ± 0.1"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalpha() else "",
)
def test_the_formula_stands_there_with_its_numbers(make, config, words):
    assert words in initial_distribution(weight_for(getattr(initializers, make)(**config), (100, 80))).text


@pytest.mark.parametrize(
    "config",
    [{}, {"class_name": "MyOwn", "config": {}}, {"class_name": "Constant", "config": {"value": [1.0, 2.0]}}],
    ids=["none", "unknown", "array"],
)
def test_what_is_not_known_gets_no_curve(config):
    assert (
        initial_distribution(
            Weight("w", "kernel", "kernel", "l", (3,), "float32", (Axis("units", 3),), initializer_config=config)
        )
        is None
    )


def test_fans_are_those_of_keras():
    compute_fans = pytest.importorskip("keras.src.initializers.random_initializers").compute_fans
    for shape in ((), (7,), (3, 4), (3, 4, 5), (2, 3, 4, 5), (2, 3, 4, 5, 6)):
        assert fans(shape, {}) == compute_fans(shape)
    assert fans((2, 3, 4), {"input_axes": [0], "output_axes": [1, 2]}) == compute_fans((2, 3, 4), [0], [1, 2])


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(5)
    inputs = keras.Input((6, 120))
    x = layers.Bidirectional(layers.LSTM(64, return_sequences=True, kernel_initializer="he_normal"), name="both")(inputs)
    x = layers.GRU(90, return_sequences=True, name="gru")(x)
    x = layers.MultiHeadAttention(8, 24, name="attention")(x, x)
    x = layers.EinsumDense("abc,cde->abde", (None, 7, 40), name="einsum")(x)
    x = layers.Reshape((6, 7 * 40))(x)
    x = layers.SeparableConv1D(50, 3, depth_multiplier=4, name="separable")(x)
    return keras.Model(inputs, layers.Dense(60, name="out")(x), name="many")


def test_the_weights_of_real_layers_follow_their_curves_and_so_do_their_gates_and_heads(model):
    catalog = read_catalog(model)
    checked = 0
    for key, whole in catalog.weights.items():
        parts = [whole, *(slice_blocks(whole, block.name) for axis in whole.axes for block in axis.blocks)]
        for weight in parts if whole.dtype == "float32" else ():
            values, start = np.asarray(catalog.variables[key])[weight.index], initial_distribution(weight)
            assert start is not None, weight.key
            edges = np.linspace(-1, 1.5, 26)
            found, expected = np.histogram(values, edges)[0], start.expected_counts(edges, weight.size)
            assert expected.sum() == pytest.approx(weight.size, rel=1e-3), weight.key
            assert (np.abs(found - expected) <= 5 * np.sqrt(expected) + 3).all(), weight.key
            checked += 1
    assert checked > 60


def test_what_a_gate_starts_at_is_said_of_that_gate_only(model):
    bias = next(weight for key, weight in read_catalog(model).weights.items() if "forward" in key and weight.role == "bias")
    assert initial_distribution(bias).text == "Zeros: every element is 0, forget gate 1"
    assert initial_distribution(slice_blocks(bias, "forget gate")).text == "Constant: every element is 1"
    assert initial_distribution(slice_blocks(bias, "output gate")).text == "Zeros: every element is 0"


def test_a_random_bias_that_is_filled_gate_by_gate_gets_no_curve_of_the_whole():
    model = keras.Sequential([keras.Input((3, 4)), layers.LSTM(8, bias_initializer="he_normal")])
    bias = next(weight for weight in read_catalog(model).weights.values() if weight.role == "bias")
    assert initial_distribution(bias) is None
    assert bias.initializer == "HeNormal, forget gate at 1"


def test_functions_and_classes_of_the_users_own_get_no_curve():
    class HeNormal(initializers.Initializer):
        def __call__(self, shape, dtype=None):
            return keras.ops.ones(shape)

    def ones(shape, dtype=None):
        return keras.ops.ones(shape)

    for made in (HeNormal(), ones):
        model = keras.Sequential([keras.Input((3,)), layers.Dense(2, kernel_initializer=made)])
        assert initial_distribution(next(iter(read_catalog(model).weights.values()))) is None


def test_the_configuration_travels_with_a_saved_run_and_older_files_open(model, tmp_path):
    catalog = read_catalog(model)
    text = catalog_to_json(catalog)
    assert catalog_from_json(text).weights == dict(catalog.weights)
    older = json.loads(text)
    for weight in older["weights"].values():
        del weight["initializer_config"], weight["source_shape"]
    opened = catalog_from_json(json.dumps(older))
    assert all(initial_distribution(weight) is None for weight in opened.weights.values())
    explorer = WeightExplorer(model)
    explorer.history.save(tmp_path / "run.h5")
    loaded = WeightExplorer.load(tmp_path / "run.h5")
    assert [initial_distribution(weight) is None for weight in loaded.catalog.weights.values()] == [
        initial_distribution(weight) is None for weight in catalog.weights.values()
    ]
    loaded.close()
    explorer.close()


def test_the_ends_of_a_uniform_distribution_may_be_given_in_either_order():
    edges = np.linspace(-0.1, 0.1, 5)
    made = (
        initial_distribution(weight_for(initializers.RandomUniform(*ends), (10, 10))) for ends in ((-0.1, 0.1), (0.1, -0.1))
    )
    for start in made:
        np.testing.assert_allclose(start.expected_counts(edges, 100), [25, 25, 25, 25])
