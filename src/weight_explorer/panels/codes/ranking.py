"""Rankings as Python: their numbers are few, and written out."""

from __future__ import annotations

import numpy as np

from weight_explorer.panels import colors
from weight_explorer.panels.codes.python import calls, literal, plain
from weight_explorer.views.origins import Origins
from weight_explorer.views.pictures import Ranking, RankingPicture


def write_rankings(picture: RankingPicture, name: str, _: Origins, __: str) -> list[str]:
    """Write the lines that draw rankings beside each other."""
    count = len(picture.rankings)
    lines = [
        "",
        f'figure, panels = plt.subplots(1, {count}, figsize=(8, 4.5), squeeze=False, layout="constrained")',
        *calls("figure", suptitle=name),
    ]
    for i, ranking in enumerate(picture.rankings):
        lines += ["", f"axes = panels[0, {i}]", *_ranking_on_axes(ranking)]
    return lines


def _ranking_on_axes(ranking: Ranking) -> list[str]:
    names = [f"{place}. {name}" for place, name in zip(ranking.places, ranking.names, strict=True)]
    values = ranking.values
    below, above = colors.SIGNED
    shown = "bars" if np.isfinite(values).all() else "np.where(np.isfinite(bars), bars, 0)"
    tones = f'np.where(bars < 0, "{below}", "{above}")' if (values < 0).any() else f'"{colors.UNSIGNED}"'
    return [
        f"names = {names}",
        f"bars = {literal(values)}",
        f"axes.barh(range(len(bars)), {shown}, color={tones})",
        f"axes.set_yticks(range(len(bars)), names, fontsize=7{plain(*names)})",
        "axes.invert_yaxis()",
        'axes.axvline(0, color="0.5", linewidth=0.8)',
        *calls("axes", set_title=ranking.title, set_xlabel=ranking.heads[1]),
    ]
