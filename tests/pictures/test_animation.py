"""A film: every frame has one scale, says so, and one record that diverged does not leave the others blank."""

import re

import keras
import numpy as np
import pytest
from keras import layers

from weight_explorer import WeightExplorer
from weight_explorer.pictures import animation
from weight_explorer.pictures.figure import figure_png

LARGEST = [1.0, 1.25, 0.5, 4e8, 1.1]
DIVERGED = LARGEST.index(4e8)


def explorer_of(layer, shape):
    """Return an explorer of a layer whose kernel was recorded with these largest numbers."""
    model = keras.Sequential([keras.Input(shape), layer], name="m")
    pattern = np.random.default_rng(0).uniform(-1, 1, layer.kernel.shape)
    pattern /= np.abs(pattern).max()
    layer.kernel.assign(pattern * LARGEST[0])
    explorer = WeightExplorer(model, record_every=1)
    with explorer.training():
        for largest in LARGEST[1:]:
            layer.kernel.assign(pattern * largest)
            explorer.record()
    explorer.select(weight=f"{layer.name}/kernel")
    return explorer


@pytest.fixture(scope="module")
def dense():
    return explorer_of(layers.Dense(5, name="dense"), (6,))


@pytest.fixture(scope="module")
def convolution():
    return explorer_of(layers.Conv2D(4, 3, name="conv"), (8, 8, 2))


def frames(explorer, tmp_path, monkeypatch):
    """Return the figure of each frame of a film."""
    drawn = []
    monkeypatch.setattr(animation, "figure_png", lambda figure: (drawn.append(figure), figure_png(figure))[1])
    explorer.save_animation(tmp_path / "weights.gif")
    return drawn


def words_of(figure):
    return " ".join(text.get_text().replace("\n", " ") for text in figure.texts)


def test_caption_and_color_bar_of_a_matrix_have_the_one_scale_of_all_frames(dense, tmp_path, monkeypatch):
    dense.select(view="matrix")
    drawn = frames(dense, tmp_path, monkeypatch)
    assert len(drawn) >= len(LARGEST)
    for figure in drawn:
        assert figure.axes[0].images[0].get_clim() == (-1.25, 1.25)
        assert figure.axes[1].get_ylim() == (-1.25, 1.25)
        assert "Colors reach ±1.25, the same in every frame." in words_of(figure)


def test_one_diverged_record_is_marked_and_the_others_keep_their_colors(dense, tmp_path, monkeypatch):
    dense.select(view="matrix")
    marked = ["Marked: " in words_of(figure) for figure in frames(dense, tmp_path, monkeypatch)]
    assert np.flatnonzero(marked).tolist() == [DIVERGED]
    dense.select(step="live")
    assert "the same in every frame" not in words_of(dense.figure())


def test_matrices_that_are_compared_have_one_scale_in_all_frames(dense, tmp_path, monkeypatch):
    dense.select(view="compare", show="all")
    drawn = frames(dense, tmp_path, monkeypatch)
    for figure in drawn[1:]:  # the first has nothing to be compared with
        assert "Colors reach ±" in words_of(figure)
        assert "the same in every frame" in words_of(figure)
        images = [axes.images[0] for axes in figure.axes if axes.images]
        assert len({image.get_clim() for image in images}) == 1
        assert f"Colors reach ±{images[0].get_clim()[1]:.3g}," in words_of(figure)
        assert images[0].get_clim()[1] < 3
    assert "numbers here reach ±4e+08" in words_of(drawn[DIVERGED])


def test_filters_on_a_common_scale_have_that_of_all_frames(convolution, tmp_path, monkeypatch):
    convolution.select(view="filters", channels="one", colors="common")
    drawn = frames(convolution, tmp_path, monkeypatch)
    bars = [[label.get_text() for label in figure.axes[-1].get_yticklabels()] for figure in drawn]
    assert len({tuple(bar) for bar in bars}) == 1
    reach = float(bars[0][-1])
    assert 0 < reach <= 1.25
    assert all(f"Colors reach ±{reach:.3g}, the same in every frame" in words_of(figure) for figure in drawn)


def test_filters_that_have_a_scale_each_keep_it(convolution, tmp_path, monkeypatch):
    convolution.select(view="filters", channels="one", colors="own")
    assert not any("every frame" in words_of(figure) for figure in frames(convolution, tmp_path, monkeypatch))


def test_charts_have_the_axes_of_all_frames_and_say_what_lies_beyond(dense, tmp_path, monkeypatch):
    dense.select(view="distribution", form="histogram")
    drawn = frames(dense, tmp_path, monkeypatch)
    limits = {(figure.axes[0].get_xlim(), figure.axes[0].get_ylim()) for figure in drawn}
    assert len(limits) == 1
    assert max(np.abs(next(iter(limits))[0])) < 10
    assert np.flatnonzero([animation.BEYOND_TEXT in words_of(figure) for figure in drawn]).tolist() == [DIVERGED]


def test_numbers_that_are_all_zero_have_no_scale(tmp_path, monkeypatch):
    explorer = WeightExplorer(keras.Sequential([keras.Input((3,)), layers.Dense(2, name="dense")], name="m"))
    explorer.select(weight="dense/bias", view="matrix")
    (figure,) = frames(explorer, tmp_path, monkeypatch)
    assert re.search("No number but zero has a color", words_of(figure))
