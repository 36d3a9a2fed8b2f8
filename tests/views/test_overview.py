"""The overview says of every weight at every record what NumPy says, in the order of the tree, and marks what has no number."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from tests.records import Variable, record, weight_of
from weight_explorer.catalog.schema import Catalog, LayerNode
from weight_explorer.diagnosis.findings import DiagnosisResult, Finding, Findings
from weight_explorer.diagnosis.merging import merge_findings
from weight_explorer.panel.choice_from_args import choice_from_args, choice_from_click
from weight_explorer.panel.state import PanelContext, compose_panel_state
from weight_explorer.pictures.data import EmptyPicture, HeatmapPicture
from weight_explorer.pictures.figure import figure_png, make_figure
from weight_explorer.pictures.heatmap.widget import HeatmapWidget
from weight_explorer.pictures.table import picture_csv
from weight_explorer.pictures.text import describe_picture
from weight_explorer.recording.live_history import LiveHistory
from weight_explorer.recording.recorder import Recorder
from weight_explorer.recording.records import Record
from weight_explorer.recording.status import TrainingStatus
from weight_explorer.storage.checkpoint_history import CheckpointHistory
from weight_explorer.storage.run_reader import RunHistory
from weight_explorer.views.choice import OVERVIEW, Choice, resolve
from weight_explorer.views.lazy_matrix import MAX_CELLS
from weight_explorer.views.overview import overview_view
from weight_explorer.views.overview.measures import MEASURES

CHOICE = Choice(layer="m", overview=True)
KEYS = ("m/first/kernel", "m/first/bias", "m/inner/twin/kernel", "m/outer/twin/kernel")


class Model:
    """Arrays that stand for a model's variables, recorded one after the other."""

    def __init__(self, *keys, memory=10**8, shape=(3, 4)):
        self.random = np.random.default_rng(1)
        self.history = LiveHistory(memory)
        self.recorder = Recorder(self.history, lambda variables: [each.values for each in variables])
        self.shape = shape
        self.values = {}
        self.grow(*keys)
        self.kept = []

    def grow(self, *keys):
        new = {key: Variable(self.random.normal(size=self.shape).astype(np.float32)) for key in keys}
        self.values |= new
        weights = {key: replace(weight_of(key, each.values), name=key.rpartition("/")[2]) for key, each in self.values.items()}
        self.catalog = Catalog(tree_of(tuple(weights)), weights, dict(self.values))

    def record(self, epoch=0, batch=0, kind="batch"):
        self.kept.append({key: each.values.copy() for key, each in self.values.items()})
        return record(self.recorder, self.catalog, epoch=epoch, batch=batch, kind=kind)

    def train(self, count):
        """Make records, each a batch after the one before."""
        for _ in range(count):
            number = len(self.kept)
            if number:
                for each in self.values.values():
                    each.values = each.values + self.random.normal(scale=1e-3, size=self.shape).astype(np.float32)
            self.record(epoch=0, batch=number, kind="batch" if number else "start")
        return self

    def draw(self, findings=Findings(), **options):  # noqa: B008 - a tuple
        return overview_view.draw(self.catalog, self.history.snapshot(), choosing(**options), findings)


def choosing(choice=CHOICE, **options):
    return replace(choice, options={(OVERVIEW, OVERVIEW, name): value for name, value in options.items()})


def tree_of(keys):
    """A tree of layers from the keys of weights."""
    layers = {}
    for key in keys:
        layers.setdefault(key.rpartition("/")[0], []).append(key)

    def node(path):
        below = dict.fromkeys(
            "/".join(layer.split("/")[: path.count("/") + 2]) for layer in layers if layer.startswith(f"{path}/")
        )
        return LayerNode(
            path, path.rpartition("/")[2], "Layer", weights=tuple(layers.get(path, ())), children=tuple(map(node, below))
        )

    return node("m")


def norm(values):
    return float(np.linalg.norm(values.astype(np.float64)))


def expected(name, kept, key, n):
    """What NumPy says of a weight at a record that is not its first."""
    now, before, start = kept[n][key], kept[n - 1][key], kept[0][key]
    return {
        "update_ratio": lambda: norm(now - before) / norm(now),
        "batch_ratio": lambda: norm(now - before) / norm(now),
        "since_start": lambda: norm(now - start) / norm(start),
        "moved": lambda: 100 * np.mean(now != before),
        "norm": lambda: norm(now),
        "std": lambda: now.astype(np.float64).std(),
        "largest_change": lambda: np.abs(now - before).max(),
        "zeros": lambda: 100 * np.mean(now == 0),
        "broken": lambda: np.count_nonzero(~np.isfinite(now)),
    }[name]()


@pytest.mark.parametrize("name", MEASURES)
def test_every_number_is_numpys(name):
    model = Model(*KEYS).train(6)
    model.values[KEYS[1]].values[0, :2] = 0
    model.values[KEYS[2]].values = model.values[KEYS[2]].values * np.float32(0.5)
    model.record(batch=6)
    picture = model.draw(statistic=name)
    assert isinstance(picture, HeatmapPicture)
    values = picture.values()
    assert values.shape == (4, 7)
    for row, key in enumerate(picture.weight_keys):
        for n in range(1, 7):
            assert values[row, n] == pytest.approx(expected(name, model.kept, key, n), rel=1e-4), (key, n)


@pytest.mark.parametrize("name", ["update_ratio", "batch_ratio", "since_start", "moved", "largest_change"])
def test_the_first_record_of_a_weight_has_no_change(name):
    model = Model(*KEYS[:2]).train(3)
    model.grow(*KEYS[2:])
    model.train(2)
    values = model.draw(statistic=name).values()
    assert np.isnan(values).tolist() == [[True, *[False] * 4]] * 2 + [[*[True] * 4, False]] * 2
    shown = model.draw(statistic="norm").values()
    assert np.isnan(shown).tolist() == [[False] * 5] * 2 + [[*[True] * 3, False, False]] * 2


def test_rows_are_in_the_order_of_the_tree_with_short_names_that_differ():
    model = Model(*KEYS).train(2)
    axis = model.draw().rows[0]
    assert model.draw().weight_keys == KEYS
    assert axis.labels == ("first / kernel", "first / bias", "inner / twin / kernel", "outer / twin / kernel")
    assert [(block.start, block.stop) for block in axis.blocks] == [(0, 2), (2, 3), (3, 4)]


def test_a_weight_that_several_layers_share_has_one_row():
    model = Model(*KEYS).train(2)
    child = replace(model.catalog.root.children[0], path="m/again", weights=KEYS[:1], children=())
    root = replace(model.catalog.root, children=(*model.catalog.root.children, child))
    shared = Catalog(root, model.catalog.weights)
    assert overview_view.draw(shared, model.history.snapshot(), CHOICE, Findings()).weight_keys == KEYS


def test_what_is_exactly_0_is_marked_and_not_colored():
    model = Model(*KEYS).train(2)
    for each in list(model.values.values())[:3]:
        each.values = each.values + np.float32(0.1)
    model.record(batch=2)
    picture = model.draw()
    assert (picture.cells[:, 2] == -np.inf).tolist() == [False, False, False, True]
    assert picture.scale.zero_text == "nothing moved"
    assert "nothing moved in 1 weight." in picture.caption


@pytest.mark.parametrize(
    ("special", "mark"), [(np.nan, "nans"), (np.inf, "positive_infs"), (-np.inf, "positive_infs")], ids=str
)
@pytest.mark.parametrize("name", [name for name in MEASURES if name != "broken"])
def test_a_weight_with_nan_or_inf_is_marked_whatever_its_other_elements_say(name, special, mark):
    model = Model(*KEYS).train(3)
    model.values[KEYS[1]].values[1, 1] = special
    model.record(batch=3)
    picture = model.draw(statistic=name)
    assert getattr(picture.special_counts, mark) == 1
    assert np.isfinite(picture.scale.low)
    assert np.isfinite(picture.scale.high)
    cell = picture.cells[1, 3]
    assert np.isnan(cell) if np.isnan(special) else cell == np.inf
    counted = model.draw(statistic="broken")
    assert (counted.values()[:, 3] == [0, 1, 0, 0]).all()


def test_the_usual_ratio_is_in_the_middle_of_colors_that_go_out_from_it():
    model = Model(*KEYS).train(3)
    shades = model.draw().scale
    assert shades.is_diverging
    ticks = {words: float(shades.values(np.array([cell or 1e-30]))[0]) for cell, words in shades.ticks}
    assert ticks["1e-3 usual"] == pytest.approx(1e-3)
    assert ticks["≤ 1e-6"] == pytest.approx(1e-6)
    assert ticks["≥ 1"] == pytest.approx(1)
    assert (shades.low + shades.high) / 2 == pytest.approx(0)


def test_what_is_usual_grows_with_the_batches_between_records():
    model = Model(*KEYS)
    for number in range(5):
        for each in model.values.values():
            each.values = each.values * np.float32(1.01)
        model.record(batch=100 * number, kind="batch" if number else "start")
    shades = model.draw().scale
    middle = float(shades.values(np.array([(shades.low + shades.high) / 2]))[0])
    assert middle == pytest.approx(1e-2)
    assert "1e-2 over the 100 batches" in model.draw().caption
    ratio, per_batch = (model.draw(statistic=name).values()[:, 1:] for name in ("update_ratio", "batch_ratio"))
    np.testing.assert_allclose(per_batch, ratio / 100, rtol=1e-4)


def test_where_the_number_of_batches_is_unknown_nothing_is_called_usual():
    model = Model(*KEYS).train(5)
    steps = [Record(number, number, 0, float(number), "checkpoint", name=f"{number:02d}.keras") for number in range(5)]
    past = CheckpointHistory(steps, {key: range(5) for key in KEYS}, lambda n, key: model.kept[n][key], 10**6, model.catalog)
    picture = overview_view.draw(model.catalog, past, choosing(), Findings())
    assert not picture.scale.is_diverging
    assert "White is the usual" not in picture.caption
    assert "How many batches lie between two records is unknown, so what is usual is unknown too." in picture.caption
    values = picture.values()
    known = values[np.isfinite(values) & (values > 0)]
    low, high = (float(picture.scale.values(np.array([end]))[0]) for end in (picture.scale.low, picture.scale.high))
    assert low <= known.min() < known.max() <= high
    assert not any("usual" in words for _, words in picture.scale.ticks)
    per_batch = overview_view.draw(model.catalog, past, choosing(statistic="batch_ratio"), Findings())
    assert (per_batch.cells == 0).all()
    assert "is unknown everywhere: no value" in per_batch.caption


def test_records_of_unknown_distance_among_others_are_counted():
    model = Model(*KEYS).train(4)
    model.record(epoch=2, kind="epoch")
    model.record(epoch=2, batch=4)
    caption = model.draw().caption
    assert "White is the usual" in caption
    assert "How many batches lie between two records is unknown for 2 of 5: their colors may mislead." in caption


def test_the_end_of_an_epoch_is_no_column_of_its_own_where_its_last_batch_is_one():
    model = Model(*KEYS)
    model.record(kind="start")
    for epoch in range(3):
        for batch in (1, 2):
            for each in model.values.values():
                each.values = each.values * np.float32(1.01)
            model.record(epoch=epoch, batch=batch)
        model.history.set_epoch_length(epoch, 2)
        model.record(epoch=epoch + 1, kind="epoch")
    picture = model.draw()
    assert picture.size == (4, 7)
    assert not (picture.cells == -np.inf).any()
    assert picture.ticks == ((2, "1"), (4, "2"), (6, "3"))
    assert picture.columns[0].name == "epoch"


def test_each_row_may_be_colored_to_its_own_largest():
    model = Model(*KEYS).train(4)
    picture = model.draw(statistic="norm", rows="own")
    norms = np.array([[norm(kept[key]) for kept in model.kept] for key in KEYS])
    np.testing.assert_allclose(picture.cells, norms / norms.max(axis=1, keepdims=True), rtol=1e-4)
    np.testing.assert_allclose(picture.values(), norms, rtol=1e-4)
    assert (picture.scale.low, picture.scale.high) == (0, 1)
    assert model.draw(statistic="moved", rows="own").row_maxima is None  # shares are comparable


def test_one_record_and_none_say_what_to_do():
    model = Model(*KEYS)
    assert isinstance(model.draw(), EmptyPicture)
    picture = model.train(1).draw()
    assert isinstance(picture, HeatmapPicture)
    assert "Train" in picture.caption
    assert (picture.cells == 0).all()
    assert (model.draw(statistic="norm").values() > 0).all()


def test_of_many_records_a_cell_shows_the_one_that_must_not_be_missed():
    model = Model(*KEYS, shape=(2,)).train(1500)
    model.values[KEYS[0]].values = model.values[KEYS[0]].values * np.float32(3)
    model.record(batch=1500)
    model.train(400)
    model.values[KEYS[3]].values[0] = np.nan
    model.record(batch=1901)
    model.values[KEYS[3]].values[0] = 0
    model.train(100)
    picture = model.draw()
    assert picture.cells.shape[1] <= MAX_CELLS
    assert picture.size == (4, 2002)
    values = picture.values()
    assert values[0].max() == pytest.approx(2 / 3, rel=1e-5)
    assert np.argmax(values[0]) == 1500 // picture.column_step
    assert np.isnan(picture.cells[3]).any()
    assert "each cell the one that stands out most of" in picture.caption
    close = overview_view.draw(
        model.catalog, model.history.snapshot(), replace(CHOICE, viewport=(OVERVIEW, (0, 4, 1490, 1510))), Findings()
    )
    assert (close.row_step, close.column_step) == (1, 1)
    assert close.values()[0, 1500 - close.top_left[1]] == pytest.approx(2 / 3, rel=1e-5)
    assert close.overview is not None


def test_adding_a_record_computes_that_record_only(monkeypatch):
    model = Model(*KEYS).train(50)
    model.draw()
    seen = []
    of = MEASURES["update_ratio"].compute
    monkeypatch.setitem(MEASURES, "update_ratio", replace(MEASURES["update_ratio"], compute=of))
    cells = type(MEASURES["update_ratio"]).cells
    monkeypatch.setattr(
        type(MEASURES["update_ratio"]),
        "cells",
        lambda self, rows, starts: (seen.append(len(rows)), cells(self, rows, starts))[1],
    )
    other = Model(*KEYS).train(50)
    other.draw()
    assert sum(seen) == 50
    other.train(1)
    other.draw()
    other.draw()
    assert sum(seen) == 51


def test_records_that_were_thinned_away_leave_the_table():
    model = Model(*KEYS, memory=900_000)
    for _ in range(40):
        model.train(10)
        picture = model.draw(statistic="norm")
        numbers = [step.number for step in model.history.records]
        assert picture.size == (4, len(numbers))
        for row, key in enumerate(KEYS):
            np.testing.assert_allclose(picture.values()[row], [norm(model.kept[n][key]) for n in numbers], rtol=1e-4)
    assert len(numbers) < 400


def test_an_older_snapshot_still_draws_what_it_knows():
    model = Model(*KEYS).train(5)
    before = model.history.snapshot()
    model.train(5)
    model.draw()
    picture = overview_view.draw(model.catalog, before, CHOICE, Findings())
    assert picture.size == (4, 5)
    assert model.draw().size == (4, 10)


def test_a_weight_that_was_replaced_starts_anew():
    model = Model(*KEYS).train(3)
    model.draw()
    model.values[KEYS[0]] = Variable(np.ones((3, 4), np.float32))
    model.grow()
    model.train(2)
    assert np.isnan(model.draw().values()[0]).tolist() == [True] * 4 + [False]


def test_a_loaded_run_shows_the_same(tmp_path):
    model = Model(*KEYS).train(6)
    model.history.save(tmp_path / "run.h5")
    run = RunHistory(tmp_path / "run.h5")
    for name in MEASURES:
        loaded = overview_view.draw(model.catalog, run, choosing(statistic=name), Findings())
        np.testing.assert_array_equal(loaded.cells, model.draw(statistic=name).cells)


def test_checkpoints_show_the_same():
    model = Model(*KEYS).train(5)
    steps = [
        Record(number, number, 0, float(number), "checkpoint", name=f"{number:02d}.keras", keras_epoch=number)
        for number in range(5)
    ]
    past = CheckpointHistory(steps, {key: range(5) for key in KEYS}, lambda n, key: model.kept[n][key], 10**6, model.catalog)
    for name in ("update_ratio", "since_start", "norm", "moved"):
        drawn = overview_view.draw(model.catalog, past, choosing(statistic=name), Findings())
        np.testing.assert_allclose(drawn.values(), model.draw(statistic=name).values(), rtol=1e-4)
    assert drawn.columns[0].labels[2] == "record 2 (02.keras)"
    assert drawn.ticks[-1] == (4, "4")


def test_a_sampled_weight_has_its_estimated_change():
    model = Model("m/large/kernel", memory=500_000, shape=(600, 700)).train(3)
    assert model.history.weight_history("m/large/kernel").sample is not None
    value = model.draw().values()[0, -1]
    assert value == pytest.approx(expected("update_ratio", model.kept, "m/large/kernel", 2), rel=0.1)
    assert "estimated" in model.draw().caption
    assert "estimated" not in model.draw(statistic="norm").caption


# -- findings ------------------------------------------------------------------------------------------------------------


def finding(key, severity="warning", step=2, **more):
    return Finding("odd", severity, key, key.rpartition("/")[0], step, 0, f"Something is odd with {key}.", **more)


def test_findings_are_marked_at_their_rows_and_records():
    model = Model(*KEYS).train(4)
    found = Findings([finding(KEYS[1], "error"), finding(KEYS[2], step=3, keys=KEYS[2:]), finding("m/gone/kernel")])
    picture = model.draw(found)
    assert [(each.row, each.column, each.severity) for each in picture.finding_markers] == [
        (1, 2, "error"),
        (2, 3, "warning"),
        (3, 3, "warning"),
    ]
    assert "1 error, 2 warnings" in describe_picture(picture, "m")


def scene_of(model, choice=CHOICE, **circumstances):
    return compose_panel_state(model.catalog, model.history.snapshot(), choice, TrainingStatus(), PanelContext(**circumstances))


def test_all_findings_are_listed_the_gravest_first_for_every_selection():
    model = Model(*KEYS).train(4)
    findings = Findings([finding(KEYS[2], "error"), finding(KEYS[1], "note")])
    for choice in (CHOICE, Choice(), Choice(layer="m/first")):
        found = scene_of(model, choice, examined=DiagnosisResult(findings, 3)).finding_list
        assert (found.heading, found.counts) == ("2 findings: 1 error, 1 note", "1 error, 1 note")
        assert [(entry.severity, entry.location, entry.key, entry.others) for entry in found.entries] == [
            ("error", "twin", KEYS[2], ()),
            ("note", "first", KEYS[1], ()),
        ]


def test_a_list_of_findings_says_what_it_is_of_and_when_there_are_none():
    model = Model(*KEYS).train(4)
    assert scene_of(model, examined=DiagnosisResult(Findings(), 3)).finding_list.heading == "Nothing was found up to record 3."
    assert scene_of(model).finding_list.heading == "Not examined yet."
    old = scene_of(model, examined=DiagnosisResult(Findings([finding(KEYS[0])]), 2)).finding_list
    assert old.heading == "1 finding: 1 warning (as of record 2)"
    assert old.counts == "1 warning"


def test_one_finding_in_many_weights_is_one_note_and_a_mark_at_each_with_its_own_sentence():
    model = Model(*KEYS).train(4)
    found = Findings(merge_findings([finding(key, step=3, cause="same") for key in KEYS]))
    picture = model.draw(found)
    assert [(each.row, each.sentence) for each in picture.finding_markers] == [
        (row, f"Something is odd with {key}.") for row, key in enumerate(KEYS)
    ]
    assert "Findings: 1 warning, marked at 4 weights." in describe_picture(picture, "m")
    notes = [line for line in picture_csv(picture, "m").splitlines() if "odd" in line]
    assert len(notes) == 1
    assert "The same was found in" in notes[0]
    panel = HeatmapWidget()
    panel.show(picture, "m")
    assert [panel.finding_markers["sentences"][mark[3]] for mark in panel.finding_markers["marks"]] == [
        f"Something is odd with {key}." for key in KEYS
    ]


# -- the choice ----------------------------------------------------------------------------------------------------------


def test_the_whole_model_shows_the_overview_and_other_roles_beside_it():
    model = Model(*KEYS).train(2)
    history = model.history.snapshot()
    start = Choice()
    assert not resolve(model.catalog, start).is_overview
    at_root = choice_from_click(model.catalog, history, start, "layer", "m")
    assert resolve(model.catalog, at_root).roles == (OVERVIEW, "kernel")
    assert scene_of(model, at_root).view == OVERVIEW
    kernels = choice_from_click(model.catalog, history, at_root, "role", "kernel")
    assert resolve(model.catalog, kernels).weight.key == KEYS[0]
    back = choice_from_click(model.catalog, history, kernels, "role", OVERVIEW)
    assert resolve(model.catalog, back).is_overview


def test_walking_over_the_overview_keeps_role_and_view():
    model = Model(*KEYS).train(2)
    history = model.history.snapshot()
    choice = Choice(role="kernel")
    for field, value in (("view", "distribution"), ("layer", "m"), ("layer", "m/first")):
        choice = choice_from_click(model.catalog, history, choice, field, value)
    assert resolve(model.catalog, choice).role == "kernel"
    assert scene_of(model, choice).view == "distribution"


def test_a_click_on_a_row_goes_to_its_weight_and_stays_live():
    model = Model(*KEYS).train(2)
    model.catalog.weights[KEYS[3]]
    weights = {key: replace(weight, layer=key.rpartition("/")[0]) for key, weight in model.catalog.weights.items()}
    catalog = replace(model.catalog, weights=weights)
    choice = choice_from_click(catalog, model.history.snapshot(), CHOICE, "place", KEYS[3])
    selection = resolve(catalog, choice)
    assert (selection.node.path, selection.role, selection.weight.key) == ("m/outer/twin", "kernel", KEYS[3])
    assert choice.record is None
    assert choice_from_click(catalog, model.history.snapshot(), CHOICE, "place", "m/gone") == CHOICE


def ask(model, choice, **asked):
    every = dict.fromkeys(("layer", "role", "weight", "block", "view", "quantity", "step")) | {"options": {}}
    return choice_from_args(model.catalog, model.history.snapshot(), choice, every | asked)


def test_python_goes_to_the_overview_from_anywhere_and_away_from_it():
    model = Model(*KEYS).train(2)
    there = ask(model, Choice(layer="m/first"), view=OVERVIEW, options={"statistic": "norm", "rows": "own"})
    assert scene_of(model, there).picture.row_maxima is not None
    assert ask(model, Choice(layer="m/first"), layer="m").overview
    assert ask(model, there, step=1).overview
    assert not ask(model, there, layer="first").overview
    assert not ask(model, there, view="matrix").overview
    assert not ask(model, there, role="kernel").overview
    with pytest.raises(ValueError, match="no layer"):
        ask(model, Choice(), layer="first", view=OVERVIEW)
    with pytest.raises(ValueError, match="Did you mean 'norm'"):
        ask(model, Choice(), view=OVERVIEW, options={"statistic": "norms"})
    with pytest.raises(ValueError, match="Did you mean 'overview'"):
        ask(model, Choice(), view="overviev")


def test_a_model_whose_root_alone_has_weights_starts_with_them_and_offers_the_overview():
    model = Model("m/kernel").train(2)
    selection = resolve(model.catalog, Choice())
    assert selection.roles == (OVERVIEW, "kernel")
    assert selection.weight.key == "m/kernel"
    assert resolve(model.catalog, choice_from_click(model.catalog, model.history, Choice(), "role", OVERVIEW)).is_overview
    assert model.draw().rows[0].labels == ("kernel",)


def test_a_model_without_weights_has_no_overview():
    catalog = Catalog(LayerNode("m", "m", "Sequential", built=False), {})
    scene = compose_panel_state(catalog, LiveHistory(10**6), CHOICE, TrainingStatus())
    assert "Not built yet" in scene.picture.caption
    assert OVERVIEW not in scene.resolved.roles


# -- figures and files ---------------------------------------------------------------------------------------------------


def hard():
    """Everything at once: NaN, Inf, what does not move, a weight that comes later, findings, another fit, an edit."""
    model = Model(*KEYS[:3]).train(4)
    model.values[KEYS[0]].values[0, 0] = np.nan
    model.values[KEYS[1]].values[0, 0] = np.inf
    model.history.begin_fit()
    model.history.begin_fit()
    model.record(epoch=1, kind="epoch")
    model.grow(KEYS[3])
    model.record(epoch=1, kind="edited")
    return model, Findings([finding(key, severity) for key, severity in zip(KEYS, ("error", "warning", "note"), strict=False)])


@pytest.mark.parametrize("name", MEASURES)
def test_everything_is_drawn_as_a_figure_and_as_csv(name):
    model, found = hard()
    picture = model.draw(found, statistic=name)
    assert len(picture.edits) == 1
    assert len(picture.fit_boundaries) == 1
    assert len(figure_png(make_figure(picture, "m / every weight"))) > 5000
    lines = [line for line in picture_csv(picture, "m").splitlines() if not line.startswith("#")]
    head, *rows = csv.reader(io.StringIO("\n".join(lines)))
    assert head[0] == "weight"
    assert [row[0] for row in rows] == list(picture.rows[0].labels)
    read = np.array([[float(cell or "nan") for cell in row[1:]] for row in rows])
    np.testing.assert_allclose(read, picture.values(), rtol=1e-6)


def test_nothing_is_sent_again_where_nothing_changed():
    model, found = hard()
    panel = HeatmapWidget()
    panel.show(model.draw(found), "m")
    sent = []
    panel.observe(lambda change: sent.append(change["name"]))
    panel.show(model.draw(found), "m")
    assert sent == []
