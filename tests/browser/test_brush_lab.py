"""The brush in a real JupyterLab: cells are selected while fit runs, frozen there, hatched, and proved not to move."""

import json
import re

from tests.browser.jupyter import Notebook
from tests.browser.test_lab import SETUP, open_lab

# Freezes what is selected, as soon as anything is.
TRAIN = """
class FreezeSelection(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if explorer.selection is not None and not frozen:
            frozen.append(explorer.freeze(explorer.selection.key, explorer.selection))

frozen = []
model.fit(x, y, epochs=100_000, verbose=0, callbacks=[explorer.callback, FreezeSelection()])
"""
REPORT = """
(proof,) = [proof for proof in explorer.check_frozen() if proof.key == "zoo/hidden/kernel"]
mask, steps = explorer.selection.mask, explorer.history.records_with_values(proof.key)
first, last = (explorer.history.values_at(proof.key, min(step for step in steps if step >= at)) for at in (proof.frozen_at,
steps[-1])) same = first == last
print(json.dumps([proof.num_frozen, int(mask.sum()), proof.num_changed, bool(same[mask].all()), bool(same.all())]))
"""


def drag(page, start, end):
    canvas = page.locator(".we-matrix canvas").locator("visible=true").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.keyboard.down("Shift")
    page.mouse.move(box["x"] + start[0], box["y"] + start[1])
    page.mouse.down()
    page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")


def test_what_is_brushed_during_fit_is_frozen_hatched_and_proved_not_to_move(page, tmp_path):
    with open_lab(page, tmp_path, [SETUP, TRAIN, REPORT]) as server:
        notebook = Notebook(page, server, "demo.ipynb")
        notebook.run(0)
        page.get_by_role("treeitem", name="hidden").click()
        page.locator(".we-facts", has_text="(40, 16) = (input_dim, units)").wait_for(timeout=20_000)
        notebook.run(1, wait=False)
        notebook.wait_until_trained("live")
        page.locator(".we-words", has_text=re.compile(r"at record \d+ \(epoch [2-9]")).wait_for(timeout=60_000)
        assert page.locator(".we-check").count() == 0
        drag(page, (120, 80), (260, 160))
        proof = page.locator(".we-check", has_text=re.compile(r"✓ 0 of \d+ frozen elements moved since record \d+"))
        proof.wait_for(timeout=30_000)
        assert notebook.is_running(1)
        count = int(re.search(r"of (\d+)", proof.text_content())[1])
        hatched = page.get_by_role("application", name=f"{count} of 640 elements are frozen (hatched)")
        hatched.wait_for(timeout=20_000)
        page.mouse.move(5, 5)
        selected = re.compile(rf"Selected: input_dim .* by units .*: {count} elements")
        page.locator(".we-matrix-readout", has_text=selected).wait_for(timeout=20_000)
        words = page.locator(".we-words .we-text.we-quiet").text_content()
        page.wait_for_function(
            "words => document.querySelector('.we-words .we-text.we-quiet').textContent !== words", arg=words
        )
        assert proof.count() == 1  # still so some records later
        page.get_by_role("tab", name="Over time").click()
        page.locator(".we-charts").locator("visible=true").first.wait_for(timeout=20_000)
        assert proof.count() == 1
        notebook.interrupt(1)
        notebook.wait_until_trained("interrupted")
        notebook.run(2)
        assert json.loads(notebook.printed(2)) == [count, count, 0, True, False]
        assert not notebook.errors
