"""Freezing a layer, a weight and a part of a matrix: what the notebook claims is so, and its exercises' solutions run."""

import pytest

from tests.notebooks import assert_stored_with_pictures, execute, lines, printed

NAME = "5_freeze_and_custom_loops.ipynb"

MORE = """
print("leaks:", {name: int(np.count_nonzero(change)) for name, change in leaks.items()})
still = gates.history.values("lines/lstm/lstm_cell/kernel")
print("gates that moved:", [bool((still[-1] != still[0])[:, i : i + 12].any()) for i in range(0, 48, 12)])
layer_at = explorer.history.values("reader/hidden/kernel")
print("frozen layer in any record:", np.count_nonzero(layer_at != layer_at[0]))
part_at = held.history.values("reader/hidden/kernel")[..., :8]
print("frozen part in any record:", np.count_nonzero(part_at != part_at[0]), "of", part_at[1:].size)

early = fresh_model()
early_kernel = early.get_layer("hidden").kernel
start = early_kernel.numpy()
step = make_step(early, keras.optimizers.Adam(0.01), masked=True)
for _, squares, answers in batches(epochs=1):
    step(squares, answers)
print("Adam masked from the first batch on:", moved(early_kernel[:, :8], start[:, :8]))
"""


@pytest.fixture(scope="module")
def notebook():
    return execute(NAME, MORE)


def test_it_is_stored_with_its_pictures():
    assert_stored_with_pictures(NAME, panels=2)


def test_a_layer_is_frozen_once_the_model_is_compiled_again(notebook):
    counts = [line.split(":")[1].strip() for line in printed(notebook).splitlines() if line.startswith("numbers that moved:")]
    assert counts == [str(61 * 24), "0"] == ["1464", "0"]
    assert "reader/hidden/kernel: 0 of 1\u202f536 frozen elements moved" in printed(notebook)
    assert "reader/hidden/bias: 0 of 24 frozen elements moved" in printed(notebook)
    assert lines(notebook)["frozen layer in any record"] == "0"


def test_one_weight_is_frozen_and_the_other_of_its_layer_moves(notebook):
    assert "['reader/hidden/kernel', 'reader/digit/kernel', 'reader/digit/bias']" in printed(notebook)
    assert "kernel moved: 1464  bias moved: 0" in printed(notebook)


def test_a_masked_gradient_holds_with_plain_gradient_descent_only(notebook):
    expected = {"SGD": 0, "SGD with momentum": 61 * 8, "Adam": 61 * 8, "AdamW": 64 * 8}
    assert lines(notebook)["leaks"] == str(expected)
    assert lines(notebook)["Adam masked from the first batch on"] == "0"


def test_the_part_that_is_frozen_held_in_every_record(notebook):
    said = lines(notebook)
    assert said["moved in columns 0 to 7"] == "0 of 512"
    assert said["moved in columns 8 to 23"] == "1024 of 1024"
    assert said["frozen part in any record"].startswith("0 of ")
    assert "reader/hidden/kernel: 0 of 512 frozen elements moved" in printed(notebook)


def test_a_constraint_written_by_hand_holds_too(notebook):
    assert f"held: 0  free: {61 * 16}" in printed(notebook)


def test_of_the_gates_only_the_forget_gate_stayed(notebook):
    assert lines(notebook)["gates that moved"] == "[True, False, True, True]"
    assert "lines/lstm/lstm_cell/kernel: 0 of 96 frozen elements moved" in printed(notebook)
