"""What the explorer costs a fit, and how long it takes to make one: `python -m tests.benchmarks.overhead`.

Fits with and without alternate in one process, so that the machine's own pace divides out. Beside the explorer stands a hook
that does nothing, for which Keras leaves its faster way of calling hooks. What costs the same in every batch is measured within
one fit, in which stretches with and without alternate: that tells a hundredth apart also where the machine's pace changes from
second to second. There a hook that copies the weights is the other: no record can cost less. What a single record costs is in
`record_cost`.
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

# Batches of a stretch, and epochs of the fit that has them.
STRETCH, EPOCHS = 50, 40


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


class InTurns(keras.callbacks.Callback):
    """Lets every other stretch of batches pass by a hook, and takes the time of all but the first, in which an epoch begins."""

    def __init__(self, hook):
        super().__init__()
        self.hook = hook
        self.pairs = []

    def on_train_begin(self, logs=None):
        self.hook.set_model(self.model)
        self.hook.set_params(self.params)
        self.hook.on_train_begin(logs)

    def on_epoch_begin(self, epoch, logs=None):
        self.hook.on_epoch_begin(epoch, logs)
        self.began = perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        number, last = divmod(batch, STRETCH)
        if number % 2:
            self.hook.on_train_batch_end(batch, logs)
        if last == STRETCH - 1:
            now = perf_counter()
            if number % 2:
                self.watched = now - self.began
            elif number:
                self.pairs.append((self.watched, now - self.began))
            self.began = now


def stretch_ratio(model, hook):
    """Return the median of (time with / time without) over neighbouring stretches, and the quartiles."""
    random = np.random.default_rng(1)
    x, y = random.random((16_000, 784), "float32"), random.random((16_000, 10), "float32")
    model.fit(x, y, batch_size=32, verbose=0)
    turns = InTurns(hook)
    model.fit(x, y, batch_size=32, epochs=EPOCHS, verbose=0, callbacks=[turns])
    least, median, most = statistics.quantiles((watched / plain for watched, plain in turns.pairs), n=4)
    return median, least, most


def main():
    """Print how many times as long a fit takes, and how long it takes to make an explorer."""
    hooks = {"get_weights()": lambda model: Hook(10), "a record": lambda model: WeightExplorer(model, record_every=10).callback}
    for name, hook_of in hooks.items():
        model = make_model()
        write_ratio(f"{name} every 10 batches, stretch by stretch", stretch_ratio(model, hook_of(model)))
    write_ratio("a hook that does nothing", fit_ratio(make_model(), Hook(), *SHORT))
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
