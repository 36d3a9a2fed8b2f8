"""The page's own answers in Chromium without a kernel: what is read there, and how they give way to the kernel's."""

from base64 import b64encode

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.test_matrix_module import wait_until_disabled
from tests.browser.test_modules import ROWS, STILL, mount, readout, settle
from tests.records import Variable, record
from weight_explorer.catalog.schema import Axis, Block, Catalog, LayerNode, Weight
from weight_explorer.panel.previews import make_previews, weights_by_layer
from weight_explorer.panel.widgets.previews import PreviewsWidget
from weight_explorer.recording.live_history import LiveHistory
from weight_explorer.recording.recorder import Recorder

CELLS = {"m/lstm/kernel": (100, 80), "m/lstm/bias": (80,), "m/out/kernel": (20, 5)}


class Model:
    """A model of two layers whose weights are what a test says, and the panel that is sent its sketches."""

    def __init__(self):
        self.values = {key: np.zeros(shape, np.float32) for key, shape in CELLS.items()}
        variables = {key: Variable(values) for key, values in self.values.items()}
        self.history, self.epoch = LiveHistory(10**8), 0
        self.recorder = Recorder(self.history, lambda variables: [each.values for each in variables])
        gates = tuple(
            Block(name, 20 * i, 20 * i + 20) for i, name in enumerate(("input gate", "forget gate", "cell", "output gate"))
        )
        axes = {
            100: Axis("input_dim", 100),
            80: Axis("units", 80, blocks=gates),
            20: Axis("input_dim", 20),
            5: Axis("units", 5),
        }
        weights = {
            key: Weight(key, key.rpartition("/")[2], key.rpartition("/")[2], key.rpartition("/")[0], shape, "float32",
                        tuple(axes[size] for size in shape))
            for key, shape in CELLS.items()
        }  # fmt: skip
        layers = [
            LayerNode(f"m/{name}", name, "Layer", weights=tuple(key for key in CELLS if f"/{name}/" in key))
            for name in ("lstm", "out", "drop")
        ]
        self.catalog = Catalog(LayerNode("m", "m", "Sequential", children=tuple(layers)), weights, variables)
        self.panel = PreviewsWidget()

    def sketch(self):
        """Record the end of an epoch, and return what the page is sent."""
        record(self.recorder, self.catalog, epoch=self.epoch, kind="epoch" if self.epoch else "start")
        self.epoch += 1
        self.panel.show(make_previews(self.catalog, self.history.snapshot()), weights_by_layer(self.catalog))
        self.panel.follow("m/lstm", "m/lstm/kernel", is_over=False)
        own = [name for name in PreviewsWidget.class_own_traits() if not name.startswith("_")]
        state = {name: getattr(self.panel, name) for name in own}
        return {
            name: {"base64": b64encode(value).decode()} if isinstance(value, bytes) else value for name, value in state.items()
        }


@pytest.fixture
def model():
    return Model()


def open_page(page, model):
    mount(page, "previews", **model.sketch())
    page.evaluate("document.getElementById('host').style.cssText = 'width: 1000px; height: 480px'")


def send(page, state):
    """Give the page what the kernel sends next."""
    page.evaluate(
        """state => { model.state.shown = state.shown;
            model.set('packed', new DataView(Uint8Array.from(atob(state.packed.base64), c => c.charCodeAt()).buffer)); }""",
        state,
    )


def click(page, **detail):
    """What the page's controls tell when they are clicked."""
    page.evaluate("detail => host.dispatchEvent(new CustomEvent('we-asked', { bubbles: true, detail }))", detail)


def shown(page):
    page.locator(".we-sketches:not([hidden])").wait_for(timeout=5000)
    return page.locator(".we-sketches-name").text_content()


def is_shut(page):
    return page.locator(".we-sketches").is_hidden()


def walk(page, down, across):
    """Walk to a cell with the arrow keys, from the first."""
    settle(page)
    page.locator("canvas").focus()
    for key, times in (("ArrowDown", down + 1), ("ArrowRight", across)):
        for _ in range(times):
            page.keyboard.press(key)


def test_a_click_that_waits_shows_the_weight_with_its_number_and_statistics(page, model):
    model.values["m/out/kernel"][2, 3] = -0.5
    open_page(page, model)
    assert is_shut(page)
    click(page, layer="m/out")
    assert shown(page) == "m/out / kernel"
    walk(page, 2, 3)
    readout(page, "input_dim = 2, units = 3:  about -0.5 ± 0.003")
    assert "cell stands for" not in page.locator(".we-sketches-words").text_content()
    rows = page.locator(".we-sketches-numbers tbody tr")
    texts = [rows.nth(i).locator("th, td").all_text_contents() for i in range(rows.count())]
    sketch = make_previews(model.catalog, model.history.snapshot()).previews[2]
    assert [tuple(text) for text in texts] == list(sketch.statistics.rows)
    assert "kernel is busy" in page.get_by_role("status").text_content()
    assert ": start (record 0), 64 x 64 cells of 8 bits at most" in page.get_by_role("status").text_content()
    assert page.evaluate("model.saved.length") == 0  # all that without a word to the kernel
    page.keyboard.press("+")
    readout(page, "input_dim = 2, units = 3:  about -0.5 ± 0.003")
    wait_until_disabled(page.get_by_role("button", name="show all"), False)
    assert page.get_by_role("button", name="select cells").is_hidden()


def test_an_answer_in_time_shows_nothing_and_a_late_one_takes_the_place(page, model):
    page.clock.install(time=0)
    open_page(page, model)
    page.clock.pause_at(3600)  # from now on no time passes but what is said here
    page.evaluate(
        """() => { host.dispatchEvent(new CustomEvent('we-asked', { bubbles: true, detail: { layer: 'm/out' } }));
            host.dispatchEvent(new CustomEvent('we-answered', { bubbles: true })); }"""
    )
    page.clock.run_for(1000)
    assert is_shut(page)
    click(page, layer="m/out")
    page.clock.run_for(290)
    assert is_shut(page)
    page.clock.run_for(20)
    assert not is_shut(page)
    page.evaluate("host.dispatchEvent(new CustomEvent('we-answered', { bubbles: true }))")
    assert is_shut(page)


def test_a_cell_of_many_shows_the_farthest_from_zero_and_says_of_how_many(page, model):
    model.values["m/lstm/kernel"][51, 30] = 0.25
    open_page(page, model)
    click(page, option="kernel")
    assert shown(page) == "m/lstm / kernel"
    walk(page, 25, 15)
    readout(page, "input_dim 50 to 51, units 30 to 31:  about 0.25 ± 0.002 (farthest from zero)")
    words = page.locator(".we-sketches-words").text_content()
    assert words == "Each cell stands for 2 x 2 elements and shows the one farthest from zero."


@pytest.mark.parametrize(("value", "words"), [(np.nan, "NaN"), (np.inf, "Inf"), (-np.inf, "-Inf")], ids=str)
def test_what_is_not_finite_is_read_as_that(page, model, value, words):
    model.values["m/out/kernel"][0, 0] = value
    open_page(page, model)
    click(page, layer="m/out")
    shown(page)
    walk(page, 0, 0)
    readout(page, f"input_dim = 0, units = 0:  {words}")


def test_the_role_stays_from_layer_to_layer_and_a_tab_of_the_page_asks_the_kernel(page, model):
    open_page(page, model)
    click(page, option="bias")
    assert shown(page) == "m/lstm / bias"
    page.get_by_role("button", name="Kernel").click()
    assert shown(page) == "m/lstm / kernel"
    assert page.evaluate("model.saved.at(-1).asked") == "m/lstm/kernel"
    page.get_by_role("button", name="Bias").click()
    click(page, layer="m/out")  # which has none
    assert shown(page) == "m/out / kernel"
    assert page.locator(".we-sketches-role").all_text_contents() == ["Kernel"]
    click(page, layer="m/drop")
    assert "holds no weights" in page.locator(".we-sketches-stage").text_content()
    assert page.locator(".we-sketches-numbers tr").count() == 0
    click(page, weight="m/lstm/bias")
    assert page.locator(".we-sketches-name").text_content() == "m/lstm / bias"


def test_the_slider_steps_through_the_moments_that_came_and_no_more_than_eight(page, model):
    open_page(page, model)
    for value in range(1, 11):
        model.values["m/out/kernel"][0, 0] = value
        send(page, model.sketch())
    click(page, layer="m/out")
    shown(page)
    busy, slider = page.get_by_role("status"), page.get_by_role("slider")
    assert "epoch 10 (record 10)" in busy.text_content()
    slider.press("Home")
    assert "epoch 3 (record 3)" in busy.text_content()
    walk(page, 0, 0)
    readout(page, "about 3 ± ")
    model.values["m/out/kernel"][0, 0] = 11
    send(page, model.sketch())  # one more goes, and it is the one that was looked at
    assert "epoch 4 (record 4)" in busy.text_content()
    readout(page, "about 4 ± ")
    slider.press("End")
    readout(page, "about 11 ± ")
    click(page, step="6")
    readout(page, "about 6 ± ")


def test_other_weights_than_before_make_an_end_of_what_came(page, model):
    open_page(page, model)
    click(page, layer="m/out")
    shown(page)
    page.evaluate("model.set('weights', [])")
    assert is_shut(page)


def test_keys_stay_in_the_panel_and_escape_shuts_it(page, model):
    open_page(page, model)
    click(page, layer="m/out")
    shown(page)
    page.locator("canvas").focus()
    for key in ("d", "d", "x", "ArrowDown"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Kernel").press("Escape")
    assert is_shut(page)
    assert page.evaluate("leaked") == []


def test_axe_finds_nothing(page, model):
    open_page(page, model)
    send(page, model.sketch())
    click(page, layer="m/lstm")
    shown(page)
    page.evaluate(
        "document.body.style.cssText = '--jp-ui-font-color2: #616161; --jp-layout-color1: white; --jp-layout-color0: white'"
    )
    found = Axe().run(page).response["violations"]
    page_rules = {"document-title", "html-has-lang", "landmark-one-main", "region", "page-has-heading-one", "heading-order"}
    assert [rule["id"] for rule in found if rule["id"] not in page_rules] == []


TREE = {"rows": ROWS, "selected": "m/dense", "folded": [], "filter": "", **STILL}
TABS = {"kind": "tabs", "label": "roles", "options": [["kernel", "Kernel"], ["bias", "Bias"]], "selected": "kernel"}


@pytest.mark.parametrize(
    ("name", "state", "role", "what", "detail"),
    [
        ("tree", TREE, "treeitem", "drop", {"layer": "m/drop"}),
        ("choices", TABS, "tab", "Bias", {"option": "bias"}),
    ],
    ids=["tree", "tabs"],
)  # fmt: skip
def test_a_control_says_what_it_asks_for(page, name, state, role, what, detail):
    mount(page, name, **state)
    page.evaluate("document.addEventListener('we-asked', event => { window.detail = event.detail; })")
    page.get_by_role(role, name=what).click()
    assert page.evaluate("detail") == detail
