"""Checkpoint files are found in their order, and single weights are read from them as Keras wrote them, bit by bit."""

import contextlib
import os
import threading
import warnings
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from weight_explorer.catalog.builder import read_catalog, read_values
from weight_explorer.catalog.schema import SEED_STATE
from weight_explorer.storage.keras_files import (
    Checkpoint,
    CheckpointError,
    DamagedFileError,
    check_checkpoint,
    find_checkpoints,
    open_checkpoint,
    read_layout,
    read_weight,
)

# Models -------------------------------------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("test_files")
class Scale(layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="random_normal", name="scale")
        self.count = self.add_weight(shape=(), initializer="random_normal", trainable=False, name="count")

    def call(self, x):
        return x * self.scale + self.count


@keras.saving.register_keras_serializable("test_files")
class Stack(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.blocks = [layers.Dense(4), layers.Dense(4), [layers.Dense(4), Scale()]]
        self.heads = {"b": layers.Dense(2), "a": layers.Dense(3)}
        self.noise = layers.Dropout(0.5)
        self.offset = self.add_weight(shape=(4,), initializer="random_normal", name="offset")

    def call(self, x, training=False):
        x = self.noise(x + self.offset, training=training)
        for block in (*self.blocks[:2], *self.blocks[2]):
            x = block(x)
        return layers.concatenate([head(x) for head in self.heads.values()])


@keras.saving.register_keras_serializable("test_files")
class Tied(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.embedding = layers.Embedding(7, 4)
        self.out = layers.Dense(4, use_bias=False)

    def build(self, shape):
        self.embedding.build(shape)
        self.out.build((*shape, 4))
        self.out._kernel = self.out._kernel
        self.shared = self.embedding.embeddings
        self.again = Holder(self.shared)
        self.built = True

    def call(self, x):
        return keras.ops.matmul(self.out(self.embedding(x)), keras.ops.transpose(self.shared))


class Holder(layers.Layer):
    def __init__(self, kept):
        super().__init__()
        self.kept = kept
        self._track_variable(kept)
        self.built = True


def sequential(units=3):
    return keras.Sequential([keras.Input((4,)), layers.Dense(units), layers.Dropout(0.5), layers.BatchNormalization(), Scale()])


def functional():
    x = keras.Input((5, 4))
    y = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
    y = layers.MultiHeadAttention(2, 3)(y, y)
    y = layers.LayerNormalization()(layers.GRU(3)(y))
    return keras.Model(x, [layers.Dense(2)(y), layers.Dense(1)(y)])


def nested():
    x = keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.BatchNormalization(), layers.Dense(4)])
    return keras.Model(x, layers.Dense(2)(inner(inner(x))))


def shared():
    x, y, dense = keras.Input((4,)), keras.Input((4,)), layers.Dense(3)
    return keras.Model([x, y], layers.Dense(2)(dense(x) + dense(y)))


def typed(policy):
    return keras.Sequential([keras.Input((4,)), layers.Dense(3, dtype=policy), layers.Dense(2, dtype="mixed_float16")])


def subclassed():
    model = Stack()
    model(np.ones((2, 4), "float32"))
    return model


def tied():
    model = Tied()
    model(np.ones((2, 3), "int32"))
    return model


def random_layers():
    return keras.Sequential([keras.Input((8, 8, 3)), layers.RandomFlip(), layers.GaussianNoise(0.1), layers.Conv2D(2, 3)])


MODELS = {
    "sequential": sequential,
    "functional": functional,
    "nested": nested,
    "shared": shared,
    "bfloat16": lambda: typed("bfloat16"),
    "float16": lambda: typed("float16"),
    "subclassed": subclassed,
    "tied": tied,
    "random": random_layers,
}
WHOLE_H5 = [name for name in MODELS if name not in ("subclassed", "tied")]  # Keras saves those in no .h5
FORMATS = [(name, suffix) for name in MODELS for suffix in (".keras", ".weights.h5")] + [(name, ".h5") for name in WHOLE_H5]


@contextlib.contextmanager
def keras_working():
    """Ignore what NumPy says of the way in which Keras itself turns variables to arrays; of ours it must say nothing."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        yield


def save(model, path):
    with keras_working():
        (model.save_weights if path.name.endswith(".weights.h5") else model.save)(path)
    return path


def randomize(model, seed):
    random = np.random.default_rng(seed)
    for weight in model.weights:
        with keras_working():
            weight.assign(random.standard_normal(weight.shape).astype("float32"))


def bytes_of(model):
    return [live_values(variable).tobytes() for variable in model.variables]


def live_values(variable):
    with keras_working():
        return read_values(variable)


def opened(model):
    catalog = read_catalog(model)
    return catalog, read_layout(model, catalog)


def values_of(catalog):
    return {key: live_values(held) for key, held in catalog.variables.items() if catalog.weights[key].role != SEED_STATE}


def assert_same(ours, expected, key):
    assert ours.dtype == expected.dtype, key
    assert ours.shape == expected.shape, key
    assert ours.tobytes() == expected.tobytes(), key


# Reading ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "suffix"), FORMATS, ids=lambda value: value)
@pytest.mark.parametrize("optimizer", [False, True], ids=["bare", "compiled"])
def test_every_weight_comes_back_bit_by_bit_and_the_model_is_untouched(tmp_path, name, suffix, optimizer):
    model = MODELS[name]()
    if optimizer:
        model.compile(keras.optimizers.Adam(), "mse", metrics=["mae"])
        model.optimizer.build(model.trainable_variables)
    randomize(model, 1)
    catalog, places = opened(model)
    saved = values_of(catalog)
    path = save(model, tmp_path / f"file{suffix}")
    randomize(model, 2)
    before = bytes_of(model)
    check_checkpoint(path, places)
    with open_checkpoint(path, places) as file:
        assert set(file.keys) == set(saved)
        for key, expected in saved.items():
            assert_same(file.read(key), expected, key)
    key = next(iter(saved))
    assert_same(read_weight(path, places, key), saved[key], key)
    assert bytes_of(model) == before


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_a_file_of_the_same_model_built_anew_is_read_as_keras_loads_it(tmp_path, name, suffix):
    first, second = MODELS[name](), MODELS[name]()
    randomize(first, 3)
    catalog, places = opened(second)
    path = save(first, tmp_path / f"file{suffix}")
    with open_checkpoint(path, places) as file:
        values = {key: file.read(key) for key in file.keys}
    with keras_working():
        second.load_weights(path)
    for key, expected in values_of(catalog).items():
        assert_same(values[key], expected, key)


@pytest.mark.parametrize("name", WHOLE_H5)
def test_an_older_file_of_the_same_model_built_anew_is_read_as_keras_loads_it(tmp_path, name):
    first, second = MODELS[name](), MODELS[name]()
    randomize(first, 3)
    catalog, places = opened(second)
    path = save(first, tmp_path / "file.h5")
    with open_checkpoint(path, places) as file:
        values = {key: file.read(key) for key in file.keys}
    if name not in ("bfloat16",):  # Keras cannot load those from .h5
        with keras_working():
            second.load_weights(path)
        for key, expected in values_of(catalog).items():
            assert_same(values[key], expected, key)


def test_an_older_file_saved_with_frozen_layers_is_read_by_name(tmp_path):
    model = nested()
    randomize(model, 4)
    saved = values_of(read_catalog(model))
    model.layers[1].trainable = False
    path = save(model, tmp_path / "frozen.h5")
    model.layers[1].trainable = True
    _, places = opened(model)
    for key, expected in saved.items():
        assert_same(read_weight(path, places, key), expected, key)


@pytest.mark.parametrize("names", [[b"dense/kernel:0", b"dense/bias:0"], [b"w", b"b"]], ids=["tf.keras", "order alone"])
def test_weights_of_tf_keras_are_read(tmp_path, names):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3)])
    catalog, places = opened(model)
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["layer_names0"] = [b"first"]
        file.create_group("first").attrs["weight_names"] = names
        file["first"][names[0].decode()] = np.full((2, 3), 5, "float32")
        file["first"][names[1].decode()] = np.full((3,), 6, "float32")
    kernel, bias = catalog.weights
    check_checkpoint(tmp_path / "old.h5", places)
    assert np.all(read_weight(tmp_path / "old.h5", places, kernel) == 5)
    assert np.all(read_weight(tmp_path / "old.h5", places, bias) == 6)


def test_values_are_read_only(tmp_path):
    model = sequential()
    _, places = opened(model)
    values = read_weight(save(model, tmp_path / "a.keras"), places, next(iter(places.datasets)))
    with pytest.raises(ValueError, match="read-only"):
        values[...] = 0


def test_a_compressed_archive_is_read(tmp_path):
    model = sequential()
    catalog, places = opened(model)
    packed = zipfile.ZipFile(tmp_path / "b.keras", "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(save(model, tmp_path / "a.keras")) as stored, packed:
        for name in stored.namelist():
            packed.writestr(name, stored.read(name))
    for key, expected in values_of(catalog).items():
        assert_same(read_weight(tmp_path / "b.keras", places, key), expected, key)


def test_an_archive_whose_entries_have_long_headers_is_read(tmp_path):
    model = sequential()
    catalog, places = opened(model)
    with zipfile.ZipFile(save(model, tmp_path / "a.keras")) as short:
        content = short.read("model.weights.h5")
    with zipfile.ZipFile(tmp_path / "b.keras", "w") as long, long.open("model.weights.h5", "w", force_zip64=True) as member:
        member.write(content)
    for key, expected in values_of(catalog).items():
        assert_same(read_weight(tmp_path / "b.keras", places, key), expected, key)


def test_asking_for_places_leaves_all_attributes_as_they_are():
    model = nested()
    model.compile("adam", "mse", metrics=["mae"])
    before, layers_before = dict(vars(model)), [dict(vars(layer)) for layer in model.layers]
    values = bytes_of(model)
    opened(model)
    opened(model)
    assert {name for name in vars(model) if vars(model)[name] is not before.get(name, model)} == set()
    assert [set(vars(layer)) for layer in model.layers] == [set(each) for each in layers_before]
    assert model.layers[1]._jit_compile is layers_before[1]["_jit_compile"]
    assert bytes_of(model) == values


def test_places_of_a_compiled_model_hold_nothing_of_the_optimizer():
    model = sequential()
    model.compile("adam", "mse", metrics=["mae"])
    model.optimizer.build(model.trainable_variables)
    assert not [group for group in read_layout(model, read_catalog(model)).group_sizes if "optimizer" in group]


def test_keras_can_write_a_file_that_is_open_here(tmp_path):
    model = sequential()
    _, places = opened(model)
    path = save(model, tmp_path / "a.weights.h5")
    with open_checkpoint(path, places) as file:
        thread = threading.Thread(target=save, args=(model, path))
        thread.start()
        thread.join()
        assert file.keys
    check_checkpoint(path, places)


def test_a_kernel_that_is_saved_merged_is_not_given_for_the_kernel(tmp_path):
    model = sequential()
    model.layers[0].enable_lora(2)
    randomize(model, 1)
    catalog, places = opened(model)
    path = save(model, tmp_path / "a.keras")
    kernel = next(key for key, held in catalog.variables.items() if held is model.layers[0]._kernel)
    bias = next(key for key, held in catalog.variables.items() if held is model.layers[0].bias)
    check_checkpoint(path, places)
    with open_checkpoint(path, places) as file:
        assert kernel not in file.keys
        assert_same(file.read(bias), live_values(model.layers[0].bias), bias)
        with pytest.raises(CheckpointError, match=r"under its own name.*LoRA"):
            file.read(kernel)


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_quantized_weights_come_back(tmp_path, mode):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4)])
    with keras_working():
        model.layers[0].quantize(mode)
    catalog, places = opened(model)
    path = save(model, tmp_path / "a.keras")
    check_checkpoint(path, places)
    for key, expected in values_of(catalog).items():
        assert_same(read_weight(path, places, key), expected, key)


def test_an_error_of_the_users_own_is_not_taken_for_damage(tmp_path):
    model = sequential()
    _, places = opened(model)
    path = save(model, tmp_path / "a.keras")
    with pytest.raises(OSError, match="mine"), open_checkpoint(path, places):
        raise OSError("mine")


def test_a_model_that_is_not_built_is_refused():
    model = keras.Sequential([layers.Dense(3)], name="later")
    with pytest.raises(ValueError, match=r"'later' is not built.*Build it first"):
        read_layout(model, read_catalog(model))


# Files that do not fit ----------------------------------------------------------------------------------------------------


def dense(*units, **options):
    return keras.Sequential([keras.Input((4,)), *(layers.Dense(each, **options) for each in units)], name="m")


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5"])
@pytest.mark.parametrize(
    ("saved", "words"),
    [
        (lambda: dense(5, 2), r"at 'm/dense.*/kernel': the file holds \(4, 5\) and the model \(4, 3\)"),
        (lambda: dense(3), "does not hold 'm/dense|holds 1 layers with weights"),
        (lambda: dense(3, 2, use_bias=False), "holds 1 (arrays in|weights of)"),
        (lambda: dense(3, 2, 2), "a layer that the model does not have|holds 3 layers with weights"),
    ],
    ids=["shape", "missing layer", "missing bias", "extra layer"],
)
def test_a_file_that_does_not_fit_is_named_with_what_differs(tmp_path, suffix, saved, words):
    path = save(saved(), tmp_path / f"other{suffix}")
    _, places = opened(dense(3, 2))
    with pytest.raises(CheckpointError, match=words) as raised:
        check_checkpoint(path, places)
    assert str(path) in str(raised.value)
    assert "Build the model as it was" in str(raised.value)
    assert not isinstance(raised.value, DamagedFileError)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5"])
def test_reading_alone_refuses_a_wrong_shape(tmp_path, suffix):
    path = save(dense(5), tmp_path / f"other{suffix}")
    _, places = opened(dense(3))
    with pytest.raises(CheckpointError, match=r"\(4, 5\) and the model \(4, 3\)"):
        read_weight(path, places, next(iter(places.datasets)))


def test_a_weight_that_is_not_known_is_answered_with_the_nearest(tmp_path):
    model = dense(3)
    _, places = opened(model)
    key = next(iter(places.datasets))
    with pytest.raises(CheckpointError, match=f"Did you mean '{key}'"):
        read_weight(save(model, tmp_path / "a.keras"), places, key[:-1])


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5"])
@pytest.mark.parametrize("part", [0, 1e-9, 0.01, 0.3, 0.5, 0.9, 0.999], ids=str)
def test_a_file_that_is_cut_off_is_called_damaged(tmp_path, suffix, part):
    model = dense(300, 300)
    _, places = opened(model)
    path = save(model, tmp_path / f"cut{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: int(np.ceil(len(content) * part))])
    with pytest.raises(DamagedFileError, match=r"cut.* is (cut off|empty).* still being written"):
        check_checkpoint(path, places)


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5"])
def test_a_file_with_bytes_overwritten_raises_nothing_but_checkpoint_errors(tmp_path, suffix):
    model = dense(8, 8)
    _, places = opened(model)
    content = save(model, tmp_path / f"a{suffix}").read_bytes()
    random = np.random.default_rng(5)
    outcomes = set()
    for _ in range(150):
        broken = bytearray(content)
        start = int(random.integers(len(content)))
        broken[start : start + 40] = random.bytes(40)
        path = tmp_path / f"b{suffix}"
        path.write_bytes(broken[: len(content)])
        try:
            check_checkpoint(path, places)
            with open_checkpoint(path, places) as file:
                [file.read(key) for key in file.keys]
            outcomes.add(None)
        except CheckpointError as error:
            outcomes.add(type(error))
    assert {None, DamagedFileError} <= outcomes


@pytest.mark.parametrize("content", [b"", b"P", b"PK", b"\x89HDF"], ids=["empty", "P", "PK", "HDF"])
def test_the_beginning_of_a_checkpoint_is_called_cut_off(tmp_path, content):
    (tmp_path / "a.keras").write_bytes(content)
    _, places = opened(dense(3))
    with pytest.raises(DamagedFileError, match=r"a\.keras.*cut off"):
        check_checkpoint(tmp_path / "a.keras", places)


def test_an_archive_without_weights_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    _, places = opened(dense(3))
    with pytest.raises(CheckpointError, match=r"without 'model.weights.h5'; it holds config.json"):
        check_checkpoint(tmp_path / "a.keras", places)


def test_a_file_that_is_gone_is_no_damage(tmp_path):
    _, places = opened(dense(3))
    with pytest.raises(CheckpointError, match=r"gone\.keras.*No such file") as raised:
        check_checkpoint(tmp_path / "gone.keras", places)
    assert not isinstance(raised.value, DamagedFileError)


# Finding ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(*names):
    """Make empty files, each a second later than the one before."""
    for second, name in enumerate(names):
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        with open(name, "wb"):
            pass
        os.utime(name, (1000 + second, 1000 + second))


def found(given):
    return [(each.path.as_posix(), each.epoch) for each in find_checkpoints(given)]


@pytest.mark.parametrize(
    ("names", "epochs"),
    [
        ([f"ckpt-{epoch}.keras" for epoch in range(12, 0, -1)], {f"ckpt-{epoch}.keras": epoch for epoch in range(1, 13)}),
        (["weights.02-0.35.h5", "weights.01-0.91.h5"], {"weights.01-0.91.h5": 1, "weights.02-0.35.h5": 2}),
        (["run7_100_e2.keras", "run8_200_e1.keras"], {"run8_200_e1.keras": 1, "run7_100_e2.keras": 2}),
        (["m2-ep10.keras", "m2-ep9.keras"], {"m2-ep9.keras": 9, "m2-ep10.keras": 10}),
        (["epoch=5-step=100.keras", "epoch=6-step=50.keras"], {"epoch=5-step=100.keras": 5, "epoch=6-step=50.keras": 6}),
        (["lr1e-05_3.keras", "lr1e-04_2.keras"], {"lr1e-04_2.keras": 2, "lr1e-05_3.keras": 3}),
        (["0.91.keras", "0.35.keras"], {"0.91.keras": 1, "0.35.keras": 2}),
        (["b.keras", "a.keras"], {"b.keras": 1, "a.keras": 2}),
        (["latest.keras", "best_v2.keras", "e4.keras", "e3.keras"], ["e3", "e4", "latest", "best_v2"]),
        (["e2-0.5.keras", "e1-0.9.keras", "e2-0.4.keras"], {"e1-0.9.keras": 1, "e2-0.5.keras": 2, "e2-0.4.keras": 2}),
        (["resnet50_17.keras"], {"resnet50_17.keras": 1}),
        (["f1_9.keras", "f2_8.keras", "f2_7.keras"], {"f2_7.keras": 7, "f2_8.keras": 8, "f1_9.keras": 9}),
        (["model17.keras"], {"model17.keras": 17}),
        (["run2_epoch05.keras"], {"run2_epoch05.keras": 5}),
        (["a/e2/m.keras", "a/e1/m.keras"], {"a/e1/m.keras": 1, "a/e2/m.keras": 2}),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value[0],
)
def test_epochs_are_read_from_names_or_else_from_times(folder, names, epochs):
    write(*names)
    if isinstance(epochs, list):
        assert found("*.keras") == [(f"{name}.keras", epoch) for epoch, name in enumerate(epochs, 3)]
    else:
        assert found("**/*.*") == list(epochs.items())
        assert found(names) == list(epochs.items())


@pytest.mark.parametrize(
    ("pattern", "names", "epochs"),
    [
        ("ckpt/{epoch:02d}-{val_loss:.2f}.weights.h5", ["ckpt/10-0.35.weights.h5", "ckpt/9--1.weights.h5"], [9, 10]),
        ("c[1]/v3-{epoch}.keras", ["c[1]/v3-12.keras", "c[1]/v3-2.keras"], [2, 12]),
        ("run-{epoch}/w{epoch:03d}.keras", ["run-2/w002.keras", "run-1/w001.keras"], [1, 2]),
        ("{loss:.1f}/{epoch:3d}.keras", ["0.2/  7.keras", "0.1/  8.keras"], [7, 8]),
        ("*/e{epoch}.keras", ["b/e4.keras", "a/e5.keras"], [4, 5]),
        ("{loss:.2f}.keras", ["0.91.keras", "0.35.keras"], [1, 2]),
    ],
)
def test_a_pattern_of_model_checkpoint_gives_the_epoch(folder, pattern, names, epochs):
    write(*names, "c1/v3-99.keras", "ckpt/other.weights.h5", "v3-x.txt")
    assert sorted(path for path, _ in found(pattern)) == sorted(names)
    assert [epoch for _, epoch in found(pattern)] == epochs


def test_what_model_checkpoint_writes_is_found_under_its_own_pattern(folder, dense_model, training_data):
    pattern = str(folder / "ckpt" / "{epoch}-{loss:.3f}.weights.h5")
    callback = keras.callbacks.ModelCheckpoint(pattern, save_weights_only=True)
    with keras_working():
        dense_model.fit(*training_data, epochs=3, verbose=0, callbacks=[callback])
    _, places = opened(dense_model)
    checkpoints = find_checkpoints(pattern)
    assert [each.epoch for each in checkpoints] == [1, 2, 3]
    for each in checkpoints:
        check_checkpoint(each.path, places)
    key = next(iter(places.datasets))
    assert_same(read_weight(checkpoints[-1].path, places, key), live_values(dense_model.layers[0].kernel), key)
    assert read_weight(checkpoints[0].path, places, key).tobytes() != read_weight(checkpoints[1].path, places, key).tobytes()


def test_a_folder_gives_its_checkpoints_and_nothing_else(folder):
    write("c/e2.keras", "c/e1.weights.h5", "c/e3.h5", "c/log7.csv", "c/.e4.keras", "c/deeper/e5.keras")
    assert [epoch for _, epoch in found("c")] == [1, 2, 3]
    assert found(folder / "c") == [(f"{folder}/{path}", epoch) for path, epoch in found("c")]


def test_home_is_expanded(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    write("c/e2.keras", "c/e1.keras")
    for given in ("~/c", "~/c/*.keras", "~/c/e{epoch}.keras", ["~/c/e1.keras", "~/c/e2.keras"]):
        assert find_checkpoints(given) == (Checkpoint(folder / "c/e1.keras", 1), Checkpoint(folder / "c/e2.keras", 2))


@pytest.mark.parametrize(
    ("names", "given", "words"),
    [
        ([], "no/*.keras", "in 'no': that folder does not exist"),
        (["checkpoint/e1.keras"], "checkpoints/*.keras", "does not exist. Did you mean 'checkpoint'"),
        (["c/e1.h5", "c/x.csv"], "c/*.keras", "in 'c': there are 'e1.h5'"),
        (["c/a.txt"], "c", "files that end in .keras.* in 'c': there are 'a.txt'"),
        (["c/m.weights.json", "c/x"], "c/*.keras", "there are 'm.weights.json'"),
        (["c/e1.keras"], "c/epoch{epoch}.keras", "'epoch{epoch}.keras' in 'c': there are 'e1.keras'"),
        (["c/e1.keras"], ["c/e1.keras", "c/e2.keras"], "no checkpoint at 'c/e2.keras'.*'e1.keras'"),
        ([], [], "list of checkpoints is empty"),
    ],
    ids=str,
)
def test_nothing_found_says_what_is_there_instead_and_how_to_save(folder, names, given, words):
    write(*names)
    with pytest.raises(ValueError, match=words) as raised:
        find_checkpoints(given)
    assert "ModelCheckpoint(" in str(raised.value)
