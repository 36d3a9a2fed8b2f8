"""Which explorers no cell shows any more: where a cell runs again, what it made or showed before is off the page."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, replace
from typing import Any

from weight_explorer import live


@dataclass(frozen=True, slots=True)
class _Place:
    """The cells that show an explorer, each as the run that did; before there are any, the one that made it.

    `replaced_in` is the number of the run of a cell since which there are none, "" while there are.
    """

    runs: dict[str, str]
    is_shown: bool
    replaced_in: str = ""


_places: weakref.WeakKeyDictionary[Any, _Place] = weakref.WeakKeyDictionary()

References = list[weakref.ref[Any]]


def take_place(explorer: Any, *, is_shown: bool) -> References:
    """Note that the running cell made an explorer or shows it, and return those that no cell shows any more.

    These are the explorers that earlier runs of a cell made or showed, and that no other cell shows. Where there is no kernel,
    or no cell runs, there are none.
    """
    run = live.running_cell()
    if run is None:
        return []
    _note(explorer, run, is_shown=is_shown)
    _note_rerun(run)
    return [weakref.ref(each) for each, place in list(_places.items()) if not place.runs]


def replaced_by_cell() -> References:
    """Return the explorers that the running cell showed in an earlier run, and that no cell shows any more."""
    run = live.running_cell()
    if run is None:
        return []
    _note_rerun(run)
    return [weakref.ref(each) for each, place in list(_places.items()) if place.replaced_in == run.number]


def leave(explorer: Any) -> None:
    """Note that an explorer is closed."""
    _places.pop(explorer, None)


def _note(explorer: Any, run: live.Run, *, is_shown: bool) -> None:
    before = _places.get(explorer)
    runs = before.runs if before is not None and before.is_shown else {}
    if is_shown or not runs:
        _places[explorer] = _Place({**runs, run.cell: run.number}, is_shown)


def _note_rerun(run: live.Run) -> None:
    """Note that what other runs of the same cell left is off the page."""
    for explorer, place in list(_places.items()):
        if place.runs.get(run.cell, run.number) != run.number:
            left = {cell: number for cell, number in place.runs.items() if cell != run.cell}
            _places[explorer] = replace(place, runs=left, replaced_in="" if left else run.number)
