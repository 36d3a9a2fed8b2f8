"""A recorded run goes out whole and comes back bit by bit; what was there survives a failure."""

import io
import os
import signal
import subprocess
import sys
import time

import keras
import ml_dtypes
import numpy as np
import pytest
from keras import layers
from PIL import Image

from weight_explorer import WeightExplorer
from weight_explorer.pictures.figure import figure_png
from weight_explorer.recording.statistics.summary import QUANTITIES

KERNEL = "dense_model/hidden/kernel"


@pytest.fixture
def trained(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every=1, labels={"out": ["cat", "dog", "cow"]})
    for _ in range(2):
        dense_model.fit(*training_data, epochs=2, verbose=0, callbacks=[explorer.callback])
    yield explorer
    explorer.close()


@pytest.mark.parametrize("with_model", [True, False], ids=["with the model", "without it"])
def test_a_run_comes_back_bit_by_bit(trained, dense_model, tmp_path, with_model):
    trained.history.save(tmp_path / "run.h5")
    loaded = WeightExplorer.load(tmp_path / "run.h5", dense_model if with_model else None)
    ours, theirs = trained.history, loaded.history
    assert theirs.records == ours.records
    assert theirs.num_recorded == ours.num_recorded
    assert theirs.keys == ours.keys
    for key in ours.keys:
        assert theirs.records_with_values(key) == ours.records_with_values(key)
        assert theirs.values(key).tobytes() == ours.values(key).tobytes()
        for quantity in QUANTITIES:
            np.testing.assert_array_equal(theirs.statistics(key, quantity).rows, ours.statistics(key, quantity).rows)
        for a, b in zip(vars_of(theirs.histograms(key)), vars_of(ours.histograms(key)), strict=True):
            np.testing.assert_array_equal(a, b)
    assert theirs.to_frame().equals(ours.to_frame())
    assert loaded.catalog.weights[KERNEL].explanation == trained.catalog.weights[KERNEL].explanation
    if not with_model:
        assert loaded.catalog.weights == dict(trained.catalog.weights)
        assert loaded.catalog.root == trained.catalog.root


def test_a_model_that_has_more_than_was_recorded_says_what_is_not_there(trained, dense_model, tmp_path):
    trained.history.save(tmp_path / "run.h5")
    dense_model.add(layers.Dense(2, name="later"))
    loaded = WeightExplorer.load(tmp_path / "run.h5", dense_model)
    loaded.select("later", role="kernel")
    assert loaded._panel.status.problem == ""
    assert loaded.history.records_with_values("later/kernel") == ()
    loaded.close()


def vars_of(histograms):
    return histograms.record_numbers, histograms.edges, histograms.counts


def test_a_loaded_run_shows_the_same_pictures(trained, tmp_path):
    trained.history.save(tmp_path / "run.h5")
    loaded = WeightExplorer.load(tmp_path / "run.h5")
    for explorer in (trained, loaded):
        explorer.select("out", role="kernel", step=4, quantity="since_start")
    ours, theirs = (each._screen.state() for each in (trained, loaded))
    np.testing.assert_array_equal(theirs.picture.cells, ours.picture.cells)
    assert theirs.picture.caption == ours.picture.caption
    assert theirs.statistics == ours.statistics
    assert theirs.picture.columns[0].labels == ("cat", "dog", "cow")
    assert theirs.status == "a recorded run"


class Titled(WeightExplorer):
    """What a teacher derives for a course."""

    def __init__(self, model, *, heading="no heading", **options):
        super().__init__(model, **options)
        self.heading = heading


def test_a_subclass_opens_runs_and_checkpoints_with_its_own_constructor(dense_model, tmp_path):
    live = Titled(dense_model, heading="mine", memory="3 MB")
    live.history.save(tmp_path / "run.h5")
    dense_model.save(tmp_path / "model.keras")
    loaded = Titled.load(tmp_path / "run.h5", dense_model)
    played = Titled.from_checkpoints(dense_model, tmp_path / "model.keras")
    assert live.heading == "mine"
    for explorer in (loaded, played):
        assert type(explorer) is Titled
        assert explorer.heading == "no heading"
        np.testing.assert_array_equal(explorer.history.values_at(KERNEL, 0), live.history.values_at(KERNEL, 0))
        with pytest.raises(ValueError, match="training that is over"):
            _ = explorer.callback


def test_number_types_that_hdf5_does_not_have_come_back(tmp_path):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, dtype="bfloat16", name="dense")], name="m")
    explorer = WeightExplorer(model)
    values = explorer.history.values("m/dense/kernel")
    assert values.dtype == ml_dtypes.bfloat16
    explorer.history.save(tmp_path / "run.h5")
    again = WeightExplorer.load(tmp_path / "run.h5", model).history.values("m/dense/kernel")
    assert again.dtype == values.dtype
    assert again.tobytes() == values.tobytes()


def test_a_sample_comes_back_as_a_sample(tmp_path):
    model = keras.Sequential([keras.Input((300,)), layers.Dense(300, name="dense")], name="m")
    explorer = WeightExplorer(model, memory="300 KB")
    explorer.history.save(tmp_path / "run.h5")
    loaded = WeightExplorer.load(tmp_path / "run.h5")
    for a, b in zip(explorer.history.samples("m/dense/kernel"), loaded.history.samples("m/dense/kernel"), strict=True):
        np.testing.assert_array_equal(a, b)
    loaded.select("dense", role="kernel")
    assert "Estimated from" in str(loaded._panel.explanation.sections)


def test_a_run_that_is_already_there_is_replaced_whole_or_not_at_all(trained, tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    trained.history.save(path)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("weight_explorer.storage.run_writer._write_weight", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            trained.history.save(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["run.h5"]
    with pytest.raises(OSError, match="no_folder"):
        trained.history.save(tmp_path / "no_folder" / "run.h5")


KILLED = """
import sys, keras, numpy as np
from weight_explorer import WeightExplorer
import weight_explorer.storage.run_writer as save
model = keras.Sequential([keras.Input((400,)), keras.layers.Dense(300, name="dense")], name="m")
explorer = WeightExplorer(model, memory="50 MB")
explorer.history.save(sys.argv[1])
print("saved", flush=True)
while True:
    model.layers[0].kernel.assign(model.layers[0].kernel + 1)
    explorer.select("dense", role="kernel")
    explorer.history.save(sys.argv[1])
"""


def test_killed_in_the_middle_of_saving_the_old_file_is_still_whole(tmp_path):
    path = tmp_path / "run.h5"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "saved\n"
    deadline = time.monotonic() + 60
    while not any(each.suffix != ".h5" and each.stat().st_size for each in tmp_path.iterdir()):
        assert time.monotonic() < deadline, "it never wrote beside the old file"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    loaded = WeightExplorer.load(path)
    values = loaded.history.values("m/dense/kernel")
    assert len(values) == loaded.history.num_recorded
    np.testing.assert_allclose(np.diff(values, axis=0), 1, atol=1e-4)


def test_a_run_that_was_saved_over_says_so_and_shows_nothing_wrong(trained, dense_model, training_data, tmp_path):
    trained.history.save(tmp_path / "run.h5")
    loaded = WeightExplorer.load(tmp_path / "run.h5")
    dense_model.fit(*training_data, verbose=0, callbacks=[trained.callback])
    trained.history.save(tmp_path / "run.h5")
    with pytest.raises(ValueError, match="was replaced since it was opened"):
        loaded.history.values_at(KERNEL, 2)


def test_a_file_that_is_no_run_is_told_what_it_is(dense_model, tmp_path):
    dense_model.save(tmp_path / "model.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(ValueError, match=r"a Keras model or its weights.*from_checkpoints"):
        WeightExplorer.load(tmp_path / "model.h5")
    with pytest.raises(ValueError, match=r"text\.h5' is not a recorded run"):
        WeightExplorer.load(tmp_path / "text.h5")
    with pytest.raises(FileNotFoundError, match=r"nothing\.h5"):
        WeightExplorer.load(tmp_path / "nothing.h5")


def test_a_run_of_another_model_is_told_where_they_differ(trained, tmp_path):
    trained.history.save(tmp_path / "run.h5")
    other = keras.Sequential(
        [keras.Input((6,)), layers.Dense(4, name="hidden"), layers.Dense(3, name="out")], name="dense_model"
    )
    with pytest.raises(
        ValueError, match=r"run's '.*hidden/kernel' has the shape \(6, 5\), .* model's '.*hidden/kernel' .* \(6, 4\)"
    ):
        WeightExplorer.load(tmp_path / "run.h5", other)


def test_what_was_recorded_goes_back_into_the_model_bit_by_bit(trained, dense_model, training_data):
    numbers = trained.history.records_with_values(KERNEL)
    for number in (numbers[0], numbers[3]):
        trained.restore(number)
        for key, variable in trained.catalog.variables.items():
            assert variable.numpy().tobytes() == trained.history.values_at(key, number).tobytes()
        assert trained.history.records[-1].kind == "restored"
    dense_model.fit(*training_data, verbose=0, callbacks=[trained.callback])
    assert not trained.callback.status.problem


def test_what_cannot_be_restored_is_refused_and_leaves_the_model_as_it_is(trained, dense_model, tmp_path):
    before = [array.tobytes() for array in dense_model.get_weights()]
    with pytest.raises(ValueError, match="Record 999 is not kept"):
        trained.restore(999)
    trained.history.save(tmp_path / "run.h5")
    with pytest.raises(ValueError, match=r"no model to restore into.*WeightExplorer.load\(path, model\)"):
        WeightExplorer.load(tmp_path / "run.h5").restore(0)
    large = keras.Sequential([keras.Input((300,)), layers.Dense(300, name="dense")], name="m")
    with pytest.raises(ValueError, match=r"does not keep all values of 'm/dense/kernel'"):
        WeightExplorer(large, memory="300 KB").restore(0)
    assert [array.tobytes() for array in dense_model.get_weights()] == before


def test_restoring_is_refused_while_a_training_runs(dense_model, training_data):
    explorer, refused = WeightExplorer(dense_model), []

    class Restore(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            try:
                explorer.restore(0)
            except RuntimeError as error:
                refused.append(str(error))

    dense_model.fit(*training_data, verbose=0, callbacks=[explorer.callback, Restore()])
    assert refused
    assert "A training is running" in refused[0]


@pytest.mark.parametrize("view", ["matrix", "distribution", "over_time"])
def test_a_film_has_a_frame_for_each_record_on_one_scale(trained, tmp_path, view):
    trained.select("hidden", role="kernel", view=view)
    trained.save_animation(tmp_path / "kernel.gif", frames_per_second=10)
    with Image.open(tmp_path / "kernel.gif") as film:
        assert film.format == "GIF"
        # Frames that show the same are one to a GIF; how long it plays counts them all.
        total = 0
        for number in range(film.n_frames):
            film.seek(number)
            total += film.info["duration"]
        assert total == 100 * len(trained.history.records_with_values(KERNEL))
        assert film.size == (640, 360)


def test_a_film_of_a_change_has_the_scale_of_the_change_and_its_colors(trained, tmp_path):
    """The record compared with itself is all zeros, and has no scale to widen that of the others."""
    trained.select("hidden", role="kernel", view="matrix")
    trained.compare(1)
    trained.save_animation(tmp_path / "change.gif")
    last = trained.history.records_with_values(KERNEL)[-1]
    trained.select(step=last)
    still = np.asarray(Image.open(io.BytesIO(figure_png(trained.figure()))).convert("RGB"))
    with Image.open(tmp_path / "change.gif") as film:
        film.seek(film.n_frames - 1)
        frame = np.asarray(film.convert("RGB"))
    inside = (slice(80, 270), slice(80, 480))
    assert np.abs(frame[inside].astype(int) - still[inside]).mean() < 4


@pytest.mark.parametrize(
    ("path", "options", "words"),
    [
        ("kernel.mp4", {}, r"does not end in \.gif"),
        ("kernel.gif", {"frames_per_second": 0}, "frames_per_second=0"),
        ("kernel.gif", {"frames_per_second": 1000}, "at most 50"),
    ],
    ids=["no gif", "too slow", "too fast"],
)
def test_what_no_film_can_be_made_of_is_refused(trained, tmp_path, path, options, words):
    with pytest.raises(ValueError, match=words):
        trained.save_animation(tmp_path / path, **options)
    assert not os.listdir(tmp_path)
