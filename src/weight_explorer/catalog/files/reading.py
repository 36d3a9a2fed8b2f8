"""Read single weights out of checkpoint files, without touching the live model or building another."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from weight_explorer.catalog import hdf5
from weight_explorer.catalog.files.contents import Contents, open_contents
from weight_explorer.catalog.files.errors import CheckpointError, misfit, telling_damage
from weight_explorer.catalog.files.older import older_names
from weight_explorer.catalog.files.places import Places, Spot
from weight_explorer.catalog.names import refusal


def read(path: str | os.PathLike[str], places: Places, key: str) -> np.ndarray:
    """Read one weight from a checkpoint file, as a read-only array of the file's own type.

    Only that weight is read: out of a `.keras` file of 101 MB in 1 ms, as from plain HDF5.

    Raises:
        DamagedFile: The file cannot be read.
        CheckpointError: It does not hold this weight, or not in this shape.
    """
    with open_checkpoint(path, places) as file:
        return file.read(key)


def check(path: str | os.PathLike[str], places: Places) -> None:
    """Compare what a file holds with the model, from its table of contents alone: no value is read.

    Raises:
        DamagedFile: The file cannot be read.
        CheckpointError: A weight is missing or has another shape, or a layer another number of weights.
    """
    with open_checkpoint(path, places) as file:
        file.check()


@contextlib.contextmanager
def open_checkpoint(path: str | os.PathLike[str], places: Places) -> Iterator[OpenCheckpoint]:
    """Open a `.keras`, `.weights.h5`, `.weights.json` or `.h5` file to read any number of weights from it.

    Args:
        path: The file.
        places: From `places_of`.

    Raises:
        UnusableFileError: The file is no checkpoint, or damaged; the message says what it is.
        CheckpointError: It cannot be opened, or holds another number of layers (older layout).
    """
    path = Path(path).expanduser()
    with contextlib.ExitStack() as stack:
        with telling_damage(path):
            opened = OpenCheckpoint(path, places, open_contents(stack, path, places))
        yield opened


class OpenCheckpoint:
    """A checkpoint file that is open; made by `open_checkpoint`."""

    def __init__(self, path: Path, places: Places, contents: Contents) -> None:
        self.path = path
        self._places = places
        self._contents = contents
        older = contents.older
        self._names: Mapping[str, str] = places.datasets if older is None else older_names(path, places, older)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Keys of the weights that are in this file, in the order of the catalog."""
        with telling_damage(self.path):
            return tuple(key for key in self._places.spots if self._dataset(key) is not None)

    def read(self, key: str) -> np.ndarray:
        """Read one weight; see `read`."""
        spot, dataset = self._fitting(key)
        with telling_damage(self.path):
            values = np.asarray(_typed(dataset[()], spot))
        values.setflags(write=False)
        return values

    def check(self) -> None:
        """Compare all shapes, and what is there; see `check`."""
        if self._contents.older is None:
            with telling_damage(self.path):
                self._check_groups()
        for key in self._names:
            self._fitting(key)
        if self._contents.older is None:
            with telling_damage(self.path):
                self._check_order()

    def _check_order(self) -> None:
        """Refuse layers with chosen names that stand in each other's place, which their shapes do not tell."""
        for groups in _exchangeable(self._places):
            names = {self._places.names[group] for group in groups}
            for group in groups:
                here, there = self._places.names[group], self._contents.layer_name(group)
                if there != here and there in names:
                    raise misfit(self.path, f"holds the weights of layer {there!r} where the model has {here!r}")

    def _check_groups(self) -> None:
        for group, expected in self._places.groups.items():
            held = self._contents.num_arrays(group)
            if held not in (expected, 0):  # where there are none, the missing weight is named
                raise misfit(self.path, f"holds {held} arrays in {group!r} and the model writes {expected} there")
        extra = sorted(_layers_in(self._contents.groups()) - _layers_in(self._places.groups))
        if extra:
            raise misfit(self.path, f"holds weights in {extra[0]!r}, a layer that the model does not have")

    def _fitting(self, key: str) -> tuple[Spot, Any]:
        with telling_damage(self.path):
            dataset = self._dataset(key)
            shape = dataset.shape if dataset is not None else None
        if shape is None:
            raise self._missing(key)
        spot = self._places.spots[key]
        if shape != spot.shape:
            raise misfit(self.path, f"does not fit the model at {key!r}: the file holds {shape} and the model {spot.shape}")
        with telling_damage(self.path):
            hdf5.numbers_of(dataset)
        return spot, dataset

    def _dataset(self, key: str) -> Any:
        return self._contents.find(self._names[key]) if key in self._names else None

    def _missing(self, key: str) -> CheckpointError:
        if key not in self._places.spots:
            return CheckpointError(refusal("weight", key, self._places.spots))
        if key not in self._names:
            reason = self._places.absent.get(key, "the file was saved without it")
            return CheckpointError(f"{key!r} is not in {str(self.path)!r} under its own name: {reason}.")
        return misfit(self.path, f"does not hold {key!r}, which should be its {self._names[key]!r}")


def _exchangeable(places: Places) -> list[list[str]]:
    """Return the groups of layers with chosen names that hold arrays of the same shapes, two or more together."""
    shapes: defaultdict[str, list[tuple[int, ...]]] = defaultdict(list)
    for key, name in places.datasets.items():
        shapes[name.rpartition("/")[0]].append(places.spots[key].shape)
    alike: defaultdict[tuple[tuple[int, ...], ...], list[str]] = defaultdict(list)
    for group in places.names:
        if group in shapes:
            alike[tuple(shapes[group])].append(group)
    return [groups for groups in alike.values() if len(groups) > 1]


def _typed(values: Any, spot: Spot) -> np.ndarray:
    """Give back the type to numbers that HDF5 has no name for and holds as bytes: bfloat16 and float8.

    Keras notes bfloat16 beside it, in files of its own layout and as text of any length, so that nobody looks: those of two
    bytes are bfloat16, since float16 has a name, and others what the model has.
    """
    values = np.asarray(values)
    if values.dtype.kind != "V":
        return values
    for dtype in (np.dtype(spot.dtype), np.dtype("bfloat16")):
        if dtype.isbuiltin != 1 and dtype.itemsize == values.dtype.itemsize:
            return values.view(dtype)
    raise CheckpointError(f"{spot.key!r} is saved in a type of {values.dtype.itemsize} bytes that is none of NumPy or Keras.")


def _layers_in(groups: Iterable[str]) -> set[str]:
    """Return what stands right under `layers`, where Keras puts the layers of a model and nothing else."""
    parts = [group.split("/") for group in groups]
    return {"/".join(each[: number + 2]) for each in parts for number, part in enumerate(each[:-1]) if part == "layers"}
