"""Models that generate: a variational autoencoder and two kinds of adversaries."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from tests.training_programs.data import digits
from tests.training_programs.watch import Program, Trained, expect


class Sampling(layers.Layer):
    """Draws a code around its mean, and adds the divergence from a standard normal distribution to the loss."""

    def __init__(self, divergence_weight):
        super().__init__(name="sampling")
        self.divergence_weight = divergence_weight
        self.seeds = keras.random.SeedGenerator(3)

    def call(self, parameters):
        mean, log_variance = parameters
        if self.divergence_weight:
            divergence = ops.square(mean) + ops.exp(log_variance) - log_variance - 1
            self.add_loss(self.divergence_weight * ops.mean(divergence))
        return mean + ops.exp(0.5 * log_variance) * keras.random.normal(ops.shape(mean), seed=self.seeds)


def vae(watch, broken=""):
    pixels, _ = digits()
    is_stopped = broken == "code behind stop_gradient"
    image = keras.Input((64,))
    hidden = layers.Dense(32, "relu", name="encoder")(image)
    mean, log_variance = layers.Dense(6, name="mean")(hidden), layers.Dense(6, name="log_variance")(hidden)
    code = Sampling(0.0 if is_stopped else 0.01)([mean, log_variance])
    code = ops.stop_gradient(code) if is_stopped else code
    decoded = layers.Dense(64, "sigmoid", name="pixels")(layers.Dense(32, "relu", name="decoder")(code))
    model = keras.Model(image, decoded, name="vae")
    model.compile(keras.optimizers.Adam(0.003), "binary_crossentropy", jit_compile=False)
    history = model.fit(pixels, pixels, epochs=8, verbose=0, callbacks=watch.callbacks(model))
    return Trained((model,), tuple(history.history["loss"]), pixels)


def ring(count, random):
    """Points around a circle, which is what generators learn to draw."""
    angles = random.random(count) * 2 * np.pi
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1) + random.normal(size=(count, 2)) * 0.05
    return points.astype("float32")


def adversaries():
    made = [layers.Dense(16, name="first"), layers.BatchNormalization(momentum=0.9, name="norm"), layers.ReLU()]
    generator = keras.Sequential([keras.Input((4,)), *made, layers.Dense(2, name="points")], name="generator")
    judged = [layers.Dense(16, name="first"), layers.LeakyReLU(), layers.Dense(16, name="second"), layers.LeakyReLU()]
    critic = keras.Sequential([keras.Input((2,)), *judged, layers.Dense(1, name="score")], name="critic")
    return generator, critic


def descend(model, optimizer, loss_of):
    """Make one step of one model."""
    with tf.GradientTape() as tape:
        loss = loss_of()
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss


def gan(watch, broken=""):
    random = np.random.default_rng(2)
    generator, critic = adversaries()
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    optimizers = keras.optimizers.Adam(0.003, beta_1=0.5), keras.optimizers.Adam(0.003, beta_1=0.5)
    is_training = broken != "generator called without training=True"
    losses = []
    with watch.loop(generator, critic):
        for epoch in range(5):
            for _ in range(8):
                real, noise = ring(32, random), random.normal(size=(32, 4)).astype("float32")
                made = generator(noise, training=is_training)

                def judge(real=real, made=made):
                    return cross_entropy(tf.ones((32, 1)), critic(real)) + cross_entropy(tf.zeros((32, 1)), critic(made))

                def deceive(noise=noise):
                    return cross_entropy(tf.ones((32, 1)), critic(generator(noise, training=is_training)))

                losses.append(float(descend(critic, optimizers[0], judge)))
                if broken != "generator's step forgotten":
                    descend(generator, optimizers[1], deceive)
                watch.record({"loss": losses[-1]}, epoch, critic=optimizers[0], generator=optimizers[1])
    return Trained((generator, critic), tuple(losses))


def toggled_gan(watch, broken=""):
    """Trains both by `train_on_batch`, and sets what is trainable before each step."""
    random = np.random.default_rng(2)
    generator, critic = adversaries()
    both = keras.Sequential([generator, critic], name="both")
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    critic.compile(keras.optimizers.Adam(0.003, beta_1=0.5), cross_entropy, jit_compile=False)
    critic.trainable = False
    both.compile(keras.optimizers.Adam(0.003, beta_1=0.5), cross_entropy, jit_compile=False)
    both(np.zeros((2, 4)))
    losses = []
    with watch.loop(both):
        for epoch in range(4):
            for _ in range(8):
                noise = random.normal(size=(32, 4)).astype("float32")
                critic.trainable = broken != "critic never set to trainable"
                points = np.concatenate([ring(32, random), np.asarray(generator(noise, training=True))])
                losses.append(float(critic.train_on_batch(points, np.repeat([1.0, 0.0], 32)[:, None])))
                critic.trainable = False
                both.train_on_batch(noise, np.ones((32, 1)))
                watch.record({"loss": losses[-1]}, epoch, both=[critic.optimizer, both.optimizer])
    return Trained((both,), tuple(losses))


class WassersteinGan(keras.Model):
    """Trains a critic with a gradient penalty twice, then the generator once, at every batch."""

    def __init__(self, generator, critic, rate):
        super().__init__(name="wgan")
        self.generator, self.critic = generator, critic
        self.critic_optimizer = keras.optimizers.Adam(rate, beta_1=0.5)
        self.generator_optimizer = keras.optimizers.Adam(rate, beta_1=0.5)
        self.seeds = keras.random.SeedGenerator(4)
        self.built = True

    def call(self, noise):
        return self.critic(self.generator(noise))

    def penalty(self, real, made):
        share = keras.random.uniform((tf.shape(real)[0], 1), seed=self.seeds)
        between = real * share + made * (1 - share)
        with tf.GradientTape() as tape:
            tape.watch(between)
            scores = self.critic(between)
        slopes = tf.sqrt(tf.reduce_sum(tape.gradient(scores, between) ** 2, axis=1) + 1e-12)
        return tf.reduce_mean((slopes - 1) ** 2)

    def train_step(self, real):
        def noise():
            return keras.random.normal((tf.shape(real)[0], 4), seed=self.seeds)

        def judge():
            made = self.generator(noise(), training=True)
            distance = tf.reduce_mean(self.critic(made)) - tf.reduce_mean(self.critic(real))
            return distance + 10 * self.penalty(real, made)

        def deceive():
            return -tf.reduce_mean(self.critic(self.generator(noise(), training=True)))

        for _ in range(2):
            critic_loss = descend(self.critic, self.critic_optimizer, judge)
        return {"critic_loss": critic_loss, "loss": descend(self.generator, self.generator_optimizer, deceive)}


def wgan_gp(watch, broken=""):
    points = ring(256, np.random.default_rng(2))
    model = WassersteinGan(*adversaries(), rate=0.3 if broken == "learning rate far too high" else 0.002)
    model.compile(jit_compile=False)
    history = model.fit(points, epochs=5, verbose=0, callbacks=watch.callbacks(model))
    made = model.generator(np.random.default_rng(3).normal(size=(256, 4)).astype("float32"))

    def loss():
        return tf.reduce_mean(model.critic(made)) - tf.reduce_mean(model.critic(points))

    return Trained((model,), tuple(history.history["critic_loss"]), loss=loss)


ENCODER = ("encoder/kernel", "encoder/bias", "mean/kernel", "mean/bias", "log_variance/kernel", "log_variance/bias")
GENERATOR = ("first/kernel", "first/bias", "norm/gamma", "norm/beta", "points/kernel", "points/bias")
CRITIC = tuple(f"critic/{name}/{role}" for name in ("first", "second", "score") for role in ("kernel", "bias"))
PROGRAMS = (
    Program(vae, {"code behind stop_gradient": expect("not moving", *ENCODER)}),
    Program(
        gan,
        {
            "generator's step forgotten": expect("not moving", *GENERATOR),
            "generator called without training=True": expect("moving statistics", "norm/moving_mean", "norm/moving_variance"),
        },
        learns=None,
    ),
    Program(toggled_gan, {"critic never set to trainable": expect("not moving", *CRITIC, severity="note")}, learns=None),
    Program(
        wgan_gp,
        {"learning rate far too high": expect("exploding updates", "points/kernel", "critic/first/kernel", exactly=False)},
        learns=None,
    ),
)
