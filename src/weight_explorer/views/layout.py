"""The matrix layout of a weight: which axes form rows, which form columns, and which are fixed, with the options for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import Axis, Weight
from weight_explorer.recording.history import History
from weight_explorer.views.choice import Choice, MenuItem
from weight_explorer.views.options import ItemCount, ViewOption

VIEW = "matrix"
GRID_LAYOUT, SLICE_LAYOUT = "grid", "slice"

# Stands for a side without an axis of the weight. It has no name, and therefore gets no label.
NO_AXIS = Axis("", 1)

# No Keras layer has a weight with more axes.
MAX_SLIDERS = 8


@dataclass(frozen=True, slots=True)
class Layout:
    """The axes that form rows and columns, outermost first, and a fixed index for each other axis."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    fixed: tuple[tuple[int, int], ...] = ()

    def flatten(self, values: np.ndarray) -> np.ndarray:
        """Reshape an array of any rank to two dimensions, without a copy where possible."""
        height, width = (math.prod(values.shape[i] for i in side) for side in (self.rows, self.columns))
        turned = values.transpose((*(axis for axis, _ in self.fixed), *self.rows, *self.columns))
        return turned[tuple(index for _, index in self.fixed)].reshape(height, width)

    def sides(self, axes: tuple[Axis, ...]) -> tuple[tuple[Axis, ...], tuple[Axis, ...]]:
        """Return the axes of the rows and of the columns."""
        rows, columns = (tuple(axes[i] for i in side) or (NO_AXIS,) for side in (self.rows, self.columns))
        return rows, columns

    def describe_fixed(self, axes: tuple[Axis, ...]) -> str:
        """Describe the indexes of the fixed axes, such as `kernel_height = 1, kernel_width = 0`."""
        return ", ".join(f"{axes[axis].name} = {index}{_label(axes[axis], index)}" for axis, index in self.fixed)


def _label(axis: Axis, index: int) -> str:
    return f' "{axis.labels[index]}"' if axis.labels else ""


def default_layout(axes: tuple[Axis, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the default axes for rows and for columns, outermost first.

    Inputs form rows and outputs form columns, with the window of a convolution inside, so that a column always produces one
    output. For a weight without inputs and outputs, the last axis forms columns and all others form rows.

    >>> default_layout((Axis("input_dim", 4, side="in"), Axis("heads", 2, side="out"), Axis("key_dim", 3, side="out")))
    ((0,), (1, 2))
    >>> height, width = Axis("kernel_height", 3, side="window"), Axis("kernel_width", 3, side="window")
    >>> default_layout((height, width, Axis("in_channels", 8, side="in"), Axis("filters", 16, side="out")))
    ((2, 0), (3, 1))
    """
    sides = [axis.side for axis in axes]
    if "in" not in sides or "out" not in sides:
        order = tuple(range(len(axes)))
        return order[:-1], order[-1:]
    window = [i for i, side in enumerate(sides) if side == "window"]
    down = [i for i, side in enumerate(sides) if side in ("in", "")]
    across = [i for i, side in enumerate(sides) if side == "out"]
    return (*down, *window[:-1]), (*across, *window[-1:])


def keeps_sample_only(weight: Weight, history: History) -> bool:
    """Whether only a sample of a weight's elements is kept."""
    column = history.weight_history(weight.variable_key)
    return column is not None and column.sample is not None


def chosen_layout(weight: Weight, history: History, choice: Choice) -> Layout:
    """Return the chosen layout of a weight: all of it, or one slice."""
    if LAYOUT.chosen(weight, history, choice) != SLICE_LAYOUT:
        return Layout(*default_layout(weight.axes))
    down, across = (int(option.chosen(weight, history, choice)) for option in (DOWN, ACROSS))
    others = (axis for axis in range(len(weight.axes)) if axis not in (down, across))
    return Layout((down,), (across,), tuple((axis, int(SLIDERS[axis].chosen(weight, history, choice))) for axis in others))


def _layout_items(weight: Weight, history: History, _: Choice) -> tuple[MenuItem, ...]:
    if not 3 <= len(weight.axes) <= MAX_SLIDERS or keeps_sample_only(weight, history):
        return ()
    return (MenuItem(GRID_LAYOUT, "grid"), MenuItem(SLICE_LAYOUT, "slice"))


def _is_slice(weight: Weight, history: History, choice: Choice) -> bool:
    return LAYOUT.chosen(weight, history, choice) == SLICE_LAYOUT


def _down_items(weight: Weight, history: History, choice: Choice) -> tuple[MenuItem, ...]:
    if not _is_slice(weight, history, choice):
        return ()
    rows, columns = default_layout(weight.axes)
    return _axis_items(weight, rows[0], without=-1, last=columns[0])


def _across_items(weight: Weight, history: History, choice: Choice) -> tuple[MenuItem, ...]:
    if not _is_slice(weight, history, choice):
        return ()
    rows, columns = default_layout(weight.axes)
    return _axis_items(weight, columns[0], without=int(DOWN.chosen(weight, history, choice)), last=rows[0])


def _axis_items(weight: Weight, first: int, *, without: int, last: int) -> tuple[MenuItem, ...]:
    """Return items for all axes but one. The first is the default."""
    others = [axis for axis in range(len(weight.axes)) if axis not in (first, last)]
    order = [axis for axis in (first, *others, last) if axis != without]
    return tuple(MenuItem(str(axis), weight.axes[axis].name or f"axis {axis}") for axis in order)


def _slider_range(axis: int) -> Callable[[Weight, History, Choice], tuple[MenuItem, ...] | ItemCount]:
    def offers(weight: Weight, history: History, choice: Choice) -> tuple[MenuItem, ...] | ItemCount:
        if axis >= len(weight.axes) or not _is_slice(weight, history, choice):
            return 0
        shown = {option.chosen(weight, history, choice) for option in (DOWN, ACROSS)}
        return 0 if str(axis) in shown else weight.axes[axis].size

    return offers


LAYOUT = ViewOption(VIEW, "layout", "lay out", _layout_items)
DOWN = ViewOption(VIEW, "down", "down", _down_items)
ACROSS = ViewOption(VIEW, "across", "across", _across_items)
SLIDERS = tuple(
    ViewOption(VIEW, f"axis_{axis}", lambda weight, axis=axis: weight.axes[axis].name, _slider_range(axis), "slider")
    for axis in range(MAX_SLIDERS)
)
OPTIONS = (LAYOUT, DOWN, ACROSS, *SLIDERS)
