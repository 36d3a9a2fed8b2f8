"""Rows of a weight that did not move while others did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from weight_explorer.diagnosis.case import Case, Trace, is_weight
from weight_explorer.diagnosis.facts import DATA
from weight_explorer.diagnosis.findings import Finding, Place
from weight_explorer.diagnosis.rules.standstill import is_float, spacing
from weight_explorer.diagnosis.terms import Parameter, Rule
from weight_explorer.diagnosis.words import count_words, entries_words, joined, layer_name, name_of, span_words

SOURCE = "https://cs231n.github.io/optimization-2/ (the gradient of a weight is its input times the gradient of its output)"

EPOCHS = Parameter(
    "row_epochs", 1.0, "The minimum number of epochs: until then, an input that was always 0 may be nonzero in a later sample."
)
BATCHES = Parameter(
    "row_batches", 100, "The number of batches that is enough without a full epoch: a custom loop may not report epochs."
)
RESOLVED = Parameter(
    "resolved_updates",
    1000,
    "Updates smaller than this many times the spacing between floating-point numbers cannot tell why a row did not move.",
)


def find(case: Case) -> Iterator[Finding]:
    """Find weights some of whose rows did not move by a single bit while the others did."""
    for trace in case.traces.values():
        axis = _input_axis(trace)
        if axis is None or not is_weight(trace) or not _has_seen_enough(case, trace):
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
    """Whether training could move it for so long that what is not always 0 in its data has come in."""
    return trace.epochs >= case.parameters[EPOCHS.name] or trace.batches >= case.parameters[BATCHES.name]


def _still_rows(case: Case, trace: Trace, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that did not move: those with a reason still to be found, and those that are frozen."""
    none = np.empty(0, np.int64)
    moved, counts = trace.field("moved"), trace.field("count")
    if not moved.any() or (moved == counts).any():
        return none, none
    ends = trace.ends()
    if ends is None:
        return none, none
    is_still = ~_along(ends[0] != ends[1], axis)
    mask = case.masks.get(trace.key)
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
    biases = [other for other in case.layers[weight.layer] if other.weight.role == "bias" and other.moves]
    rows = StillRows(case, trace, entries)
    explanation = next(each for each in EXPLANATIONS if each.holds(rows))
    return trace.finding(
        "rows not moving",
        "note",
        f"{len(still)} of {along.size} rows of the {name_of(weight)} did not move at all {span_words(trace)}, "
        f"those of {entries_words(along, entries)}, while others did. {explanation.words(rows)}{_biases_words(biases)}",
        {"rows_still": len(still), "rows": along.size} | _evidence(biases),
        keys=(trace.key, *(bias.key for bias in biases)),
        places=(Place(axis, entries),),
        cure=explanation.check,
        source=SOURCE,
        cause=explanation.name,
    )


@dataclass(frozen=True, slots=True)
class StillRows:
    """Rows of a weight that did not move, as the table of explanations is asked about them."""

    case: Case
    trace: Trace
    entries: tuple[int, ...]

    @property
    def are_tokens(self) -> bool:
        """Whether each row is the vector of a token."""
        return any(axis.entry == "token" for axis in self.trace.weight.axes)

    @property
    def are_padded(self) -> bool:
        """Whether token 0 of the embedding marks padding."""
        return self.trace.weight.layer in self.case.facts.masked

    @property
    def are_unresolved(self) -> bool:
        """Whether updates are so small that rounding may hide them."""
        trace = self.trace
        return is_float(trace) and trace.usual_step < self.case.parameters[RESOLVED.name] * spacing(trace)

    @property
    def are_of_data(self) -> bool:
        """Whether what comes in is the input of the model."""
        return self.case.facts.feeds.get(self.trace.weight.layer) == (DATA,)

    @property
    def sources(self) -> list[str]:
        """The layers whose output comes in."""
        feeds = self.case.facts.feeds.get(self.trace.weight.layer, ())
        return [layer_name(path) for path in feeds if path != DATA]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of why rows stand still: its code, when it applies, what is said, and how to check what was not checked."""

    name: str
    holds: Callable[[StillRows], bool]
    words: Callable[[StillRows], str]
    check: str = ""


_LAW = "The gradient of a row is its input times the error, so a row whose input is always 0 does not move."


def _token_words(rows: StillRows) -> str:
    padding = " Token 0 is padding (mask_zero=True)." if rows.are_padded and 0 in rows.entries else ""
    return f"A token that does not occur in the training data does not move; the data was not looked at.{padding}"


def _unresolved_words(rows: StillRows) -> str:
    step, apart = f"{rows.trace.usual_step:.2g}", f"{spacing(rows.trace):.2g}"
    return f"A batch moves the others by about {step}, and numbers of this size are {apart} apart, so smaller updates are lost."


# The first that applies is given. None claims what was not checked: the inputs themselves are not recorded.
EXPLANATIONS = (
    Explanation(
        "padding token",
        lambda rows: rows.are_tokens and rows.are_padded and rows.entries == (0,),
        lambda _: "Token 0 is padding (mask_zero=True): layers that use the mask skip it.",
    ),
    Explanation("tokens", lambda rows: rows.are_tokens, _token_words, "To check: numpy.unique(x) lists the tokens that occur."),
    Explanation("small updates", lambda rows: rows.are_unresolved, _unresolved_words),
    Explanation(
        "recurrent",
        lambda rows: rows.trace.weight.role == "recurrent",
        lambda _: f"{_LAW} Here the inputs are the outputs of the layer itself; they were not recorded.",
    ),
    Explanation(
        "from layers",
        lambda rows: bool(rows.sources),
        lambda rows: f"{_LAW} These inputs come from {joined(rows.sources)}; they were not recorded.",
    ),
    Explanation("unknown", lambda rows: not rows.are_of_data, lambda _: f"{_LAW} The inputs were not recorded."),
    Explanation(
        "data",
        lambda rows: rows.are_of_data,
        lambda _: f"{_LAW} Whether these inputs are always 0 was not checked.",
        "To check: (x == 0).all(axis=0) is True for each input that is 0 in every sample.",
    ),
)


def _biases_words(biases: list[Trace]) -> str:
    if not biases:
        return ""
    found = _evidence(biases)
    count = count_words(found["bias_moved"], "bias")
    every = "All" if found["bias_moved"] == found["biases"] and found["biases"] > 1 else "And"
    return f" {every} {count} did move, which need{'s' * (found['bias_moved'] == 1)} no input, so the layer does learn."


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
        f"explorer.freeze holds {entries_words(along, entries)}.",
        {"rows_still": len(masked), "rows": along.size},
        places=(Place(axis, entries),),
    )


ROWS = Rule("rows not moving", "Rows that did not move while others did", find, (EPOCHS, BATCHES, RESOLVED))
