"""Checkpoint files of Keras: find them, and read single weights out of them, without touching the live model."""

from weight_explorer.catalog.files.errors import CheckpointError, DamagedFile, UnusableFileError
from weight_explorer.catalog.files.find import Checkpoint, find_checkpoints
from weight_explorer.catalog.files.places import Places, Spot, places_of
from weight_explorer.catalog.files.reading import check, open_checkpoint, read

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "DamagedFile",
    "Places",
    "Spot",
    "UnusableFileError",
    "check",
    "find_checkpoints",
    "open_checkpoint",
    "places_of",
    "read",
]
