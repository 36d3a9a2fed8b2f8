"""Compares what notes say with the records, the layers and the gradients."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf


def false_claims(explorer, trained):
    """Return the notes of an explorer that are not true, each with what is true instead."""
    return [
        f"{problem}: {finding.sentence}"
        for finding in explorer.findings
        if finding.severity == "note"
        for problem in _problems(explorer, finding, trained)
    ]


def _problems(explorer, finding, trained) -> Iterator[str]:
    check, reason = CHECKS.get(finding.rule), REASONS.get(_code(finding))
    if check is None or reason is None:
        yield f"no check for {finding.rule!r} because of {finding.cause!r}"
        return
    for location in finding.locations:
        yield from check(explorer, finding, location)
        yield from reason(explorer, location, trained)


def _code(finding):
    """The cause without when it began, which the records show."""
    return finding.cause.partition(", ")[0]


def _changed(explorer, key, since=0):
    """Say of each element of a weight whether it differs from what it was at a record, at any later one."""
    kept = [number for number in explorer.history.records_with_values(key) if number >= since]
    start = explorer.history.values_at(key, since)
    return np.any([explorer.history.values_at(key, number) != start for number in kept], axis=0)


def _along(changed, axis):
    """Say of each entry of an axis whether anything changed there."""
    return np.moveaxis(changed, axis, 0).reshape(changed.shape[axis], -1).any(axis=1)


def check_rows(explorer, finding, location) -> Iterator[str]:
    """Exactly the rows that are named did not change."""
    (place,) = location.axis_entries
    changed = _along(_changed(explorer, location.key), place.axis)
    if tuple(np.flatnonzero(~changed)) != place.entries:
        yield f"other rows of {location.key} did not change: {np.flatnonzero(~changed)}"


def check_units(explorer, finding, location) -> Iterator[str]:
    """The units that are named have not changed since the record that is named, their biases included."""
    (place,) = location.axis_entries
    changed = _along(_changed(explorer, location.key, int(finding.evidence["since"])), place.axis)
    if changed[list(place.entries)].any() or not changed.any():
        yield f"units of {location.key} changed"
    biases = [key for key in location.keys if key != location.key]
    for key in biases:
        if _changed(explorer, key, int(finding.evidence["since"]))[list(place.entries)].any():
            yield f"units of {key} changed"


def check_not_moving(explorer, finding, location) -> Iterator[str]:
    """The weights that are named have not changed since the record that is named."""
    for key in location.keys:
        if _changed(explorer, key, int(finding.evidence["since"])).any():
            yield f"{key} changed"


def check_statistics(explorer, finding, location) -> Iterator[str]:
    """The statistics did not change at all."""
    for key in location.keys:
        if _changed(explorer, key).any():
            yield f"{key} changed"


def says_nothing(explorer, location, trained) -> Iterator[str]:
    """No reason is given that could be false."""
    yield from ()


def is_not_trainable(explorer, location, trained) -> Iterator[str]:
    for key in location.keys:
        if explorer.catalog.variables[key].trainable:
            yield f"{key} is trainable"


def is_padding(explorer, location, trained) -> Iterator[str]:
    """Of the tokens that are named only padding occurs, and the note says that it is padding."""
    entries, occurring = set(location.axis_entries[0].entries), set(np.unique(trained.inputs).tolist())
    if entries & occurring - {0}:
        yield f"tokens {sorted(entries & occurring)} occur"
    if 0 in entries & occurring and "Token 0 is padding (mask_zero=True)" not in location.message:
        yield "token 0 occurs, and is padding"


def cancels(explorer, location, trained) -> Iterator[str]:
    """Gradients reach the layer, and that of the weight itself is as good as 0."""
    own = explorer.catalog.variables[location.key]
    layer = explorer.catalog.layers[location.layer]
    with tf.GradientTape() as tape:
        loss = trained.loss()
    slopes = tape.gradient(loss, layer.weights)
    sizes = {id(variable): float(tf.norm(slope)) for variable, slope in zip(layer.weights, slopes, strict=True)}
    if sizes[id(own)] > 1e-6 * max(sizes.values()) or not max(sizes.values()):
        yield f"its gradient has the size {sizes[id(own)]}"


def check_moved(explorer, finding, location) -> Iterator[str]:
    """The weights that are named did change."""
    for key in location.keys:
        if not _changed(explorer, key).any():
            yield f"{key} did not change"


CHECKS = {
    "frozen but moved": check_moved,
    "rows not moving": check_rows,
    "units not moving": check_units,
    "not moving": check_not_moving,
    "moving statistics": check_statistics,
}
REASONS = {
    "data": says_nothing,
    "unknown": says_nothing,
    "loop": says_nothing,
    "from layers": says_nothing,
    "relu": says_nothing,
    "tokens": is_padding,
    "padding token": is_padding,
    "not trainable": is_not_trainable,
    "frozen": is_not_trainable,
    "gradient cancels": cancels,
}
