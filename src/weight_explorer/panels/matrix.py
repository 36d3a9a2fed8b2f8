"""A matrix as a picture on a canvas, with the number under the pointer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from weight_explorer.catalog.nodes import Axis
from weight_explorer.panels import colors
from weight_explorer.views.pictures import MatrixPicture
from weight_explorer.views.words import words_of

HERE = Path(__file__).parent


class MatrixPanel(anywidget.AnyWidget):
    """Draws cells in the browser from one float32 buffer, so the pointer needs no kernel.

    `cells` is row-major, little-endian; `shape` its rows and columns. `rows` and `columns` describe the axes along each
    side, the outer ones first, and `order` which axis of the array each is. Of labels only those travel that stand at the
    first and the last entry of a cell.
    """

    _esm = HERE / "matrix.js"
    _css = HERE / "matrix.css"

    cells = traitlets.Bytes().tag(sync=True)
    shape = traitlets.List(traitlets.Int(), [0, 0]).tag(sync=True)
    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    columns = traitlets.List(traitlets.Dict()).tag(sync=True)
    order = traitlets.List(traitlets.Int()).tag(sync=True)
    steps = traitlets.List(traitlets.Int(), [1, 1]).tag(sync=True)
    limit = traitlets.Float().tag(sync=True)
    alternative = traitlets.Unicode().tag(sync=True)
    palette = traitlets.Bytes(read_only=True).tag(sync=True)
    special = traitlets.List(traitlets.Unicode(), [colors.NOT_A_NUMBER, colors.INFINITE], read_only=True).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self.set_trait("palette", colors.palette())

    def show(self, picture: MatrixPicture, name: str) -> None:
        """Draw a picture, in one message; `name` says of what, for those who cannot see it."""
        cells = picture.cells.astype("<f4", copy=False)
        with self.hold_sync():
            self.shape = list(cells.shape)
            self.cells = cells.tobytes()
            self.rows = _side(picture.rows, picture.row_step)
            self.columns = _side(picture.columns, picture.column_step)
            self.order = list(picture.axis_order)
            self.steps = [picture.row_step, picture.column_step]
            self.limit = picture.limit
            self.alternative = words_of(picture, name)


def _side(axes: tuple[Axis, ...], step: int) -> list[dict[str, Any]]:
    # Where a cell stands for several entries of several axes, there is no one name for it.
    return [_axis(axis if step == 1 or len(axes) == 1 else replace(axis, labels=()), step) for axis in axes]


def _axis(axis: Axis, step: int) -> dict[str, Any]:
    # Where blocks are the entries, as with heads, the user's names for them come first.
    names = axis.labels if axis.labels and not axis.is_split else [block.name for block in axis.blocks]
    blocks = [[name, block.start, block.stop, _short(name)] for name, block in zip(names, axis.blocks, strict=False)]
    last = [axis.labels[min(i + step, axis.size) - 1] for i in range(0, len(axis.labels), step)] if step > 1 else []
    return {
        "name": axis.name,
        "size": axis.size,
        "blocks": blocks,
        "split": axis.is_split,
        "labels": list(axis.labels[::step]),
        "last": last,
    }


def _short(name: str) -> str:
    """Shorten a block's name for where there is little room: `3` for head 3, `f` for the forget gate."""
    last = name.rpartition(" ")[2]
    return last if last.isdigit() else name[:1]
