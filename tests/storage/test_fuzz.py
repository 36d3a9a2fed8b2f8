"""Files that are damaged, or made to do harm, are refused with their name: no crash, no hang, no memory, nothing is run."""

import json
import os
import pickle
import resource
import zipfile
from dataclasses import asdict

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from tests.fuzz import fuzz, grown_since, in_own_process, outcome_of
from weight_explorer import WeightExplorer
from weight_explorer.catalog.builder import read_catalog
from weight_explorer.storage.hdf5 import encode_text
from weight_explorer.storage.keras_files import check_checkpoint, open_checkpoint, read_layout
from weight_explorer.storage.run_reader import RunHistory

MOST_GROWN = 150  # megabytes that a process may grow by while it reads files of 100 KB
SECONDS = 30  # that one of them may take, on a machine with other things to do
NAMES = ("run.h5", "a.keras", "a.weights.h5", "a.h5")
INDEX, SHARD = "s.weights.json", "s_00000.weights.h5"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A small run and the same model as checkpoints; the folder, and where the model has what."""
    folder = tmp_path_factory.mktemp("files")
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4, name="hidden"), layers.BatchNormalization(name="norm"),
         layers.Dense(2, name="out", dtype="bfloat16")], name="m",
    )  # fmt: skip
    explorer = WeightExplorer(model)
    explorer.freeze("m/hidden/kernel", "0:2, :")
    explorer.assign("m/hidden/kernel", "2, :", 0.5)
    explorer.history.save(folder / "run.h5")
    for name in NAMES[1:]:
        (model.save_weights if ".weights" in name else model.save)(folder / name)
    model.save_weights(folder / INDEX, max_shard_size=1.2e-7)
    places = read_layout(model, read_catalog(model))
    explorer.close()
    return folder, places


def read_run(path):
    run = RunHistory(path)
    for key in run.keys:
        run.statistics(key)
        run.histograms(key)
        for number in run.records_with_values(key):
            run.weight_history(key).values_at(number)


def reader_of(name, places):
    def read_checkpoint(path):
        check_checkpoint(path, places)
        with open_checkpoint(path, places) as file:
            for key in file.keys:
                file.read(key)

    return read_run if name.startswith("run") else read_checkpoint


def assert_well(report, most_grown=MOST_GROWN):
    assert report.wrong == []
    assert report.outcomes["read"] > 0
    assert report.outcomes["refused"] > 0
    assert report.widened_to < most_grown
    assert report.slowest < SECONDS


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_are_refused_by_name_and_end_nothing(name, files, tmp_path):
    folder, places = files
    reader_of(name, places)(folder / name)
    (tmp_path / name).write_bytes((folder / name).read_bytes())
    assert_well(fuzz(reader_of(name, places), tmp_path / name, range(80)))


@pytest.mark.parametrize("name", [INDEX, SHARD])
def test_damaged_indexes_and_shards_are_refused_by_name_and_end_nothing(name, files, tmp_path):
    folder, places = files
    for each in folder.glob("s[._]*"):
        (tmp_path / each.name).write_bytes(each.read_bytes())
    assert len(list(tmp_path.glob("s_*"))) > 1
    read = reader_of(name, places)
    read(tmp_path / INDEX)
    # What is damaged has this name; an index that leads to such a shard has it in its own.
    index = tmp_path / "damaged.weights.h5.weights.json"
    index.write_text((folder / INDEX).read_text().replace(SHARD, "damaged.weights.h5"))
    assert_well(fuzz(read if name == INDEX else lambda path: read(index), tmp_path / name, range(80)))


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_thousands_of_damaged_files_are_refused_by_name_and_end_nothing(name, files, tmp_path):
    folder, places = files
    (tmp_path / name).write_bytes((folder / name).read_bytes())
    report = fuzz(reader_of(name, places), tmp_path / name, range(80, 1580))
    print(name, report.outcomes, f"slowest {report.slowest:.2f} s, grown by {report.grown:.0f} MB")
    # Of text of any length, which only the older layout has, HDF5 believes the length that is announced: up to 4 GB.
    assert_well(report, 4300 if name == "a.h5" else MOST_GROWN)


# -- made to do harm -----------------------------------------------------------------------------------------------------

HUGE = 1 << 20  # of each of two axes: terabytes
WEIGHT, KERNEL = "weights/0/", "layers/dense/vars/0"


def replaced(file, path, *shape, **options):
    """Put another array in the place of one; its attributes stay."""
    kept = dict(file[path].attrs)
    del file[path]
    made = file.create_dataset(path, shape, **options)
    made.attrs.update(kept)
    return made


def announces(path, *shape):
    """Announce terabytes, of which nothing is there."""
    return lambda file: replaced(file, path, *shape, dtype="f8", chunks=(1,) * (len(shape) - 1) + (1 << 10,))


def unpacks(path, *shape, dtype="f4", chunks=None):
    """Hold a chunk of zeros, a thousandth of what it unpacks to."""

    def change(file):
        chunk = chunks or shape
        made = replaced(file, path, *shape, dtype=dtype, chunks=chunk, maxshape=(None,) * len(shape), compression="gzip")
        from zlib import compressobj  # noqa: PLC0415 - of no use elsewhere

        packer, packed = compressobj(9), b""
        for _ in range(1 << 8):
            packed += packer.compress(bytes(1 << 20))
        made.id.write_direct_chunk((0,) * len(shape), packed + packer.flush())

    return change


def links_elsewhere(path):
    def change(file):
        del file[path]
        file[path] = h5py.ExternalLink("/dev/zero", "/")

    return change


def reads_elsewhere(path, *shape):
    def change(file):
        del file[path]
        file.create_dataset(path, shape, "f4", external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)])

    return change


def holds(path, dtype, *shape):
    """Hold what is no number: references, text of any length, arrays in arrays."""
    return lambda file: replaced(file, path, *shape, dtype=dtype)


def says(path, text):
    def change(file):
        del file[path]
        file[path] = encode_text(text)

    return change


def nests(depth):
    def change(file):
        here = file.require_group("layers") if "layers" in file else file["weights"]
        for _ in range(depth):
            here = here.create_group("g")
        here.create_group("vars")["0"] = 1.0

    return change


def changes_catalog(change):
    def apply(file):
        found = json.loads(file["catalog"][()])
        change(found)
        says("catalog", json.dumps(found))(file)

    return apply


def turns_to_itself(file):
    file["layers/again"] = file["layers"]
    file["layers/dense/again"] = file["/"]


LONG = np.dtype(("S", 1 << 30))
RUNS = {
    "terabytes of statistics": announces(WEIGHT + "rows", HUGE, HUGE),
    "terabytes of values": announces(WEIGHT + "values", HUGE, HUGE),
    "terabytes of a mask": announces("frozen/0/mask", HUGE, HUGE),
    "a bomb of values": unpacks(WEIGHT + "values", 1 << 27),
    "a gigabyte of JSON": holds("steps", LONG),
    "text of any length": holds("catalog", h5py.string_dtype()),
    "references": holds(WEIGHT + "values", h5py.ref_dtype, 2, 4, 4),
    "arrays of any length": holds(WEIGHT + "values", h5py.vlen_dtype("f4"), 2, 4, 4),
    "pickled objects": holds(WEIGHT + "values", np.dtype("V64"), 2, 4, 4),
    "a link to another file": links_elsewhere(WEIGHT + "rows"),
    "bytes of another file": reads_elsewhere(WEIGHT + "values", 1, 4),
    "deep JSON": says("steps", "[" * 1_000_000),
    "no JSON": says("catalog", "{'root': __import__('os').system('true')}"),
    "other JSON": says("steps", "[1, 2]"),
    "a deep tree": nests(2000),
    "an endless shape": changes_catalog(lambda found: found["weights"]["m/hidden/kernel"].update(shape=[HUGE, HUGE])),
    "an unknown field": changes_catalog(lambda found: found["root"].update(__class__="os")),
}
CHECKPOINTS = {
    "a bomb": unpacks(KERNEL, 4, 4, chunks=(1 << 12, 1 << 14)),
    "a large chunk": lambda file: replaced(file, KERNEL, 4, 4, dtype="f4", chunks=(1 << 14, 1 << 14), maxshape=(None, None)),
    "nothing there": lambda file: replaced(file, KERNEL, 4, 4, dtype="f4"),
    "large elements": holds(KERNEL, LONG, 4, 4),
    "references": holds(KERNEL, h5py.ref_dtype, 4, 4),
    "text of any length": holds(KERNEL, h5py.string_dtype(), 4, 4),
    "a link to another file": links_elsewhere(KERNEL),
    "a link to a place": lambda file: (file.move(KERNEL, "kept"), file.__setitem__(KERNEL, h5py.SoftLink("/kept"))),
    "bytes of another file": reads_elsewhere(KERNEL, 4, 4),
}


def in_bounds(read, path):
    """Read a file in a process of its own; return what came of it."""

    def work(tell):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        tell(outcome_of(read, path), grown_since(before))

    *told, (end,) = in_own_process(work)
    assert end == ""
    ((outcome, grown),) = told
    assert grown < MOST_GROWN
    return outcome


@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_is_made_to_do_harm_is_refused_at_no_cost(name, files, tmp_path):
    path = tmp_path / "run.h5"
    path.write_bytes((files[0] / "run.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        RUNS[name](file)
    assert in_bounds(read_run, path) == "refused"


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_that_is_made_to_do_harm_is_refused_at_no_cost(name, files, tmp_path):
    path = tmp_path / "a.weights.h5"
    path.write_bytes((files[0] / "a.weights.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        CHECKPOINTS[name](file)
    assert in_bounds(reader_of(path.name, files[1]), path) == "refused"


@pytest.mark.parametrize("change", [nests(20_000), turns_to_itself], ids=["too deep", "in itself"])
def test_groups_without_an_end_do_not_end_the_process(change, files, tmp_path):
    path = tmp_path / "a.weights.h5"
    path.write_bytes((files[0] / "a.weights.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    assert in_bounds(reader_of(path.name, files[1]), path) in ("read", "refused")


def archive_of(path, content, *others, packing=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, text in others:
            archive.writestr(name, text)
        with archive.open("model.weights.h5", "w", force_zip64=True) as member:
            for piece in content:
                member.write(piece)
    return path


@pytest.mark.parametrize(
    ("packing", "megabytes"), [(zipfile.ZIP_DEFLATED, 128), (zipfile.ZIP_LZMA, 1)], ids=["too much", "lzma"]
)
def test_an_archive_that_would_take_memory_is_refused_before_it_is_unpacked(packing, megabytes, files, tmp_path):
    path = archive_of(tmp_path / "a.keras", (bytes(1 << 20) for _ in range(megabytes)), packing=packing)
    assert path.stat().st_size < 1 << 20
    assert in_bounds(reader_of(path.name, files[1]), path) == "refused"


def test_the_names_in_an_archive_do_not_fill_the_page(files, tmp_path):
    path = tmp_path / "a.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(9):
            archive.writestr(f"{number}" * 60_000, "")
    with pytest.raises(ValueError, match=r"a\.keras") as raised:
        check_checkpoint(path, files[1])
    assert len(str(raised.value)) < 1000


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def test_nothing_that_a_file_says_is_run(files, tmp_path, monkeypatch):
    folder, places = files
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mischief.py").write_text("import os\nos.mkdir('run')")
    spell = {"module": "mischief", "class_name": "Mischief", "config": {"function": ["lambda", "", "gASV"]}}
    trap = pickle.dumps(Trap(tmp_path / "run"))
    with zipfile.ZipFile(folder / "a.keras") as archive:
        weights = archive.read("model.weights.h5")
    path = archive_of(tmp_path / "a.keras", [weights], ("config.json", json.dumps(spell)), ("data.pkl", trap))
    reader_of(path.name, places)(path)
    run = tmp_path / "run.h5"
    run.write_bytes((folder / "run.h5").read_bytes())
    with h5py.File(run, "r+") as file:
        found = json.loads(file["catalog"][()])
        weight = found["weights"]["m/hidden/kernel"]
        weight["initializer_config"] = spell
        weight["expression"] = "__import__('os').mkdir('run')"
        says("catalog", json.dumps(found))(file)
        file["steps"].attrs["pickled"] = np.void(trap)
        file[WEIGHT + "values"].attrs["dtype"] = np.bytes_(b"O")
    with pytest.raises(ValueError, match=r"run\.h5"):
        read_run(run)
    with h5py.File(run, "r+") as file:
        file[WEIGHT + "values"].attrs["dtype"] = np.bytes_(b"float32")
    explorer = WeightExplorer.load(run)
    explorer.select("hidden", role="kernel")
    for view, _ in explorer._panel.views.options:
        explorer.select(view=view)
    explorer.figure()
    explorer.code()
    assert asdict(explorer.catalog.weights["m/hidden/kernel"])["expression"] == weight["expression"]
    explorer.close()
    assert not (tmp_path / "run").exists()
    assert "mischief" not in __import__("sys").modules
