"""What is in a layer: what the notebook claims is so, and its exercises' solutions run."""

import pytest

from tests.notebooks import assert_stored_with_pictures, execute, lines, printed

NAME = "1_what_is_in_a_layer.ipynb"

MORE = """
still, ever = [0, 32, 39], explorer.history.values("reader/hidden/kernel")
print("shapes of narrow:", [array.shape for array in model.get_layer("narrow").get_weights()])
print("moved in section 2:", np.count_nonzero(kernel_at[-1] != kernel_at[0]))
print("moved in the three rows:", np.count_nonzero(ever[:, still] != ever[0, still]))
print("fit of the note:", [f.axis_entries[0].entries for f in explorer.findings if f.rule == "rows not moving"])
print("middle of the lines moves more:", np.abs(kernel_gentle)[3::8].mean() > 10 * np.abs(kernel_gentle)[7::8].mean())
print("rows:", far[56] > 0.2 * far[28], far_plain[56] < 0.02 * far_plain[28])
print("near zero:", changed[small].mean() > 0.2, changed[~small].mean() < 0.05)
"""

GENTLE = """
gentle_at = gentle.history.values("reader/hidden/kernel")
kernel_gentle = gentle_at[1:][np.abs(gentle_at[1:] - gentle_at[0]).max(axis=(1, 2)) < 1e-4][-1] - gentle_at[0]
"""


@pytest.fixture(scope="module")
def notebook():
    return execute(NAME, GENTLE, MORE)


def test_it_is_stored_with_its_pictures():
    assert_stored_with_pictures(NAME, panels=3)


def test_get_weights_returns_kernel_and_bias_and_no_bias_where_there_is_none(notebook):
    assert "hidden [(64, 32), (32,)]\nnarrow [(32, 16)]\ndigit [(16, 10), (10,)]" in printed(notebook)
    assert lines(notebook)["shapes of narrow"] == "[(32, 16)]"


def test_the_rows_of_pixels_that_are_always_zero_did_not_move_and_all_others_did(notebook):
    said = lines(notebook)
    assert said["pixels that are 0 in every picture"] == said["rows in which no number has moved"] == "[ 0 32 39]"
    assert said["moved in the three rows"] == "0"
    assert said["moved in section 2"] == str(61 * 32) == "1952"
    assert said["numbers of the bias that have moved"] == "32"
    assert said["fit of the note"] == "[(0, 32, 39)]"


def test_a_gentle_training_moves_what_print_does_not_show(notebook):
    said = lines(notebook)
    assert said["equal to four digits"] == "True"
    assert said["equal to the last bit"] == "False"
    assert float(said["largest change"]) < 2e-5
    assert 0.8 * 1952 < int(said["numbers that moved"].split()[0]) <= 1952
    assert said["middle of the lines moves more"] == "True"


def test_recording_by_hand_agrees_with_the_explorer_to_the_last_bit(notebook):
    said = lines(notebook)
    assert said["by hand"] == "(15, 64, 32)"
    assert int(said["explorer"].strip("()").split(",")[0]) > 15
    assert said["all found in the records"] == "True"


def test_adam_moves_the_row_of_a_rare_pixel_and_plain_gradient_descent_hardly(notebook):
    said = lines(notebook)
    assert said["pictures with ink on pixel 56"] == "1"
    assert said["rows"] == "True True"


def test_updates_below_the_spacing_of_float32_move_only_what_is_near_zero(notebook):
    assert lines(notebook)["near zero"] == "True True"
