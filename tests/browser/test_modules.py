"""The ES modules alone in Chromium, with a stand-in for the widget's model: roles, names, keys, and what stays as it was."""

from base64 import b64encode

import numpy as np
import pytest

from weight_explorer.catalog.schema import Axis, Block
from weight_explorer.pictures.assets import read_asset
from weight_explorer.pictures.data import MatrixPicture, SpecialCounts
from weight_explorer.pictures.matrix.widget import MatrixWidget

HARNESS = """
async ([code, css, state]) => {
  document.body.innerHTML = '<style></style><button id="before">before</button><div id="host" class="weight-explorer"></div>';
  document.querySelector('style').textContent = css;
  const host = document.getElementById('host');
  host.style.cssText = 'width: 600px; height: 300px';
  const listeners = {};
  const model = {
    state, saved: [],
    get: name => model.state[name],
    set: (name, value) => { model.state[name] = value; (listeners[name] ?? []).forEach(f => f()); },
    save_changes: () => model.saved.push(structuredClone(model.state)),
    on: (names, f) => names.split(' ').forEach(n => (listeners[n.slice(7)] ??= []).push(f)),
    off: (names, f) => names.split(' ').forEach(n => {
      listeners[n.slice(7)] = (listeners[n.slice(7)] ?? []).filter(g => g !== f);
    }),
  };
  for (const [name, value] of Object.entries(state))
    if (value && value.base64 !== undefined)
      state[name] = new DataView(Uint8Array.from(atob(value.base64), c => c.charCodeAt()).buffer);
  const url = URL.createObjectURL(new Blob([code], {type: 'text/javascript'}));
  const module = (await import(url)).default;
  window.model = model;
  window.asked = 0;
  window.leaked = [];
  document.addEventListener('we-asked', () => { window.asked += 1; });
  document.addEventListener('keydown', event => window.leaked.push(event.key));
  window.cleanup = module.render({ model, el: host });
  window.again = () => { window.cleanup(); host.replaceChildren(); window.cleanup = module.render({ model, el: host }); };
}
"""


def mount(page, name, **state):
    page.goto("about:blank")
    page.evaluate(HARNESS, [read_asset(f"{name}.js"), read_asset("status.css") + read_asset(f"{name}.css"), state])
    settle(page)


def settle(page):
    """Wait until what is due is drawn, as who looks before using a mouse or a key."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


# Milliseconds from which on browsers call a task long: what is clicked meanwhile is answered late.
LONG_TASK = 50


def drawing_time(page, name):
    """Milliseconds that it takes to draw what came anew under a name, in the median."""
    times = page.evaluate(
        """async name => {
          const real = window.requestAnimationFrame, times = [];
          window.requestAnimationFrame = draw => real(now => {
            const start = performance.now();
            draw(now);
            times.push(performance.now() - start);
          });
          for (let i = 0; i < 20; i += 1) {
            model.set(name, new DataView(model.state[name].buffer.slice()));
            await new Promise(done => real(done));
          }
          window.requestAnimationFrame = real;
          return times;
        }""",
        name,
    )
    assert len(times) >= 15
    return np.median(times)


def row(path, level, *, parent=False, kind="Dense", marks=()):
    name = path.rpartition("/")[2]
    label = ", ".join([name, kind, "3 parameters", *marks])
    return {
        "path": path, "name": name, "kind": kind, "count": "3", "level": level,
        "parent": parent, "marks": list(marks), "label": label,
    }  # fmt: skip


ROWS = [
    row("m", 1, parent=True, kind="Sequential"),
    row("m/encoder", 2, parent=True, kind="Bidirectional"),
    row("m/encoder/forward", 3, kind="LSTM"),
    row("m/encoder/backward", 3, kind="LSTM"),
    row("m/dense", 2, marks=("frozen",)),
    row("m/drop", 2, kind="Dropout"),
]


# Of a tree of whose weights nothing is known.
STILL = {"weights": [], "since": -1} | {name: {"base64": ""} for name in ("ratios", "largest", "estimated", "troubles")}


@pytest.fixture
def tree(page):
    mount(page, "tree", rows=ROWS, selected="m/dense", folded=[], filter="", **STILL)
    page.get_by_role("treeitem", name="dense").focus()
    return page


def focused(page):
    return page.evaluate("document.activeElement.dataset.path")


def shown(page):
    return page.evaluate("[...document.querySelectorAll('[role=treeitem]')].map(item => item.dataset.path)")


def test_the_tree_is_a_tree_with_levels_names_and_places(tree):
    item = tree.get_by_role("treeitem", name="encoder")
    attributes = ("aria-level", "aria-expanded", "aria-setsize", "aria-posinset", "aria-selected")
    assert [item.get_attribute(name) for name in attributes] == ["2", "true", "3", "1", "false"]
    assert tree.get_by_role("tree").count() == 1
    labels = tree.evaluate("[...document.querySelectorAll('[role=treeitem]')].map(item => item.getAttribute('aria-label'))")
    assert all(label.startswith(entry["name"]) for label, entry in zip(labels, ROWS, strict=True))
    assert labels[4] == "dense, Dense, 3 parameters, frozen"


def test_one_row_only_can_be_tabbed_to(tree):
    assert tree.locator("[role=treeitem][tabindex='0']").count() == 1


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        (["ArrowDown"], "m/drop"),
        (["ArrowUp"], "m/encoder/backward"),
        (["Home"], "m"),
        (["End"], "m/drop"),
        (["Home", "ArrowRight"], "m/encoder"),
        (["ArrowLeft"], "m"),
        (["f"], "m/encoder/forward"),
        (["d"], "m/drop"),
        (["d", "e"], "m/dense"),
        (["Home", "ArrowLeft", "ArrowDown"], "m"),
        (["ArrowDown", "ArrowDown", "ArrowDown"], "m/drop"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_keys_walk_the_tree_and_select(tree, keys, where):
    for key in keys:
        tree.keyboard.press(key)
    assert focused(tree) == where
    assert tree.evaluate("model.state.selected") == where


def test_arrows_fold_and_unfold(tree):
    for key in ("ArrowUp", "ArrowUp", "ArrowUp", "ArrowLeft"):
        tree.keyboard.press(key)
    assert focused(tree) == "m/encoder"
    assert shown(tree) == ["m", "m/encoder", "m/dense", "m/drop"]
    assert tree.evaluate("model.state.folded") == ["m/encoder"]
    tree.keyboard.press("ArrowRight")
    assert shown(tree) == [entry["path"] for entry in ROWS]


def test_no_key_leaves_the_tree(tree):
    for key in ["d", "d", "x", "Enter", " ", "ArrowDown", "Escape", "Delete", "Shift+M"]:
        tree.keyboard.press(key)
    assert tree.evaluate("leaked") == []
    assert tree.locator("[data-lm-suppress-shortcuts=true]").count() == 1


def test_the_browsers_own_shortcuts_are_left_alone(tree):
    # The event is kept and asked afterwards: while it is on its way down nobody has prevented anything yet.
    tree.evaluate("document.addEventListener('keydown', e => { window.last = e; }, true)")
    tree.keyboard.press("ArrowUp")
    assert tree.evaluate("last.defaultPrevented") is True
    for key in ("Control+a", "Control+Home", "Alt+ArrowDown", "Meta+f"):
        tree.keyboard.press(key)
        assert tree.evaluate("last.key") == key.rpartition("+")[2]
        assert tree.evaluate("last.defaultPrevented") is False
    assert focused(tree) == "m/encoder/backward"


def test_what_is_folded_and_focused_stays_through_an_update(tree):
    tree.keyboard.press("ArrowUp")
    tree.evaluate("rows => model.set('rows', rows)", [*ROWS, row("m/new", 2)])
    assert focused(tree) == "m/encoder/backward"
    tree.evaluate("model.set('folded', ['m/encoder'])")
    tree.evaluate("rows => model.set('rows', rows)", ROWS)
    assert shown(tree) == ["m", "m/encoder", "m/dense", "m/drop"]


def test_a_new_view_of_the_same_model_looks_the_same(tree):
    tree.evaluate("model.set('folded', ['m/encoder']); model.set('filter', ''); again()")
    assert shown(tree) == ["m", "m/encoder", "m/dense", "m/drop"]
    assert tree.get_by_role("treeitem", name="dense").get_attribute("aria-selected") == "true"


def test_the_filter_leaves_matches_and_what_is_above_them(tree):
    tree.evaluate("model.set('folded', ['m/encoder'])")
    tree.get_by_role("searchbox", name="filter layers").fill("lstm")
    assert shown(tree) == ["m", "m/encoder", "m/encoder/forward", "m/encoder/backward"]
    tree.get_by_role("searchbox").fill("nothing like it")
    assert tree.get_by_text("no layer matches").is_visible()
    tree.get_by_role("searchbox").press("Escape")
    assert shown(tree) == ["m", "m/encoder", "m/dense", "m/drop"]


def test_a_click_selects_and_asks_the_kernel_and_a_click_on_the_arrow_only_folds(tree):
    tree.get_by_role("treeitem", name="drop").click()
    assert tree.evaluate("[model.state.selected, asked]") == ["m/drop", 1]
    tree.locator("[data-path='m/encoder'] .we-tree-fold").click()
    assert tree.evaluate("[model.state.selected, asked]") == ["m/drop", 1]
    assert tree.evaluate("model.state.folded") == ["m/encoder"]


def test_a_thousand_layers_are_walked_to_the_end(page):
    rows = [row("m", 1, parent=True), *(row(f"m/layer_{i}", 2) for i in range(1000))]
    mount(page, "tree", rows=rows, selected="m", folded=[], filter="", **STILL)
    page.get_by_role("treeitem").first.focus()
    page.keyboard.press("End")
    assert focused(page) == "m/layer_999"
    box, item = page.locator(".we-tree-list").bounding_box(), page.locator("[data-path='m/layer_999']").bounding_box()
    assert box["y"] <= item["y"] <= box["y"] + box["height"] - item["height"] + 1


def test_tabs_are_tabs_and_walk_by_keys(page):
    mount(page, "choices", kind="tabs", label="roles", options=[["kernel", "Kernel"], ["bias", "Bias"]], selected="kernel")
    assert page.get_by_role("tablist", name="roles").count() == 1
    kernel, bias = page.get_by_role("tab", name="Kernel"), page.get_by_role("tab", name="Bias")
    assert kernel.get_attribute("aria-selected") == "true"
    kernel.press("ArrowRight")
    assert bias.get_attribute("aria-selected") == "true"
    assert page.evaluate("[model.state.selected, document.activeElement.textContent, leaked.length]") == ["bias", "Bias", 0]
    bias.press("ArrowRight")
    assert page.evaluate("model.state.selected") == "kernel"
    bias.click()
    assert page.evaluate("[model.state.selected, asked]") == ["bias", 3]


def test_tabs_keep_the_focus_when_the_options_change(page):
    mount(page, "choices", kind="tabs", label="roles", options=[["a", "A"], ["b", "B"]], selected="a")
    page.get_by_role("tab", name="A").focus()
    page.evaluate("model.state.selected = 'b'; model.set('options', [['b', 'B'], ['c', 'C']])")
    assert page.evaluate("document.activeElement.textContent") == "B"


def test_segments_are_a_radio_group(page):
    mount(page, "choices", kind="segments", label="quantity", options=[["a", "A"], ["b", "B"]], selected="a")
    page.get_by_role("radio", name="B").click()
    assert page.get_by_role("radio", name="B").get_attribute("aria-checked") == "true"


def test_a_menu_of_one_is_hidden_and_takes_no_room(page):
    mount(page, "choices", kind="menu", label="direction", options=[["f", "forward"], ["b", "backward"]], selected="f")
    menu = page.get_by_role("combobox", name="direction")
    menu.select_option("backward")
    assert page.evaluate("model.state.selected") == "b"
    page.evaluate("model.set('options', [['f', 'forward']])")
    assert not menu.is_visible()
    assert page.evaluate("document.querySelector('label').getBoundingClientRect().width") == 0
    page.evaluate("model.set('options', [['f', 'forward'], ['b', 'backward']])")
    assert menu.is_visible()


def test_details_show_markup_as_text_and_copy_code(page):
    page.goto("about:blank")
    evil = "<img src=x onerror=window.hacked=1>"
    sections = [
        {"kind": "pieces", "pieces": [evil]},
        {"kind": "table", "heads": ["", "now"], "rows": [["mean", "0.5"]]},
        {"kind": "code", "code": evil},
    ]
    mount(page, "details", sections=sections, label="numbers")
    assert page.locator("img").count() == 0
    assert page.get_by_text(evil).count() == 2
    cell = page.locator("td").element_handle()
    page.evaluate("s => { s[1].rows[0][1] = '0.6'; model.set('sections', s) }", sections)
    assert cell.text_content() == "0.6"


def base64(array):
    return {"base64": b64encode(array.tobytes()).decode()}


def state_of(picture):
    """What a picture sends to the page."""
    panel = MatrixWidget()
    panel.show(picture, "a picture")
    own = [name for name, trait in MatrixWidget.class_own_traits().items() if not name.startswith("_")]
    state = {name: getattr(panel, name) for name in own}
    panel.close()
    return {name: {"base64": b64encode(value).decode()} if isinstance(value, bytes) else value for name, value in state.items()}


def mount_picture(page, picture):
    mount(page, "matrix", **state_of(picture))
    page.wait_for_function("document.querySelector('canvas').width > 300")


def mount_matrix(page, cells, rows, columns, order, steps=(1, 1)):
    finite = np.abs(cells[np.isfinite(cells)])
    marks = SpecialCounts(
        "largest shown", 0, 0, int(np.isnan(cells).sum()), int(np.isposinf(cells).sum()), int(np.isneginf(cells).sum())
    )
    picture = MatrixPicture(
        cells.astype("<f4"), rows, columns, tuple(order), *steps, float(finite.max()), "", special_counts=marks
    )
    mount_picture(page, picture)


def walk_to(page, row_index, column_index):
    page.locator("canvas").focus()
    page.keyboard.press("ArrowDown")
    for key, count in (("ArrowDown", row_index), ("ArrowRight", column_index)):
        for _ in range(count):
            page.keyboard.press(key)


def readout(page, words):
    found = page.locator(".we-matrix-readout", has_text=words)
    found.wait_for(timeout=5000)
    return found.text_content()


@pytest.mark.parametrize("index", [(0, 0), (0, 7), (2, 0), (1, 5)], ids=str)
def test_a_hot_cell_is_where_numpy_has_it_and_its_number_is_read_there(page, index):
    cells = np.zeros((3, 8), np.float32)
    cells[index] = np.float32(0.1234567)
    gates = (Block("input gate", 0, 4), Block("forget gate", 4, 8))
    mount_matrix(page, cells, (Axis("input_dim", 3),), (Axis("units", 8, blocks=gates),), [0, 1])
    walk_to(page, *index)
    gate = "input gate" if index[1] < 4 else "forget gate"
    words = f"input_dim = {index[0]}, units = {index[1]} ({gate} {index[1] % 4})"
    assert readout(page, words) == f"{words}:  0.1234567"
    page.evaluate("document.activeElement.blur()")
    red = page.evaluate(
        """() => { const canvas = document.querySelector('canvas');
        const {data, width} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const found = [];
        for (let i = 0; i < data.length; i += 4)
          if (data[i] > 80 && data[i] < 120 && data[i + 1] < 10 && data[i + 2] < 40)
            found.push([(i / 4) % width, Math.floor(i / 4 / width)]);
        const mean = axis => found.reduce((sum, p) => sum + p[axis], 0) / found.length;
        return [mean(0), mean(1)]; }"""
    )
    page.mouse.move(*(a + b for a, b in zip(red, (page.locator("canvas").bounding_box()[k] for k in "xy"), strict=True)))
    assert readout(page, words) == f"{words}:  0.1234567"


def test_windows_of_a_convolution_are_read_by_all_four_indexes(page):
    cells = np.arange(6 * 12, dtype=np.float32).reshape(6, 12)
    rows = (Axis("in_channels", 2), Axis("kernel_height", 3))
    columns = (Axis("filters", 4), Axis("kernel_width", 3))
    mount_matrix(page, cells, rows, columns, [2, 0, 3, 1])
    walk_to(page, 4, 8)
    assert readout(page, "kernel_height = 1, kernel_width = 2, in_channels = 1, filters = 2").endswith(":  56")


@pytest.mark.parametrize(("value", "color"), [(np.nan, "0,179,0"), (np.inf, "255,212,0")], ids=["nan", "inf"])
def test_a_special_number_has_a_color_of_its_own_even_among_more_cells_than_pixels(page, value, color):
    cells = np.zeros((512, 512), np.float32)
    cells[0, 0] = 1
    cells[333, 222] = value
    mount_matrix(page, cells, (Axis("a", 512),), (Axis("b", 512),), [0, 1])
    count = """color => { const canvas = document.querySelector('canvas');
        const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height); let n = 0;
        for (let i = 0; i < data.length; i += 4) if (`${data[i]},${data[i+1]},${data[i+2]}` === color) n += 1; return n }"""
    in_legend = 12 * 12
    assert page.evaluate(count, color) > in_legend


def test_the_number_under_the_pointer_follows_an_update(page):
    cells = np.ones((2, 2), np.float32)
    mount_matrix(page, cells, (Axis("a", 2),), (Axis("b", 2),), [0, 1])
    walk_to(page, 1, 1)
    readout(page, "a = 1, b = 1:  1")
    page.evaluate("model.set('cells', new DataView(new Float32Array([0, 0, 0, 0.25]).buffer))")
    readout(page, "a = 1, b = 1:  0.25")


def test_a_click_that_is_not_answered_is_said_to_be_waiting(page):
    mount(page, "status", title="m", phase="training", words="live", problem="", answered=0)
    page.evaluate("document.getElementById('host').dispatchEvent(new CustomEvent('we-asked', {bubbles: true}))")
    page.get_by_text("kernel busy, will answer when it is free").wait_for(timeout=5000)
    page.evaluate("document.addEventListener('we-answered', event => { window.answerer = event.target.id; })")
    page.evaluate("model.set('answered', 1)")
    assert page.get_by_text("kernel busy").count() == 0
    assert page.evaluate("answerer") == "host"


@pytest.mark.parametrize("name", ["tree", "choices", "details", "status", "matrix"])
def test_a_view_that_is_taken_away_listens_no_more(page, name):
    state = {
        "tree": {"rows": ROWS, "selected": "m", "folded": [], "filter": ""} | STILL,
        "choices": {"kind": "tabs", "label": "l", "options": [["a", "A"]], "selected": "a"},
        "details": {"sections": [], "label": ""},
        "status": {"title": "", "phase": "", "words": "", "problem": "", "answered": 0},
        "matrix": state_of(MatrixPicture(np.zeros((0, 0), "<f4"), (Axis("", 0),), (Axis("", 0),), (), 1, 1, 0.0, "")),
    }  # fmt: skip
    mount(page, name, **state[name])
    page.evaluate("cleanup(); document.getElementById('host').replaceChildren()")
    for trait in state[name]:
        page.evaluate("trait => model.set(trait, model.get(trait))", trait)
    assert page.locator("#host > *").count() == 0
