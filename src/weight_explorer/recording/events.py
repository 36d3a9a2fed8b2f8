"""Events: lower-level modules publish what happened, and higher-level modules subscribe, so the former need not import them."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import MethodType
from typing import Any

Handler = Callable[..., object]


class Event:
    """A recurring event that calls its handlers each time it is published.

    Handlers are called in subscription order, on the thread that publishes. If a handler raises an error, it propagates to the
    publisher, and the remaining handlers are skipped. A subscribed method does not keep its object alive.

    >>> saved = Event()
    >>> saved.subscribe(lambda path: print("saved", path))
    >>> saved.publish("run.h5")
    saved run.h5
    """

    __slots__ = ("__weakref__", "_references")

    def __init__(self) -> None:
        self._references: tuple[Callable[[], Handler | None], ...] = ()

    def subscribe(self, *handlers: Handler) -> None:
        """Call these handlers, in this order, whenever the event is published."""
        self._references += tuple(map(_reference_to, handlers))

    def publish(self, *details: Any) -> None:
        """Call the handlers with the details of what happened."""
        for reference in self._references:
            handler = reference()
            if handler is not None:
                handler(*details)


def _reference_to(handler: Handler) -> Callable[[], Handler | None]:
    return weakref.WeakMethod(handler) if isinstance(handler, MethodType) else lambda: handler
