"""Rows of a weight that did not change while others did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from weight_explorer.diagnosis.context import DiagnosisContext, WeightTrace, is_trained_by_gradients
from weight_explorer.diagnosis.findings import AxisEntries, Finding
from weight_explorer.diagnosis.model_facts import MODEL_INPUT
from weight_explorer.diagnosis.rule_types import Rule, RuleParameter
from weight_explorer.diagnosis.rules.unchanged_weights import float_spacing, is_float
from weight_explorer.diagnosis.text import (
    format_count,
    format_entries,
    format_training_span,
    join_names,
    layer_name,
    weight_name,
)

SOURCE_URL = "https://cs231n.github.io/optimization-2/ (the gradient of a weight is its input times the gradient of its output)"

MIN_EPOCHS = RuleParameter(
    "row_epochs", 1.0, "The minimum number of epochs: until then, an input that was always 0 may be nonzero in a later sample."
)
MIN_BATCHES = RuleParameter(
    "row_batches", 100, "The number of batches that is enough without a full epoch: a custom loop may not report epochs."
)
MIN_RESOLVED_UPDATE = RuleParameter(
    "resolved_updates",
    1000,
    "Updates smaller than this many times the spacing between floating-point numbers cannot tell why a row did not move.",
)


def find(context: DiagnosisContext) -> Iterator[Finding]:
    """Find weights in which some rows did not change by a single bit while other rows did."""
    for trace in context.trajectories.values():
        axis = _input_axis(trace)
        if axis is None or not is_trained_by_gradients(trace) or not _has_seen_enough(context, trace):
            continue
        still, masked = _unchanged_rows(context, trace, axis)
        if len(still):
            yield _finding(context, trace, axis, still)
        if len(masked):
            yield _frozen_rows_finding(trace, axis, masked)


def _input_axis(trajectory: WeightTrace) -> int | None:
    sides = [axis.side for axis in trajectory.weight.axes]
    return sides.index("in") if sides.count("in") == 1 and len(sides) > 1 else None


def _has_seen_enough(context: DiagnosisContext, trajectory: WeightTrace) -> bool:
    """Return whether training could change the weight long enough for any input that is not always 0 to have occurred."""
    return (
        trajectory.num_epochs >= context.parameters[MIN_EPOCHS.name]
        or trajectory.num_batches >= context.parameters[MIN_BATCHES.name]
    )


def _unchanged_rows(context: DiagnosisContext, trajectory: WeightTrace, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the unchanged rows in two groups: those that still need an explanation, and those that are frozen."""
    none = np.empty(0, np.int64)
    moved, counts = trajectory.change_statistic("moved"), trajectory.change_statistic("count")
    if not moved.any() or (moved == counts).any():
        return none, none
    ends = trajectory.first_and_last_values()
    if ends is None:
        return none, none
    is_still = ~_any_along(ends[0] != ends[1], axis)
    mask = context.frozen_masks.get(trajectory.key)
    is_masked = is_still & ~_any_along(~mask, axis) if mask is not None else np.zeros_like(is_still)
    if is_still.all():
        return none, none
    return np.flatnonzero(is_still & ~is_masked), np.flatnonzero(is_masked)


def _any_along(mask: np.ndarray, axis: int) -> np.ndarray:
    """Reduce a mask to one axis. An entry is True if any element in it is True."""
    return np.any(np.moveaxis(mask, axis, 0).reshape(mask.shape[axis], -1), axis=1, keepdims=True)[:, 0]


def _finding(context: DiagnosisContext, trajectory: WeightTrace, axis: int, unchanged: np.ndarray) -> Finding:
    weight, along = trajectory.weight, trajectory.weight.axes[axis]
    entries = tuple(unchanged.tolist())
    biases = [other for other in context.layers[weight.layer] if other.weight.role == "bias" and other.has_changed]
    rows = UnchangedRows(context, trajectory, entries)
    explanation = next(each for each in ROW_EXPLANATIONS if each.applies(rows))
    return trajectory.make_finding(
        "rows not moving",
        "note",
        f"{len(unchanged)} of {along.size} rows of the {weight_name(weight)} did not move at all "
        f"{format_training_span(trajectory)}, "
        f"those of {format_entries(along, entries)}, while others did. {explanation.message(rows)}{_bias_text(biases)}",
        {"rows_still": len(unchanged), "rows": along.size} | _bias_evidence(biases),
        keys=(trajectory.key, *(bias.key for bias in biases)),
        axis_entries=(AxisEntries(axis, entries),),
        suggestion=explanation.how_to_check,
        reference=SOURCE_URL,
        cause=explanation.code,
    )


@dataclass(frozen=True, slots=True)
class UnchangedRows:
    """Unchanged rows of a weight, with the properties that the table of explanations uses."""

    context: DiagnosisContext
    trajectory: WeightTrace
    entries: tuple[int, ...]

    @property
    def are_tokens(self) -> bool:
        """Whether each row is the vector of a token."""
        return any(axis.entry_name == "token" for axis in self.trajectory.weight.axes)

    @property
    def have_padding(self) -> bool:
        """Whether the embedding uses token 0 as padding."""
        return self.trajectory.weight.layer in self.context.facts.mask_zero_layers

    @property
    def are_below_resolution(self) -> bool:
        """Whether updates are so small that rounding may hide them."""
        trace = self.trajectory
        return is_float(trace) and trace.median_update < self.context.parameters[MIN_RESOLVED_UPDATE.name] * float_spacing(
            trace
        )

    @property
    def are_fed_by_model_input(self) -> bool:
        """Whether the input of the layer is the input of the model."""
        return self.context.facts.input_layers.get(self.trajectory.weight.layer) == (MODEL_INPUT,)

    @property
    def input_layers(self) -> list[str]:
        """The layers whose outputs feed this layer."""
        feeds = self.context.facts.input_layers.get(self.trajectory.weight.layer, ())
        return [layer_name(path) for path in feeds if path != MODEL_INPUT]


@dataclass(frozen=True, slots=True)
class RowExplanation:
    """An explanation of unchanged rows: its code, when it applies, the message, and how to check what was not checked."""

    code: str
    applies: Callable[[UnchangedRows], bool]
    message: Callable[[UnchangedRows], str]
    how_to_check: str = ""


_ZERO_INPUT_TEXT = "The gradient of a row is its input times the error, so a row whose input is always 0 does not move."


def _token_text(rows: UnchangedRows) -> str:
    padding = " Token 0 is padding (mask_zero=True)." if rows.have_padding and 0 in rows.entries else ""
    return f"A token that does not occur in the training data does not move; the data was not looked at.{padding}"


def _below_resolution_text(rows: UnchangedRows) -> str:
    step, apart = f"{rows.trajectory.median_update:.2g}", f"{float_spacing(rows.trajectory):.2g}"
    return f"A batch moves the others by about {step}, and numbers of this size are {apart} apart, so smaller updates are lost."


# The first explanation that applies is used. None claims anything unchecked, because the inputs themselves are not recorded.
ROW_EXPLANATIONS = (
    RowExplanation(
        "padding token",
        lambda rows: rows.are_tokens and rows.have_padding and rows.entries == (0,),
        lambda _: "Token 0 is padding (mask_zero=True): layers that use the mask skip it.",
    ),
    RowExplanation(
        "tokens", lambda rows: rows.are_tokens, _token_text, "To check: numpy.unique(x) lists the tokens that occur."
    ),
    RowExplanation("small updates", lambda rows: rows.are_below_resolution, _below_resolution_text),
    RowExplanation(
        "recurrent",
        lambda rows: rows.trajectory.weight.role == "recurrent",
        lambda _: f"{_ZERO_INPUT_TEXT} Here the inputs are the outputs of the layer itself; they were not recorded.",
    ),
    RowExplanation(
        "from layers",
        lambda rows: bool(rows.input_layers),
        lambda rows: f"{_ZERO_INPUT_TEXT} These inputs come from {join_names(rows.input_layers)}; they were not recorded.",
    ),
    RowExplanation(
        "unknown", lambda rows: not rows.are_fed_by_model_input, lambda _: f"{_ZERO_INPUT_TEXT} The inputs were not recorded."
    ),
    RowExplanation(
        "data",
        lambda rows: rows.are_fed_by_model_input,
        lambda _: f"{_ZERO_INPUT_TEXT} Whether these inputs are always 0 was not checked.",
        "To check: (x == 0).all(axis=0) is True for each input that is 0 in every sample.",
    ),
)


def _bias_text(biases: list[WeightTrace]) -> str:
    if not biases:
        return ""
    found = _bias_evidence(biases)
    count = format_count(found["bias_moved"], "bias")
    every = "All" if found["bias_moved"] == found["biases"] and found["biases"] > 1 else "And"
    return f" {every} {count} did move, which need{'s' * (found['bias_moved'] == 1)} no input, so the layer does learn."


def _bias_evidence(biases: list[WeightTrace]) -> dict[str, float]:
    if not biases:
        return {}
    return {
        "bias_moved": sum(float(bias.change_statistic("moved", "since_start")[-1]) for bias in biases),
        "biases": sum(bias.weight.size for bias in biases),
    }


def _frozen_rows_finding(trajectory: WeightTrace, axis: int, frozen: np.ndarray) -> Finding:
    weight, along = trajectory.weight, trajectory.weight.axes[axis]
    entries = tuple(frozen.tolist())
    return trajectory.make_finding(
        "not moving",
        "note",
        f"{len(frozen)} of {along.size} rows of the {weight_name(weight)} did not move: "
        f"explorer.freeze holds {format_entries(along, entries)}.",
        {"rows_still": len(frozen), "rows": along.size},
        axis_entries=(AxisEntries(axis, entries),),
    )


UNCHANGED_ROWS = Rule(
    "rows not moving", "Rows that did not move while others did", find, (MIN_EPOCHS, MIN_BATCHES, MIN_RESOLVED_UPDATE)
)
