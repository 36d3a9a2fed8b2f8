"""Graphs, distillation, reinforcement, low-rank adapters, several outputs and a custom training step."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from tests.training_programs.data import digits
from tests.training_programs.pictures import LOGITS
from tests.training_programs.watch import Program, Trained, expect


class GraphConvolution(layers.Layer):
    """Sums what the neighbors of a node send, weighted."""

    def __init__(self, units, name):
        super().__init__(name=name)
        self.units = units

    def build(self, shapes):
        self.kernel = self.add_weight(shape=(shapes[0][-1], self.units), initializer="glorot_uniform", name="kernel")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, inputs):
        features, edges = inputs
        return ops.matmul(edges, ops.matmul(features, self.kernel)) + self.bias


def citations(nodes=40, words=16):
    """A graph of two halves without an edge between them, words for each node and classes, known in the first half only.

    Words 12 and 13 are used in the second half only, and 14 and 15 never.
    """
    random = np.random.default_rng(8)
    half = np.arange(nodes) // (nodes // 2)
    classes = np.arange(nodes) % 3
    edges = (random.random((nodes, nodes)) < np.where(classes == classes[:, None], 0.3, 0.05)) & (half == half[:, None])
    edges = (edges | edges.T | np.eye(nodes, dtype=bool)).astype("float32")
    features = (random.random((nodes, words)) < np.where(np.arange(words) % 3 == classes[:, None], 0.5, 0.1)).astype("float32")
    features[:, 14:] = 0
    features[half == 0, 12:14] = 0
    features[half == 1, 12:14] = 1
    return features, edges / edges.sum(axis=1, keepdims=True), classes, (half == 0).astype("float32")


def graph_network(watch, broken=""):
    features, edges, classes, is_known = (each[None] for each in citations())
    if broken == "no edges":
        edges = np.zeros_like(edges)
    words, neighbors = keras.Input(features.shape[1:]), keras.Input(edges.shape[1:])
    hidden = layers.ReLU(name="relu")(GraphConvolution(12, "first")([words, neighbors]))
    model = keras.Model([words, neighbors], GraphConvolution(3, "second")([hidden, neighbors]), name="graph")
    model.compile(keras.optimizers.Adam(0.03), **LOGITS)
    data = {"x": [features, edges], "y": classes, "sample_weight": is_known}
    history = model.fit(**data, epochs=24, verbose=0, callbacks=watch.callbacks(model))
    return Trained((model,), tuple(history.history["loss"]), [features, edges])


class Distiller(keras.Model):
    """Teaches a student what a teacher says, and the classes."""

    def __init__(self, teacher, student):
        super().__init__(name="distiller")
        self.teacher, self.student = teacher, student

    def call(self, pixels):
        return self.student(pixels)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        soft = ops.softmax(self.teacher(x, training=False) / 3)
        spoken = ops.log_softmax(ops.cast(y_pred, "float32") / 3)
        hard = keras.losses.sparse_categorical_crossentropy(y, ops.cast(y_pred, "float32"), from_logits=True)
        return ops.mean(hard) - 3 * ops.mean(ops.sum(soft * spoken, axis=-1))


def distillation(watch, broken=""):
    pixels, classes = digits()
    stack = [layers.Dense(48, "relu", name="wide"), layers.Dense(10, name="says")]
    teacher = keras.Sequential([keras.Input((64,)), *stack], name="teacher")
    teacher.compile(keras.optimizers.Adam(0.01), **LOGITS)
    teacher.fit(pixels, classes, epochs=4, verbose=0)
    teacher.trainable = False
    how = {"dtype": "bfloat16"} if broken == "half precision and small steps" else {}
    start = {"kernel_initializer": keras.initializers.Constant(0.1)} if broken == "all numbers start the same" else {}
    student = keras.Sequential(
        [keras.Input((64,)), layers.Dense(12, "tanh", name="small", **how, **start), layers.Dense(10, name="repeats", **start)],
        name="student",
    )
    model = Distiller(teacher, student)
    model(pixels[:2])
    is_slow = broken == "half precision and small steps"
    model.compile(keras.optimizers.SGD(1e-3) if is_slow else keras.optimizers.Adam(0.005), jit_compile=False)
    history = model.fit(pixels, classes, epochs=6, verbose=0, callbacks=watch.callbacks(model))
    return Trained((model,), tuple(history.history["loss"]), pixels)


def walk(policy, random, length=24):
    """Walk along a line of 9 places as a policy says; 1 is paid at the right end, from which it starts again."""
    place, states, actions, rewards = 4, [], [], []
    for _ in range(length):
        states.append(np.eye(9, dtype="float32")[place])
        odds = np.asarray(ops.softmax(policy(states[-1][None])[0]))[0]
        actions.append(int(random.random() > odds[0]))
        place = int(np.clip(place + (1 if actions[-1] else -1), 0, 8))
        rewards.append(float(place == 8))
        place = 4 if place == 8 else place
    return np.stack(states), np.array(actions), rewards


def discounted(rewards, discount=0.9):
    returns, total = [], 0.0
    for reward in reversed(rewards):
        total = reward + discount * total
        returns.append(total)
    return np.array(returns[::-1], "float32")


def actor_critic(watch, broken=""):
    random = np.random.default_rng(9)
    place = keras.Input((9,))
    hidden = layers.Dense(16, "tanh", name="hidden")(place)
    heads = [layers.Dense(2, name="actor")(hidden), layers.Dense(1, name="critic")(hidden)]
    model = keras.Model(place, heads, name="agent")
    optimizer = keras.optimizers.Adam(0.01)
    losses, seen = [], []
    with watch.loop(model):
        for epoch in range(6):
            for _ in range(4):
                states, actions, rewards = walk(model, random)
                returns = discounted(rewards)
                with tf.GradientTape() as tape:
                    odds, values = model(states)
                    said = keras.losses.sparse_categorical_crossentropy(actions, odds, from_logits=True)
                    error = returns - values[:, 0]
                    loss = tf.reduce_mean(said * tf.stop_gradient(error))
                    if broken != "loss of the critic forgotten":
                        loss += tf.reduce_mean(error**2)
                optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
                losses.append(float(loss))
                seen.append(states)
                watch.record({"loss": losses[-1]}, epoch, agent=optimizer)
    return Trained((model,), tuple(losses), np.concatenate(seen))


def low_rank_adapters(watch, broken=""):
    pixels, classes = digits()
    hidden = layers.Dense(32, "relu", name="hidden")
    model = keras.Sequential([keras.Input((64,)), hidden, layers.Dense(10, name="classes")], name="adapted")
    model.compile(keras.optimizers.Adam(0.005), **LOGITS)
    model.fit(pixels, classes % 5, epochs=3, verbose=0)
    hidden.enable_lora(4)
    if broken != "not compiled again":
        model.compile(keras.optimizers.Adam(0.01), **LOGITS)
    history = model.fit(pixels, classes, epochs=6, verbose=0, callbacks=watch.callbacks(model))
    return Trained((model,), tuple(history.history["loss"]), pixels)


def several_outputs(watch, broken=""):
    pixels, classes = digits()
    inputs = keras.Input((64,))
    trunk = layers.Dense(32, "relu", name="trunk")(inputs)
    outputs = {"classes": layers.Dense(10, name="classes")(trunk), "parity": layers.Dense(1, "sigmoid", name="parity")(trunk)}
    outputs["pixels"] = layers.Dense(64, "sigmoid", name="pixels")(trunk)
    model = keras.Model(inputs, outputs, name="several")
    losses = {"classes": LOGITS["loss"], "parity": "binary_crossentropy", "pixels": "mse"}
    if broken == "output without a loss":
        losses["parity"] = None
    rate = 30.0 if broken == "learning rate far too high" else 0.005
    model.compile(keras.optimizers.Adam(rate), losses, jit_compile=False)
    targets = {"classes": classes, "parity": classes % 2, "pixels": pixels}
    history = model.fit(pixels, targets, epochs=6, verbose=0, callbacks=watch.callbacks(model))
    return Trained((model,), tuple(history.history["loss"]), pixels)


class Sharpness(keras.Model):
    """Takes the gradient a small step uphill, which looks for flat minima (SAM)."""

    def __init__(self, *, is_head_only):
        super().__init__(name="own_step")
        self.trunk, self.head = layers.Dense(24, "relu", name="trunk"), layers.Dense(10, name="head")
        self.is_head_only = is_head_only

    def call(self, pixels):
        return self.head(self.trunk(pixels))

    def gradient(self, x, y, variables):
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        return loss, tape.gradient(loss, variables)

    def train_step(self, data):
        x, y = data
        variables = self.head.trainable_variables if self.is_head_only else self.trainable_variables
        loss, uphill = self.gradient(x, y, variables)
        size = tf.linalg.global_norm(uphill) + 1e-12
        before = [tf.identity(variable.value) for variable in variables]
        for variable, slope in zip(variables, uphill, strict=True):
            variable.assign_add(0.02 * slope / size)
        _, gradients = self.gradient(x, y, variables)
        for variable, values in zip(variables, before, strict=True):
            variable.assign(values)
        self.optimizer.apply(gradients, variables)
        return {"sharpest_loss": loss}


def custom_training_step(watch, broken=""):
    pixels, classes = digits()
    model = Sharpness(is_head_only=broken == "trunk left out")
    model(pixels[:2])
    model.compile(keras.optimizers.Adam(0.005), **LOGITS)
    history = model.fit(pixels, classes, epochs=6, verbose=0, callbacks=watch.callbacks(model))
    return Trained((model,), tuple(history.history["sharpest_loss"]), pixels)


def schedule_to_zero(watch, broken=""):
    """The learning rate falls to 0 at the very end."""
    pixels, classes = digits()
    stack = [layers.Dense(24, "gelu", name="hidden"), layers.Dense(10, name="classes")]
    model = keras.Sequential([keras.Input((64,)), *stack], name="scheduled")
    schedule = keras.optimizers.schedules.CosineDecay(0.01, decay_steps=16 if broken == "schedule too short" else 64)
    model.compile(keras.optimizers.AdamW(schedule), **LOGITS)
    history = model.fit(pixels, classes, epochs=8, verbose=0, callbacks=watch.callbacks(model))
    return Trained((model,), tuple(history.history["loss"]), pixels)


ALL = ("hidden/kernel", "hidden/bias", "classes/kernel", "classes/bias")
PROGRAMS = (
    Program(schedule_to_zero, {"schedule too short": expect("not moving", *ALL)}),
    Program(graph_network, {"no edges": expect("not moving", "first/kernel", "first/bias")}),
    Program(
        distillation,
        {
            "all numbers start the same": expect("symmetric units", "small/kernel", exactly=False),
            "half precision and small steps": expect("below float resolution", "small/kernel", exactly=False),
        },
    ),
    Program(
        actor_critic,
        {"loss of the critic forgotten": expect("not moving", "critic/kernel", "critic/bias")},
        learns=None,
    ),
    Program(low_rank_adapters, {"not compiled again": expect("not moving", "lora_kernel_a", "lora_kernel_b", exactly=False)}),
    Program(
        several_outputs,
        {
            "output without a loss": expect("not moving", "parity/kernel", "parity/bias"),
            "learning rate far too high": expect("exploding updates", "trunk/kernel", "classes/kernel", exactly=False),
        },
    ),
    Program(custom_training_step, {"trunk left out": expect("not moving", "trunk/kernel", "trunk/bias")}),
)
