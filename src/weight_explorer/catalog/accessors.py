"""The Python that leads from a model to its layers and variables, as a person would write it."""

from __future__ import annotations

import keyword
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras

# Where backends keep books and functional models their graph: what is in it stands elsewhere too.
_BOOKKEEPING_PREFIXES = ("_self_", "_functional", "_operations", "_nodes")
_MAX_DEPTH = 3
_CONTAINER_TYPES = (keras.Layer, keras.Variable, keras.random.SeedGenerator, list, tuple, dict)


@dataclass(frozen=True, slots=True)
class Accessor:
    """How an object hangs on its owner: by which attribute, by which Python, and whether all of that is public."""

    attribute: str
    expression: str
    is_public: bool


def accessor_by_name(owner: Any, variable: Any) -> Accessor | None:
    """Find a variable under its own name, where nearly all of Keras' layers have theirs: far sooner than by searching."""
    name, held = variable.name, vars(owner)
    is_there = held.get(name) is variable or (held.get(f"_{name}") is variable and _property_returns(owner, name, variable))
    return Accessor(name, f".{name}", is_public=True) if is_there and _is_public_identifier(name) else None


def _is_public_identifier(name: str) -> bool:
    return name.isidentifier() and not name.startswith("_") and not keyword.iskeyword(name)


def accessors_from(owner: Any) -> dict[int, Accessor]:
    """Find every layer, variable and random state on an owner, from `id` to the best way to it.

    Best are public attributes, then properties that give what a private one holds, then private attributes; a model's
    layers are got by name, where it is theirs alone, and else by number.
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
    """Return what stands on an owner; on torch the layers on a layer are kept apart from its other attributes."""
    return vars(owner) | vars(owner).get("_modules", {})  # a new one: a property that is asked may add to them


@cache
def _base_layer_attributes() -> frozenset[str]:
    """Return the attributes that every layer has: Keras' own lists of what it tracks, which no one would write."""
    return frozenset(vars(keras.Layer()))


def _public_accessor(accessor: Accessor | None, expression: str) -> Accessor:
    return Accessor(accessor.attribute if accessor else "", expression, is_public=True)


def _layer_accessors(model: Any) -> Iterator[tuple[int, str]]:
    """Yield the `id` and the Python of each layer that a model gives by name or by number."""
    layers = list(model.layers)
    counts = Counter(layer.name for layer in layers)
    for number, layer in enumerate(layers):
        is_plain = layer.name.isprintable() and not set(layer.name) & {'"', "\\"}
        named = is_plain and counts[layer.name] == 1
        yield id(layer), f'.get_layer("{layer.name}")' if named else f".layers[{number}]"


def _iter_nested(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield what a value is or holds, with the index that leads to it: "" for itself, `[0]` or `["a"]` in a container."""
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
                continue  # its repr need not be Python that gives it back
            for access, found in _iter_nested(item, depth - 1):
                yield f"[{index!r}]{access}", found


def _property_returns(owner: Any, name: str, expected: Any) -> bool:
    if not isinstance(getattr(type(owner), name, None), property):
        return False
    try:
        return getattr(owner, name) is expected
    except Exception:  # noqa: BLE001 - a property of anybody's may raise anything, and then it is no way
        return False


def index_accessors(owner: Any) -> dict[int, str]:
    """Return the Python that gets each variable from an owner by its number, the public way where no attribute is."""
    numbers: dict[int, str] = {}
    for name in ("weights", "variables"):  # random states stand in `variables` only
        for number, variable in enumerate(getattr(owner, name)):
            numbers.setdefault(id(variable), f".{name}[{number}]")
    return numbers
