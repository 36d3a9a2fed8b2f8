"""Read a Keras model into a frozen `Catalog`. Keras objects stay in this module: other modules get plain data."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from weight_explorer.catalog import descriptions
from weight_explorer.catalog.graph import preceding_layer
from weight_explorer.catalog.layers.specs import SEED_ATTRIBUTE
from weight_explorer.catalog.model_walker import LayerOccurrence, ModelWalker, VariableOccurrence, make_unique
from weight_explorer.catalog.schema import Catalog, LayerNode, Weight


def read_catalog(model: Any, known_variables: Mapping[str, object] | None = None) -> Catalog:
    """Read the current contents of a model. Call it again after the model was built or changed.

    `known_variables` maps the keys of the previous catalog to its variables. A variable keeps its key even if a variable that
    is built later has the same path and comes before it.

    >>> import keras
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="dense")], name="small")
    >>> catalog = read_catalog(model)
    >>> [weight.shape_text for weight in catalog.weights.values()]
    ['(4, 3) = (input_dim, units)', '(3,) = (units,)']
    >>> catalog.weights["small/dense/kernel"].expression
    'model.get_layer("dense").kernel'
    """
    frozen_by = "" if model.trainable else model.name
    root = LayerOccurrence(model, model.name, model, "model", frozen_by=frozen_by, is_itself_frozen=bool(frozen_by))
    reader = ModelWalker()
    reader.visit(root, ancestors=())
    places = list(root.walk())
    all_held = [held for place in places for held in place.variables]
    keys = _unique_keys(all_held, known_variables or {})
    homes = _owner_paths(all_held, keys)
    numbers = {id(place.layer): _get_weights_indices(place.layer) for place in places if place.variables}
    weights, variables = {}, {}
    for held in all_held:
        key = keys[id(held.variable)]
        if key not in weights:
            number = numbers[id(held.layer_occurrence.layer)].get(id(held.variable))
            weights[key] = _build_weight(key, held, homes[key], frozen_root=frozen_by, get_weights_index=number)
            variables[key] = held.variable
    node = _NodeBuilder(places, keys, homes, reader).build(root)
    layers = {place.path: place.layer for place in places}
    return Catalog(node, MappingProxyType(weights), MappingProxyType(variables), MappingProxyType(layers))


def model_signature(model: Any) -> tuple[Any, ...]:
    """Return a value that differs whenever the catalog has to be read again; cheap enough for every epoch."""
    return (
        tuple(
            (id(layer), layer.name, bool(layer.built), bool(layer.trainable), _state_note(layer))
            for layer in _all_layers(model)
        ),
        tuple((id(variable), bool(variable.trainable)) for variable in model.variables),
    )


def share_layers(model: Any, other: Any) -> bool:
    """Return whether two models are the same or share a layer, so that training one also trains the other."""
    ours, theirs = ({id(layer) for layer in _all_layers(each)} for each in (model, other))
    return not ours.isdisjoint(theirs)


def _all_layers(model: Any) -> list[Any]:
    # Keras has no public list of the layers at all levels.
    return list(model._flatten_layers())  # noqa: SLF001


class WeightsLostError(RuntimeError):
    """The model lost its weights. Keras on JAX hands them to each step and gets none back from an interrupted step."""


def read_values(variable: Any) -> np.ndarray:
    """Return a variable's values in its own dtype, without a copy if possible: the next training step may overwrite them.

    Raises:
        WeightsLostError: The variable has no values.
    """
    if _is_deleted(variable):
        raise WeightsLostError(
            "a step of JAX broke off and lost them. explorer.restore(...) puts a record back; then compile the model again."
        )
    value = variable.value
    if hasattr(value, "read_value"):
        # TensorFlow: passing the variable itself, or going through Keras, makes one or two copies. `read_value` is slow.
        return tensor_to_array(value.value())
    values: Any = keras.ops.convert_to_numpy(value)
    return values


def tensor_to_array(tensor: Any) -> np.ndarray:
    """Return a TensorFlow tensor as an array, without a copy."""
    try:
        return np.asarray(tensor)
    except ValueError:  # a single bfloat16 or float8
        return np.asarray(tensor.numpy())


def _is_deleted(variable: Any) -> bool:
    value = getattr(variable, "_value", variable)
    if value is None:
        return getattr(variable, "_initializer", None) is None  # otherwise it waits for its first value
    return hasattr(value, "is_deleted") and value.is_deleted()


def write_values(variable: Any, values: np.ndarray) -> None:
    """Assign new values to a variable."""
    variable.assign(values)


def _unique_keys(occurrences: list[VariableOccurrence], known_variables: Mapping[str, object]) -> dict[int, str]:
    present = {id(held.variable) for held in occurrences}
    keys = {id(variable): key for key, variable in known_variables.items() if id(variable) in present}
    taken = set(keys.values())
    for held in occurrences:
        if id(held.variable) not in keys:
            keys[id(held.variable)] = make_unique(_keras_path(held), taken)
    return keys


def _keras_path(occurrence: VariableOccurrence) -> str:
    """Return the Keras path of a variable. The path of a random state is a running number, so use the path of its layer."""
    return (
        f"{occurrence.owner.path or occurrence.layer_occurrence.path}/{occurrence.name}"
        if occurrence.attribute == SEED_ATTRIBUTE
        else occurrence.variable.path
    )


def _owner_paths(occurrences: list[VariableOccurrence], keys: dict[int, str]) -> dict[str, tuple[str, ...]]:
    homes: dict[str, dict[str, None]] = {}
    for held in occurrences:
        homes.setdefault(keys[id(held.variable)], {})[held.layer_occurrence.path] = None
    return {key: tuple(paths) for key, paths in homes.items()}


def _get_weights_indices(layer: Any) -> dict[int, int]:
    """Map the `id` of each variable to its position in the list returned by the layer's `get_weights()`."""
    return {id(variable): number for number, variable in enumerate(layer.weights)}


def _build_weight(
    key: str, occurrence: VariableOccurrence, owner_paths: tuple[str, ...], *, frozen_root: str, get_weights_index: int | None
) -> Weight:
    variable, place = occurrence.variable, occurrence.layer_occurrence
    subject = descriptions.VariableInfo(
        layer=occurrence.owner,
        attribute=occurrence.attribute,
        shape=occurrence.shape,
        dtype=str(variable.dtype),
        trainable=bool(variable.trainable) and not frozen_root,
        qualified_names=place.qualified_names if occurrence.owner is place.layer else (),
        frozen_by=place.frozen_by or frozen_root,
        is_itself_frozen=place.is_itself_frozen,
    )
    row, axes = descriptions.find_spec(subject)
    not_trainable, reason, training = descriptions.describe_training(subject, row)
    initializer, initializer_config = descriptions.describe_initializer(subject, variable, row)
    around = () if occurrence.attribute == SEED_ATTRIBUTE else (place.sublayer_description, place.reuse_note)
    return Weight(
        key=key,
        role=descriptions.role_name(row, occurrence.attribute),
        name=occurrence.name,
        layer=place.path,
        shape=occurrence.shape,
        dtype=subject.dtype,
        axes=axes,
        trainable=not reason,
        not_trainable_text=reason,
        initializer=initializer,
        initializer_config=initializer_config,
        shared_by=owner_paths,
        expression=occurrence.expression,
        meaning=descriptions.describe_weight(row, axes),
        training_effect=training,
        location_note=" ".join(filter(None, around)),
        get_weights_index=get_weights_index,
        not_trainable=not_trainable,
    )


class _NodeBuilder:
    """Builds the frozen layer tree from the layer occurrences that were found."""

    def __init__(
        self,
        layer_occurrences: list[LayerOccurrence],
        keys: dict[int, str],
        owner_paths: dict[str, tuple[str, ...]],
        walker: ModelWalker,
    ) -> None:
        self._keys = keys
        self._owner_paths = owner_paths
        self._walker = walker
        self._counts = Counter(id(place.layer) for place in layer_occurrences)
        held = (held for place in layer_occurrences for held in place.variables if held.attribute != SEED_ATTRIBUTE)
        self._sizes = {id(each.variable): math.prod(each.shape) for each in held}
        self._num_params: dict[int, int] = {}
        self._paths = {id(place.layer): place.path for place in reversed(layer_occurrences)}

    def build(self, layer_occurrence: LayerOccurrence) -> LayerNode:
        """Build the node of a layer occurrence and all nodes below it."""
        layer = layer_occurrence.layer
        own = tuple(dict.fromkeys(self._keys[id(held.variable)] for held in layer_occurrence.variables))
        note, access = _state_note(layer)
        return LayerNode(
            path=layer_occurrence.path,
            name=layer.name,
            class_name=type(layer).__name__,
            num_params=self._count_params(layer),
            built=bool(layer.built),
            frozen=bool(own or layer_occurrence.children) and not layer.trainable,
            shared=self._counts[id(layer)] > 1
            or bool(layer_occurrence.reuse_note)
            or any(len(self._owner_paths[key]) > 1 for key in own),
            parent_role=layer_occurrence.sublayer_spec.name if layer_occurrence.sublayer_spec else "",
            parent_role_kind=layer_occurrence.sublayer_spec.kind if layer_occurrence.sublayer_spec else "",
            state_note=note,
            expression=layer_occurrence.public_ancestor_expression + access if layer_occurrence.is_public else "",
            weights=own,
            children=tuple(self.build(child) for child in layer_occurrence.children),
            preceding_layer=self._paths.get(id(preceding_layer(layer)), ""),
        )

    def _count_params(self, layer: Any) -> int:
        """Count parameters as Keras does: each variable once, without random states."""
        if id(layer) not in self._num_params:
            variables = self._walker.variables_of(layer)
            self._num_params[id(layer)] = sum(self._sizes.get(id(variable), 0) for variable in variables)
        return self._num_params[id(layer)]


def _state_note(layer: Any) -> tuple[str, str]:
    """Return a note about what a layer keeps besides variables, and the Python that reads it; empty if there is nothing."""
    kept = descriptions.find_non_weight_state(layer)
    count = kept.count(layer) if kept else None
    return (kept.note.format(count=count), kept.expression) if kept and count else ("", "")
