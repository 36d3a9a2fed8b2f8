"""When the next record is due, so that recording costs no more than a given share of the training time."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import perf_counter

from weight_explorer.recording.status import RecordRate

# The browser gets at most ten updates a second, and one at least this often whatever it costs (both in seconds).
MIN_UPDATE_INTERVAL = 0.1
MAX_UPDATE_INTERVAL = 2.0

# Seconds after the answer to a click, which shows the newest record too, that the page has to itself.
QUIET_AFTER_CLICK = 0.3

# Seconds that may be spent beyond the share, so that a small model has ten records and pictures in its first second, and the
# seconds of training after which they are paid back.
INITIAL_BUDGET = 0.1
INITIAL_BUDGET_REPAID_AFTER = 10.0

# Seconds of training of which a share is told.
MIN_SECONDS_FOR_OVERHEAD = 0.1

# Seconds of training in which records are counted before their number is told.
MIN_SECONDS_FOR_RATE = 1.0

# Of the share, what small pictures of all weights may take for a page that has to answer clicks by itself, and seconds between
# two of them, at least: each may have more than a million bytes.
PREVIEW_SHARE = 0.5
MIN_PREVIEW_INTERVAL = 1.0


def check_schedule_arguments(record_every: str | int, max_overhead: float) -> None:
    """Refuse what no pace can be made of.

    Raises:
        ValueError: The message says what came and what was expected.
    """
    is_count = isinstance(record_every, int) and not isinstance(record_every, bool) and record_every > 0
    if not is_count and record_every not in ("auto", "epoch"):
        raise ValueError(f'record_every={record_every!r} is unknown. Give "auto", "epoch" or a positive number of batches.')
    if not isinstance(max_overhead, (int, float)) or not 0 < max_overhead <= 1:
        raise ValueError(f"max_overhead={max_overhead!r} is no share. Give a number above 0 and at most 1, such as 0.02.")


class RecordScheduler:
    """Decides when a record between two epochs is due and when a picture is, and adds up what both have cost.

    What they may cost is `max_overhead` of the time that the training itself takes, and before that `INITIAL_BUDGET`, so that
    the first second shows something; what was spent of it is saved again until `INITIAL_BUDGET_REPAID_AFTER`. With "auto"
    records and
    pictures together stay within it, those that are always made counted too, and what examining takes; with a fixed number of
    batches only the
    pictures do. What the next ones will cost is known from the last. Never by batch index: with `steps_per_execution` the
    index jumps.
    """

    def __init__(self, record_every: str | int, max_overhead: float, clock: Callable[[], float] = perf_counter) -> None:
        self.record_every = record_every
        # Batches between two records, where time does not decide.
        self._record_interval = {"auto": None, "epoch": math.inf}.get(str(record_every), record_every)
        self.max_overhead = max_overhead
        self._clock = clock
        self._last_record_seconds = self._last_draw_seconds = 0.0
        self._last_click_time = -QUIET_AFTER_CLICK
        self._next_preview_time = clock()
        self.begin()

    def begin(self) -> None:
        """Start counting anew: a training begins."""
        self._begin_time = self._last_record_time = self._clock()
        self._last_draw_time = -MAX_UPDATE_INTERVAL
        self._record_seconds = self._draw_seconds = self._background_seconds = 0.0
        self._batches_since_record = 0
        self.num_records = 0
        self._paused_since: float | None = None

    def pause_clock(self) -> None:
        """Stop the count of the training's time: it waits."""
        self._paused_since = self._clock()

    def resume_clock(self) -> None:
        """Count on: what it waited was no time of training."""
        if self._paused_since is not None:
            self._begin_time += self._clock() - self._paused_since
            self._paused_since = None

    def is_due(self, num_batches: int) -> bool:
        """Note that so many more batches were trained and say whether a record is due."""
        self._batches_since_record += num_batches
        if self._record_interval is not None:
            return self._batches_since_record >= self._record_interval
        is_time = self._clock() >= self._last_record_time + MIN_UPDATE_INTERVAL
        return is_time and self._total_seconds + self._last_record_seconds + self._last_draw_seconds <= self._budget

    @property
    def batches_until_record(self) -> float:
        """How many batches are to be trained before the next record; 0 where time decides."""
        return self._record_interval - self._batches_since_record if self._record_interval is not None else 0

    def may_draw(self) -> bool:
        """Say whether the browser can take another picture yet, and the training can afford it."""
        now = self._clock()
        if now - self._last_draw_time < MIN_UPDATE_INTERVAL or now - self._last_click_time < QUIET_AFTER_CLICK:
            return False
        spent = self._total_seconds if self.record_every == "auto" else self._draw_seconds
        return spent + self._last_draw_seconds <= self._budget or now - self._last_draw_time >= MAX_UPDATE_INTERVAL

    def note_record(self, seconds: float, *, num_records: int = 1) -> None:
        """Add the time that a record took, or the finding that there was nothing new to record."""
        self._record_seconds += seconds
        self._last_record_seconds = seconds
        self._last_record_time = self._clock()
        self._batches_since_record = 0
        self.num_records += num_records

    def note_drawing(self, seconds: float) -> None:
        """Add the time that a picture took."""
        self._draw_seconds += seconds
        self._last_draw_seconds = seconds
        self._last_draw_time = self._clock()

    def may_send_previews(self) -> bool:
        """Say whether the training can afford small pictures of all weights; from one training to the next as well."""
        return self._clock() >= self._next_preview_time

    def note_previews(self, seconds: float) -> None:
        """Add the time that small pictures of all weights took."""
        self._draw_seconds += seconds
        self._next_preview_time = self._clock() + max(MIN_PREVIEW_INTERVAL, seconds / (PREVIEW_SHARE * self.max_overhead))

    def note_click_answered(self) -> None:
        """Note that a click was answered, on its own thread and at the user's own cost: the next may come soon."""
        self._last_click_time = self._clock()

    def add_background_time(self, seconds: float) -> None:
        """Add the time that another thread took: to examine, which has a pace of its own, or to find statistics."""
        self._background_seconds += seconds

    @property
    def _foreground_seconds(self) -> float:
        return self._record_seconds + self._draw_seconds

    @property
    def _total_seconds(self) -> float:
        return self._foreground_seconds + self._background_seconds

    @property
    def _training_seconds(self) -> float:
        return self._elapsed_seconds - self._foreground_seconds

    @property
    def _elapsed_seconds(self) -> float:
        now = self._clock() if self._paused_since is None else self._paused_since
        return now - self._begin_time

    @property
    def _budget(self) -> float:
        trained = self._training_seconds
        return self.max_overhead * trained + INITIAL_BUDGET * max(1 - trained / INITIAL_BUDGET_REPAID_AFTER, 0)

    @property
    def overhead(self) -> float | None:
        """What all of it has cost since `begin`, also beside the training, as a share of the time without that.

        None while that is too short for a share of it to mean anything.
        """
        return self._total_seconds / self._training_seconds if self._training_seconds >= MIN_SECONDS_FOR_OVERHEAD else None

    @property
    def record_rate(self) -> RecordRate | None:
        """How many records were made since `begin`; None while the time is too short to mean anything."""
        seconds = self._elapsed_seconds
        return RecordRate(self.num_records, seconds) if seconds >= MIN_SECONDS_FOR_RATE else None
