"""Numbers that are none, and frozen weights that moved."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from weight_explorer.diagnosis.case import Case, Trace
from weight_explorer.diagnosis.findings import Finding, Place
from weight_explorer.diagnosis.rules.standstill import COMPILE
from weight_explorer.diagnosis.terms import Rule
from weight_explorer.diagnosis.words import count_words, element_words, name_of

_COUNTS = ("nans", "positive_infs", "negative_infs")


def _first_place(trace: Trace) -> int | None:
    """Return the place of the first record with NaN or Inf, or None; of constants that hold it from the start as well."""
    bad = np.flatnonzero(sum(trace.value_field(name) for name in _COUNTS) > 0)
    is_constant = not trace.weight.trainable and len(bad) == len(trace.numbers)
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
        f"{number} (epoch {step.epoch}, batch {step.batch}){where}{grown}{others}.",
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
    """Find weights that are frozen, by their layer or by a mask, and moved in the last fit all the same."""
    for trace in case.traces.values():
        if "frozen" in trace.weight.reason:
            moved = _moved_last_fit(case, trace)
            if moved:
                yield _frozen(case, trace, moved)
        mask = case.facts.masks.get(trace.key)
        ends = trace.ends() if mask is not None else None
        if mask is not None and ends is not None and ((ends[0] != ends[1]) & mask).any():
            yield _mask_moved(trace, mask, (ends[0] != ends[1]) & mask)


def _moved_last_fit(case: Case, trace: Trace) -> float:
    """Return how many elements training moved in the last fit, at most in one record."""
    fits = np.array([case.steps[int(number)].fit for number in trace.numbers[trace.trained]])
    last = max(step.fit for step in case.steps.values())
    return float(trace.field("moved")[fits == last].max(initial=0))


def _frozen(case: Case, trace: Trace, moved: float) -> Finding:
    owned = case.facts.owned
    is_known = owned is not None and (trace.key in owned or "moving statistic" in trace.weight.reason)
    return trace.finding(
        "frozen but moved",
        "warning" if is_known else "note",
        f"The {name_of(trace.weight)} is frozen ({trace.weight.reason}), yet the last fit moved it: {int(moved)} of "
        f"{trace.weight.size} elements in one record. Keras reads `trainable` when the model is compiled, and what is set "
        f"later does not hold until it is compiled again.",
        {"moved": moved, "elements": trace.weight.size},
        cure="Call model.compile(...) after setting trainable, before the next fit.",
        source=COMPILE,
    )


def _mask_moved(trace: Trace, mask: np.ndarray, moved: np.ndarray) -> Finding:
    index = tuple(int(entry) for entry in np.argwhere(moved)[0])
    return trace.finding(
        "frozen but moved",
        "error",
        f"{int(moved.sum())} of {int(mask.sum())} elements of the {name_of(trace.weight)} that a mask holds still have moved, "
        f"first at {element_words(trace.weight, index)}.",
        {"moved": float(moved.sum()), "masked": float(mask.sum())},
        places=tuple(Place(axis, (entry,)) for axis, entry in enumerate(index)),
        cure="Where fit ran before the freeze, call model.make_train_function(force=True); in a loop of your own make its "
        "tf.function anew, and change variables by a Keras optimizer's apply alone.",
    )


NOT_FINITE = Rule("not finite", "NaN or Inf: the first record, and where", find_not_finite)
FROZEN_MOVED = Rule("frozen but moved", "Weights that are frozen and moved", find_frozen_moved)
