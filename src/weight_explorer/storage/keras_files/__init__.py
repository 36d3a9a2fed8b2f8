"""Find Keras checkpoint files and read single weights from them without touching the live model."""

from weight_explorer.storage.keras_files.discovery import Checkpoint, find_checkpoints
from weight_explorer.storage.keras_files.errors import CheckpointError, DamagedFileError, UnusableFileError
from weight_explorer.storage.keras_files.layout import CheckpointLayout, SavedVariable, read_layout
from weight_explorer.storage.keras_files.reader import check_checkpoint, open_checkpoint, read_weight

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "CheckpointLayout",
    "DamagedFileError",
    "SavedVariable",
    "UnusableFileError",
    "check_checkpoint",
    "find_checkpoints",
    "open_checkpoint",
    "read_layout",
    "read_weight",
]
