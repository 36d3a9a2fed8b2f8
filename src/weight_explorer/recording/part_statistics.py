"""Statistics that are computed from kept values when someone looks: of parts, such as one gate, and between two records."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from weight_explorer.catalog.schema import IndexTuple, format_index
from weight_explorer.recording.statistics.summary import UNKNOWN_ROW

# Slices whose rows a record remembers: the one that is looked at, and the one before, to go back to.
MAX_PARTS = 2
# Of each a value, and changes against three others.
MAX_ROWS = 4
# Room that is set aside for them with every record that keeps values.
RESERVED_BYTES = MAX_PARTS * MAX_ROWS * UNKNOWN_ROW.nbytes

_PartKey = tuple[str, str]


class PartStatisticsCache:
    """Rows that one record remembers of the slices looked at last, so that they are computed once.

    They live and die with the record's values. Two threads that look at once may both compute a row, and then it is the same.
    """

    def __init__(self) -> None:
        self._rows: dict[_PartKey, dict[int | None, np.ndarray]] = {}

    def get_or_compute(self, key: str, index: IndexTuple, against: int | None, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the row of a slice and of the record it is compared with (None for the value itself)."""
        name = (key, format_index(index))
        rows = self._rows.get(name)
        if rows is None:
            rows = {}
            self._rows = dict([*self._rows.items(), (name, rows)][-MAX_PARTS:])
        found = rows.get(against)
        if found is None:
            found = rows[against] = compute()
            if len(rows) > MAX_ROWS:
                rows.pop(next(iter(rows)), None)
        return found
