"""Attention: projections of queries, keys and values, split into heads, after Vaswani et al. (2017).

The projections are EinsumDense layers. Only the attention layer that holds them knows what their axes mean, so their rows are
listed under the name of that class and the attribute that holds the projection.
"""

from __future__ import annotations

from weight_explorer.catalog.layers.dense import PACKED_KERNEL_SPEC
from weight_explorer.catalog.layers.specs import FEATURES, INPUT, AxisSpec, SublayerSpec, WeightSpec, WeightSpecs

_HEAD = "A head attends by itself, with its own part of the queries, keys and values."
HEADS = AxisSpec("heads", "head", "the heads, each with weights of its own", "out", block_kind="head", block_meaning=_HEAD)
KEY_VALUE_HEADS = AxisSpec(
    "key_value_heads", "head", "the heads of keys and values, each shared by several query heads", "out", block_kind="head",
    block_meaning="Several query heads share it.",
)  # fmt: skip
HEADS_IN = AxisSpec("heads", "head", "the heads, whose results come in", "in", block_kind="head", block_meaning=_HEAD)
KEY_DIM = AxisSpec("key_dim", "number", "the numbers of one head's query or key", "out")
VALUE_DIM = AxisSpec("value_dim", "number", "the numbers of one head's value", "out")
VALUE_DIM_IN = AxisSpec("value_dim", "number", "the numbers of one head's value", "in")
HEAD_DIM = AxisSpec("head_dim", "number", "the numbers of one head", "out")
HEAD_DIM_IN = AxisSpec("head_dim", "number", "the numbers of one head", "in")
OUTPUT = AxisSpec("output_dim", "feature", "the features that go out", "out")

_PROJECTION_DESCRIPTION = "Each row is one of the {input_dim} inputs, and each head has columns of its own."


def _projection(name: str, attention: str, heads: AxisSpec, inner: AxisSpec) -> WeightSpecs:
    holder = f"{attention}.{name}_dense"
    return {
        (holder, "kernel"): (PACKED_KERNEL_SPEC, WeightSpec(_PROJECTION_DESCRIPTION, (INPUT, heads, inner))),
        (holder, "bias"): WeightSpec("Added after the product, one number for each place in each head.", (heads, inner)),
    }


def _outputs(count: int) -> tuple[AxisSpec, ...]:
    """Return the output axes: one, unless the attention layer was given an `output_shape` with several."""
    if count == 1:
        return (OUTPUT,)
    return tuple(AxisSpec(f"output_dim_{i}", "feature", "the features that go out", "out") for i in range(count))


def _output(attention: str, heads: AxisSpec, inner: AxisSpec) -> WeightSpecs:
    sentence = "The rows are the results of all heads, one head after the other; each column is one feature that goes out."
    return {
        (f"{attention}.output_dense", "kernel"): (
            PACKED_KERNEL_SPEC,
            WeightSpec(sentence, lambda _, shape: (heads, inner, *_outputs(len(shape) - 2))),
        ),
        (f"{attention}.output_dense", "bias"): WeightSpec(
            "One number for each feature that goes out, added to it.", lambda _, shape: _outputs(len(shape))
        ),
    }


WEIGHT_SPECS: WeightSpecs = {
    **_projection("query", "MultiHeadAttention", HEADS, KEY_DIM),
    **_projection("key", "MultiHeadAttention", HEADS, KEY_DIM),
    **_projection("value", "MultiHeadAttention", HEADS, VALUE_DIM),
    **_projection("gate", "MultiHeadAttention", HEADS, VALUE_DIM),
    **_output("MultiHeadAttention", HEADS_IN, VALUE_DIM_IN),
    **_projection("query", "GroupedQueryAttention", HEADS, HEAD_DIM),
    **_projection("key", "GroupedQueryAttention", KEY_VALUE_HEADS, HEAD_DIM),
    **_projection("value", "GroupedQueryAttention", KEY_VALUE_HEADS, HEAD_DIM),
    **_projection("gate", "GroupedQueryAttention", HEADS, HEAD_DIM),
    **_output("GroupedQueryAttention", HEADS_IN, HEAD_DIM_IN),
    ("Attention", "scale"): WeightSpec("Every score of a query with a key is multiplied by it, before the softmax.", ()),
    ("Attention", "concat_score_weight"): WeightSpec("The summed tanh of query and key is multiplied by it.", ()),
    ("AdditiveAttention", "scale"): WeightSpec(
        "One number for each feature: the score of a query with a key is the sum of tanh(query + key), weighted by these.",
        (FEATURES,),
    ),
}

_PROJECTION_TEXTS = {
    "query": "It makes the queries: what each position asks for.",
    "key": "It makes the keys: what each position can be found by.",
    "value": "It makes the values: what each position hands over when it is attended to.",
    "gate": "It makes the gate, between 0 and 1, that the result of the attention is multiplied by.",
    "output": "It brings the results of all heads together.",
}
SUBLAYER_SPECS = {
    (attention, f"{name}_dense"): SublayerSpec(name, "projection", sentence)
    for attention in ("MultiHeadAttention", "GroupedQueryAttention")
    for name, sentence in _PROJECTION_TEXTS.items()
}
