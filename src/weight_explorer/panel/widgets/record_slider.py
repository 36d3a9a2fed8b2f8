"""The time axis: a slider over the records of the training, which also plays them, compares them and follows the newest."""

from __future__ import annotations

from collections.abc import Sequence

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike

from weight_explorer.pictures.assets import read_asset

KEPT = 1
"""Mark of a record whose values are kept."""
FIT_BOUNDARY = 2
"""Mark of the first record of a new fit."""
START = 4
"""Mark of the state before the first training."""
EDITED = 8
"""Mark of a record that the user made by changing values by hand."""
RESTORED = 16
"""Mark of a record whose values were put back from another one."""
OUTSIDE = 32
"""Mark of a record of values that were changed outside of training and out of sight."""
ENDED = 64
"""Mark of a record of what the end of a fit did to the weights, such as restoring the best ones."""
EDIT_FLAGS = {"edited": EDITED, "restored": RESTORED, "reverted": RESTORED, "outside": OUTSIDE, "ended": ENDED}
"""Marks of the kinds of records that no training step made."""


class RecordSliderWidget(anywidget.AnyWidget):
    """Offers the records that one may stop at; the user's choice arrives in `selected` and `against`.

    `numbers`, `epochs`, `batches`, `keras_epochs` and `fits` (little-endian int32) and `flags` (uint8) hold one entry for each
    record, oldest first: its number, the epochs finished before it in all fits, the batches trained since, the epoch as Keras
    prints it, its fit, and `KEPT | FIT_BOUNDARY | START` with those of `EDIT_FLAGS`. `names`, if any, are those of checkpoint
    files, and what was done by hand. `current` is the record on screen, -1 for none: the
    browser takes its change for the answer to a choice. `selected` is a record's number as text, or "" to follow the newest;
    `against` likewise, or "" to compare with none. `can_grow` is false of records that were read from files: there is no newest
    one to follow.
    """

    _esm = read_asset("time_axis.js")
    _css = read_asset("time_axis.css")

    numbers = traitlets.Bytes().tag(sync=True)
    epochs = traitlets.Bytes().tag(sync=True)
    batches = traitlets.Bytes().tag(sync=True)
    keras_epochs = traitlets.Bytes().tag(sync=True)
    fits = traitlets.Bytes().tag(sync=True)
    flags = traitlets.Bytes().tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    current = traitlets.Int(-1).tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)
    against = traitlets.Unicode().tag(sync=True)
    can_grow = traitlets.Bool(True).tag(sync=True)
    speed = traitlets.Int(2, min=1).tag(sync=True)

    def show(  # noqa: PLR0913 - one argument for each trait, by name
        self,
        *,
        numbers: ArrayLike,
        epochs: ArrayLike,
        batches: ArrayLike,
        keras_epochs: ArrayLike,
        fits: ArrayLike,
        flags: ArrayLike,
        names: Sequence[str] = (),
        current: int,
        selected: str,
        against: str,
        can_grow: bool = True,
    ) -> None:
        """Bring records and choices up to date in one message, or in none where nothing changed."""
        columns = {"numbers": numbers, "epochs": epochs, "batches": batches, "keras_epochs": keras_epochs, "fits": fits}
        columns |= {"flags": flags}
        arrays = {name: np.asarray(values) for name, values in columns.items()}
        _refuse_different_lengths(arrays, len(names))
        with self.hold_sync():
            for name, array in arrays.items():
                self.set_trait(name, array.astype("u1" if name == "flags" else "<i4").tobytes())
            self.names = list(names)
            self.current = int(current)
            self.selected, self.against, self.can_grow = selected, against, can_grow


def _refuse_different_lengths(arrays: dict[str, np.ndarray], num_names: int) -> None:
    lengths = {name: array.size for name, array in arrays.items()}
    allowed = set(lengths.values()) | ({num_names} if num_names else set())
    if len(allowed) > 1:
        raise ValueError(f"Expected one entry for each record in every column, got {lengths} and {num_names} names.")
