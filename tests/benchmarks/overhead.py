"""What the explorer costs a fit, and how long it takes to make one: `python -m tests.benchmarks.overhead`.

Runs with and without alternate in one process, so that the machine's own pace divides out. What a single record costs is in
`record_cost`.
"""

import statistics
import sys
from time import perf_counter

import keras
import numpy as np
from keras import layers

from weight_explorer import WeightExplorer

ROUNDS = 5
# A fit of a dozen seconds: what the first second costs is saved again in the first ten.
EPOCHS = 15


def make_model():
    sizes = [layers.Dense(128, activation="relu"), layers.Dense(64, activation="relu"), layers.Dense(10)]
    model = keras.Sequential([keras.Input((784,)), *sizes])
    model.compile("adam", "mse")
    return model


def seconds(work):
    began = perf_counter()
    work()
    return perf_counter() - began


def fit_ratio(**options):
    """Return the median of (time with / time without) over the rounds, of epochs of 500 batches."""
    random = np.random.default_rng(1)
    x, y = random.random((16_000, 784), "float32"), random.random((16_000, 10), "float32")
    model = make_model()
    explorer = WeightExplorer(model, **options)
    model.fit(x, y, batch_size=32, verbose=0, callbacks=[explorer.callback])
    ratios = []
    for _ in range(ROUNDS):
        plain = seconds(lambda: model.fit(x, y, batch_size=32, epochs=EPOCHS, verbose=0))
        watched = seconds(lambda: model.fit(x, y, batch_size=32, epochs=EPOCHS, verbose=0, callbacks=[explorer.callback]))
        ratios.append(watched / plain)
    return statistics.median(ratios), min(ratios), max(ratios), explorer.callback.status.cost


def main():
    """Print how many times as long a fit takes, and how long it takes to make an explorer."""
    for options in ({"record_every": "auto", "max_overhead": 0.02}, {"record_every": 10}, {"record_every": "epoch"}):
        median, least, most, share = fit_ratio(**options)
        line = f"{options}: fit takes {median:.3f} times as long ({least:.3f} to {most:.3f}), the panel says {share:.1%}\n"
        sys.stdout.write(line)
    models = {"MLP, 109 386 parameters": make_model(), "ResNet50, 25.6 M": keras.applications.ResNet50(weights=None)}
    for name, model in models.items():
        made = seconds(lambda model=model: WeightExplorer(model))
        sys.stdout.write(f"{name}: made in {made * 1e3:.0f} ms, the first record included\n")


if __name__ == "__main__":
    main()
