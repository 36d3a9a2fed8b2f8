"""Small data for training programs."""

import functools

import numpy as np
from sklearn import datasets


@functools.cache
def digits(count=256):
    """Handwritten digits of 8 x 8 pixels, flat and in 0 to 1, and their classes."""
    pixels, classes = datasets.load_digits(return_X_y=True)
    return (pixels[:count] / 16).astype("float32"), classes[:count]


def images(count=256):
    """The same digits as pictures with one channel."""
    pixels, classes = digits(count)
    return pixels.reshape(-1, 8, 8, 1), classes


def sentences(count=256, length=10, longest=8, vocabulary=20, used=17):
    """Sequences of tokens, padded with 0: does token 1 occur more often than token 2? Tokens from `used` on never occur."""
    random = np.random.default_rng(5)
    tokens = random.integers(1, used, (count, length))
    tokens[random.random((count, length)) < 0.2] = 1
    tokens[random.random((count, length)) < 0.2] = 2
    lengths = random.integers(3, longest + 1, count)
    tokens[np.arange(length) >= lengths[:, None]] = 0
    assert tokens.max() < used <= vocabulary
    return tokens, ((tokens == 1).sum(axis=1) > (tokens == 2).sum(axis=1)).astype("float32")
