"""Weights are read while a model trains: all at once where TensorFlow can, bit by bit what they are."""

import keras
import numpy as np
import pytest

from weight_explorer.catalog import builder
from weight_explorer.training.variable_reader import VariableReader

DTYPES = ["float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "int8", "int32", "bool", "float64"]
SHAPES = [(), (0,), (3,), (4, 5), (2, 0, 3)]
on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of TensorFlow")


def variables():
    made = []
    for dtype in DTYPES:
        for shape in SHAPES:
            values = np.arange(np.prod(shape, dtype=int)).reshape(shape)
            made.append(keras.Variable(values, dtype=dtype, trainable=False))
    return made


def check(given):
    for variable, found in zip(given, VariableReader()(given), strict=True):
        expected = builder.read_values(variable)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        assert found.tobytes() == expected.tobytes()


def test_what_is_read_together_is_what_each_is():
    check(variables())


@on_tensorflow
def test_all_are_read_by_one_operation(monkeypatch):
    given = variables()
    monkeypatch.setattr(builder, "read_values", lambda variable: pytest.fail("read by itself"))
    assert len(VariableReader()(given)) == len(given)


@on_tensorflow
def test_what_is_read_again_is_as_it_is_by_then():
    tf = pytest.importorskip("tensorflow")
    read, given = VariableReader(), tuple(keras.Variable(np.zeros(shape), dtype="float32") for shape in SHAPES)
    read(given)
    known = read._operation
    for number, variable in enumerate(given):
        variable.assign(np.full(variable.shape, number))
    for number, found in enumerate(read(given)):
        np.testing.assert_array_equal(found, number)
    assert read._operation is known
    given[2]._value = tf.Variable(np.full(given[2].shape, 7.0))  # whatever puts another in its place
    np.testing.assert_array_equal(read(given)[2], 7.0)


@on_tensorflow
def test_what_the_operation_does_not_know_is_read_one_by_one():
    tf = pytest.importorskip("tensorflow")
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        mirrored = keras.Variable(np.arange(6.0).reshape(2, 3), dtype="float32")
    check([*variables(), mirrored])


@on_tensorflow
def test_what_was_read_holds_no_memory_of_the_variable():
    """Held, it would have the next step of the training copy the variable."""
    variable = keras.Variable(np.zeros(1000), dtype="float32")

    def place_after_a_step():
        variable.value.assign_add(np.ones(1000, "float32"))
        return address(VariableReader()([variable])[0])

    def address(array):
        return array.__array_interface__["data"][0]

    before = place_after_a_step()  # the first leaves the memory of the initial value, which others may share
    assert [place_after_a_step() for _ in range(5)] == [before] * 5
    held = VariableReader()([variable])[0]
    assert address(held) == before
    assert place_after_a_step() != before
