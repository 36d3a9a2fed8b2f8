"""A gate, a head or a bias row is a choice like any other: pictures, statistics, time lines, figure and code follow it."""

import sys
import threading
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from weight_explorer import WeightExplorer
from weight_explorer.catalog.schema import Axis, Block, Weight, format_index, slice_blocks
from weight_explorer.recording import history, part_statistics
from weight_explorer.recording.records import Record
from weight_explorer.recording.statistics.summary import FIELD_INDEX, QUANTITIES, summarize
from weight_explorer.views.choice import with_input
from weight_explorer.views.reading import values_at_record

FORGET = slice(20, 40)
KERNEL = "reader/encoder_lstm/forward_lstm/lstm_cell/kernel"


@pytest.fixture
def explorer(reader_model):
    reader_model.compile("adam", "mse")
    explorer = WeightExplorer(
        reader_model, record_every=1, labels={("encoder_lstm", "units"): [f"unit {i}" for i in range(20)]}
    )
    random = np.random.default_rng(1)
    reader_model.fit(random.random((96, 7, 100)), random.random((96, 4)), verbose=0, callbacks=[explorer.callback])
    explorer.select("encoder_lstm", role="kernel", block="forget gate")
    yield explorer
    explorer.close()


def scene(explorer):
    return explorer._screen.state()


def test_the_matrix_shows_the_gate_and_the_line_of_code_reads_it(explorer, reader_model):
    shown = scene(explorer)
    assert shown.expression == 'model.get_layer("encoder_lstm").forward_layer.cell.kernel.numpy()[:, 20:40]'
    np.testing.assert_array_equal(shown.picture.cells, eval(shown.expression, {"model": reader_model}))
    assert shown.picture.columns[0].labels == tuple(f"unit {i}" for i in range(20))
    assert shown.facts[0] == "(100, 20) = (input_dim, units)"
    assert "how much of its memory a unit keeps" in shown.explanation
    assert shown.name == "reader/encoder_lstm/forward_lstm / kernel / forget gate"


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_statistics_over_time_are_those_of_the_gate_at_every_record(explorer, quantity):
    values = explorer.history.values(KERNEL)[:, :, FORGET]
    series = explorer.history.statistics(KERNEL, quantity, (slice(None), FORGET))
    assert len(series) == len(values) == 5
    for number, row in enumerate(series.rows):
        reference = {"value": None, "since_start": values[0], "since_last": values[number - 1] if number else None}[quantity]
        if quantity == "since_last" and not number:
            assert np.isnan(row).all()
        else:
            np.testing.assert_allclose(row, summarize(values[number], reference))


def test_the_table_of_statistics_the_distribution_and_the_lines_follow_the_gate(explorer):
    rows = dict(row[:2] for row in scene(explorer).statistics.rows)
    now = explorer.history.values(KERNEL)[-1][:, FORGET]
    assert float(rows["mean"]) == pytest.approx(now.mean(), abs=1e-9)
    assert rows["elements"] == "2\N{NARROW NO-BREAK SPACE}000"
    explorer.select(view="distribution")
    assert sum(mark.y.sum() for mark in scene(explorer).picture.charts[0].marks if mark.name == "this record") == 2000
    explorer.select(view="over_time")
    lines = {mark.name: mark.y for mark in scene(explorer).picture.charts[0].marks}
    assert lines["maximum"][-1] == pytest.approx(now.max())
    assert explorer.figure()._suptitle.get_text().endswith("forget gate")


def test_all_gates_are_told_side_by_side_where_none_is_chosen(explorer):
    explorer.select(block="all")
    table = scene(explorer).block_statistics
    now = explorer.history.values(KERNEL)[-1]
    assert table.headers == ("by gate", "mean", "norm (L2)")
    for number, (name, mean, norm) in enumerate(table.rows):
        gate = now[:, 20 * number : 20 * number + 20]
        assert name == ["input gate", "forget gate", "cell candidate", "output gate"][number]
        assert float(mean) == pytest.approx(gate.mean(), rel=1e-2)
        assert float(norm) == pytest.approx(np.linalg.norm(gate), rel=1e-2)


def test_the_chosen_gate_stays_while_one_walks_from_weight_to_weight(explorer):
    explorer.select(role="bias")
    assert scene(explorer).expression.endswith("cell.bias.numpy()[20:40]")
    explorer.select("out")
    assert scene(explorer).expression == 'model.get_layer("out").bias'
    explorer.select("encoder_lstm", role="recurrent")
    assert scene(explorer).expression.endswith("recurrent_kernel.numpy()[:, 20:40]")


def test_the_panel_offers_direction_and_gate_and_a_click_chooses(explorer):
    explorer.select("encoder_lstm", role="kernel", block="all")
    gate = explorer._panel.blocks["first blocks"]
    assert (explorer._panel.weights.label, gate.label) == ("direction", "gate")
    assert [label for _, label in gate.options] == ["all gates", "input gate", "forget gate", "cell candidate", "output gate"]
    gate.selected = "output gate"
    explorer._screen.answer()
    assert scene(explorer).expression.endswith("kernel.numpy()[:, 60:80]")
    gate.selected = "all gates"
    explorer._screen.answer()
    assert scene(explorer).expression.endswith("cell.kernel")


def test_both_axes_of_a_grus_bias_are_choices():
    model = keras.Sequential([keras.Input((5, 4)), layers.GRU(3, name="gru")], name="m")
    explorer = WeightExplorer(model)
    explorer.select("gru", role="bias", block=("recurrent bias", "candidate"))
    assert scene(explorer).expression == 'model.get_layer("gru").cell.bias.numpy()[1, 6:9]'
    assert scene(explorer).resolved.weight.shape == (3,)
    explorer.select(block="update gate")
    assert scene(explorer).expression.endswith("bias.numpy()[1, 0:3]")
    assert [menu.selected for menu in explorer._panel.blocks.values()] == ["recurrent bias", "update gate"]
    explorer.close()


def test_heads_of_an_attention_are_choices_of_every_projection():
    inputs = keras.Input((5, 8))
    model = keras.Model(inputs, layers.MultiHeadAttention(3, 4, name="attention")(inputs, inputs), name="m")
    explorer = WeightExplorer(model)
    explorer.select("attention", block="head 1")
    assert scene(explorer).expression == 'model.get_layer("attention").query_dense.kernel.numpy()[:, 1]'
    (output,) = [key for key in explorer.catalog.weights if "output/kernel" in key]
    explorer.select(weight=output)
    assert scene(explorer).expression == 'model.get_layer("attention").output_dense.kernel.numpy()[1]'
    explorer.close()


def test_a_block_that_is_not_there_is_answered_with_the_nearest(explorer):
    with pytest.raises(ValueError, match=r"no block 'forgot gate'.*Did you mean 'forget gate'\?"):
        explorer.select(block="forgot gate")


def test_a_slice_says_which_records_have_lost_the_values_it_needs(reader_model):
    explorer = WeightExplorer(reader_model, memory=1_500_000)
    for number in range(30):
        reader_model.get_layer("encoder_lstm").forward_layer.cell.kernel.assign(np.full((100, 80), number))
        _ = explorer.history
    explorer.select("encoder_lstm", role="kernel", block="forget gate", view="over_time")
    kept = explorer.history.records_with_values(KERNEL)
    assert len(kept) < explorer.history.num_recorded
    assert "A part is known from kept values only" in scene(explorer).picture.caption
    series = explorer.history.statistics(KERNEL, "since_last", (slice(None), FORGET))
    assert series.record_numbers.tolist() == list(kept)
    unknown = np.isnan(series["norm"])
    assert series.record_numbers[~unknown].tolist() == [number for number in kept if number - 1 in kept]
    explorer.close()


def test_only_new_records_are_summarized_again(explorer, monkeypatch):
    explorer.history.statistics(KERNEL, index=(slice(None), FORGET))
    seen = []
    monkeypatch.setattr(history, "summarize", lambda *arrays: seen.append(1) or summarize(*arrays))
    explorer.history.statistics(KERNEL, index=(slice(None), FORGET))
    assert not seen


def test_a_replaced_variable_takes_its_slices_with_it(explorer, reader_model):
    index = (slice(None), FORGET)
    assert len(explorer.history.statistics(KERNEL, index=index)) == 5
    explorer.history.drop_weight(KERNEL)
    assert not len(explorer.history.statistics(KERNEL, index=index))


@pytest.mark.parametrize(
    ("blocks", "index", "shape"),
    [
        (("a",), ":, 0:2", (3, 2, 5)),
        (("b",), ":, 2:4", (3, 2, 5)),
        (("y",), ":, :, 1", (3, 4)),
        (("b", "x"), ":, 2:4, 0", (3, 2)),
    ],
    ids=str,
)
def test_cutting_keeps_what_is_named_and_drops_axes_of_one_entry(blocks, index, shape):
    axes = (
        Axis("rows", 3),
        Axis("units", 4, blocks=(Block("a", 0, 2), Block("b", 2, 4)), entry_name="unit", block_kind="gate"),
        Axis(
            "heads",
            5,
            blocks=tuple(Block(name, i, i + 1) for i, name in enumerate("xyzuv")),
            entry_name="head",
            block_kind="head",
        ),
    )
    whole = Weight("w", "kernel", "kernel", "l", (3, 4, 5), "float32", axes, expression="w")
    part = slice_blocks(whole, *blocks)
    assert (format_index(part.index), part.shape) == (index, shape)
    assert np.zeros((3, 4, 5))[part.index].shape == shape == tuple(axis.size for axis in part.axes)
    assert (part.variable_key, slice_blocks(whole, "none").source_key) == ("w", "")


def test_the_moved_share_of_a_gate_counts_its_own_elements(reader_model):
    explorer = WeightExplorer(reader_model)
    kernel = reader_model.get_layer("encoder_lstm").forward_layer.cell.kernel
    values = kernel.numpy()
    values[:, FORGET] += 1
    kernel.assign(values)
    for block, moved in (("forget gate", 2000), ("input gate", 0)):
        explorer.select("encoder_lstm", role="kernel", block=block)
        series = explorer.history.statistics(KERNEL, "since_start", scene(explorer).resolved.weight.index)
        assert series.rows[-1][FIELD_INDEX["moved"]] == moved
    explorer.close()


def test_the_bias_of_a_gru_is_told_gate_by_gate():
    model = keras.Sequential([keras.Input((5, 4)), layers.GRU(3, name="gru")], name="m")
    explorer = WeightExplorer(model)
    explorer.select("gru", role="bias")
    assert scene(explorer).block_statistics.headers[0] == "by gate"
    explorer.select(block="update gate")
    assert scene(explorer).block_statistics.headers[0] == "by bias"
    explorer.close()


def test_what_a_cut_says_is_true_of_the_part(explorer):
    explorer.select(role="bias", block="input gate")
    assert scene(explorer).selection.weight.initializer == "Zeros"
    explorer.select(block="forget gate")
    assert scene(explorer).selection.weight.initializer == "Zeros, forget gate at 1"
    explorer.select(role="recurrent")
    words = scene(explorer).explanation
    assert "recurrent_units: the layer's own output one step before; units: the forget gate of each unit" in words
    hash(scene(explorer).selection.weight)


def test_a_click_on_a_menu_that_is_gone_by_now_changes_nothing():
    model = keras.Sequential([keras.Input((5, 4)), layers.GRU(3, name="gru")], name="m")
    explorer = WeightExplorer(model)
    explorer.select("gru", role="kernel")
    before = explorer._screen.choice
    for value in ("recurrent bias", "all biases", "nothing"):
        assert with_input(explorer.catalog, before, "second blocks", value) is before
    assert with_input(explorer.catalog, before, "second blocks", "reset gate").blocks == ("reset gate",)
    explorer.close()


def test_records_remember_a_few_slices_within_the_memory(reader_model):
    explorer = WeightExplorer(reader_model, memory=1_500_000)
    kernel = reader_model.get_layer("encoder_lstm").forward_layer.cell.kernel
    for number in range(20):
        kernel.assign(np.full((100, 80), number))
        _ = explorer.history
        for start in range(0, 80, 20):
            for quantity in QUANTITIES:
                explorer.history.statistics(KERNEL, quantity, (slice(None), slice(start, start + 20)))
        assert explorer.history.nbytes <= 1_500_000
    remembered = [kept.part_statistics._rows for kept in explorer.history._kept_values.values()]
    assert max(len(rows) for rows in remembered) == part_statistics.MAX_PARTS
    assert max(len(row) for rows in remembered for row in rows.values()) <= part_statistics.MAX_ROWS
    explorer.close()


def test_a_reader_of_an_older_snapshot_brings_no_past_back(explorer):
    snapshot, index = explorer.history.snapshot(), (slice(None), FORGET)
    snapshot.statistics(KERNEL)
    explorer.history.drop_weight(KERNEL)
    assert len(snapshot.statistics(KERNEL, index=index)) == 5
    assert not len(explorer.history.statistics(KERNEL, index=index))


def test_readers_and_training_meet_on_slices_without_an_error(explorer):
    """Clicks, `figure()` and the training read and forget at once, under a short switch interval."""
    errors, stop = [], threading.Event()

    def read():
        try:
            while not stop.is_set():
                for start in range(0, 80, 20):
                    explorer.history.snapshot().statistics(KERNEL, "since_start", (slice(None), slice(start, start + 20)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must fail of it
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for reader in readers:
            reader.start()
        for _ in range(50):
            explorer._tracker.record(Record(0, 1, 1, 1.0, "batch"))
            explorer.history.drop_weight(KERNEL)
    finally:
        stop.set()
        for reader in readers:
            reader.join()
        sys.setswitchinterval(before)
    assert not errors


def test_a_part_gives_its_values_in_python(explorer):
    part = explorer.catalog.weights[KERNEL].part("forget gate")
    with pytest.raises(ValueError, match=r"no block 'forgot gate'.*There are: input gate, forget gate"):
        explorer.catalog.weights[KERNEL].part("forgot gate")
    values = explorer.history.values(part.whole, part.index)
    np.testing.assert_array_equal(values, explorer.history.values(KERNEL)[:, :, FORGET])


def test_a_part_of_a_record_of_another_shape_is_not_shown(explorer):
    part = slice_blocks(explorer.catalog.weights[KERNEL], "forget gate")
    wider = replace(part, shape=(100, 25), index=(slice(None), slice(60, 85)))
    assert values_at_record(part, explorer.history, 0)[0].shape == (100, 20)
    assert values_at_record(wider, explorer.history, 0) is None
