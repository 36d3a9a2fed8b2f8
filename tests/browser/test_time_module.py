"""The time axis alone in Chromium, with stand-ins for the model, for a kernel that answers when told, and for the clock."""

from base64 import b64encode
from dataclasses import replace

import numpy as np
import pytest

from tests.recording.test_counting import MOMENTS
from weight_explorer.panel.widgets.record_slider import FIT_BOUNDARY, KEPT, START, RecordSliderWidget
from weight_explorer.pictures.assets import read_asset
from weight_explorer.recording.descriptions import describe_time

COLUMNS = ("numbers", "epochs", "batches", "keras_epochs", "fits", "marks")
TRAITS = (*COLUMNS, "names", "shown", "selected", "against", "speed", "may_grow")
LABEL_PIECES = (".we-time-label", ".we-time-label > :first-child", ".we-time-label > :last-child")

HARNESS = """
async ([code, css, state, width]) => {
  document.body.innerHTML = `<style>${css}</style><button id="before">before</button>
    <div id="first" class="weight-explorer"></div><div id="second" class="weight-explorer"></div>`;
  for (const id of ['first', 'second']) document.getElementById(id).style.width = `${width}px`;
  const decode = value => value?.base64 === undefined ? value
    : new DataView(Uint8Array.from(atob(value.base64), c => c.charCodeAt()).buffer);
  const listeners = {};
  const model = {
    state: {}, sent: [], asked: 0, answers: false, pending: [],
    get: name => model.state[name],
    set: (name, value) => model.take({ [name]: value }),
    // As Backbone does: all values first, then the events.
    take: changes => {
      const changed = Object.keys(changes).filter(name => changes[name] !== model.state[name]);
      for (const name of changed) model.state[name] = decode(changes[name]);
      for (const name of changed) for (const listener of [...listeners[name] ?? []]) listener();
    },
    save_changes: () => {
      model.sent.push([model.state.selected, model.state.against, model.state.speed]);
      if (!model.answers) return;
      model.pending.push(model.state.selected);
      if (model.pending.length === 1) queueMicrotask(model.serve);
    },
    answer: value => {
      const newest = new Int32Array(model.state.numbers.buffer).at(-1);
      model.take({ shown: value === '' ? newest : Number(value) });
    },
    serve: () => {
      model.answer(model.pending[0]);
      model.pending.shift();
      if (model.pending.length) queueMicrotask(model.serve);
    },
    on: (names, f) => names.split(' ').forEach(n => (listeners[n.slice(7)] ??= []).push(f)),
    off: (names, f) => names.split(' ').forEach(n => {
      listeners[n.slice(7)] = (listeners[n.slice(7)] ?? []).filter(g => g !== f);
    }),
  };
  model.listening = () => Object.values(listeners).flat().length;
  model.take(state);
  window.model = model;
  window.leaked = [];
  document.addEventListener('we-asked', () => { model.asked += 1; });
  document.addEventListener('keydown', event => window.leaked.push(event.key));
  const url = URL.createObjectURL(new Blob([code], {type: 'text/javascript'}));
  const module = (await import(url)).default;
  window.views = [];
  window.display = id => window.views.push(module.render({ model, el: document.getElementById(id) }));
  window.display('first');
}
"""


def records(num, *, first=0, every=4, kept=None):
    """Arguments of `show`: records numbered from `first`, `every` of them to an epoch, ten batches apart."""
    numbers = np.arange(first, first + num)
    marks = np.full(num, KEPT) if kept is None else np.where(kept, KEPT, 0)
    if num and not first:
        marks[0] |= START
    epochs, batches = numbers // every, numbers % every * 10
    times = {"epochs": epochs, "batches": batches, "keras_epochs": epochs + (batches > 0), "fits": np.zeros(num, int)}
    return {"numbers": numbers, **times, "marks": marks}


def travelling(**arguments):
    """What arrives in the browser after `show`: the real bytes of the real widget."""
    panel = RecordSliderWidget()
    last = int(arguments["numbers"][-1]) if len(arguments["numbers"]) else -1
    panel.show(**{"shown": last, "selected": "", "against": ""} | arguments)
    state = {name: getattr(panel, name) for name in TRAITS}
    panel.close()
    return {name: {"base64": b64encode(value).decode()} if isinstance(value, bytes) else value for name, value in state.items()}


def mount(page, *, width=900, **arguments):
    page.errors = []
    page.on("console", lambda message: message.type in ("error", "warning") and page.errors.append(message.text))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    css = read_asset("status.css") + read_asset("time_axis.css")
    page.clock.install(time=0)
    page.goto("about:blank")
    page.clock.pause_at(1000)
    page.evaluate(HARNESS, [read_asset("time_axis.js"), css, travelling(**arguments), width])
    page.clock.run_for(20)


@pytest.fixture
def axis(page):
    """Twelve records, number 3 on screen, and a kernel that answers at once."""
    mount(page, **records(12), current=3, selected="3")
    page.evaluate("model.answers = true")
    slider(page).focus()
    yield page
    assert page.errors == []


@pytest.fixture
def silent(axis):
    """The same, but the kernel answers only when told."""
    axis.evaluate("model.answers = false")
    return axis


def slider(page, host="first"):
    return page.locator(f"#{host}").get_by_role("slider", name="record")


def button(page, name, host="first"):
    return page.locator(f"#{host}").get_by_role("button", name=name, exact=True)


def label(page, host="first"):
    return page.locator(f"#{host} .we-time-label").text_content()


def selected(page):
    return page.evaluate("model.state.selected")


def sent(page):
    return page.evaluate("model.sent.map(([selected]) => selected)")


def pointer(page, index, num=12):
    box = page.locator("#first .we-time-track").bounding_box()
    return box["x"] + box["width"] * index / (num - 1), box["y"] + box["height"] / 2


def drag(page, *indexes):
    page.mouse.move(*pointer(page, indexes[0]))
    page.mouse.down()
    for index in indexes[1:]:
        page.mouse.move(*pointer(page, index))
    page.mouse.up()


def thumb(page, host="first"):
    """Which share of the track the thumb stands at."""
    return page.evaluate(
        """host => { const box = what => document.querySelector(`#${host} .we-time-${what}`).getBoundingClientRect();
        const [thumb, track] = [box('thumb'), box('track')];
        return (thumb.left + thumb.width / 2 - track.left) / track.width }""",
        host,
    )


def test_the_slider_is_a_slider_with_a_name_a_range_and_words(axis):
    names = ("aria-valuemin", "aria-valuemax", "aria-valuenow", "aria-valuetext", "aria-disabled", "tabindex")
    assert [slider(axis).get_attribute(name) for name in names] == [
        "0",
        "11",
        "3",
        "epoch 1, batch 30 · record 3",
        "false",
        "0",
    ]
    assert axis.locator("[data-lm-suppress-shortcuts=true]").count() == 1
    assert thumb(axis) == pytest.approx(3 / 11, abs=0.002)


def test_every_control_has_a_name_and_a_title(axis):
    for name in ("first record", "previous record", "play", "next record", "newest record", "Compare", "Live"):
        assert button(axis, name).get_attribute("title")
    assert axis.get_by_role("combobox", name="speed").locator("option").all_text_contents() == ["1/s", "2/s", "5/s", "10/s"]
    assert axis.get_by_role("group", name="records of the training").count() == 1


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (0, "start"),
        (1, "epoch 1, batch 10 · record 1"),
        (4, "epoch 1 · record 4"),
        (7, "epoch 2, batch 30 · record 7"),
        (99, "record 99"),
        (-1, "no record shown"),
    ],
    ids=str,
)
def test_the_label_says_what_is_on_screen(axis, record, words):
    axis.evaluate("shown => model.take({shown})", record)
    assert label(axis) == words
    assert axis.locator(".we-time-label").get_attribute("title") == words
    assert axis.locator(".we-time-thumb").is_visible() == (record >= 0)


def columns_of(steps):
    """What the panel hands to the time axis."""
    columns = {"numbers": "number", "epochs": "epoch", "batches": "batch", "keras_epochs": "keras_epoch", "fits": "fit"}
    arrays = {name: np.array([getattr(step, field) for step in steps]) for name, field in columns.items()}
    return arrays | {"marks": np.array([KEPT | START * step.is_initial for step in steps])}


def test_the_page_has_the_same_words_for_a_moment_as_python(page):
    steps = [replace(step, number=number) for number, step in enumerate(MOMENTS.values())]
    mount(page, **columns_of(steps))
    for step in steps:
        page.evaluate("shown => model.take({shown})", step.number)
        assert label(page).removesuffix(f" · record {step.number}") == describe_time(step)


@pytest.mark.parametrize(("width", "is_seen"), [(480, False), (900, True)])
def test_the_number_of_the_record_is_shown_whole_or_not_at_all(width, is_seen, page):
    mount(page, width=width, **records(2000, every=100), current=1931, selected="1931")
    assert label(page) == "epoch 20, batch 310 · record 1931"
    box, moment, record = (page.locator(f"#first {name}").bounding_box() for name in LABEL_PIECES)
    assert moment["width"] <= box["width"]
    assert page.locator(LABEL_PIECES[1]).first.evaluate("piece => piece.scrollWidth <= piece.clientWidth")
    assert (record["y"] < box["y"] + box["height"]) is is_seen
    assert record["x"] + record["width"] <= box["x"] + box["width"]


def test_files_are_called_by_their_names(page):
    names = ["best.keras", "<b>last</b>.keras"]
    mount(page, **records(2), names=names)
    assert label(page) == "<b>last</b>.keras · record 1"
    page.evaluate("model.take({shown: 0})")
    assert label(page) == "best.keras · record 0"


@pytest.mark.parametrize(
    ("keys", "record"),
    [
        (["ArrowLeft"], "2"),
        (["ArrowDown"], "2"),
        (["ArrowRight"], "4"),
        (["ArrowUp", "ArrowUp"], "5"),
        (["PageUp"], "11"),
        (["End", "PageDown"], "1"),
        (["Home"], "0"),
        (["Home", "ArrowLeft"], "0"),
        (["End"], "11"),
        (["End", "ArrowRight"], "11"),
        (["l"], ""),
        (["l", "l"], "11"),
        (["L", "ArrowRight"], ""),
        (["l", "ArrowLeft"], "10"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_keys_walk_the_records(axis, keys, record):
    for key in keys:
        axis.keyboard.press(key)
    assert selected(axis) == record
    assert slider(axis).get_attribute("aria-valuenow") == (record or "11")


def test_no_key_leaves_the_axis_but_the_browsers_own_shortcuts_do(axis):
    axis.evaluate("document.addEventListener('keydown', e => { window.last = e; }, true)")
    for key in ["x", "Enter", "a", "ArrowLeft", "Escape", "Shift+M", "d"]:
        axis.keyboard.press(key)
    assert axis.evaluate("leaked") == []
    assert axis.evaluate("last.defaultPrevented") is False
    axis.keyboard.press("ArrowLeft")
    assert axis.evaluate("last.defaultPrevented") is True
    before = sent(axis)
    axis.keyboard.press("Control+ArrowLeft")
    axis.keyboard.press("Alt+l")
    assert axis.evaluate("leaked") == ["Control", "ArrowLeft", "Alt", "l"]
    assert axis.evaluate("last.defaultPrevented") is False
    assert sent(axis) == before


@pytest.mark.parametrize(
    ("name", "record"),
    [("first record", "0"), ("previous record", "2"), ("next record", "4"), ("newest record", "11")],
    ids=lambda value: value,
)
def test_buttons_walk_the_records_and_ask_the_kernel(axis, name, record):
    button(axis, name).click()
    assert selected(axis) == record
    assert axis.evaluate("model.asked") == 1


def test_a_click_on_the_track_asks_for_the_record_there_and_takes_the_focus(axis):
    axis.locator("#before").focus()
    axis.mouse.click(*pointer(axis, 8.3))
    assert selected(axis) == "8"
    assert axis.evaluate("document.activeElement.getAttribute('role')") == "slider"
    axis.mouse.click(*pointer(axis, 2), button="right")
    assert selected(axis) == "8"


def test_the_thumb_follows_the_pointer_before_the_kernel_answers(silent):
    drag(silent, 3, 6, 9)
    assert thumb(silent) == pytest.approx(9 / 11, abs=0.002)
    assert label(silent) == "epoch 3, batch 10 · record 9"
    assert silent.evaluate("model.state.shown") == 3


def test_while_the_kernel_has_not_answered_only_the_newest_wish_is_kept(silent):
    drag(silent, 4, 5, 6, 7, 8, 9)
    assert sent(silent) == ["4"]
    silent.evaluate("model.answer('4')")
    assert sent(silent) == ["4", "9"]
    assert thumb(silent) == pytest.approx(9 / 11, abs=0.002)
    silent.evaluate("model.answer('9')")
    assert sent(silent) == ["4", "9"]


def test_the_last_position_dragged_to_is_selected_although_the_kernel_is_slow(silent):
    silent.mouse.move(*pointer(silent, 3))
    silent.mouse.down()
    for nth, index in enumerate([4, 5, 6, 7, 8, 9, 10, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1] * 3):
        silent.mouse.move(*pointer(silent, index))
        if nth % 7 == 0:
            silent.evaluate("model.answer(model.state.selected)")
    silent.mouse.up()
    for _ in range(3):
        silent.evaluate("model.answer(model.state.selected)")
    assert selected(silent) == "1"
    assert label(silent) == "epoch 1, batch 10 · record 1"
    assert len(sent(silent)) <= 54 / 7 + 3
    assert silent.evaluate("model.asked") == len(sent(silent))


def test_a_wish_goes_back_to_where_it_came_from_too(silent):
    drag(silent, 4, 5, 3)
    assert selected(silent) == "4"
    silent.evaluate("model.answer('4')")
    assert selected(silent) == "3"


def test_after_a_second_without_an_answer_the_newest_wish_is_sent(silent):
    drag(silent, 4, 5, 6)
    silent.clock.run_for(990)
    assert sent(silent) == ["4"]
    silent.clock.run_for(20)
    assert sent(silent) == ["4", "6"]
    silent.clock.run_for(5000)
    assert sent(silent) == ["4", "6"]
    assert label(silent) == "epoch 2, batch 20 · record 6"


def test_a_picture_of_the_training_is_no_answer(silent):
    drag(silent, 4, 6)
    silent.evaluate("model.answer('11')")
    assert sent(silent) == ["4"]
    assert thumb(silent) == pytest.approx(6 / 11, abs=0.002)


def test_new_records_leave_the_thumb_on_its_record(axis):
    axis.evaluate("changes => model.take(changes)", growth(24))
    assert slider(axis).get_attribute("aria-valuemax") == "23"
    assert (selected(axis), label(axis)) == ("3", "epoch 1, batch 30 · record 3")
    assert thumb(axis) == pytest.approx(3 / 23, abs=0.002)
    axis.evaluate("changes => model.take(changes)", growth(24, every_other=True))
    assert thumb(axis) == pytest.approx(1 / 11, abs=0.01)
    assert sent(axis) == []


def growth(num, *, every_other=False):
    """The buffers of more records, or of every other one of them beside number 3."""
    columns = records(num)
    if every_other:
        columns = {name: np.concatenate([values[:1], values[3::2]]) for name, values in columns.items()}
    state = travelling(**columns)
    return {name: state[name] for name in COLUMNS}


def test_a_wish_whose_record_is_thinned_away_gives_way_to_what_is_shown(silent):
    drag(silent, 4)
    silent.evaluate("changes => model.take({...changes, shown: 5, selected: '5'})", growth(24, every_other=True))
    assert label(silent) == "epoch 2, batch 10 · record 5"
    assert sent(silent) == ["4"]


def test_following_the_thumb_stays_at_the_newest(page):
    mount(page, **records(12))
    page.evaluate("changes => model.take({...changes, shown: 23})", growth(24))
    assert thumb(page) == pytest.approx(1)
    assert page.evaluate("model.sent.length") == 0


def test_live_follows_and_pressed_again_stays_on_the_record_shown(axis):
    live = button(axis, "Live")
    assert live.get_attribute("aria-pressed") == "false"
    live.click()
    assert (selected(axis), live.get_attribute("aria-pressed")) == ("", "true")
    assert axis.evaluate("model.state.shown") == 11
    live.click()
    assert (selected(axis), live.get_attribute("aria-pressed")) == ("11", "false")
    assert axis.evaluate("model.asked") == 2


def test_records_of_files_have_no_newest_to_follow(page):
    mount(page, **records(12), can_grow=False)
    assert not button(page, "Live").is_visible()
    slider(page).focus()
    page.keyboard.press("l")
    assert page.evaluate("model.sent.length") == 0
    page.keyboard.press("ArrowLeft")
    assert selected(page) == "10"
    page.evaluate("model.take({ may_grow: true })")
    assert button(page, "Live").is_visible()


def test_live_drops_a_wish_that_waits(silent):
    drag(silent, 4, 6)
    button(silent, "Live").click()
    silent.evaluate("model.answer('4'); model.answer('11')")
    assert sent(silent) == ["4", ""]
    assert thumb(silent) == pytest.approx(1)


def test_compare_sets_the_record_shown_and_pressed_again_none(axis):
    compare = button(axis, "Compare")
    assert compare.get_attribute("title") == "Compare other records with this one"
    compare.click()
    assert axis.evaluate("model.state.against") == "3"
    assert compare.get_attribute("aria-pressed") == "true"
    assert compare.get_attribute("title") == "Stop comparing with epoch 1, batch 30"
    axis.clock.run_for(20)
    mark = axis.locator("#first .we-time-against").bounding_box()
    assert mark["x"] + mark["width"] / 2 == pytest.approx(pointer(axis, 3)[0], abs=1)
    compare.click()
    assert axis.evaluate("[model.state.against, model.asked]") == ["", 2]
    assert compare.get_attribute("aria-pressed") == "false"


def test_compare_takes_the_record_under_the_thumb_before_its_picture_is_there(silent):
    slider(silent).press("Home")
    button(silent, "Compare").click()
    assert silent.evaluate("model.state.shown") == 3
    assert silent.evaluate("model.state.against") == "0"
    button(silent, "Live").click()
    assert sent(silent)[-1] == ""
    assert button(silent, "Live").get_attribute("aria-pressed") == "true"


def test_play_waits_for_each_answer(silent):
    silent.evaluate("model.take({speed: 10})")
    button(silent, "play").click()
    assert sent(silent) == ["4"]
    silent.clock.run_for(5000)
    silent.evaluate("model.answer('11')")
    silent.clock.run_for(5000)
    assert sent(silent) == ["4"]
    silent.evaluate("model.answer('4')")
    silent.clock.run_for(1)
    assert sent(silent) == ["4", "5"]


def test_play_keeps_to_its_speed(axis):
    axis.get_by_role("combobox", name="speed").select_option("5")
    assert axis.evaluate("[model.state.speed, model.asked]") == [5, 0]
    button(axis, "play").click()
    axis.clock.run_for(190)
    assert sent(axis)[1:] == ["4"]
    axis.clock.run_for(20)
    assert sent(axis)[1:] == ["4", "5"]
    axis.clock.run_for(600)
    assert sent(axis)[1:] == ["4", "5", "6", "7", "8"]


def test_play_stops_at_the_end_and_starts_again_from_the_first(axis):
    axis.evaluate("model.take({speed: 10, selected: '9', shown: 9})")
    slider(axis).press(" ")
    axis.clock.run_for(1000)
    assert button(axis, "play").count() == 1
    assert sent(axis) == ["10", "11"]
    button(axis, "play").click()
    axis.clock.run_for(150)
    assert sent(axis)[2:] == ["0", "1"]


def test_a_key_held_down_walks_on_but_toggles_once(axis):
    axis.keyboard.down("ArrowRight")
    axis.keyboard.down("ArrowRight")
    axis.keyboard.up("ArrowRight")
    assert selected(axis) == "5"
    axis.keyboard.down(" ")
    axis.keyboard.down(" ")
    assert button(axis, "pause").count() == 1


def test_play_from_live_starts_from_the_first(axis):
    axis.evaluate("model.take({selected: '', shown: 5})")
    button(axis, "play").click()
    assert selected(axis) == "0"


@pytest.mark.parametrize(
    "pause",
    [
        lambda page: slider(page).press("ArrowLeft"),
        lambda page: slider(page).press(" "),
        lambda page: button(page, "Live").click(),
        lambda page: button(page, "first record").click(),
        lambda page: drag(page, 8),
        lambda page: button(page, "pause").click(),
        lambda page: page.evaluate("model.take({selected: '2', shown: 2})"),
    ],
    ids=["arrow", "space", "live", "first", "drag", "pause", "from outside"],
)
def test_whatever_the_user_does_pauses(axis, pause):
    axis.evaluate("model.take({speed: 10})")
    button(axis, "play").click()
    assert button(axis, "pause").count() == 1
    pause(axis)
    assert button(axis, "play").count() == 1
    before = sent(axis)
    axis.clock.run_for(1000)
    assert sent(axis) == before


@pytest.mark.parametrize(("num", "words"), [(0, "no records yet"), (1, "start")], ids=["none", "one"])
def test_with_fewer_than_two_records_all_is_disabled(page, num, words):
    mount(page, **records(num))
    controls = page.locator("#first").locator("button, select")
    assert controls.count() == 8
    assert all(control.is_disabled() for control in controls.all())
    assert slider(page).get_attribute("aria-disabled") == "true"
    assert slider(page).get_attribute("tabindex") == "-1"
    assert label(page) == words
    page.mouse.click(*pointer(page, 6))
    slider(page).dispatch_event("keydown", {"key": "End"})
    assert sent(page) == []
    page.evaluate("changes => model.take({...changes, shown: 23})", growth(24))
    assert all(control.is_enabled() for control in controls.all())
    assert page.errors == []


def test_two_views_of_one_model_agree_and_only_one_plays(axis):
    axis.evaluate("display('second'); model.take({speed: 10})")
    drag(axis, 8)
    assert label(axis, "second") == label(axis) == "epoch 2 · record 8"
    assert thumb(axis, "second") == pytest.approx(8 / 11, abs=0.002)
    button(axis, "play", "second").click()
    assert button(axis, "play").count() == 1
    assert button(axis, "pause", "second").count() == 1
    axis.clock.run_for(1000)
    assert sent(axis) == ["8", "9", "10", "11"]
    button(axis, "Live", "second").click()
    assert button(axis, "Live").get_attribute("aria-pressed") == "true"
    axis.locator("#second").get_by_role("combobox").select_option("2")
    assert axis.locator("#first").get_by_role("combobox").input_value() == "2"


def test_a_choice_in_one_view_ends_the_wish_of_the_other(silent):
    silent.evaluate("display('second')")
    drag(silent, 4)
    button(silent, "newest record", "second").click()
    silent.evaluate("model.answer('4'); model.answer('11')")
    assert selected(silent) == "11"
    assert label(silent) == label(silent, "second") == "epoch 3, batch 30 · record 11"


def ticks(page, name):
    """Where the marks stand, in pixels from the track's left."""
    found = page.locator(f"#first .we-time-{name}").get_attribute("d")
    return [float(piece.split(" ")[0]) for piece in found.split("M")[1:]]


@pytest.mark.parametrize("num", [40, 400, 3000], ids=str)
def test_ends_of_epochs_have_ticks_that_are_never_crowded(page, num):
    mount(page, **records(num))
    places = ticks(page, "ticks")
    assert places == sorted(places)
    assert len(places) > 3
    assert np.diff(places).min() >= 5


def test_a_second_fit_has_a_seam_and_takes_no_ticks_away(page):
    columns = records(400)
    at = 200
    columns = {name: np.insert(values, at, values[at]) for name, values in columns.items()}
    columns["numbers"] = np.arange(401)
    columns["marks"][at + 1] |= FIT_BOUNDARY
    mount(page, **columns)
    width = page.locator("#first .we-time-track").bounding_box()["width"]
    assert ticks(page, "seams") == pytest.approx([width * (at + 1) / 400], abs=1)
    assert len(ticks(page, "ticks")) > 10


def test_records_without_values_are_paler(page):
    kept = np.ones(11, bool)
    kept[3:6] = False
    mount(page, **records(11, kept=kept))
    width = page.locator("#first .we-time-track").bounding_box()["width"]
    found = (
        page.locator("#first .we-time-kept").get_attribute("d").replace("M", " ").replace("H", " ").replace("V", " ").split()
    )
    numbers = [float(found[0]), float(found[2]), float(found[5]), float(found[7])]
    assert numbers == pytest.approx([0, width * 0.25, width * 0.55, width], abs=1)


@pytest.mark.parametrize(("width", "height"), [(400, 64), (690, 64), (710, 32), (1100, 32)], ids=str)
def test_the_axis_has_its_height_and_nothing_sticks_out(page, width, height):
    mount(page, **records(3000), width=width)
    assert page.locator("#first .we-time-row").bounding_box()["height"] == height
    right = max(
        box["x"] + box["width"] for box in (part.bounding_box() for part in page.locator("#first .we-time-row > *").all())
    )
    host = page.locator("#first").bounding_box()
    assert right <= host["x"] + host["width"]
    assert page.locator("#first .we-time-track").bounding_box()["width"] >= 100


def test_nothing_moves_when_numbers_change(axis):
    def boxes():
        return [part.bounding_box() for part in axis.locator("#first .we-time-row > *, #first .we-time-row button").all()]

    before = boxes()
    axis.evaluate("changes => model.take({...changes, shown: 2999, selected: '', against: '4'})", growth(3000))
    assert boxes() == before


@pytest.mark.parametrize("busy", ["playing", "waiting"])
def test_a_view_that_is_gone_does_nothing_any_more(silent, busy):
    if busy == "playing":
        button(silent, "play").click()
        silent.evaluate("model.answer('4')")
    else:
        drag(silent, 4, 6)
    silent.evaluate("views[0](); document.getElementById('first').replaceChildren()")
    assert silent.evaluate("model.listening()") == 0
    silent.evaluate("changes => model.take({...changes, shown: 4, against: '2', speed: 1})", growth(24))
    silent.clock.run_for(3000)
    assert sent(silent) == ["4"]
    assert silent.locator("#first > *").count() == 0


def test_an_update_is_one_message_and_none_where_nothing_changed(monkeypatch):
    panel = RecordSliderWidget()
    found = []
    monkeypatch.setattr(panel, "send_state", lambda key=None: found.append(set(key or ())))
    everything = {**records(5), "shown": 4, "selected": "", "against": ""}
    panel.show(**everything)
    panel.show(**everything)
    panel.show(**everything | {"shown": 3})
    assert found == [{*COLUMNS, "shown"}, set(), {"shown"}]
    panel.close()


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"one entry for each record.*'numbers': 2.*0 names"):
        RecordSliderWidget().show(**records(2) | {"epochs": [0]}, current=-1, selected="", against="")
