"""Checkpoint files of Keras: find them, and read single weights out of them, without touching the live model."""

from weight_explorer.catalog.files.errors import CheckpointError, DamagedFile, UnusableFileError
from weight_explorer.catalog.files.find import Checkpoint, find_checkpoints
from weight_explorer.catalog.files.kinds import RUN_FORMAT, Reader, kind_of
from weight_explorer.catalog.files.places import Places, Spot, places_of
from weight_explorer.catalog.files.reading import check, open_checkpoint, read

__all__ = [
    "RUN_FORMAT",
    "Checkpoint",
    "CheckpointError",
    "DamagedFile",
    "Places",
    "Reader",
    "Spot",
    "UnusableFileError",
    "check",
    "find_checkpoints",
    "kind_of",
    "open_checkpoint",
    "places_of",
    "read",
]
