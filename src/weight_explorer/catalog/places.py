"""Where layers and variables stand in a model: walks Keras' objects, and finds the Python that leads to each."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import keras

from weight_explorer.catalog import explain
from weight_explorer.catalog.access import Way, numbers_from, way_by_name, ways_from
from weight_explorer.catalog.roles.terms import SEED_ATTRIBUTE

# Layers that hold the same layers again and again have more places than anyone can look at: from here on a layer that stands
# elsewhere already is not unfolded once more.
MOST_PLACES = 4000
_NO_WAY = Way("", "", is_public=False)


@dataclass(slots=True)
class Held:
    """A variable where it was found: on which layer, under which attribute and name, by which Python."""

    variable: Any
    holder: Any
    attribute: str
    name: str
    expression: str
    place: Place
    shape: tuple[int, ...]


@dataclass(slots=True)
class Place:
    """A layer where it was found in the tree.

    `anchor` and `anchor_expression` are the nearest layer, itself or above, that public Python leads to.
    """

    layer: Any
    path: str
    anchor: Any
    anchor_expression: str
    is_public: bool = True
    part: explain.Part | None = None
    part_words: str = ""
    names: tuple[str, ...] = ()
    frozen_by: str = ""
    is_frozen_here: bool = False
    reused: str = ""
    held: list[Held] = field(default_factory=list)
    children: list[Place] = field(default_factory=list)

    def walk(self) -> Iterator[Place]:
        """Yield this place and all below it, from top to bottom."""
        yield self
        for child in self.children:
            yield from child.walk()


def sublayers(layer: Any) -> list[Any]:
    """Return the layers that a layer holds itself."""
    # Keras has no public list of a layer's direct sublayers; a Model's `layers` is built on this very method.
    return list(layer._flatten_layers(include_self=False, recursive=False))  # noqa: SLF001


class Reader:
    """Walks the layers once. What it has learned of a layer serves every place where that layer stands."""

    def __init__(self) -> None:
        self._ways: dict[int, dict[int, Way]] = {}
        self._numbers: dict[int, dict[int, str]] = {}
        self._variables: dict[int, list[Any]] = {}
        self._variables_below: dict[int, set[int]] = {}
        self._calls: dict[int, Counter[int]] = {}
        self._num_places = 0

    def read(self, place: Place, ancestors: tuple[Any, ...]) -> None:
        """Fill in a place: what its layer holds itself, and the places below it."""
        layer = place.layer
        is_repeated = id(layer) in self._variables_below
        place.held = list(self._own(place, layer, "", is_public=True))
        self._num_places += 1
        if is_repeated and self._num_places > MOST_PLACES:
            return
        paths: set[str] = set()
        for child in sublayers(layer):
            if any(child is ancestor for ancestor in (*ancestors, layer)) or self._is_plumbing(layer, child):
                continue
            way = self._way(layer, child)
            if explain.is_folded(layer, way.attribute) and not sublayers(child):
                place.held += self._own(place, child, way.access, is_public=way.is_public)
                continue
            below = self._below(place, child, way, f"{place.path}/{free_name(child.name, paths)}")
            place.children.append(below)
            self.read(below, (*ancestors, layer))

    def _below(self, place: Place, child: Any, way: Way, path: str) -> Place:
        layer = place.layer
        is_public = place.is_public and way.is_public
        part = explain.part_of(layer, way.attribute)
        calls = self._num_calls(layer, child)
        reused = f"{child.name!r} is called {calls} times in {layer.name!r}: the same weights serve every call."
        return Place(
            child,
            path,
            anchor=child if is_public else place.anchor,
            anchor_expression=place.anchor_expression + way.access if is_public else place.anchor_expression,
            is_public=is_public,
            part=part,
            part_words=" ".join(filter(None, (part.explain(layer) if part else "", place.part_words))),
            names=explain.places_of(layer, way.attribute),
            frozen_by="" if child.trainable else place.frozen_by or child.name,
            is_frozen_here=not child.trainable and not place.frozen_by,
            reused=reused if calls > 1 else place.reused,
        )

    def _own(self, place: Place, layer: Any, access: str, *, is_public: bool) -> Iterator[Held]:
        """Yield the variables that a layer holds itself, not through a layer below it."""
        below = self._below_of(layer)
        for variable in self.variables_of(layer):
            if id(variable) in below:
                continue
            way = way_by_name(layer, variable) or self._ways_of(layer).get(id(variable), _NO_WAY)
            if place.is_public and is_public and way.is_public:
                expression = place.anchor_expression + access + way.access
            else:
                expression = place.anchor_expression + self._numbers_of(place.anchor)[id(variable)]
            is_seed = way.access.endswith(".state")
            attribute = SEED_ATTRIBUTE if is_seed else way.attribute or variable.name
            name = way.access.lstrip("._") or variable.name
            yield Held(variable, layer, attribute, name, expression, place, tuple(variable.shape))

    def _way(self, layer: Any, child: Any) -> Way:
        return self._ways_of(layer).get(id(child), _NO_WAY)

    def _ways_of(self, layer: Any) -> dict[int, Way]:
        if id(layer) not in self._ways:
            self._ways[id(layer)] = ways_from(layer)
        return self._ways[id(layer)]

    def _numbers_of(self, layer: Any) -> dict[int, str]:
        if id(layer) not in self._numbers:
            self._numbers[id(layer)] = numbers_from(layer)
        return self._numbers[id(layer)]

    def variables_of(self, layer: Any) -> list[Any]:
        """Return what Keras says that a layer and those below it hold, asked once."""
        if id(layer) not in self._variables:
            self._variables[id(layer)] = layer.variables
        return self._variables[id(layer)]

    def _below_of(self, layer: Any) -> set[int]:
        if id(layer) not in self._variables_below:
            children = sublayers(layer)
            self._variables_below[id(layer)] = {id(variable) for child in children for variable in self.variables_of(child)}
        return self._variables_below[id(layer)]

    def _num_calls(self, model: Any, layer: Any) -> int:
        """Count how often a functional model calls a layer; 1 where Keras has no graph to count in."""
        if id(model) not in self._calls:
            # Keras has no public list of a graph's calls but the serialized model, which takes far longer.
            depths = getattr(model, "_nodes_by_depth", {})
            self._calls[id(model)] = Counter(id(node.operation) for nodes in depths.values() for node in nodes)
        return self._calls[id(model)][id(layer)] or 1

    def _is_plumbing(self, parent: Any, child: Any) -> bool:
        """Say whether a row in the tree would only be noise: inputs, and empty insides of Keras' own layers."""
        if isinstance(child, keras.layers.InputLayer):
            return True
        own = type(parent).__module__.startswith("keras.") and not isinstance(parent, keras.Model)
        if not own or self.variables_of(child) or "Wrapper" in explain.class_names(parent):
            return False
        return bool(child.built or explain.kept_by(parent))


def free_name(name: str, taken: set[str]) -> str:
    """Return the name, with a number behind it where it is taken, and take it."""
    found = next(each for number in itertools.count(1) if (each := name if number == 1 else f"{name}#{number}") not in taken)
    taken.add(found)
    return found
