"""The history is bounded, spread evenly, and gives back what went in."""

import numpy as np
import pytest

from tests.records import catalog_of, history_of, record
from weight_explorer.recording.live_history import (
    ARRAY_OVERHEAD_BYTES,
    RECORD_OVERHEAD_BYTES,
    LiveHistory,
    parse_memory,
)
from weight_explorer.recording.part_statistics import RESERVED_BYTES
from weight_explorer.recording.record_statistics import RecordStatistics
from weight_explorer.recording.recorder import Recorder
from weight_explorer.recording.records import Record
from weight_explorer.recording.statistics.summary import FIELD_INDEX, FIELDS, QUANTITIES


def filled(count, memory, size=100, watch=lambda history, number: None):
    """A history of one weight whose elements are the number of the record."""
    history, live = LiveHistory(memory), {"w": np.zeros(size, np.float32)}
    recorder, catalog = Recorder(history, list), catalog_of(live)
    for number in range(count):
        live["w"][:] = number
        record(recorder, catalog, epoch=number, kind="epoch")
        watch(history, number)
    return history


def test_values_come_back_bit_by_bit_in_the_order_of_their_steps():
    history = filled(5, 10**6)
    assert history.records_with_values("w") == (0, 1, 2, 3, 4)
    assert history.values("w").shape == (5, 100)
    np.testing.assert_array_equal(history.values("w")[:, 0], np.arange(5))
    np.testing.assert_array_equal(history.values_at("w", 3), np.full(100, 3, np.float32))


@pytest.mark.parametrize("memory", [15_000, 50_000, 400_000])
def test_memory_holds_at_every_record_and_first_and_last_stay(memory):
    def watch(history, number):
        assert history.nbytes <= memory
        assert history.records_with_values("w")[0] == 0
        assert history.records_with_values("w")[-1] == number
        assert history.record_numbers("w")[0] == 0
        assert history.record_numbers("w")[-1] == number
        np.testing.assert_array_equal(history.values_at("w", number), np.full(100, number, np.float32))
        assert history.statistics_at("w", number)[FIELD_INDEX["mean"]] == number
        if number:
            assert history.statistics_at("w", number, "since_last")[FIELD_INDEX["mean"]] == 1

    history = filled(600, memory, watch=watch)
    assert history.num_recorded == 600
    assert [step.number for step in history.records] == history.record_numbers("w").tolist()
    assert set(history.records_with_values("w")) <= set(history.record_numbers("w").tolist())


@pytest.mark.parametrize("memory", [15_000, 50_000, 400_000])
def test_memory_holds_where_the_training_starts_after_other_records(memory):
    history, live = LiveHistory(memory), {"w": np.zeros(100, np.float32)}
    recorder, catalog = Recorder(history, list), catalog_of(live)
    for number in range(300):
        live["w"][:] = number
        recorder.record(catalog, Record(0, 0, number, 0.0, "batch" if number > 5 else "start"), resets_start=number == 5)
        assert history.nbytes <= memory
        assert history.records_with_values("w")[-1] == number
        assert number < 5 or 5 in history.records_with_values("w")
    np.testing.assert_array_equal(history.values_at("w", 5), np.full(100, 5, np.float32))
    assert history.record_numbers("w")[0] == 0


def test_no_room_for_the_start_and_the_newest_ends_the_thinning():
    history, values = LiveHistory(1000), np.zeros(1000, np.float32)
    for number in range(6):
        history.append(RecordStatistics.empty(("w",)), {"w": values}, Record(0, 0, number, 0.0, "batch"))
        if number == 1:
            history.reset_start()
    assert history.records_with_values("w") == (1, 5)


@pytest.mark.parametrize(("memory", "size"), [(15_000, 100), (50_000, 100), (400_000, 100), (10**6, 2000)], ids=str)
def test_it_makes_no_difference_how_often_somebody_looks(memory, size):
    random = np.random.default_rng(5)

    def look(history, number):
        if random.random() < 0.3:
            assert history.records[-1].number == number
            assert history.nbytes <= memory

    seen, unseen = filled(700, memory, size, watch=look), filled(700, memory, size)
    assert unseen.nbytes <= memory
    assert [step.number for step in seen.records] == [step.number for step in unseen.records]
    assert unseen.nbytes <= memory
    assert seen.records_with_values("w") == unseen.records_with_values("w")
    for quantity in QUANTITIES:
        np.testing.assert_array_equal(seen.statistics("w", quantity).rows, unseen.statistics("w", quantity).rows)
    np.testing.assert_array_equal(seen.histograms("w").counts, unseen.histograms("w").counts)


def test_memory_holds_also_where_a_look_begins_a_table():
    for memory in range(300_000, 400_000, 5_000):

        def look(history, number, memory=memory):
            assert history.records[-1].number == number
            assert history.nbytes <= memory

        filled(200, memory, size=2000, watch=look)


@pytest.mark.parametrize("what", ["values", "statistics"])
def test_the_past_is_thinned_evenly(what):
    history = filled(3000, memory=400_000 if what == "values" else 60_000)
    steps = np.array(history.records_with_values("w")) if what == "values" else history.record_numbers("w")
    gaps = np.diff(steps[:-2])
    assert len(steps) > 10
    assert len(steps) < 3000
    assert gaps.max() <= 2 * np.median(gaps)


def test_statistics_stay_longer_than_values():
    history = filled(300, memory=2_000_000, size=4000)
    assert len(history.records_with_values("w")) < len(history.record_numbers("w")) == 300
    np.testing.assert_array_equal(history.statistics("w")["mean"], np.arange(300))
    np.testing.assert_array_equal(history.histograms("w").counts.sum(axis=1), 4000)


@pytest.mark.parametrize("size", [100, 200_000], ids=["many at once", "one by one"])
def test_dropped_values_lend_their_memory_to_new_ones_but_never_what_a_reader_holds(size, monkeypatch):
    random, held, owners = np.random.default_rng(1), {}, set()
    take = LiveHistory.allocate

    def room_for(self, shape, dtype):
        found = take(self, shape, dtype)
        owners.add(found.__array_interface__["data"][0])
        return found

    monkeypatch.setattr(LiveHistory, "allocate", room_for)

    def watch(history, number):
        if random.random() < 0.2:
            held[number] = history.values_at("w", number)[: size // 2]
        for known in list(held):
            np.testing.assert_array_equal(held[known], known)
            if random.random() < 0.1:
                del held[known]
        assert history.nbytes + history._buffer_pool.free_nbytes <= history.memory

    filled(300, memory=20 * 4 * size + 60_000, size=size, watch=watch)
    assert len(owners) < 150


def test_nbytes_counts_what_is_kept():
    history = filled(100, memory=100_000)
    values = len(history.records_with_values("w")) * (
        400 + ARRAY_OVERHEAD_BYTES + RESERVED_BYTES
    )  # first: what nobody asked for is not in tables yet
    tables = sum(table.nbytes for table in history._tables) + 2 * RecordStatistics.empty(("w",)).nbytes
    assert history.nbytes == tables + values + RECORD_OVERHEAD_BYTES * len(history.records)


def test_room_is_made_before_a_record_so_that_not_even_then_there_is_too_much():
    history = filled(50, memory=200_000, size=5000)
    history.reserve(145_000)
    assert history.nbytes <= 55_000
    assert history.records_with_values("w") == (0, 49)


def test_where_three_copies_just_fit_no_statistics_are_dropped_for_a_fourth():
    history = filled(60, memory=900_000, size=60_000)
    assert history.records_with_values("w") == (0, 58, 59)
    assert len(history.record_numbers("w")) == 60


def test_ten_thousand_records_take_no_more_memory_than_a_hundred():
    sizes = []
    history = filled(10_000, memory=100_000, watch=lambda history, number: sizes.append(history.nbytes))
    assert max(sizes) <= 100_000
    assert history.num_recorded == 10_000
    assert len(history.records) > 20


def test_positions_on_the_time_axis_are_epochs_and_grow():
    history = LiveHistory(memory=10**6)
    history.set_epoch_length(0, 10)
    places = [(0, 0, "start"), (0, 5, "batch"), (1, 0, "epoch"), (1, 3, "batch"), (1, 8, "batch")]
    for epoch, batch, kind in places:
        history.append(RecordStatistics.empty(("w",)), {}, Record(0, epoch, batch, 0.0, kind))
    positions = [step.position for step in history.records]
    assert positions[:3] == [0.0, 0.5, 1.0]
    assert positions == sorted(positions)
    assert positions[-1] < 2
    history.set_epoch_length(1, 16)
    assert [step.position for step in history.records][3:] == [1 + 3 / 16, 1.5]


def test_records_know_which_fit_they_belong_to():
    history = LiveHistory(memory=10**6)
    for fit in range(3):
        history.begin_fit()
        for epoch in range(2):
            history.append(RecordStatistics.empty(("w",)), {}, Record(0, 2 * fit + epoch, 0, 0.0, "epoch"))
    assert [step.fit for step in history.records] == [0, 0, 1, 1, 2, 2]


def test_the_frame_is_tidy():
    frame = filled(3, 10**6).to_frame()
    assert len(frame) == 3 * len(QUANTITIES)
    assert set(FIELDS) < set(frame.columns)
    assert {"step", "epoch", "batch", "key", "layer", "role", "quantity", "update_ratio", "estimated"} < set(frame.columns)
    assert list(frame.query("quantity == 'value'")["mean"]) == [0.0, 1.0, 2.0]
    assert list(frame["quantity"][:3]) == list(QUANTITIES)
    assert list(frame.query("quantity == 'since_last'")["update_ratio"])[1:] == [1.0, 0.5]
    assert set(frame["layer"]) == {"m"}
    assert set(frame["role"]) == {"kernel"}
    assert list(frame.query("quantity == 'value'")["q50"]) == pytest.approx([0, 1, 2], abs=0.1)


def test_a_snapshot_stays_as_it_was_while_the_history_goes_on():
    history = history_of(np.zeros(3), np.ones(3))
    snapshot = history.snapshot()
    history.append(RecordStatistics.empty(("w",)), {"w": np.full(3, 7.0)}, Record(0, 2, 0, 0.0, "epoch"))
    assert snapshot.records_with_values("w") == (0, 1)
    assert len(snapshot.statistics("w")) == len(snapshot.records) == 2
    assert history.records_with_values("w") == (0, 1, 2)


def test_a_snapshot_is_readable_while_all_else_is_thinned():
    """What a reader holds may grow thinner before it asks, but its numbers always fit each other."""
    history = filled(50, memory=60_000)
    for number in range(50, 400):
        snapshot = history.snapshot()
        history.append(RecordStatistics.empty(("w",)), {"w": np.zeros(100, np.float32)}, Record(0, number, 0, 0.0, "epoch"))
        series = snapshot.statistics("w")
        assert set(series.record_numbers.tolist()) <= {step.number for step in snapshot.records}
        assert (series.positions == series.record_numbers).all()


@pytest.mark.parametrize("most", [2, 7, 50])
def test_a_long_series_is_thinned_for_the_screen_with_its_ends(most):
    series = filled(50, 10**6).statistics("w", max_records=most)
    assert len(series) == most
    assert (series.record_numbers[0], series.record_numbers[-1]) == (0, 49)
    np.testing.assert_array_equal(series["mean"], series.record_numbers)


def test_values_that_are_not_kept_are_refused_by_name():
    with pytest.raises(KeyError, match="'nothing'"):
        LiveHistory(memory=100).values("nothing")
    with pytest.raises(KeyError, match=r"Did you mean 'w'"):
        filled(1, 10**6).values("ww")


@pytest.mark.parametrize("memory", ["lots", "", "-3 MB", 0, "5 parsecs", True, "1..2 GB"])
def test_nonsense_memory_is_refused_with_what_came(memory):
    with pytest.raises(ValueError, match="is no amount of memory"):
        parse_memory(memory)
