"""Check that the paths in CONTRIBUTING.md and in the workflows exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "weight_explorer"

# `catalog/`, `tests/test_house.py`, `explorer.py`: a path from the root or from the package.
PATH = re.compile(r"`([\w.-]+(?:/[\w.-]*)+|[\w-]+\.(?:py|md))`")


@pytest.mark.parametrize("path", sorted(set(PATH.findall((ROOT / "CONTRIBUTING.md").read_text("utf-8")))))
def test_paths_in_contributing_exist(path):
    assert (ROOT / path).exists() or (PACKAGE / path).exists()


@pytest.mark.parametrize("file", [ROOT / "CONTRIBUTING.md", *ROOT.glob(".github/workflows/*.yml")], ids=lambda file: file.stem)
def test_test_paths_in_commands_exist(file):
    paths = re.findall(r"\btests/[\w./]*\w", file.read_text("utf-8"))
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_part_of_the_package_is_in_contributing():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    parts = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    assert parts
    assert [part for part in parts if f"| `{part}/` |" not in text] == []
