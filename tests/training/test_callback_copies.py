"""Copies of the callback: in the same process they record in explorers of their own; pickled ones record nothing and say so."""

import copy
import gc
import logging
import pickle
import weakref

import keras
import keras_tuner
import numpy as np
import pytest
from joblib.externals import loky
from keras import layers
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import cross_validate

from weight_explorer import WeightExplorer

NAMES = ["a", "b", "c"]
X, Y = np.random.default_rng(1).random((2, 32, 6)).astype("float32")[0], np.ones((32, 3), "float32")


def build(name="other", units=5, inputs=6):
    keras.utils.set_random_seed(4)
    sizes = [layers.Dense(units, activation="relu", name="hidden"), layers.Dense(3, name="out")]
    model = keras.Sequential([keras.Input((inputs,)), *sizes], name=name)
    model.compile("adam", "mse")
    return model


def fit(model, *callbacks, epochs=2):
    model.fit(X, Y, batch_size=8, epochs=epochs, verbose=0, callbacks=list(callbacks))
    return [weight.numpy() for weight in model.weights]


def same(ours, theirs):
    return all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))


@pytest.fixture
def explorer(dense_model):
    return WeightExplorer(dense_model, record_every=2, max_overhead=0.5, memory="3 MB", labels={("out", "units"): NAMES})


COPIED = pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])


@COPIED
def test_a_copy_records_the_model_it_is_given_in_an_explorer_of_its_own(copied, explorer):
    callback, model = copied(explorer.callback), build()
    assert callback.explorer is None
    after = fit(model, callback)
    assert explorer.history.num_recorded == 1
    records = callback.explorer.history.records
    assert [(step.kind, step.epoch, step.batch) for step in records] == [
        *[("start", 0, 0), ("batch", 0, 2), ("batch", 0, 4), ("epoch", 1, 0), ("batch", 1, 2), ("batch", 1, 4), ("epoch", 2, 0)]
    ]
    assert np.array_equal(callback.explorer.history.values("other/out/kernel")[-1], after[2])
    assert callback.status.phase == "finished"
    assert same(after, fit(build()))


@COPIED
def test_a_copy_has_the_settings_of_the_original(copied, explorer):
    callback = copied(copied(explorer.callback))
    fit(build(), callback)
    assert callback.explorer.history.memory == explorer.history.memory == 3_000_000
    for each in (explorer, callback.explorer):
        assert list(next(w for key, w in each.catalog.weights.items() if key.endswith("out/kernel")).axes[1].labels) == NAMES
        assert (each._session._scheduler.record_every, each._session._scheduler.max_overhead) == (2, 0.5)


def test_each_callback_leads_to_its_explorer(explorer):
    callback = copy.copy(explorer.callback)
    fit(build(), callback)
    assert explorer.callback.explorer is explorer
    assert callback.explorer.callback.explorer is callback.explorer is not explorer


def test_an_evaluation_and_further_fits_of_the_same_model_stay_in_the_same_explorer(explorer):
    callback, first, second = copy.copy(explorer.callback), build("first"), build("second")
    fit(first, callback)
    of_first = callback.explorer
    first.evaluate(X, Y, verbose=0, callbacks=[callback])
    fit(first, callback)
    assert callback.explorer is of_first
    assert of_first.history.records[-1].epoch == 4
    fit(second, callback)
    assert callback.explorer.catalog.root.name == "second"
    assert of_first.history.records[-1].epoch == 4


def test_stop_in_the_panel_of_a_copy_ends_its_training(explorer):
    callback, model = copy.deepcopy(explorer.callback), build()

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            callback.explorer._panel.status._handle_custom_msg({"order": "stop"}, [])

    done = model.fit(X, Y, batch_size=8, epochs=50, verbose=0, callbacks=[Stop(), callback])
    assert len(done.epoch) == 1
    assert callback.status.phase == "stopped"


def test_labels_that_do_not_fit_the_other_model_are_left_out_and_logged_once(dense_model, caplog):
    labels = {("hidden", "units"): list("vwxyz"), "out": NAMES}
    original = WeightExplorer(dense_model, labels=labels).callback
    for _ in range(2):
        callback = copy.copy(original)
        fit(build(units=4), callback)
        weights = callback.explorer.catalog.weights
        assert list(weights["other/out/kernel"].axes[1].labels) == NAMES
        assert not weights["other/hidden/kernel"].axes[1].labels
    (logged,) = caplog.messages
    assert "leaves out labels[('hidden', 'units')]" in logged


def test_where_no_explorer_can_be_made_the_training_goes_on_and_the_log_says_so_once(dense_model, caplog):
    class Broken(WeightExplorer):
        is_broken = False

        def __init__(self, *args, **options):
            if self.is_broken:
                raise ZeroDivisionError("this part is broken")
            super().__init__(*args, **options)

    original, plain = Broken(dense_model).callback, fit(build())
    Broken.is_broken = True
    for _ in range(2):
        callback = copy.deepcopy(original)
        assert same(fit(build(), callback), plain)
        assert callback.explorer is None
    (logged,) = caplog.messages
    assert "cannot record this model; the training goes on. ZeroDivisionError: this part is broken" in logged
    Broken.is_broken = False
    fit(build("third"), callback)
    assert callback.explorer.history.num_recorded > 1


def test_a_dropped_copy_is_freed_with_its_explorer_and_model(explorer):
    callback, model = copy.copy(explorer.callback), build()
    fit(model, callback)
    callback.explorer.close()  # in these tests each has a panel from the start, which holds it
    freed = [weakref.ref(each) for each in (callback, callback.explorer, model)]
    del callback, model
    gc.collect()
    assert [each() for each in freed] == [None] * 3


# -- pickled ---------------------------------------------------------------------------------------------------------


def test_a_pickled_callback_keeps_the_settings_records_nothing_and_says_so_once(explorer, caplog):
    plain = fit(build())
    for original in (explorer.callback, copy.copy(explorer.callback)):
        caplog.clear()
        callback = pickle.loads(pickle.dumps(original))
        assert (callback.settings.record_every, callback.settings.memory) == (2, "3 MB")
        assert callback.settings.labels[0].names == tuple(NAMES)
        for each in (callback, copy.copy(callback), copy.deepcopy([callback])[0]):
            assert same(fit(build(), each), plain)
            assert each.explorer is None
        assert [(record.name, record.levelname) for record in caplog.records] == [("weight_explorer", "WARNING")]
        assert "was pickled" in caplog.text
    assert explorer.history.num_recorded == 1
    assert pickle.loads(pickle.dumps(callback)).settings == callback.settings


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_the_explorer_itself_says_what_to_do_instead_of_copying_it(copied, explorer):
    with pytest.raises(TypeError, match=r"cannot be copied or pickled.*explorer\.callback can be copied.*history\.save"):
        copied(explorer)


# -- by the tools that copy ------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")  # in Keras Tuner's own code
def test_keras_tuner_records_every_trial(explorer, tmp_path, caplog):
    trials = []

    class Tuned(keras_tuner.HyperModel):
        def build(self, hp):
            return build("tuned", units=hp.Choice("units", [4, 7]))

        def fit(self, hp, model, *args, **options):
            done = model.fit(*args, **options)
            trials.extend((model, each) for each in options["callbacks"] if hasattr(each, "explorer"))
            return done

    tuner = keras_tuner.RandomSearch(Tuned(), objective="loss", max_trials=2, directory=tmp_path, project_name="tuned", seed=1)
    tuner.search(X, Y, epochs=2, verbose=0, callbacks=[explorer.callback])
    assert len(trials) == 2
    for model, callback in trials:
        kernel = callback.explorer.history.values("tuned/hidden/kernel")
        assert kernel.shape[1:] == model.get_layer("hidden").kernel.shape
        assert np.array_equal(kernel[-1], model.get_layer("hidden").kernel.numpy())
        assert callback.explorer.history.records[-1].epoch == 2
    assert {model.get_layer("hidden").units for model, _ in trials} == {4, 7}
    assert explorer.history.num_recorded == 1
    assert not caplog.messages


class Network(RegressorMixin, BaseEstimator):
    """An estimator that holds a callback as a parameter, as wrappers of Keras do."""

    def __init__(self, callback=None):
        self.callback = callback

    def fit(self, inputs, targets):
        handler = Kept()
        logging.getLogger("weight_explorer").addHandler(handler)
        model = build("network")
        for _ in range(2):
            model.fit(inputs, targets, verbose=0, callbacks=[self.callback])
        logging.getLogger("weight_explorer").removeHandler(handler)
        self.logged_, self.weights_ = handler.messages, model.get_weights()
        return self

    def predict(self, inputs):
        return np.ones((len(inputs), 3))


class Kept(logging.Handler):
    def __init__(self):
        super().__init__()
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


def test_a_clone_of_an_estimator_records_what_it_trains(explorer):
    estimator = Network(explorer.callback)
    first, second = clone(estimator).fit(X, Y), clone(clone(estimator)).fit(X, Y)
    for each in (first, second):
        kernel = each.callback.explorer.history.values("network/hidden/kernel")
        assert np.array_equal(kernel[-1], each.weights_[0])
        assert each.logged_ == []
    assert first.callback.explorer is not second.callback.explorer
    assert explorer.history.num_recorded == 1


def test_estimators_in_worker_processes_train_and_say_once_that_nothing_is_recorded(explorer):
    try:
        found = cross_validate(Network(explorer.callback), X, Y, cv=2, n_jobs=2, return_estimator=True, error_score="raise")
    finally:
        loky.get_reusable_executor().shutdown(wait=True)
    for estimator in found["estimator"]:
        (logged,) = estimator.logged_
        assert "was pickled" in logged
        assert estimator.weights_[0].shape == (6, 5)
    assert explorer.history.num_recorded == 1
