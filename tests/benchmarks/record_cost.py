"""What one record costs, beside what others take for the same: `python -m tests.benchmarks.record_cost [part ...]`.

Parts are resnet50, mlp, growth, large and fit; all of them where none is named. What is compared runs in one process in turns,
first the one and then the other, so that the machine's own pace divides out; a ratio is that of two neighbours. Every weight
is changed before each pair, outside the timing. A recorder that holds on to TensorFlow's own memory makes the next step of
training dearer, not the record: that shows in the part fit only.
"""

import argparse
import contextlib
import importlib.util
import itertools
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import sleep

import keras
import numpy as np
from keras import layers

from tests.benchmarks import overhead
from tests.benchmarks.overhead import make_model, seconds
from weight_explorer import WeightExplorer
from weight_explorer.recording.records import Record
from weight_explorer.tracker import LiveTracker

ROUNDS = 7
MLP_ROUNDS = 50
GROWTH_RUNS = 3
EARLY, LATE = range(10, 21), range(990, 1001)
LARGE_RECORDS = 5

TENSORBOARD = "Keras' TensorBoard callback, its histograms"
WANDB = "wandb's histograms, offline"

Work = Callable[[], object]
Pairs = list[tuple[float, float]]


# -- models and their records ------------------------------------------------------------------------------------------


def resnet50() -> keras.Model:
    return roughened(keras.applications.ResNet50(weights=None))


def mlp() -> keras.Model:
    return roughened(make_model())


def large_model() -> keras.Model:
    """Make a model of 110 M parameters, of the shapes of BERT's; it is never run."""
    embedding = layers.Embedding(32_500, 768)
    sizes = [size for _ in range(12) for size in (768, 768, 768, 768, 3072, 768)]
    model = keras.Sequential([keras.Input((8,)), embedding, *(layers.Dense(size) for size in sizes)])
    return roughened(model)


def roughened(model: keras.Model) -> keras.Model:
    """Make no weight constant, as biases are before training."""
    random = np.random.default_rng(1)
    for variable in model.weights:
        variable.assign(variable + random.standard_normal(variable.shape, "float32") * 0.01)
    return model


def change(model: keras.Model) -> None:
    """Change every weight a little, as a step of training does."""
    for variable in model.weights:
        variable.assign(variable * 1.0001)


def record_of(explorer: WeightExplorer) -> Work:
    """Return what makes the next record, as the callback does between two epochs."""
    numbers = itertools.count(1)
    return lambda: explorer._tracker.record(Record(0, 0, next(numbers), 0.0, "batch"))


def compare(model: keras.Model, rivals: dict[str, Work], num_rounds: int) -> dict[str, Pairs]:
    """Return the seconds of (record, rival) for each round; each comes first in every other round."""
    explorer = WeightExplorer(model)
    record = record_of(explorer)
    pairs: dict[str, Pairs] = {name: [] for name in rivals}
    for number in range(num_rounds + 1):
        for name, work in rivals.items():
            change(model)
            rest = 1.0 if name == WANDB else 0.0  # its own process goes on writing
            pair = in_turn(record, work, rest) if number % 2 else in_turn(work, record, rest)[::-1]
            if number:  # the round before the first warms up
                pairs[name].append(pair)
    explorer.close()
    return pairs


def in_turn(first: Work, second: Work, rest: float) -> tuple[float, float]:
    """Return the seconds of both, with a rest after each."""
    times = []
    for work in (first, second):
        times.append(seconds(work))
        sleep(rest)
    return times[0], times[1]


# -- what others do ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def tensorboard(model: keras.Model) -> Iterator[Work]:
    """Yield what Keras' callback does at the end of an epoch for its histograms, the flush included."""
    with tempfile.TemporaryDirectory() as folder:
        callback = keras.callbacks.TensorBoard(folder, histogram_freq=1, write_graph=False)
        callback.set_model(model)
        epochs = itertools.count()
        yield lambda: callback._log_weights(next(epochs))
        callback._close_writers()
        expect_bytes(folder)


@contextlib.contextmanager
def wandb_histograms(model: keras.Model) -> Iterator[Work]:
    """Yield what logs a histogram of every weight with wandb, reading the weights included."""
    os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
    import wandb  # noqa: PLC0415 - needed here only, and slow

    def log() -> None:
        wandb.log({variable.path: wandb.Histogram(variable.numpy()) for variable in model.weights})

    with tempfile.TemporaryDirectory() as folder:
        settings = wandb.Settings(silent=True, console="off", x_disable_stats=True, disable_git=True, save_code=False)
        run = wandb.init(project="record-cost", dir=folder, mode="offline", settings=settings)
        yield log
        run.finish()
        expect_bytes(folder)


def expect_bytes(folder: str) -> None:
    """Make sure that something was written: a rival that logs nothing would look cheap."""
    num_bytes = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    if num_bytes < 100_000:
        raise RuntimeError(f"only {num_bytes} bytes were logged")


def read_variables(model: keras.Model) -> None:
    """Read every weight once where it lies; of a TensorFlow tensor NumPy takes a view."""
    for variable in model.weights:
        np.asarray(variable.value.value()).min()


def read_arrays(arrays: list[np.ndarray]) -> None:
    for array in arrays:
        array.min()


# -- the table ---------------------------------------------------------------------------------------------------------


def write_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def write_head(title: str) -> None:
    write_line(f"\n{title}\n{'':44} {'ms':>9} {'record ms':>10} {'record / it':>12} {'least..most':>18} {'it / record':>12}")


def write_pairs(name: str, pairs: Pairs) -> None:
    """Write a row: both medians, the median ratio with its range, and the ratio the other way around."""
    record, rival = (statistics.median(numbers) * 1e3 for numbers in zip(*pairs, strict=True))
    ratios = sorted(ours / theirs for ours, theirs in pairs)
    ratio = statistics.median(ratios)
    span = f"{ratios[0]:.3g}..{ratios[-1]:.3g}"
    write_line(f"{name:44} {rival:9.2f} {record:10.2f} {ratio:12.3g} {span:>18} {1 / ratio:12.3g}")


def resnet50_part() -> None:
    """Compare one record of ResNet50 with what others do, and with reading its memory."""
    model = resnet50()
    write_head(f"ResNet50, {model.count_params() / 1e6:.1f} M parameters in {len(model.weights)} tensors, {ROUNDS} rounds")
    arrays = [variable.numpy() for variable in model.weights]
    rivals: dict[str, Work] = {
        "one read pass, min of every variable": lambda: read_variables(model),
        "one read pass, min of every array": lambda: read_arrays(arrays),
        "model.get_weights()": model.get_weights,
    }
    with contextlib.ExitStack() as stack:
        for name, package, make in ((TENSORBOARD, "tensorboard", tensorboard), (WANDB, "wandb", wandb_histograms)):
            if importlib.util.find_spec(package):
                rivals[name] = stack.enter_context(make(model))
            else:
                write_line(f"{name:44} {package} is not installed")
        for name, pairs in compare(model, rivals, ROUNDS).items():
            write_pairs(name, pairs)


def mlp_part() -> None:
    """Compare one record of a small model with `get_weights()`."""
    model = mlp()
    write_head(f"MLP, {model.count_params():,} parameters in {len(model.weights)} tensors, {MLP_ROUNDS} rounds")
    for name, pairs in compare(model, {"model.get_weights()": model.get_weights}, MLP_ROUNDS).items():
        write_pairs(name, pairs)


def growth_part() -> None:
    """Compare late records of the small model with early ones."""
    early, late = zip(*(growth() for _ in range(GROWTH_RUNS)), strict=True)
    ratios = [after / before for before, after in zip(early, late, strict=True)]
    write_line(
        f"\nMLP, {GROWTH_RUNS} runs of {LATE[-1]} records: "
        f"{EARLY[0]} to {EARLY[-1]} took {statistics.median(early) * 1e3:.2f} ms, "
        f"{LATE[0]} to {LATE[-1]} {statistics.median(late) * 1e3:.2f} ms, "
        f"{statistics.median(ratios):.2f} times as long ({min(ratios):.2f} to {max(ratios):.2f})"
    )


def growth() -> tuple[float, float]:
    """Return the median seconds of early records and of late ones."""
    model = mlp()
    explorer = WeightExplorer(model)
    record = record_of(explorer)
    times = [0.0]
    for _ in range(LATE[-1]):
        change(model)
        times.append(seconds(record))
    explorer.close()
    return statistics.median(times[number] for number in EARLY), statistics.median(times[number] for number in LATE)


# -- the large model, in a process of its own --------------------------------------------------------------------------


def time_updates() -> list[float]:
    """Have the seconds noted that each look at a model takes; the first, while its explorer is made, may make a record."""
    times, update = [], LiveTracker.update
    LiveTracker.update = lambda tracker, *kind: times.append(seconds(lambda: update(tracker, *kind)))
    return times


def large_part() -> None:
    """Measure records of a large model in a fresh process, whose memory nothing else has touched."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        write_line(pool.submit(measure_large).result())


def measure_large() -> str:
    """Return the line that says what records of a large model take, and what they add to the peak of memory."""
    WeightExplorer(mlp()).close()  # what the first explorer of a process loads is not the model's doing
    model = large_model()
    before = resident("VmRSS")
    reset_peak()
    looks = time_updates()
    explorer = WeightExplorer(model)
    record = record_of(explorer)
    # Made by the first look, unless that looks at a weight whose values do not fit the memory.
    first = looks[0] if explorer.history.num_recorded else seconds(record)
    peaks, times = [resident("VmHWM")], []
    for _ in range(LARGE_RECORDS):
        change(model)
        reset_peak()  # the change needs memory of its own
        times.append(seconds(record))
        peaks.append(resident("VmHWM"))
    return (
        f"\n{model.count_params() / 1e6:.1f} M parameters in {len(model.weights)} tensors: the first record "
        f"{first * 1e3:.0f} ms, the median of {LARGE_RECORDS} more {statistics.median(times) * 1e3:.0f} ms "
        f"({min(times) * 1e3:.0f} to {max(times) * 1e3:.0f}); peak of memory {(max(peaks) - before) / 1e6:.0f} MB above "
        f"that of the model, whose weights are {sum(variable.value.numpy().nbytes for variable in model.weights) / 1e6:.0f} MB"
    )


def resident(field: str) -> int:
    """Return bytes of resident memory: VmRSS now, VmHWM the most since `reset_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


PARTS = {"resnet50": resnet50_part, "mlp": mlp_part, "growth": growth_part, "large": large_part, "fit": overhead.main}


def main() -> None:
    """Write the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    names = parser.parse_args().parts or list(PARTS)
    if unknown := set(names) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    for name in names:
        PARTS[name]()


if __name__ == "__main__":
    main()
