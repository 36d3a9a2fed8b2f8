"""Pictures as files: PNG, SVG and CSV, and a script that reads and pictures their numbers."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

from weight_explorer.panel.state import PanelState
from weight_explorer.pictures.data import EmptyPicture
from weight_explorer.pictures.figure import figure_png, make_figure
from weight_explorer.pictures.table import picture_csv

# Of a saved picture: as large on paper as 8 x 4.5 inches, for print.
EXPORT_DPI = 200


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file: its name, its type and its bytes."""

    name: str
    mime: str
    content: bytes


def export_picture(state: PanelState, format: str, write_script: Callable[[], str]) -> ExportedFile:  # noqa: A002 - as savefig calls it
    """Make a file of what is on screen.

    Args:
        state: What is on screen.
        format: A key of `FORMATS`.
        write_script: Writes the script, for code.

    Raises:
        ValueError: Nothing is drawn.
    """
    if type(state.picture) is EmptyPicture:
        raise ValueError(f"There is no picture to save. {state.picture.caption}")
    suffix, mime, make = FORMATS[format]
    return ExportedFile(f"{state.file_name}.{suffix}", mime, make(state, write_script))


def _png(state: PanelState, _: Callable[[], str]) -> bytes:
    return figure_png(make_figure(state.picture, state.name), EXPORT_DPI)


def _svg(state: PanelState, _: Callable[[], str]) -> bytes:
    buffer = io.BytesIO()
    make_figure(state.picture, state.name).savefig(buffer, format="svg")
    return buffer.getvalue()


def _csv(state: PanelState, _: Callable[[], str]) -> bytes:
    return picture_csv(state.picture, state.name).encode()


def _code(_: PanelState, write_script: Callable[[], str]) -> bytes:
    return write_script().encode()


# For each format its suffix, its type, and who makes it.
FORMATS: dict[str, tuple[str, str, Callable[[PanelState, Callable[[], str]], bytes]]] = {
    "png": ("png", "image/png", _png),
    "svg": ("svg", "image/svg+xml", _svg),
    "csv": ("csv", "text/csv;charset=utf-8", _csv),
    "code": ("py", "text/x-python;charset=utf-8", _code),
}
