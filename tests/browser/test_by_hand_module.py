"""Marks of what was done by hand, on the time axis alone in Chromium."""

import numpy as np
import pytest

from tests.browser.test_time_module import mount, records, slider
from weight_explorer.panel.widgets.record_slider import EDITED, ENDED, OUTSIDE, RESTORED

OUT_OF_SIGHT, AVERAGED = "changed outside of training at epoch 1", "moving average of the weights (use_ema)"
NAMES = ["", "", "assigned 1 to <b>all</b>", "", "restored at epoch 1", "", OUT_OF_SIGHT, AVERAGED]
KINDS = {2: EDITED, 4: RESTORED, 6: OUTSIDE, 7: ENDED}


def by_hand(num=8, names=None, kinds=None):
    arguments = records(num)
    for place, kind in (KINDS if kinds is None else kinds).items():
        arguments["marks"][place] |= kind
    return arguments | {"names": NAMES if names is None else names}


@pytest.fixture
def axis(page):
    mount(page, **by_hand(), current=2, selected="2")
    page.evaluate("model.answers = true")
    yield page
    assert page.errors == []


def marks(page):
    return page.evaluate(
        """[...document.querySelectorAll('#first .we-time-hand path')].map(mark => [
            mark.getAttribute('class'), mark.querySelector('title').textContent,
            Math.round(mark.getBoundingClientRect().x + mark.getBoundingClientRect().width / 2)])"""
    )


def test_each_kind_has_a_shape_a_title_and_its_place(axis):
    found = marks(axis)
    assert [(name, title) for name, title, _ in found] == [
        ("we-time-edited", "assigned 1 to <b>all</b> · record 2"),
        ("we-time-restored", "restored at epoch 1 · record 4"),
        ("we-time-outside", f"{OUT_OF_SIGHT} · record 6"),
        ("we-time-ended", f"{AVERAGED} · record 7"),
    ]
    track = axis.locator("#first .we-time-track").bounding_box()
    expected = [track["x"] + track["width"] * place / 7 for place in KINDS]
    np.testing.assert_allclose([x for _, _, x in found], expected, atol=2)
    shapes = axis.evaluate("[...document.querySelectorAll('#first .we-time-hand path')].map(mark => mark.getAttribute('d'))")
    assert len(set(shapes)) == 4
    assert axis.locator("b").count() == 0


def test_the_words_say_what_was_done_where_the_thumb_is(axis):
    label = axis.locator("#first .we-time-label")
    assert label.get_attribute("title") == "assigned 1 to <b>all</b> · record 2"
    assert slider(axis).get_attribute("aria-valuetext") == "assigned 1 to <b>all</b> · record 2"
    slider(axis).press("ArrowRight")
    axis.clock.run_for(50)
    assert label.get_attribute("title") == "epoch 1, batch 30 · record 3"


def test_a_mark_can_be_clicked_through_to_its_record(axis):
    _, _, x = marks(axis)[1]
    top = axis.locator("#first .we-time-hand path").nth(1).bounding_box()["y"]
    axis.mouse.click(x, top + 4)
    axis.clock.run_for(50)
    assert axis.evaluate("model.state.selected") == "4"


def test_marks_stay_in_the_page_while_records_are_added(axis):
    axis.evaluate("window.mark = document.querySelector('#first .we-time-hand path')")
    axis.evaluate("model.take({ shown: 3, selected: '3' })")
    axis.clock.run_for(50)
    assert axis.evaluate("window.mark.isConnected")


def test_where_there_is_no_room_for_all_the_last_of_each_place_is_there(page):
    kinds = dict.fromkeys(range(1, 2000), EDITED)
    mount(page, **by_hand(2000, [f"edit {i}" if i else "" for i in range(2000)], kinds), current=1999, selected="")
    found = marks(page)
    assert 10 < len(found) < 150
    assert found[-1][1] == "edit 1999 · record 1999"
    assert page.errors == []
