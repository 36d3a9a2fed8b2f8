"""The history is bounded, spread evenly, and gives back what went in."""

import numpy as np
import pytest

from weight_explorer.recording.history import QUANTITIES, History, parse_memory
from weight_explorer.recording.slices import ROOM
from weight_explorer.recording.statistics import FIELDS


def fill(history, count, size=100, kind="epoch"):
    for i in range(count):
        table = np.full((len(QUANTITIES), len(FIELDS)), float(i))
        history.append({"w": table}, {"w": np.full(size, i, np.float32)}, epoch=i, batch=0, kind=kind)


def test_values_come_back_bit_by_bit_in_the_order_of_their_steps():
    history = History(memory=10**6)
    fill(history, 5)
    assert history.steps("w") == (0, 1, 2, 3, 4)
    assert history.values("w").shape == (5, 100)
    np.testing.assert_array_equal(history.values("w")[:, 0], np.arange(5))
    np.testing.assert_array_equal(history.value("w", 3), np.full(100, 3, np.float32))


@pytest.mark.parametrize("memory", [4_000, 10_000, 50_000])
def test_memory_holds_at_every_record_and_first_and_last_stay(memory):
    history = History(memory)
    for i in range(300):
        fill_one = np.full((len(QUANTITIES), len(FIELDS)), float(i))
        history.append({"w": fill_one}, {"w": np.full(100, i, np.float32)}, epoch=i, batch=0, kind="epoch")
        assert history.nbytes <= memory
        assert history.steps("w")[0] == 0
        assert history.steps("w")[-1] == i
        if i:
            assert history.steps("w")[-2] == i - 1
    assert history.num_recorded == 300


def test_the_past_is_thinned_evenly():
    history = History(memory=40_000)
    fill(history, 400)
    steps = np.array(history.steps("w"))
    gaps = np.diff(steps[:-2])
    assert len(steps) > 10
    assert gaps.max() <= 2.5 * np.median(gaps)


def test_nbytes_counts_what_is_kept():
    history = History(memory=20_000)
    fill(history, 100)
    table = len(QUANTITIES) * len(FIELDS) * 8
    assert history.nbytes == len(history.records) * table + len(history.steps("w")) * (400 + ROOM)


def test_positions_on_the_time_axis_are_epochs_and_grow():
    history = History(memory=10**6)
    table = np.zeros((len(QUANTITIES), len(FIELDS)))
    history.set_epoch_length(0, 10)
    places = [(0, 0, "start"), (0, 5, "batch"), (1, 0, "epoch"), (1, 3, "batch"), (1, 8, "batch")]
    for epoch, batch, kind in places:
        history.append({"w": table}, {}, epoch=epoch, batch=batch, kind=kind)
    positions = [step.position for step in history.records]
    assert positions[:3] == [0.0, 0.5, 1.0]
    assert positions == sorted(positions)
    assert positions[-1] < 2
    history.set_epoch_length(1, 16)
    assert [step.position for step in history.records][3:] == [1 + 3 / 16, 1.5]


def test_the_frame_is_tidy():
    history = History(memory=10**6)
    fill(history, 3)
    frame = history.to_frame()
    assert len(frame) == 3 * len(QUANTITIES)
    assert set(FIELDS) < set(frame.columns)
    assert list(frame.query("quantity == 'value'")["mean"]) == [0.0, 1.0, 2.0]


def test_values_that_are_not_kept_are_refused_by_name():
    with pytest.raises(KeyError, match="'nothing'"):
        History(memory=100).values("nothing")


@pytest.mark.parametrize("memory", ["lots", "", "-3 MB", 0, "5 parsecs", True, "1..2 GB"])
def test_nonsense_memory_is_refused_with_what_came(memory):
    with pytest.raises(ValueError, match="is no amount of memory"):
        parse_memory(memory)
