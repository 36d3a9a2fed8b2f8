"""What a file or folder is, told by its content: what here reads it, or what to do where nothing does.

Nothing of a file is executed, unpickled or unpacked to find that out: a few bytes, the names in an archive, and the names at
the top of an HDF5 file are looked at. A new kind is a new row in `KINDS`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py

from weight_explorer.catalog import hdf5

# All that libraries raise of a damaged file: MemoryError too, where it asks for more than there is.
UNREADABLE = (
    OSError, EOFError, ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError, AttributeError,
    NotImplementedError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
HDF5, ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
WEIGHTS_IN_ARCHIVE = "model.weights.h5"
SHARD, INDEX = ".weights.h5", ".weights.json"
# How the attribute `format` of a recorded run begins.
RUN_FORMAT = "weight-explorer"
# Bytes of an index of shards that are read, and names of a folder that are looked at.
_MOST_INDEX, _MOST_NAMES = 1 << 26, 10_000
# The longest header that safetensors allows.
_MOST_HEADER = 100_000_000
# How tables of TensorFlow end, and what old files of PyTorch begin with behind the two bytes of every pickle.
_TABLE_END, _OLD_TORCH = bytes.fromhex("57fb808b247547db"), bytes.fromhex("8a0a6cfc9c46f9206aa85019")
_SAVED_MODEL = "saved_model.pb"
_DATA_OF_TENSORFLOW = re.compile(r"(.*)\.data-\d{5}-of-\d{5}")
_ORBAX = {
    "_CHECKPOINT_METADATA", "_METADATA", "manifest.ocdbt", "checkpoint_metadata", "orbax.checkpoint", "pytree.orbax-checkpoint",
}  # fmt: skip
KERAS_3 = {"layers", "vars", "_layer_checkpoint_dependencies"}
_KERAS_2 = {"model_weights", "layer_names"}
_SAVE = "then save the weights as Keras does, model.save_weights('name.weights.h5'), and open that file."


class Reader(Enum):
    """What reads a kind of file, as it is called."""

    CHECKPOINTS = "WeightExplorer.from_checkpoints(model, path)"
    RUN = "WeightExplorer.load(path)"
    NONE = ""

    def refusal(self, kind: FileKind, path: Path) -> str:
        """Say that a file is of another kind than what this reads, and what to do."""
        said = f"{str(path)!r} is {kind.name}, not {_READ_BY[self]}."
        if kind.reader is not Reader.NONE:
            return f"{said} Open it with {kind.reader.value}."
        return f"{said} {kind.advice if self is Reader.CHECKPOINTS else 'Give a file that explorer.history.save(path) wrote.'}"


_READ_BY = {Reader.CHECKPOINTS: "a Keras checkpoint", Reader.RUN: "a recorded run"}


class Content:
    """What is looked at to tell what a file or folder is; each part of it when a row asks for it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_folder = path.is_dir()

    @cached_property
    def size(self) -> int:
        """Bytes of a file; 0 of a folder."""
        return 0 if self.is_folder else self.path.stat().st_size

    @cached_property
    def head(self) -> bytes:
        """The first bytes of a file."""
        return self._read(0, 64)

    @cached_property
    def tail(self) -> bytes:
        """The last bytes of a file."""
        return self._read(max(0, self.size - 8), 8)

    def _read(self, start: int, count: int) -> bytes:
        if self.is_folder:
            return b""
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(count)

    @cached_property
    def names(self) -> frozenset[str]:
        """The names in a folder."""
        return frozenset(_names_in(self.path)) if self.is_folder else frozenset()

    @cached_property
    def names_below(self) -> frozenset[str]:
        """The names in the folders of a folder, as those of single steps are."""
        below = (self.path / name for name in self.names)
        found = itertools.chain.from_iterable(_names_in(each) for each in below if each.is_dir())
        return frozenset(itertools.islice(found, _MOST_NAMES))

    @cached_property
    def members(self) -> frozenset[str]:
        """The names in an archive; none where there is no table of them."""
        if self.head[:4] == ZIP:
            with contextlib.suppress(*UNREADABLE), zipfile.ZipFile(self.path) as archive:
                return frozenset(archive.namelist())
        return frozenset()

    @cached_property
    def index(self) -> dict[str, Any]:
        """The files that an index in JSON names, by what is in them; empty where it is none."""
        if self.head.lstrip()[:1] == b"{" and self.size <= _MOST_INDEX:
            with contextlib.suppress(*UNREADABLE):
                found = json.loads(self._read(0, self.size)).get("weight_map")
                return found if isinstance(found, dict) else {}
        return {}

    @cached_property
    def is_json(self) -> bool:
        """Whether the file is JSON from its beginning to its end."""
        with contextlib.suppress(*UNREADABLE):
            json.loads(self._read(0, min(self.size, _MOST_INDEX)))
            return True
        return False

    @property
    def indexed(self) -> set[str]:
        """The files that an index names."""
        listed = itertools.chain.from_iterable(each if isinstance(each, list) else [each] for each in self.index.values())
        return {name for name in listed if isinstance(name, str)}

    @cached_property
    def hdf5_names(self) -> frozenset[str] | None:
        """The names at the top of an HDF5 file, those of attributes too; None where it cannot be opened."""
        with contextlib.suppress(*UNREADABLE), self._opened() as file:
            return frozenset([*file, *file.attrs])
        return None

    @cached_property
    def format(self) -> str:
        """What an HDF5 file says of its own format."""
        with contextlib.suppress(*UNREADABLE), self._opened() as file:
            found = hdf5.attribute(file, "format")
            return found.decode() if isinstance(found, bytes) else ""
        return ""

    def has_dataset(self, path: str) -> bool:
        """Say whether an HDF5 file holds an array at this place."""
        with contextlib.suppress(*UNREADABLE), self._opened() as file:
            return isinstance(hdf5.find(file, path), h5py.Dataset)
        return False

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Any]:
        if self.head[:8] != HDF5:
            raise OSError("it does not begin like HDF5")
        # Python opens the file, not HDF5, whose lock would keep a training from writing this very file meanwhile.
        with self.path.open("rb") as raw, h5py.File(raw, "r") as file:
            yield file


def _names_in(folder: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return [each.name for each in itertools.islice(folder.iterdir(), _MOST_NAMES)]
    return []


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file or folder.

    Attributes:
        name: What it is, as in "is a safetensors file".
        matches: Tells whether something is of this kind.
        advice: What to do with it where nothing here reads it.
        reader: What reads it.
    """

    name: str
    matches: Callable[[Content], bool]
    advice: str = ""
    reader: Reader = Reader.NONE


def kind_of(path: Path) -> FileKind | None:
    r"""Tell what a file or folder is; None where it is nothing that is known, or too damaged to tell.

    Raises:
        OSError: It cannot be read.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"\x93NUMPY" + bytes(122)), file.flush()
    ...     kind_of(Path(file.name)).name
    'a NumPy array (.npy)'
    """
    content = Content(path)
    return next((kind for kind in KINDS if kind.matches(content)), None)


def is_begun(path: Path) -> bool:
    """Say whether a file is the beginning of what is read here, and no more."""
    content = Content(path)
    is_index = path.name.endswith(INDEX) and content.head.lstrip()[:1] == b"{" and not content.is_json
    return is_index or content.head in (HDF5[: content.size], ZIP[: content.size]) or content.head[:8] == HDF5


def _has(*names: str) -> Callable[[Content], bool]:
    return lambda content: bool(content.hdf5_names and content.hdf5_names & {*names})


def _is_index_of(suffix: str) -> Callable[[Content], bool]:
    return lambda content: bool(content.indexed) and all(name.endswith(suffix) for name in content.indexed)


def _is_saved_model(content: Content) -> bool:
    of_folder = content.path.name == _SAVED_MODEL and (content.path.parent / "variables").is_dir()
    return _SAVED_MODEL in content.names or of_folder


def _is_tensorflow_checkpoint(content: Content) -> bool:
    if content.is_folder:
        return any(Content(content.path / name).tail == _TABLE_END for name in content.names if name.endswith(".index"))
    data = _DATA_OF_TENSORFLOW.fullmatch(content.path.name)
    if data and (index := content.path.with_name(f"{data[1]}.index")).is_file():
        return Content(index).tail == _TABLE_END
    return content.tail == _TABLE_END or content.head.startswith(b"model_checkpoint_path:")


def _is_safetensors(content: Content) -> bool:
    return content.head[8:9] == b"{" and 2 <= int.from_bytes(content.head[:8], "little") <= _MOST_HEADER


def _is_pickle(content: Content) -> bool:
    has_protocol = content.head[:1] == b"\x80" and content.head[1:2] in (b"\2", b"\3", b"\4", b"\5")
    return has_protocol and content.tail.endswith(b".")


def _is_torch(content: Content) -> bool:
    return content.head[2:14] == _OLD_TORCH or any(name.split("/")[-1] == "data.pkl" for name in content.members)


# What is said of a file is the first row that fits it.
KINDS = (
    FileKind("a recorded run of Weight Explorer", lambda content: content.format.startswith(RUN_FORMAT), reader=Reader.RUN),
    FileKind(
        "a file of LoRA weights alone",
        lambda content: content.has_dataset("lora/vars/rank"),
        f"Put them into the model with model.load_lora_weights(path); {_SAVE}",
    ),
    FileKind("a Keras model or its weights (.h5)", _has(*_KERAS_2), reader=Reader.CHECKPOINTS),
    FileKind("a Keras weights file (.weights.h5)", _has(*KERAS_3), reader=Reader.CHECKPOINTS),
    FileKind(
        "an HDF5 file that Keras did not write",
        lambda content: content.hdf5_names is not None,
        f"Read its arrays with h5py and give them to model.set_weights([...]); {_SAVE}",
    ),
    FileKind("a Keras model file (.keras)", lambda content: WEIGHTS_IN_ARCHIVE in content.members, reader=Reader.CHECKPOINTS),
    FileKind("an index of sharded Keras weights (.weights.json)", _is_index_of(SHARD), reader=Reader.CHECKPOINTS),
    FileKind(
        "an index of safetensors files",
        _is_index_of(".safetensors"),
        f"Load them into the model with the library that wrote them; {_SAVE}",
    ),
    FileKind("a safetensors file", _is_safetensors, f"Load it into the model with the library that wrote it; {_SAVE}"),
    FileKind(
        "a PyTorch file",
        _is_torch,
        "Read it with torch.load(path, weights_only=True) and give its arrays, in the layout of Keras, to "
        f"model.set_weights([...]); {_SAVE}",
    ),
    FileKind(
        "a set of NumPy arrays (.npz)",
        lambda content: bool(content.members) and all(name.endswith(".npy") for name in content.members),
        f"Read it with numpy.load(path) and give its arrays to model.set_weights([...]); {_SAVE}",
    ),
    FileKind(
        "a NumPy array (.npy)",
        lambda content: content.head.startswith(b"\x93NUMPY"),
        f"Read it with numpy.load(path) and give it to model.set_weights([...]); {_SAVE}",
    ),
    FileKind(
        "a pickle",
        _is_pickle,
        "It is not opened, because a pickle can run any code. If you trust it, load it yourself and give its arrays to "
        f"model.set_weights([...]); {_SAVE}",
    ),
    FileKind(
        "a TensorFlow SavedModel",
        _is_saved_model,
        f"Load it with tf.saved_model.load(folder) and give the values of its variables to model.set_weights([...]); {_SAVE}",
    ),
    FileKind(
        "a TensorFlow checkpoint",
        _is_tensorflow_checkpoint,
        f"Restore it into the model with tf.train.Checkpoint(model=model).read(prefix) or, where Keras 2 wrote it, "
        f"with Keras 2; {_SAVE}",
    ),
    FileKind(
        "an Orbax checkpoint",
        lambda content: bool(_ORBAX & (content.names | content.names_below)),
        f"Restore it into the model with Orbax or, in new versions of Keras, with model.load_weights(folder); {_SAVE}",
    ),
    FileKind("a gzip archive", lambda content: content.head.startswith(b"\x1f\x8b"), "Unpack it, and open what is in it."),
)
