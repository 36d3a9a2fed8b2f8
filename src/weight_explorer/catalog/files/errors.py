"""What is wrong with a checkpoint file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from weight_explorer.catalog.file_kinds import UNREADABLE, WEIGHTS_IN_ARCHIVE, Content, Reader, is_begun, kind_of

HOW_TO_SAVE = "Keras writes such files with keras.callbacks.ModelCheckpoint('checkpoint/{epoch:03d}.keras')."
_FIT = "Build the model as it was when the file was saved, or give the files of this model."


class CheckpointError(ValueError):
    """A checkpoint file cannot be used with this model; the message says why, and what to do."""


class UnusableFileError(CheckpointError):
    """A file cannot be used with any model; others of the same folder may be well."""


class DamagedFile(UnusableFileError):  # noqa: N818 - it says what the file is
    """A file is cut off, damaged, or still being written."""


def misfit(path: Path, words: str) -> CheckpointError:
    """Make the error of a file that does not fit the model; `words` say what it holds."""
    return CheckpointError(f"{str(path)!r} {words}. {_FIT}")


def no_checkpoint(path: Path) -> UnusableFileError:
    """Make the error of a file that cannot be read as a checkpoint; it says what the file is instead, as far as it is known."""
    content, kind = Content(path), kind_of(path)
    if kind is not None and kind.reader is not Reader.CHECKPOINTS:
        return UnusableFileError(Reader.CHECKPOINTS.refusal(kind, path))
    if kind is not None or is_begun(path):
        what = "is cut off, damaged, or still being written" if content.size else "is empty, cut off, or still being written"
        return DamagedFile(f"{str(path)!r} {what}. Leave it out, or save it again.")
    if content.members:
        listed = ", ".join(name[:40] for name in sorted(content.members)[:5])
        return UnusableFileError(
            f"{str(path)!r} is an archive without {WEIGHTS_IN_ARCHIVE!r}; it holds {listed}. {HOW_TO_SAVE}"
        )
    return UnusableFileError(
        f"{str(path)!r} is not a Keras checkpoint: it begins with {content.head[:8]!r}, and neither like an HDF5 file nor like "
        f"a .keras archive. {HOW_TO_SAVE}"
    )


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
