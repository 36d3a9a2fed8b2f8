"""A real JupyterLab that sends nothing to subshells, as VS Code does: while fit runs, the page answers clicks by itself."""

import pytest

from tests.browser.jupyter import DARK, Notebook, wait_for_epoch
from tests.browser.test_lab import SETUP, TRAIN, facts_of, open_lab

WITHOUT_SUBSHELLS = {"apputils-extension/kernels-settings": {"commsOverSubshells": "disabled"}}


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_while_the_kernel_is_busy_the_page_draws_what_was_clicked_and_the_kernel_takes_over(theme, page, tmp_path):
    settings = WITHOUT_SUBSHELLS | (DARK if theme == "dark" else {})
    with open_lab(page, tmp_path, [SETUP, TRAIN], settings=settings) as server:
        notebook = Notebook(page, server, "demo.ipynb")
        notebook.run(0)
        page.get_by_role("tree", name="layers").wait_for()
        facts_of(page, "(8, 80) = (input_dim, 4 gates x 20 units)")
        notebook.run(1, wait=False)
        page.locator(".we-status-words", has_text="clicks are answered when the cell ends").wait_for(timeout=60_000)
        wait_for_epoch(page, 3)

        page.get_by_role("treeitem", name="hidden").click()
        sketches = page.locator(".we-sketches")
        sketches.get_by_text("zoo/hidden / kernel").wait_for(timeout=5000)
        assert "(40, 16) = (input_dim, units)" in sketches.text_content()
        assert "The kernel is busy" in sketches.get_by_role("status").text_content()
        sketches.locator("canvas").hover(position={"x": 200, "y": 100})
        sketches.locator(".we-matrix-readout", has_text="about").wait_for(timeout=5000)
        assert page.evaluate("document.querySelector('.we-stage').inert")  # what lies below cannot be reached
        sketches.get_by_role("button", name="Bias").click()
        sketches.get_by_text("zoo/hidden / bias").wait_for(timeout=5000)
        page.get_by_role("treeitem", name="reader").first.click()
        sketches.get_by_text("lstm / bias").first.wait_for(timeout=5000)
        sketches.get_by_role("combobox", name="weight of the small picture").select_option(label="backward")
        sketches.get_by_text("backward_lstm / bias").wait_for(timeout=5000)
        sketches.get_by_role("button", name="Kernel", exact=True).click()
        sketches.get_by_text("forward_lstm / kernel").wait_for(timeout=5000)
        sketches.locator("canvas").hover(position={"x": 200, "y": 100})
        sketches.locator(".we-matrix-readout", has_text="units 2").wait_for(timeout=5000)
        # Folding needs no kernel either.
        page.get_by_role("treeitem", name="reader").first.press("ArrowLeft")
        page.get_by_role("treeitem", name="reader", expanded=False).wait_for(timeout=5000)
        assert notebook.is_running(1)

        notebook.interrupt(1)
        page.locator(".we-status-words", has_text="interrupted · epoch").wait_for(timeout=60_000)
        facts_of(page, "(8, 80) = (input_dim, 4 gates x 20 units)")
        sketches.wait_for(state="hidden", timeout=20_000)
        assert not page.evaluate("document.querySelector('.we-stage').inert")
        page.get_by_role("tab", name="Kernel", exact=True, selected=True).wait_for(timeout=20_000)
        assert notebook.errors == []
