"""Requests to a training: pause between two batches, resume, or stop. Independent of Keras."""

from __future__ import annotations

import threading

# The longest single wait in seconds. A wait must end regularly to notice Ctrl-C, which does not end a wait if it came just
# before it, and never does on Windows. It must also end to handle clicks if only the training thread can do that.
WAIT_SECONDS = 0.25


class TrainingControl:
    """Pauses or stops a training between two batches. Any thread can send requests; the training thread reads them.

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
        """The current request: "stop", "pause", or "" for none."""
        return "stop" if self._is_stopping else "pause" if self._is_pausing else ""

    @property
    def is_stopping(self) -> bool:
        """Whether the training should stop."""
        return self._is_stopping

    @property
    def should_wait(self) -> bool:
        """Whether the training should wait."""
        return self._is_pausing and not self._is_stopping

    def pause(self) -> None:
        """Pause the training at the end of the batch."""
        self._is_pausing = True

    def resume(self) -> None:
        """Resume the training."""
        self._is_pausing = False
        self.notify()

    def stop(self) -> None:
        """Stop the training at the end of the batch, or at once if it is paused."""
        self._is_stopping = True
        self.notify()

    def reset(self) -> None:
        """Clear all requests, because their training is over."""
        self._is_pausing = self._is_stopping = False

    def notify(self) -> None:
        """Wake up the waiting thread."""
        self._changed.set()

    def wait(self) -> None:
        """Wait for a notification, at most `WAIT_SECONDS`. On the main thread, Ctrl-C ends the wait."""
        self._changed.wait(WAIT_SECONDS)
        self._changed.clear()
