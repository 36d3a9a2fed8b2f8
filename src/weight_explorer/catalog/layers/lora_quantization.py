"""The weights that `enable_lora` and `quantize` add to a layer.

Low-rank adaptation after Hu et al. (2021): the frozen kernel plus `lora_alpha / lora_rank` times a @ b.
"""

from __future__ import annotations

from typing import Any

from weight_explorer.catalog.layers.convolution import FILTERS, IN_CHANNELS, WINDOWS
from weight_explorer.catalog.layers.dense import TOKENS, TOKENS_OUT, VECTOR, einsum_axes
from weight_explorer.catalog.layers.specs import INPUT, UNITS, AxisSpec, NotTrainableSpec, WeightSpec, WeightSpecs
from weight_explorer.catalog.schema import NotTrainableReason

RANK = AxisSpec("lora_rank", "direction", "the directions of the low-rank change", "out")
RANK_IN = AxisSpec("lora_rank", "direction", "the directions of the low-rank change", "in")
AMAX = AxisSpec("amax_history_length", "step", "the largest magnitudes of the last steps")
GROUPS = AxisSpec("groups", "group", "the groups of entries that share a scale")
FLOAT8_NAMES = {"inputs": "inputs", "kernel": "kernel", "outputs_grad": "gradients of the output"}

_LORA_PRODUCT = "of two small matrices whose product, scaled, is added to the frozen weights"
_LORA_A_DESCRIPTION = f"The first {_LORA_PRODUCT}: it leads from the input to a few directions."
_LORA_B_DESCRIPTION = f"The second {_LORA_PRODUCT}: it leads from the few directions on to the output. It starts at zero."
SET_BY_QUANTIZATION = NotTrainableSpec(
    "quantized",
    "It was set when the layer was quantized; whole numbers and their scales have no gradient.",
    NotTrainableReason.QUANTIZED,
)
_OVERWRITTEN_EACH_STEP = "Every training step overwrites it with what it has seen, in place of a gradient."


def _einsum_lora(layer: Any, shape: tuple[int, ...]) -> tuple[AxisSpec, ...]:
    return (*einsum_axes(layer, shape)[:-1], RANK)


def _einsum_lora_out(layer: Any, shape: tuple[int, ...]) -> tuple[AxisSpec, ...]:
    return (RANK_IN, einsum_axes(layer, shape)[-1])


def _lora_specs() -> WeightSpecs:
    rows: WeightSpecs = {
        ("Dense", "lora_kernel_a"): WeightSpec(_LORA_A_DESCRIPTION, (INPUT, RANK)),
        ("Dense", "lora_kernel_b"): WeightSpec(_LORA_B_DESCRIPTION, (RANK_IN, UNITS)),
        ("EinsumDense", "lora_kernel_a"): WeightSpec(_LORA_A_DESCRIPTION, _einsum_lora),
        ("EinsumDense", "lora_kernel_b"): WeightSpec(_LORA_B_DESCRIPTION, _einsum_lora_out),
        ("Embedding", "lora_embeddings_a"): WeightSpec(_LORA_A_DESCRIPTION, (TOKENS, RANK)),
        ("Embedding", "lora_embeddings_b"): WeightSpec(_LORA_B_DESCRIPTION, (RANK_IN, VECTOR)),
    }
    for rank, window in WINDOWS.items():
        rows[f"Conv{rank}", "lora_kernel_a"] = WeightSpec(_LORA_A_DESCRIPTION, (*window, IN_CHANNELS, RANK))
        rows[f"Conv{rank}", "lora_kernel_b"] = WeightSpec(_LORA_B_DESCRIPTION, (RANK_IN, FILTERS))
    return rows


def _scale_specs(along: AxisSpec, *, groups_first: bool) -> tuple[WeightSpec, ...]:
    """Return the specs for one scale per entry or, if entries are split into groups, one per entry and group."""
    grouped = (GROUPS, along) if groups_first else (along, GROUPS)
    return (
        WeightSpec(
            "The whole numbers are divided by it to give back the weights.", (along,), not_trainable=SET_BY_QUANTIZATION
        ),
        WeightSpec(
            "The whole numbers, less their zero, are multiplied by it to give back the weights.",
            grouped,
            not_trainable=SET_BY_QUANTIZATION,
        ),
    )


def _zero_point_spec(along: AxisSpec, *, groups_first: bool) -> WeightSpec:
    grouped = (GROUPS, along) if groups_first else (along, GROUPS)
    return WeightSpec(
        "The whole number that stands for zero: it is subtracted before scaling.", grouped, not_trainable=SET_BY_QUANTIZATION
    )


def _group_index_spec(axis: AxisSpec) -> WeightSpec:
    return WeightSpec(
        "The number of the group that each entry belongs to; groups have scales of their own.",
        (axis,),
        not_trainable=SET_BY_QUANTIZATION,
    )


def _quantization_specs() -> WeightSpecs:
    kernel_inputs = AxisSpec("inputs", "input", "the inputs of the kernel, all its input axes as one", "in")
    estimated = WeightSpec(
        "What the kernel is divided by so that it fits into 8 bits.", (), training_effect=_OVERWRITTEN_EACH_STEP
    )
    return {
        ("Dense", "kernel_scale"): (estimated, *_scale_specs(UNITS, groups_first=True)),
        ("Dense", "kernel_zero"): _zero_point_spec(UNITS, groups_first=True),
        ("Dense", "g_idx"): _group_index_spec(INPUT),
        ("EinsumDense", "kernel_scale"): (
            estimated,
            WeightSpec(
                "It leads from the whole numbers back to the weights, one scale for each place in the output.",
                not_trainable=SET_BY_QUANTIZATION,
            ),
        ),
        ("EinsumDense", "kernel_zero"): WeightSpec(
            "The whole number that stands for zero: it is subtracted before scaling.", not_trainable=SET_BY_QUANTIZATION
        ),
        ("EinsumDense", "g_idx"): _group_index_spec(kernel_inputs),
        ("Embedding", "embeddings_scale"): _scale_specs(TOKENS, groups_first=False),
        ("Embedding", "embeddings_zero"): _zero_point_spec(TOKENS, groups_first=False),
        ("Embedding", "g_idx"): _group_index_spec(VECTOR),
        ("ReversibleEmbedding", "reverse_embeddings_scale"): _scale_specs(TOKENS_OUT, groups_first=True),
        ("ReversibleEmbedding", "reverse_embeddings_zero"): _zero_point_spec(TOKENS_OUT, groups_first=True),
    }


def _float8_specs() -> WeightSpecs:
    rows: WeightSpecs = {}
    for layer in ("Dense", "EinsumDense"):
        for name, what in FLOAT8_NAMES.items():
            magnitudes = f"The largest magnitudes of the {what} in the last training steps; the newest stands first."
            rows[layer, f"{name}_amax_history"] = WeightSpec(magnitudes, (AMAX,), training_effect=_OVERWRITTEN_EACH_STEP)
            if name != "kernel":
                rows[layer, f"{name}_scale"] = WeightSpec(
                    f"What the {what} are divided by to fit into 8 bits.", (), training_effect=_OVERWRITTEN_EACH_STEP
                )
    return rows


WEIGHT_SPECS: WeightSpecs = {**_lora_specs(), **_quantization_specs(), **_float8_specs()}
