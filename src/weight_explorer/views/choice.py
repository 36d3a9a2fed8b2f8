"""What the user chose, and what that means for the model as it is."""

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
# The menus of blocks, in the order of a weight's axes; no weight of Keras has more than two axes of blocks.
BLOCK_FIELDS = ("first blocks", "second blocks")
EMPTY_MAPPING: Mapping[Any, Any] = MappingProxyType({})
# The role that stands for all weights together: the first on offer where the whole model is selected.
OVERVIEW = "overview"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user asked for. None stands for "whatever comes first"; `record` None for the newest record.

    `against` is the number of the record that the quantity "since_record" compares with.

    `blocks` are names of blocks, such as "forget gate": of every axis that has one of them only that is shown. They stay
    when another weight is chosen, so that one can walk through the layers of a model gate by gate.

    Every role keeps how it is looked at: `views` is from role to view, `options` from (role, view, option) to what was chosen.
    A role that was not looked at yet starts with `view`, the last one. `pins` are single elements to be followed over time,
    each the key of a whole weight and an index. `viewport` is what is looked at of a large matrix: the key of its picture, and
    the rows from, to, and columns from, to. `selection` are the elements that were brushed, until another weight is chosen.
    `overview` says that all weights together are looked at, where `layer` is the whole model; the role stays what it was, so
    that one walks on to a layer as before. `initializers` are the names of the user's own ones. `color_limit` is how far colors
    reach in every frame of a film; None where each picture has a limit of its own.
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
        """Return the view that weights of a role are looked at with."""
        return self.views.get(role or "", self.view)


@dataclass(frozen=True, slots=True)
class MenuItem:
    """An option, with the label that tells it from the others."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class BlockMenu:
    """The blocks of one axis as options, all of them first, as in "all gates"; `label` says what they are."""

    label: str
    items: tuple[MenuItem, ...]
    chosen: str

    @property
    def is_all(self) -> bool:
        """Whether the whole axis is shown."""
        return self.chosen == self.items[0].key


@dataclass(frozen=True, slots=True)
class ResolvedChoice:
    """A choice that was met by the model: what is selected, and what else is offered.

    `weight` is what is shown, a slice where blocks were chosen, and `owner` the layer at or below `node` that holds it.
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
    """Find what a choice means: what does not exist (any more) gives way to the first that does."""
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
    """Return the choice after the user took an option; `field` is one of `Choice`, of `BLOCK_FIELDS`, or "option"."""
    return without_stale_selection(catalog, _SETTERS.get(field, _set_field)(catalog, choice, field, value))


def without_stale_selection(catalog: Catalog, choice: Choice) -> Choice:
    """Return the choice with nothing brushed where another weight is chosen by now."""
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
    """Go to a weight, given by its key; one that is gone by now changes nothing."""
    weight = catalog.weights.get(value)
    if weight is None:
        return choice
    return replace(_set_role(catalog, choice, "role", weight.role), layer=weight.layer, weight=value)


def _set_option(catalog: Catalog, choice: Choice, _: str, value: str) -> Choice:
    """Take an option, given as `view.name=value`."""
    name, _, chosen = value.partition("=")
    view, _, option = name.partition(".")
    return with_options(choice, resolve(catalog, choice).role, view, {option: chosen})


def _set_record(_: Catalog, choice: Choice, __: str, value: str) -> Choice:
    return replace(choice, record=_parse_number(value))


def _set_against(_: Catalog, choice: Choice, __: str, value: str) -> Choice:
    return with_comparison(choice, _parse_number(value))


def _set_block(catalog: Catalog, choice: Choice, _: str, value: str) -> Choice:
    # By its name, not its place: what was on screen may be another weight than what was chosen since.
    offered = (offer for offer in resolve(catalog, choice).block_menus if value in {option.key for option in offer.items})
    offer = next(offered, None)
    return replace(choice, blocks=with_block(choice.blocks, offer, value)) if offer else choice


def _toggle_pin(_: Catalog, choice: Choice, __: str, value: str) -> Choice:
    """Pin an element, given as JSON of a weight's key and an index, or take its pin away."""
    key, index = json.loads(value)
    return with_pin_toggled(choice, key, tuple(index))


def _set_viewport(_: Catalog, choice: Choice, __: str, value: str) -> Choice:
    """Look at a part of a matrix, given as JSON of the picture's key and the rows from, to, columns from, to."""
    key, window = json.loads(value)
    return replace(choice, viewport=(key, tuple(window)))


def _set_selection(catalog: Catalog, choice: Choice, _: str, value: str) -> Choice:
    """Brush elements, given as JSON as `selection_from_json` has it, or none."""
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
    """Return the choice that looks at all weights of the model together."""
    return replace(choice, layer=catalog.root.path, weight=None, overview=True)


def with_view(choice: Choice, role: str | None, view: str) -> Choice:
    """Return the choice that looks at weights of a role with a view."""
    return replace(choice, view=view, views={**choice.views, role or "": view})


def with_pin_toggled(choice: Choice, key: str, index: tuple[int, ...]) -> Choice:
    """Return the choice that follows one more element, or one less where it was pinned already."""
    pin = (key, index)
    others = tuple(each for each in choice.pins if each != pin)
    return replace(choice, pins=others if len(others) < len(choice.pins) else (*others, pin))


def with_options(choice: Choice, role: str | None, view: str, chosen: Mapping[str, str]) -> Choice:
    """Return the choice that draws weights of a role, in a view, with these options."""
    return replace(choice, options={**choice.options} | {(role or "", view, name): value for name, value in chosen.items()})


def quantity_label(choice: Choice, quantity: str = "") -> str:
    """Name the chosen quantity, or another, such as "Since record 12"."""
    quantity = quantity or choice.quantity
    return QUANTITY_LABELS[quantity] + (f" record {choice.against}" if quantity == "since_record" else "")


def with_comparison(choice: Choice, against: int | None) -> Choice:
    """Return the choice that compares with a record, or with none any more."""
    if against is not None:
        return replace(choice, against=against, quantity="since_record")
    return replace(choice, against=None, quantity="value" if choice.quantity == "since_record" else choice.quantity)


def _parse_number(text: str) -> int | None:
    return int(text) if text else None


def with_block(blocks: tuple[str, ...], menu: BlockMenu, chosen: str) -> tuple[str, ...]:
    """Return the chosen blocks after another option of one axis was taken."""
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
    """Return their roles: kernel, recurrent and bias first, random states last, the rest as the layer has them."""
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
    """Name a layer by the way that leads to it from the selected one, such as `encoder / forward`."""
    nodes = catalog.nodes
    names = []
    while item.path != node.path:
        names.append(item.parent_role or item.name)
        item = nodes[item.path.rpartition("/")[0]]
    return " / ".join(reversed(names))


def _weight_menu_label(nodes: list[LayerNode]) -> str:
    kinds = {item.parent_role_kind for item in nodes}
    return kinds.pop() if len(kinds) == 1 and "" not in kinds else "weight"
