"""The house stands in order: lint, types, import contracts, and the promises that are about imports."""

import inspect
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from weight_explorer import WeightExplorer
from weight_explorer.catalog.schema import Axis, Catalog, LayerNode, Weight
from weight_explorer.pictures.assets import BUNDLES
from weight_explorer.recording.history import History
from weight_explorer.recording.statistics import native
from weight_explorer.training.background import BackgroundTraining

ROOT = Path(__file__).parent.parent
HEAVY = ("keras", "tensorflow", "ipywidgets", "anywidget", "bqplot", "matplotlib")


def run(*command):
    result = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def public(owner):
    """Yield the names and docstrings of what a class of ours offers."""
    ours = [each for each in owner.__mro__ if each.__module__.startswith("weight_explorer.")]
    for name, member in {name: member for each in reversed(ours) for name, member in vars(each).items()}.items():
        if not name.startswith("_") and (inspect.isroutine(member) or isinstance(member, property)):
            yield f"{owner.__name__}.{name}", inspect.getdoc(getattr(owner, name))


@pytest.mark.parametrize(
    "owner", [WeightExplorer, History, BackgroundTraining, Catalog, Weight, Axis, LayerNode], ids=lambda owner: owner.__name__
)
def test_all_that_is_public_is_explained(owner):
    assert inspect.getdoc(owner)
    assert [name for name, text in public(owner) if not text] == []


def test_all_that_an_explorer_offers_has_an_example_and_stands_in_its_table():
    own = dict(public(WeightExplorer))
    # One says that the explorer is no callback; ipywidgets calls the others.
    others = {"WeightExplorer.set_model", "WeightExplorer.open", "WeightExplorer.model_id"}
    assert {name for name, text in own.items() if ">>> " not in text} == others
    table = inspect.getdoc(WeightExplorer).split("Args:")[0]
    assert {name for name in own if f"`{name.partition('.')[2]}`" not in table} - others == {"WeightExplorer.close"}


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
    "module", ["views.registry", "views.state", "recording.recorder", "catalog.schema", "diagnosis.registry"]
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
    for module in BUNDLES.glob("*.js"):
        text = module.read_text("utf-8")
        assert not re.search(r"\bimport\b", text), module
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", ""), module  # the name of SVG is no place


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")
def test_what_was_built_with_a_compiler_uses_it():
    assert native.library is not None


def test_the_wheel_holds_the_bundles_and_not_what_they_are_built_from(tmp_path):
    run("build", "--wheel", "--no-isolation", "--outdir", str(tmp_path))
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    bundles = {path.relative_to(ROOT / "src").as_posix() for path in BUNDLES.iterdir()}
    assert bundles
    assert {name for name in names if "/panel/web/" in name} == bundles
    assert "weight_explorer/py.typed" in names
    assert ("weight_explorer/recording/statistics/statistics.so" in names) == (shutil.which("cc") is not None)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_what_is_built_works_in_an_empty_environment(kind, tmp_path):
    """It takes minutes, and room for TensorFlow where uv has it not yet."""
    run("build", "--no-isolation", f"--{kind}", "--outdir", str(tmp_path))
    (built,) = tmp_path.iterdir()
    python = tmp_path / "empty" / "bin" / "python"
    install = (["uv", "venv", "--python", sys.executable, "empty"], ["uv", "pip", "install", "--python", python, built])
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for command in (*install, [python, "-P", ROOT / "tests" / "smoke.py"]):
        result = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
    assert str(tmp_path) in result.stdout
