"""What the explorer costs a fit, and how long it takes to make one: `python -m tests.benchmarks.overhead`.

What comes every few batches is measured within one fit, whose blocks of batches are given in random order to it and to a hook
that does nothing: that tells a thousandth apart even where the machine's pace changes from second to second. Such a hook stands
for none, as Keras on TensorFlow does the same for both but for the call, which takes a microsecond. Beside a record stands a
hook that copies the weights, as no record can cost much less, and one that is busy and reads nothing. Whole fits with and
without alternate in one process as well, which tells much less. What a single record costs is in `record_cost`.
"""

import random
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

# A record comes every so many batches: the first of a block, whose others then bear what follows from it. And epochs of the fit
# whose blocks the two hooks take in turns: thousands, as in any one the machine may have been busy with something else.
EVERY, BLOCK, EPOCHS = 10, 20, 120


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
        if self.every and batch % self.every == 0:
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


class Wait(keras.callbacks.Callback):
    """Keeps the processor busy for a millisecond after every tenth batch: what a fit loses by a hook that reads nothing."""

    def on_train_batch_end(self, batch, logs=None):
        if batch % EVERY == 0:
            until = perf_counter() + 1e-3
            while perf_counter() < until:
                pass


class InTurns(keras.callbacks.Callback):
    """Gives each of two hooks a block of batches, in an order drawn anew for every round, and notes how long each took.

    The first block of an epoch, in which that begins, is nobody's.
    """

    def __init__(self, hooks):
        super().__init__()
        self.rounds = []
        self._hooks = hooks
        self._random = random.Random(0)

    def on_train_begin(self, logs=None):
        for hook in self._hooks.values():
            hook.set_model(self.model)
            hook.set_params(self.params)
            hook.on_train_begin(logs)

    def on_epoch_begin(self, epoch, logs=None):
        for hook in self._hooks.values():
            hook.on_epoch_begin(epoch, logs)
        self._waiting, self._now = [], None

    def on_train_batch_end(self, batch, logs=None):
        if batch and batch % BLOCK == 0:
            self._give_turn()
        if self._now:
            self._hooks[self._now].on_train_batch_end(batch, logs)

    def _give_turn(self):
        now = perf_counter()
        if self._now:
            self.rounds[-1][self._now] = now - self._began
        if not self._waiting:
            self._waiting = self._random.sample(list(self._hooks), len(self._hooks))
            self.rounds.append({})
        self._now, self._began = self._waiting.pop(), now


def ratio_in_turns(model, hook, epochs):
    """Return the median of (time with / time with a hook that does nothing), and where it lies for 95 %."""
    data = np.random.default_rng(1)
    x, y = data.random((16_000, 784), "float32"), data.random((16_000, 10), "float32")
    model.fit(x, y, batch_size=32, verbose=0)
    turns = InTurns({"nothing": Hook(), "hook": hook})
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0, callbacks=[turns])
    return between([each["hook"] / each["nothing"] for each in turns.rounds if len(each) == 2])


def between(ratios):
    """Return the median, and the two of the numbers between which that of all lies in 95 of 100 cases."""
    ratios, half = sorted(ratios), 0.98 * len(ratios) ** 0.5
    return statistics.median(ratios), ratios[int(len(ratios) / 2 - half)], ratios[int(len(ratios) / 2 + half)]


def main():
    """Print how many times as long a fit takes, and how long it takes to make an explorer."""
    model = make_model()
    record = WeightExplorer(model, record_every=EVERY).callback
    for name, hook in {"a busy millisecond": Wait(), "get_weights()": Hook(EVERY), "a record": record}.items():
        ratios = ratio_in_turns(model, hook, EPOCHS)
        write_ratio(f"{name} every {EVERY} batches, in turns with a hook that does nothing", ratios)
    for options in ({"record_every": 10}, {"record_every": "epoch"}, {"record_every": "auto", "max_overhead": 0.02}):
        model = make_model()
        explorer = WeightExplorer(model, **options)
        ratios = fit_ratio(model, explorer.callback, *(LONG if options["record_every"] == "auto" else SHORT))
        write_ratio(options, ratios, f", the panel says {explorer.callback.status.overhead:.1%}")
    models = {"MLP, 109 386 parameters": make_model(), "ResNet50, 25.6 M": keras.applications.ResNet50(weights=None)}
    for name, model in models.items():
        made = seconds(lambda model=model: WeightExplorer(model))
        sys.stdout.write(f"{name}: made in {made * 1e3:.0f} ms, the first record included\n")


def write_ratio(name, ratios, more=""):
    median, least, most = ratios
    sys.stdout.write(f"{name}: fit takes {median:.3f} times as long ({least:.3f} to {most:.3f}){more}\n")


if __name__ == "__main__":
    main()
