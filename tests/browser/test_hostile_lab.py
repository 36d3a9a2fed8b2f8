"""A real JupyterLab and a model whose names are code, markup or endless: all of it is shown as text, and nothing is run."""

from tests.browser.jupyter import Notebook
from tests.browser.test_lab import open_lab
from tests.catalog.test_hostile_names import NAMES

SETUP = f"""
import keras
from keras import layers
from weight_explorer import WeightExplorer

names = {NAMES!r}
model = keras.Sequential([keras.Input((4,)), *(layers.Dense(4, name=name) for name in names.values())], name="<b>model")
explorer = WeightExplorer(model, labels={{(name, "units"): list(names.values())[:4] for name in names.values()}})
for key in explorer.catalog.weights:
    explorer.assign(key, None, 0.5)
explorer
"""
WATCHED = """
window.ran = [];
for (const name of ["alert", "confirm", "prompt", "open"]) window[name] = (...given) => { window.ran.push([name, ...given]); };
"""
# Whether what the picture says of itself, which the kernel wrote, is of a name.
DESCRIBED = """
start => [...document.querySelectorAll(".weight-explorer canvas[aria-label]")].some(
  picture => picture.getAttribute("aria-label").includes(start)
)
"""


def test_no_name_is_run_or_breaks_the_panel(page, tmp_path):
    page.add_init_script(WATCHED)
    with open_lab(page, tmp_path, [SETUP]) as server:
        notebook = Notebook(page, server, "demo.ipynb")
        notebook.run(0)
        page.get_by_role("tree", name="layers").wait_for(timeout=60_000)
        panel, rows = page.locator(".weight-explorer"), page.get_by_role("treeitem")
        width = panel.bounding_box()["width"]
        assert rows.count() == 1 + len(NAMES)
        for number, name in enumerate(NAMES.values(), 1):
            rows.nth(number).click()
            page.locator('[role="treeitem"][aria-selected="true"]').and_(rows.nth(number)).wait_for()
            page.wait_for_function(DESCRIBED, arg=name.split()[0][:12])
            for tab in ("Units", "Matrix"):
                page.get_by_role("tab", name=tab, exact=True).click()
                page.get_by_role("tab", name=tab, exact=True, selected=True).wait_for()
            assert panel.bounding_box()["width"] == width
        rows.nth(0).click()
        assert page.evaluate("window.ran") == []
        assert panel.locator("script, .we-title b, img[onerror]").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert notebook.errors == []
