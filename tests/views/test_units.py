"""Units: the right ones stand first, with the right numbers, names and places then and now."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.records import history_of
from weight_explorer.catalog.schema import Axis, Block, Weight, slice_blocks
from weight_explorer.pictures.data import EmptyPicture, RankingPicture
from weight_explorer.pictures.figure import make_figure
from weight_explorer.views import units
from weight_explorer.views.axis_labels import arrange, axis_parts, groupings, with_window
from weight_explorer.views.choice import Choice
from weight_explorer.views.ranking import MAX_ROWS

GATES = tuple(Block(f"{name} gate", i * 3, i * 3 + 3) for i, name in enumerate(("input", "forget", "cell", "output")))
INPUT = Axis("input_dim", 5, entry_name="input", side="in")
UNITS = Axis("units", 4, entry_name="unit", side="out")


def weight_of(*axes, role="kernel"):
    return Weight("w", role, "kernel", "layer", tuple(axis.size for axis in axes), "float32", axes)


DENSE = weight_of(INPUT, UNITS)
LSTM = weight_of(INPUT, Axis("units", 12, blocks=GATES, entry_name="unit", block_kind="gate", side="out"))
CONV = weight_of(
    Axis("kernel_height", 3, entry_name="row", side="window"),
    Axis("kernel_width", 2, entry_name="column", side="window"),
    Axis("in_channels", 5, entry_name="channel", side="in"),
    Axis("filters", 4, entry_name="filter", side="out"),
)
HEADS = weight_of(
    INPUT,
    Axis("heads", 2, entry_name="head", side="out", block_kind="head"),
    Axis("key_dim", 3, entry_name="number", side="out"),
)
TOKENS = weight_of(
    Axis("input_dim", 6, entry_name="token", side="in", labels=("a", "b", "c", "d", "e", "f")),
    Axis("output_dim", 3, entry_name="number", side="out"),
    role="embeddings",
)
BIAS = weight_of(UNITS, role="bias")


def choice_of(weight, **options):
    return Choice(options={(weight.role, "units", name): value for name, value in options.items()})


def draw(weight, *records, quantity="value", step=None, **options):
    choice = replace(choice_of(weight, **options), quantity=quantity, record=step)
    picture = units.draw(weight, history_of(*records), choice)
    assert isinstance(picture, RankingPicture)
    return picture


def random(weight, seed=1):
    return np.random.default_rng(seed).normal(size=weight.shape).astype(np.float32)


def test_units_stand_in_the_order_of_argsort():
    values = random(DENSE)
    ranking, inputs = draw(DENSE, values).rankings
    norms = np.linalg.norm(values, axis=0)
    order = np.argsort(-norms)
    assert ranking.names == tuple(map(str, order))
    np.testing.assert_allclose(ranking.values, norms[order], rtol=1e-6)
    column = values[:, order[0]]
    strongest = np.argsort(-np.abs(column))
    assert inputs.names == tuple(map(str, strongest))
    np.testing.assert_array_equal(inputs.values, column[strongest])
    assert inputs.title == f"Inputs of unit {order[0]} by magnitude"


@pytest.mark.parametrize("unit", range(4))
def test_a_picked_unit_shows_its_own_inputs(unit):
    values = random(DENSE)
    ranking, inputs = draw(DENSE, values, unit=str(unit)).rankings
    assert ranking.pick_values[ranking.picked_row] == str(unit)
    np.testing.assert_array_equal(np.sort(inputs.values), np.sort(values[:, unit]))


def test_by_value_the_most_positive_stand_first():
    values = random(DENSE)
    ranking, inputs = draw(DENSE, values, by="value", unit="2").rankings
    assert ranking.names == tuple(map(str, np.argsort(-values.mean(axis=0))))
    assert inputs.names == tuple(map(str, np.argsort(-values[:, 2])))


def test_by_change_those_stand_first_that_moved_most():
    start, now = random(DENSE), random(DENSE, 2)
    ranking, inputs = draw(DENSE, start, now, by="change", unit="1").rankings
    assert ranking.names == tuple(map(str, np.argsort(-np.linalg.norm(now - start, axis=0))))
    np.testing.assert_array_equal(np.sort(inputs.values), np.sort((now - start)[:, 1]))
    assert ranking.headers[2] == ""


def test_places_are_told_against_the_start():
    start, now = np.zeros((5, 4), np.float32), np.zeros((5, 4), np.float32)
    start[0], now[0] = [1, 2, 3, 4], [8, 2, 3, 1]
    picture = draw(DENSE, start, now)
    assert dict(zip(picture.rankings[0].names, picture.rankings[0].rank_changes, strict=True)) == {
        "0": "▲ 4",
        "2": "= 2",
        "1": "= 3",
        "3": "▼ 1",
    }
    assert "since the start unit 0 rose from place 4 to place 1 of 4" in picture.caption
    assert "Unit 0 is driven most by input 0 +8" in picture.caption


def test_equal_ones_at_the_start_had_no_place():
    now = np.arange(4, dtype=np.float32)
    picture = draw(BIAS, np.zeros(4, np.float32), now)
    assert set(picture.rankings[0].rank_changes) == {"level"}
    assert len(picture.rankings) == 1
    assert "was level with others at the start" in picture.caption


@pytest.mark.parametrize("quantity", ["since_start", "since_last"])
def test_changes_are_ranked_without_places_at_the_start(quantity):
    picture = draw(DENSE, random(DENSE), random(DENSE, 2), random(DENSE, 3), quantity=quantity)
    assert all(ranking.headers[2] == "" and set(ranking.rank_changes) == {""} for ranking in picture.rankings)


def test_only_the_first_rows_travel_and_the_rest_is_counted():
    tokens = weight_of(
        Axis("tokens", 10_000, entry_name="token", side="in"), Axis("vector", 4, entry_name="number", side="out")
    )
    values = np.random.default_rng(1).normal(size=tokens.shape).astype(np.float32)
    ranking, numbers = draw(tokens, values, unit="9876").rankings
    place = 1 + int((np.linalg.norm(values.astype(float), axis=1) > np.linalg.norm(values[9876].astype(float))).sum())
    assert len(ranking.names) == MAX_ROWS
    assert (ranking.names[-1], ranking.ranks[-1], ranking.picked_row) == ("9876", place, MAX_ROWS - 1)
    assert ranking.num_more == 9_980
    assert numbers.num_more == 0


def test_tokens_are_found_by_their_label():
    picture = draw(TOKENS, random(TOKENS), unit="d")
    assert picture.rankings[1].title.startswith('Numbers of token 3 ("d")')
    assert 'There is no token "zebra".' in draw(TOKENS, random(TOKENS), unit="zebra").caption


@pytest.mark.parametrize(
    ("weight", "ways"),
    [
        (DENSE, ["units", "inputs"]),
        (LSTM, ["gates × units", "gates", "units", "inputs"]),
        (CONV, ["filters", "channels"]),
        (HEADS, ["heads × numbers", "heads", "numbers", "inputs"]),
        (TOKENS, ["tokens", "numbers"]),
        (BIAS, ["units"]),
    ],
    ids=["dense", "lstm", "conv", "heads", "embedding", "bias"],
)
def test_there_are_ways_to_look_at_each_kind(weight, ways):
    assert list(groupings(weight)) == ways
    for way in ways:
        picture = draw(weight, random(weight), random(weight, 2), rank=way)
        assert picture.rankings[0].headers[0]
        make_figure(picture, "title").canvas.draw()


@pytest.mark.parametrize("weight", [DENSE, LSTM, CONV, HEADS, TOKENS], ids=["dense", "lstm", "conv", "heads", "embedding"])
def test_a_hot_element_is_found_under_its_own_name(weight):
    sizes = [part.size for part in axis_parts(weight.axes)]
    for index in np.ndindex(*weight.shape):
        values = np.zeros(weight.shape, np.float32)
        values[index] = 1
        ranking, other = draw(weight, values).rankings
        places = np.unravel_index(np.ravel_multi_index(index, weight.shape), sizes)
        grouping = next(iter(groupings(weight).values()))
        for table, group in ((ranking, grouping.own), (other, grouping.other)):
            assert table.values[0] == 1
            names = [
                (part.short_name if len(group) > 1 else part.name)(int(place))
                for part, place in zip(axis_parts(weight.axes), places, strict=True)
            ]
            assert table.names[0] == " · ".join(names[i] for i in group)


def test_windows_are_one_channel_or_many_places():
    values = random(CONV)
    channels = draw(CONV, values, unit="1").rankings[1]
    assert channels.headers[:2] == ("channel", "norm")
    np.testing.assert_allclose(
        np.sort(channels.values), np.sort(np.linalg.norm(values[..., 1].reshape(6, 5), axis=0)), rtol=1e-6
    )
    places = draw(CONV, values, unit="1", window="on").rankings[1]
    assert places.headers[:2] == ("channel · row · column", "weight")
    assert places.num_more == 30 - MAX_ROWS


def test_gates_have_units_of_their_own_names():
    part = slice_blocks(LSTM, "forget gate")
    picture = units.draw(part, history_of(random(LSTM)), choice_of(LSTM))
    assert picture.rankings[0].headers[0] == "unit"
    whole = draw(LSTM, random(LSTM), unit="4")
    assert whole.rankings[1].title == "Inputs of forget gate, unit 1 by magnitude"


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf], ids=str)
def test_what_is_not_finite_stands_first_and_is_counted(special):
    values = random(DENSE)
    values[3, 2] = special
    picture = draw(DENSE, values)
    assert picture.rankings[0].names[0] == "2"
    assert picture.rankings[1].names[0] == "3"
    assert "1 units hold NaN or Inf" in picture.caption
    make_figure(picture, "title").canvas.draw()


def test_of_a_sample_nothing_is_ranked():
    history = history_of(random(weight_of(Axis("a", 600), Axis("b", 700))), memory=300_000)
    picture = units.draw(weight_of(Axis("a", 600), Axis("b", 700)), history, Choice())
    assert isinstance(picture, EmptyPicture)
    assert "too few" in picture.caption


@given(
    arrays.arrays(np.float32, (3, 2, 5, 4), elements=st.floats(-1e3, 1e3, width=32)),
    st.sampled_from(list(groupings(CONV))),
    st.booleans(),
)
def test_every_norm_is_over_all_that_belongs_to_it(values, way, is_windowed):
    grouping = groupings(CONV)[way]
    found = arrange(values, CONV, with_window(CONV, grouping) if is_windowed else grouping)
    axis = {"filters": 3, "channels": 2}[way]
    expected = np.linalg.norm(np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1).astype(float), axis=1)
    np.testing.assert_allclose(np.linalg.norm(found.reshape(len(found), -1).astype(float), axis=1), expected, rtol=1e-12)
