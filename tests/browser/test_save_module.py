"""The menu that saves, alone in Chromium: what it asks for, what it does with what comes, and its keys."""

import re

import pytest

from tests.browser.test_modules import mount

DELIVER = """
([fields, text]) => {
  const order = window.model.sent.at(-1)?.order;
  const buffer = new DataView(new TextEncoder().encode(text).buffer);
  for (const f of window.model.heard) f({order, ...fields}, text === null ? [] : [buffer]);
}
"""


@pytest.fixture
def menu(page):
    mount(page, "save")
    # The module talks by messages, which the stand-in for the model does not know.
    page.evaluate(
        """() => {
          window.cleanup();
          Object.assign(window.model, { sent: [], heard: [], send: message => window.model.sent.push(message) });
          const on = window.model.on, off = window.model.off;
          window.model.on = (name, f) => name === 'msg:custom' ? window.model.heard.push(f) : on(name, f);
          window.model.off = (name, f) => {
            if (name === 'msg:custom') window.model.heard = window.model.heard.filter(g => g !== f); else off(name, f); };
          window.again();
        }"""
    )
    return page


def open_menu(page):
    page.get_by_role("button", name="Save the picture").click()
    page.get_by_role("button", name="picture as PNG").wait_for()


def deliver(page, text, **fields):
    page.evaluate(DELIVER, [fields, text])


def focused(page):
    return page.evaluate("document.activeElement.textContent")


def is_open(page):
    return page.get_by_role("dialog", name="save the picture").is_visible()


def test_a_click_asks_the_kernel_and_what_it_sends_is_downloaded(menu):
    open_menu(menu)
    menu.get_by_role("button", name="numbers as CSV").click()
    assert [message["format"] for message in menu.evaluate("window.model.sent")] == ["csv"]
    assert menu.evaluate("window.asked") == 1
    with menu.expect_download() as download:
        deliver(menu, '"a","b"\n1,2\n', format="csv", name="small_hidden.csv", mime="text/csv")
    assert download.value.suggested_filename == "small_hidden.csv"
    assert download.value.path().read_text() == '"a","b"\n1,2\n'
    assert not is_open(menu)


def test_code_is_shown_in_place_and_copied(menu):
    open_menu(menu)
    menu.get_by_role("button", name="as code").click()
    code = 'values = model.get_layer("<b>")\n'
    deliver(menu, code, format="code", name="small.py", mime="text/x-python")
    assert menu.get_by_role("region", name="code of this picture").text_content() == code
    assert menu.locator("b").count() == 0
    assert focused(menu) == "copy"
    menu.keyboard.press("Enter")
    menu.get_by_role("button", name=re.compile("copied|selected")).wait_for()
    with menu.expect_download() as download:
        menu.get_by_role("button", name="save as .py").click()
    assert download.value.suggested_filename == "small.py"


def test_keys_open_walk_and_close_it_and_leave_nothing_to_the_notebook(menu):
    menu.get_by_role("button", name="Save the picture").focus()
    menu.keyboard.press("Enter")
    menu.wait_for_function("document.activeElement.textContent === 'picture as PNG'")
    for key, words in [("ArrowDown", "picture as SVG"), ("ArrowDown", "numbers as CSV"), ("Tab", "as code"),
                       ("ArrowDown", "picture as PNG"), ("ArrowUp", "as code")]:  # fmt: skip
        menu.keyboard.press(key)
        assert focused(menu) == words
    menu.keyboard.press("Escape")
    menu.wait_for_function("document.activeElement.textContent.startsWith('Save')")
    assert not is_open(menu)
    assert menu.get_by_role("button", name="Save the picture").get_attribute("aria-expanded") == "false"
    assert menu.evaluate("window.leaked") == []


def test_a_file_that_another_display_asked_for_is_not_taken(menu):
    open_menu(menu)
    menu.get_by_role("button", name="picture as PNG").click()
    deliver(menu, "theirs", order="another", format="code", name="x.py", mime="text/x-python")
    assert menu.get_by_role("region", name="code of this picture").count() == 0
    with menu.expect_download() as download:
        deliver(menu, "ours", format="png", name="x.png", mime="image/png")
    assert download.value.path().read_text() == "ours"


def test_what_cannot_be_saved_says_why(menu):
    open_menu(menu)
    menu.get_by_role("button", name="picture as PNG").click()
    deliver(menu, None, format="png", problem="There is no picture to save.")
    assert menu.get_by_role("status").text_content() == "There is no picture to save."
    assert is_open(menu)


@pytest.mark.parametrize(("left", "top"), [(0, 0), (1300, 0), (0, 940), (1300, 940)], ids=str)
def test_it_opens_within_the_page_wherever_it_stands(menu, left, top):
    menu.evaluate(
        f"document.getElementById('host').style.cssText = 'position: fixed; left: {left}px; top: {top}px; width: 80px'"
    )
    open_menu(menu)
    menu.get_by_role("button", name="as code").click()
    deliver(menu, "x = 1\n" * 200, format="code", name="x.py", mime="text/x-python")
    box = menu.get_by_role("dialog", name="save the picture").bounding_box()
    assert min(box["x"], box["y"]) >= 0
    assert box["x"] + box["width"] <= 1500
    assert box["y"] + box["height"] <= 1000


def test_a_display_that_is_taken_away_listens_no_more(menu):
    menu.evaluate("window.cleanup()")
    assert menu.evaluate("window.model.heard.length") == 0
