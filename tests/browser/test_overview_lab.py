"""The overview in a real JupyterLab: rows lead to their weights while fit runs, and nothing jumps."""

from tests.browser.jupyter import Notebook, wait_for_epoch
from tests.browser.test_lab import SETUP, TRAIN, facts_of, open_lab
from tests.browser.test_modules import settle

WIDE = ".weight-explorer, .we-tree, .we-stage, .we-words, .we-axis"


def boxes(page):
    return page.evaluate(
        "selector => [...document.querySelectorAll(selector)].map(e => Object.values(e.getBoundingClientRect().toJSON()))", WIDE
    )


def select_the_model(page):
    page.get_by_role("treeitem").first.click()
    page.get_by_role("tab", name="Overview", selected=True).wait_for(timeout=20_000)
    page.locator(".we-words", has_text="Update ratio of 10 weights").wait_for(timeout=20_000)


def test_rows_lead_to_their_weights_while_fit_runs_and_nothing_jumps(page, tmp_path):
    with open_lab(page, tmp_path, [SETUP, TRAIN]) as server:
        notebook = Notebook(page, server, "demo.ipynb")
        notebook.run(0)
        page.get_by_role("tree", name="layers").wait_for()
        notebook.run(1, wait=False)
        wait_for_epoch(page, 2)

        select_the_model(page)
        before = boxes(page)
        page.get_by_role("combobox", name="show").select_option("norm")
        page.locator(".we-words", has_text="Norm (L2) of 10 weights").wait_for(timeout=20_000)
        assert boxes(page) == before
        page.get_by_role("combobox", name="colors").select_option("own")
        page.locator(".we-words", has_text="colored up to its own largest").wait_for(timeout=20_000)
        assert boxes(page) == before

        table = page.locator(".we-matrix-heat canvas")
        table.focus()
        for _ in range(7):
            page.keyboard.press("ArrowDown")
        page.locator(".we-matrix-heat .we-matrix-readout", has_text="hidden / kernel, record").wait_for(timeout=5000)
        page.keyboard.press("Enter")
        facts_of(page, "(40, 16) = (input_dim, units)")
        page.get_by_role("treeitem", name="hidden", selected=True).wait_for(timeout=20_000)
        page.get_by_role("tab", name="Kernel", selected=True).wait_for(timeout=20_000)
        page.get_by_role("button", name="Live", pressed=True).wait_for(timeout=20_000)
        assert boxes(page)[:2] == before[:2]

        select_again = page.get_by_role("treeitem").first
        select_again.click()
        page.get_by_role("tab", name="Overview", selected=True).wait_for(timeout=20_000)
        settle(page)
        box = table.bounding_box()
        table.click(position={"x": box["width"] / 2, "y": 36 + 9.5 * min((box["height"] - 40) / 10, 32)})
        facts_of(page, "(10,) = (units,)")
        page.get_by_role("treeitem", name="out", selected=True).wait_for(timeout=20_000)
        page.get_by_role("tab", name="Bias", selected=True).wait_for(timeout=20_000)
        assert notebook.is_running(1)

        page.get_by_role("treeitem", name="hidden").click()
        page.get_by_role("tab", name="Bias", selected=True).wait_for(timeout=20_000)
        notebook.interrupt(1)
        page.locator(".we-status-words", has_text="interrupted · epoch").wait_for(timeout=60_000)
        assert notebook.errors == []
