"""Find weights and layers by name, and suggest the closest match for an unknown name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weight_explorer.catalog.schema import Catalog, LayerNode


def find_key(keys: Iterable[str], name: Any, context: str = "") -> str:
    """Return the key that a name refers to: the key itself, or the only key with that ending, such as `dense/kernel`.

    Raises:
        TypeError: The name is not a string.
        ValueError: No key, or more than one, has that ending; the message names the matches, or the closest key.

    >>> find_key(["small/dense/kernel", "small/dense/bias", "small/out/bias"], "dense/bias")
    'small/dense/bias'
    """
    keys = list(dict.fromkeys(keys))
    found = matching_keys(keys, name)
    if len(found) > 1:
        raise ValueError(f"{len(found)} weights are called {name!r}{context}. Say more of the key: {_format_options(found)}.")
    return found[0] if found else _raise_unknown_key(keys, name, context)


def matching_keys(keys: Iterable[str], name: Any) -> list[str]:
    """Return only the key with exactly this name if there is one, else all keys with that ending.

    Raises:
        TypeError: The name is not a string.

    >>> matching_keys(["small/dense/kernel", "small/out/kernel"], "kernel")
    ['small/dense/kernel', 'small/out/kernel']
    """
    if not isinstance(name, str):
        raise TypeError(f"A weight is named by its key, a text, and not by {type(name).__name__}: {name!s:.80}.")
    keys = list(dict.fromkeys(keys))
    return [name] if name in keys else [key for key in keys if key.endswith(f"/{name}")]


def _raise_unknown_key(keys: list[str], name: str, context: str) -> str:
    """Raise an error for an unknown key that suggests the closest one. For the name of a layer, suggest its kernel."""
    keys = sorted(keys, key=lambda key: not key.endswith("/kernel"))
    meant: dict[str, str] = {}
    for key in keys:
        parts = key.split("/")
        for each in (*parts, *("/".join(parts[i:]) for i in range(len(parts)))):
            meant.setdefault(each, key)
    raise ValueError(_unknown_name_message("weight", name, keys, context, meant.get(_closest_match(name, meant), "")))


class WeightDict(dict[str, Any]):
    """A dictionary of weights by key that also accepts any unique ending of a key.

    >>> WeightDict({"small/dense/kernel": 1})["dense/kernel"]
    1
    """

    def __missing__(self, name: Any) -> Any:
        try:
            return self[find_key(self, name)]
        except ValueError as error:
            raise KeyError(str(error)) from None


def matching_layers(catalog: Catalog, name: str) -> list[LayerNode]:
    """Return the nodes of all layers with this path, name, or path ending; one node for each layer."""
    if name in catalog.nodes:
        return [catalog.nodes[name]]
    found = [node for node in catalog.nodes.values() if node.name == name or node.path.endswith(f"/{name}")]
    return list({id(catalog.layers.get(node.path, node)): node for node in reversed(found)}.values())[::-1]


def find_layer(catalog: Catalog, layer: object) -> LayerNode:
    """Find the node of a layer, given the layer itself, its path, or its name if only one layer has that name.

    Raises:
        ValueError: No layer, or more than one, matches; the message suggests similar names.
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
    """Raise an error if a name is not one of the options.

    Raises:
        ValueError: It is not; the message names the closest option and all options.
    """
    if name is not None and name not in (options := list(options)):
        raise ValueError(unknown_name_message(kind, name, options, context))


def unknown_name_message(kind: str, name: object, options: Iterable[str], context: str = "") -> str:
    """Return an error message with the given name, the expected options and the closest one."""
    options = list(dict.fromkeys(options))
    return _unknown_name_message(kind, name, options, context, _closest_match(str(name), options))


def invalid_option_message(option: str, value: object, keys: Iterable[str], context: str) -> str:
    """Return an error message for an invalid option value. `keys` are the valid values as written; numbers become a range.

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
    """Return the option closest to a name, or "" if none is close."""
    return next(iter(difflib.get_close_matches(name, options, n=1, cutoff=0.4)), "")


def _format_options(options: list[str]) -> str:
    return ", ".join(repr(option) for option in options[:12]) + (", ..." if len(options) > 12 else "")
