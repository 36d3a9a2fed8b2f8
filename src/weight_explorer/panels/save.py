"""The menu that saves what is drawn, as a file or as code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget

from weight_explorer.panels.assets import asset
from weight_explorer.panels.export import FORMATS, Exported


class SavePanel(anywidget.AnyWidget):
    """Takes orders as messages `{"order": text, "format": one of FORMATS}`, and delivers each as one message with a buffer.

    The `order` tells the displays of one explorer apart: only the one that ordered takes what comes.

    Args:
        ordered: Called with the message of an order, once for each click.
    """

    _esm = asset("save.js")
    _css = asset("save.css")

    def __init__(self, ordered: Callable[[dict[str, str]], None] = lambda _: None) -> None:
        super().__init__()
        self.ordered = ordered
        self.on_msg(self._take)

    def _take(self, _: Any, content: Any, __: Any) -> None:
        if isinstance(content, dict) and content.get("format") in FORMATS:
            self.ordered({"order": str(content.get("order", "")), "format": content["format"]})

    def deliver(self, order: dict[str, str], exported: Exported) -> None:
        """Send a file to the browser."""
        self.send({**order, "name": exported.name, "mime": exported.mime}, [exported.content])

    def refuse(self, order: dict[str, str], problem: str) -> None:
        """Say why there is no file."""
        self.send({**order, "problem": problem})
