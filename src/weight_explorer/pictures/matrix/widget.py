"""A matrix on a canvas, with zoom, pins and the value under the pointer."""

from __future__ import annotations

from typing import Any

import anywidget
import numpy as np
import traitlets

from weight_explorer.catalog.schema import Axis
from weight_explorer.pictures import colors
from weight_explorer.pictures.assets import read_asset
from weight_explorer.pictures.data import IndexMapping, MatrixPicture, Overlay
from weight_explorer.pictures.numbers import format_count
from weight_explorer.pictures.text import describe_picture


class MatrixWidget(anywidget.AnyWidget):
    """Draws cells in the browser from one float32 buffer, so the value under the pointer is available without the kernel.

    `cells` is row-major and little-endian. `shape` is its number of rows and columns, `steps` the number of entries per cell,
    and `top_left` its first entry, out of `size` entries. `overview` is a coarse version of the full matrix, if `cells` covers
    only a part. `rows` and `columns` describe the axes along each side, outermost first. `order` gives the array axis of each.
    `row_order` and `column_order` give the display order of the entries of the outermost axes and are empty for the original
    order. Only the labels of the first and last entry of a cell are sent to the browser. `frozen` and `selected` have one byte
    per cell: 0 if none of its elements are marked, 1 for some, 2 for all.

    User requests arrive as JSON: `viewport` is the region to show, `pin` is an element, and `selection` is a selection, or
    null to clear it.
    """

    _esm = read_asset("matrix.js")
    _css = read_asset("matrix.css")

    cells = traitlets.Bytes().tag(sync=True)
    shape = traitlets.List(traitlets.Int(), [0, 0]).tag(sync=True)
    size = traitlets.List(traitlets.Int(), [0, 0]).tag(sync=True)
    top_left = traitlets.List(traitlets.Int(), [0, 0]).tag(sync=True)
    steps = traitlets.List(traitlets.Int(), [1, 1]).tag(sync=True)
    overview = traitlets.Bytes().tag(sync=True)
    overview_shape = traitlets.List(traitlets.Int(), [0, 0]).tag(sync=True)
    overview_steps = traitlets.List(traitlets.Int(), [1, 1]).tag(sync=True)
    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    columns = traitlets.List(traitlets.Dict()).tag(sync=True)
    order = traitlets.List(traitlets.Int()).tag(sync=True)
    row_order = traitlets.Bytes().tag(sync=True)
    column_order = traitlets.Bytes().tag(sync=True)
    color_limit = traitlets.Float().tag(sync=True)
    color_limit_text = traitlets.Unicode().tag(sync=True)
    special_counts = traitlets.List(traitlets.Int(), [0] * len(colors.SPECIAL_COLORS)).tag(sync=True)
    cell_value = traitlets.Unicode("extreme").tag(sync=True)
    fixed_text = traitlets.Unicode().tag(sync=True)
    key = traitlets.Unicode().tag(sync=True)
    index_mapping = traitlets.Dict().tag(sync=True)
    visible = traitlets.List(traitlets.Int(), [0, 0, 0, 0]).tag(sync=True)
    pins = traitlets.List().tag(sync=True)
    frozen = traitlets.Bytes().tag(sync=True)
    overview_frozen = traitlets.Bytes().tag(sync=True)
    frozen_text = traitlets.Unicode().tag(sync=True)
    selected = traitlets.Bytes().tag(sync=True)
    overview_selected = traitlets.Bytes().tag(sync=True)
    selected_text = traitlets.Unicode().tag(sync=True)
    alt_text = traitlets.Unicode().tag(sync=True)
    viewport = traitlets.Unicode().tag(sync=True)
    pin = traitlets.Unicode().tag(sync=True)
    selection = traitlets.Unicode().tag(sync=True)
    palette = traitlets.Bytes(read_only=True).tag(sync=True)
    special = traitlets.List(traitlets.Unicode(), list(colors.SPECIAL_COLORS), read_only=True).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self.set_trait("palette", colors.colormap_bytes())

    def show(self, picture: MatrixPicture, name: str) -> None:
        """Draw a picture, in one message to the browser. `name` says what it shows and is part of the alternative text."""
        with self.hold_sync():
            for trait, value in _traits_of(picture, name).items():
                setattr(self, trait, value)
            self.viewport = self.pin = self.selection = ""  # reset so that the same request can be made again


def _traits_of(picture: MatrixPicture, name: str) -> dict[str, Any]:
    seen, overview = picture.visible, picture.overview
    return {
        "cells": picture.cells.astype("<f4", copy=False).tobytes(),
        "shape": list(picture.cells.shape),
        "size": list(picture.size),
        "top_left": list(picture.top_left),
        "steps": [picture.row_step, picture.column_step],
        "overview": b"" if overview is None else overview.astype("<f4", copy=False).tobytes(),
        "overview_shape": [0, 0] if overview is None else list(overview.shape),
        "overview_steps": list(picture.overview_steps),
        "rows": _side_state(picture.rows, picture.row_order, picture.top_left[0], picture.row_step, picture.cells.shape[0]),
        "columns": _side_state(
            picture.columns, picture.column_order, picture.top_left[1], picture.column_step, picture.cells.shape[1]
        ),
        "order": list(picture.axis_order),
        "row_order": _order_bytes(picture.row_order),
        "column_order": _order_bytes(picture.column_order),
        "color_limit": picture.color_limit,
        "color_limit_text": picture.special_counts.color_limit_text,
        "special_counts": _special_counts(picture),
        "cell_value": picture.cell_value,
        "fixed_text": picture.fixed_text,
        "key": picture.key,
        "index_mapping": _index_mapping_state(picture.index_mapping),
        "visible": [seen.top, seen.bottom, seen.left, seen.right],
        "pins": [[pin.number, pin.row, pin.column] for pin in picture.pins],
        "frozen_text": _frozen_text(picture.frozen),
        "selected_text": picture.selected.text if picture.selected else "",
        "alt_text": describe_picture(picture, name),
        **_overlay_traits("frozen", picture.frozen),
        **_overlay_traits("selected", picture.selected),
    }


def _index_mapping_state(mapping: IndexMapping) -> dict[str, Any]:
    return {"weight": mapping.weight, "base": list(mapping.offset), "axes": list(mapping.axes), "down": mapping.num_row_axes}


def _overlay_traits(name: str, overlay: Overlay | None) -> dict[str, bytes]:
    cells, overview = (overlay.cells, overlay.overview) if overlay else (None, None)
    return {
        name: b"" if cells is None else cells.tobytes(),
        f"overview_{name}": b"" if overview is None else overview.tobytes(),
    }


def _frozen_text(overlay: Overlay | None) -> str:
    """Return the legend text for the number of frozen elements. Numbers above a million have three digits.

    >>> _frozen_text(Overlay(None, None, 650, "")), _frozen_text(Overlay(np.ones((1, 1)), None, 25_165_824, ""))
    ('all frozen', '25.2 M frozen')
    """
    if overlay is None:
        return ""
    if overlay.cells is None:
        return "all frozen"
    return f"{format_count(overlay.count) if overlay.count < 1e6 else f'{overlay.count / 1e6:.3g} M'} frozen"


def _order_bytes(order: np.ndarray | None) -> bytes:
    return b"" if order is None else order.astype("<i4").tobytes()


def _special_counts(picture: MatrixPicture) -> list[int]:
    marks = picture.special_counts
    return [marks.nans, marks.positive_infs, marks.negative_infs, marks.above, marks.below]


def _side_state(axes: tuple[Axis, ...], order: np.ndarray | None, offset: int, step: int, count: int) -> list[dict[str, Any]]:
    """Describe the axes of one side, with the labels of the outermost axis in the `count` cells starting at `offset`."""
    outer, others = axis_state(axes[0], order), [axis_state(axis, None) for axis in axes[1:]]
    # A cell that covers several entries of several axes has no single name.
    if step > 1 and others:
        return [axis | {"labels": [], "last": []} for axis in (outer, *others)]
    inner = int(np.prod([axis.size for axis in axes[1:]], dtype=np.int64))
    first, end = offset // inner, min(-(-(offset + count * step) // inner), axes[0].size)
    return [outer | _label_state(axes[0], order, range(first, end, step), step), *others]


def _label_state(axis: Axis, order: np.ndarray | None, positions: range, step: int) -> dict[str, Any]:
    if not axis.labels:
        return {"labels": [], "last": [], "first": 0}
    entries = np.arange(axis.size) if order is None else order
    last = [axis.labels[entries[min(place + step, axis.size) - 1]] for place in positions] if step > 1 else []
    return {"labels": [axis.labels[entries[place]] for place in positions], "last": last, "first": positions.start}


def axis_state(axis: Axis, order: np.ndarray | None) -> dict[str, Any]:
    """Describe an axis whose entries are drawn in the given order. None means the original order."""
    # If the blocks are the entries, as with heads, the user's names for them take precedence.
    names = axis.labels if axis.labels and not axis.is_split else [block.name for block in axis.blocks]
    blocks = [[name, block.start, block.stop, _short_block_name(name)] for name, block in zip(names, axis.blocks, strict=False)]
    if order is not None and blocks and not axis.is_split:
        blocks = [[blocks[entry][0], place, place + 1, blocks[entry][3]] for place, entry in enumerate(order)]
    return {
        "name": axis.name,
        "size": axis.size,
        "blocks": blocks,
        "split": axis.is_split,
        "labels": list(axis.labels),
        "last": [],
        "first": 0,
    }


def _short_block_name(name: str) -> str:
    """Shorten a block name for small spaces: `3` for head 3, `f` for the forget gate."""
    last = name.rpartition(" ")[2]
    return last if last.isdigit() else name[:1]
