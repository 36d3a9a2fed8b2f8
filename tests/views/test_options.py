"""Options of views: kept for each role, asked for by name, and gone where they have no meaning."""

import inspect
import itertools
import re
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from weight_explorer import WeightExplorer
from weight_explorer.pictures.data import EmptyPicture
from weight_explorer.views import initializer
from weight_explorer.views.choice import Choice, MenuItem, with_input, with_options, with_view
from weight_explorer.views.options import ON_OR_OFF, ViewOption, fixed_items, option_states, switch_option
from weight_explorer.views.overview import overview_view
from weight_explorer.views.registry import VIEWS, View, options_of

SORT = ViewOption("tried", "sort", "sort by", fixed_items(("number", "number"), ("norm", "norm")))
COMMON = switch_option("tried", "common", "common scale")
NAMES = ViewOption("tried", "names", "names", lambda *_: ON_OR_OFF, "switch")
CHANNEL = ViewOption("tried", "channel", "channel", lambda weight, history, choice: weight.shape[0], "slider")
GATE = ViewOption(
    "tried", "gate", "gate", lambda weight, history, choice: tuple(MenuItem(b.name, b.name) for b in weight.axes[-1].blocks)
)
OPTIONS = (SORT, COMMON, NAMES, CHANNEL, GATE)


def draw(weight, history, choice):
    chosen = " ".join(f"{option.name}={option.chosen(weight, history, choice)}" for option in OPTIONS)
    return EmptyPicture(f"{weight.role} {chosen}")


@pytest.fixture
def explorer(monkeypatch):
    """Of a model with kernels and biases, with a view that is there for kernels and biases but not for gammas."""
    monkeypatch.setitem(VIEWS, "tried", View("tried", "Tried", draw, OPTIONS, lambda weight: weight.role != "gamma"))
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((7, 6)),
            layers.LSTM(5, name="lstm"),
            layers.Dense(4, name="dense"),
            layers.BatchNormalization(name="norm"),
        ],
        name="small",
    )
    explorer = WeightExplorer(model)
    yield explorer
    explorer.close()


def shown(explorer):
    """The view, and what it was told."""
    scene = explorer._screen.state()
    return scene.view, {option.name: option.chosen for option in scene.options}


def click(explorer, panel, value, trait="selected"):
    """What arrives when the user clicks."""
    setattr(panel, trait, value)
    explorer._screen.answer()


def test_each_role_keeps_its_view_and_its_options_when_one_walks_through_layers(explorer):
    explorer.select("lstm", role="kernel", view="tried", sort="norm", common=True, channel=2)
    explorer.select("lstm", role="bias", view="over_time")
    explorer.select("lstm", role="recurrent", view="matrix")
    for _ in range(2):
        explorer.select("lstm", role="kernel")
        assert shown(explorer)[0] == "tried"
        assert shown(explorer)[1] | {"gate": ""} == {
            "sort": "norm", "common": "on", "names": "on", "channel": "2", "gate": "",
        }  # fmt: skip
        explorer.select("dense", role="bias")
        assert shown(explorer)[0] == "over_time"
        explorer.select("dense", role="kernel")
        assert shown(explorer) == ("tried", {"sort": "norm", "common": "on", "names": "on", "channel": "2"})
        explorer.select("lstm", role="recurrent")
        assert shown(explorer)[0] == "matrix"


def test_clicks_keep_them_as_well(explorer):
    panel = explorer._panel
    explorer.select("lstm", role="kernel")
    click(explorer, panel.views, "distribution")
    click(explorer, panel.roles, "bias")
    assert shown(explorer)[0] == "distribution"  # a role that was not looked at starts with the last view
    click(explorer, panel.views, "tried")
    click(explorer, panel.options, "tried.sort=norm", "asked")
    click(explorer, panel.roles, "kernel")
    assert shown(explorer)[0] == "distribution"
    click(explorer, panel.views, "tried")
    assert shown(explorer)[1]["sort"] == "number"
    click(explorer, panel.tree, "small/dense")
    click(explorer, panel.roles, "bias")
    assert shown(explorer)[1]["sort"] == "norm"


@pytest.mark.parametrize("by", ["python", "clicks"])
def test_a_role_that_was_not_looked_at_yet_starts_with_the_last_view(by, explorer):
    explorer.select("lstm", role="kernel", view="over_time")
    if by == "python":
        explorer.select(role="recurrent")
    else:
        click(explorer, explorer._panel.roles, "recurrent")
    assert shown(explorer)[0] == "over_time"


def test_a_layer_of_other_roles_starts_with_the_last_view_and_leaves_those_of_others(explorer):
    explorer.select("lstm", role="kernel", view="over_time")
    explorer.select("norm", role="gamma")
    assert shown(explorer)[0] == "over_time"
    explorer.select(view="distribution")
    explorer.select("dense", role="kernel")
    assert shown(explorer)[0] == "over_time"


def test_the_same_role_keeps_its_view_where_the_model_chooses_the_role(explorer):
    """Without a role asked for, a layer shows its first: what was looked at for that role counts."""
    explorer.select("lstm", view="over_time")  # the kernel, which comes first
    explorer.select(role="bias", view="distribution")
    explorer._screen.update_choice(lambda before: replace(before, role=None))
    explorer.select("dense")
    assert shown(explorer)[0] == "over_time"


def test_a_view_that_is_not_there_for_a_weight_gives_way_and_comes_back(explorer):
    explorer.select("dense", role="kernel", view="tried")
    explorer.select("norm", role="gamma")
    assert shown(explorer)[0] == "matrix"
    assert "tried" not in [offer.key for offer in explorer._screen.state().views]
    explorer.select("dense", role="kernel")
    assert shown(explorer)[0] == "tried"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"sort": "nrm"}, r"sort='nrm' is not on offer in the view 'tried'. Did you mean 'norm'\?"),
        ({"srot": "norm"}, r"There is no option 'srot' of the view 'tried'. Did you mean 'sort'\?"),
        ({"channel": 6}, "channel=6 is not on offer in the view 'tried'. Give a number from 0 to 5."),
        ({"channel": -1}, "channel=-1 is not on offer"),
        ({"channel": "two"}, "channel='two' is not on offer"),
        ({"channel": 1.5}, "channel=1.5 is not on offer"),
        ({"channel": True}, "channel=True is not on offer"),
        ({"common": "yes"}, "common='yes' is not on offer in the view 'tried'. There are: 'off', 'on'"),
        ({"common": 1}, "common=1 is not on offer in the view 'tried'"),
        (
            {"gate": "forget"},
            "no option 'gate' .* for 'small/dense/kernel': it has nothing to choose from there",
        ),
    ],
    ids=str,
)
def test_what_is_not_on_offer_is_refused_and_nothing_changes(asked, message, explorer):
    explorer.select("lstm" if "channel" in asked else "dense", role="kernel", view="tried")
    before = explorer._screen.choice
    with pytest.raises(ValueError, match=message):
        explorer.select(sort="number", **asked) if "sort" not in asked else explorer.select(**asked)
    assert explorer._screen.choice is before


def test_an_option_of_another_view_is_refused(explorer):
    explorer.select("dense", role="kernel", view="over_time")
    with pytest.raises(ValueError, match="There is no option 'sort' of the view 'over_time'"):
        explorer.select(sort="norm")
    explorer.select(view="tried", sort="norm")  # with its view it is known
    assert shown(explorer)[1]["sort"] == "norm"


def test_an_option_for_a_layer_without_weights_is_refused():
    explorer = WeightExplorer(keras.Sequential([layers.Dense(2, name="dense")]))
    with pytest.raises(ValueError, match=r"There is no option 'sort': .* shows no weight"):
        explorer.select("dense", sort="norm")


def test_switches_take_true_and_false(explorer):
    explorer.select("dense", role="kernel", view="tried", common=True, names=False)
    assert shown(explorer)[1] == {"sort": "number", "common": "on", "names": "off", "channel": "0"}
    explorer.select(common=False, names="on")
    assert shown(explorer)[1] == {"sort": "number", "common": "off", "names": "on", "channel": "0"}


def test_what_is_on_offer_changes_with_the_weight(explorer):
    explorer.select("lstm", role="kernel", view="tried", channel=5, gate="forget gate")
    assert shown(explorer)[1]["gate"] == "forget gate"
    explorer.select("dense")
    names = [offer.name for offer in explorer._screen.state().options]
    assert names == ["sort", "common", "names", "channel"]  # a dense kernel has no gates
    explorer.select(channel=4)
    explorer.select("lstm")
    assert shown(explorer)[1]["gate"] == "forget gate"
    assert shown(explorer)[1]["channel"] == "4"


def test_a_slider_beyond_the_end_of_another_weight_starts_anew(explorer):
    explorer.select("lstm", role="kernel", view="tried", channel=5)
    explorer.select("dense")  # of 5 rows, 0 to 4
    assert shown(explorer)[1]["channel"] == "0"


@pytest.mark.parametrize(
    "asked",
    ["tried.gate=forget gate", "tried.sort=gone", "tried.gone=1", "gone.sort=norm", "tried.channel=99", "nonsense", "=", "."],
)
def test_a_click_on_what_is_gone_changes_nothing_on_screen(asked, explorer):
    explorer.select("dense", role="kernel", view="tried", sort="norm")
    before = shown(explorer), explorer._screen.state().picture
    click(explorer, explorer._panel.options, asked, "asked")
    assert (shown(explorer), explorer._screen.state().picture) == before
    assert explorer._session.status.problem == ""
    assert "gone" not in str(explorer._screen.choice.options)


def test_the_panel_shows_what_is_offered_and_takes_the_same_click_twice(explorer):
    panel = explorer._panel.options
    explorer.select("dense", role="kernel", view="tried")
    assert [(option["name"], option["kind"], option["chosen"]) for option in panel.options] == [
        ("sort", "menu", "number"), ("common", "switch", "off"), ("names", "switch", "on"), ("channel", "slider", "0"),
    ]  # fmt: skip
    for _ in range(2):
        click(explorer, panel, "tried.sort=norm", "asked")
        assert shown(explorer)[1]["sort"] == "norm"
        click(explorer, panel, "tried.sort=number", "asked")
        assert shown(explorer)[1]["sort"] == "number"
    assert panel.asked == ""


def test_a_value_may_hold_the_signs_that_an_order_is_made_of(explorer):
    weight, history = explorer.catalog.weights["small/dense/kernel"], explorer.history
    option = ViewOption("tried", "label", "label", fixed_items(("a", "a"), ("b=c.d", "b=c.d")))
    choice = with_input(explorer.catalog, replace(explorer._screen.choice, layer="small/dense"), "option", "tried.label=b=c.d")
    assert option.chosen(weight, history, choice) == "b=c.d"


def test_an_option_with_nothing_to_choose_is_not_shown(explorer):
    weight = explorer.catalog.weights["small/dense/kernel"]
    alone = (ViewOption("tried", "one", "one", fixed_items(("a", "a"))), ViewOption("tried", "none", "none", lambda *_: ()))
    single = (
        ViewOption("tried", "range", "range", lambda *_: 1, "slider"),
        ViewOption("tried", "zero", "zero", lambda *_: 0, "slider"),
    )
    assert option_states((*alone, *single), weight, explorer.history, explorer._screen.choice) == ()


def test_options_may_be_given_in_any_order_and_one_that_needs_another_says_so():
    model = keras.Sequential([keras.Input((5, 5, 4)), layers.Conv2D(3, 3, name="conv")], name="small")
    explorer = WeightExplorer(model)
    explorer.select("conv", role="kernel", view="filters")
    with pytest.raises(ValueError, match=r"no option 'channel' .*: it is there with channels='one'"):
        explorer.select(channel=2)
    explorer.select(channel=2, channels="one")
    assert shown(explorer) == ("filters", shown(explorer)[1] | {"channels": "one", "channel": "2"})
    explorer.select("conv", role="kernel", view="over_time", statistic="norm")
    with pytest.raises(ValueError, match=r"statistic='spread' is not on offer in the view 'over_time'"):
        explorer.select(statistic="spread", lines="layer")


def table_of_select():
    """From view to its rows in the docstring, and from those to what stands there of each option."""
    rows, view = {}, ""
    table = re.sub(r"\n +(?![|>])", " ", inspect.getdoc(WeightExplorer.select))
    for first, text in re.findall(r"^\| (`\w+`)? ?\| (.*) \|$", table, re.MULTILINE):
        view = first.strip("`") or view
        rows.setdefault(view, {})
        for part in text.split("; "):
            names, _, values = part.partition(": ")
            rows[view] |= dict.fromkeys(re.findall(r"`(\w+)`", names), re.findall(r"\w+", values))
    for name in [f"axis_{i}" for i in range(1, 7)]:
        rows["matrix"][name] = []  # told as axis_0 to axis_7
    return rows


def offered_anywhere(view, weight, past):
    """From option to all that it offers of a weight, whatever else is chosen."""
    options = options_of(view)
    plain = with_view(Choice(initializers=()), weight.role, view)
    found = [(option.name, option.items(weight, past, plain)) for option in options]
    chosen = [(name, offer.key) for name, offers in found if not isinstance(offers, int) for offer in offers]
    choices = [plain, *(with_options(plain, weight.role, view, dict([each])) for each in chosen)]
    for option, choice in itertools.product(options, choices):
        offers = option.items(weight, past, choice)
        yield from ((option.name, offer.key) for offer in (() if isinstance(offers, int) else offers))


# Offers that are the user's, Keras' or numbers, and are told in general.
IN_GENERAL = {("compare", "compute"), ("units", "rank"), ("compare", "against"), ("matrix", "down"), ("matrix", "across")}
IN_GENERAL |= {("initializer", option.name) for option in initializer.OPTIONS}


def test_the_table_of_options_is_that_of_the_views():
    table = table_of_select()
    assert {view: set(names) for view, names in table.items()} == {
        view: {option.name for option in options_of(view)} for view in (*VIEWS, overview_view.VIEW)
    }
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            layers.Conv2D(2, 2, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.Reshape((5, 10)),
            layers.Conv1D(4, 2, name="line"),
            layers.LSTM(3, name="lstm"),
            layers.Dense(1100, name="wide"),
            layers.Dense(7, name="out"),
        ],
        name="m",
    )
    explorer = WeightExplorer(model, record_every="epoch", labels={"out": list("abcdefg"), ("wide", "input_dim"): list("abc")})
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 6, 6, 3)), np.ones((2, 7)), epochs=2, verbose=0, callbacks=[explorer.callback])
    past = explorer.history.snapshot()
    found = {(overview_view.VIEW, *each) for each in offered_anywhere(overview_view.VIEW, overview_view.ALL_WEIGHTS, past)}
    for weight, view in itertools.product(explorer.catalog.weights.values(), VIEWS.values()):
        if view.applies(weight):
            found |= {(view.name, *each) for each in offered_anywhere(view.name, weight, past)}
    words = {"on": "True", "off": "False"}
    told = {(view, name, word) for view, names in table.items() for name, values in names.items() for word in values}
    of_table = {(view, name, words.get(key, key)) for view, name, key in found if (view, name) not in IN_GENERAL}
    numbers = {
        (view, name) for view, names in table.items() for name, values in names.items() if values[:1] in (["a"], ["which"])
    }
    assert {each for each in told if each[:2] not in IN_GENERAL | numbers} == of_table
