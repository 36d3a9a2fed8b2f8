"""A real JupyterLab: the panel is displayed, fit runs in the next cell, and clicks are answered before the cell ends."""

import base64
import io
import json
from fnmatch import fnmatch

import numpy as np
import pytest
from matplotlib.image import imread

from tests.browser.jupyter import DARK, Notebook, jupyterlab, wait_for_epoch, write_notebook

SETUP = """
import json
import keras, numpy as np
from keras import layers
from weight_explorer import WeightExplorer

keras.utils.set_random_seed(5)
model = keras.Sequential([
    keras.Input((6, 8)),
    layers.Bidirectional(layers.LSTM(20, name="lstm"), name="reader"),
    layers.Dense(16, activation="relu", name="hidden"),
    layers.Dense(10, name="out", trainable=False),
], name="zoo")
model.compile("adam", "mse")
random = np.random.default_rng(1)
x, y = random.random((2000, 6, 8)), random.random((2000, 10))
explorer = WeightExplorer(model)
explorer
"""
TRAIN = """
model.fit(x, y, epochs=100_000, verbose=0, callbacks=[explorer.callback])
"""
# What is on screen, against NumPy on the values that were recorded for it.
REPORT = """
values = np.asarray(explorer.history.values_at(explorer._panel.weights.selected, {number}), np.float64)
print(json.dumps([values.min(), values.mean(), values.std(), values.max(), float(np.sqrt((values ** 2).sum()))]))
"""
NOW = """
values = np.asarray(model.get_layer("reader").backward_layer.cell.bias.numpy(), np.float64)
print(json.dumps([values.min(), values.mean(), values.std(), values.max(), float(np.sqrt((values ** 2).sum()))]))
"""
SHORT = "_ = model.fit(x, y, epochs=2, verbose=0, callbacks=[explorer.callback])"


def open_lab(page, tmp_path, cells, *, kernel="python3", kernels=None, settings=None):
    folder, home = tmp_path / "work", tmp_path / "home"
    folder.mkdir()
    write_notebook(folder / "demo.ipynb", cells, kernel)
    return jupyterlab(folder, home, settings, kernels)


def facts_of(page, words):
    page.locator(".we-facts", has_text=words).wait_for(timeout=20_000)


def numbers_on_screen(page):
    """The record that the table of statistics says it is of, and its five moments: one widget, so no update comes between."""
    record, cells = page.evaluate(
        """() => [document.querySelector('.we-numbers thead tr').cells[1].textContent,
                  [...document.querySelectorAll('.we-numbers tbody tr')].map(row => row.cells[1].textContent)]"""
    )
    return int(record.removeprefix("record ")), [float(text) for text in cells[:5]]


def use_the_time_axis(page):
    """Look at an earlier record, compare others with it, and go back to the newest."""
    page.get_by_role("slider", name="record").press("Home")
    page.locator(".we-words", has_text="The value, at the start.").wait_for(timeout=20_000)
    page.get_by_role("button", name="Compare").click()
    # One of a menu, where the tabs leave no room for four buttons.
    page.locator(".we-views :is(option, [role=radio])", has_text="Since record 0").first.wait_for(
        state="attached", timeout=20_000
    )
    page.get_by_role("slider", name="record").press("PageUp")
    page.locator(".we-words", has_text="The change since the start, at record").wait_for(timeout=20_000)
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("button", name="Live").click()
    page.locator(".we-words", has_text="The value, at record").wait_for(timeout=20_000)


@pytest.mark.parametrize(
    "version", ["installed", "6.31", *(pytest.param(each, marks=pytest.mark.long) for each in ("7.3", "7.1"))]
)
def test_clicks_are_answered_while_fit_runs_and_ctrl_c_leaves_a_panel_that_works(version, page, tmp_path, request):
    kernels = None if version == "installed" else request.getfixturevalue("older_kernel")(version)
    kernel = f"ipykernel-{version}" if kernels else "python3"
    cells = [SETUP, TRAIN, "import ipykernel; print(ipykernel.__version__, explorer._panel.previews.has_previews)", NOW, REPORT]
    with open_lab(page, tmp_path, cells, kernel=kernel, kernels=kernels) as server:
        notebook = Notebook(page, server, "demo.ipynb")
        notebook.run(0)
        page.get_by_role("tree", name="layers").wait_for()
        facts_of(page, "(8, 80) = (input_dim, 4 gates x 20 units)")
        assert page.get_by_text("callbacks=[explorer.callback]").first.is_visible()

        notebook.run(1, wait=False)
        wait_for_epoch(page, 2)

        # The callback has written to every widget by now, which is when a careless kernel stops to answer.
        page.get_by_role("treeitem", name="hidden").click()
        facts_of(page, "(40, 16) = (input_dim, units)")
        page.get_by_role("tab", name="Bias").click()
        facts_of(page, "(16,) = (units,)")
        page.get_by_role("tab", name="Distribution").click()
        page.locator(".we-words", has_text="16 elements in 8 bins").wait_for(timeout=20_000)
        page.get_by_role("radio", name="Since start").click()
        page.locator(".we-words", has_text="The change since the start").wait_for(timeout=20_000)
        page.get_by_role("radio", name="Value").click()
        page.get_by_role("tab", name="Matrix").click()
        page.get_by_role("treeitem", name="reader").click()
        facts_of(page, "(80,) = (4 gates x 20 units,)")
        page.get_by_role("combobox", name="direction").select_option("backward")
        page.locator(".we-words", has_text="backward_layer").wait_for(timeout=20_000)
        caption = page.locator(".we-words .we-text.we-quiet").text_content()
        record, shown_live = numbers_on_screen(page)
        assert "record" in caption
        assert notebook.is_running(1)

        use_the_time_axis(page)
        assert notebook.is_running(1)
        caption = page.locator(".we-words .we-text.we-quiet").text_content()

        # Nothing more was needed from the kernel for this to move on by itself.
        page.wait_for_function(
            "before => document.querySelector('.we-words .we-text.we-quiet').textContent !== before", arg=caption
        )
        assert notebook.is_running(1)

        notebook.interrupt(1)
        page.locator(".we-status-words", has_text="interrupted · epoch").wait_for(timeout=60_000)
        page.get_by_role("treeitem", name="out").click()
        facts_of(page, "not trainable")
        page.get_by_role("treeitem", name="reader").click()
        page.get_by_role("combobox", name="direction").select_option("backward")
        page.locator(".we-words", has_text="backward_layer").wait_for(timeout=20_000)
        _, shown_at_the_end = numbers_on_screen(page)

        notebook.run(2)
        notebook.run(3)
        # A page that need not draw by itself is sent nothing for it.
        assert fnmatch(notebook.printed(2).strip(), f"{'7.' if version == 'installed' else version}* False")
        np.testing.assert_allclose(shown_at_the_end, json.loads(notebook.printed(3)), rtol=1e-9, atol=1e-10)
        page.evaluate(
            """([code]) => { const cell = Array.from(jupyterapp.shell.widgets('main')).find(w => w.content?.activeCell)
                .content.widgets[4]; cell.model.sharedModel.setSource(code); }""",
            [REPORT.format(number=record)],
        )
        notebook.run(4)
        np.testing.assert_allclose(shown_live, json.loads(notebook.printed(4)), rtol=1e-9, atol=1e-10)
        assert notebook.errors == []


@pytest.fixture
def lab_page(page, tmp_path):
    with open_lab(page, tmp_path, [SETUP, SHORT, "print('later')"]) as server:
        notebook = Notebook(page, server, "demo.ipynb")
        notebook.run(0)
        page.get_by_role("tree", name="layers").wait_for()
        yield notebook


def test_keys_in_the_panel_never_reach_the_notebook(lab_page):
    page, cells = lab_page.page, lab_page.number_of_cells()
    page.get_by_role("treeitem", name="hidden").click()
    facts_of(page, "(40, 16)")
    for key in ["d", "d", "x", "a", "b", "m", "0", "0", "Enter", "Shift+Enter", "ArrowUp", "Delete"]:
        page.keyboard.press(key)
    page.get_by_role("tab", name="Kernel", exact=True).focus()
    for key in ["d", "d", "x", "a", "b", "ArrowRight"]:
        page.keyboard.press(key)
    page.get_by_role("tab", name="Kernel", exact=True, selected=False).wait_for(timeout=5000)
    role = page.locator(".weight-explorer [role=tab][aria-selected=true]").first.inner_text().lower()
    page.locator(f"canvas[aria-label*='/ {role}']").locator("visible=true").focus()  # once that role is what is drawn
    for key in ["d", "d", "x", "ArrowDown"]:
        page.keyboard.press(key)
    page.locator(".we-matrix-readout", has_text="units = 0").wait_for(timeout=5000)
    assert lab_page.number_of_cells() == cells
    assert page.locator(".jp-mod-editMode").count() == 0


def test_the_number_under_the_pointer_needs_no_kernel(lab_page):
    page = lab_page.page
    page.evaluate("Array.from(jupyterapp.shell.widgets('main'))[0].sessionContext.session.kernel.shutdown()")
    page.locator("canvas").locator("visible=true").hover(position={"x": 200, "y": 150})
    page.locator(".we-matrix-readout", has_text="input_dim = ").wait_for(timeout=5000)


def test_the_notebook_keeps_a_picture_and_text_that_are_renewed_when_training_ends(lab_page):
    (before,) = [output for output in lab_page.outputs(0) if "data" in output]
    assert "not trained yet" in before["data"]["text/plain"]
    lab_page.run(1)
    lab_page.page.locator(".we-status-words", has_text="finished · epoch 2 of 2").wait_for(timeout=60_000)
    lab_page.run(2)
    (after,) = [output for output in lab_page.outputs(0) if "data" in output]
    assert "finished" in after["data"]["text/plain"]
    assert "finished" in after["data"]["text/html"]
    picture = imread(io.BytesIO(base64.b64decode(after["data"]["image/png"])))
    assert picture.shape[1] == 640
    assert after["data"]["image/png"] != before["data"]["image/png"]
    assert lab_page.page.locator(".weight-explorer").count() == 1


def test_the_layout_stands_still_while_everything_in_it_changes(lab_page):
    page = lab_page.page
    boxes = "[...document.querySelectorAll('.weight-explorer, .we-tree, .we-stage, .we-numbers, .we-words')].map(e => {" + (
        "const {x, y, width, height} = e.getBoundingClientRect(); return [x, y, width, height].map(Math.round).join(); })"
    )
    origin = page.evaluate(boxes)
    sizes = set()
    lab_page.run(1)
    page.locator(".we-status-words", has_text="finished · epoch 2 of 2").wait_for(timeout=60_000)
    for name in ("reader", "forward_lstm", "hidden", "out"):
        page.get_by_role("treeitem", name=name).click()
        for view in ("Distribution", "Over time", "Matrix"):
            page.get_by_role("tab", name=view).click()
            page.locator(".we-words", has_text="model.get_layer").wait_for()
            sizes.add(tuple(box.split(",", 2)[2] for box in page.evaluate(boxes)))
    assert sizes == {tuple(box.split(",", 2)[2] for box in origin)}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(theme, page, tmp_path):
    """Contrast by WCAG 2, of every piece of text against the panel's ground: at least 4.5 to 1."""
    with open_lab(page, tmp_path, [SETUP], settings=DARK if theme == "dark" else None) as server:
        notebook = Notebook(page, server, "demo.ipynb")
        notebook.run(0)
        page.get_by_role("tree", name="layers").wait_for()
        page.locator(f"body[data-jp-theme-light={'false' if theme == 'dark' else 'true'}]").wait_for(state="attached")
        worst = page.evaluate(
            """() => { const parse = c => c.match(/[\\d.]+/g).map(Number);
            const light = c => { const [r, g, b] = parse(c).slice(0, 3).map(v => { v /= 255;
                return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
                return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
            const root = document.querySelector('.weight-explorer');
            const ground = light(getComputedStyle(root).backgroundColor);
            const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT); const ratios = [];
            while (walker.nextNode()) { const e = walker.currentNode.parentElement;
                if (!walker.currentNode.textContent.trim() || !e.checkVisibility({visibilityProperty: true})) continue;
                const [r, g, b, alpha = 1] = parse(getComputedStyle(e).color);
                const below = parse(getComputedStyle(root).backgroundColor);
                const l = light(`${[r, g, b].map((v, i) => v * alpha + below[i] * (1 - alpha))}`);
                ratios.push([(Math.max(l, ground) + 0.05) / (Math.min(l, ground) + 0.05), e.textContent]); }
            return ratios.sort((a, b) => a[0] - b[0])[0]; }"""
        )
        assert worst[0] >= 4.5, worst
