"""Resolve which elements of a weight a selection refers to: an index, a mask, a block name, or all elements."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from weight_explorer.catalog.lookup import unknown_name_message
from weight_explorer.catalog.schema import Weight
from weight_explorer.catalog.selection import ElementSelection

# One entry of an index as text: a number or a slice.
_NUMBER = re.compile(r"[+-]?\d+")
_SLICE = re.compile(r"([+-]?\d*):([+-]?\d*)(?::([+-]?\d*))?")


@dataclass(frozen=True, slots=True, eq=False)
class ResolvedSelection:
    """Selected elements of a weight: the NumPy index, a mask of the weight's shape, and a description in words."""

    index: Any
    mask: np.ndarray
    description: str

    @property
    def is_mask(self) -> bool:
        """Whether a mask was given."""
        return isinstance(self.index, np.ndarray) and self.index.dtype.kind == "b"

    @property
    def count(self) -> int:
        """Number of elements."""
        return int(np.count_nonzero(self.mask))


def resolve_selection(weight: Weight, where: Any = None) -> ResolvedSelection:
    """Find the elements that a selection refers to.

    Args:
        weight: The weight, which must be a whole one.
        where: None for all; a NumPy index such as `np.s_[0:3, :]`, or the same as text, "0:3, :"; a boolean mask of the
            weight's shape; a block name such as "forget gate", or a tuple of several; or an element selection, such as
            `explorer.selection`.

    Raises:
        ValueError: It selects nothing, or does not fit the weight; the message says what was expected.

    >>> from weight_explorer.catalog.schema import Axis
    >>> axes = Axis("input_dim", 3), Axis("units", 4)
    >>> weight = Weight("dense/kernel", "kernel", "kernel", "dense", (3, 4), "float32", axes)
    >>> resolve_selection(weight, "0:2, 1").mask.astype(int).tolist()
    [[0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    """
    index, words = _resolve_index(weight, where)
    mask = np.zeros(weight.shape, bool)
    try:
        mask[index] = True
    except (IndexError, TypeError) as error:
        raise ValueError(f"{words} does not fit {weight.key!r}, whose shape is {weight.shape}: {error}.") from None
    if not mask.any():
        raise ValueError(f"{words} chooses no element of {weight.key!r}, whose shape is {weight.shape}.")
    return ResolvedSelection(index, mask, words)


def _resolve_index(weight: Weight, where: Any) -> tuple[Any, str]:
    """Return the NumPy index and its description."""
    if where is None:
        return (), "all"
    if isinstance(where, ElementSelection):
        return _resolve_selected_elements(weight, where), where.description
    if isinstance(where, str):
        return _parse_index(weight, where), where
    if isinstance(where, tuple) and where and all(isinstance(name, str) for name in where):
        return _block_index(weight, where), ", ".join(where)
    if _is_array(where):
        return _resolve_array(weight, np.asarray(where))
    entries = where if isinstance(where, tuple) else (where,)
    return where, ", ".join(_format_entry(entry) for entry in entries) or "all"


def _is_array(where: Any) -> bool:
    return isinstance(where, (list, bool, np.bool_)) or hasattr(where, "__array__")


def _resolve_array(weight: Weight, array: np.ndarray) -> tuple[Any, str]:
    if array.dtype != bool:
        return array, f"entries {_format_array(array)}" if array.ndim else str(array)
    if array.shape != weight.shape:
        raise ValueError(f"The mask has the shape {array.shape}, and {weight.key!r} has {weight.shape}: they must be the same.")
    return array, f"a mask of {np.count_nonzero(array)}"


def _resolve_selected_elements(weight: Weight, where: ElementSelection) -> np.ndarray:
    if where.key != weight.key:
        raise ValueError(
            f"The selection is of {where.key!r}, and {weight.key!r} was asked for. "
            f"Select in that weight's matrix, or ask for {where.key!r}."
        )
    return _resolve_array(weight, where.mask)[0]


def _parse_index(weight: Weight, text: str) -> Any:
    """Parse text: one or more block names, or an index in Python notation."""
    names = tuple(name.strip() for name in text.split(","))
    known = [block.name for axis in weight.axes for block in axis.blocks]
    if all(name in known for name in names):
        return _block_index(weight, names)
    entries = [_parse_entry(name) for name in (names[:-1] if len(names) > 1 and not names[-1] else names)]
    if None in entries:
        raise ValueError(unknown_name_message("block", text, known, f" of {weight.key!r}, and no index such as '0:3, :'"))
    return tuple(entries)


def _block_index(weight: Weight, names: tuple[str, ...]) -> Any:
    part = weight.select_blocks(*names)
    if sum(entry != slice(None) for entry in part.index) < len(set(names)):
        raise ValueError(f"{', '.join(names)} of {weight.key!r} lie along the same axis: give them one after the other.")
    return part.index


def _parse_entry(text: str) -> Any:
    """Parse one entry of an index; return None if it is not valid."""
    if text == "...":
        return ...
    if _NUMBER.fullmatch(text):
        return int(text)
    found = _SLICE.fullmatch(text)
    return slice(*(int(end) if end else None for end in found.groups())) if found else None


def _format_entry(entry: Any) -> str:
    if isinstance(entry, slice):
        ends = "" if entry.start is None else entry.start, "" if entry.stop is None else entry.stop
        return f"{ends[0]}:{ends[1]}" + ("" if entry.step is None else f":{entry.step}")
    if entry is ...:
        return "..."
    return f"entries {_format_array(np.asarray(entry))}" if _is_array(entry) else str(entry)


def _format_array(array: np.ndarray) -> str:
    return np.array2string(array.reshape(-1), threshold=6, edgeitems=2, separator=", ")
