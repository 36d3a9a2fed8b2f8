"""Find checkpoint files and sort them by epoch."""

from __future__ import annotations

import contextlib
import difflib
import glob
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from weight_explorer.storage.formats import (
    INDEX_SUFFIX,
    SHARD_SUFFIX,
    FileFormat,
    FileProbe,
    FormatReader,
    detect_format,
)
from weight_explorer.storage.keras_files.errors import HOW_TO_SAVE

_SUFFIXES = (".keras", ".h5", ".hdf5", INDEX_SUFFIX)
# The names that Keras gives the shards of an index: "name_00000.weights.h5".
_SHARD_NAME = re.compile(rf"(.*)_\d{{5}}{re.escape(SHARD_SUFFIX)}")
# How many files of a folder are checked to describe its contents.
_MAX_FILES_CHECKED = 100


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint file and the epoch after which it was saved."""

    path: Path
    epoch: int


_FIELD = re.compile(r"\{([A-Za-z_]\w*)(?:![rsa])?(?::[^{}]*)?\}")
_WILDCARD = re.compile(r"\*\*/|\*|\?")
_WILDCARD_REGEX = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
_GLOB_CHARACTERS = re.compile(r"[*?[{]")
_NUMBER = re.compile(r"\d+\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]\d+|\d+")
_EPOCH_BEFORE = re.compile(r"(?:epochs?|(?<![A-Za-z])ep?)[-_=. ]*$", re.IGNORECASE)
_WORD_BEFORE = re.compile(r"([A-Za-z]*)[^A-Za-z]*$")
_EPOCH = "epoch"


def find_checkpoints(path_or_paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> tuple[Checkpoint, ...]:
    """Find checkpoint files and sort them by epoch.

    The epoch is the value of `{epoch}` in a pattern. Without a pattern, it is the integer in the file name that differs between
    the files, preferably one after "epoch", "ep" or "e". Otherwise files are numbered from 1 in order of modification time.
    Files without a number come after those with one.

    Args:
        path_or_paths: A glob such as `"checkpoint/*.keras"`, a folder, a list of paths, or the pattern that was given to
            `keras.callbacks.ModelCheckpoint`, such as `"ckpt/{epoch:02d}-{val_loss:.2f}.weights.h5"`.

    Raises:
        ValueError: No checkpoints were found; the message says what is there instead.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("e1-0.91.keras", "e10-0.35.keras", "e2-0.72.keras", "latest.keras"):
    ...         _ = Path(folder, name).write_bytes(b"")
    ...     found = find_checkpoints(folder + "/*.keras")
    >>> [(each.path.name, each.epoch) for each in found]
    [('e1-0.91.keras', 1), ('e2-0.72.keras', 2), ('e10-0.35.keras', 10), ('latest.keras', 11)]
    """
    if not isinstance(path_or_paths, (str, os.PathLike)):
        return _sort_by_epoch(_check_paths(path_or_paths))
    text = os.path.expanduser(os.fspath(path_or_paths))
    if os.path.isfile(text):
        return _sort_by_epoch(_check_paths([text]))
    if os.path.isdir(text):
        return _sort_by_epoch(_checkpoint_files(sorted(Path(text).iterdir())) or _raise_no_checkpoints(text))
    if _FIELD.search(text):
        return _find_by_pattern(text)
    return _sort_by_epoch(
        _checkpoint_files(Path(path) for path in glob.glob(text, recursive=True)) or _raise_no_checkpoints(text)
    )


def _check_paths(given_paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    paths = list(dict.fromkeys(Path(each).expanduser() for each in given_paths))
    for path in paths:
        if not path.is_file():
            _raise_no_checkpoints(str(path))
        if (index := _shard_index_of(path)) is not None:
            raise ValueError(f"{str(path)!r} is one shard of {str(index)!r}. Give that index; it leads to all shards.")
    if not paths:
        raise ValueError(f"The list of checkpoints is empty. {HOW_TO_SAVE}")
    return paths


def _checkpoint_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files that may be checkpoints, with shards replaced by their index."""
    kept = [path for path in paths if path.name.endswith(_SUFFIXES) and not path.name.startswith(".") and path.is_file()]
    return list(dict.fromkeys(_shard_index_of(path) or path for path in kept))


def _shard_index_of(path: Path) -> Path | None:
    """Return the index that names this file as one of its shards, or None."""
    found = _SHARD_NAME.fullmatch(path.name)
    index = path.with_name(f"{found[1]}{INDEX_SUFFIX}") if found else path
    return index if index != path and index.is_file() and path.name in FileProbe(index).shard_files else None


def _find_by_pattern(pattern: str) -> tuple[Checkpoint, ...]:
    wanted, regex = _glob_and_regex(pattern)
    matches = [match for path in glob.glob(wanted, recursive=True) if (match := regex.fullmatch(path.replace("\\", "/")))]
    paths = [Path(match.string) for match in matches]
    if _EPOCH not in regex.groupindex:
        return _sort_by_epoch(_checkpoint_files(paths) or _raise_no_checkpoints(pattern))
    found = [Checkpoint(path, int(match[_EPOCH])) for path, match in zip(paths, matches, strict=True) if path.is_file()]
    return _sorted_checkpoints(found) or _raise_no_checkpoints(pattern)


def _glob_and_regex(pattern: str) -> tuple[str, re.Pattern[str]]:
    """Convert a file name pattern with fields to a glob for the files and a regular expression that reads the epoch.

    >>> wanted, regex = _glob_and_regex("ckpt[1]/{epoch:02d}-{val_loss:.2f}.keras")
    >>> wanted, regex.fullmatch("ckpt[1]/07-0.35.keras")["epoch"]
    ('ckpt[[]1]/*-*.keras', '07')
    """
    wanted, regex, start, is_known = "", "", 0, False
    for field in _FIELD.finditer(pattern):
        is_epoch = field[1] == _EPOCH
        literal = pattern[start : field.start()]
        wanted += _escape_glob(literal) + "*"
        regex += _glob_to_regex(literal) + ((r" *\d+" if is_known else rf" *(?P<{_EPOCH}>\d+)") if is_epoch else "[^/]*")
        start, is_known = field.end(), is_known or is_epoch
    return wanted + _escape_glob(pattern[start:]), re.compile(regex + _glob_to_regex(pattern[start:]))


def _escape_glob(literal: str) -> str:
    return literal.replace("[", "[[]")


def _glob_to_regex(literal: str) -> str:
    """Return a regular expression that matches the same paths as the glob: wildcards stay wildcards, the rest is literal."""
    wilds = [_WILDCARD_REGEX[wild] for wild in _WILDCARD.findall(literal)]
    parts = [re.escape(part) for part in _WILDCARD.split(literal.replace("\\", "/"))]
    return "".join(part + wild for part, wild in zip(parts, [*wilds, ""], strict=True))


def _sort_by_epoch(paths: list[Path]) -> tuple[Checkpoint, ...]:
    numbers = [_numbers_by_slot(label) for label in _epoch_labels(paths)]
    slot = _epoch_slot([each for each in numbers if each])
    numbered = [Checkpoint(path, each[slot]) for path, each in zip(paths, numbers, strict=True) if slot in each]
    others = sorted((path for path, each in zip(paths, numbers, strict=True) if slot not in each), key=_modified_key)
    last = max((found.epoch for found in numbered), default=0)
    return _sorted_checkpoints([*numbered, *(Checkpoint(path, last + number) for number, path in enumerate(others, 1))])


def _sorted_checkpoints(checkpoints: Iterable[Checkpoint]) -> tuple[Checkpoint, ...]:
    return tuple(sorted(checkpoints, key=lambda each: (each.epoch, *_modified_key(each.path))))


def _modified_key(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, str(path)


def _epoch_labels(paths: list[Path]) -> list[str]:
    """Return the texts that may contain the epoch: the file names or, if they are all the same, the folders that differ."""
    names = [path.name for path in paths]
    if len(paths) > 1 and len(set(names)) == 1:
        folders = [os.path.abspath(path.parent) for path in paths]
        return [os.path.relpath(folder, os.path.commonpath(folders)) for folder in folders]
    return [re.sub(r"(\.weights)?\.[^.]*$", "", name) for name in names]


def _numbers_by_slot(label: str) -> dict[str, int]:
    """Return the integers in a name, keyed by their position and the word before each.

    >>> _numbers_by_slot("run3_weights.05-0.35")
    {'0 run': 3, '1 weights': 5}
    >>> _numbers_by_slot("run3-epoch=05-lr1e-05")
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
    """Choose which of the numbers is the epoch; "" if none can be."""
    values: defaultdict[str, set[int]] = defaultdict(set)
    for slot, number in (pair for each in numbers for pair in each.items()):
        values[slot].add(number)
    differing = [slot for slot in values if len(values[slot]) > 1]
    if _EPOCH in differing or (_EPOCH in values and not differing):
        return _EPOCH
    only = next(iter(values)) if len(numbers) == 1 and len(values) == 1 else ""
    return max(differing, key=lambda slot: len(values[slot]), default=only)


def _raise_no_checkpoints(text: str) -> NoReturn:
    """Raise an error that says nothing was found, where the search looked, and what is there instead."""
    folder = Path(text) if os.path.isdir(text) else _fixed_folder(text)
    wanted = (
        "files that end in .keras, .weights.h5, .weights.json or .h5"
        if os.path.isdir(text)
        else repr(os.path.basename(text) or text)
    )
    if os.path.isdir(text) and (kind := detect_format(folder)) is not None:
        raise ValueError(FormatReader.CHECKPOINTS.wrong_format_message(kind, folder))
    raise ValueError(
        f"There is no checkpoint at {text!r}. Looked for {wanted} in {str(folder)!r}: {_describe_folder(folder, text)} "
        f"{HOW_TO_SAVE}"
    )


def _fixed_folder(text: str) -> Path:
    parts = Path(text).parts[:-1]
    first_wild = next((number for number, part in enumerate(parts) if _GLOB_CHARACTERS.search(part)), len(parts))
    return Path(*parts[:first_wild])


def _describe_folder(folder: Path, text: str) -> str:
    if not folder.is_dir():
        existing = next((each for each in folder.parents if each.is_dir()), Path())
        missing = folder.relative_to(existing).parts[0]
        near = difflib.get_close_matches(missing, [each.name for each in existing.iterdir() if each.is_dir()], n=1)
        return "that folder does not exist." + (f" Did you mean {str(existing / near[0])!r}?" if near else "")
    names = sorted(each.name for each in folder.iterdir() if not each.name.startswith("."))
    other = _describe_other_format(folder, names)
    likely = [name for name in names if name.endswith(_SUFFIXES)] or names
    near = difflib.get_close_matches(os.path.basename(text), likely, n=3, cutoff=0.3) or likely[:3]
    listed = ", ".join(repr(name) for name in near) + (f" and {len(names) - len(near)} more" if len(names) > len(near) else "")
    return (f"there are {listed}." if near else "the folder is empty.") + other


def _describe_other_format(folder: Path, names: list[str]) -> str:
    """Describe the first file in a folder with a known format other than a checkpoint, with advice; "" if there is none."""
    for name in names[:_MAX_FILES_CHECKED]:
        kind = _detect_format_or_none(folder / name)
        if kind is not None and kind.reader is not FormatReader.CHECKPOINTS:
            return f" {FormatReader.CHECKPOINTS.wrong_format_message(kind, Path(name))}"
    return ""


def _detect_format_or_none(path: Path) -> FileFormat | None:
    with contextlib.suppress(OSError):
        return detect_format(path)
    return None
