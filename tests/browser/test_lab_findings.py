"""Findings in a real JupyterLab: marks, bars and words appear while fit runs, and clicks are answered all the same."""

import json
import re

from tests.browser.jupyter import DARK, Notebook
from tests.browser.test_lab import open_lab

SETUP = """
import json
import keras, numpy as np
from keras import layers
from sklearn import datasets
from weight_explorer import WeightExplorer

keras.utils.set_random_seed(5)
pixels, names = datasets.load_digits(return_X_y=True)
inner = keras.Sequential([layers.Dense(16, "tanh", name="hidden")], name="inner")
stack = [keras.Input((64,)), inner, layers.Dense(8, "tanh", name="still", trainable=False), layers.Dense(10, name="out")]
model = keras.Sequential(stack, name="digits")
model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
explorer = WeightExplorer(model)
explorer
"""
TRAIN = "_ = model.fit(pixels / 16, names, epochs=100_000, verbose=0, callbacks=[explorer.callback])"
TRUTH = """
pace = explorer._session._scheduler
found = [f.text for f in explorer.findings if "digits/inner/hidden/kernel" in f.keys or "hidden/kernel" in f.key]
ratios = np.frombuffer(explorer._panel.tree.ratios, np.float32)
print(json.dumps([found, ratios.tolist(), pace._background_seconds, pace._clock() - pace._begin_time]))
"""
LENGTHS = """() => Object.fromEntries([...document.querySelectorAll('.we-tree-row')].map(row =>
    [row.dataset.path, row.querySelector('.we-tree-bar').dataset.length]))"""
# Where everything in the tree stands within it: the notebook scrolls by itself.
BOXES = """() => { const origin = document.querySelector('.we-tree').getBoundingClientRect();
    return [...document.querySelectorAll('.we-tree-row, .we-tree-row > *')].map(e => {
        const {x, y, width, height} = e.getBoundingClientRect();
        return [x - origin.x, y - origin.y, width, height].map(Math.round).join(); }); }"""


def test_marks_bars_and_words_appear_while_fit_runs(page, tmp_path):
    with open_lab(page, tmp_path, [SETUP, TRAIN, TRUTH], settings=DARK) as server:
        notebook = Notebook(page, server, "demo.ipynb")
        notebook.run(0)
        page.get_by_role("tree", name="layers").wait_for()
        assert set(page.evaluate(LENGTHS).values()) <= {"", None}
        before = page.evaluate(BOXES)

        notebook.run(1, wait=False)
        words = page.locator(".we-finding-first", has_text=re.compile(r"\b3 of 64 rows of the kernel of hidden did not"))
        words.wait_for(timeout=90_000)
        assert re.match(r"Note, as of record \d+: 3 of 64 rows", words.text_content())
        assert "inputs 0, 32 and 39" in words.text_content()
        assert notebook.is_running(1)
        assert page.evaluate(BOXES) == before  # bars and marks have come, and nothing has moved
        page.get_by_role("treeitem", name=re.compile("hidden.*has a note")).wait_for(timeout=20_000)
        assert page.get_by_role("treeitem", name=re.compile("inner.*has a note")).count() == 1
        page.wait_for_function(
            f"() => {{ const found = ({LENGTHS})(); return found['digits/inner/hidden'] > 0.1 && "
            "found['digits/still'] === '0.000' && found['digits/inner'] === found['digits/inner/hidden']; }"
        )
        page.get_by_role("treeitem", name="still").click()
        page.locator(".we-finding-first", has_text="still").wait_for(timeout=20_000)
        page.get_by_role("treeitem", name=re.compile("^hidden")).click()
        page.get_by_role("tab", name="Bias").click()
        page.locator(".we-facts", has_text="(16,) = (units,)").wait_for(timeout=20_000)
        assert "All 16 biases did move" in page.locator(".we-finding-first").text_content()
        seen = page.locator(".we-finding-first").text_content()
        page.wait_for_function("seen => document.querySelector('.we-finding-first').textContent !== seen", arg=seen)
        assert notebook.is_running(1)

        page.get_by_role("treeitem", name=re.compile("^hidden")).hover()
        title = page.locator("[data-path='digits/inner/hidden'] .we-tree-bar").get_attribute("title")
        assert re.match(r"update ratio [\d.e-]+ since record \d+: ", title)
        notebook.interrupt(1)
        page.locator(".we-status-words", has_text="interrupted · epoch").wait_for(timeout=60_000)
        page.locator(".we-finding-first", has_text=re.compile("^Note: 3 of 64 rows")).wait_for(timeout=20_000)
        notebook.run(2)
        found, ratios, spent, seconds = json.loads(notebook.printed(2))
        shown = page.evaluate(LENGTHS)
        assert page.locator(".we-finding-first").text_content() == f"Note: {found[0]}"
        assert len(shown) == len(ratios)
        assert spent / seconds < 0.03
        assert notebook.errors == []


FLOOD = """
import keras, numpy as np
from keras import layers
from weight_explorer import WeightExplorer

keras.utils.set_random_seed(5)
hidden = [layers.Dense(8, "relu", name=f"dense_{i}") for i in range(40)]
model = keras.Sequential([keras.Input((8,)), *hidden, layers.Dense(1, name="out")], name="deep")
model.compile(keras.optimizers.SGD(0.0), "mse")
random = np.random.default_rng(1)
x, y = random.random((512, 8)), random.random((512, 1))
explorer = WeightExplorer(model)
explorer
"""
TRAIN_DEEP = "_ = model.fit(x, y, epochs=100_000, verbose=0, callbacks=[explorer.callback])"


def test_one_cause_in_41_layers_is_one_finding_and_its_places_are_reached_while_fit_runs(page, tmp_path):
    with open_lab(page, tmp_path, [FLOOD, TRAIN_DEEP]) as server:
        notebook = Notebook(page, server, "demo.ipynb")
        notebook.run(0)
        page.get_by_role("tree", name="layers").wait_for()
        notebook.run(1, wait=False)
        page.get_by_role("button", name="All findings: 1 warning").click(timeout=90_000)
        page.get_by_role("button", name="show all 41").click()
        page.get_by_role("button", name="dense_20 / kernel").click()
        page.get_by_role("treeitem", name=re.compile("^dense_20"), selected=True).wait_for(timeout=20_000)
        page.locator(".we-finding-first", has_text=re.compile("dense_20 did not move.*Also in 40 other layers.")).wait_for(
            timeout=20_000
        )
        page.get_by_role("button", name="where else").click()
        page.get_by_role("button", name="dense_3 / kernel").click()
        page.get_by_role("treeitem", name=re.compile("^dense_3,"), selected=True).wait_for(timeout=20_000)
        page.locator(".we-finding-first", has_text="dense_3 did not move").wait_for(timeout=20_000)

        page.get_by_role("treeitem").first.click()
        page.get_by_role("region", name="all findings").get_by_role("button", name="dense_0 and 40 other layers").click()
        page.get_by_role("treeitem", name=re.compile("^dense_0"), selected=True).wait_for(timeout=20_000)
        assert notebook.is_running(1)
        notebook.interrupt(1)
        page.locator(".we-status-words", has_text="interrupted · epoch").wait_for(timeout=60_000)
        assert notebook.errors == []
