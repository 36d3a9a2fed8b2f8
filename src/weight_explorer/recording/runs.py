"""Read a run that was saved: statistics and values as someone looks at them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import ml_dtypes  # noqa: F401 - NumPy knows the names of its types from then on
import numpy as np

from weight_explorer.catalog import hdf5
from weight_explorer.catalog.file_kinds import Reader, is_begun, kind_of
from weight_explorer.catalog.saved import catalog_from_text
from weight_explorer.recording.facts import RecordFacts
from weight_explorer.recording.frozen import FrozenPart
from weight_explorer.recording.histogram import Histograms
from weight_explorer.recording.lattice import BINS
from weight_explorer.recording.past import Column, Past
from weight_explorer.recording.sampling import Sample
from weight_explorer.recording.save import FORMAT, STATISTICS
from weight_explorer.recording.saved_facts import facts_from_json
from weight_explorer.recording.slices import SliceRows
from weight_explorer.recording.statistics import FIELDS, QUANTITIES
from weight_explorer.recording.time import Step, Timeline


class RunFile(Past):
    """A saved run. Statistics and values are read from the file when someone looks.

    Raises:
        ValueError: The file is not one that `save_run` wrote, or damaged; the message says what it is instead.
        OSError: It cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser()
        self._found: tuple[int, int, int] | None = None
        with self._open() as file:
            head = json.loads(hdf5.text_at(file, "steps"))
            self.catalog = catalog_from_text(hdf5.text_at(file, "catalog"))
            self._groups = {hdf5.text_at(group, "key"): f"weights/{name}" for name, group in _members_of(file, "weights")}
            self.frozen = tuple(_frozen_part(group) for _, group in _members_of(file, "frozen"))
            pairs = zip(head["steps"], facts_from_json(head["facts"]), strict=True)
            steps = [_step(fields, facts) for fields, facts in pairs]
            self.num_recorded, self.memory, self.start = (int(head[name]) for name in ("num_recorded", "memory", "start"))
            self._timeline = _AsSaved(steps, {int(epoch): int(length) for epoch, length in head["lengths"]})
            if not _ascends(self._timeline.numbers) or not np.isfinite(self._timeline.positions).all():
                raise ValueError("its records do not follow each other")
            if not {*self._groups} <= {*self.catalog.weights}:
                raise ValueError("it has records of a weight that is not in its catalog")
        self._columns: dict[str, Column] = {}

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        if not self.path.exists():
            raise FileNotFoundError(f"There is no file {str(self.path)!r}.")
        if not self.path.is_file():
            raise ValueError(self._no_run())
        state = self.path.stat()
        found = state.st_ino, state.st_mtime_ns, state.st_size
        if self._found not in (None, found):
            raise ValueError(f"{str(self.path)!r} was replaced since it was opened. Open it again: WeightExplorer.load(path).")
        self._found = found
        if not h5py.is_hdf5(self.path):
            raise ValueError(self._no_run())
        with self._telling_damage(), h5py.File(self.path, "r") as file:
            if not _is_run(file):
                raise _NoRun(self._no_run())
            yield file

    def _no_run(self) -> str:
        """Say what the file is instead of a run that can be opened."""
        kind = kind_of(self.path)
        if kind is None:
            what = "is empty or cut off" if is_begun(self.path) else "is not a recorded run"
            return f"{str(self.path)!r} {what}. Give a file that explorer.history.save(path) wrote."
        if kind.reader is not Reader.RUN:
            return Reader.RUN.refusal(kind, self.path)
        return (
            f"{str(self.path)!r} was saved by another version of Weight Explorer, in a format that this one does not read. "
            f"Open it with that version."
        )

    @contextlib.contextmanager
    def _telling_damage(self) -> Iterator[None]:
        """Turn whatever comes of a damaged file into what a user can act on."""
        try:
            yield
        except _NoRun:
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {error}"[:200]
            advice = "Give a copy of it that explorer.history.save(path) wrote whole."
            raise ValueError(f"{str(self.path)!r} is cut off or damaged ({why}). {advice}") from error

    @property
    def timeline(self) -> Timeline:
        """All records."""
        return self._timeline

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the weights."""
        return tuple(self._groups)

    def column(self, key: str) -> Column | None:
        """Return what the file has of a weight, or None."""
        if key in self._groups and key not in self._columns:
            with self._open() as file:
                self._columns[key] = RunColumn(self, key, self._groups[key], file)
        return self._columns.get(key)

    @property
    def at_hand(self) -> Iterable[Column]:
        """The weights that were looked at."""
        return list(self._columns.values())

    def read(self, group: str, place: int) -> np.ndarray:
        """Read the values of a weight at one of its kept records."""
        with self._open() as file:
            values = hdf5.numbers_of(hdf5.find(file, f"{group}/values"))
            found = _original(np.asarray(values[place]), values)
        found.setflags(write=False)
        return found


def _is_run(file: Any) -> bool:
    """Say whether a file has the format of this version's runs."""
    with contextlib.suppress(hdf5.NotPlain):
        return bool(hdf5.attribute(file, "format") == FORMAT.encode())
    return False


def _step(fields: dict[str, Any], facts: RecordFacts) -> Step:
    logs = MappingProxyType({str(name): float(value) for name, value in fields["logs"].items()})
    number, epoch, batch, fit, printed = (int(fields[name]) for name in ("number", "epoch", "batch", "fit", "keras_epoch"))
    kind, name = str(fields["kind"]), str(fields["name"])
    return Step(number, epoch, batch, float(fields["position"]), kind, fit, name, logs, printed, facts)


def _frozen_part(group: Any) -> FrozenPart:
    said = json.loads(hdf5.text_at(group, "said"))
    if "mask" not in group:
        return FrozenPart(**said)
    mask, values = hdf5.array_at(group, "mask"), hdf5.array_at(group, "values")
    if mask.dtype != bool or values.shape != (np.count_nonzero(mask),):
        raise ValueError("the values of what is frozen do not fit its mask")
    return FrozenPart(**said, mask=mask, values=_original(values, group["values"]))


def _members_of(file: Any, name: str) -> list[tuple[str, Any]]:
    """Return the groups in a group, in the order of their numbers."""
    group = hdf5.find(file, name)
    return [(each, hdf5.find(group, each)) for each in sorted(group or (), key=int)]


class _AsSaved(Timeline):
    """A timeline whose positions are known."""

    def steps(self) -> tuple[Step, ...]:
        """Return all records as they were saved."""
        return self._steps


class RunColumn(Column):
    """One weight of a saved run."""

    def __init__(self, run: RunFile, key: str, name: str, file: Any) -> None:
        group = hdf5.find(file, name)
        self.key = key
        self.start = run.start
        self._run = run
        self._name = name
        self._numbers, self._rows, *self._bins = (hdf5.array_at(group, field) for field in STATISTICS)
        self._kept = tuple(hdf5.array_at(group, "kept").tolist()) if "values" in group else ()
        if "sample" in group:
            shape = tuple(int(size) for size in hdf5.attribute(group["sample"], "shape"))
            self.sample = Sample(hdf5.array_at(group, "sample"), shape)
        self._check(group)
        self._slices: dict[int, SliceRows] = {}
        self._last: tuple[int, np.ndarray] | None = None

    def _check(self, group: Any) -> None:
        """Refuse what does not fit together, which would come out as an error, or a wrong picture, far from here."""
        shape = self._run.catalog.weights[self.key].shape
        count, (exponents, firsts, counts) = len(self._numbers), self._bins
        fits = {
            "rows": self._rows.shape == (count, len(QUANTITIES), len(FIELDS)),
            "histograms": exponents.shape == firsts.shape == (count,) and counts.shape == (count, BINS),
            "order": _ascends(self._numbers) and _ascends(np.array(self._kept, np.int64)),
            "records": {*self._numbers.tolist(), *self._kept} <= {*self._run.timeline.numbers.tolist()},
        }
        if self.sample is not None:
            indexes = self.sample.indexes
            fits["sample"] = self.sample.shape == shape and _ascends(indexes)
            fits["elements"] = not len(indexes) or 0 <= indexes[0] <= indexes[-1] < self.sample.size
            shape = indexes.shape
        if "values" in group:
            fits["values"] = group["values"].shape == (len(self._kept), *shape)
        wrong = [name for name, is_right in fits.items() if not is_right]
        if wrong:
            raise ValueError(f"the {wrong[0]} of {self.key[:80]!r} do not fit")
        Histograms.of(self._numbers, exponents, firsts, counts, self._rows[:, 0])

    @property
    def numbers(self) -> np.ndarray:
        """Numbers of the records with statistics."""
        return self._numbers

    @property
    def kept(self) -> tuple[int, ...]:
        """Numbers of the records with values."""
        return self._kept

    def rows(self, places: slice | np.ndarray) -> np.ndarray:
        """Statistics at these places of `numbers`."""
        return self._rows[places]

    def bins(self, places: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lattices and counts at these places of `numbers`."""
        exponents, firsts, counts = (array[places] for array in self._bins)
        return exponents, firsts, counts

    def value(self, number: int) -> np.ndarray | None:
        """Read the values at a record, or None where they were not kept."""
        if number not in self._kept:
            return None
        last = self._last
        if last is None or last[0] != number:
            last = self._last = (number, self._run.read(self._name, self._kept.index(number)))
        return last[1]

    def slices(self, number: int) -> SliceRows:
        """Where the statistics of parts of this record are remembered."""
        return self._slices.setdefault(number, SliceRows())


def _ascends(numbers: np.ndarray) -> bool:
    return numbers.ndim == 1 and numbers.dtype.kind in "iu" and bool((np.diff(numbers) > 0).all())


def _original(stored: np.ndarray, dataset: Any) -> np.ndarray:
    """Give numbers back the type that they were recorded in: one of NumPy's, or of the package ml_dtypes."""
    name = bytes(hdf5.attribute(dataset, "dtype")).decode()
    if str(stored.dtype) == name:
        return stored
    original = np.dtype(name)
    if original.hasobject or original.isbuiltin == 1 or original.itemsize != stored.itemsize:
        raise ValueError(f"numbers of the type {name[:80]!r} cannot stand as {stored.dtype}")
    return stored.view(original)


class _NoRun(ValueError):  # noqa: N818 - it says what the file is
    """A file that is well, but something else."""
