"""Holds what notes claim against what the data, the layers and the records really are."""

import contextlib
from unittest import mock

import keras
import numpy as np


def untrue_claims(explorer, trained):
    """Return the notes of an explorer that are not so, with what is so."""
    model = next(model for model in trained.models if model.name == explorer.catalog.root.name)
    found = []
    for finding in explorer.findings:
        check = CHECKS.get((finding.rule, finding.severity))
        problem = check(explorer, finding, model, trained.inputs) if check else "no check is known"
        if problem:
            found.append(f"{problem}: {finding.sentence}")
    return found


@contextlib.contextmanager
def calls():
    """Collect the first input and the output of every layer that is called, under the layer's identity."""
    seen, call = {}, keras.Layer.__call__

    def collecting(self, *args, **options):
        output = call(self, *args, **options)
        if args and hasattr(args[0], "shape") and hasattr(output, "shape"):
            seen.setdefault(id(self), []).append((np.asarray(args[0]), np.asarray(output)))
        return output

    with mock.patch.object(keras.Layer, "__call__", collecting):
        yield seen


def states(explorer):
    """Yield as each of three recorded states is in the model: the first, one in the middle, and the last."""
    variables, records = explorer.catalog.variables, explorer.history.records
    now = {key: np.array(variable) for key, variable in variables.items()}
    try:
        for record in (records[0], records[len(records) // 2], records[-1]):
            for key, variable in variables.items():
                variable.assign(explorer.history.value(key, record.number))
            yield record
    finally:
        for key, variable in variables.items():
            variable.assign(now[key])


def arrays(explorer, finding, model, inputs, records):
    """Yield input and output of the layer that a finding is of, for all of the data, at those states that are asked for."""
    layer = explorer.catalog.layers[finding.layer]
    for record in states(explorer):
        if record.number >= records:
            with calls() as seen:
                model(inputs)
            yield from seen[id(layer)]


def check_zero_input(explorer, finding, model, inputs):
    """The named entries of the input are 0 in all of the data; tokens do not occur."""
    (place,) = finding.places
    layer = explorer.catalog.layers[finding.layer]
    for given, _ in arrays(explorer, finding, model, inputs, 0):
        if isinstance(layer, keras.layers.Embedding):
            occurring = sorted(set(place.entries) & set(given.astype(int).flat))
            return f"tokens {occurring} occur" if occurring else ""
        if given[..., place.entries].any():
            return f"inputs {np.flatnonzero(given[..., place.entries].reshape(-1, len(place.entries)).any(axis=0))} are not 0"
    return ""


def check_dead_units(explorer, finding, model, inputs):
    """The named units put out 0 for all of the data since then."""
    (place,) = finding.places
    for _, made in arrays(explorer, finding, model, inputs, finding.evidence["since"]):
        if made[..., place.entries].any():
            return "units put out other numbers than 0"
    return ""


def check_not_moving(explorer, finding, model, inputs):
    """What is told not to move is not trainable, and the same at all records."""
    for key in finding.keys:
        values = explorer.history.values(key)
        if (values != values[0]).any():
            return f"{key} moved"
        if explorer.catalog.variables[key].trainable:
            return f"{key} is trainable"
    return ""


CHECKS = {
    ("zero input", "note"): check_zero_input,
    ("dead units", "note"): check_dead_units,
    ("not moving", "note"): check_not_moving,
}
