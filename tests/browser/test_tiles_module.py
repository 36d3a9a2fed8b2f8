"""The tiles' ES module alone in Chromium: cells stand where NumPy has them, and pointer and keys read the right numbers."""

import numpy as np
import pytest

from tests.browser.test_modules import LONG_TASK, base64, drawing_time, mount, settle
from tests.views.test_filters import CONV, KERNELS, drawn, kernel_of
from weight_explorer.pictures import colors
from weight_explorer.pictures.tiles.widget import TilesWidget

SYNCED = ("shape", "tiles", "axes", "rows", "columns", "has_common_scale", "combined", "measure", "heading", "alternative")
BUFFERS = ("cells", "palette")


def mount_tiles(page, picture, width=600):
    panel = TilesWidget()
    panel.show(picture, "a kernel")
    state = {name: getattr(panel, name) for name in SYNCED}
    buffers = {name: base64(np.frombuffer(getattr(panel, name), np.uint8)) for name in BUFFERS}
    mount(page, "tiles", **state, **buffers, special=[colors.NOT_A_NUMBER, colors.INFINITE])
    page.evaluate("width => { document.getElementById('host').style.width = `${width}px` }", width)
    page.wait_for_function("width => document.querySelector('canvas').width === width", arg=width)
    settle(page)
    panel.close()


def readout(page):
    settle(page)
    return page.locator(".we-tiles-readout").text_content()


def pixels_of(page, test):
    """Places of the pixels of the tiles' part of the canvas whose color passes a test in JavaScript of r, g and b."""
    return page.evaluate(
        f"""() => {{ const canvas = document.querySelector('canvas');
        const {{data, width}} = canvas.getContext('2d').getImageData(0, 0, canvas.width - 80, canvas.height);
        const found = [];
        for (let i = 0; i < data.length; i += 4) {{
          const [r, g, b] = data.slice(i, i + 3);
          if ({test}) found.push([(i / 4) % width, Math.floor(i / 4 / width)]);
        }}
        return found; }}"""
    )


DARKEST_RED = "r > 95 && r < 112 && g < 6 && b > 25 && b < 38"


def hot_picture(kernel, index, sort):
    """A kernel with one number far above the others, which are all different, drawn in the channel that has it."""
    shape, names = KERNELS[kernel]
    values = np.random.default_rng(1).uniform(-0.1, 0.1, shape).astype(np.float32)
    values[index] = 1
    channel = str(index[names.index("in_channels")])
    return values, names, drawn(kernel_of(shape, names), values, channels="one", channel=channel, sort=sort)


@pytest.mark.parametrize("sort", ["number", "norm", "similarity"])
@pytest.mark.parametrize(
    ("kernel", "index"),
    [
        ("1-D", (3, 1, 2)),
        ("2-D", (0, 1, 3, 4)),
        ("2-D", (2, 0, 0, 1)),
        ("3-D", (1, 0, 3, 1, 2)),
        ("3-D", (0, 2, 0, 0, 4)),
        ("transposed", (2, 0, 3, 4)),
        ("depthwise", (2, 1, 3, 1)),
        ("a single place", (0, 0, 2, 3)),
    ],
    ids=str,
)
def test_a_hot_cell_is_read_at_its_own_index_where_its_color_is(page, kernel, index, sort):
    values, names, picture = hot_picture(kernel, index, sort)
    mount_tiles(page, picture)
    found = pixels_of(page, DARKEST_RED)
    assert len(found) > 20
    box = page.locator("canvas").bounding_box()
    corners = [[pick(axis) for axis in zip(*found, strict=True)] for pick in (min, max)]
    for x, y in (*corners, np.mean(found, axis=0)):
        page.mouse.move(box["x"] + x + 0.5, box["y"] + y + 0.5)
        words = ", ".join(f"{name} = {place}" for name, place in zip(names, index, strict=True))
        assert readout(page).startswith(f"{words}:  1   (norm of ")
    assert values[index] == 1


def test_keys_walk_cells_and_over_the_edge_into_the_next_tile(page):
    values = np.arange(72, dtype=np.float32).reshape(3, 3, 2, 4)
    mount_tiles(page, drawn(kernel_of(values.shape), values, channels="one", channel="1"))
    page.locator("canvas").focus()
    place = (0, 0, 0)
    for key, place in (
        ("ArrowDown", (0, 0, 0)), ("ArrowRight", (0, 1, 0)), ("ArrowDown", (1, 1, 0)), ("ArrowRight", (1, 2, 0)),
        ("ArrowRight", (1, 0, 1)), ("PageDown", (1, 0, 2)), ("ArrowLeft", (1, 2, 1)), ("End", (1, 2, 3)), ("Home", (1, 2, 0)),
    ):  # fmt: skip
        page.keyboard.press(key)
        row, column, number = place
        value = int(values[row, column, 1, number])
        expected = f"height = {row}, kernel_width = {column}, in_channels = 1, filters = {number}:  {value} "
        assert expected in readout(page)
    assert page.evaluate("leaked") == []
    assert page.locator(".we-tiles-readout").get_attribute("aria-live") == "polite"


def test_exact_numbers_are_read_and_colors_are_told_apart_in_rgb(page):
    values = np.zeros((3, 3, 3, 4), np.float32)
    values[1, 2, :, 3] = np.float32(0.1234567), -1, 1
    mount_tiles(page, drawn(kernel_of(values.shape), values, channels="rgb"))
    found = pixels_of(page, "r > 140 && r < 148 && g === 0 && b === 255")
    box = page.locator("canvas").bounding_box()
    x, y = np.mean(found, axis=0)
    page.mouse.move(box["x"] + x, box["y"] + y)
    words = "kernel_height = 1, kernel_width = 2, filters = 3:  red 0.1234567, green -1, blue 1 "
    assert readout(page).startswith(words)
    assert len(pixels_of(page, "r === 128 && g === 128 && b === 128")) > 1000  # zero is mid-gray


@pytest.mark.parametrize(("value", "color"), [(np.nan, (0, 179, 0)), (-np.inf, (255, 212, 0))], ids=["nan", "inf"])
@pytest.mark.parametrize("way", ["one", "rgb"])
def test_a_special_number_has_a_color_of_its_own(page, way, value, color):
    values = np.random.default_rng(1).normal(size=(11, 11, 3, 64)).astype(np.float32)
    values[3, 4, 0, 50] = value
    mount_tiles(page, drawn(kernel_of(values.shape), values, channels=way))
    assert len(pixels_of(page, f"r === {color[0]} && g === {color[1]} && b === {color[2]}")) > 1


def test_of_more_cells_than_pixels_the_loudest_is_seen(page):
    values = np.zeros((2000, 1, 30), np.float32)
    values[1234, 0, 17] = 1
    mount_tiles(page, drawn(kernel_of(values.shape, ("kernel_length", "in_channels", "filters")), values))
    assert pixels_of(page, DARKEST_RED)
    assert "a pixel shows the cell farthest from zero" in readout(page)


def test_an_update_changes_numbers_and_keeps_the_cell_that_is_pointed_at(page):
    values = np.arange(72, dtype=np.float32).reshape(3, 3, 2, 4)
    weight = kernel_of(values.shape)
    mount_tiles(page, drawn(weight, values, channels="one"))
    page.locator("canvas").focus()
    for key in ("ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    assert "filters = 0:  8 " in readout(page)
    later = np.concatenate([np.moveaxis(values[:, :, 0] + 0.5, -1, 0).ravel(), np.full(4, 80)]).astype("<f4")
    page.evaluate("n => model.set('cells', new DataView(new Float32Array(n).buffer))", later.tolist())
    assert "filters = 0:  8.5 " in readout(page)


@pytest.mark.parametrize("width", [200, 300, 600, 1400])
@pytest.mark.parametrize("count", [1, 5, 64])
def test_every_tile_is_reached_at_every_width(page, width, count):
    values = np.ones((3, 3, 2, count), np.float32)
    mount_tiles(page, drawn(kernel_of(values.shape), values), width)
    page.locator("canvas").focus()
    page.keyboard.press("Home")
    numbers = set()
    for _ in range(count):
        numbers.add(readout(page).split("filters = ")[1].split(":")[0])
        page.keyboard.press("PageDown")
    assert numbers == {str(i) for i in range(count)}


def test_labels_are_text_and_the_picture_has_a_text_alternative(page):
    labels = ("a", "b", "<img src=x onerror=window.hacked=1>", "d" * 300)
    weight = kernel_of((3, 3, 2, 4), CONV, {"filters": labels})
    mount_tiles(page, drawn(weight, np.ones(weight.shape)))
    page.locator("canvas").focus()
    for key in ("Home", "End", "PageUp"):
        page.keyboard.press(key)
    assert 'filters = 2 "<img' in readout(page)
    assert page.evaluate("window.hacked") is None
    alternative = page.locator("canvas").get_attribute("aria-label")
    assert "4 filters of 3 x 3 over 2 input channels" in alternative
    assert "height ↓" in alternative


def test_drawing_a_full_page_is_no_long_task(page):
    values = np.random.default_rng(1).normal(size=(11, 11, 3, 64)).astype(np.float32)
    mount_tiles(page, drawn(kernel_of(values.shape), values, channels="rgb"), 860)
    assert drawing_time(page, "cells") < LONG_TASK
