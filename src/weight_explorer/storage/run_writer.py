"""Write a run to an HDF5 file, completely or not at all.

`/` has the attribute `format` and the datasets `catalog` and `steps`, both JSON. `/weights/<n>` is one weight, with its `key`
and

* `numbers`, `rows`, `exponents`, `firsts`, `counts`: its statistics and histograms, see `RecordStatistics`;
* `kept`, `values`: the numbers of the records that keep values, and the values; number types that HDF5 does not have
  are stored as bytes, with their name in the attribute `dtype`;
* `sample`: for a weight that is kept as a sample, the flat indexes of its elements, with the whole shape as attribute.

`/frozen/<n>` is a part that is or was frozen: `said` (JSON) and, except for whole weights, its `mask` and flat `values`.

All text has a fixed length, so that a reader knows the length beforehand: see `storage.hdf5`.
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

from weight_explorer.catalog.serialization import catalog_to_json
from weight_explorer.recording.records import Record
from weight_explorer.storage.facts_json import facts_to_json
from weight_explorer.storage.formats import RUN_FORMAT_PREFIX
from weight_explorer.storage.hdf5 import encode_text

if TYPE_CHECKING:
    from weight_explorer.recording.freeze_checks import FrozenPart
    from weight_explorer.recording.history import History, WeightHistory

FORMAT = f"{RUN_FORMAT_PREFIX} 3"
STATISTICS_DATASETS = ("numbers", "rows", "exponents", "firsts", "counts")


def save_run(history: History, path: str | os.PathLike[str]) -> None:
    """Write a run to a file. An existing file is replaced only after the new file is complete.

    Raises:
        OSError: The file cannot be written; an existing file is left unchanged.
    """
    target = Path(path).expanduser()
    handle, name = tempfile.mkstemp(dir=target.parent or ".", prefix=f".{target.name}.")
    try:
        with open(handle, "rb+", buffering=0) as raw:
            room = _DeferredErrorFile(raw)
            with h5py.File(room, "w") as file:
                _write(file, history)
            room.raise_error()
            os.fsync(raw.fileno())  # otherwise the rename may reach the disk before the contents
        os.chmod(name, 0o666 & ~_current_umask())
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


class _DeferredErrorFile:
    """A file that accepts all writes, even if the disk is full; `raise_error` reports the failure afterward.

    HDF5 cannot close a file that it cannot write. The handle stays open, and errors appear wherever Python happens to release
    the file's objects, even at exit.
    """

    def __init__(self, raw: io.RawIOBase | io.FileIO) -> None:
        self._raw = raw
        self._error: OSError | None = None

    def raise_error(self) -> None:
        """Raise the first error that occurred, if any."""
        if self._error:
            raise self._error

    def _attempt(self, action: Callable[[], object]) -> None:
        if self._error is None:
            try:
                action()
            except OSError as error:
                self._error = error

    def write(self, data: Any) -> int:
        """Write all data, if possible."""
        self._attempt(lambda: self._write_all(memoryview(data).cast("B")))
        return len(data)

    def _write_all(self, data: memoryview) -> None:
        while data:
            data = data[self._raw.write(data) :]

    def truncate(self, size: int) -> None:
        """Truncate or extend the file, if possible."""
        self._attempt(lambda: self._raw.truncate(size))

    def seek(self, *arguments: int) -> int:
        """Move to a position."""
        return self._raw.seek(*arguments)

    def tell(self) -> int:
        """Return the current position."""
        return self._raw.tell()

    def read(self, size: int) -> bytes | None:
        """Read bytes; h5py requires this method."""
        return self._raw.read(size)

    def readinto(self, buffer: Any) -> int | None:
        """Read into a buffer."""
        return self._raw.readinto(buffer)

    def flush(self) -> None:
        """Do nothing: the file is unbuffered."""


def _current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write(file: Any, history: History) -> None:
    records = history.records
    names = [name for name in Record.__slots__ if name != "facts"]
    steps = [{name: getattr(step, name) for name in names} | {"logs": dict(step.logs)} for step in records]
    head = {"steps": steps, "facts": facts_to_json(step.facts for step in records), "start": history.start_record}
    head |= {
        "num_recorded": history.num_recorded,
        "memory": history.memory,
        "lengths": sorted(history.timeline.batches_per_epoch.items()),
    }
    file.attrs["format"] = encode_text(FORMAT)
    # Stored as datasets because attributes are limited to 64 KB.
    file["catalog"] = encode_text(catalog_to_json(history.catalog))
    file["steps"] = encode_text(json.dumps(head))
    for place, key in enumerate(history.keys):
        column = history.weight_history(key)
        if column is not None:
            _write_weight(file.create_group(f"weights/{place}"), column)
    for place, part in enumerate(history.frozen_parts):
        _write_frozen(file.create_group(f"frozen/{place}"), part)


def _write_frozen(group: Any, part: FrozenPart) -> None:
    said = {name: getattr(part, name) for name in ("key", "description", "frozen_at", "first_record", "last_record")}
    group["said"] = encode_text(json.dumps(said))
    if part.mask is not None and part.values is not None:
        group["mask"], group["values"] = part.mask, _to_storable(part.values)
        group["values"].attrs["dtype"] = encode_text(str(part.values.dtype))


def _write_weight(group: Any, weight_history: WeightHistory) -> None:
    group["key"] = encode_text(weight_history.key)
    everything = slice(None)
    for name, array in zip(
        STATISTICS_DATASETS,
        (weight_history.record_numbers, weight_history.rows(everything), *weight_history.bins(everything)),
        strict=True,
    ):
        group[name] = array
    group["kept"] = np.array(weight_history.records_with_values, np.int64)
    if weight_history.sample is not None:
        group["sample"] = weight_history.sample.indexes
        group["sample"].attrs["shape"] = weight_history.sample.shape
    values: Any = None
    for place, number in enumerate(
        weight_history.records_with_values
    ):  # one at a time: together they may be as large as the memory limit
        value = weight_history.values_at(number)
        if value is None:
            continue
        stored = _to_storable(value)
        if values is None:
            values = group.create_dataset("values", (len(weight_history.records_with_values), *stored.shape), stored.dtype)
            values.attrs["dtype"] = encode_text(str(value.dtype))
        values[place] = stored


def _to_storable(values: np.ndarray) -> np.ndarray:
    """Return values in a type that HDF5 supports: types from the package ml_dtypes become plain bits."""
    return values if values.dtype.isbuiltin == 1 else values.view(f"u{values.dtype.itemsize}")
