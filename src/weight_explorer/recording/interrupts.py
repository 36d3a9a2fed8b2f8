"""Deferral of Ctrl-C, which Python can raise between any two lines, even while a record is being added."""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports] - `signal` looks up names of handlers, which takes far longer
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


class DeferInterrupts:
    """Defers Ctrl-C until the block has finished, so that the block is not left half done. A second Ctrl-C is not deferred.

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
