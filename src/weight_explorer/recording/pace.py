"""When the next record is due, so that recording costs no more than a given share of the training time."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

# The browser gets at most ten updates a second.
SHORTEST_PAUSE = 0.1


def check_pace(record_every: str | int, max_overhead: float) -> None:
    """Refuse what no pace can be made of.

    Raises:
        ValueError: The message says what came and what was expected.
    """
    is_count = isinstance(record_every, int) and not isinstance(record_every, bool) and record_every > 0
    if not is_count and record_every not in ("auto", "epoch"):
        raise ValueError(f'record_every={record_every!r} is unknown. Give "auto", "epoch" or a positive number of batches.')
    if not isinstance(max_overhead, (int, float)) or not 0 < max_overhead <= 1:
        raise ValueError(f"max_overhead={max_overhead!r} is no share. Give a number above 0 and at most 1, such as 0.02.")


class Pace:
    """Decides when a record between two epochs is due, and adds up what recording has cost.

    With "auto", the pause after a record is as many times as long as the record took as `max_overhead` asks for: after one of
    20 ms, at an overhead of 0.02, one second. Never by batch index: with `steps_per_execution` the index jumps.
    """

    def __init__(self, record_every: str | int, max_overhead: float, clock: Callable[[], float] = perf_counter) -> None:
        self.record_every = record_every
        self.max_overhead = max_overhead
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        """Start counting anew: a training begins."""
        self._began = self._recorded = self._clock()
        self._drawn = -SHORTEST_PAUSE
        self._pause = SHORTEST_PAUSE
        self._cost = 0.0
        self._batches_since = 0

    def is_due(self, num_batches: int) -> bool:
        """Note that so many more batches were trained and say whether a record is due."""
        self._batches_since += num_batches
        if self.record_every == "epoch":
            return False
        if self.record_every == "auto":
            return self._clock() >= self._recorded + self._pause
        return self._batches_since >= int(self.record_every)

    def may_draw(self) -> bool:
        """Say whether the browser can take another picture yet."""
        return self._clock() >= self._drawn + SHORTEST_PAUSE

    def drawn(self) -> None:
        """Note that the browser was sent a picture."""
        self._drawn = self._clock()

    def spent(self, seconds: float) -> None:
        """Add the time that a record took, its picture included; the pause to the next one follows from it."""
        self._cost += seconds
        self._recorded = self._clock()
        self._pause = max(SHORTEST_PAUSE, seconds / self.max_overhead)
        self._batches_since = 0

    @property
    def share(self) -> float:
        """What recording and drawing have cost since `begin`, as a share of the time without them."""
        training = self._clock() - self._began - self._cost
        return self._cost / training if training > 0 else 0.0
