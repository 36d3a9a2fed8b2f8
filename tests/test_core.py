"""The core promises on every engine of one backend: `KERAS_BACKEND=jax pytest tests/test_core.py` asks them of another."""

import contextlib
import threading

import keras
import pytest

from tests import engines
from tests.backends import BACKEND
from tests.engines import Clicker, check_freezing, check_return, check_training, fit, model_of, same, shown

ENGINES = {
    "default": {},
    "mixed_float16": {"policy": "mixed_float16"},
    "mixed_bfloat16": {"policy": "mixed_bfloat16"},
    "float16": {"policy": "float16"},
    "bfloat16": {"policy": "bfloat16"},
    "compiled": {"policy": "mixed_float16", "jit_compile": True},
    "not compiled": {"policy": "mixed_float16", "jit_compile": False},
    "eager": {"policy": "mixed_bfloat16", "run_eagerly": True},
    "three steps at once": {"steps_per_execution": 3},
    "accumulated": {"optimizer": {"gradient_accumulation_steps": 2}},
    "averaged": {"optimizer": {"use_ema": True, "ema_momentum": 0.5}},
}
# What cannot be asked of a backend.
CANNOT = {
    ("torch", "three steps at once"): "Keras on torch refuses steps_per_execution",
    ("torch", "compiled"): "torch.compile warns of itself, and warnings are errors here",
}


def each_engine(*, quick, slow=()):
    """Parametrize a test with engines by their names; the slow ones are of the long tier."""
    cases = []
    for name in (*quick, *slow):
        marks = [pytest.mark.long] if name in slow else []
        if (BACKEND, name) in CANNOT:
            marks.append(pytest.mark.skip(reason=CANNOT[BACKEND, name]))
        cases.append(pytest.param(ENGINES[name], id=name, marks=marks))
    return pytest.mark.parametrize("engine", cases)


@each_engine(quick=["default", "mixed_float16"], slow=[name for name in ENGINES if name not in ("default", "mixed_float16")])
def test_training_is_bit_identical_under_clicks_and_every_record_is_true(engine):
    model, _ = check_training(lambda: model_of(**engine))
    is_scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert is_scaled == (engine.get("policy") == "mixed_float16")


@each_engine(quick=["default"], slow=["bfloat16", "compiled", "three steps at once"])
def test_what_is_frozen_stays_and_the_records_prove_it(engine):
    check_freezing(lambda: model_of(**engine))


@each_engine(quick=[], slow=["default", "float16"])
def test_the_way_back_leads_to_the_same_bits(engine):
    check_return(lambda: model_of(**engine))


class CtrlC(keras.callbacks.Callback):
    """Has Ctrl-C come while a step is trained: when that has taken the weights, and before Keras has got new ones."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_begin(self, logs=None):
        train, steps = self.model.train_function, iter(range(1, self.step + 1))

        def broken_off(*args):
            trained = train(*args)
            if next(steps) == self.step:
                raise KeyboardInterrupt
            return trained

        self.model.train_function = broken_off


@pytest.mark.skipif(BACKEND != "jax", reason="other backends leave the weights where they are")
@pytest.mark.parametrize("step", [1, 3])
def test_weights_that_a_step_of_jax_took_with_it_are_missed_in_words_and_come_back_from_a_record(step):
    model = model_of()
    explorer = shown(model)
    with contextlib.suppress(Exception), pytest.raises(KeyboardInterrupt):
        fit(model, CtrlC(step), explorer.callback)
    last = explorer.history.num_recorded - 1
    for view in ("matrix", "over_time"):
        explorer.select("hidden", role="kernel", view=view)
    assert explorer.callback.status.phase == "interrupted"
    assert "explorer.restore(...) puts a record back; then compile" in explorer.callback.status.problem
    assert explorer.history.num_recorded == last + 1
    explorer.restore(last)
    for key, variable in explorer.catalog.variables.items():
        assert same(engines.values_of(variable), explorer.history.values_at(key, last))
    assert not explorer.callback.status.problem
    assert explorer._panel.status.problem == ""
    model.compile("sgd", "mse")
    fit(model, explorer.callback)
    assert explorer.callback.status.phase == "finished"


def test_no_click_reads_a_variable_while_a_model_trains(monkeypatch):
    """It may be torn by a step then, and on JAX it is empty: Keras keeps the trained values elsewhere until the epoch ends."""
    read, reads = keras.Variable.value.fget, []

    def noted(self):
        if threading.current_thread() is not threading.main_thread():
            reads.append(self.path)
        return read(self)

    model = model_of(run_eagerly=BACKEND != "jax")
    explorer = shown(model)
    clicker = Clicker(explorer)
    monkeypatch.setattr(keras.Variable, "value", property(noted))
    fit(model, explorer.callback, clicker)
    assert clicker.answered == len(clicker.threads) > 0
    assert not reads
    thread = threading.Thread(target=lambda: engines.values_of(model.variables[0]))
    thread.start()
    thread.join()
    assert reads  # it would have been noticed
