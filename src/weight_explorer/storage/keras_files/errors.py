"""Errors about checkpoint files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from weight_explorer.storage.formats import (
    ARCHIVED_WEIGHTS_NAME,
    READ_ERRORS,
    FileProbe,
    FormatReader,
    detect_format,
    is_incomplete,
)

HOW_TO_SAVE = "Keras writes such files with keras.callbacks.ModelCheckpoint('checkpoint/{epoch:03d}.keras')."
_MISMATCH_ADVICE = "Build the model as it was when the file was saved, or give the files of this model."


class CheckpointError(ValueError):
    """A checkpoint file cannot be used with this model; the message says why and what to do."""


class UnusableFileError(CheckpointError):
    """A file cannot be used with any model; other files in the same folder may still be usable."""


class DamagedFileError(UnusableFileError):
    """A file is truncated, damaged, or still being written."""


def mismatch_error(path: Path, description: str) -> CheckpointError:
    """Return the error for a file that does not fit the model; `description` says what the file holds."""
    return CheckpointError(f"{str(path)!r} {description}. {_MISMATCH_ADVICE}")


def not_a_checkpoint_error(path: Path) -> UnusableFileError:
    """Return the error for a file that is not a readable checkpoint; the message names its actual format if it is known."""
    content, kind = FileProbe(path), detect_format(path)
    if kind is not None and kind.reader is not FormatReader.CHECKPOINTS:
        return UnusableFileError(FormatReader.CHECKPOINTS.wrong_format_message(kind, path))
    if kind is not None or is_incomplete(path):
        what = "is cut off, damaged, or still being written" if content.size else "is empty, cut off, or still being written"
        return DamagedFileError(f"{str(path)!r} {what}. Leave it out, or save it again.")
    if content.archive_members:
        listed = ", ".join(name[:40] for name in sorted(content.archive_members)[:5])
        return UnusableFileError(
            f"{str(path)!r} is an archive without {ARCHIVED_WEIGHTS_NAME!r}; it holds {listed}. {HOW_TO_SAVE}"
        )
    return UnusableFileError(
        f"{str(path)!r} is not a Keras checkpoint: it begins with {content.head[:8]!r}, and neither like an HDF5 file nor like "
        f"a .keras archive. {HOW_TO_SAVE}"
    )


@contextlib.contextmanager
def translate_read_errors(path: Path) -> Iterator[None]:
    """Convert the errors that libraries raise for a file to errors with advice for the user."""
    try:
        yield
    except CheckpointError:
        raise
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise CheckpointError(
            f"{str(path)!r} cannot be opened: {error.strerror}. Give files that exist and may be read."
        ) from error
    except READ_ERRORS as error:
        raise DamagedFileError(
            f"{str(path)!r} is cut off, damaged, or still being written ({error}). Leave it out, or save it again."
        ) from error
