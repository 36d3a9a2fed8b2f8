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

from weight_explorer.jupyter import kernel


@dataclass(frozen=True, slots=True)
class _Display:
    """The cells that show an explorer, each with the run that did; before any does, the cell that made it.

    `replaced_by` is the number of the run of a cell since which no cell shows it, "" while one does or if the
    explorer was found to be still in use.
    """

    runs: dict[str, str]
    is_displayed: bool
    is_docked: bool
    replaced_by: str = ""


_displays: weakref.WeakKeyDictionary[Any, _Display] = weakref.WeakKeyDictionary()


def register_display(explorer: Any, *, is_displayed: bool, is_docked: bool) -> None:
    """Note that the running cell made an explorer, or shows it, in place of those that it showed in an earlier run.

    Without a kernel, or if no cell is running, nothing happens.
    """
    if is_displayed:
        kernel.hold(explorer)
    run = kernel.current_cell_run()
    if run is None:
        return
    _note_run(explorer, run, is_displayed=is_displayed, is_docked=is_docked)
    _note_rerun(run)
    _let_go(lambda place: not place.runs)
    if is_displayed:
        kernel.call_after_every_cell(_leave_cell)
        _free_replaced(run)


def unregister(explorer: Any) -> None:
    """Note that an explorer is closed."""
    _displays.pop(explorer, None)


def _leave_cell(_: Any) -> None:
    """Note that what the cell that just ended showed in an earlier run is off the page, unless it is docked."""
    run = kernel.current_cell_run()
    if run is not None:
        _note_rerun(run)
        _let_go(lambda place: place.replaced_by == run.message_id and not place.is_docked)
        _free_replaced(run)


def _note_run(explorer: Any, run: kernel.CellRun, *, is_displayed: bool, is_docked: bool) -> None:
    before = _displays.get(explorer)
    runs = before.runs if before is not None and before.is_displayed else {}
    if is_displayed or not runs:
        _displays[explorer] = _Display({**runs, run.cell_id: run.message_id}, is_displayed, is_docked)


def _note_rerun(run: kernel.CellRun) -> None:
    """Note that what other runs of the same cell left is off the page."""
    for explorer, place in list(_displays.items()):
        if place.runs.get(run.cell_id, run.message_id) != run.message_id:
            left = {cell: number for cell, number in place.runs.items() if cell != run.cell_id}
            _displays[explorer] = replace(place, runs=left, replaced_by="" if left else run.message_id)


def _let_go(is_meant: Callable[[_Display], bool]) -> None:
    for explorer, place in list(_displays.items()):
        if is_meant(place):
            kernel.hold_weakly(explorer)


def _free_replaced(run: kernel.CellRun) -> None:
    """Have Python look for garbage now: an explorer and its callback hold each other, and with them a whole model."""
    if not any(display.replaced_by == run.message_id for display in list(_displays.values())):
        return
    gc.collect()
    for explorer, display in list(_displays.items()):
        if display.replaced_by == run.message_id:  # something still holds it, so collecting again would be useless
            _displays[explorer] = replace(display, replaced_by="")
