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
from weight_explorer.catalog.labels import Labels, with_labels
from weight_explorer.catalog.nodes import SEED_STATE, Catalog, Weight
from weight_explorer.catalog.walk import read_catalog, signature, write_values
from weight_explorer.diagnosis.facts import NO_FACTS, Facts
from weight_explorer.diagnosis.model import learning_rate_of, read_facts
from weight_explorer.editing.holding import follow
from weight_explorer.recording.checkpoints import FilePast
from weight_explorer.recording.frozen import FrozenPart, with_part, without_layers
from weight_explorer.recording.history import History
from weight_explorer.recording.past import Past
from weight_explorer.recording.recorder import Recorder
from weight_explorer.recording.runs import RunFile
from weight_explorer.recording.time import Step

# Elements in checkpoints that may all be read without being asked for: a gigabyte of float32.
LIGHT = 2**28

Report = Callable[[Exception], None]


class Source(ABC):
    """Gives the explorer its catalog and its past.

    Attributes:
        catalog: What the model holds, as far as it was read.
        model: The live model, where there is one.
        facts: What else is known of the model, as far as it was read: see `learn`.
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
    def look(self, key: str, place: tuple[int, int], kind: str) -> str:
        """Record the model as it is now if that weight differs from the last record; say what kind of record it made, if any.

        Args:
            key: The weight that is looked at.
            place: Epochs finished, and batches trained since.
            kind: What a record is called that is not the first.
        """

    def learn(self, *, anew: bool = False) -> None:
        """Read what else is known of the model, where that may have changed or `anew`; only while nothing is training."""
        if self.model is not None and (anew or self.facts is NO_FACTS):
            self.facts = read_facts(self.model, self.catalog, is_trained=False)

    def values_at(self, step: int) -> Mapping[str, Any]:
        """Return the values of every weight at a record, to put them back.

        Raises:
            ValueError: The record is not kept, or one of the weights is not kept whole; the message says which.
        """
        if self.past.step(step) is None:
            raise ValueError(f"Record {step} is not kept. Those that are: explorer.history.records.")
        values = {key: self.past.value(key, step) for key in self.catalog.variables}
        missing = [key for key, value in values.items() if value is None and self.catalog.weights[key].role != SEED_STATE]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ValueError(
                f"Record {step} cannot be restored: it does not keep all values of {missing[0]!r}{more}. "
                f'Records with values: explorer.history.steps(key). WeightExplorer(model, memory="...") keeps more.'
            )
        return {key: value for key, value in values.items() if value is not None}

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
        self._labels = labels
        # What the facts were read of, and how many records there were.
        self._learned_of: Catalog | None = None
        self._learned_at = 0
        self._is_beginning = True
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
        if step.kind != "batch" or not self.catalog.is_complete:
            self.refresh(report)
        if not self.catalog.weights:
            return self.catalog.is_complete
        if step.kind != "start" or not self.past.num_recorded or self.recorder.moved_any(self.catalog):
            self.recorder.record(self.catalog, step)
        self._learn_in_training(step.kind)
        return True

    def learn(self, *, anew: bool = False) -> None:
        """Read the facts where there is another catalog or another record than when they were read, or `anew`."""
        if anew or self._learned_of is not self.catalog or self._learned_at != self.past.num_recorded:
            self._learn()

    def _learn(self) -> None:
        self._learned_of, self._learned_at = self.catalog, self.past.num_recorded
        self.facts = read_facts(self.model, self.catalog, is_trained=True)

    def _learn_in_training(self, kind: str) -> None:
        """Read the facts on the training's own thread: all where it begins, and then only what changes in training.

        An optimizer is built by its first step at the latest, so the first record after the begin reads all once more.
        """
        if kind == "start" or self._is_beginning or self._learned_of is not self.catalog:
            self._learn()
            self._is_beginning = kind == "start"
        elif kind == "epoch" and (rate := learning_rate_of(self.model)) != self.facts.learning_rate:
            self.facts = replace(self.facts, learning_rate=rate)

    def look(self, key: str, place: tuple[int, int], kind: str) -> str:
        """Record the model as it is now if that weight differs from the last record."""
        if not self.recorder.differs(self.catalog, key):
            return ""
        kind = kind if self.past.num_recorded else "start"
        self.record_now(place, kind)
        return kind

    def record_rest(self, place: tuple[int, int]) -> None:
        """Record what a training that broke off did after its last record, so that nobody takes it for done by hand."""
        if self.recorder.moved_any(self.catalog):
            self.record_now(place, "batch")

    def record_now(self, place: tuple[int, int], kind: str, name: str = "") -> None:
        """Record the model as it is; `name` says what was done to it."""
        self.recorder.record(self.catalog, Step(0, *place, float(place[0]), kind, name=name))


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

    def look(self, key: str, place: tuple[int, int], kind: str) -> str:  # noqa: ARG002 - see above
        """Do nothing: the past stays as it is."""
        return ""


Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def checkpoints_of(model: keras.Model, given: Paths, memory: int, labels: Sequence[Labels]) -> StillSource:
    """Open checkpoint files as records; damaged ones are left out with a note.

    Raises:
        ValueError: There are none, none can be read, or one does not fit the model; the message says which and why.
    """
    catalog, errors = with_labels(read_catalog(model), labels)
    for error in errors:
        raise error
    found = files.find_checkpoints(given)
    places = files.places_of(model, catalog)
    paths, steps, notes = [], [], []
    for checkpoint in found:
        try:
            files.check(checkpoint.path, places)
        except files.DamagedFile as error:
            notes.append(str(error))
            continue
        number = len(paths)
        steps.append(Step(number, checkpoint.epoch, 0, float(checkpoint.epoch), "checkpoint", name=checkpoint.path.name))
        paths.append(checkpoint.path)
    if not paths:
        raise ValueError(f"None of the {len(found)} checkpoints can be read. {notes[0]}")
    held = _held_in(paths, places)
    past = FilePast(steps, held, lambda number, key: files.read(paths[number], places, key), memory, catalog)
    past.notes = tuple(notes)
    source = StillSource(past, catalog, model)
    source.is_light = len(paths) * sum(weight.size for weight in catalog.weights.values()) <= LIGHT
    return source


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
    past = RunFile(path)
    catalog = past.catalog
    if model is not None:
        catalog = read_catalog(model)
        _check_fit(past, catalog, Path(path))
    catalog, errors = with_labels(catalog, labels)
    for error in errors:
        raise error
    return StillSource(past, catalog, model)


def _check_fit(past: Past, catalog: Catalog, path: Path) -> None:
    for key, weight in past.catalog.weights.items():
        here = catalog.weights.get(key)
        if here is None:
            raise ValueError(
                f"{str(path)!r} is of another model: it has {key!r} of shape {weight.shape}, which this one has not. "
                f"Give the model it was recorded of, or none: WeightExplorer.load(path)."
            )
        for what in ("shape", "dtype"):
            there, now = getattr(weight, what), getattr(here, what)
            if there == now:
                continue
            raise ValueError(
                f"{str(path)!r} is of another model: {key!r} has the {what} {there} there and {now} here. "
                f"Give the model it was recorded of, or none: WeightExplorer.load(path)."
            )
