"""A real JupyterLab over a long training: memory stays flat, seen and unseen, and the server never has to drop a message."""

import re
from pathlib import Path

import pytest

from tests.browser.jupyter import Notebook, jupyterlab, write_notebook

pytestmark = pytest.mark.long

NUM_EPOCHS, BATCHES = 100, 1000
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
x, y = random.random((4000, 8)), random.random((4000, 4))

class Words(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        print("batch", batch, "of a training that has a lot to say of every single one of its batches", logs)

explorer = WeightExplorer(model, memory="2 MB")
explorer
"""
PROCESS = "import os; print(os.getpid())"
TRAIN = "_ = model.fit(x, y, batch_size=4, epochs={epochs}, verbose=0, callbacks=[explorer.callback{more}])"

# Counts what comes from the server, by the second: messages, those of widgets, and bytes. In the protocol of the server each
# has, before it, where its parts begin; the second of them is the header.
COUNT = """
window.seconds = {};
const Native = window.WebSocket, text = new TextDecoder();
window.WebSocket = class extends Native {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", ({ data }) => {
      if (!(data instanceof ArrayBuffer)) return;
      const view = new DataView(data), at = place => Number(view.getBigUint64(8 * place, true));
      const type = JSON.parse(text.decode(data.slice(at(2), at(3)))).msg_type;
      const second = window.seconds[Math.floor(performance.now() / 1000)] ??= { messages: 0, widgets: 0, bytes: 0 };
      second.messages += 1;
      second.widgets += type.startsWith("comm_");
      second.bytes += data.byteLength;
    });
  }
};
"""
# What jupyter_server allows, over three seconds, before it drops messages.
MOST_MESSAGES, MOST_BYTES, WINDOW = 1000, 1_000_000, 3


def resident(process):
    """Megabytes that a process holds."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024


def page_memory(session):
    """Megabytes of objects, and nodes, that the page holds once its garbage is collected."""
    session.send("HeapProfiler.collectGarbage")
    found = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    return found["JSHeapUsedSize"] / 1e6, found["Nodes"]


def most_of(page, name, since=0):
    """The largest number of something that came in a second, on average over the server's window; `since` so many ms."""
    seconds = {int(key): value[name] for key, value in page.evaluate("window.seconds").items() if int(key) >= since / 1000}
    sums = [sum(seconds.get(at + more, 0) for more in range(WINDOW)) for at in seconds]
    return max(sums) / WINDOW


# Playwright keeps every page visible to itself, so here is what a page behind another finds: no frame comes until it is seen.
HIDE = """
() => {
  const waiting = new Map();
  let number = 1e9;
  window.requestAnimationFrame = call => { waiting.set(++number, call); return number; };
  window.cancelAnimationFrame = given => waiting.delete(given);
  for (const [name, value] of [["hidden", true], ["visibilityState", "hidden"]])
    Object.defineProperty(document, name, { configurable: true, get: () => value });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""


def reached(page, epoch):
    """Wait for an epoch of the training, however long it takes; a hidden page has no frames to ask at."""
    page.wait_for_function(
        """epoch => { const words = document.querySelector('.we-status-words').textContent;
            return Number(words.match(/epoch (\\d+)/)?.[1]) >= epoch || words.startsWith('finished'); }""",
        arg=epoch,
        timeout=1_800_000,
        polling=500,
    )


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_memory_stays_flat_and_no_message_is_lost_over_a_hundred_thousand_batches(page, tmp_path):
    folder, home = tmp_path / "work", tmp_path / "home"
    folder.mkdir()
    cells = [SETUP, PROCESS, TRAIN.format(epochs=NUM_EPOCHS, more=""), TRAIN.format(epochs=5, more=", Words()")]
    write_notebook(folder / "demo.ipynb", cells)
    page.add_init_script(COUNT)
    with jupyterlab(folder, home) as server:
        notebook = Notebook(page, server, "demo.ipynb")
        notebook.run(1)
        notebook.run(0)
        page.get_by_role("tree", name="layers").wait_for(timeout=120_000)
        page.get_by_role("tab", name="Over time").click()
        process = int(notebook.printed(1))
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        notebook.run(2, wait=False)
        measured = []
        for tenth in range(1, 10):
            reached(page, NUM_EPOCHS * tenth // 10)
            measured.append((resident(process), *page_memory(session)))
            print(
                f"after {tenth} tenths: kernel {measured[-1][0]:.0f} MB, page {measured[-1][1]:.1f} MB, nodes {measured[-1][2]}"
            )
            if tenth == 5:
                page.evaluate(HIDE)
        reached(page, NUM_EPOCHS)
        page.locator(".we-status-words", has_text=f"finished · epoch {NUM_EPOCHS} of {NUM_EPOCHS}").wait_for(timeout=60_000)
        before = page.evaluate("performance.now()")
        notebook.run(3, wait=False)
        page.locator(".we-status-words", has_text="finished · epoch 5 of 5").wait_for(timeout=600_000)
        for name in ("messages", "widgets", "bytes"):
            print(f"at most {most_of(page, name):.0f} {name} a second, {most_of(page, name, before):.0f} while the cell prints")
        assert most_of(page, "messages") < MOST_MESSAGES / 2
        assert most_of(page, "widgets") < MOST_MESSAGES / 2
        assert most_of(page, "bytes") < MOST_BYTES
        assert "rate exceeded" not in (home / "jupyterlab.log").read_text()
        kernel, objects, nodes = ([each[i] for each in measured[2:]] for i in range(3))
        assert kernel[-1] - kernel[0] < 10
        assert objects[-1] - objects[0] < 3
        assert nodes[-1] - nodes[0] < 2000
        assert notebook.errors == []
