"""Each rule finds its trouble in a model that has it, with the right evidence, and is silent on one that has not."""

import keras
import numpy as np
import pytest
from keras import layers
from sklearn import datasets

from tests.backends import not_on
from tests.records import Variable, history_of, record
from weight_explorer import WeightExplorer
from weight_explorer.catalog.schema import Axis, Catalog, LayerNode, Weight
from weight_explorer.diagnosis.context import DiagnosisContext
from weight_explorer.diagnosis.findings import Finding, Findings
from weight_explorer.diagnosis.model_facts import ModelFacts
from weight_explorer.diagnosis.registry import PARAMETERS, RULES, diagnose
from weight_explorer.diagnosis.rules.updates import update_ratio_range
from weight_explorer.recording.live_history import LiveHistory
from weight_explorer.recording.recorder import Recorder

RANDOM = np.random.default_rng(4)
X = RANDOM.normal(size=(96, 6)).astype("float32")
Y = (X @ RANDOM.normal(size=(6, 2))).astype("float32")


pytestmark = pytest.mark.filterwarnings("ignore:Gradients do not exist for variables:UserWarning")


@pytest.fixture(autouse=True)
def seeded():
    """Layers draw their seeds when they are made."""
    keras.utils.set_random_seed(3)


def sequential(*stack, shape=(6,)):
    return keras.Sequential([keras.Input(shape), *stack], name="m")


def fit(model, x=X, y=Y, *, optimizer="sgd", epochs=4, compiled=False, explorer=None, **how):
    """Train with a record of every batch, and return the explorer."""
    if not compiled:
        model.compile(**{"optimizer": optimizer, "loss": "mse", "jit_compile": False} | how)
    explorer = explorer or WeightExplorer(model, record_every=1)
    model.fit(x, y, epochs=epochs, batch_size=16, verbose=0, callbacks=[explorer.callback])
    assert not explorer.callback.status.problem
    return explorer


def found(explorer, rule):
    return [finding for finding in explorer.findings if finding.rule == rule]


def one(explorer, rule):
    (finding,) = found(explorer, rule)
    return finding


def two_layers(**hidden):
    return sequential(layers.Dense(5, **hidden, name="hidden"), layers.Dense(2, name="out"))


@pytest.fixture(scope="module")
def healthy():
    """Two layers that learn."""
    return fit(two_layers(activation="tanh"))


def test_of_a_healthy_training_nothing_is_found(healthy):
    assert str(healthy.findings) == "Nothing was found."


# -- not moving --------------------------------------------------------------------------------------------------------


def test_question_one_which_rows_did_not_move_and_why():
    """Digits whose border pixels are always 0."""
    pixels, names = datasets.load_digits(return_X_y=True)
    pixels = (pixels / 16).astype("float32")
    dark = tuple(np.flatnonzero((pixels == 0).all(axis=0)).tolist())
    assert dark == (0, 32, 39)
    model = sequential(layers.Dense(16, "tanh", name="hidden"), layers.Dense(10, name="out"), shape=(64,))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    finding = one(fit(model, pixels, names, loss=loss, epochs=1), "rows not moving")
    assert (finding.key, finding.axis_entries[0].axis, finding.axis_entries[0].entries) == ("m/hidden/kernel", 0, dark)
    assert finding.severity == "note"
    assert finding.evidence == {"rows_still": 3, "rows": 64, "bias_moved": 16, "biases": 16}
    for words in (
        "3 of 64 rows of the kernel of hidden",
        "inputs 0, 32 and 39",
        "a row whose input is always 0 does not move",
        "Whether these inputs are always 0 was not checked",
        "All 16 b",
    ):
        assert words in finding.message


def test_rows_that_are_still_are_named_by_the_users_labels():
    model = sequential(layers.Dense(2, name="out"))
    model.compile("sgd", "mse", jit_compile=False)
    explorer = WeightExplorer(model, record_every=1, labels={("out", "input_dim"): ["age", "sex", "<b>", "x", "y", "z"]})
    fit(model, X * [1, 0, 0, 1, 1, 1], explorer=explorer, compiled=True)
    assert "inputs 1 ('sex') to 2 ('<b>')" in one(explorer, "rows not moving").sentence
    assert "&lt;b&gt;" in explorer.findings._repr_html_()
    assert "<b>" not in explorer.findings._repr_html_()


def test_of_a_zero_input_nothing_is_said_before_all_of_the_data_came_in():
    rare = np.concatenate([np.tile([0, 1, 1, 1, 1, 1], (len(X), 1)), X]).astype("float32")
    model = sequential(layers.Dense(2, name="out"))
    model.compile("sgd", "mse", jit_compile=False)
    explorer = WeightExplorer(model, record_every=1)
    seen = []

    class Ask(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append({finding.rule for finding in explorer.findings})

    model.fit(rare, np.tile(Y, (2, 1)), batch_size=4, shuffle=False, callbacks=[explorer.callback, Ask()], verbose=0)
    assert len(seen) * 4 == len(rare)
    assert not any("rows not moving" in rules for rules in seen)


@pytest.mark.parametrize(("batches", "rows"), [(99, []), (100, [(0,)])])
def test_a_loop_that_says_nothing_of_epochs_is_told_of_zero_inputs_after_many_batches(batches, rows):
    values = np.cumsum(np.ones((batches + 1, 6, 5)) * [[0], [1], [1], [1], [1], [1]], axis=0)
    history = records_of(values, 1)
    findings = diagnose(history.catalog, history)
    assert [finding.axis_entries[0].entries for finding in findings if finding.rule == "rows not moving"] == rows


def test_tokens_that_never_occur():
    model = sequential(layers.Embedding(9, 3, name="embed"), layers.Flatten(), layers.Dense(2), shape=(6,))
    finding = one(fit(model, RANDOM.integers(0, 7, size=X.shape)), "rows not moving")
    assert finding.axis_entries[0].entries == (7, 8)
    assert "A token that does not occur in the training data does not move; the data was not looked at." in finding.message


def test_all_inputs_zero_and_the_bias_moves():
    finding = one(fit(sequential(layers.Dense(2, name="out")), X * 0), "not moving")
    assert (finding.severity, finding.keys) == ("warning", ("m/out/kernel",))
    assert "the bias of its layer moved, so gradients reach the layer" in finding.message
    assert "The input itself was not recorded" in finding.message


def test_frozen_here_and_by_a_parent():
    inner = keras.Sequential([layers.Dense(4, name="a"), layers.Dense(4, name="b")], name="inner")
    model = sequential(inner, layers.Dense(4, name="c"), layers.Dense(2, name="d"))
    inner.trainable = model.get_layer("c").trainable = False
    above, here = found(fit(model), "not moving")
    assert (above.severity, len(above.keys), len(here.keys)) == ("note", 4, 2)
    assert "inner above it was frozen" in above.message
    assert "kernel and bias of c did not move at all over 24 batches: its layer was frozen" in here.message


def test_learning_rate_zero_is_one_finding():
    finding = one(fit(two_layers(), optimizer=keras.optimizers.Adam(0.0)), "not moving")
    assert len(finding.keys) == 4
    assert "the learning rate was 0" in finding.message


def test_a_schedule_that_gives_zero():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1000], [0.0, 0.1])
    assert "the learning rate was 0" in one(fit(two_layers(), optimizer=keras.optimizers.SGD(schedule)), "not moving").sentence


def test_an_output_without_a_loss():
    inputs = keras.Input((6,))
    trunk = layers.Dense(4, name="trunk")(inputs)
    outputs = {"a": layers.Dense(2, name="a")(trunk), "b": layers.Dense(2, name="b")(layers.Dense(3, name="before_b")(trunk))}
    model = keras.Model(inputs, outputs, name="m")
    finding = one(fit(model, y={"a": Y, "b": Y}, loss={"a": "mse", "b": None}), "not moving")
    assert {location.layer for location in finding.locations} == {"m/before_b", "m/b"}
    assert "no path leads from it to an output that has a loss" in finding.message


@not_on("jax", "torch", why="Keras refuses to train what the optimizer does not know")
def test_unfrozen_without_compiling_again():
    model = two_layers()
    model.get_layer("hidden").trainable = False
    explorer = fit(model)
    model.get_layer("hidden").trainable = True
    fit(model, compiled=True, explorer=explorer)
    finding = one(explorer, "not moving")
    assert finding.layer == "m/hidden"
    assert "it was set to trainable after the training step was compiled" in finding.message
    assert "compile" in finding.suggestion


@keras.saving.register_keras_serializable("findings")
class Cut(layers.Layer):
    def call(self, inputs):
        return keras.ops.stop_gradient(inputs)


def test_a_stopped_gradient_is_told_without_a_reason_from_the_saved_run_too(tmp_path):
    explorer = fit(sequential(layers.Dense(4, name="before"), Cut(), layers.Dense(2, name="after")))
    finding = one(explorer, "not moving")
    assert (finding.layer, finding.severity) == ("m/before", "warning")
    assert "its optimizer (SGD) made steps at a learning rate above 0 and moved other weights" in finding.message
    assert "the reason is not known" in finding.message
    explorer.history.save(tmp_path / "run.h5")
    loaded = one(WeightExplorer.load(tmp_path / "run.h5"), "not moving")
    assert (loaded.layer, loaded.evidence, loaded.sentence) == (finding.layer, finding.evidence, finding.message)


def test_weights_too_large_for_the_learning_rate():
    model = sequential(layers.Dense(2, use_bias=False, name="large"), layers.Dense(2, name="out"))
    model.get_layer("large").kernel.assign(RANDOM.normal(size=(6, 2)) * 1e7)
    finding = one(fit(model, X * 1e-7, optimizer=keras.optimizers.Adam(1e-4)), "not moving")
    assert finding.key == "m/large/kernel"
    assert "the next one in float32 is" in finding.message


def test_half_precision_that_moves_by_rounding_only():
    for dtype, count in (("bfloat16", 1), ("float32", 0)):
        model = sequential(layers.Dense(8, "tanh", dtype=dtype, name="hidden"), layers.Dense(2, name="out"))
        explorer = fit(model, optimizer=keras.optimizers.SGD(3e-3))
        assert len([each for each in found(explorer, "below float resolution") if each.key == "m/hidden/kernel"]) == count


def test_rows_that_freeze_holds_are_told_as_held_and_what_moved_all_the_same_is_an_error():
    model = sequential(layers.Dense(2, name="out"))
    model.compile("sgd", "mse", jit_compile=False)
    explorer = WeightExplorer(model, record_every=1)
    explorer.freeze("m/out/kernel", np.s_[0])
    fit(model, X * [0, 0, 1, 1, 1, 1], compiled=True, explorer=explorer)
    told = {(each.rule, each.axis_entries[0].entries) for each in explorer.findings}
    assert told == {("not moving", (0,)), ("rows not moving", (1,))}
    with explorer.training():
        model.get_layer("out").kernel.assign_add(np.eye(6, 2))  # past the optimizer, so that nothing holds it
        explorer.record()
    error = explorer.findings[0]
    assert (error.rule, error.severity, error.evidence) == ("frozen but moved", "error", {"moved": 1, "masked": 2})
    assert [place.entries for place in error.axis_entries] == [(0,), (0,)]


@not_on("jax", why="Keras refuses to train what the optimizer does not know")
@not_on("torch", why="Keras asks at each step what is frozen")
def test_a_layer_that_was_frozen_after_compiling():
    model = two_layers()
    explorer = fit(model)
    model.get_layer("hidden").trainable = False
    fit(model, compiled=True, explorer=explorer)
    finding = one(explorer, "frozen but moved")
    assert (finding.severity, finding.keys) == ("warning", ("m/hidden/kernel", "m/hidden/bias"))
    assert finding.evidence["moved"] == 30
    fit(model, explorer=explorer)  # compiles again
    assert not found(explorer, "frozen but moved")


# -- numbers that are none, and updates --------------------------------------------------------------------------------


def test_the_first_nan_and_where_it_is(healthy):
    values = [np.ones((3, 2)), np.ones((3, 2)), np.ones((3, 2)), np.full((3, 2), np.inf)]
    values[2][1, 1] = np.nan
    history = history_of(*values)
    finding = diagnose(history.catalog, history)[0]
    assert (finding.rule, finding.severity, finding.record_number, finding.epoch) == ("not finite", "error", 2, 2)
    assert [place.entries for place in finding.axis_entries] == [(1,), (1,)]
    assert finding.evidence["nans"] == 1
    assert finding.message.startswith("1 of 6 elements of ")
    assert finding.message.endswith(", first at entry 1, entry 1, 6 NaN or Inf by now.")
    history = history_of(*values[:3])
    assert diagnose(history.catalog, history)[0].message.endswith("first at entry 1, entry 1.")


def test_nan_in_training_is_one_finding_for_all_weights():
    x = X.copy()
    x[40, 2] = np.nan
    finding = one(fit(two_layers(), x, epochs=2), "not finite")
    assert set(finding.keys) == {"m/hidden/kernel", "m/hidden/bias", "m/out/kernel", "m/out/bias"}
    assert finding.epoch == 1  # as Keras prints it: Epoch 1/2


def test_updates_that_explode():
    explorer = fit(two_layers(activation="tanh"), optimizer=keras.optimizers.Adam(3.0), epochs=6)
    finding = one(explorer, "exploding updates")
    assert finding.evidence.get("ratio_low", 0) > 0.1 or finding.evidence["after"] > 10 * finding.evidence["before"]
    assert "Lower the learning rate" in finding.suggestion


def test_updates_that_vanish_in_front_of_many_sigmoids():
    hidden = [layers.Dense(6, "sigmoid", name=f"hidden_{i}") for i in range(10)]
    explorer = fit(sequential(*hidden, layers.Dense(2, name="out")), optimizer=keras.optimizers.SGD(0.05), epochs=6)
    layers_found = [location.layer for location in one(explorer, "vanishing updates").locations]
    assert layers_found[:2] == ["m/hidden_0", "m/hidden_1"]
    assert "m/hidden_9" not in layers_found
    assert not found(explorer, "exploding updates")


@pytest.mark.parametrize("batches", [1, 7, 60])
def test_the_update_ratio_is_that_of_one_batch(batches):
    """The same training, seen every 1, 7 or 60 batches: the bounds hold between them what one batch really did."""
    random = np.random.default_rng(2)
    steps = random.normal(size=(900, 6, 5)) * 1e-3
    path = random.normal(size=(6, 5)) + np.cumsum(steps, axis=0)
    history = records_of(path[::batches], batches)
    parameters = {parameter.name: parameter.default for parameter in PARAMETERS}
    case = DiagnosisContext(history.catalog, history, ModelFacts(), parameters)
    band = update_ratio_range(case, case.trajectories["w"])
    assert band.low <= 1.05e-3
    assert band.high == pytest.approx(1e-3, rel=0.35)


def records_of(values, batches):
    """A history of one kernel that had these values, so many batches apart."""
    variable = Variable(np.asarray(values[0], np.float32))
    weight = Weight("w", "kernel", "kernel", "m", variable.values.shape, "float32", AXES)
    catalog = Catalog(LayerNode("m", "m", "Sequential", weights=("w",)), {"w": weight}, {"w": variable})
    history = LiveHistory(10**8)
    recorder = Recorder(history, lambda variables: [each.values for each in variables])
    for number, each in enumerate(values):
        variable.values = np.asarray(each, np.float32)
        record(recorder, catalog, batch=number * batches, kind="batch" if number else "start")
    return history


AXES = (Axis("input_dim", 6, entry_name="input", side="in"), Axis("units", 5, entry_name="unit", side="out"))


# -- units, norms, ranks, statistics -----------------------------------------------------------------------------------


def test_units_that_stand_still_while_others_move():
    model = two_layers(activation="relu")
    bias = model.get_layer("hidden").bias
    bias.assign([0, -50, 0, -50, 0])
    finding = one(fit(model, epochs=8), "units not moving")
    assert (finding.axis_entries[0].axis, finding.axis_entries[0].entries) == (1, (1, 3))
    assert (finding.evidence["still"], finding.evidence["units"], finding.severity) == (2, 5, "warning")
    assert "2 of 5 units of hidden stand still" in finding.message
    assert "A ReLU unit whose output is 0 for every sample is dead" in finding.message
    assert "The output was not recorded" in finding.message


@pytest.mark.parametrize(("initializer", "count"), [("ones", 1), ("zeros", 1), ("glorot_uniform", 0)])
def test_units_that_start_the_same(initializer, count):
    model = two_layers(activation="tanh", kernel_initializer=initializer)
    model.get_layer("out").kernel.assign(np.ones((5, 2)) * [[0.5, -0.3]])
    findings = [finding for finding in found(fit(model), "symmetric units") if finding.key == "m/hidden/kernel"]
    assert len(findings) == count
    assert all(finding.evidence["units"] == 5 and "all its numbers were" in finding.message for finding in findings)


def test_a_layer_that_starts_at_zero_and_then_learns_is_not_symmetric():
    model = sequential(layers.Dense(5, "tanh"), layers.Dense(2, kernel_initializer="zeros"))
    assert not fit(model, epochs=2).findings


@pytest.mark.parametrize("size", [1.0, 80.0])
def test_saturation_is_told_of_bounded_activations_only(size):
    for activation in ("tanh", "relu"):
        history = records_of(np.linspace(1, size, 12)[:, None, None] * RANDOM.normal(size=(6, 5)), 5)
        facts = ModelFacts(has_model=True, activations={"m": activation})
        rules = [finding.rule for finding in diagnose(history.catalog, history, facts)]
        assert ("saturating norm" in rules) == (activation == "tanh" and size > 1)
        assert ("growing norm" in rules) == (size > 1)


def test_a_norm_that_has_leveled_off_does_not_grow():
    sizes = np.minimum(np.linspace(1, 60, 24), 20)
    history = records_of(sizes[:, None, None] * RANDOM.normal(size=(6, 5)), 5)
    assert "growing norm" not in [finding.rule for finding in diagnose(history.catalog, history)]


def test_rank_collapse():
    start, single = RANDOM.normal(size=(6, 5)), np.outer(RANDOM.normal(size=6), RANDOM.normal(size=5))
    for end, count in ((single, 1), (start + 0.1, 0)):
        history = records_of([start, (start + end) / 2, end], 10)
        findings = diagnose(history.catalog, history, parameters={"rank_least": 4, "rank_share": 0.4})
        ranks = [finding for finding in findings if finding.rule == "rank collapse"]
        assert len(ranks) == count
        if ranks:
            assert ranks[0].evidence["now"] == pytest.approx(1, abs=0.01)


def test_the_rank_of_large_weights_is_left_alone():
    history = records_of([RANDOM.normal(size=(6, 5)), np.ones((6, 5))], 10)
    rules = [
        {finding.rule for finding in diagnose(history.catalog, history, parameters={"rank_least": 4, "rank_size": size})}
        for size in (0, 30)
    ]
    assert [("rank collapse" in found) for found in rules] == [False, True]


@keras.saving.register_keras_serializable("findings")
class Predicting(layers.Layer):
    """A layer of somebody's own that forgets to hand `training` on."""

    def __init__(self):
        super().__init__(name="own")
        self.norm = layers.BatchNormalization(name="norm")

    def build(self, shape):
        self.norm.build(shape)

    def call(self, inputs):
        return self.norm(inputs, training=False)


CASES = [
    (lambda: layers.BatchNormalization(name="norm"), ""),
    (lambda: layers.BatchNormalization(momentum=1.0, name="norm"), "momentum is 1, so the statistics never update"),
    (Predicting, "the reason is not known. A layer that is not called, or called with training=False"),
]


@pytest.mark.parametrize(("make", "words"), CASES, ids=["healthy", "momentum", "training"])
def test_moving_statistics_that_never_move(make, words):
    findings = found(fit(sequential(layers.Dense(4), make(), layers.Dense(2))), "moving statistics")
    assert len(findings) == bool(words)
    if words:
        assert findings[0].evidence == {"moving_mean": 0, "moving_variance": 1, "moved": 0}
        assert words in findings[0].message
        assert findings[0].severity == "warning"


def test_moving_statistics_of_a_frozen_layer_are_a_note():
    model = sequential(layers.Dense(4), layers.BatchNormalization(name="norm"), layers.Dense(2))
    model.get_layer("norm").trainable = False
    assert one(fit(model), "moving statistics").severity == "note"


# -- the table ---------------------------------------------------------------------------------------------------------


def test_rules_and_parameters_are_named_once_and_say_what_they_mean():
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert len({parameter.name for parameter in PARAMETERS}) == len(PARAMETERS)
    assert all(rule.title for rule in RULES)
    assert all(parameter.description.endswith(".") for parameter in PARAMETERS)


def test_a_threshold_can_be_given_and_a_wrong_name_is_answered(healthy):
    strict = diagnose(healthy.catalog, healthy.history, parameters={"largest_update": 1e-9})
    assert {finding.rule for finding in strict} == {"exploding updates"}
    with pytest.raises(ValueError, match="Did you mean 'largest_update'"):
        diagnose(healthy.catalog, healthy.history, parameters={"largest_updates": 1})


def test_findings_are_sorted_by_gravity_then_by_the_tree():
    explorer = fit(sequential(layers.Dense(4, name="a"), Cut(), layers.Dense(2, name="b")), X * [0, 1, 1, 1, 1, 1])
    severities = [finding.severity for finding in explorer.findings]
    assert severities == sorted(severities, key=("error", "warning", "note").index)


def test_findings_are_text_and_a_frame():
    one_finding = Finding("units not moving", "note", "m/a/kernel", "m/a", 3, 1, "A & b " * 40, {"dead": 1.0})
    findings = Findings([one_finding])
    assert max(map(len, str(findings).splitlines())) <= 128
    frame = findings.to_frame()
    assert (frame.loc[0, "key"], frame.loc[0, "evidence"]) == ("m/a/kernel", {"dead": 1.0})
    assert "A &amp; b" in findings._repr_html_()


def test_checkpoints_and_nothing_at_all(tmp_path):
    model = two_layers()
    assert not WeightExplorer(model).findings
    model.compile("sgd", "mse", jit_compile=False)
    for epoch in range(3):
        model.fit(X * [1, 1, 1, 1, 1, 0], Y, verbose=0)
        model.save(tmp_path / f"{epoch}.keras")
    explorer = WeightExplorer.from_checkpoints(model, str(tmp_path / "*.keras"))
    finding = one(explorer, "rows not moving")
    assert finding.axis_entries[0].entries == (5,)
    assert "over 2 records" in finding.message
