"""Rankings as tables with bars. The user can pick a row."""

from __future__ import annotations

from typing import Any

import anywidget
import numpy as np
import traitlets

from weight_explorer.pictures import colors
from weight_explorer.pictures.assets import read_asset
from weight_explorer.pictures.data import Ranking, RankingPicture
from weight_explorer.pictures.text import describe_picture


class RankingWidget(anywidget.AnyWidget):
    """Displays one ranking, or two side by side. `requested` receives the user's pick as `view.name=value`.

    `bars` holds the values of all rows of all tables as little-endian float32. Bars start at zero, and values that are not
    finite have no bar. `pick_option` is the option that a pick sets. `tables` holds the text.
    """

    _esm = read_asset("ranking.js")
    _css = read_asset("ranking.css")

    tables = traitlets.List(traitlets.Dict()).tag(sync=True)
    bars = traitlets.Bytes().tag(sync=True)
    pick_option = traitlets.Unicode().tag(sync=True)
    alt_text = traitlets.Unicode().tag(sync=True)
    requested = traitlets.Unicode().tag(sync=True)
    palette = traitlets.List(traitlets.Unicode(), [*colors.SIGNED_BAR_COLORS, colors.UNSIGNED_BAR_COLOR], read_only=True).tag(
        sync=True
    )

    def show(self, picture: RankingPicture, name: str) -> None:
        """Show the rankings, in at most one message to the browser. `name` says what they show."""
        with self.hold_sync():
            self.tables = [_table_state(ranking) for ranking in picture.rankings]
            self.bars = np.concatenate([ranking.values for ranking in picture.rankings]).astype("<f4").tobytes()
            self.pick_option = picture.pick_option
            self.alt_text = describe_picture(picture, name)
            self.requested = ""  # reset so that the same row can be picked again


def _table_state(ranking: Ranking) -> dict[str, Any]:
    return {
        "title": ranking.title,
        "heads": list(ranking.headers),
        "rows": [list(row) for row in zip(ranking.ranks, ranking.names, ranking.numbers, ranking.rank_changes, strict=True)],
        "picks": list(ranking.pick_values),
        "picked": ranking.picked_row,
        "left": ranking.num_more,
    }
