"""What is asked for in Python, checked: a name that is wrong is answered with the nearest right one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from weight_explorer.catalog.names import check, find_layer, key_called, not_offered
from weight_explorer.catalog.nodes import Catalog, Weight
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
    fields = {name: asked[name] for name in ("role", "weight", "quantity") if asked[name] is not None}
    wanted = _at(replace(before, **fields), asked["step"])
    if asked["layer"] is not None:
        wanted = replace(wanted, layer=find_layer(catalog, asked["layer"]).path, weight=asked["weight"])
    wanted = _with_overview(catalog, wanted, asked)
    selection = resolve(catalog, wanted)
    where = f" in layer {selection.node.name!r}"
    check("role", asked["role"], selection.roles, where=where)
    if asked["weight"] is not None:
        key = key_called([offer.key for offer in selection.offers], asked["weight"], f" of role {selection.role!r}{where}")
        wanted = replace(wanted, weight=key)
        selection = resolve(catalog, wanted)
    _check_step(selection, history, asked["step"])
    wanted = replace(wanted, blocks=_blocks(selection, wanted.blocks, asked["block"]))
    wanted = _with_options(_with_view(wanted, selection, asked["view"]), selection, history, asked["options"])
    return without_stale_brush(catalog, wanted)


def _with_overview(catalog: Catalog, choice: Choice, asked: Mapping[str, Any]) -> Choice:
    """Look at all weights together where that is asked for, or the whole model and nothing of it."""
    is_whole = asked["layer"] is None or choice.layer == catalog.root.path
    if OVERVIEW in (asked["view"], asked["role"]):
        if not is_whole:
            raise ValueError("The overview is of the whole model. Give no layer: explorer.select(view='overview').")
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
    if weight is None or step is None or step == LIVE:
        return
    kept = history.steps(weight.whole)
    if step not in kept:
        which = f"Those from {kept[0]} to {kept[-1]} that are: explorer.history.steps(key)." if kept else "None is."
        raise ValueError(f'Record {step!r} of {weight.whole!r} is not kept. {which} "live" follows the newest.')


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
