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

from weight_explorer.catalog import files
from weight_explorer.catalog.alignment import Mismatch, Reason, align, descriptions_of
from weight_explorer.catalog.labels import Labels, with_labels, with_labels_of
from weight_explorer.catalog.nodes import SEED_STATE, Catalog, Weight
from weight_explorer.catalog.walk import read_catalog, signature, write_values
from weight_explorer.diagnosis.facts import NO_FACTS, Facts
from weight_explorer.diagnosis.model import read_facts
from weight_explorer.editing.holding import follow
from weight_explorer.recording.checkpoints import FilePast
from weight_explorer.recording.facts import UNKNOWN_FACTS, Activity, Preceding, RecordFacts
from weight_explorer.recording.frozen import FrozenPart, with_part, without_layers
from weight_explorer.recording.history import History
from weight_explorer.recording.past import Past
from weight_explorer.recording.recorder import Recorder
from weight_explorer.recording.runs import RunFile
from weight_explorer.recording.time import BELONGS_TO_TRAINING, FOUND_CHANGED, TRAINED, Moment, Step
from weight_explorer.training_facts import FactsReader

# Elements in checkpoints that may all be read without being asked for: a gigabyte of float32.
LIGHT = 2**28

Report = Callable[[Exception], None]


class Source(ABC):
    """Gives the explorer its catalog and its past.

    Attributes:
        catalog: What the model holds, as far as it was read.
        model: The live model, where there is one.
        facts: How its layers are connected and configured, as far as it was read: see `refresh_facts`.
        is_light: Whether to look at everything that was recorded is no matter of minutes.
    """

    catalog: Catalog
    model: Any = None
    facts: Facts = NO_FACTS
    is_light: bool = True

    @property
    @abstractmethod
    def past(self) -> Past:
        """What is known of the past."""

    @abstractmethod
    def refresh(self, report: Report) -> None:
        """Read the model's layers anew if they changed; what is wrong with labels is reported."""

    @abstractmethod
    def record_if_changed(self, moment: Moment, kind: str) -> str:
        """Record the model as it is now if any weight differs from the last record; return the kind of the record made, if any.

        Args:
            moment: Where the training stands.
            kind: What a record is called that is not the first.
        """

    def refresh_facts(self) -> None:
        """Read how the model's layers are connected, where that may have changed; only while nothing is training."""
        if self.model is not None and self.facts is NO_FACTS:
            self.facts = read_facts(self.model, self.catalog)

    def values_at(self, step: int) -> Mapping[str, Any]:
        """Return the values of every weight at a record, to put them back.

        Raises:
            ValueError: The record is not kept, or one of the weights is not kept whole; the message says which.
        """
        record = self.past.step(step)
        if record is None:
            raise ValueError(f"Record {step} is not kept. Those that are: explorer.history.records.")
        values = {key: self.past.value(key, step) for key in self.catalog.variables}
        missing = [key for key, value in values.items() if value is None and self.catalog.weights[key].role != SEED_STATE]
        if missing:
            raise ValueError(f"Record {step} cannot be restored: {self._why_missing(record, missing)}")
        return {key: value for key, value in values.items() if value is not None}

    def _why_missing(self, record: Step, missing: Sequence[str]) -> str:
        """Say why a record cannot give all values: what was not there yet, what is never recorded, or what was not kept."""
        unknown = [key for key in missing if record.number not in _numbers_of(self.past, key)]
        key, count = (unknown or missing)[0], len(unknown or missing) - 1
        words = f"{key!r}" + (f" and {count} more" if count else "")
        with_values = f"Records with its values: explorer.history.steps({key!r})."
        if not unknown:
            return f'it does not keep all values of {words}. {with_values} WeightExplorer(model, memory="...") keeps more.'
        if record.kind == "checkpoint":
            return f"the file {record.name!r} does not hold {words}. {with_values}"
        if self.catalog.weights[key].dtype.startswith("complex"):
            return f"{words} holds complex numbers, which are not recorded."
        numbers = _numbers_of(self.past, key)
        first = f"Its first record is record {numbers[0]}." if len(numbers) else "No record has it."
        return f"the model did not have {words} when the record was made. {first}"

    def restore(self, step: int) -> None:
        """Put the values of a record back into the model; see `values_at`. All of them, or none.

        Raises:
            ValueError: A weight has another shape than it had.
        """
        values = self.values_at(step)
        for key, value in values.items():
            weight = self.catalog.weights[key]
            if (value.shape, str(value.dtype)) != (weight.shape, weight.dtype):
                then, now = f"{value.shape} of {value.dtype}", f"{weight.shape} of {weight.dtype}"
                raise ValueError(f"Record {step} cannot be restored: {key!r} was {then}, and is {now} now.")
        for key, value in values.items():
            write_values(self.catalog.variables[key], value)
            follow(self.catalog.variables[key])


class LiveSource(Source):
    """A model, and the history of what is recorded of it.

    Args:
        model: The live model.
        history: Where records go.
        labels: What the axes and elements of weights are called.
        read: Gives the values of variables; see `Recorder`.

    Raises:
        ValueError: A label does not fit.
    """

    def __init__(
        self,
        model: keras.Model,
        history: History,
        labels: Sequence[Labels],
        read: Callable[[Sequence[Any]], Sequence[np.ndarray]],
    ) -> None:
        self.model = model
        self.history = history
        self.recorder = Recorder(history, read)
        self.training = FactsReader(model)
        self._labels = labels
        self._facts_of: Catalog | None = None
        self._flags: tuple[bool, ...] = ()
        self._has_trained = False
        self._after: Preceding | None = None
        for error in self._read():
            raise error

    @property
    def past(self) -> Past:
        """The history."""
        return self.history

    def _read(self, known: Mapping[str, object] | None = None) -> list[ValueError]:
        """Read the model anew; return what is wrong with labels, which it does without."""
        # In this order: where reading fails, it is tried again the next time.
        found = signature(self.model)
        catalog, errors = with_labels(read_catalog(self.model, known), self._labels)
        self.history.expected = catalog.weights  # first: who draws in between asks the history for what the catalog has
        self.catalog = catalog
        self._note_frozen_layers()
        self._signature = found
        return errors

    def _note_frozen_layers(self) -> None:
        """Note which weights do not train from now on because of `trainable = False`, and which do again."""
        history = self.history
        still = {key: weight.reason for key, weight in self.catalog.weights.items() if _is_frozen(weight)}
        known = {part.key for part in history.frozen if part.mask is None and part.until is None}
        history.frozen = without_layers(history.frozen, known - still.keys(), history.num_recorded - 1)
        for key, reason in still.items():
            if key not in known:
                since = self.number_of_now(key)
                history.frozen = with_part(history.frozen, FrozenPart(key, reason, since, begin=since))

    def number_of_now(self, key: str) -> int:
        """Return the number of the record that has a weight as it is now: the last one, or the one to come."""
        last = self.history.num_recorded - 1
        return last + 1 if last < 0 or self.recorder.differs(self.catalog, key) else last

    def refresh(self, report: Report) -> None:
        """Read the model's layers anew if they changed."""
        if self._signature != signature(self.model):
            for error in self._read(self.catalog.variables):
                report(error)

    def record(self, step: Step, report: Report) -> bool:
        """Copy all weights into the history; called in training. Says whether there is nothing to wait for."""
        flags = self.training.flags(self.catalog)
        if step.kind != "batch" or not self.catalog.is_complete or flags != self._flags:
            self.refresh(report)
            self._flags = self.training.flags(self.catalog)
        if not self.catalog.weights:
            return self.catalog.is_complete
        if step.kind == "start":
            self._record_start(replace(step, facts=self._facts(report)))
        elif step.kind != "ended" or self.recorder.moved_any(self.catalog):
            self._record(replace(step, facts=self._facts(report, ends_epoch=step.kind == "epoch")))
        if self._facts_of is not self.catalog:
            self.refresh_facts()
        return True

    def _facts(self, report: Report, *, ends_epoch: bool = False) -> RecordFacts:
        """Read what holds now; a record is worth more than its facts, so that an error leaves them unknown."""
        try:
            return self.training.read(self.catalog, self._after, ends_epoch=ends_epoch)
        except Exception as error:  # noqa: BLE001 - whatever it is, the user is to see it
            report(error)
            return UNKNOWN_FACTS

    def _record_start(self, step: Step) -> None:
        """Record the state that a training begins with, where it is not the last record.

        What was done to the weights before the first training, such as loading them, is no part of it: changes are measured
        from here on.
        """
        last = self.past.num_recorded - 1
        is_first = not self._has_trained and last >= 0
        if last < 0 or self.recorder.moved_any(self.catalog) or (is_first and self.past.start != last):
            self.recorder.record(self.catalog, step, restarts=is_first)

    def _record(self, step: Step) -> None:
        """Add a record, and remember the last change that no training made."""
        made = self.recorder.record(self.catalog, step)
        if step.kind in TRAINED:
            self._has_trained, self._after = True, None
        elif step.kind not in BELONGS_TO_TRAINING:
            self._after = Preceding(made.number, step.kind, step.name)
        if step.kind in FOUND_CHANGED:
            self._explain(made)

    def _explain(self, step: Step) -> None:
        """Say of a change that was found what it is, as far as the weights themselves show it."""
        earlier, in_fit = self.history.same_as(step.number), step.facts.conditions.activity is Activity.FIT
        if step.kind == "outside":
            if earlier is not None:
                self.history.describe(step.number, "reverted", f"weights of record {earlier} put back")
        elif earlier is not None:
            by = "by a callback at the end of fit" if in_fit else "at the end of the training"
            self.history.describe(step.number, step.kind, f"weights of record {earlier} put back {by}")
        elif self.training.holds_averages():
            self.history.describe(step.number, step.kind, "moving average of the weights (use_ema)")
        elif in_fit:
            self.history.describe(step.number, step.kind, "changed by another callback after the last epoch")

    def refresh_facts(self) -> None:
        """Read how the model's layers are connected, where the catalog is another one than when it was read."""
        if self._facts_of is not self.catalog:
            self._facts_of, self.facts = self.catalog, read_facts(self.model, self.catalog)

    def record_if_changed(self, moment: Moment, kind: str) -> str:
        """Record the model as it is now if any weight differs from the last record."""
        if not self.catalog.weights or not self.recorder.moved_any(self.catalog):
            return ""
        kind = kind if self.past.num_recorded else "start"
        self.record_now(moment, kind)
        return kind

    def record_rest(self, moment: Moment, report: Report) -> None:
        """Record what a training did after its last record, so that it is not taken for a change from outside."""
        if self.recorder.moved_any(self.catalog):
            self._record(moment.step("batch", facts=self._facts(report)))

    def record_now(self, moment: Moment, kind: str, name: str = "") -> None:
        """Record the model at rest; `name` says what was done to it."""
        steps = self.training.steps_unseen() if kind == "outside" else 0
        name = f"trained without this callback ({steps} step{'s' * (steps > 1)})" if steps else name
        self._record(moment.step(kind, name=name, facts=self.training.read_at_rest(self.catalog)))


def _is_frozen(weight: Weight) -> bool:
    """Say whether a weight would train but for `trainable = False` of its layer, or of one above."""
    return weight.not_trainable is not None and weight.not_trainable.is_frozen


class StillSource(Source):
    """A past that is over, with the model that it belongs to or without."""

    def __init__(self, past: Past, catalog: Catalog, model: keras.Model | None = None) -> None:
        self._past = past
        self._past.expected = catalog.weights  # a model may have more than was recorded
        self.catalog = catalog
        self.model = model

    @property
    def past(self) -> Past:
        """What the files hold."""
        return self._past

    def refresh(self, report: Report) -> None:
        """Do nothing: the past stays as it is."""

    def record_if_changed(self, moment: Moment, kind: str) -> str:  # noqa: ARG002 - see above
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


Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def checkpoints_of(model: keras.Model, given: Paths, memory: int, labels: Sequence[Labels]) -> StillSource:
    """Open checkpoint files as records; damaged ones are left out with a note.

    Raises:
        ValueError: There are none, none can be read, or one does not fit the model; the message says which and why.
    """
    check_model(model)
    catalog, errors = with_labels(read_catalog(model), labels)
    for error in errors:
        raise error
    found = files.find_checkpoints(given)
    places = files.places_of(model, catalog)
    paths, steps, notes = [], [], []
    for checkpoint in found:
        try:
            files.check(checkpoint.path, places)
        except files.UnusableFileError as error:
            notes.append(str(error))
            continue
        number = len(paths)
        steps.append(_step_of(number, checkpoint))
        paths.append(checkpoint.path)
    if not paths:
        raise ValueError(notes[0] if len(notes) == 1 else f"None of the {len(notes)} checkpoints can be read. {notes[0]}")
    held = _held_in(paths, places)
    past = FilePast(steps, held, lambda number, key: files.read(paths[number], places, key), memory, catalog)
    past.notes = tuple(notes)
    source = StillSource(past, catalog, model)
    source.is_light = len(paths) * sum(weight.size for weight in catalog.weights.values()) <= LIGHT
    return source


def _step_of(number: int, checkpoint: files.Checkpoint) -> Step:
    epoch, name = checkpoint.epoch, checkpoint.path.name
    return Step(number, epoch, 0, float(epoch), "checkpoint", name=name, keras_epoch=epoch)


def _held_in(paths: list[Path], places: files.Places) -> dict[str, list[int]]:
    """Return from key to the numbers of the files that hold this weight."""
    held: dict[str, list[int]] = {}
    for number, path in enumerate(paths):
        with files.open_checkpoint(path, places) as file:
            for key in file.keys:
                held.setdefault(key, []).append(number)
    return held


def run_of(path: str | os.PathLike[str], model: keras.Model | None, labels: Sequence[Labels]) -> StillSource:
    """Open a recorded run, with the model it belongs to or without.

    Raises:
        ValueError: The file is no recorded run, or does not fit the model; the message says where.
        OSError: It cannot be read.
    """
    if model is not None:
        check_model(model)
    past = RunFile(path)
    catalog = past.catalog if model is None else _catalog_of_run(past, model, Path(path))
    catalog, errors = with_labels(catalog, labels)
    for error in errors:
        raise error
    return StillSource(past, catalog, model)


def _catalog_of_run(past: Past, model: keras.Model, path: Path) -> Catalog:
    """Read the model's catalog; each weight has the key under which the run has it, and the Python that leads to it here."""
    here = read_catalog(model)
    if not here.weights and not here.is_complete:
        raise ValueError(
            f"{model.name!r} is not built, so it has no weights to compare with those of {str(path)!r}. "
            "Build it first: call it on a batch, or give it an Input."
        )
    alignment = align(descriptions_of(past.catalog), descriptions_of(here))
    if alignment.mismatches:
        raise ValueError(_misfit_words(str(path), alignment.mismatches))
    catalog = read_catalog(model, {ours: here.variables[theirs] for ours, theirs in alignment.pairs.items()})
    return with_labels_of(catalog, past.catalog)


def _misfit_words(path: str, mismatches: Sequence[Mismatch]) -> str:
    first, others = mismatches[0], len(mismatches) - 1
    more = f" {others} more of its weights do not fit either." if others else ""
    return (
        f"The run {path!r} does not fit this model: {_MISFITS[first.reason](first)}.{more} Give the model that was recorded, "
        f"reloaded or built by the same code; or open the run without a model: WeightExplorer.load(path)."
    )


def _misfit_of(what: str) -> Callable[[Mismatch], str]:
    def words(mismatch: Mismatch) -> str:
        there, here = mismatch.weight, mismatch.candidates[0]
        return (
            f"the run's {there.key!r} has the {what} {getattr(there, what)}, "
            f"and the model's {here.key!r} in its place has the {what} {getattr(here, what)}"
        )

    return words


def _missing_words(mismatch: Mismatch) -> str:
    return (
        f"the run has {mismatch.weight.key!r} of shape {mismatch.weight.shape}, and the model has no such weight in its place"
    )


def _ambiguous_words(mismatch: Mismatch) -> str:
    listed = " or ".join(f"{each.key!r} of shape {each.shape}" for each in mismatch.candidates[:4])
    there = f"the run's {mismatch.weight.key!r} of shape {mismatch.weight.shape}"
    return f"{there} could be {listed}, and the names and the order of the layers do not say which"


_MISFITS: dict[Reason, Callable[[Mismatch], str]] = {
    Reason.MISSING: _missing_words,
    Reason.SHAPE: _misfit_of("shape"),
    Reason.DTYPE: _misfit_of("dtype"),
    Reason.AMBIGUOUS: _ambiguous_words,
}


def _numbers_of(past: Past, key: str) -> np.ndarray:
    column = past.column(key)
    return np.empty(0, np.int64) if column is None else column.numbers
