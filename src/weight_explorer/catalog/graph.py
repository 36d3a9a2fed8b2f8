"""Find which layer feeds which in models with a graph: Sequential and functional models."""

from __future__ import annotations

from typing import Any

import keras


def preceding_layer(layer: Any) -> Any | None:
    """Return the nearest layer with weights whose output is a layer's only input; None if there is none.

    Only layers without weights, such as an activation or padding, may lie between the two.

    >>> from keras import layers
    >>> conv, norm = layers.Conv2D(4, 3), layers.BatchNormalization()
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), conv, layers.ReLU(), norm])
    >>> preceding_layer(norm) is conv, preceding_layer(conv)
    (True, None)
    """
    found = _producing_layer(layer)
    while found is not None and not found.weights:
        found = _producing_layer(found)
    return found


def _producing_layer(layer: Any) -> Any | None:
    try:
        tensor = layer.input
    except (AttributeError, ValueError):  # not called on symbolic tensors, or more than once
        return None
    if not isinstance(tensor, keras.KerasTensor):
        return None
    # Keras has no public way to get from a tensor to the layer that produced it.
    made_by = getattr(tensor, "_keras_history", None)
    operation = made_by.operation if made_by else None
    return operation if isinstance(operation, keras.Layer) and operation is not layer else None
