"""The recorder copies what is there, measures changes against the right record, and stays within the memory."""

import numpy as np
import pytest

from weight_explorer.catalog.nodes import Axis, Catalog, LayerNode, Weight
from weight_explorer.recording.history import History
from weight_explorer.recording.recorder import Recorder


@pytest.fixture
def live():
    """Arrays that stand for the variables of a model."""
    return {"w": np.zeros(4, np.float32), "big": np.zeros(5000, np.float32)}


def catalog_of(live):
    weights = {
        key: Weight(key, "kernel", "kernel", "m", values.shape, str(values.dtype), (Axis("units", values.size),))
        for key, values in live.items()
    }
    return Catalog(LayerNode("m", "m", "Sequential", weights=tuple(weights)), weights, dict(live))


def recorder_of(memory=10**6):
    return Recorder(History(memory), lambda values: values.copy())


def test_changes_are_measured_against_the_start_and_against_the_last_record(live):
    recorder, catalog = recorder_of(), catalog_of(live)
    for number in (1, 3, 10):
        live["w"][:] = number
        recorder.record(catalog, epoch=0, batch=number, kind="batch")
    mean = {quantity: recorder.history.series("w", quantity)["mean"].tolist() for quantity in ("value", "since_start")}
    assert mean == {"value": [1, 3, 10], "since_start": [0, 2, 9]}
    since_last = recorder.history.series("w", "since_last")["mean"]
    assert np.isnan(since_last[0])
    assert since_last[1:].tolist() == [2, 7]


def test_what_is_recorded_does_not_change_when_the_model_does(live):
    recorder, catalog = recorder_of(), catalog_of(live)
    recorder.record(catalog, epoch=0, batch=0, kind="start")
    live["w"][:] = 5
    assert not recorder.history.value("w", 0).any()


def test_a_weight_that_does_not_fit_three_times_is_kept_as_statistics_only(live):
    recorder, catalog = recorder_of(memory=20_000), catalog_of(live)
    for number in range(50):
        live["big"][:] = number
        recorder.record(catalog, epoch=number, batch=0, kind="epoch")
        assert recorder.history.nbytes <= 20_000
    assert recorder.history.steps("big") == ()
    assert recorder.history.series("big")["mean"][-1] == 49
    assert np.isnan(recorder.history.series("big", "since_start")["norm"]).all()
    assert recorder.history.steps("w")[-1] == 49


@pytest.mark.parametrize(
    ("before", "after", "differs"), [(1, 1, False), (1, 2, True), (0.0, -0.0, True), (np.nan, np.nan, False)]
)
def test_a_difference_is_one_in_any_bit(live, before, after, differs):
    recorder, catalog = recorder_of(), catalog_of(live)
    live["w"][2] = before
    recorder.record(catalog, epoch=0, batch=0, kind="start")
    live["w"][2] = after
    assert recorder.differs(catalog, "w") is differs
    assert recorder.moved_any(catalog) is differs


def test_a_weight_of_a_new_shape_starts_anew(live):
    recorder = recorder_of()
    recorder.record(catalog_of(live), epoch=0, batch=0, kind="start")
    live["w"] = np.ones(7, np.float32)
    recorder.record(catalog_of(live), epoch=1, batch=0, kind="epoch")
    assert recorder.history.values("w").shape == (1, 7)
    live["w"] += 1
    recorder.record(catalog_of(live), epoch=2, batch=0, kind="epoch")
    assert recorder.history.series("w", "since_start")["mean"].tolist() == [0, 1]


def test_another_variable_of_the_same_name_and_shape_starts_anew(live):
    recorder = recorder_of()
    recorder.record(catalog_of(live), epoch=0, batch=0, kind="start")
    live["w"] = np.full(4, 9, np.float32)
    recorder.record(catalog_of(live), epoch=1, batch=0, kind="epoch")
    assert recorder.history.series("w", "since_start")["moved"].tolist() == [0]
    assert recorder.history.series("big", "since_start")["moved"].tolist() == [0, 0]
