"""Units that are dead, and units that are all the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from weight_explorer.catalog.nodes import plural
from weight_explorer.diagnosis.case import Case, Trace
from weight_explorer.diagnosis.findings import Finding, Place
from weight_explorer.diagnosis.terms import Parameter, Rule
from weight_explorer.diagnosis.words import entries_words, layer_name, name_of

# "As much as 40 % of your network can be dead if the learning rate is set too high." Some are dead from the start.
KARPATHY = "https://cs231n.github.io/neural-networks-1/#actfun"

RECORDS = Parameter("dead_records", 3, "The number of consecutive records at which a unit must not change.")
EPOCHS = Parameter(
    "dead_epochs", 1.0, "The number of epochs for which it must not change: its gradient may depend on a single sample."
)
BATCHES = Parameter(
    "dead_batches",
    20,
    "The number of batches for which it must not change: Adam's momentum keeps moving a dead unit for a while.",
)
SHARE = Parameter("dead_share", 0.4, "The share of units from which the finding is a warning; below, it is a note.", KARPATHY)
ALIKE = Parameter("alike", 1e-3, "Columns count as equal if they differ by less than this share of the largest element.")

RELU = "https://arxiv.org/abs/1903.06733 (Lu et al., Dying ReLU and Initialization)"
SYMMETRY = "https://www.deeplearningbook.org/contents/optimization.html (8.4: initialization must break symmetry)"
_RECTIFIED = ("relu", "relu6")


def columns_of(values: np.ndarray, trace: Trace) -> np.ndarray:
    """Return values as a matrix: all that comes in by units."""
    side = trace.units[0]
    return np.moveaxis(values, side, -1).reshape(-1, values.shape[side])


def find_dead(case: Case) -> Iterator[Finding]:
    """Find units whose incoming weights and bias have not moved at all for a while, where others of the layer have."""
    for trace in case.kernels():
        window = _window(case, trace)
        if window is None or trace.units[1].is_split:
            continue
        still = _still_units(case, trace, window)
        if still.any() and not still.all():
            yield _dead(case, trace, np.flatnonzero(still), window)


def _window(case: Case, trace: Trace) -> tuple[int, int] | None:
    """Return the numbers of two records, both with values, far enough apart to call dead what has not moved between them."""
    values, last = case.parameters, trace.kept[-1:]
    if not last or trace.sample is not None:
        return None
    end = case.times.steps[last[0]]
    for first in reversed(trace.kept[: -int(values[RECORDS.name])]):
        begin = case.times.steps[first]
        batches = case.times.between(first, last[0])
        enough = np.isnan(batches) or batches >= values[BATCHES.name]
        if end.position - begin.position >= values[EPOCHS.name] and enough:
            return first, last[0]
    return None


def _still_units(case: Case, trace: Trace, window: tuple[int, int]) -> np.ndarray:
    none = np.zeros(1, bool)
    numbers = trace.numbers[trace.trained]
    inside = (numbers > window[0]) & (numbers <= window[1])
    if (trace.field("moved") == trace.field("count"))[inside].any():
        return none
    before, after = (trace.value(number) for number in window)
    if before is None or after is None:
        return none
    still = (columns_of(before, trace) == columns_of(after, trace)).all(axis=0)
    mask = case.masks.get(trace.key)
    if mask is not None:
        still &= ~columns_of(mask, trace).all(axis=0)
    for bias in _biases(case, trace):
        ends = [bias.value(number) for number in window]
        if ends[0] is not None and ends[1] is not None and ends[0].shape == still.shape:
            still &= ends[0] == ends[1]
    return still


def _biases(case: Case, trace: Trace) -> list[Trace]:
    return [other for other in case.layers[trace.weight.layer] if other.weight.role == "bias"]


def _dead(case: Case, trace: Trace, units: np.ndarray, window: tuple[int, int]) -> Finding:
    weight = trace.weight
    number, axis = trace.units
    activation = case.facts.activations.get(weight.layer, "")
    entries = tuple(units.tolist())
    first, last = (case.steps[end] for end in window)
    noun = plural(axis.entry or "unit")
    share = len(units) / axis.size
    with_bias = " and bias" if _biases(case, trace) else ""
    return trace.finding(
        "units not moving",
        "warning" if share >= case.parameters[SHARE.name] else "note",
        f"{len(units)} of {axis.size} {noun} of {layer_name(weight.layer)} stand still: the incoming weights{with_bias} of "
        f"{entries_words(axis, entries)} have not moved at all from record {first.number} to record {last.number} "
        f"({last.position - first.position:.3g} epochs), while those of others have. {_why(activation)}",
        {"still": len(units), "units": axis.size, "epochs": last.position - first.position, "since": first.number},
        keys=tuple(each.key for each in (trace, *_biases(case, trace))),
        places=(Place(number, entries),),
        cure="If they are dead: lower the learning rate, use leaky_relu or he_normal, or normalize what comes in.",
        source=RELU,
        cause=activation or "unknown",
    )


def _why(activation: str) -> str:
    if activation in _RECTIFIED:
        return "A ReLU unit whose output is 0 for every sample is dead: it gets no gradient. The output was not recorded."
    return "The reason is not known: their outputs and gradients were not recorded."


def find_alike(case: Case) -> Iterator[Finding]:
    """Find layers whose units were all the same at the start, and still are though training moved them."""
    for trace in case.kernels():
        ends = trace.ends()
        if ends is not None and not trace.is_still and all(_are_alike(case, trace, values) for values in ends):
            yield _alike(trace, ends)


def _are_alike(case: Case, trace: Trace, values: np.ndarray) -> bool:
    """Whether all columns are the same; of gates, those of each."""
    columns = columns_of(values, trace)
    axis = trace.units[1]
    parts = [columns[:, block.start : block.stop] for block in axis.blocks] if axis.is_split else [columns]
    tolerance = case.parameters[ALIKE.name]
    # Two columns tell of nearly all layers that they are not.
    return all(part.shape[1] > 1 and _alike_columns(part[:, :2], tolerance) for part in parts) and all(
        _alike_columns(part, tolerance) for part in parts
    )


def _alike_columns(columns: np.ndarray, tolerance: float) -> bool:
    spread = np.ptp(columns, axis=1).max()
    return bool(spread <= tolerance * np.abs(columns).max())


def _alike(trace: Trace, ends: tuple[np.ndarray, np.ndarray]) -> Finding:
    axis = trace.units[1]
    is_constant = np.ptp(ends[0]) == 0
    how = f"all its numbers were {float(ends[0].flat[0]):.3g}" if is_constant else "they were so at the start"
    return trace.finding(
        "symmetric units",
        "warning",
        f"All {axis.block_size} {plural(axis.entry or 'unit')} of the {name_of(trace.weight)} are the same and stay so: {how}, "
        f"so they compute the same, get the same gradient, and are worth a single one.",
        {"units": axis.block_size, "spread": float(np.ptp(columns_of(ends[1], trace), axis=1).max())},
        cure="Use a random initializer, such as glorot_uniform.",
        source=SYMMETRY,
        cause="constant" if is_constant else "alike",
    )


DEAD = Rule(
    "units not moving", "Units that no longer move while others of the layer do", find_dead, (RECORDS, EPOCHS, BATCHES, SHARE)
)
SYMMETRIC = Rule("symmetric units", "Units that started the same and stay the same", find_alike, (ALIKE,))
