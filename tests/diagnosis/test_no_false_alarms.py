"""Ordinary models that learn well, on data that ship in packages: nothing is called trouble that is none."""

from pydoc_data.topics import topics

import keras
import numpy as np
import pytest
from keras import layers
from sklearn import datasets

from tests.backends import BACKEND
from weight_explorer import WeightExplorer

LOGITS = {"loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "metrics": ["accuracy"]}


def digits():
    """1 797 handwritten digits; three of their 64 pixels are 0 in all of them."""
    pixels, names = datasets.load_digits(return_X_y=True)
    return (pixels / 16).astype("float32"), names


def of_size_one(load):
    values, target = load(return_X_y=True)
    return ((values - values.mean(axis=0)) / values.std(axis=0)).astype("float32"), target


def characters():
    """A text that ships with Python, as windows of 12 letters and the letter that follows."""
    text = topics["assignment"].lower()[:4000]
    letters = sorted(set(text))
    codes = np.array([letters.index(letter) for letter in text])
    windows = np.lib.stride_tricks.sliding_window_view(codes, 13)
    return windows[:, :12], windows[:, 12], letters


def digits_mlp():
    model = keras.Sequential([keras.Input((64,)), layers.Dense(32, "relu"), layers.Dense(10)])
    return model, *digits(), LOGITS, 12


def digits_cnn():
    pixels, names = digits()
    stack = [layers.Conv2D(8, 3, use_bias=False), layers.BatchNormalization(momentum=0.9), layers.ReLU()]
    stack += [layers.Conv2D(16, 3, activation="relu"), layers.GlobalAveragePooling2D(), layers.Dense(10)]
    return keras.Sequential([keras.Input((8, 8, 1)), *stack]), pixels.reshape(-1, 8, 8, 1), names, LOGITS, 8


def wine_mlp():
    model = keras.Sequential([keras.Input((13,)), layers.Dense(16, "tanh"), layers.Dense(16, "tanh"), layers.Dense(3)])
    return model, *of_size_one(datasets.load_wine), LOGITS, 40


def iris_sgd():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(12, "relu"), layers.Dense(3)])
    return model, *of_size_one(datasets.load_iris), LOGITS | {"optimizer": keras.optimizers.SGD(0.1, momentum=0.9)}, 40


def cancer_logistic():
    model = keras.Sequential([keras.Input((30,)), layers.Dense(1, "sigmoid")])
    return model, *of_size_one(datasets.load_breast_cancer), {"loss": "binary_crossentropy", "metrics": ["accuracy"]}, 30


def diabetes_regression():
    values, target = of_size_one(datasets.load_diabetes)
    model = keras.Sequential([keras.Input((10,)), layers.Dense(32, "relu"), layers.Dense(16, "relu"), layers.Dense(1)])
    return model, values, (target - target.mean()) / target.std(), {"loss": "mse"}, 40


def letters_lstm():
    windows, following, letters = characters()
    count = len(letters)
    model = keras.Sequential([keras.Input((12,)), layers.Embedding(count, 12), layers.LSTM(24), layers.Dense(count)])
    return model, windows, following, LOGITS, 6


def vowels_embedding():
    """Does a vowel follow?"""
    windows, following, letters = characters()
    vowels = np.isin(following, [letters.index(letter) for letter in "aeiou"])
    stack = [layers.Embedding(len(letters), 16), layers.Flatten(), layers.Dense(8, "relu"), layers.Dense(1, "sigmoid")]
    return keras.Sequential([keras.Input((12,)), *stack]), windows, vowels, {"loss": "binary_crossentropy"}, 8


HEALTHY = (
    digits_mlp,
    digits_cnn,
    wine_mlp,
    iris_sgd,
    cancer_logistic,
    diabetes_regression,
    letters_lstm,
    vowels_embedding,
)


RUNS = [(make, "auto") for make in HEALTHY] + [(digits_mlp, 1), (wine_mlp, "epoch")]


@pytest.mark.parametrize(("make", "record_every"), RUNS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_healthy_training_raises_no_alarm(make, record_every):
    keras.utils.set_random_seed(5)
    model, x, y, how, epochs = make()
    # Compiling takes longer than it saves, but on JAX nothing else is fast.
    jit_compile = "auto" if BACKEND == "jax" else False
    model.compile(**{"optimizer": keras.optimizers.Adam(0.005), "jit_compile": jit_compile} | how)
    explorer = WeightExplorer(model, record_every=record_every)
    losses = model.fit(x, y, epochs=epochs, verbose=0, callbacks=[explorer.callback]).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    findings = explorer.findings
    assert [str(finding) for finding in findings if finding.severity != "note"] == []
    # What is told is true: inputs that are always 0, letters that never occur, units that are off from the start.
    assert {finding.rule for finding in findings} <= {"rows not moving", "units not moving"}
    explorer.close()
