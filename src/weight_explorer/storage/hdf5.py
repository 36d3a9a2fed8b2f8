"""Read HDF5 files that anybody may have made, or that are damaged: plain arrays in plain groups, no larger than the file.

HDF5 allows what Keras and the explorer never write: links into other files, arrays whose bytes stand in other files,
filters that unpack a megabyte to terabytes, arrays that announce more than there is, text of any length. It takes memory for
what is
announced before it looks whether that is there, and where zeros are in the place of text it looks for its end forever
(HDF5 1.14). All of this is refused before anything is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, BinaryIO

import h5py
import h5py.h5l
import numpy as np

# Bytes of names, and of other text, that are read.
MAX_TEXT_BYTES = 1 << 28
# Bytes of the largest number.
_MAX_ITEM_BYTES = 16
# Chunks may be larger than what is in them; HDF5 takes memory for a whole one.
_MAX_SLACK_BYTES = 1 << 20
# How a heap with text of any length begins, of the version that there is; and bytes that are looked through at a time.
_HEAP_SIGNATURE = b"GCOL\1\0\0\0"
_CHUNK_BYTES = 1 << 20
_LAYOUTS = (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED)


class UnsupportedHDF5Error(ValueError):
    """A file holds something else than plain numbers and text, or announces more than it holds."""


def find_object(group: Any, path: str) -> Any:
    """Return the group or the dataset under a path, or None. Links to other places or files are not followed.

    Raises:
        UnsupportedHDF5Error: There is such a link.
    """
    found = group
    for name in filter(None, path.split("/")):
        if not isinstance(found, h5py.Group) or not found.id.links.exists(name.encode()):
            return None
        if found.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
            raise UnsupportedHDF5Error(f"{name[:80]!r} is a link")
        found = found[name]
    return found


def check_numeric(dataset: Any) -> Any:
    """Return a dataset once it is known to be a plain array of numbers that the file holds whole: now it can be read.

    Raises:
        UnsupportedHDF5Error: It is not.
    """
    _check_dataset(dataset)
    if dataset.dtype.kind not in "biufcV" or dataset.dtype.names or dataset.dtype.itemsize > _MAX_ITEM_BYTES:
        raise UnsupportedHDF5Error(f"{dataset.name[-80:]!r} holds {str(dataset.dtype)[:80]}, and no numbers")
    return dataset


def read_array(group: Any, path: str) -> np.ndarray:
    """Read a plain array of numbers.

    Raises:
        UnsupportedHDF5Error: It is none.
        KeyError: There is none.
    """
    return check_numeric(_require_dataset(group, path))[()]


def read_text(group: Any, path: str) -> str:
    """Read a text that was written by `encode_text`.

    Raises:
        UnsupportedHDF5Error: It is none.
        KeyError: There is none.
    """
    dataset = _require_dataset(group, path)
    _check_dataset(dataset)
    if dataset.dtype.kind != "S" or dataset.shape != () or dataset.dtype.itemsize > MAX_TEXT_BYTES:
        raise UnsupportedHDF5Error(f"{path!r} is no text of less than {MAX_TEXT_BYTES >> 20} MB")
    return bytes(dataset[()]).decode()


def encode_text(text: str) -> np.bytes_:
    """Return a text as HDF5 holds it with its length known."""
    return np.bytes_(text.encode())


def read_attribute(owner: Any, name: str, *, allow_variable_length: bool = False) -> Any:
    """Read an attribute that is numbers or text of known length; None where there is none.

    Text of any length is read where that is wanted, after `check_heaps`: HDF5 takes what a file announces of it, 4 GB
    at most.

    Raises:
        UnsupportedHDF5Error: It is anything else.
    """
    if name not in owner.attrs:
        return None
    found = owner.attrs.get_id(name)
    is_text = allow_variable_length and h5py.check_string_dtype(found.dtype) is not None
    if not (found.dtype.kind in "iufS" or is_text) or math.prod(found.shape) * found.dtype.itemsize > _MAX_SLACK_BYTES:
        raise UnsupportedHDF5Error(f"the attribute {name!r} is {str(found.dtype)[:80]} of shape {found.shape}")
    return owner.attrs[name]


def check_heaps(stream: BinaryIO) -> None:
    """Check where a file keeps text of any length: that one piece of it follows the other, up to the end of each heap.

    Raises:
        UnsupportedHDF5Error: HDF5 would not come to the end of one.
    """
    for start in _find_offsets(stream, _HEAP_SIGNATURE):
        stream.seek(start + len(_HEAP_SIGNATURE))
        size = int.from_bytes(stream.read(8), "little")
        stream.seek(start)
        heap, place = stream.read(min(size, MAX_TEXT_BYTES)), 16
        while place + 16 <= len(heap):
            number, length = int.from_bytes(heap[place : place + 2], "little"), heap[place + 8 : place + 16]
            # A piece of text has a head of 16 bytes and fills whole blocks of 8; what is free counts its head.
            step = int.from_bytes(length, "little") if number == 0 else 16 + (int.from_bytes(length, "little") + 7) // 8 * 8
            if step <= 0 or place + step > size:
                raise UnsupportedHDF5Error(f"its text ends {place} bytes into a heap of {size}")
            place += step


def _find_offsets(stream: BinaryIO, signature: bytes) -> Iterator[int]:
    """Yield where a mark stands in a file, piece by piece.

    All pieces are read into one buffer: new memory for each would take longer than all the rest.
    """
    overlap = len(signature) - 1
    buffer = bytearray(overlap + _CHUNK_BYTES)  # the last bytes of the piece before, and a piece
    start = 0
    while True:
        stream.seek(start)
        count = stream.readinto(memoryview(buffer)[overlap:])  # type: ignore[attr-defined] - of files that are open it is there
        if not count:
            return
        found = buffer.find(signature, 0, overlap + count)
        while found >= 0:
            yield start - overlap + found
            found = buffer.find(signature, found + 1, overlap + count)
        buffer[:overlap] = buffer[count : count + overlap]
        start += count


def _require_dataset(group: Any, path: str) -> Any:
    found = find_object(group, path)
    if not isinstance(found, h5py.Dataset):
        raise KeyError(f"there is no {path!r} in {group.name[-80:]!r}")
    return found


def _check_dataset(dataset: Any) -> None:
    name, nbytes, made = f"{dataset.name[-80:]!r}", math.prod(dataset.shape or ()) * dataset.dtype.itemsize, None
    made = dataset.id.get_create_plist()
    if dataset.shape is None or made.get_layout() not in _LAYOUTS or made.get_external_count():
        raise UnsupportedHDF5Error(f"{name} is no array of this file")
    if made.get_nfilters():
        raise UnsupportedHDF5Error(f"{name} is compressed, which Keras never does")
    if dataset.chunks and math.prod(dataset.chunks) * dataset.dtype.itemsize > nbytes + _MAX_SLACK_BYTES:
        raise UnsupportedHDF5Error(f"{name} comes in pieces that are larger than the whole")
    if nbytes > min(dataset.id.get_storage_size(), dataset.file.id.get_filesize()):
        raise UnsupportedHDF5Error(f"{name} announces {nbytes} bytes, and the file does not hold as many")
