"""Programs of many kinds: no alarm on a healthy one, the right one on a broken one, and the same weights to the last bit."""

import contextlib

import pytest

from tests.backends import needs_tape
from tests.training_programs import PROGRAMS
from tests.training_programs.claims import false_claims
from tests.training_programs.watch import Watch

# What Keras says of some that are broken.
pytestmark = [
    needs_tape,
    pytest.mark.filterwarnings("ignore:Gradients do not exist for variables:UserWarning"),
    pytest.mark.filterwarnings("ignore:The model does not have any trainable weights:UserWarning"),
]
BROKEN = [pytest.param(program, name, id=f"{program.name}: {name}") for program in PROGRAMS for name in program.breaks]


@pytest.fixture(scope="module", params=PROGRAMS, ids=lambda program: program.name)
def healthy(request):
    """A program, what it trained, and the explorers that watched."""
    with contextlib.closing(Watch()) as watch:
        yield request.param, request.param.run(watch), watch


def test_healthy_program_raises_no_alarm(healthy):
    program, trained, watch = healthy
    assert [explorer.callback.status.problem for explorer in watch.explorers.values()] == [""] * len(watch.explorers)
    if program.learns:
        assert trained.losses[-1] < program.learns * trained.losses[0]
    assert watch.alarms_between_fits == []
    assert [str(finding) for finding in watch.alarms] == []


def test_every_note_on_a_healthy_program_is_true(healthy):
    _, trained, watch = healthy
    assert [claim for explorer in watch.explorers.values() for claim in false_claims(explorer, trained)] == []


def test_program_trains_to_the_same_bits_without_an_explorer(healthy):
    program, trained, _ = healthy
    plain = program.run(Watch(is_on=False))
    assert len(plain.weights) == len(trained.weights)
    assert all(ours.tobytes() == theirs.tobytes() for ours, theirs in zip(trained.weights, plain.weights, strict=True))


@pytest.mark.parametrize(("program", "name"), BROKEN)
def test_broken_program_gets_the_right_finding(program, name):
    expected = program.breaks[name]
    with contextlib.closing(Watch()) as watch:
        program.run(watch, name)
        found = [each for each in watch.findings if (each.rule, each.severity) == (expected.rule, expected.severity)]
        keys = {key for finding in found for key in finding.keys}
        others = [str(each) for each in watch.alarms if each not in found]
    assert {end for end in expected.keys if not any(key.endswith(end) for key in keys)} == set()
    if expected.exactly:
        assert {key for key in keys if not key.endswith(tuple(expected.keys))} == set()
        assert others == []
