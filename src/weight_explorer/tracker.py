"""Keeps the history of a model up to date: through its callback during training, and on access when no training is running."""

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
    """Tracks a finished training: all its records come from files, and none are added.

    Args:
        source: Provides the catalog and the history.
        session: Provides the training status.

    Attributes:
        deeds: Runs the user's edit commands on the model. None without a live model.
        examining_share: The maximum share of the training time for the search for findings.
    """

    deeds: EditCommands | None = None
    examining_share = MAX_TIME_SHARE

    def __init__(self, source: Source, session: StatusReporter) -> None:
        self.source = source
        self.session = session
        self._cells = kernel.CellWatch()

    @property
    def live(self) -> LiveTracker:
        """This tracker, if its model is live.

        Raises:
            ValueError: If the model is not live.
        """
        raise ValueError(IS_OVER)

    @property
    def catalog(self) -> Catalog:
        """The current layers and weights of the model; during training, those at the last record."""
        if not self.is_training():
            self.source.refresh_catalog(self.session.report_error)
        return self.source.catalog

    @property
    def history(self) -> History:
        """The recorded history. It includes the model's current state unless a training is running."""
        self.update()
        return self.source.history

    def is_training(self) -> bool:
        """Return whether a training is running, other than one that makes this call."""
        return False

    def obstacle(self) -> Obstacle | None:
        """Return what prevents changes to the weights: a running training or cell. None if nothing does.

        Each explorer knows about the trainings it follows. Any other training is detected only as a running cell.
        """
        if self.is_training() or is_called_by_fit() or any(other.trains(self.source.model) for other in list(_live_trackers)):
            return Obstacle.TRAINING
        return Obstacle.CELL if self._cells.is_running_elsewhere() else None

    def update(self) -> None:
        """Record the model's current state if its weights differ from the last record and no training is running."""

    def update_at_rest(self) -> None:
        """Call `update`, except during a custom training loop, which decides itself when to record."""
        if not self.session.is_training:
            self.update()

    def refresh_facts(self) -> None:
        """Read how the model's layers are connected, unless a training is running."""
        if not self.is_training():
            self.source.refresh_facts()

    def restore(self, step: int) -> None:
        """Write the values of a record back into the model. See `WeightExplorer.restore`."""
        if obstacle := self.obstacle():
            raise obstacle.refusal("Restore")
        if self.source.model is None:
            raise ValueError("There is no model to restore into. Give it: WeightExplorer.load(path, model).")
        self.source.refresh_catalog(self.session.report_error)
        self.source.restore(step)

    def close(self) -> None:
        """Stop anything that is running."""


def track_files(source: ReadOnlySource, phase: str) -> Tracker:
    """Return a tracker for a training read from files. `phase` is "checkpoints" or "run"."""
    return Tracker(
        source,
        StatusReporter(
            TrainingStatus(phase, problem=" ".join(source.history.read_warnings), num_records=source.history.num_recorded)
        ),
    )


class LiveTracker(Tracker):
    """Tracks a live model during and between all kinds of training.

    Args:
        model: The live model.
        settings: How often to record, how much to keep, and the axis labels.

    Raises:
        ValueError: If a setting is invalid, or a label does not fit the model.
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
        """This tracker."""
        return self

    def is_training(self) -> bool:
        """Return whether a training is running, other than one that makes this call. Detects a `fit` that was interrupted."""
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
        """Return whether this tracker follows a training that is running elsewhere and shares layers with `model`."""
        with self.session.reporting_errors():
            return model is not None and self.is_training() and share_layers(self.source.model, model)
        return False

    # -- recording -------------------------------------------------------------------------------------------------

    def record(self, step: Record) -> bool:
        """Copy all weights into the history during training. Return False if the model is not built and has no weights yet."""
        is_done = self.source.record(step, self.session.report_error)
        self.session.add_background_time(self.source.recorder.take_background_seconds())
        return is_done

    def update(self, kind: str = "outside") -> None:
        """Record the model's current state if its weights differ from the last record and no training is running."""
        if self.is_training():
            return
        session = self.session
        self.source.refresh_catalog(session.report_error)
        try:
            self._record_change(kind)
        except WeightsLostError as error:
            session.note_error(error)  # the recorded history can still be shown
        else:
            session.clear_error(WeightsLostError)

    def _record_change(self, kind: str) -> None:
        session = self.session
        if session.take_interruption() or session.is_training:  # a custom training loop that calls this between steps
            self.source.record_remaining(session.progress, session.report_error)
        elif changed := self.source.record_if_changed(session.progress, kind):
            session.note_change(changed)

    def restore(self, step: int) -> None:
        """Write the values of a record back into the model. Frozen elements stay at these values from now on."""
        super().restore(step)
        self.update("restored")
        self.editor.update_frozen_values()

    # -- trainings -------------------------------------------------------------------------------------------------

    def begin(self, model: Any, activity: TrainingKind) -> None:
        """Prepare for a new training. `model` is the model that `fit` trains, or None in a custom training loop.

        Raises:
            FitNotRecordedError: If `fit` trains another model, or another training runs in the background.
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
        """Train in the background. See `WeightExplorer.fit`."""
        self.check_idle()
        return self.background.fit(self.source.model, callback, args, options)

    def step(self, callback: TrainingCallback, epoch: int | None, logs: Mapping[str, Any] | None, optimizer: Any) -> None:
        """Note a step of a custom training loop. See `WeightExplorer.record`."""
        with self.session.reporting_errors():
            if self.is_training():
                raise ValueError("fit runs with the callback, which records already: record() is for loops of your own")
            callback.loop_step(epoch, logs, optimizer)

    def check_idle(self) -> None:
        """Check that no training is running, so that another one can begin.

        Raises:
            RuntimeError: If a training is already running.
        """
        if self.is_training() or self.session.is_training:
            raise RuntimeError(IS_RUNNING)

    def close(self) -> None:
        """Stop the training in the background, if any."""
        self.background.close()


# All live trackers. A model may have several explorers, and each must know about the trainings that the others follow.
_live_trackers: weakref.WeakSet[LiveTracker] = weakref.WeakSet()
