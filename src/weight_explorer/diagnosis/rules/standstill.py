"""Weights that training did not move, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from weight_explorer.diagnosis.case import Case, Trace
from weight_explorer.diagnosis.findings import Finding
from weight_explorer.diagnosis.terms import Parameter, Rule
from weight_explorer.diagnosis.words import joined, layer_name, span_words

FEWEST_BATCHES = Parameter(
    "fewest_batches",
    2,
    "Of fewer batches nothing is said of what did not move: behind a weight that starts at zero, the first moves nothing.",
)

GUIDE = "https://keras.io/guides/transfer_learning/"
COMPILE = "https://keras.io/api/models/model_training_apis/#compile-method"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a weight stands still: when that is so, as a piece of a sentence, how grave it is, and what helps.

    Weights that stand still for the same reason are one finding: those of one layer, or with `is_common` all.
    """

    name: str
    holds: Callable[[Case, Trace], bool]
    words: Callable[[Case, Trace], str]
    severity: str = "warning"
    cure: str = ""
    source: str = ""
    is_common: bool = False


def spacing(trace: Trace) -> float:
    """Return the distance between numbers of the weight's type, near its own: `eps` times its root mean square."""
    values = trace.field("norm", "value")[-1] / np.sqrt(trace.field("count", "value")[-1])
    return float(ml_dtypes.finfo(trace.weight.dtype).eps) * float(values)


def is_float(trace: Trace) -> bool:
    """Whether the weight holds floating-point numbers."""
    return "float" in trace.weight.dtype


def _is_below_resolution(case: Case, trace: Trace) -> bool:
    # Rounding to the nearest: half of the spacing is lost.
    return is_float(trace) and case.usual_step < spacing(trace) / 2


def _is_masked(case: Case, trace: Trace) -> bool:
    mask = case.facts.masks.get(trace.key)
    return mask is not None and bool(np.all(mask))


def _feeds_nothing(case: Case, trace: Trace) -> bool:
    """Whether only what multiplies the input stands still, while what is added to it moves."""
    others = [other for other in case.layers[trace.weight.layer] if other.weight.trainable and other is not trace]
    has_input = any(axis.side == "in" for axis in trace.weight.axes) and trace.weight.role != "recurrent"
    return has_input and any(other.weight.role == "bias" and not other.is_still for other in others)


def _unknown(case: Case, _: Trace) -> bool:
    return not case.facts.has_model


# The first that holds is given.
REASONS = (
    Reason(
        "frozen",
        lambda _, trace: not trace.weight.trainable,
        lambda _, trace: _frozen_words(trace.weight.reason),
        "note",
    ),
    Reason("masked", _is_masked, lambda *_: "all its elements are held still by a mask", "note"),
    Reason(
        "learning rate 0",
        lambda case, _: case.facts.learning_rate == 0,
        lambda *_: "the learning rate is 0",
        cure="Give the optimizer a learning rate above 0, or look at what its schedule gives.",
        source="https://keras.io/api/optimizers/",
        is_common=True,
    ),
    Reason(
        "not owned by the optimizer",
        lambda case, trace: case.facts.owned is not None and trace.key not in case.facts.owned,
        lambda *_: "the optimizer does not know it: it was added, or set to trainable, after the model was compiled",
        cure="Call model.compile(...) again before the next fit.",
        source=COMPILE,
    ),
    Reason(
        "no way to the loss",
        lambda case, trace: case.facts.reached is not None and trace.weight.layer not in case.facts.reached,
        lambda *_: "no way leads from it to an output that has a loss",
        cure="Give that output a loss, or connect the layer to one that has.",
        source=COMPILE,
    ),
    Reason(
        "below float resolution",
        _is_below_resolution,
        lambda case, trace: (
            f"its numbers are so large that {trace.weight.dtype} has none nearer than about {spacing(trace):.2g}, "
            f"and a batch moves other weights by about {case.usual_step:.2g}"
        ),
        cure="Scale the weight down, raise the learning rate, or keep weights in float32 (mixed precision does).",
        source="https://docs.nvidia.com/deeplearning/performance/mixed-precision-training/",
    ),
    Reason(
        "zero input",
        _feeds_nothing,
        lambda *_: "likely all inputs of the layer are always 0, since its bias moved, and so the layer does learn",
        cure="Look at what goes into the layer.",
        source="https://cs231n.github.io/optimization-2/",
    ),
    Reason(
        "nothing moves",
        lambda case, _: not case.moves and case.facts.has_model,
        lambda *_: (
            "likely every gradient is 0 or is skipped, since no weight of the model moved and the learning rate is not 0"
        ),
        cure="Look whether the loss depends on the weights, and whether it is NaN: a loss scale skips such steps.",
        is_common=True,
    ),
    Reason(
        "unknown",
        _unknown,
        lambda *_: "the likely cause cannot be told without the model",
    ),
    Reason(
        "no gradient",
        lambda *_: True,
        lambda *_: (
            "likely no gradient reaches it: the optimizer could move it and the learning rate is not 0, so it is not called "
            "in training, something behind it stops the gradient, or all its units are dead"
        ),
        cure="Look at what is done with the layer's output.",
    ),
)


def _frozen_words(reason: str) -> str:
    return f"it is no weight that gradients move ({reason})" if "frozen" not in reason else reason


def _standing(case: Case) -> Iterator[tuple[Reason, Trace]]:
    for trace in case.traces.values():
        is_statistic = "moving statistic" in trace.weight.reason  # another rule's
        is_seen = len(trace.trained) > 1 or trace.batches >= case.parameters[FEWEST_BATCHES.name]
        if trace.is_still and is_seen and not is_statistic and is_float(trace):
            yield next(reason for reason in REASONS if reason.holds(case, trace)), trace


def find(case: Case) -> Iterator[Finding]:
    """Find weights none of whose elements training moved; one finding for all with the same reason in the same layer."""
    groups: dict[tuple[str, str, str], tuple[Reason, list[Trace]]] = {}
    for reason, trace in _standing(case):
        words = reason.words(case, trace)
        is_above = words.endswith("above it is frozen")
        place = "" if reason.is_common or is_above else trace.weight.layer
        groups.setdefault((reason.name, place, words), (reason, []))[1].append(trace)
    for (_, _, words), (reason, traces) in groups.items():
        yield _finding(reason, words, traces)


def _finding(reason: Reason, words: str, traces: list[Trace]) -> Finding:
    first = traces[0]
    count = sum(trace.weight.size for trace in traces)
    return first.finding(
        "not moving",
        reason.severity,
        f"The {_subject(traces)} did not move at all {span_words(first)}{_estimate(traces)}: {words}.",
        {"weights": len(traces), "elements": count, "moved": 0, "records": len(first.trained), "batches": first.batches},
        keys=tuple(trace.key for trace in traces),
        cure=reason.cure,
        source=reason.source or GUIDE,
    )


def _subject(traces: list[Trace]) -> str:
    layers = list(dict.fromkeys(trace.weight.layer for trace in traces))
    if len(layers) == 1:
        return f"{joined([trace.weight.role for trace in traces])} of {layer_name(layers[0])}"
    return f"{len(traces)} weights of {len(layers)} layers, {layer_name(layers[0])} the first,"


def _estimate(traces: list[Trace]) -> str:
    sample = next((trace.sample for trace in traces if trace.sample), None)
    return f" (of {sample.words} elements that are kept)" if sample else ""


STANDSTILL = Rule("not moving", "Weights that training did not move, and why", find, (FEWEST_BATCHES,))
