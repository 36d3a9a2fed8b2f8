"""Frames while a tree of 10 and of 1000 layers scrolls and is walked by keys: `python -m tests.benchmarks.tree_scroll`.

Both are measured in one run, so that the machine's own pace divides out.
"""

import statistics
import sys

from playwright.sync_api import sync_playwright

from tests.browser import chromium
from tests.browser.test_modules import mount, row

SCROLL = """
() => new Promise(done => {
  const list = document.querySelector('.we-tree-list'), times = [];
  let before = performance.now(), frame = 0;
  const step = now => {
    times.push(now - before); before = now;
    list.scrollTop += 40;
    if (++frame < 200) requestAnimationFrame(step); else done(times.slice(5));
  };
  requestAnimationFrame(step);
})
"""
WALK = """
() => { const list = document.querySelector('.we-tree-list'); const times = [];
  document.querySelector('[role=treeitem]').focus();
  for (let i = 0; i < 200; i++) { const began = performance.now();
    document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowDown', bubbles: true, cancelable: true}));
    list.getBoundingClientRect(); times.push(performance.now() - began); }
  return times; }
"""


def main():
    """Print the frame times and the time of one step by key, for both sizes."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.ARGUMENTS)
        page = browser.new_page()
        for size in (10, 1000):
            rows = [row("m", 1, parent=True), *(row(f"m/layer_{i}", 2) for i in range(size))]
            mount(page, "tree", rows=rows, selected="m", folded=[], filter="")
            for what, code in (("frame while scrolling", SCROLL), ("step by key", WALK)):
                times = page.evaluate(code)
                last = statistics.quantiles(times, n=20)[-1]
                line = f"{size:5} layers, {what:22} median {statistics.median(times):5.1f} ms, 95 % within {last:5.1f} ms"
                sys.stdout.write(f"{line}, largest {max(times):5.1f} ms\n")
        browser.close()


if __name__ == "__main__":
    main()
