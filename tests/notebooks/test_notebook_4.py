"""What `4_access_initialize_share.ipynb` says of where weights live, where they begin, and who else holds them."""

import pytest

from tests.lessons import take
from tests.notebooks import assert_stored_with_pictures

NAME = "4_access_initialize_share.ipynb"
CLAIMS = {
    "read": "[[eval(weight.expression, {'model': each}) is explorer.catalog.variables[key] "
    "for key, weight in explorer.catalog.weights.items()] "
    "for each in (stack, functional, subclassed) for explorer in [WeightExplorer(each)]]",
    "inner": "WeightExplorer(subclassed).catalog.weights['subclassed/block/dense/kernel'].expression",
    "largest": "float(np.abs(beginning.history.values('fresh/hidden/kernel')[0]).max())",
    "caption": "(beginning.select('hidden', role='kernel', view='initializer'), beginning.figure().texts[-1].get_text())[1]",
    "accuracy": "{name: each.history.records[-1].logs['accuracy'] for name, each in seen.items()}",
    "zeros": "[(finding.rule, [each.key for each in finding.locations]) for finding in seen['zeros'].findings]",
    "spread": "seen['he_normal'].history.values('deep/hidden_3/kernel').std(axis=(1, 2))[[0, -1]].tolist()",
    "kernels": "[weight.shape for weight in twin.catalog.weights.values() if weight.role == 'kernel']",
    "is_shared": "twin.catalog.nodes['pair/eye'].shared_axes",
    "kind": "twin.history.records[-1].kind",
}


@pytest.fixture(scope="module")
def lesson():
    return take(NAME, CLAIMS)


def test_every_line_of_python_reads_its_weight(lesson):
    assert [len(each) for each in lesson.claims["read"]] == [4, 6, 8]
    assert all(all(each) for each in lesson.claims["read"])
    assert lesson.claims["inner"] == 'model.get_layer("block").inner.kernel'


def test_glorot_reaches_a_quarter(lesson):
    assert 0.24 < lesson.claims["largest"] < 0.25


def test_the_initializer_decides_whether_five_layers_learn(lesson):
    accuracy = lesson.claims["accuracy"]
    assert max(accuracy[name] for name in ("zeros", "normal, 0.01", "normal, 1")) < 0.2
    assert accuracy["he_normal"] > accuracy["glorot_uniform"] > 0.6
    hidden, digit = lesson.claims["zeros"]
    assert hidden == ["not moving", [f"deep/hidden_{i}/kernel" for i in range(1, 6)]]
    assert digit == ["not moving", ["deep/digit/kernel"]]


def test_training_hardly_changes_how_the_weights_are_spread(lesson):
    start, end = lesson.claims["spread"]
    assert abs(start - 0.25) < 0.02
    assert abs(end - start) < 0.03


def test_a_layer_that_is_called_twice_has_one_kernel(lesson):
    assert lesson.claims["kernels"] == [[64, 16], [16, 1]]
    assert lesson.claims["is_shared"]
    assert lesson.claims["kind"] == "outside"


def test_the_solutions_run_and_are_right(lesson):
    orthogonal, tied = lesson.solutions
    assert "all four together: 1.0 to 1.0" in orthogonal
    assert float(orthogonal.split()[-1]) < 0.99
    assert tied.splitlines() == ["1040 parameters, and not 2064", "('tied/encoder', 'tied/decoder/encoder')"]


def test_it_is_stored_with_its_pictures():
    assert_stored_with_pictures(NAME, panels=4)
