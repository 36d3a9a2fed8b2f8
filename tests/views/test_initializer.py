"""The view of initializers: it draws what Keras draws, applies what it drew, and touches nothing else."""

import random
import re
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from tests.panel.test_edit_toolbar import bits, order
from tests.records import history_of, weight_of
from weight_explorer import WeightExplorer
from weight_explorer.pictures.data import ChartPicture, EmptyPicture
from weight_explorer.pictures.text import describe_picture
from weight_explorer.views import initializer
from weight_explorer.views.choice import Choice
from weight_explorer.views.initializer import (
    LAYER_OWN,
    PARAMETERS,
    InitializerRequest,
    InitializerSample,
    initializer_request,
)
from weight_explorer.views.initializer_distributions import KERAS_INITIALIZERS, initial_distribution

KERNEL, BIAS, LSTM = "m/hidden/kernel", "m/hidden/bias", "m/reader/lstm_cell/kernel"
KERAS = {
    name
    for name, each in vars(keras.initializers).items()
    if isinstance(each, type) and issubclass(each, keras.Initializer) and each is not keras.Initializer and name[0].isupper()
}


@pytest.fixture
def model():
    keras.utils.set_random_seed(4)
    return keras.Sequential(
        [keras.Input((5, 30)), layers.LSTM(20, name="reader"), layers.Dense(60, name="hidden"), layers.Dense(2, name="out")],
        name="m",
    )


@pytest.fixture
def explorer(model):
    explorer = WeightExplorer(model)
    explorer.select("hidden", role="kernel", view="initializer")
    return explorer


def chart(explorer):
    return explorer._screen.state().picture.charts[0]


def marks(explorer):
    return {mark.name: mark for mark in chart(explorer).marks}


def offers(explorer):
    options = {option.name: [offer.key for offer in option.items] for option in explorer._screen.state().options}
    return options["initializer"]


def caption(explorer):
    return explorer._screen.state().picture.caption


def test_in_words_each_distribution_has_the_range_of_its_own_values(model, explorer):
    kernel = model.get_layer("hidden").kernel
    start = kernel.numpy()
    kernel.assign(start * 10 + 3)
    explorer.select("hidden", role="kernel", view="initializer", initializer="RandomUniform")
    picture = explorer._screen.state().picture
    counts = [mark for mark in picture.charts[0].marks if mark.kind == "steps" and mark.name]
    width = float(np.diff(counts[0].x).max())
    told = re.findall(r"([^.:]+): most, .*?; in all from (\S+) to (\S+?)\.(?: |$)", describe_picture(picture, "w"))
    ranges = {name.strip().casefold(): (float(low), float(high)) for name, low, high in told}
    assert len(ranges) == len(counts) >= 2
    ends = {mark.name.casefold(): ranges[mark.name.casefold()] for mark in counts}
    (now,) = [ends[name] for name in ends if ends[name][1] > 3]
    assert now == pytest.approx((kernel.numpy().min(), kernel.numpy().max()), abs=width)
    others = [ends[name] for name in ends if ends[name] != now]
    assert others
    assert all(-0.5 - width < low < high < 0.5 + width for low, high in others)


def test_the_table_has_the_initializers_of_keras():
    names = {getattr(keras.initializers, name).__name__ for name in KERAS} - {"STFT", "STFTInitializer", "RandomInitializer"}
    assert set(KERAS_INITIALIZERS) == names | {"Identity"}


@pytest.mark.parametrize("name", KERAS_INITIALIZERS)
def test_parameters_and_their_first_values_are_those_of_keras(name):
    made = getattr(keras.initializers, name)()
    known = made.get_config() | {key: value for key, value in vars(made).items() if key == "gain"}
    offered = {each: initializer._parse_number(values[0]) for each, (takers, values) in PARAMETERS.items() if name in takers}
    assert offered == {each: known[each] for each in offered}
    fixed = {"Glorot", "Lecun", "He"}
    if not any(name.startswith(each) for each in fixed):
        assert set(offered) == set(known) - {"seed", "input_axes", "output_axes"}


def test_the_layers_own_comes_first_and_those_that_cannot_fill_the_weight_are_not_offered(explorer):
    assert offers(explorer)[0] == LAYER_OWN
    assert {"GlorotUniform", "HeNormal", "Orthogonal", "Constant", "Identity"} < set(offers(explorer))
    explorer.select("hidden", role="bias")
    assert not {"Orthogonal", "Identity"} & set(offers(explorer))


@pytest.mark.parametrize("name", KERAS_INITIALIZERS)
def test_what_is_drawn_is_what_keras_draws_and_applying_gives_just_that(explorer, name):
    kwargs = {} if name in ("Zeros", "Ones", "Constant", "Identity") else {"seed": 7}
    expected = np.asarray(getattr(keras.initializers, name)(**kwargs)((20, 60)))
    explorer.select(initializer=name, seed=7)
    trial = explorer._deeds._preview
    np.testing.assert_array_equal(trial.values, expected)
    before = bits(explorer)
    words, is_refused = order(explorer, "initialize")
    assert not is_refused, words
    np.testing.assert_array_equal(explorer.catalog.variables[KERNEL].numpy(), expected)
    order(explorer, "undo")
    np.testing.assert_array_equal(bits(explorer), before)


def test_looking_changes_nothing(explorer):
    before, num, state = bits(explorer), explorer.history.num_recorded, random.getstate()
    numpy_state = np.random.get_state()[1].tobytes()  # noqa: NPY002 - a training may use it
    for name in (*KERAS_INITIALIZERS, LAYER_OWN):
        explorer.select(initializer=name, seed=3)
        assert explorer._deeds._preview.values is not None
    np.testing.assert_array_equal(bits(explorer), before)
    assert explorer.history.num_recorded == num
    # A training may take its random numbers from these.
    assert random.getstate() == state
    assert np.random.get_state()[1].tobytes() == numpy_state  # noqa: NPY002


def test_the_own_one_draws_as_the_layer_is_built(explorer):
    explorer.select("reader", role="bias", initializer=LAYER_OWN, seed=3)
    drawn = explorer._deeds._preview.values
    np.testing.assert_array_equal(drawn, np.repeat([0, 1, 0, 0], 20))  # the forget gate begins with ones


def test_a_gate_alone_is_drawn_anew(explorer):
    explorer.select("reader", role="kernel", view="initializer", initializer="HeNormal", seed=2, block="forget gate")
    before = bits(explorer, LSTM)
    words, _ = order(explorer, "initialize")
    assert words == "Drawn anew by HeNormal, seed 2: forget gate of kernel: 600 elements. It is record 1 on the time axis."
    same = bits(explorer, LSTM) == before
    assert not same[:, 20:40].any()
    assert np.delete(same, np.s_[20:40], axis=1).all()
    whole = np.asarray(keras.initializers.HeNormal(seed=2)((30, 80)))
    np.testing.assert_array_equal(explorer.catalog.variables[LSTM].numpy()[:, 20:40], whole[:, 20:40])


def test_the_picture_holds_now_start_sample_and_curve_over_the_same_bins(explorer):
    explorer.assign(KERNEL, None, 0.01)
    explorer.select(initializer="RandomNormal", stddev="0.1", seed=5)
    found = marks(explorer)
    assert list(found) == ["record 1", "at the start", "drawn (seed 5)", "expected"]
    edges = found["record 1"].x
    drawn = explorer._deeds._preview.values
    np.testing.assert_array_equal(found["drawn (seed 5)"].y, np.histogram(drawn, edges)[0])
    assert found["expected"].y.sum() == pytest.approx(1200, rel=0.01)
    assert found["record 1"].y.max() == 1200


def test_words_tell_the_distribution_the_fans_and_how_well_it_is_followed(explorer):
    assert caption(explorer).startswith(
        "Its own initializer, GlorotUniform: uniform within ± sqrt(6 / (20 + 60)) = ± 0.274 for fan_in 20, fan_out 60. "
        "The sample follows it ("
    )
    assert "The start values follow its own (" in caption(explorer)
    explorer.select(initializer="RandomNormal")
    assert "It does not look at the fans: fan_in 20, fan_out 60." in caption(explorer)


def test_start_values_that_are_not_of_the_initializer_are_said_to_be_others(model):
    model.get_layer("hidden").kernel.assign(np.random.default_rng(0).normal(size=(20, 60)))
    explorer = WeightExplorer(model)
    explorer.select("hidden", role="kernel", view="initializer")
    assert "The start values do not follow its own (" in caption(explorer)
    assert "The sample follows it (" in caption(explorer)


@pytest.mark.parametrize("seed", range(40))
def test_good_samples_are_rarely_said_to_be_bad(seed):
    """One of two hundred would be by chance; measured at the edges of bins it is fewer."""
    values = np.asarray(keras.initializers.GlorotUniform(seed=seed)((50, 70)))
    weight = replace(weight_of("w", values), initializer_config={"class_name": "GlorotUniform", "config": {}})
    history = history_of(values)
    wanted = initializer_request(weight, history, Choice())
    words = initializer.draw(weight, history, Choice(), InitializerSample(wanted, values)).caption
    assert "follows it" in words
    assert "follow its own" in words
    off = initializer.draw(weight, history, Choice(), InitializerSample(wanted, values * 1.2)).caption
    assert "does not follow it" in off


def test_functions_of_the_user_are_offered_drawn_and_given(explorer):
    calls = []

    def ramp(shape, dtype):
        calls.append(1)
        return keras.ops.reshape(keras.ops.arange(np.prod(shape), dtype=dtype) + len(calls), shape)

    explorer.initializers = {"ramp": ramp, "mine": keras.initializers.Constant(2.0), "bad": lambda shape, dtype: 1 / 0}
    explorer.select(initializer="ramp", seed=1)
    assert "takes no seed" in caption(explorer)
    shown = explorer._deeds._preview.values
    assert order(explorer, "initialize")[0].startswith("Drawn anew by ramp: all")
    np.testing.assert_array_equal(explorer.catalog.variables[KERNEL].numpy(), shown)  # what was seen, not another draw
    explorer.select(initializer="mine")
    order(explorer, "initialize")
    assert (explorer.catalog.variables[KERNEL].numpy() == 2).all()
    before = bits(explorer)
    explorer.select(initializer="bad")
    assert "No sample can be drawn: division by zero." in caption(explorer)
    assert order(explorer, "initialize") == ("division by zero", True)
    np.testing.assert_array_equal(bits(explorer), before)
    with pytest.raises(ValueError, match="Did you mean 'ramp'"):
        explorer.select(initializer="rampe")


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (["ramp"], TypeError, "and got list"),
        ({"ramp": 3}, TypeError, "'ramp': 3"),
        ({"": np.zeros}, TypeError, "''"),
        (
            {"Zeros": np.zeros},
            ValueError,
            "Keras has an initializer 'Zeros' already. Give yours another name, such as 'my_Zeros'",
        ),
        ({"he_normal": np.zeros}, ValueError, "Keras has an initializer 'he_normal' already"),
        ({LAYER_OWN: np.zeros}, ValueError, "'own' stands for a layer's own initializer. Give yours another name"),
    ],
)
def test_what_is_no_initializer_is_refused(explorer, given, error, words):
    with pytest.raises(error, match=words):
        explorer.initializers = given
    assert explorer.initializers == {}


def test_it_draws_once_for_each_wish_and_never_for_the_training(explorer, model):
    calls = []
    explorer.initializers = {"mine": lambda shape, dtype: calls.append(1) or keras.ops.zeros(shape, dtype)}
    explorer.select(initializer="mine")
    explorer._screen.state()
    assert len(calls) == 1
    model.compile("sgd", "mse")
    model.fit(np.ones((32, 5, 30)), np.zeros((32, 2)), epochs=3, verbose=0, callbacks=[explorer.callback])
    assert len(calls) == 1
    assert "drawn (seed 0)" in marks(explorer)
    explorer.select(view="matrix")
    assert explorer._deeds._preview is None  # as large as the weight


def test_a_large_weight_is_counted_when_it_is_asked_for_and_after_a_deed():
    model = keras.Sequential([keras.Input((300,)), layers.Dense(300, name="hidden")], name="m")
    explorer = WeightExplorer(model)
    explorer.select("hidden", role="kernel", view="initializer", initializer="HeNormal")
    model.compile("sgd", "mse")
    model.fit(np.ones((32, 300)), np.zeros((32, 300)), verbose=0, callbacks=[explorer.callback])
    shown = explorer._screen._last_drawing.picture
    assert [mark.name for mark in shown.charts[0].marks] == ["the start", "drawn (seed 0)", "expected"]
    order(explorer, "initialize")
    shown = explorer._screen._last_drawing.picture
    number = explorer.history.num_recorded - 1
    assert [mark.name for mark in shown.charts[0].marks] == [f"record {number}", "at the start", "drawn (seed 0)", "expected"]


def test_files_hold_the_sample_as_well(explorer):
    explorer.select(initializer="HeNormal", seed=4)
    assert "drawn (seed 4)" in explorer.to_csv()


@pytest.mark.parametrize("values", [np.float32(3), np.ones(1, np.float32), np.full((3, 4), np.nan, np.float32)], ids=str)
def test_edge_cases_have_a_picture_or_words(values):
    values = np.asarray(values)
    weight, history = weight_of("w", values), history_of(values)
    wanted = InitializerRequest("w", LAYER_OWN, (), 0)
    for trial in (None, InitializerSample(wanted, values), InitializerSample(wanted, problem="no")):
        picture = initializer.draw(weight, history, Choice(), trial)
        assert isinstance(picture, (ChartPicture, EmptyPicture))
        assert picture.caption


def test_of_a_weight_that_is_lost_to_nan_the_sample_and_its_curve_are_drawn(explorer):
    explorer.assign(KERNEL, None, np.nan)
    found = marks(explorer)
    assert found["record 1"].y.sum() == 0
    assert found["expected"].y.sum() == pytest.approx(1200, rel=0.01)


def test_of_a_large_weight_the_same_elements_are_compared():
    values = np.random.default_rng(0).normal(size=(600, 500)).astype(np.float32)
    weight, history = weight_of("w", values), history_of(values, memory=400_000)
    assert history.weight_history("w").sample is not None
    picture = initializer.draw(
        weight, history, Choice(), InitializerSample(initializer_request(weight, history, Choice()), values)
    )
    now, drawn = picture.charts[0].marks[:2]
    np.testing.assert_array_equal(now.y, drawn.y)
    assert "Estimated from" in picture.caption


def test_whole_numbers_have_no_initializers_to_choose_from():
    weight = weight_of("w", np.zeros((2, 2), np.int32))
    assert not initializer.applies(weight)
    assert initial_distribution(weight) is None
