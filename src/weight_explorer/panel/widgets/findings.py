"""All findings of the model: a list in the overview, and behind a button everywhere else. Each leads to its weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import anywidget
import traitlets

from weight_explorer.panel.finding_list import NO_FINDINGS, FindingEntry, FindingList, WeightFinding
from weight_explorer.pictures.assets import read_asset

# Findings, and locations of all of them together, that are sent to the page.
MAX_FINDINGS = 200
MAX_LINKS = 2000
# Other locations of one finding that are sent to the page.
MAX_LINKS_OF_WEIGHT = 500


class FindingsWidget(anywidget.AnyWidget):
    """Shows all findings, the gravest first; the weight to go to arrives in `requested`.

    With `is_list` they stand in a place of their own, else behind a button that says how many there are (`counts`). There are
    `num_more` that are not sent; `more` is where all of them are.
    """

    _esm = read_asset("findings.js")
    _css = read_asset("findings.css")

    heading = traitlets.Unicode().tag(sync=True)
    counts = traitlets.Unicode().tag(sync=True)
    is_list = traitlets.Bool().tag(sync=True)
    entries = traitlets.List(traitlets.Dict()).tag(sync=True)
    num_more = traitlets.Int().tag(sync=True)
    more = traitlets.Unicode("explorer.findings", read_only=True).tag(sync=True)
    requested = traitlets.Unicode().tag(sync=True)

    def show(self, finding_list: FindingList = NO_FINDINGS, *, is_list: bool = False) -> None:
        """Show a list in one message, or nothing."""
        with self.hold_sync():
            self.heading, self.counts, self.is_list = finding_list.heading, finding_list.counts, is_list
            self.entries = _entries(finding_list.entries[:MAX_FINDINGS])
            self.num_more = max(0, len(finding_list.entries) - MAX_FINDINGS)
            self.requested = ""  # so that the same may be asked for again


def _entries(findings: Sequence[FindingEntry]) -> list[dict[str, Any]]:
    entries, room = [], MAX_LINKS
    for finding in findings:
        places = [[link.name, link.key] for link in finding.others[:room]]
        room -= len(places)
        entries.append(
            {
                "severity": finding.severity,
                "where": finding.location,
                "sentence": finding.sentence,
                "key": finding.key,
                "places": places,
                "num_more": len(finding.others) - len(places),
            }
        )
    return entries


def findings_section(findings: Iterable[WeightFinding], when: str = "") -> dict[str, Any]:
    """Make the first finding with a button that opens all of them; `when` says which record they are of."""
    return {"kind": "findings", "found": [_finding(each) for each in findings], "when": when}


def _finding(finding: WeightFinding) -> dict[str, Any]:
    places = [[link.name, link.key] for link in finding.others[:MAX_LINKS_OF_WEIGHT]]
    num_more = len(finding.others) - len(places)
    return {
        "severity": finding.severity,
        "words": finding.text,
        "elsewhere": finding.elsewhere,
        "places": places,
        "more": f"and {num_more} more: explorer.findings" if num_more else "",
    }
