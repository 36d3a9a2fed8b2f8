"""What is passed in place of a model is refused with what came and what to do."""

import importlib.util

import keras
import pytest

from weight_explorer import WeightExplorer


def keras_2_class(module):
    """Return a class as a package of Keras 2 has it: a base in that package, and perhaps a subclass in the user's program."""
    return type("Sequential", (), {"__module__": module})


@pytest.mark.parametrize(
    "module",
    ["tf_keras.src.engine.sequential", "tf_keras.engine.sequential", "tensorflow.python.keras.engine.sequential"],
)
@pytest.mark.parametrize("kind", ["model", "subclass", "class"])
def test_a_model_of_keras_2_is_named_as_one(module, kind):
    base = keras_2_class(module)
    given = {"model": base(), "subclass": type("Mine", (base,), {})(), "class": base}[kind]
    for make in (WeightExplorer, lambda model: WeightExplorer.from_checkpoints(model, "*.h5")):
        with pytest.raises(TypeError, match="is one of Keras 2") as caught:
            make(given)
        words = str(caught.value)
        assert f"({'tf_keras' if 'tf_keras' in module else 'tensorflow.python.keras'})" in words
        assert "import keras" in words
        assert "TF_USE_LEGACY_KERAS" in words


@pytest.mark.skipif(not importlib.util.find_spec("tensorflow.python.keras"), reason="this TensorFlow has no Keras 2 any more")
def test_the_keras_2_within_tensorflow_is_recognized():
    from tensorflow.python.keras.engine.sequential import Sequential  # noqa: PLC0415 - only where it is there

    with pytest.raises(TypeError, match=r"is one of Keras 2 \(tensorflow.python.keras\)"):
        WeightExplorer(Sequential())


@pytest.mark.parametrize(
    ("given", "words"),
    [(3, "got int: 3"), (keras.Model, "got the class Model"), (keras.layers.Dense(2), "got Dense"), (None, "got NoneType")],
    ids=["number", "class", "layer", "None"],
)
def test_what_is_no_model_is_named(given, words):
    with pytest.raises(TypeError, match=words) as caught:
        WeightExplorer(given)
    assert "WeightExplorer(model)" in str(caught.value)
