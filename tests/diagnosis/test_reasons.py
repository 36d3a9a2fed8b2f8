"""A reason is given only where its evidence was recorded; otherwise a finding says what was seen and that it knows none."""

import keras
import numpy as np
import pytest
from keras import layers

from weight_explorer import WeightExplorer

RANDOM = np.random.default_rng(0)
X = (RANDOM.random((64, 9)) + 0.1).astype("float32")
Y = RANDOM.random((64, 1)).astype("float32")

# Words of what was not checked: outputs of units, inputs, gradients, whether a layer was called.
UNCHECKED = ("likely", "not called", "all its units are dead", "are 0 in all", "do not occur")


def trained(model, x=X, y=Y, *, optimizer="adam", loss="mse", epochs=3, **how):
    model.compile(optimizer, loss, jit_compile=False)
    explorer = WeightExplorer(model, record_every=1, **how)
    model.fit(x, y, epochs=epochs, batch_size=16, verbose=0, callbacks=[explorer.callback])
    for finding in explorer.findings:
        assert not any(words in finding.text for words in UNCHECKED), finding
    return explorer


def alarms(explorer):
    return [str(finding) for finding in explorer.findings if finding.severity != "note"]


def siamese(measure):
    keras.utils.set_random_seed(3)
    branch = keras.Sequential([keras.Input((9,)), layers.Dense(4, name="embed")], name="branch")
    a, b = keras.Input((9,)), keras.Input((9,))
    return keras.Model([a, b], layers.Dense(1, name="out")(measure(branch(a), branch(b))), name="pair")


@pytest.mark.parametrize("measure", [lambda a, b: abs(a - b), lambda a, b: (a - b) ** 2], ids=["absolute", "squared"])
def test_a_bias_whose_gradient_cancels_is_no_alarm(measure):
    explorer = trained(siamese(measure), [X, X[::-1]])
    assert alarms(explorer) == []
    still = [finding for finding in explorer.findings if finding.rule == "not moving"]
    for finding in still:
        assert finding.keys == ("branch/embed/bias",)
        assert "the kernel of its layer moved, so gradients reach the layer" in finding.message


def test_a_ranking_loss_cancels_the_last_bias():
    keras.utils.set_random_seed(3)
    score = keras.Sequential(
        [keras.Input((9,)), layers.Dense(4, "tanh", name="hidden"), layers.Dense(1, name="score")], name="s"
    )
    better, worse = keras.Input((9,)), keras.Input((9,))
    model = keras.Model([better, worse], score(better) - score(worse), name="ranks")
    explorer = trained(model, [X, X[::-1]], np.ones((64, 1)), loss="hinge")
    assert alarms(explorer) == []


def test_padding_is_masked_and_does_not_miss_in_the_data():
    tokens = RANDOM.integers(1, 7, (64, 6))
    tokens[:, 4:] = 0
    for layer in (layers.LSTM(3), layers.GRU(3)):
        stack = [layers.Embedding(9, 4, mask_zero=True, name="embed"), layer, layers.Dense(1)]
        explorer = trained(keras.Sequential([keras.Input((6,)), *stack], name="text"), tokens)
        (finding,) = [each for each in explorer.findings if each.rule == "rows not moving"]
        assert finding.axis_entries[0].entries == (0, 7, 8)
        assert "Token 0 is padding (mask_zero=True)." in finding.message
        assert "the data was not looked at" in finding.message


def test_a_padding_token_alone_is_told_as_padding():
    tokens = RANDOM.integers(1, 9, (64, 6))
    tokens[:, 4:] = 0
    stack = [layers.Embedding(9, 4, mask_zero=True, name="embed"), layers.LSTM(3), layers.Dense(1)]
    explorer = trained(keras.Sequential([keras.Input((6,)), *stack], name="text"), tokens)
    (finding,) = [each for each in explorer.findings if each.rule == "rows not moving"]
    assert finding.axis_entries[0].entries == (0,)
    assert finding.message.endswith("Token 0 is padding (mask_zero=True): layers that use the mask skip it.")


def test_where_updates_are_near_the_spacing_of_numbers_no_row_is_said_to_have_no_input():
    keras.utils.set_random_seed(3)
    stack = [layers.Dense(8, "sigmoid", name=f"hidden_{i}") for i in range(6)]
    model = keras.Sequential([keras.Input((9,)), *stack, layers.Dense(1, name="out")], name="tower")
    x = X * np.geomspace(1e-6, 1, 9).astype("float32")  # none of it is 0
    explorer = trained(model, x, optimizer=keras.optimizers.SGD(0.05), epochs=4)
    rows = [each for each in explorer.findings if each.rule == "rows not moving" and each.key == "tower/hidden_0/kernel"]
    for finding in rows:
        assert "so smaller updates are lost" in finding.message
        assert "input is always 0" not in finding.message


def test_a_loss_scale_that_skips_every_step_is_named():
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((9,)), layers.Dense(4), layers.Dense(1)], name="mixed")
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01))
    explorer = trained(model, X, Y * np.nan, optimizer=optimizer)
    (finding,) = explorer.findings
    assert (finding.severity, len(finding.keys)) == ("warning", 4)
    assert "LossScaleOptimizer skipped every step, which it does where gradients are NaN or Inf" in finding.message


def test_a_diverged_weight_that_stands_still_is_not_said_to_grow():
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((9,)), layers.Dense(8, "relu"), layers.Dense(8, "relu"), layers.Dense(1)], name="big")
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1e3))
    explorer = trained(model, X * 100, Y, optimizer=optimizer, epochs=6)
    assert "growing norm" not in {finding.rule for finding in explorer.findings}


def test_a_loss_that_is_0_is_given_as_the_reason():
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((9,)), layers.Dense(1, name="out")], name="satisfied")
    explorer = trained(model, X, -np.ones((64, 1)), loss=lambda y, out: keras.ops.mean(keras.ops.relu(out * 0 - 1)))
    (finding,) = explorer.findings
    assert "the loss was 0 at every one of these records" in finding.message


# -- a fit that is refused ----------------------------------------------------------------------------------------------


def test_a_fit_of_another_model_leaves_no_records_and_is_said_to_be_refused(caplog):
    def net():
        model = keras.Sequential([keras.Input((9,)), layers.Dense(1, name="out")], name="net")
        model.compile("adam", "mse")
        return model

    mine, theirs = net(), net()
    explorer = WeightExplorer(mine)
    before = explorer.history.num_recorded
    theirs.fit(X, Y, epochs=3, verbose=0, callbacks=[explorer.callback])
    assert explorer.history.num_recorded == before
    assert explorer.callback.status.phase == "refused"
    assert "the last fit trained another model, and was not recorded" in str(explorer)
    assert "another model, 'net'" in explorer.callback.status.problem
    assert not explorer.findings
    mine.fit(X, Y, epochs=1, verbose=0, callbacks=[explorer.callback])
    assert explorer.callback.status.phase == "finished"
    assert not explorer.callback.status.problem


# -- one finding for one cause ------------------------------------------------------------------------------------------


def test_one_cause_in_many_layers_is_one_finding_with_its_locations():
    keras.utils.set_random_seed(3)
    stack = [layers.Dense(4, "relu", name=f"hidden_{i}") for i in range(30)]
    model = keras.Sequential([keras.Input((9,)), *stack, layers.Dense(1, name="out")], name="deep")
    explorer = trained(model, optimizer=keras.optimizers.Adam(0.0))
    (finding,) = explorer.findings
    assert explorer.findings.summary == "1 finding: 1 warning"
    assert [location.layer for location in finding.locations] == [f"deep/hidden_{i}" for i in range(30)] + ["deep/out"]
    assert len(finding.keys) == 62
    assert "The same was found in 30 other layers: hidden_1, hidden_2" in finding.message
    assert "kernel and bias of hidden_7 did not move" in finding.for_weight("deep/hidden_7/bias").message
    assert len(finding.text) < 500
