"""The arrays of a checkpoint, by their names: in one HDF5 file, in an archive, or in shards beside their index."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import h5py.h5o

from weight_explorer.catalog import hdf5
from weight_explorer.catalog.file_kinds import HDF5, KERAS_3, ZIP, Content, Reader, kind_of
from weight_explorer.catalog.files.archive import Window, weights_in
from weight_explorer.catalog.files.errors import UnusableFileError, no_checkpoint, telling_damage
from weight_explorer.catalog.files.older import older_group
from weight_explorer.catalog.files.places import Places

# Groups within groups: HDF5's own walk goes as deep as a file says, until the process ends.
_DEEPEST = 200


class Contents(ABC):
    """Arrays in groups, as Keras 3 writes them.

    Attributes:
        older: The group with the layers where a file has the layout of `model.save("model.h5")`, else None.
    """

    older: Any = None

    @abstractmethod
    def find(self, name: str) -> Any:
        """Return the dataset of this name, or None."""

    @abstractmethod
    def num_arrays(self, group: str) -> int:
        """Return how many arrays a group holds."""

    @abstractmethod
    def layer_name(self, group: str) -> str:
        """Return the name that the layer of a group had when it was saved; "" where the file does not say."""

    @abstractmethod
    def groups(self) -> Iterable[str]:
        """Return the groups that hold arrays of layers."""


def open_contents(stack: contextlib.ExitStack, path: Path, places: Places) -> Contents:
    """Open a checkpoint for as long as the stack is.

    Raises:
        UnusableFileError: It is of another kind; the message says which.
        Exception: Whatever libraries raise of a damaged file.
    """
    file = stack.enter_context(path.open("rb"))
    start = file.read(8)
    if start == HDF5:
        return OneFile(stack, file, path)
    if start[:4] == ZIP:
        return OneFile(stack, weights_in(stack, file, path, places), path)
    kind = kind_of(path)
    if kind is None or kind.reader is not Reader.CHECKPOINTS:
        raise no_checkpoint(path)
    return Shards(stack, path)


class OneFile(Contents):
    """The contents of one HDF5 file."""

    def __init__(self, stack: contextlib.ExitStack, stream: BinaryIO | Window, path: Path) -> None:
        stream.seek(0)
        self._file = stack.enter_context(h5py.File(stream, "r"))
        self._names = _Names(stream, self._file)
        self.older = older_group(self._file)
        if self.older is not None:
            hdf5.check_heaps(stream)  # type: ignore[arg-type] - of a window too
        elif isinstance(stream, Window) or _is_of_keras(self._file):
            return
        else:
            raise no_checkpoint(path)

    def find(self, name: str) -> Any:
        """Return the dataset of this name, or None."""
        found = hdf5.find(self._file, name)
        return found if isinstance(found, h5py.Dataset) else None

    def num_arrays(self, group: str) -> int:
        """Return how many arrays a group holds."""
        found = hdf5.find(self._file, group)
        return len(found) if isinstance(found, h5py.Group) else 0

    def layer_name(self, group: str) -> str:
        """Return the name that the layer of a group had when it was saved; "" where the file does not say."""
        return self._names.of(group)

    def groups(self) -> Iterable[str]:
        """Return the groups with arrays of layers, at any depth that the model could have."""
        found: list[str] = []
        waiting: list[tuple[str, Any]] = [("", self._file)]
        seen: set[int] = set()
        while waiting:
            path, group = waiting.pop()
            place = h5py.h5o.get_info(group.id).addr
            if place in seen:  # a group may stand in several places, in itself too
                continue
            seen.add(place)
            if path.endswith("/vars") and len(group):
                found.append(path)
            for name in group if path.count("/") < _DEEPEST else ():
                member = hdf5.find(group, name)
                if isinstance(member, h5py.Group):
                    waiting.append((f"{path}/{name}".lstrip("/"), member))
        return found


class Shards(Contents):
    """The contents of the files that an index names. Each is opened when something in it is asked for."""

    def __init__(self, stack: contextlib.ExitStack, path: Path) -> None:
        self._stack = stack
        self._path = path
        self._files: dict[str, Any] = {}
        self._names: dict[str, _Names] = {}
        listed = Content(path).index.items()
        self._shards = {
            group.strip("/"): [self._checked(name) for name in (each if isinstance(each, list) else [each])]
            for group, each in listed
        }

    def _checked(self, name: Any) -> str:
        if not isinstance(name, str) or name != Path(name).name or "\\" in name:
            raise UnusableFileError(
                f"{str(self._path)!r} names the shard {str(name)[:80]!r}, which is not a file in its own folder. "
                f"Give an index that model.save_weights wrote."
            )
        return name

    def find(self, name: str) -> Any:
        """Return the dataset of this name in whichever shard has it, or None."""
        group = name.rpartition("/")[0]
        found = (hdf5.find(self._file(shard), name) for shard in self._shards.get(group, ()))
        return next((each for each in found if isinstance(each, h5py.Dataset)), None)

    def num_arrays(self, group: str) -> int:
        """Return how many arrays a group holds, in all shards together."""
        found = (hdf5.find(self._file(shard), group) for shard in self._shards.get(group, ()))
        return sum(len(each) for each in found if isinstance(each, h5py.Group))

    def layer_name(self, group: str) -> str:
        """Return the name that the layer of a group had when it was saved; "" where the file does not say."""
        found = ((self._file(shard), self._names[shard]) for shard in self._shards.get(group, ()))
        return next((name for _, names in found if (name := names.of(group))), "")

    def groups(self) -> Iterable[str]:
        """Return the groups that the index names."""
        return list(self._shards)

    def _file(self, name: str) -> Any:
        if name not in self._files:
            path = self._path.with_name(name)
            if not path.is_file():
                raise UnusableFileError(
                    f"{str(self._path)!r} is incomplete: its shard {name!r} is missing. "
                    f"Put that file beside it, or save the weights again."
                )
            with telling_damage(path):
                raw = self._stack.enter_context(path.open("rb"))
                if raw.read(8) != HDF5:
                    raise no_checkpoint(path)
                self._files[name] = self._stack.enter_context(h5py.File(raw, "r"))
                self._names[name] = _Names(raw, self._files[name])
        return self._files[name]


class _Names:
    """The names of layers in a file: text of any length, which is read only when the heaps it lies in were looked through."""

    def __init__(self, stream: BinaryIO | Window, file: Any) -> None:
        self._stream = stream
        self._file = file
        self._is_checked = False

    def of(self, group: str) -> str:
        """Return the name of the layer of a group, or ""."""
        found = hdf5.find(self._file, group)
        if not isinstance(found, h5py.Group) or "name" not in found.attrs:
            return ""
        if not self._is_checked:
            hdf5.check_heaps(self._stream)  # type: ignore[arg-type] - of a window too
            self._is_checked = True
        name = hdf5.attribute(found, "name", any_length=True)
        return name.decode() if isinstance(name, bytes) else str(name)


def _is_of_keras(file: Any) -> bool:
    return any(name in file for name in KERAS_3)
