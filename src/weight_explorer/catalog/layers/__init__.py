"""What the weights of Keras' layers mean: one table, from layer class and attribute to role, axes and sentences.

A layer type is added by rows in the module of its family. Axes are named by Keras' own configuration terms, so that what a
student reads here is what the documentation says. Where a class has no row its base classes are asked, and where none has
one, a plain rule is right.
"""

from __future__ import annotations

from weight_explorer.catalog.layers import (
    attention,
    convolution,
    dense,
    lora_quantization,
    normalization,
    preprocessing,
    recurrent,
)
from weight_explorer.catalog.layers.specs import SublayerSpecs, WeightSpecs

# From (class, attribute). A class may also be a place, as in "MultiHeadAttention.query_dense": the layer that such a
# layer holds under this attribute. Of several rows the first counts that is true of the layer and has the weight's rank.
WEIGHT_SPECS: WeightSpecs = {
    **dense.WEIGHT_SPECS,
    **convolution.WEIGHT_SPECS,
    **recurrent.WEIGHT_SPECS,
    **attention.WEIGHT_SPECS,
    **normalization.WEIGHT_SPECS,
    **preprocessing.WEIGHT_SPECS,
    **lora_quantization.WEIGHT_SPECS,
}

# Wrappers that hold their layers under attributes with a meaning: (class, attribute) -> the part.
SUBLAYER_SPECS: SublayerSpecs = {**recurrent.SUBLAYER_SPECS, **attention.SUBLAYER_SPECS}

# Layers that stand in the tree for the one layer they are built on: an LSTM is its cell, run over time.
FOLDED_SUBLAYERS: dict[str, str] = {"RNN": "cell"}

# What layers keep that is no variable, such as a vocabulary.
NON_WEIGHT_STATES = preprocessing.NON_WEIGHT_STATES
