"""Weights that training does not change, or no longer changes, and the reasons, as far as the records show them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from weight_explorer.catalog.schema import NotTrainableReason
from weight_explorer.diagnosis.context import DiagnosisContext, WeightConditions, WeightTrace, is_trained_by_gradients
from weight_explorer.diagnosis.findings import Finding
from weight_explorer.diagnosis.rule_types import Rule, RuleParameter
from weight_explorer.diagnosis.text import describe_not_trainable, format_batches, join_names, layer_name
from weight_explorer.recording.descriptions import describe_time
from weight_explorer.recording.facts import TrainingKind
from weight_explorer.recording.statistics.summary import FIELD_INDEX

MIN_BATCHES = RuleParameter(
    "fewest_batches",
    2,
    "The rule needs at least this many batches: a layer behind a weight that starts at zero does not move in the first.",
)
MIN_LATER_RECORDS = RuleParameter(
    "later_records", 3, "The number of records for which a weight that moved before must not move."
)
MIN_LATER_BATCHES = RuleParameter(
    "later_batches", 20, "The number of batches for which it must not move, unless the reason was recorded."
)
MIN_LATER_EPOCHS = RuleParameter(
    "later_epochs", 1.0, "The number of epochs for which it must not move: its gradient may depend on a single sample."
)

# A loss that has fallen to this share of its initial value counts as 0.
CONVERGED_LOSS_RATIO = 1e-6

TRANSFER_LEARNING_URL = "https://keras.io/guides/transfer_learning/"
COMPILE_URL = "https://keras.io/api/models/model_training_apis/#compile-method"
MIXED_PRECISION_URL = "https://docs.nvidia.com/deeplearning/performance/mixed-precision-training/"


@dataclass(frozen=True, slots=True)
class UnchangedPeriod:
    """Consecutive training records with the same facts at which a weight did not change.

    Attributes:
        trajectory: The trace of the weight.
        first: The index in `trajectory.training_indices` of the first record.
        end: The index after the last record.
        conditions: The conditions at these records.
    """

    trajectory: WeightTrace
    first: int
    end: int
    conditions: WeightConditions

    @property
    def record_numbers(self) -> np.ndarray:
        """The numbers of the records."""
        return self.trajectory.record_numbers[self.trajectory.training_indices[self.first : self.end]]

    @property
    def num_batches(self) -> float:
        """The number of batches. NaN if unknown."""
        return float(self.trajectory.training_batches[self.first : self.end].sum())

    @property
    def changed_before(self) -> bool:
        """Whether the weight changed before."""
        return self.trajectory.unchanged_from > 0 and self.first >= self.trajectory.unchanged_from


@dataclass(frozen=True, slots=True)
class UnchangedReason:
    """A reason why a weight does not change: when it applies, and the message.

    Attributes:
        code: The code that groups findings.
        applies: Returns whether the records show this reason.
        message: Returns the end of the message.
        severity: The severity of the finding.
        suggestion: What usually helps.
        reference: The source of the explanation.
        is_recorded: Whether the reason follows from recorded facts alone and therefore also applies to short periods.
    """

    code: str
    applies: Callable[[DiagnosisContext, UnchangedPeriod], bool]
    message: Callable[[DiagnosisContext, UnchangedPeriod], str]
    severity: str = "warning"
    suggestion: str = ""
    reference: str = TRANSFER_LEARNING_URL
    is_recorded: bool = True


def float_spacing(trajectory: WeightTrace) -> float:
    """Return the spacing of floats near the values of the weight: `eps` times the root mean square of the weight."""
    row = trajectory.statistics[int(trajectory.training_indices[-1]), 0]
    return float(ml_dtypes.finfo(trajectory.weight.dtype).eps) * float(
        row[FIELD_INDEX["norm"]] / np.sqrt(row[FIELD_INDEX["count"]])
    )


def is_float(trajectory: WeightTrace) -> bool:
    """Return whether the weight holds floating-point numbers."""
    return "float" in trajectory.weight.dtype


def _is_below_resolution(context: DiagnosisContext, period: UnchangedPeriod) -> bool:
    # Rounding to the nearest value loses changes below half of the spacing.
    return context.median_update < float_spacing(period.trajectory) / 2


def _is_masked(context: DiagnosisContext, period: UnchangedPeriod) -> bool:
    mask = context.frozen_masks.get(period.trajectory.key)
    return mask is not None and bool(np.all(mask))


def _changed_neighbors(context: DiagnosisContext, period: UnchangedPeriod) -> list[WeightTrace]:
    """Return the other weights of the layer that changed during the period."""
    others = (
        other
        for other in context.layers[period.trajectory.weight.layer]
        if other is not period.trajectory and is_trained_by_gradients(other)
    )
    return [other for other in others if context.changed_at(other, period.record_numbers)]


def _is_input_weight(trajectory: WeightTrace) -> bool:
    return any(axis.side == "in" for axis in trajectory.weight.axes) and trajectory.weight.role != "recurrent"


def _has_zero_input(context: DiagnosisContext, period: UnchangedPeriod) -> bool:
    moved = _changed_neighbors(context, period)
    return _is_input_weight(period.trajectory) and any(other.weight.role == "bias" for other in moved)


def _changed_neighbor_roles(context: DiagnosisContext, period: UnchangedPeriod) -> str:
    return join_names([other.weight.role for other in _changed_neighbors(context, period)])


def _has_zero_loss(context: DiagnosisContext, period: UnchangedPeriod) -> bool:
    losses = [
        loss for number in period.record_numbers.tolist() if (loss := context.records[number].logs.get("loss")) is not None
    ]
    return bool(losses) and not any(losses)


def _fallen_loss(context: DiagnosisContext, period: UnchangedPeriod) -> tuple[float, float] | None:
    """Return the first and the last loss if the loss has fallen to a millionth, else None."""
    last = int(period.record_numbers[-1])
    losses = [
        loss for number, step in context.records.items() if number <= last and (loss := step.logs.get("loss")) is not None
    ]
    has_fallen = len(losses) > 1 and losses[0] > 0 and 0 <= losses[-1] < CONVERGED_LOSS_RATIO * losses[0]
    return (losses[0], losses[-1]) if has_fallen else None


def _other_weights_changed(context: DiagnosisContext, period: UnchangedPeriod) -> bool:
    return bool(np.isin(period.record_numbers, context.records_with_changes).any())


def _optimizer_stepped(period: UnchangedPeriod) -> bool:
    regime = period.conditions
    return regime.has_optimizer and regime.learning_rate_is_zero is False and regime.optimizer_stepped is not False


def _optimizer_stepped_text(period: UnchangedPeriod) -> str:
    return f"its optimizer ({period.conditions.optimizer}) made steps at a learning rate above 0"


# The first reason that applies is used.
UNCHANGED_REASONS = (
    UnchangedReason(
        "not trainable",
        lambda _, still: still.conditions.not_trainable is not None and still.conditions.in_train_step is not True,
        lambda _, still: describe_not_trainable(
            still.conditions.not_trainable or NotTrainableReason.LAYER_STATE, still.conditions.frozen_by
        ),
        "note",
    ),
    UnchangedReason("masked", _is_masked, lambda *_: "explorer.freeze holds all of its elements", "note"),
    UnchangedReason(
        "not in the compiled step",
        lambda _, still: still.conditions.in_train_step is False,
        lambda *_: "it was set to trainable after the training step was compiled, so that step leaves it out",
        suggestion="Call model.compile(...) again before the next fit.",
        reference=COMPILE_URL,
    ),
    UnchangedReason(
        "learning rate 0",
        lambda _, still: still.conditions.learning_rate_is_zero is True,
        lambda *_: "the learning rate was 0",
        suggestion="Give the optimizer a learning rate above 0, or look at what its schedule gives.",
        reference="https://keras.io/api/optimizers/",
    ),
    UnchangedReason(
        "steps skipped",
        lambda _, still: still.conditions.optimizer_stepped is False and still.conditions.scales_loss,
        lambda *_: "LossScaleOptimizer skipped every step, which it does where gradients are NaN or Inf",
        suggestion="Look for NaN or Inf in the data and in the loss; lower the learning rate.",
        reference=MIXED_PRECISION_URL,
    ),
    UnchangedReason(
        "no step",
        lambda _, still: still.conditions.optimizer_stepped is False,
        lambda _, still: f"the optimizer that owns it ({still.conditions.optimizer}) made no step",
        "note",
    ),
    UnchangedReason(
        "optimizer without a step",
        lambda _, still: bool(still.conditions.unbuilt_optimizer) and not still.conditions.has_optimizer,
        lambda _, still: (
            f"no optimizer that made a step owns it, and {still.conditions.unbuilt_optimizer}, which was given, made none"
        ),
        suggestion="Look whether the loop calls optimizer.apply.",
    ),
    UnchangedReason(
        "not owned by the optimizer",
        lambda _, still: still.conditions.owners_known and not still.conditions.has_optimizer,
        lambda *_: "no optimizer of this training owns it. An optimizer owns what is trainable when it is built",
        suggestion="Call model.compile(...) again before the next fit.",
        reference=COMPILE_URL,
    ),
    UnchangedReason(
        "no path to the loss",
        lambda case, still: still.conditions.reaches_loss is False and not _changed_neighbors(case, still),
        lambda *_: "no path leads from it to an output that has a loss",
        suggestion="Give that output a loss, or connect the layer to one that has.",
        reference=COMPILE_URL,
    ),
    UnchangedReason(
        "loss 0",
        lambda case, still: _has_zero_loss(case, still) and not still.changed_before,
        lambda *_: "the loss was 0 at every one of these records",
        suggestion="Look at how the loss is computed.",
    ),
    UnchangedReason("loss 0", _has_zero_loss, lambda *_: "the loss was 0 at every one of these records", "note"),
    UnchangedReason(
        "below float resolution",
        _is_below_resolution,
        lambda case, still: (
            f"its numbers are so large that the next one in {still.trajectory.weight.dtype} is "
            f"{float_spacing(still.trajectory):.2g} away, "
            f"while a batch moves the other weights by about {case.median_update:.2g}"
        ),
        suggestion="Scale the weight down, raise the learning rate, or keep weights in float32 (mixed precision does).",
        reference=MIXED_PRECISION_URL,
    ),
    UnchangedReason(
        "no input",
        _has_zero_input,
        lambda *_: (
            "the bias of its layer moved, so gradients reach the layer, but the gradient of this weight, its input times "
            "those, was 0 or too small. The input itself was not recorded"
        ),
        suggestion="Look at what goes into the layer.",
        reference="https://cs231n.github.io/optimization-2/",
        is_recorded=False,
    ),
    UnchangedReason(
        "gradient cancels",
        lambda case, still: bool(_changed_neighbors(case, still)),
        lambda case, still: (
            f"the {_changed_neighbor_roles(case, still)} of its layer moved, so gradients reach the layer, and its own "
            "gradient was 0, "
            f"canceled out, or was too small to change it"
        ),
        "note",
        is_recorded=False,
    ),
    UnchangedReason(
        "not held by an optimizer",
        lambda _, still: (
            still.conditions.optimizers_known
            and not still.conditions.has_optimizer
            and still.conditions.activity is TrainingKind.FIT
        ),
        lambda *_: "no optimizer that the model holds owns it. An optimizer owns what is trainable when it is built",
        suggestion="Look whether train_step gives it to an optimizer.",
        is_recorded=False,
    ),
    UnchangedReason(
        "converged",
        lambda case, still: still.changed_before and _fallen_loss(case, still) is not None,
        lambda case, still: "the loss is as good as 0: it fell from {:.2g} to {:.2g}".format(*_fallen_loss(case, still) or ()),
        "note",
        is_recorded=False,
    ),
    UnchangedReason(
        "nothing moves",
        lambda case, still: _optimizer_stepped(still) and not _other_weights_changed(case, still),
        lambda _, still: (
            f"{_optimizer_stepped_text(still)}, yet no weight of the model moved. All gradients were 0, missing or too small; "
            f"the reason is not known"
        ),
        suggestion="Look whether the loss depends on the weights, and whether it is NaN.",
        is_recorded=False,
    ),
    UnchangedReason(
        "no gradient",
        lambda _, still: _optimizer_stepped(still),
        lambda _, still: (
            f"{_optimizer_stepped_text(still)} and moved other weights, so its gradient was 0, missing or too small to "
            "change it; "
            f"the reason is not known"
        ),
        suggestion="Look at what is done with the layer's output.",
        is_recorded=False,
    ),
    UnchangedReason(
        "owner unknown",
        lambda _, still: still.conditions.activity in (TrainingKind.LOOP, TrainingKind.TRAIN_ON_BATCH),
        lambda *_: (
            "the reason is not known, because nothing says which optimizer owns it. "
            "explorer.record(..., optimizer=optimizer) would"
        ),
        "note",
        is_recorded=False,
    ),
    UnchangedReason(
        "unknown",
        lambda *_: True,
        lambda *_: "the reason is not known, because what was trained then was not recorded",
        "note",
        is_recorded=False,
    ),
)


def _last_unchanged_period(
    context: DiagnosisContext, trajectory: WeightTrace
) -> tuple[UnchangedPeriod, UnchangedReason] | None:
    """Return the last unchanged period of a weight that is long enough to report, and its reason. None if there is none."""
    end = len(trajectory.training_indices)
    while end > trajectory.unchanged_from:
        still = _period_with_same_conditions(trajectory, end)
        reason = next(reason for reason in UNCHANGED_REASONS if reason.applies(context, still))
        if _is_long_enough(context, still, reason):
            return still, reason
        end = still.first
    return None


def _period_with_same_conditions(trajectory: WeightTrace, end: int) -> UnchangedPeriod:
    """Return the last records before `end` with the same facts at which nothing changed."""
    regimes = [trajectory.conditions[place] for place in trajectory.condition_index[trajectory.unchanged_from : end].tolist()]
    different = [place for place, regime in enumerate(regimes) if not regime.is_compatible(regimes[-1])]
    first = trajectory.unchanged_from + (different[-1] + 1 if different else 0)
    return UnchangedPeriod(trajectory, first, end, regimes[-1])


def _is_long_enough(context: DiagnosisContext, period: UnchangedPeriod, reason: UnchangedReason) -> bool:
    values, count = context.parameters, period.end - period.first
    if not period.changed_before or reason.is_recorded:
        return count > 1 or period.num_batches >= values[MIN_BATCHES.name]
    steps = [context.records[int(number)] for number in period.record_numbers]
    epochs = steps[-1].position - context.record_before(steps[0].number).position
    return (
        count >= values[MIN_LATER_RECORDS.name]
        and not period.num_batches < values[MIN_LATER_BATCHES.name]
        and epochs >= values[MIN_LATER_EPOCHS.name]
    )


def find(context: DiagnosisContext) -> Iterator[Finding]:
    """Find weights that training does not or no longer changes. Weights of a layer with the same reason share one finding."""
    groups: dict[tuple[object, ...], tuple[UnchangedReason, list[UnchangedPeriod]]] = {}
    for trace in context.trajectories.values():
        if (
            not is_float(trace)
            or trace.weight.not_trainable is NotTrainableReason.MOVING_STATISTIC
            or has_non_finite_values(trace)
        ):
            continue
        found = _last_unchanged_period(context, trace)
        if found is not None:
            still, reason = found
            since = int(still.record_numbers[0]) if still.changed_before else -1
            words = reason.message(context, still)
            groups.setdefault((reason.code, trace.weight.layer, words, since), (reason, []))[1].append(still)
    for (_, _, words, _), (reason, found_there) in groups.items():
        yield _finding(context, reason, str(words), found_there)


def has_non_finite_values(trajectory: WeightTrace) -> bool:
    """Return whether the weight contains NaN or Inf. Another rule reports this."""
    return not len(trajectory.training_indices) or not np.isfinite(
        trajectory.statistics[int(trajectory.training_indices[-1]), 0, FIELD_INDEX["norm"]]
    )


def _finding(context: DiagnosisContext, reason: UnchangedReason, message: str, periods: list[UnchangedPeriod]) -> Finding:
    first = periods[0]
    traces = [still.trajectory for still in periods]
    count = sum(trace.weight.size for trace in traces)
    evidence = {"weights": len(traces), "elements": count, "moved": 0, "records": first.end - first.first}
    step = context.records[int(first.record_numbers[-1])]
    return first.trajectory.make_finding(
        "not moving",
        reason.severity,
        f"The {_subject_text(traces)} {_duration_text(context, first)}{_sample_text(traces)}: {message}.",
        evidence | {"batches": first.num_batches, "since": float(context.record_before(int(first.record_numbers[0])).number)},
        step,
        keys=tuple(trace.key for trace in traces),
        suggestion=reason.suggestion,
        reference=reason.reference,
        cause=f"{reason.code}, {first.conditions.not_trainable}, {'later' if first.changed_before else 'always'}",
    )


def _duration_text(context: DiagnosisContext, period: UnchangedPeriod) -> str:
    """Describe how long the weight has not changed, and since when the reason in the rest of the message has applied."""
    whole = UnchangedPeriod(period.trajectory, period.trajectory.unchanged_from, period.end, period.conditions)
    span = format_batches(whole.num_batches, whole.end - whole.first)
    if period.trajectory.unchanged_from:
        text = f"moved before, but not since {_record_text(context, int(whole.record_numbers[0]))}, {span}"
    else:
        text = f"did not move at all {span}"
    if period.end < len(period.trajectory.training_indices):
        last = context.records[int(period.record_numbers[-1])]
        text += f", up to record {last.number} ({describe_time(last)})"
    return text if period.first == whole.first else f"{text}; since {_record_text(context, int(period.record_numbers[0]))}"


def _record_text(context: DiagnosisContext, record_number: int) -> str:
    """Return the name of the previous record, from which a condition applied."""
    since = context.record_before(record_number)
    return f"record {since.number} ({describe_time(since)})"


def _subject_text(trajectories: list[WeightTrace]) -> str:
    return f"{join_names([trace.weight.role for trace in trajectories])} of {layer_name(trajectories[0].weight.layer)}"


def _sample_text(trajectories: list[WeightTrace]) -> str:
    sample = next((trace.sample for trace in trajectories if trace.sample), None)
    return f" (of {sample.description} elements that are kept)" if sample else ""


UNCHANGED_WEIGHTS = Rule(
    "not moving",
    "Weights that training does not move, or no longer moves, and why",
    find,
    (MIN_BATCHES, MIN_LATER_RECORDS, MIN_LATER_BATCHES, MIN_LATER_EPOCHS),
)
