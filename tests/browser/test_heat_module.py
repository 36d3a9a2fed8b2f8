"""The overview in Chromium without a kernel: the table is read and walked, and a row leads to its weight."""

import json
from base64 import b64encode
from dataclasses import replace

import numpy as np
from axe_playwright_python.sync_playwright import Axe

from tests.browser.test_matrix_module import at, canvas_box, pixels_of, put, zoom_in
from tests.browser.test_modules import mount, readout, settle
from tests.views.test_overview import CHOICE, KEYS, Model, finding, hard
from weight_explorer.diagnosis.findings import Findings
from weight_explorer.pictures import colors
from weight_explorer.pictures.heatmap.widget import HeatmapWidget
from weight_explorer.views.choice import OVERVIEW
from weight_explorer.views.overview import overview_view

END = 2**31 - 1
OWN = ("_", "layout", "tabbable", "tooltip")


def state_of(picture):
    panel = HeatmapWidget()
    panel.show(picture, "m / every weight")
    state = {name: value for name, value in panel.get_state().items() if not name.startswith(OWN)}
    return {
        name: {"base64": b64encode(bytes(value)).decode()} if isinstance(value, bytes | memoryview) else value
        for name, value in state.items()
    }


def mount_table(page, picture):
    mount(page, "matrix", **state_of(picture))


def update(page, picture):
    """Give the page another picture."""
    put(page, state_of(picture))


def tell_details(page):
    """Note what a click is said to ask for, for a page that may have to answer by itself."""
    page.evaluate("document.addEventListener('we-asked', event => { window.detail = event.detail; })")


def press(page, *keys):
    page.locator("canvas").focus()
    for key in keys:
        page.keyboard.press(key)


def test_walking_by_keys_reads_weight_record_and_value_and_enter_goes_to_the_weight(page):
    model = Model(*KEYS).train(5)
    picture = model.draw()
    mount_table(page, picture)
    press(page, "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight")
    value = np.float64(f"{picture.values()[1, 2]:.3g}")
    readout(page, f"first / bias, record 2 (epoch 1, batch 2):  update ratio {value:g}"[:60])
    page.keyboard.press("Enter")
    assert page.evaluate("model.state.asked") == KEYS[1]
    assert page.evaluate("asked") == 1
    assert page.evaluate("leaked") == []


def test_a_click_goes_to_the_weight_of_the_row_and_dragging_does_not(page):
    picture = Model(*KEYS).train(5).draw()
    mount_table(page, picture)
    tell_details(page)
    page.mouse.click(*at(page, 300, 36 + 3.5 * 32))
    assert page.evaluate("model.state.asked") == KEYS[3]
    assert page.evaluate("detail") == {"weight": KEYS[3]}
    page.evaluate("model.set('asked', '')")
    page.mouse.move(*at(page, 300, 60))
    page.mouse.down()
    page.mouse.move(*at(page, 320, 70), steps=3)
    page.mouse.up()
    assert page.evaluate("model.state.asked") == ""


def test_zero_and_nan_and_infinite_have_colors_of_their_own_and_what_has_no_value_has_none(page):
    model, found = hard()
    mount_table(page, model.draw(found))
    for color in (colors.EXACT_ZERO, colors.NOT_A_NUMBER, colors.INFINITE):
        assert pixels_of(page, color)[2] > 50
    press(page, "ArrowDown")
    readout(page, "first / kernel, record 0 (start):  update ratio no value")


def test_what_was_found_of_a_weight_is_read_below_its_value(page):
    model = Model(*KEYS).train(5)
    found = Findings([finding(KEYS[0]), finding(KEYS[0], "note")])
    mount_table(page, model.draw(found))
    press(page, "ArrowDown", "ArrowRight")
    readout(page, f"Something is odd with {KEYS[0]}. (and 1 more)")
    press(page, "ArrowDown")
    readout(page, "first / bias")
    assert "odd" not in page.locator(".we-matrix-readout").text_content()


def test_a_table_that_grows_stays_where_it_was_looked_at_with_the_cursor_in_it(page):
    model = Model(*KEYS).train(40)
    mount_table(page, model.draw())
    press(page, "ArrowDown", "ArrowDown", "ArrowRight")
    readout(page, "first / bias, record 1 ")
    update(page, model.train(5).draw())
    readout(page, "first / bias, record 1 ")
    assert page.get_by_role("button", name="show all").is_disabled()  # all of it is looked at, the new records too
    zoom_in(page, 350, 100, 10)
    page.wait_for_function("model.saved.length > 0")
    page.mouse.move(*at(page, 300, 60))
    settle(page)
    words = page.locator(".we-matrix-readout").text_content()
    update(page, model.train(5).draw())
    settle(page)
    assert page.locator(".we-matrix-readout").text_content() == words


def test_nothing_jumps_while_records_come(page):
    model = Model(*KEYS).train(3)
    mount_table(page, model.draw())
    before = canvas_box(page)
    frame = page.evaluate("document.querySelector('.we-matrix-foot').getBoundingClientRect().top")
    update(page, model.train(7).draw(Findings([finding(KEYS[0])])))
    settle(page)
    assert canvas_box(page) == before
    assert page.evaluate("document.querySelector('.we-matrix-foot').getBoundingClientRect().top") == frame


def test_the_end_of_a_growing_table_is_asked_for_as_its_end(page):
    model = Model(*KEYS, shape=(2,)).train(1200)
    picture = model.draw()
    mount_table(page, picture)
    press(page, "ArrowDown")
    zoom_in(page, 400, 60, 3)
    page.wait_for_function("model.saved.length > 0")
    page.evaluate("model.set('viewport', '')")
    page.mouse.move(*at(page, 400, 60))
    page.mouse.down()
    page.mouse.move(*at(page, -900, 60), steps=3)
    page.mouse.up()
    page.evaluate("model.set('viewport', '')")
    page.wait_for_function("model.saved.length > 1 && JSON.parse(model.saved.at(-1).window)[1][3] > 1e9")
    key, (top, bottom, left, _) = json.loads(page.evaluate("model.saved.at(-1).window"))
    assert key == OVERVIEW
    drawn = overview_view.draw(
        model.catalog, model.history.snapshot(), replace(CHOICE, viewport=(key, (top, bottom, left, END))), Findings()
    )
    assert drawn.visible.right == 1200
    model.train(3)
    drawn = overview_view.draw(
        model.catalog, model.history.snapshot(), replace(CHOICE, viewport=(key, (top, bottom, left, END))), Findings()
    )
    assert (drawn.visible.left, drawn.visible.right) == (left, 1203)


def test_axe_finds_nothing(page):
    model, found = hard()
    mount_table(page, model.draw(found))
    # As JupyterLab has them: without a theme the browser's own gray is too pale for it.
    page.evaluate("document.body.style.cssText = '--jp-ui-font-color2: #616161; --jp-layout-color1: white'")
    found = Axe().run(page).response["violations"]
    page_rules = {"document-title", "html-has-lang", "landmark-one-main", "region", "page-has-heading-one", "heading-order"}
    assert [rule["id"] for rule in found if rule["id"] not in page_rules] == []
