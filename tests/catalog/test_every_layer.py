"""The catalog is right about every layer class of `keras.layers`: found, built, and checked against what Keras holds."""

import inspect
import warnings

import keras
import numpy as np
import pytest
from keras import layers

from weight_explorer.catalog.builder import read_catalog, read_values
from weight_explorer.catalog.schema import slice_blocks

FLAT, STEPS, PICTURE, FILM = ((2, 4), (2, 6, 4), (2, 8, 8, 4), (2, 5, 8, 8, 4))
RGB = (2, 8, 8, 3)
RANKS = ((1, STEPS), (2, PICTURE), (3, FILM))


def called(layer, *shapes, dtype="float32", **options):
    """Call the layer once on ones of these shapes, which builds it."""
    layer(*[np.ones(shape, dtype) for shape in shapes], **options)
    return layer


def made(name, *args, shape, **options):
    return lambda: called(getattr(layers, name)(*args, **options), shape)


def on_list(layer, *shapes):
    layer([np.ones(shape, "float32") for shape in shapes])
    return layer


def adapted(layer, values):
    layer.adapt(values)
    return layer


def quantized(layer, mode, **options):
    layer.quantize(mode, **options)
    return layer


def with_lora(layer):
    layer.enable_lora(2)
    return layer


def cells():
    return [layers.LSTMCell(3), layers.GRUCell(2), layers.SimpleRNNCell(4)]


def einsum():
    return called(layers.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3), bias_axes="de"), STEPS)


def reversible(**options):
    return called(layers.ReversibleEmbedding(10, 6, **options), FLAT, dtype="int32")


# Every class that cannot be made and called without arguments on one of SHAPES, and every way to make one that
# matters.
RECIPES = {
    "Activation": [lambda: called(layers.Activation("relu"), FLAT)],
    "Add": [lambda: on_list(layers.Add(), FLAT, FLAT)],
    "AdditiveAttention": [lambda: on_list(layers.AdditiveAttention(dropout=0.1), STEPS, STEPS)],
    "AlphaDropout": [lambda: called(layers.AlphaDropout(0.5), FLAT)],
    "Attention": [
        lambda: on_list(layers.Attention(use_scale=True, score_mode="concat", dropout=0.1), STEPS, STEPS),
    ],
    "AugMix": [layers.AugMix],
    "Average": [lambda: on_list(layers.Average(), FLAT, FLAT)],
    "BatchNormalization": [
        lambda: called(layers.BatchNormalization(), PICTURE),
        lambda: called(layers.BatchNormalization(renorm=True, axis=1), PICTURE),
    ],
    "Bidirectional": [
        lambda mode=mode: called(layers.Bidirectional(layers.LSTM(3), merge_mode=mode), STEPS)
        for mode in ("sum", "mul", "concat", "ave", None)
    ]
    + [lambda: called(layers.Bidirectional(layers.RNN(cells(), return_sequences=True)), STEPS)],
    "CategoryEncoding": [lambda: layers.CategoryEncoding(5)],
    "CenterCrop": [lambda: called(layers.CenterCrop(4, 4), PICTURE)],
    "Concatenate": [lambda: on_list(layers.Concatenate(), FLAT, FLAT)],
    "Discretization": [lambda: adapted(layers.Discretization(num_bins=4), np.arange(20.0))],
    "Dot": [lambda: on_list(layers.Dot(1), FLAT, FLAT)],
    "Dropout": [lambda: called(layers.Dropout(0.5), FLAT)],
    "GaussianDropout": [lambda: called(layers.GaussianDropout(0.5), FLAT)],
    "GaussianNoise": [lambda: called(layers.GaussianNoise(0.5), FLAT)],
    "Embedding": [
        lambda: called(layers.Embedding(10, 6), FLAT, dtype="int32"),
        lambda: with_lora(called(layers.Embedding(10, 6), FLAT, dtype="int32")),
        lambda: quantized(called(layers.Embedding(10, 6), FLAT, dtype="int32"), "int8"),
        lambda: quantized(called(layers.Embedding(10, 7), FLAT, dtype="int32"), "int4"),
    ],
    "ReversibleEmbedding": [
        reversible,
        lambda: reversible(tie_weights=False),
        lambda: quantized(reversible(tie_weights=False), "int8"),
        lambda: quantized(reversible(tie_weights=False), "int4"),
    ],
    "Dense": [
        lambda: called(layers.Dense(6), FLAT),
        lambda: called(layers.Dense(6, use_bias=False), FLAT),
        lambda: with_lora(called(layers.Dense(6), FLAT)),
        lambda: quantized(called(layers.Dense(6), FLAT), "int8"),
        lambda: quantized(called(layers.Dense(7), FLAT), "int4"),
        lambda: quantized(called(layers.Dense(6), FLAT), "float8"),
        lambda: quantized(with_lora(called(layers.Dense(6), FLAT)), "int8"),
    ],
    "EinsumDense": [
        einsum,
        lambda: called(layers.EinsumDense("abc,cd->abd", output_shape=(None, 3), bias_axes="d"), STEPS),
        lambda: called(layers.EinsumDense("abc,bcd->abd", output_shape=(6, 3)), STEPS),
        lambda: called(layers.EinsumDense("...c,cd->...d", output_shape=3, bias_axes="d"), STEPS),
        lambda: with_lora(einsum()),
        lambda: quantized(einsum(), "int8"),
        lambda: quantized(einsum(), "int4"),
        lambda: quantized(einsum(), "float8"),
    ],
    "GRU": [
        lambda: called(layers.GRU(3), STEPS),
        lambda: called(layers.GRU(3, reset_after=False), STEPS),
        lambda: called(layers.GRU(3, use_bias=False), STEPS),
    ],
    "GRUCell": [
        lambda: called(layers.GRUCell(3), FLAT, (2, 3)),
        lambda: called(layers.GRUCell(3, reset_after=False), FLAT, (2, 3)),
    ],
    "LSTM": [
        lambda: called(layers.LSTM(3, dropout=0.1), STEPS),
        lambda: called(layers.LSTM(3, unit_forget_bias=False), STEPS),
        lambda: called(layers.LSTM(1), STEPS),
    ],
    "LSTMCell": [lambda: called(layers.LSTMCell(3), FLAT, states=[np.ones((2, 3), "float32")] * 2)],
    "SimpleRNNCell": [lambda: called(layers.SimpleRNNCell(3), FLAT, (2, 3))],
    "GroupNormalization": [lambda: called(layers.GroupNormalization(2), PICTURE)],
    "GroupQueryAttention": [
        lambda: called(layers.GroupQueryAttention(3, 4, 2, dropout=0.1, use_gate=True), STEPS, STEPS),
        lambda: called(layers.GroupQueryAttention(3, 4, 1, use_bias=False), STEPS, STEPS),
    ],
    "MultiHeadAttention": [
        lambda: called(layers.MultiHeadAttention(2, 3, value_dim=5, dropout=0.1, use_gate=True), STEPS, STEPS),
        lambda: called(layers.MultiHeadAttention(2, 3, use_bias=False), PICTURE, PICTURE),
        lambda: called(layers.MultiHeadAttention(1, 3, output_shape=7), STEPS, STEPS),
    ],
    "HashedCrossing": [lambda: layers.HashedCrossing(4)],
    "Hashing": [lambda: layers.Hashing(4)],
    "IntegerLookup": [lambda: adapted(layers.IntegerLookup(), np.arange(5))],
    "StringLookup": [lambda: adapted(layers.StringLookup(), np.array(["a", "b"]))],
    "TextVectorization": [lambda: adapted(layers.TextVectorization(), np.array(["a b", "b c"]))],
    "Lambda": [lambda: called(layers.Lambda(lambda x: x), FLAT)],
    "LayerNormalization": [
        lambda: called(layers.LayerNormalization(), STEPS),
        lambda: called(layers.LayerNormalization(axis=(1, 2)), STEPS),
    ],
    "RMSNormalization": [
        lambda: called(layers.RMSNormalization(), STEPS),
        lambda: called(layers.RMSNormalization(axis=(1, 2)), STEPS),
    ],
    "MelSpectrogram": [lambda: called(layers.MelSpectrogram(), (2, 4000))],
    "Maximum": [lambda: on_list(layers.Maximum(), FLAT, FLAT)],
    "Minimum": [lambda: on_list(layers.Minimum(), FLAT, FLAT)],
    "Multiply": [lambda: on_list(layers.Multiply(), FLAT, FLAT)],
    "Subtract": [lambda: on_list(layers.Subtract(), FLAT, FLAT)],
    "Normalization": [
        lambda: adapted(layers.Normalization(), np.ones(FLAT)),
        lambda: adapted(layers.Normalization(axis=None), np.ones(FLAT)),
        lambda: adapted(layers.Normalization(axis=(1, 2)), np.ones(STEPS)),
        lambda: called(layers.Normalization(mean=1.0, variance=2.0), FLAT),
    ],
    "PReLU": [
        lambda: called(layers.PReLU(), FLAT),
        lambda: called(layers.PReLU(shared_axes=[1, 2]), PICTURE),
    ],
    "Permute": [lambda: called(layers.Permute((2, 1)), STEPS)],
    "Pipeline": [lambda: layers.Pipeline([layers.RandomFlip(), layers.Normalization(mean=0.0, variance=1.0)])],
    "RNN": [
        lambda: called(layers.RNN(cells()), STEPS),
        lambda: called(layers.RNN(layers.LSTMCell(3)), STEPS),
    ],
    "StackedRNNCells": [lambda: called(layers.RNN(layers.StackedRNNCells(cells())), STEPS)],
    "RandAugment": [lambda: called(layers.RandAugment(value_range=(0, 255)), RGB)],
    "RepeatVector": [lambda: called(layers.RepeatVector(2), FLAT)],
    "Rescaling": [lambda: called(layers.Rescaling(2.0), FLAT)],
    "Reshape": [lambda: called(layers.Reshape((4, 1)), FLAT)],
    "Resizing": [lambda: called(layers.Resizing(4, 4), PICTURE)],
    "STFTSpectrogram": [
        lambda: called(layers.STFTSpectrogram(), (2, 600, 1)),
        lambda: called(layers.STFTSpectrogram(mode="stft"), (2, 600, 1)),
    ],
    "SpectralNormalization": [
        lambda: called(layers.SpectralNormalization(layers.Dense(3)), FLAT),
        lambda: called(layers.SpectralNormalization(layers.Conv2D(3, 2)), PICTURE),
    ],
    "TimeDistributed": [
        lambda: called(layers.TimeDistributed(layers.Dense(3)), STEPS),
        lambda: called(layers.TimeDistributed(layers.Conv2D(3, 2)), FILM),
    ],
    "Wrapper": [lambda: layers.Wrapper(layers.Dense(3))],
    **{
        f"Conv{rank}D": [
            made(f"Conv{rank}D", 6, 2, shape=shape),
            made(f"Conv{rank}D", 6, 2, shape=shape, groups=2),
            lambda rank=rank, shape=shape: with_lora(made(f"Conv{rank}D", 6, 2, shape=shape)()),
        ]
        for rank, shape in RANKS
    },
    **{
        f"Conv{rank}DTranspose": [made(f"Conv{rank}DTranspose", 6, 2, shape=shape, use_bias=bias) for bias in (True, False)]
        for rank, shape in RANKS
    },
    **{
        f"ConvLSTM{rank}D": [
            made(f"ConvLSTM{rank}D", 6, 2, shape=(shape[0], 3, *shape[1:]), unit_forget_bias=forget) for forget in (True, False)
        ]
        for rank, shape in RANKS
    },
    **{
        f"DepthwiseConv{rank}D": [made(f"DepthwiseConv{rank}D", 2, shape=shape, depth_multiplier=2)]
        for rank, shape in RANKS[:2]
    },
    **{
        f"SeparableConv{rank}D": [made(f"SeparableConv{rank}D", 6, 2, shape=shape, depth_multiplier=2)]
        for rank, shape in RANKS[:2]
    },
    **{f"SpatialDropout{rank}D": [made(f"SpatialDropout{rank}D", 0.5, shape=shape)] for rank, shape in RANKS},
    **{
        name: [made(name, *args, shape=RGB)]
        for name, args in {
            "RandomBrightness": (0.1,),
            "RandomColorDegeneration": (0.1,),
            "RandomContrast": (0.1,),
            "RandomGrayscale": (0.5,),
            "RandomHue": (0.1, (0, 255)),
            "RandomRotation": (0.1,),
            "RandomSaturation": (0.1,),
            "RandomSharpness": (0.1,),
            "RandomTranslation": (0.1, 0.1),
            "RandomZoom": (0.1,),
        }.items()
    },
}
SHAPES = (PICTURE, STEPS, FLAT, FILM)

# Classes that hold what other libraries made, or are there to be inherited from.
NOT_MADE_HERE = {
    "FlaxLayer": "needs flax",
    "JaxLayer": "needs jax",
    "TorchModuleWrapper": "needs torch",
    "TFSMLayer": "needs a saved model; what it holds are TensorFlow's variables",
    "InputLayer": "holds nothing, and stands in no tree",
    "Layer": "has no call of its own",
    "MaxNumBoundingBoxes": "holds nothing and takes bounding boxes",
}


def layer_classes():
    """Every layer class of Keras, once under the name that its own module of Keras gives it first."""
    found = {}
    for name, value in vars(layers).items():
        if inspect.isclass(value) and issubclass(value, layers.Layer):
            found.setdefault(value, name)
    return {name: cls for cls, name in found.items()}


def by_default(cls):
    """Make a layer without arguments, or with one small number for each that it must have, and call it on what it takes."""
    needed = [
        parameter
        for parameter in inspect.signature(cls).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    for shape in SHAPES:
        for dtype in ("float32", "int32"):
            try:
                return called(cls(*[2] * len(needed)), shape, dtype=dtype)
            except Exception:  # noqa: BLE001 - whatever a layer says of what it does not take
                continue
    raise AssertionError(
        f"keras.layers.{cls.__name__} is new, or takes other arguments than before: add it to RECIPES, and if it holds "
        f"weights to the table in catalog/roles"
    )


CASES = [
    pytest.param(make, id=f"{name}-{number}")
    for name, cls in sorted(layer_classes().items())
    if name not in NOT_MADE_HERE
    for number, make in enumerate(RECIPES.get(name) or [lambda cls=cls: by_default(cls)])
]


class Holding(keras.Model):
    """A model that holds one layer, which is all that the catalog needs."""

    def __init__(self, layer):
        super().__init__(name="holding")
        self.layer = layer


@pytest.fixture(params=CASES)
def model(request):
    keras.utils.set_random_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # NumPy's, when Keras itself quantizes
        return Holding(request.param())


def test_every_layer_is_told_rightly(model):
    catalog = read_catalog(model)
    assert {id(variable) for variable in catalog.variables.values()} == {id(variable) for variable in model.variables}
    assert len(catalog.weights) == len({id(variable) for variable in model.variables})
    for key, weight in catalog.weights.items():
        variable = catalog.variables[key]
        assert eval(weight.expression, {"model": model}) is variable, weight.expression
        assert weight.shape == tuple(variable.shape) == tuple(axis.size for axis in weight.axes)
        assert str(weight.shape) in weight.explanation
        assert "None" not in weight.explanation.replace("merge_mode=None", "")
        assert weight.trainable == bool(variable.trainable)
        assert bool(weight.not_trainable_text) != weight.trainable
        assert weight.role
        assert "._" not in weight.expression
        for axis in weight.axes:
            check_blocks(weight, axis, variable)


def check_blocks(weight, axis, variable):
    """Blocks tile their axis, and each, cut out, is what its expression reads."""
    assert not axis.blocks or [block.start for block in axis.blocks] == [0, *(block.stop for block in axis.blocks[:-1])]
    assert not axis.blocks or axis.blocks[-1].stop == axis.size
    for block in axis.blocks:
        part = slice_blocks(weight, block.name)
        values = read_values(variable)[part.index]
        assert values.shape == part.shape == tuple(each.size for each in part.axes)
        assert str(part.shape) in part.explanation


def test_every_weight_of_keras_own_layers_has_a_row_of_its_own(model):
    plain = [weight.key for weight in read_catalog(model).weights.values() if "made for itself" in weight.explanation]
    assert not plain


def test_no_recipe_stands_for_a_layer_that_keras_does_not_have():
    assert set(RECIPES) | set(NOT_MADE_HERE) <= set(layer_classes())
