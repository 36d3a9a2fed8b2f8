"""Findings beside the training: at its pace, of the newest record, and whatever a rule does."""

import contextlib
import gc
import io
import threading
import weakref

import keras
import numpy as np
import pytest
from keras import layers
from sklearn import datasets

from tests.records import catalog_of, record
from weight_explorer import WeightExplorer, source
from weight_explorer.diagnosis import registry
from weight_explorer.diagnosis.model_facts import NO_MODEL_FACTS
from weight_explorer.diagnosis.rule_types import Rule
from weight_explorer.diagnosis.worker import MAX_TIME_SHARE, DiagnosisInput, DiagnosisWorker
from weight_explorer.recording.live_history import LiveHistory
from weight_explorer.recording.recorder import Recorder

LONG = 60  # seconds that no test takes


class Bench:
    """A history that grows, an examiner of it with a clock of its own, and what it told."""

    def __init__(self, **how):
        self.live = {"w": np.ones((3, 2), np.float32)}
        self.catalog = catalog_of(self.live)
        self.history = LiveHistory(10**7)
        self.recorder = Recorder(self.history, list)
        self.now = 0.0
        self.errors, self.costs, self.threads = [], [], []
        subject = DiagnosisInput(self.catalog, self.history, NO_MODEL_FACTS)
        how = {"report": self.errors.append, "clock": lambda: self.now} | how
        examined = how.pop("examined", self.told)
        self.examiner = DiagnosisWorker(lambda: subject, **how)
        self.examiner.examined.subscribe(examined)
        self.record()

    def told(self, seconds):
        self.costs.append(seconds)
        self.threads.append(threading.current_thread())

    def record(self):
        self.live["w"] += 1
        record(self.recorder, self.catalog, batch=self.history.num_recorded)

    def ask(self, *, at_once=True):
        self.examiner.request(immediately=at_once)
        assert self.examiner.wait(LONG)
        return self.examiner.latest.record_number


@pytest.fixture
def rule(monkeypatch):
    """One rule instead of all, which does what the test says, and finds nothing."""
    rule = type("Deed", (), {"deed": staticmethod(lambda case: None)})()

    def find(case):
        rule.deed(case)
        return iter(())

    monkeypatch.setattr(registry, "RULES", (Rule("a rule", "of this test", find),))
    return rule


def count_calls(rule):
    calls = []
    rule.deed = lambda case: calls.append(len(case.records))
    return calls


def test_it_examines_on_a_thread_of_its_own_that_ends(rule):
    bench, seen = Bench(), []
    rule.deed = lambda case: seen.append(threading.current_thread())
    assert bench.ask() == 0
    assert seen == bench.threads
    assert seen[0] is not threading.main_thread()
    assert seen[0].daemon
    seen[0].join(LONG)
    assert not seen[0].is_alive()


def test_what_was_examined_is_not_examined_again(rule):
    bench, calls = Bench(), count_calls(rule)
    for _ in range(3):
        assert bench.ask() == 0
    assert calls == [1]
    bench.record()
    assert bench.ask() == 1
    assert calls == [1, 2]


def test_only_the_newest_of_many_records_counts(rule):
    bench, calls = Bench(), []
    begun, may_end = threading.Event(), threading.Event()

    def deed(case):
        calls.append(len(case.records))
        begun.set()
        assert may_end.wait(LONG)

    rule.deed = deed
    bench.examiner.request(immediately=True)
    assert begun.wait(LONG)
    for _ in range(5):
        bench.record()
        bench.examiner.request(immediately=True)
    assert not bench.examiner.wait(0)
    may_end.set()
    assert bench.examiner.wait(LONG)
    assert calls == [1, 6]
    assert bench.examiner.latest.record_number == 5


def test_who_asks_while_it_examines_the_newest_has_it_examined_once(rule):
    bench, calls = Bench(), []

    def deed(case):
        calls.append(len(case.records))
        bench.examiner.request(immediately=True)

    rule.deed = deed
    assert bench.ask() == 0
    assert calls == [1]


def test_it_takes_one_hundredth_of_the_time(rule):
    bench, calls = Bench(), []

    def deed(case):
        calls.append(bench.now)
        bench.now += 0.25

    rule.deed = deed
    for _ in range(1000):  # a training of a hundred seconds that asks ten times a second
        bench.record()
        bench.ask(at_once=False)
        bench.now += 0.1
    spent = 0.25 * len(calls)
    assert 3 <= len(calls) <= 5
    assert spent / bench.now == pytest.approx(MAX_TIME_SHARE, rel=0.3)
    assert min(np.diff(calls)) >= 0.25 / MAX_TIME_SHARE


def test_a_weight_that_broke_is_examined_at_once(rule):
    bench, calls = Bench(), []

    def deed(case):
        calls.append(len(case.records))
        bench.now += 10

    rule.deed = deed
    bench.ask()
    for value in (1, np.nan, np.inf):
        bench.live["w"][0, 0] = value
        bench.record()
        bench.ask(at_once=False)
    assert calls == [1, 3]  # the start, and the first NaN; what is broken already waits for its time
    bench.now += 10 / MAX_TIME_SHARE
    assert bench.ask(at_once=False) == 3


def test_at_once_means_whatever_it_took_before(rule):
    bench = Bench()
    rule.deed = lambda case: setattr(bench, "now", bench.now + 5)
    bench.ask(at_once=False)
    bench.record()
    assert bench.ask(at_once=False) == 0
    assert bench.ask(at_once=True) == 1
    assert bench.costs == [5, 5]


def test_a_rule_that_fails_is_reported_once_for_a_record_and_the_next_one_is_examined(rule):
    bench = Bench()

    def deed(case):
        raise ZeroDivisionError("in a rule")

    rule.deed = deed
    assert bench.ask() is None
    assert bench.ask() is None
    assert [str(error) for error in bench.errors] == ["in a rule"]
    rule.deed = lambda case: None
    bench.record()
    assert bench.ask() == 1


def test_what_is_told_may_fail_as_well(rule):
    def examined(seconds):
        raise ZeroDivisionError("in the drawing")

    bench = Bench(examined=examined)
    assert bench.ask() == 0
    assert [str(error) for error in bench.errors] == ["in the drawing"]
    bench.record()
    assert bench.ask() == 1


def test_a_closed_one_examines_no_more_and_tells_no_more(rule):
    bench, begun, may_end = Bench(), threading.Event(), threading.Event()

    def deed(case):
        begun.set()
        assert may_end.wait(LONG)

    rule.deed = deed
    bench.examiner.request(immediately=True)
    assert begun.wait(LONG)
    bench.examiner.close()
    may_end.set()
    assert bench.examiner.wait(LONG)
    bench.record()
    bench.ask()
    assert bench.costs == []
    assert not [thread for thread in threading.enumerate() if thread.name == "weight-explorer-examiner"]


def test_the_thread_keeps_nothing_alive(rule):
    bench = Bench()
    bench.ask()
    known = [weakref.ref(each) for each in (bench.examiner, bench.history, bench.threads[0])]
    bench.threads[0].join(LONG)
    del bench
    gc.collect()
    assert [ref() for ref in known] == [None] * 3


# -- of a model --------------------------------------------------------------------------------------------------------


def shown(model, **how):
    """An explorer that somebody looks at."""
    return displayed(WeightExplorer(model, **how))


def displayed(explorer):
    with contextlib.redirect_stdout(io.StringIO()):
        explorer._ipython_display_()
    return explorer


def settled(explorer):
    """Wait until what there is was examined and drawn."""
    assert explorer._examiner.wait(LONG)
    assert not explorer._session.status.problem
    return explorer


def found_on_screen(explorer):
    """The findings below the picture: the words of each with its severity, and of which record they are."""
    (section,) = (section for section in explorer._panel.explanation.sections if section["kind"] == "findings")
    return [f"{found['severity']}: {found['words']}" for found in section["found"]], section["when"]


def digits_model(**out):
    keras.utils.set_random_seed(3)
    stack = [layers.Dense(16, "tanh", name="hidden"), layers.Dense(10, name="out", **out)]
    model = keras.Sequential([keras.Input((64,)), *stack], name="m")
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    return model


def digits():
    pixels, names = datasets.load_digits(return_X_y=True)
    return (pixels / 16).astype("float32"), names


def test_question_one_is_answered_on_screen_on_both_tabs():
    """Digits whose border pixels are always 0: which rows did not move, why, and that the bias did."""
    model, (pixels, names) = digits_model(), digits()
    assert np.flatnonzero((pixels == 0).all(axis=0)).tolist() == [0, 32, 39]
    explorer = shown(model, record_every=1)
    settled(explorer)
    assert found_on_screen(explorer) == ([], "")
    model.fit(pixels, names, epochs=1, verbose=0, callbacks=[explorer.callback])
    settled(explorer)
    explorer.select("hidden", role="kernel")
    for role in ("kernel", "bias"):
        explorer.select("hidden", role=role)
        (words,), when = found_on_screen(explorer)
        assert when == ""
        assert words.startswith("note: 3 of 64 rows of the kernel of hidden did not move at all")
        for part in ("inputs 0, 32 and 39", "a row whose input is always 0 does not move", "All 16 biases did move"):
            assert part in words
    explorer.select("out", role="kernel")
    assert found_on_screen(explorer) == ([], "")
    marks = dict(zip(explorer.catalog.nodes, np.frombuffer(explorer._panel.tree.severities, np.int8), strict=True))
    assert marks == {"m": 2, "m/hidden": 2, "m/out": -1}


def test_in_training_the_words_say_of_which_record_they_are():
    model, data = digits_model(), digits()
    explorer = shown(model, record_every=1)
    said = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch in (10, 11):
                assert explorer._examiner.wait(LONG)
                explorer.select("hidden", role="kernel")
                said.append(
                    (found_on_screen(explorer)[1], explorer._examiner.latest.record_number, explorer.history.num_recorded)
                )

    model.fit(*data, epochs=1, verbose=0, callbacks=[explorer.callback, Look()])
    for when, number, _ in said:
        assert when == f"as of record {number}"
    assert any(number < num_recorded - 1 for _, number, num_recorded in said)
    assert found_on_screen(settled(explorer))[1] == ""


def train(data, *, explore):
    keras.utils.set_random_seed(11)
    stack = [layers.Dense(8, "relu"), layers.BatchNormalization(), layers.Dropout(0.3), layers.Dense(2)]
    model = keras.Sequential([keras.Input((data[0].shape[1],)), *stack])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    explorer = shown(model, record_every=1, max_overhead=1) if explore else None
    if explorer:
        explorer._examiner._max_time_share = 1.0  # as often as it can
    model.fit(*data, epochs=4, batch_size=8, verbose=0, callbacks=[explorer.callback] if explorer else [])
    return model, explorer


def test_training_is_bit_identical_with_an_examiner_that_never_rests(training_data, monkeypatch):
    data = training_data[0], training_data[1][:, :2] if training_data[1].shape[1] > 1 else training_data[1]
    plain, _ = train(data, explore=False)
    numbers = []
    latest = DiagnosisWorker.diagnose

    def examine(self):
        found = latest(self)
        numbers.append(self.latest.number)
        return found

    monkeypatch.setattr(DiagnosisWorker, "diagnose", examine)
    explored, explorer = train(data, explore=True)
    settled(explorer)
    assert len(set(numbers)) > 1  # how many depends on the machine
    for a, b in zip(plain.get_weights(), explored.get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()


def test_a_rule_that_fails_is_shown_in_the_panel_and_the_training_goes_on(rule, caplog):
    def deed(case):
        raise ZeroDivisionError("in a rule")

    rule.deed = deed
    model, data = digits_model(), digits()
    explorer = shown(model)
    model.fit(*data, epochs=2, verbose=0, callbacks=[explorer.callback])
    assert explorer._examiner.wait(LONG)
    assert explorer.callback.status.phase == "finished"
    assert explorer._panel.status.problem == "ZeroDivisionError: in a rule"
    assert caplog.text.count("ZeroDivisionError: in a rule") == 1


def test_the_model_is_asked_by_the_thread_that_trains_or_at_rest(monkeypatch):
    model, data = digits_model(), digits()
    explorer = settled(shown(model, record_every=1))
    asked = []
    real = source.read_model_facts

    def ask(*args):
        asked.append((threading.current_thread(), explorer.callback.status.phase))
        return real(*args)

    monkeypatch.setattr(source, "read_model_facts", ask)

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            click = threading.Thread(target=lambda: explorer.select("out"))
            click.start()
            click.join()
            assert explorer._examiner.wait(LONG)
            _ = explorer.findings

    model.fit(*data, epochs=3, batch_size=300, verbose=0, callbacks=[explorer.callback, Look()])
    settled(explorer)
    assert {thread for thread, phase in asked if phase == "training"} <= {threading.main_thread()}
    assert explorer._examiner not in {thread for thread, _ in asked}


def test_a_learning_rate_of_zero_is_known_at_each_record():
    model, data = digits_model(), digits()
    model.optimizer.learning_rate = 0.0
    explorer = shown(model)
    model.fit(*data, epochs=1, verbose=0, callbacks=[explorer.callback])
    explorer.select("out")
    (words,), _ = found_on_screen(settled(explorer))
    assert "the learning rate was 0" in words

    class Raise(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 0.5 * (epoch + 1)

    model.fit(*data, epochs=2, verbose=0, callbacks=[explorer.callback, Raise()])
    ends = [step for step in explorer.history.records if step.kind == "epoch"]
    assert [step.facts.learning_rate_of("m/hidden/kernel") for step in ends] == [0.0, 0.5, 1.0]


def test_what_freeze_holds_is_told_as_held():
    model, data = digits_model(), digits()
    explorer = shown(model, record_every=1)
    explorer.freeze("m/hidden/kernel", np.s_[5:8, :])
    model.fit(*data, epochs=1, verbose=0, callbacks=[explorer.callback])
    settled(explorer)
    explorer.select("hidden", role="kernel")
    on_screen, _ = found_on_screen(explorer)
    assert any("3 of 64 rows" in words and "explorer.freeze holds" in words for words in on_screen)
    assert [f"{each.severity}: {each.text}" for each in explorer.findings if "m/hidden/kernel" in each.keys] == on_screen


def test_after_a_break_the_findings_of_the_training_stand():
    """What the training did after its last record is not taken for done by hand."""
    model, data = digits_model(), digits()
    explorer = settled(shown(model, record_every=5))

    class Break(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 22 and len(explorer.history.records) > 8:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(*data, epochs=2, verbose=0, callbacks=[explorer.callback, Break()])
    explorer.select("hidden", role="kernel")  # notices the break
    words, when = found_on_screen(settled(explorer))
    assert explorer.callback.status.phase == "interrupted"
    assert "rows of the kernel of hidden did not move" in words[0]
    assert when == ""
    assert [step.kind for step in explorer.history.records[-2:]] == ["batch", "batch"]
    last = explorer.history.values_at("m/hidden/kernel", explorer.history.records[-1].number)
    np.testing.assert_array_equal(last, model.get_layer("hidden").kernel.numpy())
    model.get_layer("hidden").kernel.assign_add(np.ones((64, 16)))
    explorer.select("hidden")
    assert explorer.history.records[-1].kind == "outside"


def test_what_others_train_unseen_takes_nothing_from_what_was_found():
    model, data = digits_model(), digits()
    explorer = WeightExplorer(model, record_every="epoch")
    model.fit(*data, epochs=2, verbose=0, callbacks=[explorer.callback])
    before = [finding.message for finding in explorer.findings]
    assert any("rows of the kernel of hidden did not move" in sentence for sentence in before)
    model.fit(*data, epochs=1, verbose=0)
    assert [finding.message for finding in explorer.findings] == before
    assert explorer.history.records[-1].kind == "outside"
    explorer.assign("m/hidden/kernel", 0, 1.0)  # done on purpose: what moved before says nothing of these
    assert [finding for finding in explorer.findings if finding.rule == "rows not moving"] == []


def test_an_edit_is_examined_without_training():
    model = digits_model()
    explorer = settled(shown(model))
    explorer.select("out", role="bias")
    assert found_on_screen(settled(explorer))[0] == []
    explorer.assign("m/out/bias", 0, np.nan)
    (words,), when = found_on_screen(settled(explorer))
    assert words.startswith("error: ")
    assert "NaN" in words
    assert when == ""


def test_a_script_that_shows_nothing_needs_no_thread(rule):
    calls = count_calls(rule)
    model, data = digits_model(), digits()
    explorer = WeightExplorer(model)
    model.fit(*data, epochs=1, verbose=0, callbacks=[explorer.callback])
    explorer.figure()
    assert calls == []
    _ = explorer.findings
    assert len(calls) == 1
    assert explorer._examiner.latest.record_number == explorer.history.num_recorded - 1


def test_what_examining_costs_is_part_of_what_is_shown():
    explorer = shown(digits_model(), record_every="epoch", max_overhead=0.001)
    assert explorer._examiner._max_time_share == 0.0005
    explorer._session.begin(1)
    pace = explorer._session._scheduler
    before = pace._total_seconds
    explorer._session.add_background_time(10.0)
    assert pace._total_seconds == before + 10
    explorer._session.finish("finished")
    cost = pace._total_seconds
    explorer._session.add_background_time(1000.0)  # at rest it costs no training anything
    assert pace._total_seconds == cost


def test_past_trainings_are_examined_as_well(tmp_path):
    model, data = digits_model(), digits()
    model.get_layer("out").trainable = False
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    explorer = WeightExplorer(model)
    saving = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch:02d}.weights.h5", save_weights_only=True)
    model.fit(*data, epochs=3, verbose=0, callbacks=[explorer.callback, saving])
    explorer.history.save(tmp_path / "run.h5")
    files = sorted(tmp_path.glob("*.weights.h5"))
    for past in (WeightExplorer.from_checkpoints(model, files), WeightExplorer.load(tmp_path / "run.h5")):
        settled(displayed(past))
        past.select("hidden", role="kernel")
        words, when = found_on_screen(past)
        assert "3 of 64 rows" in words[0]
        assert when == ""
        ratios = dict(zip(past.catalog.nodes, np.frombuffer(past._panel.tree.ratios, np.float32), strict=True))
        assert ratios["m"] == ratios["m/hidden"] > 0
        assert ratios["m/out"] == 0
        past.close()


def test_a_closed_explorer_leaves_no_thread():
    model, data = digits_model(), digits()
    explorer = shown(model, record_every=1)
    model.fit(*data, epochs=1, verbose=0, callbacks=[explorer.callback])
    explorer.close()
    assert explorer._examiner.wait(LONG)
    explorer.select("out")
    assert explorer._examiner.wait(0)
    assert not [thread for thread in threading.enumerate() if thread.name == "weight-explorer-examiner"]
