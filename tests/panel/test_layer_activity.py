"""What the rows of the tree show: the largest last change at or below each, and the gravest finding."""

import numpy as np
import pytest
from keras import Sequential, layers

from tests.records import catalog_of, history_of, record
from weight_explorer import WeightExplorer
from weight_explorer.catalog.schema import Axis, Catalog, LayerNode, Weight
from weight_explorer.diagnosis.findings import Finding
from weight_explorer.panel.layer_activity import UNKNOWN, layer_activity, update_ratios
from weight_explorer.panel.widgets.tree import TreeWidget
from weight_explorer.recording.live_history import LiveHistory
from weight_explorer.recording.recorder import Recorder


def nested():
    """A model of two layers within one, a layer beside it, and one without weights."""
    live = {key: np.ones(4, np.float32) for key in ("m/inner/a/kernel", "m/inner/b/kernel", "m/inner/b/bias", "m/out/kernel")}
    axes = (Axis("units", 4),)
    weights = {
        key: Weight(key, "kernel", key.rpartition("/")[2], key.rpartition("/")[0], (4,), "float32", axes) for key in live
    }
    below = (
        LayerNode("m/inner/a", "a", "Dense", weights=("m/inner/a/kernel",)),
        LayerNode("m/inner/b", "b", "Dense", weights=("m/inner/b/kernel", "m/inner/b/bias")),
    )
    children = (
        LayerNode("m/inner", "inner", "Sequential", children=below),
        LayerNode("m/drop", "drop", "Dropout"),
        LayerNode("m/out", "out", "Dense", weights=("m/out/kernel",)),
    )
    return Catalog(LayerNode("m", "m", "Sequential", children=children), weights, live), live


def recorded(*changes):
    """Record the model, and again after each change of some of its weights."""
    catalog, live = nested()
    history = LiveHistory(10**8)
    recorder = Recorder(history, list)
    record(recorder, catalog, kind="start")
    for batch, change in enumerate(changes):
        for key, factor in change.items():
            live[key] *= factor
        record(recorder, catalog, batch=batch + 1)
    return catalog, history


def rows(catalog, activity):
    names = list(catalog.weights)
    ratios = dict(zip(catalog.nodes, activity.ratios.tolist(), strict=True))
    largest = {
        path: names[i] if i != UNKNOWN else "" for path, i in zip(catalog.nodes, activity.largest_weights.tolist(), strict=True)
    }
    return ratios, largest


def test_a_row_shows_the_largest_change_there_or_below_against_numpy():
    catalog, history = recorded({"m/out/kernel": 3.0}, {"m/inner/b/bias": 1.5, "m/inner/a/kernel": 1.25})
    activity = layer_activity(catalog, history.last_change())
    ratios, largest = rows(catalog, activity)
    last, before = ({key: history.values_at(key, number).astype(np.float64) for key in catalog.weights} for number in (2, 1))
    expected = {key: np.linalg.norm(last[key] - before[key]) / np.linalg.norm(last[key]) for key in catalog.weights}
    assert activity.since_record == 1
    assert ratios["m/inner/b"] == pytest.approx(expected["m/inner/b/bias"])
    assert ratios["m"] == ratios["m/inner"] == ratios["m/inner/b"] == pytest.approx(1 / 3)
    assert ratios["m/inner/a"] == pytest.approx(expected["m/inner/a/kernel"])
    assert ratios["m/out"] == 0
    assert np.isnan(ratios["m/drop"])
    assert largest["m"] == largest["m/inner"] == "m/inner/b/bias"
    assert (largest["m/out"], largest["m/drop"]) == ("m/out/kernel", "")


def test_of_the_first_record_nothing_is_known():
    catalog, history = recorded()
    activity = layer_activity(catalog, history.last_change())
    assert activity.since_record == UNKNOWN
    assert np.isnan(activity.ratios).all()
    assert (activity.largest_weights == UNKNOWN).all()


def test_a_model_of_which_nothing_is_recorded_has_rows_of_nothing():
    catalog, _ = nested()
    activity = layer_activity(catalog, LiveHistory(10**6).last_change())
    assert len(activity.ratios) == len(catalog.nodes) == 6
    assert activity.since_record == UNKNOWN


def test_the_same_numbers_come_from_the_newest_sheet_and_from_columns():
    catalog, history = recorded({"m/out/kernel": 3.0}, {"m/inner/a/kernel": 1.25})
    old = history.snapshot()
    quick = update_ratios(history.last_change())
    columns = {key: history.weight_history(key) for key in quick}
    assert quick.keys() == columns.keys()
    for key, column in columns.items():
        row = column.rows(slice(-1, None))[0]
        assert quick[key] == pytest.approx(row[2, 5] / row[0, 5])
    recorder = Recorder(history, list)
    for batch in range(4):  # the snapshot's newest record is none of the last two any more
        record(recorder, catalog, batch=3 + batch)
    assert old.last_change().record_number == 2
    assert update_ratios(old.last_change()) == quick


def test_a_weight_that_became_nan_or_nothing_does_not_hide_the_others():
    live = {"a": np.ones(3, np.float32), "b": np.ones(3, np.float32), "c": np.ones(3, np.float32)}
    catalog, history = catalog_of(live), LiveHistory(10**6)
    recorder = Recorder(history, list)
    record(recorder, catalog, kind="start")
    live["a"][:], live["b"][:], live["c"][0] = np.nan, 0, 1.5
    record(recorder, catalog, batch=1)
    activity = layer_activity(catalog, history.last_change())
    assert activity.ratios[0] == np.inf  # b: its change is infinitely larger than itself
    assert list(catalog.weights)[activity.largest_weights[0]] == "b"
    assert update_ratios(history.last_change())["c"] == pytest.approx(0.5 / np.linalg.norm([1.5, 1, 1]))


def test_what_a_sample_tells_is_said_to_be_estimated():
    history = history_of(np.ones((400, 400), np.float32), np.full((400, 400), 2, np.float32), memory=400_000)
    assert history.weight_history("w").sample is not None
    catalog = catalog_of({"w": np.ones((400, 400), np.float32)})
    activity = layer_activity(catalog, history.last_change())
    assert activity.ratios.tolist() == pytest.approx([0.5], rel=1e-3)
    assert activity.estimated.tolist() == [True]


def trouble(severity, *keys):
    return Finding("rule", severity, keys[0], "m", 1, 0, "words", keys=keys)


def test_a_row_has_the_mark_of_the_gravest_finding_there_or_below():
    catalog, history = recorded({"m/out/kernel": 3.0})
    findings = [trouble("warning", "m/inner/b/bias"), trouble("note", "m/inner/a/kernel", "m/inner/b/bias")]
    marks = dict(zip(catalog.nodes, layer_activity(catalog, history.last_change(), findings).severities.tolist(), strict=True))
    assert marks == {"m": 1, "m/inner": 1, "m/inner/a": 2, "m/inner/b": 1, "m/drop": UNKNOWN, "m/out": UNKNOWN}
    findings.append(trouble("error", "m/out/kernel"))
    marks = dict(zip(catalog.nodes, layer_activity(catalog, history.last_change(), findings).severities.tolist(), strict=True))
    assert (marks["m"], marks["m/inner"], marks["m/out"]) == (0, 1, 0)


def test_a_layer_that_is_used_twice_has_its_bar_in_both_places():
    shared = layers.Dense(3, name="shared")
    model = Sequential([layers.Input((3,)), Sequential([shared], name="one"), Sequential([shared], name="two")], name="m")
    explorer = WeightExplorer(model)
    shared.kernel.assign(shared.kernel * 2)
    explorer.select("shared")
    ratios, _ = rows(explorer.catalog, layer_activity(explorer.catalog, explorer.history.last_change()))
    assert [ratio for ratio in ratios.values() if ratio > 0] == [0.5] * 5


def test_the_bars_arrive_in_one_message_and_only_where_something_changed():
    catalog, history = recorded({"m/out/kernel": 3.0})
    tree = TreeWidget()
    tree.show(catalog)
    sent = []
    tree.observe(lambda change: sent.append(change["name"]), names=["rows", "ratios", "largest", "troubles", "since"])
    tree.show_activity(layer_activity(catalog, history.last_change()))
    assert sorted(sent) == ["largest", "ratios", "since", "troubles"]
    tree.show_activity(layer_activity(catalog, history.last_change()))
    assert len(sent) == 4
    assert len(tree.ratios) == len(tree.largest_weights) == 4 * len(tree.rows)
    assert len(tree.severities) == len(tree.rows)


def test_of_files_only_what_was_computed_is_told(tmp_path, dense_model):
    for epoch in (1, 2):
        hidden = dense_model.get_layer("hidden")
        hidden.kernel.assign(hidden.kernel * 2)
        dense_model.save_weights(tmp_path / f"{epoch}.weights.h5")
    explorer = WeightExplorer.from_checkpoints(dense_model, tmp_path)
    assert set(explorer.history.last_change().keys) <= {"dense_model/hidden/kernel", "dense_model/hidden/bias"}
    _ = explorer.findings
    assert set(explorer.history.last_change().keys) == set(explorer.catalog.weights)
    ratios, _ = rows(explorer.catalog, layer_activity(explorer.catalog, explorer.history.last_change()))
    assert ratios["dense_model"] == ratios["dense_model/hidden"] == 0.5


def test_the_end_of_an_epoch_whose_last_batch_was_recorded_does_not_empty_the_bars(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every=1)
    dense_model.fit(*training_data, batch_size=48, verbose=0, callbacks=[explorer.callback])
    assert [step.kind for step in explorer.history.records] == ["start", "batch", "batch", "epoch"]
    activity = layer_activity(explorer.catalog, explorer.history.last_change())
    assert activity.since_record == 1
    assert (activity.ratios > 0).all()
    dense_model.optimizer.learning_rate = 0.0
    dense_model.fit(*training_data, batch_size=48, verbose=0, callbacks=[explorer.callback])
    activity = layer_activity(explorer.catalog, explorer.history.last_change())
    assert activity.since_record == 4
    assert (activity.ratios == 0).all()
