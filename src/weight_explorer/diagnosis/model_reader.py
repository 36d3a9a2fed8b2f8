"""Reads facts from a live Keras model that its weights do not show. Facts that cannot be read are left unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import keras

from weight_explorer.catalog.schema import Catalog, enclosing_paths
from weight_explorer.diagnosis.model_facts import MODEL_INPUT, ModelFacts

# Layers between a layer and its activation that do not replace the activation.
_PASS_THROUGH_LAYERS = ("BatchNormalization", "Dropout", "LayerNormalization")
_ACTIVATIONS = {"ReLU": "relu", "LeakyReLU": "leaky_relu", "ELU": "elu", "Softmax": "softmax"}


def read_model_facts(model: Any, catalog: Catalog) -> ModelFacts:
    """Read how the layers of a model are connected and configured.

    Args:
        model: The live model.
        catalog: The layers and variables of the model.
    """
    graph = LayerGraph(model)
    paths = {id(layer): path for path, layer in catalog.layers.items()}
    return ModelFacts(
        has_model=True,
        activations=MappingProxyType(try_read(lambda: _activations(graph, catalog, paths)) or {}),
        momentums=MappingProxyType(
            {
                path: layer.momentum
                for path, layer in _iter_layers(catalog)
                if type(getattr(layer, "momentum", None)) in (int, float)
            }
        ),
        input_layers=MappingProxyType(try_read(lambda: _input_layers(graph, paths)) or {}),
        output_layers=try_read(lambda: frozenset(_output_layers(graph, paths))) or frozenset(),
        mask_zero_layers=frozenset(path for path, layer in _iter_layers(catalog) if getattr(layer, "mask_zero", False) is True),
    )


def try_read(read: Callable[[], Any]) -> Any:
    """Return the result of `read`, or None if it fails. Private attributes of Keras may move in the next version."""
    try:
        return read()
    except Exception:  # noqa: BLE001 - a missing fact is better than an error
        return None


def _iter_layers(catalog: Catalog) -> Iterator[tuple[str, Any]]:
    yield from catalog.layers.items()


class LayerGraph:
    """The graph of layers in a functional model. Empty for other models."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.outputs = try_read(lambda: list(model.outputs)) or []

    @property
    def operations(self) -> list[Any]:
        """The layers and other operations at the top level of the model."""
        functional = getattr(self.model, "_functional", None) or self.model
        return list(getattr(functional, "operations", ())) if self.outputs else []

    def producer(self, tensor: Any) -> tuple[Any, list[Any]]:
        """Return the operation that produces a tensor, and its input tensors."""
        history = tensor._keras_history  # noqa: SLF001 - the only way back through the graph
        node = history.operation._inbound_nodes[history.node_index]  # noqa: SLF001
        return history.operation, list(node.input_tensors)

    def input_tensors(self, operation: Any) -> list[Any]:
        """Return the input tensors of an operation in this model, from all its uses."""
        return [tensor for node in self.nodes(operation) for tensor in node.input_tensors]

    def nodes(self, operation: Any) -> list[Any]:
        """Return the uses of an operation that belong to this model."""
        functional = getattr(self.model, "_functional", None) or self.model
        ours = {id(node) for nodes in functional._nodes_by_depth.values() for node in nodes}  # noqa: SLF001
        return [node for node in operation._inbound_nodes if id(node) in ours]  # noqa: SLF001


def _walk_back(graph: LayerGraph, tensors: list[Any], stop_at: Callable[[Any], bool]) -> Iterator[Any]:
    """Yield the operations that lead to the tensors, each once. The walk stops at operations where `stop_at` is True."""
    waiting, seen = list(tensors), set()
    while waiting:
        tensor = waiting.pop()
        operation, inputs = graph.producer(tensor)
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        yield operation
        if not stop_at(operation):
            waiting += inputs


def layers_reaching_loss(model: Any, catalog: Catalog) -> frozenset[str] | None:
    """Return the paths of the layers from which a path leads to a loss. None if this cannot be determined.

    Args:
        model: The model that is trained.
        catalog: The explored layers and weights of the model.
    """
    graph = LayerGraph(model)
    if not graph.outputs or not getattr(model, "compiled", False) or _has_own_losses(model):
        return None
    ends = [
        tensor for tensor, is_used in zip(graph.outputs, _outputs_with_loss(model, len(graph.outputs)), strict=True) if is_used
    ]
    found = list(_walk_back(graph, ends, lambda each: type(each).__name__ == "StopGradient"))
    inner = [each for operation in found if isinstance(operation, keras.Layer) for each in operation._flatten_layers()]  # noqa: SLF001
    reached = {id(each) for each in (*found, *inner)}
    within = {path for path, layer in catalog.layers.items() if id(layer) in reached}
    return frozenset(path for path in catalog.layers if any(each in within for each in enclosing_paths(path)))


def _has_own_losses(model: Any) -> bool:
    """Return whether the model adds losses itself, or computes them in a custom training step."""
    overrides = any(getattr(type(model), name) is not getattr(keras.Model, name) for name in ("train_step", "compute_loss"))
    return overrides or any(getattr(layer, "_losses", None) for layer in model._flatten_layers())  # noqa: SLF001


def _outputs_with_loss(model: Any, count: int) -> list[bool]:
    """Return whether each output has a loss."""
    loss = model.loss
    if isinstance(loss, dict):
        return [loss.get(name) is not None for name in model.output_names]
    if isinstance(loss, (list, tuple)):
        return [each is not None for each in loss]
    return [loss is not None] * count


def _input_layers(graph: LayerGraph, paths: Mapping[int, str]) -> dict[str, tuple[str, ...]]:
    """Map each layer path to the nearest layers with weights before it. `MODEL_INPUT` stands for the input of the model."""
    found = {}
    for operation in graph.operations:
        if id(operation) in paths and _has_weights(operation):
            sources = [each for each in _walk_back(graph, graph.input_tensors(operation), _has_weights) if _is_source(each)]
            found[paths[id(operation)]] = tuple(dict.fromkeys(_path_of(each, paths) for each in sources))
    return {path: feeds for path, feeds in found.items() if feeds}


def _path_of(operation: Any, paths: Mapping[int, str]) -> str:
    return paths.get(id(operation), MODEL_INPUT) if _has_weights(operation) else MODEL_INPUT


def _is_source(operation: Any) -> bool:
    return _has_weights(operation) or isinstance(operation, keras.layers.InputLayer)


def _has_weights(operation: Any) -> bool:
    return bool(getattr(operation, "weights", ()))


def _output_layers(graph: LayerGraph, paths: Mapping[int, str]) -> Iterator[str]:
    for operation in _walk_back(graph, graph.outputs, _has_weights):
        if _has_weights(operation) and id(operation) in paths:
            yield paths[id(operation)]


def _activations(graph: LayerGraph, catalog: Catalog, paths: Mapping[int, str]) -> dict[str, str]:
    """Map each layer path to its activation. If the activation is linear, use the one that follows the layer."""
    found = {path: name for path, layer in _iter_layers(catalog) if (name := _activation_of(layer))}
    for operation in graph.operations:
        name = _activation_of(operation)
        if name and not _has_weights(operation):
            for layer in _walk_back(
                graph, graph.input_tensors(operation), lambda each: type(each).__name__ not in _PASS_THROUGH_LAYERS
            ):
                path = paths.get(id(layer), "")
                if found.get(path) == "linear":
                    found[path] = name
    return found


def _activation_of(layer: Any) -> str:
    own = getattr(layer, "activation", None)
    return _ACTIVATIONS.get(type(layer).__name__, "") or str(getattr(own, "__name__", "") or getattr(own, "name", ""))
