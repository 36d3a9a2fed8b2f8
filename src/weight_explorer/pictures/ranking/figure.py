"""Draws rankings with matplotlib: one row per item, the first on top."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from weight_explorer.pictures import colors
from weight_explorer.pictures.data import Ranking, RankingPicture


def draw_rankings(figure: FigureBase, picture: RankingPicture) -> None:
    """Draw the rankings side by side."""
    figure.subplots_adjust(left=0.14, right=0.87, wspace=0.75 if len(picture.rankings) > 1 else None)
    for axes, ranking in zip(np.atleast_1d(figure.subplots(1, len(picture.rankings))), picture.rankings, strict=True):
        _draw_ranking(axes, ranking)


def _draw_ranking(axes: Axes, ranking: Ranking) -> None:
    rows = np.arange(len(ranking.ranks))
    values = np.where(np.isfinite(ranking.values), ranking.values, 0.0)
    is_signed = bool((values < 0).any())
    axes.barh(
        rows,
        values,
        color=[colors.SIGNED_BAR_COLORS[int(value >= 0)] if is_signed else colors.UNSIGNED_BAR_COLOR for value in values],
    )
    labels = [
        f"{place}. {textwrap.shorten(name, 18, placeholder='…')}"
        for place, name in zip(ranking.ranks, ranking.names, strict=True)
    ]
    axes.set_yticks(rows, labels, fontsize=7, parse_math=False)
    axes.invert_yaxis()
    axes.axvline(0, color="0.5", linewidth=0.8)
    axes.set_title(ranking.title, fontsize=9, parse_math=False)
    axes.set_xlabel(ranking.headers[1], fontsize=8)
    axes.tick_params(axis="x", labelsize=7)
    for row, (number, move) in enumerate(zip(ranking.numbers, ranking.rank_changes, strict=True)):
        words = number + (f"  (was {move})" if move else "")
        axes.annotate(
            words, (1.02, row), xycoords=("axes fraction", "data"), va="center", fontsize=6,
            fontweight="bold" if row == ranking.picked_row else "normal", parse_math=False,
        )  # fmt: skip
