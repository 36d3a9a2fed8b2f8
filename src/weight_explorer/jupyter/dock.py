"""Docks the panel beside the notebook with the package `sidecar`, so that it stays visible while cells below run."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import ipywidgets

from weight_explorer.catalog.lookup import unknown_name_message

# The positions of the panel, and the sidecar anchor for each.
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
    """The docked panel of an explorer, at most one at a time."""

    def __init__(self) -> None:
        self._sidecar: ipywidgets.Output | None = None

    @property
    def is_open(self) -> bool:
        """Whether the docked panel is open, as far as the kernel knows. The page does not report when the user closes it."""
        return self._sidecar is not None

    def show(self, mime_bundle: Mapping[str, Any], title: str, position: str) -> None:
        """Open a docked panel that shows a MIME bundle. Close the previous one, if any.

        Raises:
            ValueError: If the position is unknown.
            ImportError: If the package sidecar is not installed.
        """
        if position not in ANCHORS:
            raise ValueError(unknown_name_message("place", position, ANCHORS))
        try:
            package = importlib.import_module("sidecar")
        except ImportError as error:
            raise ImportError(SIDECAR_MISSING) from error
        self.close()
        # The sidecar opens as soon as the page receives it. Displaying it as well would draw it a second time, out of sight.
        output = {"output_type": "display_data", "data": dict(mime_bundle), "metadata": {}}
        self._sidecar = package.Sidecar(title=title, anchor=ANCHORS[position], outputs=(output,))

    def close(self) -> None:
        """Close the docked panel, if it is open."""
        if self._sidecar is not None:
            self._sidecar.close()
            self._sidecar = None
