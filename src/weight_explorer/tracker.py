"""Keep what is recorded of a model up to date: in a training through its callback, and at rest whenever somebody looks."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from typing import Any

import keras

from weight_explorer.catalog.builder import WeightsLostError, share_layers
from weight_explorer.catalog.schema import Catalog
from weight_explorer.diagnosis.worker import MAX_TIME_SHARE
from weight_explorer.editing.commands import EditCommands
from weight_explorer.editing.weight_editor import Obstacle, WeightEditor
from weight_explorer.jupyter import kernel
from weight_explorer.recording.facts import TrainingKind
from weight_explorer.recording.history import History
from weight_explorer.recording.live_history import LiveHistory, parse_memory
from weight_explorer.recording.records import Record
from weight_explorer.recording.status import TrainingStatus
from weight_explorer.source import LiveSource, ReadOnlySource, Source
from weight_explorer.training.background import BackgroundRunner, BackgroundTraining
from weight_explorer.training.callback import FitNotRecordedError, TrainingCallback, is_called_by_fit, may_be_training
from weight_explorer.training.callback_copies import ExplorerSettings
from weight_explorer.training.scheduler import RecordScheduler, check_schedule_arguments
from weight_explorer.training.session import StatusReporter, TrainingSession
from weight_explorer.training.variable_reader import VariableReader

IS_OVER = (
    "This explorer shows a training that is over, so it cannot record or change anything. To train or change its model, "
    "explore the model itself: explorer = WeightExplorer(model), and model.fit(..., callbacks=[explorer.callback])."
)
IS_RUNNING = (
    "A training is running already. Wait until it ends, or stop it with the button in the panel. If it is a loop of your own "
    "in a script, put it into `with explorer.training():`, which tells where it ends."
)


class Tracker:
    """Tracks a training that is over: all its records come from files, and no more are added.

    Args:
        source: Gives the catalog and the history.
        session: Knows the status.

    Attributes:
        deeds: Does what the user asks to be done to the model; None without a live model.
        examining_share: The share of the time of a training that the search for findings may take.
    """

    deeds: EditCommands | None = None
    examining_share = MAX_TIME_SHARE

    def __init__(self, source: Source, session: StatusReporter) -> None:
        self.source = source
        self.session = session
        self._cells = kernel.CellWatch()

    @property
    def live(self) -> LiveTracker:
        """The tracker, if its model is live.

        Raises:
            ValueError: It is not.
        """
        raise ValueError(IS_OVER)

    @property
    def catalog(self) -> Catalog:
        """What the model holds now; during a training, what it held at the last record."""
        if not self.is_training():
            self.source.refresh_catalog(self.session.report_error)
        return self.source.catalog

    @property
    def history(self) -> History:
        """What is recorded, including the model as it is now, unless a training is running."""
        self.update()
        return self.source.history

    def is_training(self) -> bool:
        """Whether a training is running, other than the one that calls this."""
        return False

    def obstacle(self) -> Obstacle | None:
        """What may be training the model, so that its weights are to be left alone; None if nothing is.

        Any explorer knows of a training that it follows. Of any other, known is only that it may be what a cell is doing.
        """
        if self.is_training() or is_called_by_fit() or any(other.trains(self.source.model) for other in list(_live_trackers)):
            return Obstacle.TRAINING
        return Obstacle.CELL if self._cells.is_running_elsewhere() else None

    def update(self) -> None:
        """Record the model as it is now, if its weights differ from the last record and no training is running."""

    def update_at_rest(self) -> None:
        """Do the same, but not in a running loop of the user's own, which says itself when to record."""
        if not self.session.is_training:
            self.update()

    def refresh_facts(self) -> None:
        """Read how the model's layers are connected, unless a training is running."""
        if not self.is_training():
            self.source.refresh_facts()

    def restore(self, step: int) -> None:
        """Put the values of a record back into the model; see `WeightExplorer.restore`."""
        if obstacle := self.obstacle():
            raise obstacle.refusal("Restore")
        if self.source.model is None:
            raise ValueError("There is no model to restore into. Give it: WeightExplorer.load(path, model).")
        self.source.refresh_catalog(self.session.report_error)
        self.source.restore(step)

    def close(self) -> None:
        """Stop what runs."""


def track_files(source: ReadOnlySource, phase: str) -> Tracker:
    """Track what files hold of a training; `phase` is "checkpoints" or "run"."""
    return Tracker(
        source,
        StatusReporter(
            TrainingStatus(phase, problem=" ".join(source.history.read_warnings), num_records=source.history.num_recorded)
        ),
    )


class LiveTracker(Tracker):
    """Tracks a live model, in every kind of training and between them.

    Args:
        model: The live model.
        settings: How often to record, and how much to keep.

    Raises:
        ValueError: A setting has no meaning, or a label does not fit.
    """

    source: LiveSource
    session: TrainingSession
    deeds: EditCommands

    def __init__(self, model: keras.Model, settings: ExplorerSettings) -> None:
        check_schedule_arguments(settings.record_every, settings.max_overhead)
        history = LiveHistory(parse_memory(settings.memory))
        pace = RecordScheduler(settings.record_every, settings.max_overhead)
        source = LiveSource(model, history, settings.labels, VariableReader())
        session = TrainingSession(history, pace, record=self.record, between_batches=kernel.make_message_pump())
        super().__init__(source, session)
        self.background = BackgroundRunner(session)
        self.editor = WeightEditor(source, session, self.is_training, self.obstacle)
        self.deeds = EditCommands(self.editor)
        self.examining_share = min(MAX_TIME_SHARE, settings.max_overhead / 2)
        session.epoch_ending.subscribe(source.facts_reader.note_learning_rates)
        _live_trackers.add(self)

    @property
    def live(self) -> LiveTracker:
        """The tracker."""
        return self

    def is_training(self) -> bool:
        """Whether a training is running, other than the one that calls this; notices a `fit` that broke off without a word."""
        session = self.session
        if not session.is_training:
            return self.background.is_unreported
        if session.is_custom_loop:
            return threading.current_thread() is not threading.main_thread()
        if may_be_training(session.thread):
            return True
        session.finish("interrupted")
        return False

    def trains(self, model: Any) -> bool:
        """Whether a training that this follows is running elsewhere, and trains layers of that model."""
        with self.session.reporting_errors():
            return model is not None and self.is_training() and share_layers(self.source.model, model)
        return False

    # -- recording -------------------------------------------------------------------------------------------------

    def record(self, step: Record) -> bool:
        """Copy all weights into the history; called in training. Says whether there is nothing to wait for."""
        is_done = self.source.record(step, self.session.report_error)
        self.session.add_background_time(self.source.recorder.take_background_seconds())
        return is_done

    def update(self, kind: str = "outside") -> None:
        """Record the model as it is now, if its weights differ from the last record and no training is running."""
        if self.is_training():
            return
        session = self.session
        self.source.refresh_catalog(session.report_error)
        try:
            self._record_change(kind)
        except WeightsLostError as error:
            session.note_error(error)  # what was recorded can be looked at all the same
        else:
            session.clear_error(WeightsLostError)

    def _record_change(self, kind: str) -> None:
        session = self.session
        if session.take_interruption() or session.is_training:  # a loop of the user's own, which asks in between
            self.source.record_remaining(session.progress, session.report_error)
        elif changed := self.source.record_if_changed(session.progress, kind):
            session.note_change(changed)

    def restore(self, step: int) -> None:
        """Put the values of a record back into the model; frozen elements are held at them from now on."""
        super().restore(step)
        self.update("restored")
        self.editor.update_frozen_values()

    # -- trainings -------------------------------------------------------------------------------------------------

    def begin(self, model: Any, activity: TrainingKind) -> None:
        """Make ready for a training that begins; `model` is the one that `fit` trains, None in a loop of the user's own.

        Raises:
            FitNotRecordedError: It trains another model, or another training runs in the background.
        """
        self.background.check_not_training()
        ours = self.source.model
        if model is not None and not share_layers(model, ours):
            raise FitNotRecordedError(
                f"this callback belongs to the explorer of {ours.name!r}, but fit trains another model, {model.name!r}: "
                f"make a WeightExplorer of that model and pass its callback. Nothing of this fit is recorded"
            )
        self.source.facts_reader.begin(activity, model)

    def fit(self, callback: TrainingCallback, args: tuple[Any, ...], options: dict[str, Any]) -> BackgroundTraining:
        """Train in the background; see `WeightExplorer.fit`."""
        self.check_idle()
        return self.background.fit(self.source.model, callback, args, options)

    def step(self, callback: TrainingCallback, epoch: int | None, logs: Mapping[str, Any] | None, optimizer: Any) -> None:
        """Note a step of a loop of the user's own; see `WeightExplorer.record`."""
        with self.session.reporting_errors():
            if self.is_training():
                raise ValueError("fit runs with the callback, which records already: record() is for loops of your own")
            callback.loop_step(epoch, logs, optimizer)

    def check_idle(self) -> None:
        """Refuse to begin another training.

        Raises:
            RuntimeError: One is running already.
        """
        if self.is_training() or self.session.is_training:
            raise RuntimeError(IS_RUNNING)

    def close(self) -> None:
        """Stop a training in the background."""
        self.background.close()


# All there are: a model may have several explorers, and each is to know of the trainings that the others follow.
_live_trackers: weakref.WeakSet[LiveTracker] = weakref.WeakSet()
