"""What `compare` returns: for every weight how far it differs between two records, as fresh as the model."""

import re

import keras
import numpy as np
import pytest
from keras import layers

from weight_explorer import WeightExplorer


@pytest.fixture
def explorer(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every="epoch")
    dense_model.fit(*training_data, epochs=2, verbose=0, callbacks=[explorer.callback])
    return explorer


def test_numbers_are_those_of_the_values(explorer):
    found = explorer.compare(0, step=1)
    assert [each.key for each in found] == list(explorer.catalog.weights)
    for each in found:
        start, now = explorer.history.values_at(each.key, 0), explorer.history.values_at(each.key, 1)
        change = now - start
        assert (each.elements, each.changed) == (start.size, np.count_nonzero(change))
        assert each.norm == pytest.approx(np.linalg.norm(change))
        assert abs(each.largest) == pytest.approx(np.abs(change).max())
        assert change[each.index] == pytest.approx(each.largest)
        expected = np.linalg.norm(change) / np.linalg.norm(start) if start.any() else np.nan
        assert each.relative == pytest.approx(expected, nan_ok=True)
        assert (each.is_known, each.estimated) == (True, False)


def test_it_is_fresh_of_all_weights_and_the_panel_shows_the_comparison(explorer, dense_model):
    explorer.select("hidden", "kernel", step="live")
    before = [each.changed for each in explorer.compare(2)]
    assert before == [0, 0, 0, 0]
    bias = dense_model.layers[-1].bias
    bias.assign_add([0, 2, 0])
    found = explorer.compare(2)
    assert [(each.key, each.changed, each.index) for each in found if each.changed] == [("dense_model/out/bias", 1, (1,))]
    assert found[-1].largest == pytest.approx(2)
    assert explorer._screen.choice.quantity == "since_record"
    assert explorer.compare(None) is None
    assert explorer._screen.choice.quantity == "value"


def test_it_prints_as_a_short_table(explorer, dense_model):
    lines = repr(explorer.compare(0, step=2)).splitlines()
    assert lines[0] == "Record 2 (epoch 2) against record 0 (start): 4 of 4 weights differ."
    assert lines[1].split() == ["weight", "changed", "norm", "of", "change", "relative", "largest", "change"]
    assert re.match(r"dense_model/hidden/kernel  \d+ of 30  ", lines[2])
    assert len(lines) == 6
    explorer.select(step="live")
    assert repr(explorer.compare(2)).splitlines()[-1] == "dense_model/out/bias       0 of 3"


def test_the_frame_has_a_row_for_each_weight(explorer):
    frame = explorer.compare(0).to_frame()
    assert frame.key.tolist() == list(explorer.catalog.weights)
    assert frame.changed.tolist() == [each.changed for each in explorer.compare(0)]


def test_a_record_that_is_not_kept_is_refused_whatever_is_on_screen(explorer):
    for view in ("matrix", "overview"):
        explorer.select("hidden") if view == "matrix" else explorer.select(view="overview")
        with pytest.raises(ValueError, match=r"Record 99.* is not kept"):
            explorer.compare(99)


def test_values_that_are_not_kept_are_said_not_to_be():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="first")], name="grown")
    explorer = WeightExplorer(model)
    model.add(layers.Dense(2, name="second"))
    model.layers[0].bias.assign([1, 1])
    explorer.select("first")
    found = explorer.compare(0)
    assert [each.is_known for each in found] == [True, True, False, False]
    assert "1 of 2 weights differ. Not kept at both records: 2." in repr(found)
    assert repr(found).splitlines()[-1].split() == ["grown/second/bias", "not", "kept"]


def test_of_samples_it_is_an_estimate():
    model = keras.Sequential([keras.Input((300,)), layers.Dense(400, name="wide")], name="m")
    explorer = WeightExplorer(model, memory=200_000)
    model.layers[0].kernel.assign_add(np.ones((300, 400)))
    explorer.select("wide", "kernel")
    kernel = explorer.compare(0)[0]
    assert kernel.estimated
    assert kernel.changed == pytest.approx(120_000, rel=0.01)
    assert "\N{ALMOST EQUAL TO} 120" in repr(explorer.compare(0))
