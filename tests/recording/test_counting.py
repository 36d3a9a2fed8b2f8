"""Epochs and batches are counted in one way, the way Keras prints them, in every place that shows them."""

import contextlib
import io
import logging
import re
from itertools import pairwise

import keras
import numpy as np
import pytest

from weight_explorer import WeightExplorer
from weight_explorer.panel.previews import make_previews
from weight_explorer.panel.record_slider import RecordSlider
from weight_explorer.recording.descriptions import describe_axis, describe_progress, describe_time
from weight_explorer.recording.records import Record, Timeline, fit_start_position
from weight_explorer.recording.status import TrainingStatus

KERNEL = "dense_model/hidden/kernel"


class Counter(keras.callbacks.Callback):
    """Counts batches, and notes at the end of each epoch what the explorer says it is in."""

    def __init__(self, explorer):
        super().__init__()
        self.explorer, self.batches, self.said = explorer, 0, []

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1

    def on_epoch_end(self, epoch, logs=None):
        self.said.append(describe_progress(self.explorer.callback.status))


class BreakOff(keras.callbacks.Callback):
    """Ends a training as Ctrl-C does: in an epoch, counted from 0, after a batch, or before the first one."""

    def __init__(self, epoch, batch=None):
        super().__init__()
        self.place, self.epoch = (epoch, batch), None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        self._break_off_at(epoch, None)

    def on_train_batch_end(self, batch, logs=None):
        self._break_off_at(self.epoch, batch)

    def _break_off_at(self, *place):
        if self.place == place:
            raise KeyboardInterrupt


class Run:
    """Trains with an explorer that records every batch, and keeps what Keras printed: a list of pairs for each fit."""

    def __init__(self, model, data):
        self.model, self.data = model, data
        self.explorer = WeightExplorer(model, record_every=1)
        self.counter, self.printed = Counter(self.explorer), []

    def fit(self, *callbacks, **options):
        text, callbacks = io.StringIO(), [self.explorer.callback, self.counter, *callbacks]
        with contextlib.redirect_stdout(text), contextlib.suppress(KeyboardInterrupt):
            self.model.fit(*self.data, verbose=2, callbacks=callbacks, **options)
        self.printed.append(
            [(int(one), int(of)) for one, of in re.findall(r"^Epoch (\d+)/(\d+)$", text.getvalue(), re.MULTILINE)]
        )

    @property
    def records(self):
        return self.explorer.history.records


def new_run():
    keras.utils.set_random_seed(1)
    layers = [keras.Input((6,)), keras.layers.Dense(5, activation="relu", name="hidden"), keras.layers.Dense(3, name="out")]
    model = keras.Sequential(layers, name="dense_model")
    model.compile("adam", "mse")
    random = np.random.default_rng(3)
    return Run(model, (random.random((96, 6)), random.random((96, 3))))


@pytest.fixture
def run():
    return new_run()


def resumed(run, _):
    run.fit(epochs=2)
    run.fit(epochs=4, initial_epoch=2)


def begun_again(run, _):
    run.fit(epochs=2)
    run.fit(epochs=3)
    run.fit(epochs=2)


def begun_late(run, _):
    run.fit(epochs=7, initial_epoch=5)
    run.fit(epochs=9, initial_epoch=7)
    run.fit(epochs=2)


def resumed_after_a_gap(run, _):
    run.fit(epochs=2)
    run.fit(epochs=6, initial_epoch=4)


def broken_off(run, _):
    run.fit(BreakOff(1, 1), epochs=3)
    run.fit(epochs=3, initial_epoch=1)


def broken_off_between_epochs(run, _):
    run.fit(BreakOff(1), epochs=3)
    run.fit(epochs=3, initial_epoch=1)


def broken_off_at_once(run, _):
    run.fit(BreakOff(0), epochs=3)
    run.fit(BreakOff(0, 0), epochs=3)
    run.fit(epochs=2)


def broken_off_and_resumed_at_the_next_epoch(run, _):
    run.fit(BreakOff(1, 1), epochs=3)
    run.fit(epochs=4, initial_epoch=2)


def stopped_early(run, _):
    run.fit(keras.callbacks.EarlyStopping("loss", patience=0, min_delta=9, restore_best_weights=True), epochs=9)
    run.fit(epochs=4, initial_epoch=2)


def other_lengths(run, _):
    run.fit(epochs=2, steps_per_epoch=2)
    run.fit(epochs=4, initial_epoch=2, steps_per_epoch=1)
    run.fit(epochs=2, batch_size=8)


def backed_up(run, folder):
    for callbacks in ([BreakOff(2, 1)], []):
        backup = keras.callbacks.BackupAndRestore(folder / "backup", delete_checkpoint=not callbacks)
        run.fit(backup, *callbacks, epochs=4)


TRAININGS = (
    resumed,
    begun_again,
    begun_late,
    resumed_after_a_gap,
    broken_off,
    broken_off_between_epochs,
    broken_off_at_once,
    broken_off_and_resumed_at_the_next_epoch,
    stopped_early,
    other_lengths,
    backed_up,
)


@pytest.fixture(scope="module", params=TRAININGS, ids=lambda train: train.__name__)
def trained(request, tmp_path_factory):
    """Each of the trainings, done once for all tests."""
    run = new_run()
    request.param(run, tmp_path_factory.mktemp("trained"))
    return run


def test_epochs_are_those_that_keras_prints(trained):
    run = trained
    for fit, printed in enumerate(run.printed):
        trained = [step for step in run.records if step.fit == fit and step.kind in ("batch", "epoch")]
        begun = sorted({step.keras_epoch for step in trained if step.kind == "batch"})
        ended = [step.keras_epoch for step in trained if step.kind == "epoch"]
        assert begun == [number for number, _ in printed][: len(begun)]
        assert ended == begun[: len(ended)]
        assert len(printed) - len(begun) in (0, 1)  # a fit may break off before the first batch of an epoch
    assert all(re.search(rf"epoch {step.keras_epoch}\b", describe_time(step)) for step in run.records if step.keras_epoch)


def test_the_status_says_the_epoch_and_their_number_as_keras_does(trained):
    run = trained
    ended = [step for step in run.records if step.kind == "epoch"]
    printed = {(fit, number): of for fit, lines in enumerate(run.printed) for number, of in lines}
    expected = [f"epoch {step.keras_epoch} of {printed[step.fit, step.keras_epoch]}" for step in ended]
    assert [words.rpartition(", ")[2] for words in run.counter.said] == expected
    fits = [f"fit {step.fit + 1}" if "fit" in describe_time(step) else "" for step in ended]
    assert [words.rpartition(", ")[0] for words in run.counter.said] == fits


def test_positions_ascend_batches_are_those_trained_and_no_two_moments_have_the_same_words(trained):
    run = trained
    timeline = run.explorer.history.timeline
    steps = timeline.records()
    assert (np.diff(timeline.positions) >= 0).all()
    assert all(one.position < other.position for one, other in pairwise(step for step in steps if step.kind == "batch"))
    batches = [count for count, step in zip(timeline.total_batches, steps, strict=True) if step.kind == "batch"]
    assert batches == list(range(1, run.counter.batches + 1))
    for kind in ("batch", "epoch"):
        words = [describe_time(step) for step in steps if step.kind == kind]
        assert len(set(words)) == len(words)


def test_a_fit_is_named_where_the_count_began_again_and_only_there(run):
    run.fit(epochs=2)
    run.fit(epochs=3, initial_epoch=2)
    run.fit(epochs=2)
    ends = [describe_time(step) for step in run.records if step.kind == "epoch"]
    assert ends == ["epoch 1", "epoch 2", "epoch 3", "fit 3, epoch 1", "fit 3, epoch 2"]


def test_what_is_found_between_two_epochs_is_placed_at_the_end_of_the_last(run):
    run.fit(BreakOff(1), epochs=3)
    run.model.layers[-1].bias.assign(run.model.layers[-1].bias + 1)
    run.explorer.select("out", role="bias")
    assert (run.records[-1].batch, describe_time(run.records[-1])) == (0, "epoch 1")
    assert run.records[-1].number > next(step.number for step in run.records if step.kind == "epoch")


# -- loops of the user's own --------------------------------------------------------------------------------------------


def loop(run, epochs, num_batches=3):
    x, y = run.data
    for epoch in epochs:
        for _ in range(num_batches):
            run.explorer.record({"loss": run.model.train_on_batch(x[:32], y[:32])}, epoch=epoch)


def ends(run):
    return [(step.position, describe_time(step)) for step in run.records if step.kind == "epoch"]


def test_a_loop_that_begins_again_is_another_fit(run):
    loop(run, [0, 1])
    loop(run, [0, 1])
    assert ends(run) == [(1, "epoch 1"), (2, "epoch 2"), (3, "fit 2, epoch 1")]
    assert run.explorer.history.timeline.total_batches[-1] == 12


def test_a_loop_may_leave_epochs_out_and_begin_late(run):
    loop(run, [2, 10, 20])
    assert ends(run) == [(3, "epoch 3"), (11, "epoch 11")]
    assert run.records[0].position == 2
    assert run.records[-1].position == 21
    assert run.explorer.history.timeline.total_batches[-1] == 9
    assert run.explorer.callback.status.epochs_before == 0


def test_a_loop_without_epochs_is_batches_of_one_epoch(run):
    loop(run, [None], num_batches=5)
    assert [describe_time(step) for step in run.records] == ["start", *(f"epoch 1, batch {batch}" for batch in range(1, 6))]
    assert (np.diff([step.position for step in run.records]) > 0).all()


# -- the places that show it --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def again():
    """Two fits, the second of which begins to count again."""
    run = new_run()
    run.fit(epochs=2)
    run.fit(epochs=2)
    run.explorer.select("hidden", role="kernel")
    return run.explorer


@pytest.fixture(scope="module")
def on():
    """Two fits, the second of which counts on."""
    run = new_run()
    run.fit(epochs=2)
    run.fit(epochs=4, initial_epoch=2)
    run.explorer.select("hidden", role="kernel")
    return run.explorer


def test_the_status_line_of_a_fit_that_goes_on_is_as_keras_prints_it(on):
    assert on._panel.status.words.startswith("finished · epoch 4 of 4")


def test_the_status_line_names_the_fit_where_the_count_began_again(again):
    assert again._panel.status.words.startswith("finished · fit 2 · epoch 2 of 2")
    assert "finished · fit 2 · epoch 2 of 2" in repr(again)


def labels(explorer):
    """The names of the axis of epochs: over time, of ridges, of percentiles, and of the overview."""
    found = []
    for view, options in (("over_time", {}), ("distribution", {"form": "ridges"}), ("distribution", {"form": "percentiles"})):
        explorer.select("hidden", role="kernel", view=view, **options)
        chart = explorer._screen.state().picture.charts[-1]
        found.append(chart.y_label if options.get("form") == "ridges" else chart.x_label)
    explorer.select(explorer.catalog.root.path, role="overview")
    return [*found, explorer._screen.state().picture.columns[0].name]


def test_axes_say_that_they_run_over_all_fits_where_their_numbers_are_not_those_of_keras(again):
    assert labels(again) == ["epochs, all fits"] * 3 + ["epoch, all fits"]


def test_axes_of_fits_that_go_on_are_in_epochs(on):
    assert labels(on) == ["epochs"] * 3 + ["epoch"]
    ticks = on._screen.state().picture.ticks
    ended = {step.number: step.keras_epoch for step in on.history.records if step.kind == "epoch"}
    assert [words for _, words in ticks] == [str(number) for number in ended.values()] == ["1", "2", "3", "4"]


def test_captions_files_and_the_time_axis_name_the_fit(again):
    again.select("hidden", role="kernel", view="matrix")
    scene = again._screen.state()
    newest = again.history.records[-1].number
    assert f"record {newest} (fit 2, epoch 2)" in scene.picture.caption
    assert scene.file_name.endswith("_fit_2_epoch_2")
    axis = again._panel.record_slider
    assert [np.frombuffer(column, "<i4")[-1] for column in (axis.matches, axis.epochs, axis.keras_epochs)] == [1, 4, 2]
    assert make_previews(again.catalog, again.history).text.startswith(f"fit 2, epoch 2 (record {newest})")


def test_the_frame_has_the_epochs_of_keras_and_those_of_the_axis(again):
    frame = again.history.to_frame()
    ended = frame[(frame.kind == "epoch") & (frame.key == KERNEL) & (frame.quantity == "value")]
    assert ended[["fit", "epoch", "keras_epoch"]].to_numpy().tolist() == [[0, 1, 1], [0, 2, 2], [1, 3, 1], [1, 4, 2]]


def test_a_run_that_was_saved_has_the_same_moments_and_axes(again, tmp_path):
    again.history.save(tmp_path / "run.h5")
    saved = WeightExplorer.load(tmp_path / "run.h5").history
    assert [describe_time(step) for step in saved.records] == [describe_time(step) for step in again.history.records]
    assert describe_axis(saved.timeline) == "epochs, all fits"


def test_the_log_has_the_lines_of_keras(run, caplog):
    with caplog.at_level(logging.INFO, "weight_explorer"):
        run.fit(epochs=2)
        run.fit(epochs=3, initial_epoch=2)
        run.fit(epochs=2)
    said = [message.partition(", loss")[0] for message in caplog.messages]
    assert said == ["epoch 1 of 2", "epoch 2 of 2", "epoch 3 of 3", "fit 3, epoch 1 of 2", "fit 3, epoch 2 of 2"]


def test_nan_in_the_first_epoch_is_found_in_epoch_1(run):
    run.model.optimizer.learning_rate = 1e30
    run.fit(epochs=3)
    broken = next(each for each in run.explorer.findings if each.rule == "not finite")
    assert run.printed[0][0] == (1, 3)
    assert broken.epoch == 1
    assert "(epoch 1" in broken.sentence


def test_checkpoints_have_the_epochs_of_their_names(dense_model, tmp_path):
    for epoch in (3, 7):
        dense_model.save_weights(tmp_path / f"{epoch:02d}.weights.h5")
    explorer = WeightExplorer.from_checkpoints(dense_model, tmp_path / "{epoch:02d}.weights.h5")
    assert [(step.epoch, step.keras_epoch) for step in explorer.history.records] == [(3, 3), (7, 7)]
    assert describe_axis(explorer.history.timeline) == "epochs"


def test_a_fit_begins_on_the_axis_where_it_began_though_its_first_record_is_later(dense_model, training_data):
    explorer = WeightExplorer(dense_model, record_every="epoch")
    for _ in range(2):
        dense_model.fit(*training_data, epochs=2, verbose=0, callbacks=[explorer.callback])
    explorer.select("hidden", role="kernel", view="over_time")
    rules = {mark.name: mark.x.tolist() for mark in explorer._screen.state().picture.charts[0].marks if mark.kind == "rules"}
    assert rules["another fit begins"] == [2]


# -- words alone --------------------------------------------------------------------------------------------------------

MOMENTS = {
    "start": Record(0, 0, 0, 0.0, "start"),
    "start of fit 3": Record(9, 4, 0, 4.0, "start", fit=2),
    "before the training": Record(0, 0, 0, 0.0, "edited"),
    "epoch 1, batch 7": Record(3, 0, 7, 0.5, "batch", keras_epoch=1),
    "epoch 5": Record(3, 5, 0, 5.0, "epoch", keras_epoch=5),
    "fit 2, epoch 1, batch 7": Record(3, 2, 7, 2.5, "batch", fit=1, keras_epoch=1),
    "fit 2, epoch 2": Record(3, 4, 0, 4.0, "outside", fit=1, keras_epoch=2),
    "epoch 6": Record(3, 6, 0, 6.0, "epoch", fit=1, keras_epoch=6),
}


@pytest.mark.parametrize("words", MOMENTS)
def test_a_moment_has_its_words(words):
    assert describe_time(MOMENTS[words]) == words


NAMES = {
    "before the training": Record(0, 0, 0, 0.0, "before"),
    "changed when the training ended at epoch 2": Record(5, 2, 0, 2.0, "ended", keras_epoch=2),
    "weights of an earlier record put back at epoch 2": Record(6, 2, 0, 2.0, "reverted", keras_epoch=2),
    "changed outside of training at fit 2, epoch 1": Record(9, 3, 0, 3.0, "outside", fit=1, keras_epoch=1),
    "restored at epoch 2": Record(6, 2, 0, 2.0, "restored", keras_epoch=2),
    "moving average of the weights (use_ema)": Record(5, 2, 0, 2.0, "ended", 0, "moving average of the weights (use_ema)"),
}


@pytest.mark.parametrize("name", NAMES)
def test_what_no_training_step_did_has_a_name_on_the_time_axis(name):
    assert RecordSlider((NAMES[name], MOMENTS["epoch 5"])).names == (name, "")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (TrainingStatus(epoch=3, epochs=10, fit=1), "epoch 3 of 10"),
        (TrainingStatus(epoch=3, fit=2), "epoch 3"),
        (TrainingStatus(epoch=4, epochs=4, fit=2), "epoch 4 of 4"),
        (TrainingStatus(epoch=1, epochs=3, fit=2, epochs_before=4), "fit 2, epoch 1 of 3"),
    ],
    ids=["first", "no number", "goes on", "again"],
)
def test_a_training_says_its_epoch(status, words):
    assert describe_progress(status) == words


def test_an_axis_is_ahead_where_any_record_is():
    steps = [MOMENTS["epoch 5"], MOMENTS["fit 2, epoch 2"]]
    assert [Timeline(steps[:number], {}).is_ahead_of_keras for number in (0, 1, 2)] == [False, False, True]


@pytest.mark.parametrize(("first", "position"), [("start of fit 3", 4), ("fit 2, epoch 1, batch 7", 2), ("epoch 6", 5)])
def test_a_fit_begins_at_a_whole_epoch(first, position):
    assert fit_start_position(MOMENTS[first]) == position
