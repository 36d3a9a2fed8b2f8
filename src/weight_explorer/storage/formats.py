"""Detect the format of a file or folder by its content: which reader opens it, or what to do if no reader does.

Detection never executes, unpickles or unpacks anything. It looks only at a few bytes, the names in an archive, and the names at
the top level of an HDF5 file. To add a format, add a row to `FORMATS`.
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

from weight_explorer.storage import hdf5

# All errors that libraries raise for a damaged file, including MemoryError if the file claims more data than there is memory.
READ_ERRORS = (
    OSError, EOFError, ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError, AttributeError,
    NotImplementedError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
HDF5_SIGNATURE, ZIP_SIGNATURE = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
ARCHIVED_WEIGHTS_NAME = "model.weights.h5"
SHARD_SUFFIX, INDEX_SUFFIX = ".weights.h5", ".weights.json"
# The prefix of the attribute `format` of a recorded run.
RUN_FORMAT_PREFIX = "weight-explorer"
# How many bytes of a shard index, and how many names of a folder, are read at most.
_MAX_INDEX_BYTES, _MAX_NAMES = 1 << 26, 10_000
# The largest header that safetensors allows.
_MAX_SAFETENSORS_HEADER = 100_000_000
# The last bytes of a TensorFlow table, and the first bytes of an old PyTorch file after the two bytes of every pickle.
_TENSORFLOW_TABLE_FOOTER, _LEGACY_TORCH_MAGIC = bytes.fromhex("57fb808b247547db"), bytes.fromhex("8a0a6cfc9c46f9206aa85019")
_SAVED_MODEL = "saved_model.pb"
_TENSORFLOW_DATA_FILE = re.compile(r"(.*)\.data-\d{5}-of-\d{5}")
_ORBAX_NAMES = {
    "_CHECKPOINT_METADATA", "_METADATA", "manifest.ocdbt", "checkpoint_metadata", "orbax.checkpoint", "pytree.orbax-checkpoint",
}  # fmt: skip
KERAS_3_GROUPS = {"layers", "vars", "_layer_checkpoint_dependencies"}
_KERAS_2_ATTRIBUTES = {"model_weights", "layer_names"}
_CONVERT_ADVICE = "then save the weights as Keras does, model.save_weights('name.weights.h5'), and open that file."


class FormatReader(Enum):
    """What opens a format, with the call that users see in messages."""

    CHECKPOINTS = "WeightExplorer.from_checkpoints(model, path)"
    RUN = "WeightExplorer.load(path)"
    NONE = ""

    def wrong_format_message(self, file_format: FileFormat, path: Path) -> str:
        """Return the error message for a file in a format that this reader does not read, with advice on what to do."""
        said = f"{str(path)!r} is {file_format.name}, not {_READER_NAMES[self]}."
        if file_format.reader is not FormatReader.NONE:
            return f"{said} Open it with {file_format.reader.value}."
        if self is FormatReader.CHECKPOINTS:
            return f"{said} {file_format.advice}"
        return f"{said} Give a file that explorer.history.save(path) wrote."


_READER_NAMES = {FormatReader.CHECKPOINTS: "a Keras checkpoint", FormatReader.RUN: "a recorded run"}


class FileProbe:
    """The properties of a file or folder used to detect its format; each is read only when a format asks for it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_folder = path.is_dir()

    @cached_property
    def size(self) -> int:
        """Size of a file in bytes; 0 for a folder."""
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
    def file_names(self) -> frozenset[str]:
        """The names in a folder."""
        return frozenset(_names_in(self.path)) if self.is_folder else frozenset()

    @cached_property
    def nested_names(self) -> frozenset[str]:
        """The names in the subfolders of a folder, as in a folder with one subfolder per training step."""
        below = (self.path / name for name in self.file_names)
        found = itertools.chain.from_iterable(_names_in(each) for each in below if each.is_dir())
        return frozenset(itertools.islice(found, _MAX_NAMES))

    @cached_property
    def archive_members(self) -> frozenset[str]:
        """The names in an archive; empty if it has no table of contents."""
        if self.head[:4] == ZIP_SIGNATURE:
            with contextlib.suppress(*READ_ERRORS), zipfile.ZipFile(self.path) as archive:
                return frozenset(archive.namelist())
        return frozenset()

    @cached_property
    def shard_index(self) -> dict[str, Any]:
        """The files named in a JSON shard index, by their contents; empty if the file is not such an index."""
        if self.head.lstrip()[:1] == b"{" and self.size <= _MAX_INDEX_BYTES:
            with contextlib.suppress(*READ_ERRORS):
                found = json.loads(self._read(0, self.size)).get("weight_map")
                return found if isinstance(found, dict) else {}
        return {}

    @cached_property
    def is_json(self) -> bool:
        """Whether the whole file is valid JSON."""
        with contextlib.suppress(*READ_ERRORS):
            json.loads(self._read(0, min(self.size, _MAX_INDEX_BYTES)))
            return True
        return False

    @property
    def shard_files(self) -> set[str]:
        """The files named in the shard index."""
        listed = itertools.chain.from_iterable(each if isinstance(each, list) else [each] for each in self.shard_index.values())
        return {name for name in listed if isinstance(name, str)}

    @cached_property
    def hdf5_names(self) -> frozenset[str] | None:
        """The names at the top level of an HDF5 file, including attributes; None if the file cannot be opened."""
        with contextlib.suppress(*READ_ERRORS), self._open_hdf5() as file:
            return frozenset([*file, *file.attrs])
        return None

    @cached_property
    def hdf5_format(self) -> str:
        """The format that an HDF5 file states in its attributes."""
        with contextlib.suppress(*READ_ERRORS), self._open_hdf5() as file:
            found = hdf5.read_attribute(file, "format")
            return found.decode() if isinstance(found, bytes) else ""
        return ""

    def has_dataset(self, path: str) -> bool:
        """Return whether an HDF5 file has an array at this path."""
        with contextlib.suppress(*READ_ERRORS), self._open_hdf5() as file:
            return isinstance(hdf5.find_object(file, path), h5py.Dataset)
        return False

    @contextlib.contextmanager
    def _open_hdf5(self) -> Iterator[Any]:
        if self.head[:8] != HDF5_SIGNATURE:
            raise OSError("it does not begin like HDF5")
        # Python opens the file rather than HDF5, whose lock would keep a running training from writing to it.
        with self.path.open("rb") as raw, h5py.File(raw, "r") as file:
            yield file


def _names_in(folder: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return [each.name for each in itertools.islice(folder.iterdir(), _MAX_NAMES)]
    return []


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A file or folder format.

    Attributes:
        name: Its name, as in "is a safetensors file".
        matches: Checks whether a file or folder has this format.
        advice: What to do with it if no reader supports it.
        reader: The reader for it.
    """

    name: str
    matches: Callable[[FileProbe], bool]
    advice: str = ""
    reader: FormatReader = FormatReader.NONE


def detect_format(path: Path) -> FileFormat | None:
    r"""Return the format of a file or folder; None if it is unknown, or too damaged to tell.

    Raises:
        OSError: It cannot be read.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"\x93NUMPY" + bytes(122)), file.flush()
    ...     detect_format(Path(file.name)).name
    'a NumPy array (.npy)'
    """
    content = FileProbe(path)
    return next((kind for kind in FORMATS if kind.matches(content)), None)


def is_incomplete(path: Path) -> bool:
    """Return whether a file is the truncated beginning of a supported format."""
    content = FileProbe(path)
    is_index = path.name.endswith(INDEX_SUFFIX) and content.head.lstrip()[:1] == b"{" and not content.is_json
    return (
        is_index
        or content.head in (HDF5_SIGNATURE[: content.size], ZIP_SIGNATURE[: content.size])
        or content.head[:8] == HDF5_SIGNATURE
    )


def _has_hdf5_name(*names: str) -> Callable[[FileProbe], bool]:
    return lambda content: bool(content.hdf5_names and content.hdf5_names & {*names})


def _is_shard_index_of(suffix: str) -> Callable[[FileProbe], bool]:
    return lambda content: bool(content.shard_files) and all(name.endswith(suffix) for name in content.shard_files)


def _is_saved_model(probe: FileProbe) -> bool:
    of_folder = probe.path.name == _SAVED_MODEL and (probe.path.parent / "variables").is_dir()
    return _SAVED_MODEL in probe.file_names or of_folder


def _is_tensorflow_checkpoint(probe: FileProbe) -> bool:
    if probe.is_folder:
        return any(
            FileProbe(probe.path / name).tail == _TENSORFLOW_TABLE_FOOTER
            for name in probe.file_names
            if name.endswith(".index")
        )
    data = _TENSORFLOW_DATA_FILE.fullmatch(probe.path.name)
    if data and (index := probe.path.with_name(f"{data[1]}.index")).is_file():
        return FileProbe(index).tail == _TENSORFLOW_TABLE_FOOTER
    return probe.tail == _TENSORFLOW_TABLE_FOOTER or probe.head.startswith(b"model_checkpoint_path:")


def _is_safetensors(probe: FileProbe) -> bool:
    return probe.head[8:9] == b"{" and 2 <= int.from_bytes(probe.head[:8], "little") <= _MAX_SAFETENSORS_HEADER


def _is_pickle(probe: FileProbe) -> bool:
    has_protocol = probe.head[:1] == b"\x80" and probe.head[1:2] in (b"\2", b"\3", b"\4", b"\5")
    return has_protocol and probe.tail.endswith(b".")


def _is_torch(probe: FileProbe) -> bool:
    return probe.head[2:14] == _LEGACY_TORCH_MAGIC or any(name.split("/")[-1] == "data.pkl" for name in probe.archive_members)


# The first matching row determines the format.
FORMATS = (
    FileFormat(
        "a recorded run of Weight Explorer",
        lambda content: content.hdf5_format.startswith(RUN_FORMAT_PREFIX),
        reader=FormatReader.RUN,
    ),
    FileFormat(
        "a file of LoRA weights alone",
        lambda content: content.has_dataset("lora/vars/rank"),
        f"Put them into the model with model.load_lora_weights(path); {_CONVERT_ADVICE}",
    ),
    FileFormat("a Keras model or its weights (.h5)", _has_hdf5_name(*_KERAS_2_ATTRIBUTES), reader=FormatReader.CHECKPOINTS),
    FileFormat("a Keras weights file (.weights.h5)", _has_hdf5_name(*KERAS_3_GROUPS), reader=FormatReader.CHECKPOINTS),
    FileFormat(
        "an HDF5 file that Keras did not write",
        lambda content: content.hdf5_names is not None,
        f"Read its arrays with h5py and give them to model.set_weights([...]); {_CONVERT_ADVICE}",
    ),
    FileFormat(
        "a Keras model file (.keras)",
        lambda content: ARCHIVED_WEIGHTS_NAME in content.archive_members,
        reader=FormatReader.CHECKPOINTS,
    ),
    FileFormat(
        "an index of sharded Keras weights (.weights.json)", _is_shard_index_of(SHARD_SUFFIX), reader=FormatReader.CHECKPOINTS
    ),
    FileFormat(
        "an index of safetensors files",
        _is_shard_index_of(".safetensors"),
        f"Load them into the model with the library that wrote them; {_CONVERT_ADVICE}",
    ),
    FileFormat(
        "a safetensors file", _is_safetensors, f"Load it into the model with the library that wrote it; {_CONVERT_ADVICE}"
    ),
    FileFormat(
        "a PyTorch file",
        _is_torch,
        "Read it with torch.load(path, weights_only=True) and give its arrays, in the layout of Keras, to "
        f"model.set_weights([...]); {_CONVERT_ADVICE}",
    ),
    FileFormat(
        "a set of NumPy arrays (.npz)",
        lambda content: bool(content.archive_members) and all(name.endswith(".npy") for name in content.archive_members),
        f"Read it with numpy.load(path) and give its arrays to model.set_weights([...]); {_CONVERT_ADVICE}",
    ),
    FileFormat(
        "a NumPy array (.npy)",
        lambda content: content.head.startswith(b"\x93NUMPY"),
        f"Read it with numpy.load(path) and give it to model.set_weights([...]); {_CONVERT_ADVICE}",
    ),
    FileFormat(
        "a pickle",
        _is_pickle,
        "It is not opened, because a pickle can run any code. If you trust it, load it yourself and give its arrays to "
        f"model.set_weights([...]); {_CONVERT_ADVICE}",
    ),
    FileFormat(
        "a TensorFlow SavedModel",
        _is_saved_model,
        "Load it with tf.saved_model.load(folder) and give the values of its variables to model.set_weights([...]); "
        f"{_CONVERT_ADVICE}",
    ),
    FileFormat(
        "a TensorFlow checkpoint",
        _is_tensorflow_checkpoint,
        f"Restore it into the model with tf.train.Checkpoint(model=model).read(prefix) or, where Keras 2 wrote it, "
        f"with Keras 2; {_CONVERT_ADVICE}",
    ),
    FileFormat(
        "an Orbax checkpoint",
        lambda content: bool(_ORBAX_NAMES & (content.file_names | content.nested_names)),
        "Restore it into the model with Orbax or, in new versions of Keras, with model.load_weights(folder); "
        f"{_CONVERT_ADVICE}",
    ),
    FileFormat("a gzip archive", lambda content: content.head.startswith(b"\x1f\x8b"), "Unpack it, and open what is in it."),
)
