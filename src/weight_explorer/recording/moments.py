"""When a record was made, and where a training stands, in words: epochs and batches as Keras prints them."""

from __future__ import annotations

from weight_explorer.recording.status import Status
from weight_explorer.recording.time import Step, Timeline

# Kinds of records that show what no training step did to the weights, and what that was where they have no name.
CHANGES = {
    "edited": "edited",
    "restored": "restored",
    "reverted": "weights of an earlier record put back",
    "outside": "changed outside of training",
    "ended": "changed when the training ended",
}

_AT_REST = {"start": "start", "before": "before the training"}


def moment_words(step: Step) -> str:
    """Say in few words when a record was made: "epoch 2" is its end, "epoch 2, batch 5" is within it.

    Where the time axis is ahead of Keras' own count, since an earlier fit was trained before, the fit is named too. A
    checkpoint is told by its file: the number in its name may count from 0 or from 1.

    >>> moment_words(Step(4, 1, 5, 1.5, "batch", keras_epoch=2)), moment_words(Step(6, 2, 0, 2.0, "epoch", keras_epoch=2))
    ('epoch 2, batch 5', 'epoch 2')
    >>> moment_words(Step(9, 3, 0, 3.0, "epoch", fit=1, keras_epoch=1)), moment_words(Step(0, 0, 0, 0.0, "start"))
    ('fit 2, epoch 1', 'start')
    >>> moment_words(Step(0, 0, 0, 0.0, "checkpoint", name="net_0.keras"))
    'net_0.keras'
    """
    if step.kind == "checkpoint":
        return step.name
    if step.is_start or step.kind == "before":
        return _AT_REST[step.kind]
    if not step.keras_epoch:
        return f"start of fit {step.fit + 1}" if step.fit else "before the training"
    fit = f"fit {step.fit + 1}, " if step.is_ahead else ""
    batch = f", batch {step.batch}" if step.batch else ""
    return f"{fit}epoch {step.keras_epoch}{batch}"


def change_words(step: Step) -> str:
    """Say what changed the weights at a record that no training step made, or "" of another."""
    return step.name or CHANGES.get(step.kind, "")


def place_words(step: Step) -> str:
    """Say in few words where in the training a record was made, or what was done then.

    >>> place_words(Step(6, 2, 0, 2.0, "epoch", keras_epoch=2)), place_words(Step(7, 2, 0, 2.0, "outside", keras_epoch=2))
    ('epoch 2', 'changed outside of training at epoch 2')
    """
    if step.is_start:
        return moment_words(step)
    return step.name or (f"{CHANGES[step.kind]} at {moment_words(step)}" if step.kind in CHANGES else moment_words(step))


def axis_words(timeline: Timeline) -> str:
    """Name an axis of positions: where Keras' count began again, it runs over all fits, and its numbers are not those of Keras.

    >>> axis_words(Timeline([Step(4, 2, 0, 2.0, "epoch", fit=1, keras_epoch=2)], {}))
    'epochs'
    >>> axis_words(Timeline([Step(4, 2, 0, 2.0, "epoch", fit=1, keras_epoch=1)], {}))
    'epochs, all fits'
    """
    return "epochs, all fits" if timeline.is_ahead else "epochs"


def progress_words(status: Status, between: str = ", ") -> str:
    """Say which epoch a training is in, and of how many; the fit is named where the time axis is ahead of Keras' own count.

    >>> progress_words(Status(epoch=4, epochs=4, fit=2)), progress_words(Status(epoch=1, epochs=3, fit=2, epochs_before=4))
    ('epoch 4 of 4', 'fit 2, epoch 1 of 3')
    """
    fit = f"fit {status.fit}{between}" if status.epochs_before else ""
    of_epochs = f" of {status.epochs}" if status.epochs else ""
    return f"{fit}epoch {status.epoch}{of_epochs}"
