"""Runs the diagnosis on a background thread, so that neither callbacks nor clicks wait for findings."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter

from weight_explorer.catalog.schema import Catalog
from weight_explorer.diagnosis.findings import NO_DIAGNOSIS, DiagnosisResult, Findings
from weight_explorer.diagnosis.model_facts import ModelFacts
from weight_explorer.diagnosis.registry import diagnose
from weight_explorer.recording.events import Event
from weight_explorer.recording.history import History
from weight_explorer.recording.statistics.summary import NON_FINITE_FIELDS

# The maximum share of time for the diagnosis while a model trains.
MAX_TIME_SHARE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class DiagnosisInput:
    """The input of a diagnosis: the model catalog, the recorded history and other known facts about the model."""

    catalog: Catalog
    history: History
    facts: ModelFacts

    @property
    def version(self) -> InputVersion:
        """The version of this input, to compare it with another."""
        return InputVersion(self.history.num_recorded, (self.catalog, self.facts, self.history.frozen_parts))

    @property
    def num_non_finite(self) -> int:
        """The number of weights that contain NaN or Inf since the newest change."""
        return int((self.history.last_change().rows[:, 0, NON_FINITE_FIELDS] > 0).any(axis=1).sum())

    def with_snapshot(self) -> DiagnosisInput:
        """Return a copy with a snapshot of the current records, which does not grow."""
        return replace(self, history=self.history.snapshot())

    def diagnose(self) -> Findings:
        """Run the diagnosis now."""
        past = self.history.snapshot()
        return diagnose(self.catalog, past, self.facts)


@dataclass(frozen=True, slots=True, eq=False)
class InputVersion:
    """The number of records and the identity of the other input objects."""

    num_recorded: int
    objects: tuple[object, ...]

    def is_same(self, other: InputVersion | None) -> bool:
        """Return whether both versions describe the same input."""
        if other is None or self.num_recorded != other.num_recorded:
            return False
        return all(mine is its for mine, its in zip(self.objects, other.objects, strict=True))


class DiagnosisWorker:
    """Keeps the latest findings and updates them on request. Thread-safe.

    The worker thread runs only while there is something to examine. It starts with the newest records available. It skips
    intermediate records and never examines the same input twice.

    Args:
        get_input: Returns the current input of the diagnosis.
        on_error: Called with an error raised by a rule. It must not raise.
        max_time_share: The maximum share of time for the diagnosis, except for immediate requests.
        clock: Returns the time in seconds.

    Attributes:
        examined: An event that is published on the worker thread when new findings are available, with the duration in
            seconds.
    """

    def __init__(
        self,
        get_input: Callable[[], DiagnosisInput],
        *,
        on_error: Callable[[Exception], None],
        max_time_share: float = MAX_TIME_SHARE,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.examined = Event()
        self._get_input = get_input
        self._on_error = on_error
        self._max_time_share = max_time_share
        self._clock = clock
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_requested = self._is_closed = False
        self._latest = NO_DIAGNOSIS
        self._version: InputVersion | None = None
        self._num_non_finite = 0
        self._next_due = clock()

    @property
    def latest(self) -> DiagnosisResult:
        """The latest findings."""
        return self._latest

    def request(self, *, immediately: bool) -> None:
        """Request a diagnosis of new records.

        Without `immediately`, the diagnosis runs only if the next one is due, so that training is not slowed down. If a weight
        newly contains NaN or Inf, the diagnosis runs immediately in any case, so that a broken training is noticed. This
        method never blocks. A request that is not yet due is dropped, so request again later.
        """
        with self._condition:
            if self._is_closed:
                return
            subject = self._get_input()
            is_time = self._thread is None and self._clock() >= self._next_due
            if not (immediately or is_time or subject.num_non_finite > self._num_non_finite):
                return
            self._is_requested = True
            if self._thread is None and not subject.version.is_same(self._version):
                self._thread = threading.Thread(target=self._run, name="weight-explorer-examiner", daemon=True)
                self._thread.start()

    def diagnose(self) -> Findings:
        """Run the diagnosis on the calling thread. The result becomes the latest findings."""
        subject = self._get_input().with_snapshot()
        # Set first, also in case a rule fails, because it would fail again for the same input.
        self._version, self._num_non_finite = subject.version, subject.num_non_finite
        numbers = subject.history.timeline.record_numbers
        found = DiagnosisResult(subject.diagnose(), int(numbers[-1]) if len(numbers) else None)
        with self._condition:  # another thread may already have stored newer findings
            if self._latest.record_number is None or (found.record_number or 0) >= self._latest.record_number:
                self._latest = found
        return found.findings

    def wait(self, timeout: float) -> bool:
        """Wait until no diagnosis is running. Return whether this happened within `timeout` seconds."""
        with self._condition:
            return self._condition.wait_for(lambda: self._thread is None, timeout)

    def close(self) -> None:
        """Stop the worker. The results of a running diagnosis are not published."""
        with self._condition:
            self._is_closed = True

    # -- worker thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while self._take_request():
            began = self._clock()
            try:
                self.diagnose()
            except Exception as error:  # noqa: BLE001 - show any error to the user
                self._on_error(error)
            self._notify(began)

    def _take_request(self) -> bool:
        """Take the pending request. Return False and end the thread if there is none or nothing is new."""
        with self._condition:
            wanted, self._is_requested = self._is_requested and not self._is_closed, False
            if wanted and not self._get_input().version.is_same(self._version):
                return True
            self._thread = None
            self._condition.notify_all()
            return False

    def _notify(self, start: float) -> None:
        try:
            if not self._is_closed:
                self.examined.publish(self._clock() - start)
        except Exception as error:  # noqa: BLE001 - as above
            self._on_error(error)
        ended = self._clock()
        self._next_due = ended + (ended - start) * (1 / self._max_time_share - 1)
