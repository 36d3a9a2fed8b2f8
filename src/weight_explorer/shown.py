"""Which explorers no cell shows any more: where a cell runs again, what it made or showed before is off the page."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

from weight_explorer import live


@dataclass(frozen=True, slots=True)
class _Place:
    """The cells that show an explorer, each as the run that did; before there are any, the one that made it."""

    runs: dict[str, str]
    is_shown: bool


_places: weakref.WeakKeyDictionary[Any, _Place] = weakref.WeakKeyDictionary()


def take_place(explorer: Any, *, is_shown: bool) -> list[weakref.ref[Any]]:
    """Note that the running cell made an explorer or shows it, and return those that are in the way.

    These are the explorers that earlier runs of the same cell made or showed, and that no other cell shows. Where there is
    no kernel, or no cell runs, there are none.
    """
    run = live.running_cell()
    if run is None:
        return []
    _note(explorer, run, is_shown=is_shown)
    return [weakref.ref(other) for other in list(_places) if other is not explorer and not _is_anywhere(other, run)]


def leave(explorer: Any) -> None:
    """Note that an explorer is closed."""
    _places.pop(explorer, None)


def _note(explorer: Any, run: live.Run, *, is_shown: bool) -> None:
    before = _places.get(explorer)
    runs = before.runs if before is not None and before.is_shown else {}
    if is_shown or not runs:
        _places[explorer] = _Place({**runs, run.cell: run.number}, is_shown)


def _is_anywhere(explorer: Any, run: live.Run) -> bool:
    """Whether a cell still has it, now that this one runs: what another run of the same cell left is gone."""
    place = _places[explorer]
    if place.runs.get(run.cell, run.number) != run.number:
        del place.runs[run.cell]
    return bool(place.runs)
