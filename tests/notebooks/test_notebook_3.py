"""What the filters of a convolution look for: what the notebook claims is so, and its exercises' solutions run."""

import pytest

from tests.notebooks import assert_stored_with_pictures, execute, lines, printed

NAME = "3_convolution_filters.ipynb"

MORE = """
before, after = color_share(kernel_at[0]), color_share(kernel_at[-1])
pull = model.get_layer("combine").kernel.numpy().mean(axis=(0, 1))[:, 0]  # of each filter of look on filter 0
change = np.linalg.norm((kernel_at[-1] - kernel_at[0]).reshape(-1, 16), axis=0)
print("alike before:", 0.5 < before.min() < before.max() < 0.8)
print("gray after:", np.count_nonzero(after < 0.5))
print("colorful after:", np.count_nonzero(after > 0.8))
print("changed by more than 10 %:", np.count_nonzero(change > 0.1 * np.linalg.norm(kernel_at[0].reshape(-1, 16), axis=0)))
print("filter 0 adds texture and takes color away:", pull[after < 0.3].min() > 0, pull[after > 0.8].max() < 0)
print("differences:", np.abs(said_now - said).max() < 0.05, np.abs(said_later - said).max() > 0.2)
print("works with both:", *(accuracies[name] < accuracies["as they are"] - 0.05 for name in ("gray", "blurred")))
print("color matters more:", accuracies["gray"] < accuracies["blurred"])
"""


@pytest.fixture(scope="module")
def notebook():
    return execute(NAME, MORE)


def test_it_is_stored_with_its_pictures():
    assert_stored_with_pictures(NAME, panels=4)


def test_the_filters_are_the_last_axis(notebook):
    said = printed(notebook)
    assert "kernel[0]        (7, 3, 16)" in said
    assert "kernel[..., 0]   (7, 7, 3)" in said


def test_the_network_tells_the_photographs_apart(notebook):
    assert int(lines(notebook)["right on 1000 squares cut anew"].rstrip("%")) > 75


def test_training_makes_gray_filters_and_colorful_ones_of_filters_that_were_alike(notebook):
    said = lines(notebook)
    assert said["alike before"] == "True"
    assert int(said["gray after"]) >= 5
    assert int(said["colorful after"]) >= 5
    assert said["changed by more than 10 %"] == "16"


def test_a_filter_of_the_second_convolution_adds_texture_and_takes_color_away(notebook):
    assert lines(notebook)["filter 0 adds texture and takes color away"] == "True True"


def test_batch_normalization_trains_two_of_its_four_arrays(notebook):
    said = printed(notebook)
    assert "gamma            (16,)  trainable: True\nbeta             (16,)  trainable: True" in said
    assert "moving_mean      (16,)  trainable: False\nmoving_variance  (16,)  trainable: False" in said


def test_the_norm_of_a_filter_does_not_matter_in_training_and_does_until_the_averages_catch_up(notebook):
    assert lines(notebook)["differences"] == "True True"


def test_the_network_uses_color_and_texture(notebook):
    said = lines(notebook)
    assert said["works with both"] == "True True"
    assert said["color matters more"] == "True"
