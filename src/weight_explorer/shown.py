"""Which cells show an explorer: once no cell does, ipywidgets and IPython do not keep it alive any longer.

When a cell runs again, what it made or showed before is off the page. Such an explorer lives on while something of the user's
holds it, or a training; otherwise Python frees it, which closes its widgets.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from weight_explorer import live


@dataclass(frozen=True, slots=True)
class _Place:
    """The cells that show an explorer, each with the run that did; before any does, the cell that made it.

    `replaced_in` is the number of the run of a cell since which no cell shows it, "" while one does, and once it was seen that
    it lives on all the same.
    """

    runs: dict[str, str]
    is_shown: bool
    is_docked: bool
    replaced_in: str = ""


_places: weakref.WeakKeyDictionary[Any, _Place] = weakref.WeakKeyDictionary()


def take_place(explorer: Any, *, is_shown: bool, is_docked: bool) -> None:
    """Note that the running cell made an explorer, or shows it, in place of those that it showed in an earlier run.

    Without a kernel, or if no cell is running, nothing happens.
    """
    if is_shown:
        live.hold(explorer)
    run = live.running_cell()
    if run is None:
        return
    _note(explorer, run, is_shown=is_shown, is_docked=is_docked)
    _note_rerun(run)
    _let_go(lambda place: not place.runs)
    if is_shown:
        live.call_after_every_cell(_leave_cell)
        _free_replaced(run)


def leave(explorer: Any) -> None:
    """Note that an explorer is closed."""
    _places.pop(explorer, None)


def _leave_cell(_: Any) -> None:
    """Note that what the cell that just ended showed in an earlier run is off the page, unless it is docked."""
    run = live.running_cell()
    if run is not None:
        _note_rerun(run)
        _let_go(lambda place: place.replaced_in == run.number and not place.is_docked)
        _free_replaced(run)


def _note(explorer: Any, run: live.Run, *, is_shown: bool, is_docked: bool) -> None:
    before = _places.get(explorer)
    runs = before.runs if before is not None and before.is_shown else {}
    if is_shown or not runs:
        _places[explorer] = _Place({**runs, run.cell: run.number}, is_shown, is_docked)


def _note_rerun(run: live.Run) -> None:
    """Note that what other runs of the same cell left is off the page."""
    for explorer, place in list(_places.items()):
        if place.runs.get(run.cell, run.number) != run.number:
            left = {cell: number for cell, number in place.runs.items() if cell != run.cell}
            _places[explorer] = replace(place, runs=left, replaced_in="" if left else run.number)


def _let_go(is_meant: Callable[[_Place], bool]) -> None:
    for explorer, place in list(_places.items()):
        if is_meant(place):
            live.hold_weakly(explorer)


def _free_replaced(run: live.Run) -> None:
    """Have Python look for garbage now: an explorer and its callback hold each other, and with them a whole model."""
    if not any(place.replaced_in == run.number for place in list(_places.values())):
        return
    gc.collect()
    for explorer, place in list(_places.items()):
        if place.replaced_in == run.number:  # something holds it; to look for garbage again would be in vain
            _places[explorer] = replace(place, replaced_in="")
