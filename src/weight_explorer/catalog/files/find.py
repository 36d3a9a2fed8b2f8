"""Find checkpoint files, and put them in the order of their epochs."""

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

from weight_explorer.catalog.file_kinds import INDEX, SHARD, Content, FileKind, Reader, kind_of
from weight_explorer.catalog.files.errors import HOW_TO_SAVE

_SUFFIXES = (".keras", ".h5", ".hdf5", INDEX)
# How Keras names the shards of an index: "name_00000.weights.h5".
_SHARD_NAME = re.compile(rf"(.*)_\d{{5}}{re.escape(SHARD)}")
# Files of a folder that are looked at to say what it holds.
_MOST_LOOKED_AT = 100


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

    >>> import tempfile
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
        return _in_order(_listed([text]))
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
        if (index := _index_of(path)) is not None:
            raise ValueError(f"{str(path)!r} is one shard of {str(index)!r}. Give that index; it leads to all shards.")
    if not paths:
        raise ValueError(f"The list of checkpoints is empty. {HOW_TO_SAVE}")
    return paths


def _kept(paths: Iterable[Path]) -> list[Path]:
    """Return the files that may be checkpoints, each shard replaced by its index."""
    kept = [path for path in paths if path.name.endswith(_SUFFIXES) and not path.name.startswith(".") and path.is_file()]
    return list(dict.fromkeys(_index_of(path) or path for path in kept))


def _index_of(path: Path) -> Path | None:
    """Return the index of sharded weights that names this file as one of its shards, or None."""
    found = _SHARD_NAME.fullmatch(path.name)
    index = path.with_name(f"{found[1]}{INDEX}") if found else path
    return index if index != path and index.is_file() and path.name in Content(index).indexed else None


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
    wanted = (
        "files that end in .keras, .weights.h5, .weights.json or .h5"
        if os.path.isdir(text)
        else repr(os.path.basename(text) or text)
    )
    if os.path.isdir(text) and (kind := kind_of(folder)) is not None:
        raise ValueError(Reader.CHECKPOINTS.refusal(kind, folder))
    raise ValueError(
        f"There is no checkpoint at {text!r}. Looked for {wanted} in {str(folder)!r}: {_there(folder, text)} {HOW_TO_SAVE}"
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
    other = _other_kind(folder, names)
    likely = [name for name in names if name.endswith(_SUFFIXES)] or names
    near = difflib.get_close_matches(os.path.basename(text), likely, n=3, cutoff=0.3) or likely[:3]
    listed = ", ".join(repr(name) for name in near) + (f" and {len(names) - len(near)} more" if len(names) > len(near) else "")
    return (f"there are {listed}." if near else "the folder is empty.") + other


def _other_kind(folder: Path, names: list[str]) -> str:
    """Say what the first file in a folder is that is known and no checkpoint, and what to do with it; "" for none."""
    for name in names[:_MOST_LOOKED_AT]:
        kind = _kind_at(folder / name)
        if kind is not None and kind.reader is not Reader.CHECKPOINTS:
            return f" {Reader.CHECKPOINTS.refusal(kind, Path(name))}"
    return ""


def _kind_at(path: Path) -> FileKind | None:
    with contextlib.suppress(OSError):
        return kind_of(path)
    return None
