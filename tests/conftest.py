"""What the tests share: small real models, and Keras without a GPU or chatter."""

import functools
import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("MPLBACKEND", "agg")
# Dozens of processes import TensorFlow, and without bytecode each takes three times as long.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import ipywidgets
import keras
import numpy as np
import pytest
from hypothesis import settings
from keras import layers

from weight_explorer import WeightExplorer
from weight_explorer.jupyter import kernel
from weight_explorer.recording.statistics import native

# How long an example takes is the machine's affair.
settings.register_profile("promises", deadline=None)
settings.load_profile("promises")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Where two processes share the tests, one has those in the browser, which wait a lot, and the other goes file by file."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - only where it is in use

    class ByPlace(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return "browser" if nodeid.startswith("tests/browser/") else nodeid.split("::", 1)[0]

    return ByPlace(config, log)


@pytest.fixture(scope="session", autouse=True)
def _seen():
    """Have all drawn as on a page, in the middle of a training too, and from the start: the tests look at the panel."""
    make = WeightExplorer.__init__

    @functools.wraps(make)
    def make_with_panel(self, *args, **options):
        make(self, *args, **options)
        _ = self.children

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "may_have_page", lambda: True)
        patch.setattr(WeightExplorer, "__init__", make_with_panel)
        yield


@pytest.fixture(scope="module", autouse=True)
def _nothing_left():
    """Free what the tests of a module made: explorers that are left open hold their models, and Python looks through it all."""
    yield
    ipywidgets.Widget.close_all()
    gc.collect()


@pytest.fixture(params=["compiled", "NumPy"], scope="module")
def each_kind_of_pass(request):
    """Run all tests of a module with the passes that were compiled, and with those of NumPy, which stand in for them."""
    if request.param == "compiled" and native.library is None:
        pytest.skip("the package was built without a compiler")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "NumPy":
            patch.setattr(native, "passes", None)
        yield


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
