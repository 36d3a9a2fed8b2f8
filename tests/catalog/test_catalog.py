"""The catalog is right about what a model holds, and its code lines lead to the very variables."""

import keras
import numpy as np
import pytest
from keras import layers

from weight_explorer.catalog.builder import model_signature, read_catalog
from weight_explorer.catalog.schema import SEED_STATE
from weight_explorer.panel.weight_details import weight_facts


def shared_layer_model():
    inputs = keras.Input((4,))
    twice = layers.Dense(4, name="twice")
    return keras.Model(inputs, twice(twice(inputs)), name="shared")


def nested_model():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="dense")], name="inner")
    other = keras.Sequential([keras.Input((3,)), layers.Dense(3, name="dense")], name="inner_too")
    return keras.Sequential([keras.Input((4,)), inner, other], name="nested")


class Blocks(keras.Model):
    def __init__(self):
        super().__init__(name="blocks")
        self.first = [layers.Dense(3, name="a"), layers.Dense(3, name="a")]
        self.by_name = {"last": layers.Dense(2, name="last")}

    def call(self, inputs):
        return self.by_name["last"](self.first[1](self.first[0](inputs)))


def subclassed_model():
    model = Blocks()
    model(np.zeros((1, 4), "float32"))
    return model


class Scaled(layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), name="anything", initializer="ones")
        self.tables = [self.add_weight(shape=(2, 2)), self.add_weight(shape=(2, 2))]

    def call(self, inputs):
        return inputs * self.scale


class Unembed(layers.Layer):
    """Turns vectors back into tokens with the embedding's own variable."""

    def __init__(self, embedding, **options):
        super().__init__(**options)
        self.kernel = embedding.embeddings
        self.built = True


class Tied(keras.Model):
    """Two layers that hold one variable."""

    def build(self, shape):
        self.embed = layers.Embedding(5, 3, name="embed")
        self.embed.build()
        self.unembed = Unembed(self.embed, name="unembed")
        self.built = True


def tied_model():
    model = Tied(name="tied")
    model.build((None, 2))
    return model


def attention_model():
    inputs = keras.Input((5, 8))
    attended = layers.MultiHeadAttention(2, 4, name="attention")(inputs, inputs)
    return keras.Model(inputs, layers.LayerNormalization(name="norm")(attended), name="attentive")


def convolution_model():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="conv"),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.SeparableConv2D(4, 3, name="separable"),
            layers.Conv2DTranspose(2, 3, name="transposed"),
            layers.BatchNormalization(name="norm"),
            Scaled(name="scaled"),
        ],
        name="convolutions",
    )


def recurrent_model():
    return keras.Sequential(
        [
            keras.Input((5, 4)),
            layers.GRU(3, return_sequences=True, name="gru"),
            layers.GRU(3, return_sequences=True, reset_after=False, name="old_gru"),
            layers.SimpleRNN(3, return_sequences=True, name="simple"),
            layers.RNN([layers.LSTMCell(2), layers.LSTMCell(3)], return_sequences=True, name="stacked"),
            layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="both"),
            layers.TimeDistributed(layers.Dense(2), name="each_step"),
        ],
        name="recurrent",
    )


MODELS = [
    shared_layer_model,
    nested_model,
    subclassed_model,
    tied_model,
    attention_model,
    convolution_model,
    recurrent_model,
]


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_every_variable_stands_once_and_its_expression_is_that_variable(make):
    model = make()
    catalog = read_catalog(model)
    assert {id(v) for v in catalog.variables.values()} == {id(v) for v in model.variables}
    assert len(catalog.weights) == len({id(v) for v in model.variables})
    for key, weight in catalog.weights.items():
        assert eval(weight.expression, {"model": model}) is catalog.variables[key], weight.expression


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_axes_have_the_sizes_of_the_shape_and_blocks_tile_them(make):
    for weight in read_catalog(make()).weights.values():
        assert tuple(axis.size for axis in weight.axes) == weight.shape
        assert weight.explanation
        for axis in weight.axes:
            if axis.blocks:
                borders = [border for block in axis.blocks for border in (block.start, block.stop)]
                assert borders[0] == 0
                assert borders[-1] == axis.size
                assert borders[1:-1:2] == borders[2:-1:2]


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_the_number_of_parameters_is_keras_own(make):
    model = make()
    assert read_catalog(model).root.num_params == model.count_params()


def test_a_bidirectional_lstm_says_where_its_80_comes_from(reader_model):
    catalog = read_catalog(reader_model)
    kernel = catalog.weights["reader/encoder_lstm/forward_lstm/lstm_cell/kernel"]
    assert kernel.shape_text == "(100, 80) = (input_dim, 4 gates x 20 units)"
    assert kernel.expression == 'model.get_layer("encoder_lstm").forward_layer.cell.kernel'
    assert kernel.role == "kernel"
    assert [block.name for block in kernel.axes[1].blocks] == ["input gate", "forget gate", "cell candidate", "output gate"]
    recurrent = catalog.weights["reader/encoder_lstm/backward_lstm/lstm_cell/recurrent_kernel"]
    assert recurrent.role == "recurrent"
    assert recurrent.shape_text == "(20, 80) = (recurrent_units, 4 gates x 20 units)"


def test_gate_blocks_are_the_gates_by_the_layers_own_output():
    """With the output gate's block at -1000 an LSTM puts out nothing, whatever the other gates do."""
    model = keras.Sequential([keras.Input((4, 3)), layers.LSTM(5, name="lstm")])
    bias = next(weight for weight in read_catalog(model).weights.values() if weight.role == "bias")
    block = next(block for block in bias.axes[0].blocks if block.name == "output gate")
    x = np.random.default_rng(1).random((2, 4, 3)).astype("float32")
    assert np.abs(model.predict(x, verbose=0)).max() > 1e-3
    values = model.get_layer("lstm").cell.bias.numpy()
    values[block.start : block.stop] = -1000.0
    model.get_layer("lstm").cell.bias.assign(values)
    assert np.abs(model.predict(x, verbose=0)).max() == 0


@pytest.mark.parametrize("reset_after", [True, False])
def test_gate_blocks_of_a_gru_are_its_gates_by_its_own_output(reset_after):
    """With the update gate wide open, z = 1, a GRU keeps its state, which began at 0."""
    model = keras.Sequential([keras.Input((4, 3)), layers.GRU(5, reset_after=reset_after, name="gru")])
    weight = next(weight for weight in read_catalog(model).weights.values() if weight.role == "bias")
    block = next(block for block in weight.axes[-1].blocks if block.name == "update gate")
    x = np.random.default_rng(1).random((2, 4, 3)).astype("float32")
    assert np.abs(model.predict(x, verbose=0)).max() > 1e-3
    values = model.get_layer("gru").cell.bias.numpy()
    values[..., block.start : block.stop] = 1000.0
    model.get_layer("gru").cell.bias.assign(values)
    assert np.abs(model.predict(x, verbose=0)).max() == 0


def test_the_channel_axes_of_convolutions_have_the_layers_own_sizes():
    catalog = read_catalog(convolution_model())
    sizes = {
        weight.layer.rpartition("/")[2]: {axis.name: axis.size for axis in weight.axes}
        for weight in catalog.weights.values()
        if weight.role in ("kernel", "pointwise kernel")
    }
    window = {"kernel_height": 3, "kernel_width": 3}
    assert sizes["conv"] == window | {"in_channels": 3, "filters": 4}
    assert sizes["depthwise"] == window | {"in_channels": 4, "depth_multiplier": 1}
    assert sizes["transposed"] == window | {"in_channels": 4, "filters": 2}


def test_a_shared_variable_stands_in_both_layers_and_in_the_weights_once():
    catalog = read_catalog(tied_model())
    (embeddings,) = catalog.weights.values()
    assert embeddings.role == "embeddings"
    assert embeddings.shared_by == ("tied/embed", "tied/unembed")
    assert catalog.nodes["tied/embed"].shared
    assert catalog.nodes["tied/unembed"].weights == catalog.nodes["tied/embed"].weights


def test_wrappers_offer_their_parts_by_name(reader_model):
    catalog = read_catalog(reader_model)
    parts = [(node.parent_role_kind, node.parent_role) for node in catalog.nodes["reader/encoder_lstm"].children]
    assert parts == [("direction", "forward"), ("direction", "backward")]


def test_an_lstm_stands_for_its_cell(reader_model):
    assert not [node for node in read_catalog(reader_model).nodes.values() if node.class_name == "LSTMCell"]


def test_frozen_layers_are_marked_and_moving_statistics_are_not_trainable():
    model = convolution_model()
    model.get_layer("conv").trainable = False
    catalog = read_catalog(model)
    assert [node.name for node in catalog.nodes.values() if node.frozen] == ["conv"]
    untrained = {weight.name for weight in catalog.weights.values() if not weight.trainable}
    assert untrained == {"kernel", "bias", "moving_mean", "moving_variance"}


def test_custom_weights_are_called_by_their_own_attribute():
    catalog = read_catalog(convolution_model())
    scaled = [weight for weight in catalog.weights.values() if weight.layer == "convolutions/scaled"]
    assert [(weight.role, weight.name) for weight in scaled] == [
        ("scale", "scale"),
        ("tables", "tables[0]"),
        ("tables", "tables[1]"),
    ]


@pytest.mark.parametrize("make", [Blocks, lambda: keras.Sequential([layers.Dense(3)])], ids=["subclassed", "sequential"])
def test_an_unbuilt_model_has_rows_but_no_weights(make):
    catalog = read_catalog(make())
    assert not catalog.root.built
    assert not catalog.weights
    assert catalog.root.children


def test_the_signature_changes_when_a_model_is_built_or_frozen():
    model = Blocks()
    unbuilt = model_signature(model)
    model(np.zeros((1, 4), "float32"))
    built = model_signature(model)
    model.first[0].trainable = False
    assert len({unbuilt, built, model_signature(model)}) == 3


def test_equal_paths_of_different_variables_get_different_keys():
    a, b = keras.Variable(np.zeros(3), name="same"), keras.Variable(np.zeros(3), name="same")

    class Two(layers.Layer):
        def __init__(self):
            super().__init__(name="two")
            self.left, self.right = a, b

    model = keras.Sequential([keras.Input((3,)), Two()])
    catalog = read_catalog(model)
    assert list(catalog.weights) == ["same", "same#2"]
    assert catalog.variables["same#2"] is b


class Dense(layers.Layer):
    """A user's own layer with the name of Keras', and its kernel the other way round."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(7, shape[-1]))

    def call(self, inputs):
        return inputs @ keras.ops.transpose(self.kernel)


def test_a_users_own_dense_is_not_taken_for_keras():
    model = keras.Sequential([keras.Input((3,)), Dense()])
    (weight,) = read_catalog(model).weights.values()
    assert weight.shape_text == "(7, 3) = (axis 0, axis 1)"


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "a'b", "{x}", "$x$", "ü", "a#2"], ids=repr)
def test_odd_layer_names_lead_to_the_variable_all_the_same(name):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name=name), layers.Dense(2, name="a")])
    catalog = read_catalog(model)
    assert len(catalog.weights) == 4
    for key, weight in catalog.weights.items():
        assert eval(weight.expression, {"model": model}) is catalog.variables[key]


def test_attributes_and_keys_that_are_no_names_lead_to_the_variable_all_the_same():
    model = Blocks()
    setattr(model, "not a name", layers.Dense(2, name="odd"))
    model.by_key = {(1, 2): layers.Dense(2, name="tuple")}
    for layer in (getattr(model, "not a name"), *model.by_key.values()):
        layer.build((None, 3))
    model(np.zeros((1, 4), "float32"))
    assert len(model.weights) == 10
    catalog = read_catalog(model)
    for key, weight in catalog.weights.items():
        assert eval(weight.expression, {"model": model}) is catalog.variables[key]


def test_names_that_look_numbered_collide_with_none():
    class Names(layers.Layer):
        def build(self, shape):
            self.kept = [self.add_weight(shape=(1,), name=name) for name in ("w", "w", "w#2", "w#2")]

    model = keras.Sequential([keras.Input((3,)), Names()])
    assert len(read_catalog(model).weights) == 4


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dense(4),
        layers.BatchNormalization(),
        layers.LSTM(4),
        layers.Bidirectional(layers.LSTM(4)),
        layers.MultiHeadAttention(2, 3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_each_weight_says_which_of_its_layers_get_weights_it_is(layer):
    inputs = keras.Input((5, 3))
    model = keras.Model(inputs, layer(inputs, inputs) if isinstance(layer, layers.MultiHeadAttention) else layer(inputs))
    for weight in model.weights:
        weight.assign(np.random.default_rng(len(weight.path)).random(weight.shape))  # no two alike
    catalog = read_catalog(model)
    numbered = [weight for weight in catalog.weights.values() if weight.get_weights_index is not None]
    assert len(numbered) == len(model.weights)
    for weight in numbered:
        given = catalog.layers[weight.layer].get_weights()[weight.get_weights_index]
        np.testing.assert_array_equal(given, catalog.variables[weight.key].numpy())
        assert weight.get_weights_text == f"get_weights()[{weight.get_weights_index}] of {catalog.layers[weight.layer].name}"
        assert weight.get_weights_text in weight_facts(weight)
        assert weight.get_weights_text in str(weight)


def test_a_gate_says_which_part_of_get_weights_it_is_and_a_random_state_nothing():
    model = keras.Sequential([keras.Input((5, 3)), layers.LSTM(4, name="lstm", dropout=0.5)], name="m")
    catalog = read_catalog(model)
    assert (
        catalog.weights["lstm/lstm_cell/kernel"].select_blocks("forget gate").get_weights_text
        == "get_weights()[0][:, 4:8] of lstm"
    )
    (state,) = (weight for weight in catalog.weights.values() if weight.role == SEED_STATE)
    assert (state.get_weights_index, state.get_weights_text) == (None, "")


def test_of_a_weight_that_learns_in_part_it_is_not_said_that_all_of_it_moves():
    class Half(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(shape[-1],), name="scale")

        def call(self, inputs):
            return inputs * self.scale * np.array([1.0, 1.0, 0.0, 0.0], "float32")

    layer = Half(name="half")
    model = keras.Sequential([keras.Input((4,)), layer], name="m")
    model.compile("sgd", "mse")
    before = layer.scale.numpy()
    model.fit(np.ones((8, 4)), np.ones((8, 4)), verbose=0)
    assert (layer.scale.numpy() != before).tolist() == [True, True, False, False]
    explanation = read_catalog(model).weights["m/half/scale"].explanation
    assert "Training may change every number of it." in explanation
