"""What the explorer costs a fit, and how long it takes to make one: `python -m tests.benchmarks.overhead`.

Runs with and without alternate in one process, so that the machine's own pace divides out. Beside the explorer stand a hook
that does nothing, for which Keras leaves its faster way of calling hooks, and one that copies the weights every ten batches:
no record can cost less. What a single record costs is in `record_cost`.
"""

import statistics
import sys
from time import perf_counter

import keras
import numpy as np
from keras import layers

from weight_explorer import WeightExplorer

# Rounds, and epochs of 500 batches in each. Of "auto" the fit is long: what its first second costs is saved in the first ten.
# Of all else it is short, so that a machine whose pace changes from minute to minute is the same to both of a pair.
LONG, SHORT = (5, 15), (15, 2)


def make_model():
    sizes = [layers.Dense(128, activation="relu"), layers.Dense(64, activation="relu"), layers.Dense(10)]
    model = keras.Sequential([keras.Input((784,)), *sizes])
    model.compile("adam", "mse")
    return model


def seconds(work):
    began = perf_counter()
    work()
    return perf_counter() - began


class Hook(keras.callbacks.Callback):
    """Does nothing after every batch, or copies the weights after every so many."""

    def __init__(self, every=None):
        super().__init__()
        self.every = every

    def on_train_batch_end(self, batch, logs=None):
        if self.every and (batch + 1) % self.every == 0:
            self.model.get_weights()


def fit_ratio(model, callback, rounds, epochs):
    """Return the median of (time with / time without) over the rounds, the least and the most."""
    random = np.random.default_rng(1)
    x, y = random.random((16_000, 784), "float32"), random.random((16_000, 10), "float32")
    model.fit(x, y, batch_size=32, verbose=0, callbacks=[callback])
    ratios = []
    for _ in range(rounds):
        plain = seconds(lambda: model.fit(x, y, batch_size=32, epochs=epochs, verbose=0))
        watched = seconds(lambda: model.fit(x, y, batch_size=32, epochs=epochs, verbose=0, callbacks=[callback]))
        ratios.append(watched / plain)
    return statistics.median(ratios), min(ratios), max(ratios)


def main():
    """Print how many times as long a fit takes, and how long it takes to make an explorer."""
    for name, hook in {"a hook that does nothing": Hook(), "get_weights() every 10 batches": Hook(10)}.items():
        write_ratio(name, fit_ratio(make_model(), hook, *SHORT))
    for options in ({"record_every": 10}, {"record_every": "epoch"}, {"record_every": "auto", "max_overhead": 0.02}):
        model = make_model()
        explorer = WeightExplorer(model, **options)
        ratios = fit_ratio(model, explorer.callback, *(LONG if options["record_every"] == "auto" else SHORT))
        write_ratio(options, ratios, f", the panel says {explorer.callback.status.cost:.1%}")
    models = {"MLP, 109 386 parameters": make_model(), "ResNet50, 25.6 M": keras.applications.ResNet50(weights=None)}
    for name, model in models.items():
        made = seconds(lambda model=model: WeightExplorer(model))
        sys.stdout.write(f"{name}: made in {made * 1e3:.0f} ms, the first record included\n")


def write_ratio(name, ratios, more=""):
    median, least, most = ratios
    sys.stdout.write(f"{name}: fit takes {median:.3f} times as long ({least:.3f} to {most:.3f}){more}\n")


if __name__ == "__main__":
    main()
