"""Run a notebook of the project from top to bottom, and read what came out of it."""

import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"
MOST_BYTES = 1_000_000


def execute(name, *more):
    """Run the cells of a notebook, its exercises' solutions after them, and then more code in the same kernel."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in (*solutions(notebook), *more)]
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
    return notebook


def solutions(notebook):
    """Return the code of the solutions that are folded away, in their order."""
    folded = [cell.source for cell in notebook.cells if cell.cell_type == "markdown" and "<details>" in cell.source]
    return [code for source in folded for code in re.findall(r"```python\n(.*?)```", source, re.DOTALL)]


def printed(notebook):
    return "".join(
        output.text for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type == "stream"
    )


def lines(notebook):
    """Return what was printed, as a dictionary: what stands before the first colon of a line, and what after it."""
    pairs = (line.split(":", 1) for line in printed(notebook).splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def assert_stored_with_pictures(name, panels):
    """A notebook that teaches reads well without a kernel: each panel has left a picture, and nothing else gets in the way."""
    path = NOTEBOOKS / name
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size < MOST_BYTES
    assert notebook.metadata.kernelspec == {"name": "python3", "display_name": "Python 3", "language": "python"}
    assert "widgets" not in notebook.metadata
    assert 12 <= len(notebook.cells) <= 25
    assert len(solutions(notebook)) == 2
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert all(output.get("name") != "stderr" for output in outputs)
    bundles = [output.get("data", {}) for output in outputs]
    assert sum("image/png" in data and "<img" in data.get("text/html", "") for data in bundles) == panels
    assert not re.search(r"/(home|root|tmp|work|Users)/", path.read_text())
