"""The words and numbers beside a picture: what the weight is, its statistics, where the training stands."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import Catalog, LayerNode, Weight
from weight_explorer.pictures.numbers import format_count, format_exact, format_rounded, format_share, format_signed
from weight_explorer.recording.descriptions import describe_progress
from weight_explorer.recording.facts import TrainingKind
from weight_explorer.recording.history import History, StatisticsQuery, find_start_record
from weight_explorer.recording.records import Record
from weight_explorer.recording.statistics.summary import FIELD_INDEX, NON_FINITE_FIELDS, summarize
from weight_explorer.recording.status import RecordRate, TrainingStatus
from weight_explorer.views.choice import Choice
from weight_explorer.views.reading import Reading, chosen_record, read_quantity, statistics_row


@dataclass(frozen=True, slots=True)
class StatisticsTable:
    """Rows of (name, number, change since the start), as text; `headers` are the columns' names."""

    headers: tuple[str, str, str]
    rows: tuple[tuple[str, str, str], ...]


# (label, field): floats in full, with how far they have moved; then counts.
MOMENT_ROWS = (
    ("minimum", "minimum"),
    ("mean", "mean"),
    ("std. deviation", "std"),
    ("maximum", "maximum"),
    ("norm (L2)", "norm"),
)
COUNT_ROWS = (("zero", ("zeros",)), ("NaN", ("nans",)), ("Inf", ("positive_infs", "negative_infs")))

# More blocks than this would push the statistics of the whole off the screen.
MAX_BLOCKS = 4


def weight_facts(weight: Weight, record: Record | None = None) -> tuple[str, ...]:
    """Say what a weight is, in a few short pieces for one line, and what was different at the record on screen."""
    trainable = f"not trainable: {weight.not_trainable_text}" if weight.not_trainable_text else "trainable"
    trainable += _describe_trainable_at_record(weight, record)
    shared = f"shared by {len(weight.shared_by)} layers" if len(weight.shared_by) > 1 else ""
    pieces = (weight.shape_text, weight.dtype, trainable, weight.initializer, shared, weight.get_weights_text)
    return tuple(piece for piece in pieces if piece)


def _describe_trainable_at_record(weight: Weight, record: Record | None) -> str:
    """Say whether a weight was trainable at a record, where that differs from now."""
    conditions = None if record is None else record.facts.conditions
    if record is None or conditions is None or conditions.training_kind is TrainingKind.NONE:
        return ""
    was_trainable = weight.variable_key not in conditions.not_trainable
    if was_trainable == (weight.not_trainable is None):
        return ""
    return f" now ({'trainable' if was_trainable else 'not trainable'} at record {record.number})"


def explain(weight: Weight, layer: str) -> str:
    """Explain a weight, and say where else it lives than in the layer at `layer`."""
    if len(weight.shared_by) < 2:
        return weight.explanation
    others = [path for path in weight.shared_by if path != layer]
    places = ", ".join(others[:4]) + (" ..." if len(others) > 4 else "")
    return f"{weight.explanation} One and the same variable also stands in: {places}."


def statistics_table(weight: Weight, history: History, choice: Choice) -> StatisticsTable:
    """Return the statistics of what is shown, in full digits, and how far they moved since the start."""
    numbers = history.record_numbers(weight.variable_key, StatisticsQuery(choice.quantity, weight.index))
    if not len(numbers):
        return StatisticsTable(("", "", ""), ())
    is_value = choice.quantity == "value"
    chosen = chosen_record(weight, history, choice)
    number = chosen if chosen is not None and chosen in numbers else int(numbers[-1])
    now, start = (
        statistics_row(weight, history, choice, at)
        for at in (number, find_start_record(numbers.tolist(), history.start_record, number))
    )
    rows = [
        (label, format_exact(now[FIELD_INDEX[name]]), _change_since_start_text(now, start, name) if is_value else "")
        for label, name in MOMENT_ROWS
    ]
    rows.append(("elements", format_count(weight.size), _estimate_text(now, weight)))
    change = statistics_row(weight, history, choice, number, "since_start") if is_value else now
    rows.append(("moved", *_changed_elements_texts(change, weight)))
    rows += [(label, _count_text(sum(now[FIELD_INDEX[name]] for name in names)), "") for label, names in COUNT_ROWS]
    rows.append(
        (
            "update ratio",
            _update_ratio(now, statistics_row(weight, history, choice, number, "since_last")) if is_value else "",
            "",
        )
    )
    rows.append(("largest change", *_largest_change_texts(change, weight)))
    step = history.get_record(number)
    return StatisticsTable(("", _record_name(step) if step else "", "since start" if is_value else ""), tuple(rows))


def _estimate_text(row: np.ndarray, weight: Weight) -> str:
    """Say where a row is that of a sample: `count` is how many elements it was computed from."""
    count = row[FIELD_INDEX["count"]]
    return f"from {format_count(count)}" if count < weight.size else ""


def _record_name(record: Record) -> str:
    if record.kind == "checkpoint":
        return record.name
    return "start" if record.is_initial else f"record {record.number}"


def block_statistics_table(weight: Weight, history: History, choice: Choice) -> StatisticsTable | None:
    """Return mean and norm of what is shown gate by gate, or head by head: along the last axis that has blocks."""
    found = [(i, axis) for i, axis in enumerate(weight.axes) if 1 < len(axis.blocks) <= MAX_BLOCKS]
    reading = read_quantity(weight, history, choice) if found else None
    if not isinstance(reading, Reading) or reading.sample is not None:
        return None
    number, axis = found[-1]
    parts = [reading.values[(slice(None),) * number + (slice(block.start, block.stop),)] for block in axis.blocks]
    rows = tuple((axis.block_label(block), *_mean_and_norm(part)) for block, part in zip(axis.blocks, parts, strict=True))
    return StatisticsTable((f"by {axis.block_kind}", "mean", "norm (L2)"), rows)


def _mean_and_norm(part: np.ndarray) -> tuple[str, str]:
    row = summarize(part)
    return format_rounded(float(row[FIELD_INDEX["mean"]])), format_rounded(float(row[FIELD_INDEX["norm"]]))


def _change_since_start_text(now: np.ndarray, start: np.ndarray, name: str) -> str:
    with np.errstate(invalid="ignore"):
        return format_signed(float(now[FIELD_INDEX[name]] - start[FIELD_INDEX[name]]))


def _changed_elements_texts(change: np.ndarray, weight: Weight) -> tuple[str, str]:
    moved = change[FIELD_INDEX["moved"]]
    if np.isnan(moved):
        return "unknown", ""
    about = "≈ " if _estimate_text(change, weight) else ""
    return f"{about}{format_count(moved)}", format_share(moved, weight.size)


def _update_ratio(now: np.ndarray, change: np.ndarray) -> str:
    """Return the norm of the change since the record before over that of the weight."""
    norm, size = now[FIELD_INDEX["norm"]], change[FIELD_INDEX["norm"]]
    if size == 0 and change[NON_FINITE_FIELDS].any():
        return "unknown"  # only what is not NaN or infinite is known not to have moved
    return format_rounded(float(size / norm)) if norm > 0 else ""


def _largest_change_texts(change: np.ndarray, weight: Weight) -> tuple[str, str]:
    """Say which element changed the most, by the user's names where there are any, and how far."""
    largest, place = change[FIELD_INDEX["largest"]], change[FIELD_INDEX["place"]]
    if np.isnan(place) or not largest:
        return "none" if not change[FIELD_INDEX["moved"]] else "unknown", ""
    index = np.unravel_index(int(place), weight.shape)
    names = [axis.labels[i] if axis.labels else str(i) for axis, i in zip(weight.axes, index, strict=True)]
    return f"[{', '.join(textwrap.shorten(name, 12, placeholder='…') or '…' for name in names)}]", format_signed(float(largest))


def _count_text(number: float) -> str:
    return "unknown" if np.isnan(number) else format_count(number)


def panel_title(catalog: Catalog) -> str:
    """Name the model and its size."""
    root = catalog.root
    return f"{root.name} · {describe_size(root)}"


def describe_size(node: LayerNode) -> str:
    """Say how many parameters a layer has."""
    if not node.num_params and not node.built:
        return "not built yet"
    if not node.num_params:
        return "no weights"
    return f"{format_count(node.num_params)} parameter{'s' if node.num_params > 1 else ''}"


def describe_status(status: TrainingStatus, *, clicks_wait: bool = False) -> str:
    """Say in one line where the training stands, what recording has cost, and whether clicks have to wait."""
    of_batches = f" of {status.batches}" if status.batches else ""
    where = describe_progress(status, " · ") if status.epoch else "starting"
    batch = f", batch {status.batch}{of_batches}" if status.batch else ""
    words = {
        "before": "not trained yet",
        "unseen": "changed, but not by fit with this callback",
        "refused": "the last fit trained another model, and was not recorded",
        "training": f"{_REQUEST_PHASES.get(status.request, 'live')} · {where}{batch}",
        "paused": f"{'stopping' if status.request == 'stop' else 'paused'} · {where}{batch}",
        "finished": f"finished · {where}",
        "stopped": f"stopped · {where}",
        "interrupted": f"interrupted · {where}{batch}",
        "checkpoints": _describe_checkpoints(status.num_records),
        "run": "a recorded run",
    }[status.phase]
    cost = "" if status.overhead is None else f" · recording costs {status.overhead * 100:.1f} %"
    cost += f", {_describe_rate(status.record_rate)}" if status.record_rate and status.is_training else ""
    waits = " · clicks are answered when the cell ends (explorer.fit(...) trains beside the cells)"
    return words + cost + (waits if clicks_wait and status.is_training and not status.is_background else "")


# What is asked of a training, and what it does until the batch ends.
_REQUEST_PHASES = {"pause": "pausing", "stop": "stopping"}


def training_commands(status: TrainingStatus, *, clicks_wait: bool = False) -> tuple[str, ...]:
    """Say what can be asked of a training now: nothing of a loop of the user's own, nor where clicks wait until it is over.

    >>> (
    ...     training_commands(TrainingStatus("training")),
    ...     training_commands(TrainingStatus("paused", request="pause")),
    ...     training_commands(TrainingStatus("training", request="stop")),
    ... )
    (('pause', 'stop'), ('resume', 'stop'), ('stopping',))
    >>> (
    ...     training_commands(TrainingStatus("finished")),
    ...     training_commands(TrainingStatus("training", is_custom_loop=True)),
    ...     training_commands(TrainingStatus("training"), clicks_wait=True),
    ... )
    ((), (), ())
    """
    if not status.is_training or status.is_custom_loop or (clicks_wait and not status.is_background):
        return ()
    return _TRAINING_COMMANDS[status.request]


_TRAINING_COMMANDS = {"": ("pause", "stop"), "pause": ("resume", "stop"), "stop": ("stopping",)}


def _describe_checkpoints(number: int) -> str:
    return "one checkpoint" if number == 1 else f"{format_count(number)} checkpoints"


def _describe_rate(rate: RecordRate) -> str:
    """Say how many records were made in how much time: unlike "4 records/s", that stays true when no more are made.

    >>> _describe_rate(RecordRate(1, 9.4)), _describe_rate(RecordRate(1200, 725)), _describe_rate(RecordRate(30, 7500))
    ('1 record in 9 s', '1200 records in 12 min', '30 records in 2.1 h')
    """
    seconds = rate.seconds
    time = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
    return f"{rate.num_records} record{'' if rate.num_records == 1 else 's'} in {time}"


def describe_empty_layer(node: LayerNode) -> str:
    """Say why a layer has nothing to show, and what to do about it."""
    if not node.built:
        return (
            "Not built yet: Keras makes the weights when it first learns the shape of the input. "
            "Call model.build(input_shape) or train; this panel fills in by itself."
        )
    return f"{node.name} ({node.class_name}) holds no weights. {node.state_note or 'Choose another layer in the tree.'}"
