"""The proof for what is frozen of a weight: how many of those elements have moved by the record on screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.nodes import Weight
from weight_explorer.recording.frozen import FrozenPart, Proof, proof_by_statistics, proof_of
from weight_explorer.recording.past import Past
from weight_explorer.views.choice import Choice
from weight_explorer.views.numbers import counted, grouped
from weight_explorer.views.reading import chosen_step
from weight_explorer.views.remembered import Remembered

# Comparing values takes 0.7 ms for each million elements of a weight, and twice that for each million that are frozen: of up to
# this many it is done while training waits.
MOST_AT_ONCE = 1 << 20

_proofs: Remembered[Proof] = Remembered(256)


HELD, MOVED, UNKNOWN = "held", "moved", "unknown"


@dataclass(frozen=True, slots=True)
class ProofLine:
    """What is said of the frozen elements of a weight, and whether they are as they were: `HELD`, `MOVED` or `UNKNOWN`."""

    words: str
    state: str


def frozen_parts(weight: Weight, history: Past, number: int) -> tuple[FrozenPart, ...]:
    """Return what was frozen of a weight, or of the whole that it is a slice of, at a record."""
    return tuple(part for part in history.frozen if part.key == weight.whole and part.holds_at(number))


def proof_line(weight: Weight, history: Past, choice: Choice, *, may_take_long: bool = True) -> ProofLine | None:
    """Say how many of the frozen elements of a weight have moved by the record on screen; None where none were frozen at it.

    Args:
        weight: The weight, or a slice: what is said is of the whole one.
        history: The records.
        choice: Which record is on screen.
        may_take_long: Whether nothing waits for it. Else, of a large weight, the values are not compared, which is said.
    """
    number = chosen_step(weight, history, choice)
    parts = () if number is None else frozen_parts(weight, history, number)
    if number is None or not parts:
        return None
    found = [_proof(history, part, number, may_take_long=may_take_long) for part in parts]
    unknown = "their values are not kept at this record" if may_take_long else "not checked at this record yet"
    return _line(found, _since(history, parts), unknown)


def _proof(history: Past, part: FrozenPart, number: int, *, may_take_long: bool) -> Proof:
    """Prove one part, once for each record, unless it would take too long: then as far as the statistics tell."""
    arrays = _arrays(history, part, number)
    key = (part.key, part.since, part.words, number)
    if may_take_long or max((array.size for array in arrays), default=0) <= MOST_AT_ONCE:
        return _proofs.of(arrays, key, lambda: proof_of(history, part, number)) if arrays else proof_of(history, part, number)
    return _proofs.known(arrays, key) or proof_by_statistics(history, part, number)


def _arrays(history: Past, part: FrozenPart, number: int) -> tuple[np.ndarray, ...]:
    """Return all that a part's proof is computed from, or nothing where no values are kept."""
    column = history.column(part.key)
    now = column.value(number) if column else None
    before = [part.mask, part.values] if part.mask is not None else [column.value(part.since) if column else None]
    return () if now is None else (now, *(array for array in before if array is not None))


def _since(history: Past, parts: Sequence[FrozenPart]) -> str:
    """Say since when, such as `since record 3`, or of parts that were frozen one after the other, at which records."""
    numbers = sorted({part.since for part in parts})
    if len(numbers) > 1:
        return f"since they were frozen, at records {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
    step = history.step(numbers[0])
    is_start = step is not None and step.is_start
    return "since the start" if is_start else f"since record {numbers[0]}"


def _line(found: list[Proof], since: str, unknown: str) -> ProofLine:
    of = sum(proof.of for proof in found)
    elements = counted(of, "frozen element")
    if any(proof.moved is None for proof in found):
        moved = sum(proof.moved or 0 for proof in found)
        return ProofLine(f"{_problem(moved)}{elements}: {unknown}", MOVED if moved else UNKNOWN)
    moved = sum(proof.moved or 0 for proof in found)
    seen = sum(proof.seen for proof in found)
    is_estimated = any(proof.is_estimated for proof in found)
    about, estimated = ("≈ ", f" (estimated from {grouped(seen)})") if is_estimated else ("", "")
    words = f"{about}{grouped(moved)} of {elements} moved {since}{estimated}"
    return ProofLine(f"Problem: {words}", MOVED) if moved else ProofLine(words, HELD)


def _problem(moved: int) -> str:
    return f"Problem: at least {grouped(moved)} moved; " if moved else ""
