"""Find checkpoint files, and read single weights out of them, without touching the live model or building another.

Where a variable stands in a file is asked of Keras once (`places_of`); from then on files are only HDF5.
"""

from __future__ import annotations

import contextlib
import difflib
import glob
import io
import itertools
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, NoReturn

import h5py
import keras
import numpy as np
from keras.src.saving import saving_lib

from weight_explorer.catalog.names import refusal
from weight_explorer.catalog.nodes import SEED_STATE, Catalog

# Keras has no public way to ask where in a file it writes a variable. Its own walk over the model is the only one that stays
# right about containers, class names with counters and layers that override `save_own_variables`; it refuses stores that are
# not of this class. Both have been there under these names since Keras 3.0.
_walk = saving_lib._save_state  # noqa: SLF001
_Store: Any = saving_lib.H5IOStore

_MEMBER = "model.weights.h5"
_TOP_LEVEL = "top_level_model_weights"
_SUFFIXES = (".keras", ".h5", ".hdf5")
_SAVE = "Keras writes such files with keras.callbacks.ModelCheckpoint('checkpoint/{epoch:03d}.keras')."
_FIT = "Build the model as it was when the file was saved, or give the files of this model."
# From what others write, which is no use here, to what it is.
_NOT_READ = (
    (re.compile(r"checkpoint|.*\.index|.*\.ckpt|.*\.data-\d+-of-\d+"), "TensorFlow checkpoints, which are not supported"),
    (re.compile(r".*\.weights\.json"), "sharded weights (max_shard_size), which are not supported"),
    (re.compile(r"saved_model\.pb"), "a TensorFlow SavedModel, which is not supported"),
)
_UNREADABLE = (OSError, EOFError, KeyError, RuntimeError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error)


class CheckpointError(ValueError):
    """A checkpoint file cannot be used with this model; the message says why, and what to do."""


class DamagedFile(CheckpointError):  # noqa: N818 - it says what the file is
    """A file is cut off, still being written, or no checkpoint at all; others of the same folder may be well."""


# Finding the files --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint file, and the epoch after which it was saved."""

    path: Path
    epoch: int


_FIELD = re.compile(r"\{([A-Za-z_]\w*)(?:![rsa])?(?::[^{}]*)?\}")
_WILD = re.compile(r"\*\*/|\*|\?")
_WILD_REGEX = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
_MAGIC = re.compile(r"[*?[{]")
_NUMBER = re.compile(r"\d+\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]\d+|\d+")
_EPOCH_BEFORE = re.compile(r"(?:epochs?|(?<![A-Za-z])ep?)[-_=. ]*$", re.IGNORECASE)
_WORD_BEFORE = re.compile(r"([A-Za-z]*)[^A-Za-z]*$")
_EPOCH = "epoch"


def find_checkpoints(given: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> tuple[Checkpoint, ...]:
    """Find checkpoint files and put them in the order of their epochs.

    The epoch is what `{epoch}` stands for in a pattern; else the whole number of the file name that differs between the
    files, preferably one behind "epoch", "ep" or "e"; else files are numbered from 1 by the time they were written. Files
    without a number come after those with one.

    Args:
        given: A glob such as `"checkpoint/*.keras"`, a folder, a list of paths, or the pattern that was given to
            `keras.callbacks.ModelCheckpoint`, such as `"ckpt/{epoch:02d}-{val_loss:.2f}.weights.h5"`.

    Raises:
        ValueError: There are none; the message says what is there instead.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("e1-0.91.keras", "e10-0.35.keras", "e2-0.72.keras", "latest.keras"):
    ...         _ = Path(folder, name).write_bytes(b"")
    ...     found = find_checkpoints(folder + "/*.keras")
    >>> [(each.path.name, each.epoch) for each in found]
    [('e1-0.91.keras', 1), ('e2-0.72.keras', 2), ('e10-0.35.keras', 10), ('latest.keras', 11)]
    """
    if not isinstance(given, (str, os.PathLike)):
        return _in_order(_listed(given))
    text = os.path.expanduser(os.fspath(given))
    if os.path.isfile(text):
        return _in_order([Path(text)])
    if os.path.isdir(text):
        return _in_order(_kept(sorted(Path(text).iterdir())) or _refuse(text))
    if _FIELD.search(text):
        return _by_pattern(text)
    return _in_order(_kept(Path(path) for path in glob.glob(text, recursive=True)) or _refuse(text))


def _listed(given: Iterable[str | os.PathLike[str]]) -> list[Path]:
    paths = list(dict.fromkeys(Path(each).expanduser() for each in given))
    for path in paths:
        if not path.is_file():
            _refuse(str(path))
    if not paths:
        raise ValueError(f"The list of checkpoints is empty. {_SAVE}")
    return paths


def _kept(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.name.endswith(_SUFFIXES) and not path.name.startswith(".") and path.is_file()]


def _by_pattern(text: str) -> tuple[Checkpoint, ...]:
    wanted, regex = _glob_and_regex(text)
    matches = [match for path in glob.glob(wanted, recursive=True) if (match := regex.fullmatch(path.replace("\\", "/")))]
    paths = [Path(match.string) for match in matches]
    if _EPOCH not in regex.groupindex:
        return _in_order(_kept(paths) or _refuse(text))
    found = [Checkpoint(path, int(match[_EPOCH])) for path, match in zip(paths, matches, strict=True) if path.is_file()]
    return _sorted(found) or _refuse(text)


def _glob_and_regex(text: str) -> tuple[str, re.Pattern[str]]:
    """Turn a file name pattern with fields into what finds the files, and what reads the epoch from a path.

    >>> wanted, regex = _glob_and_regex("ckpt[1]/{epoch:02d}-{val_loss:.2f}.keras")
    >>> wanted, regex.fullmatch("ckpt[1]/07-0.35.keras")["epoch"]
    ('ckpt[[]1]/*-*.keras', '07')
    """
    wanted, regex, start, is_known = "", "", 0, False
    for field in _FIELD.finditer(text):
        is_epoch = field[1] == _EPOCH
        literal = text[start : field.start()]
        wanted += _glob_of(literal) + "*"
        regex += _regex_of(literal) + ((r" *\d+" if is_known else rf" *(?P<{_EPOCH}>\d+)") if is_epoch else "[^/]*")
        start, is_known = field.end(), is_known or is_epoch
    return wanted + _glob_of(text[start:]), re.compile(regex + _regex_of(text[start:]))


def _glob_of(literal: str) -> str:
    return literal.replace("[", "[[]")


def _regex_of(literal: str) -> str:
    """Return what matches the same as the glob does: stars stay stars, all else is meant as it stands."""
    wilds = [_WILD_REGEX[wild] for wild in _WILD.findall(literal)]
    parts = [re.escape(part) for part in _WILD.split(literal.replace("\\", "/"))]
    return "".join(part + wild for part, wild in zip(parts, [*wilds, ""], strict=True))


def _in_order(paths: list[Path]) -> tuple[Checkpoint, ...]:
    numbers = [_numbers_in(label) for label in _labels(paths)]
    slot = _epoch_slot([each for each in numbers if each])
    numbered = [Checkpoint(path, each[slot]) for path, each in zip(paths, numbers, strict=True) if slot in each]
    others = sorted((path for path, each in zip(paths, numbers, strict=True) if slot not in each), key=_written)
    last = max((found.epoch for found in numbered), default=0)
    return _sorted([*numbered, *(Checkpoint(path, last + number) for number, path in enumerate(others, 1))])


def _sorted(found: Iterable[Checkpoint]) -> tuple[Checkpoint, ...]:
    return tuple(sorted(found, key=lambda each: (each.epoch, *_written(each.path))))


def _written(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, str(path)


def _labels(paths: list[Path]) -> list[str]:
    """Return what an epoch may stand in: file names, or where those are all the same, the folders that differ."""
    names = [path.name for path in paths]
    if len(paths) > 1 and len(set(names)) == 1:
        folders = [os.path.abspath(path.parent) for path in paths]
        return [os.path.relpath(folder, os.path.commonpath(folders)) for folder in folders]
    return [re.sub(r"(\.weights)?\.[^.]*$", "", name) for name in names]


def _numbers_in(label: str) -> dict[str, int]:
    """Return the whole numbers of a name, by what tells one of them from another: their number and the word before.

    >>> _numbers_in("run3_weights.05-0.35")
    {'0 run': 3, '1 weights': 5}
    >>> _numbers_in("run3-epoch=05-lr1e-05")
    {'0 run': 3, 'epoch': 5}
    """
    slots: dict[str, int] = {}
    matches = [match for match in _NUMBER.finditer(label) if match[0].isdigit()]
    for number, match in enumerate(matches):
        before = label[: match.start()]
        word = _WORD_BEFORE.search(before)
        slot = _EPOCH if _EPOCH_BEFORE.search(before) else f"{number} {word[1].lower() if word else ''}"
        slots.setdefault(slot, int(match[0]))
    return slots


def _epoch_slot(numbers: list[dict[str, int]]) -> str:
    """Choose which of the numbers is the epoch; "" where none can be."""
    values: defaultdict[str, set[int]] = defaultdict(set)
    for slot, number in (pair for each in numbers for pair in each.items()):
        values[slot].add(number)
    differing = [slot for slot in values if len(values[slot]) > 1]
    if _EPOCH in differing or (_EPOCH in values and not differing):
        return _EPOCH
    only = next(iter(values)) if len(numbers) == 1 and len(values) == 1 else ""
    return max(differing, key=lambda slot: len(values[slot]), default=only)


def _refuse(text: str) -> NoReturn:
    """Say that nothing was found, where was looked, and what is there instead."""
    folder = Path(text) if os.path.isdir(text) else _fixed_folder(text)
    wanted = "files that end in .keras, .weights.h5 or .h5" if os.path.isdir(text) else repr(os.path.basename(text) or text)
    raise ValueError(
        f"There is no checkpoint at {text!r}. Looked for {wanted} in {str(folder)!r}: {_there(folder, text)} {_SAVE}"
    )


def _fixed_folder(text: str) -> Path:
    parts = Path(text).parts[:-1]
    first_wild = next((number for number, part in enumerate(parts) if _MAGIC.search(part)), len(parts))
    return Path(*parts[:first_wild])


def _there(folder: Path, text: str) -> str:
    if not folder.is_dir():
        existing = next((each for each in folder.parents if each.is_dir()), Path())
        missing = folder.relative_to(existing).parts[0]
        near = difflib.get_close_matches(missing, [each.name for each in existing.iterdir() if each.is_dir()], n=1)
        return "that folder does not exist." + (f" Did you mean {str(existing / near[0])!r}?" if near else "")
    names = sorted(each.name for each in folder.iterdir() if not each.name.startswith("."))
    foreign = next((words for regex, words in _NOT_READ if any(regex.fullmatch(name) for name in names)), "")
    likely = [name for name in names if name.endswith(_SUFFIXES)] or names
    near = difflib.get_close_matches(os.path.basename(text), likely, n=3, cutoff=0.3) or likely[:3]
    listed = ", ".join(repr(name) for name in near) + (f" and {len(names) - len(near)} more" if len(names) > len(near) else "")
    return (f"it holds {foreign}; " if foreign else "") + (f"there are {listed}." if near else "the folder is empty.")


# Where the variables are --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spot:
    """What a model writes for one variable."""

    key: str
    shape: tuple[int, ...]
    dtype: str
    path: str


@dataclass(frozen=True, slots=True)
class Places:
    """Where a model's variables stand in its files.

    Attributes:
        spots: From key to what is written of it.
        datasets: From key to the name of its dataset in a file of Keras 3.
        groups: From each group of such a file to the number of arrays that its layer writes, variables or not.
        layers: Of the older layout: the layers' names, each with its keys in the order in which Keras writes them.
        absent: From key to the reason why files of Keras 3 do not hold it under its own name.
    """

    spots: Mapping[str, Spot]
    datasets: Mapping[str, str]
    groups: Mapping[str, int]
    layers: tuple[tuple[str, tuple[str, ...]], ...]
    absent: Mapping[str, str]


def places_of(model: Any, catalog: Catalog) -> Places:
    """Ask Keras where it writes the variables of a catalog; once for all files, and again when the model was changed.

    Nothing is written, and no value of a variable is read, but where a layer merges LoRA matrices before it saves.

    Args:
        model: A built model.
        catalog: Its catalog.

    Raises:
        ValueError: The model is not built.

    >>> from weight_explorer.catalog.walk import read_catalog
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="dense")], name="small")
    >>> dict(places_of(model, read_catalog(model)).datasets)
    {'small/dense/kernel': 'layers/dense/vars/0', 'small/dense/bias': 'layers/dense/vars/1'}
    """
    if not model.built:
        raise ValueError(
            f"{model.name!r} is not built, so it has no weights to look for in files. "
            "Build it first: call it on a batch, or give it an Input."
        )
    keys = {id(variable): key for key, variable in catalog.variables.items()}
    groups = _written_groups(model, catalog)
    datasets: dict[str, str] = {}
    for group, written in groups.items():
        for name, value in written.items():
            if id(value) in keys:
                datasets.setdefault(keys[id(value)], f"{group}/{name}")
    spots = {key: _spot(catalog, key) for key in catalog.weights}
    absent = {key: _why_absent(catalog.weights[key].role) for key in catalog.weights if key not in datasets}
    sizes = {group: len(written) for group, written in groups.items()}
    frozen = MappingProxyType
    return Places(frozen(spots), frozen(datasets), frozen(sizes), _older_layers(model, keys), frozen(absent))


def _spot(catalog: Catalog, key: str) -> Spot:
    variable: Any = catalog.variables[key]
    weight = catalog.weights[key]
    return Spot(key, weight.shape, weight.dtype, str(variable.path))


def _why_absent(role: str) -> str:
    if role == SEED_STATE:
        return "Keras saves no random states"
    return "its layer saves something else in its place, as layers with LoRA save their kernel merged, or does not save it"


class _Noting(_Store):
    """Takes what layers would write and keeps the very objects, by the group they would stand in."""

    def __init__(self) -> None:
        self.groups: dict[str, dict[str, Any]] = {}

    def __bool__(self) -> bool:
        return True

    def make(self, path: str, metadata: object = None) -> dict[str, Any]:  # noqa: ARG002 - Keras >= 3.9 gives it
        return self.groups.setdefault(f"{path}/vars" if path else "vars", {})


def _written_groups(model: Any, catalog: Catalog) -> dict[str, dict[str, Any]]:
    store = _Noting()
    holders = [model, *catalog.layers.values()]
    # An optimizer copies all of its state to save it, and none of it is a weight.
    skipped = {id(each) for holder in holders for each in list(vars(holder).values()) if isinstance(each, keras.Optimizer)}
    with _left_as_they_are(holders):
        _walk(model, weights_store=store, assets_store=None, inner_path="", visited_saveables=skipped)
    return store.groups


@contextlib.contextmanager
def _left_as_they_are(layers: Iterable[Any]) -> Iterator[None]:
    """Undo the one thing that Keras' walk changes: `Model.jit_compile`, which it looks at, settles "auto" for good."""
    undecided = [each for each in layers if vars(each).get("_jit_compile", "") is None]
    try:
        yield
    finally:
        for each in undecided:
            vars(each)["_jit_compile"] = None


def _older_layers(model: Any, keys: Mapping[int, str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return what the older layout holds, in its order: first what is trained, then the rest, of each layer of the model."""
    weights = {id(weight) for weight in model.weights}
    # Those of the model itself, not of its layers, have no public list; Keras' own code for this layout reads these.
    own = [each for each in model._trainable_variables + model._non_trainable_variables if id(each) in weights]  # noqa: SLF001
    held = [(layer.name, layer.trainable_weights + layer.non_trainable_weights) for layer in model.layers]
    named = [(name, tuple(keys.get(id(each), "") for each in variables)) for name, variables in [*held, (_TOP_LEVEL, own)]]
    return tuple((name, held_keys) for name, held_keys in named if held_keys)


# Reading files ------------------------------------------------------------------------------------------------------------


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
            stream = _weights_stream(stack, stack.enter_context(path.open("rb")), path)
            file = stack.enter_context(h5py.File(stream, "r"))
            opened = OpenCheckpoint(path, places, file)
        yield opened


class OpenCheckpoint:
    """A checkpoint file that is open; made by `open_checkpoint`."""

    def __init__(self, path: Path, places: Places, file: Any) -> None:
        self.path = path
        self._places = places
        self._file = file
        group = _older_group(file)
        self._is_older = group is not None
        self._names: Mapping[str, str] = places.datasets if group is None else _older_names(path, places, group)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Keys of the weights that are in this file, in the order of the catalog."""
        with _telling_damage(self.path):
            return tuple(key for key in self._places.spots if self._dataset(key) is not None)

    def read(self, key: str) -> np.ndarray:
        """Read one weight; see `read`."""
        spot, dataset = self._fitting(key)
        with _telling_damage(self.path):
            values = np.asarray(_typed(dataset[()], dataset.attrs.get("dtype"), spot))
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
            held = _num_arrays(self._file.get(group))
            if held not in (expected, 0):  # where there are none, the missing weight is named
                raise _misfit(self.path, f"holds {held} arrays in {group!r} and the model writes {expected} there")
        extra = sorted(_layers_in(_groups_of(self._file)) - _layers_in(self._places.groups))
        if extra:
            raise _misfit(self.path, f"holds weights in {extra[0]!r}, a layer that the model does not have")

    def _fitting(self, key: str) -> tuple[Spot, Any]:
        with _telling_damage(self.path):
            dataset = self._dataset(key)
            shape = dataset.shape if dataset is not None else None
        if shape is None:
            raise self._missing(key)
        spot = self._places.spots[key]
        if shape != spot.shape:
            raise _misfit(self.path, f"does not fit the model at {key!r}: the file holds {shape} and the model {spot.shape}")
        return spot, dataset

    def _dataset(self, key: str) -> Any:
        found = self._file.get(self._names[key]) if key in self._names else None
        return found if isinstance(found, h5py.Dataset) else None

    def _missing(self, key: str) -> CheckpointError:
        if key not in self._places.spots:
            return CheckpointError(refusal("weight", key, self._places.spots))
        if key not in self._names:
            reason = self._places.absent.get(key, "the file was saved without it")
            return CheckpointError(f"{key!r} is not in {str(self.path)!r} under its own name: {reason}.")
        return _misfit(self.path, f"does not hold {key!r}, which should be its {self._names[key]!r}")


def _misfit(path: Path, words: str) -> CheckpointError:
    return CheckpointError(f"{str(path)!r} {words}. {_FIT}")


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


def _weights_stream(stack: contextlib.ExitStack, file: BinaryIO, path: Path) -> BinaryIO | _Window:
    """Return the HDF5 file that a file is or, of a zip archive, holds."""
    is_archive = file.read(2) == b"PK"
    file.seek(0)
    if not is_archive:
        return file
    archive = stack.enter_context(zipfile.ZipFile(file))
    if _MEMBER not in archive.namelist():
        listed = ", ".join(archive.namelist()[:5])
        raise CheckpointError(f"{str(path)!r} is an archive without {_MEMBER!r}; it holds {listed}. {_SAVE}")
    member = archive.getinfo(_MEMBER)
    if member.compress_type == zipfile.ZIP_STORED:
        return _Window(file, _start_of(file, member), member.file_size)
    # Keras never compresses; who did pays once. HDF5 jumps about, and each jump back would decompress from the start:
    # 1.7 to 3.4 s instead of 0.8 s for one weight of 101 MB.
    unpacked = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    with archive.open(member) as packed:
        shutil.copyfileobj(packed, unpacked, 1 << 20)
    return unpacked  # type: ignore[return-value]


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


def _typed(values: Any, noted: Any, spot: Spot) -> np.ndarray:
    """Give back the type to numbers that HDF5 has no name for and holds as bytes: bfloat16 and float8.

    Keras notes bfloat16 beside it in files of its own layout only; where nothing is noted, it is the model's type.
    """
    values = np.asarray(values)
    if values.dtype.kind != "V":
        return values
    for name in filter(None, (noted, spot.dtype, "bfloat16")):
        if np.dtype(name).itemsize == values.dtype.itemsize:
            return values.view(np.dtype(name))
    raise CheckpointError(f"{spot.key!r} is saved in a type of {values.dtype.itemsize} bytes that is none of NumPy or Keras.")


def _num_arrays(group: Any) -> int:
    return len(group) if isinstance(group, h5py.Group) else 0


def _groups_of(file: Any) -> list[str]:
    names: list[str] = []
    file.visit(lambda name: names.append(name) if name.endswith("/vars") else None)
    return [name for name in names if _num_arrays(file[name])]


def _layers_in(groups: Iterable[str]) -> set[str]:
    """Return what stands right under `layers`, where Keras puts the layers of a model and nothing else."""
    parts = [group.split("/") for group in groups]
    return {"/".join(each[: number + 2]) for each in parts for number, part in enumerate(each[:-1]) if part == "layers"}


# The older layout: one group a layer, by its name -------------------------------------------------------------------------


def _older_group(file: Any) -> Any:
    """Return the group with the layers where a file has the layout of `model.save("model.h5")`, else None."""
    groups = (file, file.get("model_weights"))
    return next((each for each in groups if isinstance(each, h5py.Group) and _names_in(each, "layer_names") is not None), None)


def _names_in(group: Any, attribute: str) -> list[str] | None:
    """Read a list of names, which Keras cuts in pieces where it is longer than HDF5 allows; None where there is none."""
    numbered = (f"{attribute}{number}" for number in itertools.count())
    pieces = [attribute] if attribute in group.attrs else list(itertools.takewhile(group.attrs.__contains__, numbered))
    names = (name for piece in pieces for name in group.attrs[piece])
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names] if pieces else None


def _older_names(path: Path, places: Places, group: Any) -> dict[str, str]:
    """Return from key to dataset, layer by layer."""
    saved = _older_saved(group)
    if len(saved) != len(places.layers):
        few = ", ".join(list(saved)[:3]) + (", ..." if len(saved) > 3 else "")
        raise _misfit(path, f"holds {len(saved)} layers with weights ({few}) and the model {len(places.layers)}")
    found: dict[str, str] = {}
    names = [name for name, _ in places.layers]
    for (_, keys), name in zip(places.layers, _in_our_order(names, list(saved)), strict=True):
        weights = saved[name]
        if len(keys) != len(weights):
            raise _misfit(path, f"holds {len(weights)} weights of layer {name!r} and the model {len(keys)}")
        ours = [places.spots[key].path if key else "" for key in keys]
        for key, weight in zip(keys, _in_our_order(ours, weights), strict=True):
            found.setdefault(key, f"{group.name.rstrip('/')}/{name}/{weight}")
    return {key: name for key, name in found.items() if key}


def _older_saved(group: Any) -> dict[str, list[str]]:
    """Return the names of the weights of each layer that has some; the model's own, where it has some, come last."""
    names = _names_in(group, "layer_names") or []
    own = [_TOP_LEVEL] if _TOP_LEVEL in group else []
    held = {name: _names_in(group[name], "weight_names") or [] for name in [*names, *own]}
    return {name: weights for name, weights in held.items() if weights}


def _in_our_order(ours: list[str], saved: list[str]) -> list[str]:
    """Put the names of a file beside ours, by the strictest of the rules that fits all of them.

    The whole name; its end and how many have the same end, since numbers in the middle differ from session to session, and
    the order of kernels and moving means changes when layers are frozen; or the order alone, as Keras does it.

    >>> _in_our_order(["m/bn_1/gamma", "m/bn_1/mean"], ["m/bn/mean:0", "m/bn/gamma:0"])
    ['m/bn/gamma:0', 'm/bn/mean:0']
    """
    for rule in (_whole, _ends):
        labels = dict(zip(rule(saved), saved, strict=True))
        wanted = rule(ours)
        if len(set(wanted)) == len(labels) == len(saved) and set(labels) == set(wanted):
            return [labels[label] for label in wanted]
    return saved


def _whole(names: list[str]) -> list[Any]:
    return [name.removesuffix(":0") for name in names]


def _ends(names: list[str]) -> list[Any]:
    seen: Counter[str] = Counter()
    labels = []
    for name in _whole(names):
        end = name.rsplit("/", 1)[-1]
        seen[end] += 1
        labels.append((end, seen[end]))
    return labels
