"""Findings below the picture, in the panel's own grid in Chromium: read in full, and nothing moves or scrolls."""

import pytest

from tests.browser.test_layout import PLACES, box, mount
from tests.browser.test_modules import settle

LONG = "3 of 64 rows of the kernel of hidden did not move at all over 912 batches, those of inputs 0, 32 and 39. " * 4
EVIL = "<img src=x onerror=window.hacked=1>"
TEXT = {"kind": "text", "text": "(64, 16) is 64 inputs by 16 units. " * 12, "tone": "plain"}
CAPTION = {"kind": "text", "text": "The value, at record 20 (epoch 16). " * 12, "tone": "quiet"}
CODE = {"kind": "code", "code": 'model.get_layer("hidden").kernel'}
WORDS = "models.find(model => model.get('sections')?.some(section => section.kind === 'code'))"


def findings(*found, when=""):
    """A section with findings, each of severity, words and, if the same was found elsewhere, the places."""
    return {"kind": "findings", "found": [one(*each) for each in found], "when": when}


def one(severity, words, places=(), more=""):
    elsewhere = f"Also in {len(places)} other layers." if places else ""
    pairs = [[name, f"m/{name}/kernel"] for name in places]
    return {"severity": severity, "words": words, "elsewhere": elsewhere, "places": pairs, "more": more}


def tell(page, section, around=(TEXT, CAPTION)):
    page.evaluate(f"sections => {WORDS}.set('sections', sections)", [*around, section, CODE])
    settle(page)


def button(page):
    return page.locator(".we-findings-more")


@pytest.mark.parametrize("width", [560, 640, 800, 1000, 1141, 1480])
def test_nothing_moves_when_findings_come_and_go_and_all_of_them_can_be_read(page, width):
    mount(page, width)
    tell(page, findings())
    places = (*(f".{name}" for name in PLACES), ".we-words .we-text", ".we-code")
    before = [box(page, place) for place in places]
    tell(page, findings(("error", LONG), ("note", EVIL), when="as of record 12"))
    assert [box(page, place) for place in places] == before
    first, all_of_them = page.locator(".we-finding-first"), page.locator(".we-findings-all")
    assert first.text_content().startswith(f"Error, as of record 12: {LONG[:40]}")
    words, room = box(page, ".we-finding-first"), box(page, ".we-words")
    assert words["height"] >= 20
    assert words["bottom"] <= box(page, ".we-code")["y"]
    assert box(page, ".we-findings")["y"] >= page.locator(".we-words .we-text.we-quiet").first.bounding_box()["y"]
    assert room["x"] <= words["x"] < words["right"] <= room["right"]
    button(page).click()
    assert [box(page, place) for place in places] == before
    assert all_of_them.evaluate("list => list.scrollHeight <= list.clientHeight")
    shown, main = box(page, ".we-findings-all"), box(page, ".we-main")
    assert main["y"] <= shown["y"]
    assert main["x"] <= shown["x"] < shown["right"] <= main["right"]
    for item, words in zip(page.locator(".we-findings-all li").all(), (f"Error, as of record 12: {LONG}", EVIL), strict=True):
        assert words.strip() in item.text_content()
        x, y = (item.bounding_box()[name] + 4 for name in "xy")
        assert page.evaluate("([x, y]) => document.elementFromPoint(x, y).closest('.we-findings-all') !== null", [x, y])
    assert page.locator("img").count() == 0


def test_the_button_says_how_many_more_there_are_and_is_not_there_for_nothing(page):
    mount(page, 1300)
    tell(page, findings())
    assert not page.locator(".we-finding-first").is_visible()
    tell(page, findings(("note", "Short.")))
    assert not button(page).is_visible()
    tell(page, findings(("note", LONG * 3)))
    assert (button(page).text_content(), button(page).get_attribute("aria-expanded")) == ("in full", "false")
    tell(page, findings(("warning", "One."), ("note", "Two."), ("note", "Three.")))
    assert button(page).text_content() == "2 more"
    button(page).click()
    assert (button(page).text_content(), button(page).get_attribute("aria-expanded")) == ("close", "true")
    assert page.locator(".we-findings-all").get_attribute("id") == button(page).get_attribute("aria-controls")


def test_what_is_open_stays_open_through_an_update_and_escape_closes_it(page):
    mount(page, 1300)
    tell(page, findings(("warning", "One."), ("note", "Two.")))
    button(page).press("Enter")
    tell(page, findings(("error", "Another."), ("warning", "One."), ("note", "Two.")))
    assert page.locator(".we-findings-all li").count() == 3
    assert page.evaluate("document.activeElement.className").endswith("we-findings-more")
    page.keyboard.press("Escape")
    assert not page.locator(".we-findings-all").is_visible()
    assert page.evaluate("document.activeElement.className").endswith("we-findings-more")
    assert button(page).text_content() == "2 more"
    button(page).click()
    tell(page, findings())
    assert not page.locator(".we-findings-all").is_visible()
    assert not button(page).is_visible()


def test_listeners_hear_what_is_new_and_not_every_number(page):
    mount(page, 1300)
    tell(page, findings())
    page.evaluate(
        """() => { window.heard = []; const status = document.querySelector('.we-findings [role=status]');
        new MutationObserver(() => heard.push(status.textContent)).observe(status, {childList: true}); }"""
    )
    for number in range(5):
        tell(page, findings(("warning", f"It moved {number} times."), ("note", "Two."), when=f"as of record {number}"))
    tell(page, findings(("error", "NaN."), ("warning", "It moved."), ("note", "Two."), ("note", "Three.")))
    tell(page, findings())
    assert page.evaluate("heard") == ["1 warning, 1 note", "1 error, 1 warning, 2 notes", ""]
    assert page.get_by_role("status").locator("visible=true").count() == 1


LAYERS = [f"dense_{i}" for i in range(120)]


def test_other_places_are_one_click_away_scroll_by_themselves_and_each_leads_to_its_weight(page):
    mount(page, 1300)
    tell(page, findings(("warning", "It did not move.", LAYERS, "and 3 more: explorer.findings")))
    first = page.locator(".we-finding-first")
    assert first.text_content() == "Warning: It did not move. Also in 120 other layers."
    assert button(page).text_content() == "where else"
    button(page).click()
    places = page.locator(".we-findings-all .we-places")
    assert places.evaluate("list => list.scrollHeight > list.clientHeight && list.clientHeight <= 160")
    assert page.locator(".we-findings-all").evaluate("list => list.scrollHeight <= list.clientHeight")
    assert page.get_by_text("and 3 more: explorer.findings").is_visible()
    page.evaluate("document.addEventListener('we-asked', event => { window.detail = event.detail; })")
    page.get_by_role("button", name="dense_119").press("Enter")
    assert page.evaluate(f"{WORDS}.get('asked')") == "m/dense_119/kernel"
    assert page.evaluate("detail") == {"weight": "m/dense_119/kernel"}
    assert not page.locator(".we-findings-all").is_visible()
    assert page.evaluate("document.activeElement.className").endswith("we-findings-more")


def test_of_several_findings_the_places_are_folded_and_opened_by_keys(page):
    mount(page, 1300)
    tell(page, findings(("warning", "One.", LAYERS[:3]), ("note", "Two.")))
    button(page).click()
    assert page.locator("summary").filter(visible=True).all_text_contents() == ["Also in 3 other layers."]
    assert not page.get_by_role("button", name="dense_0").is_visible()
    page.locator("summary").first.press("Enter")
    page.get_by_role("button", name="dense_0").wait_for()
    page.get_by_role("button", name="dense_1").focus()
    tell(page, findings(("warning", "One more.", LAYERS[:3]), ("note", "Two."), when="as of record 9"))
    assert page.evaluate("document.activeElement.dataset.key") == "m/dense_1/kernel"
    assert "as of record 9: One more." in page.locator(".we-findings-all li").first.text_content()


def test_names_of_places_are_never_markup(page):
    mount(page, 1300)
    tell(page, findings(("warning", "One.", [EVIL])))
    button(page).click()
    assert page.get_by_role("button", name=EVIL).is_visible()
    assert page.locator("img").count() == 0
