"""A cache for statistics that are computed from kept values on demand: of parts, such as one gate, or between two records."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from weight_explorer.catalog.schema import IndexTuple, format_index
from weight_explorer.recording.statistics.summary import UNKNOWN_ROW

# The number of parts whose rows are cached per record: the current one and the previous one.
MAX_PARTS = 2
# The number of rows cached per part: the value, and changes against three other records.
MAX_ROWS = 4
# Memory reserved for the cache in every record that keeps values.
RESERVED_BYTES = MAX_PARTS * MAX_ROWS * UNKNOWN_ROW.nbytes

_PartKey = tuple[str, str]


class PartStatisticsCache:
    """Caches the statistics of the most recently viewed parts at one record, so that they are computed only once.

    The cache is dropped together with the record's values. Two threads may compute the same row at the same time, with the same
    result.
    """

    def __init__(self) -> None:
        self._rows: dict[_PartKey, dict[int | None, np.ndarray]] = {}

    def get_or_compute(self, key: str, index: IndexTuple, against: int | None, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the row of a part, compared with the record `against` (None for the value itself)."""
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
