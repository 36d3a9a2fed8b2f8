"""Sources of the weights in the panel: a live model, or the files of a finished training."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from weight_explorer.catalog.builder import model_signature, read_catalog, write_values
from weight_explorer.catalog.labels import AxisLabels, apply_labels, copy_labels
from weight_explorer.catalog.schema import SEED_STATE, Catalog, Weight
from weight_explorer.comparison.alignment import Mismatch, MismatchReason, align, describe_weights
from weight_explorer.diagnosis.model_facts import NO_MODEL_FACTS, ModelFacts
from weight_explorer.diagnosis.model_reader import read_model_facts
from weight_explorer.editing.freeze import update_frozen_values
from weight_explorer.recording.facts import UNKNOWN_FACTS, PrecedingChange, RecordFacts, TrainingKind
from weight_explorer.recording.freeze_checks import FrozenPart, add_part, release_weights
from weight_explorer.recording.history import History
from weight_explorer.recording.live_history import LiveHistory
from weight_explorer.recording.recorder import Recorder
from weight_explorer.recording.records import BOUNDARY_KINDS, DETECTED_KINDS, TRAINED_KINDS, Record, TrainingProgress
from weight_explorer.storage import keras_files
from weight_explorer.storage.checkpoint_history import CheckpointHistory
from weight_explorer.storage.run_reader import RunHistory
from weight_explorer.training.facts_reader import FactsReader

# Checkpoints with at most this many elements in total are read without a request: one gigabyte of float32.
MAX_SMALL_ELEMENTS = 2**28

ErrorHandler = Callable[[Exception], None]


class Source(ABC):
    """Provides the explorer with a catalog and a history.

    Attributes:
        catalog: The layers and weights of the model, as last read.
        model: The live model, or None.
        facts: How the layers are connected and configured, as last read. See `refresh_facts`.
        is_small: Whether all recorded values can be read without taking minutes.
    """

    catalog: Catalog
    model: Any = None
    facts: ModelFacts = NO_MODEL_FACTS
    is_small: bool = True

    @property
    @abstractmethod
    def history(self) -> History:
        """The recorded history."""

    @abstractmethod
    def refresh_catalog(self, report: ErrorHandler) -> None:
        """Read the model's layers again if they changed, and pass label errors to `report`."""

    @abstractmethod
    def record_if_changed(self, moment: TrainingProgress, kind: str) -> str:
        """Record the model's current state if any weight differs from the last record.

        Args:
            moment: The current training progress.
            kind: The kind of the record, unless it is the first one.

        Returns:
            The kind of the new record, or "" if nothing was recorded.
        """

    def refresh_facts(self) -> None:
        """Read how the model's layers are connected, if that may have changed. Call this only while no training is running."""
        if self.model is not None and self.facts is NO_MODEL_FACTS:
            self.facts = read_model_facts(self.model, self.catalog)

    def values_at(self, record_number: int) -> Mapping[str, Any]:
        """Return the values of every weight at a record, for use by `restore`.

        Raises:
            ValueError: If the record is not kept, or not all values of a weight are kept. The message says which.
        """
        record = self.history.get_record(record_number)
        if record is None:
            raise ValueError(f"Record {record_number} is not kept. Those that are: explorer.history.records.")
        values = {key: self.history.values_at(key, record_number) for key in self.catalog.variables}
        missing = [key for key, value in values.items() if value is None and self.catalog.weights[key].role != SEED_STATE]
        if missing:
            raise ValueError(f"Record {record_number} cannot be restored: {self._missing_reason(record, missing)}")
        return {key: value for key, value in values.items() if value is not None}

    def _missing_reason(self, record: Record, missing: Sequence[str]) -> str:
        """Explain why values are missing: the weight did not exist yet, is never recorded, or was not kept."""
        unknown = [key for key in missing if record.number not in _record_numbers(self.history, key)]
        key, count = (unknown or missing)[0], len(unknown or missing) - 1
        words = f"{key!r}" + (f" and {count} more" if count else "")
        with_values = f"Records with its values: explorer.history.records_with_values({key!r})."
        if not unknown:
            return f'it does not keep all values of {words}. {with_values} WeightExplorer(model, memory="...") keeps more.'
        if record.kind == "checkpoint":
            return f"the file {record.name!r} does not hold {words}. {with_values}"
        if self.catalog.weights[key].dtype.startswith("complex"):
            return f"{words} holds complex numbers, which are not recorded."
        numbers = _record_numbers(self.history, key)
        first = f"Its first record is record {numbers[0]}." if len(numbers) else "No record has it."
        return f"the model did not have {words} when the record was made. {first}"

    def restore(self, record_number: int) -> None:
        """Write the values of a record back into the model. Either all weights are restored or none. See `values_at`.

        Raises:
            ValueError: If the shape or dtype of a weight has changed, or as in `values_at`.
        """
        values = self.values_at(record_number)
        for key, value in values.items():
            weight = self.catalog.weights[key]
            if (value.shape, str(value.dtype)) != (weight.shape, weight.dtype):
                then, now = f"{value.shape} of {value.dtype}", f"{weight.shape} of {weight.dtype}"
                raise ValueError(f"Record {record_number} cannot be restored: {key!r} was {then}, and is {now} now.")
        for key, value in values.items():
            write_values(self.catalog.variables[key], value)
            update_frozen_values(self.catalog.variables[key])


class LiveSource(Source):
    """A live model and its recorded history.

    Args:
        model: The live model.
        history: The history that receives the records.
        labels: Names for the axes and elements of weights.
        read: A function that returns the values of variables. See `Recorder`.

    Raises:
        ValueError: If a label does not fit the model.
    """

    def __init__(
        self,
        model: keras.Model,
        history: LiveHistory,
        labels: Sequence[AxisLabels],
        read: Callable[[Sequence[Any]], Sequence[np.ndarray]],
    ) -> None:
        self.model = model
        self.live_history = history
        self.recorder = Recorder(history, read)
        self.facts_reader = FactsReader(model)
        self._labels = labels
        self._facts_catalog: Catalog | None = None
        self._flags: tuple[bool, ...] = ()
        self._has_trained = False
        self._preceding: PrecedingChange | None = None
        for error in self._read_catalog():
            raise error

    @property
    def history(self) -> History:
        """The recorded history, the same object as `live_history`."""
        return self.live_history

    def _read_catalog(self, known_variables: Mapping[str, object] | None = None) -> list[ValueError]:
        """Read the model again and return label errors. Labels that do not fit are left out."""
        # The signature is stored last, so that a failed read is retried the next time.
        found = model_signature(self.model)
        catalog, errors = apply_labels(read_catalog(self.model, known_variables), self._labels)
        # Before `self.catalog`: a drawing in between asks the history for every weight of the catalog.
        self.live_history.expected_keys = catalog.weights
        self.catalog = catalog
        self._update_frozen_layers()
        self._signature = found
        return errors

    def _update_frozen_layers(self) -> None:
        """Note which weights are now frozen by `trainable = False`, and which are trainable again."""
        history = self.live_history
        still = {key: weight.not_trainable_text for key, weight in self.catalog.weights.items() if _is_frozen(weight)}
        known = {part.key for part in history.frozen_parts if part.mask is None and part.last_record is None}
        history.frozen_parts = release_weights(history.frozen_parts, known - still.keys(), history.num_recorded - 1)
        for key, reason in still.items():
            if key not in known:
                since = self.current_record_number(key)
                history.frozen_parts = add_part(history.frozen_parts, FrozenPart(key, reason, since, first_record=since))

    def current_record_number(self, key: str) -> int:
        """Return the number of the record that holds the current values of a weight: the last record or the next one."""
        last = self.live_history.num_recorded - 1
        return last + 1 if last < 0 or self.recorder.has_changed(self.catalog, key) else last

    def refresh_catalog(self, report: ErrorHandler) -> None:
        """Read the model's layers again if they changed."""
        if self._signature != model_signature(self.model):
            for error in self._read_catalog(self.catalog.variables):
                report(error)

    def record(self, record: Record, report: ErrorHandler) -> bool:
        """Copy all weights into the history during training. Return False if the model is not built and has no weights yet."""
        flags = self.facts_reader.trainable_flags(self.catalog)
        if record.kind != "batch" or not self.catalog.is_fully_built or flags != self._flags:
            self.refresh_catalog(report)
            self._flags = self.facts_reader.trainable_flags(self.catalog)
        if not self.catalog.weights:
            return self.catalog.is_fully_built
        if record.kind == "start":
            self._record_start(replace(record, facts=self._read_record_facts(report)))
        elif record.kind != "ended" or self.recorder.has_any_changed(self.catalog):
            self._record(replace(record, facts=self._read_record_facts(report, ends_epoch=record.kind == "epoch")))
        if self._facts_catalog is not self.catalog:
            self.refresh_facts()
        return True

    def _read_record_facts(self, report: ErrorHandler, *, ends_epoch: bool = False) -> RecordFacts:
        """Read the current facts. On an error, report it and return `UNKNOWN_FACTS`: the record is still made without facts."""
        try:
            return self.facts_reader.read(self.catalog, self._preceding, ends_epoch=ends_epoch)
        except Exception as error:  # noqa: BLE001 - any error is shown to the user
            report(error)
            return UNKNOWN_FACTS

    def _record_start(self, record: Record) -> None:
        """Record the initial state of a training, unless the last record already holds it.

        Changes before the first training, such as loading weights, do not count as training: changes are measured from this
        record on.
        """
        last = self.history.num_recorded - 1
        is_first = not self._has_trained and last >= 0
        if last < 0 or self.recorder.has_any_changed(self.catalog) or (is_first and self.history.start_record != last):
            self.recorder.record(self.catalog, record, resets_start=is_first)

    def _record(self, record: Record) -> None:
        """Add a record, and remember the last change that was not made by training."""
        made = self.recorder.record(self.catalog, record)
        if record.kind in TRAINED_KINDS:
            self._has_trained, self._preceding = True, None
        elif record.kind not in BOUNDARY_KINDS:
            self._preceding = PrecedingChange(made.number, record.kind, record.name)
        if record.kind in DETECTED_KINDS:
            self._describe_change(made)

    def _describe_change(self, record: Record) -> None:
        """Relabel a detected change with its cause, as far as the weights reveal it."""
        earlier, in_fit = (
            self.live_history.find_identical_record(record.number),
            record.facts.conditions.training_kind is TrainingKind.FIT,
        )
        if record.kind == "outside":
            if earlier is not None:
                self.live_history.relabel_record(record.number, "reverted", f"weights of record {earlier} put back")
        elif earlier is not None:
            by = "by a callback at the end of fit" if in_fit else "at the end of the training"
            self.live_history.relabel_record(record.number, record.kind, f"weights of record {earlier} put back {by}")
        elif self.facts_reader.weights_are_averages():
            self.live_history.relabel_record(record.number, record.kind, "moving average of the weights (use_ema)")
        elif in_fit:
            self.live_history.relabel_record(record.number, record.kind, "changed by another callback after the last epoch")

    def refresh_facts(self) -> None:
        """Read how the model's layers are connected, if the catalog changed since the last read."""
        if self._facts_catalog is not self.catalog:
            self._facts_catalog, self.facts = self.catalog, read_model_facts(self.model, self.catalog)

    def record_if_changed(self, moment: TrainingProgress, kind: str) -> str:
        """Record the model's current state if any weight differs from the last record."""
        if not self.catalog.weights or not self.recorder.has_any_changed(self.catalog):
            return ""
        kind = kind if self.history.num_recorded else "start"
        self.record_now(moment, kind)
        return kind

    def record_remaining(self, moment: TrainingProgress, report: ErrorHandler) -> None:
        """Record what a training changed after its last record, so that it does not count as a change from outside."""
        if self.recorder.has_any_changed(self.catalog):
            self._record(moment.make_record("batch", facts=self._read_record_facts(report)))

    def record_now(self, moment: TrainingProgress, kind: str, name: str = "") -> None:
        """Record the model while no training is running. `name` describes what changed it."""
        steps = self.facts_reader.num_unrecorded_steps() if kind == "outside" else 0
        name = f"trained without this callback ({steps} step{'s' * (steps > 1)})" if steps else name
        self._record(moment.make_record(kind, name=name, facts=self.facts_reader.read_at_rest(self.catalog)))


def _is_frozen(weight: Weight) -> bool:
    """Return whether a weight is frozen only by `trainable = False` on its layer or an enclosing layer."""
    return weight.not_trainable is not None and weight.not_trainable.is_frozen


class ReadOnlySource(Source):
    """A finished training, read from files, with or without its model."""

    def __init__(self, history: History, catalog: Catalog, model: keras.Model | None = None) -> None:
        self._history = history
        self._history.expected_keys = catalog.weights  # a model may have more weights than were recorded
        self.catalog = catalog
        self.model = model

    @property
    def history(self) -> History:
        """The history read from the files."""
        return self._history

    def refresh_catalog(self, report: ErrorHandler) -> None:
        """Do nothing: a finished training does not change."""

    def record_if_changed(self, moment: TrainingProgress, kind: str) -> str:  # noqa: ARG002 - the signature of `Source`
        """Do nothing: a finished training does not change."""
        return ""


# The packages of Keras 2. Their models look like models of Keras 3.
KERAS_2 = ("tf_keras.", "tensorflow.python.keras.")


def check_model(model: object) -> None:
    """Check that an object is a Keras 3 model.

    Raises:
        TypeError: If it is anything else. The message says what it is and what to do.
    """
    if isinstance(model, keras.Model):
        return
    kind = model if isinstance(model, type) else type(model)
    package = next((name for name in KERAS_2 for base in kind.__mro__ if f"{base.__module__}.".startswith(name)), None)
    if package:
        raise TypeError(
            f"WeightExplorer needs a model of Keras 3, and {kind.__name__} is one of Keras 2 ({package.rstrip('.')}). "
            f"Build it with `import keras`, not with tf_keras. If it was built with tf.keras, the environment variable "
            f"TF_USE_LEGACY_KERAS makes that Keras 2: start Python without it."
        )
    what = f"the class {model.__name__}" if isinstance(model, type) else f"{type(model).__name__}: {str(model)[:80]}"
    raise TypeError(
        f"WeightExplorer needs a Keras model, and got {what}. Pass the model itself: WeightExplorer(model). "
        f"A single layer can be wrapped: keras.Sequential([layer])."
    )


PathsArgument = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def open_checkpoints(
    model: keras.Model, path_or_paths: PathsArgument, memory: int, labels: Sequence[AxisLabels]
) -> ReadOnlySource:
    """Open checkpoint files as records. Damaged files are skipped with a warning.

    Raises:
        ValueError: If no checkpoint is found or can be read, or one does not fit the model. The message says which and why.
    """
    check_model(model)
    catalog, errors = apply_labels(read_catalog(model), labels)
    for error in errors:
        raise error
    found = keras_files.find_checkpoints(path_or_paths)
    places = keras_files.read_layout(model, catalog)
    paths, steps, notes = [], [], []
    for checkpoint in found:
        try:
            keras_files.check_checkpoint(checkpoint.path, places)
        except keras_files.UnusableFileError as error:
            notes.append(str(error))
            continue
        number = len(paths)
        steps.append(_checkpoint_record(number, checkpoint))
        paths.append(checkpoint.path)
    if not paths:
        raise ValueError(notes[0] if len(notes) == 1 else f"None of the {len(notes)} checkpoints can be read. {notes[0]}")
    held = _record_numbers_by_key(paths, places)
    past = CheckpointHistory(
        steps, held, lambda number, key: keras_files.read_weight(paths[number], places, key), memory, catalog
    )
    past.read_warnings = tuple(notes)
    source = ReadOnlySource(past, catalog, model)
    source.is_small = len(paths) * sum(weight.size for weight in catalog.weights.values()) <= MAX_SMALL_ELEMENTS
    return source


def _checkpoint_record(number: int, checkpoint: keras_files.Checkpoint) -> Record:
    epoch, name = checkpoint.epoch, checkpoint.path.name
    return Record(number, epoch, 0, float(epoch), "checkpoint", name=name, keras_epoch=epoch)


def _record_numbers_by_key(paths: list[Path], layout: keras_files.CheckpointLayout) -> dict[str, list[int]]:
    """Map each weight key to the numbers of the files that hold this weight."""
    held: dict[str, list[int]] = {}
    for number, path in enumerate(paths):
        with keras_files.open_checkpoint(path, layout) as file:
            for key in file.keys:
                held.setdefault(key, []).append(number)
    return held


def open_run(path: str | os.PathLike[str], model: keras.Model | None, labels: Sequence[AxisLabels]) -> ReadOnlySource:
    """Open a recorded run, with or without its model.

    Raises:
        ValueError: If the file is not a recorded run, or does not fit the model. The message says where.
        OSError: If the file cannot be read.
    """
    if model is not None:
        check_model(model)
    past = RunHistory(path)
    catalog = past.catalog if model is None else _align_catalog(past, model, Path(path))
    catalog, errors = apply_labels(catalog, labels)
    for error in errors:
        raise error
    return ReadOnlySource(past, catalog, model)


def _align_catalog(history: History, model: keras.Model, path: Path) -> Catalog:
    """Read the model's catalog, with the weight keys of the run and the Python expressions of this model."""
    here = read_catalog(model)
    if not here.weights and not here.is_fully_built:
        raise ValueError(
            f"{model.name!r} is not built, so it has no weights to compare with those of {str(path)!r}. "
            "Build it first: call it on a batch, or give it an Input."
        )
    alignment = align(describe_weights(history.catalog), describe_weights(here))
    if alignment.mismatches:
        raise ValueError(_mismatch_message(str(path), alignment.mismatches))
    catalog = read_catalog(model, {ours: here.variables[theirs] for ours, theirs in alignment.pairs.items()})
    return copy_labels(catalog, history.catalog)


def _mismatch_message(path: str, mismatches: Sequence[Mismatch]) -> str:
    first, others = mismatches[0], len(mismatches) - 1
    more = f" {others} more of its weights do not fit either." if others else ""
    return (
        f"The run {path!r} does not fit this model: {_MISMATCH_MESSAGES[first.reason](first)}.{more} Give the model that was "
        "recorded, "
        f"reloaded or built by the same code; or open the run without a model: WeightExplorer.load(path)."
    )


def _attribute_mismatch_message(attribute: str) -> Callable[[Mismatch], str]:
    def words(mismatch: Mismatch) -> str:
        there, here = mismatch.weight, mismatch.candidates[0]
        return (
            f"the run's {there.key!r} has the {attribute} {getattr(there, attribute)}, "
            f"and the model's {here.key!r} in its place has the {attribute} {getattr(here, attribute)}"
        )

    return words


def _missing_message(mismatch: Mismatch) -> str:
    return (
        f"the run has {mismatch.weight.key!r} of shape {mismatch.weight.shape}, and the model has no such weight in its place"
    )


def _ambiguous_message(mismatch: Mismatch) -> str:
    listed = " or ".join(f"{each.key!r} of shape {each.shape}" for each in mismatch.candidates[:4])
    there = f"the run's {mismatch.weight.key!r} of shape {mismatch.weight.shape}"
    return f"{there} could be {listed}, and the names and the order of the layers do not say which"


_MISMATCH_MESSAGES: dict[MismatchReason, Callable[[Mismatch], str]] = {
    MismatchReason.MISSING: _missing_message,
    MismatchReason.SHAPE: _attribute_mismatch_message("shape"),
    MismatchReason.DTYPE: _attribute_mismatch_message("dtype"),
    MismatchReason.AMBIGUOUS: _ambiguous_message,
}


def _record_numbers(history: History, key: str) -> np.ndarray:
    column = history.weight_history(key)
    return np.empty(0, np.int64) if column is None else column.record_numbers
