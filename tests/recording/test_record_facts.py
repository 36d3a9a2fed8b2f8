"""Each record keeps what held when it was made, and findings judge it by that: the model of today says nothing of yesterday."""

import keras
import numpy as np
import pytest
from keras import layers

from tests.backends import BACKEND, needs_tape, not_on
from weight_explorer import WeightExplorer
from weight_explorer.catalog.schema import NotTrainableReason
from weight_explorer.recording.facts import TrainingKind

RANDOM = np.random.default_rng(0)
X = RANDOM.random((64, 9)).astype("float32") + 0.1
Y = RANDOM.random((64, 1)).astype("float32")
if BACKEND == "tensorflow":
    import tensorflow as tf

KERNEL, BIAS = "net/hidden/kernel", "net/hidden/bias"


def net(optimizer="adam", **how):
    """Two layers that learn, compiled."""
    keras.utils.set_random_seed(3)
    stack = [keras.Input((9,)), layers.Dense(9, name="hidden"), layers.Dense(1, name="out")]
    model = keras.Sequential(stack, name="net")
    model.compile(optimizer, "mse", jit_compile=False, **how)
    return model


def fit(model, explorer, epochs=3, x=X, **how):
    model.fit(x, Y, epochs=epochs, batch_size=16, verbose=0, callbacks=[explorer.callback], **how)
    assert not explorer.callback.status.problem


def facts_of(explorer, kind="epoch"):
    return [step.facts for step in explorer.history.records if step.kind == kind]


def told(explorer, rule="not moving"):
    return [finding for finding in explorer.findings if finding.rule == rule]


# -- what each record keeps ---------------------------------------------------------------------------------------------


def test_a_record_of_fit_keeps_what_trained_its_owner_and_the_learning_rate():
    model = net(keras.optimizers.Adam(0.01))
    model.get_layer("out").trainable = False
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    explorer = WeightExplorer(model)
    fit(model, explorer, 2)
    first, last = facts_of(explorer)
    assert first.conditions is last.conditions  # kept once
    conditions = last.conditions
    assert conditions.training_kind is TrainingKind.FIT
    assert conditions.trained_keys == {KERNEL, BIAS}
    assert conditions.not_trainable["net/out/kernel"] is NotTrainableReason.LAYER_FROZEN
    assert [each.name for each in conditions.optimizers] == ["Adam"]
    assert conditions.optimizers[0].owned_keys == {KERNEL, BIAS}
    assert last.learning_rate_of(KERNEL) == pytest.approx(0.01)
    assert last.learning_rate_of("net/out/kernel") is None
    assert (first.iterations, last.iterations) == ((4,), (8,))


def test_the_frame_has_the_learning_rate_and_what_trained_at_each_record():
    model = net(keras.optimizers.SGD(0.5))
    model.get_layer("out").trainable = False
    model.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=False)
    explorer = WeightExplorer(model, record_every="epoch")
    fit(model, explorer, 1)
    frame = explorer.history.to_frame()
    last = frame[(frame.kind == "epoch") & (frame.quantity == "value")].set_index("key")
    assert (last.learning_rate[KERNEL], last.trained[KERNEL]) == (0.5, True)
    assert (np.isnan(last.learning_rate["net/out/kernel"]), last.trained["net/out/kernel"]) == (True, False)


def test_the_panel_says_where_a_weight_was_not_trainable_at_the_record_on_screen():
    model = net()
    model.layers[0].trainable = False
    model.compile("adam", "mse", jit_compile=False)
    explorer = WeightExplorer(model, record_every="epoch")
    fit(model, explorer, 1)
    model.layers[0].trainable = True
    explorer.select("hidden", role="kernel")
    assert "trainable now (not trainable at record 1)" in explorer._screen.state().facts


def test_the_learning_rate_is_that_of_the_record_and_not_of_today():
    model = net(keras.optimizers.SGD(0.5))
    explorer = WeightExplorer(model)
    fit(model, explorer, 1)
    model.optimizer.learning_rate = 0.25
    fit(model, explorer, 1)
    model.optimizer.learning_rate = 0.125
    assert [facts.learning_rate_of(KERNEL) for facts in facts_of(explorer)] == [0.5, 0.25]


SCHEDULES = {
    "exponential": lambda: keras.optimizers.schedules.ExponentialDecay(0.5, 2, 0.5),
    "inverse time": lambda: keras.optimizers.schedules.InverseTimeDecay(0.5, 2, 0.5),
    "polynomial": lambda: keras.optimizers.schedules.PolynomialDecay(0.5, 6, 0.0),
    "cosine": lambda: keras.optimizers.schedules.CosineDecay(0.5, 8),
    "cosine with restarts": lambda: keras.optimizers.schedules.CosineDecayRestarts(0.5, 3),
    "piecewise": lambda: keras.optimizers.schedules.PiecewiseConstantDecay([3, 6], [0.5, 0.25, 0.125]),
}


@pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)
def test_a_schedule_of_keras_gives_the_rate_of_the_last_batch(make):
    model, schedule = net(keras.optimizers.SGD(make())), make()
    explorer = WeightExplorer(model, record_every=1)
    fit(model, explorer, 2)
    rates = [facts.learning_rate_of(KERNEL) for facts in facts_of(explorer, "batch")]
    wanted = [float(keras.ops.convert_to_numpy(schedule(step))) for step in range(8)]
    assert rates == pytest.approx(wanted)


def test_code_of_the_users_is_never_called_for_the_learning_rate():
    calls = []

    def rate():
        calls.append("function")
        return 0.01

    class Schedule(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            calls.append("schedule")
            return 0.01

        def get_config(self):
            return {}

    for given in (rate, Schedule()):
        calls.clear()
        model = net(keras.optimizers.SGD(given))
        model.fit(X, Y, epochs=2, batch_size=16, verbose=0)
        alone = len(calls)
        calls.clear()
        model = net(keras.optimizers.SGD(given))
        explorer = WeightExplorer(model, record_every=1)
        fit(model, explorer, 2)
        assert [facts.learning_rate_of(KERNEL) for facts in facts_of(explorer)] == [None, None]
        assert not told(explorer)
        assert len(calls) == alone


@needs_tape
@pytest.mark.parametrize("given", [True, False], ids=["optimizer given", "not given"])
def test_in_a_loop_the_owner_is_known_where_record_is_told(given):
    model, optimizer = net(), keras.optimizers.SGD(0.125)
    explorer = WeightExplorer(model, record_every=1)
    for _ in range(3):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(X) - Y) ** 2)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        explorer.record({"loss": float(loss)}, optimizer=optimizer if given else None)
    last = facts_of(explorer, "batch")[-1]
    assert last.conditions.training_kind is TrainingKind.LOOP
    assert last.conditions.trained_keys is None
    assert last.conditions.optimizers_are_complete is given
    assert last.learning_rate_of(KERNEL) == (0.125 if given else None)


def test_train_on_batch_is_known_by_the_steps_of_the_compiled_optimizer():
    model = net()
    explorer = WeightExplorer(model, record_every=1)
    for _ in range(3):
        explorer.record({"loss": model.train_on_batch(X, Y)})
    activities = [facts.conditions.training_kind for facts in facts_of(explorer, "batch")]
    assert activities[1:] == [TrainingKind.TRAIN_ON_BATCH] * 2


def test_records_of_activities_in_turns_share_their_conditions():
    model = net()
    explorer = WeightExplorer(model, record_every=1)
    for number in range(8):
        for _ in range(1 + number % 2):
            model.train_on_batch(X, Y)
        explorer.record()
    found = [step.facts.conditions for step in explorer.history.records[1:]]
    assert {each.training_kind for each in found} == {TrainingKind.LOOP, TrainingKind.TRAIN_ON_BATCH}
    assert len({id(each) for each in found}) == 2


def test_a_record_names_the_edit_or_load_that_came_before_it():
    model = net()
    explorer = WeightExplorer(model)
    fit(model, explorer, 1)
    assert facts_of(explorer)[-1].preceding_change is None
    explorer.assign(KERNEL, 0, 0.5)
    fit(model, explorer, 1)
    trained = [step for step in explorer.history.records if step.fit == 1 and step.kind in ("batch", "epoch")]
    after = trained[0].facts.preceding_change
    edited = explorer.history.get_record(after.record_number)
    assert (after.kind, after.name, edited.kind) == ("edited", f"assigned 0.5 to 9 elements (0) of {KERNEL}", "edited")
    assert all(step.facts.preceding_change is None for step in trained[1:])


def test_a_saved_run_keeps_the_facts_of_its_records(tmp_path):
    model = net()
    model.layers[0].trainable = False
    model.compile("adam", "mse", jit_compile=False)
    explorer = WeightExplorer(model)
    fit(model, explorer)
    before = [str(finding) for finding in explorer.findings]
    explorer.history.save(tmp_path / "run.h5")
    model.layers[0].trainable = True  # what is so today says nothing of the run
    loaded = WeightExplorer.load(tmp_path / "run.h5")
    assert [str(finding) for finding in loaded.findings] == before
    saved, kept = loaded.history.records[-1].facts, explorer.history.records[-1].facts
    assert (saved.iterations, saved.learning_rate_of("net/out/kernel")) == (
        kept.iterations,
        kept.learning_rate_of("net/out/kernel"),
    )


# -- each stretch by its own facts --------------------------------------------------------------------------------------


def test_what_was_frozen_was_frozen_also_after_it_was_unfrozen():
    model = net()
    model.layers[0].trainable = False
    model.compile("adam", "mse", jit_compile=False)
    explorer = WeightExplorer(model)
    fit(model, explorer)
    frozen = told(explorer)
    model.layers[0].trainable = True
    model.compile("adam", "mse", jit_compile=False)
    assert [(each.severity, each.keys) for each in told(explorer)] == [("note", (KERNEL, BIAS))]
    assert told(explorer)[0].message == frozen[0].message
    assert "its layer was frozen (trainable = False)" in frozen[0].message
    fit(model, explorer)
    assert not told(explorer)


def test_two_phases_of_fine_tuning_with_batch_normalization_raise_no_alarm():
    keras.utils.set_random_seed(1)
    convolution = [layers.Conv2D(4, 3, name="conv"), layers.BatchNormalization(name="norm"), layers.ReLU()]
    base = keras.Sequential([keras.Input((8, 8, 1)), *convolution, layers.GlobalAveragePooling2D()], name="base")
    model = keras.Sequential([keras.Input((8, 8, 1)), base, layers.Dense(1, name="head")], name="tuned")
    images = RANDOM.random((64, 8, 8, 1)).astype("float32")
    explorer = WeightExplorer(model)
    base.trainable = False
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    fit(model, explorer, x=images)
    first = [(finding.rule, finding.severity) for finding in explorer.findings]
    assert {("not moving", "note"), ("moving statistics", "note")} <= {*first}
    assert {severity for _, severity in first} == {"note"}
    base.trainable = True
    model.compile(keras.optimizers.Adam(0.001), "mse", jit_compile=False)
    assert [(finding.rule, finding.severity) for finding in explorer.findings] == first
    fit(model, explorer, x=images)
    assert [str(finding) for finding in explorer.findings if finding.severity != "note"] == []
    assert not told(explorer)


LATER = {
    "learning rate 0": (lambda model: setattr(model.optimizer, "learning_rate", 0.0), "the learning rate was 0", "warning"),
    "frozen": (lambda model: (setattr(model, "trainable", False), model.compile("adam", "mse")), "was frozen", "note"),
}


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights:UserWarning")
@pytest.mark.parametrize(("stop", "words", "severity"), LATER.values(), ids=LATER)
def test_a_standstill_that_begins_later_is_told_with_when_it_began(stop, words, severity):
    if words == "was frozen" and BACKEND != "tensorflow":
        pytest.skip("Keras refuses to train a model of which nothing is trainable")
    model = net()
    explorer = WeightExplorer(model)
    fit(model, explorer)
    assert not told(explorer)
    last = explorer.history.num_recorded - 1
    stop(model)
    fit(model, explorer)
    (finding,) = told(explorer)
    assert (finding.severity, len(finding.keys), finding.evidence["since"]) == (severity, 4, last)
    assert f"moved before, but not since record {last} (epoch 3), over 12 batches" in finding.message
    assert words in finding.message


def test_a_schedule_that_ends_at_zero_is_told_with_when_it_did():
    model = net(keras.optimizers.SGD(keras.optimizers.schedules.PolynomialDecay(0.1, 8, 0.0)))
    explorer = WeightExplorer(model)
    fit(model, explorer, 2)
    assert not told(explorer)
    fit(model, explorer, 4)
    (finding,) = told(explorer)
    assert "the learning rate was 0" in finding.message
    assert "(epoch 2)" in finding.message


@not_on("jax", "torch", why="Keras refuses to train what the optimizer does not own")
def test_a_flag_that_is_set_without_compiling_is_not_what_the_step_trains():
    model = net()
    model.layers[0].trainable = False
    model.compile("adam", "mse", jit_compile=False)
    explorer = WeightExplorer(model)
    fit(model, explorer)
    model.layers[0].trainable = True
    fit(model, explorer)
    last = explorer.history.records[-1].facts.conditions
    assert (KERNEL in last.trained_keys, KERNEL in last.not_trainable) == (False, False)
    (finding,) = told(explorer)
    assert (finding.severity, finding.keys) == ("warning", (KERNEL, BIAS))
    assert "set to trainable after the training step was compiled" in finding.message


@not_on("jax", "torch", why="the flag is asked at each step, or Keras refuses")
def test_a_model_built_by_its_first_batch_is_known_by_what_that_compiled():
    model = keras.Sequential([layers.Dense(4, name="hidden"), layers.Dense(1, name="out")], name="net")
    model.compile("adam", "mse", jit_compile=False)
    explorer = WeightExplorer(model)
    fit(model, explorer)
    model.layers[0].trainable = False
    fit(model, explorer)
    (finding,) = told(explorer, "frozen but moved")
    assert (finding.severity, set(finding.keys)) == ("warning", {KERNEL, BIAS})


@needs_tape
def test_the_parts_of_a_gan_that_are_trained_in_turns_are_told_by_the_steps_of_their_optimizers():
    keras.utils.set_random_seed(2)
    maker = keras.Sequential([keras.Input((4,)), layers.Dense(9, name="make")], name="maker")
    critic = keras.Sequential([keras.Input((9,)), layers.Dense(1, name="judge")], name="critic")
    both = keras.Sequential([keras.Input((4,)), maker, critic], name="both")
    optimizers = {name: keras.optimizers.Adam(0.01) for name in ("maker", "critic")}
    explorer = WeightExplorer(both, record_every=1)
    noise = RANDOM.normal(size=(16, 4)).astype("float32")

    def step(part, sign):
        with tf.GradientTape() as tape:
            loss = sign * tf.reduce_mean(both(noise))
        variables = part.trainable_variables
        optimizers[part.name].apply(tape.gradient(loss, variables), variables)
        explorer.record({"loss": float(loss)}, optimizer=list(optimizers.values()))

    for _ in range(6):
        step(maker, 1)
        step(critic, -1)
    assert [str(finding) for finding in explorer.findings if finding.severity != "note"] == []
    for _ in range(6):
        step(maker, 1)  # the critic is not trained any more
    (finding,) = told(explorer)
    assert (finding.severity, set(finding.keys)) == ("note", {"critic/judge/kernel", "critic/judge/bias"})
    assert "the optimizer that owns it (Adam) made no step" in finding.message


# -- the start ----------------------------------------------------------------------------------------------------------


def load(model):
    model.layers[0].set_weights([np.full((9, 9), 0.75) + np.eye(9) / 8, np.zeros(9)])


def test_what_was_loaded_before_the_first_fit_is_its_start():
    model, x = net(), X * ([0, 0] + [1] * 7)
    explorer = WeightExplorer(model)
    load(model)
    start = model.layers[0].kernel.numpy()
    fit(model, explorer, 4, x=x)
    assert [step.kind for step in explorer.history.records][:2] == ["before", "start"]
    assert explorer.history.start_record == 1
    rules = {finding.rule: finding for finding in explorer.findings}
    assert set(rules) == {"rows not moving"}
    assert rules["rows not moving"].axis_entries[0].entries == (0, 1)
    since = explorer.history.statistics(KERNEL, "since_start")
    values = {number: explorer.history.values_at(KERNEL, number) for number in explorer.history.records_with_values(KERNEL)}
    assert since["moved"][1] == 0
    assert since["norm"][-1] == pytest.approx(np.linalg.norm(values[max(values)] - start), rel=1e-5)


def test_what_was_loaded_between_two_fits_is_no_training():
    model = net()
    explorer = WeightExplorer(model)
    fit(model, explorer, 2)
    load(model)
    fit(model, explorer, 2)
    assert [step.kind for step in explorer.history.records if step.kind != "batch"].count("start") == 2
    assert [str(finding) for finding in explorer.findings if finding.severity != "note"] == []


def test_an_edit_before_the_first_fit_stays_a_record_and_is_no_training():
    model = net()
    explorer = WeightExplorer(model)
    explorer.assign(KERNEL, None, 0.25)
    fit(model, explorer, 2)
    records = explorer.history.records
    assert [step.kind for step in records][:3] == ["before", "edited", "start"]
    assert explorer.history.statistics_at(KERNEL, records[-1].number, "since_start")[0] == 81
    largest = np.abs(model.layers[0].kernel.numpy() - 0.25).max()
    frame = explorer.history.to_frame()
    row = frame[(frame.key == KERNEL) & (frame.quantity == "since_start")].iloc[-1]
    assert abs(row.largest) == pytest.approx(largest, rel=1e-5)


def test_a_large_weight_and_a_sampled_one_start_again_as_well():
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((700,)), layers.Dense(300, name="wide"), layers.Dense(1)], name="net")
    model.compile("sgd", "mse", jit_compile=False)
    for memory in ("256 MB", "2 MB"):
        explorer = WeightExplorer(model, memory=memory)
        kernel = model.layers[0].kernel
        kernel.assign(kernel * 3)
        start = keras.ops.convert_to_numpy(kernel)
        model.fit(RANDOM.random((8, 700)), np.zeros(8), verbose=0, callbacks=[explorer.callback])
        since = explorer.history.statistics("net/wide/kernel", "since_start")
        assert since["moved"][explorer.history.start_record] == 0
        changed = np.linalg.norm(keras.ops.convert_to_numpy(kernel) - start)
        assert since["norm"][-1] == pytest.approx(changed, rel=0.2 if since.is_estimated else 1e-5)
    assert since.is_estimated


# -- what other programs showed -------------------------------------------------------------------------------------------


def test_a_thinned_past_counts_all_its_batches():
    model = net()
    model.layers[0].trainable = False
    model.compile("adam", "mse", jit_compile=False)
    explorer = WeightExplorer(model, record_every=1, memory="150 KB")
    fit(model, explorer, 60)
    assert len(explorer.history.records) < explorer.history.num_recorded / 2
    (finding,) = told(explorer)
    assert "over 240 batches" in finding.message


def test_the_learning_rate_of_an_epoch_is_that_of_its_batches_in_any_order_of_callbacks():
    class Lower(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 0.5 / 2 ** (epoch + 1)

    for lower_first in (True, False):
        model = net(keras.optimizers.SGD(0.5))
        explorer = WeightExplorer(model, record_every="epoch")
        callbacks = [Lower(), explorer.callback] if lower_first else [explorer.callback, Lower()]
        model.fit(X, Y, epochs=3, batch_size=16, verbose=0, callbacks=callbacks)
        assert [facts.learning_rate_of(KERNEL) for facts in facts_of(explorer)] == [0.5, 0.25, 0.125]


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="on jax: Keras mixes up the states of a step of which a flag changes"
)
def test_a_layer_that_is_frozen_in_the_middle_of_an_epoch_is_so_at_the_next_record():
    class Freeze(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 2:
                self.model.layers[0].trainable = False

    model = net(run_eagerly=True)
    explorer = WeightExplorer(model, record_every=1)
    model.fit(X, Y, batch_size=16, verbose=0, callbacks=[Freeze(), explorer.callback])
    frozen = [KERNEL in facts.conditions.not_trainable for facts in facts_of(explorer, "batch")]
    assert frozen == [False, False, True, True]


@not_on("torch", why="Keras has no gradient accumulation there")
def test_steps_and_schedules_are_known_where_gradients_are_accumulated():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([4], [0.5, 0.25])
    model = net(keras.optimizers.SGD(schedule, gradient_accumulation_steps=2))
    explorer = WeightExplorer(model, record_every="epoch")
    fit(model, explorer, 2)
    first, last = facts_of(explorer)
    assert None not in (*first.iterations, *last.iterations)
    assert (first.learning_rate_of(KERNEL), last.learning_rate_of(KERNEL)) == (0.5, 0.25)
    assert last.conditions.trained_keys is not None


def test_a_fit_without_the_callback_is_told_as_training():
    model = net()
    explorer = WeightExplorer(model)
    fit(model, explorer, 1)
    model.fit(X, Y, epochs=2, batch_size=16, verbose=0)
    assert "then: trained without this callback (8 steps)" in str(explorer)


def test_a_target_network_that_a_callback_sets_is_no_mistake():
    """As in deep Q-learning: the target is frozen before the model is compiled, and gets its values by hand."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((9,))
    online, target = layers.Dense(4, name="online"), layers.Dense(4, name="target", trainable=False)
    model = keras.Model(inputs, layers.Dense(1, name="out")(online(inputs) + target(inputs)), name="q")
    model.compile("adam", "mse", jit_compile=False)

    class Copy(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            target.set_weights(online.get_weights())

    for record_every in (1, "epoch"):
        explorer = WeightExplorer(model, record_every=record_every)
        model.fit(X, Y, epochs=4, batch_size=16, verbose=0, callbacks=[Copy(), explorer.callback])
        assert [str(finding) for finding in explorer.findings if finding.severity != "note"] == []
        for finding in told(explorer, "frozen but moved"):
            assert "a callback or code of the model's own gave it these values" in finding.message


def test_a_submodel_of_the_trained_model_has_a_path_to_the_loss():
    keras.utils.set_random_seed(3)
    inner = keras.Sequential([keras.Input((9,)), layers.Dense(4, name="one"), layers.Dense(4, name="two")], name="inner")
    middle = keras.Sequential([keras.Input((9,)), inner, layers.Dense(3, name="three")], name="middle")
    outer = keras.Sequential([keras.Input((9,)), middle, layers.Dense(1, name="out")], name="outer")
    outer.compile("adam", "mse", jit_compile=False)
    explorer = WeightExplorer(inner)
    outer.fit(X, Y, epochs=2, batch_size=16, verbose=0, callbacks=[explorer.callback])
    assert facts_of(explorer)[-1].conditions.layers_reaching_loss >= {"inner/one", "inner/two"}


def test_optimizers_in_a_dictionary_own_what_they_move():
    class Two(keras.Model):
        def __init__(self):
            super().__init__(name="two")
            self.hidden, self.out = layers.Dense(4, name="hidden"), layers.Dense(1, name="out")
            self.parts = {"hidden": keras.optimizers.SGD(0.125), "out": keras.optimizers.SGD(0.25)}

        def call(self, x):
            return self.out(self.hidden(x))

        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self(x, training=True) - y) ** 2)
            variables = self.hidden.trainable_variables, self.out.trainable_variables
            for part, gradients, owned in zip(self.parts.values(), tape.gradient(loss, variables), variables, strict=True):
                part.apply(gradients, owned)
            return {"loss": loss}

    if BACKEND != "tensorflow":
        pytest.skip("GradientTape is TensorFlow's own")
    model = Two()
    model(X)
    for part, layer in zip(model.parts.values(), model.layers, strict=True):
        part.build(layer.trainable_variables)
    model.compile(run_eagerly=True)
    explorer = WeightExplorer(model)
    fit(model, explorer, 2)
    last = facts_of(explorer)[-1]
    keys = [key for key in explorer.catalog.weights if key.endswith("kernel")]
    assert [last.learning_rate_of(key) for key in keys] == [0.125, 0.25]
    assert not told(explorer)


def test_a_weight_that_starts_very_small_may_grow():
    keras.utils.set_random_seed(3)
    small = keras.initializers.RandomUniform(-0.003, 0.003, seed=1)
    stack = [layers.Dense(16, "relu", name="hidden"), layers.Dense(4, kernel_initializer=small, name="head")]
    model = keras.Sequential([keras.Input((9,)), *stack], name="net")
    model.compile(keras.optimizers.Adam(0.005), "mse", jit_compile=False)
    explorer = WeightExplorer(model, record_every=1)
    model.fit(X, X @ RANDOM.normal(size=(9, 4)), epochs=12, batch_size=16, verbose=0, callbacks=[explorer.callback])
    assert [str(finding) for finding in explorer.findings if finding.severity != "note"] == []


def test_a_standstill_with_two_reasons_says_since_when_each_holds():
    model = net(keras.optimizers.SGD(0.1))
    explorer = WeightExplorer(model, record_every="epoch")
    fit(model, explorer, 2)
    model.optimizer.learning_rate = 0.0
    fit(model, explorer, 2)
    model.layers[0].trainable = False
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    fit(model, explorer, 2)
    (finding,) = told(explorer)
    assert "moved before, but not since record 2 (epoch 2), over 16 batches; since record 4" in finding.message
    assert finding.message.endswith("its layer was frozen (trainable = False).")
