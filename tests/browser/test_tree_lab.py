"""A real JupyterLab: after Run All and scrolling away and back, the trees still show their layers."""

import io
from pathlib import Path

import nbformat
import numpy as np
from matplotlib.image import imread

from tests.browser.jupyter import NOTEBOOK, Notebook, jupyterlab
from tests.browser.test_modules import settle

# Its first panel was blank every time, until the tree did without `content-visibility`; a shorter notebook does not show it.
LESSON = Path(__file__).parents[2] / "notebooks/5_freeze_and_custom_loops.ipynb"
NUM_CELLS, PANEL = 13, 5
SCROLL = f"(end) => {{ const node = {NOTEBOOK}.content.outerNode; node.scrollTop = end ? node.scrollHeight : 0; }}"


def write_lesson(path):
    notebook = nbformat.read(LESSON, 4)
    notebook.cells = notebook.cells[:NUM_CELLS]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, path)


def run_all(page):
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(
        f"{NOTEBOOK}.content.widgets.every(cell => cell.model.type !== 'code' || "
        "(cell.model.executionCount != null && !cell.promptNode.textContent.includes('*')))",
        timeout=180_000,
    )


def num_colors(locator):
    """Return how many colors there are below the first row, which has a ground of its own: two or three where it is blank."""
    image = imread(io.BytesIO(locator.screenshot()))[..., :3]
    return len(np.unique(image[40:].reshape(-1, 3), axis=0))


def test_a_tree_is_not_blank_after_run_all_and_scrolling_back(page, tmp_path):
    page.set_viewport_size({"width": 1366, "height": 768})
    folder, home = tmp_path / "work", tmp_path / "home"
    folder.mkdir()
    write_lesson(folder / "demo.ipynb")
    with jupyterlab(folder, home) as server:
        notebook = Notebook(page, server, "demo.ipynb")
        run_all(page)
        for end in (True, False):
            page.evaluate(SCROLL, end)
            settle(page)
        for cell in range(PANEL + 1):
            page.evaluate(f"cell => {NOTEBOOK}.content.scrollToItem(cell, 'start')", cell)
            settle(page)
        tree = page.locator(".we-tree-list").first
        tree.locator("[role=treeitem]", has_text="digit").wait_for(state="attached")
        settle(page)
        assert num_colors(tree) > 8
        assert notebook.errors == []
