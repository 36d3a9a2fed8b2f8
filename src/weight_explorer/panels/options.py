"""The options of a view, in a row: menus, switches and sliders."""

from __future__ import annotations

import anywidget
import traitlets

from weight_explorer.panels.assets import asset
from weight_explorer.views.options import OptionOffer


class OptionsPanel(anywidget.AnyWidget):
    """Offers a view's options; what the user asks for arrives in `asked` as `view.name=value`.

    `options` has for each its name, label, kind, offers as (value, label), count of a slider, and what is chosen.
    """

    _esm = asset("options.js")
    _css = asset("options.css")

    view = traitlets.Unicode().tag(sync=True)
    options = traitlets.List(traitlets.Dict()).tag(sync=True)
    asked = traitlets.Unicode().tag(sync=True)

    def show(self, view: str, offered: tuple[OptionOffer, ...]) -> None:
        """Bring the options up to date in one message, or in none where nothing changed."""
        with self.hold_sync():
            self.view = view
            self.options = [_option(offer) for offer in offered]
            self.asked = ""  # so that the same may be asked for again


def _option(offer: OptionOffer) -> dict[str, object]:
    return {
        "name": offer.name,
        "label": offer.label,
        "kind": offer.kind,
        "offers": [[option.key, option.label] for option in offer.offers],
        "count": offer.count,
        "chosen": offer.chosen,
    }
