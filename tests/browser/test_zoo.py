"""A small zoo in a real JupyterLab: walked by keys while fit runs, saved from, and checked by axe-core, light and dark."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.jupyter import DARK, Notebook, wait_for_epoch
from tests.browser.test_lab import open_lab
from weight_explorer.views.registry import VIEWS

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
SETUP = """
import keras, numpy as np
from keras import layers
from weight_explorer import WeightExplorer

keras.utils.set_random_seed(5)
text, image = keras.Input((6,), dtype="int32", name="text"), keras.Input((10, 10, 3), name="image")
x = layers.Embedding(50, 16, name="words")(text)
x = layers.MultiHeadAttention(2, 8, name="attention")(x, x)
x = layers.LSTM(12, name="memory")(x)
y = layers.Conv2D(8, 3, name="conv")(image)
y = layers.BatchNormalization(name="norm")(y)
y = layers.GlobalAveragePooling2D(name="pool")(y)
model = keras.Model([text, image], layers.Dense(4, name="out")(layers.concatenate([x, y], name="both")), name="zoo")
model.compile("adam", "mse")
random = np.random.default_rng(1)
inputs, targets = [random.integers(0, 50, (400, 6)), random.random((400, 10, 10, 3))], random.random((400, 4))
explorer = WeightExplorer(model)
explorer
"""
TRAIN = "model.fit(inputs, targets, epochs=100_000, verbose=0, callbacks=[explorer.callback])"
# What the picture on screen is of, for one who listens to it: its first words are the path of a layer and the weight's name.
SPOKEN = """() => {
  const stage = document.querySelector('.we-stage');
  const shown = [...stage.children].find(panel => getComputedStyle(panel).visibility === 'visible');
  if (!shown) return ''; // while a kind of picture comes up for the first time
  return (shown.querySelector('canvas')?.getAttribute('aria-label') ?? shown.getAttribute('aria-label')
    ?? shown.querySelector('.we-unseen')?.textContent ?? shown.textContent).trim();
}"""
BOXES = """() => ['.weight-explorer', '.we-tree', '.we-roles', '.we-views', '.we-save', '.we-stage', '.we-numbers', '.we-words',
  '.we-axis'].map(name => { const {x, y, width, height} = document.querySelector(name).getBoundingClientRect();
    const top = document.querySelector('.weight-explorer').getBoundingClientRect().y;
    return [name, ...[x, y - top, width, height].map(Math.round)]; })"""


@pytest.fixture(params=["light", pytest.param("dark", marks=pytest.mark.long)])
def zoo(request, page, tmp_path):
    """The zoo on screen with fit running, and all that the page complained about."""
    complaints = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    with open_lab(page, tmp_path, [SETUP, TRAIN], settings=DARK if request.param == "dark" else None) as server:
        notebook = Notebook(page, server, "demo.ipynb")
        page.locator(f"body[data-jp-theme-light={'false' if request.param == 'dark' else 'true'}]").wait_for(state="attached")
        notebook.run(0)
        page.get_by_role("tree", name="layers").wait_for()
        notebook.run(1, wait=False)
        wait_for_epoch(page, 2)
        complaints.clear()  # JupyterLab's own, while it starts
        yield notebook, request.param, complaints
        notebook.interrupt(1)


def tree_paths(page):
    return page.evaluate("[...document.querySelectorAll('[role=treeitem]')].map(item => item.dataset.path)")


def wait_until_spoken_of(page, path):
    """Until the picture is of the layer, or of one below it; of a layer without weights it says so."""
    page.wait_for_function(
        f"path => {{ const words = ({SPOKEN})(); return words.startsWith(path + ' / ') || words.startsWith(path + '/')"
        " || words.startsWith(`${path.split('/').at(-1)} (`); }",
        arg=path,
        timeout=20_000,
    )


def serious(page):
    """What axe-core finds in the panel that keeps people out."""
    found = Axe().run(page, context=".weight-explorer").response["violations"]
    return [
        (violation["id"], node["html"][:160], node["failureSummary"])
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def test_the_zoo_is_walked_looked_at_and_saved_by_keys_while_fit_runs(zoo):
    """One notebook and one training for all of it: to start JupyterLab takes longer than any of the parts."""
    notebook, theme, complaints = zoo
    SCREENSHOTS.mkdir(exist_ok=True)
    walk(notebook.page, theme)
    reach_everything(notebook.page)
    save(notebook.page, theme)
    assert notebook.is_running(1)
    assert complaints == []
    assert notebook.errors == []


def walk(page, theme):
    """Go through all layers in all views: nothing jumps, and axe-core finds nothing serious."""
    paths = tree_paths(page)
    assert len(paths) > 12
    places, problems = set(), {}
    for view in VIEWS:
        page.get_by_role("treeitem", name="conv, Conv2D").click()
        wait_until_spoken_of(page, "zoo/conv")
        page.get_by_role("tab", name=VIEWS[view].label, exact=True).click()
        page.get_by_role("treeitem", name="conv, Conv2D").focus()
        page.keyboard.press("Home")
        for number, path in enumerate(paths):
            if number:
                page.keyboard.press("ArrowDown")
            assert page.evaluate("document.activeElement.dataset.path") == path
            wait_until_spoken_of(page, path)
            places.add(str(page.evaluate(BOXES)))
            if path.endswith("conv"):
                page.locator(".weight-explorer").screenshot(path=SCREENSHOTS / f"{view}_{theme}.png")
                problems[view] = serious(page)
    assert len(places) == 1, sorted(places)
    assert problems == {view: [] for view in VIEWS}


def show_matrix(page):
    """Show the matrix of the convolution, and wait until it is there."""
    page.get_by_role("treeitem", name="conv, Conv2D").click()
    page.get_by_role("tab", name="Matrix", exact=True).click()
    page.get_by_label(re.compile(r"^zoo/conv / kernel\. 9 rows")).locator("visible=true").wait_for()


def save(page, theme):
    """Save the picture in every format."""
    show_matrix(page)
    save = page.get_by_role("button", name="Save the picture")
    for suffix, words in [("png", "picture as PNG"), ("svg", "picture as SVG"), ("csv", "numbers as CSV")]:
        save.click()
        with page.expect_download() as download:
            page.get_by_role("button", name=words).click()
        assert re.fullmatch(rf"zoo_conv_kernel_matrix_epoch_\d+(_batch_\d+)?\.{suffix}", download.value.suggested_filename)
        assert download.value.path().stat().st_size > 500
    save.click()
    page.get_by_role("button", name="as code").press("Enter")
    code = page.get_by_role("region", name="code of this picture")
    code.wait_for()
    assert "values = explorer.history.values_at('conv/kernel', " in code.text_content()
    page.screenshot(path=SCREENSHOTS / f"code_{theme}.png")
    assert serious(page) == []
    page.keyboard.press("Escape")
    assert not code.is_visible()


def reach_everything(page):
    """Everything is reached by Tab, from top to bottom."""
    show_matrix(page)
    page.locator(".weight-explorer .we-tree input").focus()
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        inside = page.evaluate(
            """() => { const at = document.activeElement; if (!at.closest('.weight-explorer')) return null;
            return at.getAttribute('aria-label') || at.textContent.trim() || at.type; }"""
        )
        if inside is None:
            break
        reached.append(inside)
    assert reached[0].startswith("conv, Conv2D")
    order = ["Kernel", "Matrix", "Value", "Save the picture", "zoo/conv / kernel", "copy model"]
    places = [next((i for i, words in enumerate(reached) if words.startswith(name)), -1) for name in order]
    assert places == sorted(places), reached
    assert -1 not in places, reached
    assert any("record" in words for words in reached[places[-1] :]), reached
