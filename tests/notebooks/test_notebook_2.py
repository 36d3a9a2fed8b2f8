"""What `2_recurrent_weights.ipynb` says of the weights of an LSTM and a GRU."""

import pytest

from tests.lessons import take
from tests.notebooks import assert_stored_with_pictures

NAME = "2_recurrent_weights.ipynb"
CLAIMS = {
    "shapes": "[array.shape for array in model.get_layer('reader').get_weights()]",
    "gates": "[block.name for block in explorer.catalog.weights['zen/reader/forward_lstm/lstm_cell/kernel'].axes[1].blocks]",
    "first": "explorer.history.values('zen/reader/forward_lstm/lstm_cell/bias')[0].reshape(4, 20).tolist()",
    "biases": "explorer.history.values('zen/reader/forward_lstm/lstm_cell/bias')[-1].reshape(4, 20).mean(axis=1).tolist()",
    "still": "[vocabulary[i] for i in np.flatnonzero(still)]",
    "finding": "[vocabulary[i] for found in explorer.findings if found.rule == 'rows not moving' for place in"
    " found.at('zen/reader/forward_lstm/lstm_cell/kernel').places for i in place.entries]",
    "unseen": "sorted({word for line in lines[-3:] for word in line} - {word for line in lines[:-3] for word in line})",
    "strongest": "explorer.figure() and float(kernel[-1][vocabulary.index('temptation'), 41])",
    "beats": "float(kernel[-1][vocabulary.index('beats'), 41])",
    "norms": "np.linalg.norm(kernel[-1][:, 40:60], axis=0).argmax().item()",
    "files": "player.history.num_recorded",
    "same": "bool((last == kernel[-1]).all())",
    "gru": "[weight.shape for weight in gru.catalog.weights.values() if weight.trainable]",
    "apart": "np.abs(np.subtract(*gru_model.get_layer('reader').cell.bias.numpy())).reshape(3, 20).max(axis=1).tolist()",
}


@pytest.fixture(scope="module")
def lesson():
    return take(NAME, CLAIMS)


def test_80_is_4_times_20_in_the_order_of_keras(lesson):
    assert lesson.claims["shapes"] == [[86, 80], [20, 80], [80], [86, 80], [20, 80], [80]]
    assert lesson.claims["gates"] == ["input gate", "forget gate", "cell candidate", "output gate"]


def test_only_the_forget_gate_starts_at_1_and_rises(lesson):
    assert lesson.claims["first"] == [[0] * 20, [1] * 20, [0] * 20, [0] * 20]
    opens, forget, candidate, output = lesson.claims["biases"]
    assert forget > 1.1
    assert min(opens, output) > 0.1 > abs(candidate)


def test_the_rows_of_words_that_it_never_saw_did_not_move(lesson):
    assert lesson.claims["still"] == lesson.claims["unseen"] == lesson.claims["finding"]
    assert len(lesson.claims["still"]) == 17


def test_the_words_that_are_named_drive_the_unit_that_is_named(lesson):
    assert lesson.claims["norms"] == 1
    assert lesson.claims["strongest"] > 0.5
    assert lesson.claims["beats"] < -0.5


def test_the_checkpoints_are_the_epochs(lesson):
    assert lesson.claims["files"] == 30
    assert lesson.claims["same"]


def test_the_biases_of_a_gru_part_in_the_candidate_alone(lesson):
    assert [20, 60] in lesson.claims["gru"]
    assert [2, 60] in lesson.claims["gru"]
    update, reset, candidate = lesson.claims["apart"]
    assert max(update, reset) < 1e-5
    assert candidate > 1e-3


def test_the_solutions_run_and_are_right(lesson):
    count, word = lesson.solutions
    assert count.startswith("16200 16200")
    assert "pulls on unit" in word


def test_it_is_stored_with_its_pictures():
    assert_stored_with_pictures(NAME, panels=3)
