"""A real JupyterLab with sidecar: beside the notebook the panel follows fit, and answers clicks while the cell runs."""

import pytest

from tests.browser.jupyter import Notebook, jupyterlab, wait_for_epoch, write_notebook
from tests.browser.test_stop_lab import SETUP, TRAIN, status

pytest.importorskip("sidecar")


def test_the_docked_panel_is_live_and_answers_while_fit_runs(page, tmp_path):
    folder, home = tmp_path / "work", tmp_path / "home"
    folder.mkdir()
    write_notebook(folder / "demo.ipynb", [SETUP.removesuffix("explorer\n") + "explorer.dock()", TRAIN, "explorer.close()"])
    with jupyterlab(folder, home) as server:
        notebook = Notebook(page, server, "demo.ipynb")
        notebook.run(0)
        page.get_by_role("tree", name="layers").wait_for(timeout=60_000)
        panel, cells = page.locator(".weight-explorer").bounding_box(), page.locator(".jp-NotebookPanel").bounding_box()
        assert panel["x"] >= cells["x"] + cells["width"]  # beside the notebook, and nowhere else
        notebook.run(1, wait=False)
        wait_for_epoch(page, 2)
        page.get_by_role("treeitem", name="out").click()
        page.locator(".we-facts", has_text="(16, 4) = (input_dim, units)").wait_for(timeout=20_000)
        assert notebook.is_running(1)
        page.get_by_role("button", name="Stop the training when the batch has ended").click()
        status(page, "stopped · epoch")
        notebook.run(2)
        page.locator(".weight-explorer").wait_for(state="detached")
        assert notebook.errors == []
