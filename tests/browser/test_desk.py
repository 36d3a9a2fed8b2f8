"""Deeds in a real JupyterLab, by its buttons: before, during and after a fit, with what the weights are to the last bit."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.jupyter import DARK, Notebook, wait_for_epoch
from tests.browser.test_lab import open_lab

SETUP = """
import hashlib, json, keras, numpy as np
from keras import layers
from weight_explorer import WeightExplorer

keras.utils.set_random_seed(5)
model = keras.Sequential([
    keras.Input((6, 8)),
    layers.LSTM(20, name="reader"),
    layers.Dense(16, activation="relu", name="hidden"),
    layers.Dense(10, name="out"),
], name="net")
model.compile("adam", "mse")
random = np.random.default_rng(1)
x, y = random.random((2000, 6, 8)), random.random((2000, 10))
explorer = WeightExplorer(model)

def bits(layer="reader"):
    layer = model.get_layer(layer)
    kernel = (layer.cell if hasattr(layer, "cell") else layer).kernel.numpy()
    parts = kernel[:, :20], kernel[:, 20:40], kernel
    return [hashlib.sha256(np.ascontiguousarray(part).tobytes()).hexdigest() for part in parts]

explorer
"""
BITS = "print(json.dumps(bits()))"
HIDDEN = "print(json.dumps(bits('hidden')))"
SHORT = "_ = model.fit(x, y, epochs=2, verbose=0, callbacks=[explorer.callback])"
LONG = "_ = model.fit(x, y, epochs=100_000, verbose=0, callbacks=[explorer.callback])"
REPORT = """
kinds = [(step.kind, step.name) for step in explorer.history.records if step.kind == "edited"]
print(json.dumps([kinds, float(np.abs(model.get_layer('hidden').kernel.numpy() - 77).min()), str(explorer.check_frozen()[0])]))
"""


@pytest.fixture(params=["light", pytest.param("dark", marks=pytest.mark.long)])
def lab(request, page, tmp_path):
    cells = [SETUP, BITS, SHORT, BITS, HIDDEN, HIDDEN, HIDDEN, LONG, REPORT]
    with open_lab(page, tmp_path, cells, settings=DARK if request.param == "dark" else None) as server:
        notebook = Notebook(page, server, "demo.ipynb")
        notebook.run(0)
        page.get_by_role("tree", name="layers").wait_for()
        yield notebook


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def said(page, words):
    page.locator(".we-desk-said", has_text=words).wait_for(timeout=20_000)


def printed(notebook, cell):
    notebook.run(cell)
    return json.loads(notebook.printed(cell))


def choose(page, layer, *, gate=None):
    page.get_by_role("treeitem", name=layer).click()
    if gate:
        page.get_by_role("combobox", name="gate").select_option(gate)
        page.locator(".we-desk-meant", has_text=gate).wait_for(timeout=20_000)


def serious(page):
    found = Axe().run(page, context=".weight-explorer").response["violations"]
    return [(each["id"], each["nodes"][0]["html"][:160]) for each in found if each["impact"] in ("serious", "critical")]


def freeze_a_gate(notebook):
    page = notebook.page
    choose(page, "reader", gate="forget gate")
    button(page, "Freeze").press("Enter")
    said(page, "160 of 640 elements are frozen. It holds from the next step on.")
    before = printed(notebook, 1)
    notebook.run(2)
    after = printed(notebook, 3)
    assert after[1] == before[1]
    assert after[0] != before[0]


def set_and_undo(notebook):
    page = notebook.page
    choose(page, "hidden")
    page.locator(".we-desk-meant", has_text="all 320 elements of kernel").wait_for(timeout=20_000)
    before = printed(notebook, 4)
    field = page.get_by_role("textbox", name="set to")
    field.fill("many")
    field.press("Enter")
    said(page, "'many' is no number")
    field.fill("77")
    button(page, "Set").press("Space")
    said(page, "Set to 77: all 320 elements of kernel.")
    assert printed(notebook, 5) != before
    page.locator(".we-time-edited").first.wait_for(state="attached")
    assert "assigned 77 to all" in page.locator(".we-time-label").get_attribute("title")
    assert button(page, "Undo").get_attribute("title") == "Undo: assigned 77 to all of net/hidden/kernel"
    button(page, "Undo").press("Enter")
    said(page, "Undone: assigned 77")
    assert printed(notebook, 6) == before
    assert button(page, "Undo").get_attribute("aria-disabled") == "true"


def initialize_and_undo(notebook):
    page = notebook.page
    before = printed(notebook, 4)
    button(page, "Initialize …").click()
    page.locator(".we-legend", has_text="drawn (seed 0)").wait_for(timeout=20_000)
    page.get_by_role("combobox", name="initializer").select_option("HeNormal")
    page.locator(".we-words", has_text="HeNormal: normal, cut at two standard deviations").wait_for(timeout=20_000)
    page.get_by_role("slider", name="seed").press("ArrowRight")
    page.locator(".we-legend", has_text="drawn (seed 1)").wait_for(timeout=20_000)
    assert printed(notebook, 5) == before  # so far it was looked at only
    assert serious(page) == []
    button(page, "Apply").press("Enter")
    said(page, "Drawn anew by HeNormal, seed 1: all 320 elements of kernel.")
    assert printed(notebook, 6) != before
    button(page, "Undo").press("Enter")
    said(page, "Undone: initialized net/hidden/kernel anew by HeNormal, seed 1")
    assert printed(notebook, 4) == before
    assert page.locator(".we-time-edited").count() >= 1
    title = page.locator(".we-time-edited title").last.text_content()
    assert title.startswith("undone: initialized net/hidden/kernel anew by HeNormal, seed 1")
    page.get_by_role("tab", name="Matrix").click()


def ask_during_a_fit(notebook):
    page = notebook.page
    notebook.run(7, wait=False)
    wait_for_epoch(page, 2, fit=2)
    page.get_by_role("textbox", name="set to").fill("77")
    button(page, "Set").click()
    said(page, "A training is running, and would go on from other weights. Assign when it has ended.")
    button(page, "Freeze").click()
    said(page, "All 320 elements are frozen. It holds from the end of the batch that is being trained.")
    page.get_by_role("tab", name="Initializer").click()
    page.locator(".we-legend", has_text="drawn (seed 1)").wait_for(timeout=20_000)
    button(page, "Apply").click()
    said(page, "A training is running, and would go on from other weights. Initialize when it has ended.")
    assert notebook.is_running(7)
    notebook.interrupt(7)
    page.locator(".we-status-words", has_text="interrupted").wait_for(timeout=60_000)
    edits, off, proof = printed(notebook, 8)
    assert len(edits) == 4  # set, undone, initialized, undone: none of them in the fit
    assert off > 1
    assert "0 of 160 frozen elements moved" in proof


def test_deeds_by_buttons_before_during_and_after_a_fit(lab):
    page = lab.page
    assert not button(page, "Freeze").is_visible()
    button(page, "Edit").press("Enter")
    freeze_a_gate(lab)
    set_and_undo(lab)
    initialize_and_undo(lab)
    ask_during_a_fit(lab)
    assert serious(page) == []
    assert lab.errors == []
