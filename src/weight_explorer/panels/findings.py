"""The findings of the whole model as a list of buttons, each of which goes to its weight."""

from __future__ import annotations

import anywidget
import traitlets

from weight_explorer.panels.assets import asset
from weight_explorer.views.found import FoundList

# No screen has room for more.
MOST = 40


class FindingsPanel(anywidget.AnyWidget):
    """Shows as many findings as fit, the gravest first; the weight to go to arrives in `asked`.

    `entries` are severity, layer, sentence and the weight's key, and there are `num_more`; `more` is where all of them are.
    """

    _esm = asset("findings.js")
    _css = asset("findings.css")

    heading = traitlets.Unicode().tag(sync=True)
    entries = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    num_more = traitlets.Int().tag(sync=True)
    more = traitlets.Unicode("explorer.findings", read_only=True).tag(sync=True)
    asked = traitlets.Unicode().tag(sync=True)

    def show(self, found: FoundList | None) -> None:
        """Show a list in one message, or nothing."""
        with self.hold_sync():
            self.heading = found.heading if found else ""
            self.entries = [list(entry) for entry in found.entries[:MOST]] if found else []
            self.num_more = max(0, len(found.entries) - MOST) if found else 0
            self.asked = ""  # so that the same may be asked for again
