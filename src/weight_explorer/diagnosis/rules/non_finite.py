"""Values that are NaN or Inf, and frozen weights that changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import NotTrainableReason
from weight_explorer.diagnosis.context import DiagnosisContext, WeightConditions, WeightTrace
from weight_explorer.diagnosis.findings import AxisEntries, Finding
from weight_explorer.diagnosis.rule_types import Rule
from weight_explorer.diagnosis.rules.unchanged_weights import COMPILE_URL
from weight_explorer.diagnosis.text import describe_not_trainable, format_count, format_element, layer_name, weight_name
from weight_explorer.recording.descriptions import describe_time
from weight_explorer.recording.facts import TrainingKind
from weight_explorer.recording.freeze_checks import FrozenPart
from weight_explorer.recording.statistics.summary import to_float

_NON_FINITE_COUNTS = ("nans", "positive_infs", "negative_infs")


def _first_non_finite_index(trajectory: WeightTrace) -> int | None:
    """Return the index of the first record with NaN or Inf, or None. Includes constants that contain them from the start."""
    bad = np.flatnonzero(sum(trajectory.value_statistic(name) for name in _NON_FINITE_COUNTS) > 0)
    is_constant = (
        not trajectory.has_changed
        and trajectory.weight.not_trainable is not None
        and len(bad) == len(trajectory.record_numbers)
    )
    return None if not len(bad) or is_constant else int(bad[0])


def find_non_finite(context: DiagnosisContext) -> Iterator[Finding]:
    """Find the first record with NaN or Inf. Weights affected at the same record share one finding."""
    groups: dict[int, list[tuple[int, WeightTrace]]] = {}
    for trace in context.trajectories.values():
        place = _first_non_finite_index(trace)
        if place is not None:
            groups.setdefault(int(trace.record_numbers[place]), []).append((place, trace))
    for number in sorted(groups):
        yield _non_finite_finding(context, number, groups[number])


def _non_finite_finding(context: DiagnosisContext, record_number: int, affected: list[tuple[int, WeightTrace]]) -> Finding:
    place, trace = min(affected, key=lambda pair: _non_finite_share(*pair))
    counts = {name: float(trace.value_statistic(name)[place]) for name in _NON_FINITE_COUNTS}
    has_infs = sum(counts.values()) > counts["nans"]
    kinds = " and ".join(filter(None, ("NaN" if counts["nans"] else "", "Inf" if has_infs else "")))
    index, at = _first_non_finite_element(trace, record_number)
    where = f", first at {format_element(trace.weight, index)}{at}" if index else ""
    hold = "holds" if len(affected) == 2 else "hold"
    now = int(sum(float(trace.value_statistic(name)[-1]) for name in _NON_FINITE_COUNTS))
    grown = f", {now or 'none'} NaN or Inf by now" if now != sum(counts.values()) else ""
    others = f", and {format_count(len(affected) - 1, 'other weight')} {hold} some too" if len(affected) > 1 else ""
    step = context.records[record_number]
    return trace.make_finding(
        "not finite",
        "error",
        f"{int(sum(counts.values()))} of {trace.weight.size} elements of the {weight_name(trace.weight)} are {kinds} since "
        "record "
        f"{record_number} ({describe_time(step)}){where}{grown}{others}.",
        counts | {"elements": trace.weight.size, "weights": len(affected)},
        step,
        keys=tuple(each.key for _, each in affected),
        axis_entries=tuple(AxisEntries(axis, (entry,)) for axis, entry in enumerate(index)),
        suggestion="Look for NaN in the data, a division by 0 or the logarithm of 0; lower the learning rate, or clip "
        "gradients "
        "(clipnorm=1.0). keras.callbacks.TerminateOnNaN() stops at once.",
        reference="https://keras.io/api/callbacks/terminate_on_nan/",
    )


def _non_finite_share(index: int, trajectory: WeightTrace) -> float:
    """Return the share of values that are not finite. The smallest share is closest to the origin of the problem."""
    return float(sum(trajectory.value_statistic(name)[index] for name in _NON_FINITE_COUNTS)) / trajectory.weight.size


def _first_non_finite_element(trajectory: WeightTrace, record_number: int) -> tuple[tuple[int, ...], str]:
    """Return the index of the first element that is not finite, and the name of its record if it is a different one."""
    kept = next((other for other in trajectory.value_records if other >= record_number), None)
    values = None if kept is None else trajectory.values_at(kept)
    bad = np.empty((0, 0)) if values is None else np.argwhere(~np.isfinite(values))
    if not len(bad):
        return (), ""
    return tuple(int(entry) for entry in bad[0]), "" if kept == record_number else f" at record {kept}"


def find_frozen_changed(context: DiagnosisContext) -> Iterator[Finding]:
    """Find weights that were frozen, by their layer or by `explorer.freeze`, but changed in the last fit."""
    for trace in context.trajectories.values():
        moved, regime = _changed_while_frozen(context, trace)
        if regime is not None:
            yield _frozen_changed_finding(trace, moved, regime)
    for part in context.history.frozen_parts:
        trace = context.trajectories.get(part.key)
        if trace is not None and part.mask is not None and part.last_record is None:
            yield from _find_changed_elements(trace, part)


def _changed_while_frozen(context: DiagnosisContext, trajectory: WeightTrace) -> tuple[float, WeightConditions | None]:
    """Return the largest number of elements changed at one record of the last fit, and its conditions. None if not frozen."""
    last = max(step.fit for step in context.records.values())
    pairs = zip(
        trajectory.record_numbers[trajectory.training_indices].tolist(),
        trajectory.num_changed.tolist(),
        trajectory.conditions_by_record(),
        strict=True,
    )
    recent = [(moved, regime) for number, moved, regime in pairs if context.records[number].fit == last]
    found = [(moved, regime) for moved, regime in recent if moved and _must_not_change(regime)]
    return max(found, key=lambda pair: pair[0], default=(0.0, None))


def _must_not_change(conditions: WeightConditions) -> bool:
    is_compiled = conditions.in_train_step is True and conditions.not_trainable is not None
    return conditions.is_frozen or is_compiled or conditions.not_trainable is NotTrainableReason.LORA


def _frozen_changed_finding(trajectory: WeightTrace, num_changed: float, conditions: WeightConditions) -> Finding:
    cause = next(each for each in _FROZEN_CHANGED_REASONS if each.applies(conditions))
    frozen = (
        f"{layer_name(conditions.frozen_by)} was frozen (trainable = False)"
        if conditions.frozen_by
        else _reason_text(conditions)
    )
    return trajectory.make_finding(
        "frozen but moved",
        cause.severity,
        f"The {weight_name(trajectory.weight)} moved although {frozen} when the record was made: {int(num_changed)} of "
        f"{trajectory.weight.size} "
        f"elements in one record. {cause.message}",
        {"moved": num_changed, "elements": trajectory.weight.size},
        suggestion=cause.suggestion,
        reference=COMPILE_URL,
        cause=cause.code,
    )


@dataclass(frozen=True, slots=True)
class _FrozenChangedReason:
    """An explanation of why a frozen weight changed: a code, when it applies, and the message."""

    code: str
    applies: Callable[[WeightConditions], bool]
    message: str
    severity: str = "note"
    suggestion: str = ""


def _in_compiled_step(conditions: WeightConditions) -> bool:
    """Return whether the Keras training step can change the weight, because it was compiled while the weight was trainable."""
    is_plain_fit = conditions.activity is TrainingKind.FIT and conditions.owners_known
    is_statistic = conditions.not_trainable is NotTrainableReason.MOVING_STATISTIC
    return conditions.in_train_step is True or (
        is_plain_fit and (is_statistic or (conditions.in_train_step is None and conditions.has_optimizer))
    )


_FROZEN_CHANGED_REASONS = (
    _FrozenChangedReason(
        "compiled before",
        _in_compiled_step,
        "Keras reads `trainable` when the training step is compiled, and what is set later does not hold until the model is "
        "compiled again.",
        "warning",
        "Call model.compile(...) after setting trainable, before the next fit.",
    ),
    _FrozenChangedReason(
        "loop",
        lambda regime: regime.activity is not TrainingKind.FIT,
        "In a loop, an optimizer moves what it is given, and train_on_batch what was trainable when it was compiled.",
    ),
    _FrozenChangedReason(
        "set",
        lambda regime: regime.in_train_step is False,
        "The training step of Keras leaves it out, so a callback or code of the model's own gave it these values.",
    ),
    _FrozenChangedReason("unknown", lambda _: True, "What moved it is not known: the model's own train_step may do so."),
)


def _reason_text(conditions: WeightConditions) -> str:
    return describe_not_trainable(conditions.not_trainable or NotTrainableReason.VARIABLE)


def _find_changed_elements(trajectory: WeightTrace, part: FrozenPart) -> Iterator[Finding]:
    """Find elements frozen by `explorer.freeze` whose values differ from those at the time of freezing."""
    now = (
        trajectory.values_at(trajectory.value_records[-1])
        if trajectory.value_records and trajectory.value_records[-1] >= part.frozen_at
        else None
    )
    if now is None or part.mask is None or part.values is None:
        return
    differ = np.zeros(now.shape, bool)
    differ[part.mask] = now[part.mask] != to_float(part.values)
    if differ.any():
        yield _changed_elements_finding(trajectory, part.mask, differ)


def _changed_elements_finding(trajectory: WeightTrace, mask: np.ndarray, changed: np.ndarray) -> Finding:
    index = tuple(int(entry) for entry in np.argwhere(changed)[0])
    return trajectory.make_finding(
        "frozen but moved",
        "error",
        f"{int(changed.sum())} of {int(mask.sum())} elements of the {weight_name(trajectory.weight)} that explorer.freeze "
        "holds have "
        f"moved, first at {format_element(trajectory.weight, index)}.",
        {"moved": float(changed.sum()), "masked": float(mask.sum())},
        axis_entries=tuple(AxisEntries(axis, (entry,)) for axis, entry in enumerate(index)),
        suggestion="Where fit ran before the freeze, call model.make_train_function(force=True); in a loop of your own make "
        "its "
        "tf.function again, and change variables only by a Keras optimizer's apply.",
    )


NON_FINITE = Rule("not finite", "NaN or Inf: the first record, and where", find_non_finite)
FROZEN_CHANGED = Rule("frozen but moved", "Weights that are frozen and moved", find_frozen_changed)
