"""Runs a notebook that teaches, asks its kernel about what the text claims, and runs the solutions of its exercises."""

import json
from dataclasses import dataclass

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from tests.notebooks import NOTEBOOKS, printed, solutions


@dataclass
class Lesson:
    """A notebook after it ran: `claims` are answers from its kernel, by name, and `solutions` what each exercise printed."""

    notebook: nbformat.NotebookNode
    claims: dict
    solutions: list[str]


def take(name, claims, setup=""):
    """Run a notebook; `claims` are expressions, evaluated at its end, after `setup` and before the solutions."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    asked = setup + "\nimport json\nprint(json.dumps({" + ", ".join(f"{key!r}: {text}" for key, text in claims.items()) + "}))"
    taught = len(notebook.cells)
    notebook.cells += [new_code_cell(code) for code in (asked, *solutions(notebook))]
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
    added = notebook.cells[taught:]
    del notebook.cells[taught:]
    answers, *solved = (printed(nbformat.v4.new_notebook(cells=[cell])) for cell in added)
    return Lesson(notebook, json.loads(answers.splitlines()[-1]), solved)
