"""In a real kernel: a cell that is run again and again leaves no widgets, threads, explorers or models behind."""

import json
import sys
import time

import pytest
from jupyter_client.manager import KernelManager

SETUP = """
import gc, json, threading
import ipywidgets, keras
from keras import layers
from weight_explorer import WeightExplorer

def make():
    return keras.Sequential([keras.Input((6,)), layers.Dense(5, name="hidden"), layers.Dense(3, name="out")], name="small")

def count():
    gc.collect()
    things = gc.get_objects()
    kinds = {kind.__name__: sum(isinstance(each, kind) for each in things) for kind in (keras.Sequential, WeightExplorer)}
    things.clear()  # it holds what holds it, and all else
    print(json.dumps(kinds | {"widgets": len(ipywidgets.widgets.widget._instances), "threads": threading.active_count()}))

model = make()
"""
MAKE = "model = make()\n"
SHOW = "explorer = WeightExplorer(model)\nexplorer"


@pytest.fixture(scope="module")
def kernel():
    """A kernel of this environment; runs code as the cell of a name, and returns what it printed."""
    manager = KernelManager()
    manager.kernel_spec.argv[0] = sys.executable
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=120)

    def run(code, cell=None):
        printed = []

        def take(message):
            content = message["content"]
            assert message["msg_type"] != "error", "\n".join(content["traceback"])
            printed.append(content["text"] if message["msg_type"] == "stream" and content["name"] == "stdout" else "")

        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        message = client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
        client.shell_channel.send(message)
        while True:
            answer = client.get_iopub_msg(timeout=120)
            if answer["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            take(answer)
            if answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
                return "".join(printed)

    yield run
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.fixture
def run(kernel):
    kernel("%reset -f\nimport ipywidgets\nipywidgets.Widget.close_all()")
    kernel(SETUP)
    return kernel


@pytest.mark.parametrize(
    ("cell", "times"),
    [("named", 10), (None, 5), pytest.param("named", 50, marks=pytest.mark.long)],
    ids=["the front end names cells", "it does not", "fifty times"],
)
def test_a_cell_that_is_run_again_and_again_leaves_nothing_behind(run, cell, times):
    counts = []
    for _ in range(times):
        run(MAKE + SHOW, cell)
        if not counts:
            counts.append(json.loads(run("count()")))
    counts.append(json.loads(run("count()")))
    assert counts[0] == counts[1]
    assert counts[0]["WeightExplorer"] == counts[0]["Sequential"] == 1


def test_explorers_that_are_made_again_and_never_shown_do_not_pile_up(run):
    counts = []
    for _ in range(4):
        run("explorer = WeightExplorer(model)", "make")
        counts.append(json.loads(run("count()"))["WeightExplorer"])
    assert counts == [1, 1, 1, 1]


def test_a_dropped_explorer_that_was_never_displayed_is_freed_with_its_model(run):
    before = json.loads(run("del model\ncount()"))
    training = "done = explorer.fit(x, y, epochs=2).wait()\ndel done"
    for use in ("", training, "print(explorer)\nfound, figure = explorer.findings, explorer.figure()"):
        run("import numpy as np\nx, y = np.ones((8, 6)), np.ones((8, 3))")
        run("model = make()\nmodel.compile('sgd', 'mse')\nexplorer = WeightExplorer(model)", "make")
        run("done = model.fit(x, y, verbose=0, callbacks=[explorer.callback])\ndel done\nexplorer.select('out')\n" + use)
        assert json.loads(run("del model, explorer\ncount()")) == before


def test_explorers_are_freed_while_the_cell_that_trains_them_still_runs(run):
    code = """
import numpy as np
for number in range(3):
    model = make()
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 6)), np.ones((8, 3)), verbose=0, callbacks=[WeightExplorer(model).callback])
    del model
count()
"""
    counts = json.loads(run(code).splitlines()[-1])  # TensorFlow may warn above it
    assert counts["WeightExplorer"] == counts["Sequential"] == 0


@pytest.mark.parametrize("again", ["pass", "explorer = WeightExplorer(model)", "1 / 0"])
def test_a_displayed_explorer_is_freed_when_its_cell_runs_again_without_showing_one(run, again):
    run("model = make()\nexplorer = WeightExplorer(model)\nexplorer", "show")
    assert json.loads(run("count()"))["WeightExplorer"] == 1
    run("import weakref\nseen = weakref.ref(explorer), weakref.ref(model)\nmodel = make()\nexplorer = None")
    assert run("gc.collect()\nprint([each() is None for each in seen])") == "[False, False]\n"
    run("try:\n    " + again + "\nexcept ZeroDivisionError:\n    pass", "show")
    assert run("gc.collect()\nprint([each() is None for each in seen])") == "[True, True]\n"


def test_a_displayed_explorer_that_a_variable_holds_stays_when_its_cell_runs_again(run):
    run("explorer = WeightExplorer(model)\nexplorer", "show")
    run("pass", "show")
    assert run("print(explorer.comm is not None)") == "True\n"


def test_a_docked_explorer_stays_when_its_cell_runs_again_without_one(run):
    run("WeightExplorer(model).dock()", "dock")
    run("WeightExplorer(model)", "show")
    run("pass", "dock")
    assert json.loads(run("count()"))["WeightExplorer"] == 2
    run("pass", "show")
    assert json.loads(run("count()"))["WeightExplorer"] == 1


def test_an_explorer_that_is_shown_late_or_in_a_box_shows_what_was_chosen_and_trained_before(run):
    run(
        "import numpy as np\nmodel.compile('sgd', 'mse')\nexplorer = WeightExplorer(model)\nexplorer.select('out', role='bias')"
    )
    run("done = model.fit(np.ones((8, 6)), np.ones((8, 3)), verbose=0, callbacks=[explorer.callback])")
    assert run("print(explorer.comm, len(ipywidgets.widgets.widget._instances))") == "None 0\n"
    run("box = ipywidgets.HBox([explorer])\nbox", "show")
    parts = "{type(each).__name__: each for each in ipywidgets.widgets.widget._instances.values()}"
    run(f"parts = {parts}\nstatus, tree = parts['StatusWidget'], parts['TreeWidget']")
    assert run("print(explorer.comm is not None, tree.selected, status.phase)") == "True small/out finished\n"


def test_what_is_held_by_a_name_or_a_list_or_shown_by_another_cell_stays_open(run):
    run("held = []")
    run(SHOW, "a")
    run("other = explorer", "b")
    run(SHOW + "\nheld.append(explorer)\nexplorer", "a")
    run("box = ipywidgets.HBox([explorer])")
    run(SHOW, "a")
    first_of_c = "c = WeightExplorer(model)\nc"
    run(first_of_c, "c")
    run("import weakref\nseen = weakref.ref(c)\nc", "d")
    run(first_of_c, "c")
    assert run("print(other.comm is not None, held[0].comm is not None, seen().comm is not None)") == "True True True\n"
    run("c", "d")
    assert run("import gc\ngc.collect()\nprint(seen() is None)") == "True\n"


def test_explorers_of_one_run_of_a_cell_stay_open_together(run):
    code = "for _ in range(3):\n    display(WeightExplorer(model))"
    run(code, "loop")
    assert json.loads(run("count()"))["WeightExplorer"] == 3
    run(code, "loop")
    assert json.loads(run("count()"))["WeightExplorer"] == 3


def test_an_explorer_that_follows_a_training_stays_open(run):
    run("import numpy as np\nmodel.compile('sgd', 'mse')\nx, y = np.ones((8, 6)), np.ones((8, 3))")
    run(SHOW, "a")
    run("import weakref\ntraining, seen = explorer.fit(x, y, epochs=10**9), weakref.ref(explorer)")
    run(SHOW, "a")
    assert run("print(seen().comm is not None, training.is_running)") == "True True\n"
    run("training.stop()\n_ = training.wait(60)\ndel training")
    run(SHOW, "a")
    assert run("import gc\ngc.collect()\nprint(seen() is None or seen().comm is None)") == "True\n"


def test_a_closed_explorer_that_is_shown_again_shows_its_picture_and_no_panel(run):
    run(SHOW, "a")
    run("explorer.close()")
    shown = run(
        "from IPython.utils.capture import capture_output\n"
        "with capture_output() as captured:\n    display(explorer)\n"
        "print(sorted(captured.outputs[0].data))"
    )
    assert shown == "['image/png', 'text/html', 'text/plain']\n"


def test_what_a_callback_or_an_error_holds_stays_open_until_it_is_let_go(run):
    run(SHOW + "\ncallbacks = [explorer.callback]\nexplorer", "a")
    run("import weakref\nseen = weakref.ref(explorer)")
    run(SHOW, "a")
    assert run("print(seen().comm is not None, callbacks[0].explorer is seen())") == "True True\n"
    run("callbacks.clear()")
    assert run("gc.collect()\nprint(seen() is None)") == "True\n"


def test_an_explorer_that_lives_on_is_shown_again_by_a_page_that_is_loaded_again_and_hears_it(run):
    run(SHOW, "a")
    run("held = explorer\nmodel_id = held.model_id")
    run(SHOW, "a")
    assert run("print(model_id in ipywidgets.Widget.get_manager_state()['state'])") == "True\n"
    run("held.comm.handle_msg({'content': {'data': {'method': 'update', 'state': {'tooltip': 'heard'}}}, 'buffers': []})")
    assert run("print(held.tooltip)") == "heard\n"
    run("from IPython.utils.capture import capture_output\nwith capture_output():\n    display(held)", "b")
    run("del held")
    assert run("gc.collect()\nprint(model_id in ipywidgets.widgets.widget._instances)") == "True\n"  # cell b shows it
    run("pass", "b")
    assert run("gc.collect()\nprint(model_id in ipywidgets.widgets.widget._instances)") == "False\n"


def test_what_out_remembers_of_a_cell_that_ran_again_is_forgotten_and_names_are_not(run):
    run("WeightExplorer(model)", "a")
    run("mine = _")
    run("WeightExplorer(model)", "a")
    assert run("print(sum(isinstance(each, WeightExplorer) for each in Out.values()), mine.comm is not None)") == "1 True\n"


def test_while_a_cell_is_running_no_other_thread_changes_weights(run):
    run("import threading\nexplorer, errors = WeightExplorer(model), []")
    run("def change():\n    try:\n        explorer.assign('small/out/bias', 0, 1.0)\n"
        "    except RuntimeError as error:\n        errors.append(str(error))\n")  # fmt: skip
    run("def later():\n    may_begin.wait(60)\n    time.sleep(0.5)\n    change()\n")
    run("thread = threading.Thread(target=change)\nthread.start()\nthread.join()")
    assert run("print(errors)") == "['A cell is running, and may be training the model. Assign when it has ended.']\n"
    run("change()")
    run("import time\nmay_begin = threading.Event()\nthread = threading.Thread(target=later)\nthread.start()\nmay_begin.set()")
    time.sleep(2)
    assert run("print(len(errors), explorer.undo(), explorer.undo())") == (
        "1 assigned 1 to 1 element (0) of small/out/bias assigned 1 to 1 element (0) of small/out/bias\n"
    )
