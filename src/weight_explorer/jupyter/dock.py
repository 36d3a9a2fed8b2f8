"""A place for the panel beside the notebook, by the package `sidecar`, so that it stays in sight while cells below run."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import ipywidgets

from weight_explorer.catalog.lookup import unknown_name_message

# Where it can stay, and what sidecar calls that.
ANCHORS: Mapping[str, str] = MappingProxyType(
    {
        "right": "split-right",
        "left": "split-left",
        "above": "split-top",
        "below": "split-bottom",
        "tab": "tab-after",
        "sidebar": "right",
    }
)

SIDECAR_MISSING = (
    'docking needs the package sidecar, which is not installed: pip install "weight-explorer[dock]". '
    "Then restart the kernel and load the page of JupyterLab anew."
)


class Dock:
    """The one place beside the notebook that an explorer has."""

    def __init__(self) -> None:
        self._sidecar: ipywidgets.Output | None = None

    @property
    def is_open(self) -> bool:
        """Whether a place is open, as far as the kernel knows: the page does not tell when the user closes it."""
        return self._sidecar is not None

    def show(self, mime_bundle: Mapping[str, Any], title: str, position: str) -> None:
        """Open the place with this in it, given by its mime types; one that was open before is closed.

        Raises:
            ValueError: There is no such place.
            ImportError: The package sidecar is not installed.
        """
        if position not in ANCHORS:
            raise ValueError(unknown_name_message("place", position, ANCHORS))
        try:
            package = importlib.import_module("sidecar")
        except ImportError as error:
            raise ImportError(SIDECAR_MISSING) from error
        self.close()
        # It opens by itself once the page knows of it; displayed as well, it would be drawn a second time, out of sight.
        output = {"output_type": "display_data", "data": dict(mime_bundle), "metadata": {}}
        self._sidecar = package.Sidecar(title=title, anchor=ANCHORS[position], outputs=(output,))

    def close(self) -> None:
        """Take it away."""
        if self._sidecar is not None:
            self._sidecar.close()
            self._sidecar = None
