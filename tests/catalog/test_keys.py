"""What a user calls a weight: its key or any ending that no other key has, wherever a key is asked for."""

import keras
import numpy as np
import pytest
from keras import layers

from tests.records import history_of
from weight_explorer import WeightExplorer
from weight_explorer.catalog.lookup import WeightDict, find_key

KEYS = ("m/conv/bias", "m/conv/kernel", "m/out/kernel", "m/out/bias")


@pytest.fixture
def explorer(dense_model):
    return WeightExplorer(dense_model)


DONE = {
    "freeze": lambda explorer, key: explorer.freeze(key).key,
    "unfreeze": lambda explorer, key: (explorer.freeze(key), explorer.unfreeze(key))[1][0].key,
    "assign": lambda explorer, key: explorer.assign(key, None, 2.0),
    "reinitialize": lambda explorer, key: explorer.reinitialize(key, "ones"),
    "pin": lambda explorer, key: (explorer.pin(key, (0, 0)), explorer._screen.choice.pins)[1],
    "select": lambda explorer, key: (explorer.select("dense_model", "kernel", key), explorer._screen.choice.weight)[1],
    "weights": lambda explorer, key: explorer.catalog.weights[key],
    "part": lambda explorer, key: explorer.history.statistics_at(key, 0).tolist(),
    "steps": lambda explorer, key: explorer.history.records_with_values(key),
    "value": lambda explorer, key: explorer.history.values_at(key, 0).tolist(),
    "values": lambda explorer, key: explorer.history.values(key).tolist(),
    "samples": lambda explorer, key: explorer.history.samples(key)[1].tolist(),
    "recorded": lambda explorer, key: explorer.history.record_numbers(key).tolist(),
    "series": lambda explorer, key: explorer.history.statistics(key)["norm"].tolist(),
    "histograms": lambda explorer, key: explorer.history.histograms(key).counts.tolist(),
}


@pytest.mark.parametrize("deed", DONE)
def test_an_ending_of_a_key_does_what_the_key_does(deed, dense_model):
    keys = ("dense_model/hidden/kernel", "hidden/kernel")
    whole, ending = (DONE[deed](WeightExplorer(dense_model), key) for key in keys)
    assert whole == ending


@pytest.mark.parametrize("deed", DONE)
@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("kernel", "2 weights are called 'kernel'.*'dense_model/hidden/kernel', 'dense_model/out/kernel'"),
        ("hiden/kernel", r"no weight 'hiden/kernel'.* Did you mean 'dense_model/hidden/kernel'\?"),
        ("hidden", r"no weight 'hidden'.* Did you mean 'dense_model/hidden/kernel'\?"),
        (3, "is named by its key, a text, and not by int: 3"),
    ],
)
def test_a_key_that_means_none_or_two_is_refused_with_those_that_may_be_meant(deed, key, words, explorer):
    with pytest.raises((KeyError, TypeError, ValueError), match=words):
        DONE[deed](explorer, key)
    assert explorer.history.num_recorded == 1


def test_a_layer_named_alone_or_misspelt_is_answered_with_its_kernel():
    for name in ("conv", "cnov", "conv/kernl", "conv/kernels"):
        with pytest.raises(ValueError, match=r"Did you mean 'm/conv/kernel'\?"):
            find_key(KEYS, name)
    with pytest.raises(ValueError, match=r"Did you mean 'm/conv/bias'\?"):
        find_key(KEYS, "conv/bais")


def test_a_whole_key_is_never_taken_for_the_ending_of_another():
    assert find_key(("inner/dense/kernel", "dense/kernel"), "dense/kernel") == "dense/kernel"
    weights = WeightDict({"inner/dense/kernel": 1, "dense/kernel": 2})
    assert (weights["dense/kernel"], weights["inner/dense/kernel"]) == (2, 1)
    assert "kernel" not in weights
    assert weights.get("kernel") is None


def test_what_is_not_recorded_yet_is_not_mistaken_for_what_is():
    history = history_of(np.ones((3, 2)), key="inner/dense/kernel")
    assert history.records_with_values("dense/kernel") == (0,)
    history.expected_keys = ("inner/dense/kernel", "dense/kernel")
    for past in (history, history.snapshot()):
        assert past.records_with_values("dense/kernel") == ()
        assert past.records_with_values("inner/dense/kernel") == (0,)


def test_a_weight_without_a_record_has_none_and_is_no_misspelling():
    model = keras.Sequential([layers.Dense(2, name="dense")], name="late")
    explorer = WeightExplorer(model)
    history = explorer.history  # asking for it again would record the model as it is then
    with pytest.raises(KeyError, match="no weight 'dense/kernel'"):
        history.records_with_values("dense/kernel")
    model.build((None, 3))
    (kernel, _) = explorer.catalog.weights
    assert history.records_with_values(kernel) == history.records_with_values("dense/kernel") == ()
    with pytest.raises(KeyError, match="No values of 'dense/kernel' are kept"):
        history.values("dense/kernel")


def test_answers_and_records_name_the_whole_key(explorer):
    explorer.assign("hidden/bias", 0, 1.0)
    assert explorer.history.records[-1].name == "assigned 1 to 1 element (0) of dense_model/hidden/bias"
    with pytest.raises(ValueError, match="Nothing of 'dense_model/hidden/bias' is frozen"):
        explorer.unfreeze("hidden/bias")


@pytest.mark.parametrize("key", ["dense_model/out/bias", "out/bias"])
@pytest.mark.parametrize("layer", [None, "out", "dense_model"])
@pytest.mark.parametrize("role", [None, "bias"])
def test_a_key_selects_its_weight_with_or_without_its_layer_and_role(key, layer, role, explorer):
    explorer.select("hidden", "kernel")
    explorer.select(layer, role=role, weight=key)
    selection = explorer._screen.state().resolved
    assert (selection.weight.key, selection.role, selection.owner.name) == ("dense_model/out/bias", "bias", "out")


def test_a_key_leads_from_the_overview_to_its_weight(explorer):
    explorer.select(view="overview")
    explorer.select(weight="out/bias")
    assert explorer._screen.state().resolved.weight.key == "dense_model/out/bias"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"layer": "hidden"}, "Weight 'dense_model/out/bias' is in layer 'dense_model/out', not in 'hidden'"),
        ({"role": "kernel"}, "Weight 'dense_model/out/bias' has the role 'bias', not 'kernel'"),
        ({"layer": "hidden", "role": "kernel"}, "has the role 'bias', not 'kernel'"),
        ({"role": "kernl"}, r"There is no role 'kernl'. Did you mean 'kernel'\?"),
        ({"layer": "hiden"}, r"There is no layer 'hiden'. Did you mean 'hidden'\?"),
        ({"view": "overview"}, "The overview is of the whole model. Give no layer and no weight"),
    ],
    ids=str,
)
def test_a_key_that_contradicts_what_is_given_with_it_is_refused(asked, words, explorer):
    explorer.select("hidden", "kernel")
    before = explorer._screen.choice
    with pytest.raises(ValueError, match=words):
        explorer.select(**asked, weight="out/bias")
    assert explorer._screen.choice is before


def test_a_key_of_nothing_is_refused_with_those_of_the_layer(explorer):
    with pytest.raises(ValueError, match=r"no weight 'bais' in layer 'out'. Did you mean 'dense_model/out/bias'\?"):
        explorer.select("out", weight="bais")
