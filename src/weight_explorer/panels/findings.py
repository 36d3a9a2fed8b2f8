"""All findings of the model: a list in the overview, and behind a button everywhere else. Each leads to its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anywidget
import traitlets

from weight_explorer.panels.assets import asset
from weight_explorer.views.found import NO_FINDINGS, FoundList, ListedFinding

# Findings, and locations of all of them together, that are sent to the page.
MOST = 200
MOST_PLACES = 2000


class FindingsPanel(anywidget.AnyWidget):
    """Shows all findings, the gravest first; the weight to go to arrives in `asked`.

    With `is_list` they stand in a place of their own, else behind a button that says how many there are (`counts`). There are
    `num_more` that are not sent; `more` is where all of them are.
    """

    _esm = asset("findings.js")
    _css = asset("findings.css")

    heading = traitlets.Unicode().tag(sync=True)
    counts = traitlets.Unicode().tag(sync=True)
    is_list = traitlets.Bool().tag(sync=True)
    entries = traitlets.List(traitlets.Dict()).tag(sync=True)
    num_more = traitlets.Int().tag(sync=True)
    more = traitlets.Unicode("explorer.findings", read_only=True).tag(sync=True)
    asked = traitlets.Unicode().tag(sync=True)

    def show(self, found: FoundList = NO_FINDINGS, *, is_list: bool = False) -> None:
        """Show a list in one message, or nothing."""
        with self.hold_sync():
            self.heading, self.counts, self.is_list = found.heading, found.counts, is_list
            self.entries = _entries(found.entries[:MOST])
            self.num_more = max(0, len(found.entries) - MOST)
            self.asked = ""  # so that the same may be asked for again


def _entries(found: Sequence[ListedFinding]) -> list[dict[str, Any]]:
    entries, room = [], MOST_PLACES
    for finding in found:
        places = [[link.name, link.key] for link in finding.others[:room]]
        room -= len(places)
        entries.append(
            {
                "severity": finding.severity,
                "where": finding.where,
                "sentence": finding.sentence,
                "key": finding.key,
                "places": places,
                "num_more": len(finding.others) - len(places),
            }
        )
    return entries
