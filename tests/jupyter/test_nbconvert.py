"""A notebook that was run from top to bottom, as HTML and as Markdown: picture and words are there, and it stays small."""

import copy
import re

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter, MarkdownExporter

CELLS = [
    """
import keras, numpy as np
from keras import layers
from weight_explorer import WeightExplorer
model = keras.Sequential([keras.Input((6,)), layers.Dense(5, name="hidden"), layers.Dense(3, name="out")], name="small")
model.compile("sgd", "mse")
explorer = WeightExplorer(model)
explorer
""",
    "_ = model.fit(np.ones((32, 6)), np.ones((32, 3)), epochs=2, verbose=0, callbacks=[explorer.callback])",
]


@pytest.fixture(scope="module")
def executed():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "python3", "language": "python"}
    NotebookClient(notebook, timeout=300, startup_timeout=300).execute()
    return notebook


@pytest.fixture(params=[True, False], ids=["with the state of widgets", "without"])
def notebook(request, executed):
    """As nbclient stores it, and as JupyterLab does, which leaves the state of widgets out unless it is told to store it."""
    notebook = copy.deepcopy(executed)
    if not request.param:
        del notebook.metadata["widgets"]
    return notebook


def test_html_has_the_panel_where_its_state_is_stored_and_else_the_words_and_the_picture_of_the_end(notebook):
    text, _ = HTMLExporter().from_notebook_node(notebook)
    assert "finished · epoch 2 of 2" in text or "finished \\u00b7 epoch 2 of 2" in text
    assert ("application/vnd.jupyter.widget-view+json" in text) == ("widgets" in notebook.metadata)
    assert bool(re.search(r"<img [^>]*alt=.WeightExplorer of", text)) == ("widgets" not in notebook.metadata)
    assert "Traceback" not in text
    assert len(text) < 1_000_000  # of which 290 000 are nbconvert's own styles, and 400 000 the state, where it is stored


def test_markdown_has_the_words_and_the_picture_of_the_end(notebook):
    text, _ = MarkdownExporter().from_notebook_node(notebook)
    assert "finished · epoch 2 of 2" in text
    assert "data:image/png;base64," in text
    assert "Traceback" not in text
    assert len(text) < 100_000
