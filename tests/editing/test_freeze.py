"""Frozen elements do not move by one bit, whatever trains them; and the records prove it."""

import gc
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.backends import BACKEND, needs_live_weights, needs_many_steps, needs_tape, not_on
from tests.records import history_of
from weight_explorer import WeightExplorer
from weight_explorer.editing import freeze
from weight_explorer.jupyter import kernel
from weight_explorer.recording.freeze_checks import FrozenPart, check_frozen_part, check_frozen_parts

KERNEL, BIAS = "m/hidden/kernel", "m/hidden/bias"
DATA = np.random.default_rng(5).random((48, 6)), np.random.default_rng(6).random((48, 3))
OPTIMIZERS = {
    "sgd": lambda **more: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01, **more),
    "adam": lambda **more: keras.optimizers.Adam(0.05, **more),
    "adamw": lambda **more: keras.optimizers.AdamW(0.05, weight_decay=0.1, **more),
    "lion": lambda **more: keras.optimizers.Lion(0.01, weight_decay=0.1, **more),
}


def model_of(optimizer="sgd", policy="float32", constraint=None, compiled=None, **more):
    keras.utils.set_random_seed(7)
    hidden = layers.Dense(8, activation="tanh", name="hidden", kernel_constraint=constraint, dtype=policy)
    model = keras.Sequential([keras.Input((6,)), hidden, layers.Dense(3, name="out")], name="m")
    model.compile(OPTIMIZERS[optimizer](**more), "mse", **(compiled or {}))
    return model


def kernel_of(model):
    return model.get_layer("hidden").kernel


def bits(values):
    return np.array(values).view(np.uint32)


def strange_values(variable):
    """Give the first row values that arithmetic would lose: a negative zero, NaN with a payload, denormal numbers, infinity."""
    values = variable.numpy()
    strange = np.array([0x80000000, 0x7FC0BEEF, 0x00000001, 0x80000005, 0x7F800000, 0xFFC00001, 0x00012345, 0x3F800001])
    values[0] = strange.astype(np.uint32).view(np.float32)
    variable.assign(values)
    return values


def fit(model, explorer, **options):
    model.fit(*DATA, batch_size=8, epochs=2, verbose=0, callbacks=[explorer.callback] if explorer else [], **options)


def tape_loop(model, explorer, steps=8):
    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = model.optimizer.scale_loss(model.compute_loss(x, y, model(x, training=True)))
        variables = model.trainable_variables
        model.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    for _ in range(steps):
        explorer.record({"loss": step(*(tf.constant(part, tf.float32) for part in DATA))})


@pytest.mark.parametrize("train", [fit, pytest.param(tape_loop, marks=needs_tape)], ids=["fit", "tape"])
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_frozen_elements_do_not_move_by_a_bit_and_the_others_do(optimizer, policy, train):
    model = model_of(optimizer, policy)
    explorer = WeightExplorer(model, record_every=1)
    train(model, explorer)  # before the freeze: the optimizer has its momentum, and fit its function
    before = kernel_of(model).numpy()
    explorer.freeze(KERNEL, np.s_[1:4, :])
    train(model, explorer)
    after = kernel_of(model).numpy()
    assert kernel_of(model).dtype == "float32"
    np.testing.assert_array_equal(bits(after[1:4]), bits(before[1:4]))
    assert (after[[0, 4, 5]] != before[[0, 4, 5]]).all()
    (proof,) = explorer.check_frozen()
    assert (proof.num_changed, proof.num_frozen, proof.is_estimated) == (0, 24, False)


@pytest.mark.parametrize(
    "compiled",
    [
        {},
        pytest.param(
            {"jit_compile": True}, marks=not_on("torch", why="torch.compile warns of itself, and warnings are errors here")
        ),
        {"run_eagerly": True},
        pytest.param({"steps_per_execution": 3}, marks=needs_many_steps),
    ],
    ids=["graph", "jit", "eager", "three"],
)
def test_values_that_arithmetic_would_lose_are_held(compiled):
    model = model_of("adamw", compiled=compiled)
    explorer = WeightExplorer(model)
    before = strange_values(kernel_of(model))
    explorer.freeze(KERNEL, 0)
    # NaN in a row makes the loss NaN, and with it all gradients: the hardest case, and the others are lost for good.
    fit(model, explorer)
    after = kernel_of(model).numpy()
    np.testing.assert_array_equal(bits(after[0]), bits(before[0]))
    assert np.isnan(after[1:]).all()


@pytest.mark.parametrize(
    "more",
    [
        {"use_ema": True, "ema_momentum": 0.5},
        {"use_ema": True, "ema_overwrite_frequency": 2},
        {"gradient_accumulation_steps": 3},
        {"clipnorm": 0.1},
        {"loss_scale_factor": 8.0},
    ],
    ids=lambda more: next(reversed(more)),
)
def test_averaging_accumulating_and_scaling_move_nothing_either(more):
    model = model_of("adamw", **more)
    explorer = WeightExplorer(model)
    if not (BACKEND == "jax" and "use_ema" in more):  # Keras 3.15 on JAX fits a model with averages only once
        fit(model, explorer)
    before = kernel_of(model).numpy()
    explorer.freeze(KERNEL, "2:, ::2")
    fit(model, explorer)
    after = kernel_of(model).numpy()
    np.testing.assert_array_equal(bits(after[2:, ::2]), bits(before[2:, ::2]))
    assert (after[:2] != before[:2]).all()


def test_a_loss_scale_optimizer_with_averages_moves_nothing():
    model = model_of("sgd", "mixed_float16")
    inner = OPTIMIZERS["adamw"](use_ema=True)
    model.compile(keras.optimizers.LossScaleOptimizer(inner), "mse")
    explorer = WeightExplorer(model)
    before = kernel_of(model).numpy()
    explorer.freeze(KERNEL, 3)
    fit(model, explorer)
    np.testing.assert_array_equal(bits(kernel_of(model).numpy()[3]), bits(before[3]))
    assert (kernel_of(model).numpy()[:3] != before[:3]).any()


def test_a_training_without_the_callback_and_batch_by_batch_is_held_too():
    model = model_of()
    explorer = WeightExplorer(model)
    model.train_on_batch(*DATA)
    before = kernel_of(model).numpy()
    explorer.freeze(KERNEL)
    fit(model, None)
    model.train_on_batch(*DATA)
    np.testing.assert_array_equal(bits(kernel_of(model).numpy()), bits(before))
    explorer.unfreeze()
    model.train_on_batch(*DATA)
    assert (kernel_of(model).numpy() != before).all()


def test_every_model_that_shares_the_layer_is_held():
    model = model_of()
    hidden = model.get_layer("hidden")
    other = keras.Sequential([keras.Input((6,)), hidden, layers.Dense(1)], name="other")
    other.compile("adam", "mse")
    for each, target in ((model, DATA[1]), (other, DATA[1][:, :1])):
        each.fit(DATA[0], target, verbose=0)  # traced before
    before = hidden.kernel.numpy()
    WeightExplorer(model).freeze(KERNEL, "0:2")
    other.fit(DATA[0], DATA[1][:, :1], verbose=0)
    np.testing.assert_array_equal(bits(hidden.kernel.numpy()[:2]), bits(before[:2]))
    assert (hidden.kernel.numpy()[2:] != before[2:]).all()


@needs_tape
def test_a_traced_function_of_ones_own_follows_every_freeze_but_the_first():
    model = model_of()
    explorer = WeightExplorer(model)
    first = explorer.freeze(KERNEL, 0)
    assert "tf.function of your own" in first.note

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = model.compute_loss(None, tf.constant(DATA[1], tf.float32), model(tf.constant(DATA[0], tf.float32)))
        model.optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    def moved_rows():
        before = kernel_of(model).numpy()
        step()
        return (bits(kernel_of(model).numpy()) != bits(before)).any(axis=1).tolist()

    assert moved_rows() == [False, True, True, True, True, True]
    assert not explorer.freeze(KERNEL, "4:").note
    assert moved_rows() == [False, True, True, True, False, False]
    explorer.unfreeze(KERNEL)
    assert moved_rows() == [True] * 6
    explorer.freeze(KERNEL, 2)
    assert moved_rows() == [True, True, False, True, True, True]


def test_freezes_add_up_and_are_taken_away_in_parts():
    model = model_of()
    explorer = WeightExplorer(model)
    assert explorer.freeze(KERNEL, "0:2, :").num_frozen == 16
    both = explorer.freeze(KERNEL, np.s_[1:3, :])
    assert (both.num_frozen, both.num_elements) == (24, 48)
    assert (
        repr(both) == "<24 of 48 elements of 'm/hidden/kernel' are frozen (asked for: 1:3, :). It holds from the next step on.>"
    )
    assert [(proof.num_frozen, proof.description) for proof in explorer.check_frozen()] == [(16, "0:2, :"), (8, "1:3, :")]
    (left,) = explorer.unfreeze(KERNEL, np.s_[0:3, 0:4])
    assert left.num_frozen == 12
    before = kernel_of(model).numpy()
    fit(model, explorer)
    still = bits(kernel_of(model).numpy()) == bits(before)
    expected = np.zeros((6, 8), bool)
    expected[0:3, 4:] = True
    np.testing.assert_array_equal(still, expected)
    assert [proof.num_frozen for proof in explorer.check_frozen()] == [8, 4]
    assert [proof.num_changed for proof in explorer.check_frozen()] == [0, 0]


def test_the_users_own_constraint_is_kept_and_comes_back():
    own = keras.constraints.MaxNorm(0.5)
    model = model_of(constraint=own)
    fit(model, None)
    explorer = WeightExplorer(model)
    explorer.assign(KERNEL, np.s_[:, 0], 2.0)
    explorer.freeze(KERNEL, np.s_[:, 0])
    explorer.freeze(BIAS, 0)
    fit(model, explorer)
    kernel = kernel_of(model).numpy()
    assert (kernel[:, 0] == 2).all()
    assert (np.linalg.norm(kernel[:, 1:], axis=0) <= 0.5001).all()
    explorer.unfreeze(KERNEL)
    assert kernel_of(model).constraint is own
    explorer.unfreeze()
    assert model.get_layer("hidden").bias.constraint is None
    fit(model, None)
    assert np.linalg.norm(kernel_of(model).numpy()[:, 0]) <= 0.5001


def test_the_users_constraint_sees_the_frozen_values_and_not_what_a_step_made_of_them():
    model, seen = model_of(compiled={"run_eagerly": True}), []

    def own(weight):
        seen.append(np.array(weight))
        return weight * 2

    kernel_of(model).constraint = own
    explorer = WeightExplorer(model)
    explorer.assign(KERNEL, None, 0.5)
    explorer.freeze(KERNEL, "0:3, :")
    model.train_on_batch(*DATA)
    assert (seen[-1][:3] == 0.5).all()
    assert (seen[-1][3:] != 0.5).all()
    np.testing.assert_array_equal(kernel_of(model).numpy(), np.concatenate([seen[-1][:3], seen[-1][3:] * 2]))


class TestTraces:
    def prepare(self):
        model = model_of(constraint="non_neg")
        counted = model.count_params(), len(model.get_weights()), len(model.variables), model.get_config()
        explorer = WeightExplorer(model)
        explorer.freeze(KERNEL, "0:2")
        fit(model, explorer)
        assert (model.count_params(), len(model.get_weights()), len(model.variables), model.get_config()) == counted
        assert isinstance(model.get_layer("hidden").kernel_constraint, keras.constraints.NonNeg)
        return model

    def test_a_saved_model_carries_none(self, tmp_path):
        model = self.prepare()
        model.save(tmp_path / "m.keras")
        model.save_weights(tmp_path / "m.weights.h5")
        loaded = keras.models.load_model(tmp_path / "m.keras")
        for each, now in zip(loaded.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(each, now)
        assert isinstance(kernel_of(loaded).constraint, keras.constraints.NonNeg)
        before = kernel_of(loaded).numpy()
        fit(loaded, None)
        assert (kernel_of(loaded).numpy()[:2] != before[:2]).any()
        plain = self.never_frozen()
        size = self.size_of(plain, tmp_path)
        plain.load_weights(tmp_path / "m.weights.h5")
        np.testing.assert_array_equal(kernel_of(plain).numpy(), kernel_of(model).numpy())
        assert (tmp_path / "m.weights.h5").stat().st_size == size

    def never_frozen(self):
        model = model_of(constraint="non_neg")
        fit(model, None)
        return model

    def size_of(self, model, tmp_path):
        model.save_weights(tmp_path / "never.weights.h5")
        return (tmp_path / "never.weights.h5").stat().st_size

    def test_a_clone_carries_none_and_the_frozen_model_loads(self, tmp_path):
        model = self.prepare()
        clone = keras.models.clone_model(model)
        assert isinstance(kernel_of(clone).constraint, keras.constraints.NonNeg)
        other = self.never_frozen()
        other.save_weights(tmp_path / "o.weights.h5")
        model.load_weights(tmp_path / "o.weights.h5")
        np.testing.assert_array_equal(kernel_of(model).numpy(), kernel_of(other).numpy())


class Doing(keras.callbacks.Callback):
    def __init__(self, deed, at=2):
        super().__init__()
        self.deed, self.at, self.seen = deed, at, []

    def on_train_batch_end(self, batch, logs=None):
        if len(self.seen) == self.at:
            self.deed()
        self.seen.append(self.model.get_layer("hidden").kernel.numpy())


@needs_live_weights
def test_in_a_callback_it_holds_from_the_next_step_on():
    model, answers = model_of("adam"), []
    explorer = WeightExplorer(model, record_every=1)
    doing = Doing(lambda: answers.append(explorer.freeze(KERNEL, "1:3")))
    model.fit(*DATA, batch_size=8, verbose=0, callbacks=[doing, explorer.callback])
    assert "from the next step on" in answers[0].holds
    for later in doing.seen[3:]:
        np.testing.assert_array_equal(bits(later[1:3]), bits(doing.seen[2][1:3]))
    assert (doing.seen[-1][0] != doing.seen[2][0]).all()
    (proof,) = explorer.check_frozen()
    assert (proof.frozen_at, proof.num_changed) == (3, 0)


@not_on("tensorflow", "torch", why="weights can be frozen in a training")
def test_where_keras_keeps_the_weights_to_itself_freezing_in_a_training_is_refused():
    model, refused = model_of(), []
    explorer = WeightExplorer(model, record_every=1)

    def freeze():
        with pytest.raises(RuntimeError, match="Freeze when it has ended"):
            explorer.freeze(KERNEL, 0)
        refused.append(True)

    model.fit(*DATA, verbose=0, callbacks=[explorer.callback, Doing(freeze, at=0)])
    assert refused == [True]
    assert kernel_of(model).constraint is None


@needs_live_weights
def test_in_a_callback_elements_are_let_go_again():
    model = model_of()
    explorer = WeightExplorer(model, record_every=1)
    explorer.freeze(KERNEL)
    doing = Doing(lambda: explorer.unfreeze(KERNEL, "0:2"))
    model.fit(*DATA, batch_size=8, verbose=0, callbacks=[doing, explorer.callback])
    np.testing.assert_array_equal(doing.seen[0], doing.seen[2])
    assert (doing.seen[3][:2] != doing.seen[2][:2]).all()
    np.testing.assert_array_equal(bits(doing.seen[-1][2:]), bits(doing.seen[0][2:]))
    assert explorer.check_frozen()[0].num_frozen == 32


@needs_live_weights
def test_from_another_thread_it_holds_from_the_end_of_the_batch():
    model, answers = model_of("adam"), []
    explorer = WeightExplorer(model, record_every=1)

    def click():
        thread = threading.Thread(target=lambda: answers.append(explorer.freeze(KERNEL, "1:3")))
        thread.start()
        thread.join()

    doing = Doing(click)
    model.fit(*DATA, batch_size=8, verbose=0, callbacks=[explorer.callback, doing])
    assert "end of the batch" in answers[0].holds
    for later in doing.seen[4:]:
        np.testing.assert_array_equal(bits(later[1:3]), bits(doing.seen[3][1:3]))
    assert (doing.seen[3][1:3] != doing.seen[2][1:3]).all()
    assert not explorer.callback.status.problem
    assert explorer.check_frozen()[0].num_changed == 0


def elsewhere(do):
    """Do something in another thread, as a click does, and return the errors."""
    errors = []

    def attempt():
        try:
            do()
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return errors


def test_a_training_that_another_explorer_follows_is_no_time_to_change_the_weights():
    model, errors = model_of(), []
    following, explorer = WeightExplorer(model), WeightExplorer(model)
    unrelated = WeightExplorer(model_of())

    def click():
        for change in (lambda: explorer.freeze(KERNEL), lambda: explorer.assign(KERNEL, None, 0), lambda: explorer.restore(0)):
            errors.extend(elsewhere(change))
        assert elsewhere(lambda: unrelated.assign(KERNEL, None, 0)) == []

    before = kernel_of(model).constraint
    model.fit(*DATA, verbose=0, callbacks=[following.callback, Doing(click, at=0)])
    assert errors == [
        "A training is running that cannot be reached between two steps. Freeze when it has ended.",
        "A training is running, and would go on from other weights. Assign when it has ended.",
        "A training is running, and would go on from other weights. Restore when it has ended.",
    ]
    assert kernel_of(model).constraint is before
    assert explorer.freeze(KERNEL).num_frozen == 48


def test_while_a_cell_is_running_that_may_be_training_a_click_changes_nothing(monkeypatch):
    """A fit without the callback tells nobody that it trains."""
    model, errors = model_of(), []
    explorer = WeightExplorer(model)
    monkeypatch.setattr(kernel.CellWatch, "is_running_elsewhere", lambda watch: True)

    def click():
        for change in (lambda: explorer.freeze(KERNEL), lambda: explorer.assign(KERNEL, None, 0)):
            errors.extend(elsewhere(change))

    before = kernel_of(model).constraint
    model.fit(*DATA, verbose=0, callbacks=[Doing(click, at=0)])
    assert errors == [
        f"A cell is running, and may be training the model. {what} when it has ended." for what in ("Freeze", "Assign")
    ]
    assert kernel_of(model).constraint is before


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("0:3, 0, 0", "does not fit"),
        (np.s_[9, :], "does not fit"),
        ("9:", "chooses no element"),
        (np.zeros((6, 8), bool), "chooses no element"),
        (np.ones((6,), bool), "must be the same"),
        ("forget gate", "There is no block 'forget gate'"),
        ("0:2; 1", "no index such as"),
        (1.5, "does not fit"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_changes(where, words):
    model = model_of()
    explorer = WeightExplorer(model)
    with pytest.raises(ValueError, match=words):
        explorer.freeze(KERNEL, where)
    assert kernel_of(model).constraint is None
    assert explorer.check_frozen() == ()


def test_a_weight_that_is_not_there_or_does_not_train_is_refused():
    model = keras.Sequential([keras.Input((4,)), layers.BatchNormalization(name="norm")], name="m")
    explorer = WeightExplorer(model)
    with pytest.raises(ValueError, match="Did you mean 'm/norm/gamma'"):
        explorer.freeze("m/norm/gama")
    with pytest.raises(ValueError, match="moved by no optimizer"):
        explorer.freeze("m/norm/moving_mean")
    with pytest.raises(ValueError, match="Nothing of 'm/norm/gamma' is frozen"):
        explorer.unfreeze("m/norm/gamma")
    assert explorer.unfreeze() == ()  # to let all go that there is to let go is no error, where there is nothing
    with pytest.raises(ValueError, match="not built"):
        WeightExplorer(keras.Sequential([layers.Dense(2)])).freeze("dense/kernel")


def test_a_training_that_is_over_cannot_be_frozen(tmp_path):
    model = model_of()
    explorer = WeightExplorer(model)
    fit(model, explorer)
    explorer.history.save(tmp_path / "run.h5")
    with pytest.raises(ValueError, match="a training that is over"):
        WeightExplorer.load(tmp_path / "run.h5", model).freeze(KERNEL)


def test_two_explorers_of_one_model_agree():
    model = model_of()
    first, second = WeightExplorer(model), WeightExplorer(model)
    first.freeze(KERNEL, 0)
    assert second.freeze(KERNEL, 1).num_frozen == 16
    before = kernel_of(model).numpy()
    fit(model, first)
    np.testing.assert_array_equal(bits(kernel_of(model).numpy()[:2]), bits(before[:2]))
    second.unfreeze(KERNEL)
    assert kernel_of(model).constraint is None


def test_a_variable_that_is_gone_takes_its_hold_with_it():
    variable = keras.Variable(np.zeros((3,), "float32"))
    assert freeze.freeze_elements(variable, np.array([True, False, False]))
    name = id(variable)
    assert name in freeze._CONSTRAINTS
    del variable
    gc.collect()
    assert name not in freeze._CONSTRAINTS


# -- edits of frozen elements ----------------------------------------------------------------------------------------


def test_edits_and_restore_change_what_frozen_elements_are_held_at():
    model = model_of()
    explorer = WeightExplorer(model)
    explorer.freeze(KERNEL, "0:2, :")
    explorer.assign(KERNEL, "0, 0", 3.0)
    fit(model, explorer)
    assert kernel_of(model).numpy()[0, 0] == 3
    assert explorer.check_frozen()[0].num_changed == 0
    since = explorer.check_frozen()[0].frozen_at
    explorer.assign(KERNEL, "4, :", 1.0)  # none of them
    assert explorer.check_frozen()[0].frozen_at == since
    explorer.reinitialize(KERNEL, "ones")
    assert explorer.check_frozen()[0].frozen_at > since
    fit(model, explorer)
    assert (kernel_of(model).numpy()[:2] == 1).all()
    explorer.undo()
    fit(model, explorer)
    assert kernel_of(model).numpy()[0, 0] == 3
    start = explorer.history.values_at(KERNEL, 0)
    explorer.restore(0)
    fit(model, explorer)
    np.testing.assert_array_equal(bits(kernel_of(model).numpy()[:2]), bits(start[:2]))
    assert explorer.check_frozen()[0].num_changed == 0


def test_values_set_behind_our_back_are_shown_as_moved_and_put_back_by_the_next_step():
    model = model_of()
    explorer = WeightExplorer(model)
    explorer.freeze(KERNEL, 0)
    held = kernel_of(model).numpy()[0]
    changed = kernel_of(model).numpy()
    changed[0, :5] += 1
    kernel_of(model).assign(changed)
    explorer.select("hidden", role="kernel")
    assert explorer.check_frozen()[0].num_changed == 5
    explorer.freeze(KERNEL, "0:2")  # what is held already keeps its value
    fit(model, explorer)
    assert [proof.num_changed for proof in explorer.check_frozen()] == [0, 0]
    np.testing.assert_array_equal(bits(kernel_of(model).numpy()[0]), bits(held))


# -- the proof -------------------------------------------------------------------------------------------------------


def part_of(values, mask, since=0, key="w"):
    return FrozenPart(key, "a part", since, mask, np.asarray(values)[mask], first_record=since)


def test_the_proof_counts_bits_and_not_numbers():
    first = np.array([0.0, np.nan, 1.0, 2.0], np.float32)
    second = np.array([-0.0, np.nan, 1.0, 3.0], np.float32)
    history = history_of(first, second)
    mask = np.array([True, True, True, False])
    proof = check_frozen_part(history, part_of(first, mask), 1)
    assert (proof.num_changed, proof.num_frozen, proof.is_estimated) == (1, 3, False)
    assert str(proof) == "w: 1 of 3 frozen elements moved from record 0 to record 1 (a part)"


def test_the_proof_of_a_sample_is_an_estimate_and_says_so():
    size, random = 4000, np.random.default_rng(2)
    first = random.random(size).astype(np.float32)
    second = first.copy()
    mask = np.zeros(size, bool)
    mask[:2000] = True
    second[:1000] += 1
    history = history_of(first, second, memory=40_000)
    sample = history.weight_history("w").sample
    assert sample is not None
    proof = check_frozen_part(history, part_of(first, mask), 1)
    assert proof.is_estimated
    assert proof.num_compared == np.count_nonzero(sample.indexes < 2000)
    assert proof.num_changed == pytest.approx(1000, rel=0.05)
    assert "estimated from" in str(proof)
    assert check_frozen_part(history, part_of(first, mask), 0).num_changed == 0


def without_values(history):
    """Records in the middle that keep statistics and no values."""
    found = [
        step.number for step in history.records if 1 < step.number < 30 and step.number not in history.records_with_values("w")
    ]
    assert len(found) > 20
    return found


def test_where_no_values_are_kept_statistics_tell_only_that_nothing_moved():
    values = np.random.default_rng(3).random((40, 100, 100)).astype(np.float32)
    mask = np.zeros((100, 100), bool)
    mask[0] = True
    moving, still = (history_of(*each, memory=300_000) for each in (values, [values[0]] * 40))
    assert still.weight_history("w").sample is None
    proof = check_frozen_part(moving, part_of(values[0], mask), without_values(moving)[0])
    assert proof.num_changed is None
    assert "keeps no values" in str(proof)
    assert check_frozen_part(still, part_of(values[0], mask), without_values(still)[0]).num_changed == 0


def test_a_frozen_layer_is_proven_from_what_is_known_of_the_whole_weight():
    values = np.random.default_rng(3).random((40, 100, 100)).astype(np.float32)
    values[1:] = values[1]
    values[8:, 0, :7] += 1
    history = history_of(*values, memory=300_000)
    for number in without_values(history):
        assert check_frozen_part(history, FrozenPart("w", "", frozen_at=1), number).num_changed == (0 if number < 8 else None)
        assert check_frozen_part(history, FrozenPart("w", "", frozen_at=0), number).num_changed == 10_000
    assert check_frozen_part(history, FrozenPart("w", "", frozen_at=0), 39).num_changed == 10_000  # of values that are kept


def test_layers_that_are_frozen_between_fits_are_proven_from_there_on():
    model = model_of()
    explorer = WeightExplorer(model, record_every="epoch")
    fit(model, explorer)
    model.get_layer("hidden").trainable = False
    kernel_of(model).assign(kernel_of(model) + 1)  # after the last record, and no breach
    model.compile("adam", "mse")
    fit(model, explorer)
    found = {proof.key: proof for proof in explorer.check_frozen()}
    assert set(found) == {KERNEL, BIAS}
    assert (found[KERNEL].num_changed, found[KERNEL].num_frozen, found[KERNEL].description) == (0, 48, "its layer is frozen")
    assert explorer.check_frozen(1) == ()
    kernel_of(model).assign(kernel_of(model) + 1)
    explorer.select("hidden", role="kernel")
    assert {proof.key: proof.num_changed for proof in explorer.check_frozen()} == {KERNEL: 48, BIAS: 0}
    model.get_layer("hidden").trainable = True
    assert explorer.check_frozen(explorer.history.num_recorded) == ()


def test_what_was_frozen_once_is_still_proven_at_its_records():
    model = model_of()
    explorer = WeightExplorer(model, record_every="epoch")
    explorer.freeze(KERNEL, 0)
    fit(model, explorer)
    explorer.unfreeze()
    assert [(proof.record_number, proof.num_frozen) for proof in explorer.check_frozen()] == [
        (2, 8)
    ]  # there is no newer record yet
    fit(model, explorer)
    assert [proof.num_frozen for proof in explorer.check_frozen(2)] == [8]
    assert explorer.check_frozen() == ()
    assert check_frozen_parts(explorer.history, 1)[0].num_changed == 0


def test_a_saved_run_keeps_the_proof(tmp_path):
    model = model_of()
    model.get_layer("out").trainable = False
    explorer = WeightExplorer(model, record_every=1)
    explorer.freeze(KERNEL, 0)
    fit(model, explorer)
    explorer.unfreeze(KERNEL, "0, 0")
    explorer.history.save(tmp_path / "run.h5")
    loaded = WeightExplorer.load(tmp_path / "run.h5")
    for step in explorer.history.records:
        assert loaded.check_frozen(step.number) == explorer.check_frozen(step.number)
    assert [proof.num_frozen for proof in loaded.check_frozen()] == [24, 3, 8]


def test_question_5_part_of_a_matrix_is_frozen_and_stays_so(reader_model):
    """The forget gate of one direction, and a mask in the kernel of the other: did they stay?"""
    key = "reader/encoder_lstm/forward_lstm/lstm_cell/kernel"
    reader_model.compile("adam", "mse")
    explorer = WeightExplorer(reader_model, record_every=1)
    key = next(key for key in explorer.catalog.weights if "forward" in key and key.endswith("/kernel"))
    other = next(key for key in explorer.catalog.weights if "backward" in key and key.endswith("recurrent_kernel"))
    mask = np.random.default_rng(1).random((20, 80)) < 0.3
    assert explorer.freeze(key, "forget gate").num_frozen == 100 * 20
    assert explorer.freeze(other, mask).num_frozen == mask.sum()
    x, y = np.random.default_rng(2).random((32, 7, 100)), np.random.default_rng(3).random((32, 4))
    reader_model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[explorer.callback])
    for step in explorer.history.records[1:]:
        assert [(proof.num_changed, proof.num_frozen) for proof in explorer.check_frozen(step.number)] == [
            (0, 2000),
            (0, mask.sum()),
        ]
    moved = explorer.history.values(key)[-1] != explorer.history.values(key)[0]
    assert not moved[:, 20:40].any()
    assert moved[:, :20].all()
    assert moved[:, 40:].all()


def test_the_proof_is_of_the_model_as_it_is_also_after_a_loop_of_ones_own(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every="epoch")
    key = "dense_model/hidden/kernel"
    explorer.freeze(key)
    dense_model.train_on_batch(*training_data)
    explorer.record()
    kernel = explorer.catalog.variables[key]
    kernel.assign(kernel + 1.0)
    explorer.select("out")  # something else is on screen
    (proof,) = explorer.check_frozen()
    assert (proof.num_changed, proof.num_frozen) == (30, 30)
    assert repr(explorer.check_frozen()) == f"({proof},)"
