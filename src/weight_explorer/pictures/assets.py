"""The page's script and style of each widget, as text."""

from pathlib import Path

BUNDLES = Path(__file__).parent.parent / "panel" / "web" / "dist"


def read_asset(name: str) -> str:
    """Return the text of a bundle, such as `tree.js` or `tree.css`.

    Given a path instead, anywidget has the file hold every widget that was ever made of it, to tell it of changes, so that
    none would be freed, nor the explorer and the model behind it.
    """
    return (BUNDLES / name).read_text("utf-8")
