"""What one update of each view costs: `python -m tests.benchmarks.view_cost`.

The time to compose the picture and to hand it to the widgets, and what travels to the page for it, in messages and bytes.
"""

import statistics
import sys
import time

import ipywidgets
import keras
import numpy as np

from weight_explorer import WeightExplorer
from weight_explorer.views.registry import views_for

NUM_UPDATES = 15
MODELS = {
    "dense 100 x 80": lambda: keras.Sequential([keras.Input((100,)), keras.layers.Dense(80, name="layer")]),
    "dense 512 x 512": lambda: keras.Sequential([keras.Input((512,)), keras.layers.Dense(512, name="layer")]),
    "conv 3 x 3 x 64 x 128": lambda: keras.Sequential([keras.Input((16, 16, 64)), keras.layers.Conv2D(128, 3, name="layer")]),
    "embedding 50 000 x 64": lambda: keras.Sequential([keras.Input((8,)), keras.layers.Embedding(50_000, 64, name="layer")]),
}


def size_of(content, buffers):
    """Bytes of a message: its text and its buffers."""
    return len(str(content)) + sum(memoryview(buffer).nbytes for buffer in buffers or ())


def listen():
    """Count what widgets send from now on."""
    sent = []
    send = ipywidgets.Widget._send

    def counted(self, msg, buffers=None):
        sent.append(size_of(msg, buffers))
        return send(self, msg, buffers)

    ipywidgets.Widget._send = counted
    return sent


def updates(explorer, kernel, view, sent):
    """Yield the seconds, messages and bytes of updates that follow a change of all elements."""
    explorer.select("layer", view=view)
    random = np.random.default_rng(1)
    for _ in range(NUM_UPDATES):
        kernel.assign(np.asarray(kernel) + random.normal(0, 0.01, kernel.shape).astype(np.float32))
        _ = explorer.history
        sent.clear()
        began = time.perf_counter()
        explorer._screen.draw()
        yield time.perf_counter() - began, len(sent), sum(sent)


def main():
    """Print a table: medians of the updates."""
    sent = listen()
    for name, make in MODELS.items():
        model = make()
        explorer = WeightExplorer(model)
        kernel = model.layers[0].weights[0]
        weight = next(iter(explorer.catalog.weights.values()))
        for view in views_for(weight).values():
            found = list(updates(explorer, kernel, view.name, sent))
            seconds, messages, sizes = (statistics.median(column) for column in zip(*found, strict=True))
            sys.stdout.write(f"{name:24}{view.label:14}{seconds * 1e3:8.1f} ms{messages:6.0f} messages{sizes / 1e3:10.1f} KB\n")
        explorer.close()


if __name__ == "__main__":
    main()
