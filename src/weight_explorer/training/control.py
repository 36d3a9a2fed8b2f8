"""What is asked of a training by others: to wait between two batches, to go on, or to end. Knows nothing of Keras."""

from __future__ import annotations

import threading

# Seconds after which a wait looks up: for Ctrl-C, which does not end it where it came just before, and on Windows never; and
# for clicks, where only the training's own thread can take them.
WAIT_SECONDS = 0.25


class TrainingControl:
    """Holds a training between two batches. Others pull it, from any thread; the training asks it, on its own.

    >>> brake = TrainingControl()
    >>> brake.pause()
    >>> brake.request, brake.should_wait
    ('pause', True)
    >>> brake.stop()  # who is to end must not wait
    >>> brake.request, brake.should_wait
    ('stop', False)
    """

    def __init__(self) -> None:
        self._is_pausing = self._is_stopping = False
        self._changed = threading.Event()

    @property
    def request(self) -> str:
        """What is asked for: "stop", "pause", or "" for nothing."""
        return "stop" if self._is_stopping else "pause" if self._is_pausing else ""

    @property
    def is_stopping(self) -> bool:
        """Whether the training is to end."""
        return self._is_stopping

    @property
    def should_wait(self) -> bool:
        """Whether the training is to wait."""
        return self._is_pausing and not self._is_stopping

    def pause(self) -> None:
        """Have the training wait at the end of the batch."""
        self._is_pausing = True

    def resume(self) -> None:
        """Have it go on."""
        self._is_pausing = False
        self.notify()

    def stop(self) -> None:
        """Have it end with the batch; if it waits, now."""
        self._is_stopping = True
        self.notify()

    def reset(self) -> None:
        """Forget what was asked: the training that it was asked of is over."""
        self._is_pausing = self._is_stopping = False

    def notify(self) -> None:
        """Have who waits look what is new."""
        self._changed.set()

    def wait(self) -> None:
        """Wait until there is something new, but no longer than `WAIT_SECONDS`; on the main thread Ctrl-C ends it."""
        self._changed.wait(WAIT_SECONDS)
        self._changed.clear()
