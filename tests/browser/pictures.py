"""Makes the picture and the film of the README in a real JupyterLab, while `fit` runs: `python -m tests.browser.pictures`."""

import io
import sys
import tempfile
from pathlib import Path
from time import monotonic

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.browser import chromium
from tests.browser.jupyter import Notebook, jupyterlab, write_notebook

FOLDER = Path(__file__).parent.parent.parent / "notebooks" / "pictures"
SETUP = """
import keras
from keras import layers
from sklearn.datasets import load_digits
from weight_explorer import WeightExplorer

keras.utils.set_random_seed(5)
digits = load_digits()
x, y = digits.images[..., None] / 16, digits.target
model = keras.Sequential([
    keras.Input((8, 8, 1)),
    layers.Conv2D(16, 3, activation="relu", name="edges"),
    layers.Conv2D(32, 3, activation="relu", name="shapes"),
    layers.Flatten(),
    layers.Dense(48, activation="relu", name="hidden"),
    layers.Dense(10, activation="softmax", name="digit"),
], name="digits")
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
explorer = WeightExplorer(model, labels={("digit", "units"): digits.target_names.astype(str)})
explorer
"""
TRAIN = "history = model.fit(x, y, epochs=10_000, batch_size=32, verbose=0, callbacks=[explorer.callback])"

# What is clicked in the film, and for how many seconds one looks at the answer.
CLICKS = [
    ("[data-path='digits/edges']", 1.2),
    (".we-views [data-value='filters']", 2.0),
    (".we-views [data-value='distribution']", 1.6),
    ("[data-path='digits/hidden']", 1.2),
    (".we-views [data-value='over_time']", 2.0),
    ("[data-path='digits']", 2.4),
]
FRAMES_PER_SECOND = 6
FILM_WIDTH = 960

# Browsers without a screen draw no pointer.
POINTER = """
() => {
  const pointer = document.createElement('div');
  pointer.style.cssText = 'position:fixed;z-index:9999;width:18px;height:18px;margin:-9px;border-radius:50%;' +
    'pointer-events:none;background:#ff980080;border:2px solid #e65100;transition:left .3s,top .3s;left:50%;top:50%';
  document.body.append(pointer);
  window.pointTo = (x, y) => { pointer.style.left = `${x}px`; pointer.style.top = `${y}px`; };
}
"""


def main():
    """Make both."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        work, home = Path(folder, "work"), Path(folder, "home")
        work.mkdir()
        write_notebook(work / "demo.ipynb", [SETUP, TRAIN])
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.ARGUMENTS)
        with jupyterlab(work, home) as server:
            page = browser.new_page(viewport={"width": 1720, "height": 1300})
            notebook = Notebook(page, server, "demo.ipynb")
            page.evaluate("jupyterapp.commands.execute('application:toggle-left-area')")
            notebook.run(0)
            notebook.run(1, wait=False)
            page.locator(".we-status-words", has_text="epoch 4 ").wait_for()
            panel = page.locator(".weight-explorer").first
            page.locator("[data-path='digits/hidden']").click()
            page.locator(".we-words", has_text="The value, at record").wait_for()
            panel.screenshot(path=FOLDER / "panel.png")
            save_film(page, panel)
            assert notebook.is_running(1)
        browser.close()


def save_film(page, panel):
    """Click from place to place, and save what is seen meanwhile as it was timed."""
    page.evaluate(POINTER)
    frames, began = [], monotonic()

    def look(seconds):
        until = monotonic() + seconds
        while monotonic() < until:
            frames.append((monotonic() - began, Image.open(io.BytesIO(panel.screenshot())).convert("RGB")))
            page.wait_for_timeout(1000 / FRAMES_PER_SECOND)

    look(1)
    for selector, seconds in CLICKS:
        target = page.locator(selector).first
        box = target.bounding_box()
        page.evaluate("([x, y]) => pointTo(x, y)", [box["x"] + min(box["width"] / 2, 60), box["y"] + box["height"] / 2])
        look(0.5)
        target.click()
        look(seconds)
    times = [time for time, _ in frames]
    pictures = [picture.resize((FILM_WIDTH, picture.height * FILM_WIDTH // picture.width)) for _, picture in frames]
    palette = side_by_side(pictures[::6]).quantize(192)
    first, *rest = (picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures)
    durations = [int(1000 * (after - before)) for before, after in zip(times, [*times[1:], times[-1] + 1], strict=True)]
    path = FOLDER / "clicks.gif"
    first.save(path, save_all=True, append_images=rest, duration=durations, loop=0, optimize=True)
    sys.stdout.write(f"{path}: {len(frames)} frames, {path.stat().st_size / 1e6:.2f} MB\n")


def side_by_side(pictures):
    """Join pictures of one size, so that all have their colors in one palette."""
    width, height = pictures[0].size
    joined = Image.new("RGB", (width * len(pictures), height))
    for place, picture in enumerate(pictures):
        joined.paste(picture, (width * place, 0))
    return joined


if __name__ == "__main__":
    main()
