"""The head of the panel: the model on the left, where the training stands on the right. Carries the panel's own style."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import traitlets

from weight_explorer.pictures.assets import read_asset


class StatusWidget(anywidget.AnyWidget):
    """Shows title, phase and words, and takes orders to the training as messages `{"order": text}`.

    `commands` are those that can be given now; "stopping" among them says that one was. `num_answered` counts the choices that
    the kernel has answered: one that it does not answer is said to be waiting. `is_displayed` is set by the page once the panel
    is
    in it. To the message `{"reply": True}` the page replies, so that the kernel knows how messages of the page come.
    """

    _esm = read_asset("status.js")
    _css = read_asset("status.css")

    title = traitlets.Unicode().tag(sync=True)
    phase = traitlets.Unicode().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    num_answered = traitlets.Int().tag(sync=True)
    is_displayed = traitlets.Bool().tag(sync=True)
    commands = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, on_command: Callable[[str], None] = lambda _: None) -> None:
        super().__init__()
        self.on_command = on_command
        self.on_msg(self._receive)

    def _receive(self, _: Any, content: Any, __: Any) -> None:
        if isinstance(content, dict) and content.get("order") in self.commands:
            self.on_command(content["order"])

    def ask_for_reply(self) -> None:
        """Have the page send a message."""
        self.send({"reply": True})

    def show(self, *, title: str, phase: str, text: str, problem: str, commands: Sequence[str] = ()) -> None:
        """Bring the head up to date in one message."""
        with self.hold_sync():
            self.commands = list(commands)
            self.title, self.phase, self.text, self.problem = title, phase, text, problem
