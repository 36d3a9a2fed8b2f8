"""Read a Keras model into a frozen `Catalog`. Keras' objects stop here and next door: this is where they come in."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from weight_explorer.catalog import explain
from weight_explorer.catalog.access import Way, numbers_from, way_by_name, ways_from
from weight_explorer.catalog.nodes import Catalog, LayerNode, Weight
from weight_explorer.catalog.roles.terms import SEED_ATTRIBUTE

# Layers that hold the same layers again and again have more places than anyone can look at: from here on a layer that stands
# elsewhere already is not unfolded once more.
MOST_PLACES = 4000
_NO_WAY = Way("", "", is_public=False)


@dataclass(slots=True)
class _Held:
    """A variable where it was found: on which layer, under which attribute and name, by which Python."""

    variable: Any
    holder: Any
    attribute: str
    name: str
    expression: str
    place: _Place
    shape: tuple[int, ...]


@dataclass(slots=True)
class _Place:
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
    held: list[_Held] = field(default_factory=list)
    children: list[_Place] = field(default_factory=list)

    def walk(self) -> Iterator[_Place]:
        yield self
        for child in self.children:
            yield from child.walk()


def read_catalog(model: Any, known: Mapping[str, object] | None = None) -> Catalog:
    """Read what the model holds now; call it again when the model was built or changed.

    `known` are the variables of the catalog before, from key to variable: a variable keeps its key even where one that is
    built later has the same path and stands before it.

    >>> import keras
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="dense")], name="small")
    >>> catalog = read_catalog(model)
    >>> [weight.shape_text for weight in catalog.weights.values()]
    ['(4, 3) = (input_dim, units)', '(3,) = (units,)']
    >>> catalog.weights["small/dense/kernel"].expression
    'model.get_layer("dense").kernel'
    """
    frozen_by = "" if model.trainable else model.name
    root = _Place(model, model.name, model, "model", frozen_by=frozen_by, is_frozen_here=bool(frozen_by))
    reader = _Reader()
    reader.read(root, ancestors=())
    places = list(root.walk())
    all_held = [held for place in places for held in place.held]
    keys = _unique_keys(all_held, known or {})
    homes = _homes(all_held, keys)
    weights, variables = {}, {}
    for held in all_held:
        key = keys[id(held.variable)]
        if key not in weights:
            weights[key] = _weight(key, held, homes[key], frozen_root=frozen_by)
            variables[key] = held.variable
    node = _Nodes(places, keys, homes, reader).node(root)
    layers = {place.path: place.layer for place in places}
    return Catalog(node, MappingProxyType(weights), MappingProxyType(variables), MappingProxyType(layers))


def signature(model: Any) -> tuple[Any, ...]:
    """Return what must differ when the catalog is to be read anew; cheap enough for every epoch."""
    return (
        tuple((id(layer), layer.name, bool(layer.built), bool(layer.trainable), _note(layer)) for layer in _all_layers(model)),
        tuple((id(variable), bool(variable.trainable)) for variable in model.variables),
    )


def share_layers(model: Any, other: Any) -> bool:
    """Say whether two models are the same or have a layer in common, so that training one trains the other."""
    ours, theirs = ({id(layer) for layer in _all_layers(each)} for each in (model, other))
    return not ours.isdisjoint(theirs)


def _all_layers(model: Any) -> list[Any]:
    return list(model._flatten_layers())  # noqa: SLF001 - as below, and of all levels


def read_values(variable: Any) -> np.ndarray:
    """Copy a variable's values to a read-only array of its own dtype."""
    value = variable.value
    # Of a TensorFlow variable the tensor is copied once; of the variable itself NumPy 2 copies twice, and warns.
    values: Any = keras.ops.convert_to_numpy(value.read_value() if hasattr(value, "read_value") else value)
    if not values.flags.owndata:  # some backends give a view of what the next step of training overwrites
        values = values.copy()
    values.setflags(write=False)
    return values


def _sublayers(layer: Any) -> list[Any]:
    # Keras has no public list of a layer's direct sublayers; a Model's `layers` is built on this very method.
    return list(layer._flatten_layers(include_self=False, recursive=False))  # noqa: SLF001


class _Reader:
    """Walks the layers once. What it has learned of a layer serves every place where that layer stands."""

    def __init__(self) -> None:
        self._ways: dict[int, dict[int, Way]] = {}
        self._numbers: dict[int, dict[int, str]] = {}
        self._variables: dict[int, list[Any]] = {}
        self._variables_below: dict[int, set[int]] = {}
        self._calls: dict[int, Counter[int]] = {}
        self._num_places = 0

    def read(self, place: _Place, ancestors: tuple[Any, ...]) -> None:
        """Fill in a place: what its layer holds itself, and the places below it."""
        layer = place.layer
        is_repeated = id(layer) in self._variables_below
        place.held = list(self._own(place, layer, "", is_public=True))
        self._num_places += 1
        if is_repeated and self._num_places > MOST_PLACES:
            return
        paths: set[str] = set()
        for child in _sublayers(layer):
            if any(child is ancestor for ancestor in (*ancestors, layer)) or self._is_plumbing(layer, child):
                continue
            way = self._way(layer, child)
            if explain.is_folded(layer, way.attribute) and not _sublayers(child):
                place.held += self._own(place, child, way.access, is_public=way.is_public)
                continue
            below = self._below(place, child, way, f"{place.path}/{_free(child.name, paths)}")
            place.children.append(below)
            self.read(below, (*ancestors, layer))

    def _below(self, place: _Place, child: Any, way: Way, path: str) -> _Place:
        layer = place.layer
        is_public = place.is_public and way.is_public
        part = explain.part_of(layer, way.attribute)
        calls = self._num_calls(layer, child)
        reused = f"{child.name!r} is called {calls} times in {layer.name!r}: the same weights serve every call."
        return _Place(
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

    def _own(self, place: _Place, layer: Any, access: str, *, is_public: bool) -> Iterator[_Held]:
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
            yield _Held(variable, layer, attribute, name, expression, place, tuple(variable.shape))

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
            children = _sublayers(layer)
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


def _unique_keys(all_held: list[_Held], known: Mapping[str, object]) -> dict[int, str]:
    present = {id(held.variable) for held in all_held}
    keys = {id(variable): key for key, variable in known.items() if id(variable) in present}
    taken = set(keys.values())
    for held in all_held:
        if id(held.variable) not in keys:
            keys[id(held.variable)] = _free(_path(held), taken)
    return keys


def _path(held: _Held) -> str:
    """Return Keras' path of a variable; of a random state, whose path is a running number, that of its layer."""
    return f"{held.holder.path or held.place.path}/{held.name}" if held.attribute == SEED_ATTRIBUTE else held.variable.path


def _free(name: str, taken: set[str]) -> str:
    """Return the name, with a number behind it where it is taken, and take it."""
    found = next(each for number in itertools.count(1) if (each := name if number == 1 else f"{name}#{number}") not in taken)
    taken.add(found)
    return found


def _homes(all_held: list[_Held], keys: dict[int, str]) -> dict[str, tuple[str, ...]]:
    homes: dict[str, dict[str, None]] = {}
    for held in all_held:
        homes.setdefault(keys[id(held.variable)], {})[held.place.path] = None
    return {key: tuple(paths) for key, paths in homes.items()}


def _weight(key: str, held: _Held, homes: tuple[str, ...], *, frozen_root: str) -> Weight:
    variable, place = held.variable, held.place
    subject = explain.Subject(
        layer=held.holder,
        attribute=held.attribute,
        shape=held.shape,
        dtype=str(variable.dtype),
        trainable=bool(variable.trainable) and not frozen_root,
        places=place.names if held.holder is place.layer else (),
        frozen_by=place.frozen_by or frozen_root,
        is_frozen_here=place.is_frozen_here,
    )
    row, axes = explain.row_for(subject)
    reason, training = explain.training_of(subject, row)
    around = () if held.attribute == SEED_ATTRIBUTE else (place.part_words, place.reused)
    return Weight(
        key=key,
        role=explain.role_of(row, held.attribute),
        name=held.name,
        layer=place.path,
        shape=held.shape,
        dtype=subject.dtype,
        axes=axes,
        trainable=not reason,
        reason=reason,
        initializer=explain.initializer_of(subject, variable, row),
        shared_by=homes,
        expression=held.expression,
        meaning=explain.sentence_of(row, axes),
        training=training,
        place=" ".join(filter(None, around)),
    )


class _Nodes:
    """Makes the frozen tree of the places that were read."""

    def __init__(self, places: list[_Place], keys: dict[int, str], homes: dict[str, tuple[str, ...]], reader: _Reader) -> None:
        self._keys = keys
        self._homes = homes
        self._reader = reader
        self._counts = Counter(id(place.layer) for place in places)
        held = (held for place in places for held in place.held if held.attribute != SEED_ATTRIBUTE)
        self._sizes = {id(each.variable): math.prod(each.shape) for each in held}
        self._num_params: dict[int, int] = {}

    def node(self, place: _Place) -> LayerNode:
        """Make the node of a place, and of all below it."""
        layer = place.layer
        own = tuple(dict.fromkeys(self._keys[id(held.variable)] for held in place.held))
        note, access = _note(layer)
        return LayerNode(
            path=place.path,
            name=layer.name,
            class_name=type(layer).__name__,
            num_params=self._params_of(layer),
            built=bool(layer.built),
            frozen=bool(own or place.children) and not layer.trainable,
            shared=self._counts[id(layer)] > 1 or bool(place.reused) or any(len(self._homes[key]) > 1 for key in own),
            part=place.part.name if place.part else "",
            part_kind=place.part.kind if place.part else "",
            note=note,
            expression=place.anchor_expression + access if place.is_public else "",
            weights=own,
            children=tuple(self.node(child) for child in place.children),
        )

    def _params_of(self, layer: Any) -> int:
        """Count as Keras does: each variable once, and random states not at all."""
        if id(layer) not in self._num_params:
            variables = self._reader.variables_of(layer)
            self._num_params[id(layer)] = sum(self._sizes.get(id(variable), 0) for variable in variables)
        return self._num_params[id(layer)]


def _note(layer: Any) -> tuple[str, str]:
    """Say what a layer keeps that is no variable, and by which Python it is read; empty where there is nothing."""
    kept = explain.kept_by(layer)
    count = kept.count(layer) if kept else None
    return (kept.sentence.format(count=count), kept.access) if kept and count else ("", "")
