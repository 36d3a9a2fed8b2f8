"""The promises as checks that any engine can be held to: each backend, policy, way to compile, and kind of device.

Importing this imports Keras: what must be set before that (a backend, devices) is set by whoever runs the checks.
"""

import contextlib
import io
import threading

import keras
import numpy as np
from keras import layers

from weight_explorer import WeightExplorer

DATA = np.random.default_rng(3).random((64, 6), np.float32), np.random.default_rng(4).random((64, 3), np.float32)
EPOCHS = 2
BATCH = 16
KERNEL = "m/hidden/kernel"
CLICKS = [
    {"layer": layer, "role": role, "view": view, "quantity": quantity}
    for layer, role in (("hidden", "kernel"), ("norm", "moving mean"), ("out", "bias"))
    for view in ("matrix", "over_time", "distribution")
    for quantity in ("value", "since_start", "since_last")
]


def model_of(policy="float32", optimizer=None, **compiled):
    """Make a compiled model of what engines treat differently: moving averages, random numbers, momentum."""
    keras.utils.set_random_seed(11)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = keras.Sequential(
            [
                keras.Input((6,)),
                layers.Dense(8, activation="relu", name="hidden"),
                layers.BatchNormalization(name="norm"),
                layers.Dropout(0.3, name="drop"),
                layers.Dense(3, name="out"),
            ],
            name="m",
        )
        model.compile(keras.optimizers.SGD(0.05, momentum=0.9, **(optimizer or {})), "mse", **compiled)
    finally:
        keras.config.set_dtype_policy(before)
    return model


def fit(model, *callbacks, epochs=EPOCHS):
    """Train it."""
    model.fit(*DATA, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=list(callbacks))


def values_of(variable):
    """Read a variable as Keras does."""
    return np.array(keras.ops.convert_to_numpy(variable.value))


def same(one, other):
    """Say whether two arrays are the same to the last bit."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def shown(model):
    """Return an explorer of the model that is on screen, and records every batch."""
    explorer = WeightExplorer(model, record_every=1)
    with contextlib.redirect_stdout(io.StringIO()):
        explorer._ipython_display_()
    return explorer


class Clicker(keras.callbacks.Callback):
    """Clicks while a step is trained, from a thread of its own, as Jupyter does."""

    def __init__(self, explorer):
        super().__init__()
        self.explorer = explorer
        self.threads, self.answered, self.errors = [], 0, []

    def on_train_batch_begin(self, batch, logs=None):
        self.threads.append(threading.Thread(target=self.click, args=[CLICKS[len(self.threads) % len(CLICKS)]]))
        self.threads[-1].start()

    def on_train_batch_end(self, batch, logs=None):
        self.threads[-1].join(60)

    def click(self, choice):
        try:
            self.explorer.select(**choice)
            self.answered += 1
        except Exception as error:  # noqa: BLE001 - an error in a thread is seen by nobody
            self.errors.append(error)


class Witness(keras.callbacks.Callback):
    """Reads the model at the end of every batch, on the training's own thread, after ours."""

    def __init__(self, explorer):
        super().__init__()
        self.explorer = explorer
        self.seen, self.phases = {}, set()

    def on_train_batch_end(self, batch, logs=None):
        _ = self.model  # on JAX this brings the trained values into the variables
        variables = self.explorer.catalog.variables
        self.seen[self.explorer.history.num_recorded - 1] = {key: values_of(each) for key, each in variables.items()}
        self.phases.add(self.explorer.callback.status.phase)


def check_training(make):
    """Hold a training to its promises: the same bits with and without us, and every record what the model was then.

    Returns the model and its explorer, for what else there is to ask.
    """
    plain = make()
    fit(plain)
    model = make()
    explorer = shown(model)
    clicker, witness = Clicker(explorer), Witness(explorer)
    fit(model, explorer.callback, clicker, witness)

    for one, other in zip(plain.variables, model.variables, strict=True):
        assert same(values_of(one), values_of(other)), one.path
    for one, other in zip(plain.optimizer.variables, model.optimizer.variables, strict=True):
        assert same(values_of(one), values_of(other)), one.path

    for error in clicker.errors:
        raise error
    assert clicker.answered == len(clicker.threads) > 0
    assert not explorer.callback.status.problem
    assert witness.phases == {"training"}
    assert explorer.callback.status.phase == "finished"

    history = explorer.history
    assert sum(step.kind == "epoch" for step in history.records) == EPOCHS
    assert len(witness.seen) == len(clicker.threads)
    for number, seen in witness.seen.items():
        for key, values in seen.items():
            assert same(history.values_at(key, number), values), (key, history.records[number])
    last = history.num_recorded - 1
    for key, variable in explorer.catalog.variables.items():
        assert same(history.values_at(key, last), values_of(variable)), key
    assert not same(history.values_at(KERNEL, last), history.values_at(KERNEL, 0))
    return model, explorer


def check_freezing(make):
    """Hold a training to what is frozen: not one bit of it moves, all else does, and the records prove it."""
    model = make()
    explorer = WeightExplorer(model, record_every=1)
    fit(model, explorer.callback)
    kernel = model.get_layer("hidden").kernel
    before = values_of(kernel)
    explorer.freeze(KERNEL, "1:3, :")
    fit(model, explorer.callback)
    after = values_of(kernel)
    assert same(after[1:3], before[1:3])
    assert (after[[0, 3, 4, 5]] != before[[0, 3, 4, 5]]).any(axis=1).all()
    (proof,) = explorer.check_frozen()
    assert (proof.num_changed, proof.num_frozen, proof.is_estimated) == (0, 16, False)
    return model, explorer


def check_return(make):
    """Hold `restore`, `assign` and `undo` to what they say: the model is as it was, and trains on from there."""
    model = make()
    explorer = WeightExplorer(model, record_every=1)
    fit(model, explorer.callback)
    start = explorer.history.values_at(KERNEL, 0)
    explorer.restore(0)
    kernel = model.get_layer("hidden").kernel
    assert same(values_of(kernel), start)
    explorer.assign(KERNEL, "0, :", 0.5)
    assert (values_of(kernel)[0] == np.asarray(0.5, start.dtype)).all()
    explorer.undo()
    assert same(values_of(kernel), start)
    fit(model, explorer.callback)
    assert not same(values_of(kernel), start)
    assert same(explorer.history.values_at(KERNEL, explorer.history.num_recorded - 1), values_of(kernel))
    return model, explorer
