"""Ctrl-C, which Python raises between any two lines: also in the middle of adding a record."""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports] - `signal` looks for names of handlers, which takes far longer
import contextlib
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Have Ctrl-C wait until this is done, so that nothing of ours is left half done; one that comes again does not wait."""
    before = _signal.getsignal(_signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    num_came = 0

    def came(number: int, frame: FrameType | None) -> None:
        nonlocal num_came
        num_came += 1
        if num_came > 1:
            before(number, frame)

    _signal.signal(_signal.SIGINT, came)
    try:
        yield
    finally:
        _signal.signal(_signal.SIGINT, before)
        if num_came == 1:
            _signal.raise_signal(_signal.SIGINT)
