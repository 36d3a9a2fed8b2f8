"""Small pictures of all weights, from which the page answers clicks by itself while the kernel cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import anywidget
import numpy as np
import traitlets

from weight_explorer.catalog.schema import Axis, Weight
from weight_explorer.panel import weight_details
from weight_explorer.panel.previews import Previews, WeightPreview, WeightsByLayer
from weight_explorer.pictures import colors
from weight_explorer.pictures.assets import read_asset
from weight_explorer.pictures.matrix.widget import axis_state
from weight_explorer.views.layout import NO_AXIS, Layout, default_layout


class PreviewsWidget(anywidget.AnyWidget):
    """Keeps sketches in the page, which shows them over the picture where a click is not answered in time.

    `pack_previews` are those of one record: the length of a header (little-endian uint32), the header as JSON, and the codes of
    all weights, row-major, one after the other. `weights` says what each of them is, `weights_by_layer` which of them the tabs
    of a
    layer lead to, and `current` what is on screen: the path of a layer and the key of a weight. The weight that the user goes
    to
    arrives in `requested`.
    """

    _esm = read_asset("previews.js")
    _css = read_asset("previews.css")

    packed = traitlets.Bytes().tag(sync=True)
    weights = traitlets.List(traitlets.Dict()).tag(sync=True)
    weights_by_layer = traitlets.Dict().tag(sync=True)
    current = traitlets.List(traitlets.Unicode(), ["", ""]).tag(sync=True)
    requested = traitlets.Unicode().tag(sync=True)
    palette = traitlets.Bytes(read_only=True).tag(sync=True)
    special = traitlets.List(traitlets.Unicode(), list(colors.SPECIAL_COLORS), read_only=True).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self.set_trait("palette", colors.colormap_bytes())
        self._sent: tuple[tuple[Weight, ...], WeightsByLayer] = ((), {})

    @property
    def has_previews(self) -> bool:
        """Whether the page was ever sent any."""
        return bool(self.weights)

    def show(self, previews: Previews, weights_by_layer: WeightsByLayer) -> None:
        """Send sketches in one message."""
        weights = tuple(sketch.weight for sketch in previews.previews)
        with self.hold_sync():
            if self._sent != (weights, weights_by_layer):  # the very objects, so that it is told at once
                self._sent = weights, weights_by_layer
                self.weights = [_weight_state(weight) for weight in weights]
                self.weights_by_layer = _items_by_layer(weights_by_layer)
            self.packed = pack_previews(previews)

    def follow(self, layer: str, key: str, *, is_over: bool) -> None:
        """Note what is on screen; when a training is over, what is kept of it in a saved notebook needs no sketches."""
        if not self.has_previews:
            return
        with self.hold_sync():
            self.current = [layer, key]
            self.requested = ""  # so that the same may be asked for again
            self.packed = b"" if is_over else self.packed


def pack_previews(previews: Previews) -> bytes:
    """Pack sketches as one message carries them."""
    first = previews.previews[0].statistics
    header = {
        "number": previews.record.number,
        "words": previews.text,
        "names": [row[0] for row in first.rows],
        "sketches": [_preview_state(sketch) for sketch in previews.previews],
    }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    codes = b"".join(sketch.codes.tobytes() for sketch in previews.previews)
    return np.array(len(text), "<u4").tobytes() + text + codes


def _items_by_layer(weights_by_layer: WeightsByLayer) -> dict[str, Any]:
    return {
        path: {role: [[offer.key, offer.label] for offer in offers] for role, offers in roles.items()}
        for path, roles in weights_by_layer.items()
    }


def _preview_state(preview: WeightPreview) -> dict[str, Any]:
    return {
        "shape": list(preview.codes.shape),
        "steps": list(preview.steps),
        "limit": preview.limit,
        "counts": list(preview.num_not_finite),
        "heads": list(preview.statistics.headers),
        "numbers": [list(row[1:]) for row in preview.statistics.rows],
        "words": preview.text,
        "sampled": preview.is_sample,
    }


def _weight_state(weight: Weight) -> dict[str, Any]:
    layout = Layout(*default_layout(weight.axes))
    rows, columns = layout.sides(weight.axes)
    return {
        "key": weight.key,
        "role": weight.role,
        "name": f"{weight.layer} / {weight.name}",
        "facts": " · ".join(weight_details.weight_facts(weight)),
        "rows": [_axis_state(axis) for axis in rows],
        "columns": [_axis_state(axis) for axis in columns],
        "order": [*layout.rows, *layout.columns],
    }


def _axis_state(axis: Axis) -> dict[str, Any]:
    """Describe an axis without the user's names for its entries, of which there may be many thousands."""
    return axis_state(axis if axis is NO_AXIS else replace(axis, labels=()), None)
