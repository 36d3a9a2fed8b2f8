"""Checkpoint files are a time axis like any other, and their values go back into the model."""

import keras
import numpy as np
import pytest
from keras import layers

from weight_explorer import WeightExplorer
from weight_explorer.recording.statistics.summary import QUANTITIES, summarize
from weight_explorer.storage import keras_files

KERNEL = "dense_model/hidden/kernel"
PATTERNS = {
    "keras": ("{epoch:02d}.keras", False),
    "weights": ("w{epoch}-{loss:.2f}.weights.h5", True),
    "h5": ("{epoch}.h5", False),
}


@pytest.fixture(params=PATTERNS, ids=list(PATTERNS))
def saved(request, dense_model, training_data, tmp_path):
    """A folder of checkpoints that Keras wrote, its pattern, and the weights as they were."""
    pattern, weights_only = PATTERNS[request.param]
    kept = []
    folder = tmp_path / "checkpoint"
    checkpoint = keras.callbacks.ModelCheckpoint(str(folder / pattern), save_weights_only=weights_only)
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: kept.append([array.copy() for array in dense_model.get_weights()])
    )
    folder.mkdir()
    dense_model.fit(*training_data, epochs=11, batch_size=32, verbose=0, callbacks=[checkpoint, note])
    return folder, pattern, kept


def test_files_are_records_in_the_order_of_their_epochs(saved, dense_model):
    folder, pattern, kept = saved
    live = [array.tobytes() for array in dense_model.get_weights()]
    for given in (folder / pattern, f"{folder}/*{pattern[pattern.rindex('}') + 1 :]}", sorted(folder.iterdir()), folder):
        explorer = WeightExplorer.from_checkpoints(dense_model, given)
        history = explorer.history
        assert [step.epoch for step in history.records] == list(range(1, 12))
        assert [step.kind for step in history.records] == ["checkpoint"] * 11
        np.testing.assert_array_equal(history.values(KERNEL), np.stack([arrays[0] for arrays in kept]))
        explorer.close()
    assert [array.tobytes() for array in dense_model.get_weights()] == live


def test_every_view_shows_the_chosen_file(saved, dense_model):
    folder, _, kept = saved
    explorer = WeightExplorer.from_checkpoints(dense_model, folder)
    explorer.select("hidden", role="kernel", view="matrix", step=3)
    scene = explorer._screen.state()
    np.testing.assert_array_equal(scene.picture.cells, kept[3][0])
    assert "at record 3 (" in scene.picture.caption
    assert scene.status == "11 checkpoints"
    names = [step.name for step in explorer.history.records]
    assert explorer._panel.record_slider.names == names
    assert not explorer._panel.record_slider.can_grow
    explorer.compare(0, step=10)
    scene = explorer._screen.state()
    np.testing.assert_array_equal(scene.picture.cells, kept[10][0] - kept[0][0])
    for view in ("distribution", "over_time"):
        explorer.select(view=view, quantity="value")
        assert explorer.figure().axes


def test_statistics_and_histograms_are_those_of_the_files(saved, dense_model):
    folder, _, kept = saved
    history = WeightExplorer.from_checkpoints(dense_model, folder).history
    for quantity in QUANTITIES:
        series = history.statistics(KERNEL, quantity)
        assert len(series) == 11
        for number in range(1, 11):
            against = {"value": None, "since_start": 0, "since_last": number - 1}[quantity]
            reference = None if against is None else kept[against][0]
            np.testing.assert_allclose(series.rows[number], summarize(kept[number][0], reference), rtol=1e-6, atol=1e-9)
    histograms = history.histograms(KERNEL)
    for number, counts in enumerate(histograms.counts):
        expected = np.histogram(kept[number][0].astype(np.float64), [*histograms.edges[:-1], np.inf])[0]
        np.testing.assert_array_equal(counts, expected)
    assert len(history.to_frame()) == 11 * 3 * 4


def test_a_file_is_put_back_into_the_model_bit_by_bit(saved, dense_model, training_data):
    folder, _, kept = saved
    explorer = WeightExplorer.from_checkpoints(dense_model, folder)
    for number in (2, 9):
        explorer.restore(number)
        for now, then in zip(dense_model.get_weights(), kept[number], strict=True):
            assert now.tobytes() == then.tobytes()


def test_only_what_is_looked_at_is_read(saved, dense_model, monkeypatch):
    read, seen = keras_files.read_weight, []
    monkeypatch.setattr(keras_files, "read", lambda path, places, key: seen.append((path.name, key)) or read(path, places, key))
    explorer = WeightExplorer.from_checkpoints(dense_model, saved[0])
    explorer.select("hidden", role="kernel", step=4)
    explorer.select(step=5)
    assert {key for _, key in seen} == {KERNEL}
    assert len(seen) == len(set(seen)), "each is read once, and then remembered"
    assert len(seen) <= 6


def test_a_file_of_another_model_is_named_with_the_weight_and_both_shapes(dense_model, tmp_path):
    other = keras.Sequential(
        [keras.Input((6,)), layers.Dense(4, name="hidden"), layers.Dense(3, name="out")], name="dense_model"
    )
    dense_model.save(tmp_path / "1.keras")
    other.save(tmp_path / "2.keras")
    with pytest.raises(ValueError, match=r"2\.keras.*hidden/kernel.*\(6, 4\).*\(6, 5\)"):
        WeightExplorer.from_checkpoints(dense_model, tmp_path)


def test_a_damaged_file_is_left_out_and_the_panel_says_so(dense_model, tmp_path):
    for epoch in (1, 2, 3):
        dense_model.save(tmp_path / f"{epoch}.keras")
    whole = (tmp_path / "2.keras").read_bytes()
    (tmp_path / "2.keras").write_bytes(whole[: len(whole) // 2])
    explorer = WeightExplorer.from_checkpoints(dense_model, tmp_path)
    assert [step.epoch for step in explorer.history.records] == [1, 3]
    assert "2.keras" in explorer._panel.status.problem
    (tmp_path / "1.keras").write_bytes(b"")
    (tmp_path / "3.keras").write_bytes(b"")
    with pytest.raises(ValueError, match=r"None of the 3 checkpoints can be read.*\.keras"):
        WeightExplorer.from_checkpoints(dense_model, tmp_path)


def test_a_file_that_goes_away_is_said_on_screen_and_loses_nothing(dense_model, tmp_path, caplog):
    for epoch in (1, 2):
        dense_model.save(tmp_path / f"{epoch}.keras")
    explorer = WeightExplorer.from_checkpoints(dense_model, tmp_path)
    content = (tmp_path / "1.keras").read_bytes()
    (tmp_path / "1.keras").unlink()
    explorer.select("out", role="kernel", step=0)
    assert "1.keras" in explorer._panel.status.problem
    (tmp_path / "1.keras").write_bytes(content)
    explorer.select("out", role="bias", step=0)
    assert explorer._panel.record_slider.current == 0


def test_an_explorer_of_files_is_no_callback_and_says_what_is(dense_model, tmp_path):
    dense_model.save(tmp_path / "1.keras")
    explorer = WeightExplorer.from_checkpoints(dense_model, tmp_path)
    with pytest.raises(ValueError, match=r"explorer = WeightExplorer\(model\)"):
        _ = explorer.callback
    with pytest.raises(ValueError, match="a training that is over"):
        explorer.record()
    assert "one checkpoint;" in repr(explorer)
    assert "dense_model/hidden/kernel" in str(explorer)


def test_a_finding_in_files_that_are_numbered_from_0_names_the_file(dense_model, tmp_path):
    dense_model.get_layer("hidden").kernel.assign(np.full(dense_model.get_layer("hidden").kernel.shape, np.nan))
    for number in range(2):
        dense_model.save_weights(tmp_path / f"net_{number}.weights.h5")
    [finding] = WeightExplorer.from_checkpoints(dense_model, tmp_path).findings
    assert "since record 0 (net_0.weights.h5)" in finding.message
