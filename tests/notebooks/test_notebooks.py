"""The notebooks run from top to bottom, and what their text claims is so."""

import nbformat
import pytest

from tests.notebooks import NOTEBOOKS, execute, lines, printed

CLAIMS = """
import numpy as np
recorded = explorer.history.values("dense_reader/hidden/kernel")
print("still:", np.flatnonzero((recorded == recorded[0]).all(axis=(0, 2))))
print("empty:", np.flatnonzero((pixels == 0).all(axis=0)), np.flatnonzero((x_train == 0).all(axis=0)))
"""


@pytest.fixture(scope="module")
def quickstart():
    return execute("quickstart.ipynb", CLAIMS)


def test_the_quickstart_trains_both_models(quickstart):
    accuracies = [float(line.split()[-1]) for line in printed(quickstart).splitlines() if line.startswith("Right on")]
    assert len(accuracies) == 2
    assert min(accuracies) > 0.85


def test_rows_of_pixels_that_are_always_0_did_not_move_and_all_others_did(quickstart):
    (line,) = [line for line in printed(quickstart).splitlines() if line.startswith("weights that moved")]
    assert "0.0% of the rows of always-white pixels" in line
    assert lines(quickstart)["still"] == "[ 0 32 39]"
    assert lines(quickstart)["empty"] == "[ 0 32 39] [ 0 32 39]"
    assert 80 < float(line.split(":")[1].split("%")[0]) < 100


def test_both_panels_leave_a_picture_of_the_end_of_training(quickstart):
    bundles = [
        output.data for cell in quickstart.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert len(bundles) == 2
    assert all("finished" in bundle["text/plain"] and "finished" in bundle["text/html"] for bundle in bundles)


def test_no_error_of_ours_was_logged(quickstart):
    assert "Weight Explorer met a problem" not in printed(quickstart)


def test_the_quickstart_is_stored_clean():
    path = NOTEBOOKS / "quickstart.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size < 1_000_000
    assert not any(cell.get("outputs") for cell in notebook.cells)
