"""The proof for what is frozen of a weight: how many of those elements have moved by the record on screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import Weight
from weight_explorer.pictures.numbers import count_noun, format_count
from weight_explorer.recording.freeze_checks import (
    FreezeCheck,
    FrozenPart,
    check_frozen_part,
    check_frozen_part_by_statistics,
)
from weight_explorer.recording.history import History
from weight_explorer.views.array_cache import ArrayCache
from weight_explorer.views.choice import Choice
from weight_explorer.views.reading import chosen_record

# Comparing values takes 0.7 ms for each million elements of a weight, and twice that for each million that are frozen: of up to
# this many it is done while training waits.
MAX_IMMEDIATE_SIZE = 1 << 20

_check_cache: ArrayCache[FreezeCheck] = ArrayCache(256)


UNCHANGED, CHANGED, UNKNOWN = "held", "moved", "unknown"


@dataclass(frozen=True, slots=True)
class FreezeCheckLine:
    """What is said of a weight's frozen elements, and whether they are as they were: `UNCHANGED`, `CHANGED` or `UNKNOWN`."""

    text: str
    state: str


def frozen_parts(weight: Weight, history: History, number: int) -> tuple[FrozenPart, ...]:
    """Return what was frozen of a weight, or of the whole that it is a slice of, at a record."""
    return tuple(part for part in history.frozen_parts if part.key == weight.variable_key and part.applies_at(number))


def freeze_check_line(
    weight: Weight, history: History, choice: Choice, *, may_take_long: bool = True
) -> FreezeCheckLine | None:
    """Say how many of the frozen elements of a weight have moved by the record on screen; None where none were frozen at it.

    Args:
        weight: The weight, or a slice: what is said is of the whole one.
        history: The records.
        choice: Which record is on screen.
        may_take_long: Whether nothing waits for it. Else, of a large weight, the values are not compared, which is said.
    """
    number = chosen_record(weight, history, choice)
    parts = () if number is None else frozen_parts(weight, history, number)
    if number is None or not parts:
        return None
    found = [_check_part(history, part, number, may_take_long=may_take_long) for part in parts]
    unknown = "their values are not kept at this record" if may_take_long else "not checked at this record yet"
    return _line(found, _describe_since(history, parts), unknown)


def _check_part(history: History, part: FrozenPart, number: int, *, may_take_long: bool) -> FreezeCheck:
    """Prove one part, once for each record, unless it would take too long: then as far as the statistics tell."""
    arrays = _arrays(history, part, number)
    key = (part.key, part.frozen_at, part.description, number)
    if may_take_long or max((array.size for array in arrays), default=0) <= MAX_IMMEDIATE_SIZE:
        return (
            _check_cache.get_or_compute(arrays, key, lambda: check_frozen_part(history, part, number))
            if arrays
            else check_frozen_part(history, part, number)
        )
    return _check_cache.get(arrays, key) or check_frozen_part_by_statistics(history, part, number)


def _arrays(history: History, part: FrozenPart, number: int) -> tuple[np.ndarray, ...]:
    """Return all that a part's proof is computed from, or nothing where no values are kept."""
    column = history.weight_history(part.key)
    now = column.values_at(number) if column else None
    before = [part.mask, part.values] if part.mask is not None else [column.values_at(part.frozen_at) if column else None]
    return () if now is None else (now, *(array for array in before if array is not None))


def _describe_since(history: History, parts: Sequence[FrozenPart]) -> str:
    """Say since when, such as `since record 3`, or of parts that were frozen one after the other, at which records."""
    numbers = sorted({part.frozen_at for part in parts})
    if len(numbers) > 1:
        return f"since they were frozen, at records {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
    step = history.get_record(numbers[0])
    is_start = step is not None and step.is_initial
    return "since the start" if is_start else f"since record {numbers[0]}"


def _line(checks: list[FreezeCheck], since: str, unknown: str) -> FreezeCheckLine:
    of = sum(proof.num_frozen for proof in checks)
    elements = count_noun(of, "frozen element")
    if any(proof.num_changed is None for proof in checks):
        moved = sum(proof.num_changed or 0 for proof in checks)
        return FreezeCheckLine(f"{_problem_prefix(moved)}{elements}: {unknown}", CHANGED if moved else UNKNOWN)
    moved = sum(proof.num_changed or 0 for proof in checks)
    seen = sum(proof.num_compared for proof in checks)
    is_estimated = any(proof.is_estimated for proof in checks)
    about, estimated = ("≈ ", f" (estimated from {format_count(seen)})") if is_estimated else ("", "")
    words = f"{about}{format_count(moved)} of {elements} moved {since}{estimated}"
    return FreezeCheckLine(f"Problem: {words}", CHANGED) if moved else FreezeCheckLine(words, UNCHANGED)


def _problem_prefix(num_changed: int) -> str:
    return f"Problem: at least {format_count(num_changed)} moved; " if num_changed else ""
