"""Question 1: an MLP for digits. What does `get_weights()` return, and why did the first layer's weights not change?"""

import keras
import numpy as np
import pytest
from keras import layers

from tests.acceptance.asked import rows_of, run_code
from weight_explorer import WeightExplorer

SIZES = {"first": (784, 500), "second": (500, 503), "third": (503, 503), "digit": (503, 10)}
KERNELS = [f"mlp/{name}/kernel" for name in SIZES]


def digits(count=512):
    """Pictures of 28 x 28 in ten classes, whose border of 4 pixels is always 0."""
    random = np.random.default_rng(0)
    classes = np.arange(count) % 10
    pictures = np.zeros((count, 28, 28), "float32")
    pictures[:, 4:24, 4:24] = random.random((10, 20, 20))[classes] * random.random((count, 1, 1))
    return pictures.reshape(count, 784), classes


@pytest.fixture(scope="module")
def trained():
    """The model, its explorer, the pixels, and the weights before training."""
    keras.utils.set_random_seed(3)
    pixels, classes = digits()
    stack = [layers.Dense(shape[1], "relu" if name != "digit" else "softmax", name=name) for name, shape in SIZES.items()]
    model = keras.Sequential([keras.Input((784,)), *stack], name="mlp")
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
    start = {layer.name: layer.get_weights() for layer in model.layers}
    explorer = WeightExplorer(model, record_every=1)
    model.fit(pixels, classes, epochs=2, batch_size=64, shuffle=False, verbose=0, callbacks=[explorer.callback])
    yield model, explorer, pixels, start
    explorer.close()


def test_get_weights_is_explained_array_by_array(trained):
    model, explorer, _, _ = trained
    weights = explorer.catalog.weights
    assert list(weights) == [f"mlp/{name}/{role}" for name in SIZES for role in ("kernel", "bias")]
    for name, (inputs, units) in SIZES.items():
        kernel, bias = weights[f"mlp/{name}/kernel"], weights[f"mlp/{name}/bias"]
        assert kernel.shape_text == f"({inputs}, {units}) = (input_dim, units)"
        assert bias.shape_text == f"({units},) = (units,)"
        assert f"is {inputs} inputs by {units} units" in kernel.explanation
        assert [kernel.number_text, bias.number_text] == [f"get_weights()[0] of {name}", f"get_weights()[1] of {name}"]
        for weight in (kernel, bias):
            shown = explorer.history.values(weight.key)[-1]
            np.testing.assert_array_equal(shown, model.get_layer(name).get_weights()[weight.get_weights_index])
            assert eval(weight.expression, {"model": model}) is explorer.catalog.variables[weight.key]


def test_every_layer_is_watched_from_the_start_to_the_end(trained):
    model, explorer, _, start = trained
    places = [(record.epoch, record.batch) for record in explorer.history.records if record.kind == "batch"]
    assert places == [(epoch, batch) for epoch in range(2) for batch in range(1, 9)]
    kinds = [record.kind for record in explorer.history.records if record.kind != "batch"]
    assert kinds == ["start", "epoch", "epoch"]
    for name in SIZES:
        values = explorer.history.values(f"mlp/{name}/kernel")
        now = model.get_layer(name).get_weights()[0]
        np.testing.assert_array_equal(values[0], start[name][0])
        np.testing.assert_array_equal(values[-1], now)
        series = explorer.history.statistics(f"mlp/{name}/kernel", "since_start")
        assert series["moved"][-1] == np.count_nonzero(now != start[name][0]) > 0
        assert series["norm"][-1] == pytest.approx(np.linalg.norm(now - start[name][0]), rel=1e-5)


def test_rows_of_the_first_layer_that_did_not_change_are_those_of_the_dark_pixels(trained):
    model, explorer, pixels, start = trained
    dark = np.flatnonzero((pixels == 0).all(axis=0))
    assert len(dark) == 784 - 400
    changed = (model.get_layer("first").get_weights()[0] != start["first"][0]).any(axis=1)
    np.testing.assert_array_equal(np.flatnonzero(~changed), dark)
    (finding,) = [finding for finding in explorer.findings if finding.key == "mlp/first/kernel"]
    assert (finding.rule, finding.severity) == ("rows not moving", "note")
    (place,) = finding.axis_entries
    assert (place.axis, place.entries) == (0, tuple(dark.tolist()))
    assert (finding.evidence["rows_still"], finding.evidence["rows"]) == (384, 784)
    bias = model.get_layer("first").get_weights()[1]
    assert finding.evidence["bias_moved"] == np.count_nonzero(bias != start["first"][1]) > 0
    assert "384 of 784 rows of the kernel of first did not move" in finding.message
    assert "inputs 0 to 115" in finding.message
    assert "a row whose input is always 0 does not move" in finding.message
    assert "(x == 0).all(axis=0)" in finding.suggestion
    assert not [finding for finding in explorer.findings if finding.severity != "note"]


def test_rows_that_stay_in_later_layers_belong_to_units_that_put_out_zero(trained):
    model, explorer, pixels, _ = trained
    probe = keras.Model(model.inputs[0], [layer.output for layer in model.layers[:3]])
    notes = [place for finding in explorer.findings if finding.rule == "rows not moving" for place in finding.locations]
    rows = {note.layer.removeprefix("mlp/"): list(note.places[0].entries) for note in notes}
    assert set(rows) >= {"second", "third", "digit"}
    end, states = model.get_weights(), [record.number for record in explorer.history.records if record.kind != "epoch"]
    for batch, number in enumerate(states[:-1]):  # as the model was before each batch
        model.set_weights([explorer.history.values_at(key, number) for key in explorer.catalog.weights])
        outputs = probe(pixels[batch % 8 * 64 :][:64])
        for name, output in zip(("second", "third", "digit"), outputs, strict=True):
            assert not np.asarray(output)[:, rows[name]].any()
    model.set_weights(end)


def test_text_says_how_much_of_each_layer_moved(trained):
    model, explorer, _, start = trained
    lines = {line.split()[0]: line for line in str(explorer).splitlines() if line.startswith("mlp/")}
    assert list(lines) == list(explorer.catalog.weights)
    for name in SIZES:
        now, before = model.get_layer(name).get_weights()[0], start[name][0]
        assert lines[f"mlp/{name}/kernel"].split()[-2] == f"{100 * np.mean(now != before):.3g}"


def test_ranking_of_inputs_by_change_has_the_dark_pixels_last_and_code_draws_what_get_weights_returns(trained):
    model, explorer, _, start = trained
    explorer.select("first", role="kernel", view="units", rank="inputs", by="change")
    first = rows_of(explorer)[0]
    change = np.linalg.norm(model.get_layer("first").get_weights()[0] - start["first"][0], axis=1)
    assert (int(first["name"]), float(first["value"])) == (change.argmax(), pytest.approx(change.max(), rel=1e-5))
    for name in SIZES:
        explorer.select(name, role="kernel", view="matrix", quantity="value")
        assert explorer.figure().axes
        np.testing.assert_array_equal(run_code(explorer, model)["values"], model.get_layer(name).get_weights()[0])
