"""Ctrl-C, which Python raises between any two lines: also in the middle of adding a record."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Have Ctrl-C wait until this is done, so that nothing of ours is left half done; one that comes again does not wait."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    num_came = 0

    def came(number: int, frame: FrameType | None) -> None:
        nonlocal num_came
        num_came += 1
        if num_came > 1:
            before(number, frame)

    signal.signal(signal.SIGINT, came)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if num_came == 1:
            signal.raise_signal(signal.SIGINT)
