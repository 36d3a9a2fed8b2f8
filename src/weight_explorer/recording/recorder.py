"""Copies the weights of a model into the history, with their statistics and those of their changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import numpy as np

from weight_explorer.catalog.nodes import Catalog
from weight_explorer.recording.history import History, Step
from weight_explorer.recording.statistics import NO_CHANGE, UNKNOWN, summarize


class Recorder:
    """Makes records. Keeps the values of the start and of the last record, against which changes are measured.

    A weight whose three copies (start, last, now) do not fit the history's memory beside those of smaller weights gets
    statistics of its value only.
    """

    def __init__(self, history: History, read_values: Callable[[object], np.ndarray]) -> None:
        self.history = history
        self._read_values = read_values
        self._lock = threading.Lock()
        self._start: dict[str, np.ndarray] = {}
        self._last: dict[str, np.ndarray] = {}

    def moved_any(self, catalog: Catalog) -> bool:
        """Say whether any weight differs from the last record."""
        return any(self.differs(catalog, key) for key in catalog.variables)

    def record(self, catalog: Catalog, *, epoch: int, batch: int, kind: str) -> Step:
        """Read every weight once and add a record."""
        with self._lock:
            kept = self._affordable(catalog)
            tables, values = {}, {}
            for key, variable in catalog.variables.items():
                now = self._read_values(variable)
                if key in kept:
                    values[key] = now
                tables[key] = self._summaries(key, now, self._start.get(key, values.get(key)))
            self._start = {key: self._comparable(self._start, key, now) for key, now in values.items()}
            self._last = values
            return self.history.append(tables, values, epoch=epoch, batch=batch, kind=kind)

    def differs(self, catalog: Catalog, key: str) -> bool:
        """Say whether the model's weight differs, in any bit, from the last record."""
        last = self._last.get(key)
        if last is None:
            return key in self._affordable(catalog)
        now = self._read_values(catalog.variables[key])
        return now.shape != last.shape or now.dtype != last.dtype or now.tobytes() != last.tobytes()

    def _affordable(self, catalog: Catalog) -> set[str]:
        room = self.history.memory * 0.9
        kept = set()
        for key, weight in sorted(catalog.weights.items(), key=lambda item: item[1].size):
            room -= 3 * weight.size * _item_size(weight.dtype)
            if room < 0:
                break
            kept.add(key)
        return kept

    def _summaries(self, key: str, now: np.ndarray, start: np.ndarray | None) -> np.ndarray:
        return np.stack([summarize(now), _change(now, start), _change(now, self._last.get(key))])

    @staticmethod
    def _comparable(earlier: Mapping[str, np.ndarray], key: str, now: np.ndarray) -> np.ndarray:
        before = earlier.get(key)
        return before if before is not None and before.shape == now.shape else now


def _change(now: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    if before is now:
        return NO_CHANGE * now.size
    if before is None or before.shape != now.shape:
        return UNKNOWN
    return summarize(now, before)


def _item_size(dtype: str) -> int:
    digits = "".join(character for character in dtype.partition("_")[0] if character.isdigit())
    return max(int(digits or 8) // 8, 1)
