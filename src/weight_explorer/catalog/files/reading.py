"""Read single weights out of checkpoint files, without touching the live model or building another."""

from __future__ import annotations

import contextlib
import io
import math
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import h5py.h5o
import numpy as np

from weight_explorer.catalog import hdf5
from weight_explorer.catalog.files.errors import HOW_TO_SAVE, CheckpointError, DamagedFile, misfit
from weight_explorer.catalog.files.older import older_group, older_names
from weight_explorer.catalog.files.places import Places, Spot
from weight_explorer.catalog.names import refusal

_MEMBER = "model.weights.h5"
# All that libraries raise of a damaged file: MemoryError too, where it asks for more than there is.
_UNREADABLE = (
    OSError, EOFError, ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip
# Groups within groups: HDF5's own walk goes as deep as a file says, until the process ends.
_DEEPEST = 200
# What an archive may unpack to, for each byte of the model: optimizers keep four more of a weight at most. And what is beside.
_MOST_PER_BYTE, _MOST_BESIDE = 16, 1 << 26


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
    """Open a `.keras`, `.weights.h5` or `.h5` file to read any number of weights from it.

    Args:
        path: The file.
        places: From `places_of`.

    Raises:
        DamagedFile: The file is cut off, still being written, or no checkpoint.
        CheckpointError: It cannot be opened, or holds another number of layers (older layout).
    """
    path = Path(path).expanduser()
    with contextlib.ExitStack() as stack:
        with _telling_damage(path):
            # Python opens the file, not HDF5, whose lock would keep a training from writing this very file meanwhile.
            stream = _weights_stream(stack, stack.enter_context(path.open("rb")), path, places)
            file = stack.enter_context(h5py.File(stream, "r"))
            if older_group(file) is not None:
                hdf5.check_heaps(stream)  # type: ignore[arg-type] - of a window too
            opened = OpenCheckpoint(path, places, file)
        yield opened


class OpenCheckpoint:
    """A checkpoint file that is open; made by `open_checkpoint`."""

    def __init__(self, path: Path, places: Places, file: Any) -> None:
        self.path = path
        self._places = places
        self._file = file
        group = older_group(file)
        self._is_older = group is not None
        self._names: Mapping[str, str] = places.datasets if group is None else older_names(path, places, group)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Keys of the weights that are in this file, in the order of the catalog."""
        with _telling_damage(self.path):
            return tuple(key for key in self._places.spots if self._dataset(key) is not None)

    def read(self, key: str) -> np.ndarray:
        """Read one weight; see `read`."""
        spot, dataset = self._fitting(key)
        with _telling_damage(self.path):
            values = np.asarray(_typed(dataset[()], spot))
        values.setflags(write=False)
        return values

    def check(self) -> None:
        """Compare all shapes, and what is there; see `check`."""
        if not self._is_older:
            with _telling_damage(self.path):
                self._check_groups()
        for key in self._names:
            self._fitting(key)

    def _check_groups(self) -> None:
        for group, expected in self._places.groups.items():
            held = _num_arrays(hdf5.find(self._file, group))
            if held not in (expected, 0):  # where there are none, the missing weight is named
                raise misfit(self.path, f"holds {held} arrays in {group!r} and the model writes {expected} there")
        extra = sorted(_layers_in(_groups_of(self._file)) - _layers_in(self._places.groups))
        if extra:
            raise misfit(self.path, f"holds weights in {extra[0]!r}, a layer that the model does not have")

    def _fitting(self, key: str) -> tuple[Spot, Any]:
        with _telling_damage(self.path):
            dataset = self._dataset(key)
            shape = dataset.shape if dataset is not None else None
        if shape is None:
            raise self._missing(key)
        spot = self._places.spots[key]
        if shape != spot.shape:
            raise misfit(self.path, f"does not fit the model at {key!r}: the file holds {shape} and the model {spot.shape}")
        with _telling_damage(self.path):
            hdf5.numbers_of(dataset)
        return spot, dataset

    def _dataset(self, key: str) -> Any:
        found = hdf5.find(self._file, self._names[key]) if key in self._names else None
        return found if isinstance(found, h5py.Dataset) else None

    def _missing(self, key: str) -> CheckpointError:
        if key not in self._places.spots:
            return CheckpointError(refusal("weight", key, self._places.spots))
        if key not in self._names:
            reason = self._places.absent.get(key, "the file was saved without it")
            return CheckpointError(f"{key!r} is not in {str(self.path)!r} under its own name: {reason}.")
        return misfit(self.path, f"does not hold {key!r}, which should be its {self._names[key]!r}")


@contextlib.contextmanager
def _telling_damage(path: Path) -> Iterator[None]:
    """Turn what libraries raise about a file into what a user can act on."""
    try:
        yield
    except CheckpointError:
        raise
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise CheckpointError(
            f"{str(path)!r} cannot be opened: {error.strerror}. Give files that exist and may be read."
        ) from error
    except _UNREADABLE as error:
        raise DamagedFile(
            f"{str(path)!r} is cut off, still being written, or no Keras checkpoint ({error}). Leave it out, or save it again."
        ) from error


def _weights_stream(stack: contextlib.ExitStack, file: BinaryIO, path: Path, places: Places) -> BinaryIO | _Window:
    """Return the HDF5 file that a file is or, of a zip archive, holds."""
    is_archive = file.read(2) == b"PK"
    file.seek(0)
    if not is_archive:
        return file
    archive = stack.enter_context(zipfile.ZipFile(file))
    if _MEMBER not in archive.namelist():
        listed = ", ".join(name[:40] for name in archive.namelist()[:5])
        raise CheckpointError(f"{str(path)!r} is an archive without {_MEMBER!r}; it holds {listed}. {HOW_TO_SAVE}")
    member = archive.getinfo(_MEMBER)
    if member.compress_type == zipfile.ZIP_STORED:
        return _Window(file, _start_of(file, member), member.file_size)
    _check_packed(member, places)
    # Keras never compresses; who did pays once. HDF5 jumps about, and each jump back would decompress from the start:
    # 1.7 to 3.4 s instead of 0.8 s for one weight of 101 MB.
    unpacked = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    with archive.open(member) as packed:
        shutil.copyfileobj(packed, unpacked, 1 << 20)
    return unpacked  # type: ignore[return-value]


def _check_packed(member: zipfile.ZipInfo, places: Places) -> None:
    """Refuse what would unpack to far more than the model could have written, or in a way that takes memory."""
    model = sum(math.prod(spot.shape) * np.dtype(spot.dtype).itemsize for spot in places.spots.values())
    most = _MOST_BESIDE + _MOST_PER_BYTE * model
    if member.file_size > most:
        raise zipfile.BadZipFile(f"{_MEMBER!r} would unpack to {member.file_size} bytes, and the model needs less than {most}")
    if member.compress_type != zipfile.ZIP_DEFLATED:
        raise zipfile.BadZipFile(f"{_MEMBER!r} is packed in another way than deflated")


def _start_of(file: BinaryIO, member: zipfile.ZipInfo) -> int:
    """Return where a member's bytes begin: behind its header of 30 bytes, its name and what else the header announces."""
    file.seek(member.header_offset)
    header = file.read(30)
    if header[:4] != b"PK\x03\x04":
        raise zipfile.BadZipFile("the archive's table of contents does not fit what it holds")
    return member.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")


class _Window(io.RawIOBase):
    """A part of a file as a file.

    `zipfile` gives a member as a file too, but before Python 3.12 it reads all that a jump skips: 160 to 350 ms instead of
    1 ms for one weight of 101 MB.
    """

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        wanted = memoryview(buffer).cast("B")[: max(0, self._size - self._position)]
        self._file.seek(self._start + self._position)
        count = self._file.readinto(wanted)  # type: ignore[attr-defined]
        self._position += count
        return count


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


def _num_arrays(group: Any) -> int:
    return len(group) if isinstance(group, h5py.Group) else 0


def _groups_of(file: Any) -> list[str]:
    """Return the groups with arrays of layers, at any depth that the model could have."""
    found, waiting, seen = [], [("", file)], set()
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


def _layers_in(groups: Iterable[str]) -> set[str]:
    """Return what stands right under `layers`, where Keras puts the layers of a model and nothing else."""
    parts = [group.split("/") for group in groups]
    return {"/".join(each[: number + 2]) for each in parts for number, part in enumerate(each[:-1]) if part == "layers"}
