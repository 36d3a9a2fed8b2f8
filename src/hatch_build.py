"""Compile `statistics.c` into the wheel if a C compiler is available.

The source file is `recording/statistics/statistics.c`. Without a compiler, the package works the same; recording uses NumPy.
"""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = "src/weight_explorer/recording/statistics/statistics.c"
LIBRARY = "src/weight_explorer/recording/statistics/statistics.so"
FLAGS = ("-O3", "-std=gnu11", "-fopenmp-simd", "-Wall", "-shared", "-fPIC", "-pthread", "-fvisibility=hidden")


class Compile(BuildHookInterface):
    """The build hook that hatchling calls before it builds a wheel, including for an editable installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Compile the library and set the platform tag of the wheel."""
        if self.target_name == "wheel" and self._compile(Path(self.root)):
            build_data["artifacts"].append(LIBRARY)
            build_data["pure_python"] = False
            # The library does not use the Python API, so any Python version works.
            build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"

    def _compile(self, root: Path) -> bool:
        compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            self.app.display_warning("There is no C compiler: recording will take NumPy, and longer.")
            return False
        made = f"{LIBRARY}.new"  # do not overwrite a library that is in use
        command = [*compiler.split(), *FLAGS, "-o", made, SOURCE, "-lm"]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        if done.returncode:
            self.app.display_warning(f"{' '.join(command)} failed, so recording will take NumPy.\n{done.stderr}")
            return False
        (root / made).replace(root / LIBRARY)
        return True
