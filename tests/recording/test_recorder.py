"""The recorder copies what is there, measures changes against the right record, and stays within the memory."""

import ml_dtypes
import numpy as np
import pytest

from tests.records import catalog_of, record
from weight_explorer.recording.live_history import LiveHistory
from weight_explorer.recording.recorder import Recorder
from weight_explorer.recording.statistics import native
from weight_explorer.recording.statistics.summary import FIELD_INDEX, summarize

pytestmark = pytest.mark.usefixtures("each_kind_of_pass")


@pytest.fixture
def live():
    """Arrays that stand for the variables of a model: small ones, large ones, and of several number types."""
    random = np.random.default_rng(1)
    return {
        "w": np.zeros(4, np.float32),
        "b": random.normal(size=(3, 2)).astype(np.float32),
        "big": random.normal(size=(100, 300)).astype(np.float32),
        "half": random.normal(size=50).astype(ml_dtypes.bfloat16),
        "count": np.array(3, np.uint32),
        "empty": np.zeros((0, 4), np.float32),
    }


def recorder_of(memory=10**7):
    return Recorder(LiveHistory(memory), list)


def test_changes_are_measured_against_the_start_and_against_the_last_record(live):
    recorder, catalog = recorder_of(), catalog_of(live)
    for number in (1, 3, 10):
        live["w"][:] = number
        record(recorder, catalog, batch=number)
    mean = {quantity: recorder.history.statistics("w", quantity)["mean"].tolist() for quantity in ("value", "since_start")}
    assert mean == {"value": [1, 3, 10], "since_start": [0, 2, 9]}
    since_last = recorder.history.statistics("w", "since_last")["mean"]
    assert np.isnan(since_last[0])
    assert since_last[1:].tolist() == [2, 7]


def test_what_a_thread_took_is_told_once_with_the_record_after(live):
    recorder, catalog = recorder_of(), catalog_of(live)
    record(recorder, catalog)
    assert recorder.take_background_seconds() == 0
    record(recorder, catalog)
    assert (recorder.take_background_seconds() > 0) == (native.library is not None)
    assert recorder.take_background_seconds() == 0


def test_every_row_is_that_of_the_weight_as_it_was(live):
    recorder, catalog = recorder_of(), catalog_of(live)
    random = np.random.default_rng(2)
    seen = {key: [] for key in live}
    for _ in range(5):
        for key, values in live.items():
            np.add(values, (random.normal(size=values.shape) * 3).astype(values.dtype), out=values)
            seen[key].append(values.copy())
        record(recorder, catalog)
    for key, copies in seen.items():
        for number, now in enumerate(copies):
            references = {"value": None, "since_start": copies[0], "since_last": copies[number - 1] if number else None}
            for quantity, reference in references.items():
                row = recorder.history.statistics_at(key, number, quantity)
                if quantity == "since_last" and not number:
                    assert np.isnan(row).all()
                else:
                    np.testing.assert_allclose(row, summarize(now, reference), rtol=1e-7, atol=1e-12)


def test_every_histogram_counts_every_finite_element_once(live):
    recorder, catalog = recorder_of(), catalog_of(live)
    random = np.random.default_rng(3)
    seen = {key: [] for key in live}
    for number in range(6):
        for key, values in live.items():
            values[...] = (random.normal(size=values.shape) * 4**number).astype(values.dtype)
            if number == 4 and values.size > 5 and values.dtype != np.uint32:
                values.reshape(-1)[:3] = np.nan, np.inf, -np.inf
            seen[key].append(values.astype(np.float64))
        record(recorder, catalog)
    for key, copies in seen.items():
        histograms = recorder.history.histograms(key)
        for counts, values in zip(histograms.counts, copies, strict=True):
            finite = values[np.isfinite(values)]
            expected = np.histogram(finite, [*histograms.edges[:-1], np.inf])[0]
            np.testing.assert_array_equal(counts, expected)


def test_quantiles_are_right_to_within_a_bin(live):
    recorder, catalog = recorder_of(), catalog_of(live)
    record(recorder, catalog)
    histograms = recorder.history.histograms("big")
    width = histograms.edges[1] - histograms.edges[0]
    shares = (0.01, 0.25, 0.5, 0.75, 0.99)
    np.testing.assert_allclose(histograms.quantiles(shares)[0], np.quantile(live["big"], shares), atol=width)
    assert np.isnan(recorder.history.histograms("empty").quantiles(shares)).all()
    assert recorder.history.histograms("w").quantiles((0.5,))[0, 0] == pytest.approx(0, abs=0.1)


def test_what_is_recorded_does_not_change_when_the_model_does(live):
    recorder, catalog = recorder_of(), catalog_of(live)
    before = {key: values.copy() for key, values in live.items()}
    record(recorder, catalog)
    for values in live.values():
        values[...] = 5
    record(recorder, catalog)
    for key, values in before.items():
        np.testing.assert_array_equal(recorder.history.values_at(key, 0), values)
        assert recorder.history.values_at(key, 0).dtype == values.dtype
        assert not recorder.history.values_at(key, 0).flags.writeable


def test_a_weight_too_large_for_the_memory_is_kept_as_a_fixed_sample_that_says_so(live):
    recorder, catalog = recorder_of(memory=150_000), catalog_of(live)
    seen = []
    for number in range(30):
        live["big"] += np.float32(0.5) if number else 0
        live["w"][:] = number
        seen.append(live["big"].copy())
        record(recorder, catalog)
        assert recorder.history.nbytes <= 150_000
    history = recorder.history
    assert history.records_with_values("w")[-1] == 29
    assert history.values_at("big", 29) is None
    with pytest.raises(ValueError, match=r"of 30\u202f000 elements are kept.*history.samples"):
        history.values("big")
    indexes, values = history.samples("big")
    assert 64 <= len(indexes) < 30_000
    assert len(np.unique(indexes)) == len(indexes)
    for number, kept in zip(history.records_with_values("big"), values, strict=True):
        np.testing.assert_array_equal(kept, seen[number].ravel()[indexes])
    np.testing.assert_allclose(history.statistics_at("big", 29), summarize(seen[29]))  # all of it is read, though not kept
    assert history.histograms("big").counts[-1].sum() == 30_000
    change = history.statistics("big", "since_start")
    assert change.is_estimated
    assert not history.statistics("big").is_estimated
    assert change["count"][-1] == len(indexes)
    assert change["moved"][-1] == pytest.approx(30_000)
    assert change["norm"][-1] == pytest.approx(np.linalg.norm(seen[29] - seen[0]), rel=1e-3)


def test_a_memory_for_not_even_a_sample_keeps_statistics(live):
    recorder, catalog = recorder_of(memory=40_000), catalog_of(live)
    for number in range(10):
        live["big"][:] = number
        record(recorder, catalog)
        assert recorder.history.nbytes <= 40_000
    assert recorder.history.records_with_values("big") == ()
    assert recorder.history.statistics("big")["mean"][-1] == 9
    assert np.isnan(recorder.history.statistics("big", "since_start")["norm"]).all()


@pytest.mark.parametrize("key", ["w", "big"])
@pytest.mark.parametrize(
    ("before", "after", "differs"), [(1, 1, False), (1, 2, True), (0.0, -0.0, True), (np.nan, np.nan, False)]
)
def test_a_difference_is_one_in_any_bit(live, key, before, after, differs):
    recorder, catalog = recorder_of(), catalog_of(live)
    live[key].reshape(-1)[2] = before
    record(recorder, catalog)
    live[key].reshape(-1)[2] = after
    assert recorder.has_changed(catalog, key) is differs
    assert recorder.has_any_changed(catalog) is differs


@pytest.mark.parametrize("key", ["w", "big"])
def test_a_weight_of_a_new_shape_starts_anew(live, key):
    recorder = recorder_of()
    record(recorder, catalog_of(live))
    live[key] = np.ones(7, np.float32)
    catalog = catalog_of(live)
    record(recorder, catalog)
    assert recorder.history.values(key).shape == (1, 7)
    live[key] += 1
    record(recorder, catalog)
    assert recorder.history.statistics(key, "since_start")["mean"].tolist() == [0, 1]
    assert recorder.history.histograms(key).counts.sum(axis=1).tolist() == [7, 7]


def test_another_variable_of_the_same_name_and_shape_starts_anew(live):
    recorder = recorder_of()
    record(recorder, catalog_of(live))
    live["w"] = np.full(4, 9, np.float32)
    record(recorder, catalog_of(live))
    assert recorder.history.statistics("w", "since_start")["moved"].tolist() == [0]
    assert recorder.history.statistics("big", "since_start")["moved"].tolist() == [0, 0]


def test_weights_that_are_built_later_start_then_and_leave_the_others_as_they_are(live):
    recorder, first = recorder_of(), dict(list(live.items())[:2])
    record(recorder, catalog_of(first))
    live["b"] += 1
    record(recorder, catalog_of(live))
    live["w"] += 1
    live["big"] += 1
    record(recorder, catalog_of(live))
    history = recorder.history
    assert history.record_numbers("w").tolist() == [0, 1, 2]
    assert history.record_numbers("big").tolist() == [1, 2]
    assert history.statistics("b", "since_start")["moved"].tolist() == [0, 6, 6]
    assert history.statistics("w", "since_last")["moved"][1:].tolist() == [0, 4]
    assert history.statistics("big", "since_start")["moved"].tolist() == [0, 30_000]
    assert history.statistics_at("big", 2)[FIELD_INDEX["count"]] == 30_000


def test_a_model_that_grows_beyond_the_memory_goes_on_with_samples(live):
    memory = 500_000
    recorder, first = recorder_of(memory), {key: live[key] for key in ("w", "big")}
    catalog = catalog_of(first)
    record(recorder, catalog)
    assert recorder.history.values_at("big", 0) is not None
    live |= {f"more {i}": np.ones(25_000, np.float32) for i in range(2)}
    start = live["big"].copy()
    live["big"] += 2
    record(recorder, catalog_of(live))
    history = recorder.history
    assert history.nbytes <= memory
    assert history.values_at("big", 1) is None
    assert history.statistics("big", "since_start")["norm"][-1] == pytest.approx(np.linalg.norm(live["big"] - start), rel=1e-3)


def test_layers_that_change_places_keep_their_own_past():
    live = {key: np.full(9, i, np.float32) for i, key in enumerate("abc")}
    recorder = recorder_of()
    record(recorder, catalog_of(live))
    live["a"] += 1
    record(recorder, catalog_of(dict(reversed(live.items()))))
    change = {key: recorder.history.statistics_at(key, 1, "since_last")[FIELD_INDEX["mean"]] for key in live}
    assert change == {"a": 1, "b": 0, "c": 0}


def test_a_weight_that_joins_later_keeps_its_first_record_however_much_is_thinned():
    live = {"w": np.zeros(100, np.float32)}
    recorder = recorder_of(memory=60_000)
    for _ in range(3):
        record(recorder, catalog_of(live))
    live["late"] = np.zeros(100, np.float32)
    catalog = catalog_of(live)
    for number in range(300):
        live["late"][:] = number
        record(recorder, catalog)
        assert recorder.history.nbytes <= 60_000
    history = recorder.history
    assert (history.records_with_values("late")[0], history.record_numbers("late")[0]) == (3, 3)
    assert history.statistics("late", "since_start")["mean"][-1] == 299
    assert not history.values_at("late", 3).any()


def test_a_new_catalog_of_the_same_weights_drops_no_sample(live):
    recorder = recorder_of(memory=150_000)
    for _ in range(3):
        live["big"] += 1
        record(recorder, catalog_of(live))
    assert len(recorder.history.records_with_values("big")) == 3


@pytest.mark.parametrize("change", ["grows", "shrinks"])
def test_recording_goes_on_where_another_sample_is_kept_from_now_on(live, change):
    recorder = recorder_of(memory=480_000)
    more = {f"more {i}": np.ones(20_000, np.float32) for i in range(3)}
    steps = [live, live | more] if change == "grows" else [live | more, live]
    for weights in steps:
        catalog = catalog_of(weights)
        for _ in range(3):
            live["big"] += 1
            record(recorder, catalog)
    history = recorder.history
    assert history.num_recorded == 6
    assert history.records_with_values("big")[-1] == 5
    assert history.nbytes <= 480_000
    whole = history.weight_history("big").sample is None
    assert whole is (change == "shrinks")
    assert history.samples("big")[1][-1].size == (30_000 if whole else history.samples("big")[0].size)


def test_a_weight_that_leaves_and_comes_back_has_one_histogram_over_time(live):
    recorder = recorder_of()
    record(recorder, catalog_of(live))
    record(recorder, catalog_of({key: live[key] for key in ("w", "b")}))
    live["big"] += 200
    record(recorder, catalog_of(live))
    histograms = recorder.history.histograms("big")
    assert histograms.counts.sum(axis=1).tolist() == [30_000, 30_000]


def test_a_weight_that_is_replaced_late_has_statistics_wherever_it_has_values():
    live = {key: np.zeros(100, np.float32) for key in "ab"}
    recorder = recorder_of(memory=60_000)
    for number in range(400):
        if number == 333:
            live["a"] = np.ones(100, np.float32)
        record(recorder, catalog_of(live))
    history = recorder.history
    assert set(history.records_with_values("a")) <= set(history.record_numbers("a").tolist())
    assert history.record_numbers("a")[0] == 333


def test_complex_weights_are_left_out(live):
    live["wave"] = np.ones(3, np.complex64)
    recorder = recorder_of()
    catalog = catalog_of(live)
    record(recorder, catalog)
    assert "wave" not in recorder.history.keys
    assert not recorder.has_changed(catalog, "wave")


def test_what_is_handed_out_is_never_written_again(live):
    """Arrays are taken again for new records, but not those that somebody holds."""
    recorder, catalog = recorder_of(memory=450_000), catalog_of(live)
    held = []
    for number in range(40):
        live["big"][:] = number
        record(recorder, catalog)
        held.append((number, recorder.history.values_at("big", number)[3:5]))
    for number, values in held:
        assert (values == number).all()
