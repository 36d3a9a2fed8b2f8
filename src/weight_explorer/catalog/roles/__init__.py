"""What the weights of Keras' layers mean: one table, from layer class and attribute to role, axes and sentences.

A layer type is added by rows in the module of its family. Axes are named by Keras' own configuration terms, so that what a
student reads here is what the documentation says. Where a class has no row its base classes are asked, and where none has
one, a plain rule is right.
"""

from __future__ import annotations

from weight_explorer.catalog.roles import adapted, attention, convolution, dense, normalization, preprocessing, recurrent
from weight_explorer.catalog.roles.terms import Parts, Rows

# From (class, attribute). A class may also be a place, as in "MultiHeadAttention.query_dense": the layer that such a
# layer holds under this attribute. Of several rows the first counts that is true of the layer and has the weight's rank.
ROWS: Rows = {
    **dense.ROWS,
    **convolution.ROWS,
    **recurrent.ROWS,
    **attention.ROWS,
    **normalization.ROWS,
    **preprocessing.ROWS,
    **adapted.ROWS,
}

# Wrappers that hold their layers under attributes with a meaning: (class, attribute) -> the part.
PARTS: Parts = {**recurrent.PARTS, **attention.PARTS}

# Layers that stand in the tree for the one layer they are built on: an LSTM is its cell, run over time.
FOLDED: dict[str, str] = {"RNN": "cell"}

# What layers keep that is no variable, such as a vocabulary.
KEPT = preprocessing.KEPT
