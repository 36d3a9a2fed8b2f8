"""Statistics that are computed from kept values when someone looks: of parts, such as one gate, and between two records."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from weight_explorer.catalog.nodes import Index, index_text
from weight_explorer.recording.statistics import UNKNOWN

# Slices whose rows a record remembers: the one that is looked at, and the one before, to go back to.
MOST_SLICES = 2
# Of each a value, and changes against three others.
MOST_ROWS = 4
# Room that is set aside for them with every record that keeps values.
ROOM = MOST_SLICES * MOST_ROWS * UNKNOWN.nbytes

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
            if len(rows) > MOST_ROWS:
                rows.pop(next(iter(rows)), None)
        return found
