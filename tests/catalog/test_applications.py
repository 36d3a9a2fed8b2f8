"""Real architectures: every model of `keras.applications` is told completely and rightly."""

import gc
import inspect

import keras
import pytest

from weight_explorer.catalog.builder import read_catalog

MODELS = [name for name, _ in inspect.getmembers(keras.applications, inspect.isfunction)]


@pytest.mark.long
@pytest.mark.parametrize("name", MODELS)
def test_every_application_is_told_completely(name):
    model = getattr(keras.applications, name)(weights=None)
    catalog = read_catalog(model)
    assert {id(variable) for variable in catalog.variables.values()} == {id(variable) for variable in model.variables}
    assert catalog.root.num_params == model.count_params()
    for key, weight in catalog.weights.items():
        assert eval(weight.expression, {"model": model}) is catalog.variables[key]
        assert tuple(axis.size for axis in weight.axes) == weight.shape
        assert str(weight.shape) in weight.explanation
    assert not [weight.key for weight in catalog.weights.values() if "made for itself" in weight.explanation]
    del model, catalog
    keras.backend.clear_session()
    gc.collect()
