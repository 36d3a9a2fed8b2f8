"""Compiles `recording/statistics/statistics.c` into the wheel, where there is a C compiler.

Without it the package is whole all the same.
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
    """What hatchling calls before it builds; an editable installation is a wheel to it as well."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - how it is called
        """Compile, and tell hatchling for which machines the wheel is."""
        if self.target_name == "wheel" and self._compile(Path(self.root)):
            build_data["artifacts"].append(LIBRARY)
            build_data["pure_python"] = False
            # It knows nothing of Python: any version will do.
            build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"

    def _compile(self, root: Path) -> bool:
        compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            self.app.display_warning("There is no C compiler: recording will take NumPy, and longer.")
            return False
        made = f"{LIBRARY}.new"  # what is in use must not be written over
        command = [*compiler.split(), *FLAGS, "-o", made, SOURCE, "-lm"]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        if done.returncode:
            self.app.display_warning(f"{' '.join(command)} failed, so recording will take NumPy.\n{done.stderr}")
            return False
        (root / made).replace(root / LIBRARY)
        return True
