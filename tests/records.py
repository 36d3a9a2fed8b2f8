"""Records for tests, made by the real recorder out of arrays that stand for the variables of a model."""

import numpy as np

from weight_explorer.catalog.schema import Axis, Catalog, LayerNode, Weight
from weight_explorer.recording.live_history import LiveHistory
from weight_explorer.recording.recorder import Recorder
from weight_explorer.recording.records import Record


def weight_of(key, values):
    """A weight with plain axes."""
    axes = tuple(Axis(f"axis {i}", size) for i, size in enumerate(values.shape))
    return Weight(key, "kernel", "kernel", "m", values.shape, str(values.dtype), axes)


def catalog_of(live):
    """A catalog of one layer that holds these arrays as its variables."""
    weights = {key: weight_of(key, values) for key, values in live.items()}
    return Catalog(LayerNode("m", "m", "Sequential", weights=tuple(weights)), weights, dict(live))


def record(recorder, catalog, *, epoch=0, batch=0, kind="batch"):
    """Make one record."""
    keras_epoch = 0 if kind == "start" else epoch + (batch > 0)
    return recorder.record(catalog, Record(0, epoch, batch, 0.0, kind, keras_epoch=keras_epoch))


class Variable:
    """Holds an array, and may hold another one later."""

    def __init__(self, values):
        self.values = values


def history_of(*records, memory=10**8, key="w"):
    """A history of one weight that had these values, one after the other, at the ends of epochs."""
    history, variable = LiveHistory(memory), Variable(np.asarray(records[0]))
    recorder = Recorder(history, lambda variables: [each.values for each in variables])
    weights = {key: weight_of(key, variable.values)}
    catalog = Catalog(LayerNode("m", "m", "Sequential", weights=(key,)), weights, {key: variable})
    for epoch, values in enumerate(records):
        variable.values = np.asarray(values)
        record(recorder, catalog, epoch=epoch, kind="epoch" if epoch else "start")
    return history
