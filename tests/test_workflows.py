"""Check the workflows of GitHub Actions with actionlint."""

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

WORKFLOWS = Path(__file__).parent.parent / ".github" / "workflows"


def tool(name):
    """Return the path of a program that the dev group installs."""
    path = shutil.which(name, path=sysconfig.get_path("scripts"))
    assert path is not None, f"{name} is missing: run the tests with `uv run --group dev pytest`"
    return path


@pytest.mark.parametrize("workflow", sorted(WORKFLOWS.glob("*.yml")), ids=lambda path: path.stem)
def test_workflow_has_no_errors(workflow):
    command = [tool("actionlint"), "-no-color", "-shellcheck", tool("shellcheck"), workflow]
    result = subprocess.run(command, cwd=WORKFLOWS, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_actionlint_finds_errors(tmp_path):
    workflow = tmp_path / "broken.yml"
    workflow.write_text("on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: 'echo $UNQUOTED ${{ nothing.here }}'}]}}\n")
    command = [tool("actionlint"), "-no-color", "-shellcheck", tool("shellcheck"), workflow]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert 'undefined variable "nothing"' in result.stdout
    assert "SC2086" in result.stdout
