"""Walk a Keras model to find its layers and variables, and the Python expression for each."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import keras

from weight_explorer.catalog import descriptions
from weight_explorer.catalog.accessors import Accessor, accessor_by_name, accessors_from, index_accessors
from weight_explorer.catalog.layers.specs import SEED_ATTRIBUTE

# Layers that contain the same layers over and over can have too many occurrences to view. Beyond this number, a layer that
# already occurs elsewhere is not expanded again.
MAX_LAYER_OCCURRENCES = 4000
_NO_ACCESSOR = Accessor("", "", is_public=False)


@dataclass(slots=True)
class VariableOccurrence:
    """A variable and where it was found: its layer, its attribute and name, and the Python expression for it."""

    variable: Any
    owner: Any
    attribute: str
    name: str
    expression: str
    layer_occurrence: LayerOccurrence
    shape: tuple[int, ...]


@dataclass(slots=True)
class LayerOccurrence:
    """A layer and where it was found in the tree.

    `public_ancestor` is the nearest layer, the layer itself or one above it, that public Python can reach;
    `public_ancestor_expression` is that Python.
    """

    layer: Any
    path: str
    public_ancestor: Any
    public_ancestor_expression: str
    is_public: bool = True
    sublayer_spec: descriptions.SublayerSpec | None = None
    sublayer_description: str = ""
    qualified_names: tuple[str, ...] = ()
    frozen_by: str = ""
    is_itself_frozen: bool = False
    reuse_note: str = ""
    variables: list[VariableOccurrence] = field(default_factory=list)
    children: list[LayerOccurrence] = field(default_factory=list)

    def walk(self) -> Iterator[LayerOccurrence]:
        """Yield this occurrence and all occurrences below it, from top to bottom."""
        yield self
        for child in self.children:
            yield from child.walk()


def sublayers(layer: Any) -> list[Any]:
    """Return the direct sublayers of a layer."""
    # Keras has no public list of a layer's direct sublayers; `Model.layers` is built on this method.
    return list(layer._flatten_layers(include_self=False, recursive=False))  # noqa: SLF001


class ModelWalker:
    """Walks all layers. Information about a layer is collected once and used for all of its occurrences."""

    def __init__(self) -> None:
        self._accessors: dict[int, dict[int, Accessor]] = {}
        self._index_accessors: dict[int, dict[int, str]] = {}
        self._variables: dict[int, list[Any]] = {}
        self._variables_below: dict[int, set[int]] = {}
        self._calls: dict[int, Counter[int]] = {}
        self._num_occurrences = 0

    def visit(self, layer_occurrence: LayerOccurrence, ancestors: tuple[Any, ...]) -> None:
        """Fill in a layer occurrence: the layer's own variables and the occurrences below it."""
        layer = layer_occurrence.layer
        is_repeated = id(layer) in self._variables_below
        layer_occurrence.variables = list(self._own_variables(layer_occurrence, layer, "", is_public=True))
        self._num_occurrences += 1
        if is_repeated and self._num_occurrences > MAX_LAYER_OCCURRENCES:
            return
        paths: set[str] = set()
        for child in sublayers(layer):
            if any(child is ancestor for ancestor in (*ancestors, layer)) or self._is_internal_layer(layer, child):
                continue
            way = self._accessor(layer, child)
            if descriptions.is_folded_sublayer(layer, way.attribute) and not sublayers(child):
                layer_occurrence.variables += self._own_variables(
                    layer_occurrence, child, way.expression, is_public=way.is_public
                )
                continue
            below = self._child_occurrence(
                layer_occurrence, child, way, f"{layer_occurrence.path}/{make_unique(child.name, paths)}"
            )
            layer_occurrence.children.append(below)
            self.visit(below, (*ancestors, layer))

    def _child_occurrence(
        self, layer_occurrence: LayerOccurrence, child: Any, accessor: Accessor, path: str
    ) -> LayerOccurrence:
        layer = layer_occurrence.layer
        is_public = layer_occurrence.is_public and accessor.is_public
        part = descriptions.find_sublayer_spec(layer, accessor.attribute)
        calls = self._num_calls(layer, child)
        reused = f"{child.name!r} is called {calls} times in {layer.name!r}: the same weights serve every call."
        return LayerOccurrence(
            child,
            path,
            public_ancestor=child if is_public else layer_occurrence.public_ancestor,
            public_ancestor_expression=layer_occurrence.public_ancestor_expression + accessor.expression
            if is_public
            else layer_occurrence.public_ancestor_expression,
            is_public=is_public,
            sublayer_spec=part,
            sublayer_description=" ".join(
                filter(None, (part.describe(layer) if part else "", layer_occurrence.sublayer_description))
            ),
            qualified_names=descriptions.qualified_names(layer, accessor.attribute),
            frozen_by="" if child.trainable else layer_occurrence.frozen_by or child.name,
            is_itself_frozen=not child.trainable and not layer_occurrence.frozen_by,
            reuse_note=reused if calls > 1 else layer_occurrence.reuse_note,
        )

    def _own_variables(
        self, layer_occurrence: LayerOccurrence, layer: Any, access_expression: str, *, is_public: bool
    ) -> Iterator[VariableOccurrence]:
        """Yield the variables that belong to a layer itself, not to one of its sublayers."""
        below = self._variable_ids_below(layer)
        for variable in self.variables_of(layer):
            if id(variable) in below:
                continue
            way = accessor_by_name(layer, variable) or self._accessors_of(layer).get(id(variable), _NO_ACCESSOR)
            if layer_occurrence.is_public and is_public and way.is_public:
                expression = layer_occurrence.public_ancestor_expression + access_expression + way.expression
            else:
                expression = (
                    layer_occurrence.public_ancestor_expression
                    + self._index_accessors_of(layer_occurrence.public_ancestor)[id(variable)]
                )
            is_seed = way.expression.endswith(".state")
            attribute = SEED_ATTRIBUTE if is_seed else way.attribute or variable.name
            name = way.expression.lstrip("._") or variable.name
            yield VariableOccurrence(variable, layer, attribute, name, expression, layer_occurrence, tuple(variable.shape))

    def _accessor(self, layer: Any, child: Any) -> Accessor:
        return self._accessors_of(layer).get(id(child), _NO_ACCESSOR)

    def _accessors_of(self, layer: Any) -> dict[int, Accessor]:
        if id(layer) not in self._accessors:
            self._accessors[id(layer)] = accessors_from(layer)
        return self._accessors[id(layer)]

    def _index_accessors_of(self, layer: Any) -> dict[int, str]:
        if id(layer) not in self._index_accessors:
            self._index_accessors[id(layer)] = index_accessors(layer)
        return self._index_accessors[id(layer)]

    def variables_of(self, layer: Any) -> list[Any]:
        """Return the variables of a layer and its sublayers according to Keras, cached."""
        if id(layer) not in self._variables:
            self._variables[id(layer)] = layer.variables
        return self._variables[id(layer)]

    def _variable_ids_below(self, layer: Any) -> set[int]:
        if id(layer) not in self._variables_below:
            children = sublayers(layer)
            self._variables_below[id(layer)] = {id(variable) for child in children for variable in self.variables_of(child)}
        return self._variables_below[id(layer)]

    def _num_calls(self, model: Any, layer: Any) -> int:
        """Count how often a functional model calls a layer; 1 if Keras has no graph to count in."""
        if id(model) not in self._calls:
            # Keras has no public list of a graph's calls other than the serialized model, which takes far longer.
            depths = getattr(model, "_nodes_by_depth", {})
            self._calls[id(model)] = Counter(id(node.operation) for nodes in depths.values() for node in nodes)
        return self._calls[id(model)][id(layer)] or 1

    def _is_internal_layer(self, parent: Any, child: Any) -> bool:
        """Return whether a row in the tree would only be noise: inputs, and empty sublayers of Keras' own layers."""
        if isinstance(child, keras.layers.InputLayer):
            return True
        own = type(parent).__module__.startswith("keras.") and not isinstance(parent, keras.Model)
        if not own or self.variables_of(child) or "Wrapper" in descriptions.keras_class_names(parent):
            return False
        return bool(child.built or descriptions.find_non_weight_state(parent))


def make_unique(name: str, taken: set[str]) -> str:
    """Return the name, with a number appended if it is already in `taken`, and add it to `taken`."""
    found = next(each for number in itertools.count(1) if (each := name if number == 1 else f"{name}#{number}") not in taken)
    taken.add(found)
    return found
