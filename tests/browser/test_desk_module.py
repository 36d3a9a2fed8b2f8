"""The row of deeds alone in Chromium: what it asks for, what it cannot be asked for and why, and its fixed places."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.test_modules import mount

STATE = {
    "is_open": False, "target": "the kernel", "meant": "all 8 000 elements of <b>kernel</b>", "refusal": "", "undo": "",
    "lab": "away", "view": "", "said": "", "is_refused": False, "answered": "",
}  # fmt: skip


@pytest.fixture
def desk(page):
    mount(page, "edit_toolbar", **STATE)
    page.evaluate(
        """() => {
          window.model.sent = [];
          window.model.send = message => window.model.sent.push(message);
          document.body.style.cssText = 'background: #fff; color: #111';
          document.getElementById('host').setAttribute('style', 'width: 900px; --we-desk: 76px; --we-text: #111;'
            + '--we-quiet: #555;'
            + '--we-field: #fff; --we-ground: #fff; --we-warn: #b00020; --we-accent: #06c; --we-line: #888');
        }"""
    )
    return page


def update(page, **state):
    for name, value in state.items():
        page.evaluate("([name, value]) => window.model.set(name, value)", [name, value])


def sent(page):
    return [(message["deed"], message["target"], message["value"]) for message in page.evaluate("window.model.sent")]


def answer(page, said, *, is_refused=False):
    update(page, said=said, is_refused=is_refused, answered=page.evaluate("window.model.sent.at(-1).id"))


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def open_row(page):
    button(page, "Edit").click()
    page.get_by_role("group", name="change the weight").wait_for()


def test_it_is_closed_until_it_is_asked_for(desk):
    assert button(desk, "Edit").get_attribute("aria-expanded") == "false"
    assert not button(desk, "Freeze").is_visible()
    open_row(desk)
    assert button(desk, "Edit").get_attribute("aria-expanded") == "true"
    assert desk.evaluate("window.model.saved.at(-1).is_open") is True
    assert desk.locator(".we-desk-meant").text_content() == STATE["meant"]
    assert desk.locator("b").count() == 0


def test_every_button_asks_by_keys_and_for_what_was_on_screen(desk):
    open_row(desk)
    update(desk, undo="assigned 1 to all")
    desk.get_by_role("textbox", name="set to").fill("0.5")
    for name in ("Freeze", "Unfreeze", "Set", "Undo"):
        button(desk, name).focus()
        desk.keyboard.press("Enter")
        answer(desk, "done")
    desk.get_by_role("textbox", name="set to").press("Enter")
    asked = [(deed, "the kernel", "0.5") for deed in ("freeze", "unfreeze", "set", "undo", "set")]
    assert sent(desk) == asked
    assert desk.evaluate("window.asked") == 5
    assert desk.evaluate("window.leaked") == []


def test_while_one_order_is_under_way_no_other_is_sent(desk):
    open_row(desk)
    button(desk, "Freeze").dblclick()
    assert desk.get_by_role("status").text_content() == "…"
    assert len(sent(desk)) == 1
    update(desk, said="of another display", answered="another")
    assert desk.get_by_role("status").text_content() == "…"
    answer(desk, "All are frozen.")
    assert desk.get_by_role("status").text_content() == "All are frozen."
    button(desk, "Freeze").click()
    answer(desk, "All are frozen.")  # the same words once more
    assert desk.get_by_role("status").text_content() == "All are frozen."
    assert len(sent(desk)) == 2


def test_a_refusal_looks_like_one(desk):
    open_row(desk)
    button(desk, "Set").click()
    answer(desk, "A training is running.", is_refused=True)
    status = desk.get_by_role("status")
    assert status.text_content() == "A training is running."
    assert status.evaluate("node => getComputedStyle(node).color") == "rgb(176, 0, 32)"
    button(desk, "Freeze").click()
    answer(desk, "All are frozen.")
    assert status.evaluate("node => getComputedStyle(node).color") != "rgb(176, 0, 32)"


def test_undo_says_what_it_would_undo_and_can_be_pressed_only_then(desk):
    open_row(desk)
    undo = button(desk, "Undo")
    assert (undo.get_attribute("aria-disabled"), undo.get_attribute("title")) == ("true", "There is nothing to undo")
    undo.click(force=True)
    assert sent(desk) == []
    update(desk, undo="assigned 0.5 to all of dense/kernel")
    assert undo.get_attribute("aria-disabled") == "false"
    assert undo.get_attribute("title") == "Undo: assigned 0.5 to all of dense/kernel"
    undo.focus()
    update(desk, undo="")
    assert desk.evaluate("document.activeElement.textContent") == "Undo"  # who undoes all stays where they are


def test_where_nothing_can_be_changed_it_says_why_and_stays_closed(desk):
    open_row(desk)
    update(desk, refusal="There is no live model here to change.")
    edit = button(desk, "Edit")
    assert (edit.get_attribute("aria-disabled"), edit.get_attribute("title")) == (
        "true",
        "There is no live model here to change.",
    )
    assert not button(desk, "Freeze").is_visible()
    edit.click(force=True)
    assert not button(desk, "Freeze").is_visible()


def test_initialize_leads_to_the_view_and_there_apply_takes_its_place(desk):
    open_row(desk)
    button(desk, "Initialize …").click()
    assert desk.evaluate("window.model.saved.at(-1).view") == "initializer"
    update(desk, initializer_view="shown")
    assert not button(desk, "Initialize …").is_visible()
    button(desk, "Apply").click()
    assert sent(desk)[-1][0] == "initialize"
    update(desk, initializer_view="")
    assert button(desk, "Initialize …").get_attribute("title") == "Initializers give fractions, which this weight does not hold"


def test_nothing_moves_when_its_words_change(desk):
    open_row(desk)

    def places():
        return desk.evaluate(
            "[...document.querySelectorAll('.we-desk-row, .we-desk-row button:not([hidden]), .we-desk-said')]"
            ".map(node => { const r = node.getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; })"
        )

    before = places()
    answer_words = ["", "short", "long " * 200, "x" * 2000]
    for words in answer_words:
        button(desk, "Freeze").click()
        answer(desk, words)
        update(desk, meant=words or "m")
        assert places() == before


def test_axe_finds_nothing_in_it(desk):
    open_row(desk)
    button(desk, "Set").click()
    answer(desk, "A training is running.", is_refused=True)
    found = Axe().run(desk, context="#host").response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")] == []


def test_it_leaves_nothing_behind(desk):
    desk.evaluate("window.cleanup(); window.again = null")
    update(desk, said="later")
