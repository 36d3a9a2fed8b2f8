"""Compare: the right two, laid out alike over one scale, and told in right numbers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.records import Variable, catalog_of, history_of, record
from tests.views.test_units import BIAS, CONV, DENSE, TOKENS, random, weight_of
from weight_explorer.catalog.schema import Axis
from weight_explorer.pictures.data import EmptyPicture, GridPicture
from weight_explorer.pictures.figure import make_figure
from weight_explorer.recording.live_history import LiveHistory
from weight_explorer.recording.recorder import Recorder
from weight_explorer.views import compare
from weight_explorer.views.choice import Choice
from weight_explorer.views.compare import ComparedPair
from weight_explorer.views.options import option_states
from weight_explorer.views.registry import VIEWS


def draw(weight, history, **fields):
    chosen = {"against": fields.pop("against_option", ""), "show": fields.pop("show", "")}
    options = {(weight.role, "compare", name): value for name, value in chosen.items()}
    return compare.draw(weight, history, Choice(options=options, **fields))


def dots(picture):
    return picture.charts[0].marks[0]


@pytest.mark.parametrize("weight", [DENSE, CONV, TOKENS, BIAS], ids=["dense", "conv", "embedding", "bias"])
def test_both_and_their_difference_are_laid_out_alike(weight):
    start, now = random(weight), random(weight, 2)
    picture = draw(weight, history_of(start, now))
    one, other, difference = (tile for _, tile in picture.pictures[:3])
    np.testing.assert_allclose(one.cells - other.cells, difference.cells, atol=1e-6)
    np.testing.assert_array_equal(np.sort(one.cells, axis=None), np.sort(now, axis=None))
    assert len({tile.color_limit for tile in (one, other, difference)}) == 1
    assert one.color_limit == max(np.abs(values).max() for values in (start, now, now - start))
    make_figure(picture, "title").canvas.draw()


@pytest.mark.parametrize(
    ("against", "step", "expected"), [("start", None, 0), ("before", None, 2), ("before", 2, 1), ("record", None, 1)]
)
def test_it_is_with_the_record_that_was_chosen(against, step, expected):
    records = [np.full(DENSE.shape, number, np.float32) for number in range(4)]
    picture = draw(DENSE, history_of(*records), against_option=against, step=step, against=1)
    assert picture.pictures[1][1].cells[0, 0] == expected


def test_axes_of_dots_name_their_records_in_few_words():
    chart = draw(DENSE, history_of(*[random(DENSE, number) for number in range(4)]), show="dots").charts[0]
    assert (chart.x_label, chart.y_label) == ("the start", "record 3")


@pytest.mark.parametrize("quantity", ["value", "since_start", "since_last"])
def test_values_are_compared_whatever_quantity_is_chosen(quantity):
    start, now = random(DENSE), random(DENSE, 2)
    np.testing.assert_array_equal(draw(DENSE, history_of(start, now), quantity=quantity).pictures[0][1].cells, now)


def two_weights():
    live = {"a": Variable(random(DENSE)), "b": Variable(random(DENSE, 2)), "c": Variable(np.zeros((2, 2), np.float32))}
    history = LiveHistory(10**8)
    catalog = catalog_of({key: variable.values for key, variable in live.items()})
    catalog = replace(catalog, variables=live)
    history.catalog = catalog
    record(Recorder(history, lambda variables: [each.values for each in variables]), catalog, kind="start")
    return history, live


def test_another_weight_of_the_same_shape_is_offered_and_compared():
    history, live = two_weights()
    weight = replace(DENSE, key="a")
    assert [offer.key for offer in compare.WITH.items(weight, history, Choice())] == ["start", "before", "weight b"]
    picture = draw(weight, history, against_option="weight b")
    np.testing.assert_array_equal(picture.pictures[0][1].cells, live["a"].values)
    np.testing.assert_array_equal(picture.pictures[1][1].cells, live["b"].values)
    assert picture.pictures[1][0].startswith("b, ")
    chart = picture.pictures[3][1].charts[0]
    assert (chart.x_label, chart.y_label) == ("b", "a")


def test_the_caption_has_the_largest_difference_with_its_place():
    start = random(TOKENS)
    now = start.copy()
    now[3, 2] += 2
    caption = draw(TOKENS, history_of(start, now)).caption
    assert "5.56 % of 18 elements differ" in caption
    assert 'The largest difference is +2, at token 3 ("d"), number 2.' in caption


def test_nothing_but_equal_numbers_has_no_difference():
    values = random(DENSE)
    caption = draw(DENSE, history_of(values, values)).caption
    assert "0 % of 20 elements differ, the correlation is 1." in caption
    assert "There is no difference." in caption


@pytest.mark.parametrize("special", [np.nan, np.inf])
def test_what_is_not_finite_is_counted_and_drawn(special):
    start, now = random(DENSE), random(DENSE, 2)
    now[1, 1] = special
    picture = draw(DENSE, history_of(start, now))
    assert "1 are not finite in one of them" in picture.caption
    assert (~np.isfinite(picture.pictures[0][1].cells)).sum() == 1
    assert len(dots(draw(DENSE, history_of(start, now), show="dots")).x) == 19
    make_figure(picture, "title").canvas.draw()


def test_where_no_element_is_finite_it_is_said():
    picture = draw(DENSE, history_of(random(DENSE), np.full(DENSE.shape, np.nan, np.float32)))
    assert "No element is finite in both." in picture.caption
    make_figure(picture, "title").canvas.draw()


def test_of_many_elements_dots_are_spread_and_it_is_said():
    weight = weight_of(Axis("a", 200), Axis("b", 300))
    picture = draw(weight, history_of(random(weight), random(weight, 2)))
    one_against_other = draw(weight, history_of(random(weight), random(weight, 2)), show="dots")
    assert len(dots(one_against_other).x) == compare.MAX_DOTS
    make_figure(one_against_other, "title").canvas.draw()
    assert "3\N{NARROW NO-BREAK SPACE}000 dots, evenly spread" in picture.caption
    assert "A cell stands for 2 x 2 elements" in picture.caption


def test_samples_of_one_weight_are_compared_and_said_to_be_samples():
    weight = weight_of(Axis("a", 600), Axis("b", 700))
    picture = draw(weight, history_of(random(weight), random(weight, 2), memory=500_000))
    assert isinstance(picture, GridPicture)
    assert "Estimated from" in picture.caption


def test_one_record_has_nothing_to_be_compared_with():
    picture = draw(DENSE, history_of(random(DENSE)))
    assert isinstance(picture, EmptyPicture)
    assert "train" in picture.caption


PAIRS = st.integers(2, 30).flatmap(
    lambda size: st.tuples(*[arrays.arrays(np.float64, size, elements=st.floats(-100, 100))] * 2)
)


@given(PAIRS)
def test_the_correlation_is_that_of_numpy(pair):
    found = ComparedPair(*pair, ("", ""), ("", "")).correlation
    if all(np.std(values) > 1e-6 for values in pair):
        np.testing.assert_allclose(found, np.corrcoef(*pair)[0, 1], atol=1e-9)


def test_large_weights_are_compared_on_request():
    small, large = DENSE, weight_of(Axis("a", 300), Axis("b", 300))
    assert [VIEWS["compare"].is_on_request(weight) for weight in (small, large)] == [False, True]
    for weight, names in ((small, set()), (large, {"compute"})):
        offers = option_states(compare.OPTIONS, weight, history_of(random(weight)), Choice())
        assert {offer.name for offer in offers if offer.kind == "button"} == names
