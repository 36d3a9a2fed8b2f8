"""The row of deeds: freeze, let go, set, initialize and undo, and what came of it in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from weight_explorer.panel.edit_commands import EDITS, CommandResult, EditToolbar
from weight_explorer.pictures.assets import read_asset


class EditToolbarWidget(anywidget.AnyWidget):
    """Takes deeds as messages `{"id": text, "deed": one of EDITS, "target": text, "value": text}`.

    Messages, since of a trait that is set twice in a row only the last one arrives. The answer is in traits, so that every
    display and a page that is loaded anew show it: `result`, whether it `is_refused`, and in `answered_id` the id of its order.

    Attributes:
        is_open: Whether the row is shown.
        target: The identity of what is meant, which comes back with an order: a deed is done to what was on screen.
        target_text: What is meant, in words.
        refusal: Why there are no deeds, or "".
        undo: What would be undone, or "".
        initializer_view: "" where the weight has no initializers to choose from, "away", or "shown" where they are on screen.
        view: The view that is asked for.

    Args:
        on_command: Called with the message of an order, once for each.
    """

    _esm = read_asset("edit_toolbar.js")
    _css = read_asset("edit_toolbar.css")

    is_open = traitlets.Bool().tag(sync=True)
    target = traitlets.Unicode().tag(sync=True)
    target_text = traitlets.Unicode().tag(sync=True)
    refusal = traitlets.Unicode().tag(sync=True)
    undo = traitlets.Unicode().tag(sync=True)
    initializer_view = traitlets.Unicode().tag(sync=True)
    view = traitlets.Unicode().tag(sync=True)
    result = traitlets.Unicode().tag(sync=True)
    is_refused = traitlets.Bool().tag(sync=True)
    answered_id = traitlets.Unicode().tag(sync=True)

    def __init__(self, on_command: Callable[[dict[str, str]], None] = lambda _: None) -> None:
        super().__init__()
        self.on_command = on_command
        self._last_target = ("", "")
        self.on_msg(self._receive)

    def _receive(self, _: Any, content: Any, __: Any) -> None:
        if isinstance(content, dict) and content.get("deed") in EDITS:
            self.on_command({name: str(content.get(name, "")) for name in ("id", "deed", "target", "value")})

    def show(self, toolbar: EditToolbar, initializer_view: str) -> None:
        """Bring the row up to date in one message, or in none where nothing changed.

        What was said is of what was meant then, so it goes with that.
        """
        about = toolbar.target.key if toolbar.target else "", toolbar.text
        with self.hold_sync():
            if about != self._last_target:
                self.result, self.is_refused, self._last_target = "", False, about
            self.target = toolbar.target.identity if toolbar.target else ""
            self.target_text, self.refusal, self.undo = toolbar.text, toolbar.refusal, toolbar.availability.undo
            self.initializer_view, self.view = initializer_view, ""

    def show_result(self, command: dict[str, str], result: CommandResult) -> None:
        """Say what came of an order."""
        with self.hold_sync():
            self.result, self.is_refused, self.answered_id = result.text, result.is_refused, command["id"]
