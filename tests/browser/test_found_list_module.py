"""The list of all findings, in the panel's own grid in Chromium: in place in the overview, elsewhere behind a button."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.test_layout import PLACES, WIDTHS, box, mount
from tests.browser.test_modules import settle

LIST = "models.find(model => model.get('is_list') !== undefined)"
EVIL = "<img src=x onerror=window.hacked=1>"


def entry(i, places=0, severity="warning", num_more=0):
    others = [[f"other_{i}_{j} / kernel", f"m/other_{i}_{j}/k"] for j in range(places)]
    where = f"layer {i}" + (f" and {places} other layers" if places else "")
    words = f"The kernel of layer {i} does something odd, which takes a few words. " * 2
    return {"severity": severity, "where": where, "sentence": words, "key": f"m/{i}/k", "places": others, "num_more": num_more}


def entries(count, places=0):
    return [entry(i, places) for i in range(count)]


def tell(page, found, *, is_list=False, num_more=0):
    state = {"heading": f"{len(found)} findings: {len(found)} warnings", "counts": f"{len(found)} warnings", "is_list": is_list}
    state |= {"entries": found, "num_more": num_more}
    page.evaluate(f"state => Object.entries(state).forEach(([name, value]) => {LIST}.set(name, value))", state)
    settle(page)


def opener(page):
    return page.get_by_role("button", name="All findings")


def the_list(page):
    return page.get_by_role("region", name="all findings")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_moves_when_findings_come_or_the_list_is_opened_and_its_last_entry_can_be_read(page, width):
    mount(page, width)
    places = [f".{name}" for name in PLACES]
    before = [box(page, place) for place in places]
    assert not opener(page).is_visible()
    tell(page, [entry(i, 5, severity=("error", "warning", "note")[i // 20]) for i in range(60)], num_more=7)
    page.evaluate(f"{LIST}.set('counts', '20 errors, 20 warnings, 20 notes')")
    counts = page.locator(".we-listed-counts")
    assert width < 640 or counts.evaluate("words => words.scrollWidth <= words.clientWidth")
    assert [box(page, place) for place in places] == before
    facts, button = box(page, ".we-facts"), box(page, ".we-listed-all")
    assert facts["y"] <= button["y"] < button["bottom"] <= facts["bottom"]
    assert box(page, ".we-facts .we-pieces")["right"] <= button["x"] < button["right"] <= facts["right"] + 0.5
    opener(page).click()
    assert [box(page, place) for place in places] == before
    shown, main = box(page, ".we-listed-box"), box(page, ".we-main")
    assert button["bottom"] <= shown["y"] < shown["bottom"] <= main["bottom"]
    assert main["x"] <= shown["x"] < shown["right"] <= main["right"]
    last = page.get_by_text("and 7 more: explorer.findings")
    last.scroll_into_view_if_needed()
    x, y = (last.bounding_box()[name] + 4 for name in "xy")
    assert page.evaluate("([x, y]) => document.elementFromPoint(x, y).closest('.we-listed-box') !== null", [x, y])


@pytest.mark.parametrize("width", [640, 1000, 1300])
def test_in_the_overview_the_list_stands_in_the_place_of_the_numbers_and_scrolls_there(page, width):
    mount(page, width)
    place = box(page, ".we-numbers")
    tell(page, entries(30), is_list=True)
    assert not opener(page).is_visible()
    shown = box(page, ".we-listed-box")
    assert (shown["x"], shown["right"], shown["bottom"]) == (place["x"], place["right"], place["bottom"])
    assert place["y"] <= shown["y"]
    page.get_by_role("button", name="layer 0").click(trial=True)  # nothing lies over it
    last = page.get_by_role("button", name="layer 29")
    last.focus()
    assert last.bounding_box()["y"] + last.bounding_box()["height"] <= shown["bottom"] + 0.5
    assert page.evaluate("document.querySelector('.we-main').scrollTop") == 0


def test_a_finding_and_each_of_its_places_lead_to_their_weights_and_the_list_closes(page):
    mount(page, 1300)
    page.evaluate(
        "window.asked = []; window.leaked = 0; document.addEventListener('keydown', () => { leaked += 1; });"
        "document.addEventListener('we-asked', event => asked.push(event.detail.weight))"
    )
    tell(page, entries(2, places=2))
    for name, key in (("layer 1", "m/1/k"), ("other_1_0 / kernel", "m/other_1_0/k")):
        opener(page).press("Enter")
        page.get_by_role("button", name=name).press("Enter")
        assert page.evaluate(f"{LIST}.get('asked')") == key
        assert not the_list(page).is_visible()
        assert page.evaluate("document.activeElement.className").endswith("we-listed-all")
    assert page.evaluate("asked") == ["m/1/k", "m/other_1_0/k"]
    assert page.evaluate("leaked") == 0


def test_the_first_places_are_shown_and_all_of_them_on_request(page):
    mount(page, 1300)
    tell(page, [entry(0, 52, num_more=4)])
    opener(page).click()
    places = the_list(page).locator(".we-places button")
    toggle = page.get_by_role("button", name="show all 57")
    assert (places.count(), toggle.get_attribute("aria-expanded")) == (3, "false")
    toggle.press("Enter")
    assert places.count() == 52
    assert page.get_by_text("and 4 more: explorer.findings").is_visible()
    tell(page, [entry(0, 52, severity="error", num_more=4)])
    assert places.count() == 52
    page.get_by_role("button", name="show fewer").press("Enter")
    assert places.count() == 3
    tell(page, [entry(0, 3)])
    assert not page.get_by_role("button", name="show").is_visible()


def test_escape_closes_the_list_and_the_focus_returns(page):
    mount(page, 1300)
    tell(page, entries(3))
    opener(page).click()
    assert opener(page).get_attribute("aria-expanded") == "true"
    page.get_by_role("button", name="layer 1").focus()
    page.keyboard.press("Escape")
    assert not the_list(page).is_visible()
    assert opener(page).get_attribute("aria-expanded") == "false"
    assert page.evaluate("document.activeElement.className").endswith("we-listed-all")


def test_a_finding_that_stays_keeps_the_focus(page):
    mount(page, 1300)
    tell(page, entries(3))
    opener(page).click()
    page.get_by_role("button", name="layer 1").focus()
    tell(page, [*entries(2), entry("x", severity="error")])
    assert page.evaluate("document.activeElement.dataset.key") == "m/1/k"
    assert the_list(page).is_visible()


def test_the_list_goes_when_nothing_is_found_any_more(page):
    mount(page, 1300)
    tell(page, entries(1))
    opener(page).click()
    tell(page, [])
    page.evaluate(f"{LIST}.set('counts', '')")
    assert not opener(page).is_visible()
    assert not the_list(page).is_visible()


def test_names_are_never_markup(page):
    mount(page, 1300)
    tell(page, [entry(0, 1) | {"where": EVIL, "sentence": EVIL, "places": [[EVIL, EVIL]]}])
    opener(page).click()
    assert the_list(page).get_by_text(EVIL).count() == 3
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("is_list", [True, False], ids=["overview", "elsewhere"])
def test_axe_finds_nothing(page, is_list):
    mount(page, 1300)
    tell(page, entries(12, places=5), is_list=is_list, num_more=2)
    if not is_list:
        opener(page).click()
    # As JupyterLab has them: without a theme the browser's own gray is too pale for it.
    page.evaluate("document.body.style.cssText = '--jp-ui-font-color2: #616161; --jp-layout-color1: white'")
    found = Axe().run(page, context=".we-listed").response["violations"]
    page_rules = {"document-title", "html-has-lang", "landmark-one-main", "region", "page-has-heading-one", "heading-order"}
    assert [rule["id"] for rule in found if rule["id"] not in page_rules] == []
