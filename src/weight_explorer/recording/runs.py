"""Read a run that was saved: statistics and values as someone looks at them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import ml_dtypes
import numpy as np

from weight_explorer.catalog.saved import catalog_from_text
from weight_explorer.recording.frozen import FrozenPart
from weight_explorer.recording.past import Column, Past
from weight_explorer.recording.sampling import Sample
from weight_explorer.recording.save import FORMAT, STATISTICS
from weight_explorer.recording.slices import SliceRows
from weight_explorer.recording.time import Step, Timeline

# Groups and attributes at the top of what Keras writes.
OF_KERAS = {"layers", "model_weights", "layer_names", "_layer_checkpoint_dependencies"}


class RunFile(Past):
    """A saved run. Statistics and values are read from the file when someone looks.

    Raises:
        ValueError: The file is not one that `save_run` wrote; the message says what it is instead.
        OSError: It cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser()
        self._found: tuple[int, int, int] | None = None
        with self._open() as file:
            head = json.loads(file["steps"][()])
            self.catalog = catalog_from_text(file["catalog"][()].decode())
            self._groups = {group.attrs["key"]: name for name, group in _weights_of(file).items()}
            self.frozen = _frozen_of(file)
        steps = [Step(**step | {"logs": MappingProxyType(step["logs"])}) for step in head["steps"]]
        self.num_recorded, self.memory = head["num_recorded"], head["memory"]
        self._timeline = _AsSaved(steps, _lengths_of(steps))
        self._columns: dict[str, Column] = {}

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        if not self.path.exists():
            raise FileNotFoundError(f"There is no file {str(self.path)!r}.")
        state = self.path.stat()
        found = state.st_ino, state.st_mtime_ns, state.st_size
        if self._found not in (None, found):
            raise ValueError(f"{str(self.path)!r} was replaced since it was opened. Open it again: WeightExplorer.load(path).")
        self._found = found
        if not h5py.is_hdf5(self.path):
            raise ValueError(f"{str(self.path)!r} is no HDF5 file. Give one that explorer.history.save(path) wrote.")
        with h5py.File(self.path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                what = "a Keras model or its weights" if OF_KERAS & {*file, *file.attrs} else "another HDF5 file"
                raise ValueError(
                    f"{str(self.path)!r} is {what}, and no recorded run. Give one that explorer.history.save(path) wrote; "
                    f"checkpoints are opened by WeightExplorer.from_checkpoints(model, path)."
                )
            yield file

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
                self._columns[key] = RunColumn(self, key, f"weights/{self._groups[key]}", file)
        return self._columns.get(key)

    @property
    def at_hand(self) -> Iterable[Column]:
        """The weights that were looked at."""
        return list(self._columns.values())

    def read(self, group: str, place: int) -> np.ndarray:
        """Read the values of a weight at one of its kept records."""
        with self._open() as file:
            values = file[group]["values"]
            found = _original(np.asarray(values[place]), values.attrs["dtype"])
        found.setflags(write=False)
        return found


def _frozen_of(file: Any) -> tuple[FrozenPart, ...]:
    groups = file.get("frozen", {})
    return tuple(_frozen_part(groups[name]) for name in sorted(groups, key=int))


def _frozen_part(group: Any) -> FrozenPart:
    said = json.loads(group["said"][()])
    if "mask" not in group:
        return FrozenPart(**said)
    values = group["values"]
    return FrozenPart(**said, mask=group["mask"][()], values=_original(values[()], values.attrs["dtype"]))


def _weights_of(file: Any) -> Mapping[str, Any]:
    groups = file.get("weights", {})
    return {name: groups[name] for name in sorted(groups, key=int)}


def _lengths_of(steps: list[Step]) -> dict[int, int]:
    """Find how many batches an epoch had from where the records within it stand."""
    return {step.epoch: round(step.batch / (step.position - step.epoch)) for step in steps if step.position > step.epoch}


class _AsSaved(Timeline):
    """A timeline whose positions are known."""

    def steps(self) -> tuple[Step, ...]:
        """Return all records as they were saved."""
        return self._steps


class RunColumn(Column):
    """One weight of a saved run."""

    def __init__(self, run: RunFile, key: str, name: str, file: Any) -> None:
        group = file[name]
        self.key = key
        self._run = run
        self._name = name
        self._numbers, self._rows, *self._bins = (group[field][()] for field in STATISTICS)
        self._kept = tuple(group["kept"][()].tolist()) if "values" in group else ()
        if "sample" in group:
            self.sample = Sample(group["sample"][()], tuple(int(size) for size in group["sample"].attrs["shape"]))
        self._slices: dict[int, SliceRows] = {}
        self._last: tuple[int, np.ndarray] | None = None

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


def _original(stored: np.ndarray, dtype: str) -> np.ndarray:
    return stored if str(stored.dtype) == dtype else stored.view(getattr(ml_dtypes, dtype))
