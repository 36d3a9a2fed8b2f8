"""Pictures as lines of Python that draw them with NumPy and matplotlib alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weight_explorer.panels.codes.board import write_board
from weight_explorer.panels.codes.charts import write_charts
from weight_explorer.panels.codes.heat import write_heat
from weight_explorer.panels.codes.matrix import write_matrix
from weight_explorer.panels.codes.python import MOST_NUMBERS, literal
from weight_explorer.panels.codes.ranking import write_rankings
from weight_explorer.panels.codes.tiles import write_tiles
from weight_explorer.views.origins import Origins
from weight_explorer.views.pictures import (
    BoardPicture,
    ChartPicture,
    HeatPicture,
    MatrixPicture,
    Picture,
    RankingPicture,
    TilesPicture,
)
from weight_explorer.views.table import arrays_of


def code_of(picture: Picture, name: str, origins: Origins, csv_name: str) -> str:
    """Write the Python that draws a picture, with `model` and `explorer` in scope.

    Args:
        picture: The picture. Of a kind that has no writer here the numbers are written out.
        name: What it shows; the title.
        origins: Where its numbers come from. Those of unknown origin stand in the code as they are.
        csv_name: The file that "CSV" saves it as.
    """
    lines = _WRITERS.get(type(picture), _numbers)(picture, name, origins, csv_name)
    imports = ["import csv\nimport itertools\n"] if any("csv.reader" in line for line in lines) else []
    imports += ["import matplotlib.pyplot as plt"] if any("plt." in line for line in lines) else []
    note = f"# {' '.join(picture.caption.split())}"
    return "\n".join([*imports, "import numpy as np", "", note, *origins.lines("\n".join(lines)), *lines]) + "\n"


def _numbers(picture: object, name: str, _: Origins, csv_name: str) -> list[str]:
    """Write out the numbers of a picture that has no writer here, by the way that leads to each array in it."""
    arrays = dict(arrays_of(picture))
    if sum(array.size for array in arrays.values()) > MOST_NUMBERS:
        return [f"# {name}: these are more numbers than fit a page; they are in {csv_name!r}, as explorer.to_csv() saves it."]
    lines = [f"    {key!r}: {literal(array)}," for key, array in arrays.items()]
    return [f"# {name}: the numbers that are drawn.", "arrays = {", *lines, "}"]


# For each kind of picture, who writes its code.
_WRITERS: dict[type, Callable[[Any, str, Origins, str], list[str]]] = {
    MatrixPicture: write_matrix,
    HeatPicture: write_heat,
    ChartPicture: write_charts,
    TilesPicture: write_tiles,
    RankingPicture: write_rankings,
    BoardPicture: write_board,
}
