"""Recurrent layers: cells hold the weights, and the gates are side by side along the last axis.

LSTM after Hochreiter and Schmidhuber (1997) with the forget gate of Gers et al. (2000), in Keras' order i, f, c, o;
GRU after Cho et al. (2014) in Keras' order z, r, h.
"""

from __future__ import annotations

from typing import Any

from weight_explorer.catalog.layers.convolution import IN_CHANNELS, WINDOWS
from weight_explorer.catalog.layers.specs import (
    INPUT,
    UNITS,
    AxisSpec,
    BlockSpec,
    SublayerSpec,
    WeightSpec,
    WeightSpecs,
)

LSTM_GATES = (
    BlockSpec("input gate", "It decides how much of the candidate is written into the unit's memory."),
    BlockSpec("forget gate", "It decides how much of its memory a unit keeps from one step to the next."),
    BlockSpec("cell candidate", "It is what is offered to the unit's memory."),
    BlockSpec("output gate", "It decides how much of its memory a unit shows as its output."),
)
GRU_GATES = (
    BlockSpec("update gate", "It decides how much of its old state a unit keeps instead of taking the candidate."),
    BlockSpec("reset gate", "It decides how much of the old state enters the candidate."),
    BlockSpec("candidate", "It is the new state that is offered to the unit."),
)
GRU_BIASES = (
    BlockSpec("input bias", "It is added to the product of input and kernel."),
    BlockSpec(
        "recurrent bias", "It is added to the product of the last output and the recurrent kernel, before the reset gate."
    ),
)

_UNITS_BY_GATE = "the units, gate by gate"
LSTM_UNITS = AxisSpec("units", "unit", _UNITS_BY_GATE, "out", LSTM_GATES, "gate", is_configured=True)
GRU_UNITS = AxisSpec("units", "unit", _UNITS_BY_GATE, "out", GRU_GATES, "gate", is_configured=True)
LSTM_FILTERS = AxisSpec("filters", "filter", "the filters, gate by gate", "out", LSTM_GATES, "gate", is_configured=True)
RECURRENT_UNITS = AxisSpec("recurrent_units", "unit", "the layer's own output one step before", "in")
RECURRENT_FILTERS = AxisSpec("recurrent_filters", "channel", "the layer's own output one step before", "in")
BIASES = AxisSpec("biases", "bias", "added to the input part, added to the recurrent part", "", GRU_BIASES, "bias")

_LSTM_COLUMNS = "each column one gate of one unit (gates in this order: input, forget, cell candidate, output)"
_GRU_COLUMNS = "each column one gate of one unit (in this order: update gate, reset gate, candidate)"
_INPUT_EFFECT = "how strongly that input pulls on that gate."
_RECURRENT_EFFECT = "how the past of the layer pulls on its present."
_WINDOW_DESCRIPTION = (
    "A small window for each pair of a channel and a gate of a filter; the gates are input, forget, cell candidate, output."
)
_SUM_OVER_TIME = "Training adds up what all time steps ask for"
_NONZERO_INPUTS_ONLY = f"{_SUM_OVER_TIME}; the data move only rows whose input is not zero."


def forget_gate_start(layer: Any) -> dict[str, float]:
    """Return the start value of an LSTM's forget gate bias, which is 1 unless configured otherwise."""
    return {"forget gate": 1.0} if layer.unit_forget_bias else {}


def _uses_unit_forget_bias(layer: Any) -> bool:
    return layer.unit_forget_bias


def _lstm_bias(axis: AxisSpec) -> tuple[WeightSpec, ...]:
    sentence = f"One number for each gate of each {axis.entry_name}."
    starts = " The forget gate starts at 1, so that a fresh layer remembers (unit_forget_bias=True)."
    return (
        WeightSpec(sentence + starts, (axis,), initial_values=forget_gate_start, applies_to=_uses_unit_forget_bias),
        WeightSpec(sentence, (axis,)),
    )


WEIGHT_SPECS: WeightSpecs = {
    ("LSTMCell", "kernel"): WeightSpec(
        f"Each row is one input, {_LSTM_COLUMNS}: {_INPUT_EFFECT}",
        (INPUT, LSTM_UNITS),
        training_effect=_NONZERO_INPUTS_ONLY,
    ),
    ("LSTMCell", "recurrent_kernel"): WeightSpec(
        f"Each row is one unit of this layer one time step before, {_LSTM_COLUMNS}: {_RECURRENT_EFFECT}",
        (RECURRENT_UNITS, LSTM_UNITS),
        "recurrent",
        training_effect=f"{_SUM_OVER_TIME}.",
    ),
    ("LSTMCell", "bias"): _lstm_bias(LSTM_UNITS),
    ("GRUCell", "kernel"): WeightSpec(
        f"Each row is one input, {_GRU_COLUMNS}: {_INPUT_EFFECT}", (INPUT, GRU_UNITS), training_effect=_NONZERO_INPUTS_ONLY
    ),
    ("GRUCell", "recurrent_kernel"): WeightSpec(
        f"Each row is one unit of this layer one time step before, {_GRU_COLUMNS}: {_RECURRENT_EFFECT}",
        (RECURRENT_UNITS, GRU_UNITS),
        "recurrent",
        training_effect=f"{_SUM_OVER_TIME}.",
    ),
    ("GRUCell", "bias"): (
        WeightSpec("One number for each gate of each unit.", (GRU_UNITS,)),
        WeightSpec(
            "Two biases for each gate of each unit, because the layer resets after the matrix product (reset_after=True): the "
            "first row is added to the input part, the second to the recurrent part.",
            (BIASES, GRU_UNITS),
        ),
    ),
    ("SimpleRNNCell", "kernel"): WeightSpec(
        "Each row is one input and each column one unit: how strongly that input pulls on that unit, at every time step.",
        (INPUT, UNITS),
        training_effect=_NONZERO_INPUTS_ONLY,
    ),
    ("SimpleRNNCell", "recurrent_kernel"): WeightSpec(
        "Row and column are both units of this layer: how each unit one time step before pulls on each unit now.",
        (RECURRENT_UNITS, UNITS),
        "recurrent",
        training_effect=f"{_SUM_OVER_TIME}.",
    ),
    ("SimpleRNNCell", "bias"): WeightSpec("One number for each unit, added at every time step.", (UNITS,)),
    ("ConvLSTMCell", "kernel"): tuple(
        WeightSpec(
            f"{_WINDOW_DESCRIPTION} It looks at the picture that comes in.",
            (*window, IN_CHANNELS, LSTM_FILTERS),
            training_effect=f"{_SUM_OVER_TIME}.",
        )
        for window in WINDOWS.values()
    ),
    ("ConvLSTMCell", "recurrent_kernel"): tuple(
        WeightSpec(
            f"{_WINDOW_DESCRIPTION} It looks at the layer's own output one time step before.",
            (*window, RECURRENT_FILTERS, LSTM_FILTERS),
            "recurrent",
            training_effect=f"{_SUM_OVER_TIME}.",
        )
        for window in WINDOWS.values()
    ),
    ("ConvLSTMCell", "bias"): _lstm_bias(LSTM_FILTERS),
}

MERGE_MODE_TEXTS = {
    "sum": "both outputs are added",
    "mul": "both outputs are multiplied",
    "ave": "both outputs are averaged",
    "concat": "both outputs stand side by side, forward first",
    None: "both outputs are returned",
}


def _direction_description(attribute: str) -> Any:
    def sentence(parent: Any) -> str:
        turned = getattr(getattr(parent, attribute), "go_backwards", False)
        order = "its last step to its first" if turned else "its first step to its last"
        merged = MERGE_MODE_TEXTS.get(parent.merge_mode, "both outputs are merged")
        return f"This direction reads the sequence from {order}; {merged} (merge_mode={parent.merge_mode!r})."

    return sentence


SUBLAYER_SPECS = {
    ("Bidirectional", "forward_layer"): SublayerSpec("forward", "direction", _direction_description("forward_layer")),
    ("Bidirectional", "backward_layer"): SublayerSpec("backward", "direction", _direction_description("backward_layer")),
    ("TimeDistributed", "layer"): SublayerSpec("", "", "The same weights serve every time step."),
}
