"""Marks for tests that are not for every backend of Keras, with the reason."""

import keras
import pytest

BACKEND = keras.backend.backend()


def not_on(*backends, why):
    """Skip a test on these backends."""
    return pytest.mark.skipif(BACKEND in backends, reason=f"on {BACKEND}: {why}")


needs_tape = not_on("jax", "torch", why="GradientTape and tf.function are TensorFlow's own")
needs_many_steps = not_on("torch", why="Keras refuses steps_per_execution")
needs_live_weights = not_on("jax", why="in a training Keras keeps the weights to itself, so nothing can be frozen then")
