"""The words and numbers beside a picture: what the weight is, its statistics, where the training stands."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.nodes import Catalog, LayerNode, Weight
from weight_explorer.recording.facts import Activity
from weight_explorer.recording.moments import progress_words
from weight_explorer.recording.past import Comparison, Past, start_among
from weight_explorer.recording.statistics import INDEX, NOT_FINITE, summarize
from weight_explorer.recording.status import RecordRate, Status
from weight_explorer.recording.time import Step
from weight_explorer.views.choice import Choice
from weight_explorer.views.numbers import exact, grouped, rough, share, signed
from weight_explorer.views.reading import Reading, chosen_step, read, row_of


@dataclass(frozen=True, slots=True)
class StatisticsTable:
    """Rows of (name, number, change since the start), as text; `heads` are the columns' names."""

    heads: tuple[str, str, str]
    rows: tuple[tuple[str, str, str], ...]


# (label, field): floats in full, with how far they have moved; then counts.
MOMENTS = (("minimum", "minimum"), ("mean", "mean"), ("std. deviation", "std"), ("maximum", "maximum"), ("norm (L2)", "norm"))
COUNTS = (("zero", ("zeros",)), ("NaN", ("nans",)), ("Inf", ("positive_infs", "negative_infs")))

# More blocks than this would push the statistics of the whole off the screen.
MOST_BLOCKS = 4


def facts(weight: Weight, step: Step | None = None) -> tuple[str, ...]:
    """Say what a weight is, in a few short pieces for one line, and what was different at the record on screen."""
    trainable = f"not trainable: {weight.reason}" if weight.reason else "trainable"
    trainable += _trainable_then(weight, step)
    shared = f"shared by {len(weight.shared_by)} layers" if len(weight.shared_by) > 1 else ""
    pieces = (weight.shape_text, weight.dtype, trainable, weight.initializer, shared, weight.number_text)
    return tuple(piece for piece in pieces if piece)


def _trainable_then(weight: Weight, step: Step | None) -> str:
    """Say whether a weight was trainable at a record, where that differs from now."""
    conditions = None if step is None else step.facts.conditions
    if step is None or conditions is None or conditions.activity is Activity.NONE:
        return ""
    was_trainable = weight.whole not in conditions.not_trainable
    if was_trainable == (weight.not_trainable is None):
        return ""
    return f" now ({'trainable' if was_trainable else 'not trainable'} at record {step.number})"


def explanation(weight: Weight, place: str) -> str:
    """Explain a weight, and say where else it lives than in the layer at `place`."""
    if len(weight.shared_by) < 2:
        return weight.explanation
    others = [path for path in weight.shared_by if path != place]
    places = ", ".join(others[:4]) + (" ..." if len(others) > 4 else "")
    return f"{weight.explanation} One and the same variable also stands in: {places}."


def statistics_table(weight: Weight, history: Past, choice: Choice) -> StatisticsTable:
    """Return the statistics of what is shown, in full digits, and how far they moved since the start."""
    numbers = history.recorded(weight.whole, Comparison(choice.quantity, weight.index))
    if not len(numbers):
        return StatisticsTable(("", "", ""), ())
    is_value = choice.quantity == "value"
    chosen = chosen_step(weight, history, choice)
    number = chosen if chosen is not None and chosen in numbers else int(numbers[-1])
    now, start = (row_of(weight, history, choice, at) for at in (number, start_among(numbers.tolist(), history.start, number)))
    rows = [(label, exact(now[INDEX[name]]), _moved(now, start, name) if is_value else "") for label, name in MOMENTS]
    rows.append(("elements", grouped(weight.size), _estimated(now, weight)))
    change = row_of(weight, history, choice, number, "since_start") if is_value else now
    rows.append(("moved", *_moved_share(change, weight)))
    rows += [(label, _count(sum(now[INDEX[name]] for name in names)), "") for label, names in COUNTS]
    rows.append(
        ("update ratio", _update_ratio(now, row_of(weight, history, choice, number, "since_last")) if is_value else "", "")
    )
    rows.append(("largest change", *_largest(change, weight)))
    step = history.step(number)
    return StatisticsTable(("", _record_name(step) if step else "", "since start" if is_value else ""), tuple(rows))


def _estimated(row: np.ndarray, weight: Weight) -> str:
    """Say where a row is that of a sample: `count` is how many elements it was computed from."""
    count = row[INDEX["count"]]
    return f"from {grouped(count)}" if count < weight.size else ""


def _record_name(step: Step) -> str:
    if step.kind == "checkpoint":
        return step.name
    return "start" if step.is_start else f"record {step.number}"


def block_table(weight: Weight, history: Past, choice: Choice) -> StatisticsTable | None:
    """Return mean and norm of what is shown gate by gate, or head by head: along the last axis that has blocks."""
    found = [(i, axis) for i, axis in enumerate(weight.axes) if 1 < len(axis.blocks) <= MOST_BLOCKS]
    reading = read(weight, history, choice) if found else None
    if not isinstance(reading, Reading) or reading.sample is not None:
        return None
    number, axis = found[-1]
    parts = [reading.values[(slice(None),) * number + (slice(block.start, block.stop),)] for block in axis.blocks]
    rows = tuple((axis.block_words(block), *_mean_and_norm(part)) for block, part in zip(axis.blocks, parts, strict=True))
    return StatisticsTable((f"by {axis.group}", "mean", "norm (L2)"), rows)


def _mean_and_norm(part: np.ndarray) -> tuple[str, str]:
    row = summarize(part)
    return rough(float(row[INDEX["mean"]])), rough(float(row[INDEX["norm"]]))


def _moved(now: np.ndarray, start: np.ndarray, name: str) -> str:
    with np.errstate(invalid="ignore"):
        return signed(float(now[INDEX[name]] - start[INDEX[name]]))


def _moved_share(change: np.ndarray, weight: Weight) -> tuple[str, str]:
    moved = change[INDEX["moved"]]
    if np.isnan(moved):
        return "unknown", ""
    about = "≈ " if _estimated(change, weight) else ""
    return f"{about}{grouped(moved)}", share(moved, weight.size)


def _update_ratio(now: np.ndarray, change: np.ndarray) -> str:
    """Return the norm of the change since the record before over that of the weight."""
    norm, size = now[INDEX["norm"]], change[INDEX["norm"]]
    if size == 0 and change[NOT_FINITE].any():
        return "unknown"  # only what is not NaN or infinite is known not to have moved
    return rough(float(size / norm)) if norm > 0 else ""


def _largest(change: np.ndarray, weight: Weight) -> tuple[str, str]:
    """Say which element changed the most, by the user's names where there are any, and how far."""
    largest, place = change[INDEX["largest"]], change[INDEX["place"]]
    if np.isnan(place) or not largest:
        return "none" if not change[INDEX["moved"]] else "unknown", ""
    index = np.unravel_index(int(place), weight.shape)
    names = [axis.labels[i] if axis.labels else str(i) for axis, i in zip(weight.axes, index, strict=True)]
    return f"[{', '.join(textwrap.shorten(name, 12, placeholder='…') or '…' for name in names)}]", signed(float(largest))


def _count(number: float) -> str:
    return "unknown" if np.isnan(number) else grouped(number)


def title(catalog: Catalog) -> str:
    """Name the model and its size."""
    root = catalog.root
    return f"{root.name} · {count_words(root)}"


def count_words(node: LayerNode) -> str:
    """Say how many parameters a layer has."""
    if not node.num_params and not node.built:
        return "not built yet"
    if not node.num_params:
        return "no weights"
    return f"{grouped(node.num_params)} parameter{'s' if node.num_params > 1 else ''}"


def status_words(status: Status, *, clicks_wait: bool = False) -> str:
    """Say in one line where the training stands, what recording has cost, and whether clicks have to wait."""
    of_batches = f" of {status.batches}" if status.batches else ""
    where = progress_words(status, " · ") if status.epoch else "starting"
    batch = f", batch {status.batch}{of_batches}" if status.batch else ""
    words = {
        "before": "not trained yet",
        "unseen": "changed, but not by fit with this callback",
        "refused": "the last fit trained another model, and was not recorded",
        "training": f"{_ASKED.get(status.asked, 'live')} · {where}{batch}",
        "paused": f"{'stopping' if status.asked == 'stop' else 'paused'} · {where}{batch}",
        "finished": f"finished · {where}",
        "stopped": f"stopped · {where}",
        "interrupted": f"interrupted · {where}{batch}",
        "checkpoints": _checkpoints_words(status.records),
        "run": "a recorded run",
    }[status.phase]
    cost = "" if status.cost is None else f" · recording costs {status.cost * 100:.1f} %"
    cost += f", {_rate_words(status.rate)}" if status.rate and status.is_training else ""
    waits = " · clicks are answered when the cell ends (explorer.fit(...) trains beside the cells)"
    return words + cost + (waits if clicks_wait and status.is_training and not status.is_beside else "")


# What is asked of a training, and what it does until the batch ends.
_ASKED = {"pause": "pausing", "stop": "stopping"}


def orders(status: Status, *, clicks_wait: bool = False) -> tuple[str, ...]:
    """Say what can be asked of a training now: nothing of a loop of the user's own, nor where clicks wait until it is over.

    >>> orders(Status("training")), orders(Status("paused", asked="pause")), orders(Status("training", asked="stop"))
    (('pause', 'stop'), ('resume', 'stop'), ('stopping',))
    >>> orders(Status("finished")), orders(Status("training", is_loop=True)), orders(Status("training"), clicks_wait=True)
    ((), (), ())
    """
    if not status.is_training or status.is_loop or (clicks_wait and not status.is_beside):
        return ()
    return _ORDERS[status.asked]


_ORDERS = {"": ("pause", "stop"), "pause": ("resume", "stop"), "stop": ("stopping",)}


def _checkpoints_words(number: int) -> str:
    return "one checkpoint" if number == 1 else f"{grouped(number)} checkpoints"


def _rate_words(rate: RecordRate) -> str:
    """Say how many records were made in how much time: unlike "4 records/s", that stays true when no more are made.

    >>> _rate_words(RecordRate(1, 9.4)), _rate_words(RecordRate(1200, 725)), _rate_words(RecordRate(30, 7500))
    ('1 record in 9 s', '1200 records in 12 min', '30 records in 2.1 h')
    """
    seconds = rate.seconds
    time = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
    return f"{rate.records} record{'' if rate.records == 1 else 's'} in {time}"


def empty_words(node: LayerNode) -> str:
    """Say why a layer has nothing to show, and what to do about it."""
    if not node.built:
        return (
            "Not built yet: Keras makes the weights when it first learns the shape of the input. "
            "Call model.build(input_shape) or train; this panel fills in by itself."
        )
    return f"{node.name} ({node.class_name}) holds no weights. {node.note or 'Choose another layer in the tree.'}"
