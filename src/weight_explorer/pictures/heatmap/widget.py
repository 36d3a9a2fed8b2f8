"""A heat map drawn on the canvas of the matrix widget. Rows are weights, and a click on a row selects its weight."""

from __future__ import annotations

from typing import Any

import traitlets

from weight_explorer.pictures import colors
from weight_explorer.pictures.data import HeatmapPicture
from weight_explorer.pictures.matrix.widget import MatrixWidget


class HeatmapWidget(MatrixWidget):
    """Adds to `MatrixWidget` the parts of a `HeatmapPicture` besides its cells. `requested` receives the weight to select.

    `row_maxima` is little-endian float32. `finding_markers` has `messages` and `marks`, which are lists of row, column,
    severity and message number.
    """

    scale = traitlets.Dict().tag(sync=True)
    weight_keys = traitlets.List(traitlets.Unicode()).tag(sync=True)
    row_maxima = traitlets.Bytes().tag(sync=True)
    ticks = traitlets.List().tag(sync=True)
    fit_boundaries = traitlets.List(traitlets.Int()).tag(sync=True)
    edits = traitlets.List().tag(sync=True)
    finding_markers = traitlets.Dict().tag(sync=True)
    chosen_column = traitlets.Int(-1).tag(sync=True)
    requested = traitlets.Unicode().tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        nan, infinite, *_, above, below = colors.SPECIAL_COLORS
        self.set_trait("special", [nan, infinite, colors.EXACT_ZERO, above, below])
        self.scale = _scale_state(HeatmapPicture.__dataclass_fields__["scale"].default_factory())
        self.finding_markers = {"marks": [], "sentences": []}

    def show(self, picture: HeatmapPicture, name: str) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Draw a picture, in one message to the browser. `name` says what it shows."""
        with self.hold_sync():
            super().show(picture, name)
            for trait, value in _traits_of(picture).items():
                self.set_trait(trait, value)


def _traits_of(picture: HeatmapPicture) -> dict[str, Any]:
    return {
        "palette": colors.colormap_bytes(colors.DIVERGING if picture.scale.is_diverging else colors.SEQUENTIAL),
        "scale": _scale_state(picture.scale),
        "weight_keys": list(picture.weight_keys),
        "row_maxima": b"" if picture.row_maxima is None else picture.row_maxima.astype("<f4").tobytes(),
        "ticks": [list(tick) for tick in picture.ticks],
        "fit_boundaries": list(picture.fit_boundaries),
        "edits": [list(edit) for edit in picture.edits],
        "finding_markers": _finding_marker_state(picture),
        "chosen_column": -1 if picture.chosen_column is None else picture.chosen_column,
        "requested": "",  # reset so that the same weight can be requested again
    }


def _scale_state(scale: Any) -> dict[str, Any]:
    return {
        "label": scale.label,
        "low": scale.low,
        "high": scale.high,
        "isLog": scale.is_log,
        "offset": scale.offset,
        "unit": scale.unit,
        "zero": scale.zero_text,
        "loudest": scale.aggregate_text,
        "ticks": [list(tick) for tick in scale.ticks],
    }


def _finding_marker_state(picture: HeatmapPicture) -> dict[str, Any]:
    places: dict[str, int] = {}
    marks = [
        [trouble.row, trouble.column, trouble.severity, places.setdefault(trouble.sentence, len(places))]
        for trouble in picture.finding_markers
    ]
    return {"marks": marks, "sentences": list(places)}
