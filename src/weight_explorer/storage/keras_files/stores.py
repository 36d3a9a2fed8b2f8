"""Access the arrays of a checkpoint by name: in one HDF5 file, in an archive, or in shards next to their index."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import h5py.h5o

from weight_explorer.storage import hdf5
from weight_explorer.storage.formats import (
    HDF5_SIGNATURE,
    KERAS_3_GROUPS,
    ZIP_SIGNATURE,
    FileProbe,
    FormatReader,
    detect_format,
)
from weight_explorer.storage.keras_files.archive import FileSlice, open_archived_weights
from weight_explorer.storage.keras_files.errors import UnusableFileError, not_a_checkpoint_error, translate_read_errors
from weight_explorer.storage.keras_files.layout import CheckpointLayout
from weight_explorer.storage.keras_files.legacy_layout import legacy_group

# Limit for nested groups: HDF5's own traversal goes as deep as a file says, until the process crashes.
_MAX_DEPTH = 200


class CheckpointStore(ABC):
    """Arrays in groups, as Keras 3 saves them.

    Attributes:
        legacy_group: The group that contains the layers if a file has the layout of `model.save("model.h5")`, else None.
    """

    legacy_group: Any = None

    @abstractmethod
    def find(self, name: str) -> Any:
        """Return the dataset with this name, or None."""

    @abstractmethod
    def num_arrays(self, group: str) -> int:
        """Return the number of arrays in a group."""

    @abstractmethod
    def layer_name(self, group: str) -> str:
        """Return the name of the layer of a group when it was saved; "" if the file does not contain it."""

    @abstractmethod
    def groups(self) -> Iterable[str]:
        """Return the groups that contain arrays of layers."""


def open_store(stack: contextlib.ExitStack, path: Path, layout: CheckpointLayout) -> CheckpointStore:
    """Open a checkpoint; the stack closes it.

    Raises:
        UnusableFileError: It has another format; the message says which.
        Exception: Any error that a library raises for a damaged file.
    """
    file = stack.enter_context(path.open("rb"))
    start = file.read(8)
    if start == HDF5_SIGNATURE:
        return SingleFileStore(stack, file, path)
    if start[:4] == ZIP_SIGNATURE:
        return SingleFileStore(stack, open_archived_weights(stack, file, path, layout), path)
    kind = detect_format(path)
    if kind is None or kind.reader is not FormatReader.CHECKPOINTS:
        raise not_a_checkpoint_error(path)
    return ShardedStore(stack, path)


class SingleFileStore(CheckpointStore):
    """The contents of one HDF5 file."""

    def __init__(self, stack: contextlib.ExitStack, stream: BinaryIO | FileSlice, path: Path) -> None:
        stream.seek(0)
        self._file = stack.enter_context(h5py.File(stream, "r"))
        self._layer_names = _LayerNames(stream, self._file)
        self.legacy_group = legacy_group(self._file)
        if self.legacy_group is not None:
            hdf5.check_heaps(stream)  # type: ignore[arg-type] - also accepts a file section
        elif isinstance(stream, FileSlice) or _is_keras_3(self._file):
            return
        else:
            raise not_a_checkpoint_error(path)

    def find(self, name: str) -> Any:
        """Return the dataset with this name, or None."""
        found = hdf5.find_object(self._file, name)
        return found if isinstance(found, h5py.Dataset) else None

    def num_arrays(self, group: str) -> int:
        """Return the number of arrays in a group."""
        found = hdf5.find_object(self._file, group)
        return len(found) if isinstance(found, h5py.Group) else 0

    def layer_name(self, group: str) -> str:
        """Return the name of the layer of a group when it was saved; "" if the file does not contain it."""
        return self._layer_names.get(group)

    def groups(self) -> Iterable[str]:
        """Return the groups that contain arrays of layers, down to any depth that a model could have."""
        found: list[str] = []
        waiting: list[tuple[str, Any]] = [("", self._file)]
        seen: set[int] = set()
        while waiting:
            path, group = waiting.pop()
            place = h5py.h5o.get_info(group.id).addr
            if place in seen:  # a group may be linked from several places, including from itself
                continue
            seen.add(place)
            if path.endswith("/vars") and len(group):
                found.append(path)
            for name in group if path.count("/") < _MAX_DEPTH else ():
                member = hdf5.find_object(group, name)
                if isinstance(member, h5py.Group):
                    waiting.append((f"{path}/{name}".lstrip("/"), member))
        return found


class ShardedStore(CheckpointStore):
    """The contents of the files named in an index. Each file is opened on first use."""

    def __init__(self, stack: contextlib.ExitStack, path: Path) -> None:
        self._stack = stack
        self._path = path
        self._files: dict[str, Any] = {}
        self._layer_names: dict[str, _LayerNames] = {}
        listed = FileProbe(path).shard_index.items()
        self._shards = {
            group.strip("/"): [self._check_shard_name(name) for name in (each if isinstance(each, list) else [each])]
            for group, each in listed
        }

    def _check_shard_name(self, name: Any) -> str:
        if not isinstance(name, str) or name != Path(name).name or "\\" in name:
            raise UnusableFileError(
                f"{str(self._path)!r} names the shard {str(name)[:80]!r}, which is not a file in its own folder. "
                f"Give an index that model.save_weights wrote."
            )
        return name

    def find(self, name: str) -> Any:
        """Return the dataset with this name from the shard that contains it, or None."""
        group = name.rpartition("/")[0]
        found = (hdf5.find_object(self._file(shard), name) for shard in self._shards.get(group, ()))
        return next((each for each in found if isinstance(each, h5py.Dataset)), None)

    def num_arrays(self, group: str) -> int:
        """Return the total number of arrays in a group across all shards."""
        found = (hdf5.find_object(self._file(shard), group) for shard in self._shards.get(group, ()))
        return sum(len(each) for each in found if isinstance(each, h5py.Group))

    def layer_name(self, group: str) -> str:
        """Return the name of the layer of a group when it was saved; "" if the file does not contain it."""
        found = ((self._file(shard), self._layer_names[shard]) for shard in self._shards.get(group, ()))
        return next((name for _, names in found if (name := names.get(group))), "")

    def groups(self) -> Iterable[str]:
        """Return the groups named in the index."""
        return list(self._shards)

    def _file(self, name: str) -> Any:
        if name not in self._files:
            path = self._path.with_name(name)
            if not path.is_file():
                raise UnusableFileError(
                    f"{str(self._path)!r} is incomplete: its shard {name!r} is missing. "
                    f"Put that file beside it, or save the weights again."
                )
            with translate_read_errors(path):
                raw = self._stack.enter_context(path.open("rb"))
                if raw.read(8) != HDF5_SIGNATURE:
                    raise not_a_checkpoint_error(path)
                self._files[name] = self._stack.enter_context(h5py.File(raw, "r"))
                self._layer_names[name] = _LayerNames(raw, self._files[name])
        return self._files[name]


class _LayerNames:
    """The layer names in a file. They are variable-length text, which is read only after its heaps have been checked."""

    def __init__(self, stream: BinaryIO | FileSlice, file: Any) -> None:
        self._stream = stream
        self._file = file
        self._is_checked = False

    def get(self, group: str) -> str:
        """Return the name of the layer of a group, or ""."""
        found = hdf5.find_object(self._file, group)
        if not isinstance(found, h5py.Group) or "name" not in found.attrs:
            return ""
        if not self._is_checked:
            hdf5.check_heaps(self._stream)  # type: ignore[arg-type] - also accepts a file section
            self._is_checked = True
        name = hdf5.read_attribute(found, "name", allow_variable_length=True)
        return name.decode() if isinstance(name, bytes) else str(name)


def _is_keras_3(file: Any) -> bool:
    return any(name in file for name in KERAS_3_GROUPS)
