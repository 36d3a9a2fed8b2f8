"""What is asked for on screen besides a picture: files, and deeds. Taken as it arrives, done when nothing is held up by it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import RLock
from typing import Any, Protocol

from weight_explorer.catalog.schema import Catalog
from weight_explorer.panel.edit_commands import NO_EDITS, CommandResult, EditAvailability, EditCommand, edit_target
from weight_explorer.panel.export import ExportedFile
from weight_explorer.panel.widgets.edit_toolbar import EditToolbarWidget
from weight_explorer.panel.widgets.save import SaveWidget
from weight_explorer.recording.history import History
from weight_explorer.source import Source
from weight_explorer.views.choice import Choice
from weight_explorer.views.initializer import InitializerRequest, InitializerSample

SELECTION_CHANGED = "By then another selection was on screen, so nothing was done. Look what is meant now, and ask again."


class EditCommandRunner(Protocol):
    """Does the user's deeds."""

    @property
    def availability(self) -> EditAvailability:
        """Which deeds there are now."""
        ...

    def preview(self, requested: InitializerRequest | None, *, may_draw: bool) -> InitializerSample | None:
        """Return a sample of an initializer."""
        ...

    def run(self, command: EditCommand) -> CommandResult:
        """Do what is ordered; never raises."""
        ...


class ExportQueue:
    """Files that were ordered.

    Args:
        widget_lock: Held while a widget is written.
        export: Makes the file of a format.
    """

    def __init__(self, widget_lock: RLock, export: Callable[[str], ExportedFile]) -> None:  # type: ignore[valid-type]
        self._widget_lock: Any = widget_lock
        self._export = export
        self._requests: deque[dict[str, str]] = deque()

    def add(self, request: dict[str, str]) -> None:
        """Take an order."""
        self._requests.append(request)

    def deliver(self, panel: SaveWidget) -> None:
        """Make what was ordered, of what is on screen now, and hand it to the panel."""
        while self._requests:
            order = self._requests.popleft()
            try:
                exported = self._export(order["format"])
            except Exception as error:  # noqa: BLE001 - whatever it is, the user is to see it
                with self._widget_lock:
                    panel.refuse(order, str(error))
            else:
                with self._widget_lock:
                    panel.deliver(order, exported)


class CommandQueue:
    """Deeds that were asked for, each with the choice that it is about.

    Args:
        widget_lock: Held while a widget is written.
        source: Gives the catalog and the past.
        runner: Does them; None where there is no live model.
    """

    def __init__(self, widget_lock: RLock, source: Source, runner: EditCommandRunner | None) -> None:  # type: ignore[valid-type]
        self._widget_lock: Any = widget_lock
        self._source = source
        self._runner = runner
        self._commands: deque[tuple[dict[str, str], Choice]] = deque()
        self._results: list[tuple[dict[str, str], CommandResult]] = []

    @property
    def availability(self) -> EditAvailability:
        """Which deeds there are now."""
        return self._runner.availability if self._runner else NO_EDITS

    def preview(self, catalog: Catalog, history: History, choice: Choice, *, may_draw: bool = True) -> InitializerSample | None:
        """Return the sample that the choice asks for, if it asks for one."""
        if self._runner is None:
            return None
        meant = edit_target(catalog, history, choice)
        return self._runner.preview(meant.initializer_request if meant else None, may_draw=may_draw)

    def add(self, request: dict[str, str], choice: Choice) -> None:
        """Take a deed that is asked for."""
        self._commands.append((request, choice))

    def run_all(self) -> None:
        """Do what was asked for; the picture that is drawn next shows what it did."""
        while self._commands:
            order, choice = self._commands.popleft()
            self._results.append((order, self._run(order, choice)))

    def show_results(self, panel: EditToolbarWidget) -> None:
        """Say in the panel what came of it, beside the picture that shows it."""
        while self._results:
            with self._widget_lock:
                panel.show_result(*self._results.pop(0))

    def _run(self, request: dict[str, str], choice: Choice) -> CommandResult:
        try:
            meant = edit_target(self._source.catalog, self._source.history.snapshot(), choice)
            if self._runner is None:
                return CommandResult(NO_EDITS.refusal, is_refused=True)
            if meant is None or meant.identity != request["target"]:
                return CommandResult(SELECTION_CHANGED, is_refused=True)
            return self._runner.run(EditCommand(request["deed"], meant, request["value"]))
        except Exception as error:  # noqa: BLE001 - whatever it is, the user is to see it
            return CommandResult(str(error), is_refused=True)
