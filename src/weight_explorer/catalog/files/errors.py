"""What is wrong with a checkpoint file."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

HOW_TO_SAVE = "Keras writes such files with keras.callbacks.ModelCheckpoint('checkpoint/{epoch:03d}.keras')."
_FIT = "Build the model as it was when the file was saved, or give the files of this model."
# All that libraries raise of a damaged file: MemoryError too, where it asks for more than there is.
UNREADABLE = (
    OSError, EOFError, ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError, AttributeError,
    NotImplementedError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class CheckpointError(ValueError):
    """A checkpoint file cannot be used with this model; the message says why, and what to do."""


class UnusableFileError(CheckpointError):
    """A file cannot be used with any model; others of the same folder may be well."""


class DamagedFile(UnusableFileError):  # noqa: N818 - it says what the file is
    """A file is cut off, damaged, or still being written."""


def misfit(path: Path, words: str) -> CheckpointError:
    """Make the error of a file that does not fit the model; `words` say what it holds."""
    return CheckpointError(f"{str(path)!r} {words}. {_FIT}")


@contextlib.contextmanager
def telling_damage(path: Path) -> Iterator[None]:
    """Turn what libraries raise about a file into what a user can act on."""
    try:
        yield
    except CheckpointError:
        raise
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise CheckpointError(
            f"{str(path)!r} cannot be opened: {error.strerror}. Give files that exist and may be read."
        ) from error
    except UNREADABLE as error:
        raise DamagedFile(
            f"{str(path)!r} is cut off, damaged, or still being written ({error}). Leave it out, or save it again."
        ) from error
