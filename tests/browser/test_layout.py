"""The parts of the panel in its own grid in Chromium, at many widths: nothing lies on anything else, nothing is cut off."""

import itertools

import pytest

from tests.browser.test_time_module import records, travelling
from weight_explorer.pictures.assets import BUNDLES, read_asset

MODULES = {name: read_asset(f"{name}.js") for name in ("choices", "details", "findings", "status", "time_axis")}
STYLE = "".join(file.read_text() for file in sorted(BUNDLES.glob("*.css")))
VIEWS = ("Matrix", "Filters", "Distribution", "Over time", "Units", "Spectrum", "Compare", "Another")
QUANTITIES = ("Value", "Since start", "Since last record", "Since record 128")
PROBLEM = "'04.keras' is damaged and left out: it ends early, after 3 of 96 KB. Save it again, or delete it. " * 5


def choices(kind, label, names):
    return {"kind": kind, "label": label, "options": [[name, name] for name in names], "selected": names[0]}


NO_FINDINGS = {"heading": "", "counts": "", "is_list": False, "entries": [], "num_more": 0, "more": "explorer.findings"}

# The class of each part's place, and the module that draws it with its state.
PARTS = [
    ("we-head", "status", {"title": "reader", "words": "12 checkpoints", "phase": "checkpoints", "problem": "", "answered": 0}),
    ("we-roles", "choices", choices("tabs", "roles", ["Kernel"])),
    ("we-facts", "details", {"label": "", "sections": [{"kind": "pieces", "pieces": ["(8, 80)", "float32"]}]}),
    ("we-listed", "findings", NO_FINDINGS),
    ("we-views", "choices", choices("tabs", "views", VIEWS)),
    ("we-views", "choices", choices("segments", "quantity", QUANTITIES)),
    ("we-stage", None, {}),
    ("we-numbers", None, {}),
    ("we-words", "details", {"label": "", "sections": [{"kind": "code", "code": "model.get_layer('reader').kernel"}]}),
    ("we-axis", "time_axis", travelling(**records(400, every=90), current=389, selected="389") | {"speed": 2}),
]
HARNESS = """
async ([modules, css, parts, width]) => {
  document.body.innerHTML = `<style>.lm-Widget { position: relative; } ${css}</style>
    <div class="weight-explorer"><div class="we-all"><div class="we-head"></div>
    <div class="we-body"><div class="we-side"></div><div class="we-main"></div></div></div></div>`;
  document.body.style.margin = 0;
  document.querySelector('.weight-explorer').style.width = `${width}px`;
  const decode = value => value?.base64 === undefined ? value
    : new DataView(Uint8Array.from(atob(value.base64), c => c.charCodeAt()).buffer);
  window.models = [];
  for (const [place, name, state] of parts) {
    const listeners = {};
    const values = Object.fromEntries(Object.entries(state).map(([key, value]) => [key, decode(value)]));
    const model = {
      get: key => values[key],
      set: (key, value) => { values[key] = value; (listeners[key] ?? []).forEach(f => f()); },
      save_changes: () => {},
      on: (names, f) => names.split(' ').forEach(n => (listeners[n.slice(7)] ??= []).push(f)),
      off: () => {},
    };
    models.push(model);
    const main = document.querySelector('.we-main');
    const isBox = ['we-head', 'we-roles', 'we-views'].includes(place);
    const box = document.querySelector(`.${place}`) ?? main.appendChild(document.createElement('div'));
    box.classList.add(place, 'lm-Widget'); // as JupyterLab has them

    const el = isBox ? box.appendChild(document.createElement('div')) : box;
    if (!name) continue;
    const url = URL.createObjectURL(new Blob([modules[name]], {type: 'text/javascript'}));
    (await import(url)).default.render({ model, el });
  }
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
}
"""
WIDTHS = (380, 500, 560, 600, 640, 720, 800, 801, 900, 965, 1000, 1140, 1141, 1300, 1500)
PLACES = ("we-roles", "we-facts", "we-views", "we-stage", "we-words", "we-axis")


def mount(page, width):
    page.goto("about:blank")
    page.set_viewport_size({"width": 1600, "height": 1300})
    page.evaluate(HARNESS, [MODULES, STYLE, PARTS, width])


def box(page, selector):
    return page.evaluate(
        "selector => { const {x, y, width, height, right, bottom} = document.querySelector(selector).getBoundingClientRect();"
        " return {x, y, width, height, right, bottom}; }",
        selector,
    )


def offers(page, number):
    """Offer the first few quantities."""
    quantity = "models.find(model => model.get('label') === 'quantity')"
    page.evaluate(f"options => {quantity}.set('options', options)", [[name, name] for name in QUANTITIES[:number]])


@pytest.mark.parametrize("width", WIDTHS)
def test_each_part_stands_below_the_one_before_and_shows_all_it_holds(page, width):
    mount(page, width)
    boxes = [box(page, f".{name}") for name in PLACES]
    for above, below in itertools.pairwise(boxes):
        assert below["y"] >= above["bottom"] - 0.5
    assert boxes[-1]["bottom"] <= box(page, ".we-main")["bottom"] - 8
    assert box(page, ".we-stage")["height"] >= 250
    for name in ("we-axis", "we-views"):
        assert page.evaluate(
            "name => { const e = document.querySelector(name); return e.scrollHeight <= e.clientHeight; }", f".{name}"
        )
    code, row = box(page, ".we-code"), box(page, ".we-time-row")
    assert row["y"] >= code["bottom"]


@pytest.mark.parametrize("width", [width for width in WIDTHS if width >= 600])
def test_eight_views_and_four_quantities_can_all_be_seen(page, width):
    mount(page, width)
    views = page.get_by_role("tablist", name="views")
    assert views.evaluate("list => list.scrollWidth <= list.clientWidth")
    room = box(page, ".we-views")
    segments, menu = page.get_by_role("radiogroup", name="quantity"), page.get_by_role("combobox", name="quantity")
    assert segments.count() + menu.count() == 1
    shown = (segments if segments.count() else menu).bounding_box()
    assert room["x"] <= shown["x"]
    assert shown["x"] + shown["width"] <= room["right"] + 0.5
    assert shown["y"] + shown["height"] <= room["bottom"]
    assert shown["x"] >= box(page, ".we-views .we-choices-tabs")["right"] or shown["y"] >= room["y"] + 36
    if segments.count():
        assert segments.evaluate("list => list.scrollWidth <= list.clientWidth")


@pytest.mark.parametrize("width", WIDTHS)
def test_one_quantity_more_moves_nothing(page, width):
    mount(page, width)
    before = [box(page, f".{name}") for name in PLACES]
    for number in (3, 4):
        offers(page, number)
        assert [box(page, f".{name}") for name in PLACES] == before


def test_segments_that_do_not_fit_any_more_become_a_menu_and_back(page):
    mount(page, 1180)
    segments, menu = page.get_by_role("radiogroup", name="quantity"), page.get_by_role("combobox", name="quantity")
    offers(page, 2)
    assert (segments.count(), menu.count()) == (1, 0)
    offers(page, 4)
    menu.select_option("Since start")
    chosen = "models.find(model => model.get('label') === 'quantity').get('selected')"
    assert page.evaluate(chosen) == "Since start"
    page.evaluate("document.querySelector('.weight-explorer').style.width = '600px'")
    page.get_by_role("radio", name="Since start", checked=True).wait_for()
    assert menu.count() == 0


@pytest.mark.parametrize("width", [380, 640])
def test_in_a_narrow_head_a_long_name_ends_before_the_buttons_and_where_the_training_stands_has_a_line_of_its_own(page, width):
    mount(page, width)
    height = box(page, ".we-head")["height"]
    status = {"title": "model_" * 30, "words": "live · epoch 2 of 200 · " * 5, "orders": ["pause", "stop"]}
    page.evaluate("status => Object.entries(status).forEach(([name, value]) => models[0].set(name, value))", status)
    title, words, orders = (box(page, f".we-status-{part}") for part in ("title", "words", "orders"))
    assert title["right"] < orders["x"]
    assert words["y"] >= title["bottom"]
    assert words["width"] > 0.9 * (orders["right"] - title["x"])
    assert box(page, ".we-head")["height"] == height
    page.evaluate("models[0].set('orders', [])")
    dot, words = (box(page, f".we-status-{part}") for part in ("dot", "words"))
    assert dot["right"] < words["x"]
    assert words["y"] < dot["y"] < words["bottom"]


@pytest.mark.parametrize("width", [380, 640, 1300])
def test_a_problem_has_a_line_of_its_own_and_takes_nothing_from_the_others(page, width):
    mount(page, width)
    parts = (".we-status-title", ".we-status-words")
    before = [box(page, part) for part in parts]
    height = box(page, ".we-head")["height"]
    page.evaluate("problem => { models[0].set('problem', problem); }", PROBLEM)
    assert [box(page, part) for part in parts] == before
    alert = page.get_by_role("alert")
    assert (alert.text_content(), alert.get_attribute("title")) == (PROBLEM, PROBLEM)
    assert alert.bounding_box()["y"] >= before[0]["bottom"]
    assert box(page, ".we-head")["height"] == height + 40
    page.evaluate("models[0].set('problem', '')")
    assert box(page, ".we-head")["height"] == height
