"""Models of text with padding."""

import keras
from keras import layers

from tests.training_programs.data import sentences
from tests.training_programs.watch import Program, Trained, expect


class Positions(layers.Layer):
    """Adds a learned vector to each position."""

    def __init__(self, name):
        super().__init__(name=name)
        self.supports_masking = True

    def build(self, shape):
        self.table = self.add_weight(shape=shape[1:], initializer="random_normal", name="table")

    def call(self, vectors):
        return vectors + self.table


def block(vectors, width, zeros):
    """Return what a transformer block makes of vectors; with `zeros` its second part starts at 0."""
    attended = layers.MultiHeadAttention(2, width // 2, name="attention")(vectors, vectors)
    vectors = layers.LayerNormalization(name="norm_1")(layers.Add(name="add_1")([vectors, attended]))
    start = {"kernel_initializer": "zeros"} if zeros else {}
    thought = layers.Dense(2 * width, "relu", name="wide", **start)(vectors)
    thought = layers.Dense(width, name="narrow", **start)(thought)
    return layers.LayerNormalization(name="norm_2")(layers.Add(name="add_2")([vectors, thought]))


def transformer(watch, broken=""):
    tokens, answers = sentences()
    inputs = keras.Input((10,))
    vectors = Positions("positions")(layers.Embedding(20, 16, mask_zero=True, name="tokens")(inputs))
    vectors = block(vectors, 16, broken == "both kernels start at zero")
    pooled = layers.Dropout(0.1, name="dropout", seed=1)(layers.GlobalAveragePooling1D(name="pool")(vectors))
    model = keras.Model(inputs, layers.Dense(1, "sigmoid", name="answer")(pooled), name="transformer")
    model.compile(keras.optimizers.Adam(0.003), "binary_crossentropy", jit_compile=False)
    history = model.fit(tokens, answers, epochs=6, verbose=0, callbacks=watch.callbacks(model))
    return Trained((model,), tuple(history.history["loss"]), tokens)


def masked_lstm(watch, broken=""):
    tokens, answers = sentences()
    stack = [layers.Embedding(20, 12, mask_zero=True, name="tokens"), layers.LSTM(16, name="lstm")]
    model = keras.Sequential([keras.Input((10,)), *stack, layers.Dense(1, "sigmoid", name="answer")], name="reader")
    rate = 5.0 if broken == "learning rate far too high" else 0.01
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", jit_compile=False)
    history = model.fit(tokens, answers, epochs=6, verbose=0, callbacks=watch.callbacks(model))
    return Trained((model,), tuple(history.history["loss"]), tokens)


PROGRAMS = (
    Program(transformer, {"both kernels start at zero": expect("not moving", "wide/kernel", "wide/bias", "narrow/kernel")}),
    Program(
        masked_lstm,
        {"learning rate far too high": expect("saturating norm", "lstm_cell/kernel", "recurrent_kernel", exactly=False)},
    ),
)
