"""Read a Keras model into a frozen `Catalog`. Keras' objects stop here: what others get is plain data."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from weight_explorer.catalog import explain
from weight_explorer.catalog.graph import layer_before
from weight_explorer.catalog.nodes import Catalog, LayerNode, Weight
from weight_explorer.catalog.places import Held, Place, Reader, free_name
from weight_explorer.catalog.roles.terms import SEED_ATTRIBUTE


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
    root = Place(model, model.name, model, "model", frozen_by=frozen_by, is_frozen_here=bool(frozen_by))
    reader = Reader()
    reader.read(root, ancestors=())
    places = list(root.walk())
    all_held = [held for place in places for held in place.held]
    keys = _unique_keys(all_held, known or {})
    homes = _homes(all_held, keys)
    numbers = {id(place.layer): _numbers(place.layer) for place in places if place.held}
    weights, variables = {}, {}
    for held in all_held:
        key = keys[id(held.variable)]
        if key not in weights:
            number = numbers[id(held.place.layer)].get(id(held.variable))
            weights[key] = _weight(key, held, homes[key], frozen_root=frozen_by, number=number)
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
    # Keras has no public list of the layers of all levels.
    return list(model._flatten_layers())  # noqa: SLF001


class WeightsLostError(RuntimeError):
    """The model has no weights any more: Keras on JAX gives them to each step, and from one that broke off none come back."""


def read_values(variable: Any) -> np.ndarray:
    """Return a variable's values in its own dtype, where possible not copied: the next step of training may overwrite them.

    Raises:
        WeightsLostError: There are none to read.
    """
    if _is_lost(variable):
        raise WeightsLostError(
            "a step of JAX broke off and lost them. explorer.restore(...) puts a record back; then compile the model again."
        )
    value = variable.value
    if hasattr(value, "read_value"):
        # TensorFlow: of the variable itself, or through Keras, NumPy would make a copy, or two. `read_value` is slow.
        return array_of(value.value())
    values: Any = keras.ops.convert_to_numpy(value)
    return values


def array_of(tensor: Any) -> np.ndarray:
    """Return a tensor of TensorFlow as an array, not copied."""
    try:
        return np.asarray(tensor)
    except ValueError:  # a single bfloat16 or float8
        return np.asarray(tensor.numpy())


def _is_lost(variable: Any) -> bool:
    value = getattr(variable, "_value", variable)
    if value is None:
        return getattr(variable, "_initializer", None) is None  # else it waits for its first
    return hasattr(value, "is_deleted") and value.is_deleted()


def write_values(variable: Any, values: np.ndarray) -> None:
    """Give a variable new values."""
    variable.assign(values)


def _unique_keys(all_held: list[Held], known: Mapping[str, object]) -> dict[int, str]:
    present = {id(held.variable) for held in all_held}
    keys = {id(variable): key for key, variable in known.items() if id(variable) in present}
    taken = set(keys.values())
    for held in all_held:
        if id(held.variable) not in keys:
            keys[id(held.variable)] = free_name(_path(held), taken)
    return keys


def _path(held: Held) -> str:
    """Return Keras' path of a variable; of a random state, whose path is a running number, that of its layer."""
    return f"{held.holder.path or held.place.path}/{held.name}" if held.attribute == SEED_ATTRIBUTE else held.variable.path


def _homes(all_held: list[Held], keys: dict[int, str]) -> dict[str, tuple[str, ...]]:
    homes: dict[str, dict[str, None]] = {}
    for held in all_held:
        homes.setdefault(keys[id(held.variable)], {})[held.place.path] = None
    return {key: tuple(paths) for key, paths in homes.items()}


def _numbers(layer: Any) -> dict[int, int]:
    """Return from `id` where each variable stands in what the layer's `get_weights()` returns."""
    return {id(variable): number for number, variable in enumerate(layer.weights)}


def _weight(key: str, held: Held, homes: tuple[str, ...], *, frozen_root: str, number: int | None) -> Weight:
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
    not_trainable, reason, training = explain.training_of(subject, row)
    initializer, initializer_config = explain.initializer_of(subject, variable, row)
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
        initializer=initializer,
        initializer_config=initializer_config,
        shared_by=homes,
        expression=held.expression,
        meaning=explain.sentence_of(row, axes),
        training=training,
        place=" ".join(filter(None, around)),
        number=number,
        not_trainable=not_trainable,
    )


class _Nodes:
    """Makes the frozen tree of the places that were read."""

    def __init__(self, places: list[Place], keys: dict[int, str], homes: dict[str, tuple[str, ...]], reader: Reader) -> None:
        self._keys = keys
        self._homes = homes
        self._reader = reader
        self._counts = Counter(id(place.layer) for place in places)
        held = (held for place in places for held in place.held if held.attribute != SEED_ATTRIBUTE)
        self._sizes = {id(each.variable): math.prod(each.shape) for each in held}
        self._num_params: dict[int, int] = {}
        self._paths = {id(place.layer): place.path for place in reversed(places)}

    def node(self, place: Place) -> LayerNode:
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
            after=self._paths.get(id(layer_before(layer)), ""),
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
