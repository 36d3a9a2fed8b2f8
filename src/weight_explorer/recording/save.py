"""Write a run to an HDF5 file, whole or not at all.

`/` has the attribute `format`, and `catalog` and `steps`, both JSON. `/weights/<n>` is one weight, with its `key` and

* `numbers`, `rows`, `exponents`, `firsts`, `counts`: its statistics and histograms, see `Sheet`;
* `kept`, `values`: the numbers of the records that keep values, and the values; number types that HDF5 does not have are stored
  as bytes, with their name in the attribute `dtype`;
* `sample`: of a weight that is kept as a sample, the flat indexes of its elements, with the whole shape as attribute.

`/frozen/<n>` is a part that is or was frozen: `said` (JSON), and, but for whole weights, its `mask` and flat `values`.

All text is of known length, so that who reads knows it beforehand: see `catalog.hdf5`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from weight_explorer.catalog.file_kinds import RUN_FORMAT
from weight_explorer.catalog.hdf5 import text_for
from weight_explorer.catalog.saved import catalog_to_text
from weight_explorer.recording.saved_facts import facts_to_json
from weight_explorer.recording.time import Step

if TYPE_CHECKING:
    from weight_explorer.recording.frozen import FrozenPart
    from weight_explorer.recording.past import Column, Past

FORMAT = f"{RUN_FORMAT} 3"
STATISTICS = ("numbers", "rows", "exponents", "firsts", "counts")


def save_run(past: Past, path: str | os.PathLike[str]) -> None:
    """Write a run to a file. What is there already is replaced when the new file is whole, and not before.

    Raises:
        OSError: The file cannot be written; what was there is as it was.
    """
    target = Path(path).expanduser()
    handle, name = tempfile.mkstemp(dir=target.parent or ".", prefix=f".{target.name}.")
    try:
        with open(handle, "rb+", buffering=0) as raw:
            room = _Room(raw)
            with h5py.File(room, "w") as file:
                _write(file, past)
            room.check()
            os.fsync(raw.fileno())  # a rename may else reach the disk before what was renamed
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


class _Room:
    """A file that takes all that is written, also where the disk is full: `check` tells afterwards.

    HDF5 cannot close a file that it cannot write: the handle stays open, and errors come out wherever Python happens to drop
    what was in the file, also at its end.
    """

    def __init__(self, raw: io.RawIOBase | io.FileIO) -> None:
        self._raw = raw
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the first error there was."""
        if self._error:
            raise self._error

    def _dare(self, deed: Callable[[], object]) -> None:
        if self._error is None:
            try:
                deed()
            except OSError as error:
                self._error = error

    def write(self, data: Any) -> int:
        """Write all of it, where that can be done."""
        self._dare(lambda: self._write_all(memoryview(data).cast("B")))
        return len(data)

    def _write_all(self, data: memoryview) -> None:
        while data:
            data = data[self._raw.write(data) :]

    def truncate(self, size: int) -> None:
        """Cut or extend the file, where that can be done."""
        self._dare(lambda: self._raw.truncate(size))

    def seek(self, *where: int) -> int:
        """Go to a place."""
        return self._raw.seek(*where)

    def tell(self) -> int:
        """Return the place."""
        return self._raw.tell()

    def read(self, size: int) -> bytes | None:
        """Read; h5py wants it to be there."""
        return self._raw.read(size)

    def readinto(self, room: Any) -> int | None:
        """Read into a buffer."""
        return self._raw.readinto(room)

    def flush(self) -> None:
        """Do nothing: nothing is held back."""


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write(file: Any, past: Past) -> None:
    records = past.records
    names = [name for name in Step.__slots__ if name != "facts"]
    steps = [{name: getattr(step, name) for name in names} | {"logs": dict(step.logs)} for step in records]
    head = {"steps": steps, "facts": facts_to_json(step.facts for step in records), "start": past.start}
    head |= {"num_recorded": past.num_recorded, "memory": past.memory, "lengths": sorted(past.timeline.lengths.items())}
    file.attrs["format"] = text_for(FORMAT)
    # As data sets: attributes end at 64 KB.
    file["catalog"] = text_for(catalog_to_text(past.catalog))
    file["steps"] = text_for(json.dumps(head))
    for place, key in enumerate(past.keys):
        column = past.column(key)
        if column is not None:
            _write_column(file.create_group(f"weights/{place}"), column)
    for place, part in enumerate(past.frozen):
        _write_frozen(file.create_group(f"frozen/{place}"), part)


def _write_frozen(group: Any, part: FrozenPart) -> None:
    said = {name: getattr(part, name) for name in ("key", "words", "since", "begin", "until")}
    group["said"] = text_for(json.dumps(said))
    if part.mask is not None and part.values is not None:
        group["mask"], group["values"] = part.mask, _storable(part.values)
        group["values"].attrs["dtype"] = text_for(str(part.values.dtype))


def _write_column(group: Any, column: Column) -> None:
    group["key"] = text_for(column.key)
    everything = slice(None)
    for name, array in zip(STATISTICS, (column.numbers, column.rows(everything), *column.bins(everything)), strict=True):
        group[name] = array
    group["kept"] = np.array(column.kept, np.int64)
    if column.sample is not None:
        group["sample"] = column.sample.indexes
        group["sample"].attrs["shape"] = column.sample.shape
    values: Any = None
    for place, number in enumerate(column.kept):  # one at a time: together they may be as large as the memory
        value = column.value(number)
        if value is None:
            continue
        stored = _storable(value)
        if values is None:
            values = group.create_dataset("values", (len(column.kept), *stored.shape), stored.dtype)
            values.attrs["dtype"] = text_for(str(value.dtype))
        values[place] = stored


def _storable(values: np.ndarray) -> np.ndarray:
    """Return values in a type that HDF5 has: others, of the package ml_dtypes, as plain bits."""
    return values if values.dtype.isbuiltin == 1 else values.view(f"u{values.dtype.itemsize}")
