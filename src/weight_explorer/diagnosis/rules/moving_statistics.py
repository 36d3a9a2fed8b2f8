"""Moving statistics that training never changed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from weight_explorer.catalog.schema import NotTrainableReason
from weight_explorer.diagnosis.context import DiagnosisContext, WeightTrace, is_trained_by_gradients
from weight_explorer.diagnosis.findings import Finding
from weight_explorer.diagnosis.rule_types import Rule
from weight_explorer.diagnosis.text import format_batches, join_names, layer_name

BATCH_NORMALIZATION_URL = "https://keras.io/api/layers/normalization_layers/batch_normalization/"
_INITIAL_VALUES = {"moving mean": 0.0, "moving variance": 1.0}


def find(context: DiagnosisContext) -> Iterator[Finding]:
    """Find normalization layers whose moving statistics never changed while the model was trained."""
    for layer, traces in context.layers.items():
        found = [trace for trace in traces if trace.weight.not_trainable is NotTrainableReason.MOVING_STATISTIC]
        if found and context.has_changes and not _is_left_out(traces) and all(trace.is_unchanged for trace in found):
            yield _finding(context, layer, found)


def _is_left_out(trajectories: list[WeightTrace]) -> bool:
    """Return whether the compiled step excludes the whole layer. Another rule reports this."""
    regimes = [
        trace.conditions_by_record()[-1]
        for trace in trajectories
        if is_trained_by_gradients(trace) and len(trace.training_indices)
    ]
    open_regimes = [regime for regime in regimes if regime.not_trainable is None]
    return any(regime.in_train_step is False or (regime.owners_known and not regime.has_optimizer) for regime in open_regimes)


def _counted_indices(trajectory: WeightTrace) -> np.ndarray:
    """Return the indices in `training_indices` at which the layer was not frozen. If it was always frozen, return all."""
    is_open = np.array([not regime.frozen_by for regime in trajectory.conditions_by_record()], bool)
    return np.flatnonzero(is_open if is_open.any() else ~is_open)


def _finding(context: DiagnosisContext, layer: str, trajectories: list[WeightTrace]) -> Finding:
    first = trajectories[0]
    cause, why, severity, cure = _explain(context, first)
    at_start = all(_is_at_start(trace) for trace in trajectories)
    values = " (the mean is still 0 and the variance still 1)" if at_start else ""
    counted = _counted_indices(first)
    span = format_batches(float(first.training_batches[counted].sum()), len(counted))
    roles = join_names([trace.weight.role for trace in trajectories])
    return first.make_finding(
        "moving statistics",
        severity,
        f"The {roles} of {layer_name(layer)} did not move at all {span}{values}: {why}.",
        {trace.weight.role.replace(" ", "_"): float(trace.value_statistic("mean")[-1]) for trace in trajectories}
        | {"moved": 0},
        keys=tuple(trace.key for trace in trajectories),
        suggestion=cure,
        reference=BATCH_NORMALIZATION_URL,
        cause=cause,
    )


def _is_at_start(trajectory: WeightTrace) -> bool:
    start = _INITIAL_VALUES.get(trajectory.weight.role)
    ends = trajectory.value_statistic("minimum")[-1], trajectory.value_statistic("maximum")[-1]
    return start is not None and bool(np.all(np.equal(ends, start)))


def _explain(context: DiagnosisContext, trajectory: WeightTrace) -> tuple[str, str, str, str]:
    """Return the cause as a code and as text, the severity, and the suggestion."""
    if all(regime.frozen_by for regime in trajectory.conditions_by_record()):
        return "frozen", "its layer was frozen, so it is used as it is", "note", ""
    if context.facts.momentums.get(trajectory.weight.layer) == 1:
        return (
            "momentum 1",
            "its momentum is 1, so the statistics never update",
            "warning",
            "Use a momentum below 1, such as 0.99.",
        )
    why = "the reason is not known. A layer that is not called, or called with training=False, does not update them"
    if not _is_at_start(trajectory):
        return "unknown, kept", why, "note", ""
    return (
        "unknown",
        why,
        "warning",
        "Call the model with training=True in a loop of your own; in a layer of your own, pass `training` on.",
    )


MOVING_STATISTICS = Rule("moving statistics", "Moving statistics that never move", find)
