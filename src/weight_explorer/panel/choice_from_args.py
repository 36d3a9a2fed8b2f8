"""What is asked for in Python, checked: a name that is wrong is answered with the nearest right one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from weight_explorer.catalog.lookup import check_option, find_key, find_layer, invalid_option_message, matching_keys
from weight_explorer.catalog.schema import Catalog, LayerNode, Weight
from weight_explorer.panel.state import quantities_for
from weight_explorer.recording.history import History
from weight_explorer.views.choice import (
    OVERVIEW,
    Choice,
    ResolvedChoice,
    resolve,
    with_block,
    with_comparison,
    with_input,
    with_options,
    with_overview,
    with_pin_toggled,
    with_view,
    without_stale_selection,
)
from weight_explorer.views.options import OFF, ON
from weight_explorer.views.registry import VIEWS, options_of, options_weight, view_for, views_for

# The step that follows the newest record.
LIVE = "live"


def choice_from_args(catalog: Catalog, history: History, before: Choice, args: Mapping[str, Any]) -> Choice:
    """Return the choice after a call of `select`; `args` are its arguments, of which None stays as it was.

    Raises:
        ValueError: There is nothing of that name, or the record is not kept; the message names the nearest match.
    """
    check_option("view", args["view"], [*VIEWS, OVERVIEW])
    check_option("quantity", args["quantity"], dict(quantities_for(before)))
    fields = {name: args[name] for name in ("role", "quantity") if args[name] is not None}
    wanted = _with_record(replace(before, **fields), args["step"])
    node = None if args["layer"] is None else find_layer(catalog, args["layer"])
    if node is not None:
        wanted = replace(wanted, layer=node.path, weight=None)
    if args["weight"] is not None:
        weight = _find_weight(catalog, node, args["role"], args["weight"])
        wanted = replace(wanted, layer=node.path if node else weight.layer, role=weight.role, weight=weight.key)
    wanted = _with_overview(catalog, wanted, args)
    selection = resolve(catalog, wanted)
    check_option("role", args["role"], selection.roles, context=f" in layer {selection.node.name!r}")
    _check_record_of_weight(selection, history, args["step"])
    wanted = replace(wanted, blocks=_checked_blocks(selection, wanted.blocks, args["block"]))
    wanted = _with_options(_with_view(wanted, selection, args["view"]), selection, history, args["options"])
    return without_stale_selection(catalog, wanted)


def _find_weight(catalog: Catalog, node: LayerNode | None, role: str | None, name: str) -> Weight:
    """Find the weight of this key, or the only one whose key ends so, in the layer and of the role that are given with it."""
    weights = catalog.weights
    keys = list(weights) if node is None else [key for _, below in node.walk() for key in below.weights]
    where = "" if node is None else f" in layer {node.name!r}"
    check_option("role", role, dict.fromkeys(weights[key].role for key in keys), context=where)
    keys = [key for key in keys if role in (None, weights[key].role)]
    elsewhere = [] if matching_keys(keys, name) else matching_keys(weights, name)
    if len(elsewhere) == 1:
        raise ValueError(_conflict_message(weights[elsewhere[0]], node, role))
    return weights[find_key(keys, name, (f" of role {role!r}" if role else "") + where)]


def _conflict_message(weight: Weight, node: LayerNode | None, role: str | None) -> str:
    """Say why a weight is not what the layer and the role say that are given with it."""
    if role not in (None, weight.role):
        return f"Weight {weight.key!r} has the role {weight.role!r}, not {role!r}. The key alone is enough: leave out the role."
    given = node.name if node else ""
    return (
        f"Weight {weight.key!r} is in layer {weight.layer!r}, not in {given!r}. The key alone is enough: leave out the layer."
    )


def _with_overview(catalog: Catalog, choice: Choice, args: Mapping[str, Any]) -> Choice:
    """Look at all weights together where that is asked for, or the whole model and nothing of it."""
    is_whole = args["layer"] is None or choice.layer == catalog.root.path
    if OVERVIEW in (args["view"], args["role"]):
        if not is_whole or args["weight"] is not None:
            raise ValueError(
                "The overview is of the whole model. Give no layer and no weight: explorer.select(view='overview')."
            )
        role = None if choice.role == OVERVIEW else choice.role
        return with_overview(catalog, replace(choice, role=role))
    if any(args[name] is not None for name in ("role", "weight", "view", "block")):
        return replace(choice, overview=False)
    return choice if args["layer"] is None else replace(choice, overview=is_whole)


def _with_view(choice: Choice, resolved: ResolvedChoice, view: str | None) -> Choice:
    if view is None or resolved.is_overview:
        return choice
    weight = resolved.weight
    check_option("view", view, views_for(weight) if weight else VIEWS, context=f" of {weight.variable_key!r}" if weight else "")
    return with_view(choice, resolved.role, view)


def _with_options(
    choice: Choice, resolved: ResolvedChoice, history: History, options: Mapping[str, str | bool | int]
) -> Choice:
    if not options:
        return choice
    weight = options_weight(resolved)
    if weight is None:
        raise ValueError(f"There is no option {next(iter(options))!r}: layer {resolved.node.name!r} shows no weight.")
    view = OVERVIEW if resolved.is_overview else view_for(weight, choice).name
    # All together, in whatever order they are given: what one offers may hang on another.
    chosen = {name: _option_text(value) for name, value in options.items()}
    choice = with_options(choice, resolved.role, view, chosen)
    for name, value in options.items():
        check_option("option", name, [option.name for option in options_of(view) or ()], context=f" of the view {view!r}")
        keys = _available_keys(view, name, weight, history, choice)
        if not keys:
            why = _hint_where_available(view, name, weight, history, choice) or "it has nothing to choose from there"
            raise ValueError(f"There is no option {name!r} of the view {view!r} for {weight.key!r}: {why}.")
        if chosen[name] not in keys:
            raise ValueError(invalid_option_message(name, value, keys, f" in the view {view!r}"))
    return choice


def _hint_where_available(view: str, name: str, weight: Weight, history: History, choice: Choice) -> str:
    """Say with which other option there would be something to choose, or ""."""
    others = [option.name for option in options_of(view) or () if option.kind in ("menu", "switch") and option.name != name]
    for other in others:
        for key in _available_keys(view, other, weight, history, choice):
            if _available_keys(view, name, weight, history, with_options(choice, weight.role, view, {other: key})):
                return f"it is there with {other}={key!r}"
    return ""


def _available_keys(view: str, name: str, weight: Weight, history: History, choice: Choice) -> list[str]:
    """Return what may be chosen of an option, nothing where there is no such option."""
    option = next((option for option in options_of(view) or () if option.name == name), None)
    offers = option.items(weight, history, choice) if option else ()
    return [str(i) for i in range(offers)] if isinstance(offers, int) else [offer.key for offer in offers]


def choice_from_click(catalog: Catalog, history: History, before: Choice, field: str, value: str) -> Choice:
    """Return the choice after a click, as `choose` does; one on an option that is gone by now changes nothing."""
    after = with_input(catalog, before, field, value)
    weight = options_weight(resolve(catalog, after))
    for (_, view, name), chosen in after.options.items() - before.options.items():
        if weight is None or chosen not in _available_keys(view, name, weight, history, after):
            return before
    return after


def _option_text(value: str | bool | int) -> str:
    return (ON if value else OFF) if isinstance(value, bool) else str(value)


def choice_from_compare_args(
    catalog: Catalog, history: History, before: Choice, against: int | None, record: int | str | None
) -> Choice:
    """Return the choice after a call of `compare`.

    Raises:
        ValueError: A record is not kept.
    """
    if against is not None and (not isinstance(against, int) or isinstance(against, bool)):
        raise ValueError(
            f"against={against!r} is no record. Give the number of one that is kept: explorer.history.records_with_values(key)."
        )
    for number in (against, record):
        _check_record_of_weight(resolve(catalog, before), history, number)
    return _with_record(with_comparison(before, against), record)


def choice_from_pin_args(catalog: Catalog, before: Choice, key: str, index: tuple[int, ...]) -> Choice:
    """Return the choice after a call of `pin`.

    Raises:
        ValueError: There is no such weight or element; the message says what there is.
    """
    key = find_key(catalog.weights, key)
    shape = catalog.weights[key].shape
    is_whole = isinstance(index, tuple | list) and len(index) == len(shape)
    if not is_whole or not all(0 <= i < size for i, size in zip(index, shape, strict=True)):
        raise ValueError(f"{key!r} of shape {shape} has no element {index}. Give one index for each axis, counted from 0.")
    return with_pin_toggled(before, key, tuple(int(i) for i in index))


def _with_record(choice: Choice, record: int | str | None) -> Choice:
    """Return the choice of a record; None leaves it as it is."""
    return choice if record is None else replace(choice, record=int(record) if record != LIVE else None)


def _check_record_of_weight(resolved: ResolvedChoice, history: History, record: int | str | None) -> None:
    weight = resolved.weight
    if record is None or record == LIVE:
        return
    if weight is None:
        _check_record(history, record)
        return
    kept = history.records_with_values(weight.variable_key)
    if record not in kept:
        which = (
            f"Those from {kept[0]} to {kept[-1]} that are: explorer.history.records_with_values(key)." if kept else "None is."
        )
        raise ValueError(f'Record {record!r} of {weight.variable_key!r} is not kept. {which} "live" follows the newest.')


def _check_record(history: History, record: int | str) -> None:
    if not isinstance(record, int) or history.get_record(record) is None:
        raise ValueError(f'Record {record!r} is not kept. Those that are: explorer.history.records. "live" follows the newest.')


def _checked_blocks(resolved: ResolvedChoice, before: tuple[str, ...], blocks: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if blocks is None:
        return before
    names = (blocks,) if isinstance(blocks, str) else tuple(blocks)
    if names == ("all",):
        return ()
    options = [option.key for offer in resolved.block_menus for option in offer.items]
    for name in names:
        check_option(
            "block", name, dict.fromkeys(options), context=f" of {resolved.weight.variable_key!r}" if resolved.weight else ""
        )
        offer = next(offer for offer in resolved.block_menus if name in {option.key for option in offer.items})
        before = with_block(before, offer, name)
    return before
