"""The modules and styles of the page, as text."""

from pathlib import Path

HERE = Path(__file__).parent


def asset(name: str) -> str:
    """Return the text of a file beside this one.

    Given a path instead, anywidget has the file hold every widget that was ever made of it, to tell it of changes, so that
    none would be freed, nor the explorer and the model behind it.
    """
    return (HERE / name).read_text("utf-8")
