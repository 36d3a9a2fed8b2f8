"""Models of pictures: patches with attention, fine-tuning in two phases, half precision."""

import keras
import numpy as np
from keras import layers

from tests.training_programs.data import images
from tests.training_programs.sequences import Positions, block
from tests.training_programs.watch import Program, Trained, expect

LOGITS = {"loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "jit_compile": False}


def vision_transformer(watch, broken=""):
    pictures, classes = images()
    if broken == "NaN in the data":
        pictures = pictures.copy()
        pictures[100, 3, 3] = np.nan
    inputs = keras.Input((8, 8, 1))
    patches = layers.Reshape((16, 16), name="flat")(layers.Conv2D(16, 2, strides=2, name="patches")(inputs))
    pooled = layers.GlobalAveragePooling1D(name="pool")(block(Positions("positions")(patches), 16, zeros=False))
    model = keras.Model(inputs, layers.Dense(10, name="classes")(pooled), name="vit")
    model.compile(keras.optimizers.Adam(0.01), **LOGITS)
    history = model.fit(pictures, classes, epochs=8, verbose=0, callbacks=watch.callbacks(model))
    return Trained((model,), tuple(history.history["loss"]), pictures)


def convolutions():
    """A small convolutional base with batch normalization."""
    stack = []
    for number, filters in enumerate((8, 12), 1):
        stack += [layers.Conv2D(filters, 3, use_bias=False, name=f"conv_{number}")]
        stack += [layers.BatchNormalization(momentum=0.9, name=f"norm_{number}"), layers.ReLU(name=f"relu_{number}")]
    return keras.Sequential([keras.Input((8, 8, 1)), *stack, layers.GlobalAveragePooling2D(name="pool")], name="base")


class WithoutStatistics(keras.Model):
    """A base that always normalizes by the statistics it came with, as the guide of Keras on fine-tuning has it, and a head."""

    def __init__(self, base):
        super().__init__(name="tuned")
        self.base, self.head = base, layers.Dense(10, name="classes")

    def call(self, pictures):
        return self.head(self.base(pictures, training=False))


def pretrained():
    """A base that has learned something else: which digits are odd."""
    pictures, classes = images()
    base = convolutions()
    model = keras.Sequential([base, layers.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", jit_compile=False)
    model.fit(pictures, classes % 2, epochs=3, verbose=0)
    return base


def tune(watch, broken, model, base):
    """Train a head on a frozen base, then both."""
    pictures, classes = images()
    model(pictures[:2])
    base.trainable = False
    model.compile(keras.optimizers.Adam(0.01), **LOGITS)
    losses = list(model.fit(pictures, classes, epochs=3, verbose=0, callbacks=watch.callbacks(model)).history["loss"])
    base.trainable = True
    if broken != "not compiled again":
        rate = 0.0 if broken == "learning rate 0 in the second phase" else 0.003
        model.compile(keras.optimizers.Adam(rate), **LOGITS)
    losses += model.fit(pictures, classes, epochs=5, verbose=0, callbacks=watch.callbacks(model)).history["loss"]
    return Trained((model,), tuple(losses), pictures)


def fine_tuning(watch, broken=""):
    base = convolutions()
    return tune(watch, broken, keras.Sequential([base, layers.Dense(10, name="classes")], name="tuned"), base)


def fine_tuning_with_statistics_kept(watch, broken=""):
    base = pretrained()
    return tune(watch, broken, WithoutStatistics(base), base)


def frozen_in_the_second_phase(watch, broken=""):
    """All is trained first, then the head alone."""
    pictures, classes = images()
    base = convolutions()
    model = keras.Sequential([base, layers.Dense(10, name="classes")], name="later_frozen")
    model.compile(keras.optimizers.Adam(0.01), **LOGITS)
    losses = list(model.fit(pictures, classes, epochs=3, verbose=0, callbacks=watch.callbacks(model)).history["loss"])
    base.trainable = False
    if broken != "not compiled again":
        model.compile(keras.optimizers.Adam(0.01), **LOGITS)
    losses += model.fit(pictures, classes, epochs=3, verbose=0, callbacks=watch.callbacks(model)).history["loss"]
    return Trained((model,), tuple(losses), pictures)


def mixed_precision(watch, broken=""):
    pictures, classes = images()
    if broken == "infinity in the data":
        pictures = pictures.copy()
        pictures[:, 3, 3] = np.inf
    half = {"dtype": "mixed_float16"}
    stack = [layers.Conv2D(8, 3, activation="relu", name="conv", **half), layers.Flatten(**half)]
    stack += [layers.Dense(24, "relu", name="hidden", **half), layers.Dense(10, dtype="float32", name="classes")]
    model = keras.Sequential([keras.Input((8, 8, 1)), *stack], name="half")
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.003)), **LOGITS)
    history = model.fit(pictures, classes, epochs=6, verbose=0, callbacks=watch.callbacks(model))
    return Trained((model,), tuple(history.history["loss"]), pictures)


BASE = ("conv_1/kernel", "norm_1/gamma", "norm_1/beta", "conv_2/kernel", "norm_2/gamma", "norm_2/beta")
HEAD = ("classes/kernel", "classes/bias")
STACK = ("conv/kernel", "conv/bias", "hidden/kernel", "hidden/bias", *HEAD)
PROGRAMS = (
    Program(
        vision_transformer,
        {"NaN in the data": expect("not finite", "patches/kernel", "classes/bias", severity="error", exactly=False)},
    ),
    Program(
        fine_tuning,
        {
            "not compiled again": expect("not moving", *BASE),
            "learning rate 0 in the second phase": expect("not moving", *BASE, *HEAD),
        },
    ),
    Program(fine_tuning_with_statistics_kept),
    Program(frozen_in_the_second_phase, {"not compiled again": expect("frozen but moved", *BASE, exactly=False)}),
    Program(mixed_precision, {"infinity in the data": expect("not moving", *STACK)}),
)
