"""What the tests share: small real models, and Keras without a GPU or chatter."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("MPLBACKEND", "agg")

import keras
import numpy as np
import pytest
from hypothesis import settings
from keras import layers

# How long an example takes is the machine's affair.
settings.register_profile("promises", deadline=None)
settings.load_profile("promises")


@pytest.fixture
def dense_model():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(5, activation="relu", name="hidden"),
            layers.Dense(3, name="out"),
        ],
        name="dense_model",
    )
    model.compile("adam", "mse")
    return model


@pytest.fixture
def reader_model():
    """The encoder of question 2: 100 inputs, 20 units, both directions."""
    keras.utils.set_random_seed(2)
    return keras.Sequential(
        [
            keras.Input((7, 100)),
            layers.Bidirectional(layers.LSTM(20, name="lstm"), merge_mode="sum", name="encoder_lstm"),
            layers.Dense(4, name="out"),
        ],
        name="reader",
    )


@pytest.fixture
def training_data():
    random = np.random.default_rng(3)
    return random.random((96, 6)), random.random((96, 3))
