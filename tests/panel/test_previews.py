"""Small pictures of all weights: true to what they stand for, bounded, and sent only where clicks must wait."""

import json

import numpy as np
import pytest

from tests.records import catalog_of, history_of, record
from weight_explorer import WeightExplorer
from weight_explorer.jupyter import kernel
from weight_explorer.panel import previews as views
from weight_explorer.panel.previews import LIMIT_CODE, decode_cells, make_previews, weights_by_layer
from weight_explorer.panel.weight_details import statistics_table
from weight_explorer.panel.widgets.previews import pack_previews
from weight_explorer.recording.live_history import LiveHistory
from weight_explorer.recording.recorder import Recorder
from weight_explorer.training.scheduler import MIN_PREVIEW_INTERVAL, RecordScheduler
from weight_explorer.views.choice import Choice, resolve
from weight_explorer.views.lazy_matrix import reduce_to_cells


def recorded(live_arrays, memory=10**9):
    """Catalog and history of weights that have these values."""
    catalog = catalog_of(live_arrays)
    history = LiveHistory(memory)
    record(Recorder(history, list), catalog, kind="start")
    return catalog, history


def sketch_of(values, **options):
    catalog, history = recorded({"w": values}, **options)
    (sketch,) = make_previews(catalog, history.snapshot()).previews
    return sketch


@pytest.mark.parametrize("shape", [(7, 5), (64, 64), (65, 200), (1000,), (1, 300), (3, 3, 40, 50), ()], ids=str)
def test_every_cell_is_the_one_farthest_from_zero_of_those_it_stands_for(shape):
    values = np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)
    sketch = sketch_of(values)
    flat = values.reshape(-1, shape[-1]) if shape else values.reshape(1, 1)
    cells, *steps = reduce_to_cells(flat, 64)
    assert sketch.steps == tuple(steps)
    assert not sketch.is_sample
    assert sketch.limit == np.abs(values).max()
    np.testing.assert_allclose(
        decode_cells(sketch.codes, sketch.limit), cells, rtol=0, atol=sketch.limit / LIMIT_CODE / 2 * 1.0001
    )


def test_a_lone_number_keeps_its_place_and_its_sign():
    values = np.full((200, 100), 1e-3, np.float32)
    values[130, 7], values[10, 99] = -2.0, 1.0
    sketch = sketch_of(values)
    numbers = decode_cells(sketch.codes, sketch.limit)
    (down, across), limit = sketch.steps, sketch.limit
    assert numbers[130 // down, 7 // across] == -2
    assert numbers[10 // down, 99 // across] == pytest.approx(1, abs=limit / LIMIT_CODE / 2 * 1.0001)
    assert np.count_nonzero(np.abs(numbers) > 0.5) == 2


def test_what_is_not_finite_has_marks_of_its_own_and_does_not_reach_into_the_colors():
    values = np.zeros((3, 4), np.float32)
    values[0, 1], values[1, 2], values[2, 3], values[2, 0] = np.nan, np.inf, -np.inf, 0.25
    sketch = sketch_of(values)
    np.testing.assert_array_equal(decode_cells(sketch.codes, sketch.limit), values)
    assert sketch.limit == 0.25
    assert sketch.num_not_finite == (1, 1, 1)


@pytest.mark.parametrize("value", [0.0, np.float32(1e-45), np.finfo(np.float32).max], ids=str)
def test_numbers_at_the_ends_of_what_there_is_come_back(value):
    values = np.array([[value, -value, 0.0]], np.float32)
    sketch = sketch_of(values)
    np.testing.assert_allclose(decode_cells(sketch.codes, sketch.limit), values)


def test_the_statistics_are_those_of_the_table_beside_the_matrix():
    random = np.random.default_rng(3)
    history = history_of(random.normal(size=(30, 20)), random.normal(size=(30, 20)))
    catalog = catalog_of({"w": random.normal(size=(30, 20))})
    sketches = make_previews(catalog, history.snapshot())
    table = statistics_table(catalog.weights["w"], history, Choice())
    header, _ = unpacked(pack_previews(sketches))
    assert [tuple(row) for row in header["sketches"][0]["numbers"]] == [row[1:] for row in table.rows]
    assert header["names"] == [row[0] for row in table.rows]
    assert header["sketches"][0]["heads"] == list(table.headers)
    assert header["words"].startswith("epoch 1 (record 1), 64 x 64")


def unpacked(message):
    """The header, and the codes of all weights."""
    length = int(np.frombuffer(message, "<u4", 1)[0])
    return json.loads(message[4 : 4 + length]), np.frombuffer(message, np.uint8, offset=4 + length)


@pytest.mark.parametrize(("count", "side", "cells"), [(320, 64, 64), (700, 48, 32)])
def test_all_together_keep_within_their_bound_and_say_where_they_are_smaller(count, side, cells):
    values = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    catalog, history = recorded({f"layer_{number}/kernel": values for number in range(count)})
    sketches = make_previews(catalog, history.snapshot())
    message = pack_previews(sketches)
    header, codes = unpacked(message)
    assert len(message) <= views.MAX_BYTES
    assert sketches.side == side
    assert len(codes) == count * cells**2
    assert [sketch["shape"] for sketch in header["sketches"]] == [[cells, cells]] * count
    assert ("No larger, as there are" in header["words"]) == (side < 64)


def test_weights_beyond_the_most_are_told(monkeypatch):
    monkeypatch.setattr(views, "MAX_WEIGHTS", 2)
    catalog, history = recorded({name: np.ones((2, 2), np.float32) for name in "abcde"})
    sketches = make_previews(catalog, history.snapshot())
    assert [sketch.weight.key for sketch in sketches.previews] == ["a", "b"]
    assert sketches.text.endswith("3 more weights have none.")


def test_of_a_weight_that_is_kept_as_a_sample_the_sample_is_drawn():
    values = np.random.default_rng(1).normal(size=(1000, 400)).astype(np.float32)
    sketch = sketch_of(values, memory=2_000_000)
    assert sketch.is_sample
    assert sketch.codes.size
    assert max(sketch.codes.shape) <= 64
    numbers = decode_cells(sketch.codes, sketch.limit)
    (down, across), off = sketch.steps, sketch.limit / LIMIT_CODE / 2 * 1.0001
    for row, column in [(0, 0), (5, 3), tuple(size - 1 for size in numbers.shape)]:
        cell = values[row * down : (row + 1) * down, column * across : (column + 1) * across]
        assert np.abs(cell - numbers[row, column]).min() <= off


@pytest.mark.parametrize("memory", [1000, 5000])
def test_of_a_weight_without_values_there_are_statistics_and_why(memory):
    values = np.random.default_rng(1).normal(size=(1000, 400)).astype(np.float32)
    sketch = sketch_of(values, memory=memory)
    assert sketch.codes.size == 0
    assert "too many elements" in sketch.text
    assert sketch.statistics.rows[0][1] == f"{values.min():.10f}"


def test_where_nothing_is_recorded_there_is_nothing():
    catalog, history = catalog_of({"w": np.ones((2, 2), np.float32)}), LiveHistory(10**6)
    history.expected_keys = catalog.weights
    assert make_previews(catalog, history) is None


def test_every_tab_of_every_layer_leads_where_the_kernel_would_go(reader_model):
    explorer = WeightExplorer(reader_model)
    catalog = explorer.catalog
    places = weights_by_layer(catalog)
    assert set(places) == set(catalog.nodes)
    for path, roles in places.items():
        for role, offers in roles.items():
            selection = resolve(catalog, Choice(layer=path, role=role))
            assert selection.weight.variable_key == offers[0].key
            assert [offer.key for offer in offers] == [offer.key for offer in selection.weight_items]
    explorer.close()


# -- when they are sent --------------------------------------------------------------------------------------------------


def fit(explorer, model, data, epochs=3):
    """Train, and return what the page was sent: words of each moment, "" for nothing any more."""
    sent = []

    def note(change):
        sent.append(unpacked(change["new"])[0]["words"].partition(",")[0] if change["new"] else "")

    explorer._panel.previews.observe(note, names="packed")
    model.fit(*data, epochs=epochs, verbose=0, callbacks=[explorer.callback])
    return sent


def test_where_clicks_are_answered_nothing_is_sent(dense_model, training_data):
    explorer = WeightExplorer(dense_model)
    assert fit(explorer, dense_model, training_data) == []
    assert not explorer._panel.previews.has_previews
    explorer.close()


def test_where_clicks_wait_they_are_sent_at_the_start_and_the_ends_of_epochs(dense_model, training_data, monkeypatch):
    monkeypatch.setattr(kernel, "answers_during_cells", lambda: False)
    monkeypatch.setattr(RecordScheduler, "may_send_previews", lambda pace: True)
    explorer = WeightExplorer(dense_model)
    explorer.select("out", role="bias")
    asked = []
    monkeypatch.setattr(explorer._panel.status, "ask_for_reply", lambda: asked.append("how messages come"))
    sent = fit(explorer, dense_model, training_data)
    assert len(asked) == 1  # and not again before the page has replied
    epochs = [words.split(" (")[0] for words in sent]
    assert epochs == ["start", "epoch 1", "epoch 2", "epoch 3", ""]
    panel = explorer._panel.previews
    assert panel.current == ["dense_model/out", "dense_model/out/bias"]
    assert [weight["key"] for weight in panel.weights] == list(explorer.catalog.weights)
    panel.requested = "dense_model/hidden/kernel"  # as the page does
    explorer._screen.answer()
    assert explorer._panel.tree.selected == "dense_model/hidden"
    assert panel.requested == ""
    explorer.close()


def test_they_are_sent_no_more_often_than_their_share_allows_and_their_cost_is_counted():
    class Clock:
        now = 100.0

        def __call__(self):
            return self.now

    clock = Clock()
    pace = RecordScheduler("auto", 0.02, clock)
    assert pace.may_send_previews()
    pace.note_previews(0.1)
    assert not pace.may_send_previews()
    pace.begin()  # another fit in the same cell is no reason for more
    clock.now += 9.9
    assert not pace.may_send_previews()
    clock.now += 0.2
    assert pace.may_send_previews()
    pace.note_previews(0.0001)
    clock.now += MIN_PREVIEW_INTERVAL - 0.01
    assert not pace.may_send_previews()
    assert pace.overhead == pytest.approx(0.0001 / 11.09, rel=0.01)
