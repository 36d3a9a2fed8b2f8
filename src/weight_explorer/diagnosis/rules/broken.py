"""Numbers that are none, and frozen weights that moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.nodes import NotTrainable
from weight_explorer.diagnosis.case import Case, Regime, Trace
from weight_explorer.diagnosis.findings import Finding, Place
from weight_explorer.diagnosis.rules.standstill import COMPILE
from weight_explorer.diagnosis.terms import Rule
from weight_explorer.diagnosis.words import count_words, element_words, layer_name, name_of, not_trainable_words
from weight_explorer.recording.facts import Activity
from weight_explorer.recording.frozen import FrozenPart
from weight_explorer.recording.moments import moment_words
from weight_explorer.recording.statistics import widened

_COUNTS = ("nans", "positive_infs", "negative_infs")


def _first_place(trace: Trace) -> int | None:
    """Return the place of the first record with NaN or Inf, or None; of constants that hold it from the start as well."""
    bad = np.flatnonzero(sum(trace.value_field(name) for name in _COUNTS) > 0)
    is_constant = not trace.moves and trace.weight.not_trainable is not None and len(bad) == len(trace.numbers)
    return None if not len(bad) or is_constant else int(bad[0])


def find_not_finite(case: Case) -> Iterator[Finding]:
    """Find the first record with NaN or Inf: one finding for all weights that they came to at the same record."""
    groups: dict[int, list[tuple[int, Trace]]] = {}
    for trace in case.traces.values():
        place = _first_place(trace)
        if place is not None:
            groups.setdefault(int(trace.numbers[place]), []).append((place, trace))
    for number in sorted(groups):
        yield _not_finite(case, number, groups[number])


def _not_finite(case: Case, number: int, found: list[tuple[int, Trace]]) -> Finding:
    place, trace = min(found, key=lambda pair: _share(*pair))
    counts = {name: float(trace.value_field(name)[place]) for name in _COUNTS}
    has_infs = sum(counts.values()) > counts["nans"]
    kinds = " and ".join(filter(None, ("NaN" if counts["nans"] else "", "Inf" if has_infs else "")))
    index, at = _first_element(trace, number)
    where = f", first at {element_words(trace.weight, index)}{at}" if index else ""
    hold = "holds" if len(found) == 2 else "hold"
    now = int(sum(float(trace.value_field(name)[-1]) for name in _COUNTS))
    grown = f", {now or 'none'} NaN or Inf by now" if now != sum(counts.values()) else ""
    others = f", and {count_words(len(found) - 1, 'other weight')} {hold} some too" if len(found) > 1 else ""
    step = case.steps[number]
    return trace.finding(
        "not finite",
        "error",
        f"{int(sum(counts.values()))} of {trace.weight.size} elements of the {name_of(trace.weight)} are {kinds} since record "
        f"{number} ({moment_words(step)}){where}{grown}{others}.",
        counts | {"elements": trace.weight.size, "weights": len(found)},
        step,
        keys=tuple(each.key for _, each in found),
        places=tuple(Place(axis, (entry,)) for axis, entry in enumerate(index)),
        cure="Look for NaN in the data, a division by 0 or the logarithm of 0; lower the learning rate, or clip gradients "
        "(clipnorm=1.0). keras.callbacks.TerminateOnNaN() stops at once.",
        source="https://keras.io/api/callbacks/terminate_on_nan/",
    )


def _share(place: int, trace: Trace) -> float:
    """What has fewest is nearest to where it began."""
    return float(sum(trace.value_field(name)[place] for name in _COUNTS)) / trace.weight.size


def _first_element(trace: Trace, number: int) -> tuple[tuple[int, ...], str]:
    """Return the index of the first element that is not finite, and at which record, where that is another one."""
    kept = next((other for other in trace.kept if other >= number), None)
    values = None if kept is None else trace.value(kept)
    bad = np.empty((0, 0)) if values is None else np.argwhere(~np.isfinite(values))
    if not len(bad):
        return (), ""
    return tuple(int(entry) for entry in bad[0]), "" if kept == number else f" at record {kept}"


def find_frozen_moved(case: Case) -> Iterator[Finding]:
    """Find weights that were frozen, by their layer or by `explorer.freeze`, and moved in the last fit all the same."""
    for trace in case.traces.values():
        moved, regime = _moved_while_frozen(case, trace)
        if regime is not None:
            yield _frozen(trace, moved, regime)
    for part in case.past.frozen:
        trace = case.traces.get(part.key)
        if trace is not None and part.mask is not None and part.until is None:
            yield from _elements_moved(trace, part)


def _moved_while_frozen(case: Case, trace: Trace) -> tuple[float, Regime | None]:
    """Return how many elements moved in the last fit at most in one record, and what held then; None where none was frozen."""
    last = max(step.fit for step in case.steps.values())
    pairs = zip(trace.numbers[trace.observed].tolist(), trace.moved.tolist(), trace.regimes_observed(), strict=True)
    recent = [(moved, regime) for number, moved, regime in pairs if case.steps[number].fit == last]
    found = [(moved, regime) for moved, regime in recent if moved and _is_not_to_move(regime)]
    return max(found, key=lambda pair: pair[0], default=(0.0, None))


def _is_not_to_move(regime: Regime) -> bool:
    is_compiled = regime.trains is True and regime.not_trainable is not None
    return regime.is_frozen or is_compiled or regime.not_trainable is NotTrainable.LORA


def _frozen(trace: Trace, moved: float, regime: Regime) -> Finding:
    cause = next(each for each in _CAUSES if each.holds(regime))
    frozen = f"{layer_name(regime.frozen_by)} was frozen (trainable = False)" if regime.frozen_by else _reason_words(regime)
    return trace.finding(
        "frozen but moved",
        cause.severity,
        f"The {name_of(trace.weight)} moved although {frozen} when the record was made: {int(moved)} of {trace.weight.size} "
        f"elements in one record. {cause.words}",
        {"moved": moved, "elements": trace.weight.size},
        cure=cause.cure,
        source=COMPILE,
        cause=cause.name,
    )


@dataclass(frozen=True, slots=True)
class _Cause:
    """What is known of why a frozen weight moved: a code, when it holds, and what is said."""

    name: str
    holds: Callable[[Regime], bool]
    words: str
    severity: str = "note"
    cure: str = ""


def _is_compiled(regime: Regime) -> bool:
    """Whether the training step of Keras moves it, or can have done so: it was compiled while the weight was trainable."""
    is_plain_fit = regime.activity is Activity.FIT and regime.owners_known
    is_statistic = regime.not_trainable is NotTrainable.MOVING_STATISTIC
    return regime.trains is True or (is_plain_fit and (is_statistic or (regime.trains is None and regime.has_owner)))


_CAUSES = (
    _Cause(
        "compiled before",
        _is_compiled,
        "Keras reads `trainable` when the training step is compiled, and what is set later does not hold until the model is "
        "compiled again.",
        "warning",
        "Call model.compile(...) after setting trainable, before the next fit.",
    ),
    _Cause(
        "loop",
        lambda regime: regime.activity is not Activity.FIT,
        "In a loop, an optimizer moves what it is given, and train_on_batch what was trainable when it was compiled.",
    ),
    _Cause(
        "set",
        lambda regime: regime.trains is False,
        "The training step of Keras leaves it out, so a callback or code of the model's own gave it these values.",
    ),
    _Cause("unknown", lambda _: True, "What moved it is not known: the model's own train_step may do so."),
)


def _reason_words(regime: Regime) -> str:
    return not_trainable_words(regime.not_trainable or NotTrainable.VARIABLE)


def _elements_moved(trace: Trace, part: FrozenPart) -> Iterator[Finding]:
    """Find elements that `explorer.freeze` holds and that differ from what they were when they were frozen."""
    now = trace.value(trace.kept[-1]) if trace.kept and trace.kept[-1] >= part.since else None
    if now is None or part.mask is None or part.values is None:
        return
    differ = np.zeros(now.shape, bool)
    differ[part.mask] = now[part.mask] != widened(part.values)
    if differ.any():
        yield _mask_moved(trace, part.mask, differ)


def _mask_moved(trace: Trace, mask: np.ndarray, moved: np.ndarray) -> Finding:
    index = tuple(int(entry) for entry in np.argwhere(moved)[0])
    return trace.finding(
        "frozen but moved",
        "error",
        f"{int(moved.sum())} of {int(mask.sum())} elements of the {name_of(trace.weight)} that explorer.freeze holds have "
        f"moved, first at {element_words(trace.weight, index)}.",
        {"moved": float(moved.sum()), "masked": float(mask.sum())},
        places=tuple(Place(axis, (entry,)) for axis, entry in enumerate(index)),
        cure="Where fit ran before the freeze, call model.make_train_function(force=True); in a loop of your own make its "
        "tf.function again, and change variables only by a Keras optimizer's apply.",
    )


NOT_FINITE = Rule("not finite", "NaN or Inf: the first record, and where", find_not_finite)
FROZEN_MOVED = Rule("frozen but moved", "Weights that are frozen and moved", find_frozen_moved)
