"""How long it takes to read the catalog of a model, per 1000 variables: `python -m tests.benchmarks.catalog_time`.

Beside it, in the same run, the time `model.get_weights()` takes to copy the same variables.
"""

import statistics
import sys
from time import perf_counter

import keras
import numpy as np
from keras import layers

from weight_explorer.catalog.builder import read_catalog

ROUNDS = 9


class InAList(keras.Model):
    """Layers that have no names of their own to be found by."""

    def __init__(self, count):
        super().__init__()
        self.blocks = [layers.Dense(4) for _ in range(count)]

    def call(self, inputs):
        for block in self.blocks:
            inputs = block(inputs)
        return inputs


def in_a_list(count):
    model = InAList(count)
    model(np.zeros((1, 4), "float32"))
    return model


def transformer(depth):
    x = inputs = keras.Input((8, 16))
    for _ in range(depth):
        attended = layers.MultiHeadAttention(4, 4)(x, x)
        x = layers.LayerNormalization()(layers.Add()([x, attended]))
        x = layers.LayerNormalization()(layers.Add()([x, layers.Dense(16)(layers.Dense(32)(x))]))
    return keras.Model(inputs, x)


def nested(depth):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4)])
    for _ in range(depth):
        model = keras.Sequential([keras.Input((4,)), model, layers.Dense(4)])
    return model


MODELS = {
    "ResNet50": lambda: keras.applications.ResNet50(weights=None),
    "MobileNetV3Large": lambda: keras.applications.MobileNetV3Large(weights=None),
    "500 dense layers": lambda: keras.Sequential([keras.Input((4,)), *(layers.Dense(4) for _ in range(500))]),
    "800 dense layers in a list": lambda: in_a_list(800),
    "2000 dense layers in a list": lambda: in_a_list(2000),
    "transformer, 24 blocks": lambda: transformer(24),
    "50 models in each other": lambda: nested(50),
}


def seconds(work):
    began = perf_counter()
    work()
    return perf_counter() - began


def main():
    """Print, for each model, the median time and its ratio to that of `get_weights()`."""
    for name, make in MODELS.items():
        model = make()
        count = len(model.variables)
        pairs = [(seconds(lambda: read_catalog(model)), seconds(model.get_weights)) for _ in range(ROUNDS)]  # noqa: B023
        read = statistics.median(pair[0] for pair in pairs)
        ratio = statistics.median(pair[0] / pair[1] for pair in pairs)
        per_1000 = read / count * 1e6
        sys.stdout.write(f"{name}: {count} variables, {per_1000:.1f} ms per 1000, {ratio:.2f} times get_weights()\n")


if __name__ == "__main__":
    main()
