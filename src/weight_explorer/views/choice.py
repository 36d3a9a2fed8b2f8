"""The user's choice of what to show, and how it is resolved against the current model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from weight_explorer.catalog.schema import SEED_STATE, Axis, Catalog, LayerNode, Weight, pluralize, slice_blocks
from weight_explorer.views.selection import CellSelection, selection_from_json

QUANTITY_LABELS = {"value": "Value", "since_start": "Since start", "since_last": "Since last record", "since_record": "Since"}
FIRST_ROLES = ("kernel", "recurrent", "bias")
LAST_ROLES = (SEED_STATE,)
# The block menus, in the order of a weight's axes. No Keras weight has more than two axes with blocks.
BLOCK_FIELDS = ("first blocks", "second blocks")
EMPTY_MAPPING: Mapping[Any, Any] = MappingProxyType({})
# The role of all weights together. It is the first role offered when the whole model is selected.
OVERVIEW = "overview"


@dataclass(frozen=True, slots=True)
class Choice:
    """The user's choice of what to show. None means the first available item; a `record` of None means the newest record.

    Attributes:
        layer: Path of the selected layer.
        role: Role of the selected weight, such as "kernel".
        weight: Key of the selected weight.
        blocks: Names of blocks, such as "forget gate". An axis that has one of them shows only that block. They are kept when
            another weight is selected, so that the user can step through the layers of a model gate by gate.
        view: The view last used. A role without an entry in `views` starts with it.
        quantity: A key of `QUANTITY_LABELS`.
        record: Number of the record to show.
        against: Number of the record that the quantity "since_record" compares with.
        views: The view of each role.
        options: The chosen option values, by (role, view, option).
        pins: Single elements to follow over time, each given by the key of a whole weight and an index.
        viewport: The visible part of a large matrix: the key of its picture, and its bounds (top, bottom, left, right).
        selection: The selected elements. They are cleared when another weight is selected.
        overview: Whether all weights are shown together, in which case `layer` is the whole model. `role` does not change, so
            that the same role is shown when the user selects a layer again.
        initializers: Names of the user's own initializers.
        color_limit: The limit of the color range in every frame of an animation. If None, each picture has its own limit.
    """

    layer: str | None = None
    role: str | None = None
    weight: str | None = None
    blocks: tuple[str, ...] = ()
    view: str = "matrix"
    quantity: str = "value"
    record: int | None = None
    against: int | None = None
    views: Mapping[str, str] = field(default_factory=lambda: EMPTY_MAPPING)
    options: Mapping[tuple[str, str, str], str] = field(default_factory=lambda: EMPTY_MAPPING)
    pins: tuple[tuple[str, tuple[int, ...]], ...] = ()
    viewport: tuple[str, tuple[int, ...]] = ("", ())
    selection: CellSelection | None = None
    overview: bool = False
    initializers: tuple[str, ...] = ()
    color_limit: float | None = None

    def view_for(self, role: str | None) -> str:
        """Return the view that is used for weights of a role."""
        return self.views.get(role or "", self.view)


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One item of a menu, with a label that distinguishes it from the others."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class BlockMenu:
    """A menu of the blocks of one axis. The first item is all blocks, such as "all gates"; `label` names the menu."""

    label: str
    items: tuple[MenuItem, ...]
    chosen: str

    @property
    def is_all(self) -> bool:
        """Whether the whole axis is shown."""
        return self.chosen == self.items[0].key


@dataclass(frozen=True, slots=True)
class ResolvedChoice:
    """A choice resolved against the model: what is selected, and what else can be selected.

    `weight` is the weight to show, or a slice of it if blocks were chosen. `owner` is the layer that holds it:
    `node` or a layer below it.
    """

    node: LayerNode
    roles: tuple[str, ...]
    role: str | None
    weight_items: tuple[MenuItem, ...]
    weight_menu_label: str
    block_menus: tuple[BlockMenu, ...]
    weight: Weight | None
    owner: LayerNode

    @property
    def is_overview(self) -> bool:
        """Whether all weights of the model are selected together."""
        return self.role == OVERVIEW


def resolve(catalog: Catalog, choice: Choice) -> ResolvedChoice:
    """Resolve a choice. Items that do not exist (any longer) are replaced by the first available ones."""
    nodes = catalog.nodes
    node = nodes.get(choice.layer or "", None) or _first_with_weights(catalog.root)
    below = [(item, key) for _, item in node.walk() for key in item.weights]
    roles = _ordered_roles([catalog.weights[key] for _, key in below])
    role = choice.role if choice.role in roles else (roles[0] if roles else None)
    if node is catalog.root and any(name not in LAST_ROLES for name in roles):
        roles = (OVERVIEW, *roles)
        if choice.overview:
            return ResolvedChoice(node, roles, OVERVIEW, (), "weight", (), None, node)
    found: dict[str, LayerNode] = {}
    for item, key in below:
        if catalog.weights[key].role == role:
            found.setdefault(key, item)  # a shared weight is named after the first layer that holds it
    key = choice.weight if choice.weight in found else next(iter(found), None)
    weight = catalog.weights[key] if key else None
    blocks = tuple(_block_menu(axis, choice.blocks) for axis in weight.axes if len(axis.blocks) > 1) if weight else ()
    return ResolvedChoice(
        node=node,
        roles=roles,
        role=role,
        weight_items=_weight_items(catalog, node, found),
        weight_menu_label=_weight_menu_label(list(found.values())),
        block_menus=blocks,
        weight=slice_blocks(weight, *(offer.chosen for offer in blocks)) if weight else None,
        owner=found[key] if key else node,
    )


def with_input(catalog: Catalog, choice: Choice, field: str, value: str) -> Choice:
    """Return the choice after user input; `field` is a field of `Choice`, one of `BLOCK_FIELDS`, or a key of `_SETTERS`."""
    return without_stale_selection(catalog, _SETTERS.get(field, _set_field)(catalog, choice, field, value))


def without_stale_selection(catalog: Catalog, choice: Choice) -> Choice:
    """Return the choice without its selection if another weight is now chosen."""
    if choice.selection is None:
        return choice
    weight = resolve(catalog, choice).weight
    return choice if weight and weight.variable_key == choice.selection.weight else replace(choice, selection=None)


def _set_field(_: Catalog, choice: Choice, field: str, value: str) -> Choice:
    return replace(choice, **{field: value})


def _set_layer(catalog: Catalog, choice: Choice, _: str, value: str) -> Choice:
    return replace(choice, layer=value, weight=None, overview=value == catalog.root.path)


def _set_role(catalog: Catalog, choice: Choice, _: str, value: str) -> Choice:
    if value == OVERVIEW:
        return with_overview(catalog, choice)
    before = resolve(catalog, choice).role
    if before != OVERVIEW:
        choice = replace(with_view(choice, before, choice.view_for(before)), view=choice.view)
    return replace(choice, role=value, weight=None, overview=False)


def _set_view(catalog: Catalog, choice: Choice, _: str, value: str) -> Choice:
    if value == OVERVIEW:
        return with_overview(catalog, choice)
    return with_view(choice, resolve(catalog, choice).role, value)


def _go_to_weight(catalog: Catalog, choice: Choice, _: str, value: str) -> Choice:
    """Select a weight by its key; the key of a removed weight changes nothing."""
    weight = catalog.weights.get(value)
    if weight is None:
        return choice
    return replace(_set_role(catalog, choice, "role", weight.role), layer=weight.layer, weight=value)


def _set_option(catalog: Catalog, choice: Choice, _: str, value: str) -> Choice:
    """Set an option, given as `view.name=value`."""
    name, _, chosen = value.partition("=")
    view, _, option = name.partition(".")
    return with_options(choice, resolve(catalog, choice).role, view, {option: chosen})


def _set_record(_: Catalog, choice: Choice, __: str, value: str) -> Choice:
    return replace(choice, record=_parse_number(value))


def _set_against(_: Catalog, choice: Choice, __: str, value: str) -> Choice:
    return with_comparison(choice, _parse_number(value))


def _set_block(catalog: Catalog, choice: Choice, _: str, value: str) -> Choice:
    # Match by name, not by position: another weight may have been chosen since the menu was drawn.
    offered = (offer for offer in resolve(catalog, choice).block_menus if value in {option.key for option in offer.items})
    offer = next(offered, None)
    return replace(choice, blocks=with_block(choice.blocks, offer, value)) if offer else choice


def _toggle_pin(_: Catalog, choice: Choice, __: str, value: str) -> Choice:
    """Pin or unpin an element, given as JSON: the key of a weight, and an index."""
    key, index = json.loads(value)
    return with_pin_toggled(choice, key, tuple(index))


def _set_viewport(_: Catalog, choice: Choice, __: str, value: str) -> Choice:
    """Show part of a matrix, given as JSON: the key of the picture, and [top, bottom, left, right] in rows and columns."""
    key, window = json.loads(value)
    return replace(choice, viewport=(key, tuple(window)))


def _set_selection(catalog: Catalog, choice: Choice, _: str, value: str) -> Choice:
    """Select elements, given as JSON in the format of `selection_from_json`, or clear the selection."""
    return replace(choice, selection=selection_from_json(catalog.weights, value))


_SETTERS: dict[str, Callable[[Catalog, Choice, str, str], Choice]] = {
    "layer": _set_layer,
    "role": _set_role,
    "view": _set_view,
    "weight_key": _go_to_weight,
    "option": _set_option,
    "record": _set_record,
    "against": _set_against,
    "pin": _toggle_pin,
    "viewport": _set_viewport,
    "selection": _set_selection,
    **dict.fromkeys(BLOCK_FIELDS, _set_block),
}


def with_overview(catalog: Catalog, choice: Choice) -> Choice:
    """Return the choice that shows all weights of the model together."""
    return replace(choice, layer=catalog.root.path, weight=None, overview=True)


def with_view(choice: Choice, role: str | None, view: str) -> Choice:
    """Return the choice that shows weights of a role in a view."""
    return replace(choice, view=view, views={**choice.views, role or "": view})


def with_pin_toggled(choice: Choice, key: str, index: tuple[int, ...]) -> Choice:
    """Return the choice with an element pinned, or unpinned if it was already pinned."""
    pin = (key, index)
    others = tuple(each for each in choice.pins if each != pin)
    return replace(choice, pins=others if len(others) < len(choice.pins) else (*others, pin))


def with_options(choice: Choice, role: str | None, view: str, chosen: Mapping[str, str]) -> Choice:
    """Return the choice with these options set for weights of a role in a view."""
    return replace(choice, options={**choice.options} | {(role or "", view, name): value for name, value in chosen.items()})


def quantity_label(choice: Choice, quantity: str = "") -> str:
    """Return the label of the chosen quantity, or of another one, such as "Since record 12"."""
    quantity = quantity or choice.quantity
    return QUANTITY_LABELS[quantity] + (f" record {choice.against}" if quantity == "since_record" else "")


def with_comparison(choice: Choice, against: int | None) -> Choice:
    """Return the choice that compares with a record, or with none."""
    if against is not None:
        return replace(choice, against=against, quantity="since_record")
    return replace(choice, against=None, quantity="value" if choice.quantity == "since_record" else choice.quantity)


def _parse_number(text: str) -> int | None:
    return int(text) if text else None


def with_block(blocks: tuple[str, ...], menu: BlockMenu, chosen: str) -> tuple[str, ...]:
    """Return the chosen blocks after one item of a block menu was chosen."""
    options = [option.key for option in menu.items]
    others = tuple(name for name in blocks if name not in options)
    return others if chosen == options[0] else (*others, chosen)


def _block_menu(axis: Axis, chosen: tuple[str, ...]) -> BlockMenu:
    everything = MenuItem(f"all {pluralize(axis.block_kind)}", f"all {pluralize(axis.block_kind)}")
    offers = (everything, *(MenuItem(block.name, axis.block_label(block)) for block in axis.blocks))
    return BlockMenu(
        axis.block_kind, offers, next((block.name for block in axis.blocks if block.name in chosen), everything.key)
    )


def _first_with_weights(root: LayerNode) -> LayerNode:
    return next((node for _, node in root.walk() if node.weights), root)


def _ordered_roles(weights: list[Weight]) -> tuple[str, ...]:
    """Return the roles of some weights: kernel, recurrent and bias first, random states last, others in layer order."""
    names = dict.fromkeys(weight.role for weight in weights)
    ends = (*FIRST_ROLES, *LAST_ROLES)
    return tuple(role for role in (*FIRST_ROLES, *(name for name in names if name not in ends), *LAST_ROLES) if role in names)


def _weight_items(catalog: Catalog, node: LayerNode, owners: dict[str, LayerNode]) -> tuple[MenuItem, ...]:
    labels = {key: _relative_name(catalog, node, item) for key, item in owners.items()}
    repeated = len(set(labels.values())) < len(labels)
    return tuple(
        MenuItem(key, f"{label} {catalog.weights[key].name}".strip() if repeated else label or catalog.weights[key].name)
        for key, label in labels.items()
    )


def _relative_name(catalog: Catalog, node: LayerNode, item: LayerNode) -> str:
    """Return the path of a layer relative to the selected one, such as `encoder / forward`."""
    nodes = catalog.nodes
    names = []
    while item.path != node.path:
        names.append(item.parent_role or item.name)
        item = nodes[item.path.rpartition("/")[0]]
    return " / ".join(reversed(names))


def _weight_menu_label(nodes: list[LayerNode]) -> str:
    kinds = {item.parent_role_kind for item in nodes}
    return kinds.pop() if len(kinds) == 1 and "" not in kinds else "weight"
