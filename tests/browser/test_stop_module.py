"""The buttons in the head of the panel: named, by mouse and keyboard, at their places, and wholly to be seen at every width."""

import pytest

from tests.browser.test_modules import mount

LONG = "live · fit 12 · epoch 1234 of 100000, batch 1234 of 12345 · recording costs 12.3 %, 1234 records in 12 min"
HEAD = {"title": "a_model_with_a_long_name · 123 456 789 parameters", "phase": "training", "problem": "", "answered": 0}
LIVE, PAUSED, STOPPING, OVER = ["pause", "stop"], ["resume", "stop"], ["stopping"], []


@pytest.fixture
def head(page):
    mount(page, "status", **HEAD, words=LONG, orders=LIVE, seen=True)
    page.evaluate("() => { window.sent = []; model.send = message => sent.push(message.order); }")
    return page


def show(head, orders):
    head.evaluate("orders => model.set('orders', orders)", orders)


def places(head):
    return head.evaluate(
        """() => ['.we-status-line', ...['1', '2'].map(n => `.we-status-order:nth-child(${n})`)].map(selector => {
            const { left, right, top, bottom } = document.querySelector(selector).getBoundingClientRect();
            return [left, right, top, bottom].map(Math.round); })"""
    )


def test_buttons_send_their_orders_by_mouse_and_keyboard_and_no_key_leaves(head):
    head.get_by_role("button", name="Pause the training when the batch has ended").click()
    show(head, PAUSED)
    head.keyboard.press("Enter")  # the same button, which has the focus still
    head.keyboard.press("Tab")
    head.keyboard.press("Space")
    assert head.evaluate("sent") == ["pause", "resume", "stop"]
    assert head.evaluate("asked") == 3
    for key in ("d", "d", "x", "a"):
        head.keyboard.press(key)
    assert head.evaluate("leaked.filter(key => key !== 'Tab')") == []


def test_stop_is_given_once_and_the_focus_stays_in_the_panel(head):
    head.get_by_role("button", name="Stop").focus()
    show(head, STOPPING)
    stopping = head.get_by_role("button", name="The training stops")
    assert stopping.get_attribute("aria-disabled") == "true"
    stopping.press("Enter")
    stopping.click(force=True)
    assert head.evaluate("sent") == []
    buttons = head.locator("#host").get_by_role("button")
    assert buttons.count() == 1  # there is nothing to pause any more
    show(head, OVER)
    assert buttons.count() == 0
    assert head.evaluate("document.activeElement === document.querySelector('.we-status')")


def test_where_nothing_can_be_asked_there_are_no_buttons(page):
    mount(page, "status", **HEAD, words=LONG, orders=OVER, seen=True)
    assert page.locator("#host").get_by_role("button").count() == 0
    assert page.get_by_role("group").count() == 0


@pytest.mark.parametrize("width", [240, 400, 560, 561, 600, 700, 800, 1000, 1400, 2000])
def test_buttons_are_wholly_to_be_seen_and_nothing_moves(width, head):
    head.set_viewport_size({"width": width + 40, "height": 400})
    head.evaluate("width => { document.getElementById('host').style.width = `${width}px`; }", width)
    first = places(head)
    line, *buttons = first
    for left, right, top, bottom in buttons:
        assert line[0] <= left < right <= line[1]
        assert line[2] <= top
        assert bottom <= line[3]
        assert bottom - top >= 24
    show(head, PAUSED)
    assert places(head) == first
    show(head, STOPPING)
    assert places(head) == first
    show(head, OVER)
    assert places(head)[0] == line
    words = head.locator(".we-status-words").bounding_box()
    assert words["x"] + words["width"] <= line[1] + 1
