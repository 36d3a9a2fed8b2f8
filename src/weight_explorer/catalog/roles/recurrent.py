"""Recurrent layers: their weights live on cells, and gates lie side by side along the last axis.

LSTM after Hochreiter and Schmidhuber (1997) with the forget gate of Gers et al. (2000), in Keras' order i, f, c, o;
GRU after Cho et al. (2014) in Keras' order z, r, h.
"""

from __future__ import annotations

from typing import Any

from weight_explorer.catalog.roles.convolution import IN_CHANNELS, WINDOWS
from weight_explorer.catalog.roles.terms import INPUT, UNITS, AxisRow, BlockRow, Part, Row, Rows

LSTM_GATES = (
    BlockRow("input gate", "It decides how much of the candidate is written into the unit's memory."),
    BlockRow("forget gate", "It decides how much of its memory a unit keeps from one step to the next."),
    BlockRow("cell candidate", "It is what is offered to the unit's memory."),
    BlockRow("output gate", "It decides how much of its memory a unit shows as its output."),
)
GRU_GATES = (
    BlockRow("update gate", "It decides how much of its old state a unit keeps instead of taking the candidate."),
    BlockRow("reset gate", "It decides how much of the old state enters the candidate."),
    BlockRow("candidate", "It is the new state that is offered to the unit."),
)
GRU_BIASES = (
    BlockRow("input bias", "It is added to the product of input and kernel."),
    BlockRow(
        "recurrent bias", "It is added to the product of the last output and the recurrent kernel, before the reset gate."
    ),
)

_BY_GATE = "the units, gate by gate"
LSTM_UNITS = AxisRow("units", "unit", _BY_GATE, "out", LSTM_GATES, "gate", is_configured=True)
GRU_UNITS = AxisRow("units", "unit", _BY_GATE, "out", GRU_GATES, "gate", is_configured=True)
LSTM_FILTERS = AxisRow("filters", "filter", "the filters, gate by gate", "out", LSTM_GATES, "gate", is_configured=True)
PREVIOUS = AxisRow("recurrent_units", "unit", "the layer's own output one step before", "in")
PREVIOUS_FILTERS = AxisRow("recurrent_filters", "channel", "the layer's own output one step before", "in")
BIASES = AxisRow("biases", "bias", "added to the input part, added to the recurrent part", "", GRU_BIASES, "bias")

_LSTM_COLUMNS = "each column one gate of one unit (gates in this order: input, forget, cell candidate, output)"
_GRU_COLUMNS = "each column one gate of one unit (in this order: update gate, reset gate, candidate)"
_PULL = "how strongly that input pulls on that gate."
_PAST = "how the past of the layer pulls on its present."
_WINDOW = (
    "A small window for each pair of a channel and a gate of a filter; the gates are input, forget, cell candidate, output."
)
_IN_TIME = "Training adds up what all time steps ask for"
_ROW_IN_TIME = f"{_IN_TIME}; the data move only rows whose input is not zero."


def forget_bias(layer: Any) -> dict[str, float]:
    """Say that an LSTM starts the bias of its forget gate at 1, unless told otherwise."""
    return {"forget gate": 1.0} if layer.unit_forget_bias else {}


def _remembers(layer: Any) -> bool:
    return layer.unit_forget_bias


def _lstm_bias(axis: AxisRow) -> tuple[Row, ...]:
    sentence = f"One number for each gate of each {axis.entry}."
    starts = " The forget gate starts at 1, so that a fresh layer remembers (unit_forget_bias=True)."
    return (Row(sentence + starts, (axis,), starts=forget_bias, when=_remembers), Row(sentence, (axis,)))


ROWS: Rows = {
    ("LSTMCell", "kernel"): Row(
        f"Each row is one input, {_LSTM_COLUMNS}: {_PULL}",
        (INPUT, LSTM_UNITS),
        trains=_ROW_IN_TIME,
    ),
    ("LSTMCell", "recurrent_kernel"): Row(
        f"Each row is one unit of this layer one time step before, {_LSTM_COLUMNS}: {_PAST}",
        (PREVIOUS, LSTM_UNITS),
        "recurrent",
        trains=f"{_IN_TIME}.",
    ),
    ("LSTMCell", "bias"): _lstm_bias(LSTM_UNITS),
    ("GRUCell", "kernel"): Row(f"Each row is one input, {_GRU_COLUMNS}: {_PULL}", (INPUT, GRU_UNITS), trains=_ROW_IN_TIME),
    ("GRUCell", "recurrent_kernel"): Row(
        f"Each row is one unit of this layer one time step before, {_GRU_COLUMNS}: {_PAST}",
        (PREVIOUS, GRU_UNITS),
        "recurrent",
        trains=f"{_IN_TIME}.",
    ),
    ("GRUCell", "bias"): (
        Row("One number for each gate of each unit.", (GRU_UNITS,)),
        Row(
            "Two biases for each gate of each unit, because the layer resets after the matrix product (reset_after=True): the "
            "first row is added to the input part, the second to the recurrent part.",
            (BIASES, GRU_UNITS),
        ),
    ),
    ("SimpleRNNCell", "kernel"): Row(
        "Each row is one input and each column one unit: how strongly that input pulls on that unit, at every time step.",
        (INPUT, UNITS),
        trains=_ROW_IN_TIME,
    ),
    ("SimpleRNNCell", "recurrent_kernel"): Row(
        "Row and column are both units of this layer: how each unit one time step before pulls on each unit now.",
        (PREVIOUS, UNITS),
        "recurrent",
        trains=f"{_IN_TIME}.",
    ),
    ("SimpleRNNCell", "bias"): Row("One number for each unit, added at every time step.", (UNITS,)),
    ("ConvLSTMCell", "kernel"): tuple(
        Row(f"{_WINDOW} It looks at the picture that comes in.", (*window, IN_CHANNELS, LSTM_FILTERS), trains=f"{_IN_TIME}.")
        for window in WINDOWS.values()
    ),
    ("ConvLSTMCell", "recurrent_kernel"): tuple(
        Row(
            f"{_WINDOW} It looks at the layer's own output one time step before.",
            (*window, PREVIOUS_FILTERS, LSTM_FILTERS),
            "recurrent",
            trains=f"{_IN_TIME}.",
        )
        for window in WINDOWS.values()
    ),
    ("ConvLSTMCell", "bias"): _lstm_bias(LSTM_FILTERS),
}

MERGED = {
    "sum": "both outputs are added",
    "mul": "both outputs are multiplied",
    "ave": "both outputs are averaged",
    "concat": "both outputs stand side by side, forward first",
    None: "both outputs are returned",
}


def _direction(attribute: str) -> Any:
    def sentence(parent: Any) -> str:
        turned = getattr(getattr(parent, attribute), "go_backwards", False)
        order = "its last step to its first" if turned else "its first step to its last"
        merged = MERGED.get(parent.merge_mode, "both outputs are merged")
        return f"This direction reads the sequence from {order}; {merged} (merge_mode={parent.merge_mode!r})."

    return sentence


PARTS = {
    ("Bidirectional", "forward_layer"): Part("forward", "direction", _direction("forward_layer")),
    ("Bidirectional", "backward_layer"): Part("backward", "direction", _direction("backward_layer")),
    ("TimeDistributed", "layer"): Part("", "", "The same weights serve every time step."),
}
