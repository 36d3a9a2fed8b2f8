"""What `enable_lora` and `quantize` add to a layer.

Low-rank adaptation after Hu et al. (2021): the frozen kernel plus `lora_alpha / lora_rank` times a @ b.
"""

from __future__ import annotations

from typing import Any

from weight_explorer.catalog.nodes import NotTrainable
from weight_explorer.catalog.roles.convolution import FILTERS, IN_CHANNELS, WINDOWS
from weight_explorer.catalog.roles.dense import TOKENS, TOKENS_OUT, VECTOR, einsum_axes
from weight_explorer.catalog.roles.terms import INPUT, UNITS, AxisRow, Row, Rows, State

RANK = AxisRow("lora_rank", "direction", "the directions of the low-rank change", "out")
RANK_IN = AxisRow("lora_rank", "direction", "the directions of the low-rank change", "in")
AMAX = AxisRow("amax_history_length", "step", "the largest magnitudes of the last steps")
GROUPS = AxisRow("groups", "group", "the groups of entries that share a scale")
FLOAT8 = {"inputs": "inputs", "kernel": "kernel", "outputs_grad": "gradients of the output"}

_PRODUCT = "of two small matrices whose product, scaled, is added to the frozen weights"
_A = f"The first {_PRODUCT}: it leads from the input to a few directions."
_B = f"The second {_PRODUCT}: it leads from the few directions on to the output. It starts at zero."
FIXED = State(
    "quantized",
    "It was set when the layer was quantized; whole numbers and their scales have no gradient.",
    NotTrainable.QUANTIZED,
)
_OVERWRITTEN = "Every training step overwrites it with what it has seen, in place of a gradient."


def _einsum_lora(layer: Any, shape: tuple[int, ...]) -> tuple[AxisRow, ...]:
    return (*einsum_axes(layer, shape)[:-1], RANK)


def _einsum_lora_out(layer: Any, shape: tuple[int, ...]) -> tuple[AxisRow, ...]:
    return (RANK_IN, einsum_axes(layer, shape)[-1])


def _lora() -> Rows:
    rows: Rows = {
        ("Dense", "lora_kernel_a"): Row(_A, (INPUT, RANK)),
        ("Dense", "lora_kernel_b"): Row(_B, (RANK_IN, UNITS)),
        ("EinsumDense", "lora_kernel_a"): Row(_A, _einsum_lora),
        ("EinsumDense", "lora_kernel_b"): Row(_B, _einsum_lora_out),
        ("Embedding", "lora_embeddings_a"): Row(_A, (TOKENS, RANK)),
        ("Embedding", "lora_embeddings_b"): Row(_B, (RANK_IN, VECTOR)),
    }
    for rank, window in WINDOWS.items():
        rows[f"Conv{rank}", "lora_kernel_a"] = Row(_A, (*window, IN_CHANNELS, RANK))
        rows[f"Conv{rank}", "lora_kernel_b"] = Row(_B, (RANK_IN, FILTERS))
    return rows


def _scales(along: AxisRow, *, groups_first: bool) -> tuple[Row, ...]:
    """A scale for each entry or, where entries are cut into groups, one for each entry and group."""
    grouped = (GROUPS, along) if groups_first else (along, GROUPS)
    return (
        Row("The whole numbers are divided by it to give back the weights.", (along,), state=FIXED),
        Row("The whole numbers, less their zero, are multiplied by it to give back the weights.", grouped, state=FIXED),
    )


def _zeros(along: AxisRow, *, groups_first: bool) -> Row:
    grouped = (GROUPS, along) if groups_first else (along, GROUPS)
    return Row("The whole number that stands for zero: it is subtracted before scaling.", grouped, state=FIXED)


def _group_index(axis: AxisRow) -> Row:
    return Row("The number of the group that each entry belongs to; groups have scales of their own.", (axis,), state=FIXED)


def _quantized() -> Rows:
    kernel_inputs = AxisRow("inputs", "input", "the inputs of the kernel, all its input axes as one", "in")
    estimated = Row("What the kernel is divided by so that it fits into 8 bits.", (), trains=_OVERWRITTEN)
    return {
        ("Dense", "kernel_scale"): (estimated, *_scales(UNITS, groups_first=True)),
        ("Dense", "kernel_zero"): _zeros(UNITS, groups_first=True),
        ("Dense", "g_idx"): _group_index(INPUT),
        ("EinsumDense", "kernel_scale"): (
            estimated,
            Row("It leads from the whole numbers back to the weights, one scale for each place in the output.", state=FIXED),
        ),
        ("EinsumDense", "kernel_zero"): Row(
            "The whole number that stands for zero: it is subtracted before scaling.", state=FIXED
        ),
        ("EinsumDense", "g_idx"): _group_index(kernel_inputs),
        ("Embedding", "embeddings_scale"): _scales(TOKENS, groups_first=False),
        ("Embedding", "embeddings_zero"): _zeros(TOKENS, groups_first=False),
        ("Embedding", "g_idx"): _group_index(VECTOR),
        ("ReversibleEmbedding", "reverse_embeddings_scale"): _scales(TOKENS_OUT, groups_first=True),
        ("ReversibleEmbedding", "reverse_embeddings_zero"): _zeros(TOKENS_OUT, groups_first=True),
    }


def _float8() -> Rows:
    rows: Rows = {}
    for layer in ("Dense", "EinsumDense"):
        for name, what in FLOAT8.items():
            magnitudes = f"The largest magnitudes of the {what} in the last training steps; the newest stands first."
            rows[layer, f"{name}_amax_history"] = Row(magnitudes, (AMAX,), trains=_OVERWRITTEN)
            if name != "kernel":
                rows[layer, f"{name}_scale"] = Row(
                    f"What the {what} are divided by to fit into 8 bits.", (), trains=_OVERWRITTEN
                )
    return rows


ROWS: Rows = {**_lora(), **_quantized(), **_float8()}
