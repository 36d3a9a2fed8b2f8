"""Updates that are too large or too small relative to the weight."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from weight_explorer.diagnosis.context import DiagnosisContext, WeightTrace, is_trained_by_gradients
from weight_explorer.diagnosis.findings import Finding
from weight_explorer.diagnosis.rule_types import Rule, RuleParameter
from weight_explorer.diagnosis.rules.norms import glorot_norm, holds_token_vectors
from weight_explorer.diagnosis.rules.unchanged_weights import (
    MIXED_PRECISION_URL,
    float_spacing,
    has_non_finite_values,
    is_float,
)
from weight_explorer.diagnosis.text import weight_name
from weight_explorer.recording.descriptions import describe_time

KARPATHY_URL = (
    "https://cs231n.github.io/neural-networks-3/#ratio (the ratio of updates to weights should be somewhere around 1e-3)"
)

MAX_UPDATE = RuleParameter(
    "largest_update", 0.1, "An update larger than this share of the weight in one batch is too large.", KARPATHY_URL
)
MIN_UPDATE = RuleParameter(
    "smallest_update", 1e-6, "An update smaller than this share of the weight in one batch is too small.", KARPATHY_URL
)
MIN_LAG = RuleParameter(
    "update_behind",
    1000,
    "It must also be this many times smaller than that of another weight; otherwise the model may have converged.",
)
NUM_RECORDS = RuleParameter("update_records", 10, "The rule uses the median of this many last records.")
MIN_RECORDS = RuleParameter("fewest_updates", 5, "The rule needs at least this many records.")
MIN_BATCHES = RuleParameter(
    "update_batches",
    20,
    "The rule needs at least this many batches: a weight that starts near zero takes large steps at first.",
)
NORM_JUMP = RuleParameter(
    "norm_jump", 10, "A norm has jumped if it grows to this many times its value at the start and stays there."
)
MAX_JUMP_BATCHES = RuleParameter("jump_batches", 20, "The number of batches within which a norm must grow to have jumped.")
MIN_ULPS = RuleParameter("fewest_ulps", 2, "A change of fewer units in the last place may come from rounding.")


@dataclass(frozen=True, slots=True)
class UpdateRatioRange:
    """Lower and upper bounds for the update ratio of one batch, as medians over the last records.

    Between two records `b` batches apart, a weight changes by at most the sum of its updates. An update is therefore at least
    `change / b` on average. Updates in random directions add up like a random walk, to about `sqrt(b)` updates. An update is
    therefore at most about `change / sqrt(b)`, unless updates cancel each other.
    """

    low: float
    high: float
    num_records: int


def update_ratio_range(context: DiagnosisContext, trajectory: WeightTrace) -> UpdateRatioRange | None:
    """Return the bounds for a weight, or None if too little is known."""
    ratios = trajectory.update_ratios()
    known = np.isfinite(ratios) & np.isfinite(trajectory.batches_since_recorded)
    values = context.parameters
    if known.sum() < values[MIN_RECORDS.name] or trajectory.batches_since_recorded[known].sum() < values[MIN_BATCHES.name]:
        return None
    ratios, gaps = (array[known][-int(values[NUM_RECORDS.name]) :] for array in (ratios, trajectory.batches_since_recorded))
    gaps = np.maximum(gaps, 1)
    return UpdateRatioRange(float(np.median(ratios / gaps)), float(np.median(ratios / np.sqrt(gaps))), len(ratios))


def _update_ratio_ranges(context: DiagnosisContext) -> dict[str, UpdateRatioRange]:
    """Return the bounds for all weights that multiply their input. Additive weights start at 0 and have no natural size."""
    found = {trace.key: update_ratio_range(context, trace) for trace in context.trajectories.values() if _is_multiplied(trace)}
    return {key: band for key, band in found.items() if band is not None}


def _is_multiplied(trajectory: WeightTrace) -> bool:
    started = trajectory.value_statistic("std")[0]
    return (
        is_trained_by_gradients(trajectory)
        and len(trajectory.weight.shape) > 1
        and bool(started > 0)
        and bool(len(trajectory.changeable_indices))
    )


def find(context: DiagnosisContext) -> Iterator[Finding]:
    """Find weights whose updates per batch are far outside the usual range."""
    bands, values = _update_ratio_ranges(context), context.parameters
    fastest = max(bands, key=lambda key: bands[key].high, default="")
    for key, band in bands.items():
        if context.trajectories[key].has_stopped_changing and not has_non_finite_values(
            context.trajectories[key]
        ):  # NaN does not change, but large updates caused it
            continue
        if band.low > values[MAX_UPDATE.name]:
            yield _exploding_finding(context.trajectories[key], band, values[MAX_UPDATE.name])
        elif band.high < values[MIN_UPDATE.name] and band.high * values[MIN_LAG.name] < bands[fastest].high:
            yield _vanishing_finding(context, context.trajectories[key], band, context.trajectories[fastest], bands[fastest])


def find_jumps(context: DiagnosisContext) -> Iterator[Finding]:
    """Find weights whose norm grew many times over within a few batches and has not come back down."""
    for trace in context.trajectories.values():
        has_units = any(axis.side == "out" for axis in trace.weight.axes)
        if has_units and _is_multiplied(trace) and not holds_token_vectors(trace) and not _is_exploding(context, trace):
            jump = _find_jump(context, trace)
            if jump is not None:
                yield _jump_finding(context, trace, *jump)


def _is_exploding(context: DiagnosisContext, trajectory: WeightTrace) -> bool:
    band = None if trajectory.has_stopped_changing else update_ratio_range(context, trajectory)
    return band is not None and band.low > context.parameters[MAX_UPDATE.name]


def _find_jump(context: DiagnosisContext, trajectory: WeightTrace) -> tuple[float, float, int] | None:
    """Return the norm before, the norm after, and the number of the record after the jump. None without a jump."""
    norms, values = trajectory.value_statistic("norm"), context.parameters
    places, batches = trajectory.changeable_indices, np.nancumsum(trajectory.batches_since_kept)
    first = int(places[0]) - 1
    early = places[batches <= values[MAX_JUMP_BATCHES.name]] if np.isfinite(trajectory.batches_since_kept).all() else places[:0]
    if not len(early) or not norms[first] or not np.isfinite(norms[places]).all():
        return None
    limit = values[NORM_JUMP.name] * max(norms[first], glorot_norm(trajectory))
    grown = early[norms[early] >= limit]
    stays = norms[places[-1]] >= limit
    return (
        (float(norms[first]), float(norms[grown[0]]), int(trajectory.record_numbers[grown[0]]))
        if len(grown) and stays
        else None
    )


def _jump_finding(
    context: DiagnosisContext, trajectory: WeightTrace, before: float, after: float, record_number: int
) -> Finding:
    step = context.records[record_number]
    return trajectory.make_finding(
        "exploding updates",
        "warning",
        f"The norm of the {weight_name(trajectory.weight)} grew from {before:.3g} to {after:.3g} within the first batches, "
        "by record "
        f"{record_number} ({describe_time(step)}): what it was initialized to is lost.",
        {"before": before, "after": after},
        step,
        suggestion="Lower the learning rate, or clip gradients (clipnorm=1.0).",
        reference=KARPATHY_URL,
        cause="size",
    )


def _exploding_finding(trajectory: WeightTrace, ratio_range: UpdateRatioRange, limit: float) -> Finding:
    return _finding(
        "exploding updates",
        trajectory,
        ratio_range,
        f"Each batch changes the {weight_name(trajectory.weight)} by {ratio_range.low:.2g} of its own size or more (median of "
        f"{ratio_range.num_records} records); about 0.001 is usual, and above {limit:g} it forgets faster than it learns.",
        "Lower the learning rate, or clip gradients (clipnorm=1.0).",
    )


def _vanishing_finding(
    context: DiagnosisContext,
    trajectory: WeightTrace,
    ratio_range: UpdateRatioRange,
    other: WeightTrace,
    usual_range: UpdateRatioRange,
) -> Finding:
    why, cure = _explain_small_updates(context, trajectory, other)
    return _finding(
        "vanishing updates",
        trajectory,
        ratio_range,
        f"A batch changes the {weight_name(trajectory.weight)} by about {ratio_range.high:.2g} of its own size or less "
        "(median of "
        f"{ratio_range.num_records} records), and the {weight_name(other.weight)} by about {usual_range.high:.2g}. {why}",
        cure,
    )


def _explain_small_updates(context: DiagnosisContext, trajectory: WeightTrace, other: WeightTrace) -> tuple[str, str]:
    """Explain why one weight changes much less than another, as far as is known, and suggest what helps."""
    slow, fast = (context.records[each.last_record.number].facts.learning_rate_of(each.key) for each in (trajectory, other))
    if slow is not None and fast is not None and slow < fast / 10:
        return f"Its learning rate is {slow:.2g}, that of the other {fast:.2g}.", ""
    return (
        "Through many layers with sigmoid or tanh gradients get that small; the gradient itself was not recorded.",
        "If it is the gradient: use ReLU instead of sigmoid or tanh, a normalization, skip connections, or fewer layers.",
    )


def _finding(rule: str, trajectory: WeightTrace, ratio_range: UpdateRatioRange, message: str, suggestion: str) -> Finding:
    return trajectory.make_finding(
        rule,
        "warning",
        message,
        {"ratio_low": ratio_range.low, "ratio_high": ratio_range.high, "records": ratio_range.num_records},
        suggestion=suggestion,
        reference=KARPATHY_URL,
        cause="size",
    )


def find_rounded(context: DiagnosisContext) -> Iterator[Finding]:
    """Find weights that change by rounding only: by a last digit or two, and not in all elements."""
    for trace in context.trajectories.values():
        if (
            is_trained_by_gradients(trace)
            and is_float(trace)
            and not trace.has_stopped_changing
            and len(trace.changeable_indices)
        ):
            rounded = _is_rounding(trace, context.parameters[MIN_ULPS.name])
            if len(rounded) >= context.parameters[MIN_RECORDS.name] and rounded.all():
                yield _rounding_finding(trace)


def _is_rounding(trajectory: WeightTrace, max_ulps: float) -> np.ndarray:
    """Return for each record whether elements changed only by a few units in the last place, and some not at all."""
    moved, count = trajectory.change_statistic("moved"), trajectory.change_statistic("count")
    with np.errstate(divide="ignore", invalid="ignore"):
        size = trajectory.change_statistic("norm") / np.sqrt(moved)
        return (moved < count) & ((moved == 0) | (size <= max_ulps * float_spacing(trajectory)))


def _rounding_finding(trajectory: WeightTrace) -> Finding:
    moved, count = trajectory.change_statistic("moved")[-1], trajectory.weight.size
    size = float(trajectory.change_statistic("norm")[-1] / np.sqrt(moved)) if moved else 0.0
    return trajectory.make_finding(
        "below float resolution",
        "warning",
        f"The {weight_name(trajectory.weight)} moves by rounding only: {int(moved)} of {count} elements moved at the last "
        "record, by "
        f"about {size:.2g}, and {trajectory.weight.dtype} has no numbers nearer than about {float_spacing(trajectory):.2g} "
        "at its usual "
        f"size. Smaller updates are lost.",
        {"moved": float(moved), "elements": count, "change": size, "spacing": float_spacing(trajectory)},
        suggestion="Raise the learning rate, scale the weight down, or keep weights in float32 (mixed precision does).",
        reference=MIXED_PRECISION_URL,
        cause="rounding",
    )


UPDATE_SIZE = Rule(
    "update size",
    "Updates that explode or vanish: outside of a band around 1e-3 of the weight",
    find,
    (MAX_UPDATE, MIN_UPDATE, MIN_LAG, NUM_RECORDS, MIN_RECORDS, MIN_BATCHES),
)
NORM_JUMPS = Rule("exploding updates", "Norms that jump within the first batches", find_jumps, (NORM_JUMP, MAX_JUMP_BATCHES))
BELOW_RESOLUTION = Rule(
    "below float resolution", "Changes that are smaller than the number type can hold", find_rounded, (MIN_ULPS, MIN_RECORDS)
)
