"""Dense layers and embeddings."""

from __future__ import annotations

from typing import Any

from weight_explorer.catalog.layers.specs import (
    INPUT,
    PACKED_NOTE,
    UNITS,
    AxisSpec,
    WeightSpec,
    WeightSpecs,
    is_quantized_to,
)

TOKENS = AxisSpec("input_dim", "token", "the tokens of the vocabulary", "in", is_configured=True)
TOKENS_OUT = AxisSpec("input_dim", "token", "the tokens of the vocabulary, each with its own column", "out", is_configured=True)
VECTOR = AxisSpec("output_dim", "number", "the numbers of one token's vector", "out", is_configured=True)
VECTOR_IN = AxisSpec("output_dim", "number", "the numbers of the vector that comes in", "in")


def einsum_axes(layer: Any, shape: tuple[int, ...]) -> tuple[AxisSpec, ...]:  # noqa: ARG001 - all share one signature
    """Name the axes of an EinsumDense kernel after the letters of its equation, such as `abc,cde->abde`."""
    inputs, rest = str(layer.equation).replace(" ", "").split(",")
    kernel, outputs = rest.split("->")
    return tuple(_einsum_axis(letter, inputs, outputs) for letter in kernel)


def einsum_fan_axes(layer: Any) -> dict[str, list[int]]:
    """Return which axes of an EinsumDense kernel Keras' initializer counts as inputs and which as outputs."""
    kernel, outputs = str(layer.equation).replace(" ", "").partition(",")[2].split("->")
    outgoing = [i for i, letter in enumerate(kernel) if letter in outputs]
    return {"input_axes": [i for i in range(len(kernel)) if i not in outgoing], "output_axes": outgoing}


def _einsum_axis(letter: str, inputs: str, outputs: str) -> AxisSpec:
    if letter in inputs and letter in outputs:
        return AxisSpec(f"kept axis {letter}", "entry", "comes in and goes out: each entry has weights of its own")
    if letter in inputs:
        return AxisSpec(f"input axis {letter}", "input", "comes in and is summed over", "in")
    return AxisSpec(f"output axis {letter}", "output", "goes out", "out")


def einsum_bias_axes(layer: Any, shape: tuple[int, ...]) -> tuple[AxisSpec, ...]:
    """Name the axes of an EinsumDense bias after the last letters of the output, one for each axis."""
    outputs = str(layer.equation).partition("->")[2].strip()
    letters = outputs[len(outputs) - len(shape) :] if "." not in outputs else ""
    return tuple(AxisSpec(f"output axis {letter}", "output", "goes out", "out") for letter in letters)


PACKED_KERNEL_SPEC = WeightSpec(
    f"The kernel, laid out as a matrix and packed. {PACKED_NOTE}", applies_to=is_quantized_to("int4")
)
WEIGHT_SPECS: WeightSpecs = {
    ("Dense", "kernel"): (
        WeightSpec(
            f"Each row is one input; each byte along a row holds two units. {PACKED_NOTE}",
            (INPUT, AxisSpec("packed_units", "byte", "pairs of units", "out")),
            applies_to=is_quantized_to("int4"),
        ),
        WeightSpec(
            "Each row is one input and each column one unit: the number where they meet is how strongly that input pulls on "
            "that unit.",
            (INPUT, UNITS),
            training_effect="In training the data move only rows whose input is not zero.",
        ),
    ),
    ("Dense", "bias"): WeightSpec(
        "One number for each unit, added to its sum before the activation: how active the unit is when all inputs are zero.",
        (UNITS,),
    ),
    ("EinsumDense", "kernel"): (
        PACKED_KERNEL_SPEC,
        WeightSpec(
            "A dense layer over chosen axes: every letter of its equation is an axis, and those that come in and do not go out "
            "are summed over.",
            einsum_axes,
        ),
    ),
    ("EinsumDense", "bias"): (
        WeightSpec("Added to the output, one number for each entry of these axes.", einsum_bias_axes),
        WeightSpec("Added to the output."),
    ),
    ("Embedding", "embeddings"): (
        WeightSpec(
            f"Each row is one token; each byte along it holds two numbers of its vector. {PACKED_NOTE}",
            (TOKENS, AxisSpec("packed_output_dim", "byte", "pairs of numbers", "out")),
            applies_to=is_quantized_to("int4"),
        ),
        WeightSpec(
            "Each row is one token of the vocabulary: its vector of {output_dim} numbers, which is all the model knows of it.",
            (TOKENS, VECTOR),
            training_effect="In training the data, read through this layer, move only the rows of tokens that occur.",
        ),
    ),
    # If its weights are not tied, or packed, it is an Embedding: the lookup continues with the rows of that class.
    ("ReversibleEmbedding", "embeddings"): WeightSpec(
        "Each row is one token of the vocabulary: its vector. Read in reverse, the same rows turn a vector back into one score "
        "for each token, so the two uses share their weights.",
        (TOKENS, VECTOR),
        applies_to=lambda layer: layer.tie_weights,
        training_effect="In training the tokens that occur move their rows, and the reverse use moves every row.",
    ),
    ("ReversibleEmbedding", "reverse_embeddings"): (
        WeightSpec(
            f"The way back from vector to token; each byte down a column holds two numbers. {PACKED_NOTE}",
            (AxisSpec("packed_output_dim", "byte", "pairs of numbers", "in"), TOKENS_OUT),
            applies_to=is_quantized_to("int4"),
        ),
        WeightSpec(
            "The way back: each column is one token, and how well a vector fits it is the token's score.",
            (VECTOR_IN, TOKENS_OUT),
        ),
    ),
}
