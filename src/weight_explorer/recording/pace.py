"""When the next record is due, so that recording costs no more than a given share of the training time."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import perf_counter

from weight_explorer.recording.status import RecordRate

# The browser gets at most ten updates a second, and one at least this often whatever it costs (both in seconds).
SHORTEST_PAUSE = 0.1
LONGEST_SILENCE = 2.0

# Seconds after the answer to a click, which shows the newest record too, that the page has to itself.
AFTER_ANSWER = 0.3

# Seconds that may be spent beyond the share, so that a small model has ten records and pictures in its first second, and the
# seconds of training after which they are paid back.
CREDIT = 0.1
REPAID_AFTER = 10.0

# Seconds of training of which a share is told.
SHORTEST_SHARED = 0.1

# Seconds of training in which records are counted before their number is told.
SHORTEST_COUNTED = 1.0

# Of the share, what small pictures of all weights may take for a page that has to answer clicks by itself, and seconds between
# two of them, at least: each may have more than a million bytes.
SKETCHING = 0.5
SHORTEST_SKETCH_PAUSE = 1.0


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
    """Decides when a record between two epochs is due and when a picture is, and adds up what both have cost.

    What they may cost is `max_overhead` of the time that the training itself takes, and before that `CREDIT`, so that the first
    second shows something; what was spent of it is saved again until `REPAID_AFTER`. With "auto" records and pictures together
    stay within it, those that are always made counted too, and what examining takes; with a fixed number of batches only the
    pictures do. What the next ones will cost is known from the last. Never by batch index: with `steps_per_execution` the
    index jumps.
    """

    def __init__(self, record_every: str | int, max_overhead: float, clock: Callable[[], float] = perf_counter) -> None:
        self.record_every = record_every
        # Batches between two records, where time does not decide.
        self._every = {"auto": None, "epoch": math.inf}.get(str(record_every), record_every)
        self.max_overhead = max_overhead
        self._clock = clock
        self._record_cost = self._picture_cost = 0.0
        self._answered = -AFTER_ANSWER
        self._sketch_due = clock()
        self.begin()

    def begin(self) -> None:
        """Start counting anew: a training begins."""
        self._began = self._recorded = self._clock()
        self._drawn = -LONGEST_SILENCE
        self._spent_on_records = self._spent_on_pictures = self._spent_beside = 0.0
        self._batches_since = 0
        self.num_records = 0
        self._rests_since: float | None = None

    def rest(self) -> None:
        """Stop the count of the training's time: it waits."""
        self._rests_since = self._clock()

    def go_on(self) -> None:
        """Count on: what it waited was no time of training."""
        if self._rests_since is not None:
            self._began += self._clock() - self._rests_since
            self._rests_since = None

    def is_due(self, num_batches: int) -> bool:
        """Note that so many more batches were trained and say whether a record is due."""
        self._batches_since += num_batches
        if self._every is not None:
            return self._batches_since >= self._every
        is_time = self._clock() >= self._recorded + SHORTEST_PAUSE
        return is_time and self._spent + self._record_cost + self._picture_cost <= self._budget

    @property
    def batches_left(self) -> float:
        """How many batches are to be trained before the next record; 0 where time decides."""
        return self._every - self._batches_since if self._every is not None else 0

    def may_draw(self) -> bool:
        """Say whether the browser can take another picture yet, and the training can afford it."""
        now = self._clock()
        if now - self._drawn < SHORTEST_PAUSE or now - self._answered < AFTER_ANSWER:
            return False
        spent = self._spent if self.record_every == "auto" else self._spent_on_pictures
        return spent + self._picture_cost <= self._budget or now - self._drawn >= LONGEST_SILENCE

    def recorded(self, seconds: float, *, num_records: int = 1) -> None:
        """Add the time that a record took, or the finding that there was nothing new to record."""
        self._spent_on_records += seconds
        self._record_cost = seconds
        self._recorded = self._clock()
        self._batches_since = 0
        self.num_records += num_records

    def drawn(self, seconds: float) -> None:
        """Add the time that a picture took."""
        self._spent_on_pictures += seconds
        self._picture_cost = seconds
        self._drawn = self._clock()

    def may_sketch(self) -> bool:
        """Say whether the training can afford small pictures of all weights; from one training to the next as well."""
        return self._clock() >= self._sketch_due

    def sketched(self, seconds: float) -> None:
        """Add the time that small pictures of all weights took."""
        self._spent_on_pictures += seconds
        self._sketch_due = self._clock() + max(SHORTEST_SKETCH_PAUSE, seconds / (SKETCHING * self.max_overhead))

    def answered(self) -> None:
        """Note that a click was answered, on its own thread and at the user's own cost: the next may come soon."""
        self._answered = self._clock()

    def spent_beside(self, seconds: float) -> None:
        """Add the time that another thread took: to examine, which has a pace of its own, or to find statistics."""
        self._spent_beside += seconds

    @property
    def _cost(self) -> float:
        return self._spent_on_records + self._spent_on_pictures

    @property
    def _spent(self) -> float:
        return self._cost + self._spent_beside

    @property
    def _trained(self) -> float:
        return self._elapsed - self._cost

    @property
    def _elapsed(self) -> float:
        now = self._clock() if self._rests_since is None else self._rests_since
        return now - self._began

    @property
    def _budget(self) -> float:
        trained = self._trained
        return self.max_overhead * trained + CREDIT * max(1 - trained / REPAID_AFTER, 0)

    @property
    def share(self) -> float | None:
        """What all of it has cost since `begin`, also beside the training, as a share of the time without that.

        None while that is too short for a share of it to mean anything.
        """
        return self._spent / self._trained if self._trained >= SHORTEST_SHARED else None

    @property
    def rate(self) -> RecordRate | None:
        """How many records were made since `begin`; None while the time is too short to mean anything."""
        seconds = self._elapsed
        return RecordRate(self.num_records, seconds) if seconds >= SHORTEST_COUNTED else None
