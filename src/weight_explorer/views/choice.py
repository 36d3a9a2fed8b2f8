"""What the user chose, and what that means for the model as it is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from weight_explorer.catalog.nodes import Catalog, LayerNode, Weight

QUANTITY_LABELS = {"value": "Value", "since_start": "Since start", "since_last": "Since last record"}
FIRST_ROLES = ("kernel", "recurrent", "bias")


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user asked for. None stands for "whatever comes first"; `step` None for the newest record."""

    layer: str | None = None
    role: str | None = None
    weight: str | None = None
    view: str = "matrix"
    quantity: str = "value"
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A weight in the second selector, with the label that tells it from the others of its role."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class Selection:
    """A choice that was met by the model: what is selected, and what else is offered."""

    node: LayerNode
    roles: tuple[str, ...]
    role: str | None
    offers: tuple[Offer, ...]
    offer_kind: str
    weight: Weight | None


def resolve(catalog: Catalog, choice: Choice) -> Selection:
    """Find what a choice means: what does not exist (any more) gives way to the first that does."""
    nodes = catalog.nodes
    node = nodes.get(choice.layer or "", None) or _first_with_weights(catalog.root)
    below = [(item, key) for _, item in node.walk() for key in item.weights]
    roles = _in_order({catalog.weights[key].role for _, key in below}, [catalog.weights[key].role for _, key in below])
    role = choice.role if choice.role in roles else (roles[0] if roles else None)
    found: dict[str, LayerNode] = {}
    for item, key in below:
        if catalog.weights[key].role == role:
            found.setdefault(key, item)  # a shared weight is named after the first layer that holds it
    key = choice.weight if choice.weight in found else next(iter(found), None)
    return Selection(
        node=node,
        roles=roles,
        role=role,
        offers=_offers(catalog, node, found),
        offer_kind=_offer_kind(list(found.values())),
        weight=catalog.weights[key] if key else None,
    )


def _first_with_weights(root: LayerNode) -> LayerNode:
    return next((node for _, node in root.walk() if node.weights), root)


def _in_order(names: set[str], order: list[str]) -> tuple[str, ...]:
    first = [role for role in FIRST_ROLES if role in names]
    return tuple(first + [role for role in dict.fromkeys(order) if role not in first])


def _offers(catalog: Catalog, node: LayerNode, found: dict[str, LayerNode]) -> tuple[Offer, ...]:
    labels = {key: _label(catalog, node, item) for key, item in found.items()}
    repeated = len(set(labels.values())) < len(labels)
    return tuple(
        Offer(key, f"{label} {catalog.weights[key].name}".strip() if repeated else label or catalog.weights[key].name)
        for key, label in labels.items()
    )


def _label(catalog: Catalog, node: LayerNode, item: LayerNode) -> str:
    """Name a layer by the way that leads to it from the selected one, such as `encoder / forward`."""
    nodes = catalog.nodes
    names = []
    while item.path != node.path:
        names.append(item.part or item.name)
        item = nodes[item.path.rpartition("/")[0]]
    return " / ".join(reversed(names))


def _offer_kind(items: list[LayerNode]) -> str:
    kinds = {item.part_kind for item in items}
    return kinds.pop() if len(kinds) == 1 and "" not in kinds else "weight"


def find_layer(catalog: Catalog, name: str) -> LayerNode:
    """Find a layer by its path, or by its name where only one layer has it.

    Raises:
        ValueError: No layer, or more than one, is called so; the message names what is near.
    """
    if name in catalog.nodes:
        return catalog.nodes[name]
    found = [node for node in catalog.nodes.values() if node.name == name or node.path.endswith(f"/{name}")]
    if len(found) == 1:
        return found[0]
    if found:
        paths = ", ".join(repr(node.path) for node in found[:5])
        raise ValueError(f"{len(found)} layers are called {name!r}. Choose one by its path: {paths}.")
    raise ValueError(refusal("layer", name, [node.name for node in catalog.nodes.values()]))


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
