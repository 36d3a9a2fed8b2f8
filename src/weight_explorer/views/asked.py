"""What is asked for in Python, checked: a name that is wrong is answered with the nearest right one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from weight_explorer.catalog.names import check, find_layer, key_called, keys_called, not_offered
from weight_explorer.catalog.nodes import Catalog, LayerNode, Weight
from weight_explorer.recording.past import Past
from weight_explorer.views.choice import (
    OVERVIEW,
    Choice,
    Selection,
    choose,
    comparing,
    overviewing,
    resolve,
    with_block,
    with_options,
    with_pin,
    with_view,
    without_stale_brush,
)
from weight_explorer.views.options import OFF, ON
from weight_explorer.views.registry import VIEWS, options_of, subject_of, view_of, views_for
from weight_explorer.views.scene import quantities_for

# The step that follows the newest record.
LIVE = "live"


def choice_of(catalog: Catalog, history: Past, before: Choice, asked: Mapping[str, Any]) -> Choice:
    """Return the choice after a call of `select`; `asked` are its arguments, of which None stays as it was.

    Raises:
        ValueError: There is nothing of that name, or the record is not kept; the message names the nearest match.
    """
    check("view", asked["view"], [*VIEWS, OVERVIEW])
    check("quantity", asked["quantity"], dict(quantities_for(before)))
    fields = {name: asked[name] for name in ("role", "quantity") if asked[name] is not None}
    wanted = _at(replace(before, **fields), asked["step"])
    node = None if asked["layer"] is None else find_layer(catalog, asked["layer"])
    if node is not None:
        wanted = replace(wanted, layer=node.path, weight=None)
    if asked["weight"] is not None:
        weight = _weight_asked(catalog, node, asked["role"], asked["weight"])
        wanted = replace(wanted, layer=node.path if node else weight.layer, role=weight.role, weight=weight.key)
    wanted = _with_overview(catalog, wanted, asked)
    selection = resolve(catalog, wanted)
    check("role", asked["role"], selection.roles, where=f" in layer {selection.node.name!r}")
    _check_step(selection, history, asked["step"])
    wanted = replace(wanted, blocks=_blocks(selection, wanted.blocks, asked["block"]))
    wanted = _with_options(_with_view(wanted, selection, asked["view"]), selection, history, asked["options"])
    return without_stale_brush(catalog, wanted)


def _weight_asked(catalog: Catalog, node: LayerNode | None, role: str | None, name: str) -> Weight:
    """Find the weight of this key, or the only one whose key ends so, in the layer and of the role that are given with it."""
    weights = catalog.weights
    keys = list(weights) if node is None else [key for _, below in node.walk() for key in below.weights]
    where = "" if node is None else f" in layer {node.name!r}"
    check("role", role, dict.fromkeys(weights[key].role for key in keys), where=where)
    keys = [key for key in keys if role in (None, weights[key].role)]
    elsewhere = [] if keys_called(keys, name) else keys_called(weights, name)
    if len(elsewhere) == 1:
        raise ValueError(_contradiction(weights[elsewhere[0]], node, role))
    return weights[key_called(keys, name, (f" of role {role!r}" if role else "") + where)]


def _contradiction(weight: Weight, node: LayerNode | None, role: str | None) -> str:
    """Say why a weight is not what the layer and the role say that are given with it."""
    if role not in (None, weight.role):
        return f"Weight {weight.key!r} has the role {weight.role!r}, not {role!r}. The key alone is enough: leave out the role."
    given = node.name if node else ""
    return (
        f"Weight {weight.key!r} is in layer {weight.layer!r}, not in {given!r}. The key alone is enough: leave out the layer."
    )


def _with_overview(catalog: Catalog, choice: Choice, asked: Mapping[str, Any]) -> Choice:
    """Look at all weights together where that is asked for, or the whole model and nothing of it."""
    is_whole = asked["layer"] is None or choice.layer == catalog.root.path
    if OVERVIEW in (asked["view"], asked["role"]):
        if not is_whole or asked["weight"] is not None:
            raise ValueError(
                "The overview is of the whole model. Give no layer and no weight: explorer.select(view='overview')."
            )
        role = None if choice.role == OVERVIEW else choice.role
        return overviewing(catalog, replace(choice, role=role))
    if any(asked[name] is not None for name in ("role", "weight", "view", "block")):
        return replace(choice, overview=False)
    return choice if asked["layer"] is None else replace(choice, overview=is_whole)


def _with_view(choice: Choice, selection: Selection, view: str | None) -> Choice:
    if view is None or selection.is_overview:
        return choice
    weight = selection.weight
    check("view", view, views_for(weight) if weight else VIEWS, where=f" of {weight.whole!r}" if weight else "")
    return with_view(choice, selection.role, view)


def _with_options(choice: Choice, selection: Selection, history: Past, asked: Mapping[str, str | bool | int]) -> Choice:
    if not asked:
        return choice
    weight = subject_of(selection)
    if weight is None:
        raise ValueError(f"There is no option {next(iter(asked))!r}: layer {selection.node.name!r} shows no weight.")
    view = OVERVIEW if selection.is_overview else view_of(weight, choice).name
    # All together, in whatever order they are given: what one offers may hang on another.
    chosen = {name: _option_text(value) for name, value in asked.items()}
    choice = with_options(choice, selection.role, view, chosen)
    for name, value in asked.items():
        check("option", name, [option.name for option in options_of(view) or ()], where=f" of the view {view!r}")
        keys = _keys_on_offer(view, name, weight, history, choice)
        if not keys:
            why = _where_offered(view, name, weight, history, choice) or "it has nothing to choose from there"
            raise ValueError(f"There is no option {name!r} of the view {view!r} for {weight.key!r}: {why}.")
        if chosen[name] not in keys:
            raise ValueError(not_offered(name, value, keys, f" in the view {view!r}"))
    return choice


def _where_offered(view: str, name: str, weight: Weight, history: Past, choice: Choice) -> str:
    """Say with which other option there would be something to choose, or ""."""
    others = [option.name for option in options_of(view) or () if option.kind in ("menu", "switch") and option.name != name]
    for other in others:
        for key in _keys_on_offer(view, other, weight, history, choice):
            if _keys_on_offer(view, name, weight, history, with_options(choice, weight.role, view, {other: key})):
                return f"it is there with {other}={key!r}"
    return ""


def _keys_on_offer(view: str, name: str, weight: Weight, history: Past, choice: Choice) -> list[str]:
    """Return what may be chosen of an option, nothing where there is no such option."""
    option = next((option for option in options_of(view) or () if option.name == name), None)
    offers = option.offers(weight, history, choice) if option else ()
    return [str(i) for i in range(offers)] if isinstance(offers, int) else [offer.key for offer in offers]


def clicked(catalog: Catalog, history: Past, before: Choice, field: str, value: str) -> Choice:
    """Return the choice after a click, as `choose` does; one on an option that is gone by now changes nothing."""
    after = choose(catalog, before, field, value)
    weight = subject_of(resolve(catalog, after))
    for (_, view, name), chosen in after.options.items() - before.options.items():
        if weight is None or chosen not in _keys_on_offer(view, name, weight, history, after):
            return before
    return after


def _option_text(value: str | bool | int) -> str:
    return (ON if value else OFF) if isinstance(value, bool) else str(value)


def comparison_of(catalog: Catalog, history: Past, before: Choice, against: int | None, step: int | str | None) -> Choice:
    """Return the choice after a call of `compare`.

    Raises:
        ValueError: A record is not kept.
    """
    if against is not None and (not isinstance(against, int) or isinstance(against, bool)):
        raise ValueError(f"against={against!r} is no record. Give the number of one that is kept: explorer.history.steps(key).")
    for number in (against, step):
        _check_step(resolve(catalog, before), history, number)
    return _at(comparing(before, against), step)


def pinned(catalog: Catalog, before: Choice, key: str, index: tuple[int, ...]) -> Choice:
    """Return the choice after a call of `pin`.

    Raises:
        ValueError: There is no such weight or element; the message says what there is.
    """
    key = key_called(catalog.weights, key)
    shape = catalog.weights[key].shape
    is_whole = isinstance(index, tuple | list) and len(index) == len(shape)
    if not is_whole or not all(0 <= i < size for i, size in zip(index, shape, strict=True)):
        raise ValueError(f"{key!r} of shape {shape} has no element {index}. Give one index for each axis, counted from 0.")
    return with_pin(before, key, tuple(int(i) for i in index))


def _at(choice: Choice, step: int | str | None) -> Choice:
    """Return the choice of a record; None leaves it as it is."""
    return choice if step is None else replace(choice, step=int(step) if step != LIVE else None)


def _check_step(selection: Selection, history: Past, step: int | str | None) -> None:
    weight = selection.weight
    if step is None or step == LIVE:
        return
    if weight is None:
        _check_record(history, step)
        return
    kept = history.steps(weight.whole)
    if step not in kept:
        which = f"Those from {kept[0]} to {kept[-1]} that are: explorer.history.steps(key)." if kept else "None is."
        raise ValueError(f'Record {step!r} of {weight.whole!r} is not kept. {which} "live" follows the newest.')


def _check_record(history: Past, step: int | str) -> None:
    if not isinstance(step, int) or history.step(step) is None:
        raise ValueError(f'Record {step!r} is not kept. Those that are: explorer.history.records. "live" follows the newest.')


def _blocks(selection: Selection, before: tuple[str, ...], asked: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if asked is None:
        return before
    names = (asked,) if isinstance(asked, str) else tuple(asked)
    if names == ("all",):
        return ()
    options = [option.key for offer in selection.blocks for option in offer.offers]
    for name in names:
        check("block", name, dict.fromkeys(options), where=f" of {selection.weight.whole!r}" if selection.weight else "")
        offer = next(offer for offer in selection.blocks if name in {option.key for option in offer.offers})
        before = with_block(before, offer, name)
    return before
