"""What the explorer costs a fit, and what a record costs against reading the weights: `python -m tests.benchmarks.overhead`.

Runs with and without alternate in one process, so that the machine's own pace divides out.
"""

import statistics
import sys
from time import perf_counter

import keras
import numpy as np
from keras import layers

from weight_explorer import WeightExplorer

ROUNDS = 7


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
    """Return the median of (time with / time without) over the rounds, of three epochs of 500 batches."""
    random = np.random.default_rng(1)
    x, y = random.random((16_000, 784), "float32"), random.random((16_000, 10), "float32")
    model = make_model()
    explorer = WeightExplorer(model, **options)
    model.fit(x, y, batch_size=32, verbose=0, callbacks=[explorer.callback])
    ratios = []
    for _ in range(ROUNDS):
        plain = seconds(lambda: model.fit(x, y, batch_size=32, epochs=3, verbose=0))
        watched = seconds(lambda: model.fit(x, y, batch_size=32, epochs=3, verbose=0, callbacks=[explorer.callback]))
        ratios.append(watched / plain)
    return statistics.median(ratios), min(ratios), max(ratios), explorer.callback.status.cost


def record_ratio(model):
    """Return the median time of one record, and how many times that of `model.get_weights()` it is."""
    explorer = WeightExplorer(model)
    pairs = []
    for _ in range(ROUNDS):
        record = seconds(lambda: explorer._record("batch", 0, 1))
        pairs.append((record, record / seconds(model.get_weights)))
    return (statistics.median(numbers) for numbers in zip(*pairs, strict=True))


def main():
    """Print all ratios."""
    for options in ({"record_every": "auto"}, {"record_every": 10}, {"record_every": "epoch"}):
        median, least, most, share = fit_ratio(**options)
        line = f"{options}: fit takes {median:.3f} times as long ({least:.3f} to {most:.3f}), the panel says {share:.1%}\n"
        sys.stdout.write(line)
    models = {"MLP, 109 386 parameters": make_model(), "ResNet50, 25.6 M": keras.applications.ResNet50(weights=None)}
    for name, model in models.items():
        record, ratio = record_ratio(model)
        made = seconds(lambda model=model: WeightExplorer(model))
        sys.stdout.write(
            f"{name}: a record {record * 1e3:.1f} ms, {ratio:.1f} times get_weights(); made in {made * 1e3:.0f} ms\n"
        )


if __name__ == "__main__":
    main()
