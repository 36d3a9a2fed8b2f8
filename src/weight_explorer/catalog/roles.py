"""What the weights of Keras' layers mean: one table, from layer class and attribute to role, axes and a sentence.

A layer type is added by rows. Axes are named by Keras' own configuration terms, so that what a student reads here is what
the documentation says. Where a class has no row its base classes are asked, and where none has one, a plain rule is right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from weight_explorer.catalog.nodes import Axis, Block


@dataclass(frozen=True, slots=True)
class AxisRow:
    """An axis in the table; `blocks` name equal slices of it and `group` says what they are called together."""

    name: str
    meaning: str
    blocks: tuple[str, ...] = ()
    group: str = ""

    def of_size(self, size: int) -> Axis:
        """Make the axis of a real weight; blocks that do not divide the size are left out."""
        count = len(self.blocks)
        if not count or size % count:
            return Axis(self.name, size, self.meaning)
        step = size // count
        blocks = tuple(Block(name, i * step, (i + 1) * step) for i, name in enumerate(self.blocks))
        inner = "" if step == 1 else f" x {step} {self.name}"
        return Axis(self.name, size, f"{count} {self.group}{inner}", blocks)


@dataclass(frozen=True, slots=True)
class Row:
    """What one kind of weight means.

    `sentence` may use the sizes of its axes by name, as in `{units}`; `starts` says what a layer does to a fresh weight beyond
    its initializer.
    """

    sentence: str
    axes: tuple[AxisRow, ...] | Callable[[Any], tuple[AxisRow, ...]] = ()
    role: str = ""
    starts: Callable[[Any], str] | None = None


LSTM_GATES = ("input gate", "forget gate", "cell candidate", "output gate")
GRU_GATES = ("update gate", "reset gate", "candidate")

INPUT = AxisRow("input_dim", "the features that come in")
UNITS = AxisRow("units", "the units of the layer")
LSTM_UNITS = AxisRow("units", "the units, gate by gate", LSTM_GATES, "gates")
GRU_UNITS = AxisRow("units", "the units, gate by gate", GRU_GATES, "gates")
PREVIOUS = AxisRow("recurrent_units", "the layer's own output one step before")
GRU_BIASES = AxisRow("rows", "added to the input, added to the recurrent part", ("input bias", "recurrent bias"), "biases")
IN_CHANNELS = AxisRow("in_channels", "the channels that come in")
FILTERS = AxisRow("filters", "the filters of the layer, one for each channel that goes out")
MULTIPLIER = AxisRow("depth_multiplier", "the filters for each channel that comes in")
HEIGHT = AxisRow("kernel_height", "from top to bottom of the window")
WIDTH = AxisRow("kernel_width", "from left to right of the window")
DEPTH = AxisRow("kernel_depth", "through the depth of the window")
TIME = AxisRow("kernel_size", "along the window")
CHANNELS = AxisRow("channels", "the channels, one number for each")

WINDOWS = {"1D": (TIME,), "2D": (HEIGHT, WIDTH), "3D": (DEPTH, HEIGHT, WIDTH)}


def einsum_axes(layer: Any) -> tuple[AxisRow, ...]:
    """Name the axes of an EinsumDense kernel after the letters of its equation, as in `abc,cde->abde`."""
    inputs, rest = str(layer.equation).split(",")
    kernel, outputs = rest.split("->")
    return tuple(AxisRow(f"{_side(letter, inputs, outputs)} {letter}", "") for letter in kernel.strip())


def _side(letter: str, inputs: str, outputs: str) -> str:
    both = letter in inputs and letter in outputs
    return "kept axis" if both else "input axis" if letter in inputs else "output axis"


def forget_bias(layer: Any) -> str:
    """Say that an LSTM starts the bias of its forget gate at 1, unless told otherwise."""
    return ", forget gate at 1" if layer.unit_forget_bias else ""


def _convolutions() -> dict[tuple[str, str], Row]:
    rows = {}
    for rank, window in WINDOWS.items():
        kernel = Row(
            "Each of the {filters} filters looks at a small window of the picture or sequence, in every channel that "
            "comes in; where the window holds what its weights describe, the filter answers strongly.",
            (*window, IN_CHANNELS, FILTERS),
        )
        transposed = Row(
            "Each number that comes in paints a small window of every channel that goes out, in the pattern of these "
            "weights. The outgoing channels stand before the incoming ones here.",
            (*window, FILTERS, IN_CHANNELS),
        )
        depthwise = Row(
            "Each channel that comes in has its own small filters; channels are not mixed.",
            (*window, IN_CHANNELS, MULTIPLIER),
        )
        pointwise = Row(
            "After the depthwise part, mixes the channels at each place: each column is one filter.",
            (*(AxisRow(axis.name, axis.meaning) for axis in window), IN_CHANNELS, FILTERS),
        )
        bias = Row("One number for each of the {filters} filters, added to all it puts out.", (FILTERS,))
        rows |= {
            (f"Conv{rank}", "kernel"): kernel,
            (f"Conv{rank}", "bias"): bias,
            (f"Conv{rank}Transpose", "kernel"): transposed,
            (f"Conv{rank}Transpose", "bias"): bias,
            (f"DepthwiseConv{rank}", "kernel"): depthwise,
            (f"SeparableConv{rank}", "depthwise_kernel"): depthwise,
            (f"SeparableConv{rank}", "pointwise_kernel"): pointwise,
            (f"SeparableConv{rank}", "bias"): bias,
        }
    return rows


ROWS: dict[tuple[str, str], tuple[Row, ...] | Row] = {
    ("Dense", "kernel"): Row(
        "Each column is one of the {units} units and each row one of the {input_dim} inputs: the number where they meet "
        "is how strongly that input pulls on that unit.",
        (INPUT, UNITS),
    ),
    ("Dense", "bias"): Row(
        "One number for each of the {units} units, added to its sum before the activation: how active the unit is when "
        "all inputs are zero.",
        (UNITS,),
    ),
    ("LSTMCell", "kernel"): Row(
        "Each row is one of the {input_dim} inputs; the columns are the units, once for each of the four gates: input, "
        "forget, cell candidate, output. A number is the pull of that input on that gate of that unit.",
        (INPUT, LSTM_UNITS),
    ),
    ("LSTMCell", "recurrent_kernel"): Row(
        "Each row is one of the layer's own {recurrent_units} units one time step before; the columns are the units, "
        "once for each of the four gates: how the past of the layer pulls on its present.",
        (PREVIOUS, LSTM_UNITS),
        "recurrent",
    ),
    ("LSTMCell", "bias"): Row(
        "One number for each gate of each unit. Unless told otherwise Keras starts the forget gate at 1, so that a fresh LSTM "
        "remembers.",
        (LSTM_UNITS,),
        starts=forget_bias,
    ),
    ("GRUCell", "kernel"): Row(
        "Each row is one of the {input_dim} inputs; the columns are the units, once for each of update gate, reset gate "
        "and candidate.",
        (INPUT, GRU_UNITS),
    ),
    ("GRUCell", "recurrent_kernel"): Row(
        "Each row is one of the layer's own {recurrent_units} units one time step before; the columns are the units, "
        "once for each of update gate, reset gate and candidate.",
        (PREVIOUS, GRU_UNITS),
        "recurrent",
    ),
    ("GRUCell", "bias"): (
        Row("One number for each gate of each unit.", (GRU_UNITS,)),
        Row(
            "Two biases for each gate of each unit, because the layer resets after the matrix product "
            "(reset_after=True): the first row is added to the input part, the second to the recurrent part.",
            (GRU_BIASES, GRU_UNITS),
        ),
    ),
    ("SimpleRNNCell", "kernel"): Row(
        "Each row is one of the {input_dim} inputs, each column one of the {units} units.", (INPUT, UNITS)
    ),
    ("SimpleRNNCell", "recurrent_kernel"): Row(
        "Row and column are both units of this layer: how each unit one time step before pulls on each unit now.",
        (PREVIOUS, UNITS),
        "recurrent",
    ),
    ("SimpleRNNCell", "bias"): Row("One number for each of the {units} units, added at every time step.", (UNITS,)),
    ("Embedding", "embeddings"): Row(
        "Each row is the vector of one token. Only rows of tokens that occur in the training data are moved by it.",
        (AxisRow("input_dim", "the tokens of the vocabulary"), AxisRow("output_dim", "the numbers of one vector")),
    ),
    ("EinsumDense", "kernel"): Row(
        "A dense layer over chosen axes: every letter of its equation is an axis, and the axes that come in and do not go out "
        "are summed over.",
        einsum_axes,
    ),
    ("BatchNormalization", "gamma"): Row(
        "After each channel is brought to mean 0 and variance 1, it is multiplied by its gamma. Starts at 1.", (CHANNELS,)
    ),
    ("BatchNormalization", "beta"): Row("The last step: beta is added to each channel. Starts at 0.", (CHANNELS,)),
    ("BatchNormalization", "moving_mean"): Row(
        "The running average of each channel's mean, used when the model predicts. Not moved by gradients but updated "
        "at each training batch, so it counts as non-trainable.",
        (CHANNELS,),
    ),
    ("BatchNormalization", "moving_variance"): Row(
        "The running average of each channel's variance, used when the model predicts. Not moved by gradients but "
        "updated at each training batch, so it counts as non-trainable.",
        (CHANNELS,),
    ),
    ("LayerNormalization", "gamma"): Row(
        "After each sample is brought to mean 0 and variance 1, each feature is multiplied by its gamma. Starts at 1.",
        (CHANNELS,),
    ),
    ("LayerNormalization", "beta"): Row("The last step: beta is added to each feature. Starts at 0.", (CHANNELS,)),
    **_convolutions(),
}

# Wrappers that hold their layers under attributes with a meaning: (class, attribute) -> (the part's name, what such parts are).
PARTS: dict[tuple[str, str], tuple[str, str]] = {
    ("Bidirectional", "forward_layer"): ("forward", "direction"),
    ("Bidirectional", "backward_layer"): ("backward", "direction"),
    ("MultiHeadAttention", "query_dense"): ("query", "projection"),
    ("MultiHeadAttention", "key_dense"): ("key", "projection"),
    ("MultiHeadAttention", "value_dense"): ("value", "projection"),
    ("MultiHeadAttention", "output_dense"): ("output", "projection"),
}

# Layers that stand in the tree for the one layer they are built on: an LSTM is its cell, run over time.
FOLDED: dict[str, str] = {"RNN": "cell"}


def class_names(layer: Any) -> list[str]:
    """Names of Keras' own classes among the layer's class and its bases, nearest first: so the tables are asked.

    A user's own class that happens to be called `Dense` is none of them.
    """
    return [cls.__name__ for cls in type(layer).__mro__ if cls.__module__.partition(".")[0] == "keras"]


def row_for(layer: Any, attribute: str, rank: int) -> Row | None:
    """Find the row for a weight; of several rows the one with as many axes as the weight has."""
    for name in class_names(layer):
        found = ROWS.get((name, attribute))
        rows = found if isinstance(found, tuple) else (found,) if found else ()
        for row in rows:
            axes = row.axes(layer) if callable(row.axes) else row.axes
            if len(axes) == rank:
                return replace(row, axes=axes)
    return None


def role_of(attribute: str, row: Row | None) -> str:
    """Return the role: the row's own, or the attribute's name in words."""
    return (row.role if row else "") or attribute.strip("_").replace("_", " ")


def axes_of(row: Row | None, shape: tuple[int, ...]) -> tuple[Axis, ...]:
    """Name the axes of a weight of this shape, plainly where no row knows them."""
    if row is None:
        return tuple(Axis(f"axis {i}", size) for i, size in enumerate(shape))
    return tuple(axis.of_size(size) for axis, size in zip(row.axes, shape, strict=True))  # type: ignore[arg-type]


def explanation_of(row: Row | None, axes: tuple[Axis, ...], shape: tuple[int, ...], layer: Any) -> str:
    """Say in a sentence what the weight is."""
    if row is None:
        return f"A weight that {type(layer).__name__} made for itself, an array of shape {shape}."
    return row.sentence.format(**{axis.name: axis.size for axis in axes})
