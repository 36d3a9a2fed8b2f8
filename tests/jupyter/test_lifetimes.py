"""In a plain script: an explorer that nothing holds any more is freed with its model, whatever was asked of it."""

import json
import subprocess
import sys

SCRIPT = """
import copy, gc, json, sys, weakref
import ipywidgets, keras, numpy as np
from keras import layers
from weight_explorer import WeightExplorer

x, y = np.ones((32, 9), "float32"), np.ones((32, 3), "float32")

def build():
    model = keras.Sequential([keras.Input((9,)), layers.Dense(5, name="hidden"), layers.Dense(3, name="out")], name="small")
    model.compile("adam", "mse")
    return model

def look(explorer):
    str(explorer), repr(explorer), explorer.figure(), explorer.code(), explorer.to_csv(), explorer.findings
    explorer.select("out", role="bias", view="over_time", quantity="since_start")
    explorer.compare(0)
    explorer.pin("small/hidden/kernel", (1, 1))
    explorer.history.save(sys.argv[1])
    explorer.history.to_frame()

def change(explorer):
    explorer.freeze("small/out/bias")
    explorer.assign("small/hidden/bias", 0, 1.0)
    explorer.undo()
    explorer.reinitialize("small/hidden/kernel", seed=1)
    explorer.restore(0)
    explorer.check_frozen()

def loop(explorer):
    with explorer.training(epochs=1):
        explorer.record({"loss": 1.0}, epoch=0)

def files(explorer):
    explorer.history.save(sys.argv[1])
    other = WeightExplorer.load(sys.argv[1], build())
    str(other), other.figure()

def copied(explorer):
    callback = copy.deepcopy(explorer.callback)
    build().fit(x, y, verbose=0, callbacks=[callback])
    assert callback.explorer.history.num_recorded > 1

def break_off(explorer):
    class Break(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt
    try:
        build().fit(x, y, verbose=0, callbacks=[Break(), explorer.callback])
    except KeyboardInterrupt:
        pass

USES = {
    "trained": lambda explorer: None, "looked at": look, "changed": change, "loop": loop, "files": files, "copied": copied,
    "broken off": break_off,
    "beside": lambda explorer: explorer.fit(x, y, epochs=2).wait() and None,
    "given a size": lambda explorer: setattr(explorer.layout, "height", "300px"),
    "closed": lambda explorer: explorer.close(),
    "displayed and closed": lambda explorer: (explorer._repr_mimebundle_(), explorer.close()),
}

def alive(use):
    made = []
    for _ in range(5 if use == "trained" else 2):
        model = build()
        explorer = WeightExplorer(model)
        made += [weakref.ref(model), weakref.ref(explorer)]
        model.fit(x, y, verbose=0, callbacks=[explorer.callback])
        USES[use](explorer)
        del model, explorer
    gc.collect()
    return sum(reference() is not None for reference in made)

found = {use: alive(use) for use in USES}
models = sum(isinstance(each, keras.Sequential) for each in gc.get_objects())
held = WeightExplorer(build())
box = ipywidgets.HBox([held])  # somebody is to see it
reference = weakref.ref(held)
del held
gc.collect()
print(json.dumps([found, models, len(ipywidgets.widgets.widget._instances) > 50, reference() is box.children[0]]))
"""

TERMINAL = """
import ipywidgets, keras
from IPython.terminal.interactiveshell import TerminalInteractiveShell
from keras import layers
from weight_explorer import WeightExplorer

explorer = WeightExplorer(keras.Sequential([keras.Input((9,)), layers.Dense(5, name="hidden")], name="small"))
shell = TerminalInteractiveShell.instance(user_ns={"explorer": explorer})
shell.run_cell("explorer")
print(len(ipywidgets.widgets.widget._instances), "widgets")
"""


def run_script(*arguments):
    result = subprocess.run([sys.executable, "-c", *arguments], capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "Exception ignored" not in result.stderr
    return result


def test_dropped_explorers_are_freed_with_their_models(tmp_path):
    result = run_script(SCRIPT, str(tmp_path / "run.h5"))
    found, num_models, has_widgets, is_held = json.loads(result.stdout.splitlines()[-1])
    assert found == dict.fromkeys(found, 0)
    assert num_models == 0
    assert has_widgets
    assert is_held


def test_in_a_terminal_it_is_displayed_as_text_and_makes_no_widgets(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    result = run_script(TERMINAL)
    assert "small/hidden/kernel  (9, 5) = (input_dim, units)" in result.stdout
    assert result.stdout.splitlines()[-1] == "0 widgets"
