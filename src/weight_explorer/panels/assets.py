"""The modules and styles of the page, as text."""

from pathlib import Path

WIDGETS = Path(__file__).parent.parent / "panel" / "web" / "widgets"


def asset(name: str) -> str:
    """Return the text of a file of the page, such as `tree.js`.

    Given a path instead, anywidget has the file hold every widget that was ever made of it, to tell it of changes, so that
    none would be freed, nor the explorer and the model behind it.
    """
    return (WIDGETS / name).read_text("utf-8")
