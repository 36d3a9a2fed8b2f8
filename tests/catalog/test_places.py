"""Where variables live: shared ones stand once and say where else they are, keys stay, and what does not train says why."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from weight_explorer import WeightExplorer
from weight_explorer.catalog.builder import read_catalog, read_values


def dense(units=3, **options):
    return layers.Dense(units, **options)


def branch(name):
    return keras.Sequential([keras.Input((4,)), dense(4, name="dense")], name=name)


def expressions_hold(model, catalog):
    return all(eval(weight.expression, {"model": model}) is catalog.variables[key] for key, weight in catalog.weights.items())


def test_a_layer_that_is_called_twice_stands_once_and_says_so():
    inputs = keras.Input((4,))
    twice = dense(4, name="twice")
    model = keras.Model(inputs, twice(twice(inputs)), name="shared")
    catalog = read_catalog(model)
    assert len(catalog.weights) == 2
    assert catalog.nodes["shared/twice"].shared
    assert "'twice' is called 2 times in 'shared'" in catalog.weights["twice/kernel"].explanation


def test_a_sub_model_in_two_branches_stands_once_and_its_weights_say_so():
    inputs = [keras.Input((4,)), keras.Input((4,))]
    tower = branch("tower")
    model = keras.Model(inputs, layers.Add()([tower(each) for each in inputs]), name="siamese")
    catalog = read_catalog(model)
    (kernel,) = [weight for weight in catalog.weights.values() if weight.role == "kernel"]
    assert "'tower' is called 2 times in 'siamese'" in kernel.explanation
    assert expressions_hold(model, catalog)


class Pair(keras.Model):
    """Two sub-models that hold one and the same layer."""

    def __init__(self):
        super().__init__(name="pair")
        common = dense(4, name="common")
        self.left = keras.Sequential([keras.Input((4,)), common], name="left")
        self.right = keras.Sequential([keras.Input((4,)), common], name="right")


def test_one_layer_in_two_sub_models_stands_in_the_tree_twice_and_in_the_history_once():
    model = Pair()
    explorer = WeightExplorer(model)
    kernel = explorer.catalog.weights["left/common/kernel"]
    assert kernel.shared_by == ("pair/left/common", "pair/right/common")
    assert len(explorer.catalog.weights) == 2
    for here, there in (("left", "right"), ("right", "left")):
        explorer.select(f"pair/{here}/common", role="kernel")
        words = str(explorer._panel.explanation.sections)
        assert f"also stands in: pair/{there}/common" in words
    assert len(explorer.history.statistics("left/common/kernel"))
    assert set(explorer.history.to_frame()["key"]) == {"left/common/kernel", "left/common/bias"}
    explorer.close()


def test_a_layer_in_two_models_is_told_in_each():
    common = dense(4, name="common")
    models = [keras.Sequential([keras.Input((4,)), common, dense(2)], name=name) for name in ("one", "two")]
    catalogs = [read_catalog(model) for model in models]
    shared = [catalog.variables["one/common/kernel"] for catalog in catalogs]
    assert shared[0] is shared[1]
    assert all(expressions_hold(model, catalog) for model, catalog in zip(models, catalogs, strict=True))


class Holder(layers.Layer):
    """Holds layers and weights in all that Python has for holding."""

    def __init__(self, **options):
        super().__init__(**options)
        self.row = [dense(name="same"), dense(name="same")]
        self.table = {"a": dense(name="named"), "deep": [dense(name="deep"), (dense(name="deeper"),)]}
        self._private = dense(name="private")

    def build(self, shape):
        for layer in [*self.row, self.table["a"], self.table["deep"][0], self.table["deep"][1][0], self._private]:
            layer.build(shape)
        self.scale = self.add_weight(shape=(2,), name="anything")
        self._hidden = self.add_weight(shape=(2,), name="hidden", trainable=False)
        self.built = True

    def call(self, inputs):
        return inputs


class Deep(keras.Model):
    def __init__(self):
        super().__init__(name="deep")
        self.holder = Holder(name="holder")
        self.stack = [keras.Sequential([Holder(name="holder")], name="inner") for _ in range(2)]
        self._kept = {"x": Holder(name="kept")}

    def call(self, inputs):
        inputs = self.holder(inputs)
        for each in self.stack:
            inputs = each(inputs)
        return self._kept["x"](inputs)


def deep_model():
    model = Deep()
    model(np.zeros((1, 4), "float32"))
    return model


def test_layers_and_weights_in_lists_dicts_and_private_places_are_all_reached_in_public():
    model = deep_model()
    catalog = read_catalog(model)
    assert {id(variable) for variable in catalog.variables.values()} == {id(variable) for variable in model.variables}
    assert expressions_hold(model, catalog)
    assert not [weight.expression for weight in catalog.weights.values() if "._" in weight.expression]
    expressions = {weight.expression for weight in catalog.weights.values()}
    assert 'model.get_layer("holder").row[1].kernel' in expressions
    assert "model.get_layer(\"holder\").table['deep'][1][0].bias" in expressions
    assert 'model.get_layer("holder").scale' in expressions


def test_equal_paths_in_two_sub_models_stay_apart():
    catalog = read_catalog(deep_model())
    assert len(catalog.weights) == len(set(catalog.weights)) == 4 * 14
    layers_of_scale = [weight.layer for weight in catalog.weights.values() if weight.name == "scale"]
    assert len(set(layers_of_scale)) == 4


PROGRAM = """
import sys; sys.path.insert(0, {tests!r})
from test_places import deep_model
from weight_explorer.catalog.builder import read_catalog
print(*[key + "|" + weight.expression for key, weight in read_catalog(deep_model()).weights.items()], sep="\\n")
"""


def test_keys_are_the_same_in_every_run_of_a_program(request):
    program = PROGRAM.format(tests=str(request.path.parent))
    runs = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert runs[0].count("\n") == 4 * 14


class Late(keras.Model):
    """Two sub-models of one name, the first of which is built later."""

    def __init__(self):
        super().__init__(name="late")
        self.first, self.second = (keras.Sequential([dense(name="dense")], name="inner") for _ in range(2))


def test_a_weight_keeps_its_key_when_one_of_the_same_path_is_built_before_it():
    model = Late()
    model.second.build((None, 4))
    early = read_catalog(model)
    model.first.build((None, 4))
    late = read_catalog(model, early.variables)
    assert len(late.weights) == 4
    assert all(late.variables[key] is variable for key, variable in early.variables.items())


def test_layers_that_build_late_come_into_the_panel_with_their_history_kept():
    model = Late()
    explorer = WeightExplorer(model)
    model.second.build((None, 4))
    explorer.select("late/inner#2/dense")
    assert explorer.history.records_with_values("inner/dense/kernel") == (0,)
    model.first.build((None, 4))
    explorer.select("late/inner/dense")
    assert explorer.history.records_with_values("inner/dense/kernel")[0] == 0
    explorer.close()


def named(model):
    return {weight.expression: weight for weight in read_catalog(model).weights.values()}


def test_what_does_not_train_says_whether_it_is_the_layer_a_parent_the_variable_or_its_kind():
    base = keras.Sequential([keras.Input((4,)), dense(4, name="a"), layers.BatchNormalization(name="norm")], name="base")
    model = keras.Sequential([keras.Input((4,)), base, dense(3, name="own"), dense(3, name="part"), dense(3, name="free")])
    assert named(model)['model.get_layer("base").get_layer("norm").moving_mean'].not_trainable_text == "moving statistic"
    base.trainable = False
    model.get_layer("own").trainable = False
    model.get_layer("part").bias.trainable = False
    weights = named(model)
    reasons = {expression.removeprefix("model.get_layer"): weight.not_trainable_text for expression, weight in weights.items()}
    assert reasons == {
        '("base").get_layer("a").kernel': "base above it is frozen",
        '("base").get_layer("a").bias': "base above it is frozen",
        '("base").get_layer("norm").gamma': "base above it is frozen",
        '("base").get_layer("norm").beta': "base above it is frozen",
        '("base").get_layer("norm").moving_mean': "moving statistic of a frozen layer",
        '("base").get_layer("norm").moving_variance': "moving statistic of a frozen layer",
        '("own").kernel': "its layer is frozen",
        '("own").bias': "its layer is frozen",
        '("part").kernel': "",
        '("part").bias': "the variable itself",
        '("free").kernel': "",
        '("free").bias': "",
    }
    assert all(bool(weight.not_trainable_text) != weight.trainable for weight in weights.values())


def test_what_the_catalog_calls_trainable_is_what_fit_moves():
    """Also a layer that was thawed below a frozen one, which is how models are fine-tuned."""
    keras.utils.set_random_seed(1)
    base = keras.Sequential([keras.Input((4,)), dense(4, name="a"), layers.BatchNormalization(name="norm"), dense(4, name="b")])
    model = keras.Sequential([keras.Input((4,)), base, layers.Dropout(0.5), dense(3, name="out")], name="tuned")
    base.trainable = False
    base.get_layer("b").trainable = True
    model.get_layer("out").bias.trainable = False
    model.compile("sgd", "mse")
    catalog = read_catalog(model)
    before = {key: read_values(variable).copy() for key, variable in catalog.variables.items()}
    random = np.random.default_rng(1)
    model.fit(random.random((64, 4)), random.random((64, 3)), verbose=0)
    moved = {key for key, variable in catalog.variables.items() if np.any(read_values(variable) != before[key])}
    trained = {key for key, weight in catalog.weights.items() if weight.trainable}
    seeds = {key for key, weight in catalog.weights.items() if weight.role == "seed state"}
    assert moved - seeds == trained  # torch drops out by a random state of its own


def test_a_frozen_model_trains_nothing_even_where_a_layer_was_thawed():
    model = keras.Sequential([keras.Input((4,)), dense(4, name="a"), dense(4, name="b")], name="whole")
    model.trainable = False
    model.get_layer("b").trainable = True
    assert not model.trainable_weights
    assert not [weight for weight in read_catalog(model).weights.values() if weight.trainable]


class Counter(layers.Layer):
    def build(self, shape):
        self.seen = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)

    def call(self, inputs):
        return inputs


def test_a_custom_layer_gets_an_answer_that_is_plain_and_right():
    model = keras.Sequential([keras.Input((4,)), Counter(name="counter")])
    (seen,) = read_catalog(model).weights.values()
    assert seen.explanation == (
        "() is a single number. A weight that Counter made for itself. "
        "It does not train: it holds whole numbers, which have no gradient."
    )


class Mine(layers.Dense):
    """A user's Dense with its kernel the other way round: what Keras' documentation says is not true of it."""

    def build(self, shape):
        self.wide = self.add_weight(shape=(self.units, shape[-1]), name="wide")
        self._kernel = self.add_weight(shape=(self.units, shape[-1]), name="kernel")
        self.bias = None
        self.built = True


def test_a_row_of_the_table_that_disagrees_with_the_layers_own_configuration_is_not_used():
    model = keras.Sequential([keras.Input((4,)), Mine(3, name="mine")])
    weights = read_catalog(model).weights.values()
    assert [weight.shape_text for weight in weights] == ["(3, 4) = (axis 0, axis 1)"] * 2


@pytest.mark.parametrize("count", [2, 5])
def test_random_states_are_no_parameters_and_are_not_counted_as_weights(count):
    model = keras.Sequential([keras.Input((4,)), *(layers.Dropout(0.5) for _ in range(count)), dense(3)], name="drops")
    explorer = WeightExplorer(model)
    assert explorer.catalog.root.num_params == model.count_params() == 15
    assert len(explorer.catalog.weights) == 2 + count
    assert "weights: 2," in repr(explorer)
    explorer.close()


def test_a_layer_says_what_it_keeps_that_is_no_weight_also_after_it_has_learned_it():
    model = keras.Sequential([keras.Input((4,)), layers.Discretization(num_bins=4, name="bins"), dense(3)], name="kept")
    explorer = WeightExplorer(model)
    model.get_layer("bins").adapt(np.arange(40.0).reshape(10, 4))
    explorer.select("bins")
    assert "bins (Discretization) holds no weights. It keeps bin boundaries (3 of them)" in str(
        explorer._panel.picture_area.message.sections
    )
    assert 'model.get_layer("bins").bin_boundaries' in str(explorer._panel.explanation.sections)
    explorer.close()


def outputs(key, model, explorer):
    explorer.select("out")
    return explorer.history.values(key)[:, 0].tolist()


@pytest.mark.parametrize("looks", [True, False], ids=["looked at in between", "replaced at once"])
def test_a_replaced_layer_keeps_its_key_and_never_another_layers_past(looks):
    model = keras.Sequential([keras.Input((4,)), dense(name="a"), dense(2, name="out")], name="m")
    explorer = WeightExplorer(model)
    for value in (100, 200):
        model.pop()
        if looks:
            explorer.select("a")
        model.add(dense(2, name="out", bias_initializer=keras.initializers.Constant(value)))
        assert outputs("m/out/bias", model, explorer) == [value]
    explorer.close()


def test_a_layer_is_chosen_by_itself_and_a_foreign_one_is_refused():
    twins = [keras.Sequential([keras.Input((4,)), dense(4, name="twin")], name=name) for name in ("one", "two")]
    model = keras.Sequential([keras.Input((4,)), *twins], name="m")
    explorer = WeightExplorer(model)
    explorer.select(twins[1].get_layer("twin"))
    assert explorer._panel.tree.selected == "m/two/twin"
    with pytest.raises(ValueError, match="This layer is none of 'm'"):
        explorer.select(dense(4, name="twin"))
    explorer.close()


def test_one_layer_in_two_places_is_no_ambiguous_name():
    model = Pair()
    explorer = WeightExplorer(model, labels={("common", "units"): list("abcd")})
    explorer.select("common", role="bias")
    assert explorer._panel.tree.selected == "pair/left/common"
    assert scene_name(explorer) == "pair/left/common / bias"
    explorer.select("pair/right/common")
    assert scene_name(explorer) == "pair/right/common / bias"
    explorer.close()


def scene_name(explorer):
    return explorer._screen.state().name


def test_a_parent_is_told_from_a_layer_of_the_same_name():
    inner = keras.Sequential([keras.Input((4,)), dense(4, name="enc")], name="enc")
    model = keras.Sequential([keras.Input((4,)), inner], name="m")
    inner.trainable = False
    assert {weight.not_trainable_text for weight in read_catalog(model).weights.values()} == {"enc above it is frozen"}


def test_below_a_frozen_parent_a_thawed_layer_names_the_variable_that_is_frozen():
    inner = keras.Sequential([keras.Input((4,)), dense(4, name="thawed")], name="inner")
    model = keras.Sequential([keras.Input((4,)), inner], name="m")
    inner.trainable = False
    inner.get_layer("thawed").trainable = True
    inner.get_layer("thawed").kernel.trainable = False
    assert [weight.not_trainable_text for weight in read_catalog(model).weights.values()] == ["the variable itself", ""]


def test_a_frozen_lora_is_frozen_as_its_layer_is():
    model = keras.Sequential([keras.Input((4,)), dense(4, name="dense")], name="m")
    model.get_layer("dense").enable_lora(2)
    model.get_layer("dense").trainable = False
    assert {weight.not_trainable_text for weight in read_catalog(model).weights.values()} == {"its layer is frozen"}


def test_freezing_is_noticed_where_no_variable_changes_by_it():
    model = keras.Sequential([keras.Input((4,)), layers.BatchNormalization(center=False, scale=False, name="norm")], name="m")
    explorer = WeightExplorer(model)
    model.get_layer("norm").trainable = False
    reasons = {weight.not_trainable_text for weight in explorer.catalog.weights.values()}
    assert reasons == {"moving statistic of a frozen layer"}
    explorer.close()


class Rude(layers.Layer):
    """Everything that may be asked of it raises."""

    def build(self, shape):
        self.kept = self.add_weight(shape=(2,), trainable=False)
        self.kernel_initializer = "zeros"
        self.kernel = self.add_weight(shape=(2,), name="kernel")

    lora_enabled = quantization_mode = kept_initializer = property(lambda self: 1 / 0)

    def call(self, inputs):
        return inputs


def test_a_layer_whose_properties_raise_and_whose_class_has_an_odd_name_is_told_all_the_same():
    odd = type("Odd{class}", (Rude,), {})
    model = keras.Sequential([keras.Input((4,)), odd(name="odd")], name="m")
    kept, kernel = sorted(read_catalog(model).weights.values(), key=lambda weight: weight.trainable)
    assert "A weight that Odd{class} made for itself." in kept.explanation
    assert kernel.initializer == "zeros"


class Grown(layers.Layer):
    """Holds all blocks before it, as DenseNet does."""

    def __init__(self, before, **options):
        super().__init__(**options)
        self.before = list(before)
        self.own = dense(3)

    def build(self, shape):
        self.own.build(shape)

    def call(self, inputs):
        return self.own(inputs)


def test_layers_that_hold_each_other_again_and_again_make_no_endless_tree():
    blocks = []
    for _ in range(18):
        blocks.append(Grown(blocks))
    model = keras.Sequential([keras.Input((3,)), *blocks], name="m")
    catalog = read_catalog(model)
    assert len(catalog.weights) == 36
    for path, node in catalog.nodes.items():
        assert node.num_params == catalog.layers[path].count_params()
    assert len(catalog.nodes) < 20_000
    assert expressions_hold(model, catalog)
