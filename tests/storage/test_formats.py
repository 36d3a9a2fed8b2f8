"""A file that is not read is named for what it is, by its content, with what to do; only what is cut off is called so."""

import gzip
import json
import pickle
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from weight_explorer import WeightExplorer

ARRAYS = {"kernel": np.ones((3, 2), "float32"), "bias": np.zeros(2, "float32")}


@pytest.fixture(scope="module")
def model():
    return keras.Sequential([keras.Input((3,)), layers.Dense(2, name="dense")], name="m")


def write_bytes(name, content):
    def make(folder, model):
        (folder / name).write_bytes(content)
        return folder / name

    return make


def pickled(value, protocol=None):
    return pickle.dumps(value, protocol or pickle.DEFAULT_PROTOCOL)


def safetensors(folder, model):
    """Write the format by hand: the length of a JSON header, the header, and the arrays."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, array in ARRAYS.items():
        ends = [len(data), len(data) + array.nbytes]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": ends}
        data += array.tobytes()
    text = json.dumps(header).encode()
    return write_bytes("model.safetensors", len(text).to_bytes(8, "little") + text + data)(folder, model)


def safetensors_index(folder, model):
    index = {"metadata": {"total_size": 32}, "weight_map": dict.fromkeys(ARRAYS, "model-00001-of-00001.safetensors")}
    return write_bytes("model.safetensors.index.json", json.dumps(index).encode())(folder, model)


def npz(folder, model):
    np.savez(folder / "weights.npz", **ARRAYS)
    return folder / "weights.npz"


def npy(folder, model):
    np.save(folder / "kernel.npy", ARRAYS["kernel"])
    return folder / "kernel.npy"


def torch_archive(folder, model):
    with zipfile.ZipFile(folder / "model.pt", "w") as archive:
        archive.writestr("model/data.pkl", pickled({"kernel": 1}, 2))
        archive.writestr("model/version", "3\n")
        archive.writestr("model/data/0", ARRAYS["kernel"].tobytes())
    return folder / "model.pt"


def old_torch(folder, model):
    magic = pickled(0x1950A86A20F9469CFC6C, 2)
    return write_bytes("model.pth", magic + pickled(1001, 2) + pickled({}, 2))(folder, model)


def tensorflow_checkpoint(suffix):
    def make(folder, model):
        tf.train.Checkpoint(kernel=tf.Variable(ARRAYS["kernel"])).save(str(folder / "ckpt"))
        return folder / suffix

    return make


def saved_model(suffix):
    def make(folder, model):
        module = tf.Module()
        module.kernel = tf.Variable(ARRAYS["kernel"])
        tf.saved_model.save(module, str(folder / "saved"))
        return folder / "saved" / suffix

    return make


def orbax(*names):
    def make(folder, model):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"{}")
        return folder

    return make


def lora(folder, model):
    with h5py.File(folder / "adapter.lora.h5", "w") as file:
        file["lora/vars/rank"] = 4
        file["lora/0/vars/lora_kernel_a"] = np.ones((3, 4))
    return folder / "adapter.lora.h5"


def plain_hdf5(folder, model):
    with h5py.File(folder / "measurements.h5", "w") as file:
        file.attrs["format"] = "text of any length"
        file["signal"] = np.ones(4)
    return folder / "measurements.h5"


def run(folder, model):
    WeightExplorer(model).history.save(folder / "run.h5")
    return folder / "run.h5"


FOREIGN = {
    "safetensors": (safetensors, "a safetensors file", "library that wrote it"),
    "safetensors index": (safetensors_index, "an index of safetensors files", "library that wrote them"),
    "npz": (npz, "a set of NumPy arrays", "numpy.load"),
    "npy": (npy, "a NumPy array", "numpy.load"),
    "PyTorch": (torch_archive, "a PyTorch file", "weights_only=True"),
    "old PyTorch": (old_torch, "a PyTorch file", "weights_only=True"),
    "pickle": (write_bytes("model.pkl", pickled(ARRAYS)), "a pickle", "can run any code"),
    "old pickle": (write_bytes("model.pkl", pickled(ARRAYS, 2)), "a pickle", "can run any code"),
    "TensorFlow index": (tensorflow_checkpoint("ckpt-1.index"), "a TensorFlow checkpoint", "tf.train.Checkpoint"),
    "TensorFlow data": (tensorflow_checkpoint("ckpt-1.data-00000-of-00001"), "a TensorFlow checkpoint", "tf.train.Checkpoint"),
    "TensorFlow state": (tensorflow_checkpoint("checkpoint"), "a TensorFlow checkpoint", "tf.train.Checkpoint"),
    "TensorFlow folder": (tensorflow_checkpoint(""), "a TensorFlow checkpoint", "tf.train.Checkpoint"),
    "SavedModel": (saved_model(""), "a TensorFlow SavedModel", "tf.saved_model.load"),
    "SavedModel file": (saved_model("saved_model.pb"), "a TensorFlow SavedModel", "tf.saved_model.load"),
    "Orbax": (orbax("_CHECKPOINT_METADATA", "default/manifest.ocdbt"), "an Orbax checkpoint", "Orbax"),
    "Orbax steps": (orbax("1/checkpoint_metadata", "1/pytree/_METADATA"), "an Orbax checkpoint", "Orbax"),
    "LoRA": (lora, "a file of LoRA weights alone", "load_lora_weights"),
    "HDF5": (plain_hdf5, "an HDF5 file that Keras did not write", "h5py"),
    "gzip": (write_bytes("model.keras.gz", gzip.compress(b"model")), "a gzip archive", "Unpack it"),
    "text": (write_bytes("notes.txt", b"not a checkpoint\n" * 9), "it begins with b'not a ch'", "Keras writes"),
}
# The others are folders, or are told by what stands beside them.
AROUND = ("TensorFlow data", "TensorFlow folder", "SavedModel", "SavedModel file", "Orbax", "Orbax steps")
TOLD_BY_CONTENT = [name for name in FOREIGN if name not in AROUND]
KERAS = {
    "keras": ("model.keras", "a Keras model file (.keras)"),
    "weights": ("model.weights.h5", "a Keras weights file (.weights.h5)"),
    "h5": ("model.h5", "a Keras model or its weights (.h5)"),
}


def error_of(function, *given):
    with pytest.raises(ValueError, match=r"\w") as raised:
        function(*given)
    message = str(raised.value)
    assert "cut off" not in message
    assert "damaged" not in message
    return message


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_another_kind_is_named_and_said_what_to_do_with(name, model, tmp_path):
    make, kind, advice = FOREIGN[name]
    path = make(tmp_path, model)
    message = error_of(WeightExplorer.from_checkpoints, model, path)
    assert kind in message
    assert advice in message
    assert str(path) in message


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".h5"])
@pytest.mark.parametrize("name", TOLD_BY_CONTENT)
def test_the_content_counts_and_not_the_suffix(name, suffix, model, tmp_path):
    renamed = tmp_path / f"renamed{suffix}"
    shutil.copy(FOREIGN[name][0](tmp_path, model), renamed)
    message = error_of(WeightExplorer.from_checkpoints, model, renamed)
    assert FOREIGN[name][1] in message


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_run_is_named_where_a_run_is_opened(name, model, tmp_path):
    make, kind, _ = FOREIGN[name]
    message = error_of(WeightExplorer.load, make(tmp_path, model))
    assert (kind if name != "text" else "not a recorded run") in message
    assert "explorer.history.save(path)" in message


@pytest.mark.parametrize("name", KERAS)
def test_a_checkpoint_given_as_a_run_is_sent_where_it_opens(name, model, tmp_path):
    file_name, kind = KERAS[name]
    (model.save_weights if "weights" in file_name else model.save)(tmp_path / file_name)
    message = error_of(WeightExplorer.load, tmp_path / file_name)
    assert kind in message
    assert "WeightExplorer.from_checkpoints(model, path)" in message


def test_an_index_of_shards_given_as_a_run_is_sent_where_it_opens(model, tmp_path):
    model.save_weights(tmp_path / "m.weights.json", max_shard_size=1)
    message = error_of(WeightExplorer.load, tmp_path / "m.weights.json")
    assert "an index of sharded Keras weights" in message
    assert "from_checkpoints" in message


def test_a_run_given_as_a_checkpoint_is_sent_where_it_opens(model, tmp_path):
    message = error_of(WeightExplorer.from_checkpoints, model, run(tmp_path, model))
    assert "run.h5' is a recorded run of Weight Explorer, not a Keras checkpoint." in message
    assert "Open it with WeightExplorer.load(path)." in message


def test_a_run_of_another_version_is_named(model, tmp_path):
    path = run(tmp_path, model)
    with h5py.File(path, "r+") as file:
        file.attrs["format"] = np.bytes_(b"weight-explorer 999")
    assert "another version of Weight Explorer" in error_of(WeightExplorer.load, path)


def test_a_folder_of_checkpoints_opens_without_the_other_files_in_it(model, tmp_path):
    model.save(tmp_path / "1.keras")
    model.save(tmp_path / "2.keras")
    run(tmp_path, model)
    explorer = WeightExplorer.from_checkpoints(model, tmp_path)
    assert [record.name for record in explorer.history.records] == ["1.keras", "2.keras"]
    assert "a recorded run of Weight Explorer" in explorer.history.read_warnings[0]


def test_a_folder_without_checkpoints_says_what_is_in_it(model, tmp_path):
    safetensors(tmp_path, model)
    assert "'model.safetensors' is a safetensors file" in error_of(WeightExplorer.from_checkpoints, model, tmp_path)


def test_the_prefix_of_a_tensorflow_checkpoint_is_told_what_it_leads_to(model, tmp_path):
    tensorflow_checkpoint("")(tmp_path, model)
    assert "is a TensorFlow checkpoint" in error_of(WeightExplorer.from_checkpoints, model, tmp_path / "ckpt-1")


@pytest.mark.parametrize("part", [0, 0.001, 0.5, 0.99])
@pytest.mark.parametrize("name", ["run.h5", "model.keras", "model.weights.h5", "model.h5"])
def test_a_file_that_is_cut_off_is_called_so(name, part, model, tmp_path):
    path = tmp_path / name
    {"run.h5": lambda path: run(tmp_path, model), "model.weights.h5": model.save_weights}.get(name, model.save)(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(np.ceil(len(whole) * part))])
    opening = (WeightExplorer.load, path) if name == "run.h5" else (WeightExplorer.from_checkpoints, model, path)
    with pytest.raises(ValueError, match=rf"{name}' is .*cut off"):
        opening[0](*opening[1:])


def test_nothing_is_unpickled_to_find_out_what_it_is(model, tmp_path, monkeypatch):
    monkeypatch.setattr(pickle, "loads", lambda *_: pytest.fail("unpickled"))
    monkeypatch.setattr(pickle, "Unpickler", lambda *_: pytest.fail("unpickled"))
    for name in ("pickle", "PyTorch", "old PyTorch"):
        error_of(WeightExplorer.from_checkpoints, model, FOREIGN[name][0](tmp_path, model))
        error_of(WeightExplorer.load, FOREIGN[name][0](tmp_path, model))


# -- sharded weights ---------------------------------------------------------------------------------------------------


def wide():
    inputs = keras.Input((5, 4))
    tensors = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both")(inputs)
    tensors = layers.BatchNormalization(name="norm")(layers.Dense(6, name="one")(tensors))
    return keras.Model(inputs, layers.Dense(6, name="two")(tensors), name="wide")


def fill(model, seed):
    random = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(random.standard_normal(weight.shape).astype("float32"))


@pytest.fixture
def sharded(tmp_path):
    """The model, and two indexes with several shards each."""
    model = wide()
    for epoch in (1, 2):
        fill(model, epoch)
        model.save_weights(tmp_path / f"w{epoch}.weights.json", max_shard_size=4e-7)
    assert len(list(tmp_path.glob("w1_*.weights.h5"))) > 2
    return model, tmp_path


@pytest.mark.parametrize("given", ["w{epoch}.weights.json", "*.weights.json", "*", "*.h5", ""], ids=repr)
def test_sharded_weights_open_as_keras_loads_them(given, sharded):
    model, folder = sharded
    explorer = WeightExplorer.from_checkpoints(model, f"{folder}/{given}")
    names = {record.epoch: record.name for record in explorer.history.records}
    assert names == {1: "w1.weights.json", 2: "w2.weights.json"}
    for number in (0, 1):
        model.load_weights(folder / f"w{number + 1}.weights.json")
        for key, variable in explorer.catalog.variables.items():
            if "seed_generator" not in key:
                assert explorer.history.values_at(key, number).tobytes() == variable.numpy().tobytes()
    explorer.restore(0)
    kernel = explorer.history.values_at("one/kernel", 0)
    assert model.get_layer("one").kernel.numpy().tobytes() == kernel.tobytes()


def test_a_missing_shard_is_named(sharded):
    model, folder = sharded
    (folder / "w1_00001.weights.h5").unlink()
    message = error_of(WeightExplorer.from_checkpoints, model, folder / "w1.weights.json")
    assert "w1.weights.json" in message
    assert "its shard 'w1_00001.weights.h5' is missing" in message
    explorer = WeightExplorer.from_checkpoints(model, folder)
    assert [record.name for record in explorer.history.records] == ["w2.weights.json"]


@pytest.mark.parametrize("name", ["w1_00001.weights.h5", "w1.weights.json"])
def test_a_shard_or_an_index_that_is_cut_off_is_named(name, sharded):
    model, folder = sharded
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=rf"{name}' is cut off"):
        WeightExplorer.from_checkpoints(model, folder / "w1.weights.json")


def test_a_shard_alone_is_sent_to_its_index(sharded):
    model, folder = sharded
    message = error_of(WeightExplorer.from_checkpoints, model, folder / "w1_00000.weights.h5")
    assert "w1.weights.json" in message


@pytest.mark.parametrize("shard", ["../w1_00000.weights.h5", "/etc/x.weights.h5", ".weights.h5/../x.weights.h5"])
def test_an_index_leads_to_no_other_folder(shard, sharded):
    model, folder = sharded
    index = json.loads((folder / "w1.weights.json").read_text())
    index["weight_map"]["/layers/dense/vars"] = shard
    (folder / "w1.weights.json").write_text(json.dumps(index))
    assert "not a file in its own folder" in error_of(WeightExplorer.from_checkpoints, model, folder / "w1.weights.json")


def test_shards_of_another_model_do_not_fit(sharded):
    _, folder = sharded
    other = keras.Sequential([keras.Input((3,)), layers.Dense(6, name="one")])
    with pytest.raises(ValueError, match=r"w1\.weights\.json'.*(holds|does not)"):
        WeightExplorer.from_checkpoints(other, folder / "w1.weights.json")
