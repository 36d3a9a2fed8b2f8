"""A browser for the tests: found, or installed, or its lack said loudly; never skipped in CI."""

import functools
import json
import os
import site
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.browser import chromium
from tests.browser.jupyter import FrontEnd

NO_BROWSER = (
    "NO BROWSER: neither Chromium nor Chrome was found, and Debian's could not be installed. "
    "The browser tests did not run. Install Chromium or Chrome and run them again."
)


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium_path():
    path = chromium.find() or (chromium.install() and chromium.find())
    if path:
        return path
    if os.environ.get("CI"):
        pytest.fail(NO_BROWSER, pytrace=False)
    pytest.skip(NO_BROWSER)


@pytest.fixture(scope="session")
def browser(chromium_path):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=chromium.ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1500, "height": 1000})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context.new_page()
    context.close()


def make_environment(folder, *requirements):
    """Make an environment with packages of its own, and return its Python."""
    python = folder / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, folder / "env"], check=True)
    subprocess.run([*uv, "pip", "install", "-q", "--python", python, *requirements], check=True)
    return python


def write_kernel(folder, name, python):
    """Write the kernelspec of a Python's kernel, and return where Jupyter is to look for it."""
    spec = folder / "jupyter/kernels" / name / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, "display_name": name, "language": "python"}))
    return folder / "jupyter"


@pytest.fixture(scope="session")
def other_front_end(tmp_path_factory):
    """Return what makes another front end in an environment of its own, and the kernelspec "here" of this environment."""

    @functools.cache
    def make(requirement, module, application, opens):
        folder = tmp_path_factory.mktemp(module)
        python = make_environment(folder, requirement)
        return FrontEnd(str(python), module, application, opens), write_kernel(folder, "here", sys.executable)

    return make


@pytest.fixture(scope="session")
def older_kernel(tmp_path_factory):
    """Return what makes a kernelspec of an older ipykernel, in an environment of its own, on top of this one's packages."""

    @functools.cache
    def make(version):
        folder = tmp_path_factory.mktemp("ipykernel")
        python = make_environment(folder, f"ipykernel=={version}.*")
        found = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        purelib = subprocess.run(found, capture_output=True, text=True, check=True).stdout.strip()
        lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
        (Path(purelib) / "below.pth").write_text("\n".join(lines))
        return write_kernel(folder, f"ipykernel-{version}", python)

    return make
