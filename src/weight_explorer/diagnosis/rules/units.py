"""Units that are dead, and units that are all the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from weight_explorer.catalog.schema import pluralize
from weight_explorer.diagnosis.context import DiagnosisContext, WeightTrace
from weight_explorer.diagnosis.findings import AxisEntries, Finding
from weight_explorer.diagnosis.rule_types import Rule, RuleParameter
from weight_explorer.diagnosis.text import format_entries, layer_name, weight_name

# "As much as 40 % of your network can be dead if the learning rate is set too high." Some are dead from the start.
KARPATHY_URL = "https://cs231n.github.io/neural-networks-1/#actfun"

MIN_RECORDS = RuleParameter("dead_records", 3, "The number of consecutive records at which a unit must not change.")
MIN_EPOCHS = RuleParameter(
    "dead_epochs", 1.0, "The number of epochs for which it must not change: its gradient may depend on a single sample."
)
MIN_BATCHES = RuleParameter(
    "dead_batches",
    20,
    "The number of batches for which it must not change: Adam's momentum keeps moving a dead unit for a while.",
)
WARNING_SHARE = RuleParameter(
    "dead_share", 0.4, "The share of units from which the finding is a warning; below, it is a note.", KARPATHY_URL
)
MAX_COLUMN_DIFFERENCE = RuleParameter(
    "alike", 1e-3, "Columns count as equal if they differ by less than this share of the largest element."
)

DYING_RELU_URL = "https://arxiv.org/abs/1903.06733 (Lu et al., Dying ReLU and Initialization)"
SYMMETRY_BREAKING_URL = "https://www.deeplearningbook.org/contents/optimization.html (8.4: initialization must break symmetry)"
_RELU_ACTIVATIONS = ("relu", "relu6")


def unit_columns(values: np.ndarray, trajectory: WeightTrace) -> np.ndarray:
    """Return values as a matrix of shape (inputs, units)."""
    side = trajectory.unit_axis[0]
    return np.moveaxis(values, side, -1).reshape(-1, values.shape[side])


def find_dead(context: DiagnosisContext) -> Iterator[Finding]:
    """Find units whose incoming weights and bias have not changed for a while, although other units of the layer have."""
    for trace in context.kernels():
        window = _comparison_window(context, trace)
        if window is None or trace.unit_axis[1].is_split:
            continue
        still = _unchanged_units(context, trace, window)
        if still.any() and not still.all():
            yield _dead_units_finding(context, trace, np.flatnonzero(still), window)


def _comparison_window(context: DiagnosisContext, trajectory: WeightTrace) -> tuple[int, int] | None:
    """Return the numbers of two records with values, far enough apart to call unchanged units dead. None if there are none."""
    values, last = context.parameters, trajectory.value_records[-1:]
    if not last or trajectory.sample is not None:
        return None
    end = context.timeline.records[last[0]]
    for first in reversed(trajectory.value_records[: -int(values[MIN_RECORDS.name])]):
        begin = context.timeline.records[first]
        batches = context.timeline.batches_between(first, last[0])
        enough = np.isnan(batches) or batches >= values[MIN_BATCHES.name]
        if end.position - begin.position >= values[MIN_EPOCHS.name] and enough:
            return first, last[0]
    return None


def _unchanged_units(context: DiagnosisContext, trajectory: WeightTrace, window: tuple[int, int]) -> np.ndarray:
    none = np.zeros(1, bool)
    numbers = trajectory.record_numbers[trajectory.changeable_indices]
    inside = (numbers > window[0]) & (numbers <= window[1])
    if (trajectory.change_statistic("moved") == trajectory.change_statistic("count"))[inside].any():
        return none
    before, after = (trajectory.values_at(number) for number in window)
    if before is None or after is None:
        return none
    still = (unit_columns(before, trajectory) == unit_columns(after, trajectory)).all(axis=0)
    mask = context.frozen_masks.get(trajectory.key)
    if mask is not None:
        still &= ~unit_columns(mask, trajectory).all(axis=0)
    for bias in _biases(context, trajectory):
        ends = [bias.values_at(number) for number in window]
        if ends[0] is not None and ends[1] is not None and ends[0].shape == still.shape:
            still &= ends[0] == ends[1]
    return still


def _biases(context: DiagnosisContext, trajectory: WeightTrace) -> list[WeightTrace]:
    return [other for other in context.layers[trajectory.weight.layer] if other.weight.role == "bias"]


def _dead_units_finding(
    context: DiagnosisContext, trajectory: WeightTrace, units: np.ndarray, window: tuple[int, int]
) -> Finding:
    weight = trajectory.weight
    number, axis = trajectory.unit_axis
    activation = context.facts.activations.get(weight.layer, "")
    entries = tuple(units.tolist())
    first, last = (context.records[end] for end in window)
    noun = pluralize(axis.entry_name or "unit")
    share = len(units) / axis.size
    with_bias = " and bias" if _biases(context, trajectory) else ""
    return trajectory.make_finding(
        "units not moving",
        "warning" if share >= context.parameters[WARNING_SHARE.name] else "note",
        f"{len(units)} of {axis.size} {noun} of {layer_name(weight.layer)} stand still: the incoming weights{with_bias} of "
        f"{format_entries(axis, entries)} have not moved at all from record {first.number} to record {last.number} "
        f"({last.position - first.position:.3g} epochs), while those of others have. {_explain(activation)}",
        {"still": len(units), "units": axis.size, "epochs": last.position - first.position, "since": first.number},
        keys=tuple(each.key for each in (trajectory, *_biases(context, trajectory))),
        axis_entries=(AxisEntries(number, entries),),
        suggestion="If they are dead: lower the learning rate, use leaky_relu or he_normal, or normalize what comes in.",
        reference=DYING_RELU_URL,
        cause=activation or "unknown",
    )


def _explain(activation: str) -> str:
    if activation in _RELU_ACTIVATIONS:
        return "A ReLU unit whose output is 0 for every sample is dead: it gets no gradient. The output was not recorded."
    return "The reason is not known: their outputs and gradients were not recorded."


def find_symmetric(context: DiagnosisContext) -> Iterator[Finding]:
    """Find layers whose units were all the same at the start and still are, although training changed them."""
    for trace in context.kernels():
        ends = trace.first_and_last_values()
        if ends is not None and not trace.is_unchanged and all(_is_symmetric(context, trace, values) for values in ends):
            yield _symmetric_finding(trace, ends)


def _is_symmetric(context: DiagnosisContext, trajectory: WeightTrace, values: np.ndarray) -> bool:
    """Return whether all columns are the same. For layers with gates, compare the columns of each gate."""
    columns = unit_columns(values, trajectory)
    axis = trajectory.unit_axis[1]
    parts = [columns[:, block.start : block.stop] for block in axis.blocks] if axis.is_split else [columns]
    tolerance = context.parameters[MAX_COLUMN_DIFFERENCE.name]
    # For nearly all layers, the first two columns are enough to show a difference.
    return all(part.shape[1] > 1 and _columns_equal(part[:, :2], tolerance) for part in parts) and all(
        _columns_equal(part, tolerance) for part in parts
    )


def _columns_equal(columns: np.ndarray, tolerance: float) -> bool:
    spread = np.ptp(columns, axis=1).max()
    return bool(spread <= tolerance * np.abs(columns).max())


def _symmetric_finding(trajectory: WeightTrace, first_and_last: tuple[np.ndarray, np.ndarray]) -> Finding:
    axis = trajectory.unit_axis[1]
    is_constant = np.ptp(first_and_last[0]) == 0
    how = f"all its numbers were {float(first_and_last[0].flat[0]):.3g}" if is_constant else "they were so at the start"
    return trajectory.make_finding(
        "symmetric units",
        "warning",
        f"All {axis.block_size} {pluralize(axis.entry_name or 'unit')} of the {weight_name(trajectory.weight)} are the same "
        f"and stay so: {how}, "
        f"so they compute the same, get the same gradient, and are worth a single one.",
        {"units": axis.block_size, "spread": float(np.ptp(unit_columns(first_and_last[1], trajectory), axis=1).max())},
        suggestion="Use a random initializer, such as glorot_uniform.",
        reference=SYMMETRY_BREAKING_URL,
        cause="constant" if is_constant else "alike",
    )


DEAD_UNITS = Rule(
    "units not moving",
    "Units that no longer move while others of the layer do",
    find_dead,
    (MIN_RECORDS, MIN_EPOCHS, MIN_BATCHES, WARNING_SHARE),
)
SYMMETRIC_UNITS = Rule(
    "symmetric units", "Units that started the same and stay the same", find_symmetric, (MAX_COLUMN_DIFFERENCE,)
)
