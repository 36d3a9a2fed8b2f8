"""What is printed is short, and says what to do next."""

import importlib.metadata

import keras
import numpy as np
import pytest
from keras import layers

import weight_explorer
from weight_explorer import WeightExplorer


def test_an_explorer_of_a_model_that_is_not_built_says_what_to_do():
    explorer = WeightExplorer(keras.Sequential([layers.Dense(2, name="dense")], name="late"))
    first, second = str(explorer).splitlines()
    assert "weights: 0" in first
    assert second.startswith("Not built yet: ")
    assert "model.build(input_shape)" in second


def test_the_first_line_is_whole_whether_or_not_the_callback_was_passed_to_fit(dense_model):
    explorer = WeightExplorer(dense_model)
    assert "parameters: 53; not trained yet; records: 1" in str(explorer)
    dense_model.layers[-1].bias.assign_add(np.ones(3))
    explorer.select("out", "bias")
    first = str(explorer).splitlines()[0]
    assert first.endswith("; changed, but not by fit with this callback; records: 2")
    assert repr(explorer) == f"<{first}>"
    assert explorer._screen.state().status == "changed, but not by fit with this callback · pass to fit:"


def test_the_version_is_that_of_the_package_and_only_public_names_are_listed():
    assert dir(weight_explorer) == ["WeightExplorer", "__version__"]
    assert weight_explorer.__version__ == importlib.metadata.version("weight-explorer")
    with pytest.raises(AttributeError, match="has no attribute 'Any'"):
        _ = weight_explorer.Any


def test_a_variable_in_two_places_is_told():
    shared = layers.Dense(3, name="shared")
    inputs = keras.Input((3,))
    one = keras.Sequential([keras.Input((3,)), shared], name="one")
    other = keras.Sequential([keras.Input((3,)), shared], name="other")
    model = keras.Model(inputs, other(one(inputs)), name="m")
    lines = str(WeightExplorer(model)).splitlines()
    assert lines[-2].endswith("shared/kernel is one variable in 2 layers: m/one/shared, m/other/shared")
    alone = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    assert "one variable" not in str(WeightExplorer(alone))


def test_catalog_history_and_series_are_short_and_say_what_they_have(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every="epoch")
    dense_model.fit(*training_data, epochs=2, verbose=0, callbacks=[explorer.callback])
    history = explorer.history
    assert repr(explorer.catalog).startswith("<Catalog of 'dense_model': 2 layers and 4 weights; ")
    for past in (history, history.snapshot()):
        assert repr(past).startswith(f"<{type(past).__name__} of 4 weights: 3 of 3 records are kept; ")
    series = history.statistics("hidden/kernel")
    assert repr(series).startswith("<Series of 3 records, 0 to 2: ")
    assert "mean" in repr(series)
    assert repr(series.__class__(np.empty(0), np.empty(0), np.empty((0, 0)))).startswith("<Series of 0 records: ")
    assert max(len(repr(each)) for each in (explorer.catalog, history, series)) < 250
