"""Ctrl-C, which Python raises between any two lines: also in the middle of adding a record."""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports] - `signal` looks for names of handlers, which takes far longer
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


class DeferInterrupts:
    """Has Ctrl-C wait until this is done, so that nothing of ours is left half done; one that comes again does not wait.

    >>> with DeferInterrupts():
    ...     pass  # all of it
    """

    __slots__ = ("_num_interrupts", "_previous_handler")

    def __init__(self) -> None:
        self._previous_handler: Callable[[int, FrameType | None], Any] | None = None
        self._num_interrupts = 0

    def __enter__(self) -> None:
        before = _signal.getsignal(_signal.SIGINT)
        if threading.get_ident() == threading.main_thread().ident and callable(before):
            self._previous_handler = before
            _signal.signal(_signal.SIGINT, self._handle_interrupt)

    def _handle_interrupt(self, number: int, frame: FrameType | None) -> None:
        self._num_interrupts += 1
        if self._num_interrupts > 1 and self._previous_handler:
            self._previous_handler(number, frame)

    def __exit__(self, *error: object) -> None:
        if self._previous_handler:
            _signal.signal(_signal.SIGINT, self._previous_handler)
            if self._num_interrupts == 1:
                _signal.raise_signal(_signal.SIGINT)
