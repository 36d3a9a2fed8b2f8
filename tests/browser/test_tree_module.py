"""Bars and marks of the layer tree in Chromium, with a stand-in for the model: what they say, and that nothing moves."""

import math

import numpy as np
import pytest

from tests.browser.test_modules import ROWS, STILL, base64, mount, row

BOXES = """() => [...document.querySelectorAll('.we-tree-row, .we-tree-row > *')].map(e => {
    const {x, y, width, height} = e.getBoundingClientRect(); return [x, y, width, height].join(); })"""


def activity(ratios, largest, troubles, *, since=11, estimated=()):
    """What the page gets: of every row a ratio, a weight, and a severity."""
    is_estimated = np.zeros(len(ratios), bool)
    is_estimated[list(estimated)] = True
    return {
        "since": since,
        "ratios": base64(np.array(ratios, np.float32)),
        "largest": base64(np.array(largest, np.int32)),
        "estimated": base64(is_estimated),
        "troubles": base64(np.array(troubles, np.int8)),
    }


WEIGHTS = ["m/encoder/kernel", "m/dense/kernel", "m/dense/<b>bias</b>"]
NAN = math.nan
MOVING = activity([0.1, 0.1, 0.1, 1e-3, 0.0, NAN], [0, 0, 0, 0, 1, -1], [0, -1, -1, 1, 2, -1], estimated=[3])
SEND = """changes => { for (const [name, value] of Object.entries(changes))
    model.state[name] = value.base64 === undefined ? value
      : new DataView(Uint8Array.from(atob(value.base64), c => c.charCodeAt()).buffer);
  for (const name of Object.keys(changes)) model.set(name, model.state[name]); }"""


def send(page, state):
    page.evaluate(SEND, state)


@pytest.fixture
def tree(page):
    mount(page, "tree", rows=ROWS, selected="m/dense", folded=[], filter="", **STILL | {"weights": WEIGHTS})
    return page


def bars(page):
    """How long the bar of each row is, as a share of its ground; None where there is none."""
    return page.evaluate(
        """() => [...document.querySelectorAll('.we-tree-row')].map(row => {
          const bar = row.querySelector('.we-tree-bar'), fill = bar.firstChild;
          return bar.dataset.length ? fill.getBoundingClientRect().width / bar.getBoundingClientRect().width : null; })"""
    )


def test_bars_are_logarithmic_from_a_millionth_to_one(tree):
    assert bars(tree) == [None] * 6
    send(tree, activity([1, 5, 1e-3, 1e-6, 1e-9, 0], [0] * 6, [-1] * 6))
    assert bars(tree) == pytest.approx([1, 1, 0.5, 0.04, 0.04, 0], abs=0.01)
    send(tree, activity([math.inf, NAN, 0.1, 0.01, 1e-4, 1e-5], [0] * 6, [-1] * 6))
    assert bars(tree) == [1, None, *(pytest.approx(share, abs=0.01) for share in (5 / 6, 4 / 6, 2 / 6, 1 / 6))]


def test_nothing_moves_and_no_row_is_made_anew_when_bars_and_marks_come_and_go(tree):
    tree.evaluate("document.querySelectorAll('.we-tree-row').forEach((row, i) => { row.known = i; })")
    before = tree.evaluate(BOXES)
    fills = "[...document.querySelectorAll('.we-tree-fill')].map(fill => fill.style.transform)"
    for state in (MOVING, activity([1] * 6, [2] * 6, [0] * 6), activity([NAN] * 6, [-1] * 6, [-1] * 6, since=-1)):
        send(tree, state)
        assert tree.evaluate(BOXES) == before
        assert tree.evaluate("[...document.querySelectorAll('.we-tree-row')].map(row => row.known)") == list(range(6))
    assert len(set(tree.evaluate(fills))) == 1


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (0, "update ratio 0.100 since record 11: m/encoder/kernel"),
        (3, "update ratio ≈ 0.00100 since record 11: m/encoder/kernel"),
        (4, "nothing moved since record 11"),
        (5, ""),
    ],
    ids=["moved", "estimated", "still", "no weights"],
)
def test_the_title_of_a_bar_gives_the_number_and_the_weight(tree, place, words):
    send(tree, MOVING)
    tree.locator(".we-tree-row").nth(place).hover()
    assert tree.locator(".we-tree-bar").nth(place).get_attribute("title") == words
    assert (tree.locator(".we-tree-row").nth(place).get_attribute("aria-description") or "") == words


def test_who_walks_by_keys_hears_the_number_as_well(tree):
    send(tree, MOVING)
    tree.get_by_role("treeitem", name="dense").focus()
    tree.keyboard.press("ArrowUp")
    item = tree.get_by_role("treeitem", name="backward")
    assert item.get_attribute("aria-description") == "update ratio ≈ 0.00100 since record 11: m/encoder/kernel"


def test_marks_differ_by_shape_and_are_said_in_the_rows_name(tree):
    send(tree, MOVING)
    labels = tree.evaluate("[...document.querySelectorAll('.we-tree-row')].map(row => row.getAttribute('aria-label'))")
    assert labels == [
        "m, Sequential, 3 parameters, has an error",
        "encoder, Bidirectional, 3 parameters",
        "forward, LSTM, 3 parameters",
        "backward, LSTM, 3 parameters, has a warning",
        "dense, Dense, 3 parameters, frozen, has a note",
        "drop, Dropout, 3 parameters",
    ]
    shapes = "[...document.querySelectorAll('.we-tree-trouble')].map(e => getComputedStyle(e, '::before').content)"
    assert tree.evaluate(shapes) == ['"×"', "none", "none", '"▲"', '"i"', "none"]
    assert tree.locator(".we-tree-trouble").nth(3).get_attribute("title") == "warning, here or below"
    send(tree, activity([NAN] * 6, [-1] * 6, [-1] * 6))
    assert tree.get_by_role("treeitem", name="m, Sequential, 3 parameters", exact=True).count() == 1


def test_rows_that_are_drawn_later_have_their_bars(tree):
    tree.evaluate("model.set('folded', ['m/encoder'])")
    send(tree, MOVING)
    assert bars(tree) == [pytest.approx(5 / 6, abs=0.01), pytest.approx(5 / 6, abs=0.01), 0, None]
    tree.evaluate("model.set('folded', [])")
    assert bars(tree)[3] == pytest.approx(0.5, abs=0.01)
    tree.evaluate("again()")
    assert bars(tree)[3] == pytest.approx(0.5, abs=0.01)
    rows = [ROWS[0], row("m/new", 2), *ROWS[1:]]
    tree.evaluate("rows => model.set('rows', rows)", rows)
    send(tree, activity([1] * 7, [0] * 7, [-1] * 7))
    assert bars(tree) == [1] * 7


NUM_LAYERS = 3000
TEXTS = """() => { const list = document.querySelector('.we-tree-list'), box = list.getBoundingClientRect();
  return [...document.querySelectorAll('.we-tree-row')].filter(row => {
    const { top, bottom } = row.getBoundingClientRect(); return top >= box.top - 1 && bottom <= box.bottom + 1;
  }).map(row => row.querySelector('.we-tree-name').textContent); }"""


@pytest.fixture
def large(page):
    """A tree of three thousand layers, of which twenty or so are in sight."""
    rows = [row("m", 1, parent=True), *(row(f"m/layer_{i}", 2) for i in range(NUM_LAYERS - 1))]
    mount(page, "tree", rows=rows, selected="m", folded=[], filter="", **STILL | {"weights": WEIGHTS})
    return page


def scroll_to(page, top):
    """Scroll the list, and return when the next frame is drawn."""
    page.evaluate(
        """top => { document.querySelector('.we-tree-list').scrollTop = top;
             return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))); }""",
        top,
    )


@pytest.mark.parametrize("top", [0, 17, 24 * 1500, 24 * 1500 + 11, 10**6])
def test_wherever_the_list_is_scrolled_to_it_is_full_of_its_rows(large, top):
    scroll_to(large, top)
    list_height, scrolled = large.evaluate(
        "() => { const list = document.querySelector('.we-tree-list'); return [list.clientHeight, list.scrollTop]; }"
    )
    seen = large.evaluate(TEXTS)
    first = math.ceil(scrolled / 24 - 0.05)
    names = ["m", *(f"layer_{i}" for i in range(NUM_LAYERS - 1))]
    assert seen == names[first : first + len(seen)]
    assert len(seen) >= math.floor(list_height / 24) - 1
    assert large.locator(".we-tree-row").count() < 250


def test_a_row_that_has_the_focus_keeps_it_out_of_sight_and_is_walked_on_from(large):
    large.get_by_role("treeitem", name="layer_3,").focus()
    scroll_to(large, 24 * 2000)
    assert large.evaluate("document.activeElement.dataset.path") == "m/layer_3"
    assert "layer_3" not in large.evaluate(TEXTS)
    large.keyboard.press("ArrowDown")
    assert large.evaluate("document.activeElement.dataset.path") == "m/layer_4"
    assert "layer_4" in large.evaluate(TEXTS)


def test_a_layer_that_is_selected_elsewhere_comes_into_sight(large):
    large.evaluate("model.set('selected', 'm/layer_2500')")
    assert "layer_2500" in large.evaluate(TEXTS)
    assert large.locator('[role="treeitem"][aria-selected="true"]').get_attribute("data-path") == "m/layer_2500"


def test_a_tree_that_is_taken_out_of_the_page_and_put_back_shows_its_rows(large):
    scroll_to(large, 24 * 1000)
    before = large.evaluate(TEXTS)
    assert "layer_1001" in before
    for frames_away in (0, 3):
        large.evaluate(
            """async frames => { const tree = document.querySelector('.we-tree'), home = tree.parentNode;
                 const frame = () => new Promise(requestAnimationFrame);
                 tree.remove();
                 for (let i = 0; i < frames; i++) await frame();
                 home.append(tree);
                 for (let i = 0; i < 3; i++) await frame(); }""",
            frames_away,
        )
        assert large.evaluate(TEXTS) == before
    hidden = "[...document.querySelectorAll('.we-tree-row')].filter(e => !e.checkVisibility({ contentVisibilityAuto: true }))"
    assert large.evaluate(f"{hidden}.length") == 0


def test_thousands_of_rows_are_opened_and_brought_up_to_date_at_once(page):
    rows = [row("m", 1, parent=True), *(row(f"m/layer_{i}", 2) for i in range(NUM_LAYERS - 1))]
    mount(page, "tree", rows=rows, selected="m", folded=["m"], filter="", **STILL | {"weights": WEIGHTS})
    opened = page.evaluate("() => { const t = performance.now(); model.set('folded', []); "
                           "document.body.offsetHeight; return performance.now() - t; }")  # fmt: skip
    assert opened < 200
    random = np.random.default_rng(1)
    times = []
    for _ in range(5):
        ratios = 10 ** random.uniform(-6, 0, NUM_LAYERS)
        send(page, activity(ratios, [0] * NUM_LAYERS, random.integers(-1, 3, NUM_LAYERS)))
        times.append(
            page.evaluate("() => { const t = performance.now(); model.set('update_ratios', model.state.ratios); "
                          "document.body.offsetHeight; return performance.now() - t; }")
        )  # fmt: skip
    assert min(times) < 16
    shares = 1 + np.log10(ratios) / 6
    assert bars(page) == pytest.approx(np.maximum(shares, 0.04)[: len(bars(page))].tolist(), abs=0.01)
    scroll_to(page, 10**6)
    assert bars(page)[-1] == pytest.approx(max(shares[-1], 0.04), abs=0.01)
