"""What `6_live_monitor.ipynb` says of three trainings that go wrong, and of their cures."""

import re
from itertools import pairwise

import pytest

from tests.lessons import take
from tests.notebooks import assert_stored_with_pictures, printed

NAME = "6_live_monitor.ipynb"
CLAIMS = {
    "too_fast": "[(finding.rule, finding.layer, finding.step) for finding in too_fast.findings]",
    "gray": "int((too_fast.history.to_frame().query(\"key == 'guesser/hidden/kernel' and quantity == 'since_last'\")"
    ".moved[10:28] == 0).sum())",
    "calm": "[finding.severity for finding in calm.findings]",
    "dying": "[(finding.rule, finding.severity, list(finding.places[0].entries)) for finding in dying.findings]",
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
    return take(NAME, CLAIMS)


def test_the_first_layer_to_break_is_hidden_and_the_updates_were_too_large_before(lesson):
    broken = {layer: step for rule, layer, step in lesson.claims["too_fast"] if rule == "not finite"}
    assert 25 < broken["guesser/hidden"] < broken["guesser/number"] < 40
    assert "exploding updates" in [rule for rule, *_ in lesson.claims["too_fast"]]
    assert lesson.claims["gray"] > 9
    assert set(lesson.claims["calm"]) == {"note"}


def test_the_dead_units_are_those_that_never_fire_and_no_longer_move(lesson):
    (dead,) = [entries for rule, severity, entries in lesson.claims["dying"] if (rule, severity) == ("dead units", "warning")]
    assert dead == lesson.claims["silent"] == lesson.claims["still"]
    assert 20 <= len(dead) <= 28
    (after,) = re.findall(r"units that are 0 for every picture: (\d+) of 32", printed(lesson.notebook))[1:]
    assert int(after) <= 3
    assert set(lesson.claims["alive"]) == {"note"}


def test_each_layer_moves_about_four_times_less_than_the_next_until_float32_ends(lesson):
    moved = lesson.claims["moved"]
    ratios = [later / earlier for earlier, later in pairwise(moved[3:])]
    assert all(2.5 < ratio < 6 for ratio in ratios)
    assert ("vanishing updates", "tower/hidden_1") in map(tuple, lesson.claims["stuck"])
    assert ("below float resolution", "tower/hidden_1") in map(tuple, lesson.claims["stuck"])
    assert lesson.claims["flowing"] == ["note"]
    assert lesson.claims["accuracy"] > 0.9


def test_the_solutions_run_and_cure(lesson):
    clipped, normalized = lesson.solutions
    assert "nan" not in clipped
    assert "['zero input']" in clipped
    assert "vanishing" not in normalized
    assert float(normalized.split()[1]) > 0.9


def test_it_is_stored_with_its_pictures():
    assert_stored_with_pictures(NAME, panels=6)
