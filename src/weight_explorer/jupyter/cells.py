"""Tracks which cells show an explorer. When no cell shows it, ipywidgets and IPython no longer keep it alive.

When a cell runs again, its earlier output is removed from the page. An explorer in that output stays alive while user code or a
training references it. Otherwise Python frees it, which closes its widgets.
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
    """The cells that show an explorer, each with its run. Until a cell shows it, the cell that created it.

    `replaced_by` is the message id of the cell run that removed the explorer from the page. It is "" while a cell shows the
    explorer, or if the explorer was found to be still in use.
    """

    runs: dict[str, str]
    is_displayed: bool
    is_docked: bool
    replaced_by: str = ""


_displays: weakref.WeakKeyDictionary[Any, _Display] = weakref.WeakKeyDictionary()


def register_display(explorer: Any, *, is_displayed: bool, is_docked: bool) -> None:
    """Note that the running cell created or shows an explorer, which replaces those from earlier runs of the cell.

    Without a kernel or a running cell, this only keeps a displayed explorer alive.
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
    """Remove an explorer that was closed."""
    _displays.pop(explorer, None)


def _leave_cell(_: Any) -> None:
    """Release the explorers that earlier runs of the cell that just ended had shown, unless they are docked."""
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
    """Note that explorers from other runs of the same cell were removed from the page."""
    for explorer, place in list(_displays.items()):
        if place.runs.get(run.cell_id, run.message_id) != run.message_id:
            left = {cell: number for cell, number in place.runs.items() if cell != run.cell_id}
            _displays[explorer] = replace(place, runs=left, replaced_by="" if left else run.message_id)


def _let_go(is_meant: Callable[[_Display], bool]) -> None:
    for explorer, place in list(_displays.items()):
        if is_meant(place):
            kernel.hold_weakly(explorer)


def _free_replaced(run: kernel.CellRun) -> None:
    """Collect garbage now: an explorer and its callback form a reference cycle that keeps a whole model in memory."""
    if not any(display.replaced_by == run.message_id for display in list(_displays.values())):
        return
    gc.collect()
    for explorer, display in list(_displays.items()):
        if display.replaced_by == run.message_id:  # still referenced, so collecting again would not help
            _displays[explorer] = replace(display, replaced_by="")
