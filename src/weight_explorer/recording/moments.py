"""When a record was made, in words: epochs and batches as Keras prints them."""

from __future__ import annotations

from weight_explorer.recording.time import Step

_AT_REST = {"start": "start", "before": "before the training"}


def moment_words(step: Step) -> str:
    """Say in few words when a record was made: "epoch 2" is its end, "epoch 2, batch 5" is within it.

    Where the time axis is ahead of Keras' own count, since an earlier fit was trained before, the fit is named too.

    >>> moment_words(Step(4, 1, 5, 1.5, "batch", keras_epoch=2)), moment_words(Step(6, 2, 0, 2.0, "epoch", keras_epoch=2))
    ('epoch 2, batch 5', 'epoch 2')
    >>> moment_words(Step(9, 3, 0, 3.0, "epoch", fit=1, keras_epoch=1)), moment_words(Step(0, 0, 0, 0.0, "start"))
    ('fit 2, epoch 1', 'start')
    """
    if step.is_start or step.kind == "before":
        return _AT_REST[step.kind]
    if not step.keras_epoch:
        return f"start of fit {step.fit + 1}" if step.kind == "start" else "before the training"
    is_ahead = step.epoch + (step.batch > 0) != step.keras_epoch
    batch = f", batch {step.batch}" if step.batch else ""
    return f"{f'fit {step.fit + 1}, ' if is_ahead and step.fit else ''}epoch {step.keras_epoch}{batch}"
