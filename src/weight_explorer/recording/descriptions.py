"""Text descriptions of records and of training progress, with epochs and batches as Keras prints them."""

from __future__ import annotations

from weight_explorer.recording.records import Record, Timeline
from weight_explorer.recording.status import TrainingStatus

# Kinds of records that show a change not made by a training step, with a description to use if the record has no name.
CHANGE_DESCRIPTIONS = {
    "edited": "edited",
    "restored": "restored",
    "reverted": "weights of an earlier record put back",
    "outside": "changed outside of training",
    "ended": "changed when the training ended",
}

_START_DESCRIPTIONS = {"start": "start", "before": "before the training"}


def describe_time(record: Record) -> str:
    """Describe briefly when a record was made: "epoch 2" is the end of that epoch, "epoch 2, batch 5" is within it.

    If the time axis is ahead of Keras' epoch count because of an earlier fit, the fit is named too. A checkpoint is described
    by its file name, because the number in the name may count from 0 or from 1.

    >>> describe_time(Record(4, 1, 5, 1.5, "batch", keras_epoch=2)), describe_time(Record(6, 2, 0, 2.0, "epoch", keras_epoch=2))
    ('epoch 2, batch 5', 'epoch 2')
    >>> describe_time(Record(9, 3, 0, 3.0, "epoch", fit=1, keras_epoch=1)), describe_time(Record(0, 0, 0, 0.0, "start"))
    ('fit 2, epoch 1', 'start')
    >>> describe_time(Record(0, 0, 0, 0.0, "checkpoint", name="net_0.keras"))
    'net_0.keras'
    """
    if record.kind == "checkpoint":
        return record.name
    if record.is_initial or record.kind == "before":
        return _START_DESCRIPTIONS[record.kind]
    if not record.keras_epoch:
        return f"start of fit {record.fit + 1}" if record.fit else "before the training"
    fit = f"fit {record.fit + 1}, " if record.is_ahead_of_keras else ""
    batch = f", batch {record.batch}" if record.batch else ""
    return f"{fit}epoch {record.keras_epoch}{batch}"


def describe_change(record: Record) -> str:
    """Describe a change of the weights that was not made by a training step; "" for all other records."""
    return record.name or CHANGE_DESCRIPTIONS.get(record.kind, "")


def describe_event(record: Record) -> str:
    """Describe briefly when in the training a record was made, or which change it shows.

    >>> (
    ...     describe_event(Record(6, 2, 0, 2.0, "epoch", keras_epoch=2)),
    ...     describe_event(Record(7, 2, 0, 2.0, "outside", keras_epoch=2)),
    ... )
    ('epoch 2', 'changed outside of training at epoch 2')
    """
    if record.is_initial:
        return describe_time(record)
    return record.name or (
        f"{CHANGE_DESCRIPTIONS[record.kind]} at {describe_time(record)}"
        if record.kind in CHANGE_DESCRIPTIONS
        else describe_time(record)
    )


def describe_axis(timeline: Timeline) -> str:
    """Return the label of an axis of positions. If Keras restarted its count, the axis counts epochs over all fits.

    >>> describe_axis(Timeline([Record(4, 2, 0, 2.0, "epoch", fit=1, keras_epoch=2)], {}))
    'epochs'
    >>> describe_axis(Timeline([Record(4, 2, 0, 2.0, "epoch", fit=1, keras_epoch=1)], {}))
    'epochs, all fits'
    """
    return "epochs, all fits" if timeline.is_ahead_of_keras else "epochs"


def describe_progress(status: TrainingStatus, separator: str = ", ") -> str:
    """Describe the current epoch and the total; the fit is named if the time axis is ahead of Keras' epoch count.

    >>> (
    ...     describe_progress(TrainingStatus(epoch=4, epochs=4, fit=2)),
    ...     describe_progress(TrainingStatus(epoch=1, epochs=3, fit=2, epochs_before=4)),
    ... )
    ('epoch 4 of 4', 'fit 2, epoch 1 of 3')
    """
    fit = f"fit {status.fit}{separator}" if status.epochs_before else ""
    of_epochs = f" of {status.epochs}" if status.epochs else ""
    return f"{fit}epoch {status.epoch}{of_epochs}"
