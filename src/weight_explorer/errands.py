"""What is asked for on screen besides a picture: files, and deeds. Taken as it arrives, done when nothing is held up by it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import RLock
from typing import Any, Protocol

from weight_explorer.catalog.nodes import Catalog
from weight_explorer.panels.desk import DeskPanel
from weight_explorer.panels.export import Exported
from weight_explorer.panels.save import SavePanel
from weight_explorer.recording.past import Past
from weight_explorer.source import Source
from weight_explorer.views.choice import Choice
from weight_explorer.views.lab import Trial, Wanted
from weight_explorer.views.meant import NOTHING_POSSIBLE, Answer, Order, Possible, meant_of

MOVED_ON = "By then another selection was on screen, so nothing was done. Look what is meant now, and ask again."


class Doing(Protocol):
    """Does the user's deeds."""

    @property
    def possible(self) -> Possible:
        """Which deeds there are now."""
        ...

    def trial(self, wanted: Wanted | None, *, may_draw: bool) -> Trial | None:
        """Return a sample of an initializer."""
        ...

    def do(self, order: Order) -> Answer:
        """Do what is ordered; never raises."""
        ...


class Files:
    """Files that were ordered.

    Args:
        touching: Held while a widget is written.
        exported: Makes the file of a format.
    """

    def __init__(self, touching: RLock, exported: Callable[[str], Exported]) -> None:  # type: ignore[valid-type]
        self._touching: Any = touching
        self._exported = exported
        self._orders: deque[dict[str, str]] = deque()

    def take(self, order: dict[str, str]) -> None:
        """Take an order."""
        self._orders.append(order)

    def deliver(self, panel: SavePanel) -> None:
        """Make what was ordered, of what is on screen now, and hand it to the panel."""
        while self._orders:
            order = self._orders.popleft()
            try:
                exported = self._exported(order["format"])
            except Exception as error:  # noqa: BLE001 - whatever it is, the user is to see it
                with self._touching:
                    panel.refuse(order, str(error))
            else:
                with self._touching:
                    panel.deliver(order, exported)


class AskedDeeds:
    """Deeds that were asked for, each with the choice that it is about.

    Args:
        touching: Held while a widget is written.
        source: Gives the catalog and the past.
        doing: Does them; None where there is no live model.
    """

    def __init__(self, touching: RLock, source: Source, doing: Doing | None) -> None:  # type: ignore[valid-type]
        self._touching: Any = touching
        self._source = source
        self._doing = doing
        self._asked: deque[tuple[dict[str, str], Choice]] = deque()
        self._answers: list[tuple[dict[str, str], Answer]] = []

    @property
    def possible(self) -> Possible:
        """Which deeds there are now."""
        return self._doing.possible if self._doing else NOTHING_POSSIBLE

    def trial(self, catalog: Catalog, past: Past, choice: Choice, *, may_draw: bool = True) -> Trial | None:
        """Return the sample that the choice asks for, if it asks for one."""
        if self._doing is None:
            return None
        meant = meant_of(catalog, past, choice)
        return self._doing.trial(meant.wanted if meant else None, may_draw=may_draw)

    def take(self, order: dict[str, str], choice: Choice) -> None:
        """Take a deed that is asked for."""
        self._asked.append((order, choice))

    def do(self) -> None:
        """Do what was asked for; the picture that is drawn next shows what it did."""
        while self._asked:
            order, choice = self._asked.popleft()
            self._answers.append((order, self._do(order, choice)))

    def answer(self, panel: DeskPanel) -> None:
        """Say in the panel what came of it, beside the picture that shows it."""
        while self._answers:
            with self._touching:
                panel.answer(*self._answers.pop(0))

    def _do(self, order: dict[str, str], choice: Choice) -> Answer:
        try:
            meant = meant_of(self._source.catalog, self._source.past.snapshot(), choice)
            if self._doing is None:
                return Answer(NOTHING_POSSIBLE.refusal, is_refused=True)
            if meant is None or meant.identity != order["target"]:
                return Answer(MOVED_ON, is_refused=True)
            return self._doing.do(Order(order["deed"], meant, order["value"]))
        except Exception as error:  # noqa: BLE001 - whatever it is, the user is to see it
            return Answer(str(error), is_refused=True)
