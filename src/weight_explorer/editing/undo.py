"""Undo edits: keep the previous values of edited elements, as far as memory allows."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """One edit: its description, the weight, and the previous values of the elements that it changed.

    `indices` are the flat indexes of these elements; None for all.
    """

    description: str
    key: str
    variable: weakref.ref[Any]
    indices: np.ndarray | None
    old_values: np.ndarray

    @classmethod
    def create(cls, description: str, key: str, variable: Any, before: np.ndarray, mask: np.ndarray) -> Edit:
        """Create an edit that keeps the current values of the elements in a mask."""
        places = None if mask.all() else np.flatnonzero(mask)
        flat = before.reshape(-1)
        return cls(description, key, weakref.ref(variable), places, flat.copy() if places is None else flat[places])

    @property
    def nbytes(self) -> int:
        """Bytes used by the edit."""
        return self.old_values.nbytes + (0 if self.indices is None else self.indices.nbytes)

    def restored(self, current: np.ndarray) -> np.ndarray:
        """Return a copy of the weight with the previous values of these elements."""
        values = np.array(current)
        values.reshape(-1)[slice(None) if self.indices is None else self.indices] = self.old_values
        return values


class UndoStack:
    """The edits that can be undone, latest first. Beyond `memory` bytes the oldest are dropped, but never the latest."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self._edits: list[Edit] = []

    def __len__(self) -> int:
        return len(self._edits)

    @property
    def nbytes(self) -> int:
        """Bytes used by all edits."""
        return sum(edit.nbytes for edit in self._edits)

    @property
    def latest_description(self) -> str:
        """The description of the latest edit, or ""."""
        return self._edits[-1].description if self._edits else ""

    def push(self, edit: Edit) -> None:
        """Add an edit."""
        self._edits.append(edit)
        while len(self._edits) > 1 and self.nbytes > self.memory:
            del self._edits[0]

    def pop(self) -> Edit:
        """Remove and return the latest edit.

        Raises:
            ValueError: The stack is empty.
        """
        if not self._edits:
            raise ValueError("There is no edit to undo: explorer.assign and explorer.reinitialize make them.")
        return self._edits.pop()
