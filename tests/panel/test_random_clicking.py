"""A hand that clicks at random, on a thread of its own, while a real `fit` runs and threads take turns at every chance."""

import _thread
import contextlib
import gc
import json
import logging
import random
import sys
import threading
from types import FrameType

import ipywidgets
import keras
import numpy as np
import pytest
from keras import layers

from tests.panel.test_widget import send
from weight_explorer import WeightExplorer
from weight_explorer.pictures.chart import widget
from weight_explorer.pictures.widget_tree import with_children
from weight_explorer.views.choice import resolve

DEADLINE = 300  # seconds after which it is a deadlock
SWITCH_INTERVAL = 1e-5  # seconds
MORE_WIDGETS = 30  # than after a first tour, however many clicks, but for charts: panels of views that were not met in it
MOST_IN_CHARTS = 6 * 1.5 * widget.MAX_WIDGETS  # six views have charts, whose layouts are widgets as well


def make_model():
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3, name="conv"),
            layers.Reshape((4, 16)),
            layers.Bidirectional(layers.LSTM(3, name="lstm"), name="both"),
            layers.Dense(5, name="out"),
        ],
        name="model",
    )
    model.compile("adam", "mse")
    return model


def make_data():
    numbers = np.random.default_rng(3)
    return numbers.random((64, 6, 6, 2)), numbers.random((64, 5))


class Hand:
    """Clicks at random on what is on screen; `explorer.select` and the like among it.

    Every action returns at once: what it asks for is drawn by then, or asked of who draws.
    """

    def __init__(self, explorer, seed):
        self.explorer = explorer
        self.panel = explorer._panel
        self.random = random.Random(seed)
        self.done = []
        self.actions = {
            self.layer: 4,
            self.role: 4,
            self.weight: 2,
            self.block: 2,
            self.view: 5,
            self.quantity: 2,
            self.option: 5,
            self.step: 3,
            self.against: 2,
            self.pin: 2,
            self.window: 2,
            self.brush: 2,
            self.place: 1,
            self.search: 1,
            self.fold: 1,
            self.file: 1,
            self.seen: 1,
            self.select: 3,
            self.compare: 1,
            self.pin_in_python: 1,
            self.figure: 0.2,
        }

    def act(self, number):
        for action in self.random.choices(list(self.actions), list(self.actions.values()), k=number):
            self.done.append(action.__name__)
            action()

    def any_of(self, offers):
        offers = list(offers)
        return self.random.choice(offers) if offers else None

    def click(self, widget, **state):
        if None not in state.values():
            send(widget, **state)

    @property
    def weight_key(self):
        weight = resolve(self.explorer._source.catalog, self.explorer._screen.choice).weight
        return weight.variable_key if weight else None

    def layer(self):
        path = self.any_of(self.explorer._source.catalog.nodes)
        self.click(self.panel.tree, selected=path)
        assert resolve(self.explorer._source.catalog, self.explorer._screen.choice).node.path == path

    def role(self):
        self.click(self.panel.roles, selected=self.any_of(key for key, _ in self.panel.roles.options))

    def weight(self):
        self.click(self.panel.weights, selected=self.any_of(key for key, _ in self.panel.weights.options))

    def block(self):
        menu = self.any_of(self.panel.blocks.values())
        self.click(menu, selected=self.any_of(key for key, _ in menu.options))

    def view(self):
        self.click(self.panel.views, selected=self.any_of(key for key, _ in self.panel.views.options))

    def quantity(self):
        self.click(self.panel.quantities, selected=self.any_of(key for key, _ in self.panel.quantities.options))

    def option(self):
        view, option = self.panel.options.view, self.any_of(self.panel.options.options)
        if option:
            keys = [key for key, _ in option["offers"]] or [str(i) for i in range(option["count"] or 1)]
            self.click(self.panel.options, asked=f"{view}.{option['name']}={self.any_of(keys)}")

    def record(self):
        return str(self.any_of(np.frombuffer(self.panel.record_slider.numbers, "<i4")[-50:].tolist() or [0]))

    def step(self):
        self.click(self.panel.record_slider, selected=self.any_of(["", self.record()]))

    def against(self):
        self.click(self.panel.record_slider, against=self.any_of(["", self.record()]))

    def index(self):
        weight = self.explorer._source.catalog.weights[self.weight_key or "model/out/kernel"]
        return weight.key, [self.random.randrange(size) for size in weight.shape]

    def pin(self):
        self.click(self.panel.picture_area.matrix, pin=json.dumps(self.index()))

    def window(self):
        ends = [sorted((self.random.randrange(20), self.random.randrange(20))) for _ in range(2)]
        window = [ends[0][0], ends[0][1] + 1, ends[1][0], ends[1][1] + 1]
        self.click(self.panel.picture_area.matrix, viewport=json.dumps([self.panel.picture_area.matrix.key, window]))

    def brush(self):
        matrix = self.panel.picture_area.matrix
        place, rows, columns = matrix.index_mapping, matrix.rows, matrix.columns
        if not place or self.random.random() < 0.2:
            self.click(matrix, selection="null")
            return
        axes, down = place["axes"], place["down"]
        sides = axes[:down], axes[down:]
        sizes = [[axis["size"] for axis in each] if side else [] for side, each in zip(sides, (rows, columns), strict=True)]
        spans = [[[0, self.random.randint(1, 3)]], [[0, self.random.randint(1, 3)]]]
        asked = {"weight": place["weight"], "base": place["base"], "axes": sides, "sizes": sizes, "spans": spans}
        self.click(matrix, selection=json.dumps(asked))

    def place(self):
        self.click(self.panel.findings, asked=self.any_of(self.explorer._source.catalog.weights))

    def search(self):
        self.click(self.panel.tree, filter=self.any_of(["", "con", "no such layer", "lstm"]))

    def fold(self):
        self.click(self.panel.tree, folded=self.random.sample(list(self.explorer._source.catalog.nodes), 2))

    def file(self):
        with self.explorer._screen._widget_lock:
            self.panel.save.ordered({"format": "csv", "number": "1"})
        self.explorer._screen.answer()

    def seen(self):
        self.click(self.panel.status, seen=True)

    def select(self):
        weight = self.any_of(self.explorer._source.catalog.weights.values())
        self.explorer.select(weight.layer, role=weight.role, step="live")

    def compare(self):
        with contextlib.suppress(ValueError):  # the record may have been thinned away by now
            self.explorer.compare(self.any_of([None, int(self.record())]))

    def pin_in_python(self):
        key, index = self.index()
        self.explorer.pin(key, tuple(index))

    def figure(self):
        self.explorer.figure()

    def settle(self):
        """Choose something in the end, in as many clicks as it takes."""
        self.explorer.select("out", role="kernel", view="matrix", quantity="value", step="live")
        self.explorer.compare(None)
        send(self.panel.picture_area.matrix, selection="null")
        send(self.panel.tree, selected="model/conv")
        send(self.panel.roles, selected="bias")
        send(self.panel.views, selected="matrix")


class StopWith(keras.callbacks.Callback):
    """Ends the training at the end of the epoch in which a thread ended."""

    def __init__(self, thread):
        super().__init__()
        self.thread = thread

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0:
            self.thread.start()

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = not self.thread.is_alive()


@contextlib.contextmanager
def hurried():
    """Have threads take turns at every chance."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextlib.contextmanager
def deadline():
    """Break off what hangs, also where it waits for a lock."""
    timer = threading.Timer(DEADLINE, _thread.interrupt_main)
    timer.start()
    try:
        yield
    except KeyboardInterrupt:
        pytest.fail(f"still not done after {DEADLINE} seconds")
    finally:
        timer.cancel()
        timer.join()


def click_through(explorer, deed):
    """Train while another thread does something; return how many epochs it took, and what that thread raised."""
    raised = []

    def work():
        try:
            deed()
        except BaseException as error:  # noqa: BLE001 - told to the test
            raised.append(error)

    thread = threading.Thread(target=work)
    with deadline(), hurried():
        fit = explorer._source.model.fit(
            *make_data(), epochs=10**6, batch_size=16, verbose=0, callbacks=[explorer.callback, StopWith(thread)]
        )
        thread.join()
    return len(fit.epoch), raised


def widgets_in_charts_and_others():
    """How many widgets there are in charts, those of which are kept included, and how many else."""
    widgets = list(ipywidgets.widgets.widget._instances.values())
    kept = [chart for panel in widgets if isinstance(panel, widget.ChartsWidget) for chart in panel._charts.values()]
    in_charts = len(with_children(*(part for chart in kept for part in chart.parts)))
    return in_charts, len(widgets) - in_charts


@pytest.mark.parametrize(
    ("seed", "number"),
    [(1, 150), (2, 150), *(pytest.param(seed, 2000, marks=pytest.mark.long) for seed in (3, 4, 5))],
)
def test_random_clicks_while_fit_runs_break_nothing_and_the_last_one_is_on_screen(seed, number, caplog):
    caplog.set_level(logging.WARNING, "weight_explorer")
    model = make_model()
    explorer = WeightExplorer(model, record_every=1, memory="2 MB")
    hand = Hand(explorer, seed)
    num_widgets = []

    def deed():
        hand.act(number // 2)
        for view in ("distribution", "over_time", "units", "compare", "spectrum", "initializer", "filters", "matrix"):
            explorer.select("conv", role="kernel", view=view)
        hand.seen()
        explorer.select("model", view="overview")
        num_widgets.append(widgets_in_charts_and_others())
        hand.act(number - number // 2)
        hand.settle()

    num_epochs, raised = click_through(explorer, deed)
    num_widgets.append(widgets_in_charts_and_others())
    assert raised == []
    assert [record.getMessage() for record in caplog.records if record.name == "weight_explorer"] == []
    assert explorer.callback.status.problem == ""
    assert explorer._panel.status.phase == "finished"
    panel = explorer._panel
    assert (panel.tree.selected, panel.roles.selected, panel.views.selected) == ("model/conv", "bias", "matrix")
    shown = np.frombuffer(panel.picture_area.matrix.cells, "<f4")
    np.testing.assert_array_equal(np.sort(shown), np.sort(model.get_layer("conv").bias.numpy()))  # it may be sorted
    assert panel.status.num_answered == explorer._screen._num_requested
    explorer.close()
    (_, others_before), (in_charts, others) = num_widgets
    assert in_charts <= MOST_IN_CHARTS
    assert others <= others_before + MORE_WIDGETS
    plain = make_model()
    plain.fit(*make_data(), epochs=num_epochs, batch_size=16, verbose=0)
    assert [value.tobytes() for value in model.get_weights()] == [value.tobytes() for value in plain.get_weights()]


def test_clicks_leave_no_frames_of_the_training_to_the_garbage_collector():
    """What `fit` has in its hands would live until the garbage is collected, and cost seconds then."""
    explorer = WeightExplorer(make_model(), record_every=1)
    hand = Hand(explorer, 6)
    hand.act(60)  # what is made only once
    gc.collect()
    gc.disable()
    try:
        _, raised = click_through(explorer, lambda: hand.act(60))
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        frames = [each for each in gc.garbage if isinstance(each, FrameType)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert raised == []
    names = {f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}" for frame in frames}
    assert not {name for name in names if name.startswith("weight_explorer") or name.endswith(".fit")}
