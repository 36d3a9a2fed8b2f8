"""A matrix as a picture on a canvas, with the number under the pointer, zoom and pins."""

from __future__ import annotations

from typing import Any

import anywidget
import numpy as np
import traitlets

from weight_explorer.catalog.nodes import Axis
from weight_explorer.panels import colors
from weight_explorer.panels.assets import asset
from weight_explorer.views.numbers import grouped
from weight_explorer.views.pictures import Cover, MatrixPicture, Place
from weight_explorer.views.words import words_of


class MatrixPanel(anywidget.AnyWidget):
    """Draws cells in the browser from one float32 buffer, so the pointer needs no kernel.

    `cells` is row-major, little-endian; `shape` its rows and columns, `steps` how many entries one stands for and `origin` the
    entry it begins at, of `size` entries. `overview` has a few cells of everything, where `cells` are of a part. `rows` and
    `columns` describe the axes along each side, the outer ones first, and `order` which axis of the array each is;
    `row_order` and `column_order` are the entries of the outermost as they are drawn, empty for as they are. Of labels only
    those travel that stand at the first and the last entry of a cell. `frozen` and `selected` have a byte for each cell: 0
    where none of its elements are, 1 for some, 2 for all.

    What the user asks for arrives as JSON: in `window` what is looked at, in `pin` an element, in `brush` a selection, or null
    for none.
    """

    _esm = asset("matrix.js")
    _css = asset("matrix.css")

    cells = traitlets.Bytes().tag(sync=True)
    shape = traitlets.List(traitlets.Int(), [0, 0]).tag(sync=True)
    size = traitlets.List(traitlets.Int(), [0, 0]).tag(sync=True)
    origin = traitlets.List(traitlets.Int(), [0, 0]).tag(sync=True)
    steps = traitlets.List(traitlets.Int(), [1, 1]).tag(sync=True)
    overview = traitlets.Bytes().tag(sync=True)
    overview_shape = traitlets.List(traitlets.Int(), [0, 0]).tag(sync=True)
    overview_steps = traitlets.List(traitlets.Int(), [1, 1]).tag(sync=True)
    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    columns = traitlets.List(traitlets.Dict()).tag(sync=True)
    order = traitlets.List(traitlets.Int()).tag(sync=True)
    row_order = traitlets.Bytes().tag(sync=True)
    column_order = traitlets.Bytes().tag(sync=True)
    limit = traitlets.Float().tag(sync=True)
    limit_words = traitlets.Unicode().tag(sync=True)
    counts = traitlets.List(traitlets.Int(), [0] * len(colors.SPECIAL)).tag(sync=True)
    shows = traitlets.Unicode("extreme").tag(sync=True)
    fixed = traitlets.Unicode().tag(sync=True)
    key = traitlets.Unicode().tag(sync=True)
    place = traitlets.Dict().tag(sync=True)
    seen = traitlets.List(traitlets.Int(), [0, 0, 0, 0]).tag(sync=True)
    pins = traitlets.List().tag(sync=True)
    frozen = traitlets.Bytes().tag(sync=True)
    overview_frozen = traitlets.Bytes().tag(sync=True)
    frozen_words = traitlets.Unicode().tag(sync=True)
    selected = traitlets.Bytes().tag(sync=True)
    overview_selected = traitlets.Bytes().tag(sync=True)
    selected_words = traitlets.Unicode().tag(sync=True)
    alternative = traitlets.Unicode().tag(sync=True)
    window = traitlets.Unicode().tag(sync=True)
    pin = traitlets.Unicode().tag(sync=True)
    brush = traitlets.Unicode().tag(sync=True)
    palette = traitlets.Bytes(read_only=True).tag(sync=True)
    special = traitlets.List(traitlets.Unicode(), list(colors.SPECIAL), read_only=True).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self.set_trait("palette", colors.palette())

    def show(self, picture: MatrixPicture, name: str) -> None:
        """Draw a picture, in one message; `name` says of what, for those who cannot see it."""
        with self.hold_sync():
            for trait, value in _state(picture, name).items():
                setattr(self, trait, value)
            self.window = self.pin = self.brush = ""  # so that the same may be asked for again


def _state(picture: MatrixPicture, name: str) -> dict[str, Any]:
    seen, overview = picture.seen, picture.overview
    return {
        "cells": picture.cells.astype("<f4", copy=False).tobytes(),
        "shape": list(picture.cells.shape),
        "size": list(picture.size),
        "origin": list(picture.origin),
        "steps": [picture.row_step, picture.column_step],
        "overview": b"" if overview is None else overview.astype("<f4", copy=False).tobytes(),
        "overview_shape": [0, 0] if overview is None else list(overview.shape),
        "overview_steps": list(picture.overview_steps),
        "rows": _side(picture.rows, picture.row_order, picture.origin[0], picture.row_step, picture.cells.shape[0]),
        "columns": _side(picture.columns, picture.column_order, picture.origin[1], picture.column_step, picture.cells.shape[1]),
        "order": list(picture.axis_order),
        "row_order": _entries(picture.row_order),
        "column_order": _entries(picture.column_order),
        "limit": picture.limit,
        "limit_words": picture.marks.limit,
        "counts": _counts(picture),
        "shows": picture.shows,
        "fixed": picture.fixed,
        "key": picture.key,
        "place": _place(picture.place),
        "seen": [seen.top, seen.bottom, seen.left, seen.right],
        "pins": [[pin.number, pin.row, pin.column] for pin in picture.pins],
        "frozen_words": _frozen_words(picture.frozen),
        "selected_words": picture.selected.words if picture.selected else "",
        "alternative": words_of(picture, name),
        **_cover("frozen", picture.frozen),
        **_cover("selected", picture.selected),
    }


def _place(place: Place) -> dict[str, Any]:
    return {"weight": place.weight, "base": list(place.base), "axes": list(place.axes), "down": place.num_down}


def _cover(name: str, cover: Cover | None) -> dict[str, bytes]:
    cells, overview = (cover.cells, cover.overview) if cover else (None, None)
    return {
        name: b"" if cells is None else cells.tobytes(),
        f"overview_{name}": b"" if overview is None else overview.tobytes(),
    }


def _frozen_words(cover: Cover | None) -> str:
    """Say in the few words of a legend how many elements are frozen; of more than a million in three digits.

    >>> _frozen_words(Cover(None, None, 650, "")), _frozen_words(Cover(np.ones((1, 1)), None, 25_165_824, ""))
    ('all frozen', '25.2 M frozen')
    """
    if cover is None:
        return ""
    if cover.cells is None:
        return "all frozen"
    return f"{grouped(cover.count) if cover.count < 1e6 else f'{cover.count / 1e6:.3g} M'} frozen"


def _entries(order: np.ndarray | None) -> bytes:
    return b"" if order is None else order.astype("<i4").tobytes()


def _counts(picture: MatrixPicture) -> list[int]:
    marks = picture.marks
    return [marks.nans, marks.positive_infs, marks.negative_infs, marks.above, marks.below]


def _side(axes: tuple[Axis, ...], order: np.ndarray | None, origin: int, step: int, count: int) -> list[dict[str, Any]]:
    """Describe the axes of one side, with those labels of the outermost that stand in the `count` cells from `origin` on."""
    outer, others = axis_state(axes[0], order), [axis_state(axis, None) for axis in axes[1:]]
    # Where a cell stands for several entries of several axes, there is no one name for it.
    if step > 1 and others:
        return [axis | {"labels": [], "last": []} for axis in (outer, *others)]
    inner = int(np.prod([axis.size for axis in axes[1:]], dtype=np.int64))
    first, end = origin // inner, min(-(-(origin + count * step) // inner), axes[0].size)
    return [outer | _labels(axes[0], order, range(first, end, step), step), *others]


def _labels(axis: Axis, order: np.ndarray | None, places: range, step: int) -> dict[str, Any]:
    if not axis.labels:
        return {"labels": [], "last": [], "first": 0}
    entries = np.arange(axis.size) if order is None else order
    last = [axis.labels[entries[min(place + step, axis.size) - 1]] for place in places] if step > 1 else []
    return {"labels": [axis.labels[entries[place]] for place in places], "last": last, "first": places.start}


def axis_state(axis: Axis, order: np.ndarray | None) -> dict[str, Any]:
    """Describe an axis whose entries are drawn in this order, None for as they are."""
    # Where blocks are the entries, as with heads, the user's names for them come first.
    names = axis.labels if axis.labels and not axis.is_split else [block.name for block in axis.blocks]
    blocks = [[name, block.start, block.stop, _short(name)] for name, block in zip(names, axis.blocks, strict=False)]
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


def _short(name: str) -> str:
    """Shorten a block's name for where there is little room: `3` for head 3, `f` for the forget gate."""
    last = name.rpartition(" ")[2]
    return last if last.isdigit() else name[:1]
