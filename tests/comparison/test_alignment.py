"""Weights of two models are matched by their place; where that is not clear, they are named and nothing is guessed."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from tests.storage.test_files import MODELS, keras_working, live_values
from weight_explorer import WeightExplorer
from weight_explorer.catalog.builder import read_catalog
from weight_explorer.catalog.schema import SEED_STATE
from weight_explorer.comparison.alignment import LayerRef, MismatchReason, WeightDescription, align, describe_weights

# -- lists of weights --------------------------------------------------------------------------------------------------


def layer(name, *shape, class_name="Dense", above=(), attribute="kernel"):
    """Describe a layer with one weight; `above` are the names of the models it stands in."""
    names = [*above, name]
    classes = [*["Sequential"] * len(above), class_name]
    steps = tuple(LayerRef("/".join(names[: i + 1]), names[i], classes[i]) for i in range(len(names)))
    return WeightDescription("/".join([*names, attribute]), steps, attribute, "kernel", shape, "float32")


def pairs_of(first, second):
    found = align(first, second)
    assert found.mismatches == ()
    return [(ours.partition("/")[0], theirs.partition("/")[0]) for ours, theirs in found.pairs.items()]


def only_mismatch(first, second):
    (found,) = align(first, second).mismatches
    return found.reason, found.weight.key, [each.key for each in found.candidates]


def test_layers_that_keras_renumbered_are_matched_in_their_order():
    first = [layer("dense", 4, 4), layer("dense_1", 4, 4), layer("dense_2", 4, 2)]
    second = [layer("dense_9", 4, 4), layer("dense_10", 4, 4), layer("dense_11", 4, 2)]
    assert pairs_of(first, second) == [("dense", "dense_9"), ("dense_1", "dense_10"), ("dense_2", "dense_11")]


def test_a_number_that_another_layer_had_does_not_mislead():
    first = [layer("dense", 4, 4), layer("dense_1", 4, 4)]
    assert pairs_of(first, [layer("dense_1", 4, 4), layer("dense_2", 4, 4)]) == [("dense", "dense_1"), ("dense_1", "dense_2")]


def test_chosen_names_are_followed_wherever_they_stand():
    first = [layer("a", 4, 4), layer("b", 4, 4)]
    assert pairs_of(first, [layer("b", 4, 4), layer("new", 4, 4), layer("a", 4, 4)]) == [("a", "a"), ("b", "b")]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["dense", "dense_1"], ["dense_1", "dense"]),
        (["dense_1", "dense"], ["dense_4", "dense_5"]),
        (["dense"], ["dense", "dense_1"]),
        (["dense", "dense_1"], ["dense", "dense_1", "dense_2"]),
        (["a", "b"], ["c", "d"]),
        (["a", "b"], ["c", "a"]),
    ],
    ids=["swapped", "numbered in another order", "one added", "one added behind two", "renamed", "one renamed"],
)
def test_what_is_not_clear_is_named_and_not_guessed(first, second):
    ours, theirs = ([layer(name, 4, 4) for name in names] for names in (first, second))
    found = align(ours, theirs)
    if (first, second) == (["a", "b"], ["c", "a"]):  # only one is left over on each side
        assert dict(found.pairs) == {"a/kernel": "a/kernel", "b/kernel": "c/kernel"}
        return
    reason, key, candidates = only_mismatch(ours, theirs)
    assert reason is MismatchReason.AMBIGUOUS
    assert key in [each.key for each in ours]
    assert len(candidates) > 1


def test_shapes_tell_which_layer_was_added():
    first = [layer("dense", 4, 3), layer("dense_1", 3, 2)]
    second = [layer("dense_5", 4, 3), layer("dense_6", 3, 3), layer("dense_7", 3, 2)]
    assert pairs_of(first, second) == [("dense", "dense_5"), ("dense_1", "dense_7")]


def test_other_shapes_types_and_missing_layers_are_named_with_both_weights():
    reason, key, candidates = only_mismatch([layer("hidden", 6, 5)], [layer("hidden", 6, 4)])
    assert (reason, key, candidates) == (MismatchReason.SHAPE, "hidden/kernel", ["hidden/kernel"])
    reason, key, candidates = only_mismatch([layer("dense", 6, 5)], [layer("dense_3", 6, 4)])
    assert (reason, key, candidates) == (MismatchReason.SHAPE, "dense/kernel", ["dense_3/kernel"])
    reason, key, candidates = only_mismatch([layer("a", 6, 5), layer("b", 5, 5)], [layer("a", 6, 5)])
    assert (reason, key, candidates) == (MismatchReason.MISSING, "b/kernel", [])
    reason, key, _ = only_mismatch([layer("a", 6, 5)], [layer("a", 6, 5, attribute="gamma", class_name="Other")][:0])
    assert (reason, key) == (MismatchReason.MISSING, "a/kernel")


def test_chosen_names_inside_numbered_models_are_not_crossed():
    first = [layer("enc", 4, 4, above=("sequential",)), layer("dec", 4, 4, above=("sequential_1",))]
    second = [layer("dec", 4, 4, above=("sequential_2",)), layer("enc", 4, 4, above=("sequential_3",))]
    assert {each.reason for each in align(first, second).mismatches} == {MismatchReason.AMBIGUOUS}


NAMES = st.sampled_from(["dense", "a", "b", "lstm"])
CLASSES = {"dense": "Dense", "lstm": "LSTM", "a": "Dense", "b": "LSTM"}


@st.composite
def models(draw):
    """A list of layers in one or two levels, as Keras would name them: numbers for all but the chosen names."""
    counts, made = {"dense": draw(st.integers(0, 3)), "lstm": draw(st.integers(0, 3))}, []
    for place in range(draw(st.integers(1, 6))):
        kind = draw(NAMES)
        above = draw(st.sampled_from([(), ("inner",)]))
        name = f"{kind}_{counts[kind]}" if kind in counts else f"{kind}{place}"
        if kind in counts:
            counts[kind] += 1
        made.append((name, draw(st.sampled_from([(2, 2), (2, 3)])), CLASSES[kind], above))
    return made


def described(model, shift=0):
    """Describe a model as it would be in a session in which Keras has numbered `shift` layers of each class before."""
    found = []
    for name, shape, class_name, above in model:
        stem, _, number = name.rpartition("_")
        renamed = f"{stem}_{int(number) + shift}" if stem else name
        found.append(layer(renamed, *shape, class_name=class_name, above=above))
    return found


@given(models(), st.integers(0, 20))
def test_a_model_built_again_is_matched_weight_by_weight(model, shift):
    first, second = described(model), described(model, shift)
    found = align(first, second)
    assert found.mismatches == ()
    assert dict(found.pairs) == {ours.key: theirs.key for ours, theirs in zip(first, second, strict=True)}


@given(models(), st.integers(0, 3), st.randoms(use_true_random=False))
def test_in_another_order_each_weight_finds_its_own_or_none_is_matched(model, shift, random):
    shuffled = list(model)
    random.shuffle(shuffled)
    first, second = described(model), described(shuffled, shift)
    found = align(first, second)
    truth = {ours.key: theirs.key for ours, theirs in zip(first, described(model, shift), strict=True)}
    assert found.mismatches or dict(found.pairs) == truth


@given(models(), st.integers(0, 5), st.integers(0, 3))
def test_with_a_layer_added_each_weight_finds_its_own_or_none_is_matched(model, place, shift):
    """The layer that was added takes a number of the same kind, and those behind it move up, as in code that was changed."""
    place = min(place, len(model))
    numbers = [int(name.rpartition("_")[2]) for name, *_ in model[place:] if name.startswith("dense_")]
    grown = [
        (f"dense_{int(name.rpartition('_')[2]) + 1}", *rest) if name.startswith("dense_") else (name, *rest)
        for name, *rest in model[place:]
    ]
    before = [int(name.rpartition("_")[2]) for name, *_ in model[:place] if name.startswith("dense_")]
    number = min(numbers, default=max(before, default=-1) + 1)
    second_model = [*model[:place], (f"dense_{number}", (2, 2), "Dense", ()), *grown]
    first, second = described(model), described(second_model, shift)
    kept = [each for at, each in enumerate(second) if at != place]
    found = align(first, second)
    assert found.mismatches or dict(found.pairs) == {ours.key: theirs.key for ours, theirs in zip(first, kept, strict=True)}


# -- real models -------------------------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("test_alignment")
class Blocks(keras.Model):
    """Layers of one size that Keras numbers, in attributes and lists, some of them built late."""

    def __init__(self, **options):
        super().__init__(**options)
        self.second = layers.Dense(4)
        self.first = layers.Dense(4)
        self.rest = [layers.Dense(4), keras.Sequential([layers.Dense(4), layers.Dense(4)])]

    def call(self, x):
        for block in (self.first, self.second, *self.rest):
            x = block(x)
        return x


def blocks():
    model = Blocks()
    model(np.ones((2, 4), "float32"))
    return model


def square():
    return keras.Sequential([keras.Input((4,)), *(layers.Dense(4) for _ in range(4)), layers.BatchNormalization()])


def branches():
    x = keras.Input((4,))
    towers = [keras.Sequential([layers.Dense(4), layers.Dense(4)]) for _ in range(2)]
    shared = layers.Dense(4)
    return keras.Model(x, [layers.Dense(4)(shared(tower(x))) for tower in towers])


def attention():
    x = keras.Input((5, 4))
    y = layers.MultiHeadAttention(2, 2)(x, x)
    y = layers.MultiHeadAttention(2, 2)(y, y)
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(y)
    y = layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode="sum")(y)
    y = layers.TimeDistributed(layers.Dense(4))(layers.TimeDistributed(layers.Dense(4))(y))
    return keras.Model(x, layers.RNN([layers.LSTMCell(4), layers.LSTMCell(4)])(y))


def named():
    return keras.Sequential([keras.Input((4,)), layers.Dense(4, name="x"), layers.Dense(4, name="y")], name="named")


REAL = MODELS | {"blocks": blocks, "square": square, "branches": branches, "attention": attention, "named": named}
CLONED = [name for name in REAL if name not in ("subclassed", "tied", "blocks")]


def reloaded(model, make, tmp_path):
    with keras_working():
        model.save(tmp_path / "model.keras")
        return keras.models.load_model(tmp_path / "model.keras")


def cloned(model, make, tmp_path):
    copy = keras.models.clone_model(model)
    return with_weights_of(model, copy)


def from_config(model, make, tmp_path):
    return with_weights_of(model, type(model).from_config(model.get_config()))


def built_again(model, make, tmp_path):
    return with_weights_of(model, make())


def in_a_new_session(model, make, tmp_path):
    keras.utils.clear_session()
    return with_weights_of(model, make())


def with_weights_of(model, copy):
    with keras_working():
        copy.set_weights(model.get_weights())
    return copy


WAYS = [(name, way) for name in REAL for way in (reloaded, built_again, in_a_new_session)]
WAYS += [(name, way) for name in CLONED for way in (cloned, from_config)]


def fill(model):
    """Give every weight values that no other has."""
    for number, weight in enumerate(model.weights):
        values = np.arange(int(np.prod(weight.shape)), dtype="float32").reshape(weight.shape) / 64 + number
        with keras_working():
            weight.assign(values)


def values_of(catalog):
    return {
        key: live_values(variable) for key, variable in catalog.variables.items() if catalog.weights[key].role != SEED_STATE
    }


@pytest.mark.parametrize(("name", "way"), WAYS, ids=lambda value: getattr(value, "__name__", value))
def test_a_run_opens_with_the_same_model_and_each_weight_is_its_own(name, way, tmp_path):
    model = REAL[name]()
    fill(model)
    recorded = WeightExplorer(model)
    recorded.history.save(tmp_path / "run.h5")
    same = way(model, REAL[name], tmp_path)
    explorer = WeightExplorer.load(tmp_path / "run.h5", same)
    expected = values_of(recorded.catalog)
    assert {key for key in explorer.catalog.weights if explorer.catalog.weights[key].role != SEED_STATE} == set(expected)
    for key, values in expected.items():
        variable = explorer.catalog.variables[key]
        assert live_values(variable).tobytes() == values.tobytes(), key
        assert explorer.history.values_at(key, 0).tobytes() == values.tobytes()
        assert eval(explorer.catalog.weights[key].expression, {"model": same}) is variable
    for weight in same.weights:
        with keras_working():
            weight.assign(np.zeros(weight.shape))
    with keras_working():
        explorer.restore(0)
    assert {key: values.tobytes() for key, values in values_of(explorer.catalog).items()} == {
        key: values.tobytes() for key, values in expected.items()
    }
    for each in (recorded, explorer):
        each.close()


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5"])
@pytest.mark.parametrize("name", REAL)
def test_checkpoints_open_with_the_same_model_and_each_weight_is_its_own(name, suffix, tmp_path):
    if suffix == ".h5" and name in ("subclassed", "tied", "blocks", "bfloat16"):
        return  # Keras does not load these from .h5
    model = REAL[name]()
    fill(model)
    same = reloaded(model, REAL[name], tmp_path)
    with keras_working():
        (model.save_weights if "weights" in suffix else model.save)(tmp_path / f"saved{suffix}")
    explorer = WeightExplorer.from_checkpoints(same, tmp_path / f"saved{suffix}")
    for key, values in values_of(explorer.catalog).items():
        assert explorer.history.values_at(key, 0).tobytes() == values.tobytes(), key
    explorer.close()


def test_catalogs_of_the_same_model_are_aligned_with_themselves():
    for make in REAL.values():
        described_model = describe_weights(read_catalog(make()))
        found = align(described_model, described_model)
        assert found.mismatches == ()
        assert all(ours == theirs for ours, theirs in found.pairs.items())
        assert len(found.pairs) == len(described_model)


def two(*names):
    return keras.Sequential([keras.Input((4,)), *(layers.Dense(4, name=name) for name in names)], name="two")


@pytest.mark.parametrize("swapped", [("dense_1", "dense"), ("y", "z")], ids=["numbers", "names"])
def test_a_run_of_which_the_order_is_not_clear_is_refused_with_the_weights(swapped, tmp_path):
    recorded = WeightExplorer(two(*sorted(swapped)) if "dense" in swapped else two("a", "b"))
    recorded.history.save(tmp_path / "run.h5")
    with pytest.raises(ValueError, match=r"run\.h5' does not fit.*'two/.*/kernel' of shape \(4, 4\) could be .* or .*\(4, 4\)"):
        WeightExplorer.load(tmp_path / "run.h5", two(*swapped))


def test_layers_with_names_of_their_own_are_found_in_another_order(tmp_path):
    model = two("a", "b")
    fill(model)
    WeightExplorer(model).history.save(tmp_path / "run.h5")
    explorer = WeightExplorer.load(tmp_path / "run.h5", other := two("b", "a"))
    explorer.restore(0)
    assert other.get_layer("a").kernel.numpy().tobytes() == model.get_layer("a").kernel.numpy().tobytes()


@pytest.mark.parametrize("name", ["w.keras", "w.weights.h5", "w.weights.json"])
def test_a_checkpoint_with_the_layers_in_another_order_is_refused_with_their_names(name, tmp_path):
    model, options = two("a", "b"), {"max_shard_size": 1e-7} if name.endswith("json") else {}
    with keras_working():
        (model.save if name == "w.keras" else model.save_weights)(tmp_path / name, **options)
    with pytest.raises(ValueError, match=rf"{name}' holds the weights of layer 'a' where the model has 'b'"):
        WeightExplorer.from_checkpoints(two("b", "a"), tmp_path / name)
    for fitting in (two("a", "b"), two("c", "d"), two("dense_1", "dense")):
        WeightExplorer.from_checkpoints(fitting, tmp_path / name).close()


def test_an_older_checkpoint_with_layers_in_another_order_is_read_by_their_names(tmp_path):
    model, other = two("a", "b"), two("b", "a")
    fill(model)
    model.save(tmp_path / "w.h5")
    explorer = WeightExplorer.from_checkpoints(other, tmp_path / "w.h5")
    assert explorer.history.values_at("two/a/kernel", 0).tobytes() == model.get_layer("a").kernel.numpy().tobytes()


def test_an_older_checkpoint_is_read_right_where_other_layers_were_frozen(tmp_path):
    def nest():
        inner = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dense(4)])
        return keras.Sequential([keras.Input((4,)), inner])

    model = nest()
    fill(model)
    model.layers[0].layers[0].trainable = False
    model.save(tmp_path / "w.h5")
    for same in (nest(), keras.models.load_model(tmp_path / "w.h5"), keras.models.clone_model(model)):
        same.layers[0].layers[0].trainable = True
        explorer = WeightExplorer.from_checkpoints(same, tmp_path / "w.h5")
        explorer.restore(0)
        for ours, theirs in zip(same.layers[0].layers, model.layers[0].layers, strict=True):
            assert ours.kernel.numpy().tobytes() == theirs.kernel.numpy().tobytes()


def test_a_model_without_the_random_states_of_the_run_is_the_same_model(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dropout(0.5), layers.Dense(4), layers.GaussianNoise(0.1)], name="m")
    recorded = WeightExplorer(model)
    recorded.history.save(tmp_path / "run.h5")
    same = keras.Sequential([keras.Input((4,)), layers.Dense(4)], name="m")
    explorer = WeightExplorer.load(tmp_path / "run.h5", same)
    explorer.restore(0)
    assert same.layers[0].kernel.numpy().tobytes() == model.layers[1].kernel.numpy().tobytes()
    assert set(recorded.history.keys) == set(explorer.history.keys)


def test_a_model_that_is_not_built_is_told_so(tmp_path):
    WeightExplorer(two("a", "b")).history.save(tmp_path / "run.h5")
    with pytest.raises(ValueError, match=r"'later' is not built.*Build it first"):
        WeightExplorer.load(tmp_path / "run.h5", keras.Sequential([layers.Dense(3)], name="later"))


def test_a_layer_added_in_front_takes_no_key_of_the_run(tmp_path):
    recorded = WeightExplorer(keras.Sequential([keras.Input((3,)), layers.Dense(4, name="dense")], name="m"))
    recorded.history.save(tmp_path / "run.h5")
    front, old = layers.Dense(3, name="dense"), layers.Dense(4, name="dense_1")
    explorer = WeightExplorer.load(tmp_path / "run.h5", keras.Sequential([keras.Input((3,)), front, old], name="m"))
    assert explorer.catalog.variables["m/dense/kernel"] is old.kernel
    (added,) = (key for key, variable in explorer.catalog.variables.items() if variable is front.kernel)
    assert explorer.history.records_with_values(added) == ()
    explorer.select("dense", role="kernel")
    assert explorer._panel.status.problem == ""


def test_keys_of_the_run_and_names_of_the_model_both_lead_to_a_weight(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dense(2)], name="net")
    recorded = WeightExplorer(model, labels={model.layers[1].name: ["cat", "dog"]})
    key = f"net/{model.layers[1].name}/kernel"
    recorded.history.save(tmp_path / "run.h5")
    same = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dense(2)])
    explorer = WeightExplorer.load(tmp_path / "run.h5", same)
    assert explorer.history.values(key).tobytes() == recorded.history.values(key).tobytes()
    explorer.select(same.layers[1].name, role="kernel")
    assert explorer._panel.status.problem == ""
    assert explorer.catalog.weights[key].expression == f'model.get_layer("{same.layers[1].name}").kernel'
    assert explorer.catalog.weights[key].axes[1].labels == ("cat", "dog")


# -- weights that a record does not have -------------------------------------------------------------------------------


def test_restoring_a_record_from_before_a_layer_existed_names_its_weights(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every="epoch")
    dense_model.add(layers.Dense(3, name="later"))
    words = (
        r"Record 0 cannot be restored: the model did not have 'dense_model/later/kernel' and 1 more when the record was made\."
    )
    with pytest.raises(ValueError, match=words + " No record has it") as raised:
        explorer.restore(0)
    assert "memory" not in str(raised.value)
    dense_model.compile("sgd", "mse")
    dense_model.fit(*training_data, verbose=0, callbacks=[explorer.callback])
    first = int(explorer.history.record_numbers("later/kernel")[0])
    with pytest.raises(ValueError, match=words + f" Its first record is record {first}"):
        explorer.restore(0)
    explorer.restore(first)


def test_a_loaded_run_says_which_weight_it_was_recorded_without(dense_model, tmp_path):
    WeightExplorer(dense_model).history.save(tmp_path / "run.h5")
    dense_model.add(layers.Dense(3, name="later"))
    explorer = WeightExplorer.load(tmp_path / "run.h5", dense_model)
    with pytest.raises(
        ValueError, match="the model did not have 'dense_model/later/kernel' and 1 more when the record was made"
    ):
        explorer.restore(0)


def test_what_was_not_kept_still_advises_more_memory():
    large = keras.Sequential([keras.Input((300,)), layers.Dense(300, name="dense")], name="m")
    with pytest.raises(ValueError, match=r"does not keep all values of 'm/dense/kernel'.*memory="):
        WeightExplorer(large, memory="300 KB").restore(0)
