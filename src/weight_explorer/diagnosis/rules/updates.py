"""Updates that are too large or too small for the weight they are made to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from weight_explorer.diagnosis.case import Case, Trace, is_weight
from weight_explorer.diagnosis.findings import Finding
from weight_explorer.diagnosis.rules.norms import is_of_tokens, usual_norm
from weight_explorer.diagnosis.rules.standstill import SCALING, is_broken, is_float, spacing
from weight_explorer.diagnosis.terms import Parameter, Rule
from weight_explorer.diagnosis.words import name_of
from weight_explorer.recording.moments import moment_words

KARPATHY = "https://cs231n.github.io/neural-networks-3/#ratio (the ratio of updates to weights should be somewhere around 1e-3)"

LARGEST = Parameter(
    "largest_update", 0.1, "An update larger than this share of the weight in one batch is too large.", KARPATHY
)
SMALLEST = Parameter(
    "smallest_update", 1e-6, "An update smaller than this share of the weight in one batch is too small.", KARPATHY
)
BEHIND = Parameter(
    "update_behind",
    1000,
    "It must also be this many times smaller than that of another weight; otherwise the model may have converged.",
)
RECORDS = Parameter("update_records", 10, "The rule uses the median of this many last records.")
FEWEST = Parameter("fewest_updates", 5, "The rule needs at least this many records.")
BATCHES = Parameter(
    "update_batches",
    20,
    "The rule needs at least this many batches: a weight that starts near zero takes large steps at first.",
)
JUMP = Parameter("norm_jump", 10, "A norm has jumped if it grows to this many times its value at the start and stays there.")
JUMP_BATCHES = Parameter("jump_batches", 20, "The number of batches within which a norm must grow to have jumped.")
ULPS = Parameter("fewest_ulps", 2, "A change of fewer units in the last place may come from rounding.")


@dataclass(frozen=True, slots=True)
class Band:
    """Between which bounds the update ratio of one batch lies, the middle one of the last records.

    Between two records `b` batches apart a weight has moved by at most the sum of their updates, so an update was at least
    `change / b` on average. Where updates point anywhere, they add up like a random walk, to about `sqrt(b)` of them, so it
    was about `change / sqrt(b)` at most, unless they undo each other.
    """

    low: float
    high: float
    records: int


def band_of(case: Case, trace: Trace) -> Band | None:
    """Return the bounds for a weight, or None where too little is known of it."""
    ratios = trace.ratios()
    known = np.isfinite(ratios) & np.isfinite(trace.gaps)
    values = case.parameters
    if known.sum() < values[FEWEST.name] or trace.gaps[known].sum() < values[BATCHES.name]:
        return None
    ratios, gaps = (array[known][-int(values[RECORDS.name]) :] for array in (ratios, trace.gaps))
    gaps = np.maximum(gaps, 1)
    return Band(float(np.median(ratios / gaps)), float(np.median(ratios / np.sqrt(gaps))), len(ratios))


def _bands(case: Case) -> dict[str, Band]:
    """Return the bounds of all weights that multiply something; what is added starts at 0, and has no size of its own."""
    found = {trace.key: band_of(case, trace) for trace in case.traces.values() if _multiplies(trace)}
    return {key: band for key, band in found.items() if band is not None}


def _multiplies(trace: Trace) -> bool:
    started = trace.value_field("std")[0]
    return is_weight(trace) and len(trace.weight.shape) > 1 and bool(started > 0) and bool(len(trace.trained))


def find(case: Case) -> Iterator[Finding]:
    """Find weights whose updates, batch by batch, are far outside of the usual band."""
    bands, values = _bands(case), case.parameters
    fastest = max(bands, key=lambda key: bands[key].high, default="")
    for key, band in bands.items():
        if case.traces[key].stands_still and not is_broken(case.traces[key]):  # NaN stands still, too large updates made it
            continue
        if band.low > values[LARGEST.name]:
            yield _exploding(case.traces[key], band, values[LARGEST.name])
        elif band.high < values[SMALLEST.name] and band.high * values[BEHIND.name] < bands[fastest].high:
            yield _vanishing(case, case.traces[key], band, case.traces[fastest], bands[fastest])


def find_jumps(case: Case) -> Iterator[Finding]:
    """Find weights whose norm has grown many times over within a few batches, and has not come back."""
    for trace in case.traces.values():
        has_units = any(axis.side == "out" for axis in trace.weight.axes)
        if has_units and _multiplies(trace) and not is_of_tokens(trace) and not _explodes(case, trace):
            jump = _jump(case, trace)
            if jump is not None:
                yield _jumping(case, trace, *jump)


def _explodes(case: Case, trace: Trace) -> bool:
    band = None if trace.stands_still else band_of(case, trace)
    return band is not None and band.low > case.parameters[LARGEST.name]


def _jump(case: Case, trace: Trace) -> tuple[float, float, int] | None:
    """Return the norm before, the norm after, and the number of the record after the jump; None where there is none."""
    norms, values = trace.value_field("norm"), case.parameters
    places, batches = trace.trained, np.nancumsum(trace.spans)
    first = int(places[0]) - 1
    early = places[batches <= values[JUMP_BATCHES.name]] if np.isfinite(trace.spans).all() else places[:0]
    if not len(early) or not norms[first] or not np.isfinite(norms[places]).all():
        return None
    limit = values[JUMP.name] * max(norms[first], usual_norm(trace))
    grown = early[norms[early] >= limit]
    stays = norms[places[-1]] >= limit
    return (float(norms[first]), float(norms[grown[0]]), int(trace.numbers[grown[0]])) if len(grown) and stays else None


def _jumping(case: Case, trace: Trace, before: float, after: float, number: int) -> Finding:
    step = case.steps[number]
    return trace.finding(
        "exploding updates",
        "warning",
        f"The norm of the {name_of(trace.weight)} grew from {before:.3g} to {after:.3g} within the first batches, by record "
        f"{number} ({moment_words(step)}): what it was initialized to is lost.",
        {"before": before, "after": after},
        step,
        cure="Lower the learning rate, or clip gradients (clipnorm=1.0).",
        source=KARPATHY,
        cause="size",
    )


def _exploding(trace: Trace, band: Band, limit: float) -> Finding:
    return _finding(
        "exploding updates",
        trace,
        band,
        f"Each batch changes the {name_of(trace.weight)} by {band.low:.2g} of its own size or more (median of "
        f"{band.records} records); about 0.001 is usual, and above {limit:g} it forgets faster than it learns.",
        "Lower the learning rate, or clip gradients (clipnorm=1.0).",
    )


def _vanishing(case: Case, trace: Trace, band: Band, other: Trace, usual: Band) -> Finding:
    why, cure = _why_small(case, trace, other)
    return _finding(
        "vanishing updates",
        trace,
        band,
        f"A batch changes the {name_of(trace.weight)} by about {band.high:.2g} of its own size or less (median of "
        f"{band.records} records), and the {name_of(other.weight)} by about {usual.high:.2g}. {why}",
        cure,
    )


def _why_small(case: Case, trace: Trace, other: Trace) -> tuple[str, str]:
    """Say what is known of why one weight moves so much less than another, and what helps."""
    slow, fast = (case.steps[each.last.number].facts.rate_of(each.key) for each in (trace, other))
    if slow is not None and fast is not None and slow < fast / 10:
        return f"Its learning rate is {slow:.2g}, that of the other {fast:.2g}.", ""
    return (
        "Through many layers with sigmoid or tanh gradients get that small; the gradient itself was not recorded.",
        "If it is the gradient: use ReLU instead of sigmoid or tanh, a normalization, skip connections, or fewer layers.",
    )


def _finding(rule: str, trace: Trace, band: Band, sentence: str, cure: str) -> Finding:
    return trace.finding(
        rule,
        "warning",
        sentence,
        {"ratio_low": band.low, "ratio_high": band.high, "records": band.records},
        cure=cure,
        source=KARPATHY,
        cause="size",
    )


def find_rounded(case: Case) -> Iterator[Finding]:
    """Find weights that move by rounding only: by a last digit or two, and not all of their elements."""
    for trace in case.traces.values():
        if is_weight(trace) and is_float(trace) and not trace.stands_still and len(trace.trained):
            rounded = _rounded(trace, case.parameters[ULPS.name])
            if len(rounded) >= case.parameters[FEWEST.name] and rounded.all():
                yield _rounding(trace)


def _rounded(trace: Trace, ulps: float) -> np.ndarray:
    """Say of each record whether the elements that moved did so by a few units in the last place, and others not at all."""
    moved, count = trace.field("moved"), trace.field("count")
    with np.errstate(divide="ignore", invalid="ignore"):
        size = trace.field("norm") / np.sqrt(moved)
        return (moved < count) & ((moved == 0) | (size <= ulps * spacing(trace)))


def _rounding(trace: Trace) -> Finding:
    moved, count = trace.field("moved")[-1], trace.weight.size
    size = float(trace.field("norm")[-1] / np.sqrt(moved)) if moved else 0.0
    return trace.finding(
        "below float resolution",
        "warning",
        f"The {name_of(trace.weight)} moves by rounding only: {int(moved)} of {count} elements moved at the last record, by "
        f"about {size:.2g}, and {trace.weight.dtype} has no numbers nearer than about {spacing(trace):.2g} at its usual "
        f"size. Smaller updates are lost.",
        {"moved": float(moved), "elements": count, "change": size, "spacing": spacing(trace)},
        cure="Raise the learning rate, scale the weight down, or keep weights in float32 (mixed precision does).",
        source=SCALING,
        cause="rounding",
    )


UPDATES = Rule(
    "update size",
    "Updates that explode or vanish: outside of a band around 1e-3 of the weight",
    find,
    (LARGEST, SMALLEST, BEHIND, RECORDS, FEWEST, BATCHES),
)
JUMPS = Rule("exploding updates", "Norms that jump within the first batches", find_jumps, (JUMP, JUMP_BATCHES))
ROUNDED = Rule("below float resolution", "Changes that are smaller than the number type can hold", find_rounded, (ULPS, FEWEST))
