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

from weight_explorer import live
from weight_explorer.catalog.elements import Elements
from weight_explorer.catalog.nodes import Catalog
from weight_explorer.diagnosis.findings import Examined
from weight_explorer.errands import AskedDeeds, Doing, Files
from weight_explorer.panels.export import Exported, export
from weight_explorer.panels.film import check_film, save_film
from weight_explorer.panels.panel import Control, Panel
from weight_explorer.recording.events import Event
from weight_explorer.recording.session import Reporter
from weight_explorer.source import Source
from weight_explorer.views.asked import clicked
from weight_explorer.views.brush import brushed
from weight_explorer.views.choice import Choice, resolve, with_view
from weight_explorer.views.pictures import Picture
from weight_explorer.views.reading import kept_steps
from weight_explorer.views.registry import views_for
from weight_explorer.views.scene import Circumstances, Scene, compose, compose_problem
from weight_explorer.views.script import script_of
from weight_explorer.views.sketches import Places, Sketches, places_of, sketches_of

# Weights of up to so many elements are prepared for the views that are drawn on request as well: it takes a tenth of a second.
PREPARED_SIZE = 2**17


class _Standing(NamedTuple):
    """What was drawn last when it was asked for, and how many records there were."""

    choice: Choice
    num_recorded: int
    picture: Picture


class Screen:
    """Keeps the panel as the user wants it: takes every choice, and draws what it asks for.

    It works without a panel too: until `open_panel` is called there are no widgets, and drawing does nothing.

    Args:
        source: Gives the catalog and the past.
        reporter: Knows where the training stands, and takes what goes wrong.
        findings: Gives the latest findings there are, at once.
        deeds: Does what the user asks to be done to the model; None where there is no live one.

    Attributes:
        answering: Published before a click is answered, so that the answer is about the model as it is now.
        is_displayed: Whether it was displayed in a notebook, and not closed since.
    """

    def __init__(
        self,
        source: Source,
        reporter: Reporter,
        findings: Callable[[], Examined] = Examined,
        deeds: Doing | None = None,
    ) -> None:
        self.answering = Event()
        self.is_displayed = False
        self._source = source
        self._reporter = reporter
        self._findings = findings
        self._choice = Choice()
        self._drawing = threading.RLock()  # held by the one thread that draws
        self._touching = threading.RLock()  # held by whoever reads or writes the widgets' traits
        self._showing = False
        self._stale = False
        self._num_asked = self._num_answered = 0
        self._standing: _Standing | None = None
        self._is_closed = False
        self._is_to_prepare = False
        self._sketched: Catalog | None = None
        self._places: Places = {}
        self._clicks_wait = not live.answers_during_cells()
        self._is_asking = False  # whether the page is to reply, so that it is known how its messages come
        self._files = Files(self._touching, self.exported)
        self._deeds = AskedDeeds(self._touching, source, deeds)
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
        return self.has_panel and (self.is_displayed or live.is_in_kernel())

    @property
    def selection(self) -> Elements | None:
        """The elements that are selected in the matrix."""
        weight = resolve(self._source.catalog, self._choice).weight
        return brushed(weight, self._choice.brush) if weight else None

    def open_panel(self) -> Panel:
        """Return the panel; the first call makes its widgets and draws."""
        with self._touching:
            panel = self._panel
            if panel is not None:
                return panel
            panel = self._connected(Panel(adopt=self._adopt))
            self._panel = panel
        self.draw()
        return panel

    def choose(self, change: Callable[[Choice], Choice]) -> None:
        """Take another choice, made of the one before; `answer` draws it."""
        with self._touching:
            self._choice = change(self._choice)
            self._num_asked += 1
            self._stale = True

    def answer(self) -> None:
        """Draw after a choice; called on the thread that the browser's messages arrive on."""
        if self._is_to_prepare:
            self._prepare()
        num_asked = self._num_asked
        if num_asked == self._num_answered or self._is_closed:
            return
        self._deeds.do()
        with self._reporter.reported():
            self.answering.publish()
            self.draw()
        if self._panel is not None:
            self._files.deliver(self._panel.save)
            self._deeds.answer(self._panel.desk)
        self._reporter.answered()
        with self._touching:
            self._num_answered = num_asked
            if self._panel is not None:
                self._panel.status.answered = num_asked

    def draw(self, *, wait: bool = True) -> None:
        """Bring the panel up to date, if there is one: the only way anything is drawn.

        One thread draws at a time. Training does not wait for another's drawing: it leaves word, and who draws then draws
        once more.
        """
        self._stale = True
        while self._stale and self._panel is not None and not self._is_closed:
            try:
                if not self._drawing.acquire(blocking=wait):
                    return
                self._stale = False
                choice, catalog = self._choice, self._source.catalog
                self._show(self._panel, choice, catalog, self._compose_or_tell(choice, catalog, is_asked=wait))
            finally:
                # Also where Ctrl-C came between the lock and the next line; not where the lock is another thread's.
                with contextlib.suppress(RuntimeError):
                    self._drawing.release()

    def draw_if_seen(self) -> None:
        """Do the same when the training asks for it; during one only if somebody may see it, and without waiting."""
        if not self._reporter.is_training or self.is_displayed or live.may_be_seen():
            self.draw(wait=False)

    def sketch(self) -> bool:
        """Have the page know all weights in small, where clicks wait for the training that runs; say whether they do."""
        panel = self._panel
        if panel is None or not self._clicks_wait or self._is_closed or self._reporter.status.is_beside:
            return False
        if not self._is_asking:
            self._ask_for_reply(panel)
        catalog = self._source.catalog
        sketches = sketches_of(catalog, self._source.past.snapshot())
        if sketches is not None:
            self._show_sketches(panel, catalog, sketches)
        return True

    def scene(self) -> Scene:
        """Compose what the choice asks for."""
        return self._compose(self._choice, self._source.catalog)

    def exported_text(self, format: str, path: str | os.PathLike[str] | None = None) -> str:  # noqa: A002 - as savefig calls it
        """Return what `exported` makes of it as text, written to a file if one is given."""
        text = self.exported(format).content.decode()
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
        choice, catalog, past = self._choice, self._source.catalog, self._source.past.snapshot()
        weight = resolve(catalog, choice).weight
        numbers = kept_steps(weight, past) if weight else ()
        check_film(path, frames_per_second, len(numbers))

        def pictures(color_limit: float | None) -> Iterator[tuple[Picture, str]]:
            for number in numbers:
                frame = replace(choice, step=number, color_limit=color_limit)
                scene = compose(catalog, past, frame, self._reporter.status)
                yield scene.picture, scene.name

        save_film(path, pictures, frames_per_second, on_frame=progress(2 * len(numbers)))

    def exported(self, format: str) -> Exported:  # noqa: A002 - as savefig calls it
        """Make a file of what the choice asks for, in one of `panels.export.FORMATS`.

        Raises:
            ValueError: There is no picture.
        """
        choice, past = self._choice, self._source.past.snapshot()
        circumstances = Circumstances(examined=self._findings(), trial=self._deeds.trial(self._source.catalog, past, choice))
        scene = compose(self._source.catalog, past, choice, self._reporter.status, circumstances)
        return export(scene, format, lambda: script_of(scene, past, choice))

    def close(self) -> None:
        """Draw no more, and close all widgets."""
        with self._touching:
            self._is_closed = True
            if self._panel is not None:
                self._panel.close()

    # -- the panel -------------------------------------------------------------------------------------------------

    def _connected(self, panel: Panel) -> Panel:
        """Have a new panel's clicks arrive here."""
        for control in panel.controls:
            control.widget.observe(self._chooser(control), names=control.trait)
        panel.save.ordered = self._order
        panel.desk.ordered = self._ask_deed
        panel.status.ordered = self._ask_training
        panel.status.observe(self._seen, names="seen")
        return panel

    def _adopt(self, widget: ipywidgets.Widget) -> None:
        live.answer_clicks(widget, self._touching, self._heard)

    # -- before anything is asked ----------------------------------------------------------------------------------

    def _seen(self, change: Any) -> None:
        self._is_to_prepare = change["new"]

    def _prepare(self) -> None:
        """Make the widgets of all views, now that nobody waits: the page needs half a second to make its first chart."""
        self._is_to_prepare = False
        choice, catalog = self._choice, self._source.catalog
        weight, panel = resolve(catalog, choice).weight, self._panel
        if weight is None or panel is None:
            return
        for view in views_for(weight).values():
            if self._is_closed or self._num_asked != self._num_answered:
                return
            if not view.is_on_request(weight) or weight.size <= PREPARED_SIZE:
                with self._reporter.reported():
                    self._prepare_view(panel, with_view(choice, weight.role, view.name), catalog)

    def _prepare_view(self, panel: Panel, choice: Choice, catalog: Catalog) -> None:
        scene = self._compose(choice, catalog)
        with self._touching:
            self._showing = True
            try:
                panel.prepare(scene)
            finally:
                self._showing = False

    # -- browser to choice -----------------------------------------------------------------------------------------

    def _heard(self) -> None:
        """Answer a message of the page; how it came tells whether one would come while a cell runs."""
        waited, self._clicks_wait = self._clicks_wait, live.waits_for_cells()
        self._is_asking = False
        if self._clicks_wait and not waited and self._panel is not None:
            self._ask_for_reply(self._panel)  # over a slow network the first messages come before the page has its subshell
        elif waited and not self._clicks_wait:
            self.choose(lambda before: before)  # what was said of clicks, and which orders can be given, is another
        self.answer()

    def _ask_for_reply(self, panel: Panel) -> None:
        with self._touching:
            self._is_asking = True
            panel.status.ask_for_reply()

    def _chooser(self, control: Control) -> Callable[[Any], None]:
        def chosen(change: Any) -> None:
            # What the panel itself writes comes by here too; only what the user did is a choice.
            if not self._showing and (change["new"] or control.may_be_empty):
                with self._reporter.reported():
                    past = self._source.past.snapshot()
                    self.choose(lambda before: clicked(self._source.catalog, past, before, control.field, change["new"]))

        return chosen

    def _order(self, order: dict[str, str]) -> None:
        self._files.take(order)
        self.choose(lambda before: before)

    def _ask_deed(self, order: dict[str, str]) -> None:
        self._deeds.take(order, self._choice)
        self.choose(lambda before: before)

    def _ask_training(self, order: str) -> None:
        self._reporter.order(order)
        self.choose(lambda before: before)

    # -- choice to screen ------------------------------------------------------------------------------------------

    def _compose(self, choice: Choice, catalog: Catalog, *, standing: Picture | None = None, is_asked: bool = True) -> Scene:
        past = self._source.past.snapshot()
        trial = self._deeds.trial(catalog, past, choice, may_draw=is_asked)
        circumstances = Circumstances(self._clicks_wait, is_asked, standing, self._findings(), trial, self._deeds.possible)
        return compose(catalog, past, choice, self._reporter.status, circumstances)

    def _compose_asked(self, choice: Choice, catalog: Catalog, *, is_asked: bool) -> Scene:
        """Compose the scene; what takes long is done once for each choice and, at rest, record, and never by the training."""
        last, num_recorded = self._standing, self._source.past.num_recorded  # another thread may put another one there
        mine = last if last and last.choice is choice else None
        stands = mine is not None and (self._reporter.is_training or mine.num_recorded == num_recorded)
        is_new = is_asked and not stands
        scene = self._compose(choice, catalog, standing=mine and mine.picture, is_asked=is_new)
        if is_new:
            self._standing = _Standing(choice, num_recorded, scene.picture)
        return scene

    def _compose_or_tell(self, choice: Choice, catalog: Catalog, *, is_asked: bool) -> Scene:
        """Compose the scene, or one that says why it cannot be: the panel must not stand still with what was before."""
        try:
            return self._compose_asked(choice, catalog, is_asked=is_asked)
        except Exception as error:  # noqa: BLE001 - whatever it is, the user is to see it
            self._reporter.note(error)
            return compose_problem(catalog, choice, self._reporter.status, error, clicks_wait=self._clicks_wait)

    def _show_sketches(self, panel: Panel, catalog: Catalog, sketches: Sketches) -> None:
        if catalog is not self._sketched:
            self._places, self._sketched = places_of(catalog), catalog
        with self._touching:
            panel.show_sketches(sketches, self._places, resolve(catalog, self._choice))

    def _show(self, panel: Panel, choice: Choice, catalog: Catalog, scene: Scene) -> None:
        with self._touching:
            if self._choice is not choice:
                self._stale = True  # the user was faster: draw what they chose instead
                return
            self._showing = True
            try:
                panel.show(catalog, scene)
            finally:
                self._showing = False
