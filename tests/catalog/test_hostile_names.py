"""Whatever layers, weights and entries are called, names stay text: on the page, in figures, in files and in code."""

import csv
import io
import re
from xml.etree import ElementTree

import keras
import pytest
from keras import layers

from weight_explorer import WeightExplorer

SCRIPT = "<script>alert(1)<\\script>"
NAMES = {
    "script": SCRIPT,
    "attribute": "\"><img src=x onerror=alert('1')>",
    "quotes": 'a\'b"c\\d\\"e`f${g}{h}',
    "lines": "one\ntwo\r\nthree\ttab",
    "mathtext": "$x_{1}^{$ \\frac{1}{2}$",
    "right to left": "\u202eאבג\u202c مرحبا",
    "emoji and marks": "👩‍👩‍👧 e\u0301\u0301\u0301 \u200b\ufeff",
    "formula": "=cmd|' C calc'!A0",
    "percent": "%s %(name)s {0} {name!r}",
    "comment": "# x\nimport os",
    "endless": "n" * 10_000,
}
pytestmark = pytest.mark.filterwarnings("ignore:Glyph")  # no font has all of them
TAGS = re.compile(r"<\s*(script|img)", re.IGNORECASE)


@pytest.fixture(params=NAMES, scope="module")
def explorer(request):
    name = NAMES[request.param]
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name=name), layers.Dense(2, name="out")], name=f"m {name}")
    labels = {"out": [name, "plain"]}
    explorer = WeightExplorer(model, record_every="epoch", labels=labels)
    for key in explorer.catalog.weights:  # `fit` would refuse most of these names, in TensorFlow
        explorer.assign(key, None, 0.5)
    yield explorer, name, model
    explorer.close()


def check_saved(explorer):
    assert not explorer._panel.status.problem
    svg, table = (explorer._screen.export(kind).content.decode() for kind in ("svg", "csv"))
    assert not TAGS.search(svg.replace("<image", ""))
    ElementTree.fromstring(svg)
    rows = list(csv.reader(io.StringIO("\n".join(line for line in table.split("\n") if not line.startswith("#")))))
    assert len({len(row) for row in rows if row}) == 1
    compile(explorer.code(), "code", "exec")


@pytest.mark.parametrize("view", ["matrix", "units"])
def test_a_picture_is_drawn_and_saved_with_names_as_text(view, explorer):
    explorer, _, model = explorer
    explorer.select(model.layers[1], role="kernel", view=view)
    check_saved(explorer)


@pytest.mark.long
def test_every_view_is_drawn_and_saved_with_names_as_text(explorer):
    explorer, _, model = explorer
    for layer in model.layers:
        explorer.select(layer, role="kernel")
        for view, _ in explorer._panel.views.options:
            explorer.select(layer, role="kernel", view=view)
            check_saved(explorer)


def test_what_a_notebook_saves_has_no_markup_of_a_name(explorer):
    explorer, _, model = explorer
    explorer.select(model.layers[0], role="kernel", view="matrix")
    bundle = explorer._repr_mimebundle_()
    assert TAGS.findall(bundle["text/html"]) == ["img"]
    assert bundle["text/html"].count("<") == bundle["text/html"].count(">") == 5
    assert len(bundle["text/html"]) < 100_000 + len(bundle["image/png"])


def test_the_line_of_code_reads_that_very_variable(explorer):
    explorer, _, model = explorer
    for key, weight in explorer.catalog.weights.items():
        assert eval(weight.expression, {"model": model}) is explorer.catalog.variables[key]


def test_a_run_keeps_the_names(explorer, tmp_path):
    explorer, _, _ = explorer
    explorer.history.save(tmp_path / "run.h5")
    loaded = WeightExplorer.load(tmp_path / "run.h5")
    assert loaded.catalog.weights == dict(explorer.catalog.weights)
    loaded.close()
