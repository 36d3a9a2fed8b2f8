"""What the facts of a record cost beside the record itself: `python -m tests.benchmarks.facts_cost [small|resnet50 ...]`.

Both are timed in one process in turns, after a real step of training, so that there are an optimizer and a learning rate to
read. The unfavorable cases are included: a schedule as the learning rate, mixed precision, and a catalog that is read again.
"""

import argparse
import statistics

import keras
import numpy as np

from tests.benchmarks.overhead import make_model, seconds
from tests.benchmarks.record_cost import change, record_of
from weight_explorer import WeightExplorer
from weight_explorer.recording.facts import TrainingKind

ROUNDS = 40


def small() -> tuple[keras.Model, np.ndarray]:
    return make_model(), np.zeros((8, 784), "float32")


def resnet50() -> tuple[keras.Model, np.ndarray]:
    return keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3), include_top=False), np.zeros((2, 32, 32, 3))


MODELS = {"small": small, "resnet50": resnet50}
OPTIMIZERS = {
    "Adam": lambda: keras.optimizers.Adam(1e-6),
    "schedule": lambda: keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-6, 100)),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1e-6)),
}


def measure(name: str, optimizer: str) -> str:
    model, x = MODELS[name]()
    model.compile(OPTIMIZERS[optimizer](), lambda y, out: keras.ops.mean(out), jit_compile=False)
    explorer = WeightExplorer(model)
    model.fit(x, np.zeros(len(x)), verbose=0, callbacks=[explorer.callback])
    record, reader, catalog = record_of(explorer), explorer._source.training, explorer.catalog
    reader.begin(TrainingKind.FIT)
    records, reads = [], []
    for _ in range(ROUNDS):
        change(model)
        records.append(seconds(record))
        reads.append(seconds(lambda: reader.visit(catalog)))
    reader.begin(TrainingKind.FIT)
    first = seconds(lambda: reader.visit(catalog))
    explorer.close()
    shares = [read / whole for read, whole in zip(reads, records, strict=True)]
    middle = statistics.median(reads)
    return (
        f"{name:10} {optimizer:10} facts {middle * 1e6:7.0f} us ({min(reads) * 1e6:.0f} to {max(reads) * 1e6:.0f}), "
        f"{statistics.median(shares):7.2%} of a record; read for the first time {first * 1e6:.0f} us"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help=f"of {', '.join(MODELS)}; all where none is named")
    for name in parser.parse_args().models or MODELS:
        for optimizer in OPTIMIZERS:
            print(measure(name, optimizer), flush=True)


if __name__ == "__main__":
    main()
