"""Examines the training beside it, on a thread of its own, so that neither a callback nor a click waits for findings."""

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

# The share of the time that examining may take while a model trains.
MAX_TIME_SHARE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class DiagnosisInput:
    """What is to be examined: what the model holds, what was recorded of it, and what else is known of it."""

    catalog: Catalog
    history: History
    facts: ModelFacts

    @property
    def version(self) -> InputVersion:
        """What tells it from another."""
        return InputVersion(self.history.num_recorded, (self.catalog, self.facts, self.history.frozen_parts))

    @property
    def num_non_finite(self) -> int:
        """How many weights hold NaN or Inf since the newest change."""
        return int((self.history.last_change().rows[:, 0, NON_FINITE_FIELDS] > 0).any(axis=1).sum())

    def with_snapshot(self) -> DiagnosisInput:
        """Return it with the records that there are now, to which none is added."""
        return replace(self, history=self.history.snapshot())

    def diagnose(self) -> Findings:
        """Examine it now."""
        past = self.history.snapshot()
        return diagnose(self.catalog, past, self.facts)


@dataclass(frozen=True, slots=True, eq=False)
class InputVersion:
    """How many records there were, and the very objects that were asked besides."""

    num_recorded: int
    objects: tuple[object, ...]

    def is_same(self, other: InputVersion | None) -> bool:
        """Whether nothing is new."""
        if other is None or self.num_recorded != other.num_recorded:
            return False
        return all(mine is its for mine, its in zip(self.objects, other.objects, strict=True))


class DiagnosisWorker:
    """Keeps the latest findings, and has newer ones made when they are asked for. For any number of threads.

    A thread lives only as long as there is something to examine. It looks at the newest records there are when it begins:
    those that came between are not examined one by one, and what was examined is not examined again.

    Args:
        get_input: Gives what is to be examined, as it stands.
        on_error: Takes an error of a rule; must not raise.
        max_time_share: Of the time, how much examining may take where it is not to be done at once.
        clock: Tells seconds.

    Attributes:
        examined: Published with the seconds that it took, on the examiner's thread, when there are new findings to be seen.
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
        """The latest findings there are."""
        return self._latest

    def request(self, *, immediately: bool) -> None:
        """Have what is new examined: at once, or, so that a training keeps its time, only if it is time again.

        Where NaN or Inf came to a weight, that is at once as well: a training that broke is not to go on unnoticed.
        Returns at once in any case. Where it is not yet time, nothing is remembered: ask again.
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
        """Examine what there is now, on the caller's own thread; what was found is the latest from now on."""
        subject = self._get_input().with_snapshot()
        # Said first, also for where a rule fails: it would fail again.
        self._version, self._num_non_finite = subject.version, subject.num_non_finite
        numbers = subject.history.timeline.record_numbers
        found = DiagnosisResult(subject.diagnose(), int(numbers[-1]) if len(numbers) else None)
        with self._condition:  # another thread may have been faster with newer ones
            if self._latest.record_number is None or (found.record_number or 0) >= self._latest.record_number:
                self._latest = found
        return found.findings

    def wait(self, timeout: float) -> bool:
        """Wait until nothing is being examined; say whether that came to pass within so many seconds."""
        with self._condition:
            return self._condition.wait_for(lambda: self._thread is None, timeout)

    def close(self) -> None:
        """Examine no more; what is being examined now will not be shown."""
        with self._condition:
            self._is_closed = True

    # -- on its own thread -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        while self._take_request():
            began = self._clock()
            try:
                self.diagnose()
            except Exception as error:  # noqa: BLE001 - whatever it is, the user is to see it
                self._on_error(error)
            self._notify(began)

    def _take_request(self) -> bool:
        """Take the order, or end where there is none or nothing is new."""
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
