"""Moving statistics that training never moved."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from weight_explorer.diagnosis.case import Case, Trace
from weight_explorer.diagnosis.findings import Finding
from weight_explorer.diagnosis.terms import Rule
from weight_explorer.diagnosis.words import joined, layer_name, span_words

SOURCE = "https://keras.io/api/layers/normalization_layers/batch_normalization/"
_START = {"moving mean": 0.0, "moving variance": 1.0}


def find(case: Case) -> Iterator[Finding]:
    """Find normalizations none of whose moving statistics moved while the model was trained."""
    for layer, traces in case.layers.items():
        found = [trace for trace in traces if "moving statistic" in trace.weight.reason and len(trace.trained)]
        if found and all(trace.is_still for trace in found) and case.moves:
            yield _finding(case, layer, found)


def _finding(case: Case, layer: str, traces: list[Trace]) -> Finding:
    first = traces[0]
    why, severity, cure = _why(case, first)
    at_start = all(_is_at_start(trace) for trace in traces)
    values = " (the mean is still 0 and the variance still 1)" if at_start else ""
    return first.finding(
        "moving statistics",
        severity,
        f"The {joined([trace.weight.role for trace in traces])} of {layer_name(layer)} did not move at all "
        f"{span_words(first)}{values}: {why}.",
        {trace.weight.role.replace(" ", "_"): float(trace.value_field("mean")[-1]) for trace in traces} | {"moved": 0},
        keys=tuple(trace.key for trace in traces),
        cure=cure,
        source=SOURCE,
    )


def _is_at_start(trace: Trace) -> bool:
    start = _START.get(trace.weight.role)
    ends = trace.value_field("minimum")[-1], trace.value_field("maximum")[-1]
    return start is not None and bool(np.all(np.equal(ends, start)))


def _why(case: Case, trace: Trace) -> tuple[str, str, str]:
    """Return the reason, how grave it is, and what helps."""
    layer, facts = trace.weight.layer, case.facts
    if "frozen" in trace.weight.reason:
        return "its layer is frozen, so it is used as it is", "note", ""
    if facts.momentums.get(layer) == 1:
        return "its momentum is 1, so that nothing new comes in", "warning", "Give it a momentum below 1, such as 0.99."
    if not facts.has_model:
        return "the likely cause cannot be told without the model", "warning", ""
    return (
        "likely it is called with training=False, or not at all, in training",
        "warning",
        "Call the model with training=True in a loop of your own; in a layer of your own, hand `training` on.",
    )


MOVING = Rule("moving statistics", "Moving statistics that never move", find)
