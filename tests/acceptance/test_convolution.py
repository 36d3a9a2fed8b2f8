"""Question 3: 32 filters of 3 x 3 on pictures of 96 x 96. What do the trained kernels look like, and which matter most?"""

import keras
import numpy as np
import pytest
from keras import layers

from tests.acceptance.asked import caption_of, rows_of, run_code
from weight_explorer import WeightExplorer

KERNEL = "cnn/conv/kernel"


@pytest.fixture(scope="module")
def trained():
    """The model, its explorer, and the kernel before training."""
    keras.utils.set_random_seed(2)
    random = np.random.default_rng(1)
    pictures = random.random((24, 96, 96, 1)).astype("float32") * 0.3
    is_striped = np.arange(24) % 2
    pictures[is_striped == 1, :, ::4] += 1
    stack = [layers.Conv2D(32, 3, activation="relu", name="conv"), layers.GlobalMaxPooling2D(name="pool")]
    model = keras.Sequential([keras.Input((96, 96, 1)), *stack, layers.Dense(1, "sigmoid", name="striped")], name="cnn")
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", jit_compile=False)
    start = model.get_layer("conv").get_weights()[0]
    explorer = WeightExplorer(model, record_every=1)
    history = model.fit(pictures, is_striped, epochs=3, batch_size=8, verbose=0, callbacks=[explorer.callback])
    assert history.history["loss"][-1] < history.history["loss"][0]
    yield model, explorer, start
    explorer.close()


def kernel(model):
    return model.get_layer("conv").get_weights()[0]


def size_of(filters):
    """The norm of each filter."""
    return np.linalg.norm(filters.reshape(9, 32), axis=0)


def test_the_array_is_explained(trained):
    model, explorer, _ = trained
    weight = explorer.catalog.weights[KERNEL]
    assert weight.shape_text == "(3, 3, 1, 32) = (kernel_height, kernel_width, in_channels, filters)"
    assert "is 3 rows by 3 columns by 1 channel by 32 filters" in weight.explanation
    assert weight.get_weights_text == "get_weights()[0] of conv"
    np.testing.assert_array_equal(explorer.history.values(KERNEL)[-1], kernel(model))


SORTS = {
    "number": lambda now, start: -np.arange(32),
    "norm": lambda now, start: size_of(now),
    "change": lambda now, start: size_of(now - start) / size_of(start),
}


@pytest.mark.parametrize("sort", SORTS)
def test_all_32_kernels_are_pictured_in_the_order_that_is_asked_for(trained, sort):
    model, explorer, start = trained
    explorer.select("conv", role="kernel", view="filters", sort=sort)
    names = run_code(explorer, model)
    order = list(names["places"])
    measure = SORTS[sort](kernel(model), start)
    assert sorted(order) == list(range(32))
    np.testing.assert_allclose(measure[order], np.sort(measure)[::-1], rtol=1e-5)
    np.testing.assert_array_equal(names["values"], kernel(model))
    rows = rows_of(explorer)
    assert [int(row["tile"]) for row in rows] == np.repeat(order, 9).tolist()
    flat = kernel(model).reshape(9, 32)[:, order].T
    np.testing.assert_allclose([float(row["value"]) for row in rows], flat.ravel(), rtol=1e-6)
    if sort != "number":
        largest, smallest = order[0], order[-1]
        assert f"largest filter {largest}" in caption_of(explorer)
        assert f"smallest filter {smallest}" in caption_of(explorer)


def test_alike_kernels_stand_side_by_side(trained):
    model, explorer, _ = trained
    explorer.select("conv", role="kernel", view="filters", sort="similarity")
    order = list(run_code(explorer, model)["places"])
    assert sorted(order) == list(range(32))
    directions = kernel(model).reshape(9, 32) / size_of(kernel(model))

    def apart(order):
        return np.linalg.norm(np.diff(directions[:, order], axis=1), axis=0).sum()

    assert apart(order) < 0.8 * apart(range(32))


def test_the_figure_has_every_kernel_and_the_caption_counts_what_changed(trained):
    model, explorer, start = trained
    explorer.select("conv", role="kernel", view="filters", sort="change")
    figure = explorer.figure()
    change = size_of(kernel(model) - start) / size_of(start)
    assert len(figure.axes[0].images) == 32
    words = {text.get_text() for text in figure.axes[0].texts}
    assert {str(number) for number in range(32)} <= words
    assert f"{100 * change.max():.3g} %" in words
    assert f"{int((change > 0.1).sum())} of 32 filters changed by more than 10 % of their norm" in caption_of(explorer)
    assert f"at most {100 * change.max():.3g} %" in caption_of(explorer)


def test_change_of_every_kernel_is_drawn_as_a_change(trained):
    model, explorer, start = trained
    explorer.select("conv", role="kernel", view="filters", sort="number", quantity="since_start")
    names = run_code(explorer, model)
    np.testing.assert_array_equal(names["values"], kernel(model) - start)
    explorer.select(quantity="value")
