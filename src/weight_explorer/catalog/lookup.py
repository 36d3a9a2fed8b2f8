"""Find what the user calls by name, and answer a name that is wrong with the nearest right one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weight_explorer.catalog.schema import Catalog, LayerNode


def find_key(keys: Iterable[str], name: Any, context: str = "") -> str:
    """Return the weight's key that is meant: this one, or the only one that ends so, as `dense/kernel` does for a path.

    Raises:
        TypeError: It is no text.
        ValueError: No key, or more than one, ends so; the message names those, or the nearest.

    >>> find_key(["small/dense/kernel", "small/dense/bias", "small/out/bias"], "dense/bias")
    'small/dense/bias'
    """
    keys = list(dict.fromkeys(keys))
    found = matching_keys(keys, name)
    if len(found) > 1:
        raise ValueError(f"{len(found)} weights are called {name!r}{context}. Say more of the key: {_format_options(found)}.")
    return found[0] if found else _raise_unknown_key(keys, name, context)


def matching_keys(keys: Iterable[str], name: Any) -> list[str]:
    """Return the key of this name alone if there is one, else all keys that end so.

    Raises:
        TypeError: The name is no text.

    >>> matching_keys(["small/dense/kernel", "small/out/kernel"], "kernel")
    ['small/dense/kernel', 'small/out/kernel']
    """
    if not isinstance(name, str):
        raise TypeError(f"A weight is named by its key, a text, and not by {type(name).__name__}: {name!s:.80}.")
    keys = list(dict.fromkeys(keys))
    return [name] if name in keys else [key for key in keys if key.endswith(f"/{name}")]


def _raise_unknown_key(keys: list[str], name: str, context: str) -> str:
    """Refuse a key, with the one that is nearest: of a layer that is named alone, its kernel."""
    keys = sorted(keys, key=lambda key: not key.endswith("/kernel"))
    meant: dict[str, str] = {}
    for key in keys:
        parts = key.split("/")
        for each in (*parts, *("/".join(parts[i:]) for i in range(len(parts)))):
            meant.setdefault(each, key)
    raise ValueError(_unknown_name_message("weight", name, keys, context, meant.get(_closest_match(name, meant), "")))


class WeightDict(dict[str, Any]):
    """Weights by their keys, each of which can be got by any ending that no other has.

    >>> WeightDict({"small/dense/kernel": 1})["dense/kernel"]
    1
    """

    def __missing__(self, name: Any) -> Any:
        try:
            return self[find_key(self, name)]
        except ValueError as error:
            raise KeyError(str(error)) from None


def matching_layers(catalog: Catalog, name: str) -> list[LayerNode]:
    """Return the places of the layers of this path, of this name, or of a path that ends so; one of each layer."""
    if name in catalog.nodes:
        return [catalog.nodes[name]]
    found = [node for node in catalog.nodes.values() if node.name == name or node.path.endswith(f"/{name}")]
    return list({id(catalog.layers.get(node.path, node)): node for node in reversed(found)}.values())[::-1]


def find_layer(catalog: Catalog, layer: object) -> LayerNode:
    """Find a layer itself, or one by its path, or by its name where only one layer has it.

    Raises:
        ValueError: No layer, or more than one, is called so; the message names what is near.
    """
    if not isinstance(layer, str):
        return _find_layer_object(catalog, layer)
    found = matching_layers(catalog, layer)
    if len(found) == 1:
        return found[0]
    if found:
        paths = ", ".join(repr(node.path) for node in found[:5])
        raise ValueError(f"{len(found)} layers are called {layer!r}. Choose one by its path: {paths}.")
    raise ValueError(unknown_name_message("layer", layer, [node.name for node in catalog.nodes.values()]))


def _find_layer_object(catalog: Catalog, layer: object) -> LayerNode:
    path = next((path for path, each in catalog.layers.items() if each is layer), None)
    if path is None:
        raise ValueError(
            f"This layer is none of {catalog.root.name!r}: {layer!s:.80}. Give one of its layers, or a layer's name."
        )
    return catalog.nodes[path]


def check_option(kind: str, name: str | None, options: Iterable[str], context: str = "") -> None:
    """Refuse a name that is not among the options.

    Raises:
        ValueError: It is not; the message names the nearest option and all of them.
    """
    if name is not None and name not in (options := list(options)):
        raise ValueError(unknown_name_message(kind, name, options, context))


def unknown_name_message(kind: str, name: object, options: Iterable[str], context: str = "") -> str:
    """Say what came, what was expected and what is nearest to it."""
    options = list(dict.fromkeys(options))
    return _unknown_name_message(kind, name, options, context, _closest_match(str(name), options))


def invalid_option_message(option: str, value: object, keys: Iterable[str], context: str) -> str:
    """Say what an option cannot be, and what it can; `keys` as they are written, of which numbers are taken together.

    >>> invalid_option_message("channel", 7, ["0", "1", "2"], " in the view 'filters'")
    "channel=7 is not on offer in the view 'filters'. Give a number from 0 to 2."
    """
    keys = list(keys)
    said = f"{option}={value!r} is not on offer{context}."
    if keys == [str(i) for i in range(len(keys))]:
        return f"{said} Give a number from 0 to {len(keys) - 1}."
    return _with_suggestion(said, keys, _closest_match(str(value), keys))


def _unknown_name_message(kind: str, name: object, options: list[str], context: str, suggestion: str) -> str:
    return _with_suggestion(f"There is no {kind} {name!r}{context}.", options, suggestion)


def _with_suggestion(message: str, options: list[str], suggestion: str) -> str:
    hint = f" Did you mean {suggestion!r}?" if suggestion else ""
    return f"{message}{hint} There are: {_format_options(options) or 'none'}."


def _closest_match(name: str, options: Iterable[str]) -> str:
    """Return the option that is nearest to a name, or "" where none is near."""
    return next(iter(difflib.get_close_matches(name, options, n=1, cutoff=0.4)), "")


def _format_options(options: list[str]) -> str:
    return ", ".join(repr(option) for option in options[:12]) + (", ..." if len(options) > 12 else "")
