"""Rankings alone in Chromium, with a stand-in for the model: words, bars, and what a pick asks for."""

from base64 import b64encode

import numpy as np
import pytest

from weight_explorer.pictures.assets import read_asset
from weight_explorer.pictures.data import Ranking, RankingPicture
from weight_explorer.pictures.ranking.widget import RankingWidget

TRAITS = ("tables", "bars", "option", "alternative", "palette")

HARNESS = """
async ([code, css, state]) => {
  document.body.innerHTML = `<style>${css}</style>
    <div class="weight-explorer"><div id="host" style="width: 690px; height: 290px"></div></div>`;
  const decode = value => value?.base64 === undefined ? value
    : new DataView(Uint8Array.from(atob(value.base64), c => c.charCodeAt(0)).buffer);
  const listeners = {};
  window.model = {
    state: {}, sent: [], asked: 0,
    get: name => model.state[name],
    set: (name, value) => { model.state[name] = value; },
    take: changes => {
      for (const name of Object.keys(changes)) model.state[name] = decode(changes[name]);
      for (const name of Object.keys(changes)) for (const listener of [...listeners[name] ?? []]) listener();
    },
    save_changes: () => model.sent.push(model.state.asked),
    on: (names, f) => names.split(' ').forEach(n => (listeners[n.slice(7)] ??= []).push(f)),
    off: (names, f) => names.split(' ').forEach(n => {
      listeners[n.slice(7)] = (listeners[n.slice(7)] ?? []).filter(g => g !== f);
    }),
  };
  model.listening = () => Object.values(listeners).flat().length;
  model.take(state);
  window.leaked = [];
  document.addEventListener('we-asked', () => { model.asked += 1; });
  document.addEventListener('keydown', event => window.leaked.push(event.key));
  const url = URL.createObjectURL(new Blob([code], {type: 'text/javascript'}));
  const module = (await import(url)).default;
  window.clean = module.render({ model, el: document.getElementById('host') });
}
"""


def ranking(values, *, title="units by norm", picks=True, picked=0, left=0):
    count = len(values)
    return Ranking(
        title=title,
        headers=("unit", "norm", "was"),
        ranks=tuple(range(1, count + 1)),
        names=tuple(f"{i} <b>name</b>" for i in range(count)),
        values=np.array(values, float),
        numbers=tuple(f"{value:.3g}" for value in values),
        rank_changes=tuple("▲ 7" for _ in values),
        pick_values=tuple(str(10 + i) for i in range(count)) if picks else (),
        picked_row=picked if picks else -1,
        num_more=left,
    )


def travelling(*rankings):
    """What arrives in the browser after `show`: the real bytes of the real widget."""
    panel = RankingWidget()
    panel.show(RankingPicture(rankings, "units.unit", "words"), "name")
    state = {name: getattr(panel, name) for name in TRAITS}
    panel.close()
    return {name: {"base64": b64encode(value).decode()} if isinstance(value, bytes) else value for name, value in state.items()}


UNITS = ranking([4.0, 2.0, 1.0], left=9_997)
INPUTS = ranking([-2.0, 1.0, float("nan")], title="inputs", picks=False)


@pytest.fixture
def shown(page):
    errors = []
    page.on("console", lambda message: message.type in ("error", "warning") and errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto("about:blank")
    css = read_asset("status.css") + read_asset("ranking.css")
    page.evaluate(HARNESS, [read_asset("ranking.js"), css, travelling(UNITS, INPUTS)])
    yield page
    assert errors == []


def rows(page, table=0):
    return page.locator(".we-ranking").nth(table).locator("tbody tr")


def bars(page, table=0):
    """Where each bar begins and ends in its cell, as shares of it."""
    script = """rows => rows.map(row => {
      const [track, bar] = [row.querySelector('.we-rank-track'), row.querySelector('.we-rank-track span')];
      const [a, b] = [track.getBoundingClientRect(), bar.getBoundingClientRect()];
      return bar.hidden ? null : [(b.left - a.left) / a.width, (b.right - a.left) / a.width];
    })"""
    return rows(page, table).evaluate_all(script)


def test_rows_hold_names_numbers_and_places_as_text(shown):
    assert rows(shown).nth(1).locator("th, td").all_text_contents() == ["2", "1 <b>name</b>", "", "2", "▲ 7"]
    assert shown.locator(".we-ranking-title").all_text_contents() == ["units by norm", "inputs"]
    assert "and 9\N{NARROW NO-BREAK SPACE}997 more" in shown.locator(".we-ranking-foot").first.text_content()
    words = shown.locator("#host").get_attribute("aria-label")
    assert words.startswith("name. units by norm: 1. 0 <b>name</b> 4, 2. 1 <b>name</b> 2,")
    assert words.endswith(" words")


def test_bars_reach_from_zero_to_the_value(shown):
    for found, expected in zip(bars(shown), [(0, 1), (0, 0.5), (0, 0.25)], strict=True):
        assert found == pytest.approx(expected, abs=0.01)
    negative, positive, unknown = bars(shown, 1)
    assert negative == pytest.approx((0, 2 / 3), abs=0.01)
    assert positive == pytest.approx((2 / 3, 1), abs=0.01)
    assert unknown is None


def test_a_click_asks_for_the_row(shown):
    rows(shown).nth(2).click()
    assert shown.evaluate("[model.sent, model.asked]") == [["units.unit=12"], 1]


def test_rows_are_picked_by_keys_that_go_nowhere_else(shown):
    rows(shown).first.focus()
    for key in ("ArrowDown", "End", "ArrowUp", "Home", "Enter"):
        shown.keyboard.press(key)
    assert shown.evaluate("model.sent") == [f"units.unit={i}" for i in (11, 12, 11, 10, 10)]
    assert shown.evaluate("leaked") == []


def test_what_is_typed_is_asked_for(shown):
    box = shown.get_by_role("textbox", name="find unit by number or name")
    assert box.count() == 1
    box.fill(" the ")
    box.press("Enter")
    assert shown.evaluate("model.sent") == ["units.unit=the"]


def test_a_table_without_picks_takes_no_clicks(shown):
    rows(shown, 1).nth(1).click()
    assert shown.evaluate("model.sent") == []
    assert rows(shown, 1).first.get_attribute("tabindex") is None


def test_an_update_keeps_rows_and_focus(shown):
    rows(shown).nth(0).focus()
    shown.evaluate("window.row = document.activeElement")
    shown.evaluate("state => model.take(state)", travelling(ranking([9.0, 3.0, 1.0], picked=1), INPUTS))
    assert shown.evaluate("document.activeElement === row && row.isConnected")
    assert rows(shown).nth(1).get_attribute("aria-selected") == "true"
    assert bars(shown)[1] == pytest.approx((0, 1 / 3), abs=0.01)


def test_one_table_or_two_fill_the_width(shown):
    widths = shown.locator(".we-ranking").evaluate_all("all => all.map(one => one.offsetWidth)")
    assert widths == pytest.approx([333, 333], abs=1)
    shown.evaluate("state => model.take(state)", travelling(UNITS))
    assert shown.locator(".we-ranking").evaluate_all("all => all.map(one => one.offsetWidth)") == [690]


def test_a_picked_row_comes_into_sight_once(shown):
    many = [float(i) for i in range(20, 0, -1)]
    shown.evaluate("state => model.take(state)", travelling(ranking(many, picked=19)))
    top = "document.querySelector('.we-ranking-rows').scrollTop"
    assert shown.evaluate(top) > 0
    shown.evaluate("document.querySelector('.we-ranking-rows').scrollTop = 0")
    shown.evaluate("state => model.take(state)", travelling(ranking([*many[:-1], 0.5], picked=19)))
    assert shown.evaluate(top) == 0


def test_nothing_listens_after_the_end(shown):
    shown.evaluate("clean()")
    assert shown.evaluate("model.listening()") == 0
