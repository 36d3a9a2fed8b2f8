"""Words and numbers: lines, tables, code to copy. All of it reaches the page as text, never as markup."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import anywidget
import traitlets

from weight_explorer.pictures.assets import read_asset


class SectionsWidget(anywidget.AnyWidget):
    """Shows sections one below the other, each made by a function below; the weight to go to arrives in `requested`."""

    _esm = read_asset("details.js")
    _css = read_asset("details.css")

    sections = traitlets.List(traitlets.Dict()).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    requested = traitlets.Unicode().tag(sync=True)

    def show(self, *sections: dict[str, Any] | None) -> None:
        """Bring the sections up to date; None stands for nothing."""
        with self.hold_sync():
            self.sections = [section for section in sections if section]
            self.requested = ""  # so that the same may be asked for again


def text_line(texts: Iterable[str]) -> dict[str, Any]:
    """Make a line of short pieces with dots between them."""
    return {"kind": "pieces", "pieces": list(texts)}


def paragraph(text: str, *, tone: str = "plain") -> dict[str, Any]:
    """Make a paragraph; `tone` is "plain", "quiet", "large", or "unseen", for those who listen to the page."""
    return {"kind": "text", "text": text, "tone": tone}


def check_line(text: str, state: str) -> dict[str, Any]:
    """Make a line of what was checked, with a mark before it; `state` is "held", "moved" or "unknown"."""
    return {"kind": "check", "text": text, "state": state}


def table_section(headers: Iterable[str], rows: Iterable[Iterable[str]]) -> dict[str, Any]:
    """Make a table whose first column names the rows."""
    return {"kind": "table", "heads": list(headers), "rows": [list(row) for row in rows]}


def code_line(line: str) -> dict[str, Any]:
    """Make a line of Python with a button that copies it."""
    return {"kind": "code", "code": line}


def legend_line(entries: Iterable[tuple[str, str, str]]) -> dict[str, Any]:
    """Make a line of (name, color, kind of mark)."""
    return {"kind": "legend", "entries": [list(entry) for entry in entries]}
