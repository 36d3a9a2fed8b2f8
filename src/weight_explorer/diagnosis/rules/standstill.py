"""Weights that training does not move, or no longer moves, and why, as far as the records tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from weight_explorer.catalog.nodes import NotTrainable
from weight_explorer.diagnosis.case import Case, Regime, Trace, is_weight
from weight_explorer.diagnosis.findings import Finding
from weight_explorer.diagnosis.terms import Parameter, Rule
from weight_explorer.diagnosis.words import batches_words, joined, layer_name, not_trainable_words
from weight_explorer.recording.facts import Activity
from weight_explorer.recording.moments import moment_words
from weight_explorer.recording.statistics import INDEX

FEWEST_BATCHES = Parameter(
    "fewest_batches",
    2,
    "The rule needs at least this many batches: a layer behind a weight that starts at zero does not move in the first.",
)
LATER_RECORDS = Parameter("later_records", 3, "The number of records for which a weight that moved before must not move.")
LATER_BATCHES = Parameter(
    "later_batches", 20, "The number of batches for which it must not move, unless the reason was recorded."
)
LATER_EPOCHS = Parameter(
    "later_epochs", 1.0, "The number of epochs for which it must not move: its gradient may depend on a single sample."
)

# A loss that has fallen to this share of what it was is as good as 0.
CONVERGED = 1e-6

GUIDE = "https://keras.io/guides/transfer_learning/"
COMPILE = "https://keras.io/api/models/model_training_apis/#compile-method"
SCALING = "https://docs.nvidia.com/deeplearning/performance/mixed-precision-training/"


@dataclass(frozen=True, slots=True)
class Standstill:
    """Records of training, one after the other and with the same facts, at none of which a weight moved.

    Attributes:
        trace: The weight.
        first: The place in `trace.observed` of the first of them.
        end: The place after the last of them.
        regime: What held.
    """

    trace: Trace
    first: int
    end: int
    regime: Regime

    @property
    def numbers(self) -> np.ndarray:
        """Numbers of the records."""
        return self.trace.numbers[self.trace.observed[self.first : self.end]]

    @property
    def batches(self) -> float:
        """How many batches were trained, NaN where that is not known."""
        return float(self.trace.observed_spans[self.first : self.end].sum())

    @property
    def is_later(self) -> bool:
        """Whether the weight moved before."""
        return self.trace.still_from > 0 and self.first >= self.trace.still_from


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a weight stands still: what has to be known for it to be given, and what is said then.

    Attributes:
        name: The code by which findings are grouped.
        holds: Whether the records show it.
        words: The end of the sentence.
        severity: How bad it is.
        cure: What usually helps.
        source: Where that comes from.
        is_recorded: Whether it follows from recorded facts alone, and so holds for short standstills too.
    """

    name: str
    holds: Callable[[Case, Standstill], bool]
    words: Callable[[Case, Standstill], str]
    severity: str = "warning"
    cure: str = ""
    source: str = GUIDE
    is_recorded: bool = True


def spacing(trace: Trace) -> float:
    """Return the distance between numbers of the weight's type, near its own: `eps` times its root mean square."""
    row = trace.rows[int(trace.observed[-1]), 0]
    return float(ml_dtypes.finfo(trace.weight.dtype).eps) * float(row[INDEX["norm"]] / np.sqrt(row[INDEX["count"]]))


def is_float(trace: Trace) -> bool:
    """Whether the weight holds floating-point numbers."""
    return "float" in trace.weight.dtype


def _is_below_resolution(case: Case, still: Standstill) -> bool:
    # Rounding to the nearest: half of the spacing is lost.
    return case.usual_step < spacing(still.trace) / 2


def _is_masked(case: Case, still: Standstill) -> bool:
    mask = case.masks.get(still.trace.key)
    return mask is not None and bool(np.all(mask))


def _others_that_moved(case: Case, still: Standstill) -> list[Trace]:
    """Return the other weights of the layer that moved meanwhile."""
    others = (other for other in case.layers[still.trace.weight.layer] if other is not still.trace and is_weight(other))
    return [other for other in others if case.moved_among(other, still.numbers)]


def _is_input_weight(trace: Trace) -> bool:
    return any(axis.side == "in" for axis in trace.weight.axes) and trace.weight.role != "recurrent"


def _lacks_input(case: Case, still: Standstill) -> bool:
    moved = _others_that_moved(case, still)
    return _is_input_weight(still.trace) and any(other.weight.role == "bias" for other in moved)


def _moved_names(case: Case, still: Standstill) -> str:
    return joined([other.weight.role for other in _others_that_moved(case, still)])


def _has_no_loss(case: Case, still: Standstill) -> bool:
    losses = [loss for number in still.numbers.tolist() if (loss := case.steps[number].logs.get("loss")) is not None]
    return bool(losses) and not any(losses)


def _fallen_loss(case: Case, still: Standstill) -> tuple[float, float] | None:
    """Return the first and the last loss where it has fallen to a millionth, else None."""
    last = int(still.numbers[-1])
    losses = [loss for number, step in case.steps.items() if number <= last and (loss := step.logs.get("loss")) is not None]
    has_fallen = len(losses) > 1 and losses[0] > 0 and 0 <= losses[-1] < CONVERGED * losses[0]
    return (losses[0], losses[-1]) if has_fallen else None


def _others_move(case: Case, still: Standstill) -> bool:
    return bool(np.isin(still.numbers, case.numbers_of_moves).any())


def _made_steps(still: Standstill) -> bool:
    regime = still.regime
    return regime.has_owner and regime.rate_is_zero is False and regime.made_steps is not False


def _steps_words(still: Standstill) -> str:
    return f"its optimizer ({still.regime.optimizer}) made steps at a learning rate above 0"


# The first that holds is given.
REASONS = (
    Reason(
        "not trainable",
        lambda _, still: still.regime.not_trainable is not None and still.regime.trains is not True,
        lambda _, still: not_trainable_words(still.regime.not_trainable or NotTrainable.STATE, still.regime.frozen_by),
        "note",
    ),
    Reason("masked", _is_masked, lambda *_: "explorer.freeze holds all of its elements", "note"),
    Reason(
        "not in the compiled step",
        lambda _, still: still.regime.trains is False,
        lambda *_: "it was set to trainable after the training step was compiled, so that step leaves it out",
        cure="Call model.compile(...) again before the next fit.",
        source=COMPILE,
    ),
    Reason(
        "learning rate 0",
        lambda _, still: still.regime.rate_is_zero is True,
        lambda *_: "the learning rate was 0",
        cure="Give the optimizer a learning rate above 0, or look at what its schedule gives.",
        source="https://keras.io/api/optimizers/",
    ),
    Reason(
        "steps skipped",
        lambda _, still: still.regime.made_steps is False and still.regime.scales_loss,
        lambda *_: "LossScaleOptimizer skipped every step, which it does where gradients are NaN or Inf",
        cure="Look for NaN or Inf in the data and in the loss; lower the learning rate.",
        source=SCALING,
    ),
    Reason(
        "no step",
        lambda _, still: still.regime.made_steps is False,
        lambda _, still: f"the optimizer that owns it ({still.regime.optimizer}) made no step",
        "note",
    ),
    Reason(
        "optimizer without a step",
        lambda _, still: bool(still.regime.unbuilt) and not still.regime.has_owner,
        lambda _, still: f"no optimizer that made a step owns it, and {still.regime.unbuilt}, which was given, made none",
        cure="Look whether the loop calls optimizer.apply.",
    ),
    Reason(
        "not owned by the optimizer",
        lambda _, still: still.regime.owners_known and not still.regime.has_owner,
        lambda *_: "no optimizer of this training owns it. An optimizer owns what is trainable when it is built",
        cure="Call model.compile(...) again before the next fit.",
        source=COMPILE,
    ),
    Reason(
        "no path to the loss",
        lambda case, still: still.regime.is_reached is False and not _others_that_moved(case, still),
        lambda *_: "no path leads from it to an output that has a loss",
        cure="Give that output a loss, or connect the layer to one that has.",
        source=COMPILE,
    ),
    Reason(
        "loss 0",
        lambda case, still: _has_no_loss(case, still) and not still.is_later,
        lambda *_: "the loss was 0 at every one of these records",
        cure="Look at how the loss is computed.",
    ),
    Reason("loss 0", _has_no_loss, lambda *_: "the loss was 0 at every one of these records", "note"),
    Reason(
        "below float resolution",
        _is_below_resolution,
        lambda case, still: (
            f"its numbers are so large that the next one in {still.trace.weight.dtype} is {spacing(still.trace):.2g} away, "
            f"while a batch moves the other weights by about {case.usual_step:.2g}"
        ),
        cure="Scale the weight down, raise the learning rate, or keep weights in float32 (mixed precision does).",
        source=SCALING,
    ),
    Reason(
        "no input",
        _lacks_input,
        lambda *_: (
            "the bias of its layer moved, so gradients reach the layer, but the gradient of this weight, its input times "
            "those, was 0 or too small. The input itself was not recorded"
        ),
        cure="Look at what goes into the layer.",
        source="https://cs231n.github.io/optimization-2/",
        is_recorded=False,
    ),
    Reason(
        "gradient cancels",
        lambda case, still: bool(_others_that_moved(case, still)),
        lambda case, still: (
            f"the {_moved_names(case, still)} of its layer moved, so gradients reach the layer, and its own gradient was 0, "
            f"canceled out, or was too small to change it"
        ),
        "note",
        is_recorded=False,
    ),
    Reason(
        "not held by an optimizer",
        lambda _, still: still.regime.optimizers_known and not still.regime.has_owner and still.regime.activity is Activity.FIT,
        lambda *_: "no optimizer that the model holds owns it. An optimizer owns what is trainable when it is built",
        cure="Look whether train_step gives it to an optimizer.",
        is_recorded=False,
    ),
    Reason(
        "converged",
        lambda case, still: still.is_later and _fallen_loss(case, still) is not None,
        lambda case, still: "the loss is as good as 0: it fell from {:.2g} to {:.2g}".format(*_fallen_loss(case, still) or ()),
        "note",
        is_recorded=False,
    ),
    Reason(
        "nothing moves",
        lambda case, still: _made_steps(still) and not _others_move(case, still),
        lambda _, still: (
            f"{_steps_words(still)}, yet no weight of the model moved. All gradients were 0, missing or too small; "
            f"the reason is not known"
        ),
        cure="Look whether the loss depends on the weights, and whether it is NaN.",
        is_recorded=False,
    ),
    Reason(
        "no gradient",
        lambda _, still: _made_steps(still),
        lambda _, still: (
            f"{_steps_words(still)} and moved other weights, so its gradient was 0, missing or too small to change it; "
            f"the reason is not known"
        ),
        cure="Look at what is done with the layer's output.",
        is_recorded=False,
    ),
    Reason(
        "owner unknown",
        lambda _, still: still.regime.activity in (Activity.LOOP, Activity.TRAIN_ON_BATCH),
        lambda *_: (
            "the reason is not known, because nothing says which optimizer owns it. "
            "explorer.record(..., optimizer=optimizer) would"
        ),
        "note",
        is_recorded=False,
    ),
    Reason(
        "unknown",
        lambda *_: True,
        lambda *_: "the reason is not known, because what was trained then was not recorded",
        "note",
        is_recorded=False,
    ),
)


def _standstill(case: Case, trace: Trace) -> tuple[Standstill, Reason] | None:
    """Return the last standstill of a weight that lasted long enough to be told, and its reason."""
    end = len(trace.observed)
    while end > trace.still_from:
        still = _same_facts(trace, end)
        reason = next(reason for reason in REASONS if reason.holds(case, still))
        if _lasts(case, still, reason):
            return still, reason
        end = still.first
    return None


def _same_facts(trace: Trace, end: int) -> Standstill:
    """Return the records before `end` that have the same facts as the last of them, and at which nothing moved."""
    regimes = [trace.regimes[place] for place in trace.regime_of[trace.still_from : end].tolist()]
    different = [place for place, regime in enumerate(regimes) if not regime.is_like(regimes[-1])]
    first = trace.still_from + (different[-1] + 1 if different else 0)
    return Standstill(trace, first, end, regimes[-1])


def _lasts(case: Case, still: Standstill, reason: Reason) -> bool:
    values, count = case.parameters, still.end - still.first
    if not still.is_later or reason.is_recorded:
        return count > 1 or still.batches >= values[FEWEST_BATCHES.name]
    steps = [case.steps[int(number)] for number in still.numbers]
    epochs = steps[-1].position - case.steps_before(steps[0].number).position
    return (
        count >= values[LATER_RECORDS.name]
        and not still.batches < values[LATER_BATCHES.name]
        and epochs >= values[LATER_EPOCHS.name]
    )


def find(case: Case) -> Iterator[Finding]:
    """Find weights that training does not move, or no longer moves; one finding for those of a layer with the same reason."""
    groups: dict[tuple[object, ...], tuple[Reason, list[Standstill]]] = {}
    for trace in case.traces.values():
        if not is_float(trace) or trace.weight.not_trainable is NotTrainable.MOVING_STATISTIC or is_broken(trace):
            continue
        found = _standstill(case, trace)
        if found is not None:
            still, reason = found
            since = int(still.numbers[0]) if still.is_later else -1
            words = reason.words(case, still)
            groups.setdefault((reason.name, trace.weight.layer, words, since), (reason, []))[1].append(still)
    for (_, _, words, _), (reason, found_there) in groups.items():
        yield _finding(case, reason, str(words), found_there)


def is_broken(trace: Trace) -> bool:
    """Whether it holds NaN or Inf, which another rule tells."""
    return not len(trace.observed) or not np.isfinite(trace.rows[int(trace.observed[-1]), 0, INDEX["norm"]])


def _finding(case: Case, reason: Reason, words: str, stills: list[Standstill]) -> Finding:
    first = stills[0]
    traces = [still.trace for still in stills]
    count = sum(trace.weight.size for trace in traces)
    evidence = {"weights": len(traces), "elements": count, "moved": 0, "records": first.end - first.first}
    step = case.steps[int(first.numbers[-1])]
    return first.trace.finding(
        "not moving",
        reason.severity,
        f"The {_subject(traces)} {_how_long(case, first)}{_estimate(traces)}: {words}.",
        evidence | {"batches": first.batches, "since": float(case.steps_before(int(first.numbers[0])).number)},
        step,
        keys=tuple(trace.key for trace in traces),
        cure=reason.cure,
        source=reason.source,
        cause=f"{reason.name}, {first.regime.not_trainable}, {'later' if first.is_later else 'always'}",
    )


def _how_long(case: Case, still: Standstill) -> str:
    """Say for how long the weight has not moved, and from when on that has the reason that follows."""
    whole = Standstill(still.trace, still.trace.still_from, still.end, still.regime)
    span = batches_words(whole.batches, whole.end - whole.first)
    if still.trace.still_from:
        text = f"moved before, but not since {_record_words(case, int(whole.numbers[0]))}, {span}"
    else:
        text = f"did not move at all {span}"
    if still.end < len(still.trace.observed):
        last = case.steps[int(still.numbers[-1])]
        text += f", up to record {last.number} ({moment_words(last)})"
    return text if still.first == whole.first else f"{text}; since {_record_words(case, int(still.numbers[0]))}"


def _record_words(case: Case, number: int) -> str:
    """Name the record before one, from which on something held."""
    since = case.steps_before(number)
    return f"record {since.number} ({moment_words(since)})"


def _subject(traces: list[Trace]) -> str:
    return f"{joined([trace.weight.role for trace in traces])} of {layer_name(traces[0].weight.layer)}"


def _estimate(traces: list[Trace]) -> str:
    sample = next((trace.sample for trace in traces if trace.sample), None)
    return f" (of {sample.words} elements that are kept)" if sample else ""


STANDSTILL = Rule(
    "not moving",
    "Weights that training does not move, or no longer moves, and why",
    find,
    (FEWEST_BATCHES, LATER_RECORDS, LATER_BATCHES, LATER_EPOCHS),
)
