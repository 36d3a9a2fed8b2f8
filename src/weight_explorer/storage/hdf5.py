"""Read HDF5 files from any source safely, including damaged ones: only plain arrays in plain groups, no larger than the file.

HDF5 allows features that Keras and the explorer never write: links into other files, arrays whose bytes are in other files,
filters that expand a megabyte to terabytes, arrays that declare more data than there is, and variable-length text. HDF5
allocates the declared amount of memory before it checks whether the data exists. If text is overwritten with zeros, it
searches for the end of the text forever (HDF5 1.14). All of this is rejected before anything is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, BinaryIO

import h5py
import h5py.h5l
import numpy as np

# How many bytes of names and other text are read at most.
MAX_TEXT_BYTES = 1 << 28
# Size of the largest number type in bytes.
_MAX_ITEM_BYTES = 16
# Chunks may be larger than their contents; HDF5 allocates memory for a whole chunk.
_MAX_SLACK_BYTES = 1 << 20
# The signature of a heap with variable-length text, for the only existing version; and how many bytes are searched at a time.
_HEAP_SIGNATURE = b"GCOL\1\0\0\0"
_CHUNK_BYTES = 1 << 20
_LAYOUTS = (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED)


class UnsupportedHDF5Error(ValueError):
    """A file contains something other than plain numbers and text, or declares more data than it holds."""


def find_object(group: Any, path: str) -> Any:
    """Return the group or dataset at a path, or None. Links to other locations or files are not followed.

    Raises:
        UnsupportedHDF5Error: The path contains such a link.
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
    """Return a dataset after checking that it is a plain array of numbers, complete in the file, and safe to read.

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
        UnsupportedHDF5Error: The object is not such an array.
        KeyError: No object exists at this path.
    """
    return check_numeric(_require_dataset(group, path))[()]


def read_text(group: Any, path: str) -> str:
    """Read text that was written with `encode_text`.

    Raises:
        UnsupportedHDF5Error: The object is not such text.
        KeyError: No object exists at this path.
    """
    dataset = _require_dataset(group, path)
    _check_dataset(dataset)
    if dataset.dtype.kind != "S" or dataset.shape != () or dataset.dtype.itemsize > MAX_TEXT_BYTES:
        raise UnsupportedHDF5Error(f"{path!r} is no text of less than {MAX_TEXT_BYTES >> 20} MB")
    return bytes(dataset[()]).decode()


def encode_text(text: str) -> np.bytes_:
    """Return text in the fixed-length form that HDF5 stores."""
    return np.bytes_(text.encode())


def read_attribute(owner: Any, name: str, *, allow_variable_length: bool = False) -> Any:
    """Read an attribute that contains numbers or fixed-length text; None if it does not exist.

    Variable-length text is read only if allowed, and only after `check_heaps`: HDF5 allocates the size that the file declares
    for it, which is at most 4 GB.

    Raises:
        UnsupportedHDF5Error: It contains anything else.
    """
    if name not in owner.attrs:
        return None
    found = owner.attrs.get_id(name)
    is_text = allow_variable_length and h5py.check_string_dtype(found.dtype) is not None
    if not (found.dtype.kind in "iufS" or is_text) or math.prod(found.shape) * found.dtype.itemsize > _MAX_SLACK_BYTES:
        raise UnsupportedHDF5Error(f"the attribute {name!r} is {str(found.dtype)[:80]} of shape {found.shape}")
    return owner.attrs[name]


def check_heaps(stream: BinaryIO) -> None:
    """Check the heaps that store variable-length text: entries must follow each other up to the end of each heap.

    Raises:
        UnsupportedHDF5Error: HDF5 would never reach the end of a heap.
    """
    for start in _find_offsets(stream, _HEAP_SIGNATURE):
        stream.seek(start + len(_HEAP_SIGNATURE))
        size = int.from_bytes(stream.read(8), "little")
        stream.seek(start)
        heap, place = stream.read(min(size, MAX_TEXT_BYTES)), 16
        while place + 16 <= len(heap):
            number, length = int.from_bytes(heap[place : place + 2], "little"), heap[place + 8 : place + 16]
            # A text entry has a 16-byte header and is padded to a multiple of 8; the size of free space includes its header.
            step = int.from_bytes(length, "little") if number == 0 else 16 + (int.from_bytes(length, "little") + 7) // 8 * 8
            if step <= 0 or place + step > size:
                raise UnsupportedHDF5Error(f"its text ends {place} bytes into a heap of {size}")
            place += step


def _find_offsets(stream: BinaryIO, signature: bytes) -> Iterator[int]:
    """Yield every position of a signature in a file, which is read in chunks.

    All chunks are read into one buffer: allocating new memory for each would take longer than everything else.
    """
    overlap = len(signature) - 1
    buffer = bytearray(overlap + _CHUNK_BYTES)  # the last bytes of the previous chunk, then a chunk
    start = 0
    while True:
        stream.seek(start)
        count = stream.readinto(memoryview(buffer)[overlap:])  # type: ignore[attr-defined] - exists on open binary files
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
