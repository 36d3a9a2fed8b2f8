"""Words and numbers: lines, tables, code to copy. All of it reaches the page as text, never as markup."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import anywidget
import traitlets

from weight_explorer.panels.assets import asset
from weight_explorer.views.found import ShownFinding

# Other places of one finding that are sent to the page.
MOST_PLACES = 500


class DetailsPanel(anywidget.AnyWidget):
    """Shows sections one below the other, each made by one of the functions below; the weight to go to arrives in `asked`."""

    _esm = asset("details.js")
    _css = asset("details.css")

    sections = traitlets.List(traitlets.Dict()).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    asked = traitlets.Unicode().tag(sync=True)

    def show(self, *sections: dict[str, Any] | None) -> None:
        """Bring the sections up to date; None stands for nothing."""
        with self.hold_sync():
            self.sections = [section for section in sections if section]
            self.asked = ""  # so that the same may be asked for again


def pieces(words: Iterable[str]) -> dict[str, Any]:
    """Make a line of short pieces with dots between them."""
    return {"kind": "pieces", "pieces": list(words)}


def text(words: str, *, tone: str = "plain") -> dict[str, Any]:
    """Make a paragraph; `tone` is "plain", "quiet", "large", or "unseen", for those who listen to the page."""
    return {"kind": "text", "text": words, "tone": tone}


def findings(found: Iterable[ShownFinding], when: str = "") -> dict[str, Any]:
    """Make the first finding with a button that opens all of them; `when` says which record they are of."""
    return {"kind": "findings", "found": [_finding(each) for each in found], "when": when}


def _finding(finding: ShownFinding) -> dict[str, Any]:
    places = [[link.name, link.key] for link in finding.others[:MOST_PLACES]]
    num_more = len(finding.others) - len(places)
    return {
        "severity": finding.severity,
        "words": finding.words,
        "elsewhere": finding.elsewhere,
        "places": places,
        "more": f"and {num_more} more: explorer.findings" if num_more else "",
    }


def check(words: str, state: str) -> dict[str, Any]:
    """Make a line of what was checked, with a mark before it; `state` is "held", "moved" or "unknown"."""
    return {"kind": "check", "text": words, "state": state}


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> dict[str, Any]:
    """Make a table whose first column names the rows."""
    return {"kind": "table", "heads": list(heads), "rows": [list(row) for row in rows]}


def code(line: str) -> dict[str, Any]:
    """Make a line of Python with a button that copies it."""
    return {"kind": "code", "code": line}


def legend(entries: Iterable[tuple[str, str, str]]) -> dict[str, Any]:
    """Make a line of (name, color, kind of mark)."""
    return {"kind": "legend", "entries": [list(entry) for entry in entries]}
