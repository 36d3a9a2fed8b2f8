"""Which elements of a weight are meant: by an index, a mask, the name of a block, or all of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from weight_explorer.catalog.elements import Elements
from weight_explorer.catalog.names import refusal
from weight_explorer.catalog.nodes import Weight

# One entry of an index as text: a number, a slice, or what stands for all axes between.
_NUMBER = re.compile(r"[+-]?\d+")
_SLICE = re.compile(r"([+-]?\d*):([+-]?\d*)(?::([+-]?\d*))?")


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Elements of a weight: what NumPy is to be indexed with, the same as a mask of the weight's shape, and in words."""

    index: Any
    mask: np.ndarray
    words: str

    @property
    def is_mask(self) -> bool:
        """Whether a mask was given."""
        return isinstance(self.index, np.ndarray) and self.index.dtype.kind == "b"

    @property
    def count(self) -> int:
        """Number of elements."""
        return int(np.count_nonzero(self.mask))


def choose(weight: Weight, where: Any = None) -> Chosen:
    """Find the elements that are meant.

    Args:
        weight: The weight, a whole one.
        where: None for all; an index of NumPy, `np.s_[0:3, :]`, or the same as text, "0:3, :"; a boolean mask of the weight's
            shape; a block by its name, "forget gate", or several as a tuple; or elements that were picked out of it, such as
            `explorer.selection`.

    Raises:
        ValueError: It chooses nothing, or does not fit the weight; the message says what was expected.

    >>> from weight_explorer.catalog.nodes import Axis
    >>> axes = Axis("input_dim", 3), Axis("units", 4)
    >>> weight = Weight("dense/kernel", "kernel", "kernel", "dense", (3, 4), "float32", axes)
    >>> choose(weight, "0:2, 1").mask.astype(int).tolist()
    [[0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    """
    index, words = _index_of(weight, where)
    mask = np.zeros(weight.shape, bool)
    try:
        mask[index] = True
    except (IndexError, TypeError) as error:
        raise ValueError(f"{words} does not fit {weight.key!r}, whose shape is {weight.shape}: {error}.") from None
    if not mask.any():
        raise ValueError(f"{words} chooses no element of {weight.key!r}, whose shape is {weight.shape}.")
    return Chosen(index, mask, words)


def _index_of(weight: Weight, where: Any) -> tuple[Any, str]:
    """Return what NumPy is to be indexed with, and how it is said."""
    if where is None:
        return (), "all"
    if isinstance(where, Elements):
        return _index_picked(weight, where), where.words
    if isinstance(where, str):
        return _index_named(weight, where), where
    if isinstance(where, tuple) and where and all(isinstance(name, str) for name in where):
        return _blocks(weight, where), ", ".join(where)
    if _is_array(where):
        return _index_array(weight, np.asarray(where))
    entries = where if isinstance(where, tuple) else (where,)
    return where, ", ".join(_text(entry) for entry in entries) or "all"


def _is_array(where: Any) -> bool:
    return isinstance(where, (list, bool, np.bool_)) or hasattr(where, "__array__")


def _index_array(weight: Weight, array: np.ndarray) -> tuple[Any, str]:
    if array.dtype != bool:
        return array, f"entries {_short(array)}" if array.ndim else str(array)
    if array.shape != weight.shape:
        raise ValueError(f"The mask has the shape {array.shape}, and {weight.key!r} has {weight.shape}: they must be the same.")
    return array, f"a mask of {np.count_nonzero(array)}"


def _index_picked(weight: Weight, where: Elements) -> np.ndarray:
    if where.key != weight.key:
        raise ValueError(
            f"The selection is of {where.key!r}, and {weight.key!r} was asked for. "
            f"Select in that weight's matrix, or ask for {where.key!r}."
        )
    return _index_array(weight, where.mask)[0]


def _index_named(weight: Weight, text: str) -> Any:
    """Read a text: the name of a block, or several, or an index as in Python."""
    names = tuple(name.strip() for name in text.split(","))
    known = [block.name for axis in weight.axes for block in axis.blocks]
    if all(name in known for name in names):
        return _blocks(weight, names)
    entries = [_entry(name) for name in (names[:-1] if len(names) > 1 and not names[-1] else names)]
    if None in entries:
        raise ValueError(refusal("block", text, known, f" of {weight.key!r}, and no index such as '0:3, :'"))
    return tuple(entries)


def _blocks(weight: Weight, names: tuple[str, ...]) -> Any:
    part = weight.part(*names)
    if sum(entry != slice(None) for entry in part.index) < len(set(names)):
        raise ValueError(f"{', '.join(names)} of {weight.key!r} lie along the same axis: give them one after the other.")
    return part.index


def _entry(text: str) -> Any:
    """Read one entry of an index, or return None where it is none."""
    if text == "...":
        return ...
    if _NUMBER.fullmatch(text):
        return int(text)
    found = _SLICE.fullmatch(text)
    return slice(*(int(end) if end else None for end in found.groups())) if found else None


def _text(entry: Any) -> str:
    if isinstance(entry, slice):
        ends = "" if entry.start is None else entry.start, "" if entry.stop is None else entry.stop
        return f"{ends[0]}:{ends[1]}" + ("" if entry.step is None else f":{entry.step}")
    if entry is ...:
        return "..."
    return f"entries {_short(np.asarray(entry))}" if _is_array(entry) else str(entry)


def _short(array: np.ndarray) -> str:
    return np.array2string(array.reshape(-1), threshold=6, edgeitems=2, separator=", ")
