"""Examines the training beside it, on a thread of its own, so that neither a callback nor a click waits for findings."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter

from weight_explorer.catalog.nodes import Catalog
from weight_explorer.diagnosis.facts import Facts
from weight_explorer.diagnosis.findings import NOT_EXAMINED, Examined, Findings
from weight_explorer.diagnosis.registry import findings_of
from weight_explorer.recording.events import Event
from weight_explorer.recording.past import Past
from weight_explorer.recording.statistics import NOT_FINITE

# The share of the time that examining may take while a model trains.
SHARE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What is to be examined: what the model holds, what was recorded of it, and what else is known of it."""

    catalog: Catalog
    past: Past
    facts: Facts

    @property
    def state(self) -> State:
        """What tells it from another."""
        return State(self.past.num_recorded, (self.catalog, self.facts, self.past.frozen))

    @property
    def num_broken(self) -> int:
        """How many weights hold NaN or Inf since the newest change."""
        return int((self.past.last_change().rows[:, 0, NOT_FINITE] > 0).any(axis=1).sum())

    def taken(self) -> Subject:
        """Return it with the records that there are now, to which none is added."""
        return replace(self, past=self.past.snapshot())

    def findings(self) -> Findings:
        """Examine it now."""
        past = self.past.snapshot()
        return findings_of(self.catalog, past, self.facts)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """How many records there were, and the very objects that were asked besides."""

    num_recorded: int
    parts: tuple[object, ...]

    def is_same(self, other: State | None) -> bool:
        """Whether nothing is new."""
        if other is None or self.num_recorded != other.num_recorded:
            return False
        return all(mine is its for mine, its in zip(self.parts, other.parts, strict=True))


class Examiner:
    """Keeps the latest findings, and has newer ones made when they are asked for. For any number of threads.

    A thread lives only as long as there is something to examine. It looks at the newest records there are when it begins:
    those that came between are not examined one by one, and what was examined is not examined again.

    Args:
        subject: Gives what is to be examined, as it stands.
        report: Takes an error of a rule; must not raise.
        share: Of the time, how much examining may take where it is not to be done at once.
        clock: Tells seconds.

    Attributes:
        examined: Published with the seconds that it took, on the examiner's thread, when there are new findings to be seen.
    """

    def __init__(
        self,
        subject: Callable[[], Subject],
        *,
        report: Callable[[Exception], None],
        share: float = SHARE,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.examined = Event()
        self._subject = subject
        self._report = report
        self._share = share
        self._clock = clock
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_wanted = self._is_closed = False
        self._latest = NOT_EXAMINED
        self._state: State | None = None
        self._num_broken = 0
        self._due = clock()

    @property
    def latest(self) -> Examined:
        """The latest findings there are."""
        return self._latest

    def ask(self, *, at_once: bool) -> None:
        """Have what is new examined: at once, or, so that a training keeps its time, only if it is time again.

        Where NaN or Inf came to a weight, that is at once as well: a training that broke is not to go on unnoticed.
        Returns at once in any case. Where it is not yet time, nothing is remembered: ask again.
        """
        with self._condition:
            if self._is_closed:
                return
            subject = self._subject()
            is_time = self._thread is None and self._clock() >= self._due
            if not (at_once or is_time or subject.num_broken > self._num_broken):
                return
            self._is_wanted = True
            if self._thread is None and not subject.state.is_same(self._state):
                self._thread = threading.Thread(target=self._run, name="weight-explorer-examiner", daemon=True)
                self._thread.start()

    def examine(self) -> Findings:
        """Examine what there is now, on the caller's own thread; what was found is the latest from now on."""
        subject = self._subject().taken()
        # Said first, also for where a rule fails: it would fail again.
        self._state, self._num_broken = subject.state, subject.num_broken
        numbers = subject.past.timeline.numbers
        found = Examined(subject.findings(), int(numbers[-1]) if len(numbers) else None)
        with self._condition:  # another thread may have been faster with newer ones
            if self._latest.number is None or (found.number or 0) >= self._latest.number:
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
        while self._goes_on():
            began = self._clock()
            try:
                self.examine()
            except Exception as error:  # noqa: BLE001 - whatever it is, the user is to see it
                self._report(error)
            self._tell(began)

    def _goes_on(self) -> bool:
        """Take the order, or end where there is none or nothing is new."""
        with self._condition:
            wanted, self._is_wanted = self._is_wanted and not self._is_closed, False
            if wanted and not self._subject().state.is_same(self._state):
                return True
            self._thread = None
            self._condition.notify_all()
            return False

    def _tell(self, began: float) -> None:
        try:
            if not self._is_closed:
                self.examined.publish(self._clock() - began)
        except Exception as error:  # noqa: BLE001 - as above
            self._report(error)
        ended = self._clock()
        self._due = ended + (ended - began) * (1 / self._share - 1)
