"""Training can be stopped and held between two batches, and may run beside the cells; what goes wrong comes back."""

import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
from keras import layers

from tests.backends import needs_live_weights, needs_many_steps
from weight_explorer import WeightExplorer
from weight_explorer.panel.weight_details import describe_status, training_commands
from weight_explorer.recording.facts import TrainingKind
from weight_explorer.recording.status import TrainingStatus
from weight_explorer.training.background import END_TIMEOUT
from weight_explorer.training.scheduler import RecordScheduler

FOREVER = 1_000_000
SOON = 60  # seconds after which a test gives up


class At(keras.callbacks.Callback):
    """Calls something once, when so many batches are trained; counts them all."""

    def __init__(self, batch, act):
        super().__init__()
        self.batch, self.act, self.trained = batch, act, 0

    def on_train_batch_end(self, batch, logs=None):
        self.trained += 1
        if self.trained == self.batch:
            self.act()


def click(explorer, order):
    """Give an order as the page does."""
    explorer._panel.status._handle_custom_msg({"order": order}, [])


def watch(explorer, phase):
    """Return an event that is set once this phase is on screen."""
    seen = threading.Event()
    explorer._panel.status.observe(lambda change: seen.set() if change["new"] == phase else None, names="phase")
    return seen


@pytest.fixture
def explorer(dense_model):
    explorer = WeightExplorer(dense_model, record_every=1)
    yield explorer
    explorer.close()


# -- stop -------------------------------------------------------------------------------------------------------------


def test_stop_ends_an_ordinary_fit_with_its_batch_and_the_weights_of_that_batch(dense_model, training_data, explorer):
    twin = keras.models.clone_model(dense_model)
    twin.set_weights(dense_model.get_weights())
    twin.compile("adam", "mse")
    options = {"batch_size": 32, "shuffle": False, "verbose": 0}

    at = At(5, lambda: click(explorer, "stop"))  # before the explorer's hook, as if the click came while the batch was trained
    history = dense_model.fit(*training_data, epochs=FOREVER, callbacks=[at, explorer.callback], **options)

    assert at.trained == 5
    assert len(history.history["loss"]) == 2
    assert (explorer.callback.status.phase, explorer._panel.status.phase) == ("stopped", "stopped")
    assert explorer._panel.status.words.startswith(f"stopped · epoch 2 of {FOREVER}")
    twin.fit(*training_data, **options)
    twin.fit(training_data[0][:64], training_data[1][:64], **options)
    for key, weight, expected in zip(explorer.catalog.weights, dense_model.weights, twin.weights, strict=False):
        np.testing.assert_array_equal(weight.numpy(), expected.numpy())
        np.testing.assert_array_equal(explorer.history.values(key)[-1], weight.numpy())


def test_a_stop_is_of_one_training_and_not_of_the_next(dense_model, training_data, explorer):
    dense_model.fit(*training_data, epochs=3, verbose=0, callbacks=[At(1, lambda: click(explorer, "stop")), explorer.callback])
    click(explorer, "stop")  # from a page that does not know yet
    explorer.callback._session.request_if_training("stop")
    history = dense_model.fit(*training_data, epochs=3, verbose=0, callbacks=[explorer.callback])
    assert len(history.history["loss"]) == 3
    assert explorer.callback.status.phase == "finished"


def test_stop_and_pause_are_obeyed_where_recording_fails(dense_model, training_data, explorer, monkeypatch):
    monkeypatch.setattr(explorer._source.recorder, "record", lambda *args, **options: 1 / 0)
    at = At(4, lambda: explorer.callback._session.request_if_training("stop"))
    dense_model.fit(*training_data, epochs=FOREVER, verbose=0, callbacks=[at, explorer.callback])
    assert at.trained == 4
    assert "ZeroDivisionError" in explorer.callback.status.problem
    assert explorer.callback.status.phase == "stopped"


def test_a_stop_that_comes_during_validation_ends_the_fit_with_the_epoch(dense_model, training_data, explorer):
    class Validated(keras.callbacks.Callback):
        def on_test_end(self, logs=None):
            click(explorer, "stop")

    options = {"validation_data": training_data, "epochs": FOREVER, "verbose": 0}
    history = dense_model.fit(*training_data, callbacks=[explorer.callback, Validated()], **options)
    assert len(history.history["loss"]) == 1


@needs_many_steps
def test_steps_per_execution_can_be_stopped(dense_model, training_data, explorer):
    dense_model.compile("adam", "mse", steps_per_execution=3)
    at = At(2, lambda: click(explorer, "stop"))
    dense_model.fit(*training_data, epochs=FOREVER, batch_size=8, verbose=0, callbacks=[at, explorer.callback])
    assert at.trained == 2


# -- pause ------------------------------------------------------------------------------------------------------------


def test_a_paused_fit_waits_between_two_batches_and_goes_on_as_if_nothing_had_been(dense_model, training_data, explorer):
    plain = keras.models.clone_model(dense_model)
    plain.set_weights(dense_model.get_weights())
    plain.compile("adam", "mse")
    options = {"epochs": 3, "shuffle": False, "verbose": 0}
    plain.fit(*training_data, **options)

    seen = []

    def resume():
        assert paused.wait(SOON)
        seen.append((at.trained, explorer._panel.status.orders))
        explorer.select("out", role="bias")  # a click is answered meanwhile
        seen.append(explorer._panel.tree.selected)
        click(explorer, "resume")

    paused, at = watch(explorer, "paused"), At(2, lambda: click(explorer, "pause"))
    clicker = threading.Thread(target=resume)
    clicker.start()
    dense_model.fit(*training_data, callbacks=[at, explorer.callback], **options)
    clicker.join(SOON)

    assert seen == [(2, ["resume", "stop"]), "dense_model/out"]
    assert explorer.callback.status.phase == "finished"
    for mine, expected in zip(dense_model.get_weights(), plain.get_weights(), strict=True):
        assert mine.tobytes() == expected.tobytes()


def test_what_is_paused_can_be_stopped(dense_model, training_data, explorer):
    def stop():
        assert paused.wait(SOON)
        click(explorer, "stop")

    paused, at = watch(explorer, "paused"), At(2, lambda: click(explorer, "pause"))
    clicker = threading.Thread(target=stop)
    clicker.start()
    dense_model.fit(*training_data, epochs=FOREVER, verbose=0, callbacks=[at, explorer.callback])
    clicker.join(SOON)
    assert (at.trained, explorer.callback.status.phase) == (2, "stopped")


@needs_live_weights
def test_a_freeze_while_paused_is_done_at_once(dense_model, training_data, explorer):
    def freeze():
        assert paused.wait(SOON)
        explorer.freeze("dense_model/out/bias")
        explorer.callback._session.run_between_batches(frozen.set)  # done in turn, so the freeze is done by then
        seen.append(frozen.wait(SOON))
        click(explorer, "stop")

    seen, frozen = [], threading.Event()
    paused, at = watch(explorer, "paused"), At(2, lambda: click(explorer, "pause"))
    clicker = threading.Thread(target=freeze)
    clicker.start()
    dense_model.fit(*training_data, epochs=FOREVER, verbose=0, callbacks=[at, explorer.callback])
    clicker.join(SOON)
    assert seen == [True]
    assert explorer.check_frozen()[0].key == "dense_model/out/bias"


CTRL_C = """
import os, signal, threading
import keras, numpy as np
from weight_explorer import WeightExplorer; from weight_explorer.jupyter import kernel

kernel.may_have_page = lambda: True  # as in a kernel, so that the panel follows
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
model.compile("sgd", "mse")
explorer = WeightExplorer(model)
seen = threading.Event()
explorer._panel.status.observe(lambda change: seen.set() if change["new"] == "paused" else None, names="phase")

def interrupt():
    seen.wait()
    os.kill(os.getpid(), signal.SIGINT)

class Pause(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        explorer.callback._session.request_if_training("pause")

threading.Thread(target=interrupt, daemon=True).start()
try:
    model.fit(np.ones((8, 3)), np.ones((8, 2)), verbose=0, callbacks=[Pause(), explorer.callback])
except KeyboardInterrupt:
    print("BROKEN OFF")
print(explorer)
model.fit(np.ones((8, 3)), np.ones((8, 2)), verbose=0, callbacks=[explorer.callback])
print(explorer)
"""


def run(script):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=3 * SOON)


def test_ctrl_c_breaks_a_paused_fit_and_the_next_is_not_paused():
    result = run(CTRL_C)
    lines = [line for line in result.stdout.splitlines() if line.startswith(("BROKEN", "WeightExplorer"))]
    assert lines[0] == "BROKEN OFF", result.stdout + result.stderr
    assert "interrupted" in lines[1]
    assert "finished" in lines[2]


def test_time_that_is_waited_is_no_time_of_training():
    now = 0.0
    pace = RecordScheduler("auto", 0.02, clock=lambda: now)
    now = 10.0
    pace.note_record(0.5)
    before = pace.overhead, pace.record_rate
    pace.pause_clock()
    now = 1000.0
    assert (pace.overhead, pace.record_rate) == before
    pace.resume_clock()
    assert (pace.overhead, pace.record_rate) == before
    now = 1010.0
    assert pace.overhead == pytest.approx(0.5 / 19.5)


@pytest.mark.parametrize(
    ("status", "clicks_wait", "offered", "words"),
    [
        (TrainingStatus("training"), False, ("pause", "stop"), "live"),
        (TrainingStatus("training", request="pause"), False, ("resume", "stop"), "pausing"),
        (TrainingStatus("paused", request="pause"), False, ("resume", "stop"), "paused"),
        (TrainingStatus("paused", request="stop"), False, ("stopping",), "stopping"),
        (TrainingStatus("training", is_custom_loop=True), False, (), "live"),
        (TrainingStatus("training"), True, (), "live"),
        (TrainingStatus("training", is_background=True), True, ("pause", "stop"), "live"),
        *(
            (TrainingStatus(phase), False, (), "")
            for phase in ("before", "finished", "stopped", "interrupted", "checkpoints", "run")
        ),
    ],
    ids=lambda value: value.phase if isinstance(value, TrainingStatus) else "",
)
def test_orders_are_offered_only_where_they_can_be_obeyed(status, clicks_wait, offered, words):
    assert training_commands(status, clicks_wait=clicks_wait) == offered
    said = describe_status(status, clicks_wait=clicks_wait)
    assert said.startswith(words)
    assert ("when the cell ends" in said) == (clicks_wait and not status.is_background)


def test_an_order_that_is_not_offered_does_nothing(dense_model, training_data, explorer):
    click(explorer, "stop")
    click(explorer, "launch")
    with explorer.training():
        explorer.callback._session.request_if_training("pause")
        dense_model.train_on_batch(*training_data)
        explorer.record()
    assert explorer.callback.status.phase == "finished"


# -- beside the cells -------------------------------------------------------------------------------------------------


def test_explorer_fit_returns_at_once_and_gives_what_fit_gives(dense_model, training_data, explorer):
    plain = keras.models.clone_model(dense_model)
    plain.set_weights(dense_model.get_weights())
    plain.compile("adam", "mse")
    keras.utils.set_random_seed(5)
    expected = plain.fit(*training_data, 16, epochs=3, verbose=0, validation_split=0.25)
    keras.utils.set_random_seed(5)
    may_go = threading.Event()
    training = explorer.fit(*training_data, 16, epochs=3, validation_split=0.25, callbacks=[At(1, may_go.wait)])
    assert training.is_running
    may_go.set()
    history = training.wait(SOON)
    assert history.history == expected.history
    assert not training.is_running
    assert training.error is None
    for mine, theirs in zip(dense_model.get_weights(), plain.get_weights(), strict=True):
        assert mine.tobytes() == theirs.tobytes()
    assert explorer.callback.status.phase == "finished"
    np.testing.assert_array_equal(explorer.history.values("dense_model/out/bias")[-1], dense_model.layers[-1].bias.numpy())


def test_the_callback_is_there_once_and_nothing_is_printed(dense_model, training_data, explorer, capsys):
    explorer.fit(*training_data, epochs=2, callbacks=explorer.callback).wait(SOON)
    assert len(explorer.history.records) == 1 + 2 * (3 + 1)
    explorer.fit(*training_data, 96, 1, 0, None).wait(SOON)
    assert len(explorer.history.records) == 1 + 2 * (3 + 1) + 2
    assert capsys.readouterr().out == ""


def test_background_training_pauses_goes_on_and_stops(dense_model, training_data, explorer):
    paused, live = watch(explorer, "paused"), threading.Event()
    at = At(3, lambda: training_known.wait(SOON) and training.pause())
    training_known = threading.Event()
    training = explorer.fit(*training_data, epochs=FOREVER, callbacks=[at])
    training_known.set()
    assert paused.wait(SOON)
    assert (at.trained, repr(training)) == (3, "<Training: paused>")
    with pytest.raises(TimeoutError, match="goes on"):
        training.wait(0)
    at.batch, at.act = at.trained + 4, live.set
    click(explorer, "resume")
    assert live.wait(SOON)
    training.stop()
    training.wait(SOON)
    assert (repr(training), explorer._panel.status.phase) == ("<Training: stopped>", "stopped")
    training.pause()  # too late, and not meant for the next
    assert explorer.fit(*training_data, epochs=2).wait(SOON).epoch == [0, 1]


def test_a_pause_that_comes_before_the_first_batch_holds(dense_model, training_data, explorer):
    class Begins(keras.callbacks.Callback):
        def set_model(self, model):
            assert asked.wait(SOON)

    asked, paused, at = threading.Event(), watch(explorer, "paused"), At(FOREVER, lambda: None)
    training = explorer.fit(*training_data, epochs=FOREVER, callbacks=[Begins(), at])
    assert repr(training) == "<Training: beginning>"
    training.pause()
    asked.set()
    assert paused.wait(SOON)
    assert at.trained == 1
    training.stop()
    training.wait(SOON)


def test_while_it_trains_nothing_else_does_and_the_model_is_left_alone(dense_model, training_data, explorer):
    training = explorer.fit(*training_data, epochs=FOREVER)
    with pytest.raises(RuntimeError, match="running already"):
        explorer.fit(*training_data)
    with pytest.raises(RuntimeError, match="A training is running"):
        explorer.restore(0)
    with pytest.raises(RuntimeError, match="A training is running"):
        explorer.assign("dense_model/out/bias", None, 0.0)
    training.stop()
    training.wait(SOON)
    explorer.assign("dense_model/out/bias", None, 0.0)


def test_an_error_of_the_training_is_shown_logged_and_raised(dense_model, training_data, explorer, caplog):
    at = At(4, lambda: 1 / 0)
    training = explorer.fit(*training_data, epochs=FOREVER, callbacks=[at])
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            training.wait(SOON)
    assert isinstance(training.error, ZeroDivisionError)
    assert (explorer._panel.status.phase, repr(training)) == ("interrupted", "<Training: failed>")
    assert "ZeroDivisionError: division by zero (the training's wait() raises it)" in explorer._panel.status.problem
    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError]
    # What it did last is a record, and the next begins with a clean slate.
    np.testing.assert_array_equal(explorer.history.values("dense_model/out/bias")[-1], dense_model.layers[-1].bias.numpy())
    explorer.fit(*training_data).wait(SOON)
    assert (explorer._panel.status.phase, explorer._panel.status.problem) == ("finished", "")


def test_arguments_that_fit_does_not_take_are_refused_by_the_call(dense_model, training_data, explorer, caplog):
    with pytest.raises(TypeError, match="epoch_s"):
        explorer.fit(*training_data, epoch_s=3)
    with pytest.raises(ValueError, match="cardinality"):
        explorer.fit(training_data[0], training_data[1][:5]).wait(SOON)
    assert (explorer._panel.status.phase, explorer.fit(*training_data).wait(SOON).epoch) == ("before", [0])


def test_closing_stops_it(dense_model, training_data):
    explorer = WeightExplorer(dense_model)
    paused = watch(explorer, "paused")
    training = explorer.fit(*training_data, epochs=FOREVER)
    training.pause()
    assert paused.wait(SOON)  # what comes before the first batch may take longer than closing waits
    explorer.close()
    assert not training.is_running
    assert explorer.callback.status.phase == "stopped"


def test_it_may_close_the_explorer_itself_but_not_wait_for_itself(dense_model, training_data):
    def close():
        with pytest.raises(RuntimeError, match="own end"):
            known[0].wait()
        explorer.close()

    known, is_known = [], threading.Event()
    explorer = WeightExplorer(dense_model)
    known.append(explorer.fit(*training_data, epochs=FOREVER, callbacks=[At(2, lambda: is_known.wait(SOON) and close())]))
    is_known.set()
    known[0].wait(SOON)
    assert explorer.callback.status.phase == "stopped"


def test_settings_of_keras_hold_on_its_thread(training_data):
    """Keras keeps them for each thread apart, so that layers made by the first batch would be of other types."""

    class Late(keras.Model):
        def build(self, shape):
            self.head = layers.Dense(3)
            self.head.build(shape)
            self.built = True

        def call(self, inputs):
            return self.head(inputs)

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = Late()
        model.compile("sgd", "mse")
        explorer = WeightExplorer(model)
        explorer.fit(*training_data).wait(SOON)
    finally:
        keras.config.set_dtype_policy(policy)
    assert model.head.compute_dtype == "bfloat16"
    explorer.close()


def test_what_is_built_on_its_thread_is_no_burden_to_what_is_built_here(dense_model, training_data, explorer):
    """For each thread apart Keras lists the variables that wait for the end of a scope; on torch each model is built in one."""

    def build():
        with keras.StatelessScope():
            layers.Dense(3).build((None, 2))

    build()
    explorer.fit(*training_data, callbacks=[At(1, build)]).wait(SOON)
    build()


def test_a_fit_that_meets_it_is_told_so(dense_model, training_data, explorer):
    paused = watch(explorer, "paused")
    training = explorer.fit(*training_data, epochs=FOREVER)
    training.pause()
    assert paused.wait(SOON)
    with pytest.raises(RuntimeError, match="in the background"):
        explorer.callback.began.publish(dense_model, TrainingKind.FIT)
    training.stop()
    training.wait(SOON)
    explorer.callback.began.publish(dense_model, TrainingKind.FIT)


def test_a_fit_that_is_refused_leaves_the_background_training_alone(dense_model, training_data, explorer):
    paused = watch(explorer, "paused")
    training = explorer.fit(*training_data, epochs=FOREVER)
    training.pause()
    assert paused.wait(SOON)
    other, records = keras.models.clone_model(dense_model), explorer.history.num_recorded
    other.compile("sgd", dense_model.loss)
    other.fit(*training_data, epochs=2, verbose=0, callbacks=[explorer.callback])
    assert explorer.callback.status.phase == "paused"
    assert explorer.history.num_recorded == records
    assert "still trains in the background" in explorer.callback.status.problem
    training.stop()
    training.wait(SOON)
    assert explorer.callback.status.phase == "stopped"


SCRIPT = """
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
shell.run_cell('''
import keras, numpy as np, threading
from weight_explorer import WeightExplorer; from weight_explorer.jupyter import kernel
kernel.may_have_page = lambda: True  # as in a kernel, so that the panel follows
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
model.compile("sgd", "mse")
explorer = WeightExplorer(model)
other = WeightExplorer(keras.models.clone_model(model))
trained = threading.Event()
class Tell(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        trained.set()
''')
shell.run_cell('''
model.fit(np.ones((8, 3)), np.ones((8, 2)), verbose=0, callbacks=[explorer.callback])
training = explorer.fit(np.ones((8, 3)), np.ones((8, 2)), epochs=1_000_000, callbacks=[Tell()])
assert trained.wait(60)
''')
shell.run_cell('''print("PHASE", explorer.callback.status.phase)''')
shell.run_cell('''
paused = threading.Event()
explorer._panel.status.observe(lambda change: paused.set() if change["new"] == "paused" else None, names="phase")
training.pause()
assert paused.wait(60)
trained.clear()
other._source.model.compile("sgd", "mse")
another = other.fit(np.ones((8, 3)), np.ones((8, 2)), epochs=1_000_000, callbacks=[Tell()])
assert trained.wait(60)
''')
shell.run_cell('''print("AT THE END", training, another)''')
"""


def test_the_end_of_the_cell_does_not_end_it_and_python_ends_all_the_same():
    result = run(SCRIPT)
    assert "PHASE training" in result.stdout, result.stdout + result.stderr
    assert "AT THE END <Training: paused> <Training: training>" in result.stdout, result.stdout + result.stderr
    assert result.returncode == 0, result.stderr
    assert "Fatal" not in result.stderr


def test_an_explorer_of_the_past_says_that_it_trains_nothing(dense_model, training_data, tmp_path, explorer):
    dense_model.fit(*training_data, verbose=0, callbacks=[explorer.callback])
    explorer.history.save(tmp_path / "run.h5")
    loaded = WeightExplorer.load(tmp_path / "run.h5")
    with pytest.raises(ValueError, match="training that is over"):
        loaded.fit(*training_data)
    click(loaded, "stop")
    assert loaded._panel.status.commands == []
    loaded.close()


def test_closing_waits_no_longer_than_its_patience(dense_model, training_data, monkeypatch):
    """A batch may take minutes."""
    goes_on = threading.Event()
    explorer = WeightExplorer(dense_model)
    begun = threading.Event()

    def long_batch():
        begun.set()
        assert goes_on.wait(SOON)

    training = explorer.fit(*training_data, epochs=FOREVER, callbacks=[At(1, long_batch)])
    assert begun.wait(SOON)
    assert END_TIMEOUT <= 10
    training.stop_and_wait(0.01)
    assert training.is_running
    goes_on.set()
    explorer.close()
    assert not training.is_running
