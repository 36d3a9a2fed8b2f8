"""The time from a click to the new picture in the page, while `fit` runs: `python -m tests.benchmarks.click_to_answer`."""

import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser import chromium
from tests.browser.jupyter import Notebook, jupyterlab, write_notebook
from tests.browser.test_lab import SETUP, TRAIN

NUM_CLICKS = 100

# Between two clicks, as a hand makes them at most.
PAUSE_MS = 250

# Clicks in the page and waits in the page, so that nothing but the widget is measured: until its words are there, and the last
# frame is painted in which anything of the panel has changed, since charts are drawn over some frames.
CLICK = """
([selector, words]) => new Promise((done, fail) => {
  const began = performance.now();
  const panel = document.querySelector('.we-main');
  const said = () => document.querySelector('.we-words').textContent;
  const before = said();
  const isThere = () => said() !== before && said().includes(words);
  let changed = false, painted = 0, quiet = 0;
  const observer = new MutationObserver(() => { changed = true; });
  observer.observe(panel, {subtree: true, childList: true, characterData: true, attributes: true});
  const look = () => {
    if (isThere()) {
      if (changed) painted = performance.now() - began;
      quiet = changed ? 0 : quiet + 1;
      changed = false;
    }
    if (quiet < 3) return frame();
    observer.disconnect();
    done(painted);
  };
  const frame = () => requestAnimationFrame(() => {
    const channel = new MessageChannel(); // its message comes when the frame is painted
    channel.port1.onmessage = look;
    channel.port2.postMessage(0);
  });
  frame();
  document.querySelector(selector).click();
  setTimeout(() => fail(new Error(`no answer to ${selector}`)), 10_000);
})
"""
LAYERS = [
    ("zoo/hidden", '"hidden"'),
    ("zoo/out", '"out"'),
    ("zoo/reader", "forward_layer"),
    ("zoo/reader/backward_lstm", "backward_layer"),
]
VIEWS = [
    ("distribution", " bins"),
    ("over_time", " records"),
    ("units", "driven most"),
    ("compare", "one color scale"),
    ("spectrum", "effective rank"),
    ("matrix", "The value, at"),
]


def clicks():
    """Yield `(kind, selector, what the answer shows)`, over and over."""
    while True:
        for path, words in LAYERS:
            yield "tree", f"[data-path='{path}']", words
            for view, answer in VIEWS:
                yield view, f".we-views [data-value='{view}']", answer


def main():
    """Measure and print median, 95th percentile and largest, for each kind of click."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        work, home = Path(folder, "work"), Path(folder, "home")
        work.mkdir()
        write_notebook(work / "demo.ipynb", [SETUP, TRAIN])
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.ARGUMENTS)
        with jupyterlab(work, home) as server:
            page = browser.new_page(viewport={"width": 1500, "height": 1000})
            notebook = Notebook(page, server, "demo.ipynb")
            notebook.run(0)
            notebook.run(1, wait=False)
            page.locator(".we-status-words", has_text="live · epoch 2 ").wait_for()
            times = {}
            for _, (kind, selector, words) in zip(range(NUM_CLICKS), clicks(), strict=False):
                page.wait_for_timeout(PAUSE_MS)
                times.setdefault(kind, []).append(page.evaluate(CLICK, [selector, words]))
            assert notebook.is_running(1)
            report({**times, "all": [time for some in times.values() for time in some]})
        browser.close()


def report(times):
    for kind, measured in times.items():
        last = statistics.quantiles(measured, n=20)[-1]
        line = f"{kind:14}{len(measured):4} clicks: median {statistics.median(measured):4.0f} ms, 95 % within {last:4.0f} ms"
        sys.stdout.write(f"{line}, largest {max(measured):4.0f} ms\n")


if __name__ == "__main__":
    main()
