"""Statistics of slices of weights, such as one gate: computed from values that are kept, and only when someone looks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from weight_explorer.catalog.nodes import Index, index_text
from weight_explorer.recording.statistics import NO_CHANGE, UNKNOWN, summarize

# Slices whose rows a record remembers: the one that is looked at, and the one before, to go back to.
MOST_SLICES = 2
# Room that is set aside for them with every record that keeps values: a value, and a change against two others.
ROOM = MOST_SLICES * 3 * UNKNOWN.nbytes

_Name = tuple[str, str]


class SliceRows:
    """Rows that one record remembers of the slices looked at last, so that they are computed once.

    They live and die with the record's values. Two threads that look at once may both compute a row, and then it is the same.
    """

    def __init__(self) -> None:
        self._rows: dict[_Name, dict[int | None, np.ndarray]] = {}

    def row(self, key: str, index: Index, against: int | None, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the row of a slice and of the record it is compared with (None for the value itself)."""
        name = (key, index_text(index))
        rows = self._rows.get(name)
        if rows is None:
            rows = {}
            self._rows = dict([*self._rows.items(), (name, rows)][-MOST_SLICES:])
        found = rows.get(against)
        if found is None:
            found = rows[against] = compute()
        return found


def change(now: np.ndarray, before: np.ndarray, *, is_same: bool) -> np.ndarray:
    """Return the row of the change between two slices; `is_same` says that they are of one record."""
    return NO_CHANGE * now.size if is_same else summarize(now, before)
