"""Rankings as tables with bars, of which the user picks a row."""

from __future__ import annotations

from typing import Any

import anywidget
import numpy as np
import traitlets

from weight_explorer.panels import colors
from weight_explorer.panels.assets import asset
from weight_explorer.views.pictures import Ranking, RankingPicture
from weight_explorer.views.words import words_of


class RankingPanel(anywidget.AnyWidget):
    """Shows one ranking or two beside each other; what the user picks arrives in `asked` as `view.name=value`.

    `bars` are the values of all rows of all tables as little-endian float32, drawn from zero; what is not finite has none.
    `option` is what a pick sets, and `tables` hold the words.
    """

    _esm = asset("ranking.js")
    _css = asset("ranking.css")

    tables = traitlets.List(traitlets.Dict()).tag(sync=True)
    bars = traitlets.Bytes().tag(sync=True)
    option = traitlets.Unicode().tag(sync=True)
    alternative = traitlets.Unicode().tag(sync=True)
    asked = traitlets.Unicode().tag(sync=True)
    palette = traitlets.List(traitlets.Unicode(), [*colors.SIGNED, colors.UNSIGNED], read_only=True).tag(sync=True)

    def show(self, picture: RankingPicture, name: str) -> None:
        """Show the rankings in one message, or in none where nothing changed; `name` says of what they are."""
        with self.hold_sync():
            self.tables = [_table(ranking) for ranking in picture.rankings]
            self.bars = np.concatenate([ranking.values for ranking in picture.rankings]).astype("<f4").tobytes()
            self.option = picture.asks
            self.alternative = words_of(picture, name)
            self.asked = ""  # so that the same may be picked again


def _table(ranking: Ranking) -> dict[str, Any]:
    return {
        "title": ranking.title,
        "heads": list(ranking.heads),
        "rows": [list(row) for row in zip(ranking.places, ranking.names, ranking.numbers, ranking.moves, strict=True)],
        "picks": list(ranking.picks),
        "picked": ranking.picked,
        "left": ranking.num_left,
    }
