"""Real front ends: other versions, two views of one panel, pages loaded anew, ways of drawing cells, and no trust."""

import pytest

from tests.browser.jupyter import Notebook, jupyterlab, wait_for_epoch, write_notebook
from tests.browser.test_stop_lab import SETUP, TRAIN, status

FACTS = "(8, 16) = (input_dim, units)"
OTHERS = {
    "JupyterLab 4.5": ("jupyterlab==4.5.*", "jupyterlab", "LabApp", "lab/tree"),
    "Notebook 7": ("notebook==7.*", "notebook", "JupyterNotebookApp", "notebooks"),
}
WINDOWING = "notebook-extension/tracker"


@pytest.fixture
def opened(page, tmp_path):
    """Return what writes a notebook of cells and opens it."""
    servers = []

    def open_notebook(cells, *, kernel="python3", **options):
        folder, home = tmp_path / "work", tmp_path / "home"
        folder.mkdir()
        write_notebook(folder / "demo.ipynb", cells, kernel)
        server = jupyterlab(folder, home, **options)
        servers.append(server)
        return Notebook(page, server.__enter__(), "demo.ipynb")

    yield open_notebook
    for server in servers:
        server.__exit__(None, None, None)


def choose(panel, layer, facts):
    panel.get_by_role("treeitem", name=layer).click()
    panel.locator(".we-facts", has_text=facts).wait_for(timeout=20_000)


def answers_during_fit(notebook, train=1):
    """Train in a cell, click meanwhile, and stop it by the panel."""
    page = notebook.page
    notebook.run(train, wait=False)
    wait_for_epoch(page, 2)
    panel = page.locator(".weight-explorer").first
    choose(panel, "out", "(16, 4) = (input_dim, units)")
    choose(panel, "hidden", FACTS)
    assert notebook.is_running(train)
    page.get_by_role("button", name="Stop the training when the batch has ended").first.click()
    status(page, "stopped · epoch")


@pytest.mark.long
@pytest.mark.parametrize("name", OTHERS)
def test_another_front_end_shows_the_panel_and_answers_during_fit(name, opened, other_front_end):
    front_end, kernels = other_front_end(*OTHERS[name])
    notebook = opened([SETUP, TRAIN], kernel="here", kernels=kernels, front_end=front_end)
    notebook.errors.clear()  # Notebook 7.6 has one of its own whenever a notebook is opened, an empty one as well
    notebook.run(0)
    notebook.page.get_by_role("tree", name="layers").wait_for(timeout=60_000)
    answers_during_fit(notebook)
    assert notebook.errors == []


@pytest.mark.long
@pytest.mark.parametrize("mode", ["full", "defer", "contentVisibility", "none"])
def test_the_panel_answers_in_every_way_that_cells_are_drawn(mode, opened):
    notebook = opened([SETUP, TRAIN], settings={WINDOWING: {"windowingMode": mode}})
    notebook.run(0)
    notebook.page.get_by_role("tree", name="layers").wait_for(timeout=60_000)
    answers_during_fit(notebook)
    assert notebook.errors == []


@pytest.mark.long
def test_without_subshells_the_panel_follows_and_says_that_a_click_waits(opened):
    settings = {"apputils-extension/kernels-settings": {"commsOverSubshells": "disabled"}}
    notebook = opened([SETUP, TRAIN.replace("100_000", "60")], settings=settings)
    page = notebook.page
    notebook.run(0)
    page.get_by_role("tree", name="layers").wait_for(timeout=60_000)
    notebook.run(1, wait=False)
    wait_for_epoch(page, 2)
    page.get_by_role("treeitem", name="out").click()
    page.locator(".we-status-waiting", has_text="kernel busy, will answer when it is free").wait_for(timeout=20_000)
    status(page, "finished · epoch 60 of 60")
    page.locator(".we-facts", has_text="(16, 4) = (input_dim, units)").wait_for(timeout=20_000)
    assert page.locator(".we-status-waiting").text_content() == ""
    assert notebook.errors == []


def test_two_views_of_one_explorer_show_the_same_and_a_page_loaded_anew_shows_it_again(opened):
    notebook = opened([SETUP, "explorer", TRAIN])
    page = notebook.page
    notebook.run(0)
    page.get_by_role("tree", name="layers").first.wait_for(timeout=60_000)
    notebook.run(1)
    page.get_by_role("tree", name="layers").nth(1).wait_for(timeout=60_000)
    panels = page.locator(".weight-explorer")
    assert panels.count() == 2
    choose(panels.nth(1), "out", "(16, 4) = (input_dim, units)")
    panels.nth(0).locator(".we-facts", has_text="(16, 4) = (input_dim, units)").wait_for(timeout=20_000)
    choose(panels.nth(0), "hidden", FACTS)
    panels.nth(1).locator(".we-facts", has_text=FACTS).wait_for(timeout=20_000)
    assert notebook.errors == []

    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    page.reload()
    page.get_by_role("tree", name="layers").nth(1).wait_for(timeout=60_000)
    choose(panels.nth(0), "out", "(16, 4) = (input_dim, units)")
    assert notebook.errors == []


@pytest.mark.long
def test_a_page_that_is_loaded_anew_during_fit_shows_the_panel_when_the_cell_has_ended(opened):
    notebook = opened([SETUP, TRAIN.replace("100_000", "200")])
    page = notebook.page
    notebook.run(0)
    page.get_by_role("tree", name="layers").wait_for(timeout=60_000)
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    notebook.run(1, wait=False)
    wait_for_epoch(page, 2)
    page.reload()
    page.locator(".we-status-words", has_text="finished · epoch 200 of 200").wait_for(timeout=300_000)
    choose(page.locator(".weight-explorer"), "out", "(16, 4) = (input_dim, units)")
    assert notebook.errors == []


@pytest.mark.long
def test_a_notebook_that_is_not_trusted_shows_the_picture_and_no_error(opened, page, tmp_path):
    notebook = opened([SETUP])
    notebook.run(0)
    page.get_by_role("tree", name="layers").wait_for(timeout=60_000)
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    path = tmp_path / "work/demo.ipynb"
    page.wait_for_function("!document.querySelector('.jp-mod-dirty')")
    (tmp_path / "work/other.ipynb").write_text(path.read_text().replace("small", "other"))
    page.goto(notebook.server.url("other.ipynb") + "&reset")  # else the other notebook may be opened beside it
    page.locator(".jp-OutputArea img").first.wait_for(timeout=60_000)
    assert page.locator(".weight-explorer").count() == 0
    assert page.locator(".jp-OutputArea", has_text="WeightExplorer of").count() > 0
    assert notebook.errors == []
