"""What is on screen: the choice, the panel, and the one loop that draws. Clicks and training come here, from two threads."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import ipywidgets

from weight_explorer.catalog.schema import Catalog
from weight_explorer.catalog.selection import ElementSelection
from weight_explorer.diagnosis.findings import DiagnosisResult
from weight_explorer.jupyter import kernel
from weight_explorer.panel.choice_from_args import choice_from_click
from weight_explorer.panel.export import ExportedFile, export_picture
from weight_explorer.panel.previews import Previews, WeightsByLayer, make_previews, weights_by_layer
from weight_explorer.panel.queues import CommandQueue, EditCommandRunner, ExportQueue
from weight_explorer.panel.script import script_of
from weight_explorer.panel.state import PanelContext, PanelState, compose_error_state, compose_panel_state
from weight_explorer.panel.widget import Control, Panel
from weight_explorer.pictures.animation import check_animation, save_animation
from weight_explorer.pictures.data import Picture
from weight_explorer.pictures.figure import Figure, make_figure
from weight_explorer.recording.events import Event
from weight_explorer.source import Source
from weight_explorer.training.session import StatusReporter
from weight_explorer.views.choice import Choice, resolve, with_view
from weight_explorer.views.reading import kept_records
from weight_explorer.views.registry import views_for
from weight_explorer.views.selection import selected_elements

# Weights of up to so many elements are prepared for the views that are drawn on request as well: it takes a tenth of a second.
MAX_PREPARED_SIZE = 2**17


class _LastDrawing(NamedTuple):
    """What was drawn last when it was asked for, and how many records there were."""

    choice: Choice
    num_recorded: int
    picture: Picture


class PanelController:
    """Keeps the panel as the user wants it: takes every choice, and draws what it asks for.

    It works without a panel too: until `open_panel` is called there are no widgets, and drawing does nothing.

    Args:
        source: Gives the catalog and the past.
        reporter: Knows where the training stands, and takes what goes wrong.
        findings: Gives the latest findings there are, at once.
        edits: Does what the user asks to be done to the model; None where there is no live one.

    Attributes:
        answering: Published before a click is answered, so that the answer is about the model as it is now.
        is_displayed: Whether it was displayed in a notebook, and not closed since.
    """

    def __init__(
        self,
        source: Source,
        reporter: StatusReporter,
        findings: Callable[[], DiagnosisResult] = DiagnosisResult,
        edits: EditCommandRunner | None = None,
    ) -> None:
        self.answering = Event()
        self.is_displayed = False
        self._source = source
        self._reporter = reporter
        self._findings = findings
        self._choice = Choice()
        self._drawing_lock = threading.RLock()  # held by the one thread that draws
        self._widget_lock = threading.RLock()  # held by whoever reads or writes the widgets' traits
        self._is_showing = False
        self._is_stale = False
        self._num_requested = self._num_answered = 0
        self._last_drawing: _LastDrawing | None = None
        self._is_closed = False
        self._needs_preparing = False
        self._previewed_catalog: Catalog | None = None
        self._weights_by_layer: WeightsByLayer = {}
        self._clicks_wait = not kernel.answers_during_cells()
        self._awaits_reply = False  # whether the page is to reply, so that it is known how its messages come
        self._exports = ExportQueue(self._widget_lock, self.export)
        self._edits = CommandQueue(self._widget_lock, source, edits)
        self._panel: Panel | None = None

    @property
    def choice(self) -> Choice:
        """What the user asked for last."""
        return self._choice

    @property
    def has_panel(self) -> bool:
        """Whether there are widgets."""
        return self._panel is not None

    @property
    def is_watched(self) -> bool:
        """Whether there is a panel that somebody may be looking at, which in a script there is not."""
        return self.has_panel and (self.is_displayed or kernel.is_in_kernel())

    @property
    def selection(self) -> ElementSelection | None:
        """The elements that are selected in the matrix."""
        weight = resolve(self._source.catalog, self._choice).weight
        return selected_elements(weight, self._choice.selection) if weight else None

    def open_panel(self) -> Panel:
        """Return the panel; the first call makes its widgets and draws."""
        with self._widget_lock:
            panel = self._panel
            if panel is not None:
                return panel
            panel = self._connect(Panel(on_widget_made=self._on_widget_made))
            self._panel = panel
        self.draw()
        return panel

    def update_choice(self, change: Callable[[Choice], Choice]) -> None:
        """Take another choice, made of the one before; `answer` draws it."""
        with self._widget_lock:
            self._choice = change(self._choice)
            self._num_requested += 1
            self._is_stale = True

    def answer(self) -> None:
        """Draw after a choice; called on the thread that the browser's messages arrive on."""
        if self._needs_preparing:
            self._prepare()
        num_asked = self._num_requested
        if num_asked == self._num_answered or self._is_closed:
            return
        self._edits.run_all()
        with self._reporter.reporting_errors():
            self.answering.publish()
            self.draw()
        if self._panel is not None:
            self._exports.deliver(self._panel.save)
            self._edits.show_results(self._panel.edit_toolbar)
        self._reporter.note_click_answered()
        with self._widget_lock:
            self._num_answered = num_asked
            if self._panel is not None:
                self._panel.status.num_answered = num_asked

    def draw(self, *, wait: bool = True) -> None:
        """Bring the panel up to date, if there is one: the only way anything is drawn.

        One thread draws at a time. Training does not wait for another's drawing: it leaves word, and who draws then draws
        once more.
        """
        self._is_stale = True
        while self._is_stale and self._panel is not None and not self._is_closed:
            try:
                if not self._drawing_lock.acquire(blocking=wait):
                    return
                self._is_stale = False
                choice, catalog = self._choice, self._source.catalog
                self._show(self._panel, choice, catalog, self._compose_or_error(choice, catalog, is_requested=wait))
            finally:
                # Also where Ctrl-C came between the lock and the next line; not where the lock is another thread's.
                with contextlib.suppress(RuntimeError):
                    self._drawing_lock.release()

    def draw_if_seen(self) -> None:
        """Do the same when the training asks for it; during one only if somebody may see it, and without waiting."""
        if not self._reporter.is_training or self.is_displayed or kernel.may_have_page():
            self.draw(wait=False)

    def send_previews(self) -> bool:
        """Have the page know all weights in small, where clicks wait for the training that runs; say whether they do."""
        panel = self._panel
        if panel is None or not self._clicks_wait or self._is_closed or self._reporter.status.is_background:
            return False
        if not self._awaits_reply:
            self._ask_for_reply(panel)
        catalog = self._source.catalog
        sketches = make_previews(catalog, self._source.history.snapshot())
        if sketches is not None:
            self._show_previews(panel, catalog, sketches)
        return True

    def state(self) -> PanelState:
        """Compose what the choice asks for."""
        return self._compose(self._choice, self._source.catalog)

    def figure(self) -> Figure:
        """Draw what the choice asks for as a matplotlib figure."""
        scene = self.state()
        return make_figure(scene.picture, scene.name)

    def exported_text(self, format: str, path: str | os.PathLike[str] | None = None) -> str:  # noqa: A002 - as savefig calls it
        """Return what `export` makes of it as text, written to a file if one is given."""
        text = self.export(format).content.decode()
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    def save_film(
        self,
        path: str | os.PathLike[str],
        frames_per_second: float,
        progress: Callable[[int], Callable[[], object]],
    ) -> None:
        """Save a film of what the choice asks for, at every record that keeps values; see `WeightExplorer.film`.

        Args:
            path: The file.
            frames_per_second: How fast it plays.
            progress: Called with how many steps of work there are; returns what to call after each of them.
        """
        choice, catalog, past = self._choice, self._source.catalog, self._source.history.snapshot()
        weight = resolve(catalog, choice).weight
        numbers = kept_records(weight, past) if weight else ()
        check_animation(path, frames_per_second, len(numbers))

        def pictures(color_limit: float | None) -> Iterator[tuple[Picture, str]]:
            for number in numbers:
                frame = replace(choice, record=number, color_limit=color_limit)
                scene = compose_panel_state(catalog, past, frame, self._reporter.status)
                yield scene.picture, scene.name

        save_animation(path, pictures, frames_per_second, on_frame=progress(2 * len(numbers)))

    def export(self, format: str) -> ExportedFile:  # noqa: A002 - as savefig calls it
        """Make a file of what the choice asks for, in one of `panel.export.FORMATS`.

        Raises:
            ValueError: There is no picture.
        """
        choice, past = self._choice, self._source.history.snapshot()
        circumstances = PanelContext(
            examined=self._findings(), initializer_sample=self._edits.preview(self._source.catalog, past, choice)
        )
        scene = compose_panel_state(self._source.catalog, past, choice, self._reporter.status, circumstances)
        return export_picture(scene, format, lambda: script_of(scene, past, choice))

    def close(self) -> None:
        """Draw no more, and close all widgets."""
        with self._widget_lock:
            self._is_closed = True
            if self._panel is not None:
                self._panel.close()

    # -- the panel -------------------------------------------------------------------------------------------------

    def _connect(self, panel: Panel) -> Panel:
        """Have a new panel's clicks arrive here."""
        for control in panel.controls:
            control.widget.observe(self._choice_handler(control), names=control.trait)
        panel.save.on_command = self._on_export_command
        panel.edit_toolbar.on_command = self._on_edit_command
        panel.status.on_command = self._on_training_command
        panel.status.observe(self._on_displayed, names="is_displayed")
        return panel

    def _on_widget_made(self, widget: ipywidgets.Widget) -> None:
        kernel.answer_clicks(widget, self._widget_lock, self._on_message)

    # -- before anything is asked ----------------------------------------------------------------------------------

    def _on_displayed(self, change: Any) -> None:
        self._needs_preparing = change["new"]

    def _prepare(self) -> None:
        """Make the widgets of all views, now that nobody waits: the page needs half a second to make its first chart."""
        self._needs_preparing = False
        choice, catalog = self._choice, self._source.catalog
        weight, panel = resolve(catalog, choice).weight, self._panel
        if weight is None or panel is None:
            return
        for view in views_for(weight).values():
            if self._is_closed or self._num_requested != self._num_answered:
                return
            if not view.is_on_request(weight) or weight.size <= MAX_PREPARED_SIZE:
                with self._reporter.reporting_errors():
                    self._prepare_view(panel, with_view(choice, weight.role, view.name), catalog)

    def _prepare_view(self, panel: Panel, choice: Choice, catalog: Catalog) -> None:
        scene = self._compose(choice, catalog)
        with self._widget_lock:
            self._is_showing = True
            try:
                panel.prepare(scene)
            finally:
                self._is_showing = False

    # -- browser to choice -----------------------------------------------------------------------------------------

    def _on_message(self) -> None:
        """Answer a message of the page; how it came tells whether one would come while a cell runs."""
        waited, self._clicks_wait = self._clicks_wait, kernel.waits_for_cells()
        self._awaits_reply = False
        if self._clicks_wait and not waited and self._panel is not None:
            self._ask_for_reply(self._panel)  # over a slow network the first messages come before the page has its subshell
        elif waited and not self._clicks_wait:
            self.update_choice(lambda before: before)  # what was said of clicks, and which orders can be given, is another
        self.answer()

    def _ask_for_reply(self, panel: Panel) -> None:
        with self._widget_lock:
            self._awaits_reply = True
            panel.status.ask_for_reply()

    def _choice_handler(self, control: Control) -> Callable[[Any], None]:
        def chosen(change: Any) -> None:
            # What the panel itself writes comes by here too; only what the user did is a choice.
            if not self._is_showing and (change["new"] or control.allows_empty):
                with self._reporter.reporting_errors():
                    past = self._source.history.snapshot()
                    self.update_choice(
                        lambda before: choice_from_click(self._source.catalog, past, before, control.field, change["new"])
                    )

        return chosen

    def _on_export_command(self, command: dict[str, str]) -> None:
        self._exports.add(command)
        self.update_choice(lambda before: before)

    def _on_edit_command(self, command: dict[str, str]) -> None:
        self._edits.add(command, self._choice)
        self.update_choice(lambda before: before)

    def _on_training_command(self, command: str) -> None:
        self._reporter.request_if_training(command)
        self.update_choice(lambda before: before)

    # -- choice to screen ------------------------------------------------------------------------------------------

    def _compose(
        self, choice: Choice, catalog: Catalog, *, last_picture: Picture | None = None, is_requested: bool = True
    ) -> PanelState:
        past = self._source.history.snapshot()
        trial = self._edits.preview(catalog, past, choice, may_draw=is_requested)
        circumstances = PanelContext(
            self._clicks_wait, is_requested, last_picture, self._findings(), trial, self._edits.availability
        )
        return compose_panel_state(catalog, past, choice, self._reporter.status, circumstances)

    def _compose_cached(self, choice: Choice, catalog: Catalog, *, is_requested: bool) -> PanelState:
        """Compose the scene; what takes long is done once for each choice and, at rest, record, and never by the training."""
        last, num_recorded = self._last_drawing, self._source.history.num_recorded  # another thread may put another one there
        mine = last if last and last.choice is choice else None
        stands = mine is not None and (self._reporter.is_training or mine.num_recorded == num_recorded)
        is_new = is_requested and not stands
        scene = self._compose(choice, catalog, last_picture=mine and mine.picture, is_requested=is_new)
        if is_new:
            self._last_drawing = _LastDrawing(choice, num_recorded, scene.picture)
        return scene

    def _compose_or_error(self, choice: Choice, catalog: Catalog, *, is_requested: bool) -> PanelState:
        """Compose the scene, or one that says why it cannot be: the panel must not stand still with what was before."""
        try:
            return self._compose_cached(choice, catalog, is_requested=is_requested)
        except Exception as error:  # noqa: BLE001 - whatever it is, the user is to see it
            self._reporter.note_error(error)
            return compose_error_state(catalog, choice, self._reporter.status, error, clicks_wait=self._clicks_wait)

    def _show_previews(self, panel: Panel, catalog: Catalog, previews: Previews) -> None:
        if catalog is not self._previewed_catalog:
            self._weights_by_layer, self._previewed_catalog = weights_by_layer(catalog), catalog
        with self._widget_lock:
            panel.show_previews(previews, self._weights_by_layer, resolve(catalog, self._choice))

    def _show(self, panel: Panel, choice: Choice, catalog: Catalog, state: PanelState) -> None:
        with self._widget_lock:
            if self._choice is not choice:
                self._is_stale = True  # the user was faster: draw what they chose instead
                return
            self._is_showing = True
            try:
                panel.show(catalog, state)
            finally:
                self._is_showing = False
