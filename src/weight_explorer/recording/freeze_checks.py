"""Frozen parts of weights, and checks against the records that count how many of their elements have changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from weight_explorer.recording.history import History, WeightHistory
from weight_explorer.recording.statistics.summary import BLOCK_SIZE, FIELD_INDEX

# The number of released parts to keep, so that they can still be shown at the records for which they were frozen.
MAX_RELEASED_PARTS = 16


@dataclass(frozen=True, slots=True, eq=False)
class FrozenPart:
    """Elements of a weight that must not change.

    Attributes:
        key: The weight.
        description: Which elements are frozen, or why the whole weight is not trained.
        frozen_at: The number of the record at which the elements were frozen.
        mask: A boolean array of the weight's shape; None for the whole weight of a layer with `trainable = False`.
        values: The flat values of the elements when they were frozen; None for a whole weight, whose values are read from
            the records.
        first_record: The number of the first record at which the elements are frozen.
        last_record: The number of the last such record, or None while the elements are still frozen.
    """

    key: str
    description: str
    frozen_at: int
    mask: np.ndarray | None = None
    values: np.ndarray | None = None
    first_record: int = 0
    last_record: int | None = None

    def applies_at(self, number: int) -> bool:
        """Return whether the elements were frozen at a record."""
        return self.first_record <= number and (self.last_record is None or number <= self.last_record)


@dataclass(frozen=True, slots=True, repr=False)
class FreezeCheck:
    """The number of frozen elements that changed up to a record. Kept values are compared bit by bit.

    Attributes:
        key: The weight.
        description: Which elements are frozen, or why the whole weight is not trained.
        frozen_at: The number of the record at which the elements were frozen.
        record_number: The number of the record that was checked.
        num_changed: The number of changed elements, or None if the records do not determine it.
        num_frozen: The number of frozen elements.
        num_compared: The number of frozen elements that were compared; fewer than `num_frozen` if only a sample is kept.
    """

    key: str
    description: str
    frozen_at: int
    record_number: int
    num_changed: int | None
    num_frozen: int
    num_compared: int

    @property
    def is_estimated(self) -> bool:
        """Whether the result is estimated from a sample."""
        return self.num_changed is not None and self.num_compared < self.num_frozen

    def __repr__(self) -> str:
        known = f"{_format_count(self.num_changed)} of" if self.num_changed is not None else "not known how many of"
        estimated = f", estimated from {_format_count(self.num_compared)} of them" if self.is_estimated else ""
        kept = "; this record keeps no values" if self.num_changed is None else ""
        return (
            f"{self.key}: {known} {_format_count(self.num_frozen)} frozen elements moved from record {self.frozen_at} to "
            f"record {self.record_number}"
            f"{estimated}{kept} ({self.description})"
        )


def _format_count(count: int) -> str:
    return f"{count:,}".replace(",", "\u202f")


def check_frozen_parts(history: History, number: int | None = None) -> tuple[FreezeCheck, ...]:
    """Check at a record, by default the newest, that all frozen parts are unchanged."""
    records = history.timeline.record_numbers
    if not len(records):
        return ()
    at = int(records[-1]) if number is None else number
    return tuple(check_frozen_part(history, part, at) for part in history.frozen_parts if part.applies_at(at))


def frozen_masks(parts: Iterable[FrozenPart]) -> Mapping[str, np.ndarray]:
    """Return a mapping from key to a boolean array that is True for the elements that are currently frozen.

    >>> first, second = np.array([True, False, False]), np.array([False, False, True])
    >>> frozen_masks([FrozenPart("bias", "0", 0, first), FrozenPart("bias", "2", 0, second)])["bias"].tolist()
    [True, False, True]
    """
    masks: dict[str, np.ndarray] = {}
    for part in parts:
        if part.mask is not None and part.last_record is None:
            masks[part.key] = masks[part.key] | part.mask if part.key in masks else part.mask
    return MappingProxyType(masks)


def check_frozen_part(history: History, part: FrozenPart, number: int) -> FreezeCheck:
    """Check at one record that a part is unchanged: exactly if its values are kept, estimated if only a sample is kept.

    Without kept values, the statistics can still show that nothing in the weight has changed.
    """
    column = history.weight_history(part.key)
    size = _size_of(column, part)
    if column is None:
        return FreezeCheck(part.key, part.description, part.frozen_at, number, None, size, 0)
    compared = _compare_values(column, part, number)
    if compared is None or not compared[1]:
        moved = _num_changed_by_statistics(history, part, number)
        return FreezeCheck(part.key, part.description, part.frozen_at, number, moved, size, size)
    moved, seen = compared
    return FreezeCheck(part.key, part.description, part.frozen_at, number, round(moved * size / seen), size, seen)


def _size_of(weight_history: WeightHistory | None, part: FrozenPart) -> int:
    if part.mask is not None:
        return int(np.count_nonzero(part.mask))
    return (
        int(weight_history.rows(slice(-1, None))[0, 0, FIELD_INDEX["count"]])
        if weight_history and len(weight_history.record_numbers)
        else 0
    )


def _compare_values(weight_history: WeightHistory, part: FrozenPart, number: int) -> tuple[int, int] | None:
    """Compare kept values bit by bit. Return how many changed and how many were compared, or None without kept values."""
    now = weight_history.values_at(number)
    before = weight_history.values_at(part.frozen_at) if part.mask is None else part.values
    if now is None or before is None or now.dtype != before.dtype:
        return None
    if part.mask is None:
        return _count_different(now, before) if now.size == before.size else None
    flat = part.mask.reshape(-1)
    if weight_history.sample is None:
        return _count_changed_under_mask(now, flat, before) if now.size == flat.size else None
    inside = flat[weight_history.sample.indexes]
    places = np.cumsum(flat)[weight_history.sample.indexes[inside]] - 1
    return _count_different(now[inside], before[places])


def _count_different(now: np.ndarray, before: np.ndarray) -> tuple[int, int]:
    """Return the number of elements that differ in any bit and the number of all elements, in blocks that fit the cache."""
    one, other = _as_bits(now), _as_bits(before)
    blocks = range(0, one.size, BLOCK_SIZE)
    return sum(int(np.count_nonzero(one[at : at + BLOCK_SIZE] != other[at : at + BLOCK_SIZE])) for at in blocks), one.size


def _count_changed_under_mask(now: np.ndarray, mask: np.ndarray, before: np.ndarray) -> tuple[int, int]:
    """Return the number of masked elements that differ in any bit from `before`, and the number of all masked elements.

    `mask` is flat, and `before` has only the masked elements. Selecting elements by a scattered mask is five times as slow
    as selecting them by index.
    """
    one, other = _as_bits(now), _as_bits(before)
    moved = seen = 0
    for at in range(0, one.size, BLOCK_SIZE):
        taken = one[at : at + BLOCK_SIZE].take(np.flatnonzero(mask[at : at + BLOCK_SIZE]))
        moved += int(np.count_nonzero(taken != other[seen : seen + taken.size]))
        seen += taken.size
    return moved, seen


def _as_bits(values: np.ndarray) -> np.ndarray:
    """Return the values as unsigned integers. Bitwise, NaN equals NaN, and -0.0 differs from 0.0."""
    return np.ascontiguousarray(values).reshape(-1).view(np.dtype(f"u{values.itemsize}"))


def check_frozen_part_by_statistics(history: History, part: FrozenPart, number: int) -> FreezeCheck:
    """Check at one record that a part is unchanged, using only the statistics of the whole weight, which is very cheap."""
    size = _size_of(history.weight_history(part.key), part)
    return FreezeCheck(
        part.key, part.description, part.frozen_at, number, _num_changed_by_statistics(history, part, number), size, size
    )


def _num_changed_by_statistics(history: History, part: FrozenPart, number: int) -> int | None:
    """Return the number of changed elements if the statistics of the whole weight determine it, else None."""
    moved = _num_changed_in_weight(history, part.key, part.frozen_at, number)
    return moved if part.mask is None or moved == 0 else None


def _num_changed_in_weight(history: History, key: str, start: int, number: int) -> int | None:
    """Return how many elements of a weight changed between two records, or None if the statistics do not determine it.

    They determine it if nothing changed from the start of training to the first record, or if no record in between shows a
    change.
    """
    column = history.weight_history(key)
    if column is None or column.sample is not None:
        return None
    recorded = history.record_numbers(key)
    if start in recorded and number in recorded and _num_changed_at(history, key, start, "since_start") == 0:
        return _num_changed_at(history, key, number, "since_start")
    last = history.statistics(key, "since_last")
    moved_since_last = dict(zip(last.record_numbers.tolist(), last["moved"], strict=True))
    still = all(moved_since_last.get(each) == 0 for each in range(start + 1, number + 1))
    return 0 if still else None


def _num_changed_at(history: History, key: str, number: int, quantity: str) -> int | None:
    moved = history.statistics_at(key, number, quantity)[FIELD_INDEX["moved"]]
    return None if np.isnan(moved) else int(moved)


# -- frozen parts ----------------------------------------------------------------------------------------------------

FrozenParts = tuple[FrozenPart, ...]


def add_part(parts: FrozenParts, part: FrozenPart) -> FrozenParts:
    """Add a part."""
    return (*parts, part)


def release_elements(parts: FrozenParts, key: str, mask: np.ndarray, last_record: int) -> FrozenParts:
    """Release elements of a weight after the record `last_record`. The remaining elements of a part stay frozen."""

    def after(part: FrozenPart) -> Iterable[FrozenPart]:
        if part.key != key or part.last_record is not None or part.mask is None or part.values is None:
            return (part,)
        if not (part.mask & mask).any():
            return (part,)
        left = part.mask & ~mask
        rest = replace(part, mask=left, values=part.values[left[part.mask]], first_record=last_record + 1)
        return (replace(part, last_record=last_record), *((rest,) if left.any() else ()))

    return _drop_oldest_released(tuple(each for part in parts for each in after(part)))


def release_weights(parts: FrozenParts, keys: Collection[str], last_record: int) -> FrozenParts:
    """Release whole weights after the record `last_record`, because their layers are trained again."""
    is_over = [part.mask is None and part.last_record is None and part.key in keys for part in parts]
    return _drop_oldest_released(
        tuple(replace(part, last_record=last_record) if over else part for part, over in zip(parts, is_over, strict=True))
    )


def update_frozen_values(parts: FrozenParts, key: str, values: np.ndarray, number: int) -> FrozenParts:
    """Use the current values of a weight's frozen elements from the record `number` on, after an intended change.

    Parts without changed elements are left as they are.
    """

    def after(part: FrozenPart) -> Iterable[FrozenPart]:
        if part.key != key or part.last_record is not None:
            return (part,)
        now = None if part.mask is None else values[part.mask]
        if now is not None and part.values is not None and np.array_equal(_as_bits(now), _as_bits(part.values)):
            return (part,)
        new = replace(part, frozen_at=number, first_record=number, values=now)
        return replace(part, last_record=number - 1), new

    return _drop_oldest_released(tuple(each for part in parts for each in after(part)))


def _drop_oldest_released(parts: FrozenParts) -> FrozenParts:
    """Drop the oldest released parts beyond `MAX_RELEASED_PARTS`."""
    before = [part for part in parts if part.last_record is not None]
    forgotten = {id(part) for part in before[: max(len(before) - MAX_RELEASED_PARTS, 0)]}
    return tuple(
        part
        for part in parts
        if id(part) not in forgotten and (part.last_record is None or part.last_record >= part.first_record)
    )
