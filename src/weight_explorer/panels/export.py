"""Pictures as files: PNG, SVG and CSV, and a script that reads and pictures their numbers."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

from weight_explorer.panels.figure import figure_of, png_of
from weight_explorer.views.pictures import EmptyPicture
from weight_explorer.views.scene import Scene
from weight_explorer.views.table import csv_of

# Of a saved picture: as large on paper as 8 x 4.5 inches, for print.
DPI = 200


@dataclass(frozen=True, slots=True)
class Exported:
    """A file: its name, its type and its bytes."""

    name: str
    mime: str
    content: bytes


def export(scene: Scene, format: str, write_script: Callable[[], str]) -> Exported:  # noqa: A002 - as savefig calls it
    """Make a file of what is on screen.

    Args:
        scene: What is on screen.
        format: A key of `FORMATS`.
        write_script: Writes the script, for code.

    Raises:
        ValueError: Nothing is drawn.
    """
    if type(scene.picture) is EmptyPicture:
        raise ValueError(f"There is no picture to save. {scene.picture.caption}")
    suffix, mime, make = FORMATS[format]
    return Exported(f"{scene.file_name}.{suffix}", mime, make(scene, write_script))


def _png(scene: Scene, _: Callable[[], str]) -> bytes:
    return png_of(figure_of(scene.picture, scene.name), DPI)


def _svg(scene: Scene, _: Callable[[], str]) -> bytes:
    buffer = io.BytesIO()
    figure_of(scene.picture, scene.name).savefig(buffer, format="svg")
    return buffer.getvalue()


def _csv(scene: Scene, _: Callable[[], str]) -> bytes:
    return csv_of(scene.picture, scene.name).encode()


def _code(_: Scene, write_script: Callable[[], str]) -> bytes:
    return write_script().encode()


# For each format its suffix, its type, and who makes it.
FORMATS: dict[str, tuple[str, str, Callable[[Scene, Callable[[], str]], bytes]]] = {
    "png": ("png", "image/png", _png),
    "svg": ("svg", "image/svg+xml", _svg),
    "csv": ("csv", "text/csv;charset=utf-8", _csv),
    "code": ("py", "text/x-python;charset=utf-8", _code),
}
