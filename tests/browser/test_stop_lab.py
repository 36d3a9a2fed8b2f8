"""A real JupyterLab: Stop ends a fit while its cell runs; what trains beside the cells is held, let go and stopped."""

from tests.browser.jupyter import SLOW_NETWORK, Notebook, jupyterlab, wait_for_epoch, write_notebook

SETUP = """
import keras, numpy as np
from keras import layers
from weight_explorer import WeightExplorer

keras.utils.set_random_seed(5)
model = keras.Sequential([
    keras.Input((8,)),
    layers.Dense(16, activation="relu", name="hidden"),
    layers.Dense(4, name="out"),
], name="small")
model.compile("adam", "mse")
random = np.random.default_rng(1)
x, y = random.random((2000, 8)), random.random((2000, 4))
explorer = WeightExplorer(model)
explorer
"""
TRAIN = """
history = model.fit(x, y, epochs=100_000, verbose=0, callbacks=[explorer.callback])
print(len(history.epoch), explorer.callback.status.phase)
"""
BESIDE = "training = explorer.fit(x, y, epochs=100_000)"
SAID = "print(training)"
OVER = """
history = training.wait(60)
print(training, len(history.epoch) == explorer.callback.status.epoch)
"""


def status(page, words):
    page.locator(".we-status-words", has_text=words).wait_for(timeout=60_000)


def boxes(page):
    """Where the head is, and each of its buttons."""
    return page.evaluate(
        """() => ['.we-head', '.we-status-order:nth-child(1)', '.we-status-order:nth-child(2)'].map(selector => {
            const { x, y, width, height } = document.querySelector(selector).getBoundingClientRect();
            return [x, y, width, height].map(Math.round); })"""
    )


def test_stop_ends_fit_and_training_beside_the_cells_pauses_goes_on_and_stops(page, tmp_path):
    folder, home = tmp_path / "work", tmp_path / "home"
    folder.mkdir()
    write_notebook(folder / "demo.ipynb", [SETUP, TRAIN, BESIDE, SAID, OVER])
    with jupyterlab(folder, home) as server:
        notebook = Notebook(page, server, "demo.ipynb")
        notebook.run(0)
        page.get_by_role("tree", name="layers").wait_for()
        stop = page.get_by_role("button", name="Stop the training when the batch has ended")
        pause = page.get_by_role("button", name="Pause the training when the batch has ended")
        resume = page.get_by_role("button", name="Resume the training")
        assert stop.count() == 0  # there is nothing to stop
        (_, *head), *_ = boxes(page)

        # An ordinary fit: the click is answered while its cell runs, with the mouse and with the keyboard.
        notebook.run(1, wait=False)
        wait_for_epoch(page, 2)
        pause.focus()
        page.keyboard.press("Enter")
        status(page, "paused · epoch")
        assert notebook.is_running(1)
        page.get_by_role("treeitem", name="hidden").click()
        page.locator(".we-facts", has_text="(8, 16) = (input_dim, units)").wait_for(timeout=20_000)
        assert notebook.is_running(1)
        held = page.locator(".we-status-words").text_content()
        resume.press("Enter")
        status(page, "live · epoch")
        moving = boxes(page)
        assert moving[0][1:] == head  # the head is as high as before there were buttons
        stop.click()
        status(page, "stopped · epoch")
        notebook.run(2)
        epochs, phase = notebook.printed(1).split()
        assert phase == "stopped"
        assert 2 <= int(epochs) < 100_000
        assert held.startswith("paused · epoch")

        # Beside the cells: the cell is over, and others run.
        wait_for_epoch(page, 2, fit=2)
        pause.click()
        status(page, "paused · fit 2 · epoch")
        assert boxes(page) == moving
        notebook.run(3)
        assert notebook.printed(3).strip() == "<Training: paused>"
        resume.click()
        status(page, "live · fit 2 · epoch")
        stop.click()
        status(page, "stopped · fit 2 · epoch")
        assert stop.count() == 0
        notebook.run(4)
        assert notebook.printed(4).strip() == "<Training: stopped> True"
        assert notebook.errors == []


def test_over_a_slow_network_a_fit_right_after_the_panel_can_be_stopped(page, tmp_path):
    """The panel's first message is sent before JupyterLab has a subshell for the next ones: it tells nothing of those."""
    folder, home = tmp_path / "work", tmp_path / "home"
    folder.mkdir()
    write_notebook(folder / "demo.ipynb", [SETUP, TRAIN])
    page.add_init_script(SLOW_NETWORK)
    with jupyterlab(folder, home) as server:
        notebook = Notebook(page, server, "demo.ipynb")
        notebook.run(0)
        page.get_by_role("tree", name="layers").wait_for()
        notebook.run(1, wait=False)
        status(page, "live · epoch ")
        page.get_by_role("button", name="Stop the training when the batch has ended").click(timeout=60_000)
        status(page, "stopped · epoch")
        assert notebook.errors == []
