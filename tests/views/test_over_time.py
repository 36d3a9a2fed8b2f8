"""Over time: every statistic, several weights at once, pinned elements, seams, and loss and metrics in the same time."""

import itertools
from types import MappingProxyType

import numpy as np
import pytest

from tests.records import Variable, history_of
from weight_explorer.catalog.schema import Axis, Block, Catalog, LayerNode, Weight, slice_blocks
from weight_explorer.panel import weight_details
from weight_explorer.pictures.data import ChartPicture
from weight_explorer.recording.live_history import LiveHistory
from weight_explorer.recording.recorder import Recorder
from weight_explorer.recording.records import Record
from weight_explorer.views.choice import Choice, with_options
from weight_explorer.views.over_time import curves, over_time_view
from weight_explorer.views.over_time.curves import STATISTICS

BLOCKS = (Block("first gate", 0, 2), Block("second gate", 2, 4))


def weight_of(key="w", shape=(3, 4), layer="l", role="kernel", gates=()):
    axes = [Axis(f"axis {i}", size, entry_name="unit") for i, size in enumerate(shape)]
    axes[-1] = Axis("units", shape[-1], blocks=gates, entry_name="unit", block_kind="gate" if gates else "")
    return Weight(key, role, key.rpartition("/")[2], layer, shape, "float32", tuple(axes))


def run_of(weights, epochs=6, fits=(0, 3)):
    """A history of several weights with logs; all elements of a weight are its place plus the epoch."""
    history, variables = LiveHistory(10**8), {weight.key: Variable(None) for weight in weights}
    recorder = Recorder(history, lambda variables: [each.values for each in variables])
    known = {weight.key: weight for weight in weights}
    catalog = Catalog(LayerNode("m", "m", "Sequential", weights=tuple(known)), known, variables)
    for epoch in range(epochs):
        for place, weight in enumerate(weights):
            ramp = np.arange(weight.size).reshape(weight.shape) / 100
            variables[weight.key].values = (ramp + place + 0.1 * epoch).astype(np.float32)
        logs = {"loss": 1 / (epoch + 1), "accuracy": epoch / 10, **({"val_loss": 1.0} if epoch % 2 else {})}
        fit = sum(epoch >= begin for begin in fits) - 1
        kind = "start" if epoch in fits else "epoch"
        if epoch in fits:
            history.num_fits += 1
        logs = MappingProxyType(logs if epoch else {})
        recorder.record(catalog, Record(0, epoch, 0, 0.0, kind, fit, logs=logs, keras_epoch=0 if epoch in fits else epoch))
    return history


def drawn(weight, history, choice=None, **options):
    choice = with_options(choice or Choice(), weight.role, over_time_view.VIEW, options)
    picture = over_time_view.draw(weight, history, choice)
    assert isinstance(picture, ChartPicture), picture.caption
    return picture


def lines(chart):
    return {mark.name: mark for mark in chart.marks if mark.kind == "line"}


EXPECTED = {
    "mean": lambda now, before: now.mean(),
    "std": lambda now, before: now.std(),
    "minimum": lambda now, before: now.min(),
    "maximum": lambda now, before: now.max(),
    "norm": lambda now, before: np.linalg.norm(now),
    "change": lambda now, before: np.linalg.norm(now - before),
    "update_ratio": lambda now, before: np.linalg.norm(now - before) / np.linalg.norm(now),
    "moved": lambda now, before: 100 * (now != before).mean(),
    "zeros": lambda now, before: 100 * (now == 0).mean(),
    "nans": lambda now, before: np.isnan(now).sum(),
    "infs": lambda now, before: np.isinf(now).sum(),
}


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("is_part", [False, True], ids=["whole", "gate"])
def test_every_statistic_is_that_of_the_elements_at_every_record(name, is_part):
    values = np.random.default_rng(1).normal(size=(5, 3, 4)).astype(np.float32)
    values[2, :, 0] = values[2, :, 3] = 0
    values[3, 0] = values[2, 0]
    weight = weight_of(gates=BLOCKS)
    shown = slice_blocks(weight, "second gate") if is_part else weight
    (line,) = lines(drawn(shown, history_of(*values), statistic=name).charts[0]).values()
    taken = values[:, :, 2:4] if is_part else values
    wanted = [EXPECTED[name](now.astype(float), before.astype(float)) for before, now in itertools.pairwise(taken)]
    np.testing.assert_allclose(line.y[1:], wanted, rtol=1e-6, atol=1e-9)


def test_quantiles_are_those_of_the_elements():
    values = np.random.default_rng(1).normal(size=(3, 100, 100)).astype(np.float32)
    for name, share in (("q01", 0.01), ("median", 0.5), ("q99", 0.99)):
        (line,) = lines(drawn(weight_of(shape=(100, 100)), history_of(*values), statistic=name).charts[0]).values()
        np.testing.assert_allclose(line.y, np.quantile(values.reshape(3, -1), share, axis=1), atol=0.1)


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("quantity", ["value", "since_start", "since_last"])
@pytest.mark.parametrize("is_log", ["on", "off"])
def test_every_statistic_draws_for_every_quantity_on_both_axes(name, quantity, is_log):
    history = run_of([weight_of()])
    picture = drawn(weight_of(), history, Choice(quantity=quantity), statistic=name, log=is_log)
    if is_log == "on":
        assert picture.charts[0].is_log
        assert all(not (mark.y <= 0).any() for mark in picture.charts[0].marks if mark.kind == "line")


def test_gates_are_lines_of_their_own():
    weight = weight_of(gates=BLOCKS)
    values = np.zeros((3, 3, 4), np.float32)
    values[:, :, 2:] = np.arange(3)[:, None, None]
    found = lines(drawn(weight, history_of(*values), lines="blocks", statistic="mean").charts[0])
    np.testing.assert_allclose(found["first gate"].y, [0, 0, 0])
    np.testing.assert_allclose(found["second gate"].y, [0, 1, 2])


def test_weights_of_the_layer_and_of_the_same_role_are_side_by_side():
    weights = [weight_of("a/kernel", layer="m/a"), weight_of("a/bias", (4,), "m/a", "bias"), weight_of("b/kernel", layer="m/b")]
    history = run_of(weights)
    assert list(lines(drawn(weights[0], history, lines="layer", statistic="mean").charts[0])) == ["kernel", "bias"]
    assert list(lines(drawn(weights[0], history, lines="role", statistic="mean").charts[0])) == ["a", "b"]


def test_of_many_layers_the_largest_are_drawn_and_the_one_that_is_shown():
    weights = [weight_of(f"m{i}/kernel", (3, i + 1), layer=f"m/m{i}") for i in range(15)]
    picture = drawn(weights[0], run_of(weights), lines="role", statistic="mean")
    names = list(lines(picture.charts[0]))
    assert len(names) == curves.MAX_LINES
    assert names[0] == "m0"
    assert names[1:] == [f"m{i}" for i in range(8, 15)]
    assert "8 largest of 15" in picture.caption


def test_layers_of_the_same_name_are_told_apart():
    weights = [weight_of("x/d/kernel", layer="m/x/d"), weight_of("y/d/kernel", layer="m/y/d")]
    assert list(curves.weights_of_role(weights[0], run_of(weights))) == ["x/d/kernel", "y/d/kernel"]


@pytest.mark.parametrize("quantity", ["value", "since_start", "since_last"])
def test_pinned_elements_are_followed_by_name(quantity):
    values = np.random.default_rng(2).normal(size=(5, 3, 4)).astype(np.float32)
    choice = Choice(quantity=quantity, pins=(("w", (2, 3)), ("other", (0, 0))))
    picture = drawn(weight_of(), history_of(*values), choice)
    wanted = {"value": values, "since_start": values - values[0], "since_last": np.diff(values, axis=0, prepend=np.nan)}
    line = lines(picture.charts[0])["kernel[2, 3]"]
    np.testing.assert_allclose(line.y, wanted[quantity][:, 2, 3], rtol=1e-5, atol=1e-6)
    assert list(lines(drawn(weight_of(), history_of(*values), choice, lines="pins").charts[0])) == ["kernel[2, 3]"]


def test_a_pinned_element_that_is_not_in_the_sample_is_said_to_be_missing():
    values = np.random.default_rng(2).normal(size=(600, 700)).astype(np.float32)
    history = history_of(values, values + 1, memory=500_000)
    sample = history.weight_history("w").sample
    known = tuple(int(i) for i in np.unravel_index(sample.indexes[7], (600, 700)))
    unknown = next(i for i in range(1000) if i not in set(sample.indexes.tolist()))
    choice = Choice(pins=(("w", known), ("w", (0, unknown))))
    picture = drawn(weight_of(shape=(600, 700)), history, choice)
    np.testing.assert_allclose(
        lines(picture.charts[0])[f"kernel[{known[0]}, {known[1]}]"].y, [values[known], values[known] + 1]
    )
    assert f"kernel[0, {unknown}]" in picture.caption


def test_loss_and_metrics_stand_below_in_the_same_time():
    upper, lower = drawn(weight_of(), run_of([weight_of()])).charts
    found = lines(lower)
    assert list(found) == ["loss", "val_loss", "accuracy"]
    np.testing.assert_allclose(found["loss"].y, [1 / (epoch + 1) for epoch in range(1, 6)])
    np.testing.assert_allclose(found["val_loss"].x, [1, 3, 5])
    assert (upper.x_label, lower.x_label) == ("", "epochs")


def test_ends_of_epochs_and_fits_are_marked():
    upper, lower = drawn(weight_of(), run_of([weight_of()], fits=(0, 3))).charts
    epochs, fits, *_ = (mark for mark in upper.marks if mark.kind == "rules")
    assert epochs.x.tolist() == [1, 2, 4]
    assert fits.x.tolist() == [3]
    assert fits.name
    assert not any(mark.name for mark in lower.marks if mark.kind == "rules")


def test_many_epochs_are_not_hatched():
    (chart, *_) = drawn(weight_of(), run_of([weight_of()], epochs=100, fits=(0,))).charts
    assert 5 < len(chart.marks[0].x) <= over_time_view.MAX_EPOCH_LINES


def test_without_logs_the_sizes_of_changes_stand_below_or_nothing():
    history = history_of(*np.ones((3, 3, 4), np.float32))
    assert drawn(weight_of(), history).charts[1].y_label == "L2 norm"
    assert len(drawn(weight_of(), history, below="nothing").charts) == 1


def test_numbers_that_are_not_finite_are_gaps_and_said():
    values = np.ones((4, 3, 4), np.float32)
    values[2] = np.nan
    picture = drawn(weight_of(), history_of(*values), statistic="mean")
    assert np.isnan(lines(picture.charts[0])["w"].y[2])
    assert "1 points are not finite" in picture.caption


def test_rows_of_parts_are_computed_once(monkeypatch):
    weight, history = weight_of(gates=BLOCKS), history_of(*np.random.default_rng(1).normal(size=(6, 3, 4)))
    drawn(weight, history, lines="blocks", statistic="mean")
    monkeypatch.setattr("weight_explorer.recording.live_history.summarize", lambda *_: pytest.fail("computed again"))
    drawn(weight, history, lines="blocks", statistic="mean")


def test_the_table_does_not_say_that_nan_did_not_move():
    values = np.ones((3, 3, 4), np.float32)
    values[1:, 1:] = np.nan
    rows = {name: cells for name, *cells in weight_details.statistics_table(weight_of(), history_of(*values), Choice()).rows}
    assert rows["update ratio"][0] == "unknown"
    assert rows["moved"][0] == "8"


def test_the_table_says_which_element_changed_most_and_how_large_the_last_update_was():
    values = np.ones((3, 3, 4), np.float32)
    values[1:, 2, 1] = 0.5
    values[2, 0, 0] = 1.25
    rows = {name: cells for name, *cells in weight_details.statistics_table(weight_of(), history_of(*values), Choice()).rows}
    assert rows["largest change"] == ["[2, 1]", "-0.5"]
    assert float(rows["update ratio"][0]) == pytest.approx(0.25 / np.linalg.norm(values[2]), rel=1e-2)
    assert len(rows) == 12
