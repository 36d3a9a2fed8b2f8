"""Find what the user calls by name, and answer a name that is wrong with the nearest right one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from weight_explorer.catalog.nodes import Catalog, LayerNode


def layers_called(catalog: Catalog, name: str) -> list[LayerNode]:
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
        return _find_object(catalog, layer)
    found = layers_called(catalog, layer)
    if len(found) == 1:
        return found[0]
    if found:
        paths = ", ".join(repr(node.path) for node in found[:5])
        raise ValueError(f"{len(found)} layers are called {layer!r}. Choose one by its path: {paths}.")
    raise ValueError(refusal("layer", layer, [node.name for node in catalog.nodes.values()]))


def _find_object(catalog: Catalog, layer: object) -> LayerNode:
    path = next((path for path, each in catalog.layers.items() if each is layer), None)
    if path is None:
        raise ValueError(
            f"This layer is none of {catalog.root.name!r}: {layer!s:.80}. Give one of its layers, or a layer's name."
        )
    return catalog.nodes[path]


def check(what: str, name: str | None, options: Iterable[str], where: str = "") -> None:
    """Refuse a name that is not among the options.

    Raises:
        ValueError: It is not; the message names the nearest option and all of them.
    """
    if name is not None and name not in (options := list(options)):
        raise ValueError(refusal(what, name, options, where))


def refusal(what: str, name: object, options: Iterable[str], where: str = "") -> str:
    """Say what came, what was expected and what is nearest to it."""
    options = list(dict.fromkeys(options))
    near = difflib.get_close_matches(str(name), options, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(repr(option) for option in options[:12]) + (", ..." if len(options) > 12 else "")
    return f"There is no {what} {name!r}{where}.{hint} There are: {listed or 'none'}."
