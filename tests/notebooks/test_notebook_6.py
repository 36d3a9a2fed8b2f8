"""What `6_live_monitor.ipynb` says of three trainings that go wrong, and of their cures."""

import re
from itertools import pairwise

import pytest

from tests.lessons import take
from tests.notebooks import assert_stored_with_pictures, printed

NAME = "6_live_monitor.ipynb"
# One step from the same start, a hundred million times as long: it moves every row that has a gradient.
SETUP = """
probe = tower("sigmoid", "glorot_uniform")
probe.compile(keras.optimizers.SGD(0.05 * 1e8), "sparse_categorical_crossentropy")
start = probe.get_layer("hidden_1").kernel.numpy()
probe.train_on_batch(pixels / 16, digits)
row_steps = (probe.get_layer("hidden_1").kernel.numpy() - start)[rows]
"""
CLAIMS = {
    "empty": "np.flatnonzero((pixels == 0).all(axis=0)).tolist()",
    "stuck_rows": "rows",
    "still_rows": "np.flatnonzero((lambda seen: (seen[-1] == seen[0]).all(axis=1))"
    "(stuck.history.values('tower/hidden_1/kernel'))).tolist()",
    "without_gradient": "[row for row, step in zip(rows, row_steps) if not step.any()]",
    "steps": "[float(step) for step in np.median(np.abs(row_steps), axis=1) / 1e8]",
    "spacing": "float(np.median(np.spacing(np.abs(start))))",
    "too_fast": "[(finding.rule, finding.layer, finding.record_number) for finding in too_fast.findings]",
    "gray": "int((too_fast.history.to_frame().query(\"key == 'guesser/hidden/kernel' and quantity == 'since_last'\")"
    ".moved[10:28] == 0).sum())",
    "calm": "[finding.severity for finding in calm.findings]",
    "dying": "[(finding.rule, finding.severity, list(finding.axis_entries[0].entries)) for finding in dying.findings]",
    "silent": "silent.tolist()",
    "still": "np.flatnonzero((np.diff(dying.history.values('classifier/hidden/kernel')[-2:], axis=0)[0] == 0).all(0)).tolist()",
    "alive": "[finding.severity for finding in alive.findings]",
    "stuck": "[(finding.rule, finding.layer) for finding in stuck.findings]",
    "moved": "[float(change[f'tower/hidden_{i}/kernel']) for i in range(1, 11)]",
    "flowing": "sorted({finding.severity for finding in flowing.findings})",
    "accuracy": "history.history['accuracy'][-1]",
}


@pytest.fixture(scope="module")
def lesson():
    return take(NAME, CLAIMS, SETUP)


def test_the_first_layer_to_break_is_hidden_and_the_updates_were_too_large_before(lesson):
    broken = {layer: step for rule, layer, step in lesson.claims["too_fast"] if rule == "not finite"}
    assert 25 < broken["guesser/hidden"] < broken["guesser/number"] < 40
    assert "exploding updates" in [rule for rule, *_ in lesson.claims["too_fast"]]
    assert lesson.claims["gray"] > 9
    assert set(lesson.claims["calm"]) == {"note"}


def test_the_dead_units_are_those_that_never_fire_and_no_longer_move(lesson):
    (dead,) = [
        entries for rule, severity, entries in lesson.claims["dying"] if (rule, severity) == ("units not moving", "warning")
    ]
    assert dead == lesson.claims["silent"] == lesson.claims["still"]
    assert 20 <= len(dead) <= 28
    (after,) = re.findall(r"units that are 0 for every picture: (\d+) of 32", printed(lesson.notebook))[1:]
    assert int(after) <= 3
    assert float(re.findall(r"accuracy: ([\d.]+)", printed(lesson.notebook))[0]) > 0.9
    assert set(lesson.claims["alive"]) == {"note"}


def test_each_layer_moves_about_four_times_less_than_the_next_until_float32_ends(lesson):
    moved = lesson.claims["moved"]
    ratios = [later / earlier for earlier, later in pairwise(moved[3:])]
    assert all(2.5 < ratio < 6 for ratio in ratios)
    assert ("vanishing updates", "tower/hidden_1") in map(tuple, lesson.claims["stuck"])
    assert ("below float resolution", "tower/hidden_1") in map(tuple, lesson.claims["stuck"])
    assert lesson.claims["flowing"] == ["note"]


def test_fourteen_rows_of_the_first_layer_stand_still_three_without_and_eleven_with_a_gradient_that_is_too_small(lesson):
    claims = lesson.claims
    assert len(claims["stuck_rows"]) == 14
    assert claims["stuck_rows"] == claims["still_rows"]
    assert claims["empty"] == claims["without_gradient"] == [0, 32, 39]
    assert max(claims["steps"]) < claims["spacing"] / 2


def test_with_relu_the_deep_network_learns(lesson):
    assert lesson.claims["accuracy"] > 0.9


def test_the_solutions_run_and_cure(lesson):
    clipped, normalized = lesson.solutions
    assert "nan" not in clipped
    assert "['rows not moving']" in clipped
    assert "vanishing" not in normalized
    assert float(normalized.split()[1]) > 0.9


def test_it_is_stored_with_its_pictures():
    assert_stored_with_pictures(NAME, panels=6)
