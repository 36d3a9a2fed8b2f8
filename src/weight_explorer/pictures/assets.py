"""Loads the bundled JavaScript and CSS of each widget as text."""

from pathlib import Path

BUNDLES = Path(__file__).parent.parent / "panel" / "web" / "dist"


def read_asset(name: str) -> str:
    """Return the contents of a bundle, such as `tree.js` or `tree.css`.

    The assets are passed as text, not as paths. With a path, anywidget keeps a reference to every widget created from the file
    to notify it of changes. The widgets, the explorer and the model would then never be freed.
    """
    return (BUNDLES / name).read_text("utf-8")
