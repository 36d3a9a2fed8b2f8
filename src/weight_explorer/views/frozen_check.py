"""The check of a weight's frozen elements: how many of them have changed by the record on screen."""

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

# Comparing values takes 0.7 ms per million elements of a weight, plus twice that per million frozen elements. Up to this
# size, the comparison runs while training waits.
MAX_IMMEDIATE_SIZE = 1 << 20

_check_cache: ArrayCache[FreezeCheck] = ArrayCache(256)


UNCHANGED, CHANGED, UNKNOWN = "held", "moved", "unknown"


@dataclass(frozen=True, slots=True)
class FreezeCheckLine:
    """A sentence about a weight's frozen elements, and their state: `UNCHANGED`, `CHANGED`, or `UNKNOWN`."""

    text: str
    state: str


def frozen_parts(weight: Weight, history: History, number: int) -> tuple[FrozenPart, ...]:
    """Return the frozen parts of a weight at a record; for a slice, those of the whole weight."""
    return tuple(part for part in history.frozen_parts if part.key == weight.variable_key and part.applies_at(number))


def freeze_check_line(
    weight: Weight, history: History, choice: Choice, *, may_take_long: bool = True
) -> FreezeCheckLine | None:
    """Describe how many frozen elements of a weight have changed by the record on screen; None if none were frozen then.

    Args:
        weight: The weight, or a slice of it. The result always describes the whole weight.
        history: The records.
        choice: The choice that selects the record on screen.
        may_take_long: Whether nothing waits for the result. If False, the values of a large weight are not compared, and the
            text says so.
    """
    number = chosen_record(weight, history, choice)
    parts = () if number is None else frozen_parts(weight, history, number)
    if number is None or not parts:
        return None
    found = [_check_part(history, part, number, may_take_long=may_take_long) for part in parts]
    unknown = "their values are not kept at this record" if may_take_long else "not checked at this record yet"
    return _line(found, _describe_since(history, parts), unknown)


def _check_part(history: History, part: FrozenPart, number: int, *, may_take_long: bool) -> FreezeCheck:
    """Check one part, once per record. If comparing values would take too long, use only the statistics."""
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
    """Return the arrays that the check of a part is computed from, or an empty tuple if no values are kept."""
    column = history.weight_history(part.key)
    now = column.values_at(number) if column else None
    before = [part.mask, part.values] if part.mask is not None else [column.values_at(part.frozen_at) if column else None]
    return () if now is None else (now, *(array for array in before if array is not None))


def _describe_since(history: History, parts: Sequence[FrozenPart]) -> str:
    """Describe since when the parts are frozen, such as `since record 3`, or at which records if they differ."""
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
