"""Find the Python expressions that lead from a model to its layers and variables, as a person would write them."""

from __future__ import annotations

import keyword
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras

# Internal attributes of the backends and of functional models. Everything in them is also reachable elsewhere.
_BOOKKEEPING_PREFIXES = ("_self_", "_functional", "_operations", "_nodes")
_MAX_DEPTH = 3
_CONTAINER_TYPES = (keras.Layer, keras.Variable, keras.random.SeedGenerator, list, tuple, dict)


@dataclass(frozen=True, slots=True)
class Accessor:
    """How an owner holds an object: the attribute, the Python expression, and whether the expression is fully public."""

    attribute: str
    expression: str
    is_public: bool


def accessor_by_name(owner: Any, variable: Any) -> Accessor | None:
    """Find a variable by its own name. This works for almost all Keras layers and is much faster than a search."""
    name, held = variable.name, vars(owner)
    is_there = held.get(name) is variable or (held.get(f"_{name}") is variable and _property_returns(owner, name, variable))
    return Accessor(name, f".{name}", is_public=True) if is_there and _is_public_identifier(name) else None


def _is_public_identifier(name: str) -> bool:
    return name.isidentifier() and not name.startswith("_") and not keyword.iskeyword(name)


def accessors_from(owner: Any) -> dict[int, Accessor]:
    """Find every layer, variable and random state of an owner, and map each `id` to the best accessor.

    Public attributes come first, then properties that return a private attribute, then private attributes. A model's layers
    are accessed by name if the name is unique, otherwise by number.
    """
    private: dict[int, Accessor] = {}
    public: dict[int, Accessor] = {}
    household = _base_layer_attributes()
    for name, value in _attributes(owner).items():
        if name in household or not isinstance(value, _CONTAINER_TYPES) or name.startswith(_BOOKKEEPING_PREFIXES):
            continue
        if not name.isidentifier() or keyword.iskeyword(name):
            continue
        for access, found in _iter_nested(value, _MAX_DEPTH):
            attribute = name.lstrip("_")
            if not name.startswith("_"):
                public.setdefault(id(found), Accessor(attribute, f".{name}{access}", is_public=True))
            elif _property_returns(owner, attribute, found):
                public.setdefault(id(found), Accessor(attribute, f".{attribute}", is_public=True))
            else:
                private.setdefault(id(found), Accessor(attribute, f".{name}{access}", is_public=False))
    ways = private | public
    if isinstance(owner, keras.Model):
        ways |= {key: _public_accessor(ways.get(key), access) for key, access in _layer_accessors(owner)}
    return ways


def _attributes(owner: Any) -> dict[str, Any]:
    """Return the attributes of an owner. On torch, the sublayers of a layer are stored apart from its other attributes."""
    return vars(owner) | vars(owner).get("_modules", {})  # a copy: evaluating a property may add attributes


@cache
def _base_layer_attributes() -> frozenset[str]:
    """Return the attributes that every layer has: Keras' own tracking lists, which do not belong in user code."""
    return frozenset(vars(keras.Layer()))


def _public_accessor(accessor: Accessor | None, expression: str) -> Accessor:
    return Accessor(accessor.attribute if accessor else "", expression, is_public=True)


def _layer_accessors(model: Any) -> Iterator[tuple[int, str]]:
    """Yield the `id` and the accessor of each layer of a model, by name or by number."""
    layers = list(model.layers)
    counts = Counter(layer.name for layer in layers)
    for number, layer in enumerate(layers):
        is_plain = layer.name.isprintable() and not set(layer.name) & {'"', "\\"}
        named = is_plain and counts[layer.name] == 1
        yield id(layer), f'.get_layer("{layer.name}")' if named else f".layers[{number}]"


def _iter_nested(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield the objects in a value with the index of each: "" for the value itself, `[0]` or `["a"]` in a container."""
    if isinstance(value, (keras.Layer, keras.Variable)):
        yield "", value
    elif isinstance(value, keras.random.SeedGenerator):
        yield ".state", value.state
    elif depth and isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            for access, found in _iter_nested(item, depth - 1):
                yield f"[{index}]{access}", found
    elif depth and isinstance(value, dict):
        for index, item in value.items():
            if type(index) not in (int, str):
                continue  # the repr of another type may not be valid Python
            for access, found in _iter_nested(item, depth - 1):
                yield f"[{index!r}]{access}", found


def _property_returns(owner: Any, name: str, expected: Any) -> bool:
    if not isinstance(getattr(type(owner), name, None), property):
        return False
    try:
        return getattr(owner, name) is expected
    except Exception:  # noqa: BLE001 - a custom property may raise anything; then it is not usable
        return False


def index_accessors(owner: Any) -> dict[int, str]:
    """Return the Python that gets each variable of an owner by number: the public way if no attribute leads to it."""
    numbers: dict[int, str] = {}
    for name in ("weights", "variables"):  # random states are only in `variables`
        for number, variable in enumerate(getattr(owner, name)):
            numbers.setdefault(id(variable), f".{name}[{number}]")
    return numbers
