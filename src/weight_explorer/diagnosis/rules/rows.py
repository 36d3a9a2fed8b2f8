"""Rows of a weight that did not move while others did: what came in there was always zero."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from weight_explorer.diagnosis.case import Case, Trace
from weight_explorer.diagnosis.facts import DATA
from weight_explorer.diagnosis.findings import Finding, Place
from weight_explorer.diagnosis.terms import Parameter, Rule
from weight_explorer.diagnosis.words import count_words, entries_words, joined, layer_name, name_of, span_words

SOURCE = "https://cs231n.github.io/optimization-2/ (the gradient of a weight is its input times the gradient of its output)"

EPOCHS = Parameter("zero_epochs", 1.0, "So many epochs: before, what is 0 may still come in another sample.")
BATCHES = Parameter("zero_batches", 100, "Or so many batches: a loop of one's own may not say what an epoch is.")


def find(case: Case) -> Iterator[Finding]:
    """Find weights some of whose rows did not move by a single bit while the others did."""
    for trace in case.traces.values():
        axis = _input_axis(trace)
        if axis is None or not trace.weight.trainable or not _has_seen_enough(case, trace):
            continue
        still, masked = _still_rows(case, trace, axis)
        if len(still):
            yield _finding(case, trace, axis, still)
        if len(masked):
            yield _masked(trace, axis, masked)


def _input_axis(trace: Trace) -> int | None:
    sides = [axis.side for axis in trace.weight.axes]
    return sides.index("in") if sides.count("in") == 1 and len(sides) > 1 else None


def _has_seen_enough(case: Case, trace: Trace) -> bool:
    """Whether training went on for so long that what is never 0 in its data has come in."""
    if len(trace.kept) < 2:
        return False
    first, last = (case.steps[number] for number in (trace.kept[0], trace.kept[-1]))
    batches = case.times.between(first.number, last.number)
    return last.position - first.position >= case.parameters[EPOCHS.name] or batches >= case.parameters[BATCHES.name]


def _still_rows(case: Case, trace: Trace, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that did not move: those with a reason still to be found, and those that a mask holds."""
    none = np.empty(0, np.int64)
    moved, counts = trace.field("moved"), trace.field("count")
    if not moved.any() or (moved == counts).any():
        return none, none
    ends = trace.ends()
    if ends is None:
        return none, none
    is_still = ~_along(ends[0] != ends[1], axis)
    mask = case.facts.masks.get(trace.key)
    is_masked = is_still & ~_along(~mask, axis) if mask is not None else np.zeros_like(is_still)
    if is_still.all():
        return none, none
    return np.flatnonzero(is_still & ~is_masked), np.flatnonzero(is_masked)


def _along(found: np.ndarray, axis: int) -> np.ndarray:
    """Say of each entry of an axis whether anything was found in it."""
    return np.any(np.moveaxis(found, axis, 0).reshape(found.shape[axis], -1), axis=1, keepdims=True)[:, 0]


def _finding(case: Case, trace: Trace, axis: int, still: np.ndarray) -> Finding:
    weight, along = trace.weight, trace.weight.axes[axis]
    entries = tuple(still.tolist())
    total = along.size
    biases = [other for other in case.layers[weight.layer] if other.weight.role == "bias" and len(other.trained)]
    sentence = (
        f"{len(still)} of {total} rows of the {name_of(weight)} did not move at all {span_words(trace)}, "
        f"those of {entries_words(along, entries)}, while others did. {_cause(case, trace, along.entry)}{_biases(biases)}"
    )
    return trace.finding(
        "zero input",
        "note",
        sentence,
        {"rows_still": len(still), "rows": total} | _evidence(biases),
        keys=(trace.key, *(bias.key for bias in _moved(biases))),
        places=(Place(axis, entries),),
        source=SOURCE,
    )


def _cause(case: Case, trace: Trace, entry: str) -> str:
    if entry == "token":
        return "The likely cause is that these tokens do not occur in the training data."
    law = "the gradient of a row is its input times the error, so an input that is always 0 never moves it"
    if trace.weight.role == "recurrent":
        return f"The likely cause is that these units always put out 0: {law}."
    feeds = case.facts.feeds.get(trace.weight.layer, ())
    if feeds == (DATA,):
        return f"The likely cause is that these inputs are 0 in all of the training data: {law}."
    others = [layer_name(path) for path in feeds if path != DATA]
    whence = f" They come from {joined(others)}: its units there may be dead." if others else ""
    return f"The likely cause is that these inputs are always 0 in training: {law}.{whence}"


def _biases(biases: list[Trace]) -> str:
    if not _moved(biases):
        return ""
    found = _evidence(biases)
    count = count_words(found["bias_moved"], "bias")
    every = "All" if found["bias_moved"] == found["biases"] and found["biases"] > 1 else "And"
    return f" {every} {count} did move, which need{'s' if found['bias_moved'] == 1 else ''} no input, so the layer does learn."


def _moved(biases: list[Trace]) -> list[Trace]:
    return [bias for bias in biases if bias.field("moved").any()]


def _evidence(biases: list[Trace]) -> dict[str, float]:
    if not biases:
        return {}
    return {
        "bias_moved": sum(float(bias.field("moved", "since_start")[-1]) for bias in biases),
        "biases": sum(bias.weight.size for bias in biases),
    }


def _masked(trace: Trace, axis: int, masked: np.ndarray) -> Finding:
    weight, along = trace.weight, trace.weight.axes[axis]
    entries = tuple(masked.tolist())
    return trace.finding(
        "not moving",
        "note",
        f"{len(masked)} of {along.size} rows of the {name_of(weight)} did not move: "
        f"a mask holds {entries_words(along, entries)}.",
        {"rows_still": len(masked), "rows": along.size},
        places=(Place(axis, entries),),
    )


ZERO_INPUT = Rule("zero input", "Rows that did not move while others did: their input is always 0", find, (EPOCHS, BATCHES))
