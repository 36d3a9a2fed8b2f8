"""What the weights of Keras' layers mean: a table from layer class and attribute to role, axes and sentences.

To add a layer type, add rows to the module of its family. Axes have the names of Keras' own configuration arguments, so that
students find the same terms in the Keras documentation. If a class has no row, the rows of its base classes are used. If
those have none either, a plain description applies.
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

# Keys are (class, attribute). Instead of a class, a key may name the attribute of a parent class, as in
# "MultiHeadAttention.query_dense": the sublayer that the parent holds under this attribute. The first row that applies to the
# layer and has the weight's rank is used.
WEIGHT_SPECS: WeightSpecs = {
    **dense.WEIGHT_SPECS,
    **convolution.WEIGHT_SPECS,
    **recurrent.WEIGHT_SPECS,
    **attention.WEIGHT_SPECS,
    **normalization.WEIGHT_SPECS,
    **preprocessing.WEIGHT_SPECS,
    **lora_quantization.WEIGHT_SPECS,
}

# Wrappers whose attributes give their sublayers a meaning: (class, attribute) -> the sublayer's role.
SUBLAYER_SPECS: SublayerSpecs = {**recurrent.SUBLAYER_SPECS, **attention.SUBLAYER_SPECS}

# Layers that represent, in the tree, the single layer they are built on: an LSTM is its cell, run over time.
FOLDED_SUBLAYERS: dict[str, str] = {"RNN": "cell"}

# What layers keep besides variables, such as a vocabulary.
NON_WEIGHT_STATES = preprocessing.NON_WEIGHT_STATES
