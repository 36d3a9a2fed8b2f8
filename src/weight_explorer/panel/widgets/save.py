"""The menu that saves what is drawn, as a file or as code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget

from weight_explorer.panel.export import FORMATS, ExportedFile
from weight_explorer.pictures.assets import read_asset


class SaveWidget(anywidget.AnyWidget):
    """Takes orders as messages `{"order": text, "format": one of FORMATS}`, and delivers each as one message with a buffer.

    The `order` tells the displays of one explorer apart: only the one that ordered takes what comes.

    Args:
        on_command: Called with the message of an order, once for each click.
    """

    _esm = read_asset("save.js")
    _css = read_asset("save.css")

    def __init__(self, on_command: Callable[[dict[str, str]], None] = lambda _: None) -> None:
        super().__init__()
        self.on_command = on_command
        self.on_msg(self._receive)

    def _receive(self, _: Any, content: Any, __: Any) -> None:
        if isinstance(content, dict) and content.get("format") in FORMATS:
            self.on_command({"order": str(content.get("order", "")), "format": content["format"]})

    def deliver(self, command: dict[str, str], file: ExportedFile) -> None:
        """Send a file to the browser."""
        self.send({**command, "name": file.name, "mime": file.mime}, [file.content])

    def refuse(self, command: dict[str, str], problem: str) -> None:
        """Say why there is no file."""
        self.send({**command, "problem": problem})
