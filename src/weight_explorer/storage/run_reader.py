"""Read a saved run; statistics and values are loaded on demand."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import ml_dtypes  # noqa: F401 - registers its type names with NumPy
import numpy as np

from weight_explorer.catalog.serialization import catalog_from_json
from weight_explorer.recording.facts import RecordFacts
from weight_explorer.recording.freeze_checks import FrozenPart
from weight_explorer.recording.history import History, WeightHistory
from weight_explorer.recording.part_statistics import PartStatisticsCache
from weight_explorer.recording.records import Record, Timeline
from weight_explorer.recording.sampling import Sample
from weight_explorer.recording.statistics.bin_grid import NUM_BINS
from weight_explorer.recording.statistics.histograms import Histograms
from weight_explorer.recording.statistics.summary import FIELDS, QUANTITIES
from weight_explorer.storage import hdf5
from weight_explorer.storage.facts_json import facts_from_json
from weight_explorer.storage.formats import FormatReader, detect_format, is_incomplete
from weight_explorer.storage.run_writer import FORMAT, STATISTICS_DATASETS


class RunHistory(History):
    """A saved run. Statistics and values are read from the file on demand.

    Raises:
        ValueError: The file was not written by `save_run`, or is damaged; the message says what the file is instead.
        OSError: The file cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser()
        self._file_state: tuple[int, int, int] | None = None
        with self._open() as file:
            head = json.loads(hdf5.read_text(file, "steps"))
            self.catalog = catalog_from_json(hdf5.read_text(file, "catalog"))
            self._groups = {hdf5.read_text(group, "key"): f"weights/{name}" for name, group in _members_of(file, "weights")}
            self.frozen_parts = tuple(_read_frozen_part(group) for _, group in _members_of(file, "frozen"))
            pairs = zip(head["steps"], facts_from_json(head["facts"]), strict=True)
            steps = [_read_record(fields, facts) for fields, facts in pairs]
            self.num_recorded, self.memory, self.start_record = (
                int(head[name]) for name in ("num_recorded", "memory", "start")
            )
            self._timeline = _SavedTimeline(steps, {int(epoch): int(length) for epoch, length in head["lengths"]})
            if not _is_ascending(self._timeline.record_numbers) or not np.isfinite(self._timeline.positions).all():
                raise ValueError("its records do not follow each other")
            if not {*self._groups} <= {*self.catalog.weights}:
                raise ValueError("it has records of a weight that is not in its catalog")
        self._weight_histories: dict[str, WeightHistory] = {}

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        if not self.path.exists():
            raise FileNotFoundError(f"There is no file {str(self.path)!r}.")
        if not self.path.is_file():
            raise ValueError(self._describe_wrong_file())
        state = self.path.stat()
        found = state.st_ino, state.st_mtime_ns, state.st_size
        if self._file_state not in (None, found):
            raise ValueError(f"{str(self.path)!r} was replaced since it was opened. Open it again: WeightExplorer.load(path).")
        self._file_state = found
        if not h5py.is_hdf5(self.path):
            raise ValueError(self._describe_wrong_file())
        with self._explaining_damage(), h5py.File(self.path, "r") as file:
            if not _is_run(file):
                raise _NotARunError(self._describe_wrong_file())
            yield file

    def _describe_wrong_file(self) -> str:
        """Return a message that says what the file is instead of a readable run."""
        kind = detect_format(self.path)
        if kind is None:
            what = "is empty or cut off" if is_incomplete(self.path) else "is not a recorded run"
            return f"{str(self.path)!r} {what}. Give a file that explorer.history.save(path) wrote."
        if kind.reader is not FormatReader.RUN:
            return FormatReader.RUN.wrong_format_message(kind, self.path)
        return (
            f"{str(self.path)!r} was saved by another version of Weight Explorer, in a format that this one does not read. "
            f"Open it with that version."
        )

    @contextlib.contextmanager
    def _explaining_damage(self) -> Iterator[None]:
        """Convert any error caused by a damaged file to a message with advice for the user."""
        try:
            yield
        except _NotARunError:
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

    def weight_history(self, key: str) -> WeightHistory | None:
        """Return the history of a weight, or None if the file does not contain it."""
        if key in self._groups and key not in self._weight_histories:
            with self._open() as file:
                self._weight_histories[key] = RunWeightHistory(self, key, self._groups[key], file)
        return self._weight_histories.get(key)

    @property
    def loaded_weight_histories(self) -> Iterable[WeightHistory]:
        """The weights that have been loaded."""
        return list(self._weight_histories.values())

    def read(self, group: str, index: int) -> np.ndarray:
        """Read the values of a weight at one of its records with values."""
        with self._open() as file:
            values = hdf5.check_numeric(hdf5.find_object(file, f"{group}/values"))
            found = _restore_dtype(np.asarray(values[index]), values)
        found.setflags(write=False)
        return found


def _is_run(file: Any) -> bool:
    """Return whether a file is a run in the format of this version."""
    with contextlib.suppress(hdf5.UnsupportedHDF5Error):
        return bool(hdf5.read_attribute(file, "format") == FORMAT.encode())
    return False


def _read_record(fields: dict[str, Any], facts: RecordFacts) -> Record:
    logs = MappingProxyType({str(name): float(value) for name, value in fields["logs"].items()})
    number, epoch, batch, fit, printed = (int(fields[name]) for name in ("number", "epoch", "batch", "fit", "keras_epoch"))
    kind, name = str(fields["kind"]), str(fields["name"])
    return Record(number, epoch, batch, float(fields["position"]), kind, fit, name, logs, printed, facts)


def _read_frozen_part(group: Any) -> FrozenPart:
    said = json.loads(hdf5.read_text(group, "said"))
    if "mask" not in group:
        return FrozenPart(**said)
    mask, values = hdf5.read_array(group, "mask"), hdf5.read_array(group, "values")
    if mask.dtype != bool or values.shape != (np.count_nonzero(mask),):
        raise ValueError("the values of what is frozen do not fit its mask")
    return FrozenPart(**said, mask=mask, values=_restore_dtype(values, group["values"]))


def _members_of(file: Any, name: str) -> list[tuple[str, Any]]:
    """Return the subgroups of a group, in numerical order."""
    group = hdf5.find_object(file, name)
    return [(each, hdf5.find_object(group, each)) for each in sorted(group or (), key=int)]


class _SavedTimeline(Timeline):
    """A timeline with known positions."""

    def records(self) -> tuple[Record, ...]:
        """Return all records as saved."""
        return self._records


class RunWeightHistory(WeightHistory):
    """The history of one weight in a saved run."""

    def __init__(self, run: RunHistory, key: str, group_name: str, file: Any) -> None:
        group = hdf5.find_object(file, group_name)
        self.key = key
        self.start_record = run.start_record
        self._run = run
        self._group_name = group_name
        self._record_numbers, self._rows, *self._bins = (hdf5.read_array(group, field) for field in STATISTICS_DATASETS)
        self._records_with_values = tuple(hdf5.read_array(group, "kept").tolist()) if "values" in group else ()
        if "sample" in group:
            shape = tuple(int(size) for size in hdf5.read_attribute(group["sample"], "shape"))
            self.sample = Sample(hdf5.read_array(group, "sample"), shape)
        self._check(group)
        self._part_statistics: dict[int, PartStatisticsCache] = {}
        self._last_read: tuple[int, np.ndarray] | None = None

    def _check(self, group: Any) -> None:
        """Reject inconsistent data, which would otherwise cause an error, or a wrong picture, far from here."""
        shape = self._run.catalog.weights[self.key].shape
        count, (exponents, firsts, counts) = len(self._record_numbers), self._bins
        fits = {
            "rows": self._rows.shape == (count, len(QUANTITIES), len(FIELDS)),
            "histograms": exponents.shape == firsts.shape == (count,) and counts.shape == (count, NUM_BINS),
            "order": _is_ascending(self._record_numbers) and _is_ascending(np.array(self._records_with_values, np.int64)),
            "records": {*self._record_numbers.tolist(), *self._records_with_values}
            <= {*self._run.timeline.record_numbers.tolist()},
        }
        if self.sample is not None:
            indexes = self.sample.indexes
            fits["sample"] = self.sample.shape == shape and _is_ascending(indexes)
            fits["elements"] = not len(indexes) or 0 <= indexes[0] <= indexes[-1] < self.sample.size
            shape = indexes.shape
        if "values" in group:
            fits["values"] = group["values"].shape == (len(self._records_with_values), *shape)
        wrong = [name for name, is_right in fits.items() if not is_right]
        if wrong:
            raise ValueError(f"the {wrong[0]} of {self.key[:80]!r} do not fit")
        Histograms.from_grids(self._record_numbers, exponents, firsts, counts, self._rows[:, 0])

    @property
    def record_numbers(self) -> np.ndarray:
        """Numbers of the records with statistics."""
        return self._record_numbers

    @property
    def records_with_values(self) -> tuple[int, ...]:
        """Numbers of the records with values."""
        return self._records_with_values

    def rows(self, indices: slice | np.ndarray) -> np.ndarray:
        """Return the statistics at these indices of `record_numbers`."""
        return self._rows[indices]

    def bins(self, indices: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the bin grids and counts at these indices of `record_numbers`."""
        exponents, firsts, counts = (array[indices] for array in self._bins)
        return exponents, firsts, counts

    def values_at(self, number: int) -> np.ndarray | None:
        """Read the values at a record, or return None if they were not kept."""
        if number not in self._records_with_values:
            return None
        last = self._last_read
        if last is None or last[0] != number:
            last = self._last_read = (number, self._run.read(self._group_name, self._records_with_values.index(number)))
        return last[1]

    def part_statistics(self, number: int) -> PartStatisticsCache:
        """Return the cache for the statistics of parts at this record."""
        return self._part_statistics.setdefault(number, PartStatisticsCache())


def _is_ascending(numbers: np.ndarray) -> bool:
    return numbers.ndim == 1 and numbers.dtype.kind in "iu" and bool((np.diff(numbers) > 0).all())


def _restore_dtype(stored: np.ndarray, dataset: Any) -> np.ndarray:
    """Restore the data type in which values were recorded: a NumPy type, or one from the package ml_dtypes."""
    name = bytes(hdf5.read_attribute(dataset, "dtype")).decode()
    if str(stored.dtype) == name:
        return stored
    original = np.dtype(name)
    if original.hasobject or original.isbuiltin == 1 or original.itemsize != stored.itemsize:
        raise ValueError(f"numbers of the type {name[:80]!r} cannot stand as {stored.dtype}")
    return stored.view(original)


class _NotARunError(ValueError):
    """The file is intact, but is not a run that can be opened."""
