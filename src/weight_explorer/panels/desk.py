"""The row of deeds: freeze, let go, set, initialize and undo, and what came of it in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from weight_explorer.panels.assets import asset
from weight_explorer.views.meant import DEEDS, Answer, Desk


class DeskPanel(anywidget.AnyWidget):
    """Takes deeds as messages `{"id": text, "deed": one of DEEDS, "target": text, "value": text}`.

    Messages, since of a trait that is set twice in a row only the last one arrives. The answer is in traits, so that every
    display and a page that is loaded anew show it: `said`, whether it `is_refused`, and in `answered` the id of its order.

    Attributes:
        is_open: Whether the row is shown.
        target: The identity of what is meant, which comes back with an order: a deed is done to what was on screen.
        meant: What is meant, in words.
        refusal: Why there are no deeds, or "".
        undo: What would be undone, or "".
        lab: "" where the weight has no initializers to choose from, "away", or "shown" where they are on screen.
        view: The view that is asked for.

    Args:
        ordered: Called with the message of an order, once for each.
    """

    _esm = asset("edit_toolbar.js")
    _css = asset("edit_toolbar.css")

    is_open = traitlets.Bool().tag(sync=True)
    target = traitlets.Unicode().tag(sync=True)
    meant = traitlets.Unicode().tag(sync=True)
    refusal = traitlets.Unicode().tag(sync=True)
    undo = traitlets.Unicode().tag(sync=True)
    lab = traitlets.Unicode().tag(sync=True)
    view = traitlets.Unicode().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)
    is_refused = traitlets.Bool().tag(sync=True)
    answered = traitlets.Unicode().tag(sync=True)

    def __init__(self, ordered: Callable[[dict[str, str]], None] = lambda _: None) -> None:
        super().__init__()
        self.ordered = ordered
        self._about = ("", "")
        self.on_msg(self._take)

    def _take(self, _: Any, content: Any, __: Any) -> None:
        if isinstance(content, dict) and content.get("deed") in DEEDS:
            self.ordered({name: str(content.get(name, "")) for name in ("id", "deed", "target", "value")})

    def show(self, desk: Desk, lab: str) -> None:
        """Bring the row up to date in one message, or in none where nothing changed.

        What was said is of what was meant then, so it goes with that.
        """
        about = desk.meant.key if desk.meant else "", desk.words
        with self.hold_sync():
            if about != self._about:
                self.said, self.is_refused, self._about = "", False, about
            self.target = desk.meant.identity if desk.meant else ""
            self.meant, self.refusal, self.undo = desk.words, desk.refusal, desk.possible.undo
            self.lab, self.view = lab, ""

    def answer(self, order: dict[str, str], answer: Answer) -> None:
        """Say what came of an order."""
        with self.hold_sync():
            self.said, self.is_refused, self.answered = answer.words, answer.is_refused, order["id"]
