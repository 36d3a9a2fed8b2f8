"""Copies the weights of a model into the history, with their statistics and those of their changes."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

import numpy as np

from weight_explorer.catalog.nodes import Catalog
from weight_explorer.recording.history import QUANTITIES, History, Step
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
        self._variables: dict[str, weakref.ref[object]] = {}
        self._start: dict[str, np.ndarray] = {}
        self._last: dict[str, np.ndarray] = {}

    def moved_any(self, catalog: Catalog) -> bool:
        """Say whether any weight differs from the last record."""
        return any(self.differs(catalog, key) for key in catalog.variables)

    def record(self, catalog: Catalog, *, epoch: int, batch: int, kind: str) -> Step:
        """Read every weight once and add a record."""
        with self._lock:
            self._forget_replaced(catalog)
            kept = self._affordable(catalog)
            tables: dict[str, np.ndarray] = {}
            values: dict[str, np.ndarray] = {}
            for key, variable in catalog.variables.items():
                now = self._read_values(variable)
                if key in kept:
                    values[key] = now
                tables[key] = self._summaries(key, now, self._start.get(key, values.get(key)))
            step = self.history.append(tables, values, epoch=epoch, batch=batch, kind=kind)
            self._start = {key: self._start.get(key, now) for key, now in values.items()}
            self._last = values
            return step

    def differs(self, catalog: Catalog, key: str) -> bool:
        """Say whether the model's weight differs, in any bit, from the last record."""
        last = self._last.get(key)
        if last is None:
            return key in self._affordable(catalog)
        now = self._read_values(catalog.variables[key])
        if now.shape != last.shape or now.dtype != last.dtype:
            return True
        bits = np.dtype(f"u{now.itemsize}")  # as bits, in which NaN equals NaN
        return not np.array_equal(now.reshape(-1).view(bits), last.reshape(-1).view(bits))

    def _affordable(self, catalog: Catalog) -> set[str]:
        # Beside the values stand the statistics, of which at least three records are always kept.
        room = self.history.memory * 0.9 - 3 * len(catalog.weights) * len(QUANTITIES) * UNKNOWN.nbytes
        kept = set()
        for key, weight in sorted(catalog.weights.items(), key=lambda item: item[1].size):
            room -= 3 * weight.size * _item_size(weight.dtype)
            if room < 0:
                break
            kept.add(key)
        return kept

    def _summaries(self, key: str, now: np.ndarray, start: np.ndarray | None) -> np.ndarray:
        return np.stack([summarize(now), _change(now, start), _change(now, self._last.get(key))])

    def _forget_replaced(self, catalog: Catalog) -> None:
        """Start anew with weights whose variable is another one, or of another shape or type, than when last recorded."""
        for key, weight in catalog.weights.items():
            before = self._last.get(key)
            changed = before is not None and (before.shape != weight.shape or str(before.dtype) != weight.dtype)
            known = self._variables.get(key)
            if changed or (known is not None and known() is not catalog.variables[key]):
                self._start.pop(key, None)
                self._last.pop(key, None)
                self.history.forget(key)
        self._variables |= {key: weakref.ref(variable) for key, variable in catalog.variables.items()}


def _change(now: np.ndarray, before: np.ndarray | None) -> np.ndarray:
    if before is now:
        return NO_CHANGE * now.size
    if before is None:
        return UNKNOWN
    return summarize(now, before)


def _item_size(dtype: str) -> int:
    digits = "".join(character for character in dtype.partition("_")[0] if character.isdigit())
    return max(int(digits or 8) // 8, 1)
