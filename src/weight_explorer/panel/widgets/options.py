"""The options of a view, in a row: menus, switches and sliders."""

from __future__ import annotations

import anywidget
import traitlets

from weight_explorer.pictures.assets import read_asset
from weight_explorer.views.options import OptionState


class OptionsWidget(anywidget.AnyWidget):
    """Offers a view's options; what the user asks for arrives in `requested` as `view.name=value`.

    `options` has for each its name, label, kind, offers as (value, label), count of a slider, and what is chosen.
    """

    _esm = read_asset("options.js")
    _css = read_asset("options.css")

    view = traitlets.Unicode().tag(sync=True)
    options = traitlets.List(traitlets.Dict()).tag(sync=True)
    requested = traitlets.Unicode().tag(sync=True)

    def show(self, view: str, states: tuple[OptionState, ...]) -> None:
        """Bring the options up to date in one message, or in none where nothing changed."""
        with self.hold_sync():
            self.view = view
            self.options = [_option_state(offer) for offer in states]
            self.requested = ""  # so that the same may be asked for again


def _option_state(state: OptionState) -> dict[str, object]:
    return {
        "name": state.name,
        "label": state.label,
        "kind": state.kind,
        "offers": [[option.key, option.label] for option in state.items],
        "count": state.count,
        "chosen": state.chosen,
    }
