"""Ask a live Keras model what its weights do not tell. What cannot be read is left unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import keras

from weight_explorer.catalog.nodes import Catalog, enclosing
from weight_explorer.diagnosis.facts import DATA, Facts

# What stands between a layer's sum and its activation, and leaves it to that.
_PASSED = ("BatchNormalization", "Dropout", "LayerNormalization")
_ACTIVATIONS = {"ReLU": "relu", "LeakyReLU": "leaky_relu", "ELU": "elu", "Softmax": "softmax"}


def read_facts(model: Any, catalog: Catalog) -> Facts:
    """Read how the layers of a model are connected and configured.

    Args:
        model: The live model.
        catalog: What it holds, with its layers and variables.
    """
    graph = Graph(model)
    paths = {id(layer): path for path, layer in catalog.layers.items()}
    return Facts(
        has_model=True,
        activations=MappingProxyType(known(lambda: _activations(graph, catalog, paths)) or {}),
        momentums=MappingProxyType(
            {path: layer.momentum for path, layer in _layers(catalog) if type(getattr(layer, "momentum", None)) in (int, float)}
        ),
        feeds=MappingProxyType(known(lambda: _feeds(graph, paths)) or {}),
        outputs=known(lambda: frozenset(_outputs(graph, paths))) or frozenset(),
        masked=frozenset(path for path, layer in _layers(catalog) if getattr(layer, "mask_zero", False) is True),
    )


def known(read: Callable[[], Any]) -> Any:
    """Return what can be read, or None: what Keras keeps to itself may be kept elsewhere in its next version."""
    try:
        return read()
    except Exception:  # noqa: BLE001 - no fact is worth an error
        return None


def _layers(catalog: Catalog) -> Iterator[tuple[str, Any]]:
    yield from catalog.layers.items()


class Graph:
    """How the layers of a functional model follow on each other; empty of other models."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.outputs = known(lambda: list(model.outputs)) or []

    @property
    def layers(self) -> list[Any]:
        """The layers and other operations, of the model's own level."""
        functional = getattr(self.model, "_functional", None) or self.model
        return list(getattr(functional, "operations", ())) if self.outputs else []

    def before(self, tensor: Any) -> tuple[Any, list[Any]]:
        """Return the operation that gives a tensor, and the tensors that go into it."""
        history = tensor._keras_history  # noqa: SLF001 - the only way back through the graph
        node = history.operation._inbound_nodes[history.node_index]  # noqa: SLF001
        return history.operation, list(node.input_tensors)

    def inputs(self, operation: Any) -> list[Any]:
        """Return the tensors that go into an operation of this model, at all places where it is used."""
        return [tensor for node in self.nodes(operation) for tensor in node.input_tensors]

    def nodes(self, operation: Any) -> list[Any]:
        """Return the uses of an operation that belong to this model."""
        functional = getattr(self.model, "_functional", None) or self.model
        ours = {id(node) for nodes in functional._nodes_by_depth.values() for node in nodes}  # noqa: SLF001
        return [node for node in operation._inbound_nodes if id(node) in ours]  # noqa: SLF001


def _walk_back(graph: Graph, tensors: list[Any], stops: Callable[[Any], bool]) -> Iterator[Any]:
    """Yield the operations from which tensors come, each once, and those before it where it does not stop there."""
    waiting, seen = list(tensors), set()
    while waiting:
        tensor = waiting.pop()
        operation, inputs = graph.before(tensor)
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        yield operation
        if not stops(operation):
            waiting += inputs


def reached_layers(model: Any, catalog: Catalog) -> frozenset[str] | None:
    """Return the paths of the layers from which a path leads to a loss, None where that cannot be told from outside.

    Args:
        model: The model that is trained.
        catalog: What is explored of it.
    """
    graph = Graph(model)
    if not graph.outputs or not getattr(model, "compiled", False) or _has_own_losses(model):
        return None
    ends = [tensor for tensor, is_used in zip(graph.outputs, _used_outputs(model, len(graph.outputs)), strict=True) if is_used]
    found = list(_walk_back(graph, ends, lambda each: type(each).__name__ == "StopGradient"))
    inner = [each for operation in found if isinstance(operation, keras.Layer) for each in operation._flatten_layers()]  # noqa: SLF001
    reached = {id(each) for each in (*found, *inner)}
    within = {path for path, layer in catalog.layers.items() if id(layer) in reached}
    return frozenset(path for path in catalog.layers if any(each in within for each in enclosing(path)))


def _has_own_losses(model: Any) -> bool:
    """Whether the model adds losses itself, or computes them in a step of its own."""
    overrides = any(getattr(type(model), name) is not getattr(keras.Model, name) for name in ("train_step", "compute_loss"))
    return overrides or any(getattr(layer, "_losses", None) for layer in model._flatten_layers())  # noqa: SLF001


def _used_outputs(model: Any, count: int) -> list[bool]:
    """Say of each output whether it has a loss."""
    loss = model.loss
    if isinstance(loss, dict):
        return [loss.get(name) is not None for name in model.output_names]
    if isinstance(loss, (list, tuple)):
        return [each is not None for each in loss]
    return [loss is not None] * count


def _feeds(graph: Graph, paths: Mapping[int, str]) -> dict[str, tuple[str, ...]]:
    """Return from path to the nearest layers with weights before it; `DATA` for the model's own input."""
    found = {}
    for operation in graph.layers:
        if id(operation) in paths and _has_weights(operation):
            sources = [each for each in _walk_back(graph, graph.inputs(operation), _has_weights) if _is_source(each)]
            found[paths[id(operation)]] = tuple(dict.fromkeys(_path_of(each, paths) for each in sources))
    return {path: feeds for path, feeds in found.items() if feeds}


def _path_of(operation: Any, paths: Mapping[int, str]) -> str:
    return paths.get(id(operation), DATA) if _has_weights(operation) else DATA


def _is_source(operation: Any) -> bool:
    return _has_weights(operation) or isinstance(operation, keras.layers.InputLayer)


def _has_weights(operation: Any) -> bool:
    return bool(getattr(operation, "weights", ()))


def _outputs(graph: Graph, paths: Mapping[int, str]) -> Iterator[str]:
    for operation in _walk_back(graph, graph.outputs, _has_weights):
        if _has_weights(operation) and id(operation) in paths:
            yield paths[id(operation)]


def _activations(graph: Graph, catalog: Catalog, paths: Mapping[int, str]) -> dict[str, str]:
    """Return from path to the activation of each layer: its own or, where that is linear, the one that follows it."""
    found = {path: name for path, layer in _layers(catalog) if (name := _activation_of(layer))}
    for operation in graph.layers:
        name = _activation_of(operation)
        if name and not _has_weights(operation):
            for layer in _walk_back(graph, graph.inputs(operation), lambda each: type(each).__name__ not in _PASSED):
                path = paths.get(id(layer), "")
                if found.get(path) == "linear":
                    found[path] = name
    return found


def _activation_of(layer: Any) -> str:
    own = getattr(layer, "activation", None)
    return _ACTIVATIONS.get(type(layer).__name__, "") or str(getattr(own, "__name__", "") or getattr(own, "name", ""))
