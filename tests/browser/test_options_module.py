"""The row of options alone in Chromium: menus, switches and sliders ask, and stay in hand through updates."""

import pytest

from tests.browser.test_modules import mount

SORT = {"name": "sort", "label": "sort by", "kind": "menu", "count": 0, "chosen": "index",
        "offers": [["index", "number"], ["norm", "norm"], ["<b>", "<b>bold</b>"]]}  # fmt: skip
COMMON = {"name": "common", "label": "common scale", "kind": "switch", "count": 0, "chosen": "off",
          "offers": [["off", "off"], ["on", "on"]]}  # fmt: skip
CHANNEL = {"name": "channel", "label": "channel", "kind": "slider", "count": 12, "chosen": "3", "offers": []}
ALL = [SORT, COMMON, CHANNEL]


@pytest.fixture
def row(page):
    mount(page, "options", view="filters", options=ALL, asked="")
    return page


def asked(page):
    return page.evaluate("window.model.saved.map(state => state.asked)")


def update(page, *options):
    page.evaluate("options => window.model.set('options', options)", list(options))


def test_every_option_has_its_name_and_what_is_chosen(row):
    assert row.get_by_role("combobox", name="sort by").input_value() == "index"
    assert not row.get_by_role("checkbox", name="common scale").is_checked()
    slider = row.get_by_role("slider", name="channel")
    assert (slider.input_value(), slider.get_attribute("min"), slider.get_attribute("max")) == ("3", "0", "11")
    assert row.get_by_role("group", name="options of the view").count() == 1


def test_options_ask_by_view_and_name_and_say_that_they_asked(row):
    row.get_by_role("combobox", name="sort by").select_option("norm")
    row.get_by_role("checkbox", name="common scale").check()
    row.get_by_role("checkbox", name="common scale").uncheck()
    row.get_by_role("slider", name="channel").press("ArrowRight")
    assert asked(row) == ["filters.sort=norm", "filters.common=on", "filters.common=off", "filters.channel=4"]
    assert row.evaluate("window.asked") == 4


def test_labels_are_text_and_never_markup(row):
    assert row.locator("b").count() == 0
    assert "<b>bold</b>" in row.get_by_role("combobox").text_content()


def test_an_update_leaves_an_open_menu_and_the_focus_as_they_are(row):
    menu = row.get_by_role("combobox", name="sort by")
    menu.focus()
    row.evaluate("() => { window.before = [document.activeElement, ...document.activeElement.options]; }")
    update(row, SORT, COMMON | {"chosen": "on"}, CHANNEL | {"count": 20})
    assert row.evaluate("window.before.every((node, i, all) => node === [document.activeElement, ...all[0].options][i])")
    assert row.get_by_role("checkbox").is_checked()
    assert row.get_by_role("slider").get_attribute("max") == "19"


def test_other_offers_are_taken_over_and_what_is_chosen_is_shown(row):
    update(
        row, SORT | {"offers": [["mean", "mean"], ["norm", "norm"]], "chosen": "norm"}, CHANNEL | {"count": 2, "chosen": "1"}
    )
    assert row.get_by_role("combobox").locator("option").all_text_contents() == ["mean", "norm"]
    assert row.get_by_role("combobox").input_value() == "norm"
    assert row.get_by_role("slider").input_value() == "1"
    assert row.get_by_role("checkbox").count() == 0


def test_a_slider_in_hand_stays_where_the_hand_is(row):
    """While it is dragged the kernel still answers places that it has left."""
    slider = row.get_by_role("slider", name="channel")
    box = slider.bounding_box()
    row.mouse.move(box["x"] + 30, box["y"] + box["height"] / 2)
    row.mouse.down()
    row.mouse.move(box["x"] + 100, box["y"] + box["height"] / 2)
    there = slider.input_value()
    update(row, SORT, COMMON, CHANNEL | {"chosen": "0"})
    assert slider.input_value() == there
    row.mouse.up()
    update(row, SORT, COMMON, CHANNEL | {"chosen": "7"})
    assert slider.input_value() == "7"


def test_each_view_has_options_of_its_own_though_they_are_named_alike(row):
    row.evaluate(
        "options => { window.model.state.view = 'matrix'; window.model.set('options', options); }", [SORT | {"chosen": "norm"}]
    )
    row.get_by_role("combobox").select_option("index")
    assert asked(row) == ["matrix.sort=index"]


def test_no_key_leaves_the_row(row):
    for role in ("combobox", "checkbox", "slider"):
        row.get_by_role(role).focus()
        for key in ("d", "x", "ArrowDown", "Escape"):
            row.keyboard.press(key)
    assert row.evaluate("window.leaked") == []


def test_all_options_are_reached_by_tab(row):
    row.locator("#before").focus()
    reached = []
    for _ in ALL:
        row.keyboard.press("Tab")
        reached.append(row.evaluate("document.activeElement.closest('label').querySelector('span').textContent"))
    assert reached == [option["label"] for option in ALL]
