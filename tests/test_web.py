"""The page's scripts: their types, lint, and that the bundles in the package are those of the sources."""

import os
import re

import pytest

from tests import web

NO_TOOLS = "NO NODE PACKAGES: npm could not install the tools that check and bundle the page's scripts.\n"


@pytest.fixture(scope="module", autouse=True)
def _tools():
    problem = web.install()
    if not problem:
        return
    if os.environ.get("CI"):
        pytest.fail(NO_TOOLS + problem, pytrace=False)
    pytest.skip(NO_TOOLS + problem)


@pytest.mark.parametrize("script", ["types", "lint"])
def test_page_scripts_pass(script):
    result = web.run(script)
    assert result.returncode == 0, result.stdout + result.stderr


def test_bundles_are_built_from_the_sources(tmp_path):
    """After a change in `panel/web`, `python -m tests.web build` builds them again."""
    result = web.run("build", f"--outdir={tmp_path}")
    assert result.returncode == 0, result.stdout + result.stderr
    built, committed = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in (tmp_path, web.WEB / "dist"))
    assert sorted(built) == sorted(committed)
    assert [name for name in built if built[name] != committed[name]] == []


def test_every_widget_has_a_script_and_a_style():
    widgets = {path.stem for path in (web.WEB / "widgets").glob("*.js")}
    bundles = {path.name for path in (web.WEB / "dist").iterdir()}
    assert bundles == {f"{name}.{suffix}" for name in widgets for suffix in ("js", "css")}


def test_node_packages_come_from_the_public_registry():
    assert set(re.findall(r'"resolved": "\w+://([^/"]+)', web.LOCK.read_text("utf-8"))) <= {"registry.npmjs.org"}
