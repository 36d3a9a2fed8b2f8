"""Small pictures of all weights, from which the page answers clicks by itself while the kernel cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import anywidget
import numpy as np
import traitlets

from weight_explorer.catalog.nodes import Axis, Weight
from weight_explorer.panels import colors
from weight_explorer.panels.assets import asset
from weight_explorer.panels.matrix import axis_state
from weight_explorer.views import facts
from weight_explorer.views.layout import NO_AXIS, Layout, lay_out
from weight_explorer.views.sketches import Places, Sketch, Sketches


class SketchesPanel(anywidget.AnyWidget):
    """Keeps sketches in the page, which shows them over the picture where a click is not answered in time.

    `packed` are those of one record: the length of a header (little-endian uint32), the header as JSON, and the codes of all
    weights, row-major, one after the other. `weights` says what each of them is, `places` which of them the tabs of a layer
    lead to, and `shown` what is on screen: the path of a layer and the key of a weight. The weight that the user goes to
    arrives in `asked`.
    """

    _esm = asset("previews.js")
    _css = asset("previews.css")

    packed = traitlets.Bytes().tag(sync=True)
    weights = traitlets.List(traitlets.Dict()).tag(sync=True)
    places = traitlets.Dict().tag(sync=True)
    shown = traitlets.List(traitlets.Unicode(), ["", ""]).tag(sync=True)
    asked = traitlets.Unicode().tag(sync=True)
    palette = traitlets.Bytes(read_only=True).tag(sync=True)
    special = traitlets.List(traitlets.Unicode(), list(colors.SPECIAL), read_only=True).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self.set_trait("palette", colors.palette())
        self._sent: tuple[tuple[Weight, ...], Places] = ((), {})

    @property
    def is_used(self) -> bool:
        """Whether the page was ever sent any."""
        return bool(self.weights)

    def show(self, sketches: Sketches, places: Places) -> None:
        """Send sketches in one message."""
        weights = tuple(sketch.weight for sketch in sketches.all)
        with self.hold_sync():
            if self._sent != (weights, places):  # the very objects, so that it is told at once
                self._sent = weights, places
                self.weights = [_weight(weight) for weight in weights]
                self.places = _offers(places)
            self.packed = packed(sketches)

    def follow(self, layer: str, key: str, *, is_over: bool) -> None:
        """Note what is on screen; when a training is over, what is kept of it in a saved notebook needs no sketches."""
        if not self.is_used:
            return
        with self.hold_sync():
            self.shown = [layer, key]
            self.asked = ""  # so that the same may be asked for again
            self.packed = b"" if is_over else self.packed


def packed(sketches: Sketches) -> bytes:
    """Pack sketches as one message carries them."""
    first = sketches.all[0].statistics
    header = {
        "number": sketches.step.number,
        "words": sketches.words,
        "names": [row[0] for row in first.rows],
        "sketches": [_sketch(sketch) for sketch in sketches.all],
    }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    codes = b"".join(sketch.codes.tobytes() for sketch in sketches.all)
    return np.array(len(text), "<u4").tobytes() + text + codes


def _offers(places: Places) -> dict[str, Any]:
    return {
        path: {role: [[offer.key, offer.label] for offer in offers] for role, offers in roles.items()}
        for path, roles in places.items()
    }


def _sketch(sketch: Sketch) -> dict[str, Any]:
    return {
        "shape": list(sketch.codes.shape),
        "steps": list(sketch.steps),
        "limit": sketch.limit,
        "counts": list(sketch.num_not_finite),
        "heads": list(sketch.statistics.heads),
        "numbers": [list(row[1:]) for row in sketch.statistics.rows],
        "words": sketch.words,
        "sampled": sketch.is_sampled,
    }


def _weight(weight: Weight) -> dict[str, Any]:
    layout = Layout(*lay_out(weight.axes))
    rows, columns = layout.sides(weight.axes)
    return {
        "key": weight.key,
        "role": weight.role,
        "name": f"{weight.layer} / {weight.name}",
        "facts": " · ".join(facts.facts(weight)),
        "rows": [_axis(axis) for axis in rows],
        "columns": [_axis(axis) for axis in columns],
        "order": [*layout.rows, *layout.columns],
    }


def _axis(axis: Axis) -> dict[str, Any]:
    """Describe an axis without the user's names for its entries, of which there may be many thousands."""
    return axis_state(axis if axis is NO_AXIS else replace(axis, labels=()), None)
