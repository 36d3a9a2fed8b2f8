"""Statistics of slices of weights, such as one gate: from the values that are kept, and only when someone looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from weight_explorer.catalog.nodes import Index, index_text
from weight_explorer.recording.statistics import NO_CHANGE, UNKNOWN, summarize

# A row of this many slices is remembered: those that one goes back and forth between.
MOST_REMEMBERED = 16


class SliceStatistics:
    """Remembers the statistics of slices, so that while training goes on only the new record is summarized.

    For each record they are three rows as the history has them for whole weights: of the value, of the change since the
    first record that is kept, of the change since the record before. The last is unknown where that one is not kept.
    """

    def __init__(self) -> None:
        self._tables: dict[tuple[str, str], dict[int, np.ndarray]] = {}

    def tables(self, key: str, index: Index, kept: Sequence[tuple[int, np.ndarray]]) -> Mapping[int, np.ndarray]:
        """Return the rows of every record known, by number; `kept` are numbers and values of the whole weight, in order."""
        name = (key, index_text(index))
        known = self._tables.pop(name, {})
        self._tables[name] = known  # the newest stands last
        while len(self._tables) > MOST_REMEMBERED:
            self._tables.pop(next(iter(self._tables)))
        before: tuple[int, np.ndarray] | None = None
        for number, values in kept:
            if number not in known:
                earlier = before[1][index] if before and before[0] == number - 1 else None
                known[number] = _rows(values[index], kept[0][1][index], earlier, is_first=number == kept[0][0])
            before = (number, values)
        return known

    def forget(self, key: str) -> None:
        """Drop what is remembered of a weight, because another variable has taken its place."""
        for name in [name for name in self._tables if name[0] == key]:
            self._tables.pop(name)


def _rows(now: np.ndarray, start: np.ndarray, earlier: np.ndarray | None, *, is_first: bool) -> np.ndarray:
    since_start = NO_CHANGE * now.size if is_first else summarize(now, start)
    since_last = UNKNOWN if earlier is None else summarize(now, earlier)
    return np.stack([summarize(now), since_start, since_last])
