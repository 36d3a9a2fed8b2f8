"""What is said to be frozen, and the proof from the records: how many of those elements have moved since."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from weight_explorer.recording.past import Column, Past
from weight_explorer.recording.statistics import BLOCK, INDEX

# Parts that were let go again, and are still known of at the records of their time.
MOST_OF_BEFORE = 16


@dataclass(frozen=True, slots=True, eq=False)
class FrozenPart:
    """Elements of a weight that are not to move.

    Attributes:
        key: The weight.
        words: Which elements, or why the whole weight does not train.
        since: The number of the record that they were frozen at.
        mask: Of the weight's shape; None for the whole weight of a layer with `trainable = False`.
        values: Their values when they were frozen, flat; None for a whole weight, of which the records have to tell.
        begin: The number of the first record that this is said of.
        until: That of the last, None where they are frozen still.
    """

    key: str
    words: str
    since: int
    mask: np.ndarray | None = None
    values: np.ndarray | None = None
    begin: int = 0
    until: int | None = None

    def holds_at(self, number: int) -> bool:
        """Say whether they were frozen at a record."""
        return self.begin <= number and (self.until is None or number <= self.until)


@dataclass(frozen=True, slots=True, repr=False)
class Proof:
    """How many frozen elements have moved by a record, in any bit where values are kept.

    Attributes:
        key: The weight.
        words: Which elements, or why the whole weight does not train.
        since: The number of the record that they were frozen at.
        number: That of the record.
        moved: How many differ from what they were, None where the records cannot tell.
        of: How many are frozen.
        seen: How many of them were looked at, less than all of a weight of which a sample is kept.
    """

    key: str
    words: str
    since: int
    number: int
    moved: int | None
    of: int
    seen: int

    @property
    def is_estimated(self) -> bool:
        """Whether only a sample was looked at."""
        return self.moved is not None and self.seen < self.of

    def __repr__(self) -> str:
        known = f"{_digits(self.moved)} of" if self.moved is not None else "not known how many of"
        estimated = f", estimated from {_digits(self.seen)} of them" if self.is_estimated else ""
        kept = "; this record keeps no values" if self.moved is None else ""
        return (
            f"{self.key}: {known} {_digits(self.of)} frozen elements moved from record {self.since} to record {self.number}"
            f"{estimated}{kept} ({self.words})"
        )


def _digits(count: int) -> str:
    return f"{count:,}".replace(",", "\u202f")


def proofs(past: Past, number: int | None = None) -> tuple[Proof, ...]:
    """Prove at a record, the newest where none is given, that what is frozen has not moved."""
    records = past.timeline.numbers
    if not len(records):
        return ()
    at = int(records[-1]) if number is None else number
    return tuple(proof_of(past, part, at) for part in past.frozen if part.holds_at(at))


def masks_of(parts: Iterable[FrozenPart]) -> Mapping[str, np.ndarray]:
    """Return from key to a boolean array that is True where a weight is frozen now, element by element.

    >>> first, second = np.array([True, False, False]), np.array([False, False, True])
    >>> masks_of([FrozenPart("bias", "0", 0, first), FrozenPart("bias", "2", 0, second)])["bias"].tolist()
    [True, False, True]
    """
    masks: dict[str, np.ndarray] = {}
    for part in parts:
        if part.mask is not None and part.until is None:
            masks[part.key] = masks[part.key] | part.mask if part.key in masks else part.mask
    return MappingProxyType(masks)


def proof_of(past: Past, part: FrozenPart, number: int) -> Proof:
    """Prove at one record that a part has not moved: exactly where its values are kept, estimated from a sample of them.

    Where they are not, the statistics tell if nothing of the weight moved at all.
    """
    column = past.column(part.key)
    size = _size_of(column, part)
    if column is None:
        return Proof(part.key, part.words, part.since, number, None, size, 0)
    compared = _compared(column, part, number)
    if compared is None or not compared[1]:
        moved = _moved_by_statistics(past, part, number)
        return Proof(part.key, part.words, part.since, number, moved, size, size)
    moved, seen = compared
    return Proof(part.key, part.words, part.since, number, round(moved * size / seen), size, seen)


def _size_of(column: Column | None, part: FrozenPart) -> int:
    if part.mask is not None:
        return int(np.count_nonzero(part.mask))
    return int(column.rows(slice(-1, None))[0, 0, INDEX["count"]]) if column and len(column.numbers) else 0


def _compared(column: Column, part: FrozenPart, number: int) -> tuple[int, int] | None:
    """Compare values that are kept, bit by bit: how many moved, of how many; None where they are not kept."""
    now = column.value(number)
    before = column.value(part.since) if part.mask is None else part.values
    if now is None or before is None or now.dtype != before.dtype:
        return None
    if part.mask is None:
        return _num_different(now, before) if now.size == before.size else None
    flat = part.mask.reshape(-1)
    if column.sample is None:
        return _num_moved(now, flat, before) if now.size == flat.size else None
    inside = flat[column.sample.indexes]
    places = np.cumsum(flat)[column.sample.indexes[inside]] - 1
    return _num_different(now[inside], before[places])


def _num_different(now: np.ndarray, before: np.ndarray) -> tuple[int, int]:
    """Count elements that differ in any bit, and all, block by block in the processor's cache."""
    one, other = _bits(now), _bits(before)
    blocks = range(0, one.size, BLOCK)
    return sum(int(np.count_nonzero(one[at : at + BLOCK] != other[at : at + BLOCK])) for at in blocks), one.size


def _num_moved(now: np.ndarray, mask: np.ndarray, before: np.ndarray) -> tuple[int, int]:
    """Count the elements under a flat mask that differ in any bit from `before`, which has those alone, and all under it.

    A scattered mask picks its elements five times as slowly as their places do.
    """
    one, other = _bits(now), _bits(before)
    moved = seen = 0
    for at in range(0, one.size, BLOCK):
        taken = one[at : at + BLOCK].take(np.flatnonzero(mask[at : at + BLOCK]))
        moved += int(np.count_nonzero(taken != other[seen : seen + taken.size]))
        seen += taken.size
    return moved, seen


def _bits(values: np.ndarray) -> np.ndarray:
    """Return the values as bits, in which NaN equals NaN and -0.0 is not 0.0."""
    return np.ascontiguousarray(values).reshape(-1).view(np.dtype(f"u{values.itemsize}"))


def proof_by_statistics(past: Past, part: FrozenPart, number: int) -> Proof:
    """Prove at one record that a part has not moved as far as statistics of the whole weight tell, at next to no cost."""
    size = _size_of(past.column(part.key), part)
    return Proof(part.key, part.words, part.since, number, _moved_by_statistics(past, part, number), size, size)


def _moved_by_statistics(past: Past, part: FrozenPart, number: int) -> int | None:
    """Return how many moved as far as statistics of the whole weight tell, else None."""
    moved = _moved_whole(past, part.key, part.since, number)
    return moved if part.mask is None or moved == 0 else None


def _moved_whole(past: Past, key: str, since: int, number: int) -> int | None:
    """Return how many elements of a whole weight moved between two records, None where statistics cannot tell.

    They can where nothing had moved from the start until the first of the two, and where no record between moved anything.
    """
    column = past.column(key)
    if column is None or column.sample is not None:
        return None
    recorded = past.recorded(key)
    if since in recorded and number in recorded and _moved_at(past, key, since, "since_start") == 0:
        return _moved_at(past, key, number, "since_start")
    last = past.series(key, "since_last")
    moved_since_last = dict(zip(last.numbers.tolist(), last["moved"], strict=True))
    still = all(moved_since_last.get(each) == 0 for each in range(since + 1, number + 1))
    return 0 if still else None


def _moved_at(past: Past, key: str, number: int, quantity: str) -> int | None:
    moved = past.row(key, number, quantity)[INDEX["moved"]]
    return None if np.isnan(moved) else int(moved)


# -- what is said to be frozen ---------------------------------------------------------------------------------------

Parts = tuple[FrozenPart, ...]


def with_part(parts: Parts, part: FrozenPart) -> Parts:
    """Add a part."""
    return (*parts, part)


def without_elements(parts: Parts, key: str, mask: np.ndarray, last: int) -> Parts:
    """Let elements of a weight go after the record `last`; what is left of a part goes on."""

    def after(part: FrozenPart) -> Iterable[FrozenPart]:
        if part.key != key or part.until is not None or part.mask is None or part.values is None:
            return (part,)
        if not (part.mask & mask).any():
            return (part,)
        left = part.mask & ~mask
        rest = replace(part, mask=left, values=part.values[left[part.mask]], begin=last + 1)
        return (replace(part, until=last), *((rest,) if left.any() else ()))

    return _bounded(tuple(each for part in parts for each in after(part)))


def without_layers(parts: Parts, keys: Collection[str], last: int) -> Parts:
    """Let whole weights go after the record `last`: their layers train again."""
    is_over = [part.mask is None and part.until is None and part.key in keys for part in parts]
    return _bounded(tuple(replace(part, until=last) if over else part for part, over in zip(parts, is_over, strict=True)))


def with_values(parts: Parts, key: str, values: np.ndarray, number: int) -> Parts:
    """Go on with what the frozen elements of a weight are from the record `number` on, where somebody meant to change them.

    A part none of whose elements changed goes on as it is.
    """

    def after(part: FrozenPart) -> Iterable[FrozenPart]:
        if part.key != key or part.until is not None:
            return (part,)
        now = None if part.mask is None else values[part.mask]
        if now is not None and part.values is not None and np.array_equal(_bits(now), _bits(part.values)):
            return (part,)
        new = replace(part, since=number, begin=number, values=now)
        return replace(part, until=number - 1), new

    return _bounded(tuple(each for part in parts for each in after(part)))


def _bounded(parts: Parts) -> Parts:
    """Forget the oldest of the parts that were let go."""
    before = [part for part in parts if part.until is not None]
    forgotten = {id(part) for part in before[: max(len(before) - MOST_OF_BEFORE, 0)]}
    return tuple(part for part in parts if id(part) not in forgotten and (part.until is None or part.until >= part.begin))
