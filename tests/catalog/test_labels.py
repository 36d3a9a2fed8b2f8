"""Labels name the entries of the right axis, everywhere, and a wrong length is refused with the axis and both lengths."""

import keras
import numpy as np
import pytest
from keras import layers

from weight_explorer import WeightExplorer

WORDS = [f"word {i}" for i in range(50)]
CLASSES = ["cat", "dog", "bird"]


@pytest.fixture
def model():
    return keras.Sequential(
        [
            keras.Input((5,)),
            layers.Embedding(50, 8, name="tokens"),
            layers.Bidirectional(layers.LSTM(4), name="both"),
            layers.Dense(8, name="hidden"),
            layers.Dense(3, name="out"),
        ],
        name="reader",
    )


def labels_of(explorer, layer, role, axis):
    found = [
        each.labels
        for weight in explorer.catalog.weights.values()
        if layer in weight.layer and weight.role == role
        for each in weight.axes
        if each.name == axis
    ]
    assert found
    assert len(set(found)) == 1
    return found[0]


@pytest.mark.parametrize(
    ("given", "layer", "role", "axis", "expected"),
    [
        ({"tokens": WORDS}, "tokens", "embeddings", "input_dim", WORDS),
        ({"reader/tokens": WORDS}, "tokens", "embeddings", "input_dim", WORDS),
        ({"reader/tokens/embeddings": WORDS}, "tokens", "embeddings", "input_dim", WORDS),
        ({("tokens", "input_dim"): WORDS}, "tokens", "embeddings", "input_dim", WORDS),
        ({"output_dim": list("abcdefgh")}, "tokens", "embeddings", "output_dim", list("abcdefgh")),
        ({("out", "units"): CLASSES}, "out", "kernel", "units", CLASSES),
        ({"out": CLASSES}, "out", "bias", "units", CLASSES),
        ({("both", "input_dim"): list("abcdefgh")}, "both", "kernel", "input_dim", list("abcdefgh")),
        ({("both", "units"): list("wxyz")}, "both", "kernel", "units", list("wxyz") * 4),
        ({("both", "units"): list(range(16))}, "both", "bias", "units", [str(i) for i in range(16)]),
        ({"out": np.array(CLASSES)}, "out", "kernel", "units", CLASSES),
        ({"out": iter(CLASSES)}, "out", "kernel", "units", CLASSES),
    ],
    ids=lambda value: str(next(iter(value))) if isinstance(value, dict) else "",
)
def test_labels_name_the_entries_of_the_axis_that_is_meant(model, given, layer, role, axis, expected):
    explorer = WeightExplorer(model, labels=given)
    assert labels_of(explorer, layer, role, axis) == tuple(expected)
    explorer.close()


def test_labels_name_no_axis_that_is_not_meant(model):
    explorer = WeightExplorer(model, labels={("out", "units"): CLASSES})
    named = {weight.key for weight in explorer.catalog.weights.values() if any(axis.labels for axis in weight.axes)}
    assert named == {"reader/out/kernel", "reader/out/bias"}
    explorer.close()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({("tokens", "input_dim"): WORDS[:49]}, r"49 names, but the axis 'input_dim' of '.*embeddings' has 50 entries"),
        (
            {"tokens": WORDS[:49]},
            r"49 names, and no axis there has as many .* are: input_dim \(50\), output_dim \(8\)",
        ),
        ({("both", "units"): list("abc")}, r"3 names, but the axis 'units' .* has 16, or 4 in each gate, entries"),
        ({"hidden": list("abcdefgh")}, r"fits several axes of 8 entries. Say which: .*\('hidden', 'input_dim'\)"),
        ({"units": CLASSES}, r"3 layers there have an axis 'units'. Say of which: .*\('reader/out', 'units'\)"),
        ({("reader", "units"): CLASSES}, r"3 layers there have an axis 'units'"),
        ({"token": WORDS}, r"no layer, weight or axis 'token'. Did you mean 'tokens'\?"),
        ({("out", "unit"): CLASSES}, r"no axis 'unit'. Did you mean 'units'\?"),
        ({("out", "units"): []}, r"0 names, but the axis 'units'"),
    ],
    ids=str,
)
def test_labels_that_do_not_fit_are_refused_with_what_would(model, given, message):
    with pytest.raises(ValueError, match=message):
        WeightExplorer(model, labels=given)


@pytest.mark.parametrize(
    "given",
    [
        {"out": "cat"},
        {"out": 3},
        {"out": set(CLASSES)},
        {"out": dict(zip(CLASSES, (2, 1, 0), strict=True))},
        {"out": [None, None, None]},
        {"out": np.array([CLASSES])},
        {3: CLASSES},
        {("a", "b", "c"): CLASSES},
        [CLASSES],
    ],
    # A set is written in another order by each process.
    ids=lambda given: "a set" if isinstance(given, dict) and isinstance(given.get("out"), set) else str(given),
)
def test_labels_of_another_kind_are_refused(model, given):
    with pytest.raises(TypeError, match="labels"):
        WeightExplorer(model, labels=given)


def test_labels_wait_for_a_model_that_is_not_built():
    model = keras.Sequential([layers.Dense(3, name="out")], name="late")
    explorer = WeightExplorer(model, labels={"out": CLASSES, ("out", "input_dim"): list("ab")})
    model.build((None, 2))
    assert labels_of(explorer, "out", "kernel", "units") == tuple(CLASSES)
    assert labels_of(explorer, "out", "kernel", "input_dim") == ("a", "b")
    explorer.close()


def test_labels_that_turn_out_wrong_in_training_are_shown_and_everything_else_goes_on():
    model = keras.Sequential([layers.Dense(3, name="out")], name="late")
    explorer = WeightExplorer(model, labels={("out", "units"): list("abcd")})
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 2)), np.ones((8, 3)), verbose=0, callbacks=[explorer.callback])
    assert "4 names, but the axis 'units'" in explorer._panel.status.problem
    assert len(explorer.history.values("late/out/kernel")) == 2
    explorer.close()


def test_labels_stand_on_the_axes_of_the_panel_and_of_the_figure(model):
    explorer = WeightExplorer(model, labels={("out", "units"): CLASSES, "tokens": WORDS})
    explorer.select("out", role="kernel")
    assert explorer._panel.picture_area.matrix.columns[0]["labels"] == CLASSES
    axes = explorer.figure().axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == CLASSES
    explorer.select("tokens")
    assert explorer._panel.picture_area.matrix.rows[0]["labels"] == WORDS
    explorer.close()


def test_of_a_long_axis_only_the_labels_at_the_edges_of_cells_travel():
    model = keras.Sequential([keras.Input((5,)), layers.Embedding(5000, 4, name="tokens")], name="long")
    words = [f"word {i}" for i in range(5000)]
    explorer = WeightExplorer(model, labels={"tokens": words})
    sent = explorer._panel.picture_area.matrix.rows[0]
    step = explorer._panel.picture_area.matrix.steps[0]
    assert step == 10
    assert sent["labels"] == words[::10]
    assert sent["last"] == words[9::10]
    explorer.close()


def test_names_of_features_are_never_put_on_the_inputs_of_a_later_layer():
    inner = keras.Sequential([keras.Input((8,)), layers.Dense(8, name="d1"), layers.Dense(8, name="d2")], name="body")
    model = keras.Sequential([keras.Input((8,)), inner], name="m")
    cells = keras.Sequential([keras.Input((5, 4)), layers.RNN([layers.LSTMCell(4), layers.LSTMCell(4)], name="rnn")], name="m")
    for each, given in ((model, "input_dim"), (model, ("body", "input_dim")), (cells, ("rnn", "input_dim"))):
        count = 8 if each is model else 4
        with pytest.raises(ValueError, match="2 layers there have an axis 'input_dim'"):
            WeightExplorer(each, labels={given: [f"feature {i}" for i in range(count)]})


def test_query_and_value_may_have_other_features_but_heads_are_heads_everywhere():
    query, value = keras.Input((5, 4)), keras.Input((6, 4))
    model = keras.Model([query, value], layers.MultiHeadAttention(2, 3, name="mha")(query, value), name="m")
    with pytest.raises(ValueError, match="3 layers there have an axis 'input_dim'"):
        WeightExplorer(model, labels={("mha", "input_dim"): list("abcd")})
    explorer = WeightExplorer(model, labels={("mha", "heads"): ["left", "right"]})
    explorer.select("query")
    assert [block[0] for block in explorer._panel.picture_area.matrix.columns[0]["blocks"]] == ["left", "right"]
    offered = [label for _, label in explorer._panel.blocks["first blocks"].options]
    assert offered == ["all heads", "head 0 (left)", "head 1 (right)"]
    assert [row[0] for row in explorer._panel.statistics.sections[1]["rows"]] == ["head 0 (left)", "head 1 (right)"]
    explorer.close()


def test_a_third_gate_has_the_labels_of_its_own_columns(model):
    names = [f"column {i}" for i in range(16)]
    explorer = WeightExplorer(model, labels={("both", "units"): names})
    explorer.select("both", role="bias", block="cell candidate")
    assert explorer._panel.picture_area.matrix.columns[0]["labels"] == names[8:12]
    explorer.close()


@pytest.mark.filterwarnings("ignore:`build")
def test_a_misspelt_place_is_refused_though_some_layer_is_never_built():
    class Partly(keras.Model):
        def __init__(self):
            super().__init__(name="partly")
            self.used, self.unused = layers.Dense(2, name="used"), layers.Dense(3, name="unused")

        def call(self, inputs):
            return self.used(inputs)

    model = Partly()
    model(np.ones((1, 4)))
    with pytest.raises(ValueError, match="no layer, weight or axis 'usd'"):
        WeightExplorer(model, labels={"usd": ["x", "y"]})
    WeightExplorer(model, labels={"unused": ["x", "y", "z"]}).close()


def test_one_label_that_does_not_fit_keeps_no_other_from_its_axis():
    model = keras.Sequential([layers.Dense(3, name="first"), layers.Dense(2, name="next")], name="late")
    explorer = WeightExplorer(model, labels={("first", "units"): CLASSES, ("next", "units"): CLASSES})
    model.build((None, 4))
    explorer.select("first", role="bias")
    assert labels_of(explorer, "first", "kernel", "units") == tuple(CLASSES)
    assert "3 names" in explorer.callback.status.problem
    explorer.close()
