"""The head of the panel: the model on the left, where the training stands on the right. Carries the panel's own style."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import traitlets

from weight_explorer.panels.assets import asset


class StatusPanel(anywidget.AnyWidget):
    """Shows title, phase and words, and takes orders to the training as messages `{"order": text}`.

    `orders` are those that can be given now; "stopping" among them says that one was. `answered` counts the choices that the
    kernel has answered: one that it does not answer is said to be waiting. `seen` is set by the page once the panel is in it.
    To the message `{"reply": True}` the page replies, so that the kernel knows how messages of the page come.
    """

    _esm = asset("status.js")
    _css = asset("status.css")

    title = traitlets.Unicode().tag(sync=True)
    phase = traitlets.Unicode().tag(sync=True)
    words = traitlets.Unicode().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    answered = traitlets.Int().tag(sync=True)
    seen = traitlets.Bool().tag(sync=True)
    orders = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, ordered: Callable[[str], None] = lambda _: None) -> None:
        super().__init__()
        self.ordered = ordered
        self.on_msg(self._take)

    def _take(self, _: Any, content: Any, __: Any) -> None:
        if isinstance(content, dict) and content.get("order") in self.orders:
            self.ordered(content["order"])

    def ask_for_reply(self) -> None:
        """Have the page send a message."""
        self.send({"reply": True})

    def show(self, *, title: str, phase: str, words: str, problem: str, orders: Sequence[str] = ()) -> None:
        """Bring the head up to date in one message."""
        with self.hold_sync():
            self.orders = list(orders)
            self.title, self.phase, self.words, self.problem = title, phase, words, problem
