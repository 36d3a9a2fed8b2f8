"""Scheduling of records, so that recording takes at most a given share of the training time."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import perf_counter

from weight_explorer.recording.status import RecordRate

# The minimum and maximum seconds between two browser updates: at most ten per second, and one every two seconds at any cost.
MIN_UPDATE_INTERVAL = 0.1
MAX_UPDATE_INTERVAL = 2.0

# Seconds without drawing after a click is answered. The answer shows the newest record too.
QUIET_AFTER_CLICK = 0.3

# Extra seconds that may be spent beyond the allowed share, so that a small model gets ten records and pictures in its first
# second, and the seconds of training after which they are paid back.
INITIAL_BUDGET = 0.1
INITIAL_BUDGET_REPAID_AFTER = 10.0

# Minimum seconds of training before the overhead is reported.
MIN_SECONDS_FOR_OVERHEAD = 0.1

# Minimum seconds of training before the record rate is reported.
MIN_SECONDS_FOR_RATE = 1.0

# The fraction of the allowed overhead for previews of all weights, sent to a page that must answer clicks without the kernel,
# and the minimum seconds between two previews. Each may be larger than a million bytes.
PREVIEW_SHARE = 0.5
MIN_PREVIEW_INTERVAL = 1.0


def check_schedule_arguments(record_every: str | int, max_overhead: float) -> None:
    """Check the arguments of a schedule.

    Raises:
        ValueError: If an argument is invalid. The message says what was given and what was expected.
    """
    is_count = isinstance(record_every, int) and not isinstance(record_every, bool) and record_every > 0
    if not is_count and record_every not in ("auto", "epoch"):
        raise ValueError(f'record_every={record_every!r} is unknown. Give "auto", "epoch" or a positive number of batches.')
    if not isinstance(max_overhead, (int, float)) or not 0 < max_overhead <= 1:
        raise ValueError(f"max_overhead={max_overhead!r} is no share. Give a number above 0 and at most 1, such as 0.02.")


class RecordScheduler:
    """Decides when records within an epoch and pictures are due, and adds up the time they take.

    The budget is `max_overhead` of the time of the training itself, plus `INITIAL_BUDGET` seconds, so that the first second
    shows something. The initial budget is paid back by `INITIAL_BUDGET_REPAID_AFTER`. With "auto", the budget covers records
    and pictures together, including the records that are always made and the time for diagnosis. With a fixed number of
    batches, it covers only pictures. The last cost predicts the next one. Decisions never use the batch index, because it
    jumps with `steps_per_execution`.
    """

    def __init__(self, record_every: str | int, max_overhead: float, clock: Callable[[], float] = perf_counter) -> None:
        self.record_every = record_every
        # Batches between two records, or None if the time decides.
        self._record_interval = {"auto": None, "epoch": math.inf}.get(str(record_every), record_every)
        self.max_overhead = max_overhead
        self._clock = clock
        self._last_record_seconds = self._last_draw_seconds = 0.0
        self._last_click_time = -QUIET_AFTER_CLICK
        self._next_preview_time = clock()
        self.begin()

    def begin(self) -> None:
        """Reset all counters at the start of a training."""
        self._begin_time = self._last_record_time = self._clock()
        self._last_draw_time = -MAX_UPDATE_INTERVAL
        self._record_seconds = self._draw_seconds = self._background_seconds = 0.0
        self._batches_since_record = 0
        self.num_records = 0
        self._paused_since: float | None = None

    def pause_clock(self) -> None:
        """Stop the training clock, because the training is paused."""
        self._paused_since = self._clock()

    def resume_clock(self) -> None:
        """Restart the training clock. The pause does not count as training time."""
        if self._paused_since is not None:
            self._begin_time += self._clock() - self._paused_since
            self._paused_since = None

    def is_due(self, num_batches: int) -> bool:
        """Note that `num_batches` more batches were trained, and return whether a record is due."""
        self._batches_since_record += num_batches
        if self._record_interval is not None:
            return self._batches_since_record >= self._record_interval
        is_time = self._clock() >= self._last_record_time + MIN_UPDATE_INTERVAL
        return is_time and self._total_seconds + self._last_record_seconds + self._last_draw_seconds <= self._budget

    @property
    def batches_until_record(self) -> float:
        """The number of batches until the next record, or 0 if the time decides."""
        return self._record_interval - self._batches_since_record if self._record_interval is not None else 0

    def may_draw(self) -> bool:
        """Return whether the browser can receive another picture now and the budget allows it."""
        now = self._clock()
        if now - self._last_draw_time < MIN_UPDATE_INTERVAL or now - self._last_click_time < QUIET_AFTER_CLICK:
            return False
        spent = self._total_seconds if self.record_every == "auto" else self._draw_seconds
        return spent + self._last_draw_seconds <= self._budget or now - self._last_draw_time >= MAX_UPDATE_INTERVAL

    def note_record(self, seconds: float, *, num_records: int = 1) -> None:
        """Add the time of a record, or of a check that found nothing new to record."""
        self._record_seconds += seconds
        self._last_record_seconds = seconds
        self._last_record_time = self._clock()
        self._batches_since_record = 0
        self.num_records += num_records

    def note_drawing(self, seconds: float) -> None:
        """Add the time of a picture."""
        self._draw_seconds += seconds
        self._last_draw_seconds = seconds
        self._last_draw_time = self._clock()

    def may_send_previews(self) -> bool:
        """Return whether the budget allows previews of all weights. The limit also applies across trainings."""
        return self._clock() >= self._next_preview_time

    def note_previews(self, seconds: float) -> None:
        """Add the time of previews of all weights."""
        self._draw_seconds += seconds
        self._next_preview_time = self._clock() + max(MIN_PREVIEW_INTERVAL, seconds / (PREVIEW_SHARE * self.max_overhead))

    def note_click_answered(self) -> None:
        """Note that a click was answered on its own thread. Its time does not count, and another click may follow soon."""
        self._last_click_time = self._clock()

    def add_background_time(self, seconds: float) -> None:
        """Add the time that another thread took for diagnosis, which has its own time limit, or for statistics."""
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
        """The total cost since `begin`, including other threads, as a share of the training time without that cost.

        None while the training time is too short for a meaningful share.
        """
        return self._total_seconds / self._training_seconds if self._training_seconds >= MIN_SECONDS_FOR_OVERHEAD else None

    @property
    def record_rate(self) -> RecordRate | None:
        """The number of records since `begin` and the time they cover, or None while the time is too short to be meaningful."""
        seconds = self._elapsed_seconds
        return RecordRate(self.num_records, seconds) if seconds >= MIN_SECONDS_FOR_RATE else None
