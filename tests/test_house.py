"""The house stands in order: lint, types, import contracts, and the promises that are about imports."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("keras", "tensorflow", "ipywidgets", "anywidget", "bqplot", "matplotlib")


def run(*command):
    result = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    "command",
    [("ruff", "check"), ("ruff", "format", "--check"), ("pyright", "--pythonpath", sys.executable)],
    ids=lambda command: " ".join(command[:2]),
)
def test_lint_and_types(command):
    run(*command)


def test_import_contracts():
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    "module", ["views.registry", "views.scene", "recording.recorder", "catalog.nodes", "diagnosis.registry"]
)
def test_pure_parts_load_neither_keras_nor_widgets(module):
    code = f"import sys, weight_explorer.{module}; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_importing_the_package_does_no_work():
    code = f"import sys, weight_explorer; print([name for name in ({HEAVY} + ('numpy',)) if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_every_module_of_the_page_stands_alone():
    """An anywidget's module is sent as text, so it can import nothing beside it, and from nowhere else."""
    for module in (ROOT / "src").rglob("*.js"):
        text = module.read_text()
        assert "import " not in text.replace("import.meta", ""), module
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", ""), module  # the name of SVG is no place


def test_the_wheel_holds_the_scripts_and_styles(tmp_path):
    run("build", "--wheel", "--no-isolation", "--outdir", str(tmp_path))
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    assets = [path for suffix in ("js", "css") for path in (ROOT / "src").rglob(f"*.{suffix}")]
    assert assets
    assert not {path.relative_to(ROOT / "src").as_posix() for path in assets} - set(names)
    assert "weight_explorer/py.typed" in names
