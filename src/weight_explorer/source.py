"""Where the weights on screen come from: a live model, or files of a training that is over."""

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

# Elements in checkpoints that may all be read without being asked for: a gigabyte of float32.
MAX_SMALL_ELEMENTS = 2**28

ErrorHandler = Callable[[Exception], None]


class Source(ABC):
    """Gives the explorer its catalog and its past.

    Attributes:
        catalog: What the model holds, as far as it was read.
        model: The live model, where there is one.
        facts: How its layers are connected and configured, as far as it was read: see `refresh_facts`.
        is_small: Whether to look at everything that was recorded is no matter of minutes.
    """

    catalog: Catalog
    model: Any = None
    facts: ModelFacts = NO_MODEL_FACTS
    is_small: bool = True

    @property
    @abstractmethod
    def history(self) -> History:
        """What is known of the past."""

    @abstractmethod
    def refresh_catalog(self, report: ErrorHandler) -> None:
        """Read the model's layers anew if they changed; what is wrong with labels is reported."""

    @abstractmethod
    def record_if_changed(self, moment: TrainingProgress, kind: str) -> str:
        """Record the model as it is now if any weight differs from the last record; return the kind of the record made, if any.

        Args:
            moment: Where the training stands.
            kind: What a record is called that is not the first.
        """

    def refresh_facts(self) -> None:
        """Read how the model's layers are connected, where that may have changed; only while nothing is training."""
        if self.model is not None and self.facts is NO_MODEL_FACTS:
            self.facts = read_model_facts(self.model, self.catalog)

    def values_at(self, record_number: int) -> Mapping[str, Any]:
        """Return the values of every weight at a record, to put them back.

        Raises:
            ValueError: The record is not kept, or one of the weights is not kept whole; the message says which.
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
        """Say why a record cannot give all values: what was not there yet, what is never recorded, or what was not kept."""
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
        """Put the values of a record back into the model; see `values_at`. All of them, or none.

        Raises:
            ValueError: A weight has another shape than it had.
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
    """A model, and the history of what is recorded of it.

    Args:
        model: The live model.
        live_history: Where records go.
        labels: What the axes and elements of weights are called.
        read: Gives the values of variables; see `Recorder`.

    Raises:
        ValueError: A label does not fit.
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
        """The history."""
        return self.live_history

    def _read_catalog(self, known_variables: Mapping[str, object] | None = None) -> list[ValueError]:
        """Read the model anew; return what is wrong with labels, which it does without."""
        # In this order: where reading fails, it is tried again the next time.
        found = model_signature(self.model)
        catalog, errors = apply_labels(read_catalog(self.model, known_variables), self._labels)
        self.live_history.expected_keys = (
            catalog.weights
        )  # first: who draws in between asks the history for what the catalog has
        self.catalog = catalog
        self._update_frozen_layers()
        self._signature = found
        return errors

    def _update_frozen_layers(self) -> None:
        """Note which weights do not train from now on because of `trainable = False`, and which do again."""
        history = self.live_history
        still = {key: weight.not_trainable_text for key, weight in self.catalog.weights.items() if _is_frozen(weight)}
        known = {part.key for part in history.frozen_parts if part.mask is None and part.last_record is None}
        history.frozen_parts = release_weights(history.frozen_parts, known - still.keys(), history.num_recorded - 1)
        for key, reason in still.items():
            if key not in known:
                since = self.current_record_number(key)
                history.frozen_parts = add_part(history.frozen_parts, FrozenPart(key, reason, since, first_record=since))

    def current_record_number(self, key: str) -> int:
        """Return the number of the record that has a weight as it is now: the last one, or the one to come."""
        last = self.live_history.num_recorded - 1
        return last + 1 if last < 0 or self.recorder.has_changed(self.catalog, key) else last

    def refresh_catalog(self, report: ErrorHandler) -> None:
        """Read the model's layers anew if they changed."""
        if self._signature != model_signature(self.model):
            for error in self._read_catalog(self.catalog.variables):
                report(error)

    def record(self, record: Record, report: ErrorHandler) -> bool:
        """Copy all weights into the history; called in training. Says whether there is nothing to wait for."""
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
        """Read what holds now; a record is worth more than its facts, so that an error leaves them unknown."""
        try:
            return self.facts_reader.read(self.catalog, self._preceding, ends_epoch=ends_epoch)
        except Exception as error:  # noqa: BLE001 - whatever it is, the user is to see it
            report(error)
            return UNKNOWN_FACTS

    def _record_start(self, record: Record) -> None:
        """Record the state that a training begins with, where it is not the last record.

        What was done to the weights before the first training, such as loading them, is no part of it: changes are measured
        from here on.
        """
        last = self.history.num_recorded - 1
        is_first = not self._has_trained and last >= 0
        if last < 0 or self.recorder.has_any_changed(self.catalog) or (is_first and self.history.start_record != last):
            self.recorder.record(self.catalog, record, resets_start=is_first)

    def _record(self, record: Record) -> None:
        """Add a record, and remember the last change that no training made."""
        made = self.recorder.record(self.catalog, record)
        if record.kind in TRAINED_KINDS:
            self._has_trained, self._preceding = True, None
        elif record.kind not in BOUNDARY_KINDS:
            self._preceding = PrecedingChange(made.number, record.kind, record.name)
        if record.kind in DETECTED_KINDS:
            self._describe_change(made)

    def _describe_change(self, record: Record) -> None:
        """Say of a change that was found what it is, as far as the weights themselves show it."""
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
        """Read how the model's layers are connected, where the catalog is another one than when it was read."""
        if self._facts_catalog is not self.catalog:
            self._facts_catalog, self.facts = self.catalog, read_model_facts(self.model, self.catalog)

    def record_if_changed(self, moment: TrainingProgress, kind: str) -> str:
        """Record the model as it is now if any weight differs from the last record."""
        if not self.catalog.weights or not self.recorder.has_any_changed(self.catalog):
            return ""
        kind = kind if self.history.num_recorded else "start"
        self.record_now(moment, kind)
        return kind

    def record_remaining(self, moment: TrainingProgress, report: ErrorHandler) -> None:
        """Record what a training did after its last record, so that it is not taken for a change from outside."""
        if self.recorder.has_any_changed(self.catalog):
            self._record(moment.make_record("batch", facts=self._read_record_facts(report)))

    def record_now(self, moment: TrainingProgress, kind: str, name: str = "") -> None:
        """Record the model at rest; `name` says what was done to it."""
        steps = self.facts_reader.num_unrecorded_steps() if kind == "outside" else 0
        name = f"trained without this callback ({steps} step{'s' * (steps > 1)})" if steps else name
        self._record(moment.make_record(kind, name=name, facts=self.facts_reader.read_at_rest(self.catalog)))


def _is_frozen(weight: Weight) -> bool:
    """Say whether a weight would train but for `trainable = False` of its layer, or of one above."""
    return weight.not_trainable is not None and weight.not_trainable.is_frozen


class ReadOnlySource(Source):
    """A past that is over, with the model that it belongs to or without."""

    def __init__(self, history: History, catalog: Catalog, model: keras.Model | None = None) -> None:
        self._history = history
        self._history.expected_keys = catalog.weights  # a model may have more than was recorded
        self.catalog = catalog
        self.model = model

    @property
    def history(self) -> History:
        """What the files hold."""
        return self._history

    def refresh_catalog(self, report: ErrorHandler) -> None:
        """Do nothing: the past stays as it is."""

    def record_if_changed(self, moment: TrainingProgress, kind: str) -> str:  # noqa: ARG002 - see above
        """Do nothing: the past stays as it is."""
        return ""


# The packages of Keras 2, whose models look like those of Keras 3.
KERAS_2 = ("tf_keras.", "tensorflow.python.keras.")


def check_model(model: object) -> None:
    """Refuse what is not a model of Keras 3.

    Raises:
        TypeError: It is something else; the message says what, and what to do.
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
    """Open checkpoint files as records; damaged ones are left out with a note.

    Raises:
        ValueError: There are none, none can be read, or one does not fit the model; the message says which and why.
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
    """Return from key to the numbers of the files that hold this weight."""
    held: dict[str, list[int]] = {}
    for number, path in enumerate(paths):
        with keras_files.open_checkpoint(path, layout) as file:
            for key in file.keys:
                held.setdefault(key, []).append(number)
    return held


def open_run(path: str | os.PathLike[str], model: keras.Model | None, labels: Sequence[AxisLabels]) -> ReadOnlySource:
    """Open a recorded run, with the model it belongs to or without.

    Raises:
        ValueError: The file is no recorded run, or does not fit the model; the message says where.
        OSError: It cannot be read.
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
    """Read the model's catalog; each weight has the key under which the run has it, and the Python that leads to it here."""
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
