"""Text sections: lines, paragraphs, tables and code to copy. The browser displays all content as text, never as markup."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import anywidget
import traitlets

from weight_explorer.pictures.assets import read_asset


class SectionsWidget(anywidget.AnyWidget):
    """Displays sections one below the other. The functions below create them. `requested` receives the weight to select."""

    _esm = read_asset("details.js")
    _css = read_asset("details.css")

    sections = traitlets.List(traitlets.Dict()).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    requested = traitlets.Unicode().tag(sync=True)

    def show(self, *sections: dict[str, Any] | None) -> None:
        """Update the sections. None entries are skipped."""
        with self.hold_sync():
            self.sections = [section for section in sections if section]
            self.requested = ""  # reset so that the same weight can be requested again


def text_line(texts: Iterable[str]) -> dict[str, Any]:
    """Create a line of short texts separated by dots."""
    return {"kind": "pieces", "pieces": list(texts)}


def paragraph(text: str, *, tone: str = "plain") -> dict[str, Any]:
    """Create a paragraph. `tone` is "plain", "quiet", "large", or "unseen" for text that only screen readers read."""
    return {"kind": "text", "text": text, "tone": tone}


def check_line(text: str, state: str) -> dict[str, Any]:
    """Create a line that shows the result of a check, with a mark in front. `state` is "held", "moved" or "unknown"."""
    return {"kind": "check", "text": text, "state": state}


def table_section(headers: Iterable[str], rows: Iterable[Iterable[str]]) -> dict[str, Any]:
    """Create a table. Its first column holds the row names."""
    return {"kind": "table", "heads": list(headers), "rows": [list(row) for row in rows]}


def code_line(line: str) -> dict[str, Any]:
    """Create a line of Python code with a copy button."""
    return {"kind": "code", "code": line}


def legend_line(entries: Iterable[tuple[str, str, str]]) -> dict[str, Any]:
    """Create a legend from (name, color, kind of mark) tuples."""
    return {"kind": "legend", "entries": [list(entry) for entry in entries]}
