"""A heat table on the canvas of the matrix: rows are weights, and a click on one goes there."""

from __future__ import annotations

from typing import Any

import traitlets

from weight_explorer.panels import colors
from weight_explorer.panels.matrix import MatrixPanel
from weight_explorer.views.pictures import HeatPicture


class HeatPanel(MatrixPanel):
    """Shows what a `HeatPicture` has beside the cells, as the matrix shows those; the weight to go to arrives in `asked`.

    `tops` are little-endian float32. `troubles` has `sentences`, and `marks`: row, column, severity, number of the sentence.
    """

    shades = traitlets.Dict().tag(sync=True)
    weights = traitlets.List(traitlets.Unicode()).tag(sync=True)
    tops = traitlets.Bytes().tag(sync=True)
    ticks = traitlets.List().tag(sync=True)
    seams = traitlets.List(traitlets.Int()).tag(sync=True)
    edits = traitlets.List().tag(sync=True)
    troubles = traitlets.Dict().tag(sync=True)
    chosen = traitlets.Int(-1).tag(sync=True)
    asked = traitlets.Unicode().tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        nan, infinite, *_, above, below = colors.SPECIAL
        self.set_trait("special", [nan, infinite, colors.ZERO, above, below])
        self.shades = _shades(HeatPicture.__dataclass_fields__["shades"].default_factory())
        self.troubles = {"marks": [], "sentences": []}

    def show(self, picture: HeatPicture, name: str) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Draw a picture, in one message; `name` says of what."""
        with self.hold_sync():
            super().show(picture, name)
            for trait, value in _state(picture).items():
                self.set_trait(trait, value)


def _state(picture: HeatPicture) -> dict[str, Any]:
    return {
        "palette": colors.palette(colors.DIVERGING if picture.shades.is_diverging else colors.SEQUENTIAL),
        "shades": _shades(picture.shades),
        "weights": list(picture.keys),
        "tops": b"" if picture.tops is None else picture.tops.astype("<f4").tobytes(),
        "ticks": [list(tick) for tick in picture.ticks],
        "seams": list(picture.seams),
        "edits": [list(edit) for edit in picture.edits],
        "troubles": _troubles(picture),
        "chosen": -1 if picture.chosen is None else picture.chosen,
        "asked": "",  # so that the same may be asked for again
    }


def _shades(shades: Any) -> dict[str, Any]:
    return {
        "label": shades.label,
        "low": shades.low,
        "high": shades.high,
        "isLog": shades.is_log,
        "offset": shades.offset,
        "unit": shades.unit,
        "zero": shades.zero,
        "loudest": shades.loudest,
        "ticks": [list(tick) for tick in shades.ticks],
    }


def _troubles(picture: HeatPicture) -> dict[str, Any]:
    places: dict[str, int] = {}
    marks = [
        [trouble.row, trouble.column, trouble.severity, places.setdefault(trouble.sentence, len(places))]
        for trouble in picture.troubles
    ]
    return {"marks": marks, "sentences": list(places)}
