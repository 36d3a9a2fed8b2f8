"""The spectrum agrees with numpy.linalg and with random matrices, and is never computed while training waits."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.records import history_of
from tests.views.test_units import BIAS, CONV, DENSE, HEADS, LSTM, TOKENS, random, weight_of
from weight_explorer import WeightExplorer
from weight_explorer.catalog.schema import Axis
from weight_explorer.pictures.data import ChartPicture, EmptyPicture, RankingPicture
from weight_explorer.pictures.figure import make_figure
from weight_explorer.views import spectrum
from weight_explorer.views.choice import Choice
from weight_explorer.views.options import option_states
from weight_explorer.views.spectrum import bulk_edges, bulk_values, compute_spectrum

ELEMENTS = st.floats(-10, 10, width=32)


def draw(weight, *records, quantity="value", step=None, **options):
    chosen = {(weight.role, "spectrum", name): value for name, value in options.items()}
    return spectrum.draw(weight, history_of(*records), Choice(quantity=quantity, record=step, options=chosen))


def lines(picture):
    return {mark.name: mark.y for mark in picture.charts[0].marks}


@given(arrays.arrays(np.float32, st.tuples(st.integers(2, 9), st.integers(2, 9)), elements=ELEMENTS))
def test_values_and_ranks_are_those_of_numpy(matrix):
    found = compute_spectrum(matrix)
    expected = np.linalg.svd(matrix.astype(float), compute_uv=False)
    np.testing.assert_allclose(found.values, expected, atol=1e-12)
    if expected[0]:
        shares = expected[expected > 0] / expected.sum()
        assert found.effective_rank == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
        assert found.stable_rank == pytest.approx((np.linalg.norm(matrix.astype(float)) / expected[0]) ** 2)
        assert 1 <= found.stable_rank <= found.effective_rank**2 + 1e-9


@given(arrays.arrays(np.float32, st.tuples(st.integers(2, 9), st.integers(2, 9)), elements=ELEMENTS))
def test_by_the_gram_matrix_they_are_as_right_as_is_said(matrix):
    expected = np.linalg.svd(matrix.astype(float), compute_uv=False)
    found = spectrum._spectrum_by_gram(matrix, 2)
    np.testing.assert_allclose(found.values, expected, atol=4 * spectrum.GRAM_ACCURACY * max(expected[0], 1e-300))


@pytest.mark.parametrize("shape", [(30, 8), (8, 30)], ids=str)
def test_vectors_by_both_ways_are_the_same_but_for_the_sign(shape):
    matrix = np.random.default_rng(1).normal(size=shape)
    one, other = compute_spectrum(matrix, 3), spectrum._spectrum_by_gram(matrix, 3)
    for a, b in ((one.left, other.left), (one.right, other.right)):
        np.testing.assert_allclose(np.abs(np.sum(a * b, axis=1)), 1, rtol=1e-9)
    np.testing.assert_allclose(one.left[0] @ matrix @ one.right[0], one.values[0])


@pytest.mark.parametrize("shape", [(600, 200), (200, 600), (400, 400)], ids=str)
def test_random_matrices_have_the_values_that_are_expected(shape):
    matrix = np.random.default_rng(2).normal(0, 0.3, size=shape)
    found, expected = compute_spectrum(matrix).values, bulk_values(shape, 0.3)
    low, high = bulk_edges(shape, 0.3)
    assert np.abs(found - expected).max() < 0.03 * high
    assert low - 0.02 * high <= found[-1] <= found[0] <= 1.02 * high
    assert (np.diff(expected) <= 0).all()
    assert (expected**2).sum() == pytest.approx(0.09 * shape[0] * shape[1], rel=0.01)


def test_now_and_the_start_are_drawn_against_a_random_matrix():
    start, now = random(DENSE), random(DENSE, 2)
    picture = draw(DENSE, start, now)
    assert isinstance(picture, ChartPicture)
    found = lines(picture)
    np.testing.assert_allclose(found["now"], np.linalg.svd(now.astype(float), compute_uv=False))
    np.testing.assert_allclose(found["at the start"], np.linalg.svd(start.astype(float), compute_uv=False))
    np.testing.assert_allclose(found["expected of a random matrix"], bulk_values((5, 4), float(now.std(dtype=float))))
    chosen = lines(draw(DENSE, start, now, random="start"))["expected of a random matrix"]
    np.testing.assert_allclose(chosen, bulk_values((5, 4), float(start.std(dtype=float))))
    assert "4 singular values" in picture.caption
    assert "record 1" in picture.caption


def test_a_convolution_is_a_matrix_of_windows_by_filters_and_says_so():
    values = random(CONV)
    picture = draw(CONV, values)
    expected = np.linalg.svd(values.reshape(-1, 4).astype(float), compute_uv=False)
    np.testing.assert_allclose(lines(picture)["now"], expected)
    assert "As a matrix of 30 (rows × columns × channels) by 4 (filters)" in picture.caption


@pytest.mark.parametrize(
    ("weight", "shape"), [(LSTM, (5, 12)), (HEADS, (5, 6)), (TOKENS, (6, 3))], ids=["lstm", "heads", "embedding"]
)
def test_rows_come_in_and_columns_go_out(weight, shape):
    values = random(weight)
    expected = np.linalg.svd(values.reshape(shape).astype(float), compute_uv=False)
    np.testing.assert_allclose(lines(draw(weight, values))["now"], expected)


def test_vectors_name_what_they_connect():
    values = np.zeros((6, 3), np.float32)
    values[3, 2], values[1, 0] = -5, 2
    picture = draw(TOKENS, values, show="vectors")
    assert isinstance(picture, RankingPicture)
    assert [ranking.names[0] for ranking in picture.rankings] == ["3 d", "2"]
    assert 'token 3 ("d")' in picture.caption
    second = draw(TOKENS, values, show="vectors", vector="1")
    assert [ranking.names[0] for ranking in second.rankings] == ["1 b", "0"]
    make_figure(second, "title").canvas.draw()


@pytest.mark.parametrize("log", ["off", "on"])
@pytest.mark.parametrize("fill", [0.0, 2.0])
def test_matrices_without_full_rank_are_drawn(fill, log):
    picture = draw(DENSE, np.full((5, 4), fill, np.float32), log=log)
    assert "condition infinite" in picture.caption
    make_figure(picture, "title").canvas.draw()


def test_what_is_not_finite_is_said():
    values = random(DENSE)
    values[1, 1] = np.nan
    picture = draw(DENSE, values)
    assert isinstance(picture, EmptyPicture)
    assert "1 of 20 elements are NaN or Inf" in picture.caption


def test_what_would_take_too_long_is_refused():
    huge = weight_of(Axis("a", 100_000), Axis("b", 5_000))
    history = history_of(np.zeros((2, 2), np.float32))
    reading = spectrum.read_quantity(DENSE, history_of(random(DENSE)), Choice())
    assert "would take more than some seconds" in spectrum._refusal_text(huge, reading)
    assert history.num_recorded == 1


def test_it_is_for_matrices():
    assert not spectrum.applies(BIAS)
    assert not spectrum.applies(weight_of(Axis("a", 1), Axis("b", 5)))
    assert all(spectrum.applies(weight) for weight in (DENSE, LSTM, CONV, HEADS, TOKENS))


def test_the_button_is_offered_always():
    offers = option_states(spectrum.OPTIONS, DENSE, history_of(random(DENSE)), Choice())
    assert [offer.kind for offer in offers if offer.name == "compute"] == ["button"]


def test_training_never_computes_a_spectrum(dense_model, training_data, monkeypatch):
    computed = []
    real = np.linalg.svd
    monkeypatch.setattr(np.linalg, "svd", lambda *args, **kwargs: (computed.append(is_training[0]), real(*args, **kwargs))[1])
    is_training = [False]
    explorer = WeightExplorer(dense_model, record_every=1)
    explorer.select("hidden", role="kernel", view="spectrum")
    before = len(computed)
    caption = explorer._screen.state().picture.caption
    assert before
    assert caption
    is_training[0] = True
    drawn = []
    tell = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda *_, **__: drawn.append(explorer._panel.explanation.sections[1]["text"])
    )
    dense_model.fit(*training_data, epochs=2, batch_size=8, callbacks=[explorer.callback, tell], verbose=0)
    is_training[0] = False
    assert True not in computed
    assert len(drawn) > 10
    assert set(drawn) == {caption}
    explorer.select(compute="now")
    assert (
        f"record {explorer.history.records_with_values('dense_model/hidden/kernel')[-1]}"
        in explorer._panel.explanation.sections[1]["text"]
    )
    assert computed[-1] is False
    assert len(computed) > before
    explorer.close()


def test_a_choice_made_while_training_draws_is_not_computed_by_the_training(dense_model):
    explorer = WeightExplorer(dense_model)
    explorer._screen.update_choice(lambda choice: replace(choice, role="kernel", view="spectrum"))
    explorer._screen.draw(wait=False)
    assert "takes long" in str(explorer._panel.picture_area.message.sections)
    explorer._screen.answer()
    assert "singular values" in explorer._panel.explanation.sections[1]["text"]
    explorer.close()


def test_an_edit_is_seen_at_once(dense_model):
    explorer = WeightExplorer(dense_model)
    explorer.select("hidden", role="kernel", view="spectrum")
    before = explorer._panel.explanation.sections[1]["text"]
    explorer._screen.draw()
    assert explorer._panel.explanation.sections[1]["text"] == before
    explorer.assign("dense_model/hidden/kernel", (0, 0), 1000)
    assert "record 1" in explorer._panel.explanation.sections[1]["text"]
    assert explorer._panel.explanation.sections[1]["text"] != before
    explorer.close()
