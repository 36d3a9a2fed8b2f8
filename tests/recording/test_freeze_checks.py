"""What the catalog says of gates, heads, directions and channels is proved on the layers' own output, with numbers."""

import keras
import numpy as np
import pytest
from keras import layers

from weight_explorer.catalog.builder import read_catalog, read_values
from weight_explorer.catalog.schema import slice_blocks
from weight_explorer.views.layout import default_layout

TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}
RANDOM = np.random.default_rng(7)


def model_of(*stack, shape, name="proof"):
    model = keras.Sequential([keras.Input(shape), *stack], name=name)
    for variable in model.weights:  # no zeros and no ones: every number counts
        variable.assign(RANDOM.normal(0, 0.5, variable.shape))
    return model


def computed(model, x):
    return keras.ops.convert_to_numpy(model(x))


def the(catalog, role, layer=""):
    (weight,) = [weight for weight in catalog.weights.values() if weight.role == role and layer in weight.layer]
    return weight


def part(catalog, weight, *blocks):
    """Values of the blocks of a weight, by what the catalog says."""
    chosen = slice_blocks(weight, *blocks)
    return read_values(catalog.variables[chosen.variable_key])[chosen.index]


def zero(model, catalog, weight, *blocks):
    """Set the blocks of a weight to zero, by the very line of Python that the catalog gives."""
    chosen = slice_blocks(weight, *blocks)
    variable = eval(weight.expression, {"model": model})
    values = read_values(variable).copy()
    values[chosen.index] = 0
    np.testing.assert_array_equal(eval(chosen.expression, {"model": model}).shape, chosen.shape)
    variable.assign(values)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(catalog, x, convolve=None):
    """Hochreiter and Schmidhuber's equations, with each gate's weights as the catalog names them; no Keras."""
    kernel, recurrent, bias = (the(catalog, role) for role in ("kernel", "recurrent", "bias"))
    product = convolve or (lambda a, b: a @ b)

    def before(gate, x, h):
        return product(x, part(catalog, kernel, gate)) + product(h, part(catalog, recurrent, gate)) + part(catalog, bias, gate)

    h = c = None
    for step in range(x.shape[1]):
        now = x[:, step]
        if h is None:
            h = c = np.zeros((*now.shape[:-1], part(catalog, bias, "input gate").size))
        gates = {gate: before(gate, now, h) for gate in ("input gate", "forget gate", "cell candidate", "output gate")}
        c = sigmoid(gates["forget gate"]) * c + sigmoid(gates["input gate"]) * np.tanh(gates["cell candidate"])
        h = sigmoid(gates["output gate"]) * np.tanh(c)
    return h


def gru(catalog, x, *, reset_after):
    """Cho et al.'s equations, with each gate's weights and both bias rows as the catalog names them; no Keras."""
    kernel, recurrent, bias = (the(catalog, role) for role in ("kernel", "recurrent", "bias"))
    rows = ("input bias", "recurrent bias")

    def into(gate, x):
        return x @ part(catalog, kernel, gate) + part(catalog, bias, gate, *rows[:1] if reset_after else ())

    def back(gate, h):
        return h @ part(catalog, recurrent, gate) + (part(catalog, bias, gate, rows[1]) if reset_after else 0)

    h = np.zeros((len(x), the(catalog, "recurrent").shape[0]))
    for step in range(x.shape[1]):
        now = x[:, step]
        z, r = (sigmoid(into(gate, now) + back(gate, h)) for gate in ("update gate", "reset gate"))
        old = r * back("candidate", h) if reset_after else back("candidate", r * h)
        h = z * h + (1 - z) * np.tanh(into("candidate", now) + old)
    return h


@pytest.mark.parametrize("zeroed", [None, "input gate", "forget gate", "cell candidate", "output gate"], ids=str)
def test_an_lstm_computes_with_the_gates_as_they_are_named(zeroed):
    model = model_of(layers.LSTM(3, name="lstm"), shape=(5, 4))
    catalog = read_catalog(model)
    x = RANDOM.normal(size=(2, 5, 4)).astype("float32")
    untouched = computed(model, x)
    for role in ("kernel", "recurrent", "bias") if zeroed else ():
        zero(model, catalog, the(catalog, role), zeroed)
    np.testing.assert_allclose(computed(model, x), lstm(catalog, x), **TOLERANCE)
    assert (zeroed is None) == np.allclose(computed(model, x), untouched)


@pytest.mark.parametrize("zeroed", [None, "update gate", "reset gate", "candidate"], ids=str)
@pytest.mark.parametrize("reset_after", [True, False], ids=["reset after", "reset before"])
def test_a_gru_computes_with_the_gates_and_biases_as_they_are_named(reset_after, zeroed):
    model = model_of(layers.GRU(3, reset_after=reset_after, name="gru"), shape=(5, 4))
    catalog = read_catalog(model)
    x = RANDOM.normal(size=(2, 5, 4)).astype("float32")
    untouched = computed(model, x)
    for role in ("kernel", "recurrent", "bias") if zeroed else ():
        zero(model, catalog, the(catalog, role), zeroed)
    np.testing.assert_allclose(computed(model, x), gru(catalog, x, reset_after=reset_after), **TOLERANCE)
    assert (zeroed is None) == np.allclose(computed(model, x), untouched)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_convolutional_lstm_computes_with_the_gates_as_they_are_named(rank):
    size = (4, 3, 2)[:rank]
    cell = getattr(layers, f"ConvLSTM{rank}D")(3, 2, padding="same", recurrent_activation="sigmoid")
    model = model_of(cell, shape=(3, *size, 2))
    catalog = read_catalog(model)
    x = RANDOM.normal(size=(2, 3, *size, 2)).astype("float32")

    def convolve(values, kernel):
        return keras.ops.convert_to_numpy(keras.ops.conv(values.astype("float32"), kernel, padding="same"))

    np.testing.assert_allclose(computed(model, x), lstm(catalog, x, convolve), **TOLERANCE)


def test_the_forget_gate_starts_at_1_in_the_block_that_is_named_so():
    model = keras.Sequential([keras.Input((5, 4)), layers.LSTM(3), layers.RepeatVector(2)])
    catalog = read_catalog(model)
    bias = the(catalog, "bias")
    assert bias.initializer == "Zeros, forget gate at 1"
    means = {block.name: part(catalog, bias, block.name).mean() for block in bias.axes[0].blocks}
    assert means == {"input gate": 0, "forget gate": 1, "cell candidate": 0, "output gate": 0}


@pytest.mark.parametrize("merge", ["sum", "mul", "ave", "concat"])
def test_directions_are_the_directions_that_they_are_called(merge):
    model = model_of(layers.Bidirectional(layers.LSTM(3), merge_mode=merge, name="both"), shape=(5, 4))
    x = RANDOM.normal(size=(2, 5, 4)).astype("float32")
    catalog = read_catalog(model)
    halves = {}
    for direction, order in (("forward", x), ("backward", x[:, ::-1])):
        (path,) = [node.path for node in catalog.nodes.values() if node.parent_role == direction]
        (kernel,) = [weight for weight in catalog.weights.values() if weight.layer == path and weight.role == "kernel"]
        assert repr(merge) in kernel.explanation
        said = {"forward": "from its first step to its last", "backward": "from its last step to its first"}
        assert said[direction] in kernel.explanation
        only = type(catalog)(catalog.root, {k: w for k, w in catalog.weights.items() if w.layer == path}, catalog.variables)
        halves[direction] = lstm(only, order)
    merged = {
        "sum": halves["forward"] + halves["backward"],
        "mul": halves["forward"] * halves["backward"],
        "ave": (halves["forward"] + halves["backward"]) / 2,
        "concat": np.concatenate([halves["forward"], halves["backward"]], axis=-1),
    }
    np.testing.assert_allclose(computed(model, x), merged[merge], **TOLERANCE)


def test_a_direction_that_was_turned_round_says_so():
    forward = layers.LSTM(2, go_backwards=True, return_sequences=True)
    both = layers.Bidirectional(forward, backward_layer=layers.LSTM(2, return_sequences=True), name="both")
    model = keras.Sequential([keras.Input((5, 3)), both], name="m")
    words = {weight.expression: weight.explanation for weight in read_catalog(model).weights.values()}
    assert "from its last step to its first" in words['model.get_layer("both").forward_layer.cell.kernel']
    assert "from its first step to its last" in words['model.get_layer("both").backward_layer.cell.kernel']


def shape_texts(model):
    return [weight.shape_text.partition(" = ")[2] for weight in read_catalog(model).weights.values()]


def test_heads_of_keys_and_values_are_told_from_those_of_queries():
    inputs = keras.Input((5, 6))
    model = keras.Model(inputs, layers.GroupQueryAttention(3, 4, 2, use_bias=False)(inputs, inputs), name="m")
    key = "(input_dim, key_value_heads, head_dim)"
    assert shape_texts(model) == ["(input_dim, heads, head_dim)", key, key, "(heads, head_dim, output_dim)"]
    assert ["shared by several" in axis.meaning for w in read_catalog(model).weights.values() for axis in w.axes].count(
        True
    ) == 2


def test_an_attention_with_an_output_of_several_axes_keeps_its_heads():
    inputs = keras.Input((5, 6))
    model = keras.Model(inputs, layers.MultiHeadAttention(2, 3, output_shape=(4, 5))(inputs, inputs), name="m")
    assert shape_texts(model)[-2:] == ["(heads, value_dim, output_dim_0, output_dim_1)", "(output_dim_0, output_dim_1)"]


def test_a_column_of_an_einsum_layer_makes_one_output_and_its_lora_leads_from_input_to_output():
    layer = layers.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3), name="einsum")
    model = keras.Sequential([keras.Input((6, 4)), layer], name="m")
    (kernel,) = read_catalog(model).weights.values()
    assert default_layout(kernel.axes) == ((0,), (1, 2))
    layer.enable_lora(5)
    assert shape_texts(model)[-2:] == ["(input axis c, output axis d, lora_rank)", "(lora_rank, output axis e)"]


def projected(catalog, x, name, heads):
    """What a projection makes of x, head by head, by the blocks of the catalog."""
    kernel, bias = (the(catalog, role, f"/{name}") for role in ("kernel", "bias"))
    return [x @ part(catalog, kernel, head) + part(catalog, bias, head) for head in heads]


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


ATTENTIONS = {
    "MultiHeadAttention": (lambda: layers.MultiHeadAttention(4, 3, name="attention"), 4),
    "GroupQueryAttention": (lambda: layers.GroupQueryAttention(3, 4, 2, name="attention"), 2),
}


@pytest.mark.parametrize("zeroed", [None, "head 0", "head 3"], ids=str)
@pytest.mark.parametrize("kind", ATTENTIONS)
def test_attention_is_the_sum_of_the_heads_as_they_are_named(kind, zeroed):
    make, key_heads = ATTENTIONS[kind]
    inputs = keras.Input((5, 6))
    model = keras.Model(inputs, make()(inputs, inputs), name="proof")
    for variable in model.weights:
        variable.assign(RANDOM.normal(0, 0.5, variable.shape))
    catalog = read_catalog(model)
    output = the(catalog, "kernel", "/attention_output")
    if zeroed:
        zero(model, catalog, output, zeroed)
    x = RANDOM.normal(size=(2, 5, 6)).astype("float32")
    heads = [f"head {i}" for i in range(4)]
    queries = projected(catalog, x, "query", heads)
    keys, values = (projected(catalog, x, name, heads[:key_heads]) for name in ("key", "value"))
    total = part(catalog, the(catalog, "bias", "/attention_output"))
    for i, head in enumerate(heads):
        shared = i * key_heads // 4
        weights = softmax(queries[i] @ np.swapaxes(keys[shared], 1, 2) / np.sqrt(3))
        made = weights @ values[shared] @ part(catalog, output, head)
        assert np.any(made) == (head != zeroed)
        total = total + made
    np.testing.assert_allclose(computed(model, x), total, **TOLERANCE)


def only(weight, axis, number, values):
    """The values with all but one entry of an axis at zero."""
    index = [slice(None)] * values.ndim
    index[[each.name for each in weight.axes].index(axis)] = number
    kept = np.zeros_like(values)
    kept[tuple(index)] = values[tuple(index)]
    return kept


CONVOLUTIONS = {
    f"{name}{rank}D{transpose}": (name, rank, transpose)
    for name, rank, transpose in [
        *(("Conv", rank, transpose) for rank in (1, 2, 3) for transpose in ("", "Transpose")),
        *(("SeparableConv", rank, "") for rank in (1, 2)),
    ]
}


@pytest.mark.parametrize("data_format", ["channels_last"])
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_filter_k_makes_channel_k_and_channel_c_reads_channel_c(kind, data_format):
    _, rank, _ = CONVOLUTIONS[kind]
    layer = getattr(layers, kind)(4, 2, use_bias=False, data_format=data_format)
    model = model_of(layer, shape=(*(5,) * rank, 3))
    catalog = read_catalog(model)
    kernel = the(catalog, "pointwise kernel" if "Separable" in kind else "kernel")
    variable = catalog.variables[kernel.key]
    values = read_values(variable).copy()
    x = RANDOM.normal(size=(2, *(5,) * rank, 3)).astype("float32")
    whole = computed(model, x)
    for filter_number in range(4):
        variable.assign(only(kernel, "filters", filter_number, values))
        made = computed(model, x)
        np.testing.assert_allclose(made[..., filter_number], whole[..., filter_number], **TOLERANCE)
        assert not np.delete(made, filter_number, axis=-1).any()
    if "in_channels" not in [axis.name for axis in kernel.axes]:
        return
    for channel in range(3):
        variable.assign(only(kernel, "in_channels", channel, values))
        lone = np.zeros_like(x)
        lone[..., channel] = x[..., channel]
        np.testing.assert_allclose(computed(model, x), computed(model, lone), **TOLERANCE)


@pytest.mark.parametrize("kind", ["DepthwiseConv1D", "DepthwiseConv2D"])
def test_filter_m_of_channel_c_makes_the_channel_that_the_explanation_says(kind):
    rank = int(kind[-2])
    model = model_of(getattr(layers, kind)(2, depth_multiplier=2, use_bias=False), shape=(*(5,) * rank, 3))
    kernel = the(read_catalog(model), "kernel")
    assert "makes outgoing channel c x 2 + m" in kernel.explanation
    variable = read_catalog(model).variables[kernel.key]
    values = read_values(variable).copy()
    x = RANDOM.normal(size=(1, *(5,) * rank, 3)).astype("float32")
    for channel, number in np.ndindex(3, 2):
        kept = only(kernel, "in_channels", channel, only(kernel, "depth_multiplier", number, values))
        variable.assign(kept)
        assert np.flatnonzero(computed(model, x).any(axis=tuple(range(rank + 1)))).tolist() == [channel * 2 + number]


def test_groups_of_a_convolution_see_their_own_channels_only():
    model = model_of(layers.Conv2D(4, 2, groups=2, use_bias=False), shape=(5, 5, 6))
    kernel = the(read_catalog(model), "kernel")
    assert [axis.name for axis in kernel.axes[2:]] == ["group_channels", "filters"]
    assert kernel.axes[2].size == 3
    x = RANDOM.normal(size=(1, 5, 5, 6)).astype("float32")
    x[..., 3:] = 0
    assert np.flatnonzero(computed(model, x).any(axis=(0, 1, 2))).tolist() == [0, 1]


def test_height_and_width_of_a_window_are_not_swapped():
    model = model_of(layers.Conv2D(1, (2, 3), use_bias=False), shape=(4, 4, 1))
    kernel = the(read_catalog(model), "kernel")
    assert {axis.name: axis.size for axis in kernel.axes[:2]} == {"kernel_height": 2, "kernel_width": 3}
    assert model.output_shape == (None, 3, 2, 1)


def test_rows_of_an_embedding_are_tokens_and_the_reverse_use_reads_the_same_rows():
    layer = layers.ReversibleEmbedding(5, 3, name="tokens")
    model = keras.Sequential([keras.Input((2,)), layer], name="proof")
    weight = the(read_catalog(model), "embeddings")
    values = read_values(layer.embeddings)
    assert weight.axes[0].name == "input_dim"
    np.testing.assert_allclose(computed(model, np.array([[4, 0]]))[0], values[[4, 0]])
    reverse = keras.ops.convert_to_numpy(layer(values[None], reverse=True))
    np.testing.assert_allclose(reverse[0], values @ values.T, **TOLERANCE)
    assert "share their weights" in weight.explanation


def test_lora_is_frozen_kernel_plus_the_product_of_both_matrices_as_the_explanation_says():
    model = model_of(layers.Dense(4, use_bias=False, name="dense"), shape=(3,))
    layer = model.get_layer("dense")
    layer.enable_lora(2, lora_alpha=6)
    catalog = read_catalog(model)
    kernel, a, b = (the(catalog, role) for role in ("kernel", "lora kernel a", "lora kernel b"))
    assert (kernel.trainable, kernel.not_trainable_text) == (False, "frozen by enable_lora")
    layer.lora_kernel_b.assign(RANDOM.normal(size=(2, 4)))
    product = read_values(catalog.variables[a.key]) @ read_values(catalog.variables[b.key])
    x = RANDOM.normal(size=(2, 3)).astype("float32")
    np.testing.assert_allclose(
        computed(model, x), x @ (read_values(catalog.variables[kernel.key]) + 6 / 2 * product), **TOLERANCE
    )


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_whole_numbers_and_scales_give_back_the_weights_as_the_explanation_says():
    model = model_of(layers.Dense(4, use_bias=False, name="dense"), shape=(3,))
    values = read_values(model.get_layer("dense").kernel).copy()
    model.get_layer("dense").quantize("int8")
    catalog = read_catalog(model)
    kernel, scale = (read_values(catalog.variables[the(catalog, role).key]) for role in ("kernel", "kernel scale"))
    assert "divided by it" in the(catalog, "kernel scale").explanation
    np.testing.assert_allclose(kernel / scale, values, atol=np.abs(values).max() / 100)
