"""What is wrong with a checkpoint file."""

from __future__ import annotations

from pathlib import Path

HOW_TO_SAVE = "Keras writes such files with keras.callbacks.ModelCheckpoint('checkpoint/{epoch:03d}.keras')."
_FIT = "Build the model as it was when the file was saved, or give the files of this model."


class CheckpointError(ValueError):
    """A checkpoint file cannot be used with this model; the message says why, and what to do."""


class DamagedFile(CheckpointError):  # noqa: N818 - it says what the file is
    """A file is cut off, still being written, or no checkpoint at all; others of the same folder may be well."""


def misfit(path: Path, words: str) -> CheckpointError:
    """Make the error of a file that does not fit the model; `words` say what it holds."""
    return CheckpointError(f"{str(path)!r} {words}. {_FIT}")
