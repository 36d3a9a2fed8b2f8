"""Models that learn which things are alike: siamese, contrastive, triplets."""

import keras
import numpy as np
from keras import layers, ops

from tests.training_programs.data import digits
from tests.training_programs.watch import Program, Trained, expect


def pairs():
    pixels, classes = digits()
    other = np.random.default_rng(1).permutation(len(pixels))
    other[::2] = [np.flatnonzero(classes == each)[0] for each in classes[::2]]
    return pixels, pixels[other], (classes == classes[other]).astype("float32")


def siamese(watch, broken=""):
    first, second, is_same = pairs()
    branch = keras.Sequential(
        [keras.Input((64,)), layers.Dense(24, "relu", name="hidden"), layers.Dense(12, name="code")], name="branch"
    )
    a, b = keras.Input((64,)), keras.Input((64,))
    difference = ops.abs(branch(a) - branch(a if broken == "one input twice" else b))
    model = keras.Model([a, b], layers.Dense(1, "sigmoid", name="same")(difference), name="siamese")
    model.compile(keras.optimizers.Adam(0.003), "binary_crossentropy", jit_compile=False)
    history = model.fit([first, second], is_same, epochs=8, verbose=0, callbacks=watch.callbacks(model))

    def loss():
        return ops.mean(keras.losses.binary_crossentropy(is_same[:, None], model([first, second])))

    return Trained((model,), tuple(history.history["loss"]), [first, second], loss)


class Contrastive(keras.Model):
    """Brings two noisy views of a picture together, and apart from those of all other pictures of the batch."""

    def __init__(self, encoder, head):
        super().__init__(name="contrastive")
        self.encoder, self.head = encoder, head
        self.seeds = keras.random.SeedGenerator(6)

    def call(self, pixels):
        return self.head(self.encoder(pixels))

    def view(self, pixels):
        noisy = pixels + 0.2 * keras.random.normal(ops.shape(pixels), seed=self.seeds)
        return ops.normalize(self(noisy), axis=-1)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        similar = ops.matmul(self.view(x), ops.transpose(self.view(x))) / 0.2
        places = ops.arange(ops.shape(similar)[0])
        cross_entropy = keras.losses.sparse_categorical_crossentropy
        there = cross_entropy(places, similar, from_logits=True)
        back = cross_entropy(places, ops.transpose(similar), from_logits=True)
        return ops.mean(there + back) / 2


def simclr(watch, broken=""):
    pixels, _ = digits()
    encoder = keras.Sequential([keras.Input((64,)), layers.Dense(32, "relu", name="hidden")], name="encoder")
    head = keras.Sequential([layers.Dense(16, "relu", name="first"), layers.Dense(8, name="second")], name="head")
    model = Contrastive(encoder, head)
    model(pixels[:2])
    if broken == "dead units":
        head.layers[0].bias.assign(np.repeat([0.0, -50.0], 8))
    model.compile(keras.optimizers.Adam(0.003), jit_compile=False)
    history = model.fit(pixels, epochs=8, verbose=0, callbacks=watch.callbacks(model))
    return Trained((model,), tuple(history.history["loss"]), pixels)


def triplets(watch, broken=""):
    pixels, classes = digits()
    random = np.random.default_rng(3)
    alike = np.array([random.choice(np.flatnonzero(classes == each)) for each in classes])
    different = np.array([random.choice(np.flatnonzero(classes != each)) for each in classes])
    stack = [layers.Dense(24, "relu", name="hidden"), layers.Dense(8, name="code")]
    embed = keras.Sequential([keras.Input((64,)), *stack], name="embed")
    inputs = [keras.Input((64,)) for _ in range(3)]
    anchor, near, far = (embed(each) for each in inputs)
    distances = ops.stack([ops.sum((anchor - other) ** 2, axis=-1) for other in (near, far)], axis=-1)
    model = keras.Model(inputs, distances, name="triplets")
    margin = -1000.0 if broken == "margin with the wrong sign" else 1.0

    def ranking_loss(_, distances):
        return ops.mean(ops.relu(distances[:, 0] - distances[:, 1] + margin))

    model.compile(keras.optimizers.Adam(0.002), ranking_loss, jit_compile=False)
    data = [pixels, pixels[alike], pixels[different]]
    history = model.fit(data, np.zeros(len(pixels)), epochs=8, verbose=0, callbacks=watch.callbacks(model))
    return Trained((model,), tuple(history.history["loss"]), data)


BRANCH = ("hidden/kernel", "hidden/bias", "code/kernel", "code/bias")
PROGRAMS = (
    Program(siamese, {"one input twice": expect("not moving", *BRANCH, "same/kernel")}),
    Program(simclr, {"dead units": expect("units not moving", "first/kernel", "first/bias")}),
    Program(triplets, {"margin with the wrong sign": expect("not moving", *BRANCH)}),
)
