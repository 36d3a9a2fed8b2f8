"""One of several: as tabs, as a row of segments, or as a menu."""

from __future__ import annotations

from collections.abc import Iterable

import anywidget
import traitlets

from weight_explorer.pictures.assets import read_asset


class SelectorWidget(anywidget.AnyWidget):
    """Offers options, of which the user's choice arrives in `selected`.

    `kind` is "tabs" (`role="tab"`), "segments" (`role="radio"`) or "menu" (a native select). `controls` is the style class of
    the part of the panel that tabs change.
    """

    _esm = read_asset("choices.js")
    _css = read_asset("choices.css")

    kind = traitlets.Enum(["tabs", "segments", "menu"], "tabs").tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    controls = traitlets.Unicode().tag(sync=True)
    options = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)

    def show(self, options: Iterable[tuple[str, str]], selected: str, label: str | None = None) -> None:
        """Bring options, given as (value, label), and selection up to date in one message."""
        with self.hold_sync():
            self.options = [list(option) for option in options]
            self.selected = selected
            self.label = self.label if label is None else label
