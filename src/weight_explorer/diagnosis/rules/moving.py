"""Moving statistics that training never moved."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from weight_explorer.catalog.nodes import NotTrainable
from weight_explorer.diagnosis.case import Case, Trace, is_weight
from weight_explorer.diagnosis.findings import Finding
from weight_explorer.diagnosis.terms import Rule
from weight_explorer.diagnosis.words import batches_words, joined, layer_name

SOURCE = "https://keras.io/api/layers/normalization_layers/batch_normalization/"
_START = {"moving mean": 0.0, "moving variance": 1.0}


def find(case: Case) -> Iterator[Finding]:
    """Find normalizations none of whose moving statistics moved while the model was trained."""
    for layer, traces in case.layers.items():
        found = [trace for trace in traces if trace.weight.not_trainable is NotTrainable.MOVING_STATISTIC]
        if found and case.moves and not _is_left_out(traces) and all(trace.is_still for trace in found):
            yield _finding(case, layer, found)


def _is_left_out(traces: list[Trace]) -> bool:
    """Whether the compiled step leaves out the whole layer, which another rule tells."""
    regimes = [trace.regimes_observed()[-1] for trace in traces if is_weight(trace) and len(trace.observed)]
    open_regimes = [regime for regime in regimes if regime.not_trainable is None]
    return any(regime.trains is False or (regime.owners_known and not regime.has_owner) for regime in open_regimes)


def _counted(trace: Trace) -> np.ndarray:
    """Return the places in `observed` of the records at which the layer was not frozen; of one that always was, all."""
    is_open = np.array([not regime.frozen_by for regime in trace.regimes_observed()], bool)
    return np.flatnonzero(is_open if is_open.any() else ~is_open)


def _finding(case: Case, layer: str, traces: list[Trace]) -> Finding:
    first = traces[0]
    cause, why, severity, cure = _why(case, first)
    at_start = all(_is_at_start(trace) for trace in traces)
    values = " (the mean is still 0 and the variance still 1)" if at_start else ""
    counted = _counted(first)
    span = batches_words(float(first.observed_spans[counted].sum()), len(counted))
    roles = joined([trace.weight.role for trace in traces])
    return first.finding(
        "moving statistics",
        severity,
        f"The {roles} of {layer_name(layer)} did not move at all {span}{values}: {why}.",
        {trace.weight.role.replace(" ", "_"): float(trace.value_field("mean")[-1]) for trace in traces} | {"moved": 0},
        keys=tuple(trace.key for trace in traces),
        cure=cure,
        source=SOURCE,
        cause=cause,
    )


def _is_at_start(trace: Trace) -> bool:
    start = _START.get(trace.weight.role)
    ends = trace.value_field("minimum")[-1], trace.value_field("maximum")[-1]
    return start is not None and bool(np.all(np.equal(ends, start)))


def _why(case: Case, trace: Trace) -> tuple[str, str, str, str]:
    """Return the cause as a code and in words, how bad it is, and what helps."""
    if all(regime.frozen_by for regime in trace.regimes_observed()):
        return "frozen", "its layer was frozen, so it is used as it is", "note", ""
    if case.facts.momentums.get(trace.weight.layer) == 1:
        return (
            "momentum 1",
            "its momentum is 1, so the statistics never update",
            "warning",
            "Use a momentum below 1, such as 0.99.",
        )
    why = "the reason is not known. A layer that is not called, or called with training=False, does not update them"
    if not _is_at_start(trace):
        return "unknown, kept", why, "note", ""
    return (
        "unknown",
        why,
        "warning",
        "Call the model with training=True in a loop of your own; in a layer of your own, pass `training` on.",
    )


MOVING = Rule("moving statistics", "Moving statistics that never move", find)
