"""Read a Keras model into a frozen `Catalog`. Keras' objects stop here: this is their one door."""

from __future__ import annotations

import itertools
import keyword
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from weight_explorer.catalog import roles
from weight_explorer.catalog.nodes import Catalog, LayerNode, Weight

FROZEN = " It is frozen: its layer has trainable = False, so training leaves it as it is."


@dataclass(slots=True)
class _Held:
    """A variable where it was found: on which layer, under which attribute and name, by which Python."""

    variable: Any
    holder: Any
    attribute: str
    name: str
    expression: str


@dataclass(slots=True)
class _Place:
    """A layer where it was found in the tree."""

    layer: Any
    path: str
    expression: str
    part: tuple[str, str]
    held: list[_Held] = field(default_factory=list)
    children: list[_Place] = field(default_factory=list)

    def walk(self) -> Iterator[_Place]:
        yield self
        for child in self.children:
            yield from child.walk()


def read_catalog(model: Any) -> Catalog:
    """Read what the model holds now; call it again when the model was built or changed.

    >>> import keras
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="dense")], name="small")
    >>> catalog = read_catalog(model)
    >>> [weight.shape_text for weight in catalog.weights.values()]
    ['(4, 3) = (input_dim, units)', '(3,) = (units,)']
    >>> catalog.weights["small/dense/kernel"].expression
    'model.get_layer("dense").kernel'
    """
    root = _place(model, model.name, "model", ("", ""), ancestors=())
    keys = _unique_keys(root)
    homes = _homes(root, keys)
    layer_counts = Counter(id(place.layer) for place in root.walk())
    weights, variables = {}, {}
    for place in root.walk():
        for held in place.held:
            key = keys[id(held.variable)]
            if key not in weights:
                weights[key] = _weight(key, held, place.path, homes[key])
                variables[key] = held.variable
    node = _node(root, keys, homes, layer_counts)
    return Catalog(node, MappingProxyType(weights), MappingProxyType(variables))


def signature(model: Any) -> tuple[Any, ...]:
    """Return what must differ when the catalog is to be read anew; cheap enough for every epoch."""
    layers = getattr(model, "layers", ())
    return (
        bool(model.built),
        tuple(id(layer) for layer in layers),
        tuple((id(variable), bool(variable.trainable)) for variable in model.weights),
    )


def share_layers(model: Any, other: Any) -> bool:
    """Say whether two models are the same or have a layer in common, so that training one trains the other."""
    ours, theirs = ({id(layer) for layer in _all_layers(each)} for each in (model, other))
    return not ours.isdisjoint(theirs)


def _all_layers(layer: Any) -> Iterator[Any]:
    yield layer
    for child in _sublayers(layer):
        yield from _all_layers(child)


def read_values(variable: Any) -> np.ndarray:
    """Copy a variable's values to a read-only array of its own dtype."""
    value = variable.value
    # Of a TensorFlow variable the tensor is copied once; of the variable itself NumPy 2 copies twice, and warns.
    values: Any = keras.ops.convert_to_numpy(value.read_value() if hasattr(value, "read_value") else value)
    if not values.flags.owndata:  # some backends give a view of what the next step of training overwrites
        values = values.copy()
    values.setflags(write=False)
    return values


def _place(layer: Any, path: str, expression: str, part: tuple[str, str], ancestors: tuple[Any, ...]) -> _Place:
    place = _Place(layer, path, expression, part)
    place.held = list(_own_variables(layer, expression))
    names: set[str] = set()
    for child in _sublayers(layer):
        if any(child is ancestor for ancestor in (*ancestors, layer)) or _is_plumbing(layer, child):
            continue
        attribute, access = _access(layer, child)
        if _is_folded(layer, child, attribute):
            place.held += _own_variables(child, expression + access)
            continue
        place.children.append(
            _place(
                child,
                f"{path}/{_free(child.name, names)}",
                expression + access,
                _part(layer, attribute),
                (*ancestors, layer),
            )
        )
    return place


def _sublayers(layer: Any) -> list[Any]:
    # Keras has no public list of a layer's direct sublayers; a Model's `layers` is built on this very method.
    return list(layer._flatten_layers(include_self=False, recursive=False))  # noqa: SLF001


def _is_plumbing(parent: Any, child: Any) -> bool:
    """Say whether a row in the tree would only be noise: inputs, and weightless insides of Keras' own layers."""
    if isinstance(child, keras.layers.InputLayer):
        return True
    own = type(parent).__module__.startswith("keras.") and not isinstance(parent, keras.Model)
    return own and child.built and not child.weights and "Wrapper" not in roles.class_names(parent)


def _is_folded(parent: Any, child: Any, attribute: str) -> bool:
    folds = any(roles.FOLDED.get(name) == attribute for name in roles.class_names(parent))
    return folds and not _sublayers(child)


def _part(layer: Any, attribute: str) -> tuple[str, str]:
    found = (roles.PARTS.get((name, attribute)) for name in roles.class_names(layer))
    return next((part for part in found if part), ("", ""))


def _own_variables(layer: Any, expression: str) -> Iterator[_Held]:
    """Yield the weights that the layer holds itself, not through a layer below it."""
    below = {id(variable) for child in _sublayers(layer) for variable in child.weights}
    for index, variable in enumerate(layer.weights):
        if id(variable) in below:
            continue
        found = _attribute(layer, variable)
        attribute, access = found or (variable.name, f".weights[{index}]")
        name = access.lstrip(".") if found else variable.name
        yield _Held(variable, layer, attribute, name, expression + access)


def _access(layer: Any, child: Any) -> tuple[str, str]:
    """Find the Python that leads from a layer to its sublayer, as a person would write it."""
    attribute = _attribute(layer, child)
    if isinstance(layer, keras.Model) and _by_name(layer, child.name) is child:
        return attribute[0] if attribute else "", f'.get_layer("{child.name}")'
    if attribute:
        return attribute
    index = next(i for i, sublayer in enumerate(_sublayers(layer)) if sublayer is child)
    return "", f"._flatten_layers(include_self=False, recursive=False)[{index}]"


def _by_name(model: Any, name: str) -> Any:
    if '"' in name or "\\" in name or not name.isprintable() or sum(layer.name == name for layer in model.layers) != 1:
        return None
    return model.get_layer(name)


def _attribute(layer: Any, wanted: Any) -> tuple[str, str] | None:
    """Find `(attribute, access)` of an object on a layer: public attributes first, then containers, then private ones."""
    found = None
    for name, value in vars(layer).items():
        access = _within(value, wanted)
        if access is None or name.startswith(("_layers", "_trainable", "_non_trainable", "_functional", "_self_")):
            continue
        if not name.isidentifier() or keyword.iskeyword(name):
            continue
        if not name.startswith("_"):
            return name, f".{name}{access}"
        public = name.lstrip("_")
        if isinstance(getattr(type(layer), public, None), property) and getattr(layer, public) is wanted:
            return public, f".{public}"
        found = found or (name, f".{name}{access}")
    return found


def _within(value: Any, wanted: Any, depth: int = 3) -> str | None:
    """Return the index that leads from a value to the object: "" for itself, `[0]` or `["a"]` in a container."""
    if value is wanted:
        return ""
    if depth and isinstance(value, (list, tuple)):
        items = enumerate(value)
    elif depth and isinstance(value, dict):
        items = value.items()
    else:
        return None
    for index, item in items:
        if type(index) not in (int, str):
            continue  # its repr need not be Python that gives it back
        rest = _within(item, wanted, depth - 1)
        if rest is not None:
            return f"[{index!r}]{rest}"
    return None


def _unique_keys(root: _Place) -> dict[int, str]:
    keys: dict[int, str] = {}
    taken: set[str] = set()
    for place in root.walk():
        for held in place.held:
            if id(held.variable) not in keys:
                keys[id(held.variable)] = _free(held.variable.path, taken)
    return keys


def _free(name: str, taken: set[str]) -> str:
    """Return the name, with a number behind it where it is taken, and take it."""
    found = next(each for number in itertools.count(1) if (each := name if number == 1 else f"{name}#{number}") not in taken)
    taken.add(found)
    return found


def _homes(root: _Place, keys: dict[int, str]) -> dict[str, tuple[str, ...]]:
    homes: dict[str, list[str]] = {}
    for place in root.walk():
        for held in place.held:
            paths = homes.setdefault(keys[id(held.variable)], [])
            if place.path not in paths:
                paths.append(place.path)
    return {key: tuple(paths) for key, paths in homes.items()}


def _weight(key: str, held: _Held, path: str, homes: tuple[str, ...]) -> Weight:
    variable, holder = held.variable, held.holder
    shape = tuple(int(size) for size in variable.shape)
    row = roles.row_for(holder, held.attribute, len(shape))
    axes = roles.axes_of(row, shape)
    return Weight(
        key=key,
        role=roles.role_of(held.attribute, row),
        name=held.name,
        layer=path,
        shape=shape,
        dtype=str(variable.dtype),
        axes=axes,
        trainable=bool(variable.trainable),
        initializer=_initializer(variable, holder, held.attribute, row),
        shared_by=homes,
        expression=held.expression,
        explanation=roles.explanation_of(row, axes, shape, holder) + ("" if holder.trainable else FROZEN),
    )


def _initializer(variable: Any, holder: Any, attribute: str, row: roles.Row | None) -> str:
    names = (f"{attribute}_initializer", f"{attribute.removesuffix('_kernel')}_initializer")
    found = (getattr(holder, name, None) for name in names)
    initializer = next((each for each in found if each is not None), getattr(variable, "initializer", None))
    if initializer is None:
        return ""
    name = getattr(initializer, "__name__", type(initializer).__name__)
    return name + (row.starts(holder) if row and row.starts else "")


def _node(place: _Place, keys: dict[int, str], homes: dict[str, tuple[str, ...]], counts: Counter[int]) -> LayerNode:
    layer = place.layer
    own = tuple(dict.fromkeys(keys[id(held.variable)] for held in place.held))
    sizes = {id(held.variable): int(np.prod(held.variable.shape)) for below in place.walk() for held in below.held}
    return LayerNode(
        path=place.path,
        name=layer.name,
        class_name=type(layer).__name__,
        num_params=sum(sizes.values()),
        built=bool(layer.built),
        frozen=bool(sizes) and not layer.trainable,
        shared=counts[id(layer)] > 1 or any(len(homes[key]) > 1 for key in own),
        part=place.part[0],
        part_kind=place.part[1],
        weights=own,
        children=tuple(_node(child, keys, homes, counts) for child in place.children),
    )
